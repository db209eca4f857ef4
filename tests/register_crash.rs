//! kill -9 and a full disk: nothing lost, nothing half.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::process::Command;
use std::time::Duration;

use common::station::{Station, both, text};

const ROWS: usize = 3000;

fn register() -> Station {
    let station = Station::new();
    station.ok(&["register", "init", "--organization", "O", "--name", "Mia", "--role", "asset_manager"]);
    station
}

fn sheet(station: &Station, rows: usize) -> std::path::PathBuf {
    let file = station.path("sheet.csv");
    let lines: String = (0..rows).map(|i| format!("T-{i},Site {i}\n")).collect();
    std::fs::write(&file, format!("asset_tag,location\n{lines}")).unwrap();
    file
}

fn count(station: &Station) -> usize {
    station.json(0, &["asset", "list", "--limit", "100000"]).len()
}

#[test]
fn an_import_that_is_killed_is_there_wholly_or_not_at_all() {
    let mut killed = 0;
    for after in [5, 30, 60, 100, 160, 240, 400] {
        let station = register();
        let file = sheet(&station, ROWS);
        let mut child = station.command(&["asset", "import", text(&file)]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        killed += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill(); // SIGKILL
        child.wait().unwrap();
        let there = count(&station);
        assert!(there == 0 || there == ROWS, "{there} of {ROWS} after {after} ms");
        station.ok(&["register", "audit"]);
        if there == 0 {
            station.ok(&["asset", "import", text(&file)]);
            assert_eq!(count(&station), ROWS);
        }
    }
    assert!(killed > 0, "no import was cut off, so nothing was tested");
}

#[test]
fn a_close_that_is_killed_is_done_or_not_begun() {
    for after in [1, 4, 8, 12, 20, 35] {
        let station = register();
        let image = station.image("disk.img", 1 << 16);
        station.ok(&["asset", "add", "A", "--class", "virtual", "--data-class", "none", "--stage", "decommissioning"]);
        station.ok(&["media", "add", "A", "--drive", text(&image)]);
        station.ok(&["asset", "count", "A", "1"]);
        let steps = [
            "data_backup",
            "licence_removal",
            "network_disconnect",
            "credential_revoke",
            "mdm_release",
            "asset_label_removed",
        ];
        station.ok(&[&["asset", "check", "A"][..], &steps].concat());
        station.ok(&["asset", "route", "A", "recycling", "--order", "L"]);
        station.ok(&["asset", "move", "A", "disposition"]);
        station.ok(&["asset", "outcome", "A", "recycled", "--certificate", text(&image)]);
        station.ok(&["wipe", text(&image), "--yes"]);
        let state = station.state();
        let mut child = station.command(&["register", "ingest", text(&state)]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        let _ = child.kill();
        child.wait().unwrap();
        station.ok(&["register", "audit"]);
        station.ok(&["register", "ingest", text(&state)]);
        let shown = station.json(0, &["asset", "show", "A"]);
        assert_eq!(shown[0]["asset"]["stage"], "closed", "after {after} ms");
        assert_eq!(shown[0]["media"][0]["medium"]["evidence"].as_array().unwrap().len(), 1);
        station.ok(&["register", "audit"]);
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_half() {
    if !common::is_root() {
        return;
    }
    let station = register();
    let small = station.path("small");
    std::fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "none"]).arg(&small).status().unwrap();
    if !mounted.success() {
        return common::skip("tmpfs cannot be mounted here");
    }
    let _unmount = Unmount(small.clone());
    let database = small.join("register.db");
    let at = ["--database", text(&database)];
    let with = |args: &[&str]| [args, &at].concat().iter().map(|a| (*a).to_owned()).collect::<Vec<_>>();
    let run = |code: i32, args: &[&str]| {
        let args = with(args);
        station.expect(code, &args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    run(0, &["register", "init", "--organization", "O", "--name", "Mia", "--role", "asset_manager"]);
    run(0, &["asset", "add", "FIRST"]);
    let file = sheet(&station, ROWS);
    let told = both(&run(1, &["asset", "import", text(&file)]));
    assert!(told.contains("full"), "{told}");
    let list = both(&run(0, &["asset", "list"]));
    assert!(list.contains("FIRST") && !list.contains("T-1"), "{list}");
    run(0, &["register", "audit"]);
    run(0, &["asset", "add", "SECOND"]);
    run(0, &["register", "audit"]);
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
