//! Words and groups of words of IDENTIFY DEVICE.

use std::fmt;
use std::time::Duration;

use crate::device::command::{hex, le16, text as printable};

/// IDENTIFY data that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifyError {
    /// Fewer than 512 bytes.
    #[error("IDENTIFY DEVICE gave {0} bytes instead of 512")]
    Short(usize),
    /// Word 255 says that there is a checksum, and it is wrong.
    #[error(
        "the checksum of IDENTIFY DEVICE is wrong (the bytes sum up to {sum:02x}h, not 00h): the path garbles data"
    )]
    Checksum {
        /// Sum of all bytes, modulo 256.
        sum: u8,
    },
    /// Every byte is the same: nothing was filled in.
    #[error("IDENTIFY DEVICE came back with every byte {0:02x}h")]
    Unfilled(u8),
    /// Word 0 bit 15 is set: ATAPI, CFA or nothing.
    #[error("not an ATA disk: word 0 of IDENTIFY DEVICE is {word_0:04x}h")]
    NotAnAtaDevice {
        /// Word 0.
        word_0: u16,
    },
}

/// A text field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Text {
    /// Only blanks or zeros.
    #[default]
    Empty,
    /// ASCII, without the blanks at its ends.
    Printable(String),
    /// Holds something else than printable ASCII: the bytes in their order, hex. It tells two drives
    /// apart, but not as what somebody would read on a label.
    Garbled(String),
}

impl Text {
    /// The text, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Text::Printable(text) => Some(text),
            Text::Empty | Text::Garbled(_) => None,
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Empty => f.write_str("(empty)"),
            Text::Printable(text) => f.write_str(text),
            Text::Garbled(hex) => write!(f, "(not ASCII: {hex})"),
        }
    }
}

/// The two bytes of each word change places.
pub(super) fn text(bytes: &[u8]) -> Text {
    let swapped: Vec<u8> = bytes.chunks(2).flat_map(|pair| pair.iter().rev().copied()).collect();
    match printable(&swapped) {
        Some(text) => Text::Printable(text),
        None if swapped.iter().all(|b| matches!(b, 0 | b' ')) => Text::Empty,
        None => Text::Garbled(hex(&swapped)),
    }
}

/// Word 217.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// 0000h, or a reserved value.
    NotReported,
    /// 0001h: no moving parts.
    SolidState,
    /// Turns a minute.
    Rpm(u16),
}

impl Rotation {
    pub(super) fn of(word: u16) -> Rotation {
        match word {
            0x0001 => Rotation::SolidState,
            0x0401..=0xFFFE => Rotation::Rpm(word),
            _ => Rotation::NotReported,
        }
    }
}

/// Word 59, upper byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SanitizeSupport {
    /// Bit 12: the Sanitize feature set. Without it none of the others counts.
    pub supported: bool,
    /// Bit 13.
    pub crypto_scramble: bool,
    /// Bit 14.
    pub overwrite: bool,
    /// Bit 15.
    pub block_erase: bool,
    /// Bit 10: SANITIZE ANTIFREEZE LOCK EXT.
    pub antifreeze: bool,
}

impl SanitizeSupport {
    pub(super) fn of(word: u16) -> SanitizeSupport {
        let supported = word >> 12 & 1 != 0;
        let bit = |at: u8| supported && word >> at & 1 != 0;
        SanitizeSupport {
            supported,
            crypto_scramble: bit(13),
            overwrite: bit(14),
            block_erase: bit(15),
            antifreeze: bit(10),
        }
    }
}

/// Word 128 and what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityState {
    /// Bit 1, or word 85 bit 1: a user password is set.
    pub enabled: bool,
    /// Bit 2: reads and writes are refused until the password is given.
    pub locked: bool,
    /// Bit 3: security commands are refused until the next power cycle.
    pub frozen: bool,
    /// Bit 4: too many wrong passwords; refused until the next power cycle.
    pub count_expired: bool,
    /// Bit 5.
    pub enhanced_erase: bool,
    /// Bit 8.
    pub level: SecurityLevel,
    /// Word 89; `None`: the drive gives none.
    pub erase_time: Option<EraseTime>,
    /// Word 90.
    pub enhanced_erase_time: Option<EraseTime>,
    /// Word 92, unless 0000h or FFFFh.
    pub master_password_id: Option<u16>,
}

/// What the master password may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityLevel {
    /// It unlocks.
    High,
    /// It only erases.
    Maximum,
}

/// Words 89 and 90.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraseTime {
    /// So many minutes.
    Minutes(u32),
    /// More than so many: the field is at its end.
    MoreThan(u32),
}

impl EraseTime {
    /// As a duration; a lower bound when the field is at its end.
    pub fn duration(self) -> Duration {
        let (EraseTime::Minutes(minutes) | EraseTime::MoreThan(minutes)) = self;
        Duration::from_secs(u64::from(minutes) * 60)
    }
}

/// Bit 15: the long form of 15 bits, otherwise 8 bits; in steps of two minutes.
pub(super) fn erase_time(word: u16) -> Option<EraseTime> {
    let (value, most) = if word & 0x8000 == 0 { (word & 0xFF, 0xFF) } else { (word & 0x7FFF, 0x7FFF) };
    match value {
        0 => None,
        full if full == most => Some(EraseTime::MoreThan((u32::from(most) - 1) * 2)),
        value => Some(EraseTime::Minutes(u32::from(value) * 2)),
    }
}

/// The Host Protected Area feature set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostProtectedArea {
    /// Word 85 bit 10.
    pub enabled: bool,
    /// Word 83 bit 8: SET MAX has passwords and locks.
    pub has_security: bool,
}

/// Accessible Max Address Configuration, which took the place of HPA and DCO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessibleMax {
    /// Word 120 bit 8.
    pub enabled: bool,
}

/// Serial ATA words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SataFeatures {
    /// Words 76-79 are there: a Serial ATA drive.
    pub is_sata: bool,
    /// Word 76 bits 3:1: Gen1, Gen2, Gen3.
    pub generations: u8,
    /// Word 78 bit 6: software settings can outlive a COMRESET.
    pub ssp_supported: bool,
    /// Word 79 bit 6.
    pub ssp_enabled: bool,
}

impl SataFeatures {
    pub(super) fn of(capabilities: u16, supported: u16, enabled: u16) -> SataFeatures {
        let is_sata = !matches!(capabilities, 0 | 0xFFFF);
        SataFeatures {
            is_sata,
            generations: if is_sata { u8::try_from(capabilities >> 1 & 7).unwrap_or(0) } else { 0 },
            ssp_supported: is_sata && supported >> 6 & 1 != 0,
            ssp_enabled: is_sata && enabled >> 6 & 1 != 0,
        }
    }
}

/// 256 words, least significant byte first.
pub(super) struct Words<'a>(&'a [u8; 512]);

impl<'a> Words<'a> {
    pub(super) fn new(data: &'a [u8]) -> Result<Words<'a>, IdentifyError> {
        let bytes = data.first_chunk().ok_or(IdentifyError::Short(data.len()))?;
        match bytes.iter().all(|b| *b == bytes[0]) {
            true => Err(IdentifyError::Unfilled(bytes[0])),
            false => Ok(Words(bytes)),
        }
    }

    /// Whether there is one; an error when it is wrong.
    pub(super) fn checksum(&self) -> Result<bool, IdentifyError> {
        if self.0[510] != 0xA5 {
            return Ok(false);
        }
        match self.0.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) {
            0 => Ok(true),
            sum => Err(IdentifyError::Checksum { sum }),
        }
    }

    pub(super) fn word(&self, at: usize) -> u16 {
        le16(self.0, at * 2).unwrap_or(0)
    }

    pub(super) fn bit(&self, at: usize, bit: u8) -> bool {
        self.word(at) >> bit & 1 != 0
    }

    pub(super) fn long(&self, at: usize) -> u32 {
        u32::from(self.word(at + 1)) << 16 | u32::from(self.word(at))
    }

    pub(super) fn quad(&self, at: usize) -> u64 {
        u64::from(self.long(at + 2)) << 32 | u64::from(self.long(at))
    }

    /// The first word is the most significant one.
    pub(super) fn wwn(&self) -> u64 {
        (108..112).fold(0, |wwn, at| wwn << 16 | u64::from(self.word(at)))
    }

    pub(super) fn bytes(&self, at: usize, words: usize) -> &[u8] {
        self.0.get(at * 2..(at + words) * 2).unwrap_or_default()
    }
}
