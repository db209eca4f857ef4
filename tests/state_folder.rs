//! What a state folder may lie on, through the real binary.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::crash_fs::CrashFs;
use common::interrupted::{spawn, wipe_and_kill};
use common::station::{Station, both, text};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

fn run(state: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lastwrite")).args(args).arg("--state").arg(state).output().unwrap()
}

fn init(state: &Path) -> Output {
    run(state, &["init", "--organization", "Example Org", "--station", "bench 1"])
}

/// A stick is FAT or exFAT as it is bought: `chmod 600` does nothing there.
#[test]
fn where_no_permissions_are_kept_nothing_is_left_behind_and_with_a_umask_it_works() {
    let Some(stick) = CrashFs::without_permissions(0o022) else { return };
    let state = stick.path().join("lastwrite");
    // A second attempt says the same: nothing stands in its way.
    for _ in 0..2 {
        let output = init(&state);
        let told = both(&output);
        assert_eq!(output.status.code(), Some(3), "{told}");
        assert!(told.contains("keeps no permissions") && told.contains("umask=077"), "{told}");
        assert_eq!(std::fs::read_dir(stick.path()).unwrap().count(), 0, "{told}");
    }
    drop(stick);

    let stick = CrashFs::without_permissions(0o077).unwrap();
    let state = stick.path().join("lastwrite");
    let output = init(&state);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let elsewhere = Station::new();
    let image = elsewhere.image("disk.img", 1 << 20);
    let output = run(&state, &["--json", "wipe", text(&image), "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let result = common::station::json_lines(&output.stdout).remove(0);
    for args in [&["certificate", "verify", result["certificate"].as_str().unwrap()][..], &["custody", "audit"]] {
        let output = run(&state, args);
        assert_eq!(output.status.code(), Some(0), "{args:?}\n{}", both(&output));
    }
}

/// A live system's folders are gone with it: a wipe, and what goes on with one, wants a second place that is not.
#[test]
fn a_state_folder_in_memory_needs_a_second_place_that_stays() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else { return common::skip("needs /dev/shm") };
    let (station, disk) = (Station { dir }, Station::new());
    let told = both(&station.expect(0, &["init", "--organization", "Example Org", "--station", "live"]));
    assert!(told.contains("WARNING") && told.contains("lies in memory (tmpfs)"), "{told}");
    let (image, stays, lost) = (disk.image("disk.img", 64 << 20), disk.path("out"), station.path("out"));
    let before = std::fs::read(&image).unwrap();
    let refused = |words: &[&str]| {
        for (out, why) in
            [(&[][..], "would not survive a reboot"), (&["--out", text(&lost)], "the folder of --out lies")]
        {
            let told = both(&station.expect(3, &[words, out].concat()));
            let all = ["WARNING", why, "nothing was touched", "--out DIR"];
            assert!(all.iter().all(|words| told.contains(words)), "{told}");
        }
    };
    refused(&["wipe", text(&image), "--yes"]);
    assert!(std::fs::read(&image).unwrap() == before, "a refused wipe wrote");
    assert!(station.files("journal").is_empty());

    wipe_and_kill(&station, &image, &["--yes", "--out", text(&stays)]);
    let before = std::fs::read(&image).unwrap();
    refused(&["resume", "--yes"]);
    assert!(std::fs::read(&image).unwrap() == before, "a refused resume wrote");
    let output = station.expect(0, &["--json", "resume", "--yes", "--out", text(&stays)]);
    assert!(both(&output).contains("WARNING"), "{}", both(&output));
    let result = common::station::json_lines(&output.stdout).remove(0);
    let name = Path::new(result["certificate"].as_str().unwrap()).file_name().unwrap();
    assert!(stays.join(name).exists() && stays.join("trust.jwks.json").exists(), "{result}");
}

/// An auditor may have no right to write, and sees what is there.
#[test]
fn an_audit_against_a_checkpoint_writes_nothing_and_a_torn_end_is_told_by_whoever_sets_it_aside() {
    let station = Station::new();
    let image = station.image("disk.img", 1 << 16);
    station.ok(&["wipe", text(&image), "--yes"]);
    let point = station.path("1.checkpoint");
    station.ok(&["custody", "checkpoint", "--out", text(&point)]);
    let folder = station.state().join("custody");
    let log = folder.join("log.jsonl");
    let whole = std::fs::read(&log).unwrap();
    // As if another process had died in the middle of a write.
    std::fs::write(&log, [&whole[..], b"{\"payload\":\"abc"].concat()).unwrap();
    std::fs::remove_file(folder.join("log.lock")).unwrap();
    let all = || -> std::collections::BTreeMap<_, _> {
        let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    };
    let before = all();
    let told = station.ok(&["custody", "audit", "--against", text(&point)]);
    assert!(told.contains("Confirmed by 2 documents"), "{told}");
    assert!(all() == before, "the audit wrote");

    let again = station.image("again.img", 1 << 16);
    let told = both(&station.expect(0, &["wipe", text(&again), "--yes"]));
    let aside = folder.join(format!("torn-{}-0.bin", whole.len()));
    let said = format!("its 15 bytes, which were never acknowledged, are set aside in {}", aside.display());
    assert!(aside.exists() && told.contains(&said), "{told}");
    // Once by whoever did it, and by every audit.
    let third = station.image("third.img", 1 << 16);
    assert!(!both(&station.expect(0, &["wipe", text(&third), "--yes"])).contains("set aside"));
    let told = station.ok(&["custody", "audit"]);
    assert!(told.contains("LOOK") && told.contains(text(&aside)) && told.contains("GOOD"), "{told}");
}

/// A second place that fails in the end, and a cut before the log names the document; then the station is renamed.
#[test]
fn a_run_has_one_document_whatever_changed_before_its_evidence_was_complete() {
    for is_logged in [true, false] {
        let station = Station::new();
        let (image, out) = (station.image("disk.img", 32 << 20), station.path("out"));
        let mut child = spawn(&station, &["wipe", text(&image), "--yes", "--scheme", "dod-e", "--out", text(&out)]);
        while station.files("journal").is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::fs::remove_dir(&out).unwrap();
        std::fs::write(&out, "").unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let signed = station.files("certificates");
        assert_eq!((signed.len(), station.files("journal").len()), (1, 1));
        if !is_logged {
            let log = station.state().join("custody/log.jsonl");
            let text = std::fs::read_to_string(&log).unwrap();
            let last = text.trim_end().rfind('\n').unwrap() + 1;
            std::fs::write(&log, &text[..last]).unwrap();
            // What was acknowledged is remembered.
            std::fs::remove_file(log.with_file_name("frontier.json")).unwrap();
            let told = both(&station.expect(5, &["custody", "audit"]));
            assert!(told.contains("is not in the log as the outcome of its run"), "{told}");
            // The same is to be seen for a moment at the end of each run.
            let journal = std::fs::File::open(&station.files("journal")[0]).unwrap();
            let _held = Flock::lock(journal, FlockArg::LockExclusive).unwrap();
            let told = station.ok(&["custody", "audit"]);
            assert!(told.contains("LOOK") && told.contains("was at work when this audit began"), "{told}");
        }

        let config = station.state().join("station.json");
        let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
        json["organization"] = "Another Name".into();
        std::fs::write(&config, json.to_string()).unwrap();
        std::fs::remove_file(&out).unwrap();
        let result = station.json(0, &["resume", "--yes", "--out", text(&out)]).remove(0);
        assert_eq!((&result["outcome"], &result["certificate"]), (&"pass".into(), &text(&signed[0]).into()));
        assert_eq!(station.files("certificates"), signed);
        assert!(station.files("journal").is_empty());
        let copy = out.join(signed[0].file_name().unwrap());
        assert_eq!(std::fs::read(copy).unwrap(), std::fs::read(&signed[0]).unwrap());
        station.ok(&["certificate", "verify", text(&signed[0])]);
        station.ok(&["custody", "audit"]);
    }
}

/// A file that is read slowly stands for a long list of documents.
#[test]
fn what_a_run_stores_while_an_audit_is_under_way_is_not_missing() {
    let station = Station::new();
    let image = station.image("disk.img", 1 << 16);
    station.ok(&["wipe", text(&image), "--yes"]);
    let slow = station.state().join("certificates/slow.json");
    mkfifo(&slow, Mode::S_IRWXU).unwrap();
    let mut audit = station.command(&["custody", "audit"]);
    let audit = audit.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Opened once somebody reads it.
    let writer = std::fs::OpenOptions::new().write(true).open(&slow).unwrap();
    std::fs::remove_file(&slow).unwrap();
    station.ok(&["wipe", text(&image), "--yes"]);
    drop(writer);
    let output = audit.wait_with_output().unwrap();
    let told = both(&output);
    assert!(output.status.success() && told.contains("GOOD"), "{told}");
    assert!(!told.contains("not in the state folder"), "{told}");
    let newest = station.files("certificates");
    assert_eq!(newest.len(), 2);
    for certificate in newest {
        std::fs::remove_file(certificate).unwrap();
    }
    let told = station.ok(&["custody", "audit"]);
    assert_eq!(told.matches("not in the state folder").count(), 2, "{told}");
}

/// As after a cut before it was closed, and a block that rotted since: the log knows how the run ended.
#[test]
fn a_damaged_journal_of_a_run_that_has_ended_stands_against_nothing() {
    let station = Station::new();
    let image = station.image("disk.img", 64 << 10);
    let wipe = || station.json(0, &["wipe", text(&image), "--yes"]).remove(0);
    let run_id = wipe()["run_id"].as_str().unwrap().to_owned();
    let journal = station.state().join("journal");
    let closed = std::fs::read_to_string(journal.join("closed").join(format!("{run_id}.jsonl"))).unwrap();
    let mut lines: Vec<&str> = closed.lines().collect();
    let last = lines.len() - 1;
    lines[last] = "rotten";
    lines.push("rotten too");
    std::fs::write(journal.join(format!("{run_id}.jsonl")), lines.join("\n") + "\n").unwrap();
    assert_eq!(wipe()["outcome"], "pass");
}
