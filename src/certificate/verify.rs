//! Verifying a certificate with nothing but the file and, where there is one, a trust store.

use serde::Serialize;

use super::payload::{CertificatePayload, DocumentKind, id_of};
use super::semantics;
use crate::sanitize::record::ClockQuality;
use crate::signed::{
    Check, Jws, Outcome, Role, TIME_EVIDENCE, TimeEvidence, TrustStore, check_person, parse_json_exact, same_name,
    verify_with,
};

/// What the checks come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every signature was made by a known key that may, in its time, and nothing contradicts it.
    Valid,
    /// Nothing speaks against it, but who signed is not established: no trust store was given, or
    /// a key was revoked after the date in the signature.
    ConsistentSignerUnknown,
    /// A check failed.
    Invalid,
}

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// SHA-256 of the payload; `None` when the file is no signed document.
    pub id: Option<String>,
    /// What the file was verified as.
    pub kind: DocumentKind,
    /// What the checks come to.
    pub verdict: Verdict,
    /// Every check, in the order it was made.
    pub checks: Vec<Check>,
    /// The content, where it could be read. Not to be believed unless the verdict says so.
    #[serde(skip)]
    pub document: Option<CertificatePayload>,
}

impl Verification {
    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|c| c.outcome == Outcome::Failed)
    }
}

/// Verifies a certificate. `file_name`, when given and of the form `<64 hex digits>.json`, must be
/// the document's id.
pub fn verify_file(bytes: &[u8], file_name: Option<&str>, trust: Option<&TrustStore>) -> Verification {
    verify_document(bytes, DocumentKind::Certificate, file_name, trust)
}

/// As [`verify_file`] for either kind of document.
pub fn verify_document(
    bytes: &[u8],
    kind: DocumentKind,
    file_name: Option<&str>,
    trust: Option<&TrustStore>,
) -> Verification {
    verify_document_with(bytes, kind, file_name, trust, &[])
}

/// As [`verify_document`], with evidence by others for the time of its signatures.
pub fn verify_document_with(
    bytes: &[u8],
    kind: DocumentKind,
    file_name: Option<&str>,
    trust: Option<&TrustStore>,
    evidence: &[TimeEvidence],
) -> Verification {
    let jws = match Jws::parse(bytes) {
        Ok(jws) => jws,
        Err(e) => {
            let checks = vec![Check::new("structure", Outcome::Failed, e.to_string())];
            return Verification { id: None, kind, verdict: Verdict::Invalid, checks, document: None };
        }
    };
    verify_read(&jws, id_of(jws.payload()), kind, file_name, trust, evidence)
}

/// As [`verify_document_with`], of a document that was read strictly, with its id.
pub(super) fn verify_read(
    jws: &Jws,
    id: String,
    kind: DocumentKind,
    file_name: Option<&str>,
    trust: Option<&TrustStore>,
    evidence: &[TimeEvidence],
) -> Verification {
    let mut checks =
        vec![Check::new("structure", Outcome::Passed, "a JWS in JSON general serialization, read strictly")];
    checks.extend(verify_with(jws, kind.typ(), trust, evidence));
    checks.push(check_issuer(jws));
    checks.extend(check_file_name(&id, file_name));
    let (content, document) = check_content(jws, kind);
    checks.push(content);
    if let Some(document) = &document {
        checks.extend(semantics::check(document));
        checks.push(semantics::check_signing_time(document, jws));
        checks.extend(check_operator(document, jws));
        checks.extend(check_operator_name(document, trust));
        checks.extend(check_four_eyes(document, jws, trust));
        if trust.is_some() && !checks.iter().any(|c| c.name == TIME_EVIDENCE) {
            checks.push(check_clock(document));
        }
    }
    Verification { id: Some(id), kind, verdict: verdict(&checks), checks, document }
}

/// What checks come to: one that failed decides, and one that is unknown unless it is about times.
pub fn verdict(checks: &[Check]) -> Verdict {
    let any = |outcome| checks.iter().any(|c| c.outcome == outcome && (outcome == Outcome::Failed || decides(c)));
    match (any(Outcome::Failed), any(Outcome::Unknown)) {
        (true, _) => Verdict::Invalid,
        (false, true) => Verdict::ConsistentSignerUnknown,
        (false, false) => Verdict::Valid,
    }
}

/// An unknown here keeps a document from being valid. Times are the exception: a clock that was
/// set during the run makes them unknown without making the signer so.
fn decides(check: &Check) -> bool {
    check.name != semantics::TIMES && check.name != semantics::SIGNING_TIME && check.name != TIME_EVIDENCE
}

fn check_issuer(jws: &Jws) -> Check {
    match jws.signatures().iter().any(|s| s.header().role == Some(Role::Station)) {
        true => Check::new("issuer", Outcome::Passed, "a station has signed"),
        false => {
            Check::new("issuer", Outcome::Failed, "no station has signed; others can only agree with its document")
        }
    }
}

/// What is left where nobody but the station says when it signed.
fn check_clock(document: &CertificatePayload) -> Check {
    let (outcome, clock) = match document.facts.clock {
        ClockQuality::Synchronized => (Outcome::Passed, "was synchronized"),
        ClockQuality::Unsynchronized => (Outcome::Unknown, "was not synchronized"),
        ClockQuality::Unknown => (Outcome::Unknown, "is of unknown quality"),
    };
    let detail = format!("nobody but the station says when it signed, by a clock that {clock}");
    Check::new(TIME_EVIDENCE, outcome, detail)
}

/// An operator with a key is proven by the signature of that very key, and by nothing else.
fn check_operator(document: &CertificatePayload, jws: &Jws) -> Option<Check> {
    let name = "operator";
    let operator = document.facts.operator.as_ref()?;
    let signed = |kid: &str| {
        let header = |s: &crate::signed::Signature| (s.header().role, s.header().kid.as_deref() == Some(kid));
        jws.signatures().iter().any(|s| header(s) == (Some(Role::Operator), true))
    };
    Some(match (operator.standing.as_str(), operator.kid.as_deref()) {
        ("claimed", None) => Check::new(
            name,
            Outcome::Passed,
            format!("{:?} is claimed as the operator; a claim is all it is", operator.name),
        ),
        ("signed", Some(kid)) if signed(kid) => {
            Check::new(name, Outcome::Passed, format!("the operator {:?} has signed with key {kid}", operator.name))
        }
        ("signed", Some(kid)) => Check::new(
            name,
            Outcome::Unknown,
            format!("the operator {:?} has key {kid}, but its signature is not there yet", operator.name),
        ),
        (standing, _) => {
            Check::new(name, Outcome::Failed, format!("standing {standing:?} and key of the operator do not fit"))
        }
    })
}

/// The name beside an operator's key is their own. What is claimed without a key is nobody's but the station's word.
fn check_operator_name(document: &CertificatePayload, trust: Option<&TrustStore>) -> Option<Check> {
    let operator = document.facts.operator.as_ref()?;
    Some(check_person("operator", operator.kid.as_deref()?, &operator.name, trust))
}

/// Who did it does not also witness it: by key, and by the names in the trust store.
fn check_four_eyes(document: &CertificatePayload, jws: &Jws, trust: Option<&TrustStore>) -> Option<Check> {
    let by = |role: Role| {
        let headers = jws.signatures().iter().map(|s| s.header()).filter(move |h| h.role == Some(role));
        headers.filter_map(|h| h.kid.as_deref()).collect::<Vec<_>>()
    };
    let witnesses = by(Role::Witness);
    if witnesses.is_empty() {
        return None;
    }
    let known = |kid: &str| trust.and_then(|store| store.find(kid)).map(|key| key.name.as_str());
    let named = document.facts.operator.as_ref();
    let operators: Vec<&str> = by(Role::Operator).into_iter().chain(named.and_then(|o| o.kid.as_deref())).collect();
    let names: Vec<&str> =
        operators.iter().filter_map(|kid| known(kid)).chain(named.map(|o| o.name.as_str())).collect();
    let is_operator = |kid: &str| {
        operators.contains(&kid) || known(kid).is_some_and(|name| names.iter().any(|other| same_name(name, other)))
    };
    Some(match witnesses.into_iter().find(|kid| is_operator(kid)) {
        None => Check::new("four eyes", Outcome::Passed, "who witnessed it is not who did it"),
        Some(kid) => {
            let who = known(kid).map_or_else(|| format!("key {kid}"), |name| format!("{name:?}"));
            Check::new("four eyes", Outcome::Failed, format!("{who} has witnessed what was their own work"))
        }
    })
}

pub(super) fn check_file_name(id: &str, file_name: Option<&str>) -> Option<Check> {
    let claimed = file_name?.rsplit('/').next()?.strip_suffix(".json")?;
    let is_id = claimed.len() == 64 && claimed.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_id {
        return None;
    }
    Some(match claimed == id {
        true => Check::new("file name", Outcome::Passed, "the file is named by the SHA-256 of its payload"),
        false => Check::new(
            "file name",
            Outcome::Failed,
            format!("the payload's SHA-256 is {id}: the payload was changed or the file renamed"),
        ),
    })
}

fn check_content(jws: &Jws, kind: DocumentKind) -> (Check, Option<CertificatePayload>) {
    let name = "content";
    match parse_json_exact::<CertificatePayload>(jws.payload()) {
        Err(e) => (Check::new(name, Outcome::Failed, format!("the payload is not of the documented form: {e}")), None),
        Ok(payload) if payload.kind != kind => (
            Check::new(
                name,
                Outcome::Failed,
                format!("the payload is a {}, not a {}", payload.kind.name(), kind.name()),
            ),
            Some(payload),
        ),
        Ok(payload) => {
            (Check::new(name, Outcome::Passed, "the payload has exactly the documented members"), Some(payload))
        }
    }
}
