//! The state folder on a file system that loses power at every step: the medium ends up right, the
//! log audits clean, and there is exactly one certificate.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::crash_fs::{Crash, CrashFs, Step};
use common::fuse_disk::{Effect, Fault, FaultyDisk, On};
use common::station::{MARK, Station, both, json_lines, marked, text};
use lastwrite::custody::Entries;
use lastwrite::sanitize::journal::Journal;
use lastwrite::sanitize::record::IntentReceipt;
use lastwrite::sanitize::state::JournalEntry;
use lastwrite::units::Bytes;

/// Two requests a pass.
const SIZE: usize = 8 << 20;

/// A station whose state folder lies on the mount, or on what a cut left of it.
fn run(state: &Path, args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_lastwrite")).args(args).arg("--state").arg(state).output().unwrap()
}

/// The first pass stands in the middle for so long that a checkpoint tells of it.
fn slow() -> Vec<Fault> {
    let size = SIZE as u64;
    vec![Fault::new(On::Write, size / 2..size, Effect::Delay(Duration::from_millis(250))).times(1)]
}

#[test]
fn a_cut_at_every_step_ends_with_one_certificate() {
    let prepared = Station::new();
    let content = marked(SIZE);
    let Some(disk) = FaultyDisk::new(SIZE as u64, Vec::new()) else { return };
    let path = text(disk.loop_path()).to_owned();
    let token = prepared.json(0, &["plan", &path])[0]["confirm_token"].as_str().unwrap().to_owned();
    let wipe = ["wipe", &path, "--confirm", &token, "--scheme", "dod-e", "--io", "plain", "--checkpoint", "0.1"];
    let Some(whole) = CrashFs::from_dir(&prepared.state()) else { return };
    disk.set_faults(slow());
    let output = run(whole.path(), &wipe);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let steps = whole.steps();
    assert!(steps > 30, "{steps}");
    drop(whole);
    let (mut with_checkpoint, mut in_the_middle) = (0, 0);
    for crash in [Crash::SYNCED_ONLY, Crash::NAMES_AHEAD_TORN] {
        for step in 0..steps {
            disk.poke(0, &content);
            disk.set_faults(slow());
            let fs = CrashFs::from_dir(&prepared.state()).unwrap();
            fs.cut_at(step);
            let output = run(fs.path(), &wipe);
            let code = output.status.code();
            let touched = disk.backing() != content;
            let left = fs.after_crash(crash);
            drop(fs);
            disk.set_faults(Vec::new());
            with_checkpoint += usize::from(has_checkpoint(left.path()));
            let what = format!("cut at step {step} of {steps}, exit {code:?}");
            in_the_middle += usize::from(ends_well(left.path(), &disk, &wipe, touched, &what));
        }
    }
    eprintln!("{steps} steps: {with_checkpoint} cuts with a checkpoint, {in_the_middle} resumed in the middle");
    assert!(with_checkpoint > 10, "{with_checkpoint} of the cuts had a checkpoint in their journal");
    assert!(in_the_middle > 1, "{in_the_middle} runs went on in the middle of a pass");
}

/// Whoever wrote the last lines may have been killed before they were synced. Who acts on them must not be the only one
/// who ever knew.
#[test]
fn what_an_opened_journal_says_outlives_the_power() {
    let Some(fs) = CrashFs::new() else { return };
    let path = Journal::create(fs.path(), "run").unwrap().path().to_owned();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut written = Journal::create(elsewhere.path(), "run").unwrap();
    written.append(&intended()).unwrap();
    let line = std::fs::read(written.path()).unwrap();
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&line).unwrap();
    let left = || std::fs::read(fs.after_crash(Crash::SYNCED_ONLY).path().join("run.jsonl")).unwrap();
    assert!(left().is_empty(), "nobody has synced it yet");
    let (_journal, entries) = Journal::open(&path).unwrap();
    assert_eq!(entries, [intended()]);
    assert_eq!(left(), line);
}

#[test]
fn a_journal_that_was_removed_or_kept_aside_is_so_without_power_too() {
    let Some(fs) = CrashFs::new() else { return };
    let mut journal = Journal::create(fs.path(), "run").unwrap();
    let path = journal.path().to_owned();
    journal.append(&intended()).unwrap();
    drop(journal);
    let mut rotten = std::fs::read(&path).unwrap();
    rotten[20] ^= 1;
    rotten.extend_from_slice(b"and more\n");
    std::fs::write(&path, &rotten).unwrap();
    let (journal, entries) = Journal::salvage(&path, |_| true).unwrap();
    assert!(entries.is_empty());
    let left = fs.after_crash(Crash::SYNCED_ONLY);
    assert_eq!(std::fs::read(left.path().join("corrupt/run.jsonl")).unwrap(), rotten);
    assert!(left.path().join("run.jsonl").exists());
    journal.remove().unwrap();
    assert!(!fs.after_crash(Crash::SYNCED_ONLY).path().join("run.jsonl").exists());
}

fn intended() -> JournalEntry {
    let receipt = IntentReceipt {
        log_id: "log".into(),
        index: Bytes(0),
        leaf_hash: "00".into(),
        size: Bytes(1),
        root: "00".into(),
    };
    JournalEntry::Intended { receipt, at: "2026-01-01T00:00:00Z".parse().unwrap() }
}

/// What a process that was killed left unsynced is not on the disk because the next one finds it there.
#[test]
fn a_kill_before_a_sync_and_a_cut_at_any_step_of_the_next_process_lose_nothing() {
    let prepared = Station::new();
    let content = marked(SIZE);
    let Some(disk) = FaultyDisk::new(SIZE as u64, Vec::new()) else { return };
    let path = text(disk.loop_path()).to_owned();
    let token = prepared.json(0, &["plan", &path])[0]["confirm_token"].as_str().unwrap().to_owned();
    let wipe = ["wipe", &path, "--confirm", &token, "--scheme", "zero", "--io", "plain"];
    let Some(whole) = CrashFs::from_dir(&prepared.state()) else { return };
    let output = run(whole.path(), &wipe);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let evidence = ["custody", "journal", "certificates"];
    let is_sync = |(_, step): &(usize, Step)| {
        step.op.contains("sync") && evidence.iter().any(|folder| step.path.starts_with(folder))
    };
    let kills: Vec<usize> = whole.trace().into_iter().enumerate().filter(is_sync).map(|(number, _)| number).collect();
    drop(whole);
    let killed = |step: usize| {
        disk.poke(0, &content);
        let fs = CrashFs::from_dir(&prepared.state()).unwrap();
        fs.cut_at(step);
        run(fs.path(), &wipe);
        fs.go_on();
        fs
    };
    let there = |state: &Path, folder: &str| count(&state.join(folder));
    // A run that had not begun begins now.
    let next = |fs: &CrashFs| match there(fs.path(), "journal") + there(fs.path(), "certificates") {
        0 => run(fs.path(), &wipe),
        _ => run(fs.path(), &["resume", "--yes"]),
    };
    let (mut intents, mut certificates, mut cuts) = (0, 0, 0);
    for step in kills {
        let fs = killed(step);
        let synced = fs.after_crash(Crash::SYNCED_ONLY);
        intents += usize::from(logged(synced.path(), INTENDED) != logged(fs.path(), INTENDED));
        certificates += usize::from(there(synced.path(), "certificates") != there(fs.path(), "certificates"));
        let begun = fs.steps();
        fs.keep_history();
        next(&fs);
        let steps = fs.steps() - begun;
        for cut in 0..=steps {
            for crash in [Crash::SYNCED_ONLY, Crash::NAMES_AHEAD_TORN] {
                let what = format!("killed before step {step}, cut at step {cut} of {steps} of the next, {crash:?}");
                is_coherent(fs.after_crash_at(begun + cut, crash).path(), &what);
                cuts += 1;
            }
        }
        drop(fs);
        // One of these cuts in earnest, so that the medium too is as it was then.
        let fs = killed(step);
        let cut = step * 7 % steps.max(1);
        fs.cut_at(fs.steps() + cut);
        next(&fs);
        let touched = disk.backing() != content;
        let left = fs.after_crash(Crash::SYNCED_ONLY);
        drop(fs);
        ends_well(left.path(), &disk, &wipe, touched, &format!("killed before step {step}, cut {cut} steps later"));
    }
    eprintln!("{cuts} cuts: {intents} kills left an intent unsynced, {certificates} the name of a certificate");
    assert!(intents > 0 && certificates > 0, "{intents} intents, {certificates} certificates");
}

const INTENDED: &str = "run.intended";

/// The runs of which the log has a whole entry of this type.
fn logged(state: &Path, typ: &str) -> Vec<String> {
    let entries = Entries::open(&state.join("custody")).unwrap().map_while(Result::ok);
    let of_type = entries.filter(|logged| logged.entry.typ == typ);
    of_type.map(|logged| logged.entry.run_id().unwrap().to_owned()).collect()
}

/// The runs of which the journal, here or among the closed ones, has a whole receipt of the intent.
fn received(state: &Path, folder: &str) -> Vec<String> {
    let files = std::fs::read_dir(state.join(folder)).into_iter().flatten().flatten().map(|entry| entry.path());
    let journals = files.filter(|path| path.extension().is_some_and(|e| e == "jsonl"));
    let has_receipt = |path: &std::path::PathBuf| {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        text.split_inclusive('\n').any(|line| line.ends_with("}\n") && line.contains("\"entry\":\"intended\""))
    };
    let with_receipt = journals.filter(has_receipt);
    with_receipt.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// What each piece of evidence says was durable before it is there.
fn is_coherent(state: &Path, what: &str) {
    let (intended, passed) = (logged(state, INTENDED), logged(state, "run.passed"));
    let (open, closed) = (received(state, "journal"), received(state, "journal/closed"));
    assert!(open.iter().chain(&closed).all(|run| intended.contains(run)), "{what}: a receipt of no intent");
    assert!(passed.is_empty() || count(&state.join("certificates")) == 1, "{what}: passed without a certificate");
    assert!(
        closed.iter().all(|run| open.contains(run) || passed.contains(run)),
        "{what}: a run is closed without its outcome"
    );
}

fn has_checkpoint(state: &Path) -> bool {
    let journals = std::fs::read_dir(state.join("journal")).into_iter().flatten().flatten();
    let mut texts = journals.filter_map(|entry| std::fs::read(entry.path()).ok());
    texts.any(|text| String::from_utf8_lossy(&text).contains("\"entry\":\"checkpoint\""))
}

/// Whether the run went on in the middle of a pass.
fn ends_well(state: &Path, disk: &FaultyDisk, wipe: &[&str], touched: bool, what: &str) -> bool {
    let journals = || count(&state.join("journal"));
    let certificates = || count(&state.join("certificates"));
    if touched {
        // Nothing is written to a medium before intent and journal are durable.
        assert!(journals() == 1 || certificates() == 1, "{what}: touched without a trace");
        let receipts = [received(state, "journal"), received(state, "journal/closed")].concat();
        let intended = logged(state, INTENDED);
        assert!(
            !intended.is_empty() && receipts.iter().any(|run| intended.contains(run)),
            "{what}: touched unannounced"
        );
    }
    is_coherent(state, what);
    if journals() > 0 {
        let output = run(state, &["resume", "--yes"]);
        // A run that had not begun cannot be gone on with, and that is not done.
        let wanted = if both(&output).contains("had written nothing") { 3 } else { 0 };
        assert_eq!(output.status.code(), Some(wanted), "{what}: resume\n{}", both(&output));
    }
    if certificates() == 0 {
        // The run had not begun: it begins now.
        let output = run(state, wipe);
        assert_eq!(output.status.code(), Some(0), "{what}: again\n{}", both(&output));
    }
    assert_eq!(certificates(), 1, "{what}");
    assert_eq!(journals(), 0, "{what}");
    assert!(disk.backing().chunks(512).all(|block| !block.starts_with(MARK.as_bytes())), "{what}");
    let audit = run(state, &["custody", "audit"]);
    assert_eq!(audit.status.code(), Some(0), "{what}: audit\n{}", both(&audit));
    // A cut can leave a half-written file under a name of its own beside it.
    let files = std::fs::read_dir(state.join("certificates")).unwrap().map(|entry| entry.unwrap().path());
    let certificate = files.into_iter().find(|path| path.extension().is_some_and(|e| e == "json")).unwrap();
    let verified = run(state, &["certificate", "verify", text(&certificate)]);
    assert_eq!(verified.status.code(), Some(0), "{what}\n{}", both(&verified));
    let read = run(state, &["verify-media", text(disk.loop_path()), "--certificate", text(&certificate)]);
    assert_eq!(read.status.code(), Some(0), "{what}\n{}", both(&read));
    let shown = run(state, &["--json", "certificate", "show", text(&certificate)]);
    let facts = &json_lines(&shown.stdout)[0]["document"]["facts"];
    facts["resumed"].as_array().is_some_and(|places| places.iter().any(|place| place["offset"] != "0"))
}

fn count(folder: &Path) -> usize {
    let json = |p: &std::path::PathBuf| p.extension().is_some_and(|e| e == "json" || e == "jsonl");
    std::fs::read_dir(folder).map_or(0, |entries| entries.flatten().filter(|e| json(&e.path())).count())
}
