//! Starting the engine, handing passes to its workers, stopping it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::job::{PassEnd, PassHandle, PassJob, Reporter};
use super::pass::Pass;
use super::plain::{self, Watchdog};
use super::share::Memory;
use super::uring::{self, Work};
use crate::sys::{Arena, BufferRegistration, Waker};
use crate::units::Bytes;

/// How the bytes are to travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IoChoice {
    /// io_uring, or plain calls where it is not to be had.
    #[default]
    Auto,
    /// io_uring or nothing.
    Uring,
    /// `pread` and `pwrite`.
    Plain,
}

/// How the bytes do travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoMode {
    /// io_uring.
    Uring {
        /// Whether the buffers are registered with the kernel.
        registered: bool,
    },
    /// `pread` and `pwrite`, a thread a pass.
    Plain,
}

/// The engine's settings.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Threads that drive all disks; 0 is [`AUTO_WORKERS`] or the number of cores if that is less.
    pub workers: usize,
    /// All buffers together, in bytes.
    pub buffer_bytes: usize,
    /// How the bytes are to travel.
    pub io: IoChoice,
    /// Whether to register the buffers.
    pub registration: BufferRegistration,
    /// Whether buffers that can be registered are cleared and pinned before the first pass, and not each of them where it
    /// is first used.
    pub make_ready: bool,
    /// Sizes and depths.
    pub tuning: Tuning,
}

/// The workers of an engine that was not told otherwise. Two make a stream faster than memory takes
/// it, and with the main thread and a helper for blocking calls there are four threads in all.
pub const AUTO_WORKERS: usize = 2;

impl EngineConfig {
    /// All buffers together where nobody said otherwise: four of the largest requests in flight, and one
    /// that is being compared.
    pub const BUFFERS: usize = 20 << 20;

    /// The same for a lone pass over `size` that fills or compares buffers: how long a long one
    /// takes is not to depend on how fast the machine finds memory.
    #[must_use]
    pub fn made_ready_for(self, size: Bytes) -> EngineConfig {
        EngineConfig { make_ready: self.make_ready || size.0 >= LONG_PASS, ..self }
    }
}

/// Bytes of a pass that has tried large requests, and so used the buffers.
const LONG_PASS: u64 = 1 << 30;

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig {
            workers: 0,
            buffer_bytes: EngineConfig::BUFFERS,
            io: IoChoice::Auto,
            registration: BufferRegistration::Try,
            make_ready: false,
            tuning: Tuning::default(),
        }
    }
}

/// Sizes and depths, as measured (docs/benchmarks).
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// The most bytes in one request.
    pub largest_request: usize,
    /// Not smaller than this unless the memory runs out.
    pub smallest_request: usize,
    /// Bytes in one request of a constant pattern: one block for all drives.
    pub constant_request: usize,
    /// Requests in flight for one drive.
    pub depth: usize,
    /// Requests of one piece (1 MiB) in flight for a lone drive that is written.
    pub write_pieces: usize,
    /// Completions to wait for at once, which saves the kernel a wake-up each: at most so many where there are several
    /// drives ...
    pub batch: usize,
    /// ... and so long, before one is enough.
    pub batch_wait: Duration,
    /// The same of a lone drive.
    pub lone_batch: usize,
    /// Longer than so many requests take at memory speed, or each of them would wake the worker after all.
    pub lone_batch_wait: Duration,
}

impl Tuning {
    /// How many completions to wait for while `flying` requests are out, and how long before one is enough. A lone
    /// drive is kept busy by the other half. Of several drives one that waits for the others waits for too long.
    pub(super) fn wait_for(&self, flying: usize, is_lone: bool) -> (usize, Duration) {
        match is_lone {
            true => (self.lone_batch.min(flying / 2).max(1), self.lone_batch_wait),
            false => (self.batch.min(flying / 8).max(1), self.batch_wait),
        }
    }
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            largest_request: 4 << 20,
            smallest_request: 256 << 10,
            constant_request: 4 << 20,
            depth: 4,
            write_pieces: 8,
            batch: 4,
            batch_wait: Duration::from_micros(200),
            lone_batch: 3,
            lone_batch_wait: Duration::from_millis(2),
        }
    }
}

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No memory for the buffers.
    #[error("no memory for {bytes} bytes of transfer buffers; nothing was written")]
    Buffers {
        /// How much was asked for.
        bytes: usize,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// io_uring was demanded and is not to be had.
    #[error(
        "io_uring is not available here (old kernel, seccomp or kernel.io_uring_disabled); nothing was written, plain I/O would work"
    )]
    Uring {
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// Writes and verifies any number of media at once. Dropping it cancels what is under way and waits
/// for the drives some seconds at most.
pub struct Engine {
    shared: Arc<Shared>,
    mode: IoMode,
}

/// What workers, submitters and watchdog have in common.
pub(super) struct Shared {
    pub memory: Memory,
    pub tuning: Tuning,
    pub registration: BufferRegistration,
    pub make_ready: AtomicBool,
    pub stopping: AtomicBool,
    pub watchdog: Watchdog,
    workers: usize,
    slots: Mutex<Vec<Option<Slot>>>,
    threads: Mutex<Vec<(JoinHandle<()>, Weak<Waker>)>>,
    next_id: AtomicU64,
}

/// A worker that takes new passes.
pub(super) struct Slot {
    pub inbox: std::sync::mpsc::Sender<Work>,
    pub waker: Arc<Waker>,
    pub load: Arc<std::sync::atomic::AtomicUsize>,
    pub registered: bool,
}

impl Engine {
    /// Maps the buffers and starts the first worker.
    pub fn start(config: EngineConfig) -> Result<Engine, EngineError> {
        let bytes = config.buffer_bytes;
        let arena = Arena::new(bytes).map_err(|source| EngineError::Buffers { bytes, source })?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = if config.workers == 0 { cores.min(AUTO_WORKERS) } else { config.workers };
        let shared = Arc::new(Shared {
            memory: Memory::new(arena, config.tuning),
            tuning: config.tuning,
            registration: config.registration,
            make_ready: AtomicBool::new(config.make_ready),
            stopping: AtomicBool::new(false),
            watchdog: Watchdog::default(),
            workers,
            slots: Mutex::new((0..workers).map(|_| None).collect()),
            threads: Mutex::new(Vec::new()),
            next_id: AtomicU64::new(0),
        });
        let mode = match config.io {
            IoChoice::Plain => IoMode::Plain,
            choice => match uring::spawn(&shared, Some(0)) {
                Ok(slot) => {
                    let registered = slot.registered;
                    shared.slots()[0] = Some(slot);
                    IoMode::Uring { registered }
                }
                Err(source) if choice == IoChoice::Uring => return Err(EngineError::Uring { source }),
                Err(_) => IoMode::Plain,
            },
        };
        Ok(Engine { shared, mode })
    }

    /// How the bytes travel.
    pub fn io_mode(&self) -> IoMode {
        self.mode
    }

    /// Begins a pass. Never blocks on a drive.
    pub fn submit(&self, job: PassJob) -> PassHandle {
        let ranges = job.extents.ranges(job.size, job.block);
        let refused = ranges.as_ref().err().cloned();
        let ranges = ranges.unwrap_or_default();
        let mut pass = Pass::new(job.op, &job.pattern, job.size, job.block, ranges, job.faults);
        let (reporter, handle) = Reporter::new(&pass);
        if let Some(why) = refused {
            pass.abandon(PassEnd::Failed { error: io::Error::new(io::ErrorKind::InvalidInput, why) });
            reporter.finish(pass.outcome());
            return handle;
        }
        let fd = job.disk.raw_fd().filter(|_| matches!(self.mode, IoMode::Uring { .. }));
        self.shared.memory.join();
        match fd {
            Some(fd) => {
                let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
                self.shared.assign(Work::new(id, pass, job.disk, fd, job.op, job.faults, reporter));
            }
            None => plain::start(&self.shared, pass, job.disk, job.op, job.faults, reporter),
        }
        handle
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// How long a dropped engine waits for its threads.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

impl Shared {
    pub(super) fn slots(&self) -> MutexGuard<'_, Vec<Option<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a thread to be stopped in the end.
    pub(super) fn adopt(&self, thread: JoinHandle<()>, waker: Weak<Waker>) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|(thread, _)| !thread.is_finished());
        threads.push((thread, waker));
    }

    /// Gives a pass to the worker with the least to do, starting one if there is room.
    pub(super) fn assign(self: &Arc<Shared>, work: Work) {
        let mut slots = self.slots();
        let load = |slot: &Option<Slot>| slot.as_ref().map_or(0, |s| s.load.load(Ordering::Relaxed));
        let least = (0..self.workers).min_by_key(|i| slots.get(*i).map_or(usize::MAX, load)).unwrap_or(0);
        if slots.get(least).is_some_and(Option::is_none)
            && let Ok(slot) = uring::spawn(self, Some(least))
        {
            slots[least] = Some(slot);
        }
        let slot = slots.get(least).and_then(Option::as_ref).or_else(|| slots.iter().flatten().next());
        match slot {
            Some(slot) => slot.give(work),
            None => {
                drop(slots);
                work.run_plain(self);
            }
        }
    }

    /// Puts a fresh worker in the place of one that a stalled drive holds up.
    pub(super) fn replace(self: &Arc<Shared>, index: usize) -> bool {
        let mut slots = self.slots();
        match (uring::spawn(self, Some(index)), slots.get_mut(index)) {
            (Ok(fresh), Some(slot)) => {
                *slot = Some(fresh);
                true
            }
            _ => false,
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let mut threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        threads.iter().filter_map(|(_, waker)| waker.upgrade()).for_each(|waker| waker.wake());
        let deadline = Instant::now() + STOP_PATIENCE;
        while !threads.is_empty() && Instant::now() < deadline {
            threads.retain(|(thread, _)| !thread.is_finished());
            thread::sleep(Duration::from_millis(1));
        }
        // What is left is inside a call to a drive that does not answer. It owns all it uses.
    }
}

impl Slot {
    /// Hands a pass over. A worker that is gone drops it, and its handle says so.
    pub(super) fn give(&self, mut work: Work) {
        work.count_on(&self.load);
        if self.inbox.send(work).is_ok() {
            self.waker.wake();
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({:?}, {})", self.mode, Bytes(self.shared.memory.arena.bytes() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_drive_waits_for_half_of_its_requests_at_most_and_several_for_an_eighth() {
        let tuning = Tuning::default();
        let of = |is_lone| [0, 1, 2, 4, 8, 64].map(|flying| tuning.wait_for(flying, is_lone).0);
        assert_eq!(of(true), [1, 1, 1, 2, 3, 3]);
        assert_eq!(of(false), [1, 1, 1, 1, 1, 4]);
        assert!(tuning.wait_for(8, true).1 > tuning.wait_for(8, false).1);
    }
}
