//! `pread` and `pwrite` where io_uring is not to be had, and for media that only exist in memory: a
//! thread a pass, so that a drive that hangs holds up nobody, and a watchdog that ends its pass.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::disk::Disk;
use super::engine::Shared;
use super::job::{CANCEL_PATIENCE, Link, PassEnd, Reporter};
use super::pass::{FaultLimits, Pass, PassOp, Poll, Request};
use super::share::Size;
use crate::sys::{Buffer, Presence, Run};

/// Starts a pass on a thread of its own.
pub(super) fn start(
    shared: &Arc<Shared>,
    pass: Pass,
    disk: Arc<dyn Disk>,
    op: PassOp,
    faults: FaultLimits,
    reporter: Reporter,
) {
    let call = Arc::new(Call {
        link: Arc::clone(&reporter.link),
        since: AtomicU64::new(NO_CALL),
        faults,
        state: Mutex::new(Some((pass, reporter))),
    });
    let mut worker =
        Worker { shared: Arc::clone(shared), call: Arc::clone(&call), disk: Some(disk), op, constant: None };
    match thread::Builder::new().name("lw-io-plain".into()).spawn(move || worker.run()) {
        Ok(thread) => {
            shared.adopt(thread, Weak::new());
            shared.watchdog.watch(shared, &call);
        }
        Err(error) => call.end(shared, PassEnd::Failed { error }),
    }
}

/// What the thread of a pass and the watchdog share.
struct Call {
    link: Arc<Link>,
    /// When the call that goes on began, in milliseconds.
    since: AtomicU64,
    faults: FaultLimits,
    /// Empty once the outcome is out.
    state: Mutex<Option<(Pass, Reporter)>>,
}

const NO_CALL: u64 = u64::MAX;

impl Call {
    fn state(&self) -> MutexGuard<'_, Option<(Pass, Reporter)>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting_since(&self) -> Option<Duration> {
        let since = self.since.load(Ordering::Acquire);
        (since != NO_CALL).then(|| Duration::from_millis(since))
    }

    /// The whole process stood still: the call may have ended long ago, and its thread not have said so yet.
    fn begin_anew(&self) {
        let since = self.since.load(Ordering::Acquire);
        if since != NO_CALL {
            let now = self.link.now().as_millis() as u64;
            // Another value by now: it has said so.
            let _ = self.since.compare_exchange(since, now, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Ends the pass although its thread may be inside a call.
    fn end(&self, shared: &Shared, end: PassEnd) {
        if let Some((mut pass, reporter)) = self.state().take() {
            pass.abandon(end);
            shared.memory.leave();
            reporter.finish(pass.outcome());
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    call: Arc<Call>,
    disk: Option<Arc<dyn Disk>>,
    op: PassOp,
    constant: Option<Arc<Run>>,
}

/// What a thread does next.
enum Step {
    Transfer(Request, Buffer),
    /// There is no memory right now.
    Later,
    Over,
}

impl Worker {
    fn run(&mut self) {
        loop {
            match self.next() {
                Step::Transfer(request, buffer) => self.transfer(request, buffer),
                Step::Later => thread::sleep(Duration::from_millis(1)),
                Step::Over => break,
            }
        }
        // The medium is released before the outcome is known, so that the caller can close it.
        self.disk = None;
        self.constant = None;
        if let Some((pass, reporter)) = self.call.state().take() {
            self.shared.memory.leave();
            reporter.finish(pass.outcome());
        }
    }

    fn next(&mut self) -> Step {
        let mut state = self.call.state();
        let Some((pass, reporter)) = state.as_mut() else { return Step::Over };
        if reporter.link.is_cancelled() || self.shared.is_stopping() {
            pass.stop(PassEnd::Cancelled);
        }
        let Poll::Ready(wanted) = pass.poll() else { return Step::Over };
        let constant = pass.constant_write();
        if let Some(byte) = constant
            && self.constant.is_none()
        {
            self.constant = self.shared.memory.constant(byte);
        }
        let buffer = match &self.constant {
            Some(run) => Buffer::Shared(Arc::clone(run)),
            None => {
                let most = self.shared.memory.shape(Size::Large).request as u64;
                match self.shared.memory.arena.take(wanted.min(most) as usize) {
                    Some(run) => Buffer::Own(run),
                    None => return Step::Later,
                }
            }
        };
        let Some(request) = pass.take(buffer.bytes().len(), reporter.link.now()) else { return Step::Over };
        match buffer {
            Buffer::Own(mut run) => {
                pass.prepare(&request, run.bytes_mut());
                Step::Transfer(request, Buffer::Own(run))
            }
            shared => Step::Transfer(request, shared),
        }
    }

    fn transfer(&mut self, request: Request, mut buffer: Buffer) {
        let Some(disk) = self.disk.as_ref() else { return };
        let now = self.call.link.now();
        self.call.since.store(now.as_millis() as u64, Ordering::Release);
        let moved = match (self.op, &mut buffer) {
            (PassOp::Verify, Buffer::Own(run)) => {
                run.bytes_mut().get_mut(..request.len()).map(|b| disk.read_at(b, request.offset()))
            }
            _ => buffer.bytes().get(..request.len()).map(|b| disk.write_at(b, request.offset())),
        };
        self.call.since.store(NO_CALL, Ordering::Release);
        let moved = moved.unwrap_or_else(|| Err(std::io::ErrorKind::InvalidInput.into()));
        let mut state = self.call.state();
        let Some((pass, reporter)) = state.as_mut() else { return };
        pass.complete(request, moved, buffer.bytes(), reporter.link.now());
        reporter.link.publish(pass, None);
    }
}

/// Looks after the passes of this backend from one thread, which leaves when there are none.
#[derive(Default)]
pub(super) struct Watchdog {
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    calls: Vec<Weak<Call>>,
    running: bool,
}

const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Watchdog {
    fn watch(&self, shared: &Arc<Shared>, call: &Arc<Call>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.calls.push(Arc::downgrade(call));
        if !watched.running {
            let shared = Arc::downgrade(shared);
            let started = thread::Builder::new().name("lw-io-watch".into()).spawn(move || guard(&shared));
            watched.running = started.is_ok();
        }
    }
}

fn guard(shared: &Weak<Shared>) {
    let mut presence = Presence::new();
    while let Some(shared) = shared.upgrade() {
        let calls: Vec<Arc<Call>> = {
            let mut watched = shared.watchdog.watched.lock().unwrap_or_else(PoisonError::into_inner);
            watched.calls.retain(|call| call.upgrade().is_some_and(|c| c.state().is_some()));
            watched.running = !watched.calls.is_empty();
            if !watched.running {
                return;
            }
            watched.calls.iter().filter_map(Weak::upgrade).collect()
        };
        let was_away = presence.look().is_some();
        for call in calls {
            if was_away {
                call.begin_anew();
            }
            look_at(&shared, &call);
        }
        drop(shared);
        thread::sleep(LOOK_EVERY);
    }
}

fn look_at(shared: &Shared, call: &Call) {
    let Some(since) = call.waiting_since() else { return };
    let waited = call.link.now().saturating_sub(since);
    let patience = match call.link.is_cancelled() || shared.is_stopping() {
        true => CANCEL_PATIENCE.min(call.faults.stall_timeout),
        false => call.faults.stall_timeout,
    };
    if waited >= patience {
        call.end(shared, PassEnd::Stalled { for_secs: waited.as_secs() });
    } else if let Some((pass, reporter)) = call.state().as_ref() {
        reporter.link.publish(pass, Some(since));
    }
}
