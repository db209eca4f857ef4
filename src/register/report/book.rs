//! Depreciation, book value, and what assets return.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};

use super::cell::{Cell, Chart, Tail, columns};
use super::group::{By, named};
use super::rules::Rules;
use super::{Ask, Sink, cost};
use crate::register::Register;
use crate::register::error::RegisterError;
use crate::register::metrics::{Costs, Depreciation, return_on_assets};
use crate::register::store::{Store, Value};

/// An asset as the books see it.
pub(super) struct Held {
    /// What it is grouped by.
    pub key: String,
    /// Tag.
    pub tag: String,
    /// Category.
    pub category: Option<String>,
    /// Location.
    pub location: Option<String>,
    /// What it cost, in minor units.
    pub cost: i64,
    /// Three letters.
    pub currency: String,
    /// Month in which depreciation begins, since the year 0; `None` where that is not known.
    pub service: Option<i64>,
    /// Day on which it was closed.
    pub closed: Option<NaiveDate>,
    /// The rule.
    pub rule: Depreciation,
}

impl Held {
    /// Accumulated depreciation when the month of that number begins.
    pub fn accumulated(&self, month: i64) -> Option<i64> {
        let months = self.rule.months(self.service?, month);
        Some(self.cost - self.rule.value_after(self.cost, months))
    }
}

/// Months since the year 0.
pub(super) fn month_of(day: NaiveDate) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month0())
}

#[derive(Default)]
struct Sums {
    assets: u64,
    cost: i128,
    period: i128,
    accumulated: i128,
}

pub(super) async fn depreciation(register: &mut Register, ask: &Ask, sink: &mut dyn Sink) -> Result<(), RegisterError> {
    let head = ask.head(
        "depreciation",
        "Depreciation and book value",
        columns(&[
            (ask.by.name(), ask.by.title()),
            ("assets", "ASSETS"),
            ("currency", "CUR"),
            ("cost", "COST"),
            ("depreciation", "OF THE PERIOD"),
            ("accumulated", "ACCUMULATED"),
            ("book_value", "BOOK VALUE"),
        ]),
    );
    sink.head(&head)?;
    let cells = |key: String, currency: &str, sums: &Sums| {
        vec![
            Cell::Text(key),
            Cell::Count(sums.assets),
            Cell::Text(currency.to_owned()),
            Cell::Minor(sums.cost),
            Cell::Minor(sums.period),
            Cell::Minor(sums.accumulated),
            Cell::Minor(sums.cost - sums.accumulated),
        ]
    };
    let mut totals: BTreeMap<String, Sums> = BTreeMap::new();
    let mut groups: BTreeMap<(String, String), Sums> = BTreeMap::new();
    let (mut unknown, mut unpriced) = (0_u64, 0_u64);
    each_held(register, ask, &mut |held| {
        let Some(held) = held else {
            unpriced += 1;
            return Ok(());
        };
        let Some((period, accumulated)) = of_period(&held, ask) else {
            unknown += u64::from(held.service.is_none());
            return Ok(());
        };
        let one = Sums { assets: 1, cost: held.cost.into(), period: period.into(), accumulated: accumulated.into() };
        add(totals.entry(held.currency.clone()).or_default(), &one);
        if ask.by == By::Asset {
            return sink.row(cells(held.key, &held.currency, &one));
        }
        add(groups.entry((held.key, held.currency)).or_default(), &one);
        Ok(())
    })
    .await?;
    let mut charts: BTreeMap<String, Vec<(String, i128)>> = BTreeMap::new();
    for ((key, currency), sums) in &groups {
        sink.row(cells(named(key), currency, sums))?;
        charts.entry(currency.clone()).or_default().push((named(key), sums.cost - sums.accumulated));
    }
    let totals = totals.iter().map(|(currency, sums)| cells("total".to_owned(), currency, sums)).collect();
    let mut tail = Tail { totals, ..Tail::default() };
    for (currency, bars) in charts {
        tail.charts.push(Chart::of_amounts(format!("Book value in {currency}"), bars, 12));
    }
    note_missing(&mut tail, unknown, unpriced);
    sink.tail(&tail)
}

pub(super) async fn returns(register: &mut Register, ask: &Ask, sink: &mut dyn Sink) -> Result<(), RegisterError> {
    let head = ask.head(
        "returns",
        "Return on investment and on assets",
        columns(&[
            (ask.by.name(), ask.by.title()),
            ("currency", "CUR"),
            ("tco", "TCO"),
            ("benefit", "BENEFIT"),
            ("recovery", "RECOVERY"),
            ("roi_percent", "ROI %"),
            ("depreciation", "DEPRECIATION"),
            ("net_income", "NET INCOME"),
            ("asset_value", "ASSET VALUE"),
            ("roa_percent", "ROA %"),
        ]),
    );
    sink.head(&head)?;
    if ask.by.is_period() {
        return Err(crate::register::Refusal::rule(
            "returns are told by assets, not by period; ask with --from and --to",
        )
        .into());
    }
    // Depreciation and book value first; then the amounts come in the order of the same keys.
    let mut values: BTreeMap<(String, String), (i128, i128)> = BTreeMap::new();
    let (mut unknown, mut unpriced) = (0_u64, 0_u64);
    each_held(register, ask, &mut |held| {
        let Some(held) = held else {
            unpriced += 1;
            return Ok(());
        };
        match of_period(&held, ask) {
            Some((period, accumulated)) => {
                let sums = values.entry((held.key, held.currency)).or_default();
                sums.0 += i128::from(period);
                sums.1 += i128::from(held.cost) - i128::from(accumulated);
            }
            None => unknown += u64::from(held.service.is_none()),
        }
        Ok(())
    })
    .await?;
    let mut totals: BTreeMap<String, (Costs, i128, i128)> = BTreeMap::new();
    cost::groups(&mut register.store, ask, &mut |group| {
        if group.currency.is_empty() {
            return Ok(());
        }
        let value = values.get(&(group.key.clone(), group.currency.clone())).copied();
        let total = totals.entry(group.currency.clone()).or_default();
        cost::merge(&mut total.0, &group.costs)?;
        let (period, book) = value.unwrap_or_default();
        (total.1, total.2) = (total.1 + period, total.2 + book);
        sink.row(returned(named(&group.key), &group.currency, &group.costs, value))
    })
    .await?;
    let told = |(currency, (costs, period, book)): (&String, &(Costs, i128, i128))| {
        returned("total".to_owned(), currency, costs, Some((*period, *book)))
    };
    let mut tail = Tail { totals: totals.iter().map(told).collect(), ..Tail::default() };
    tail.notes.push(
        "ROI = (benefit + recovery - TCO) / TCO. Net income = benefit - operational - maintenance - depreciation of the period; ROA = net income / book value at its end."
            .to_owned(),
    );
    note_missing(&mut tail, unknown, unpriced);
    sink.tail(&tail)
}

fn returned(key: String, currency: &str, costs: &Costs, value: Option<(i128, i128)>) -> Vec<Cell> {
    let income = value.map(|(period, _)| costs.net_income(i64::try_from(period).unwrap_or(i64::MAX)));
    let roa = value.zip(income).and_then(|((_, book), income)| return_on_assets(income, book));
    let minor = |value: Option<i128>| value.map_or(Cell::Missing, Cell::Minor);
    vec![
        Cell::Text(key),
        Cell::Text(currency.to_owned()),
        Cell::Minor(costs.tco()),
        Cell::Minor(costs.benefit.0.into()),
        Cell::Minor(costs.recovery.0.into()),
        Cell::percent(costs.roi()),
        minor(value.map(|(period, _)| period)),
        minor(income),
        minor(value.map(|(_, book)| book)),
        Cell::percent(roa),
    ]
}

/// Depreciation of the period and what is accumulated at its end; `None` where it was closed before
/// the end, or nobody knows since when it is in service.
fn of_period(held: &Held, ask: &Ask) -> Option<(i64, i64)> {
    if held.closed.is_some_and(|day| day <= ask.to) {
        return None;
    }
    // A month counts when it is over.
    let end = month_of(ask.to.succ_opt()?);
    let (before, after) = (held.accumulated(month_of(ask.from))?, held.accumulated(end)?);
    Some((after - before, after))
}

/// Hands over every asset with a price, and `None` for each without. Assets on order do not count.
pub(super) async fn each_held(
    register: &mut Register,
    ask: &Ask,
    take: &mut (dyn FnMut(Option<Held>) -> Result<(), RegisterError> + Send),
) -> Result<(), RegisterError> {
    let rules = register.rules().await?;
    each_held_in(&mut register.store, &rules, ask, take).await
}

async fn each_held_in(
    store: &mut Store,
    rules: &Rules,
    ask: &Ask,
    take: &mut (dyn FnMut(Option<Held>) -> Result<(), RegisterError> + Send),
) -> Result<(), RegisterError> {
    let (filter, values): (String, Vec<Value>) = ask.filter(0);
    let key = ask.by.sql("a.purchase_day");
    // What was booked as acquisition is the cost; the price where nothing was booked.
    let sql = format!(
        "SELECT {key}, a.tag, a.category, a.location, a.manufacturer, a.model, CAST(a.cost_minor AS TEXT), a.currency, a.purchase_day, \
         CAST(a.in_service AS TEXT), a.closed_day, \
         (SELECT CAST(SUM(c.minor) AS TEXT) || ' ' || MIN(c.currency) FROM cost c \
         WHERE c.stream=a.stream AND c.category='acquisition' HAVING MIN(c.currency)=MAX(c.currency)) \
         FROM asset a WHERE a.stage<>'procurement' AND {filter} ORDER BY a.stream"
    );
    store
        .each(sql, &values, 12, |row| {
            let Ok(row) = <[Option<String>; 12]>::try_from(row) else { return Ok(()) };
            take(held(row, rules))
        })
        .await
}

fn held(row: [Option<String>; 12], rules: &Rules) -> Option<Held> {
    let [key, tag, category, location, manufacturer, model, price, currency, bought, service, closed, booked] = row;
    let booked = booked.and_then(|text| {
        let (minor, currency) = text.split_once(' ')?;
        Some((minor.parse().ok()?, currency.to_owned()))
    });
    let (cost, currency) = match booked {
        Some(booked) => booked,
        None => (price?.parse().ok()?, currency?),
    };
    let served = service.and_then(|at| chrono::DateTime::from_timestamp(at.parse().ok()?, 0)).map(|at| at.date_naive());
    let begin = served.or_else(|| bought?.parse().ok());
    Some(Held {
        key: key.unwrap_or_default(),
        tag: tag?,
        rule: rules.of(manufacturer.as_deref(), model.as_deref(), category.as_deref()),
        category,
        location,
        cost,
        currency,
        service: begin.map(month_of),
        closed: closed.and_then(|day| day.parse().ok()),
    })
}

fn add(into: &mut Sums, one: &Sums) {
    into.assets += one.assets;
    into.cost += one.cost;
    into.period += one.period;
    into.accumulated += one.accumulated;
}

fn note_missing(tail: &mut Tail, unknown: u64, unpriced: u64) {
    if unpriced > 0 {
        tail.notes.push(format!("{unpriced} without a price are not in the figures."));
    }
    if unknown > 0 {
        tail.notes
            .push(format!("{unknown} of which nobody knows since when they are in service are not in the figures."));
    }
}
