//! A sheet as rows of cells, whatever file it comes in.

use std::io::{Cursor, Read as _};

use calamine::{Data, Range, Reader as _, Xlsx};

/// The most bytes that a workbook may have when it is unpacked.
const MOST_UNPACKED: u64 = 1 << 30;
/// From here on a number in a workbook has lost digits.
const EXACT: f64 = 1e15;

/// A sheet that was opened.
pub struct Sheet {
    headers: Vec<String>,
    cells: Cells,
}

enum Cells {
    Csv { text: Vec<u8>, delimiter: u8 },
    Book { range: Range<Data>, first: u64 },
}

/// A row: its line in the file, from 1, and its cells, or why it cannot be read.
pub type Row = (u64, Result<Vec<String>, String>);

impl Sheet {
    /// CSV, separated by commas or semicolons; UTF-8 (or UTF-16 with its mark) unless an encoding is
    /// named.
    pub fn csv(bytes: &[u8], encoding: Option<&str>) -> Result<Sheet, String> {
        let text = decoded(bytes, encoding)?;
        let first = text.split(|b| *b == b'\n').next().unwrap_or_default();
        let delimiter = if first.contains(&b';') && !first.contains(&b',') { b';' } else { b',' };
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_slice());
        let headers = reader.headers().map_err(|e| told(&e))?.iter().map(str::to_owned).collect();
        Ok(Sheet { headers, cells: Cells::Csv { text, delimiter } })
    }

    /// A workbook (xlsx): its first sheet, or the one of that name.
    pub fn xlsx(bytes: &[u8], name: Option<&str>) -> Result<Sheet, String> {
        check_size(bytes)?;
        let wrong = |e: &dyn std::fmt::Display| format!("the workbook cannot be read: {e}");
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|e| wrong(&e))?;
        let names = book.sheet_names();
        let name = match name {
            Some(name) if names.iter().any(|n| n == name) => name.to_owned(),
            Some(name) => return Err(format!("the workbook has no sheet {name:?}; it has {}", names.join(", "))),
            None => names.first().cloned().ok_or_else(|| "the workbook has no sheet".to_owned())?,
        };
        let range = book.worksheet_range(&name).map_err(|e| wrong(&e))?;
        let first = range.start().map_or(1, |(row, _)| u64::from(row) + 1);
        let headers = range.rows().next().map(|row| row.iter().map(cell).collect::<Result<Vec<_>, _>>());
        let headers = headers.unwrap_or(Ok(Vec::new()))?;
        Ok(Sheet { headers, cells: Cells::Book { range, first } })
    }

    /// By the name of the file: `.xlsx`, or else CSV.
    pub fn of_file(
        path: &std::path::Path,
        bytes: &[u8],
        encoding: Option<&str>,
        name: Option<&str>,
    ) -> Result<Sheet, String> {
        match path.extension().and_then(|e| e.to_str()).map(str::to_lowercase).as_deref() {
            Some("xlsx" | "xlsm") => Sheet::xlsx(bytes, name),
            // The mark of a zip file: somebody gave a workbook another name.
            _ if bytes.starts_with(b"PK\x03\x04") => Sheet::xlsx(bytes, name),
            _ => Sheet::csv(bytes, encoding),
        }
    }

    /// The first row.
    pub fn headers(&self) -> &[String] {
        &self.headers
    }

    /// All other rows in order; empty ones are left out.
    pub fn rows(&self) -> Box<dyn Iterator<Item = Row> + '_> {
        match &self.cells {
            Cells::Csv { text, delimiter } => {
                let mut reader = csv::ReaderBuilder::new().delimiter(*delimiter).from_reader(text.as_slice());
                // Read before the rows, so that an error in the first of them names its own line.
                let _ = reader.headers();
                Box::new(reader.into_records().map(move |record| match record {
                    Ok(record) => (line_of(text, record.position()), Ok(record.iter().map(str::to_owned).collect())),
                    Err(e) => (line_of(text, e.position()), Err(told(&e))),
                }))
            }
            Cells::Book { range, first } => Box::new(
                (*first..)
                    .zip(range.rows())
                    .skip(1)
                    .filter(|(_, row)| row.iter().any(|cell| *cell != Data::Empty))
                    .map(|(line, row)| (line, row.iter().map(cell).collect())),
            ),
        }
    }
}

/// A cell of a workbook as a person would have typed it.
fn cell(data: &Data) -> Result<String, String> {
    Ok(match data {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) if number.abs() >= EXACT => {
            return Err(format!("{number} has lost digits in the workbook; format the column as text"));
        }
        Data::Float(number) => number.to_string(),
        Data::Bool(yes) => yes.to_string(),
        Data::DateTime(at) if at.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            match (hour, minute, second) {
                (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                _ => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
            }
        }
        Data::DateTime(lasted) => lasted.as_f64().to_string(),
        Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Error(error) => return Err(format!("a cell holds the error {error}")),
    })
}

/// Unpacks the workbook once to count: what a zip file says of its sizes need not be true.
fn check_size(bytes: &[u8]) -> Result<(), String> {
    let wrong = |e: zip::result::ZipError| format!("the workbook cannot be read: {e}");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(wrong)?;
    let mut left = MOST_UNPACKED;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(wrong)?;
        let read = std::io::copy(&mut file.take(left + 1), &mut std::io::sink());
        let read = read.map_err(|e| format!("the workbook cannot be read: {e}"))?;
        left = left.checked_sub(read).ok_or_else(|| {
            format!("the workbook has more than {MOST_UNPACKED} bytes when it is unpacked; nothing of it was read")
        })?;
    }
    Ok(())
}

fn decoded(bytes: &[u8], encoding: Option<&str>) -> Result<Vec<u8>, String> {
    let marked = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let encoding = match encoding {
        None if !marked => return Ok(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).to_vec()),
        None => encoding_rs::UTF_16LE, // the mark says which of the two
        Some(name) => encoding_rs::Encoding::for_label(name.as_bytes())
            .ok_or_else(|| format!("there is no encoding {name:?}; try windows-1252 or utf-16le"))?,
    };
    let (text, used, damaged) = encoding.decode(bytes);
    match damaged {
        true => Err(format!("the sheet is not {}", used.name())),
        false => Ok(text.into_owned().into_bytes()),
    }
}

/// The reader counts from where it stopped, which is before the line break and before empty lines.
fn line_of(bytes: &[u8], position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 0 };
    let from = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = bytes.get(from..).unwrap_or_default();
    let breaks = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|b| **b == b'\n').count();
    position.line() + breaks as u64
}

fn told(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => {
            "the line is not UTF-8; save the sheet as CSV UTF-8, or name its encoding (--encoding windows-1252)"
                .to_owned()
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the line has {len} cells, the header {expected_len}")
        }
        _ => error.to_string(),
    }
}
