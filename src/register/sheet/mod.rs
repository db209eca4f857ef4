//! Spreadsheets in and out: CSV and workbooks with the headers people have (Snipe-IT's keys).

mod mapping;
mod read;
mod write;

pub use mapping::Mapping;
pub use read::Sheet;
pub use write::{export_csv, export_xlsx};

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::Register;
use super::act::{Act, AssetClass, DataClass, Details};
use super::asset::Asset;
use super::error::{Refusal, RegisterError};
use super::number::Money;
use super::stage::Stage;
use super::work::Work;
use crate::signed::StationKey;

/// Our columns in the order of export; any other column is the organization's own.
const COLUMNS: [&str; 20] = [
    "asset_tag",
    "serial",
    "item_name",
    "asset_model",
    "model_number",
    "manufacturer",
    "category",
    "status",
    "company",
    "location",
    "supplier",
    "order_number",
    "purchase_date",
    "purchase_cost",
    "warranty_months",
    "asset_eol_date",
    "asset_notes",
    "full_name",
    "data_class",
    "class",
];
/// The longest cell that is taken, in bytes.
const MAX_CELL: usize = 64 * 1024;
/// Rows stored at a time, inside the one transaction.
const CHUNK: usize = 1024;
/// The most row errors, and notes, that are told.
const MAX_ERRORS: usize = 100;

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Assets added; with errors none.
    pub added: usize,
    /// Rows that cannot be taken. One is enough to take none.
    pub errors: Vec<RowError>,
    /// What a person should know: rows that begin elsewhere than the sheet says.
    pub notes: Vec<RowError>,
}

/// A word about one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// Line of the file, from 1; the header is line 1.
    pub line: u64,
    /// Column, where it is about one.
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// How a sheet is imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// For rows that name none.
    pub data_class: DataClass,
    /// Headers and words of another system.
    pub mapping: Mapping,
    /// Say what would happen and change nothing.
    pub dry_run: bool,
}

impl Register {
    /// Adds an asset for each row: all of them, or none. The sheet is read twice, so that a million
    /// rows need not be held.
    pub async fn import_sheet(
        &mut self,
        key: &StationKey,
        sheet: &Sheet,
        options: &ImportOptions,
    ) -> Result<ImportReport, RegisterError> {
        let mut report = ImportReport::default();
        let headers = headers(sheet, options, &mut report);
        if report.errors.is_empty() {
            let lines = tags(sheet, &headers, options, &mut report);
            self.refuse_taken(&lines, &mut report).await?;
            report.added = lines.len();
        }
        report.errors.sort_by_key(|e| e.line);
        report.errors.truncate(MAX_ERRORS);
        report.notes.truncate(MAX_ERRORS);
        if options.dry_run || !report.errors.is_empty() {
            report.added = 0;
            return Ok(report);
        }
        self.store.fill(true).await;
        let added = self.run(key, async |work: &mut Work<'_>| {
            let mut unflushed = 0;
            for (line, cells) in sheet.rows() {
                let mut again = ImportReport::default();
                let Some(act) = act_of(line, cells, &headers, options, &mut again) else {
                    let why = "the sheet reads differently the second time".to_owned();
                    return Err(RegisterError::Damaged { place: format!("line {line} of the sheet"), why });
                };
                work.add_untaken(act).await?;
                unflushed += 1;
                if unflushed == CHUNK {
                    work.flush().await?;
                    unflushed = 0;
                }
            }
            Ok(())
        });
        let added = added.await;
        self.store.fill(false).await;
        added.map(|()| report)
    }

    async fn refuse_taken(
        &mut self,
        lines: &HashMap<String, u64>,
        report: &mut ImportReport,
    ) -> Result<(), RegisterError> {
        let tags: Vec<&str> = lines.keys().map(String::as_str).collect();
        for chunk in tags.chunks(256) {
            for tag in self.store.tags_among(chunk).await? {
                let line = lines.get(tag.as_str()).copied().unwrap_or(0);
                report.error(line, "asset_tag", format!("{tag:?} stands in the register already"));
            }
        }
        Ok(())
    }
}

impl ImportReport {
    fn error(&mut self, line: u64, column: &str, message: String) {
        self.errors.push(RowError { line, column: Some(column.to_owned()), message });
    }
}

/// Our name of each column; `None` for those that are left out.
fn headers(sheet: &Sheet, options: &ImportOptions, report: &mut ImportReport) -> Vec<Option<String>> {
    let headers: Vec<Option<String>> = sheet.headers().iter().map(|h| options.mapping.header(h)).collect();
    let twice = headers.iter().enumerate().find(|(i, h)| h.is_some() && headers[..*i].contains(h));
    if let Some((_, Some(name))) = twice {
        report.error(1, name, "the column stands twice".to_owned());
    } else if !headers.iter().flatten().any(|h| h == "asset_tag") {
        report.error(1, "asset_tag", "the sheet has no such column".to_owned());
    }
    headers
}

/// Checks every row. Returns the line of each tag.
fn tags(
    sheet: &Sheet,
    headers: &[Option<String>],
    options: &ImportOptions,
    report: &mut ImportReport,
) -> HashMap<String, u64> {
    let mut lines: HashMap<String, u64> = HashMap::new();
    for (line, cells) in sheet.rows() {
        if report.errors.len() > MAX_ERRORS {
            break;
        }
        let Some(Act::AssetAdded { tag, .. }) = act_of(line, cells, headers, options, report) else { continue };
        if let Some(first) = lines.get(&tag) {
            report.error(line, "asset_tag", format!("{tag:?} stands on line {first} already"));
        } else {
            lines.insert(tag, line);
        }
        if report.notes.len() > MAX_ERRORS {
            report.notes.truncate(MAX_ERRORS);
        }
    }
    lines
}

fn act_of(
    line: u64,
    cells: Result<Vec<String>, String>,
    headers: &[Option<String>],
    options: &ImportOptions,
    report: &mut ImportReport,
) -> Option<Act> {
    let cells = match cells {
        Ok(cells) => cells,
        Err(message) => {
            report.errors.push(RowError { line, column: None, message });
            return None;
        }
    };
    let mut row = BTreeMap::new();
    let before = report.errors.len();
    for (name, cell) in headers.iter().zip(cells) {
        let Some(name) = name else { continue };
        if cell.len() > MAX_CELL {
            report.error(line, name, format!("the cell has {} bytes, more than {MAX_CELL}", cell.len()));
        } else if cell.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            report.error(line, name, "the cell holds control characters".to_owned());
        } else if !cell.trim().is_empty() {
            let kept = without_guard(cell.trim());
            let same = kept.len() == cell.len();
            row.insert(name.as_str(), if same { cell } else { kept.to_owned() });
        }
    }
    if report.errors.len() > before {
        return None;
    }
    asset_of(line, row, options, report)
}

fn asset_of(
    line: u64,
    mut row: BTreeMap<&str, String>,
    options: &ImportOptions,
    report: &mut ImportReport,
) -> Option<Act> {
    let (before, mapping) = (report.errors.len(), &options.mapping);
    let tag = row.remove("asset_tag").unwrap_or_default();
    let status = row.remove("status");
    let stage = match mapping.stage(status.as_deref().unwrap_or_default()) {
        Some(stage @ (Stage::Disposition | Stage::Closed)) => {
            let message = format!("{stage} is reached on evidence only; the record begins in decommissioning");
            report.notes.push(RowError { line, column: Some("status".to_owned()), message });
            Stage::Decommissioning
        }
        Some(stage) => stage,
        None => {
            report.error(line, "status", format!("{:?} is no status that is known here", status.unwrap_or_default()));
            Stage::Deployment
        }
    };
    let data_class = match row.remove("data_class") {
        None => options.data_class,
        Some(name) => DataClass::of_name(&name).unwrap_or_else(|| {
            report.error(line, "data_class", format!("{name:?} is no data class"));
            options.data_class
        }),
    };
    let class = match row.remove("class").as_deref() {
        None | Some("physical") => AssetClass::Physical,
        Some("virtual") => AssetClass::Virtual,
        Some(other) => {
            report.error(line, "class", format!("{other:?} is neither physical nor virtual"));
            AssetClass::Physical
        }
    };
    let purchase_cost =
        row.remove("purchase_cost").and_then(|text| match Money::parse(&mapping.amount(&text), &mapping.currency) {
            Ok(money) => Some(money),
            Err(e) => {
                report.error(line, "purchase_cost", e.to_string());
                None
            }
        });
    let warranty_months = row.remove("warranty_months").and_then(|text| match text.parse() {
        Ok(months) => Some(months),
        Err(_) => {
            report.error(line, "warranty_months", format!("{text:?} is no number of months"));
            None
        }
    });
    let mut day = |column: &str| {
        let text = mapping.day(&row.remove(column)?);
        if text.parse::<chrono::NaiveDate>().is_err() {
            report.error(line, column, format!("{text:?} is no day; write 2026-03-01"));
        }
        Some(text)
    };
    let (purchase_date, eol_date) = (day("purchase_date"), day("asset_eol_date"));
    let (location, custodian) = (row.remove("location"), row.remove("full_name"));
    let details = Details {
        name: row.remove("item_name"),
        category: row.remove("category"),
        manufacturer: row.remove("manufacturer"),
        model: row.remove("asset_model"),
        model_number: row.remove("model_number"),
        serial: row.remove("serial"),
        company: row.remove("company"),
        supplier: row.remove("supplier"),
        order_number: row.remove("order_number"),
        purchase_date,
        purchase_cost,
        warranty_months,
        eol_date,
        need: None,
        notes: row.remove("asset_notes"),
        custom: row.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect(),
    };
    let act = Act::AssetAdded { tag, class, data_class, stage, location, custodian, details };
    if let Err(Refusal { message, .. }) = Asset::begin(&act) {
        report.error(line, "asset_tag", message);
    }
    (report.errors.len() == before).then_some(act)
}

/// A cell that a spreadsheet program would run as a formula gets an apostrophe before it.
pub(super) fn harmless(cell: &str) -> String {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    }
}

/// The cell without the apostrophe that an export puts before it.
fn without_guard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) => rest,
        _ => cell,
    }
}
