//! Total cost of ownership.

use std::collections::BTreeMap;

use super::cell::{Cell, Chart, Tail, amount, columns};
use super::group::named;
use super::{Ask, Sink};
use crate::register::error::RegisterError;
use crate::register::metrics::Costs;
use crate::register::store::{Store, Value};
use crate::register::{CostCategory, Register};

/// A group of one currency.
pub(super) struct Group {
    /// What it is called.
    pub key: String,
    /// Three letters; empty where nothing was spent.
    pub currency: String,
    /// How many assets; 0 by period.
    pub assets: u64,
    /// The sums.
    pub costs: Costs,
}

pub(super) async fn tco(register: &mut Register, ask: &Ask, sink: &mut dyn Sink) -> Result<(), RegisterError> {
    let head = ask.head(
        "tco",
        "Total cost of ownership",
        columns(&[
            (ask.by.name(), ask.by.title()),
            ("assets", "ASSETS"),
            ("currency", "CUR"),
            ("acquisition", "ACQUISITION"),
            ("operational", "OPERATIONAL"),
            ("maintenance", "MAINTENANCE"),
            ("disposition", "DISPOSITION"),
            ("tco", "TCO"),
            ("recovery", "RECOVERY"),
            ("net", "NET"),
        ]),
    );
    sink.head(&head)?;
    let mut totals: BTreeMap<String, Costs> = BTreeMap::new();
    let mut charts: BTreeMap<String, Vec<(String, i128)>> = BTreeMap::new();
    groups(&mut register.store, ask, &mut |group| {
        let Group { key, currency, assets, costs } = &group;
        if !currency.is_empty() {
            merge(totals.entry(currency.clone()).or_default(), costs)?;
            let bars = charts.entry(currency.clone()).or_default();
            // Of a million rows a chart shows the greatest.
            bars.push((named(key), costs.tco()));
            if bars.len() > 4096 {
                bars.sort_by_key(|bar| std::cmp::Reverse(bar.1));
                bars.truncate(64);
            }
        }
        sink.row(row(named(key), *assets, currency, costs))
    })
    .await?;
    let mut tail = Tail::default();
    for (currency, costs) in &totals {
        tail.totals.push(row("total".to_owned(), 0, currency, costs));
    }
    for (currency, bars) in charts {
        tail.charts.push(Chart::of_amounts(format!("TCO in {currency}"), bars, 12));
    }
    tail.notes.push(
        "Where no acquisition was booked, the purchase price stands for it. Recovery is not part of TCO; net is TCO less recovery."
            .to_owned(),
    );
    sink.tail(&tail)
}

fn row(key: String, assets: u64, currency: &str, costs: &Costs) -> Vec<Cell> {
    let minor = |w: crate::register::Whole| Cell::Minor(w.0.into());
    if currency.is_empty() {
        let mut cells = vec![Cell::Text(key), Cell::Count(assets)];
        cells.extend(std::iter::repeat_n(Cell::Missing, 8));
        return cells;
    }
    vec![
        Cell::Text(key),
        if assets == 0 { Cell::Missing } else { Cell::Count(assets) },
        Cell::Text(currency.to_owned()),
        minor(costs.acquisition),
        minor(costs.operational),
        minor(costs.maintenance),
        minor(costs.disposition),
        Cell::Minor(costs.tco()),
        minor(costs.recovery),
        Cell::Minor(costs.net()),
    ]
}

/// Hands over each group in order. An asset bought before the period counts with what was spent in it.
pub(super) async fn groups(
    store: &mut Store,
    ask: &Ask,
    take: &mut (dyn FnMut(Group) -> Result<(), RegisterError> + Send),
) -> Result<(), RegisterError> {
    let (filter, more) = ask.filter(2);
    let mut values = vec![Value::Text(Some(ask.from.to_string())), Value::Text(Some(ask.to.to_string()))];
    values.extend(more);
    let (booked, bought) = (ask.by.sql("c.day"), ask.by.sql("a.purchase_day"));
    let mut sql = format!(
        "SELECT {booked} AS k, c.currency AS cur, c.category AS cat, CAST(SUM(c.minor) AS TEXT) AS v \
         FROM cost c JOIN asset a ON a.stream=c.stream WHERE c.day>=$1 AND c.day<=$2 AND {filter} GROUP BY 1, 2, 3 \
         UNION ALL SELECT {bought}, a.currency, 'acquisition', CAST(SUM(a.cost_minor) AS TEXT) FROM asset a \
         WHERE a.cost_minor IS NOT NULL AND COALESCE(a.purchase_day,$1)>=$1 AND COALESCE(a.purchase_day,$1)<=$2 AND {filter} \
         AND NOT EXISTS (SELECT 1 FROM cost c WHERE c.stream=a.stream AND c.category='acquisition') GROUP BY 1, 2"
    );
    if !ask.by.is_period() {
        sql.push_str(&format!(
            " UNION ALL SELECT {bought}, '', '#', CAST(COUNT(*) AS TEXT) FROM asset a WHERE {filter} GROUP BY 1"
        ));
    }
    sql.push_str(" ORDER BY 1, 2, 3");
    let mut current: Option<Group> = None;
    let (mut counted, mut spent) = (0_u64, false);
    store
        .each(sql, &values, 4, |row| {
            let Ok([Some(key), Some(currency), Some(category), Some(value)]) = <[Option<String>; 4]>::try_from(row)
            else {
                return Ok(());
            };
            let new_key = current.as_ref().is_none_or(|group| group.key != key);
            if new_key || current.as_ref().is_some_and(|group| group.currency != currency) {
                // The count of a key comes first, without a currency; it stands alone only when
                // nothing was spent.
                if let Some(group) = current.take()
                    && (!group.currency.is_empty() || (new_key && !spent))
                {
                    take(group)?;
                }
                if new_key {
                    (counted, spent) = (0, false);
                }
                current = Some(Group { key, currency, assets: counted, costs: Costs::default() });
            }
            let Some(group) = &mut current else { return Ok(()) };
            if category == "#" {
                counted = value.parse().unwrap_or(0);
                group.assets = counted;
                return Ok(());
            }
            spent = true;
            add(&mut group.costs, &category, &value)
        })
        .await?;
    match current.filter(|group| !group.currency.is_empty() || !spent) {
        Some(group) => take(group),
        None => Ok(()),
    }
}

/// Adds a sum as the database gives it.
pub(super) fn add(costs: &mut Costs, category: &str, minor: &str) -> Result<(), RegisterError> {
    let damaged = |why: &str| RegisterError::Damaged { place: "table cost".to_owned(), why: why.to_owned() };
    let category = CostCategory::of_name(category).ok_or_else(|| damaged("a category that is none"))?;
    let minor = minor.parse().map_err(|_| damaged("an amount that has no room in 64 bits"))?;
    costs.add(category, minor).ok_or_else(|| damaged("a sum that has no room in 64 bits"))
}

/// Adds all sums of one to another.
pub(super) fn merge(into: &mut Costs, costs: &Costs) -> Result<(), RegisterError> {
    for (category, minor) in [
        (CostCategory::Acquisition, costs.acquisition),
        (CostCategory::Operational, costs.operational),
        (CostCategory::Maintenance, costs.maintenance),
        (CostCategory::Disposition, costs.disposition),
        (CostCategory::Recovery, costs.recovery),
        (CostCategory::Benefit, costs.benefit),
    ] {
        into.add(category, minor.0).ok_or_else(|| RegisterError::Damaged {
            place: "table cost".to_owned(),
            why: format!("a sum of {} has no room in 64 bits", amount(minor.0.into())),
        })?;
    }
    Ok(())
}
