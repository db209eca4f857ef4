//! What an audit remembers of runs and media: small, because a log may name millions.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::units::hex;

/// 128 bits that stand for a name.
pub(super) type Key = [u8; 16];

/// Names by 128 bits: a run's 32 hex digits as they are, anything else by a hash whose keys are drawn for each
/// audit, so that nobody can write a log in which two names fall together.
#[derive(Default)]
pub(super) struct Names {
    keys: [RandomState; 2],
    /// The texts of runs that are not 32 hex digits.
    others: HashMap<Key, Box<str>>,
}

impl Names {
    pub(super) fn of_medium(&self, medium: &str) -> Key {
        let mut key = [0; 16];
        for (half, keys) in key.chunks_exact_mut(8).zip(&self.keys) {
            half.copy_from_slice(&keys.hash_one(medium).to_le_bytes());
        }
        key
    }

    pub(super) fn of_run(&mut self, run: &str) -> Key {
        from_hex(run).unwrap_or_else(|| {
            let key = self.of_medium(run);
            self.others.entry(key).or_insert_with(|| run.into());
            key
        })
    }

    /// What a run is called in the log.
    pub(super) fn run(&self, key: &Key) -> String {
        self.others.get(key).map_or_else(|| hex(key), |text| text.to_string())
    }
}

fn from_hex(text: &str) -> Option<Key> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut out = [0; 16];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (text.len() == 32).then_some(out)
}

/// The index of an entry, or none, in six bytes: a log of 2^48 entries cannot be.
#[derive(Clone, Copy, Default)]
pub(super) struct Place([u8; 6]);

impl Place {
    pub(super) fn of(index: u64) -> Place {
        let [a, b, c, d, e, f, ..] = index.saturating_add(1).min((1 << 48) - 1).to_le_bytes();
        Place([a, b, c, d, e, f])
    }

    pub(super) fn get(self) -> Option<u64> {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0]).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_stay_apart() {
        let mut names = Names::default();
        let hex = "00112233445566778899aabbccddeeff";
        let texts = [hex, "r1", "r2", "", &hex[..31], &hex.to_uppercase(), &format!("{hex}0")];
        let keys = texts.map(|text| names.of_run(text));
        for (text, key) in texts.iter().zip(&keys) {
            assert_eq!(names.run(key), *text);
            assert_eq!(names.of_run(text), *key);
        }
        assert!((1..keys.len()).all(|i| !keys[..i].contains(&keys[i])));
        assert_ne!(Names::default().of_medium("m"), names.of_medium("m"), "keys are drawn anew");
    }

    #[test]
    fn places_come_back() {
        assert_eq!(Place::default().get(), None);
        for index in [0, 1, 254, 255, 65_535, 1 << 32, (1 << 48) - 3] {
            assert_eq!(Place::of(index).get(), Some(index));
        }
    }

    #[test]
    fn a_run_takes_little_room() {
        assert_eq!(size_of::<Place>(), 6);
    }
}
