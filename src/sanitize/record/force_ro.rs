//! The kernel's own write protection of a node, cleared for a run and set back after it, as it is told.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A boot partition of an eMMC that the kernel had made read-only by its switch `force_ro`, and the card had not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForceRo {
    /// Kernel node at the time.
    pub node: PathBuf,
    /// SHA-256 of the identity of what is behind it.
    pub identity_digest: String,
    /// When it was noted that the switch is about to be cleared.
    pub cleared: DateTime<Utc>,
    /// When it was set again, and the node was seen to be read-only; absent: it is not known to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_back: Option<DateTime<Utc>>,
    /// Why it was not set back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl ForceRo {
    /// One sentence without its full stop.
    pub fn words(&self) -> String {
        let node = self.node.display();
        let began = format!("the kernel's write protection of {node} (force_ro) was cleared for the run");
        match (&self.set_back, &self.failed) {
            (Some(_), _) => format!("{began}, and set back after it"),
            (None, Some(why)) => {
                let name = self.node.file_name().unwrap_or_default().display();
                format!(
                    "{began}, and could not be set back: {why}; write 1 to /sys/block/{name}/force_ro, or restart the machine"
                )
            }
            (None, None) => format!("{began}; that it was set back is not known"),
        }
    }
}
