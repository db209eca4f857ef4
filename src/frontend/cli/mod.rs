//! The command line: one file a command.

mod certificate;
#[cfg(feature = "pdf")]
mod certificate_pdf;
mod cosign;
mod custody;
mod document;
#[cfg(feature = "erase")]
mod drives;
mod handover;
mod init;
mod key;
mod late;
mod lottery;
mod output;
#[cfg(feature = "erase")]
mod own_files;
#[cfg(feature = "erase")]
mod plan;
mod policy;
#[cfg(feature = "erase")]
mod progress;
#[cfg(feature = "erase")]
mod psid;
#[cfg(feature = "erase")]
mod refused;
mod register;
#[cfg(feature = "erase")]
mod results;
#[cfg(feature = "erase")]
mod resume;
mod time;
#[cfg(feature = "erase")]
mod torn;
#[cfg(feature = "erase")]
mod verify_media;
#[cfg(feature = "erase")]
mod wipe;
mod witness;

#[cfg(feature = "erase")]
pub use drives::drives_json;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::late::Late;
use super::exit::{Exit, Failure};
use crate::custody::LogError;
use crate::signed::{Passphrase, Role, StationKey, TrustError};
use crate::station::{Station, StationError, default_folder};
use crate::units::now;

/// The last write a drive ever gets: sanitizes storage media, proves it, and lets anybody check it.
#[derive(Debug, Parser)]
#[command(name = "lastwrite", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Common {
    /// State folder [default: /var/lib/lastwrite for root, else the XDG data folder]
    #[arg(long, global = true, env = "LASTWRITE_STATE", value_name = "DIR")]
    state: Option<PathBuf>,
    /// File with the passphrase of the station key (first line); of your own key where only that is used
    #[arg(long, global = true, env = "LASTWRITE_PASSPHRASE_FILE", value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Machine-readable output
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the state folder of this station: key, trust store, custody log
    Init(Late<init::InitArgs>),
    /// List drives, and why each may or may not be wiped
    #[cfg(feature = "erase")]
    Drives(Late<drives::DrivesArgs>),
    /// Show what a wipe would do and why; touches nothing
    #[cfg(feature = "erase")]
    Plan(Late<plan::PlanArgs>),
    /// Wipe drives or image files, verify them and sign the proof
    #[cfg(feature = "erase")]
    Wipe(Late<Box<wipe::WipeArgs>>),
    /// List interrupted runs, go on with them, or give them up
    #[cfg(feature = "erase")]
    Resume(Late<resume::ResumeArgs>),
    /// Read a medium back and compare it with a certificate
    #[cfg(feature = "erase")]
    VerifyMedia(Late<verify_media::VerifyMediaArgs>),
    /// Keys of persons, and whom a trust store believes
    #[command(subcommand)]
    Key(Late<key::KeyCommand>),
    /// Show, verify, judge, gather and bundle certificates and the documents about them
    #[command(subcommand)]
    Certificate(Late<certificate::CertificateCommand>),
    /// Show, check, sign and take the organization's sanitization policy
    #[command(subcommand)]
    Policy(Late<policy::PolicyCommand>),
    /// Hand media over and receive them; show, sign or audit the custody log
    #[command(subcommand)]
    Custody(Late<custody::CustodyCommand>),
    /// Make, fill, prove and rebuild the asset register
    #[command(subcommand)]
    Register(Late<register::RegisterCommand>),
    /// The life of an asset, from procurement to a disposition closed by evidence
    #[command(subcommand)]
    Asset(Late<register::AssetCommand>),
    /// The media inside assets
    #[command(subcommand)]
    Media(Late<register::MediaCommand>),
    /// Models that are bought: standards, useful life, end of support
    #[command(subcommand)]
    Model(Late<register::ModelCommand>),
    /// Who sells, takes or recycles, and by what they are certified
    #[command(subcommand)]
    Vendor(Late<register::VendorCommand>),
    /// Needs, requests, approvals, orders, and what appeared without them
    #[command(subcommand)]
    Procure(Late<register::ProcureCommand>),
    /// Work orders, help desk, and the calendar of what is due
    #[command(subcommand)]
    Work(Late<register::WorkCommand>),
    /// Licences: seats, who uses them, what is free
    #[command(subcommand)]
    Licence(Late<register::LicenceCommand>),
    /// Disposal orders as lots
    #[command(subcommand)]
    Dispose(Late<register::DisposeCommand>),
    /// Amounts and values of assets
    #[command(subcommand)]
    Cost(Late<register::CostCommand>),
    /// What the organization laid down for each stage of an asset's life
    #[command(subcommand)]
    StagePolicy(Late<register::PolicyCommand>),
    /// Who may do what, and where
    #[command(subcommand)]
    Role(Late<register::RoleCommand>),
    /// What was seen and measured: stock-take, network scan, agents, ledger, samples, times
    #[command(subcommand)]
    Observe(Late<register::ObserveCommand>),
    /// What finance lays down: depreciation, what holding an asset costs
    #[command(subcommand)]
    Books(Late<register::BooksCommand>),
    /// Costs, use, value, disposal, ghosts: as table, CSV, JSON, workbook or PDF
    #[command(subcommand)]
    Report(Late<Box<register::ReportCommand>>),
}

/// Runs the program.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            // Nothing was parsed, so whether JSON was asked for is seen from the words alone.
            if args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json") {
                output::json(&usage_json(&error.render().to_string()));
            }
            let _ = error.print();
            return Exit::Usage.into();
        }
        Err(help) => {
            let _ = help.print();
            return Exit::Done.into();
        }
    };
    let json = cli.common.json;
    match dispatch(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if json {
                output::json(&serde_json::json!({ "error": failure.message, "hint": failure.hint }));
            }
            output::line_err(&failure.to_string());
            failure.exit.into()
        }
    }
}

/// A usage error as any other one: what is wrong, and after it how it is meant. Where a command is missing all that is
/// told is the help.
fn usage_json(told: &str) -> serde_json::Value {
    match told.strip_prefix("error: ").and_then(|told| told.split_once("\n\n")) {
        Some((error, hint)) => serde_json::json!({ "error": error, "hint": hint.trim_end() }),
        None => serde_json::json!({ "error": "the command line is not complete", "hint": told.trim_end() }),
    }
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let common = &cli.common;
    match cli.command {
        Command::Init(Late(args)) => init::run(common, args),
        #[cfg(feature = "erase")]
        Command::Drives(Late(args)) => drives::run(common, args),
        #[cfg(feature = "erase")]
        Command::Plan(Late(args)) => plan::run(common, args),
        #[cfg(feature = "erase")]
        Command::Wipe(Late(args)) => wipe::run(common, *args),
        #[cfg(feature = "erase")]
        Command::Resume(Late(args)) => resume::run(common, args),
        #[cfg(feature = "erase")]
        Command::VerifyMedia(Late(args)) => verify_media::run(common, args),
        Command::Key(Late(command)) => key::run(common, command),
        Command::Certificate(Late(command)) => certificate::run(common, command),
        Command::Policy(Late(command)) => policy::run(common, command),
        Command::Custody(Late(command)) => custody::run(common, command),
        Command::Register(Late(command)) => register::run(common, command),
        Command::Asset(Late(command)) => register::run_asset(common, command),
        Command::Media(Late(command)) => register::run_media(common, command),
        Command::Model(Late(command)) => register::run_model(common, command),
        Command::Vendor(Late(command)) => register::run_vendor(common, command),
        Command::Procure(Late(command)) => register::run_procure(common, command),
        Command::Work(Late(command)) => register::run_work(common, command),
        Command::Licence(Late(command)) => register::run_licence(common, command),
        Command::Dispose(Late(command)) => register::run_dispose(common, command),
        Command::Cost(Late(command)) => register::run_cost(common, command),
        Command::StagePolicy(Late(command)) => register::run_policy(common, command),
        Command::Role(Late(command)) => register::run_role(common, command),
        Command::Observe(Late(command)) => register::run_observe(common, command),
        Command::Books(Late(command)) => register::run_books(common, command),
        Command::Report(Late(command)) => register::run_report(common, *command),
    }
}

impl Common {
    fn folder(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(default_folder)
    }

    fn station(&self) -> Result<Station, Failure> {
        Station::open(&self.folder()).map_err(|error| station_failure(&error))
    }

    /// The station where there is one; a state folder that was named must be one.
    fn station_if_any(&self) -> Result<Option<Station>, Failure> {
        match Station::open(&self.folder()) {
            Ok(station) => Ok(Some(station)),
            Err(StationError::NotInitialised(_)) if self.state.is_none() => Ok(None),
            Err(StationError::Io { source, .. })
                if self.state.is_none() && source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Ok(None)
            }
            Err(error) => Err(station_failure(&error)),
        }
    }

    fn passphrase(&self) -> Result<Option<Passphrase>, Failure> {
        self.passphrase_file.as_deref().map(key::read_passphrase).transpose()
    }

    /// Unlocks the station key, where what it signs now would be believed; else what was `not_done` is told first.
    fn signing_key(&self, station: &Station, not_done: &str) -> Result<StationKey, Failure> {
        let key = self.key(station)?;
        fit(station, key.kid(), Role::Station, not_done)?;
        Ok(key)
    }

    /// Unlocks the station key, asking at a terminal when it needs a passphrase and none was given.
    fn key(&self, station: &Station) -> Result<StationKey, Failure> {
        use std::io::IsTerminal;
        let given = self.passphrase()?;
        if let Some(uri) = station.token().map_err(|error| station_failure(&error))? {
            let pin = key::pin(&uri, given)?;
            return station.key(Some(&pin)).map_err(|error| station_failure(&error));
        }
        match station.key(given.as_ref()) {
            Err(StationError::Key(crate::signed::KeyError::PassphraseNeeded { .. }))
                if std::io::stdin().is_terminal() =>
            {
                let typed = rpassword::prompt_password("passphrase of the station key: ")
                    .map_err(|e| Failure::words(Exit::Other, format!("the passphrase could not be read: {e}")))?;
                station.key(Some(&Passphrase::from(typed))).map_err(|error| station_failure(&error))
            }
            other => other.map_err(|error| station_failure(&error)),
        }
    }
}

/// Whether a key may sign at the station now; else what was `not_done` is told first.
fn fit(station: &Station, kid: &str, role: Role, not_done: &str) -> Result<(), Failure> {
    station.may_sign(kid, role, now()).map_err(|error| {
        let failure = station_failure(&error);
        let hint = failure.hint.as_deref().map_or_else(|| not_done.to_owned(), |hint| format!("{not_done}; {hint}"));
        failure.hint(hint)
    })
}

fn station_failure(error: &StationError) -> Failure {
    let failure = |exit| Failure::new(exit, error);
    match error {
        StationError::NotInitialised(_) => {
            failure(Exit::Other).hint("make one with: lastwrite init --organization NAME --station NAME")
        }
        StationError::StateFolder(_) => failure(Exit::Refused),
        StationError::AlreadyThere(_) => failure(Exit::Refused).hint("name another folder with --state DIR"),
        StationError::BadName { .. } => failure(Exit::Usage),
        StationError::Custody(LogError::Io { .. } | LogError::Random) => failure(Exit::Other),
        StationError::Custody(_) => failure(Exit::Evidence).hint("lastwrite custody audit says more"),
        StationError::Rotation(_) => failure(Exit::Refused),
        StationError::Unfit(unfit) => failure(Exit::Refused).hint(unfit.advice()),
        StationError::NoPermissions { .. } => failure(Exit::Refused).hint(
            "FAT and exFAT are of that sort: mount it with umask=077, or name a folder on ext4 or another file system \
             that keeps permissions (--state DIR)",
        ),
        StationError::Trust(TrustError::Over { .. }) => failure(Exit::Refused).hint(
            "whoever has lost trust does not name the next key: lastwrite init in another folder (--state DIR) makes a \
             station of its own; a key is rotated first and revoked then",
        ),
        StationError::Trust(_) | StationError::Config { .. } => failure(Exit::Evidence),
        StationError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            failure(Exit::Other).hint("run it as the user who owns the state folder, or name another with --state DIR")
        }
        _ => failure(Exit::Other),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    /// One public key in 64 begins with a hyphen (base64url), and so may a serial number.
    #[test]
    fn keys_tokens_and_serial_numbers_may_begin_with_a_hyphen() {
        let mut command = Cli::command();
        command.build();
        let (mut seen, mut waiting) = (0, vec![command]);
        while let Some(command) = waiting.pop() {
            for arg in command.get_arguments() {
                let named = arg.get_value_names().unwrap_or_default().iter();
                let ours = named.clone().any(|name| matches!(name.as_str(), "KID" | "X" | "TOKEN" | "SERIAL"))
                    || matches!(arg.get_id().as_str(), "serial" | "confirm" | "kid" | "public_key");
                // An option of many values ends at the next hyphen; there it is --serial=-1.
                if !ours || arg.get_num_args().is_some_and(|range| range.max_values() > 1) {
                    continue;
                }
                seen += 1;
                assert!(arg.is_allow_hyphen_values_set(), "{} {}", command.get_name(), arg.get_id());
            }
            waiting.extend(command.get_subcommands().cloned());
        }
        assert!(seen >= 10, "{seen} looked at");
    }
}
