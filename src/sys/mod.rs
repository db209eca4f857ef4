//! Everything unsafe: system calls, the memory the kernel writes into, and waiting for calls that
//! may never return. Safe to use from outside; each obligation is discharged where it arises.
#![allow(unsafe_code)]

mod arena;
mod blocking;
pub mod clock;
pub mod ioctl;
pub mod passthrough;
mod ring;

pub use arena::{Arena, GRANULE, Run};
pub use blocking::{Blocking, HelperGone};
pub use ring::{Buffer, BufferRegistration, Completion, Moved, Ring, RingOptions, Waker};
