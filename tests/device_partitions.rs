//! What is in use by another way than the one that is named, on recorded machines: partitions that lie in each other or
//! whose tables do (no kernel here reads such tables), other paths to a disk, users inside of the kernel.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;

use common::sysfs_tree::FixtureTree;
use lastwrite::device::{TargetRule, inventory, resolve};
use lastwrite::media::{Medium, Protection};

const ROOT: &str = "22 1 0:2 / / rw - rootfs rootfs rw\n";

/// A disk with these lines in its section, and these mounts.
fn disk(lines: &str, mounts: &str) -> FixtureTree {
    FixtureTree::parse(&format!(
        "[sys/devices/pci0000:00/usb1/1-1/host2/target2:0:0/2:0:0:0/block/sdb]\ndev = 8:16\nsize = 60000000\n\
         {lines}\n/proc/self/mountinfo <<\n{mounts}>>\n"
    ))
}

/// What stands against wiping a partition alone.
fn against(tree: &FixtureTree, partition: &str) -> Vec<Protection> {
    resolve(&tree.roots(), Path::new(partition), TargetRule::PartitionAllowed).unwrap().protections
}

fn carries(partitions: &[&str]) -> Protection {
    Protection::CarriesTable { partitions: partitions.iter().map(Into::into).collect() }
}

fn mounted(node: &str) -> Protection {
    Protection::Mounted { node: node.into(), mount_point: "/mnt".into() }
}

/// The kernel shows a kilobyte of it that nothing holds: the first table of the chain that leads to the others.
#[test]
fn an_extended_partition_is_not_wiped_from_under_the_logical_ones() {
    let first = "part sdb1 8:17 2048 204800\n";
    let logical = "part sdb5 8:21 208896 409600\npart sdb6 8:22 620544 409600\n";
    let tree = disk(&format!("{first}part sdb4 8:20 206848 2\n{logical}"), ROOT);
    let refused = against(&tree, "/dev/sdb4");
    assert_eq!(refused, [carries(&["/dev/sdb5", "/dev/sdb6"])]);
    let told = refused[0].to_string();
    assert!(told.contains("/dev/sdb5, /dev/sdb6") && told.contains("extended"), "{told}");
    assert!(refused[0].advice().contains("whole disk"), "{}", refused[0].advice());
    for free in ["/dev/sdb1", "/dev/sdb5", "/dev/sdb6"] {
        assert_eq!(against(&tree, free), [], "{free}");
    }
    let whole = resolve(&tree.roots(), Path::new("/dev/sdb"), TargetRule::WholeDiskOnly).unwrap();
    assert_eq!(whole.protections, []);

    // Of a disk with large blocks it shows one of them.
    let eight = format!("part sdb4 8:20 206848 8\n{logical}");
    let tree = disk(&format!("queue/logical_block_size = 4096\n{eight}"), ROOT);
    assert_eq!(against(&tree, "/dev/sdb4"), [carries(&["/dev/sdb5", "/dev/sdb6"])]);
    assert_eq!(against(&disk(&eight, ROOT), "/dev/sdb4"), [], "a small partition");
    assert_eq!(against(&disk(&format!("{first}part sdb4 8:20 206848 2\n"), ROOT), "/dev/sdb4"), [], "nothing in it");
}

/// sdb1 is a partition of BSD, and sdb5 and sdb6 are the slices in it.
#[test]
fn what_lies_in_a_partition_or_around_it_counts_with_it() {
    let slices = "part sdb1 8:17 2048 1000000\npart sdb2 8:18 2000000 1000000\npart sdb5 8:21 2048 400000\n\
                  part sdb6 8:22 402048 400000\n";
    let of_others = [carries(&["/dev/sdb6"])];

    let free = disk(slices, ROOT);
    for partition in ["/dev/sdb1", "/dev/sdb2", "/dev/sdb6"] {
        assert_eq!(against(&free, partition), [], "{partition}");
    }
    assert_eq!(against(&free, "/dev/sdb5"), of_others, "the label that tells of sdb6 lies in it");

    let inside = disk(slices, &format!("{ROOT}23 22 8:22 / /mnt rw - ufs /dev/sdb6 rw\n"));
    assert_eq!(against(&inside, "/dev/sdb1"), [mounted("/dev/sdb6")]);
    assert_eq!(against(&inside, "/dev/sdb6"), [mounted("/dev/sdb6")]);
    assert_eq!(against(&inside, "/dev/sdb5"), of_others, "they share no byte");
    assert_eq!(against(&inside, "/dev/sdb2"), []);

    let around = disk(slices, &format!("{ROOT}23 22 8:17 / /mnt rw - ufs /dev/sdb1 rw\n"));
    for partition in ["/dev/sdb1", "/dev/sdb6"] {
        assert_eq!(against(&around, partition), [mounted("/dev/sdb1")], "{partition}");
    }
    assert_eq!(against(&around, "/dev/sdb2"), []);

    let held = disk(&format!("{slices}sdb6/holders/ dm-0\n"), ROOT);
    let holder =
        Protection::Held { node: "/dev/sdb6".into(), holder: "dm-0".to_owned(), by: "another block device".to_owned() };
    assert_eq!(against(&held, "/dev/sdb1"), [holder]);

    let system = disk(slices, "22 1 8:22 / / rw - ufs /dev/sdb6 rw\n");
    assert!(against(&system, "/dev/sdb1").iter().any(|p| matches!(p, Protection::SystemMedium { .. })));
    assert_eq!(against(&system, "/dev/sdb2"), []);

    let pool = "/udev/b8:22 <<\nE:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank\n>>\n/proc/spl/kstat/zfs/tank/ state\n";
    let member = against(&disk(&format!("{slices}{pool}"), ROOT), "/dev/sdb1");
    assert!(matches!(&member[..], [Protection::Member { node, .. }] if node == Path::new("/dev/sdb6")), "{member:?}");
}

/// A Solaris label lies in the first sector of the disk, which its first slice begins with.
#[test]
fn the_slice_that_a_disk_begins_with_carries_the_label_of_the_others() {
    let slices = "part sdb1 8:17 0 204800\npart sdb2 8:18 204800 409600\n";
    let whole = "part sdb3 8:19 0 60000000\n";
    for lines in [slices.to_owned(), format!("{slices}{whole}")] {
        let tree = disk(&lines, ROOT);
        assert_eq!(against(&tree, "/dev/sdb1"), [carries(&["/dev/sdb2"])]);
        assert_eq!(against(&tree, "/dev/sdb2"), []);
    }
    assert_eq!(against(&disk(&format!("{slices}{whole}"), ROOT), "/dev/sdb3"), [], "it reaches all of them");
}

/// `/dev/sda` and `/dev/sdb` with these lines, which bear one WWN and these serial numbers of four letters.
fn pair(vendor: &str, serials: [&str; 2], lines: [&str; 2], mounts: &str) -> FixtureTree {
    let disk = |n: usize| {
        let folder = format!("sys/devices/pci0000:00/0000:04:00.0/host0/target0:0:{n}/0:0:{n}:0");
        let serial: String = serials[n].bytes().map(|b| format!("{b:02x}")).collect();
        format!(
            "[{folder}/block/sd{}]\ndev = 8:{}\nsize = 60000000\ndevice -> ../../../0:0:{n}:0\ndiskseq = {}\n\
             /{folder}/vendor = {vendor}\n/{folder}/model = CHEAP\n/{folder}/vpd_pg80 := 0080 0004 {serial}\n\
             /{folder}/wwid = naa.5000000000000001\n{}\n",
            ["a", "b"][n],
            n * 16,
            n + 7,
            lines[n],
        )
    };
    FixtureTree::parse(&format!("{}{}/proc/self/mountinfo <<\n{mounts}>>\n", disk(0), disk(1)))
}

fn partition(tree: &FixtureTree, path: &str) -> Medium {
    resolve(&tree.roots(), Path::new(path), TargetRule::PartitionAllowed).unwrap()
}

/// The kernel takes the paths for two disks: a partition can be opened exclusively while it is mounted by the other.
#[test]
fn a_partition_is_in_use_by_whatever_path() {
    let sda = "part sda1 8:1 2048 8192\npart sda2 8:2 20480 8192";
    let sdb = "part sdb1 8:17 2048 8192\npart sdb2 8:18 20480 8192";
    let mount = format!("{ROOT}23 22 8:17 / /mnt rw - ext4 /dev/sdb1 rw\n");
    let of = |sdb: &str, mounts: &str| pair("SAMPLE", ["K7Q1", "K7Q1"], [sda, sdb], mounts);

    let free = of(sdb, ROOT);
    for (path, other, diskseq) in [("/dev/sda1", "/dev/sdb1", 7), ("/dev/sdb1", "/dev/sda1", 8)] {
        let medium = partition(&free, path);
        assert_eq!((medium.protections.as_slice(), medium.other_paths.as_slice()), (&[][..], &[other.into()][..]));
        assert_eq!(medium.diskseq.map(|diskseq| diskseq.0), Some(diskseq), "that of the path which is opened");
    }
    let used = of(sdb, &mount);
    assert_eq!(against(&used, "/dev/sda1"), [mounted("/dev/sdb1")]);
    assert_eq!(against(&used, "/dev/sda2"), []);

    // The tables were read at different times.
    for sdb in ["part sdb2 8:18 20480 8192", "part sdb1 8:17 4096 8192", "part sdb1 8:17 2048 4096"] {
        let told = against(&of(sdb, ROOT), "/dev/sda1");
        let [Protection::CannotTell { what }] = &told[..] else { panic!("{sdb}: {told:?}") };
        assert!(what.contains("/dev/sdb is another path") && what.contains("no partition 1"), "{what}");
    }
    let held = against(&of(&format!("{sdb}\nholders/ dm-0"), ROOT), "/dev/sda1");
    assert!(matches!(&held[..], [Protection::Held { node, .. }] if node == Path::new("/dev/sdb")), "{held:?}");
}

/// A SATA disk behind two SAS adapters. Cheap ones repeat their names, so the two are not taken for one.
#[test]
fn a_drive_that_may_be_another_path_to_one_in_use_is_not_wiped() {
    let lines = ["part sda1 8:1 2048 8192", "part sdb1 8:17 2048 8192"];
    let mount = format!("{ROOT}23 22 8:1 / /mnt rw - ext4 /dev/sda1 rw\n");
    let all = |serials, mounts: &str| {
        let tree = pair("ATA", serials, lines, mounts);
        let media = inventory(&tree.roots()).unwrap();
        assert!(media.iter().all(|medium| medium.other_paths.is_empty()), "{media:?}");
        let [sda, sdb] = &media[..] else { panic!("{media:?}") };
        assert_eq!(against(&tree, "/dev/sdb1"), sdb.protections);
        [sda.protections.clone(), sdb.protections.clone()]
    };
    let [sda, sdb] = all(["K7Q1", "K7Q1"], &mount);
    assert_eq!(sda, [mounted("/dev/sda1")]);
    let [Protection::CannotTell { what }] = &sdb[..] else { panic!("{sdb:?}") };
    assert!(what.contains("/dev/sda has the same WWN and serial number and is in use"), "{what}");
    assert_eq!(all(["K7Q1", "K7Q2"], &mount), [vec![mounted("/dev/sda1")], Vec::new()]);
    assert_eq!(all(["K7Q1", "K7Q1"], ROOT), [Vec::new(), Vec::new()]);
}

/// Neither holders nor descriptors show them, and the drive can be opened exclusively.
#[test]
fn what_the_kernel_hands_on_to_others_is_in_use() {
    const CONFIG: &str = "/sys/kernel/config";
    let nvmet = |path: &str, on: u8| {
        let folder = format!("{CONFIG}/nvmet/subsystems/nqn.a/namespaces/1");
        format!("{folder}/device_path = {path}\n{folder}/enable = {on}\n")
    };
    let lio = |path: &str, on: u8| {
        let folder = format!("{CONFIG}/target/core/fileio_0/a");
        format!("{CONFIG}/target/core/fileio_0/hba_info = HBA\n{folder}/udev_path = {path}\n{folder}/enable = {on}\n")
    };
    let gadget = |path: &str| format!("{CONFIG}/usb_gadget/g1/functions/mass_storage.0/lun.0/file = {path}\n");
    let xen = |number: &str| format!("/sys/bus/xen-backend/devices/vbd-1-51712/physical_device = {number}\n");
    let parts = "part sdb1 8:17 2048 8192\npart sdb2 8:18 20480 8192";
    let tree = |lines: &str| disk(&format!("{parts}\n{lines}"), ROOT);
    let whole = |lines: &str| inventory(&tree(lines).roots()).unwrap().remove(0).protections;
    let held = |node: &str, holder: &str, by: &str| {
        [Protection::Held { node: node.into(), holder: holder.to_owned(), by: by.to_owned() }]
    };

    // The kernel writes its numbers in hex.
    let xen_disk = held("/dev/sdb1", "vbd-1-51712", "Xen disk of a virtual machine");
    assert_eq!(whole(&xen("8:11")), xen_disk);
    assert_eq!(against(&tree(&xen("8:11")), "/dev/sdb1"), xen_disk);
    assert_eq!(against(&tree(&xen("8:11")), "/dev/sdb2"), []);
    let export = held("/dev/sdb", "nqn.a/1", "NVMe-oF export");
    assert_eq!(whole(&nvmet("/dev/sdb", 1)), export);
    assert_eq!(against(&tree(&nvmet("/dev/sdb", 1)), "/dev/sdb2"), export, "it is a part of it");
    assert_eq!(whole(&lio("/dev/sdb1", 1)), held("/dev/sdb1", "fileio_0/a", "LIO backstore"));
    assert_eq!(whole(&gadget("/dev/sdb")), held("/dev/sdb", "g1/mass_storage.0/lun.0", "USB gadget"));

    for nothing in [nvmet("/dev/sdb", 0), lio("/dev/sdb", 0), gadget(""), xen("0:0"), nvmet("/srv/a.img", 1)] {
        assert_eq!(whole(&nothing), [], "{nothing}");
    }
    for unknown in [nvmet("/dev/gone", 1), xen("8"), format!("{CONFIG}/nvmet/subsystems/a/namespaces/1/enable/ x\n")] {
        let told = whole(&unknown);
        assert!(matches!(&told[..], [Protection::CannotTell { .. }]), "{unknown}: {told:?}");
    }
}

#[test]
fn a_partition_that_may_lie_anywhere_stands_against_all_of_its_disk() {
    let tree = disk("part sdb1 8:17 x 8192\npart sdb2 8:18 20480 8192", ROOT);
    for path in ["/dev/sdb1", "/dev/sdb2"] {
        let told = against(&tree, path);
        let is_told = |reason: &Protection| reason.to_string().contains("number and start of sdb1 could not be read");
        assert!(told.iter().any(is_told), "{path}: {told:?}");
    }
}
