//! `lastwrite register trust show | propose | approve`: whom the register believes, fixed by two persons.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{OpenArgs, register_failure};
use crate::frontend::cli::certificate::TrustArgs;
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{Act, People, REGISTER_STREAM, RegisterError, TrustText, TrustVersion};
use crate::signed::{BundleError, TrustStore, TrustedKey, bundle_beside, format_time};
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Show whom the register believes, and what waits for an approval
    Show(OpenArgs),
    /// Propose whom the register shall believe: a trust store, best one that holds the organization's root alone
    Propose(ProposeArgs),
    /// Put what was proposed in force, as a second person
    Approve(ApproveArgs),
}

#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// Trust store (JWK Set) [default: the station's own, where there is one]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// What its roots signed: delegations and revocation lists [default: FILE.bundle.jsonl beside it]
    #[arg(long, value_name = "FILE")]
    bundle: Vec<PathBuf>,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// Version
    #[arg(value_name = "VERSION")]
    version: u32,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn run(common: &Common, command: TrustCommand) -> Result<Exit, Failure> {
    let open = match command {
        TrustCommand::Show(open) => open,
        TrustCommand::Propose(ProposeArgs { file, bundle, open }) => {
            let args = TrustArgs { trust: file, bundle, tsa: Vec::new() };
            let store = args.load(common)?.ok_or_else(no_store)?;
            open.change(common, async |work| {
                let version = work.people().await?.trust.versions.saturating_add(1);
                work.act(REGISTER_STREAM, Act::TrustProposed(TrustText::of(version, &store))).await
            })?;
            open
        }
        TrustCommand::Approve(ApproveArgs { version, open }) => {
            let act = Act::TrustApproved { version };
            open.change(common, async |work| work.act(REGISTER_STREAM, act.clone()).await)?;
            open
        }
    };
    show(common, &open)
}

/// Whom to believe when documents come in: the register's own trust, with what lies here of its roots, or else what
/// was named.
pub(super) fn believed(common: &Common, args: &TrustArgs, people: &People) -> Result<Option<TrustStore>, Failure> {
    let Some(version) = &people.trust.in_force else { return args.load(common) };
    let evidence = |e: &(dyn std::error::Error + 'static)| Failure::new(Exit::Evidence, e);
    let refused = |refusal| register_failure(&RegisterError::Refused(refusal));
    let mut store = version.trust.store().map_err(refused)?;
    for path in &args.bundle {
        store.take_bundle_file(path).map_err(|e| evidence(&e))?;
    }
    if args.trust.is_some() || is_station(common) {
        let path = args.path(common)?;
        match store.take_bundle_file(&bundle_beside(&path)) {
            Err(BundleError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            result => result.map_err(|e| evidence(&e))?,
        }
        let given = TrustStore::load(&path).map_err(|e| evidence(&e))?;
        store.heed(&given);
        if args.trust.is_some() {
            version.check_covers(&store, &given, people).map_err(refused)?;
        }
    }
    if let Some(stale) = store.stale_list(now()) {
        output::line_err(&format!("NOTE: {stale}"));
    }
    Ok(Some(store))
}

/// Whether the state folder is a station's: a register may live where none is.
pub(super) fn is_station(common: &Common) -> bool {
    common.folder().join("station.json").exists()
}

pub(super) fn no_store() -> Failure {
    Failure::words(Exit::Usage, "no trust store: nothing can be believed without one").hint("name it with --trust FILE")
}

/// What everybody should know who takes evidence into a register that believes whomever it is told to.
pub(super) const NOT_FIXED: &str = "whom this register trusts is not fixed, so whoever brings evidence in chooses it \
    (fix it: lastwrite register trust propose FILE)";

fn show(common: &Common, open: &OpenArgs) -> Result<Exit, Failure> {
    let people = open.with(common, async |register| register.people().await)?;
    let trust = &people.trust;
    if common.json {
        let one = |version: &Option<TrustVersion>| version.as_ref().map(described).transpose();
        output::json(&json!({ "in_force": one(&trust.in_force)?, "proposed": one(&trust.proposed)? }));
        return Ok(Exit::Done);
    }
    match &trust.in_force {
        None => output::line(&format!("In force       nothing: {NOT_FIXED}")),
        Some(version) => print("In force", &people, version)?,
    }
    if let Some(version) = &trust.proposed {
        print("Proposed", &people, version)?;
        output::line(&format!(
            "A second person puts it in force: lastwrite register trust approve {}",
            version.trust.version
        ));
    }
    Ok(Exit::Done)
}

fn read(version: &TrustVersion) -> Result<TrustStore, Failure> {
    version.trust.store().map_err(|refusal| register_failure(&RegisterError::Refused(refusal)))
}

fn described(version: &TrustVersion) -> Result<Value, Failure> {
    let store = read(version)?;
    let keys = store.all_keys().map(|key| {
        json!({
            "kid": key.kid, "name": key.name, "roles": key.roles, "delegated_by": key.delegated_by,
            "valid_from": key.valid_from.map(format_time), "valid_until": key.valid_until.map(format_time),
            "revoked_at": store.revocation(key).map(format_time),
        })
    });
    Ok(json!({
        "version": version.trust.version, "sha256": version.trust.digest(), "by": version.by,
        "approved": version.approved, "keys": keys.collect::<Vec<_>>(),
    }))
}

fn print(heading: &str, people: &People, version: &TrustVersion) -> Result<(), Failure> {
    let store = read(version)?;
    output::line(&format!("{heading:<14} {}", version.told(people)));
    let standing = |key: &TrustedKey| match (store.revocation(key), key.valid_until) {
        (Some(at), _) => format!("revoked {}", format_time(at)),
        (None, Some(until)) => format!("until {}", format_time(until)),
        (None, None) => "no end".to_owned(),
    };
    let through = |key: &TrustedKey| {
        let root = key.delegated_by.as_deref().and_then(|root| store.find(root));
        root.map_or_else(|| "-".to_owned(), |root| root.name.clone())
    };
    let row = |key: &TrustedKey| vec![key.name.clone(), key.roles_text(), standing(key), through(key), key.kid.clone()];
    let rows: Vec<_> = store.all_keys().map(row).collect();
    output::line(&output::table(&["NAME", "ROLES", "HOLDS", "BY ROOT", "KEY"], &rows));
    Ok(())
}
