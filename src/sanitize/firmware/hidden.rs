//! Areas of an ATA drive that the host cannot address: host protected area (HPA), accessible maximum
//! (AMAC) and configuration overlay (DCO). Found, given back with consent, or told as not reached.
//!
//! The order is the standard's: SET MAX ADDRESS first, power cycle, DEVICE CONFIGURATION RESTORE,
//! power cycle. A drive takes one lasting SET MAX between two power cycles, and refuses the restore
//! of an overlay while a host protected area is set.

use serde::{Deserialize, Serialize};

use super::ata::{PATIENCE, THAW, identify, planned, registers};
use super::note::DiaryError;
use super::scsi_capacity::SHORT_CAPACITY;
use crate::device::command::Data;
use crate::device::command::ata::Command;
use crate::device::command::ata::dco::{Dco, dco_identify, dco_restore};
use crate::device::command::ata::identify::Identify;
use crate::device::command::ata::max_address::{
    Persistence, get_native_max, max_address, read_native_max, set_accessible_max, set_max,
};
use crate::device::transport::Transport;
use crate::media::{AreaOutcome, HiddenArea, PlannedCommand};
use crate::units::{Bytes, Lba};

/// What was found. Addresses are last addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtaHiddenAreas {
    /// Serial number by IDENTIFY DEVICE, without spaces at its ends.
    pub serial: Option<String>,
    /// By IDENTIFY DEVICE: what the host can address now.
    pub accessible: Lba,
    /// Bytes in a logical sector.
    pub sector: u32,
    /// 48-bit commands.
    pub has_48_bit: bool,
    /// By READ NATIVE MAX ADDRESS, where there is a host protected area feature.
    pub native: Found,
    /// By GET NATIVE MAX ADDRESS EXT.
    pub accessible_max: Found,
    /// By DEVICE CONFIGURATION IDENTIFY.
    pub factory: Found,
}

/// What one of the ways of hiding says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The drive does not have the feature.
    NoFeature,
    /// The last address without it.
    Last(Lba),
    /// It has the feature and did not say.
    NotSaid(String),
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", content = "last", rename_all = "snake_case")]
pub enum Step {
    /// Nothing is hidden any more.
    Nothing,
    /// READ NATIVE MAX ADDRESS and SET MAX ADDRESS, lasting.
    SetMax(Lba),
    /// SET ACCESSIBLE MAX ADDRESS EXT.
    SetAccessibleMax(Lba),
    /// DEVICE CONFIGURATION RESTORE.
    RestoreConfiguration(Lba),
    /// MODE SELECT of a SCSI disk with a number of blocks of all ones. It has at least this last address
    /// afterwards; not every disk tells before.
    RestoreCapacity(Lba),
}

/// A step did not lead to what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HiddenError {
    /// The drive did not say something that decides.
    #[error("the hidden areas cannot be examined on this path: {0}")]
    NotSaid(String),
    /// It refused.
    #[error("the hidden area could not be given back: {0}")]
    Refused(String),
    /// It took the command, and is not larger.
    #[error(
        "the drive took {command}, and its last address is {now} instead of {wanted}; cut its power, and examine it again"
    )]
    NotGrown {
        /// What was sent.
        command: &'static str,
        /// What it should be now.
        wanted: Lba,
        /// What it is.
        now: Lba,
    },
    /// The journal.
    #[error(transparent)]
    Diary(#[from] DiaryError),
}

impl AtaHiddenAreas {
    /// Asks the drive. Changes nothing.
    pub fn examine(path: &mut dyn Transport) -> Result<AtaHiddenAreas, HiddenError> {
        let drive = identify(path).map_err(HiddenError::NotSaid)?;
        let accessible = last_of(&drive)?;
        let ask = |path: &mut dyn Transport, command: &Command| match native(path, command) {
            Ok(last) => Found::Last(last),
            Err(why) => Found::NotSaid(why),
        };
        Ok(AtaHiddenAreas {
            serial: drive.serial.as_str().map(str::to_owned),
            accessible,
            sector: drive.logical_sector,
            has_48_bit: drive.has_48_bit,
            native: match drive.hpa {
                Some(_) => ask(path, &read_native_max(drive.has_48_bit)),
                None => Found::NoFeature,
            },
            accessible_max: match drive.amac {
                Some(_) => ask(path, &get_native_max()),
                None => Found::NoFeature,
            },
            factory: match drive.has_dco {
                true => overlay(path).map_or_else(Found::NotSaid, |dco| Found::Last(dco.last)),
                false => Found::NoFeature,
            },
        })
    }

    /// What is hidden, one entry for each way, `note` saying what becomes of it. What the drive did
    /// not say is listed without a size: unknown is not "nothing".
    pub fn report(&self, note: &str) -> Vec<HiddenArea> {
        let mut areas = Vec::new();
        // An overlay hides beyond what READ NATIVE MAX ADDRESS can say.
        let mut reached = self.accessible;
        for (kind, found) in [
            ("accessible_max_address", &self.accessible_max),
            ("host_protected_area", &self.native),
            ("device_configuration_overlay", &self.factory),
        ] {
            match found {
                Found::Last(last) if *last > reached => {
                    let size = (last.0 - reached.0).checked_mul(u64::from(self.sector)).map(Bytes);
                    areas.push(HiddenArea { kind: kind.to_owned(), size, note: note.to_owned(), outcome: None });
                    reached = *last;
                }
                Found::NotSaid(why) => {
                    let note = format!("not known: {why}");
                    let outcome = Some(AreaOutcome::Unknown);
                    areas.push(HiddenArea { kind: kind.to_owned(), size: None, note, outcome });
                }
                Found::Last(_) | Found::NoFeature => {}
            }
        }
        areas
    }

    /// The next step towards the whole drive.
    pub fn next(&self) -> Step {
        match (&self.accessible_max, &self.native, &self.factory) {
            (Found::Last(last), _, _) if *last > self.accessible => Step::SetAccessibleMax(*last),
            (_, Found::Last(last), _) if *last > self.accessible => Step::SetMax(*last),
            (_, _, Found::Last(last)) if *last > self.accessible => Step::RestoreConfiguration(*last),
            _ => Step::Nothing,
        }
    }

    /// Every step towards the whole drive, in the standard's order, as far as the drive says.
    pub fn steps(&self) -> Vec<Step> {
        let mut drive = self.clone();
        let mut steps = Vec::new();
        while let step @ (Step::SetMax(last) | Step::SetAccessibleMax(last) | Step::RestoreConfiguration(last)) =
            drive.next()
        {
            drive.accessible = last;
            steps.push(step);
        }
        steps
    }

    /// The commands by which the drive was asked, in words.
    pub fn asked_by(&self) -> String {
        let asked = [
            (&self.native, read_native_max(self.has_48_bit).name),
            (&self.accessible_max, get_native_max().name),
            (&self.factory, dco_identify().name),
        ];
        let names = asked.iter().filter(|(found, _)| **found != Found::NoFeature).map(|(_, name)| *name);
        std::iter::once("IDENTIFY DEVICE").chain(names).collect::<Vec<_>>().join(", ")
    }
}

impl Step {
    /// The last address that is accessible after it.
    pub fn last(&self) -> Option<Lba> {
        match self {
            Step::Nothing => None,
            Step::SetMax(last)
            | Step::SetAccessibleMax(last)
            | Step::RestoreConfiguration(last)
            | Step::RestoreCapacity(last) => Some(*last),
        }
    }

    /// The command that changes the drive, by its name in the standard.
    pub fn name(&self) -> &'static str {
        match self {
            Step::RestoreCapacity(_) => "MODE SELECT (10)",
            _ => self.command(true).map_or("nothing", |command| command.name),
        }
    }

    /// The kind of area that it gives back, as in [`HiddenArea::kind`].
    pub fn kind(&self) -> &'static str {
        match self {
            Step::Nothing => "nothing",
            Step::SetMax(_) => "host_protected_area",
            Step::SetAccessibleMax(_) => "accessible_max_address",
            Step::RestoreConfiguration(_) => "device_configuration_overlay",
            Step::RestoreCapacity(_) => SHORT_CAPACITY,
        }
    }

    /// Whether a drive that did `done` did this step. How large a SCSI disk becomes it need not tell before.
    pub(super) fn is_done_by(&self, done: &Step) -> bool {
        match (self, done) {
            (Step::RestoreCapacity(wanted), Step::RestoreCapacity(last)) => last >= wanted,
            _ => self == done,
        }
    }

    /// The commands of an ATA drive, byte for byte, in order.
    pub fn commands(&self, has_48_bit: bool) -> Vec<PlannedCommand> {
        let before = matches!(self, Step::SetMax(_)).then(|| read_native_max(has_48_bit));
        before.iter().chain(self.command(has_48_bit).iter()).map(|command| planned(command, None)).collect()
    }

    fn command(&self, has_48_bit: bool) -> Option<Command> {
        match self {
            Step::Nothing | Step::RestoreCapacity(_) => None,
            Step::SetMax(last) => Some(set_max(has_48_bit, *last, Persistence::NonVolatile)),
            Step::SetAccessibleMax(last) => Some(set_accessible_max(*last)),
            Step::RestoreConfiguration(_) => Some(dco_restore()),
        }
    }
}

/// Carries out one step, `note` having made durable that it is about to happen, and looks at the
/// drive again. Between two steps the drive's power has to be cut; the kernel has to be told to ask
/// for the capacity again.
pub fn give_back(
    path: &mut dyn Transport,
    step: &Step,
    note: &mut dyn FnMut(&Step) -> Result<(), DiaryError>,
) -> Result<AtaHiddenAreas, HiddenError> {
    let drive = identify(path).map_err(HiddenError::NotSaid)?;
    let Some((command, wanted)) = step.command(drive.has_48_bit).zip(step.last()) else {
        return AtaHiddenAreas::examine(path);
    };
    note(step)?;
    if let Step::SetMax(last) = step {
        // Must come immediately before SET MAX ADDRESS, and say the same as when it was examined.
        let found = native(path, &read_native_max(drive.has_48_bit)).map_err(HiddenError::Refused)?;
        if found != *last {
            let why = format!("its native maximum is {found} now, and was {last}");
            return Err(HiddenError::Refused(why));
        }
    }
    match path.ata(&command, Data::None, PATIENCE) {
        Err(error) if error.was_not_sent() => return Err(HiddenError::Refused(error.to_string())),
        Ok(outcome) if outcome.registers.is_some() && !outcome.is_success() => {
            let name = command.name;
            let why =
                format!("{name} ended with {}; it may be frozen or have been sent before: {THAW}", registers(&outcome));
            return Err(HiddenError::Refused(why));
        }
        Ok(_) | Err(_) => {}
    }
    // Whatever the registers say or do not say: what IDENTIFY DEVICE says now counts.
    let areas = AtaHiddenAreas::examine(path)?;
    if areas.accessible < wanted {
        return Err(HiddenError::NotGrown { command: command.name, wanted, now: areas.accessible });
    }
    Ok(areas)
}

fn native(path: &mut dyn Transport, command: &Command) -> Result<Lba, String> {
    let outcome = path.ata(command, Data::None, PATIENCE).map_err(|error| error.to_string())?;
    max_address(command, &outcome).ok_or_else(|| format!("{} ended with {}", command.name, registers(&outcome)))
}

fn overlay(path: &mut dyn Transport) -> Result<Dco, String> {
    let command = dco_identify();
    let mut data = [0; 512];
    let outcome = path.ata(&command, Data::In(&mut data), PATIENCE).map_err(|error| error.to_string())?;
    if outcome.registers.is_some() && !outcome.is_success() {
        return Err(format!("{} ended with {}", command.name, registers(&outcome)));
    }
    Dco::parse(&data).map_err(|error| error.to_string())
}

fn last_of(drive: &Identify) -> Result<Lba, HiddenError> {
    let none = || HiddenError::NotSaid("IDENTIFY DEVICE says that the drive has no sectors".to_owned());
    drive.sectors.checked_sub(1).map(Lba).ok_or_else(none)
}
