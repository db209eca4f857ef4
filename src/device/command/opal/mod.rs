//! TCG Storage: level 0 discovery, and what the kernel's Opal driver is asked for.

mod discovery;
mod psid;

pub use discovery::{DataRemoval, Discovery, Locking, Ssc};
pub use psid::{Psid, PsidError};

/// A request to the kernel's Opal driver (`linux/sed-opal.h`).
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// `IOC_OPAL_GET_STATUS`.
    GetStatus,
    /// `IOC_OPAL_PSID_REVERT_TPR`: back to the factory state, all media encryption keys changed.
    PsidRevert(&'a Psid),
}

/// The name of the revert by PSID, for who has no PSID at hand.
pub const PSID_REVERT: &str = "IOC_OPAL_PSID_REVERT_TPR";

impl Request<'_> {
    /// The method's name.
    pub fn name(&self) -> &'static str {
        match self {
            Request::GetStatus => "IOC_OPAL_GET_STATUS",
            Request::PsidRevert(_) => PSID_REVERT,
        }
    }
}

/// What the driver answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The method's status code (TCG core 5.1.5); 0 is success.
    pub code: u32,
    /// Flags of `IOC_OPAL_GET_STATUS`; `None` for other requests.
    pub flags: Option<StatusFlags>,
}

impl Outcome {
    /// The drive carried the method out.
    pub fn is_success(&self) -> bool {
        self.code == 0
    }

    /// The status code in the words of the TCG core specification.
    pub fn meaning(&self) -> &'static str {
        match self.code {
            0x00 => "SUCCESS",
            0x01 => "NOT_AUTHORIZED: the PSID is not this drive's",
            0x03 => "SP_BUSY",
            0x04 => "SP_FAILED",
            0x05 => "SP_DISABLED",
            0x06 => "SP_FROZEN",
            0x07 => "NO_SESSIONS_AVAILABLE",
            0x0C => "INVALID_PARAMETER",
            0x0F => "TPER_MALFUNCTION",
            0x12 => "AUTHORITY_LOCKED_OUT: too many wrong tries; cut the drive's power",
            0x3F => "FAIL",
            _ => "another status code",
        }
    }
}

/// `struct opal_status.flags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusFlags(pub u32);

impl StatusFlags {
    /// The drive speaks an Opal-family SSC that the kernel knows.
    pub fn supported(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// It can lock ranges.
    pub fn locking_supported(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// Locking is enabled: somebody took ownership.
    pub fn locking_enabled(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// At least one range is locked.
    pub fn locked(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// A shadow MBR stands before the disk.
    pub fn mbr_enabled(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// The shadow MBR is out of the way.
    pub fn mbr_done(self) -> bool {
        self.0 & 0x20 != 0
    }
}
