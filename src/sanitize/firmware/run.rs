//! The order of the steps.

use std::time::Duration;

use super::area::{self, AreaBlocks, AreaErasure};
use super::bond::Bond;
use super::canary::{Blocks, Canaries};
use super::known::Known;
use super::note::{Diary, DiaryError, Note, Past};
use super::procedure::{Look, Procedure, Started, State};
use super::survey::{Left, Survey};
use crate::device::transport::Transport;
use crate::overwrite::{quick_extents, sample_extents};
use crate::policy::VerificationLevel;
use crate::units::now;

/// Between two looks at the status: often at first, some erases take a second.
const FIRST_POLL: Duration = Duration::from_millis(250);
/// And no more often than this later.
const POLL: Duration = Duration::from_secs(5);
/// The same progress for so long, unless told otherwise: it will not come any more.
pub const STALL: Duration = Duration::from_secs(2 * 3600);
/// No status for so long.
const SILENCE: Duration = Duration::from_secs(60);
/// The same before anything was sent: enough for what a drive says once (a unit attention), and no more where the
/// path returns none at all.
const FIRST_SILENCE: Duration = Duration::from_secs(3);
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
    /// Areas of a card beside the main one, with blocks of their own.
    pub areas: Vec<AreaBlocks<'a>>,
    /// Where notes become durable.
    pub diary: &'a mut dyn Diary,
    /// Time.
    pub clock: &'a mut dyn Clock,
    /// Reads the kernel's view of the identity again, through the held descriptor.
    pub identity: &'a mut dyn FnMut() -> Result<(), String>,
    /// Looks once more whether the command reaches what was confirmed, and nothing else.
    pub reached: &'a mut dyn FnMut(&mut dyn Transport) -> Result<(), String>,
    /// What the drive's own word on who it is has to agree with.
    pub bond: &'a Bond,
    /// How much is read after the erase.
    pub verification: VerificationLevel,
    /// Draws the places that are sampled before and read after.
    pub seed: [u8; 32],
    /// The same progress for so long is a stall ([`STALL`]).
    pub stall: Duration,
}

/// Time as it passes.
pub trait Clock {
    /// Waits; `false` when the run was asked to stop.
    fn wait(&mut self, time: Duration) -> bool;
    /// What the drive said of its progress.
    fn saw(&mut self, state: &State) {
        let _ = state;
    }
    /// So many of so many bytes are read; `false` when the run was asked to stop.
    fn go_on(&mut self, read: u64, of: u64) -> bool {
        let _ = (read, of);
        true
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The drive says that it erased, and nothing of what was known to be there is there.
    Erased(Box<Erasure>),
    /// No success.
    Failed(Failure),
    /// Asked to stop. The drive goes on by itself: take the run up again.
    Interrupted,
    /// An earlier start sent the command, and the drive does not say what became of it. It may be erasing:
    /// that is no failure, and nothing else may be done to it. Take the run up again.
    Unclear(String),
}

/// What shows that it erased.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// The drive's words.
    pub status: String,
    /// Canaries that were stored, and are gone.
    pub canaries: u32,
    /// Blocks of the earlier content that were sampled, and are gone.
    pub samples: u32,
    /// Blocks that were sampled and held nothing to be known again.
    pub blank_samples: u32,
    /// What was read afterwards.
    pub survey: Survey,
    /// What had to be taken off the drive again.
    pub cleaned_up: Option<String>,
    /// The same of areas beside the main one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<AreaErasure>,
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
    /// Something came to what the command reaches, or went from it.
    #[error("the command would not erase what was confirmed: {0}")]
    Reached(String),
    /// A sanitize that is not of this run.
    #[error("the drive is sanitizing already, and not for this run; wait until it has ended")]
    Busy,
    /// It cannot do that.
    #[error("the drive does not support {0}")]
    Unsupported(String),
    /// It would refuse it in its present state.
    #[error("the drive would refuse it now: {0}")]
    Obstacle(String),
    /// The path does not return the status.
    #[error("the drive's state cannot be read on this path: {0}; attach it directly")]
    NoStatus(String),
    /// Without known content a drive that does nothing would not be found out.
    #[error("known content could not be stored before the erase: {0}")]
    Canaries(String),
    /// Something of ours is still on the drive.
    #[error("what an earlier start left on the drive could not be taken off it: {0}")]
    CleanUp(String),
    /// The journal.
    #[error(transparent)]
    Diary(#[from] DiaryError),
}

/// Carries the technique out, or takes it up where `past` says that it was cut. `fresh` are canaries
/// drawn for this run; those of `past` are kept. Blocks until the drive has ended.
pub fn carry_out(session: &mut Session<'_>, past: &Past, fresh: Canaries) -> Result<End, Refusal> {
    let technique = session.procedure.technique();
    let ours = past.sending == Some(technique) || past.completed.as_ref().is_some_and(|(t, _)| *t == technique);
    match begin_or_go_on(session, past, fresh, ours) {
        Err(Refusal::NoStatus(why)) if ours => Ok(End::Unclear(unclear(session, why))),
        ended => ended,
    }
}

/// What a start may have left is taken off where the drive still takes that, and named where it does not.
fn unclear(session: &mut Session<'_>, why: String) -> String {
    let left = session.procedure.clean_up(session.path).unwrap_or_else(Some);
    format!("{why}{}", also(left))
}

fn begin_or_go_on(session: &mut Session<'_>, past: &Past, fresh: Canaries, ours: bool) -> Result<End, Refusal> {
    let technique = session.procedure.technique();
    // Before anything else: after a power cut the drive sanitizes on by itself.
    let state = session.procedure.status(session.path);
    session.clock.saw(&state);
    let Some(mut state) = ask_again(session, state, if ours { SILENCE } else { FIRST_SILENCE }) else {
        return Ok(End::Interrupted);
    };
    if matches!(state, State::Running(_)) && ours && !session.procedure.goes_on_by_itself() {
        match wait_for_its_end(session)? {
            Some(now) => state = now,
            None => return Ok(End::Interrupted),
        }
    }
    match (&state, Known::noted(past)) {
        (State::Unknown(why), _) => return Err(Refusal::NoStatus(why.clone())),
        (State::Running(_), _) if !ours => return Err(Refusal::Busy),
        (State::Running(_), Some(known)) => {
            // Another drive may hang in its place. One that formats answers no Identify: who it is by its own
            // word is asked again when it has ended.
            match identify(session) {
                Ok(_) | Err(Refusal::NoStatus(_)) => {}
                Err(another) => return Err(another),
            }
            return finish(session, &known, Started::Accepted, LONGEST);
        }
        (State::Running(_), None) => return Err(Refusal::Canaries("the journal knows of none".to_owned())),
        (State::Completed(words), Some(known)) if ours => {
            identify(session)?;
            if known.canaries.find(session.blocks).all_gone() {
                return judge(session, &known, words.clone());
            }
            // The status is of an older one: this run's command never reached the drive.
        }
        // An older one's, where nothing came back of this run's command and all is there: it never left.
        (State::Failed(words), Some(known))
            if ours && (past.answered || !known.canaries.find(session.blocks).all_there()) =>
        {
            let cleaned = clean_up(session)?;
            return Ok(End::Failed(drive_failed(words, cleaned)));
        }
        _ => {}
    }
    if ours {
        clean_up(session)?;
    }
    let look = identify(session)?;
    if !look.supported {
        return Err(Refusal::Unsupported(technique.to_string()));
    }
    if let Some(obstacle) = look.obstacle.clone() {
        return Err(Refusal::Obstacle(obstacle));
    }
    area::all_here(session, &look.areas)?;
    let known = Known::make(session, past, fresh, &look, &state)?;
    // The last look before what cannot be undone.
    identify(session)?;
    (session.reached)(session.path).map_err(Refusal::Reached)?;
    session.diary.note(Note::Sending { technique, at: now() })?;
    let started = session.procedure.start_with(session.path, session.blocks, session.clock);
    session.diary.note(Note::Answered { technique, answer: started.words() })?;
    if started == Started::Stopped {
        return Ok(End::Interrupted);
    }
    if let Started::Rejected(why) = &started {
        let cleaned = clean_up(session)?;
        session.diary.note(Note::Rejected { technique, why: why.clone() })?;
        let message = format!("the drive did not begin {technique}: {why}{}", also(cleaned));
        return Ok(End::Failed(failure("rejected", message)));
    }
    let deadline = look.estimate.map_or(LONGEST, |time| time * 3 + session.stall);
    finish(session, &known, started, deadline)
}

/// The drive is still at what a cut start told it; its state after that. `None`: asked to stop.
fn wait_for_its_end(session: &mut Session<'_>) -> Result<Option<State>, Refusal> {
    let mut waited = Duration::ZERO;
    loop {
        if !session.clock.wait(POLL) {
            return Ok(None);
        }
        waited += POLL;
        let state = session.procedure.status(session.path);
        session.clock.saw(&state);
        let Some(state) = ask_again(session, state, SILENCE) else { return Ok(None) };
        match state {
            State::Running(_) if waited < LONGEST => {}
            State::Running(_) => return Err(Refusal::Busy),
            State::Unknown(why) => return Err(Refusal::NoStatus(why)),
            ended => return Ok(Some(ended)),
        }
    }
}

/// One answer that is lost says nothing: asked again for as long as a silence may be. `None`: asked to stop.
fn ask_again(session: &mut Session<'_>, state: State, longest: Duration) -> Option<State> {
    let (mut state, mut silent, mut pause) = (state, Duration::ZERO, FIRST_POLL);
    while matches!(state, State::Unknown(_)) && silent < longest {
        if !session.clock.wait(pause) {
            return None;
        }
        silent += pause;
        pause = (pause * 3 / 2).min(POLL);
        state = session.procedure.status(session.path);
        session.clock.saw(&state);
    }
    Some(state)
}

/// The kernel's view, and the drive's own, of who it is.
fn identify(session: &mut Session<'_>) -> Result<Look, Refusal> {
    (session.identity)().map_err(Refusal::Identity)?;
    let look = session.procedure.look(session.path).map_err(Refusal::NoStatus)?;
    if session.procedure.tells_serial() {
        session.bond.check(look.serial.as_deref()).map_err(Refusal::Identity)?;
    }
    Ok(look)
}

fn clean_up(session: &mut Session<'_>) -> Result<Option<String>, Refusal> {
    session.procedure.clean_up(session.path).map_err(Refusal::CleanUp)
}

fn also(cleaned: Option<String>) -> String {
    cleaned.map(|what| format!("; {what}")).unwrap_or_default()
}

fn drive_failed(words: &str, cleaned: Option<String>) -> Failure {
    failure("drive_failed", format!("the drive reports a failure: {words}{}", also(cleaned)))
}

/// Polls until the drive says that it ended, then looks at the blocks.
fn finish(session: &mut Session<'_>, known: &Known, started: Started, deadline: Duration) -> Result<End, Refusal> {
    let (mut waited, mut unchanged, mut silent) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut last, mut seen_running, mut pause) = (None, false, FIRST_POLL);
    let words = loop {
        let state = session.procedure.status(session.path);
        session.clock.saw(&state);
        match state {
            State::Completed(words) => break words,
            State::Ready if started == Started::Accepted || seen_running => {
                break "ready, and neither a running nor a failed erase is reported".to_owned();
            }
            State::Ready | State::Never => {
                let cleaned = clean_up(session)?;
                // No word of the drive says that it erased: no success, whatever is left.
                let gone = match known.canaries.find(session.blocks).all_gone() {
                    true => {
                        ", although nothing of the known content is there any more: wipe it again, so that it says so"
                    }
                    false => "",
                };
                let message = format!(
                    "the drive knows of no erase after the command was sent ({}){gone}{}",
                    started.words(),
                    also(cleaned)
                );
                return Ok(End::Failed(failure("not_begun", message)));
            }
            State::Failed(words) => {
                let cleaned = clean_up(session)?;
                return Ok(End::Failed(drive_failed(&words, cleaned)));
            }
            State::Running(progress) => {
                (silent, seen_running) = (Duration::ZERO, true);
                unchanged = if progress == last { unchanged + pause } else { Duration::ZERO };
                last = progress;
                // One that gets on is not stalled, however wrong its estimate was.
                let longest = if progress.is_some() { deadline.max(LONGEST) } else { deadline };
                if unchanged >= session.stall && progress.is_some() || waited >= longest {
                    let at = progress.map_or_else(|| "not reported".to_owned(), |p| format!("{p} of 65536"));
                    let message = format!("the erase did not end within {} s; progress {at}", waited.as_secs());
                    return Ok(End::Failed(failure("stalled", message)));
                }
            }
            State::Unknown(why) => {
                silent += pause;
                if silent >= SILENCE {
                    let why = unclear(session, why);
                    let message = format!("the drive's status could not be read for {} s: {why}", silent.as_secs());
                    return Ok(End::Failed(failure("status_lost", message)));
                }
            }
        }
        if !session.clock.wait(pause) {
            return Ok(End::Interrupted);
        }
        waited += pause;
        pause = (pause * 3 / 2).min(POLL);
    };
    if let Err(changed) = identify(session) {
        return Ok(End::Failed(failure("identity_changed", format!("after the erase: {changed}"))));
    }
    judge(session, known, words)
}

/// What the blocks say outweighs what the drive says.
fn judge(session: &mut Session<'_>, known: &Known, status: String) -> Result<End, Refusal> {
    let technique = session.procedure.technique();
    let cleaned_up = clean_up(session)?;
    let found = known.canaries.find(session.blocks);
    let samples = known.samples.find(session.blocks);
    let looked = known.stored as usize + known.samples.blocks.len();
    let left = found.survived.len() + samples.survived.len();
    let unread = found.unread.len() + samples.unread.len();
    let none_stored = known.canaries.lbas.is_empty();
    if left > 0 || unread > 0 || !none_stored && !found.all_gone() {
        let first = |a: &[crate::units::Lba], b: &[crate::units::Lba]| a.first().or(b.first()).map_or(0, |lba| lba.0);
        let (code, count, what, at) = match left {
            0 => ("unread", unread, "could not be read for", first(&found.unread, &samples.unread)),
            _ => ("not_erased", left, "still hold", first(&found.survived, &samples.survived)),
        };
        let why = match code {
            "unread" => {
                let (_, block) = session.blocks.geometry();
                session.procedure.explain_unread(session.path, crate::units::Lba(at), block)
            }
            _ => None,
        };
        let message = format!(
            "the drive reports success ({status}), but {count} of {looked} blocks {what} what stood there before; the \
             first is LBA {at}{}",
            why.map(|why| format!(": {why}")).unwrap_or_default()
        );
        return Ok(End::Failed(failure(code, message)));
    }
    let areas = match area::judge(session, &known.areas, &status) {
        Ok(Some(areas)) => areas,
        Ok(None) => return Ok(End::Interrupted),
        Err(failure) => return Ok(End::Failed(failure)),
    };
    session.diary.note(Note::Completed { technique, status: status.clone(), at: now() })?;
    let Some(survey) = survey(session, none_stored) else { return Ok(End::Interrupted) };
    if !survey.is_clean() {
        let (code, count, what, at) = match survey.mismatched.first() {
            Some(first) => ("mismatch", blocks_of(&survey.mismatched), "hold something else than it leaves", first),
            None => match survey.unread.first() {
                Some(first) => ("read_errors", blocks_of(&survey.unread), "could not be read", first),
                None => return Ok(End::Failed(failure("unread", "not all blocks were read".to_owned()))),
            },
        };
        let message =
            format!("the drive reports success ({status}), but {count} blocks {what} afterwards; the first: {at}");
        return Ok(End::Failed(failure(code, message)));
    }
    Ok(End::Erased(Box::new(Erasure {
        status,
        canaries: known.stored,
        samples: samples.gone,
        blank_samples: known.samples.blank,
        survey,
        cleaned_up,
        areas,
    })))
}

/// Reads as much as was asked for. `None`: asked to stop.
fn survey(session: &mut Session<'_>, nothing_known: bool) -> Option<Survey> {
    let (size, block) = session.blocks.geometry();
    // Where nothing is known of the content before or after, reading it shows nothing.
    let level = if nothing_known && session.procedure.leaves().is_none() {
        VerificationLevel::None
    } else {
        session.verification
    };
    let extents = match level {
        VerificationLevel::None => return Some(Survey::none()),
        VerificationLevel::Sample => sample_extents(size, block, session.seed),
        VerificationLevel::Quick => quick_extents(size, block, session.seed),
        VerificationLevel::Full => std::iter::once(0..size.0).collect(),
    };
    let left = Left::by(session.procedure);
    Survey::read(level, &extents, &left, session.blocks, session.clock)
}

fn blocks_of(ranges: &[crate::units::LbaRange]) -> u64 {
    ranges.iter().fold(0, |sum, range| sum.saturating_add(range.count.0))
}

pub(super) fn failure(code: &'static str, message: String) -> Failure {
    Failure { code, message, advice: "the drive may still hold data: use another technique, or destroy it" }
}
