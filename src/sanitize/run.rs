//! The states a run passes through, each a type: planned, confirmed, claimed, intended, erased, sealed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use super::journal::{Journal, JournalError};
use super::record::{ClockQuality, EarlierAttempt, Failure};
use super::record::{FailureRecord, IntentReceipt, ResumeFacts, SanitizationRecord, ToolFacts};
use super::rung::Rung;
use super::state::{Incoherent, JournalEntry, RunPlan, RunState, Sealed as SealedResult};
use super::verdict;
use crate::device::{self, Claim, ClaimError, ClaimMode, ReachError, Roots, claim};
use crate::media::{Identity, Kind, Medium, Reach};
use crate::units::Bytes;

/// One run in one state. The irreversible part is only reachable through all states before it.
#[derive(Debug)]
pub struct Run<S> {
    /// About the medium under the name by which it is held; the journal's has the name that it was planned by.
    plan: RunPlan,
    state: S,
}

/// Decided, nothing touched.
#[derive(Debug)]
pub struct Planned(());

/// A person named this very medium.
#[derive(Debug)]
pub struct Confirmed(());

/// The medium is open, locked and is the one that was planned; it may still be protected.
#[derive(Debug)]
pub struct Held {
    medium: device::Held,
    /// What its command would erase along.
    also: Vec<device::Held>,
}

/// And nothing stands against it.
#[derive(Debug)]
pub struct Free {
    claim: Claim,
    also: Vec<Claim>,
}

/// The medium is open, locked and is the one that was planned; the journal says what will happen.
#[derive(Debug)]
pub struct Claimed {
    pub(super) claim: Arc<Claim>,
    /// What the command erases along.
    pub(super) also: Vec<Arc<Claim>>,
    pub(super) journal: SharedJournal,
    pub(super) progress: RunState,
}

/// The intent is durable in the custody log and the journal: the first write may come.
#[derive(Debug)]
pub struct Intended(pub(super) Claimed);

/// Every stage came to an end, good or bad.
#[derive(Debug)]
pub struct Erased {
    pub(super) claimed: Claimed,
    pub(super) broken: Option<Failure>,
}

/// The result is known and durable; the medium is no longer needed.
#[derive(Debug)]
pub struct Sealed {
    journal: SharedJournal,
    result: SealedResult,
}

/// What a sealed run proves.
#[derive(Debug)]
pub enum Verdict {
    /// Positive evidence of success.
    Passed(SanitizationRecord),
    /// Anything else.
    Failed(FailureRecord),
}

/// How a person says that this medium is meant.
#[derive(Clone, Copy, Debug)]
pub enum Confirmation<'a> {
    /// The confirm token of a block device.
    Token(&'a str),
    /// `--yes`: only for image files.
    Yes,
}

/// The confirmation does not fit the medium.
#[derive(Debug, thiserror::Error)]
pub enum NotConfirmed {
    /// The token is another one.
    #[error("{given:?} is not the confirm token of {path}; it is {wanted}")]
    WrongToken {
        /// What was typed.
        given: String,
        /// The medium.
        path: String,
        /// Its token.
        wanted: String,
    },
    /// The command erases more than the medium that was confirmed.
    #[error("the command for {path} erases {other} along with it, and that was not confirmed; its token is {wanted}")]
    AlsoReached {
        /// The medium that was named.
        path: String,
        /// The one that was not.
        other: String,
        /// Its token.
        wanted: String,
    },
    /// `--yes` does not confirm a block device.
    #[error("{path} is a block device: --yes does not confirm it, its token {wanted} does")]
    NeedsToken {
        /// The medium.
        path: String,
        /// Its token.
        wanted: String,
    },
}

/// A run could not be started, and nothing was written to the medium; or not be taken up again, and nothing more was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The medium could not be opened, locked, or is another one.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// Its command would erase something else along than what was confirmed.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// The journal could not be written or read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal contradicts itself.
    #[error(transparent)]
    Incoherent(#[from] Incoherent),
}

impl StartError {
    /// What to do next, where the words do not say it themselves.
    pub fn advice(&self) -> Option<String> {
        match self {
            StartError::Claim(error) => error.advice(),
            StartError::Reach(_) | StartError::Journal(_) | StartError::Incoherent(_) => None,
        }
    }
}

impl<S> Run<S> {
    /// What is to be done.
    pub fn plan(&self) -> &RunPlan {
        &self.plan
    }
}

impl Run<Planned> {
    /// A run of which nothing but the plan exists.
    pub fn new(plan: RunPlan) -> Run<Planned> {
        Run { plan, state: Planned(()) }
    }

    /// Takes a person's word that this medium is meant, and by the tokens of the `others` that what its
    /// command erases along is meant too.
    pub fn confirm(self, word: Confirmation<'_>, others: &[String]) -> Result<Run<Confirmed>, NotConfirmed> {
        if let Some(missing) = self.plan.also.iter().find(|medium| !others.contains(&medium.confirm_token)) {
            return Err(NotConfirmed::AlsoReached {
                path: self.plan.medium.path.display().to_string(),
                other: missing.path.display().to_string(),
                wanted: missing.confirm_token.clone(),
            });
        }
        let medium = &self.plan.medium;
        let path = medium.path.display().to_string();
        let wanted = medium.confirm_token.clone();
        let error = match word {
            Confirmation::Token(given) if given == wanted => None,
            Confirmation::Token(given) => Some(NotConfirmed::WrongToken { given: given.to_owned(), path, wanted }),
            Confirmation::Yes if medium.kind == Kind::Image => None,
            Confirmation::Yes => Some(NotConfirmed::NeedsToken { path, wanted }),
        };
        match error {
            None => Ok(Run { plan: self.plan, state: Confirmed(()) }),
            Some(error) => Err(error),
        }
    }
}

impl Run<Confirmed> {
    /// Opens and locks the medium and checks that it still is the planned one. Blocks as long as the
    /// medium does.
    pub fn hold(self, roots: &Roots) -> Result<Run<Held>, StartError> {
        let medium = device::hold(roots, &self.plan.medium, ClaimMode::Write)?;
        if self.plan.reads_back() {
            medium.check_caches()?;
        }
        let also = self.plan.also.iter().map(|other| device::hold(roots, other, ClaimMode::Write));
        let also = also.collect::<Result<_, _>>()?;
        check_reached(roots, &self.plan.ladder, &self.plan.medium, &self.plan.also)?;
        Ok(Run { plan: self.plan, state: Held { medium, also } })
    }
}

/// By which identity the medium of an interrupted run is held now. Among the sizes that it may have while hidden
/// areas are given back it has one. What is anything else than that is refused when it is held.
fn identity_now(progress: &RunState, medium: &Medium) -> Identity {
    let known = progress.identities();
    let same = |known: &Identity| known.differences(&medium.identity).is_empty();
    // The file system of an image has another number than before the reboot; the file is found by path, inode and size.
    // Also where it is the same: the file behind a loop device may have another name by now.
    match known.iter().any(|known| same(known) || known.is_same_file(&medium.identity)) {
        true => medium.identity.clone(),
        false => progress.plan.medium.identity.clone(),
    }
}

/// A namespace that was made since the plan would be erased along, never confirmed and never looked at.
fn check_reached(roots: &Roots, ladder: &[Rung], medium: &Medium, also: &[Medium]) -> Result<(), ReachError> {
    let reaches = [Reach::Subsystem, Reach::Card];
    let mut of_these = reaches.into_iter().filter(|reach| ladder.iter().any(|rung| rung.reach == *reach));
    of_these.try_for_each(|reach| device::check_reached(roots, medium, reach, also))
}

impl Run<Held> {
    /// Checks that nothing stands against the media, with one look at the host for all of them.
    pub fn judge(roots: &Roots, runs: Vec<Run<Held>>) -> Vec<Result<Run<Free>, StartError>> {
        let (mut plans, mut held) = (Vec::new(), Vec::new());
        for run in runs {
            plans.push((run.plan, run.state.also.len()));
            held.push(run.state.medium);
            held.extend(run.state.also);
        }
        let mut claims = device::judge(roots, held).into_iter();
        let free = |(plan, others): (RunPlan, usize)| {
            let mut own: Vec<_> = claims.by_ref().take(others + 1).collect();
            let also = own.split_off(1.min(own.len()));
            let gone = || StartError::Incoherent(Incoherent { number: 0, why: "a medium was not judged" });
            let claim = own.pop().ok_or_else(gone)??;
            Ok(Run { plan, state: Free { claim, also: also.into_iter().collect::<Result<_, _>>()? } })
        };
        plans.into_iter().map(free).collect()
    }
}

impl Run<Free> {
    /// Opens the journal. `earlier` are the runs on the medium as they are known now that it is held.
    pub fn claim(mut self, journals: &Path, earlier: Vec<EarlierAttempt>) -> Result<Run<Claimed>, StartError> {
        self.plan.earlier_attempts = earlier;
        let Free { claim, also } = self.state;
        let mut journal = Journal::create(journals, &self.plan.run_id)?;
        if let Err(error) = journal.append(&JournalEntry::Opened { version: 1, plan: Box::new(self.plan.clone()) }) {
            // Nothing has happened yet; an empty journal would only puzzle whoever reads it.
            let _ = std::fs::remove_file(journal.path());
            return Err(error.into());
        }
        let progress = RunState::new(self.plan.clone());
        let also = also.into_iter().map(Arc::new).collect();
        let state = Claimed { claim: Arc::new(claim), also, journal: SharedJournal::new(journal), progress };
        Ok(Run { plan: self.plan, state })
    }
}

impl Run<Claimed> {
    /// Takes up an interrupted run on `medium`, the same one under whatever name it has now; `also` are
    /// the others that its command erases along.
    pub fn resume(
        roots: &Roots,
        medium: Medium,
        also: &[Medium],
        journal: Journal,
        mut progress: RunState,
        at: DateTime<Utc>,
    ) -> Result<Run<Claimed>, StartError> {
        let identity = identity_now(&progress, &medium);
        let now = Medium { identity, ..medium };
        let others = also.iter().map(|other| device::claim(roots, other, ClaimMode::Write).map(Arc::new));
        let held = others.collect::<Result<Vec<_>, _>>()?;
        let claim = claim(roots, &now, ClaimMode::Write)?;
        if progress.plan.reads_back() {
            claim.check_caches()?;
        }
        let ahead = progress.at + usize::from(progress.rung_state().ended.is_some());
        check_reached(roots, progress.plan.ladder.get(ahead..).unwrap_or_default(), &now, also)?;
        let mut journal = journal;
        let place = match progress.next_stage() {
            _ if progress.unfreezes().is_some() => Some((0, "suspend to RAM".to_owned(), Bytes(0))),
            _ if progress.restores().is_some() => Some((0, "hidden areas".to_owned(), Bytes(0))),
            Some(next) => Some((next.stage.pass, next.stage.work.word().to_owned(), next.watermark)),
            None if !progress.rung().is_by_host() => Some((0, progress.rung().technique.name().to_owned(), Bytes(0))),
            None => None,
        };
        if let (Some((pass, stage, offset)), Some(_)) = (place, &progress.intent) {
            let facts = ResumeFacts { at, path: now.path.clone(), pass, stage, offset };
            let entry = JournalEntry::Resumed { facts };
            journal.append(&entry)?;
            progress.apply(&entry).map_err(|why| Incoherent { number: 0, why })?;
        }
        let state = Claimed { claim: Arc::new(claim), also: held, journal: SharedJournal::new(journal), progress };
        Ok(Run { plan: state.plan_now(), state })
    }

    /// Gives the medium back with nothing written. Its journal goes: it would only offer to go on.
    pub fn discard(self) {
        if self.state.progress.intent.is_none() {
            self.state.journal.remove();
        }
    }

    /// Whether the journal already holds the receipt of the intent.
    pub fn has_intent(&self) -> bool {
        self.state.progress.intent.is_some()
    }

    /// Journals that the intent stands in the custody log. Only now may anything be written.
    pub fn intended(mut self, receipt: Option<IntentReceipt>, at: DateTime<Utc>) -> Result<Run<Intended>, StartError> {
        if let Some(receipt) = receipt {
            let entry = JournalEntry::Intended { receipt, at };
            self.state.journal.append(&entry)?;
            self.state.progress.apply(&entry).map_err(|why| Incoherent { number: 0, why })?;
        }
        if self.state.progress.intent.is_none() {
            return Err(Incoherent { number: 0, why: "no intent is recorded" }.into());
        }
        Ok(Run { plan: self.plan, state: Intended(self.state) })
    }
}

impl Run<Intended> {
    pub(super) fn into_parts(self) -> (RunPlan, Claimed) {
        (self.plan, self.state.0)
    }

    pub(super) fn claimed(&self) -> &Claimed {
        &self.state.0
    }

    /// Goes on with what [`Run::into_parts`] gave, about the medium that the journal says now.
    pub(super) fn of_parts(claimed: Claimed) -> Run<Intended> {
        Run { plan: claimed.plan_now(), state: Intended(claimed) }
    }
}

/// A run that lets go of its medium, which is about to be shown anew by the kernel.
#[derive(Debug)]
pub(super) struct Unclaimed {
    also: Vec<Arc<Claim>>,
    pub(super) journal: SharedJournal,
    pub(super) progress: RunState,
}

impl Claimed {
    /// What the journal plans, told of the medium by the name under which it is held: the one that it had when it was
    /// planned may be another drive's now.
    pub(super) fn plan_now(&self) -> RunPlan {
        let mut plan = self.progress.plan.clone();
        plan.medium.is_now_at(self.claim.medium());
        plan
    }

    pub(super) fn let_go(self) -> (Arc<Claim>, Unclaimed) {
        let Claimed { claim, also, journal, progress } = self;
        (claim, Unclaimed { also, journal, progress })
    }
}

impl Unclaimed {
    pub(super) fn hold(self, claim: Arc<Claim>) -> Claimed {
        let Unclaimed { also, journal, progress } = self;
        Claimed { claim, also, journal, progress }
    }
}

impl Run<Erased> {
    pub(super) fn new_erased(plan: RunPlan, claimed: Claimed, broken: Option<Failure>) -> Run<Erased> {
        Run { plan, state: Erased { claimed, broken } }
    }

    /// Judges the run and makes the result durable.
    pub fn seal(self, tool: ToolFacts, clock: ClockQuality, at: DateTime<Utc>) -> Result<Run<Sealed>, StartError> {
        let Erased { claimed, broken } = self.state;
        seal(self.plan, claimed.progress, claimed.journal, broken, tool, clock, at)
    }
}

impl Run<Sealed> {
    /// A run whose result was journalled before it was interrupted.
    pub fn recover(journal: Journal, progress: RunState) -> Option<Run<Sealed>> {
        let result = progress.sealed?;
        Some(Run { plan: progress.plan, state: Sealed { journal: SharedJournal::new(journal), result } })
    }

    /// Gives up an interrupted run: it becomes a failure, for the reason a person gives.
    pub fn abandon(
        journal: Journal,
        progress: RunState,
        reason: &str,
        tool: ToolFacts,
        clock: ClockQuality,
        at: DateTime<Utc>,
    ) -> Result<Run<Sealed>, StartError> {
        let failure = Failure {
            code: "abandoned".to_owned(),
            message: format!("the run was interrupted and given up: {reason}"),
            advice: "the medium still holds data: wipe it again or destroy it".to_owned(),
        };
        let plan = progress.plan.clone();
        seal(plan, progress, SharedJournal::new(journal), Some(failure), tool, clock, at)
    }

    /// What the run proves. The only place where a [`SanitizationRecord`] is made.
    pub fn verdict(&self) -> Verdict {
        let facts = self.state.result.facts.clone();
        match &self.state.result.failure {
            None => Verdict::Passed(SanitizationRecord::new(facts)),
            Some(failure) => Verdict::Failed(FailureRecord::new(facts, failure.clone())),
        }
    }

    /// The time of signing, fixed so that signing again gives the same bytes.
    pub fn signed_at(&self) -> DateTime<Utc> {
        self.state.result.signed_at
    }

    /// Closes the journal once the evidence is stored.
    pub fn close(self) -> Result<(), JournalError> {
        self.state.journal.close()
    }
}

fn seal(
    plan: RunPlan,
    mut progress: RunState,
    journal: SharedJournal,
    broken: Option<Failure>,
    tool: ToolFacts,
    clock: ClockQuality,
    at: DateTime<Utc>,
) -> Result<Run<Sealed>, StartError> {
    let (facts, failure) = verdict::judge(&progress, broken, tool, clock, at)
        .ok_or(Incoherent { number: 0, why: "no intent is recorded" })?;
    let entry = JournalEntry::Sealed { facts: Box::new(facts), failure, signed_at: at };
    journal.append(&entry)?;
    progress.apply(&entry).map_err(|why| Incoherent { number: 0, why })?;
    let result = progress.sealed.ok_or(Incoherent { number: 0, why: "the result was not kept" })?;
    Ok(Run { plan, state: Sealed { journal, result } })
}

/// A journal that checkpoints may write from another thread.
#[derive(Clone, Debug)]
pub(super) struct SharedJournal(Arc<Mutex<Journal>>);

impl SharedJournal {
    fn new(journal: Journal) -> SharedJournal {
        SharedJournal(Arc::new(Mutex::new(journal)))
    }

    pub(super) fn append(&self, entry: &JournalEntry) -> Result<(), JournalError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).append(entry)
    }

    fn remove(&self) {
        // What is left of it is found as a run that wrote nothing.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove();
    }

    fn close(&self) -> Result<(), JournalError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).close()
    }
}
