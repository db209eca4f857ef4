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
}

/// Whether a loop device has a backing file.
pub(crate) fn is_attached(node: &Node) -> bool {
    node.name.starts_with("loop") && node.dir.join("loop/backing_file").exists()
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
        let standing = |node: &&Node| {
            let backing = written(node);
            let below = backing.path.starts_with("/dev").then(|| blocks.by_path(roots, &backing.path)).flatten();
            Standing { below: below.map(|node| node.name.clone()), backing: Ok(backing) }
        };
        return nodes.iter().map(|node| (node.name.clone(), standing(node))).collect();
    }
    let places: Vec<(PathBuf, Backing)> = nodes.iter().map(|node| (roots.on_host(&node.path), written(node))).collect();
    let answers = each_in_time(places, PATIENCE, |(node, written)| ask(node, written));
    let standing = |node: &Node, answer: Option<Result<(Backing, u64), String>>| {
        let unknown = |why: &str| format!("what {} stands on could not be read: {why}", node.path.display());
        match answer {
            Some(Ok((backing, number))) => {
                let below = blocks.by_number(DevNum::from_raw(number)).map(|node| node.name.clone());
                Standing { backing: Ok(backing), below }
            }
            Some(Err(why)) => Standing { backing: Err(unknown(&why)), below: None },
            None => Standing { backing: Err(unknown("the filesystem of its file does not answer")), below: None },
        }
    };
    nodes.iter().zip(answers).map(|(node, answer)| (node.name.clone(), standing(node, answer))).collect()
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
