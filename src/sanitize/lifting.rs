//! What the kernel, and nobody else, made read-only is made writable for a run: noted before, set back after it,
//! whatever its end. After a restart of the machine the kernel has set it back by itself.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::erase::{Bench, Stopped, gone, record};
use super::event::Event;
use super::journal::{Journal, JournalError};
use super::record::{Failure, ForceRo};
use super::run::Claimed;
use super::state::{JournalEntry, RunState};
use crate::device::{self, Claim, Roots};
use crate::sys::within;
use crate::units::now;

/// A durable note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum ForceRoNote {
    /// The switch of this node is about to be cleared.
    Clearing {
        /// Its name now.
        node: PathBuf,
    },
    /// It is set again, and the node is read-only.
    SetBack,
    /// It is not.
    NotSetBack {
        /// Why.
        why: String,
    },
}

impl RunState {
    pub(super) fn force_ro_noted(
        &mut self,
        identity_digest: &str,
        note: &ForceRoNote,
        at: DateTime<Utc>,
    ) -> Result<(), &'static str> {
        if self.intent.is_none() {
            return Err("a node is made writable before the intent is recorded");
        }
        let open =
            self.force_ro.iter_mut().find(|one| one.identity_digest == identity_digest && one.set_back.is_none());
        match (note, open) {
            // Taken up after a cut: it still has to be set back, once.
            (ForceRoNote::Clearing { .. }, Some(open)) => open.failed = None,
            (ForceRoNote::Clearing { node }, None) => self.force_ro.push(ForceRo {
                node: node.clone(),
                identity_digest: identity_digest.to_owned(),
                cleared: at,
                set_back: None,
                failed: None,
            }),
            (ForceRoNote::SetBack, Some(open)) => (open.set_back, open.failed) = (Some(at), None),
            (ForceRoNote::NotSetBack { why }, Some(open)) => open.failed = Some(why.clone()),
            (ForceRoNote::SetBack | ForceRoNote::NotSetBack { .. }, None) => {
                return Err("it sets back what was not cleared");
            }
        }
        Ok(())
    }

    /// Whose switch still has to be set back.
    fn to_set_back(&self) -> Vec<String> {
        self.force_ro.iter().filter(|one| one.set_back.is_none()).map(|one| one.identity_digest.clone()).collect()
    }
}

/// Clears the kernel's switch on every held node that is read-only by it alone. `Some`: that was not possible.
pub(super) async fn clear(
    claimed: &mut Claimed,
    bench: &Bench,
    watch: &dyn Fn(Event),
) -> Result<Option<Failure>, Stopped> {
    for claim in held(claimed).into_iter().filter(|claim| claim.is_forced_read_only()) {
        let node = claim.medium().path.clone();
        note(claimed, bench, &claim, ForceRoNote::Clearing { node: node.clone() }).await?;
        let node = node.display();
        tell(claimed, watch, format!("{node} is read-only by the kernel's switch (force_ro): cleared for this run"));
        if let Err(why) = switch(&claim, bench, false).await? {
            return match gone(&claim, bench).await? {
                Some(error) => Err(Stopped::MediumGone { error }),
                None => Ok(Some(Failure {
                    code: "read_only".to_owned(),
                    message: format!("the kernel's write protection of {node} (force_ro) could not be cleared: {why}"),
                    advice: "this start erased nothing; leave the boot partitions out (--leave-boot-partitions), or destroy the medium"
                        .to_owned(),
                })),
            };
        }
    }
    Ok(None)
}

/// Sets back what this start, or an earlier one of the run, cleared: every node, also where one fails or cannot be
/// noted. The first error is told.
pub(super) async fn set_back(claimed: &mut Claimed, bench: &Bench, watch: &dyn Fn(Event)) -> Result<(), Stopped> {
    let mut first = Ok(());
    for digest in claimed.progress.to_set_back() {
        let Some(claim) = held(claimed).into_iter().find(|claim| claim.medium().identity.digest() == digest) else {
            let text = "the write protection (force_ro) of a node that is not held was not set back; `resume` does it";
            tell(claimed, watch, text.to_owned());
            continue;
        };
        let node = claim.medium().path.display().to_string();
        let done = match switch(&claim, bench, true).await {
            Ok(Ok(())) => note(claimed, bench, &claim, ForceRoNote::SetBack).await,
            Ok(Err(why)) => {
                tell(claimed, watch, format!("the write protection of {node} (force_ro) was not set back: {why}"));
                note(claimed, bench, &claim, ForceRoNote::NotSetBack { why }).await
            }
            Err(stopped) => Err(stopped),
        };
        first = first.and(done);
    }
    first
}

/// The same of a run that is given up: nothing of it is held.
pub fn set_back_abandoned(roots: &Roots, journal: &mut Journal, state: &mut RunState) -> Result<(), JournalError> {
    let mut first = Ok(());
    for identity_digest in state.to_set_back() {
        let all = std::iter::once(&state.plan.medium).chain(&state.plan.also);
        let Some(medium) = all.into_iter().find(|medium| medium.identity.digest() == identity_digest) else { continue };
        let found = device::find_by_identity(roots, &medium.identity).map_err(|error| error.to_string());
        let done = match found.as_deref() {
            Ok([medium]) => device::set_force_ro(roots, medium).map_err(|error| error.to_string()),
            Ok(several) => Err(format!("{} attached media are it", several.len())),
            Err(why) => Err(why.clone()),
        };
        let note = done.map_or_else(|why| ForceRoNote::NotSetBack { why }, |()| ForceRoNote::SetBack);
        let entry = JournalEntry::ForceRoNoted { identity_digest, note, at: now() };
        match journal.append(&entry) {
            // An entry that was just found to be open can be closed.
            Ok(()) => {
                let _ = state.apply(&entry);
            }
            Err(error) => first = first.and(Err(error)),
        }
    }
    first
}

fn held(claimed: &Claimed) -> Vec<Arc<Claim>> {
    std::iter::once(&claimed.claim).chain(&claimed.also).cloned().collect()
}

async fn switch(claim: &Arc<Claim>, bench: &Bench, on: bool) -> Result<Result<(), String>, Stopped> {
    let claim = claim.clone();
    let call = bench.blocking.call(move || claim.set_force_ro(on).map_err(|error| error.to_string()));
    match within(bench.faults.stall_timeout, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Ok(Err(format!("no answer for {} s", bench.faults.stall_timeout.as_secs()))),
    }
}

async fn note(claimed: &mut Claimed, bench: &Bench, claim: &Claim, note: ForceRoNote) -> Result<(), Stopped> {
    let identity_digest = claim.medium().identity.digest();
    record(claimed, JournalEntry::ForceRoNoted { identity_digest, note, at: now() }, bench).await
}

fn tell(claimed: &Claimed, watch: &dyn Fn(Event), text: String) {
    let (run_id, path) = (claimed.progress.plan.run_id.clone(), claimed.claim.medium().path.clone());
    watch(Event::Note { run_id, path, text });
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, at, intended, opened};
    use super::*;
    use crate::policy::VerificationLevel;

    fn noted(digest: &str, note: ForceRoNote, second: i64) -> JournalEntry {
        JournalEntry::ForceRoNoted { identity_digest: digest.to_owned(), note, at: at(second) }
    }

    fn fold(entries: &[JournalEntry]) -> Result<RunState, String> {
        // As it would be read back.
        let text = serde_json::to_string(entries).unwrap();
        let entries: Vec<JournalEntry> = serde_json::from_str(&text).unwrap();
        RunState::fold(&entries).map_err(|e| e.to_string()).map(Option::unwrap)
    }

    #[test]
    fn what_was_cleared_has_to_be_set_back_also_after_a_cut() {
        let plan = samples::plan(&[0], VerificationLevel::Full);
        let clearing = |second| noted("a", ForceRoNote::Clearing { node: "/dev/mmcblk0boot0".into() }, second);
        let begin = [opened(&plan), intended()];
        let with = |more: &[JournalEntry]| fold(&[&begin, more].concat());
        assert!(fold(&[begin[0].clone(), clearing(2)]).unwrap_err().contains("before the intent"));
        assert!(with(&[noted("a", ForceRoNote::SetBack, 2)]).unwrap_err().contains("was not cleared"));
        assert!(with(&[clearing(2), noted("b", ForceRoNote::SetBack, 3)]).is_err(), "it is another one");

        let cut = with(&[clearing(2)]).unwrap();
        assert_eq!(cut.to_set_back(), ["a"]);
        assert!(cut.force_ro[0].words().ends_with("is not known"), "{}", cut.force_ro[0].words());
        // Taken up: cleared again, and set back once.
        let failed = noted("a", ForceRoNote::NotSetBack { why: "EROFS".to_owned() }, 4);
        let open = with(&[clearing(2), clearing(3), failed.clone()]).unwrap();
        assert_eq!((open.to_set_back().len(), open.force_ro.len()), (1, 1));
        assert!(open.force_ro[0].words().contains("could not be set back: EROFS"));
        let done = with(&[clearing(2), failed, clearing(5), noted("a", ForceRoNote::SetBack, 6)]).unwrap();
        assert_eq!((done.to_set_back().len(), done.force_ro[0].set_back), (0, Some(at(6))));
        assert_eq!((done.force_ro[0].cleared, done.force_ro[0].failed.clone()), (at(2), None));
        assert!(done.force_ro[0].words().ends_with("set back after it"));
    }
}
