//! The order of the steps of a run: claim, intend, erase, seal, sign, log, close.
//!
//! Every step is durable before the next begins, and every step can be repeated: a run that was cut
//! anywhere is taken up by the same functions and ends with exactly one certificate.

use std::cell::RefCell;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{oneshot, watch};

use super::conflicts::OpenRuns;
use super::earlier::earlier_attempts;
use super::evidence::{self, Attempt};
use super::folder::{Station, StationError};
use super::leaving::{self, Left, Storing};
use super::prepare::{Refused, with_sizes};
use super::program::tool_facts;
use super::result::{Outcome, TargetResult, blank, cut_result, result_of_resume, result_of_start};
use super::unfreeze::Woken;
use crate::custody::Log;
use crate::device::Roots;
use crate::media::Medium;
use crate::overwrite::{Engine, EngineConfig, EngineError, FaultLimits};
use crate::sanitize::event::Event;
use crate::sanitize::firmware::Psids;
use crate::sanitize::journal::Journal;
use crate::sanitize::state::{RunPlan, RunState};
use crate::sanitize::{
    AfterRestore, Bench, Claimed, Confirmed, Free, Held, Intended, Run, Sealed, StartError, Stopped,
};
use crate::signed::{Role, StationKey};
use crate::sys::{Blocking, HelperGone, clock, within};
use crate::units::{Bytes, now};

/// How a batch is executed.
#[derive(Debug, Clone)]
pub struct Execution {
    /// A second place for the evidence (`--out`).
    pub out: Option<PathBuf>,
    /// I/O workers and buffers.
    pub engine: EngineConfig,
    /// Retries and time budgets.
    pub faults: FaultLimits,
    /// How often progress is made durable.
    pub checkpoint_every: Duration,
    /// The operator's own key, which signs the documents of the runs that name it.
    pub operator: Option<StationKey>,
    /// A drive's own erase that stands at the same progress for so long is given up.
    pub erase_stall: Duration,
    /// PSIDs of drives that are to be reverted.
    pub psids: Psids,
}

/// The batch could not be started at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The I/O workers.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The custody log.
    #[error(transparent)]
    Station(#[from] StationError),
    /// The task runtime or its signal handlers.
    #[error("the program could not start its tasks: {0}")]
    Runtime(#[from] std::io::Error),
}

/// A run that is ready to go.
#[derive(Debug)]
pub enum Ready {
    /// New.
    Fresh {
        /// The run.
        run: Box<Run<Confirmed>>,
        /// Its target as it was typed.
        named: PathBuf,
    },
    /// To be taken up again.
    Resumed(Box<TakenUp>),
    /// Result known, evidence not yet stored.
    Sealed(Box<Run<Sealed>>),
}

/// An interrupted run whose medium was found again. It is opened among the others, so that one that
/// hangs holds up nobody.
#[derive(Debug)]
pub struct TakenUp {
    pub(super) medium: Medium,
    /// What the command of the run erases along.
    pub(super) also: Vec<Medium>,
    pub(super) journal: Journal,
    pub(super) state: RunState,
}

/// Who hears of it.
#[derive(Clone, Copy)]
pub struct Audience<'a> {
    /// While the runs go on.
    pub watch: &'a dyn Fn(Event),
    /// As each one ends: its place among the runs, and its result.
    pub ended: &'a dyn Fn(usize, &TargetResult),
}

/// Carries out the runs side by side and returns one result each, in order. After a second signal
/// those that have not ended are interrupted.
pub fn execute(
    station: &Station,
    key: StationKey,
    runs: Vec<Ready>,
    how: &Execution,
    audience: Audience<'_>,
) -> Result<Vec<TargetResult>, ExecuteError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = watch::channel(false);
    let random = if let [run] = runs.as_slice() { run.plan().random_at_first() } else { Bytes::default() };
    let bench = Bench {
        engine: Arc::new(Engine::start(how.engine.clone().made_ready_for(random))?),
        blocking: Blocking::new(),
        roots: Arc::new(Roots::live()),
        stop: stopped,
        faults: how.faults,
        checkpoint_every: how.checkpoint_every,
        erase_stall: how.erase_stall,
        psids: Arc::new(how.psids.clone()),
    };
    let desk = Desk {
        own: runs.iter().map(|run| run.plan().run_id.clone()).collect(),
        station: Arc::new(station.clone()),
        log: Arc::new(station.log()?),
        key: Arc::new(key),
        operator: how.operator.clone(),
        out: how.out.clone(),
        bench,
        held: Arc::default(),
        storing: Arc::default(),
        watch: audience.watch,
    };
    let left: Vec<Left> = runs.iter().map(left_at_once).collect();
    let results = RefCell::new(left.iter().map(|_| None).collect::<Vec<Option<TargetResult>>>());
    let end = |index: usize, result: TargetResult| {
        (audience.ended)(index, &result);
        results.borrow_mut()[index] = Some(result);
    };
    let signals: Result<(), std::io::Error> = runtime.block_on(async {
        let signals = listen(stop)?;
        let (desk, end) = (&desk, &end);
        tokio::select! {
            () = desk.work(runs, end) => {}
            // The journals are durable at every moment: leaving now loses a few seconds of work.
            () = signals => {}
        }
        Ok(())
    });
    // A thread that a hung medium holds must not hold the program.
    runtime.shutdown_background();
    signals?;
    let mut stored = desk.storing.leave(leaving::PATIENCE);
    let ended = results.into_inner().into_iter().zip(left).enumerate();
    Ok(ended
        .map(|(index, (result, left))| {
            result.unwrap_or_else(|| {
                let left = left.told(&mut stored, &station.journals());
                (audience.ended)(index, &left);
                left
            })
        })
        .collect())
}

impl Ready {
    fn plan(&self) -> &RunPlan {
        match self {
            Ready::Fresh { run, .. } => run.plan(),
            Ready::Resumed(run) => &run.state.plan,
            Ready::Sealed(run) => run.plan(),
        }
    }
}

/// A run by its plan, and by the name under which its result is told.
pub(super) struct Named {
    pub plan: RunPlan,
    pub target: PathBuf,
}

impl Named {
    fn of(ready: &Ready) -> Named {
        let mut plan = ready.plan().clone();
        if let Ready::Resumed(taken) = ready {
            plan.medium.is_now_at(&taken.medium);
        }
        let target = match ready {
            Ready::Fresh { named, .. } => named.clone(),
            Ready::Resumed(_) | Ready::Sealed(_) => plan.medium.path.clone(),
        };
        Named { plan, target }
    }
}

/// What every run of a batch needs.
pub(super) struct Desk<'a> {
    /// The runs of this call.
    own: Arc<[String]>,
    pub(super) station: Arc<Station>,
    pub(super) log: Arc<Log>,
    pub(super) key: Arc<StationKey>,
    operator: Option<StationKey>,
    out: Option<PathBuf>,
    pub(super) bench: Bench,
    /// Media that wait to be judged.
    held: Arc<Mutex<Vec<Waiting>>>,
    storing: Arc<Storing>,
    pub(super) watch: &'a dyn Fn(Event),
}

type Waiting = (Run<Held>, oneshot::Sender<Result<Run<Claimed>, Cut>>);

/// Why a run did not reach its end.
pub(super) enum Cut {
    Start(StartError),
    /// What has happened to the medium since the plan was made stands against it.
    Refused(Box<Refused>),
    Stopped(Stopped),
    /// Everybody would refuse what the run is to sign, and nothing was begun.
    NotBegun(StationError),
    /// The same of a run that was begun.
    Unsigned(StationError),
    Station(StationError),
    Helper(HelperGone),
}

impl Desk<'_> {
    /// All runs side by side. Those for which the machine has to be suspended come first: while it is, nothing
    /// may be in the middle of anything.
    async fn work(&self, runs: Vec<Ready>, end: &dyn Fn(usize, TargetResult)) {
        let all: Vec<String> = runs.iter().map(|run| run.plan().run_id.clone()).collect();
        let (frozen, others): (Vec<_>, Vec<_>) = runs.into_iter().enumerate().partition(|(_, run)| run.unfreezes());
        let woken = self.unfreeze(frozen, &all, end).await.into_iter();
        let woken = woken.map(|Woken { index, name, run }| async move {
            end(index, self.result_of(&name, self.go_on(run).await));
        });
        let others = others.into_iter().map(|(index, run)| async move { end(index, self.carry_out(run).await) });
        futures_util::future::join(futures_util::future::join_all(woken), futures_util::future::join_all(others)).await;
    }

    async fn carry_out(&self, ready: Ready) -> TargetResult {
        if let Ready::Sealed(run) = ready {
            let plan = run.plan().clone();
            return self.store(*run, Attempt::Again).await.unwrap_or_else(|cut| cut_result(&plan, cut));
        }
        match self.begin(ready).await {
            Ok((name, run)) => self.result_of(&name, self.go_on(run).await),
            Err(result) => *result,
        }
    }

    /// Holds the medium of a run, with its intent durable.
    pub(super) async fn begin(&self, ready: Ready) -> Result<(Named, Run<Intended>), Box<TargetResult>> {
        let name = Named::of(&ready);
        let plan = &name.plan;
        let fresh = matches!(ready, Ready::Fresh { .. });
        let claimed = match ready {
            Ready::Fresh { run, .. } => match within(self.bench.faults.stall_timeout, self.claim(*run)).await {
                Ok(Ok(run)) => Ok(run),
                Ok(Err(Cut::Start(error))) => Err(result_of_start(plan, error)),
                Ok(Err(cut)) => Err(cut_result(plan, cut)),
                Err(_) => Err(self.silent(plan)),
            },
            Ready::Resumed(taken) => {
                let TakenUp { medium, also, journal, state } = *taken;
                let roots = self.bench.roots.clone();
                let open = self.blocking(move || Run::resume(&roots, medium, &also, journal, state, now()));
                match within(self.bench.faults.stall_timeout, open).await {
                    Ok(Ok(Ok(run))) => Ok(run),
                    Ok(Ok(Err(error))) => Err(result_of_resume(plan, error)),
                    Ok(Err(cut)) => Err(cut_result(plan, cut)),
                    Err(_) => Err(self.silent_again(plan)),
                }
            }
            // Its evidence is all that is missing; nothing is held for it.
            Ready::Sealed(run) => {
                Err(self.store(*run, Attempt::Again).await.unwrap_or_else(|cut| cut_result(plan, cut)))
            }
        };
        let intended = match claimed {
            Ok(run) => self.intend(run, fresh).await.map_err(|cut| cut_result(plan, cut)),
            Err(result) => Err(result),
        };
        match intended {
            Ok(run) => Ok((name, run)),
            Err(result) => Err(Box::new(TargetResult { target: name.target, ..result })),
        }
    }

    pub(super) fn result_of(&self, name: &Named, done: Result<TargetResult, Cut>) -> TargetResult {
        // As it was named, also where the kernel has another name for it by now.
        TargetResult { target: name.target.clone(), ..done.unwrap_or_else(|cut| cut_result(&name.plan, cut)) }
    }

    /// Whoever comes first looks at the host for all that are held by then: 64 drives that start
    /// together would otherwise look at each other 64 times.
    async fn claim(&self, run: Run<Confirmed>) -> Result<Run<Claimed>, Cut> {
        let roots = self.bench.roots.clone();
        let held = self.blocking(move || run.hold(&roots)).await?.map_err(Cut::Start)?;
        let (answer, claimed) = oneshot::channel();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push((held, answer));
        let (waiting, roots, own) = (self.held.clone(), self.bench.roots.clone(), self.own.clone());
        let (station, log) = (self.station.clone(), self.log.clone());
        self.blocking(move || judge(&waiting, &roots, (&*station, &*log), &own)).await?;
        claimed.await.map_err(|_| Cut::Helper(HelperGone))?
    }

    fn silent(&self, plan: &RunPlan) -> TargetResult {
        let seconds = self.bench.faults.stall_timeout.as_secs();
        let message =
            format!("{} could not be opened within {seconds} s; nothing was written", plan.medium.path.display());
        let advice = Some("unplug the medium, try it on another port, or destroy it".to_owned());
        TargetResult { outcome: Outcome::Refused, message, advice, ..blank(plan) }
    }

    fn silent_again(&self, plan: &RunPlan) -> TargetResult {
        let (path, seconds) = (&plan.medium.path, self.bench.faults.stall_timeout.as_secs());
        let message = format!("{} could not be opened within {seconds} s; the run is as it was", path.display());
        let advice = format!("try the medium on another port, then go on with: lastwrite resume {}", plan.run_id);
        TargetResult { outcome: Outcome::Interrupted, message, advice: Some(advice), ..blank(plan) }
    }

    pub(super) async fn go_on(&self, run: Run<Intended>) -> Result<TargetResult, Cut> {
        let erased = match self.restore(run).await? {
            AfterRestore::Ready(run) => run.erase(&self.bench, self.watch).await.map_err(Cut::Stopped)?,
            AfterRestore::Ended(run) => run,
        };
        // Hours have gone by, and sealed is the time of signing too.
        let at = now();
        self.fit(erased.plan(), at).await?.map_err(Cut::Unsigned)?;
        let station = self.station.clone();
        let sealed = self
            .on_files(move || erased.seal(tool_facts(&station), clock::quality().into(), at))
            .await?
            .map_err(Cut::Start)?;
        self.store(sealed, Attempt::First).await
    }

    /// Hidden areas are given back, where the plan says so, before anything is erased.
    async fn restore(&self, run: Run<Intended>) -> Result<AfterRestore, Cut> {
        if run.plan().restore.is_none() {
            return Ok(AfterRestore::Ready(run));
        }
        if let Some((path, sent)) = run.restores() {
            let run_id = &run.plan().run_id;
            let note = |text| (self.watch)(Event::Note { run_id: run_id.clone(), path: path.clone(), text });
            sent.into_iter().for_each(|done| note(format!("done to the drive before: {done}")));
            note("the drive is made to give back what it hides".to_owned());
        }
        let (roots, log, key) = (self.bench.roots.clone(), self.log.clone(), self.key.clone());
        let work = self.blocking(move || {
            evidence::announce_sizes(&log, &key, run.plan()).map_err(|e| Cut::Station(e.into()))?;
            run.restore(&roots).map_err(Cut::Stopped)
        });
        let patience = self.bench.faults.stall_timeout + GIVE_BACK;
        let restored = within(patience, work).await.map_err(|_| {
            let why = format!("drive or kernel gave no answer for {} s", patience.as_secs());
            Cut::Stopped(Stopped::Unclear { why })
        })???;
        Ok(restored)
    }

    /// The intent is in the custody log, then in the journal; the first write comes after both.
    async fn intend(&self, run: Run<Claimed>, fresh: bool) -> Result<Run<Intended>, Cut> {
        // A key may be rotated or revoked while a person is asked to confirm.
        let fit = self.fit(run.plan(), now()).await?;
        match fit {
            Ok(()) => {}
            Err(unfit) if fresh => {
                self.on_files(move || run.discard()).await?;
                return Err(Cut::NotBegun(unfit));
            }
            Err(unfit) => return Err(Cut::Unsigned(unfit)),
        }
        let (log, key) = (self.log.clone(), self.key.clone());
        self.on_files(move || {
            if run.has_intent() {
                return run.intended(None, now()).map_err(Cut::Start);
            }
            let receipt = evidence::intent_receipt(&log, &key, run.plan()).map_err(|e| Cut::Station(e.into()))?;
            run.intended(Some(receipt), now()).map_err(Cut::Start)
        })
        .await?
    }

    /// Whether what a run signs at that time would be believed.
    async fn fit(&self, plan: &RunPlan, at: DateTime<Utc>) -> Result<Result<(), StationError>, Cut> {
        let named = plan.operator.as_ref().and_then(|operator| operator.kid.as_deref());
        let operator = self.operator.clone().filter(|key| named == Some(key.kid()));
        let (station, key) = (self.station.clone(), self.key.clone());
        self.on_files(move || {
            station.may_sign(key.kid(), Role::Station, at)?;
            operator.map_or(Ok(()), |key| station.may_sign(key.kid(), Role::Operator, at))
        })
        .await
    }

    /// Signs and stores the evidence, logs the outcome, closes the journal: each step durable, each
    /// harmless to repeat.
    async fn store(&self, run: Run<Sealed>, attempt: Attempt) -> Result<TargetResult, Cut> {
        self.fit(run.plan(), run.signed_at()).await?.map_err(Cut::Unsigned)?;
        let (station, log, key, out) = (self.station.clone(), self.log.clone(), self.key.clone(), self.out.clone());
        let (operator, storing, plan) = (self.operator.clone(), self.storing.clone(), run.plan().clone());
        let run = (run, attempt);
        let store = move || evidence::store(&station, &log, &key, operator.as_ref(), out.as_deref(), run);
        self.on_files(move || storing.carry_out(&plan.run_id, || store().unwrap_or_else(|cut| cut_result(&plan, cut))))
            .await?
            .ok_or(Cut::Stopped(Stopped::Asked))
    }

    async fn on_files<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Result<T, Cut> {
        self.bench.blocking.call_station(call).await.map_err(Cut::Helper)
    }

    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Cut> {
        self.bench.blocking.call(call).await.map_err(Cut::Helper)
    }
}

/// Beyond the time after which a silent medium is given up: the kernel scans, and a drive comes back.
const GIVE_BACK: Duration = Duration::from_secs(180);

fn judge(waiting: &Mutex<Vec<Waiting>>, roots: &Roots, (station, log): (&Station, &Log), own: &[String]) {
    let waiting = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
    let (runs, answers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
    if runs.is_empty() {
        return;
    }
    // Another process may have had the media since the plans were made; now nobody can.
    let open_runs = OpenRuns::of(station, log, own);
    let begin = |run: Run<Free>| {
        let plan = run.plan();
        let against = |medium| open_runs.against(roots, medium);
        if let Some(refused) = std::iter::once(&plan.medium).chain(&plan.also).find_map(against) {
            return Err(Cut::Refused(Box::new(refused)));
        }
        let media = with_sizes(&plan.medium, plan.restore.as_ref());
        let earlier = earlier_attempts(log, &media, own).map_err(|e| Cut::Station(e.into()))?;
        run.claim(&station.journals(), earlier).map_err(Cut::Start)
    };
    for (run, answer) in Run::judge(roots, runs).into_iter().zip(answers) {
        // Nobody waits any more: then no journal shall say that it began.
        if !answer.is_closed()
            && let Err(Ok(run)) = answer.send(run.map_err(Cut::Start).and_then(begin))
        {
            run.discard();
        }
    }
}

/// A run that had not ended when a second signal asked to leave at once.
fn left_at_once(run: &Ready) -> Left {
    let Named { plan, target } = Named::of(run);
    let message = "left at once, before it had stopped".to_owned();
    let result = TargetResult { target, message, ..cut_result(&plan, Cut::Stopped(Stopped::Asked)) };
    Left { fresh: matches!(run, Ready::Fresh { .. }), result }
}

/// Turns the first SIGINT, SIGTERM or SIGHUP into an orderly stop; is ready at the second. A SIGHUP
/// that the caller ignores (nohup) stays ignored.
fn listen(stop: watch::Sender<bool>) -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = async { match hangup.as_mut() { Some(h) => h.recv().await, None => std::future::pending().await } } => {}
            }
            if *stop.borrow() {
                return;
            }
            stop.send_replace(true);
        }
    })
}

/// Whether SIGHUP was ignored when the program was started: the lowest bit of `SigIgn` (proc(5)).
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}
