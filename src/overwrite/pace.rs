//! How large the requests of a lone drive are. Machines differ in what is faster, requests of one piece that
//! stay in the cache or larger ones that keep the other core busy (docs/decisions/0018), so a pass tries both.
//! Where the large ones are not clearly faster they are small.

use std::time::Duration;

use super::pass::PassOp;
use super::share::Size;

/// Moved with small requests first: a drive that hangs at once must not take the memory of those that
/// are about to begin.
const WARMING: u64 = 64 << 20;
/// Moved while one size is timed.
const WINDOW: u64 = 128 << 20;
/// Moved after a change before the time is taken: what was still on its way has the other size.
const SETTLING: u64 = 16 << 20;
/// Timings of one trial: large, small, large, small.
const TIMINGS: usize = 4;
const LARGE: usize = 0;
const SMALL: usize = 1;
/// Moved with the better size before the next trial. A first answer is not trusted for long, unless it is the usual one
/// and clear.
const TRUST: u64 = 16 << 30;
const DOUBTED: u64 = 4 << 30;

/// By how much one size has to be faster: a timing is never better than some hundredths.
const CLEARLY: f64 = 1.05;

/// One pass's choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    op: PassOp,
    large: bool,
    step: Step,
    /// Moved since the step began.
    moved: u64,
    /// To be moved before the next trial.
    trust: u64,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Warming,
    Settling(Trial),
    Timing(Trial, Duration),
    Trusting,
}

/// Timings that are done, and what they took.
#[derive(Clone, Copy, Debug, Default)]
struct Trial {
    done: usize,
    took: [Duration; TIMINGS],
}

impl Trial {
    /// Whether one size won each time, and in sum clearly.
    fn is_won_by(&self, size: usize) -> bool {
        let took = |size: usize| self.took.iter().skip(size).step_by(2).sum::<Duration>();
        let each = self.took.chunks(2).all(|pair| pair.get(size) < pair.get(1 - size));
        each && took(size).mul_f64(CLEARLY) <= took(1 - size)
    }
}

impl Pace {
    pub(super) fn new(op: PassOp) -> Pace {
        Pace { op, large: false, step: Step::Warming, moved: 0, trust: DOUBTED }
    }

    /// What the next request is like. A drive of which nothing is known yet gets few small ones.
    pub(super) fn size(&self, registered: bool) -> Size {
        match self.step {
            _ if self.large && registered => Size::Large,
            Step::Warming => Size::Pieces,
            _ if self.op == PassOp::Write => Size::ManyPieces,
            // What was read is in the cache until it is compared, if it is little.
            _ => Size::Pieces,
        }
    }

    /// `bytes` came back at `now`.
    pub(super) fn moved(&mut self, bytes: usize, now: Duration) {
        self.moved += bytes as u64;
        match self.step {
            Step::Warming if self.moved >= WARMING => self.try_large(),
            Step::Trusting if self.moved >= self.trust => {
                self.trust = TRUST;
                self.try_large();
            }
            Step::Settling(trial) if self.moved >= SETTLING => self.go_on(Step::Timing(trial, now)),
            Step::Timing(mut trial, since) if self.moved >= WINDOW => {
                // Of windows that are not equally long by a request, the time for as much.
                trial.took[trial.done] = now.saturating_sub(since).mul_f64(WINDOW as f64 / self.moved as f64);
                trial.done += 1;
                let is_over = trial.done == TIMINGS;
                self.large = if is_over { trial.is_won_by(LARGE) } else { !self.large };
                if is_over && trial.is_won_by(SMALL) {
                    self.trust = TRUST;
                }
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
            let (len, rate) = if pace.large { (4 << 20, large) } else { (1 << 20, small) };
            now += len as f64 / rate;
            moved += len;
            in_large += if pace.large { len } else { 0 };
            pace.moved(len as usize, Duration::from_secs_f64(now));
        }
        in_large as f64 / moved as f64
    }

    const OP: PassOp = PassOp::Write;

    #[test]
    fn the_faster_size_is_kept() {
        for op in [PassOp::Write, PassOp::Verify] {
            assert!(run(&mut Pace::new(op), 64 << 30, 8e9, 7e9) > 0.97, "{op:?}");
            assert!(run(&mut Pace::new(op), 64 << 30, 7e9, 8e9) < 0.03, "{op:?}");
        }
    }

    #[test]
    fn of_two_that_are_as_fast_the_small_one_is_taken() {
        for (large, small) in [(1e8, 1e8), (8e9, 7.8e9), (7.8e9, 8e9)] {
            assert!(run(&mut Pace::new(OP), 64 << 30, large, small) < 0.03, "{large} {small}");
        }
    }

    #[test]
    fn what_was_clear_is_not_asked_again_so_soon() {
        let in_large = |large, small| {
            let mut pace = Pace::new(OP);
            run(&mut pace, 1 << 30, large, small);
            run(&mut pace, 8 << 30, large, small)
        };
        assert_eq!(in_large(7e9, 8e9), 0.0);
        assert!(in_large(7.8e9, 8e9) > 0.0, "this one is asked again after 4 GiB");
        assert!(in_large(8e9, 7e9) < 1.0, "and this one, which is not the usual one");
    }

    #[test]
    fn a_machine_that_changes_is_noticed() {
        let mut pace = Pace::new(OP);
        run(&mut pace, 8 << 30, 8e9, 7e9);
        assert!(run(&mut pace, 64 << 30, 7e9, 8e9) < 0.3);
    }

    #[test]
    fn one_lucky_timing_is_not_enough() {
        let trial = |took: [u64; TIMINGS]| Trial { done: TIMINGS, took: took.map(Duration::from_millis) };
        // Large, small, large, small.
        assert!(!trial([100, 99, 100, 150]).is_won_by(LARGE) && trial([100, 110, 100, 150]).is_won_by(LARGE));
        assert!(!trial([99, 100, 150, 100]).is_won_by(SMALL) && trial([110, 100, 150, 100]).is_won_by(SMALL));
    }

    #[test]
    fn what_was_timed_beside_other_drives_does_not_count() {
        let mut pace = Pace::new(OP);
        run(&mut pace, WARMING, 8e9, 7e9);
        assert!(pace.large);
        for request in 0..100 {
            // Ten times slower beside others.
            pace.moved(4 << 20, Duration::from_millis(5 * request));
            pace.disturbed();
        }
        assert!(pace.large, "still before the first timing");
        assert!(run(&mut pace, 64 << 30, 8e9, 7e9) > 0.97);
    }

    #[test]
    fn a_drive_begins_with_small_requests() {
        let mut pace = Pace::new(OP);
        assert_eq!(pace.size(true), Size::Pieces);
        assert_eq!(run(&mut pace, WARMING, 8e9, 7e9), 0.0);
        assert_eq!([true, false].map(|registered| pace.size(registered)), [Size::Large, Size::ManyPieces]);
    }
}
