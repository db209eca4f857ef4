//! Drives, as state machines after the standards, whose behaviour a test chooses.

#![allow(dead_code)] // What the scenes of firmware techniques use follows with them.

pub mod ahci;
pub mod ata;
mod ata_identify;
mod ata_sanitize;
mod ata_security;
mod ata_tests;
pub mod bridge;
pub mod emmc;
pub mod nvme;
pub mod nvme_bus;
mod nvme_identify;
mod nvme_tests;
pub mod opal;
mod opal_tests;
pub mod scsi;
mod scsi_pages;
mod scsi_tests;
pub mod sdhci;
pub mod stock;
pub mod usb_scsi;
pub mod vhost_scsi;
