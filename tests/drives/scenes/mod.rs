//! What is shown on the drives.

mod bench;
mod emmc;
mod firmware_ata;
mod firmware_nvme;
mod firmware_scsi;
mod hidden;
mod hidden_nvme;
mod hidden_scsi;
mod identity;
mod nvme_firmware;
mod nvme_namespaces;
mod opal;
mod overwrite;
mod overwrite_ata;
mod overwrite_nvme;
mod overwrite_scsi;
mod overwrite_stock;
mod power_cut;
mod suspend;
mod table;
