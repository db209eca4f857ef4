//! Verifying any document with nothing but the file and, where there is one, a trust store.

use serde::Serialize;

use super::{Document, DocumentType, signers};
use crate::certificate::payload::id_of;
use crate::certificate::semantics::SIGNING_TIME;
use crate::certificate::verify::{Verdict, check_file_name, verdict, verify_read};
use crate::certificate::{DocumentKind, Verification};
use crate::signed::{
    Check, Jws, JwsError, Outcome, Role, TimeEvidence, TrustStore, format_time, same_name, verify_with,
};

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verified {
    /// SHA-256 of the payload; `None` when the file is no signed document.
    pub id: Option<String>,
    /// What it is; `None` when that cannot be told.
    pub kind: Option<DocumentType>,
    /// What the checks come to.
    pub verdict: Verdict,
    /// Every check, in the order it was made.
    pub checks: Vec<Check>,
    /// The content, where it could be read. Not to be believed unless the verdict says so.
    #[serde(skip)]
    pub document: Option<Document>,
    /// The keys that have signed, as claimed by the headers.
    pub signers: Vec<String>,
    /// The same, with role and name.
    #[serde(skip)]
    pub(super) persons: Vec<Signer>,
}

/// Who has signed: key and role as claimed by the header, the name as the trust store has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Signer {
    pub(super) kid: String,
    pub(super) role: Option<Role>,
    pub(super) name: Option<String>,
}

impl Verified {
    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|c| c.outcome == Outcome::Failed)
    }

    /// Whether it says, if it is valid, that media hold nothing any more: a certificate, a record of
    /// destruction, a complete computer or lot certificate. A failure report, a rejection or a
    /// revocation can be valid too, and says nothing of the kind; nor does the certificate of a run
    /// that precedes destruction.
    pub fn certifies(&self) -> bool {
        match &self.document {
            Some(Document::Run(run)) => run.kind == DocumentKind::Certificate && !run.facts.precedes_destruction(),
            Some(Document::Destruction(_)) => true,
            Some(Document::Gathering(gathering)) => gathering.complete,
            _ => false,
        }
    }

    /// Whether whoever has that key did what it tells of, and signs it as operator; also somebody whom the trust
    /// store calls by that name and who has another key.
    pub fn was_done_by(&self, kid: &str, name: Option<&str>) -> bool {
        let named = match &self.document {
            Some(Document::Run(run)) => run.facts.operator.as_ref().and_then(|operator| operator.kid.as_deref()),
            Some(Document::Destruction(record)) => Some(record.operator.kid.as_str()),
            _ => None,
        };
        let is_they = |signer: &Signer| {
            signer.kid == kid || matches!((&signer.name, name), (Some(a), Some(b)) if same_name(a, b))
        };
        named == Some(kid) || self.persons.iter().any(|signer| signer.role == Some(Role::Operator) && is_they(signer))
    }

    /// Adds checks and judges anew.
    pub fn add(&mut self, checks: Vec<Check>) {
        self.checks.extend(checks);
        self.verdict = verdict(&self.checks);
    }

    fn of_run(verification: Verification, kind: DocumentType, jws: &Jws, trust: Option<&TrustStore>) -> Verified {
        Verified {
            id: verification.id,
            kind: Some(kind),
            verdict: verification.verdict,
            checks: verification.checks,
            document: verification.document.map(Document::Run),
            signers: signers_of(jws),
            persons: persons_of(jws, trust),
        }
    }
}

/// Verifies a document of any sort. `file_name`, when given and of the form `<64 hex digits>.json`,
/// must be the document's id.
pub fn verify_any(bytes: &[u8], file_name: Option<&str>, trust: Option<&TrustStore>) -> Verified {
    verify_any_with(bytes, file_name, trust, &[])
}

/// As [`verify_any`], with evidence by others for the time of its signatures.
pub fn verify_any_with(
    bytes: &[u8],
    file_name: Option<&str>,
    trust: Option<&TrustStore>,
    evidence: &[TimeEvidence],
) -> Verified {
    verify_parsed(Jws::parse(bytes), file_name, trust, evidence)
}

/// As [`verify_any_with`], of a document as it was read.
pub fn verify_parsed(
    document: Result<Jws, JwsError>,
    file_name: Option<&str>,
    trust: Option<&TrustStore>,
    evidence: &[TimeEvidence],
) -> Verified {
    let nothing = |check: Check, id: Option<String>| Verified {
        id,
        kind: None,
        verdict: Verdict::Invalid,
        checks: vec![check],
        document: None,
        signers: Vec::new(),
        persons: Vec::new(),
    };
    let jws = match document {
        Ok(jws) => jws,
        Err(e) => return nothing(Check::new("structure", Outcome::Failed, e.to_string()), None),
    };
    let id = id_of(jws.payload());
    let kind = match jws.typ().map(|typ| (typ, DocumentType::of_typ(typ))) {
        Some((_, Some(kind))) => kind,
        Some((typ, None)) => {
            let detail = format!("a {typ} is no document of sanitization");
            return nothing(Check::new("typ", Outcome::Failed, detail), Some(id));
        }
        None => {
            let detail = "the signatures do not all name one sort of document";
            return nothing(Check::new("typ", Outcome::Failed, detail), Some(id));
        }
    };
    let run = match kind {
        DocumentType::Certificate => Some(DocumentKind::Certificate),
        DocumentType::FailureReport => Some(DocumentKind::FailureReport),
        _ => None,
    };
    if let Some(run) = run {
        return Verified::of_run(verify_read(&jws, id, run, file_name, trust, evidence), kind, &jws, trust);
    }
    let mut checks =
        vec![Check::new("structure", Outcome::Passed, "a JWS in JSON general serialization, read strictly")];
    checks.extend(verify_with(&jws, kind.typ(), trust, evidence));
    checks.extend(check_file_name(&id, file_name));
    let document = match Document::of_payload(kind, jws.payload()) {
        Ok(document) => {
            checks.push(Check::new("content", Outcome::Passed, "the payload has exactly the documented members"));
            Some(document)
        }
        Err(e) => {
            checks.push(Check::new("content", Outcome::Failed, e.to_string()));
            None
        }
    };
    if let Some(payload) = document.as_ref().and_then(Document::payload) {
        checks.extend(payload.check());
        checks.extend(signers::check(&jws, &payload.demands(), trust));
        checks.extend(payload.check_signatures(&jws));
        checks.push(check_signing_time(kind, payload.dated(), &jws));
    }
    let (signers, persons) = (signers_of(&jws), persons_of(&jws, trust));
    Verified { id: Some(id), kind: Some(kind), verdict: verdict(&checks), checks, document, signers, persons }
}

pub(super) fn signers_of(jws: &Jws) -> Vec<String> {
    jws.signatures().iter().filter_map(|s| s.header().kid.clone()).collect()
}

fn persons_of(jws: &Jws, trust: Option<&TrustStore>) -> Vec<Signer> {
    let named = |kid: &String| trust.and_then(|store| store.find(kid)).map(|key| key.name.clone());
    let signer = |header: &crate::signed::Header| {
        let kid = header.kid.clone()?;
        Some(Signer { name: named(&kid), role: header.role, kid })
    };
    jws.signatures().iter().filter_map(|s| signer(s.header())).collect()
}

/// How far the clock of whoever signs may lag behind, in seconds: a day.
const CLOCK_LAG: i64 = 24 * 60 * 60;

fn check_signing_time(kind: DocumentType, dated: chrono::DateTime<chrono::Utc>, jws: &Jws) -> Check {
    // When a medium was destroyed is the operator's word, and nobody's clock: what is yet to come is no proof.
    let operators = jws.signatures().iter().filter(|s| s.header().role == Some(Role::Operator));
    let ahead = |iat: &chrono::DateTime<chrono::Utc>| dated.timestamp() > iat.timestamp().saturating_add(CLOCK_LAG);
    let to_come = operators.filter_map(|s| s.header().iat).find(ahead);
    if let Some(iat) = to_come.filter(|_| kind == DocumentType::Destruction) {
        let (signed, told) = (format_time(iat), format_time(dated));
        let detail =
            format!("the operator signed {signed} that the medium was destroyed {told}, more than a day later");
        return Check::new(SIGNING_TIME, Outcome::Failed, detail);
    }
    let early = jws.signatures().iter().filter_map(|s| s.header().iat).find(|iat| iat.timestamp() < dated.timestamp());
    match early {
        None => Check::new(SIGNING_TIME, Outcome::Passed, "signed after what it tells"),
        Some(iat) => Check::new(
            SIGNING_TIME,
            Outcome::Unknown,
            format!("signed {} by the signer's clock, but it tells of {}", format_time(iat), format_time(dated)),
        ),
    }
}
