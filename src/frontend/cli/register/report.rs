//! `lastwrite report ...`

use std::io::Write;
use std::path::PathBuf;

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::OpenArgs;
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::report::{Accounts, Ask, By, CsvSink, JsonSink, Kind, Regime, Sink, TableSink, XlsxSink};
use crate::register::{Register, RegisterError};
use crate::signed::atomic_write;
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Total cost of ownership: acquisition, operational, maintenance, disposition; recovery apart
    Tco(ReportArgs),
    /// Return on investment and return on assets
    Returns(ReportArgs),
    /// Utilization, availability, MTBF, MTTR
    Utilization(ReportArgs),
    /// Work that was due, and what of it was done on time
    Maintenance(MaintenanceArgs),
    /// Samples of uptime, processor, network lag
    Samples(ReportArgs),
    /// Depreciation of the period, accumulated, and book value
    Depreciation(ReportArgs),
    /// What left by which route: mass, landfill diversion, proceeds, gain or loss
    Disposal(ReportArgs),
    /// Ghost assets and what they cost a year
    Ghosts(ReportArgs),
    /// Coming refreshes and their budget, by quarter
    Refresh(ReportArgs),
    /// Until when the evidence of closed assets is to be kept
    Retention(RetentionArgs),
    /// Journal lines of one month for an ERP: depreciation and disposal
    Journal(JournalArgs),
    /// Everything about one asset on one page
    Card(CardArgs),
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, the first rows of many
    Table,
    /// All rows; cells that a spreadsheet would run are made harmless
    Csv,
    /// One object a line
    Json,
    /// A workbook
    Xlsx,
    /// PDF/A-3 with charts
    #[cfg(feature = "pdf")]
    Pdf,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// asset, model, category, location, company, year, month
    #[arg(long, default_value = "model", value_parser = by)]
    by: By,
    #[command(flatten)]
    asked: AskedArgs,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Args)]
pub struct AskedArgs {
    /// First day [default: the first of all; for utilization and samples a year ago]
    #[arg(long, value_name = "DAY")]
    from: Option<NaiveDate>,
    /// Last day [default: today; for refreshes in two years]
    #[arg(long, value_name = "DAY")]
    to: Option<NaiveDate>,
    /// Only assets of this category
    #[arg(long)]
    category: Option<String>,
    /// Only assets of this location and below it
    #[arg(long)]
    location: Option<String>,
    /// Only this asset
    #[arg(long, value_name = "TAG")]
    asset: Option<String>,
}

#[derive(Debug, Args)]
pub struct OutArgs {
    /// How it is written [default: by the name of the file, else table]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// File to write instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The time the report bears [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct MaintenanceArgs {
    /// Days late that are still on time
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    grace: u32,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Debug, Args)]
pub struct RetentionArgs {
    /// hipaa, sox, or a number of years; the longest holds
    #[arg(long, value_name = "REGIME", default_values = ["hipaa", "sox"], num_args = 1.., value_delimiter = ',', value_parser = regime)]
    regime: Vec<Regime>,
    #[command(flatten)]
    asked: AskedArgs,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Args)]
pub struct JournalArgs {
    /// The month, as 2026-03
    #[arg(long, value_name = "MONTH", value_parser = month)]
    month: NaiveDate,
    /// TOML file that says which account an amount goes to
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// Only assets of this category
    #[arg(long)]
    category: Option<String>,
    /// Only assets of this location and below it
    #[arg(long)]
    location: Option<String>,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Args)]
pub struct CardArgs {
    /// Asset tag
    #[arg(value_name = "TAG")]
    tag: String,
    #[command(flatten)]
    out: OutArgs,
}

pub fn run(common: &Common, command: ReportCommand) -> Result<Exit, Failure> {
    let (kind, args) = match command {
        ReportCommand::Tco(args) => (Kind::Tco, args),
        ReportCommand::Returns(args) => (Kind::Returns, args),
        ReportCommand::Utilization(args) => (Kind::Utilization, args),
        ReportCommand::Samples(args) => (Kind::Samples, args),
        ReportCommand::Maintenance(MaintenanceArgs { grace, report: args }) => {
            let ask = args.asked.ask(args.by, None, &args.out);
            return write(common, &args.out, async |register: &mut Register, sink: &mut dyn Sink| {
                register.maintenance(&ask, grace, sink).await
            });
        }
        ReportCommand::Depreciation(args) => (Kind::Depreciation, args),
        ReportCommand::Disposal(args) => (Kind::Disposal, args),
        ReportCommand::Ghosts(args) => (Kind::Ghosts, args),
        ReportCommand::Refresh(args) => (Kind::Refresh, args),
        ReportCommand::Retention(args) => {
            let ask = args.asked.ask(By::Asset, None, &args.out);
            return write(common, &args.out, async |register: &mut Register, sink: &mut dyn Sink| {
                register.retention(&ask, &args.regime, sink).await
            });
        }
        ReportCommand::Journal(args) => return journal(common, &args),
        ReportCommand::Card(args) => return card(common, &args),
    };
    let ask = args.asked.ask(args.by, Some(kind), &args.out);
    write(common, &args.out, async |register: &mut Register, sink: &mut dyn Sink| {
        register.report(kind, &ask, sink).await
    })
}

fn journal(common: &Common, args: &JournalArgs) -> Result<Exit, Failure> {
    let accounts = match &args.accounts {
        None => Accounts::default(),
        Some(path) => {
            let wrong = |why: String| Failure::words(Exit::Usage, format!("{}: {why}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
            Accounts::parse(&text).map_err(wrong)?
        }
    };
    let last = args.month.checked_add_months(Months::new(1)).and_then(|day| day.checked_sub_days(Days::new(1)));
    let ask = Ask {
        by: By::Asset,
        from: args.month,
        to: last.unwrap_or(args.month),
        category: args.category.clone(),
        place: args.location.clone(),
        tag: None,
        seen: None,
        at: args.out.at.unwrap_or_else(now),
    };
    write(common, &args.out, async |register: &mut Register, sink: &mut dyn Sink| {
        register.journal(&ask, &accounts, sink).await
    })
}

fn card(common: &Common, args: &CardArgs) -> Result<Exit, Failure> {
    let none = AskedArgs { from: None, to: None, category: None, location: None, asset: None };
    let ask = none.ask(By::Asset, None, &args.out);
    let card = args.out.open.view(common, async |register| register.card(&args.tag, &ask).await)?;
    let format = args.out.format(common);
    let bytes = match format {
        Format::Json => serde_json::to_vec(&card).map(|mut bytes| {
            bytes.push(b'\n');
            bytes
        }),
        #[cfg(feature = "pdf")]
        Format::Pdf => {
            let made = crate::register::report::card_pdf(&card, ask.at);
            Ok(made.map_err(|e| super::register_failure(&e))?)
        }
        Format::Table => Ok(card_text(&card).into_bytes()),
        Format::Csv | Format::Xlsx => {
            return Err(Failure::words(Exit::Usage, "a card is no table; write it as json or pdf"));
        }
    };
    let bytes = bytes.map_err(|e| Failure::words(Exit::Other, format!("the card could not be written: {e}")))?;
    args.out.put(&bytes, format)
}

fn card_text(card: &crate::register::report::Card) -> String {
    let media: Vec<_> = card.media.iter().filter_map(|m| m["label"].as_str().map(str::to_owned)).collect();
    let mut lines = vec![format!("Audit card {}  revision {}  {}", card.asset.tag, card.revision, card.organization)];
    let d = &card.asset.details;
    let mut fact = |name: &str, value: Option<String>| {
        lines.extend(value.filter(|v| !v.is_empty()).map(|value| format!("  {name:<14} {value}")));
    };
    fact("Stage", Some(card.asset.stage.name().to_owned()));
    fact(
        "What",
        Some([&d.category, &d.manufacturer, &d.model].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")),
    );
    fact("Serial", d.serial.clone());
    fact("Location", card.asset.location.clone());
    fact("Custodian", card.asset.custodian.clone());
    fact("Media", Some(media.join(", ")));
    for v in &card.asset.life.valuations {
        fact("Valuation", Some(format!("{} ({}, {}, {})", v.money, v.basis.name(), v.on, v.source)));
    }
    fact(
        "Last seen",
        Some(
            card.last_seen
                .as_ref()
                .map_or_else(|| "never".to_owned(), |seen| seen["at"].as_str().unwrap_or("?").to_owned()),
        ),
    );
    for (title, row) in &card.figures {
        let cells = row.as_object().into_iter().flatten().map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| if value.is_null() { "n/a".to_owned() } else { value.to_string() }, str::to_owned);
            format!("{} {text}", name.replace('_', " "))
        });
        lines.push(format!("{title}: {}", cells.collect::<Vec<_>>().join(", ")));
    }
    for finding in &card.findings {
        lines.push(format!(
            "Finding since {}: {}",
            finding["since"].as_str().unwrap_or("?"),
            finding["detail"].as_str().unwrap_or("?")
        ));
    }
    for event in &card.history {
        let text = |name: &str| event[name].as_str().unwrap_or("?").to_owned();
        lines.push(format!("{:>4}  {}  {}  by {}", text("revision"), text("at"), text("what"), text("by")));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Runs a report into the format that was asked for.
fn write(
    common: &Common,
    out: &OutArgs,
    job: impl AsyncFnOnce(&mut Register, &mut dyn Sink) -> Result<(), RegisterError>,
) -> Result<Exit, Failure> {
    match out.format(common) {
        Format::Table => {
            let mut table = TableSink::new(1000);
            out.open.view(common, async |register| job(register, &mut table).await)?;
            let text = shown(&table);
            match &out.out {
                None => output::line(&text),
                Some(_) => return out.put(format!("{}\n", output::harmless(&text)).as_bytes(), Format::Table),
            }
            Ok(Exit::Done)
        }
        format @ (Format::Csv | Format::Json) => {
            // Row by row to where it goes: a file appears only when it is whole.
            let part = out.part()?;
            let to: Box<dyn Write + Send> = match &part {
                Some(part) => {
                    let file = part.writer().map_err(|e| Failure::new(Exit::Other, &e))?;
                    Box::new(std::io::BufWriter::new(file))
                }
                None => Box::new(std::io::BufWriter::new(std::io::stdout())),
            };
            let mut sink: Box<dyn Sink> =
                if format == Format::Csv { Box::new(CsvSink::new(to)) } else { Box::new(JsonSink::new(to)) };
            out.open.view(common, async |register| job(register, sink.as_mut()).await)?;
            drop(sink);
            out.settle(part)
        }
        Format::Xlsx => {
            let mut sink = XlsxSink::default();
            out.open.view(common, async |register| job(register, &mut sink).await)?;
            out.put(&sink.bytes, Format::Xlsx)
        }
        #[cfg(feature = "pdf")]
        Format::Pdf => {
            let bytes = out.open.view(common, async |register| {
                let organization = register.people().await?.organization;
                let mut sink = crate::register::report::PdfSink::new(&organization);
                job(register, &mut sink).await?;
                Ok(sink.bytes)
            })?;
            out.put(&bytes, Format::Pdf)
        }
    }
}

fn shown(table: &TableSink) -> String {
    let Some(head) = &table.head else { return String::new() };
    let mut lines = vec![format!(
        "{}  {}",
        head.title,
        head.asked.iter().map(|(k, v)| format!("{k} {v}")).collect::<Vec<_>>().join(", ")
    )];
    let titles: Vec<&str> = head.columns.iter().map(|c| c.title).collect();
    let rows: Vec<Vec<String>> =
        table.rows.iter().chain(&table.tail.totals).map(|row| row.iter().map(|cell| cell.shown()).collect()).collect();
    lines.push(if rows.is_empty() { "Nothing to report.".to_owned() } else { output::table(&titles, &rows) });
    if table.more > 0 {
        lines.push(format!("{} more rows; --format csv writes them all", table.more));
    }
    lines.extend(table.tail.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

impl AskedArgs {
    fn ask(&self, by: By, kind: Option<Kind>, out: &OutArgs) -> Ask {
        let at = out.at.unwrap_or_else(now);
        let today = at.date_naive();
        let recent = matches!(kind, Some(Kind::Utilization | Kind::Samples));
        let first = match kind {
            Some(Kind::Refresh) => today,
            _ if recent => today.checked_sub_months(Months::new(12)).unwrap_or(today),
            _ => NaiveDate::from_ymd_opt(1970, 1, 1).unwrap_or(today),
        };
        let last = match kind {
            Some(Kind::Refresh) => today.checked_add_months(Months::new(24)).unwrap_or(today),
            _ => today,
        };
        Ask {
            by,
            from: self.from.unwrap_or(first),
            to: self.to.unwrap_or(last),
            category: self.category.clone(),
            place: self.location.clone(),
            tag: self.asset.clone(),
            seen: None,
            at,
        }
    }
}

impl OutArgs {
    fn format(&self, common: &Common) -> Format {
        if let Some(format) = self.format {
            return format;
        }
        if common.json {
            return Format::Json;
        }
        match self.out.as_deref().and_then(|p| p.extension()).and_then(|e| e.to_str()) {
            Some("csv") => Format::Csv,
            Some("json" | "jsonl") => Format::Json,
            Some("xlsx") => Format::Xlsx,
            #[cfg(feature = "pdf")]
            Some("pdf") => Format::Pdf,
            _ => Format::Table,
        }
    }

    fn put(&self, bytes: &[u8], format: Format) -> Result<Exit, Failure> {
        match &self.out {
            Some(path) => atomic_write(path, bytes).map_err(|e| Failure::new(Exit::Other, &e))?,
            None => {
                use std::io::IsTerminal as _;
                let mut stdout = std::io::stdout().lock();
                let binary = !matches!(format, Format::Table | Format::Json | Format::Csv);
                if binary && stdout.is_terminal() {
                    return Err(Failure::words(Exit::Usage, "that is nothing for a terminal; name a file with --out"));
                }
                let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
            }
        }
        Ok(Exit::Done)
    }

    /// A file beside the one to write, which takes its name when it is whole.
    fn part(&self) -> Result<Option<crate::signed::Part>, Failure> {
        let Some(path) = &self.out else { return Ok(None) };
        crate::signed::Part::new(path).map(Some).map_err(|e| Failure::new(Exit::Other, &e))
    }

    fn settle(&self, part: Option<crate::signed::Part>) -> Result<Exit, Failure> {
        match part {
            Some(part) => part.settle().map(|()| Exit::Done).map_err(|e| Failure::new(Exit::Other, &e)),
            None => Ok(Exit::Done),
        }
    }
}

fn by(text: &str) -> Result<By, String> {
    By::of_name(text).ok_or_else(|| format!("there is no grouping by {text}"))
}

fn regime(text: &str) -> Result<Regime, String> {
    Regime::parse(text).ok_or_else(|| format!("{text:?} is no regime; there are hipaa, sox, or a number of years"))
}

fn month(text: &str) -> Result<NaiveDate, String> {
    let day: Result<NaiveDate, _> = format!("{text}-01").parse();
    day.ok().filter(|day| day.day() == 1).ok_or_else(|| format!("{text:?} is no month; write 2026-03"))
}
