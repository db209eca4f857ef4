//! All assets as a sheet, in the order in which they were added.

use std::collections::BTreeSet;
use std::io::Write;

use rust_xlsxwriter::{Format, Workbook};

use super::{COLUMNS, harmless};
use crate::register::asset::Asset;
use crate::register::error::RegisterError;
use crate::register::state::State;
use crate::register::{Placed, Register};

/// The most rows of a sheet in a workbook, the header among them.
const MOST_ROWS: u32 = 1_048_576;

/// Writes every asset as a row of CSV. Returns how many.
pub async fn export_csv(register: &mut Register, out: &mut (dyn Write + Send)) -> Result<usize, RegisterError> {
    let custom = own_columns(register).await?;
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(COLUMNS.iter().copied().chain(custom.iter().map(String::as_str))).map_err(|e| failed(&e))?;
    let (mut after, mut count) = (String::new(), 0);
    while let Some((page, last)) = page_after(register, &after).await? {
        after = last;
        for asset in &page {
            writer.write_record(row(asset, &custom).iter().map(|cell| harmless(cell))).map_err(|e| failed(&e))?;
            count += 1;
        }
    }
    writer.flush().map_err(|e| failed(&e))?;
    Ok(count)
}

/// Every asset as a row of a workbook. Cells are texts and never formulas, so they need no guard.
pub async fn export_xlsx(register: &mut Register) -> Result<(Vec<u8>, usize), RegisterError> {
    let custom = own_columns(register).await?;
    let mut book = Workbook::new();
    let sheet = book.add_worksheet_with_constant_memory().map_err(|e| failed(&e))?;
    sheet.set_name("assets").map_err(|e| failed(&e))?;
    let bold = Format::new().set_bold();
    let at = |column: usize| u16::try_from(column).map_err(|e| failed(&e));
    for (column, name) in COLUMNS.iter().copied().chain(custom.iter().map(String::as_str)).enumerate() {
        sheet.write_string_with_format(0, at(column)?, name, &bold).map_err(|e| failed(&e))?;
    }
    let (mut after, mut count) = (String::new(), 0);
    while let Some((page, last)) = page_after(register, &after).await? {
        after = last;
        for asset in &page {
            count += 1;
            if count >= MOST_ROWS {
                return Err(failed(&format!("a sheet has room for {} assets; export them as CSV", MOST_ROWS - 1)));
            }
            for (column, cell) in row(asset, &custom).iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
                // A cell of a workbook has room for 32,767 characters: nothing is cut off in silence.
                sheet.write_string(count, at(column)?, cell).map_err(|e| failed(&format!("{}: {e}", asset.tag)))?;
            }
        }
    }
    let bytes = book.save_to_buffer().map_err(|e| failed(&e))?;
    Ok((bytes, usize::try_from(count).unwrap_or(usize::MAX)))
}

async fn own_columns(register: &mut Register) -> Result<BTreeSet<String>, RegisterError> {
    let (mut custom, mut after) = (BTreeSet::new(), String::new());
    while let Some((page, last)) = page_after(register, &after).await? {
        after = last;
        custom.extend(page.iter().flat_map(|asset| asset.details.custom.keys().cloned()));
    }
    Ok(custom)
}

async fn page_after(register: &mut Register, after: &str) -> Result<Option<(Vec<Asset>, String)>, RegisterError> {
    let page = register.store.assets_after(after).await?;
    let Some((last, _)) = page.last() else { return Ok(None) };
    let last = last.clone();
    let asset = |placed: Placed| if let State::Asset(asset) = placed.state { Some(asset) } else { None };
    let assets = page.into_iter().filter_map(|(_, placed)| asset(placed));
    Ok(Some((assets.filter(|asset| register.sees(asset.location.as_deref())).collect(), last)))
}

fn row(asset: &Asset, custom: &BTreeSet<String>) -> Vec<String> {
    let d = &asset.details;
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut cells = vec![
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
    ];
    cells.extend(custom.iter().map(|name| d.custom.get(name).cloned().unwrap_or_default()));
    cells
}

fn failed(error: &dyn std::fmt::Display) -> RegisterError {
    RegisterError::Event(format!("the sheet could not be written: {error}"))
}
