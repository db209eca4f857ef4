//! What a verified document says about another one: accepted, rejected, revoked, read again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::act::MediumIdentity;
use super::error::Refusal;
use super::evidence::{Destroyed, Evidence, EvidenceKind, EvidenceRefused};
use super::medium::{Held, Medium};
use crate::certificate::Verdict;
use crate::certificate::document::{
    Confidentiality, Decision, Destruction, Document, DocumentType, MediumName, VerificationResult, Verified,
    verify_any,
};
use crate::media::MediumClass;
use crate::policy::{Category, Method, VerificationLevel};
use crate::signed::{Outcome, TrustStore, same_name};

/// A document about a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// SHA-256 of its payload.
    pub document: String,
    /// The document that is judged.
    pub about: String,
    /// What it says.
    pub says: Saying,
    /// Why, in its own words.
    pub reason: String,
    /// An earlier judgement that this one takes the place of.
    pub replaces: Option<String>,
    /// Who says so, for a person.
    pub by: String,
    /// When, by their clock.
    pub at: DateTime<Utc>,
    /// The keys that signed.
    pub signers: Vec<String>,
    /// What names the medium; `None`: the document does not tell.
    pub identity: Option<MediumIdentity>,
}

/// What is said of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Saying {
    /// A validator accepts it.
    Accepted,
    /// A validator rejects it.
    Rejected,
    /// A validator revokes it.
    Revoked,
    /// The medium was read again and is what it says.
    ReadAgain,
    /// The medium was read again and is not what it says.
    Contradicted,
}

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // looked at one by one
pub enum Arrived {
    /// A document about a medium.
    Evidence(Evidence),
    /// A document about a document.
    Judgement(Judgement),
}

impl Saying {
    /// For a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Saying::Accepted => "accepted",
            Saying::Rejected => "rejected",
            Saying::Revoked => "revoked",
            Saying::ReadAgain => "read again",
            Saying::Contradicted => "contradicted by a second reading",
        }
    }

    fn is_against(self) -> bool {
        matches!(self, Saying::Rejected | Saying::Revoked | Saying::Contradicted)
    }
}

impl Judgement {
    /// Whether it is by somebody who signed the evidence or did what that tells of.
    fn is_own(&self, evidence: &Evidence) -> bool {
        self.signers.iter().any(|kid| evidence.signers.contains(kid))
            || evidence.operator.as_deref().is_some_and(|name| same_name(name, &self.by))
    }
}

impl Arrived {
    /// Whether a document says what an event has of it. An event of an earlier version has nothing of the clock,
    /// and less of a destruction.
    pub(super) fn agrees_with(&self, event: &Arrived) -> bool {
        let mut found = self.clone();
        if let (Arrived::Evidence(found), Arrived::Evidence(told)) = (&mut found, event) {
            found.destroyed = found.destroyed.take().filter(|_| told.destroyed.is_some());
            found.clock = found.clock.take().filter(|_| told.clock.is_some());
        }
        found == *event
    }
}

/// Verifies any document with the register's trust store and reads what it says. Only one whose
/// verdict is `valid` comes through: unknown is never success.
pub fn examine_any(bytes: &[u8], file_name: Option<&str>, trust: &TrustStore) -> Result<Arrived, EvidenceRefused> {
    let verified = verify_any(bytes, file_name, Some(trust));
    match (verified.kind, &verified.document) {
        (None, _) => Err(EvidenceRefused::Unreadable(told(&verified, Outcome::Failed))),
        (Some(DocumentType::Certificate | DocumentType::FailureReport), _) => {
            super::evidence::examine(bytes, file_name, trust).map(Arrived::Evidence)
        }
        (Some(_), _) if verified.verdict == Verdict::Invalid => {
            Err(EvidenceRefused::Invalid(told(&verified, Outcome::Failed)))
        }
        (Some(_), _) if verified.verdict != Verdict::Valid => {
            Err(EvidenceRefused::SignerUnknown(told(&verified, Outcome::Unknown)))
        }
        (Some(_), Some(Document::Destruction(d))) => Ok(Arrived::Evidence(destroyed(&verified, d))),
        (Some(kind), Some(document)) => match judgement(&verified, document) {
            Some(judgement) => Ok(Arrived::Judgement(judgement)),
            None => Err(EvidenceRefused::Unreadable(format!(
                "a {kind} proves nothing about a medium by itself; bring in the documents that it names"
            ))),
        },
        (Some(_), None) => Err(EvidenceRefused::Unreadable("its content could not be read".to_owned())),
    }
}

fn told(verified: &Verified, outcome: Outcome) -> String {
    let checks = verified.checks.iter().filter(|c| c.outcome == outcome);
    checks.map(|c| format!("{}: {}", c.name, c.detail)).collect::<Vec<_>>().join("; ")
}

fn destroyed(verified: &Verified, d: &Destruction) -> Evidence {
    Evidence {
        document: verified.id.clone().unwrap_or_default(),
        kind: EvidenceKind::Destruction,
        requested: d.attained,
        attained: Some(d.attained),
        verification: Some(VerificationLevel::None),
        technique: d.technique.words().to_owned(),
        class: MediumClass::Physical,
        partial: false,
        identity: named(&d.medium),
        ended: d.destroyed,
        clock: None,
        signers: verified.signers.clone(),
        station: d.place.clone(),
        operator: Some(d.operator.name.clone()),
        run_id: String::new(),
        asset_tag: d.medium.asset_tag.clone(),
        before_destruction: false,
        destroyed: Some(Destroyed { category: d.category.map(category), standard: d.standard.clone() }),
    }
}

fn category(impact: Confidentiality) -> Category {
    match impact {
        Confidentiality::Low => Category::Low,
        Confidentiality::Moderate => Category::Moderate,
        Confidentiality::High => Category::High,
    }
}

fn judgement(verified: &Verified, document: &Document) -> Option<Judgement> {
    let of = |about: &str, says, reason: String, by: &str, at, medium: Option<&MediumName>| Judgement {
        document: verified.id.clone().unwrap_or_default(),
        about: about.to_owned(),
        says,
        reason,
        replaces: None,
        by: by.to_owned(),
        at,
        signers: verified.signers.clone(),
        identity: medium.map(named),
    };
    Some(match document {
        Document::Validation(d) => {
            let says = match d.decision {
                Decision::Accepted => Saying::Accepted,
                Decision::Rejected => Saying::Rejected,
            };
            let judgement = of(&d.document.id, says, d.reason.clone(), &d.by.name, d.decided, d.medium.as_ref());
            Judgement { replaces: d.replaces.clone(), ..judgement }
        }
        Document::Revocation(d) => {
            of(&d.document.id, Saying::Revoked, d.reason.clone(), &d.by.name, d.revoked, d.medium.as_ref())
        }
        Document::MediaVerification(d) => {
            let says = match d.result {
                VerificationResult::Matched => Saying::ReadAgain,
                VerificationResult::Mismatched => Saying::Contradicted,
                VerificationResult::Incomplete => return None,
            };
            let medium = MediumName::of(&d.medium.identity, None);
            let by = d.by.as_ref().map_or(d.station.as_str(), |by| by.name.as_str());
            of(&d.certificate.id, says, d.result.words().to_owned(), by, d.ended, Some(&medium))
        }
        _ => return None,
    })
}

/// The document that this one judges, where it judges one.
pub(super) fn judged_by(document: &Document) -> Option<&str> {
    match document {
        Document::Validation(d) => Some(&d.document.id),
        Document::Revocation(d) => Some(&d.document.id),
        Document::MediaVerification(d) => Some(&d.certificate.id),
        _ => None,
    }
}

pub(super) fn named(name: &MediumName) -> MediumIdentity {
    MediumIdentity {
        serial: name.serial.clone(),
        model: name.model.clone(),
        wwn: name.wwn.clone(),
        size: name.size,
        size_before: None,
        digest: name.digest.clone(),
    }
}

impl Medium {
    /// Whether a judgement may be taken in.
    pub(super) fn check_judgement(&self, judgement: &Judgement) -> Result<(), Refusal> {
        if self.judgements.iter().any(|j| j.document == judgement.document) {
            return Err(Refusal::rule(format!("document {} is held already", judgement.document)));
        }
        match self.knows(&judgement.about) {
            true => Ok(()),
            false => Err(Refusal::rule(format!(
                "document {} judges {}, which is not held about this medium",
                judgement.document, judgement.about
            ))),
        }
    }

    /// Whether a document or judgement is held about it.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.held(id).is_some() || self.judgements.iter().any(|j| j.document == id)
    }

    /// Why a document does not count, by what others say of it.
    pub(super) fn spoken_against(&self, held: &Held) -> Option<String> {
        let found = self.in_force(&held.evidence).find(|j| j.says.is_against())?;
        Some(format!("{} by {} ({})", found.says.name(), found.by, found.reason))
    }

    /// Whether somebody other than who wiped has accepted a document.
    pub(super) fn is_validated(&self, evidence: &Evidence) -> Result<(), String> {
        let mut own = false;
        for judgement in self.in_force(evidence).filter(|j| j.says == Saying::Accepted) {
            if !judgement.is_own(evidence) {
                return Ok(());
            }
            own = true;
        }
        Err(match own {
            true => "it was accepted by the one who wiped it; a validation by somebody else is needed".to_owned(),
            false => "a validation that accepts it is needed".to_owned(),
        })
    }

    /// What is said of a document, without what is revoked, and without validations whose place another one of the
    /// same document takes. A revocation is final, whatever it is said to be, and what is revoked takes nobody's
    /// place. Four eyes: by those whose own work it is, nothing is lifted that speaks against it.
    fn in_force<'a>(&'a self, evidence: &'a Evidence) -> impl Iterator<Item = &'a Judgement> {
        let may_lift = move |by: &Judgement, of: &Judgement| !of.says.is_against() || !by.is_own(evidence);
        let revoked = move |of: &Judgement| {
            let by = |j: &Judgement| j.says == Saying::Revoked && j.about == of.document && may_lift(j, of);
            of.says != Saying::Revoked && self.judgements.iter().any(by)
        };
        let replaced = move |of: &Judgement| {
            let names = |j: &Judgement| j.replaces.as_ref() == Some(&of.document) && j.about == of.about;
            let by = |j: &Judgement| names(j) && may_lift(j, of) && !revoked(j);
            matches!(of.says, Saying::Accepted | Saying::Rejected) && self.judgements.iter().any(by)
        };
        let counts = move |j: &&Judgement| j.about == evidence.document && !revoked(j) && !replaced(j);
        self.judgements.iter().filter(counts)
    }

    /// A record says that the medium is destroyed: nothing is left to read back.
    pub(super) fn is_destroyed_by(evidence: &Evidence) -> bool {
        evidence.kind == EvidenceKind::Destruction && evidence.attained == Some(Method::Destroy)
    }

    /// Whether a record of destruction is good enough for data of this category.
    pub(super) fn is_destroyed_enough(evidence: &Evidence, category: Category) -> Result<(), String> {
        if evidence.kind != EvidenceKind::Destruction {
            return Ok(());
        }
        let (needed, destroyed) = (category.name(), evidence.destroyed.as_ref());
        if let Some(told) = destroyed.and_then(|d| d.category).filter(|told| *told < category) {
            return Err(format!("it tells of data of the category {}, and these are of {needed}", told.name()));
        }
        let standard = destroyed.is_some_and(|d| d.standard.is_some());
        match evidence.technique == "shred" && !standard && category > Category::Low {
            true => Err(format!("shredding by no approved standard is not enough for data of the category {needed}")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::Act;

    fn id(letter: char) -> String {
        letter.to_string().repeat(64)
    }

    /// As an event of an earlier version has it.
    fn evidence(letter: char) -> Evidence {
        let identity = MediumIdentity { serial: Some("S1".into()), ..MediumIdentity::default() };
        let evidence = serde_json::json!({
            "document": id(letter), "kind": "certificate", "requested": "clear", "attained": "clear",
            "verification": "full", "technique": "overwrite", "class": "physical", "partial": false,
            "identity": identity, "ended": "2026-01-01T05:00:00Z", "signers": ["station"], "station": "s",
            "operator": "Otto Ort", "run_id": "r", "asset_tag": null,
        });
        serde_json::from_value(evidence).unwrap()
    }

    fn said(letter: char, about: char, says: Saying, replaces: Option<char>) -> Judgement {
        Judgement {
            document: id(letter),
            about: id(about),
            says,
            reason: "because".into(),
            replaces: replaces.map(id),
            by: "Vera Vogt".into(),
            at: "2026-01-01T06:00:00Z".parse().unwrap(),
            signers: vec!["vera".into()],
            identity: None,
        }
    }

    /// Whether anything speaks against document C, and whether it is validated, in whatever order it was said.
    fn stands(said: &[Judgement]) -> (bool, bool) {
        let stands = |said: &mut dyn Iterator<Item = &Judgement>| {
            let identity = evidence('c').identity;
            let mut medium = Medium::begin(&Act::MediumAdded { identity, class: MediumClass::Physical }).unwrap();
            for letter in ['c', 'd'] {
                medium.apply(&Act::EvidenceAccepted { evidence: evidence(letter) }, evidence(letter).ended);
            }
            medium.judgements = said.cloned().collect();
            let held = medium.held(&id('c')).unwrap();
            (medium.spoken_against(held).is_none(), medium.is_validated(&held.evidence).is_ok())
        };
        let found = stands(&mut said.iter());
        assert_eq!(found, stands(&mut said.iter().rev()), "{said:?}");
        found
    }

    #[test]
    fn a_revocation_is_final_and_a_validation_takes_the_place_of_one_of_the_same_document() {
        use Saying::{Accepted, Contradicted, Rejected, Revoked};
        let rejected = said('1', 'c', Rejected, None);
        let lifted = said('2', 'c', Accepted, Some('1'));
        let revoked = said('3', 'c', Revoked, None);
        for (judgements, counts, validated) in [
            (vec![rejected.clone()], false, false),
            (vec![rejected.clone(), lifted.clone()], true, true),
            (vec![rejected.clone(), lifted.clone(), said('4', '2', Revoked, None)], false, false),
            (vec![revoked.clone()], false, false),
            // No validation takes the place of a revocation, and none revokes it, whatever that calls it.
            (vec![revoked.clone(), said('4', 'c', Accepted, Some('3'))], false, true),
            (vec![revoked.clone(), said('4', '3', Revoked, None)], false, false),
            (
                vec![rejected.clone(), lifted.clone(), said('4', '2', Revoked, None), said('5', '4', Revoked, None)],
                false,
                false,
            ),
            // What is accepted is another document.
            (vec![rejected.clone(), said('4', 'd', Accepted, Some('1'))], false, false),
            // A second reading is lifted by its revocation alone.
            (vec![said('1', 'c', Contradicted, None), lifted.clone()], false, true),
            (vec![said('1', 'c', Contradicted, None), said('4', '1', Revoked, None)], true, false),
        ] {
            assert_eq!(stands(&judgements), (counts, validated), "{judgements:?}");
        }
    }

    #[test]
    fn shredding_of_which_no_standard_is_known_is_for_low_data_alone() {
        let record = |technique: &str, destroyed: Option<Destroyed>| Evidence {
            kind: EvidenceKind::Destruction,
            technique: technique.into(),
            destroyed,
            ..evidence('c')
        };
        let told =
            |category, standard: Option<&str>| Some(Destroyed { category, standard: standard.map(str::to_owned) });
        for (record, highest) in [
            // As an event of an earlier version has it.
            (record("shred", None), Category::Low),
            (record("shred", told(None, None)), Category::Low),
            (record("shred", told(Some(Category::Low), None)), Category::Low),
            (record("shred", told(None, Some("ours"))), Category::High),
            (record("shred", told(Some(Category::Moderate), Some("ours"))), Category::Moderate),
            (record("melt", None), Category::High),
            (record("melt", told(Some(Category::Low), None)), Category::Low),
            (evidence('c'), Category::High),
        ] {
            for category in Category::ALL {
                let enough = Medium::is_destroyed_enough(&record, category).is_ok();
                assert_eq!(enough, category <= highest, "{record:?} {category:?}");
            }
        }
    }

    #[test]
    fn nobody_lifts_what_speaks_against_their_own_work() {
        use Saying::{Accepted, Contradicted, Rejected, Revoked};
        let with_key = |j: Judgement| Judgement { signers: vec!["other".into(), "station".into()], ..j };
        let by_name = |j: Judgement| Judgement { by: "OTTO ORT".into(), ..j };
        let rejected = said('1', 'c', Rejected, None);
        for own in [&with_key as &dyn Fn(Judgement) -> Judgement, &by_name] {
            let accepted = own(said('2', 'c', Accepted, Some('1')));
            assert_eq!(stands(&[rejected.clone(), accepted.clone()]), (false, false));
            assert_eq!(stands(&[rejected.clone(), own(said('2', '1', Revoked, None))]), (false, false));
            let contradicted = said('1', 'c', Contradicted, None);
            assert_eq!(stands(&[contradicted, own(said('2', '1', Revoked, None))]), (false, false));
            // Against their own work they may speak, and take back that it was accepted.
            assert_eq!(stands(&[own(rejected.clone())]), (false, false));
            let lifted = said('2', 'c', Accepted, Some('1'));
            assert_eq!(stands(&[rejected.clone(), lifted, own(said('3', '2', Revoked, None))]), (false, false));
            // Somebody else lifts it all the same.
            let lifted = said('3', 'c', Accepted, Some('1'));
            assert_eq!(stands(&[rejected.clone(), accepted, lifted]), (true, true));
        }
    }
}
