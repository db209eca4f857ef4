//! A block device that misbehaves as scripted: a loop device over one file of a FUSE file system.
//!
//! What the user of the loop device sees (Linux 6.18; `tests/rig_faulty_disk.rs` shows each):
//! - an error of a read or write keeps its number where the block layer has a status for it
//!   (`ENODEV`, `ENODATA`, `EILSEQ`, `ETIMEDOUT`, `ENOSPC`, `EREMOTEIO`), any other becomes `EIO`;
//!   a failed flush is always `EIO`;
//! - the loop driver completes a short read with further reads, down to `EIO` when nothing comes; a
//!   short write is `EIO` though its beginning is stored (older kernels take it for complete);
//! - a loop device cannot disappear while it is open (`LOOP_CLR_FD` waits for the last close,
//!   `LOOP_CTL_REMOVE` says `EBUSY`): [`Fault::gone`] with `ENODEV` is what the descriptor's holder
//!   would see, but the node and sysfs stay;
//! - a request that hangs cannot be interrupted, and its process not killed, before the release.
//!
//! A fault sees requests as they arrive here: the block layer merges and splits what the product
//! asked for, FUSE splits again (at 1 MiB). Ranges are exact whatever the sizes; counts
//! ([`Fault::once`], [`Fault::after`]) count these requests.

use std::ffi::OsStr;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fuse_mount::FuseMount;
use super::loopdev;
use server::{FILE_NAME, Server};

mod server;

/// Which operations a fault acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Read,
    Write,
    ReadWrite,
    /// The flush of the device's cache; it has no range.
    Flush,
    /// Reads, writes and flushes.
    Everything,
}

/// What a fault does to a request that touches its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A write is acknowledged; its bytes inside the range are not stored.
    Drop,
    /// A write is acknowledged; its bytes inside the range are stored from `to` on instead (as far
    /// from it as they were from the range's start).
    Misdirect { to: u64 },
    /// The whole request fails with this error number; a write stores nothing.
    Error(i32),
    /// Only the first `keep` bytes of the request are transferred (a multiple of 512).
    Short { keep: u64 },
    /// A read finds its bytes inside the range exclusive-ored with `flip`; the medium keeps them.
    Rot { flip: u8 },
    /// The request is served late.
    Delay(Duration),
    /// The request is not answered before [`FaultyDisk::release`]; then it is served.
    Hang,
}

/// One line of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    on: On,
    range: Range<u64>,
    effect: Effect,
    skip: u64,
    times: u64,
}

impl Fault {
    /// Acts on every request of that kind that touches a byte of `range`.
    pub fn new(on: On, range: Range<u64>, effect: Effect) -> Fault {
        if let Effect::Short { keep } = effect {
            assert_eq!(keep % 512, 0, "the block layer cannot complete a part of a sector");
        }
        Fault { on, range, effect, skip: 0, times: u64::MAX }
    }

    /// Everything fails: the device is gone, as far as a loop device can be.
    pub fn gone(errno: i32) -> Fault {
        Fault::new(On::Everything, 0..u64::MAX, Effect::Error(errno))
    }

    /// Only on the first such request.
    pub fn once(self) -> Fault {
        self.times(1)
    }

    /// Only on the first `times` such requests.
    pub fn times(self, times: u64) -> Fault {
        Fault { times, ..self }
    }

    /// Only after `skip` such requests have passed unharmed.
    pub fn after(self, skip: u64) -> Fault {
        Fault { skip, ..self }
    }

    fn touches(&self, op: On, range: &Range<u64>) -> bool {
        match (self.on, op) {
            (On::Everything, On::Flush) | (On::Flush, On::Flush) => true,
            (On::Everything | On::ReadWrite, _) => overlap(&self.range, range).is_some(),
            (on, op) => on == op && op != On::Flush && overlap(&self.range, range).is_some(),
        }
    }
}

/// A request that arrived at the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `Read`, `Write` or `Flush`.
    pub op: On,
    /// The bytes asked for; empty for a flush.
    pub range: Range<u64>,
    /// What faults did to it.
    pub effects: Vec<Effect>,
}

/// A loop device whose medium is under the test's control.
pub struct FaultyDisk {
    disk: Arc<Disk>,
    loop_path: PathBuf,
    _mount: FuseMount,
}

impl FaultyDisk {
    /// A zero-filled device of `size` bytes with 512-byte blocks; `None`, with a word about it,
    /// where there can be none. The faults are armed when the device is ready.
    pub fn new(size: u64, faults: Vec<Fault>) -> Option<FaultyDisk> {
        FaultyDisk::with_options(size, faults, &[])
    }

    /// With further `losetup` options (`--sector-size=4096`).
    pub fn with_options(size: u64, faults: Vec<Fault>, options: &[&str]) -> Option<FaultyDisk> {
        let disk = Arc::new(Disk::new(size));
        let mount = FuseMount::new(Server::new(disk.clone()))?;
        let loop_path = loopdev::attach(&mount.path().join(FILE_NAME), options)?;
        let faulty = FaultyDisk { disk, loop_path, _mount: mount };
        assert_eq!(faulty.sysfs("loop/dio"), "1", "{}: no direct I/O", faulty.loop_path.display());
        // udev reads a new device; it must not use up the faults.
        let _ = std::process::Command::new("udevadm").args(["settle", "--timeout=5"]).output();
        faulty.disk.lock().seen.clear();
        faulty.set_faults(faults);
        Some(faulty)
    }

    /// `/dev/loopN`.
    pub fn loop_path(&self) -> &Path {
        &self.loop_path
    }

    /// A file below `/sys/block/loopN/`.
    pub fn sysfs(&self, attribute: &str) -> String {
        let name = self.loop_path.file_name().unwrap_or(OsStr::new(""));
        let path = Path::new("/sys/block").join(name).join(attribute);
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// The medium as it is.
    pub fn backing(&self) -> Vec<u8> {
        self.disk.lock().medium.clone()
    }

    /// Changes the medium behind the device's back.
    pub fn poke(&self, offset: u64, bytes: &[u8]) {
        store(&mut self.disk.lock().medium, offset, bytes);
    }

    /// A new script; counts start again. What hangs already goes on hanging.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.disk.lock().faults = faults.into_iter().map(|fault| Armed { fault, met: 0 }).collect();
    }

    /// Serves what hangs, and takes all hangs out of the script.
    pub fn release(&self) {
        let parked = {
            let mut state = self.disk.lock();
            state.faults.retain(|armed| armed.fault.effect != Effect::Hang);
            std::mem::take(&mut state.parked)
        };
        parked.into_iter().for_each(|serve| serve());
    }

    /// Waits until at least `count` requests hang; false when that has not happened in time.
    pub fn wait_for_hang(&self, count: usize, at_most: Duration) -> bool {
        let deadline = Instant::now() + at_most;
        let mut state = self.disk.lock();
        while state.parked.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.disk.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The medium becomes larger (zeroes) or smaller, and the loop device is told.
    pub fn set_size(&self, size: u64) {
        self.disk.lock().medium.resize(usize::try_from(size).unwrap(), 0);
        let done = std::process::Command::new("losetup").arg("--set-capacity").arg(&self.loop_path).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// From now on it has a cache that is gone with the power; what it holds is on the medium.
    pub fn set_volatile(&self) {
        let mut state = self.disk.lock();
        state.flushed = Some(state.medium.clone());
    }

    /// The power goes: what was written since the last flush is lost, and what hangs fails and is never done.
    /// So does everything else until [`FaultyDisk::power_on`].
    pub fn cut_power(&self) {
        {
            let mut state = self.disk.lock();
            state.off = true;
            if let Some(flushed) = state.flushed.clone() {
                state.medium = flushed;
            }
        }
        self.release();
    }

    /// The power is back, without faults.
    pub fn power_on(&self) {
        self.set_faults(Vec::new());
        self.disk.lock().off = false;
    }

    /// Waits until nobody holds the device: the kernel lets go of a killed program's last requests a moment
    /// after the program.
    pub fn wait_until_free(&self) {
        let free = || fs::OpenOptions::new().read(true).custom_flags(libc::O_EXCL).open(&self.loop_path).is_ok();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !free() {
            assert!(Instant::now() < deadline, "{} is still held", self.loop_path.display());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Every request since the device was ready, in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.disk.lock().seen.clone()
    }

    /// Number of writes that arrived.
    pub fn writes_seen(&self) -> usize {
        self.count(On::Write)
    }

    /// Number of reads that arrived.
    pub fn reads_seen(&self) -> usize {
        self.count(On::Read)
    }

    /// Number of flushes that arrived.
    pub fn flushes_seen(&self) -> usize {
        self.count(On::Flush)
    }

    /// Number of discards and write-zeroes offloads that arrived (and were done, without faults).
    pub fn offloads_seen(&self) -> usize {
        self.disk.lock().offloads
    }

    fn count(&self, op: On) -> usize {
        self.disk.lock().seen.iter().filter(|seen| seen.op == op).count()
    }
}

impl Drop for FaultyDisk {
    fn drop(&mut self) {
        self.set_faults(Vec::new());
        self.release();
        loopdev::detach(&self.loop_path);
    }
}

/// What the file system and the test share.
struct Disk {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    medium: Vec<u8>,
    /// What a cut leaves, where the cache is volatile: the medium at the last flush.
    flushed: Option<Vec<u8>>,
    /// Without power.
    off: bool,
    faults: Vec<Armed>,
    seen: Vec<Seen>,
    parked: Vec<Box<dyn FnOnce() + Send>>,
    offloads: usize,
}

struct Armed {
    fault: Fault,
    met: u64,
}

/// What the script wants done to one request.
#[derive(Clone)]
struct Verdict {
    range: Range<u64>,
    faults: Vec<(Range<u64>, Effect)>,
}

impl Disk {
    fn new(size: u64) -> Disk {
        let medium = vec![0; usize::try_from(size).unwrap()];
        let (faults, seen, parked) = (Vec::new(), Vec::new(), Vec::new());
        let state = State { medium, flushed: None, off: false, faults, seen, parked, offloads: 0 };
        Disk { state: Mutex::new(state), changed: Condvar::new() }
    }

    // A test that panicked while it held the lock must still be cleaned up after.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a request, and looks up what is to happen to it.
    fn judge(&self, op: On, range: Range<u64>) -> Verdict {
        let mut state = self.lock();
        let mut faults = Vec::new();
        for armed in &mut state.faults {
            if !armed.fault.touches(op, &range) {
                continue;
            }
            let turn = armed.met;
            armed.met += 1;
            if turn >= armed.fault.skip && turn - armed.fault.skip < armed.fault.times {
                faults.push((armed.fault.range.clone(), armed.fault.effect));
            }
        }
        let effects = faults.iter().map(|(_, effect)| *effect).collect();
        state.seen.push(Seen { op, range: range.clone(), effects });
        Verdict { range, faults }
    }

    /// Serves a request now, late, or when it is released.
    fn serve(&self, verdict: &Verdict, serve: impl FnOnce() + Send + 'static) {
        if verdict.any(Effect::Hang) {
            self.lock().parked.push(Box::new(serve));
            self.changed.notify_all();
            return;
        }
        match verdict.delay() {
            Some(delay) => drop(std::thread::spawn(move || {
                std::thread::sleep(delay);
                serve();
            })),
            None => serve(),
        }
    }

    fn powered(&self) -> Result<MutexGuard<'_, State>, i32> {
        let state = self.lock();
        if state.off { Err(libc::EIO) } else { Ok(state) }
    }

    /// What is in the cache is on the medium now.
    fn flush(&self, verdict: &Verdict) -> Result<(), i32> {
        verdict.error()?;
        let mut state = self.powered()?;
        if state.flushed.is_some() {
            state.flushed = Some(state.medium.clone());
        }
        Ok(())
    }

    /// The bytes a read returns.
    fn read(&self, verdict: &Verdict) -> Result<Vec<u8>, i32> {
        verdict.error()?;
        let state = self.powered()?;
        let start = verdict.range.start.min(state.medium.len() as u64);
        let end = (verdict.range.start + verdict.transferred()).clamp(start, state.medium.len() as u64);
        let mut bytes = state.medium[start as usize..end as usize].to_vec();
        for (range, effect) in &verdict.faults {
            if let (Effect::Rot { flip }, Some(bad)) = (effect, overlap(range, &(start..end))) {
                bytes[(bad.start - start) as usize..(bad.end - start) as usize].iter_mut().for_each(|b| *b ^= flip);
            }
        }
        Ok(bytes)
    }

    /// How many bytes a write says it has stored.
    fn write(&self, verdict: &Verdict, data: &[u8]) -> Result<u64, i32> {
        verdict.error()?;
        let mut state = self.powered()?;
        let transferred = verdict.transferred();
        let start = verdict.range.start;
        let written = start..start + transferred;
        let before = state.medium.clone_range(&written);
        store(&mut state.medium, start, &data[..transferred as usize]);
        let at = |range: &Range<u64>| (range.start - start) as usize..(range.end - start) as usize;
        for (range, effect) in &verdict.faults {
            let Some(bad) = overlap(range, &written) else { continue };
            match effect {
                Effect::Drop => store(&mut state.medium, bad.start, &before[at(&bad)]),
                Effect::Misdirect { to } => {
                    store(&mut state.medium, bad.start, &before[at(&bad)]);
                    store(&mut state.medium, to + (bad.start - range.start), &data[at(&bad)]);
                }
                _ => {}
            }
        }
        Ok(transferred)
    }
}

impl Verdict {
    fn any(&self, wanted: Effect) -> bool {
        self.faults.iter().any(|(_, effect)| *effect == wanted)
    }

    fn delay(&self) -> Option<Duration> {
        self.faults.iter().filter_map(|(_, effect)| if let Effect::Delay(d) = effect { Some(*d) } else { None }).max()
    }

    fn error(&self) -> Result<(), i32> {
        self.faults
            .iter()
            .try_for_each(|(_, effect)| if let Effect::Error(errno) = effect { Err(*errno) } else { Ok(()) })
    }

    fn transferred(&self) -> u64 {
        let asked = self.range.end - self.range.start;
        let keeps = self.faults.iter().filter_map(|(_, effect)| match effect {
            Effect::Short { keep } => Some(*keep),
            _ => None,
        });
        keeps.min().unwrap_or(asked).min(asked)
    }
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> Option<Range<u64>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (both.start < both.end).then_some(both)
}

/// Stores what fits on the medium.
fn store(medium: &mut [u8], offset: u64, bytes: &[u8]) {
    let start = (offset as usize).min(medium.len());
    let fits = bytes.len().min(medium.len() - start);
    medium[start..start + fits].copy_from_slice(&bytes[..fits]);
}

trait CloneRange {
    fn clone_range(&self, range: &Range<u64>) -> Vec<u8>;
}

impl CloneRange for Vec<u8> {
    /// With zeroes beyond the end.
    fn clone_range(&self, range: &Range<u64>) -> Vec<u8> {
        let end = (range.end as usize).min(self.len());
        let mut bytes = self[(range.start as usize).min(end)..end].to_vec();
        bytes.resize((range.end - range.start) as usize, 0);
        bytes
    }
}
