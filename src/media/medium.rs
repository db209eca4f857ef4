//! One whole disk or one image file, as the inventory found it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Identity, Protection, text};
use crate::units::Bytes;

/// Everything the host knows of a medium before it is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Medium {
    /// How it is reached now (`/dev/sda`); not its identity.
    #[serde(serialize_with = "text::path")]
    pub path: PathBuf,
    /// Other kernel nodes that reach the same medium (multipath).
    pub other_paths: Vec<PathBuf>,
    /// What it is.
    pub identity: Identity,
    /// The bus it hangs on.
    pub transport: Transport,
    /// What sort of medium it is.
    pub kind: Kind,
    /// Whether wiping it can close a physical asset.
    pub class: MediumClass,
    /// Size and block sizes.
    pub geometry: Geometry,
    /// Spinning disk, where the kernel knows.
    pub rotational: Option<bool>,
    /// Zoned block device model (SMR, ZNS).
    pub zoned: Zoned,
    /// The medium can be taken out of its drive.
    pub removable: bool,
    /// `BLKGETDISKSEQ`: changes whenever another medium appears under the same name. `None` for
    /// image files and kernels before 5.15.
    pub diskseq: Option<Bytes>,
    /// Set when the target is one partition of a disk, not a whole one.
    pub partition: Option<Partition>,
    /// What is written on it, as far as its signatures tell. Information: a signature alone does
    /// not protect a retired drive from being wiped.
    #[serde(default)]
    pub signatures: Vec<Signature>,
    /// Why it may not be wiped; empty means nothing stands against it.
    pub protections: Vec<Protection>,
    /// What a person types to confirm that this very medium is meant.
    pub confirm_token: String,
}

/// Size and block sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Geometry {
    /// Capacity in bytes.
    pub size: Bytes,
    /// Logical block size in bytes as reported, also when it is one we refuse (520, 528).
    pub logical_block: u32,
    /// Physical block size in bytes (4096 on 512e).
    pub physical_block: u32,
}

/// A partition and the disk it lies on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Partition number.
    pub number: u32,
    /// The whole disk.
    pub disk: PathBuf,
    /// Where it starts on the disk.
    pub start: Bytes,
}

/// The signature of a filesystem, volume or container on the medium.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The disk or partition that carries it.
    pub node: PathBuf,
    /// libblkid's name: `zfs_member`, `LVM2_member`, `linux_raid_member`, `crypto_LUKS`, `ext4`.
    pub of: String,
    /// Its label, for ZFS the pool's name.
    pub label: Option<String>,
}

/// What sort of medium it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Magnetic hard disk.
    Hdd,
    /// Flash behind ATA.
    SataSsd,
    /// Flash behind SAS/SCSI.
    SasSsd,
    /// NVMe namespace.
    Nvme,
    /// Anything behind a USB bridge: what it is inside is not known.
    Usb,
    /// Soldered eMMC.
    Emmc,
    /// SD card.
    Sd,
    /// UFS logical unit.
    Ufs,
    /// Loop, virtio, zram, ram disk, a hypervisor's disk.
    Virtual,
    /// A regular file.
    Image,
    /// None of these can be told.
    Unknown,
}

/// Whether the medium is a thing. A virtual medium never closes a physical one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediumClass {
    /// Hardware that can be held.
    Physical,
    /// A block device without hardware of its own.
    Virtual,
    /// A regular file.
    Image,
}

/// The bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transport {
    /// ATA, serial or parallel.
    Ata,
    /// Serial Attached SCSI.
    Sas,
    /// Any other SCSI.
    Scsi,
    /// NVMe over PCIe.
    NvmePcie,
    /// NVMe over a network (TCP, RDMA, FC).
    NvmeFabrics,
    /// USB mass storage or UAS.
    Usb,
    /// MMC or SD host.
    Mmc,
    /// Universal Flash Storage.
    Ufs,
    /// virtio.
    Virtio,
    /// iSCSI, FC, NBD and other networks.
    Network,
    /// Loop device.
    Loop,
    /// Regular file.
    File,
    /// Memory (zram, brd, pmem).
    Memory,
    /// Cannot be told.
    Unknown,
}

/// Zoned block device model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Zoned {
    /// Not zoned.
    None,
    /// Host-aware.
    HostAware,
    /// Host-managed: random writes fail.
    HostManaged,
}

impl Medium {
    /// Nothing stands against wiping it.
    pub fn may_be_wiped(&self) -> bool {
        self.protections.is_empty()
    }

    /// The same medium is found as `now` says: under another kernel name perhaps. What it is stays as it was.
    pub fn is_now_at(&mut self, now: &Medium) {
        self.path.clone_from(&now.path);
        self.other_paths.clone_from(&now.other_paths);
        self.partition.clone_from(&now.partition);
        self.diskseq = now.diskseq;
    }

    /// It has a name that is unique in the world.
    pub fn has_unique_name(&self) -> bool {
        let id = &self.identity;
        id.wwn.is_some() || id.eui64.is_some() || id.nguid.is_some()
    }
}
