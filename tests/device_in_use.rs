//! Programs that use a device without claiming it, as virtual machines do, on real loop devices.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::holder::{Holder, lock_a_byte};
use common::loopdev::LoopDevice;
use lastwrite::device::{Claim, ClaimError, ClaimMode, Roots, TargetRule, claim, hold, judge, resolve};
use lastwrite::media::{Medium, Protection};

fn whole(target: &Path) -> Medium {
    resolve(&Roots::live(), target, TargetRule::WholeDiskOnly).unwrap()
}

fn part(target: &Path) -> Medium {
    resolve(&Roots::live(), target, TargetRule::PartitionAllowed).unwrap()
}

fn write_claim(medium: &Medium) -> Result<Claim, ClaimError> {
    claim(&Roots::live(), medium, ClaimMode::Write)
}

/// Of whom it is said that they write: the node and the words for the program.
#[track_caller]
fn written_by(refused: Result<Claim, ClaimError>) -> (PathBuf, String) {
    let error = refused.unwrap_err();
    let ClaimError::Protected { reasons, .. } = &error else { panic!("{error}") };
    let [Protection::OpenForWriting { node, by }] = &reasons[..] else { panic!("{error}") };
    assert!(error.to_string().contains(&format!("{} is open for writing by {by}", node.display())), "{error}");
    (node.clone(), by.clone())
}

/// Not a test by itself: the other program of the tests below.
#[test]
fn holder() {
    common::holder::hold();
}

#[test]
fn a_virtual_machine_that_uses_a_disk_keeps_its_partitions() {
    let Some((device, [one, _])) = LoopDevice::with_two_partitions() else { return };
    let free = part(&one);
    let disk = File::open(device.path()).unwrap();
    lock_a_byte(&disk);
    let error = write_claim(&free).unwrap_err();
    assert!(matches!(&error, ClaimError::Locked { path } if path == device.path()), "{error}");
    drop(disk);
    write_claim(&free).unwrap();
}

/// The locks are on the inode of the partition's node. Opening the disk exclusively meets none of them.
#[test]
fn a_virtual_machine_that_uses_a_partition_keeps_its_disk() {
    let Some((device, [one, two])) = LoopDevice::with_two_partitions() else { return };
    let (disk, sibling) = (whole(device.path()), part(&one));
    assert_eq!(disk.protections, []);
    let partition = File::open(&two).unwrap();
    lock_a_byte(&partition);
    let error = write_claim(&disk).unwrap_err();
    assert!(matches!(&error, ClaimError::Locked { path } if *path == two), "{error}");
    write_claim(&sibling).unwrap();
    drop(partition);
    write_claim(&disk).unwrap();
}

#[test]
fn who_has_a_node_of_a_medium_open_for_writing_is_named_and_keeps_it() {
    let Some((device, [one, two])) = LoopDevice::with_two_partitions() else { return };
    let (disk, first, second) = (whole(device.path()), part(&one), part(&two));

    let machine = Holder::start(&two, "writing");
    let own = format!("(process {})", machine.id());
    for medium in [&disk, &second] {
        let (node, by) = written_by(write_claim(medium));
        assert!(node == two && by.ends_with(&own), "{}: {by}", node.display());
    }
    write_claim(&first).unwrap();
    drop(machine);

    let machine = Holder::start(device.path(), "writing");
    let own = format!("(process {})", machine.id());
    for medium in [&disk, &first] {
        let (node, by) = written_by(write_claim(medium));
        assert!(node == device.path() && by.ends_with(&own), "{}: {by}", node.display());
    }
    drop(machine);

    // Who only reads loses nothing that is not meant to be lost.
    let _reader = Holder::start(&two, "reading");
    write_claim(&disk).unwrap();
}

/// What is judged together is looked for together, and held against the medium that it uses alone.
#[test]
fn one_medium_in_use_stands_against_no_other() {
    let (Some(used), Some(free)) = (LoopDevice::new(4 << 20), LoopDevice::new(4 << 20)) else { return };
    let roots = Roots::live();
    let media = [whole(free.path()), whole(used.path())];
    let _machine = Holder::start(used.path(), "writing");
    let held = media.iter().map(|medium| hold(&roots, medium, ClaimMode::Write).unwrap()).collect();
    let mut judged = judge(&roots, held).into_iter();
    judged.next().unwrap().unwrap();
    assert_eq!(written_by(judged.next().unwrap()).0, used.path());
}

/// As libvirt starts a machine: in a mount namespace with a `/dev` of its own, where the disk has another node. No
/// lock on that one is seen from here.
#[test]
fn a_program_with_a_node_of_its_own_keeps_the_device() {
    let Some(device) = LoopDevice::new(4 << 20) else { return };
    let medium = whole(device.path());
    let number = fs::metadata(device.path()).unwrap().rdev();
    let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
    let script = format!(
        "mount -t tmpfs -o mode=755 none /dev && mknod /dev/vda b {major} {minor} && exec 3<>/dev/vda && echo ready \
         && read end"
    );
    let mut machine = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(machine.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let refused = write_claim(&medium);
    drop(machine.stdin.take());
    machine.wait().unwrap();
    if line.is_empty() {
        return common::skip("a mount namespace with nodes of its own may not be made here");
    }
    assert_eq!(line, "ready\n");
    let (node, by) = written_by(refused);
    assert!(node == device.path() && by.ends_with(&format!("(process {})", machine.id())), "{}: {by}", node.display());
    write_claim(&medium).unwrap();
}

/// The other path may have another name by now, and another drive its old one.
#[test]
fn a_name_that_is_no_path_to_the_drive_any_more_is_refused() {
    let (Some(device), Some(foreign)) = (LoopDevice::new(4 << 20), LoopDevice::new(4 << 20)) else { return };
    let medium = Medium { other_paths: vec![foreign.path().to_owned()], ..whole(device.path()) };
    let error = write_claim(&medium).unwrap_err();
    assert!(matches!(error, ClaimError::Changed(_)) && error.to_string().contains("other paths was"), "{error}");
    write_claim(&whole(foreign.path())).unwrap();
}
