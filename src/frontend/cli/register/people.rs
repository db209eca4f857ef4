//! `lastwrite register person enrol | bar | grant | withdraw | list`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{OpenArgs, role};
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{Act, Grant, REGISTER_STREAM, Role};
use crate::signed::PublicKey;

#[derive(Debug, Subcommand)]
pub enum PersonCommand {
    /// Enrol a person by their public key
    Enrol(EnrolArgs),
    /// Their key signs nothing from now on
    Bar(BarArgs),
    /// Give a role, for a location or everywhere
    Grant(GrantArgs),
    /// Take a role back
    Withdraw(GrantArgs),
    /// Who is enrolled, with which roles
    List(OpenArgs),
}

#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Give a role, for a location or everywhere
    Grant(GrantArgs),
    /// Take a role back
    Withdraw(GrantArgs),
    /// The roles and what they may; with people, who holds them
    List(OpenArgs),
}

#[derive(Debug, Args)]
pub struct EnrolArgs {
    /// Name
    #[arg(value_name = "NAME")]
    name: String,
    /// Public key: the JWK's `x`
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    public_key: String,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct BarArgs {
    /// Thumbprint of the key
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct GrantArgs {
    /// Thumbprint of the key
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    /// Role
    #[arg(value_name = "ROLE", value_parser = role)]
    role: Role,
    /// Only there and below, as Berlin/Building 2
    #[arg(long)]
    location: Option<String>,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn run(common: &Common, command: PersonCommand) -> Result<Exit, Failure> {
    let (open, act) = match command {
        PersonCommand::List(open) => return list(common, &open),
        PersonCommand::Enrol(args) => {
            let key = PublicKey::from_x(&args.public_key).map_err(|e| Failure::new(Exit::Usage, &e))?;
            (args.open, Act::PersonEnrolled { kid: key.kid(), x: key.x(), name: args.name })
        }
        PersonCommand::Bar(args) => (args.open, Act::PersonBarred { kid: args.kid, reason: args.reason }),
        PersonCommand::Grant(args) => {
            let grant = Grant { role: args.role, location: args.location };
            (args.open, Act::RoleGranted { kid: args.kid, grant })
        }
        PersonCommand::Withdraw(args) => {
            let grant = Grant { role: args.role, location: args.location };
            (args.open, Act::RoleWithdrawn { kid: args.kid, grant })
        }
    };
    open.with_key(common, async |register, key| {
        register.run(key, async |work| work.act(REGISTER_STREAM, act.clone()).await).await
    })?;
    if common.json {
        output::json(&json!({ "act": act }));
    } else {
        output::line("done");
    }
    Ok(Exit::Done)
}

pub fn run_role(common: &Common, command: RoleCommand) -> Result<Exit, Failure> {
    match command {
        RoleCommand::Grant(args) => run(common, PersonCommand::Grant(args)),
        RoleCommand::Withdraw(args) => run(common, PersonCommand::Withdraw(args)),
        RoleCommand::List(open) => roles(common, &open),
    }
}

fn roles(common: &Common, open: &OpenArgs) -> Result<Exit, Failure> {
    let people = open.with(common, async |register| register.people().await)?;
    let mut rows = Vec::new();
    for role in Role::ALL {
        let may: Vec<&str> = role.permissions().iter().map(|p| p.name()).collect();
        let holders = people.persons.values().filter(|p| p.barred.is_none());
        let held = holders.flat_map(|p| p.grants.iter().filter(|g| g.role == role).map(move |g| (p, g)));
        let held: Vec<String> = held
            .map(|(p, g)| g.location.as_ref().map_or_else(|| p.name.clone(), |l| format!("{} at {l}", p.name)))
            .collect();
        if common.json {
            output::json(&json!({ "role": role, "may": may, "holders": held }));
        }
        let may = if may.is_empty() { "read".to_owned() } else { may.join(", ") };
        rows.push(vec![role.name().to_owned(), held.join(", "), may]);
    }
    if !common.json {
        output::line(&output::table(&["ROLE", "HELD BY", "MAY"], &rows));
    }
    Ok(Exit::Done)
}

fn list(common: &Common, open: &OpenArgs) -> Result<Exit, Failure> {
    let people = open.with(common, async |register| register.people().await)?;
    if common.json {
        output::json(&people);
        return Ok(Exit::Done);
    }
    let roles = |grants: &[Grant]| {
        let one = |g: &Grant| match &g.location {
            Some(location) => format!("{} at {location}", g.role.name()),
            None => g.role.name().to_owned(),
        };
        grants.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let rows: Vec<_> = people
        .persons
        .iter()
        .map(|(kid, p)| {
            vec![
                p.name.clone(),
                kid.clone(),
                p.barred.as_ref().map_or_else(|| roles(&p.grants), |r| format!("barred: {r}")),
            ]
        })
        .collect();
    output::line(&output::table(&["NAME", "KEY", "ROLES"], &rows));
    Ok(Exit::Done)
}
