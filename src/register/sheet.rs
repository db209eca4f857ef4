//! Spreadsheets in and out: CSV with the headers people have (Snipe-IT's keys).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;

use serde::Serialize;

use super::act::{Act, AssetClass, DataClass, Details};
use super::asset::Asset;
use super::error::{Refusal, RegisterError};
use super::number::Money;
use super::stage::Stage;
use super::state::State;
use super::work::Work;
use super::{Placed, Register};
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
/// The most row errors that are told.
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

impl Register {
    /// Adds an asset for each row: all of them, or none. `data_class` is for rows that name none.
    pub async fn import_csv(
        &mut self,
        key: &StationKey,
        bytes: &[u8],
        data_class: DataClass,
        dry_run: bool,
    ) -> Result<ImportReport, RegisterError> {
        let mut report = ImportReport::default();
        let mut rows = read_rows(bytes, data_class, &mut report);
        self.refuse_taken(&rows, &mut report).await?;
        report.errors.truncate(MAX_ERRORS);
        if dry_run || !report.errors.is_empty() {
            return Ok(report);
        }
        report.added = rows.len();
        let acts: Vec<Act> = rows.drain(..).map(|(_, act)| act).collect();
        self.run(key, async |work: &mut Work<'_>| {
            for chunk in acts.chunks(CHUNK) {
                for act in chunk {
                    work.add_untaken(act.clone()).await?;
                }
                work.flush().await?;
            }
            Ok(())
        })
        .await?;
        Ok(report)
    }

    async fn refuse_taken(&mut self, rows: &[(u64, Act)], report: &mut ImportReport) -> Result<(), RegisterError> {
        let mut lines: HashMap<&str, u64> = HashMap::with_capacity(rows.len());
        for (line, act) in rows {
            let Act::AssetAdded { tag, .. } = act else { continue };
            if let Some(first) = lines.insert(tag, *line) {
                report.error(*line, "asset_tag", format!("{tag:?} stands on line {first} already"));
            }
        }
        let tags: Vec<&str> = lines.keys().copied().collect();
        for chunk in tags.chunks(256) {
            for tag in self.store.tags_among(chunk).await? {
                let line = lines.get(tag.as_str()).copied().unwrap_or(0);
                report.error(line, "asset_tag", format!("{tag:?} stands in the register already"));
            }
        }
        report.errors.sort_by_key(|e| e.line);
        Ok(())
    }
}

/// Writes every asset as a row, in the order in which they were added.
pub async fn export_csv(register: &mut Register, out: &mut (dyn Write + Send)) -> Result<usize, RegisterError> {
    let mut custom = BTreeSet::new();
    let mut after = String::new();
    loop {
        let page = register.store.assets_after(&after).await?;
        let Some((last, _)) = page.last() else { break };
        after.clone_from(last);
        custom.extend(page.iter().filter_map(|(_, p)| asset_of(p)).flat_map(|a| a.details.custom.keys().cloned()));
    }
    let mut writer = csv::Writer::from_writer(out);
    let failed = |e: csv::Error| RegisterError::Event(format!("the sheet: {e}"));
    writer.write_record(COLUMNS.iter().copied().chain(custom.iter().map(String::as_str))).map_err(failed)?;
    let (mut after, mut count) = (String::new(), 0);
    loop {
        let page = register.store.assets_after(&after).await?;
        let Some((last, _)) = page.last() else { break };
        after.clone_from(last);
        for asset in page.iter().filter_map(|(_, placed)| asset_of(placed)) {
            if !register.sees(asset.location.as_deref()) {
                continue;
            }
            let own = custom.iter().map(|name| asset.details.custom.get(name).cloned().unwrap_or_default());
            let cells = cells(asset).into_iter().chain(own).map(|cell| harmless(&cell));
            writer.write_record(cells).map_err(failed)?;
            count += 1;
        }
    }
    writer.flush().map_err(|e| RegisterError::Event(format!("the sheet: {e}")))?;
    Ok(count)
}

impl ImportReport {
    fn error(&mut self, line: u64, column: &str, message: String) {
        self.errors.push(RowError { line, column: Some(column.to_owned()), message });
    }
}

fn read_rows(bytes: &[u8], data_class: DataClass, report: &mut ImportReport) -> Vec<(u64, Act)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let semicolons = first.contains(&b';') && !first.contains(&b',');
    let delimiter = if semicolons { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(bytes);
    let headers: Vec<String> = match reader.headers() {
        Ok(headers) => headers.iter().map(key_of).collect(),
        Err(e) => {
            report.errors.push(RowError { line: 1, column: None, message: told(&e) });
            return Vec::new();
        }
    };
    let twice = headers.iter().enumerate().find(|(i, h)| headers[..*i].contains(h));
    if let Some((_, name)) = twice {
        report.error(1, name, "the column stands twice".to_owned());
        return Vec::new();
    }
    if !headers.iter().any(|h| h == "asset_tag") {
        report.error(1, "asset_tag", "the sheet has no such column".to_owned());
        return Vec::new();
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        if report.errors.len() > MAX_ERRORS {
            break;
        }
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                let line = line_of(bytes, e.position());
                report.errors.push(RowError { line, column: None, message: told(&e) });
                continue;
            }
        };
        let line = line_of(bytes, record.position());
        let mut row = BTreeMap::new();
        let before = report.errors.len();
        for (name, cell) in headers.iter().zip(record.iter()) {
            if cell.len() > MAX_CELL {
                report.error(line, name, format!("the cell has {} bytes, more than {MAX_CELL}", cell.len()));
            } else if cell.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
                report.error(line, name, "the cell holds control characters".to_owned());
            } else if !cell.trim().is_empty() {
                row.insert(name.as_str(), without_guard(cell.trim()).to_owned());
            }
        }
        if report.errors.len() == before
            && let Some(act) = act_of(line, row, data_class, report)
        {
            rows.push((line, act));
        }
    }
    rows
}

/// The reader counts from where it stopped, which is before the line break and before empty lines.
fn line_of(bytes: &[u8], position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 0 };
    let from = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = bytes.get(from..).unwrap_or_default();
    let breaks = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|b| **b == b'\n').count();
    position.line() + breaks as u64
}

fn act_of(line: u64, mut row: BTreeMap<&str, String>, data_class: DataClass, report: &mut ImportReport) -> Option<Act> {
    let before = report.errors.len();
    let tag = row.remove("asset_tag").unwrap_or_default();
    let status = row.remove("status");
    let stage = match stage_of(status.as_deref().unwrap_or_default()) {
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
        None => data_class,
        Some(name) => DataClass::of_name(&name).unwrap_or_else(|| {
            report.error(line, "data_class", format!("{name:?} is no data class"));
            data_class
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
    let purchase_cost = row.remove("purchase_cost").and_then(|text| match Money::parse(&text, "EUR") {
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
        let text = row.remove(column)?;
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

fn cells(asset: &Asset) -> Vec<String> {
    let d = &asset.details;
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        asset.tag.clone(),
        some(&d.serial),
        some(&d.name),
        some(&d.model),
        some(&d.model_number),
        some(&d.manufacturer),
        some(&d.category),
        asset.stage.name().to_owned(),
        some(&d.company),
        some(&asset.location),
        some(&d.supplier),
        some(&d.order_number),
        some(&d.purchase_date),
        d.purchase_cost.as_ref().map(ToString::to_string).unwrap_or_default(),
        d.warranty_months.map(|m| m.to_string()).unwrap_or_default(),
        some(&d.eol_date),
        some(&d.notes),
        some(&asset.custodian),
        asset.data_class.name().to_owned(),
        asset.class.name().to_owned(),
    ]
}

/// A cell that a spreadsheet program would run as a formula gets an apostrophe before it.
fn harmless(cell: &str) -> String {
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

/// `Asset Tag` and `asset_tag` are one; so are a few names that other sheets use.
fn key_of(header: &str) -> String {
    let key = header.trim().to_lowercase().replace([' ', '-'], "_");
    match key.as_str() {
        "tag" => "asset_tag".to_owned(),
        "serial_number" => "serial".to_owned(),
        "name" | "asset_name" => "item_name".to_owned(),
        "model" | "model_name" => "asset_model".to_owned(),
        "notes" => "asset_notes".to_owned(),
        "assigned_to" | "checked_out_to" => "full_name".to_owned(),
        _ => key,
    }
}

fn stage_of(status: &str) -> Option<Stage> {
    let word = status.to_lowercase();
    match word.as_str() {
        "" | "ready to deploy" | "deployable" | "in stock" | "stock" => Some(Stage::Deployment),
        "pending" | "ordered" | "on order" => Some(Stage::Procurement),
        "deployed" | "in use" | "active" | "in service" => Some(Stage::Utilization),
        "undeployable" | "retired" | "out for diagnostics" | "out for repair" | "broken" => {
            Some(Stage::Decommissioning)
        }
        "archived" | "disposed" | "sold" | "recycled" | "destroyed" => Some(Stage::Closed),
        _ => Stage::of_name(&word),
    }
}

fn told(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "the line is not UTF-8; save the sheet as CSV UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the line has {len} cells, the header {expected_len}")
        }
        _ => error.to_string(),
    }
}

fn asset_of(placed: &Placed) -> Option<&Asset> {
    if let State::Asset(asset) = &placed.state { Some(asset) } else { None }
}
