//! What stands in a report.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::register::metrics::{Ratio, rounded};
use crate::register::{Milli, Money, Whole};

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// How many.
    Count(u64),
    /// Minor units; the currency stands in a column of its own.
    Minor(i128),
    /// A share.
    Percent(Ratio),
    /// Seconds, shown in hours.
    Seconds(Ratio),
    /// A measured value.
    Number(Milli),
    /// Grams, shown in kilograms.
    Grams(i64),
    /// Not available.
    Missing,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name in CSV and JSON.
    pub key: &'static str,
    /// Title for people, with the unit.
    pub title: &'static str,
}

/// What stands before the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Name of the report.
    pub report: &'static str,
    /// Title for people.
    pub title: String,
    /// The time it bears.
    pub at: DateTime<Utc>,
    /// What was asked.
    pub asked: Vec<(String, String)>,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// What stands after the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tail {
    /// Rows of sums, one a currency.
    pub totals: Vec<Vec<Cell>>,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// Charts, for the PDF.
    pub charts: Vec<Chart>,
}

/// A bar chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chart {
    /// Title with the unit.
    pub title: String,
    /// Name, length (never below zero), and the value as it is shown.
    pub bars: Vec<(String, u64, String)>,
}

/// Columns from pairs of name and title.
pub fn columns(pairs: &[(&'static str, &'static str)]) -> Vec<Column> {
    pairs.iter().map(|(key, title)| Column { key, title }).collect()
}

impl Cell {
    /// Words, or not available.
    pub fn text(text: Option<&str>) -> Cell {
        text.map_or(Cell::Missing, |t| Cell::Text(t.to_owned()))
    }

    /// A share, or not available.
    pub fn percent(ratio: Option<Ratio>) -> Cell {
        ratio.map_or(Cell::Missing, Cell::Percent)
    }

    /// Seconds, or not available.
    pub fn seconds(ratio: Option<Ratio>) -> Cell {
        ratio.map_or(Cell::Missing, Cell::Seconds)
    }

    /// For people and for CSV. Not available is `n/a`.
    pub fn shown(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Count(count) => count.to_string(),
            Cell::Minor(minor) => amount(*minor),
            Cell::Percent(ratio) => ratio.percent(),
            Cell::Seconds(ratio) => ratio.times(100).map_or_else(|| "n/a".into(), |s| amount(rounded(s, 3600))),
            Cell::Number(value) => value.to_string(),
            Cell::Grams(grams) => Milli(*grams).to_string(),
            Cell::Missing => "n/a".to_owned(),
        }
    }

    /// For programs: numbers are decimal strings, not available is `null`.
    pub fn json(&self) -> Value {
        match self {
            Cell::Missing => Value::Null,
            Cell::Count(count) => json!(count),
            other => json!(other.shown()),
        }
    }

    /// Numbers stand to the right.
    pub fn is_number(&self) -> bool {
        !matches!(self, Cell::Text(_) | Cell::Missing)
    }
}

impl Chart {
    /// The greatest `most` bars of a chart of amounts; the rest becomes one bar.
    pub fn of_amounts(title: String, mut amounts: Vec<(String, i128)>, most: usize) -> Chart {
        amounts.retain(|(_, minor)| *minor > 0);
        amounts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let rest = amounts.split_off(most.min(amounts.len()));
        if !rest.is_empty() {
            amounts.push((format!("{} others", rest.len()), rest.iter().map(|(_, minor)| minor).sum()));
        }
        let bar = |(name, minor): (String, i128)| (name, u64::try_from(minor).unwrap_or(u64::MAX), amount(minor));
        Chart { title, bars: amounts.into_iter().map(bar).collect() }
    }
}

/// `1234.50`.
pub fn amount(minor: i128) -> String {
    match i64::try_from(minor) {
        Ok(minor) => Money { minor: Whole(minor), currency: String::new() }.amount(),
        Err(_) => "out of range".to_owned(),
    }
}
