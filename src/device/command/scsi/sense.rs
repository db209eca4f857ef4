//! Sense data in both formats (SPC-6 4.4), REQUEST SENSE and TEST UNIT READY.

use super::Command;
use crate::device::command::{be16, be32, be64};

/// Sense keys (SPC-6 table 47).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenseKey {
    /// 0h.
    NoSense,
    /// 1h.
    RecoveredError,
    /// 2h.
    NotReady,
    /// 3h.
    MediumError,
    /// 4h.
    HardwareError,
    /// 5h.
    IllegalRequest,
    /// 6h.
    UnitAttention,
    /// 7h.
    DataProtect,
    /// Bh.
    AbortedCommand,
    /// Any other.
    Other(u8),
}

/// A progress indication, in 65,536ths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Progress(pub u16);

/// What sense data say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// About an earlier command than the one it came with.
    pub deferred: bool,
    /// Sense key.
    pub key: SenseKey,
    /// Additional sense code.
    pub asc: u8,
    /// Additional sense code qualifier.
    pub ascq: u8,
    /// INFORMATION, where valid (usually an LBA).
    pub information: Option<u64>,
    /// Progress of the operation that makes the unit not ready.
    pub progress: Option<Progress>,
}

impl Sense {
    /// Reads sense data; `None` when they are too short or of an unknown format.
    pub fn parse(bytes: &[u8]) -> Option<Sense> {
        let code = bytes.first()? & 0x7F;
        match code {
            0x70 | 0x71 => fixed(bytes, code == 0x71),
            0x72 | 0x73 => descriptor(bytes, code == 0x73),
            _ => None,
        }
    }

    /// 04h/1Bh: LOGICAL UNIT NOT READY, SANITIZE IN PROGRESS.
    pub fn is_sanitize_in_progress(&self) -> bool {
        self.is(0x04, 0x1B)
    }

    /// 04h/04h: LOGICAL UNIT NOT READY, FORMAT IN PROGRESS.
    pub fn is_format_in_progress(&self) -> bool {
        self.is(0x04, 0x04)
    }

    /// 31h/03h: SANITIZE COMMAND FAILED.
    pub fn is_sanitize_failed(&self) -> bool {
        self.is(0x31, 0x03)
    }

    /// 31h/00h and 31h/01h: MEDIUM FORMAT CORRUPTED, FORMAT COMMAND FAILED.
    pub fn is_format_failed(&self) -> bool {
        self.is(0x31, 0x00) || self.is(0x31, 0x01)
    }

    /// 11h/15h: WRITE AFTER SANITIZE REQUIRED: readable only once written, the erase itself is done.
    pub fn is_write_after_sanitize_required(&self) -> bool {
        self.is(0x11, 0x15)
    }

    /// 20h/00h: INVALID COMMAND OPERATION CODE.
    pub fn is_unknown_operation_code(&self) -> bool {
        self.key == SenseKey::IllegalRequest && self.is(0x20, 0x00)
    }

    fn is(&self, asc: u8, ascq: u8) -> bool {
        self.asc == asc && self.ascq == ascq
    }
}

/// The bytes of descriptor `code`, header included, in descriptor format sense data.
pub(crate) fn descriptor_of(bytes: &[u8], code: u8) -> Option<&[u8]> {
    if !matches!(bytes.first()? & 0x7F, 0x72 | 0x73) {
        return None;
    }
    let mut rest = whole(bytes)?.get(8..)?;
    while let [found, length, ..] = rest {
        let descriptor = rest.get(..2 + usize::from(*length))?;
        if *found == code {
            return Some(descriptor);
        }
        rest = &rest[descriptor.len()..];
    }
    None
}

/// Without what lies behind the additional length.
fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let length = 8 + usize::from(*bytes.get(7)?);
    Some(&bytes[..length.min(bytes.len())])
}

fn fixed(bytes: &[u8], deferred: bool) -> Option<Sense> {
    let key = key(*bytes.get(2)?);
    // A target may return as little as eight bytes; then there is no additional sense code.
    let bytes = if bytes.len() >= 8 { whole(bytes)? } else { bytes };
    let valid = bytes[0] & 0x80 != 0;
    Some(Sense {
        deferred,
        key,
        asc: bytes.get(12).copied().unwrap_or(0),
        ascq: bytes.get(13).copied().unwrap_or(0),
        information: be32(bytes, 3).filter(|_| valid).map(u64::from),
        progress: progress(key, bytes.get(15..18)),
    })
}

fn descriptor(bytes: &[u8], deferred: bool) -> Option<Sense> {
    let [_, key_byte, asc, ascq, ..] = *bytes else { return None };
    let key = key(key_byte);
    let information = descriptor_of(bytes, 0x00).filter(|d| d.get(2).is_some_and(|b| b & 0x80 != 0));
    let specific = descriptor_of(bytes, 0x02).and_then(|d| d.get(4..7));
    let another = || {
        // 0Ah: another progress indication, for the key and codes it names.
        descriptor_of(bytes, 0x0A).filter(|d| d.get(3..5) == Some(&[asc, ascq])).and_then(|d| be16(d, 6)).map(Progress)
    };
    Some(Sense {
        deferred,
        key,
        asc,
        ascq,
        information: information.and_then(|d| be64(d, 4)),
        progress: progress(key, specific).or_else(another),
    })
}

/// The sense key specific bytes are a progress indication only with these keys.
fn progress(key: SenseKey, specific: Option<&[u8]>) -> Option<Progress> {
    match (key, specific) {
        (SenseKey::NoSense | SenseKey::NotReady, Some(&[flags, high, low])) if flags & 0x80 != 0 => {
            Some(Progress(u16::from_be_bytes([high, low])))
        }
        _ => None,
    }
}

fn key(byte: u8) -> SenseKey {
    match byte & 0xF {
        0x0 => SenseKey::NoSense,
        0x1 => SenseKey::RecoveredError,
        0x2 => SenseKey::NotReady,
        0x3 => SenseKey::MediumError,
        0x4 => SenseKey::HardwareError,
        0x5 => SenseKey::IllegalRequest,
        0x6 => SenseKey::UnitAttention,
        0x7 => SenseKey::DataProtect,
        0xB => SenseKey::AbortedCommand,
        other => SenseKey::Other(other),
    }
}

/// REQUEST SENSE (SPC-6 6.39): 252 bytes, descriptor format when `descriptor`.
pub fn request_sense(descriptor: bool) -> Command {
    Command { name: "REQUEST SENSE", cdb: vec![0x03, u8::from(descriptor), 0, 0, 252, 0] }
}

/// TEST UNIT READY (SPC-6 6.60).
pub fn test_unit_ready() -> Command {
    Command { name: "TEST UNIT READY", cdb: vec![0; 6] }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fixed_sense(key: u8, asc: u8, ascq: u8, specific: [u8; 3]) -> Vec<u8> {
        let [a, b, c] = specific;
        vec![0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, a, b, c]
    }

    #[test]
    fn sanitize_progress_in_both_formats() {
        let sense = Sense::parse(&fixed_sense(2, 4, 0x1B, [0x80, 0x40, 0])).unwrap();
        assert!(sense.is_sanitize_in_progress());
        assert_eq!(sense.progress, Some(Progress(0x4000)));
        let bytes = [0x72, 2, 4, 0x1B, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 0x40, 0, 0];
        let same = Sense::parse(&bytes).unwrap();
        assert_eq!((same.key, same.asc, same.ascq, same.progress), (sense.key, 4, 0x1B, Some(Progress(0x4000))));
    }

    #[test]
    fn a_field_pointer_is_no_progress() {
        let sense = Sense::parse(&fixed_sense(5, 0x24, 0, [0xC0, 0, 1])).unwrap();
        assert_eq!((sense.key, sense.progress), (SenseKey::IllegalRequest, None));
        let without_sksv = Sense::parse(&fixed_sense(2, 4, 0x1B, [0, 0x40, 0])).unwrap();
        assert_eq!(without_sksv.progress, None);
    }

    #[test]
    fn deferred_errors_are_told_apart() {
        let mut bytes = fixed_sense(3, 0x31, 3, [0; 3]);
        bytes[0] = 0xF1;
        bytes[3..7].copy_from_slice(&[0, 0, 1, 2]);
        let sense = Sense::parse(&bytes).unwrap();
        assert!(sense.deferred && sense.is_sanitize_failed());
        assert_eq!(sense.information, Some(0x102));
    }

    #[test]
    fn codes_behind_the_additional_length_do_not_count() {
        let mut bytes = fixed_sense(2, 4, 0x1B, [0x80, 1, 1]);
        bytes[7] = 4;
        let sense = Sense::parse(&bytes).unwrap();
        assert_eq!((sense.asc, sense.ascq, sense.progress), (0, 0, None));
    }

    #[test]
    fn a_descriptor_longer_than_the_data_ends_the_list() {
        let bytes = [0x72, 2, 4, 0x1B, 0, 0, 0, 4, 9, 200, 0, 0];
        assert_eq!(descriptor_of(&bytes, 9), None);
        assert!(Sense::parse(&bytes).unwrap().is_sanitize_in_progress());
    }

    #[test]
    fn unknown_formats_are_nothing() {
        for bytes in [&[][..], &[0x7F, 0, 0, 0, 0, 0, 0, 0], &[0; 18], &[0x70], &[0x72, 1]] {
            assert_eq!(Sense::parse(bytes), None);
        }
    }

    #[test]
    fn request_sense_asks_for_the_format() {
        assert_eq!(request_sense(true).cdb, [3, 1, 0, 0, 252, 0]);
        assert_eq!(request_sense(false).cdb, [3, 0, 0, 0, 252, 0]);
    }

    proptest! {
        #[test]
        fn hostile_sense_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), code in 0x70_u8..0x74) {
            let _ = Sense::parse(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = code;
            }
            let _ = (Sense::parse(&bytes), descriptor_of(&bytes, 9));
        }
    }
}
