//! How large the requests of a lone drive are. Processors differ in what is faster, requests of one
//! piece that stay in the cache or larger ones that keep the other core busy (docs/benchmarks), so a
//! pass tries both and goes on with what moved more.

use std::time::Duration;

/// Moved with small requests first: a drive that hangs at once must not take the memory of those that
/// are about to begin.
const WARMING: u64 = 256 << 20;
/// Moved while one size is timed.
const WINDOW: u64 = 128 << 20;
/// Moved after a change before the time is taken: what was still on its way has the other size.
const SETTLING: u64 = 16 << 20;
/// Timings of one trial: large, small, large, small.
const TIMINGS: usize = 4;
/// Moved with the better size before the next trial.
const TRUST: u64 = 16 << 30;

/// By how much small requests have to be faster: large ones take less of the processor, and a timing is never
/// better than some hundredths.
const CLEARLY: f64 = 1.05;

/// One pass's choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    large: bool,
    step: Step,
    /// Moved since the step began.
    moved: u64,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Warming,
    Settling(Trial),
    Timing(Trial, Duration),
    Trusting,
}

/// Timings that are done, and what large and small requests took in them.
#[derive(Clone, Copy, Debug, Default)]
struct Trial {
    done: usize,
    took: [Duration; 2],
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace { large: false, step: Step::Warming, moved: 0 }
    }

    /// Whether the next request is a large one.
    pub(super) fn is_large(&self) -> bool {
        self.large
    }

    /// `bytes` came back at `now`.
    pub(super) fn moved(&mut self, bytes: usize, now: Duration) {
        self.moved += bytes as u64;
        match self.step {
            Step::Warming if self.moved >= WARMING => self.try_large(),
            Step::Trusting if self.moved >= TRUST => self.try_large(),
            Step::Settling(trial) if self.moved >= SETTLING => self.go_on(Step::Timing(trial, now)),
            Step::Timing(mut trial, since) if self.moved >= WINDOW => {
                // Of windows that are not equally long by a request, the time for as much.
                let took = now.saturating_sub(since).mul_f64(WINDOW as f64 / self.moved as f64);
                trial.took[usize::from(!self.large)] += took;
                trial.done += 1;
                let [large, small] = trial.took;
                let is_over = trial.done == TIMINGS;
                self.large = if is_over { large <= small.mul_f64(CLEARLY) } else { !self.large };
                self.go_on(if is_over { Step::Trusting } else { Step::Settling(trial) });
            }
            _ => {}
        }
    }

    /// Other drives shared the memory: what was being timed says nothing.
    pub(super) fn disturbed(&mut self) {
        match self.step {
            Step::Warming => self.moved = 0,
            Step::Settling(trial) | Step::Timing(trial, _) => self.go_on(Step::Settling(trial)),
            Step::Trusting => {}
        }
    }

    fn try_large(&mut self) {
        self.large = true;
        self.go_on(Step::Settling(Trial::default()));
    }

    fn go_on(&mut self, step: Step) {
        self.step = step;
        self.moved = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves `bytes` on a machine of these rates (bytes a second); how much of it in large requests.
    fn run(pace: &mut Pace, bytes: u64, large: f64, small: f64) -> f64 {
        let (mut now, mut moved, mut in_large) = (0.0, 0, 0);
        while moved < bytes {
            let (len, rate) = if pace.is_large() { (4 << 20, large) } else { (1 << 20, small) };
            now += len as f64 / rate;
            moved += len;
            in_large += if pace.is_large() { len } else { 0 };
            pace.moved(len as usize, Duration::from_secs_f64(now));
        }
        in_large as f64 / moved as f64
    }

    #[test]
    fn the_faster_size_is_kept() {
        assert!(run(&mut Pace::new(), 64 << 30, 8e9, 7e9) > 0.97);
        assert!(run(&mut Pace::new(), 64 << 30, 7e9, 8e9) < 0.02);
        assert!(run(&mut Pace::new(), 64 << 30, 1e8, 1e8) > 0.97, "a disk that sets the pace itself");
    }

    #[test]
    fn a_machine_that_changes_is_noticed() {
        let mut pace = Pace::new();
        run(&mut pace, 8 << 30, 8e9, 7e9);
        assert!(run(&mut pace, 64 << 30, 7e9, 8e9) < 0.2);
    }

    #[test]
    fn what_was_timed_beside_other_drives_does_not_count() {
        let mut pace = Pace::new();
        run(&mut pace, WARMING, 8e9, 7e9);
        assert!(pace.is_large());
        for request in 0..100 {
            // Ten times slower beside others.
            pace.moved(4 << 20, Duration::from_millis(5 * request));
            pace.disturbed();
        }
        assert!(pace.is_large(), "still before the first timing");
        assert!(run(&mut pace, 64 << 30, 8e9, 7e9) > 0.97);
    }

    #[test]
    fn a_drive_begins_with_small_requests() {
        let mut pace = Pace::new();
        assert_eq!(run(&mut pace, WARMING, 8e9, 7e9), 0.0);
        assert!(pace.is_large());
    }
}
