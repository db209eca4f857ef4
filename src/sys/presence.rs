//! Time in which this process itself stood still (SIGSTOP, a frozen cgroup). It says nothing of a drive: the
//! answer may have come long ago, and nobody was there to take it.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

/// Who looks several times a second and finds that so much time went by was not there.
const ABSENT: Duration = Duration::from_secs(2);
/// How often [`within`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One who looks several times a second.
#[derive(Debug)]
pub struct Presence(Instant);

impl Presence {
    /// Looks now for the first time.
    pub fn new() -> Presence {
        Presence(Instant::now())
    }

    /// Time since the last look.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Looks. When that should have happened long ago: how long nobody did.
    pub fn look(&mut self) -> Option<Duration> {
        let away = self.elapsed();
        self.0 = Instant::now();
        (away >= ABSENT).then_some(away)
    }
}

impl Default for Presence {
    fn default() -> Presence {
        Presence::new()
    }
}

/// No answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent;

/// As `tokio::time::timeout`, but time in which this process stood still does not count.
pub async fn within<F: Future>(patience: Duration, future: F) -> Result<F::Output, Silent> {
    let mut future = pin!(future);
    let mut left = patience;
    let mut presence = Presence::new();
    loop {
        if let Ok(answer) = tokio::time::timeout(left.min(LOOK_EVERY), &mut future).await {
            return Ok(answer);
        }
        let time = presence.elapsed();
        left = match presence.look() {
            None => left.saturating_sub(time),
            // The helper that has the answer is awake no longer than this thread.
            Some(_) => left.max(LOOK_EVERY),
        };
        if left.is_zero() {
            return Err(Silent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn a_look_that_comes_late_says_by_how_much() {
        let mut presence = Presence::new();
        assert_eq!(presence.look(), None);
        presence.0 = Instant::now().checked_sub(ABSENT * 2).unwrap();
        assert!(presence.look().unwrap() >= ABSENT * 2);
        assert_eq!(presence.look(), None);
    }

    #[test]
    fn patience_ends_and_an_answer_ends_it_sooner() {
        let began = Instant::now();
        assert_eq!(run(within(Duration::from_millis(700), std::future::pending::<()>())), Err(Silent));
        assert!(began.elapsed() >= Duration::from_millis(700));
        assert_eq!(run(within(Duration::ZERO, async { 7 })), Ok(7));
    }

    /// The thread that waits stands still, as all of a stopped process does, for longer than the patience; the
    /// answer gets through a moment after.
    #[test]
    fn an_answer_that_came_while_nobody_ran_counts() {
        let (sender, answer) = oneshot::channel();
        std::thread::spawn(move || {
            std::thread::sleep(ABSENT * 2 + Duration::from_millis(100));
            sender.send(5)
        });
        let stopped = async { std::thread::sleep(ABSENT * 2) };
        let (answer, ()) = run(async { tokio::join!(within(Duration::from_secs(1), answer), stopped) });
        assert_eq!(answer, Ok(Ok(5)));
    }
}
