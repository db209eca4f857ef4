//! What is put on an asset, who confirms that they have it, and what it is worth.

use serde::{Deserialize, Serialize};

use super::{check_day, check_name};
use crate::register::error::Refusal;
use crate::register::number::Money;
use crate::register::words::words;

words!(
    /// By what a value is known.
    ValuationBasis {
        /// The books.
        Book = "book",
        /// Prices of the market.
        Market = "market",
        /// Somebody who looked at it.
        Appraisal = "appraisal",
        /// An offer.
        Quote = "quote",
        /// What was paid.
        Sale = "sale",
    }
);

/// What is on an asset, and how it is on the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Software.
    pub software: Vec<String>,
    /// Security policies: disk encryption, device management profile, firewall.
    pub security: Vec<String>,
    /// Name on the network.
    pub hostname: Option<String>,
    /// Hardware addresses, lower-case with colons.
    pub mac: Vec<String>,
    /// Network or VLAN.
    pub network: Option<String>,
}

/// A person's word that they have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// Who has it.
    pub name: String,
    /// What they confirm.
    pub statement: String,
    /// The event is signed with their own key; otherwise somebody recorded it.
    pub signed: bool,
    /// SHA-256 of the paper they signed, where the register keeps it.
    pub document: Option<String>,
}

/// What it is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Valuation {
    /// By what.
    pub basis: ValuationBasis,
    /// How much.
    pub money: Money,
    /// On which day.
    pub on: String,
    /// Who says so.
    pub source: String,
}

impl Configuration {
    /// Reads a hardware address in any usual spelling.
    pub fn read_mac(text: &str) -> Option<String> {
        let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
        let fine = digits.len() == 12 && digits.chars().all(|c| c.is_ascii_hexdigit());
        let pairs = digits.as_bytes().chunks(2).map(|p| String::from_utf8_lossy(p).to_lowercase());
        fine.then(|| pairs.collect::<Vec<_>>().join(":"))
    }

    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if *self == Configuration::default() {
            return Err(Refusal::rule("nothing is configured"));
        }
        match self.mac.iter().find(|mac| Configuration::read_mac(mac).as_ref() != Some(*mac)) {
            Some(mac) => Err(Refusal::rule(format!("{mac:?} is no hardware address; write 00:1b:44:11:3a:b7"))),
            None => Ok(()),
        }
    }
}

impl Acknowledgement {
    pub(crate) fn check(&self, custodian: Option<&str>) -> Result<(), Refusal> {
        match custodian {
            None => Err(Refusal::rule("nobody has it, so nobody can acknowledge it")),
            Some(name) if name == self.name => Ok(()),
            Some(name) => Err(Refusal::rule(format!("{name} has it, not {}", self.name))),
        }
    }
}

impl Valuation {
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        check_day("day of the valuation", &self.on)?;
        check_name("source", &self.source)?;
        match self.money.minor.0 >= 0 {
            true => Ok(()),
            false => Err(Refusal::rule("a value is not negative")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_have_one_spelling() {
        for text in ["00:1B:44:11:3A:B7", "00-1b-44-11-3a-b7", "001b.4411.3ab7", "001B44113AB7"] {
            assert_eq!(Configuration::read_mac(text).as_deref(), Some("00:1b:44:11:3a:b7"), "{text}");
        }
        for text in ["", "00:1b:44:11:3a", "00:1b:44:11:3a:zz"] {
            assert_eq!(Configuration::read_mac(text), None, "{text}");
        }
    }
}
