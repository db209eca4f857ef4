//! How commands reach a drive, and what of the answer comes back.
//!
//! All calls block, for at most about their timeout where the kernel keeps it: call them from a
//! helper thread. None opens anything by name; the descriptor that is held is used.

#![allow(dead_code, unused_imports)] // The transports that use the rest follow.

mod error;
mod linux;
mod record;
mod scripted;

use std::time::Duration;

pub use error::TransportError;
pub use linux::Linux;
pub use record::{ExchangeLog, Recorder};
pub use scripted::{Script, Scripted};

use super::command::{Data, ata, block, mmc, nvme, opal, scsi};
use crate::media::CommandSet;

/// A path to one drive. A command set that the path does not carry answers
/// [`TransportError::NotSupported`]; an answer of the drive, good or bad, is an `Ok`.
pub trait Transport: Send {
    /// Which command sets this path can try. That it can does not mean that the drive answers.
    fn offers(&self) -> Vec<CommandSet>;

    /// An ATA command. Without registers in the outcome nothing is known of its result.
    fn ata(
        &mut self,
        command: &ata::Command,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<ata::Outcome, TransportError> {
        let _ = (data, timeout);
        Err(TransportError::not_supported(command.name))
    }

    /// A SCSI command.
    fn scsi(
        &mut self,
        command: &scsi::Command,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<scsi::Outcome, TransportError> {
        let _ = (data, timeout);
        Err(TransportError::not_supported(command.name))
    }

    /// An NVMe admin command.
    fn nvme_admin(
        &mut self,
        command: &nvme::AdminCommand,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<nvme::Completion, TransportError> {
        let _ = (data, timeout);
        Err(TransportError::not_supported(command.name))
    }

    /// MMC commands in a row, with nothing between them. At most one of them has data.
    fn mmc(
        &mut self,
        commands: &[mmc::Command],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<mmc::Outcome, TransportError> {
        let _ = (data, timeout);
        Err(TransportError::not_supported(commands.first().map_or("MMC", |command| command.name)))
    }

    /// The same to another area of the card, which has a node of its own. Between any two commands the kernel
    /// itself turns the card to the area of the node that they come through.
    fn mmc_in(
        &mut self,
        area: mmc::Area,
        commands: &[mmc::Command],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<mmc::Outcome, TransportError> {
        match area {
            mmc::Area::UserData => self.mmc(commands, data, timeout),
            mmc::Area::Boot0 | mmc::Area::Boot1 => Err(TransportError::not_supported(area.name())),
        }
    }

    /// A request to the kernel's Opal driver.
    fn opal(&mut self, request: &opal::Request<'_>, timeout: Duration) -> Result<opal::Outcome, TransportError> {
        let _ = timeout;
        Err(TransportError::not_supported(request.name()))
    }

    /// A request to the kernel's block layer.
    fn block(&mut self, request: &block::Request, timeout: Duration) -> Result<block::Outcome, TransportError> {
        let _ = timeout;
        Err(TransportError::not_supported(request.name()))
    }
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn offers(&self) -> Vec<CommandSet> {
        (**self).offers()
    }

    fn ata(
        &mut self,
        command: &ata::Command,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<ata::Outcome, TransportError> {
        (**self).ata(command, data, timeout)
    }

    fn scsi(
        &mut self,
        command: &scsi::Command,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<scsi::Outcome, TransportError> {
        (**self).scsi(command, data, timeout)
    }

    fn nvme_admin(
        &mut self,
        command: &nvme::AdminCommand,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<nvme::Completion, TransportError> {
        (**self).nvme_admin(command, data, timeout)
    }

    fn mmc(
        &mut self,
        commands: &[mmc::Command],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<mmc::Outcome, TransportError> {
        (**self).mmc(commands, data, timeout)
    }

    fn mmc_in(
        &mut self,
        area: mmc::Area,
        commands: &[mmc::Command],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<mmc::Outcome, TransportError> {
        (**self).mmc_in(area, commands, data, timeout)
    }

    fn opal(&mut self, request: &opal::Request<'_>, timeout: Duration) -> Result<opal::Outcome, TransportError> {
        (**self).opal(request, timeout)
    }

    fn block(&mut self, request: &block::Request, timeout: Duration) -> Result<block::Outcome, TransportError> {
        (**self).block(request, timeout)
    }
}
