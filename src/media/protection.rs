//! Why a medium may not be wiped.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::text;
use crate::units::printable;

/// One reason against wiping, with what a person needs to see that it is true.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Protection {
    /// The medium or a partition of it is mounted.
    Mounted {
        /// The mounted node.
        #[serde(serialize_with = "text::path")]
        node: PathBuf,
        /// Where.
        #[serde(serialize_with = "text::path")]
        mount_point: PathBuf,
    },
    /// It is swap space.
    Swap {
        /// The swapping node.
        #[serde(serialize_with = "text::path")]
        node: PathBuf,
    },
    /// Another block device is built on it.
    Held {
        /// The node that is held.
        #[serde(serialize_with = "text::path")]
        node: PathBuf,
        /// The holder (`dm-0`, `md127`).
        holder: String,
        /// What the holder is (`LVM`, `LUKS`, `multipath`, `md raid1`, `dm`).
        by: String,
    },
    /// A multi-device filesystem or volume (ZFS, btrfs, LVM, md) claims it in its signature.
    Member {
        /// The node with the signature.
        #[serde(serialize_with = "text::path")]
        node: PathBuf,
        /// `zfs_member`, `btrfs`, `LVM2_member`, `linux_raid_member`.
        of: String,
        /// Why it is believed to be in use.
        detail: String,
    },
    /// The running system comes from it.
    SystemMedium {
        /// The chain that leads to it (`/ -> overlay -> squashfs -> loop0 -> sdb1 -> sdb`).
        chain: String,
    },
    /// A loop device uses this image file, or a file on this medium.
    BacksLoop {
        /// The loop device.
        #[serde(serialize_with = "text::path")]
        loop_device: PathBuf,
    },
    /// The table by which other partitions are found lies in this partition.
    CarriesTable {
        /// Those partitions.
        #[serde(serialize_with = "text::paths")]
        partitions: Vec<PathBuf>,
    },
    /// Write-protected.
    ReadOnly,
    /// No medium inside, or no capacity.
    SizeZero,
    /// Somebody else has it open exclusively.
    OpenedExclusively {
        /// Who, where it can be told.
        by: Option<String>,
    },
    /// Another program has the medium, or a node that reaches it, open for writing without claiming it.
    OpenForWriting {
        /// The node.
        #[serde(serialize_with = "text::path")]
        node: PathBuf,
        /// Who.
        by: String,
    },
    /// Logical blocks of 520, 528 or another size that plain I/O cannot address.
    UnsupportedBlockSize {
        /// Bytes.
        logical_block: u32,
    },
    /// A fact that decides safety could not be read. Unknown is never safe.
    CannotTell {
        /// What could not be read, and why.
        what: String,
    },
}

impl fmt::Display for Protection {
    /// On one line: who mounts something or starts a program chooses its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&Words(self).to_string()))
    }
}

/// With the names as they are.
struct Words<'a>(&'a Protection);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Protection::Mounted { node, mount_point } => {
                write!(f, "{} is mounted at {}", node.display(), mount_point.display())
            }
            Protection::Swap { node } => write!(f, "{} is in use as swap", node.display()),
            Protection::Held { node, holder, by } => write!(f, "{} is held by {holder} ({by})", node.display()),
            Protection::Member { node, of, detail } => write!(f, "{} is a member of {of}: {detail}", node.display()),
            Protection::SystemMedium { chain } => write!(f, "the running system comes from it ({chain})"),
            Protection::BacksLoop { loop_device } => write!(f, "{} is built on it", loop_device.display()),
            Protection::CarriesTable { partitions } => {
                let them = partitions.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
                write!(
                    f,
                    "the partition table of {them} lies in it (an extended partition, or the first slice of a BSD or \
                     Solaris disk), so they would be lost with it"
                )
            }
            Protection::ReadOnly => write!(f, "it is read-only"),
            Protection::SizeZero => write!(f, "it has no capacity (no medium inserted?)"),
            Protection::OpenedExclusively { by: Some(by) } => write!(f, "it is opened exclusively by {by}"),
            Protection::OpenedExclusively { by: None } => write!(f, "it is opened exclusively by another program"),
            Protection::OpenForWriting { node, by } => {
                write!(f, "{} is open for writing by {by}", node.display())
            }
            Protection::UnsupportedBlockSize { logical_block } => {
                write!(f, "its logical blocks have {logical_block} bytes; reformat it to 512 or 4096 first (sg_format)")
            }
            Protection::CannotTell { what } => write!(f, "its safety cannot be judged: {what}"),
        }
    }
}

impl Protection {
    /// All of them in words.
    pub fn joined(reasons: &[Protection]) -> String {
        reasons.iter().map(Protection::to_string).collect::<Vec<_>>().join("; ")
    }

    /// What undoes all of them, in the order in which it can be done: from what stands on top down to the medium. `None`
    /// where there are none.
    pub fn advice_on(reasons: &[Protection]) -> Option<String> {
        let system = reasons.iter().any(|reason| matches!(reason, Protection::SystemMedium { .. }));
        let lacks_capacity =
            reasons.iter().any(|reason| !matches!(reason, Protection::SizeZero) && reason.is_lack_of_capacity());
        // What the running system uses of its own medium cannot be undone while it runs, and a fixed drive without a
        // capacity has another reason for it than that nothing is inserted.
        let mut left: Vec<&Protection> = reasons
            .iter()
            .filter(|reason| !(system && reason.is_use() || lacks_capacity && **reason == Protection::SizeZero))
            .collect();
        // Holders are listed from the medium up.
        left.reverse();
        left.sort_by_key(|reason| reason.layer());
        let mut steps: Vec<String> = Vec::new();
        for step in left.into_iter().map(Protection::advice) {
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        (!steps.is_empty()).then(|| format!("{}; then try again", steps.join("; ")))
    }

    /// What undoes it.
    pub fn advice(&self) -> String {
        printable(&self.undone_by())
    }

    fn undone_by(&self) -> String {
        match self {
            Protection::Mounted { mount_point, .. } => format!("umount {}", mount_point.display()),
            Protection::Swap { node } => format!("swapoff {}", node.display()),
            Protection::Held { holder, by, .. } => release(holder, by),
            Protection::Member { of, .. } => match of.as_str() {
                "zfs_member" => "zpool export POOL (zpool status shows which)".to_owned(),
                "btrfs" => "umount the btrfs file system that it belongs to".to_owned(),
                other => format!("take it out of what it is a member of ({other})"),
            },
            Protection::SystemMedium { .. } => {
                "boot this machine from another medium, or attach the drive to another machine".to_owned()
            }
            Protection::BacksLoop { loop_device } => format!("losetup -d {}", loop_device.display()),
            Protection::CarriesTable { .. } => "name the partitions that are meant, or the whole disk".to_owned(),
            Protection::OpenForWriting { by, .. } => format!("stop {by}"),
            Protection::ReadOnly => {
                "look for a switch on the medium, or blockdev --setrw DEVICE, or chmod u+w for an image file; what stays \
                 write-protected has to be destroyed"
                    .to_owned()
            }
            Protection::SizeZero => "insert a medium".to_owned(),
            Protection::OpenedExclusively { by: Some(by) } => format!("stop {by}, or wait for it"),
            Protection::OpenedExclusively { by: None } => {
                "stop the program that has it open, or wait for it (fuser -v DEVICE shows it to root)".to_owned()
            }
            Protection::UnsupportedBlockSize { .. } => {
                "reformat it to blocks of 512 or 4096 bytes (sg_format --format --size=512 DEVICE)".to_owned()
            }
            Protection::CannotTell { .. } if self.is_lack_of_capacity() => {
                "see to it that the kernel offers its capacity, as is said with that".to_owned()
            }
            Protection::CannotTell { what } if what.contains("second path") => {
                "let go of the other one, or pull one of both out and see which is gone".to_owned()
            }
            Protection::CannotTell { what } if what.contains("run as root") => "run it as root".to_owned(),
            Protection::CannotTell { .. } => {
                "see to it that this can be read (as root, with /proc and /sys mounted, on another port); what is not \
                 known is never taken for safe"
                    .to_owned()
            }
        }
    }

    /// Somebody uses it, here and now.
    pub fn is_use(&self) -> bool {
        match self {
            Protection::Mounted { .. }
            | Protection::Swap { .. }
            | Protection::Held { .. }
            | Protection::Member { .. }
            | Protection::BacksLoop { .. }
            | Protection::OpenedExclusively { .. }
            | Protection::OpenForWriting { .. } => true,
            Protection::SystemMedium { .. }
            | Protection::CarriesTable { .. }
            | Protection::ReadOnly
            | Protection::SizeZero
            | Protection::UnsupportedBlockSize { .. }
            | Protection::CannotTell { .. } => false,
        }
    }

    /// How far above the medium it stands: the uppermost is undone first.
    fn layer(&self) -> u8 {
        match self {
            Protection::SystemMedium { .. } => 0,
            Protection::Mounted { .. } | Protection::Swap { .. } => 1,
            Protection::Member { .. } => 2,
            Protection::Held { .. } => 3,
            Protection::BacksLoop { .. } => 4,
            Protection::OpenedExclusively { .. } | Protection::OpenForWriting { .. } => 5,
            _ => 6,
        }
    }

    /// All that it says is that the medium shows no capacity.
    pub fn is_lack_of_capacity(&self) -> bool {
        match self {
            Protection::SizeZero => true,
            Protection::CannotTell { what } => what.starts_with("the kernel offers no capacity for this drive,"),
            _ => false,
        }
    }
}

/// What releases a medium from a holder. `by`: what it is, and its own name where it has one (`LUKS secret`).
fn release(holder: &str, by: &str) -> String {
    let (what, name) = by.split_once(' ').unwrap_or((by, ""));
    let name = if name.is_empty() { holder } else { name };
    match what {
        "LVM" => format!("vgchange -an GROUP (the volume group of {name}; lvs shows it)"),
        "LUKS" | "dm-crypt" => format!("cryptsetup close {name}"),
        "md" => format!("mdadm --stop /dev/{holder}"),
        "multipath" if name.starts_with("part") => format!("dmsetup remove {holder}"),
        "multipath" => format!("multipath -f {name} (kpartx -d for its partitions)"),
        "dmraid" | "device-mapper" => format!("dmsetup remove {name}"),
        "bcache" => format!("stop {holder} (/sys/fs/bcache, /sys/block/{holder}/bcache/stop)"),
        "Xen" => format!("detach it from its virtual machine (xl block-list and xl block-detach; {holder})"),
        "NVMe-oF" => format!("end its export (nvmetcli, or 0 into the file enable of {holder} below nvmet)"),
        "LIO" => format!("delete its backstore (targetcli; {holder})"),
        "USB" => format!("take it out of the USB gadget (the file of {holder} below usb_gadget)"),
        "DRBD" => format!("drbdadm down RESOURCE (the one of {holder})"),
        _ => format!("stop {holder}, which stands on it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(node: &str, holder: &str, by: &str) -> Protection {
        Protection::Held { node: node.into(), holder: holder.to_owned(), by: by.to_owned() }
    }

    fn mounted(mount_point: &str) -> Protection {
        Protection::Mounted { node: "/dev/dm-1".into(), mount_point: mount_point.into() }
    }

    /// As the inventory lists them: mounts, swap, then holders from the medium up.
    #[test]
    fn what_stands_on_top_is_undone_first_and_nothing_twice() {
        let reasons = [
            Protection::BacksLoop { loop_device: "/dev/loop3".into() },
            mounted("/srv"),
            Protection::Swap { node: "/dev/dm-2".into() },
            held("/dev/sdb1", "md0", "md raid1"),
            held("/dev/sdb2", "md0", "md raid1"),
            held("/dev/md0", "dm-0", "LUKS secret"),
            held("/dev/dm-0", "dm-1", "LVM vg-data"),
            Protection::ReadOnly,
        ];
        assert_eq!(
            Protection::advice_on(&reasons).unwrap(),
            "swapoff /dev/dm-2; umount /srv; vgchange -an GROUP (the volume group of vg-data; lvs shows it); cryptsetup \
             close secret; mdadm --stop /dev/md0; losetup -d /dev/loop3; look for a switch on the medium, or blockdev \
             --setrw DEVICE, or chmod u+w for an image file; what stays write-protected has to be destroyed; then try \
             again"
        );
        assert_eq!(Protection::advice_on(&[]), None);
    }

    #[test]
    fn a_line_break_in_a_name_begins_no_line() {
        let reason = mounted("/mnt\nyes: nothing stands against it\u{202e}");
        let words = [reason.to_string(), reason.advice()];
        assert!(words.iter().all(|words| !words.contains(['\n', '\u{202e}'])), "{words:?}");
    }

    #[test]
    fn nobody_is_told_to_unmount_the_running_system() {
        let system = Protection::SystemMedium { chain: "/ -> sda2 -> sda".to_owned() };
        let advice = Protection::advice_on(&[system, mounted("/"), mounted("/boot")]).unwrap();
        assert!(advice.starts_with("boot this machine from another medium") && !advice.contains("umount"), "{advice}");
    }

    #[test]
    fn a_fixed_drive_without_capacity_needs_no_medium_inserted() {
        let what = "the kernel offers no capacity for this drive, most often because ...".to_owned();
        let advice = Protection::advice_on(&[Protection::SizeZero, Protection::CannotTell { what }]).unwrap();
        assert_eq!(advice, "see to it that the kernel offers its capacity, as is said with that; then try again");
        let advice = Protection::advice_on(&[Protection::SizeZero]).unwrap();
        assert_eq!(advice, "insert a medium; then try again");
    }

    #[test]
    fn each_reason_has_an_advice_of_its_own() {
        let cannot = |what: &str| Protection::CannotTell { what: what.to_owned() };
        let member = |of: &str| Protection::Member { node: "n".into(), of: of.to_owned(), detail: String::new() };
        let by = |by: Option<&str>| Protection::OpenedExclusively { by: by.map(str::to_owned) };
        for (reason, words) in [
            (member("zfs_member"), "zpool export"),
            (member("btrfs"), "umount"),
            (member("linux_raid_member"), "linux_raid_member"),
            (by(Some("badblocks (process 123)")), "stop badblocks (process 123)"),
            (by(None), "fuser"),
            (
                Protection::OpenForWriting { node: "/dev/sdb3".into(), by: "qemu (process 7)".to_owned() },
                "stop qemu (process 7)",
            ),
            (Protection::CarriesTable { partitions: vec!["/dev/sdb5".into()] }, "name the partitions"),
            (Protection::UnsupportedBlockSize { logical_block: 520 }, "sg_format"),
            (cannot("/dev/sdb may not be opened: EACCES; run as root to judge it"), "run it as root"),
            (cannot("the mount table could not be read"), "/proc"),
            (held("/dev/sdb", "dm-3", "dm-crypt plain"), "cryptsetup close plain"),
            (held("/dev/sdb", "dm-3", "device-mapper"), "dmsetup remove dm-3"),
            (held("/dev/sdb", "dm-3", "multipath mpatha"), "multipath -f mpatha"),
            (held("/dev/dm-3", "dm-4", "multipath part1 mpatha-part1"), "dmsetup remove dm-4"),
            (held("/dev/sdb", "drbd0", "DRBD"), "drbdadm down"),
            (held("/dev/sdb", "bcache", "bcache cache set"), "/sys/fs/bcache"),
            (held("/dev/sdb", "vbd-1-51712", "Xen disk of a virtual machine"), "xl block-detach"),
            (held("/dev/sdb", "nqn.a/1", "NVMe-oF export"), "nqn.a/1"),
            (held("/dev/sdb", "fileio_0/a", "LIO backstore"), "targetcli"),
            (held("/dev/sdb", "g1/mass_storage.0/lun.0", "USB gadget"), "usb_gadget"),
            (held("/dev/sdb", "nbd0", "another block device"), "stop nbd0"),
        ] {
            let advice = reason.advice();
            assert!(advice.contains(words), "{reason:?}: {advice}");
        }
    }
}
