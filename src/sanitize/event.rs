//! What a run tells whoever watches. Events only flow up; nobody decides by them.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::units::Bytes;

/// Something a watcher may want to show.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A stage begins or goes on.
    Stage(Snapshot),
    /// How far a stage is, a few times a second.
    Progress(Snapshot),
    /// Something worth a line of its own.
    Note {
        /// Which run.
        run_id: String,
        /// Which medium.
        path: PathBuf,
        /// What.
        text: String,
    },
}

/// One drive at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Which run.
    pub run_id: String,
    /// Kernel node or image file.
    pub path: PathBuf,
    /// Medium for a person.
    pub medium: String,
    /// The technique of the drive's own that is at work; absent while the host writes or reads back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub technique: Option<&'static str>,
    /// Pass number, from 1.
    pub pass: u32,
    /// How many passes.
    pub passes: u32,
    /// `write` or `verify`; of a technique of the drive's own `erase` or `check`.
    pub work: &'static str,
    /// Bytes of this stage that are settled.
    pub done: Bytes,
    /// Bytes of this stage.
    pub total: Bytes,
    /// Per cent of this stage.
    pub percent: f64,
    /// Per cent of the whole run.
    pub run_percent: f64,
    /// Bytes a second over the last few seconds.
    pub bytes_per_second: u64,
    /// Bytes a second since the stage began.
    pub bytes_per_second_average: u64,
    /// Seconds until the whole run is done, at the average rate.
    pub eta_seconds: Option<u64>,
    /// Blocks with errors so far in this stage.
    pub errors: u64,
    /// Seconds without any answer from the medium, when it does not answer.
    pub silent_seconds: Option<u64>,
}

/// Turns byte counts into rates: now (a window of a few seconds), average, time left.
#[derive(Debug)]
pub struct Pace {
    began: Duration,
    base: u64,
    window: std::collections::VecDeque<(Duration, u64)>,
}

impl Pace {
    /// Starts at `now` (any monotonic clock) with `done` bytes that were done before.
    pub fn new(now: Duration, done: u64) -> Pace {
        Pace { began: now, base: done, window: std::collections::VecDeque::from([(now, done)]) }
    }

    /// Takes a reading; returns bytes a second now and on average.
    pub fn tick(&mut self, now: Duration, done: u64) -> (u64, u64) {
        const WINDOW: Duration = Duration::from_secs(4);
        self.window.push_back((now, done));
        while self.window.len() > 2 && self.window.front().is_some_and(|(at, _)| now.saturating_sub(*at) > WINDOW) {
            self.window.pop_front();
        }
        let (at, from) = self.window.front().copied().unwrap_or((now, done));
        (rate(done.saturating_sub(from), now.saturating_sub(at)), self.average(now, done))
    }

    fn average(&self, now: Duration, done: u64) -> u64 {
        rate(done.saturating_sub(self.base), now.saturating_sub(self.began))
    }
}

fn rate(bytes: u64, time: Duration) -> u64 {
    let seconds = time.as_secs_f64();
    if seconds <= 0.0 { 0 } else { (bytes as f64 / seconds) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_tells_now_from_average() {
        let s = Duration::from_secs;
        let mut pace = Pace::new(s(0), 0);
        for t in 1..=20 {
            pace.tick(s(t), t * 100);
        }
        let (now, average) = pace.tick(s(21), 2000);
        assert!(now < 100, "{now}");
        assert_eq!(average, 95);
    }

    #[test]
    fn a_resumed_stage_does_not_count_what_was_done_before() {
        let mut pace = Pace::new(Duration::ZERO, 1_000_000);
        assert_eq!(pace.tick(Duration::from_secs(1), 1_000_010).1, 10);
    }
}
