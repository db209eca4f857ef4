//! Signing a document.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Document, DocumentError, Payload, signers};
use crate::certificate::issue::Issued;
use crate::certificate::payload::id_of;
use crate::signed::{Check, Jws, Outcome, Role, SignError, StationKey, sign};

/// Nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A fact has no JSON form.
    #[error("it cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A verifier would refuse it.
    #[error("it was not signed, because a verifier would refuse it: {0}")]
    Contradiction(String),
    /// Nobody is there to sign.
    #[error("nobody is there to sign it")]
    Nobody,
    /// A signature could not be added.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// What is to be signed is no document.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

/// Signs a document with the keys of those who are here, in their order. Refuses what a verifier
/// would refuse; signatures that may follow later may be missing.
pub fn seal<P: Payload + Serialize>(
    payload: &P,
    signers: &[(&StationKey, Role)],
    iat: DateTime<Utc>,
) -> Result<Issued, SealError> {
    refuse(payload.check())?;
    let text = serde_json::to_vec(payload)?;
    // What cannot be read back must not be signed.
    Document::of_payload(payload.kind(), &text)?;
    let Some(((key, role), others)) = signers.split_first() else { return Err(SealError::Nobody) };
    let mut jws = sign(&text, payload.kind().typ(), key, *role, iat).map_err(SignError::from)?;
    for (key, role) in others {
        jws.add_signature(key, *role, iat)?;
    }
    // Whose keys they are, only a trust store says: that is for who calls this.
    refuse(signers::check(&jws, &payload.demands(), None))?;
    Ok(Issued { id: id_of(&text), bytes: lined(&jws) })
}

fn lined(jws: &Jws) -> Vec<u8> {
    let mut bytes = jws.to_bytes();
    bytes.push(b'\n');
    bytes
}

fn refuse(checks: Vec<Check>) -> Result<(), SealError> {
    match checks.into_iter().find(|c| c.outcome == Outcome::Failed) {
        None => Ok(()),
        Some(wrong) => Err(SealError::Contradiction(format!("{}: {}", wrong.name, wrong.detail))),
    }
}
