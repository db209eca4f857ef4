//! Where a report goes: a table, CSV, JSON lines, a workbook.

use std::io::Write;

use rust_xlsxwriter::{Format, Workbook};
use serde_json::{Map, Value, json};

use super::cell::{Cell, Head, Tail};
use crate::register::error::RegisterError;
use crate::register::sheet::harmless;

/// Takes a report part by part.
pub trait Sink: Send {
    /// First.
    fn head(&mut self, head: &Head) -> Result<(), RegisterError>;
    /// A row, as many cells as columns.
    fn row(&mut self, cells: Vec<Cell>) -> Result<(), RegisterError>;
    /// Last.
    fn tail(&mut self, tail: &Tail) -> Result<(), RegisterError>;
}

/// CSV: a header and the rows; no sums, so that nobody adds them up with the rows.
pub struct CsvSink<W: Write + Send>(csv::Writer<W>);

/// One JSON object a line: the head, each row, the end.
pub struct JsonSink<W: Write + Send> {
    out: W,
    report: &'static str,
    keys: Vec<&'static str>,
    rows: u64,
}

/// Keeps the first rows for a table on a terminal or a page.
#[derive(Debug, Default)]
pub struct TableSink {
    most: usize,
    /// Head.
    pub head: Option<Head>,
    /// The rows that are shown.
    pub rows: Vec<Vec<Cell>>,
    /// How many more there are.
    pub more: u64,
    /// Tail.
    pub tail: Tail,
}

/// A workbook with one sheet.
#[derive(Default)]
pub struct XlsxSink {
    book: Workbook,
    row: u32,
    /// The file, once the report has ended.
    pub bytes: Vec<u8>,
}

impl<W: Write + Send> CsvSink<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> CsvSink<W> {
        CsvSink(csv::Writer::from_writer(out))
    }
}

impl<W: Write + Send> Sink for CsvSink<W> {
    fn head(&mut self, head: &Head) -> Result<(), RegisterError> {
        self.0.write_record(head.columns.iter().map(|c| c.key)).map_err(|e| failed(&e))
    }

    fn row(&mut self, cells: Vec<Cell>) -> Result<(), RegisterError> {
        let shown = cells.iter().map(|cell| match cell {
            Cell::Text(text) => harmless(text),
            Cell::Missing => String::new(),
            other => other.shown(),
        });
        self.0.write_record(shown).map_err(|e| failed(&e))
    }

    fn tail(&mut self, _tail: &Tail) -> Result<(), RegisterError> {
        self.0.flush().map_err(|e| failed(&e))
    }
}

impl<W: Write + Send> JsonSink<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> JsonSink<W> {
        JsonSink { out, report: "", keys: Vec::new(), rows: 0 }
    }

    fn line(&mut self, value: &Value) -> Result<(), RegisterError> {
        writeln!(self.out, "{value}").map_err(|e| failed(&e))
    }

    fn object(&self, cells: &[Cell]) -> Value {
        self.keys.iter().zip(cells).map(|(key, cell)| ((*key).to_owned(), cell.json())).collect::<Map<_, _>>().into()
    }
}

impl<W: Write + Send> Sink for JsonSink<W> {
    fn head(&mut self, head: &Head) -> Result<(), RegisterError> {
        self.report = head.report;
        self.keys = head.columns.iter().map(|c| c.key).collect();
        let asked: Map<String, Value> = head.asked.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        self.line(&json!({ "report": head.report, "at": crate::signed::format_time(head.at), "asked": asked }))
    }

    fn row(&mut self, cells: Vec<Cell>) -> Result<(), RegisterError> {
        self.rows += 1;
        let row = self.object(&cells);
        self.line(&json!({ "report": self.report, "row": row }))
    }

    fn tail(&mut self, tail: &Tail) -> Result<(), RegisterError> {
        let totals: Vec<Value> = tail.totals.iter().map(|cells| self.object(cells)).collect();
        let rows = self.rows;
        self.line(&json!({ "report": self.report, "rows": rows, "totals": totals, "notes": tail.notes }))?;
        self.out.flush().map_err(|e| failed(&e))
    }
}

impl TableSink {
    /// Keeps at most so many rows.
    pub fn new(most: usize) -> TableSink {
        TableSink { most, ..TableSink::default() }
    }
}

impl Sink for TableSink {
    fn head(&mut self, head: &Head) -> Result<(), RegisterError> {
        self.head = Some(head.clone());
        Ok(())
    }

    fn row(&mut self, cells: Vec<Cell>) -> Result<(), RegisterError> {
        match self.rows.len() < self.most {
            true => self.rows.push(cells),
            false => self.more += 1,
        }
        Ok(())
    }

    fn tail(&mut self, tail: &Tail) -> Result<(), RegisterError> {
        self.tail = tail.clone();
        Ok(())
    }
}

impl Sink for XlsxSink {
    fn head(&mut self, head: &Head) -> Result<(), RegisterError> {
        // Rows go to a temporary file as they come.
        let sheet = self.book.add_worksheet_with_constant_memory().map_err(|e| failed(&e))?;
        sheet.set_name(head.report).map_err(|e| failed(&e))?;
        let bold = Format::new().set_bold();
        for (column, text) in head.columns.iter().enumerate() {
            sheet.write_string_with_format(0, at(column)?, text.title, &bold).map_err(|e| failed(&e))?;
        }
        self.row = 1;
        Ok(())
    }

    fn row(&mut self, cells: Vec<Cell>) -> Result<(), RegisterError> {
        let sheet = self.book.worksheet_from_index(0).map_err(|e| failed(&e))?;
        for (column, cell) in cells.iter().enumerate() {
            let (row, column) = (self.row, at(column)?);
            // Words are written as words and never as a formula. Figures are for showing and adding
            // up; the register keeps the exact ones.
            let written = match cell {
                Cell::Missing => continue,
                Cell::Text(text) => sheet.write_string(row, column, text),
                figure => match figure.shown().parse::<f64>() {
                    Ok(number) => sheet.write_number(row, column, number),
                    Err(_) => sheet.write_string(row, column, figure.shown()),
                },
            };
            written.map_err(|e| failed(&e))?;
        }
        self.row += 1;
        Ok(())
    }

    fn tail(&mut self, _tail: &Tail) -> Result<(), RegisterError> {
        self.bytes = self.book.save_to_buffer().map_err(|e| failed(&e))?;
        Ok(())
    }
}

fn at(column: usize) -> Result<u16, RegisterError> {
    u16::try_from(column).map_err(|e| failed(&e))
}

/// For any error of writing.
pub(super) fn failed(error: &dyn std::fmt::Display) -> RegisterError {
    RegisterError::Event(format!("the report could not be written: {error}"))
}
