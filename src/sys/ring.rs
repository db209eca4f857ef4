//! io_uring with ownership: a request's buffer belongs to the ring until the kernel says it is done.
//!
//! The kernel may touch a buffer from submission to completion, whatever happens to the drive or to
//! this program's plans. So the ring owns the buffer and the descriptor's keeper for that time; a
//! ring dropped with requests in flight leaks both, deliberately.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};

use super::arena::{Arena, Run};

/// What a request reads into or writes from.
#[derive(Debug)]
pub enum Buffer {
    /// Its own memory.
    Own(Run),
    /// A block of a constant pattern that many writes use at once. Nobody can change it.
    Shared(Arc<Run>),
}

impl Buffer {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.run().bytes()
    }

    fn run(&self) -> &Run {
        match self {
            Buffer::Own(run) => run,
            Buffer::Shared(run) => run,
        }
    }
}

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// From the medium.
    Read,
    /// To the medium.
    Written,
}

/// Whether the arena is to be registered with the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferRegistration {
    /// Register it; when the kernel refuses (RLIMIT_MEMLOCK) go on without.
    Try,
    /// Do not even try.
    Never,
}

/// How a ring is set up.
#[derive(Clone, Copy, Debug)]
pub struct RingOptions {
    /// Requests that can be in flight at once.
    pub entries: u32,
    /// Registered buffers.
    pub registration: BufferRegistration,
    /// The most kernel helper threads (io-wq) for this thread's requests that would block.
    pub kernel_workers: u32,
}

/// A finished request, with what it owned.
#[derive(Debug)]
pub struct Completion<K> {
    /// The buffer. Only the bytes that were read this time are of this time.
    pub buffer: Buffer,
    /// What came with the request.
    pub keep: K,
    /// Bytes moved, or the kernel's error.
    pub result: io::Result<usize>,
}

/// One submission and completion queue, used by the thread that made it. `K` travels with each
/// request and must keep its descriptor open.
pub struct Ring<K> {
    ring: ManuallyDrop<IoUring>,
    arena: Arc<Arena>,
    registered: bool,
    /// What the kernel said to pinning each chunk of the arena, `None` where it was not asked yet.
    pinned: Vec<Option<bool>>,
    slots: Vec<Option<InFlight<K>>>,
    vacant: Vec<u32>,
    in_flight: usize,
    wake: Arc<Waker>,
    wake_armed: bool,
}

struct InFlight<K> {
    buffer: Buffer,
    keep: K,
}

const WAKE: u64 = u64::MAX;
const CANCEL: u64 = u64::MAX - 1;

impl<K> Ring<K> {
    /// Sets a ring up, with deferred task work and a single issuer where the kernel has them (6.1).
    /// Fails where io_uring is missing, forbidden, or too old to wait with a timeout (5.11).
    pub fn new(arena: &Arc<Arena>, options: RingOptions) -> io::Result<Ring<K>> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(options.entries)
            .or_else(|_| IoUring::builder().build(options.entries))?;
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_nodrop() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "io_uring of this kernel cannot wait with a timeout",
            ));
        }
        // Cap the kernel's helper threads. Kernels before 5.15 cannot, and live with their default.
        let _ = ring.submitter().register_iowq_max_workers(&mut [options.kernel_workers.max(1), 1]);
        let chunks = arena.bytes().div_ceil(CHUNK);
        let registered = options.registration == BufferRegistration::Try
            && u32::try_from(chunks).is_ok_and(|chunks| ring.submitter().register_buffers_sparse(chunks).is_ok())
            && pin(&ring, arena, 0).is_ok();
        let entries = options.entries;
        Ok(Ring {
            ring: ManuallyDrop::new(ring),
            arena: Arc::clone(arena),
            registered,
            pinned: (0..chunks).map(|chunk| (chunk == 0).then_some(registered)).collect(),
            slots: (0..entries).map(|_| None).collect(),
            vacant: (0..entries).rev().collect(),
            in_flight: 0,
            wake: Arc::new(Waker::new()?),
            wake_armed: false,
        })
    }

    /// Whether the kernel lets buffers be registered.
    pub fn registered(&self) -> bool {
        self.registered
    }

    /// Requests the kernel has not answered yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Ends a [`Ring::wait`] from another thread.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.wake)
    }

    /// Queues a request for `len` bytes at `offset` of `fd`. It goes out with the next
    /// [`Ring::submit`] or [`Ring::wait`]. Gives buffer and keeper back when the ring is full, `len`
    /// is more than the buffer, or a shared buffer would be read into.
    pub fn push(
        &mut self,
        moved: Moved,
        fd: RawFd,
        offset: u64,
        len: usize,
        buffer: Buffer,
        keep: K,
    ) -> Result<(), (Buffer, K)> {
        let sound = len <= buffer.run().len()
            && buffer.run().belongs_to(&self.arena)
            && (moved == Moved::Written || matches!(buffer, Buffer::Own(_)));
        let (Ok(length), true) = (u32::try_from(len), sound) else { return Err((buffer, keep)) };
        let Some(slot) = self.vacant.pop() else { return Err((buffer, keep)) };
        let start = buffer.run().start().as_ptr();
        let fd = Fd(fd);
        let entry = match (moved, self.pinned_chunk(buffer.run())) {
            (Moved::Written, Some(chunk)) => opcode::WriteFixed::new(fd, start, length, chunk).offset(offset).build(),
            (Moved::Written, None) => opcode::Write::new(fd, start, length).offset(offset).build(),
            (Moved::Read, Some(chunk)) => opcode::ReadFixed::new(fd, start, length, chunk).offset(offset).build(),
            (Moved::Read, None) => opcode::Read::new(fd, start, length).offset(offset).build(),
        };
        if !self.enqueue(&entry.user_data(u64::from(slot))) {
            self.vacant.push(slot);
            return Err((buffer, keep));
        }
        self.slots[slot as usize] = Some(InFlight { buffer, keep });
        self.in_flight += 1;
        Ok(())
    }

    /// Hands queued requests to the kernel without waiting.
    pub fn submit(&mut self) -> io::Result<()> {
        self.ring.submit().map(drop).or_else(passing)
    }

    /// Submits, then waits until `want` requests are done or somebody used the [`Waker`], at most
    /// `timeout`. After `batch` a single one is enough (6.12; before that one is always enough).
    pub fn wait(&mut self, want: usize, batch: Duration, timeout: Duration) -> io::Result<()> {
        if !self.wake_armed {
            let poll = opcode::PollAdd::new(Fd(self.wake.0.as_raw_fd()), libc::POLLIN as u32).build().user_data(WAKE);
            self.wake_armed = self.enqueue(&poll);
        }
        let timespec = Timespec::from(timeout);
        let mut args = SubmitArgs::new().timespec(&timespec);
        let mut want = want.max(1);
        if want > 1 && self.ring.params().is_feature_min_timeout() {
            let batch = batch.min(timeout);
            args = args.min_wait_usec(u32::try_from(batch.as_micros()).unwrap_or(u32::MAX).max(1));
        } else {
            want = 1;
        }
        self.ring.submitter().submit_with_args(want, &args).map(drop).or_else(passing)
    }

    /// Takes what is done.
    pub fn reap(&mut self, done: &mut Vec<Completion<K>>) {
        let mut woken = false;
        for entry in self.ring.completion() {
            match entry.user_data() {
                WAKE => woken = true,
                CANCEL => {}
                slot => {
                    // Each slot number was put into one entry only, and the kernel answers each once.
                    let Some(request) = self.slots.get_mut(slot as usize).and_then(Option::take) else { continue };
                    self.vacant.push(slot as u32);
                    self.in_flight -= 1;
                    let result = match entry.result() {
                        error if error < 0 => Err(io::Error::from_raw_os_error(-error)),
                        moved => Ok(moved as usize),
                    };
                    done.push(Completion { buffer: request.buffer, keep: request.keep, result });
                }
            }
        }
        if woken {
            self.wake_armed = false;
            self.wake.drain();
        }
    }

    /// Asks the kernel to give back the requests that `which` picks, if it still can: one that only
    /// waits in a queue comes back as `ECANCELED`, one that the drive has stays.
    pub fn cancel(&mut self, which: impl Fn(&K) -> bool) {
        let slots: Vec<u64> = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, request)| request.as_ref().is_some_and(|r| which(&r.keep)))
            .map(|(slot, _)| slot as u64)
            .collect();
        for slot in slots {
            let entry = opcode::AsyncCancel2::new(CancelBuilder::user_data(slot)).build().user_data(CANCEL);
            if !self.enqueue(&entry) {
                return;
            }
        }
    }

    /// Clears and pins the next chunk of the arena that is not yet; whether there are more.
    pub fn pin_next(&mut self) -> bool {
        if !self.registered {
            return false;
        }
        let Some(chunk) = self.pinned.iter().position(Option::is_none) else { return false };
        self.pinned[chunk] = Some(pin(&self.ring, &self.arena, chunk).is_ok());
        chunk + 1 < self.pinned.len()
    }

    /// The registered chunk that holds all of `run`, pinned now if it is the first use. Pinning all of
    /// the arena at once would hold up the start for as long as clearing it takes.
    fn pinned_chunk(&mut self, run: &Run) -> Option<u16> {
        let chunk = run.offset() / CHUNK;
        if !self.registered || (run.offset() + run.len() - 1) / CHUNK != chunk {
            return None;
        }
        let index = u16::try_from(chunk).ok()?;
        let pinned = self.pinned.get_mut(chunk)?;
        // Refused (RLIMIT_MEMLOCK): what is pinned stays in use, the rest goes unregistered.
        pinned.get_or_insert_with(|| pin(&self.ring, &self.arena, chunk).is_ok()).then_some(index)
    }

    fn enqueue(&mut self, entry: &squeue::Entry) -> bool {
        for attempt in 0..2 {
            // SAFETY: for a read or write the memory lies within a `Run` of at least that length (checked in
            // `push`), which the slot table owns until the kernel's answer is reaped; a `Ring` that is
            // dropped before leaks it. The other entries point at no memory.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return true;
            }
            if attempt == 0 && self.submit().is_err() {
                return false;
            }
        }
        false
    }
}

impl<K> Drop for Ring<K> {
    fn drop(&mut self) {
        if self.in_flight == 0 {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.ring) };
            return;
        }
        // The kernel may still write into these buffers, perhaps hours later: neither they nor the
        // descriptors nor the ring are ever given back.
        for request in self.slots.drain(..).flatten() {
            std::mem::forget(request);
        }
    }
}

/// The arena is registered in pieces of this size. Runs are aligned to their size, so one of at most
/// this size lies in one piece.
const CHUNK: usize = 4 << 20;

/// Pins a chunk of the arena once instead of its pages at every request.
fn pin(ring: &IoUring, arena: &Arc<Arena>, chunk: usize) -> io::Result<()> {
    let start = chunk * CHUNK;
    let len = CHUNK.min(arena.bytes() - start);
    // SAFETY: `start` is below the arena's size.
    let base = unsafe { arena.base().add(start) };
    let iovec = libc::iovec { iov_base: base.as_ptr().cast(), iov_len: len };
    let index = u32::try_from(chunk).map_err(io::Error::other)?;
    // SAFETY: the range is mapped, and stays mapped while the ring holds the `Arc` of its arena; the
    // kernel holds the pages by itself beyond that.
    unsafe { ring.submitter().register_buffers_update(index, &[iovec], None) }
}

/// Results of `io_uring_enter` that only mean "look again": time is up, a signal came, the completion
/// queue wants to be emptied, memory is short for a moment.
fn passing(error: io::Error) -> io::Result<()> {
    match error.raw_os_error() {
        Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
        _ => Err(error),
    }
}

/// Wakes a thread that waits for its ring.
#[derive(Debug)]
pub struct Waker(File);

impl Waker {
    fn new() -> io::Result<Waker> {
        // SAFETY: no pointers are involved.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, open, and owned by nobody else.
        Ok(Waker(unsafe { File::from_raw_fd(fd) }))
    }

    /// Ends the wait that goes on, or the next one. Never blocks.
    pub fn wake(&self) {
        // A full counter means that a wake-up is pending already.
        let _ = (&self.0).write(&1u64.to_ne_bytes());
    }

    fn drain(&self) {
        let mut count = [0; 8];
        // Empty is as good as emptied.
        let _ = (&self.0).read(&mut count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::GRANULE;
    use std::time::Instant;

    fn options(registration: BufferRegistration) -> RingOptions {
        RingOptions { entries: 8, registration, kernel_workers: 2 }
    }

    fn ring(arena: &Arc<Arena>) -> Option<Ring<File>> {
        ring_of(arena, BufferRegistration::Try)
    }

    /// A ring, or a loud word where there is none: with `LASTWRITE_NO_SKIP=1` a failure, as in the tests' `skip`.
    fn ring_of(arena: &Arc<Arena>, registration: BufferRegistration) -> Option<Ring<File>> {
        let ring = Ring::new(arena, options(registration));
        if let Err(error) = &ring {
            let no_skip = std::env::var_os("LASTWRITE_NO_SKIP").is_some_and(|v| v == "1");
            assert!(!no_skip, "LASTWRITE_NO_SKIP=1 is set, but this test cannot run: no io_uring here: {error}");
            eprintln!("skipped: no io_uring here: {error}");
        }
        ring.ok()
    }

    #[test]
    fn writes_and_reads_back_with_and_without_registration() {
        let arena = Arena::new(4 * GRANULE).unwrap();
        for registration in [BufferRegistration::Try, BufferRegistration::Never] {
            let Some(mut ring) = ring_of(&arena, registration) else { return };
            let file = tempfile::tempfile().unwrap();
            let mut run = arena.take(GRANULE).unwrap();
            run.bytes_mut().fill(0xA7);
            let keep = file.try_clone().unwrap();
            ring.push(Moved::Written, file.as_raw_fd(), 512, 1024, Buffer::Own(run), keep).unwrap();
            let mut done = Vec::new();
            while done.is_empty() {
                ring.wait(1, Duration::ZERO, Duration::from_secs(5)).unwrap();
                ring.reap(&mut done);
            }
            let completion = done.remove(0);
            assert_eq!(completion.result.unwrap(), 1024);
            let Buffer::Own(mut run) = completion.buffer else { panic!("own buffer") };
            run.bytes_mut().fill(0);
            ring.push(Moved::Read, file.as_raw_fd(), 0, 4096, Buffer::Own(run), completion.keep).unwrap();
            while done.is_empty() {
                ring.wait(1, Duration::ZERO, Duration::from_secs(5)).unwrap();
                ring.reap(&mut done);
            }
            assert_eq!(*done[0].result.as_ref().unwrap(), 1536, "short at the end of the file");
            assert!(done[0].buffer.bytes()[512..1536].iter().all(|b| *b == 0xA7));
        }
    }

    #[test]
    fn what_is_to_be_ready_is_pinned_piece_by_piece() {
        let arena = Arena::new(2 * CHUNK + GRANULE).unwrap();
        let Some(mut ring) = ring_of(&arena, BufferRegistration::Try) else { return };
        assert_eq!(ring.pinned.iter().filter(|pinned| pinned.is_some()).count(), 1, "{:?}", ring.pinned);
        // A limit on locked memory may refuse all of it, or some.
        let registered = ring.registered();
        assert_eq!([ring.pin_next(), ring.pin_next(), ring.pin_next()], [registered, false, false]);
        assert_eq!(ring.pinned.iter().all(Option::is_some), registered, "{:?}", ring.pinned);
        let Some(mut never) = ring_of(&arena, BufferRegistration::Never) else { return };
        assert!(!never.pin_next());
    }

    #[test]
    fn unsound_requests_are_given_back() {
        let arena = Arena::new(4 * GRANULE).unwrap();
        let Some(mut ring) = ring(&arena) else { return };
        let file = tempfile::tempfile().unwrap();
        let fd = file.as_raw_fd();
        let shared = Arc::new(arena.take(GRANULE).unwrap());
        assert!(ring.push(Moved::Read, fd, 0, 512, Buffer::Shared(shared), file.try_clone().unwrap()).is_err());
        let run = arena.take(GRANULE).unwrap();
        assert!(ring.push(Moved::Read, fd, 0, GRANULE + 1, Buffer::Own(run), file.try_clone().unwrap()).is_err());
        let foreign = Arena::new(GRANULE).unwrap().take(1).unwrap();
        assert!(ring.push(Moved::Read, fd, 0, 512, Buffer::Own(foreign), file).is_err());
        assert_eq!(ring.in_flight(), 0);
    }

    #[test]
    fn a_request_that_never_ends_keeps_its_buffer_for_ever() {
        let arena = Arena::new(2 * GRANULE).unwrap();
        let Some(mut ring) = ring(&arena) else { return };
        let (reader, _writer) = std::io::pipe().unwrap();
        let keep = File::from(std::os::fd::OwnedFd::from(reader));
        let fd = keep.as_raw_fd();
        let run = arena.take(GRANULE).unwrap();
        ring.push(Moved::Read, fd, 0, 512, Buffer::Own(run), keep).unwrap();
        ring.wait(1, Duration::ZERO, Duration::from_millis(20)).unwrap();
        drop(ring);
        assert_eq!(arena.free(), GRANULE, "leaked, not reused");
    }

    #[test]
    fn a_queued_request_can_be_called_back() {
        let arena = Arena::new(2 * GRANULE).unwrap();
        let Some(mut ring) = ring(&arena) else { return };
        let (reader, _writer) = std::io::pipe().unwrap();
        let keep = File::from(std::os::fd::OwnedFd::from(reader));
        let fd = keep.as_raw_fd();
        ring.push(Moved::Read, fd, 0, 512, Buffer::Own(arena.take(1).unwrap()), keep).unwrap();
        ring.submit().unwrap();
        ring.cancel(|_| true);
        let mut done = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(5);
        while done.is_empty() && Instant::now() < deadline {
            ring.wait(1, Duration::ZERO, Duration::from_millis(100)).unwrap();
            ring.reap(&mut done);
        }
        assert_eq!(done[0].result.as_ref().unwrap_err().raw_os_error(), Some(libc::ECANCELED));
    }

    #[test]
    fn waking_ends_a_wait() {
        let arena = Arena::new(GRANULE).unwrap();
        let Some(mut ring) = ring(&arena) else { return };
        for _ in 0..3 {
            let waker = ring.waker();
            let thread = std::thread::spawn(move || waker.wake());
            let start = Instant::now();
            ring.wait(1, Duration::ZERO, Duration::from_secs(20)).unwrap();
            assert!(start.elapsed() < Duration::from_secs(10));
            ring.reap(&mut Vec::new());
            thread.join().unwrap();
        }
    }
}
