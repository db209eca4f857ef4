//! The core: writing a pattern over a medium and reading it back, for all drives at once.
//!
//! [`Pass`] is the state machine of one pass and does no I/O; two backends drive the same one:
//! a few io_uring workers for all drives, or plain `pread`/`pwrite` where io_uring is not to be had.

mod disk;
mod engine;
mod extents;
mod job;
mod ledger;
mod marks;
mod pace;
mod pass;
mod plain;
mod share;
mod trouble;
mod uring;

pub use disk::{Disk, FileDisk};
pub use engine::{AUTO_WORKERS, Engine, EngineConfig, EngineError, IoChoice, IoMode, Tuning};
pub use extents::{Extents, quick_extents, sample_extents};
pub use job::{FirstError, PassEnd, PassHandle, PassJob, PassOutcome, PassWatch, Progress};
pub use ledger::Ledger;
pub use marks::read_marked;
pub use pass::{FaultLimits, Pass, PassOp, Poll, Request};
