//! NVMe Sanitize and its log page (NVM Express base specification 2.1).

use std::cell::Cell;
use std::time::Duration;

use super::Erase;
use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::nvme::{
    AdminCommand, Completion, Controller, Namespace, SanitizeAction, SanitizeOutcome, SanitizeStatus,
    identify_controller, identify_namespace, sanitize, sanitize_status_log,
};
use crate::device::command::{Data, hex};
use crate::device::transport::{Transport, TransportError};
use crate::media::{CommandSet, PlannedCommand, Reach};
use crate::policy::Technique;

const PATIENCE: Duration = Duration::from_secs(60);

/// Sanitize of a whole NVM subsystem.
#[derive(Clone, Debug)]
pub struct NvmeSanitize {
    erase: Erase,
    /// Whose blocks are read afterwards.
    namespace: Option<u32>,
    leaves: Cell<Option<u8>>,
}

impl NvmeSanitize {
    /// By this erase.
    pub fn new(erase: Erase) -> NvmeSanitize {
        NvmeSanitize { erase, namespace: None, leaves: Cell::new(None) }
    }

    /// It is this namespace that is read afterwards.
    pub fn read_back_of(self, namespace: Option<u32>) -> NvmeSanitize {
        NvmeSanitize { namespace, ..self }
    }

    /// What each block holds after the overwrite. The controller deallocates what it has overwritten: such a block
    /// reads as the namespace says. It may leave out some, which hold the pattern (CDW11): both have to be the same.
    fn left_behind(&self, path: &mut dyn Transport) -> Option<u8> {
        let namespace = self.namespace.filter(|_| self.erase == Erase::Overwrite)?;
        let mut data = [0; 4096];
        let answer = path.nvme_admin(&identify_namespace(namespace), Data::In(&mut data), PATIENCE);
        answer.ok().filter(Completion::is_success)?;
        Namespace::parse(&data)?.deallocated.filter(|byte| *byte == 0)
    }

    /// Sanitize. The NSID is 0: the command is one to the subsystem. One overwrite pass (0 would be
    /// 16), and a failure can only be left by another Sanitize.
    pub fn command(&self) -> AdminCommand {
        sanitize(match self.erase {
            Erase::Block => SanitizeAction::BlockErase,
            Erase::Overwrite => SanitizeAction::Overwrite { passes: 1, pattern: 0, invert: false },
            Erase::Crypto => SanitizeAction::CryptoErase,
        })
    }

    fn log(path: &mut dyn Transport) -> Result<SanitizeStatus, String> {
        let mut log = [0xA5; 512];
        let command = sanitize_status_log();
        match path.nvme_admin(&command, Data::In(&mut log), PATIENCE) {
            // A path that answers without filling the buffer.
            Ok(done) if done.is_success() && log == [0xA5; 512] => Err("the log page came back unfilled".to_owned()),
            Ok(done) if done.is_success() => {
                SanitizeStatus::parse(&log).ok_or_else(|| "the log page came back short".to_owned())
            }
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
        (log.outcome == SanitizeOutcome::Failed).then(|| format!("SSTAT {:04x}h", log.status))
    }

    fn leaves(&self) -> Option<u8> {
        self.leaves.get()
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let found = controller(path)?;
        let supported = match self.erase {
            Erase::Crypto => found.sanitize.crypto_erase,
            Erase::Block => found.sanitize.block_erase,
            Erase::Overwrite => found.sanitize.overwrite,
        };
        self.leaves.set(self.left_behind(path));
        let estimates = if supported { NvmeSanitize::log(path)?.estimates } else { Default::default() };
        Ok(Look {
            serial: found.serial,
            supported,
            reach: Reach::Subsystem,
            commands: vec![planned(&self.command())],
            estimate: match self.erase {
                Erase::Crypto => estimates.crypto_erase,
                Erase::Block => estimates.block_erase,
                Erase::Overwrite => estimates.overwrite,
            },
            ..Look::default()
        })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        let command = self.command();
        started(&command, path.nvme_admin(&command, Data::None, PATIENCE))
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        let log = match NvmeSanitize::log(path) {
            Ok(log) => log,
            Err(why) => return State::Unknown(why),
        };
        let sent = self.command().cdw10;
        let words = format!("SSTAT {:04x}h, SCDW10 {:08x}h", log.status, log.command);
        match log.outcome {
            SanitizeOutcome::Never => State::Never,
            SanitizeOutcome::Succeeded | SanitizeOutcome::SucceededDeallocated if log.command == sent => {
                State::Completed(words)
            }
            SanitizeOutcome::Succeeded | SanitizeOutcome::SucceededDeallocated => {
                State::Failed(format!("{words}: the last Sanitize was another one than CDW10 {sent:08x}h"))
            }
            SanitizeOutcome::InProgress => State::Running(Some(log.progress)),
            SanitizeOutcome::Failed => State::Failed(words),
            SanitizeOutcome::Reserved(_) => State::Unknown(words),
        }
    }
}

/// What the answer to an erasing command means.
pub(super) fn started(command: &AdminCommand, answer: Result<Completion, TransportError>) -> Started {
    match answer {
        Ok(done) if done.is_success() => Started::Accepted,
        Ok(done) if done.says_not_begun(command.opcode) => Started::Rejected(said(done)),
        Ok(done) => Started::Unknown(said(done)),
        Err(error) if error.was_not_sent() => Started::Rejected(error.to_string()),
        Err(error) => Started::Unknown(error.to_string()),
    }
}

/// A status in words.
pub(super) fn said(done: Completion) -> String {
    format!("{} (status {:x}h)", done.meaning(), done.code())
}

/// What the controller says of itself.
pub(super) fn controller(path: &mut dyn Transport) -> Result<Controller, String> {
    let mut data = [0; 4096];
    let command = identify_controller();
    let done = path.nvme_admin(&command, Data::In(&mut data), PATIENCE).map_err(|e| e.to_string())?;
    if !done.is_success() {
        return Err(format!("{}: {}", command.name, done.meaning()));
    }
    Controller::parse(&data).ok_or_else(|| format!("{} gave no whole data", command.name))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::transport::Scripted;

    #[test]
    fn each_sanitize_reaches_the_subsystem_with_its_own_capability_and_estimate() {
        for (erase, bit, seconds) in [(Erase::Crypto, 0, 3), (Erase::Block, 1, 2), (Erase::Overwrite, 2, 4)] {
            let (mut path, script) = Scripted::new(&[CommandSet::Nvme]);
            let mut data = vec![0; 4096];
            data[328] = 1 << bit;
            let mut log = vec![0; 512];
            // The first is for 16 passes, and one is sent.
            (log[8], log[12], log[16]) = (49, 2, 3);
            script.always_nvme_in(&identify_controller(), &data, Ok(Completion::default()));
            script.always_nvme_in(&sanitize_status_log(), &log, Ok(Completion::default()));
            let look = NvmeSanitize::new(erase).look(&mut path).unwrap();
            assert_eq!((look.supported, look.reach), (true, Reach::Subsystem), "{erase:?}");
            assert_eq!(look.estimate, Some(Duration::from_secs(seconds)), "{erase:?}");
            let other = if erase == Erase::Block { Erase::Crypto } else { Erase::Block };
            let look = NvmeSanitize::new(other).look(&mut path).unwrap();
            assert_eq!((look.supported, look.reach, look.estimate), (false, Reach::Subsystem, None), "{other:?}");
        }
    }
}
