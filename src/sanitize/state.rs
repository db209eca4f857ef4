//! What a run is to do and how far it has come. A fresh run and a resumed one are folded from the
//! same journal entries, so recovery goes through the same code as the normal path.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::firmware::{Note, RestoreNote, RestorePlan};
use super::lifting::ForceRoNote;
use super::record::{
    EarlierAttempt, Failure, ForceRo, HiddenAreas, IntentReceipt, Operator, ResumeFacts, RunFacts, SchemeFacts,
    StepTaken,
};
use super::restoration::Restoration;
use super::rung::{Rung, RungEnd, RungState};
pub use super::stages::{Stage, StageState, StageWork};
use super::stages::{settled, stages_of};
use super::unfreezing::{SuspendNote, UnfreezePlan, Unfreezing};
use crate::media::{Exchange, HiddenArea, Medium, Transport};
use crate::overwrite::Ledger;
use crate::policy::{Applied, Method, Technique, VerificationLevel};
use crate::scheme::{Pattern, PlannedPass};
use crate::units::{Bytes, SectorSize};

/// Everything decided before the first write. Journalled as it is; a resume decides nothing anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPlan {
    /// Random, 32 hex digits.
    pub run_id: String,
    /// The medium as the inventory saw it.
    pub medium: Medium,
    /// Logical block size.
    pub block: SectorSize,
    /// Asked-for method.
    pub requested: Method,
    /// What the technique attains on this medium when it completes.
    pub attainable: Method,
    /// The technique that is meant, and those that may take its place, in order. Never empty.
    pub ladder: Vec<Rung>,
    /// Media that the technique's command erases along with this one, confirmed like it.
    pub also: Vec<Medium>,
    /// Namespaces of an NVM subsystem that no device of this host shows and that the command erases along, as a
    /// person named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unattached: Vec<u32>,
    /// Which scheme.
    pub scheme: SchemeFacts,
    /// The passes with their drawn keys and bytes.
    pub passes: Vec<PlannedPass>,
    /// The rules that govern the run; absent in journals of versions without policies.
    #[serde(default)]
    pub policy: Option<Applied>,
    /// How the last pass is verified.
    pub verification: VerificationLevel,
    /// Hex seed of the sample positions, drawn when sampling is asked for.
    pub sample_seed: Option<String>,
    /// Who said they do it.
    pub operator: Option<Operator>,
    /// Asset tag.
    pub asset_tag: Option<String>,
    /// Confidentiality category.
    pub category: Option<String>,
    /// What the drive says of areas that the host cannot address, asked when the run was planned; what
    /// becomes of them is not known yet. Absent: it was not asked, also in journals of earlier versions.
    #[serde(default)]
    pub hidden: Option<HiddenAreas>,
    /// That they are given back before anything is erased, as a person wants it, and by which commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestorePlan>,
    /// That the machine is suspended to RAM first, because the drive is frozen, as a person agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfreeze: Option<UnfreezePlan>,
    /// Earlier runs on the medium.
    pub earlier_attempts: Vec<EarlierAttempt>,
    /// When it was planned.
    pub planned: DateTime<Utc>,
    /// The kernel's random name of the boot it was planned in. With the disk sequence number it says that a
    /// medium stayed attached; absent in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// When the file was made that the medium is or stands on; absent where that is not known, and in journals of
    /// earlier versions. It is no part of the identity, which is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_born: Option<DateTime<Utc>>,
}

impl RunPlan {
    /// Whether the host reads back, with one of the techniques.
    pub fn reads_back(&self) -> bool {
        let read = |stage: &Stage| stage.work != StageWork::Write;
        self.ladder.iter().any(Rung::is_by_host) && stages_of(self).iter().any(read)
    }

    /// Bytes of the plan's first pass where it is a random one.
    pub fn random_at_first(&self) -> Bytes {
        let is_random = self.passes.first().is_some_and(|p| matches!(p.pattern, Pattern::Random { .. }));
        if is_random { self.medium.geometry.size } else { Bytes(0) }
    }
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum JournalEntry {
    /// First line of every journal.
    Opened {
        /// Format of the journal, 1.
        version: u32,
        /// What is to be done.
        plan: Box<RunPlan>,
    },
    /// The intent stands in the custody log. Nothing is written to a medium before this line.
    Intended {
        /// Where it stands.
        receipt: IntentReceipt,
        /// When.
        at: DateTime<Utc>,
    },
    /// A frozen drive is unfrozen: the machine is about to be suspended, or runs again, or what the drive
    /// says then.
    SuspendNoted {
        /// What.
        note: SuspendNote,
        /// What was sent to the drive and came back since the last one.
        exchanges: Vec<Exchange>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Hidden areas are given back: what is about to be sent, or what the drive did of it.
    RestoreNoted {
        /// What.
        note: RestoreNote,
        /// What was sent and came back since the last one.
        exchanges: Vec<Exchange>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The drive was found again as it is after that: from here on the run is about this medium.
    Rebound {
        /// As it is now.
        medium: Box<Medium>,
        /// What became of each area.
        areas: Vec<HiddenArea>,
        /// What was sent and came back since the last note.
        exchanges: Vec<Exchange>,
        /// When.
        at: DateTime<Utc>,
    },
    /// What the kernel alone made read-only is about to be made writable, or is set back.
    ForceRoNoted {
        /// SHA-256 of the identity of what is behind the node.
        identity_digest: String,
        /// What.
        note: ForceRoNote,
        /// When.
        at: DateTime<Utc>,
    },
    /// A stage begins.
    StageStarted {
        /// Which.
        stage: Stage,
        /// When.
        at: DateTime<Utc>,
    },
    /// Everything below the watermark is settled and, for a write, flushed.
    Checkpoint {
        /// Which stage.
        stage: Stage,
        /// Byte offset.
        watermark: Bytes,
        /// What went wrong below it, and does not stand in an earlier checkpoint of the stage.
        ledger: Ledger,
    },
    /// A flush failed: the kernel may have lost acknowledged writes. Never forgotten.
    FlushFailed {
        /// Which stage.
        stage: Stage,
        /// The kernel's words.
        error: String,
    },
    /// A stage is complete.
    StageEnded {
        /// Which.
        stage: Stage,
        /// When.
        at: DateTime<Utc>,
        /// What went wrong in it.
        ledger: Ledger,
        /// Path the bytes took.
        engine: String,
        /// O_DIRECT was in force.
        direct: bool,
    },
    /// A note of a technique of the drive's own, with the commands that were sent since the last one.
    DriveNoted {
        /// Which rung of the ladder, from 0.
        rung: u32,
        /// What is about to happen, or what happened.
        note: Note,
        /// What was sent and came back.
        exchanges: Vec<Exchange>,
        /// When.
        at: DateTime<Utc>,
    },
    /// A technique of the drive's own came to its end.
    DriveEnded {
        /// Which rung.
        rung: u32,
        /// How.
        end: RungEnd,
        /// What was sent and came back since the last note.
        exchanges: Vec<Exchange>,
        /// When.
        at: DateTime<Utc>,
    },
    /// It failed, and the next technique of the ladder takes its place.
    SteppedDown {
        /// From which to which, and why.
        step: StepTaken,
    },
    /// The run was taken up again.
    Resumed {
        /// Where and when.
        facts: ResumeFacts,
    },
    /// The result is known. From here on no medium is needed.
    Sealed {
        /// What happened.
        facts: Box<RunFacts>,
        /// Why it failed; absent when it passed.
        failure: Option<Failure>,
        /// Time of signing, fixed here so that signing again gives the same bytes.
        signed_at: DateTime<Utc>,
    },
}

/// A whole run, folded from its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunState {
    /// What is to be done.
    pub plan: RunPlan,
    /// Intent receipt, once it stands in the custody log.
    pub intent: Option<(IntentReceipt, DateTime<Utc>)>,
    /// How far a frozen drive was unfrozen.
    pub unfreezing: Unfreezing,
    /// How far hidden areas were given back.
    pub restoration: Restoration,
    /// Nodes that were made writable.
    pub force_ro: Vec<ForceRo>,
    /// Which rung of the ladder the run stands on.
    pub at: usize,
    /// How far each rung of the drive's own came.
    pub rungs: Vec<RungState>,
    /// Steps down so far.
    pub steps_down: Vec<StepTaken>,
    /// Every stage in order; of a host's technique only.
    pub stages: Vec<StageState>,
    /// Resumptions so far.
    pub resumed: Vec<ResumeFacts>,
    /// The result, once known.
    pub sealed: Option<Sealed>,
}

/// The result of a run as journalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What happened.
    pub facts: RunFacts,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Time of signing.
    pub signed_at: DateTime<Utc>,
}

/// The journal's entries contradict each other.
#[derive(Debug, thiserror::Error)]
#[error("entry {number} of the journal does not follow from those before it: {why}")]
pub struct Incoherent {
    /// Entry number, from 1.
    pub number: usize,
    /// What does not fit.
    pub why: &'static str,
}

impl RunState {
    /// The state of a run of which only the plan is known.
    pub fn new(plan: RunPlan) -> RunState {
        let rungs = vec![RungState::default(); plan.ladder.len()];
        let (intent, steps_down, resumed) = (None, Vec::new(), Vec::new());
        let (unfreezing, restoration) = (Unfreezing::default(), Restoration::default());
        let (force_ro, stages, sealed) = (Vec::new(), Vec::new(), None);
        let at = 0;
        let mut state = RunState {
            plan,
            intent,
            unfreezing,
            restoration,
            force_ro,
            at,
            rungs,
            steps_down,
            stages,
            resumed,
            sealed,
        };
        state.enter_rung(0);
        state
    }

    /// Folds a journal. `None` for an empty one: a crash before its first line, nothing happened.
    pub fn fold(entries: &[JournalEntry]) -> Result<Option<RunState>, Incoherent> {
        let Some((first, rest)) = entries.split_first() else { return Ok(None) };
        let JournalEntry::Opened { version: 1, plan } = first else {
            return Err(Incoherent { number: 1, why: "it does not open a run of a known version" });
        };
        let mut state = RunState::new((**plan).clone());
        for (index, entry) in rest.iter().enumerate() {
            state.apply(entry).map_err(|why| Incoherent { number: index + 2, why })?;
        }
        Ok(Some(state))
    }

    /// Takes one entry into account.
    pub fn apply(&mut self, entry: &JournalEntry) -> Result<(), &'static str> {
        if self.sealed.is_some() {
            return Err("it comes after the result");
        }
        match entry {
            JournalEntry::Opened { .. } => return Err("it opens the run a second time"),
            JournalEntry::Intended { receipt, at } => {
                self.intent.get_or_insert_with(|| (receipt.clone(), *at));
            }
            JournalEntry::SuspendNoted { note, exchanges, at } => self.suspend_noted(note, exchanges, *at)?,
            JournalEntry::ForceRoNoted { identity_digest, note, at } => {
                self.force_ro_noted(identity_digest, note, *at)?;
            }
            JournalEntry::StageStarted { .. } | JournalEntry::DriveNoted { .. } | JournalEntry::RestoreNoted { .. }
                if self.unfreezes().is_some() =>
            {
                return Err("it goes on before it is known whether the drive is still frozen");
            }
            JournalEntry::RestoreNoted { note, exchanges, .. } => self.restore_noted(note, exchanges)?,
            JournalEntry::Rebound { medium, areas, exchanges, at } => self.rebind(medium, areas, exchanges, *at)?,
            JournalEntry::StageStarted { .. } | JournalEntry::DriveNoted { .. } if self.restores().is_some() => {
                return Err("it erases before hidden areas were given back");
            }
            JournalEntry::StageStarted { stage, at } => {
                if self.intent.is_none() {
                    return Err("a stage begins before the intent is recorded");
                }
                let state = self.stage_mut(stage)?;
                state.started.get_or_insert(*at);
            }
            // A flush that hung may return, and its checkpoint be written, after its stage has ended.
            JournalEntry::Checkpoint { stage, .. } if self.has_ended(stage) => {}
            JournalEntry::Checkpoint { stage, watermark, ledger } => {
                let state = self.stage_mut(stage)?;
                // After a flush that failed only what was flushed before it is settled; what went wrong stays so.
                if state.flush_error.is_none() || *watermark < state.watermark {
                    state.watermark = *watermark;
                }
                state.ledger.merge(ledger);
            }
            JournalEntry::FlushFailed { stage, error } => {
                let ended = self.stages.iter_mut().find(|s| s.stage == *stage && s.ended.is_some());
                let state = match ended {
                    Some(state) => state,
                    None => self.stage_mut(stage)?,
                };
                state.flush_error.get_or_insert_with(|| error.clone());
            }
            JournalEntry::StageEnded { stage, at, ledger, engine, direct } => {
                let size = self.plan.medium.geometry.size;
                let state = self.stage_mut(stage)?;
                state.ended = Some(*at);
                state.watermark = size;
                state.ledger = ledger.clone();
                state.io = Some((engine.clone(), *direct));
            }
            JournalEntry::DriveNoted { rung, note, exchanges, at } => {
                self.rung_mut(*rung)?.note(note, exchanges, *at);
            }
            JournalEntry::DriveEnded { rung, end, exchanges, at } => self.rung_mut(*rung)?.end(end, exchanges, *at),
            JournalEntry::SteppedDown { step } => {
                if self.at + 1 >= self.plan.ladder.len() || self.rungs[self.at].failure().is_none() {
                    return Err("it steps down where nothing failed, or where there is no further step");
                }
                self.steps_down.push(step.clone());
                self.enter_rung(self.at + 1);
            }
            JournalEntry::Resumed { facts } => {
                self.resumed.push(facts.clone());
                // All above the last good flush is written again, and flushed again; what an attempt that failed tells
                // of it is over.
                let block = self.plan.block;
                if let Some(open) = self.stages.iter_mut().find(|s| s.ended.is_none()) {
                    open.flush_error = None;
                    open.ledger = settled(&open.ledger, open.watermark, block);
                }
            }
            JournalEntry::Sealed { facts, failure, signed_at } => {
                self.sealed =
                    Some(Sealed { facts: (**facts).clone(), failure: failure.clone(), signed_at: *signed_at });
            }
        }
        Ok(())
    }

    /// The technique that the run stands on.
    pub fn rung(&self) -> &Rung {
        &self.plan.ladder[self.at]
    }

    /// It is at a revert by PSID that has not ended: the PSID is in no journal.
    pub fn needs_psid(&self) -> bool {
        self.rung().technique == Technique::OpalPsidRevert && self.rung_state().ended.is_none()
    }

    /// How far it came.
    pub fn rung_state(&self) -> &RungState {
        &self.rungs[self.at]
    }

    pub(super) fn enter_rung(&mut self, at: usize) {
        self.at = at;
        if self.plan.ladder.get(at).is_none_or(Rung::is_by_host) {
            self.stages = stages_of(&self.plan).into_iter().map(StageState::new).collect();
        }
    }

    fn rung_mut(&mut self, rung: u32) -> Result<&mut RungState, &'static str> {
        if self.intent.is_none() {
            return Err("a technique begins before the intent is recorded");
        }
        let at = self.at;
        match self.rungs.get_mut(at) {
            Some(state) if rung as usize == at && state.ended.is_none() => Ok(state),
            _ => Err("it speaks of a technique that is not the present one"),
        }
    }

    /// Whether what is found now by the identity of the run's medium may be another one: it has no name that is unique
    /// in the world, and is not known to have stayed attached since the plan, or to be the very file. Behind USB that
    /// is enough, for sticks of one batch share their serial number. Elsewhere it counts as long as nothing that the
    /// run wrote is known to be on the medium, so that nothing can be compared before the first write.
    pub fn may_be_another(&self, boot: Option<&str>, now: &Medium, file_born: Option<DateTime<Utc>>) -> bool {
        let plan = &self.plan;
        let (then, seq) = (plan.boot.as_deref(), plan.medium.diskseq);
        let stayed = then.is_some() && then == boot && seq.is_some() && seq == now.diskseq;
        let is_the_file = file_born.is_some() && plan.file_born == file_born;
        let unrecognizable = now.transport == Transport::Usb || self.is_unwritten();
        unrecognizable && !now.has_unique_name() && !stayed && !is_the_file
    }

    /// It stands at the host's first pass, and the journal knows of no block that is written; or at a technique of the
    /// drive's own of which nothing was sent.
    fn is_unwritten(&self) -> bool {
        let first = |at: &StageState| at.stage.pass == 1 && at.stage.work == StageWork::Write;
        match self.next_stage() {
            Some(at) => first(at) && at.watermark.0 < self.plan.block.bytes(),
            None => {
                let unsent = |state: &RungState| state.ended.is_none() && state.past.first_sent.is_none();
                let by_drive = self.plan.ladder.get(self.at).is_some_and(|rung| !rung.is_by_host());
                by_drive && self.rungs.get(self.at).is_some_and(unsent)
            }
        }
    }

    /// The first stage that is not complete.
    pub fn next_stage(&self) -> Option<&StageState> {
        self.stages.iter().find(|s| s.ended.is_none())
    }

    /// Share of the run's bytes that is settled, 0 to 1.
    pub fn fraction(&self) -> f64 {
        if self.stages.is_empty() {
            return if self.rung_state().ended.is_some() { 1.0 } else { 0.0 };
        }
        let size = self.plan.medium.geometry.size.0.max(1) as f64;
        let sum: f64 = self.stages.iter().map(|s| s.watermark.0 as f64 / size).sum();
        sum / self.stages.len().max(1) as f64
    }

    fn has_ended(&self, stage: &Stage) -> bool {
        self.stages.iter().any(|s| s.stage == *stage && s.ended.is_some())
    }

    fn stage_mut(&mut self, stage: &Stage) -> Result<&mut StageState, &'static str> {
        let open = self.stages.iter().position(|s| s.ended.is_none()).unwrap_or(self.stages.len());
        match self.stages.get_mut(open) {
            Some(state) if state.stage == *stage => Ok(state),
            _ => Err("it speaks of a stage that is not the next one"),
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
