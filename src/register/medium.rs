//! A medium as its events make it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::act::{Act, MediumIdentity, MediumState};
use super::error::Refusal;
use super::evidence::{Evidence, EvidenceKind};
pub use super::held::Held;
use super::judgement::Judgement;
use super::minimum::Minimum;
use crate::media::MediumClass;
use crate::policy::Category;

/// The state of one medium. Made from its events alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Medium {
    /// What names it.
    pub identity: MediumIdentity,
    /// Physical, virtual, image.
    pub class: MediumClass,
    /// Stream of the asset it is in.
    pub asset: Option<String>,
    /// Its state.
    pub state: MediumState,
    /// When it was last in use, or found again, where that was recorded. Evidence from before counts no more.
    pub in_use_since: Option<DateTime<Utc>>,
    /// Every accepted document, in the order of arrival.
    pub evidence: Vec<Held>,
    /// Every accepted document about one of those, in the order of arrival.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judgements: Vec<Judgement>,
    /// It left with a closed asset.
    pub retired: bool,
}

impl Medium {
    /// The state after the first event of the stream.
    pub fn begin(act: &Act) -> Result<Medium, Refusal> {
        match act {
            Act::MediumAdded { identity, class } if identity.is_distinctive() => Ok(Medium {
                identity: identity.clone(),
                class: *class,
                asset: None,
                state: MediumState::InUse,
                in_use_since: None,
                evidence: Vec::new(),
                judgements: Vec::new(),
                retired: false,
            }),
            Act::MediumAdded { .. } => {
                Err(Refusal::rule("a medium needs a serial number, a WWN or the digest of its identity"))
            }
            _ => Err(Refusal::rule("the record of a medium begins with medium_added")),
        }
    }

    /// Whether the act may happen now. Rights are judged elsewhere.
    pub fn check(&self, act: &Act) -> Result<(), Refusal> {
        let retired = || Refusal::rule(format!("{} left with a closed asset", self.identity.label()));
        match act {
            // A revocation may come at any time; it opens a finding and reopens nothing.
            Act::EvidenceRevoked { document, .. } => match self.held(document) {
                Some(held) if held.revoked.is_none() => Ok(()),
                Some(_) => Err(Refusal::rule(format!("document {document} is revoked already"))),
                None => Err(Refusal::rule(format!("no document {document} is held about this medium"))),
            },
            Act::EvidenceAccepted { evidence } => {
                if self.held(&evidence.document).is_some() {
                    return Err(Refusal::rule(format!("document {} is held already", evidence.document)));
                }
                match self.is(&evidence.identity) {
                    true => Ok(()),
                    false => Err(Refusal::rule(format!(
                        "document {} is about another medium ({})",
                        evidence.document,
                        evidence.identity.label()
                    ))),
                }
            }
            // So may what others say of a document.
            Act::EvidenceJudged { judgement } => self.check_judgement(judgement),
            _ if self.retired => Err(retired()),
            Act::MediumMoved { asset, .. } if *asset == self.asset => Err(Refusal::rule("the medium is there already")),
            Act::MediumMoved { .. } | Act::MediumRetired { .. } => Ok(()),
            Act::MediumStateSet { state: MediumState::Sanitized | MediumState::Destroyed, .. } => {
                Err(Refusal::rule("a medium is sanitized or destroyed by evidence, not by word")
                    .hint("bring in the certificate: lastwrite register ingest FILE"))
            }
            Act::MediumStateSet { state: MediumState::Absent, note: None } => {
                Err(Refusal::rule("that a medium is absent needs a reason (--note)"))
            }
            Act::MediumStateSet { .. } => Ok(()),
            _ => Err(Refusal::rule("that is no change of a medium")),
        }
    }

    /// Whether an identity is this medium's: as it was added, or at a size that it had by an accepted document,
    /// before or after a run gave back what it hid. All else has to fit as it is.
    pub fn is(&self, identity: &MediumIdentity) -> bool {
        let held = self.evidence.iter().map(|held| &held.evidence.identity);
        let sizes = held.flat_map(|known| [known.size, known.size_before]).flatten();
        let mut all = sizes.map(|size| MediumIdentity { size: Some(size), ..self.identity.clone() });
        self.identity.same_medium(identity) || all.any(|known| known.same_medium(identity))
    }

    /// The state after the event. The act was checked.
    pub fn apply(&mut self, act: &Act, at: DateTime<Utc>) {
        match act {
            Act::MediumMoved { asset, .. } => self.asset.clone_from(asset),
            Act::MediumStateSet { state, .. } => {
                // Of one that was gone and is found again nobody knows what was written meanwhile.
                let found = self.state == MediumState::Absent && *state != MediumState::Absent;
                self.state = *state;
                if *state == MediumState::InUse || found {
                    self.in_use_since = Some(at);
                }
            }
            Act::EvidenceAccepted { evidence } => {
                // What is learned of the identity stays known, so that the next match is stricter.
                let known = &mut self.identity;
                let learned = &evidence.identity;
                known.serial = known.serial.take().or_else(|| learned.serial.clone());
                known.model = known.model.take().or_else(|| learned.model.clone());
                known.wwn = known.wwn.take().or_else(|| learned.wwn.clone());
                if learned.size_before.is_some() && learned.size_before == known.size {
                    (known.size, known.size_before) = (learned.size, learned.size_before);
                }
                known.size = known.size.take().or(learned.size);
                self.evidence.push(Held { evidence: evidence.clone(), revoked: None, accepted: Some(at) });
                self.judge();
            }
            Act::EvidenceRevoked { document, reason } => {
                if let Some(held) = self.evidence.iter_mut().find(|h| h.evidence.document == *document) {
                    held.revoked = Some(reason.clone());
                }
                self.judge();
            }
            Act::EvidenceJudged { judgement } => {
                self.judgements.push(judgement.clone());
                self.judge();
            }
            Act::MediumRetired { .. } => self.retired = true,
            _ => {}
        }
    }

    /// The document that satisfies the minimum, or in words why none does. `physical`: it is in a physical
    /// asset; `used`: until when it was in service there.
    pub fn satisfying(
        &self,
        minimum: &Minimum,
        physical: bool,
        used: Option<DateTime<Utc>>,
    ) -> Result<&Evidence, String> {
        let physical = physical || self.class == MediumClass::Physical;
        let mut reasons = Vec::new();
        for held in &self.evidence {
            match self.judge_document(held, minimum, physical, used) {
                Ok(()) => return Ok(&held.evidence),
                Err(reason) => reasons.push(reason),
            }
        }
        match reasons.is_empty() {
            true => Err("no certificate".to_owned()),
            false => Err(reasons.join("; ")),
        }
    }

    /// The document with that id.
    pub fn held(&self, document: &str) -> Option<&Held> {
        self.evidence.iter().find(|held| held.evidence.document == document)
    }

    fn judge_document(
        &self,
        held: &Held,
        minimum: &Minimum,
        physical: bool,
        used: Option<DateTime<Utc>>,
    ) -> Result<(), String> {
        let evidence = &held.evidence;
        let name = format!("{} {}", evidence.kind.name(), evidence.document.get(..12).unwrap_or(&evidence.document));
        let refuse = |why: String| Err(format!("{name}: {why}"));
        if let Some(reason) = &held.revoked {
            return refuse(format!("revoked ({reason})"));
        }
        if let Some(why) = self.spoken_against(held) {
            return refuse(why);
        }
        if evidence.kind == EvidenceKind::FailureReport {
            return refuse("the run failed".to_owned());
        }
        if held.is_misdated() {
            let day = evidence.ended.date_naive();
            return refuse(format!("it came in before {day}, on which it says it was made: that clock is wrong"));
        }
        if evidence.partial {
            return refuse("only a partition was treated".to_owned());
        }
        if evidence.before_destruction {
            return refuse("the run precedes destruction and releases nothing".to_owned());
        }
        // Unknown is the highest.
        Medium::is_destroyed_enough(evidence, minimum.category.unwrap_or(Category::High)).or_else(refuse)?;
        if physical && evidence.class != MediumClass::Physical {
            return refuse("a virtual medium never closes a physical one".to_owned());
        }
        match evidence.attained {
            Some(attained) if attained >= minimum.method => {}
            Some(attained) => {
                return refuse(format!("attained {}, {} is needed", attained.name(), minimum.method.name()));
            }
            None => return refuse("it attained nothing".to_owned()),
        }
        match evidence.verification {
            _ if Medium::is_destroyed_by(evidence) => {}
            Some(level) if level >= minimum.verification => {}
            Some(level) => {
                return refuse(format!("verification {}, {} is needed", level.name(), minimum.verification.name()));
            }
            None => return refuse("nothing is proven".to_owned()),
        }
        if let (true, Err(why)) = (minimum.validation, self.is_validated(evidence)) {
            return refuse(why);
        }
        // A record that is late in taking it out of service does not undo its destruction.
        let used = self.in_use_since.max(used).filter(|_| !Medium::is_destroyed_by(evidence));
        if used.is_some_and(|used| held.ended() <= used) {
            return refuse("the medium was in use after it".to_owned());
        }
        match self.failed_after(held) {
            true => refuse("a later run on the medium failed".to_owned()),
            false => Ok(()),
        }
    }

    /// Sets the state by the evidence. That a person said it is absent stays.
    fn judge(&mut self) {
        if self.state == MediumState::Absent {
            return;
        }
        let counts = |h: &Held| h.revoked.is_none() && self.spoken_against(h).is_none();
        // What is destroyed is not put to use again, and no run fails on it.
        if self.evidence.iter().any(|h| counts(h) && !h.is_misdated() && Medium::is_destroyed_by(&h.evidence)) {
            self.state = MediumState::Destroyed;
            return;
        }
        let passed = |h: &Held| {
            counts(h)
                && h.evidence.kind != EvidenceKind::FailureReport
                && !h.evidence.partial
                && !h.evidence.before_destruction
                && !h.is_misdated()
                && (self.class != MediumClass::Physical || h.evidence.class == MediumClass::Physical)
                && self.in_use_since.is_none_or(|since| h.ended() > since)
                && !self.failed_after(h)
        };
        let failed =
            self.evidence.iter().any(|h| h.revoked.is_none() && h.evidence.kind == EvidenceKind::FailureReport);
        self.state = match (self.evidence.iter().any(passed), failed) {
            (true, _) => MediumState::Sanitized,
            (false, true) => MediumState::Failed,
            (false, false) if self.state == MediumState::InUse => MediumState::InUse,
            (false, false) => MediumState::Awaiting,
        };
    }
}

impl EvidenceKind {
    /// For a sentence.
    pub fn name(self) -> &'static str {
        match self {
            EvidenceKind::Certificate => "certificate",
            EvidenceKind::FailureReport => "failure report",
            EvidenceKind::Destruction => "record of destruction",
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::policy::{Method, VerificationLevel};
    use crate::sanitize::record::ClockQuality;
    use crate::units::Bytes;

    pub(in crate::register) const CLEAR: Minimum =
        Minimum { method: Method::Clear, verification: VerificationLevel::Sample, validation: false, category: None };

    pub(in crate::register) fn at(hour: u32) -> DateTime<Utc> {
        format!("2026-01-01T{hour:02}:00:00Z").parse().unwrap()
    }

    fn identity() -> MediumIdentity {
        MediumIdentity { serial: Some("S1".into()), ..MediumIdentity::default() }
    }

    pub(in crate::register) fn document(kind: EvidenceKind, hour: u32) -> Evidence {
        let passed = kind == EvidenceKind::Certificate;
        Evidence {
            document: format!("{kind:?} {hour}"),
            kind,
            requested: Method::Clear,
            attained: passed.then_some(Method::Clear),
            verification: passed.then_some(VerificationLevel::Full),
            technique: "overwrite".into(),
            class: MediumClass::Physical,
            partial: false,
            identity: identity(),
            ended: at(hour),
            clock: Some(ClockQuality::Synchronized),
            signers: Vec::new(),
            station: "s".into(),
            operator: None,
            run_id: "r".into(),
            asset_tag: None,
            before_destruction: false,
            destroyed: None,
        }
    }

    pub(in crate::register) fn medium(acts: &[(Act, u32)]) -> Medium {
        let mut medium =
            Medium::begin(&Act::MediumAdded { identity: identity(), class: MediumClass::Physical }).unwrap();
        for (act, hour) in acts {
            medium.check(act).unwrap();
            medium.apply(act, at(*hour));
        }
        medium
    }

    #[test]
    fn a_drive_that_gave_back_what_it_hid_is_the_drive_that_was_recorded() {
        let sized = |size, before: Option<u64>| MediumIdentity {
            size: Some(Bytes(size)),
            size_before: before.map(Bytes),
            ..identity()
        };
        let with = |identity, hour| accepted(Evidence { identity, ..document(EvidenceKind::Certificate, hour) });
        let mut known = medium(&[with(sized(100, None), 5), with(sized(120, Some(100)), 6)]);
        assert_eq!((known.identity.size, known.identity.size_before), (Some(Bytes(120)), Some(Bytes(100))));
        let (later, old) = (with(sized(120, None), 7).0, with(sized(100, None), 4).0);
        assert!(known.check(&later).is_ok() && known.check(&old).is_ok());
        assert!(known.check(&with(sized(110, None), 8).0).is_err());
        known.apply(&later, at(21));
        assert_eq!(known.identity.size, Some(Bytes(120)));
        // Once more: every size that it had is still its own, and no other.
        known.apply(&with(sized(150, Some(120)), 9).0, at(22));
        for (size, is_its_own) in [(100, true), (120, true), (150, true), (110, false), (151, false)] {
            assert_eq!(known.check(&with(sized(size, None), 10).0).is_ok(), is_its_own, "{size}");
            assert_eq!(known.is(&sized(size, None)), is_its_own, "{size}");
        }
        let other = MediumIdentity { wwn: Some("0x2".to_owned()), ..sized(100, None) };
        let named = MediumIdentity { wwn: Some("0x1".to_owned()), ..known.identity.clone() };
        let known = Medium { identity: named, ..known };
        assert!(!known.is(&other), "a size excuses nothing else");
    }

    fn accepted(evidence: Evidence) -> (Act, u32) {
        (Act::EvidenceAccepted { evidence }, 20)
    }

    fn changed(change: impl Fn(&mut Evidence)) -> Medium {
        let mut evidence = document(EvidenceKind::Certificate, 5);
        change(&mut evidence);
        medium(&[accepted(evidence)])
    }

    #[test]
    fn each_shortfall_of_a_certificate_is_named() {
        let refused = |medium: &Medium, minimum: &Minimum| medium.satisfying(minimum, true, None).unwrap_err();
        assert!(changed(|_| {}).satisfying(&CLEAR, true, None).is_ok());
        assert_eq!(refused(&medium(&[]), &CLEAR), "no certificate");
        for (medium, word) in [
            (changed(|e| e.partial = true), "only a partition"),
            (changed(|e| e.before_destruction = true), "releases nothing"),
            (changed(|e| e.attained = None), "attained nothing"),
            (changed(|e| e.verification = Some(VerificationLevel::None)), "verification none, sample is needed"),
            (changed(|e| e.verification = None), "nothing is proven"),
            (changed(|e| e.class = MediumClass::Virtual), "never closes a physical one"),
        ] {
            assert!(refused(&medium, &CLEAR).contains(word), "{word}");
        }
        let purge = Minimum { method: Method::Purge, ..CLEAR };
        assert!(refused(&changed(|_| {}), &purge).contains("attained Clear, Purge is needed"));
        let validated = Minimum { validation: true, ..CLEAR };
        assert!(refused(&changed(|_| {}), &validated).contains("validation"));
        // It is in service there until then, whatever its own record says.
        for (hour, good) in [(4, true), (5, false), (6, false)] {
            assert_eq!(changed(|_| {}).satisfying(&CLEAR, true, Some(at(hour))).is_ok(), good, "{hour}");
        }
    }

    #[test]
    fn a_physical_medium_is_one_in_a_practice_asset_too() {
        let medium = changed(|e| e.class = MediumClass::Virtual);
        assert!(medium.satisfying(&CLEAR, false, None).unwrap_err().contains("never closes a physical one"));
        assert_eq!(medium.state, MediumState::InUse);
        let practice = Medium { class: MediumClass::Image, ..medium };
        assert!(practice.satisfying(&CLEAR, false, None).is_ok());
        assert!(practice.satisfying(&CLEAR, true, None).is_err());
    }

    #[test]
    fn use_and_failure_after_a_certificate_undo_it_whatever_comes_in_first() {
        let pass = || accepted(document(EvidenceKind::Certificate, 5));
        let fail = |hour| accepted(document(EvidenceKind::FailureReport, hour));
        let used = |hour| (Act::MediumStateSet { state: MediumState::InUse, note: None }, hour);
        let gone = |hour| (Act::MediumStateSet { state: MediumState::Absent, note: Some("not there".into()) }, hour);
        let found = |hour| (Act::MediumStateSet { state: MediumState::Awaiting, note: None }, hour);
        for (acts, state, good) in [
            (vec![pass()], MediumState::Sanitized, true),
            (vec![fail(4), pass()], MediumState::Sanitized, true),
            (vec![pass(), fail(4)], MediumState::Sanitized, true),
            (vec![pass(), fail(6)], MediumState::Failed, false),
            (vec![fail(6), pass()], MediumState::Failed, false),
            (vec![fail(5), pass()], MediumState::Failed, false),
            (vec![pass(), used(6)], MediumState::InUse, false),
            (vec![used(6), pass()], MediumState::InUse, false),
            (vec![used(4), pass()], MediumState::Sanitized, true),
            (vec![pass(), gone(6), found(7)], MediumState::Awaiting, false),
            (vec![pass(), gone(3), found(4), fail(1)], MediumState::Sanitized, true),
        ] {
            let medium = medium(&acts);
            assert_eq!((medium.state, medium.satisfying(&CLEAR, true, None).is_ok()), (state, good), "{acts:?}");
        }
    }

    #[test]
    fn a_word_sanitizes_nothing_and_a_foreign_document_is_refused() {
        let medium = medium(&[]);
        for state in [MediumState::Sanitized, MediumState::Destroyed] {
            assert!(medium.check(&Act::MediumStateSet { state, note: Some("really".into()) }).is_err());
        }
        assert!(medium.check(&Act::MediumStateSet { state: MediumState::Absent, note: None }).is_err());
        let mut foreign = document(EvidenceKind::Certificate, 5);
        foreign.identity.serial = Some("S2".into());
        assert!(medium.check(&Act::EvidenceAccepted { evidence: foreign }).is_err());
    }
}
