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
    gather_from(related, expected, &|_| true)
}

/// The same by the documents alone whose id `counts`: the others speak for and against them, and are no proof.
pub fn gather_from(related: &Related, expected: &[MediumName], counts: &dyn Fn(&str) -> bool) -> Vec<GatheredMedium> {
    let mut media: Vec<Gathered<'_>> = expected.iter().map(Gathered::expected).collect();
    for verified in related.documents().iter().filter(|v| v.verdict == Verdict::Valid) {
        let Some(Document::Run(_) | Document::Destruction(_)) = &verified.document else { continue };
        let Some(name) = verified.document.as_ref().and_then(Document::medium) else { continue };
        let found = Gathered { names: names(&name, verified), medium: name, documents: vec![verified] };
        let Some(at) = media.iter().position(|known| known.is(&found)) else {
            media.push(found);
            continue;
        };
        let mut medium = media.remove(at);
        medium.take(found);
        // One that gave hidden areas back joins what its two sizes had kept apart.
        let (same, others): (Vec<_>, Vec<_>) = media.into_iter().partition(|known| medium.is(known));
        same.into_iter().for_each(|again| medium.take(again));
        media = others;
        media.insert(at, medium);
    }
    let proof = |verified: &&Verified| verified.id.as_deref().is_some_and(counts);
    let stand = |found: Gathered<'_>| {
        let documents = found.documents.into_iter().filter(proof).collect();
        stand(related, found.medium, documents)
    };
    media.into_iter().map(stand).collect()
}

/// A medium, every name that its documents have for it, and they themselves.
struct Gathered<'a> {
    medium: MediumName,
    /// The same medium at each size that it had.
    names: Vec<MediumName>,
    documents: Vec<&'a Verified>,
}

impl<'a> Gathered<'a> {
    fn expected(medium: &MediumName) -> Gathered<'a> {
        Gathered { medium: medium.clone(), names: vec![medium.clone()], documents: Vec::new() }
    }

    /// Whether both are one medium: at one of its sizes, and with nothing against it at any.
    fn is(&self, other: &Gathered<'_>) -> bool {
        let same = self.names.iter().any(|mine| other.names.iter().any(|theirs| mine.same_medium(theirs)));
        let against = self.medium.contradictions(&other.medium);
        same && against.iter().all(|fact| *fact == "size")
    }

    fn take(&mut self, other: Gathered<'a>) {
        self.medium.learn(&other.medium);
        self.names.extend(other.names);
        self.documents.extend(other.documents);
    }
}

/// The medium as a document names it, and as it was before its hidden areas were given back in the run.
fn names(name: &MediumName, verified: &Verified) -> Vec<MediumName> {
    let run = match &verified.document {
        Some(Document::Run(run)) => run.facts.hidden_areas.restored(),
        _ => None,
    };
    let before = run.map(|restored| MediumName::of(&restored.before, name.asset_tag.as_deref()));
    std::iter::once(name.clone()).chain(before).collect()
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
        medium: sized(medium, verified),
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

/// Of a medium that had several sizes, the one that its document speaks of.
fn sized(medium: &MediumName, verified: &Verified) -> MediumName {
    match verified.document.as_ref().and_then(Document::medium) {
        Some(name) if medium.contradictions(&name) == ["size"] => {
            MediumName { size: name.size, digest: name.digest, ..medium.clone() }
        }
        _ => medium.clone(),
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
