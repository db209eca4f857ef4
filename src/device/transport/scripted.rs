//! A path for tests: it knows which commands must come, in which order, with which bytes, and what
//! to answer. Used by the tests of every room that talks to drives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Transport, TransportError};
use crate::device::command::{Data, ata, block, mmc, nvme, opal, scsi};
use crate::media::CommandSet;

/// The path itself; give it to what is tested.
#[derive(Debug)]
pub struct Scripted {
    offers: Vec<CommandSet>,
    script: Script,
}

/// What is expected; the test keeps it. When the last handle goes and a command is missing, or one
/// came that was not expected, the test fails.
#[derive(Clone, Debug)]
pub struct Script(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    steps: VecDeque<Step>,
    /// Answered whenever it comes, as often as it comes, when it is not the next step.
    standing: Vec<Step>,
    sent: usize,
    wrong: Option<String>,
}

#[derive(Clone, Debug)]
struct Step {
    command: Sent,
    phase: Phase,
    answer: Result<Answer, TransportError>,
}

/// A command with every field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    Ata(ata::Command),
    Scsi(scsi::Command),
    Nvme(nvme::AdminCommand),
    Mmc(Vec<mmc::Command>),
    Opal(&'static str, Option<[u8; 32]>),
    Block(block::Request),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    None,
    /// What the drive sends.
    In(Vec<u8>),
    /// What the drive must be sent.
    Out(Vec<u8>),
}

#[derive(Clone, Debug)]
enum Answer {
    Ata(ata::Outcome),
    Scsi(scsi::Outcome),
    Nvme(nvme::Completion),
    Mmc(mmc::Outcome),
    Opal(opal::Outcome),
    Block(block::Outcome),
}

impl Scripted {
    /// A path that claims to carry these command sets, and the script it follows.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(offers: &[CommandSet]) -> (Scripted, Script) {
        let script = Script(Arc::new(Mutex::new(State::default())));
        (Scripted { offers: offers.to_vec(), script: script.clone() }, script)
    }

    fn answer(&self, command: Sent, data: Data<'_>) -> Result<Answer, TransportError> {
        let mut state = self.script.lock();
        state.sent += 1;
        let next = state.steps.front().is_some_and(|step| step.command == command);
        let step = match next {
            true => state.steps.pop_front(),
            false => state.standing.iter().find(|step| step.command == command).cloned(),
        };
        let number = state.sent;
        let Some(step) = step else {
            let expected = state.steps.front().map(|step| format!("{:?}", step.command));
            return Err(state.complain(format!("command {number} is {command:?}, expected was {expected:?}")));
        };
        match (&step.phase, data) {
            (Phase::None, Data::None) => {}
            (Phase::In(bytes), Data::In(buffer)) => {
                let length = bytes.len().min(buffer.len());
                buffer[..length].copy_from_slice(&bytes[..length]);
            }
            (Phase::Out(bytes), Data::Out(sent) | Data::Secret(sent)) if bytes.as_slice() == sent => {}
            (phase, data) => {
                return Err(state.complain(format!(
                    "the data of command {number} ({command:?}) are {data:?}, expected were {phase:?}"
                )));
            }
        }
        step.answer
    }
}

macro_rules! expectations {
    ($($(#[$doc:meta])* $plain:ident, $with_in:ident, $with_out:ident, $always:ident, $always_in:ident: $sent:ident($command:ty) -> $outcome:ty;)*) => {
        $(
            $(#[$doc])*
            pub fn $plain(&self, command: &$command, answer: Result<$outcome, TransportError>) -> &Script {
                self.then(Sent::$sent(command.to_owned()), Phase::None, answer.map(Answer::$sent))
            }

            /// The same; the drive sends these data.
            pub fn $with_in(&self, command: &$command, data: &[u8], answer: Result<$outcome, TransportError>) -> &Script {
                self.then(Sent::$sent(command.to_owned()), Phase::In(data.to_vec()), answer.map(Answer::$sent))
            }

            /// The same; the drive must be sent these data.
            pub fn $with_out(&self, command: &$command, data: &[u8], answer: Result<$outcome, TransportError>) -> &Script {
                self.then(Sent::$sent(command.to_owned()), Phase::Out(data.to_vec()), answer.map(Answer::$sent))
            }

            /// Answered at any time, any number of times, also never.
            pub fn $always(&self, command: &$command, answer: Result<$outcome, TransportError>) -> &Script {
                self.standing(Sent::$sent(command.to_owned()), Phase::None, answer.map(Answer::$sent))
            }

            /// The same; the drive sends these data.
            pub fn $always_in(&self, command: &$command, data: &[u8], answer: Result<$outcome, TransportError>) -> &Script {
                self.standing(Sent::$sent(command.to_owned()), Phase::In(data.to_vec()), answer.map(Answer::$sent))
            }
        )*
    };
}

impl Script {
    expectations! {
        /// Next comes this ATA command.
        ata, ata_in, ata_out, always_ata, always_ata_in: Ata(ata::Command) -> ata::Outcome;
        /// Next comes this SCSI command.
        scsi, scsi_in, scsi_out, always_scsi, always_scsi_in: Scsi(scsi::Command) -> scsi::Outcome;
        /// Next comes this NVMe admin command.
        nvme, nvme_in, nvme_out, always_nvme, always_nvme_in: Nvme(nvme::AdminCommand) -> nvme::Completion;
        /// Next come these MMC commands.
        mmc, mmc_in, mmc_out, always_mmc, always_mmc_in: Mmc([mmc::Command]) -> mmc::Outcome;
    }

    /// Next comes this request to the Opal driver, with this very PSID.
    pub fn opal(&self, request: &opal::Request<'_>, answer: Result<opal::Outcome, TransportError>) -> &Script {
        self.then(opal_sent(request), Phase::None, answer.map(Answer::Opal))
    }

    /// Answered at any time, any number of times, also never.
    pub fn always_opal(&self, request: &opal::Request<'_>, answer: Result<opal::Outcome, TransportError>) -> &Script {
        self.standing(opal_sent(request), Phase::None, answer.map(Answer::Opal))
    }

    /// Next comes this request to the block layer.
    pub fn block(&self, request: &block::Request, answer: Result<block::Outcome, TransportError>) -> &Script {
        self.then(Sent::Block(*request), Phase::None, answer.map(Answer::Block))
    }

    /// Answered at any time, any number of times, also never.
    pub fn always_block(&self, request: &block::Request, answer: Result<block::Outcome, TransportError>) -> &Script {
        self.standing(Sent::Block(*request), Phase::None, answer.map(Answer::Block))
    }

    /// How many commands came so far.
    pub fn sent(&self) -> usize {
        self.lock().sent
    }

    /// Fails the test unless all that was expected came, and nothing else.
    pub fn finish(&self) {
        let complaint = self.lock().complaint();
        assert!(complaint.is_none(), "{}", complaint.unwrap_or_default());
    }

    fn then(&self, command: Sent, phase: Phase, answer: Result<Answer, TransportError>) -> &Script {
        self.lock().steps.push_back(Step { command, phase, answer });
        self
    }

    fn standing(&self, command: Sent, phase: Phase, answer: Result<Answer, TransportError>) -> &Script {
        self.lock().standing.push(Step { command, phase, answer });
        self
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn complain(&mut self, what: String) -> TransportError {
        self.wrong.get_or_insert_with(|| what.clone());
        TransportError::Io { what: "a scripted command".to_owned(), why: what }
    }

    fn complaint(&self) -> Option<String> {
        self.wrong.clone().or_else(|| {
            let step = self.steps.front()?;
            Some(format!("{} expected commands were not sent; the first is {:?}", self.steps.len(), step.command))
        })
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let complaint = self.complaint();
            assert!(complaint.is_none(), "{}", complaint.unwrap_or_default());
        }
    }
}

fn opal_sent(request: &opal::Request<'_>) -> Sent {
    match request {
        opal::Request::GetStatus => Sent::Opal(request.name(), None),
        opal::Request::PsidRevert(psid) => Sent::Opal(request.name(), Some(*psid.bytes())),
    }
}

/// The answer is of the command's kind, because steps are made in pairs.
macro_rules! answered {
    ($answer:expr, $kind:ident) => {
        match $answer? {
            Answer::$kind(outcome) => Ok(outcome),
            other => Err(TransportError::Io {
                what: "a scripted command".to_owned(),
                why: format!("the answer is of another command set: {other:?}"),
            }),
        }
    };
}

impl Transport for Scripted {
    fn offers(&self) -> Vec<CommandSet> {
        self.offers.clone()
    }

    fn ata(&mut self, command: &ata::Command, data: Data<'_>, _: Duration) -> Result<ata::Outcome, TransportError> {
        answered!(self.answer(Sent::Ata(*command), data), Ata)
    }

    fn scsi(&mut self, command: &scsi::Command, data: Data<'_>, _: Duration) -> Result<scsi::Outcome, TransportError> {
        answered!(self.answer(Sent::Scsi(command.clone()), data), Scsi)
    }

    fn nvme_admin(
        &mut self,
        command: &nvme::AdminCommand,
        data: Data<'_>,
        _: Duration,
    ) -> Result<nvme::Completion, TransportError> {
        answered!(self.answer(Sent::Nvme(*command), data), Nvme)
    }

    fn mmc(&mut self, commands: &[mmc::Command], data: Data<'_>, _: Duration) -> Result<mmc::Outcome, TransportError> {
        answered!(self.answer(Sent::Mmc(commands.to_vec()), data), Mmc)
    }

    fn opal(&mut self, request: &opal::Request<'_>, _: Duration) -> Result<opal::Outcome, TransportError> {
        answered!(self.answer(opal_sent(request), Data::None), Opal)
    }

    fn block(&mut self, request: &block::Request, _: Duration) -> Result<block::Outcome, TransportError> {
        answered!(self.answer(Sent::Block(*request), Data::None), Block)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_command_that_does_not_come_fails_the_test() {
        let result = catch_unwind(|| {
            let (_path, script) = Scripted::new(&[]);
            script.scsi(&scsi::test_unit_ready(), Ok(scsi::Outcome::default()));
        });
        assert!(result.is_err());
    }

    #[test]
    fn another_field_or_other_data_fail_the_test_even_when_the_error_is_swallowed() {
        let command = ata::Command::non_data("X", 0xE5);
        for changed in [
            ata::Command { features: 1, ..command },
            ata::Command { count: 1, ..command },
            ata::Command { lba: 1, ..command },
            ata::Command { device: 0, ..command },
            ata::Command { extended: true, ..command },
        ] {
            let result = catch_unwind(|| {
                let (mut path, script) = Scripted::new(&[]);
                script.ata(&command, Ok(ata::Outcome::default()));
                let _ = path.ata(&changed, Data::None, SECOND);
                let _ = path.ata(&command, Data::None, SECOND);
            });
            assert!(result.is_err(), "{changed:?}");
        }
        let result = catch_unwind(|| {
            let (mut path, script) = Scripted::new(&[]);
            script.ata_out(&command, &[1], Ok(ata::Outcome::default()));
            let _ = path.ata(&command, Data::Out(&[2]), SECOND);
        });
        assert!(result.is_err());
    }

    #[test]
    fn standing_answers_come_at_any_time_beside_the_order() {
        let (mut path, script) = Scripted::new(&[CommandSet::Nvme]);
        let poll = nvme::AdminCommand { opcode: 2, ..nvme::AdminCommand::default() };
        let act = nvme::AdminCommand { opcode: 0x84, ..nvme::AdminCommand::default() };
        script.always_nvme_in(&poll, &[7], Ok(nvme::Completion::default()));
        script.nvme(&act, Err(TransportError::Gone { what: "x".into() }));
        for _ in 0..3 {
            let mut byte = [0];
            path.nvme_admin(&poll, Data::In(&mut byte), SECOND).unwrap();
            assert_eq!(byte, [7]);
        }
        path.nvme_admin(&act, Data::None, SECOND).unwrap_err();
        assert_eq!(script.sent(), 4);
        script.finish();
    }
}
