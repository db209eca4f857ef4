//! Blocks of known content: written before the erase, looked for after it.

use std::io;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::overwrite::sample_extents;
use crate::scheme::{CompiledPattern, Pattern, StreamKey};
use crate::units::{Bytes, Lba, SectorSize};

/// How many blocks are marked, one in [`EVERY`] of a medium that is smaller than that gives. Spread by
/// a seed over the whole medium, first and last included.
const MOST: usize = 256;
const LEAST: usize = 16;
const EVERY: usize = 512;

/// The medium's blocks, by way of the kernel.
pub trait Blocks {
    /// Size and logical block size.
    fn geometry(&self) -> (Bytes, SectorSize);
    /// Reads whole blocks from the medium itself, never from a cache.
    fn read(&mut self, offset: Bytes, buf: &mut [u8]) -> io::Result<()>;
    /// Writes whole blocks.
    fn write(&mut self, offset: Bytes, buf: &[u8]) -> io::Result<()>;
    /// Makes what was written durable.
    fn flush(&mut self) -> io::Result<()>;
}

/// Where known content stands, and which: the bytes of a random pass with this key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canaries {
    /// Key of the content.
    pub key: StreamKey,
    /// Blocks in order.
    pub lbas: Vec<Lba>,
}

/// What became of the canaries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Hold something else now.
    pub gone: u32,
    /// Still hold what was written.
    pub survived: Vec<Lba>,
    /// Could not be read: nothing is known of them.
    pub unread: Vec<Lba>,
}

impl Findings {
    /// Every one of at least one canary was read and is gone.
    pub fn all_gone(&self) -> bool {
        self.gone > 0 && self.survived.is_empty() && self.unread.is_empty()
    }

    /// Every one of at least one canary was read and is there.
    pub fn all_there(&self) -> bool {
        !self.survived.is_empty() && self.gone == 0 && self.unread.is_empty()
    }
}

impl Canaries {
    /// Draws the places from `seed`: one block in each of evenly spread sample extents, the first
    /// and the last block.
    pub fn draw(size: Bytes, block: SectorSize, seed: [u8; 32], key: StreamKey) -> Canaries {
        let last = block.blocks_in(size).0.saturating_sub(1);
        let drawn = places(size, block, seed).map(|extent| extent.start / block.bytes());
        let mut lbas: Vec<u64> = drawn.chain([0, last]).filter(|lba| *lba <= last).collect();
        lbas.sort_unstable();
        lbas.dedup();
        Canaries { key, lbas: lbas.into_iter().map(Lba).collect() }
    }

    /// None at all.
    pub fn none() -> Canaries {
        Canaries { key: StreamKey([0; 16]), lbas: Vec::new() }
    }

    /// Writes them, and counts those that the medium then gives back.
    pub fn store(&self, blocks: &mut dyn Blocks) -> io::Result<u32> {
        let (_, block) = blocks.geometry();
        let content = self.content();
        let mut buf = buffer(block);
        for lba in &self.lbas {
            let offset = offset(block, *lba)?;
            content.fill(offset.0, &mut buf);
            blocks.write(offset, &buf)?;
        }
        blocks.flush()?;
        Ok(u32::try_from(self.find(blocks).survived.len()).unwrap_or(u32::MAX))
    }

    /// Looks for them.
    pub fn find(&self, blocks: &mut dyn Blocks) -> Findings {
        let (_, block) = blocks.geometry();
        let content = self.content();
        let mut buf = buffer(block);
        let mut found = Findings::default();
        for lba in &self.lbas {
            match offset(block, *lba).and_then(|offset| blocks.read(offset, &mut buf).map(|()| offset)) {
                Err(_) => found.unread.push(*lba),
                Ok(offset) if content.first_mismatch(offset.0, &buf).is_none() => found.survived.push(*lba),
                // A part of it is enough: the block was not erased as a whole.
                Ok(offset) if any_piece(&content, offset.0, &buf) => found.survived.push(*lba),
                Ok(_) => found.gone += 1,
            }
        }
        found
    }

    fn content(&self) -> CompiledPattern {
        Pattern::Random { key: self.key }.compile()
    }
}

/// 32 bytes in a row that are still there are no coincidence.
fn any_piece(content: &CompiledPattern, offset: u64, buf: &[u8]) -> bool {
    (offset..).step_by(32).zip(buf.chunks_exact(32)).any(|(at, piece)| content.first_mismatch(at, piece).is_none())
}

/// Evenly spread over the medium, at most so many as blocks are marked.
pub(super) fn places(size: Bytes, block: SectorSize, seed: [u8; 32]) -> impl Iterator<Item = Range<u64>> {
    let extents = sample_extents(size, block, seed);
    let blocks = usize::try_from(block.blocks_in(size).0).unwrap_or(usize::MAX);
    let step = extents.len().div_ceil((blocks / EVERY).clamp(LEAST, MOST)).max(1);
    extents.into_iter().step_by(step)
}

pub(super) fn buffer(block: SectorSize) -> Vec<u8> {
    vec![0; usize::try_from(block.bytes()).unwrap_or(512)]
}

pub(super) fn offset(block: SectorSize, lba: Lba) -> io::Result<Bytes> {
    block.offset_of(lba).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}
