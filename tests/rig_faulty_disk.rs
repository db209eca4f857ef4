//! The faulty disk really is faulty, as seen by who uses the loop device with O_DIRECT, and by its
//! medium.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use common::direct::Direct;
use common::fuse_disk::{Effect, Fault, FaultyDisk, On};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const SECTOR: u64 = 512;

fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

/// The sectors of `within` for which `operation` fails, one request each.
fn failing(within: Range<u64>, operation: impl Fn(Range<u64>) -> io::Result<()>) -> Vec<u64> {
    let sectors = within.start / SECTOR..within.end / SECTOR;
    sectors.filter(|lba| operation(lba * SECTOR..(lba + 1) * SECTOR).is_err()).collect()
}

fn part(medium: &[u8], range: Range<u64>) -> &[u8] {
    &medium[range.start as usize..range.end as usize]
}

fn all(bytes: &[u8], value: u8) -> bool {
    bytes.iter().all(|b| *b == value)
}

#[test]
fn without_faults_it_is_a_disk_with_direct_io_and_512_byte_blocks() {
    let Some(disk) = FaultyDisk::new(8 * MIB, vec![]) else { return };
    assert_eq!(disk.sysfs("queue/logical_block_size"), "512");
    assert_eq!(disk.sysfs("size"), (8 * MIB / SECTOR).to_string());
    let device = Direct::open(disk.loop_path());
    let pattern: Vec<u8> = (0..8 * MIB).map(|i| (i % 251) as u8).collect();
    assert_eq!(device.write(0, &pattern).unwrap() as u64, 8 * MIB);
    assert_eq!(disk.backing(), pattern);
    assert_eq!(device.read(0..8 * MIB).unwrap(), pattern);
    assert_eq!(disk.flushes_seen(), 0);
    device.flush().unwrap();
    assert_eq!(disk.flushes_seen(), 1);
    assert!(disk.writes_seen() > 1, "a write of 8 MiB arrives in parts");
    assert!(disk.seen().iter().all(|seen| seen.effects.is_empty()));
    assert_eq!(disk.offloads_seen(), 0);
}

#[test]
fn a_disk_of_4k_blocks() {
    let Some(disk) = FaultyDisk::with_options(MIB, vec![], &["--sector-size=4096"]) else { return };
    assert_eq!(disk.sysfs("queue/logical_block_size"), "4096");
    let device = Direct::open(disk.loop_path());
    assert_eq!(errno(device.write(0, &[1; 512])), libc::EINVAL);
    assert_eq!(device.write(4096, &[1; 4096]).unwrap(), 4096);
    assert!(all(part(&disk.backing(), 4096..8192), 1));
}

#[test]
fn a_write_is_dropped_once_or_always() {
    let lost = 100 * SECTOR..101 * SECTOR;
    let Some(disk) = FaultyDisk::new(MIB, vec![Fault::new(On::Write, lost.clone(), Effect::Drop).once()]) else {
        return;
    };
    let device = Direct::open(disk.loop_path());
    assert_eq!(device.write(0, &vec![1; MIB as usize]).unwrap() as u64, MIB);
    let medium = disk.backing();
    assert!(all(part(&medium, 0..lost.start), 1) && all(part(&medium, lost.end..MIB), 1));
    assert!(all(part(&medium, lost.clone()), 0));
    device.write(0, &vec![2; MIB as usize]).unwrap();
    assert!(all(&disk.backing(), 2));

    disk.set_faults(vec![Fault::new(On::Write, lost.clone(), Effect::Drop)]);
    for value in [3, 4] {
        device.write(0, &vec![value; MIB as usize]).unwrap();
        let medium = disk.backing();
        assert!(all(part(&medium, lost.clone()), 2), "dropped again");
        assert!(all(part(&medium, lost.end..MIB), value));
        assert_eq!(device.read(lost.clone()).unwrap(), vec![2; 512], "the device does not remember it either");
    }
}

#[test]
fn a_write_lands_elsewhere() {
    let fault = Fault::new(On::Write, 8 * KIB..12 * KIB, Effect::Misdirect { to: 512 * KIB }).once();
    let Some(disk) = FaultyDisk::new(MIB, vec![fault]) else { return };
    let device = Direct::open(disk.loop_path());
    device.write(0, &vec![7; 64 * KIB as usize]).unwrap();
    let medium = disk.backing();
    assert!(all(part(&medium, 8 * KIB..12 * KIB), 0));
    assert!(all(part(&medium, 512 * KIB..516 * KIB), 7));
    assert!(all(part(&medium, 0..8 * KIB), 7) && all(part(&medium, 12 * KIB..64 * KIB), 7));
    assert!(all(part(&medium, 64 * KIB..512 * KIB), 0) && all(part(&medium, 516 * KIB..MIB), 0));
}

#[test]
fn exactly_the_bad_sectors_fail_and_any_request_that_touches_one() {
    let bad = [3, 64, 65, 2047].map(|lba| lba * SECTOR..(lba + 1) * SECTOR);
    let faults = |on| bad.iter().map(|range| Fault::new(on, range.clone(), Effect::Error(libc::EIO))).collect();
    let Some(disk) = FaultyDisk::new(MIB, faults(On::Write)) else { return };
    let device = Direct::open(disk.loop_path());
    let read = |range: Range<u64>| device.read(range).map(drop);
    let write = |range: Range<u64>| device.write(range.start, &[5; SECTOR as usize]).map(drop);

    assert_eq!(errno(device.write(0, &vec![9; MIB as usize])), libc::EIO);
    assert_eq!(errno(device.write(2 * SECTOR, &vec![9; 4096])), libc::EIO);
    assert!(all(part(&disk.backing(), 2 * SECTOR..10 * SECTOR), 0), "a failed write stores nothing");
    assert_eq!(failing(0..MIB, write), [3, 64, 65, 2047]);
    assert!(failing(0..MIB, read).is_empty());
    assert!(all(part(&disk.backing(), 4 * SECTOR..64 * SECTOR), 5));

    disk.set_faults(faults(On::Read));
    assert_eq!(errno(device.read(0..MIB)), libc::EIO);
    assert_eq!(failing(0..MIB, read), [3, 64, 65, 2047]);
    assert!(failing(0..MIB, write).is_empty());

    disk.set_faults(faults(On::ReadWrite));
    assert_eq!(failing(0..MIB, read), [3, 64, 65, 2047]);
    assert_eq!(failing(0..MIB, write), [3, 64, 65, 2047]);
    device.flush().unwrap();

    disk.set_faults(vec![Fault::new(On::Flush, 0..0, Effect::Error(libc::EIO)).once()]);
    assert_eq!(errno(device.flush()), libc::EIO);
    device.flush().unwrap();
}

#[test]
fn a_large_write_fails_for_one_sector_of_it() {
    let bad = 7 * MIB + 5 * SECTOR..7 * MIB + 6 * SECTOR;
    let fault = Fault::new(On::Write, bad.clone(), Effect::Error(libc::EIO));
    let Some(disk) = FaultyDisk::new(16 * MIB, vec![fault]) else { return };
    let device = Direct::open(disk.loop_path());
    match device.write(0, &vec![1; 16 * MIB as usize]) {
        // The block layer's own splits decide whether the good beginning is acknowledged.
        Ok(written) => assert!(written as u64 <= bad.start, "{written}"),
        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EIO)),
    }
    assert!(all(part(&disk.backing(), bad), 0));
}

#[test]
fn which_error_number_reaches_the_user() {
    let Some(disk) = FaultyDisk::new(MIB, vec![]) else { return };
    let device = Direct::open(disk.loop_path());
    let kept = [libc::EIO, libc::ENODEV, libc::ENODATA, libc::EILSEQ, libc::ETIMEDOUT, libc::ENOSPC, libc::EREMOTEIO];
    let made_eio = [libc::ENXIO, libc::ENOMEDIUM, libc::ESHUTDOWN, libc::ENOTCONN];
    let cases = kept.map(|errno| (errno, errno)).into_iter().chain(made_eio.map(|errno| (errno, libc::EIO)));
    for (given, expected) in cases {
        disk.set_faults(vec![Fault::gone(given)]);
        let seen = (errno(device.read(0..4096)), errno(device.write(0, &[0; 4096])));
        assert_eq!(seen, (expected, expected), "given {given}");
        assert_eq!(errno(device.flush()), libc::EIO, "given {given}: the loop driver forgets what a flush said");
    }
}

#[test]
fn a_short_read_is_completed_and_a_short_write_is_not() {
    let Some(disk) = FaultyDisk::new(MIB, vec![]) else { return };
    let device = Direct::open(disk.loop_path());
    let short = |on, keep| vec![Fault::new(on, 0..64 * KIB, Effect::Short { keep }).once()];
    let pattern: Vec<u8> = (0..64 * KIB).map(|i| (i % 251) as u8).collect();
    device.write(0, &pattern).unwrap();

    disk.set_faults(short(On::Read, 4096));
    let before = disk.reads_seen();
    assert_eq!(device.read(0..64 * KIB).unwrap(), pattern);
    assert_eq!(disk.reads_seen(), before + 2);

    disk.set_faults(short(On::Read, 0));
    assert_eq!(errno(device.read(0..64 * KIB)), libc::EIO);

    disk.set_faults(short(On::Write, 4096));
    match device.write(0, &vec![255; 64 * KIB as usize]) {
        Ok(written) => assert_eq!(written as u64, 64 * KIB, "kernels that take it for complete"),
        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EIO)),
    }
    let medium = disk.backing();
    assert!(all(part(&medium, 0..4096), 255));
    assert_eq!(part(&medium, 4096..64 * KIB), &pattern[4096..]);
}

#[test]
fn rot_is_read_and_not_stored() {
    let fault = Fault::new(On::Read, 1000..1001, Effect::Rot { flip: 0x10 }).once();
    let Some(disk) = FaultyDisk::new(MIB, vec![fault]) else { return };
    let device = Direct::open(disk.loop_path());
    let mut expected = vec![0; 4096];
    expected[1000] = 0x10;
    assert_eq!(device.read(0..4096).unwrap(), expected);
    assert_eq!(device.read(0..4096).unwrap(), vec![0; 4096]);
    assert!(all(&disk.backing(), 0));
    disk.poke(70_000, &[1]);
    assert_eq!(device.read(69_632..73_728).unwrap()[368], 1, "a poke is really there");
}

#[test]
fn counts_choose_the_request() {
    let fault = Fault::new(On::Write, 0..512, Effect::Drop).after(2).times(2);
    let Some(disk) = FaultyDisk::new(MIB, vec![fault]) else { return };
    let device = Direct::open(disk.loop_path());
    let found: Vec<u8> = (1..=6)
        .map(|value| {
            device.write(0, &[value; 512]).unwrap();
            device.write(4096, &[value; 512]).unwrap();
            disk.backing()[0]
        })
        .collect();
    assert_eq!(found, [1, 2, 2, 2, 5, 6]);
}

#[test]
fn a_late_request_is_late_and_the_others_are_not() {
    let fault = Fault::new(On::Read, 0..512, Effect::Delay(Duration::from_millis(300)));
    let Some(disk) = FaultyDisk::new(MIB, vec![fault]) else { return };
    let device = Direct::open(disk.loop_path());
    let start = Instant::now();
    device.read(4096..8192).unwrap();
    assert!(start.elapsed() < Duration::from_millis(250));
    device.read(0..4096).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_hang_lasts_until_it_is_released_and_holds_up_no_other_request() {
    let hang = |on| Fault::new(on, 0..4096, Effect::Hang);
    let Some(disk) = FaultyDisk::new(MIB, vec![hang(On::ReadWrite)]) else { return };
    let path = disk.loop_path().to_owned();
    let device = Direct::open(&path);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| Direct::open(&path).write(0, &[1; 4096]));
        let reader = scope.spawn(|| Direct::open(&path).read(0..4096));
        assert!(disk.wait_for_hang(2, Duration::from_secs(5)));
        device.write(8192, &[2; 4096]).unwrap();
        assert_eq!(device.read(8192..12288).unwrap(), [2; 4096]);
        device.flush().unwrap();
        assert!(!writer.is_finished() && !reader.is_finished());
        assert!(all(part(&disk.backing(), 0..4096), 0), "not stored while it hangs");
        disk.release();
        assert_eq!(writer.join().unwrap().unwrap(), 4096);
        assert_eq!(reader.join().unwrap().unwrap().len(), 4096);
    });
    assert!(all(part(&disk.backing(), 0..4096), 1));
    device.write(0, &[3; 4096]).unwrap();

    disk.set_faults(vec![hang(On::Flush)]);
    assert!(!disk.wait_for_hang(1, Duration::from_millis(50)));
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| device.flush());
        assert!(disk.wait_for_hang(1, Duration::from_secs(5)));
        assert!(!flush.is_finished());
        disk.release();
        flush.join().unwrap().unwrap();
    });
}

#[test]
fn a_process_that_hangs_on_it_cannot_be_killed_before_the_release() {
    let Some(disk) = FaultyDisk::new(MIB, vec![Fault::new(On::Read, 0..4096, Effect::Hang)]) else { return };
    let mut child = std::process::Command::new("dd")
        .args(["iflag=direct", "of=/dev/null", "bs=4096", "count=1", "status=none"])
        .arg(format!("if={}", disk.loop_path().display()))
        .spawn()
        .unwrap();
    assert!(disk.wait_for_hang(1, Duration::from_secs(5)));
    child.kill().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none(), "uninterruptible, like a real drive that does not answer");
    disk.release();
    assert!(!child.wait().unwrap().success());
}

#[test]
fn a_device_that_is_gone_fails_everything_but_its_node_stays() {
    let Some(disk) = FaultyDisk::new(MIB, vec![Fault::gone(libc::ENODEV).after(2)]) else { return };
    let device = Direct::open(disk.loop_path());
    device.write(0, &[1; 4096]).unwrap();
    device.flush().unwrap();
    assert_eq!(errno(device.write(4096, &[1; 4096])), libc::ENODEV);
    assert_eq!(errno(device.read(0..4096)), libc::ENODEV);
    assert!(device.flush().is_err());
    Direct::open(disk.loop_path());
    assert_eq!(disk.sysfs("size"), (MIB / SECTOR).to_string());
}

#[test]
fn the_size_changes_under_the_user() {
    let Some(disk) = FaultyDisk::new(MIB, vec![]) else { return };
    let device = Direct::open(disk.loop_path());
    device.write(MIB - 4096, &[1; 4096]).unwrap();
    disk.set_size(512 * KIB);
    assert_eq!(disk.sysfs("size"), (512 * KIB / SECTOR).to_string());
    assert!(device.read(MIB - 4096..MIB).unwrap().is_empty(), "beyond the end");
    assert_eq!(errno(device.write(MIB - 4096, &[1; 4096])), libc::ENOSPC);
    disk.set_size(2 * MIB);
    assert_eq!(device.write(2 * MIB - 4096, &[1; 4096]).unwrap(), 4096);
    assert_eq!(disk.backing().len() as u64, 2 * MIB);
}

#[test]
fn an_offload_is_counted_apart() {
    let Some(disk) = FaultyDisk::new(MIB, vec![]) else { return };
    Direct::open(disk.loop_path()).write(0, &vec![1; MIB as usize]).unwrap();
    let Some(_) = common::tool("blkdiscard", &["--zeroout".as_ref(), disk.loop_path().as_os_str()]) else { return };
    assert!(disk.offloads_seen() > 0);
    assert!(all(&disk.backing(), 0));
}

#[test]
fn nothing_stays_behind_a_panic() {
    let Some(disk) = FaultyDisk::new(MIB, vec![Fault::new(On::Write, 0..4096, Effect::Hang)]) else { return };
    let path = disk.loop_path().to_owned();
    let backing = disk.sysfs("loop/backing_file");
    let (opened, is_open) = std::sync::mpsc::channel();
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            let device = Direct::open(&path);
            opened.send(()).unwrap();
            device.write(0, &[1; 4096])
        }
    });
    is_open.recv().unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        assert!(disk.wait_for_hang(1, Duration::from_secs(5)));
        panic!("on purpose, while a write hangs");
    }));
    assert!(panicked.is_err());
    assert_eq!(writer.join().unwrap().unwrap(), 4096, "the hang was released");
    // The kernel detaches when the last descriptor is closed; another test may take the node then.
    let attached = Path::new("/sys/block").join(path.file_name().unwrap()).join("loop/backing_file");
    assert_ne!(std::fs::read_to_string(attached).unwrap_or_default().trim(), backing);
    let folder = Path::new(&backing).parent().unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&format!(" {} ", folder.display())));
    assert!(!folder.exists());
}

#[test]
fn a_volatile_cache_loses_what_was_not_flushed() {
    let hangs = Fault::new(On::Write, 3 * 4096..4 * 4096, Effect::Hang);
    let Some(disk) = FaultyDisk::new(MIB, vec![hangs]) else { return };
    let device = Direct::open(disk.loop_path());
    disk.set_volatile();
    device.write(0, &[1; 4096]).unwrap();
    device.flush().unwrap();
    device.write(4096, &[2; 4096]).unwrap();
    assert!(all(part(&disk.backing(), 4096..8192), 2) && all(&device.read(4096..8192).unwrap(), 2));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| device.write(3 * 4096, &[3; 4096]));
        assert!(disk.wait_for_hang(1, Duration::from_secs(10)));
        disk.cut_power();
        assert_eq!(errno(writer.join().unwrap()), libc::EIO, "under way at the cut: not done");
    });
    for dead in [device.write(0, &[4; 4096]).map(drop), device.read(0..4096).map(drop), device.flush()] {
        assert_eq!(errno(dead), libc::EIO);
    }
    disk.power_on();
    let medium = disk.backing();
    assert!(all(part(&medium, 0..4096), 1) && all(part(&medium, 4096..MIB), 0));
    device.write(4096, &[5; 4096]).unwrap();
    device.flush().unwrap();
    disk.cut_power();
    assert!(all(part(&disk.backing(), 4096..8192), 5));
    disk.power_on();
    drop(device);
    disk.wait_until_free();
}

/// Not a test by itself: what the next one kills.
#[test]
fn victim() {
    if std::env::var_os("VICTIM").is_none() {
        return;
    }
    let Some(disk) = FaultyDisk::new(MIB, vec![Fault::new(On::Read, 0..4096, Effect::Hang)]) else { return };
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| Direct::open(disk.loop_path()).read(0..4096));
        assert!(disk.wait_for_hang(1, Duration::from_secs(5)));
        println!("hangs on {}", disk.sysfs("loop/backing_file"));
        let _ = reader.join();
    });
}

#[test]
fn nothing_stays_behind_a_kill_not_even_a_hang_of_its_own() {
    if !common::is_root() {
        return;
    }
    #[allow(clippy::zombie_processes, reason = "waited for unless the test skips or fails")]
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env("VICTIM", "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = io::BufRead::lines(io::BufReader::new(child.stdout.take().unwrap()));
    let Some(backing) = lines.map_while(Result::ok).find_map(|l| Some(l.split_once("hangs on ")?.1.to_owned())) else {
        return common::skip("needs a loop device on FUSE");
    };
    child.kill().unwrap();
    child.wait().unwrap();
    let start = Instant::now();
    let left = || {
        let devices = std::fs::read_dir("/sys/block").unwrap().flatten();
        let attached = devices.filter_map(|entry| std::fs::read_to_string(entry.path().join("loop/backing_file")).ok());
        let mounted = Path::new(&backing).parent().is_some_and(Path::exists);
        mounted || attached.into_iter().any(|file| file.trim() == backing)
    };
    while left() {
        assert!(start.elapsed() < Duration::from_secs(10), "{backing} is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
}
