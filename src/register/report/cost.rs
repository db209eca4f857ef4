//! Total cost of ownership.

use std::collections::BTreeMap;

use super::cell::{Cell, Chart, Tail, amount, columns};
use super::group::{By, named};
use super::held::{Amount, Spent, Wanted, each_spent};
use super::sorted::Sorted;
use super::{Ask, Sink};
use crate::register::error::RegisterError;
use crate::register::metrics::Costs;
use crate::register::{CostCategory, Register};

/// A group of one currency.
pub(super) struct Group<'a> {
    /// What it is called.
    pub key: &'a str,
    /// Three letters; empty where nothing was spent.
    pub currency: &'a str,
    /// How many assets; 0 by period.
    pub assets: u64,
    /// The sums.
    pub costs: &'a Costs,
    /// Depreciation of the period and book value at its end, where any is known.
    pub value: Option<(i128, i128)>,
}

/// How many assets are not in the figures of their value.
#[derive(Default)]
pub(super) struct Missing {
    /// Without a price.
    pub unpriced: u64,
    /// Nobody knows since when they are in service.
    pub unknown: u64,
}

/// Takes a group.
pub(super) type Take<'t> = &'t mut (dyn FnMut(Group<'_>) -> Result<(), RegisterError> + Send);

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
    let mut take = |group: Group<'_>| {
        let Group { key, currency, assets, costs, .. } = group;
        if !currency.is_empty() {
            merge(totals.entry(currency.to_owned()).or_default(), costs)?;
            let bars = charts.entry(currency.to_owned()).or_default();
            // Of a million rows a chart shows the greatest.
            bars.push((named(key), costs.tco()));
            if bars.len() > 4096 {
                bars.sort_by_key(|bar| std::cmp::Reverse(bar.1));
                bars.truncate(64);
            }
        }
        sink.row(row(named(key), assets, currency, costs))
    };
    groups(register, ask, Wanted::Amounts, &mut take).await?;
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
    register: &mut Register,
    ask: &Ask,
    wanted: Wanted,
    take: Take<'_>,
) -> Result<Missing, RegisterError> {
    let mut missing = Missing::default();
    let mut groups: BTreeMap<String, Sums> = BTreeMap::new();
    let mut assets = Sorted::default();
    each_spent(register, ask, wanted, &mut |spent| {
        if ask.by == By::Asset {
            let mut sums = Sums::default();
            sums.add(&spent, ask, &mut missing)?;
            return sums.tell(spent.key, &mut |group| assets.push(group));
        }
        if ask.by.is_period() {
            let book = |amount: &Amount<'_>| at_key(&mut groups, ask.by.of_day(amount.day), |sums| sums.book(amount));
            return spent.amounts.iter().try_for_each(book);
        }
        at_key(&mut groups, spent.key, |sums| sums.add(&spent, ask, &mut missing))
    })
    .await?;
    for (key, sums) in &groups {
        sums.tell(key, take)?;
    }
    assets.tell(take).map(|()| missing)
}

/// Adds to the sums of a key; only a new one becomes a text of its own.
fn at_key(
    groups: &mut BTreeMap<String, Sums>,
    key: &str,
    add: impl FnOnce(&mut Sums) -> Result<(), RegisterError>,
) -> Result<(), RegisterError> {
    match groups.get_mut(key) {
        Some(sums) => add(sums),
        None => add(groups.entry(key.to_owned()).or_default()),
    }
}

/// Sums of a key.
#[derive(Default)]
struct Sums {
    assets: u64,
    /// In the order of the currencies.
    of: Vec<OfCurrency>,
}

struct OfCurrency {
    currency: String,
    /// Nothing was booked in a currency in which there is but a value.
    booked: bool,
    costs: Costs,
    value: Option<(i128, i128)>,
}

impl Sums {
    fn add(&mut self, spent: &Spent<'_>, ask: &Ask, missing: &mut Missing) -> Result<(), RegisterError> {
        self.assets += 1;
        spent.amounts.iter().try_for_each(|amount| self.book(amount))?;
        match &spent.held {
            _ if spent.ordered => {}
            None => missing.unpriced += 1,
            Some(held) => match held.of_period(ask) {
                None => missing.unknown += u64::from(held.service.is_none()),
                Some((period, accumulated)) => {
                    let (sum, book) = self.of(held.currency).value.get_or_insert_default();
                    *sum += i128::from(period);
                    *book += i128::from(held.cost) - i128::from(accumulated);
                }
            },
        }
        Ok(())
    }

    fn book(&mut self, amount: &Amount<'_>) -> Result<(), RegisterError> {
        let of = self.of(amount.currency);
        of.booked = true;
        of.costs.add(amount.category, amount.minor).ok_or_else(|| damaged("a sum that has no room in 64 bits"))
    }

    fn of(&mut self, currency: &str) -> &mut OfCurrency {
        let at = match self.of.binary_search_by(|of| of.currency.as_str().cmp(currency)) {
            Ok(at) => at,
            Err(at) => {
                let currency = currency.to_owned();
                self.of.insert(at, OfCurrency { currency, booked: false, costs: Costs::default(), value: None });
                at
            }
        };
        &mut self.of[at]
    }

    fn tell(&self, key: &str, take: Take<'_>) -> Result<(), RegisterError> {
        let assets = self.assets;
        let mut booked = self.of.iter().filter(|of| of.booked).peekable();
        if booked.peek().is_none() {
            return take(Group { key, currency: "", assets, costs: &Costs::default(), value: None });
        }
        booked.try_for_each(|of| take(Group { key, currency: &of.currency, assets, costs: &of.costs, value: of.value }))
    }
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

/// What stands in the table cost cannot be right.
pub(super) fn damaged(why: &str) -> RegisterError {
    RegisterError::Damaged { place: "table cost".to_owned(), why: why.to_owned() }
}
