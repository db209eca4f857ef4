//! SCSI commands (SPC-6, SBC-5) as CDBs, and what comes back.

mod capacity;
mod erase;
mod inquiry;
mod logs;
mod sense;

pub use capacity::{
    BlockDescriptor, Capacity, MODE_DATA, PageControl, ProtectionType, mode_sense_10, read_capacity_16,
    restore_capacity,
};
pub use erase::{SanitizeAction, Support, format_unit, overwrite_list, report_supported, sanitize};
pub use inquiry::{
    BlockCharacteristics, Inquiry, VpdPage, inquiry, security_protocol_in, supported_pages, vital_product_data,
};
pub use logs::{
    LOG_DATA, LogPage, endurance_used, expects_to_fail, log_sense, power_on_minutes, supported_logs, temperature,
    uncorrected_errors,
};
pub(crate) use sense::descriptor_of;
pub use sense::{Progress, Sense, SenseKey, request_sense, test_unit_ready};

/// One SCSI command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The standard's name for it.
    pub name: &'static str,
    /// The CDB: 6, 10, 12, 16 or 32 bytes.
    pub cdb: Vec<u8>,
}

/// GOOD.
pub const GOOD: u8 = 0x00;
/// CHECK CONDITION.
pub const CHECK_CONDITION: u8 = 0x02;

/// What came back of one SCSI command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Status byte (SAM-6 5.3).
    pub status: u8,
    /// Sense data as returned; empty when there were none.
    pub sense: Vec<u8>,
    /// Bytes of the data phase that were transferred.
    pub transferred: usize,
}

impl Outcome {
    /// GOOD, and no sense data that say otherwise.
    pub fn is_good(&self) -> bool {
        let harmless = |sense: Sense| matches!(sense.key, SenseKey::NoSense | SenseKey::RecoveredError);
        self.status == GOOD && (self.sense.is_empty() || self.parsed_sense().is_some_and(harmless))
    }

    /// The status by its name.
    pub fn status_words(&self) -> String {
        let name = match self.status {
            GOOD => "GOOD",
            CHECK_CONDITION => "CHECK CONDITION",
            0x08 => "BUSY",
            0x18 => "RESERVATION CONFLICT",
            0x28 => "TASK SET FULL",
            other => return format!("status {other:02x}h"),
        };
        format!("{name} ({:02x}h)", self.status)
    }

    /// The sense data, if any can be read.
    pub fn parsed_sense(&self) -> Option<Sense> {
        Sense::parse(&self.sense)
    }
}
