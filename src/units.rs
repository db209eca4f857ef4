//! Quantities on a medium: bytes, logical blocks, logical block sizes; and text that a person reads.
//!
//! In JSON a 64-bit number is a decimal string, because a browser loses it above 2^53.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                decimal(d).map($name)
            }
        }
    };
}

quantity!(
    /// A count of bytes, or a byte offset from the start of the medium.
    Bytes
);
quantity!(
    /// The address of one logical block, counted from 0.
    Lba
);
quantity!(
    /// A count of logical blocks.
    Sectors
);

/// Reads a canonical decimal string: digits only, no sign, no leading zero.
fn decimal<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    struct Decimal;
    impl de::Visitor<'_> for Decimal {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string with a decimal number")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
            let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            match text.parse() {
                Ok(value) if canonical => Ok(value),
                _ => Err(E::custom(format_args!("{text:?} is not a decimal number of 64 bits"))),
            }
        }
    }
    d.deserialize_str(Decimal)
}

/// A logical block size in bytes: a power of two from 512 to 65,536, so that dividing by it
/// is always possible and always exact for an aligned offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SectorSize(u32);

impl SectorSize {
    /// 512 bytes, the classic sector and what an image file is addressed in.
    pub const B512: SectorSize = SectorSize(512);
    /// 4,096 bytes (4Kn).
    pub const B4096: SectorSize = SectorSize(4096);

    /// `None` for what is no power of two in 512..=65,536: 520 and 528 bytes are refused here.
    pub fn new(bytes: u32) -> Option<SectorSize> {
        (bytes.is_power_of_two() && (512..=65_536).contains(&bytes)).then_some(SectorSize(bytes))
    }

    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        u64::from(self.0)
    }

    /// The block that holds byte `offset`.
    pub fn lba_of(self, offset: Bytes) -> Lba {
        Lba(offset.0 / self.bytes())
    }

    /// How many blocks `size` bytes take; a last partial block counts as one.
    pub fn blocks_in(self, size: Bytes) -> Sectors {
        Sectors(size.0.div_ceil(self.bytes()))
    }

    /// The byte offset of a block, `None` when it does not fit 64 bits.
    pub fn offset_of(self, lba: Lba) -> Option<Bytes> {
        lba.0.checked_mul(self.bytes()).map(Bytes)
    }
}

impl<'de> Deserialize<'de> for SectorSize {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let bytes = u32::deserialize(d)?;
        SectorSize::new(bytes).ok_or_else(|| de::Error::custom(format!("{bytes} is not a usable logical block size")))
    }
}

/// A run of logical blocks: `count` blocks starting at `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LbaRange {
    /// The first block.
    pub first: Lba,
    /// How many blocks, at least one.
    pub count: Sectors,
}

impl LbaRange {
    fn end(self) -> u64 {
        self.first.0.saturating_add(self.count.0)
    }

    /// Whether all of `other` lies in it.
    pub fn covers(self, other: LbaRange) -> bool {
        self.first <= other.first && other.end() <= self.end()
    }

    /// Whether all of it lies in `ranges` together, which are in the order of their first blocks.
    pub fn is_within(self, ranges: &[LbaRange]) -> bool {
        let mut reached = self.first.0;
        for range in ranges.iter().take_while(|range| range.first.0 < self.end()) {
            if range.first.0 > reached {
                return false;
            }
            reached = reached.max(range.end());
        }
        reached >= self.end()
    }
}

impl fmt::Display for LbaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count.0 {
            0 | 1 => write!(f, "LBA {}", self.first),
            n => write!(f, "LBA {}-{}", self.first, self.first.0.saturating_add(n - 1)),
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |b: u8| char::from(DIGITS[usize::from(b & 15)]);
    let mut text = String::with_capacity(bytes.len() * 2);
    bytes.iter().for_each(|b| text.extend([digit(b >> 4), digit(*b)]));
    text
}

/// Whether `text` is what these arguments would write. Nothing is written for it.
pub fn reads(text: &str, as_written: fmt::Arguments<'_>) -> bool {
    struct Left<'a>(&'a str);
    impl fmt::Write for Left<'_> {
        fn write_str(&mut self, piece: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(piece).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut left = Left(text);
    fmt::write(&mut left, as_written).is_ok() && left.0.is_empty()
}

/// The time now, in whole milliseconds: more is not known of any event here.
pub fn now() -> chrono::DateTime<chrono::Utc> {
    use chrono::SubsecRound;
    chrono::Utc::now().trunc_subsecs(3)
}

/// `1500` bytes as `1.5 kB`, `8001563222016` as `8.0 TB`: powers of ten, as on a drive's label.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ if value < 9.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// `text` on one line, unable to move the cursor, colour the terminal or reorder what is read:
/// white space becomes a space, control and direction characters become U+FFFD.
pub fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| {
            if c.is_whitespace() {
                ' '
            } else if steers(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_strings() {
        let json = serde_json::to_string(&Bytes(u64::MAX)).unwrap();
        assert_eq!(json, "\"18446744073709551615\"");
        assert_eq!(serde_json::from_str::<Bytes>(&json).unwrap(), Bytes(u64::MAX));
        for bad in ["\"\"", "\"01\"", "\"+1\"", "\"-1\"", "\" 1\"", "\"18446744073709551616\"", "1"] {
            assert!(serde_json::from_str::<Bytes>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_whole_text_is_what_would_be_written() {
        assert!(reads("a 7 b", format_args!("a {} {}", 7, "b")) && reads("", format_args!("")));
        for other in ["", "a", "a 7 ", "a 7 b ", "a 8 b", "b a 7 b"] {
            assert!(!reads(other, format_args!("a {} {}", 7, "b")), "{other}");
        }
    }

    #[test]
    fn hex_has_two_digits_for_each_byte() {
        assert_eq!(hex(&[]), "");
        assert_eq!(hex(&[0x00, 0x0f, 0x9a, 0xff]), "000f9aff");
    }

    #[test]
    fn odd_block_sizes_are_no_sector_size() {
        for odd in [0, 1, 256, 520, 528, 4160, 131_072] {
            assert!(SectorSize::new(odd).is_none(), "{odd}");
        }
        assert_eq!(SectorSize::new(4096), Some(SectorSize::B4096));
    }

    #[test]
    fn sizes_read_like_a_label() {
        assert_eq!(human_bytes(512), "512 B");
        assert_eq!(human_bytes(1_500), "1.5 kB");
        assert_eq!(human_bytes(8_001_563_222_016), "8.0 TB");
        assert_eq!(human_bytes(999_999), "1.0 MB");
    }

    #[test]
    fn nothing_steers() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}c\té"), "a\u{fffd}[2J b\u{fffd}c é");
    }
}
