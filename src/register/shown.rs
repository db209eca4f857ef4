//! The rows by which events and states stand in the tables.

use super::error::RegisterError;
use super::event::{Event, Stored};
use super::state::{Placed, State};
use super::store::Value;

/// Columns of the table `asset`.
pub(super) const ASSET_COLUMNS: [&str; 32] = [
    "stream",
    "tag",
    "serial",
    "category",
    "manufacturer",
    "model",
    "class",
    "data_class",
    "stage",
    "condition",
    "location",
    "custodian",
    "origin",
    "warranty_until",
    "maintenance_due",
    "company",
    "purchase_day",
    "cost_minor",
    "currency",
    "warranty_months",
    "eol_day",
    "in_service",
    "out_of_service",
    "closed_at",
    "closed_day",
    "route",
    "outcome",
    "vendor",
    "lot",
    "grams",
    "serial_key",
    "mac",
];
/// Columns of the table `record`.
pub(super) const RECORD_COLUMNS: [&str; 6] = ["stream", "kind", "name", "status", "asset", "due"];
/// Columns of the table `medium`.
pub(super) const MEDIUM_COLUMNS: [&str; 8] = ["stream", "name", "serial", "wwn", "digest", "asset", "state", "class"];

/// The row of an asset or a medium.
pub(super) fn shown_row(stream: &str, state: &State) -> Option<Vec<Value>> {
    let text = |t: &str| Value::Text(Some(t.to_owned()));
    let some = |t: &Option<String>| Value::Text(t.clone());
    Some(match state {
        State::People(_) | State::Books(_) | State::Observation(_) | State::Finding(_) => return None,
        State::Asset(a) => [
            vec![
                text(stream),
                text(&a.tag),
                some(&a.details.serial),
                some(&a.details.category),
                some(&a.details.manufacturer),
                some(&a.details.model),
                text(a.class.name()),
                text(a.data_class.name()),
                text(a.stage.name()),
                text(a.condition.name()),
                some(&a.location),
                some(&a.custodian),
                text(a.life.origin().name()),
                Value::Text(a.warranty_until()),
                Value::Text(a.maintenance_due()),
            ],
            super::rows::figures(a),
        ]
        .concat(),
        State::Medium(m) => vec![
            text(stream),
            text(&m.identity.name()),
            some(&m.identity.serial.as_ref().map(|s| s.trim().to_ascii_lowercase())),
            some(&m.identity.wwn.as_ref().map(|s| s.trim().to_ascii_lowercase())),
            some(&m.identity.digest),
            some(&m.asset),
            text(m.state.name()),
            text(match m.class {
                crate::media::MediumClass::Physical => "physical",
                crate::media::MediumClass::Virtual => "virtual",
                crate::media::MediumClass::Image => "image",
            }),
        ],
        other => {
            let shown = other.shown()?;
            vec![
                text(stream),
                text(shown.kind),
                text(&shown.name),
                text(shown.status),
                some(&shown.asset),
                some(&shown.due),
            ]
        }
    })
}

/// The row of a state.
pub(super) fn state_row(stream: &str, placed: &Placed) -> Result<Vec<Value>, RegisterError> {
    let document = serde_json::to_string(&placed.state).map_err(|e| RegisterError::Event(e.to_string()))?;
    let text = |t: String| Value::Text(Some(t));
    let revision = i64::try_from(placed.revision).unwrap_or(i64::MAX);
    Ok(vec![text(stream.to_owned()), Value::Whole(revision), text(placed.head.clone()), text(document)])
}

/// The row of an event.
pub(super) fn event_row(stored: &Stored) -> Vec<Value> {
    let event: &Event = &stored.event;
    let text = |t: &str| Value::Text(Some(t.to_owned()));
    vec![
        text(&event.stream),
        Value::Whole(i64::try_from(event.revision.0).unwrap_or(i64::MAX)),
        text(&stored.hash),
        text(&crate::signed::format_time(event.at)),
        text(&event.actor),
        text(&stored.kind),
        text(&stored.jws),
    ]
}
