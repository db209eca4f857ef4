//! `lastwrite key`: keys of persons, and whom a trust store believes.

mod generate;
mod person;
mod store;

#[cfg(feature = "erase")]
pub use generate::name_beside;
pub use person::{KeyArgs, ask_twice, new_passphrase, read_passphrase};

use clap::Subcommand;

use super::Common;
use crate::frontend::exit::{Exit, Failure};
use crate::signed::Role;

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
    /// Disown a key
    Revoke(store::RevokeArgs),
}

pub fn run(common: &Common, command: KeyCommand) -> Result<Exit, Failure> {
    match command {
        KeyCommand::Generate(args) => generate::generate(common, &args),
        KeyCommand::Show(args) => generate::show(common, &args),
        KeyCommand::List(args) => store::list(common, &args),
        KeyCommand::Trust(args) => store::trust(common, &args),
        KeyCommand::Revoke(args) => store::revoke(common, &args),
    }
}

/// A role by its name.
pub fn signing_role(name: &str) -> Result<Role, String> {
    Role::of_name(name).ok_or_else(|| {
        let names = Role::ALL.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(", ");
        format!("there is no role {name}; there are {names}")
    })
}

/// An RFC 3339 time, or a date as its first second in UTC.
pub fn time(text: &str) -> Result<chrono::DateTime<chrono::Utc>, String> {
    let date = || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|d| d.and_utc());
    crate::signed::parse_time(text)
        .or_else(date)
        .ok_or_else(|| format!("{text} is not a time such as 2026-11-25T08:00:00Z or 2026-11-25"))
}
