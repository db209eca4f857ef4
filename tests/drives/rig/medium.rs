//! The medium of a virtual drive: a file on the host, and what goes wrong with it.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::common::station::{MARK, marked, marks_in};

/// What an erase command does to the medium, whatever the drive says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erase {
    /// Everything is erased, and said so.
    Whole,
    /// Nothing is erased, and success is reported.
    Nothing,
    /// The first half is erased, and success is reported.
    Half,
    /// The last eighth stays, and success is reported.
    AllButTheEnd,
    /// Nothing is erased, and failure is reported.
    Fails,
    /// The mapping is dropped: reads give zeros, the cells keep everything. No host can see it.
    OnlyUnmaps,
    /// Never comes to its end.
    Stalls,
}

/// A backing file full of recognisable content.
pub struct Medium {
    file: File,
    path: PathBuf,
    _folder: tempfile::TempDir,
    pub sectors: u64,
    /// Sectors that cannot be read, written.
    pub bad_reads: BTreeSet<u64>,
    pub bad_writes: BTreeSet<u64>,
    /// Writes are acknowledged and dropped.
    pub drops_writes: bool,
    /// The mapping is gone: every sector reads zeros.
    pub unmapped: bool,
    pub writes: u64,
    /// Power fails when so many sectors were written.
    pub cut_after: Option<u64>,
    /// It did.
    pub cut: bool,
}

pub const SECTOR: u64 = 512;

impl Medium {
    pub fn new(mebibytes: u64) -> Medium {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("medium");
        std::fs::write(&path, marked((mebibytes << 20) as usize)).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        Medium {
            file,
            path,
            _folder: folder,
            sectors: (mebibytes << 20) / SECTOR,
            bad_reads: BTreeSet::new(),
            bad_writes: BTreeSet::new(),
            drops_writes: false,
            unmapped: false,
            writes: 0,
            cut_after: None,
            cut: false,
        }
    }

    /// How many sectors of the old content the cells still hold: the verdict.
    pub fn left(&self) -> usize {
        marks_in(&self.path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many it held at first.
    pub fn all(&self) -> usize {
        self.sectors as usize
    }

    /// Sectors `first..first + count`; or those before the first that cannot be read, and which it is:
    /// a drive sends what it has, and the kernel takes it.
    pub fn read(&self, first: u64, count: u64) -> Result<Vec<u8>, (Vec<u8>, u64)> {
        if let Some(bad) = self.bad_reads.range(first..first + count).next() {
            return Err((self.read(first, bad - first)?, *bad));
        }
        let mut bytes = vec![0; (count * SECTOR) as usize];
        if !self.unmapped {
            self.file.read_exact_at(&mut bytes, first * SECTOR).unwrap();
        }
        Ok(bytes)
    }

    /// Writes whole sectors; up to the first that cannot be written.
    pub fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), u64> {
        let count = bytes.len() as u64 / SECTOR;
        if let Some(bad) = self.bad_writes.range(first..first + count).next().copied() {
            self.write(first, &bytes[..((bad - first) * SECTOR) as usize])?;
            return Err(bad);
        }
        let reach = self.cut_after.map_or(count, |n| n.saturating_sub(self.writes).min(count));
        self.cut |= reach < count;
        let bytes = &bytes[..(reach * SECTOR) as usize];
        self.writes += reach;
        if self.drops_writes {
            return Ok(());
        }
        if self.unmapped {
            self.unmapped = false;
            self.fill(0, self.sectors, 0);
        }
        self.file.write_all_at(bytes, first * SECTOR).unwrap();
        Ok(())
    }

    /// What the drive does when an erase command comes to its end. True: it reports success.
    pub fn erase(&mut self, how: Erase) -> bool {
        match how {
            Erase::Whole => self.fill(0, self.sectors, 0),
            Erase::Half => self.fill(0, self.sectors / 2, 0),
            Erase::AllButTheEnd => self.fill(0, self.sectors / 8 * 7, 0),
            Erase::OnlyUnmaps => self.unmapped = true,
            Erase::Nothing => {}
            Erase::Fails | Erase::Stalls => return false,
        }
        true
    }

    /// Reads give what no host wrote, as they do under another key. True: it reports success.
    pub fn scramble(&mut self) -> bool {
        let mut state = self.sectors ^ 0x9E37_79B9_7F4A_7C15;
        let mut noise = vec![0; (self.sectors * SECTOR) as usize];
        for word in noise.chunks_exact_mut(8) {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        self.file.write_all_at(&noise, 0).unwrap();
        true
    }

    /// `count` sectors of one byte.
    pub fn fill(&mut self, first: u64, count: u64, byte: u8) {
        let chunk = vec![byte; 1 << 20];
        let (mut at, end) = (first * SECTOR, (first + count) * SECTOR);
        while at < end {
            let n = (end - at).min(chunk.len() as u64);
            self.file.write_all_at(&chunk[..n as usize], at).unwrap();
            at += n;
        }
    }
}

#[test]
fn a_medium_counts_what_is_left_of_it() {
    let mut medium = Medium::new(1);
    assert_eq!((medium.left(), medium.all()), (2048, 2048));
    assert!(medium.read(7, 1).unwrap().starts_with(MARK.as_bytes()));
    assert!(medium.erase(Erase::Half));
    assert_eq!(medium.left(), 1024);
    assert!(!medium.erase(Erase::Fails));
    assert!(medium.erase(Erase::OnlyUnmaps));
    assert_eq!((medium.left(), medium.read(2000, 1).unwrap()), (1024, vec![0; 512]));
    assert!(medium.erase(Erase::Whole));
    assert_eq!(medium.left(), 0);
    medium.bad_writes.insert(5);
    assert_eq!(medium.write(4, &[1; 1024]), Err(5));
    assert_eq!(medium.read(4, 1).unwrap(), [1; 512], "written up to there");
    medium.bad_reads.insert(5);
    assert_eq!(medium.read(4, 3), Err((vec![1; 512], 5)));
    let mut other = Medium::new(1);
    assert!(other.scramble());
    assert_eq!((other.left(), other.read(7, 1).unwrap() == [0; 512]), (0, false));
}
