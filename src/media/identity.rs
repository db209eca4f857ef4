//! What makes a medium itself, whatever name the kernel gave it today.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{MediumClass, text};
use crate::units::{Bytes, hex};

/// The stable identity of a medium: serial + WWN/EUI/NGUID + model + size, or, for a loop device
/// and an image file, its backing file. Strings are trimmed; an empty one is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Manufacturer, where the transport reports it apart from the model.
    pub vendor: Option<String>,
    /// Model number.
    pub model: Option<String>,
    /// Serial number as the drive reports it.
    pub serial: Option<String>,
    /// World Wide Name (NAA), lower-case hex with `0x`.
    pub wwn: Option<String>,
    /// NVMe EUI-64, lower-case hex.
    pub eui64: Option<String>,
    /// NVMe NGUID, lower-case hex.
    pub nguid: Option<String>,
    /// Firmware revision. Recorded, not compared: an update does not make another drive.
    pub firmware: Option<String>,
    /// Which part of the hardware this is, where one serial number covers several: `nsid 1` (NVMe),
    /// `lun 0` (SCSI), `boot0` (eMMC hardware area), `partition 2 at 1048576`.
    #[serde(default)]
    pub unit: Option<String>,
    /// Capacity.
    pub size: Bytes,
    /// What a loop device or an image file really is.
    pub backing: Option<Backing>,
}

/// The file behind a loop device, or the image file itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backing {
    /// `st_dev` of the file.
    pub device: Bytes,
    /// `st_ino` of the file.
    pub inode: Bytes,
    /// Where the medium starts in the file.
    pub offset: Bytes,
    /// Where the file was found. Recorded, not compared.
    #[serde(serialize_with = "text::path")]
    pub path: PathBuf,
}

/// One fact that differs between two readings of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The field's name.
    pub field: String,
    /// What it was when the run was planned.
    pub before: String,
    /// What it is now.
    pub now: String,
}

impl Difference {
    /// What is written here can be one medium all the same: one side tells of nothing, or only the file differs
    /// that an image or a virtual disk is.
    fn is_of_place(&self) -> bool {
        self.field.starts_with("backing ") || self.before.is_empty() || self.now.is_empty()
    }
}

/// Whether media of these classes can be one although they differ like this. An image or a virtual disk is another
/// file on another machine; a serial number or name of its own that is another one makes it another one there too.
pub fn may_be_one(differences: &[Difference], classes: [MediumClass; 2]) -> bool {
    let is_virtual = !classes.contains(&MediumClass::Physical);
    differences.iter().all(|difference| is_virtual && difference.is_of_place())
}

impl Identity {
    /// Every compared fact that differs. Empty means the same medium.
    pub fn differences(&self, now: &Identity) -> Vec<Difference> {
        let before = self.facts();
        let after = now.facts();
        before
            .into_iter()
            .zip(after)
            .filter(|((_, a), (_, b))| a != b)
            .map(|((field, before), (_, now))| Difference {
                field: field.to_owned(),
                before: before.into_owned(),
                now: now.into_owned(),
            })
            .collect()
    }

    /// An image, or the file behind a loop device, that is where it was and differs in nothing but the number of its
    /// file system. A reboot may change that.
    pub fn is_same_file(&self, now: &Identity) -> bool {
        let path = |identity: &Identity| identity.backing.as_ref().map(|backing| backing.path.clone());
        let stays = path(self).is_some() && path(self) == path(now);
        stays && self.differences(now).iter().all(|difference| difference.field == "backing device")
    }

    /// SHA-256 over the compared facts, lower-case hex: the medium's name in the journal and the
    /// custody log. Stable across reboots, ports and stations.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (field, value) in self.facts() {
            hash.update(field.as_bytes());
            hash.update([0]);
            hash.update(value.as_bytes());
            hash.update([0]);
        }
        hex(&hash.finalize())
    }

    /// Whether anything names this medium apart from its model and size.
    pub fn is_distinctive(&self) -> bool {
        self.serial.is_some()
            || self.wwn.is_some()
            || self.eui64.is_some()
            || self.nguid.is_some()
            || self.backing.is_some()
    }

    /// `Samsung SSD 870 S5Y2NJ0R` for a person.
    pub fn label(&self) -> String {
        let mut words: Vec<&str> = Vec::new();
        words.extend(self.vendor.as_deref());
        words.extend(self.model.as_deref());
        words.extend(self.serial.as_deref());
        if words.is_empty() {
            return match &self.backing {
                Some(backing) => backing.path.display().to_string(),
                None => "unnamed medium".to_owned(),
            };
        }
        words.join(" ")
    }

    fn facts(&self) -> [(&'static str, Cow<'_, str>); 11] {
        fn text(value: &Option<String>) -> Cow<'_, str> {
            Cow::Borrowed(value.as_deref().unwrap_or_default())
        }
        let backing = |get: fn(&Backing) -> Bytes| {
            self.backing.as_ref().map_or(Cow::Borrowed(""), |b| Cow::Owned(get(b).to_string()))
        };
        [
            ("vendor", text(&self.vendor)),
            ("model", text(&self.model)),
            ("serial", text(&self.serial)),
            ("wwn", text(&self.wwn)),
            ("eui64", text(&self.eui64)),
            ("nguid", text(&self.nguid)),
            ("unit", text(&self.unit)),
            ("size", Cow::Owned(self.size.to_string())),
            ("backing device", backing(|b| b.device)),
            ("backing inode", backing(|b| b.inode)),
            ("backing offset", backing(|b| b.offset)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(serial: &str) -> Identity {
        Identity { serial: Some(serial.into()), model: Some("M".into()), size: Bytes(1 << 30), ..Identity::default() }
    }

    #[test]
    fn firmware_does_not_make_another_drive_but_a_serial_does() {
        let a = drive("A");
        let updated = Identity { firmware: Some("2.0".into()), ..a.clone() };
        assert!(a.differences(&updated).is_empty());
        assert_eq!(a.digest(), updated.digest());
        let b = drive("B");
        assert_eq!(a.differences(&b)[0].field, "serial");
        assert_ne!(a.digest(), b.digest());
    }

    #[test]
    fn a_virtual_disk_with_another_serial_number_is_another_one_and_in_another_file_it_is_not() {
        let stored = |serial: &str, inode: u64| {
            let backing = Backing { device: Bytes(1), inode: Bytes(inode), offset: Bytes(0), path: "/a".into() };
            Identity { backing: Some(backing), ..drive(serial) }
        };
        let may_be = |a: &Identity, b: &Identity, class| may_be_one(&a.differences(b), [MediumClass::Virtual, class]);
        let a = stored("A", 1);
        for (b, same) in [
            (stored("A", 2), true),
            (drive("A"), true),
            (Identity { serial: None, ..stored("A", 2) }, true),
            (stored("B", 1), false),
            (drive("B"), false),
            (Identity { model: Some("N".into()), ..a.clone() }, false),
            (Identity { size: Bytes(1 << 29), ..a.clone() }, false),
        ] {
            assert_eq!(may_be(&a, &b, MediumClass::Virtual), same, "{b:?}");
            assert_eq!(may_be(&b, &a, MediumClass::Image), same, "{b:?}");
            assert!(!may_be(&a, &b, MediumClass::Physical), "{b:?}");
        }
        for name in ["wwn", "eui64", "nguid"] {
            let named = |value: &str| {
                let mut json = serde_json::to_value(&a).unwrap();
                json[name] = value.into();
                serde_json::from_value::<Identity>(json).unwrap()
            };
            assert!(!may_be(&named("1"), &named("2"), MediumClass::Virtual), "{name}");
            assert!(may_be(&named("1"), &a, MediumClass::Virtual), "{name}");
        }
        assert!(may_be_one(&[], [MediumClass::Physical; 2]));
    }

    #[test]
    fn a_file_is_the_same_on_a_file_system_with_another_number() {
        let file = |device: u64, inode: u64, path: &str, size: u64| {
            let backing =
                Backing { device: Bytes(device), inode: Bytes(inode), offset: Bytes(0), path: path.to_owned().into() };
            Identity { backing: Some(backing), size: Bytes(size), ..Identity::default() }
        };
        let a = file(1, 2, "/a", 512);
        assert!(a.is_same_file(&file(1, 2, "/a", 512)) && a.is_same_file(&file(9, 2, "/a", 512)));
        for other in [file(1, 3, "/a", 512), file(1, 2, "/b", 512), file(1, 2, "/a", 1024), drive("A")] {
            assert!(!a.is_same_file(&other), "{other:?}");
        }
        assert!(!drive("A").is_same_file(&drive("A")), "that is no file");
    }

    #[test]
    fn a_changed_capacity_is_a_difference() {
        let a = drive("A");
        let smaller = Identity { size: Bytes(1 << 29), ..a.clone() };
        assert_eq!(a.differences(&smaller).len(), 1);
    }
}
