//! Lines of a log, each looked at by itself, on all cores: reading them strictly and verifying their signatures is
//! what takes the time of an audit.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};

use super::entry::{Entry, EntryError};
use super::merkle::{Hash, leaf_hash};
use super::store::{LineRead, read_line};
use crate::signed::{Check, Jws, Outcome, TrustStore, verify, verify_signatures};

/// Lines, and about how many bytes of them, that are handed to a core at a time.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// Batches that wait for each core, so that none stands still while results are taken.
const AHEAD: usize = 3;
/// Lines whose signatures are verified together.
const TOGETHER: usize = 32;

/// One line by itself.
pub(super) struct Looked {
    pub entry: Result<Entry, EntryError>,
    /// RFC 6962 leaf hash of the line.
    pub leaf: Hash,
    /// The signature checks that did not pass.
    pub doubts: Vec<Check>,
}

type Lines = Arc<Vec<Vec<u8>>>;

/// Shows every complete line to `take`, in order. Tells whether the last line is unfinished.
pub(super) fn look_at_all(
    reader: &mut impl BufRead,
    trust: Option<&TrustStore>,
    mut take: impl FnMut(Looked),
) -> io::Result<bool> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| Worker::start(scope, trust)).collect();
        // In the order of the log; each worker gives its results in the order of what it was handed.
        let mut waiting: VecDeque<(Lines, &Worker)> = VecDeque::new();
        let mut turn = workers.iter().cycle();
        let mut unfinished = None;
        loop {
            while unfinished.is_none() && waiting.len() < cores * AHEAD {
                let lines;
                (lines, unfinished) = read_batch(reader)?;
                let Some(worker) = turn.next().filter(|_| !lines.is_empty()) else { break };
                // Should a worker be gone, what it does not answer is looked at here.
                let _ = worker.give.send(Arc::clone(&lines));
                waiting.push_back((lines, worker));
            }
            let Some((lines, worker)) = waiting.pop_front() else { return Ok(unfinished == Some(true)) };
            let looked = worker.result.recv().unwrap_or_else(|_| look_at_batch(&lines, trust));
            looked.into_iter().for_each(&mut take);
        }
    })
}

struct Worker {
    give: Sender<Lines>,
    result: Receiver<Vec<Looked>>,
}

impl Worker {
    /// Ends when nobody can give it anything any more.
    fn start<'scope>(scope: &'scope Scope<'scope, '_>, trust: Option<&'scope TrustStore>) -> Worker {
        let (give, given) = channel::<Lines>();
        let (done, result) = channel();
        scope.spawn(move || {
            for lines in given {
                if done.send(look_at_batch(&lines, trust)).is_err() {
                    return;
                }
            }
        });
        Worker { give, result }
    }
}

/// Some lines; `Some` where they are the last: whether another one follows that is unfinished.
fn read_batch(reader: &mut impl BufRead) -> io::Result<(Lines, Option<bool>)> {
    let (mut lines, mut bytes) = (Vec::with_capacity(BATCH), 0);
    while lines.len() < BATCH && bytes < BATCH_BYTES {
        match read_line(reader)? {
            LineRead::Line(line) => {
                bytes += line.len();
                lines.push(line);
            }
            LineRead::End => return Ok((Arc::new(lines), Some(false))),
            LineRead::Unfinished => return Ok((Arc::new(lines), Some(true))),
        }
    }
    Ok((Arc::new(lines), None))
}

fn look_at_batch(lines: &[Vec<u8>], trust: Option<&TrustStore>) -> Vec<Looked> {
    lines.chunks(TOGETHER).flat_map(|lines| look_at(lines, trust)).collect()
}

fn look_at(lines: &[Vec<u8>], trust: Option<&TrustStore>) -> Vec<Looked> {
    let mut read: Vec<_> = lines.iter().map(|line| Entry::read(line)).collect();
    if let Some(trust) = trust {
        verify_signatures(&mut read.iter_mut().flatten().map(|(jws, _)| jws).collect::<Vec<_>>(), trust);
    }
    let look = |(line, read): (&Vec<u8>, Result<(Jws, Entry), EntryError>)| {
        let leaf = leaf_hash(line);
        match read {
            Ok((jws, entry)) => {
                let mut doubts = verify(&jws, super::ENTRY_TYP, trust);
                doubts.retain(|check| check.outcome != Outcome::Passed);
                Looked { entry: Ok(entry), leaf, doubts }
            }
            Err(e) => Looked { entry: Err(e), leaf, doubts: Vec::new() },
        }
    };
    lines.iter().zip(read).map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More lines than are handed out at once, and one that is unfinished.
    #[test]
    fn lines_come_in_order_whatever_core_looks_at_them() {
        let lines: Vec<String> = (0..BATCH * AHEAD * 40 + 7).map(|n| format!("line {n}")).collect();
        let text = lines.join("\n");
        for (text, last, more) in [(format!("{text}\n"), lines.len(), false), (text, lines.len() - 1, true)] {
            let mut leaves = Vec::new();
            let unfinished = look_at_all(&mut text.as_bytes(), None, |looked| {
                assert!(looked.entry.is_err());
                leaves.push(looked.leaf);
            });
            assert_eq!(unfinished.unwrap(), more);
            assert!(leaves == lines[..last].iter().map(|l| leaf_hash(l.as_bytes())).collect::<Vec<_>>());
        }
        assert!(!look_at_all(&mut &b""[..], None, |_| panic!("there is no line")).unwrap());
    }

    /// Lines that are far too long are handed out one by one.
    #[test]
    fn long_lines_are_told_of() {
        let text = [vec![b'x'; 5 << 20], b"\n".to_vec(), vec![b'y'; 2 << 20], b"\n".to_vec()].concat();
        let mut kinds = Vec::new();
        let unfinished = look_at_all(&mut text.as_slice(), None, |looked| {
            kinds.push(matches!(looked.entry, Err(EntryError::TooLong(_))));
        });
        assert!(!unfinished.unwrap());
        assert!(kinds[0] && !kinds[kinds.len() - 1]);
    }
}
