//! What every technique can be asked, whatever the command set.

use std::ops::Range;
use std::time::Duration;

use super::canary::Blocks;
use super::run::Clock;
use crate::device::command::mmc::Area;
use crate::device::transport::Transport;
use crate::media::{PlannedCommand, Reach};
use crate::policy::Technique;
use crate::sanitize::record::Frozen;
use crate::units::{Lba, SectorSize};

/// One technique over one path.
pub trait Procedure: Send {
    /// Which.
    fn technique(&self) -> Technique;
    /// Who the drive says it is by its own command, and whether it can do this. `Err`: it did not say.
    /// Changes nothing.
    fn look(&self, path: &mut dyn Transport) -> Result<Look, String>;
    /// Sends the erasing command. Blocks as long as the drive does.
    fn start(&self, path: &mut dyn Transport) -> Started;
    /// The same for a technique in which the host writes blocks itself.
    fn start_with(&self, path: &mut dyn Transport, blocks: &mut dyn Blocks, clock: &mut dyn Clock) -> Started {
        let _ = (blocks, clock);
        self.start(path)
    }
    /// What the drive is doing, or did last.
    fn status(&self, path: &mut dyn Transport) -> State;
    /// The drive's words, where it says that a sanitize or a format failed, after which it takes nothing but another
    /// one. Asked where the status is a failure.
    fn shut(&self, path: &mut dyn Transport) -> Option<String> {
        let _ = path;
        None
    }
    /// Whether the drive names its serial number by a command of this path.
    fn tells_serial(&self) -> bool {
        true
    }
    /// Whether an erase that a cut start left behind leads to the end that was meant. Where it does not, it is
    /// waited for, and everything is sent once more.
    fn goes_on_by_itself(&self) -> bool {
        true
    }
    /// What every block holds afterwards, by the standard; `None` where the standard leaves it open.
    fn leaves(&self) -> Option<u8> {
        None
    }
    /// Where that does not hold, because nothing can be written there: bytes of the medium, in order.
    fn unwritable(&self) -> Vec<Range<u64>> {
        Vec::new()
    }
    /// What the drive itself says of a block that could not be read after it had erased, where there is
    /// more to it than an error of the medium.
    fn explain_unread(&self, path: &mut dyn Transport, lba: Lba, block: SectorSize) -> Option<String> {
        let _ = (path, lba, block);
        None
    }
    /// Takes away what the technique had to put on the drive (a password), once the drive has ended,
    /// well or badly, and before a run that was cut goes on. `Ok(None)`: there was nothing.
    fn clean_up(&self, path: &mut dyn Transport) -> Result<Option<String>, String> {
        let _ = path;
        Ok(None)
    }
}

/// What the drive says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Serial number by the drive's own command, without spaces at its ends.
    pub serial: Option<String>,
    /// It supports the technique.
    pub supported: bool,
    /// Why it would refuse it now although it supports it (frozen, locked), and what helps.
    pub obstacle: Option<String>,
    /// The obstacle is that this is frozen, and nothing else: it goes when the drive's power is cut.
    pub frozen: Option<Frozen>,
    /// Why no known content can be written or read before (blocks that are locked, zones that are
    /// written in order). Then less can be shown afterwards.
    pub without_canaries: Option<String>,
    /// Its own estimate of the time, where it gives one.
    pub estimate: Option<Duration>,
    /// What the command reaches.
    pub reach: Reach,
    /// Areas of a card beside the main one that it reaches too.
    pub areas: Vec<Area>,
    /// The erasing commands, byte for byte, in order.
    pub commands: Vec<PlannedCommand>,
    /// What else a person should know of this path or drive.
    pub notes: Vec<String>,
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
    /// The host's part was asked to stop. Taken up, it begins again.
    Stopped,
}

impl Started {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Started::Accepted => "accepted".to_owned(),
            Started::Rejected(why) => format!("rejected: {why}"),
            Started::Unknown(why) => format!("no answer: {why}"),
            Started::Stopped => "stopped".to_owned(),
        }
    }
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
