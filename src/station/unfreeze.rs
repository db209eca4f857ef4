//! A frozen drive and the machine it hangs on: whether the machine may be suspended to RAM for it, and that it
//! is, once for all drives of a call, before anything else of the call begins.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;

use super::evidence;
use super::offers::Answers;
use super::result::TargetResult;
use super::run::{Cut, Desk, Named, Ready};
use crate::device::{NoSleep, Roots, Sleep, Slept};
use crate::media::Medium;
use crate::sanitize::event::Event;
use crate::sanitize::journal::{self, Journal, JournalError};
use crate::sanitize::record::Frozen;
use crate::sanitize::rung::Rung;
use crate::sanitize::state::RunState;
use crate::sanitize::{BeforeSuspend, Intended, Run, Stopped, UnfreezePlan};
use crate::sys::within;

/// The clock's alarm counts from before the machine begins to be suspended, and disks take their time to
/// stop.
const WAKE_AFTER: Duration = Duration::from_secs(30);
/// Beyond the time after which a silent medium is given up: drives start, and answer again.
const START: Duration = Duration::from_secs(120);

/// What is to be done to the machine before techniques of a ladder that are frozen now can be used; or why it
/// cannot be done.
pub(super) fn plan(
    roots: &Roots,
    journals: Option<&Path>,
    medium: &Medium,
    rungs: &[Rung],
    answers: &Answers,
) -> Result<Option<UnfreezePlan>, String> {
    let mut frozen: Vec<Frozen> = Vec::new();
    for rung in rungs {
        if let Some(what) = answers.look(rung.technique).and_then(|look| look.frozen)
            && !frozen.contains(&what)
        {
            frozen.push(what);
        }
    }
    if frozen.is_empty() {
        return Ok(None);
    }
    if medium.identity.serial.is_none() || !medium.other_paths.is_empty() {
        return Err("only a drive with a serial number, on one path, is known again after it".to_owned());
    }
    Sleep::of(roots).map_err(|error| error.to_string())?;
    match in_the_way(roots, journals, &[]) {
        Some(why) => Err(why),
        None => Ok(Some(UnfreezePlan { frozen, wake_after_seconds: WAKE_AFTER.as_secs() as u32 })),
    }
}

/// What a person should know of it.
pub(super) fn warning(plan: &UnfreezePlan) -> String {
    format!(
        "the drive is frozen ({}): before anything is erased THIS MACHINE IS SUSPENDED TO RAM, with everything that \
         runs on it, and its clock wakes it after {} s. If it does not come back: press its power button, or start it \
         and go on with `resume`",
        Frozen::list(&plan.frozen),
        plan.wake_after_seconds
    )
}

/// Why the machine must not be suspended now: something else wipes, or a drive may be erasing by itself. `ours`
/// are the runs of this process.
fn in_the_way(roots: &Roots, journals: Option<&Path>, ours: &[String]) -> Option<String> {
    match other_process(roots) {
        Ok(None) => {}
        Ok(Some(process)) => {
            return Some(format!("another lastwrite is at work on this machine ({process}): wait until it has ended"));
        }
        Err(error) => {
            return Some(format!("whether another lastwrite is at work on this machine is not known: {error}"));
        }
    }
    let journals = match journal::unfinished(journals?) {
        Ok(journals) => journals,
        Err(error) => return Some(format!("whether other runs are in progress is not known: {error}")),
    };
    for path in journals {
        let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let own = ours.contains(&id);
        if !own && Journal::is_busy(&path) {
            return Some(format!("run {id} is in progress on this machine: wait until it has ended"));
        }
        let folded = match Journal::peek(&path) {
            // It is of a run that has ended meanwhile.
            Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => continue,
            peeked => peeked.map_err(|error| error.to_string()),
        };
        let state = match folded.and_then(|entries| RunState::fold(&entries).map_err(|error| error.to_string())) {
            Ok(state) => state,
            Err(why) => {
                return Some(format!(
                    "what the drive of run {id} does is not known, and it would lose its power: {why}. Give that run up \
                     first (lastwrite resume --abandon {id} --reason WHY)"
                ));
            }
        };
        if state.is_some_and(|state| state.may_be_erasing()) {
            return Some(format!(
                "the drive of run {id} may be erasing by itself, and would lose its power: take that run up first"
            ));
        }
    }
    None
}

/// A process of this program, of any state folder, that works on drives.
fn other_process(roots: &Roots) -> std::io::Result<Option<String>> {
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir(&roots.proc)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == own || !name.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
        let program = words.first().and_then(|word| word.rsplit(|b| *b == b'/').next());
        if program == Some(b"lastwrite") && words.iter().any(|word| [&b"wipe"[..], b"resume"].contains(word)) {
            return Ok(Some(format!("process {name}")));
        }
    }
    Ok(None)
}

impl Ready {
    /// The machine has to be suspended before it goes on.
    pub(super) fn unfreezes(&self) -> bool {
        match self {
            Ready::Fresh { run, .. } => run.plan().unfreeze.is_some(),
            Ready::Resumed(taken) => taken.state.unfreezes().is_some(),
            Ready::Sealed(_) => false,
        }
    }
}

/// A run that goes on, whose drive is not frozen any more or was asked again.
pub(super) struct Woken {
    /// Its place among the runs of the call.
    pub index: usize,
    pub name: Named,
    pub run: Run<Intended>,
}

impl Desk<'_> {
    /// Suspends the machine for runs whose drives are frozen. Each is held, its intent and what is about to
    /// happen are durable, before the machine sleeps; after it each is known again, or stops. `all` are the
    /// runs of this process; `end` hears of those that end here.
    pub(super) async fn unfreeze(
        &self,
        runs: Vec<(usize, Ready)>,
        all: &[String],
        end: &dyn Fn(usize, TargetResult),
    ) -> Vec<Woken> {
        let cut = |index: usize, name: &Named, cut: Cut| end(index, self.result_of(name, Err(cut)));
        let begun = runs.into_iter().map(|(index, ready)| async move { (index, self.begin(ready).await) });
        let (mut awake, mut frozen) = (Vec::new(), Vec::new());
        for (index, begun) in join_all(begun).await {
            let (name, run) = match begun {
                Ok(begun) => begun,
                Err(result) => {
                    end(index, *result);
                    continue;
                }
            };
            match self.look_before(run).await {
                Ok(BeforeSuspend::Thawed(run)) => awake.push(Woken { index, name, run }),
                Ok(BeforeSuspend::Frozen(run, what)) => frozen.push((index, name, run, what)),
                Err(why) => cut(index, &name, why),
            }
        }
        if frozen.is_empty() {
            return awake;
        }
        let sleep = match self.may_sleep(all).await {
            Ok(sleep) => sleep,
            Err(why) => {
                let stopped = || why.clone().map_or(Stopped::Asked, |why| Stopped::NotUnfrozen { why });
                frozen.iter().for_each(|(index, name, ..)| cut(*index, name, Cut::Stopped(stopped())));
                return awake;
            }
        };
        let mut noted = Vec::new();
        for (index, name, run, what) in frozen {
            match self.note_suspending(run, what).await {
                Ok(run) => noted.push((index, name, run)),
                Err(why) => cut(index, &name, why),
            }
        }
        if noted.is_empty() {
            return awake;
        }
        let gone = |_| Err(NoSleep::because("the program's helper threads are gone"));
        let slept = self.blocking(move || sleep.suspend(WAKE_AFTER)).await.unwrap_or_else(gone);
        let after = noted.into_iter().map(|(index, name, run)| {
            let slept = slept.clone();
            async move { (index, name, self.look_after(run, slept).await) }
        });
        for (index, name, woken) in join_all(after).await {
            match woken {
                Ok(run) => awake.push(Woken { index, name, run }),
                Err(why) => cut(index, &name, why),
            }
        }
        awake
    }

    async fn look_before(&self, run: Run<Intended>) -> Result<BeforeSuspend, Cut> {
        run.suspended_before().into_iter().for_each(|done| self.note(&run, format!("before: {done}")));
        let roots = self.bench.roots.clone();
        self.patiently(self.blocking(move || run.before_suspend(&roots).map_err(Cut::Stopped))).await
    }

    /// The last look at the machine. `Err(None)`: asked to stop.
    async fn may_sleep(&self, all: &[String]) -> Result<Sleep, Option<String>> {
        if *self.bench.stop.borrow() {
            return Err(None);
        }
        let (roots, journals, all) = (self.bench.roots.clone(), self.station.journals(), all.to_vec());
        let look = self.blocking(move || match in_the_way(&roots, Some(&journals), &all) {
            Some(why) => Err(why),
            None => Sleep::of(&roots).map_err(|error| error.to_string()),
        });
        look.await.unwrap_or_else(|_| Err("the program's helper threads are gone".to_owned())).map_err(Some)
    }

    /// In the custody log, then in the journal.
    async fn note_suspending(&self, run: Run<Intended>, frozen: Vec<Frozen>) -> Result<Run<Intended>, Cut> {
        let what = Frozen::list(&frozen);
        let wakes = WAKE_AFTER.as_secs();
        self.note(
            &run,
            format!("the drive is frozen ({what}): this machine is suspended to RAM now; it wakes after {wakes} s"),
        );
        let (log, key) = (self.log.clone(), self.key.clone());
        self.blocking(move || {
            evidence::announce_suspend(&log, &key, run.plan(), &frozen).map_err(|e| Cut::Station(e.into()))?;
            run.note_suspending(frozen).map_err(Cut::Stopped)
        })
        .await?
    }

    async fn look_after(&self, run: Run<Intended>, slept: Result<Slept, NoSleep>) -> Result<Run<Intended>, Cut> {
        let text = match &slept {
            Ok(Slept { time, remark }) => {
                let remark = remark.as_ref().map(|remark| format!("; {remark}")).unwrap_or_default();
                format!("the machine was suspended to RAM for {} s, and runs again{remark}", time.as_secs())
            }
            Err(why) => format!("the machine was not suspended: {why}"),
        };
        self.note(&run, text);
        let roots = self.bench.roots.clone();
        self.patiently(self.blocking(move || run.after_suspend(&roots, &slept).map_err(Cut::Stopped))).await
    }

    fn note(&self, run: &Run<Intended>, text: String) {
        let plan = run.plan();
        (self.watch)(Event::Note { run_id: plan.run_id.clone(), path: plan.medium.path.clone(), text });
    }

    async fn patiently<T>(&self, work: impl Future<Output = Result<Result<T, Cut>, Cut>>) -> Result<T, Cut> {
        let patience = self.bench.faults.stall_timeout + START;
        within(patience, work).await.map_err(|_| {
            let why = format!("the drive gave no answer for {} s", patience.as_secs());
            Cut::Stopped(Stopped::NotUnfrozen { why })
        })??
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_machine_is_not_suspended_under_other_work() {
        let machine = tempfile::tempdir().unwrap();
        let roots = Roots::recorded(machine.path());
        let process = |number: &str, words: &[&str]| {
            fs::create_dir_all(roots.proc.join(number)).unwrap();
            fs::write(roots.proc.join(number).join("cmdline"), words.join("\0")).unwrap();
        };
        let own = std::process::id().to_string();
        process(&own, &["lastwrite", "wipe", "/dev/sda"]);
        process("7", &["/usr/bin/lastwrite", "drives"]);
        process("8", &["vi", "wipe"]);
        process("self", &["lastwrite", "wipe"]);
        assert_eq!(in_the_way(&roots, None, &[]), None);

        let journals = machine.path().join("journal");
        fs::create_dir_all(&journals).unwrap();
        let held = Journal::create(&journals, &"0".repeat(32)).unwrap();
        let look = |ours: &[String]| in_the_way(&roots, Some(&journals), ours);
        assert!(look(&[]).is_some_and(|why| why.contains("in progress")));
        assert_eq!(look(&["0".repeat(32)]), None, "it is one of ours");
        drop(held);
        assert_eq!(look(&[]), None, "nobody works on it");
        fs::write(journals.join(format!("{}.jsonl", "1".repeat(32))), "no journal\nat all\n").unwrap();
        assert!(look(&[]).is_some_and(|why| why.contains("is not known")), "{:?}", look(&[]));

        process("9", &["/opt/lastwrite", "--json", "resume"]);
        assert!(look(&[]).is_some_and(|why| why.contains("process 9")));
    }
}
