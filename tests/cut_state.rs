//! The state folder on a file system that loses power at every step: the medium ends up right, the
//! log audits clean, and there is exactly one certificate.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::process::Command;

use common::crash_fs::{Crash, CrashFs};
use common::station::{Station, both, marked, marks_in, text};

const SIZE: usize = 300_000;

/// A station whose state folder lies on the mount, or on what a cut left of it.
fn run(state: &std::path::Path, args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_lastwrite")).args(args).arg("--state").arg(state).output().unwrap()
}

#[test]
fn a_cut_at_every_step_ends_with_one_certificate() {
    let prepared = Station::new();
    let image = prepared.image("disk.img", SIZE);
    let wipe = ["wipe", text(&image), "--yes", "--scheme", "dod-e", "--io", "plain", "--checkpoint", "0.1"];
    let Some(whole) = CrashFs::from_dir(&prepared.state()) else { return };
    let output = run(whole.path(), &wipe);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let steps = whole.steps();
    assert!(steps > 30, "{steps}");
    drop(whole);
    for crash in [Crash::SYNCED_ONLY, Crash::NAMES_AHEAD_TORN] {
        for step in 0..steps {
            std::fs::write(&image, marked(SIZE)).unwrap();
            let fs = CrashFs::from_dir(&prepared.state()).unwrap();
            fs.cut_at(step);
            let output = run(fs.path(), &wipe);
            let code = output.status.code();
            let touched = marks_in(&image) < SIZE / 512;
            let left = fs.after_crash(crash);
            drop(fs);
            ends_well(left.path(), &image, &wipe, touched, &format!("cut at step {step} of {steps}, exit {code:?}"));
        }
    }
}

fn ends_well(state: &std::path::Path, image: &std::path::Path, wipe: &[&str], touched: bool, what: &str) {
    let journals = || count(&state.join("journal"));
    let certificates = || count(&state.join("certificates"));
    if touched {
        // Nothing is written to a medium before intent and journal are durable.
        assert!(journals() == 1 || certificates() == 1, "{what}: touched without a trace");
    }
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
    assert_eq!(marks_in(image), 0, "{what}");
    let audit = run(state, &["custody", "audit"]);
    assert_eq!(audit.status.code(), Some(0), "{what}: audit\n{}", both(&audit));
    // A cut can leave a half-written file under a name of its own beside it.
    let files = std::fs::read_dir(state.join("certificates")).unwrap().map(|entry| entry.unwrap().path());
    let certificate = files.into_iter().find(|path| path.extension().is_some_and(|e| e == "json")).unwrap();
    let verified = run(state, &["certificate", "verify", text(&certificate)]);
    assert_eq!(verified.status.code(), Some(0), "{what}\n{}", both(&verified));
    let read = run(state, &["verify-media", text(image), "--certificate", text(&certificate)]);
    assert_eq!(read.status.code(), Some(0), "{what}\n{}", both(&read));
}

fn count(folder: &std::path::Path) -> usize {
    let json = |p: &std::path::PathBuf| p.extension().is_some_and(|e| e == "json" || e == "jsonl");
    std::fs::read_dir(folder).map_or(0, |entries| entries.flatten().filter(|e| json(&e.path())).count())
}
