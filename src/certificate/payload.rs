//! The signed content of a certificate or failure report.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::document::NextStep;
use super::form::Form;
use super::grade::Grade;
use super::issue::IssueContext;
use super::route::next_step;
use super::statement::statement;
use crate::sanitize::record::{Failure, RunFacts};
use crate::signed::{JsonError, Jws, JwsError, parse_json_exact};
use crate::units::hex;

/// `schema` of every document of this room.
pub(super) const SCHEMA: &str = "lastwrite-sanitization";
/// The version written here and the only one read.
pub(super) const VERSION: u32 = 1;

/// Which of the two documents it is. Also told by `typ` in every protected header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// The run passed. Media type `application/vnd.lastwrite.certificate+json`.
    Certificate,
    /// The run failed. Media type `application/vnd.lastwrite.failure-report+json`.
    FailureReport,
}

/// Everything a certificate or failure report says. No time of issue stands here (it is `iat` in
/// the header), so that the same run always gives the same payload and the same id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificatePayload {
    /// `lastwrite-sanitization`.
    pub schema: String,
    /// 1.
    pub version: u32,
    /// Certificate or failure report.
    pub kind: DocumentKind,
    /// The organization that runs the station.
    pub organization: String,
    /// The station's name.
    pub station: String,
    /// The fields of the SP 800-88 sample forms (r1 appendix G, r2 appendix C).
    pub form: Form,
    /// What the run did, measured.
    pub facts: RunFacts,
    /// Why it failed; `None` on a certificate.
    pub failure: Option<Failure>,
    /// What happens to the medium next; `None` on a certificate.
    pub next_step: Option<NextStep>,
    /// One mark from requested, attained and proven, and why it is no better.
    pub grade: Grade,
    /// What this document says and does not say, for a person.
    pub statement: Vec<String>,
    /// Reserved: the job that ordered the run.
    pub job: Option<Job>,
    /// Reserved: a TPM quote of the station. Empty: none was taken.
    pub attestation: Map<String, Value>,
}

/// The job that ordered a run. Reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The register's name for it.
    pub id: String,
    /// The register's challenge, which the certificate answers.
    pub nonce: String,
    /// The register's log when the job was given out (C2SP checkpoint).
    pub register_checkpoint: String,
}

/// Bytes that are neither a certificate nor a failure report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not a signed document.
    #[error("not a signed document: {0}")]
    Jws(#[from] JwsError),
    /// Another sort of document.
    #[error("it is a {0:?}, neither a certificate nor a failure report")]
    Typ(String),
    /// The payload is not what its type says.
    #[error("the signed payload is not of the documented form: {0}")]
    Payload(#[from] JsonError),
}

impl DocumentKind {
    /// `typ` in the protected header: the media type without `application/` (RFC 7515, 4.1.9).
    pub fn typ(self) -> &'static str {
        match self {
            DocumentKind::Certificate => "vnd.lastwrite.certificate+json",
            DocumentKind::FailureReport => "vnd.lastwrite.failure-report+json",
        }
    }

    /// The media type of the file.
    pub fn media_type(self) -> &'static str {
        match self {
            DocumentKind::Certificate => "application/vnd.lastwrite.certificate+json",
            DocumentKind::FailureReport => "application/vnd.lastwrite.failure-report+json",
        }
    }

    /// The kind with that `typ`.
    pub fn of_typ(typ: &str) -> Option<DocumentKind> {
        [DocumentKind::Certificate, DocumentKind::FailureReport].into_iter().find(|kind| kind.typ() == typ)
    }

    /// For a sentence: `certificate`, `failure report`.
    pub fn name(self) -> &'static str {
        match self {
            DocumentKind::Certificate => "certificate",
            DocumentKind::FailureReport => "failure report",
        }
    }
}

impl CertificatePayload {
    /// What would be signed about a run: with a failure a report, without one a certificate. This
    /// is a view of the facts and proves nothing; only [`super::issue()`] signs, and only records.
    pub fn from_facts(facts: &RunFacts, failure: Option<&Failure>, context: &IssueContext) -> CertificatePayload {
        let kind = match failure {
            None => DocumentKind::Certificate,
            Some(_) => DocumentKind::FailureReport,
        };
        CertificatePayload {
            schema: SCHEMA.to_owned(),
            version: VERSION,
            kind,
            organization: context.organization.clone(),
            station: context.station.clone(),
            form: Form::fill(facts, &context.form),
            facts: facts.clone(),
            failure: failure.cloned(),
            next_step: failure.map(|failure| next_step(failure, facts)),
            grade: Grade::of(facts, failure),
            statement: statement(kind, facts),
            job: None,
            attestation: Map::new(),
        }
    }
}

/// The id of a document: SHA-256 of its payload, lower-case hex.
pub fn id_of(payload: &[u8]) -> String {
    hex(&Sha256::digest(payload))
}

/// Reads a certificate or failure report strictly. Verifies nothing; see [`super::verify_file`].
pub fn read(bytes: &[u8]) -> Result<(Jws, CertificatePayload), ReadError> {
    let jws = Jws::parse(bytes)?;
    let typ = jws.typ().unwrap_or("document without a single type");
    match DocumentKind::of_typ(typ) {
        None => Err(ReadError::Typ(typ.to_owned())),
        Some(_) => {
            let payload = parse_json_exact(jws.payload())?;
            Ok((jws, payload))
        }
    }
}
