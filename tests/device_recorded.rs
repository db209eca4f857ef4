//! The inventory of recorded machines: shapes that no test machine has all of.
//!
//! `tests/machines/*.txt` are the machines; the snapshots beside this file are what a technician
//! would be told, and what `drives --json` prints.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use common::sysfs_tree::FixtureTree;
use lastwrite::device::{
    ReachError, ResolveError, TargetRule, UdevSource, check_reached, find_by_identity, inventory, is_forced_read_only,
    own_serial, reached, resolve,
};
use lastwrite::frontend::cli::drives_json;
use lastwrite::media::{Medium, Protection, Reach, Zoned};
use lastwrite::policy::{Technique, Way};
use lastwrite::sanitize::firmware::check_alone;
use lastwrite::units::human_bytes;

/// One machine a test, so that a failure names it.
macro_rules! machines {
    ($($test:ident: $file:literal)*) => {
        $(#[test]
        fn $test() {
            let media = inventory(&FixtureTree::machine($file).roots()).unwrap();
            insta::assert_snapshot!($file, tell(&media));
            insta::assert_snapshot!(concat!($file, ".json"), json(media));
        })*

        #[test]
        fn no_machine_is_forgotten() {
            let known = [$(concat!($file, ".txt")),*];
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines");
            for entry in fs::read_dir(folder).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(known.contains(&name.as_str()), "{name} has no test");
            }
        }
    };
}

machines! {
    laptop_with_nvme_root_on_luks_and_lvm: "laptop-nvme-luks-lvm"
    server_with_sas_disks_behind_dm_multipath: "server-sas-multipath"
    md_raid1_with_a_spare: "server-md-raid1"
    zfs_pool_imported_and_a_retired_member: "zfs-pool"
    btrfs_over_two_disks: "btrfs-two-disks"
    live_usb_with_overlay_squashfs_and_loop: "live-usb"
    live_usb_booted_to_ram: "live-toram"
    archiso_copied_to_ram: "live-archiso-copytoram"
    dracut_live_image_behind_dm: "live-dracut"
    casper_with_layers_from_the_initramfs: "live-casper"
    usb_bridge_with_a_junk_serial: "usb-junk-serial"
    two_drives_with_one_serial: "two-drives-one-serial"
    nvme_with_native_multipath: "nvme-native-multipath"
    sas_drive_with_520_byte_blocks: "sas-520"
    host_managed_zones: "zoned-host-managed"
    emmc_with_boot_areas_and_an_sd_card: "emmc-and-sd"
    virtual_machine: "virtio-vm"
    write_protected_card: "card-read-only"
    empty_card_reader: "card-reader-empty"
    unused_nodes: "unused-nodes"
    bcache_and_swap: "bcache-and-swap"
    facts_that_cannot_be_read: "unreadable"
}

#[test]
fn names_are_the_same_without_udev_where_sysfs_has_them() {
    for machine in ["laptop-nvme-luks-lvm", "zfs-pool", "server-sas-multipath"] {
        let tree = FixtureTree::machine(machine);
        let mut roots = tree.roots();
        let with = inventory(&roots).unwrap();
        roots.udev = UdevSource::Off;
        let without = inventory(&roots).unwrap();
        let identities = |media: &[Medium]| media.iter().map(|m| m.identity.clone()).collect::<Vec<_>>();
        assert_eq!(identities(&with), identities(&without), "{machine}");
    }
}

/// A dock that sends ATA commands to another bay answers udev's from there as well.
#[test]
fn a_serial_number_that_only_ata_id_asked_for_is_not_that_of_the_way() {
    let host = "/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0";
    let serials = |bridge: &str, udev: &str| {
        let tree = FixtureTree::parse(&format!(
            "[{}/block/sda]\ndev = 8:0\nsize = 2048\ndevice -> ../../../6:0:0:0\n{host}/model = Dock\n\
             /sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/idVendor = 152d\n{bridge}\n\
             /udev/b8:0 <<\nE:ID_ATA=1\nE:ID_BUS=ata\nE:ID_SERIAL_SHORT=INSIDE\n{udev}\n>>\n\
             /proc/self/mountinfo <<\n22 1 0:2 / / rw - rootfs rootfs rw\n>>\n",
            &host[1..]
        ));
        let medium = inventory(&tree.roots()).unwrap().remove(0);
        let own = own_serial(&tree.roots(), &medium);
        (medium.identity.serial.unwrap(), own)
    };
    let some = |serial: &str| Some(serial.to_owned());
    assert_eq!(serials("", ""), ("INSIDE".to_owned(), None));
    assert_eq!(serials("", "E:ID_SCSI_SERIAL=PAGE80").1, some("PAGE80"));
    let usb = "/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/serial = ";
    assert_eq!(serials(&format!("{usb}DOCK"), ""), ("DOCK".to_owned(), some("DOCK")));
    assert_eq!(serials(&format!("{usb}0000000000"), "").1, None, "that names nothing");
    let page = format!("{host}/vpd_pg80 := 0080 0002 4142");
    assert_eq!(serials(&page, ""), ("AB".to_owned(), some("AB")));
}

#[test]
fn a_drive_is_found_again_under_another_name() {
    let tree = FixtureTree::machine("server-md-raid1");
    let media = inventory(&tree.roots()).unwrap();
    let moved = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines/server-md-raid1.txt"))
        .unwrap()
        .replace("sdc", "sdx");
    let moved = FixtureTree::parse(&moved);
    let spare = media.iter().find(|m| m.path == Path::new("/dev/sdc")).unwrap();
    let found = find_by_identity(&moved.roots(), &spare.identity).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, Path::new("/dev/sdx"));
    assert_eq!(found[0].confirm_token, spare.confirm_token);
}

#[test]
fn resolve_agrees_with_the_inventory_by_every_path() {
    let tree = FixtureTree::machine("server-sas-multipath");
    let media = inventory(&tree.roots()).unwrap();
    for medium in &media {
        for path in std::iter::once(&medium.path).chain(&medium.other_paths) {
            assert_eq!(&resolve(&tree.roots(), path, TargetRule::WholeDiskOnly).unwrap(), medium);
        }
    }
}

#[test]
fn what_stands_on_a_drive_is_no_drive() {
    let tree = FixtureTree::machine("laptop-nvme-luks-lvm");
    let error = resolve(&tree.roots(), Path::new("/dev/mapper/vg-root"), TargetRule::WholeDiskOnly).unwrap_err();
    assert!(matches!(error, ResolveError::NotADrive { .. }), "{error}");
    let error = resolve(&tree.roots(), Path::new("/dev/nvme0n1p3"), TargetRule::WholeDiskOnly).unwrap_err();
    insta::assert_snapshot!(error, @"/dev/nvme0n1p3: this is partition 3 of /dev/nvme0n1; wiping it would leave the rest of the drive. Name /dev/nvme0n1 or, if only the partition is meant, add --partition");
}

#[test]
fn a_partition_counts_with_its_own_use_only() {
    let tree = FixtureTree::machine("laptop-nvme-luks-lvm");
    let partition = |path: &str| resolve(&tree.roots(), Path::new(path), TargetRule::PartitionAllowed).unwrap();
    assert_eq!(partition("/dev/nvme0n1p4").protections, []);
    assert!(partition("/dev/nvme0n1p3").protections.iter().any(|p| matches!(p, Protection::SystemMedium { .. })));
}

/// What confirms one of them must not confirm the other; a partition that none is like keeps its token.
#[test]
fn partitions_of_twins_have_tokens_of_their_own() {
    let machine = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines/two-drives-one-serial.txt");
    let text = fs::read_to_string(machine).unwrap();
    let with = |a: &str, b: &str| {
        let text = text.replace("dev = 8:0\n", &format!("dev = 8:0\n{a}\n"));
        let tree = FixtureTree::parse(&text.replace("dev = 8:16\n", &format!("dev = 8:16\n{b}\n")));
        let partition = |path: &str| resolve(&tree.roots(), Path::new(path), TargetRule::PartitionAllowed).unwrap();
        let (a, b) = (partition("/dev/sda1"), partition("/dev/sdb1"));
        let same = a.identity.digest() == b.identity.digest();
        assert_eq!(find_by_identity(&tree.roots(), &a.identity).unwrap().len(), if same { 2 } else { 1 });
        [a, b].map(|medium| (medium.identity.digest(), medium.confirm_token))
    };
    let [a, b] = with("part sda1 8:1 2048 8192", "part sdb1 8:17 2048 8192");
    assert!(a.0 == b.0 && a.1 != b.1, "{a:?} {b:?}");
    let [alone, other] = with("part sda1 8:1 2048 8192", "part sdb1 8:17 4096 8192");
    assert!(alone.0 == a.0 && alone.1 != a.1 && alone.1 != other.1, "{alone:?} {other:?}");
    assert!(alone.0.starts_with(&alone.1.replace('-', "").to_lowercase()), "{alone:?}");
}

/// The kernel claims no disk for a loop device on it, so a partition of it looks free.
#[test]
fn a_loop_device_on_a_disk_protects_its_partitions() {
    let tree = FixtureTree::parse(
        "[sys/devices/pci0000:00/usb1/1-1/host2/target2:0:0/2:0:0:0/block/sdb]
        dev = 8:16
        size = 60000000
        part sdb1 8:17 2048 59990000
        [sys/devices/virtual/block/loop0]
        dev = 7:0
        size = 60000000
        loop/backing_file = /dev/sdb
        part loop0p1 259:0 2048 59990000
        /proc/self/mountinfo <<
        22 1 0:2 / / rw - rootfs rootfs rw
        23 22 259:0 / /mnt rw - ext4 /dev/loop0p1 rw
        >>",
    );
    let partition = resolve(&tree.roots(), Path::new("/dev/sdb1"), TargetRule::PartitionAllowed).unwrap();
    let told: Vec<String> = partition.protections.iter().map(Protection::to_string).collect();
    assert_eq!(told, ["/dev/loop0 is built on it", "/dev/loop0p1 is mounted at /mnt"]);
}

#[test]
fn the_kernel_command_line_names_the_medium_of_a_system_in_ram() {
    let machine = "
        [sys/devices/pci0000:00/usb1/1-1/host2/target2:0:0/2:0:0:0/block/sdb]
        dev = 8:16
        size = 60000000
        part sdb1 8:17 2048 59990000
        /dev/disk/by-label/MY\\x20STICK -> ../../sdb1
        /udev/b8:17 <<
        E:ID_FS_UUID=ABCD-1234
        E:ID_PART_ENTRY_UUID=0badcafe-01
        >>
        /proc/self/mountinfo <<
        22 1 0:2 / / rw - rootfs rootfs rw
        >>
    ";
    let named = |command_line: &str| {
        let tree = FixtureTree::parse(&format!("{machine}\n/proc/cmdline = {command_line}\n"));
        let media = inventory(&tree.roots()).unwrap();
        media[0].protections.iter().any(|p| matches!(p, Protection::SystemMedium { .. }))
    };
    for evidence in [
        "boot=live toram live-media=/dev/sdb1",
        "root=live:/dev/sdb1 rd.live.ram",
        "root=live:UUID=abcd-1234 rd.live.ram",
        "root=PARTUUID=0BADCAFE-01",
        "archisolabel=\"MY STICK\"",
        "archisosearchuuid=ABCD-1234 copytoram",
        "img_dev=/dev/sdb img_loop=/arch.iso",
        "root=/dev/disk/by-label/MY\\x20STICK",
        "root=live:CDLABEL=MY\\x20STICK quiet",
        "fromiso=/dev/sdb1/images/live.iso toram",
        "isofrom_device=/dev/sdb1 isofrom_system=/live.iso",
        "inst.stage2=hd:LABEL=MY\\x20STICK:/images",
        "inst.repo=hd:UUID=ABCD-1234 quiet",
    ] {
        assert!(named(evidence), "{evidence}");
    }
    for nothing in ["", "root=/dev/ram0", "root=/dev/sdc1", "root=UUID=other", "boot=live toram", "-- root=/dev/sdb1"] {
        assert!(!named(nothing), "{nothing}");
    }
}

#[test]
fn the_label_of_the_boot_medium_is_read_from_it_where_there_is_no_udev() {
    let machine = "
        [sys/devices/pci0000:00/usb1/1-1/host2/target2:0:0/2:0:0:0/block/sdb]
        dev = 8:16
        size = 60000000
        /proc/cmdline = root=live:CDLABEL=LASTWRITE rd.live.ram
        /proc/self/mountinfo <<
        22 1 0:2 / / rw - rootfs rootfs rw
        >>
    ";
    let tree = FixtureTree::parse(machine);
    let mut image = vec![0; 1 << 20];
    image[0x8001..0x8006].copy_from_slice(b"CD001");
    image[0x8028..0x8031].copy_from_slice(b"LASTWRITE");
    fs::write(tree.path().join("dev/sdb"), image).unwrap();
    let media = inventory(&tree.roots()).unwrap();
    assert_eq!(media[0].signatures[0].label.as_deref(), Some("LASTWRITE"));
    assert!(matches!(media[0].protections[..], [Protection::SystemMedium { .. }]), "{:?}", media[0].protections);
}

#[test]
fn a_mount_table_that_makes_no_sense_protects_everything() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines/virtio-vm.txt")).unwrap();
    let broken = text.replace("27 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw", "27 1 254:1");
    assert_ne!(text, broken);
    let media = inventory(&FixtureTree::parse(&broken).roots()).unwrap();
    assert!(!media.is_empty());
    assert!(media.iter().all(|m| m.protections.iter().any(|p| matches!(p, Protection::CannotTell { .. }))));
}

/// Some models bear one EUI-64 and NGUID on every drive (kernels before 5.18 take them as they are); so do bridges
/// and disks with their WWN. What is done to one of the two must never be done to the other.
#[test]
fn drives_with_one_bogus_name_and_serial_numbers_of_their_own_are_two() {
    let nvme = |n: u32, serial: &str| {
        format!(
            "[sys/devices/pci0000:00/0000:0{n}:00.0/nvme/nvme{n}]\ntransport = pcie\nmodel = ADATA SX8200PNP\n\
             serial = {serial}\n[sys/devices/pci0000:00/0000:0{n}:00.0/nvme/nvme{n}/block/nvme{n}n1]\n\
             dev = 259:{n}\nsize = 2000409264\ndevice -> ../../../nvme{n}\nnsid = 1\n\
             eui = 00 00 00 00 00 00 00 01\nnguid = 00000000-0000-0001-0000-000000000001\n"
        )
    };
    let disk = |n: u32, serial: &str| {
        let folder = format!("sys/devices/pci0000:00/0000:04:00.0/host0/target0:0:{n}/0:0:{n}:0");
        let serial: String = serial.bytes().map(|b| format!("{b:02x}")).collect();
        format!(
            "[{folder}/block/sd{}]\ndev = 8:{}\nsize = 1000215216\ndevice -> ../../../0:0:{n}:0\n/{folder}/vendor = SAMPLE\n\
             /{folder}/model = CHEAP\n/{folder}/vpd_pg80 := 0080 0004 {serial}\n/{folder}/wwid = naa.5000000000000001\n",
            if n == 0 { "a" } else { "b" },
            n * 16,
        )
    };
    let machine = |serials: [&str; 2]| {
        let mounts = "/proc/self/mountinfo <<\n22 1 0:2 / / rw - rootfs rootfs rw\n>>\n".to_owned();
        let [first, second] = serials;
        FixtureTree::parse(&[nvme(0, first), nvme(1, second), disk(0, first), disk(1, second), mounts].concat())
    };
    let tree = machine(["K7Q1", "K7Q2"]);
    let media = inventory(&tree.roots()).unwrap();
    let paths: Vec<_> = media.iter().map(|medium| medium.path.to_str().unwrap()).collect();
    assert_eq!(paths, ["/dev/nvme0n1", "/dev/nvme1n1", "/dev/sda", "/dev/sdb"]);
    assert_eq!(media[0].identity.eui64, media[1].identity.eui64);
    assert!(media[2].identity.wwn.is_some() && media[2].identity.wwn == media[3].identity.wwn);
    for medium in &media {
        assert!(medium.other_paths.is_empty(), "{medium:?}");
        assert_eq!(&resolve(&tree.roots(), &medium.path, TargetRule::WholeDiskOnly).unwrap(), medium);
        assert_eq!(&find_by_identity(&tree.roots(), &medium.identity).unwrap(), std::slice::from_ref(medium));
    }
    // With one serial number they are two paths to one drive.
    let media = inventory(&machine(["K7Q1", "K7Q1"]).roots()).unwrap();
    assert_eq!(media.len(), 2);
    assert!(media.iter().all(|medium| medium.other_paths.len() == 1));
}

/// As a program would: what `drives --json --quick` prints, a drive a line.
fn json(media: Vec<Medium>) -> String {
    let reports = media.iter().map(|_| None).collect();
    let mut document = drives_json(media, reports);
    let drives = document["drives"].take();
    let lines = drives.as_array().unwrap().iter().map(|drive| format!("\n{drive}"));
    std::iter::once(document.to_string()).chain(lines).collect()
}

/// As a technician would read it.
fn tell(media: &[Medium]) -> String {
    let mut text = String::new();
    for medium in media {
        let line = |text: &mut String, name: &str, value: Option<&str>| {
            if let Some(value) = value {
                writeln!(text, "    {name}: {value}").unwrap();
            }
        };
        let id = &medium.identity;
        let geometry = medium.geometry;
        let others: Vec<String> = medium.other_paths.iter().map(|p| p.display().to_string()).collect();
        writeln!(text, "{} {}", medium.path.display(), others.join(" ")).unwrap();
        writeln!(
            text,
            "    {:?} {:?} {:?}, {} ({} B), blocks {}/{}{}{}{}",
            medium.transport,
            medium.kind,
            medium.class,
            human_bytes(geometry.size.0),
            geometry.size,
            geometry.logical_block,
            geometry.physical_block,
            medium.rotational.map_or("", |r| if r { ", rotating" } else { ", not rotating" }),
            if medium.removable { ", removable" } else { "" },
            if medium.zoned == Zoned::None { String::new() } else { format!(", {:?}", medium.zoned) },
        )
        .unwrap();
        line(&mut text, "vendor", id.vendor.as_deref());
        line(&mut text, "model", id.model.as_deref());
        line(&mut text, "serial", id.serial.as_deref());
        line(&mut text, "wwn", id.wwn.as_deref());
        line(&mut text, "eui64", id.eui64.as_deref());
        line(&mut text, "nguid", id.nguid.as_deref());
        line(&mut text, "firmware", id.firmware.as_deref());
        line(&mut text, "unit", id.unit.as_deref());
        line(&mut text, "backing", id.backing.as_ref().and_then(|b| b.path.to_str()));
        line(&mut text, "diskseq", medium.diskseq.map(|d| d.to_string()).as_deref());
        line(&mut text, "confirm with", Some(&medium.confirm_token));
        for signature in &medium.signatures {
            let label = signature.label.as_ref().map_or(String::new(), |label| format!(" {label}"));
            writeln!(text, "    on {}: {}{label}", signature.node.display(), signature.of).unwrap();
        }
        match medium.protections.is_empty() {
            true => writeln!(text, "    may be wiped").unwrap(),
            false => medium.protections.iter().for_each(|p| writeln!(text, "    NO: {p}").unwrap()),
        }
    }
    text
}

/// What the kernel alone keeps read-only stands in nobody's way, what the card protects does, and so does a
/// system that starts from the card.
#[test]
fn a_card_is_erased_with_its_boot_partitions_and_no_other_area() {
    let tree = FixtureTree::machine("emmc-and-sd");
    let (roots, media) = (tree.roots(), inventory(&tree.roots()).unwrap());
    let of = |path: &str| media.iter().find(|medium| medium.path == Path::new(path)).unwrap();
    let along = reached(&roots, of("/dev/mmcblk2"), Reach::Card).unwrap();
    let told: Vec<_> = along
        .iter()
        .map(|m| (m.identity.unit.as_deref().unwrap(), m.may_be_wiped(), is_forced_read_only(&roots, m)))
        .collect();
    assert_eq!(told, [("boot0", true, true), ("boot1", false, false)]);
    assert!(of("/dev/mmcblk2gp0").may_be_wiped() && !is_forced_read_only(&roots, of("/dev/mmcblk2gp0")));
    let system = of("/dev/mmcblk0boot0");
    assert!(is_forced_read_only(&roots, system));
    assert!(matches!(&system.protections[..], [Protection::SystemMedium { chain }] if chain.contains("mmcblk0p2")));
}

/// A namespace that was made after the plan was confirmed by nobody and looked at by nobody.
#[test]
fn what_a_command_reaches_has_to_be_what_was_confirmed() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines/nvme-native-multipath.txt"))
            .unwrap();
    let of = |text: &str| FixtureTree::parse(text);
    let tree = of(&text);
    let medium = |tree: &FixtureTree, path: &str| {
        inventory(&tree.roots()).unwrap().into_iter().find(|medium| medium.path == Path::new(path)).unwrap()
    };
    let first = medium(&tree, "/dev/nvme0n1");
    let confirmed = reached(&tree.roots(), &first, Reach::Subsystem);
    // The recording has no subsystem name: then nothing is known, and that is refused.
    assert!(matches!(confirmed, Err(ReachError::Unknown { .. })), "{confirmed:?}");
    assert!(matches!(check_reached(&tree.roots(), &first, Reach::Subsystem, &[]), Err(ReachError::Unknown { .. })));
    assert!(check_reached(&tree.roots(), &first, Reach::Unit, &[]).is_ok());

    let named =
        text.replace("serial = 4140A00ATL18", "serial = 4140A00ATL18\nsubsysnqn = nqn.2014-08.org.nvmexpress:uuid:1");
    let tree = of(&named);
    let confirmed = reached(&tree.roots(), &first, Reach::Subsystem).unwrap();
    assert_eq!(confirmed.iter().map(|m| m.path.to_str().unwrap()).collect::<Vec<_>>(), ["/dev/nvme0n2"]);
    assert!(check_reached(&tree.roots(), &first, Reach::Subsystem, &confirmed).is_ok());

    let more = format!(
        "{named}\n[sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n3]\ndev = 259:7\nsize = 2097152\n\
         device -> ../../nvme-subsys0\nnsid = 3\n"
    );
    let others = [
        (more.clone(), "nvme0n3 (nsid 3) was not"),
        // The same node, and another namespace behind it.
        (named.replace("nsid = 2", "nsid = 4"), "nvme0n2 (nsid 4) was not"),
        (named.replace("nvme-subsys0/nvme0n2]", "nvme-subsys0/away/nvme0n2]"), "nvme0n2 is not there any more"),
    ];
    for (text, words) in others {
        let error = check_reached(&of(&text).roots(), &first, Reach::Subsystem, &confirmed).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(reached(&of(&more).roots(), &first, Reach::Subsystem).unwrap().len(), 2);
}

/// What goes to a SCSI unit, or to a drive's security subsystem, may reach all units of the drive.
#[test]
fn what_may_reach_other_units_of_a_scsi_target_is_refused() {
    let disk = |place: &str, number: u32| {
        format!("[sys/devices/pci0000:00/host2/{place}]\ndev = 8:{number}\nsize = 60000000\n")
    };
    let first = disk("target2:0:0/2:0:0:0/block/sda", 0);
    let second = disk("target2:0:0/2:0:0:1/block/sdb", 16);
    let other = disk("target2:0:1/2:0:1:0/block/sdc", 32);
    let mounts = "/proc/self/mountinfo <<\n22 1 0:2 / / rw - rootfs rootfs rw\n>>\n";
    let tree = |disks: &[&str]| FixtureTree::parse(&[&disks.concat(), mounts].concat());
    let alone = tree(&[&first, &other]);
    let of = |path: &str| {
        inventory(&alone.roots()).unwrap().into_iter().find(|medium| medium.path == Path::new(path)).unwrap()
    };
    let (sda, sdc) = (of("/dev/sda"), of("/dev/sdc"));
    // Another path to the first leads to the second as well.
    let by_two = Medium { other_paths: vec!["/dev/sda".into()], ..sdc.clone() };
    // The second unit may also come after the plan: what was true of the medium then is asked anew.
    let together = tree(&[&first, &second, &other]);
    // An optical unit, or a slot with no medium in it, holds nothing.
    let optical = disk("target2:0:0/2:0:0:2/block/sr0", 48);
    let slot = "[sys/devices/pci0000:00/host2/target2:0:0/2:0:0:3/block/sdd]\ndev = 8:48\nremovable = 1\nsize = 0\n";
    let with_empty = tree(&[&first, &other, &optical, slot]);
    for technique in Technique::ALL {
        let check = |tree: &FixtureTree, medium: &Medium| check_alone(technique, &tree.roots(), medium);
        let reaches = matches!(technique.way(), Way::Scsi | Way::Tcg);
        assert_eq!((check(&alone, &sda), check(&alone, &sdc), check(&together, &sdc)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(check(&with_empty, &sda), Ok(()));
        for medium in [&sda, &by_two] {
            let checked = check(&together, medium);
            assert_eq!(checked.is_err(), reaches, "{technique}: {checked:?}");
            if let Err(why) = checked {
                assert!(why.contains("(/dev/sdb)") && why.contains("--method clear"), "{why}");
            }
        }
        // One that is not in the list any more: what belongs to it cannot be told.
        assert_eq!(check(&tree(&[&other]), &sda).is_err(), reaches, "{technique}");
    }
    for technique in [Technique::ScsiSanitizeCrypto, Technique::ScsiFormat, Technique::OpalPsidRevert] {
        assert!(check_alone(technique, &together.roots(), &sda).is_err());
    }
}
