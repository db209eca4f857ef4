//! A drive with a cache that is gone with its power: what the journal says is settled is on the medium.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::crash_fs::{Crash, CrashFs};
use common::fuse_disk::{Effect, Fault, FaultyDisk, On};
use common::station::{Station, both, json_lines, marked, text};
use serde_json::Value;

const SIZE: usize = 8 << 20;
/// In the second of the two requests of a pass.
const LATE: std::ops::Range<u64> = 5_000_192..5_000_704;

fn disk() -> Option<FaultyDisk> {
    let disk = FaultyDisk::new(SIZE as u64, Vec::new())?;
    disk.poke(0, &marked(SIZE));
    disk.set_volatile();
    Some(disk)
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn start(state: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastwrite"));
    command.args(args).arg("--state").arg(state).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn run(state: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lastwrite")).args(args).arg("--state").arg(state).output().unwrap()
}

/// Drive and machine lose power at once. What a program had begun is over when this returns.
fn cut(disk: &FaultyDisk, mut child: Child) {
    child.kill().unwrap();
    disk.cut_power();
    child.wait().unwrap();
    disk.wait_until_free();
}

fn files(state: &Path, folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(state.join(folder)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

/// How often an entry stands in the only journal.
fn entries(state: &Path, entry: &str) -> usize {
    let journal = files(state, "journal", "jsonl").pop().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    String::from_utf8_lossy(&journal).matches(&format!("\"entry\":\"{entry}\"")).count()
}

/// Goes on where the cut left off; the facts of the certificate.
fn ends_well(state: &Path, disk: &FaultyDisk, what: &str) -> Value {
    disk.power_on();
    let output = run(state, &["--json", "resume", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{what}: {}", both(&output));
    assert!(disk.backing().iter().all(|byte| *byte == 0), "{what}: the medium is not what was certified");
    let certificates = files(state, "certificates", "json");
    assert_eq!((certificates.len(), files(state, "journal", "jsonl").len()), (1, 0), "{what}");
    let read = run(state, &["verify-media", text(disk.loop_path()), "--certificate", text(&certificates[0])]);
    assert_eq!(read.status.code(), Some(0), "{what}: {}", both(&read));
    let audit = run(state, &["custody", "audit"]);
    assert_eq!(audit.status.code(), Some(0), "{what}: {}", both(&audit));
    let shown = run(state, &["--json", "certificate", "show", text(&certificates[0])]);
    json_lines(&shown.stdout)[0]["document"]["facts"].clone()
}

#[test]
fn a_checkpoint_stands_in_the_journal_only_when_what_it_tells_of_is_flushed() {
    let late_write = Fault::new(On::Write, LATE, Effect::Hang);
    let flush = Fault::new(On::Flush, 0..SIZE as u64, Effect::Hang);
    let late_read = Fault::new(On::Read, LATE, Effect::Hang);
    // What hangs, what stands in the journal then, and where the run goes on.
    for (what, faults, entry, offset) in [
        ("while a checkpoint is being flushed", vec![late_write.clone(), flush], "stage_started", "0"),
        ("after a checkpoint", vec![late_write], "checkpoint", "4194304"),
        ("after the pass, before its read-back", vec![late_read], "stage_ended", ""),
    ] {
        let station = Station::new();
        let state = station.state();
        let Some(disk) = disk() else { return };
        let token = station.json(0, &["plan", text(disk.loop_path())])[0]["confirm_token"].as_str().unwrap().to_owned();
        let hangs = faults.len();
        disk.set_faults(faults);
        let args = ["wipe", text(disk.loop_path()), "--confirm", &token, "--scheme", "zero", "--checkpoint", "0.1"];
        let child = start(&state, &args);
        assert!(disk.wait_for_hang(hangs, Duration::from_secs(60)), "{what}: nothing hangs");
        wait_until(what, || entries(&state, entry) > 0);
        cut(&disk, child);
        let lost = disk.backing();
        let half = SIZE / 2;
        let is_kept = |range: std::ops::Range<usize>| lost[range].iter().all(|byte| *byte == 0);
        match entry {
            // Nothing of the pass is left, and nothing may say that it is.
            "stage_started" => assert!(lost == marked(SIZE) && entries(&state, "checkpoint") == 0, "{what}"),
            "checkpoint" => assert!(is_kept(0..half), "{what}"),
            _ => assert!(is_kept(0..SIZE), "{what}"),
        }
        let facts = ends_well(&state, &disk, what);
        let resumed = &facts["resumed"][0];
        assert!(offset.is_empty() || resumed["offset"] == offset, "{what}: {resumed}");
        assert_eq!(resumed["stage"], if entry == "stage_ended" { "verify" } else { "write" }, "{what}");
    }
}

/// The pass ends as stalled with its first half written and never flushed, and the station loses its power
/// before the result is in the journal: the run is taken up after all.
#[test]
fn a_failed_pass_says_only_what_was_flushed() {
    let station = Station::new();
    let Some(disk) = disk() else { return };
    let token = station.json(0, &["plan", text(disk.loop_path())])[0]["confirm_token"].as_str().unwrap().to_owned();
    let args = ["wipe", text(disk.loop_path()), "--confirm", &token, "--scheme", "zero", "--stall-timeout", "3"];
    let args = [args.as_slice(), &["--checkpoint", "3600"]].concat();
    let hangs = vec![Fault::new(On::Write, LATE, Effect::Hang)];

    // Once to its end, to know which step journals the result.
    let Some(whole) = CrashFs::from_dir(&station.state()) else { return };
    disk.set_faults(hangs.clone());
    let mut child = start(whole.path(), &args);
    wait_until("a failure report", || !files(whole.path(), "failures", "json").is_empty());
    disk.release();
    assert_eq!(child.wait().unwrap().code(), Some(4));
    let written = |step: &common::crash_fs::Step| step.op == "write" && step.path.starts_with("journal");
    let result = whole.trace().iter().rposition(written).unwrap();
    drop(whole);

    disk.wait_until_free();
    disk.poke(0, &marked(SIZE));
    disk.set_volatile();
    disk.set_faults(hangs);
    let state = CrashFs::from_dir(&station.state()).unwrap();
    state.cut_at(result);
    let child = start(state.path(), &args);
    assert!(state.wait_for_cut(Duration::from_secs(60)));
    cut(&disk, child);
    let left = state.after_crash(Crash::SYNCED_ONLY);
    let (failed, sealed) = (entries(left.path(), "checkpoint"), entries(left.path(), "sealed"));
    assert_eq!((failed, sealed), (1, 0), "the cut is between the failed pass and its result");
    assert!(disk.backing() == marked(SIZE), "nothing was flushed");
    let facts = ends_well(left.path(), &disk, "after the failed pass");
    assert_eq!(facts["resumed"][0]["offset"], "0");
}

/// The host is told of a lost write once. What goes wrong after that is part of the report, and what was flushed
/// before it is.
#[test]
fn after_a_flush_that_failed_the_report_still_says_what_was_written_and_what_was_not() {
    const MIB: u64 = 1 << 20;
    let station = Station::new();
    let Some(disk) = FaultyDisk::new(16 * MIB, Vec::new()) else { return };
    let token = station.json(0, &["plan", text(disk.loop_path())])[0]["confirm_token"].as_str().unwrap().to_owned();
    // The second and the third request of four take their time, so that there is a checkpoint after each of the first
    // three; the last one never ends.
    let slow = |range, millis| Fault::new(On::Write, range, Effect::Delay(Duration::from_millis(millis)));
    disk.set_faults(vec![
        slow(6 * MIB..7 * MIB, 1000),
        slow(10 * MIB..11 * MIB, 3000),
        Fault::new(On::Write, 14 * MIB..15 * MIB, Effect::Hang),
        Fault::new(On::Flush, 0..16 * MIB, Effect::Error(5)).after(1).once(),
    ]);
    let args = ["wipe", text(disk.loop_path()), "--confirm", &token, "--scheme", "zero", "--stall-timeout", "6"];
    let mut child = start(&station.state(), &[args.as_slice(), &["--checkpoint", "0.1"]].concat());
    let reports = || files(&station.state(), "failures", "json");
    wait_until("a failure report", || !reports().is_empty());
    disk.release();
    assert_eq!(child.wait().unwrap().code(), Some(4));
    let shown = station.json(0, &["certificate", "show", text(&reports()[0])])[0]["document"].clone();
    assert_eq!(shown["failure"]["code"], "stalled", "{shown}");
    let (pass, ledger) = (&shown["facts"]["passes"][0], &shown["facts"]["ledger"]);
    assert_eq!((&pass["written"], &pass["flushed"]), (&(4 * MIB).to_string().into(), &false.into()), "{pass}");
    assert!(!ledger["unreached"].as_array().unwrap().is_empty(), "{ledger}");
}
