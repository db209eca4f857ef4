//! Nothing is begun whose proof everybody who checks would refuse: a key of which the station's own trust store says
//! that it does not stand signs nothing.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::station::{Station, both, json_lines, marks_in, text};
use lastwrite::station::{
    self, Audience, Confirmation, EngineConfig, Execution, FaultLimits, Order, Outcome, Psids, Ready, Roots, STALL,
};
use lastwrite::units::now;
use serde_json::{Value, json};

/// Changes the entry of a key, as whoever answers for the trust store does; `null` takes a member away.
fn set(station: &Station, name: &str, member: &str, value: Value) {
    let path = station.state().join("trust.jwks.json");
    let mut store: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let keys = store["keys"].as_array_mut().unwrap();
    let key = keys.iter_mut().find(|key| key["name"] == name).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => drop(key.remove(member)),
        value => drop(key.insert(member.to_owned(), value)),
    }
    // Whole or not at all: a run may be reading it.
    let draft = path.with_extension("draft");
    std::fs::write(&draft, store.to_string()).unwrap();
    std::fs::rename(&draft, &path).unwrap();
}

const STATION: &str = "Example Org / bench 1";

#[test]
fn a_station_whose_key_does_not_stand_begins_nothing() {
    let station = Station::new();
    let wiped = station.image("wiped.img", 1 << 16);
    let certificate = station.json(0, &["wipe", text(&wiped), "--yes"])[0]["certificate"].as_str().unwrap().to_owned();
    let image = station.image("disk.img", 1 << 20);
    let marks = marks_in(&image);
    let log = || std::fs::read(station.state().join("custody/log.jsonl")).unwrap();
    let before = log();
    let out = station.path("lot");
    for (member, value, why, advice) in [
        // As the clock of a machine with an empty battery sees it.
        ("valid_from", "2099-01-01T00:00:00Z", "is valid from 2099-01-01", "set the clock of this machine"),
        ("valid_until", "2021-01-01T00:00:00Z", "expired on 2021-01-01", "a later end"),
        ("revoked_at", "2021-01-01T00:00:00Z", "is revoked from 2021-01-01", "lastwrite init in another folder"),
        // Whoever stole it can have backdated what it signs.
        ("revoked_at", "2099-01-01T00:00:00Z", "is revoked from 2099-01-01", "lastwrite init in another folder"),
    ] {
        let path = station.state().join("trust.jwks.json");
        let good = std::fs::read(&path).unwrap();
        set(&station, STATION, member, value.into());
        for (args, not_done) in [
            (&["wipe", text(&image), "--yes"][..], "nothing was touched"),
            (&["custody", "checkpoint"][..], "nothing was signed"),
            (&["certificate", "gather", &certificate, "--lot", "L1", "--out", text(&out)][..], "nothing was signed"),
        ] {
            let told = both(&station.expect(3, args));
            assert!([why, not_done, advice].iter().all(|word| told.contains(word)), "{member}: {told}");
        }
        std::fs::write(&path, &good).unwrap();
        assert_eq!((marks_in(&image), station.files("journal").len()), (marks, 0), "{member}");
        assert!(log() == before && !out.exists(), "{member}");
    }
    station.ok(&["wipe", text(&image), "--yes"]);
}

#[test]
fn who_reads_again_needs_keys_that_stand_as_well() {
    let (bench, desk) = (Station::new(), Station::new());
    let image = bench.image("disk.img", 1 << 16);
    let certificate = bench.json(0, &["wipe", text(&image), "--yes"])[0]["certificate"].as_str().unwrap().to_owned();
    let trust = bench.state().join("trust.jwks.json");
    let key = desk.path("ada.pem");
    desk.ok(&["key", "generate", "--name", "Ada", "--unprotected", "--out", text(&key)]);
    desk.ok(&["key", "trust", text(&desk.path("ada.pub.json")), "--role", "verifier"]);
    let record = desk.path("record.json");
    let read = |code: i32| {
        let args = ["verify-media", text(&image), "--certificate", &certificate, "--trust", text(&trust)];
        let by = ["--record", text(&record), "--verifier", "Ada", "--key", text(&key)];
        both(&desk.expect(code, &[&args[..], &by].concat()))
    };
    for name in [STATION, "Ada"] {
        set(&desk, name, "valid_until", "2021-01-01T00:00:00Z".into());
        let told = read(3);
        assert!(told.contains("expired on 2021-01-01") && told.contains("nothing was read"), "{told}");
        assert!(!record.exists() && !told.contains("MATCH"), "{told}");
        set(&desk, name, "valid_until", Value::Null);
    }
    read(0);
    assert!(record.exists());
}

#[test]
fn an_operator_whose_key_does_not_stand_wipes_nothing() {
    let station = Station::new();
    let key = station.path("kim.pem");
    station.ok(&["key", "generate", "--name", "Kim", "--unprotected", "--out", text(&key)]);
    station.ok(&["key", "trust", text(&station.path("kim.pub.json")), "--role", "operator"]);
    let image = station.image("disk.img", 1 << 20);
    let wipe = ["wipe", text(&image), "--yes", "--operator-key", text(&key)];
    for (member, value, why) in [
        ("valid_from", "2099-01-01T00:00:00Z", "is valid from 2099-01-01"),
        ("valid_until", "2021-01-01T00:00:00Z", "expired on 2021-01-01"),
        ("revoked_at", "2021-01-01T00:00:00Z", "is revoked from 2021-01-01"),
    ] {
        set(&station, "Kim", member, value.into());
        let told = both(&station.expect(3, &wipe));
        assert!(told.contains("operator key") && told.contains(why) && told.contains("nothing was touched"), "{told}");
        assert!(marks_in(&image) > 0 && station.files("journal").is_empty());
        set(&station, "Kim", member, Value::Null);
    }
    let result = station.json(0, &wipe).remove(0);
    station.ok(&["certificate", "verify", result["certificate"].as_str().unwrap()]);
}

/// Hours may go by between the first write and the signature.
#[test]
fn a_run_whose_key_ends_meanwhile_waits_unsigned_and_comes_to_its_end() {
    let station = Station::new();
    let image = station.image("disk.img", 64 << 20);
    let args = ["--json", "wipe", text(&image), "--yes", "--scheme", "gutmann"];
    let child = station.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let log = station.state().join("custody/log.jsonl");
    for _ in 0..2000 {
        if std::fs::metadata(&log).unwrap().len() > 0 && !station.files("journal").is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    set(&station, STATION, "valid_until", "2021-01-01T00:00:00Z".into());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", both(&output));
    let result = json_lines(&output.stdout).pop().unwrap();
    let (message, advice) = (result["message"].as_str().unwrap(), result["advice"].as_str().unwrap());
    assert!(message.contains("expired on 2021-01-01"), "{message}");
    assert!(
        advice.contains("the run waits") && advice.contains("a later end") && advice.contains("resume"),
        "{advice}"
    );
    assert_eq!((station.files("certificates").len(), station.files("failures").len()), (0, 0));
    let run = result["run_id"].as_str().unwrap();
    for args in [&["resume", run][..], &["resume", "--abandon", run, "--reason", "test"]] {
        let told = both(&station.expect(3, args));
        assert!(told.contains("every run stays as it is") && told.contains("a later end"), "{told}");
        assert_eq!(station.files("journal").len(), 1);
    }
    set(&station, STATION, "valid_until", Value::Null);
    let done = station.json(0, &["resume", run]).remove(0);
    assert_eq!((marks_in(&image), station.files("journal").len()), (0, 0));
    station.ok(&["certificate", "verify", done["certificate"].as_str().unwrap()]);
    station.ok(&["custody", "audit"]);
}

/// A person is asked to confirm, and meanwhile another one changes the key.
#[test]
fn a_key_that_is_rotated_while_a_wipe_waits_at_its_prompt_begins_nothing() {
    let bench = Station::new();
    let image = bench.image("disk.img", 1 << 20);
    let opened = station::Station::open(&bench.state()).unwrap();
    let wish = common::wish::zeros();
    let order = Order { target: image.clone(), asset_tag: None, category: None };
    let prepared = station::prepare(&Roots::live(), Some(&opened), &[order], &wish, now()).unwrap().remove(0).unwrap();
    let run = Box::new(prepared.run.confirm(Confirmation::Yes, &[]).unwrap());
    let run = Ready::Fresh { run, named: image.clone() };
    let old = opened.key(None).unwrap();
    bench.ok(&["key", "rotate", "--station", "--unprotected"]);
    std::thread::sleep(Duration::from_millis(1100));
    let how = Execution {
        out: None,
        engine: EngineConfig::default(),
        faults: FaultLimits::default(),
        checkpoint_every: Duration::from_secs(5),
        operator: None,
        erase_stall: STALL,
        psids: Psids::default(),
    };
    let audience = Audience { watch: &|_| {}, ended: &|_, _| {} };
    let result = station::execute(&opened, old, vec![run], &how, audience).unwrap().remove(0);
    assert_eq!(result.outcome, Outcome::Refused, "{result:?}");
    let advice = result.advice.clone().unwrap();
    assert!(result.message.contains("expired on") && advice.contains("nothing was touched"), "{result:?}");
    assert_eq!((marks_in(&image), bench.files("journal").len()), (2048, 0));
    let log = bench.json(0, &["custody", "log"]);
    let types: Vec<&Value> = log.iter().map(|line| &line["entry"]["type"]).collect();
    assert_eq!(types, [&json!("station.key_rotated")]);
    bench.ok(&["custody", "audit"]);
    bench.ok(&["wipe", text(&image), "--yes"]);
}
