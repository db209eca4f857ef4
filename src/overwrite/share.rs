//! Who gets how much of the memory: a lone drive up to four fifths of it in large or in many requests, many drives
//! small ones, all together never more than the arena.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::engine::Tuning;
use crate::sys::{Arena, GRANULE, Run};

/// What the kernel issues as one piece (256 pages). Anything larger it hands to a helper thread first, a thread too
/// many for several drives.
const ONE_PIECE: usize = 1 << 20;
/// The part of the arena that all blocks of constant patterns together may take: each drive of a job has bytes
/// of its own, and one that hangs keeps its block.
const CONSTANTS: usize = 5;

/// The size of a drive's requests, how many of them are in flight, and the most that these hold together: while it goes
/// from one size to another, requests of both are out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub request: usize,
    pub depth: usize,
    pub share: usize,
}

/// What a drive's requests are like when it is alone. Of several drives all have pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// More than one piece each. Not of a ring's unregistered memory, which may be many segments and is better moved in
    /// one.
    Large,
    Pieces,
    /// More of them in flight.
    ManyPieces,
}

impl Shape {
    /// Whether one more request may go out beside those that are `flying` and hold so many bytes.
    pub(super) fn admits(self, flying: usize, held: usize) -> bool {
        flying < self.depth && (flying == 0 || held + self.request <= self.share)
    }

    /// As much in requests of one piece, at most `most` of them.
    fn in_pieces(self, most: usize) -> Shape {
        let request = self.request.min(ONE_PIECE);
        Shape { request, depth: (self.request / request * self.depth).clamp(1, most.max(1)), ..self }
    }
}

/// The arena and who uses it.
pub(super) struct Memory {
    pub arena: Arc<Arena>,
    tuning: Tuning,
    /// Passes that share the arena.
    jobs: AtomicUsize,
    /// Bytes that stalled drives hold.
    stuck: AtomicUsize,
    /// Blocks of constant patterns in use.
    constants: Mutex<Vec<(u8, Weak<Run>)>>,
}

impl Memory {
    pub(super) fn new(arena: Arc<Arena>, tuning: Tuning) -> Memory {
        Memory {
            arena,
            tuning,
            jobs: AtomicUsize::new(0),
            stuck: AtomicUsize::new(0),
            constants: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn join(&self) {
        self.jobs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.jobs.fetch_sub(1, Ordering::Relaxed);
    }

    /// A stalled drive keeps `bytes` for an unknown time.
    pub(super) fn stick(&self, bytes: usize) {
        self.stuck.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn unstick(&self, bytes: usize) {
        self.stuck.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The shape of one drive's requests that need memory of their own.
    pub(super) fn shape(&self, size: Size) -> Shape {
        let taken = self.stuck.load(Ordering::Relaxed) + in_use(&self.constants());
        let free = self.arena.bytes().saturating_sub(taken);
        let jobs = self.jobs.load(Ordering::Relaxed);
        let shape = shape(free, jobs, &self.tuning);
        match size {
            Size::Large if jobs <= 1 => shape,
            Size::ManyPieces if jobs <= 1 => shape.in_pieces(self.tuning.write_pieces),
            _ => shape.in_pieces(shape.depth),
        }
    }

    /// Whether one pass has all the memory.
    pub(super) fn is_for_one(&self) -> bool {
        self.jobs.load(Ordering::Relaxed) <= 1
    }

    /// The shape of writes from one shared block of `block` bytes: memory sets no limit.
    pub(super) fn constant_shape(&self, block: usize) -> Shape {
        let request = if self.is_for_one() { block } else { block.min(ONE_PIECE) };
        Shape { request, depth: self.tuning.depth, share: usize::MAX }
    }

    /// The shared block of a constant pattern, `None` while there is no room for it: then the pass fills memory
    /// of its own.
    pub(super) fn constant(&self, byte: u8) -> Option<Arc<Run>> {
        let mut constants = self.constants();
        constants.retain(|(_, run)| run.strong_count() > 0);
        if let Some(run) = constants.iter().find(|(of, _)| *of == byte).and_then(|(_, run)| run.upgrade()) {
            return Some(run);
        }
        let most = if self.is_for_one() { self.tuning.constant_request } else { self.constant_of_several() };
        let bytes = most.min(self.arena.bytes() / 4).max(GRANULE);
        let used = in_use(&constants);
        if used > 0 && used + bytes > self.arena.bytes() / CONSTANTS {
            return None;
        }
        let mut run = self.arena.take(bytes)?;
        run.bytes_mut().fill(byte);
        let run = Arc::new(run);
        constants.push((byte, Arc::downgrade(&run)));
        Some(run)
    }

    fn constant_of_several(&self) -> usize {
        self.tuning.constant_request.min(ONE_PIECE)
    }

    fn constants(&self) -> MutexGuard<'_, Vec<(u8, Weak<Run>)>> {
        self.constants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of the blocks that somebody still uses, be it a drive that was given up long ago.
fn in_use(constants: &[(u8, Weak<Run>)]) -> usize {
    constants.iter().filter_map(|(_, run)| run.upgrade()).map(|run| run.len()).sum()
}

/// A lone drive may have four fifths of what is free in flight, one of several half of it, so that there
/// is always something left for the next one, even when every drive before it hangs.
fn shape(free: usize, jobs: usize, tuning: &Tuning) -> Shape {
    let share = if jobs <= 1 { free / 5 * 4 } else { free / jobs };
    let share = power_of_two_below(share).max(GRANULE);
    let request = (share / tuning.depth.max(1)).clamp(tuning.smallest_request, tuning.largest_request.max(GRANULE));
    let request = power_of_two_below(request.min(share));
    Shape { request, depth: (share / request).clamp(1, tuning.depth.max(1)), share }
}

fn power_of_two_below(n: usize) -> usize {
    1 << n.max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::super::pace::Pace;
    use super::super::pass::PassOp;
    use super::*;
    use crate::overwrite::EngineConfig;

    const BUFFERS: usize = EngineConfig::BUFFERS;

    #[test]
    fn all_drives_together_fit_the_arena() {
        let tuning = Tuning::default();
        for jobs in 1..300 {
            let Shape { request, depth, .. } = shape(BUFFERS, jobs, &tuning);
            assert!(request.is_power_of_two() && request >= GRANULE && depth >= 1);
            assert!(jobs > 256 || request * depth * jobs <= BUFFERS, "{jobs}: {request} x {depth}");
        }
    }

    #[test]
    fn there_is_always_something_left() {
        let (mut free, mut stalled) = (BUFFERS, 0);
        while stalled < 6 {
            let Shape { request, depth, .. } = shape(free, 1, &Tuning::default());
            free -= request * depth;
            stalled += 1;
        }
        assert!(free >= GRANULE, "six drives hang and the seventh can still be written");
    }

    #[test]
    fn a_lone_drive_has_the_size_it_wants_and_one_of_several_pieces() {
        let memory = Memory::new(Arena::new(BUFFERS).unwrap(), Tuning::default());
        let of = |size| {
            let Shape { request, depth, share } = memory.shape(size);
            assert!(request * depth <= share && share <= BUFFERS);
            (request, depth)
        };
        memory.join();
        assert_eq!(
            [Size::Large, Size::Pieces, Size::ManyPieces].map(of),
            [(4 << 20, 4), (ONE_PIECE, 4), (ONE_PIECE, 8)]
        );
        // Beside another one it has no more than its share.
        memory.join();
        assert_eq!([Size::Large, Size::Pieces, Size::ManyPieces].map(of), [(ONE_PIECE, 4); 3]);
    }

    #[test]
    fn between_two_sizes_no_more_is_out_than_its_share() {
        let memory = Memory::new(Arena::new(BUFFERS).unwrap(), Tuning::default());
        memory.join();
        let [large, many] = [Size::Large, Size::ManyPieces].map(|size| memory.shape(size));
        let out = |large: usize, pieces: usize| (large + pieces, large * (4 << 20) + pieces * ONE_PIECE);
        let admits = |shape: Shape, (flying, held)| shape.admits(flying, held);
        assert!(admits(large, out(3, 0)) && !admits(large, out(4, 0)));
        assert!(admits(many, out(3, 3)) && !admits(many, out(3, 4)), "16 MiB are out, in seven requests");
        assert!(admits(many, out(0, 7)) && !admits(many, out(0, 8)));
        assert!(admits(large, out(0, 3)) && !admits(large, out(0, 4)));
        assert!(admits(Shape { share: 0, ..large }, out(0, 0)), "one is always out");
    }

    /// The first is alone when it begins, and hangs at once like those that follow.
    #[test]
    fn drives_that_hang_when_they_begin_leave_room_for_the_next() {
        let memory = Memory::new(Arena::new(BUFFERS).unwrap(), Tuning::default());
        let mut held = Vec::new();
        for drive in 1..=4 {
            memory.join();
            let Shape { request, depth, .. } = memory.shape(Pace::new(PassOp::Write).size(true));
            held.extend((0..depth).map(|_| memory.arena.take(request).expect("room")));
            assert!(memory.arena.free() >= ONE_PIECE, "{drive} drives: {:?}", memory.arena);
        }
    }

    #[test]
    fn one_block_of_a_constant_pattern_serves_all() {
        let memory = Memory::new(Arena::new(BUFFERS).unwrap(), Tuning::default());
        let (a, b) = (memory.constant(0xAA).unwrap(), memory.constant(0xAA).unwrap());
        assert!(Arc::ptr_eq(&a, &b) && a.bytes().iter().all(|x| *x == 0xAA));
        let free = memory.arena.free();
        drop((a, b));
        assert!(memory.arena.free() > free);
    }

    #[test]
    fn many_constant_patterns_leave_memory_for_the_rest() {
        for jobs in [1, 5, 16, 64] {
            let memory = Memory::new(Arena::new(BUFFERS).unwrap(), Tuning::default());
            (0..jobs).for_each(|_| memory.join());
            let held: Vec<_> = (0..16).map(|byte| memory.constant(byte)).collect();
            assert!(held[0].is_some() && held[15].is_none(), "{jobs} jobs");
            assert!(memory.arena.free() >= memory.arena.bytes() / 2, "{jobs} jobs: {:?}", memory.arena);
            // What they hold is nobody else's share.
            let Shape { request, depth, .. } = memory.shape(Size::Pieces);
            assert!(request * depth * jobs <= memory.arena.free(), "{jobs}: {request} x {depth}");
            // The first to end makes room for the next.
            drop(held);
            assert!(memory.constant(15).is_some());
        }
    }

    #[test]
    fn a_lone_drive_has_its_large_constant_block() {
        let memory = Memory::new(Arena::new(BUFFERS).unwrap(), Tuning::default());
        memory.join();
        assert_eq!(memory.constant(0).unwrap().len(), Tuning::default().constant_request);
        memory.join();
        assert_eq!(memory.constant(0).unwrap().len(), ONE_PIECE);
    }
}
