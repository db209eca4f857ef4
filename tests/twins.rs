//! Sticks of one batch share their serial number: each is a medium of its own all the same. And what a plan does not
//! know of a medium yet.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::station::{Station, marks_in, text};
use common::sysfs_tree::FixtureTree;
use lastwrite::device::lost_boot_medium;
use lastwrite::media::{Medium, Protection};
use lastwrite::sanitize::journal::Journal;
use lastwrite::sanitize::state::JournalEntry;
use lastwrite::station::{
    self, Audience, Confirmation, EngineConfig, Execution, FaultLimits, ManifestRow, Order, Outcome, Preparation,
    Psids, Ready, Refused, Roots, STALL, TargetResult, TargetRule, Wish,
};
use lastwrite::units::now;

fn prepare(tree: &FixtureTree, station: &Station, targets: &[&str]) -> Vec<Result<Preparation, Refused>> {
    prepare_at(&tree.roots(), station, targets)
}

fn prepare_at(roots: &Roots, station: &Station, targets: &[&str]) -> Vec<Result<Preparation, Refused>> {
    let wish = Wish { targets: TargetRule::PartitionAllowed, ..common::wish::zeros() };
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

/// The same of partitions, that have a node on each path. Those of twins are two.
#[test]
fn a_partition_by_another_path_is_no_second_medium() {
    let station = Station::new();
    let named = |machine: &str, paths: [&str; 2], parts: [&str; 2]| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/machines/{machine}.txt"));
        let text = std::fs::read_to_string(file).unwrap();
        let with = |text: String, (path, part): (&str, &str)| {
            let section = format!("/block/{path}]\n");
            let place = format!("{section}part {part} 2048 8192\n");
            assert!(text.contains(&section), "{text}");
            // Without a multipath device that holds both.
            text.replace(&section, &place).replace("holders/ dm-0\n", "")
        };
        let text = paths.into_iter().zip(parts).fold(text, with);
        let targets = parts.map(|part| format!("/dev/{}", part.split(' ').next().unwrap()));
        prepare(&FixtureTree::parse(&text), &station, &[&targets[0], &targets[1]])
    };
    let prepared = named("server-sas-multipath", ["sdb", "sdc"], ["sdb1 8:17", "sdc1 8:33"]);
    let [Ok(first), Err(second)] = &prepared[..] else { panic!("{prepared:?}") };
    assert_eq!(first.run.plan().medium.other_paths, [Path::new("/dev/sdc1")]);
    assert_eq!(second.to_string(), "/dev/sdc1 is the same medium as /dev/sdb1");
    let prepared = named("two-drives-one-serial", ["sda", "sdb"], ["sda1 8:1", "sdb1 8:17"]);
    assert!(matches!(&prepared[..], [Ok(_), Ok(_)]), "{prepared:?}");
}

/// Booted with toram from a stick that nothing names.
#[test]
fn of_a_stick_that_the_system_may_have_come_from_it_is_warned() {
    let station = Station::new();
    let machine = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines/live-toram.txt");
    let text = std::fs::read_to_string(machine).unwrap();
    let warned = |from: &str, path: &str| {
        let tree = FixtureTree::parse(&text.replace(" live-media=/dev/sdc1", from));
        let planned = prepare(&tree, &station, &[path]).pop().unwrap().unwrap();
        let warnings = planned.decision.warnings;
        (warnings.iter().any(|words| words.contains("copied into memory (toram")), lost_boot_medium(&tree.roots()))
    };
    let (is_warned, lost) = warned("", "/dev/sdb");
    assert!(is_warned && lost.is_some_and(|words| words.contains("nothing tells from which medium")));
    assert!(!warned("", "/dev/sda").0, "nobody carries it about");
    for known in [" live-media=/dev/sdc1", " fetch=http://pxe/live.squashfs"] {
        assert_eq!(warned(known, "/dev/sdb"), (false, None), "{known}");
    }
}

/// Sticks that were made from one image have one label, and the link leads to one of them.
#[test]
fn each_stick_that_bears_the_name_of_the_boot_medium_may_be_it() {
    let stick = |n: u32, name: &str| {
        format!(
            "[sys/devices/pci0000:00/usb1/1-{n}/host{n}/target{n}:0:0/{n}:0:0:0/block/{name}]\ndev = 8:{}\n\
             size = 60000000\n/udev/b8:{} <<\nE:ID_FS_LABEL=LIVE\n>>\n",
            n * 16,
            n * 16
        )
    };
    let chains = |mount: &str| {
        let tree = FixtureTree::parse(&format!(
            "{}{}/dev/disk/by-label/LIVE -> ../../sdb\n/proc/cmdline = archisolabel=LIVE copytoram\n\
             /proc/self/mountinfo <<\n22 1 0:2 / / rw - rootfs rootfs rw\n{mount}>>\n",
            stick(1, "sdb"),
            stick(2, "sdc")
        ));
        let media = lastwrite::device::inventory(&tree.roots()).unwrap();
        let chain = |medium: &Medium| match &medium.protections[..] {
            [Protection::SystemMedium { chain }, ..] => chain.clone(),
            _ => String::new(),
        };
        media.iter().map(chain).collect::<Vec<_>>()
    };
    let words = "kernel command line archisolabel=LIVE, to which 2 devices answer";
    assert_eq!(chains(""), [format!("{words} -> sdb"), format!("{words} -> sdc")]);
    let mounted = "23 22 8:16 / /run/archiso/bootmnt ro - iso9660 /dev/sdb ro\n";
    assert_eq!(chains(mounted), ["/run/archiso/bootmnt -> sdb", ""], "then it is known");
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
