//! `lastwrite asset import | export`

use std::path::PathBuf;

use clap::Args;

use super::OpenArgs;
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{self, DataClass, ImportOptions, Mapping, Sheet};
use crate::signed::{Part, atomic_write};

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// CSV or xlsx file with a header; only asset_tag must be there
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say what would happen and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Data class of rows that name none
    #[arg(long, default_value = "regulated", value_parser = data_class)]
    data_class: DataClass,
    /// TOML file that translates headers, words, amounts and days of another system
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Encoding of a CSV file that is not UTF-8, as windows-1252
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// Sheet of a workbook [default: the first]
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// File to write instead of standard output; FILE.xlsx for a workbook
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn import(common: &Common, args: &ImportArgs) -> Result<Exit, Failure> {
    let wrong = |path: &PathBuf, why: String| Failure::words(Exit::Refused, format!("{}: {why}", path.display()));
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|e| Failure::words(Exit::Other, format!("{}: {e}", path.display())))
    };
    let mapping = match &args.mapping {
        None => Mapping::default(),
        Some(path) => {
            let text = String::from_utf8(read(path)?).map_err(|e| wrong(path, e.to_string()))?;
            Mapping::parse(&text).map_err(|why| wrong(path, why))?
        }
    };
    let bytes = read(&args.file)?;
    let sheet = Sheet::of_file(&args.file, &bytes, args.encoding.as_deref(), args.sheet.as_deref())
        .map_err(|why| wrong(&args.file, format!("{why}; nothing was added")))?;
    drop(bytes);
    let options = ImportOptions { data_class: args.data_class, mapping, dry_run: args.dry_run };
    let report =
        args.open.with_key(common, async |register, key| register.import_sheet(key, &sheet, &options).await)?;
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
    let durable = |e| Failure::new(Exit::Other, &e);
    let Some(path) = &args.out else {
        let mut out = std::io::BufWriter::new(std::io::stdout());
        args.open.view(common, async |register| register::export_csv(register, &mut out).await)?;
        return Ok(Exit::Done);
    };
    let count = if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("xlsx")) {
        let (bytes, count) = args.open.view(common, async |register| register::export_xlsx(register).await)?;
        atomic_write(path, &bytes).map_err(durable)?;
        count
    } else {
        let part = Part::new(path).map_err(durable)?;
        let mut out = std::io::BufWriter::new(part.writer().map_err(durable)?);
        let count = args.open.view(common, async |register| register::export_csv(register, &mut out).await)?;
        drop(out);
        part.settle().map_err(durable)?;
        count
    };
    output::line_err(&format!("{} written to {}", output::count(count, "asset"), path.display()));
    Ok(Exit::Done)
}

fn data_class(text: &str) -> Result<DataClass, String> {
    DataClass::of_name(text).ok_or_else(|| format!("there is no data class {text}"))
}
