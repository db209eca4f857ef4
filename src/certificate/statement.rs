//! What a document says and does not say, in plain sentences.

use super::payload::DocumentKind;
use super::{drive, hidden};
use crate::media::{MediumClass, namespace_words};
use crate::policy::Method;
use crate::sanitize::record::{ClockQuality, Proven, RunFacts};

/// The sentences for a run. Deterministic. Says "aligned with" a standard and claims no more.
pub(super) fn statement(kind: DocumentKind, facts: &RunFacts) -> Vec<String> {
    let mut says = vec![
        "This document records what the station named here did and observed. The signature proves that the \
         station's key said so, and nothing more."
            .to_owned(),
    ];
    match kind {
        DocumentKind::FailureReport => says.push(
            "THE RUN FAILED: THE MEDIUM IS NOT SHOWN TO BE SANITIZED. Data may still be readable on it. Keep it under \
             control until a later run passes or it is destroyed."
                .to_owned(),
        ),
        DocumentKind::Certificate => {
            says.push(match (&facts.firmware, facts.proven) {
                (Some(_), Proven::CompletionOnly) => drive::ONLY_ITS_WORD.to_owned(),
                (_, sort) => drive::proven(sort).unwrap_or_else(|| proven(sort)).to_owned(),
            });
            says.push(reach(facts));
            if let Some(firmware) = &facts.firmware {
                says.push(drive::CANNOT_BE_TOLD.to_owned());
                says.extend(firmware.also.iter().map(|other| {
                    let what = other.identity.unit.as_deref().unwrap_or("another medium");
                    let read = match other.read {
                        None => "which was not read afterwards",
                        Some(_) => "of which known content is gone and every addressable byte was read afterwards",
                    };
                    format!("The command erased {} ({what}) as well, {read}.", other.identity.label())
                }));
                if !firmware.unattached.is_empty() {
                    says.push(format!(
                        "The command erased {} of the drive as well, which no device of the host showed and \
                         which was named by its number; nothing of it was looked at before, or read afterwards.",
                        namespace_words(&firmware.unattached)
                    ));
                }
            }
            says.extend(facts.steps_down.iter().map(|step| {
                format!("{} was meant and failed: {}. {} took its place.", step.from, step.failure.message, step.to)
            }));
            if let Some(method) = facts.attained {
                says.push(format!(
                    "The procedure is aligned with NIST SP 800-88 for the method {}. No assessment of conformity is \
                     claimed.",
                    method_name(method)
                ));
            }
        }
    }
    says.extend(
        facts
            .suspensions
            .iter()
            .map(|suspension| format!("Before anything was erased, with consent: {}.", suspension.words())),
    );
    says.extend(facts.force_ro.iter().map(|switch| format!("{}.", capital(&switch.words()))));
    match facts.medium.class {
        MediumClass::Physical => {}
        MediumClass::Virtual => says.push(
            "The medium is a virtual device. This document says nothing about any physical medium under it.".to_owned(),
        ),
        MediumClass::Image => says.push(
            "The medium is a file. This document says nothing about the physical medium that holds it, nor about \
             copies or snapshots of the file."
                .to_owned(),
        ),
    }
    if let Some(partition) = &facts.medium.partition {
        says.push(format!("Only partition {} was treated; the rest of the disk was not touched.", partition.number));
    }
    if facts.clock != ClockQuality::Synchronized {
        says.push("The station's clock was not known to be synchronized; the times are its own.".to_owned());
    }
    if facts.operator.as_ref().is_some_and(|o| o.standing == "claimed") {
        says.push("The operator's name is as claimed at the station; it was not proven by a key.".to_owned());
    }
    says.push(
        "Whether the result is accepted (validation) is decided by the organization in a document of its own."
            .to_owned(),
    );
    says
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

pub(super) fn method_name(method: Method) -> &'static str {
    match method {
        Method::Clear => "Clear",
        Method::Purge => "Purge",
        Method::Destroy => "Destroy",
    }
}

fn proven(proven: Proven) -> &'static str {
    match proven {
        Proven::FullReadback => {
            "After the last pass every addressable byte was read back from the medium and matched what was written."
        }
        Proven::SampledReadback => {
            "After the last pass representative samples were read back from the medium and matched; the rest was not \
             read."
        }
        Proven::QuickReadback => {
            "After the last pass a few hundred places were read back from the medium and matched; this is no \
             representative sampling, and the rest was not read."
        }
        Proven::ReadbackWithExceptions => {
            "What was read back from the medium matched, except the blocks that are listed: they could not be written \
             or read back and may still hold data. The policy that is named allows them."
        }
        Proven::CompletionOnly => {
            "Nothing was read back. The medium acknowledged every write and the final flush; that is all that is known."
        }
        _ => "Nothing is proven about the result.",
    }
}

fn reach(facts: &RunFacts) -> String {
    let reach = match facts.firmware {
        None => "Overwriting reaches the locations that the host can address.",
        Some(_) => "The drive was made to erase itself; the command is listed byte for byte.",
    };
    hidden::sentence(reach, facts)
}
