//! One piece of memory for all transfers of all drives: huge pages where the kernel gives them,
//! handed out in runs by a bitmap.

use std::fmt;
use std::io;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

/// The smallest unit handed out, in bytes. It holds every logical block (at most 64 KiB).
pub const GRANULE: usize = 64 << 10;

const HUGE_PAGE: usize = 2 << 20;

/// Zeroed, page-aligned memory that is mapped once and never grows. A [`Run`] of it keeps the
/// mapping alive, so memory that a request still uses can not be unmapped.
pub struct Arena {
    /// What `mmap` returned, with room to align.
    mapping: NonNull<libc::c_void>,
    mapped: usize,
    /// The first byte on a huge-page boundary.
    base: NonNull<u8>,
    bytes: usize,
    taken: Mutex<Bitmap>,
}

// SAFETY: the arena is plain memory; its bytes are only reached through `Run`s, which never overlap,
// and the bitmap is behind a mutex.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    /// Maps `bytes` (rounded up to [`GRANULE`]) and asks for huge pages: fewer segments a request,
    /// a tenth of the kernel's time. Without them it still works.
    pub fn new(bytes: usize) -> io::Result<Arc<Arena>> {
        let granules = bytes.div_ceil(GRANULE).max(1);
        let length = std::num::NonZeroUsize::new(granules * GRANULE + HUGE_PAGE).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches nothing
        // that exists.
        let mapping = unsafe {
            mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE)
        }?;
        let offset = mapping.cast::<u8>().as_ptr().align_offset(HUGE_PAGE);
        // SAFETY: `align_offset` is below HUGE_PAGE and the mapping is HUGE_PAGE longer than `bytes`.
        let base = unsafe { mapping.cast::<u8>().add(offset) };
        let bytes = granules * GRANULE;
        // SAFETY: the range lies within the new mapping, and the advice does not change its content.
        // A refusal (no huge pages in this kernel) only costs speed.
        let _ = unsafe { madvise(base.cast(), bytes, MmapAdvise::MADV_HUGEPAGE) };
        let taken = Mutex::new(Bitmap::new(granules));
        Ok(Arc::new(Arena { mapping, mapped: length.get(), base, bytes, taken }))
    }

    /// The size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes not handed out at this moment.
    pub fn free(&self) -> usize {
        self.bitmap().free() * GRANULE
    }

    /// Takes a run of at least `bytes`, rounded up to a power of two of granules and aligned to its
    /// own size, so that equal runs never fragment the arena. `None` when there is no room now.
    pub fn take(self: &Arc<Arena>, bytes: usize) -> Option<Run> {
        let granules = bytes.div_ceil(GRANULE).max(1).checked_next_power_of_two()?;
        let first = self.bitmap().take(granules)?;
        Some(Run { arena: Arc::clone(self), first, granules })
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn bitmap(&self) -> MutexGuard<'_, Bitmap> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: every `Run` holds an `Arc` of the arena, and a ring that has requests in flight
        // holds (or has leaked) their runs: nobody can reach the mapping any more.
        let _ = unsafe { munmap(self.mapping, self.mapped) };
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} bytes, {} free)", self.bytes, self.free())
    }
}

/// Exclusive use of a piece of the arena, given back on drop.
pub struct Run {
    arena: Arc<Arena>,
    first: usize,
    granules: usize,
}

impl Run {
    /// Length in bytes: a power of two times [`GRANULE`].
    pub fn len(&self) -> usize {
        self.granules * GRANULE
    }

    /// Never: a run has at least one granule.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the run lies within the mapping, which lives as long as `self.arena`; it was zeroed
        // by the kernel, so every byte is initialized; the bitmap gives each granule to one run only,
        // and `&self` excludes `bytes_mut`. While the kernel writes into it a run is owned by the
        // ring and cannot be borrowed here.
        unsafe { std::slice::from_raw_parts(self.start().as_ptr(), self.len()) }
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes the borrow unique.
        unsafe { std::slice::from_raw_parts_mut(self.start().as_ptr(), self.len()) }
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        // SAFETY: the bitmap only hands out granules within the arena.
        unsafe { self.arena.base.add(self.first * GRANULE) }
    }

    /// Where in the arena it begins, in bytes.
    pub(super) fn offset(&self) -> usize {
        self.first * GRANULE
    }

    pub(super) fn belongs_to(&self, arena: &Arc<Arena>) -> bool {
        Arc::ptr_eq(&self.arena, arena)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.arena.bitmap().give_back(self.first, self.granules);
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Run({}..+{})", self.first * GRANULE, self.len())
    }
}

/// One bit a granule, set while it is handed out.
struct Bitmap {
    words: Vec<u64>,
    granules: usize,
}

impl Bitmap {
    fn new(granules: usize) -> Bitmap {
        Bitmap { words: vec![0; granules.div_ceil(64)], granules }
    }

    fn free(&self) -> usize {
        self.granules - self.words.iter().map(|w| w.count_ones() as usize).sum::<usize>()
    }

    fn take(&mut self, count: usize) -> Option<usize> {
        let first =
            (0..self.granules).step_by(count).find(|&at| at + count <= self.granules && self.is_free(at, count))?;
        (first..first + count).for_each(|g| self.words[g / 64] |= 1 << (g % 64));
        Some(first)
    }

    fn is_free(&self, first: usize, count: usize) -> bool {
        (first..first + count).all(|g| self.words[g / 64] & (1 << (g % 64)) == 0)
    }

    fn give_back(&mut self, first: usize, count: usize) {
        (first..first + count).for_each(|g| self.words[g / 64] &= !(1 << (g % 64)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_never_overlap_and_come_back() {
        let arena = Arena::new(1 << 20).unwrap();
        let mut runs: Vec<Run> = Vec::new();
        for size in [1, GRANULE + 1, 4 * GRANULE, GRANULE] {
            runs.push(arena.take(size).unwrap());
        }
        for (i, run) in runs.iter_mut().enumerate() {
            assert_eq!(run.start().as_ptr() as usize % run.len(), 0, "aligned to its own size");
            run.bytes_mut().fill(i as u8 + 1);
        }
        for (i, run) in runs.iter().enumerate() {
            assert!(run.bytes().iter().all(|b| *b == i as u8 + 1));
        }
        assert_eq!(arena.free(), (1 << 20) - 8 * GRANULE);
        assert!(arena.take(1 << 20).is_none());
        runs.clear();
        assert_eq!(arena.take(1 << 20).unwrap().len(), 1 << 20);
        assert!(arena.take((1 << 20) + 1).is_none());
        assert!(arena.take(usize::MAX).is_none());
    }

    #[test]
    fn a_run_keeps_the_mapping() {
        let arena = Arena::new(GRANULE).unwrap();
        let mut run = arena.take(1).unwrap();
        drop(arena);
        run.bytes_mut().fill(7);
        assert!(run.bytes().iter().all(|b| *b == 7));
    }
}
