//! TCG Opal, Opalite, Ruby, Enterprise and Pyrite: back to the factory state by the PSID that is
//! printed on the drive (TCG PSID feature set), through the kernel's driver where it takes the drive up.
//!
//! A revert changes every media encryption key. The PSID is checked by the drive, leaves memory with
//! this value, and is in no note, no record and no error.

use std::cell::RefCell;
use std::time::Duration;

use super::ata;
use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::Data;
use crate::device::command::ata as ata_command;
use crate::device::command::nvme as nvme_command;
use crate::device::command::opal::{Discovery, PSID_REVERT, Psid, Request, StatusFlags};
use crate::device::command::scsi::{self, VpdPage, vital_product_data};
use crate::device::transport::{Transport, TransportError};
use crate::device::vpd;
use crate::media::{CommandSet, PlannedCommand, Reach};
use crate::policy::Technique;

const PATIENCE: Duration = Duration::from_secs(60);
/// A revert of a Pyrite drive may erase blocks.
const LONGEST: Duration = Duration::from_secs(4 * 3600);

/// No NVMe status has this code.
const FAIL: u32 = 0x3F;

const NEEDED: &str = "its PSID is needed: it stands on the drive's label; give it with --psid-file";

/// Revert by PSID.
#[derive(Debug)]
pub struct OpalPsidRevert {
    psid: Option<Psid>,
    sent: RefCell<Sent>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    Nothing,
    Revert,
    Refused(String),
}

impl OpalPsidRevert {
    /// With what stands on the label. Without it the drive can be asked, and nothing else.
    pub fn new(psid: Option<Psid>) -> OpalPsidRevert {
        OpalPsidRevert { psid, sent: RefCell::new(Sent::Nothing) }
    }

    fn flags(path: &mut dyn Transport) -> Result<StatusFlags, String> {
        OpalPsidRevert::ask(path)?.ok_or_else(|| "the kernel has no Opal driver for this drive".to_owned())
    }

    /// `None`: the kernel found no TCG command set when it set the drive up, or has no driver for it.
    fn ask(path: &mut dyn Transport) -> Result<Option<StatusFlags>, String> {
        let request = Request::GetStatus;
        let outcome = match path.opal(&request, PATIENCE) {
            Err(TransportError::NotSupported { .. }) => return Ok(None),
            answered => answered.map_err(|error| error.to_string())?,
        };
        match outcome.flags {
            Some(flags) if outcome.is_success() => Ok(Some(flags)),
            _ => Err(format!("{}: {}", request.name(), outcome.meaning())),
        }
    }
}

impl Procedure for OpalPsidRevert {
    fn technique(&self) -> Technique {
        Technique::OpalPsidRevert
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let Some(flags) = OpalPsidRevert::ask(path)? else { return Ok(Look::default()) };
        let serial = serial(path)?;
        let mut look = Look {
            serial,
            supported: flags.supported(),
            reach: if path.offers().contains(&CommandSet::Nvme) { Reach::Subsystem } else { Reach::Unit },
            commands: vec![PlannedCommand {
                set: CommandSet::Opal,
                name: PSID_REVERT.to_owned(),
                command: String::new(),
                data_out: Some("redacted".to_owned()),
            }],
            ..Look::default()
        };
        let encrypts = match discovery(path) {
            Some(found) => {
                if let Some(ssc) = found.ssc {
                    look.notes.push(format!("security subsystem class {ssc:?}"));
                }
                found.ssc.is_some_and(|ssc| ssc.encrypts()) && found.locking.is_some_and(|l| l.media_encryption)
            }
            None => {
                look.notes.push("whether the drive encrypts what it stores could not be read on this path".to_owned());
                false
            }
        };
        // The blocks of a locked drive cannot be written or read before: then only the drive's word
        // stands for the erase, and only one that encrypts can be believed.
        if self.psid.is_none() {
            look.obstacle = Some(NEEDED.to_owned());
        } else if flags.locked() && encrypts {
            look.without_canaries = Some("its blocks are locked, by a password that is not known here".to_owned());
        } else if flags.locked() {
            look.obstacle = Some(
                "it is locked, and is not known to encrypt what it stores: nothing could show afterwards that the \
                 content is gone; destroy it"
                    .to_owned(),
            );
        }
        Ok(look)
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        let Some(psid) = &self.psid else { return Started::Rejected(NEEDED.to_owned()) };
        let request = Request::PsidRevert(psid);
        *self.sent.borrow_mut() = Sent::Revert;
        match path.opal(&request, LONGEST) {
            Ok(outcome) if outcome.is_success() => Started::Accepted,
            // NOT_AUTHORIZED and AUTHORITY_LOCKED_OUT: the session was not even opened.
            Ok(outcome) if matches!(outcome.code, 0x01 | 0x12) => {
                *self.sent.borrow_mut() = Sent::Nothing;
                Started::Rejected(format!("{}: {}", request.name(), outcome.meaning()))
            }
            Ok(outcome) => {
                // The kernel gives the status of a Security Send or Receive that failed as if it were the method's.
                let nvme = path.offers().contains(&CommandSet::Nvme) && outcome.code != FAIL;
                let or = if nvme { ", or the NVMe status of a command that failed" } else { "" };
                let words = format!("{}: {}{or} ({:02x}h)", request.name(), outcome.meaning(), outcome.code);
                *self.sent.borrow_mut() = Sent::Refused(words.clone());
                Started::Unknown(words)
            }
            Err(error) if error.was_not_sent() => {
                *self.sent.borrow_mut() = Sent::Nothing;
                Started::Rejected(error.to_string())
            }
            Err(error) => Started::Unknown(error.to_string()),
        }
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        let flags = match OpalPsidRevert::flags(path) {
            Ok(flags) => flags,
            Err(why) => return State::Unknown(why),
        };
        match &*self.sent.borrow() {
            Sent::Refused(words) => State::Failed(words.clone()),
            Sent::Revert if flags.locking_enabled() || flags.locked() => {
                State::Failed("locking is still enabled: the drive is not in its factory state".to_owned())
            }
            Sent::Nothing | Sent::Revert => State::Ready,
        }
    }
}

/// Serial number by whatever command set the path carries.
fn serial(path: &mut dyn Transport) -> Result<Option<String>, String> {
    let offers = path.offers();
    if offers.contains(&CommandSet::Nvme) {
        let mut data = [0; 4096];
        let command = nvme_command::identify_controller();
        let done = path.nvme_admin(&command, Data::In(&mut data), PATIENCE).map_err(|error| error.to_string())?;
        if !done.is_success() {
            return Err(format!("{}: {}", command.name, done.meaning()));
        }
        return Ok(nvme_command::Controller::parse(&data).and_then(|controller| controller.serial));
    }
    if offers.contains(&CommandSet::Ata)
        && let Ok(drive) = ata::identify(path)
    {
        return Ok(drive.serial.as_str().map(str::to_owned));
    }
    let mut page = [0; 252];
    let command = vital_product_data(VpdPage::UnitSerialNumber, 252);
    let answer = path.scsi(&command, Data::In(&mut page), PATIENCE).map_err(|error| error.to_string())?;
    if !answer.is_good() {
        return Err(format!("{} was not answered", command.name));
    }
    Ok(vpd::unit_serial(&page))
}

/// Level 0 discovery, where the path lets it through (libata wants `libata.allow_tpm=1`).
fn discovery(path: &mut dyn Transport) -> Option<Discovery> {
    let mut data = [0; 512];
    let offers = path.offers();
    let answered = if offers.contains(&CommandSet::Nvme) {
        let command = nvme_command::security_receive(0x01, 0x0001, 512);
        path.nvme_admin(&command, Data::In(&mut data), PATIENCE).is_ok_and(|done| done.is_success())
    } else {
        let ata = offers.contains(&CommandSet::Ata) && {
            let command = ata_command::trusted_receive(0x01, 0x0001);
            path.ata(&command, Data::In(&mut data), PATIENCE).is_ok_and(|outcome| outcome.is_success())
        };
        ata || offers.contains(&CommandSet::Scsi) && {
            let command = scsi::security_protocol_in(0x01, 0x0001);
            path.scsi(&command, Data::In(&mut data), PATIENCE).is_ok_and(|answer| answer.is_good())
        }
    };
    Discovery::parse(&data).filter(|_| answered)
}
