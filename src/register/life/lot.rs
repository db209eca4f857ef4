//! A disposal order: the lot of what leaves together, a snapshot of what left and when, and where
//! its mass went.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::vendor::Certification;
use super::{check_day, check_name, check_words};
use crate::register::act::{Act, Route};
use crate::register::error::Refusal;
use crate::register::number::Whole;
use crate::register::words::words;

words!(
    /// Where a lot stands.
    LotState {
        /// Assets come and go.
        Draft = "draft",
        /// The day it is fetched is set.
        Scheduled = "scheduled",
        /// It left.
        InTransit = "in_transit",
        /// The vendor has it.
        Received = "received",
        /// Its final document is there.
        Documented = "documented",
        /// Nothing is open.
        Closed = "closed",
        /// It did not leave.
        Cancelled = "cancelled",
    }
);

/// A lot as it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LotFacts {
    /// Number, unique.
    pub number: String,
    /// The route of all of it.
    pub route: Route,
    /// Name of the vendor who takes it.
    pub vendor: Option<String>,
    /// Where it stands.
    pub location: Option<String>,
}

/// An asset on a lot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LotLine {
    /// Stream of the asset.
    pub asset: String,
    /// Its tag.
    pub tag: String,
    /// Its serial number.
    pub serial: Option<String>,
    /// What it is.
    pub what: Option<String>,
    /// Its mass in grams.
    pub weight_g: Option<u32>,
    /// The media in it, each with its state.
    pub media: Vec<String>,
}

/// What left, and who took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispatch {
    /// What was on it.
    pub lines: Vec<LotLine>,
    /// By which certification it was taken.
    pub certification: Option<Certification>,
    /// Seal.
    pub seal: Option<String>,
}

/// What the vendor says it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Who took it in.
    pub by: String,
    /// How many assets.
    pub count: u32,
    /// The vendor's number of it.
    pub reference: Option<String>,
    /// Why the count differs from what left.
    pub note: Option<String>,
}

/// Where the mass of a lot went, in grams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Used again.
    pub reused_g: Whole,
    /// Material recovered.
    pub recycled_g: Whole,
    /// Energy recovered.
    pub energy_g: Whole,
    /// Landfill.
    pub landfill_g: Whole,
}

/// The state of one lot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lot {
    /// As it began.
    pub facts: LotFacts,
    /// Where it stands.
    pub state: LotState,
    /// What is on it; from dispatch on what was on it then.
    pub lines: Vec<LotLine>,
    /// The day it is fetched.
    pub pickup: Option<String>,
    /// When it left, and by which hand.
    pub dispatched: Option<(DateTime<Utc>, Dispatch)>,
    /// What the vendor got.
    pub received: Option<Receipt>,
    /// Where its mass went.
    pub weights: Option<Weights>,
    /// SHA-256 of its final document.
    pub document: Option<String>,
    /// Why it was cancelled.
    pub cancelled: Option<String>,
}

impl Weights {
    /// All of it; `None` where it is negative or too large.
    pub fn total_g(&self) -> Option<i64> {
        let parts = [self.reused_g.0, self.recycled_g.0, self.energy_g.0, self.landfill_g.0];
        parts.iter().try_fold(0i64, |sum, part| if *part < 0 { None } else { sum.checked_add(*part) })
    }

    /// The part that was kept out of landfill, in hundredths of a percent; `None` where there is no mass.
    pub fn diverted_bp(&self) -> Option<i64> {
        let total = i128::from(self.total_g().filter(|total| *total > 0)?);
        i64::try_from((total - i128::from(self.landfill_g.0)) * 10_000 / total).ok()
    }
}

impl Lot {
    /// The mass of what is on it, where every line has one.
    pub fn weight_g(&self) -> Option<i64> {
        self.lines.iter().map(|line| line.weight_g.map(i64::from)).sum()
    }

    pub(crate) fn begin(act: &Act) -> Result<Lot, Refusal> {
        let Act::LotOpened(facts) = act else { return Err(Refusal::rule("a lot begins with lot_opened")) };
        check_name("number", &facts.number)?;
        Ok(Lot {
            facts: facts.clone(),
            state: LotState::Draft,
            lines: Vec::new(),
            pickup: None,
            dispatched: None,
            received: None,
            weights: None,
            document: None,
            cancelled: None,
        })
    }

    pub(crate) fn check(&self, act: &Act) -> Result<(), Refusal> {
        let number = &self.facts.number;
        let stands = |states: &[LotState]| match states.contains(&self.state) {
            true => Ok(()),
            false => {
                let names: Vec<&str> = states.iter().map(|s| s.name()).collect();
                Err(Refusal::rule(format!("lot {number} is {}, not {}", self.state.name(), names.join(" or "))))
            }
        };
        let here = [LotState::Draft, LotState::Scheduled];
        match act {
            Act::LotLineAdded(line) => {
                stands(&here)?;
                match self.lines.iter().any(|l| l.asset == line.asset) {
                    true => Err(Refusal::rule(format!("{} is on lot {number} already", line.tag))),
                    false => Ok(()),
                }
            }
            Act::LotLineRemoved { asset, reason } => {
                stands(&here)?;
                check_words("the reason", reason)?;
                match self.lines.iter().any(|l| l.asset == *asset) {
                    true => Ok(()),
                    false => Err(Refusal::rule(format!("that asset is not on lot {number}"))),
                }
            }
            Act::LotScheduled { day } => {
                stands(&here)?;
                check_day("day of collection", day).map(|_| ())
            }
            Act::LotDispatched(dispatch) => {
                stands(&here)?;
                let same = dispatch.lines.len() == self.lines.len()
                    && dispatch.lines.iter().zip(&self.lines).all(|(a, b)| a.asset == b.asset);
                match (self.lines.is_empty(), same) {
                    (true, _) => Err(Refusal::rule(format!("nothing is on lot {number}"))),
                    (_, false) => Err(Refusal::rule(format!("what leaves is not what is on lot {number}"))),
                    _ => Ok(()),
                }
            }
            Act::LotReceived(receipt) => {
                stands(&[LotState::InTransit])?;
                let same = usize::try_from(receipt.count) == Ok(self.lines.len());
                match same || receipt.note.as_deref().is_some_and(|n| !n.trim().is_empty()) {
                    true => Ok(()),
                    false => Err(Refusal::rule(format!(
                        "{} left on lot {number}, {} arrived: say why (--note)",
                        self.lines.len(),
                        receipt.count
                    ))),
                }
            }
            Act::LotWeighed(weights) => {
                stands(&[LotState::Received, LotState::Documented])?;
                match weights.total_g().is_some_and(|total| total > 0) {
                    true => Ok(()),
                    false => Err(Refusal::rule("the masses are not negative, and their sum is above zero")),
                }
            }
            Act::LotDocumented { .. } => stands(&[LotState::Received]),
            Act::LotClosed => stands(&[LotState::Documented]),
            Act::LotCancelled { reason } => {
                stands(&here)?;
                check_words("the reason", reason)
            }
            _ => Err(Refusal::rule("that is no change of a lot")),
        }
    }

    pub(crate) fn apply(&mut self, act: &Act, at: DateTime<Utc>) {
        match act {
            Act::LotLineAdded(line) => self.lines.push(line.clone()),
            Act::LotLineRemoved { asset, .. } => self.lines.retain(|l| l.asset != *asset),
            Act::LotScheduled { day } => {
                self.state = LotState::Scheduled;
                self.pickup = Some(day.clone());
            }
            Act::LotDispatched(dispatch) => {
                self.state = LotState::InTransit;
                self.lines.clone_from(&dispatch.lines);
                self.dispatched = Some((at, dispatch.clone()));
            }
            Act::LotReceived(receipt) => {
                self.state = LotState::Received;
                self.received = Some(receipt.clone());
            }
            Act::LotWeighed(weights) => self.weights = Some(weights.clone()),
            Act::LotDocumented { document } => {
                self.state = LotState::Documented;
                self.document = Some(document.clone());
            }
            Act::LotClosed => self.state = LotState::Closed,
            Act::LotCancelled { reason } => {
                self.state = LotState::Cancelled;
                self.cancelled = Some(reason.clone());
            }
            _ => {}
        }
    }
}
