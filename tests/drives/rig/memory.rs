//! The guest's memory, as a device sees it: ranges of files that qemu shares.

use std::fs::File;
use std::os::unix::fs::FileExt;

struct Range {
    start: u64,
    length: u64,
    file: File,
    offset: u64,
}

#[derive(Default)]
pub struct Memory {
    ranges: Vec<Range>,
}

impl Memory {
    pub fn map(&mut self, start: u64, length: u64, file: File, offset: u64) {
        self.ranges.push(Range { start, length, file, offset });
    }

    pub fn unmap(&mut self, start: u64) {
        self.ranges.retain(|r| r.start != start);
    }

    fn place(&self, at: u64, length: usize) -> Option<(&File, u64)> {
        let r = self.ranges.iter().find(|r| r.start <= at && at + length as u64 <= r.start + r.length)?;
        Some((&r.file, r.offset + (at - r.start)))
    }

    /// Bytes at a guest address; zeros where nothing is mapped (a guest that is going down).
    pub fn read(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        if let Some((file, offset)) = self.place(at, length) {
            file.read_exact_at(&mut bytes, offset).unwrap();
        }
        bytes
    }

    pub fn write(&self, at: u64, bytes: &[u8]) {
        if let Some((file, offset)) = self.place(at, bytes.len()) {
            file.write_all_at(bytes, offset).unwrap();
        }
    }
}

/// Little-endian numbers out of bytes, as every bus here has them.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}
