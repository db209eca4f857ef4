//! A frozen drive unfrozen, between the intent and the first write: what is noted before the machine is
//! suspended, and by what the drive is known again after it.

use std::time::{Duration, Instant};

use super::erase::{Stopped, apply};
use super::firmware::{FrozenError, still_frozen};
use super::record::Frozen;
use super::run::{Claimed, Intended, Run};
use super::state::JournalEntry;
use super::unfreezing::SuspendNote;
use crate::device::transport::{Linux, Recorder};
use crate::device::{NoSleep, Roots, Slept};
use crate::media::Exchange;
use crate::units::now;

/// Whether the machine still has to be suspended for a run.
#[derive(Debug)]
pub enum BeforeSuspend {
    /// The drive is not frozen any more.
    Thawed(Run<Intended>),
    /// It is.
    Frozen(Run<Intended>, Vec<Frozen>),
}

/// So long a drive may take to answer after the machine woke.
const COME_BACK: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

impl Run<Intended> {
    /// What an earlier start of the run did to the machine, a sentence each.
    pub fn suspended_before(&self) -> Vec<String> {
        self.claimed().progress.unfreezing.words()
    }

    /// Looks whether the drive is frozen now. Blocks for as long as the drive does.
    pub fn before_suspend(self, roots: &Roots) -> Result<BeforeSuspend, Stopped> {
        let (_, mut claimed) = self.into_parts();
        let (frozen, exchanges) = look(roots, &claimed, Duration::ZERO)?;
        if !frozen.is_empty() {
            return Ok(BeforeSuspend::Frozen(Run::of_parts(claimed), frozen));
        }
        note(&mut claimed, SuspendNote::Looked { frozen }, exchanges)?;
        Ok(BeforeSuspend::Thawed(Run::of_parts(claimed)))
    }

    /// Makes durable that the machine is about to be suspended.
    pub fn note_suspending(self, frozen: Vec<Frozen>) -> Result<Run<Intended>, Stopped> {
        let (_, mut claimed) = self.into_parts();
        note(&mut claimed, SuspendNote::Suspending { frozen }, Vec::new())?;
        Ok(Run::of_parts(claimed))
    }

    /// The machine runs again, or was not suspended: is it the same drive, and is it frozen? What it is still
    /// frozen for, its commands refuse as before; the run's ladder says what follows from that.
    pub fn after_suspend(self, roots: &Roots, suspended: &Result<Slept, NoSleep>) -> Result<Run<Intended>, Stopped> {
        let (_, mut claimed) = self.into_parts();
        let what = match suspended {
            Ok(slept) => SuspendNote::Woke { slept_seconds: u32::try_from(slept.time.as_secs()).unwrap_or(u32::MAX) },
            Err(why) => SuspendNote::NotSuspended { why: why.to_string() },
        };
        note(&mut claimed, what, Vec::new())?;
        let (frozen, exchanges) = look(roots, &claimed, COME_BACK)?;
        note(&mut claimed, SuspendNote::Looked { frozen }, exchanges)?;
        Ok(Run::of_parts(claimed))
    }
}

/// Who the drive is by the kernel's view through the held descriptor, and by its own word; and what is frozen.
fn look(roots: &Roots, claimed: &Claimed, patience: Duration) -> Result<(Vec<Frozen>, Vec<Exchange>), Stopped> {
    let Some(plan) = claimed.progress.unfreezes() else { return Ok((Vec::new(), Vec::new())) };
    let medium = claimed.claim.medium();
    let serial = medium.identity.serial.clone().unwrap_or_default();
    let until = Instant::now() + patience;
    loop {
        claimed.claim.check_identity().map_err(|changed| Stopped::MediumGone { error: changed.to_string() })?;
        let linux = Linux::over(roots, claimed.claim.file(), medium).map_err(unclear)?;
        let mut recorder = Recorder::new(linux);
        let log = recorder.log();
        match still_frozen(&mut recorder, &serial, &plan.frozen) {
            Ok(frozen) => {
                // Nor did it change while it was asked.
                claimed.claim.check_identity().map_err(|changed| Stopped::MediumGone { error: changed.to_string() })?;
                return Ok((frozen, log.take()));
            }
            Err(another @ FrozenError::Another { .. }) => {
                return Err(Stopped::MediumGone { error: another.to_string() });
            }
            Err(FrozenError::NotSaid(why)) => {
                if let Some(error) = claimed.claim.gone() {
                    return Err(Stopped::MediumGone { error });
                }
                if Instant::now() >= until {
                    return Err(unclear(why));
                }
            }
        }
        std::thread::sleep(PAUSE);
    }
}

fn note(claimed: &mut Claimed, note: SuspendNote, exchanges: Vec<Exchange>) -> Result<(), Stopped> {
    let entry = JournalEntry::SuspendNoted { note, exchanges, at: now() };
    claimed.journal.append(&entry)?;
    apply(claimed, &entry)
}

fn unclear(why: impl ToString) -> Stopped {
    Stopped::NotUnfrozen { why: why.to_string() }
}
