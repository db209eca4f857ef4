//! `lastwrite key delegate | rotate`, and revocation by a root: what is signed, and not only written down.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::generate::{make_key, new_key_passphrase};
use super::person::KeyArgs;
use super::{reason, signing_role, store, time};
use crate::frontend::cli::certificate::TrustArgs;
use crate::frontend::cli::{Common, output, station_failure};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{
    BundleError, Delegation, Jws, PublicCard, Reason, Revocation, RevocationList, Role, StatementError, StationKey,
    TrustStore, append_to_bundle, check_roles, format_time,
};
use crate::units::now;

#[derive(Debug, Args)]
pub struct DelegateArgs {
    /// Public key file, as `key generate` makes it
    #[arg(value_name = "PUBLIC")]
    public: PathBuf,
    /// What it may sign as; may be repeated
    #[arg(long, value_name = "ROLE", value_parser = signing_role, required = true)]
    role: Vec<Role>,
    /// Another name than the file says
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Signatures dated before are not accepted [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    valid_from: Option<DateTime<Utc>>,
    /// Signatures dated after are not accepted
    #[arg(long, value_name = "TIME", value_parser = time)]
    valid_until: Option<DateTime<Utc>>,
    /// Thumbprint of the key that this one takes the place of
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    replaces: Option<String>,
    /// The organization
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// Bundle that the delegation is added to [default: beside the trust store]
    #[arg(long = "to", value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    root: KeyArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// What a revocation by a root needs.
#[derive(Debug, Args)]
pub struct RootArgs {
    /// The root's key signs a revocation list, which goes to everybody with the bundle
    #[arg(long, value_name = "FILE", requires = "reason")]
    root_key: Option<PathBuf>,
    /// File with the passphrase of the root's key (first line) [default: --passphrase-file, else asked for]
    #[arg(long, value_name = "FILE")]
    root_passphrase_file: Option<PathBuf>,
    /// Why: compromised, lost, superseded, retired
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Option<Reason>,
    /// By when there will be another list; afterwards this one counts as stale
    #[arg(long, value_name = "TIME", value_parser = time)]
    next_update: Option<DateTime<Utc>>,
    /// Bundle that the list is added to [default: beside the trust store]
    #[arg(long = "to", value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The station's key; no run may be under way
    #[arg(long, conflicts_with = "out")]
    station: bool,
    /// Where the new key goes (a person's key)
    #[arg(long, value_name = "FILE", required_unless_present = "station")]
    out: Option<PathBuf>,
    /// File with the passphrase of the new key (first line) [default: asked for twice]
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    /// The new key has no passphrase
    #[arg(long)]
    unprotected: bool,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

pub fn delegate(common: &Common, args: &DelegateArgs) -> Result<Exit, Failure> {
    check_roles(&args.role).map_err(|e| Failure::words(Exit::Usage, format!("--role: {e}")))?;
    let shown = args.public.display();
    let bytes = std::fs::read(&args.public).map_err(|e| Failure::words(Exit::Other, format!("{shown}: {e}")))?;
    let card = PublicCard::parse(&bytes).map_err(|e| Failure::words(Exit::Evidence, format!("{shown}: {e}")))?;
    let trust = args.trust.load(common)?.ok_or_else(store::no_store)?;
    let root = args.root.load(common)?;
    let known = is_root(&trust, &root)?;
    let delegation = Delegation {
        organization: args.organization.clone().unwrap_or(known),
        key: card.key,
        name: args.name.clone().unwrap_or(card.name),
        roles: args.role.clone(),
        valid_from: args.valid_from.unwrap_or_else(now),
        valid_until: args.valid_until,
        replaces: args.replaces.clone(),
    };
    let jws = delegation.sign(&root, now()).map_err(|e| not_signed(&e))?;
    let bundle = bundle(common, args.to.as_deref(), &args.trust)?;
    add(&trust, &bundle, &jws)?;
    let kid = delegation.key.kid();
    if common.json {
        output::json(&json!({
            "kid": kid, "name": delegation.name, "roles": delegation.roles, "bundle": bundle.to_string_lossy(),
            "valid_from": format_time(delegation.valid_from),
            "valid_until": delegation.valid_until.map(format_time),
        }));
    } else {
        output::line(&format!("{kid} ({}) is vouched for in {}", delegation.name, bundle.display()));
    }
    Ok(Exit::Done)
}

/// Revokes by a signed list, where a root key was named. `false`: it was not.
pub fn revoke(
    common: &Common,
    args: &RootArgs,
    trust_args: &TrustArgs,
    kid: &str,
    at: DateTime<Utc>,
) -> Result<bool, Failure> {
    let (Some(root_key), Some(reason)) = (&args.root_key, args.reason) else { return Ok(false) };
    let trust = trust_args.load(common)?.ok_or_else(store::no_store)?;
    let key_passphrase_file = args.root_passphrase_file.clone();
    let root = KeyArgs::of(root_key.to_string_lossy().into_owned(), key_passphrase_file).load(common)?;
    let name = is_root(&trust, &root)?;
    let before = trust.revocation_list(root.kid());
    let organization = before.map_or(name, |list| list.organization.clone());
    let revocation = Revocation { kid: kid.to_owned(), revoked_at: at, reason };
    let list = RevocationList::after(before, &organization, revocation, now(), args.next_update);
    let jws = list.sign(&root).map_err(|e| not_signed(&e))?;
    let bundle = bundle(common, args.to.as_deref(), trust_args)?;
    add(&trust, &bundle, &jws)?;
    if common.json {
        output::json(&json!({
            "kid": kid, "revoked_at": format_time(at), "reason": reason, "list": list.number,
            "revoked": list.revoked.len(), "bundle": bundle.to_string_lossy(),
        }));
    } else {
        let count = output::count(list.revoked.len(), "key");
        output::line(&format!("revocation list {} with {count} is in {}", list.number, bundle.display()));
        output::line("Give the bundle to everybody who verifies.");
    }
    Ok(true)
}

pub fn rotate(common: &Common, args: &RotateArgs) -> Result<Exit, Failure> {
    let new = new_key_passphrase(args.new_passphrase_file.as_deref(), args.unprotected)?;
    if args.station {
        let station = common.station()?;
        let old = common.key(&station)?;
        let key = station.rotate(&old, new.as_ref(), now()).map_err(|e| station_failure(&e))?;
        return told(common, old.kid(), &key, &station.key_path());
    }
    let out = args.out.clone().ok_or_else(|| Failure::words(Exit::Usage, "--out FILE is needed"))?;
    let old = args.key.load(common)?;
    let mut at = args.trust.store_file(common)?;
    let known = at.1.keys().iter().find(|k| k.kid == old.kid());
    let name = known.map(|k| k.name.clone()).ok_or_else(|| {
        Failure::words(Exit::Refused, format!("key {} has no entry of its own in {}", old.kid(), at.0.display()))
            .hint("a key that a root vouches for is replaced by: key generate, then key delegate --replaces KID")
    })?;
    let trusted = args.trust.load(common)?.ok_or_else(store::no_store)?;
    trusted.check_rotates(old.kid(), now()).map_err(|e| {
        store::trust_failure(e).hint("make a key (key generate); whoever trusts its person takes it in (key trust)")
    })?;
    let key = make_key(&out, &name, new.as_ref())?;
    at.1.rotate(old.kid(), key.public(), now()).and_then(|()| at.1.save(&at.0)).map_err(store::trust_failure)?;
    told(common, old.kid(), &key, &out)
}

fn told(common: &Common, old: &str, new: &StationKey, path: &Path) -> Result<Exit, Failure> {
    if common.json {
        output::json(
            &json!({ "old": old, "kid": new.kid(), "public_key": new.public().x(), "key": path.to_string_lossy() }),
        );
    } else {
        output::line(&format!("Old key        {old} (ends now; what it signed stays good)"));
        output::line(&format!("New key        {} ({})", new.kid(), path.display()));
        output::line("Give the changed trust store to everybody who verifies.");
    }
    Ok(Exit::Done)
}

/// The root's name, if this key is trusted as one and stands.
fn is_root(trust: &TrustStore, key: &StationKey) -> Result<String, Failure> {
    let known = trust.find(key.kid()).filter(|known| known.may(Role::Root) && trust.revocation(known).is_none());
    known.map(|known| known.name.clone()).ok_or_else(|| {
        Failure::words(Exit::Refused, format!("key {} is not trusted as a root here", key.kid()))
            .hint("whoever verifies takes the root in with: lastwrite key trust ROOT.pub.json --role root")
    })
}

fn bundle(common: &Common, to: Option<&Path>, trust: &TrustArgs) -> Result<PathBuf, Failure> {
    match to {
        Some(path) => Ok(path.to_owned()),
        None => Ok(crate::signed::bundle_beside(&trust.path(common)?)),
    }
}

/// What a verifier would refuse is not put into the bundle.
fn add(trust: &TrustStore, bundle: &Path, jws: &Jws) -> Result<(), Failure> {
    let failed = |e: BundleError| match e {
        BundleError::Read { .. } | BundleError::Store(_) => Failure::new(Exit::Other, &e),
        _ => Failure::new(Exit::Evidence, &e).hint(format!("{} was left as it is", bundle.display())),
    };
    trust.clone().take_bundle(&jws.to_bytes()).map_err(failed)?;
    append_to_bundle(bundle, jws).map_err(failed)
}

fn not_signed(error: &StatementError) -> Failure {
    match error {
        StatementError::Key(_) => Failure::new(Exit::Other, error),
        _ => Failure::new(Exit::Usage, error),
    }
}
