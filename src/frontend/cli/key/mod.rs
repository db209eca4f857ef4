//! `lastwrite key`: keys of persons, and whom a trust store believes.

mod generate;
mod person;
mod root;
mod session;
mod store;

pub use person::{KeyArgs, ask_twice, new_passphrase, no_passphrase, pin, read_passphrase};

use clap::Subcommand;

use super::Common;
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{Reason, Role};

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key of your own, protected by a passphrase
    Generate(generate::GenerateArgs),
    /// Show the public half of your key, to hand to whoever is to trust you
    Show(generate::ShowArgs),
    /// List the keys that a trust store believes
    List(store::ListArgs),
    /// Take a public key into a trust store
    Trust(store::TrustKeyArgs),
    /// As an organization's root: vouch for a key, with roles and validity
    Delegate(root::DelegateArgs),
    /// Disown a key, in a trust store or by the root's signed list
    Revoke(store::RevokeArgs),
    /// Put a new key in the place of an old one
    Rotate(root::RotateArgs),
    /// Unlock your key once, for the register's commands of a working day
    #[command(subcommand)]
    Session(session::SessionCommand),
}

pub fn run(common: &Common, command: KeyCommand) -> Result<Exit, Failure> {
    match command {
        KeyCommand::Generate(args) => generate::generate(common, &args),
        KeyCommand::Show(args) => generate::show(common, &args),
        KeyCommand::List(args) => store::list(common, &args),
        KeyCommand::Trust(args) => store::trust(common, &args),
        KeyCommand::Delegate(args) => root::delegate(common, &args),
        KeyCommand::Rotate(args) => root::rotate(common, &args),
        KeyCommand::Revoke(args) => store::revoke(common, &args),
        KeyCommand::Session(command) => session::run(common, command),
    }
}

/// A role by its name.
pub fn signing_role(name: &str) -> Result<Role, String> {
    Role::of_name(name).ok_or_else(|| {
        let names = Role::ALL.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(", ");
        format!("there is no role {name}; there are {names}")
    })
}

/// A reason by its name.
pub fn reason(name: &str) -> Result<Reason, String> {
    let all = [Reason::Compromised, Reason::Lost, Reason::Superseded, Reason::Retired];
    let found = all.into_iter().find(|reason| reason.as_str() == name);
    found.ok_or_else(|| "it is compromised, lost, superseded or retired".to_owned())
}

/// An RFC 3339 time, or a date as its first second in UTC.
pub fn time(text: &str) -> Result<chrono::DateTime<chrono::Utc>, String> {
    let date = || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|d| d.and_utc());
    crate::signed::parse_time(text)
        .or_else(date)
        .ok_or_else(|| format!("{text} is not a time such as 2026-11-25T08:00:00Z or 2026-11-25"))
}
