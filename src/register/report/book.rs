//! Depreciation, book value, and what assets return.

use std::collections::BTreeMap;

use super::cell::{Cell, Chart, Tail, columns};
use super::cost::{self, Missing};
use super::group::{By, named};
use super::held::{Wanted, each_held};
use super::{Ask, Sink};
use crate::register::Register;
use crate::register::error::RegisterError;
use crate::register::metrics::{Costs, return_on_assets};

#[derive(Default)]
struct Sums {
    assets: u64,
    cost: i128,
    period: i128,
    accumulated: i128,
    /// Those with a valuation: how many, what they are said to be worth, and their book value.
    valued: u64,
    valuation: i128,
    book: i128,
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
            ("valued", "VALUED"),
            ("valuation", "VALUATION"),
            ("against_book", "AGAINST BOOK"),
        ]),
    );
    sink.head(&head)?;
    let cells = |key: String, currency: &str, sums: &Sums| {
        let valued = |minor: i128| if sums.valued > 0 { Cell::Minor(minor) } else { Cell::Missing };
        vec![
            Cell::Text(key),
            Cell::Count(sums.assets),
            Cell::Text(currency.to_owned()),
            Cell::Minor(sums.cost),
            Cell::Minor(sums.period),
            Cell::Minor(sums.accumulated),
            Cell::Minor(sums.cost - sums.accumulated),
            Cell::Count(sums.valued),
            valued(sums.valuation),
            valued(sums.valuation - sums.book),
        ]
    };
    let mut totals: BTreeMap<String, Sums> = BTreeMap::new();
    let mut groups: BTreeMap<(String, String), Sums> = BTreeMap::new();
    let (mut missing, mut foreign) = (Missing::default(), 0_u64);
    each_held(register, ask, Wanted::Valuation, &mut |held| {
        let Some(held) = held else {
            missing.unpriced += 1;
            return Ok(());
        };
        let Some((period, accumulated)) = held.of_period(ask) else {
            missing.unknown += u64::from(held.service.is_none());
            return Ok(());
        };
        let (cost, accumulated) = (i128::from(held.cost), i128::from(accumulated));
        let mut one = Sums { assets: 1, cost, period: period.into(), accumulated, ..Sums::default() };
        match held.valuation {
            Some((minor, currency)) if currency == held.currency => {
                (one.valued, one.valuation, one.book) = (1, minor.into(), cost - accumulated);
            }
            other => foreign += u64::from(other.is_some()),
        }
        add(totals.entry(held.currency.to_owned()).or_default(), &one);
        if ask.by == By::Asset {
            return sink.row(cells(held.key.to_owned(), held.currency, &one));
        }
        add(groups.entry((held.key.to_owned(), held.currency.to_owned())).or_default(), &one);
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
    note_missing(&mut tail, &missing);
    tail.notes.push("Valuation: the last by market, appraisal or quote (lastwrite cost value) until the end of the period; against book = valuation - book value of those assets.".to_owned());
    if foreign > 0 {
        tail.notes.push(format!("Valuations in another currency than the cost are not in the figures: {foreign}."));
    }
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
    let mut totals: BTreeMap<String, (Costs, i128, i128)> = BTreeMap::new();
    let missing = cost::groups(register, ask, Wanted::Value, &mut |group| {
        if group.currency.is_empty() {
            return Ok(());
        }
        let total = totals.entry(group.currency.to_owned()).or_default();
        cost::merge(&mut total.0, group.costs)?;
        let (period, book) = group.value.unwrap_or_default();
        (total.1, total.2) = (total.1 + period, total.2 + book);
        sink.row(returned(named(group.key), group.currency, group.costs, group.value))
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
    note_missing(&mut tail, &missing);
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

fn add(into: &mut Sums, one: &Sums) {
    into.assets += one.assets;
    into.cost += one.cost;
    into.period += one.period;
    into.accumulated += one.accumulated;
    into.valued += one.valued;
    into.valuation += one.valuation;
    into.book += one.book;
}

fn note_missing(tail: &mut Tail, missing: &Missing) {
    let Missing { unpriced, unknown } = missing;
    if *unpriced > 0 {
        tail.notes.push(format!("{unpriced} without a price are not in the figures."));
    }
    if *unknown > 0 {
        tail.notes
            .push(format!("{unknown} of which nobody knows since when they are in service are not in the figures."));
    }
}
