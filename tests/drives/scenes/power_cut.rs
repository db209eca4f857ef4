//! The machine loses power in the middle of each firmware erase: boot again, `resume`.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::bench::{Bench, Case, case, run_of};
use super::table::Truth::{Faulty, Honest};
use crate::models::ahci::SataDrive;
use crate::models::ata::{Ata, GivesBack, Task};
use crate::models::nvme::Nvme;
use crate::models::nvme_bus::NvmeDrive;
use crate::models::scsi::Scsi;
use crate::models::usb_scsi::UsbScsi;
use crate::rig::plug::{Drive, Plug, Powered};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_secs(1);

/// A drive for each technique; its serial number is the technique's name, cut to 20 characters.
fn cut_in_the_middle(scene: &'static str, kind: &str, drives: &[(&str, &dyn Powered)]) -> Option<Bench> {
    let plugs: Vec<_> = drives.iter().map(|(_, d)| *d as &dyn Plug).collect();
    let mut bench = Bench::start(scene, &plugs)?;
    for (technique, drive) in drives {
        drive.pace(LONG, Duration::ZERO);
        bench.guest.begin_wipe(&[serial(technique)], &["--technique", technique]);
    }
    let start = Instant::now();
    for (technique, drive) in drives {
        while !drive.busy() {
            let begun = std::fs::read_to_string(bench.share.path().join("begun")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(120), "{technique}: {begun}\n{}", bench.guest.console());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    drives.iter().for_each(|(_, drive)| drive.power(false));
    bench.guest.cut();
    assert_eq!(bench.documents("certificates").len(), 0);
    for (_, drive) in drives {
        drive.pace(SHORT, Duration::ZERO);
        drive.power(true);
    }
    bench.boot_again(&plugs);
    let listed = bench.guest.lastwrite(&["--json", "resume"]);
    let open: Vec<Value> = listed.json();
    for (technique, drive) in drives {
        let run = run_of(&open, serial(technique)).unwrap_or_else(|| panic!("no run of {technique}: {open:#?}"));
        // Sticks of one batch share their serial number: a person has to say that it is the one.
        let confirm: &[&str] = if kind.contains("USB") { &["--confirm", serial(technique)] } else { &[] };
        let (ran, result) = bench.resume(&run, confirm);
        assert!(result["outcome"].is_string(), "{technique}: {}\n{}", ran.stdout, ran.stderr);
        let case = Case { drive: *drive, ..case_of(technique, *drive, kind) };
        bench.judge(&case, &format!("`{technique}`, then `resume`"), &result);
    }
    Some(bench)
}

/// A sanitize goes on by itself when power is back; a format does not, and says so.
fn case_of<'a>(technique: &'a str, drive: &'a dyn Drive, kind: &'a str) -> Case<'a> {
    let (truth, behaviour) = match technique {
        "scsi-format" => (Faulty, "loses power with the machine in the middle of its format, which is broken then"),
        _ => (Honest, "is honest, and loses power with the machine in the middle of its erase"),
    };
    case(drive, serial(technique), kind, truth, behaviour)
}

fn serial(technique: &str) -> &str {
    &technique[..technique.len().min(20)]
}

#[test]
fn power_cut_nvme() {
    let techniques = [
        "nvme-sanitize-block",
        "nvme-sanitize-crypto",
        "nvme-sanitize-overwrite",
        "nvme-format-user",
        "nvme-format-crypto",
    ];
    let drives: Vec<_> = techniques.iter().map(|t| NvmeDrive::new(Nvme::new(serial(t), 2))).collect();
    let pairs: Vec<(&str, &dyn Powered)> =
        techniques.into_iter().zip(drives.iter().map(|d| d as &dyn Powered)).collect();
    let Some(bench) = cut_in_the_middle("power-nvme", "NVMe SSD", &pairs) else { return };
    bench.end();
    for (technique, drive) in techniques.iter().zip(&drives).filter(|(technique, _)| technique.contains("sanitize")) {
        let seen = drive.lock().seen.clone();
        assert!(seen.len() <= 1, "{technique} goes on by itself and is not sent a second time: {seen:?}");
    }
}

#[test]
fn power_cut_scsi() {
    let techniques = ["scsi-sanitize-block", "scsi-sanitize-crypto", "scsi-sanitize-overwrite", "scsi-format"];
    let drives: Vec<_> = techniques.iter().map(|t| UsbScsi::new(Scsi::new(serial(t), 2))).collect();
    let pairs: Vec<(&str, &dyn Powered)> =
        techniques.into_iter().zip(drives.iter().map(|d| d as &dyn Powered)).collect();
    let kind = "SCSI disk behind USB";
    let Some(mut bench) = cut_in_the_middle("power-scsi", kind, &pairs) else { return };
    // A broken format shuts the disk, and only a new one opens it.
    for behaviour in ["has a broken format, and takes nothing but a new one", "is honest, and has had a broken format"]
    {
        let format = case(&drives[3], "scsi-format", kind, Honest, behaviour);
        bench.wipe(&[format], "`scsi-format`", &["--technique", "scsi-format"]);
    }
    bench.end();
}

#[test]
fn power_cut_ata() {
    let techniques = [
        "ata-sanitize-block",
        "ata-sanitize-crypto",
        "ata-sanitize-overwrite",
        "ata-security-erase",
        "ata-security-erase-enhanced",
    ];
    let drives: Vec<_> = techniques.iter().map(|t| SataDrive::new(Ata::new(serial(t), 2))).collect();
    let pairs: Vec<(&str, &dyn Powered)> =
        techniques.into_iter().zip(drives.iter().map(|d| d as &dyn Powered)).collect();
    let Some(bench) = cut_in_the_middle("power-ata", "SATA SSD", &pairs) else { return };
    bench.end();
    for (technique, drive) in techniques.iter().zip(&drives) {
        assert!(!drive.lock().security.enabled, "{technique}: a password is left on the drive");
        // SANITIZE DEVICE with another feature than that of its status.
        let erases = |task: &&Task| task.command == 0xb4 && task.features != 0;
        let sent = drive.lock().seen.iter().filter(erases).count();
        assert!(sent <= 1, "{technique} goes on by itself and is not sent a second time: {sent} times");
    }
}

/// What a drive hides is being given back when the power goes: it has grown or not, and nobody was told.
#[test]
fn power_cut_while_hidden_areas_are_given_back() {
    let sata = |serial: &str, change: fn(&mut Ata)| {
        let mut drive = Ata::new(serial, 2);
        // No answer comes before the power goes.
        drive.gives_back_time = LONG;
        change(&mut drive);
        SataDrive::new(drive)
    };
    let grown = sata("P-HPA", |d| d.hpa = 512);
    let amac = sata("P-AMAC", |d| (d.hpa, d.amac) = (512, true));
    let both = sata("P-BOTH", |d| (d.hpa, d.dco) = (512, 512));
    let lost = sata("P-LOST", |d| (d.hpa, d.gives_back) = (512, GivesBack::ByItsWord));
    let drives = [(&grown, "P-HPA"), (&amac, "P-AMAC"), (&both, "P-BOTH"), (&lost, "P-LOST")];
    let plugs: Vec<_> = drives.iter().map(|(drive, _)| *drive as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("power-hidden", &plugs) else { return };
    let asked = ["--method", "clear", "--scheme", "zero", "--restore-hidden"];
    bench.guest.begin_wipe(&drives.map(|(_, serial)| serial), &asked);
    let start = Instant::now();
    for (drive, serial) in &drives {
        let told = |drive: &SataDrive| {
            drive.lock().seen.iter().any(|task| matches!((task.command, task.features), (0x37, _) | (0x78, 1)))
        };
        while !told(drive) {
            let begun = std::fs::read_to_string(bench.share.path().join("begun")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(120), "{serial}: {begun}\n{}", bench.guest.console());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    drives.iter().for_each(|(drive, _)| drive.power(false));
    bench.guest.cut();
    assert_eq!(bench.documents("certificates").len() + bench.documents("failures").len(), 0);
    for (drive, serial) in &drives {
        assert_eq!(drive.left().0, drive.left().1, "{serial}: nothing is erased yet");
        let mut drive = drive.lock();
        assert_eq!(drive.hpa, if *serial == "P-LOST" { 512 } else { 0 }, "{serial}");
        (drive.gives_back, drive.gives_back_time) = (GivesBack::Honestly, Duration::ZERO);
    }
    drives.iter().for_each(|(drive, _)| drive.power(true));
    bench.boot_again(&plugs);
    let listed: Vec<Value> = bench.guest.lastwrite(&["--json", "resume"]).json();
    let behaviours = [
        "is honest, and loses power with the machine when it has given back what its HPA hid and nobody was told",
        "is honest, and loses power with the machine when it has given back what its AMAC hid and nobody was told",
        "is honest, and loses power with the machine when its HPA is given back and its DCO is not",
        "is honest, and loses power with the machine before it has given back what its HPA hides",
    ];
    for ((drive, serial), behaviour) in drives.iter().zip(behaviours) {
        let run = run_of(&listed, serial).unwrap_or_else(|| panic!("no run of {serial}: {listed:#?}"));
        let open = listed.iter().find(|open| open["run_id"] == *run).unwrap();
        assert!(open["done_to_drive"].to_string().contains("is not known"), "{open:#}");
        let (ran, result) = bench.resume(&run, &[]);
        assert!(result["outcome"].is_string(), "{serial}: {}\n{}", ran.stdout, ran.stderr);
        let case = case(*drive, serial, "SATA SSD", Honest, behaviour);
        bench.judge(&case, "overwrite, `--restore-hidden`, then `resume`", &result);
        let documents = bench.documents("certificates");
        let says = documents.iter().find(|d| d["facts"]["run_id"] == *run).unwrap();
        let hidden = &says["facts"]["hidden_areas"];
        let areas = hidden["areas"].as_array().unwrap();
        assert_eq!(areas.len(), if *serial == "P-BOTH" { 2 } else { 1 }, "{hidden:#}");
        assert!(areas.iter().all(|area| area["outcome"] == "given_back"), "{hidden:#}");
        assert_eq!(says["facts"]["medium"]["identity"]["size"], (2 << 20).to_string(), "{hidden:#}");
        assert_eq!(says["grade"]["mark"], "A", "{:#}", says["grade"]);
    }
    assert_eq!((bench.documents("certificates").len(), bench.documents("failures").len()), (4, 0));
    bench.guest.run("lastwrite certificate verify /share/state/certificates/*.json").expect(0);
    bench.guest.lastwrite(&["custody", "audit"]).expect(0);
    bench.end();
}
