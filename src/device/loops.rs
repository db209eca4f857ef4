//! Loop devices: what they stand on. The kernel shows no holders for them, and lets a file or a
//! block device stand below several at once.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::Roots;
use super::blocks::{Blocks, DevNum, Node, attr, attr_number};
use super::roots::Nodes;
use crate::media::Backing;
use crate::sys::ioctl;
use crate::units::Bytes;

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

/// What a loop device stands on. On a live system the driver is asked; sysfs only gives a path.
pub(crate) fn backing(roots: &Roots, node: &Node) -> Result<Backing, String> {
    let path = backing_path(node).unwrap_or_default();
    let offset = Bytes(attr_number(&node.dir, "loop/offset").unwrap_or(0));
    if roots.nodes == Nodes::Recorded {
        return Ok(Backing { device: Bytes(0), inode: Bytes(0), offset, path });
    }
    match status(roots, node) {
        Ok(status) => {
            Ok(Backing { device: Bytes(status.device), inode: Bytes(status.inode), offset: Bytes(status.offset), path })
        }
        // Not allowed to open it: the file itself can still be asked, by its path.
        Err(error) => match fs::metadata(&path) {
            Ok(meta) => Ok(Backing { device: Bytes(meta.dev()), inode: Bytes(meta.ino()), offset, path }),
            Err(_) => Err(format!("what {} stands on could not be read: {error}", node.path.display())),
        },
    }
}

/// The block device that a loop device stands on, if it is one and no file.
pub(crate) fn block_below<'a>(roots: &Roots, blocks: &'a Blocks, node: &Node) -> Option<&'a Node> {
    let path = backing_path(node)?;
    if roots.nodes == Nodes::Recorded {
        return path.starts_with("/dev").then(|| blocks.by_path(roots, &path)).flatten();
    }
    match status(roots, node) {
        Ok(status) => blocks.by_number(DevNum::from_raw(status.node)),
        Err(_) => blocks.by_path(roots, &path),
    }
}

/// Whether two loop devices stand on one file.
pub(crate) fn share_a_file(a: &Backing, b: &Backing) -> bool {
    match (a.inode.0, b.inode.0) {
        (0, 0) => a.path == b.path,
        _ => a.device == b.device && a.inode == b.inode,
    }
}

fn status(roots: &Roots, node: &Node) -> std::io::Result<ioctl::LoopStatus> {
    File::open(roots.on_host(&node.path)).and_then(|file| ioctl::loop_status(&file))
}
