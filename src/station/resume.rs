//! Interrupted runs: what is open, how far it came, where its medium is now, and going on.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::evidence;
use super::folder::{Station, StationError};
use super::locked::{LockedError, find_locked, unlock_ours, with_password};
use super::program::tool_facts;
use super::run::{Ready, TakenUp};
use crate::custody::AuditConfig;
use crate::device::{self, InventoryError, Roots};
use crate::media::{Medium, Protection};
use crate::sanitize::firmware::Psids;
use crate::sanitize::journal::{self, Journal, JournalError};
use crate::sanitize::state::{Incoherent, RunState};
use crate::sanitize::{Run, StartError, set_back_abandoned};
use crate::signed::StationKey;
use crate::sys::clock;

/// One journal that is not closed.
#[derive(Debug)]
pub struct Interrupted {
    /// The journal file.
    pub journal: PathBuf,
    /// What it says.
    pub state: InterruptedState,
    /// Where the medium is now; empty when it is not attached.
    pub media: Vec<Medium>,
}

impl Interrupted {
    /// The run's id, by the name of its journal.
    pub fn run_id(&self) -> String {
        self.journal.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// What a journal says of its run.
#[derive(Debug)]
pub enum InterruptedState {
    /// The run can go on.
    Open(Box<RunState>),
    /// Another process is working on it now.
    Busy(Box<RunState>),
    /// Nothing had happened when it was cut.
    Empty,
    /// The journal cannot be believed.
    Corrupt(String),
}

/// A run could not be taken up again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal contradicts itself.
    #[error(transparent)]
    Incoherent(#[from] Incoherent),
    /// Looking for the medium.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// Claiming the medium.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The medium is not here.
    #[error("the medium of run {run_id} ({medium}) is not attached")]
    Absent {
        /// Which run.
        run_id: String,
        /// Which medium.
        medium: String,
    },
    /// Another medium of its kind would look the same.
    #[error(
        "the medium of run {run_id} ({medium}) has no serial number and no other name of its own: it cannot be known \
         again, and the wrong one would be overwritten"
    )]
    Indistinct {
        /// Which run.
        run_id: String,
        /// Which medium.
        medium: String,
    },
    /// It may be another medium with the same serial number, or another file in its place.
    #[error(
        "{path} may be another medium than that of run {run_id} ({medium}): no name that is unique in the world says \
         that it is the same, and it is not known to have stayed attached, or to be the same file, since the run was \
         planned",
        path = path.display()
    )]
    MayBeAnother {
        /// Where it is.
        path: PathBuf,
        /// Which run.
        run_id: String,
        /// Which medium.
        medium: String,
        /// What a person types who knows that it is the one.
        wanted: String,
    },
    /// It is addressed in other blocks than when the run began.
    #[error(
        "{path} has logical blocks of {now} bytes, and had {before} when run {run_id} began: is it behind another \
         adapter?",
        path = path.display()
    )]
    OtherBlocks {
        /// Where it is.
        path: PathBuf,
        /// Which run.
        run_id: String,
        /// Bytes then.
        before: u32,
        /// Bytes now.
        now: u32,
    },
    /// More than one medium has this identity.
    #[error("{count} attached media have the identity of run {run_id} ({medium})")]
    Ambiguous {
        /// Which run.
        run_id: String,
        /// Which medium.
        medium: String,
        /// How many.
        count: usize,
    },
    /// Something stands against writing to it now.
    #[error("{path} must not be written to: {}", Protection::joined(reasons), path = path.display())]
    Protected {
        /// Where it is.
        path: PathBuf,
        /// Why.
        reasons: Vec<Protection>,
    },
    /// The run's own password is still on the drive.
    #[error(transparent)]
    Locked(#[from] LockedError),
    /// It reverts the drive by its PSID, which is in no journal.
    #[error("run {run_id} reverts {medium} by its PSID, and it was not given")]
    PsidNeeded {
        /// Which run.
        run_id: String,
        /// Which medium.
        medium: String,
    },
    /// A run without an intent wrote nothing and needs no outcome.
    #[error("run {run_id} had written nothing: its journal was removed")]
    NothingHappened {
        /// Which run.
        run_id: String,
    },
    /// Nothing but the intent is known of the run. The custody log says now that it failed.
    #[error("run {run_id} was closed as failed without a report: its journal says nothing of it")]
    ClosedUnreported {
        /// Which run.
        run_id: String,
    },
    /// The custody log has its outcome, and its journal does not.
    #[error(
        "run {run_id} had ended before, as the custody log says; its journal, which does not, is older than that or \
         damaged"
    )]
    HadEnded {
        /// Which run.
        run_id: String,
    },
    /// The same, and it was given up: there is nothing to report.
    #[error("run {run_id} had ended before, as the custody log says: its journal was put into journal/corrupt")]
    PutAside {
        /// Which run.
        run_id: String,
    },
    /// The state folder.
    #[error(transparent)]
    Station(#[from] StationError),
}

/// Every journal that is not closed, with the place of its medium now.
pub fn interrupted(station: &Station, roots: &Roots) -> Result<Vec<Interrupted>, ResumeError> {
    let mut found = Vec::new();
    for path in journal::unfinished(&station.journals())? {
        found.extend(look(roots, path)?);
    }
    Ok(found)
}

/// `None`: the run has ended since its journal was listed.
fn look(roots: &Roots, path: PathBuf) -> Result<Option<Interrupted>, ResumeError> {
    let folded = match Journal::peek(&path) {
        Ok(entries) => RunState::fold(&entries).map_err(|e| e.to_string()),
        Err(JournalError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error @ JournalError::Io { .. }) => return Err(error.into()),
        Err(error) => Err(error.to_string()),
    };
    let (state, media) = match folded {
        Ok(None) => (InterruptedState::Empty, Vec::new()),
        Err(why) => (InterruptedState::Corrupt(why), Vec::new()),
        Ok(Some(state)) => {
            let mut media = find(roots, &state)?;
            if media.is_empty() {
                media.extend(find_locked(roots, &state)?);
            }
            let state = Box::new(state);
            let busy = Journal::is_busy(&path);
            (if busy { InterruptedState::Busy(state) } else { InterruptedState::Open(state) }, media)
        }
    };
    Ok(Some(Interrupted { journal: path, state, media }))
}

/// Where the run's medium is now. A loop device and the image behind it share an identity; a run
/// goes on only on what it began on.
fn find(roots: &Roots, state: &RunState) -> Result<Vec<Medium>, InventoryError> {
    let begun = &state.plan.medium;
    let mut media = Vec::new();
    for identity in state.identities() {
        media.extend(device::find_by_identity(roots, &identity)?);
    }
    media.retain(|m| m.kind == begun.kind && m.partition.is_some() == begun.partition.is_some());
    Ok(media)
}

/// Finds the medium of one interrupted run again. [`super::execute`] opens it and goes on. `confirmed` are the
/// confirm tokens of media that a person says are the ones.
pub fn resume(
    station: &Station,
    roots: &Roots,
    journal: &Path,
    psids: &Psids,
    confirmed: &[String],
) -> Result<Ready, ResumeError> {
    let (mut journal, entries) = Journal::open(journal)?;
    let Some(state) = RunState::fold(&entries)? else {
        return Err(empty(station, journal)?);
    };
    if state.sealed.is_some() {
        return match Run::recover(journal, state) {
            Some(run) => Ok(Ready::Sealed(Box::new(run))),
            None => Err(Incoherent { number: entries.len(), why: "the result was not kept" }.into()),
        };
    }
    // The medium may be in use again since.
    if let Some(run_id) = ended(station, &journal)? {
        return Err(ResumeError::HadEnded { run_id });
    }
    let state = unlock_ours(roots, &mut journal, state)?;
    let run_id = state.plan.run_id.clone();
    let medium = state.plan.medium.identity.label();
    // With nothing written yet there is nothing to be mistaken about either, but the medium that a
    // person confirmed is not known all the same.
    if !state.plan.medium.identity.is_distinctive() {
        return Err(ResumeError::Indistinct { run_id, medium });
    }
    let mut media = find(roots, &state)?;
    let found = match media.len() {
        0 => return Err(ResumeError::Absent { run_id, medium }),
        1 => media.remove(0),
        count => return Err(ResumeError::Ambiguous { run_id, medium, count }),
    };
    if !found.may_be_wiped() {
        return Err(ResumeError::Protected { path: found.path, reasons: found.protections });
    }
    let born = device::file_born(&found.identity);
    if state.may_be_another(roots.boot().as_deref(), &found, born) && !confirmed.contains(&found.confirm_token) {
        let wanted = found.confirm_token;
        return Err(ResumeError::MayBeAnother { path: found.path, run_id, medium, wanted });
    }
    if state.needs_psid() && psids.of(&found).is_none() {
        return Err(ResumeError::PsidNeeded { run_id, medium });
    }
    let also = state.plan.also.iter().map(|other| find_again(roots, other, &run_id)).collect::<Result<_, _>>()?;
    let (before, now_block) = (state.plan.medium.geometry.logical_block, found.geometry.logical_block);
    if before != now_block {
        return Err(ResumeError::OtherBlocks { path: found.path, run_id, before, now: now_block });
    }
    Ok(Ready::Resumed(Box::new(TakenUp { medium: found, also, journal, state })))
}

/// One of the media that the run's command erases along, under the name it has now. One that was put
/// to use since must not be erased: then the run waits.
fn find_again(roots: &Roots, other: &Medium, run_id: &str) -> Result<Medium, ResumeError> {
    let mut media = device::find_by_identity(roots, &other.identity)?;
    media.retain(|m| m.kind == other.kind);
    let medium = other.identity.label();
    let found = match media.len() {
        0 => return Err(ResumeError::Absent { run_id: run_id.to_owned(), medium }),
        1 => media.remove(0),
        count => return Err(ResumeError::Ambiguous { run_id: run_id.to_owned(), medium, count }),
    };
    if found.may_be_wiped() {
        return Ok(found);
    }
    Err(ResumeError::Protected { path: found.path, reasons: found.protections })
}

/// Gives a run up: it ends as a failure with a signed report, and the log gets its outcome. Of a
/// corrupt journal what stands before the damage is reported, and all of it is kept aside. Of a run that
/// has its outcome nothing is.
pub fn abandon(
    station: &Station,
    key: &StationKey,
    journal: &Path,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Ready, ResumeError> {
    let believable = |entries: &[_]| RunState::fold(entries).is_ok();
    let salvage = |journal: Journal| {
        let path = journal.path().to_owned();
        drop(journal);
        Journal::salvage(&path, believable)
    };
    let (mut journal, mut entries, mut is_kept) = match Journal::open(journal) {
        Err(JournalError::Corrupt { .. }) => Journal::salvage(journal, believable).map(|(j, e)| (j, e, true))?,
        other => other.map(|(j, e)| (j, e, false))?,
    };
    if !believable(&entries) {
        ((journal, entries), is_kept) = (salvage(journal)?, true);
    }
    let state = RunState::fold(&entries)?;
    let is_sealed = state.as_ref().is_some_and(|state| state.sealed.is_some());
    if !is_sealed && let Some(run_id) = ended(station, &journal)? {
        let journal = if is_kept { journal } else { salvage(journal)?.0 };
        journal.remove()?;
        return Err(ResumeError::PutAside { run_id });
    }
    let mut state = match state {
        Some(state) if is_sealed || state.intent.is_some() => state,
        _ => return close_unreported(station, key, journal, reason),
    };
    if is_sealed {
        return match Run::recover(journal, state) {
            Some(run) => Ok(Ready::Sealed(Box::new(run))),
            None => Err(Incoherent { number: entries.len(), why: "the result was not kept" }.into()),
        };
    }
    set_back_abandoned(&Roots::live(), &mut journal, &mut state)?;
    let (reason, tool) = (with_password(reason, &state), tool_facts(station));
    Ok(Ready::Sealed(Box::new(Run::abandon(journal, state, &reason, tool, clock::quality().into(), now)?)))
}

/// The run of a journal, where the custody log has its outcome.
fn ended(station: &Station, journal: &Journal) -> Result<Option<String>, ResumeError> {
    let run_id = journal.run_id();
    let outcome = station.log()?.outcome(&run_id, &AuditConfig::default()).map_err(StationError::from)?;
    Ok(outcome.map(|_| run_id))
}

/// A journal that knows of no intent: nothing was written, or nothing is known of it. An intent that
/// the custody log has all the same gets its outcome.
fn close_unreported(station: &Station, key: &StationKey, journal: Journal, reason: &str) -> Result<Ready, ResumeError> {
    let run_id = journal.run_id();
    let log = station.log()?;
    let closed = evidence::log_failure_without_report(&log, key, &run_id, reason).map_err(StationError::from)?;
    match (remove_empty(journal), closed) {
        (ResumeError::NothingHappened { run_id }, true) => Err(ResumeError::ClosedUnreported { run_id }),
        (other, _) => Err(other),
    }
}

/// A journal that says nothing stands for a run that had not begun, unless the custody log knows more.
fn empty(station: &Station, journal: Journal) -> Result<ResumeError, ResumeError> {
    let run_id = journal.run_id();
    if evidence::is_intended(&station.log()?, &run_id).map_err(StationError::from)? {
        let (path, why) = (journal.path().to_owned(), "it is empty, and the custody log has the intent of its run");
        return Ok(JournalError::Corrupt { path, line: 1, why: why.to_owned() }.into());
    }
    Ok(remove_empty(journal))
}

/// A journal without an intent stands for a run that had not begun.
fn remove_empty(journal: Journal) -> ResumeError {
    let run_id = journal.run_id();
    match journal.remove() {
        Ok(()) => ResumeError::NothingHappened { run_id },
        Err(error) => error.into(),
    }
}
