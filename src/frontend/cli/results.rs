//! What became of the targets, for a person and for a program.

use std::path::{Path, PathBuf};

use super::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::station::{self, ManifestRow, Outcome, Station, TargetResult};

/// The exit code of one result; the worst of several decides.
pub fn exit_of(result: &TargetResult) -> Exit {
    match result.outcome {
        Outcome::Pass | Outcome::Abandoned => Exit::Done,
        Outcome::Fail => Exit::Failed,
        Outcome::Refused => Exit::Refused,
        Outcome::Interrupted => Exit::Interrupted,
        Outcome::Error => Exit::Other,
    }
}

/// Tells one result, for a program or for a person.
pub fn report(common: &Common, result: &TargetResult) {
    if common.json {
        output::json(result);
    } else {
        print(result);
    }
}

fn print(result: &TargetResult) {
    let name = match &result.medium {
        Some(medium) => format!("{} ({})", result.target.display(), medium.identity.label()),
        None => result.target.display().to_string(),
    };
    let word = match result.outcome {
        Outcome::Pass => "PASS",
        Outcome::Fail => "FAIL",
        Outcome::Refused => "REFUSED",
        Outcome::Interrupted => "INTERRUPTED",
        Outcome::Error => "ERROR",
        Outcome::Abandoned => "ABANDONED",
    };
    let message = &result.message;
    // Many errors name their target already.
    let named = message.starts_with(&*result.target.to_string_lossy());
    output::line(&if named { format!("{word:<12} {message}") } else { format!("{word:<12} {name}: {message}") });
    if let Some(path) = &result.certificate {
        output::line(&format!("{:<12} certificate    {}", "", path.display()));
    }
    if let Some(path) = &result.failure_report {
        output::line(&format!("{:<12} failure report {}", "", path.display()));
    }
    if let Some(advice) = &result.advice {
        output::line(&format!("{:<12} {advice}", ""));
    }
}

/// Where the table of a manifest's results goes.
pub struct Table(PathBuf);

impl Table {
    /// The place is tried now, and not when the media are wiped.
    pub fn place(manifest: &Path, results: Option<&Path>) -> Result<Table, Failure> {
        if let Some(path) = results.filter(|path| path.exists()) {
            return Err(Failure::words(
                Exit::Usage,
                format!("{} exists already and is not overwritten", path.display()),
            )
            .hint("nothing was touched; name another file with --results"));
        }
        let path = results.map_or_else(|| free_name(manifest), Path::to_owned);
        station::try_results(&path).map_err(|e| {
            Failure::new(Exit::Other, &e)
                .hint("nothing was touched; name a file in a folder that can be written to with --results FILE.csv")
        })?;
        Ok(Table(path))
    }

    /// Writes the table; where that is not possible any more into the state folder, or out.
    pub fn write(&self, common: &Common, station: &Station, rows: &[(Option<ManifestRow>, TargetResult)]) -> Exit {
        let told = |error: &(dyn std::error::Error + 'static)| {
            output::line_err(&Failure::new(Exit::Other, error).to_string());
            Exit::Other
        };
        let rows = rows.iter().filter_map(|(row, result)| Some((row.as_ref()?, result)));
        let table = match station::results_table(rows) {
            Ok(table) => table,
            Err(error) => return told(&error),
        };
        let Err(error) = station::write_results(&self.0, &table) else {
            output::line_err(&format!("results: {}", self.0.display()));
            return Exit::Done;
        };
        told(&error);
        match station::keep_results(station, &self.0, &table) {
            Ok(path) => output::line_err(&format!("results: {} instead", path.display())),
            Err(error) => {
                told(&error);
                output::line_err("results: nowhere but here");
                let text = String::from_utf8_lossy(&table);
                // Standard output is for objects alone then.
                if common.json { output::raw_err(text.trim_end()) } else { output::raw(text.trim_end()) }
            }
        }
        Exit::Other
    }
}

/// `lot.results.csv` beside `lot.csv`, or the first free `lot.results-2.csv`.
fn free_name(manifest: &Path) -> PathBuf {
    let stem = manifest.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = |n: u32| match n {
        1 => manifest.with_file_name(format!("{stem}.results.csv")),
        n => manifest.with_file_name(format!("{stem}.results-{n}.csv")),
    };
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1))
}
