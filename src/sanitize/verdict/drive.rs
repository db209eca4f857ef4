//! The judgement over a technique of the drive's own.

use super::failure;
use crate::media::{Medium, Reach};
use crate::policy::{Technique, VerificationLevel, Way};
use crate::sanitize::firmware::{BootPartitions, Erasure, Psids, Survey, procedure_for};
use crate::sanitize::record::{
    Failure, FirmwareFacts, FoundFacts, IoFacts, KnownContent, LedgerFacts, PathFacts, Proven, ReachedFacts,
    ReachedReading, VerificationFacts,
};
use crate::sanitize::rung::{RungEnd, RungState};
use crate::sanitize::state::RunState;
use crate::units::Bytes;

/// The rung did not come to a good end.
pub(super) fn find_failure(state: &RunState) -> Option<Failure> {
    match &state.rung_state().ended {
        Some((_, RungEnd::Erased { .. })) => None,
        Some((_, RungEnd::Failed { failure })) => Some(failure.clone()),
        None => Some(failure(
            "incomplete",
            format!("{} did not come to its end", state.rung().technique.name()),
            "resume the run, or wipe the medium again",
        )),
    }
}

/// What a success shows, by how much was read afterwards.
pub(super) fn proven(state: &RunState, level: VerificationLevel) -> Proven {
    if state.rung().technique == Technique::ZoneResetOverwrite {
        return match level {
            VerificationLevel::Full => Proven::FullReadback,
            VerificationLevel::Sample => Proven::SampledReadback,
            VerificationLevel::Quick => Proven::QuickReadback,
            VerificationLevel::None => Proven::CompletionOnly,
        };
    }
    // Without known content only the drive's word stands for it.
    if erasure(state.rung_state()).is_none_or(|erasure| erasure.canaries == 0) {
        return Proven::CompletionOnly;
    }
    match level {
        VerificationLevel::Full => Proven::ErasedFullRead,
        VerificationLevel::Sample => Proven::ErasedSampled,
        VerificationLevel::Quick | VerificationLevel::None => Proven::ErasedKnownContent,
    }
}

pub(super) fn verification(state: &RunState) -> VerificationFacts {
    let survey = erasure(state.rung_state()).map(|erasure| &erasure.survey);
    let level = survey.map_or(VerificationLevel::None, |survey| survey.level);
    let in_part = matches!(level, VerificationLevel::Sample | VerificationLevel::Quick);
    let seed = state.plan.sample_seed.clone().filter(|_| in_part);
    VerificationFacts {
        level,
        seed,
        matched: survey.map_or(Bytes(0), |survey| survey.read),
        wanted: survey.map_or(Bytes(0), |survey| survey.wanted),
        started: None,
        ended: state.rung_state().ended.as_ref().filter(|_| survey.is_some()).map(|(at, _)| *at),
    }
}

pub(super) fn facts(state: &RunState) -> FirmwareFacts {
    let (plan, rung, done) = (&state.plan, state.rung(), state.rung_state());
    let erasure = erasure(done);
    let known = |known: u32, gone: Option<u32>| KnownContent { known, gone: gone.unwrap_or(0) };
    let stored = done.past.canaries.as_ref().and_then(|(_, stored)| *stored).unwrap_or(0);
    let samples = done.past.samples.as_ref();
    let sampled = samples.map_or(0, |s| u32::try_from(s.blocks.len()).unwrap_or(u32::MAX));
    FirmwareFacts {
        path: path_facts(state),
        reach: rung.reach,
        also: plan
            .also
            .iter()
            .filter(|_| rung.reach != Reach::Unit)
            .map(|medium| ReachedFacts {
                identity: medium.identity.clone(),
                identity_digest: medium.identity.digest(),
                path: medium.path.clone(),
                read: reading(done, medium),
            })
            .collect(),
        unattached: plan.unattached.iter().copied().filter(|_| rung.reach == Reach::Subsystem).collect(),
        exchanges: done.exchanges.clone(),
        sent: done.past.first_sent,
        ended: done.ended.as_ref().map(|(at, _)| *at),
        estimate_seconds: rung.estimate_seconds,
        status: done.past.completed.as_ref().map(|(_, words)| words.clone()),
        canaries: known(stored, erasure.map(|e| e.canaries)),
        samples: known(sampled, erasure.map(|e| e.samples)),
        blank_samples: samples.map_or(0, |s| s.blank),
        found: erasure.filter(|e| e.survey.level != VerificationLevel::None).map(|e| found(&e.survey)),
        cleaned_up: erasure.and_then(|e| e.cleaned_up.clone()),
    }
}

/// What shows that an area of the card was erased with the main one.
fn reading(done: &RungState, medium: &Medium) -> Option<ReachedReading> {
    let is_it = |name: &str| medium.identity.unit.as_deref() == Some(name);
    let after = erasure(done)?.areas.iter().find(|area| is_it(&area.area))?;
    let before = done.past.areas.iter().find(|area| is_it(&area.area))?;
    let known = |known: usize, gone| KnownContent { known: u32::try_from(known).unwrap_or(u32::MAX), gone };
    Some(ReachedReading {
        canaries: known(before.canaries.lbas.len(), after.canaries),
        samples: known(before.samples.blocks.len(), after.samples),
        found: found(&after.survey),
    })
}

/// Blocks are read directly, never through the host's cache.
pub(super) fn io_facts() -> IoFacts {
    IoFacts { engine: "pread/pwrite".to_owned(), direct: true }
}

pub(super) fn ledger(state: &RunState) -> LedgerFacts {
    match erasure(state.rung_state()) {
        Some(erasure) => LedgerFacts {
            unread: erasure.survey.unread.clone(),
            mismatched: erasure.survey.mismatched.clone(),
            ..LedgerFacts::default()
        },
        None => LedgerFacts::default(),
    }
}

fn erasure(state: &RungState) -> Option<&Erasure> {
    match &state.ended {
        Some((_, RungEnd::Erased { erasure })) => Some(erasure),
        _ => None,
    }
}

fn found(survey: &Survey) -> FoundFacts {
    FoundFacts { zeros: survey.zeros, ones: survey.ones, other: survey.other }
}

fn path_facts(state: &RunState) -> PathFacts {
    use crate::media::CommandSet;
    let done = state.rung_state();
    // The erasing command is only sent after the drive named itself and gave its status.
    let believed = done.past.first_sent.is_some();
    let set = match state.rung().technique.way() {
        Way::Nvme => CommandSet::Nvme,
        Way::Ata => CommandSet::Ata,
        Way::Scsi => CommandSet::Scsi,
        Way::Mmc => CommandSet::Mmc,
        Way::Tcg => CommandSet::Opal,
        Way::Host | Way::Physical => CommandSet::Block,
    };
    let boot = BootPartitions::of(state.rung().reach);
    let procedure = procedure_for(state.rung().technique, &state.plan.medium, &Psids::default(), boot);
    let tells = procedure.is_some_and(|procedure| procedure.tells_serial());
    let unknown = done.past.without_canaries.as_ref().map(|why| format!("no known content was written before: {why}"));
    let before = done.past.known_from.as_ref().map(|(technique, why)| {
        format!(
            "the known content was written before {technique} and none since: {why}; that it is gone shows what both did \
             together"
        )
    });
    PathFacts {
        set,
        identity_agrees: state.plan.medium.identity.serial.as_ref().filter(|_| believed && tells).map(|_| true),
        returns_status: believed,
        notes: state.rung().notes.iter().cloned().chain(unknown).chain(before).collect(),
    }
}
