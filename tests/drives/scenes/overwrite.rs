//! Host overwrite behind a real NVMe driver: what is reported, and what is on the medium.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::station::json_lines;
use crate::models::nvme::Nvme;
use crate::models::nvme_bus::NvmeDrive;
use crate::rig::Guest;

const MEBIBYTES: u64 = 16;

fn drive(serial: &str, change: impl FnOnce(&mut Nvme)) -> NvmeDrive {
    let mut model = Nvme::new(serial, MEBIBYTES);
    change(&mut model);
    NvmeDrive::new(model)
}

/// Documents in one folder of the station, as the host sees them.
fn documents(share: &Path, folder: &str) -> usize {
    let entries = std::fs::read_dir(share.join("state").join(folder)).unwrap();
    entries.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|x| x == "json")).count()
}

#[track_caller]
fn no_pass(share: &Path, result: &Value) {
    assert_ne!(result["outcome"], "pass", "{result:#}");
    assert_eq!(result["certificate"], Value::Null, "{result:#}");
    assert_eq!(documents(share, "certificates"), 0);
}

#[test]
fn an_honest_drive_is_listed_planned_overwritten_and_proven() {
    let nvme = drive("HONEST-1", |_| {});
    let share = tempfile::tempdir().unwrap();
    let Some(mut guest) = Guest::boot(share.path(), &[&nvme]) else { return };
    let drives = guest.drives();
    assert_eq!(drives.len(), 1, "{drives:#?}");
    assert_eq!(drives[0]["identity"]["model"], "RIG NVME");
    let (path, _) = guest.drive("HONEST-1");
    let plan = guest.lastwrite(&["--json", "plan", &path]).expect(0);
    assert!(plan.stdout.contains("HONEST-1"), "{}", plan.stdout);
    let (left, all) = nvme.left();
    assert_eq!(left, all, "looking changes nothing");
    assert_eq!(nvme.lock().seen, [], "and sends nothing that could");

    let (ran, result) = guest.wipe("HONEST-1", &["--scheme", "zero"]);
    ran.expect(0);
    assert_eq!(result["outcome"], "pass", "{result:#}");
    assert_eq!(nvme.left().0, 0);
    assert_eq!((documents(share.path(), "certificates"), documents(share.path(), "failures")), (1, 0));
}

#[test]
fn a_drive_that_drops_writes_is_no_pass() {
    let nvme = drive("DROPS-1", |d| d.medium.drops_writes = true);
    let share = tempfile::tempdir().unwrap();
    let Some(mut guest) = Guest::boot(share.path(), &[&nvme]) else { return };
    let (ran, result) = guest.wipe("DROPS-1", &["--scheme", "zero"]);
    ran.expect(4);
    no_pass(share.path(), &result);
    assert_eq!(documents(share.path(), "failures"), 1);
    let (left, all) = nvme.left();
    assert_eq!(left, all);
}

#[test]
fn sectors_that_cannot_be_written_are_no_pass_and_the_rest_is_overwritten() {
    let nvme = drive("BAD-1", |d| d.medium.bad_writes = (8000..8003).collect());
    let share = tempfile::tempdir().unwrap();
    let Some(mut guest) = Guest::boot(share.path(), &[&nvme]) else { return };
    let (ran, result) = guest.wipe("BAD-1", &["--scheme", "zero", "--retries", "1"]);
    ran.expect(4);
    no_pass(share.path(), &result);
    assert_eq!(nvme.left().0, 3, "only these three");
}

#[test]
fn a_drive_that_is_pulled_while_it_is_written_is_no_pass() {
    let nvme = drive("PULLED-1", |d| d.gone_after = Some(8192));
    let share = tempfile::tempdir().unwrap();
    let Some(mut guest) = Guest::boot(share.path(), &[&nvme]) else { return };
    let (ran, result) = guest.wipe("PULLED-1", &["--scheme", "zero"]);
    assert!(matches!(ran.code, 4 | 6), "{} {}\n{}", ran.code, ran.stdout, ran.stderr);
    no_pass(share.path(), &result);
    assert!(nvme.left().0 > 0);
}

#[test]
fn a_power_cut_is_resumed_in_the_next_boot_with_one_certificate() {
    let nvme = drive("CUT-1", |d| d.write_time = Duration::from_millis(150));
    let share = tempfile::tempdir().unwrap();
    let Some(mut guest) = Guest::boot(share.path(), &[&nvme]) else { return };
    guest.begin_wipe("CUT-1", &["--scheme", "zero", "--checkpoint", "1"]);
    let start = Instant::now();
    while nvme.writes() < 20 {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", guest.console());
        std::thread::sleep(Duration::from_millis(20));
    }
    nvme.power(false);
    guest.cut();
    let (left, all) = nvme.left();
    assert!(0 < left && left < all, "cut in the middle: {left} of {all}");
    assert_eq!(documents(share.path(), "certificates"), 0);

    nvme.power(true);
    nvme.lock().write_time = Duration::ZERO;
    let mut guest = Guest::boot(share.path(), &[&nvme]).unwrap();
    let run = std::fs::read_dir(share.path().join("state/journal")).unwrap();
    let journals: Vec<_> = run.filter(|e| e.as_ref().unwrap().path().is_file()).collect();
    assert!(!journals.is_empty(), "the journal outlived the power");
    let listed = guest.lastwrite(&["--json", "resume"]);
    let lines = json_lines(listed.stdout.as_bytes());
    let id = lines.iter().find_map(run_id).unwrap_or_else(|| panic!("{lines:#?} {}", listed.stderr));
    let resumed = guest.lastwrite(&["--json", "resume", &id]);
    assert_eq!(resumed.code, 0, "{}\n{}", resumed.stdout, resumed.stderr);
    assert_eq!(nvme.left().0, 0);
    assert_eq!(documents(share.path(), "certificates"), 1);
}

/// The first run id anywhere in a JSON value.
fn run_id(value: &Value) -> Option<String> {
    match value {
        Value::Object(members) => {
            let own = members.get("run_id").and_then(Value::as_str).map(str::to_owned);
            own.or_else(|| members.values().find_map(run_id))
        }
        Value::Array(items) => items.iter().find_map(run_id),
        _ => None,
    }
}
