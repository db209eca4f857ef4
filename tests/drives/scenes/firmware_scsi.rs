//! SANITIZE and FORMAT UNIT of SCSI disks behind a USB port (the rig's SAS adapter is virtio, whose disks are nothing physical to
//! `lastwrite`): what the drive says, and what it did.

use std::time::Duration;

use super::bench::{Bench, case};
use super::table::Truth::{BeyondAnyHost, Faulty, Honest};
use crate::models::scsi::Scsi;
use crate::models::stock;
use crate::models::usb_scsi::UsbScsi;
use crate::rig::Erase;
use crate::rig::plug::Plug;

const KIND: &str = "SCSI disk behind USB";

fn drive(serial: &str, change: impl FnOnce(&mut Scsi)) -> UsbScsi {
    let mut model = Scsi::new(serial, 2);
    change(&mut model);
    UsbScsi::new(model)
}

fn erasing(serial: &str, erase: Erase) -> UsbScsi {
    drive(serial, |d| d.erase = erase)
}

#[test]
fn scsi_sanitize() {
    let honest = erasing("B-HONEST", Erase::Whole);
    let slow = drive("B-SLOW", |d| d.erase_time = Duration::from_secs(12));
    let idles = drive("B-IDLES", |d| d.idles = true);
    let fails = erasing("B-FAILS", Erase::Fails);
    let nothing = erasing("B-NOTHING", Erase::Nothing);
    let half = erasing("B-HALF", Erase::Half);
    let unmaps = erasing("B-UNMAPS", Erase::OnlyUnmaps);
    let hides = drive("B-HIDES", |d| {
        d.hides_work = true;
        d.erase = Erase::Nothing;
    });
    let unsupported = drive("B-UNSUPPORTED", |d| d.sanitizes = 0);
    let silent = drive("B-SILENT", |d| d.reports_opcodes = false);
    let stalls = erasing("B-STALLS", Erase::Stalls);
    let forbids = drive("B-FORBIDS", |d| d.forbids_reads = true);
    let announces = drive("B-ANNOUNCES", |d| (d.forbids_reads, d.announces_it) = (true, true));
    let (crypto, overwrite) = (erasing("X-HONEST", Erase::Whole), erasing("O-HONEST", Erase::Whole));
    let shut = drive("D-SHUT", |d| d.fails_first = true);
    let all = [
        &honest,
        &slow,
        &idles,
        &fails,
        &nothing,
        &half,
        &unmaps,
        &hides,
        &unsupported,
        &silent,
        &stalls,
        &forbids,
        &announces,
        &crypto,
        &overwrite,
        &shut,
    ];
    let plugs: Vec<_> = all.iter().map(|d| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("scsi-sanitize", &plugs) else { return };
    let cases = [
        case(&honest, "B-HONEST", KIND, Honest, "is honest"),
        case(&slow, "B-SLOW", KIND, Honest, "is honest, and takes its time"),
        case(&idles, "B-IDLES", KIND, Honest, "is honest, and idles whenever it is at nothing (5Eh/01h)"),
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
        case(&hides, "B-HIDES", KIND, Faulty, "never says that it sanitizes, and erases nothing"),
        case(&unsupported, "B-UNSUPPORTED", KIND, Faulty, "does not know SANITIZE"),
        case(&silent, "B-SILENT", KIND, Faulty, "does not say which commands it knows"),
        case(&stalls, "B-STALLS", KIND, Faulty, "stands at SPROG 655 for ever"),
        case(&forbids, "B-FORBIDS", KIND, Faulty, "erases, and lets nothing be read before it is written (11h/15h)"),
        case(
            &announces,
            "B-ANNOUNCES",
            KIND,
            Faulty,
            "erases, lets nothing be read before it is written, and says so before",
        ),
    ];
    bench.wipe(&cases, "`scsi-sanitize-block`", &["--technique", "scsi-sanitize-block", "--erase-stall", "8"]);
    let cases = [case(&crypto, "X-HONEST", KIND, Honest, "is honest")];
    bench.wipe(&cases, "`scsi-sanitize-crypto`", &["--technique", "scsi-sanitize-crypto"]);
    let cases = [case(&overwrite, "O-HONEST", KIND, Honest, "is honest")];
    bench.wipe(&cases, "`scsi-sanitize-overwrite`", &["--technique", "scsi-sanitize-overwrite"]);
    // No run is begun anew on it here: the kernel shows a disk without capacity.
    bench.steps_down_once(&shut, "D-SHUT", KIND, "scsi-sanitize-block");
    bench.end();
}

#[test]
fn scsi_format() {
    let honest = erasing("F-HONEST", Erase::Whole);
    let slow = drive("F-SLOW", |d| d.erase_time = Duration::from_secs(12));
    let fails = erasing("F-FAILS", Erase::Fails);
    let half = erasing("F-HALF", Erase::Half);
    let nothing = erasing("F-NOTHING", Erase::Nothing);
    let unsupported = drive("F-UNSUPPORTED", |d| d.formats = false);
    let liar = stock::scsi("Q-LIAR", 2);
    let all: [&dyn Plug; 7] = [&honest, &slow, &fails, &half, &nothing, &unsupported, &liar];
    let Some(mut bench) = Bench::start("scsi-format", &all) else { return };
    let cases = [
        case(&honest, "F-HONEST", KIND, Honest, "is honest"),
        case(&slow, "F-SLOW", KIND, Honest, "is honest, and takes its time"),
        case(&fails, "F-FAILS", KIND, Faulty, "reports failure"),
        case(&half, "F-HALF", KIND, Faulty, "reports success and erases half"),
        case(&nothing, "F-NOTHING", KIND, Faulty, "reports success and erases nothing"),
        case(&unsupported, "F-UNSUPPORTED", KIND, Faulty, "does not know FORMAT UNIT"),
        case(&liar, "Q-LIAR", "SCSI disk of qemu", Faulty, "reports success and erases nothing"),
    ];
    bench.wipe(&cases, "`scsi-format`", &["--technique", "scsi-format"]);
    bench.end();
}
