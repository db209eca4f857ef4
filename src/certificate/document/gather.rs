//! How each medium stands by all documents at hand.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::gathering::{GatheredMedium, Standing};
use super::part::{DocumentRef, MediumName};
use super::relation::{Related, Relation};
use super::verified::Verified;
use super::{Document, DocumentType};
use crate::certificate::verify::Verdict;
use crate::policy::VerificationLevel;
use crate::sanitize::record::Proven;

/// What makes a list: which documents are proof, and how sure they must be.
#[derive(Clone, Copy)]
struct Rule<'a> {
    /// By their ids: the others speak for and against these, and are no proof.
    counts: &'a dyn Fn(&str) -> bool,
    /// What somebody speaks against who is not established is no proof either.
    firm: bool,
}

/// Every medium that the documents or the list of expected ones name, each once: the expected ones
/// first, in their order. By the documents alone whose id `counts`: the others speak for and against them, and are no
/// proof, and a medium of which only they speak is left out. Only valid documents are proof, and one that another
/// speaks against is none, nor one of which it is not established whether another does.
pub fn gather(related: &Related, expected: &[MediumName], counts: &dyn Fn(&str) -> bool) -> Vec<GatheredMedium> {
    all_media(related, expected)
        .into_iter()
        .filter_map(|found| told(related, found, Rule { counts, firm: true }))
        .collect()
}

/// The same of no expected ones, for who judges apart whether it is established who speaks.
pub fn gather_from(related: &Related, counts: &dyn Fn(&str) -> bool) -> Vec<GatheredMedium> {
    all_media(related, &[]).into_iter().filter_map(|found| told(related, found, Rule { counts, firm: false })).collect()
}

/// The same of the expected ones alone, by all documents. Fewer than were expected: several of them are one medium.
pub fn gather_listed(related: &Related, expected: &[MediumName]) -> Vec<GatheredMedium> {
    let listed = all_media(related, expected).into_iter().filter(|found| found.expected);
    listed.filter_map(|found| told(related, found, Rule { counts: &|_| true, firm: false })).collect()
}

fn all_media<'a>(related: &'a Related, expected: &[MediumName]) -> Vec<Gathered<'a>> {
    let mut media = Media::default();
    expected.iter().map(Gathered::expected).for_each(|medium| media.add(medium));
    for verified in related.documents().iter().filter(|v| v.verdict == Verdict::Valid) {
        let Some(Document::Run(_) | Document::Destruction(_)) = &verified.document else { continue };
        let Some(name) = verified.document.as_ref().and_then(Document::medium) else { continue };
        let found =
            Gathered { names: names(&name, verified), medium: name, documents: vec![verified], expected: false };
        match media.first_that_is(&found) {
            None => media.add(found),
            Some(at) => media.join(at, found),
        }
    }
    media.found.into_iter().flatten().collect()
}

fn told(related: &Related, found: Gathered<'_>, rule: Rule<'_>) -> Option<GatheredMedium> {
    let counts = |verified: &Verified| verified.id.as_deref().is_some_and(rule.counts);
    (found.expected || found.documents.iter().any(|verified| counts(verified))).then(|| stand(related, found, rule))
}

/// Media in the order in which they were found, and where those are that have a name in common.
#[derive(Default)]
struct Media<'a> {
    /// `None`: it has joined another one.
    found: Vec<Option<Gathered<'a>>>,
    named: HashMap<String, BTreeSet<usize>>,
}

impl<'a> Media<'a> {
    fn add(&mut self, medium: Gathered<'a>) {
        let at = self.found.len();
        self.note(&medium, at);
        self.found.push(Some(medium));
    }

    fn note(&mut self, medium: &Gathered<'_>, at: usize) {
        for name in medium.distinctive() {
            self.named.entry(name).or_default().insert(at);
        }
    }

    /// Places of those with a name in common, in order.
    fn alike(&self, medium: &Gathered<'_>) -> BTreeSet<usize> {
        medium.distinctive().iter().filter_map(|name| self.named.get(name)).flatten().copied().collect()
    }

    fn is_at(&self, at: usize, medium: &Gathered<'_>) -> bool {
        self.found.get(at).is_some_and(|found| found.as_ref().is_some_and(|known| known.is(medium)))
    }

    fn first_that_is(&self, medium: &Gathered<'_>) -> Option<usize> {
        self.alike(medium).into_iter().find(|at| self.is_at(*at, medium))
    }

    fn take_out(&mut self, at: usize) -> Option<Gathered<'a>> {
        self.found.get_mut(at).and_then(Option::take)
    }

    fn join(&mut self, at: usize, found: Gathered<'a>) {
        let Some(mut medium) = self.take_out(at) else { return };
        medium.take(found);
        // One that gave hidden areas back joins what its two sizes had kept apart.
        let same: Vec<usize> = self.alike(&medium).into_iter().filter(|other| self.is_at(*other, &medium)).collect();
        for again in same {
            if let Some(again) = self.take_out(again) {
                medium.take(again);
            }
        }
        self.note(&medium, at);
        if let Some(place) = self.found.get_mut(at) {
            *place = Some(medium);
        }
    }
}

/// A medium, every name that its documents have for it, and they themselves.
struct Gathered<'a> {
    medium: MediumName,
    /// The same medium at each size that it had.
    names: Vec<MediumName>,
    documents: Vec<&'a Verified>,
    /// It stands in the list of those that there should be.
    expected: bool,
}

impl<'a> Gathered<'a> {
    fn expected(medium: &MediumName) -> Gathered<'a> {
        Gathered { medium: medium.clone(), names: vec![medium.clone()], documents: Vec::new(), expected: true }
    }

    /// Whether both are one medium: at one of its sizes, and with nothing against it at any.
    fn is(&self, other: &Gathered<'_>) -> bool {
        let same = self.names.iter().any(|mine| other.names.iter().any(|theirs| mine.same_medium(theirs)));
        let against = self.medium.contradictions(&other.medium);
        same && against.iter().all(|fact| *fact == "size")
    }

    /// What two media that are one have one of in common.
    fn distinctive(&self) -> Vec<String> {
        let facts = |name: &MediumName| {
            let facts = [("serial", &name.serial), ("wwn", &name.wwn), ("digest", &name.digest)];
            facts.map(|(fact, text)| (fact, text.as_deref().map_or("", str::trim).to_ascii_lowercase()))
        };
        let all = self.names.iter().flat_map(facts).filter(|(_, text)| !text.is_empty());
        all.map(|(fact, text)| format!("{fact} {text}")).collect()
    }

    fn take(&mut self, other: Gathered<'a>) {
        self.medium.learn(&other.medium);
        self.names.extend(other.names);
        self.documents.extend(other.documents);
        self.expected |= other.expected;
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

/// What ends that documents before it are proof of the medium.
struct End {
    /// The run that failed, or that somebody speaks against.
    run: String,
    /// Who speaks against it; `None`: it failed.
    by: Option<String>,
    /// When the medium was last seen to be there: the run, or the reading, began.
    there: DateTime<Utc>,
    at: DateTime<Utc>,
}

/// A failure ends what certificates before it say, also where the run saw the medium by another vendor's name or unit,
/// and so with another digest. So does what somebody speaks against: the medium was used again before that run, and a
/// reading that found something else tells of every run before it.
fn ends(related: &Related, verified: &Verified, rule: Rule<'_>) -> Vec<End> {
    let (Some(Document::Run(run)), Some(id)) = (&verified.document, &verified.id) else { return Vec::new() };
    let facts = &run.facts;
    if verified.kind == Some(DocumentType::FailureReport) {
        return vec![End { run: id.clone(), by: None, there: facts.started, at: facts.ended }];
    }
    let against = |said: &Relation| match said.speaks_for {
        // What took its place speaks for itself.
        Some(speaks_for) => !speaks_for && !related.is_replaced(&said.document, verified, rule.counts),
        None => rule.firm,
    };
    let when = |said: &Relation| match related.find(&said.document).and_then(|other| other.document.as_ref()) {
        Some(Document::MediaVerification(read)) if read.differs_from(run, &verified.signers) => {
            (read.started.max(facts.started), read.ended.max(facts.ended))
        }
        _ => (facts.started, facts.ended),
    };
    let end = |said: Relation| {
        let (there, at) = when(&said);
        End { run: id.clone(), by: Some(said.document), there, at }
    };
    related.about(verified).into_iter().filter(against).map(end).collect()
}

/// Of several documents the best counts, and of equal ones the latest.
fn stand(related: &Related, found: Gathered<'_>, rule: Rule<'_>) -> GatheredMedium {
    let (medium, documents) = (found.medium, found.documents);
    let ends: Vec<End> = documents.iter().flat_map(|verified| ends(related, verified, rule)).collect();
    let holds = |verified: &Verified| {
        let Some(id) = verified.id.as_deref() else { return false };
        let is_opposed = || ends.iter().any(|end| end.run == id);
        match &verified.document {
            // A failure is no proof, whoever brings it.
            Some(Document::Run(_)) if verified.kind == Some(DocumentType::FailureReport) => true,
            // What somebody speaks against stands as that.
            Some(Document::Run(run)) => {
                let ended = |end: &End| run.facts.ended <= end.at && (end.by.is_none() || !is_opposed());
                !ends.iter().any(ended) && (rule.counts)(id)
            }
            // A medium on which a run begins and fails afterwards was not destroyed. What it was destroyed for came
            // before, by whatever clock, and so did all before that.
            Some(Document::Destruction(record)) => {
                let because = record.because.as_ref().map(|reference| reference.id.as_str());
                let of = |end: &&End| because.is_some_and(|id| end.run == id || end.by.as_deref() == Some(id));
                let before = ends.iter().filter(of).map(|end| end.at).max();
                let is_later = |end: &End| record.destroyed < end.there && before.is_none_or(|at| at < end.at);
                !ends.iter().any(is_later) && (rule.counts)(id)
            }
            _ => (rule.counts)(id),
        }
    };
    let holding = documents.into_iter().filter(|verified| holds(verified));
    let entries = holding.filter_map(|verified| entry(related, &medium, verified, rule.firm));
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

fn entry(related: &Related, medium: &MediumName, verified: &Verified, firm: bool) -> Option<GatheredMedium> {
    let document = DocumentRef { id: verified.id.clone()?, kind: verified.kind? };
    let said = related.about(verified);
    let against = said.iter().find(|r| r.speaks_for == Some(false));
    if firm && against.is_none() && said.iter().any(|r| r.speaks_for.is_none()) {
        return None;
    }
    let of = |standing, attained, verification, ended, against: Option<&Relation>| GatheredMedium {
        medium: sized(medium, verified),
        standing,
        document: Some(document.clone()),
        attained,
        verification,
        ended: Some(ended),
        against: against.map(|r| DocumentRef { id: r.document.clone(), kind: r.kind }),
    };
    let opposed = against.map(|r| match r.kind {
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
            // A part of a medium is no medium, and what precedes destruction releases none.
            if facts.medium.partition.is_some() || facts.precedes_destruction() {
                return None;
            }
            let standing = opposed.unwrap_or(Standing::Sanitized);
            Some(of(standing, facts.attained, level, facts.ended, against))
        }
        Document::Destruction(d) => {
            Some(of(opposed.unwrap_or(Standing::Destroyed), Some(d.attained), None, d.destroyed, against))
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
