//! What every technique can be asked, whatever the command set.

use std::time::Duration;

use super::operation::Operation;
use crate::device::transport::Transport;

/// One technique over one path.
pub trait Procedure {
    /// Which.
    fn operation(&self) -> Operation;
    /// Who the drive says it is by its own command, and whether it can do this. `Err`: it did not say.
    fn look(&self, path: &mut dyn Transport) -> Result<Look, String>;
    /// Sends the erasing command.
    fn start(&self, path: &mut dyn Transport) -> Started;
    /// What the drive is doing, or did last.
    fn status(&self, path: &mut dyn Transport) -> State;
}

/// What the drive says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Serial number by the drive's own command, without spaces at its ends.
    pub serial: Option<String>,
    /// It supports the operation.
    pub supported: bool,
    /// Its own estimate of the time, where it gives one.
    pub estimate: Option<Duration>,
}

/// What came back of the erasing command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// The drive took it.
    Accepted,
    /// The drive, or the path before it, said positively that it was not begun.
    Rejected(String),
    /// Nothing is known: it may be erasing.
    Unknown(String),
}

/// What the drive says of its sanitize operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It says that there never was one.
    Never,
    /// It takes commands and reports neither a running nor a failed one (SCSI keeps no record).
    Ready,
    /// One is running, so many 65,536ths done where it says.
    Running(Option<u16>),
    /// The last one was this operation and came to a good end: the drive's words.
    Completed(String),
    /// The last one failed, or was another one: the drive's words.
    Failed(String),
    /// It did not say.
    Unknown(String),
}
