//! A manifest names many media by serial; results come back as a table.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::folder::Station;
use super::result::TargetResult;
use crate::media::{Medium, Transport};
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
        // Several drives may have it, where each row says by its target which is meant.
        let twice = |other: &ManifestRow| {
            let either_has_none = row.target.is_none() || other.target.is_none();
            other.serial == row.serial && (either_has_none || row.target == other.target)
        };
        if !row.serial.is_empty() && rows.iter().any(twice) {
            return Err(row_error(line, format!("serial {} stands twice in the manifest", row.serial)));
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(row_error(1, "it names no medium".to_owned()));
    }
    Ok(rows)
}

impl ManifestRow {
    /// The one medium this line means, or why there is none.
    pub fn find(&self, drives: &[Medium]) -> Result<PathBuf, String> {
        if let Some(target) = &self.target {
            // By whatever link it was named.
            let place = fs::canonicalize(target).unwrap_or_else(|_| target.clone());
            let known = drives.iter().find(|m| m.path == place || m.other_paths.contains(&place));
            return match known.map(|medium| self.against(medium)) {
                _ if self.serial.is_empty() => Ok(target.clone()),
                Some(None) => Ok(target.clone()),
                Some(Some(why)) => Err(why),
                None => Err(format!("{} has no serial to compare with {}", target.display(), self.serial)),
            };
        }
        let found: Vec<_> =
            drives.iter().filter(|m| m.identity.serial.as_deref() == Some(self.serial.as_str())).collect();
        let whole: Vec<_> = found.iter().filter(|m| !is_area(m)).collect();
        match (whole.as_slice(), found.as_slice()) {
            ([one], _) => Ok(one.path.clone()),
            (_, []) => Err(format!("no attached drive has serial {}", self.serial)),
            (_, many) => {
                let paths: Vec<_> = many.iter().map(|medium| medium.path.display().to_string()).collect();
                Err(format!(
                    "serial {} is that of {}: add a column target that says which is meant",
                    self.serial,
                    paths.join(", ")
                ))
            }
        }
    }

    /// What speaks against this medium, where the line has a serial number.
    pub fn against(&self, medium: &Medium) -> Option<String> {
        let path = medium.path.display();
        match medium.identity.serial.as_deref() {
            _ if self.serial.is_empty() => None,
            Some(serial) if serial == self.serial => None,
            Some(serial) => Some(format!("{path} has serial {serial} now; the manifest says {}", self.serial)),
            None => Some(format!("{path} has no serial number now; the manifest says {}", self.serial)),
        }
    }
}

/// A boot partition or another area of a card, which has the card's serial number and a node of its own: who names a
/// card by its serial number means its main area.
fn is_area(medium: &Medium) -> bool {
    medium.transport == Transport::Mmc && medium.identity.unit.is_some()
}

/// The results of a manifest, one line a row.
pub fn results_table<'a>(rows: impl Iterator<Item = (&'a ManifestRow, &'a TargetResult)>) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header =
        ["serial", "asset_tag", "category", "target", "outcome", "certificate", "failure_report", "message", "path"];
    writer.write_record(header)?;
    for (row, result) in rows {
        let outcome = serde_json::to_value(result.outcome).ok();
        let path_text = |path: Option<&PathBuf>| path.map(|p| p.display().to_string()).unwrap_or_default();
        let cells = [
            row.serial.clone(),
            row.asset_tag.clone().unwrap_or_default(),
            row.category.clone().unwrap_or_default(),
            result.target.display().to_string(),
            outcome.as_ref().and_then(|v| v.as_str()).unwrap_or_default().to_owned(),
            path_text(result.certificate.as_ref()),
            path_text(result.failure_report.as_ref()),
            result.message.clone(),
            path_text(result.medium.as_ref().map(|medium| &medium.path)),
        ];
        writer.write_record(cells.map(|cell| harmless(&cell)))?;
    }
    writer.into_inner().map_err(|e| io::Error::other(e.to_string()))
}

/// Whether results can be written there: a file is made beside their name, and removed.
pub fn try_results(path: &Path) -> Result<(), ManifestError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let tried = folder.join(format!(".lastwrite-{:08x}", rand::random::<u32>()));
    let made = File::create_new(&tried).and_then(|_| fs::remove_file(&tried));
    made.map_err(|source| ManifestError::Io { path: folder.to_owned(), source })
}

/// Writes the results of a manifest into a file that must not exist yet.
pub fn write_results(path: &Path, table: &[u8]) -> Result<(), ManifestError> {
    Ok(write_new(path, table, 0o644)?)
}

/// Writes results whose place could not be written to into the state folder, under their name or the next free one.
pub fn keep_results(station: &Station, wanted: &Path, table: &[u8]) -> Result<PathBuf, ManifestError> {
    let folder = station.folder().join("results");
    fs::create_dir_all(&folder).map_err(|source| ManifestError::Io { path: folder.clone(), source })?;
    let name = wanted.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut number = 1;
    loop {
        let path = folder.join(if number == 1 { format!("{name}.csv") } else { format!("{name}-{number}.csv") });
        match write_new(&path, table, 0o644) {
            Ok(()) => return Ok(path),
            Err(DurableError::Exists { .. }) if number < 10_000 => number += 1,
            Err(error) => return Err(error.into()),
        }
    }
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
        let targets = |a, b| format!("serial,target\nS1,{a}\nS1,{b}\n");
        assert_eq!(read(&targets("/dev/sda", "/dev/sdb")).unwrap().len(), 2);
        for (a, b) in [("/dev/sda", ""), ("", "/dev/sda"), ("/dev/sda", "/dev/sda")] {
            let told = read(&targets(a, b)).unwrap_err().to_string();
            assert!(told.contains("line 3: serial S1 stands twice"), "{told}");
        }
        assert!(error("serial,color\nS1,red\n").contains("unknown"));
        assert!(error("serial,asset_tag\n,A-1\n").contains("neither"));
        assert!(error("tag\nA-1\n").contains("column named serial"));
        assert!(error("serial,asset_tag\nS1\n").contains("line 2"));
        assert!(error("serial,asset_tag\n").contains("it names no medium"));
    }

    #[test]
    fn a_spreadsheet_runs_nothing() {
        assert_eq!(harmless("=cmd()"), "'=cmd()");
        assert_eq!(harmless("S5Y2NJ0R"), "S5Y2NJ0R");
    }
}
