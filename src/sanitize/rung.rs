//! The ladder of techniques of a run: what may be tried, in which order, and how far each came.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::firmware::{Earlier, Erasure, Note, Past};
use super::record::{Failure, SchemeFacts};
use crate::media::{Exchange, PlannedCommand, Reach};
use crate::policy::{Method, Technique, Way};

/// One technique that a run may use. The first one of a plan is meant; each further one is a step
/// down that was allowed and shown before the run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Which.
    pub technique: Technique,
    /// What it attains on this medium when it completes.
    pub attains: Method,
    /// What its command reaches.
    pub reach: Reach,
    /// The commands of the drive's own techniques, byte for byte.
    pub commands: Vec<PlannedCommand>,
    /// The drive's own estimate.
    pub estimate_seconds: Option<u64>,
    /// What the drive or the path gave to remark.
    pub notes: Vec<String>,
}

impl Rung {
    /// Overwriting by the host.
    pub fn overwrite() -> Rung {
        Rung {
            technique: Technique::Overwrite,
            attains: Method::Clear,
            reach: Reach::Unit,
            commands: Vec::new(),
            estimate_seconds: None,
            notes: Vec::new(),
        }
    }

    /// The host overwrites by a scheme; otherwise commands of the drive's own are part of it.
    pub fn is_by_host(&self) -> bool {
        self.technique == Technique::Overwrite
    }

    /// What a certificate says of a technique of the drive's own in the place of a scheme.
    pub fn scheme(&self) -> SchemeFacts {
        let source = match self.technique.way() {
            Way::Nvme => "NVM Express base specification 2.1",
            Way::Ata => "ACS-5",
            Way::Scsi => "SBC-5",
            Way::Mmc => "JESD84-B51",
            Way::Tcg => "TCG Storage core specification, Opal and Pyrite SSC",
            Way::Host | Way::Physical => "SP 800-88",
        };
        let commands: Vec<&str> = self.commands.iter().map(|command| command.name.as_str()).collect();
        SchemeFacts {
            name: self.technique.name().to_owned(),
            title: self.technique.describe().to_owned(),
            definition: format!("the drive's own command: {}", commands.join(", then ")),
            source: source.to_owned(),
        }
    }
}

/// How far one technique of the drive's own came, folded from the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RungState {
    /// Its notes.
    pub past: Past,
    /// Every command that was sent, and what came back.
    pub exchanges: Vec<Exchange>,
    /// When its first note was written.
    pub started: Option<DateTime<Utc>>,
    /// How it ended, and when.
    pub ended: Option<(DateTime<Utc>, RungEnd)>,
}

/// How a technique of the drive's own ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum RungEnd {
    /// With what shows it.
    Erased {
        /// Evidence.
        erasure: Box<Erasure>,
    },
    /// Not well.
    Failed {
        /// Why.
        failure: Failure,
    },
}

impl RungState {
    pub(super) fn note(&mut self, note: &Note, exchanges: &[Exchange], at: DateTime<Utc>) {
        self.started.get_or_insert(at);
        self.past.apply(note);
        self.exchanges.extend_from_slice(exchanges);
    }

    pub(super) fn end(&mut self, end: &RungEnd, exchanges: &[Exchange], at: DateTime<Utc>) {
        self.exchanges.extend_from_slice(exchanges);
        self.ended = Some((at, end.clone()));
    }

    /// The failure it ended with.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.ended {
            Some((_, RungEnd::Failed { failure })) => Some(failure),
            _ => None,
        }
    }
}

/// The known content that the last of these techniques left which stored any. None where one that came after it may have
/// written in its place.
pub(super) fn known_content(tried: &[(Technique, &RungState)]) -> Option<Earlier> {
    let touches = |past: &Past| past.canaries.is_some() || past.first_sent.is_some();
    let (technique, state) = tried.iter().rev().find(|(_, state)| touches(&state.past))?;
    let (canaries, stored) = state.past.canaries.clone()?;
    let (samples, whole) = (state.past.samples.clone().unwrap_or_default(), state.past.areas.is_empty());
    // Of whose content it was is told by the technique that stored it.
    let technique = state.past.known_from.as_ref().map_or(*technique, |(first, _)| *first);
    stored.filter(|stored| *stored > 0 && whole).map(|stored| Earlier { technique, canaries, stored, samples })
}

/// After these ends of a technique the next one may be tried: the drive takes commands, and is known
/// to do nothing any more.
pub(super) fn allows_a_step_down(failure: &Failure, past: &Past) -> bool {
    // Without a status nobody knows that, once the command may have been sent.
    let may_be_erasing = failure.code == "no_status" && past.sending.is_some();
    !may_be_erasing
        && matches!(
            failure.code.as_str(),
            "rejected"
                | "unsupported"
                | "obstacle"
                | "no_status"
                | "not_begun"
                | "drive_failed"
                | "not_erased"
                | "mismatch"
                | "read_errors"
                | "unread"
        )
}

#[cfg(test)]
mod tests {
    use super::super::firmware::Canaries;
    use super::super::record::StepTaken;
    use super::super::samples::{at, intended, opened, plan};
    use super::super::state::{JournalEntry, RunState};
    use super::*;
    use crate::policy::VerificationLevel;
    use crate::units::Lba;

    fn failed(code: &str) -> JournalEntry {
        let failure = Failure { code: code.into(), message: "m".into(), advice: "a".into() };
        JournalEntry::DriveEnded { rung: 0, end: RungEnd::Failed { failure }, exchanges: Vec::new(), at: at(3) }
    }

    fn sending(rung: u32) -> JournalEntry {
        let note = Note::Sending { technique: Technique::NvmeSanitizeBlock, at: at(2) };
        JournalEntry::DriveNoted { rung, note, exchanges: Vec::new(), at: at(2) }
    }

    fn step() -> JournalEntry {
        let failure = Failure { code: "rejected".into(), message: "m".into(), advice: "a".into() };
        let (from, to) = ("nvme-sanitize-block".into(), "overwrite".into());
        JournalEntry::SteppedDown { step: StepTaken { from, to, failure, at: at(4), exchanges: Vec::new() } }
    }

    #[test]
    fn a_ladder_is_climbed_down_in_order_and_only_after_a_failure() {
        let mut plan = plan(&[0], VerificationLevel::Full);
        let drive = Rung { technique: Technique::NvmeSanitizeBlock, attains: Method::Purge, ..Rung::overwrite() };
        plan.ladder.insert(0, drive);
        let fold = |more: &[JournalEntry]| {
            let entries: Vec<_> = [opened(&plan), intended()].iter().chain(more).cloned().collect();
            RunState::fold(&entries).map(|state| state.unwrap())
        };
        let begun = fold(&[sending(0)]).unwrap();
        assert_eq!(begun.rung_state().past.sending, Some(Technique::NvmeSanitizeBlock));
        assert!(begun.next_stage().is_none(), "the host writes nothing yet");
        assert!(begun.may_be_erasing() && !fold(&[]).unwrap().may_be_erasing());
        assert!(!fold(&[sending(0), failed("rejected")]).unwrap().may_be_erasing());
        let down = fold(&[sending(0), failed("rejected"), step()]).unwrap();
        assert_eq!((down.at, down.steps_down.len()), (1, 1));
        assert!(down.next_stage().is_some(), "now the host writes");
        assert!(fold(&[sending(0), step()]).is_err(), "nothing failed");
        assert!(fold(&[sending(1)]).is_err(), "a rung that is not reached");
        assert!(fold(&[failed("rejected"), sending(0)]).is_err(), "a rung that has ended");
        assert!(fold(&[failed("rejected"), step(), step()]).is_err(), "there is no further step");
    }

    #[test]
    fn known_content_is_that_of_the_last_technique_that_touched_the_medium() {
        use crate::scheme::StreamKey;
        let canaries = |key| Canaries { key: StreamKey([key; 16]), lbas: vec![Lba(0)] };
        let state = |notes: &[Note]| RungState { past: Past::fold(notes), ..RungState::default() };
        let stored = |key| [Note::CanariesPlanned { canaries: canaries(key) }, Note::CanariesStored { stored: 1 }];
        let key = |states: &[RungState]| {
            let tried: Vec<_> = states.iter().map(|state| (Technique::NvmeSanitizeBlock, state)).collect();
            known_content(&tried).map(|earlier| earlier.canaries.key.0[0])
        };
        let (none, first, second) = (state(&[]), state(&stored(1)), state(&stored(2)));
        assert_eq!(key(&[]), None);
        assert_eq!(key(&[first.clone(), none.clone()]), Some(1), "one that was refused before it wrote anything");
        assert_eq!(key(&[first.clone(), second]), Some(2));
        // What it began to write may stand in the place of the first ones.
        let began = state(&[Note::CanariesPlanned { canaries: canaries(3) }]);
        assert_eq!(key(&[first.clone(), began]), None);
        let wrote = state(&[
            Note::WithoutCanaries { why: "zones".into() },
            Note::Sending { technique: Technique::ZoneResetOverwrite, at: at(2) },
        ]);
        assert_eq!(key(&[first.clone(), wrote]), None);
        // Handed on, it is still that of the technique which stored it.
        let earlier = known_content(&[(Technique::NvmeSanitizeBlock, &first)]).unwrap();
        let handed = state(&[Note::KnownFromBefore { why: "shut".into(), earlier: earlier.clone() }]);
        let tried = [(Technique::NvmeSanitizeBlock, &first), (Technique::NvmeSanitizeCrypto, &handed)];
        assert_eq!(known_content(&tried), Some(earlier));
    }

    #[test]
    fn what_may_still_be_erasing_is_not_stepped_down_from() {
        for (code, allowed) in [("rejected", true), ("not_erased", true), ("stalled", false), ("status_lost", false)] {
            let failure = Failure { code: code.into(), message: String::new(), advice: String::new() };
            assert_eq!(allows_a_step_down(&failure, &Past::default()), allowed, "{code}");
        }
        for code in ["identity_changed", "reach_changed", "busy", "clean_up", "canaries"] {
            let failure = Failure { code: code.into(), message: String::new(), advice: String::new() };
            assert!(!allows_a_step_down(&failure, &Past::default()), "{code}");
        }
        let failure = Failure { code: "no_status".into(), message: String::new(), advice: String::new() };
        let sent = Past { sending: Some(Technique::NvmeFormatUser), ..Past::default() };
        assert!(allows_a_step_down(&failure, &Past::default()) && !allows_a_step_down(&failure, &sent));
    }
}
