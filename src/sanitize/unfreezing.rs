//! What the journal says of a drive that is to be unfrozen by a suspend to RAM, folded.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::record::{Frozen, Suspension};
use super::state::RunState;
use crate::media::Exchange;

/// A person agreed that this machine is suspended to RAM before anything is erased, because the drive is
/// frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnfreezePlan {
    /// What was frozen when the run was planned.
    pub frozen: Vec<Frozen>,
    /// The alarm of the machine's clock goes off after so many seconds.
    pub wake_after_seconds: u32,
}

/// A durable note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum SuspendNote {
    /// The machine is about to be suspended.
    Suspending {
        /// What is frozen.
        frozen: Vec<Frozen>,
    },
    /// It runs again.
    Woke {
        /// Seconds it slept.
        slept_seconds: u32,
    },
    /// The kernel did not suspend it.
    NotSuspended {
        /// Why.
        why: String,
    },
    /// The drive, known to be the same, says what is frozen now. From here on it may be erased.
    Looked {
        /// What.
        frozen: Vec<Frozen>,
    },
}

/// How far it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfreezing {
    /// Each time that the machine was suspended, or was about to be.
    pub suspensions: Vec<Suspension>,
    /// The drive has been looked at since.
    pub is_settled: bool,
}

impl Unfreezing {
    /// What was done to the machine, a sentence each.
    pub fn words(&self) -> Vec<String> {
        self.suspensions.iter().map(Suspension::words).collect()
    }
}

impl RunState {
    /// What is to be unfrozen before anything may be erased.
    pub fn unfreezes(&self) -> Option<&UnfreezePlan> {
        self.plan.unfreeze.as_ref().filter(|_| !self.unfreezing.is_settled)
    }

    /// The drive was told to erase, and its end is not known: it may be at it, with nobody there.
    pub fn may_be_erasing(&self) -> bool {
        let rung = self.rung_state();
        self.sealed.is_none() && !self.rung().is_by_host() && rung.past.sending.is_some() && rung.ended.is_none()
    }

    pub(super) fn suspend_noted(
        &mut self,
        note: &SuspendNote,
        exchanges: &[Exchange],
        at: DateTime<Utc>,
    ) -> Result<(), &'static str> {
        if self.unfreezes().is_none() {
            return Err("it unfreezes what no plan says is to be unfrozen");
        }
        if self.intent.is_none() {
            return Err("the machine is suspended before the intent is recorded");
        }
        let last = self.unfreezing.suspensions.last_mut();
        let open = last.filter(|s| s.woke.is_none() && s.failed.is_none() && s.after.is_none());
        match (note, open) {
            (SuspendNote::Suspending { frozen }, _) => self.unfreezing.suspensions.push(Suspension {
                frozen: frozen.clone(),
                noted: at,
                woke: None,
                slept_seconds: None,
                failed: None,
                after: None,
                exchanges: Vec::new(),
            }),
            (SuspendNote::Woke { slept_seconds }, Some(open)) => {
                (open.woke, open.slept_seconds) = (Some(at), Some(*slept_seconds));
            }
            (SuspendNote::NotSuspended { why }, Some(open)) => open.failed = Some(why.clone()),
            (SuspendNote::Woke { .. } | SuspendNote::NotSuspended { .. }, None) => {
                return Err("the machine wakes that was not suspended");
            }
            (SuspendNote::Looked { frozen }, _) => {
                if let Some(last) = self.unfreezing.suspensions.last_mut() {
                    last.after = Some(frozen.clone());
                    last.exchanges.extend_from_slice(exchanges);
                }
                self.unfreezing.is_settled = true;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, at};
    use super::super::state::{JournalEntry, RunPlan};
    use super::*;
    use crate::policy::VerificationLevel;

    fn noted(note: SuspendNote, second: i64) -> JournalEntry {
        JournalEntry::SuspendNoted { note, exchanges: Vec::new(), at: at(second) }
    }

    fn fold(entries: &[JournalEntry]) -> Result<RunState, String> {
        // As it would be read back.
        let text = serde_json::to_string(entries).unwrap();
        let entries: Vec<JournalEntry> = serde_json::from_str(&text).unwrap();
        RunState::fold(&entries).map_err(|e| e.to_string()).map(Option::unwrap)
    }

    #[test]
    fn nothing_is_erased_before_the_drive_was_looked_at_again() {
        let unfreeze = Some(UnfreezePlan { frozen: vec![Frozen::Security], wake_after_seconds: 30 });
        let plan = RunPlan { unfreeze, ..samples::plan(&[0], VerificationLevel::Full) };
        let whole = samples::journal(&plan, |_| Default::default());
        let (opened, intended, started) = (whole[0].clone(), whole[1].clone(), whole[2].clone());
        let suspending = noted(SuspendNote::Suspending { frozen: vec![Frozen::Security] }, 10);
        let woke = noted(SuspendNote::Woke { slept_seconds: 21 }, 40);
        let failed = noted(SuspendNote::NotSuspended { why: "EBUSY".to_owned() }, 40);
        let looked = |frozen: &[Frozen]| noted(SuspendNote::Looked { frozen: frozen.to_vec() }, 41);
        for (entries, why) in [
            (vec![opened.clone(), suspending.clone()], "before the intent"),
            (vec![opened.clone(), intended.clone(), started.clone()], "frozen"),
            (vec![opened.clone(), intended.clone(), suspending.clone(), woke.clone(), started.clone()], "frozen"),
            (vec![opened.clone(), intended.clone(), woke.clone()], "was not suspended"),
            (vec![opened.clone(), intended.clone(), looked(&[]), suspending.clone()], "no plan"),
        ] {
            let refused = fold(&entries).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        let begin = [opened, intended, suspending.clone()];
        let with = |more: &[JournalEntry]| fold(&[&begin, more].concat()).unwrap();
        let good = with(&[woke.clone(), looked(&[]), started]);
        let suspension = &good.unfreezing.suspensions[0];
        assert_eq!((suspension.noted, suspension.woke, suspension.slept_seconds), (at(10), Some(at(40)), Some(21)));
        assert!(good.unfreezing.words()[0].contains("not frozen any more"), "{:?}", good.unfreezing.words());
        let still = with(&[woke, looked(&[Frozen::Security])]);
        assert!(still.unfreezing.words()[0].contains("still frozen after it (its security commands)"));
        assert!(with(&[failed, looked(&[Frozen::Security])]).unfreezing.words()[0].contains("was not: EBUSY"));

        // Cut between note and suspend: known, and once more from the beginning.
        let cut = with(&[]);
        assert!(cut.unfreezes().is_some());
        assert!(cut.unfreezing.words()[0].contains("before it was known"), "{:?}", cut.unfreezing.words());
        let again = with(&[suspending, noted(SuspendNote::Woke { slept_seconds: 1 }, 90), looked(&[])]);
        let woken: Vec<_> = again.unfreezing.suspensions.iter().map(|s| s.woke.is_some()).collect();
        assert_eq!((woken, again.unfreezes()), (vec![false, true], None));
    }
}
