//! Host overwrite of NVMe drives.

use super::bench::{Bench, case};
use super::table::Truth::{Faulty, Honest};
use crate::models::nvme::Nvme;
use crate::models::nvme_bus::NvmeDrive;

const KIND: &str = "NVMe SSD";

fn drive(serial: &str, change: impl FnOnce(&mut Nvme)) -> NvmeDrive {
    let mut model = Nvme::new(serial, 4);
    change(&mut model);
    NvmeDrive::new(model)
}

#[test]
fn nvme() {
    let honest = drive("HONEST-1", |_| {});
    let drops = drive("DROPS-1", |d| d.medium.drops_writes = true);
    let unwritable = drive("UNWRITABLE-1", |d| d.medium.bad_writes = (5000..5003).collect());
    let unreadable = drive("UNREADABLE-1", |d| d.medium.bad_reads = (5000..5003).collect());
    let both = drive("BOTH-1", |d| {
        d.medium.bad_writes = (77..79).collect();
        d.medium.bad_reads = (77..79).collect();
    });
    let read_only = drive("READONLY-1", |d| d.read_only = true);
    let pulled = drive("PULLED-1", |d| d.gone_after = Some(4096));
    let all = [&honest, &drops, &unwritable, &unreadable, &both, &read_only, &pulled];
    let plugs: Vec<_> = all.iter().map(|d| *d as &dyn crate::rig::plug::Plug).collect();
    let Some(mut bench) = Bench::start("overwrite-nvme", &plugs) else { return };
    let cases = [
        case(&honest, "HONEST-1", KIND, Honest, "is honest"),
        case(&drops, "DROPS-1", KIND, Faulty, "acknowledges every write and drops it"),
        case(&unwritable, "UNWRITABLE-1", KIND, Faulty, "cannot write three sectors"),
        case(&unreadable, "UNREADABLE-1", KIND, Faulty, "cannot read three sectors"),
        case(&both, "BOTH-1", KIND, Faulty, "can neither read nor write two sectors"),
        case(&read_only, "READONLY-1", KIND, Faulty, "takes no writes any more"),
        case(&pulled, "PULLED-1", KIND, Faulty, "is pulled while it is written"),
    ];
    bench.wipe(&cases, "overwrite", &["--method", "clear", "--scheme", "zero", "--retries", "1"]);
    bench.end();
}
