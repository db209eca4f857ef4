//! lastwrite sanitizes storage media, proves it, and closes the asset's life.
//!
//! The rooms and who may import whom are in `docs/architecture.md`; `tests/architecture.rs` checks it.
#![deny(unsafe_code)]

#[cfg(feature = "erase")]
pub mod device;
pub mod media;
pub mod policy;
pub mod sanitize;
pub mod scheme;
#[cfg(feature = "erase")]
pub mod sys;
pub mod units;
