//! Whether an ATA drive is frozen, by its own word.

use super::ata::{PATIENCE, identify, lost, registers};
use crate::device::command::Data;
use crate::device::command::ata::sanitize::{SanitizeReply, sanitize_status};
use crate::device::transport::Transport;
use crate::sanitize::record::Frozen;

/// What is frozen is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrozenError {
    /// Another drive answers.
    #[error("the kernel says serial {kernel:?}, the drive itself {drive:?}")]
    Another {
        /// The drive that is meant.
        kernel: String,
        /// The one that answers.
        drive: String,
    },
    /// It did not say.
    #[error("{0}")]
    NotSaid(String),
}

/// What of `asked` is frozen, by IDENTIFY DEVICE word 128 bit 3 and by SANITIZE STATUS EXT. `serial` is the
/// drive's, as the kernel knows it. Changes nothing.
pub fn still_frozen(path: &mut dyn Transport, serial: &str, asked: &[Frozen]) -> Result<Vec<Frozen>, FrozenError> {
    let drive = identify(path).map_err(FrozenError::NotSaid)?;
    let says = drive.serial.as_str().unwrap_or_default();
    if says != serial.trim() || says.is_empty() {
        return Err(FrozenError::Another { kernel: serial.trim().to_owned(), drive: says.to_owned() });
    }
    let mut frozen = Vec::new();
    for what in asked {
        let is_frozen = match what {
            Frozen::Security => {
                let missing = || FrozenError::NotSaid("the drive does not have the Security feature set".to_owned());
                drive.security.ok_or_else(missing)?.frozen
            }
            Frozen::Sanitize => sanitize_frozen(path)?,
        };
        if is_frozen {
            frozen.push(*what);
        }
    }
    Ok(frozen)
}

fn sanitize_frozen(path: &mut dyn Transport) -> Result<bool, FrozenError> {
    let command = sanitize_status();
    let outcome = path.ata(&command, Data::None, PATIENCE).map_err(|e| FrozenError::NotSaid(e.to_string()))?;
    match SanitizeReply::of(&outcome) {
        SanitizeReply::Status(status) => Ok(status.frozen),
        SanitizeReply::Lost => Err(FrozenError::NotSaid(lost(&command))),
        SanitizeReply::Refused(_) => {
            Err(FrozenError::NotSaid(format!("{} ended with {}", command.name, registers(&outcome))))
        }
    }
}
