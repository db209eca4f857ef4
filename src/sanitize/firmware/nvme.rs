//! NVMe Sanitize and its log page (NVM Express base specification 2.1).

use std::time::Duration;

use super::Erase;
use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::nvme::{ALL_NAMESPACES, AdminCommand, status};
use crate::device::command::{Data, hex};
use crate::device::transport::Transport;
use crate::media::{CommandSet, PlannedCommand, Reach};
use crate::policy::Technique;

const PATIENCE: Duration = Duration::from_secs(60);

/// Sanitize of a whole NVM subsystem.
#[derive(Clone, Copy, Debug)]
pub struct NvmeSanitize {
    erase: Erase,
}

impl NvmeSanitize {
    /// By this erase.
    pub fn new(erase: Erase) -> NvmeSanitize {
        NvmeSanitize { erase }
    }

    /// Identify Controller (CNS 01h).
    pub fn identify() -> AdminCommand {
        AdminCommand { name: "Identify Controller", opcode: 0x06, cdw10: 1, ..AdminCommand::default() }
    }

    /// Get Log Page of Sanitize Status (81h), all 512 bytes.
    pub fn status_log() -> AdminCommand {
        AdminCommand {
            name: "Get Log Page (Sanitize Status)",
            opcode: 0x02,
            nsid: ALL_NAMESPACES,
            cdw10: 127 << 16 | 0x81,
            ..AdminCommand::default()
        }
    }

    /// Sanitize. The NSID is 0: the command is one to the subsystem. One overwrite pass (0 would be
    /// 16), and a failure can only be left by another Sanitize.
    pub fn command(&self) -> AdminCommand {
        let cdw10 = match self.erase {
            Erase::Block => 2,
            Erase::Overwrite => 1 << 4 | 3,
            Erase::Crypto => 4,
        };
        AdminCommand { name: "Sanitize", opcode: 0x84, nsid: 0, cdw10, ..AdminCommand::default() }
    }

    fn log(path: &mut dyn Transport) -> Result<[u8; 512], String> {
        let mut log = [0xA5; 512];
        let command = NvmeSanitize::status_log();
        match path.nvme_admin(&command, Data::In(&mut log), PATIENCE) {
            // A path that answers without filling the buffer.
            Ok(done) if done.is_success() && log == [0xA5; 512] => Err("the log page came back unfilled".to_owned()),
            Ok(done) if done.is_success() => Ok(log),
            Ok(done) => Err(format!("{}: {}", command.name, done.meaning())),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Procedure for NvmeSanitize {
    fn technique(&self) -> Technique {
        match self.erase {
            Erase::Block => Technique::NvmeSanitizeBlock,
            Erase::Crypto => Technique::NvmeSanitizeCrypto,
            Erase::Overwrite => Technique::NvmeSanitizeOverwrite,
        }
    }

    fn shut(&self, path: &mut dyn Transport) -> Option<String> {
        let log = NvmeSanitize::log(path).ok()?;
        // SSTAT 3: the last one failed, whichever it was.
        (log[2] & 7 == 3).then(|| format!("SSTAT {:04x}h", u16::from_le_bytes([log[2], log[3]])))
    }

    fn leaves(&self) -> Option<u8> {
        // CDW11 is the pattern.
        (self.erase == Erase::Overwrite).then_some(0)
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let data = controller(path)?;
        let capability = long(&data, 328);
        let (bit, at) = match self.erase {
            Erase::Crypto => (0, 16),
            Erase::Block => (1, 12),
            Erase::Overwrite => (2, 8),
        };
        let supported = capability >> bit & 1 != 0;
        let seconds = if supported { long(&NvmeSanitize::log(path)?, at) } else { 0 };
        Ok(Look {
            serial: serial(&data),
            supported,
            reach: Reach::Subsystem,
            commands: vec![planned(&self.command())],
            // All ones: no estimate.
            estimate: (seconds != 0 && seconds != u32::MAX).then(|| Duration::from_secs(u64::from(seconds))),
            ..Look::default()
        })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        match path.nvme_admin(&self.command(), Data::None, PATIENCE) {
            Ok(done) if done.is_success() => Started::Accepted,
            Ok(done) if done.code() == status::SANITIZE_IN_PROGRESS => Started::Unknown(done.meaning().to_owned()),
            Ok(done) => Started::Rejected(format!("{} (status {:x}h)", done.meaning(), done.code())),
            Err(error) if error.was_not_sent() => Started::Rejected(error.to_string()),
            Err(error) => Started::Unknown(error.to_string()),
        }
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        let log = match NvmeSanitize::log(path) {
            Ok(log) => log,
            Err(why) => return State::Unknown(why),
        };
        let sstat = u16::from_le_bytes([log[2], log[3]]);
        let (sent, said) = (self.command().cdw10, long(&log, 4));
        let words = format!("SSTAT {sstat:04x}h, SCDW10 {said:08x}h");
        match sstat & 7 {
            0 => State::Never,
            // 4 is success as well: the blocks were deallocated although that was not asked for.
            1 | 4 if said == sent => State::Completed(words),
            1 | 4 => State::Failed(format!("{words}: the last Sanitize was another one than CDW10 {sent:08x}h")),
            2 => State::Running(Some(u16::from_le_bytes([log[0], log[1]]))),
            3 => State::Failed(words),
            _ => State::Unknown(words),
        }
    }
}

/// The data of Identify Controller.
pub(super) fn controller(path: &mut dyn Transport) -> Result<[u8; 4096], String> {
    let mut data = [0; 4096];
    let command = NvmeSanitize::identify();
    let done = path.nvme_admin(&command, Data::In(&mut data), PATIENCE).map_err(|e| e.to_string())?;
    if done.is_success() { Ok(data) } else { Err(format!("{}: {}", command.name, done.meaning())) }
}

/// SN of Identify Controller.
pub(super) fn serial(controller: &[u8; 4096]) -> Option<String> {
    std::str::from_utf8(&controller[4..24]).ok().map(|s| s.trim().to_owned()).filter(|s| !s.is_empty())
}

/// An admin command for a plan.
pub(super) fn planned(command: &AdminCommand) -> PlannedCommand {
    PlannedCommand {
        set: CommandSet::Nvme,
        name: command.name.to_owned(),
        command: hex(&command.bytes()),
        data_out: None,
    }
}

fn long(data: &[u8], at: usize) -> u32 {
    data.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}
