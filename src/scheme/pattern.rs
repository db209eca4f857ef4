//! The exact bytes of one pass, addressable at any offset.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::units::hex;

/// What one pass writes. Every byte follows from its absolute offset on the medium alone, so any
/// block can be written or checked in any order, after a crash, and by anyone who has the pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Pattern {
    /// The same byte everywhere.
    Byte {
        /// Two hex digits.
        #[serde(with = "hex_byte")]
        byte: u8,
    },
    /// A sequence repeated from byte 0 of the medium: byte `o` is `bytes[o % len]`.
    Bytes {
        /// Hex digits, at least two bytes.
        #[serde(with = "hex_bytes")]
        bytes: Vec<u8>,
    },
    /// AES-128 in counter mode, 64-bit big-endian counter = offset / 16, zero nonce; byte-identical
    /// to `openssl enc -aes-128-ctr -K <key> -iv 0` over zeros.
    Random {
        /// The key of this pass. Public: it stands in the certificate.
        key: StreamKey,
    },
}

/// The key of a random pass: 16 bytes, hex in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StreamKey(pub [u8; 16]);

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamKey({self})")
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Serialize for StreamKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StreamKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let bytes = hex_bytes::deserialize(d)?;
        bytes.try_into().map(StreamKey).map_err(|_| de::Error::custom("a stream key has 16 bytes"))
    }
}

mod hex_byte {
    use super::*;

    pub fn serialize<S: Serializer>(byte: &u8, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{byte:02x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u8, D::Error> {
        match hex_bytes::deserialize(d)?.as_slice() {
            [byte] => Ok(*byte),
            _ => Err(de::Error::custom("expected one byte as two hex digits")),
        }
    }
}

mod hex_bytes {
    use super::*;

    pub fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(d)?;
        let lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !lower || text.is_empty() || text.len() % 2 != 0 {
            return Err(de::Error::custom(format!("{text:?} is not an even run of lower-case hex digits")));
        }
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).map_err(de::Error::custom)).collect()
    }
}
