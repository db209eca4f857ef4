//! The real binary on real block devices that the tests made.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::io::{Read, Seek};
use std::os::unix::fs::FileExt;
use std::process::Command;

use common::loopdev::LoopDevice;
use common::station::{Station, both, marked, marks_in, text};

const SIZE: usize = 48 << 20;

fn practice_drive(size: usize, options: &[&str]) -> Option<LoopDevice> {
    let drive = LoopDevice::with_options(size as u64, options)?;
    std::fs::write(drive.backing_file(), marked(size)).unwrap();
    Some(drive)
}

fn token(station: &Station, drive: &LoopDevice) -> String {
    let plan = &station.json(0, &["plan", text(drive.path())])[0];
    assert_eq!(plan["confirm_token"], plan["medium"]["confirm_token"]);
    plan["confirm_token"].as_str().unwrap().to_owned()
}

#[test]
fn no_known_string_is_left_on_the_backing_file() {
    let station = Station::new();
    let Some(drive) = practice_drive(SIZE, &[]) else { return };
    assert!(marks_in(drive.backing_file()) > 90_000);
    let token = token(&station, &drive);
    let result = &station.json(0, &["wipe", text(drive.path()), "--confirm", &token])[0];
    assert_eq!(result["outcome"], "pass");
    assert_eq!(marks_in(drive.backing_file()), 0);
    let certificate = result["certificate"].as_str().unwrap();
    let shown = &station.json(0, &["certificate", "show", certificate])[0]["document"]["facts"];
    assert_eq!((&shown["medium"]["class"], &shown["proven"]), (&"virtual".into(), &"full_readback".into()));
    assert_eq!(shown["io"]["direct"], true);
    station.ok(&["verify-media", text(drive.path()), "--certificate", certificate]);

    // One byte flipped behind the device's back is found at its exact block.
    let file = std::fs::OpenOptions::new().read(true).write(true).open(drive.backing_file()).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 31_234_567).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 31_234_567).unwrap();
    file.sync_all().unwrap();
    let check = &station.json(5, &["verify-media", text(drive.path()), "--certificate", certificate])[0];
    let lba = (31_234_567 / 512).to_string();
    assert_eq!(check["mismatched"], serde_json::json!([{ "first": lba, "count": "1" }]));
}

#[test]
fn a_drive_with_blocks_of_4096_bytes() {
    let station = Station::new();
    let Some(drive) = practice_drive(8 << 20, &["--sector-size=4096"]) else { return };
    let token = token(&station, &drive);
    let result = &station.json(0, &["wipe", text(drive.path()), "--confirm", &token, "--scheme", "zero"])[0];
    assert_eq!(result["medium"]["geometry"]["logical_block"], 4096);
    assert!(std::fs::read(drive.backing_file()).unwrap().iter().all(|b| *b == 0));
}

#[test]
fn only_its_own_token_confirms_a_drive() {
    let station = Station::new();
    let (Some(a), Some(b)) = (practice_drive(1 << 20, &[]), practice_drive(1 << 20, &[])) else { return };
    let (token_a, token_b) = (token(&station, &a), token(&station, &b));
    assert_ne!(token_a, token_b);
    station.expect(3, &["wipe", text(a.path())]);
    station.expect(3, &["wipe", text(a.path()), "--yes"]);
    station.expect(3, &["wipe", text(a.path()), "--confirm", &token_b]);
    station.expect(3, &["wipe", text(a.path()), "--confirm", "YES"]);
    assert_eq!(marks_in(a.backing_file()) + marks_in(b.backing_file()), 2 * 2048);
    let both_drives = ["wipe", text(a.path()), text(b.path()), "--confirm", &token_b, "--confirm", &token_a];
    station.ok(&both_drives);
    assert_eq!(marks_in(a.backing_file()) + marks_in(b.backing_file()), 0);
}

/// They share the lock on their disk, which keeps out everybody else until the last of them is done.
#[test]
fn two_partitions_of_one_disk_are_wiped_in_one_call() {
    let station = Station::new();
    let Some((drive, parts)) = LoopDevice::with_two_partitions() else { return };
    std::fs::write(drive.backing_file(), marked(32 << 20)).unwrap();
    let mut args = vec!["wipe".to_owned(), "--partition".to_owned()];
    for part in parts.iter().map(|part| text(part)) {
        let plan = &station.json(0, &["plan", "--partition", part])[0];
        args.extend([part, "--confirm", plan["confirm_token"].as_str().unwrap()].map(str::to_owned));
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let results = station.json(0, &args);
    assert_eq!(results.iter().map(|result| &result["outcome"]).collect::<Vec<_>>(), ["pass", "pass"]);
    // What lies beside them is as it was.
    assert_eq!(marks_in(drive.backing_file()), (32 << 11) - 2 * 8192);
}

#[test]
fn a_drive_in_use_is_refused_with_its_reason() {
    let station = Station::new();
    let Some(drive) = practice_drive(16 << 20, &[]) else { return };
    let Some(_) = common::tool("mkswap", &[drive.path().as_os_str()]) else { return };
    let token = token(&station, &drive);
    let Some(_) = common::tool("swapon", &[drive.path().as_os_str()]) else { return };
    let output = station.run(&["wipe", text(drive.path()), "--confirm", &token]);
    let _ = common::tool("swapoff", &[drive.path().as_os_str()]);
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    assert!(both(&output).contains(&format!("swapoff {}", drive.path().display())), "{}", both(&output));
    assert!(marks_in(drive.backing_file()) > 32_000);
}

/// A read-back through the host's cache shows nothing of the medium: that is known before anything is written.
#[test]
fn a_drive_that_cannot_be_read_back_is_refused_and_did_not_fail() {
    let station = Station::new();
    let Some(drive) = practice_drive(64 << 20, &[]) else { return };
    let Some(_) = common::tool("losetup", &["--direct-io=off".as_ref(), drive.path().as_os_str()]) else { return };
    let token = token(&station, &drive);
    let (file, moved) = (drive.backing_file().to_owned(), drive.backing_file().with_extension("moved"));
    let wipe = ["wipe", text(drive.path()), "--confirm", &token, "--scheme", "gutmann", "--checkpoint", "0.1"];
    // Its file gets another name while it is written.
    let child = station.command(&wipe).stderr(std::process::Stdio::piped()).spawn().unwrap();
    wait_for_intent(&station);
    let begun =
        || std::fs::read_to_string(&station.files("journal")[0]).is_ok_and(|text| text.contains("stage_started"));
    while !begun() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    std::fs::rename(&file, &moved).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", both(&output));
    assert!(station.files("failures").is_empty());
    let run = station.json(0, &["resume"])[0]["run_id"].as_str().unwrap().to_owned();
    station.ok(&["resume", &run]);
    assert_eq!(marks_in(&moved), 0);

    // Without a name it cannot be asked to drop what it has cached.
    std::fs::write(&moved, marked(64 << 20)).unwrap();
    let open = std::fs::File::open(&moved).unwrap();
    std::fs::remove_file(&moved).unwrap();
    let told = both(&station.expect(3, &wipe));
    assert!(told.contains("cache") && station.files("journal").is_empty(), "{told}");
    let mut left = Vec::new();
    (&open).read_to_end(&mut left).unwrap();
    assert_eq!(left, marked(64 << 20), "nothing was written");
}

#[test]
fn the_image_behind_a_loop_device_is_refused() {
    let station = Station::new();
    let Some(drive) = practice_drive(1 << 20, &[]) else { return };
    let told = both(&station.expect(3, &["wipe", text(drive.backing_file()), "--yes"]));
    let advice = format!("losetup -d {}", drive.path().display());
    assert!(told.contains("built on it") && told.contains(&advice), "{told}");
    assert_eq!(marks_in(drive.backing_file()), 2048);
}

/// Whatever one station knows of another one: the kernel knows who holds the drive.
#[test]
fn two_processes_cannot_wipe_one_drive() {
    let (station, other) = (Station::new(), Station::new());
    let Some(drive) = practice_drive(32 << 20, &[]) else { return };
    let image = station.image("disk.img", 32 << 20);
    let token = token(&station, &drive);
    for (target, word, confirmed, why) in [
        (drive.path(), "--confirm", Some(token.as_str()), "opened exclusively"),
        (image.as_path(), "--yes", None, "locked by another program"),
    ] {
        let mut args = vec!["wipe", text(target), "--scheme", "dod-ece", word];
        args.extend(confirmed);
        let before = station.files("certificates").len();
        let first = station.command(&args).stderr(std::process::Stdio::piped()).spawn().unwrap();
        wait_for_intent(&station);
        // It stands still, and does not end before the others have tried.
        let tell = |signal: &str| Command::new("kill").args(["-s", signal, &first.id().to_string()]).status().unwrap();
        assert!(tell("STOP").success());
        let second = other.run(&args);
        // In its own station the open run stands against it as well.
        let third = station.run(&args);
        assert!(tell("CONT").success());
        assert_eq!(
            (second.status.code(), third.status.code()),
            (Some(3), Some(3)),
            "{}{}",
            both(&second),
            both(&third)
        );
        assert!(both(&second).contains(why), "{}", both(&second));
        assert!(first.wait_with_output().unwrap().status.success());
        assert_eq!(station.files("certificates").len(), before + 1);
    }
    station.ok(&["custody", "audit"]);
    other.ok(&["custody", "audit"]);
    assert!(other.files("certificates").is_empty() && other.files("journal").is_empty());
}

/// Threads of a process by name, without the kernel's helpers for io_uring.
fn threads(pid: u32) -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.starts_with("iou-"))
        .collect()
}

#[test]
fn sixty_four_drives_with_few_threads() {
    const EACH: usize = 2 << 20;
    let station = Station::new();
    let drives: Vec<_> = (0..64).map_while(|_| practice_drive(EACH, &[])).collect();
    if drives.len() < 64 {
        return;
    }
    let listed = &station.json(0, &["drives"])[0]["drives"];
    let mut args: Vec<String> = ["--json", "wipe", "--workers", "2"].map(str::to_owned).into();
    for drive in &drives {
        let found = listed.as_array().unwrap().iter().find(|d| d["path"] == text(drive.path())).unwrap();
        args.extend([text(drive.path()).to_owned(), "--confirm".to_owned()]);
        args.push(found["confirm_token"].as_str().unwrap().to_owned());
    }
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let mut output = tempfile::tempfile().unwrap();
    let mut child = station.command(&args).stdout(output.try_clone().unwrap()).spawn().unwrap();
    let (mut most, mut helpers, mut seen) = (Vec::new(), 0, 0);
    while child.try_wait().unwrap().is_none() {
        let (blocking, ours): (Vec<_>, Vec<_>) =
            threads(child.id()).into_iter().partition(|name| name == "lw-blocking");
        seen += usize::from(ours.iter().any(|name| name.starts_with("lw-io")) && !blocking.is_empty());
        helpers = helpers.max(blocking.len());
        if ours.len() > most.len() {
            most = ours;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(seen > 0, "the workers were seen");
    // Tasks, two workers, and for a moment one that asks whether the drives are free; helpers are one, and one more
    // for each call that hangs, as flushes of a busy disk do.
    assert!(most.len() <= 4 && helpers <= 4, "{most:?} and {helpers} helpers");
    let mut told = Vec::new();
    output.rewind().unwrap();
    output.read_to_end(&mut told).unwrap();
    let results = common::station::json_lines(&told);
    assert_eq!(results.len(), 64);
    assert!(results.iter().all(|r| r["outcome"] == "pass"));
    let before = marked(EACH);
    for drive in &drives {
        let now = std::fs::read(drive.backing_file()).unwrap();
        assert_eq!((now.len(), marks_in(drive.backing_file())), (EACH, 0));
        // One byte in 256 is by chance what it was.
        let same = now.iter().zip(&before).filter(|(now, before)| now == before).count();
        assert!(same < EACH / 200, "{same} bytes of {EACH} are as before");
    }
    let keys: std::collections::HashSet<_> = station
        .files("certificates")
        .iter()
        .map(|c| station.json(0, &["certificate", "show", text(c)])[0]["document"]["facts"]["passes"][0].to_string())
        .collect();
    assert_eq!(keys.len(), 64, "every pass has a key of its own");
    station.ok(&["custody", "audit"]);
}

/// The intent is logged and journalled: from here to its end the run holds no lock on the log, which whoever comes
/// second would wait for.
fn wait_for_intent(station: &Station) {
    let is_intended = |file: std::path::PathBuf| {
        std::fs::read_to_string(file).is_ok_and(|journal| journal.contains(r#""entry":"intended""#))
    };
    for _ in 0..500 {
        if station.files("journal").into_iter().any(is_intended) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the run did not begin");
}
