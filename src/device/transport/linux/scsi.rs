//! SCSI commands by `SG_IO`.

use std::fs::File;
use std::time::Duration;

use super::phase;
use crate::device::command::Data;
use crate::device::command::scsi::{Outcome, SenseKey};
use crate::device::transport::TransportError;
use crate::sys::passthrough::{self, SgReply};

/// How often a command is sent again that a unit attention kept from being carried out (SAM-6 5.14:
/// after a reset or a wake the first command only says so).
const ATTENTIONS: u32 = 3;

/// `DID_*` of `scsi/scsi_status.h`.
mod host {
    pub const NO_CONNECT: u16 = 0x01;
    pub const TIME_OUT: u16 = 0x03;
    pub const BAD_TARGET: u16 = 0x04;
}
/// `DRIVER_TIMEOUT`.
const DRIVER_TIMEOUT: u16 = 0x06;

/// Sends a CDB; repeats it while the unit only reports a unit attention.
pub(super) fn send(
    file: &File,
    name: &str,
    cdb: &[u8],
    mut data: Data<'_>,
    timeout: Duration,
) -> Result<Outcome, TransportError> {
    let length = data.len();
    let mut attentions = 0;
    loop {
        let again = match &mut data {
            Data::None => Data::None,
            Data::In(bytes) => Data::In(bytes),
            Data::Out(bytes) | Data::Secret(bytes) => Data::Out(bytes),
        };
        let reply = passthrough::scsi(file, cdb, phase(again), timeout)
            .map_err(|error| TransportError::from_errno(name, &error, timeout))?;
        let outcome = outcome(name, reply, length, timeout)?;
        let attention = outcome.parsed_sense().is_some_and(|sense| sense.key == SenseKey::UnitAttention);
        if !attention || attentions == ATTENTIONS {
            return Ok(outcome);
        }
        attentions += 1;
    }
}

/// What the kernel's reply says: an answer of the drive, or none.
fn outcome(name: &str, reply: SgReply, length: usize, timeout: Duration) -> Result<Outcome, TransportError> {
    let what = name.to_owned();
    match (reply.host_status, reply.driver_status) {
        (0, DRIVER_TIMEOUT) | (host::TIME_OUT, _) => Err(TransportError::TimedOut { what, after: timeout }),
        (host::NO_CONNECT | host::BAD_TARGET, _) => Err(TransportError::Gone { what }),
        (0, _) => {
            Ok(Outcome { status: reply.status, sense: reply.sense, transferred: length.saturating_sub(reply.left) })
        }
        (host, driver) => {
            Err(TransportError::Io { what, why: format!("host adapter status {host:#x}, driver status {driver:#x}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reply: SgReply) -> Result<Outcome, TransportError> {
        outcome("X", reply, 512, Duration::from_secs(9))
    }

    #[test]
    fn only_what_the_drive_said_is_an_answer() {
        let good = of(SgReply { left: 500, ..SgReply::default() }).unwrap();
        assert_eq!((good.status, good.transferred), (0, 12));
        // CHECK CONDITION comes with DRIVER_SENSE on older kernels.
        let sensed = of(SgReply { status: 2, driver_status: 8, sense: vec![0x70], ..SgReply::default() }).unwrap();
        assert_eq!(sensed.status, 2);
        let host = |host_status| of(SgReply { host_status, ..SgReply::default() });
        assert!(matches!(host(1), Err(TransportError::Gone { .. })));
        assert!(matches!(host(3), Err(TransportError::TimedOut { .. })));
        assert!(matches!(host(7), Err(TransportError::Io { .. })));
        let driver = of(SgReply { driver_status: 6, ..SgReply::default() });
        assert!(matches!(driver, Err(TransportError::TimedOut { .. })));
    }
}
