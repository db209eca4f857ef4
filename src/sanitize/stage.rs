//! One stage of a run while it goes on: watched, checkpointed, stopped.

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::erase::{Bench, STOP_PATIENCE, Stopped, gone};
use super::event::{Event, Pace, Snapshot};
use super::journal::JournalError;
use super::run::{Claimed, SharedJournal};
use super::stages::settled;
use super::state::{JournalEntry, RunPlan, Stage, StageWork};
use crate::device::Claim;
use crate::overwrite::{Disk, Ledger, PassJob, PassOutcome, Progress};
use crate::policy::VerificationLevel;
use crate::sys::{HelperGone, within};
use crate::units::Bytes;

/// One stage under way: watches it, checkpoints it, passes a stop on.
pub(super) struct StageRun<'a> {
    plan: &'a RunPlan,
    journal: SharedJournal,
    fraction: (f64, f64),
    stage: Stage,
    from: Bytes,
    earlier: &'a Ledger,
    disk: Arc<ClaimedDisk>,
    bench: &'a Bench,
}

/// How often a stage is looked at, unless its checkpoints are to be closer.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A look at whether the medium is still attached.
type Look = Pin<Box<dyn Future<Output = Result<Option<String>, HelperGone>>>>;
type Checkpointed = Result<Saved, JournalError>;
type Checkpoint = Pin<Box<dyn Future<Output = Result<Checkpointed, HelperGone>>>>;

/// What became of a checkpoint.
pub(super) enum Saved {
    /// It is in the journal.
    Journalled,
    /// Its flush failed, and that is in the journal.
    FlushFailed(String),
    /// The medium is no longer attached, in the kernel's words: what went wrong is none of its own, and not in the
    /// journal.
    Gone(String),
}

/// What became of the flushes of a stage's checkpoints.
pub(super) enum Flushes {
    /// All came back; the first error.
    Answered(Option<String>),
    /// The last one never did.
    Silent,
}

impl<'a> StageRun<'a> {
    pub(super) fn new(
        plan: &'a RunPlan,
        claimed: &Claimed,
        stage: Stage,
        from: Bytes,
        earlier: &'a Ledger,
        disk: Arc<ClaimedDisk>,
        bench: &'a Bench,
    ) -> StageRun<'a> {
        let count = claimed.progress.stages.len().max(1) as f64;
        let before = claimed.progress.stages.iter().filter(|s| s.ended.is_some()).count() as f64;
        let fraction = (before / count, 1.0 / count);
        StageRun { plan, journal: claimed.journal.clone(), fraction, stage, from, earlier, disk, bench }
    }

    /// The outcome, what became of the flushes, and up to where the journal says that all is settled.
    pub(super) async fn drive(
        self,
        job: PassJob,
        watch: &dyn Fn(Event),
    ) -> Result<(PassOutcome, Flushes, Bytes), Stopped> {
        let pass = self.bench.engine.submit(job);
        let handle = pass.watch();
        let mut ended = std::pin::pin!(pass.wait());
        let began = Instant::now();
        let mut pace = Pace::new(Duration::ZERO, handle.progress().done.0);
        let every = LOOK_EVERY.min(self.bench.checkpoint_every).max(Duration::from_millis(10));
        let mut tick = tokio::time::interval(every);
        let mut stop = self.bench.stop.clone();
        let mut stopping = false;
        let mut checkpoints = Checkpoints::new(&self);
        let mut seen_errors = 0;
        let mut look: Option<Look> = None;
        watch(Event::Stage(self.snapshot(&handle.progress(), &mut pace, began.elapsed())));
        loop {
            let step = tokio::select! {
                outcome = &mut ended => {
                    let (flushes, settled_at) = checkpoints.last(stopping).await?;
                    return Ok((outcome, flushes, settled_at));
                }
                done = answer_of(&mut checkpoints.pending) => checkpoints.took(done),
                // A medium that was pulled fails every block. That is no verdict on it.
                answer = answer_of(&mut look) => {
                    look = None;
                    match answer {
                        Ok(None) => Ok(()),
                        Ok(Some(error)) => Err(Stopped::MediumGone { error }),
                        Err(gone) => Err(gone.into()),
                    }
                }
                _ = tick.tick() => {
                    let progress = handle.progress();
                    if progress.errors > seen_errors && look.is_none() {
                        seen_errors = progress.errors;
                        let (claim, bench) = (self.disk.0.clone(), self.bench.clone());
                        look = Some(Box::pin(async move { gone(&claim, &bench).await }));
                    }
                    watch(Event::Progress(self.snapshot(&progress, &mut pace, began.elapsed())));
                    if !stopping {
                        checkpoints.begin_if_due(&progress);
                    }
                    Ok(())
                }
                _ = stop.wait_for(|stop| *stop), if !stopping => {
                    stopping = true;
                    handle.cancel();
                    Ok(())
                }
            };
            if let Err(stopped) = step {
                // Nothing more may happen to a medium whose journal cannot be written, or of which nobody learns
                // whether it is there; and nothing of it is under way when the caller lets go.
                handle.cancel();
                ended.await;
                return Err(stopped);
            }
        }
    }

    fn snapshot(&self, progress: &Progress, pace: &mut Pace, now: Duration) -> Snapshot {
        let (done, total) = match self.stage.work {
            StageWork::Verify { level: VerificationLevel::Sample | VerificationLevel::Quick } => {
                (progress.done.0, progress.total.0)
            }
            _ => (self.from.0.saturating_add(progress.done.0), self.plan.medium.geometry.size.0),
        };
        let (rate, average) = pace.tick(now, progress.done.0);
        let share = if total == 0 { 1.0 } else { done as f64 / total as f64 };
        let run = self.fraction.0 + self.fraction.1 * share;
        let whole = total as f64 / self.fraction.1;
        let eta = (average > 0).then(|| ((1.0 - run) * whole / average as f64).ceil() as u64);
        Snapshot {
            run_id: self.plan.run_id.clone(),
            path: self.plan.medium.path.clone(),
            medium: self.plan.medium.identity.label(),
            technique: None,
            pass: self.stage.pass,
            passes: self.plan.passes.len() as u32,
            work: self.stage.work.word(),
            done: Bytes(done),
            total: Bytes(total),
            percent: share * 100.0,
            run_percent: run * 100.0,
            bytes_per_second: rate,
            bytes_per_second_average: average,
            eta_seconds: eta,
            errors: progress.errors,
            silent_seconds: progress.stalled_for.map(|t| t.as_secs()),
        }
    }
}

/// The answer of a call that is under way; never, while none is.
async fn answer_of<T>(call: &mut Option<Pin<Box<dyn Future<Output = T>>>>) -> T {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

/// The checkpoints of a stage, one at a time.
struct Checkpoints<'a> {
    run: &'a StageRun<'a>,
    pending: Option<Checkpoint>,
    /// When the last one was begun, and for which watermark.
    begun: (Instant, Bytes),
    /// Up to where the journal says that all is settled.
    settled_at: Bytes,
    /// What has gone to the journal of what went wrong.
    journalled: Ledger,
    flush_error: Option<String>,
}

impl<'a> Checkpoints<'a> {
    fn new(run: &'a StageRun<'a>) -> Checkpoints<'a> {
        let journalled = settled(run.earlier, run.from, run.plan.block);
        let begun = (Instant::now(), run.from);
        Checkpoints { run, pending: None, begun, settled_at: run.from, journalled, flush_error: None }
    }

    /// Begins the next one when it is time, the one before it is done and there is something new.
    fn begin_if_due(&mut self, progress: &Progress) {
        let StageRun { plan, journal, stage, earlier, disk, bench, .. } = self.run;
        let due = self.begun.0.elapsed() >= bench.checkpoint_every && progress.watermark > self.begun.1;
        if !due || self.pending.is_some() {
            return;
        }
        self.begun = (Instant::now(), progress.watermark);
        let mut known = Ledger::clone(earlier);
        known.merge(&progress.ledger);
        let known = settled(&known, progress.watermark, plan.block);
        // A dying medium has very many bad ranges: only what is new goes to the journal.
        let new = known.beyond(&self.journalled);
        self.journalled = known;
        let stage = *stage;
        let entry = JournalEntry::Checkpoint { stage, watermark: progress.watermark, ledger: new };
        let (journal, disk, blocking) = (journal.clone(), disk.clone(), bench.blocking.clone());
        let write = move || write_checkpoint(&journal, &disk, stage, &entry);
        self.pending = Some(Box::pin(async move { blocking.call(write).await }));
    }

    /// Takes in what became of the one that was pending.
    fn took(&mut self, done: Result<Checkpointed, HelperGone>) -> Result<(), Stopped> {
        self.pending = None;
        match done?? {
            // One that went well after a flush that failed brings back nothing of what that one lost.
            Saved::Journalled if self.flush_error.is_some() => {}
            Saved::Journalled => self.settled_at = self.begun.1,
            Saved::FlushFailed(error) => self.flush_error = self.flush_error.take().or(Some(error)),
            Saved::Gone(error) => return Err(Stopped::MediumGone { error }),
        }
        Ok(())
    }

    /// The pass has ended: what became of the flushes, and up to where all is settled.
    async fn last(mut self, stopping: bool) -> Result<(Flushes, Bytes), Stopped> {
        if let Some(pending) = self.pending.take() {
            // A flush that never returns must not hold the result back.
            let patience = self.run.bench.faults.stall_timeout;
            let patience = if stopping { patience.min(STOP_PATIENCE) } else { patience };
            match within(patience, pending).await {
                Ok(done) => self.took(done)?,
                Err(_) if self.flush_error.is_none() => return Ok((Flushes::Silent, self.settled_at)),
                Err(_) => {}
            }
        }
        Ok((Flushes::Answered(self.flush_error), self.settled_at))
    }
}

/// What was acknowledged below the watermark is flushed before the journal says that it is settled.
pub(super) fn write_checkpoint(
    journal: &SharedJournal,
    disk: &ClaimedDisk,
    stage: Stage,
    entry: &JournalEntry,
) -> Checkpointed {
    let flushed = if stage.work == StageWork::Write { disk.flush() } else { Ok(()) };
    let has_bad = matches!(entry, JournalEntry::Checkpoint { ledger, .. } if !ledger.is_clean());
    if (has_bad || flushed.is_err())
        && let Some(error) = disk.0.gone()
    {
        return Ok(Saved::Gone(error));
    }
    if let Err(error) = flushed {
        let error = error.to_string();
        journal.append(&JournalEntry::FlushFailed { stage, error: error.clone() })?;
        return Ok(Saved::FlushFailed(error));
    }
    journal.append(entry)?;
    Ok(Saved::Journalled)
}

/// The claimed descriptor, as the overwrite core wants it.
pub(super) struct ClaimedDisk(pub(super) Arc<Claim>);

impl Disk for ClaimedDisk {
    fn raw_fd(&self) -> Option<RawFd> {
        Some(self.0.file().as_raw_fd())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.file().read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.0.file().write_at(buf, offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.0.file().sync_data()
    }
}
