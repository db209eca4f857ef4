//! The journal of one run: what is about to happen, made durable before it happens.
//!
//! One file a run, `journal/<run id>.jsonl`. Each line is 16 hex digits of a chained SHA-256, a
//! space, and one JSON entry. A line that a power cut left unfinished at the very end was never
//! acknowledged and is dropped; anything else that does not check is corruption and an error.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use super::state::JournalEntry;

/// An open journal: locked against every other process until dropped.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Flock<File>,
    chain: [u8; 32],
    sealed: bool,
    /// The last technique of the drive's own whose end is in it.
    ended: Option<u32>,
    /// Why nothing more may be appended.
    unusable: Option<String>,
}

/// What went wrong with a journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file could not be created, read, written or synced.
    #[error("journal {path}: {doing} failed: {source}", path = path.display())]
    Io {
        /// The journal file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process is working on this run.
    #[error("journal {path} is locked: another lastwrite is working on this run", path = path.display())]
    Busy {
        /// The journal file.
        path: PathBuf,
    },
    /// The result is in it: nothing may follow. A checkpoint of a medium that answered too late.
    #[error("journal {path} is sealed", path = path.display())]
    Sealed {
        /// The journal file.
        path: PathBuf,
    },
    /// The end of the drive's own technique is in it: nothing of that may follow. A thread that woke too late.
    #[error("journal {path}: the technique has ended, and nothing more of it is noted", path = path.display())]
    Over {
        /// The journal file.
        path: PathBuf,
    },
    /// An append failed and could not be undone: what stands at its end is not known.
    #[error("journal {path}: an earlier append failed and could not be undone ({why}); nothing more is written to it", path = path.display())]
    Unusable {
        /// The journal file.
        path: PathBuf,
        /// The earlier failure.
        why: String,
    },
    /// A line before the end does not check.
    #[error("journal {path} is corrupt at line {line}: {why}", path = path.display())]
    Corrupt {
        /// The journal file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What does not check.
        why: String,
    },
}

impl Journal {
    /// Creates the journal of a new run. Never overwrites.
    pub fn create(folder: &Path, run_id: &str) -> Result<Journal, JournalError> {
        let path = folder.join(file_name(run_id));
        let io = |doing| io_error(&path, doing);
        let file =
            OpenOptions::new().read(true).append(true).create_new(true).open(&path).map_err(io("creating it"))?;
        let file = lock(&path, file)?;
        sync_folder(folder).map_err(io("syncing its folder"))?;
        Ok(Journal { path, file, chain: [0; 32], sealed: false, ended: None, unusable: None })
    }

    /// Opens the journal of an interrupted run, drops an unfinished last line, and returns what it says, all of which is
    /// durable.
    pub fn open(path: &Path) -> Result<(Journal, Vec<JournalEntry>), JournalError> {
        let (file, text) = hold(path)?;
        let parsed = parse_whole(path, &text)?;
        // Whoever wrote the last line may have been killed before it was synced.
        let torn = parsed.end().0 < text.len();
        let doing = if torn { "dropping its torn end" } else { "syncing what it says" };
        Journal::of(path, file, parsed, torn).map_err(io_error(path, doing))
    }

    /// Opens a corrupt journal for the last time: keeps it as it is in `corrupt/` beside it, and returns
    /// the entries before the damage that `believe` accepts together, with a journal of just those.
    pub fn salvage(
        path: &Path,
        believe: impl Fn(&[JournalEntry]) -> bool,
    ) -> Result<(Journal, Vec<JournalEntry>), JournalError> {
        let io = |doing| io_error(path, doing);
        let (file, text) = hold(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let aside = folder.join(ASIDE);
        fs::create_dir_all(&aside).and_then(|()| sync_folder(folder)).map_err(io("creating journal/corrupt"))?;
        keep_aside(&aside, path, &text).and_then(|()| sync_folder(&aside)).map_err(io("keeping it aside"))?;
        let mut parsed = Parsed::default();
        // Where the damage begins is all that is asked.
        let _ = parse_into(&mut parsed, path, &text);
        while !believe(&parsed.entries) && parsed.entries.pop().is_some() {
            parsed.ends.pop();
        }
        Journal::of(path, file, parsed, true).map_err(io("dropping its corrupt end"))
    }

    /// The journal of what was read of a file, and of nothing behind it.
    fn of(path: &Path, file: Flock<File>, parsed: Parsed, cut: bool) -> io::Result<(Journal, Vec<JournalEntry>)> {
        let (valid, chain) = parsed.end();
        if cut {
            file.set_len(valid as u64)?;
        }
        file.sync_all()?;
        sync_folder(path.parent().unwrap_or(Path::new(".")))?;
        let sealed = matches!(parsed.entries.last(), Some(JournalEntry::Sealed { .. }));
        let ended = parsed.entries.iter().filter_map(ends).max();
        Ok((Journal { path: path.to_owned(), file, chain, sealed, ended, unusable: None }, parsed.entries))
    }

    /// Reads a journal without locking it. `Busy` is never returned.
    pub fn peek(path: &Path) -> Result<Vec<JournalEntry>, JournalError> {
        let text = fs::read(path).map_err(io_error(path, "reading it"))?;
        parse_whole(path, &text).map(|parsed| parsed.entries)
    }

    /// What stands in a journal before its first damage, without locking it.
    pub fn peek_sound(path: &Path) -> Result<Vec<JournalEntry>, JournalError> {
        let text = fs::read(path).map_err(io_error(path, "reading it"))?;
        let mut parsed = Parsed::default();
        // Where the damage begins is all that is asked.
        let _ = parse_into(&mut parsed, path, &text);
        Ok(parsed.entries)
    }

    /// Whether a run has a journal, closed or not.
    pub fn exists(folder: &Path, run_id: &str) -> bool {
        let name = file_name(run_id);
        folder.join(&name).exists() || folder.join("closed").join(&name).exists()
    }

    /// Whether another process holds this journal's lock now.
    pub fn is_busy(path: &Path) -> bool {
        match File::open(path) {
            Ok(file) => Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err(),
            Err(_) => false,
        }
    }

    /// Appends an entry and returns once it is on the medium that holds the journal.
    pub fn append(&mut self, entry: &JournalEntry) -> Result<(), JournalError> {
        if let Some(why) = &self.unusable {
            return Err(JournalError::Unusable { path: self.path.clone(), why: why.clone() });
        }
        if self.sealed {
            return Err(JournalError::Sealed { path: self.path.clone() });
        }
        if let JournalEntry::DriveNoted { rung, .. } | JournalEntry::DriveEnded { rung, .. } = entry
            && self.ended.is_some_and(|ended| *rung <= ended)
        {
            return Err(JournalError::Over { path: self.path.clone() });
        }
        let json =
            serde_json::to_vec(entry).map_err(|e| io_error(&self.path, "encoding an entry")(io::Error::other(e)))?;
        let chain = link(&self.chain, &json);
        let mut line = mark(&chain).into_bytes();
        line.push(b' ');
        line.extend_from_slice(&json);
        line.push(b'\n');
        let start = self.file.metadata().map_err(io_error(&self.path, "reading its length"))?.len();
        if let Err(source) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            // Nobody is told that it is there, so it must not be there; and a half-written line would look like
            // corruption behind the next one.
            if let Err(undo) = self.file.set_len(start).and_then(|()| self.file.sync_all()) {
                self.unusable = Some(format!("{source}; undoing it: {undo}"));
            }
            return Err(io_error(&self.path, "appending to it")(source));
        }
        self.chain = chain;
        self.sealed = matches!(entry, JournalEntry::Sealed { .. });
        self.ended = ends(entry).or(self.ended);
        Ok(())
    }

    /// Moves the journal of a finished run to `closed/`.
    pub fn close(&mut self) -> Result<(), JournalError> {
        let io = |doing| io_error(&self.path, doing);
        let folder = self.path.parent().unwrap_or(Path::new(".")).to_owned();
        let closed = folder.join("closed");
        fs::create_dir_all(&closed).map_err(io("creating journal/closed"))?;
        let target = closed.join(self.path.file_name().unwrap_or_default());
        let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match fs::rename(&self.path, &target) {
            // It is closed already, and what lies there may be the only copy.
            Err(error) if is_gone(&error) && target.exists() => {}
            moved => moved.map_err(io("closing it"))?,
        }
        // A cut can leave the journal under both names, and renaming a file to itself does nothing.
        match fs::remove_file(&self.path) {
            Err(error) if !is_gone(&error) => return Err(io("closing it")(error)),
            _ => {}
        }
        sync_folder(&closed).and_then(|()| sync_folder(&folder)).map_err(io("syncing its folder"))?;
        Ok(())
    }

    /// Removes the journal of a run that wrote nothing.
    pub fn remove(&self) -> Result<(), JournalError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::remove_file(&self.path).and_then(|()| sync_folder(folder)).map_err(io_error(&self.path, "removing it"))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's id, by the file's name.
    pub fn run_id(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// The journals of unfinished runs, oldest name first.
pub fn unfinished(folder: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let io = |doing| io_error(folder, doing);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io("listing the journal folder"))? {
        let path = entry.map_err(io("listing the journal folder"))?.path();
        if path.extension().is_some_and(|e| e == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Which rung of the ladder has its end in this entry.
fn ends(entry: &JournalEntry) -> Option<u32> {
    match entry {
        JournalEntry::DriveEnded { rung, .. } => Some(*rung),
        _ => None,
    }
}

/// Where damaged journals are kept, in the journal folder.
const ASIDE: &str = "corrupt";

fn file_name(run_id: &str) -> String {
    format!("{run_id}.jsonl")
}

#[derive(Default)]
struct Parsed {
    entries: Vec<JournalEntry>,
    /// Behind each entry: the offset, and the chain so far.
    ends: Vec<(usize, [u8; 32])>,
}

impl Parsed {
    fn end(&self) -> (usize, [u8; 32]) {
        self.ends.last().copied().unwrap_or_default()
    }
}

/// All of a journal. What [`Journal::salvage`] leaves of a damaged one says less than was done, until the result of
/// giving its run up is in it.
fn parse_whole(path: &Path, text: &[u8]) -> Result<Parsed, JournalError> {
    let mut parsed = Parsed::default();
    parse_into(&mut parsed, path, text)?;
    let name = path.file_name().unwrap_or_default();
    let is_remnant = path.parent().unwrap_or(Path::new(".")).join(ASIDE).join(name).exists();
    if is_remnant && !matches!(parsed.entries.last(), Some(JournalEntry::Sealed { .. })) {
        let line = parsed.entries.len() + 1;
        let why = "it was damaged, and giving its run up did not come to an end".to_owned();
        return Err(JournalError::Corrupt { path: path.to_owned(), line, why });
    }
    Ok(parsed)
}

fn parse_into(parsed: &mut Parsed, path: &Path, text: &[u8]) -> Result<(), JournalError> {
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = match rest.iter().position(|b| *b == b'\n') {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => return torn(parsed, path, rest),
        };
        let (start, chain) = parsed.end();
        match check(line, &chain) {
            Ok((chain, entry)) => {
                parsed.entries.push(entry);
                parsed.ends.push((start + line.len() + 1, chain));
                rest = after;
            }
            // Pages of the last write that never reached the disk read back as zeros; with a check sum that fits a line
            // is whole, and perhaps of a newer version.
            Err(Bad::Sum(_)) if after.is_empty() && line.contains(&0) => return Ok(()),
            Err(Bad::Sum(why) | Bad::Entry(why)) => {
                let line = parsed.entries.len() + 1;
                return Err(JournalError::Corrupt { path: path.to_owned(), line, why });
            }
        }
    }
    Ok(())
}

/// An end without a newline was never acknowledged, unless it is a line whose newline has rotted.
fn torn(parsed: &Parsed, path: &Path, rest: &[u8]) -> Result<(), JournalError> {
    match rest.split_last() {
        Some((last, line)) if *last != 0 && check(line, &parsed.end().1).is_ok() => {
            let (line, why) = (parsed.entries.len() + 1, "the end of the line is damaged".to_owned());
            Err(JournalError::Corrupt { path: path.to_owned(), line, why })
        }
        _ => Ok(()),
    }
}

/// Why a line is no entry.
enum Bad {
    Sum(String),
    Entry(String),
}

fn check(line: &[u8], previous: &[u8; 32]) -> Result<([u8; 32], JournalEntry), Bad> {
    let (written, json) = match line.get(16) {
        Some(b' ') => (&line[..16], &line[17..]),
        _ => return Err(Bad::Sum("it does not begin with a check sum".to_owned())),
    };
    let chain = link(previous, json);
    if mark(&chain).as_bytes() != written {
        return Err(Bad::Sum("its check sum does not fit".to_owned()));
    }
    let entry = serde_json::from_slice(json).map_err(|e| Bad::Entry(format!("its entry cannot be read: {e}")))?;
    Ok((chain, entry))
}

fn link(previous: &[u8; 32], json: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(previous).chain_update(json).finalize().into()
}

fn mark(chain: &[u8; 32]) -> String {
    chain[..8].iter().map(|b| format!("{b:02x}")).collect()
}

/// Opens and locks a journal, and reads it.
fn hold(path: &Path) -> Result<(Flock<File>, Vec<u8>), JournalError> {
    let file = OpenOptions::new().read(true).append(true).open(path).map_err(io_error(path, "opening it"))?;
    let mut file = lock_in_place(path, file)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(io_error(path, "reading it"))?;
    Ok((file, text))
}

/// Keeps the bytes of a journal under the next free name; where just these are kept already, that does.
fn keep_aside(folder: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let run = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut kept = folder.join(file_name(&run));
    let mut copies = 1;
    loop {
        match OpenOptions::new().write(true).create_new(true).open(&kept) {
            Ok(mut copy) => return copy.write_all(text).and_then(|()| copy.sync_all()),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            // Also what was cut off by an attempt that did not come to an end.
            Err(_) if fs::read(&kept)?.starts_with(text) => return File::open(&kept)?.sync_all(),
            Err(_) => {}
        }
        copies += 1;
        kept = folder.join(file_name(&format!("{run}.{copies}")));
    }
}

/// Whoever held an open journal until now may have closed its run: then it lies in `closed/`.
fn lock_in_place(path: &Path, file: File) -> Result<Flock<File>, JournalError> {
    let file = lock(path, file)?;
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    let own = file.metadata().map(place).map_err(io_error(path, "opening it"))?;
    if fs::metadata(path).is_ok_and(|there| place(there) == own) {
        return Ok(file);
    }
    let why = io::Error::new(io::ErrorKind::NotFound, "another lastwrite has closed this run meanwhile");
    Err(io_error(path, "opening it")(why))
}

fn lock(path: &Path, file: File) -> Result<Flock<File>, JournalError> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        nix::errno::Errno::EWOULDBLOCK => JournalError::Busy { path: path.to_owned() },
        errno => io_error(path, "locking it")(errno.into()),
    })
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn io_error<'a>(path: &'a Path, doing: &'static str) -> impl Fn(io::Error) -> JournalError + 'a {
    move |source| JournalError::Io { path: path.to_owned(), doing, source }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
