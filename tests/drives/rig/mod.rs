//! What carries a programmable drive into a booted kernel.

pub mod guest;
pub mod line;
pub mod medium;
pub mod memory;
pub mod plug;
pub mod program;
pub mod qemu;
pub mod usbredir;
pub mod vfio;
pub mod vhost;

pub use guest::Guest;
pub use medium::{Erase, Medium};
