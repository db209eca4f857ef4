//! SCSI FORMAT UNIT (SBC-5 5.4), polled by REQUEST SENSE.

use std::time::Duration;

use super::procedure::{Look, Procedure, Started, State};
use super::scsi::{planned, serial, started, status};
use crate::device::command::Data;
use crate::device::command::scsi::Command;
use crate::device::transport::Transport;
use crate::policy::Technique;

const PATIENCE: Duration = Duration::from_secs(60);
/// Short parameter list header: IMMED, and every option as the drive has it.
const LIST: [u8; 4] = [0, 0x02, 0, 0];

/// FORMAT UNIT of a logical unit, in its present format.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScsiFormat;

impl ScsiFormat {
    /// FORMAT UNIT with FMTDATA and a short parameter list. `protection` is FMTPINFO for the type of
    /// protection information the unit has now, so that the format stays as it is.
    pub fn command(protection: u8) -> Command {
        Command { name: "FORMAT UNIT", cdb: vec![0x04, (protection & 3) << 6 | 0x10, 0, 0, 0, 0] }
    }

    /// REPORT SUPPORTED OPERATION CODES of FORMAT UNIT.
    pub fn support() -> Command {
        let cdb = vec![0xA3, 0x0C, 1, 0x04, 0, 0, 0, 0, 0, 64, 0, 0];
        Command { name: "REPORT SUPPORTED OPERATION CODES", cdb }
    }

    /// READ CAPACITY (16).
    pub fn read_capacity() -> Command {
        let cdb = vec![0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0];
        Command { name: "READ CAPACITY (16)", cdb }
    }

    /// FMTPINFO for what READ CAPACITY (16) says: PROT_EN and P_TYPE (SBC-5 table 36).
    fn protection(path: &mut dyn Transport) -> Result<u8, String> {
        let mut data = [0; 32];
        let command = ScsiFormat::read_capacity();
        let answer = path.scsi(&command, Data::In(&mut data), PATIENCE).map_err(|e| e.to_string())?;
        if !answer.is_good() || answer.transferred < 13 {
            return Err(format!("{} was not answered", command.name));
        }
        match (data[12] & 1, data[12] >> 1 & 7) {
            (0, _) => Ok(0),
            (_, 0) => Ok(2),
            (_, 1 | 2) => Ok(3),
            (_, kind) => Err(format!("protection type {} is not known here", kind + 1)),
        }
    }
}

impl Procedure for ScsiFormat {
    fn technique(&self) -> Technique {
        Technique::ScsiFormat
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let serial = serial(path)?;
        let mut report = [0; 64];
        let support = ScsiFormat::support();
        let answer = path.scsi(&support, Data::In(&mut report), PATIENCE).map_err(|e| e.to_string())?;
        if !answer.is_good() {
            return Err(format!("{} was not answered", support.name));
        }
        let command = ScsiFormat::command(ScsiFormat::protection(path)?);
        let notes = vec!["a format may leave blocks as they were: what counts is what is read afterwards".to_owned()];
        let supported = report[1] & 7 == 3;
        Ok(Look { serial, supported, commands: vec![planned(&command, Some(&LIST))], notes, ..Look::default() })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        match ScsiFormat::protection(path) {
            Ok(protection) => started(path.scsi(&ScsiFormat::command(protection), Data::Out(&LIST), PATIENCE)),
            Err(why) => Started::Rejected(why),
        }
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        status(path, |sense| match () {
            () if sense.is_format_in_progress() => Some(State::Running(sense.progress.map(|p| p.0))),
            () if sense.is_format_failed() => {
                Some(State::Failed(format!("FORMAT COMMAND FAILED ({:02x}h/{:02x}h)", sense.asc, sense.ascq)))
            }
            // Somebody else's sanitize runs on this unit.
            () if sense.is_sanitize_in_progress() => Some(State::Running(sense.progress.map(|p| p.0))),
            () => None,
        })
    }
}
