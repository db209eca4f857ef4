//! Rows that figures and reports are made from: each follows from one event, or from one state.

use super::act::Act;
use super::asset::Asset;
use super::audit::AuditReport;
use super::error::{RegisterError, database};
use super::event::Event;
use super::observe::{Finding, mac_key, serial_key};
use super::store::{Store, Value};

/// A table whose rows each follow from one event.
struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    /// Its rows after a place, as texts; with the event of each.
    page: &'static str,
    count: &'static str,
    empty: &'static str,
}

const TABLES: [Table; 5] = [
    Table {
        name: "cost",
        columns: &["stream", "revision", "category", "minor", "currency", "day", "reference"],
        page: "SELECT t.stream, CAST(t.revision AS TEXT), t.category, CAST(t.minor AS TEXT), t.currency, t.day, t.reference, e.jws \
               FROM cost t LEFT JOIN event e ON e.stream=t.stream AND e.revision=t.revision \
               WHERE (t.stream,t.revision)>($1,$2) ORDER BY t.stream, t.revision LIMIT 1000",
        count: "SELECT CAST(COUNT(*) AS TEXT) FROM cost",
        empty: "DELETE FROM cost",
    },
    Table {
        name: "sample",
        columns: &["stream", "revision", "n", "name", "at", "value", "source"],
        page: "SELECT t.stream, CAST(t.revision AS TEXT), CAST(t.n AS TEXT), t.name, CAST(t.at AS TEXT), CAST(t.value AS TEXT), t.source, e.jws \
               FROM sample t LEFT JOIN event e ON e.stream=t.stream AND e.revision=t.revision \
               WHERE (t.stream,t.revision,t.n)>($1,$2,$3) ORDER BY t.stream, t.revision, t.n LIMIT 1000",
        count: "SELECT CAST(COUNT(*) AS TEXT) FROM sample",
        empty: "DELETE FROM sample",
    },
    Table {
        name: "span",
        columns: &["stream", "revision", "n", "kind", "from_at", "to_at", "source"],
        page: "SELECT t.stream, CAST(t.revision AS TEXT), CAST(t.n AS TEXT), t.kind, CAST(t.from_at AS TEXT), CAST(t.to_at AS TEXT), t.source, e.jws \
               FROM span t LEFT JOIN event e ON e.stream=t.stream AND e.revision=t.revision \
               WHERE (t.stream,t.revision,t.n)>($1,$2,$3) ORDER BY t.stream, t.revision, t.n LIMIT 1000",
        count: "SELECT CAST(COUNT(*) AS TEXT) FROM span",
        empty: "DELETE FROM span",
    },
    Table {
        name: "sighting",
        columns: &[
            "stream",
            "revision",
            "n",
            "source",
            "at",
            "tag",
            "serial",
            "serial_key",
            "mac",
            "host",
            "location",
            "custodian",
        ],
        page: "SELECT t.stream, CAST(t.revision AS TEXT), CAST(t.n AS TEXT), t.source, CAST(t.at AS TEXT), t.tag, t.serial, t.serial_key, t.mac, t.host, t.location, t.custodian, e.jws \
               FROM sighting t LEFT JOIN event e ON e.stream=t.stream AND e.revision=t.revision \
               WHERE (t.stream,t.revision,t.n)>($1,$2,$3) ORDER BY t.stream, t.revision, t.n LIMIT 1000",
        count: "SELECT CAST(COUNT(*) AS TEXT) FROM sighting",
        empty: "DELETE FROM sighting",
    },
    Table {
        name: "valuation",
        columns: &["stream", "revision", "basis", "minor", "currency", "day", "source"],
        page: "SELECT t.stream, CAST(t.revision AS TEXT), t.basis, CAST(t.minor AS TEXT), t.currency, t.day, t.source, e.jws \
               FROM valuation t LEFT JOIN event e ON e.stream=t.stream AND e.revision=t.revision \
               WHERE (t.stream,t.revision)>($1,$2) ORDER BY t.stream, t.revision LIMIT 1000",
        count: "SELECT CAST(COUNT(*) AS TEXT) FROM valuation",
        empty: "DELETE FROM valuation",
    },
];

/// Columns of the table `finding`.
pub(super) const FINDING_COLUMNS: [&str; 10] =
    ["stream", "name", "open_name", "kind", "asset", "tag", "place", "detail", "opened_day", "resolution"];

/// How many rows of each table the events make, in the order of the tables.
#[derive(Debug, Default)]
pub(super) struct Counts([u64; TABLES.len()]);

/// The row of a finding.
pub(super) fn finding(stream: &str, finding: &Finding) -> Vec<Value> {
    let open = finding.resolved.is_none().then(|| finding.name.clone());
    let resolution = finding.resolved.as_ref().map(|r| r.resolution.name().to_owned());
    vec![
        text(stream),
        text(&finding.name),
        Value::Text(open),
        text(finding.kind.name()),
        Value::Text(finding.asset.clone()),
        Value::Text(finding.tag.clone()),
        Value::Text(finding.place.clone()),
        text(&finding.detail),
        text(&finding.opened.date_naive().to_string()),
        Value::Text(resolution),
    ]
}

/// What the row of an asset says besides: for money, time and disposal.
pub(super) fn figures(asset: &Asset) -> Vec<Value> {
    let d = &asset.details;
    let line = asset.line.as_ref();
    let own = |names: [&str; 2]| names.iter().find_map(|name| d.custom.get(*name)).cloned();
    vec![
        Value::Text(d.company.clone()),
        Value::Text(d.purchase_date.clone()),
        Value::Number(d.purchase_cost.as_ref().map(|m| m.minor.0)),
        Value::Text(d.purchase_cost.as_ref().map(|m| m.currency.clone())),
        Value::Number(d.warranty_months.map(i64::from)),
        Value::Text(d.eol_date.clone()),
        Value::Number(asset.in_service.map(|at| at.timestamp())),
        Value::Number(asset.out_of_service.map(|at| at.timestamp())),
        Value::Number(asset.closed.map(|at| at.timestamp())),
        Value::Text(asset.closed.map(|at| at.date_naive().to_string())),
        Value::Text(line.map(|l| l.route.name().to_owned())),
        Value::Text(line.and_then(|l| l.outcome).map(|o| o.name().to_owned())),
        Value::Text(line.and_then(|l| l.vendor.clone())),
        Value::Text(line.map(|l| l.order.clone())),
        Value::Number(own(["weight_kg", "weight"]).as_deref().and_then(grams)),
        Value::Text(d.serial.as_deref().and_then(serial_key)),
        Value::Text(own(["mac_address", "mac"]).as_deref().and_then(mac_key)),
    ]
}

/// Stores the rows that events make.
pub(super) async fn store<'a>(store: &mut Store, events: impl Iterator<Item = &'a Event>) -> Result<(), RegisterError> {
    let mut rows: [Vec<Vec<Value>>; TABLES.len()] = Default::default();
    for event in events {
        if let Some((table, of_event)) = of(event) {
            rows[table].extend(of_event);
        }
    }
    for (table, rows) in TABLES.iter().zip(rows) {
        store.insert(table.name, table.columns, "", rows).await.map_err(database("writing the figures"))?;
    }
    Ok(())
}

/// Empties the tables, as a rebuild does first.
pub(super) async fn empty(store: &mut Store) -> Result<(), RegisterError> {
    for table in &TABLES {
        store.execute(table.empty, &[], "emptying the tables").await?;
    }
    store.execute("DELETE FROM finding", &[], "emptying the tables").await
}

impl Counts {
    /// Counts the rows an event makes.
    pub(super) fn take(&mut self, event: &Event) {
        if let Some((table, rows)) = of(event) {
            self.0[table] += rows.len() as u64;
        }
    }

    /// Whether the tables hold these rows and no others: each is what its event makes of it, and
    /// there are as many as the events make.
    pub(super) async fn compare(&self, store: &mut Store, report: &mut AuditReport) -> Result<(), RegisterError> {
        for (table, expected) in TABLES.iter().zip(self.0) {
            let count = store.texts(table.count, &[], 1).await?.into_iter().flatten().flatten().next();
            if count != Some(expected.to_string()) {
                let found = count.unwrap_or_default();
                let detail = format!("{found} rows where the events make {expected}; register rebuild mends it");
                report.add("table", table.name.to_owned(), detail);
            }
            walk(table, store, report).await?;
        }
        Ok(())
    }
}

async fn walk(table: &Table, store: &mut Store, report: &mut AuditReport) -> Result<(), RegisterError> {
    let numbered = table.columns[2] == "n";
    let mut after = (String::new(), 0_i64, 0_i64);
    loop {
        let mut values = vec![text(&after.0), Value::Whole(after.1)];
        values.extend(numbered.then_some(Value::Whole(after.2)));
        let page = store.texts(table.page, &values, table.columns.len() + 1).await?;
        let Some(last) = page.last() else { return Ok(()) };
        let number = |i: usize| last[i].as_ref().and_then(|t| t.parse().ok()).unwrap_or(i64::MAX);
        after = (last[0].clone().unwrap_or_default(), number(1), if numbered { number(2) } else { 0 });
        let mut made: Option<(String, Vec<Vec<Option<String>>>)> = None;
        for mut row in page {
            let jws = row.pop().flatten();
            let rows = match (&jws, &made) {
                (Some(jws), Some((of, rows))) if of == jws => rows.clone(),
                (Some(jws), _) => {
                    let rows = Event::read(jws).ok().and_then(|(_, event)| of(&event)).map(|(_, rows)| rows);
                    let rows: Vec<_> = rows.unwrap_or_default().into_iter().map(shown).collect();
                    made = Some((jws.clone(), rows.clone()));
                    rows
                }
                (None, _) => Vec::new(),
            };
            if !rows.contains(&row) {
                let place = row.iter().take(2).flatten().cloned().collect::<Vec<_>>().join(" revision ");
                let detail = format!("a row of {} is not what its event makes it", table.name);
                report.add("table", place, detail);
            }
        }
    }
}

/// As the database shows it when asked for texts.
pub(super) fn shown(row: Vec<Value>) -> Vec<Option<String>> {
    let show = |value| match value {
        Value::Text(text) => text,
        Value::Whole(number) => Some(number.to_string()),
        Value::Number(number) => number.map(|n| n.to_string()),
    };
    row.into_iter().map(show).collect()
}

/// The rows an event makes, and the index of their table.
fn of(event: &Event) -> Option<(usize, Vec<Vec<Value>>)> {
    let head = || vec![text(&event.stream), Value::Whole(i64::try_from(event.revision.0).unwrap_or(i64::MAX))];
    let numbered = |n: usize| {
        let mut row = head();
        row.push(Value::Whole(i64::try_from(n).unwrap_or(i64::MAX)));
        row
    };
    Some(match &event.act {
        Act::CostBooked { category, money, on, reference } => {
            let mut row = head();
            row.extend([
                text(category.name()),
                Value::Whole(money.minor.0),
                text(&money.currency),
                text(&on.date_naive().to_string()),
                Value::Text(reference.clone()),
            ]);
            (0, vec![row])
        }
        Act::Valued(valuation) => {
            let mut row = head();
            row.extend([
                text(valuation.basis.name()),
                Value::Whole(valuation.money.minor.0),
                text(&valuation.money.currency),
                text(&valuation.on),
                text(&valuation.source),
            ]);
            (4, vec![row])
        }
        Act::Measured(measured) if !measured.intervals.is_empty() && measured.samples.is_empty() => {
            let rows = measured.intervals.iter().enumerate().map(|(n, lasted)| {
                let mut row = numbered(n);
                row.extend([
                    text(lasted.kind.name()),
                    Value::Whole(lasted.from.timestamp()),
                    Value::Whole(lasted.to.timestamp()),
                    text(&measured.source),
                ]);
                row
            });
            (2, rows.collect())
        }
        Act::Measured(measured) => {
            let rows = measured.samples.iter().enumerate().map(|(n, sample)| {
                let mut row = numbered(n);
                row.extend([
                    text(&sample.name),
                    Value::Whole(sample.at.timestamp()),
                    Value::Whole(sample.value.0),
                    text(&measured.source),
                ]);
                row
            });
            (1, rows.collect())
        }
        Act::WorkSettled { downtime, .. } => {
            let rows = downtime.iter().enumerate().map(|(n, down)| {
                let kind = if down.planned { "planned_down" } else { "unplanned_down" };
                let mut row = numbered(n);
                row.extend([
                    text(kind),
                    Value::Whole(down.from.timestamp()),
                    Value::Whole(down.to.timestamp()),
                    text("work order"),
                ]);
                row
            });
            (2, rows.collect())
        }
        Act::Sighted(sightings) => {
            let rows = sightings.seen.iter().enumerate().map(|(n, seen)| {
                let mut row = numbered(n);
                row.extend([
                    text(sightings.source.name()),
                    Value::Whole(seen.at.unwrap_or(sightings.at).timestamp()),
                    Value::Text(seen.tag.clone()),
                    Value::Text(seen.serial.clone()),
                    Value::Text(seen.serial.as_deref().and_then(serial_key)),
                    Value::Text(seen.mac.clone()),
                    Value::Text(seen.host.clone()),
                    Value::Text(seen.location.clone().or_else(|| sightings.place.clone())),
                    Value::Text(seen.custodian.clone()),
                ]);
                row
            });
            (3, rows.collect())
        }
        _ => return None,
    })
}

fn text(text: &str) -> Value {
    Value::Text(Some(text.to_owned()))
}

/// `1.85`, `1.85 kg` or `1,85` kilograms in grams.
fn grams(text: &str) -> Option<i64> {
    let number = text.trim().trim_end_matches("kg").trim().replace(',', ".");
    number.parse::<super::Milli>().ok().map(|kilograms| kilograms.0).filter(|grams| *grams >= 0)
}
