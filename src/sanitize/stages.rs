//! The stages of a run by the host: each pass is written, and read back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::state::RunPlan;
use crate::overwrite::Ledger;
use crate::policy::VerificationLevel;
use crate::scheme::PassVerify;
use crate::units::{Bytes, Lba, SectorSize};

/// One stage: a pass is written, or read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Pass number, from 1.
    pub pass: u32,
    /// What is done.
    pub work: StageWork,
}

/// What a stage does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum StageWork {
    /// Overwrite every addressable block.
    Write,
    /// Read back at this level and compare.
    Verify {
        /// How much.
        level: VerificationLevel,
    },
}

impl StageWork {
    /// `write` or `verify`.
    pub fn word(self) -> &'static str {
        match self {
            StageWork::Write => "write",
            StageWork::Verify { .. } => "verify",
        }
    }
}

/// How far one stage has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageState {
    /// Which.
    pub stage: Stage,
    /// First time it began.
    pub started: Option<DateTime<Utc>>,
    /// When it was complete.
    pub ended: Option<DateTime<Utc>>,
    /// Everything below is settled.
    pub watermark: Bytes,
    /// What went wrong in it so far.
    pub ledger: Ledger,
    /// A flush failed in it.
    pub flush_error: Option<String>,
    /// Engine and O_DIRECT of its completion.
    pub io: Option<(String, bool)>,
}

impl StageState {
    pub(super) fn new(stage: Stage) -> StageState {
        StageState {
            stage,
            started: None,
            ended: None,
            watermark: Bytes(0),
            ledger: Ledger::default(),
            flush_error: None,
            io: None,
        }
    }
}

/// What a ledger says of the blocks below the watermark; a last partial block lies below the end.
pub(super) fn settled(ledger: &Ledger, watermark: Bytes, block: SectorSize) -> Ledger {
    ledger.below(Lba(block.blocks_in(watermark).0))
}

/// The stages of a plan in order: each pass is written, and read back where the scheme or the
/// request says so; the last pass is read back at the run's level.
pub(super) fn stages_of(plan: &RunPlan) -> Vec<Stage> {
    let mut stages = Vec::new();
    let last = plan.passes.len();
    for (number, planned) in (1u32..).zip(&plan.passes) {
        stages.push(Stage { pass: number, work: StageWork::Write });
        let level = match planned.verify {
            PassVerify::Mandatory => VerificationLevel::Full,
            PassVerify::AsRequested => plan.verification,
            // The last pass is what the run is judged by, whatever the scheme says of it.
            PassVerify::Unverified if number as usize == last => plan.verification,
            PassVerify::Unverified => VerificationLevel::None,
        };
        if level != VerificationLevel::None {
            stages.push(Stage { pass: number, work: StageWork::Verify { level } });
        }
    }
    stages
}
