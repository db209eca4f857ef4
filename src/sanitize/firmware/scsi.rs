//! SCSI SANITIZE (SBC-5), polled by REQUEST SENSE.

use std::time::Duration;

use super::Erase;
use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::scsi::{Command, Outcome, Sense, SenseKey, request_sense, test_unit_ready};
use crate::device::command::{Data, hex};
use crate::device::transport::{Transport, TransportError};
use crate::media::{CommandSet, PlannedCommand};
use crate::policy::Technique;

const PATIENCE: Duration = Duration::from_secs(60);
/// One pass, a pattern of four zeros: the field for the count may not be 0.
const OVERWRITE_LIST: [u8; 8] = [0x01, 0, 0, 4, 0, 0, 0, 0];

/// SANITIZE of a logical unit.
#[derive(Clone, Copy, Debug)]
pub struct ScsiSanitize {
    erase: Erase,
}

impl ScsiSanitize {
    /// By this erase.
    pub fn new(erase: Erase) -> ScsiSanitize {
        ScsiSanitize { erase }
    }

    /// INQUIRY of the Unit Serial Number page (80h).
    pub fn serial_page() -> Command {
        Command { name: "INQUIRY (Unit Serial Number)", cdb: vec![0x12, 1, 0x80, 0, 252, 0] }
    }

    /// REPORT SUPPORTED OPERATION CODES of this very service action.
    pub fn support(&self) -> Command {
        let cdb = vec![0xA3, 0x0C, 2, 0x48, 0, self.action(), 0, 0, 0, 64, 0, 0];
        Command { name: "REPORT SUPPORTED OPERATION CODES", cdb }
    }

    /// SANITIZE with IMMED, and the parameter list of an overwrite. AUSE is not set: after a failure
    /// only another SANITIZE brings the unit back.
    pub fn command(&self) -> (Command, Option<&'static [u8]>) {
        let list = (self.erase == Erase::Overwrite).then_some(&OVERWRITE_LIST[..]);
        let length = list.map_or(0, |_| 8);
        (Command { name: "SANITIZE", cdb: vec![0x48, 0x80 | self.action(), 0, 0, 0, 0, 0, 0, length, 0] }, list)
    }

    fn action(&self) -> u8 {
        match self.erase {
            Erase::Overwrite => 1,
            Erase::Block => 2,
            Erase::Crypto => 3,
        }
    }
}

impl Procedure for ScsiSanitize {
    fn technique(&self) -> Technique {
        match self.erase {
            Erase::Block => Technique::ScsiSanitizeBlock,
            Erase::Crypto => Technique::ScsiSanitizeCrypto,
            Erase::Overwrite => Technique::ScsiSanitizeOverwrite,
        }
    }

    fn leaves(&self) -> Option<u8> {
        (self.erase == Erase::Overwrite).then_some(0)
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let serial = serial(path)?;
        let mut report = [0; 64];
        let support = self.support();
        let answer = path.scsi(&support, Data::In(&mut report), PATIENCE).map_err(|e| e.to_string())?;
        if !answer.is_good() {
            return Err(format!("{} was not answered", support.name));
        }
        let (command, list) = self.command();
        // SUPPORT 3: as the standard says. 0 means that the drive does not say now.
        let supported = report[1] & 7 == 3;
        Ok(Look { serial, supported, commands: vec![planned(&command, list)], ..Look::default() })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        let (command, list) = self.command();
        started(path.scsi(&command, list.map_or(Data::None, Data::Out), PATIENCE))
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        status(path, |sense| match () {
            () if sense.is_sanitize_in_progress() => Some(State::Running(sense.progress.map(|p| p.0))),
            () if sense.is_sanitize_failed() => Some(State::Failed("SANITIZE COMMAND FAILED (31h/03h)".to_owned())),
            () => None,
        })
    }
}

/// Unit Serial Number (VPD page 80h).
pub(super) fn serial(path: &mut dyn Transport) -> Result<Option<String>, String> {
    let mut page = [0; 252];
    let answer = path.scsi(&ScsiSanitize::serial_page(), Data::In(&mut page), PATIENCE).map_err(|e| e.to_string())?;
    let length = usize::from(u16::from_be_bytes([page[2], page[3]]));
    let text = page.get(4..4 + length).filter(|_| answer.is_good() && page[1] == 0x80);
    let serial = text.and_then(|t| std::str::from_utf8(t).ok()).map(|s| s.trim().to_owned());
    Ok(serial.filter(|s| !s.is_empty()))
}

/// A command for a plan.
pub(super) fn planned(command: &Command, list: Option<&[u8]>) -> PlannedCommand {
    PlannedCommand {
        set: CommandSet::Scsi,
        name: command.name.to_owned(),
        command: hex(&command.cdb),
        data_out: list.map(hex),
    }
}

/// What the answer to an erasing command with IMMED means.
pub(super) fn started(answer: Result<Outcome, TransportError>) -> Started {
    match answer {
        Ok(answer) if answer.is_good() => Started::Accepted,
        Ok(answer) => match answer.parsed_sense() {
            Some(sense) if sense.key == SenseKey::IllegalRequest => {
                Started::Rejected(format!("ILLEGAL REQUEST {:02x}h/{:02x}h", sense.asc, sense.ascq))
            }
            sense => Started::Unknown(format!("status {:02x}h, sense {sense:?}", answer.status)),
        },
        Err(error) if error.was_not_sent() => Started::Rejected(error.to_string()),
        Err(error) => Started::Unknown(error.to_string()),
    }
}

/// Polls by REQUEST SENSE; `known` reads the sense data that concern the technique.
pub(super) fn status(path: &mut dyn Transport, known: impl Fn(&Sense) -> Option<State>) -> State {
    let mut data = [0; 252];
    let answer = match path.scsi(&request_sense(true), Data::In(&mut data), PATIENCE) {
        Ok(answer) if answer.is_good() => answer,
        Ok(answer) => return State::Unknown(format!("REQUEST SENSE ended with status {:02x}h", answer.status)),
        Err(error) => return State::Unknown(error.to_string()),
    };
    let length = answer.transferred.min(data.len());
    let Some(sense) = Sense::parse(&data[..length]) else {
        return State::Unknown("the sense data cannot be read".to_owned());
    };
    if let Some(state) = known(&sense) {
        return state;
    }
    if sense.key != SenseKey::NoSense || sense.asc != 0 {
        return State::Unknown(format!("sense {:?} {:02x}h/{:02x}h", sense.key, sense.asc, sense.ascq));
    }
    match path.scsi(&test_unit_ready(), Data::None, PATIENCE) {
        Ok(answer) if answer.is_good() => State::Ready,
        Ok(answer) => State::Unknown(format!("TEST UNIT READY ended with status {:02x}h", answer.status)),
        Err(error) => State::Unknown(error.to_string()),
    }
}
