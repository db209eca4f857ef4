//! Coming refreshes and their budget.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Months, NaiveDate};

use super::cell::{Cell, Chart, Tail, columns};
use super::group::{By, named};
use super::{Ask, Sink};
use crate::register::Register;
use crate::register::error::RegisterError;
use crate::register::packed::Column;

pub(super) async fn refresh(register: &mut Register, ask: &Ask, sink: &mut dyn Sink) -> Result<(), RegisterError> {
    let head = ask.head(
        "refresh",
        "Coming refreshes and their budget",
        columns(&[
            ("quarter", "QUARTER"),
            (
                if ask.by.is_period() { "category" } else { ask.by.name() },
                if ask.by.is_period() { By::Category.title() } else { ask.by.title() },
            ),
            ("assets", "ASSETS"),
            ("currency", "CUR"),
            ("budget", "BUDGET"),
        ]),
    );
    sink.head(&head)?;
    let rules = register.rules().await?;
    let by = if ask.by.is_period() { By::Category } else { ask.by };
    let (filter, values) = ask.filter(0);
    let filter = format!("{filter} AND COALESCE(a.stage,'') IN ('deployment','utilization','upgrade')");
    let text = |sql: &str| Column::Text(sql.to_owned());
    let columns = [
        Column::Text(by.sql("''")),
        text("a.manufacturer"),
        text("a.model"),
        text("a.category"),
        text("a.eol_day"),
        text("a.purchase_day"),
        Column::Whole("a.cost_minor".to_owned()),
        text("a.currency"),
    ];
    let mut quarters: BTreeMap<(String, String, String), (u64, i128)> = BTreeMap::new();
    let (mut undated, mut unpriced) = (0_u64, 0_u64);
    let take = |[key, manufacturer, model, category, eol, bought, cost, currency]: [Option<&str>; 8]| {
        let life = rules.of(manufacturer, model, category).life_months;
        let Some(due) = due(life, eol, bought) else {
            undated += 1;
            return Ok(());
        };
        if due > ask.to {
            return Ok(());
        }
        let quarter = if due < ask.from { "overdue".to_owned() } else { quarter(due) };
        let price = cost.and_then(|c| c.parse::<i64>().ok()).zip(currency);
        unpriced += u64::from(price.is_none());
        let (minor, currency) = price.unwrap_or_default();
        let sums = quarters.entry((quarter, key.unwrap_or_default().to_owned(), currency.to_owned())).or_default();
        *sums = (sums.0 + 1, sums.1 + i128::from(minor));
        Ok(())
    };
    register.store.each_packed(&columns, &filter, &values, take).await?;
    let mut totals: BTreeMap<String, (u64, i128)> = BTreeMap::new();
    let mut charts: BTreeMap<String, BTreeMap<String, i128>> = BTreeMap::new();
    // What is overdue comes first.
    let order = |key: &(String, String, String)| (key.0 != "overdue", key.clone());
    let mut rows: Vec<_> = quarters.into_iter().collect();
    rows.sort_by_key(|(key, _)| order(key));
    for ((quarter, key, currency), (assets, minor)) in rows {
        let priced = !currency.is_empty();
        if priced {
            let total = totals.entry(currency.clone()).or_default();
            *total = (total.0 + assets, total.1 + minor);
            *charts.entry(currency.clone()).or_default().entry(quarter.clone()).or_default() += minor;
        }
        sink.row(vec![
            Cell::Text(quarter),
            Cell::Text(named(&key)),
            Cell::Count(assets),
            if priced { Cell::Text(currency) } else { Cell::Missing },
            if priced { Cell::Minor(minor) } else { Cell::Missing },
        ])?;
    }
    let mut tail = Tail::default();
    for (currency, (assets, minor)) in totals {
        let (count, sum) = (Cell::Count(assets), Cell::Minor(minor));
        tail.totals.push(vec![Cell::Text("total".to_owned()), Cell::Missing, count, Cell::Text(currency), sum]);
    }
    for (currency, bars) in charts {
        let bars = bars
            .into_iter()
            .map(|(name, minor)| (name, u64::try_from(minor.max(0)).unwrap_or(u64::MAX), super::cell::amount(minor)));
        tail.charts.push(Chart { title: format!("Budget in {currency}"), bars: bars.collect() });
    }
    tail.notes.push("Due at the end-of-life day, or at purchase plus the useful life of the model or category; budgeted at the price it was bought for.".to_owned());
    if undated > 0 {
        tail.notes.push(format!("{undated} have neither an end-of-life day nor a day of purchase."));
    }
    if unpriced > 0 {
        tail.notes.push(format!("{unpriced} of those due have no price."));
    }
    sink.tail(&tail)
}

/// The day on which an asset is due for refresh.
fn due(life_months: u32, eol: Option<&str>, bought: Option<&str>) -> Option<NaiveDate> {
    if let Some(day) = eol.and_then(|day| day.parse().ok()) {
        return Some(day);
    }
    let bought: NaiveDate = bought?.parse().ok()?;
    bought.checked_add_months(Months::new(life_months))
}

fn quarter(day: NaiveDate) -> String {
    format!("{}-Q{}", day.year(), day.month0() / 3 + 1)
}
