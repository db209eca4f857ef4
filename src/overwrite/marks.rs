//! What is put into a buffer before a read, so that a device that reports a read it did not do is seen.

use std::io;

use crate::scheme::{CompiledPattern, Pattern};
use crate::units::SectorSize;

/// Where it is known what the read has to return: bytes that differ from the pattern, at places so close that a device
/// cannot leave one piece of the buffer alone unseen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// The same everywhere, `None` for the complement of what belongs there.
    mark: Option<[u8; MARK]>,
    every: usize,
}

const MARK: usize = 8;

impl Marks {
    pub(super) fn of(pattern: &Pattern, block: SectorSize) -> Marks {
        let every = block.bytes() as usize;
        match pattern {
            Pattern::Byte { byte } => Marks { mark: Some([!byte; MARK]), every },
            Pattern::Bytes { .. } => Marks { mark: None, every },
            // Stale bytes of a stream are right at one place only, and any fixed mark is wrong but for one
            // place in 2^64. A page is the least that a device moves.
            Pattern::Random { .. } => Marks { mark: Some(*b"unread\xa9\x5c"), every: every.max(4096) },
        }
    }

    /// Marks the buffer of a read of `pattern` from `offset`.
    pub(super) fn set(self, pattern: &CompiledPattern, offset: u64, buffer: &mut [u8]) {
        let Marks { mark, every } = self;
        for (i, place) in buffer.chunks_mut(every).enumerate() {
            let n = place.len().min(MARK);
            match mark {
                Some(mark) => place[..n].copy_from_slice(&mark[..n]),
                None => {
                    pattern.fill(offset + (i * every) as u64, &mut place[..n]);
                    place[..n].iter_mut().for_each(|byte| *byte = !*byte);
                }
            }
        }
    }
}

/// Reads whole blocks where nobody knows what they hold. The buffer begins each of them with bytes that no medium can
/// hold, since they are drawn anew for each read: a block that still begins so was not read, and that is an error.
pub fn read_marked(
    block: SectorSize,
    offset: u64,
    buffer: &mut [u8],
    read: impl FnOnce(&mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    let (every, mark): (_, [u8; DRAWN]) = (block.bytes() as usize, rand::random());
    for place in buffer.chunks_mut(every) {
        let n = place.len().min(DRAWN);
        place[..n].copy_from_slice(&mark[..n]);
    }
    read(buffer)?;
    match buffer.chunks(every).position(|place| place.starts_with(&mark[..place.len().min(DRAWN)])) {
        None => Ok(()),
        Some(at) => {
            let at = offset + (at * every) as u64;
            let why = format!("the device reports the block at byte {at} as read and returned nothing of it");
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, why))
        }
    }
}

const DRAWN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_was_not_read_is_told_whatever_the_buffer_held() {
        for stale in [0x00, 0xFF, 0xA9] {
            let mut buffer = vec![stale; 4096];
            let none = read_marked(SectorSize::B512, 8192, &mut buffer, |_| Ok(())).unwrap_err();
            assert_eq!(none.kind(), io::ErrorKind::UnexpectedEof);
            assert!(none.to_string().contains("byte 8192 "), "{none}");
            let but_one = read_marked(SectorSize::B512, 8192, &mut buffer, |buffer| {
                buffer[..3072].fill(stale);
                buffer[3584..].fill(stale);
                Ok(())
            });
            let but_one = but_one.unwrap_err();
            assert!(but_one.to_string().contains("byte 11264 "), "{but_one}");
            let all = read_marked(SectorSize::B512, 8192, &mut buffer, |buffer| {
                buffer.fill(stale);
                Ok(())
            });
            assert!(all.is_ok() && buffer.iter().all(|byte| *byte == stale));
        }
    }

    /// A medium that holds what was in the buffer of an earlier read is read all the same.
    #[test]
    fn no_two_reads_have_the_same_mark() {
        let mut earlier = Vec::new();
        let mut buffer = vec![0; 512];
        let noted = |buffer: &mut [u8]| {
            earlier = buffer.to_vec();
            Ok(())
        };
        assert!(read_marked(SectorSize::B512, 0, &mut buffer, noted).is_err());
        let returned = |buffer: &mut [u8]| {
            buffer.copy_from_slice(&earlier);
            Ok(())
        };
        assert!(read_marked(SectorSize::B512, 0, &mut buffer, returned).is_ok());
    }
}
