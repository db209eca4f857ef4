//! What a drive says of itself through its own commands, as plain data.

use serde::{Deserialize, Serialize};

use super::CommandSet;
use crate::units::Bytes;

/// One command as it will be sent. The bytes are laid out as in [`super::Exchange`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedCommand {
    /// Which command set the bytes belong to.
    pub set: CommandSet,
    /// The command's name in its standard.
    pub name: String,
    /// The exact bytes, hex.
    pub command: String,
    /// What is sent along, hex; `redacted` where it holds a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_out: Option<String>,
}

/// How much an erasing command reaches beyond the block device it is sent through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The drive, namespace or logical unit itself and no other.
    #[default]
    Unit,
    /// Every namespace of the NVM subsystem.
    Subsystem,
    /// The main area of the card and both boot partitions.
    Card,
}

/// `namespace 2`, `namespaces 2, 3`.
pub fn namespace_words(nsids: &[u32]) -> String {
    let list = nsids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    match nsids {
        [] => "no namespace".to_owned(),
        [_] => format!("namespace {list}"),
        _ => format!("namespaces {list}"),
    }
}

/// An area that the host cannot address now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenArea {
    /// `host_protected_area`, `device_configuration_overlay`, `accessible_max_address`,
    /// `short_capacity`, `unallocated_capacity`, `unattached_namespaces`, `boot_partitions`,
    /// `general_purpose_partitions`.
    pub kind: String,
    /// How much is hidden, where the drive says.
    pub size: Option<Bytes>,
    /// What was done about it, in words.
    pub note: String,
    /// What became of it; absent where no run is told of, and in documents of versions without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AreaOutcome>,
}

/// What became of a hidden area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AreaOutcome {
    /// It is there, and the run did not reach it.
    Excluded,
    /// It was given back before the run, which then reached it.
    GivenBack,
    /// By its standard the drive's command reaches it too.
    Reached,
    /// The drive did not say whether there is one.
    Unknown,
}

impl HiddenArea {
    /// `host protected area, 524288 bytes`.
    pub fn label(&self) -> String {
        let kind = self.kind.replace('_', " ");
        match self.size {
            Some(size) => format!("{kind}, {size} bytes"),
            None => format!("{kind}, size unknown"),
        }
    }
}
