//! What a drive hides, asked by the commands of its bus.

use super::hidden::{self, AtaHiddenAreas, HiddenError, Step};
use super::note::DiaryError;
use super::scsi_capacity::{self, ScsiCapacity};
use crate::device::transport::Transport;
use crate::media::{HiddenArea, PlannedCommand, Transport as Bus};
use crate::units::{Bytes, Lba};

/// What a drive said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hides {
    /// HPA, AMAC and DCO of an ATA drive.
    Ata(AtaHiddenAreas),
    /// Capacity that the block descriptor took from a SCSI disk.
    Scsi(ScsiCapacity),
}

impl Hides {
    /// Asks the drive. Changes nothing.
    pub fn examine(path: &mut dyn Transport, bus: Bus) -> Result<Hides, HiddenError> {
        match bus {
            Bus::Ata => AtaHiddenAreas::examine(path).map(Hides::Ata),
            Bus::Sas | Bus::Scsi | Bus::Usb => ScsiCapacity::examine(path).map(Hides::Scsi),
            _ => Err(HiddenError::NotSaid("no command asks for it on this bus".to_owned())),
        }
    }

    /// Its serial number by its own word.
    pub fn serial(&self) -> Option<&str> {
        match self {
            Hides::Ata(drive) => drive.serial.as_deref(),
            Hides::Scsi(disk) => disk.serial.as_deref(),
        }
    }

    /// The last address that the host can use now.
    pub fn accessible(&self) -> Lba {
        match self {
            Hides::Ata(drive) => drive.accessible,
            Hides::Scsi(disk) => disk.accessible,
        }
    }

    /// The capacity with this last address.
    pub fn size_of(&self, last: Lba) -> Option<Bytes> {
        let sector = match self {
            Hides::Ata(drive) => drive.sector,
            Hides::Scsi(disk) => disk.sector,
        };
        last.0.checked_add(1)?.checked_mul(u64::from(sector)).map(Bytes)
    }

    /// The capacity that the host can use now.
    pub fn size(&self) -> Option<Bytes> {
        self.size_of(self.accessible())
    }

    /// What is hidden, one entry for each way, `note` saying what becomes of it.
    pub fn report(&self, note: &str) -> Vec<HiddenArea> {
        match self {
            Hides::Ata(drive) => drive.report(note),
            Hides::Scsi(disk) => disk.report(note),
        }
    }

    /// The commands by which it was asked, in words.
    pub fn asked_by(&self) -> String {
        match self {
            Hides::Ata(drive) => drive.asked_by(),
            Hides::Scsi(disk) => disk.asked_by(),
        }
    }

    /// The next step towards the whole drive.
    pub fn next(&self) -> Step {
        match self {
            Hides::Ata(drive) => drive.next(),
            Hides::Scsi(disk) => disk.next(),
        }
    }

    /// Every step towards the whole drive, as far as the drive says.
    pub fn steps(&self) -> Vec<Step> {
        match self {
            Hides::Ata(drive) => drive.steps(),
            Hides::Scsi(disk) => Some(disk.next()).filter(|step| *step != Step::Nothing).into_iter().collect(),
        }
    }

    /// The commands of a step, byte for byte, in order.
    pub fn commands(&self, step: &Step) -> Vec<PlannedCommand> {
        match self {
            Hides::Ata(drive) => step.commands(drive.has_48_bit),
            Hides::Scsi(disk) => disk.commands(),
        }
    }

    /// Takes into account what the drive is known to have done before.
    pub(in crate::sanitize) fn settle(&mut self, done: &[Step]) {
        if let (Hides::Scsi(disk), Some(Step::RestoreCapacity(last))) = (self, done.last()) {
            disk.settle(*last);
        }
    }

    /// Carries out one step, and looks at the drive again.
    pub(super) fn give_back(
        &self,
        path: &mut dyn Transport,
        step: &Step,
        note: &mut dyn FnMut(&Step) -> Result<(), DiaryError>,
    ) -> Result<Hides, HiddenError> {
        match self {
            Hides::Ata(_) => hidden::give_back(path, step, note).map(Hides::Ata),
            Hides::Scsi(disk) => scsi_capacity::give_back(path, disk, step, note).map(Hides::Scsi),
        }
    }
}
