//! One pass over one medium as a state machine: what to ask for next, and what an answer means.
//! No I/O, no clock, no thread.
//!
//! 1. *Sweep* through the extents. After an error the place goes to the trouble list and the sweep
//!    skips ahead, twice as far each time, to reach the healthy rest of a dying drive first; then it
//!    comes back for what it skipped.
//! 2. *Trouble*, one request at a time: each range is halved down to the single logical block, which
//!    is retried and then recorded. Time lost on errors here is charged to a budget; when it is spent,
//!    what remains is recorded as unreached.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Range;
use std::time::Duration;

use super::job::{FirstError, PassEnd};
use super::ledger::{Ledger, blocks_of, insert};
use super::marks::Marks;
use super::trouble::Trouble;
use crate::scheme::{CompiledPattern, Pattern};
use crate::units::{Bytes, SectorSize};

/// Write the pattern, or read it back and compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassOp {
    /// Write the pattern.
    Write,
    /// Read back and compare every byte.
    Verify,
}

/// How much patience a pass has with a failing medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultLimits {
    /// How often a single block is tried again before it is recorded.
    pub retries: u32,
    /// Time that may be lost on failing requests once the sweep has been through.
    pub retry_budget: Duration,
    /// Without any answer for this long, while requests are under way, the pass ends as stalled.
    pub stall_timeout: Duration,
}

impl Default for FaultLimits {
    /// 3 retries, 15 minutes, 5 minutes (the kernel's SCSI layer gives up by itself after 3).
    fn default() -> FaultLimits {
        FaultLimits {
            retries: 3,
            retry_budget: Duration::from_secs(15 * 60),
            stall_timeout: Duration::from_secs(5 * 60),
        }
    }
}

/// More separate bad ranges than this and the medium is beyond description; it also bounds memory, of the ledger (a
/// MiB) and of what is to be come back to (some MiB).
///
/// Thousands of scattered bad blocks are far below it: each of them is narrowed down, and all the rest is written. Above
/// it the sweep still goes through, so that the rest is written all the same, but what fails then is recorded as
/// unreached as a whole, which no run passes with.
const MOST_RANGES: usize = 65_536;

/// A piece of the medium to write or to read now. Has to come back through [`Pass::complete`].
#[derive(Debug)]
pub struct Request {
    offset: u64,
    len: usize,
    origin: Origin,
    issued: Duration,
}

impl Request {
    /// The first byte.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: a request moves at least one byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn end(&self) -> u64 {
        self.offset + self.len as u64
    }
}

/// What a pass needs next.
#[derive(Debug, PartialEq, Eq)]
pub enum Poll {
    /// A request of at most this many bytes: call [`Pass::take`].
    Ready(u64),
    /// Answers that are still out.
    Waiting,
    /// Nothing: it has ended, and no request is out.
    Finished,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    /// `leap` counts the skips before it: a failure from before the last skip does not skip again.
    Sweep { leap: u32 },
    /// A piece of the trouble list that was tried this often at exactly this size.
    Trouble { attempts: u32 },
}

/// The state of one pass.
#[derive(Debug)]
pub struct Pass {
    op: PassOp,
    block: SectorSize,
    end_of_medium: u64,
    pattern: CompiledPattern,
    marks: Marks,
    limits: FaultLimits,
    /// What the sweep still has before it, in order.
    sweep: VecDeque<Range<u64>>,
    /// Skipped over, to come back to. By start.
    deferred: BTreeMap<u64, u64>,
    /// Remainders of short answers and requests that were called back. By start.
    again: BTreeMap<u64, (u64, Origin)>,
    /// Failed, to be narrowed down.
    trouble: Trouble,
    /// Starts and ends of the requests that are out.
    flying: Vec<(u64, u64)>,
    skip: u64,
    leap: u32,
    /// The first sweep is through, or can skip no more: time lost on errors now counts.
    returning: bool,
    lost: Duration,
    total: u64,
    settled: u64,
    good: u64,
    ledger: Ledger,
    ledger_version: u64,
    first_error: Option<FirstError>,
    end: Option<PassEnd>,
}

impl Pass {
    /// A pass over `ranges` (sorted, disjoint, block-aligned but for the end) of a medium of `size`.
    pub fn new(
        op: PassOp,
        pattern: &Pattern,
        size: Bytes,
        block: SectorSize,
        ranges: Vec<Range<u64>>,
        limits: FaultLimits,
    ) -> Pass {
        Pass {
            op,
            block,
            end_of_medium: size.0,
            pattern: pattern.compile(),
            marks: Marks::of(pattern, block),
            limits,
            total: ranges.iter().map(|r| r.end - r.start).sum(),
            sweep: ranges.into(),
            deferred: BTreeMap::new(),
            again: BTreeMap::new(),
            trouble: Trouble::default(),
            flying: Vec::new(),
            skip: 0,
            leap: 0,
            returning: false,
            lost: Duration::ZERO,
            settled: 0,
            good: 0,
            ledger: Ledger::default(),
            ledger_version: 0,
            first_error: None,
            end: None,
        }
    }

    /// What to do now.
    pub fn poll(&mut self) -> Poll {
        if self.end.is_some() {
            return if self.flying.is_empty() { Poll::Finished } else { Poll::Waiting };
        }
        if self.returning && self.lost > self.limits.retry_budget {
            self.give_up();
        }
        if self.sweep.is_empty() && !self.deferred.is_empty() {
            self.sweep = std::mem::take(&mut self.deferred).into_iter().map(|(start, end)| start..end).collect();
            self.returning = true;
            self.skip = 0;
            self.leap = self.leap.wrapping_add(1);
        }
        let next = self.again.first_key_value().map(|(start, (end, _))| end - start);
        if let Some(len) = next.or_else(|| self.sweep.front().map(|r| r.end - r.start)) {
            return Poll::Ready(len);
        }
        if !self.flying.is_empty() {
            return Poll::Waiting;
        }
        match self.trouble.next_len() {
            Some(len) => {
                self.returning = true;
                Poll::Ready(len)
            }
            None => {
                self.end = Some(PassEnd::Complete);
                Poll::Finished
            }
        }
    }

    /// The next request, of at most `most` bytes, at time `now` since the start. `None` when
    /// [`Pass::poll`] is not ready, or `most` is less than a block and less than what is left.
    pub fn take(&mut self, most: usize, now: Duration) -> Option<Request> {
        if !matches!(self.poll(), Poll::Ready(_)) {
            return None;
        }
        let unit = self.block.bytes();
        let most = most as u64 - most as u64 % unit;
        let cut = |start: u64, end: u64| if end - start <= most { end } else { start + most };
        let (start, end, origin);
        if let Some((&from, &(to, of))) = self.again.first_key_value() {
            (start, end, origin) = (from, cut(from, to), of);
            if end > start {
                self.again.remove(&from);
                (end < to).then(|| self.again.insert(end, (to, of)));
            }
        } else if let Some(range) = self.sweep.front_mut() {
            (start, end, origin) = (range.start, cut(range.start, range.end), Origin::Sweep { leap: self.leap });
            range.start = end;
            if range.start == range.end {
                self.sweep.pop_front();
            }
        } else {
            let (from, to, attempts) = self.trouble.take(most)?;
            (start, end, origin) = (from, to, Origin::Trouble { attempts });
        }
        let len = usize::try_from(end - start).ok().filter(|len| *len > 0)?;
        self.flying.push((start, end));
        Some(Request { offset: start, len, origin, issued: now })
    }

    /// Makes a buffer ready for `request`: the pattern to write, or marks that no medium returns as the
    /// pattern. A buffer may still hold just these bytes from the write pass, and a device that reports
    /// a read it did not do must not pass with them.
    pub fn prepare(&self, request: &Request, buffer: &mut [u8]) {
        let len = request.len.min(buffer.len());
        let buffer = &mut buffer[..len];
        match self.op {
            PassOp::Write => self.pattern.fill(request.offset, buffer),
            PassOp::Verify => self.marks.set(&self.pattern, request.offset, buffer),
        }
    }

    /// What came of a request at time `now`. `data` is the buffer of a read; only its first
    /// `moved` bytes, the ones this read returned, are looked at.
    pub fn complete(&mut self, request: Request, moved: io::Result<usize>, data: &[u8], now: Duration) {
        let Some(at) = self.flying.iter().position(|(start, _)| *start == request.offset) else { return };
        self.flying.swap_remove(at);
        match moved {
            Ok(moved) => {
                let whole = moved >= request.len;
                let moved = if whole { request.len } else { moved - moved % self.block.bytes() as usize };
                match self.op {
                    _ if moved == 0 => self.failed(&request, no_progress(self.op), now),
                    PassOp::Verify if data.len() < moved => self.failed(&request, no_progress(self.op), now),
                    PassOp::Write => self.moved(&request, moved, 0),
                    PassOp::Verify => {
                        let wrong = self.compare(request.offset, &data[..moved]);
                        self.moved(&request, moved, wrong);
                    }
                }
            }
            Err(error) => match error.raw_os_error() {
                // Not done and nothing wrong with the medium: called back, or a signal came.
                Some(libc::ECANCELED | libc::EINTR) => {
                    self.again.insert(request.offset, (request.end(), request.origin));
                }
                Some(libc::ENODEV | libc::ENXIO | libc::ENOMEDIUM | libc::ESHUTDOWN) => {
                    self.again.insert(request.offset, (request.end(), request.origin));
                    self.note_error(&request, &error);
                    self.stop(PassEnd::DeviceGone { error });
                }
                _ => self.failed(&request, error, now),
            },
        }
        if self.ledger.ranges() > MOST_RANGES {
            self.stop(PassEnd::Failed {
                error: io::Error::other(format!("more than {MOST_RANGES} separate ranges of bad blocks")),
            });
        }
    }

    /// Ends the pass as soon as the requests that are out have come back. The first reason counts.
    pub fn stop(&mut self, end: PassEnd) {
        self.end.get_or_insert(end);
    }

    /// Ends the pass although requests may be out that never come back.
    pub fn abandon(&mut self, end: PassEnd) {
        self.end = Some(end);
    }

    /// The byte of a write pass of a constant pattern: it needs no buffer of its own.
    pub fn constant_write(&self) -> Option<u8> {
        self.pattern.is_constant().filter(|_| self.op == PassOp::Write)
    }

    /// Bytes to settle in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes settled: good, or in the ledger.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// Every byte of the extents below this offset is settled.
    pub fn watermark(&self) -> u64 {
        let first = |start: Option<&u64>| start.copied().unwrap_or(self.end_of_medium);
        self.flying
            .iter()
            .map(|(start, _)| *start)
            .chain(self.sweep.front().map(|r| r.start))
            .chain([first(self.again.keys().next()), first(self.deferred.keys().next())])
            .fold(self.trouble.start().unwrap_or(self.end_of_medium), u64::min)
    }

    /// What went wrong so far, and a number that changes when it does.
    pub fn ledger(&self) -> (&Ledger, u64) {
        (&self.ledger, self.ledger_version)
    }

    /// The result; call it when [`Pass::poll`] says finished, or after [`Pass::abandon`].
    pub fn outcome(mut self) -> super::PassOutcome {
        let watermark = Bytes(self.watermark());
        let end = self.end.take().unwrap_or(PassEnd::Cancelled);
        if !matches!(end, PassEnd::Complete | PassEnd::Cancelled) {
            self.give_up();
            std::mem::take(&mut self.flying).into_iter().for_each(|(start, end)| self.unreached(start, end));
        }
        super::PassOutcome {
            end,
            watermark,
            done: Bytes(self.good),
            ledger: self.ledger,
            first_error: self.first_error,
        }
    }

    /// `moved` bytes, whole blocks, went through, `wrong` of them with other content.
    fn moved(&mut self, request: &Request, moved: usize, wrong: u64) {
        let moved = moved as u64;
        self.settled += moved;
        self.good += moved.saturating_sub(wrong);
        let reached = request.offset + moved;
        if reached < request.end() {
            self.again.insert(reached, (request.end(), request.origin));
        }
        if let Origin::Sweep { leap } = request.origin
            && leap == self.leap
        {
            self.skip = 0;
        }
    }

    /// Records every block of `data` that is not as it should be; how many bytes that is.
    fn compare(&mut self, offset: u64, data: &[u8]) -> u64 {
        let unit = self.block.bytes() as usize;
        let (mut at, mut wrong) = (0, 0);
        while let Some(found) = data.get(at..).and_then(|d| self.pattern.first_mismatch(offset + at as u64, d)) {
            let start = (at + found) - (at + found) % unit;
            let end = (start + unit).min(data.len());
            let blocks = blocks_of(offset + start as u64, offset + end as u64, self.block);
            insert(&mut self.ledger.mismatched, blocks);
            self.ledger_version += 1;
            wrong += (end - start) as u64;
            at = end;
        }
        wrong
    }

    fn failed(&mut self, request: &Request, error: io::Error, now: Duration) {
        self.note_error(request, &error);
        if self.returning {
            // More was none of the medium's: the process itself was stopped.
            let took = now.saturating_sub(request.issued).min(self.limits.stall_timeout);
            self.lost = self.lost.saturating_add(took);
        }
        let (attempts, swept) = match request.origin {
            Origin::Sweep { leap } => {
                if leap == self.leap {
                    self.skip_ahead(request);
                }
                (0, true)
            }
            Origin::Trouble { attempts } => (attempts, false),
        };
        let (start, end) = (request.offset, request.end());
        // What is narrowed down already is few pieces a place, and goes on.
        if swept && self.trouble.len() >= MOST_RANGES && self.trouble.is_apart(start, end) {
            self.unreached(start, end);
        } else if end - start > self.block.bytes() {
            self.trouble.halve(start, end, self.block, swept);
        } else if attempts < self.limits.retries {
            self.trouble.retry(start, end, attempts + 1);
        } else {
            let list = match self.op {
                PassOp::Write => &mut self.ledger.unwritten,
                PassOp::Verify => &mut self.ledger.unread,
            };
            insert(list, blocks_of(start, end, self.block));
            self.ledger_version += 1;
            self.settled += end - start;
        }
    }

    fn skip_ahead(&mut self, failed: &Request) {
        if self.deferred.len() >= MOST_RANGES {
            // No more places to come back to: it goes on without a skip, and so that it ends, on the budget.
            self.returning = true;
            return;
        }
        self.leap = self.leap.wrapping_add(1);
        self.skip = self.skip.saturating_mul(2).max(failed.len.next_multiple_of(self.block.bytes() as usize) as u64);
        if let Some(range) = self.sweep.front_mut() {
            let target = range.start.saturating_add(self.skip).min(range.end);
            self.deferred.insert(range.start, target);
            range.start = target;
            if range.start == range.end {
                self.sweep.pop_front();
            }
        }
    }

    fn note_error(&mut self, request: &Request, error: &io::Error) {
        if self.first_error.is_none() {
            let range = blocks_of(request.offset, request.end(), self.block);
            self.first_error = Some(FirstError { range, message: error.to_string() });
        }
    }

    /// What the sweep has to come back for and what is in trouble stays as it is.
    fn give_up(&mut self) {
        let open: Vec<(u64, u64)> = std::mem::take(&mut self.sweep)
            .into_iter()
            .map(|r| (r.start, r.end))
            .chain(std::mem::take(&mut self.deferred))
            .chain(std::mem::take(&mut self.again).into_iter().map(|(start, (end, _))| (start, end)))
            .chain(self.trouble.drain())
            .collect();
        open.into_iter().for_each(|(start, end)| self.unreached(start, end));
    }

    fn unreached(&mut self, start: u64, end: u64) {
        insert(&mut self.ledger.unreached, blocks_of(start, end, self.block));
        self.ledger_version += 1;
        self.settled += end - start;
    }
}

fn no_progress(op: PassOp) -> io::Error {
    match op {
        PassOp::Write => io::Error::new(io::ErrorKind::WriteZero, "the medium took not even one block"),
        PassOp::Verify => {
            io::Error::new(io::ErrorKind::UnexpectedEof, "the medium gave not even one block, before its end")
        }
    }
}

#[cfg(test)]
#[path = "pass_tests.rs"]
mod tests;
