//! SCSI SANITIZE (SBC-5), polled by REQUEST SENSE.

use std::time::Duration;

use super::Erase;
use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::scsi::{
    BlockCharacteristics, Command, Outcome, SanitizeAction, Sense, SenseKey, Support, VpdPage, overwrite_list,
    report_supported, request_sense, sanitize, test_unit_ready, vital_product_data,
};
use crate::device::command::{Data, hex};
use crate::device::transport::{Transport, TransportError};
use crate::device::vpd;
use crate::media::{CommandSet, PlannedCommand};
use crate::policy::Technique;
use crate::units::{Lba, SectorSize};

const PATIENCE: Duration = Duration::from_secs(60);
/// SANITIZE.
const OPCODE: u8 = 0x48;

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
        vital_product_data(VpdPage::UnitSerialNumber, 252)
    }

    /// REPORT SUPPORTED OPERATION CODES of this very service action.
    pub fn support(&self) -> Command {
        report_supported(OPCODE, Some(u16::from(self.action().code())))
    }

    /// SANITIZE, and the parameter list of an overwrite: one pass, a pattern of four zeros.
    pub fn command(&self) -> (Command, Option<Vec<u8>>) {
        let list = match self.erase {
            Erase::Overwrite => overwrite_list(1, false, &[0; 4]),
            Erase::Block | Erase::Crypto => None,
        };
        // A list that is missing or too long is one that the drive refuses.
        let length = list.as_ref().map_or(0, |list| u16::try_from(list.len()).unwrap_or(u16::MAX));
        (sanitize(self.action(), length), list)
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

    fn action(&self) -> SanitizeAction {
        match self.erase {
            Erase::Overwrite => SanitizeAction::Overwrite,
            Erase::Block => SanitizeAction::BlockErase,
            Erase::Crypto => SanitizeAction::CryptographicErase,
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
        let supported = supports(path, &self.support())?;
        let (command, list) = self.command();
        let obstacle = if supported { self.forbids_reads(path) } else { None };
        Ok(Look { serial, supported, obstacle, commands: vec![planned(&command, list.as_deref())], ..Look::default() })
    }

    fn explain_unread(&self, path: &mut dyn Transport, lba: Lba, block: SectorSize) -> Option<String> {
        let mut data = vec![0; usize::try_from(block.bytes()).ok()?];
        let answer = path.scsi(&read(lba), Data::In(&mut data), PATIENCE).ok()?;
        let sense = answer.parsed_sense()?;
        (sense.key == SenseKey::MediumError && sense.is_write_after_sanitize_required()).then(|| {
            "it says that the block has to be written before it can be read (WRITE AFTER SANITIZE REQUIRED, 11h/15h), so \
             that nothing shows what the block holds"
                .to_owned()
        })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        let (command, list) = self.command();
        started(path.scsi(&command, list.as_deref().map_or(Data::None, Data::Out), PATIENCE))
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        status(path, |sense| match () {
            () if sense.is_sanitize_in_progress() => Some(State::Running(sense.progress.map(|p| p.0))),
            () if sense.is_sanitize_failed() => Some(State::Failed("SANITIZE COMMAND FAILED (31h/03h)".to_owned())),
            () => None,
        })
    }
}

/// Whether the disk says that it knows a command as the standard has it. The room for the answer is zeros, so that
/// one that is too short says nothing.
pub(super) fn supports(path: &mut dyn Transport, command: &Command) -> Result<bool, String> {
    let mut report = [0; 64];
    let answer = path.scsi(command, Data::In(&mut report), PATIENCE).map_err(|e| e.to_string())?;
    match answer.is_good() {
        true => Ok(Support::parse(&report) == Support::Standard),
        false => Err(format!("{} was not answered", command.name)),
    }
}

/// Unit Serial Number (VPD page 80h).
pub(super) fn serial(path: &mut dyn Transport) -> Result<Option<String>, String> {
    let mut page = [0; 252];
    let answer = path.scsi(&ScsiSanitize::serial_page(), Data::In(&mut page), PATIENCE).map_err(|e| e.to_string())?;
    Ok(if answer.is_good() { vpd::unit_serial(&page) } else { None })
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

/// No additional sense, or with NO SENSE a warning (0Bh), a predicted failure (5Dh) or a low power condition (5Eh):
/// what the disk is at they do not tell, and TEST UNIT READY does.
fn says_nothing_of_work(sense: &Sense) -> bool {
    matches!(sense.asc, 0x00 | 0x0B | 0x5D | 0x5E)
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
    if sense.key != SenseKey::NoSense || !says_nothing_of_work(&sense) {
        return State::Unknown(format!("sense {:?} {:02x}h/{:02x}h", sense.key, sense.asc, sense.ascq));
    }
    match path.scsi(&test_unit_ready(), Data::None, PATIENCE) {
        Ok(answer) if answer.is_good() => State::Ready,
        // Some disks and bridges answer REQUEST SENSE with NO SENSE, and tell here what they are at.
        Ok(answer) => match answer.parsed_sense() {
            Some(sense) => known(&sense).unwrap_or_else(|| {
                State::Unknown(format!("TEST UNIT READY: {:?} {:02x}h/{:02x}h", sense.key, sense.asc, sense.ascq))
            }),
            None => State::Unknown(format!("TEST UNIT READY ended with {}", answer.status_words())),
        },
        Err(error) => State::Unknown(error.to_string()),
    }
}
