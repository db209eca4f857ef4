//! Everything sysfs and udev say of one disk: identity, geometry, kind.

use std::fs;
use std::path::{Path, PathBuf};

use super::Roots;
use super::blocks::{Blocks, Node, attr, attr_number, read_attr};
use super::classify::{Evidence, classify};
use super::force_ro;
use super::udev::Properties;
use super::vpd;
use crate::media::{Geometry, Identity, Kind, Medium, MediumClass, Transport, Zoned};
use crate::units::Bytes;

/// One disk as the host describes it.
#[derive(Clone, Debug)]
pub(crate) struct DiskFacts {
    pub identity: Identity,
    pub transport: Transport,
    pub kind: Kind,
    pub class: MediumClass,
    pub geometry: Geometry,
    pub rotational: Option<bool>,
    pub zoned: Zoned,
    pub removable: bool,
    pub read_only: bool,
    pub diskseq: Option<Bytes>,
    /// Facts that decide safety and could not be read.
    pub unreadable: Vec<String>,
}

impl DiskFacts {
    /// Reads a whole disk. Never fails: what decides safety and is missing is in `unreadable`. What
    /// a loop device stands on is not asked here (see [`super::loops`]).
    pub fn read(roots: &Roots, node: &Node) -> DiskFacts {
        let dir = &node.dir;
        let udev = Properties::of(roots, node);
        let mut unreadable = Vec::new();
        let mut required = |name: &str| match read_attr(dir, name) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                text.trim().parse::<u64>().unwrap_or_else(|_| {
                    unreadable.push(format!("{name} of {} reads {:?}", node.name, text.trim()));
                    0
                })
            }
            Err(error) => {
                unreadable.push(format!("{name} of {} could not be read: {error}", node.name));
                0
            }
        };
        // `size` counts 512-byte units whatever the logical block size is.
        let size = Bytes(required("size").saturating_mul(512));
        // What the kernel set by itself is cleared for the run; see there.
        let read_only = required("ro") != 0 && !force_ro::is_all(dir, &node.name);
        let logical_block = u32::try_from(required("queue/logical_block_size")).unwrap_or(0);
        let physical_block = attr_number(dir, "queue/physical_block_size").and_then(|n| u32::try_from(n).ok());
        let zoned = match attr(dir, "queue/zoned").as_deref() {
            None | Some("none") => Zoned::None,
            Some("host-aware") => Zoned::HostAware,
            Some("host-managed") => Zoned::HostManaged,
            Some(other) => {
                unreadable.push(format!("zone model {other:?} of {} is not known", node.name));
                Zoned::None
            }
        };

        let named = Named::read(node);
        let vendor = attr(dir, "device/vendor").unwrap_or_default();
        let device_path = device_path(roots, dir);
        let nvme_transport = nvme_transport(dir);
        let mmc_type = ancestor_with(dir, "cid").and_then(|card| attr(&card, "type"));
        let evidence = Evidence {
            name: &node.name,
            device_path: &device_path,
            vendor: &vendor,
            model: named.model.as_deref().unwrap_or(""),
            rotational: attr_number(dir, "queue/rotational").map(|n| n != 0),
            nvme_transport: nvme_transport.as_deref(),
            mmc_type: mmc_type.as_deref(),
        };
        let classified = classify(&evidence);
        let mut identity = named.with_udev(&udev);
        identity.size = size;
        DiskFacts {
            identity,
            transport: classified.transport,
            kind: classified.kind,
            class: classified.class,
            geometry: Geometry { size, logical_block, physical_block: physical_block.unwrap_or(logical_block) },
            rotational: classified.rotational,
            zoned,
            removable: attr_number(dir, "removable") == Some(1),
            read_only,
            diskseq: attr_number(dir, "diskseq").map(Bytes),
            unreadable,
        }
    }
}

/// The serial number that the way to a disk names by itself: of its VPD pages, of the USB device. Never one that udev
/// has from `ata_id`, which asks by ATA PASS-THROUGH: nothing is shown by it of where such commands go.
pub fn own_serial(roots: &Roots, medium: &Medium) -> Option<String> {
    let blocks = Blocks::read(roots).ok()?;
    let node = blocks.disks().into_iter().find(|node| node.path == medium.path)?;
    let udev = Properties::of(roots, node);
    // What scsi_id and sg_inq read of VPD page 80h.
    let of_page = || ["ID_SCSI_SERIAL", "SCSI_IDENT_SERIAL"].iter().find_map(|name| vpd::serial(udev.get(name)?));
    Named::read(node).serial.or_else(of_page)
}

/// The names a medium carries, before its size is known.
struct Named {
    vendor: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    wwn: Option<String>,
    eui64: Option<String>,
    nguid: Option<String>,
    firmware: Option<String>,
    unit: Option<String>,
}

impl Named {
    fn read(node: &Node) -> Named {
        let dir = &node.dir;
        if node.name.starts_with("nvme") {
            Named::nvme(node)
        } else if let Some(card) = ancestor_with(dir, "cid") {
            Named::mmc(node, &card)
        } else if dir.join("device/model").exists() || dir.join("device/vpd_pg83").exists() {
            Named::scsi(dir)
        } else {
            // virtio and the like: a serial in the disk's own folder.
            Named { serial: attr(dir, "serial").and_then(|s| vpd::serial(&s)), ..Named::nothing() }
        }
    }

    fn nothing() -> Named {
        Named {
            vendor: None,
            model: None,
            serial: None,
            wwn: None,
            eui64: None,
            nguid: None,
            firmware: None,
            unit: None,
        }
    }

    fn nvme(node: &Node) -> Named {
        let controller = node.dir.join("device");
        let wwid = attr(&node.dir, "wwid");
        let from_wwid = |length: usize| {
            let hex = vpd::hex_text(wwid.as_deref()?.strip_prefix("eui.")?)?;
            (hex.len() == length).then_some(hex)
        };
        // The number in the name is the namespace id only by habit; the attribute is exact.
        let nsid = attr(&node.dir, "nsid").or_else(|| node.name.rsplit_once('n').map(|(_, n)| n.to_owned()));
        Named {
            model: attr(&controller, "model"),
            serial: attr(&controller, "serial").and_then(|s| vpd::serial(&s)),
            firmware: attr(&controller, "firmware_rev"),
            eui64: attr(&node.dir, "eui").and_then(|s| vpd::hex_text(&s)).or_else(|| from_wwid(16)),
            nguid: attr(&node.dir, "nguid").and_then(|s| vpd::hex_text(&s)).or_else(|| from_wwid(32)),
            unit: nsid.map(|n| format!("nsid {n}")),
            ..Named::nothing()
        }
    }

    fn mmc(node: &Node, card: &Path) -> Named {
        // mmcblk0boot0, mmcblk0gp1: hardware areas of one eMMC under one serial number.
        Named {
            vendor: attr(card, "manfid"),
            model: attr(card, "name"),
            serial: attr(card, "serial").and_then(|s| vpd::serial(&s)),
            firmware: attr(card, "fwrev"),
            unit: force_ro::unit(&node.name).map(str::to_owned),
            ..Named::nothing()
        }
    }

    fn scsi(dir: &Path) -> Named {
        let page = |name: &str| fs::read(dir.join("device").join(name)).unwrap_or_default();
        let ids = vpd::device_ids(&page("vpd_pg83")).unwrap_or_default();
        let ata = vpd::ata_information(&page("vpd_pg89")).unwrap_or_default();
        let wwid = attr(dir, "device/wwid");
        let from_wwid = |prefix: &str| vpd::hex_text(wwid.as_deref()?.strip_prefix(prefix)?);
        let vendor = attr(dir, "device/vendor");
        let behind_sat = vendor.as_deref() == Some("ATA");
        // INQUIRY cuts an ATA model to 16 characters; SAT puts all 40 into the T10 designator.
        let t10_model = ids
            .t10
            .as_ref()
            .filter(|(vendor, _)| vendor == "ATA")
            .map(|(_, id)| id.chars().take(40).collect::<String>().trim().to_owned());
        let usb = ancestor_with(dir, "idVendor");
        let usb_attr = |name: &str| usb.as_ref().and_then(|device| attr(device, name));
        let lun = dir.join("device").canonicalize().ok().and_then(|scsi| {
            let lun = scsi.file_name()?.to_str()?.rsplit_once(':')?.1.to_owned();
            (usb.is_some() && lun != "0").then(|| format!("lun {lun}"))
        });
        Named {
            model: ata.model.or(t10_model).or_else(|| attr(dir, "device/model")).or_else(|| usb_attr("product")),
            vendor: if behind_sat { None } else { vendor.or_else(|| usb_attr("manufacturer")) },
            serial: vpd::unit_serial(&page("vpd_pg80"))
                .or(ata.serial)
                .or_else(|| usb_attr("serial").and_then(|s| vpd::serial(&s))),
            wwn: ids.wwn.or(ata.wwn).or_else(|| from_wwid("naa.").map(|hex| format!("0x{hex}"))),
            eui64: ids.eui64.or_else(|| from_wwid("eui.")),
            firmware: ata.firmware.or_else(|| attr(dir, "device/rev")),
            unit: lun,
            ..Named::nothing()
        }
    }

    /// sysfs comes first, so that an identity is the same with and without udev.
    fn with_udev(self, udev: &Properties) -> Identity {
        let name = |encoded: &str, plain: &str| udev.decoded(encoded).or_else(|| udev.get(plain).map(str::to_owned));
        let id = || udev.get("ID_WWN_WITH_EXTENSION").or_else(|| udev.get("ID_WWN"));
        let udev_wwn = || id()?.strip_prefix("0x").and_then(vpd::hex_text).map(|hex| format!("0x{hex}"));
        let udev_eui = || id()?.strip_prefix("eui.").and_then(vpd::hex_text);
        let (eui64, nguid) = match udev_eui() {
            Some(hex) if hex.len() == 32 && self.nguid.is_none() => (self.eui64, Some(hex)),
            Some(hex) if hex.len() == 16 && self.eui64.is_none() => (Some(hex), self.nguid),
            _ => (self.eui64, self.nguid),
        };
        Identity {
            vendor: self.vendor.or_else(|| {
                name("ID_VENDOR_ENC", "ID_VENDOR").filter(|_| udev.get("ID_BUS").is_some_and(|bus| bus != "ata"))
            }),
            model: self.model.or_else(|| name("ID_MODEL_ENC", "ID_MODEL")),
            serial: self.serial.or_else(|| {
                udev.get("ID_SERIAL_SHORT").or_else(|| udev.get("SCSI_IDENT_SERIAL")).and_then(vpd::serial)
            }),
            wwn: self.wwn.or_else(udev_wwn),
            eui64,
            nguid,
            firmware: self.firmware.or_else(|| udev.get("ID_REVISION").map(str::to_owned)),
            unit: self.unit,
            size: Bytes(0),
            backing: None,
        }
    }
}

/// The controller's transport; behind native multipath any of the subsystem's controllers.
fn nvme_transport(dir: &Path) -> Option<String> {
    let device = dir.join("device");
    attr(&device, "transport").or_else(|| {
        let names = super::blocks::list(&device).ok()?;
        names.iter().filter(|name| name.starts_with("nvme")).find_map(|name| attr(&device.join(name), "transport"))
    })
}

/// The nearest folder above that has an attribute: the USB device, the MMC card.
fn ancestor_with(dir: &Path, name: &str) -> Option<PathBuf> {
    let mut devices = dir.ancestors().take_while(|above| above.file_name().is_some_and(|name| name != "devices"));
    devices.find(|above| above.join(name).is_file()).map(Path::to_owned)
}

fn device_path(roots: &Roots, dir: &Path) -> String {
    let root = fs::canonicalize(&roots.sys).unwrap_or_else(|_| roots.sys.clone());
    dir.strip_prefix(root.join("devices")).unwrap_or(dir).to_string_lossy().into_owned()
}
