//! SANITIZE DEVICE and SECURITY ERASE UNIT of SATA drives: what the drive says, and what it did.

use std::time::Duration;

use super::bench::{Bench, case};
use super::table::Truth::{BeyondAnyHost, Faulty, Honest};
use crate::models::ahci::SataDrive;
use crate::models::ata::Ata;
use crate::models::bridge::{Sat, UsbDrive};
use crate::rig::Erase;
use crate::rig::plug::Plug;

const KIND: &str = "SATA SSD";
/// Seconds: longer than a slow one takes for a 65,536th.
const STALL: &str = "8";

fn model(serial: &str, change: impl FnOnce(&mut Ata)) -> Ata {
    let mut model = Ata::new(serial, 2);
    change(&mut model);
    model
}

fn drive(serial: &str, change: impl FnOnce(&mut Ata)) -> SataDrive {
    SataDrive::new(model(serial, change))
}

fn erasing(serial: &str, erase: Erase) -> SataDrive {
    drive(serial, |d| d.erase = erase)
}

#[test]
fn ata_sanitize() {
    let honest = erasing("B-HONEST", Erase::Whole);
    let slow = drive("B-SLOW", |d| d.erase_time = Duration::from_secs(12));
    let fails = erasing("B-FAILS", Erase::Fails);
    let nothing = erasing("B-NOTHING", Erase::Nothing);
    let half = erasing("B-HALF", Erase::Half);
    let unmaps = erasing("B-UNMAPS", Erase::OnlyUnmaps);
    let forgets = drive("B-FORGETS", |d| {
        d.sanitize.forgets = true;
        d.erase = Erase::Nothing;
    });
    let unsupported = drive("B-UNSUPPORTED", |d| d.word59 = 0);
    let stalls = erasing("B-STALLS", Erase::Stalls);
    let frozen = drive("B-FROZEN", |d| d.sanitize.frozen_at_start = true);
    let shut = drive("D-SHUT", |d| d.fails_first = true);
    let (crypto, overwrite) = (erasing("X-HONEST", Erase::Whole), erasing("O-HONEST", Erase::Whole));
    let all = [
        &honest,
        &slow,
        &fails,
        &nothing,
        &half,
        &unmaps,
        &forgets,
        &unsupported,
        &stalls,
        &frozen,
        &shut,
        &crypto,
        &overwrite,
    ];
    let plugs: Vec<_> = all.iter().map(|d| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("ata-sanitize", &plugs) else { return };
    let cases = [
        case(&honest, "B-HONEST", KIND, Honest, "is honest"),
        case(&slow, "B-SLOW", KIND, Honest, "is honest, and takes its time"),
        case(&fails, "B-FAILS", KIND, Faulty, "reports failure"),
        case(&nothing, "B-NOTHING", KIND, Faulty, "reports success and erases nothing"),
        case(&half, "B-HALF", KIND, Faulty, "reports success and erases half"),
        case(
            &unmaps,
            "B-UNMAPS",
            KIND,
            BeyondAnyHost,
            "reports success, unmaps, reads zeros back, and keeps its cells",
        ),
        case(&forgets, "B-FORGETS", KIND, Faulty, "erases nothing, and its status knows of no sanitize"),
        case(&unsupported, "B-UNSUPPORTED", KIND, Faulty, "does not know SANITIZE DEVICE"),
        case(&stalls, "B-STALLS", KIND, Faulty, "stands at SPROG 655 for ever"),
        case(&frozen, "B-FROZEN", KIND, Faulty, "is in the sanitize frozen state"),
    ];
    bench.wipe(&cases, "`ata-sanitize-block`", &["--technique", "ata-sanitize-block", "--erase-stall", STALL]);
    let cases = [case(&crypto, "X-HONEST", KIND, Honest, "is honest")];
    bench.wipe(&cases, "`ata-sanitize-crypto`", &["--technique", "ata-sanitize-crypto"]);
    let cases = [case(&overwrite, "O-HONEST", KIND, Honest, "is honest")];
    bench.wipe(&cases, "`ata-sanitize-overwrite`", &["--technique", "ata-sanitize-overwrite"]);
    // No run is begun anew on it here: the kernel drops an ATA disk that refuses everything udev reads of it.
    bench.steps_down_once(&shut, "D-SHUT", KIND, "ata-sanitize-block");
    bench.end();
}

#[test]
fn ata_security_erase() {
    let honest = erasing("E-HONEST", Erase::Whole);
    let fails = erasing("E-FAILS", Erase::Fails);
    let nothing = erasing("E-NOTHING", Erase::Nothing);
    let half = erasing("E-HALF", Erase::Half);
    let locked = drive("E-LOCKED", |d| d.security.set("nobody knows"));
    let expired = drive("E-EXPIRED", |d| d.security.expires_at_start = true);
    let frozen = drive("E-FROZEN", |d| d.security.frozen_at_start = true);
    let unsupported = drive("E-UNSUPPORTED", |d| d.security.supported = false);
    let enhanced = erasing("N-HONEST", Erase::Whole);
    let lying = erasing("N-NOTHING", Erase::Nothing);
    let all = [&honest, &fails, &nothing, &half, &locked, &expired, &frozen, &unsupported, &enhanced, &lying];
    let plugs: Vec<_> = all.iter().map(|d| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("ata-security-erase", &plugs) else { return };
    what_they_say_of_themselves(&mut bench);
    let cases = [
        case(&honest, "E-HONEST", KIND, Honest, "is honest"),
        case(&fails, "E-FAILS", KIND, Faulty, "reports failure"),
        case(&nothing, "E-NOTHING", KIND, Faulty, "reports success and erases nothing"),
        case(&half, "E-HALF", KIND, Faulty, "reports success and erases half"),
        case(&locked, "E-LOCKED", KIND, Faulty, "is locked with an unknown password"),
        case(&expired, "E-EXPIRED", KIND, Faulty, "has its password attempts used up"),
        case(&frozen, "E-FROZEN", KIND, Faulty, "is frozen"),
        case(&unsupported, "E-UNSUPPORTED", KIND, Faulty, "does not know the Security feature set"),
    ];
    bench.wipe(&cases, "`ata-security-erase`", &["--technique", "ata-security-erase"]);
    let cases = [
        case(&enhanced, "N-HONEST", KIND, Honest, "is honest"),
        case(&lying, "N-NOTHING", KIND, Faulty, "reports success and erases nothing"),
    ];
    bench.wipe(&cases, "`ata-security-erase-enhanced`", &["--technique", "ata-security-erase-enhanced"]);
    for drive in all.into_iter().filter(|d| !d.lock().serial.starts_with(b"E-LOCKED")) {
        let drive = drive.lock();
        assert!(!drive.security.enabled, "{:?} keeps a password", String::from_utf8_lossy(&drive.serial));
    }
    bench.end();
}

/// State and health in the list of drives, and in the plan with what helps.
fn what_they_say_of_themselves(bench: &mut Bench) {
    let drives = bench.guest.drives();
    let of = |serial: &str| drives.iter().find(|d| d["identity"]["serial"] == serial).unwrap().clone();
    let security = |serial: &str, what: &str| of(serial)["report"]["security"][what].clone();
    for (serial, what) in [("E-FROZEN", "frozen"), ("E-LOCKED", "locked"), ("E-EXPIRED", "count_expired")] {
        assert_eq!((security(serial, what), security("E-HONEST", what)), (true.into(), false.into()), "{serial}");
    }
    assert_eq!(of("E-UNSUPPORTED")["report"]["security"], serde_json::Value::Null);
    assert_eq!(of("E-HONEST")["report"]["health"]["failing"], false, "{:#}", of("E-HONEST"));
    let path = |serial: &str| of(serial)["path"].as_str().unwrap().to_owned();
    let erase = ["--technique", "ata-security-erase"];
    let plan = bench.guest.lastwrite(&["plan", &path("E-HONEST"), &path("E-FROZEN"), erase[0], erase[1]]).expect(3);
    for words in ["SECURITY ERASE UNIT", "no password, not frozen", "good by its own account", "2m00s"] {
        assert!(plan.stdout.contains(words), "{words}: {}", plan.stdout);
    }
    assert!(plan.stderr.contains("frozen") && plan.stderr.contains("suspend"), "{}", plan.stderr);
}

#[test]
fn ata_behind_usb() {
    let behind =
        |inside: &str, sat, serial: &str, erase| UsbDrive::new(model(inside, |d| d.erase = erase), sat, serial);
    // These two hand on their disk's serial number; the others have one of their own.
    let whole = behind("U-WHOLE", Sat::Whole, "U-WHOLE", Erase::Whole);
    let lying = behind("U-LYING", Sat::Whole, "U-LYING", Erase::Nothing);
    let renames = behind("I-RENAMES", Sat::Whole, "U-RENAMES", Erase::Whole);
    let loses = behind("U-LOSES", Sat::LosesRegisters, "U-LOSES", Erase::Nothing);
    let pretends = behind("I-PRETENDS", Sat::Pretends, "U-PRETENDS", Erase::Nothing);
    let none = behind("I-NONE", Sat::None, "U-NONE", Erase::Nothing);
    // These name no serial number, so that udev asks the disk by the very commands that are in doubt.
    let bare = behind("I-BARE", Sat::Whole, "", Erase::Whole);
    let across = behind("I-HERE", Sat::Whole, "", Erase::Whole);
    across.lock().across = Some(model("I-THERE", |_| {}));
    let all = [&whole, &lying, &renames, &loses, &pretends, &none, &bare, &across];
    let plugs: Vec<_> = all.iter().map(|d| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("usb-sat", &plugs) else { return };
    let cases = [
        case(&whole, "U-WHOLE", "USB bridge with SAT", Honest, "is honest"),
        case(&lying, "U-LYING", "USB bridge with SAT", Faulty, "has a disk that reports success and erases nothing"),
        case(&renames, "U-RENAMES", "USB bridge with SAT", Faulty, "names another serial number than its disk"),
        case(&loses, "U-LOSES", "USB bridge with SAT", Faulty, "never returns registers, and its disk erases nothing"),
        case(&pretends, "U-PRETENDS", "USB bridge with SAT", Faulty, "says GOOD to pass-through, and carries nothing"),
        case(&none, "U-NONE", "USB bridge without SAT", Faulty, "carries no ATA commands"),
        case(&bare, "I-BARE", "USB bridge with SAT", Faulty, "names no serial number of its own"),
        case(
            &across,
            "I-THERE",
            "USB dock with SAT",
            Faulty,
            "names no serial number, and hands ATA commands to the disk in another bay",
        ),
    ];
    bench.wipe(&cases, "`ata-sanitize-block`", &["--technique", "ata-sanitize-block"]);
    assert!(bench.said.contains("names no serial number"), "{}", bench.said);
    let (path, token) = bench.guest.drive("I-THERE");
    let erase = ["--technique", "ata-security-erase"];
    let ran = bench.guest.lastwrite(&["--json", "wipe", &path, "--confirm", &token, erase[0], erase[1]]);
    assert_eq!(ran.json().pop().unwrap()["outcome"], "refused", "{}", ran.stdout);
    let there = across.lock().across.take().unwrap();
    assert!(!there.seen.is_empty() && there.medium.left() == there.medium.all(), "the disk in the other bay is whole");
    for task in there.seen.iter().chain(&bare.lock().disk.seen) {
        let erases = matches!(task.command, 0xf1..=0xf6) || task.command == 0xb4 && task.features != 0;
        assert!(!erases, "{task:x?}");
    }
    bench.end();
}
