//! Reading the log from its first entry, without taking part in it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LOG_FILE;
use super::entry::Entry;
use super::error::{LogError, io_error};
use super::merkle::{Hash, leaf_hash};
use super::store::{LineRead, read_line};

/// Name of the file with the log's id.
pub(super) const ID_FILE: &str = "log-id";

/// Ends of writes that a crash cut off and that were set aside, by name, with their lengths. They were never
/// acknowledged.
pub fn torn_ends(folder: &Path) -> Result<Vec<(PathBuf, u64)>, LogError> {
    let listing = || io_error("listing", folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(listing())? {
        let path = entry.map_err(listing())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("torn") && name.ends_with(".bin") {
            let length = fs::metadata(&path).map_err(io_error("examining", &path))?.len();
            found.push((path, length));
        }
    }
    found.sort();
    Ok(found)
}

/// One entry as it stands in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// RFC 6962 leaf hash of the line.
    pub leaf_hash: Hash,
    /// Its content. Signatures are checked by an audit.
    pub entry: Entry,
}

/// Entries read from a folder in order, without taking part in it: works on a read-only copy.
#[derive(Debug)]
pub struct Entries {
    path: PathBuf,
    reader: io::Take<BufReader<File>>,
    id: String,
    index: u64,
    previous: Option<Hash>,
    stopped: bool,
}

impl Entries {
    /// The log as it is now; what is appended later is not seen, an unfinished line is left out.
    pub fn open(folder: &Path) -> Result<Entries, LogError> {
        let id = read_id(folder)?;
        let path = folder.join(LOG_FILE);
        let file = File::open(&path).map_err(io_error("opening", &path))?;
        let length = file.metadata().map_err(io_error("examining", &path))?.len();
        let reader = BufReader::with_capacity(1 << 17, file).take(length);
        Ok(Entries { path, reader, id, index: 0, previous: None, stopped: false })
    }

    /// The log's id.
    pub fn log_id(&self) -> &str {
        &self.id
    }

    /// The next entry with the bytes of its line, without the newline.
    pub(super) fn next_line(&mut self) -> Option<Result<(Vec<u8>, Logged), LogError>> {
        if self.stopped {
            return None;
        }
        let bytes = match read_line(&mut self.reader) {
            Ok(LineRead::Line(bytes)) => bytes,
            Ok(LineRead::End | LineRead::Unfinished) => return None,
            Err(e) => {
                self.stopped = true;
                return Some(Err(io_error("reading", &self.path)(e)));
            }
        };
        let read =
            Entry::read(&bytes).and_then(|(_, e)| e.check_place(&self.id, self.index, self.previous).map(|()| e));
        match read {
            Ok(entry) => {
                let leaf_hash = leaf_hash(&bytes);
                self.index += 1;
                self.previous = Some(leaf_hash);
                Some(Ok((bytes, Logged { leaf_hash, entry })))
            }
            Err(e) => {
                self.stopped = true;
                Some(Err(LogError::Damaged { index: self.index, source: Arc::new(e) }))
            }
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Logged, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_line()?.map(|(_, logged)| logged))
    }
}

pub(super) fn read_id(folder: &Path) -> Result<String, LogError> {
    let path = folder.join(ID_FILE);
    let text = fs::read_to_string(&path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => LogError::Missing { folder: folder.to_owned() },
        io::ErrorKind::InvalidData => LogError::Id { path: path.clone() },
        _ => io_error("reading", &path)(e),
    })?;
    let id = text.strip_suffix('\n').unwrap_or(&text);
    let good = id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if good { Ok(id.to_owned()) } else { Err(LogError::Id { path }) }
}
