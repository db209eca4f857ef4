//! The media the running system comes from: from its mount points down through overlay, squashfs,
//! loop devices and dm to the disk; and, when it was booted into RAM, what the boot loader named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::World;
use super::mounts::{Mount, Namespace, strip_deleted};
use super::signature::Found;
use crate::device::Roots;
use crate::device::blocks::{DevNum, Node, list};
use crate::device::loops;
use crate::device::roots::Nodes;
use crate::device::udev::{Properties, decode};

/// Mount points of an installed system.
const INSTALLED: [&str; 6] = ["/", "/usr", "/boot", "/boot/efi", "/efi", "/nix/store"];
/// Where live systems (live-boot, dracut, archiso, miso, casper, Slax) keep their medium mounted.
const LIVE: [&str; 10] = [
    "/run/live",
    "/lib/live/mount",
    "/run/initramfs",
    "/run/archiso",
    "/run/miso",
    "/run/rootfsbase",
    "/cdrom",
    "/isodevice",
    "/live",
    "/mnt/live",
];

/// Nodes the system comes from, each with the chain that leads there.
#[derive(Clone, Debug, Default)]
pub(crate) struct SystemMedia {
    chains: BTreeMap<String, String>,
    /// The word on the kernel's command line by which the system was copied into memory, where nothing tells from
    /// which medium.
    pub copied_by: Option<String>,
}

impl SystemMedia {
    pub fn find(world: &World) -> SystemMedia {
        let mut search = Search { world, found: BTreeMap::new(), lost_layer: false };
        for ns in world.mounts.iter().flat_map(|tables| &tables.namespaces).filter(|ns| ns.is_system) {
            let live = ns.mounts.iter().filter(|mount| LIVE.iter().any(|at| mount.mount_point.starts_with(at)));
            let installed = INSTALLED.iter().filter_map(|at| ns.at(Path::new(at)));
            for mount in installed.chain(live) {
                let trail = vec![mount.mount_point.display().to_string()];
                search.mount(ns, mount, &trail, &mut BTreeSet::new());
            }
        }
        search.images_of_lost_layers();
        let words = command_line(world.roots);
        search.command_line(&words);
        let copied_by = copied_by(&words).filter(|_| !search.has_medium()).map(str::to_owned);
        SystemMedia { chains: search.found, copied_by }
    }

    /// The chain that leads to a node, or to a disk as a whole.
    pub fn chain(&self, name: &str) -> Option<&str> {
        self.chains.get(name).map(String::as_str)
    }
}

struct Search<'a> {
    world: &'a World<'a>,
    found: BTreeMap<String, String>,
    /// An overlay has a layer whose path leads nowhere (it was mounted in the initramfs).
    lost_layer: bool,
}

impl Search<'_> {
    fn mount(&mut self, ns: &Namespace, mount: &Mount, trail: &[String], seen: &mut BTreeSet<String>) {
        let world = self.world;
        if let Some(node) = world.blocks.by_number(mount.number) {
            return self.node(node, trail, seen);
        }
        if !seen.insert(format!("{} {}", mount.number, mount.mount_point.display())) {
            self.lost_layer = true;
            return;
        }
        let trail = &with(trail, &mount.fs_type);
        match mount.fs_type.as_str() {
            "overlay" | "aufs" | "unionfs" => {
                for layer in mount.layers() {
                    match ns.containing(&layer) {
                        Some(below) if below.mount_point != mount.mount_point => self.mount(ns, below, trail, seen),
                        _ => self.lost_layer = true,
                    }
                }
            }
            "zfs" => {
                let pool = mount.source.to_string_lossy().split('/').next().unwrap_or_default().to_owned();
                for node in world.zfs_members(&pool) {
                    self.node(node, &with(trail, &pool), seen);
                }
            }
            _ => {
                for node in world.nodes_of_source(mount) {
                    self.node(node, trail, seen);
                }
            }
        }
    }

    fn node(&mut self, node: &Node, trail: &[String], seen: &mut BTreeSet<String>) {
        if !seen.insert(node.name.clone()) {
            return;
        }
        let world = self.world;
        let trail = &with(trail, &node.name);
        self.found.entry(node.name.clone()).or_insert_with(|| trail.join(" -> "));
        if let Some(disk) = world.blocks.disk_of(node).filter(|disk| disk.name != node.name) {
            return self.node(disk, trail, seen);
        }
        for name in &node.slaves {
            if let Some(below) = world.blocks.get(name) {
                self.node(below, trail, seen);
            }
        }
        if node.name.starts_with("loop") && node.slaves.is_empty() {
            self.backing_file(node, trail, seen);
        }
    }

    fn backing_file(&mut self, node: &Node, trail: &[String], seen: &mut BTreeSet<String>) {
        let world = self.world;
        let tables = || world.mounts.iter().flat_map(|tables| &tables.namespaces);
        // The driver knows the filesystem's device even where the path leads nowhere any more.
        if world.roots.nodes == Nodes::Live
            && let Some(Ok(backing)) = world.blocks.backing(&node.name)
        {
            let number = DevNum::from_raw(backing.device.0);
            if let Some(below) = world.blocks.by_number(number) {
                return self.node(below, trail, seen);
            }
            let mounted = tables().find_map(|ns| Some((ns, ns.mounts.iter().find(|m| m.number == number)?)));
            if let Some((ns, mount)) = mounted {
                return self.mount(ns, mount, trail, seen);
            }
        }
        let Some(path) = loops::backing_path(node).map(strip_deleted) else {
            return;
        };
        let Some((ns, mount)) = tables().find_map(|ns| Some((ns, ns.containing(&path)?))) else { return };
        self.mount(ns, mount, trail, seen);
    }

    /// casper and others leave an overlay whose lower layers are only attached as loop devices.
    fn images_of_lost_layers(&mut self) {
        if !self.lost_layer {
            return;
        }
        let world = self.world;
        for node in loops::attached(&world.blocks) {
            let file = loops::backing_path(node).unwrap_or_default();
            let file = file.to_string_lossy();
            let is_system_image =
                [".squashfs", ".sfs", ".erofs", ".iso", "rootfs.img"].iter().any(|end| file.ends_with(end));
            if is_system_image {
                let trail = vec!["/".to_owned(), "overlay".to_owned(), node.name.clone()];
                self.backing_file(node, &trail, &mut BTreeSet::from([node.name.clone()]));
            }
        }
    }

    /// The device named on the kernel's command line: all that is left of it after a boot into RAM.
    fn command_line(&mut self, words: &[String]) {
        const KEYS: [&str; 15] = [
            "root=",
            "live-media=",
            "bootfrom=",
            "live_dev=",
            "archisolabel=",
            "archisodevice=",
            "archisosearchuuid=",
            "misolabel=",
            "img_dev=",
            "iso-scan/device=",
            "from=",
            "fromiso=",
            "isofrom_device=",
            "inst.stage2=",
            "inst.repo=",
        ];
        // What a system in memory uses is no medium, and may bear the name of the one that it came from.
        let on_medium = self.has_medium();
        for word in words {
            let Some((key, value)) = KEYS.iter().find_map(|key| Some((*key, word.strip_prefix(key)?))) else {
                continue;
            };
            let value = value.trim_start_matches("live:");
            let value = match key {
                "archisolabel=" | "misolabel=" => format!("LABEL={value}"),
                "archisosearchuuid=" => format!("UUID={value}"),
                // `hd:LABEL=NAME:/folder`
                "inst.stage2=" | "inst.repo=" => match value.strip_prefix("hd:") {
                    Some(place) => place.split(':').next().unwrap_or(place).to_owned(),
                    None => continue,
                },
                _ => value.to_owned(),
            };
            // Of several that answer to a name the one that is in use is known, and otherwise it may be any.
            let world = self.world;
            let is_known = |node: &Node| on_medium && self.found.contains_key(&node.name);
            let named = world.named(&value, is_known);
            if named.iter().any(|node| is_known(node)) {
                continue;
            }
            let disks: BTreeSet<&str> =
                named.iter().filter_map(|node| Some(world.blocks.disk_of(node)?.name.as_str())).collect();
            let among =
                if disks.len() > 1 { format!(", to which {} devices answer", disks.len()) } else { String::new() };
            for node in named {
                let trail = vec![format!("kernel command line {word}{among}")];
                self.node(node, &trail, &mut BTreeSet::new());
            }
        }
    }

    /// Whether something was found that outlives the memory of this machine.
    fn has_medium(&self) -> bool {
        let is_of_others = |name: &str| ["loop", "ram", "zram", "dm-", "md"].iter().any(|kind| name.starts_with(kind));
        self.found.keys().any(|name| !is_of_others(name))
    }
}

impl World<'_> {
    /// What answers to `/dev/...`, `UUID=`, `LABEL=`, `CDLABEL=`, `PARTUUID=`, `PARTLABEL=`.
    fn named(&self, value: &str, is_known: impl Fn(&Node) -> bool) -> Vec<&Node> {
        if value.starts_with("/dev/") {
            // A file may be named on the device: `/dev/sdb1/live.iso`.
            let places = Path::new(value).ancestors().take_while(|place| *place != Path::new("/dev"));
            return places.filter_map(|place| self.blocks.by_path(self.roots, place)).take(1).collect();
        }
        let Some((key, name)) = value.split_once('=') else { return Vec::new() };
        let name = &decode(name);
        let (folder, property) = match key {
            "UUID" => ("by-uuid", "ID_FS_UUID"),
            "LABEL" | "CDLABEL" => ("by-label", "ID_FS_LABEL"),
            "PARTUUID" => ("by-partuuid", "ID_PART_ENTRY_UUID"),
            "PARTLABEL" => ("by-partlabel", "ID_PART_ENTRY_NAME"),
            _ => return Vec::new(),
        };
        // The link leads to one alone of the sticks that were made from one image.
        let link = Path::new("/dev/disk").join(folder).join(encode(name));
        let mut found: Vec<&Node> = self.blocks.by_path(self.roots, &link).into_iter().collect();
        // Drives are only woken where it is not known anyway.
        if found.iter().any(|node| is_known(node)) {
            return found;
        }
        let in_database = |node: &&Node| {
            Properties::of(self.roots, node).get(property).is_some_and(|value| value.eq_ignore_ascii_case(name))
        };
        found.extend(self.blocks.all().filter(in_database));
        if found.iter().any(|node| is_known(node)) {
            return found;
        }
        // Without udev the superblocks say it themselves.
        found.extend(match key {
            "LABEL" | "CDLABEL" => self.written(|read| read.label.as_deref() == Some(name)),
            "UUID" => self.written(|read| read.uuid.as_ref().is_some_and(|uuid| uuid.eq_ignore_ascii_case(name))),
            _ => Vec::new(),
        });
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.dedup_by(|a, b| a.name == b.name);
        found
    }

    /// The nodes with such a superblock, where udev has not looked.
    fn written(&self, is_meant: impl Fn(&Found) -> bool) -> Vec<&Node> {
        let nodes: Vec<&Node> = self.blocks.all().collect();
        let read = self.superblocks(&nodes).into_iter().filter(|(_, found)| is_meant(found));
        read.filter_map(|(path, _)| nodes.iter().copied().find(|node| node.path == path)).collect()
    }

    /// The nodes of a filesystem without a device number of its own: btrfs, bcachefs.
    pub(super) fn nodes_of_source(&self, mount: &Mount) -> Vec<&Node> {
        let source = mount.source.as_os_str().as_bytes();
        if !source.starts_with(b"/dev/") {
            return Vec::new();
        }
        let paths = source.split(|b| *b == b':').map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(path)));
        let named: Vec<&Node> = paths.filter_map(|path| self.blocks.by_path(self.roots, &path)).collect();
        if mount.fs_type != "btrfs" {
            return named;
        }
        let siblings: Vec<&Node> = named
            .iter()
            .filter_map(|node| self.btrfs.iter().find(|fs| fs.devices.contains(&node.name)))
            .flat_map(|fs| fs.devices.iter().filter_map(|name| self.blocks.get(name)))
            .collect();
        if siblings.is_empty() { named } else { siblings }
    }

    /// The nodes whose label names a pool.
    fn zfs_members(&self, pool: &str) -> Vec<&Node> {
        let member = |node: &Node| {
            self.signature(node).is_some_and(|found| found.of == "zfs_member" && found.label.as_deref() == Some(pool))
        };
        self.blocks.all().filter(|node| member(node)).collect()
    }
}

/// Filesystems that btrfs has assembled (`/sys/fs/btrfs/UUID/devices`).
#[derive(Clone, Debug)]
pub(crate) struct BtrfsFilesystem {
    pub uuid: String,
    pub devices: Vec<String>,
}

pub(crate) fn btrfs(sys: &Path) -> Vec<BtrfsFilesystem> {
    let folder = sys.join("fs/btrfs");
    let names = list(&folder).unwrap_or_default();
    names
        .into_iter()
        .filter_map(|uuid| Some(BtrfsFilesystem { devices: list(&folder.join(&uuid).join("devices")).ok()?, uuid }))
        .collect()
}

/// The words of the kernel's command line. `--` starts what belongs to init.
pub(super) fn command_line(roots: &Roots) -> Vec<String> {
    let line = fs::read_to_string(roots.proc.join("cmdline")).unwrap_or_default();
    words(line.trim()).into_iter().take_while(|word| word != "--").collect()
}

/// The words of a kernel command line: quotes keep spaces together and are dropped.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => words.iter_mut().next_back().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The word by which a live system was copied into memory. What came over the network has no medium.
pub(super) fn copied_by(words: &[String]) -> Option<&str> {
    const NETWORK: [&str; 13] = [
        "fetch=",
        "httpfs=",
        "ftpfs=",
        "netboot=",
        "nfsroot=",
        "url=",
        "archiso_nbd_srv=",
        "root=live:ftp",
        "root=live:tftp",
        "archiso_http_srv=",
        "archiso_nfs_srv=",
        "root=live:http",
        "root=live:nfs",
    ];
    let is_copied = |word: &&String| {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let is_off = matches!(value, "n" | "no" | "0" | "false" | "off");
        matches!(key, "toram" | "copytoram" | "rd.live.ram") && !is_off
    };
    let is_remote = words.iter().any(|word| NETWORK.iter().any(|start| word.starts_with(start)));
    words.iter().find(is_copied).map(String::as_str).filter(|_| !is_remote)
}

/// udev's spelling of a name in `/dev/disk/by-*`.
fn encode(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"#+-.:=@_".contains(&b) || b >= 0x80;
    name.bytes().fold(String::new(), |mut out, b| {
        match plain(b) && b < 0x80 {
            true => out.push(char::from(b)),
            false => out.push_str(&format!("\\x{b:02x}")),
        }
        out
    })
}

fn with(trail: &[String], step: &str) -> Vec<String> {
    trail.iter().cloned().chain([step.to_owned()]).collect()
}
