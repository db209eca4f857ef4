//! The calendar of what is due (RFC 5545): work orders, maintenance that comes back, and what runs
//! out: warranties, support, certifications, licences, collections.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use icalendar::{Alarm, Calendar, Component as _, Event, EventLike as _, Property, Todo};

use crate::register::Register;
use crate::register::asset::Asset;
use crate::register::error::RegisterError;
use crate::register::state::{Placed, State};
use crate::register::store::Value;

/// Assets read at a time.
const PAGE: i64 = 500;

impl Register {
    /// Everything that is due from `today` on, and what is overdue, as an iCalendar text. Every entry
    /// keeps its UID, so that a reader updates it instead of adding it again.
    pub async fn calendar(&mut self, today: NaiveDate) -> Result<String, RegisterError> {
        let mut calendar = Calendar::new();
        calendar.name("lastwrite register");
        for (stream, state) in self.every_record("work", Some("open")).await? {
            let State::Work(work) = state else { continue };
            let (Some(due), f) = (work.facts.due, &work.facts) else { continue };
            let summary = format!("{} {}: {}", f.tag, f.kind.name(), f.title);
            let words = [Some(format!("work order {}", f.number)), f.assignee.as_ref().map(|a| format!("for {a}"))];
            let words = words.into_iter().flatten().collect::<Vec<_>>().join(", ");
            calendar.push(todo(&stream, due, &summary, &words));
        }
        for kind in ["vendor", "licence", "model", "lot"] {
            for (stream, state) in self.every_record(kind, None).await? {
                calendar.extend(runs_out(&stream, &state, today));
            }
        }
        let mut after = String::new();
        loop {
            let sql = "SELECT stream FROM asset WHERE stream>$1 AND (maintenance_due IS NOT NULL OR warranty_until>=$2) \
                       ORDER BY stream LIMIT $3";
            let text = |t: String| Value::Text(Some(t));
            let values = [text(after.clone()), text(today.to_string()), Value::Whole(PAGE)];
            let streams: Vec<String> =
                self.store.texts(sql, &values, 1).await?.into_iter().flatten().flatten().collect();
            let Some(last) = streams.last() else { break };
            after.clone_from(last);
            for stream in streams {
                if let Some(Placed { state: State::Asset(asset), .. }) = self.store.state(&stream).await?
                    && self.sees(asset.location.as_deref())
                {
                    calendar.extend(of_asset(&stream, &asset, today));
                }
            }
        }
        Ok(calendar.to_string())
    }

    pub(crate) async fn every_record(
        &mut self,
        kind: &'static str,
        status: Option<&str>,
    ) -> Result<Vec<(String, State)>, RegisterError> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.records(kind, status, &after, 500).await?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after.clone_from(last);
            all.extend(page);
        }
    }
}

fn of_asset(stream: &str, asset: &Asset, today: NaiveDate) -> Vec<Event> {
    let mut events = Vec::new();
    for schedule in asset.life.schedules.values().filter(|_| asset.maintenance_due().is_some()) {
        let Ok(day) = schedule.next.parse::<NaiveDate>() else { continue };
        let summary = format!("{} {}: {}", asset.tag, schedule.kind.name(), schedule.name);
        let mut event = all_day(&format!("{stream}/{}", schedule.name), day, &summary);
        event.append_property(Property::new("RRULE", format!("FREQ=DAILY;INTERVAL={}", schedule.every_days)).done());
        events.push(event);
    }
    if asset.stage != crate::register::Stage::Closed {
        events.extend(until(stream, asset.warranty_until(), today, &format!("{}: warranty ends", asset.tag)));
    }
    events
}

fn runs_out(stream: &str, state: &State, today: NaiveDate) -> Vec<Event> {
    match state {
        State::Vendor(vendor) if vendor.barred.is_none() => {
            let one = |c: &super::Certification| {
                let summary = format!("{}: certification {} {} ends", vendor.facts.name, c.scheme, c.number);
                until(&format!("{stream}/{}/{}", c.scheme, c.number), Some(c.until.clone()), today, &summary)
            };
            vendor.certifications.iter().filter_map(one).collect()
        }
        State::Licence(pool) => {
            let summary = format!("licence {} ends", pool.facts.product);
            until(stream, pool.facts.expires.clone(), today, &summary).into_iter().collect()
        }
        State::Model(model) => {
            let summary = format!("{}: the maker's support ends", model.facts.name());
            until(stream, model.facts.end_of_support.clone(), today, &summary).into_iter().collect()
        }
        State::Lot(lot) if lot.dispatched.is_none() && lot.cancelled.is_none() => {
            let summary = format!("lot {} is fetched", lot.facts.number);
            until(stream, lot.pickup.clone(), today, &summary).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn until(uid: &str, day: Option<String>, today: NaiveDate, summary: &str) -> Option<Event> {
    let day: NaiveDate = day?.parse().ok()?;
    (day >= today).then(|| {
        let mut event = all_day(uid, day, summary);
        event.alarm(Alarm::display(summary, -Duration::days(30)).uid(&format!("{uid}/reminder@lastwrite")).done());
        event
    })
}

fn all_day(uid: &str, day: NaiveDate, summary: &str) -> Event {
    Event::with_uid(&format!("{uid}@lastwrite")).summary(summary).all_day(day).done()
}

fn todo(stream: &str, due: DateTime<Utc>, summary: &str, words: &str) -> Todo {
    Todo::with_uid(&format!("{stream}@lastwrite")).summary(summary).description(words).due(due).done()
}
