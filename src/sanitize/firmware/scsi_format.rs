//! SCSI FORMAT UNIT (SBC-5 5.4), polled by REQUEST SENSE.

use std::time::Duration;

use super::procedure::{Look, Procedure, Started, State};
use super::scsi::{planned, serial, started, status, supports};
use crate::device::command::Data;
use crate::device::command::scsi::{Capacity, Command, format_unit, read_capacity_16, report_supported};
use crate::device::transport::Transport;
use crate::policy::Technique;

const PATIENCE: Duration = Duration::from_secs(60);
/// FORMAT UNIT.
const OPCODE: u8 = 0x04;

/// FORMAT UNIT of a logical unit, in its present format.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScsiFormat;

impl ScsiFormat {
    /// FORMAT UNIT and its parameter list, so that the unit keeps the protection information it has now.
    fn as_it_is(path: &mut dyn Transport) -> Result<(Command, Vec<u8>), String> {
        let mut data = [0; 32];
        let command = read_capacity_16();
        let answer = path.scsi(&command, Data::In(&mut data), PATIENCE).map_err(|e| e.to_string())?;
        let known = data.get(..answer.transferred).and_then(Capacity::parse);
        let Some(capacity) = known.filter(|_| answer.is_good()) else {
            return Err(format!("{} was not answered", command.name));
        };
        format_unit(capacity.protection)
            .ok_or_else(|| format!("{:?} is a protection type that is not known here", capacity.protection))
    }
}

impl Procedure for ScsiFormat {
    fn technique(&self) -> Technique {
        Technique::ScsiFormat
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let serial = serial(path)?;
        let supported = supports(path, &report_supported(OPCODE, None))?;
        let (command, list) = ScsiFormat::as_it_is(path)?;
        let notes = vec!["a format may leave blocks as they were: what counts is what is read afterwards".to_owned()];
        Ok(Look { serial, supported, commands: vec![planned(&command, Some(&list))], notes, ..Look::default() })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        match ScsiFormat::as_it_is(path) {
            Ok((command, list)) => started(path.scsi(&command, Data::Out(&list), PATIENCE)),
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

    fn shut(&self, path: &mut dyn Transport) -> Option<String> {
        match self.status(path) {
            State::Failed(words) => Some(words),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::command::scsi::Outcome;
    use crate::device::transport::TransportError;
    use crate::media::CommandSet;

    /// A disk with protection information, which remembers how it was told to format.
    struct Disk {
        protection: u8,
        formatted: Option<(u8, Vec<u8>)>,
    }

    impl Transport for Disk {
        fn offers(&self) -> Vec<CommandSet> {
            vec![CommandSet::Scsi]
        }

        fn scsi(&mut self, command: &Command, data: Data<'_>, _: Duration) -> Result<Outcome, TransportError> {
            let transferred = match (command.cdb[0], data) {
                (0x9E, Data::In(room)) => {
                    room[7] = 99;
                    (room[10], room[12]) = (2, self.protection);
                    room.len()
                }
                (0x04, Data::Out(list)) => {
                    self.formatted = Some((command.cdb[1], list.to_vec()));
                    list.len()
                }
                _ => panic!("{}", command.name),
            };
            Ok(Outcome { status: 0, sense: Vec::new(), transferred })
        }
    }

    #[test]
    fn a_format_keeps_the_type_of_protection() {
        // PROT_EN and P_TYPE; FMTPINFO with FMTDATA, PROTECTION FIELD USAGE with IMMED.
        for (protection, cdb, usage) in [(0, 0x10, 0), (0b001, 0x90, 0), (0b011, 0xD0, 0), (0b101, 0xD0, 1)] {
            let mut disk = Disk { protection, formatted: None };
            assert_eq!(ScsiFormat.start(&mut disk), Started::Accepted);
            assert_eq!(disk.formatted, Some((cdb, vec![usage, 2, 0, 0])));
        }
        let mut disk = Disk { protection: 0b111, formatted: None };
        assert!(matches!(ScsiFormat.start(&mut disk), Started::Rejected(why) if why.contains("not known")));
        assert_eq!(disk.formatted, None);
    }
}
