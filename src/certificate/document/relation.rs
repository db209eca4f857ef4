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
    /// For or against; `None`: it is not established who says so.
    pub speaks_for: Option<bool>,
    /// In words.
    pub detail: String,
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
        let (kind, speaks_for, detail) = match other.document.as_ref()? {
            Document::Validation(v) if v.document.id == id => {
                if self.is_replaced(&document) {
                    return None;
                }
                let detail =
                    format!("{} by {} on {}: {}", v.decision.words(), v.by.name, format_time(v.decided), v.reason);
                (DocumentType::Validation, v.decision == Decision::Accepted, detail)
            }
            Document::Revocation(r) if r.document.id == id => {
                let detail = format!("revoked by {} on {}: {}", r.by.name, format_time(r.revoked), r.reason);
                (DocumentType::Revocation, false, detail)
            }
            Document::MediaVerification(v) if v.certificate.id == id => {
                if self.is_replaced(&document) || v.result == VerificationResult::Incomplete {
                    return None;
                }
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
                if self.is_settled(&document) {
                    return None;
                }
                let detail = format!("{} found on {} that it is not what arrived", d.by.name, format_time(d.found));
                (DocumentType::Discrepancy, false, detail)
            }
            _ => return None,
        };
        let established = other.verdict == Verdict::Valid;
        let detail = match established {
            true => format!("{detail} ({short})"),
            false => format!("somebody says, and who is not established: {detail} ({short})"),
        };
        Some(Relation { document, kind, speaks_for: established.then_some(speaks_for), detail })
    }

    fn is_revoked(&self, id: &str) -> bool {
        let mut valid = self.documents.iter().filter(|v| v.verdict == Verdict::Valid);
        valid.any(|v| matches!(&v.document, Some(Document::Revocation(r)) if r.document.id == id))
    }

    /// A valid document revokes it or takes its place. One that is revoked takes nobody's place, so
    /// that a rejection comes back when the acceptance after it is revoked.
    fn is_replaced(&self, id: &str) -> bool {
        let mut valid = self.documents.iter().filter(|v| v.verdict == Verdict::Valid);
        self.is_revoked(id)
            || valid.any(|v| match (&v.document, &v.id) {
                (Some(Document::Validation(d)), Some(by)) => d.replaces.as_deref() == Some(id) && !self.is_revoked(by),
                _ => false,
            })
    }

    /// A discrepancy that a validator has accepted.
    fn is_settled(&self, id: &str) -> bool {
        let judgements = self.documents.iter().filter(|v| v.verdict == Verdict::Valid);
        let mut decisions = judgements.filter_map(|v| match &v.document {
            Some(Document::Validation(d)) if d.document.id == id && !self.is_replaced(v.id.as_deref()?) => {
                Some(d.decision)
            }
            _ => None,
        });
        let first = decisions.next();
        first == Some(Decision::Accepted) && decisions.all(|d| d == Decision::Accepted)
    }
}
