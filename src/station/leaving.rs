//! What is told of the runs that have not ended when a second signal asks to leave at once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::result::{Outcome, TargetResult};
use crate::sanitize::journal::Journal;

/// Evidence that is stored on other threads. Whoever leaves waits for what has begun, whose result everybody would find
/// in the state folder, and nothing begins any more.
#[derive(Debug, Default)]
pub(super) struct Storing {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    left: bool,
    /// By run id; `None` while it is under way.
    results: HashMap<String, Option<TargetResult>>,
}

/// How long a disk of the station may hold up who leaves.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl Storing {
    /// Stores the evidence of a run. `None`: it was left before that began.
    pub fn carry_out(&self, run_id: &str, store: impl FnOnce() -> TargetResult) -> Option<TargetResult> {
        {
            let mut state = self.lock();
            if state.left {
                return None;
            }
            state.results.insert(run_id.to_owned(), None);
        }
        let result = store();
        self.lock().results.insert(run_id.to_owned(), Some(result.clone()));
        self.changed.notify_all();
        Some(result)
    }

    /// What became of all that had begun, as far as it ends within `patience`.
    pub fn leave(&self, patience: Duration) -> HashMap<String, TargetResult> {
        let mut state = self.lock();
        state.left = true;
        let under_way = |state: &mut State| state.results.values().any(Option::is_none);
        let waited = self.changed.wait_timeout_while(state, patience, under_way);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let results = std::mem::take(&mut state.results).into_iter();
        results.filter_map(|(run_id, result)| Some((run_id, result?))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a run is told that had not ended.
pub(super) struct Left {
    /// It is no run that was taken up.
    pub fresh: bool,
    /// As one that goes on.
    pub result: TargetResult,
}

impl Left {
    /// `stored`: what became of its evidence after all.
    pub fn told(self, stored: &mut HashMap<String, TargetResult>, journals: &Path) -> TargetResult {
        let Left { fresh, result } = self;
        let run_id = result.run_id.as_deref().unwrap_or_default();
        if let Some(stored) = stored.remove(run_id) {
            return TargetResult { target: result.target, ..stored };
        }
        // Without a journal there is nothing to go on with: it still waited for its medium.
        if !fresh || Journal::exists(journals, run_id) {
            return result;
        }
        TargetResult {
            outcome: Outcome::Refused,
            message: "left at once, before it had begun".to_owned(),
            advice: Some("nothing was touched".to_owned()),
            ..result
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn result(run_id: &str, outcome: Outcome) -> TargetResult {
        TargetResult {
            outcome,
            target: "/dev/sdz".into(),
            run_id: Some(run_id.to_owned()),
            medium: None,
            asset_tag: None,
            requested: None,
            attained: None,
            proven: None,
            technique: None,
            certificate: None,
            failure_report: None,
            trust_store: None,
            message: String::new(),
            advice: None,
        }
    }

    #[test]
    fn evidence_that_is_being_stored_is_waited_for_and_no_other_begins() {
        let storing = Storing::default();
        let (begun, wait_for_begun) = channel();
        let (go_on, wait_to_go_on) = channel();
        std::thread::scope(|scope| {
            let storing = &storing;
            scope.spawn(move || {
                storing.carry_out("a", || {
                    begun.send(()).unwrap();
                    wait_to_go_on.recv().unwrap();
                    result("a", Outcome::Pass)
                })
            });
            wait_for_begun.recv().unwrap();
            assert!(storing.leave(Duration::from_millis(1)).is_empty(), "it takes too long");
            assert!(storing.carry_out("b", || panic!("nobody hears of it")).is_none());
            go_on.send(()).unwrap();
        });
        let storing = Storing::default();
        std::thread::scope(|scope| {
            let storing = &storing;
            let (begun, wait_for_begun) = channel();
            scope.spawn(move || {
                storing.carry_out("a", || {
                    begun.send(()).unwrap();
                    std::thread::sleep(Duration::from_millis(50));
                    result("a", Outcome::Pass)
                })
            });
            wait_for_begun.recv().unwrap();
            let stored = storing.leave(Duration::from_secs(60));
            assert_eq!(stored["a"].outcome, Outcome::Pass);
        });
    }

    #[test]
    fn only_a_run_that_has_a_journal_is_told_as_one_that_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let _journal = Journal::create(folder.path(), "begun").unwrap();
        let told = |run_id: &str, fresh: bool, stored: &[&str]| {
            let mut stored = stored.iter().map(|id| ((*id).to_owned(), result(id, Outcome::Pass))).collect();
            let left = Left { fresh, result: result(run_id, Outcome::Interrupted) };
            left.told(&mut stored, folder.path()).outcome
        };
        assert_eq!(told("begun", true, &[]), Outcome::Interrupted);
        assert_eq!(told("other", true, &[]), Outcome::Refused);
        assert_eq!(told("taken up", false, &[]), Outcome::Interrupted);
        assert_eq!(told("begun", true, &["other"]), Outcome::Interrupted);
        assert_eq!(told("begun", true, &["begun"]), Outcome::Pass);
    }
}
