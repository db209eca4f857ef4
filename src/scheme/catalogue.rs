//! The overwrite schemes on offer: their passes, the rule they have about verification, and where
//! each definition comes from.

use rand::CryptoRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::definitions::{CATALOGUE, NOT_OFFERED};
use super::{Pattern, StreamKey};

/// The scheme used when none is named.
pub const DEFAULT_SCHEME: &str = "random";

/// One overwrite scheme, by one definition. Legacy definitions conflict; `definition` says which
/// one these bytes follow, and goes into the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Command-line name (`dod-e`).
    pub name: &'static str,
    /// Full title.
    pub title: &'static str,
    /// Which reading of the standard the bytes follow, and what it leaves out.
    pub definition: &'static str,
    /// Where that reading was found.
    pub source: &'static str,
    /// The passes in the order of the definition.
    pub passes: &'static [Step],
    /// What the definition says of verification.
    pub verify: VerifyRule,
    /// Whether the passes are written as listed.
    pub order: Order,
}

/// One pass of a definition, before anything is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A fixed byte.
    Byte(u8),
    /// A fixed sequence, phased by the absolute offset.
    Bytes(&'static [u8]),
    /// A random stream with a key of its own.
    Random,
    /// A random byte, the same through the pass; passes of one number share it.
    Drawn(u8),
    /// The complement of the random byte of that number.
    Complement(u8),
}

/// What a scheme's own definition says of verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyRule {
    /// Nothing: the last pass is read back as requested.
    AsRequested,
    /// The last pass is to be verified. Leaving it out is allowed, and warned of.
    Expected,
    /// At least a tenth of the last pass has to be read back.
    TenPercent,
    /// Every byte of the last pass has to be read back.
    Mandatory,
    /// Every pass has to be read back, not only the last.
    EachPass,
}

/// In which order the passes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As listed.
    AsListed,
    /// The passes with these numbers (from 1, both included) in random order, the others as listed.
    Shuffled {
        /// The first of them.
        first: usize,
        /// The last of them.
        last: usize,
    },
}

/// One pass with everything drawn. Journalled before the first write, so that a resumed run writes
/// the same bytes in the same order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPass {
    /// The exact bytes.
    pub pattern: Pattern,
    /// Whether it is read back.
    pub verify: PassVerify,
}

/// Whether a pass is read back before the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassVerify {
    /// It is not: a later pass covers it.
    Unverified,
    /// At the level of the run's decision.
    AsRequested,
    /// Every byte, whatever was requested; the policy raises the level accordingly.
    Mandatory,
}

/// No scheme of that name is on offer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no overwrite scheme is called {name:?}: {}", self.hint())]
pub struct UnknownScheme {
    /// What was asked for.
    pub name: String,
    /// Names like it, the nearest first.
    pub near: Vec<&'static str>,
    /// Set when the standard is known and its passes are not.
    pub why_not: Option<&'static str>,
}

/// Every scheme on offer.
pub fn catalogue() -> &'static [Scheme] {
    CATALOGUE
}

/// The scheme of a command-line name; upper and lower case are the same.
pub fn find(name: &str) -> Result<&'static Scheme, UnknownScheme> {
    let wanted = name.trim().to_ascii_lowercase();
    if let Some(scheme) = CATALOGUE.iter().find(|s| s.name == wanted) {
        return Ok(scheme);
    }
    let why_not = NOT_OFFERED.iter().find(|(known, _)| *known == wanted).map(|(_, why)| *why);
    Err(UnknownScheme { name: name.to_owned(), near: names_near(&wanted), why_not })
}

impl Scheme {
    /// How many times the medium is written.
    pub fn pass_count(&self) -> usize {
        self.passes.len()
    }

    /// Draws what the definition leaves to chance: keys, bytes, order. Drawn bytes are all
    /// different from each other and from each other's complements.
    pub fn instantiate(&self, rng: &mut impl CryptoRng) -> Vec<PlannedPass> {
        let mut steps = self.passes.to_vec();
        if let Order::Shuffled { first, last } = self.order
            && let Some(shuffled) = steps.get_mut(first - 1..last)
        {
            shuffled.shuffle(rng);
        }
        let mut drawn: Vec<u8> = Vec::new();
        let last = steps.len().saturating_sub(1);
        let mut planned = Vec::with_capacity(steps.len());
        for (i, step) in steps.into_iter().enumerate() {
            let pattern = match step {
                Step::Byte(byte) => Pattern::Byte { byte },
                Step::Bytes(bytes) => Pattern::Bytes { bytes: bytes.to_vec() },
                Step::Random => Pattern::Random { key: draw_key(rng) },
                Step::Drawn(slot) => Pattern::Byte { byte: drawn_byte(&mut drawn, slot, rng) },
                Step::Complement(slot) => Pattern::Byte { byte: !drawn_byte(&mut drawn, slot, rng) },
            };
            planned.push(PlannedPass { pattern, verify: self.verify.of_pass(i == last) });
        }
        planned
    }
}

impl VerifyRule {
    fn of_pass(self, is_last: bool) -> PassVerify {
        match self {
            VerifyRule::EachPass => PassVerify::AsRequested,
            _ if !is_last => PassVerify::Unverified,
            VerifyRule::Mandatory => PassVerify::Mandatory,
            VerifyRule::AsRequested | VerifyRule::Expected | VerifyRule::TenPercent => PassVerify::AsRequested,
        }
    }
}

impl UnknownScheme {
    fn hint(&self) -> String {
        match (self.why_not, self.near.as_slice()) {
            (Some(why), _) => format!("{why}; `lastwrite wipe --scheme list` shows all there are"),
            (None, []) => "`lastwrite wipe --scheme list` shows all there are".to_owned(),
            (None, near) => {
                format!("did you mean {}? `lastwrite wipe --scheme list` shows all there are", near.join(", "))
            }
        }
    }
}

fn draw_key(rng: &mut impl CryptoRng) -> StreamKey {
    let mut key = [0; 16];
    rng.fill_bytes(&mut key);
    StreamKey(key)
}

/// The byte of a slot; slots are numbered from 0 in the order of their first use.
fn drawn_byte(drawn: &mut Vec<u8>, slot: u8, rng: &mut impl CryptoRng) -> u8 {
    while drawn.len() <= usize::from(slot) {
        let mut byte = [0];
        rng.fill_bytes(&mut byte);
        if !drawn.iter().any(|d| *d == byte[0] || *d == !byte[0]) {
            drawn.push(byte[0]);
        }
    }
    drawn[usize::from(slot)]
}

fn names_near(wanted: &str) -> Vec<&'static str> {
    let mut near: Vec<(usize, &'static str)> = CATALOGUE
        .iter()
        .filter_map(|scheme| {
            let part = wanted.len() >= 3 && (scheme.name.contains(wanted) || wanted.contains(scheme.name));
            let distance = strsim::damerau_levenshtein(wanted, scheme.name);
            let limit = 1 + wanted.len() / 4;
            (part || distance <= limit).then_some((if part { 0 } else { distance }, scheme.name))
        })
        .collect();
    near.sort();
    near.into_iter().take(5).map(|(_, name)| name).collect()
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
