//! Documents besides the certificate and the failure report of a run: validation, second-person
//! verification, revocation, destruction, computer and lot certificates, hand-over.
//!
//! Each has a `typ` and a payload of its own, is read exactly, and names the persons whose
//! signatures belong on it. Its id is the SHA-256 of its payload.

mod destruction;
mod found;
mod gather;
mod gathering;
mod handover;
mod issue;
mod judgement;
mod kind;
mod media_verification;
mod page;
mod part;
mod particle;
mod relation;
mod signers;
mod verified;

use chrono::{DateTime, Utc};

use super::payload::CertificatePayload;
use crate::signed::{Check, JsonError, Jws, JwsError, parse_json_exact};

pub use destruction::{
    Confidentiality, DESTRUCTION_SCHEMA, Destruction, DestructionTechnique, Equipment, Material, Particle, attainable,
};
pub use gather::{gather, gather_from, gather_listed};
pub use gathering::{GATHERING_SCHEMA, GatheredCounts, GatheredMedium, GatheredUnit, Gathering, Standing};
pub use handover::{
    Arrival, Container, DISCREPANCY_SCHEMA, Differences, Discrepancy, HandedOver, Recipient, SealDiscrepancy,
    SealState, TRANSFER_SCHEMA, Transfer,
};
pub use issue::{SealError, seal};
pub use judgement::{Decision, REVOCATION_SCHEMA, Revocation, RevocationCause, VALIDATION_SCHEMA, Validation};
pub use kind::{DocumentType, RECEIVED};
pub use media_verification::{MEDIA_VERIFICATION_SCHEMA, MediaVerification, ReadMedium, VerificationResult};
pub use page::{show_document, show_verified};
pub use part::{Attachment, AttachmentKind, DocumentRef, MediumName, Milli, MilliError, NextStep, Signatory};
pub use particle::{MaterialCategory, ParticleClass};
pub use relation::{Related, Relation, may_replace};
pub use signers::Demand;
pub use verified::{Verified, verify_any, verify_any_with, verify_parsed};

/// What every payload of this room can be asked.
pub trait Payload {
    /// Which sort of document it is the payload of.
    fn kind(&self) -> DocumentType;
    /// Its facts against each other.
    fn check(&self) -> Vec<Check>;
    /// Whose signatures belong on it.
    fn demands(&self) -> Vec<Demand<'_>>;
    /// Checks that need to see who has signed.
    fn check_signatures(&self, _jws: &Jws) -> Vec<Check> {
        Vec::new()
    }
    /// When what it tells happened, by the clock of who tells it.
    fn dated(&self) -> DateTime<Utc>;
}

/// The content of a document.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // read one by one, never held in great number
pub enum Document {
    /// A certificate or failure report.
    Run(CertificatePayload),
    /// A validation.
    Validation(Validation),
    /// A second-person verification.
    MediaVerification(MediaVerification),
    /// A revocation.
    Revocation(Revocation),
    /// A record of destruction.
    Destruction(Destruction),
    /// A computer or lot certificate.
    Gathering(Gathering),
    /// A transfer.
    Transfer(Transfer),
    /// A discrepancy report.
    Discrepancy(Discrepancy),
}

/// Bytes that are no document of ours.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not a signed document.
    #[error("not a signed document: {0}")]
    Jws(#[from] JwsError),
    /// Another sort of document.
    #[error("it is a {0:?}, which is no document of sanitization")]
    Typ(String),
    /// The payload is not what its type says.
    #[error("the signed payload is not of the documented form: {0}")]
    Payload(#[from] JsonError),
    /// `typ` and payload name two sorts of document.
    #[error("its typ says {typ}, its payload is a {payload}")]
    Mismatch {
        /// By the header.
        typ: DocumentType,
        /// By the payload.
        payload: DocumentType,
    },
}

impl Document {
    /// Reads any document strictly. Verifies nothing; see [`verify_any`].
    pub fn read(bytes: &[u8]) -> Result<(Jws, DocumentType, Document), DocumentError> {
        let jws = Jws::parse(bytes)?;
        let typ = jws.typ().unwrap_or("document without a single type");
        let kind = DocumentType::of_typ(typ).ok_or_else(|| DocumentError::Typ(typ.to_owned()))?;
        let document = Document::of_payload(kind, jws.payload())?;
        Ok((jws, kind, document))
    }

    /// Reads the payload of a document of that sort.
    pub fn of_payload(kind: DocumentType, payload: &[u8]) -> Result<Document, DocumentError> {
        use DocumentType as T;
        let document = match kind {
            T::Certificate | T::FailureReport => Document::Run(parse_json_exact(payload)?),
            T::Validation => Document::Validation(parse_json_exact(payload)?),
            T::MediaVerification => Document::MediaVerification(parse_json_exact(payload)?),
            T::Revocation => Document::Revocation(parse_json_exact(payload)?),
            T::Destruction => Document::Destruction(parse_json_exact(payload)?),
            T::ComputerCertificate | T::LotCertificate => Document::Gathering(parse_json_exact(payload)?),
            T::Transfer => Document::Transfer(parse_json_exact(payload)?),
            T::Discrepancy => Document::Discrepancy(parse_json_exact(payload)?),
        };
        match document.kind() {
            payload if payload == kind => Ok(document),
            payload => Err(DocumentError::Mismatch { typ: kind, payload }),
        }
    }

    /// Which sort of document it is.
    pub fn kind(&self) -> DocumentType {
        match self {
            Document::Run(run) => match run.kind {
                super::DocumentKind::Certificate => DocumentType::Certificate,
                super::DocumentKind::FailureReport => DocumentType::FailureReport,
            },
            other => other.payload().map_or(DocumentType::Certificate, Payload::kind),
        }
    }

    /// What can be asked of it; `None` for the documents of a run.
    pub fn payload(&self) -> Option<&dyn Payload> {
        match self {
            Document::Run(_) => None,
            Document::Validation(d) => Some(d),
            Document::MediaVerification(d) => Some(d),
            Document::Revocation(d) => Some(d),
            Document::Destruction(d) => Some(d),
            Document::Gathering(d) => Some(d),
            Document::Transfer(d) => Some(d),
            Document::Discrepancy(d) => Some(d),
        }
    }

    /// The one medium it is about, where it is about one.
    pub fn medium(&self) -> Option<MediumName> {
        match self {
            Document::Run(run) => Some(MediumName::of(&run.facts.medium.identity, run.facts.asset_tag.as_deref())),
            Document::Validation(d) => d.medium.clone(),
            Document::MediaVerification(d) => Some(MediumName::of(&d.medium.identity, None)),
            Document::Revocation(d) => d.medium.clone(),
            Document::Destruction(d) => Some(d.medium.clone()),
            Document::Gathering(_) | Document::Transfer(_) | Document::Discrepancy(_) => None,
        }
    }
}
