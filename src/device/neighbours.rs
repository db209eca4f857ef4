//! Every node by which the bytes of a held medium can be reached, and who uses one of them without claiming it. A
//! virtual machine opens its disk without `O_EXCL`, and locks ranges of the very inode that it was given.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::Flock;
use nix::libc;

use super::Roots;
use super::blocks::{DevNum, Node};
use super::claim::{ClaimMode, io_error, open};
use super::claim_error::ClaimError;
use super::inventory::Drive;
use super::lock::{PAUSE, TRIES, ask_range, lock_shared, shared_lock};
use super::paths::drive_of;
use super::patience::each_in_time;
use super::protection::{World, writers};
use crate::media::{Medium, Protection};

/// Opening does not wake a drive; one that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// Drives that may be the medium by another path: their nodes, and what it means that one of them is used.
pub(super) fn alike<'a>(world: &'a World, drives: &[Drive], number: DevNum) -> Vec<(Vec<&'a Node>, Protection)> {
    let Some(own) = world.blocks.by_number(number).and_then(|node| drive_of(world, drives, node)) else {
        return Vec::new();
    };
    let nodes = |other: &Drive| -> Vec<&'a Node> {
        let names = other.nodes().flat_map(|disk| std::iter::once(&disk.name).chain(&disk.partitions));
        names.filter_map(|name| world.blocks.get(name)).collect()
    };
    own.alike(drives).map(|other| (nodes(other), own.perhaps(other))).collect()
}

/// What is held with a partition: its disk, and partitions that share bytes with it.
pub(super) fn hold_around(roots: &Roots, node: &Node, disk: &Node) -> Result<Vec<Arc<Flock<File>>>, ClaimError> {
    // Siblings may be mounted, so the disk cannot be opened exclusively; udev and other wipes
    // respect the lock.
    let whole = roots.on_host(&disk.path);
    let mut guards = vec![lock_shared(open(&whole, libc::O_CLOEXEC, ClaimMode::Read)?, &whole)?];
    let siblings = disk.read_partitions().map_err(|source| io_error(&whole, "looked at", source))?;
    let shares = |sibling: &&Node| sibling.number != node.number && sibling.overlaps(node);
    for sibling in siblings.iter().filter(shares) {
        guards.push(hold_sibling(&roots.on_host(&sibling.path))?);
    }
    Ok(guards)
}

/// A partition that the held one lies in: claims of this process hold it together.
fn hold_sibling(path: &Path) -> Result<Arc<Flock<File>>, ClaimError> {
    if let Some(guard) = shared_lock(path) {
        return Ok(guard);
    }
    match open(path, libc::O_EXCL | libc::O_CLOEXEC, ClaimMode::Read) {
        Ok(file) => lock_shared(file, path),
        // Another claim of this process may have come first meanwhile.
        Err(busy @ ClaimError::Busy { .. }) => shared_lock(path).ok_or(busy),
        Err(error) => Err(error),
    }
}

/// Whether a virtual machine has locked a range of one of the nodes besides `own`, which is locked. A drive that
/// does not answer counts against itself alone: it is waited for in the name of all that are judged together.
pub(super) fn ask_ranges(roots: &Roots, nodes: &[&Node], own: DevNum, mode: ClaimMode) -> Result<(), ClaimError> {
    let others = nodes.iter().filter(|node| node.number != own);
    let paths: Vec<(PathBuf, ClaimMode)> = others.map(|node| (roots.on_host(&node.path), mode)).collect();
    let answers = each_in_time(paths.clone(), PATIENCE, |(path, mode)| {
        match open(path, libc::O_NONBLOCK | libc::O_CLOEXEC, ClaimMode::Read) {
            Ok(file) => ask_range(&file, path, *mode),
            // Nobody locks a node that is not there.
            Err(ClaimError::Gone { .. } | ClaimError::NoMedium { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    });
    let late = |path: PathBuf| {
        let what = format!("{} did not answer within {} s", path.display(), PATIENCE.as_secs());
        Err(ClaimError::Protected { path, reasons: vec![Protection::CannotTell { what }] })
    };
    answers.into_iter().zip(paths).try_for_each(|(answer, (path, _))| answer.unwrap_or_else(|| late(path)))
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
