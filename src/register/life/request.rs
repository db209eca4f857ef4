//! A request: what is needed and why, who grants it, what was ordered, what arrived.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::policy::Approval;
use super::{check_day, check_name, check_words};
use crate::register::act::Act;
use crate::register::error::Refusal;
use crate::register::number::{Money, Whole};
use crate::register::words::words;

words!(
    /// Need or want.
    NeedKind {
        /// Work stops or a duty is broken without it.
        Need = "need",
        /// It would be nice.
        Want = "want",
    }
);
words!(
    /// Where a request stands.
    RequestState {
        /// Nobody has decided.
        Open = "open",
        /// Granted.
        Approved = "approved",
        /// Not granted.
        Refused = "refused",
        /// On order.
        Ordered = "ordered",
        /// All of it has its record.
        Received = "received",
    }
);

/// What one piece costs until the end, not only its price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullCost {
    /// Price.
    pub acquisition: Money,
    /// Freight, customs.
    pub delivery: Option<Money>,
    /// Installation, migration.
    pub setup: Option<Money>,
    /// Support and maintenance contract over its life.
    pub support: Option<Money>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFacts {
    /// Number, unique.
    pub number: String,
    /// Need or want.
    pub kind: NeedKind,
    /// The business need.
    pub need: String,
    /// What: name of a model in the register, or free words.
    pub what: String,
    /// The model is a standard of the organization, as the register knew it then.
    pub standard: bool,
    /// How many.
    pub quantity: u32,
    /// What one of them costs.
    pub cost: FullCost,
    /// Where they go.
    pub location: Option<String>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purchase {
    /// Name of the vendor.
    pub vendor: String,
    /// Number of the order.
    pub order: String,
    /// Day of the order.
    pub on: String,
    /// What one of them costs.
    pub cost: FullCost,
    /// Months of warranty.
    pub warranty_months: Option<u32>,
}

/// The state of one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What is asked for.
    pub facts: RequestFacts,
    /// Whose key asked.
    pub by: String,
    /// Where it stands.
    pub state: RequestState,
    /// Who granted it.
    pub approved: Option<Approval>,
    /// Why not.
    pub refused: Option<String>,
    /// The order.
    pub purchase: Option<Purchase>,
    /// Streams of the assets that came of it.
    pub assets: Vec<String>,
}

impl FullCost {
    /// Everything of one piece; `None` where currencies differ or the sum is too large.
    pub fn total(&self) -> Option<Money> {
        let mut minor = self.acquisition.minor.0;
        for part in [&self.delivery, &self.setup, &self.support].into_iter().flatten() {
            if part.currency != self.acquisition.currency {
                return None;
            }
            minor = minor.checked_add(part.minor.0)?;
        }
        Some(Money { minor: Whole(minor), currency: self.acquisition.currency.clone() })
    }

    /// Everything of so many.
    pub fn of(&self, quantity: u32) -> Option<Money> {
        let one = self.total()?;
        Some(Money { minor: Whole(one.minor.0.checked_mul(i64::from(quantity))?), currency: one.currency })
    }

    /// The parts with their names.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &Money)> {
        let parts = [
            ("price", Some(&self.acquisition)),
            ("delivery", self.delivery.as_ref()),
            ("setup", self.setup.as_ref()),
            ("support", self.support.as_ref()),
        ];
        parts.into_iter().filter_map(|(name, money)| Some((name, money?)))
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.parts().any(|(_, money)| money.minor.0 < 0) {
            return Err(Refusal::rule("a cost is not negative"));
        }
        match self.total() {
            Some(_) => Ok(()),
            None => Err(Refusal::rule("all parts of the cost need the same currency")),
        }
    }
}

impl Request {
    /// Everything that is asked for.
    pub fn total(&self) -> Option<Money> {
        self.facts.cost.of(self.facts.quantity)
    }

    pub(crate) fn begin(act: &Act, actor: &str) -> Result<Request, Refusal> {
        let Act::RequestOpened(facts) = act else {
            return Err(Refusal::rule("a request begins with request_opened"));
        };
        check_name("number", &facts.number)?;
        check_words("the business need", &facts.need)?;
        check_name("thing", &facts.what)?;
        facts.cost.check()?;
        if facts.quantity == 0 || facts.cost.of(facts.quantity).is_none() {
            return Err(Refusal::rule("a request is for at least one, and its sum must be a number"));
        }
        Ok(Request {
            facts: facts.clone(),
            by: actor.to_owned(),
            state: RequestState::Open,
            approved: None,
            refused: None,
            purchase: None,
            assets: Vec::new(),
        })
    }

    pub(crate) fn check(&self, act: &Act) -> Result<(), Refusal> {
        let number = &self.facts.number;
        let stands = |needed: RequestState| match self.state == needed {
            true => Ok(()),
            false => Err(Refusal::rule(format!("request {number} is {}, not {}", self.state.name(), needed.name()))),
        };
        match act {
            Act::RequestApproved { note } => {
                stands(RequestState::Open)?;
                let needs = match (self.facts.kind, self.facts.standard) {
                    (NeedKind::Want, _) => "it is a want, not a need",
                    (NeedKind::Need, false) => "its model is no standard",
                    (NeedKind::Need, true) => return Ok(()),
                };
                match note.as_deref().is_some_and(|n| !n.trim().is_empty()) {
                    true => Ok(()),
                    false => Err(Refusal::rule(format!("{needs}: granting {number} needs its reason (--note)"))),
                }
            }
            Act::RequestRefused { reason } => {
                stands(RequestState::Open)?;
                check_words("the reason", reason)
            }
            Act::RequestOrdered(purchase) => {
                stands(RequestState::Approved)?;
                check_name("order number", &purchase.order)?;
                check_day("day of the order", &purchase.on)?;
                purchase.cost.check()?;
                match (purchase.cost.of(self.facts.quantity), self.total()) {
                    (Some(order), Some(granted))
                        if order.currency == granted.currency && order.minor <= granted.minor =>
                    {
                        Ok(())
                    }
                    (order, granted) => {
                        let told = |m: Option<Money>| m.map_or_else(|| "?".to_owned(), |m| m.to_string());
                        Err(Refusal::rule(format!("the order comes to {}, {} was granted", told(order), told(granted)))
                            .hint("open a new request for what it costs now"))
                    }
                }
            }
            Act::RequestReceived { asset, tag } => {
                stands(RequestState::Ordered)?;
                match self.assets.contains(asset) {
                    true => Err(Refusal::rule(format!("{tag} is of request {number} already"))),
                    false => Ok(()),
                }
            }
            _ => Err(Refusal::rule("that is no change of a request")),
        }
    }

    pub(crate) fn apply(&mut self, act: &Act, actor: &str, at: DateTime<Utc>) {
        match act {
            Act::RequestApproved { note } => {
                self.state = RequestState::Approved;
                self.approved = Some(Approval { by: actor.to_owned(), at, note: note.clone() });
            }
            Act::RequestRefused { reason } => {
                self.state = RequestState::Refused;
                self.refused = Some(reason.clone());
            }
            Act::RequestOrdered(purchase) => {
                self.state = RequestState::Ordered;
                self.purchase = Some(purchase.clone());
            }
            Act::RequestReceived { asset, .. } => {
                self.assets.push(asset.clone());
                if u32::try_from(self.assets.len()).is_ok_and(|n| n >= self.facts.quantity) {
                    self.state = RequestState::Received;
                }
            }
            _ => {}
        }
    }
}
