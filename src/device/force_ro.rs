//! The kernel's own switch on the boot partitions of an eMMC card: it makes them read-only when it finds them
//! (`force_ro`), whether or not the card protects them. What the card protects stays protected.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, io};

use super::Roots;
use super::blocks::{DevNum, attr_number};
use crate::media::Medium;

/// Reads 1 where the node is read-only and the card itself is not (`mmc_blk`: `ro` XOR the card's CSD).
const SWITCH: &str = "force_ro";
/// 0: the card protects no boot partition. Missing on cards that cannot.
const LOCKED: &str = "ro_lock_until_next_power_on";

/// Whether a medium is a boot partition that a run may make writable.
pub fn is_forced_read_only(roots: &Roots, medium: &Medium) -> bool {
    let name = medium.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    is_all(&roots.sys.join("block").join(name), name)
}

/// Sets the switch of a medium that is not held.
pub fn set_force_ro(roots: &Roots, medium: &Medium) -> io::Result<()> {
    let number = DevNum::from_raw(fs::metadata(roots.on_host(&medium.path))?.rdev());
    set(roots, number, true)
}

/// Whether this node is a boot partition that is read-only by the kernel's switch and by nothing else. What
/// could not be read is no such thing.
pub(super) fn is_all(dir: &Path, name: &str) -> bool {
    let locked = match fs::read_to_string(dir.join(LOCKED)) {
        Ok(text) => text.trim() != "0",
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    is_boot_partition(name) && !locked && attr_number(dir, SWITCH) == Some(1)
}

/// `mmcblk0boot0`.
pub(super) fn is_boot_partition(name: &str) -> bool {
    unit(name).is_some_and(|unit| unit.strip_prefix("boot").is_some_and(|n| matches!(n, "0" | "1")))
}

/// What follows the card's number: `boot0`, `gp1`; `None` for the main area and for what is no card.
pub(super) fn unit(name: &str) -> Option<&str> {
    let digits = name.strip_prefix("mmcblk")?;
    let unit = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    (!unit.is_empty()).then_some(unit)
}

/// Sets or clears the switch of a node, and looks whether the node is now as it should be.
pub(super) fn set(roots: &Roots, number: DevNum, on: bool) -> io::Result<()> {
    let dir = roots.sys.join("dev/block").join(number.to_string());
    fs::write(dir.join(SWITCH), if on { "1" } else { "0" })?;
    match attr_number(&dir, "ro") {
        Some(ro) if (ro != 0) == on => Ok(()),
        Some(_) if on => Err(io::Error::other("the kernel took it, and the node can still be written")),
        Some(_) => Err(io::Error::other("the kernel took it, and the node is still read-only: the card protects it")),
        None => Err(io::Error::other("whether the node is read-only could not be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_kernel_set_is_its_own() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path();
        let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
        assert!(!is_all(dir, "mmcblk0boot0"), "nothing is known");
        write(SWITCH, "1\n");
        assert!(is_all(dir, "mmcblk0boot0"), "the card has no such lock");
        assert!(!is_all(dir, "mmcblk0") && !is_all(dir, "mmcblk0gp0") && !is_all(dir, "mmcblk0boot2"));
        write(LOCKED, "0\n");
        assert!(is_all(dir, "mmcblk0boot1"));
        for locked in ["1\n", "2\n", ""] {
            write(LOCKED, locked);
            assert!(!is_all(dir, "mmcblk0boot0"), "{locked:?}");
        }
        write(LOCKED, "0\n");
        write(SWITCH, "0\n");
        assert!(!is_all(dir, "mmcblk0boot0"), "then the card is read-only");
    }

    #[test]
    fn the_switch_is_set_and_the_node_has_to_follow() {
        let place = tempfile::tempdir().unwrap();
        let roots = Roots::recorded(place.path());
        let number = DevNum { major: 179, minor: 8 };
        let dir = roots.sys.join("dev/block/179:8");
        fs::create_dir_all(&dir).unwrap();
        assert!(set(&roots, number, false).is_err(), "whether it followed is not known");
        fs::write(dir.join("ro"), "1\n").unwrap();
        assert!(set(&roots, number, false).unwrap_err().to_string().contains("still read-only"));
        assert_eq!(fs::read_to_string(dir.join(SWITCH)).unwrap(), "0");
        assert!(set(&roots, number, true).is_ok());
        assert_eq!(fs::read_to_string(dir.join(SWITCH)).unwrap(), "1");
    }
}
