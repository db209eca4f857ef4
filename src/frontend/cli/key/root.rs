//! `lastwrite key delegate | rotate`, and revocation by a root: what is signed, and not only written down.

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::json;

use super::generate::{make_key, new_key_passphrase};
use super::person::KeyArgs;
use super::{reason, signing_role, store, time};
use crate::frontend::cli::certificate::TrustArgs;
use crate::frontend::cli::{Common, output, station_failure};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{
    BundleError, Delegation, Jws, PublicCard, Reason, Revocation, RevocationList, Role, Standing, StatementError,
    StationKey, TrustStore, TrustedKey, append_to_bundle, check_roles, format_time,
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
    /// Signatures dated before are not accepted [default: now; for a key that this root vouches for already, with no
    /// role more, the time since when it does]
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
    let bundle = bundle(common, args.to.as_deref(), &args.trust)?;
    let trust = with_bundle(trust, &bundle)?;
    let kid = card.key.kid();
    let before = trust.delegation(&kid);
    let ours = |key: &&TrustedKey| key.delegated_by.as_deref() == Some(root.kid()) && trust.revocation(key).is_none();
    let ours = before.map(|(_, key)| key).filter(ours);
    // The newest delegation counts for all that the key ever signed, so a renewal begins where the one before it did.
    // No role is given for the past unasked.
    let renewed = ours.filter(|key| args.role.iter().all(|role| key.may(*role))).and_then(|key| key.valid_from);
    let delegation = Delegation {
        organization: args.organization.clone().unwrap_or(known),
        key: card.key,
        name: args.name.clone().unwrap_or(card.name),
        roles: args.role.clone(),
        valid_from: args.valid_from.or(renewed).unwrap_or_else(now),
        valid_until: args.valid_until,
        replaces: args.replaces.clone(),
    };
    // Later than the one that it takes the place of, by whatever clock that was made.
    let after = before.and_then(|(at, _)| at.checked_add_signed(TimeDelta::seconds(1)));
    let at = after.map_or_else(now, |after| after.max(now()));
    let jws = delegation.sign(&root, at).map_err(|e| not_signed(&e))?;
    let with = with_statement(&trust, &bundle, &jws)?;
    let counts = |(dated, key): (DateTime<Utc>, &TrustedKey)| {
        dated.timestamp() == at.timestamp() && key.delegated_by.as_deref() == Some(root.kid())
    };
    if !with.delegation(&kid).is_some_and(counts) {
        let why = "a root says nothing of itself, nor of one that stands nearer to the trust store than it does";
        return Err(Failure::words(Exit::Refused, format!("it would count for nothing: {why}")).hint(left(&bundle)));
    }
    append(&bundle, &jws)?;
    let from = format_time(delegation.valid_from);
    if common.json {
        output::json(&json!({
            "kid": kid, "name": delegation.name, "roles": delegation.roles, "bundle": bundle.to_string_lossy(),
            "valid_from": from, "valid_until": delegation.valid_until.map(format_time), "renews": renewed.is_some(),
        }));
    } else {
        let since = if args.valid_from.is_none() && renewed.is_some() { ", as before" } else { "" };
        let until = delegation.valid_until.map(|until| format!(" until {}", format_time(until))).unwrap_or_default();
        output::line(&format!("{kid} ({}) is vouched for in {}", delegation.name, bundle.display()));
        output::line(&format!("Valid from {from}{since}{until}"));
    }
    let earlier = ours.and_then(|key| key.valid_from).filter(|earlier| *earlier < delegation.valid_from);
    if let Some(earlier) = earlier.map(format_time) {
        output::line_err(&format!(
            "NOTE: what it signed from {earlier} until {from} is not believed any more, because the newest delegation \
             counts. If it should be: the same with --valid-from {earlier}"
        ));
    }
    Ok(Exit::Done)
}

/// With what stands in the bundle already, should it not lie beside the trust store.
fn with_bundle(mut trust: TrustStore, bundle: &Path) -> Result<TrustStore, Failure> {
    match trust.take_bundle_file(bundle) {
        Err(BundleError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(trust),
        result => result.map(|()| trust).map_err(|e| Failure::new(Exit::Evidence, &e)),
    }
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
    with_statement(&trust, &bundle, &jws)?;
    append(&bundle, &jws)?;
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
    let _held = TrustStore::hold(&args.trust.path(common)?).map_err(store::trust_failure)?;
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
    let stands = |known: &&TrustedKey| known.may(Role::Root) && trust.standing(known, now()) == Standing::Valid;
    let known = trust.find(key.kid()).filter(stands);
    known.map(|known| known.name.clone()).ok_or_else(|| {
        Failure::words(Exit::Refused, format!("key {} is not trusted as a root here, now", key.kid()))
            .hint("whoever verifies takes the root in with: lastwrite key trust ROOT.pub.json --role root")
    })
}

fn bundle(common: &Common, to: Option<&Path>, trust: &TrustArgs) -> Result<PathBuf, Failure> {
    match to {
        Some(path) => Ok(path.to_owned()),
        None => Ok(crate::signed::bundle_beside(&trust.path(common)?)),
    }
}

/// The trust with one more statement. What a verifier would refuse is not put into the bundle.
fn with_statement(trust: &TrustStore, bundle: &Path, jws: &Jws) -> Result<TrustStore, Failure> {
    let mut with = trust.clone();
    with.take_bundle(&jws.to_bytes()).map_err(|e| Failure::new(Exit::Evidence, &e).hint(left(bundle)))?;
    Ok(with)
}

fn append(bundle: &Path, jws: &Jws) -> Result<(), Failure> {
    append_to_bundle(bundle, jws).map_err(|e| match e {
        BundleError::Read { .. } | BundleError::Store(_) => Failure::new(Exit::Other, &e),
        _ => Failure::new(Exit::Evidence, &e).hint(left(bundle)),
    })
}

fn left(bundle: &Path) -> String {
    format!("{} was left as it is", bundle.display())
}

fn not_signed(error: &StatementError) -> Failure {
    match error {
        StatementError::Key(_) => Failure::new(Exit::Other, error),
        _ => Failure::new(Exit::Usage, error),
    }
}
