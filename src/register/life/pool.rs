//! A licence: how many seats were bought, and which assets use them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{check_day, check_name};
use crate::register::act::Act;
use crate::register::error::Refusal;
use crate::register::number::Money;

/// Everything about a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolFacts {
    /// Product, unique.
    pub product: String,
    /// Who makes it.
    pub publisher: Option<String>,
    /// Seats that were bought.
    pub seats: u32,
    /// Where its key is kept, as `vault:office/2024`; never the key.
    pub key_ref: Option<String>,
    /// Last day.
    pub expires: Option<String>,
    /// What all seats cost a year.
    pub cost_per_year: Option<Money>,
}

/// A seat in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// Tag of the asset.
    pub tag: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// It was not assigned but found in use.
    pub found: bool,
}

/// The state of one licence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// As they are now.
    pub facts: PoolFacts,
    /// By the stream of the asset.
    pub taken: BTreeMap<String, Seat>,
}

impl PoolFacts {
    fn check(&self) -> Result<(), Refusal> {
        check_name("product", &self.product)?;
        if let Some(day) = &self.expires {
            check_day("last day", day)?;
        }
        self.key_ref.as_deref().map_or(Ok(()), check_key_ref)
    }
}

/// Refuses what is no reference to the place of a key, or looks like a key itself: groups of letters
/// and digits of equal length joined by dashes, as product keys are printed.
pub(crate) fn check_key_ref(text: &str) -> Result<(), Refusal> {
    let wrong = |why: &str| {
        Err(Refusal::rule(format!("the reference of the key {why}"))
            .hint("keep the key in a vault and write where it is, as vault:office/2024"))
    };
    let Some((scheme, path)) = text.split_once(':') else {
        return wrong("has no place before a colon");
    };
    check_name("reference", text)?;
    if path.trim().is_empty() || !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return wrong("names no place");
    }
    let looks_like_a_key = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| {
        let groups: Vec<&str> = word.split('-').collect();
        let equal = groups.iter().all(|g| g.len() == groups[0].len());
        (groups.len() >= 3 && (4..=8).contains(&groups[0].len()) && equal)
            || (groups.len() == 1
                && word.len() >= 20
                && word.bytes().any(|b| b.is_ascii_digit())
                && !word.bytes().any(|b| b.is_ascii_lowercase()))
    });
    match looks_like_a_key {
        true => wrong("looks like the key itself"),
        false => Ok(()),
    }
}

impl Pool {
    /// Seats in use beyond those that were bought.
    pub fn over(&self) -> usize {
        self.taken.len().saturating_sub(usize::try_from(self.facts.seats).unwrap_or(usize::MAX))
    }

    /// Seats that are free for use elsewhere.
    pub fn free(&self) -> usize {
        usize::try_from(self.facts.seats).unwrap_or(usize::MAX).saturating_sub(self.taken.len())
    }

    pub(crate) fn begin(act: &Act) -> Result<Pool, Refusal> {
        let Act::PoolSet(facts) = act else { return Err(Refusal::rule("a licence begins with pool_set")) };
        facts.check()?;
        Ok(Pool { facts: facts.clone(), taken: BTreeMap::new() })
    }

    pub(crate) fn check(&self, act: &Act) -> Result<(), Refusal> {
        let product = &self.facts.product;
        match act {
            Act::PoolSet(facts) if facts.product == *product => facts.check(),
            Act::PoolSet(_) => Err(Refusal::rule(format!("{product} keeps its name"))),
            Act::SeatTaken { asset, tag, .. } if self.taken.contains_key(asset) => {
                Err(Refusal::rule(format!("{tag} has a seat of {product} already")))
            }
            // What is found in use is recorded, however many there are: over-use must show.
            Act::SeatTaken { found: true, .. } => Ok(()),
            Act::SeatTaken { .. } if self.free() == 0 => {
                Err(Refusal::rule(format!("all {} seats of {product} are in use", self.facts.seats))
                    .hint("release one, buy more, or record what is in use anyway: lastwrite licence found"))
            }
            Act::SeatTaken { .. } => Ok(()),
            Act::SeatReleased { asset } if !self.taken.contains_key(asset) => {
                Err(Refusal::rule(format!("that asset has no seat of {product}")))
            }
            Act::SeatReleased { .. } => Ok(()),
            _ => Err(Refusal::rule("that is no change of a licence")),
        }
    }

    pub(crate) fn apply(&mut self, act: &Act, at: DateTime<Utc>) {
        match act {
            Act::PoolSet(facts) => self.facts = facts.clone(),
            Act::SeatTaken { asset, tag, found } => {
                self.taken.insert(asset.clone(), Seat { tag: tag.clone(), since: at, found: *found });
            }
            Act::SeatReleased { asset } => {
                self.taken.remove(asset);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_written_where_its_place_belongs() {
        for fine in ["vault:office/2024", "keepass:Licences/CAD", "https://vault.example.org/v1/secret/office-2024"] {
            assert!(check_key_ref(fine).is_ok(), "{fine}");
        }
        for key in [
            "VK7JG-NPHTM-C97JM-9MPGT-3V66T",
            "key:VK7JG-NPHTM-C97JM-9MPGT-3V66T",
            "vault:1111-2222-3333-4444",
            "key:ABCDEFGH1234567890ABCD",
            "office",
            "vault:",
        ] {
            assert!(check_key_ref(key).is_err(), "{key}");
        }
    }
}
