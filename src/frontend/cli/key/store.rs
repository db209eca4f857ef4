//! `lastwrite key list | trust | revoke`: a trust store changed by whoever may write it.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::root::{self, RootArgs};
use super::{signing_role, time};
use crate::frontend::cli::certificate::TrustArgs;
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{PublicCard, Role, Standing, TrustError, TrustStore, TrustedKey, check_roles, format_time};
use crate::units::now;

#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Debug, Args)]
pub struct TrustKeyArgs {
    /// Public key file, as `key generate` makes it
    #[arg(value_name = "PUBLIC")]
    public: PathBuf,
    /// What it may sign as; may be repeated
    #[arg(long, value_name = "ROLE", value_parser = signing_role, required = true)]
    role: Vec<Role>,
    /// Another name than the file says
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Signatures dated before are not accepted
    #[arg(long, value_name = "TIME", value_parser = time)]
    valid_from: Option<DateTime<Utc>>,
    /// Signatures dated after are not accepted
    #[arg(long, value_name = "TIME", value_parser = time)]
    valid_until: Option<DateTime<Utc>>,
    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Thumbprint of the key, or its beginning
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    /// From when on it is not believed [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<DateTime<Utc>>,
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

pub fn list(common: &Common, args: &ListArgs) -> Result<Exit, Failure> {
    let store = args.trust.load(common)?.ok_or_else(no_store)?;
    if common.json {
        let keys = store.all_keys().map(|key| describe(&store, key)).collect::<Vec<_>>();
        output::json(&json!({ "keys": keys }));
        return Ok(Exit::Done);
    }
    let time = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), format_time);
    let rows: Vec<_> = store
        .all_keys()
        .map(|key| {
            vec![
                key.kid.clone(),
                key.name.clone(),
                key.roles_text(),
                time(key.valid_from),
                time(key.valid_until),
                standing(&store, key),
                key.delegated_by
                    .as_deref()
                    .and_then(|root| store.find(root))
                    .map_or("-".to_owned(), |r| r.name.clone()),
            ]
        })
        .collect();
    output::line(&match rows.is_empty() {
        true => "The trust store is empty: nobody is believed.".to_owned(),
        false => output::table(&["KEY", "NAME", "ROLES", "FROM", "UNTIL", "NOW", "BY ROOT"], &rows),
    });
    let foreign = store.foreign_statements();
    if foreign > 0 {
        output::line_err(&format!(
            "NOTE: {foreign} lines of the bundle count for nothing: no root here that stands signed them."
        ));
    }
    if let Some(stale) = store.stale_list(now()) {
        output::line_err(&format!("NOTE: {stale}"));
    }
    Ok(Exit::Done)
}

pub fn trust(common: &Common, args: &TrustKeyArgs) -> Result<Exit, Failure> {
    check_roles(&args.role).map_err(|e| Failure::words(Exit::Usage, format!("--role: {e}")))?;
    let shown = args.public.display();
    let bytes = std::fs::read(&args.public).map_err(|e| Failure::words(Exit::Other, format!("{shown}: {e}")))?;
    let mut card = PublicCard::parse(&bytes).map_err(|e| Failure::words(Exit::Evidence, format!("{shown}: {e}")))?;
    if let Some(name) = &args.name {
        crate::signed::check_person_name(name).map_err(|e| Failure::words(Exit::Usage, format!("--name: {e}")))?;
        card.name.clone_from(name);
    }
    let key = TrustedKey { valid_from: args.valid_from, valid_until: args.valid_until, ..card.trusted(&args.role) };
    change(common, &args.trust, |store| store.add(key.clone()))?;
    told(common, &key, "is believed from now on")
}

pub fn revoke(common: &Common, args: &RevokeArgs) -> Result<Exit, Failure> {
    let at = args.at.unwrap_or_else(now);
    let mut changed = None;
    let kid = find(&args.trust.load(common)?.ok_or_else(no_store)?, &args.kid)?;
    if root::revoke(common, &args.root, &args.trust, &kid, at)? {
        return Ok(Exit::Done);
    }
    change(common, &args.trust, |store| {
        if let Some(key) = store.find_mut(&kid) {
            // An earlier revocation is not moved to a later time.
            key.revoked_at = Some(key.revoked_at.map_or(at, |earlier| earlier.min(at)));
            changed = Some(key.clone());
        }
        Ok(())
    })?;
    match changed {
        Some(key) => told(common, &key, "is revoked"),
        None => Err(Failure::words(Exit::Refused, format!("a root vouches for key {kid}, so only a root revokes it"))
            .hint("name the root's key with --root-key FILE, and a --reason")),
    }
}

/// The one key whose thumbprint is or begins like that.
pub fn find(store: &TrustStore, kid: &str) -> Result<String, Failure> {
    let found: Vec<_> =
        store.all_keys().filter(|k| k.kid == kid || (kid.len() >= 6 && k.kid.starts_with(kid))).collect();
    match found.as_slice() {
        [one] => Ok(one.kid.clone()),
        [] => Err(Failure::words(Exit::Usage, format!("there is no key {kid} in the trust store"))
            .hint("lastwrite key list shows them; six characters or more of the beginning are enough")),
        _ => Err(Failure::words(Exit::Usage, format!("{} keys begin with {kid}; give more of it", found.len()))),
    }
}

fn change(
    common: &Common,
    trust: &TrustArgs,
    edit: impl FnOnce(&mut TrustStore) -> Result<(), TrustError>,
) -> Result<(), Failure> {
    let path = trust.path(common)?;
    let failed = trust_failure;
    let _held = TrustStore::hold(&path).map_err(failed)?;
    let is_new = trust.trust.is_some() && !path.exists();
    let mut store = if is_new { TrustStore::default() } else { TrustStore::load_alone(&path).map_err(failed)? };
    edit(&mut store).map_err(failed)?;
    if is_new { store.save_new(&path) } else { store.save(&path) }.map_err(failed)
}

fn told(common: &Common, key: &TrustedKey, what: &str) -> Result<Exit, Failure> {
    match common.json {
        true => output::json(&describe(&TrustStore::default(), key)),
        false => output::line(&format!("{} ({}, {}) {what}", key.kid, key.name, key.roles_text())),
    }
    Ok(Exit::Done)
}

fn describe(store: &TrustStore, key: &TrustedKey) -> serde_json::Value {
    let time = |at: Option<DateTime<Utc>>| at.map(format_time);
    json!({
        "kid": key.kid, "name": key.name, "roles": key.roles, "public_key": key.key.x(),
        "valid_from": time(key.valid_from), "valid_until": time(key.valid_until), "revoked_at": time(store.revocation(key)),
        "standing": standing(store, key), "delegated_by": key.delegated_by,
    })
}

fn standing(store: &TrustStore, key: &TrustedKey) -> String {
    match store.standing(key, now()) {
        Standing::Valid => "valid".to_owned(),
        Standing::NotYetValid(_) => "not yet valid".to_owned(),
        Standing::Expired(_) => "expired".to_owned(),
        Standing::Revoked(at) | Standing::RevokedLater(at) => format!("revoked {}", format_time(at)),
    }
}

/// How an error of a trust store is told.
pub fn trust_failure(e: TrustError) -> Failure {
    match e {
        TrustError::Twice { .. } | TrustError::Missing { .. } | TrustError::Over { .. } => {
            Failure::new(Exit::Refused, &e)
        }
        TrustError::Read { .. } | TrustError::Store(_) => Failure::new(Exit::Other, &e),
        _ => Failure::new(Exit::Evidence, &e),
    }
}

/// No trust store was named and there is no station.
pub fn no_store() -> Failure {
    Failure::words(Exit::Usage, "no trust store").hint("name it with --trust FILE")
}
