//! What other documents say about a document: accepted, rejected, revoked, read again, failed later.

use super::judgement::Decision;
use super::media_verification::VerificationResult;
use super::verified::{Verified, verify_any};
use super::{Document, DocumentType};
use crate::certificate::verify::Verdict;
use crate::signed::{Check, Outcome, TrustStore, format_time};

/// Other documents that are at hand, each verified by itself.
#[derive(Clone, Debug, Default)]
pub struct Related {
    documents: Vec<Verified>,
}

/// What one document says about another.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// Id of the document that says so.
    pub document: String,
    /// What sort of document that is.
    pub kind: DocumentType,
    /// For or against; `None`: it is not established who says so, or whether it still holds.
    pub speaks_for: Option<bool>,
    /// In words.
    pub detail: String,
}

/// Whether a judgement was undone by others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undone {
    Yes,
    No,
    /// It was, unless somebody undid that in turn, and who is not established.
    Unknown,
}

impl Related {
    /// Verifies each file. What is no document, or an invalid one, says nothing about others.
    pub fn new<'a>(files: impl IntoIterator<Item = &'a [u8]>, trust: Option<&TrustStore>) -> Related {
        Related::of(files.into_iter().map(|bytes| verify_any(bytes, None, trust)))
    }

    /// From documents that are verified already.
    pub fn of(documents: impl IntoIterator<Item = Verified>) -> Related {
        let counts = |v: &Verified| v.verdict != Verdict::Invalid && v.id.is_some() && v.document.is_some();
        let mut documents: Vec<Verified> = documents.into_iter().filter(counts).collect();
        documents.sort_by(|a, b| a.id.cmp(&b.id));
        documents.dedup_by(|a, b| a.id == b.id);
        Related { documents }
    }

    /// All of them.
    pub fn documents(&self) -> &[Verified] {
        &self.documents
    }

    /// The document with that id.
    pub fn find(&self, id: &str) -> Option<&Verified> {
        let at = self.documents.binary_search_by(|v| v.id.as_deref().cmp(&Some(id))).ok()?;
        self.documents.get(at)
    }

    /// What the others say about a document. Judgements that a later one takes the place of, or that
    /// are revoked themselves, are left out.
    pub fn about(&self, verified: &Verified) -> Vec<Relation> {
        let Some(id) = verified.id.as_deref() else { return Vec::new() };
        self.documents
            .iter()
            .filter(|other| other.id.as_deref() != Some(id))
            .filter_map(|other| self.relation(other, id, verified))
            .collect()
    }

    /// The same as checks of the document.
    pub fn checks(&self, verified: &Verified) -> Vec<Check> {
        let name = |kind| match kind {
            DocumentType::Validation => "validation",
            DocumentType::Revocation => "document revocation",
            DocumentType::MediaVerification => "second reading",
            DocumentType::FailureReport => "later run",
            _ => "discrepancy",
        };
        let outcome = |speaks_for| match speaks_for {
            Some(true) => Outcome::Passed,
            Some(false) => Outcome::Failed,
            None => Outcome::Unknown,
        };
        let check = |r: Relation| Check::new(name(r.kind), outcome(r.speaks_for), r.detail);
        self.about(verified).into_iter().map(check).collect()
    }

    fn relation(&self, other: &Verified, id: &str, of: &Verified) -> Option<Relation> {
        let document = other.id.clone()?;
        let short = document.get(..12).unwrap_or_default().to_owned();
        let mut undone = Undone::No;
        let (kind, speaks_for, detail) = match other.document.as_ref()? {
            Document::Validation(v) if v.document.id == id => {
                undone = self.replaced(&document);
                let detail =
                    format!("{} by {} on {}: {}", v.decision.words(), v.by.name, format_time(v.decided), v.reason);
                (DocumentType::Validation, v.decision == Decision::Accepted, detail)
            }
            Document::Revocation(r) if r.document.id == id => {
                let detail = format!("revoked by {} on {}: {}", r.by.name, format_time(r.revoked), r.reason);
                (DocumentType::Revocation, false, detail)
            }
            Document::MediaVerification(v) if v.certificate.id == id => {
                if v.result == VerificationResult::Incomplete {
                    return None;
                }
                undone = self.replaced(&document);
                let fits = match &of.document {
                    Some(Document::Run(run)) => v.against(run, &of.signers),
                    _ => Err("it is about no certificate".to_owned()),
                };
                let independent = if v.is_independent() { "independent" } else { "NOT independent" };
                match fits {
                    Ok(()) => (
                        DocumentType::MediaVerification,
                        v.result == VerificationResult::Matched,
                        format!(
                            "{} ({independent}, station {}, {})",
                            v.result.words(),
                            v.station,
                            format_time(v.ended)
                        ),
                    ),
                    Err(why) => (DocumentType::MediaVerification, false, format!("a reading contradicts it: {why}")),
                }
            }
            Document::Run(run) if other.kind == Some(DocumentType::FailureReport) => {
                let Some(Document::Run(this)) = &of.document else { return None };
                // Also a run that made the medium larger first.
                let before = run.facts.hidden_areas.restored().map(|restored| restored.before.digest());
                let digest = &this.facts.medium.identity_digest;
                let same = run.facts.medium.identity_digest == *digest || before.as_ref() == Some(digest);
                if of.kind != Some(DocumentType::Certificate) || !same || run.facts.ended < this.facts.ended {
                    return None;
                }
                let detail = format!("a later run on the medium failed ({})", format_time(run.facts.ended));
                (DocumentType::FailureReport, false, detail)
            }
            Document::Discrepancy(d) if d.transfer.id == id => {
                undone = self.settled(&document);
                let detail = format!("{} found on {} that it is not what arrived", d.by.name, format_time(d.found));
                (DocumentType::Discrepancy, false, detail)
            }
            _ => return None,
        };
        let (speaks_for, detail) = match (other.verdict == Verdict::Valid, undone) {
            (_, Undone::Yes) => return None,
            (true, Undone::No) => (Some(speaks_for), detail),
            (true, Undone::Unknown) => (None, format!("it is not established whether this was undone: {detail}")),
            (false, _) => (None, format!("somebody says, and who is not established: {detail}")),
        };
        Some(Relation { document, kind, speaks_for, detail: format!("{detail} ({short})") })
    }

    /// `Unknown`: only documents of which it is not established who signed them revoke it.
    fn revoked(&self, id: &str) -> Undone {
        let by = |v: &&Verified| matches!(&v.document, Some(Document::Revocation(r)) if r.document.id == id);
        let mut revocations = self.documents.iter().filter(by).peekable();
        match (revocations.peek().is_some(), revocations.any(|v| v.verdict == Verdict::Valid)) {
            (_, true) => Undone::Yes,
            (true, false) => Undone::Unknown,
            (false, false) => Undone::No,
        }
    }

    /// A valid document revokes it or takes its place. One that is revoked takes nobody's place, so
    /// that a rejection comes back when the acceptance after it is revoked.
    fn replaced(&self, id: &str) -> Undone {
        if self.revoked(id) == Undone::Yes {
            return Undone::Yes;
        }
        let by = self.documents.iter().filter_map(|v| match (&v.document, &v.id) {
            (Some(Document::Validation(d)), Some(by)) if d.replaces.as_deref() == Some(id) => {
                (v.verdict == Verdict::Valid).then(|| self.revoked(by))
            }
            _ => None,
        });
        let stands: Vec<Undone> = by.filter(|by| *by != Undone::Yes).collect();
        match (stands.contains(&Undone::No), stands.is_empty()) {
            (true, _) => Undone::Yes,
            (false, false) => Undone::Unknown,
            (false, true) => Undone::No,
        }
    }

    /// A discrepancy that a validator has accepted.
    fn settled(&self, id: &str) -> Undone {
        let (mut accepted, mut firmly, mut against) = (false, false, false);
        for verified in &self.documents {
            let (Some(Document::Validation(d)), Some(by)) = (&verified.document, verified.id.as_deref()) else {
                continue;
            };
            let undone = self.replaced(by);
            if d.document.id != id || undone == Undone::Yes {
                continue;
            }
            match (verified.verdict == Verdict::Valid, d.decision) {
                (true, Decision::Accepted) => {
                    accepted = true;
                    firmly |= undone == Undone::No && self.revoked(by) == Undone::No;
                }
                (true, Decision::Rejected) if undone == Undone::No => return Undone::No,
                (_, Decision::Rejected) => against = true,
                (false, Decision::Accepted) => {}
            }
        }
        match (accepted, firmly && !against) {
            (false, _) => Undone::No,
            (true, true) => Undone::Yes,
            (true, false) => Undone::Unknown,
        }
    }
}
