//! A trust store that several change at the same time, and a rotation that is cut off. Through the real binary.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::crash_fs::{Crash, CrashFs};
use common::station::{Station, both, json_lines, text};
use lastwrite::signed::{Role, StationKey, TrustStore, TrustedKey};
use serde_json::Value;

fn key(station: &Station, name: &str) -> String {
    let file = station.path(&format!("{name}.pem"));
    let made = station.json(0, &["key", "generate", "--name", name, "--unprotected", "--out", text(&file)]).remove(0);
    made["kid"].as_str().unwrap().to_owned()
}

/// Read, changed and written back while another does so, a trust store would forget a revocation.
#[test]
fn whoever_changes_a_trust_store_waits_for_whoever_does_so_already() {
    let station = Station::new();
    let trust = station.state().join("trust.jwks.json");
    let kim = key(&station, "kim");
    key(&station, "lou");
    key(&station, "max");
    let public = |name: &str| text(&station.path(&format!("{name}.pub.json"))).to_owned();
    for name in ["kim", "max"] {
        station.ok(&["key", "trust", &public(name), "--role", "operator", "--valid-from", "2020-01-01"]);
    }
    let (max, next) = (station.path("max.pem"), station.path("next.pem"));
    let lou = public("lou");
    type Change<'a> = (&'a [&'a str], &'a dyn Fn(&Value) -> bool);
    let changes: [Change; 4] = [
        (&["key", "revoke", &kim], &|key| key["kid"] == kim.as_str() && key["revoked_at"].is_string()),
        (&["key", "trust", &lou, "--role", "witness"], &|key| key["name"] == "lou"),
        (&["key", "rotate", "--key", text(&max), "--out", text(&next), "--unprotected"], &|key| {
            key["name"] == "max" && key["valid_until"].is_string()
        }),
        (&["key", "rotate", "--station", "--unprotected"], &|key| {
            key["role"] == "station" && key["valid_until"].is_string()
        }),
    ];
    for (number, (args, is_done)) in changes.into_iter().enumerate() {
        let held = TrustStore::hold(&trust).unwrap();
        let mut store = TrustStore::load_alone(&trust).unwrap();
        let mut child = station.command(args).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        assert!(child.try_wait().unwrap().is_none(), "{args:?} did not wait");
        let name = format!("another {number}");
        let another = StationKey::from_seed(&[u8::try_from(number).unwrap() + 1; 32]).public().clone();
        store.add(TrustedKey::new(another, name.as_str(), Role::Witness, None)).unwrap();
        store.save(&trust).unwrap();
        drop(held);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}");
        let found: Value = serde_json::from_slice(&std::fs::read(&trust).unwrap()).unwrap();
        let keys = found["keys"].as_array().unwrap();
        assert!(keys.iter().any(|key| key["name"] == name.as_str()), "{args:?} undid what was done meanwhile");
        assert!(keys.iter().any(is_done), "{args:?} was undone");
    }
}

fn run(state: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lastwrite")).args(args).arg("--state").arg(state).output().unwrap()
}

fn expect(what: &str, state: &Path, args: &[&str]) -> Output {
    let output = run(state, args);
    assert_eq!(output.status.code(), Some(0), "{what}: {args:?}\n{}", both(&output));
    output
}

const ROTATE: [&str; 5] = ["--json", "key", "rotate", "--station", "--unprotected"];

#[test]
fn a_rotation_that_is_cut_at_any_step_is_finished_by_the_next_one() {
    let prepared = Station::new();
    let image = prepared.image("disk.img", 1 << 16);
    let Some(whole) = CrashFs::from_dir(&prepared.state()) else { return };
    expect("whole", whole.path(), &ROTATE);
    let steps = whole.steps();
    assert!(steps > 10, "{steps}");
    drop(whole);
    let mut waited = 0;
    for (crash, every) in [(Crash::SYNCED_ONLY, 1), (Crash::EVERYTHING, 3)] {
        for step in (0..steps).step_by(every) {
            let fs = CrashFs::from_dir(&prepared.state()).unwrap();
            fs.cut_at(step);
            run(fs.path(), &ROTATE);
            let left = fs.after_crash(crash);
            drop(fs);
            let (state, what) = (left.path(), format!("cut at step {step} of {steps}, {crash:?}"));
            let believed = TrustStore::load(&state.join("trust.jwks.json")).unwrap();
            let before = StationKey::load(&state.join("keys/station.pem"), None).unwrap();
            let old_ended = believed.find(before.kid()).unwrap().valid_until.is_some();
            if old_ended {
                waited += 1;
                // Once its last second is over the old key signs nothing more, and it is said what to do.
                std::thread::sleep(Duration::from_millis(1100));
                let output = run(state, &["wipe", text(&image), "--yes"]);
                assert_eq!(output.status.code(), Some(3), "{what}\n{}", both(&output));
                assert!(both(&output).contains("key rotate --station finishes it"), "{what}\n{}", both(&output));
            }
            let rotated = json_lines(&expect(&what, state, &ROTATE).stdout).remove(0);
            let now = StationKey::load(&state.join("keys/station.pem"), None).unwrap();
            assert_eq!(
                (rotated["old"].as_str(), rotated["kid"].as_str()),
                (Some(before.kid()), Some(now.kid())),
                "{what}"
            );
            // The key that was named already is the one, and there is no other.
            let next = believed.keys().iter().find(|key| old_ended && key.kid != before.kid());
            assert!(next.is_none_or(|next| next.kid == now.kid()), "{what}");
            let keys: Vec<_> =
                std::fs::read_dir(state.join("keys")).unwrap().flatten().map(|e| e.file_name()).collect();
            let pem = keys.iter().filter(|name| name.to_string_lossy().ends_with(".pem")).count();
            assert_eq!(pem, 1, "{what}: {keys:?}");
            std::fs::write(&image, common::station::marked(1 << 16)).unwrap();
            let wiped = json_lines(&expect(&what, state, &["--json", "wipe", text(&image), "--yes"]).stdout).remove(0);
            expect(&what, state, &["certificate", "verify", wiped["certificate"].as_str().unwrap()]);
            expect(&what, state, &["custody", "audit"]);
            let log = String::from_utf8(expect(&what, state, &["--json", "custody", "log"]).stdout).unwrap();
            let named = log.lines().filter(|line| line.contains("station.key_rotated") && line.contains(now.kid()));
            assert_eq!(named.count(), 1, "{what}");
        }
    }
    assert!(waited >= 4, "{waited} of the cuts left a rotation to be finished");
}

#[test]
fn a_rotation_is_finished_under_its_passphrase_and_no_key_loses_one() {
    let station = Station::new();
    let keys = station.state().join("keys");
    let (own, next) = (keys.join("station.pem"), keys.join("station.next.pem"));
    let old = station.path("old.pem");
    std::fs::copy(&own, &old).unwrap();
    let words = |name: &str, word: &str| {
        let file = station.path(name);
        std::fs::write(&file, word).unwrap();
        text(&file).to_owned()
    };
    let (good, wrong) = (words("good", "correct horse"), words("wrong", "something else"));
    // As if it had been cut off before the last step.
    let cut = |args: &[&str]| {
        let rotated = station.json(0, &[&["key", "rotate", "--station"], args].concat()).remove(0);
        std::fs::rename(&own, &next).unwrap();
        std::fs::copy(&old, &own).unwrap();
        rotated["kid"].as_str().unwrap().to_owned()
    };
    let kid = cut(&["--new-passphrase-file", &good]);
    for given in [&["--unprotected"][..], &["--new-passphrase-file", &wrong]] {
        let told = both(&station.expect(3, &[&["key", "rotate", "--station"], given].concat()));
        assert!(told.contains("under the passphrase that it was to have"), "{told}");
        assert!(next.exists());
    }
    let rotated = station.json(0, &["key", "rotate", "--station", "--new-passphrase-file", &good]).remove(0);
    assert_eq!(rotated["kid"], kid.as_str());
    assert!(std::fs::read_to_string(&own).unwrap().contains("ENCRYPTED") && !next.exists());

    // The other way round: a passphrase that is wanted now is one that it has.
    let station = Station::new();
    let keys = station.state().join("keys");
    let (own, next) = (keys.join("station.pem"), keys.join("station.next.pem"));
    let old = station.path("old.pem");
    std::fs::copy(&own, &old).unwrap();
    let first = station.json(0, &["key", "rotate", "--station", "--unprotected"]).remove(0);
    std::fs::rename(&own, &next).unwrap();
    std::fs::copy(&old, &own).unwrap();
    let rotated = station.json(0, &["key", "rotate", "--station", "--new-passphrase-file", &good]).remove(0);
    assert_eq!(rotated["kid"], first["kid"]);
    assert!(std::fs::read_to_string(&own).unwrap().contains("ENCRYPTED"));
    assert_eq!(std::fs::read_dir(&keys).unwrap().count(), 1);
}
