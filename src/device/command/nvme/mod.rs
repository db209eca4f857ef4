//! NVMe admin commands (NVM Express base specification 2.1) and their completions.

mod erase;
mod identify;
mod logs;

pub use erase::{FormatTarget, SanitizeAction, SecureErase, format_nvm, sanitize, security_receive};
pub use identify::{
    Controller, FormatAttributes, Namespace, NoDeallocate, SanitizeCapabilities, active_namespaces,
    allocated_namespaces, identify_allocated, identify_controller, identify_namespace, namespace_list,
};
pub use logs::{Estimates, SanitizeOutcome, SanitizeStatus, health, health_log, sanitize_status_log};

/// The broadcast namespace id.
pub const ALL_NAMESPACES: u32 = 0xFFFF_FFFF;
/// Format NVM.
pub const FORMAT_NVM: u8 = 0x80;
/// Sanitize.
pub const SANITIZE: u8 = 0x84;

/// One admin command; dwords as they stand in the submission queue entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdminCommand {
    /// The standard's name for it.
    pub name: &'static str,
    /// OPC.
    pub opcode: u8,
    /// NSID.
    pub nsid: u32,
    /// CDW10.
    pub cdw10: u32,
    /// CDW11.
    pub cdw11: u32,
    /// CDW12.
    pub cdw12: u32,
    /// CDW13.
    pub cdw13: u32,
    /// CDW14.
    pub cdw14: u32,
    /// CDW15.
    pub cdw15: u32,
}

impl AdminCommand {
    /// As the record shows it: opcode, then NSID and CDW10-15, most significant byte first.
    pub fn bytes(&self) -> Vec<u8> {
        let words = [self.nsid, self.cdw10, self.cdw11, self.cdw12, self.cdw13, self.cdw14, self.cdw15];
        std::iter::once(self.opcode).chain(words.into_iter().flat_map(u32::to_be_bytes)).collect()
    }
}

/// A completion queue entry, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// Status code type (bits 10:8) and status code (7:0), bits 11 and up: retry delay, more, do not
    /// retry.
    pub status: u16,
    /// Dword 0.
    pub result: u32,
}

/// Status code types and codes that decide something here (figure 100 and following).
pub mod status {
    /// Invalid Command Opcode.
    pub const INVALID_OPCODE: u16 = 0x001;
    /// Invalid Field in Command.
    pub const INVALID_FIELD: u16 = 0x002;
    /// Commands Aborted due to Power Loss Notification.
    pub const POWER_LOSS: u16 = 0x005;
    /// Internal Error.
    pub const INTERNAL_ERROR: u16 = 0x006;
    /// Command Abort Requested.
    pub const ABORT_REQUESTED: u16 = 0x007;
    /// Command Aborted due to SQ Deletion.
    pub const QUEUE_DELETED: u16 = 0x008;
    /// Command Sequence Error: a format while other commands are at work.
    pub const SEQUENCE_ERROR: u16 = 0x00C;
    /// Invalid Namespace or Format.
    pub const INVALID_NAMESPACE: u16 = 0x00B;
    /// Sanitize Failed.
    pub const SANITIZE_FAILED: u16 = 0x01C;
    /// Sanitize In Progress.
    pub const SANITIZE_IN_PROGRESS: u16 = 0x01D;
    /// Operation Denied.
    pub const OPERATION_DENIED: u16 = 0x015;
    /// Format In Progress (NVM command set).
    pub const FORMAT_IN_PROGRESS: u16 = 0x084;
    /// Namespace Not Ready.
    pub const NAMESPACE_NOT_READY: u16 = 0x082;
    /// Invalid Log Page.
    pub const INVALID_LOG_PAGE: u16 = 0x109;
    /// Invalid Format.
    pub const INVALID_FORMAT: u16 = 0x10A;
    /// Sanitize Prohibited While Persistent Memory Region is Enabled.
    pub const SANITIZE_PROHIBITED_PMR: u16 = 0x123;
    /// Namespace is Write Protected.
    pub const NAMESPACE_WRITE_PROTECTED: u16 = 0x020;
    /// Host Pathing Error: the host's own word, not the drive's.
    pub const HOST_PATHING_ERROR: u16 = 0x370;
    /// Command Aborted By Host: so Linux ends what it waited for in vain.
    pub const HOST_ABORTED: u16 = 0x371;
}

impl Completion {
    /// Status code type and code, without the retry bits.
    pub fn code(&self) -> u16 {
        self.status & 0x7FF
    }

    /// Successful completion.
    pub fn is_success(&self) -> bool {
        self.code() == 0
    }

    /// It is about the path (status code type 3), and Linux makes some itself: it says nothing of the drive's work.
    pub fn is_of_the_path(&self) -> bool {
        self.code() >> 8 == 3
    }

    /// Whether it says positively that a Sanitize or Format NVM, by its opcode, was not begun.
    pub fn says_not_begun(&self, opcode: u8) -> bool {
        // Broken off: whether it was at work already, it does not say.
        let broken_off = matches!(self.code(), status::POWER_LOSS | status::ABORT_REQUESTED | status::QUEUE_DELETED);
        if self.is_success() || self.is_of_the_path() || broken_off {
            return false;
        }
        match opcode {
            // Works in the background, so that this is the answer to its start. One that is running may be this one.
            SANITIZE => self.code() != status::SANITIZE_IN_PROGRESS,
            // Answers at its end: only what is judged before.
            FORMAT_NVM => matches!(
                self.code(),
                status::INVALID_OPCODE
                    | status::INVALID_FIELD
                    | status::INVALID_NAMESPACE
                    | status::SEQUENCE_ERROR
                    | status::OPERATION_DENIED
                    | status::SANITIZE_FAILED
                    | status::SANITIZE_IN_PROGRESS
                    | status::NAMESPACE_WRITE_PROTECTED
                    | status::INVALID_FORMAT
            ),
            _ => false,
        }
    }

    /// What the code says, in the standard's words.
    pub fn meaning(&self) -> &'static str {
        match self.code() {
            0 => "Successful Completion",
            status::INVALID_OPCODE => "Invalid Command Opcode",
            status::INVALID_FIELD => "Invalid Field in Command",
            status::POWER_LOSS => "Commands Aborted due to Power Loss Notification",
            status::INTERNAL_ERROR => "Internal Error",
            status::ABORT_REQUESTED => "Command Abort Requested",
            status::QUEUE_DELETED => "Command Aborted due to SQ Deletion",
            status::SEQUENCE_ERROR => "Command Sequence Error",
            status::HOST_PATHING_ERROR => "Host Pathing Error",
            status::HOST_ABORTED => "Command Aborted By Host",
            status::INVALID_NAMESPACE => "Invalid Namespace or Format",
            status::OPERATION_DENIED => "Operation Denied",
            status::SANITIZE_FAILED => "Sanitize Failed",
            status::SANITIZE_IN_PROGRESS => "Sanitize In Progress",
            status::NAMESPACE_WRITE_PROTECTED => "Namespace is Write Protected",
            status::NAMESPACE_NOT_READY => "Namespace Not Ready",
            status::FORMAT_IN_PROGRESS => "Format In Progress",
            status::INVALID_LOG_PAGE => "Invalid Log Page",
            status::INVALID_FORMAT => "Invalid Format",
            status::SANITIZE_PROHIBITED_PMR => "Sanitize Prohibited While Persistent Memory Region is Enabled",
            _ => "another status code",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_bits_do_not_change_the_code() {
        let refused = Completion { status: 0x4000 | status::SANITIZE_IN_PROGRESS, result: 0 };
        assert_eq!(refused.meaning(), "Sanitize In Progress");
        assert!(!refused.is_success());
        assert!(Completion { status: 0x4000, result: 7 }.is_success());
    }

    #[test]
    fn not_begun_is_what_was_judged_before_the_work() {
        let says = |code: u16, opcode| Completion { status: 0x4000 | code, result: 0 }.says_not_begun(opcode);
        for code in [0x001, 0x002, 0x00B, 0x00C, 0x015, 0x01C, 0x020, 0x10A] {
            assert!(says(code, SANITIZE) && says(code, FORMAT_NVM), "{code:03x}h");
        }
        // The answer to a start, and the end of a work that was begun.
        for code in [0x006, 0x082, 0x083, 0x084, 0x123, 0x280, 0x281, 0x7C0] {
            assert!(says(code, SANITIZE) && !says(code, FORMAT_NVM), "{code:03x}h");
        }
        assert!(!says(status::SANITIZE_IN_PROGRESS, SANITIZE) && says(status::SANITIZE_IN_PROGRESS, FORMAT_NVM));
        for code in [0x000, 0x005, 0x007, 0x008, 0x300, 0x360, 0x370, 0x371] {
            assert!(!says(code, SANITIZE) && !says(code, FORMAT_NVM), "{code:03x}h");
        }
        assert!(!says(0x001, 0x06));
    }

    #[test]
    fn the_record_shows_opcode_nsid_and_dwords() {
        let command = AdminCommand { opcode: 0x84, cdw10: 0x0203, cdw11: 0xAABB_CCDD, ..AdminCommand::default() };
        let bytes = command.bytes();
        assert_eq!(bytes.len(), 29);
        assert_eq!(bytes[..13], [0x84, 0, 0, 0, 0, 0, 0, 2, 3, 0xAA, 0xBB, 0xCC, 0xDD]);
    }
}
