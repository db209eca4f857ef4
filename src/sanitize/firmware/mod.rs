//! A technique of the drive's own firmware, from the first look at the drive to the blocks that are
//! read after it.
//!
//! The order is fixed: what the drive is doing, which drive it is, what it can do, samples of what is
//! there, canaries written and read back, the note that the command is about to be sent, the command,
//! polling, the drive's final status, canaries and samples again, then as much as was asked for. Notes
//! are durable before what they announce, and a run that was cut is taken up from its notes by the
//! same function.
//!
//! Nothing here turns a missing answer into success, and the drive's word alone is no success
//! either: known content that is still there afterwards outweighs it. What a command reaches beyond
//! the medium that was named is told by [`Look::reach`]: whoever calls has made sure that nothing of
//! it is in use.

mod area;
mod ata;
mod ata_security;
mod bond;
mod canary;
mod choose;
mod frozen;
mod hidden;
mod hides;
mod known;
mod mmc;
mod mmc_areas;
mod note;
mod nvme;
mod nvme_capacity;
mod nvme_format;
mod nvme_namespaces;
mod opal;
mod procedure;
mod psids;
mod restore;
mod run;
mod sample;
mod scsi;
mod scsi_capacity;
mod scsi_format;
mod survey;
mod zones;

pub use area::{AreaBlocks, AreaErasure, AreaKnown, not_shown};
pub use ata::AtaSanitize;
pub use ata_security::{AtaSecurityErase, may_leave};
pub use bond::Bond;
pub use canary::{Blocks, Canaries, Findings};
pub use choose::{candidates, check_alone, procedure_for};
pub use frozen::{FrozenError, still_frozen};
pub use hidden::{AtaHiddenAreas, Found, HiddenError, Step, give_back};
pub use hides::Hides;
pub use mmc::{BootPartitions, MmcCard, MmcErase};
pub use mmc_areas::{BOOT_PARTITIONS, GENERAL_PURPOSE_PARTITIONS, MmcAreas};
pub use note::{Diary, DiaryError, Earlier, Note, Past};
pub use nvme::NvmeSanitize;
pub use nvme_capacity::{NvmeCapacity, UNALLOCATED_CAPACITY, UNATTACHED_NAMESPACES, Unattached};
pub use nvme_format::NvmeFormat;
pub use nvme_namespaces::NvmeNamespaces;
pub use opal::OpalPsidRevert;
pub use procedure::{Look, Procedure, Started, State};
pub use psids::{Psids, PsidsError};
pub use restore::{PlannedStep, Power, RestoreEnd, RestoreNote, RestorePlan, Restoring, restore};
pub use run::{Clock, End, Erasure, Failure, Refusal, STALL, Session, carry_out};
pub use sample::{Sample, Samples};
pub use scsi::ScsiSanitize;
pub use scsi_capacity::{Maximum, SHORT_CAPACITY, ScsiCapacity};
pub use scsi_format::ScsiFormat;
pub use survey::Survey;
pub use zones::ZoneResetOverwrite;

/// How a SANITIZE command erases (SBC-5 SANITIZE, NVM Express base 2.1 Sanitize).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Erase {
    /// Block erase: the medium's own low-level erase of every block.
    Block,
    /// The media encryption keys are changed.
    Crypto,
    /// A fixed pattern, written by the drive, once.
    Overwrite,
}
