//! Both backends on real files and loop devices, and what a drive that hangs does to the others.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::single_range_in_vec_init)]

mod common;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use common::loopdev::LoopDevice;
use lastwrite::overwrite::*;
use lastwrite::scheme::{Pattern, StreamKey};
use lastwrite::sys::BufferRegistration;
use lastwrite::units::{Bytes, Lba, LbaRange, SectorSize, Sectors};

fn random(seed: u8) -> Pattern {
    Pattern::Random { key: StreamKey([seed; 16]) }
}

fn job(disk: Arc<dyn Disk>, size: u64, op: PassOp, pattern: &Pattern) -> PassJob {
    PassJob {
        disk,
        size: Bytes(size),
        block: SectorSize::B512,
        op,
        pattern: pattern.clone(),
        extents: Extents::All { from: Bytes(0) },
        faults: FaultLimits::default(),
    }
}

fn wait(handle: PassHandle) -> PassOutcome {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(handle.wait())
}

fn open(path: &Path, direct: bool) -> Arc<FileDisk> {
    let flags = if direct { libc::O_DIRECT } else { 0 };
    Arc::new(FileDisk(OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).unwrap()))
}

fn image(size: u64) -> (tempfile::NamedTempFile, Arc<FileDisk>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(size).unwrap();
    let disk = open(file.path(), false);
    (file, disk)
}

fn engine(io: IoChoice) -> Option<Engine> {
    match Engine::start(EngineConfig { io, make_ready: true, ..EngineConfig::default() }) {
        Ok(engine) => Some(engine),
        Err(error) => {
            common::skip(&format!("{error}"));
            None
        }
    }
}

fn block(first: u64) -> Vec<LbaRange> {
    vec![LbaRange { first: Lba(first), count: Sectors(1) }]
}

fn is_clean(outcome: &PassOutcome, size: u64) -> bool {
    matches!(outcome.end, PassEnd::Complete)
        && outcome.ledger.is_clean()
        && outcome.done == Bytes(size)
        && outcome.watermark == Bytes(size)
}

/// Two tests count the threads of this process: nothing else may run in it meanwhile.
static OTHERS: RwLock<()> = RwLock::new(());

fn alone() -> RwLockWriteGuard<'static, ()> {
    let alone = OTHERS.write().unwrap_or_else(PoisonError::into_inner);
    // Those of earlier engines take a moment to leave.
    (0..1000).take_while(|_| !threads().is_empty()).for_each(|_| std::thread::sleep(Duration::from_millis(10)));
    alone
}

/// Names of this process's threads, the kernel's helpers for io_uring included.
fn threads() -> Vec<String> {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| name.starts_with("lw-") || name.starts_with("iou-"))
        .collect()
}

#[test]
fn both_backends_write_the_same_image_with_a_partial_last_block() {
    let _others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let size = 3_000_000 + 321;
    for pattern in [Pattern::Byte { byte: 0x5A }, Pattern::Bytes { bytes: vec![0x92, 0x49, 0x24] }, random(3)] {
        let mut images = Vec::new();
        for io in [IoChoice::Uring, IoChoice::Plain] {
            let Some(engine) = engine(io) else { return };
            let (file, disk) = image(size);
            let written = wait(engine.submit(job(disk.clone(), size, PassOp::Write, &pattern)));
            assert!(is_clean(&written, size), "{written:?}");
            let verified = wait(engine.submit(job(disk.clone(), size, PassOp::Verify, &pattern)));
            assert!(is_clean(&verified, size), "{verified:?}");
            let bytes = std::fs::read(file.path()).unwrap();
            assert_eq!(bytes.len() as u64, size, "the image did not grow");
            assert_eq!(pattern.compile().first_mismatch(0, &bytes), None);
            images.push(bytes);
            // One wrong byte in the middle, one in the partial last block.
            for at in [1_500_000, size - 1] {
                let mut byte = [0];
                disk.0.read_exact_at(&mut byte, at).unwrap();
                disk.0.write_all_at(&[byte[0] ^ 1], at).unwrap();
                let verified = wait(engine.submit(job(disk.clone(), size, PassOp::Verify, &pattern)));
                assert_eq!(verified.ledger.mismatched, block(at / 512));
                assert!(verified.done.0 < size && matches!(verified.end, PassEnd::Complete));
                disk.0.write_all_at(&byte, at).unwrap();
            }
        }
        assert!(images[0] == images[1]);
    }
}

#[test]
fn loop_devices_with_direct_io() {
    let _others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    if !common::is_root() {
        return common::skip("needs root for loop devices");
    }
    let size = 10 << 20;
    for options in [&[][..], &["--sector-size=4096"]] {
        let Some(device) = LoopDevice::with_options(size, options) else { return };
        let backing = OpenOptions::new().read(true).write(true).open(device.backing_file()).unwrap();
        for io in [IoChoice::Uring, IoChoice::Plain] {
            let Some(engine) = engine(io) else { return };
            for pattern in [Pattern::Byte { byte: 0xFF }, random(8)] {
                let work = |op| {
                    let mut job = job(open(device.path(), true), size, op, &pattern);
                    job.block = SectorSize::new(if options.is_empty() { 512 } else { 4096 }).unwrap();
                    let unit = job.block.bytes();
                    (wait(engine.submit(job)), unit)
                };
                assert!(is_clean(&work(PassOp::Write).0, size));
                assert!(is_clean(&work(PassOp::Verify).0, size));
                let at = 9_000_001;
                let mut byte = [0];
                backing.read_exact_at(&mut byte, at).unwrap();
                backing.write_all_at(&[!byte[0]], at).unwrap();
                backing.sync_all().unwrap();
                let (verified, unit) = work(PassOp::Verify);
                assert_eq!(verified.ledger.mismatched, block(at / unit), "{io:?}");
            }
        }
    }
}

#[test]
fn samples_and_resumption_touch_only_their_extents() {
    let _others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let size = 6 << 20;
    for io in [IoChoice::Uring, IoChoice::Plain] {
        let Some(engine) = engine(io) else { return };
        let (file, disk) = image(size);
        let ones = Pattern::Byte { byte: 0xFF };
        let mut half = job(disk.clone(), size, PassOp::Write, &ones);
        half.extents = Extents::All { from: Bytes(size / 2) };
        let outcome = wait(engine.submit(half));
        assert_eq!(outcome.done, Bytes(size / 2));
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(
            bytes[..bytes.len() / 2].iter().all(|b| *b == 0) && bytes[bytes.len() / 2..].iter().all(|b| *b == 0xFF)
        );

        let zero = Pattern::Byte { byte: 0 };
        let mut sample = job(disk.clone(), size, PassOp::Verify, &zero);
        let ranges = sample_extents(Bytes(size), SectorSize::B512, [1; 32]);
        let wanted: u64 = ranges.iter().map(|r| r.end - r.start).sum();
        let wrong: u64 = ranges.iter().map(|r| r.end.saturating_sub(r.start.max(size / 2))).sum();
        sample.extents = Extents::Sample(ranges);
        let outcome = wait(engine.submit(sample));
        assert_eq!(outcome.done.0, wanted - wrong);
        assert_eq!(outcome.ledger.blocks() * 512, wrong);

        let mut nonsense = job(disk, size, PassOp::Write, &zero);
        nonsense.extents = Extents::Sample(vec![0..size + 512]);
        assert!(matches!(wait(engine.submit(nonsense)).end, PassEnd::Failed { .. }));
    }
}

#[test]
fn sixty_four_images_at_once_on_a_handful_of_threads() {
    let _alone = alone();
    let size = 1 << 19;
    let Some(engine) = engine(IoChoice::Uring) else { return };
    for op in [PassOp::Write, PassOp::Verify] {
        let images: Vec<_> = (0..64).map(|_| image(size)).collect();
        if op == PassOp::Verify {
            for (i, (_, disk)) in images.iter().enumerate() {
                let mut bytes = vec![0; size as usize];
                random(i as u8).compile().fill(0, &mut bytes);
                disk.0.write_all_at(&bytes, 0).unwrap();
            }
        }
        let handles: Vec<_> = images
            .iter()
            .enumerate()
            .map(|(i, (_, disk))| engine.submit(job(disk.clone(), size, op, &random(i as u8))))
            .collect();
        let mut most = 0;
        while handles.iter().any(|h| h.progress().done.0 < size) {
            most = most.max(threads().len());
            std::thread::sleep(Duration::from_millis(1));
        }
        for (i, (handle, (file, _))) in handles.into_iter().zip(&images).enumerate() {
            let progress = handle.progress();
            assert_eq!((progress.total, progress.errors), (Bytes(size), 0));
            assert!(is_clean(&wait(handle), size));
            assert_eq!(random(i as u8).compile().first_mismatch(0, &std::fs::read(file.path()).unwrap()), None);
        }
        assert!(most <= 4, "{most} threads: {:?}", threads());
    }
}

#[test]
fn unregistered_buffers_do_as_well() {
    let _others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let config = EngineConfig { registration: BufferRegistration::Never, io: IoChoice::Uring, ..Default::default() };
    let Ok(engine) = Engine::start(config) else { return common::skip("no io_uring here") };
    assert_eq!(engine.io_mode(), IoMode::Uring { registered: false });
    let (file, disk) = image(20 << 20);
    assert!(is_clean(&wait(engine.submit(job(disk, 20 << 20, PassOp::Write, &random(1)))), 20 << 20));
    assert_eq!(random(1).compile().first_mismatch(0, &std::fs::read(file.path()).unwrap()), None);
}

/// The same test binary again, without the capability to lock memory and with a limit of 64 KiB.
#[test]
fn a_small_memlock_limit_falls_back_to_unregistered_buffers() {
    let _others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    const CHILD: &str = "LASTWRITE_TEST_MEMLOCK_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let Some(engine) = engine(IoChoice::Auto) else { return };
        let (file, disk) = image(20 << 20);
        let written = wait(engine.submit(job(disk, 20 << 20, PassOp::Write, &random(2))));
        assert!(is_clean(&written, 20 << 20), "{written:?}");
        assert_eq!(random(2).compile().first_mismatch(0, &std::fs::read(file.path()).unwrap()), None);
        println!("io mode {:?}", engine.io_mode());
        return;
    }
    let mut child = std::process::Command::new("prlimit");
    child.arg("--memlock=65536:65536");
    if common::is_root() {
        child.args(["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"]);
    }
    child.arg(std::env::current_exe().unwrap());
    child.args(["--exact", "--nocapture", "a_small_memlock_limit_falls_back_to_unregistered_buffers"]);
    let Ok(output) = child.env(CHILD, "1").output() else { return common::skip("needs prlimit and setpriv") };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    // Where even the ring is counted against the limit (before 5.12) it is plain I/O.
    assert!(text.contains("registered: false") || text.contains("Plain"), "{text}");
}

#[test]
fn a_cancelled_pass_ends_with_a_true_watermark() {
    let _others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    for io in [IoChoice::Uring, IoChoice::Plain] {
        let Some(engine) = engine(io) else { return };
        let size = 1 << 30;
        let (file, disk) = image(size);
        let handle = engine.submit(job(disk, size, PassOp::Write, &random(5)));
        while handle.progress().done.0 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        handle.cancel();
        let outcome = wait(handle);
        if matches!(outcome.end, PassEnd::Complete) {
            continue;
        }
        assert!(matches!(outcome.end, PassEnd::Cancelled), "{outcome:?}");
        assert!(outcome.watermark.0 <= outcome.done.0 && outcome.watermark.0 > 0 && outcome.ledger.is_clean());
        let mut below = vec![0; outcome.watermark.0 as usize];
        file.as_file().read_exact_at(&mut below, 0).unwrap();
        assert_eq!(random(5).compile().first_mismatch(0, &below), None);
    }
}

#[test]
fn dropping_the_engine_cancels_and_lets_go_of_the_file() {
    let _others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    for io in [IoChoice::Uring, IoChoice::Plain] {
        let Some(engine) = engine(io) else { return };
        let (_file, disk) = image(4 << 30);
        let handle = engine.submit(job(disk.clone(), 4 << 30, PassOp::Verify, &Pattern::Byte { byte: 0 }));
        let start = Instant::now();
        drop(engine);
        assert!(start.elapsed() < Duration::from_secs(4));
        assert!(matches!(wait(handle).end, PassEnd::Cancelled | PassEnd::Complete));
        let deadline = Instant::now() + Duration::from_secs(5);
        while Arc::strong_count(&disk) > 1 {
            assert!(Instant::now() < deadline, "the engine still holds the file");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Reads never complete: an empty pipe.
struct Silent(std::io::PipeReader, #[allow(dead_code)] std::io::PipeWriter);

impl Disk for Silent {
    fn raw_fd(&self) -> Option<RawFd> {
        Some(self.0.as_raw_fd())
    }
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_silent_drive_stalls_alone() {
    let _alone = alone();
    let Some(engine) = engine(IoChoice::Uring) else { return };
    let (reader, writer) = std::io::pipe().unwrap();
    let mut silent = job(Arc::new(Silent(reader, writer)), 1 << 30, PassOp::Verify, &random(1));
    silent.faults.stall_timeout = Duration::from_secs(9);
    let silent = engine.submit(silent);
    let start = Instant::now();
    let size = 4 << 20;
    let mut rounds = 0;
    while start.elapsed() < Duration::from_secs(8) {
        // Before, while and after the stall is noticed the others go on.
        let images: Vec<_> = (0..3).map(|_| image(size)).collect();
        let handles: Vec<_> =
            images.iter().map(|(_, d)| engine.submit(job(d.clone(), size, PassOp::Write, &random(7)))).collect();
        let begun = Instant::now();
        handles.into_iter().for_each(|h| assert!(is_clean(&wait(h), size)));
        assert!(begun.elapsed() < Duration::from_secs(2), "held up for {:?}", begun.elapsed());
        rounds += 1;
    }
    assert!(rounds > 2, "{rounds} rounds");
    assert!(silent.progress().stalled_for.unwrap() >= Duration::from_secs(5));
    assert!(threads().len() <= 6, "{:?}", threads());
    let outcome = wait(silent);
    assert!(matches!(outcome.end, PassEnd::Stalled { for_secs } if for_secs >= 8), "{outcome:?}");
    assert_eq!((outcome.done, outcome.watermark), (Bytes(0), Bytes(0)));
    assert_eq!(outcome.ledger.unreached, [LbaRange { first: Lba(0), count: Sectors((1 << 30) / 512) }]);
    let (_file, disk) = image(size);
    assert!(is_clean(&wait(engine.submit(job(disk, size, PassOp::Write, &random(7)))), size));
}

/// In memory; every call hangs until it is let go.
#[derive(Default)]
struct Hanging(Mutex<bool>, Condvar);

impl Disk for Hanging {
    fn raw_fd(&self) -> Option<RawFd> {
        None
    }
    fn read_at(&self, buf: &mut [u8], _: u64) -> io::Result<usize> {
        let mut free = self.0.lock().unwrap();
        while !*free {
            free = self.1.wait(free).unwrap();
        }
        buf.fill(0);
        Ok(buf.len())
    }
    fn write_at(&self, buf: &[u8], _: u64) -> io::Result<usize> {
        self.read_at(&mut vec![0; buf.len()], 0)
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_hanging_call_stalls_alone_with_plain_io() {
    let _others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let Some(engine) = engine(IoChoice::Plain) else { return };
    let hanging = Arc::new(Hanging::default());
    let mut stalled = job(hanging.clone(), 1 << 20, PassOp::Write, &random(1));
    stalled.faults.stall_timeout = Duration::from_millis(600);
    let stalled = engine.submit(stalled);
    let cancelled = engine.submit(job(hanging.clone(), 1 << 20, PassOp::Write, &random(1)));
    std::thread::sleep(Duration::from_millis(300));
    cancelled.cancel();
    let (_file, disk) = image(4 << 20);
    assert!(is_clean(&wait(engine.submit(job(disk.clone(), 4 << 20, PassOp::Write, &random(7)))), 4 << 20));
    assert!(matches!(wait(stalled).end, PassEnd::Stalled { .. }));
    let start = Instant::now();
    assert!(matches!(wait(cancelled).end, PassEnd::Stalled { .. }), "cancelling is bounded too");
    assert!(start.elapsed() < Duration::from_secs(8));
    // The calls come back after all: their threads leave, and nothing else is touched.
    *hanging.0.lock().unwrap() = true;
    hanging.1.notify_all();
    assert!(is_clean(&wait(engine.submit(job(disk, 4 << 20, PassOp::Verify, &random(7)))), 4 << 20));
    let deadline = Instant::now() + Duration::from_secs(5);
    while Arc::strong_count(&hanging) > 1 {
        assert!(Instant::now() < deadline, "a thread still holds the disk");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A filesystem that is frozen: writes to its files hang in the kernel and cannot be called back.
struct Frozen {
    _device: LoopDevice,
    folder: tempfile::TempDir,
}

impl Frozen {
    fn new() -> Option<Frozen> {
        let device = LoopDevice::new(64 << 20)?;
        let run = |program: &str, args: &[&str]| {
            std::process::Command::new(program).args(args).output().is_ok_and(|o| o.status.success())
        };
        let folder = tempfile::tempdir().unwrap();
        let (dev, dir) = (device.path().to_str().unwrap().to_owned(), folder.path().to_str().unwrap().to_owned());
        if !run("mkfs.ext4", &["-q", &dev]) || !run("mount", &[&dev, &dir]) {
            common::skip("needs mkfs.ext4 and mount");
            return None;
        }
        Some(Frozen { _device: device, folder })
    }

    fn freeze(&self) -> bool {
        std::process::Command::new("fsfreeze").arg("-f").arg(self.folder.path()).status().is_ok_and(|s| s.success())
    }

    fn thaw(&self) {
        let _ = std::process::Command::new("fsfreeze").arg("-u").arg(self.folder.path()).output();
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.thaw();
        let _ = std::process::Command::new("umount").arg("-l").arg(self.folder.path()).output();
    }
}

#[test]
fn requests_stuck_in_the_kernel_hold_up_nobody_and_keep_their_memory() {
    let _others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    if !common::is_root() {
        return common::skip("needs root to freeze a filesystem");
    }
    let Some(frozen) = Frozen::new() else { return };
    let size = 8 << 20;
    let stuck: Vec<_> = (0..2)
        .map(|i| {
            let path = frozen.folder.path().join(format!("{i}"));
            File::create(&path).unwrap().set_len(size).unwrap();
            open(&path, false)
        })
        .collect();
    if !frozen.freeze() {
        return common::skip("needs fsfreeze");
    }
    let Some(engine) = engine(IoChoice::Uring) else { return };
    let stalled: Vec<_> = stuck
        .iter()
        .map(|disk| {
            let mut job = job(disk.clone(), size, PassOp::Write, &random(1));
            job.faults.stall_timeout = Duration::from_secs(9);
            engine.submit(job)
        })
        .collect();
    // These may need the kernel's helper thread that the stuck ones occupy: they wait for the stall to
    // be noticed, and then go on elsewhere.
    let images: Vec<_> = (0..4).map(|_| image(size)).collect();
    let handles: Vec<_> =
        images.iter().map(|(_, d)| engine.submit(job(d.clone(), size, PassOp::Write, &random(7)))).collect();
    let begun = Instant::now();
    for handle in handles {
        let outcome = wait(handle);
        assert!(is_clean(&outcome, size), "{outcome:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "held up for {:?}", begun.elapsed());
    for handle in stalled {
        let outcome = wait(handle);
        assert!(matches!(outcome.end, PassEnd::Stalled { .. }), "{outcome:?}");
        assert!(!outcome.ledger.unreached.is_empty());
    }
    let handles: Vec<_> =
        images.iter().map(|(_, d)| engine.submit(job(d.clone(), size, PassOp::Verify, &random(7)))).collect();
    handles.into_iter().for_each(|h| assert!(is_clean(&wait(h), size)));
    assert!(stuck.iter().all(|disk| Arc::strong_count(disk) > 1), "never closed while requests are out");
    frozen.thaw();
    let deadline = Instant::now() + Duration::from_secs(20);
    while stuck.iter().any(|disk| Arc::strong_count(disk) > 1) {
        assert!(Instant::now() < deadline, "the answers came, and the files are still held");
        std::thread::sleep(Duration::from_millis(20));
    }
}
