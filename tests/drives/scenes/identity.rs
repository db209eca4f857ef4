//! Which drive is meant: names that change, serial numbers that are missing or not alone.

use std::time::{Duration, Instant};

use super::bench::{Bench, case};
use super::table::Truth::{Faulty, Honest};
use crate::models::ahci::SataDrive;
use crate::models::ata::Ata;
use crate::models::bridge::{Sat, UsbDrive};
use crate::rig::plug::{Drive, Plug};

pub fn model(serial: &str, mebibytes: u64, change: impl FnOnce(&mut Ata)) -> Ata {
    let mut model = Ata::new(serial, mebibytes);
    change(&mut model);
    model
}

/// Waits until the drive with this serial number is listed (or not any more); its path.
pub fn wait_for(bench: &mut Bench, serial: &str, listed: bool) -> String {
    let start = Instant::now();
    loop {
        let drives = bench.guest.drives();
        let found = drives.iter().find(|d| d["identity"]["serial"] == serial);
        match (found, listed) {
            (Some(drive), true) => return drive["path"].as_str().unwrap().to_owned(),
            (None, false) => return String::new(),
            _ if start.elapsed() > Duration::from_secs(90) => {
                panic!("{serial}, {listed}: {drives:#?}\n{}", bench.guest.console())
            }
            _ => std::thread::sleep(Duration::from_millis(300)),
        }
    }
}

#[test]
fn serial_numbers_that_are_missing_strange_or_not_alone() {
    let sata = |serial: &str, mebibytes, change: fn(&mut Ata)| SataDrive::new(model(serial, mebibytes, change));
    let empty = sata("", 5, |d| d.wwn = 0);
    let strange = sata("", 6, |d| {
        d.serial = b"S\xc3\x89RI\xff\x00\x01AL".to_vec();
        d.wwn = 0;
    });
    let usb = |inside: &str, mebibytes| UsbDrive::new(model(inside, mebibytes, |_| {}), Sat::None, "0123456789AB");
    let (first, second) = (usb("I-1", 7), usb("I-2", 8));
    let (twin, other_twin) = (sata("I-TWIN", 9, |d| d.wwn = 0), sata("I-TWIN", 9, |d| d.wwn = 0));
    let plugs: [&dyn Plug; 6] = [&empty, &strange, &first, &second, &twin, &other_twin];
    let Some(mut bench) = Bench::start("identity", &plugs) else { return };
    let cases = [
        case(&empty, "", "SATA SSD", Honest, "is honest, and has no serial number"),
        case(&strange, "", "SATA SSD", Honest, "is honest, and its serial number is no text"),
        case(&second, "0123456789AB", "USB bridge", Honest, "is honest; another bridge has the same serial number"),
    ];
    bench.wipe(&cases, "overwrite", &["--method", "clear", "--scheme", "zero"]);
    assert_eq!(first.left().0, first.left().1, "the other one is whole");

    // Nothing tells the twins apart but where they hang: each has a token of its own, and one wipe
    // reaches one of them.
    let drives = bench.guest.drives();
    let twins: Vec<_> = drives.iter().filter(|d| d["identity"]["serial"] == "I-TWIN").collect();
    assert_eq!(twins.len(), 2, "{drives:#?}");
    assert_ne!(twins[0]["confirm_token"], twins[1]["confirm_token"]);
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let (path, token) = (word(&twins[0]["path"]), word(&twins[0]["confirm_token"]));
    let ran =
        bench.guest.lastwrite(&["--json", "wipe", &path, "--confirm", &token, "--method", "clear", "--scheme", "zero"]);
    let result = ran.json().pop().unwrap();
    let (wiped, whole) = if twin.left().0 == 0 { (&twin, &other_twin) } else { (&other_twin, &twin) };
    assert_eq!(whole.left().0, whole.left().1, "{result:#}");
    bench.judge(
        &case(wiped, "I-TWIN", "SATA SSD", Honest, "is honest, and has a twin that differs in nothing"),
        "overwrite",
        &result,
    );
    bench.end();
}

#[test]
fn names_that_change_hands() {
    let pulled = |d: &mut Ata| d.gone_after = Some(3000);
    let mover = SataDrive::new(model("N-MOVER", 4, pulled));
    let victim = SataDrive::new(model("N-PULLED", 4, pulled));
    // Hangs on no cable until a name is free.
    let late = SataDrive::new(model("N-LATE", 4, |d| d.gone = true));
    let Some(mut bench) = Bench::start("names", &[&mover, &victim, &late]) else { return };

    let was = wait_for(&mut bench, "N-MOVER", true);
    let mover_case =
        case(&mover, "N-MOVER", "SATA SSD", Honest, "is pulled while it is written, and comes back under another name");
    let interrupted = bench.guest.wipe("N-MOVER", &["--method", "clear", "--scheme", "zero", "--retries", "0"]).1;
    assert_ne!(interrupted["outcome"], "pass", "{interrupted:#}");
    wait_for(&mut bench, "N-MOVER", false);
    late.lock().gone = false;
    let taken = wait_for(&mut bench, "N-LATE", true);
    assert_eq!(taken, was, "the free name is taken");
    {
        let mut drive = mover.lock();
        (drive.gone, drive.gone_after) = (false, None);
    }
    let now = wait_for(&mut bench, "N-MOVER", true);
    assert_ne!(now, was);
    let run = interrupted["run_id"].as_str().unwrap().to_owned();
    let (_, result) = bench.resume(&run, &[]);
    assert_eq!(late.left().0, late.left().1, "whoever has the name now is whole");
    bench.judge(&mover_case, "overwrite, then `resume`", &result);

    let was = wait_for(&mut bench, "N-PULLED", true);
    let interrupted = bench.guest.wipe("N-PULLED", &["--method", "clear", "--scheme", "zero", "--retries", "0"]).1;
    assert_ne!(interrupted["outcome"], "pass", "{interrupted:#}");
    wait_for(&mut bench, "N-PULLED", false);
    let stranger = victim.swap(Ata::new("N-STRANGER", 4));
    assert_eq!(wait_for(&mut bench, "N-STRANGER", true), was, "another drive has its name");
    let run = interrupted["run_id"].as_str().unwrap().to_owned();
    let (ran, _) = bench.resume(&run, &[]);
    assert_ne!(ran.code, 0, "{}", ran.stdout);
    assert_eq!(victim.left().0, victim.left().1, "the stranger is whole");
    assert!(stranger.medium.left() > 0);
    let behaviour = "is pulled while it is written, and another drive comes back under its name";
    let case = case(&victim, "N-STRANGER", "SATA SSD", Faulty, behaviour);
    bench.put_down(&case, "overwrite, then `resume`", "no pass; the other drive is not touched");
    bench.end();
}
