//! ATA commands by ATA PASS-THROUGH (SAT-5 12.2): libata, SAS adapters and USB bridges translate it.

use std::fs::File;
use std::time::Duration;

use super::scsi;
use crate::device::command::Data;
use crate::device::command::ata::{Command, Outcome, outcome, pass_through_16};
use crate::device::transport::TransportError;

pub(super) fn send(
    file: &File,
    command: &Command,
    data: Data<'_>,
    timeout: Duration,
) -> Result<Outcome, TransportError> {
    let cdb = pass_through_16(command, &data)
        .map_err(|error| TransportError::Io { what: command.name.to_owned(), why: error.to_string() })?;
    let answer = scsi::send(file, command.name, &cdb.cdb, data, timeout)?;
    Ok(outcome(&answer))
}
