//! What a verified document says about another one: accepted, rejected, revoked, read again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::act::MediumIdentity;
use super::error::Refusal;
use super::evidence::{Evidence, EvidenceKind, EvidenceRefused};
use super::medium::{Held, Medium};
use crate::certificate::Verdict;
use crate::certificate::document::{
    Decision, Destruction, Document, DocumentType, MediumName, VerificationResult, Verified, verify_any,
};
use crate::media::MediumClass;
use crate::policy::{Method, VerificationLevel};
use crate::signed::{Outcome, TrustStore};

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
        signers: verified.signers.clone(),
        station: d.place.clone(),
        operator: Some(d.operator.name.clone()),
        run_id: String::new(),
        asset_tag: d.medium.asset_tag.clone(),
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

fn named(name: &MediumName) -> MediumIdentity {
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
        let about = |id: &str| self.held(id).is_some() || self.judgements.iter().any(|j| j.document == id);
        match about(&judgement.about) {
            true => Ok(()),
            false => Err(Refusal::rule(format!(
                "document {} judges {}, which is not held about this medium",
                judgement.document, judgement.about
            ))),
        }
    }

    /// Why a document does not count, by what others say of it.
    pub(super) fn spoken_against(&self, held: &Held) -> Option<String> {
        let against = |j: &&Judgement| matches!(j.says, Saying::Rejected | Saying::Revoked | Saying::Contradicted);
        let found = self.in_force(&held.evidence.document).find(against)?;
        Some(format!("{} by {} ({})", found.says.name(), found.by, found.reason))
    }

    /// Whether somebody other than who wiped has accepted a document.
    pub(super) fn is_validated(&self, evidence: &Evidence) -> Result<(), String> {
        let mut own = false;
        for judgement in self.in_force(&evidence.document).filter(|j| j.says == Saying::Accepted) {
            let four_eyes = !judgement.signers.iter().any(|kid| evidence.signers.contains(kid))
                && evidence.operator.as_deref().is_none_or(|name| !name.eq_ignore_ascii_case(&judgement.by));
            if four_eyes {
                return Ok(());
            }
            own = true;
        }
        Err(match own {
            true => "it was accepted by the one who wiped it; a validation by somebody else is needed".to_owned(),
            false => "a validation that accepts it is needed".to_owned(),
        })
    }

    /// What is said of a document, without what is revoked or replaced. A judgement that is revoked
    /// takes nobody's place.
    fn in_force<'a>(&'a self, about: &'a str) -> impl Iterator<Item = &'a Judgement> {
        let revoked = |id: &str| self.judgements.iter().any(|j| j.says == Saying::Revoked && j.about == id);
        let replaced =
            move |id: &str| self.judgements.iter().any(|j| j.replaces.as_deref() == Some(id) && !revoked(&j.document));
        let counts = move |j: &&Judgement| j.about == about && !revoked(&j.document) && !replaced(&j.document);
        self.judgements.iter().filter(counts)
    }

    /// A record says that the medium is destroyed: nothing is left to read back.
    pub(super) fn is_destroyed_by(evidence: &Evidence) -> bool {
        evidence.kind == EvidenceKind::Destruction && evidence.attained == Some(Method::Destroy)
    }
}
