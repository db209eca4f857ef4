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
use super::state::{JournalEntry, RunPlan, Stage, StageWork};
use crate::device::Claim;
use crate::overwrite::{Disk, Ledger, PassJob, PassOutcome};
use crate::policy::VerificationLevel;
use crate::sys::{HelperGone, within};
use crate::units::{Bytes, Lba, SectorSize};

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
        let (mut saved, mut settled_at) = (self.from, self.from);
        let mut last_checkpoint = Instant::now();
        let mut checkpoint: Option<Checkpoint> = None;
        let mut flush_error = None;
        let mut journalled = settled(self.earlier, self.from, self.plan.block);
        let mut seen_errors = 0;
        let mut look: Option<Look> = None;
        watch(Event::Stage(self.snapshot(&handle.progress(), &mut pace, began.elapsed())));
        loop {
            tokio::select! {
                outcome = &mut ended => {
                    if let Some(pending) = checkpoint.take() {
                        // A flush that never returns must not hold the result back.
                        let patience = self.bench.faults.stall_timeout;
                        let patience = if stopping { patience.min(STOP_PATIENCE) } else { patience };
                        match within(patience, pending).await {
                            Ok(written) => match written?? {
                                Saved::Journalled => settled_at = saved,
                                Saved::FlushFailed(error) => flush_error = flush_error.or(Some(error)),
                                Saved::Gone(error) => return Err(Stopped::MediumGone { error }),
                            },
                            Err(_) if flush_error.is_none() => return Ok((outcome, Flushes::Silent, settled_at)),
                            Err(_) => {}
                        }
                    }
                    return Ok((outcome, Flushes::Answered(flush_error), settled_at));
                }
                done = async { match checkpoint.as_mut() { Some(c) => c.await, None => std::future::pending().await } } => {
                    checkpoint = None;
                    let written = match done.map_err(Stopped::from).and_then(|written| written.map_err(Stopped::from)) {
                        Ok(Saved::Gone(error)) => Err(Stopped::MediumGone { error }),
                        Ok(Saved::FlushFailed(error)) => Ok(Some(error)),
                        Ok(Saved::Journalled) => Ok(None),
                        Err(stopped) => Err(stopped),
                    };
                    match written {
                        Ok(None) => settled_at = saved,
                        Ok(error) => flush_error = flush_error.or(error),
                        Err(stopped) => {
                            // Nothing more may happen to a medium whose journal cannot be written.
                            handle.cancel();
                            ended.await;
                            return Err(stopped);
                        }
                    }
                }
                // A medium that was pulled fails every block. That is no verdict on it.
                answer = async { match look.as_mut() { Some(l) => l.await, None => std::future::pending().await } } => {
                    look = None;
                    if let Some(error) = answer? {
                        handle.cancel();
                        ended.await;
                        return Err(Stopped::MediumGone { error });
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
                    let due = last_checkpoint.elapsed() >= self.bench.checkpoint_every && progress.watermark > saved;
                    if due && checkpoint.is_none() && !stopping {
                        saved = progress.watermark;
                        last_checkpoint = Instant::now();
                        let mut known = self.earlier.clone();
                        known.merge(&progress.ledger);
                        let known = settled(&known, progress.watermark, self.plan.block);
                        // A dying medium has very many bad ranges: only what is new goes to the journal.
                        checkpoint = Some(self.checkpoint(progress.watermark, known.beyond(&journalled)));
                        journalled = known;
                    }
                }
                _ = stop.wait_for(|stop| *stop), if !stopping => {
                    stopping = true;
                    handle.cancel();
                }
            }
        }
    }

    fn checkpoint(&self, watermark: Bytes, ledger: Ledger) -> Checkpoint {
        let stage = self.stage;
        let entry = JournalEntry::Checkpoint { stage, watermark, ledger };
        let (journal, disk, blocking) = (self.journal.clone(), self.disk.clone(), self.bench.blocking.clone());
        Box::pin(async move { blocking.call(move || write_checkpoint(&journal, &disk, stage, &entry)).await })
    }

    fn snapshot(&self, progress: &crate::overwrite::Progress, pace: &mut Pace, now: Duration) -> Snapshot {
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

/// What a ledger says of the blocks below the watermark; a last partial block lies below the end.
pub(super) fn settled(ledger: &Ledger, watermark: Bytes, block: SectorSize) -> Ledger {
    ledger.below(Lba(block.blocks_in(watermark).0))
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
