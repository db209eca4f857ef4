//! A technique of the drive's own within a run: a helper thread carries it out, the task watches.

mod thread;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::erase::{Bench, STOP_PATIENCE, Stopped, apply, gone, record};
use super::event::{Event, Snapshot};
use super::firmware::{Past, may_leave};
use super::record::Failure;
use super::run::Claimed;
use super::rung::{RungEnd, known_content};
use super::state::{JournalEntry, RunPlan};
use crate::policy::Technique;
use crate::sys::Presence;
use crate::units::{Bytes, now};
use thread::{Left, Work};

/// What the thread and the task share.
#[derive(Debug)]
pub(super) struct Pulse(Mutex<Beat>);

#[derive(Debug)]
struct Beat {
    phase: &'static str,
    /// Part of the phase that is done, where it is known.
    fraction: Option<f64>,
    /// Until then the thread may be silent: it waits for the drive.
    patience_until: Instant,
    stop: bool,
    /// What the thread journalled, for the task's copy of the state.
    entries: Vec<JournalEntry>,
}

impl Pulse {
    fn new(patience: Duration) -> Arc<Pulse> {
        Arc::new(Pulse(Mutex::new(Beat {
            phase: "erase",
            fraction: None,
            patience_until: Instant::now() + patience,
            stop: false,
            entries: Vec::new(),
        })))
    }

    fn beat<T>(&self, change: impl FnOnce(&mut Beat) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The thread is about to wait for the drive, at most so long.
    pub(super) fn expect(&self, patience: Duration) {
        self.beat(|beat| beat.patience_until = Instant::now() + patience);
    }

    pub(super) fn show(&self, phase: &'static str, fraction: Option<f64>) {
        self.beat(|beat| (beat.phase, beat.fraction) = (phase, fraction));
    }

    pub(super) fn stops(&self) -> bool {
        self.beat(|beat| beat.stop)
    }

    pub(super) fn journalled(&self, entry: JournalEntry) {
        self.beat(|beat| beat.entries.push(entry));
    }
}

/// Carries the present rung out. `Ok(Some)`: it failed, for this reason.
pub(super) async fn erase_by_drive(
    plan: &RunPlan,
    claimed: &mut Claimed,
    bench: &Bench,
    watch: &dyn Fn(Event),
) -> Result<Option<Failure>, Stopped> {
    let patience = bench.faults.stall_timeout;
    let pulse = Pulse::new(patience);
    let work = Work {
        plan: plan.clone(),
        at: claimed.progress.at,
        past: past(claimed),
        claim: claimed.claim.clone(),
        also: claimed.also.clone(),
        journal: claimed.journal.clone(),
        roots: bench.roots.clone(),
        pulse: pulse.clone(),
        patience,
        stall: bench.erase_stall,
        psids: bench.psids.clone(),
        tried: claimed.progress.unfreezing.words(),
        sent_before: claimed.progress.rungs[..claimed.progress.at].iter().any(|rung| rung.past.first_sent.is_some()),
    };
    let left = drive(plan, claimed, bench, watch, &pulse, work).await;
    for entry in pulse.beat(|beat| std::mem::take(&mut beat.entries)) {
        apply(claimed, &entry)?;
    }
    match left? {
        Left::Erased => Ok(None),
        Left::Failed(failure) => match gone(&claimed.claim, bench).await? {
            // A drive that was pulled did not fail: it can be connected again.
            Some(error) if claimed.progress.rung_state().ended.is_none() => Err(Stopped::MediumGone { error }),
            _ => Ok(Some(failure)),
        },
        Left::Interrupted => Err(Stopped::Asked),
        Left::Unclear(why) => match gone(&claimed.claim, bench).await? {
            Some(error) => Err(Stopped::MediumGone { error }),
            None => Err(Stopped::EraseUnclear { why }),
        },
        Left::Journal(error) => Err(Stopped::Journal(error)),
    }
}

/// What is noted of the present rung, with what those before it left as known content.
fn past(claimed: &Claimed) -> Past {
    let state = &claimed.progress;
    let tried: Vec<_> = state.plan.ladder.iter().map(|rung| rung.technique).zip(&state.rungs).take(state.at).collect();
    Past { earlier: known_content(&tried), ..state.rung_state().past.clone() }
}

async fn drive(
    plan: &RunPlan,
    claimed: &Claimed,
    bench: &Bench,
    watch: &dyn Fn(Event),
    pulse: &Arc<Pulse>,
    work: Work,
) -> Result<Left, Stopped> {
    let began = Instant::now();
    let technique = claimed.progress.rung().technique;
    let snapshot = |first: bool| {
        let (phase, fraction) = pulse.beat(|beat| (beat.phase, beat.fraction));
        let snapshot = snapshot(plan, technique.name(), phase, fraction, began.elapsed());
        watch(if first { Event::Stage(snapshot) } else { Event::Progress(snapshot) });
    };
    snapshot(true);
    let mut call = std::pin::pin!(bench.blocking.call(move || work.carry_out()));
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    let mut stop = bench.stop.clone();
    let mut stopping: Option<Instant> = None;
    let mut presence = Presence::new();
    loop {
        tokio::select! {
            left = &mut call => return Ok(left?),
            _ = tick.tick() => {
                snapshot(false);
                if let Some(away) = presence.look() {
                    // This process stood still, its helper thread too.
                    pulse.beat(|beat| beat.patience_until += away);
                    stopping = stopping.map(|since| since + away);
                }
                let silent_since = pulse.beat(|beat| beat.patience_until);
                if silent_since.elapsed() >= bench.faults.stall_timeout {
                    return Ok(Left::Failed(silent(technique, silent_since.elapsed())));
                }
                // The drive goes on by itself; what it does is read when the run is taken up.
                if stopping.is_some_and(|since| since.elapsed() >= STOP_PATIENCE) {
                    return Ok(Left::Interrupted);
                }
            }
            _ = stop.wait_for(|stop| *stop), if stopping.is_none() => {
                stopping = Some(Instant::now());
                pulse.beat(|beat| beat.stop = true);
            }
        }
    }
}

/// Journals how a rung ended that the thread left without an end of its own.
pub(super) async fn end(claimed: &mut Claimed, failure: &Failure, bench: &Bench) -> Result<(), Stopped> {
    if claimed.progress.rung_state().ended.is_some() {
        return Ok(());
    }
    let rung = u32::try_from(claimed.progress.at).unwrap_or(u32::MAX);
    let end = RungEnd::Failed { failure: failure.clone() };
    let entry = JournalEntry::DriveEnded { rung, end, exchanges: Vec::new(), at: now() };
    record(claimed, entry, bench).await
}

fn silent(technique: Technique, time: Duration) -> Failure {
    let left = may_leave(technique).map(|what| format!("; {what}")).unwrap_or_default();
    let seconds = time.as_secs();
    Failure {
        code: "stalled".to_owned(),
        message: format!("{}: the drive gave no answer for {seconds} s beyond its time{left}", technique.name()),
        advice: "unplug the medium, try it on another port, or destroy it".to_owned(),
    }
}

fn snapshot(
    plan: &RunPlan,
    technique: &'static str,
    phase: &'static str,
    fraction: Option<f64>,
    time: Duration,
) -> Snapshot {
    let size = plan.medium.geometry.size;
    let share = fraction.unwrap_or(0.0).clamp(0.0, 1.0);
    let done = (size.0 as f64 * share) as u64;
    let left = (share > 0.01).then(|| (time.as_secs_f64() / share * (1.0 - share)).ceil() as u64);
    Snapshot {
        run_id: plan.run_id.clone(),
        path: plan.medium.path.clone(),
        medium: plan.medium.identity.label(),
        technique: Some(technique),
        pass: 1,
        passes: 1,
        work: phase,
        done: Bytes(done),
        total: size,
        percent: share * 100.0,
        run_percent: share * 100.0,
        bytes_per_second: 0,
        bytes_per_second_average: 0,
        eta_seconds: left,
        errors: 0,
        silent_seconds: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_that_stalls_with_a_password_of_ours_names_the_way_out() {
        let words = |technique| silent(technique, Duration::from_secs(9)).message;
        let stalled = words(Technique::AtaSecurityErase);
        assert!(stalled.contains("9 s beyond its time; the password `lastwrite` may be left"), "{stalled}");
        assert!(stalled.contains("hdparm") && !words(Technique::NvmeSanitizeBlock).contains("password"));
    }
}
