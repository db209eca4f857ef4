//! What is shown on the drives.

mod bench;
mod identity;
mod nvme_firmware;
mod overwrite;
mod overwrite_ata;
mod overwrite_nvme;
mod overwrite_scsi;
mod overwrite_stock;
mod table;
