//! An interrupted run goes on on its own medium: known again where a reboot has changed numbers, and never taken for
//! another one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::interrupted::{confirm_token, spawn, wipe_and_kill};
use common::loopdev::LoopDevice;
use common::station::{Station, both, marked, marks_in, text};
use sha2::{Digest, Sha256};

/// The file system of an image has another device number after a reboot; the image is where it was.
#[test]
fn an_image_on_a_file_system_with_another_number_goes_on() {
    let station = Station::new();
    let image = station.image("disk.img", 100 << 20);
    wipe_and_kill(&station, &image, &["--yes"]);
    move_file_system(&station);

    let refused = both(&station.expect(3, &["wipe", text(&image), "--yes"]));
    assert!(refused.contains("is not finished"), "{refused}");
    let result = &station.json(0, &["resume", "--yes"])[0];
    assert_eq!(result["outcome"], "pass");
    assert_eq!(marks_in(&image), 0);
    station.ok(&["verify-media", text(&image), "--certificate", result["certificate"].as_str().unwrap()]);
}

/// The loop device is set up again after a reboot, and its file is on a file system with another number.
#[test]
fn a_loop_device_on_a_file_system_with_another_number_goes_on() {
    let station = Station::new();
    let Some(drive) = LoopDevice::new(64 << 20) else { return };
    std::fs::write(drive.backing_file(), marked(64 << 20)).unwrap();
    let token = confirm_token(&station, drive.path());
    wipe_and_kill(&station, drive.path(), &["--confirm", &token]);
    move_file_system(&station);

    let refused = both(&station.expect(3, &["wipe", text(drive.path()), "--confirm", &token]));
    assert!(refused.contains("is not finished"), "{refused}");
    assert_eq!(station.json(0, &["resume", "--yes"])[0]["outcome"], "pass");
    assert_eq!(marks_in(drive.backing_file()), 0);
}

/// Until its first checkpoint nothing that a run wrote tells its image from another file in its place, which may have
/// its inode as well.
#[test]
fn a_run_that_has_written_nothing_goes_on_only_on_the_very_file() {
    let station = Station::new();
    let image = station.image("disk.img", 100 << 20);
    if std::fs::metadata(&image).unwrap().created().is_err() {
        return common::skip("needs a file system that tells when a file was made");
    }
    wipe_and_kill(&station, &image, &["--yes"]);
    let other = marked(100 << 20);
    std::fs::write(&image, &other).unwrap();
    let mut born = serde_json::Value::Null;
    rewrite(&station, 2, |plan| born = plan["file_born"].take());
    let is_refused = || {
        let told = station.json(3, &["resume", "--yes"]).remove(0);
        assert_eq!((&told["outcome"], &told["target"]), (&"refused".into(), &text(&image).into()), "{told}");
        assert!(told["message"].as_str().unwrap().contains("may be another medium"), "{told}");
        assert!(told["advice"].as_str().unwrap().contains("--confirm"), "{told}");
        assert!(std::fs::read(&image).unwrap() == other, "nothing was written");
    };
    is_refused();
    rewrite(&station, 2, |plan| plan["file_born"] = "2020-01-01T00:00:00Z".into());
    is_refused();
    rewrite(&station, 2, |plan| plan["file_born"] = born);
    station.ok(&["resume", "--yes"]);
    assert_eq!(marks_in(&image), 0);
}

/// As if the file system of the medium's file had had another number when the only run was planned.
fn move_file_system(station: &Station) {
    rewrite(station, usize::MAX, |plan| {
        let device = &mut plan["medium"]["identity"]["backing"]["device"];
        *device = (device.as_str().unwrap().parse::<u64>().unwrap() + 1).to_string().into();
    });
}

/// Changes the plan in the only journal, of which the first entries are kept.
fn rewrite(station: &Station, keep: usize, change: impl FnOnce(&mut serde_json::Value)) {
    let journal = station.files("journal").remove(0);
    let written = std::fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = written.split_inclusive('\n').filter(|line| line.ends_with('\n')).collect();
    let mut entries: Vec<String> = lines.iter().map(|line| line[17..].trim_end().to_owned()).collect();
    assert_eq!(chained(&entries), lines.concat(), "the test chains as the journal does");
    entries.truncate(keep);
    let mut opened: serde_json::Value = serde_json::from_str(&entries[0]).unwrap();
    change(&mut opened["plan"]);
    entries[0] = opened.to_string();
    std::fs::write(&journal, chained(&entries)).unwrap();
}

/// A journal of these entries: each line begins with the digest of all before it.
fn chained(entries: &[String]) -> String {
    let mut chain = [0; 32];
    let line = |json: &String| {
        chain = Sha256::new().chain_update(chain).chain_update(json).finalize().into();
        let mark: String = chain[..8].iter().map(|b| format!("{b:02x}")).collect();
        format!("{mark} {json}\n")
    };
    entries.iter().map(line).collect()
}

/// Cut between two passes there is nothing of the second one to know the medium again by, but all of the first one.
#[test]
fn a_run_that_was_cut_between_two_passes_knows_its_medium_by_the_one_before() {
    const SIZE: usize = 100 << 20;
    // What the image holds when the run is taken up: bytes of the first pass (00), of the second (FF), or others.
    let mixed: Vec<u8> = (0..SIZE / 4096).flat_map(|block| [if block % 3 == 0 { 0xFF } else { 0 }; 4096]).collect();
    for (content, passes) in [(vec![0; SIZE], true), (mixed, true), (marked(SIZE), false)] {
        let station = Station::new();
        let image = station.image("disk.img", SIZE);
        let mut child = spawn(&station, &["wipe", text(&image), "--yes", "--scheme", "vsitr", "--checkpoint", "0.1"]);
        let first_ended = || {
            let journal = std::fs::read_to_string(station.files("journal").first()?).ok()?;
            let end = journal.find("\"entry\":\"stage_ended\"")?;
            Some(journal[..end + journal[end..].find('\n')? + 1].to_owned())
        };
        let cut = (0..4000).find_map(|_| {
            std::thread::sleep(Duration::from_millis(5));
            first_ended()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        std::fs::write(&station.files("journal")[0], cut.unwrap()).unwrap();
        std::fs::write(&image, &content).unwrap();
        let output = station.run(&["--json", "resume", "--yes"]);
        let result = &common::station::json_lines(&output.stdout)[0];
        if passes {
            assert_eq!((output.status.code(), &result["outcome"]), (Some(0), &"pass".into()), "{}", both(&output));
            assert!(std::fs::read(&image).unwrap().iter().all(|byte| *byte == 0xAA));
        } else {
            assert_eq!(output.status.code(), Some(4), "{}", both(&output));
            let report = station.json(0, &["certificate", "show", result["failure_report"].as_str().unwrap()]);
            assert_eq!(report[0]["document"]["failure"]["code"], "other_content", "{report:?}");
            assert_eq!(std::fs::read(&image).unwrap(), content, "nothing more was written");
        }
    }
}
