//! A technique of the drive's own firmware, from the first look at the drive to the blocks that are
//! read after it. Here: Sanitize of NVMe and SCSI.
//!
//! The order is fixed: what the drive is doing, which drive it is, what it can do, canaries written
//! and read back, the note that the command is about to be sent, the command, polling, the drive's
//! final status, the canaries again. Notes are durable before what they announce, and a run that
//! was cut is taken up from its notes by the same function.
//!
//! Nothing here turns a missing answer into success, and the drive's word alone is no success
//! either: known content that is still there afterwards outweighs it. A Sanitize reaches all
//! namespaces or the whole logical unit: whoever calls has made sure that nothing of it is in use.

mod canary;
mod note;
mod nvme;
mod operation;
mod procedure;
mod run;
mod scsi;

pub use canary::{Blocks, Canaries, Findings};
pub use note::{Diary, DiaryError, Note, Past};
pub use nvme::NvmeSanitize;
pub use operation::{Erase, Operation};
pub use procedure::{Look, Procedure, Started, State};
pub use run::{Clock, End, Failure, Refusal, Session, carry_out};
pub use scsi::ScsiSanitize;
