//! The areas that an eMMC card has beside its main one, by its own word (EXT_CSD). Asks, and changes nothing.

use std::time::Duration;

use super::mmc::r1;
use crate::device::command::Data;
use crate::device::command::mmc::{ExtCsd, send_ext_csd};
use crate::device::transport::Transport;
use crate::media::HiddenArea;
use crate::units::Bytes;

/// Kind of hidden area: both boot partitions of a card, together.
pub const BOOT_PARTITIONS: &str = "boot_partitions";
/// Kind of hidden area: the general purpose partitions of a card, together.
pub const GENERAL_PURPOSE_PARTITIONS: &str = "general_purpose_partitions";

const PATIENCE: Duration = Duration::from_secs(60);

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmcAreas {
    /// Both boot partitions.
    pub boot: Bytes,
    /// All general purpose partitions.
    pub general_purpose: Bytes,
    /// The replay-protected memory block.
    pub rpmb: Bytes,
}

impl MmcAreas {
    /// Asks the card.
    pub fn examine(path: &mut dyn Transport) -> Result<MmcAreas, String> {
        let card = ext_csd(path)?;
        Ok(MmcAreas {
            boot: Bytes(card.boot_size.0 * 2),
            general_purpose: Bytes(card.general_purpose.iter().map(|size| size.0).sum()),
            rpmb: card.rpmb_size,
        })
    }

    /// By which command the card was asked, and what no command reaches.
    pub fn asked_by(&self) -> String {
        match self.rpmb.0 {
            0 => "SEND_EXT_CSD".to_owned(),
            size => format!(
                "SEND_EXT_CSD; the replay-protected area (RPMB, {size} bytes) can be erased by no host and is as it was"
            ),
        }
    }

    /// Those with nodes of their own. Only a run of its own, or a command that is meant to, reaches them.
    pub fn report(&self) -> Vec<HiddenArea> {
        [(BOOT_PARTITIONS, self.boot, "boot0, boot1"), (GENERAL_PURPOSE_PARTITIONS, self.general_purpose, "gp0 ...")]
            .into_iter()
            .filter(|(_, size, _)| size.0 > 0)
            .map(|(kind, size, nodes)| HiddenArea {
                kind: kind.to_owned(),
                size: Some(size),
                note: format!("areas of the card of their own ({nodes}), which this run did not reach"),
                outcome: None,
            })
            .collect()
    }
}

pub(super) fn ext_csd(path: &mut dyn Transport) -> Result<ExtCsd, String> {
    let command = [send_ext_csd()];
    let mut data = [0; 512];
    let outcome = path.mmc(&command, Data::In(&mut data), PATIENCE).map_err(|error| error.to_string())?;
    if !outcome.is_success(&command) {
        return Err(format!("SEND_EXT_CSD: R1 {}", r1(&outcome.responses)));
    }
    ExtCsd::parse(&data).ok_or_else(|| "SEND_EXT_CSD came back unfilled".to_owned())
}
