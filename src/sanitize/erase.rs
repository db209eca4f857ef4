//! The loop over the stages of one run: identity, write or read back, flush, journal.
//!
//! Runs as a task among those of all other drives; whatever may block goes to the helper threads,
//! so that a medium that hangs holds up nobody but itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::by_drive;
use super::event::Event;
use super::firmware::Psids;
use super::journal::JournalError;
use super::lifting;
use super::recheck::{Known, recheck};
use super::record::{Failure, StepTaken};
use super::run::{Claimed, Erased, Intended, Run};
use super::rung::{RungEnd, allows_a_step_down};
use super::stage::{ClaimedDisk, Flushes, Saved, StageRun, write_checkpoint};
use super::stages::settled;
use super::state::{JournalEntry, RunPlan, Stage, StageWork};
use crate::device::{Claim, Roots};
use crate::overwrite::{
    Disk as _, Engine, Extents, FaultLimits, IoMode, Ledger, PassEnd, PassJob, PassOp, PassOutcome,
};
use crate::policy::VerificationLevel;
use crate::sys::{Blocking, HelperGone, within};
use crate::units::{Bytes, SectorSize, now};

/// What all runs of a process share.
#[derive(Clone)]
pub struct Bench {
    /// The I/O workers.
    pub engine: Arc<Engine>,
    /// Threads for calls that may block for ever.
    pub blocking: Blocking,
    /// Where the kernel shows its devices.
    pub roots: Arc<Roots>,
    /// Turns true when everything is to stop in order.
    pub stop: watch::Receiver<bool>,
    /// How errors are retried, and when a silent medium is given up.
    pub faults: FaultLimits,
    /// How often progress is made durable.
    pub checkpoint_every: Duration,
    /// The same progress of a drive's own erase for so long: it is given up.
    pub erase_stall: Duration,
    /// PSIDs, for reverts.
    pub psids: Arc<Psids>,
}

/// Why a run stopped before its result was known. The journal allows to go on.
#[derive(Debug)]
pub enum Stopped {
    /// A signal asked for it.
    Asked,
    /// The medium went away.
    MediumGone {
        /// The kernel's words.
        error: String,
    },
    /// The drive gives a hidden area back only after its power was cut.
    PowerNeeded {
        /// What it said.
        why: String,
    },
    /// The drive is frozen and the machine was not to be suspended now, or what the drive is since was not to
    /// be found out.
    NotUnfrozen {
        /// What happened.
        why: String,
    },
    /// The host's cache of the medium cannot be dropped any more, so that nothing can be read back.
    Cached {
        /// Why not.
        why: String,
    },
    /// Hidden areas are being given back, and what the drive is now could not be found out.
    Unclear {
        /// What happened.
        why: String,
    },
    /// What became of the drive's own erase is not known.
    EraseUnclear {
        /// What happened.
        why: String,
    },
    /// The journal could not be written: nothing more may happen.
    Journal(JournalError),
    /// The program's own helper threads are gone.
    Helper(HelperGone),
}

impl From<JournalError> for Stopped {
    fn from(error: JournalError) -> Stopped {
        Stopped::Journal(error)
    }
}

impl From<HelperGone> for Stopped {
    fn from(error: HelperGone) -> Stopped {
        Stopped::Helper(error)
    }
}

impl Run<Intended> {
    /// Writes and reads back every stage that is not complete yet, or has the drive erase itself.
    pub async fn erase(self, bench: &Bench, watch: &dyn Fn(Event)) -> Result<Run<Erased>, Stopped> {
        let (plan, mut claimed) = self.into_parts();
        let done = match lifting::clear(&mut claimed, bench, watch).await {
            Ok(None) => run_ladder(&plan, &mut claimed, bench, watch).await,
            broken => broken,
        };
        let set_back = lifting::set_back(&mut claimed, bench, watch).await;
        match done.and_then(|broken| set_back.map(|()| broken)) {
            Ok(broken) => Ok(Run::new_erased(plan, claimed, broken)),
            Err(stopped) => {
                // Closing may wait for the medium: not here, among the tasks of all the others.
                let closing = bench.blocking.call(move || drop(claimed));
                let _ = within(bench.faults.stall_timeout.min(STOP_PATIENCE), closing).await;
                Err(stopped)
            }
        }
    }
}

/// How long a stopped run waits for a flush or a close that is under way.
pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// One technique after the other, until one of them did not fail or none is left that was allowed.
async fn run_ladder(
    plan: &RunPlan,
    claimed: &mut Claimed,
    bench: &Bench,
    watch: &dyn Fn(Event),
) -> Result<Option<Failure>, Stopped> {
    loop {
        if claimed.progress.rung().is_by_host() {
            return run_stages(plan, claimed, bench, watch).await;
        }
        let failure = match &claimed.progress.rung_state().ended {
            Some((_, RungEnd::Erased { .. })) => return Ok(None),
            Some((_, RungEnd::Failed { failure })) => failure.clone(),
            None if *bench.stop.borrow() => return Err(Stopped::Asked),
            None => match by_drive::erase_by_drive(plan, claimed, bench, watch).await? {
                None => return Ok(None),
                Some(failure) => failure,
            },
        };
        by_drive::end(claimed, &failure, bench).await?;
        let at = claimed.progress.at;
        let allowed = allows_a_step_down(&failure, &claimed.progress.rung_state().past);
        let Some(next) = plan.ladder.get(at + 1).filter(|_| allowed) else {
            return Ok(Some(failure));
        };
        let step = StepTaken {
            from: plan.ladder[at].technique.name().to_owned(),
            to: next.technique.name().to_owned(),
            failure,
            at: now(),
            exchanges: claimed.progress.rung_state().exchanges.clone(),
        };
        let text = format!("{} failed ({}); going on with {}", step.from, step.failure.message, step.to);
        watch(Event::Note { run_id: plan.run_id.clone(), path: plan.medium.path.clone(), text });
        record(claimed, JournalEntry::SteppedDown { step }, bench).await?;
    }
}

async fn run_stages(
    plan: &RunPlan,
    claimed: &mut Claimed,
    bench: &Bench,
    watch: &dyn Fn(Event),
) -> Result<Option<Failure>, Stopped> {
    while let Some(next) = claimed.progress.next_stage() {
        let stage = next.stage;
        if *bench.stop.borrow() {
            return Err(Stopped::Asked);
        }
        let broken = run_stage(plan, claimed, stage, bench, watch).await?;
        if broken.is_some() {
            return Ok(broken);
        }
    }
    Ok(None)
}

async fn run_stage(
    plan: &RunPlan,
    claimed: &mut Claimed,
    stage: Stage,
    bench: &Bench,
    watch: &dyn Fn(Event),
) -> Result<Option<Failure>, Stopped> {
    if let Some(failure) = prepare(claimed, stage, bench).await? {
        return unless_gone(claimed, bench).await.map(|()| Some(failure));
    }
    record(claimed, JournalEntry::StageStarted { stage, at: now() }, bench).await?;

    // What an earlier attempt did not reach lies above the watermark, and is reached now.
    let earlier = claimed.progress.next_stage().map(|s| (s.watermark, settled(&s.ledger, s.watermark, plan.block)));
    let (from, earlier) = earlier.unwrap_or_default();
    let disk = Arc::new(ClaimedDisk(claimed.claim.clone()));
    let known = Known::of(&claimed.progress, stage, from, &earlier);
    if let Some(failure) = recheck(plan, stage, known, disk.clone(), bench).await? {
        return unless_gone(claimed, bench).await.map(|()| Some(failure));
    }
    let job = job(plan, stage, from, disk.clone(), bench);
    let wanted = bytes_of(&job);
    let run = StageRun::new(plan, claimed, stage, from, &earlier, disk.clone(), bench);
    let (outcome, flushes, settled_at) = run.drive(job, watch).await?;
    // So far the journal has it from the checkpoints, which they tell nobody else.
    let (watermark, ledger) = (settled_at, Ledger::default());
    apply(claimed, &JournalEntry::Checkpoint { stage, watermark, ledger })?;
    let ended = StageEnd::of(&outcome, stage, wanted, plan.medium.geometry.size, patience_with_a_stop(bench));
    let sound = matches!(
        (&outcome.end, &flushes),
        (PassEnd::Complete | PassEnd::Cancelled, Flushes::Answered(None)) if outcome.ledger.is_clean()
    );
    if !sound {
        unless_gone(claimed, bench).await?;
    }
    match flushes {
        Flushes::Answered(None) => {}
        // The checkpoint has journalled it already.
        Flushes::Answered(Some(error)) => apply(claimed, &JournalEntry::FlushFailed { stage, error })?,
        // The checkpoint before it stands; what was written since is written again.
        Flushes::Silent if matches!(ended, StageEnd::Cancelled | StageEnd::Stopped(Stopped::Asked)) => {
            return Err(Stopped::Asked);
        }
        // Whatever the flush at the end says: this one may have lost what it was for.
        Flushes::Silent => {
            record(claimed, JournalEntry::FlushFailed { stage, error: silent("a flush", bench).message }, bench).await?
        }
    }
    let mut ledger = earlier;
    ledger.merge(&outcome.ledger);
    match ended {
        StageEnd::Through => complete(claimed, stage, ledger, &disk, bench).await.map(|()| None),
        StageEnd::Cancelled => {
            checkpoint_now(claimed, stage, outcome.watermark.max(from), &ledger, &disk, plan.block, bench).await?;
            Err(Stopped::Asked)
        }
        StageEnd::Stopped(stopped) => Err(stopped),
        StageEnd::Failed(failure) => {
            let watermark = goes_on_at(&outcome, stage, from, settled_at);
            record(claimed, JournalEntry::Checkpoint { stage, watermark, ledger }, bench).await?;
            Ok(Some(failure))
        }
    }
}

/// What the end of a pass means for its run.
#[derive(Debug)]
enum StageEnd {
    /// All of it is settled; the ledger says how.
    Through,
    /// Stopped as asked, and all below the watermark is settled.
    Cancelled,
    /// Stopped without a verdict on the medium.
    Stopped(Stopped),
    /// The run ends here.
    Failed(Failure),
}

impl StageEnd {
    /// Of a pass that had to bring `wanted` bytes through. A stall of less than `patience` seconds is the stop that was
    /// asked for: it waits some seconds only for the answers that are out.
    fn of(outcome: &PassOutcome, stage: Stage, wanted: u64, size: Bytes, patience: u64) -> StageEnd {
        let pass = format!("pass {} ({})", stage.pass, stage.work.word());
        let failed = |code: &str, message: String, advice: &str| {
            StageEnd::Failed(Failure { code: code.to_owned(), message, advice: advice.to_owned() })
        };
        match &outcome.end {
            PassEnd::Complete if outcome.ledger.is_clean() && outcome.done.0 != wanted => failed(
                "io_failed",
                format!(
                    "{pass}: {} bytes went through, {wanted} had to; this is an error of the program",
                    outcome.done
                ),
                "wipe the medium again, and report this",
            ),
            PassEnd::Complete => StageEnd::Through,
            PassEnd::Cancelled => StageEnd::Cancelled,
            PassEnd::DeviceGone { error } => StageEnd::Stopped(Stopped::MediumGone { error: error.to_string() }),
            PassEnd::Stalled { for_secs } if *for_secs < patience => StageEnd::Stopped(Stopped::Asked),
            PassEnd::Stalled { for_secs } => failed(
                "stalled",
                format!(
                    "{pass}: the medium did not answer for {for_secs} s; {} of {size} bytes are settled",
                    outcome.watermark
                ),
                "unplug the medium, try it on another port, or destroy it",
            ),
            PassEnd::Failed { error } => {
                failed("io_failed", format!("{pass}: {error}"), "try the medium on another port, or destroy it")
            }
        }
    }
}

/// Where a stage whose pass failed is taken up, if the run is after all.
fn goes_on_at(outcome: &PassOutcome, stage: Stage, from: Bytes, settled_at: Bytes) -> Bytes {
    match (&outcome.end, stage.work) {
        // What it says of itself is contradicted by its own count.
        (PassEnd::Complete, _) => from,
        // What was written since the last flush may be lost yet.
        (_, StageWork::Write) => settled_at,
        (_, StageWork::Verify { .. }) => outcome.watermark.max(from),
    }
}

/// A stall of less than so many seconds is the stop that was asked for, where one was.
pub(super) fn patience_with_a_stop(bench: &Bench) -> u64 {
    if *bench.stop.borrow() { bench.faults.stall_timeout.as_secs() } else { 0 }
}

/// Journals that a stage is through, once what it wrote is on the medium.
async fn complete(
    claimed: &mut Claimed,
    stage: Stage,
    ledger: Ledger,
    disk: &Arc<ClaimedDisk>,
    bench: &Bench,
) -> Result<(), Stopped> {
    if stage.work == StageWork::Write
        && let Some(error) = flush(disk, bench).await?
    {
        unless_gone(claimed, bench).await?;
        record(claimed, JournalEntry::FlushFailed { stage, error }, bench).await?;
    }
    let entry = JournalEntry::StageEnded {
        stage,
        at: now(),
        ledger,
        engine: io_word(bench.engine.io_mode()).to_owned(),
        direct: claimed.claim.direct(),
    };
    record(claimed, entry, bench).await
}

/// Identity is read again before every stage; a read-back must come from the medium.
async fn prepare(claimed: &Claimed, stage: Stage, bench: &Bench) -> Result<Option<Failure>, Stopped> {
    let claim = claimed.claim.clone();
    let look = move || {
        if let Err(changed) = claim.check_identity() {
            return Ok(Some(Failure {
                code: "identity_changed".to_owned(),
                message: format!("before pass {}: {changed}", stage.pass),
                advice: "another medium may be in its place: check the bay, then wipe again".to_owned(),
            }));
        }
        if stage.work == StageWork::Write {
            return Ok(None);
        }
        let Err(error) = claim.drop_caches() else { return Ok(None) };
        // What it takes is missing, and the run is not taken up before it is there: that is none of the medium's.
        if claim.check_caches().is_err() {
            return Err(match claim.gone() {
                Some(error) => Stopped::MediumGone { error },
                None => Stopped::Cached { why: error.to_string() },
            });
        }
        Ok(Some(Failure {
            code: "cache".to_owned(),
            message: format!(
                "before the read-back of pass {}: the host's cache could not be dropped: {error}",
                stage.pass
            ),
            advice: "the read-back could have come from memory; wipe the medium again".to_owned(),
        }))
    };
    match within(bench.faults.stall_timeout, bench.blocking.call(look)).await {
        Ok(answer) => answer?,
        Err(_) => Ok(Some(silent("the identity check", bench))),
    }
}

fn job(plan: &RunPlan, stage: Stage, from: Bytes, disk: Arc<ClaimedDisk>, bench: &Bench) -> PassJob {
    let (op, extents) = match stage.work {
        StageWork::Verify { level: level @ (VerificationLevel::Sample | VerificationLevel::Quick) } => {
            let all = plan.extents(level).unwrap_or_else(|| vec![0..plan.medium.geometry.size.0]);
            (PassOp::Verify, Extents::Sample(all.into_iter().filter_map(|e| above(e, from.0)).collect()))
        }
        StageWork::Verify { .. } => (PassOp::Verify, Extents::All { from }),
        StageWork::Write => (PassOp::Write, Extents::All { from }),
    };
    let pattern = plan.passes[stage.pass as usize - 1].pattern.clone();
    PassJob { disk, size: plan.medium.geometry.size, block: plan.block, op, pattern, extents, faults: bench.faults }
}

/// Bytes that have to go through for the job to be done.
fn bytes_of(job: &PassJob) -> u64 {
    match &job.extents {
        Extents::All { from } => job.size.0.saturating_sub(from.0 - from.0 % job.block.bytes()),
        Extents::Sample(ranges) => ranges.iter().map(|range| range.end - range.start).sum(),
    }
}

fn above(extent: std::ops::Range<u64>, from: u64) -> Option<std::ops::Range<u64>> {
    let start = extent.start.max(from);
    (start < extent.end).then_some(start..extent.end)
}

async fn checkpoint_now(
    claimed: &Claimed,
    stage: Stage,
    watermark: Bytes,
    ledger: &Ledger,
    disk: &Arc<ClaimedDisk>,
    block: SectorSize,
    bench: &Bench,
) -> Result<(), Stopped> {
    let entry = JournalEntry::Checkpoint { stage, watermark, ledger: settled(ledger, watermark, block) };
    let (journal, disk) = (claimed.journal.clone(), disk.clone());
    let call = bench.blocking.call(move || write_checkpoint(&journal, &disk, stage, &entry));
    match within(bench.faults.stall_timeout.min(STOP_PATIENCE), call).await {
        Ok(written) => match written?? {
            Saved::Gone(error) => Err(Stopped::MediumGone { error }),
            Saved::Journalled | Saved::FlushFailed(_) => Ok(()),
        },
        // The medium does not answer: the last checkpoint stands.
        Err(_) => Ok(()),
    }
}

/// Appends to the journal and to the state folded from it.
pub(super) async fn record(claimed: &mut Claimed, entry: JournalEntry, bench: &Bench) -> Result<(), Stopped> {
    let journal = claimed.journal.clone();
    let line = entry.clone();
    bench.blocking.call_station(move || journal.append(&line)).await??;
    apply(claimed, &entry)
}

pub(super) fn apply(claimed: &mut Claimed, entry: &JournalEntry) -> Result<(), Stopped> {
    claimed.progress.apply(entry).map_err(|why| {
        Stopped::Journal(JournalError::Corrupt { path: Default::default(), line: 0, why: why.to_owned() })
    })
}

async fn flush(disk: &Arc<ClaimedDisk>, bench: &Bench) -> Result<Option<String>, Stopped> {
    let disk = disk.clone();
    match within(bench.faults.stall_timeout, bench.blocking.call(move || disk.flush())).await {
        Ok(answer) => Ok(answer?.err().map(|e| e.to_string())),
        Err(_) => Ok(Some(silent("the flush", bench).message)),
    }
}

/// Whether the medium is no longer attached, in the kernel's words. `None` also when it did not say.
pub(super) async fn gone(claim: &Arc<Claim>, bench: &Bench) -> Result<Option<String>, HelperGone> {
    let claim = claim.clone();
    let look = bench.blocking.call(move || claim.gone());
    match within(bench.faults.stall_timeout, look).await {
        Ok(answer) => answer,
        Err(_) => Ok(None),
    }
}

/// Comes before every verdict: a medium that was pulled did not fail, it can be connected again and the run goes on.
async fn unless_gone(claimed: &Claimed, bench: &Bench) -> Result<(), Stopped> {
    match gone(&claimed.claim, bench).await? {
        Some(error) => Err(Stopped::MediumGone { error }),
        None => Ok(()),
    }
}

fn io_word(mode: IoMode) -> &'static str {
    match mode {
        IoMode::Uring { .. } => "io_uring",
        IoMode::Plain => "pread/pwrite",
    }
}

fn silent(what: &str, bench: &Bench) -> Failure {
    Failure {
        code: "stalled".to_owned(),
        message: format!("{what} got no answer from the medium for {} s", bench.faults.stall_timeout.as_secs()),
        advice: "unplug the medium, try it on another port, or destroy it".to_owned(),
    }
}

#[cfg(test)]
#[path = "erase_tests.rs"]
mod tests;
