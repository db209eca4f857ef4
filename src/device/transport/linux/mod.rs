//! The real path: the kernel's pass-through requests over a descriptor that is open already.

mod ata;
mod rescan;
mod scsi;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Transport, TransportError};
use crate::device::Roots;
use crate::device::command::{Data, ata as ata_command, block, mmc, nvme, opal, scsi as scsi_command};
use crate::media::{self, CommandSet, Medium};
use crate::sys::{ioctl, passthrough};
use crate::units::Bytes;

/// The kernel counts zones and sectors in these.
const SECTOR: u64 = 512;

/// A path over a drive's own node. Holds the descriptor, and with it the locks on it.
#[derive(Debug)]
pub struct Linux {
    file: File,
    offers: Vec<CommandSet>,
    /// Attributes of the device behind the node, for rescans.
    device: PathBuf,
    /// Nodes of other areas of the card.
    areas: Vec<(mmc::Area, File)>,
}

impl Linux {
    /// Over the open `file` of `medium`. The descriptor is duplicated: same open file, same locks.
    pub fn over(roots: &Roots, file: &File, medium: &Medium) -> io::Result<Linux> {
        let file = file.try_clone()?;
        let number = super::super::blocks::DevNum::from_raw(file.metadata()?.rdev());
        let device = roots.sys.join("dev/block").join(number.to_string()).join("device");
        Ok(Linux { file, offers: offers(medium), device, areas: Vec::new() })
    }

    /// With the open node of another area of the same card.
    pub fn with_area(mut self, area: mmc::Area, file: &File) -> io::Result<Linux> {
        self.areas.push((area, file.try_clone()?));
        Ok(self)
    }

    /// Opens the node of a medium only to ask the drive what it is and can do: for reading, without
    /// exclusive rights, and without waiting for a medium. Closing it makes udev look at nothing.
    pub fn to_ask(roots: &Roots, medium: &Medium) -> io::Result<Linux> {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
        let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(roots.on_host(&medium.path))?;
        Linux::over(roots, &file, medium)
    }

    fn refuse_unless(&self, set: CommandSet, what: &str) -> Result<(), TransportError> {
        if self.offers.contains(&set) { Ok(()) } else { Err(TransportError::not_supported(what)) }
    }
}

/// The command sets worth trying on each bus.
fn offers(medium: &Medium) -> Vec<CommandSet> {
    use media::Transport as Bus;
    let mut offers = match medium.transport {
        Bus::Ata => vec![CommandSet::Ata, CommandSet::Scsi, CommandSet::Opal],
        // A drive behind a SAS adapter or a USB bridge may be an ATA drive, reached by translation.
        Bus::Sas | Bus::Usb => vec![CommandSet::Scsi, CommandSet::Ata, CommandSet::Opal],
        Bus::Scsi | Bus::Network | Bus::Ufs => vec![CommandSet::Scsi, CommandSet::Opal],
        Bus::NvmePcie | Bus::NvmeFabrics => vec![CommandSet::Nvme, CommandSet::Opal],
        Bus::Mmc => vec![CommandSet::Mmc],
        Bus::Virtio | Bus::Loop | Bus::File | Bus::Memory | Bus::Unknown => Vec::new(),
    };
    if medium.class != media::MediumClass::Image {
        offers.push(CommandSet::Block);
    }
    offers
}

impl Transport for Linux {
    fn offers(&self) -> Vec<CommandSet> {
        self.offers.clone()
    }

    fn ata(
        &mut self,
        command: &ata_command::Command,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<ata_command::Outcome, TransportError> {
        self.refuse_unless(CommandSet::Ata, command.name)?;
        ata::send(&self.file, command, data, timeout)
    }

    fn scsi(
        &mut self,
        command: &scsi_command::Command,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<scsi_command::Outcome, TransportError> {
        self.refuse_unless(CommandSet::Scsi, command.name)?;
        scsi::send(&self.file, command.name, &command.cdb, data, timeout)
    }

    fn nvme_admin(
        &mut self,
        command: &nvme::AdminCommand,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<nvme::Completion, TransportError> {
        self.refuse_unless(CommandSet::Nvme, command.name)?;
        let raw = passthrough::NvmeAdmin {
            opcode: command.opcode,
            nsid: command.nsid,
            dwords: [command.cdw10, command.cdw11, command.cdw12, command.cdw13, command.cdw14, command.cdw15],
        };
        let (status, result) = passthrough::nvme_admin(&self.file, &raw, phase(data), timeout)
            .map_err(|error| TransportError::from_errno(command.name, &error, timeout))?;
        Ok(nvme::Completion { status, result })
    }

    fn mmc(
        &mut self,
        commands: &[mmc::Command],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<mmc::Outcome, TransportError> {
        self.mmc_in(mmc::Area::UserData, commands, data, timeout)
    }

    fn mmc_in(
        &mut self,
        area: mmc::Area,
        commands: &[mmc::Command],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<mmc::Outcome, TransportError> {
        let name = commands.first().map_or("MMC", |command| command.name);
        self.refuse_unless(CommandSet::Mmc, name)?;
        let file = match area {
            mmc::Area::UserData => &self.file,
            _ => match self.areas.iter().find(|(known, _)| *known == area) {
                Some((_, file)) => file,
                None => return Err(TransportError::not_supported(area.name())),
            },
        };
        let raw: Vec<passthrough::MmcCommand> = commands
            .iter()
            .map(|command| passthrough::MmcCommand {
                opcode: command.opcode,
                argument: command.argument,
                busy: command.response == mmc::Response::R1b,
                has_data: command.has_data,
            })
            .collect();
        let responses = passthrough::mmc(file, &raw, phase(data), timeout)
            .map_err(|error| TransportError::from_errno(name, &error, timeout))?;
        Ok(mmc::Outcome { responses })
    }

    fn opal(&mut self, request: &opal::Request<'_>, timeout: Duration) -> Result<opal::Outcome, TransportError> {
        self.refuse_unless(CommandSet::Opal, request.name())?;
        let failed = |error: io::Error| TransportError::from_errno(request.name(), &error, timeout);
        match request {
            opal::Request::GetStatus => {
                let flags = passthrough::opal_status(&self.file).map_err(failed)?;
                Ok(opal::Outcome { code: 0, flags: Some(opal::StatusFlags(flags)) })
            }
            opal::Request::PsidRevert(psid) => {
                let code = passthrough::opal_psid_revert(&self.file, psid.bytes()).map_err(failed)?;
                Ok(opal::Outcome { code, flags: None })
            }
        }
    }

    fn block(&mut self, request: &block::Request, timeout: Duration) -> Result<block::Outcome, TransportError> {
        self.refuse_unless(CommandSet::Block, request.name())?;
        let failed = |error: io::Error| TransportError::from_errno(request.name(), &error, timeout);
        match *request {
            block::Request::ReportZones { from, limit } => {
                let (zones, with_capacity) =
                    passthrough::report_zones(&self.file, from.0 / SECTOR, limit).map_err(failed)?;
                Ok(block::Outcome::Zones(zones.iter().map(|raw| zone(raw, with_capacity)).collect()))
            }
            block::Request::ResetZones { from, length } => {
                passthrough::reset_zones(&self.file, from.0 / SECTOR, length.0 / SECTOR).map_err(failed)?;
                Ok(block::Outcome::Done)
            }
            block::Request::Rescan => {
                self.rescan().map_err(failed)?;
                Ok(block::Outcome::Done)
            }
            block::Request::Size => Ok(block::Outcome::Size(Bytes(ioctl::size(&self.file).map_err(failed)?))),
        }
    }
}

fn phase(data: Data<'_>) -> passthrough::Phase<'_> {
    match data {
        Data::None => passthrough::Phase::None,
        Data::In(bytes) => passthrough::Phase::In(bytes),
        Data::Out(bytes) | Data::Secret(bytes) => passthrough::Phase::Out(bytes),
    }
}

fn zone(raw: &passthrough::RawZone, with_capacity: bool) -> block::Zone {
    let bytes = |sectors: u64| Bytes(sectors.saturating_mul(SECTOR));
    block::Zone {
        start: bytes(raw.start),
        length: bytes(raw.length),
        capacity: bytes(if with_capacity { raw.capacity } else { raw.length }),
        write_pointer: bytes(raw.write_pointer),
        kind: block::ZoneKind::from_raw(raw.kind),
        condition: block::ZoneCondition::from_raw(raw.condition),
    }
}
