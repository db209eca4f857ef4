//! What the engine needs of a medium.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;

/// An open medium. The engine keeps it alive for as long as a request may be under way; a drive that
/// never answers is therefore never closed.
pub trait Disk: Send + Sync + 'static {
    /// The open descriptor for io_uring, `None` for what only exists in memory.
    fn raw_fd(&self) -> Option<RawFd>;
    /// Reads into `buf` from byte `offset`, as `pread` does: may give less than asked.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes `buf` at byte `offset`, as `pwrite` does: may take less than given.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes what was written durable, as `fdatasync` does. May block for ever: never called by the
    /// engine.
    fn flush(&self) -> io::Result<()>;
}

/// A block device or image file by its open file.
#[derive(Debug)]
pub struct FileDisk(pub File);

impl Disk for FileDisk {
    fn raw_fd(&self) -> Option<RawFd> {
        Some(self.0.as_raw_fd())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(buf, offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
