//! Whether a folder is still there after a reboot.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

use super::folder::{StationError, io_error};

/// Whether what is written to a folder is still there after a reboot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// It lies on a medium.
    Survives,
    /// It lies in memory; says in what.
    LostAtReboot(String),
    /// Where it lies is not known; says why.
    Unknown(String),
}

impl Durability {
    /// What is to be feared for it after a reboot; nothing where it lies on a medium.
    pub fn doubt(&self) -> Option<String> {
        match self {
            Durability::Survives => None,
            Durability::LostAtReboot(what) => Some(format!("lies in memory ({what})")),
            Durability::Unknown(why) => Some(format!("may lie in memory ({why})")),
        }
    }
}

/// Finds the mount a folder lies on and asks whether its filesystem, what an overlay writes to, or the device below
/// lives in memory.
pub(super) fn durability(folder: &Path) -> Result<Durability, StationError> {
    let table = fs::read_to_string("/proc/self/mountinfo")
        .map_err(io_error(Path::new("/proc/self/mountinfo"), "reading it"))?;
    fs::metadata(folder).map_err(io_error(folder, "looking at it"))?;
    Ok(Host { table: &table, sys: Path::new("/sys"), place: &place }.of_path(folder, 0))
}

/// Loop devices on files and overlays in overlays, and no circle of them.
const DEEPEST: usize = 16;

/// What is asked.
struct Host<'a> {
    /// `/proc/self/mountinfo`.
    table: &'a str,
    /// `/sys`.
    sys: &'a Path,
    place: &'a dyn Fn(&Path) -> Option<Place>,
}

/// Where a path is.
#[derive(Clone, Copy)]
struct Place {
    /// The id of its mount. A file of btrfs has another device number than its mount in the table.
    mount: Option<u64>,
    /// The number of the file's device.
    device: u64,
    /// The block device that it is itself.
    block: Option<u64>,
}

fn place(path: &Path) -> Option<Place> {
    let meta = fs::metadata(path).ok()?;
    // Opened for its place alone, which needs no right to it.
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path).ok();
    let told = file.and_then(|file| {
        fs::read_to_string(format!("/proc/self/fdinfo/{}", std::os::fd::AsRawFd::as_raw_fd(&file))).ok()
    });
    let mount = told.iter().flat_map(|told| told.lines()).find_map(|line| line.strip_prefix("mnt_id:"));
    Some(Place {
        mount: mount.and_then(|id| id.trim().parse().ok()),
        device: meta.dev(),
        block: meta.file_type().is_block_device().then(|| meta.rdev()),
    })
}

/// A line of the mount table.
struct Mount<'a> {
    device: (u64, u64),
    kind: &'a str,
    source: &'a str,
    options: &'a str,
}

impl Host<'_> {
    fn of_path(&self, path: &Path, depth: usize) -> Durability {
        let Some(place) = (self.place)(path) else {
            return Durability::Unknown(format!("{} is out of sight", path.display()));
        };
        if depth > DEEPEST {
            return Durability::Unknown(format!("{} lies too deep", path.display()));
        }
        if let Some(device) = place.block {
            return self.of_device((major(device), minor(device)), depth + 1);
        }
        let number = (major(place.device), minor(place.device));
        let by_id = place.mount.and_then(|id| self.mount(|fields| fields[0] == id.to_string()));
        let Some(mount) = by_id.or_else(|| self.mount(|fields| fields[2] == format!("{}:{}", number.0, number.1)))
        else {
            // As in a chroot, whose root is no mount.
            if number.0 != 0 {
                return self.of_device(number, depth + 1);
            }
            return Durability::Unknown(format!("the mount of {} is not in the mount table", path.display()));
        };
        match mount.kind {
            "tmpfs" | "ramfs" | "rootfs" | "devtmpfs" => Durability::LostAtReboot(mount.kind.to_owned()),
            "overlay" => {
                let upper = mount.options.split(',').find_map(|option| option.strip_prefix("upperdir="));
                let Some(upper) = upper.map(PathBuf::from) else {
                    return Durability::LostAtReboot("read-only overlay".into());
                };
                match self.of_path(&upper, depth + 1) {
                    // The upper folder of a live system is often out of sight: not known to survive.
                    Durability::Unknown(_) => Durability::LostAtReboot(format!("overlay over {}", upper.display())),
                    known => known,
                }
            }
            // Which of their branches is written to stands elsewhere.
            "aufs" | "unionfs" => Durability::Unknown(format!("{} on {}", mount.kind, path.display())),
            // Without a number of its own (btrfs) the device is the mount's source. Where that is none (ZFS, a network)
            // nothing speaks of memory.
            _ if mount.device.0 == 0 => match (self.place)(Path::new(mount.source)).and_then(|place| place.block) {
                Some(device) if mount.source.starts_with("/dev/") => {
                    self.of_device((major(device), minor(device)), depth + 1)
                }
                _ => Durability::Survives,
            },
            _ => self.of_device(mount.device, depth + 1),
        }
    }

    /// The mount whose fields before the separator are so, as far as they are asked for.
    fn mount(&self, is_it: impl Fn(&[&str; 3]) -> bool) -> Option<Mount<'_>> {
        self.table.lines().find_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut left = left.split(' ');
            let fields = [left.next()?, left.next()?, left.next()?];
            let (major, minor) = fields[2].split_once(':')?;
            let mut right = right.split(' ');
            let (kind, source, options) = (right.next()?, right.next()?, right.next().unwrap_or_default());
            let device = (major.parse().ok()?, minor.parse().ok()?);
            is_it(&fields).then_some(Mount { device, kind, source, options })
        })
    }

    /// A block device, by what it is and what it is built on. One that sysfs does not show is taken for a medium.
    fn of_device(&self, (major, minor): (u64, u64), depth: usize) -> Durability {
        match fs::canonicalize(self.sys.join(format!("dev/block/{major}:{minor}"))) {
            Ok(folder) => self.of_node(&folder, depth),
            Err(_) => Durability::Survives,
        }
    }

    fn of_node(&self, folder: &Path, depth: usize) -> Durability {
        let folder = match folder.parent() {
            Some(disk) if folder.join("partition").exists() => disk,
            _ => folder,
        };
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if depth > DEEPEST {
            return Durability::Unknown(format!("{name} lies too deep"));
        }
        let numbered = |kind: &str| {
            name.strip_prefix(kind).is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
        };
        if numbered("zram") || numbered("ram") {
            return Durability::LostAtReboot(name);
        }
        if let Ok(file) = fs::read_to_string(folder.join("loop/backing_file")) {
            let file = file.trim_end_matches('\n');
            if file.ends_with(" (deleted)") {
                return Durability::LostAtReboot(format!("{name} on {file}"));
            }
            return match self.of_path(Path::new(file), depth + 1) {
                Durability::LostAtReboot(what) => Durability::LostAtReboot(format!("{name} on {what}")),
                other => other,
            };
        }
        let below = fs::read_dir(folder.join("slaves")).into_iter().flatten().flatten();
        let below = below.filter_map(|entry| fs::canonicalize(entry.path()).ok());
        // What is spread over several is lost with any of them.
        let worst = below.map(|below| self.of_node(&below, depth + 1)).max_by_key(|durability| match durability {
            Durability::Survives => 0,
            Durability::Unknown(_) => 1,
            Durability::LostAtReboot(_) => 2,
        });
        match worst {
            Some(Durability::LostAtReboot(what)) => Durability::LostAtReboot(format!("{name} on {what}")),
            other => other.unwrap_or(Durability::Survives),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = "\
22 1 0:21 / / rw,relatime - overlay overlay rw,lowerdir=/ro,upperdir=/cow/upper,workdir=/cow/work
23 22 0:30 / /cow rw - tmpfs tmpfs rw
24 22 8:1 / /media/stick rw - ext4 /dev/sda1 rw
25 22 0:31 / /over rw - overlay overlay rw,lowerdir=/a,upperdir=/media/stick/up,workdir=/w
26 22 0:40 /@ /btrfs rw - btrfs /dev/dm-1 rw
27 22 0:41 / /pool rw - zfs pool/data rw
28 22 253:0 / /zram rw - ext4 /dev/zram0 rw
29 22 1:0 / /ram rw - ext4 /dev/ram0 rw
30 22 254:0 / /dracut rw - ext4 /dev/mapper/live-rw rw
31 22 7:3 / /in-memory rw - ext4 /dev/loop3 rw
32 22 7:4 / /on-stick rw - ext4 /dev/loop4 rw
33 22 9:0 / /raid rw - xfs /dev/md0 rw
34 22 0:42 / /btrfs-zram rw - btrfs /dev/zram0p1 rw
35 22 7:5 / /whole-disk rw - ext4 /dev/loop5 rw
36 22 7:6 / /hidden rw - ext4 /dev/loop6 rw";

    fn device(major: u64, minor: u64) -> u64 {
        nix::sys::stat::makedev(major, minor)
    }

    /// By the beginning of the path; the numbers of btrfs are its own.
    fn place_of(path: &Path) -> Option<Place> {
        let on = |id, device| Some(Place { mount: Some(id), device, block: None });
        let node = |number| Some(Place { mount: Some(99), device: device(0, 6), block: Some(number) });
        let text = path.to_str().unwrap();
        match text.split('/').nth(1).unwrap() {
            "" => on(22, device(0, 21)),
            "cow" => on(23, device(0, 30)),
            "media" => on(24, device(8, 1)),
            "over" => on(25, device(0, 31)),
            "btrfs" => on(26, device(0, 77)),
            "pool" => on(27, device(0, 41)),
            "old-kernel" => Some(Place { mount: None, device: device(253, 0), block: None }),
            "zram" => on(28, device(253, 0)),
            "ram" => on(29, device(1, 0)),
            "dracut" => on(30, device(254, 0)),
            "in-memory" => on(31, device(7, 3)),
            "on-stick" => on(32, device(7, 4)),
            "raid" => on(33, device(9, 0)),
            "btrfs-zram" => on(34, device(0, 78)),
            "whole-disk" => on(35, device(7, 5)),
            "hidden" => on(36, device(7, 6)),
            "elsewhere" => on(98, device(0, 98)),
            "dev" if text == "/dev/dm-1" => node(device(254, 1)),
            "dev" if text == "/dev/zram0p1" => node(device(253, 1)),
            "dev" if text == "/dev/sda" => node(device(8, 0)),
            _ => None,
        }
    }

    /// Devices as sysfs shows them: number, folder, and what they are built on.
    fn sysfs() -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        let path = |name: &str| sys.path().join(name);
        fs::create_dir_all(path("dev/block")).unwrap();
        for (number, folder, below) in [
            ("8:0", "sda", &[][..]),
            ("8:1", "sda/sda1", &[]),
            ("253:0", "zram0", &[]),
            ("253:1", "zram0/zram0p1", &[]),
            ("1:0", "ram0", &[]),
            ("7:1", "loop1", &[]),
            ("7:2", "loop2", &[]),
            ("7:3", "loop3", &[]),
            ("7:4", "loop4", &[]),
            ("7:5", "loop5", &[]),
            ("7:6", "loop6", &[]),
            ("254:0", "dm-0", &["loop1", "loop2"]),
            ("254:1", "dm-1", &["sda/sda1"]),
            ("9:0", "md0", &["sda", "sda/sda1"]),
        ] {
            let node = path(folder);
            fs::create_dir_all(node.join("slaves")).unwrap();
            if folder.contains('/') {
                fs::write(node.join("partition"), "1\n").unwrap();
            }
            for other in below {
                let link = node.join("slaves").join(other.replace('/', "-"));
                std::os::unix::fs::symlink(path(other), link).unwrap();
            }
            std::os::unix::fs::symlink(&node, path("dev/block").join(number)).unwrap();
        }
        for (name, file) in [
            ("loop1", "/media/stick/rootfs.img"),
            ("loop2", "/overlay (deleted)"),
            ("loop3", "/cow/disk.img"),
            ("loop4", "/media/stick/disk.img"),
            ("loop5", "/dev/sda"),
            ("loop6", "/nowhere/disk.img"),
        ] {
            fs::create_dir(path(name).join("loop")).unwrap();
            fs::write(path(name).join("loop/backing_file"), format!("{file}\n")).unwrap();
        }
        sys
    }

    #[test]
    fn a_live_system_forgets_its_root_but_not_a_stick() {
        let sys = sysfs();
        let judge = |path: &str, place| Host { table: LIVE, sys: sys.path(), place }.of_path(Path::new(path), 0);
        let lost = |what: &str| Durability::LostAtReboot(what.to_owned());
        for (path, found) in
            [("/", lost("tmpfs")), ("/media/stick", Durability::Survives), ("/over", Durability::Survives)]
        {
            assert_eq!(judge(path, &place_of), found, "{path}");
        }
        let blind = |path: &Path| place_of(path).filter(|_| path == Path::new("/"));
        assert_eq!(judge("/", &blind), lost("overlay over /cow/upper"));
    }

    #[test]
    fn a_disk_that_lies_in_memory_is_no_medium() {
        let sys = sysfs();
        let judge = |path: &str| Host { table: LIVE, sys: sys.path(), place: &place_of }.of_path(Path::new(path), 0);
        let lost = |what: &str| Durability::LostAtReboot(what.to_owned());
        for (path, found) in [
            ("/zram", lost("zram0")),
            ("/old-kernel", lost("zram0")),
            ("/btrfs-zram", lost("zram0")),
            ("/ram", lost("ram0")),
            // As Fedora's live systems have it.
            ("/dracut", lost("dm-0 on loop2 on /overlay (deleted)")),
            ("/in-memory", lost("loop3 on tmpfs")),
            ("/on-stick", Durability::Survives),
            ("/whole-disk", Durability::Survives),
            ("/raid", Durability::Survives),
            ("/btrfs", Durability::Survives),
            ("/pool", Durability::Survives),
        ] {
            assert_eq!(judge(path), found, "{path}");
        }
        for (path, why) in [("/hidden", "out of sight"), ("/elsewhere", "not in the mount table")] {
            assert!(matches!(judge(path), Durability::Unknown(told) if told.contains(why)), "{path}");
        }
    }
}
