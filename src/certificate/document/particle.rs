//! Particle sizes of destroyed media: ISO/IEC 21964 (DIN 66399).
//!
//! The figures are the standard's maximum particle areas as commonly published; the standard itself
//! was not at hand. `docs/documents.md` says so too.

use serde::{Deserialize, Serialize};

use super::part::Milli;

/// Category and level: `H-5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParticleClass {
    /// What was reduced to particles.
    pub category: MaterialCategory,
    /// Security level, 4 to 7; lower ones are for no medium with data worth a certificate.
    pub level: u8,
}

/// Category of ISO/IEC 21964-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MaterialCategory {
    /// Paper.
    P,
    /// Optical media.
    O,
    /// Magnetic media other than hard disks: tapes, floppies, cards.
    T,
    /// Hard disks with magnetic platters.
    H,
    /// Electronic media: flash.
    E,
}

impl ParticleClass {
    /// The largest particle area that the class allows. `None`: there is no such class here.
    pub fn limit(self) -> Option<Milli> {
        let row = match self.category {
            MaterialCategory::P => [160_000, 30_000, 10_000, 5_000],
            MaterialCategory::O => [30_000, 10_000, 5_000, 200],
            MaterialCategory::T => [160_000, 30_000, 10_000, 2_500],
            MaterialCategory::H => [2_000_000, 320_000, 10_000, 5_000],
            MaterialCategory::E => [30_000, 10_000, 1_000, 500],
        };
        usize::from(self.level).checked_sub(4).and_then(|i| row.get(i)).copied().map(Milli)
    }
}

impl std::fmt::Display for ParticleClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}-{}", self.category, self.level)
    }
}

impl std::str::FromStr for ParticleClass {
    type Err = String;

    fn from_str(text: &str) -> Result<ParticleClass, String> {
        let wrong = || format!("{text:?} is no class of ISO/IEC 21964 from P-4 to E-7 (H-5, E-4 ...)");
        let (category, level) = text.split_once('-').ok_or_else(wrong)?;
        let category = match category.to_ascii_uppercase().as_str() {
            "P" => MaterialCategory::P,
            "O" => MaterialCategory::O,
            "T" => MaterialCategory::T,
            "H" => MaterialCategory::H,
            "E" => MaterialCategory::E,
            _ => return Err(wrong()),
        };
        let class = ParticleClass { category, level: level.parse().map_err(|_| wrong())? };
        class.limit().map(|_| class).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_references() {
        let limit = |text: &str| text.parse::<ParticleClass>().unwrap().limit().unwrap().to_string();
        for (class, area) in [
            ("P-4", "160"),
            ("P-5", "30"),
            ("P-6", "10"),
            ("P-7", "5"),
            ("O-4", "30"),
            ("O-5", "10"),
            ("O-6", "5"),
            ("O-7", "0.2"),
            ("T-4", "160"),
            ("T-5", "30"),
            ("T-6", "10"),
            ("T-7", "2.5"),
            ("H-4", "2000"),
            ("H-5", "320"),
            ("H-6", "10"),
            ("H-7", "5"),
            ("E-4", "30"),
            ("E-5", "10"),
            ("E-6", "1"),
            ("E-7", "0.5"),
        ] {
            assert_eq!(limit(class), area, "{class}");
        }
        for bad in ["H-3", "H-8", "F-5", "H5", "H-", "-5", "H-5 "] {
            assert!(bad.parse::<ParticleClass>().is_err(), "{bad}");
        }
    }
}
