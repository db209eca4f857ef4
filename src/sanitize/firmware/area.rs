//! Areas of a card that its command erases beside the main one: known content in each of them before, and all of
//! it read afterwards.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::canary::{Blocks, Canaries};
use super::note::Note;
use super::run::{Failure, Refusal, Session, failure};
use super::sample::Samples;
use super::survey::{Left, Survey};
use crate::device::command::mmc::Area;
use crate::policy::VerificationLevel;
use crate::scheme::StreamKey;
use crate::units::Lba;

/// About so many blocks of an area are marked.
const MARKS: u64 = 64;

/// An area with blocks of its own, as a session works with it.
pub struct AreaBlocks<'a> {
    /// Which.
    pub area: Area,
    /// Its blocks.
    pub blocks: &'a mut dyn Blocks,
}

/// What stood in an area before the command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaKnown {
    /// `boot0`.
    pub area: String,
    /// Blocks of the earlier content, by digest.
    pub samples: Samples,
    /// Where known content is written, and which.
    pub canaries: Canaries,
}

/// What shows that an area was erased. Areas are small: all of it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaErasure {
    /// `boot0`.
    pub area: String,
    /// Canaries that were stored, and are gone.
    pub canaries: u32,
    /// Blocks of the earlier content that were sampled, and are gone.
    pub samples: u32,
    /// What was read afterwards.
    pub survey: Survey,
}

/// Every area that the command is to reach is here.
pub(super) fn all_here(session: &Session<'_>, wanted: &[Area]) -> Result<(), Refusal> {
    match wanted.iter().find(|area| session.areas.iter().all(|known| known.area != **area)) {
        None => Ok(()),
        Some(missing) => Err(Refusal::Obstacle(not_shown(*missing))),
    }
}

/// For an obstacle.
pub fn not_shown(area: Area) -> String {
    format!(
        "the kernel shows no node for the boot partition {}, so it can neither be erased nor read; leave the boot \
         partitions out (--leave-boot-partitions), which the certificate then excludes",
        area.name()
    )
}

/// Samples and canaries in each area, noted before anything is written. Samples of the first start are kept: what
/// a later one reads may be erased already.
pub(super) fn store(
    session: &mut Session<'_>,
    earlier: &[AreaKnown],
    fresh: &StreamKey,
) -> Result<Vec<AreaKnown>, Refusal> {
    let seed = session.seed;
    let mut known = Vec::new();
    for AreaBlocks { area, blocks } in &mut session.areas {
        let (size, block) = blocks.geometry();
        let (marked, looked) = places(block.blocks_in(size).0, seed);
        let canaries = Canaries { key: key_in(*area, fresh), lbas: marked };
        let before = earlier.iter().find(|one| one.area == area.name()).map(|one| one.samples.clone());
        let samples = before.unwrap_or_else(|| Samples::at(*blocks, block, looked.into_iter(), &canaries));
        let one = AreaKnown { area: area.name().to_owned(), samples, canaries };
        session.diary.note(Note::AreaPlanned { known: one.clone() })?;
        let wanted = one.canaries.lbas.len();
        let stored =
            one.canaries.store(*blocks).map_err(|error| Refusal::Canaries(format!("{}: {error}", area.name())))?;
        if stored == 0 || stored as usize != wanted {
            let name = area.name();
            return Err(Refusal::Canaries(format!("{name}: {stored} of {wanted} blocks gave back what was written")));
        }
        known.push(one);
    }
    Ok(known)
}

/// What the blocks say. `Ok(None)`: asked to stop.
pub(super) fn judge(
    session: &mut Session<'_>,
    known: &[AreaKnown],
    status: &str,
) -> Result<Option<Vec<AreaErasure>>, Failure> {
    let left = Left::by(session.procedure);
    let mut erased = Vec::new();
    for AreaBlocks { area, blocks } in &mut session.areas {
        let name = area.name();
        let Some(before) = known.iter().find(|one| one.area == name) else {
            return Err(failure("unread", format!("what stood in {name} before is not known")));
        };
        let (canaries, samples) = (before.canaries.find(*blocks), before.samples.find(*blocks));
        let first = |a: &[Lba], b: &[Lba]| a.first().or(b.first()).map(|lba| lba.0);
        if let Some(lba) = first(&canaries.survived, &samples.survived) {
            let left = canaries.survived.len() + samples.survived.len();
            let message = format!(
                "the drive reports success ({status}), but {left} blocks of its area {name} still hold what stood there \
                 before; the first is LBA {lba}"
            );
            return Err(failure("not_erased", message));
        }
        if first(&canaries.unread, &samples.unread).is_some() || !canaries.all_gone() {
            return Err(failure("unread", format!("known content in the area {name} could not be looked for")));
        }
        let size = blocks.geometry().0.0;
        let all = std::iter::once(0..size).collect::<Vec<_>>();
        let Some(survey) = Survey::read(VerificationLevel::Full, &all, &left, *blocks, session.clock) else {
            return Ok(None);
        };
        if !survey.is_clean() {
            let (code, what) = match (survey.mismatched.first(), survey.unread.first()) {
                (Some(first), _) => ("mismatch", format!("holds something else than it leaves, first at {first}")),
                (None, Some(first)) => ("read_errors", format!("could not be read, first at {first}")),
                (None, None) => ("unread", "was not read to its end".to_owned()),
            };
            let message = format!("the drive reports success ({status}), but its area {name} {what}");
            return Err(failure(code, message));
        }
        erased.push(AreaErasure { area: name.to_owned(), canaries: canaries.gone, samples: samples.gone, survey });
    }
    Ok(Some(erased))
}

/// Where an area is marked, first and last block included, and where it is looked at: it is small, and is marked
/// more densely than a whole medium.
fn places(blocks: u64, seed: [u8; 32]) -> (Vec<Lba>, Vec<Lba>) {
    let step = (blocks / MARKS).max(2);
    let drawn = seed.iter().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let at = |offset: u64| {
        let from = (drawn.wrapping_add(offset)) % step;
        (from..blocks).step_by(usize::try_from(step).unwrap_or(usize::MAX))
    };
    let last = blocks.saturating_sub(1);
    let mut marked: Vec<Lba> = at(0).chain([0, last]).filter(|lba| *lba <= last).map(Lba).collect();
    marked.sort_unstable();
    marked.dedup();
    (marked, at(1).map(Lba).collect())
}

/// Known content of an area is that of no other, so that one cannot be taken for another.
fn key_in(area: Area, key: &StreamKey) -> StreamKey {
    let mut hash = Sha256::new();
    hash.update(key.0);
    hash.update(area.name());
    let digest = hash.finalize();
    let mut own = [0; 16];
    own.copy_from_slice(&digest[..16]);
    StreamKey(own)
}
