//! Utilization, availability, MTBF and MTTR.

use std::collections::BTreeMap;

use super::cell::{Cell, Chart, Tail, columns};
use super::group::{By, named};
use super::{Ask, Sink};
use crate::register::error::RegisterError;
use crate::register::metrics::{Interval, IntervalKind, Ratio, Reliability, Span, reliability};
use crate::register::packed::Column;
use crate::register::store::Value;
use crate::register::{Refusal, Register};

pub(super) async fn utilization(register: &mut Register, ask: &Ask, sink: &mut dyn Sink) -> Result<(), RegisterError> {
    let head = ask.head(
        "utilization",
        "Utilization and reliability",
        columns(&[
            (ask.by.name(), ask.by.title()),
            ("assets", "ASSETS"),
            ("measured", "MEASURED"),
            ("operating_h", "OPERATING H"),
            ("active_h", "ACTIVE H"),
            ("utilization_percent", "UTILIZATION %"),
            ("availability_percent", "AVAILABILITY %"),
            ("planned_down_h", "PLANNED DOWN H"),
            ("unplanned_down_h", "UNPLANNED H"),
            ("outages", "OUTAGES"),
            ("mtbf_h", "MTBF H"),
            ("mttr_h", "MTTR H"),
        ]),
    );
    sink.head(&head)?;
    if ask.by.is_period() {
        return Err(Refusal::rule("utilization is told by assets, not by period; ask with --from and --to").into());
    }
    let end = ask.to.succ_opt().unwrap_or(ask.to).and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
    let period =
        Span { from: ask.from.and_time(chrono::NaiveTime::MIN).and_utc().timestamp(), to: end.min(ask.at.timestamp()) };
    let (filter, more) = ask.filter(2);
    let mut values = vec![Value::Whole(period.from), Value::Whole(period.to)];
    values.extend(more);
    let columns = [
        Column::Text(ask.by.sql("''")),
        Column::Whole("a.in_service".to_owned()),
        Column::Whole("COALESCE(a.out_of_service, a.closed_at)".to_owned()),
        Column::Text(
            "(SELECT STRING_AGG(s.kind || ' ' || s.from_at || ' ' || s.to_at,',') FROM span s \
             WHERE s.stream=a.stream AND s.from_at<$2 AND s.to_at>$1)"
                .to_owned(),
        ),
    ];
    let mut groups: BTreeMap<String, Sums> = BTreeMap::new();
    let mut total = Sums::default();
    let mut unknown = 0_u64;
    let whole = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let take = |[key, from, to, spans]: [Option<&str>; 4]| {
        let Some(from) = whole(from) else {
            unknown += 1;
            return Ok(());
        };
        let service = Span { from, to: whole(to).unwrap_or(i64::MAX) }.within(period);
        if service.is_none() {
            return Ok(());
        }
        let intervals: Vec<Interval> = spans.unwrap_or_default().split(',').filter_map(interval).collect();
        // Nobody looked: that is not an asset that never failed.
        let measured = u64::from(!intervals.is_empty());
        let found = if measured == 1 { reliability(service, &intervals) } else { Reliability::default() };
        let one = Sums { assets: 1, measured, found };
        total.add(&one);
        let key = key.unwrap_or_default();
        if ask.by == By::Asset {
            return sink.row(cells(key.to_owned(), &one));
        }
        match groups.get_mut(key) {
            Some(sums) => sums.add(&one),
            None => groups.entry(key.to_owned()).or_default().add(&one),
        }
        Ok(())
    };
    register.store.each_packed(&columns, &filter, &values, take).await?;
    let mut tail = Tail::default();
    let mut bars = Vec::new();
    for (key, sums) in &groups {
        sink.row(cells(named(key), sums))?;
        bars.extend(sums.found.utilization().and_then(|ratio| {
            let points = u64::try_from(ratio.basis_points()?).ok()?;
            Some((named(key), points, format!("{} %", ratio.percent())))
        }));
    }
    tail.totals.push(cells("total".to_owned(), &total));
    bars.truncate(12);
    tail.charts.extend((!bars.is_empty()).then(|| Chart { title: "Utilization".to_owned(), bars }));
    let (measured, assets) = (total.measured, total.assets);
    tail.notes
        .push(format!("{measured} of {assets} assets in service have recorded times; figures are of those alone."));
    if unknown > 0 {
        tail.notes
            .push(format!("{unknown} of which nobody knows since when they are in service are not in the figures."));
    }
    sink.tail(&tail)
}

/// `planned_down 1740787200 1740841200`
fn interval(text: &str) -> Option<Interval> {
    let mut words = text.split(' ');
    let kind = IntervalKind::of_name(words.next()?)?;
    let (from, to) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Interval { kind, span: Span { from, to } })
}

#[derive(Default)]
struct Sums {
    assets: u64,
    measured: u64,
    found: Reliability,
}

impl Sums {
    fn add(&mut self, other: &Sums) {
        self.assets += other.assets;
        self.measured += other.measured;
        self.found.add(&other.found);
    }
}

fn cells(key: String, sums: &Sums) -> Vec<Cell> {
    let found = &sums.found;
    let hours = |seconds: i64| match sums.measured {
        0 => Cell::Missing,
        _ => Cell::seconds(Ratio::of(seconds.into(), 1)),
    };
    // Nothing recorded is not the same as never used.
    let used = found.active > 0;
    vec![
        Cell::Text(key),
        Cell::Count(sums.assets),
        Cell::Count(sums.measured),
        hours(found.operating),
        if used { hours(found.active) } else { Cell::Missing },
        if used { Cell::percent(found.utilization()) } else { Cell::Missing },
        Cell::percent(found.availability()),
        hours(found.planned),
        hours(found.unplanned),
        if sums.measured > 0 { Cell::Count(found.outages) } else { Cell::Missing },
        Cell::seconds(found.mtbf()),
        Cell::seconds(found.mttr()),
    ]
}
