//! `lastwrite asset import | export`

use std::path::PathBuf;

use clap::Args;

use super::OpenArgs;
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{self, DataClass};
use crate::signed::atomic_write;

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// CSV file with a header; only asset_tag must be there
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say what would happen and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Data class of rows that name none
    #[arg(long, default_value = "regulated", value_parser = data_class)]
    data_class: DataClass,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// File to write instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn import(common: &Common, args: &ImportArgs) -> Result<Exit, Failure> {
    let bytes =
        std::fs::read(&args.file).map_err(|e| Failure::words(Exit::Other, format!("{}: {e}", args.file.display())))?;
    let report = args.open.with_key(common, async |register, key| {
        register.import_csv(key, &bytes, args.data_class, args.dry_run).await
    })?;
    if common.json {
        output::json(&report);
    } else {
        for (word, rows) in [("note", &report.notes), ("error", &report.errors)] {
            for row in rows {
                let column = row.column.as_deref().map(|c| format!(", {c}")).unwrap_or_default();
                output::line_err(&format!("{word}: line {}{column}: {}", row.line, row.message));
            }
        }
        output::line(&match (report.errors.is_empty(), args.dry_run) {
            (false, _) => "nothing was added".to_owned(),
            (true, true) => "nothing stands against it; nothing was added (dry run)".to_owned(),
            (true, false) => format!("{} added", output::count(report.added, "asset")),
        });
    }
    Ok(if report.errors.is_empty() { Exit::Done } else { Exit::Refused })
}

pub fn export(common: &Common, args: &ExportArgs) -> Result<Exit, Failure> {
    let mut sheet = Vec::new();
    let count = args.open.view(common, async |register| register::export_csv(register, &mut sheet).await)?;
    match &args.out {
        None => output::raw(String::from_utf8_lossy(&sheet).trim_end_matches('\n')),
        Some(path) => {
            atomic_write(path, &sheet).map_err(|e| Failure::new(Exit::Other, &e))?;
            output::line_err(&format!("{} written to {}", output::count(count, "asset"), path.display()));
        }
    }
    Ok(Exit::Done)
}

fn data_class(text: &str) -> Result<DataClass, String> {
    DataClass::of_name(text).ok_or_else(|| format!("there is no data class {text}"))
}
