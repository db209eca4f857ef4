//! Reports and cards as PDF/A-3, with charts.

use serde_json::{Value, json};

use super::cell::{Cell, Head, Tail};
use super::sink::failed;
use super::{Card, Sink, TableSink};
use crate::register::error::RegisterError;
use crate::typeset::{Attached, Document, Relationship};

/// Rows that a PDF shows; all of them are in the CSV it carries as far as it has room.
const MOST_ROWS: usize = 2000;
const REPORT: &str = include_str!("report.typ");
const CARD: &str = include_str!("card.typ");

/// A report as PDF/A-3 that carries its rows as CSV inside.
pub struct PdfSink {
    organization: String,
    table: TableSink,
    /// The file, once the report has ended.
    pub bytes: Vec<u8>,
}

impl PdfSink {
    /// For whom the report is.
    pub fn new(organization: &str) -> PdfSink {
        PdfSink { organization: organization.to_owned(), table: TableSink::new(MOST_ROWS), bytes: Vec::new() }
    }
}

impl Sink for PdfSink {
    fn head(&mut self, head: &Head) -> Result<(), RegisterError> {
        self.table.head(head)
    }

    fn row(&mut self, cells: Vec<Cell>) -> Result<(), RegisterError> {
        self.table.row(cells)
    }

    fn tail(&mut self, tail: &Tail) -> Result<(), RegisterError> {
        self.table.tail(tail)?;
        let Some(head) = &self.table.head else { return Err(failed(&"it has no head")) };
        let mut csv = Vec::new();
        let mut sheet = super::CsvSink::new(&mut csv);
        sheet.head(head)?;
        for row in &self.table.rows {
            sheet.row(row.clone())?;
        }
        sheet.tail(tail)?;
        drop(sheet);
        let shown = |cells: &Vec<Cell>| -> Vec<Value> {
            cells.iter().map(|cell| json!({ "text": cell.shown(), "number": cell.is_number() })).collect()
        };
        let data = json!({
            "organization": self.organization,
            "title": head.title,
            "at": head.at.format("%Y-%m-%d %H:%M UTC").to_string(),
            "asked": head.asked,
            "columns": head.columns.iter().map(|c| c.title).collect::<Vec<_>>(),
            "rows": self.table.rows.iter().map(shown).collect::<Vec<_>>(),
            "more": self.table.more,
            "totals": tail.totals.iter().map(shown).collect::<Vec<_>>(),
            "notes": tail.notes,
            "charts": tail.charts.iter().map(chart).collect::<Vec<_>>(),
        });
        let name = format!("{}.csv", head.report);
        let attached = [Attached {
            name: &name,
            media_type: "text/csv",
            description: "the rows of this report",
            relationship: Relationship::Data,
            bytes: &csv,
        }];
        let document = Document {
            title: &head.title,
            author: &self.organization,
            language: "en",
            at: head.at,
            ident: &format!("{} {} {}", self.organization, head.report, head.at),
            template: REPORT,
            data: &data,
            files: &[],
            attached: &attached,
        };
        self.bytes = document.pdf().map_err(|e| failed(&e))?.bytes;
        Ok(())
    }
}

/// The card of one asset as PDF/A-3 that carries the same as JSON inside.
pub fn card_pdf(card: &Card, at: chrono::DateTime<chrono::Utc>) -> Result<Vec<u8>, RegisterError> {
    let whole = serde_json::to_vec(card).map_err(|e| failed(&e))?;
    let mut data = serde_json::to_value(card).map_err(|e| failed(&e))?;
    data["at"] = json!(at.format("%Y-%m-%d %H:%M UTC").to_string());
    // Figures in the order of the card, each with its names in words.
    let figures: Vec<Value> = card
        .figures
        .iter()
        .map(|(title, row)| {
            let cells = row.as_object().into_iter().flatten().map(|(name, value)| {
                let text = match value {
                    Value::Null => "n/a".to_owned(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                json!([name.replace('_', " "), text])
            });
            json!({ "title": title, "cells": cells.collect::<Vec<_>>() })
        })
        .collect();
    data["figures"] = Value::Array(figures);
    let attached = [Attached {
        name: "card.json",
        media_type: "application/json",
        description: "the whole record, with every event",
        relationship: Relationship::Data,
        bytes: &whole,
    }];
    let title = format!("Audit card {}", card.asset.tag);
    let document = Document {
        title: &title,
        author: &card.organization,
        language: "en",
        at,
        ident: &format!("{} {} {at}", card.organization, card.asset.tag),
        template: CARD,
        data: &data,
        files: &[],
        attached: &attached,
    };
    Ok(document.pdf().map_err(|e| failed(&e))?.bytes)
}

/// Bars in hundredths of the longest.
fn chart(chart: &super::Chart) -> Value {
    let longest = chart.bars.iter().map(|(_, length, _)| *length).max().unwrap_or(0).max(1);
    let bars = chart.bars.iter().map(|(name, length, shown)| {
        let share = u128::from(*length) * 1000 / u128::from(longest);
        json!({ "name": name, "share": u64::try_from(share).unwrap_or(1000), "shown": shown })
    });
    json!({ "title": chart.title, "bars": bars.collect::<Vec<_>>() })
}
