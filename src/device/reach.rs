//! What an erasing command reaches beyond the block device it is sent through.

use std::fs;
use std::path::{Path, PathBuf};

use super::Roots;
use super::blocks::{Node, attr};
use super::force_ro;
use super::inventory::{Drive, InventoryError, ask_whether_free, confirm_tokens, drives, read_world};
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
    let group = group(own.node, reach).ok_or_else(|| match reach {
        Reach::Card => unknown("no card register"),
        Reach::Subsystem | Reach::Unit => unknown("no subsystem name"),
    })?;
    let together = drives.iter().zip(tokens).filter(|(drive, _)| !is_own(drive));
    let mut media: Vec<Medium> = together
        .filter(|(drive, _)| self::group(drive.node, reach).as_ref() == Some(&group))
        // General purpose partitions of a card are none of its command's.
        .filter(|(drive, _)| reach != Reach::Card || force_ro::is_boot_partition(&drive.node.name))
        .map(|(drive, token)| drive.medium(&world, token))
        .collect();
    ask_whether_free(roots, &mut media);
    Ok(media)
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
