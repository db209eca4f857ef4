//! Maintenance compliance: what was due, and what of it was done on time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::cell::{Cell, Chart, Tail, columns};
use super::group::named;
use super::{Ask, Sink};
use crate::register::Register;
use crate::register::error::RegisterError;
use crate::register::metrics::maintenance_compliance;
use crate::register::state::State;
use crate::register::store::Value;

#[derive(Default)]
struct Sums {
    scheduled: u64,
    on_time: u64,
    late: u64,
    missed: u64,
}

impl Register {
    /// Work orders that were due in the period. `grace_days` is the organization's policy: so many
    /// days late is still on time. What is cancelled was not scheduled after all; what is open and
    /// not yet due past its grace does not count.
    pub async fn maintenance(&mut self, ask: &Ask, grace_days: u32, sink: &mut dyn Sink) -> Result<(), RegisterError> {
        let ask = &self.seen(ask);
        let head = ask.head(
            "maintenance",
            "Maintenance compliance",
            columns(&[
                (ask.by.name(), ask.by.title()),
                ("scheduled", "SCHEDULED"),
                ("on_time", "ON TIME"),
                ("late", "LATE"),
                ("missed", "MISSED"),
                ("compliance_percent", "COMPLIANCE %"),
            ]),
        );
        sink.head(&head)?;
        let (filter, more) = ask.filter(2);
        let next = ask.to.succ_opt().unwrap_or(ask.to);
        let mut values = vec![Value::Text(Some(ask.from.to_string())), Value::Text(Some(next.to_string()))];
        values.extend(more);
        // Times are written so that their texts stand in their order.
        let sql = format!(
            "SELECT {}, r.status, r.due, s.document FROM record r JOIN asset a ON a.stream=r.asset \
             JOIN state s ON s.stream=r.stream WHERE r.kind='work' AND r.due>=$1 AND r.due<$2 AND r.status<>'cancelled' \
             AND {filter} ORDER BY r.stream",
            ask.by.sql("r.due")
        );
        let grace = chrono::TimeDelta::days(i64::from(grace_days));
        let mut groups: BTreeMap<String, Sums> = BTreeMap::new();
        self.store
            .each(sql, &values, 4, |row| {
                let Ok([key, _, Some(due), Some(document)]) = <[Option<String>; 4]>::try_from(row) else {
                    return Ok(());
                };
                let (Ok(due), Ok(State::Work(work))) = (due.parse::<DateTime<Utc>>(), serde_json::from_str(&document))
                else {
                    return Ok(());
                };
                let last = due + grace;
                let done = work.done.as_ref().map(|result| result.at);
                if done.is_none() && last > ask.at {
                    return Ok(());
                }
                let sums = groups.entry(key.unwrap_or_default()).or_default();
                sums.scheduled += 1;
                match done {
                    Some(at) if at <= last => sums.on_time += 1,
                    Some(_) => sums.late += 1,
                    None => sums.missed += 1,
                }
                Ok(())
            })
            .await?;
        let (mut total, mut bars) = (Sums::default(), Vec::new());
        for (key, sums) in &groups {
            total.scheduled += sums.scheduled;
            total.on_time += sums.on_time;
            total.late += sums.late;
            total.missed += sums.missed;
            if let Some(share) = maintenance_compliance(sums.on_time, sums.scheduled) {
                let points = share.basis_points().and_then(|p| u64::try_from(p).ok()).unwrap_or(0);
                bars.push((named(key), points, share.to_string()));
            }
            sink.row(cells(named(key), sums))?;
        }
        bars.truncate(12);
        let charts = if bars.is_empty() { Vec::new() } else { vec![Chart { title: "Compliance".to_owned(), bars }] };
        let notes = vec![format!("On time: done by the day it was due, or at most {grace_days} days later.")];
        sink.tail(&Tail { totals: vec![cells("total".to_owned(), &total)], notes, charts })
    }
}

fn cells(key: String, sums: &Sums) -> Vec<Cell> {
    vec![
        Cell::Text(key),
        Cell::Count(sums.scheduled),
        Cell::Count(sums.on_time),
        Cell::Count(sums.late),
        Cell::Count(sums.missed),
        Cell::percent(maintenance_compliance(sums.on_time, sums.scheduled)),
    ]
}
