//! Transport, kind and class of a disk from where it hangs in the device tree.

use crate::media::{Kind, MediumClass, Transport};

/// What the decision rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence<'a> {
    /// Kernel name (`sda`).
    pub name: &'a str,
    /// Its folder below `/sys/devices`.
    pub device_path: &'a str,
    /// SCSI INQUIRY vendor.
    pub vendor: &'a str,
    /// Model.
    pub model: &'a str,
    /// `queue/rotational`.
    pub rotational: Option<bool>,
    /// The NVMe controller's `transport`.
    pub nvme_transport: Option<&'a str>,
    /// The MMC card's `type`.
    pub mmc_type: Option<&'a str>,
}

/// The answer. `rotational` is dropped where the kernel only repeats a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Classified {
    pub transport: Transport,
    pub kind: Kind,
    pub class: MediumClass,
    pub rotational: Option<bool>,
}

pub(crate) fn classify(evidence: &Evidence) -> Classified {
    let transport = transport(evidence);
    let virtual_disk = is_virtual(evidence, transport);
    let kind = match transport {
        _ if virtual_disk => Kind::Virtual,
        Transport::NvmePcie | Transport::NvmeFabrics => Kind::Nvme,
        Transport::Usb => Kind::Usb,
        Transport::Ufs => Kind::Ufs,
        Transport::Mmc => match evidence.mmc_type {
            Some("SD" | "SDcombo") => Kind::Sd,
            Some("MMC") => Kind::Emmc,
            _ => Kind::Unknown,
        },
        Transport::Ata => match evidence.rotational {
            Some(true) => Kind::Hdd,
            Some(false) => Kind::SataSsd,
            None => Kind::Unknown,
        },
        Transport::Sas => match evidence.rotational {
            Some(true) => Kind::Hdd,
            Some(false) => Kind::SasSsd,
            None => Kind::Unknown,
        },
        // A RAID controller's volume, a SAN's LUN: what is behind it cannot be told.
        _ => Kind::Unknown,
    };
    let rotational = match evidence.rotational {
        // USB bridges and virtual disks that say nothing are reported as rotating.
        Some(true) if virtual_disk || matches!(transport, Transport::Usb | Transport::Network) => None,
        other => other,
    };
    let class = if virtual_disk { MediumClass::Virtual } else { MediumClass::Physical };
    Classified { transport, kind, class, rotational }
}

/// Devices that are built on other devices, or need commands of their own: not drives. With what
/// they are, for the error message.
pub(crate) fn not_a_drive(name: &str) -> Option<&'static str> {
    let numbered =
        |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if name.starts_with("dm-") {
        Some("a device-mapper volume (LVM, LUKS, multipath); wipe the drives below it")
    } else if name.starts_with("md") && !name.starts_with("mdev") {
        Some("a software RAID; wipe its member drives")
    } else if numbered("bcache") || numbered("drbd") || numbered("zd") || name.starts_with("ubiblock") {
        Some("a volume built on other devices; wipe the drives below it")
    } else if numbered("sr") || name.starts_with("pktcdvd") {
        Some("an optical drive; discs cannot be sanitized by overwriting, destroy them")
    } else if numbered("fd") {
        Some("a floppy drive")
    } else if numbered("ram") {
        Some("a RAM disk; its contents are gone at power-off")
    } else if name.starts_with("mtdblock") {
        Some("raw flash behind an emulation; it needs flash commands")
    } else {
        None
    }
}

fn transport(evidence: &Evidence) -> Transport {
    let has = |prefix: &str| evidence.device_path.split('/').any(|part| part.starts_with(prefix));
    let numbered = |prefix: &str| {
        evidence
            .device_path
            .split('/')
            .filter_map(|part| part.strip_prefix(prefix))
            .any(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    if evidence.name.starts_with("loop") {
        Transport::Loop
    } else if evidence.name.starts_with("zram") || evidence.name.starts_with("pmem") || evidence.name.starts_with("ram")
    {
        Transport::Memory
    } else if evidence.name.starts_with("nbd") || evidence.name.starts_with("rbd") {
        Transport::Network
    } else if evidence.name.starts_with("nvme") {
        match evidence.nvme_transport {
            Some("pcie") => Transport::NvmePcie,
            Some("tcp" | "rdma" | "fc" | "loop") => Transport::NvmeFabrics,
            _ if has("nvme-fabrics") => Transport::NvmeFabrics,
            _ if has("pci") => Transport::NvmePcie,
            _ => Transport::Unknown,
        }
    } else if evidence.name.starts_with("mmcblk") {
        Transport::Mmc
    } else if numbered("usb") {
        Transport::Usb
    } else if numbered("virtio") {
        Transport::Virtio
    } else if evidence
        .device_path
        .split('/')
        .any(|part| part.ends_with(".ufshc") || part.ends_with(".ufs") || part.ends_with(".ufshci"))
    {
        Transport::Ufs
    } else if numbered("session") || has("rport-") {
        Transport::Network
    } else if numbered("ata") || evidence.vendor == "ATA" {
        // A SATA drive behind a SAS adapter too: the commands it knows are ATA's.
        Transport::Ata
    } else if has("end_device-") || has("sas_") {
        Transport::Sas
    } else if numbered("host") {
        Transport::Scsi
    } else {
        Transport::Unknown
    }
}

fn is_virtual(evidence: &Evidence, transport: Transport) -> bool {
    // LIO's serial numbers are free text, also where a real drive lies behind it on another machine.
    const VENDORS: [&str; 8] = ["QEMU", "VMware", "VMware,", "VBOX", "Msft", "Google", "Linux", "LIO-ORG"];
    const MODELS: [&str; 9] = [
        // The kernel's own NVMe target.
        "Linux",
        "QEMU HARDDISK",
        "QEMU NVMe Ctrl",
        "VBOX HARDDISK",
        "VMware Virtual",
        "Virtual Disk",
        "Amazon Elastic Block Store",
        "PersistentDisk",
        "scsi_debug",
    ];
    match transport {
        Transport::Loop | Transport::Virtio => true,
        Transport::Memory => !evidence.name.starts_with("pmem"),
        _ => {
            evidence.name.starts_with("xvd")
                || evidence.name.starts_with("nbd")
                || evidence.name.starts_with("rbd")
                // Nothing carries them: ublk, null_blk. Heads of NVMe multipath are elsewhere.
                || evidence.device_path.starts_with("virtual/block/")
                || VENDORS.contains(&evidence.vendor)
                || MODELS.iter().any(|model| evidence.model.starts_with(model))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str, path: &str, vendor: &str, rotational: bool) -> (Transport, Kind, MediumClass) {
        let evidence = Evidence {
            name,
            device_path: path,
            vendor,
            model: "",
            rotational: Some(rotational),
            nvme_transport: None,
            mmc_type: None,
        };
        let c = classify(&evidence);
        (c.transport, c.kind, c.class)
    }

    #[test]
    fn places_in_the_device_tree() {
        use MediumClass::{Physical, Virtual};
        let sata = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda";
        let sas = "pci0000:00/0000:02:00.0/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda";
        let usb = "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sda";
        let raid = "pci0000:00/0000:02:00.0/host0/target0:2:0/0:2:0:0/block/sda";
        let iscsi = "platform/host7/session1/target7:0:0/7:0:0:1/block/sda";
        assert_eq!(disk("sda", sata, "ATA", true), (Transport::Ata, Kind::Hdd, Physical));
        assert_eq!(disk("sda", sas, "ATA", false), (Transport::Ata, Kind::SataSsd, Physical));
        assert_eq!(disk("sda", sas, "SEAGATE", true), (Transport::Sas, Kind::Hdd, Physical));
        assert_eq!(disk("sda", sas, "HGST", false), (Transport::Sas, Kind::SasSsd, Physical));
        assert_eq!(disk("sda", usb, "SanDisk", true), (Transport::Usb, Kind::Usb, Physical));
        assert_eq!(disk("sda", raid, "DELL", true), (Transport::Scsi, Kind::Unknown, Physical));
        assert_eq!(disk("sda", iscsi, "NETAPP", false), (Transport::Network, Kind::Unknown, Physical));
        assert_eq!(disk("sda", sata, "QEMU", false), (Transport::Ata, Kind::Virtual, Virtual));
        assert_eq!(disk("vda", "pci0000:00/0000:00:02.0/virtio1/block/vda", "", true).2, Virtual);
        for (name, path) in [("ublkb0", "virtual/block/ublkb0"), ("nullb0", "virtual/block/nullb0")] {
            assert_eq!(disk(name, path, "", true), (Transport::Unknown, Kind::Virtual, Virtual), "{name}");
        }
        let loopback = "virtual/tcm_loop_0/tcm_loop_adapter_0/host8/target8:0:1/8:0:1:0/block/sda";
        assert_eq!(disk("sda", loopback, "LIO-ORG", true), (Transport::Scsi, Kind::Virtual, Virtual));
        assert_eq!(disk("sda", iscsi, "LIO-ORG", true), (Transport::Network, Kind::Virtual, Virtual));
        let head = "virtual/nvme-subsystem/nvme-subsys0/nvme0n1";
        assert_eq!(disk("nvme0n1", head, "", false).2, Physical);
    }

    #[test]
    fn a_usb_bridges_default_of_rotating_is_not_believed() {
        let evidence = Evidence {
            name: "sda",
            device_path: "pci0000:00/usb1/1-1/host0/block/sda",
            vendor: "",
            model: "",
            rotational: Some(true),
            nvme_transport: None,
            mmc_type: None,
        };
        assert_eq!(classify(&evidence).rotational, None);
    }

    #[test]
    fn built_on_others_is_no_drive() {
        for name in ["dm-0", "md127", "md_d0", "sr0", "fd0", "ram3", "zd16", "bcache0", "drbd1"] {
            assert!(not_a_drive(name).is_some(), "{name}");
        }
        for name in ["sda", "sdfd", "nvme0n1", "loop0", "zram0", "mmcblk0", "vda", "nbd0", "xvda"] {
            assert!(not_a_drive(name).is_none(), "{name}");
        }
    }
}
