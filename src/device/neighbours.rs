//! Every node by which the bytes of a held medium can be reached, and who uses one of them without claiming it. A
//! virtual machine opens its disk without `O_EXCL`, and locks ranges of the very inode that it was given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nix::libc;

use super::Roots;
use super::blocks::{DevNum, Node};
use super::claim::{ClaimMode, open};
use super::claim_error::ClaimError;
use super::lock::{PAUSE, TRIES, ask_range};
use super::protection::{World, writers};
use crate::media::{Medium, Protection};

/// The medium's own node, its partitions, its other paths and theirs; of a partition its disk, and what overlaps it.
pub(super) fn nodes_of<'a>(world: &'a World, number: DevNum, medium: &Medium) -> Vec<&'a Node> {
    let blocks = &world.blocks;
    let mut nodes = Vec::new();
    let other_paths = medium.other_paths.iter().filter_map(|path| blocks.by_path(world.roots, path));
    for node in blocks.by_number(number).into_iter().chain(other_paths) {
        nodes.push(node);
        nodes.extend(node.partitions.iter().filter_map(|name| blocks.get(name)));
        nodes.extend(blocks.disk_of(node).filter(|disk| disk.number != node.number));
        nodes.extend(blocks.overlapping(node));
    }
    nodes
}

/// Paths of the siblings that share bytes with a partition.
pub(super) fn overlapping(node: &Node, disk: &Node) -> Result<Vec<PathBuf>, String> {
    let siblings = disk.read_partitions().map_err(|error| error.to_string())?;
    let shares = |sibling: &Node| sibling.number != node.number && sibling.overlaps(node);
    Ok(siblings.into_iter().filter(shares).map(|sibling| sibling.path).collect())
}

/// Whether a virtual machine has locked a range of one of the nodes besides `own`, which is locked.
pub(super) fn ask_ranges(roots: &Roots, nodes: &[&Node], own: DevNum, mode: ClaimMode) -> Result<(), ClaimError> {
    for node in nodes.iter().filter(|node| node.number != own) {
        let path = roots.on_host(&node.path);
        match open(&path, libc::O_NONBLOCK | libc::O_CLOEXEC, ClaimMode::Read) {
            Ok(file) => ask_range(&file, &path, mode)?,
            // Nobody locks a node that is not there.
            Err(ClaimError::Gone { .. } | ClaimError::NoMedium { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Who has some of the host's devices open for writing; or why that is not known.
pub(super) struct Writers(Result<BTreeMap<DevNum, String>, String>);

impl Writers {
    /// Looks for them with one walk over all processes, and again as long as there are any: udev and others have a
    /// device open for a moment.
    pub fn find(roots: &Roots, nodes: &[&Node]) -> Writers {
        let mut left: BTreeMap<DevNum, &Node> = nodes.iter().map(|node| (node.number, *node)).collect();
        if left.is_empty() {
            return Writers(Ok(BTreeMap::new()));
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match writers(&roots.proc, &left) {
                Ok(found) if found.is_empty() || tries >= TRIES => return Writers(Ok(found)),
                Ok(found) => left.retain(|number, _| found.contains_key(number)),
                Err(error) => return Writers(Err(format!("which programs have it open could not be read: {error}"))),
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// What stands against the medium that these nodes reach.
    pub fn of(&self, nodes: &[&Node]) -> Vec<Protection> {
        match &self.0 {
            Err(what) => vec![Protection::CannotTell { what: what.clone() }],
            Ok(found) => {
                let one = |node: &&Node| {
                    let by = found.get(&node.number)?.clone();
                    Some(Protection::OpenForWriting { node: node.path.clone(), by })
                };
                nodes.iter().filter_map(one).collect()
            }
        }
    }
}
