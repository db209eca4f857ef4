//! What a verified document says, as the register keeps it, and how it is read at the border.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::act::MediumIdentity;
use crate::certificate::{self, DocumentKind, Verdict};
use crate::media::{Identity, MediumClass};
use crate::policy::{Category, Method, VerificationLevel};
use crate::sanitize::record::{ClockQuality, Proven, RunFacts};
use crate::signed::{Jws, TrustStore};
use crate::units::Bytes;

/// What a document about a medium says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// SHA-256 of its payload.
    pub document: String,
    /// Certificate or failure report.
    pub kind: EvidenceKind,
    /// What was asked for.
    pub requested: Method,
    /// What was attained; `None` on a failure.
    pub attained: Option<Method>,
    /// How it was verified; `None`: nothing is proven.
    pub verification: Option<VerificationLevel>,
    /// Technique, as the document names it.
    pub technique: String,
    /// The medium's class as the station saw it.
    pub class: MediumClass,
    /// Only a part of the medium was treated.
    pub partial: bool,
    /// What names the medium.
    pub identity: MediumIdentity,
    /// When the run ended, by the station's clock.
    pub ended: DateTime<Utc>,
    /// Whether that clock can be believed. `None`: no station's clock, or an event of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockQuality>,
    /// The keys that signed.
    pub signers: Vec<String>,
    /// The station.
    pub station: String,
    /// Who did it, as the document says.
    pub operator: Option<String>,
    /// The run.
    pub run_id: String,
    /// The asset tag that the document names, if any. Information; identity decides.
    pub asset_tag: Option<String>,
    /// The run precedes destruction, and releases nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before_destruction: bool,
    /// What a record of destruction says of the data and its rules. `None` also in events of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroyed: Option<Destroyed>,
}

/// For which data a medium was destroyed, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destroyed {
    /// Category of its data, as the record says.
    pub category: Option<Category>,
    /// The approved standard that it names.
    pub standard: Option<String>,
}

/// Sort of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// A run passed.
    Certificate,
    /// A run failed.
    FailureReport,
    /// A person destroyed or degaussed it.
    Destruction,
}

/// Why a document is refused at the border.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceRefused {
    /// Not a document of a kind that is known here.
    #[error("not a certificate or failure report: {0}")]
    Unreadable(String),
    /// A check failed.
    #[error("it does not verify: {0}")]
    Invalid(String),
    /// Nothing speaks against it, and nobody known speaks for it.
    #[error("who signed it is not established: {0}")]
    SignerUnknown(String),
}

/// Verifies a document with the register's trust store and reads what it says. Only a document
/// whose verdict is `valid` comes through: unknown is never success.
pub fn examine(bytes: &[u8], file_name: Option<&str>, trust: &TrustStore) -> Result<Evidence, EvidenceRefused> {
    let unreadable = |e: &dyn std::fmt::Display| EvidenceRefused::Unreadable(e.to_string());
    let jws = Jws::parse(bytes).map_err(|e| unreadable(&e))?;
    let typ = jws.typ().unwrap_or("document without a single type").to_owned();
    let kind = DocumentKind::of_typ(&typ).ok_or_else(|| unreadable(&format!("it is a {typ}")))?;
    let verification = certificate::verify_document(bytes, kind, file_name, Some(trust));
    let told = |outcome| {
        let checks = verification.checks.iter().filter(|c| c.outcome == outcome);
        checks.map(|c| format!("{}: {}", c.name, c.detail)).collect::<Vec<_>>().join("; ")
    };
    match verification.verdict {
        Verdict::Invalid => return Err(EvidenceRefused::Invalid(told(crate::signed::Outcome::Failed))),
        Verdict::ConsistentSignerUnknown => {
            return Err(EvidenceRefused::SignerUnknown(told(crate::signed::Outcome::Unknown)));
        }
        Verdict::Valid => {}
    }
    let (Some(document), Some(payload)) = (verification.id, verification.document) else {
        return Err(EvidenceRefused::Unreadable("its content could not be read".to_owned()));
    };
    let signers = jws.signatures().iter().filter_map(|s| s.header().kid.clone()).collect();
    let facts = payload.facts;
    let before_destruction = facts.precedes_destruction();
    let kind = match kind {
        DocumentKind::Certificate => EvidenceKind::Certificate,
        DocumentKind::FailureReport => EvidenceKind::FailureReport,
    };
    Ok(Evidence {
        document,
        kind,
        requested: facts.requested,
        attained: facts.attained,
        verification: verified(&facts),
        technique: facts.technique.clone(),
        class: facts.medium.class,
        partial: facts.medium.partition.is_some(),
        identity: MediumIdentity {
            size_before: facts.hidden_areas.restored().map(|restored| restored.before.size),
            ..MediumIdentity::of(&facts.medium.identity)
        },
        ended: facts.ended,
        clock: Some(facts.clock),
        signers,
        station: payload.station,
        operator: facts.operator.map(|o| o.name),
        run_id: facts.run_id,
        asset_tag: facts.asset_tag,
        before_destruction,
        destroyed: None,
    })
}

fn verified(facts: &RunFacts) -> Option<VerificationLevel> {
    match facts.proven {
        Proven::FullReadback => Some(VerificationLevel::Full),
        Proven::SampledReadback => Some(VerificationLevel::Sample),
        // The least that may hide behind exceptions: the register asks for more where it matters.
        Proven::QuickReadback | Proven::ReadbackWithExceptions => Some(VerificationLevel::Quick),
        Proven::ErasedFullRead => Some(VerificationLevel::Full),
        Proven::ErasedSampled => Some(VerificationLevel::Sample),
        Proven::ErasedKnownContent => Some(VerificationLevel::Quick),
        Proven::CompletionOnly => Some(VerificationLevel::None),
        Proven::Nothing => None,
    }
}

impl MediumIdentity {
    /// What the register keeps of an identity.
    pub fn of(identity: &Identity) -> MediumIdentity {
        MediumIdentity {
            serial: identity.serial.clone(),
            model: identity.model.clone(),
            wwn: identity.wwn.clone().or_else(|| identity.nguid.clone()).or_else(|| identity.eui64.clone()),
            size: Some(Bytes(identity.size.0)),
            size_before: None,
            digest: Some(identity.digest()),
        }
    }

    /// Whether anything names the medium.
    pub fn is_distinctive(&self) -> bool {
        [&self.serial, &self.wwn, &self.digest].into_iter().any(|part| part.as_deref().is_some_and(|t| !t.is_empty()))
    }

    /// The facts that contradict each other. A fact that one side lacks contradicts nothing.
    pub fn contradictions(&self, other: &MediumIdentity) -> Vec<&'static str> {
        let mut found = Vec::new();
        let text = |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if !a.trim().eq_ignore_ascii_case(b.trim()));
        if text(&self.serial, &other.serial) {
            found.push("serial number");
        }
        if text(&self.wwn, &other.wwn) {
            found.push("WWN");
        }
        if text(&self.model, &other.model) {
            found.push("model");
        }
        let grew = |a: &MediumIdentity, b: &MediumIdentity| a.size_before.is_some() && a.size_before == b.size;
        if matches!((self.size, other.size), (Some(a), Some(b)) if a != b) && !grew(self, other) && !grew(other, self) {
            found.push("size");
        }
        found
    }

    /// Whether both name the same medium: one distinctive fact in common, and none against it. The
    /// digest of the whole identity settles it where both have one and neither serial nor WWN does.
    pub fn same_medium(&self, other: &MediumIdentity) -> bool {
        let both = |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if !a.trim().is_empty() && a.trim().eq_ignore_ascii_case(b.trim()));
        let common = both(&self.serial, &other.serial) || both(&self.wwn, &other.wwn);
        let digest = both(&self.digest, &other.digest);
        (common || digest) && self.contradictions(other).is_empty()
    }

    /// For a person.
    pub fn label(&self) -> String {
        let parts = [&self.model, &self.serial, &self.wwn].into_iter().flatten();
        let text = parts.take(2).cloned().collect::<Vec<_>>().join(" ");
        match (text.is_empty(), &self.digest) {
            (true, Some(digest)) => format!("of identity {}", digest.get(..12).unwrap_or(digest)),
            (true, None) => "without a name".to_owned(),
            (false, _) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_contradiction_outweighs_an_equal_serial_number() {
        let medium = |serial: &str, wwn: Option<&str>, size: Option<u64>| MediumIdentity {
            serial: Some(serial.to_owned()),
            wwn: wwn.map(str::to_owned),
            size: size.map(Bytes),
            ..MediumIdentity::default()
        };
        let known = medium("S1", Some("0x5000"), Some(100));
        assert!(known.same_medium(&medium("s1 ", None, None)));
        assert!(known.same_medium(&medium("S1", Some("0x5000"), Some(100))));
        assert!(!known.same_medium(&medium("S1", Some("0x5001"), None)));
        assert!(!known.same_medium(&medium("S1", None, Some(101))));
        assert!(!known.same_medium(&medium("S2", Some("0x5000"), None)));
        assert!(!MediumIdentity::default().same_medium(&MediumIdentity::default()));
        let grown = MediumIdentity { size_before: Some(Bytes(100)), ..medium("S1", None, Some(120)) };
        assert!(known.same_medium(&grown) && grown.same_medium(&known));
        assert!(!grown.same_medium(&medium("S1", None, Some(110))));
        let empty = medium("", None, None);
        assert!(!empty.same_medium(&empty));
    }
}
