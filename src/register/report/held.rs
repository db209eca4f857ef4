//! Assets as the books see them: what each cost, since when it serves, what was booked on it.

use chrono::{Datelike as _, NaiveDate};

use super::Ask;
use super::cost::damaged;
use super::group::By;
use super::rules::Rules;
use crate::register::error::RegisterError;
use crate::register::metrics::Depreciation;
use crate::register::packed::Column;
use crate::register::store::Value;
use crate::register::{CostCategory, Register};

/// An asset as the books see it.
pub(super) struct Held<'a> {
    /// What it is grouped by.
    pub key: &'a str,
    /// Tag.
    pub tag: &'a str,
    /// Category.
    pub category: Option<&'a str>,
    /// Location.
    pub location: Option<&'a str>,
    /// What it cost, in minor units.
    pub cost: i64,
    /// Three letters.
    pub currency: &'a str,
    /// Month in which depreciation begins, since the year 0; `None` where that is not known.
    pub service: Option<i64>,
    /// Day on which it was closed.
    pub closed: Option<NaiveDate>,
    /// The rule.
    pub rule: Depreciation,
    /// What it was said to be worth at the end of the period: minor units, three letters.
    pub valuation: Option<(i64, &'a str)>,
}

/// An asset and the amounts of the period.
pub(super) struct Spent<'a> {
    /// What it is grouped by.
    pub key: &'a str,
    /// Not there yet: the books do not hold it.
    pub ordered: bool,
    /// `None` where it has no price, or its value is not asked for.
    pub held: Option<Held<'a>>,
    /// What was booked; the price stands for an acquisition that was not.
    pub amounts: Vec<Amount<'a>>,
}

/// An amount.
pub(super) struct Amount<'a> {
    /// What for.
    pub category: CostCategory,
    /// Minor units.
    pub minor: i64,
    /// Three letters.
    pub currency: &'a str,
    /// On which day; empty where a price has none.
    pub day: &'a str,
}

impl Held<'_> {
    /// Accumulated depreciation when the month of that number begins.
    pub fn accumulated(&self, month: i64) -> Option<i64> {
        let months = self.rule.months(self.service?, month);
        Some(self.cost - self.rule.value_after(self.cost, months))
    }

    /// Depreciation of the period and what is accumulated at its end; `None` where it was closed before
    /// the end, or nobody knows since when it is in service.
    pub fn of_period(&self, ask: &Ask) -> Option<(i64, i64)> {
        if self.closed.is_some_and(|day| day <= ask.to) {
            return None;
        }
        // A month counts when it is over.
        let end = month_of(ask.to.succ_opt()?);
        let (before, after) = (self.accumulated(month_of(ask.from))?, self.accumulated(end)?);
        Some((after - before, after))
    }
}

/// Months since the year 0.
pub(super) fn month_of(day: NaiveDate) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month0())
}

/// What a report needs of an asset.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wanted {
    /// What was booked on it.
    Amounts,
    /// What it is worth by the books.
    Value,
    /// And where it is posted.
    Posting,
    /// Besides its value, what somebody said that it is worth.
    Valuation,
}

/// SQL of the last valuation of `asset a` up to a day: minor units and currency, NULL where there is none. What
/// the books say and what was paid are no valuation.
pub(super) fn valuation(day: &str) -> String {
    format!(
        "(SELECT CONCAT(v.minor,' ',v.currency) FROM valuation v WHERE v.stream=a.stream AND v.day<={day} \
         AND v.basis IN ('market','appraisal','quote') ORDER BY v.day DESC, v.revision DESC LIMIT 1)"
    )
}

/// Reads an amount as [`valuation`] gives it.
pub(super) fn amount(text: &str) -> Option<(i64, &str)> {
    let (minor, currency) = text.split_once(' ')?;
    Some((minor.parse().ok()?, currency))
}

/// Hands over every asset with a price, and `None` for each without, in the order in which they were added.
/// Assets on order do not count.
pub(super) async fn each_held(
    register: &mut Register,
    ask: &Ask,
    wanted: Wanted,
    take: &mut (dyn FnMut(Option<Held<'_>>) -> Result<(), RegisterError> + Send),
) -> Result<(), RegisterError> {
    let rules = register.rules().await?;
    let mut values = Vec::new();
    if wanted == Wanted::Valuation {
        values.push(Value::Text(Some(ask.to.to_string())));
    }
    let (filter, more) = ask.filter(values.len());
    values.extend(more);
    let columns = columns(ask.by, wanted, "c.category='acquisition'");
    let filter = format!("{filter} AND a.stage<>'procurement'");
    register.store.each_packed(&columns, &filter, &values, |row| take(Row::read(row)?.held(&rules)?)).await
}

/// Hands over every asset with what was spent on it in the period, in the order in which they were added.
pub(super) async fn each_spent(
    register: &mut Register,
    ask: &Ask,
    wanted: Wanted,
    take: &mut (dyn FnMut(Spent<'_>) -> Result<(), RegisterError> + Send),
) -> Result<(), RegisterError> {
    let rules = if wanted == Wanted::Amounts { None } else { Some(register.rules().await?) };
    let (from, to) = (ask.from.to_string(), ask.to.to_string());
    let (filter, more) = ask.filter(2);
    let mut values = vec![Value::Text(Some(from.clone())), Value::Text(Some(to.clone()))];
    values.extend(more);
    // Acquisitions of any day: where one was booked, the price is none.
    let columns = columns(ask.by, wanted, "(c.day>=$1 AND c.day<=$2 OR c.category='acquisition')");
    let rules = rules.as_ref();
    register.store.each_packed(&columns, &filter, &values, |row| take(Row::read(row)?.spent(rules, &from, &to)?)).await
}

/// One row an asset: what was booked on it stands in the row, so that neither database sorts the amounts.
fn columns(by: By, wanted: Wanted, amounts: &str) -> [Column; 14] {
    let (value, posting) = (wanted != Wanted::Amounts, wanted == Wanted::Posting);
    let amounts = format!(
        "(SELECT STRING_AGG(c.category || ' ' || c.minor || ' ' || c.currency || ' ' || c.day,',') FROM cost c \
         WHERE c.stream=a.stream AND {amounts})"
    );
    [
        // What was spent in a period has its key from its own day.
        Column::text(value || !by.is_period(), &by.sql("a.purchase_day")),
        Column::text(posting, "a.tag"),
        Column::text(value, "a.category"),
        Column::text(posting, "a.location"),
        Column::text(value, "a.manufacturer"),
        Column::text(value, "a.model"),
        Column::whole(true, "a.cost_minor"),
        Column::text(true, "a.currency"),
        Column::text(true, "a.purchase_day"),
        Column::whole(value, "a.in_service"),
        Column::text(value, "a.closed_day"),
        Column::whole(value, "CASE WHEN a.stage='procurement' THEN 1 END"),
        Column::text(wanted == Wanted::Valuation, &valuation("$1")),
        Column::Text(amounts),
    ]
}

/// A row as it was selected.
struct Row<'a> {
    key: &'a str,
    tag: &'a str,
    category: Option<&'a str>,
    location: Option<&'a str>,
    manufacturer: Option<&'a str>,
    model: Option<&'a str>,
    /// Minor units and currency.
    price: Option<(i64, &'a str)>,
    bought: Option<&'a str>,
    service: Option<i64>,
    closed: Option<&'a str>,
    ordered: bool,
    valuation: Option<(i64, &'a str)>,
    /// Acquisitions of any day, and what else was booked in the period.
    amounts: Vec<Amount<'a>>,
}

impl<'a> Row<'a> {
    fn read(row: [Option<&'a str>; 14]) -> Result<Row<'a>, RegisterError> {
        let [key, tag, category, location, manufacturer, model, cost, currency, bought, service, closed, rest @ ..] =
            row;
        let [ordered, valuation, amounts] = rest;
        Ok(Row {
            key: key.unwrap_or_default(),
            tag: tag.unwrap_or_default(),
            category,
            location,
            manufacturer,
            model,
            price: cost.and_then(|minor| minor.parse().ok()).zip(currency),
            bought,
            service: service.and_then(|at| at.parse().ok()),
            closed,
            ordered: ordered.is_some(),
            valuation: valuation.and_then(amount),
            amounts: match amounts {
                Some(text) => text.split(',').map(Amount::read).collect::<Result<_, _>>()?,
                None => Vec::new(),
            },
        })
    }

    /// What was booked as acquisition, in minor units of one currency; `None` where nothing was, or in several.
    fn acquired(&self) -> Result<Option<(i64, &'a str)>, RegisterError> {
        let mut sum: Option<(i64, &str)> = None;
        for amount in self.amounts.iter().filter(|amount| amount.category == CostCategory::Acquisition) {
            let (minor, currency) = sum.unwrap_or((0, amount.currency));
            if currency != amount.currency {
                return Ok(None);
            }
            let minor = minor.checked_add(amount.minor).ok_or_else(|| damaged("a sum that has no room in 64 bits"))?;
            sum = Some((minor, currency));
        }
        Ok(sum)
    }

    /// What was booked as acquisition is the cost; the price where nothing was booked.
    fn held(&self, rules: &Rules) -> Result<Option<Held<'a>>, RegisterError> {
        let Some((cost, currency)) = self.acquired()?.or(self.price) else { return Ok(None) };
        let served = self.service.and_then(|at| chrono::DateTime::from_timestamp(at, 0));
        let begin = served.map(|at| at.date_naive()).or_else(|| self.bought?.parse().ok());
        Ok(Some(Held {
            key: self.key,
            tag: self.tag,
            category: self.category,
            location: self.location,
            cost,
            currency,
            service: begin.map(month_of),
            closed: self.closed.and_then(|day| day.parse().ok()),
            rule: rules.of(self.manufacturer, self.model, self.category),
            valuation: self.valuation,
        }))
    }

    /// Days are compared as the texts they are.
    fn spent(mut self, rules: Option<&Rules>, from: &str, to: &str) -> Result<Spent<'a>, RegisterError> {
        let held = rules.map(|rules| self.held(rules)).transpose()?.flatten();
        let acquired = self.amounts.iter().any(|amount| amount.category == CostCategory::Acquisition);
        self.amounts.retain(|amount| (from..=to).contains(&amount.day));
        let bought = self.bought.unwrap_or(from);
        if let Some((minor, currency)) = self.price.filter(|_| !acquired && (from..=to).contains(&bought)) {
            let day = self.bought.unwrap_or_default();
            self.amounts.push(Amount { category: CostCategory::Acquisition, minor, currency, day });
        }
        Ok(Spent { key: self.key, ordered: self.ordered, held, amounts: self.amounts })
    }
}

impl<'a> Amount<'a> {
    /// `operational 1250 EUR 2025-05-01`
    fn read(entry: &'a str) -> Result<Amount<'a>, RegisterError> {
        let mut words = entry.splitn(4, ' ');
        let (Some(category), Some(minor), Some(currency), Some(day)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(damaged("an amount that is none"));
        };
        Ok(Amount {
            category: CostCategory::of_name(category).ok_or_else(|| damaged("a category that is none"))?,
            minor: minor.parse().map_err(|_| damaged("an amount that has no room in 64 bits"))?,
            currency,
            day,
        })
    }
}
