//! Evidence that a signature or a document existed at a time, by somebody other than its signer.

use std::cell::LazyCell;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::header::Role;
use super::jws::Jws;

/// Who says so, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// A time-stamp token (RFC 3161) over the signature.
    Timestamp,
    /// A register that saw the document arrive and signed for it.
    Countersignature,
    /// A witness that cosigned a checkpoint (C2SP tlog-cosignature) of the log that names the document.
    Cosignature,
}

/// What existed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existed {
    /// The signature with this SHA-256 of its 64 bytes.
    Signature([u8; 32]),
    /// The document with this SHA-256 of its payload, named by an entry that this station signed. It
    /// speaks of that station's signature alone: with it the station had committed itself to the
    /// document, whatever is signed later. Of anybody else's agreement it says nothing.
    Document {
        /// SHA-256 of the payload.
        hash: [u8; 32],
        /// The station's key.
        station: String,
    },
}

/// One piece of evidence, already verified against the verifier's own trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeEvidence {
    /// How it is said.
    pub kind: EvidenceKind,
    /// What existed.
    pub existed: Existed,
    /// No later than this.
    pub at: DateTime<Utc>,
    /// Who says so, for a person.
    pub by: String,
}

impl TimeEvidence {
    /// What of it all speaks of signature `index` (from 0) of this document. Each hash is made once, because a bundle
    /// brings as much evidence as documents.
    pub fn about<'a>(all: &'a [TimeEvidence], jws: &Jws, index: usize) -> Vec<&'a TimeEvidence> {
        let Some(signature) = jws.signatures().get(index).filter(|_| !all.is_empty()) else { return Vec::new() };
        let (value, payload) = (sha256(signature.value()), LazyCell::new(|| sha256(jws.payload())));
        let header = signature.header();
        let is_about = |evidence: &&TimeEvidence| match &evidence.existed {
            Existed::Signature(hash) => value == *hash,
            Existed::Document { hash, station } => {
                header.role == Some(Role::Station) && header.kid.as_deref() == Some(station) && *payload == *hash
            }
        };
        all.iter().filter(is_about).collect()
    }
}

impl fmt::Display for EvidenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            EvidenceKind::Timestamp => "time-stamp token",
            EvidenceKind::Countersignature => "countersignature",
            EvidenceKind::Cosignature => "cosigned checkpoint",
        })
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
