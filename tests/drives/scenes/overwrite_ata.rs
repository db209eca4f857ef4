//! Host overwrite of SATA drives, and of such drives behind USB bridges.

use super::bench::{Bench, case};
use super::table::Truth::{Faulty, Honest};
use crate::models::ahci::SataDrive;
use crate::models::ata::Ata;
use crate::models::bridge::{Sat, UsbDrive};
use crate::models::stock;
use crate::rig::plug::Plug;

const KIND: &str = "SATA SSD";

fn model(serial: &str, change: impl FnOnce(&mut Ata)) -> Ata {
    let mut model = Ata::new(serial, 4);
    change(&mut model);
    model
}

fn drive(serial: &str, change: impl FnOnce(&mut Ata)) -> SataDrive {
    SataDrive::new(model(serial, change))
}

#[test]
fn sata() {
    let honest = drive("S-HONEST", |_| {});
    let drops = drive("S-DROPS", |d| d.medium.drops_writes = true);
    let unwritable = drive("S-UNWRITABLE", |d| d.medium.bad_writes = (5000..5003).collect());
    let unreadable = drive("S-UNREADABLE", |d| d.medium.bad_reads = (5000..5003).collect());
    let read_only = SataDrive::new({
        let mut model = Ata::new("S-READONLY", 1);
        model.read_only = true;
        model
    });
    let locked = drive("S-LOCKED", |d| d.security.set("nobody knows"));
    let checksum = drive("S-CHECKSUM", |d| d.bad_checksum = true);
    let shrinks = drive("S-SHRINKS", |d| d.shrinks_after = Some((2048, 4096)));
    let pulled = drive("S-PULLED", |d| d.gone_after = Some(4096));
    let frozen = drive("S-FROZEN", |d| d.security.frozen_at_start = true);
    let all = [&honest, &drops, &unwritable, &unreadable, &read_only, &locked, &checksum, &frozen, &shrinks, &pulled];
    let plugs: Vec<_> = all.iter().map(|d| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("overwrite-sata", &plugs) else { return };
    let cases = [
        case(&honest, "S-HONEST", KIND, Honest, "is honest"),
        case(&drops, "S-DROPS", KIND, Faulty, "acknowledges every write and drops it"),
        case(&unwritable, "S-UNWRITABLE", KIND, Faulty, "cannot write three sectors"),
        case(&unreadable, "S-UNREADABLE", KIND, Faulty, "cannot read three sectors (UNC)"),
        case(&read_only, "S-READONLY", KIND, Faulty, "takes no writes any more"),
        case(&locked, "S-LOCKED", KIND, Faulty, "is locked with an unknown password"),
        case(&checksum, "S-CHECKSUM", KIND, Honest, "is honest, and its IDENTIFY data have a wrong checksum"),
        case(&frozen, "S-FROZEN", KIND, Honest, "is honest, and frozen"),
        case(&shrinks, "S-SHRINKS", KIND, Faulty, "says in the middle that it is half as large"),
        case(&pulled, "S-PULLED", KIND, Faulty, "is pulled while it is written"),
    ];
    bench.wipe(&cases, "overwrite", &["--method", "clear", "--scheme", "zero", "--retries", "1"]);
    bench.end();
}

#[test]
fn usb() {
    let honest = UsbDrive::new(model("U-INSIDE-1", |_| {}), Sat::Whole, "U-HONEST");
    let plain = UsbDrive::new(model("U-INSIDE-2", |_| {}), Sat::None, "U-PLAIN");
    let drops = UsbDrive::new(model("U-INSIDE-3", |d| d.medium.drops_writes = true), Sat::None, "U-DROPS");
    let bad = UsbDrive::new(model("U-INSIDE-4", |d| d.medium.bad_writes = (99..102).collect()), Sat::None, "U-BAD");
    let emmc = stock::card("emmc", 4);
    let plugs: [&dyn Plug; 5] = [&honest, &plain, &drops, &bad, &emmc];
    let Some(mut bench) = Bench::start("overwrite-usb", &plugs) else { return };
    let cases = [
        case(&honest, "U-HONEST", "USB bridge with SAT", Honest, "is honest"),
        case(&plain, "U-PLAIN", "USB bridge without SAT", Honest, "is honest"),
        case(&drops, "U-DROPS", "USB bridge without SAT", Faulty, "acknowledges every write and drops it"),
        case(&emmc, "0xdeadbeef", "eMMC of qemu", Honest, "is honest"),
        case(&bad, "U-BAD", "USB bridge without SAT", Faulty, "cannot write three sectors"),
    ];
    bench.wipe(&cases, "overwrite", &["--method", "clear", "--scheme", "zero", "--retries", "1"]);
    bench.end();
}
