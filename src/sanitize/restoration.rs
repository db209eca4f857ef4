//! What the journal says of hidden areas that are given back before a run, folded.

use chrono::{DateTime, Utc};

use super::firmware::{RestoreNote, RestorePlan, Restoring, Step};
use super::record::{HiddenAreas, Restored};
use super::state::RunState;
use crate::media::{AreaOutcome, Exchange, HiddenArea, Identity, Medium};
use crate::units::Bytes;

/// How far it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restoration {
    /// The notes.
    pub restoring: Restoring,
    /// What was sent and came back.
    pub exchanges: Vec<Exchange>,
    /// The run is about the larger medium.
    pub is_bound: bool,
}

impl RunState {
    /// What is still to be given back before anything may be erased.
    pub fn restores(&self) -> Option<&RestorePlan> {
        self.plan.restore.as_ref().filter(|_| !self.restoration.is_bound)
    }

    /// What the medium may be now: while hidden areas are given back it has any of the sizes that the
    /// plan names, or that the drive said before the kernel was made to look again, and everything else is
    /// as it was.
    pub fn identities(&self) -> Vec<Identity> {
        let identity = &self.plan.medium.identity;
        let block = u64::from(self.plan.medium.geometry.logical_block);
        let said = |step: &Step| step.last()?.0.checked_add(1)?.checked_mul(block).map(Bytes);
        let planned = self.restores().into_iter().flat_map(|plan| plan.steps.iter().map(|step| step.size));
        let sizes = planned
            .chain(self.restores().into_iter().flat_map(|_| self.restoration.restoring.done.iter().filter_map(said)));
        let mut all = vec![identity.clone()];
        for size in sizes {
            if all.iter().all(|known| known.size != size) {
                all.push(Identity { size, ..identity.clone() });
            }
        }
        all
    }

    pub(super) fn restore_noted(&mut self, note: &RestoreNote, exchanges: &[Exchange]) -> Result<(), &'static str> {
        self.must_restore()?;
        self.restoration.restoring.apply(note);
        self.restoration.exchanges.extend_from_slice(exchanges);
        Ok(())
    }

    pub(super) fn rebind(
        &mut self,
        medium: &Medium,
        areas: &[HiddenArea],
        exchanges: &[Exchange],
        at: DateTime<Utc>,
    ) -> Result<(), &'static str> {
        let otherwise = self.must_restore()?;
        if !self.identities().iter().any(|known| known.differences(&medium.identity).is_empty()) {
            return Err("it binds another medium than one that the plan allows");
        }
        self.restoration.exchanges.extend_from_slice(exchanges);
        self.restoration.is_bound = true;
        let before = std::mem::replace(&mut self.plan.medium, medium.clone()).identity;
        let gave_back = areas.iter().any(|area| area.outcome == Some(AreaOutcome::GivenBack));
        if let Some(HiddenAreas::Examined { areas: told, exchanges: sent, restored, .. }) = &mut self.plan.hidden {
            *told = areas.to_vec();
            *sent = self.restoration.exchanges.clone();
            *restored = gave_back.then(|| Box::new(Restored { before, otherwise, at }));
        }
        self.enter_rung(self.at);
        Ok(())
    }

    fn must_restore(&self) -> Result<super::record::Otherwise, &'static str> {
        match self.restores() {
            Some(plan) if self.intent.is_some() => Ok(plan.otherwise),
            Some(_) => Err("the drive is changed before the intent is recorded"),
            None => Err("it gives back what no plan says is to be given back"),
        }
    }

    /// What the plan knows of hidden areas, and of a run that ended while it gave them back also what was
    /// sent by then.
    pub(super) fn hidden(&self) -> Option<HiddenAreas> {
        let mut hidden = self.plan.hidden.clone();
        if self.restores().is_some()
            && let Some(HiddenAreas::Examined { areas, exchanges, .. }) = &mut hidden
        {
            exchanges.clone_from(&self.restoration.exchanges);
            for area in areas.iter_mut().filter(|area| area.outcome.is_none()) {
                let sent = self.restoration.restoring.sent.iter().rfind(|(step, _)| step.kind() == area.kind);
                if let Some((step, _)) = sent {
                    area.outcome = Some(AreaOutcome::Unknown);
                    area.note = format!("{} was sent, and the run ended before its effect was known", step.name());
                }
            }
        }
        hidden
    }
}

/// What became of each area that was hidden `before`, from what the drive still hides `now`. `None`:
/// what was given back does not add up to what the medium grew by.
pub(super) fn outcomes(before: &[HiddenArea], now: &[HiddenArea], grown: Bytes) -> Option<Vec<HiddenArea>> {
    let mut areas = Vec::new();
    let mut back = 0u64;
    for area in before {
        if now.iter().any(|left| left.kind == area.kind) || area.outcome.is_some() {
            continue;
        }
        back = back.checked_add(area.size?.0)?;
        areas.push(HiddenArea {
            note: "given back by the drive's own command, before anything was erased".to_owned(),
            outcome: Some(AreaOutcome::GivenBack),
            ..area.clone()
        });
    }
    areas.extend_from_slice(now);
    (back == grown.0).then_some(areas)
}

#[cfg(test)]
mod tests {
    use super::super::firmware::{PlannedStep, Power, Step};
    use super::super::record::Otherwise;
    use super::super::samples::{self, at};
    use super::super::state::{JournalEntry, RunPlan};
    use super::*;
    use crate::policy::VerificationLevel;
    use crate::units::Lba;

    fn area(kind: &str, size: u64, outcome: Option<AreaOutcome>) -> HiddenArea {
        HiddenArea { kind: kind.to_owned(), size: Some(Bytes(size)), note: "n".to_owned(), outcome }
    }

    /// A plan whose medium hides 1,024 bytes.
    fn plan() -> RunPlan {
        let plan = samples::plan(&[0], VerificationLevel::Full);
        let size = Bytes(plan.medium.geometry.size.0 + 1024);
        let step = Step::SetMax(Lba(size.0 / 512 - 1));
        let areas = vec![area("host_protected_area", 1024, None)];
        let hidden = HiddenAreas::Examined { by: "b".to_owned(), areas, exchanges: Vec::new(), restored: None };
        let steps = vec![PlannedStep { step, size, commands: Vec::new() }];
        let restore = Some(RestorePlan { otherwise: Otherwise::Refuse, steps });
        RunPlan { hidden: Some(hidden), restore, ..plan }
    }

    fn larger(plan: &RunPlan, by: u64) -> Box<Medium> {
        let mut medium = plan.medium.clone();
        medium.geometry.size.0 += by;
        medium.identity.size.0 += by;
        Box::new(medium)
    }

    fn fold(entries: &[JournalEntry]) -> Result<RunState, String> {
        RunState::fold(entries).map_err(|e| e.to_string()).map(Option::unwrap)
    }

    fn noted(note: RestoreNote) -> JournalEntry {
        JournalEntry::RestoreNoted { note, exchanges: Vec::new(), at: at(2) }
    }

    #[test]
    fn a_run_is_about_the_larger_medium_once_it_is_bound_and_erases_nothing_before() {
        let plan = plan();
        let whole = samples::journal(&plan, |_| Default::default());
        let (opened, intended, started) = (whole[0].clone(), whole[1].clone(), whole[2].clone());
        let step = plan.restore.as_ref().unwrap().steps[0].step.clone();
        let sending = noted(RestoreNote::Sending { step: step.clone(), power: Power::default() });
        let rebound = |by| JournalEntry::Rebound {
            medium: larger(&plan, by),
            areas: vec![area("host_protected_area", 1024, Some(AreaOutcome::GivenBack))],
            exchanges: Vec::new(),
            at: at(3),
        };
        for (entries, why) in [
            (vec![opened.clone(), sending.clone()], "before the intent"),
            (vec![opened.clone(), intended.clone(), started.clone()], "before hidden areas"),
            (vec![opened.clone(), intended.clone(), rebound(512)], "another medium"),
            (vec![opened.clone(), intended.clone(), rebound(1024), sending.clone()], "no plan"),
        ] {
            let refused = fold(&entries).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        let state = fold(&[opened.clone(), intended.clone(), sending.clone()]).unwrap();
        assert_eq!(state.identities().len(), 2);
        assert_eq!(state.plan.medium, plan.medium);
        let told = state.hidden().unwrap();
        assert_eq!(told.areas()[0].outcome, Some(AreaOutcome::Unknown));
        assert!(state.restoration.restoring.words()[0].contains("not known"));

        let state = fold(&[opened, intended, sending, rebound(1024), started]).unwrap();
        assert_eq!(state.identities(), [larger(&plan, 1024).identity]);
        assert_eq!(state.plan.medium, *larger(&plan, 1024));
        let restored = state.plan.hidden.as_ref().unwrap().restored().unwrap();
        assert_eq!((&restored.before, restored.at), (&plan.medium.identity, at(3)));
    }

    #[test]
    fn what_was_given_back_adds_up_to_what_the_medium_grew_by() {
        let before = [area("host_protected_area", 512, None), area("device_configuration_overlay", 1024, None)];
        let of = |now: &[HiddenArea], grown| outcomes(&before, now, Bytes(grown));
        let all = of(&[], 1536).unwrap();
        assert!(all.iter().all(|area| area.outcome == Some(AreaOutcome::GivenBack)));
        let left = of(&before[1..], 512).unwrap();
        assert_eq!(left.iter().map(|a| a.outcome).collect::<Vec<_>>(), [Some(AreaOutcome::GivenBack), None]);
        assert_eq!(of(&before, 0).unwrap(), before);
        assert_eq!(of(&[], 1024), None);
        assert_eq!(of(&before, 512), None);
    }
}
