//! What only the register's own state can tell of an act: second persons, limits, and the policies
//! in force. Judged when the event is made and again by an audit.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::on_asset::Origin;
use crate::register::act::{Act, Item};
use crate::register::asset::Asset;
use crate::register::error::Refusal;
use crate::register::number::Money;
use crate::register::people::People;
use crate::register::stage::Stage;
use crate::register::state::State;

impl People {
    /// Whether the act is allowed by whom it comes from and by the policies in force. `before` is
    /// the state of its stream.
    pub fn allow(&self, actor: &str, act: &Act, before: Option<&State>, at: DateTime<Utc>) -> Result<(), Refusal> {
        match (act, before) {
            (Act::PolicyApproved { stage, version }, _) => match self.version(*stage, *version) {
                Some(proposed) => self.second(actor, &proposed.by, "proposed the policy and may not approve it"),
                None => Ok(()), // told by the state
            },
            (Act::TrustApproved { .. } | Act::TrustExtended { .. }, _) => self.allow_trust(actor, act),
            (Act::RequestApproved { .. }, Some(State::Request(request))) => {
                self.second(actor, &request.by, "asked for it and may not grant it")?;
                let total = request.total().ok_or_else(|| Refusal::rule("its sum is no number"))?;
                self.within_limit(actor, &total, request.facts.location.as_deref(), at)
            }
            (Act::DecisionApproved { .. }, Some(State::Asset(asset))) => match &asset.life.decision {
                Some(decision) => self.second(actor, &decision.by, "proposed it and may not approve it"),
                None => Ok(()),
            },
            (Act::Acknowledged(said), Some(State::Asset(asset))) if said.signed && asset.custodian.is_some() => {
                let name = self.persons.get(actor).map(|p| p.name.as_str()).unwrap_or_default();
                match name.eq_ignore_ascii_case(&said.name) {
                    true => Ok(()),
                    false => Err(Refusal::rule(format!(
                        "{name} cannot sign for {}; record their word on paper (--paper FILE)",
                        said.name
                    ))),
                }
            }
            (Act::StageMoved { to, policies, .. }, Some(State::Asset(asset))) => {
                if *policies != self.policies_for(asset.stage, *to, at) {
                    return Err(Refusal::rule("the move names other policies than those in force"));
                }
                self.policy_lets_on(actor, asset, *to, at)
            }
            (Act::AssetClosed { .. }, Some(State::Asset(asset))) => self.may_close(actor, asset, at),
            _ => Ok(()),
        }
    }

    /// The versions in force of the stage that is left and the one that is entered.
    pub fn policies_for(&self, from: Stage, to: Stage, at: DateTime<Utc>) -> BTreeMap<Stage, u32> {
        let version = |stage| self.policy_at(stage, at).map(|v| (stage, v.policy.version));
        [from, to].into_iter().filter_map(version).collect()
    }

    /// Four eyes on the outcome, where the policy of disposition says so.
    pub(crate) fn may_close(&self, actor: &str, asset: &Asset, at: DateTime<Utc>) -> Result<(), Refusal> {
        let setter = asset.line.as_ref().and_then(|line| line.by.as_deref());
        match (self.rules_at(Stage::Disposition, at).second_person, setter) {
            (true, Some(setter)) => self.second(actor, setter, "set its outcome and may not close it"),
            _ => Ok(()),
        }
    }

    fn policy_lets_on(&self, actor: &str, asset: &Asset, to: Stage, at: DateTime<Utc>) -> Result<(), Refusal> {
        let from = asset.stage;
        let Some(version) = self.policy_at(from, at) else { return Ok(()) };
        let rules = &version.policy.rules;
        let refuse = |why: String| {
            let number = version.policy.version;
            Err(Refusal::rule(format!("{}: {why} (policy of {from}, version {number})", asset.tag)))
        };
        if rules.request && to == Stage::Deployment && asset.life.origin() == Origin::Shadow {
            return refuse("no granted request stands behind it".to_owned());
        }
        let onwards = matches!(
            (from, to),
            (Stage::Deployment, Stage::Utilization) | (Stage::Decommissioning, Stage::Disposition)
        );
        if !onwards {
            return Ok(());
        }
        if let Some(item) = rules.steps.iter().find(|item| !asset.checklist.contains_key(item)) {
            return refuse(format!("checklist item open: {}", item.name()));
        }
        if rules.acknowledgement && asset.life.acknowledged.is_none() {
            return refuse("whoever has it has not acknowledged that".to_owned());
        }
        if rules.second_person {
            let deployment = from == Stage::Deployment;
            let ticked = asset.checklist.iter().filter(|(item, _)| Item::DEPLOYMENT.contains(item) == deployment);
            for by in ticked.filter_map(|(_, tick)| tick.by.as_deref()) {
                self.second(actor, by, "ticked its steps and may not move it on")?;
            }
        }
        Ok(())
    }

    /// Four eyes: refuses when both are one key, or one name.
    pub(crate) fn second(&self, actor: &str, first: &str, what: &str) -> Result<(), Refusal> {
        let name = |kid: &str| self.persons.get(kid).map_or("", |p| p.name.as_str());
        match actor == first || name(actor).eq_ignore_ascii_case(name(first)) {
            true => Err(Refusal::rule(format!("{} {what} (four eyes)", name(actor)))),
            false => Ok(()),
        }
    }

    fn within_limit(
        &self,
        actor: &str,
        total: &Money,
        location: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let rules = self.rules_at(Stage::Procurement, at);
        if rules.limits.is_empty() {
            return Ok(());
        }
        let covers = |limit: &&super::Limit| limit.up_to.currency == total.currency && limit.up_to.minor >= total.minor;
        let holds = |role| {
            let grants = self.persons.get(actor).map(|p| p.grants.as_slice()).unwrap_or_default();
            grants.iter().any(|g| g.role == role && g.reaches(location))
        };
        if rules.limits.iter().filter(covers).any(|limit| holds(limit.role)) {
            return Ok(());
        }
        let name = self.persons.get(actor).map_or("", |p| p.name.as_str());
        let may: Vec<&str> = rules.limits.iter().filter(covers).map(|limit| limit.role.name()).collect();
        let hint = match may.is_empty() {
            true => "no role may grant that much".to_owned(),
            false => format!("roles that may: {}", may.join(", ")),
        };
        Err(Refusal::rule(format!("{total} is above what {name} may grant")).hint(hint))
    }
}
