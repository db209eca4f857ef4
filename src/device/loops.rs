//! Loop devices: what they stand on. The kernel shows no holders for them, and lets a file or a
//! block device stand below several at once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Roots;
use super::blocks::{Blocks, DevNum, Node, attr, attr_number};
use super::patience::each_in_time;
use super::protection::mounts::strip_deleted;
use super::roots::Nodes;
use crate::media::Backing;
use crate::sys::ioctl;
use crate::units::Bytes;

/// The driver asks the backing file's filesystem, which may be a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What one attached loop device stands on.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// The file, or why it is not known.
    pub backing: Result<Backing, String>,
    /// The block device, where it is one.
    pub below: Option<String>,
    /// It stands on a block device, and on which is not known.
    pub lost: Option<String>,
}

/// Whether it is a loop device that had a backing file when the list was read.
pub(crate) fn is_attached(node: &Node) -> bool {
    node.name.starts_with("loop") && node.partition.is_none() && !node.is_idle_loop
}

/// All attached loop devices.
pub(crate) fn attached(blocks: &Blocks) -> impl Iterator<Item = &Node> {
    blocks.disks().into_iter().filter(|node| is_attached(node))
}

/// The path of the backing file as it was when it was attached.
pub(crate) fn backing_path(node: &Node) -> Option<PathBuf> {
    attr(&node.dir, "loop/backing_file").map(PathBuf::from)
}

/// Whether two loop devices stand on one file.
pub(crate) fn share_a_file(a: &Backing, b: &Backing) -> bool {
    match (a.inode.0, b.inode.0) {
        (0, 0) => a.path == b.path,
        _ => a.device == b.device && a.inode == b.inode,
    }
}

/// What every attached loop device stands on, by name.
pub(crate) fn standings(roots: &Roots, blocks: &Blocks) -> BTreeMap<String, Standing> {
    let nodes: Vec<&Node> = attached(blocks).collect();
    let written = |node: &Node| Backing {
        device: Bytes(0),
        inode: Bytes(0),
        offset: Bytes(attr_number(&node.dir, "loop/offset").unwrap_or(0)),
        path: backing_path(node).unwrap_or_default(),
    };
    if roots.nodes == Nodes::Recorded {
        let standing = |node: &Node| {
            let backing = written(node);
            Standing { below: by_name(roots, blocks, &backing), backing: Ok(backing), lost: None }
        };
        return nodes.iter().map(|node| (node.name.clone(), standing(node))).collect();
    }
    let places: Vec<(PathBuf, Backing)> = nodes.iter().map(|node| (roots.on_host(&node.path), written(node))).collect();
    let answers = each_in_time(places, PATIENCE, |(node, written)| ask(node, written));
    let standing = |node: &Node, answer| standing(roots, blocks, node, written(node), answer);
    nodes.iter().zip(answers).map(|(node, answer)| (node.name.clone(), standing(node, answer))).collect()
}

/// By what its driver answered.
fn standing(
    roots: &Roots,
    blocks: &Blocks,
    node: &Node,
    written: Backing,
    answer: Option<Result<(Backing, u64), String>>,
) -> Standing {
    let unknown = |why: &str| format!("what {} stands on could not be read: {why}", node.path.display());
    let why = match answer {
        Some(Ok((backing, number))) => {
            let below = blocks.by_number(DevNum::from_raw(number)).map(|node| node.name.clone());
            return Standing { backing: Ok(backing), below, lost: None };
        }
        Some(Err(why)) => unknown(&why),
        None => unknown("the filesystem of its file does not answer"),
    };
    let below = by_name(roots, blocks, &written);
    // A file in /dev/shm is none. Nothing else is asked: it may be what does not answer.
    let is_file = || roots.nodes == Nodes::Live && fs::metadata(&written.path).is_ok_and(|meta| meta.is_file());
    let is_device = written.path.starts_with("/dev") && !is_file();
    let lost = (is_device && below.is_none()).then(|| format!("{why}; {} is not in the list", written.path.display()));
    Standing { backing: Err(why), below, lost }
}

/// The block device that a backing file is by its path.
fn by_name(roots: &Roots, blocks: &Blocks, written: &Backing) -> Option<String> {
    let path = strip_deleted(written.path.clone());
    path.starts_with("/dev").then(|| blocks.by_path(roots, &path)).flatten().map(|node| node.name.clone())
}

/// The backing file, and the device number where it is a block device. The driver knows; sysfs
/// only gives a path.
fn ask(node: &Path, written: &Backing) -> Result<(Backing, u64), String> {
    match File::open(node).and_then(|file| ioctl::loop_status(&file)) {
        Ok(status) => {
            let (device, inode, offset) = (Bytes(status.device), Bytes(status.inode), Bytes(status.offset));
            Ok((Backing { device, inode, offset, path: written.path.clone() }, status.node))
        }
        // Not allowed to open it: the file itself can still be asked, by its path.
        Err(error) => match fs::metadata(&written.path) {
            Ok(meta) => {
                let (device, inode) = (Bytes(meta.dev()), Bytes(meta.ino()));
                Ok((Backing { device, inode, ..written.clone() }, meta.rdev()))
            }
            Err(_) => Err(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The driver hangs, but the kernel has the path in sysfs.
    #[test]
    fn what_a_silent_loop_device_stands_on_is_found_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots::recorded(folder.path());
        let block = roots.sys.join("block");
        for (name, number) in [("sdb", "8:16"), ("loop0", "7:0")] {
            fs::create_dir_all(block.join(name).join("loop")).unwrap();
            fs::write(block.join(name).join("dev"), number).unwrap();
        }
        let blocks = Blocks::read(&roots).unwrap();
        let node = blocks.get("loop0").unwrap();
        let on = |path: &str, answer| {
            let written = Backing { device: Bytes(0), inode: Bytes(0), offset: Bytes(0), path: path.into() };
            standing(&roots, &blocks, node, written, answer)
        };
        for answer in [None, Some(Err("EIO".to_owned()))] {
            let on = |path: &str| on(path, answer.clone());
            let found = on("/dev/sdb");
            assert!(
                found.below.as_deref() == Some("sdb") && found.lost.is_none() && found.backing.is_err(),
                "{found:?}"
            );
            assert_eq!(on("/dev/sdb (deleted)").below.as_deref(), Some("sdb"));
            assert!(on("/dev/sdc").lost.is_some_and(|what| what.contains("/dev/sdc is not in the list")));
            let file = on("/srv/disk.img");
            assert!(file.below.is_none() && file.lost.is_none(), "{file:?}");
        }
    }
}
