//! What is due by a day, and the work orders that maintenance by plan asks for.

use std::collections::BTreeSet;

use chrono::NaiveTime;
use serde::Serialize;

use super::do_work::Opening;
use super::job::WorkKind;
use super::{check_day, day_of};
use crate::register::Register;
use crate::register::error::RegisterError;
use crate::register::state::{Placed, State};
use crate::register::store::Value;
use crate::register::work::Work;

/// Something that is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Due {
    /// By which day.
    pub day: String,
    /// Tag of the asset.
    pub tag: String,
    /// Kind of work.
    pub kind: WorkKind,
    /// Title of the work order, or name of the schedule.
    pub what: String,
    /// Number of the work order; `None`: the plan asks for it and none is open.
    pub number: Option<String>,
}

impl Register {
    /// Open work orders and maintenance by plan that are due by that day, the most urgent first.
    pub async fn due_by(&mut self, day: &str) -> Result<Vec<Due>, RegisterError> {
        check_day("day", day)?;
        let (mut due, mut ordered) = (Vec::new(), BTreeSet::new());
        for (_, state) in self.every_record("work", Some("open")).await? {
            let State::Work(work) = state else { continue };
            let f = work.facts;
            if let Some(schedule) = f.schedule {
                ordered.insert((f.asset.clone(), schedule));
            }
            let place = self.asset_at(&f.asset).await?.and_then(|a| a.location);
            if let Some(day) = f.due.map(day_of).filter(|d| d.as_str() <= day && self.sees(place.as_deref())) {
                due.push(Due { day, tag: f.tag, kind: f.kind, what: f.title, number: Some(f.number) });
            }
        }
        let sql = "SELECT stream FROM asset WHERE maintenance_due<=$1 ORDER BY stream";
        for stream in
            self.store.texts(sql, &[Value::Text(Some(day.to_owned()))], 1).await?.into_iter().flatten().flatten()
        {
            let Some(Placed { state: State::Asset(asset), .. }) = self.store.state(&stream).await? else { continue };
            if !self.sees(asset.location.as_deref()) {
                continue;
            }
            for schedule in asset.life.schedules.into_values().filter(|s| s.next.as_str() <= day) {
                if !ordered.contains(&(stream.clone(), schedule.name.clone())) {
                    let (tag, kind) = (asset.tag.clone(), schedule.kind);
                    due.push(Due { day: schedule.next, tag, kind, what: schedule.name, number: None });
                }
            }
        }
        due.sort_by(|a, b| (&a.day, &a.tag, &a.what).cmp(&(&b.day, &b.tag, &b.what)));
        Ok(due)
    }
}

impl Work<'_> {
    /// Opens the work orders that the plan asks for. What has a number is open already. Returns the
    /// numbers.
    pub async fn open_planned(&mut self, due: &[Due]) -> Result<Vec<String>, RegisterError> {
        let mut numbers = Vec::new();
        for one in due.iter().filter(|due| due.number.is_none()) {
            let last = NaiveTime::from_hms_opt(23, 59, 59).unwrap_or_default();
            let opening = Opening {
                tag: one.tag.clone(),
                kind: one.kind,
                title: one.what.clone(),
                number: None,
                due: Some(check_day("day", &one.day)?.and_time(last).and_utc()),
                schedule: Some(one.what.clone()),
                reporter: None,
                assignee: None,
            };
            numbers.push(self.open_work(opening).await?);
        }
        Ok(numbers)
    }
}
