//! What left: by which route, with what mass, what it brought and what it gained or lost.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;

use super::cell::{Cell, Chart, Tail, columns};
use super::held::{amount, month_of, valuation};
use super::rules::Rules;
use super::{Ask, Sink};
use crate::register::error::RegisterError;
use crate::register::metrics::{Depreciation, Ratio, gain_or_loss};
use crate::register::store::Value;
use crate::register::{Lot, Register, Route};

/// A closed asset.
pub(super) struct Closed {
    pub tag: String,
    pub category: Option<String>,
    pub location: Option<String>,
    /// None: the order was cancelled.
    pub route: Option<Route>,
    pub vendor: Option<String>,
    pub day: NaiveDate,
    /// Its disposal order.
    pub lot: Option<String>,
    pub grams: Option<i64>,
    /// Of which went to landfill; what is used on goes to none.
    pub landfill: Option<i64>,
    /// Its currency and amounts; `None` where there are none or they are of several currencies.
    pub money: Option<Money>,
}

/// In minor units of one currency.
pub(super) struct Money {
    pub currency: String,
    pub cost: i64,
    /// Accumulated depreciation when it was closed; `None` where its beginning is not known.
    pub accumulated: Option<i64>,
    pub proceeds: i64,
    pub selling: i64,
    /// What it was said to be worth before it was closed.
    pub valuation: Option<i64>,
}

impl Money {
    /// Above zero a gain.
    pub fn gain(&self) -> Option<i64> {
        Some(gain_or_loss(self.proceeds, self.selling, self.cost.checked_sub(self.accumulated?)?))
    }
}

#[derive(Default)]
struct Sums {
    assets: u64,
    weighed: u64,
    grams: i64,
    landfill_known: i64,
    landfill: i64,
    proceeds: i128,
    selling: i128,
    book: i128,
    gain: i128,
    /// Those with a valuation: how many, what they were said to be worth, and what they brought.
    valued: u64,
    valuation: i128,
    recovered: i128,
    priced: bool,
    unknown_book: bool,
}

pub(super) async fn disposal(register: &mut Register, ask: &Ask, sink: &mut dyn Sink) -> Result<(), RegisterError> {
    let head = ask.head(
        "disposal",
        "Disposal by route",
        columns(&[
            ("route", "ROUTE"),
            ("vendor", "VENDOR"),
            ("assets", "ASSETS"),
            ("weighed", "WEIGHED"),
            ("kg", "KG"),
            ("landfill_kg", "LANDFILL KG"),
            ("diversion_percent", "DIVERTED %"),
            ("currency", "CUR"),
            ("proceeds", "PROCEEDS"),
            ("selling_costs", "COSTS"),
            ("book_value", "BOOK VALUE"),
            ("gain_or_loss", "GAIN OR LOSS"),
            ("valued", "VALUED"),
            ("valuation", "VALUATION"),
            ("recovered_percent", "RECOVERED %"),
        ]),
    );
    sink.head(&head)?;
    let mut groups: BTreeMap<(String, String, String), Sums> = BTreeMap::new();
    let lots = register.lots().await?;
    let (mut all, mut mass) = (Sums::default(), BTreeMap::<String, i128>::new());
    each_closed(register, ask, &mut |mut closed| {
        by_lot(&mut closed, &lots);
        let route = closed.route.map_or("cancelled", Route::name).to_owned();
        *mass.entry(route.clone()).or_default() += i128::from(closed.grams.unwrap_or(0));
        let currency = closed.money.as_ref().map(|m| m.currency.clone()).unwrap_or_default();
        let key = (route, closed.vendor.clone().unwrap_or_default(), currency);
        add(groups.entry(key).or_default(), &closed);
        if closed.route.is_some() {
            add(&mut all, &closed);
        }
        Ok(())
    })
    .await?;
    for ((route, vendor, currency), sums) in &groups {
        sink.row(cells(route, vendor, currency, sums))?;
    }
    let mut tail = Tail::default();
    tail.totals.push(cells("total", "", "", &all));
    let bars: Vec<_> = mass
        .iter()
        .filter(|(_, grams)| **grams > 0)
        .map(|(route, grams)| {
            let grams = i64::try_from(*grams).unwrap_or(i64::MAX);
            (route.clone(), u64::try_from(grams).unwrap_or(0), format!("{} kg", Cell::Grams(grams).shown()))
        })
        .collect();
    tail.charts.extend((!bars.is_empty()).then(|| Chart { title: "Mass by route".to_owned(), bars }));
    if all.weighed < all.assets {
        tail.notes.push(format!("{} of {} assets have no mass on record.", all.assets - all.weighed, all.assets));
    }
    tail.notes.push("What is sold, given away or returned is used on and goes to no landfill. Diverted = mass that did not go to landfill / mass of which it is known where it went. Recovered = proceeds / valuation: the last by market, appraisal or quote before the closure, of the assets that have one.".to_owned());
    sink.tail(&tail)
}

/// What the recycler weighed holds for the whole lot: each of its assets has a share, by the weights of the
/// lines where all have one, else an equal one. Until then an asset weighs what its line says.
fn by_lot(closed: &mut Closed, lots: &HashMap<String, Lot>) {
    let Some(lot) = closed.lot.as_ref().and_then(|number| lots.get(number)) else { return };
    let at = lot.lines.iter().position(|line| line.tag == closed.tag);
    closed.grams = closed.grams.or_else(|| lot.lines.get(at?)?.weight_g.map(i64::from));
    let used_on = matches!(closed.route, Some(Route::Resale | Route::Donation | Route::LeaseReturn));
    let (Some(weights), Some(at)) = (&lot.weights, at) else {
        closed.landfill = closed.grams.filter(|_| used_on).map(|_| 0);
        return;
    };
    let lines: Vec<Option<i64>> = lot.lines.iter().map(|line| line.weight_g.map(i64::from)).collect();
    closed.grams = weights.total_g().and_then(|total| share(total, &lines, at));
    closed.landfill = share(weights.landfill_g.0, &lines, at);
}

/// The part of `total` that falls to the line at `at`. The parts of all lines together are `total` exactly.
fn share(total: i64, lines: &[Option<i64>], at: usize) -> Option<i64> {
    let known = lines.iter().all(|grams| grams.is_some_and(|grams| grams > 0));
    let weight = |grams: &Option<i64>| i128::from(grams.filter(|_| known).unwrap_or(1));
    let all: i128 = lines.iter().map(weight).sum();
    let before: i128 = lines.get(..at)?.iter().map(weight).sum();
    let upto = before + weight(lines.get(at)?);
    i64::try_from(i128::from(total) * upto / all - i128::from(total) * before / all).ok()
}

fn add(sums: &mut Sums, closed: &Closed) {
    sums.assets += 1;
    if let Some(grams) = closed.grams {
        sums.weighed += 1;
        sums.grams = sums.grams.saturating_add(grams);
        if let Some(landfill) = closed.landfill {
            sums.landfill_known = sums.landfill_known.saturating_add(grams);
            sums.landfill = sums.landfill.saturating_add(landfill);
        }
    }
    let Some(money) = &closed.money else { return };
    sums.priced = true;
    sums.proceeds += i128::from(money.proceeds);
    sums.selling += i128::from(money.selling);
    if let Some(valuation) = money.valuation {
        sums.valued += 1;
        sums.valuation += i128::from(valuation);
        sums.recovered += i128::from(money.proceeds);
    }
    match (money.gain(), money.accumulated) {
        (Some(gain), Some(accumulated)) => {
            sums.gain += i128::from(gain);
            sums.book += i128::from(money.cost) - i128::from(accumulated);
        }
        _ => sums.unknown_book = true,
    }
}

fn cells(route: &str, vendor: &str, currency: &str, sums: &Sums) -> Vec<Cell> {
    let money = |minor: i128| if sums.priced && !currency.is_empty() { Cell::Minor(minor) } else { Cell::Missing };
    let book = |minor: i128| if sums.unknown_book { Cell::Missing } else { money(minor) };
    let known = i128::from(sums.landfill_known);
    vec![
        Cell::Text(route.to_owned()),
        Cell::text(Some(vendor).filter(|v| !v.is_empty())),
        Cell::Count(sums.assets),
        Cell::Count(sums.weighed),
        if sums.weighed > 0 { Cell::Grams(sums.grams) } else { Cell::Missing },
        if sums.landfill_known > 0 { Cell::Grams(sums.landfill) } else { Cell::Missing },
        Cell::percent(Ratio::of(known - i128::from(sums.landfill), known)),
        Cell::text(Some(currency).filter(|c| !c.is_empty())),
        money(sums.proceeds),
        money(sums.selling),
        book(sums.book),
        book(sums.gain),
        Cell::Count(sums.valued),
        if sums.valued > 0 { money(sums.valuation) } else { Cell::Missing },
        if currency.is_empty() { Cell::Missing } else { Cell::percent(Ratio::of(sums.recovered, sums.valuation)) },
    ]
}

/// Hands over every asset that was closed in the period, in the order of their records.
pub(super) async fn each_closed(
    register: &mut Register,
    ask: &Ask,
    take: &mut (dyn FnMut(Closed) -> Result<(), RegisterError> + Send),
) -> Result<(), RegisterError> {
    let rules = register.rules().await?;
    let (filter, more) = ask.filter(2);
    let mut values = vec![Value::Text(Some(ask.from.to_string())), Value::Text(Some(ask.to.to_string()))];
    values.extend(more);
    // An amount with its currency; none where there are several.
    let sum = |category: &str| {
        format!(
            "(SELECT CAST(SUM(c.minor) AS TEXT) || ' ' || MIN(c.currency) FROM cost c WHERE c.stream=a.stream \
             AND c.category='{category}' HAVING MIN(c.currency)=MAX(c.currency))"
        )
    };
    let sql = format!(
        "SELECT a.tag, a.category, a.location, a.route, a.vendor, a.lot, a.manufacturer, a.model, a.closed_day, CAST(a.grams AS TEXT), \
         CAST(a.cost_minor AS TEXT), a.currency, a.purchase_day, CAST(a.in_service AS TEXT), {}, {}, {}, {} \
         FROM asset a WHERE a.closed_day>=$1 AND a.closed_day<=$2 AND {filter} ORDER BY a.stream",
        sum("acquisition"),
        sum("recovery"),
        sum("disposition"),
        valuation("a.closed_day")
    );
    register
        .store
        .each(sql, &values, 18, |row| {
            let Ok(row) = <[Option<String>; 18]>::try_from(row) else { return Ok(()) };
            closed(row, &rules).map_or(Ok(()), &mut *take)
        })
        .await
}

fn closed(row: [Option<String>; 18], rules: &Rules) -> Option<Closed> {
    let [
        tag,
        category,
        location,
        route,
        vendor,
        lot,
        manufacturer,
        model,
        day,
        grams,
        price,
        currency,
        bought,
        served,
        acquired,
        recovered,
        disposed,
        valued,
    ] = row;
    let day: NaiveDate = day?.parse().ok()?;
    let route = route.as_deref().and_then(Route::of_name);
    let grams = grams.and_then(|g| g.parse().ok());
    let used_on = matches!(route, Some(Route::Resale | Route::Donation | Route::LeaseReturn));
    let rule = rules.of(manufacturer.as_deref(), model.as_deref(), category.as_deref());
    let begin = served
        .and_then(|at| chrono::DateTime::from_timestamp(at.parse().ok()?, 0))
        .map(|at| at.date_naive())
        .or_else(|| bought?.parse().ok());
    let price = price.and_then(|p| p.parse::<i64>().ok()).zip(currency);
    let money = money(price, [acquired, recovered, disposed, valued], rule, begin, day);
    let landfill = if used_on { grams.map(|_| 0) } else { None };
    Some(Closed { tag: tag?, category, location, route, vendor, lot, day, grams, landfill, money })
}

fn money(
    price: Option<(i64, String)>,
    [acquired, recovered, disposed, valued]: [Option<String>; 4],
    rule: Depreciation,
    begin: Option<NaiveDate>,
    day: NaiveDate,
) -> Option<Money> {
    let read = |text: Option<String>| {
        let (minor, currency) = amount(text.as_deref()?)?;
        Some((minor, currency.to_owned()))
    };
    let (recovered, disposed) = (read(recovered), read(disposed));
    let (cost, currency) = read(acquired).or(price)?;
    let of = |amount: Option<(i64, String)>| match amount {
        None => Some(0),
        Some((minor, other)) if other == currency => Some(minor),
        Some(_) => None,
    };
    let valuation = read(valued).filter(|(_, other)| *other == currency).map(|(minor, _)| minor);
    let accumulated = begin.map(|begin| cost - rule.value_after(cost, rule.months(month_of(begin), month_of(day))));
    Some(Money { proceeds: of(recovered)?, selling: of(disposed)?, cost, accumulated, currency, valuation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_a_lot_are_its_mass() {
        for lines in [vec![None; 3], vec![Some(1400), None, Some(0)], vec![Some(1400), Some(600), Some(1)]] {
            let shares: Vec<i64> = (0..3).map(|at| share(10_000, &lines, at).unwrap()).collect();
            assert_eq!(shares.iter().sum::<i64>(), 10_000, "{shares:?}");
        }
        assert_eq!(share(10_000, &[Some(3000), Some(1000)], 0), Some(7500));
        assert_eq!(share(9, &[None, None], 1), Some(5));
        assert_eq!(share(9, &[None], 1), None);
    }
}
