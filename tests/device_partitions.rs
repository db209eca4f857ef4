//! Partitions that lie in each other, or whose tables do, on recorded machines: no kernel here reads such tables.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::sysfs_tree::FixtureTree;
use lastwrite::device::{TargetRule, resolve};
use lastwrite::media::Protection;

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
