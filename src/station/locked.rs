//! A run of SECURITY ERASE UNIT that lost power: the drive comes back locked by the run's own password,
//! and without a capacity. The password is taken off before anything else, so that the drive can be
//! known again by all of its identity.

use std::time::{Duration, Instant};

use crate::device::command::block;
use crate::device::transport::{Linux, Recorder, Transport};
use crate::device::{self, ClaimError, Roots};
use crate::media::{Identity, Medium};
use crate::policy::Technique;
use crate::sanitize::firmware::{BootPartitions, Note, Psids, may_leave, procedure_for};
use crate::sanitize::journal::{Journal, JournalError};
use crate::sanitize::state::{Incoherent, JournalEntry, RunState};
use crate::units::{Bytes, now};

/// So long the kernel may take to ask for the capacity again.
const RESCAN: Duration = Duration::from_secs(20);

/// The drive is here and locked, and stays so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockedError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal contradicts itself.
    #[error(transparent)]
    Incoherent(#[from] Incoherent),
    /// Looking for the drive.
    #[error(transparent)]
    Inventory(#[from] device::InventoryError),
    /// Holding it.
    #[error("{path}: {error}", path = path.display())]
    Claim {
        /// Where it is.
        path: std::path::PathBuf,
        /// Why it cannot be held.
        error: ClaimError,
    },
    /// The password could not be taken off.
    #[error("{path}: {why}", path = path.display())]
    Stays {
        /// Where it is.
        path: std::path::PathBuf,
        /// What happened.
        why: String,
    },
}

/// Takes the run's password off its drive, where the drive is here, alone, and shows no capacity; notes
/// it in the journal. Gives the state with that note; unchanged where there is no such drive.
pub(super) fn unlock_ours(roots: &Roots, journal: &mut Journal, state: RunState) -> Result<RunState, LockedError> {
    let Some(medium) = find_locked(roots, &state)? else { return Ok(state) };
    let technique = state.rung().technique;
    let (words, exchanges) = unlock(roots, &medium, technique, &state)?;
    let Some(what) = words else { return Ok(state) };
    let rung = u32::try_from(state.at).unwrap_or(u32::MAX);
    let entry = JournalEntry::DriveNoted { rung, note: Note::CleanedUp { what }, exchanges, at: now() };
    journal.append(&entry)?;
    let mut state = state;
    state.apply(&entry).map_err(|why| Incoherent { number: 0, why })?;
    let until = Instant::now() + RESCAN;
    while device::find_by_identity(roots, &state.plan.medium.identity)?.is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(state)
}

/// Why a run is given up, and that its password may be left on the drive.
pub(super) fn with_password(reason: &str, state: &RunState) -> String {
    match may_leave(state.rung().technique).filter(|_| may_be_locked(state)) {
        Some(left) => format!("{reason}; {left}"),
        None => reason.to_owned(),
    }
}

/// The run was about to set its password, and nothing says that it is gone again.
fn may_be_locked(state: &RunState) -> bool {
    let (technique, rung) = (state.rung().technique, state.rung_state());
    matches!(technique, Technique::AtaSecurityErase | Technique::AtaSecurityEraseEnhanced)
        && rung.past.sending == Some(technique)
        && rung.ended.is_none()
}

/// The run's drive, where it is here without a capacity and may have been locked by the run.
pub(super) fn find_locked(roots: &Roots, state: &RunState) -> Result<Option<Medium>, device::InventoryError> {
    if !may_be_locked(state) || !state.plan.medium.identity.is_distinctive() {
        return Ok(None);
    }
    // Everything but the capacity: serial number, WWN, model.
    let wanted = Identity { size: Bytes(0), ..state.plan.medium.identity.clone() };
    let mut found = device::find_by_identity(roots, &wanted)?;
    Ok(if found.len() == 1 { found.pop() } else { None })
}

type Done = (Option<String>, Vec<crate::media::Exchange>);

fn unlock(roots: &Roots, medium: &Medium, technique: Technique, state: &RunState) -> Result<Done, LockedError> {
    let path = medium.path.clone();
    let stays = |why: String| LockedError::Stays { path: path.clone(), why };
    let claim =
        device::claim_locked(roots, medium).map_err(|error| LockedError::Claim { path: path.clone(), error })?;
    let procedure = procedure_for(technique, medium, &Psids::default(), BootPartitions::default());
    let Some(procedure) = procedure else { return Ok((None, Vec::new())) };
    let linux = Linux::over(roots, claim.file(), medium).map_err(|error| stays(error.to_string()))?;
    let mut recorder = Recorder::new(linux);
    let log = recorder.log();
    // Who it is by its own word, before its state is changed.
    let look = procedure.look(&mut recorder).map_err(stays)?;
    let kernel = state.plan.medium.identity.serial.as_deref().map(str::trim);
    if kernel.is_none() || look.serial.as_deref() != kernel {
        return Err(stays("it names another serial number than the drive of the run".to_owned()));
    }
    let words = procedure.clean_up(&mut recorder).map_err(stays)?;
    if words.is_some() {
        // A kernel that does not ask again will do so when the drive is plugged again.
        let _ = recorder.block(&block::Request::Rescan, RESCAN);
    }
    Ok((words, log.take()))
}
