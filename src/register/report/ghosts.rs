//! Ghosts, and what they cost a year: taxes, insurance, licences.

use std::collections::BTreeMap;

use super::cell::{Cell, Tail, columns};
use super::held::month_of;
use super::{Ask, Sink};
use crate::register::error::RegisterError;
use crate::register::metrics::rounded;
use crate::register::observe::FindingKind;
use crate::register::store::Value;
use crate::register::{Asset, Register};

pub(super) async fn ghosts(register: &mut Register, ask: &Ask, sink: &mut dyn Sink) -> Result<(), RegisterError> {
    let head = ask.head(
        "ghosts",
        "Ghost assets and what they cost a year",
        columns(&[
            ("asset", "ASSET"),
            ("finding", "FINDING"),
            ("location", "LOCATION"),
            ("since", "FOUND ON"),
            ("currency", "CUR"),
            ("book_value", "BOOK VALUE"),
            ("taxes", "TAXES"),
            ("insurance", "INSURANCE"),
            ("licences", "LICENCES"),
            ("waste", "WASTE A YEAR"),
        ]),
    );
    sink.head(&head)?;
    let (books, rules) = (register.books().await?, register.rules().await?);
    let (filter, more) = ask.filter(1);
    let mut values = vec![Value::Text(Some(FindingKind::GhostOnBooks.name().to_owned()))];
    values.extend(more);
    let sql = format!(
        "SELECT COALESCE(a.tag, f.tag), f.detail, a.location, f.opened_day, a.manufacturer, a.model, a.category, CAST(a.cost_minor AS TEXT), \
         a.currency, a.purchase_day, CAST(a.in_service AS TEXT), s.document \
         FROM finding f LEFT JOIN asset a ON a.stream=f.asset LEFT JOIN state s ON s.stream=f.asset \
         WHERE f.kind=$1 AND f.open_name IS NOT NULL AND {filter} ORDER BY f.stream"
    );
    let now = month_of(ask.to.succ_opt().unwrap_or(ask.to));
    let mut totals: BTreeMap<String, [i128; 5]> = BTreeMap::new();
    let (mut count, mut unpriced) = (0_u64, 0_u64);
    register
        .store
        .each(sql, &values, 12, |row| {
            let Ok(
                [tag, detail, location, since, manufacturer, model, category, cost, currency, bought, served, document],
            ) = <[Option<String>; 12]>::try_from(row)
            else {
                return Ok(());
            };
            count += 1;
            let mut licences: BTreeMap<String, i128> = BTreeMap::new();
            for product in products(document.as_deref()) {
                if let Some(price) = books.licences.get(&product) {
                    *licences.entry(price.currency.clone()).or_default() += i128::from(price.minor.0);
                }
            }
            let rule = rules.of(manufacturer.as_deref(), model.as_deref(), category.as_deref());
            let begin = served
                .and_then(|at| chrono::DateTime::from_timestamp(at.parse().ok()?, 0))
                .map(|at| at.date_naive())
                .or_else(|| bought?.parse().ok());
            let price = cost.and_then(|c| c.parse::<i64>().ok()).zip(currency);
            unpriced += u64::from(price.is_none());
            let head = [
                Cell::text(tag.as_deref()),
                Cell::text(detail.as_deref()),
                Cell::text(location.as_deref()),
                Cell::text(since.as_deref()),
            ];
            let mut line = |currency: &str, book: Option<i64>, cost: Option<i64>, licences: i128| {
                let share =
                    |minor: Option<i64>, bp: u32| minor.map(|m| rounded(i128::from(m) * i128::from(bp), 10_000));
                let (taxes, insurance) = (share(book, books.tax_bp), share(cost, books.insurance_bp));
                let waste = taxes.unwrap_or(0) + insurance.unwrap_or(0) + licences;
                let total = totals.entry(currency.to_owned()).or_default();
                let parts = [book.map_or(0, i128::from), taxes.unwrap_or(0), insurance.unwrap_or(0), licences, waste];
                total.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
                let shown = |minor: Option<i128>| minor.map_or(Cell::Missing, Cell::Minor);
                let mut cells = head.to_vec();
                cells.push(Cell::Text(currency.to_owned()));
                cells.extend([
                    shown(book.map(i128::from)),
                    shown(taxes),
                    shown(insurance),
                    Cell::Minor(licences),
                    Cell::Minor(waste),
                ]);
                sink.row(cells)
            };
            if let Some((cost, currency)) = price {
                let book = begin.map(|begin| rule.value_after(cost, rule.months(month_of(begin), now)));
                let own = licences.remove(&currency).unwrap_or(0);
                line(&currency, book, Some(cost), own)?;
            } else if licences.is_empty() {
                let mut cells = head.to_vec();
                cells.extend(std::iter::repeat_n(Cell::Missing, 6));
                return sink.row(cells);
            }
            // Licences in another currency stand in a line of their own.
            for (currency, minor) in licences {
                line(&currency, None, None, minor)?;
            }
            Ok(())
        })
        .await?;
    let mut tail = Tail::default();
    for (currency, sums) in totals {
        let mut cells =
            vec![Cell::Text("total".to_owned()), Cell::Text(format!("{count} ghosts")), Cell::Missing, Cell::Missing];
        cells.push(Cell::Text(currency));
        cells.extend(sums.into_iter().map(Cell::Minor));
        tail.totals.push(cells);
    }
    let percent =
        |bp: u32| crate::register::metrics::Ratio::of(bp.into(), 10_000).map(|r| r.percent()).unwrap_or_default();
    tail.notes.push(format!(
        "Taxes {} % of the book value and insurance {} % of the price a year; licences at their price a year (lastwrite books).",
        percent(books.tax_bp),
        percent(books.insurance_bp)
    ));
    if unpriced > 0 {
        tail.notes.push(format!("{unpriced} without a price: what they cost is not known."));
    }
    sink.tail(&tail)
}

/// Products of the licences in use on an asset.
fn products(document: Option<&str>) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Shown {
        asset: Asset,
    }
    let Some(document) = document.filter(|text| !text.contains("\"licences\":{}")) else { return Vec::new() };
    serde_json::from_str::<Shown>(document).map(|s| s.asset.licences.into_keys().collect()).unwrap_or_default()
}
