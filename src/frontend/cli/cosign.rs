//! `lastwrite certificate sign`: a person agrees with a document.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::certificate::TrustArgs;
use super::document::verified_beside;
use super::key::KeyArgs;
use super::{Common, output};
use crate::certificate::document::{Destruction, Document};
use crate::certificate::{self, Verdict};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{CosignError, Jws, Role, StationKey, TrustStore, cosign_file, same_name};
use crate::units::now;

#[derive(Debug, Args)]
pub struct SignArgs {
    /// Certificate, failure report, record of destruction or another document
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// In which capacity you agree with it
    #[arg(long, value_enum)]
    role: Capacity,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Capacity {
    /// You did it
    Operator,
    /// You saw it
    Witness,
}

/// Adds a signature to the very bytes that were signed before. It means agreement and nothing else.
pub fn run(common: &Common, args: &SignArgs) -> Result<Exit, Failure> {
    let trust = args.trust.load(common)?;
    let key = args.key.load(common)?;
    let role = match args.role {
        Capacity::Operator => Role::Operator,
        Capacity::Witness => Role::Witness,
    };
    let judge = |bytes: &[u8], jws: &Jws| {
        let verified = verified_beside(bytes, &args.file, trust.as_ref()).map_err(|e| e.message)?;
        if verified.verdict == Verdict::Invalid {
            let why = verified.failed().map(|c| format!("{}: {}", c.name, c.detail)).collect::<Vec<_>>();
            return Err(format!("it is not valid ({})", why.join("; ")));
        }
        let run = match &verified.document {
            Some(Document::Run(run)) => Some(run),
            Some(Document::Destruction(record)) => {
                named(role, &key, record)?;
                None
            }
            _ => None,
        };
        may_sign(trust.as_ref(), &key, role, jws, run)
    };
    let jws = cosign_file(&args.file, &key, role, now(), judge).map_err(told)?;
    if common.json {
        output::json(&json!({
            "file": args.file.to_string_lossy(), "id": certificate::id_of(jws.payload()), "kid": key.kid(),
            "role": role.as_str(), "signatures": jws.signatures().len(),
        }));
    } else {
        let count = output::count(jws.signatures().len(), "signature");
        output::line(&format!("{} signed as {role} by {}; it has {count}", args.file.display(), key.kid()));
    }
    if trust.is_none() {
        output::line_err("NOTE: no trust store was given, so nobody's signature on it was checked.");
    }
    Ok(Exit::Done)
}

/// A record of destruction names its operator and its witness by key.
fn named(role: Role, key: &StationKey, record: &Destruction) -> Result<(), String> {
    let meant = match role {
        Role::Witness => record.witness.as_ref().map(|w| w.kid.as_str()),
        _ => Some(record.operator.kid.as_str()),
    };
    match meant {
        Some(kid) if kid != key.kid() => Err(format!("it names key {kid} as its {role}'s, and yours is {}", key.kid())),
        _ => Ok(()),
    }
}

/// What a verifier would hold against the new signature is told before it is made.
fn may_sign(
    trust: Option<&TrustStore>,
    key: &StationKey,
    role: Role,
    jws: &Jws,
    document: Option<&certificate::CertificatePayload>,
) -> Result<(), String> {
    let operator = document.and_then(|d| d.facts.operator.as_ref());
    if let (Role::Operator, Some(kid)) = (role, operator.and_then(|o| o.kid.as_deref()))
        && kid != key.kid()
    {
        return Err(format!("it names key {kid} as its operator's, and yours is {}", key.kid()));
    }
    let Some(trust) = trust else { return Ok(()) };
    let known = trust.find(key.kid()).ok_or_else(|| {
        format!("your key {} is not in the trust store, so the document would be refused with it", key.kid())
    })?;
    if !known.may(role) {
        return Err(format!("your key is trusted as {}, not as {role}", known.roles_text()));
    }
    crate::station::may_sign(trust, key.kid(), role, now()).map_err(|unfit| unfit.to_string())?;
    // Four eyes are two persons: who did it does not also witness it.
    let other = if role == Role::Witness { Role::Operator } else { Role::Witness };
    let same = jws.signatures().iter().map(|s| s.header()).filter(|h| h.role == Some(other)).any(|h| {
        h.kid
            .as_deref()
            .is_some_and(|kid| kid == key.kid() || trust.find(kid).is_some_and(|k| same_name(&k.name, &known.name)))
    });
    let claimed = role == Role::Witness && operator.is_some_and(|o| same_name(&o.name, &known.name));
    match same || claimed {
        true => Err(format!("{} is its {other} already; an operator and a witness are two persons", known.name)),
        false => Ok(()),
    }
}

fn told(error: CosignError) -> Failure {
    match &error {
        CosignError::Refused { .. } => {
            Failure::new(Exit::Refused, &error).hint("lastwrite certificate verify and lastwrite key list say more")
        }
        CosignError::Sign { source: crate::signed::SignError::Key(_), .. } => Failure::new(Exit::Other, &error),
        CosignError::Sign { .. } => Failure::new(Exit::Refused, &error),
        CosignError::Document { .. } => Failure::new(Exit::Evidence, &error),
        _ => Failure::new(Exit::Other, &error),
    }
}
