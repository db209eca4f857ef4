//! What an erasing command reaches beyond the block device it is sent through.

use std::fs;
use std::path::{Path, PathBuf};

use super::Roots;
use super::blocks::{Blocks, Node, attr, attr_number};
use super::facts::DiskFacts;
use super::force_ro;
use super::inventory::{Drive, InventoryError, ask_whether_free, confirm_tokens, drives, read_world, skip_reason};
use crate::media::{Medium, Reach};

/// It cannot be told what a command would erase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReachError {
    /// The host's block devices could not be listed.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The kernel does not say what belongs together.
    #[error("what belongs to the same drive as {} cannot be told ({why}), so neither can be what its command would erase", path.display())]
    Unknown {
        /// The medium.
        path: PathBuf,
        /// What is missing.
        why: &'static str,
    },
    /// It is not what a person confirmed.
    #[error("what a command for {} erases along is not what was confirmed: {what}; look at `lastwrite drives` again", path.display())]
    Changed {
        /// The medium.
        path: PathBuf,
        /// What came or went.
        what: String,
    },
    /// The drive has other units, and its command may reach them.
    #[error(
        "its command may erase the drive's other logical units along with it ({}), which nobody looked at or confirmed; overwrite each unit by itself (--method clear) where they take writes, or destroy the drive",
        list(units)
    )]
    Beside {
        /// The other units.
        units: Vec<PathBuf>,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The other media that a command of this reach erases along with `medium`, protections and confirm
/// tokens filled in.
pub fn reached(roots: &Roots, medium: &Medium, reach: Reach) -> Result<Vec<Medium>, ReachError> {
    if reach == Reach::Unit {
        return Ok(Vec::new());
    }
    let world = read_world(roots)?;
    let drives = drives(&world);
    let tokens = confirm_tokens(&drives);
    let unknown = |why| ReachError::Unknown { path: medium.path.clone(), why };
    let is_own =
        |drive: &Drive| drive.node.path == medium.path || drive.others.iter().any(|other| other.path == medium.path);
    let own = drives.iter().find(|drive| is_own(drive)).ok_or_else(|| unknown("it is not in the list of drives"))?;
    let group = group(own.node, reach).ok_or_else(|| unknown(without_group(reach)))?;
    let together = drives.iter().zip(tokens).filter(|(drive, _)| !is_own(drive));
    let mut media: Vec<Medium> = together
        .filter(|(drive, _)| belongs(drive.node, reach, &group))
        .map(|(drive, token)| drive.medium(&world, &drives, token))
        .collect();
    ask_whether_free(roots, &mut media);
    Ok(media)
}

/// Holds what a command of this reach erases along with `medium` now against what was `confirmed`. All of them
/// may be held already, so nothing is asked whether it is free: what was not confirmed is refused, used or not.
pub fn check_reached(roots: &Roots, medium: &Medium, reach: Reach, confirmed: &[Medium]) -> Result<(), ReachError> {
    if reach == Reach::Unit {
        return Ok(());
    }
    let blocks =
        Blocks::read(roots).map_err(|source| InventoryError::Sysfs { path: roots.sys.join("block"), source })?;
    let unknown = |why| ReachError::Unknown { path: medium.path.clone(), why };
    let changed = |what| ReachError::Changed { path: medium.path.clone(), what };
    let is_own = |node: &Node| node.path == medium.path || medium.other_paths.contains(&node.path);
    let disks = blocks.disks();
    let own = disks.iter().find(|node| is_own(node)).ok_or_else(|| unknown("it is not in the list of drives"))?;
    let group = group(own, reach).ok_or_else(|| unknown(without_group(reach)))?;
    let mut here = vec![false; confirmed.len()];
    for node in disks.iter().filter(|node| !is_own(node) && skip_reason(node).is_none()) {
        if !belongs(node, reach, &group) {
            continue;
        }
        let now = DiskFacts::read(roots, node).identity;
        let unit = now.unit.clone().unwrap_or_default();
        match confirmed.iter().position(|known| known.identity.differences(&now).is_empty()) {
            Some(at) => here[at] = true,
            None => return Err(changed(format!("{} ({unit}) was not", node.path.display()))),
        }
    }
    match here.iter().zip(confirmed).find(|(here, _)| !**here) {
        Some((_, gone)) => Err(changed(format!("{} is not there any more", gone.path.display()))),
        None => Ok(()),
    }
}

/// Refused where the SCSI target that `medium` is a unit of has other logical units, by any of its paths. SANITIZE,
/// FORMAT UNIT (SBC-5 annex K) and what goes to the drive's security subsystem may reach them as well (drives with
/// two actuators show each as a unit). Nothing where it is no SCSI device.
pub fn check_alone(roots: &Roots, medium: &Medium) -> Result<(), ReachError> {
    let units = units_beside(roots, medium)?;
    if units.is_empty() { Ok(()) } else { Err(ReachError::Beside { units }) }
}

fn units_beside(roots: &Roots, medium: &Medium) -> Result<Vec<PathBuf>, ReachError> {
    let blocks =
        Blocks::read(roots).map_err(|source| InventoryError::Sysfs { path: roots.sys.join("block"), source })?;
    let disks = blocks.disks();
    let is_own = |node: &Node| node.path == medium.path || medium.other_paths.contains(&node.path);
    let (own, others): (Vec<&Node>, Vec<&Node>) = disks.into_iter().partition(|node| is_own(node));
    if own.is_empty() {
        return Err(ReachError::Unknown { path: medium.path.clone(), why: "it is not in the list of drives" });
    }
    let is_target = |above: &Path| above.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"target"));
    let targets: Vec<&Path> =
        own.iter().filter_map(|node| node.dir.ancestors().find(|above| is_target(above))).collect();
    // An optical unit, or a slot with no medium in it, holds nothing that could be erased along.
    let holds_nothing = |node: &Node| {
        let is = |name: &str, value: u64| attr_number(&node.dir, name) == Some(value);
        node.name.starts_with("sr") || (is("removable", 1) && is("size", 0))
    };
    let beside =
        others.iter().filter(|node| !holds_nothing(node) && targets.iter().any(|target| node.dir.starts_with(target)));
    Ok(beside.map(|node| node.path.clone()).collect())
}

/// Why nobody can say what belongs together.
fn without_group(reach: Reach) -> &'static str {
    match reach {
        Reach::Card => "no card register",
        Reach::Subsystem | Reach::Unit => "no subsystem name",
    }
}

/// General purpose partitions of a card are none of its command's.
fn belongs(node: &Node, reach: Reach, to: &str) -> bool {
    group(node, reach).as_deref() == Some(to) && (reach != Reach::Card || force_ro::is_boot_partition(&node.name))
}

/// A name that all media of one subsystem, or of one card, share.
fn group(node: &Node, reach: Reach) -> Option<String> {
    match reach {
        Reach::Unit => None,
        // The controller's attribute, or behind native multipath the subsystem's.
        Reach::Subsystem => attr(&node.dir, "device/subsysnqn").filter(|name| !name.is_empty()),
        Reach::Card => {
            let card = node.dir.ancestors().find(|above| above.join("cid").is_file())?;
            let place = fs::canonicalize(card).unwrap_or_else(|_| Path::new(card).to_owned());
            Some(format!("{} {}", attr(card, "cid")?, place.display()))
        }
    }
}
