//! Inventory, resolve and claim on real loop devices, mounts, swap and image files.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

use common::holder::Holder;
use common::loopdev::{LoopDevice, Mounted};
use common::system_disk::disks_of_root;
use common::{is_root, skip, tool};
use lastwrite::device::{
    ClaimError, ClaimMode, ResolveError, Roots, TargetRule, claim, find_by_identity, inventory, resolve, resolve_all,
};
use lastwrite::media::{Kind, Medium, MediumClass, Protection, Transport};

const MIB: u64 = 1 << 20;

fn whole(target: &Path) -> Medium {
    resolve(&Roots::live(), target, TargetRule::WholeDiskOnly).unwrap()
}

fn part(target: &Path) -> Medium {
    resolve(&Roots::live(), target, TargetRule::PartitionAllowed).unwrap()
}

fn refused(target: &Path) -> ResolveError {
    resolve(&Roots::live(), target, TargetRule::WholeDiskOnly).unwrap_err()
}

fn image(size: u64) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(size).unwrap();
    file
}

#[test]
fn a_free_loop_device_can_be_claimed_and_only_once() {
    let Some(device) = LoopDevice::new(16 * MIB) else { return };
    let medium = whole(device.path());
    assert_eq!(medium.protections, []);
    assert_eq!(medium.geometry.size.0, 16 * MIB);
    assert_eq!((medium.transport, medium.kind, medium.class), (Transport::Loop, Kind::Virtual, MediumClass::Virtual));
    let meta = fs::metadata(device.backing_file()).unwrap();
    let backing = medium.identity.backing.clone().unwrap();
    assert_eq!((backing.device.0, backing.inode.0, backing.offset.0), (meta.dev(), meta.ino(), 0));

    let listed = inventory(&Roots::live()).unwrap();
    assert_eq!(listed.iter().find(|m| m.path == device.path()), Some(&medium), "drives and resolve agree");

    let held = claim(&Roots::live(), &medium, ClaimMode::Write).unwrap();
    assert!(held.direct());
    held.check_identity().unwrap();
    held.drop_caches().unwrap();

    let again = claim(&Roots::live(), &medium, ClaimMode::Write).unwrap_err();
    let ClaimError::Busy { by: Some(by), .. } = &again else { panic!("{again}") };
    assert!(by.contains(&format!("(process {})", std::process::id())), "{by}");
    let busy = whole(device.path());
    assert!(matches!(busy.protections[..], [Protection::OpenedExclusively { by: Some(_) }]), "{:?}", busy.protections);

    drop(held);
    claim(&Roots::live(), &medium, ClaimMode::Read).unwrap();
}

#[test]
fn another_file_under_the_same_name_is_another_medium() {
    let (Some(before), Some(now)) = (LoopDevice::new(4 * MIB), LoopDevice::new(4 * MIB)) else { return };
    // As if the first had been planned under the name that the second has now.
    let medium = Medium { path: now.path().to_owned(), ..whole(before.path()) };
    let error = claim(&Roots::live(), &medium, ClaimMode::Write).unwrap_err();
    let ClaimError::Changed(changed) = &error else { panic!("{error}") };
    let fields: Vec<&str> = changed.differences.iter().map(|d| d.field.as_str()).collect();
    assert!(fields.contains(&"backing inode") && fields.contains(&"disk sequence number"), "{fields:?}");
    let found = find_by_identity(&Roots::live(), &medium.identity).unwrap();
    assert!(found.iter().any(|m| m.path == before.path()), "found under its own name");
    assert!(found.iter().all(|m| m.path != now.path()));
}

#[test]
fn a_device_that_shrinks_while_held_is_noticed() {
    let Some(device) = LoopDevice::new(4 * MIB) else { return };
    let held = claim(&Roots::live(), &whole(device.path()), ClaimMode::Write).unwrap();
    OpenOptions::new().write(true).open(device.backing_file()).unwrap().set_len(2 * MIB).unwrap();
    tool("losetup", &[OsStr::new("--set-capacity"), device.path().as_os_str()]).unwrap();
    assert_eq!(held.check_identity().unwrap_err().differences[0].field, "size");
}

#[test]
fn a_mounted_filesystem_protects_its_device() {
    let Some(device) = LoopDevice::new(16 * MIB) else { return };
    if tool("mkfs.ext4", &[OsStr::new("-q"), device.path().as_os_str()]).is_none() {
        return;
    }
    assert_eq!(whole(device.path()).protections, [], "a filesystem that nobody uses is no protection");
    let free = whole(device.path());
    let folder = tempfile::tempdir().unwrap();
    let mounted = Mounted::new(device.path(), folder.path(), "ext4");
    let expected = Protection::Mounted { node: device.path().to_owned(), mount_point: folder.path().to_owned() };
    assert_eq!(whole(device.path()).protections, [expected]);
    assert!(matches!(claim(&Roots::live(), &free, ClaimMode::Write), Err(ClaimError::Busy { .. })));
    drop(mounted);
    assert_eq!(whole(device.path()).protections, []);
}

#[test]
fn a_mount_in_another_namespace_protects_too() {
    let Some(device) = LoopDevice::new(16 * MIB) else { return };
    if tool("mkfs.ext4", &[OsStr::new("-q"), device.path().as_os_str()]).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!("mount {} {} && echo ready && read end", device.path().display(), folder.path().display());
    let mut child = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    let protections = whole(device.path()).protections;
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(line, "ready\n");
    assert!(matches!(&protections[..], [Protection::Mounted { mount_point, .. }] if mount_point == folder.path()));
}

#[test]
fn btrfs_over_two_devices_protects_both() {
    let (Some(one), Some(two)) = (LoopDevice::new(128 * MIB), LoopDevice::new(128 * MIB)) else { return };
    if tool("mkfs.btrfs", &["-q".as_ref(), one.path().as_os_str(), two.path().as_os_str()]).is_none() {
        return;
    }
    let free = whole(two.path());
    assert_eq!(free.protections, []);
    assert_eq!(free.signatures[0].of, "btrfs");
    let folder = tempfile::tempdir().unwrap();
    let _mounted = Mounted::new(one.path(), folder.path(), "btrfs");
    for device in [&one, &two] {
        let protections = whole(device.path()).protections;
        assert!(protections.iter().any(|p| matches!(p, Protection::Mounted { node, .. } if node == device.path())));
        assert!(protections.iter().any(|p| matches!(p, Protection::Member { of, .. } if of == "btrfs")));
    }
}

#[test]
fn swap_protects_its_device() {
    let Some(device) = LoopDevice::new(16 * MIB) else { return };
    if tool("mkswap", &[device.path().as_os_str()]).is_none() {
        return;
    }
    tool("swapon", &[device.path().as_os_str()]);
    let protections = whole(device.path()).protections;
    tool("swapoff", &[device.path().as_os_str()]);
    assert_eq!(protections, [Protection::Swap { node: device.path().to_owned() }]);
    let after = whole(device.path());
    assert_eq!((after.protections, after.signatures[0].of.as_str()), (vec![], "swap"));
}

#[test]
fn an_exclusive_opener_protects_a_device_and_is_named() {
    let Some(device) = LoopDevice::new(4 * MIB) else { return };
    let holder = Holder::start(device.path(), "exclusively");
    let protections = whole(device.path()).protections;
    let [Protection::OpenedExclusively { by: Some(by) }] = &protections[..] else { panic!("{protections:?}") };
    assert!(by.contains(&format!("(process {})", holder.id())), "{by}");
    drop(holder);
    assert_eq!(whole(device.path()).protections, []);
}

#[test]
fn a_lock_held_by_another_program_is_respected() {
    let Some(device) = LoopDevice::new(4 * MIB) else { return };
    let file = image(4 * MIB);
    for path in [device.path(), file.path()] {
        let medium = whole(path);
        for how in ["flock", "range"] {
            let _holder = Holder::start(path, how);
            let error = claim(&Roots::live(), &medium, ClaimMode::Write).unwrap_err();
            assert!(matches!(error, ClaimError::Locked { .. }), "{how}: {error}");
        }
        claim(&Roots::live(), &medium, ClaimMode::Write).unwrap();
    }
}

/// Not a test by itself: the other program of the tests above.
#[test]
fn holder() {
    common::holder::hold();
}

#[test]
fn what_is_gone_by_the_time_it_is_claimed() {
    let (file, other) = (image(MIB), image(MIB));
    let medium = whole(file.path());
    drop(file);
    let error = claim(&Roots::live(), &medium, ClaimMode::Write).unwrap_err();
    assert!(matches!(error, ClaimError::Gone { .. }), "{error}");
    let moved = Medium { path: other.path().to_owned(), ..medium };
    assert!(matches!(claim(&Roots::live(), &moved, ClaimMode::Write), Err(ClaimError::Changed(_))));
}

#[test]
fn many_targets_are_answered_in_their_order() {
    let (one, two) = (image(MIB), image(2 * MIB));
    let targets = [two.path(), Path::new("/dev/null"), one.path()];
    let results = resolve_all(&Roots::live(), &targets, TargetRule::WholeDiskOnly).unwrap();
    let sizes: Vec<Option<u64>> = results.iter().map(|r| r.as_ref().ok().map(|m| m.geometry.size.0)).collect();
    assert_eq!(sizes, [Some(2 * MIB), None, Some(MIB)]);
}

#[test]
fn two_loop_devices_on_one_file_protect_each_other() {
    let Some(device) = LoopDevice::new(16 * MIB) else { return };
    if tool("mkfs.ext4", &["-q".as_ref(), device.path().as_os_str()]).is_none() {
        return;
    }
    let Some(second) = device.second() else { return };
    let folder = tempfile::tempdir().unwrap();
    let _mounted = Mounted::new(second.path(), folder.path(), "ext4");
    let protections = whole(device.path()).protections;
    assert!(protections.contains(&Protection::BacksLoop { loop_device: second.path().to_owned() }), "{protections:?}");
    assert!(protections.iter().any(|p| matches!(p, Protection::Mounted { node, .. } if node == second.path())));
}

#[test]
fn a_loop_device_on_a_drive_protects_the_drive() {
    let Some(device) = LoopDevice::new(16 * MIB) else { return };
    let free = whole(device.path());
    let Some(above) = LoopDevice::on(device.path()) else { return };
    let expected = Protection::BacksLoop { loop_device: above.path().to_owned() };
    assert_eq!(whole(device.path()).protections, std::slice::from_ref(&expected));
    let error = claim(&Roots::live(), &free, ClaimMode::Write).unwrap_err();
    assert!(matches!(&error, ClaimError::Protected { reasons, .. } if *reasons == [expected]), "{error}");
    let error = refused(above.path());
    assert!(matches!(error, ResolveError::NotADrive { .. }), "{error}");
}

#[test]
fn a_zfs_member_that_is_held_is_in_a_pool_and_a_retired_one_is_free() {
    let Some(device) = LoopDevice::new(16 * MIB) else { return };
    let uberblock = 0x00ba_b10c_u64.to_le_bytes();
    OpenOptions::new().write(true).open(device.path()).unwrap().write_all_at(&uberblock, 128 << 10).unwrap();
    let retired = whole(device.path());
    assert_eq!((retired.signatures[0].of.as_str(), retired.protections), ("zfs_member", vec![]));
    let _pool = Holder::start(device.path(), "exclusively");
    let protections = whole(device.path()).protections;
    assert!(matches!(&protections[..], [Protection::Member { of, .. }] if of == "zfs_member"), "{protections:?}");
}

#[test]
fn a_read_only_device_may_be_read_but_not_wiped() {
    let Some(device) = LoopDevice::with_options(4 * MIB, &["--read-only"]) else { return };
    let medium = whole(device.path());
    assert_eq!(medium.protections, [Protection::ReadOnly]);
    assert!(matches!(
        claim(&Roots::live(), &medium, ClaimMode::Write),
        Err(ClaimError::ReadOnly { .. } | ClaimError::Permission { .. })
    ));
    claim(&Roots::live(), &medium, ClaimMode::Read).unwrap();
}

#[test]
fn large_logical_blocks_are_seen() {
    let Some(device) = LoopDevice::with_options(4 * MIB, &["--sector-size=4096"]) else { return };
    let medium = whole(device.path());
    assert_eq!((medium.geometry.logical_block, medium.protections), (4096, vec![]));
}

#[test]
fn a_partition_is_wiped_only_when_it_was_meant() {
    let Some((device, [one, two])) = LoopDevice::with_two_partitions() else { return };
    let error = refused(&one);
    assert!(matches!(&error, ResolveError::IsPartition { number: 1, disk, .. } if disk == device.path()), "{error}");

    let medium = part(&one);
    assert_eq!(medium.protections, []);
    assert_eq!(medium.geometry.size.0, 8192 * 512);
    assert_eq!(medium.partition.as_ref().unwrap().start.0, 2048 * 512);
    assert_ne!(medium.identity.digest(), whole(device.path()).identity.digest());
    assert_eq!(find_by_identity(&Roots::live(), &medium.identity).unwrap(), std::slice::from_ref(&medium));

    tool("mkfs.ext4", &["-q".as_ref(), two.as_os_str()]);
    let folder = tempfile::tempdir().unwrap();
    let _mounted = Mounted::new(&two, folder.path(), "ext4");
    assert!(matches!(&whole(device.path()).protections[..], [Protection::Mounted { node, .. }] if *node == two));
    assert!(!part(&two).may_be_wiped());
    let free = part(&one);
    assert_eq!(free.protections, [], "a sibling's mount does not matter");
    let held = claim(&Roots::live(), &free, ClaimMode::Write).unwrap();
    held.check_identity().unwrap();
    held.drop_caches().unwrap();
}

#[test]
fn a_cache_that_cannot_be_dropped_is_not_said_to_be() {
    for (direct, drops) in [("--direct-io=on", true), ("--direct-io=off", false)] {
        let Some(device) = LoopDevice::new(4 * MIB) else { return };
        tool("losetup", &[OsStr::new(direct), device.path().as_os_str()]);
        let held = claim(&Roots::live(), &whole(device.path()), ClaimMode::Write).unwrap();
        held.drop_caches().unwrap();
        let elsewhere = device.backing_file().with_extension("moved");
        fs::rename(device.backing_file(), &elsewhere).unwrap();
        let dropped = held.drop_caches();
        fs::rename(&elsewhere, device.backing_file()).unwrap();
        let is_direct = fs::read_to_string(format!("/sys/block/{}/loop/dio", device.name())).unwrap();
        assert_eq!((is_direct.trim() == "1", dropped.is_ok()), (drops, drops), "{direct}: {dropped:?}");
    }
}

#[test]
fn an_image_file_is_claimed_with_direct_io_where_it_can() {
    let file = image(4 * MIB);
    let medium = whole(file.path());
    assert_eq!((medium.kind, medium.protections.len()), (Kind::Image, 0));
    let held = claim(&Roots::live(), &medium, ClaimMode::Write).unwrap();
    held.check_identity().unwrap();
    held.drop_caches().unwrap();
    assert!(matches!(claim(&Roots::live(), &medium, ClaimMode::Write), Err(ClaimError::Locked { .. })));
    file.as_file().set_len(8 * MIB).unwrap();
    assert_eq!(held.check_identity().unwrap_err().differences[0].field, "size");
    drop(held);
    file.as_file().set_len(4 * MIB).unwrap();
    assert_eq!(find_by_identity(&Roots::live(), &medium.identity).unwrap(), [medium]);

    let odd = image(1000);
    let medium = whole(odd.path());
    let held = claim(&Roots::live(), &medium, ClaimMode::Write).unwrap();
    assert!(!held.direct(), "1000 bytes are no whole sectors");
    held.file().write_all_at(&[7; 1000], 0).unwrap();
    held.drop_caches().unwrap();
}

#[test]
fn an_image_on_a_filesystem_without_direct_io_is_buffered() {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else { return skip("needs /dev/shm") };
    let path = folder.path().join("image");
    File::create(&path).unwrap().set_len(MIB).unwrap();
    let held = claim(&Roots::live(), &whole(&path), ClaimMode::Write).unwrap();
    let block = whole(&path).geometry.logical_block;
    let mut byte = vec![0; 1];
    if held.direct() {
        assert!(block >= 512);
    } else {
        held.file().read_exact_at(&mut byte, 1).unwrap();
    }
}

#[test]
fn an_image_behind_a_loop_device_is_protected() {
    let Some(device) = LoopDevice::new(4 * MIB) else { return };
    let free = Medium { protections: Vec::new(), ..whole(device.backing_file()) };
    let expected = Protection::BacksLoop { loop_device: device.path().to_owned() };
    assert_eq!(whole(device.backing_file()).protections, [expected]);
    let alias = tempfile::tempdir().unwrap();
    let link = alias.path().join("link");
    fs::hard_link(device.backing_file(), &link).or_else(|_| symlink(device.backing_file(), &link)).unwrap();
    assert!(!whole(&link).may_be_wiped(), "under another name too");
    assert!(matches!(claim(&Roots::live(), &free, ClaimMode::Write), Err(ClaimError::Protected { .. })));
}

#[test]
fn a_swap_file_is_protected() {
    if !is_root() {
        return;
    }
    let file = image(0);
    file.as_file().write_all_at(&vec![0; 4 << 20], 0).unwrap();
    file.as_file().sync_all().unwrap();
    if tool("mkswap", &[file.path().as_os_str()]).is_none() {
        return;
    }
    tool("swapon", &[file.path().as_os_str()]);
    let protections = whole(file.path()).protections;
    tool("swapoff", &[file.path().as_os_str()]);
    assert_eq!(protections, [Protection::Swap { node: file.path().to_owned() }]);
}

#[test]
fn an_empty_image_has_no_capacity() {
    assert_eq!(whole(image(0).path()).protections, [Protection::SizeZero]);
}

#[test]
fn targets_that_are_no_media_are_refused_each_in_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(matches!(refused(&missing), ResolveError::NoSuchDevice { .. }));
    assert!(matches!(refused(folder.path()), ResolveError::Directory { .. }));
    assert!(matches!(refused(Path::new("/dev/null")), ResolveError::CharacterDevice { .. }));
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(refused(&pipe), ResolveError::Special { .. }));
    let link = folder.path().join("by-id");
    symlink("/dev/not-connected", &link).unwrap();
    assert!(matches!(refused(&link), ResolveError::DanglingLink { .. }));
}

#[test]
fn a_link_leads_to_its_device() {
    let Some(device) = LoopDevice::new(MIB) else { return };
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("by-id");
    symlink(device.path(), &link).unwrap();
    assert_eq!(whole(&link).path, device.path());
}

#[test]
fn an_unattached_loop_device_is_no_drive() {
    let Some(device) = LoopDevice::new(MIB) else { return };
    let path = device.path().to_owned();
    drop(device);
    match resolve(&Roots::live(), &path, TargetRule::WholeDiskOnly) {
        Err(ResolveError::NotADrive { what, .. }) => assert!(what.contains("losetup"), "{what}"),
        // Another test was quicker to use it again.
        Ok(medium) => assert!(medium.identity.backing.is_some()),
        Err(error) => panic!("{error}"),
    }
    assert!(inventory(&Roots::live()).unwrap().iter().all(|m| m.transport != Transport::Loop || m.geometry.size.0 > 0));
}

#[test]
fn the_disk_this_system_runs_from_is_protected() {
    let disks = disks_of_root();
    if disks.is_empty() {
        return skip("the root file system leads to no disk here (a container?)");
    }
    let media = inventory(&Roots::live()).unwrap();
    for disk in disks {
        let system = media.iter().find(|m| m.path == disk);
        let system = system.unwrap_or_else(|| panic!("{} is not in the inventory", disk.display()));
        assert!(system.protections.iter().any(|p| matches!(p, Protection::SystemMedium { .. })), "{system:?}");
    }
}
