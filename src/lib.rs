//! lastwrite sanitizes storage media, proves it, and closes the asset's life.
//!
//! The rooms and who may import whom are in `docs/architecture.md`; `tests/architecture.rs` checks it.
#![deny(unsafe_code)]

pub mod bundle;
pub mod certificate;
pub mod custody;
#[cfg(feature = "erase")]
pub mod device;
pub mod frontend;
pub mod media;
#[cfg(feature = "erase")]
pub mod overwrite;
pub mod policy;
pub mod register;
pub mod sanitize;
pub mod scheme;
pub mod signed;
pub mod station;
pub mod sys;
#[cfg(feature = "pdf")]
pub mod typeset;
pub mod units;
