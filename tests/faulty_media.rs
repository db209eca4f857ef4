//! The real binary on block devices that fail and lie on purpose: never a pass that is not true.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::fuse_disk::{Effect, Fault, FaultyDisk, On};
use common::station::{MARK, Station, both, json_lines, marked, text};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

const SIZE: usize = 8 << 20;
const EIO: i32 = 5;

fn disk(faults: Vec<Fault>) -> Option<FaultyDisk> {
    let disk = FaultyDisk::new(SIZE as u64, Vec::new())?;
    disk.poke(0, &marked(SIZE));
    disk.set_faults(faults);
    Some(disk)
}

fn token(station: &Station, disk: &FaultyDisk) -> String {
    station.json(0, &["plan", text(disk.loop_path())])[0]["confirm_token"].as_str().unwrap().to_owned()
}

/// Wipes and expects the exit code; returns the result and the facts of its document.
fn wipe(station: &Station, disk: &FaultyDisk, code: i32, more: &[&str]) -> (Value, Value) {
    let token = token(station, disk);
    let mut args = vec!["wipe", text(disk.loop_path()), "--confirm", &token, "--retry-budget", "20"];
    args.extend(more);
    let result = station.json(code, &args)[0].clone();
    let document = result["certificate"].as_str().or(result["failure_report"].as_str()).unwrap().to_owned();
    let shown = station.json(0, &["certificate", "show", &document])[0]["document"].clone();
    (result, shown)
}

fn assert_failed(station: &Station, result: &Value) {
    assert_eq!((&result["outcome"], &result["certificate"]), (&"fail".into(), &Value::Null));
    let report = result["failure_report"].as_str().unwrap();
    station.ok(&["certificate", "verify", "--failure-report", report]);
    station.expect(5, &["certificate", "verify", report]);
    assert!(station.files("certificates").is_empty());
    station.ok(&["custody", "audit"]);
}

#[test]
fn a_byte_that_does_not_stick_is_a_signed_failure() {
    let station = Station::new();
    let Some(disk) = disk(vec![Fault::new(On::Write, 5_000_000..5_000_001, Effect::Drop)]) else { return };
    // Not the random scheme: one time in 256 it would have written the byte that is there.
    let (result, document) = wipe(&station, &disk, 4, &["--scheme", "zero"]);
    assert_failed(&station, &result);
    let ledger = &document["facts"]["ledger"];
    assert_eq!(ledger["mismatched"], json!([{ "first": (5_000_000 / 512).to_string(), "count": "1" }]));
    assert_eq!(document["failure"]["code"], "mismatch");
    assert_eq!(document["facts"]["attained"], Value::Null);
}

#[test]
fn a_dropped_write_is_found_in_every_scheme_and_in_samples_that_hit_it() {
    let station = Station::new();
    for scheme in ["zero", "random", "dod-e"] {
        let Some(disk) = disk(vec![Fault::new(On::Write, 0..4096, Effect::Drop)]) else { return };
        let (result, _) = wipe(&station, &disk, 4, &["--scheme", scheme]);
        assert_failed(&station, &result);
        let (result, _) = wipe(&station, &disk, 4, &["--scheme", scheme, "--verify", "sample"]);
        assert_failed(&station, &result);
    }
}

#[test]
fn bad_blocks_are_exact_and_the_rest_is_wiped() {
    let station = Station::new();
    let bad = 3_000_320..3_001_344;
    let Some(disk) = disk(vec![Fault::new(On::ReadWrite, bad.clone(), Effect::Error(EIO))]) else { return };
    let (result, document) = wipe(&station, &disk, 4, &["--scheme", "zero"]);
    assert_failed(&station, &result);
    let blocks =
        json!([{ "first": (bad.start / 512).to_string(), "count": ((bad.end - bad.start) / 512).to_string() }]);
    let ledger = &document["facts"]["ledger"];
    assert_eq!((&ledger["unwritten"], &ledger["unread"]), (&blocks, &blocks));
    let backing = disk.backing();
    let left = backing.iter().enumerate().find(|(i, b)| **b != 0 && !bad.contains(&(*i as u64)));
    assert_eq!(left, None, "every other byte is wiped");
}

/// Only a policy lets bad sectors pass, as many as it says, and the certificate lists them.
#[test]
fn a_policy_may_allow_bad_sectors_and_never_blocks_that_lie() {
    let station = Station::new();
    let bad = 3_000_320..3_001_344;
    let Some(disk) = disk(vec![Fault::new(On::ReadWrite, bad.clone(), Effect::Error(EIO))]) else { return };
    let toml = station.ok(&["policy", "show", "nist-800-88r2", "--toml"]).replace("nist-800-88r2", "bench");
    let own = station.path("own.toml");
    let (key, card) = (station.path("ada.pem"), station.path("ada.pub.json"));
    station.ok(&["key", "generate", "--name", "Ada", "--unprotected", "--out", text(&key)]);
    station.ok(&["key", "trust", text(&card), "--role", "policy_approver"]);
    let follow = |at_most: u32| {
        std::fs::write(&own, format!("{toml}\n[bad_sectors]\nat_most = {at_most}\n")).unwrap();
        let signed = station.path(&format!("own-{at_most}.json"));
        station.ok(&["policy", "sign", text(&own), "--key", text(&key), "--out", text(&signed)]);
        station.ok(&["policy", "use", text(&signed)]);
    };
    follow(1);
    let (result, _) = wipe(&station, &disk, 4, &[]);
    assert_failed(&station, &result);
    follow(2);
    let (result, document) = wipe(&station, &disk, 0, &[]);
    let certificate = result["certificate"].as_str().unwrap();
    station.ok(&["certificate", "verify", certificate]);
    assert_eq!(document["facts"]["proven"], "readback_with_exceptions");
    assert_eq!(document["grade"]["mark"], "C");
    assert_eq!(
        document["facts"]["ledger"]["unwritten"],
        json!([{ "first": (bad.start / 512).to_string(), "count": "2" }])
    );
    assert!(station.ok(&["certificate", "show", certificate]).contains("2 blocks could not be written or read back"));
    // A block that was written and reads back as something else is no bad sector.
    disk.set_faults(vec![Fault::new(On::Write, 1_000_000..1_000_001, Effect::Drop)]);
    disk.poke(0, &marked(SIZE));
    let (result, _) = wipe(&station, &disk, 4, &[]);
    assert_eq!(result["outcome"], "fail");
}

#[test]
fn blocks_that_cannot_be_read_back_are_no_success() {
    let station = Station::new();
    let Some(disk) = disk(vec![Fault::new(On::Read, 1_048_576..1_049_088, Effect::Error(EIO))]) else { return };
    let (result, document) = wipe(&station, &disk, 4, &[]);
    assert_failed(&station, &result);
    assert_eq!(document["facts"]["ledger"]["unread"], json!([{ "first": "2048", "count": "1" }]));
}

#[test]
fn a_misdirected_write_and_a_rotten_read_are_found() {
    let station = Station::new();
    for fault in [
        Fault::new(On::Write, 65_536..66_048, Effect::Misdirect { to: 2_000_384 }).once(),
        Fault::new(On::Read, 700_001..700_002, Effect::Rot { flip: 0x40 }),
    ] {
        let Some(disk) = disk(vec![fault]) else { return };
        let (result, _) = wipe(&station, &disk, 4, &[]);
        assert_failed(&station, &result);
    }
}

#[test]
fn a_flush_that_fails_once_is_never_forgotten() {
    let station = Station::new();
    let Some(disk) = disk(vec![Fault::new(On::Flush, 0..SIZE as u64, Effect::Error(EIO)).once()]) else { return };
    let (result, document) = wipe(&station, &disk, 4, &[]);
    assert_failed(&station, &result);
    assert_eq!(document["failure"]["code"], "flush_failed");
}

/// What may succeed another time is tried once more, also on a medium that was wiped before; then it is destroyed.
#[test]
fn a_pass_before_a_first_failure_does_not_count_against_the_medium() {
    let station = Station::new();
    let Some(disk) = disk(Vec::new()) else { return };
    wipe(&station, &disk, 0, &["--scheme", "zero"]);
    for (outcomes, next) in [(vec!["pass"], "sanitize_again"), (vec!["pass", "fail"], "destroy")] {
        disk.set_faults(vec![Fault::new(On::Flush, 0..SIZE as u64, Effect::Error(EIO)).once()]);
        let (_, document) = wipe(&station, &disk, 4, &["--scheme", "zero"]);
        let earlier = document["facts"]["earlier_attempts"].as_array().unwrap();
        assert_eq!(earlier.iter().map(|run| run["outcome"].as_str().unwrap()).collect::<Vec<_>>(), outcomes);
        assert_eq!((&document["failure"]["code"], &document["next_step"]), (&"flush_failed".into(), &next.into()));
    }
}

#[test]
fn no_offload_stands_for_an_overwrite() {
    let station = Station::new();
    let Some(disk) = disk(Vec::new()) else { return };
    let (result, _) = wipe(&station, &disk, 0, &["--scheme", "zero"]);
    assert_eq!(result["outcome"], "pass");
    assert_eq!(disk.offloads_seen(), 0);
    assert!(disk.backing().iter().all(|b| *b == 0));
    assert!(disk.flushes_seen() > 0);
}

#[test]
fn a_drive_that_goes_away_can_be_resumed_when_it_is_back() {
    let station = Station::new();
    let Some(disk) = disk(Vec::new()) else { return };
    let token = token(&station, &disk);
    disk.set_faults(vec![Fault::gone(19).after(4)]);
    let args = ["wipe", text(disk.loop_path()), "--confirm", &token, "--scheme", "dod-e"];
    let result = station.json(6, &args)[0].clone();
    assert_eq!(result["outcome"], "interrupted");
    assert!(result["advice"].as_str().unwrap().contains("lastwrite resume"), "{result}");
    disk.set_faults(Vec::new());
    let result = station.json(0, &["resume", result["run_id"].as_str().unwrap()])[0].clone();
    let certificate = result["certificate"].as_str().unwrap();
    station.ok(&["verify-media", text(disk.loop_path()), "--certificate", certificate]);
    station.ok(&["custody", "audit"]);
}

/// What cannot be read of a drive that is no longer there says nothing of it. A loop device is gone when it has no
/// size.
#[test]
fn a_drive_that_goes_away_while_it_is_read_back_did_not_fail() {
    let station = Station::new();
    let Some(disk) = disk(Vec::new()) else { return };
    let token = token(&station, &disk);
    // Where nobody looks for signatures.
    disk.set_faults(vec![Fault::new(On::Read, 3 << 20..7 << 20, Effect::Hang)]);
    let wipe = ["--json", "wipe", text(disk.loop_path()), "--confirm", &token, "--scheme", "zero"];
    let args = [wipe.as_slice(), &["--retries", "0", "--checkpoint", "0.1"]].concat();
    let child = station.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(disk.wait_for_hang(1, Duration::from_secs(60)));
    disk.set_size(0);
    disk.release();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", both(&output));
    let result = json_lines(&output.stdout).remove(0);
    assert!(result["message"].as_str().unwrap().contains("went away"), "{result}");
    assert!(station.files("failures").is_empty());
    disk.set_size(SIZE as u64);
    let result = station.json(0, &["resume", result["run_id"].as_str().unwrap()]).remove(0);
    assert_eq!(result["outcome"], "pass");
    station.ok(&["custody", "audit"]);
}

/// Starts to read `disk` back, does `cut` to the program's process while a part of the medium does not answer, and lets
/// that answer then. The one object that it prints.
fn read_cut(
    station: &Station,
    disk: &FaultyDisk,
    silent: std::ops::Range<u64>,
    args: &[&str],
    cut: impl Fn(u32),
) -> (Option<i32>, Value) {
    // Nor what lies behind it, at once; but where somebody looks for signatures.
    let rest = silent.end..disk.backing().len() as u64 - (1 << 20);
    let late = Fault::new(On::Read, rest, Effect::Delay(Duration::from_millis(300)));
    disk.set_faults(vec![Fault::new(On::Read, silent, Effect::Hang), late]);
    let args = [&["--json", "verify-media", text(disk.loop_path())][..], args].concat();
    let child = station.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(disk.wait_for_hang(1, Duration::from_secs(60)));
    // What answers at once is compared by then.
    std::thread::sleep(Duration::from_secs(1));
    cut(child.id());
    disk.release();
    let output = child.wait_with_output().unwrap();
    disk.set_faults(Vec::new());
    let mut objects = json_lines(&output.stdout);
    assert_eq!(objects.len(), 1, "{}", both(&output));
    (output.status.code(), objects.remove(0))
}

/// A reading that was cut says nothing, for the medium or against its certificate; a difference that it had found stays
/// one.
#[test]
fn a_reading_that_is_cut_is_no_mismatch_unless_it_found_one() {
    // More than is under way at a time.
    const LARGE: u64 = 128 << 20;
    let silent = 8 << 20..12 << 20;
    let station = Station::new();
    let Some(disk) = FaultyDisk::new(LARGE, Vec::new()) else { return };
    let (result, _) = wipe(&station, &disk, 0, &["--scheme", "zero"]);
    let certificate = result["certificate"].as_str().unwrap();
    let interrupt = |pid: u32| {
        assert!(Command::new("kill").args(["-s", "INT", &pid.to_string()]).status().unwrap().success());
        std::thread::sleep(Duration::from_secs(1));
    };
    let record = station.path("reading.json");
    let args = ["--certificate", certificate, "--record", text(&record)];
    let (code, told) = read_cut(&station, &disk, silent.clone(), &args, interrupt);
    assert_eq!((code, &told["outcome"]), (Some(6), &"incomplete".into()), "{told}");
    assert_eq!((&told["cut"], &told["mismatched"]), (&"stopped as asked".into(), &json!([])), "{told}");
    // Its record says the same, and stands in the same object.
    assert_eq!((&told["record"], &told["error"]), (&text(&record).into(), &Value::Null), "{told}");
    assert!(told["id"].is_string() && told["custody_entry"].is_u64(), "{told}");
    let shown = station.json(0, &["certificate", "show", text(&record)]);
    assert_eq!(shown[0]["document"]["result"], "incomplete");
    station.ok(&["certificate", "verify", certificate]);

    let args = ["--certificate", certificate];
    let (code, told) = read_cut(&station, &disk, silent.clone(), &args, |_| disk.set_faults(vec![Fault::gone(19)]));
    assert_eq!((code, &told["outcome"]), (Some(6), &"incomplete".into()), "{told}");
    assert!(told["cut"].as_str().unwrap().contains("went away"), "{told}");

    disk.poke(1 << 20, &[1]);
    let (code, told) = read_cut(&station, &disk, silent, &args, interrupt);
    assert_eq!((code, &told["outcome"]), (Some(5), &"mismatch".into()), "{told}");
    assert_eq!(told["cut"], "stopped as asked");
    assert_eq!(told["mismatched"], json!([{ "first": "2048", "count": "1" }]));
}

/// Not every kernel says so by the number of its error: then the reading comes to an end, and nothing could be read.
#[test]
fn a_drive_that_is_pulled_while_a_stranger_reads_it_is_no_mismatch() {
    let station = Station::new();
    let Some(disk) = disk(Vec::new()) else { return };
    let (result, _) = wipe(&station, &disk, 0, &["--scheme", "zero"]);
    let args = ["--certificate", result["certificate"].as_str().unwrap()];
    let (code, told) = read_cut(&station, &disk, 3 << 20..7 << 20, &args, |_| disk.set_size(0));
    disk.set_size(SIZE as u64);
    assert_eq!((code, &told["outcome"]), (Some(6), &"incomplete".into()), "{told}");
    assert!(told["cut"].as_str().unwrap().contains("went away"), "{told}");
}

#[test]
fn a_drive_that_hangs_holds_up_nobody_and_is_given_up() {
    let station = Station::new();
    let Some(hung) = disk(Vec::new()) else { return };
    let Some(sound) = disk(Vec::new()) else { return };
    let tokens = [token(&station, &hung), token(&station, &sound)];
    hung.set_faults(vec![Fault::new(On::Write, 0..SIZE as u64, Effect::Hang).after(2)]);
    let args = [
        "--json",
        "wipe",
        text(hung.loop_path()),
        text(sound.loop_path()),
        "--confirm",
        &tokens[0],
        "--confirm",
        &tokens[1],
        "--stall-timeout",
        "8",
    ];
    let began = Instant::now();
    let child = station.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let certificates = || station.files("certificates").len();
    while certificates() == 0 && began.elapsed() < Duration::from_secs(7) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(certificates(), 1, "the sound drive is done while the other hangs");
    // Its report is there before the kernel lets go of the drive; the process itself cannot end
    // while one of its requests is stuck.
    while station.files("failures").is_empty() && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(station.files("failures").len(), 1);
    hung.release();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", both(&output));
    let results = json_lines(&output.stdout);
    // Each is told as it ends.
    assert_eq!((&results[0]["outcome"], &results[1]["outcome"]), (&"pass".into(), &"fail".into()));
    let shown = station.json(0, &["certificate", "show", results[1]["failure_report"].as_str().unwrap()]);
    assert_eq!(shown[0]["document"]["failure"]["code"], "stalled");
    station.ok(&["custody", "audit"]);
}

/// Ctrl-Z and `fg`, or a frozen cgroup: the drive answered long ago, and nobody was there to hear it.
#[test]
fn a_process_that_was_stopped_does_not_blame_the_drive() {
    let stopped = |io: &str, on: On| {
        let station = Station::new();
        let Some(disk) = disk(Vec::new()) else { return };
        let token = token(&station, &disk);
        disk.set_faults(vec![Fault::new(on, 0..SIZE as u64, Effect::Delay(Duration::from_millis(600)))]);
        let args = ["wipe", text(disk.loop_path()), "--confirm", &token, "--io", io, "--stall-timeout", "3"];
        let mut child = station.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let under_way = || disk.seen().iter().any(|seen| seen.op == on && !seen.effects.is_empty());
        while !under_way() {
            assert!(child.try_wait().unwrap().is_none(), "{io}, {on:?}: it ended before");
            std::thread::sleep(Duration::from_millis(2));
        }
        let tell = |signal: &str| Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(tell("STOP").success());
        std::thread::sleep(Duration::from_secs(5));
        assert!(tell("CONT").success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{io}, {on:?}: {}", both(&output));
    };
    std::thread::scope(|scope| {
        for (io, on) in [("uring", On::Write), ("uring", On::Read), ("uring", On::Flush), ("plain", On::Write)] {
            scope.spawn(move || stopped(io, on));
        }
    });
}

/// Up to four things that go wrong, each at some place for some time.
fn faults(size: u64) -> impl Strategy<Value = Vec<Fault>> {
    let effect = prop_oneof![
        3 => Just((On::Write, Effect::Drop)),
        2 => (0..size / 512).prop_map(|to| (On::Write, Effect::Misdirect { to: to * 512 })),
        2 => Just((On::Write, Effect::Error(EIO))),
        2 => Just((On::Read, Effect::Error(EIO))),
        1 => Just((On::Flush, Effect::Error(EIO))),
        1 => (0u64..300).prop_map(|blocks| (On::Write, Effect::Short { keep: blocks * 512 })),
        1 => (0u64..300).prop_map(|blocks| (On::Read, Effect::Short { keep: blocks * 512 })),
        // None that makes of the old content what has to be there.
        1 => Just((On::Read, Effect::Rot { flip: 0x01 })),
    ];
    let times = prop_oneof![Just(1), Just(3), Just(u64::MAX)];
    let fault = (effect, 0..size / 512, 1u64..200, 0u64..6, times);
    let fault = fault.prop_map(move |((on, effect), first, blocks, skip, times)| {
        let range = first * 512..((first + blocks) * 512).min(size);
        Fault::new(on, range, effect).after(skip).times(times)
    });
    prop::collection::vec(fault, 0..4)
}

/// The whole program over io_uring on disks that fail, shorten, drop and misdirect: what passes is true, and what
/// went well passes.
#[test]
fn a_certificate_over_a_disk_that_lies_at_random_is_true() {
    const SIZE: usize = 4 << 20;
    let station = Station::new();
    let Some(disk) = FaultyDisk::new(SIZE as u64, Vec::new()) else { return };
    let content = marked(SIZE);
    disk.poke(0, &content);
    let token = token(&station, &disk);
    let results = std::cell::RefCell::new([0, 0]);
    let mut runner = TestRunner::new(Config { cases: 24, max_shrink_iters: 20, ..Config::default() });
    let scheme = prop_oneof![Just("zero"), Just("random"), Just("dod-e")];
    let outcome = runner.run(&(faults(SIZE as u64), scheme), |(faults, scheme)| {
        disk.poke(0, &content);
        disk.set_faults(faults);
        let before = disk.seen().len();
        let args = ["--json", "wipe", text(disk.loop_path()), "--confirm", &token, "--io", "uring", "--scheme", scheme];
        let output = station.run(&[args.as_slice(), &["--retry-budget", "20"]].concat());
        let result = json_lines(&output.stdout).pop().ok_or_else(|| TestCaseError::fail(both(&output)))?;
        let harmed = disk.seen()[before..].iter().any(|seen| !seen.effects.is_empty());
        disk.set_faults(Vec::new());
        if output.status.code() == Some(0) {
            prop_assert_eq!(&result["outcome"], "pass");
            let left = disk.backing();
            prop_assert!(left.chunks(512).all(|block| !block.starts_with(MARK.as_bytes())), "content is left");
            prop_assert!(scheme != "zero" || left.iter().all(|byte| *byte == 0), "not what was certified");
            let read =
                ["verify-media", text(disk.loop_path()), "--certificate", result["certificate"].as_str().unwrap()];
            let read = station.run(&read);
            prop_assert_eq!(read.status.code(), Some(0), "{}", both(&read));
        } else {
            prop_assert_eq!(output.status.code(), Some(4), "{}", both(&output));
            prop_assert!(harmed && result["certificate"].is_null(), "{}", result);
        }
        results.borrow_mut()[usize::from(output.status.code() == Some(0))] += 1;
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let [failed, passed] = results.into_inner();
    eprintln!("{failed} failed, {passed} passed");
    assert!(failed > 0 && passed > 0, "{failed} failed, {passed} passed");
}

/// The worst of several targets decides what the shell sees, whatever stands first.
#[test]
fn of_several_targets_the_worst_decides_the_exit_code() {
    let station = Station::new();
    let disk = || disk(Vec::new());
    let (Some(fails), Some(goes), Some(sound)) = (disk(), disk(), disk()) else { return };
    let missing = station.path("missing");
    let wipe = |targets: &[&std::path::Path], code: i32| {
        fails.set_faults(Vec::new());
        goes.set_faults(Vec::new());
        let found: Vec<_> = targets.iter().filter(|target| target.exists()).collect();
        let tokens: Vec<String> = found
            .iter()
            .map(|target| station.json(0, &["plan", text(target)])[0]["confirm_token"].as_str().unwrap().to_owned())
            .collect();
        fails.set_faults(vec![Fault::new(On::Write, 0..4096, Effect::Drop)]);
        goes.set_faults(vec![Fault::gone(19).after(4)]);
        fails.poke(0, &marked(4096));
        let mut args = vec!["wipe", "--scheme", "zero"];
        args.extend(targets.iter().map(|target| text(target)));
        tokens.iter().for_each(|token| args.extend(["--confirm", token]));
        let mut told: Vec<String> =
            station.json(code, &args).iter().map(|result| result["outcome"].as_str().unwrap().to_owned()).collect();
        told.sort();
        goes.set_faults(Vec::new());
        fails.set_faults(Vec::new());
        told
    };
    let resume_all = || station.expect(0, &["resume", "--yes"]);
    let (fails_at, goes_at, sound_at) = (fails.loop_path(), goes.loop_path(), sound.loop_path());
    assert_eq!(wipe(&[sound_at, &missing], 3), ["pass", "refused"]);
    assert_eq!(wipe(&[&missing, goes_at, sound_at], 6), ["interrupted", "pass", "refused"]);
    resume_all();
    assert_eq!(wipe(&[goes_at, sound_at, fails_at, &missing], 4), ["fail", "interrupted", "pass", "refused"]);
    resume_all();
    // A failure whose report cannot be kept is none yet: the run stays open.
    let (failures, aside) = (station.state().join("failures"), station.state().join("aside"));
    std::fs::rename(&failures, &aside).unwrap();
    std::fs::write(&failures, "").unwrap();
    assert_eq!(wipe(&[goes_at, &missing, fails_at, sound_at], 1), ["error", "interrupted", "pass", "refused"]);
    std::fs::remove_file(&failures).unwrap();
    std::fs::rename(&aside, &failures).unwrap();
    station.expect(4, &["resume", "--yes"]);
    station.ok(&["custody", "audit"]);
}
