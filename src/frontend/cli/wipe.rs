//! `lastwrite wipe`

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::document::own_name;
use super::key::KeyArgs;
use super::own_files::OwnFiles;
use super::plan::{self, WishArgs};
use super::progress::Display;
use super::refused::{refusal, refused_medium};
use super::results::{exit_of, report};
use super::{Common, output, station_failure};
use crate::frontend::exit::{Exit, Failure};
use crate::media::{Kind, Medium};
use crate::sanitize::record::Operator;
use crate::scheme;
use crate::signed::{Role, StationKey};
use crate::station::{
    self, Audience, Confirmation, Confirmed, Durability, EngineConfig, ExecuteError, Execution, FaultLimits, IoChoice,
    ManifestRow, Order, Outcome, Preparation, Psids, Ready, Refused, Run, STALL, Station, TargetResult,
};
use crate::units::now;

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
    let mut wish = args.wish.wish(Some(&station))?;
    warn_if_forgetful(&station, args.execution.out.as_deref())?;
    let mut request = Request::read(&args)?;
    request.refuse(&OwnFiles::of(common, &args.wish, &args.execution, args.manifest.as_deref()));
    args.wish.names_one_drive(request.rows.len())?;
    wish.psids = args.wish.psids(common, request.rows.len())?;
    if let Some(path) = args.results.as_ref().filter(|path| path.exists()) {
        return Err(Failure::words(Exit::Usage, format!("{} exists already and is not overwritten", path.display()))
            .hint("nothing was touched; name another file with --results"));
    }
    let key = common.key(&station)?;
    let operator = args.execution.operator(common)?;
    if let Some(operator) = &operator {
        let trust = station.trust().map_err(|e| station_failure(&e))?;
        let kid = operator.kid();
        let known = trust.find(kid).filter(|known| known.may(Role::Operator)).ok_or_else(|| {
            Failure::words(Exit::Refused, format!("key {kid} is not trusted as operator at this station"))
                .hint("nothing was touched; take it in with: lastwrite key trust PUBLIC --role operator")
        })?;
        let name = wish.operator.map_or_else(|| known.name.clone(), |operator| operator.name);
        own_name(Some(&trust), kid, &name, "touched")?;
        wish.operator = Some(Operator::signed(name, operator.kid()));
    }
    let roots = station::live();

    let mut ready = Vec::new();
    let mut results: Vec<Option<TargetResult>> = Vec::new();
    let orders: Vec<Order> = request.rows.iter().filter_map(|row| row.order.clone().ok()).collect();
    let mut prepared =
        station::prepare(&roots, Some(&station), &orders, &wish, now()).map_err(|e| station_failure(&e))?.into_iter();
    let mut runs = Vec::new();
    for row in &request.rows {
        let outcome = match &row.order {
            Err(why) => Err(refused(&row.named, None, row.asset_tag(), why.clone(), None)),
            Ok(order) => match prepared.next() {
                Some(Ok(preparation)) => Ok(preparation),
                Some(Err(error)) => Err(refusal_result(order, &error)),
                None => Err(refused(&order.target, None, None, "it was not planned".to_owned(), None)),
            },
        };
        runs.push(outcome);
    }
    for (row, outcome) in request.rows.iter().zip(runs) {
        let confirmed = outcome.and_then(|p| confirm(common, p, row.token.as_deref(), &mut request.tokens, args.yes));
        match confirmed {
            Ok(run) => {
                ready.push(Ready::Fresh(Box::new(run)));
                results.push(None);
            }
            Err(result) => results.push(Some(*result)),
        }
    }
    unused_tokens(&request.tokens, results.iter().flatten())?;

    results.iter().flatten().for_each(|refused| report(common, refused));
    let how = Execution { operator, psids: wish.psids, ..args.execution.execution() };
    let mut done = execute(common, &station, key, ready, &how)?.into_iter();
    let results: Vec<TargetResult> = results.into_iter().filter_map(|r| r.or_else(|| done.next())).collect();
    let mut exit = results.iter().fold(Exit::Done, |exit, result| exit.worst(exit_of(result)));
    if let Some(manifest) = &args.manifest {
        let rows = request.rows.into_iter().filter_map(|r| r.manifest).zip(results).collect::<Vec<_>>();
        let path = args.results.clone().unwrap_or_else(|| free_name(manifest));
        match station::write_results(&path, &rows) {
            Ok(()) => output::line_err(&format!("results: {}", path.display())),
            // The media are as they are: this must not hide a failed one.
            Err(error) => {
                exit = exit.worst(Exit::Other);
                output::line_err(&Failure::new(Exit::Other, &error).to_string());
            }
        }
    }
    Ok(exit)
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

/// What was asked for, one row a medium, before anything is looked at.
struct Request {
    rows: Vec<Row>,
    tokens: Vec<String>,
}

struct Row {
    named: PathBuf,
    order: Result<Order, String>,
    token: Option<String>,
    manifest: Option<ManifestRow>,
}

impl Row {
    fn asset_tag(&self) -> Option<String> {
        self.manifest.as_ref().and_then(|m| m.asset_tag.clone())
    }
}

impl Request {
    fn refuse(&mut self, own: &OwnFiles<'_>) {
        for row in &mut self.rows {
            if let Some(why) = row.order.as_ref().ok().and_then(|order| own.against(&order.target)) {
                row.order = Err(why);
            }
        }
    }

    fn read(args: &WipeArgs) -> Result<Request, Failure> {
        let tokens = args.confirm.clone();
        let Some(path) = &args.manifest else {
            let rows = args.wish.orders(args.targets.clone()).into_iter();
            let row = |order: Order| Row { named: order.target.clone(), order: Ok(order), token: None, manifest: None };
            return Ok(Request { rows: rows.map(row).collect(), tokens });
        };
        let manifest = station::read_manifest(path)
            .map_err(|e| Failure::new(Exit::Usage, &e).hint("nothing was touched; mend the manifest and try again"))?;
        let drives = station::inventory().map_err(|e| Failure::new(Exit::Other, &e))?;
        let row = |row: ManifestRow| {
            let named = row.target.clone().unwrap_or_else(|| PathBuf::from(&row.serial));
            let order = row.find(&drives).map(|target| Order {
                target,
                asset_tag: row.asset_tag.clone(),
                category: row.category.clone(),
            });
            Row { named, order, token: row.confirm_token.clone(), manifest: Some(row) }
        };
        Ok(Request { rows: manifest.into_iter().map(row).collect(), tokens })
    }
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

/// Takes a token from the command line, the manifest, or the terminal.
fn confirm(
    common: &Common,
    preparation: Preparation,
    row_token: Option<&str>,
    tokens: &mut Vec<String>,
    yes: bool,
) -> Result<Run<Confirmed>, Box<TargetResult>> {
    let shown = (!common.json).then(|| plan::render(&preparation, plan::Drawn::Now));
    let medium = preparation.run.plan().medium.clone();
    let asset = preparation.run.plan().asset_tag.clone();
    let no = |message: String, advice: &str| refused(&medium.path, Some(&medium), asset.clone(), message, Some(advice));
    if let Some(plan) = shown {
        output::line_err(&plan);
    }
    // What the command erases along has to be meant as well, each by its own token.
    let mut others = Vec::new();
    for other in &preparation.run.plan().also {
        if let Some(at) = tokens.iter().position(|token| *token == other.confirm_token) {
            others.push(tokens.remove(at));
        } else if let Some(typed) = ask(other) {
            others.push(typed);
        }
    }
    let by_flag = tokens.iter().position(|t| *t == medium.confirm_token).map(|i| tokens.remove(i));
    let word = match (&by_flag, row_token) {
        // A row that names another drive's token means another drive, whatever else was typed.
        (_, Some(token)) => Confirmation::Token(token),
        (Some(token), None) => Confirmation::Token(token),
        (None, None) if medium.kind == Kind::Image && yes => Confirmation::Yes,
        (None, None) => {
            let typed = ask(&medium).ok_or_else(|| match medium.kind {
                Kind::Image => no("it was not confirmed".to_owned(), "confirm an image file with --yes"),
                _ => no(
                    "it was not confirmed".to_owned(),
                    "confirm it with --confirm TOKEN; plan and drives print the token",
                ),
            })?;
            return preparation
                .run
                .confirm(Confirmation::Token(&typed), &others)
                .map_err(|error| no(error.to_string(), "nothing was touched"));
        }
    };
    preparation.run.confirm(word, &others).map_err(|error| no(error.to_string(), "plan and drives print the token"))
}

/// Asks at a terminal; `None` where there is none, or nothing was typed.
fn ask(medium: &Medium) -> Option<String> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    let mut stderr = std::io::stderr();
    let _ = write!(
        stderr,
        "\nEverything on {} will be destroyed. Type its confirm token ({}) to go on: ",
        output::harmless(&medium.path.display().to_string()),
        medium.confirm_token
    );
    let _ = stderr.flush();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok()?;
    let typed = line.trim();
    (!typed.is_empty()).then(|| typed.to_owned())
}

/// A token that fits no target is a mistake worth stopping for.
fn unused_tokens<'a>(tokens: &[String], refused: impl Iterator<Item = &'a TargetResult>) -> Result<(), Failure> {
    let mut theirs = Vec::new();
    for result in refused {
        match &result.medium {
            Some(medium) => theirs.push(medium.confirm_token.clone()),
            // A target that could not be looked at may have any token.
            None => return Ok(()),
        }
    }
    match tokens.iter().find(|token| !theirs.contains(token)) {
        None => Ok(()),
        Some(token) => {
            Err(Failure::words(Exit::Refused, format!("{token:?} is the confirm token of none of the targets"))
                .hint("nothing was touched; plan and drives print the tokens"))
        }
    }
}

/// A state folder in memory loses the evidence; a second place is needed then. That place is looked
/// at now, and not when the media are wiped.
pub fn warn_if_forgetful(station: &Station, out: Option<&Path>) -> Result<(), Failure> {
    let second = out.map(station::second_place).transpose().map_err(|e| {
        station_failure(&e).hint("nothing was touched; name a folder that can be written to with --out DIR")
    })?;
    match station.durability().map_err(|e| station_failure(&e))? {
        Durability::Survives => Ok(()),
        Durability::LostAtReboot(filesystem) => {
            output::line_err(&format!(
                "WARNING: the state folder {} lies in memory ({filesystem}): after a reboot the key, the log, the \
                 journal and the certificates are gone.",
                station.folder().display()
            ));
            match second {
                Some(Durability::Survives) => Ok(()),
                Some(Durability::LostAtReboot(_)) | None => Err(Failure::words(Exit::Refused, "the evidence would not survive a reboot")
                    .hint("name a second place on a medium that stays with --out DIR, or another state folder with --state DIR")),
            }
        }
    }
}

fn refusal_result(order: &Order, error: &Refused) -> Box<TargetResult> {
    let failure = refusal(error);
    let medium = refused_medium(error);
    refused(&order.target, medium, order.asset_tag.clone(), failure.message, failure.hint.as_deref())
}

fn refused(
    target: &Path,
    medium: Option<&Medium>,
    asset_tag: Option<String>,
    message: String,
    advice: Option<&str>,
) -> Box<TargetResult> {
    Box::new(TargetResult {
        outcome: Outcome::Refused,
        // JSON knows only text.
        target: target.to_string_lossy().into_owned().into(),
        run_id: None,
        medium: medium.map(|m| Box::new(m.clone())),
        asset_tag,
        requested: None,
        attained: None,
        proven: None,
        technique: None,
        certificate: None,
        failure_report: None,
        message,
        advice: advice.map(str::to_owned),
    })
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
