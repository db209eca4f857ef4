//! The techniques of ATA, eMMC, Opal and zoned drives on drives of the test's own, which succeed,
//! fail, lie, lose their registers, stall and lose power. What counts is what their medium holds.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ata_drive;
mod ata_hidden;
mod ata_restore;
mod ata_sanitize;
mod ata_security;
mod ata_unfreeze;
mod bench;
mod failed_sanitize;
mod mmc_card;
mod nvme_capacity;
mod nvme_overwrite;
mod opal_drive;
mod resumed;
mod scsi_capacity;
mod scsi_status;
mod traps;
mod zoned_drive;
