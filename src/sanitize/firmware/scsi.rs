//! SCSI SANITIZE (SBC-5), polled by REQUEST SENSE.

use std::time::Duration;

use super::Erase;
use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::scsi::{
    BlockCharacteristics, Command, Outcome, Sense, SenseKey, VpdPage, request_sense, test_unit_ready,
    vital_product_data,
};
use crate::device::command::{Data, hex};
use crate::device::transport::{Transport, TransportError};
use crate::media::{CommandSet, PlannedCommand};
use crate::policy::Technique;
use crate::units::{Lba, SectorSize};

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

    /// Block Device Characteristics (VPD page B1h): WABEREQ or WACEREQ 10b, reads fail after such an erase
    /// until the block is written. A drive that does nothing could then not be told from one that erases.
    fn forbids_reads(&self, path: &mut dyn Transport) -> Option<String> {
        if self.erase == Erase::Overwrite {
            return None;
        }
        let mut page = [0; 64];
        let command = vital_product_data(VpdPage::BlockDeviceCharacteristics, 64);
        let answer = path.scsi(&command, Data::In(&mut page), PATIENCE).ok().filter(Outcome::is_good)?;
        let facts = BlockCharacteristics::parse(page.get(..answer.transferred.min(64))?)?;
        let (name, required) = match self.erase {
            Erase::Crypto => ("WACEREQ", facts.write_after_crypto_erase),
            Erase::Block | Erase::Overwrite => ("WABEREQ", facts.write_after_block_erase),
        };
        (required == 2).then(|| {
            format!(
                "it says that no block can be read after this erase until it is written ({name} 10b), so that nothing could \
                 show that the content is gone; take scsi-sanitize-overwrite, or destroy it"
            )
        })
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
        let obstacle = if supported { self.forbids_reads(path) } else { None };
        Ok(Look { serial, supported, obstacle, commands: vec![planned(&command, list)], ..Look::default() })
    }

    fn explain_unread(&self, path: &mut dyn Transport, lba: Lba, block: SectorSize) -> Option<String> {
        let mut data = vec![0; usize::try_from(block.bytes()).ok()?];
        let answer = path.scsi(&read(lba), Data::In(&mut data), PATIENCE).ok()?;
        let sense = answer.parsed_sense()?;
        (sense.key == SenseKey::MediumError && (sense.asc, sense.ascq) == (0x11, 0x15)).then(|| {
            "it says that the block has to be written before it can be read (WRITE AFTER SANITIZE REQUIRED, 11h/15h), so \
             that nothing shows what the block holds"
                .to_owned()
        })
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

/// READ (16) of one block.
fn read(lba: Lba) -> Command {
    let mut cdb = vec![0x88, 0];
    cdb.extend(lba.0.to_be_bytes());
    cdb.extend([0, 0, 0, 1, 0, 0]);
    Command { name: "READ (16)", cdb }
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
