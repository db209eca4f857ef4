//! What of a policy governed one run, as the certificate says it.

use serde::{Deserialize, Serialize};

use super::ladder::Rung;
use super::organization::{HiddenAreaRule, OperatorRule, Policy, PolicyError, StepDown, digest};
use super::ready::{DEFAULT, Ready};
use super::situation::{Category, Route};
use super::{Method, VerificationLevel};

/// A policy in force, with what names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The rules.
    pub policy: Policy,
    /// SHA-256 of its TOML text, hex.
    pub digest: String,
    /// Thumbprint of the key that signed it; `None` for one that came with the program unsigned.
    pub signed_by: Option<String>,
}

/// The rules that governed a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// The policy's id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its TOML text, hex.
    pub digest: String,
    /// Thumbprint of the key that signed it.
    pub signed_by: Option<String>,
    /// Category of what was on the medium.
    pub category: Option<Category>,
    /// Where the medium goes.
    pub route: Option<Route>,
    /// What of the two the policy assumed because nobody said it: `category`, `route`.
    pub assumed: Vec<String>,
    /// The least method; `None`: without category or route nothing was decided.
    pub minimum: Option<Method>,
    /// The least read-back.
    pub least_verification: VerificationLevel,
    /// The result has to be accepted by somebody before an asset is closed on it.
    pub validation: bool,
    /// Of a hundred results so many are checked by a second person.
    pub second_person_percent: u8,
    /// Blocks that may fail to be written or read back.
    pub bad_blocks_allowed: u32,
    /// What was to be done with hidden areas.
    pub hidden_areas: HiddenAreaRule,
    /// Who may do it.
    pub operator: OperatorRule,
    /// How far the run might step down.
    pub step_down: StepDown,
    /// The techniques that were allowed, first choice first.
    pub ladder: Vec<Rung>,
    /// The run was to precede destruction and releases nothing.
    pub before_destruction: bool,
    /// How long the evidence is to be kept.
    pub retention_years: u16,
}

impl InForce {
    /// The built-in default.
    pub fn builtin() -> Result<InForce, PolicyError> {
        InForce::ready(DEFAULT)
    }

    /// A ready-made policy.
    pub fn ready(id: &str) -> Result<InForce, PolicyError> {
        let ready = Ready::find(id)
            .ok_or_else(|| PolicyError::Rule { member: "id", why: format!("there is no ready-made policy {id:?}") })?;
        Ok(InForce { policy: ready.policy()?, digest: ready.digest(), signed_by: None })
    }

    /// A policy from its text. That the signature holds is the caller's to see.
    pub fn read(toml: &[u8], signed_by: Option<String>) -> Result<InForce, PolicyError> {
        let text = std::str::from_utf8(toml).map_err(|_| PolicyError::Form("it is no UTF-8 text".to_owned()))?;
        Ok(InForce { policy: Policy::parse(text)?, digest: digest(toml), signed_by })
    }
}

impl Applied {
    /// `nist-800-88r2 version 1`.
    pub fn label(&self) -> String {
        format!("{} version {}", self.id, self.version)
    }

    /// What in it cannot be: against itself, and against the policy's text where this program knows it.
    pub fn contradiction(&self) -> Option<String> {
        let decided = self.category.is_some() && self.route.is_some();
        if self.minimum.is_some() != decided {
            return Some("a minimum is decided by category and route together, and by nothing else".to_owned());
        }
        if let (Some(minimum), Some(rung)) = (self.minimum, self.ladder.iter().find(|r| Some(r.method) < self.minimum))
            && !self.before_destruction
        {
            return Some(format!("{} is allowed below the minimum {}", rung.technique, minimum.name()));
        }
        if let Some(rung) = self.ladder.iter().find(|rung| rung.method > rung.technique.at_most()) {
            return Some(format!("{} is counted for {}", rung.technique, rung.method.name()));
        }
        let (_, policy) = Ready::known(&self.id).filter(|(digest, _)| *digest == self.digest)?;
        let minimum = self.category.zip(self.route).map(|(category, route)| policy.minimum(category, route));
        [
            ("version", self.version == policy.version),
            ("minimum", self.minimum == minimum),
            ("validation", self.validation == self.category.is_some_and(|c| policy.wants_validation(c))),
            ("second_person_percent", self.second_person_percent == policy.second_person.percent),
            ("bad_blocks_allowed", self.bad_blocks_allowed == policy.bad_sectors_allowed(self.category)),
            ("hidden_areas", self.hidden_areas == policy.hidden_areas.rule),
            ("operator", self.operator == policy.operator.rule),
            ("step_down", self.step_down <= policy.techniques.step_down),
            ("retention_years", self.retention_years == policy.retention.years),
        ]
        .into_iter()
        .find(|(_, agrees)| !agrees)
        .map(|(member, _)| format!("{member} is not what the policy {} says", self.label()))
    }

    /// The policy's text is the one that comes with this program.
    pub fn is_known(&self) -> bool {
        Ready::known(&self.id).is_some_and(|(digest, _)| *digest == self.digest)
    }
}
