//! The state of a stream, and the rows it shows itself by.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::act::{Act, MediumIdentity};
use super::asset::Asset;
use super::books::{BOOKS_STREAM, Books};
use super::error::Refusal;
use super::event::Event;
use super::life::{Lot, Model, Pool, Request, Vendor, WorkOrder};
use super::medium::Medium;
use super::observe::{Finding, Run};
use super::people::{People, REGISTER_STREAM};

/// What a stream's events come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)] // held one by one
pub enum State {
    /// The stream `register`.
    People(People),
    /// `asset/ID`.
    Asset(Asset),
    /// `medium/ID`.
    Medium(Medium),
    /// `model/ID`.
    Model(Model),
    /// `vendor/ID`.
    Vendor(Vendor),
    /// `request/ID`.
    Request(Request),
    /// `work/ID`.
    Work(WorkOrder),
    /// `licence/ID`.
    Licence(Pool),
    /// `lot/ID`.
    Lot(Lot),
    /// The stream `books`.
    Books(Books),
    /// `observation/ID`.
    Observation(Run),
    /// `finding/ID`.
    Finding(Finding),
}

/// A state and how far it has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The state.
    pub state: State,
    /// Revision of its last event.
    pub revision: u64,
    /// Hash of its last event.
    pub head: String,
}

impl State {
    /// The state after the first event of a stream.
    pub fn begin(stream: &str, act: &Act, actor: &str, at: DateTime<Utc>) -> Result<State, Refusal> {
        match stream.split_once('/').map_or(stream, |(kind, _)| kind) {
            REGISTER_STREAM => People::begin(act, actor).map(State::People),
            "asset" => Asset::begin(act).map(State::Asset),
            "medium" => Medium::begin(act).map(State::Medium),
            "model" => Model::begin(act).map(State::Model),
            "vendor" => Vendor::begin(act).map(State::Vendor),
            "request" => Request::begin(act, actor).map(State::Request),
            "work" => WorkOrder::begin(act, at).map(State::Work),
            "licence" => Pool::begin(act).map(State::Licence),
            "lot" => Lot::begin(act).map(State::Lot),
            BOOKS_STREAM => Books::begin(act).map(State::Books),
            "observation" => Run::begin(act).map(State::Observation),
            "finding" => Finding::begin(act).map(State::Finding),
            other => Err(Refusal::rule(format!("there are no streams of the kind {other:?}"))),
        }
    }

    /// Whether the act may happen to it now.
    pub fn check(&self, act: &Act) -> Result<(), Refusal> {
        match self {
            State::People(people) => people.check(act),
            State::Asset(asset) if belongs_to_asset(act) => asset.check(act),
            State::Asset(_) => Err(Refusal::rule("that is no change of an asset")),
            State::Medium(medium) => medium.check(act),
            State::Model(model) => model.check(act),
            State::Vendor(vendor) => vendor.check(act),
            State::Request(request) => request.check(act),
            State::Work(work) => work.check(act),
            State::Licence(pool) => pool.check(act),
            State::Lot(lot) => lot.check(act),
            State::Books(books) => books.check(act),
            State::Observation(run) => run.check(act),
            State::Finding(finding) => finding.check(act),
        }
    }

    /// The state after a checked act.
    pub fn apply(&mut self, act: &Act, actor: &str, at: DateTime<Utc>) {
        match self {
            State::People(people) => people.apply(act, actor, at),
            State::Asset(asset) => asset.apply(act, actor, at),
            State::Medium(medium) => medium.apply(act, at),
            State::Model(model) => model.apply(act),
            State::Vendor(vendor) => vendor.apply(act),
            State::Request(request) => request.apply(act, actor, at),
            State::Work(work) => work.apply(act, at),
            State::Licence(pool) => pool.apply(act, at),
            State::Lot(lot) => lot.apply(act, at),
            State::Books(books) => books.apply(act),
            State::Observation(run) => run.apply(act),
            State::Finding(finding) => finding.apply(act),
        }
    }

    /// Takes in a stored event, as a rebuild and an audit do.
    pub fn replay(before: Option<State>, event: &Event) -> Result<State, Refusal> {
        match before {
            None => State::begin(&event.stream, &event.act, &event.actor, event.at),
            Some(mut state) => {
                state.check(&event.act)?;
                state.apply(&event.act, &event.actor, event.at);
                Ok(state)
            }
        }
    }
}

impl MediumIdentity {
    /// The one name under which no two media may stand.
    pub(super) fn name(&self) -> String {
        let part =
            |text: &Option<String>| text.as_deref().map(|t| t.trim().to_ascii_lowercase()).filter(|t| !t.is_empty());
        match (part(&self.wwn), part(&self.serial), &self.digest) {
            (Some(wwn), ..) => format!("wwn {wwn}"),
            (None, Some(serial), _) => format!("serial {serial} {}", part(&self.model).unwrap_or_default()),
            (None, None, digest) => format!("digest {}", digest.as_deref().unwrap_or_default()),
        }
    }
}

fn belongs_to_asset(act: &Act) -> bool {
    matches!(
        act,
        Act::AssetAdded { .. }
            | Act::AssetChanged { .. }
            | Act::Classified { .. }
            | Act::StageMoved { .. }
            | Act::OrderCancelled { .. }
            | Act::Assigned { .. }
            | Act::ConditionSet { .. }
            | Act::ChecklistDone { .. }
            | Act::ChecklistWaived { .. }
            | Act::MediaCounted { .. }
            | Act::MediumInstalled { .. }
            | Act::MediumRemoved { .. }
            | Act::LicenceAssigned { .. }
            | Act::LicenceReleased { .. }
            | Act::RouteChosen { .. }
            | Act::HandedOver { .. }
            | Act::OutcomeSet { .. }
            | Act::AssetClosed { .. }
            | Act::CostBooked { .. }
            | Act::Noted { .. }
            | Act::RequestLinked { .. }
            | Act::OriginAccepted { .. }
            | Act::Configured(_)
            | Act::Acknowledged(_)
            | Act::ScheduleSet(_)
            | Act::ScheduleDropped { .. }
            | Act::WorkBegun { .. }
            | Act::WorkSettled { .. }
            | Act::DecisionProposed(_)
            | Act::DecisionApproved { .. }
            | Act::DecisionRefused { .. }
            | Act::ReplacementReady { .. }
            | Act::DisruptionWaived { .. }
            | Act::Valued(_)
            | Act::Measured(_)
    )
}
