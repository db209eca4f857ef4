//! An asset as its events make it, and what may happen to it next.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::act::{Act, AssetClass, Condition, CostCategory, DataClass, Details, Item, LineOutcome, Route};
use super::error::Refusal;
use super::life::{AssetLife, Certification};
use super::stage::Stage;

/// The state of one asset. Made from its events alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Asset tag.
    pub tag: String,
    /// A thing, or for practice.
    pub class: AssetClass,
    /// How confidential its data is.
    pub data_class: DataClass,
    /// Where it stands in its life.
    pub stage: Stage,
    /// How it is.
    pub condition: Condition,
    /// Where it is.
    pub location: Option<String>,
    /// Who has it.
    pub custodian: Option<String>,
    /// Everything without a rule of its own.
    pub details: Details,
    /// Streams of the media in it.
    pub media: Vec<String>,
    /// How many media a person counted; forgotten when one goes in or out, and as it is decommissioned.
    pub counted: Option<u32>,
    /// Steps done or waived.
    pub checklist: BTreeMap<Item, Tick>,
    /// Licences in use on it.
    pub licences: BTreeMap<String, Option<String>>,
    /// How it leaves.
    pub line: Option<Line>,
    /// Every hand-over.
    pub handed_over: Vec<HandOver>,
    /// A recovery was booked since it is on its way out.
    pub recovery: bool,
    /// When it was closed.
    pub closed: Option<DateTime<Utc>>,
    /// Procurement, deployment, maintenance, decisions.
    #[serde(default)]
    pub life: AssetLife,
    /// When its last service life began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_service: Option<DateTime<Utc>>,
    /// When its last service life ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_service: Option<DateTime<Utc>>,
    /// Until when each medium was in service in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub last_used: BTreeMap<String, DateTime<Utc>>,
}

/// A step that was done or waived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tick {
    /// When.
    pub at: DateTime<Utc>,
    /// Why it was not needed.
    pub waived: Option<String>,
    /// How it was done.
    pub note: Option<String>,
    /// Whose key ticked it.
    #[serde(default)]
    pub by: Option<String>,
}

/// The asset on its disposal order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The route.
    pub route: Route,
    /// The order.
    pub order: String,
    /// Who takes it.
    pub vendor: Option<String>,
    /// What became of it.
    pub outcome: Option<LineOutcome>,
    /// SHA-256 of the final certificate.
    pub final_document: Option<String>,
    /// Whose key set the outcome.
    #[serde(default)]
    pub by: Option<String>,
}

/// From hand to hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// Who took it.
    pub to: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Seal.
    pub seal: Option<String>,
    /// By which certification it was taken.
    #[serde(default)]
    pub certification: Option<Certification>,
}

/// A record that begins in mid-life knows of no beginning but the purchase.
fn in_service_at_first(stage: Stage, details: &Details) -> Option<DateTime<Utc>> {
    if matches!(stage, Stage::Procurement | Stage::Deployment) {
        return None;
    }
    let day: chrono::NaiveDate = details.purchase_date.as_deref()?.parse().ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc())
}

impl Asset {
    /// The state after the first event of the stream.
    pub fn begin(act: &Act) -> Result<Asset, Refusal> {
        let Act::AssetAdded { tag, class, data_class, stage, location, custodian, details } = act else {
            return Err(Refusal::rule("the record of an asset begins with asset_added"));
        };
        if tag.is_empty() || tag.chars().count() > 200 || tag.trim() != tag || tag.chars().any(char::is_control) {
            return Err(Refusal::rule(format!("{tag:?} is no asset tag: 1 to 200 characters on one line")));
        }
        if matches!(stage, Stage::Disposition | Stage::Closed) {
            return Err(Refusal::rule(format!("an asset cannot begin in {stage}: it leaves only on evidence"))
                .hint("begin in decommissioning and bring in the evidence"));
        }
        Ok(Asset {
            tag: tag.clone(),
            class: *class,
            data_class: *data_class,
            stage: *stage,
            condition: Condition::Ok,
            location: location.clone(),
            custodian: custodian.clone(),
            details: details.clone(),
            media: Vec::new(),
            counted: None,
            checklist: BTreeMap::new(),
            licences: BTreeMap::new(),
            line: None,
            handed_over: Vec::new(),
            recovery: false,
            closed: None,
            life: AssetLife::default(),
            in_service: in_service_at_first(*stage, details),
            out_of_service: None,
            last_used: BTreeMap::new(),
        })
    }

    /// Whether the act may happen now, as far as the asset itself can tell. Rights, and what its
    /// media say, are judged elsewhere.
    pub fn check(&self, act: &Act) -> Result<(), Refusal> {
        if self.stage == Stage::Closed && !matches!(act, Act::Noted { .. } | Act::CostBooked { .. }) {
            return Err(Refusal::rule(format!("{} is closed; nothing changes any more", self.tag)));
        }
        match act {
            Act::StageMoved { to, reason, .. } => self.check_stage(*to, reason.as_deref()),
            Act::OrderCancelled { .. } if self.stage != Stage::Procurement || !self.media.is_empty() => {
                Err(Refusal::rule(format!(
                    "{} is in {}: only an order that never arrived is cancelled",
                    self.tag, self.stage
                )))
            }
            Act::ChecklistDone { item, .. } | Act::ChecklistWaived { item, .. } => self.check_item(*item),
            Act::MediumInstalled { medium } if self.media.contains(medium) => {
                Err(Refusal::rule(format!("the medium is in {} already", self.tag)))
            }
            Act::MediumRemoved { medium, .. } if !self.media.contains(medium) => {
                Err(Refusal::rule(format!("the medium is not in {}", self.tag)))
            }
            Act::MediumRemoved { unproven: true, reason, .. }
                if reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) =>
            {
                Err(Refusal::rule("that it is taken out needs a reason (--note)"))
            }
            Act::LicenceAssigned { product, .. } if self.licences.contains_key(product) => {
                Err(Refusal::rule(format!("{product} is assigned to {} already", self.tag)))
            }
            Act::LicenceReleased { product } if !self.licences.contains_key(product) => {
                Err(Refusal::rule(format!("{product} is not assigned to {}", self.tag)))
            }
            Act::RouteChosen { .. } if !matches!(self.stage, Stage::Decommissioning | Stage::Disposition) => Err(
                Refusal::rule(format!("{} is in {}: a route is chosen from decommissioning on", self.tag, self.stage)),
            ),
            Act::OutcomeSet { outcome, final_document } => self.check_outcome(*outcome, final_document.as_deref()),
            Act::AssetClosed { .. } if self.stage != Stage::Disposition => {
                Err(self.stage.check_move(Stage::Closed).err().map_or_else(
                    || Refusal::rule(format!("{} is in {}, not in disposition", self.tag, self.stage)),
                    Refusal::from,
                ))
            }
            Act::AssetAdded { .. } => Err(Refusal::rule(format!("{} exists already", self.tag))),
            Act::Measured(measured) => measured.check(),
            _ => self.check_life(act),
        }
    }

    /// The state after the event. The act was checked.
    pub fn apply(&mut self, act: &Act, actor: &str, at: DateTime<Utc>) {
        match act {
            Act::AssetChanged { details } => self.details = details.clone(),
            Act::Classified { data_class, .. } => self.data_class = *data_class,
            Act::StageMoved { to, .. } => {
                self.serve(*to, at);
                self.enter(*to);
            }
            Act::OrderCancelled { .. } | Act::AssetClosed { .. } => {
                self.stage = Stage::Closed;
                self.closed = Some(at);
            }
            Act::Assigned { custodian, location } => {
                if self.custodian != *custodian {
                    self.life.acknowledged = None;
                }
                self.custodian.clone_from(custodian);
                self.location.clone_from(location);
            }
            Act::ConditionSet { condition, .. } => self.condition = *condition,
            Act::ChecklistDone { item, note } => {
                let by = Some(actor.to_owned());
                self.checklist.insert(*item, Tick { at, waived: None, note: note.clone(), by });
            }
            Act::ChecklistWaived { item, reason } => {
                let by = Some(actor.to_owned());
                self.checklist.insert(*item, Tick { at, waived: Some(reason.clone()), note: None, by });
            }
            Act::MediaCounted { count } => self.counted = Some(*count),
            Act::MediumInstalled { medium } => {
                self.media.push(medium.clone());
                self.counted = None;
            }
            Act::MediumRemoved { medium, .. } => {
                self.media.retain(|m| m != medium);
                self.counted = None;
                if self.stage.in_service() {
                    self.last_used.insert(medium.clone(), at);
                }
            }
            Act::LicenceAssigned { product, key_ref } => {
                self.licences.insert(product.clone(), key_ref.clone());
            }
            Act::LicenceReleased { product } => {
                self.licences.remove(product);
            }
            Act::RouteChosen { route, order, vendor } => {
                let (route, order, vendor) = (*route, order.clone(), vendor.clone());
                self.line = Some(Line { route, order, vendor, outcome: None, final_document: None, by: None });
            }
            Act::HandedOver { to, seal, certification, .. } => {
                let (to, seal, certification) = (to.clone(), seal.clone(), certification.clone());
                self.handed_over.push(HandOver { to, at, seal, certification });
            }
            Act::OutcomeSet { outcome, final_document } => {
                if let Some(line) = &mut self.line {
                    line.outcome = Some(*outcome);
                    line.final_document.clone_from(final_document);
                    line.by = Some(actor.to_owned());
                }
            }
            Act::CostBooked { category: CostCategory::Recovery, .. } => {
                self.recovery |= matches!(self.stage, Stage::Decommissioning | Stage::Disposition);
            }
            _ => self.apply_life(act, actor, at),
        }
    }

    /// Steps of decommissioning that are neither done nor waived.
    pub fn open_items(&self) -> Vec<Item> {
        self.decommissioning_items().filter(|item| !self.checklist.contains_key(item)).collect()
    }

    /// Last day of its warranty, where its day of purchase and its months are known.
    pub fn warranty_until(&self) -> Option<String> {
        let bought: chrono::NaiveDate = self.details.purchase_date.as_deref()?.parse().ok()?;
        let until = bought.checked_add_months(chrono::Months::new(self.details.warranty_months?))?;
        Some(until.to_string())
    }

    /// The next day on which maintenance is due; `None` where none comes back, or it is on its way out.
    pub fn maintenance_due(&self) -> Option<String> {
        let here = matches!(self.stage, Stage::Deployment | Stage::Utilization | Stage::Upgrade);
        self.life.schedules.values().map(|s| s.next.clone()).min().filter(|_| here)
    }

    /// Every step of its decommissioning: those of all assets, and those of the template for its
    /// category.
    pub fn decommissioning_items(&self) -> impl Iterator<Item = Item> {
        let (_, template) = Item::template(self.details.category.as_deref());
        Item::DECOMMISSIONING.iter().chain(template).copied()
    }

    /// Times of service, for the figures and for what certificates are worth.
    fn serve(&mut self, to: Stage, at: DateTime<Utc>) {
        if self.stage.in_service() && to == Stage::Decommissioning {
            self.last_used.extend(self.media.iter().map(|medium| (medium.clone(), at)));
        }
        match to {
            Stage::Utilization if self.stage == Stage::Deployment => {
                (self.in_service, self.out_of_service) = (Some(at), None);
            }
            Stage::Decommissioning if self.out_of_service.is_none() => self.out_of_service = Some(at),
            _ => {}
        }
    }

    fn enter(&mut self, to: Stage) {
        match to {
            // A new service life begins: what was done for the last end says nothing of the next.
            Stage::Deployment => {
                self.checklist.clear();
                self.counted = None;
                self.custodian = None;
            }
            Stage::Decommissioning => {
                // Drives come and go in service without a word: it is counted as it leaves.
                self.counted = None;
                self.line = None;
                self.handed_over.clear();
                self.recovery = false;
            }
            _ => {}
        }
        self.enter_life(to);
        self.stage = to;
    }

    fn check_stage(&self, to: Stage, reason: Option<&str>) -> Result<(), Refusal> {
        self.stage.check_move(to)?;
        match to {
            Stage::Closed => Err(Refusal::rule(format!("{} is closed by evidence, not by a move", self.tag))
                .hint(format!("lastwrite asset blockers {} says what is missing", self.tag))),
            Stage::Utilization if self.stage == Stage::Deployment => {
                if !self.checklist.contains_key(&Item::Tagged) || self.custodian.is_none() {
                    return Err(Refusal::rule(format!("{} must be tagged and handed to somebody first", self.tag))
                        .hint(format!(
                            "lastwrite asset check {0} tagged; lastwrite asset assign {0} --to NAME",
                            self.tag
                        )));
                }
                Ok(())
            }
            Stage::Upgrade if reason.is_none() => {
                Err(Refusal::rule("a review whether to keep it needs its reason (--reason)"))
            }
            Stage::Utilization | Stage::Decommissioning if self.stage == Stage::Upgrade => self.check_review(to),
            Stage::Disposition => {
                if let Some(item) = self.open_items().first() {
                    return Err(Refusal::rule(format!("{}: checklist item open: {}", self.tag, item.name()))
                        .hint(format!("lastwrite asset check {} {}", self.tag, item.name())));
                }
                match self.licences.keys().next() {
                    Some(product) => Err(Refusal::rule(format!("{}: licence still assigned: {product}", self.tag))),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn check_item(&self, item: Item) -> Result<(), Refusal> {
        let stages: &[Stage] = match Item::DEPLOYMENT.contains(&item) {
            true => &[Stage::Deployment, Stage::Utilization, Stage::Upgrade],
            false => &[Stage::Decommissioning, Stage::Disposition],
        };
        match stages.contains(&self.stage) {
            true => Ok(()),
            false => Err(Refusal::rule(format!(
                "{} is in {}: {} belongs to another stage",
                self.tag,
                self.stage,
                item.name()
            ))),
        }
    }

    fn check_outcome(&self, outcome: LineOutcome, document: Option<&str>) -> Result<(), Refusal> {
        let Some(line) = self.line.as_ref().filter(|_| self.stage == Stage::Disposition) else {
            return Err(Refusal::rule(format!("{} is not in disposition with a route", self.tag)));
        };
        if line.route.outcome() != outcome {
            let fits = line.route.outcome().name();
            return Err(Refusal::rule(format!(
                "the route {} ends as {fits}, not as {}",
                line.route.name(),
                outcome.name()
            )));
        }
        match document {
            None if outcome != LineOutcome::Sold => {
                Err(Refusal::rule(format!("{} needs its final certificate (--certificate FILE)", outcome.name())))
            }
            _ => Ok(()),
        }
    }
}
