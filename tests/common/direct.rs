//! Plain O_DIRECT transfers, one request a call.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const ALIGN: usize = 4096;

/// A device opened for direct I/O.
pub struct Direct(File);

impl Direct {
    /// Opens `path` for reading and writing.
    pub fn open(path: &Path) -> Direct {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(path);
        Direct(file.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// One `pread`; the bytes it returned.
    pub fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut room = vec![0xA5; (range.end - range.start) as usize + ALIGN];
        let start = room.as_ptr().align_offset(ALIGN);
        let end = start + (range.end - range.start) as usize;
        let got = self.0.read_at(&mut room[start..end], range.start)?;
        Ok(room[start..start + got].to_vec())
    }

    /// One `pwrite`; the number of bytes it acknowledged.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut room = vec![0; bytes.len() + ALIGN];
        let start = room.as_ptr().align_offset(ALIGN);
        room[start..start + bytes.len()].copy_from_slice(bytes);
        self.0.write_at(&room[start..start + bytes.len()], offset)
    }

    /// `fdatasync`.
    pub fn flush(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.0
    }
}
