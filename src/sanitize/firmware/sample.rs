//! What stood on the medium before the erase: blocks read before, and looked for afterwards. Canaries
//! show that what the host just wrote is gone; samples show it of what was there before.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::canary::{Blocks, Canaries, Findings, buffer, offset, places};
use crate::units::{Bytes, Lba, SectorSize};

/// Blocks of the medium's own content, by digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// Those with content of their own, in order.
    pub blocks: Vec<Sample>,
    /// Blocks that were looked at and are as an erased medium may be (one short pattern throughout):
    /// nothing can be told from them.
    pub blank: u32,
    /// Blocks that could not be read.
    pub unread: u32,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Where.
    pub lba: Lba,
    /// SHA-256 of its content, hex.
    pub sha256: String,
}

/// A content that repeats within so many bytes is no content of its own: drives fill blocks so.
const SHORT: usize = 16;

impl Samples {
    /// Reads blocks beside the canaries, from the same seed.
    pub fn take(
        blocks: &mut dyn Blocks,
        size: Bytes,
        block: SectorSize,
        seed: [u8; 32],
        canaries: &Canaries,
    ) -> Samples {
        let last = |extent: Range<u64>| Lba((extent.end.saturating_sub(1)) / block.bytes());
        Samples::at(blocks, block, places(size, block, seed).map(last), canaries)
    }

    /// The same at these places, but for those of canaries.
    pub(super) fn at(
        blocks: &mut dyn Blocks,
        block: SectorSize,
        places: impl Iterator<Item = Lba>,
        canaries: &Canaries,
    ) -> Samples {
        let mut samples = Samples::default();
        let mut buf = buffer(block);
        for lba in places {
            if canaries.lbas.binary_search(&lba).is_ok() {
                continue;
            }
            match offset(block, lba).and_then(|offset| blocks.read(offset, &mut buf)) {
                Err(_) => samples.unread += 1,
                Ok(()) if is_blank(&buf) => samples.blank += 1,
                Ok(()) => samples.blocks.push(Sample { lba, sha256: digest(&buf) }),
            }
        }
        samples
    }

    /// Looks for them.
    pub fn find(&self, blocks: &mut dyn Blocks) -> Findings {
        let (_, block) = blocks.geometry();
        let mut buf = buffer(block);
        let mut found = Findings::default();
        for sample in &self.blocks {
            match offset(block, sample.lba).and_then(|offset| blocks.read(offset, &mut buf)) {
                Err(_) => found.unread.push(sample.lba),
                Ok(()) if digest(&buf) == sample.sha256 => found.survived.push(sample.lba),
                Ok(()) => found.gone += 1,
            }
        }
        found
    }
}

fn is_blank(buf: &[u8]) -> bool {
    buf.iter().zip(buf.iter().skip(SHORT)).all(|(a, b)| a == b)
}

fn digest(buf: &[u8]) -> String {
    Sha256::digest(buf).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_pattern_is_no_content() {
        assert!(is_blank(&[0; 512]) && is_blank(&[0xFF; 512]) && is_blank(&[0xDE, 0xAD].repeat(256)));
        let mut text = [0; 512];
        text[300] = 1;
        assert!(!is_blank(&text));
    }
}
