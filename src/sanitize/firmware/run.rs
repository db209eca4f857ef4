//! The order of the steps.

use std::time::Duration;

use super::canary::{Blocks, Canaries};
use super::note::{Diary, DiaryError, Note, Past};
use super::procedure::{Procedure, Started, State};
use crate::device::transport::Transport;
use crate::units::now;

/// Between two looks at the status.
const POLL: Duration = Duration::from_secs(5);
/// The same progress for so long, or so often no status: it will not come any more.
const STALL: Duration = Duration::from_secs(2 * 3600);
const SILENT_POLLS: u32 = 12;
/// Without an estimate of the drive.
const LONGEST: Duration = Duration::from_secs(96 * 3600);

/// Everything one technique works with.
pub struct Session<'a> {
    /// The technique.
    pub procedure: &'a dyn Procedure,
    /// The path to the drive.
    pub path: &'a mut dyn Transport,
    /// The same drive's blocks.
    pub blocks: &'a mut dyn Blocks,
    /// Where notes become durable.
    pub diary: &'a mut dyn Diary,
    /// Time.
    pub clock: &'a mut dyn Clock,
    /// Reads the kernel's view of the identity again, through the held descriptor.
    pub identity: &'a mut dyn FnMut() -> Result<(), String>,
    /// Serial number by the kernel's view.
    pub serial: Option<&'a str>,
}

/// Time as it passes.
pub trait Clock {
    /// Waits; `false` when the run was asked to stop.
    fn wait(&mut self, time: Duration) -> bool;
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The drive says that it erased, and nothing of what was known to be there is there.
    Erased {
        /// The drive's words.
        status: String,
        /// Canaries that were stored, and are gone.
        canaries: u32,
    },
    /// No success.
    Failed(Failure),
    /// Asked to stop. The drive goes on by itself: take the run up again.
    Interrupted,
}

/// Why it is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Word for programs.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
}

/// Nothing was sent that erases; an earlier start may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another medium, or not known to be the same.
    #[error("the drive is not known to be the one that was meant: {0}")]
    Identity(String),
    /// A sanitize that is not of this run.
    #[error("the drive is sanitizing already, and not for this run; wait until it has ended")]
    Busy,
    /// It cannot do that.
    #[error("the drive does not support {0}")]
    Unsupported(String),
    /// The path does not return the status.
    #[error("the drive's state cannot be read on this path: {0}; attach it directly")]
    NoStatus(String),
    /// Without known content a drive that does nothing would not be found out.
    #[error("known content could not be stored before the erase: {0}")]
    Canaries(String),
    /// The journal.
    #[error(transparent)]
    Diary(#[from] DiaryError),
}

/// Carries the technique out, or takes it up where `past` says that it was cut. `fresh` are canaries
/// drawn for this run; those of `past` are kept. Blocks until the drive has ended.
pub fn carry_out(session: &mut Session<'_>, past: &Past, fresh: Canaries) -> Result<End, Refusal> {
    let operation = session.procedure.operation();
    let ours = past.sending == Some(operation) || past.completed.as_ref().is_some_and(|(op, _)| *op == operation);
    // Before anything else: after a power cut the drive sanitizes on by itself.
    let state = session.procedure.status(session.path);
    let kept = past.canaries.clone().and_then(|(canaries, stored)| Some((canaries, stored?)));
    match (&state, kept) {
        (State::Unknown(why), _) => return Err(Refusal::NoStatus(why.clone())),
        (State::Running(_), _) if !ours => return Err(Refusal::Busy),
        (State::Running(_), Some((canaries, stored))) => {
            // It answers Identify while it sanitizes: another drive may hang in its place.
            identify(session)?;
            return finish(session, &canaries, stored, Started::Accepted, LONGEST);
        }
        (State::Running(_), None) => return Err(Refusal::Canaries("the journal knows of none".to_owned())),
        (State::Completed(words), Some((canaries, stored))) if ours => {
            identify(session)?;
            if canaries.find(session.blocks).all_gone() {
                return judge(session, &canaries, stored, words.clone());
            }
            // The status is of an older one: this run's command never reached the drive.
        }
        (State::Failed(words), Some(_)) if ours => {
            return Ok(End::Failed(failure("drive_failed", format!("the drive reports a failure: {words}"))));
        }
        _ => {}
    }
    let look = identify(session)?;
    if !look.supported {
        return Err(Refusal::Unsupported(operation.name()));
    }
    let stored = store(session, &fresh)?;
    // The last look before what cannot be undone.
    identify(session)?;
    session.diary.note(Note::Sending { operation, at: now() })?;
    let started = session.procedure.start(session.path);
    if let Started::Rejected(why) = &started {
        session.diary.note(Note::Rejected { operation, why: why.clone() })?;
        return Ok(End::Failed(failure("rejected", format!("the drive did not begin {operation}: {why}"))));
    }
    let deadline = look.estimate.map_or(LONGEST, |time| time * 3 + STALL);
    finish(session, &fresh, stored, started, deadline)
}

/// The kernel's view, and the drive's own, of who it is.
fn identify(session: &mut Session<'_>) -> Result<super::procedure::Look, Refusal> {
    (session.identity)().map_err(Refusal::Identity)?;
    let look = session.procedure.look(session.path).map_err(Refusal::NoStatus)?;
    match session.serial.map(str::trim) {
        Some(kernel) if look.serial.as_deref() != Some(kernel) => {
            let drive = look.serial.as_deref().unwrap_or("nothing");
            Err(Refusal::Identity(format!("the kernel says serial {kernel:?}, the drive itself {drive:?}")))
        }
        _ => Ok(look),
    }
}

fn store(session: &mut Session<'_>, canaries: &Canaries) -> Result<u32, Refusal> {
    session.diary.note(Note::CanariesPlanned { canaries: canaries.clone() })?;
    let stored = canaries.store(session.blocks).map_err(|error| Refusal::Canaries(error.to_string()))?;
    if stored == 0 || stored as usize != canaries.lbas.len() {
        let wanted = canaries.lbas.len();
        return Err(Refusal::Canaries(format!("{stored} of {wanted} blocks gave back what was written to them")));
    }
    session.diary.note(Note::CanariesStored { stored })?;
    Ok(stored)
}

/// Polls until the drive says that it ended, then looks at the blocks.
fn finish(
    session: &mut Session<'_>,
    canaries: &Canaries,
    stored: u32,
    started: Started,
    deadline: Duration,
) -> Result<End, Refusal> {
    let (mut waited, mut unchanged, mut silent) = (Duration::ZERO, Duration::ZERO, 0);
    let (mut last, mut seen_running) = (None, false);
    let words = loop {
        match session.procedure.status(session.path) {
            State::Completed(words) => break words,
            State::Ready if started == Started::Accepted || seen_running => {
                break "ready, and neither a running nor a failed sanitize is reported".to_owned();
            }
            State::Ready | State::Never => {
                let message = format!("the drive knows of no sanitize after the command was sent ({started:?})");
                return Ok(End::Failed(failure("not_begun", message)));
            }
            State::Failed(words) => {
                return Ok(End::Failed(failure("drive_failed", format!("the drive reports a failure: {words}"))));
            }
            State::Running(progress) => {
                (silent, seen_running) = (0, true);
                unchanged = if progress == last { unchanged + POLL } else { Duration::ZERO };
                last = progress;
                if unchanged >= STALL && progress.is_some() || waited >= deadline {
                    let at = progress.map_or_else(|| "not reported".to_owned(), |p| format!("{p} of 65536"));
                    let message = format!("the sanitize did not end within {} s; progress {at}", waited.as_secs());
                    return Ok(End::Failed(failure("stalled", message)));
                }
            }
            State::Unknown(why) => {
                silent += 1;
                if silent >= SILENT_POLLS {
                    let message = format!("the drive's status could not be read {silent} times: {why}");
                    return Ok(End::Failed(failure("status_lost", message)));
                }
            }
        }
        if !session.clock.wait(POLL) {
            return Ok(End::Interrupted);
        }
        waited += POLL;
    };
    if let Err(changed) = identify(session) {
        return Ok(End::Failed(failure("identity_changed", format!("after the sanitize: {changed}"))));
    }
    judge(session, canaries, stored, words)
}

/// What the blocks say outweighs what the drive says.
fn judge(session: &mut Session<'_>, canaries: &Canaries, stored: u32, status: String) -> Result<End, Refusal> {
    let operation = session.procedure.operation();
    let found = canaries.find(session.blocks);
    if found.all_gone() {
        session.diary.note(Note::Completed { operation, status: status.clone(), at: now() })?;
        return Ok(End::Erased { status, canaries: stored });
    }
    let (left, unread) = (found.survived.len(), found.unread.len());
    let first = found.survived.first().or(found.unread.first()).map_or(0, |lba| lba.0);
    let (code, what) = if left > 0 { ("not_erased", "still hold") } else { ("unread", "could not be read for") };
    let count = if left > 0 { left } else { unread };
    let message = format!(
        "the drive reports success ({status}), but {count} of {stored} blocks {what} what was written before; the \
         first is LBA {first}"
    );
    Ok(End::Failed(failure(code, message)))
}

fn failure(code: &'static str, message: String) -> Failure {
    Failure { code, message, advice: "the drive may still hold data: use another technique, or destroy it" }
}
