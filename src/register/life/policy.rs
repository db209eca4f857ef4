//! The policy of a stage: its text, the rules that the register enforces, from when it holds, and
//! who approved it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{check_day, check_name, check_words, day_of};
use crate::policy::{self, Policy, PolicyError};
use crate::register::act::{Act, Item};
use crate::register::error::Refusal;
use crate::register::number::Money;
use crate::register::people::People;
use crate::register::role::Role;
use crate::register::stage::Stage;

/// A second person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Whose key.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Words to it.
    pub note: Option<String>,
}

/// Up to which amount a role may grant a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The role.
    pub role: Role,
    /// The largest sum.
    pub up_to: Money,
}

/// What the register enforces for a stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRules {
    /// Procurement: who may grant how much. Empty: everybody whose role may grant, any sum.
    pub limits: Vec<Limit>,
    /// Procurement: nothing is deployed without a granted request (or the acceptance of its origin).
    pub request: bool,
    /// Deployment, decommissioning: steps that must be done before it goes on, waived ones included.
    pub steps: Vec<Item>,
    /// Deployment: whoever has it has acknowledged that before it goes into use.
    pub acknowledgement: bool,
    /// Deployment, decommissioning: who moves it on is none of those who ticked its steps.
    /// Disposition: who closes it did not set its outcome.
    pub second_person: bool,
    /// Disposition: a vendor must be certified on every route.
    pub certified_vendor: bool,
    /// Disposition: the organization's policy of sanitization, whose minimums close assets. None: the
    /// built-in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sanitization: Option<SanitizationText>,
}

/// An organization's policy of sanitization, as its TOML file stands (`docs/policy.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SanitizationText(#[serde(with = "shared")] Arc<str>);

impl SanitizationText {
    /// Takes a file's text if it is a policy.
    pub fn new(toml: &str) -> Result<SanitizationText, PolicyError> {
        Policy::parse(toml).map(|_| SanitizationText(toml.into()))
    }

    /// What it says.
    pub fn policy(&self) -> Result<Policy, PolicyError> {
        Policy::parse(&self.0)
    }

    /// SHA-256 of the text, lower-case hex.
    pub fn digest(&self) -> String {
        policy::digest(self.0.as_bytes())
    }
}

/// A version of a policy as it is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// Of which stage.
    pub stage: Stage,
    /// From 1, without gaps.
    pub version: u32,
    /// Title.
    pub title: String,
    /// The policy in words; one copy, however many states hold it.
    #[serde(with = "shared")]
    pub text: Arc<str>,
    /// What of it the register enforces.
    pub rules: PolicyRules,
    /// First day, as `2026-03-01`.
    pub effective: String,
}

/// A version of a policy and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyVersion {
    /// What it says.
    pub policy: PolicyText,
    /// Whose key proposed it.
    pub by: String,
    /// Who approved it; until then it is not in force.
    pub approved: Option<Approval>,
}

impl PolicyText {
    fn check(&self) -> Result<(), Refusal> {
        check_name("title", &self.title)?;
        check_words("the text of the policy", &self.text)?;
        check_day("first day", &self.effective)?;
        let rules = &self.rules;
        let at = |stages: &[Stage]| stages.contains(&self.stage);
        let misplaced = [
            ("limits", !rules.limits.is_empty() && !at(&[Stage::Procurement])),
            ("request", rules.request && !at(&[Stage::Procurement])),
            ("steps", !rules.steps.is_empty() && !at(&[Stage::Deployment, Stage::Decommissioning])),
            ("acknowledgement", rules.acknowledgement && !at(&[Stage::Deployment])),
            (
                "second_person",
                rules.second_person && !at(&[Stage::Deployment, Stage::Decommissioning, Stage::Disposition]),
            ),
            ("certified_vendor", rules.certified_vendor && !at(&[Stage::Disposition])),
            ("sanitization", rules.sanitization.is_some() && !at(&[Stage::Disposition])),
        ];
        if let Some((rule, _)) = misplaced.iter().find(|(_, misplaced)| *misplaced) {
            return Err(Refusal::rule(format!("the rule {rule} means nothing in {}", self.stage)));
        }
        if let Some(Err(why)) = rules.sanitization.as_ref().map(SanitizationText::policy) {
            return Err(Refusal::rule(format!("the policy of sanitization is none: {why}")));
        }
        let deployment = self.stage == Stage::Deployment;
        match rules.steps.iter().find(|item| Item::DEPLOYMENT.contains(item) != deployment) {
            Some(item) => Err(Refusal::rule(format!("{} is no step of {}", item.name(), self.stage))),
            None if self.stage == Stage::Closed => Err(Refusal::rule("the end needs no policy; disposition has one")),
            None => Ok(()),
        }
    }
}

impl People {
    /// The version that is in force at that time.
    pub fn policy_at(&self, stage: Stage, at: DateTime<Utc>) -> Option<&PolicyVersion> {
        let day = day_of(at);
        let approved = self.policies.get(&stage)?.iter().filter(|v| v.approved.is_some());
        approved.filter(|v| v.policy.effective <= day).max_by_key(|v| v.policy.version)
    }

    /// What the register enforces at that time.
    pub fn rules_at(&self, stage: Stage, at: DateTime<Utc>) -> PolicyRules {
        self.policy_at(stage, at).map(|v| v.policy.rules.clone()).unwrap_or_default()
    }

    pub(crate) fn check_policy(&self, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::PolicyProposed(policy) => {
                policy.check()?;
                let next = self.policies.get(&policy.stage).map_or(0, Vec::len) + 1;
                match usize::try_from(policy.version) == Ok(next) {
                    true => Ok(()),
                    false => {
                        Err(Refusal::rule(format!("the next version of the policy of {} is {next}", policy.stage)))
                    }
                }
            }
            Act::PolicyApproved { stage, version } => match self.version(*stage, *version) {
                None => Err(Refusal::rule(format!("there is no version {version} of the policy of {stage}"))),
                Some(PolicyVersion { approved: Some(_), .. }) => {
                    Err(Refusal::rule(format!("version {version} of the policy of {stage} is approved already")))
                }
                Some(_) => Ok(()),
            },
            _ => Err(Refusal::rule("that is no change of the register itself")),
        }
    }

    pub(crate) fn apply_policy(&mut self, act: &Act, actor: &str, at: DateTime<Utc>) {
        match act {
            Act::PolicyProposed(policy) => {
                let proposed = PolicyVersion { policy: policy.clone(), by: actor.to_owned(), approved: None };
                self.policies.entry(policy.stage).or_default().push(proposed);
            }
            Act::PolicyApproved { stage, version } => {
                let versions = self.policies.entry(*stage).or_default();
                if let Some(found) = versions.iter_mut().find(|v| v.policy.version == *version) {
                    found.approved = Some(Approval { by: actor.to_owned(), at, note: None });
                }
            }
            _ => {}
        }
    }

    pub(crate) fn version(&self, stage: Stage, version: u32) -> Option<&PolicyVersion> {
        self.policies.get(&stage)?.iter().find(|v| v.policy.version == version)
    }
}

/// A shared text in JSON is a text.
pub(crate) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(text: &Arc<str>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(d).map(Arc::from)
    }
}
