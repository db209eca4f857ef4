//! Drives, as state machines after the standards, whose behaviour a test chooses.

pub mod nvme;
pub mod nvme_bus;
mod nvme_tests;
