//! A pass as the caller sees it: what is asked, how far it is, how it ended.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::disk::Disk;
use super::extents::Extents;
use super::ledger::Ledger;
use super::pass::{FaultLimits, Pass, PassOp};
use crate::scheme::Pattern;
use crate::units::{Bytes, LbaRange, SectorSize};

/// One pass over one medium.
pub struct PassJob {
    /// The open medium.
    pub disk: Arc<dyn Disk>,
    /// Its size in bytes.
    pub size: Bytes,
    /// Its logical block.
    pub block: SectorSize,
    /// Write or verify.
    pub op: PassOp,
    /// The bytes.
    pub pattern: Pattern,
    /// Which part.
    pub extents: Extents,
    /// Patience.
    pub faults: FaultLimits,
}

/// How a pass ended.
#[derive(Debug)]
pub enum PassEnd {
    /// Every extent is settled; the ledger says what is not as it should be. Not yet flushed.
    Complete,
    /// As asked. Everything below the watermark is settled, no request is under way.
    Cancelled,
    /// The medium went away.
    DeviceGone {
        /// What the kernel said.
        error: io::Error,
    },
    /// No answer any more. Requests may still be under way: the drive stays open for ever.
    Stalled {
        /// Seconds without an answer.
        for_secs: u64,
    },
    /// The engine could not go on.
    Failed {
        /// Why.
        error: io::Error,
    },
}

/// The first thing that went wrong, as an example for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstError {
    /// The request that failed.
    pub range: LbaRange,
    /// What the kernel said.
    pub message: String,
}

/// The result of a pass.
#[derive(Debug)]
pub struct PassOutcome {
    /// How it ended.
    pub end: PassEnd,
    /// Everything before this byte is settled; a pass can go on from here.
    pub watermark: Bytes,
    /// Bytes that were written, or read and equal.
    pub done: Bytes,
    /// What was not. For a medium that is gone or stalled the rest of it is in `unreached`.
    pub ledger: Ledger,
    /// An example of what the kernel said.
    pub first_error: Option<FirstError>,
}

/// How far a pass is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Bytes settled: good, or in the ledger.
    pub done: Bytes,
    /// Bytes to settle.
    pub total: Bytes,
    /// Everything before this byte is settled, and what of it went wrong is in `ledger`.
    pub watermark: Bytes,
    /// Blocks in the ledger.
    pub errors: u64,
    /// Set while requests are under way and none has been answered for some seconds.
    pub stalled_for: Option<Duration>,
    /// What went wrong so far; at most a fraction of a second old.
    pub ledger: Arc<Ledger>,
}

/// A pass under way. Dropping it does not stop the pass.
#[derive(Debug)]
pub struct PassHandle {
    link: Arc<Link>,
    outcome: oneshot::Receiver<PassOutcome>,
}

/// Watches a pass and can stop it, without waiting for it.
#[derive(Clone, Debug)]
pub struct PassWatch(Arc<Link>);

impl PassWatch {
    /// As [`PassHandle::progress`].
    pub fn progress(&self) -> Progress {
        self.0.progress()
    }

    /// As [`PassHandle::cancel`].
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
    }
}

impl PassHandle {
    /// A second view of the pass, for whoever watches while another waits.
    pub fn watch(&self) -> PassWatch {
        PassWatch(Arc::clone(&self.link))
    }

    /// How far it is. Cheap: a few atomic reads.
    pub fn progress(&self) -> Progress {
        self.link.progress()
    }

    /// Asks it to stop. Requests that are under way are waited for; it ends as `Cancelled`, or as
    /// `Stalled` when the drive does not answer them within some seconds.
    pub fn cancel(&self) {
        self.link.cancelled.store(true, Ordering::Release);
    }

    /// The end of it.
    pub async fn wait(self) -> PassOutcome {
        let progress = self.link.progress();
        self.outcome.await.unwrap_or_else(|_| PassOutcome {
            end: PassEnd::Failed { error: io::Error::other("the engine is gone") },
            watermark: progress.watermark,
            done: Bytes(0),
            ledger: Ledger::clone(&progress.ledger),
            first_error: None,
        })
    }
}

/// Without an answer for this long a drive counts as stalled.
pub(super) const STALL_NOTICE: Duration = Duration::from_secs(5);
/// A cancelled pass waits this long for an answer.
pub(super) const CANCEL_PATIENCE: Duration = Duration::from_secs(5);
/// How often a changed ledger is copied for the handle.
const LEDGER_EVERY: Duration = Duration::from_millis(100);

/// What a backend tells the handle, and the handle the backend.
#[derive(Debug)]
pub(super) struct Link {
    started: Instant,
    total: u64,
    done: AtomicU64,
    watermark: AtomicU64,
    errors: AtomicU64,
    /// Milliseconds since `started` of the last answer, `IDLE` while nothing is under way.
    waiting_since: AtomicU64,
    cancelled: AtomicBool,
    ledger: Mutex<(u64, Duration, Arc<Ledger>)>,
}

const IDLE: u64 = u64::MAX;

/// The backend's end of a pass: when it is dropped without an outcome the handle learns that too.
#[derive(Debug)]
pub(super) struct Reporter {
    pub(super) link: Arc<Link>,
    outcome: oneshot::Sender<PassOutcome>,
}

impl Reporter {
    /// Both ends of a pass that stands at `pass`.
    pub(super) fn new(pass: &Pass) -> (Reporter, PassHandle) {
        let (sender, outcome) = oneshot::channel();
        let link = Arc::new(Link {
            started: Instant::now(),
            total: pass.total(),
            done: AtomicU64::new(0),
            watermark: AtomicU64::new(pass.watermark()),
            errors: AtomicU64::new(0),
            waiting_since: AtomicU64::new(IDLE),
            cancelled: AtomicBool::new(false),
            ledger: Mutex::default(),
        });
        let reporter = Reporter { link: Arc::clone(&link), outcome: sender };
        (reporter, PassHandle { link, outcome })
    }

    /// Hands the outcome over.
    pub(super) fn finish(self, outcome: PassOutcome) {
        let link = &self.link;
        link.waiting_since.store(IDLE, Ordering::Relaxed);
        link.errors.store(outcome.ledger.blocks(), Ordering::Relaxed);
        let ledger = Arc::new(outcome.ledger.clone());
        link.ledger().2 = ledger;
        // Last, as in `publish`: a checkpoint made in between would claim blocks that went wrong.
        link.watermark.store(outcome.watermark.0, Ordering::Release);
        // Nobody waits for it: then nobody learns it.
        let _ = self.outcome.send(outcome);
    }
}

impl Link {
    /// Time since the pass began.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Tells the handle how far `pass` is. `waiting_since` is when the last answer came, if any is due.
    pub(super) fn publish(&self, pass: &Pass, waiting_since: Option<Duration>) {
        self.done.store(pass.settled(), Ordering::Relaxed);
        let waiting = waiting_since.map_or(IDLE, |since| since.as_millis() as u64);
        self.waiting_since.store(waiting, Ordering::Relaxed);
        let (ledger, version) = pass.ledger();
        if version > 0 {
            let now = self.now();
            let mut copy = self.ledger();
            if copy.0 != version && (copy.0 == 0 || now.saturating_sub(copy.1) >= LEDGER_EVERY) {
                *copy = (version, now, Arc::new(ledger.clone()));
                self.errors.store(ledger.blocks(), Ordering::Relaxed);
            }
            if copy.0 != version {
                return;
            }
        }
        // Last, and only with a ledger that knows all below it: a checkpoint is made of the two.
        self.watermark.store(pass.watermark(), Ordering::Release);
    }

    fn progress(&self) -> Progress {
        let since = self.waiting_since.load(Ordering::Relaxed);
        let waiting = (since != IDLE).then(|| self.now().saturating_sub(Duration::from_millis(since)));
        Progress {
            done: Bytes(self.done.load(Ordering::Relaxed)),
            total: Bytes(self.total),
            // Before the ledger, which then knows at least what lies below it.
            watermark: Bytes(self.watermark.load(Ordering::Acquire)),
            errors: self.errors.load(Ordering::Relaxed),
            stalled_for: waiting.filter(|w| *w >= STALL_NOTICE),
            ledger: Arc::clone(&self.ledger().2),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, (u64, Duration, Arc<Ledger>)> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::units::{Lba, Sectors};

    /// Every second block of `size` could not be read.
    fn half_unread(size: u64) -> Ledger {
        let range = |at| LbaRange { first: Lba(2 * at), count: Sectors(1) };
        Ledger { unread: (0..size / 1024).map(range).collect(), ..Ledger::default() }
    }

    fn reporter(size: u64) -> (Reporter, PassHandle) {
        let zero = Pattern::Byte { byte: 0 };
        let limits = FaultLimits::default();
        let pass =
            Pass::new(PassOp::Verify, &zero, Bytes(size), SectorSize::B512, std::iter::once(0..size).collect(), limits);
        Reporter::new(&pass)
    }

    /// A checkpoint can be made at any moment, also at that at which a pass ends: copying a ledger of many ranges takes
    /// its time.
    #[test]
    fn whoever_sees_the_watermark_sees_what_went_wrong_below_it() {
        const SIZE: u64 = 32 << 20;
        let ledger = half_unread(SIZE);
        let bad = ledger.blocks();
        for round in 0..300 {
            let (reporter, handle) = reporter(SIZE);
            let watched = Arc::new(AtomicBool::new(false));
            let seen = thread::spawn({
                let (watch, watched) = (handle.watch(), Arc::clone(&watched));
                move || loop {
                    let progress = watch.progress();
                    watched.store(true, Ordering::Release);
                    if progress.watermark.0 > 0 {
                        return (progress.watermark.0, progress.ledger.blocks());
                    }
                    std::hint::spin_loop();
                }
            });
            let outcome = PassOutcome {
                end: PassEnd::Complete,
                watermark: Bytes(SIZE),
                done: Bytes(SIZE / 2),
                ledger: ledger.clone(),
                first_error: None,
            };
            while !watched.load(Ordering::Acquire) {
                thread::yield_now();
            }
            reporter.finish(outcome);
            assert_eq!(seen.join().unwrap(), (SIZE, bad), "round {round}");
        }
    }
}
