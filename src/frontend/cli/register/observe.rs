//! `lastwrite observe ...` and `lastwrite asset reconcile | findings | resolve`

use std::path::PathBuf;

use chrono::{DateTime, Days, NaiveDate, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use super::OpenArgs;
use super::measured::{self, MeasuredArgs, instant, kind, read};
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::metrics::IntervalKind;
use crate::register::observe::{self, Resolution, Scope, Sighting, Sightings, Source};
use crate::register::{Act, Lasted, Measured, Milli, Sample, Work};
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum ObserveCommand {
    /// A stock-take: a list of scanned barcodes, or CSV
    StockTake(SeenArgs),
    /// A network scan: nmap XML (nmap -oX), or CSV
    Scan(SeenArgs),
    /// What programs on the assets reported: CSV
    Agent(SeenArgs),
    /// What the books of finance claim to be there: CSV
    Ledger(SeenArgs),
    /// Samples from CSV: asset_tag, name, at, value; all rows or none
    Samples(MeasuredArgs),
    /// Times in use or down from CSV: asset_tag, kind, from, to; all rows or none
    Times(MeasuredArgs),
    /// One sample
    Sample(SampleArgs),
    /// One time in use or down
    Time(TimeArgs),
}

#[derive(Debug, Args)]
pub struct SeenArgs {
    /// The list
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The place that was looked at; what has no place of its own was seen there
    #[arg(long)]
    place: Option<String>,
    /// When [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<DateTime<Utc>>,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct SampleArgs {
    /// Asset tag
    #[arg(value_name = "TAG")]
    tag: String,
    /// What was measured, with its unit: uptime_h, cpu_percent, network_lag_ms
    #[arg(value_name = "NAME")]
    name: String,
    /// The value, at most three decimals
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    value: Milli,
    /// When [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<DateTime<Utc>>,
    /// Who or what measured
    #[arg(long, default_value = "person")]
    source: String,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct TimeArgs {
    /// Asset tag
    #[arg(value_name = "TAG")]
    tag: String,
    /// available, active, planned_down, unplanned_down
    #[arg(value_name = "KIND", value_parser = kind)]
    kind: IntervalKind,
    /// From when
    #[arg(value_name = "FROM", value_parser = instant)]
    from: DateTime<Utc>,
    /// Until when
    #[arg(value_name = "TO", value_parser = instant)]
    to: DateTime<Utc>,
    /// Who or what measured
    #[arg(long, default_value = "person")]
    source: String,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// Sightings since that day count [default: 90 days ago]
    #[arg(long, value_name = "DAY")]
    since: Option<NaiveDate>,
    /// Only assets of this place and below it
    #[arg(long)]
    place: Option<String>,
    /// Say what would be found and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct FindingsArgs {
    /// Also those that are resolved
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    limit: u32,
    /// Only those after this one
    #[arg(long, value_name = "ID", default_value = "")]
    after: String,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// Id of the finding
    #[arg(value_name = "ID")]
    id: String,
    /// found, written_off, registered, corrected, false_positive
    #[arg(value_name = "RESOLUTION", value_parser = resolution)]
    resolution: Resolution,
    /// Why that is known
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn run(common: &Common, command: ObserveCommand) -> Result<Exit, Failure> {
    match command {
        ObserveCommand::StockTake(args) => seen(common, &args, Source::StockTake),
        ObserveCommand::Scan(args) => seen(common, &args, Source::NetworkScan),
        ObserveCommand::Agent(args) => seen(common, &args, Source::Agent),
        ObserveCommand::Ledger(args) => seen(common, &args, Source::Ledger),
        ObserveCommand::Samples(args) => measured::samples(common, &args),
        ObserveCommand::Times(args) => measured::times(common, &args),
        ObserveCommand::Sample(args) => {
            let sample = Sample { name: args.name, at: args.at.unwrap_or_else(now), value: args.value };
            let measured = Measured { source: args.source, samples: vec![sample], intervals: Vec::new() };
            one(common, &args.open, &args.tag, &measured)
        }
        ObserveCommand::Time(args) => {
            let lasted = Lasted { kind: args.kind, from: args.from, to: args.to };
            let measured = Measured { source: args.source, samples: Vec::new(), intervals: vec![lasted] };
            one(common, &args.open, &args.tag, &measured)
        }
    }
}

fn seen(common: &Common, args: &SeenArgs, source: Source) -> Result<Exit, Failure> {
    use sha2::Digest as _;
    let bytes = read(&args.file)?;
    let named = args.file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    let list: Result<Vec<Sighting>, String> = match (source, named.as_str()) {
        (Source::NetworkScan, "xml") => observe::read_nmap(&bytes),
        (_, "csv") => observe::read_csv(&bytes),
        (Source::StockTake, _) => observe::read_barcodes(&bytes),
        _ => Err("it is read as CSV; name it FILE.csv (a scan also as FILE.xml)".to_owned()),
    };
    let list = list.map_err(|why| Failure::words(Exit::Usage, format!("{}: {why}", args.file.display())))?;
    let digest: String = sha2::Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    let (at, place) = (args.at.unwrap_or_else(now), args.place.clone());
    let sightings = Sightings { source, at, place, file: Some(digest), seen: list };
    let stream = args.open.with_key(common, async |register, key| {
        register.run(key, async |work: &mut Work<'_>| work.observe(&sightings).await).await
    })?;
    let count = sightings.seen.len();
    if common.json {
        output::json(&json!({ "observation": stream, "source": source.name(), "seen": count }));
    } else {
        output::line(&format!("{} seen, recorded as {stream}", output::count(count, "thing")));
        output::line("lastwrite asset reconcile holds them against the record");
    }
    Ok(Exit::Done)
}

/// One measurement, given by hand.
fn one(common: &Common, open: &OpenArgs, tag: &str, measured: &Measured) -> Result<Exit, Failure> {
    open.with_key(common, async |register, key| {
        let job = async |work: &mut Work<'_>| {
            let (stream, _) = work.asset(tag).await?;
            work.act(&stream, Act::Measured(measured.clone())).await
        };
        register.run(key, job).await
    })?;
    measured::told(common, 1, 1)
}

pub fn reconcile(common: &Common, args: &ReconcileArgs) -> Result<Exit, Failure> {
    let today = now().date_naive();
    let since = args.since.or_else(|| today.checked_sub_days(Days::new(90))).unwrap_or(today);
    let since = since.and_time(chrono::NaiveTime::MIN).and_utc();
    let scope = Scope { since, place: args.place.clone(), dry_run: args.dry_run };
    let found = args.open.with_key(common, async |register, key| register.reconcile(key, &scope).await)?;
    if common.json {
        output::json(&found);
        return Ok(Exit::Done);
    }
    for (kind, tag, detail) in found.new.iter().take(1000) {
        output::line(&format!("{}: {}  {detail}", kind.words(), tag.as_deref().unwrap_or("-")));
    }
    if found.new.len() > 1000 {
        output::line(&format!("and {} more; lastwrite asset findings lists them", found.new.len() - 1000));
    }
    let dry = if args.dry_run { " (dry run: nothing was stored)" } else { "" };
    output::line(&format!(
        "{} expected; {} held against the record: {} new, {} known before, {} seen again{dry}",
        output::count(usize::try_from(found.expected).unwrap_or(usize::MAX), "asset"),
        output::count(usize::try_from(found.sightings).unwrap_or(usize::MAX), "sighting"),
        found.new.len(),
        found.known,
        found.seen_again.len()
    ));
    Ok(Exit::Done)
}

pub fn findings(common: &Common, args: &FindingsArgs) -> Result<Exit, Failure> {
    let found = args.open.view(common, async |register| register.findings(args.all, &args.after, args.limit).await)?;
    if common.json {
        found.iter().for_each(output::json);
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = found
        .into_iter()
        .map(|f| {
            let dash = || "-".to_owned();
            vec![f.id, f.kind, f.tag.unwrap_or_else(dash), f.opened, f.resolution.unwrap_or_else(dash), f.detail]
        })
        .collect();
    output::line(&match rows.is_empty() {
        true => "No findings.".to_owned(),
        false => output::table(&["ID", "KIND", "ASSET", "SINCE", "RESOLVED", ""], &rows),
    });
    Ok(Exit::Done)
}

pub fn resolve(common: &Common, args: &ResolveArgs) -> Result<Exit, Failure> {
    let stream = format!("finding/{}", args.id.trim_start_matches("finding/"));
    let finding = args.open.with_key(common, async |register, key| {
        let job = async |work: &mut Work<'_>| work.resolve(&stream, args.resolution, args.reason.clone()).await;
        register.run(key, job).await
    })?;
    if common.json {
        output::json(
            &json!({ "finding": args.id, "kind": finding.kind, "tag": finding.tag, "resolution": args.resolution }),
        );
    } else {
        let tag = finding.tag.unwrap_or_else(|| "-".to_owned());
        output::line(&format!("{tag}: {}: {}", finding.kind.words(), args.resolution.name().replace('_', " ")));
        if args.resolution == Resolution::WrittenOff {
            output::line("Its condition is missing now. It is not closed: its media are still to be accounted for.");
        }
    }
    Ok(Exit::Done)
}

fn resolution(text: &str) -> Result<Resolution, String> {
    Resolution::of_name(text)
        .ok_or_else(|| format!("{text:?} is none of {}", Resolution::ALL.map(Resolution::name).join(", ")))
}
