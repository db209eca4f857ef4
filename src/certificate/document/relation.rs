//! What other documents say about a document: accepted, rejected, revoked, read again, failed later.

use std::collections::{BTreeMap, BTreeSet};

use super::handover::Discrepancy;
use super::judgement::{Decision, Revocation, Validation};
use super::media_verification::{MediaVerification, VerificationResult};
use super::verified::{Signer, Verified, verify_any};
use super::{Document, DocumentType, MediumName};
use crate::certificate::verify::Verdict;
use crate::signed::{Check, Outcome, Role, TrustStore, format_time, same_name};

/// Other documents that are at hand, each verified by itself.
#[derive(Clone, Debug, Default)]
pub struct Related {
    documents: Vec<Verified>,
    /// Places of those that speak of a document, by its id.
    naming: BTreeMap<String, Vec<usize>>,
    /// Places of the failure reports, by the identity of their medium, before and after the run.
    failures: BTreeMap<String, Vec<usize>>,
    /// Places of the valid validations, by the id that they replace.
    replacing: BTreeMap<String, Vec<usize>>,
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
        let mut related = Related::default();
        for (at, verified) in documents.iter().enumerate() {
            related.index(at, verified);
        }
        Related { documents, ..related }
    }

    fn index(&mut self, at: usize, verified: &Verified) {
        let note = |by: &mut BTreeMap<String, Vec<usize>>, key: &str| by.entry(key.to_owned()).or_default().push(at);
        match &verified.document {
            Some(Document::Validation(v)) => {
                note(&mut self.naming, &v.document.id);
                if let Some(replaced) = v.replaces.as_deref().filter(|_| verified.verdict == Verdict::Valid) {
                    note(&mut self.replacing, replaced);
                }
            }
            Some(Document::Revocation(r)) => note(&mut self.naming, &r.document.id),
            Some(Document::MediaVerification(v)) => note(&mut self.naming, &v.certificate.id),
            Some(Document::Discrepancy(d)) => note(&mut self.naming, &d.transfer.id),
            Some(Document::Run(run)) if verified.kind == Some(DocumentType::FailureReport) => {
                note(&mut self.failures, &run.facts.medium.identity_digest);
                // Also a run that made the medium larger first.
                if let Some(restored) = run.facts.hidden_areas.restored() {
                    note(&mut self.failures, &restored.before.digest());
                }
            }
            _ => {}
        }
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

    /// What the others say about a document, in the order of their ids. Judgements that a later one takes
    /// the place of, or that are revoked themselves, are left out.
    pub fn about(&self, verified: &Verified) -> Vec<Relation> {
        let Some(id) = verified.id.as_deref() else { return Vec::new() };
        let failures = match &verified.document {
            Some(Document::Run(run)) => self.failures.get(&run.facts.medium.identity_digest),
            _ => None,
        };
        let places: BTreeSet<usize> = self.naming.get(id).into_iter().chain(failures).flatten().copied().collect();
        let others = places.into_iter().filter_map(|at| self.documents.get(at));
        let others = others.filter(|other| other.id.as_deref() != Some(id));
        others.filter_map(|other| self.relation(other, id, verified)).collect()
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

    /// Whether what a revocation names in place of the revoked document may stand there, counts and stands: it is valid,
    /// and nobody speaks against it.
    pub fn is_replaced(&self, revocation: &str, revoked: &Verified, counts: &dyn Fn(&str) -> bool) -> bool {
        let found = self.find(revocation).and_then(|verified| verified.document.as_ref());
        let Some(Document::Revocation(Revocation { replaced_by: Some(instead), .. })) = found else { return false };
        let instead =
            self.find(&instead.id).filter(|verified| verified.verdict == Verdict::Valid && counts(&instead.id));
        instead.is_some_and(|verified| {
            may_replace(verified, revoked) && self.about(verified).iter().all(|said| said.speaks_for == Some(true))
        })
    }

    /// The valid discrepancy reports of a transfer that are settled, beyond doubt.
    pub fn settled_reports(&self, transfer: &str) -> Vec<&Discrepancy> {
        let mut found = Vec::new();
        for verified in self.naming(transfer).filter(|verified| verified.verdict == Verdict::Valid) {
            let (Some(Document::Discrepancy(report)), Some(id)) = (&verified.document, &verified.id) else { continue };
            if self.settled(verified, id) == Undone::Yes {
                found.push(report);
            }
        }
        found
    }

    fn relation(&self, other: &Verified, id: &str, of: &Verified) -> Option<Relation> {
        let document = other.id.clone()?;
        let short = document.get(..12).unwrap_or_default().to_owned();
        let mut undone = Undone::No;
        let (kind, speaks_for, detail) = match other.document.as_ref()? {
            Document::Validation(v) if v.document.id == id => {
                let own = accepts_own(other, v, of);
                let speaks_for = v.decision == Decision::Accepted && !own;
                undone = self.lifted(other, speaks_for, of);
                let eyes = if own { ", who did it: nobody accepts their own work" } else { "" };
                let detail = format!(
                    "{} by {}{eyes} on {}: {}",
                    v.decision.words(),
                    v.by.name,
                    format_time(v.decided),
                    v.reason
                );
                (DocumentType::Validation, speaks_for, detail)
            }
            Document::Revocation(r) if r.document.id == id => {
                let detail = format!("revoked by {} on {}: {}", r.by.name, format_time(r.revoked), r.reason);
                (DocumentType::Revocation, false, detail)
            }
            Document::MediaVerification(v) if v.certificate.id == id => {
                if v.result == VerificationResult::Incomplete {
                    return None;
                }
                let fits = match &of.document {
                    Some(Document::Run(run)) => v.against(run, &of.signers),
                    _ => Err("it is about no certificate".to_owned()),
                };
                // Unless it is established who undid it, it holds.
                let speaks_for = fits.is_ok() && v.result == VerificationResult::Matched;
                if self.revoked(other, speaks_for, of) == Undone::Yes {
                    return None;
                }
                let independent = independence(other, v, of);
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
                undone = self.settled(other, &document);
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

    /// The documents that speak of that one.
    fn naming(&self, id: &str) -> impl Iterator<Item = &Verified> {
        self.naming.get(id).into_iter().flatten().filter_map(|at| self.documents.get(*at))
    }

    /// Whether a judgement of the document `of` is revoked. `Unknown`: only by documents of which it is not established
    /// who signed them. A revocation itself is final, and nobody asks this of one.
    fn revoked(&self, judgement: &Verified, speaks_for: bool, of: &Verified) -> Undone {
        let mut found = Undone::No;
        for by in self.naming(judgement.id.as_deref().unwrap_or_default()) {
            match (&by.document, by.verdict == Verdict::Valid) {
                (Some(Document::Revocation(_)), _) if !may_lift(by, speaks_for, of) => {}
                (Some(Document::Revocation(_)), true) => return Undone::Yes,
                (Some(Document::Revocation(_)), false) => found = Undone::Unknown,
                _ => {}
            }
        }
        found
    }

    /// Whether a validation of the document `of` is revoked, or a valid one of the same document takes its place. One
    /// that is revoked takes nobody's place, so that a rejection comes back when the acceptance after it is revoked.
    fn lifted(&self, validation: &Verified, speaks_for: bool, of: &Verified) -> Undone {
        if self.revoked(validation, speaks_for, of) == Undone::Yes {
            return Undone::Yes;
        }
        let mut found = Undone::No;
        let replacing = validation.id.as_ref().and_then(|id| self.replacing.get(id)).into_iter().flatten();
        for by in replacing.filter_map(|at| self.documents.get(*at)) {
            let Some(Document::Validation(v)) = &by.document else { continue };
            if of.id.as_deref() != Some(v.document.id.as_str()) || !may_lift(by, speaks_for, of) {
                continue;
            }
            match self.revoked(by, v.decision == Decision::Accepted, of) {
                Undone::No => return Undone::Yes,
                Undone::Unknown => found = Undone::Unknown,
                Undone::Yes => {}
            }
        }
        found
    }

    /// A discrepancy that a validator has accepted.
    fn settled(&self, discrepancy: &Verified, id: &str) -> Undone {
        let (mut accepted, mut firmly, mut against) = (false, false, false);
        for verified in self.naming(id) {
            let Some(Document::Validation(d)) = &verified.document else { continue };
            let speaks_for = d.decision == Decision::Accepted;
            let undone = self.lifted(verified, speaks_for, discrepancy);
            if undone == Undone::Yes {
                continue;
            }
            match (verified.verdict == Verdict::Valid, d.decision) {
                (true, Decision::Accepted) => {
                    accepted = true;
                    let revoked = self.revoked(verified, speaks_for, discrepancy);
                    firmly |= undone == Undone::No && revoked == Undone::No;
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

/// Four eyes: who did something and signed for it does not also accept it.
fn accepts_own(by: &Verified, validation: &Validation, of: &Verified) -> bool {
    let did_it = |signer: &Signer| of.was_done_by(&signer.kid, signer.name.as_deref());
    validation.decision == Decision::Accepted && by.persons.iter().any(did_it)
}

/// Whether a document can take the place of a revoked one: a list that of a list of its sort, a hand-over that of a
/// hand-over, of which one medium at least is the same; what proves something of a medium that of what did so of it.
pub fn may_replace(instead: &Verified, revoked: &Verified) -> bool {
    let of_one = |kind| {
        use DocumentType as T;
        matches!(kind, Some(T::Certificate | T::FailureReport | T::Destruction))
    };
    let same = |a: &MediumName, b: &MediumName| a.same_medium_of_any_size(b);
    let (Some(new), Some(old)) = (&instead.document, &revoked.document) else { return false };
    match (new, old) {
        _ if of_one(instead.kind) && of_one(revoked.kind) => {
            matches!((new.medium(), old.medium()), (Some(new), Some(old)) if same(&new, &old))
        }
        _ if instead.kind != revoked.kind => false,
        (Document::Gathering(new), Document::Gathering(old)) => {
            new.media.iter().any(|new| old.media.iter().any(|old| same(&new.medium, &old.medium)))
        }
        (Document::Transfer(new), Document::Transfer(old)) => {
            new.media.iter().any(|new| old.media.iter().any(|old| same(&new.medium, &old.medium)))
        }
        // A judgement that of a judgement.
        _ => true,
    }
}

/// Four eyes are two persons: by key, and by the names of the trust store and of the documents. Stations have names as
/// well, and two may share one.
fn independence(by: &Verified, reading: &MediaVerification, of: &Verified) -> &'static str {
    fn people(verified: &Verified) -> impl Iterator<Item = &String> {
        let people = verified.persons.iter().filter(|signer| signer.role != Some(Role::Station));
        people.filter_map(|signer| signer.name.as_ref())
    }
    let operator = match &of.document {
        Some(Document::Run(run)) => run.facts.operator.as_ref(),
        _ => None,
    };
    let reader = reading.by.as_ref();
    let theirs: Vec<&String> = people(of).chain(operator.map(|operator| &operator.name)).collect();
    let mut names = people(by).chain(reader.map(|reader| &reader.name));
    let own = !reading.shares_no_key_with(&of.signers)
        || operator.and_then(|operator| operator.kid.as_ref()).is_some_and(|kid| reader.is_some_and(|r| r.kid == *kid))
        || names.any(|name| theirs.iter().any(|other| same_name(name, other)));
    let nobody = operator.is_none() && !of.persons.iter().any(|signer| signer.role == Some(Role::Operator));
    match (own, nobody || reader.is_none()) {
        (true, _) => "NOT independent",
        // Who did it, or who read, is not told.
        (false, true) => "no key in common",
        (false, false) => "independent",
    }
}

/// Four eyes: who signed a document, or did what it tells of, lifts nothing that speaks against it. By key, by the
/// names of the trust store, and by those that the documents give.
fn may_lift(by: &Verified, speaks_for: bool, of: &Verified) -> bool {
    let name = match &by.document {
        Some(Document::Validation(v)) => Some(&v.by.name),
        Some(Document::Revocation(r)) => Some(&r.by.name),
        _ => None,
    };
    let operator = match &of.document {
        Some(Document::Run(run)) => run.facts.operator.as_ref().map(|operator| &operator.name),
        Some(Document::Destruction(d)) => Some(&d.operator.name),
        _ => None,
    };
    let theirs: Vec<&String> = of.persons.iter().filter_map(|signer| signer.name.as_ref()).chain(operator).collect();
    let mut names = by.persons.iter().filter_map(|signer| signer.name.as_ref()).chain(name);
    let own = by.signers.iter().any(|kid| of.signers.contains(kid))
        || names.any(|name| theirs.iter().any(|other| same_name(name, other)));
    speaks_for || !own
}
