//! What the rest of the life leaves on an asset itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::decision::{Choice, Decision};
use super::deploy::{Acknowledgement, Configuration, Valuation};
use super::job::{OpenWork, Schedule, WorkKind};
use super::policy::Approval;
use super::{check_words, pool};
use crate::register::act::{Act, Item};
use crate::register::asset::{Asset, Tick};
use crate::register::error::Refusal;
use crate::register::stage::Stage;
use crate::register::words::words;

words!(
    /// How an asset came to be here.
    Origin {
        /// By a granted request.
        Approved = "approved",
        /// Without one, and somebody accepted that.
        Accepted = "accepted",
        /// Without one: shadow IT until somebody looks at it.
        Shadow = "shadow",
    }
);

/// The part of an asset's state that belongs to procurement, deployment, maintenance and decisions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetLife {
    /// Stream and number of the request it came by.
    pub request: Option<(String, String)>,
    /// Why it is accepted without one.
    pub accepted: Option<String>,
    /// What is on it, and how it is on the network.
    pub configuration: Option<Configuration>,
    /// The word of the person who has it.
    pub acknowledged: Option<(DateTime<Utc>, Acknowledgement)>,
    /// Maintenance that comes back, by name.
    pub schedules: BTreeMap<String, Schedule>,
    /// Open work orders, by stream.
    pub work: BTreeMap<String, OpenWork>,
    /// When the last upgrade was done.
    pub upgraded: Option<DateTime<Utc>>,
    /// The decision of this review.
    pub decision: Option<Decision>,
    /// Tag of the replacement that is in use.
    pub replacement: Option<String>,
    /// Why it goes before a replacement is in use.
    pub disruption: Option<String>,
    /// What it was worth, each time somebody looked.
    pub valuations: Vec<Valuation>,
}

impl AssetLife {
    /// How it came to be here.
    pub fn origin(&self) -> Origin {
        match (&self.request, &self.accepted) {
            (Some(_), _) => Origin::Approved,
            (None, Some(_)) => Origin::Accepted,
            (None, None) => Origin::Shadow,
        }
    }

    fn approved(&self) -> Option<&Decision> {
        self.decision.as_ref().filter(|d| d.approved.is_some())
    }
}

impl Asset {
    /// Whether such an act may happen now.
    pub(crate) fn check_life(&self, act: &Act) -> Result<(), Refusal> {
        let life = &self.life;
        let tag = &self.tag;
        match act {
            Act::RequestLinked { .. } => match &life.request {
                Some((_, number)) => Err(Refusal::rule(format!("{tag} came by request {number} already"))),
                None => Ok(()),
            },
            Act::OriginAccepted { reason } => match life.origin() {
                Origin::Shadow => check_words("the reason", reason),
                known => Err(Refusal::rule(format!("the origin of {tag} is {} already", known.name()))),
            },
            Act::Configured(configuration) => {
                self.check_in(&[Stage::Deployment, Stage::Utilization, Stage::Upgrade], "configured")?;
                configuration.check()
            }
            Act::Acknowledged(said) => said.check(self.custodian.as_deref()),
            Act::ScheduleSet(schedule) => schedule.check(),
            Act::ScheduleDropped { name } if !life.schedules.contains_key(name) => {
                Err(Refusal::rule(format!("{tag} has no schedule {name:?}")))
            }
            Act::WorkBegun { work, number, .. } if life.work.contains_key(work) => {
                Err(Refusal::rule(format!("work order {number} is open on {tag} already")))
            }
            Act::WorkSettled { work, .. } if !life.work.contains_key(work) => {
                Err(Refusal::rule(format!("no such work order is open on {tag}")))
            }
            Act::DecisionProposed(facts) => {
                self.check_in(&[Stage::Upgrade], "decided on")?;
                match life.approved() {
                    Some(decision) => Err(Refusal::rule(format!("it is decided: {}", decision.facts.choice.name()))),
                    None => facts.check(),
                }
            }
            Act::DecisionApproved { .. } | Act::DecisionRefused { .. } => match &life.decision {
                Some(Decision { approved: None, refused: None, .. }) => Ok(()),
                _ => Err(Refusal::rule(format!("nothing is proposed for {tag}"))
                    .hint(format!("lastwrite asset decide {tag} CHOICE --rationale WHY ..."))),
            },
            Act::ReplacementReady { .. } | Act::DisruptionWaived { .. } => match life.approved() {
                Some(d) if d.facts.choice == Choice::Refresh => Ok(()),
                _ => Err(Refusal::rule(format!("no refresh is decided for {tag}"))),
            },
            Act::Valued(valuation) => valuation.check(),
            Act::LicenceAssigned { key_ref: Some(key_ref), .. } => pool::check_key_ref(key_ref),
            _ => Ok(()),
        }
    }

    /// How a review ends: by a decision that a second person approved.
    pub(crate) fn check_review(&self, to: Stage) -> Result<(), Refusal> {
        let (tag, life) = (&self.tag, &self.life);
        let Some(decision) = life.approved() else {
            return Err(Refusal::rule(format!("{tag} is under review and nothing is decided")).hint(format!(
                "lastwrite asset decide {tag} keep|upgrade|refresh|retire ..., then a second person: lastwrite asset approve {tag}"
            )));
        };
        let choice = decision.facts.choice;
        let stays = matches!(choice, Choice::Keep | Choice::Upgrade);
        if stays != (to == Stage::Utilization) {
            return Err(Refusal::rule(format!("{tag}: {} was decided, so it does not go to {to}", choice.name())));
        }
        match choice {
            Choice::Upgrade if life.upgraded.is_none_or(|at| at < decision.at) => {
                Err(Refusal::rule(format!("{tag}: the upgrade is not done"))
                    .hint(format!("lastwrite work open {tag} upgrade TITLE, and lastwrite work done NUMBER")))
            }
            Choice::Refresh if life.replacement.is_none() && life.disruption.is_none() => {
                Err(Refusal::rule(format!("{tag}: its replacement is not in use yet, so somebody would wait"))
                    .hint(format!("lastwrite asset replaced {tag} --by TAG, or compliance waives it: --waive REASON")))
            }
            _ => Ok(()),
        }
    }

    /// The part of a new state that such an act makes.
    pub(crate) fn apply_life(&mut self, act: &Act, actor: &str, at: DateTime<Utc>) {
        let life = &mut self.life;
        match act {
            Act::RequestLinked { request, number } => life.request = Some((request.clone(), number.clone())),
            Act::OriginAccepted { reason } => life.accepted = Some(reason.clone()),
            Act::Configured(configuration) => {
                let tick = || Tick { at, waived: None, note: Some("configured".into()), by: Some(actor.to_owned()) };
                let c = configuration;
                for (item, given) in [
                    (Item::SoftwareInstalled, !c.software.is_empty()),
                    (Item::SecurityPolicyApplied, !c.security.is_empty()),
                    (Item::NetworkJoined, c.hostname.is_some() || !c.mac.is_empty() || c.network.is_some()),
                ] {
                    if given {
                        self.checklist.insert(item, tick());
                    }
                }
                life.configuration = Some(configuration.clone());
            }
            Act::Acknowledged(said) => life.acknowledged = Some((at, said.clone())),
            Act::ScheduleSet(schedule) => {
                life.schedules.insert(schedule.name.clone(), schedule.clone());
            }
            Act::ScheduleDropped { name } => {
                life.schedules.remove(name);
            }
            Act::WorkBegun { work, number, kind } => {
                life.work.insert(work.clone(), OpenWork { number: number.clone(), kind: *kind });
            }
            Act::WorkSettled { work, kind, done, schedule, .. } => {
                life.work.remove(work);
                if *done && *kind == WorkKind::Upgrade {
                    life.upgraded = Some(at);
                }
                if let (true, Some(schedule)) = (*done, schedule.as_ref().and_then(|n| life.schedules.get_mut(n))) {
                    schedule.advance(at.date_naive());
                }
            }
            Act::DecisionProposed(facts) => {
                let (facts, by) = (facts.clone(), actor.to_owned());
                life.decision = Some(Decision { facts, by, at, approved: None, refused: None });
            }
            Act::DecisionApproved { note } => {
                if let Some(decision) = &mut life.decision {
                    decision.approved = Some(Approval { by: actor.to_owned(), at, note: note.clone() });
                }
            }
            Act::DecisionRefused { reason } => {
                if let Some(decision) = &mut life.decision {
                    decision.refused = Some(reason.clone());
                }
            }
            Act::ReplacementReady { tag, .. } => life.replacement = Some(tag.clone()),
            Act::DisruptionWaived { reason } => life.disruption = Some(reason.clone()),
            Act::Valued(valuation) => life.valuations.push(valuation.clone()),
            _ => {}
        }
    }

    /// What a new stage makes of it.
    pub(crate) fn enter_life(&mut self, to: Stage) {
        let life = &mut self.life;
        match to {
            Stage::Deployment => {
                life.configuration = None;
                life.acknowledged = None;
                life.decision = None;
            }
            Stage::Upgrade => {
                life.decision = None;
                life.replacement = None;
                life.disruption = None;
            }
            _ => {}
        }
    }

    fn check_in(&self, stages: &[Stage], what: &str) -> Result<(), Refusal> {
        match stages.contains(&self.stage) {
            true => Ok(()),
            false => {
                let names: Vec<&str> = stages.iter().map(|s| s.name()).collect();
                Err(Refusal::rule(format!("{} is in {}; it is {what} in {}", self.tag, self.stage, names.join(" or "))))
            }
        }
    }
}
