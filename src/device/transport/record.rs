//! A path that writes down what goes over it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Transport, TransportError};
use crate::device::command::{Data, ata, block, hex, mmc, nvme, opal, scsi};
use crate::media::{CommandSet, Exchange, Reply};
use crate::units::now;

/// More of the data is not evidence, it is bulk.
const MOST_DATA: usize = 512;

/// Records every command of a path. Of a command that is sent again and again (polling) the first
/// and the latest exchange are kept.
pub struct Recorder<T> {
    path: T,
    log: ExchangeLog,
}

/// What a [`Recorder`] wrote down; others may take it while the path is in use.
#[derive(Clone, Debug, Default)]
pub struct ExchangeLog(Arc<Mutex<Vec<Exchange>>>);

impl ExchangeLog {
    /// What was recorded since the last call.
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, exchange: Exchange) {
        let mut exchanges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before_last = exchanges.len().checked_sub(2).and_then(|at| exchanges.get(at));
        let polls = before_last.is_some_and(|b| exchange.repeats(b))
            && exchanges.last().is_some_and(|last| exchange.repeats(last));
        if polls {
            exchanges.pop();
        }
        exchanges.push(exchange);
    }
}

impl<T: Transport> Recorder<T> {
    /// Nothing is recorded yet.
    pub fn new(path: T) -> Recorder<T> {
        Recorder { path, log: ExchangeLog::default() }
    }

    /// What is recorded.
    pub fn log(&self) -> ExchangeLog {
        self.log.clone()
    }

    /// The path itself.
    pub fn into_inner(self) -> T {
        self.path
    }

    /// Sends, and notes what was sent and what came back.
    fn send<R>(
        &mut self,
        set: CommandSet,
        (name, command): (&str, String),
        mut data: Data<'_>,
        send: impl FnOnce(&mut T, Data<'_>) -> Result<R, TransportError>,
        reply: impl FnOnce(&R) -> Reply,
    ) -> Result<R, TransportError> {
        let sent = now();
        let data_out = match &data {
            Data::Out(bytes) => Some(hex(&bytes[..bytes.len().min(MOST_DATA)])),
            Data::Secret(_) => Some("redacted".to_owned()),
            Data::None | Data::In(_) => None,
        };
        let result = match &mut data {
            Data::In(bytes) => send(&mut self.path, Data::In(bytes)),
            Data::Out(bytes) => send(&mut self.path, Data::Out(bytes)),
            Data::Secret(bytes) => send(&mut self.path, Data::Secret(bytes)),
            Data::None => send(&mut self.path, Data::None),
        };
        let data_in = match &data {
            Data::In(bytes) if result.is_ok() => {
                let bytes = &bytes[..bytes.len().min(MOST_DATA)];
                let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
                Some(hex(&bytes[..end]))
            }
            _ => None,
        };
        let reply = match &result {
            Ok(answer) => reply(answer),
            Err(error) => Reply::Failed { error: error.to_string() },
        };
        self.log.note(Exchange {
            set,
            name: name.to_owned(),
            command,
            data_out,
            reply,
            data_in,
            sent,
            answered: now(),
        });
        result
    }
}

impl<T: Transport> Transport for Recorder<T> {
    fn offers(&self) -> Vec<CommandSet> {
        self.path.offers()
    }

    fn ata(
        &mut self,
        command: &ata::Command,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<ata::Outcome, TransportError> {
        self.send(
            CommandSet::Ata,
            (command.name, hex(&command.task_file())),
            data,
            |path, data| path.ata(command, data, timeout),
            |outcome| match outcome.registers {
                Some(registers) => Reply::AtaRegisters {
                    registers: hex(&registers.bytes()),
                    count_high: registers.count_high,
                    lba_high: registers.lba_high,
                },
                None => Reply::NoRegisters,
            },
        )
    }

    fn scsi(
        &mut self,
        command: &scsi::Command,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<scsi::Outcome, TransportError> {
        self.send(
            CommandSet::Scsi,
            (command.name, hex(&command.cdb)),
            data,
            |path, data| path.scsi(command, data, timeout),
            |outcome| Reply::Scsi { status: format!("{:02x}", outcome.status), sense: hex(&outcome.sense) },
        )
    }

    fn nvme_admin(
        &mut self,
        command: &nvme::AdminCommand,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<nvme::Completion, TransportError> {
        self.send(
            CommandSet::Nvme,
            (command.name, hex(&command.bytes())),
            data,
            |path, data| path.nvme_admin(command, data, timeout),
            |done| Reply::Nvme { status: format!("{:x}", done.status), result: format!("{:08x}", done.result) },
        )
    }

    fn mmc(
        &mut self,
        commands: &[mmc::Command],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<mmc::Outcome, TransportError> {
        self.mmc_in(mmc::Area::UserData, commands, data, timeout)
    }

    fn mmc_in(
        &mut self,
        area: mmc::Area,
        commands: &[mmc::Command],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<mmc::Outcome, TransportError> {
        let bytes: String = commands.iter().map(|command| hex(&command.bytes())).collect();
        self.send(
            CommandSet::Mmc,
            (&area.names(commands), bytes),
            data,
            |path, data| path.mmc_in(area, commands, data, timeout),
            |outcome| Reply::Mmc {
                responses: outcome.responses.iter().flatten().map(|word| format!("{word:08x}")).collect(),
            },
        )
    }

    fn opal(&mut self, request: &opal::Request<'_>, timeout: Duration) -> Result<opal::Outcome, TransportError> {
        // That there was a PSID is written down, and nothing of it.
        let data = match request {
            opal::Request::PsidRevert(_) => Data::Secret(&[]),
            opal::Request::GetStatus => Data::None,
        };
        self.send(
            CommandSet::Opal,
            (request.name(), String::new()),
            data,
            |path, _| path.opal(request, timeout),
            |outcome| Reply::Opal { code: format!("{:x}", outcome.flags.map_or(outcome.code, |flags| flags.0)) },
        )
    }

    fn block(&mut self, request: &block::Request, timeout: Duration) -> Result<block::Outcome, TransportError> {
        self.send(
            CommandSet::Block,
            (request.name(), hex(&request.bytes())),
            Data::None,
            |path, _| path.block(request, timeout),
            |_| Reply::Done,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scripted;
    use super::*;

    #[test]
    fn polling_keeps_the_first_and_the_latest() {
        let (path, script) = Scripted::new(&[CommandSet::Scsi]);
        let ready = scsi::test_unit_ready();
        for status in [2, 2, 2, 8, 0] {
            script.scsi(&ready, Ok(scsi::Outcome { status, ..scsi::Outcome::default() }));
        }
        let mut recorder = Recorder::new(path);
        for _ in 0..5 {
            recorder.scsi(&ready, Data::None, Duration::from_secs(1)).unwrap();
        }
        let statuses: Vec<Reply> = recorder.log().take().into_iter().map(|exchange| exchange.reply).collect();
        let scsi = |status: &str| Reply::Scsi { status: status.to_owned(), sense: String::new() };
        assert_eq!(statuses, [scsi("02"), scsi("00")]);
        script.finish();
    }

    /// The kernel's Opal driver is asked for its status before and after a revert: none of them repeats another.
    #[test]
    fn a_revert_is_no_polling_of_the_status_around_it() {
        let (path, script) = Scripted::new(&[CommandSet::Opal]);
        let psid = opal::Psid::parse("ABCDEFGH12345678IJKLMNOP90123456").unwrap();
        let requests = [opal::Request::GetStatus, opal::Request::PsidRevert(&psid), opal::Request::GetStatus];
        for (request, flags) in requests.iter().zip([Some(7), None, Some(3)]) {
            script.opal(request, Ok(opal::Outcome { code: 0, flags: flags.map(opal::StatusFlags) }));
        }
        let mut recorder = Recorder::new(path);
        for request in &requests {
            recorder.opal(request, Duration::from_secs(1)).unwrap();
        }
        let told: Vec<_> = recorder.log().take().into_iter().map(|e| (e.name, e.data_out, e.reply)).collect();
        let reply = |code: &str| Reply::Opal { code: code.to_owned() };
        let status = |code: &str| ("IOC_OPAL_GET_STATUS".to_owned(), None, reply(code));
        let revert = ("IOC_OPAL_PSID_REVERT_TPR".to_owned(), Some("redacted".to_owned()), reply("0"));
        assert_eq!(told, [status("7"), revert, status("3")]);
        script.finish();
    }

    #[test]
    fn a_secret_is_not_written_down_and_zeros_are_left_out() {
        let (path, script) = Scripted::new(&[CommandSet::Ata]);
        let command = ata::Command { protocol: ata::Protocol::PioOut, ..ata::Command::non_data("SECRET", 0xF1) };
        script.ata_out(&command, b"password", Ok(ata::Outcome::default()));
        script.ata_in(&command, &[1, 2, 0, 0], Ok(ata::Outcome::default()));
        let mut recorder = Recorder::new(path);
        recorder.ata(&command, Data::Secret(b"password"), Duration::from_secs(1)).unwrap();
        recorder.ata(&command, Data::In(&mut [9; 4]), Duration::from_secs(1)).unwrap();
        let exchanges = recorder.log().take();
        assert_eq!(exchanges[0].data_out.as_deref(), Some("redacted"));
        assert_eq!(exchanges[0].reply, Reply::NoRegisters);
        assert_eq!(exchanges[0].command, format!("{}40f1", "00".repeat(10)));
        assert_eq!(exchanges[1].data_in.as_deref(), Some("0102"));
        script.finish();
    }
}
