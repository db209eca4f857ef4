//! Why a medium may not be wiped.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One reason against wiping, with what a person needs to see that it is true.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Protection {
    /// The medium or a partition of it is mounted.
    Mounted {
        /// The mounted node.
        node: PathBuf,
        /// Where.
        mount_point: PathBuf,
    },
    /// It is swap space.
    Swap {
        /// The swapping node.
        node: PathBuf,
    },
    /// Another block device is built on it.
    Held {
        /// The node that is held.
        node: PathBuf,
        /// The holder (`dm-0`, `md127`).
        holder: String,
        /// What the holder is (`LVM`, `LUKS`, `multipath`, `md raid1`, `dm`).
        by: String,
    },
    /// A multi-device filesystem or volume (ZFS, btrfs, LVM, md) claims it in its signature.
    Member {
        /// The node with the signature.
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
        loop_device: PathBuf,
    },
    /// The table by which other partitions are found lies in this partition.
    CarriesTable {
        /// Those partitions.
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
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
                     Solaris disk), so they would be lost with it; name those that are meant, or the whole disk"
                )
            }
            Protection::ReadOnly => write!(f, "it is read-only"),
            Protection::SizeZero => write!(f, "it has no capacity (no medium inserted?)"),
            Protection::OpenedExclusively { by: Some(by) } => write!(f, "it is opened exclusively by {by}"),
            Protection::OpenedExclusively { by: None } => write!(f, "it is opened exclusively by another program"),
            Protection::OpenForWriting { node, by } => {
                write!(f, "{} is open for writing by {by}; stop that first", node.display())
            }
            Protection::UnsupportedBlockSize { logical_block } => {
                write!(f, "its logical blocks have {logical_block} bytes; reformat it to 512 or 4096 first (sg_format)")
            }
            Protection::CannotTell { what } => write!(f, "its safety cannot be judged: {what}"),
        }
    }
}

impl Protection {
    /// All of them in one line.
    pub fn joined(reasons: &[Protection]) -> String {
        reasons.iter().map(Protection::to_string).collect::<Vec<_>>().join("; ")
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
