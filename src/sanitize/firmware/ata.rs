//! ATA SANITIZE DEVICE (ACS-5 7.35), and what the ATA techniques share.

use std::time::Duration;

use super::Erase;
use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::ata::identify::{Identify, identify_device};
use crate::device::command::ata::sanitize::{
    Overwrite, SanitizeReason, SanitizeReply, SanitizeStatus, block_erase, crypto_scramble, overwrite, sanitize_status,
};
use crate::device::command::ata::{Command, logs};
use crate::device::command::scsi::Sense;
use crate::device::command::{Data, hex};
use crate::device::transport::Transport;
use crate::media::{CommandSet, PlannedCommand};
use crate::policy::Technique;
use crate::sanitize::record::Frozen;

pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// What brings a drive out of every frozen state.
pub(super) const THAW: &str =
    "suspend the machine to RAM and wake it (--unfreeze), or pull the drive's power for a moment";

/// SANITIZE DEVICE of a whole drive.
#[derive(Clone, Copy, Debug)]
pub struct AtaSanitize {
    erase: Erase,
}

impl AtaSanitize {
    /// By this erase.
    pub const fn new(erase: Erase) -> AtaSanitize {
        AtaSanitize { erase }
    }

    /// The erasing command. One overwrite pass of zeros (a count of 0 would be 16 passes), and a
    /// failure can only be left by another sanitize.
    pub fn command(&self) -> Command {
        match self.erase {
            Erase::Block => block_erase(),
            Erase::Crypto => crypto_scramble(),
            Erase::Overwrite => overwrite(Overwrite::once(0)),
        }
    }

    fn reply(path: &mut dyn Transport, command: &Command) -> Result<SanitizeReply, Unanswered> {
        match path.ata(command, Data::None, PATIENCE) {
            Ok(outcome) => Ok(SanitizeReply::of(&outcome)),
            Err(error) => Err(Unanswered { sent: !error.was_not_sent(), words: error.to_string() }),
        }
    }
}

struct Unanswered {
    sent: bool,
    words: String,
}

impl Procedure for AtaSanitize {
    fn technique(&self) -> Technique {
        match self.erase {
            Erase::Block => Technique::AtaSanitizeBlock,
            Erase::Crypto => Technique::AtaSanitizeCrypto,
            Erase::Overwrite => Technique::AtaSanitizeOverwrite,
        }
    }

    fn shut(&self, path: &mut dyn Transport) -> Option<String> {
        match self.status(path) {
            State::Failed(words) => Some(words),
            _ => None,
        }
    }

    fn leaves(&self) -> Option<u8> {
        (self.erase == Erase::Overwrite).then_some(0)
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let Some(drive) = ask(path)? else { return Ok(Look::default()) };
        let can = drive.sanitize;
        let supported = match self.erase {
            Erase::Block => can.block_erase,
            Erase::Crypto => can.crypto_scramble,
            Erase::Overwrite => can.overwrite,
        };
        let (obstacle, frozen) = if supported { obstacle(path, &drive) } else { (None, None) };
        Ok(Look {
            serial: drive.serial.as_str().map(str::to_owned),
            supported,
            obstacle,
            frozen,
            commands: vec![planned(&self.command(), None)],
            notes: remarks(&drive),
            ..Look::default()
        })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        let command = self.command();
        match AtaSanitize::reply(path, &command) {
            Ok(SanitizeReply::Status(_)) => Started::Accepted,
            Ok(SanitizeReply::Refused(reason)) => Started::Rejected(format!("{}: {}", command.name, reason.meaning())),
            Ok(SanitizeReply::Lost) => Started::Unknown(lost(&command)),
            Err(Unanswered { sent: false, words }) => Started::Rejected(words),
            Err(Unanswered { sent: true, words }) => Started::Unknown(words),
        }
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        let command = sanitize_status();
        match AtaSanitize::reply(path, &command) {
            Ok(SanitizeReply::Status(status)) if status.in_progress => State::Running(Some(status.progress)),
            Ok(SanitizeReply::Status(status)) if status.completed_without_error => State::Completed(words(status)),
            // Neither running nor ended well, and no failure: there was none.
            Ok(SanitizeReply::Status(_)) => State::Never,
            Ok(SanitizeReply::Refused(reason)) => {
                let words = format!("{}: {}", command.name, reason.meaning());
                if reason == SanitizeReason::LastFailed { State::Failed(words) } else { State::Unknown(words) }
            }
            Ok(SanitizeReply::Lost) => State::Unknown(lost(&command)),
            Err(unanswered) => State::Unknown(unanswered.words),
        }
    }
}

/// Why a sanitize that is supported would be refused now, or could not be followed; and whether it is that the
/// drive is frozen, and that alone.
fn obstacle(path: &mut dyn Transport, drive: &Identify) -> (Option<String>, Option<Frozen>) {
    let command = sanitize_status();
    match AtaSanitize::reply(path, &command) {
        Ok(SanitizeReply::Status(SanitizeStatus { frozen: true, .. })) => {
            let alone = locked(path, drive).is_none();
            let why = format!("it is in the sanitize frozen state; {THAW}");
            (Some(why), alone.then_some(Frozen::Sanitize))
        }
        Ok(SanitizeReply::Lost) => {
            let lost = lost(&command);
            let why = format!("{lost}, so that nothing would show its end; attach the drive directly");
            (Some(why), None)
        }
        Ok(_) | Err(_) => (locked(path, drive), None),
    }
}

/// Why a drive that is locked takes no sanitize, where it takes none.
fn locked(path: &mut dyn Transport, drive: &Identify) -> Option<String> {
    let security = drive.security.filter(|security| security.locked)?;
    if drive.has_logs && overrides_security(path) {
        return None;
    }
    let expired = if security.count_expired { " and too many wrong ones were tried" } else { "" };
    Some(format!("it is locked by a password that is not known here{expired}; revert it with its PSID, or destroy it"))
}

/// Log 30h page 06h says that a sanitize is taken although the drive is locked.
fn overrides_security(path: &mut dyn Transport) -> bool {
    let mut page = [0; 512];
    match path.ata(&logs::read_security_page(), Data::In(&mut page), PATIENCE) {
        Ok(outcome) if outcome.is_success() => {
            logs::SecurityPage::parse(&page).is_some_and(|page| page.sanitize_overrides_security)
        }
        _ => false,
    }
}

/// IDENTIFY DEVICE. Without registers the data count only when a checksum vouches for them.
pub(super) fn identify(path: &mut dyn Transport) -> Result<Identify, String> {
    ask(path)?.ok_or_else(|| "this path carries no ATA commands".to_owned())
}

/// The same; `None`: whoever is at the end of this path said positively that it knows no ATA
/// PASS-THROUGH (ILLEGAL REQUEST, INVALID COMMAND OPERATION CODE), as a SCSI disk does.
pub(super) fn ask(path: &mut dyn Transport) -> Result<Option<Identify>, String> {
    let command = identify_device();
    let mut data = [0; 512];
    let outcome = path.ata(&command, Data::In(&mut data), PATIENCE).map_err(|error| error.to_string())?;
    if outcome.registers.is_none() && outcome.sense.as_ref().is_some_and(Sense::is_unknown_operation_code) {
        return Ok(None);
    }
    if outcome.registers.is_some() && !outcome.is_success() {
        return Err(format!("{} failed: {}", command.name, registers(&outcome)));
    }
    if outcome.transferred.is_some_and(|bytes| bytes < data.len()) {
        return Err(format!("{} gave fewer than 512 bytes", command.name));
    }
    let drive = Identify::parse(&data).map_err(|error| error.to_string())?;
    if outcome.registers.is_none() && !drive.has_checksum {
        return Err(format!("{}, and its data have no checksum", lost(&command)));
    }
    Ok(Some(drive))
}

/// What a person should know of the drive.
fn remarks(drive: &Identify) -> Vec<String> {
    let mut remarks = Vec::new();
    if !drive.has_checksum {
        remarks.push("the drive gives no checksum with its identity".to_owned());
    }
    if drive.security.is_some_and(|security| security.enabled) {
        remarks.push("a user password is set on the drive; a sanitize does not take it off".to_owned());
    }
    remarks
}

pub(super) fn planned(command: &Command, data_out: Option<&[u8]>) -> PlannedCommand {
    PlannedCommand {
        set: CommandSet::Ata,
        name: command.name.to_owned(),
        command: hex(&command.task_file()),
        data_out: data_out.map(hex),
    }
}

pub(super) fn lost(command: &Command) -> String {
    format!("this path does not return the drive's registers ({})", command.name)
}

pub(super) fn registers(outcome: &crate::device::command::ata::Outcome) -> String {
    match &outcome.registers {
        Some(registers) => format!("status {:02x}h, error {:02x}h", registers.status, registers.error),
        None => "no registers".to_owned(),
    }
}

fn words(status: SanitizeStatus) -> String {
    let frozen = if status.frozen { ", frozen" } else { "" };
    format!("sanitize operation completed without error{frozen}")
}
