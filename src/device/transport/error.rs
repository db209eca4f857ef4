//! No answer of the drive.

use std::io;
use std::time::Duration;

/// The path did not bring an answer of the drive. What the drive did with the command is unknown,
/// except for `NotSupported` and `Permission`: then it was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// This path does not carry such commands.
    #[error("{what} cannot be sent on this path")]
    NotSupported {
        /// The command.
        what: String,
    },
    /// The kernel gave up waiting.
    #[error("{what} had no answer within {} s; what the drive did with it is unknown", after.as_secs())]
    TimedOut {
        /// The command.
        what: String,
        /// The timeout it was given.
        after: Duration,
    },
    /// The drive is gone.
    #[error("the drive is gone: {what} could not reach it")]
    Gone {
        /// The command.
        what: String,
    },
    /// Not allowed; root or `CAP_SYS_RAWIO` and `CAP_SYS_ADMIN` are needed.
    #[error("{what} is not permitted; run as root")]
    Permission {
        /// The command.
        what: String,
    },
    /// Anything else on the way.
    #[error("{what} did not come through: {why}")]
    Io {
        /// The command.
        what: String,
        /// The kernel's or host adapter's words.
        why: String,
    },
}

impl TransportError {
    /// This path does not carry `what`.
    pub fn not_supported(what: &str) -> TransportError {
        TransportError::NotSupported { what: what.to_owned() }
    }

    /// From an ioctl's errno.
    pub(crate) fn from_errno(what: &str, error: &io::Error, timeout: Duration) -> TransportError {
        use nix::libc;
        let what = what.to_owned();
        match error.raw_os_error() {
            Some(libc::ENOTTY | libc::EOPNOTSUPP | libc::ENOSYS) => TransportError::NotSupported { what },
            Some(libc::EACCES | libc::EPERM) => TransportError::Permission { what },
            Some(libc::ENODEV | libc::ENXIO | libc::ENOMEDIUM | libc::ESHUTDOWN) => TransportError::Gone { what },
            Some(libc::ETIMEDOUT | libc::ETIME) => TransportError::TimedOut { what, after: timeout },
            _ => TransportError::Io { what, why: error.to_string() },
        }
    }

    /// The command never left the host.
    pub fn was_not_sent(&self) -> bool {
        matches!(self, TransportError::NotSupported { .. } | TransportError::Permission { .. })
    }
}
