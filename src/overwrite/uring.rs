//! A worker: one thread and one ring for many drives.
//!
//! Nothing here blocks on a drive. When one gives no answer for some seconds its worker retires: a
//! fresh worker takes over the drives that are well, because the kernel's helper threads belong to the
//! thread that submitted, and the stalled one must not use them up. The retired worker waits for the
//! answers that are out; the buffers stay with its ring until then.

mod issue;

use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use issue::{Issued, issue};

use super::disk::Disk;
use super::engine::{Shared, Slot};
use super::job::{CANCEL_PATIENCE, PassEnd, Reporter, STALL_NOTICE};
use super::pace::Pace;
use super::pass::{FaultLimits, Pass, PassOp, Poll, Request};
use super::plain;
use crate::sys::{Completion, Presence, Ring, RingOptions, Run};

/// Starts a worker. `index` is its place among those that take new passes, `None` for one that is
/// there for a single stalled drive.
pub(super) fn spawn(shared: &Arc<Shared>, index: Option<usize>) -> io::Result<Slot> {
    let (inbox, receiver) = channel();
    let (ready, started) = channel();
    let load = Arc::new(AtomicUsize::new(0));
    let worker_shared = Arc::clone(shared);
    let name = index.map_or_else(|| "lw-io-solo".into(), |i| format!("lw-io-{i}"));
    let thread = thread::Builder::new().name(name).spawn(move || {
        // A ring with a single issuer is made by the thread that uses it.
        let mut ring = match Ring::new(&worker_shared.memory.arena, ring_options(&worker_shared)) {
            Ok(ring) => ring,
            Err(error) => return drop(ready.send(Err(error))),
        };
        // Of the first worker only: its passes are the ones that were announced.
        if worker_shared.make_ready.swap(false, Ordering::Relaxed) {
            while ring.pin_next() {}
        }
        if ready.send(Ok((ring.waker(), ring.registered()))).is_ok() {
            Worker::new(worker_shared, ring, receiver, index).run();
        }
    })?;
    let (waker, registered) = started.recv().map_err(io::Error::other)??;
    shared.adopt(thread, Arc::downgrade(&waker));
    Ok(Slot { inbox, waker, load, registered })
}

fn ring_options(shared: &Shared) -> RingOptions {
    RingOptions { entries: RING_ENTRIES, registration: shared.registration, kernel_workers: KERNEL_WORKERS }
}

/// More than the requests in flight at any time: beyond it drives take turns.
const RING_ENTRIES: u32 = 512;
/// The kernel's helper threads a worker may cause, for requests that cannot be issued without blocking.
const KERNEL_WORKERS: u32 = 1;
/// How often the worker looks after drives that give no answer.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long it waits for memory that another worker has.
const MEMORY_WAIT: Duration = Duration::from_millis(1);
/// How long a stopping worker waits for answers.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A pass on its way through the workers.
pub(super) struct Work {
    id: u64,
    pass: Pass,
    disk: Arc<dyn Disk>,
    fd: RawFd,
    op: PassOp,
    faults: FaultLimits,
    reporter: Reporter,
    constant: Option<Arc<Run>>,
    pace: Pace,
    /// Requests that are out, and the bytes of their own memory.
    flying: usize,
    held: usize,
    last_answer: Duration,
    suspect: bool,
    cancelled_at: Option<Duration>,
    load: Option<Arc<AtomicUsize>>,
}

impl Work {
    pub(super) fn new(
        id: u64,
        pass: Pass,
        disk: Arc<dyn Disk>,
        fd: RawFd,
        op: PassOp,
        faults: FaultLimits,
        reporter: Reporter,
    ) -> Work {
        Work {
            id,
            pass,
            disk,
            fd,
            op,
            faults,
            reporter,
            constant: None,
            pace: Pace::new(op),
            flying: 0,
            held: 0,
            last_answer: Duration::ZERO,
            suspect: false,
            cancelled_at: None,
            load: None,
        }
    }

    /// Counts on the worker it goes to, and no longer on the one it comes from.
    pub(super) fn count_on(&mut self, load: &Arc<AtomicUsize>) {
        load.fetch_add(1, Ordering::Relaxed);
        if let Some(before) = self.load.replace(Arc::clone(load)) {
            before.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Without any worker: the same pass on the other backend.
    pub(super) fn run_plain(self, shared: &Arc<Shared>) {
        plain::start(shared, self.pass, self.disk, self.op, self.faults, self.reporter);
    }

    /// Lets go of the medium, then tells the outcome, so that the caller can close it.
    fn finish(self, shared: &Shared) {
        drop(self.disk);
        drop(self.constant);
        shared.memory.leave();
        if let Some(load) = self.load {
            load.fetch_sub(1, Ordering::Relaxed);
        }
        self.reporter.finish(self.pass.outcome());
    }

    /// Ends it although its requests may still be answered one day: until then their memory counts as stuck.
    fn give_up(mut self, shared: &Shared, end: PassEnd) {
        if !self.suspect {
            shared.memory.stick(self.held);
        }
        self.pass.abandon(end);
        self.finish(shared);
    }

    fn waited(&self, now: Duration) -> Duration {
        if self.flying == 0 { Duration::ZERO } else { now.saturating_sub(self.last_answer) }
    }

    fn publish(&self) {
        let since = (self.flying > 0).then_some(self.last_answer);
        self.reporter.link.publish(&self.pass, since);
    }
}

/// What travels with a request. It keeps the descriptor open until the kernel is done with it.
struct Ticket {
    work: u64,
    request: Request,
    held: usize,
    _disk: Arc<dyn Disk>,
}

struct Worker {
    shared: Arc<Shared>,
    ring: Ring<Ticket>,
    inbox: Receiver<Work>,
    index: Option<usize>,
    works: HashMap<u64, Work>,
    /// Passes that may have something to issue or may be over.
    ready: Vec<u64>,
    /// Passes that wait for memory or for room in the ring.
    starved: Vec<u64>,
    /// No new passes, and those that can move do.
    retired: bool,
    /// Nobody can send new passes any more.
    closed: bool,
    presence: Presence,
    stop_at: Option<Instant>,
    ring_errors: u32,
}

impl Worker {
    fn new(shared: Arc<Shared>, ring: Ring<Ticket>, inbox: Receiver<Work>, index: Option<usize>) -> Worker {
        Worker {
            shared,
            ring,
            inbox,
            index,
            works: HashMap::new(),
            ready: Vec::new(),
            starved: Vec::new(),
            retired: index.is_none(),
            closed: false,
            presence: Presence::new(),
            stop_at: None,
            ring_errors: 0,
        }
    }

    fn run(mut self) {
        let mut done = Vec::new();
        loop {
            self.welcome();
            self.look_after();
            if self.retired && self.works.len() > 1 {
                self.send_away();
            }
            self.ready.append(&mut self.starved);
            if self.retired && self.works.len() == 1 {
                // However the others left: this one waits for nobody any more, and nothing of it may be out to wake it.
                self.ready.clear();
                self.ready.extend(self.works.keys());
            }
            while let Some(id) = self.ready.pop() {
                self.feed(id);
            }
            if self.is_over() {
                break;
            }
            self.wait();
            self.ring.reap(&mut done);
            for completion in done.drain(..) {
                self.answered(completion);
            }
        }
        // Whatever never came back stays with the ring, which leaks it.
        for (_, work) in self.works.drain() {
            let waited = work.waited(work.reporter.link.now());
            work.give_up(&self.shared, PassEnd::Stalled { for_secs: waited.as_secs() });
        }
    }

    fn welcome(&mut self) {
        loop {
            match self.inbox.try_recv() {
                Ok(work) => {
                    self.ready.push(work.id);
                    self.works.insert(work.id, work);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.closed = true;
                    break;
                }
            }
        }
        if self.stop_at.is_none() && self.shared.is_stopping() {
            self.stop_at = Some(Instant::now() + STOP_PATIENCE);
            for work in self.works.values_mut() {
                work.pass.stop(PassEnd::Cancelled);
            }
            self.ring.cancel(|_| true);
            self.ready.extend(self.works.keys());
        }
    }

    /// Nothing to do and nothing to come, or no time left.
    fn is_over(&self) -> bool {
        let idle = self.works.is_empty();
        match self.stop_at {
            Some(at) => idle || Instant::now() >= at,
            None => self.closed && idle && self.ring.in_flight() == 0,
        }
    }

    fn wait(&mut self) {
        // Not those of drives that were given up.
        let flying = self.works.values().map(|work| work.flying).sum();
        let is_lone = self.works.len() <= 1 && self.shared.memory.is_for_one();
        let (want, batch_wait) = self.shared.tuning.wait_for(flying, is_lone);
        let timeout = match (self.starved.is_empty(), self.ring.in_flight() == 0 && self.works.is_empty()) {
            (false, _) => MEMORY_WAIT,
            (true, false) => LOOK_EVERY,
            (true, true) if self.retired => LOOK_EVERY,
            (true, true) => Duration::from_secs(3600),
        };
        match self.ring.wait(want, batch_wait, timeout) {
            Ok(()) => self.ring_errors = 0,
            Err(error) => self.ring_failed(&error),
        }
    }

    /// The ring itself does not work any more: not seen in practice, and never a busy loop.
    fn ring_failed(&mut self, error: &io::Error) {
        self.ring_errors += 1;
        thread::sleep(Duration::from_millis(10));
        if self.ring_errors < 100 {
            return;
        }
        for (_, work) in self.works.drain() {
            let error = io::Error::new(error.kind(), format!("io_uring_enter failed: {error}"));
            work.give_up(&self.shared, PassEnd::Failed { error });
        }
    }

    /// Issues what the pass wants and its share allows, or ends it.
    fn feed(&mut self, id: u64) {
        if self.retired && self.works.len() > 1 {
            return;
        }
        let Some(work) = self.works.get_mut(&id) else { return };
        loop {
            match work.pass.poll() {
                Poll::Ready(wanted) => match issue(&self.shared, &mut self.ring, work, wanted) {
                    Issued::Yes => {}
                    Issued::Enough => return,
                    Issued::Later => return self.starved.push(id),
                },
                Poll::Waiting => return,
                Poll::Finished => break,
            }
        }
        if let Some(work) = self.works.remove(&id) {
            work.finish(&self.shared);
        }
    }

    fn answered(&mut self, done: Completion<Ticket>) {
        let Completion { buffer, keep: ticket, result } = done;
        let Some(work) = self.works.get_mut(&ticket.work) else {
            // The pass was given up long ago; now the memory is free again.
            return self.shared.memory.unstick(ticket.held);
        };
        let now = work.reporter.link.now();
        work.flying -= 1;
        work.held -= ticket.held;
        let called_back = result.as_ref().is_err_and(|e| e.raw_os_error() == Some(libc::ECANCELED));
        if work.suspect {
            self.shared.memory.unstick(ticket.held);
        }
        if !called_back {
            work.last_answer = now;
            if std::mem::take(&mut work.suspect) {
                self.shared.memory.unstick(work.held);
            }
        }
        match &result {
            Ok(moved) if self.shared.memory.is_for_one() => work.pace.moved(*moved, now),
            _ => work.pace.disturbed(),
        }
        let id = ticket.work;
        if work.op == PassOp::Verify && result.is_ok() {
            // The drive reads on while this buffer is compared, as far as there is memory.
            self.feed(id);
            // What fails here goes out with the next wait.
            let _ = self.ring.submit();
        }
        let Some(work) = self.works.get_mut(&id) else { return };
        work.pass.complete(ticket.request, result, buffer.bytes(), now);
        // Memory and descriptor first: what comes next may need the one or close the other.
        drop((buffer, ticket._disk));
        work.publish();
        self.feed(id);
    }

    /// Cancelled passes and drives that give no answer.
    fn look_after(&mut self) {
        if self.presence.elapsed() < LOOK_EVERY {
            return;
        }
        if let Some(away) = self.presence.look() {
            // This thread stood still, and what came meanwhile is not reaped yet: no drive is to blame.
            self.works.values_mut().for_each(|work| work.last_answer = work.reporter.link.now());
            self.stop_at = self.stop_at.map(|at| at + away);
        }
        let mut given_up = Vec::new();
        let mut new_suspects = Vec::new();
        for (id, work) in &mut self.works {
            let now = work.reporter.link.now();
            let waited = work.waited(now);
            if work.reporter.link.is_cancelled() && work.cancelled_at.is_none() {
                work.cancelled_at = Some(now);
                work.pass.stop(PassEnd::Cancelled);
                self.ring.cancel(|ticket| ticket.work == *id);
                self.ready.push(*id);
            }
            let impatient = work.cancelled_at.is_some_and(|at| now.saturating_sub(at) >= CANCEL_PATIENCE);
            if waited >= work.faults.stall_timeout || impatient && waited >= CANCEL_PATIENCE {
                given_up.push((*id, waited));
            } else if waited >= STALL_NOTICE && !work.suspect {
                work.suspect = true;
                self.shared.memory.stick(work.held);
                new_suspects.push(*id);
            }
            work.publish();
        }
        for (id, waited) in given_up {
            self.give_up(id, waited);
        }
        let alone = self.works.len() <= 1;
        if !alone && !self.retired && self.works.values().any(|work| work.suspect) {
            self.retire();
            // Those that only wait in the kernel's queue behind the stalled one come back.
            self.ring.cancel(|ticket| self.works.get(&ticket.work).is_some_and(|work| work.suspect));
        } else if !alone && !new_suspects.is_empty() {
            self.ring.cancel(|ticket| new_suspects.contains(&ticket.work));
        }
    }

    /// The drive had its time. Its requests may still be answered one day; until then their memory,
    /// descriptor and ring are not used for anything else.
    fn give_up(&mut self, id: u64, waited: Duration) {
        let Some(work) = self.works.remove(&id) else { return };
        work.give_up(&self.shared, PassEnd::Stalled { for_secs: waited.as_secs() });
        if !self.retired {
            self.retire();
        }
    }

    fn retire(&mut self) {
        self.retired = match self.index {
            Some(index) => self.shared.replace(index),
            None => true,
        };
    }

    /// Moves every pass that has nothing out: the healthy ones to the fresh worker, a suspect one to a
    /// worker of its own.
    fn send_away(&mut self) {
        let movable: Vec<u64> = self.works.values().filter(|w| w.flying == 0).map(|w| w.id).collect();
        for id in movable {
            if self.works.len() <= 1 {
                break;
            }
            let Some(work) = self.works.remove(&id) else { continue };
            if !work.suspect {
                self.shared.assign(work);
                continue;
            }
            match spawn(&self.shared, None) {
                Ok(slot) => slot.give(work),
                Err(_) => {
                    self.works.insert(id, work);
                }
            }
        }
    }
}
