//! The loop over the stages of one run: identity, write or read back, flush, journal.
//!
//! Runs as a task among those of all other drives; whatever may block goes to the helper threads,
//! so that a medium that hangs holds up nobody but itself.

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::event::{Event, Pace, Snapshot};
use super::journal::JournalError;
use super::recheck::recheck;
use super::record::Failure;
use super::run::{Claimed, Erased, Intended, Run, SharedJournal};
use super::state::{JournalEntry, RunPlan, Stage, StageWork};
use crate::device::{Claim, Roots};
use crate::overwrite::{Disk, Engine, Extents, FaultLimits, IoMode, Ledger, PassEnd, PassJob, PassOp, PassOutcome};
use crate::policy::VerificationLevel;
use crate::sys::{Blocking, HelperGone};
use crate::units::{Bytes, Lba, SectorSize, now};

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
    /// Writes and reads back every stage that is not complete yet.
    pub async fn erase(self, bench: &Bench, watch: &dyn Fn(Event)) -> Result<Run<Erased>, Stopped> {
        let (plan, mut claimed) = self.into_parts();
        match run_stages(&plan, &mut claimed, bench, watch).await {
            Ok(broken) => Ok(Run::new_erased(plan, claimed, broken)),
            Err(stopped) => {
                // Closing may wait for the medium: not here, among the tasks of all the others.
                let closing = bench.blocking.call(move || drop(claimed));
                let _ = tokio::time::timeout(bench.faults.stall_timeout.min(STOP_PATIENCE), closing).await;
                Err(stopped)
            }
        }
    }
}

/// How long a stopped run waits for a flush or a close that is under way.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

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
        return Ok(Some(failure));
    }
    record(claimed, JournalEntry::StageStarted { stage, at: now() }, bench).await?;

    // What an earlier attempt did not reach lies above the watermark, and is reached now.
    let earlier = claimed.progress.next_stage().map(|s| (s.watermark, settled(&s.ledger, s.watermark, plan.block)));
    let (from, earlier) = earlier.unwrap_or_default();
    let disk = Arc::new(ClaimedDisk(claimed.claim.clone()));
    if let Some(failure) = recheck(plan, stage, from, &earlier, disk.clone(), bench).await? {
        return Ok(Some(failure));
    }
    let job = job(plan, stage, from, disk.clone(), bench);
    let wanted = bytes_of(&job);
    let run = StageRun::new(plan, claimed, stage, from, &earlier, disk.clone(), bench);
    let (outcome, flushes) = run.drive(job, watch).await?;
    let cancelled = matches!(outcome.end, PassEnd::Cancelled);
    match flushes {
        Flushes::Answered(None) => {}
        // The checkpoint has journalled it already.
        Flushes::Answered(Some(error)) => apply(claimed, &JournalEntry::FlushFailed { stage, error })?,
        // The checkpoint before it stands; what was written since is written again.
        Flushes::Silent if cancelled => return Err(Stopped::Asked),
        // Whatever the flush at the end says: this one may have lost what it was for.
        Flushes::Silent => {
            record(claimed, JournalEntry::FlushFailed { stage, error: silent("a flush", bench).message }, bench).await?
        }
    }

    let mut ledger = earlier;
    ledger.merge(&outcome.ledger);
    let failure = match outcome.end {
        PassEnd::Complete if outcome.ledger.is_clean() && outcome.done.0 != wanted => Some(Failure {
            code: "io_failed".to_owned(),
            message: format!(
                "pass {} ({}): {} bytes went through, {wanted} had to; this is an error of the program",
                stage.pass,
                stage.work.word(),
                outcome.done
            ),
            advice: "wipe the medium again, and report this".to_owned(),
        }),
        PassEnd::Complete => None,
        // A stop waits some seconds only for the answers that are out. That is no verdict on the medium.
        PassEnd::Stalled { for_secs } if *bench.stop.borrow() && for_secs < bench.faults.stall_timeout.as_secs() => {
            return Err(Stopped::Asked);
        }
        PassEnd::Cancelled => {
            checkpoint_now(claimed, stage, outcome.watermark.max(from), &ledger, &disk, plan.block, bench).await?;
            return Err(Stopped::Asked);
        }
        PassEnd::DeviceGone { error } => return Err(Stopped::MediumGone { error: error.to_string() }),
        PassEnd::Stalled { for_secs } => Some(Failure {
            code: "stalled".to_owned(),
            message: format!(
                "pass {} ({}): the medium did not answer for {for_secs} s; {} of {} bytes are settled",
                stage.pass,
                stage.work.word(),
                outcome.watermark,
                plan.medium.geometry.size
            ),
            advice: "unplug the medium, try it on another port, or destroy it".to_owned(),
        }),
        PassEnd::Failed { error } => Some(Failure {
            code: "io_failed".to_owned(),
            message: format!("pass {} ({}): {error}", stage.pass, stage.work.word()),
            advice: "try the medium on another port, or destroy it".to_owned(),
        }),
    };
    if failure.is_some() {
        record(claimed, JournalEntry::Checkpoint { stage, watermark: outcome.watermark.max(from), ledger }, bench)
            .await?;
        return Ok(failure);
    }
    if stage.work == StageWork::Write
        && let Some(error) = flush(&disk, bench).await?
    {
        record(claimed, JournalEntry::FlushFailed { stage, error }, bench).await?;
    }
    let entry = JournalEntry::StageEnded {
        stage,
        at: now(),
        ledger,
        engine: io_word(bench.engine.io_mode()).to_owned(),
        direct: claimed.claim.direct(),
    };
    record(claimed, entry, bench).await?;
    Ok(None)
}

/// Identity is read again before every stage; a read-back must come from the medium.
async fn prepare(claimed: &Claimed, stage: Stage, bench: &Bench) -> Result<Option<Failure>, Stopped> {
    let claim = claimed.claim.clone();
    let look = move || {
        if let Err(changed) = claim.check_identity() {
            return Some(Failure {
                code: "identity_changed".to_owned(),
                message: format!("before pass {}: {changed}", stage.pass),
                advice: "another medium may be in its place: check the bay, then wipe again".to_owned(),
            });
        }
        if stage.work == StageWork::Write {
            return None;
        }
        claim.drop_caches().err().map(|error| Failure {
            code: "cache".to_owned(),
            message: format!(
                "before the read-back of pass {}: the host's cache could not be dropped: {error}",
                stage.pass
            ),
            advice: "the read-back could have come from memory; wipe the medium again".to_owned(),
        })
    };
    match tokio::time::timeout(bench.faults.stall_timeout, bench.blocking.call(look)).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Ok(Some(silent("the identity check", bench))),
    }
}

fn job(plan: &RunPlan, stage: Stage, from: Bytes, disk: Arc<ClaimedDisk>, bench: &Bench) -> PassJob {
    let (op, extents) = match stage.work {
        StageWork::Verify { level: VerificationLevel::Sample } => {
            let all = plan.sample_extents().unwrap_or_else(|| vec![0..plan.medium.geometry.size.0]);
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

/// What a ledger says of the blocks below the watermark; a last partial block lies below the end.
fn settled(ledger: &Ledger, watermark: Bytes, block: SectorSize) -> Ledger {
    ledger.below(Lba(block.blocks_in(watermark).0))
}

fn above(extent: std::ops::Range<u64>, from: u64) -> Option<std::ops::Range<u64>> {
    let start = extent.start.max(from);
    (start < extent.end).then_some(start..extent.end)
}

/// One stage under way: watches it, checkpoints it, passes a stop on.
struct StageRun<'a> {
    plan: &'a RunPlan,
    journal: SharedJournal,
    fraction: (f64, f64),
    stage: Stage,
    from: Bytes,
    earlier: &'a Ledger,
    disk: Arc<ClaimedDisk>,
    bench: &'a Bench,
}

/// The error of its flush, when the flush failed.
type Checkpointed = Result<Option<String>, JournalError>;
type Checkpoint = Pin<Box<dyn Future<Output = Result<Checkpointed, HelperGone>>>>;

/// What became of the flushes of a stage's checkpoints.
enum Flushes {
    /// All came back; the first error.
    Answered(Option<String>),
    /// The last one never did.
    Silent,
}

impl<'a> StageRun<'a> {
    fn new(
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

    async fn drive(self, job: PassJob, watch: &dyn Fn(Event)) -> Result<(PassOutcome, Flushes), Stopped> {
        let pass = self.bench.engine.submit(job);
        let handle = pass.watch();
        let mut ended = std::pin::pin!(pass.wait());
        let began = Instant::now();
        let mut pace = Pace::new(Duration::ZERO, handle.progress().done.0);
        let mut tick = tokio::time::interval(Duration::from_millis(500));
        let mut stop = self.bench.stop.clone();
        let mut stopping = false;
        let mut saved = self.from;
        let mut last_checkpoint = Instant::now();
        let mut checkpoint: Option<Checkpoint> = None;
        let mut flush_error = None;
        watch(Event::Stage(self.snapshot(&handle.progress(), &mut pace, began.elapsed())));
        loop {
            tokio::select! {
                outcome = &mut ended => {
                    if let Some(pending) = checkpoint.take() {
                        // A flush that never returns must not hold the result back.
                        let patience = self.bench.faults.stall_timeout;
                        let patience = if stopping { patience.min(STOP_PATIENCE) } else { patience };
                        match tokio::time::timeout(patience, pending).await {
                            Ok(written) => flush_error = flush_error.or(written??),
                            Err(_) if flush_error.is_none() => return Ok((outcome, Flushes::Silent)),
                            Err(_) => {}
                        }
                    }
                    return Ok((outcome, Flushes::Answered(flush_error)));
                }
                done = async { match checkpoint.as_mut() { Some(c) => c.await, None => std::future::pending().await } } => {
                    checkpoint = None;
                    match done.map_err(Stopped::from).and_then(|written| written.map_err(Stopped::from)) {
                        Ok(error) => flush_error = flush_error.or(error),
                        Err(stopped) => {
                            // Nothing more may happen to a medium whose journal cannot be written.
                            handle.cancel();
                            ended.await;
                            return Err(stopped);
                        }
                    }
                }
                _ = tick.tick() => {
                    let progress = handle.progress();
                    watch(Event::Progress(self.snapshot(&progress, &mut pace, began.elapsed())));
                    let due = last_checkpoint.elapsed() >= self.bench.checkpoint_every && progress.watermark > saved;
                    if due && checkpoint.is_none() && !stopping {
                        saved = progress.watermark;
                        last_checkpoint = Instant::now();
                        checkpoint = Some(self.checkpoint(progress.watermark, &progress.ledger));
                    }
                }
                _ = stop.wait_for(|stop| *stop), if !stopping => {
                    stopping = true;
                    handle.cancel();
                }
            }
        }
    }

    fn checkpoint(&self, watermark: Bytes, ledger: &Ledger) -> Checkpoint {
        let mut known = self.earlier.clone();
        known.merge(ledger);
        let entry = JournalEntry::Checkpoint {
            stage: self.stage,
            watermark,
            ledger: settled(&known, watermark, self.plan.block),
        };
        let journal = self.journal.clone();
        let disk = self.disk.clone();
        let blocking = self.bench.blocking.clone();
        let stage = self.stage;
        Box::pin(async move { blocking.call(move || write_checkpoint(&journal, &disk, stage, &entry)).await })
    }

    fn snapshot(&self, progress: &crate::overwrite::Progress, pace: &mut Pace, now: Duration) -> Snapshot {
        let (done, total) = match self.stage.work {
            StageWork::Verify { level: VerificationLevel::Sample } => (progress.done.0, progress.total.0),
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
fn write_checkpoint(journal: &SharedJournal, disk: &ClaimedDisk, stage: Stage, entry: &JournalEntry) -> Checkpointed {
    if stage.work == StageWork::Write
        && let Err(error) = disk.flush()
    {
        let error = error.to_string();
        journal.append(&JournalEntry::FlushFailed { stage, error: error.clone() })?;
        return Ok(Some(error));
    }
    journal.append(entry)?;
    Ok(None)
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
    match tokio::time::timeout(bench.faults.stall_timeout, call).await {
        Ok(written) => written?.map(|_| ()).map_err(Stopped::from),
        // The medium does not answer: the last checkpoint stands.
        Err(_) => Ok(()),
    }
}

/// Appends to the journal and to the state folded from it.
async fn record(claimed: &mut Claimed, entry: JournalEntry, bench: &Bench) -> Result<(), Stopped> {
    let journal = claimed.journal.clone();
    let line = entry.clone();
    bench.blocking.call(move || journal.append(&line)).await??;
    apply(claimed, &entry)
}

fn apply(claimed: &mut Claimed, entry: &JournalEntry) -> Result<(), Stopped> {
    claimed.progress.apply(entry).map_err(|why| {
        Stopped::Journal(JournalError::Corrupt { path: Default::default(), line: 0, why: why.to_owned() })
    })
}

async fn flush(disk: &Arc<ClaimedDisk>, bench: &Bench) -> Result<Option<String>, Stopped> {
    let disk = disk.clone();
    match tokio::time::timeout(bench.faults.stall_timeout, bench.blocking.call(move || disk.flush())).await {
        Ok(answer) => Ok(answer?.err().map(|e| e.to_string())),
        Err(_) => Ok(Some(silent("the flush", bench).message)),
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

/// The claimed descriptor, as the overwrite core wants it.
struct ClaimedDisk(Arc<Claim>);

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
