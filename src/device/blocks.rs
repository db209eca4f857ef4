//! The kernel's list of block devices: disks, their partitions, and what stands on what.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::Roots;
use super::loops::{self, Standing};
use super::roots::Nodes;
use crate::media::Backing;

/// A device number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DevNum {
    pub major: u64,
    pub minor: u64,
}

impl DevNum {
    /// `8:0`.
    pub fn parse(text: &str) -> Option<DevNum> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(DevNum { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    /// From `st_dev` or `st_rdev`.
    pub fn from_raw(raw: u64) -> DevNum {
        DevNum { major: nix::sys::stat::major(raw), minor: nix::sys::stat::minor(raw) }
    }
}

impl fmt::Display for DevNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// One block device, disk or partition.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The kernel's name (`sda1`).
    pub name: String,
    /// As people and other programs write it (`/dev/sda1`).
    pub path: PathBuf,
    /// Its folder in sysfs, symlinks resolved.
    pub dir: PathBuf,
    pub number: DevNum,
    /// Set for partitions.
    pub partition: Option<PartitionFacts>,
    /// Kernel names of its partitions.
    pub partitions: Vec<String>,
    /// Kernel names of what is built on it.
    pub holders: Vec<String>,
    /// Kernel names of what it is built on.
    pub slaves: Vec<String>,
    /// Why the holders are not known.
    pub unreadable: Option<String>,
    /// A loop device without a file below it: it has no bytes, so nothing lies in it or stands on it.
    pub is_idle_loop: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct PartitionFacts {
    pub disk: String,
    pub number: u32,
    /// Bytes from the start of the disk.
    pub start: u64,
    /// Bytes; `None` where it could not be read.
    pub size: Option<u64>,
}

impl PartitionFacts {
    /// Where a partition lies, and whether that is known. Of one that may lie anywhere each other one of the disk may
    /// share bytes.
    fn read(dir: &Path, disk: &str) -> (PartitionFacts, bool) {
        let number = attr_number(dir, "partition").and_then(|n| u32::try_from(n).ok());
        let start = attr_number(dir, "start").map(|units| units.saturating_mul(512));
        let size = attr_number(dir, "size").map(|units| units.saturating_mul(512)).filter(|_| start.is_some());
        let (is_known, disk) = (number.is_some() && start.is_some(), disk.to_owned());
        (PartitionFacts { disk, number: number.unwrap_or(0), start: start.unwrap_or(0), size }, is_known)
    }

    /// Whether the place `at` on the disk lies in it. Without a size it may.
    pub fn holds(&self, at: u64) -> bool {
        self.start <= at && at < self.end()
    }

    /// Whether some bytes belong to both.
    pub fn overlaps(&self, other: &PartitionFacts) -> bool {
        self.start < other.end() && other.start < self.end()
    }

    /// Whether the same partition of two disks, as far as tables tell.
    pub fn is_same_place(&self, other: &PartitionFacts) -> bool {
        (self.number, self.start, self.size) == (other.number, other.start, other.size)
    }

    fn end(&self) -> u64 {
        self.size.map_or(u64::MAX, |size| self.start.saturating_add(size))
    }
}

/// All block devices by kernel name.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    nodes: BTreeMap<String, Node>,
    numbers: HashMap<DevNum, String>,
    loops: BTreeMap<String, Standing>,
}

impl Blocks {
    /// Reads `/sys/block`. What disappears meanwhile is left out.
    pub fn read(roots: &Roots) -> io::Result<Blocks> {
        let mut blocks = Blocks::default();
        let folder = fs::canonicalize(roots.sys.join("block"))?;
        for name in list(&folder)? {
            let Some(disk) = Node::read(&folder.join(&name), &name, None)? else { continue };
            let partitions = match disk.is_idle_loop {
                true => Ok(Vec::new()),
                false => disk.read_partitions(),
            };
            let partitions = match partitions {
                Ok(partitions) => partitions,
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error),
            };
            let mut names: Vec<String> = partitions.iter().map(|node| node.name.clone()).collect();
            names.sort_by_key(|n| natural(n));
            partitions.into_iter().for_each(|node| blocks.add(node));
            blocks.add(Node { partitions: names, ..disk });
        }
        blocks.link_loops(roots);
        Ok(blocks)
    }

    /// A loop device on a block device holds it, though the kernel neither says so nor claims it.
    fn link_loops(&mut self, roots: &Roots) {
        self.loops = loops::standings(roots, self);
        let pairs = self.loops.iter().filter_map(|(above, standing)| Some((above.clone(), standing.below.clone()?)));
        for (above, below) in pairs.collect::<Vec<_>>() {
            if let Some(node) = self.nodes.get_mut(&above) {
                node.slaves.push(below.clone());
            }
            if let Some(node) = self.nodes.get_mut(&below) {
                node.holders.push(above);
            }
        }
    }

    /// What an attached loop device stands on; `None` for everything else.
    pub fn backing(&self, name: &str) -> Option<Result<&Backing, &String>> {
        self.loops.get(name).map(|standing| standing.backing.as_ref())
    }

    /// Block devices in use of which it is not known which they are.
    pub fn unknown(&self) -> impl Iterator<Item = &String> {
        self.loops.values().filter_map(|standing| standing.lost.as_ref())
    }

    pub fn get(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name)
    }

    pub fn by_number(&self, number: DevNum) -> Option<&Node> {
        self.numbers.get(&number).and_then(|name| self.nodes.get(name))
    }

    /// Disks and partitions.
    pub fn all(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// Whole devices in natural order (`sda`, `sdb`, ... `sdaa`).
    pub fn disks(&self) -> Vec<&Node> {
        let mut disks: Vec<&Node> = self.nodes.values().filter(|node| node.partition.is_none()).collect();
        disks.sort_by_cached_key(|node| natural(&node.name));
        disks
    }

    /// The disk a node lies on: itself, or its partition's disk.
    pub fn disk_of<'a>(&'a self, node: &'a Node) -> Option<&'a Node> {
        match &node.partition {
            Some(facts) => self.get(&facts.disk),
            None => Some(node),
        }
    }

    /// The other partitions of a partition's disk; none for a disk.
    pub fn siblings<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Node> {
        let disk = node.partition.as_ref().and_then(|facts| self.get(&facts.disk));
        let names = disk.into_iter().flat_map(|disk| &disk.partitions);
        names.filter_map(|name| self.get(name)).filter(move |other| other.name != node.name)
    }

    /// The siblings that share bytes with a partition: BSD and Solaris slices and the partition they lie in.
    pub fn overlapping<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Node> {
        self.siblings(node).filter(move |other| node.overlaps(other))
    }

    /// The node a path means on the machine that is looked at (`/dev/sda1`, `/dev/disk/by-id/...`).
    pub fn by_path(&self, roots: &Roots, path: &Path) -> Option<&Node> {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        let here = roots.on_host(path);
        if roots.nodes == Nodes::Live
            && let Ok(meta) = fs::metadata(&here)
        {
            return if meta.file_type().is_block_device() {
                self.by_number(DevNum::from_raw(meta.rdev()))
            } else {
                None
            };
        }
        // A recording has symlinks, but perhaps no nodes for them to point at.
        let real = fs::canonicalize(&here).or_else(|_| fs::read_link(&here)).unwrap_or(here);
        let text = real.strip_prefix(&roots.dev).unwrap_or(&real).to_str()?;
        let name = text.trim_start_matches("../").trim_start_matches("/dev/");
        self.nodes.values().find(|node| node.path.strip_prefix("/dev").is_ok_and(|p| p == Path::new(name)))
    }

    fn add(&mut self, node: Node) {
        self.numbers.insert(node.number, node.name.clone());
        self.nodes.insert(node.name.clone(), node);
    }
}

impl Node {
    /// Whether both are partitions, of one disk, that share bytes.
    pub fn overlaps(&self, other: &Node) -> bool {
        let pair = self.partition.as_ref().zip(other.partition.as_ref());
        pair.is_some_and(|(own, other)| own.disk == other.disk && own.overlaps(other))
    }

    /// The partitions of this disk as they are now, in the order of their names.
    pub fn read_partitions(&self) -> io::Result<Vec<Node>> {
        let mut partitions = Vec::new();
        for child in list(&self.dir)? {
            // The kernel names them after their disk. Its dozens of attributes are not worth asking.
            let dir = self.dir.join(&child);
            if child.starts_with(&self.name) && dir.join("partition").exists() {
                partitions.extend(Node::read(&dir, &child, Some(&self.name))?);
            }
        }
        Ok(partitions)
    }

    /// One node by its sysfs folder, without its partitions; `None` when it is gone.
    pub fn read(dir: &Path, name: &str, disk: Option<&str>) -> io::Result<Option<Node>> {
        let dir = match real_dir(dir) {
            Ok(dir) => dir,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let number = match read_attr(&dir, "dev") {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                DevNum::parse(&text).ok_or_else(|| io::Error::other(format!("{name}: device number {text:?}")))?
            }
            // NVMe path nodes (nvme0c0n1) are hidden: they have no number and cannot be opened.
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        // A machine may have a hundred of them, and each attribute is several system calls.
        if disk.is_none() && name.starts_with("loop") && !dir.join("loop/backing_file").exists() {
            return Ok(Some(Node::idle_loop(dir, name, number)));
        }
        let partition = disk.map(|disk| PartitionFacts::read(&dir, disk));
        let is_unplaced = partition.as_ref().is_some_and(|(_, is_known)| !is_known);
        let unplaced = is_unplaced.then(|| format!("number and start of {name} could not be read"));
        let partition = partition.map(|(facts, _)| facts);
        let devname = attr(&dir, "uevent")
            .and_then(|text| text.lines().find_map(|line| line.strip_prefix("DEVNAME=").map(str::to_owned)))
            .unwrap_or_else(|| name.replace('!', "/"));
        // A kernel without stacked devices has no such folder.
        let (holders, unreadable) = match list(&dir.join("holders")) {
            Ok(holders) => (holders, None),
            Err(error) if is_gone(&error) => (Vec::new(), None),
            Err(error) => (Vec::new(), Some(format!("the holders of {name} could not be read: {error}"))),
        };
        Ok(Some(Node {
            name: name.to_owned(),
            path: Path::new("/dev").join(devname),
            number,
            partition,
            partitions: Vec::new(),
            holders,
            unreadable: unreadable.or(unplaced),
            slaves: list(&dir.join("slaves")).unwrap_or_default(),
            dir,
            is_idle_loop: false,
        }))
    }

    fn idle_loop(dir: PathBuf, name: &str, number: DevNum) -> Node {
        Node {
            name: name.to_owned(),
            path: Path::new("/dev").join(name),
            dir,
            number,
            partition: None,
            partitions: Vec::new(),
            holders: Vec::new(),
            slaves: Vec::new(),
            unreadable: None,
            is_idle_loop: true,
        }
    }
}

/// A sysfs attribute as trimmed text; `None` when it is missing, unreadable or empty.
pub(crate) fn attr(dir: &Path, name: &str) -> Option<String> {
    let text = String::from_utf8(read_attr(dir, name).ok()?).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// A sysfs attribute as a decimal number.
pub(crate) fn attr_number(dir: &Path, name: &str) -> Option<u64> {
    attr(dir, name)?.parse().ok()
}

/// The bytes of a sysfs attribute. The kernel gives all of one at once, and at most a page (sysfs(5)), so most
/// need no second read.
pub(crate) fn read_attr(dir: &Path, name: &str) -> io::Result<Vec<u8>> {
    const PAGE: usize = 4096;
    let mut file = File::open(dir.join(name))?;
    let mut bytes = [0; PAGE];
    let mut count = 0;
    while count < PAGE {
        match file.read(&mut bytes[count..]) {
            Ok(0) => break,
            Ok(read) => {
                count += read;
                if bytes[count - 1] == b'\n' {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut bytes = bytes[..count].to_vec();
    if count == PAGE {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The folder itself, where a symbolic link of sysfs leads to it. Those lead to `../devices/...`, where nothing is a
/// link any more.
fn real_dir(dir: &Path) -> io::Result<PathBuf> {
    match fs::read_link(dir) {
        Ok(target) => match (target.strip_prefix("..").ok(), dir.parent().and_then(Path::parent)) {
            (Some(target), Some(sys)) if target.starts_with("devices") => Ok(sys.join(target)),
            _ => fs::canonicalize(dir),
        },
        Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => Ok(dir.to_owned()),
        Err(error) => Err(error),
    }
}

/// Entry names of a folder, sorted.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// A sort key that puts `sdb` before `sdaa` and `nvme2n1` before `nvme10n1`.
pub(crate) fn natural(name: &str) -> (String, usize, String) {
    let letters: String = name.chars().take_while(|c| !c.is_ascii_digit()).collect();
    let family: String = letters.chars().take(2).collect();
    let padded = name
        .split_inclusive(|c: char| !c.is_ascii_digit())
        .map(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            format!("{digits:0>10}{}", &part[digits.len()..])
        })
        .collect();
    (family, letters.len(), padded)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::ENOENT | nix::libc::ENODEV | nix::libc::ENXIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_the_kernel_hands_them_out() {
        let mut names = ["sdaa", "nvme10n1", "sdb", "nvme2n1", "loop10", "loop9", "sda"];
        names.sort_by_key(|n| natural(n));
        assert_eq!(names, ["loop9", "loop10", "nvme2n1", "nvme10n1", "sda", "sdb", "sdaa"]);
    }

    #[test]
    fn of_a_loop_device_without_a_file_only_the_number_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots::recorded(folder.path());
        let block = roots.sys.join("block");
        for (name, number) in [("loop0", "7:0"), ("loop1", "7:1")] {
            fs::create_dir_all(block.join(name).join("loop")).unwrap();
            fs::create_dir_all(block.join(name).join("holders/dm-0")).unwrap();
            fs::write(block.join(name).join("dev"), number).unwrap();
        }
        fs::write(block.join("loop0/loop/backing_file"), "/srv/disk.img\n").unwrap();
        let blocks = Blocks::read(&roots).unwrap();
        let of = |name: &str| blocks.get(name).map(|node| (loops::is_attached(node), node.holders.len())).unwrap();
        assert_eq!([of("loop0"), of("loop1")], [(true, 1), (false, 0)]);
        let idle = blocks.by_number(DevNum { major: 7, minor: 1 }).unwrap();
        assert_eq!((idle.path.as_path(), idle.unreadable.as_ref()), (Path::new("/dev/loop1"), None));
    }

    #[test]
    fn device_numbers() {
        assert_eq!(DevNum::parse("259:3\n"), Some(DevNum { major: 259, minor: 3 }));
        assert_eq!(DevNum::parse("x:3"), None);
    }
}
