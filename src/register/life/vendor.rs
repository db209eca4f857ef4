//! Who sells, leases, takes back or recycles, and by what it is certified.

use serde::{Deserialize, Serialize};

use super::{check_day, check_name, check_words};
use crate::register::act::{Act, Route};
use crate::register::error::Refusal;
use crate::register::words::words;

words!(
    /// What a vendor does for the organization.
    VendorKind {
        /// Sells or leases.
        Supplier = "supplier",
        /// Takes assets out: sanitizes, resells, recycles (IT asset disposition).
        Itad = "itad",
        /// Recycles.
        Recycler = "recycler",
        /// Buys used assets.
        Buyer = "buyer",
        /// Is given assets.
        Charity = "charity",
    }
);

/// Everything about a vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorFacts {
    /// Name, unique.
    pub name: String,
    /// What it does.
    pub kinds: Vec<VendorKind>,
    /// Whom to ask.
    pub contact: Option<String>,
}

/// What a vendor is certified by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certification {
    /// `R2v3`, `e-Stewards`, `NAID AAA`, `WEEELABEX`.
    pub scheme: String,
    /// Number of the certificate.
    pub number: String,
    /// First day.
    pub from: String,
    /// Last day.
    pub until: String,
    /// SHA-256 of the certificate, where the register keeps it.
    pub document: Option<String>,
}

/// The state of one vendor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// As they are now.
    pub facts: VendorFacts,
    /// All there were.
    pub certifications: Vec<Certification>,
    /// Why nothing is given to it any more.
    pub barred: Option<String>,
}

impl Certification {
    /// Whether it holds on a day, as `2026-03-01`.
    pub fn holds_on(&self, day: &str) -> bool {
        self.from.as_str() <= day && day <= self.until.as_str()
    }

    fn check(&self) -> Result<(), Refusal> {
        check_name("scheme", &self.scheme)?;
        check_name("number", &self.number)?;
        let (from, until) = (check_day("first day", &self.from)?, check_day("last day", &self.until)?);
        match from <= until {
            true => Ok(()),
            false => Err(Refusal::rule(format!("a certification from {from} until {until} never holds"))),
        }
    }
}

impl Vendor {
    /// The certification that holds on a day; of several the one that holds longest.
    pub fn certified_on(&self, day: &str) -> Option<&Certification> {
        self.certifications.iter().filter(|c| c.holds_on(day)).max_by(|a, b| a.until.cmp(&b.until))
    }

    /// Why nothing may go to it on that day by that route.
    pub fn check_takes(&self, route: Route, always_certified: bool, day: &str) -> Result<(), Refusal> {
        let name = &self.facts.name;
        if let Some(reason) = &self.barred {
            return Err(Refusal::rule(format!("{name} is barred: {reason}")));
        }
        if !(always_certified || route.needs_certified_vendor()) || self.certified_on(day).is_some() {
            return Ok(());
        }
        let told = match self.certifications.iter().map(|c| &c.until).max() {
            Some(until) if until.as_str() < day => format!("the certification of {name} expired on {until}"),
            _ => format!("{name} holds no certification on {day}"),
        };
        Err(Refusal::rule(format!("{told}; the route {} needs one", route.name()))
            .hint(format!("lastwrite vendor certify {name:?} SCHEME --number N --until DAY")))
    }

    pub(crate) fn begin(act: &Act) -> Result<Vendor, Refusal> {
        let Act::VendorSet(facts) = act else { return Err(Refusal::rule("a vendor begins with vendor_set")) };
        check_name("vendor", &facts.name)?;
        Ok(Vendor { facts: facts.clone(), certifications: Vec::new(), barred: None })
    }

    pub(crate) fn check(&self, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::VendorSet(facts) if facts.name == self.facts.name => Ok(()),
            Act::VendorSet(_) => Err(Refusal::rule(format!("{} keeps its name", self.facts.name))),
            Act::VendorCertified(certification) => certification.check(),
            Act::VendorBarred { reason } => check_words("the reason", reason),
            _ => Err(Refusal::rule("that is no change of a vendor")),
        }
    }

    pub(crate) fn apply(&mut self, act: &Act) {
        match act {
            Act::VendorSet(facts) => self.facts = facts.clone(),
            Act::VendorCertified(certification) => self.certifications.push(certification.clone()),
            Act::VendorBarred { reason } => self.barred = Some(reason.clone()),
            _ => {}
        }
    }
}

impl Route {
    /// Whether whoever takes assets by this route must be certified.
    pub fn needs_certified_vendor(self) -> bool {
        matches!(self, Route::Recycling | Route::Destruction)
    }
}
