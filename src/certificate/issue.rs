//! Signing what a run did.

use chrono::{DateTime, Utc};

use super::form::GivenForm;
use super::payload::{CertificatePayload, id_of};
use super::semantics;
use crate::sanitize::record::{FailureRecord, SanitizationRecord};
use crate::signed::{KeyError, Outcome, Role, StationKey, sign};

/// Who issues, and what people gave for the form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssueContext {
    /// The organization that runs the station.
    pub organization: String,
    /// The station's name.
    pub station: String,
    /// Fields that only a person can give.
    pub form: GivenForm,
}

/// A signed document, ready to be stored as `<id>.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// SHA-256 of the signed payload, hex.
    pub id: String,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A fact has no JSON form: a path that is not UTF-8.
    #[error("the facts of the run cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The facts contradict themselves; a verifier would refuse the certificate.
    #[error("no certificate was issued, because its facts contradict each other: {0}")]
    Contradiction(String),
    /// The key could not sign.
    #[error("no certificate was issued: {0}")]
    Key(#[from] KeyError),
}

/// Signs a certificate for a run that passed. The same record, context and time give the same
/// bytes; another time gives the same payload and id. Refuses facts that [`super::verify_file`]
/// would refuse.
pub fn issue(
    record: &SanitizationRecord,
    context: &IssueContext,
    key: &StationKey,
    iat: DateTime<Utc>,
) -> Result<Issued, IssueError> {
    seal(&CertificatePayload::from_facts(record.facts(), None, context), key, iat)
}

/// Signs a failure report for a run that did not pass.
pub fn issue_failure(
    record: &FailureRecord,
    context: &IssueContext,
    key: &StationKey,
    iat: DateTime<Utc>,
) -> Result<Issued, IssueError> {
    seal(&CertificatePayload::from_facts(record.facts(), Some(record.failure()), context), key, iat)
}

fn seal(payload: &CertificatePayload, key: &StationKey, iat: DateTime<Utc>) -> Result<Issued, IssueError> {
    if payload.failure.is_none() {
        let wrong = semantics::check(payload).into_iter().find(|c| c.outcome == Outcome::Failed);
        if let Some(wrong) = wrong {
            return Err(IssueError::Contradiction(format!("{}: {}", wrong.name, wrong.detail)));
        }
    }
    let text = serde_json::to_vec(payload)?;
    let mut bytes = sign(&text, payload.kind.typ(), key, Role::Station, iat)?.to_bytes();
    bytes.push(b'\n');
    Ok(Issued { id: id_of(&text), bytes })
}

#[cfg(test)]
mod tests {
    use super::super::semantics::tests::{facts, failure};
    use super::super::{DocumentKind, Verdict, verify_document, verify_file};
    use super::*;
    use crate::policy::Method;
    use crate::signed::{TrustStore, TrustedKey};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn context() -> IssueContext {
        IssueContext { organization: "Org".into(), station: "Bench 1".into(), form: GivenForm::default() }
    }

    #[test]
    fn the_same_run_gives_the_same_id_whenever_it_is_signed() {
        let key = StationKey::from_seed(&[1; 32]);
        let payload = CertificatePayload::from_facts(&facts(), None, &context());
        let first = seal(&payload, &key, at(2_000_000_000)).unwrap();
        assert_eq!(seal(&payload, &key, at(2_000_000_000)).unwrap(), first);
        let later = seal(&payload, &key, at(2_000_000_001)).unwrap();
        assert_eq!(later.id, first.id);
        assert_ne!(later.bytes, first.bytes);

        let mut trust = TrustStore::default();
        trust.add(TrustedKey::new(key.public().clone(), "Bench 1", Role::Station, None)).unwrap();
        let name = format!("{}.json", first.id);
        let verified = verify_file(&first.bytes, Some(&name), Some(&trust));
        assert_eq!(verified.verdict, Verdict::Valid, "{:#?}", verified.checks);
        assert_eq!(verify_file(&first.bytes, Some(&name), None).verdict, Verdict::ConsistentSignerUnknown);
        let misnamed = verify_file(&first.bytes, Some(&format!("{}.json", "0".repeat(64))), Some(&trust));
        assert_eq!(misnamed.failed().map(|c| c.name).collect::<Vec<_>>(), ["file name"]);
    }

    #[test]
    fn a_failed_run_gives_a_report_and_never_a_certificate() {
        let key = StationKey::from_seed(&[1; 32]);
        let (facts, failure) = failure();
        let payload = CertificatePayload::from_facts(&facts, Some(&failure), &context());
        let report = seal(&payload, &key, at(2_000_000_000)).unwrap();
        let mut trust = TrustStore::default();
        trust.add(TrustedKey::new(key.public().clone(), "Bench 1", Role::Station, None)).unwrap();
        let as_report = verify_document(&report.bytes, DocumentKind::FailureReport, None, Some(&trust));
        assert_eq!(as_report.verdict, Verdict::Valid, "{:#?}", as_report.checks);
        let as_certificate = verify_file(&report.bytes, None, Some(&trust));
        assert_eq!(as_certificate.verdict, Verdict::Invalid);
        assert!(as_certificate.failed().any(|c| c.name == "typ"));
        // The same facts as a certificate are refused before anything is signed.
        let lie = CertificatePayload::from_facts(&facts, None, &context());
        assert!(matches!(seal(&lie, &key, at(2_000_000_000)), Err(IssueError::Contradiction(_))));
    }

    #[test]
    fn a_claim_beyond_the_technique_is_not_signed() {
        let mut facts = facts();
        facts.attained = Some(Method::Purge);
        let payload = CertificatePayload::from_facts(&facts, None, &context());
        let error = seal(&payload, &StationKey::from_seed(&[1; 32]), at(0)).unwrap_err();
        assert!(error.to_string().contains("method"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_is_an_error() {
        use std::os::unix::ffi::OsStringExt as _;
        let mut facts = facts();
        facts.medium.path = std::ffi::OsString::from_vec(vec![b'/', 0xff]).into();
        let payload = CertificatePayload::from_facts(&facts, None, &context());
        assert!(matches!(seal(&payload, &StationKey::from_seed(&[1; 32]), at(0)), Err(IssueError::Json(_))));
    }
}
