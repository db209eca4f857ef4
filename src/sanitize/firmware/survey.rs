//! Reading the medium after the erase: as much as was asked for, and what stands there.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::canary::Blocks;
use super::procedure::Procedure;
use super::run::Clock;
use crate::policy::VerificationLevel;
use crate::units::{Bytes, Lba, LbaRange, Sectors};

/// Bytes read at once.
const PIECE: usize = 1 << 20;
/// More ranges than these are counted, not listed.
const RANGES: usize = 1000;

/// What was read after the erase, in whole blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survey {
    /// How much was asked for.
    pub level: VerificationLevel,
    /// Bytes that had to be read.
    pub wanted: Bytes,
    /// Bytes that were read.
    pub read: Bytes,
    /// Blocks that hold nothing but 00.
    pub zeros: Sectors,
    /// Blocks that hold nothing but FF.
    pub ones: Sectors,
    /// Blocks that hold anything else.
    pub other: Sectors,
    /// Blocks that could not be read.
    pub unread: Vec<LbaRange>,
    /// Blocks that hold something else than the technique leaves by the standard.
    pub mismatched: Vec<LbaRange>,
}

/// What the technique leaves.
#[derive(Debug)]
pub(super) struct Left {
    byte: Option<u8>,
    except: Vec<Range<u64>>,
}

impl Left {
    /// By this technique.
    pub fn by(procedure: &dyn Procedure) -> Left {
        Left { byte: procedure.leaves(), except: procedure.unwritable() }
    }

    fn is_excepted(&self, offset: u64) -> bool {
        let next = self.except.partition_point(|range| range.end <= offset);
        self.except.get(next).is_some_and(|range| range.start <= offset)
    }
}

impl Survey {
    /// Nothing was asked for.
    pub fn none() -> Survey {
        Survey {
            level: VerificationLevel::None,
            wanted: Bytes(0),
            read: Bytes(0),
            zeros: Sectors(0),
            ones: Sectors(0),
            other: Sectors(0),
            unread: Vec::new(),
            mismatched: Vec::new(),
        }
    }

    /// All that was asked for was read, and is as it has to be.
    pub fn is_clean(&self) -> bool {
        self.read == self.wanted && self.unread.is_empty() && self.mismatched.is_empty()
    }

    /// Reads `extents`, whose blocks have to hold what `left` says. `None`: asked to stop.
    pub(super) fn read(
        level: VerificationLevel,
        extents: &[Range<u64>],
        left: &Left,
        blocks: &mut dyn Blocks,
        clock: &mut dyn Clock,
    ) -> Option<Survey> {
        let (_, block) = blocks.geometry();
        let unit = usize::try_from(block.bytes()).unwrap_or(512);
        let wanted: u64 = extents.iter().map(|extent| extent.end - extent.start).sum();
        let mut survey = Survey { level, wanted: Bytes(wanted), ..Survey::none() };
        let mut buf = vec![0; PIECE];
        for extent in extents {
            let mut at = extent.start;
            while at < extent.end {
                let length = usize::try_from(extent.end - at).unwrap_or(PIECE).min(PIECE);
                let piece = &mut buf[..length];
                match blocks.read(Bytes(at), piece) {
                    Ok(()) => survey.take(at, piece, unit, left),
                    // One bad block must not take its neighbours along.
                    Err(_) => {
                        for (offset, one) in (at..).step_by(unit).zip(piece.chunks_mut(unit)) {
                            match blocks.read(Bytes(offset), one) {
                                Ok(()) => survey.take(offset, one, unit, left),
                                Err(_) => note(&mut survey.unread, offset / unit as u64),
                            }
                        }
                    }
                }
                at += length as u64;
                if !clock.go_on(survey.read.0, wanted) {
                    return None;
                }
            }
        }
        Some(survey)
    }

    fn take(&mut self, offset: u64, bytes: &[u8], unit: usize, left: &Left) {
        self.read.0 += bytes.len() as u64;
        for (lba, block) in (offset / unit as u64..).zip(bytes.chunks(unit)) {
            let first = block.first().copied().unwrap_or(0);
            let uniform = block.iter().all(|b| *b == first);
            match (uniform, first) {
                (true, 0x00) => self.zeros.0 += 1,
                (true, 0xFF) => self.ones.0 += 1,
                _ => self.other.0 += 1,
            }
            if left.byte.is_some_and(|byte| !uniform || first != byte) && !left.is_excepted(lba * unit as u64) {
                note(&mut self.mismatched, lba);
            }
        }
    }
}

/// Adds a block to ranges that grow in order.
fn note(ranges: &mut Vec<LbaRange>, lba: u64) {
    let full = ranges.len() >= RANGES;
    match ranges.last_mut() {
        Some(last) if last.first.0 + last.count.0 == lba => last.count.0 += 1,
        // So many are no list any more; the last one stands for all that follow.
        Some(last) if full => last.count.0 = lba - last.first.0 + 1,
        _ => ranges.push(LbaRange { first: Lba(lba), count: Sectors(1) }),
    }
}
