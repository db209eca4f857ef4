//! Sticks of one batch share their serial number: each is a medium of its own all the same. And what a plan does not
//! know of a medium yet.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::station::{Station, marks_in, text};
use common::sysfs_tree::FixtureTree;
use lastwrite::media::Medium;
use lastwrite::sanitize::journal::Journal;
use lastwrite::sanitize::state::JournalEntry;
use lastwrite::station::{
    self, Audience, Confirmation, EngineConfig, Execution, FaultLimits, ManifestRow, Order, Outcome, Preparation,
    Psids, Ready, Refused, Roots, STALL, TargetResult,
};
use lastwrite::units::now;

fn prepare(tree: &FixtureTree, station: &Station, targets: &[&str]) -> Vec<Result<Preparation, Refused>> {
    prepare_at(&tree.roots(), station, targets)
}

fn prepare_at(roots: &Roots, station: &Station, targets: &[&str]) -> Vec<Result<Preparation, Refused>> {
    let wish = common::wish::zeros();
    let orders: Vec<Order> =
        targets.iter().map(|target| Order { target: target.into(), asset_tag: None, category: None }).collect();
    let station = station::Station::open(&station.state()).unwrap();
    station::prepare(roots, Some(&station), &orders, &wish, now()).unwrap()
}

#[test]
fn both_are_wiped_in_one_call_and_only_a_name_of_the_same_one_is_refused() {
    let (tree, station) = (FixtureTree::machine("two-drives-one-serial"), Station::new());
    let prepared = prepare(&tree, &station, &["/dev/sda", "/dev/sdb", "/dev/sda"]);
    let [Ok(first), Ok(second), Err(third)] = &prepared[..] else { panic!("{prepared:?}") };
    let (first, second) = (&first.run.plan().medium, &second.run.plan().medium);
    assert_eq!((first.path.as_path(), second.path.as_path()), (Path::new("/dev/sda"), Path::new("/dev/sdb")));
    assert_eq!(first.identity.digest(), second.identity.digest());
    assert_ne!(first.confirm_token, second.confirm_token);
    assert!(matches!(third, Refused::Twice { .. }) && third.to_string() == "/dev/sda is the same medium as /dev/sda");
}

/// The boot partitions of a card have its serial number: who names the card by it means its main area.
#[test]
fn a_manifest_finds_by_a_serial_number_what_one_drive_alone_has() {
    let row = |serial: &str, target: Option<&Path>| ManifestRow {
        serial: serial.to_owned(),
        asset_tag: None,
        category: None,
        confirm_token: None,
        target: target.map(Path::to_owned),
    };
    let machine = |name| lastwrite::device::inventory(&FixtureTree::machine(name).roots()).unwrap();
    let serial_of = |drives: &[Medium], path: &str| {
        drives.iter().find(|m| m.path == Path::new(path)).and_then(|m| m.identity.serial.clone()).unwrap()
    };
    let drives = machine("emmc-and-sd");
    let card = serial_of(&drives, "/dev/mmcblk2");
    assert!(drives.iter().filter(|m| m.identity.serial.as_deref() == Some(&card)).count() >= 3);
    assert_eq!(row(&card, None).find(&drives), Ok("/dev/mmcblk2".into()));
    let area = Path::new("/dev/mmcblk2boot0");
    assert_eq!(row(&card, Some(area)).find(&drives), Ok(area.to_owned()));

    let drives = machine("two-drives-one-serial");
    let shared = serial_of(&drives, "/dev/sda");
    let why = row(&shared, None).find(&drives).unwrap_err();
    assert!(why.contains("/dev/sda") && why.contains("/dev/sdb") && why.contains("add a column target"), "{why}");

    // By a link, as those in /dev/disk/by-id, to one of the drive's names.
    let folder = tempfile::tempdir().unwrap();
    let (node, link) = (folder.path().canonicalize().unwrap().join("node"), folder.path().join("by-id"));
    std::fs::write(&node, "").unwrap();
    std::os::unix::fs::symlink(&node, &link).unwrap();
    let mut drive = drives[0].clone();
    for other in [false, true] {
        (drive.path, drive.other_paths) =
            if other { ("/dev/none".into(), vec![node.clone()]) } else { (node.clone(), Vec::new()) };
        let drives = [drive.clone()];
        assert_eq!(row(&shared, Some(&link)).find(&drives), Ok(link.clone()));
        let why = row("S9", Some(&link)).find(&drives).unwrap_err();
        assert!(why.ends_with(&format!("has serial {shared} now; the manifest says S9")), "{why}");
    }
}

/// Two paths to one drive are still one.
#[test]
fn a_second_path_is_no_second_medium() {
    let (tree, station) = (FixtureTree::machine("server-sas-multipath"), Station::new());
    let prepared = prepare(&tree, &station, &["/dev/sdb", "/dev/sdc"]);
    assert!(matches!(&prepared[1], Err(Refused::Twice { .. })), "{:?}", prepared[1]);
}

#[test]
fn of_an_open_run_it_is_told_that_it_may_be_on_the_other_one() {
    let (tree, station) = (FixtureTree::machine("two-drives-one-serial"), Station::new());
    let plan = prepare(&tree, &station, &["/dev/sda"]).pop().unwrap().unwrap().run.plan().clone();
    let mut journal = Journal::create(&station.state().join("journal"), &plan.run_id).unwrap();
    journal.append(&JournalEntry::Opened { version: 1, plan: Box::new(plan.clone()) }).unwrap();
    let told = |path: &str| prepare(&tree, &station, &[path]).pop().unwrap().unwrap_err().to_string();
    let run_id = &plan.run_id;
    assert_eq!(
        told("/dev/sdb"),
        format!(
            "/dev/sdb: run {run_id} on a medium of the same identity (this one or /dev/sda) is at 0 % and is not finished"
        )
    );
    drop(journal);
    assert_eq!(
        told("/dev/sda"),
        format!(
            "/dev/sda: run {run_id} on a medium of the same identity (this one or /dev/sdb) was interrupted at 0 % and is \
             not finished"
        )
    );
}

fn planned(station: &Station, image: &Path) -> Ready {
    let preparation = prepare_at(&Roots::live(), station, &[text(image)]).pop().unwrap().unwrap();
    let run = Box::new(preparation.run.confirm(Confirmation::Yes, &[]).unwrap());
    Ready::Fresh { run, named: image.to_owned() }
}

fn execute(station: &Station, run: Ready) -> TargetResult {
    let station = station::Station::open(&station.state()).unwrap();
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
    station::execute(&station, station.key(None).unwrap(), vec![run], &how, audience).unwrap().remove(0)
}

/// Another process may have had the medium while a person was asked for the token.
#[test]
fn what_happened_since_the_plan_is_known_once_the_medium_is_held() {
    let station = Station::new();
    let image = station.image("disk.img", 1 << 20);
    let (first, second) = (planned(&station, &image), planned(&station, &image));
    station.ok(&["wipe", text(&image), "--yes"]);
    let result = execute(&station, first);
    assert_eq!(result.outcome, Outcome::Pass, "{result:?}");
    let shown = station.json(0, &["certificate", "show", text(&result.certificate.unwrap())]);
    let earlier = shown[0]["document"]["facts"]["earlier_attempts"].as_array().unwrap();
    assert_eq!((earlier.len(), &earlier[0]["outcome"]), (1, &"pass".into()), "{earlier:?}");

    let image = station.image("disk.img", 1 << 20);
    let Ready::Fresh { run: other, .. } = planned(&station, &image) else { panic!("it is a fresh run") };
    let plan = other.plan().clone();
    let mut journal = Journal::create(&station.state().join("journal"), &plan.run_id).unwrap();
    journal.append(&JournalEntry::Opened { version: 1, plan: Box::new(plan.clone()) }).unwrap();
    drop(journal);
    let result = execute(&station, second);
    assert_eq!(result.outcome, Outcome::Refused, "{result:?}");
    assert!(result.message.contains(&plan.run_id) && result.message.contains("is not finished"), "{result:?}");
    assert_eq!((marks_in(&image), station.files("journal").len()), (2048, 1));
    station.ok(&["custody", "audit"]);
}
