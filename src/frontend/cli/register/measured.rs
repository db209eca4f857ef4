//! Sheets of measurements: `lastwrite observe samples | times`

use std::cell::Cell;
use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::OpenArgs;
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::metrics::IntervalKind;
use crate::register::{Act, Lasted, Measured, RegisterError, Sample, Work, observe};

/// The most rows of one event.
const MOST: usize = 500;
/// So many events are stored together.
const CHUNK: usize = 256;

#[derive(Debug, Args)]
pub struct MeasuredArgs {
    /// CSV file with a header
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Who or what measured
    #[arg(long, default_value = "import")]
    source: String,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn samples(common: &Common, args: &MeasuredArgs) -> Result<Exit, Failure> {
    record(common, args, |row, measured| {
        let (name, at, value) = (row.cell("name").to_owned(), instant(row.cell("at"))?, row.cell("value").parse()?);
        measured.samples.push(Sample { name, at, value });
        Ok(())
    })
}

pub fn times(common: &Common, args: &MeasuredArgs) -> Result<Exit, Failure> {
    record(common, args, |row, measured| {
        let (kind, from, to) = (kind(row.cell("kind"))?, instant(row.cell("from"))?, instant(row.cell("to"))?);
        if to.timestamp() <= from.timestamp() {
            return Err("it ends before it begins".to_owned());
        }
        measured.intervals.push(Lasted { kind, from, to });
        Ok(())
    })
}

/// Says what was recorded.
pub fn told(common: &Common, measurements: usize, events: usize) -> Result<Exit, Failure> {
    if common.json {
        output::json(&json!({ "recorded": measurements, "assets": events }));
    } else {
        output::line(&format!("{} recorded", output::count(measurements, "measurement")));
    }
    Ok(Exit::Done)
}

pub fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    observe::instant(text).ok_or_else(|| format!("{text:?} is no time; write 2026-03-01T12:00:00Z or a day"))
}

pub fn kind(text: &str) -> Result<IntervalKind, String> {
    let names = || IntervalKind::ALL.map(IntervalKind::name).join(", ");
    IntervalKind::of_name(text).ok_or_else(|| format!("{text:?} is none of {}", names()))
}

pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::words(Exit::Other, format!("{}: {e}", path.display())))
}

/// The line in which a record begins. The reader's own is that before the end of the last line, where that has two
/// characters, and before lines that are empty.
pub fn line_of(bytes: &[u8], at: Option<&csv::Position>) -> u64 {
    let Some(at) = at else { return 0 };
    let begin = usize::try_from(at.byte()).ok().and_then(|byte| bytes.get(byte..)).unwrap_or_default();
    let skipped = begin.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n');
    at.line() + skipped.count() as u64
}

/// Adds what a row measured.
type OfRow = fn(&Sheet<'_>, &mut Measured) -> Result<(), String>;

/// Records a sheet in one transaction. It is read twice: once to see that every row can be read and where those
/// of each asset stand, and once to record, so that beside the sheet some bytes a row are held.
fn record(common: &Common, args: &MeasuredArgs, of_row: OfRow) -> Result<Exit, Failure> {
    let place = args.file.display();
    let wrong = |line: u64, why: &str| format!("{place}, line {line}: {why}; nothing was recorded");
    let bytes = read(&args.file)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let unread = |(line, why): Unread| Failure::words(Exit::Usage, wrong(line, &why));
    let rows = rows(bytes, of_row).map_err(unread)?;
    // The row at work, for the message of what stands against it.
    let (line, events) = (Cell::new(None), Cell::new(0));
    let done = args.open.with_key(common, async |register, key| {
        let again = |(_, why): Unread| RegisterError::Event(format!("{place} cannot be read again: {why}"));
        let job = async |work: &mut Work<'_>| {
            let mut sheet = Sheet::new(bytes).map_err(again)?;
            let mut groups = rows.chunk_by(|a, b| a.asset == b.asset).flat_map(|rows| rows.chunks(MOST));
            line.set(None);
            events.set(0);
            loop {
                let mut chunk = Vec::new();
                for rows in groups.by_ref().take(CHUNK) {
                    chunk.push(sheet.event(rows, of_row, &args.source).map_err(again)?);
                }
                if chunk.is_empty() {
                    return Ok(());
                }
                events.set(events.get() + chunk.len());
                work.gather(chunk.iter().map(|(_, tag, _)| tag.as_str())).await?;
                for (first, tag, measured) in chunk {
                    line.set(Some(first));
                    let (stream, _) = work.asset(&tag).await?;
                    work.act(&stream, Act::Measured(measured)).await?;
                }
                line.set(None);
                work.flush().await?;
            }
        };
        register.run(key, job).await
    });
    done.map_err(|failure| match line.get() {
        Some(line) => Failure { message: wrong(line, &failure.message), ..failure },
        None => failure,
    })?;
    told(common, rows.len(), events.get())
}

/// The line of a row that cannot be read, and why.
type Unread = (u64, String);

/// Where a row stands.
struct Row {
    /// Its asset, by the order in which they first appear.
    asset: u32,
    line: u32,
    byte: u64,
}

/// Every row, those of an asset together.
fn rows(bytes: &[u8], of_row: OfRow) -> Result<Vec<Row>, Unread> {
    let mut sheet = Sheet::new(bytes)?;
    let mut assets: HashMap<Box<str>, u32> = HashMap::new();
    let mut rows = Vec::new();
    while sheet.next()? {
        let (line, byte) = (line_of(bytes, sheet.record.position()), sheet.record.position().map_or(0, |at| at.byte()));
        let tag = sheet.cell("asset_tag");
        if tag.is_empty() {
            return Err((line, "it has no asset_tag".to_owned()));
        }
        of_row(&sheet, &mut Measured::default()).map_err(|why| (line, why))?;
        let next = u32::try_from(assets.len()).map_err(|_| (line, "the sheet is of too many assets".to_owned()))?;
        let asset = match assets.get(tag) {
            Some(asset) => *asset,
            None => *assets.entry(tag.into()).or_insert(next),
        };
        rows.push(Row { asset, line: u32::try_from(line).unwrap_or(u32::MAX), byte });
    }
    rows.sort_unstable_by_key(|row| (row.asset, row.byte));
    Ok(rows)
}

/// A sheet and the row that was read last.
struct Sheet<'b> {
    bytes: &'b [u8],
    reader: csv::Reader<Cursor<&'b [u8]>>,
    headers: csv::StringRecord,
    record: csv::StringRecord,
}

impl<'b> Sheet<'b> {
    fn new(bytes: &'b [u8]) -> Result<Sheet<'b>, Unread> {
        let mut reader = csv::Reader::from_reader(Cursor::new(bytes));
        let headers = reader.headers().map_err(|e| (1, e.to_string()))?.clone();
        Ok(Sheet { bytes, reader, headers, record: csv::StringRecord::new() })
    }

    /// Reads the next row, if there is one.
    fn next(&mut self) -> Result<bool, Unread> {
        self.reader.read_record(&mut self.record).map_err(|e| (line_of(self.bytes, e.position()), e.to_string()))
    }

    /// What stands in that column; nothing where there is none.
    fn cell(&self, name: &str) -> &str {
        let column = self.headers.iter().position(|h| h.trim() == name);
        column.and_then(|i| self.record.get(i)).unwrap_or_default().trim()
    }

    /// What these rows of one asset measured: line of the first, tag, measurements.
    fn event(&mut self, rows: &[Row], of_row: OfRow, source: &str) -> Result<(u64, String, Measured), Unread> {
        let mut measured = Measured { source: source.to_owned(), ..Measured::default() };
        for row in rows {
            let mut at = csv::Position::new();
            at.set_byte(row.byte).set_line(row.line.into());
            self.reader.seek(at).map_err(|e| (0, e.to_string()))?;
            if !self.next()? {
                return Err((row.line.into(), "it ends before".to_owned()));
            }
            of_row(self, &mut measured).map_err(|why| (row.line.into(), why))?;
        }
        let line = rows.first().map_or(0, |row| row.line.into());
        Ok((line, self.cell("asset_tag").to_owned(), measured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(row: &Sheet<'_>, measured: &mut Measured) -> Result<(), String> {
        let name = row.cell("name").to_owned();
        measured.samples.push(Sample { name, at: instant("2026-01-01")?, value: row.cell("value").parse()? });
        Ok(())
    }

    #[test]
    fn rows_of_an_asset_come_together_in_their_order_wherever_they_stand() {
        let text = "name, asset_tag ,value\r\na,X,1\r\n\"b\n, b\",\"Y \"\"1\"\"\",2\r\nc, X ,3\r\n\r\nd,\"Y \"\"1\"\"\",4\r\ne,X,5";
        let rows = rows(text.as_bytes(), name_of).unwrap();
        let mut sheet = Sheet::new(text.as_bytes()).unwrap();
        let mut told = Vec::new();
        for group in rows.chunk_by(|a, b| a.asset == b.asset) {
            let (line, tag, measured) = sheet.event(group, name_of, "s").unwrap();
            assert_eq!(measured.source, "s");
            told.push((line, tag, measured.samples.into_iter().map(|s| format!("{} {}", s.name, s.value)).collect()));
        }
        let expected: [(u64, String, Vec<String>); 2] = [
            (2, "X".into(), vec!["a 1".into(), "c 3".into(), "e 5".into()]),
            (3, "Y \"1\"".into(), vec!["b\n, b 2".into(), "d 4".into()]),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_row_that_cannot_be_read_is_named_by_its_line() {
        let wrong = |text: &str| rows(text.as_bytes(), name_of).err().unwrap();
        assert_eq!(wrong("asset_tag,value\nX,1\n,2\n"), (3, "it has no asset_tag".to_owned()));
        assert_eq!(wrong("asset_tag,value\nX,1\n\nX,one\n").0, 4);
        assert_eq!(wrong("asset_tag,value\nX,1\nX\n").0, 3);
        assert_eq!(wrong("value\n1\n").0, 2);
        assert!(rows(b"asset_tag,value\n", name_of).unwrap().is_empty());
    }
}
