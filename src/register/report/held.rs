//! Assets as the books see them: what each cost, since when it serves, what was booked on it.

use chrono::{Datelike as _, NaiveDate};

use super::Ask;
use super::cost::damaged;
use super::packed::{Fields, packed};
use super::rules::Rules;
use crate::register::error::RegisterError;
use crate::register::metrics::Depreciation;
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
}

/// An asset and the amounts of the period.
pub(super) struct Spent<'a> {
    /// What it is grouped by.
    pub key: &'a str,
    /// Not there yet: the books do not hold it.
    pub ordered: bool,
    /// `None` where it has no price.
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
    /// Whether its day lies in the period.
    within: bool,
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

/// Hands over every asset with a price, and `None` for each without, in the order in which they were added.
/// Assets on order do not count.
pub(super) async fn each_held(
    register: &mut Register,
    ask: &Ask,
    take: &mut (dyn FnMut(Option<Held<'_>>) -> Result<(), RegisterError> + Send),
) -> Result<(), RegisterError> {
    let rules = register.rules().await?;
    let (sql, values) =
        select(ask, " AND c.category='acquisition'", " AND a.stage<>'procurement'", "ORDER BY a.stream");
    register.store.each_text(sql, &values, |row| take(Row::read(row)?.held(&rules)?)).await
}

/// Hands over every asset with what was spent on it in the period; `order` is SQL.
pub(super) async fn each_spent(
    register: &mut Register,
    ask: &Ask,
    order: &str,
    take: &mut (dyn FnMut(Spent<'_>) -> Result<(), RegisterError> + Send),
) -> Result<(), RegisterError> {
    let rules = register.rules().await?;
    let (sql, values) = select(ask, "", "", order);
    let (from, to) = (ask.from.to_string(), ask.to.to_string());
    register.store.each_text(sql, &values, |row| take(Row::read(row)?.spent(&rules, &from, &to)?)).await
}

/// One row an asset: what was booked on it stands in the row, so that neither database sorts the amounts.
fn select(ask: &Ask, of_amounts: &str, of_assets: &str, order: &str) -> (String, Vec<Value>) {
    let (filter, more) = ask.filter(2);
    let mut values = vec![Value::Text(Some(ask.from.to_string())), Value::Text(Some(ask.to.to_string()))];
    values.extend(more);
    let columns = packed(&[
        &ask.by.sql("a.purchase_day"),
        "a.tag",
        "a.category",
        "a.location",
        "a.manufacturer",
        "a.model",
        "CAST(a.cost_minor AS TEXT)",
        "a.currency",
        "a.purchase_day",
        "CAST(a.in_service AS TEXT)",
        "a.closed_day",
        "a.stage",
    ]);
    let sql = format!(
        "SELECT {columns} || COALESCE((SELECT STRING_AGG(CASE WHEN c.day>=$1 AND c.day<=$2 THEN '+' WHEN c.category='acquisition' THEN '-' END \
         || c.category || ' ' || CAST(c.minor AS TEXT) || ' ' || c.currency, ',') FROM cost c WHERE c.stream=a.stream{of_amounts}),'') \
         FROM asset a WHERE {filter}{of_assets} {order}"
    );
    (sql, values)
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
    service: Option<&'a str>,
    closed: Option<&'a str>,
    stage: Option<&'a str>,
    /// Acquisitions of any day, and what else was booked in the period.
    amounts: Vec<Amount<'a>>,
}

impl<'a> Row<'a> {
    fn read(row: &'a str) -> Result<Row<'a>, RegisterError> {
        let mut fields = Fields::of(row);
        Ok(Row {
            key: fields.next()?.unwrap_or_default(),
            tag: fields.next()?.unwrap_or_default(),
            category: fields.next()?,
            location: fields.next()?,
            manufacturer: fields.next()?,
            model: fields.next()?,
            price: fields.next()?.and_then(|minor| minor.parse().ok()).zip(fields.next()?),
            bought: fields.next()?,
            service: fields.next()?,
            closed: fields.next()?,
            stage: fields.next()?,
            amounts: amounts(fields.rest())?,
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
        let served = self.service.and_then(|at| chrono::DateTime::from_timestamp(at.parse().ok()?, 0));
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
        }))
    }

    /// Days are compared as the texts they are.
    fn spent(mut self, rules: &Rules, from: &str, to: &str) -> Result<Spent<'a>, RegisterError> {
        let held = self.held(rules)?;
        let acquired = self.amounts.iter().any(|amount| amount.category == CostCategory::Acquisition);
        self.amounts.retain(|amount| amount.within);
        let bought = self.bought.unwrap_or(from);
        if let Some((minor, currency)) = self.price.filter(|_| !acquired && (from..=to).contains(&bought)) {
            self.amounts.push(Amount { category: CostCategory::Acquisition, minor, currency, within: true });
        }
        Ok(Spent { key: self.key, ordered: self.stage == Some("procurement"), held, amounts: self.amounts })
    }
}

/// `+operational 1250 EUR,-acquisition 99 EUR`: `-` is an acquisition that lies not in the period.
fn amounts(text: &str) -> Result<Vec<Amount<'_>>, RegisterError> {
    let entries = text.split(',').filter(|entry| !entry.is_empty());
    entries.map(Amount::read).collect()
}

impl<'a> Amount<'a> {
    fn read(entry: &'a str) -> Result<Amount<'a>, RegisterError> {
        let mut words = entry.splitn(3, ' ');
        let (Some(category), Some(minor), Some(currency)) = (words.next(), words.next(), words.next()) else {
            return Err(damaged("an amount that is none"));
        };
        let (within, category) = match category.strip_prefix('-') {
            Some(category) => (false, category),
            None => (true, category.strip_prefix('+').unwrap_or(category)),
        };
        Ok(Amount {
            category: CostCategory::of_name(category).ok_or_else(|| damaged("a category that is none"))?,
            minor: minor.parse().map_err(|_| damaged("an amount that has no room in 64 bits"))?,
            currency,
            within,
        })
    }
}
