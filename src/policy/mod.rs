//! NIST SP 800-88 decisions. Pure: no I/O, no clock.

mod applied;
mod decide;
mod ladder;
mod organization;
mod rating;
mod ready;
mod refusal;
mod render;
mod situation;
mod technique;
mod warnings;

pub use applied::{Applied, InForce};
pub use decide::{Decision, HiddenAreaState, OperatorStanding, PolicyRequest, Scope, host_writing, plan};
pub use ladder::{Excluded, Ladder, Offer, PassedOver, Rung, Wanted, counts_for, rated, usable};
pub use organization::{
    Assume, BadSectorRule, Columns, CryptoErase, FORMAT, HiddenAreaRule, HiddenAreas, Minimums, OperatorRule,
    Operators, Policy, PolicyError, Retention, SecondPerson, StepDown, TechniqueRule, VerificationRule, digest,
};
pub use rating::{IEEE_2883, Rating, Row, SP_800_88R1, Shredding, Storage, Switches, rate};
pub use ready::{DEFAULT, READY, Ready};
pub use refusal::Refusal;
pub use render::{render, weaker_than_default};
pub use situation::{Category, Destination, Route, UnknownWord};
pub use technique::{Technique, UnknownTechnique, Way};

use serde::{Deserialize, Serialize};

/// A sanitization method (SP 800-88r2 section 3.1). Ordered: each is at least the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Every user-addressable location, through the interface the user has.
    Clear,
    /// Recovery infeasible with state-of-the-art laboratory techniques.
    Purge,
    /// As Purge, and the medium can no longer store data. Software can only record it.
    Destroy,
}

/// How much of the result is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationLevel {
    /// Nothing is read: the run can only be complete, never proven (SP 800-88r2 section 4.5.1).
    None,
    /// A few hundred places: notices a drive that did nothing, proves little.
    Quick,
    /// Representative sampling (SP 800-88r1 section 4.7).
    Sample,
    /// Every addressable byte.
    Full,
}

impl Method {
    /// `Clear`, `Purge`, `Destroy`.
    pub fn name(self) -> &'static str {
        match self {
            Method::Clear => "Clear",
            Method::Purge => "Purge",
            Method::Destroy => "Destroy",
        }
    }
}

impl VerificationLevel {
    /// The word of the command line: `none`, `quick`, `sample`, `full`.
    pub fn name(self) -> &'static str {
        match self {
            VerificationLevel::None => "none",
            VerificationLevel::Quick => "quick",
            VerificationLevel::Sample => "sample",
            VerificationLevel::Full => "full",
        }
    }
}
