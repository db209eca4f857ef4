//! `lastwrite wipe`

mod request;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::document::own_name;
use super::key::KeyArgs;
use super::own_files::OwnFiles;
use super::plan::WishArgs;
use super::progress::Display;
use super::results::{Table, exit_of, report};
use super::torn::TornEnds;
use super::{Common, fit, output, station_failure};
use crate::frontend::exit::{Exit, Failure};
use crate::sanitize::record::Operator;
use crate::scheme;
use crate::signed::{Role, StationKey};
use crate::station::{
    self, Audience, EngineConfig, ExecuteError, Execution, FaultLimits, IoChoice, Psids, Ready, STALL, Station,
    TargetResult,
};
use request::Request;

#[derive(Debug, Args)]
pub struct WipeArgs {
    /// Block devices or image files
    #[arg(value_name = "TARGET")]
    targets: Vec<PathBuf>,
    #[command(flatten)]
    wish: WishArgs,
    /// CSV with a line a medium: serial, asset_tag, category, and if wanted confirm_token and target
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["targets", "asset", "category"])]
    manifest: Option<PathBuf>,
    /// Where the manifest's results go [default: FILE.results.csv beside it]
    #[arg(long, value_name = "FILE.csv", requires = "manifest")]
    results: Option<PathBuf>,
    /// Confirm token of a block device, as `plan` prints it; once for each
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    confirm: Vec<String>,
    /// Confirm image files
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    execution: ExecutionArgs,
}

/// Options of everything that runs.
#[derive(Debug, Args)]
pub struct ExecutionArgs {
    /// The operator's own key; it signs the certificate or failure report
    #[arg(long, value_name = "FILE|URI", env = "LASTWRITE_OPERATOR_KEY")]
    pub operator_key: Option<String>,
    /// File with the passphrase of the operator's key (first line) [default: asked for]
    #[arg(long, value_name = "FILE", env = "LASTWRITE_OPERATOR_PASSPHRASE_FILE")]
    pub operator_passphrase_file: Option<PathBuf>,
    /// A second place for certificates and failure reports
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// I/O worker threads for all drives [default: one a core, at most 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64), hide_short_help = true)]
    pub workers: Option<u16>,
    /// How the bytes travel
    #[arg(long, value_enum, default_value_t = Io::Auto, hide_short_help = true)]
    pub io: Io,
    /// Tries again for each block that fails
    #[arg(long, value_name = "N", default_value_t = 2, hide_short_help = true)]
    pub retries: u32,
    /// Seconds that retries may take in each pass
    #[arg(long, value_name = "SECONDS", default_value_t = 120, hide_short_help = true)]
    pub retry_budget: u64,
    /// Seconds without any answer after which a medium is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 300, hide_short_help = true)]
    pub stall_timeout: u64,
    /// Seconds at the same progress after which an erase by the drive is given up
    #[arg(long, value_name = "SECONDS", default_value_t = STALL.as_secs(), value_parser = clap::value_parser!(u64).range(1..), hide_short_help = true)]
    pub erase_stall: u64,
    /// Seconds between two checkpoints
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = seconds, hide_short_help = true)]
    pub checkpoint: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.1..=3600.0).contains(&number) { Ok(number) } else { Err("from 0.1 to 3600".to_owned()) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Io {
    /// io_uring where the kernel allows it
    Auto,
    /// io_uring or nothing
    Uring,
    /// pread and pwrite
    Plain,
}

pub fn run(common: &Common, args: WipeArgs) -> Result<Exit, Failure> {
    if args.wish.scheme == "list" {
        if common.json {
            output::json(&scheme::listing());
        } else {
            output::line(scheme::listing_text().trim_end());
        }
        return Ok(Exit::Done);
    }
    if args.targets.is_empty() && args.manifest.is_none() {
        return Err(Failure::words(Exit::Usage, "no target").hint("lastwrite drives lists what is there"));
    }
    args.wish.scheme()?;
    let station = common.station()?;
    let _torn = TornEnds::of(&station)?;
    let mut wish = args.wish.wish(Some(&station))?;
    warn_if_forgetful(&station, args.execution.out.as_deref())?;
    let request = Request::read(&args)?;
    let request = request.without(&OwnFiles::of(common, &args.wish, &args.execution, args.manifest.as_deref()));
    args.wish.names_one_drive(request.len())?;
    let table = args.manifest.as_deref().map(|lot| Table::place(lot, args.results.as_deref())).transpose()?;
    wish.psids = args.wish.psids(common, request.len())?;
    let key = common.signing_key(&station, "nothing was touched")?;
    let operator = args.execution.operator(common)?;
    if let Some(operator) = &operator {
        let kid = operator.kid();
        fit(&station, kid, Role::Operator, "nothing was touched")?;
        let trust = station.trust().map_err(|e| station_failure(&e))?;
        let known = || trust.find(kid).map(|known| known.name.clone());
        let name = wish.operator.map(|operator| operator.name).or_else(known).unwrap_or_default();
        own_name(Some(&trust), kid, &name, "touched")?;
        wish.operator = Some(Operator::signed(name, operator.kid()));
    }
    let request = request.plan(&station::live(), Some(&station), &wish)?.confirm(common, args.confirm, args.yes)?;
    request.ended().for_each(|refused| report(common, refused));
    let (request, ready) = request.begin();
    let how = Execution { operator, psids: wish.psids, ..args.execution.execution() };
    let rows = request.end(execute(common, &station, key, ready, &how)?);
    let exit = rows.iter().fold(Exit::Done, |exit, (_, result)| exit.worst(exit_of(result)));
    // The media are as they are: a table that cannot be written must not hide a failed one.
    Ok(table.map_or(exit, |table| exit.worst(table.write(common, &station, &rows))))
}

/// Carries the runs out, shows how they go on, and prints each result as its medium ends.
pub fn execute(
    common: &Common,
    station: &Station,
    key: StationKey,
    ready: Vec<Ready>,
    how: &Execution,
) -> Result<Vec<TargetResult>, Failure> {
    let display = Display::new(common.json);
    let ended = |_: usize, result: &TargetResult| {
        display.ended(result.run_id.as_deref().unwrap_or_default(), || report(common, result));
    };
    let audience = Audience { watch: &|event| display.show(event), ended: &ended };
    let results = station::execute(station, key, ready, how, audience).map_err(|error| match error {
        ExecuteError::Station(error) => station_failure(&error),
        other => Failure::new(Exit::Other, &other),
    })?;
    display.finish();
    Ok(results)
}

impl ExecutionArgs {
    /// What the options mean.
    pub fn execution(&self) -> Execution {
        let io = match self.io {
            Io::Auto => IoChoice::Auto,
            Io::Uring => IoChoice::Uring,
            Io::Plain => IoChoice::Plain,
        };
        let workers = self.workers.map_or(0, usize::from);
        Execution {
            out: self.out.clone(),
            engine: EngineConfig { workers, io, ..EngineConfig::default() },
            faults: FaultLimits {
                retries: self.retries,
                retry_budget: Duration::from_secs(self.retry_budget),
                stall_timeout: Duration::from_secs(self.stall_timeout.max(1)),
            },
            checkpoint_every: Duration::from_secs_f64(self.checkpoint),
            operator: None,
            erase_stall: Duration::from_secs(self.erase_stall),
            psids: Psids::default(),
        }
    }

    /// Unlocks the operator's own key, where one was named.
    pub fn operator(&self, common: &Common) -> Result<Option<StationKey>, Failure> {
        let Some(key) = &self.operator_key else { return Ok(None) };
        let key_passphrase_file = self.operator_passphrase_file.clone();
        KeyArgs::of(key.clone(), key_passphrase_file).load(common).map(Some)
    }
}

/// A state folder in memory loses the evidence; a second place is needed then. That place is looked
/// at now, and not when the media are wiped.
pub fn warn_if_forgetful(station: &Station, out: Option<&Path>) -> Result<(), Failure> {
    let second = out.map(station::second_place).transpose().map_err(|e| {
        station_failure(&e).hint("nothing was touched; name a folder of its own that can be written to with --out DIR")
    })?;
    let Some(doubt) = station.durability().map_err(|e| station_failure(&e))?.doubt() else { return Ok(()) };
    output::line_err(&format!(
        "WARNING: the state folder {} {doubt}: then the key, the log, the journal and the certificates are gone after a \
         reboot.",
        station.folder().display()
    ));
    let why = match second.map(|second| second.doubt()) {
        Some(None) => return Ok(()),
        Some(Some(doubt)) => format!("the evidence would not survive a reboot: the folder of --out {doubt}"),
        None => "the evidence would not survive a reboot".to_owned(),
    };
    Err(Failure::words(Exit::Refused, why).hint(
        "nothing was touched; name a second place on a medium that stays with --out DIR, or another state folder with \
         --state DIR",
    ))
}
