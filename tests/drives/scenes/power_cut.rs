//! The machine loses power in the middle of each firmware erase: boot again, `resume`.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::bench::{Bench, Case, case, run_of};
use super::table::Truth::{Faulty, Honest};
use crate::models::ahci::SataDrive;
use crate::models::ata::Ata;
use crate::models::nvme::Nvme;
use crate::models::nvme_bus::NvmeDrive;
use crate::models::scsi::Scsi;
use crate::models::usb_scsi::UsbScsi;
use crate::rig::plug::{Drive, Plug, Powered};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_secs(1);

/// A drive for each technique; its serial number is the technique's name, cut to 20 characters.
fn cut_in_the_middle(scene: &'static str, kind: &str, drives: &[(&str, &dyn Powered)]) {
    let plugs: Vec<_> = drives.iter().map(|(_, d)| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start(scene, &plugs) else { return };
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
        let (ran, result) = bench.resume(&run, &[]);
        assert!(result["outcome"].is_string(), "{technique}: {}\n{}", ran.stdout, ran.stderr);
        let case = Case { drive: *drive, ..case_of(technique, *drive, kind) };
        bench.judge(&case, &format!("`{technique}`, then `resume`"), &result);
    }
    bench.end();
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
    cut_in_the_middle("power-nvme", "NVMe SSD", &pairs);
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
    cut_in_the_middle("power-scsi", "SCSI disk behind USB", &pairs);
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
    cut_in_the_middle("power-ata", "SATA SSD", &pairs);
    for (technique, drive) in techniques.iter().zip(&drives) {
        assert!(!drive.lock().security.enabled, "{technique}: a password is left on the drive");
    }
}
