//! A register's countersignature: these signatures were here, and good, at that time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::evidence::{EvidenceKind, Existed, TimeEvidence, sha256};
use super::header::Role;
use super::json::{JsonError, parse_exact};
use super::jws::{Jws, JwsError, sign};
use super::trust::{Standing, TrustStore};
use super::{KeyError, StationKey, time};

/// `typ` of a countersignature.
pub const COUNTERSIGNATURE_TYP: &str = "vnd.lastwrite.countersignature+json";
const SCHEMA: &str = "lastwrite-countersignature";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    schema: String,
    version: u32,
    /// SHA-256 of the document's payload, hex: its id.
    document: String,
    /// SHA-256 of the 64 bytes of each of its signatures, hex, in order.
    signatures: Vec<String>,
    /// By the register's clock.
    received: String,
}

/// A countersignature that is refused.
#[derive(Debug, thiserror::Error)]
pub enum CountersignError {
    /// No signed document.
    #[error("it is no signed document: {0}")]
    Jws(#[from] JwsError),
    /// Not of the documented form.
    #[error("it is no countersignature: {0}")]
    Json(#[from] JsonError),
    /// It does not hold.
    #[error("{0}")]
    Bad(String),
    /// The key could not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Signs that the document with its signatures is here now. Who does so must have verified them.
pub fn countersign(document: &Jws, register: &StationKey, at: DateTime<Utc>) -> Result<Jws, CountersignError> {
    let at = DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at);
    let payload = Payload {
        schema: SCHEMA.to_owned(),
        version: 1,
        document: hex(&sha256(document.payload())),
        signatures: document.signatures().iter().map(|s| hex(&sha256(s.value()))).collect(),
        received: time::format(at),
    };
    let text = serde_json::to_vec(&payload).map_err(JsonError::from)?;
    Ok(sign(&text, COUNTERSIGNATURE_TYP, register, Role::Register, at)?)
}

/// Verifies a countersignature. Its key must be trusted as a register's, within its window, and not
/// revoked at all: when a register is doubted, its times are.
pub fn read_countersignature(bytes: &[u8], trust: &TrustStore) -> Result<Vec<TimeEvidence>, CountersignError> {
    let jws = Jws::parse(bytes)?;
    let bad = |why: &str| CountersignError::Bad(why.to_owned());
    if jws.typ() != Some(COUNTERSIGNATURE_TYP) {
        return Err(bad("it is another sort of document"));
    }
    let payload: Payload = parse_exact(jws.payload())?;
    if payload.schema != SCHEMA || payload.version != 1 {
        return Err(bad("its schema is not known here"));
    }
    let [signature] = jws.signatures() else { return Err(bad("it must have one signature, the register's")) };
    let header = signature.header();
    let (Some(kid), Some(Role::Register), Some(at)) = (header.kid.as_deref(), header.role, header.iat) else {
        return Err(bad("it is not signed as register, with a key's name and a date"));
    };
    if payload.received != time::format(at) {
        return Err(bad("its two dates differ"));
    }
    let key =
        trust.find(kid).ok_or_else(|| CountersignError::Bad(format!("register key {kid} is not trusted here")))?;
    if !key.may(Role::Register) {
        return Err(CountersignError::Bad(format!("key {kid} is trusted as {}, not as register", key.roles_text())));
    }
    if !jws.verifies(0, &key.key) {
        return Err(bad("its signature does not verify: it was changed"));
    }
    match trust.standing(key, at) {
        Standing::Valid => {}
        Standing::Revoked(_) | Standing::RevokedLater(_) => return Err(bad("the register's key was revoked")),
        Standing::NotYetValid(_) | Standing::Expired(_) => return Err(bad("the register's key was not valid then")),
    }
    let hashes = payload.signatures.iter().map(|text| unhex(text)).collect::<Option<Vec<_>>>();
    let hashes = hashes.ok_or_else(|| bad("a hash in it is not 64 lower-case hex digits"))?;
    let evidence = |hash| TimeEvidence {
        kind: EvidenceKind::Countersignature,
        existed: Existed::Signature(hash),
        at,
        by: key.name.clone(),
    };
    Ok(hashes.into_iter().map(evidence).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if text.len() != 64 || !lower {
        return None;
    }
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}
