//! Everything unsafe: system calls, the memory the kernel writes into, and waiting for calls that
//! may never return. Safe to use from outside; each obligation is discharged where it arises.
#![allow(unsafe_code)]

#[cfg(feature = "erase")]
pub mod aes_ctr;
#[cfg(feature = "erase")]
mod arena;
#[cfg(feature = "erase")]
mod blocking;
#[cfg(feature = "erase")]
pub mod clock;
#[cfg(feature = "erase")]
pub mod ioctl;
pub mod memory;
#[cfg(feature = "erase")]
pub mod passthrough;
#[cfg(feature = "erase")]
mod presence;
#[cfg(feature = "erase")]
mod ring;

#[cfg(feature = "erase")]
pub use arena::{Arena, GRANULE, Run};
#[cfg(feature = "erase")]
pub use blocking::{Blocking, HelperGone};
#[cfg(feature = "erase")]
pub use presence::{Presence, Silent, within};
#[cfg(feature = "erase")]
pub use ring::{Buffer, BufferRegistration, Completion, Moved, Ring, RingOptions, Waker};
