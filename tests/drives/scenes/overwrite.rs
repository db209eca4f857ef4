//! A drive of each kind in one machine: looked at without being touched, overwritten, cut from power
//! in the middle, taken up again.

use std::time::{Duration, Instant};

use super::bench::{Bench, case, run_of};
use super::table::Truth::Honest;
use crate::models::ahci::SataDrive;
use crate::models::ata::Ata;
use crate::models::bridge::{Sat, UsbDrive};
use crate::models::nvme::Nvme;
use crate::models::nvme_bus::NvmeDrive;
use crate::models::scsi::Scsi;
use crate::models::vhost_scsi::SasDrive;
use crate::rig::plug::{Plug, Powered};

#[test]
fn a_power_cut_is_resumed_in_the_next_boot_with_one_certificate() {
    let nvme = NvmeDrive::new(Nvme::new("CUT-NVME", 8));
    let sata = SataDrive::new(Ata::new("CUT-SATA", 8));
    let sas = SasDrive::new(Scsi::new("CUT-SAS", 8));
    let usb = UsbDrive::new(Ata::new("INSIDE", 8), Sat::None, "CUT-USB");
    let plugs: [&dyn Plug; 4] = [&nvme, &sata, &sas, &usb];
    let Some(mut bench) = Bench::start("power-overwrite", &plugs) else { return };
    let drives: [(&str, &str, &dyn Powered); 4] = [
        ("CUT-NVME", "NVMe SSD", &nvme),
        ("CUT-SATA", "SATA SSD", &sata),
        ("CUT-SAS", "SAS disk", &sas),
        ("CUT-USB", "USB bridge without SAT", &usb),
    ];
    for (serial, ..) in drives {
        let (path, _) = bench.guest.drive(serial);
        let plan = bench.guest.lastwrite(&["--json", "plan", &path]).expect(0);
        assert!(plan.stdout.contains(serial), "{}", plan.stdout);
    }
    assert_eq!(nvme.lock().seen, [], "looking sends nothing that could erase");
    assert!(
        !sata
            .lock()
            .seen
            .iter()
            .any(|task| matches!(task.command, 0xf1..=0xf6 | 0x37) || task.command == 0xb4 && task.features != 0)
    );
    assert!(!sas.lock().seen.iter().any(|cdb| matches!(cdb[0], 0x48 | 0x04 | 0x15 | 0x55)));

    drives.iter().for_each(|(.., drive)| drive.cut_after(5000));
    bench.guest.begin_wipe(
        &drives.map(|(serial, ..)| serial),
        &["--method", "clear", "--scheme", "zero", "--checkpoint", "0.1"],
    );
    let start = Instant::now();
    while !drives.iter().all(|(.., drive)| drive.is_off()) {
        assert!(start.elapsed() < Duration::from_secs(240), "{}", bench.guest.console());
        std::thread::sleep(Duration::from_millis(20));
    }
    bench.guest.cut();
    for (serial, _, drive) in drives {
        let (left, all) = drive.left();
        assert!(0 < left && left < all, "{serial} was cut in the middle: {left} of {all}");
    }
    assert_eq!(bench.documents("certificates").len(), 0);

    for (.., drive) in drives {
        drive.power(true);
        drive.cut_after(u64::MAX);
    }
    bench.boot_again(&plugs);
    let open = bench.guest.lastwrite(&["--json", "resume"]).json();
    for (serial, kind, drive) in drives {
        let run = run_of(&open, serial).unwrap_or_else(|| panic!("no run on {serial}: {open:#?}"));
        // Bridges of one batch share their serial number: a person has to say that it is the one.
        let confirm: &[&str] = if serial == "CUT-USB" { &["--confirm", serial] } else { &[] };
        if !confirm.is_empty() {
            let left = drive.left();
            let (ran, _) = bench.resume(&run, &[]);
            assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
            assert!(ran.stdout.contains("--confirm CUT-USB"), "{}\n{}", ran.stdout, ran.stderr);
            assert_eq!(drive.left(), left, "nothing is written without that word");
        }
        let (ran, result) = bench.resume(&run, confirm);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
        let behaviour = "is honest, and loses power with the machine while it is written";
        bench.judge(&case(drive, serial, kind, Honest, behaviour), "overwrite, then `resume`", &result);
    }
    bench.end();
}
