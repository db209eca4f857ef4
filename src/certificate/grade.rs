//! One mark from requested, attained and proven, that a reader understands, and why it is no better.
//!
//! The mark follows from the facts alone and is checked again on verification; the sentences are for
//! people and may be worded better by a later version.

use serde::{Deserialize, Serialize};

use super::hidden::is_erased_along;
use crate::media::{AreaOutcome, MediumClass};
use crate::policy::{Method, Technique};
use crate::sanitize::record::{Failure, HiddenAreas, Proven, RunFacts};

/// How good the result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mark {
    /// What was asked for was attained, and everything that can be addressed was read afterwards: it
    /// matched, or where the drive erased itself, all known content was gone.
    A,
    /// The same, by representative samples.
    B,
    /// With a reservation: less than was asked for, exceptions, a hidden part of the medium that was not
    /// reached, or only a few places were read.
    C,
    /// Complete, and nothing was read back.
    D,
    /// Failed: the medium is not shown to be sanitized.
    F,
}

/// A mark with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grade {
    /// The mark.
    pub mark: Mark,
    /// Why it is no better, and what else a reader should know, in sentences.
    pub reasons: Vec<String>,
}

impl Mark {
    /// `A`, and in words.
    pub fn title(self) -> &'static str {
        match self {
            Mark::A => "A: attained as requested, proven by reading everything",
            Mark::B => "B: attained as requested, proven by representative samples",
            Mark::C => "C: passed with a reservation",
            Mark::D => "D: complete, not proven",
            Mark::F => "F: FAILED, not shown to be sanitized",
        }
    }

    /// The mark that the facts earn.
    pub fn of(facts: &RunFacts, failed: bool) -> Mark {
        let Some(attained) = facts.attained.filter(|_| !failed) else { return Mark::F };
        match facts.proven {
            Proven::Nothing => Mark::F,
            Proven::CompletionOnly => Mark::D,
            _ if attained < facts.requested || !facts.ledger.is_clean() => Mark::C,
            _ if facts.hidden_areas.with(AreaOutcome::Excluded).next().is_some() => Mark::C,
            Proven::QuickReadback | Proven::ReadbackWithExceptions | Proven::ErasedKnownContent => Mark::C,
            Proven::SampledReadback | Proven::ErasedSampled => Mark::B,
            Proven::FullReadback | Proven::ErasedFullRead => Mark::A,
        }
    }
}

impl Grade {
    /// The grade of a run.
    pub fn of(facts: &RunFacts, failure: Option<&Failure>) -> Grade {
        let mark = Mark::of(facts, failure.is_some());
        let mut reasons = Vec::new();
        if let Some(failure) = failure {
            reasons.push(format!("the run failed: {}", failure.message));
            return Grade { mark, reasons };
        }
        differences(facts, &mut reasons);
        proof(facts, &mut reasons);
        reach(facts, &mut reasons);
        Grade { mark, reasons }
    }
}

/// Requested against attained, and against what the policy demands.
fn differences(facts: &RunFacts, reasons: &mut Vec<String>) {
    let requested = facts.requested;
    match facts.attained {
        None => reasons.push(format!("{} was requested, nothing was attained", requested.name())),
        Some(attained) if attained < requested => reasons.push(format!(
            "{} was requested, {} was attained: {} is rated for no more, and the run was allowed to step down to it",
            requested.name(),
            attained.name(),
            facts.technique
        )),
        Some(attained) if attained > requested => reasons.push(format!(
            "{} was requested, and {} attains more: {}",
            requested.name(),
            facts.technique,
            attained.name()
        )),
        Some(_) => {}
    }
    match &facts.policy {
        Some(policy) if policy.before_destruction => {
            reasons.push("the run precedes destruction: the medium is not released by it".to_owned());
        }
        Some(policy) if policy.minimum.is_none() => {
            reasons
                .push("category and route were not said, so nobody decided whether this method is enough".to_owned());
        }
        Some(_) => {}
        None => reasons.push("no policy decided whether this method is enough".to_owned()),
    }
}

/// How much of the result is proven.
fn proof(facts: &RunFacts, reasons: &mut Vec<String>) {
    let v = &facts.verification;
    let size = facts.medium.geometry.size.0.max(1);
    let share = v.wanted.0 as f64 * 100.0 / size as f64;
    match facts.proven {
        Proven::SampledReadback | Proven::ErasedSampled => {
            reasons.push(format!("{share:.1} % of the medium was read back, the rest was not"));
        }
        Proven::ErasedKnownContent => {
            reasons.push("only the places of known content were read: no representative sampling".to_owned());
        }
        Proven::QuickReadback => {
            reasons.push(format!("only {share:.3} % of the medium was read back: no representative sampling"));
        }
        Proven::CompletionOnly if facts.firmware.is_none() => {
            reasons.push("nothing was read back: writes that were dropped stay unseen".to_owned());
        }
        Proven::CompletionOnly => {
            reasons.push("nothing was known of the content before, so nothing shows that it is gone".to_owned());
        }
        _ => {}
    }
    if let Some(blocks) = facts.ledger.exceptions().filter(|blocks| *blocks > 0) {
        reasons.push(format!(
            "{blocks} blocks could not be written or read back and may still hold data; the policy allows them"
        ));
    }
    by_drive(facts, reasons);
}

/// What only the drive can know, where it erased itself.
fn by_drive(facts: &RunFacts, reasons: &mut Vec<String>) {
    for step in &facts.steps_down {
        reasons.push(format!("{} failed ({}), and {} took its place", step.from, step.failure.code, step.to));
    }
    let Some(firmware) = &facts.firmware else { return };
    let cryptographic = facts.technique.parse::<Technique>().is_ok_and(Technique::is_cryptographic);
    reasons.push(match cryptographic {
        true => "that the data were encrypted and no copy of the key is left is the drive's word".to_owned(),
        false => "that the blocks were erased and not only unmapped is the drive's word".to_owned(),
    });
    let unread = firmware.also.iter().filter(|other| other.read.is_none()).count();
    if unread > 0 {
        reasons.push(format!("the command also erased {unread} media that were not read afterwards"));
    }
}

/// What was not reached.
fn reach(facts: &RunFacts, reasons: &mut Vec<String>) {
    if let (Some(Method::Clear), HiddenAreas::NotExamined { .. }) = (facts.attained, &facts.hidden_areas) {
        reasons.push("areas that the host cannot address were not examined and not reached".to_owned());
    }
    reasons.extend(facts.hidden_areas.with(AreaOutcome::Excluded).map(|area| match is_erased_along(area, facts) {
        true => format!("a part of the drive is hidden, and nothing shows that it was erased along: {}", area.label()),
        false => format!(
            "a part of the drive is hidden and was not reached: {}; what stands in it is as it was",
            area.label()
        ),
    }));
    reasons.extend(
        facts
            .hidden_areas
            .with(AreaOutcome::Unknown)
            .map(|area| format!("whether the drive has a {} is not known", area.kind.replace('_', " "))),
    );
    if facts.medium.partition.is_some() {
        reasons.push("only one partition was treated".to_owned());
    }
    match facts.medium.class {
        MediumClass::Physical => {}
        MediumClass::Virtual => reasons.push("a virtual device: nothing is said of the medium beneath it".to_owned()),
        MediumClass::Image => reasons.push("an image file: nothing is said of the medium that holds it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::drive::tests::erased;
    use super::super::semantics::tests::{facts, failure};
    use super::*;
    use crate::media::HiddenArea;
    use crate::units::{Bytes, Lba, LbaRange, Sectors};

    fn grade(change: impl FnOnce(&mut RunFacts)) -> (Mark, String) {
        let mut facts = facts();
        change(&mut facts);
        let grade = Grade::of(&facts, None);
        (grade.mark, grade.reasons.join(" | "))
    }

    #[test]
    fn each_mark_has_its_facts_and_its_reasons() {
        let (mark, reasons) = grade(|_| {});
        assert_eq!(mark, Mark::A);
        assert!(reasons.contains("no policy decided") && reasons.contains("cannot address"), "{reasons}");
        let (mark, reasons) = grade(|f| f.proven = Proven::SampledReadback);
        assert!(mark == Mark::B && reasons.contains("100.0 % of the medium"), "{reasons}");
        let (mark, reasons) = grade(|f| f.proven = Proven::QuickReadback);
        assert!(mark == Mark::C && reasons.contains("no representative sampling"), "{reasons}");
        let (mark, reasons) = grade(|f| f.proven = Proven::CompletionOnly);
        assert!(mark == Mark::D && reasons.contains("nothing was read back"), "{reasons}");
        let (mark, reasons) = grade(|f| f.requested = Method::Purge);
        assert!(mark == Mark::C && reasons.contains("Purge was requested, Clear was attained"), "{reasons}");
        let hiding = |outcome| HiddenAreas::Examined {
            by: "IDENTIFY DEVICE, READ NATIVE MAX ADDRESS EXT".to_owned(),
            areas: vec![HiddenArea {
                kind: "host_protected_area".to_owned(),
                size: Some(Bytes(4096)),
                note: "n".to_owned(),
                outcome: Some(outcome),
            }],
            exchanges: Vec::new(),
            restored: None,
        };
        let (mark, reasons) = grade(|f| f.hidden_areas = hiding(AreaOutcome::Excluded));
        assert!(mark == Mark::C && reasons.contains("not reached: host protected area, 4096 bytes"), "{reasons}");
        let (mark, reasons) = grade(|f| f.hidden_areas = hiding(AreaOutcome::GivenBack));
        assert!(mark == Mark::A && !reasons.contains("hidden"), "{reasons}");
        let (mark, reasons) = grade(|f| f.hidden_areas = hiding(AreaOutcome::Unknown));
        assert!(mark == Mark::A && reasons.contains("has a host protected area is not known"), "{reasons}");
        let (mark, reasons) = grade(|f| {
            f.proven = Proven::ReadbackWithExceptions;
            f.ledger.unread = vec![LbaRange { first: Lba(7), count: Sectors(3) }];
        });
        assert!(mark == Mark::C && reasons.contains("3 blocks could not"), "{reasons}");
        let (facts, failure) = failure();
        let failed = Grade::of(&facts, Some(&failure));
        assert_eq!(failed.mark, Mark::F);
        assert_eq!(serde_json::to_value(failed.mark).unwrap(), "F");
    }

    #[test]
    fn a_drive_that_erased_itself_is_marked_by_what_was_read_afterwards() {
        let drive = |change: &dyn Fn(&mut RunFacts)| {
            grade(|facts| {
                *facts = erased();
                change(facts);
            })
        };
        let (mark, reasons) = drive(&|_| {});
        assert!(mark == Mark::A && reasons.contains("not only unmapped is the drive's word"), "{reasons}");
        let (mark, reasons) = drive(&|f| f.requested = Method::Clear);
        assert!(mark == Mark::A && reasons.contains("attains more: Purge"), "{reasons}");
        let (mark, reasons) = drive(&|f| f.technique = "nvme-sanitize-crypto".to_owned());
        assert!(mark == Mark::A && reasons.contains("no copy of the key"), "{reasons}");
        let (mark, reasons) = drive(&|f| f.proven = Proven::ErasedSampled);
        assert!(mark == Mark::B && reasons.contains("the rest was not"), "{reasons}");
        let (mark, reasons) = drive(&|f| f.proven = Proven::ErasedKnownContent);
        assert!(mark == Mark::C && reasons.contains("only the places of known content"), "{reasons}");
        let (mark, reasons) = drive(&|f| f.proven = Proven::CompletionOnly);
        assert!(mark == Mark::D && reasons.contains("nothing was known of the content before"), "{reasons}");
        let (mark, reasons) = drive(&|f| f.attained = Some(Method::Clear));
        assert!(mark == Mark::C && reasons.contains("Purge was requested, Clear was attained"), "{reasons}");
    }
}
