//! The log file itself: where it ends, what a crash left behind, and the cached tree frontier.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entry::{Entry, EntryError, MAX_LINE};
use super::merkle::{Frontier, Hash, leaf_hash};
use crate::signed::{DurableError, parse_json_exact, write_new};
use crate::units::Bytes;

const FRONTIER_FILE: &str = "frontier.json";

/// Where the log ends: everything needed to append.
#[derive(Clone, Debug, Default)]
pub(super) struct Tip {
    /// Length of all complete lines.
    pub bytes: u64,
    /// Where the last line starts.
    pub last_start: u64,
    /// Leaf hash of the last line.
    pub last: Option<Hash>,
    /// The tree.
    pub frontier: Frontier,
}

/// One complete line.
pub(super) struct Line {
    pub start: u64,
    pub bytes: Vec<u8>,
    pub entry: Entry,
}

/// Why the file cannot be followed.
#[derive(Debug)]
pub(super) enum Damage {
    Io(io::Error),
    /// A complete line that does not belong there.
    Line {
        index: u64,
        source: EntryError,
    },
    /// Shorter than what was acknowledged.
    Shortened {
        acknowledged: u64,
        found: u64,
    },
}

/// What [`Tip::advance`] found at the end.
pub(super) enum End {
    Clean,
    /// From this byte on lies the rest of a write that was never acknowledged.
    Torn(u64),
}

/// The cache with a checksum, so that a damaged one is made again and never believed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    state: Cache,
    sum: Hash,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cache {
    log_id: String,
    bytes: Bytes,
    last_start: Bytes,
    last: Hash,
    size: Bytes,
    subtrees: Vec<Hash>,
}

impl Tip {
    /// The cached tip, where there is one of this log. It is an error when the file is shorter, or when the line that
    /// was the last one does not stand there byte for byte any more. The rest of the file is not looked at; that
    /// is what an audit does.
    pub fn from_cache(folder: &Path, log_id: &str, file: &File) -> Result<Option<Tip>, Damage> {
        let Ok(text) = fs::read(folder.join(FRONTIER_FILE)) else { return Ok(None) };
        let Ok(Sealed { state: cache, sum }) = parse_json_exact::<Sealed>(&text) else { return Ok(None) };
        if serde_json::to_vec(&cache).map(|state| leaf_hash(&state)).ok() != Some(sum) {
            return Ok(None);
        }
        let (start, end) = (cache.last_start.0, cache.bytes.0);
        let Some(length) = end.checked_sub(start).filter(|l| (2..=MAX_LINE as u64 + 1).contains(l)) else {
            return Ok(None);
        };
        let found = file.metadata().map_err(Damage::Io)?.len();
        if cache.log_id != log_id {
            return Ok(None);
        }
        if found < end {
            return Err(Damage::Shortened { acknowledged: end, found });
        }
        let mut line = vec![0; length as usize];
        file.read_exact_at(&mut line, start).map_err(Damage::Io)?;
        let Some(frontier) = Frontier::from_parts(cache.size.0, cache.subtrees).filter(|f| f.size() > 0) else {
            return Ok(None);
        };
        // The checksum holds, so that line stood there and was acknowledged: no crash takes it back.
        if line.pop() != Some(b'\n') || line.contains(&b'\n') || leaf_hash(&line) != cache.last {
            return Err(Damage::Line { index: frontier.size() - 1, source: EntryError::Changed });
        }
        Ok(Some(Tip { bytes: end, last_start: start, last: Some(cache.last), frontier }))
    }

    /// Leaves the tip for the next start. Only a hint, so not synced; it is written after the log
    /// was, so it never knows more than the log on disk.
    pub fn to_cache(&self, folder: &Path, log_id: &str) -> io::Result<()> {
        let Some(last) = self.last else { return Ok(()) };
        let cache = Cache {
            log_id: log_id.to_owned(),
            bytes: Bytes(self.bytes),
            last_start: Bytes(self.last_start),
            last,
            size: Bytes(self.frontier.size()),
            subtrees: self.frontier.subtrees().to_vec(),
        };
        let path = folder.join(FRONTIER_FILE);
        let temporary = folder.join(".frontier.json.new");
        let sum = leaf_hash(&serde_json::to_vec(&cache)?);
        fs::write(&temporary, serde_json::to_vec(&Sealed { state: cache, sum })?)?;
        fs::rename(&temporary, &path)
    }

    /// Follows the file from here to its end, checking each line's shape, place and chain.
    pub fn advance(&mut self, log_id: &str, file: &File, mut each: impl FnMut(Line)) -> Result<End, Damage> {
        let mut reader = BufReader::with_capacity(1 << 17, file);
        reader.seek(SeekFrom::Start(self.bytes)).map_err(Damage::Io)?;
        loop {
            let start = self.bytes;
            let bytes = match read_line(&mut reader).map_err(Damage::Io)? {
                LineRead::Line(bytes) => bytes,
                LineRead::End => return Ok(End::Clean),
                LineRead::Unfinished => return Ok(End::Torn(start)),
            };
            let index = self.frontier.size();
            let entry = match Entry::read(&bytes).and_then(|(_, e)| e.check_place(log_id, index, self.last).map(|()| e))
            {
                Ok(entry) => entry,
                // Pages of the last write that never reached the disk read back as zeros.
                Err(_) if bytes.contains(&0) && at_end(&mut reader).map_err(Damage::Io)? => {
                    return Ok(End::Torn(start));
                }
                Err(source) => return Err(Damage::Line { index, source }),
            };
            self.push(&bytes);
            each(Line { start, bytes, entry });
        }
    }

    /// Takes in one more line (without newline).
    pub fn push(&mut self, line: &[u8]) {
        let leaf = leaf_hash(line);
        self.frontier.push(leaf);
        self.last = Some(leaf);
        self.last_start = self.bytes;
        self.bytes += line.len() as u64 + 1;
    }
}

/// Gives every complete line before `end` with its start. Checks nothing.
pub(super) fn scan(file: &File, end: u64, each: impl FnMut(u64, &[u8])) -> io::Result<()> {
    scan_from(file, 0, end, each)
}

/// As [`scan`], beginning at `from`, where a line must start.
pub(super) fn scan_from(file: &File, from: u64, end: u64, mut each: impl FnMut(u64, &[u8])) -> io::Result<()> {
    let mut file = file;
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(1 << 17, file.take(end.saturating_sub(from)));
    let mut start = from;
    while let LineRead::Line(line) = read_line(&mut reader)? {
        each(start, &line);
        start += line.len() as u64 + 1;
    }
    Ok(())
}

/// Moves what a crash left behind `from` into a file of its own and cuts the log there.
pub(super) fn set_aside(folder: &Path, file: &File, from: u64) -> Result<(PathBuf, u64), DurableError> {
    let io = |step, source| DurableError::Io { step, path: folder.join(super::LOG_FILE), source };
    let mut torn = Vec::new();
    let mut reader = file;
    reader.seek(SeekFrom::Start(from)).map_err(|e| io("reading the torn end of", e))?;
    reader.read_to_end(&mut torn).map_err(|e| io("reading the torn end of", e))?;
    let path = (0..)
        .map(|n: u32| folder.join(format!("torn-{from}-{n}.bin")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| folder.join("torn.bin"));
    write_new(&path, &torn, 0o644)?;
    file.set_len(from).and_then(|()| file.sync_all()).map_err(|e| io("cutting the torn end off", e))?;
    Ok((path, torn.len() as u64))
}

pub(super) enum LineRead {
    /// Without its newline.
    Line(Vec<u8>),
    /// Bytes without a newline after them.
    Unfinished,
    /// Nothing left.
    End,
}

pub(super) fn read_line(reader: &mut impl io::BufRead) -> io::Result<LineRead> {
    let mut bytes = Vec::with_capacity(2048);
    // One byte more than allowed shows that a line is too long without reading all of it.
    reader.take(MAX_LINE as u64 + 2).read_until(b'\n', &mut bytes)?;
    match bytes.last() {
        None => Ok(LineRead::End),
        Some(b'\n') => {
            bytes.pop();
            Ok(LineRead::Line(bytes))
        }
        Some(_) if bytes.len() > MAX_LINE => Ok(LineRead::Line(bytes)), // refused as too long
        Some(_) => Ok(LineRead::Unfinished),
    }
}

fn at_end(reader: &mut impl io::BufRead) -> io::Result<bool> {
    Ok(reader.fill_buf()?.is_empty())
}
