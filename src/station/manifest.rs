//! A manifest names many media by serial; results come back as a table.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::result::TargetResult;
use crate::media::Medium;
use crate::signed::{DurableError, write_new};

/// One line of a manifest: `serial,asset_tag,category,confirm_token,target`, the last three optional.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestRow {
    /// Serial number of the medium. May be empty when `target` is given.
    #[serde(default)]
    pub serial: String,
    /// Asset tag.
    #[serde(default)]
    pub asset_tag: Option<String>,
    /// Confidentiality category.
    #[serde(default)]
    pub category: Option<String>,
    /// Confirm token, as `plan` prints it.
    #[serde(default)]
    pub confirm_token: Option<String>,
    /// Path, for what has no serial.
    #[serde(default)]
    pub target: Option<PathBuf>,
}

/// The manifest or the results could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The results could not be stored.
    #[error(transparent)]
    Store(#[from] DurableError),
    /// A line of it.
    #[error("{path}, line {line}: {why}", path = path.display())]
    Row {
        /// Where.
        path: PathBuf,
        /// Line number, from 1 with the header.
        line: u64,
        /// What is wrong.
        why: String,
    },
}

/// Reads a manifest; every line must be good, or nothing is done.
pub fn read_manifest(path: &Path) -> Result<Vec<ManifestRow>, ManifestError> {
    let file = File::open(path).map_err(|source| ManifestError::Io { path: path.to_owned(), source })?;
    let row_error = |line, why| ManifestError::Row { path: path.to_owned(), line, why };
    let mut rows = Vec::new();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let headers = reader.headers().map_err(|e| row_error(1, e.to_string()))?.clone();
    if !headers.iter().any(|h| h == "serial" || h == "target") {
        return Err(row_error(1, "a manifest needs a column named serial (or target)".to_owned()));
    }
    for record in reader.records() {
        let record = record.map_err(|e| row_error(e.position().map_or(0, csv::Position::line), e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut row: ManifestRow = record.deserialize(Some(&headers)).map_err(|e| row_error(line, e.to_string()))?;
        for field in [&mut row.asset_tag, &mut row.category, &mut row.confirm_token] {
            *field = field.take().filter(|text| !text.is_empty());
        }
        row.target = row.target.filter(|path| !path.as_os_str().is_empty());
        if row.serial.is_empty() && row.target.is_none() {
            return Err(row_error(line, "it names neither a serial nor a target".to_owned()));
        }
        let twice = rows.iter().any(|other: &ManifestRow| !row.serial.is_empty() && other.serial == row.serial);
        if twice {
            return Err(row_error(line, format!("serial {} stands twice in the manifest", row.serial)));
        }
        rows.push(row);
    }
    Ok(rows)
}

impl ManifestRow {
    /// The one medium this line means, or why there is none.
    pub fn find(&self, drives: &[Medium]) -> Result<PathBuf, String> {
        if let Some(target) = &self.target {
            let known = drives.iter().find(|m| m.path == *target);
            return match known.and_then(|m| m.identity.serial.as_deref()) {
                Some(serial) if !self.serial.is_empty() && serial != self.serial => {
                    Err(format!("{} has serial {serial}, the manifest says {}", target.display(), self.serial))
                }
                None if !self.serial.is_empty() => {
                    Err(format!("{} has no serial to compare with {}", target.display(), self.serial))
                }
                _ => Ok(target.clone()),
            };
        }
        let found: Vec<_> =
            drives.iter().filter(|m| m.identity.serial.as_deref() == Some(self.serial.as_str())).collect();
        match found.as_slice() {
            [one] => Ok(one.path.clone()),
            [] => Err(format!("no attached drive has serial {}", self.serial)),
            many => Err(format!("{} attached drives have serial {}", many.len(), self.serial)),
        }
    }
}

/// Writes the results of a manifest, one line a row, into a file that must not exist yet.
pub fn write_results(path: &Path, rows: &[(ManifestRow, TargetResult)]) -> Result<(), ManifestError> {
    let io = |source| ManifestError::Io { path: path.to_owned(), source };
    let csv_io = |e: csv::Error| io(io::Error::other(e));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["serial", "asset_tag", "category", "target", "outcome", "certificate", "failure_report", "message"];
    writer.write_record(header).map_err(csv_io)?;
    for (row, result) in rows {
        let outcome = serde_json::to_value(result.outcome).ok();
        let path_text = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
        let cells = [
            row.serial.clone(),
            row.asset_tag.clone().unwrap_or_default(),
            row.category.clone().unwrap_or_default(),
            result.target.display().to_string(),
            outcome.as_ref().and_then(|v| v.as_str()).unwrap_or_default().to_owned(),
            path_text(&result.certificate),
            path_text(&result.failure_report),
            result.message.clone(),
        ];
        writer.write_record(cells.map(|cell| harmless(&cell))).map_err(csv_io)?;
    }
    let table = writer.into_inner().map_err(|e| io(io::Error::other(e.to_string())))?;
    Ok(write_new(path, &table, 0o644)?)
}

/// A spreadsheet runs what begins with one of these as a formula.
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<ManifestRow>, ManifestError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_manifest(file.path())
    }

    #[test]
    fn every_line_must_be_good() {
        assert_eq!(read("serial,asset_tag,category\nS1,A-1,high\n S2 ,,\n").unwrap().len(), 2);
        let error = |text| read(text).unwrap_err().to_string();
        assert!(error("serial\nS1\nS1\n").contains("line 3"), "{}", error("serial\nS1\nS1\n"));
        assert!(error("serial,color\nS1,red\n").contains("unknown"));
        assert!(error("serial,asset_tag\n,A-1\n").contains("neither"));
        assert!(error("tag\nA-1\n").contains("column named serial"));
        assert!(error("serial,asset_tag\nS1\n").contains("line 2"));
    }

    #[test]
    fn a_spreadsheet_runs_nothing() {
        assert_eq!(harmless("=cmd()"), "'=cmd()");
        assert_eq!(harmless("S5Y2NJ0R"), "S5Y2NJ0R");
    }
}
