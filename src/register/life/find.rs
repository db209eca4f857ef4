//! Finding things that have a name of their own, and keeping files that belong to them.

use crate::register::act::Act;
use crate::register::error::{Refusal, RegisterError};
use crate::register::event::sha256;
use crate::register::state::{Placed, State};
use crate::register::store::Value;
use crate::register::work::Work;
use crate::register::{Register, life};
use crate::signed::format_time;

/// Kinds of streams that stand in the table `record`, with their names for people.
const KINDS: [(&str, &str); 6] = [
    ("model", "model"),
    ("vendor", "vendor"),
    ("request", "request"),
    ("work", "work order"),
    ("licence", "licence"),
    ("lot", "lot"),
];

/// What a state shows of itself in the table `record`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) kind: &'static str,
    /// As it is looked for: lower case.
    pub(crate) name: String,
    pub(crate) status: &'static str,
    pub(crate) asset: Option<String>,
    pub(crate) due: Option<String>,
}

impl State {
    /// Its row in the table `record`; `None` for what has a table of its own.
    pub(crate) fn shown(&self) -> Option<Shown> {
        let row = |kind, name: &str, status| Shown { kind, name: key(name), status, asset: None, due: None };
        Some(match self {
            State::People(_) | State::Asset(_) | State::Medium(_) => return None,
            State::Books(_) | State::Observation(_) | State::Finding(_) => return None,
            State::Model(m) => {
                let status = if m.facts.standard { "standard" } else { "other" };
                Shown { due: m.facts.end_of_support.clone(), ..row("model", &m.facts.name(), status) }
            }
            State::Vendor(v) => {
                let status = if v.barred.is_some() { "barred" } else { "active" };
                let due = v.certifications.iter().map(|c| c.until.clone()).max();
                Shown { due, ..row("vendor", &v.facts.name, status) }
            }
            State::Request(r) => row("request", &r.facts.number, r.state.name()),
            State::Work(w) => Shown {
                asset: Some(w.facts.asset.clone()),
                due: w.facts.due.map(format_time),
                ..row("work", &w.facts.number, w.status())
            },
            State::Licence(p) => {
                let status = if p.over() > 0 { "over" } else { "within" };
                Shown { due: p.facts.expires.clone(), ..row("licence", &p.facts.product, status) }
            }
            State::Lot(l) => Shown { due: l.pickup.clone(), ..row("lot", &l.facts.number, l.state.name()) },
        })
    }
}

impl Register {
    /// The thing of that kind (`model`, `vendor`, `request`, `work`, `licence`, `lot`) and name: its
    /// stream, its revision, its state.
    pub async fn record(&mut self, kind: &'static str, name: &str) -> Result<(String, u64, State), RegisterError> {
        let sql = "SELECT stream FROM record WHERE kind=$1 AND name=$2";
        let values = [Value::Text(Some(kind.to_owned())), Value::Text(Some(key(name)))];
        let found = self.store.texts(sql, &values, 1).await?.into_iter().flatten().flatten().next();
        let stream = found.ok_or_else(|| missing(kind, name))?;
        match self.store.state(&stream).await? {
            Some(placed) => Ok((stream, placed.revision, placed.state)),
            None => Err(missing(kind, name)),
        }
    }

    /// Everything of a kind in the order in which it was added, after the stream `after`; at most
    /// `limit`. With `status`, only what stands so.
    pub async fn records(
        &mut self,
        kind: &'static str,
        status: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<(String, State)>, RegisterError> {
        let sql =
            "SELECT stream FROM record WHERE kind=$1 AND (status=$2 OR $3=1) AND stream>$4 ORDER BY stream LIMIT $5";
        let text = |t: &str| Value::Text(Some(t.to_owned()));
        let values = [
            text(kind),
            text(status.unwrap_or_default()),
            Value::Whole(i64::from(status.is_none())),
            text(after),
            Value::Whole(i64::from(limit)),
        ];
        let mut found = Vec::new();
        for stream in self.store.texts(sql, &values, 1).await?.into_iter().flatten().flatten() {
            if let Some(Placed { state, .. }) = self.store.state(&stream).await? {
                found.push((stream, state));
            }
        }
        Ok(found)
    }
}

impl Work<'_> {
    /// The thing of that kind and name, also one that this work has made.
    pub(crate) async fn find_record(
        &mut self,
        kind: &'static str,
        name: &str,
    ) -> Result<Option<(String, State)>, RegisterError> {
        let name = key(name);
        let made = self.states.iter().find(|(_, p)| p.state.shown().is_some_and(|s| s.kind == kind && s.name == name));
        if let Some((stream, placed)) = made {
            return Ok(Some((stream.clone(), placed.state.clone())));
        }
        let sql = "SELECT stream FROM record WHERE kind=$1 AND name=$2";
        let values = [Value::Text(Some(kind.to_owned())), Value::Text(Some(name))];
        let found = self.store.texts(sql, &values, 1).await?.into_iter().flatten().flatten().next();
        let Some(stream) = found else { return Ok(None) };
        Ok(self.load(&stream).await?.map(|placed| (stream, placed.state.clone())))
    }

    /// As [`Work::find_record`]; that there is none is an error.
    pub(crate) async fn need_record(
        &mut self,
        kind: &'static str,
        name: &str,
    ) -> Result<(String, State), RegisterError> {
        self.find_record(kind, name).await?.ok_or_else(|| missing(kind, name))
    }

    /// A stream for a new thing, if its name is free.
    pub(crate) async fn new_record(&mut self, kind: &'static str, name: &str) -> Result<String, RegisterError> {
        match self.find_record(kind, name).await? {
            Some(_) => {
                Err(Refusal::rule(format!("{} {name:?} stands in the register already", for_people(kind))).into())
            }
            None => Ok(format!("{kind}/{}", uuid::Uuid::now_v7())),
        }
    }

    /// Keeps a file that belongs to an event; its SHA-256. What is kept already stays as it is.
    pub(crate) async fn attach(&mut self, kind: &str, bytes: &[u8]) -> Result<String, RegisterError> {
        let digest = sha256(bytes);
        let text = |t: &str| Value::Text(Some(t.to_owned()));
        let sql = "SELECT sha256 FROM document WHERE sha256=$1";
        if self.documents.contains_key(&digest) || !self.store.texts(sql, &[text(&digest)], 1).await?.is_empty() {
            return Ok(digest);
        }
        let none = || Value::Text(None);
        // Any file can be a receipt, so it is kept as text that every database can hold.
        let encoded = crate::signed::encode_base64url(bytes);
        let received = text(&format_time(self.now));
        let (kind, verdict, bytes) = (text(kind), text("attached"), text(&encoded));
        let row = vec![text(&digest), none(), kind, verdict, none(), none(), received, bytes, none()];
        self.documents.insert(digest.clone(), row);
        Ok(digest)
    }
}

/// Refuses acts that only make sense together with their counterpart in another stream.
pub(crate) fn check_alone(act: &Act) -> Result<(), Refusal> {
    let by = match act {
        Act::StageMoved { .. } => "Work::move_stage",
        Act::MediumInstalled { .. } | Act::MediumRemoved { .. } | Act::MediumMoved { .. } => {
            "Work::install, Work::move_medium or Work::remove"
        }
        Act::HandedOver { .. } => "Work::hand_over",
        Act::RequestLinked { .. } | Act::RequestReceived { .. } => "Work::add_requested",
        Act::WorkBegun { .. }
        | Act::WorkSettled { .. }
        | Act::WorkOpened(_)
        | Act::WorkDone(_)
        | Act::WorkCancelled { .. } => "the work order",
        Act::LicenceAssigned { .. }
        | Act::LicenceReleased { .. }
        | Act::SeatTaken { .. }
        | Act::SeatReleased { .. } => "the licence",
        Act::ReplacementReady { .. } => "Work::replaced",
        Act::LotOpened(_)
        | Act::LotLineAdded(_)
        | Act::LotLineRemoved { .. }
        | Act::LotDispatched(_)
        | Act::LotDocumented { .. }
        | Act::LotClosed => "the lot",
        _ => return Ok(()),
    };
    Err(Refusal::rule(format!("it happens together with other changes, through {by}")))
}

fn key(name: &str) -> String {
    name.trim().to_lowercase()
}

fn for_people(kind: &str) -> &'static str {
    KINDS.iter().find(|(k, _)| *k == kind).map_or("record", |(_, name)| name)
}

fn missing(kind: &str, name: &str) -> RegisterError {
    RegisterError::NotFound { what: life::find::for_people(kind), name: name.to_owned() }
}
