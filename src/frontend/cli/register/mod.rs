//! `lastwrite register | asset | media`: the asset register.

mod asset;
mod books;
mod cost;
mod dispose;
mod licence;
mod life;
mod measured;
mod media;
mod observe;
mod people;
mod policy;
mod procure;
mod record;
mod report;
mod sheet;
mod show;
mod trust;
mod values;
mod work;

pub use asset::AssetCommand;
pub use books::{BooksCommand, run as run_books};
pub use cost::{CostCommand, run as run_cost};
pub use dispose::{DisposeCommand, run as run_dispose};
pub use licence::{LicenceCommand, run as run_licence};
pub use media::MediaCommand;
pub use observe::{ObserveCommand, run as run_observe};
pub use people::{RoleCommand, run_role};
pub use policy::{PolicyCommand, run as run_policy};
pub use procure::{ModelCommand, ProcureCommand, VendorCommand, run as run_procure, run_model, run_vendor};
pub use report::{ReportCommand, run as run_report};
pub use work::{WorkCommand, run as run_work};

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::certificate::TrustArgs;
use super::key::{KeyArgs, new_passphrase, no_passphrase};
use super::{Common, output, station_failure};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{Database, Register, RegisterError, Role, Verdict, Work};
use crate::signed::{KeyPlace, StationKey};
use crate::station;

#[derive(Debug, Subcommand)]
pub enum RegisterCommand {
    /// Make a register; whoever makes it is its first administrator
    Init(InitArgs),
    /// Take in certificates and failure reports, and close what they close
    Ingest(IngestArgs),
    /// Check every event, right, closure and table
    Audit(AuditArgs),
    /// Make the tables anew from the events
    Rebuild(OpenArgs),
    /// Enrol a person with their key, or bar one; grant or withdraw roles
    #[command(subcommand)]
    Person(people::PersonCommand),
    /// Fix whom the register believes, so that nobody who brings evidence in chooses it
    #[command(subcommand)]
    Trust(trust::TrustCommand),
}

/// Which register, and who acts.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// SQLite file or postgres://... [default: register/register.db in the state folder]
    #[arg(long, env = "LASTWRITE_DATABASE", value_name = "URL")]
    database: Option<String>,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Organization whose register it is
    #[arg(long, value_name = "NAME")]
    organization: String,
    /// Your name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Roles you take besides admin
    #[arg(long, value_name = "ROLE", value_parser = role, num_args = 1..)]
    role: Vec<Role>,
    /// When a key is made for you: without a passphrase, so that whoever reads it can sign as you
    #[arg(long, env = "LASTWRITE_UNPROTECTED_KEY", value_parser = clap::builder::FalseyValueParser::new())]
    unprotected_key: bool,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct IngestArgs {
    /// State folder of a station, folder or files
    #[arg(required = true, value_name = "STATE|FILE")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn run(common: &Common, command: RegisterCommand) -> Result<Exit, Failure> {
    match command {
        RegisterCommand::Init(args) => init(common, &args),
        RegisterCommand::Ingest(args) => ingest(common, &args),
        RegisterCommand::Audit(args) => audit(common, &args),
        RegisterCommand::Rebuild(args) => {
            let count = args.with(common, async |register| register.rebuild().await)?;
            if common.json {
                output::json(&json!({ "events": count.to_string() }));
            } else {
                output::line(&format!("rebuilt from {count} events"));
            }
            Ok(Exit::Done)
        }
        RegisterCommand::Person(command) => people::run(common, command),
        RegisterCommand::Trust(command) => trust::run(common, command),
    }
}

pub fn run_asset(common: &Common, command: AssetCommand) -> Result<Exit, Failure> {
    asset::run(common, command)
}

pub fn run_media(common: &Common, command: MediaCommand) -> Result<Exit, Failure> {
    media::run(common, command)
}

fn init(common: &Common, args: &InitArgs) -> Result<Exit, Failure> {
    let at = args.open.at(common);
    let place = args.open.key.place()?;
    let key_path = if let KeyPlace::File(path) = &place { Some(path) } else { None };
    for path in [key_path, if let Database::File(file) = &at { Some(file) } else { None }].into_iter().flatten() {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|e| Failure::words(Exit::Other, format!("{}: making it failed: {e}", folder.display())))?;
        }
    }
    let key = match key_path.filter(|path| !path.exists()) {
        None => args.open.key.load_for_events(common)?,
        Some(key_path) => {
            let passphrase = match args.unprotected_key {
                true => args.open.key.passphrase(common)?,
                false => Some(new_passphrase(args.open.key.passphrase(common)?)?.ok_or_else(no_passphrase)?),
            };
            let key = StationKey::generate().map_err(|e| Failure::new(Exit::Other, &e))?;
            key.save_new(key_path, passphrase.as_ref()).map_err(|e| Failure::new(Exit::Other, &e))?;
            key
        }
    };
    let id = block_on(async {
        let register = Register::init(&at, &args.organization, &args.name, &args.role, &key).await?;
        let id = register.id().to_owned();
        register.close().await;
        Ok(id)
    })?;
    let named = place.to_string();
    if common.json {
        output::json(&json!({ "register": id, "kid": key.kid(), "public_key": key.public().x(), "key": named }));
    } else {
        output::line(&format!(
            "Register       {id}\nOrganization   {}\nAdministrator  {}",
            args.organization, args.name
        ));
        output::line(&format!("Key            {} ({named})", key.kid()));
    }
    Ok(Exit::Done)
}

fn ingest(common: &Common, args: &IngestArgs) -> Result<Exit, Failure> {
    let people = args.open.with(common, async |register| register.people().await)?;
    let believed = trust::believed(common, &args.trust, &people)?.ok_or_else(trust::no_store)?;
    let files = station::received(&args.paths).map_err(|e| station_failure(&e))?;
    let results = args.open.with_key(common, async |register, key| register.ingest(key, &files, &believed).await)?;
    let mut exit = Exit::Done;
    let mut rows = Vec::new();
    for result in &results {
        if matches!(result.verdict, Verdict::Refused | Verdict::Unmatched) {
            exit = exit.worst(Exit::Evidence);
        }
        if common.json {
            output::json(result);
            continue;
        }
        let verdict = match result.verdict {
            Verdict::Accepted => "accepted",
            Verdict::Known => "known",
            Verdict::Refused => "REFUSED",
            Verdict::Unmatched => "UNMATCHED",
        };
        let mut words = result.reason.clone().unwrap_or_default();
        if result.closed {
            words.push_str("closed by it");
        } else if !result.blockers.is_empty() {
            words.push_str(&format!("not closed: {}", result.blockers.join("; ")));
        }
        let name = result.name.chars().take(16).collect::<String>();
        rows.push(vec![name, verdict.to_owned(), result.asset.clone().unwrap_or_else(|| "-".into()), words]);
    }
    if !common.json {
        output::line(&match rows.is_empty() {
            true => "There was nothing to take in.".to_owned(),
            false => output::table(&["FILE", "VERDICT", "ASSET", ""], &rows),
        });
    }
    match &people.trust.in_force {
        None => output::line_err(&format!("NOTE: {}", trust::NOT_FIXED)),
        Some(version) if results.iter().any(|result| result.verdict == Verdict::Refused) => {
            let told = version.told(&people);
            output::line_err(&format!("NOTE: this register believes its own trust and nobody else ({told})"));
        }
        Some(_) => {}
    }
    Ok(exit)
}

fn audit(common: &Common, args: &AuditArgs) -> Result<Exit, Failure> {
    let people = args.open.with(common, async |register| register.people().await)?;
    let fixed = people.trust.in_force.as_ref();
    // A register may live where no station is: then documents are compared by hash alone, and it says so.
    let any = args.trust.trust.is_some() || fixed.is_none() && trust::is_station(common);
    let given = if any { args.trust.load(common)? } else { None };
    let report = args.open.with(common, async |register| register.audit(given.as_ref()).await)?;
    let wrong = !report.findings.is_empty();
    let good = !wrong && report.unchecked == 0;
    if common.json {
        let told = fixed.map(|version| json!({ "version": version.trust.version, "sha256": version.trust.digest() }));
        output::json(&json!({ "good": good, "trust": told, "report": report }));
    } else {
        for finding in &report.findings {
            output::line(&format!("{}  {}: {}", finding.code, finding.place, finding.detail));
        }
        let told = match (wrong, good) {
            (true, _) => "THE REGISTER IS NOT GOOD EVIDENCE",
            (false, true) => "nothing wrong",
            (false, false) => "nothing wrong was found, and whom the evidence was believed from WAS NOT CHECKED",
        };
        let (events, streams, closed) = (report.events, report.streams, report.closed);
        output::line(&format!("{events} events of {streams} streams, {closed} closed on evidence: {told}"));
        match (fixed, &given) {
            (Some(version), _) => {
                output::line(&format!("Documents were verified by the register's trust: {}.", version.told(&people)))
            }
            (None, Some(_)) => {}
            (None, None) => output::line(
                "No trust store was given, so documents were compared by hash and not verified again: \
                 name one with --trust FILE, or fix it for the register: lastwrite register trust propose FILE.",
            ),
        }
    }
    Ok(match (wrong, good) {
        (true, _) => Exit::Evidence,
        (false, true) => Exit::Done,
        (false, false) => Exit::Other,
    })
}

impl OpenArgs {
    fn at(&self, common: &Common) -> Database {
        match &self.database {
            Some(url) => Database::parse(url),
            None => Database::File(common.folder().join("register").join("register.db")),
        }
    }

    /// Opens the register for something that needs no key.
    fn with<T>(
        &self,
        common: &Common,
        job: impl AsyncFnOnce(&mut Register) -> Result<T, RegisterError>,
    ) -> Result<T, Failure> {
        let at = self.at(common);
        block_on(async { with_register(&at, job).await })
    }

    /// Opens the register to show what the owner of the key may see.
    fn view<T>(
        &self,
        common: &Common,
        job: impl AsyncFnOnce(&mut Register) -> Result<T, RegisterError>,
    ) -> Result<T, Failure> {
        self.with_key(common, async |register, key| {
            register.view_as(key.kid()).await?;
            job(register).await
        })
    }

    /// Makes one change: all of it, or nothing.
    fn change<T>(
        &self,
        common: &Common,
        job: impl AsyncFn(&mut Work<'_>) -> Result<T, RegisterError>,
    ) -> Result<T, Failure> {
        self.with_key(common, async |register, key| register.run(key, job).await)
    }

    /// Opens the register for a change.
    fn with_key<T>(
        &self,
        common: &Common,
        job: impl AsyncFnOnce(&mut Register, &StationKey) -> Result<T, RegisterError>,
    ) -> Result<T, Failure> {
        let at = self.at(common);
        let key = self.key.load_for_events(common)?;
        block_on(async { with_register(&at, async |register| job(register, &key).await).await })
    }
}

/// Opens the register, and closes it whatever came of the job.
async fn with_register<T>(
    at: &Database,
    job: impl AsyncFnOnce(&mut Register) -> Result<T, RegisterError>,
) -> Result<T, RegisterError> {
    let mut register = Register::open(at).await?;
    let done = job(&mut register).await;
    register.close().await;
    done
}

fn block_on<T>(future: impl Future<Output = Result<T, RegisterError>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|e| Failure::words(Exit::Other, format!("the program could not start its tasks: {e}")))?;
    runtime.block_on(future).map_err(|error| register_failure(&error))
}

fn register_failure(error: &RegisterError) -> Failure {
    match error {
        RegisterError::Refused(refusal) => match &refusal.hint {
            Some(hint) => Failure::new(Exit::Refused, error).hint(hint.clone()),
            None => Failure::new(Exit::Refused, error),
        },
        RegisterError::AlreadyThere(_) => Failure::new(Exit::Refused, error),
        RegisterError::Conflict { .. } => {
            Failure::new(Exit::Refused, error).hint("look at it again and repeat the command")
        }
        RegisterError::Damaged { .. } => Failure::new(Exit::Evidence, error).hint("lastwrite register audit says more"),
        RegisterError::NotInitialised(_) => Failure::new(Exit::Other, error)
            .hint("make one with: lastwrite register init --organization NAME --name NAME"),
        RegisterError::OtherTables(_) => {
            Failure::new(Exit::Other, error).hint("use the newer program; the events are the same for both")
        }
        RegisterError::NotFound { .. } => Failure::new(Exit::Usage, error),
        _ => Failure::new(Exit::Other, error),
    }
}

fn role(name: &str) -> Result<Role, String> {
    Role::of_name(name).ok_or_else(|| {
        let names = Role::ALL.iter().map(|r| r.name()).collect::<Vec<_>>().join(", ");
        format!("there is no role {name}; there are {names}")
    })
}
