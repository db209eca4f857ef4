//! Journal lines of a month for the books of an ERP: depreciation and disposal.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Deserialize;

use super::cell::{Cell, Tail, columns};
use super::disposal::each_closed;
use super::held::{Wanted, each_held, month_of};
use super::{Ask, Sink};
use crate::register::error::RegisterError;
use crate::register::{Refusal, Register};

/// Accounts of one chart. What is left out of a category is as for all others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountChart {
    /// Cost of the assets.
    pub asset: Option<String>,
    /// Accumulated depreciation.
    pub accumulated_depreciation: Option<String>,
    /// Depreciation as an expense.
    pub depreciation: Option<String>,
    /// Proceeds less selling costs, both of which were posted when they were invoiced.
    pub clearing: Option<String>,
    /// Gain on disposal.
    pub gain: Option<String>,
    /// Loss on disposal.
    pub loss: Option<String>,
    /// Cost centre; left out: the asset's location.
    pub cost_center: Option<String>,
}

/// Which account an amount goes to (a TOML file; see `docs/reports.md`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// For all assets.
    pub accounts: AccountChart,
    /// By category.
    pub category: BTreeMap<String, AccountChart>,
}

/// What an amount is.
#[derive(Clone, Copy)]
enum Part {
    Asset,
    Accumulated,
    Depreciation,
    Clearing,
    Gain,
    Loss,
}

impl Accounts {
    /// Reads a mapping file.
    pub fn parse(text: &str) -> Result<Accounts, String> {
        toml::from_str(text).map_err(|e| e.to_string())
    }

    fn account(&self, category: Option<&str>, part: Part) -> String {
        let of = |chart: &AccountChart| match part {
            Part::Asset => chart.asset.clone(),
            Part::Accumulated => chart.accumulated_depreciation.clone(),
            Part::Depreciation => chart.depreciation.clone(),
            Part::Clearing => chart.clearing.clone(),
            Part::Gain => chart.gain.clone(),
            Part::Loss => chart.loss.clone(),
        };
        let name = match part {
            Part::Asset => "asset",
            Part::Accumulated => "accumulated_depreciation",
            Part::Depreciation => "depreciation",
            Part::Clearing => "clearing",
            Part::Gain => "gain",
            Part::Loss => "loss",
        };
        let own = category.and_then(|c| self.category.get(c)).and_then(of);
        own.or_else(|| of(&self.accounts)).unwrap_or_else(|| name.to_owned())
    }

    fn center(&self, category: Option<&str>, location: Option<&str>) -> Cell {
        let own = category.and_then(|c| self.category.get(c)).and_then(|chart| chart.cost_center.as_deref());
        Cell::text(own.or(self.accounts.cost_center.as_deref()).or(location))
    }
}

struct Entry<'a> {
    day: NaiveDate,
    document: String,
    tag: &'a str,
    category: Option<&'a str>,
    location: Option<&'a str>,
    currency: &'a str,
    words: String,
}

impl Register {
    /// The lines of the month in which `ask.from` lies; each document balances.
    pub async fn journal(&mut self, ask: &Ask, accounts: &Accounts, sink: &mut dyn Sink) -> Result<(), RegisterError> {
        let ask = &self.seen(ask);
        self.store.begin_reading().await?;
        let done = self.journal_lines(ask, accounts, sink).await;
        self.store.end_reading().await;
        done
    }

    async fn journal_lines(
        &mut self,
        ask: &Ask,
        accounts: &Accounts,
        sink: &mut dyn Sink,
    ) -> Result<(), RegisterError> {
        let head = ask.head(
            "journal",
            "Journal lines of depreciation and disposal",
            columns(&[
                ("date", "DATE"),
                ("document", "DOCUMENT"),
                ("account", "ACCOUNT"),
                ("debit", "DEBIT"),
                ("credit", "CREDIT"),
                ("currency", "CUR"),
                ("cost_center", "COST CENTRE"),
                ("asset_tag", "ASSET"),
                ("text", "TEXT"),
            ]),
        );
        sink.head(&head)?;
        let (month, next) = (month_of(ask.from), ask.to.succ_opt().map_or(0, month_of));
        if next != month + 1 || ask.from.to_string().get(8..) != Some("01") {
            return Err(Refusal::rule("journal lines are made for one whole month").hint("--month 2026-03").into());
        }
        let mut sums: BTreeMap<String, [i128; 2]> = BTreeMap::new();
        let mut left_out = 0_u64;
        each_held(self, ask, Wanted::Posting, &mut |held| {
            let Some(held) = held else { return Ok(()) };
            // The month of disposal is not depreciated: gain or loss takes it up.
            if held.closed.is_some_and(|day| day <= ask.to) {
                return Ok(());
            }
            let Some((before, after)) = held.accumulated(month).zip(held.accumulated(next)) else {
                left_out += 1;
                return Ok(());
            };
            if after == before {
                return Ok(());
            }
            let entry = Entry {
                day: ask.to,
                document: format!("DEP-{}-{}", ask.from.format("%Y%m"), held.tag),
                tag: held.tag,
                category: held.category,
                location: held.location,
                currency: held.currency,
                words: "depreciation of the month".to_owned(),
            };
            let amount = i128::from(after - before);
            post(sink, accounts, &entry, &[(Part::Depreciation, amount), (Part::Accumulated, -amount)], &mut sums)
        })
        .await?;
        each_closed(self, ask, &mut |closed| {
            let Some(money) = closed.money.as_ref().filter(|_| closed.route.is_some()) else { return Ok(()) };
            let Some((accumulated, gain)) = money.accumulated.zip(money.gain()) else {
                left_out += 1;
                return Ok(());
            };
            let entry = Entry {
                day: closed.day,
                document: format!("DIS-{}-{}", closed.day.format("%Y%m%d"), closed.tag),
                tag: &closed.tag,
                category: closed.category.as_deref(),
                location: closed.location.as_deref(),
                currency: &money.currency,
                words: format!("disposal by {}", closed.route.map_or("", |r| r.name())),
            };
            let lines = [
                (Part::Accumulated, i128::from(accumulated)),
                (Part::Clearing, i128::from(money.proceeds) - i128::from(money.selling)),
                (Part::Asset, -i128::from(money.cost)),
                if gain >= 0 { (Part::Gain, -i128::from(gain)) } else { (Part::Loss, -i128::from(gain)) },
            ];
            post(sink, accounts, &entry, &lines, &mut sums)
        })
        .await?;
        let mut tail = Tail::default();
        for (currency, [debit, credit]) in sums {
            let mut cells = vec![Cell::Text("total".to_owned()), Cell::Missing, Cell::Missing];
            cells.extend([Cell::Minor(debit), Cell::Minor(credit), Cell::Text(currency)]);
            cells.extend(std::iter::repeat_n(Cell::Missing, 3));
            tail.totals.push(cells);
        }
        if left_out > 0 {
            tail.notes.push(format!("{left_out} of which nobody knows since when they are in service have no lines."));
        }
        sink.tail(&tail)
    }
}

/// Debits are above zero, credits below; together they are zero, or nothing is written.
fn post(
    sink: &mut dyn Sink,
    accounts: &Accounts,
    entry: &Entry<'_>,
    lines: &[(Part, i128)],
    sums: &mut BTreeMap<String, [i128; 2]>,
) -> Result<(), RegisterError> {
    if lines.iter().map(|(_, amount)| amount).sum::<i128>() != 0 {
        let why = "debit and credit are not the same".to_owned();
        return Err(RegisterError::Damaged { place: format!("journal document {}", entry.document), why });
    }
    for (part, amount) in lines.iter().filter(|(_, amount)| *amount != 0) {
        let side = usize::from(*amount < 0);
        sums.entry(entry.currency.to_owned()).or_default()[side] += amount.abs();
        let mut cells = vec![
            Cell::Text(entry.day.to_string()),
            Cell::Text(entry.document.clone()),
            Cell::Text(accounts.account(entry.category, *part)),
            Cell::Missing,
            Cell::Missing,
            Cell::Text(entry.currency.to_owned()),
            accounts.center(entry.category, entry.location),
            Cell::Text(entry.tag.to_owned()),
            Cell::Text(entry.words.clone()),
        ];
        cells[3 + side] = Cell::Minor(amount.abs());
        sink.row(cells)?;
    }
    Ok(())
}
