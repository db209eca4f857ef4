//! Sanitize (NVM Express base 2.1 5.1.22) and Format NVM (5.1.10).

use super::{ALL_NAMESPACES, AdminCommand, FORMAT_NVM, FormatAttributes, Namespace, SANITIZE};

/// What Sanitize does (SANACT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanitizeAction {
    /// 001b.
    ExitFailureMode,
    /// 010b.
    BlockErase,
    /// 011b: passes (never 0, which would be 16), pattern, inverted from pass to pass.
    Overwrite {
        /// 1 to 15; what is more counts as 15, 0 as 1.
        passes: u8,
        /// OVRPAT.
        pattern: u32,
        /// OIPBP.
        invert: bool,
    },
    /// 100b.
    CryptoErase,
    /// 101b.
    ExitMediaVerification,
}

/// Sanitize. NSID is 0: it is a command to the whole subsystem. AUSE is not set: a failure stays to
/// be seen until another Sanitize.
pub fn sanitize(action: SanitizeAction) -> AdminCommand {
    let (cdw10, cdw11) = match action {
        SanitizeAction::ExitFailureMode => (1, 0),
        SanitizeAction::BlockErase => (2, 0),
        SanitizeAction::Overwrite { passes, pattern, invert } => {
            (3 | u32::from(passes.clamp(1, 15)) << 4 | u32::from(invert) << 8, pattern)
        }
        SanitizeAction::CryptoErase => (4, 0),
        SanitizeAction::ExitMediaVerification => (5, 0),
    };
    AdminCommand { name: "Sanitize", opcode: SANITIZE, nsid: 0, cdw10, cdw11, ..AdminCommand::default() }
}

/// SES of Format NVM. There is no "none" here: a format with SES 0 erases nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecureErase {
    /// 1: user data erase.
    UserData,
    /// 2: cryptographic erase.
    Crypto,
}

/// Which namespaces a Format NVM is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatTarget {
    /// One.
    Namespace(u32),
    /// All, by the broadcast id.
    All,
}

impl FormatTarget {
    /// What the erase really reaches on a controller with these attributes. `None`: it may not be
    /// sent like that (FNA bit 3 set, and the broadcast id).
    pub fn reach(self, attributes: FormatAttributes) -> Option<FormatTarget> {
        match self {
            FormatTarget::All if !attributes.broadcast_allowed => None,
            // Either bit: the format itself, or the erase that comes with it.
            FormatTarget::Namespace(_) if attributes.format_reaches_all || attributes.erase_reaches_all => {
                Some(FormatTarget::All)
            }
            target => Some(target),
        }
    }
}

/// Format NVM that erases, and leaves the namespace's format, metadata and protection as they are.
pub fn format_nvm(target: FormatTarget, keep: &Namespace, erase: SecureErase) -> AdminCommand {
    let ses = match erase {
        SecureErase::UserData => 1,
        SecureErase::Crypto => 2,
    };
    let format = u32::from(keep.format);
    let cdw10 = format & 0xF
        | u32::from(keep.extended_metadata) << 4
        | u32::from(keep.protection & 7) << 5
        | u32::from(keep.protection_first) << 8
        | ses << 9
        | (format >> 4 & 3) << 12;
    let nsid = match target {
        FormatTarget::Namespace(nsid) => nsid,
        FormatTarget::All => ALL_NAMESPACES,
    };
    AdminCommand { name: "Format NVM", opcode: FORMAT_NVM, nsid, cdw10, ..AdminCommand::default() }
}

/// Security Receive (82h) of `bytes` bytes.
pub fn security_receive(protocol: u8, specific: u16, bytes: u32) -> AdminCommand {
    let cdw10 = u32::from(protocol) << 24 | u32::from(specific) << 8;
    AdminCommand { name: "Security Receive", opcode: 0x82, cdw10, cdw11: bytes, ..AdminCommand::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_receive_bits() {
        let command = security_receive(0x01, 0x0203, 512);
        assert_eq!((command.opcode, command.cdw10, command.cdw11), (0x82, 0x0102_0300, 512));
    }

    #[test]
    fn sanitize_bits() {
        for (action, cdw10, cdw11) in [
            (SanitizeAction::ExitFailureMode, 1, 0),
            (SanitizeAction::BlockErase, 2, 0),
            (SanitizeAction::Overwrite { passes: 1, pattern: 0, invert: false }, 0x13, 0),
            (SanitizeAction::Overwrite { passes: 15, pattern: 0xDEAD_BEEF, invert: true }, 0x1F3, 0xDEAD_BEEF),
            (SanitizeAction::Overwrite { passes: 0, pattern: 0, invert: false }, 0x13, 0),
            (SanitizeAction::Overwrite { passes: 16, pattern: 0, invert: false }, 0xF3, 0),
            (SanitizeAction::CryptoErase, 4, 0),
            (SanitizeAction::ExitMediaVerification, 5, 0),
        ] {
            let command = sanitize(action);
            assert_eq!((command.opcode, command.nsid, command.cdw10, command.cdw11), (0x84, 0, cdw10, cdw11));
        }
    }

    #[test]
    fn format_bits() {
        let mut data = vec![0; 4096];
        (data[0], data[25], data[26], data[29]) = (1, 63, 0x21, 0);
        data[128 + 4 * 17 + 2] = 12;
        let plain = Namespace::parse(&data).unwrap();
        let cdw10 = |keep: &Namespace, erase| format_nvm(FormatTarget::Namespace(1), keep, erase).cdw10;
        assert_eq!(cdw10(&plain, SecureErase::UserData), 1 << 12 | 1 << 9 | 1);
        assert_eq!(cdw10(&plain, SecureErase::Crypto), 1 << 12 | 2 << 9 | 1);
        let base = cdw10(&plain, SecureErase::UserData);
        let bits = |keep: Namespace| cdw10(&keep, SecureErase::UserData) ^ base;
        assert_eq!(bits(Namespace { extended_metadata: true, ..plain.clone() }), 1 << 4);
        assert_eq!(bits(Namespace { protection: 3, ..plain.clone() }), 3 << 5);
        assert_eq!(bits(Namespace { protection_first: true, ..plain.clone() }), 1 << 8);
        assert_eq!(format_nvm(FormatTarget::Namespace(7), &plain, SecureErase::Crypto).nsid, 7);
        assert_eq!(format_nvm(FormatTarget::All, &plain, SecureErase::Crypto).nsid, 0xFFFF_FFFF);
    }

    #[test]
    fn what_a_format_reaches() {
        let one = FormatTarget::Namespace(1);
        let free = FormatAttributes { broadcast_allowed: true, ..FormatAttributes::default() };
        assert_eq!((one.reach(free), FormatTarget::All.reach(free)), (Some(one), Some(FormatTarget::All)));
        let bound = FormatAttributes::default();
        assert_eq!((one.reach(bound), FormatTarget::All.reach(bound)), (Some(one), None));
        let format = FormatAttributes { format_reaches_all: true, ..bound };
        assert_eq!(one.reach(format), Some(FormatTarget::All));
        let whole = FormatAttributes { erase_reaches_all: true, ..bound };
        assert_eq!((one.reach(whole), FormatTarget::All.reach(whole)), (Some(FormatTarget::All), None));
    }
}
