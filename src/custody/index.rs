//! Which lines speak of which subject, which run and which file. Built when first asked, kept up afterwards, and
//! left beside the log so that the next start need not read all of it.
//!
//! The file is a hint: records with a checksum each, bound to the log by the hash of the last line. One
//! that is damaged, of another log or too short is made again from the log. Subjects and runs stand
//! in it as hashes, so what is found is only a candidate; the line itself decides.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::entry::FILE;
use super::merkle::{Hash, leaf_hash};
use super::store::{Line, Tip, scan_from};
use crate::signed::decode_base64url;

const INDEX_FILE: &str = "index.bin";
/// Start, length, subject, run, file, leaf, checksum.
const RECORD: usize = 8 + 4 + 8 + 8 + 8 + 8 + 4;

/// Where a line lies.
pub(super) struct Place {
    /// Which it is, from 0.
    pub number: u64,
    pub start: u64,
    /// Without newline.
    pub length: usize,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    start: u64,
    length: u32,
    subject: u64,
    /// 0: the line belongs to no run.
    run: u64,
    /// 0: it speaks of no file.
    file: u64,
    /// The first bytes of its leaf hash.
    leaf: u64,
}

#[derive(Deserialize)]
struct BriefEnvelope<'a> {
    payload: &'a str,
}

#[derive(Deserialize)]
struct BriefEntry {
    subject: String,
    previous: Option<Hash>,
    data: Value,
}

/// Every line of the log. Looked through from end to end: a million lines take a few milliseconds.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    records: Vec<Record>,
    /// How many of them are in the file, as far as is known.
    stored: usize,
}

/// A line that cannot be read at all.
pub(super) struct Unreadable {
    /// Which, from 0.
    pub number: u64,
    pub line: Vec<u8>,
}

impl Index {
    /// The index up to the tip, from the file beside the log as far as that can be believed, and from
    /// the log for the rest.
    pub fn load(folder: &Path, file: &File, tip: &Tip) -> io::Result<Result<Index, Unreadable>> {
        let path = folder.join(INDEX_FILE);
        let records = read(&path).filter(|records| fits(records, tip)).unwrap_or_default();
        let hinted = !records.is_empty();
        match Index::complete(&path, records, file, tip)? {
            Ok(Some(index)) => Ok(Ok(index)),
            // What follows does not follow from it: it is of another log, and places nothing right.
            _ if hinted => Ok(Index::complete(&path, Vec::new(), file, tip)?
                .map(|index| index.unwrap_or(Index { path, records: Vec::new(), stored: 0 }))),
            Ok(None) => Ok(Ok(Index { path, records: Vec::new(), stored: 0 })),
            Err(unreadable) => Ok(Err(unreadable)),
        }
    }

    /// `None`: the first line after the records does not name the last of them.
    fn complete(
        path: &Path,
        records: Vec<Record>,
        file: &File,
        tip: &Tip,
    ) -> io::Result<Result<Option<Index>, Unreadable>> {
        let mut index = Index { path: path.to_owned(), stored: records.len(), records };
        let last = index.records.last().copied();
        let start = last.map_or(0, Record::end);
        let (mut unreadable, mut strange, mut first) = (None, false, true);
        scan_from(file, start, tip.bytes, |start, line| {
            if unreadable.is_some() || strange {
                return;
            }
            let Some(brief) = brief(line) else {
                unreadable = Some(Unreadable { number: index.records.len() as u64, line: line.to_vec() });
                return;
            };
            if std::mem::take(&mut first) {
                strange = brief.previous.as_ref().map(short) != last.map(|record| record.leaf);
            }
            index.records.push(Record::new(start, line, &brief.subject, &brief.data));
        })?;
        Ok(match (unreadable, strange && last.is_some()) {
            (Some(unreadable), _) => Err(unreadable),
            (None, true) => Ok(None),
            (None, false) => Ok(Some(index)),
        })
    }

    /// Takes in a line that was appended.
    pub fn add(&mut self, line: &Line) {
        self.records.push(Record::new(line.start, &line.bytes, &line.entry.subject, &line.entry.data));
    }

    /// Leaves what is new in the file. A hint only, so not synced, and a failure harms nothing.
    pub fn save(&mut self) {
        let there = fs::metadata(&self.path).map_or(0, |meta| meta.len());
        let fits = there == (self.stored * RECORD) as u64;
        let from = if fits { self.stored } else { 0 };
        let bytes: Vec<u8> = self.records[from..].iter().flat_map(|record| record.to_bytes()).collect();
        let written = match fits {
            true => OpenOptions::new().create(true).append(true).open(&self.path).and_then(|mut f| f.write_all(&bytes)),
            false => {
                let draft = self.path.with_extension("bin.new");
                fs::write(&draft, &bytes).and_then(|()| fs::rename(&draft, &self.path))
            }
        };
        match written {
            Ok(()) => self.stored = self.records.len(),
            Err(_) => {
                let _ = fs::remove_file(&self.path);
                self.stored = 0;
            }
        }
    }

    /// Lines that may be about a subject, in order.
    pub fn subject(&self, subject: &str) -> Vec<Place> {
        let wanted = key(subject);
        self.places(|record| record.subject == wanted)
    }

    /// Lines that may belong to a run, in order.
    pub fn run(&self, run_id: &str) -> Vec<Place> {
        let wanted = key(run_id);
        self.places(|record| record.run == wanted)
    }

    /// Lines that may be about a medium that is a file, or lies on one, in order.
    pub fn file(&self, path: &str) -> Vec<Place> {
        let wanted = key(path);
        self.places(|record| record.file == wanted)
    }

    fn places(&self, is_wanted: impl Fn(&Record) -> bool) -> Vec<Place> {
        let wanted = self.records.iter().zip(0..).filter(|(record, _)| is_wanted(record));
        wanted.map(|(r, number)| Place { number, start: r.start, length: r.length as usize }).collect()
    }
}

impl Record {
    fn new(start: u64, line: &[u8], subject: &str, data: &Value) -> Record {
        let hashed = |pointer: &str| data.pointer(pointer).and_then(Value::as_str).map_or(0, key);
        Record {
            start,
            length: u32::try_from(line.len()).unwrap_or(u32::MAX),
            subject: key(subject),
            run: hashed("/run_id"),
            file: hashed(FILE),
            leaf: short(&leaf_hash(line)),
        }
    }

    fn end(self) -> u64 {
        self.start + u64::from(self.length) + 1
    }

    fn to_bytes(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..8].copy_from_slice(&self.start.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.subject.to_be_bytes());
        bytes[20..28].copy_from_slice(&self.run.to_be_bytes());
        bytes[28..36].copy_from_slice(&self.file.to_be_bytes());
        bytes[36..44].copy_from_slice(&self.leaf.to_be_bytes());
        let sum = checksum(&bytes[..44]);
        bytes[44..].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Record> {
        let number = |from: usize| bytes.get(from..from + 8)?.try_into().ok().map(u64::from_be_bytes);
        let small = |from: usize| bytes.get(from..from + 4)?.try_into().ok().map(u32::from_be_bytes);
        if small(44)? != checksum(&bytes[..44]) {
            return None;
        }
        let (start, length, subject) = (number(0)?, small(8)?, number(12)?);
        Some(Record { start, length, subject, run: number(20)?, file: number(28)?, leaf: number(36)? })
    }
}

/// All records of the file, up to the first that is damaged.
fn read(path: &Path) -> Option<Vec<Record>> {
    let bytes = fs::read(path).ok()?;
    let mut records: Vec<Record> = Vec::with_capacity(bytes.len() / RECORD);
    for piece in bytes.chunks_exact(RECORD) {
        let Some(record) = Record::from_bytes(piece) else { break };
        let expected = records.last().map_or(0, |last| last.end());
        if record.start != expected {
            break;
        }
        records.push(record);
    }
    Some(records)
}

/// Whether the records can be of the log that ends at the tip: no longer than it, and with its last
/// line where they are as long.
fn fits(records: &[Record], tip: &Tip) -> bool {
    let Some(last) = records.last() else { return true };
    let (end, count) = (last.end(), records.len() as u64);
    match end == tip.bytes {
        true => count == tip.frontier.size() && tip.last.as_ref().map(short) == Some(last.leaf),
        false => end < tip.bytes && count < tip.frontier.size(),
    }
}

fn brief(line: &[u8]) -> Option<BriefEntry> {
    let envelope: BriefEnvelope<'_> = serde_json::from_slice(line).ok()?;
    let payload = decode_base64url(envelope.payload).ok()?;
    serde_json::from_slice(&payload).ok()
}

fn short(hash: &Hash) -> u64 {
    u64::from_be_bytes(hash.0.first_chunk().copied().unwrap_or_default())
}

/// The first bytes of a SHA-256; never 0, which means none.
fn key(text: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    u64::from_be_bytes(hash.first_chunk().copied().unwrap_or_default()).max(1)
}

/// FNV-1a, against rot and cut-off writes; nobody is kept out by it.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_a_changed_bit_does_not() {
        let data = serde_json::json!({ "run_id": "run", "medium": { "backing": { "path": "/a.img" } } });
        let record = Record::new(17, b"line", "subject", &data);
        assert!(record.run == key("run") && record.file == key("/a.img"));
        let bytes = record.to_bytes();
        assert_eq!(Record::from_bytes(&bytes), Some(record));
        for bit in 0..RECORD * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::from_bytes(&changed), None, "bit {bit}");
        }
        assert_eq!(Record::from_bytes(&[0; RECORD]), None, "pages that never reached the disk");
    }
}
