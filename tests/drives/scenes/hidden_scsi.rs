//! Capacity that a block descriptor took from SCSI disks: named and excluded where nobody asked to have it
//! back, and given back where somebody did. They hang behind USB (the rig's SAS adapter is virtio, whose disks
//! are nothing physical to `lastwrite`), where only what a disk says is given back.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::bench::{Bench, case, run_of};
use super::hidden::document_of;
use super::identity::wait_for;
use super::table::Truth::{Excluded, Honest};
use crate::models::scsi::{GivesBack, Scsi};
use crate::models::usb_scsi::UsbScsi;
use crate::rig::plug::Drive;

const KIND: &str = "SCSI disk behind USB";
const ZEROS: [&str; 4] = ["--method", "clear", "--scheme", "zero"];
const BACK: [&str; 5] = ["--method", "clear", "--scheme", "zero", "--restore-hidden=or-exclude"];
const ASKED: &str = "overwrite, `--restore-hidden=or-exclude`";
const NAMED: &str = "pass, certificate: the area is excluded, grade C";

fn disk(serial: &str, change: fn(&mut Scsi)) -> UsbScsi {
    let mut model = Scsi::new(serial, 4);
    model.reduced = 1024;
    change(&mut model);
    UsbScsi::new(model)
}

#[test]
fn short_capacities_are_named_and_given_back() {
    let honest = disk("S-HONEST", |_| {});
    let word = disk("S-WORD", |d| d.gives_back = GivesBack::ByItsWord);
    let never = disk("S-NEVER", |d| d.gives_back = GivesBack::Never);
    let killed = disk("S-KILLED", |d| d.gives_back_time = Duration::from_secs(3));
    let shy = disk("S-SHY", |d| d.tells_reduced = false);
    let Some(mut bench) = Bench::start("hidden-scsi", &[&honest, &word, &never, &killed, &shy]) else { return };

    named(&mut bench, &honest);
    killed_in_the_middle(&mut bench, &killed);

    // What is behind a bridge cannot be known: all of it or nothing is asking for too much.
    let (ran, refused) = bench.guest.wipe("S-HONEST", &[&ZEROS[..], &["--restore-hidden"]].concat());
    assert_eq!((ran.code, &refused["outcome"]), (3, &"refused".into()), "{refused:#}");
    assert!(refused.to_string().contains("USB bridge"), "{refused:#}");

    let (ran, result) = bench.guest.wipe("S-HONEST", &BACK);
    assert_eq!(ran.code, 0, "{result:#} {}", ran.stderr);
    let case_ =
        case(&honest, "S-HONEST", KIND, Honest, "is honest, and gives back what a block descriptor took from it");
    bench.judge(&case_, ASKED, &result);
    given_back(&bench, &result);

    let (ran, result) = bench.guest.wipe("S-NEVER", &BACK);
    assert_eq!((ran.code, never.left().0), (0, 1024), "{result:#} {}", ran.stderr);
    excluded(&bench, &result);
    let behaviour = "is 1,024 sectors smaller by its block descriptor, and refuses to give them back";
    bench.put_down(&case(&never, "S-NEVER", KIND, Excluded, behaviour), ASKED, NAMED);

    claims_to_give_back(&mut bench, &word);

    // The default values of this one are its current ones: nothing tells, and the certificate says so.
    let (ran, result) = bench.guest.wipe("S-SHY", &BACK);
    assert_eq!((ran.code, shy.left().0), (0, 1024), "{result:#} {}", ran.stderr);
    let says = document_of(&bench, "certificates", &result);
    let hidden = &says["facts"]["hidden_areas"];
    assert_eq!(hidden["state"], "not_examined", "{hidden:#}");
    assert!(hidden["why"].to_string().contains("cannot be told"), "{hidden:#}");
    let behaviour = "is 1,024 sectors smaller by its block descriptor, and does not say so";
    let reported = "pass, certificate: hidden areas were not examined";
    assert!(says["grade"]["reasons"].to_string().contains("were not examined"), "{:#}", says["grade"]);
    bench.put_down(&case(&shy, "S-SHY", KIND, Excluded, behaviour), ASKED, reported);

    let verified = bench.guest.run("lastwrite certificate verify /share/state/certificates/*.json").expect(0);
    assert!(verified.stdout.contains("told of: short capacity"), "{}", verified.stdout);
    bench.guest.lastwrite(&["custody", "audit"]).expect(0);
    bench.end();
}

/// Without the person's word the area is named by `drives`, plan and certificate, and stays as it is.
fn named(bench: &mut Bench, disk: &UsbScsi) {
    let (path, _) = bench.guest.drive("S-HONEST");
    let drives = bench.guest.lastwrite(&["drives"]).expect(0);
    assert!(drives.stdout.contains("hidden: short capacity, 524"), "{}", drives.stdout);
    let health = "health: good by its own account, 3 media errors, 7 % worn, 34 °C, 1000 hours";
    assert!(drives.stdout.contains(health), "{}", drives.stdout);
    let plan = bench.guest.lastwrite(&["plan", &path, "--method", "clear"]).expect(0);
    assert!(plan.stdout.contains("34 °C"), "{}", plan.stdout);
    assert!(plan.stdout.contains("the drive hides a part of itself (short capacity"), "{}", plan.stdout);
    let (ran, result) = bench.guest.wipe("S-HONEST", &ZEROS);
    assert_eq!(disk.left().0, 1024, "{result:#} {}", ran.stderr);
    excluded(bench, &result);
    let behaviour = "is honest, and 1,024 sectors smaller by its block descriptor";
    bench.put_down(&case(disk, "S-HONEST", KIND, Excluded, behaviour), "overwrite", NAMED);
}

/// The program is killed when the disk has grown and the kernel does not know it yet.
fn killed_in_the_middle(bench: &mut Bench, disk: &UsbScsi) {
    bench.guest.begin_wipe(&["S-KILLED"], &BACK);
    let start = Instant::now();
    while disk.lock().reduced > 0 {
        let begun = std::fs::read_to_string(bench.share.path().join("begun")).unwrap_or_default();
        assert!(start.elapsed() < Duration::from_secs(120), "{begun}\n{}", bench.guest.console());
        std::thread::sleep(Duration::from_millis(20));
    }
    bench.guest.run("kill -9 $(pidof lastwrite); while pidof lastwrite; do sleep 0.1; done").expect(0);
    let listed = bench.guest.lastwrite(&["--json", "resume"]).json();
    let open = listed.iter().find(|run| run.to_string().contains("S-KILLED")).unwrap();
    assert!(open["done_to_drive"].to_string().contains("MODE SELECT (10)"), "{open:#}");
    assert!(open["done_to_drive"].to_string().contains("is not known"), "{open:#}");
    assert_eq!(disk.left().0, disk.left().1, "nothing is erased yet");
    let (ran, result) = bench.resume(&run_of(&listed, "S-KILLED").unwrap(), &[]);
    assert!(result["outcome"].is_string(), "{} {}", ran.stdout, ran.stderr);
    let behaviour = "is honest; the program is killed when the disk has grown and the kernel does not know it yet";
    bench.judge(&case(disk, "S-KILLED", KIND, Honest, behaviour), &format!("{ASKED}, then `resume`"), &result);
    given_back(bench, &result);
}

/// A disk that says that it took its whole capacity, and did not: fresh power first, then it keeps it.
fn claims_to_give_back(bench: &mut Bench, disk: &UsbScsi) {
    let (ran, result) = bench.guest.wipe("S-WORD", &[&ZEROS[..], &["--restore-hidden=or-exclude"]].concat());
    assert_eq!((ran.code, &result["outcome"]), (6, &"interrupted".into()), "{result:#}");
    assert!(result["advice"].to_string().contains("Cut the drive's power"), "{result:#}");
    assert_eq!(disk.left().0, disk.left().1, "nothing was erased");
    let selects = |disk: &UsbScsi| disk.lock().seen.iter().filter(|cdb| cdb[0] == 0x55).count();
    let before = selects(disk);
    let listed = bench.guest.lastwrite(&["--json", "resume"]).json();
    let run = run_of(&listed, "S-WORD").unwrap();
    let (ran, again) = bench.resume(&run, &[]);
    assert_eq!((ran.code, selects(disk)), (6, before), "nothing is tried again without fresh power: {again:#}");
    disk.lock().gone = true;
    wait_for(bench, "S-WORD", false);
    disk.lock().gone = false;
    wait_for(bench, "S-WORD", true);
    let (ran, result) = bench.resume(&run, &["--confirm", "S-WORD"]);
    assert_eq!((ran.code, disk.left().0), (0, 1024), "{result:#} {}", ran.stderr);
    excluded(bench, &result);
    let behaviour = "is 1,024 sectors smaller by its block descriptor, and only says that it gives them back";
    let case = case(disk, "S-WORD", KIND, Excluded, behaviour);
    bench.put_down(&case, &format!("{ASKED}, power cycle, `resume`"), NAMED);
}

/// What the certificate says of the block descriptor's area.
fn short_capacity(says: &Value) -> Value {
    let areas = says["facts"]["hidden_areas"]["areas"].as_array().unwrap();
    areas.iter().find(|area| area["kind"] == "short_capacity").unwrap_or_else(|| panic!("{says:#}")).clone()
}

#[track_caller]
fn excluded(bench: &Bench, result: &Value) {
    let says = document_of(bench, "certificates", result);
    let area = short_capacity(&says);
    assert_eq!((&area["size"], &area["outcome"]), (&"524288".into(), &"excluded".into()), "{says:#}");
    assert_eq!(says["grade"]["mark"], "C", "{:#}", says["grade"]);
    assert!(says["statement"].to_string().contains("THE RUN DID NOT REACH A PART OF THE DRIVE"), "{says:#}");
}

/// The certificate shows the disk before and after, and what was sent; what may be behind the bridge stays open.
#[track_caller]
fn given_back(bench: &Bench, result: &Value) {
    let says = document_of(bench, "certificates", result);
    let (facts, hidden) = (&says["facts"], &says["facts"]["hidden_areas"]);
    let area = short_capacity(&says);
    assert_eq!((&area["size"], &area["outcome"]), (&"524288".into(), &"given_back".into()), "{hidden:#}");
    assert_eq!(facts["medium"]["identity"]["size"], (4 << 20).to_string(), "{hidden:#}");
    assert_eq!(hidden["restored"]["before"]["size"], ((4 << 20) - 524_288).to_string(), "{hidden:#}");
    assert!(hidden["exchanges"].to_string().contains("READ CAPACITY (16)"), "{hidden:#}");
    let unknown = hidden["areas"].as_array().unwrap().iter().find(|area| area["outcome"] == "unknown");
    assert!(unknown.is_some_and(|area| area["note"].to_string().contains("USB bridge")), "{hidden:#}");
}
