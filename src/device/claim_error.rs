//! Why a medium could not be held.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::inventory::InventoryError;
use crate::media::{Difference, Protection};

/// The medium is not, or no longer, the one that was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct IdentityChanged {
    /// How it was reached.
    pub path: PathBuf,
    /// Every fact that differs.
    pub differences: Vec<Difference>,
}

impl fmt::Display for IdentityChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not the medium that was meant:", self.path.display())?;
        for (at, d) in self.differences.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma} {} was {:?}, is {:?}", d.field, d.before, d.now)?;
        }
        write!(f, "; look at `lastwrite drives` again")
    }
}

/// Why a medium could not be held. Nothing was written to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Somebody has it open exclusively, or mounted it.
    #[error("{} is in use{}; unmount it or stop what uses it, `lastwrite drives` shows what", path.display(), by_whom(by))]
    Busy {
        /// The node or file.
        path: PathBuf,
        /// Programs that have it open, where they can be seen.
        by: Option<String>,
    },
    /// Somebody holds the lock.
    #[error("{} is locked by another program (another wipe, a virtual machine?); wait for it or stop it", path.display())]
    Locked {
        /// The node or file.
        path: PathBuf,
    },
    /// Not allowed.
    #[error("{} may not be opened: {source}; run as root, or as its owner for an image file", path.display())]
    Permission {
        /// The node or file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Write-protected.
    #[error("{} is write-protected; look for a switch or `blockdev --setrw`, otherwise the medium must be destroyed", path.display())]
    ReadOnly {
        /// The node or file.
        path: PathBuf,
    },
    /// Nothing inside.
    #[error("{} has no medium inside; insert it and start again", path.display())]
    NoMedium {
        /// The node.
        path: PathBuf,
    },
    /// It is not there any more.
    #[error("{} is gone; connect the drive again, `lastwrite drives` shows its new name", path.display())]
    Gone {
        /// The node or file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// What the host has cached of it would answer in its place.
    #[error(
        "{} could not be read back: the host's cache of it cannot be dropped ({source}); that takes root, and the \
         backing file of a loop device",
        path.display()
    )]
    Cache {
        /// The node.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Any other failure.
    #[error("{} could not be {doing}: {source}", path.display())]
    Io {
        /// The node or file.
        path: PathBuf,
        /// `opened`, `locked`, `asked for locks`, `looked at`.
        doing: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another medium than the one that was meant.
    #[error(transparent)]
    Changed(#[from] IdentityChanged),
    /// Something stands against it.
    #[error("{} is protected: {}", path.display(), Protection::joined(reasons))]
    Protected {
        /// The node or file.
        path: PathBuf,
        /// All of it.
        reasons: Vec<Protection>,
    },
    /// The host's block devices could not be listed.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

impl ClaimError {
    /// What to do next, where the words do not say it themselves.
    pub fn advice(&self) -> Option<String> {
        match self {
            ClaimError::Protected { reasons, .. } => Protection::advice_on(reasons),
            _ => None,
        }
    }
}

fn by_whom(by: &Option<String>) -> String {
    by.as_ref().map_or_else(String::new, |by| format!(" by {by}"))
}
