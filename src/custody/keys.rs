//! What an audit remembers of runs and media: small, because a log may name millions.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU64;

/// A run's id: hex as bytes, anything else as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum RunId {
    Hex([u8; 16]),
    Text(Box<str>),
}

impl RunId {
    pub(super) fn of(text: &str) -> RunId {
        let digit = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let bytes = || {
            let mut out = [0; 16];
            for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                *byte = digit(pair[0])? << 4 | digit(pair[1])?;
            }
            (text.len() == 32).then_some(out)
        };
        bytes().map_or_else(|| RunId::Text(text.into()), RunId::Hex)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunId::Hex(bytes) => bytes.iter().try_for_each(|b| write!(f, "{b:02x}")),
            RunId::Text(text) => f.write_str(text),
        }
    }
}

/// Media by 128 bits of a hash whose keys are drawn for each audit, so that nobody can write a log
/// in which two of them fall together.
#[derive(Default)]
pub(super) struct MediumKeys([RandomState; 2]);

impl MediumKeys {
    pub(super) fn of(&self, medium: &str) -> [u64; 2] {
        self.0.each_ref().map(|keys| keys.hash_one(medium))
    }
}

/// An index, one higher, so that `Option` takes no room.
#[derive(Clone, Copy)]
pub(super) struct Index(NonZeroU64);

impl Index {
    pub(super) fn new(index: u64) -> Index {
        Index(NonZeroU64::MIN.saturating_add(index))
    }

    pub(super) fn get(self) -> u64 {
        self.0.get() - 1
    }
}
