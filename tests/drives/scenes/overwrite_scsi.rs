//! Host overwrite of SAS disks.

use super::bench::{Bench, case};
use super::table::Truth::{Faulty, Honest};
use crate::models::scsi::Scsi;
use crate::models::vhost_scsi::SasDrive;
use crate::rig::plug::Plug;

const KIND: &str = "SAS disk";

fn drive(serial: &str, change: impl FnOnce(&mut Scsi)) -> SasDrive {
    let mut model = Scsi::new(serial, 4);
    change(&mut model);
    SasDrive::new(model)
}

#[test]
fn sas() {
    let honest = drive("C-HONEST", |_| {});
    let drops = drive("C-DROPS", |d| d.medium.drops_writes = true);
    let unwritable = drive("C-UNWRITABLE", |d| d.medium.bad_writes = (5000..5003).collect());
    let unreadable = drive("C-UNREADABLE", |d| d.medium.bad_reads = (5000..5003).collect());
    let protected = drive("C-PROTECTED", |d| d.write_protected = true);
    let pulled = SasDrive::new({
        let mut model = Scsi::new("C-PULLED", 1);
        model.gone_after = Some(1000);
        model
    });
    let all = [&honest, &drops, &unwritable, &unreadable, &protected, &pulled];
    let plugs: Vec<_> = all.iter().map(|d| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("overwrite-sas", &plugs) else { return };
    let cases = [
        case(&honest, "C-HONEST", KIND, Honest, "is honest"),
        case(&drops, "C-DROPS", KIND, Faulty, "acknowledges every write and drops it"),
        case(&unwritable, "C-UNWRITABLE", KIND, Faulty, "cannot write three sectors"),
        case(&unreadable, "C-UNREADABLE", KIND, Faulty, "cannot read three sectors"),
        case(&protected, "C-PROTECTED", KIND, Faulty, "is write-protected"),
        case(&pulled, "C-PULLED", KIND, Faulty, "is pulled while it is written"),
    ];
    bench.wipe(&cases, "overwrite", &["--method", "clear", "--scheme", "zero", "--retries", "1"]);
    bench.end();
}
