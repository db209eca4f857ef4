//! The capacity of a SCSI disk that the block descriptor of MODE SELECT made smaller (SBC-5 6.5.2). Found
//! where the disk tells, and given back by a number of blocks of all ones.
//!
//! Whether a disk was made smaller it need not tell: SPC-6 6.14 lets the block descriptor repeat current
//! values where default ones are asked for. Then only the MODE SELECT itself shows it, which leaves a disk
//! that is whole as it is.

use super::ata::PATIENCE;
use super::hidden::{HiddenError, Step};
use super::note::DiaryError;
use super::scsi::{planned, serial};
use crate::device::command::Data;
use crate::device::command::scsi::{
    BlockDescriptor, Capacity, Command, Inquiry, MODE_DATA, Outcome, PageControl, VpdPage, inquiry, mode_sense_10,
    read_capacity_16, restore_capacity, supported_pages, vital_product_data,
};
use crate::device::transport::Transport;
use crate::media::{AreaOutcome, HiddenArea, PlannedCommand};
use crate::units::{Bytes, Lba};

/// As in [`HiddenArea::kind`].
pub const SHORT_CAPACITY: &str = "short_capacity";
/// VERSION of INQUIRY: SPC-3. Older USB sticks hang on commands that they do not know.
const SPC_3: u8 = 5;
const NOT_ATA: &str = "an ATA disk answers behind a translation, and what it hides is asked for on an ATA port only";

/// What a SCSI disk says of its capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScsiCapacity {
    /// Unit serial number, without spaces at its ends.
    pub serial: Option<String>,
    /// The last address by READ CAPACITY (16).
    pub accessible: Lba,
    /// Bytes in a logical block.
    pub sector: u32,
    /// The disk gives its block descriptor in the long form.
    pub long: bool,
    /// What there is beyond it.
    pub maximum: Maximum,
}

/// What a SCSI disk could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maximum {
    /// Its default block descriptor says more than the host can address: this last address.
    Shown(Lba),
    /// Its default block descriptor says no more than the current one.
    Repeated,
    /// There is no block descriptor by which it could be told.
    NotSaid(String),
    /// It was told to take its whole capacity, and this is it.
    Settled,
}

impl ScsiCapacity {
    /// Asks the disk. Changes nothing.
    pub fn examine(path: &mut dyn Transport) -> Result<ScsiCapacity, HiddenError> {
        refuse_others(path)?;
        let mut data = [0; 32];
        let length = read(path, &read_capacity_16(), &mut data).map_err(HiddenError::NotSaid)?;
        let capacity = Capacity::parse(&data[..length])
            .ok_or_else(|| HiddenError::NotSaid("READ CAPACITY (16) gave no capacity".to_owned()))?;
        let serial = serial(path).map_err(HiddenError::NotSaid)?;
        let (long, maximum) = match defaults(path) {
            Err(why) => (false, Maximum::NotSaid(why)),
            Ok(found) if found.block != capacity.block => {
                let why = format!(
                    "its default block descriptor speaks of blocks of {} bytes, and it has blocks of {}",
                    found.block, capacity.block
                );
                (found.long, Maximum::NotSaid(why))
            }
            Ok(found) => match found.blocks.map(|blocks| Lba(blocks - 1)) {
                Some(last) if last > capacity.last => (found.long, Maximum::Shown(last)),
                _ => (found.long, Maximum::Repeated),
            },
        };
        Ok(ScsiCapacity { serial, accessible: capacity.last, sector: capacity.block, long, maximum })
    }

    /// What is hidden, `note` saying what becomes of it; what the disk does not say is listed without a size.
    pub fn report(&self, note: &str) -> Vec<HiddenArea> {
        let (size, note, outcome) = match &self.maximum {
            Maximum::Settled => return Vec::new(),
            Maximum::Shown(last) => {
                let size = (last.0 - self.accessible.0).checked_mul(u64::from(self.sector)).map(Bytes);
                (size, note.to_owned(), None)
            }
            Maximum::Repeated => (None, format!("not known: {}", self.not_known()), Some(AreaOutcome::Unknown)),
            Maximum::NotSaid(why) => (None, format!("not known: {why}"), Some(AreaOutcome::Unknown)),
        };
        vec![HiddenArea { kind: SHORT_CAPACITY.to_owned(), size, note, outcome }]
    }

    /// Why it is not known whether the disk was made smaller.
    pub fn not_known(&self) -> String {
        match &self.maximum {
            Maximum::NotSaid(why) => why.clone(),
            Maximum::Shown(_) | Maximum::Repeated | Maximum::Settled => {
                "a SCSI disk need not tell whether it was made to look smaller; --restore-hidden has it take its whole \
                 capacity (MODE SELECT)"
                    .to_owned()
            }
        }
    }

    /// The next step towards the whole disk.
    pub fn next(&self) -> Step {
        match self.maximum {
            Maximum::Shown(last) => Step::RestoreCapacity(last),
            Maximum::Repeated => Step::RestoreCapacity(self.accessible),
            Maximum::NotSaid(_) | Maximum::Settled => Step::Nothing,
        }
    }

    /// The command that gives all of it back, byte for byte.
    pub fn commands(&self) -> Vec<PlannedCommand> {
        let (command, list) = restore_capacity(self.sector, self.long);
        vec![planned(&command, Some(&list))]
    }

    /// The commands by which the disk was asked, in words.
    pub fn asked_by(&self) -> String {
        [inquiry().name, read_capacity_16().name, mode_sense_10(PageControl::Default).name].join(", ")
    }

    /// It was told to take its whole capacity before, and had this much then.
    pub(super) fn settle(&mut self, last: Lba) {
        if last == self.accessible && self.maximum == Maximum::Repeated {
            self.maximum = Maximum::Settled;
        }
    }
}

/// Has a disk take its whole capacity, `note` having made durable that it is about to, and looks at it again.
/// It may be larger than `step` says afterwards: not every disk tells before.
pub(super) fn give_back(
    path: &mut dyn Transport,
    disk: &ScsiCapacity,
    step: &Step,
    note: &mut dyn FnMut(&Step) -> Result<(), DiaryError>,
) -> Result<ScsiCapacity, HiddenError> {
    let Step::RestoreCapacity(wanted) = *step else {
        return Err(HiddenError::Refused(format!("a SCSI disk has no {}", step.name())));
    };
    let (command, list) = restore_capacity(disk.sector, disk.long);
    note(step)?;
    let taken = match path.scsi(&command, Data::Out(&list), PATIENCE) {
        Err(error) if error.was_not_sent() => return Err(HiddenError::Refused(error.to_string())),
        Ok(answer) if !answer.is_good() => {
            return Err(HiddenError::Refused(format!("{} ended with {}", command.name, ended(&answer))));
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    let mut now = ScsiCapacity::examine(path)?;
    if now.accessible < wanted {
        return Err(HiddenError::NotGrown { command: command.name, wanted, now: now.accessible });
    }
    if now.sector != disk.sector {
        let why = format!("it had blocks of {} bytes before, and has blocks of {} now", disk.sector, now.sector);
        return Err(HiddenError::NotSaid(why));
    }
    match taken {
        // What is still shown beyond it was not given back, whatever the answer.
        Ok(()) => now.settle(now.accessible),
        // Without an answer only growth shows that the command was carried out.
        Err(_) if now.accessible > disk.accessible => now.settle(now.accessible),
        Err(why) => return Err(HiddenError::Refused(why)),
    }
    if let Maximum::Shown(last) = now.maximum {
        return Err(HiddenError::NotGrown { command: command.name, wanted: last, now: now.accessible });
    }
    Ok(now)
}

/// A translation answers MODE SENSE by itself, and hides what the ATA disk behind it hides.
fn refuse_others(path: &mut dyn Transport) -> Result<(), HiddenError> {
    let mut data = [0; 96];
    let length = read(path, &inquiry(), &mut data).map_err(HiddenError::NotSaid)?;
    let who = Inquiry::parse(&data[..length])
        .ok_or_else(|| HiddenError::NotSaid("INQUIRY gave no whole standard data".to_owned()))?;
    if who.version < SPC_3 {
        let why = format!("it follows a standard older than SPC-3 (version {}), and is not asked more", who.version);
        return Err(HiddenError::NotSaid(why));
    }
    let mut pages = [0; 252];
    let length = read(path, &vital_product_data(VpdPage::Supported, 252), &mut pages).unwrap_or(0);
    let has_ata_page =
        supported_pages(&pages[..length]).is_some_and(|pages| pages.contains(&VpdPage::AtaInformation.code()));
    match who.is_translated_ata() || has_ata_page {
        true => Err(HiddenError::NotSaid(NOT_ATA.to_owned())),
        false => Ok(()),
    }
}

fn defaults(path: &mut dyn Transport) -> Result<BlockDescriptor, String> {
    let mut data = [0; MODE_DATA];
    let length = read(path, &mode_sense_10(PageControl::Default), &mut data)?;
    BlockDescriptor::parse(&data[..length]).ok_or_else(|| "it gives no block descriptor".to_owned())
}

/// How many bytes came.
fn read(path: &mut dyn Transport, command: &Command, data: &mut [u8]) -> Result<usize, String> {
    let room = data.len();
    let answer = path.scsi(command, Data::In(data), PATIENCE).map_err(|error| error.to_string())?;
    match answer.is_good() {
        true => Ok(answer.transferred.min(room)),
        false => Err(format!("{} ended with {}", command.name, ended(&answer))),
    }
}

fn ended(answer: &Outcome) -> String {
    match answer.parsed_sense() {
        Some(sense) => format!("sense {:?} {:02x}h/{:02x}h", sense.key, sense.asc, sense.ascq),
        None => format!("status {:02x}h", answer.status),
    }
}
