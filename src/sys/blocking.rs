//! Calls that may block for ever (open, ioctl, fsync on a dying drive) run on threads of their own.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// A task that waits longer than this while every helper is in a call that hangs gets a new helper.
const PATIENCE: Duration = Duration::from_secs(1);
/// A call of a medium that takes longer than this hangs.
const MEDIUM: Duration = Duration::from_secs(1);
/// So does one of the station's own files, whose disk flushes for many runs and other programs at once.
const STATION: Duration = Duration::from_secs(10);
/// A helper beyond the first leaves after this long without work.
const IDLE: Duration = Duration::from_secs(1);

/// The helper is gone without an answer: it could not be started, or the call panicked.
#[derive(Debug, thiserror::Error)]
#[error("a system call got no answer because its helper thread is gone; nothing is known of its result")]
pub struct HelperGone;

/// A pool of helper threads: one, and one more for each call that hangs.
#[derive(Clone)]
pub struct Blocking(Arc<Owner>);

/// Tells the helpers to leave when the last [`Blocking`] is gone. A helper inside a call that hangs
/// is left to itself: it touches nothing but its own task.
struct Owner(Arc<Pool>);

struct Pool {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    threads: usize,
    /// From when on the present call of each helper hangs.
    busy: Vec<(ThreadId, Instant)>,
    closed: bool,
}

struct Waiting {
    since: Instant,
    allowed: Duration,
    task: Task,
}

type Task = Box<dyn FnOnce() + Send>;

impl Blocking {
    /// An empty pool; the first call starts the first thread.
    pub fn new() -> Blocking {
        let pool = Pool { state: Mutex::new(State::default()), changed: Condvar::new() };
        Blocking(Arc::new(Owner(Arc::new(pool))))
    }

    /// Runs `f`, which calls on a medium, on a helper and waits for its result without blocking the caller's
    /// thread. When the returned future is dropped `f` still runs to its end.
    pub async fn call<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> Result<T, HelperGone> {
        self.run(MEDIUM, f).await
    }

    /// As [`Blocking::call`], for work on the station's own files.
    pub async fn call_station<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HelperGone> {
        self.run(STATION, f).await
    }

    async fn run<T: Send + 'static>(
        &self,
        allowed: Duration,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HelperGone> {
        let (answer, mut result) = oneshot::channel();
        let task: Task = Box::new(move || {
            // Nobody waits any more: the result has no reader.
            let _ = answer.send(f());
        });
        let pool = &self.0.0;
        {
            let mut state = pool.lock();
            state.waiting.push_back(Waiting { since: Instant::now(), allowed, task });
            if state.threads == 0 {
                pool.start_helper(&mut state);
            }
            pool.changed.notify_one();
        }
        loop {
            match tokio::time::timeout(PATIENCE, &mut result).await {
                Ok(answer) => return answer.map_err(|_| HelperGone),
                Err(_) => pool.grow_if_stuck(),
            }
        }
    }

    /// How many threads the pool has now.
    pub fn threads(&self) -> usize {
        self.0.0.lock().threads
    }
}

impl Default for Blocking {
    fn default() -> Blocking {
        Blocking::new()
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocking({} threads)", self.threads())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A long queue alone is no reason for another helper; that every one of them hangs is.
    fn grow_if_stuck(self: &Arc<Pool>) {
        let mut state = self.lock();
        let now = Instant::now();
        let waits = state.waiting.front().is_some_and(|waiting| now - waiting.since >= PATIENCE);
        let hang = state.busy.iter().filter(|(_, hangs)| *hangs <= now).count();
        if waits && hang >= state.threads {
            self.start_helper(&mut state);
        }
    }

    fn start_helper(self: &Arc<Pool>, state: &mut State) {
        let pool = Arc::downgrade(self);
        let started = thread::Builder::new().name("lw-blocking".into()).spawn(move || help(&pool));
        match started {
            Ok(_) => state.threads += 1,
            // Without any helper nobody would ever answer; dropping the tasks tells their callers.
            Err(_) if state.threads == 0 => state.waiting.clear(),
            Err(_) => {}
        }
    }
}

fn help(pool: &Weak<Pool>) {
    while let Some(pool) = pool.upgrade() {
        let Some(task) = next_task(&pool) else { return };
        let leaves = Leaving(&pool);
        task();
        std::mem::forget(leaves);
    }
}

/// Keeps the count right when a task panics and takes its helper along.
struct Leaving<'a>(&'a Pool);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.threads -= 1;
        state.busy.retain(|(helper, _)| *helper != thread::current().id());
    }
}

fn next_task(pool: &Pool) -> Option<Task> {
    let me = thread::current().id();
    let mut state = pool.lock();
    state.busy.retain(|(helper, _)| *helper != me);
    loop {
        if let Some(next) = state.waiting.pop_front() {
            state.busy.push((me, Instant::now() + next.allowed));
            return Some(next.task);
        }
        if state.closed {
            state.threads -= 1;
            return None;
        }
        let (woken, timeout) = pool.changed.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
        state = woken;
        if timeout.timed_out() && state.waiting.is_empty() && state.threads > 1 {
            state.threads -= 1;
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn one_thread_serves_many_calls() {
        let pool = Blocking::new();
        runtime().block_on(async {
            for i in 0..100 {
                assert_eq!(pool.call(move || i * 2).await.unwrap(), i * 2);
            }
        });
        assert_eq!(pool.threads(), 1);
    }

    #[test]
    fn a_long_queue_of_short_calls_is_one_threads_work() {
        let pool = Blocking::new();
        runtime().block_on(async {
            let calls = (0..30).map(|_| pool.call(|| thread::sleep(Duration::from_millis(10))));
            let all = futures_util::future::join_all(calls);
            assert!(all.await.iter().all(Result::is_ok));
        });
        assert_eq!(pool.threads(), 1);
    }

    #[test]
    fn a_call_that_hangs_costs_one_thread_and_holds_up_nobody() {
        let pool = Blocking::new();
        runtime().block_on(async {
            let (release, hung) = mpsc::channel::<()>();
            let stuck = pool.clone();
            let hanging = stuck.call(move || hung.recv().is_ok());
            let others = async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                for i in 0..20 {
                    assert_eq!(pool.call(move || i).await.unwrap(), i);
                }
                // On a busy machine a sound call can take long enough to be taken for a hanging one.
                assert!((2..=4).contains(&pool.threads()), "{}", pool.threads());
                release.send(()).unwrap();
            };
            let (hung, ()) = tokio::join!(hanging, others);
            assert!(hung.unwrap());
            let deadline = Instant::now() + Duration::from_secs(10);
            while pool.threads() > 1 && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert_eq!(pool.threads(), 1, "the second thread leaves when it is idle");
        });
    }

    #[test]
    fn a_slow_disk_of_the_station_is_no_reason_for_another_thread() {
        let pool = Blocking::new();
        runtime().block_on(async {
            let slow = pool.call_station(|| thread::sleep(PATIENCE * 3));
            let other = async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                pool.call(|| ()).await.unwrap();
            };
            let (slow, ()) = tokio::join!(slow, other);
            slow.unwrap();
        });
        assert_eq!(pool.threads(), 1);
    }

    #[test]
    fn a_call_that_panics_is_no_answer() {
        let pool = Blocking::new();
        runtime().block_on(async {
            assert!(pool.call(|| panic!("meant to")).await.is_err());
            assert_eq!(pool.call(|| 5).await.unwrap(), 5);
        });
    }
}
