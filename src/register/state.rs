//! The state of a stream, and the rows it shows itself by.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::act::{Act, MediumIdentity};
use super::asset::Asset;
use super::error::Refusal;
use super::event::Event;
use super::medium::Medium;
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
    pub fn begin(stream: &str, act: &Act, actor: &str) -> Result<State, Refusal> {
        match stream.split_once('/').map_or(stream, |(kind, _)| kind) {
            REGISTER_STREAM => People::begin(act, actor).map(State::People),
            "asset" => Asset::begin(act).map(State::Asset),
            "medium" => Medium::begin(act).map(State::Medium),
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
        }
    }

    /// The state after a checked act.
    pub fn apply(&mut self, act: &Act, at: DateTime<Utc>) {
        match self {
            State::People(people) => people.apply(act),
            State::Asset(asset) => asset.apply(act, at),
            State::Medium(medium) => medium.apply(act, at),
        }
    }

    /// Takes in a stored event, as a rebuild and an audit do.
    pub fn replay(before: Option<State>, event: &Event) -> Result<State, Refusal> {
        match before {
            None => State::begin(&event.stream, &event.act, &event.actor),
            Some(mut state) => {
                state.check(&event.act)?;
                state.apply(&event.act, event.at);
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
    !matches!(
        act,
        Act::RegisterCreated { .. }
            | Act::PersonEnrolled { .. }
            | Act::PersonBarred { .. }
            | Act::RoleGranted { .. }
            | Act::RoleWithdrawn { .. }
            | Act::MediumAdded { .. }
            | Act::MediumMoved { .. }
            | Act::MediumStateSet { .. }
            | Act::MediumRetired { .. }
            | Act::EvidenceAccepted { .. }
            | Act::EvidenceRevoked { .. }
    )
}
