//! Whether a folder is still there after a reboot.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::folder::{StationError, io_error};

/// Whether what is written to a folder is still there after a reboot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// It lies on a medium.
    Survives,
    /// It lies in memory; says in which filesystem.
    LostAtReboot(String),
}

/// Finds the mount a folder lies on and asks whether its filesystem, or what an overlay writes to,
/// lives in memory.
pub(super) fn durability(folder: &Path) -> Result<Durability, StationError> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(io_error(Path::new("/proc/self/mountinfo"), "reading it"))?;
    let device = fs::metadata(folder).map_err(io_error(folder, "looking at it"))?.dev();
    Ok(judge_durability(&mounts, device, &|path| fs::metadata(path).ok().map(|m| m.dev())))
}

fn judge_durability(mounts: &str, device: u64, device_of: &dyn Fn(&Path) -> Option<u64>) -> Durability {
    let wanted = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let mut seen = vec![wanted];
    let mut current = wanted;
    loop {
        let Some((kind, options)) = mount_of(mounts, current) else { return Durability::Survives };
        match kind.as_str() {
            "tmpfs" | "ramfs" | "rootfs" | "devtmpfs" => return Durability::LostAtReboot(kind),
            "overlay" => {
                let upper = options.split(',').find_map(|o| o.strip_prefix("upperdir=")).map(PathBuf::from);
                let Some(upper) = upper else { return Durability::LostAtReboot("read-only overlay".into()) };
                let Some(next) = device_of(&upper) else {
                    // The upper folder of a live system is often out of sight: not known to survive.
                    return Durability::LostAtReboot(format!("overlay over {}", upper.display()));
                };
                current = (nix::sys::stat::major(next), nix::sys::stat::minor(next));
                if seen.contains(&current) {
                    return Durability::LostAtReboot("overlay".into());
                }
                seen.push(current);
            }
            _ => return Durability::Survives,
        }
    }
}

/// Filesystem type and super options of the mount with this device number.
fn mount_of(mounts: &str, (major, minor): (u64, u64)) -> Option<(String, String)> {
    let wanted = format!("{major}:{minor}");
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        if left.split(' ').nth(2)? != wanted {
            return None;
        }
        let mut right = right.split(' ');
        Some((right.next()?.to_owned(), right.nth(1).unwrap_or_default().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = "\
22 1 0:21 / / rw,relatime - overlay overlay rw,lowerdir=/ro,upperdir=/cow/upper,workdir=/cow/work
23 22 0:30 / /cow rw - tmpfs tmpfs rw
24 22 8:1 / /media/stick rw - ext4 /dev/sda1 rw
25 22 0:31 / /over rw - overlay overlay rw,lowerdir=/a,upperdir=/media/stick/up,workdir=/w";

    fn device(major: u64, minor: u64) -> u64 {
        nix::sys::stat::makedev(major, minor)
    }

    fn of(path: &Path) -> Option<u64> {
        if path.starts_with("/cow") { Some(device(0, 30)) } else { Some(device(8, 1)) }
    }

    #[test]
    fn a_live_system_forgets_its_root_but_not_a_stick() {
        let judge = |d| judge_durability(LIVE, d, &of);
        assert_eq!(judge(device(0, 21)), Durability::LostAtReboot("tmpfs".into()));
        assert_eq!(judge(device(8, 1)), Durability::Survives);
        assert_eq!(judge(device(0, 31)), Durability::Survives);
        let blind = judge_durability(LIVE, device(0, 21), &|_| None);
        assert_eq!(blind, Durability::LostAtReboot("overlay over /cow/upper".into()));
    }
}
