//! SANITIZE and FORMAT UNIT (SBC-5 5.31, 5.4), and whether a disk knows them.

use super::{Command, ProtectionType};
use crate::device::command::be16;

/// Service actions of SANITIZE (48h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanitizeAction {
    /// 01h.
    Overwrite,
    /// 02h.
    BlockErase,
    /// 03h.
    CryptographicErase,
}

impl SanitizeAction {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            SanitizeAction::Overwrite => 0x01,
            SanitizeAction::BlockErase => 0x02,
            SanitizeAction::CryptographicErase => 0x03,
        }
    }
}

/// SANITIZE with IMMED: it returns at once, and REQUEST SENSE tells how far it is. AUSE is not set:
/// after a failure only another SANITIZE brings the unit back, so the failure stays to be seen.
/// `list` is the length of the parameter list of an overwrite, 0 for the others.
pub fn sanitize(action: SanitizeAction, list: u16) -> Command {
    let [high, low] = list.to_be_bytes();
    Command { name: "SANITIZE", cdb: vec![0x48, 0x80 | action.code(), 0, 0, 0, 0, 0, high, low, 0] }
}

/// The parameter list of SANITIZE overwrite. The count of passes may not be 0 here, nor may the
/// pattern be empty.
///
/// `None`: `passes` is not 1 to 31, or the pattern is empty or longer than 65,535 bytes.
pub fn overwrite_list(passes: u8, invert: bool, pattern: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(pattern.len()).ok().filter(|length| *length > 0)?;
    if !(1..=31).contains(&passes) {
        return None;
    }
    let [high, low] = length.to_be_bytes();
    Some([&[u8::from(invert) << 7 | passes, 0, high, low][..], pattern].concat())
}

/// FORMAT UNIT with IMMED, and the parameter list to send: the protection information stays as it
/// is, and the defect list is the disk's own.
///
/// `None`: the protection type is one that is not known.
pub fn format_unit(protection: ProtectionType) -> Option<(Command, Vec<u8>)> {
    // FMTPINFO in the CDB, PROTECTION FIELD USAGE in the list (SBC-5 table 38).
    let (info, usage) = match protection {
        ProtectionType::None => (0b00, 0),
        ProtectionType::One => (0b10, 0),
        ProtectionType::Two => (0b11, 0),
        ProtectionType::Three => (0b11, 1),
        ProtectionType::Reserved(_) => return None,
    };
    const FMTDATA: u8 = 1 << 4;
    const IMMED: u8 = 1 << 1;
    let cdb = vec![0x04, info << 6 | FMTDATA, 0, 0, 0, 0];
    Some((Command { name: "FORMAT UNIT", cdb }, vec![usage, IMMED, 0, 0]))
}

/// REPORT SUPPORTED OPERATION CODES (SPC-6 6.34) of one command, `action` where it has service
/// actions: 64 bytes.
pub fn report_supported(opcode: u8, action: Option<u16>) -> Command {
    let option = if action.is_some() { 2 } else { 1 };
    let [high, low] = action.unwrap_or(0).to_be_bytes();
    let cdb = vec![0xA3, 0x0C, option, opcode, high, low, 0, 0, 0, 64, 0, 0];
    Command { name: "REPORT SUPPORTED OPERATION CODES", cdb }
}

/// SUPPORT of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// 0, or the answer is too short: the disk does not say now.
    NotSaid,
    /// 1.
    No,
    /// 3: as the standard says.
    Standard,
    /// 5: in the vendor's way; nothing to rely on.
    VendorSpecific,
    /// Reserved.
    Reserved(u8),
}

impl Support {
    /// Reads the answer for one command.
    pub fn parse(data: &[u8]) -> Support {
        // Bytes 2-3 are the length of the CDB that follows.
        match (data.get(1).map(|byte| byte & 7), be16(data, 2)) {
            (None, _) | (_, None) | (Some(0), _) => Support::NotSaid,
            (Some(1), _) => Support::No,
            (Some(3), _) => Support::Standard,
            (Some(5), _) => Support::VendorSpecific,
            (Some(other), _) => Support::Reserved(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sanitize_cdbs_and_list() {
        assert_eq!(sanitize(SanitizeAction::Overwrite, 8).cdb, [0x48, 0x81, 0, 0, 0, 0, 0, 0, 8, 0]);
        assert_eq!(sanitize(SanitizeAction::BlockErase, 0).cdb, [0x48, 0x82, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(sanitize(SanitizeAction::CryptographicErase, 0).cdb[1], 0x83);
        assert_eq!(sanitize(SanitizeAction::Overwrite, 0x0204).cdb[7..9], [2, 4]);
        assert_eq!(overwrite_list(1, false, &[0; 4]), Some(vec![1, 0, 0, 4, 0, 0, 0, 0]));
        assert_eq!(overwrite_list(31, true, &[7]), Some(vec![0x9F, 0, 0, 1, 7]));
        assert_eq!(overwrite_list(1, false, &[0; 512]).unwrap()[2..4], [2, 0]);
        for (passes, pattern) in [(0, &[0; 4][..]), (32, &[0; 4]), (1, &[]), (1, &[0; 65_536])] {
            assert_eq!(overwrite_list(passes, false, pattern), None);
        }
    }

    #[test]
    fn format_unit_keeps_the_protection_type() {
        for (protection, info, usage) in [
            (ProtectionType::None, 0x00, 0),
            (ProtectionType::One, 0x80, 0),
            (ProtectionType::Two, 0xC0, 0),
            (ProtectionType::Three, 0xC0, 1),
        ] {
            let (command, list) = format_unit(protection).unwrap();
            assert_eq!(command.cdb, [4, info | 0x10, 0, 0, 0, 0]);
            assert_eq!(list, [usage, 0x02, 0, 0]);
        }
        assert_eq!(format_unit(ProtectionType::Reserved(5)), None);
    }

    #[test]
    fn support_is_asked_for_each_service_action() {
        assert_eq!(report_supported(0x48, Some(2)).cdb, [0xA3, 0x0C, 2, 0x48, 0, 2, 0, 0, 0, 64, 0, 0]);
        assert_eq!(report_supported(0x04, None).cdb, [0xA3, 0x0C, 1, 0x04, 0, 0, 0, 0, 0, 64, 0, 0]);
        for (byte, expected) in [
            (0x80, Support::NotSaid),
            (1, Support::No),
            (0x83, Support::Standard),
            (5, Support::VendorSpecific),
            (2, Support::Reserved(2)),
        ] {
            assert_eq!(Support::parse(&[0, byte, 0, 10]), expected);
        }
        assert_eq!(Support::parse(&[0, 3, 0]), Support::NotSaid);
        assert_eq!(Support::parse(&[]), Support::NotSaid);
    }

    proptest! {
        #[test]
        fn hostile_data_never_panic(data in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Support::parse(&data);
        }
    }
}
