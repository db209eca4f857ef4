//! How each medium stands by all documents at hand.

use super::gathering::{GatheredMedium, Standing};
use super::part::{DocumentRef, MediumName};
use super::relation::{Related, Relation};
use super::verified::Verified;
use super::{Document, DocumentType};
use crate::certificate::verify::Verdict;
use crate::policy::VerificationLevel;
use crate::sanitize::record::Proven;

/// Every medium that the documents or the list of expected ones name, each once: the expected ones
/// first, in their order. Only valid documents are proof, and one that another speaks against is
/// none.
pub fn gather(related: &Related, expected: &[MediumName]) -> Vec<GatheredMedium> {
    let mut media: Vec<(MediumName, Vec<&Verified>)> = expected.iter().map(|m| (m.clone(), Vec::new())).collect();
    for verified in related.documents().iter().filter(|v| v.verdict == Verdict::Valid) {
        let Some(Document::Run(_) | Document::Destruction(_)) = &verified.document else { continue };
        let Some(name) = verified.document.as_ref().and_then(Document::medium) else { continue };
        match media.iter_mut().find(|(known, _)| known.same_medium(&name)) {
            Some((known, documents)) => {
                known.learn(&name);
                documents.push(verified);
            }
            None => media.push((name, vec![verified])),
        }
    }
    media.into_iter().map(|(medium, documents)| stand(related, medium, documents)).collect()
}

/// Of several documents the best counts, and of equal ones the latest.
fn stand(related: &Related, medium: MediumName, documents: Vec<&Verified>) -> GatheredMedium {
    let entries = documents.into_iter().filter_map(|verified| entry(related, &medium, verified));
    let rank = |standing: Standing| match standing {
        Standing::Destroyed => 5,
        Standing::Sanitized => 4,
        Standing::Revoked => 3,
        Standing::Rejected => 2,
        Standing::Failed => 1,
        Standing::WithoutProof => 0,
    };
    let nothing = GatheredMedium {
        medium: medium.clone(),
        standing: Standing::WithoutProof,
        document: None,
        attained: None,
        verification: None,
        ended: None,
        against: None,
    };
    entries.max_by_key(|e| (rank(e.standing), e.ended)).unwrap_or(nothing)
}

fn entry(related: &Related, medium: &MediumName, verified: &Verified) -> Option<GatheredMedium> {
    let document = DocumentRef { id: verified.id.clone()?, kind: verified.kind? };
    let against = related.about(verified).into_iter().find(|r| r.speaks_for == Some(false));
    let of = |standing, attained, verification, ended, against: Option<&Relation>| GatheredMedium {
        medium: medium.clone(),
        standing,
        document: Some(document.clone()),
        attained,
        verification,
        ended: Some(ended),
        against: against.map(|r| DocumentRef { id: r.document.clone(), kind: r.kind }),
    };
    let opposed = against.as_ref().map(|r| match r.kind {
        DocumentType::Revocation => Standing::Revoked,
        DocumentType::FailureReport => Standing::Failed,
        _ => Standing::Rejected,
    });
    match verified.document.as_ref()? {
        Document::Run(run) if document.kind == DocumentType::FailureReport => {
            Some(of(Standing::Failed, None, None, run.facts.ended, None))
        }
        // The later failure stands for itself.
        Document::Run(_) if opposed == Some(Standing::Failed) => None,
        Document::Run(run) => {
            let facts = &run.facts;
            let level = match facts.proven {
                Proven::FullReadback | Proven::ErasedFullRead => Some(VerificationLevel::Full),
                Proven::SampledReadback | Proven::ErasedSampled => Some(VerificationLevel::Sample),
                Proven::QuickReadback => Some(VerificationLevel::Quick),
                _ => None,
            };
            // A part of a medium is no medium.
            if facts.medium.partition.is_some() {
                return None;
            }
            let standing = opposed.unwrap_or(Standing::Sanitized);
            Some(of(standing, facts.attained, level, facts.ended, against.as_ref()))
        }
        Document::Destruction(d) => {
            Some(of(opposed.unwrap_or(Standing::Destroyed), Some(d.attained), None, d.destroyed, against.as_ref()))
        }
        _ => None,
    }
}

impl MediumName {
    /// Takes over what the other knows and this does not.
    pub(super) fn learn(&mut self, other: &MediumName) {
        let take = |mine: &mut Option<String>, theirs: &Option<String>| {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        };
        take(&mut self.vendor, &other.vendor);
        take(&mut self.model, &other.model);
        take(&mut self.serial, &other.serial);
        take(&mut self.wwn, &other.wwn);
        take(&mut self.digest, &other.digest);
        take(&mut self.asset_tag, &other.asset_tag);
        self.size = self.size.or(other.size);
    }
}
