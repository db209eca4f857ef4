//! The disks that this very system runs from, found by other ways than the program's.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Nodes of the whole disks under the root file system, under whatever lies between (partition, LVM, LUKS, RAID).
/// Empty where it is on no block device (an overlay in a container) or its sort does not tell (ZFS).
pub fn disks_of_root() -> BTreeSet<PathBuf> {
    let number = |device: u64| format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let node = |device: u64| fs::canonicalize(Path::new("/sys/dev/block").join(number(device))).ok();
    let mut disks = BTreeSet::new();
    // Btrfs has a device number of its own, and names one of its devices as the source of the mount.
    let found = node(fs::metadata("/").unwrap().dev())
        .or_else(|| source_of_root().and_then(|source| node(fs::metadata(source).ok()?.rdev())));
    if let Some(found) = found {
        descend(&found, &mut disks);
    }
    disks
}

/// The source of the mount at `/`: the second word after the dash of its line.
fn source_of_root() -> Option<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = table.lines().rfind(|line| line.split(' ').nth(4) == Some("/"))?;
    let source = line.split_once(" - ")?.1.split(' ').nth(1)?;
    source.starts_with("/dev/").then(|| source.to_owned())
}

fn descend(node: &Path, disks: &mut BTreeSet<PathBuf>) {
    if node.join("partition").exists() {
        return descend(node.parent().unwrap(), disks);
    }
    let below: Vec<_> = fs::read_dir(node.join("slaves")).into_iter().flatten().flatten().collect();
    if below.is_empty() {
        // A slash in a node's name is an exclamation mark in sysfs.
        disks.insert(Path::new("/dev").join(node.file_name().unwrap().to_str().unwrap().replace('!', "/")));
    }
    below.iter().for_each(|entry| descend(&fs::canonicalize(entry.path()).unwrap(), disks));
}
