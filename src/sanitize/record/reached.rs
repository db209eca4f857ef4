//! Media that a command erased along with the one that was named.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{FoundFacts, KnownContent};
use crate::media::Identity;

/// What was read of a medium that the command erased along: all of it, afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReachedReading {
    /// Blocks of known content, written and read back before the command.
    pub canaries: KnownContent,
    /// Blocks of the earlier content, by digest.
    pub samples: KnownContent,
    /// What stands in it.
    pub found: FoundFacts,
}

/// A medium that the command erased along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReachedFacts {
    /// Its identity.
    pub identity: Identity,
    /// SHA-256 of it.
    pub identity_digest: String,
    /// Kernel node at the time.
    pub path: PathBuf,
    /// Absent: it was not read afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReachedReading>,
}
