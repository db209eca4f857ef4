//! Host overwrite of the drives that qemu has of its own.

use super::bench::{Bench, case};
use super::table::Truth::{Faulty, Honest};
use crate::models::stock;
use crate::rig::Medium;
use crate::rig::plug::Plug;

#[test]
fn stock_drives() {
    let second = Medium::new(5);
    let nvme = stock::nvme_with_two_namespaces("Q-NVME", 4, &second);
    let zoned = stock::zoned_nvme("Q-ZONED", 16);
    let virtio = stock::virtio_blk("Q-VIRTIO", 4);
    let card = stock::card("sd-card", 4);
    let ufs = stock::ufs("QUFS", 8);
    let pair = stock::multipath("Q-PAIR", 4);
    let unreadable = stock::scsi_with_error("Q-UNREADABLE", 4, "read", 4096);
    let unwritable = stock::scsi_with_error("Q-UNWRITABLE", 4, "write", 4096);
    let auto = stock::zoned_nvme("Q-AUTO", 16);
    let all = [&nvme, &zoned, &auto, &virtio, &card, &ufs, &pair, &unreadable, &unwritable];
    let plugs: Vec<_> = all.iter().map(|d| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("overwrite-stock", &plugs) else { return };
    // Neither the hidden path nodes of the NVMe subsystem nor the second path are drives of their own.
    let drives = bench.guest.drives();
    let of = |serial: &str| drives.iter().filter(|d| d["identity"]["serial"] == serial).collect::<Vec<_>>();
    assert_eq!(of("Q-NVME").len(), 2, "{drives:#?}");
    assert_eq!(of("Q-PAIR").len(), 1, "{drives:#?}");
    assert_eq!(of("Q-PAIR")[0]["other_paths"].as_array().unwrap().len(), 1, "{drives:#?}");
    let cases = [
        case(&nvme, "Q-NVME", "NVMe SSD with two namespaces", Honest, "is honest; one namespace is meant"),
        case(&zoned, "Q-ZONED", "zoned NVMe SSD", Honest, "is honest, and host-managed zoned"),
        case(&virtio, "Q-VIRTIO", "virtio disk", Honest, "is honest"),
        case(&card, "0xdeadbeef", "SD card of qemu", Honest, "is honest"),
        case(&ufs, "QUFS", "UFS disk of qemu, blocks of 4,096 bytes", Honest, "is honest"),
        case(&pair, "Q-PAIR", "SAS disk on two paths", Honest, "is honest"),
        case(&unreadable, "Q-UNREADABLE", "SCSI disk of qemu", Faulty, "cannot read one sector"),
        case(&unwritable, "Q-UNWRITABLE", "SCSI disk of qemu", Faulty, "cannot write one sector"),
    ];
    bench.wipe(&cases, "overwrite", &["--method", "clear", "--scheme", "zero", "--retries", "1"]);
    assert_eq!((second.left(), second.all()), (10240, 10240), "the other namespace is whole");

    let (path, _) = bench.guest.drive("Q-AUTO");
    let refused = bench.guest.lastwrite(&["plan", &path, "--technique", "nvme-format-user"]).expect(3);
    assert!(refused.stderr.contains("can only be written in order"), "{}", refused.stderr);
    let cases = [case(&auto, "Q-AUTO", "zoned NVMe SSD", Honest, "is honest, and host-managed zoned")];
    bench.wipe(&cases, "the strongest there is (`--method auto`)", &["--method", "auto"]);
    bench.end();
}
