//! Rebuilding the tables from the events, and proving the events.

use serde::Serialize;

use super::act::Act;
use super::close::{Closer, PlacedMedium, judge};
use super::error::RegisterError;
use super::event::{Event, sha256, signed_by};
use super::judgement::Arrived;
use super::people::{People, REGISTER_STREAM};
use super::shown::{ASSET_COLUMNS, MEDIUM_COLUMNS, RECORD_COLUMNS, shown_row};
use super::state::{Placed, State};
use super::store::{Store, Value};
use super::trust::Trusts;
use super::{Asset, Register, finish};
use crate::signed::TrustStore;

/// Events read at a time.
const PAGE: i64 = 1000;

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Events that were checked.
    pub events: u64,
    /// Streams they belong to.
    pub streams: u64,
    /// Assets closed on evidence.
    pub closed: u64,
    /// Of these, closed on documents whose signers were not checked: no trust is fixed, and none was given.
    pub unchecked: u64,
    /// What is wrong; empty: nothing.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable word.
    pub code: &'static str,
    /// Stream and revision, or table.
    pub place: String,
    /// What was found.
    pub detail: String,
}

impl Register {
    /// Makes the tables anew from the events. Returns the number of events.
    pub async fn rebuild(&mut self) -> Result<u64, RegisterError> {
        self.store.fill(true).await;
        self.store.begin().await?;
        let result = rebuild(&mut self.store).await;
        let result = finish(&mut self.store, result).await;
        self.store.fill(false).await;
        result
    }

    /// Checks every event's signature, chain, rights and rules, every closure's evidence, and that
    /// the tables are what the events make of them. Documents are verified again by the trust that the register
    /// had when they came in, and by `trust`.
    pub async fn audit(&mut self, trust: Option<&TrustStore>) -> Result<AuditReport, RegisterError> {
        let (mut people, mut report) =
            (Vec::new(), AuditReport { events: 0, streams: 0, closed: 0, unchecked: 0, findings: Vec::new() });
        let mut walk = Walk::new();
        while let Some(row) = walk.next(&mut self.store, Some(REGISTER_STREAM)).await? {
            learn_people(&row, &mut people, &mut report);
        }
        let trusts = Trusts::of(&people).unwrap_or_else(|refused| {
            report.add("trust", REGISTER_STREAM.to_owned(), refused.to_string());
            Trusts::default()
        });
        let mut walk = Walk::new();
        let mut current: Option<(String, Placed)> = None;
        let mut finished: Vec<(String, Placed)> = Vec::new();
        let mut counts = super::rows::Counts::default();
        while let Some(row) = walk.next(&mut self.store, None).await? {
            let before = current.take_if(|(stream, _)| *stream == row.0);
            finished.extend(current.take());
            let before = before.map(|(_, placed)| placed);
            current = judge_event(self, &row, before, &people, &mut report, ((&trusts, trust), &mut counts))
                .await?
                .map(|p| (row.0.clone(), p));
            if finished.len() >= 256 {
                compare(&mut self.store, &std::mem::take(&mut finished), &mut report).await?;
            }
        }
        finished.extend(current);
        compare(&mut self.store, &finished, &mut report).await?;
        counts.compare(&mut self.store, &mut report).await?;
        for (table, sql) in [
            ("state", "SELECT stream FROM state WHERE stream NOT IN (SELECT stream FROM event)"),
            ("asset", "SELECT stream FROM asset WHERE stream NOT IN (SELECT stream FROM event)"),
            ("medium", "SELECT stream FROM medium WHERE stream NOT IN (SELECT stream FROM event)"),
            ("record", "SELECT stream FROM record WHERE stream NOT IN (SELECT stream FROM event)"),
            ("finding", "SELECT stream FROM finding WHERE stream NOT IN (SELECT stream FROM event)"),
        ] {
            for stream in self.store.texts(sql, &[], 1).await?.into_iter().flatten().flatten() {
                report.add("no_events", format!("{table} {stream}"), "a row without any event".to_owned());
            }
        }
        Ok(report)
    }
}

impl AuditReport {
    pub(super) fn add(&mut self, code: &'static str, place: String, detail: String) {
        self.findings.push(Finding { code, place, detail });
    }
}

type EventRow = (String, u64, String, String);

/// All events in the order of stream and revision, page by page.
struct Walk {
    page: std::vec::IntoIter<EventRow>,
    last: (String, u64),
}

impl Walk {
    fn new() -> Walk {
        Walk { page: Vec::new().into_iter(), last: (String::new(), 0) }
    }

    async fn next(&mut self, store: &mut Store, only: Option<&str>) -> Result<Option<EventRow>, RegisterError> {
        if let (Some(only), true) = (only, self.last.0.is_empty()) {
            self.last = (only.to_owned(), 0);
        }
        if self.page.len() == 0 {
            self.page = store.events_after(&self.last.0, self.last.1, PAGE).await?.into_iter();
        }
        let Some(row) = self.page.next() else { return Ok(None) };
        if only.is_some_and(|only| only != row.0) {
            return Ok(None);
        }
        self.last = (row.0.clone(), row.1);
        Ok(Some(row))
    }
}

async fn rebuild(store: &mut Store) -> Result<u64, RegisterError> {
    for sql in ["DELETE FROM state", "DELETE FROM asset", "DELETE FROM medium", "DELETE FROM record"] {
        store.execute(sql, &[], "emptying the tables").await?;
    }
    super::rows::empty(store).await?;
    store.mark_tables().await?;
    super::waiting::learn_abouts(store).await?;
    let mut rows: Vec<Event> = Vec::new();
    let (mut walk, mut count) = (Walk::new(), 0);
    let mut done: Vec<(String, Placed)> = Vec::new();
    let mut current: Option<(String, Placed)> = None;
    while let Some((stream, revision, hash, jws)) = walk.next(store, None).await? {
        let damaged = |why: String| RegisterError::Damaged { place: format!("{stream} revision {revision}"), why };
        let (_, event) = Event::read(&jws).map_err(damaged)?;
        let before = current.take_if(|(of, _)| *of == stream);
        done.extend(current.take());
        let state = State::replay(before.map(|(_, p)| p.state), &event).map_err(|e| damaged(e.to_string()))?;
        current = Some((stream, Placed { state, revision, head: hash }));
        count += 1;
        rows.push(event);
        if rows.len() >= 256 {
            super::rows::store(store, std::mem::take(&mut rows).iter()).await?;
        }
        if done.len() >= 256 {
            store.project(&done.iter().map(|(s, p)| (s, p)).collect::<Vec<_>>()).await?;
            done.clear();
        }
    }
    super::rows::store(store, rows.iter()).await?;
    done.extend(current);
    store.project(&done.iter().map(|(s, p)| (s, p)).collect::<Vec<_>>()).await?;
    Ok(count)
}

/// The events of the register itself, from which everybody's rights at every revision follow.
fn learn_people(row: &EventRow, people: &mut Vec<People>, report: &mut AuditReport) {
    let Ok((_, event)) = Event::read(&row.3) else { return }; // reported with all others
    match State::replay(people.last().cloned().map(State::People), &event) {
        Ok(State::People(next)) => people.push(next),
        _ => report.add(
            "rule",
            format!("{} revision {}", row.0, row.1),
            "the register's own events do not fit".to_owned(),
        ),
    }
}

async fn judge_event(
    register: &mut Register,
    row: &EventRow,
    before: Option<Placed>,
    people: &[People],
    report: &mut AuditReport,
    (believed, counts): ((&Trusts, Option<&TrustStore>), &mut super::rows::Counts),
) -> Result<Option<Placed>, RegisterError> {
    let (stream, revision, hash, jws) = row;
    let place = || format!("{stream} revision {revision}");
    report.events += 1;
    report.streams += u64::from(before.is_none());
    if sha256(jws.as_bytes()) != *hash {
        report.add("hash", place(), "the stored hash is not that of the event".to_owned());
    }
    let (document, event) = match Event::read(jws) {
        Ok(read) => read,
        Err(why) => {
            report.add("unreadable", place(), why);
            return Ok(before);
        }
    };
    counts.take(&event);
    let (expected, previous) = before.as_ref().map_or((1, None), |p| (p.revision + 1, Some(p.head.clone())));
    if event.stream != *stream || event.revision.0 != *revision || *revision != expected || event.previous != previous {
        report.add(
            "chain",
            place(),
            format!("revision {expected} after {} belongs here", previous.as_deref().unwrap_or("nothing")),
        );
    }
    if event.register != register.id {
        report.add("register", place(), format!("it belongs to register {}", event.register));
    }
    check_actor(&document, &event, people, before.as_ref(), &place(), report);
    if let (Act::AssetClosed { .. }, Some(Placed { state: State::Asset(asset), .. })) = (&event.act, &before) {
        report.closed += 1;
        let on_documents = matches!(&event.act, Act::AssetClosed { media, .. } if !media.is_empty());
        report.unchecked += u64::from(on_documents && !believed.0.any() && believed.1.is_none());
        check_closure(register, asset, &event, people, &place(), report).await?;
    }
    if let Act::ReplacementReady { replacement, revision, .. } = &event.act {
        check_replacement(register, replacement, revision.0, &place(), report).await?;
    }
    let said = match &event.act {
        Act::EvidenceAccepted { evidence } => Some((&evidence.document, Arrived::Evidence(evidence.clone()))),
        Act::EvidenceJudged { judgement } => Some((&judgement.document, Arrived::Judgement(judgement.clone()))),
        _ => None,
    };
    if let Some((id, said)) = said {
        let sql = "SELECT sha256, bytes, name FROM document WHERE id=$1 AND verdict='accepted'";
        let rows = register.store.texts(sql, &[Value::Text(Some(id.clone()))], 3).await?;
        let by = believed.0.at(event.under.0);
        check_document(&rows, (id, &said), by, believed.1, &place(), report);
    }
    match State::replay(before.map(|p| p.state), &event) {
        Ok(state) => Ok(Some(Placed { state, revision: *revision, head: hash.clone() })),
        Err(refused) => {
            report.add("rule", place(), refused.to_string());
            Ok(None)
        }
    }
}

fn check_actor(
    document: &crate::signed::Jws,
    event: &Event,
    people: &[People],
    before: Option<&Placed>,
    place: &str,
    report: &mut AuditReport,
) {
    // `under` 0 is the very first event, which enrols its own key.
    let under = usize::try_from(event.under.0).unwrap_or(usize::MAX).max(1);
    let Some(judged) = under.checked_sub(1).and_then(|i| people.get(i)) else {
        report.add("under", place.to_owned(), format!("the register never had revision {}", event.under));
        return;
    };
    let Some(person) = judged.persons.get(&event.actor) else {
        report.add("actor", place.to_owned(), format!("nobody with key {} was enrolled", event.actor));
        return;
    };
    if !signed_by(document, event, &person.x) {
        report.add("signature", place.to_owned(), format!("it was not signed by {}", person.name));
    }
    let mut places: Vec<Option<&str>> = match before.map(|p| &p.state) {
        Some(State::Asset(asset)) => vec![asset.location.as_deref()],
        Some(State::Request(request)) => vec![request.facts.location.as_deref()],
        Some(State::Lot(lot)) => vec![lot.facts.location.as_deref()],
        Some(State::Finding(finding)) => vec![finding.place.as_deref()],
        _ if matches!(event.stream.as_str(), REGISTER_STREAM | super::BOOKS_STREAM) => vec![None],
        _ => Vec::new(),
    };
    match &event.act {
        Act::AssetAdded { location, .. } | Act::Assigned { location, .. } => places.push(location.as_deref()),
        Act::RequestOpened(facts) => places.push(facts.location.as_deref()),
        Act::LotOpened(facts) => places.push(facts.location.as_deref()),
        Act::Sighted(sightings) => places.push(sightings.place.as_deref()),
        Act::FindingOpened(finding) => places.push(finding.place.as_deref()),
        _ => {}
    }
    if event.under.0 == 0 {
        let first = event.stream == REGISTER_STREAM && event.revision.0 == 1;
        if !first {
            report.add("rights", place.to_owned(), "it was judged by no roles at all".to_owned());
        }
        return;
    }
    // A medium's place is its asset's at that time, which its own stream does not tell: then the
    // right must be held somewhere.
    let permitted = match places.is_empty() {
        true => judged.permit_somewhere(&event.actor, &event.act),
        false => judged.permit(&event.actor, &event.act, &places).map(|_| ()),
    };
    let permitted = permitted
        .and_then(|()| judged.allow(&event.actor, &event.act, before.map(|p| &p.state), event.at))
        .and_then(|()| judged.believes(&event.act, event.trust.as_deref()));
    if let Err(refused) = permitted {
        report.add("rights", place.to_owned(), refused.to_string());
    }
}

async fn check_closure(
    register: &mut Register,
    asset: &Asset,
    event: &Event,
    people: &[People],
    place: &str,
    report: &mut AuditReport,
) -> Result<(), RegisterError> {
    let Act::AssetClosed { media, minimum } = &event.act else { return Ok(()) };
    let mut placed = Vec::new();
    for stream in &asset.media {
        // As it stood when it was judged; an absent one is not named in the event.
        let named = media.iter().find(|on| on.medium == *stream).map(|on| on.revision.0);
        let mut state = None;
        for past in register.history(stream).await? {
            if named.is_some_and(|n| past.revision.0 > n) || (named.is_none() && past.at > event.at) {
                break;
            }
            state = State::replay(state, &past).ok();
        }
        if let Some(State::Medium(medium)) = state {
            placed.push(PlacedMedium { stream: stream.clone(), revision: named.unwrap_or(0), medium });
        }
    }
    let under = usize::try_from(event.under.0).unwrap_or(0);
    let people = under.checked_sub(1).and_then(|i| people.get(i));
    let name = people.and_then(|p| p.persons.get(&event.actor));
    let rules = people.map(|p| p.rules_at(super::Stage::Disposition, event.at)).unwrap_or_default();
    let closer = Closer { kid: &event.actor, name: name.map_or("", |p| p.name.as_str()) };
    match judge(asset, &placed, closer, &rules) {
        Ok((found, on)) if found.is_told_as(minimum) && on == *media => {}
        Ok(_) => report.add("closure", place.to_owned(), "it was closed on other evidence than it says".to_owned()),
        Err(blockers) => {
            report.add("closure", place.to_owned(), format!("it should not have been closed: {}", blockers.join("; ")))
        }
    }
    Ok(())
}

/// Whether the replacement was in use when it was looked at.
async fn check_replacement(
    register: &mut Register,
    replacement: &str,
    revision: u64,
    place: &str,
    report: &mut AuditReport,
) -> Result<(), RegisterError> {
    let past = register.history(replacement).await?;
    let state = past.iter().filter(|e| e.revision.0 <= revision).try_fold(None, |s, e| State::replay(s, e).map(Some));
    match state {
        Ok(Some(State::Asset(asset))) if asset.stage == super::Stage::Utilization => {}
        _ => {
            report.add("replacement", place.to_owned(), format!("{replacement} was not in use at revision {revision}"))
        }
    }
    Ok(())
}

fn check_document<'a>(
    rows: &[Vec<Option<String>>],
    (id, said): (&str, &Arrived),
    by: impl Iterator<Item = &'a TrustStore>,
    given: Option<&TrustStore>,
    place: &str,
    report: &mut AuditReport,
) {
    let Some([Some(digest), Some(bytes), name]) = rows.first().map(Vec::as_slice) else {
        report.add("document_missing", place.to_owned(), format!("document {id} is not stored"));
        return;
    };
    if sha256(bytes.as_bytes()) != *digest {
        report.add("document_changed", place.to_owned(), format!("document {id} was changed"));
        return;
    }
    let wrong = |trust: &TrustStore| match super::examine_any(bytes.as_bytes(), name.as_deref(), trust) {
        Ok(found) if found.agrees_with(said) => None,
        Ok(_) => Some(("document_differs", format!("document {id} says something else"))),
        Err(refused) => Some(("document_refused", format!("document {id}: {refused}"))),
    };
    // One that believes it is enough where several could have been asked.
    let by_register = by.map(wrong).reduce(|first, next| first.and_then(|first| next.map(|_| first))).flatten();
    if let Some((code, detail)) = by_register.or_else(|| given.and_then(wrong)) {
        report.add(code, place.to_owned(), detail);
    }
}

/// Whether the tables show what the events come to.
async fn compare(
    store: &mut Store,
    streams: &[(String, Placed)],
    report: &mut AuditReport,
) -> Result<(), RegisterError> {
    for (stream, placed) in streams {
        if store.state(stream).await?.as_ref() != Some(placed) {
            report.add(
                "state",
                stream.clone(),
                "the stored state is not what the events make it; register rebuild mends it".to_owned(),
            );
        }
        let (sql, columns) = match &placed.state {
            State::People(_) | State::Books(_) | State::Observation(_) => continue,
            State::Finding(_) => (
                "SELECT stream, name, open_name, kind, asset, tag, place, detail, opened_day, resolution FROM finding WHERE stream=$1",
                super::rows::FINDING_COLUMNS.len(),
            ),
            State::Asset(_) => (
                "SELECT stream, tag, serial, category, manufacturer, model, class, data_class, stage, condition, location, custodian, \
                 origin, warranty_until, maintenance_due, \
                 company, purchase_day, CAST(cost_minor AS TEXT), currency, CAST(warranty_months AS TEXT), eol_day, \
                 CAST(in_service AS TEXT), CAST(out_of_service AS TEXT), CAST(closed_at AS TEXT), closed_day, route, outcome, \
                 vendor, lot, CAST(grams AS TEXT), serial_key, mac FROM asset WHERE stream=$1",
                ASSET_COLUMNS.len(),
            ),
            State::Medium(_) => (
                "SELECT stream, name, serial, wwn, digest, asset, state, class FROM medium WHERE stream=$1",
                MEDIUM_COLUMNS.len(),
            ),
            _ => ("SELECT stream, kind, name, status, asset, due FROM record WHERE stream=$1", RECORD_COLUMNS.len()),
        };
        let rows = store.texts(sql, &[Value::Text(Some(stream.clone()))], columns).await?;
        let wanted = match &placed.state {
            State::Finding(finding) => Some(super::rows::finding(stream, finding)),
            state => shown_row(stream, state),
        };
        let wanted = wanted.map(super::rows::shown);
        if rows.first() != wanted.as_ref() {
            report.add("table", stream.clone(), "its row in the tables is not what the events make it".to_owned());
        }
    }
    Ok(())
}
