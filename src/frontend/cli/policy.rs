//! `lastwrite policy list | show | check | sign | use`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::key::KeyArgs;
use super::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::policy::{self, Category, InForce, READY, Route};
use crate::signed::Role;
use crate::station::{self, PolicyFileError};
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// The ready-made policies, and the one in force
    List,
    /// A policy in words [default: the one in force]
    Show(ShowArgs),
    /// Read a policy strictly, and say where it asks for less than the default
    Check(CheckArgs),
    /// Sign a policy with your key, as a policy approver, so that it can be followed
    Sign(SignArgs),
    /// Make a ready-made or a signed policy the one that this station works under
    Use(UseArgs),
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Id of a ready-made policy, or a file
    #[arg(value_name = "POLICY")]
    policy: Option<String>,
    /// The TOML text as it is, to start one's own from
    #[arg(long)]
    toml: bool,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// A policy file: TOML, or signed
    #[arg(value_name = "POLICY")]
    policy: String,
}

#[derive(Debug, Args)]
pub struct SignArgs {
    /// The TOML text
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// Where the signed policy goes [default: FILE.json beside it]; never overwritten
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Debug, Args)]
pub struct UseArgs {
    /// Id of a ready-made policy, or a signed file
    #[arg(value_name = "POLICY")]
    policy: String,
}

pub fn run(common: &Common, command: PolicyCommand) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::List => list(common),
        PolicyCommand::Show(args) => show(common, &args),
        PolicyCommand::Check(args) => check(common, &args),
        PolicyCommand::Sign(args) => sign(common, &args),
        PolicyCommand::Use(args) => adopt(common, &args),
    }
}

fn list(common: &Common) -> Result<Exit, Failure> {
    let station = common.station_if_any()?;
    let in_force = station::policy_in_force(station.as_ref(), None).map_err(|e| failure(&e))?;
    let mut rows = Vec::new();
    for ready in READY {
        let policy = ready.policy().map_err(|e| Failure::new(Exit::Other, &e))?;
        rows.push((policy, ready.digest(), true));
    }
    if rows.iter().all(|(_, digest, _)| *digest != in_force.digest) {
        rows.push((in_force.policy.clone(), in_force.digest.clone(), false));
    }
    for (policy, digest, ready) in rows {
        let holds = digest == in_force.digest;
        if common.json {
            output::json(&json!({
                "id": policy.id, "version": policy.version, "title": policy.title, "digest": digest,
                "ready_made": ready, "in_force": holds,
            }));
        } else {
            let mark = if holds { "in force" } else { "" };
            output::line(format!("{:<16} {:<8} {mark:<9} {}", policy.id, policy.version, policy.title).trim_end());
        }
    }
    Ok(Exit::Done)
}

fn show(common: &Common, args: &ShowArgs) -> Result<Exit, Failure> {
    let (in_force, toml) = match &args.policy {
        Some(name) => {
            let found = station::find_policy(name).map_err(|e| failure(&e))?;
            (found.in_force, found.toml)
        }
        None => {
            let station = common.station_if_any()?;
            let in_force = station::policy_in_force(station.as_ref(), None).map_err(|e| failure(&e))?;
            let toml = station::policy_text(station.as_ref(), &in_force).map_err(|e| failure(&e))?;
            (in_force, toml)
        }
    };
    if common.json {
        output::json(&as_json(&in_force));
    } else if args.toml {
        output::line(String::from_utf8_lossy(&toml).trim_end());
    } else {
        output::line(&policy::render(&in_force.policy));
        output::line(&format!("Digest: sha256:{}", in_force.digest));
        if let Some(kid) = &in_force.signed_by {
            output::line(&format!("Signed by key {kid} (as claimed)"));
        }
    }
    Ok(Exit::Done)
}

fn check(common: &Common, args: &CheckArgs) -> Result<Exit, Failure> {
    let found = station::find_policy(&args.policy).map_err(|e| failure(&e))?;
    let weaker = policy::weaker_than_default(&found.in_force.policy);
    let known = policy::Ready::find(&found.in_force.policy.id);
    let taken = known.is_some_and(|ready| ready.digest() != found.in_force.digest);
    if common.json {
        let mut value = as_json(&found.in_force);
        if let Value::Object(members) = &mut value {
            members.insert("weaker_than_default".to_owned(), json!(weaker));
            members.insert("signed".to_owned(), json!(found.jws.is_some()));
            members.insert("id_of_a_ready_made_one".to_owned(), json!(taken));
        }
        output::json(&value);
        return Ok(Exit::Done);
    }
    output::line(&format!("good: {} ({})", found.in_force.policy.label(), found.in_force.policy.title));
    for words in &weaker {
        output::line(&format!("weaker than {}: {words}", policy::DEFAULT));
    }
    if taken {
        output::line("note: its id is that of a ready-made policy with another text; give it one of its own");
    }
    let assume = &found.in_force.policy.assume;
    if assume.category.is_some() && assume.route.is_none() && !assume.nothing {
        output::line(
            "note: it assumes a category, but where nobody says the route it decides no minimum and what was asked for is \
             done; assume.nothing = true refuses that",
        );
    }
    if found.jws.is_none() {
        output::line("note: it is not signed yet (lastwrite policy sign)");
    }
    Ok(Exit::Done)
}

fn sign(common: &Common, args: &SignArgs) -> Result<Exit, Failure> {
    let name = args.file.display().to_string();
    let found = station::find_policy(&name).map_err(|e| failure(&e))?;
    if found.jws.is_some() {
        return Err(Failure::words(Exit::Usage, format!("{name} is signed already"))
            .hint("sign the TOML text: lastwrite policy show FILE --toml"));
    }
    let key = args.key.load(common)?;
    let signed = station::sign_policy(&found.toml, &key, Role::PolicyApprover, now()).map_err(|e| failure(&e))?;
    let out = args.out.clone().unwrap_or_else(|| args.file.with_extension("json"));
    station::write_policy(&out, &signed).map_err(|e| failure(&e))?;
    if common.json {
        output::json(&json!({
            "file": out.to_string_lossy(), "id": found.in_force.policy.id, "version": found.in_force.policy.version,
            "digest": found.in_force.digest, "signed_by": key.kid(),
        }));
    } else {
        output::line(&format!("signed {} by key {}: {}", found.in_force.policy.label(), key.kid(), out.display()));
        output::line(&format!("take it with: lastwrite policy use {}", out.display()));
    }
    Ok(Exit::Done)
}

fn adopt(common: &Common, args: &UseArgs) -> Result<Exit, Failure> {
    let station = common.station()?;
    let key = common.signing_key(&station, "nothing was changed")?;
    let (in_force, before) = station::adopt_policy(&station, &args.policy, &key, now()).map_err(|e| failure(&e))?;
    if common.json {
        let mut value = as_json(&in_force);
        if let Value::Object(members) = &mut value {
            members.insert("before".to_owned(), json!(before.map(|policy| policy.label())));
        }
        output::json(&value);
    } else {
        let was = before.map_or_else(String::new, |policy| format!(" (before: {})", policy.label()));
        output::line(&format!("this station now works under {}{was}", in_force.policy.label()));
    }
    Ok(Exit::Done)
}

fn as_json(in_force: &InForce) -> Value {
    let policy = &in_force.policy;
    let row = |category: Category| {
        let cells = Route::ALL.map(|route| (route.name().to_owned(), json!(policy.minimum(category, route))));
        (category.name().to_owned(), Value::Object(cells.into_iter().collect()))
    };
    json!({
        "policy": policy,
        "digest": in_force.digest,
        "signed_by": in_force.signed_by,
        "least_method": Value::Object(Category::ALL.map(row).into_iter().collect()),
    })
}

/// What went wrong with a policy file, with its exit code.
pub fn failure(error: &PolicyFileError) -> Failure {
    let failure = |exit| Failure::new(exit, error);
    match error {
        PolicyFileError::Unknown(_) => failure(Exit::Usage).hint("lastwrite policy list shows the ready-made ones"),
        PolicyFileError::Io { .. } | PolicyFileError::Key(_) | PolicyFileError::Store(_) => failure(Exit::Other),
        PolicyFileError::Policy { .. } => failure(Exit::Usage).hint("docs/policy.md explains every member"),
        PolicyFileError::Unsigned(path) => {
            failure(Exit::Refused).hint(format!("sign it with: lastwrite policy sign {}", path.display()))
        }
        PolicyFileError::Envelope { .. } | PolicyFileError::Content { .. } | PolicyFileError::Signature { .. } => {
            failure(Exit::Evidence).hint(
                "lastwrite key list shows whom this station trusts; a policy needs a key with the role policy_approver",
            )
        }
        PolicyFileError::Other { .. } => {
            failure(Exit::Refused).hint("leave --policy out, or change the station's with: lastwrite policy use NAME")
        }
    }
}
