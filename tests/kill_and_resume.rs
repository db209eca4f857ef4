//! kill -9, signals and other names: what was begun ends, once.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::fuse_disk::{Effect, Fault, FaultyDisk, On};
use common::interrupted::{confirm_token, newest, spawn, wait_for_progress, wipe_and_kill};
use common::loopdev::{LoopDevice, attach, detach};
use common::station::{MARK, Station, both, marked, marks_in, text};
use nix::fcntl::{Flock, FlockArg};

const KILLS: usize = 50;
const SIZE: usize = 8 << 20;

/// Each pass stands in the middle for most of its time.
fn slow() -> Vec<Fault> {
    let size = SIZE as u64;
    vec![Fault::new(On::ReadWrite, size / 2..size, Effect::Delay(Duration::from_millis(250)))]
}

#[test]
fn fifty_kills_at_random_instants_and_every_run_ends_once() {
    let station = Station::new();
    let Some(disk) = FaultyDisk::new(SIZE as u64, Vec::new()) else { return };
    let token = confirm_token(&station, disk.loop_path());
    let fresh = ["wipe", text(disk.loop_path()), "--confirm", &token, "--scheme", "dod-e", "--checkpoint", "0.1"];
    let again = ["resume", "--yes", "--checkpoint", "0.1"];
    let content = marked(SIZE);
    // Once without a kill, to know how long a run takes.
    disk.set_faults(slow());
    let began = Instant::now();
    station.ok(&fresh);
    let whole = began.elapsed();
    let (mut kills, mut open_at_kill, mut runs, mut resumed, mut in_the_middle) = (0, 0, 1, 0, 0);
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    // On a machine that is busy otherwise most kills come before the first write: then it takes more of them.
    let is_enough = |resumed, in_the_middle| resumed >= 3 && in_the_middle >= 3;
    while kills < KILLS || (!is_enough(resumed, in_the_middle) && kills < 6 * KILLS) {
        disk.poke(0, &content);
        let mut first = true;
        let mut more = Duration::ZERO;
        loop {
            let begun = !station.files("journal").is_empty();
            let mut child = spawn(&station, if first || !begun { &fresh } else { &again });
            // A fresh run is killed anywhere in it. One that was killed has less before it: half of its length reaches
            // all of it, and in time its end.
            let reach = if first || !begun { whole } else { whole / 2 };
            let patience = reach + more;
            first = false;
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            std::thread::sleep(patience.mul_f64((random >> 33) as f64 / f64::from(1u32 << 31)));
            more += whole / 20;
            let killed = matches!(child.try_wait(), Ok(None));
            child.kill().unwrap();
            child.wait().unwrap();
            disk.wait_until_free();
            kills += usize::from(killed);
            open_at_kill += usize::from(killed && has_begun(&station));
            // Killed between creating the journal and its first line, a run leaves nothing to resume: it
            // begins anew.
            if certificates(&station).len() > runs && station.files("journal").is_empty() {
                break;
            }
        }
        runs += 1;
        let open = station.json(0, &["resume"]);
        assert!(open.is_empty(), "{open:?}");
        let left = disk.backing();
        assert!(left.chunks(512).all(|block| !block.starts_with(MARK.as_bytes())));
        let certificates = certificates(&station);
        assert_eq!(certificates.len(), runs, "exactly one certificate a run");
        let newest = newest(&certificates);
        station.ok(&["certificate", "verify", text(&newest)]);
        station.ok(&["verify-media", text(disk.loop_path()), "--certificate", text(&newest)]);
        station.ok(&["custody", "audit"]);
        let shown = station.json(0, &["certificate", "show", text(&newest)]);
        let taken_up = shown[0]["document"]["facts"]["resumed"].as_array().cloned().unwrap_or_default();
        resumed += usize::from(!taken_up.is_empty());
        in_the_middle += taken_up.iter().filter(|place| place["offset"] != "0").count();
    }
    eprintln!(
        "{kills} kills over {runs} runs of {whole:?}, {open_at_kill} of them at an open run: {resumed} runs resumed, \
         {in_the_middle} times in the middle"
    );
    // A kill before the journal, or after it is closed, tries nothing of what is tried here.
    assert!(open_at_kill >= 20, "{open_at_kill} of {kills} kills met a run that can be resumed");
    assert!(is_enough(resumed, in_the_middle), "{resumed} runs were resumed, {in_the_middle} times within a pass");
}

/// Whether there is a run to resume: a journal with its first entry.
fn has_begun(station: &Station) -> bool {
    station.files("journal").iter().any(|file| std::fs::read(file).is_ok_and(|journal| journal.contains(&b'\n')))
}

/// A kill while one is written may leave its temporary file.
fn certificates(station: &Station) -> Vec<std::path::PathBuf> {
    let files = station.files("certificates").into_iter();
    files.filter(|f| f.extension().is_some_and(|e| e == "json")).collect()
}

#[test]
fn a_signal_stops_in_order_and_says_how_to_go_on() {
    for signal in ["INT", "TERM"] {
        let station = Station::new();
        let image = station.image("disk.img", 200 << 20);
        let args = ["wipe", text(&image), "--yes", "--scheme", "gutmann", "--checkpoint", "0.1"];
        let child = station.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for_progress(&station);
        let told = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(told.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(6), "{}", both(&output));
        assert!(both(&output).contains("lastwrite resume "), "{}", both(&output));
        // A new wipe must not begin beside the open run.
        let again = both(&station.expect(3, &args));
        assert!(again.contains("lastwrite resume"), "{again}");
        let id = station.json(0, &["resume"])[0]["run_id"].as_str().unwrap().to_owned();
        // What stands against going on is told with what undoes it.
        std::fs::set_permissions(&image, std::fs::Permissions::from_mode(0o400)).unwrap();
        let refused = both(&station.expect(3, &["resume", &id]));
        assert!(refused.contains("must not be written to") && refused.contains("chmod u+w"), "{refused}");
        std::fs::set_permissions(&image, std::fs::Permissions::from_mode(0o600)).unwrap();
        let result = &station.json(4, &["resume", "--abandon", &id[..8], "--reason", "test"])[0];
        let report = result["failure_report"].as_str().unwrap();
        station.ok(&["certificate", "verify", "--failure-report", report]);
        station.expect(5, &["certificate", "verify", report]);
        station.ok(&["custody", "audit"]);
        assert!(station.files("certificates").is_empty());
    }
}

/// The terminal goes away, and whoever started it under `nohup` means it to go on.
#[test]
fn a_hangup_that_is_ignored_stops_nothing() {
    let station = Station::new();
    let Some(disk) = FaultyDisk::new(SIZE as u64, Vec::new()) else { return };
    if !common::has("nohup") {
        return common::skip("needs nohup");
    }
    let token = confirm_token(&station, disk.loop_path());
    disk.set_faults(slow());
    let wipe = ["wipe", text(disk.loop_path()), "--confirm", &token, "--scheme", "dod-e", "--checkpoint", "0.1"];
    let mut command = station.command_by(&["nohup"], &wipe);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_progress(&station);
    let told = std::process::Command::new("kill").args(["-s", "HUP", &child.id().to_string()]).status();
    assert!(told.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    assert_eq!(certificates(&station).len(), 1);
}

#[test]
fn the_certificate_says_that_it_was_resumed_under_another_name() {
    let station = Station::new();
    let Some(drive) = LoopDevice::new(256 << 20) else { return };
    std::fs::write(drive.backing_file(), marked(256 << 20)).unwrap();
    let plan = &station.json(0, &["plan", text(drive.path())])[0];
    let token = plan["confirm_token"].as_str().unwrap().to_owned();
    let args = ["wipe", text(drive.path()), "--confirm", &token, "--scheme", "dod-e", "--checkpoint", "0.1"];
    let mut child = spawn(&station, &args);
    wait_for_progress(&station);
    child.kill().unwrap();
    child.wait().unwrap();

    // The name is taken by another device, and the drive comes back under a new one.
    detach(drive.path());
    // The kernel lets go of a killed program's last requests a moment after the program.
    let attached = std::path::Path::new("/sys/block").join(drive.path().file_name().unwrap()).join("loop/backing_file");
    (0..200).take_while(|_| attached.exists()).for_each(|_| std::thread::sleep(Duration::from_millis(25)));
    let other = tempfile::NamedTempFile::new().unwrap();
    other.as_file().set_len(1 << 20).unwrap();
    std::fs::write(other.path(), marked(1 << 20)).unwrap();
    let Some(blocker) = attach(other.path(), &[]) else { return };
    let _blocker = Detach(blocker.clone());
    let Some(moved) = attach(drive.backing_file(), &[]) else { return };
    let _moved = Detach(moved.clone());
    assert_ne!(moved, blocker);

    let open = &station.json(0, &["resume"])[0];
    assert_eq!(open["attached"], serde_json::json!([text(&moved)]));
    let output = station.expect(0, &["--json", "resume", &token]);
    let result = &common::station::json_lines(&output.stdout)[0];
    // Told under the name that it has now: the old one is another device's.
    assert_eq!((&result["target"], &result["medium"]["path"]), (&text(&moved).into(), &text(&moved).into()));
    let told = String::from_utf8(output.stderr).unwrap();
    let events: Vec<_> = told.lines().filter(|line| line.starts_with("{\"event\"")).collect();
    assert!(!events.is_empty() && !told.contains(&format!("{:?}", text(&blocker))), "{told}");
    assert!(events.iter().all(|event| event.contains(&format!("\"path\":{:?}", text(&moved)))), "{told}");
    let certificate = result["certificate"].as_str().unwrap();
    let facts = station.json(0, &["certificate", "show", certificate])[0]["document"]["facts"].clone();
    assert_eq!(facts["resumed"].as_array().unwrap().len(), 1);
    assert_eq!(facts["resumed"][0]["path"], text(&moved));
    assert_eq!(facts["medium"]["path"], text(drive.path()), "as it was found when it was planned");
    assert_eq!(marks_in(drive.backing_file()), 0);
    assert_eq!(marks_in(other.path()), 2048, "the device that took the name was not touched");
    station.ok(&["verify-media", text(&moved), "--certificate", certificate]);
    station.ok(&["custody", "audit"]);
}

#[test]
fn a_drive_that_is_not_here_waits() {
    let station = Station::new();
    let image = station.image("disk.img", 100 << 20);
    wipe_and_kill(&station, &image, &["--yes"]);
    let away = station.path("away.img");
    std::fs::rename(&image, &away).unwrap();
    let copy = std::fs::read(&away).unwrap();
    std::fs::write(&image, &copy).unwrap();
    // Same name, same content, another file: not the same medium.
    let id = station.json(0, &["resume"])[0]["run_id"].as_str().unwrap().to_owned();
    let output = station.run(&["resume", &id]);
    assert_eq!(output.status.code(), Some(6), "{}", both(&output));
    assert_eq!(std::fs::read(&image).unwrap(), copy);
    std::fs::remove_file(&image).unwrap();
    std::fs::rename(&away, &image).unwrap();
    station.ok(&["resume", &id]);
    assert_eq!(marks_in(&image), 0);
}

/// It was written to before: that nothing was touched would not be true, and it still has to be gone on with.
#[test]
fn a_run_whose_medium_another_program_holds_can_be_resumed_when_it_lets_go() {
    let station = Station::new();
    let image = station.image("disk.img", 100 << 20);
    wipe_and_kill(&station, &image, &["--yes"]);
    let file = std::fs::File::open(&image).unwrap();
    let held = nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockShared).map_err(|(_, errno)| errno).unwrap();
    let result = &station.json(6, &["resume", "--yes"])[0];
    assert_eq!(result["outcome"], "interrupted", "{result}");
    assert!(result["message"].as_str().unwrap().contains("locked by another program"), "{result}");
    let advice = result["advice"].as_str().unwrap();
    let id = result["run_id"].as_str().unwrap();
    assert!(
        advice.contains("nothing more was written") && advice.contains(&format!("lastwrite resume {id}")),
        "{advice}"
    );
    drop(held);
    assert_eq!(station.json(0, &["resume", "--yes"])[0]["outcome"], "pass");
    assert_eq!(marks_in(&image), 0);
}

/// Who gives a reason means to give the run up: it must not go on erasing because `--abandon` was left out.
#[test]
fn a_reason_alone_does_not_go_on() {
    let station = Station::new();
    let image = station.image("disk.img", 100 << 20);
    wipe_and_kill(&station, &image, &["--yes"]);
    let (journal, content) = (station.files("journal").remove(0), std::fs::read(&image).unwrap());
    let (run, entries) = (journal.file_stem().unwrap().to_str().unwrap(), std::fs::read(&journal).unwrap());
    for (which, word) in [(run, "--abandon"), ("--yes", "--yes")] {
        let told = both(&station.expect(2, &["resume", which, "--reason", "drive is dead"]));
        assert!(told.contains(word), "{told}");
    }
    assert!(std::fs::read(&image).unwrap() == content, "nothing was written");
    assert_eq!(std::fs::read(&journal).unwrap(), entries);
}

/// Whoever asks for all of them hears of each that does not go on, and a script by the exit code.
#[test]
fn what_resume_leaves_out_is_told_and_counts() {
    let station = Station::new();
    let image = station.image("disk.img", 100 << 20);
    wipe_and_kill(&station, &image, &["--yes"]);
    let journal = station.files("journal").remove(0);
    let run = journal.file_stem().unwrap().to_str().unwrap();
    let told = |target: &str, word: &str| {
        for which in ["--yes", run] {
            let told = station.json(6, &["resume", which]);
            let [one] = &told[..] else { panic!("{told:?}") };
            assert_eq!((&one["outcome"], &one["run_id"]), (&"interrupted".into(), &run.into()));
            assert_eq!(one["target"], target);
            assert!(one["message"].as_str().unwrap().contains(word) && one["advice"].is_string(), "{one}");
        }
    };
    let away = station.path("away.img");
    std::fs::rename(&image, &away).unwrap();
    told(run, "is not attached");
    std::fs::rename(&away, &image).unwrap();
    let held = std::fs::File::open(&journal).unwrap();
    let held = Flock::lock(held, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error).unwrap();
    told(text(&image), "work");
    drop(held);

    let corrupt = "0".repeat(32);
    let path = station.state().join("journal").join(format!("{corrupt}.jsonl"));
    std::fs::write(&path, "garbage\nmore garbage\n").unwrap();
    let told = station.json(5, &["resume", "--yes"]);
    let end = |of: &serde_json::Value| [&of["run_id"], &of["outcome"]].map(|it| it.as_str().unwrap().to_owned());
    assert_eq!(told.iter().map(end).collect::<Vec<_>>(), [[corrupt.as_str(), "error"], [run, "pass"]]);
    assert!(told[0]["advice"].as_str().unwrap().contains(&format!("--abandon {corrupt}")), "{told:?}");
    assert_eq!(marks_in(&image), 0);
    station.expect(5, &["resume", "--yes"]);
    // A run of which only the name was made.
    std::fs::write(&path, "").unwrap();
    let told = station.json(3, &["resume", "--yes"]);
    assert_eq!((&told[0]["outcome"], &told[0]["run_id"]), (&"refused".into(), &corrupt.as_str().into()), "{told:?}");
    assert!(told[0]["message"].as_str().unwrap().contains("had written nothing"), "{told:?}");
    assert!(station.json(0, &["resume", "--yes"]).is_empty());
}

/// A journal that is moved to `closed/` between the listing and the look at it.
#[test]
fn a_run_that_ends_meanwhile_does_not_keep_the_others_from_going_on() {
    let station = Station::new();
    let image = station.image("disk.img", 100 << 20);
    wipe_and_kill(&station, &image, &["--yes"]);
    let name = station.state().join("journal").join(format!("{}.jsonl", "0".repeat(32)));
    std::os::unix::fs::symlink(station.path("nothing"), &name).unwrap();
    assert_eq!(station.json(0, &["resume"]).len(), 1);
    station.ok(&["resume", "--yes"]);
    assert_eq!(marks_in(&image), 0);
}

struct Detach(std::path::PathBuf);

impl Drop for Detach {
    fn drop(&mut self) {
        detach(&self.0);
    }
}

#[test]
fn a_medium_that_was_written_to_since_is_not_taken_for_the_same() {
    let station = Station::new();
    let Some(disk) = FaultyDisk::new(SIZE as u64, Vec::new()) else { return };
    disk.poke(0, &marked(SIZE));
    let token = confirm_token(&station, disk.loop_path());
    // In the third pass: what lies below the cut is not what an earlier one wrote either.
    disk.set_faults(vec![Fault::new(On::Write, 5_000_192..5_000_704, Effect::Hang).after(2)]);
    let wipe = ["wipe", text(disk.loop_path()), "--confirm", &token, "--scheme", "gutmann", "--checkpoint", "0.1"];
    let mut child = spawn(&station, &wipe);
    assert!(disk.wait_for_hang(1, Duration::from_secs(60)));
    let journal = || std::fs::read_to_string(&station.files("journal")[0]).unwrap();
    let is_saved = || journal().lines().any(|line| line.contains("\"checkpoint\"") && line.contains("\"pass\":3"));
    (0..6000).take_while(|_| !is_saved()).for_each(|_| std::thread::sleep(Duration::from_millis(10)));
    assert!(is_saved(), "{}", journal());
    child.kill().unwrap();
    disk.release();
    child.wait().unwrap();
    disk.wait_until_free();
    let id = station.json(0, &["resume"])[0]["run_id"].as_str().unwrap().to_owned();
    // The same device by every mark of identity, with the content of another medium.
    let other = marked(SIZE);
    disk.poke(0, &other);
    let output = station.expect(4, &["--json", "resume", &id]);
    assert_eq!(common::station::json_lines(&output.stdout)[0]["outcome"], "fail");
    assert!(both(&output).contains("another medium of the same identity"), "{}", both(&output));
    assert!(station.files("certificates").is_empty());
    assert!(disk.backing() == other, "nothing more was written");
    station.ok(&["custody", "audit"]);
}

/// A journal that rots while its run is interrupted: what stands before the damage still gives a
/// signed report and the outcome that the intent needs.
#[test]
fn a_run_whose_journal_rots_can_be_given_up() {
    for keep in [usize::MAX, 1, 0] {
        let station = Station::new();
        let image = station.image("disk.img", 40 << 20);
        wipe_and_kill(&station, &image, &["--yes"]);
        let journal = station.files("journal").remove(0);
        let run = journal.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut bytes = std::fs::read(&journal).unwrap();
        let lines: Vec<usize> = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1).collect();
        let damaged = keep.min(lines.len() - 2);
        let start = if damaged == 0 { 0 } else { lines[damaged - 1] };
        bytes[start + 20] ^= 1;
        std::fs::write(&journal, &bytes).unwrap();

        // A wipe that ended before the run is given up would be told as undone by it.
        let content = std::fs::read(&image).unwrap();
        let told = both(&station.expect(3, &["wipe", text(&image), "--yes"]));
        assert!(told.contains(&format!("resume --abandon {run}")), "{told}");
        assert!(std::fs::read(&image).unwrap() == content, "nothing was written");
        station.expect(5, &["resume", &run]);
        station.expect(if damaged < 2 { 0 } else { 4 }, &["resume", "--abandon", &run, "--reason", "rotten"]);
        assert_eq!(std::fs::read(station.state().join(format!("journal/corrupt/{run}.jsonl"))).unwrap(), bytes);
        assert!(station.files("journal").is_empty());
        assert_eq!(station.files("failures").len(), usize::from(damaged >= 2));
        let audit = station.ok(&["custody", "audit"]);
        assert!(!audit.contains("no_outcome"), "{audit}");
        // And the medium is free again.
        let certificate = &station.json(0, &["wipe", text(&image), "--yes"])[0]["certificate"];
        station.ok(&["certificate", "verify", certificate.as_str().unwrap()]);
    }
}

enum Damage {
    Flip(usize),
    CutLast,
    Empty,
}

/// Killed between the log's outcome and the closing of its journal, which rots then: nothing is left to report.
#[test]
fn a_rotten_journal_of_a_run_that_had_ended_is_put_aside() {
    // A line in the middle; the plan itself; the result, which nothing follows. From a backup: without the result;
    // with nothing.
    for (damaged, why) in [
        (Damage::Flip(2), "check sum does not fit"),
        (Damage::Flip(0), "check sum does not fit"),
        (Damage::Flip(usize::MAX), "check sum does not fit"),
        (Damage::CutLast, "had ended before"),
        (Damage::Empty, "it is empty, and the custody log has the intent"),
    ] {
        let station = Station::new();
        let image = station.image("disk.img", 1 << 20);
        let certificate = station.json(0, &["wipe", text(&image), "--yes"])[0]["certificate"].clone();
        let closed = station.files("journal/closed").remove(0);
        let run = closed.file_stem().unwrap().to_str().unwrap().to_owned();
        let journal = station.state().join(format!("journal/{run}.jsonl"));
        let mut bytes = std::fs::read(&closed).unwrap();
        std::fs::rename(&closed, &journal).unwrap();
        let starts: Vec<usize> = (0..bytes.len()).filter(|at| *at == 0 || bytes[at - 1] == b'\n').collect();
        match damaged {
            Damage::Flip(line) => bytes[starts[line.min(starts.len() - 1)] + 20] ^= 1,
            Damage::CutLast => bytes.truncate(starts[starts.len() - 1]),
            Damage::Empty => bytes.clear(),
        }
        std::fs::write(&journal, &bytes).unwrap();

        // The medium is in use again.
        let content = marked(1 << 20);
        std::fs::write(&image, &content).unwrap();
        let told = both(&station.expect(5, &["resume", &run, "--yes"]));
        assert!(told.contains(why), "{told}");
        assert!(std::fs::read(&image).unwrap() == content, "nothing was written");
        let told = &station.json(0, &["resume", "--abandon", &run, "--reason", "rotten"])[0];
        assert_eq!(told["outcome"], "abandoned", "{told}");
        assert!(told["message"].as_str().unwrap().contains("had ended before"), "{told}");
        assert!(station.files("journal").is_empty());
        assert_eq!(std::fs::read(station.state().join(format!("journal/corrupt/{run}.jsonl"))).unwrap(), bytes);
        assert_eq!(station.files("journal/corrupt").len(), 1);
        assert!(station.files("failures").is_empty());
        station.ok(&["certificate", "verify", certificate.as_str().unwrap()]);
        let audit = station.ok(&["custody", "audit"]);
        assert!(!audit.contains("no_outcome") && !audit.contains("several_outcomes"), "{audit}");
        station.json(0, &["wipe", text(&image), "--yes"]);
    }
}
