//! The order of the steps of a run: claim, intend, erase, seal, sign, log, close.
//!
//! Every step is durable before the next begins, and every step can be repeated: a run that was cut
//! anywhere is taken up by the same functions and ends with exactly one certificate.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::sync::{oneshot, watch};

use super::folder::{Station, StationError};
use super::prepare::subject;
use crate::certificate::{self, IssueContext, Issued};
use crate::custody::{self, AuditConfig, Log, LogError, NewEvent};
use crate::device::Roots;
use crate::media::Medium;
use crate::overwrite::{Engine, EngineConfig, EngineError, FaultLimits};
use crate::sanitize::event::Event;
use crate::sanitize::record::{ClockQuality, IntentReceipt, Proven, RunFacts, ToolFacts};
use crate::sanitize::state::RunPlan;
use crate::sanitize::{Bench, Claimed, Confirmed, Held, Intended, Run, Sealed, StartError, Stopped, Verdict};
use crate::signed::{StationKey, atomic_write, remove_drafts};
use crate::sys::{Blocking, HelperGone, clock};
use crate::units::{Bytes, now};

/// Custody event: a run is about to happen.
pub(super) const INTENDED: &str = "run.intended";
/// Custody event: a run passed.
pub(super) const PASSED: &str = "run.passed";
/// Custody event: a run failed.
pub(super) const FAILED: &str = "run.failed";

/// How one target ended. The worst of several decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A certificate exists.
    Pass,
    /// A signed failure report exists.
    Fail,
    /// Nothing was touched.
    Refused,
    /// Can be resumed.
    Interrupted,
    /// The medium's run ended, but its evidence could not be stored; the journal holds it.
    Error,
}

/// What became of one target.
#[derive(Debug, Clone, Serialize)]
pub struct TargetResult {
    /// How it ended.
    pub outcome: Outcome,
    /// As it was named.
    pub target: PathBuf,
    /// Run id, when a run existed.
    pub run_id: Option<String>,
    /// The medium, when it was found.
    pub medium: Option<Box<Medium>>,
    /// Asset tag.
    pub asset_tag: Option<String>,
    /// Where the certificate lies.
    pub certificate: Option<PathBuf>,
    /// Where the failure report lies.
    pub failure_report: Option<PathBuf>,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub advice: Option<String>,
}

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
    Fresh(Box<Run<Confirmed>>),
    /// Taken up again.
    Resumed(Box<Run<Claimed>>),
    /// Result known, evidence not yet stored.
    Sealed(Box<Run<Sealed>>),
}

/// Carries out the runs side by side and returns one result each, in order.
pub fn execute(
    station: &Station,
    key: StationKey,
    runs: Vec<Ready>,
    how: &Execution,
    watch: &dyn Fn(Event),
) -> Result<Vec<TargetResult>, ExecuteError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = watch::channel(false);
    let bench = Bench {
        engine: Arc::new(Engine::start(how.engine.clone())?),
        blocking: Blocking::new(),
        roots: Arc::new(Roots::live()),
        stop: stopped,
        faults: how.faults,
        checkpoint_every: how.checkpoint_every,
    };
    let desk = Desk {
        station: Arc::new(station.clone()),
        log: Arc::new(station.log()?),
        key: Arc::new(key),
        out: how.out.clone(),
        bench,
        held: Arc::default(),
        watch,
    };
    let results = runtime.block_on(async {
        let signals = listen(stop)?;
        let work = futures_util::future::join_all(runs.into_iter().map(|run| desk.carry_out(run)));
        tokio::select! {
            results = work => Ok(results),
            never = signals => match never {},
        }
    });
    // A thread that a hung medium holds must not hold the program.
    runtime.shutdown_background();
    results
}

/// What every run of a batch needs.
struct Desk<'a> {
    station: Arc<Station>,
    log: Arc<Log>,
    key: Arc<StationKey>,
    out: Option<PathBuf>,
    bench: Bench,
    /// Media that wait to be judged.
    held: Arc<Mutex<Vec<Waiting>>>,
    watch: &'a dyn Fn(Event),
}

type Waiting = (Run<Held>, oneshot::Sender<Result<Run<Claimed>, StartError>>);

/// Why a run did not reach its end.
enum Cut {
    Start(StartError),
    Stopped(Stopped),
    Station(StationError),
    Helper(HelperGone),
}

impl Desk<'_> {
    async fn carry_out(&self, ready: Ready) -> TargetResult {
        match ready {
            Ready::Fresh(run) => {
                let plan = run.plan().clone();
                match tokio::time::timeout(self.bench.faults.stall_timeout, self.claim(*run)).await {
                    Ok(Ok(run)) => self.on_claim(plan, run).await,
                    Ok(Err(Cut::Start(error))) => result_of_start(&plan, error),
                    Ok(Err(cut)) => cut_result(&plan, cut),
                    Err(_) => self.silent(&plan),
                }
            }
            Ready::Resumed(run) => {
                let plan = run.plan().clone();
                self.on_claim(plan, *run).await
            }
            Ready::Sealed(run) => {
                let plan = run.plan().clone();
                self.store(*run).await.unwrap_or_else(|cut| cut_result(&plan, cut))
            }
        }
    }

    /// Whoever comes first looks at the host for all that are held by then: 64 drives that start
    /// together would otherwise look at each other 64 times.
    async fn claim(&self, run: Run<Confirmed>) -> Result<Run<Claimed>, Cut> {
        let roots = self.bench.roots.clone();
        let held = self.blocking(move || run.hold(&roots)).await?.map_err(Cut::Start)?;
        let (answer, claimed) = oneshot::channel();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push((held, answer));
        let (waiting, roots, journals) = (self.held.clone(), self.bench.roots.clone(), self.station.journals());
        self.blocking(move || judge(&waiting, &roots, &journals)).await?;
        claimed.await.map_err(|_| Cut::Helper(HelperGone))?.map_err(Cut::Start)
    }

    fn silent(&self, plan: &RunPlan) -> TargetResult {
        let seconds = self.bench.faults.stall_timeout.as_secs();
        let message =
            format!("{} could not be opened within {seconds} s; nothing was written", plan.medium.path.display());
        let advice = Some("unplug the medium, try it on another port, or destroy it".to_owned());
        TargetResult { outcome: Outcome::Refused, message, advice, ..blank(plan) }
    }

    async fn on_claim(&self, plan: RunPlan, run: Run<Claimed>) -> TargetResult {
        match self.try_run(run).await {
            Ok(result) => result,
            Err(cut) => cut_result(&plan, cut),
        }
    }

    async fn try_run(&self, run: Run<Claimed>) -> Result<TargetResult, Cut> {
        let run = self.intend(run).await?;
        let erased = run.erase(&self.bench, self.watch).await.map_err(Cut::Stopped)?;
        let sealed = self
            .blocking(move || erased.seal(tool_facts(), clock::quality().into(), now()))
            .await?
            .map_err(Cut::Start)?;
        self.store(sealed).await
    }

    /// The intent is in the custody log, then in the journal; the first write comes after both.
    async fn intend(&self, run: Run<Claimed>) -> Result<Run<Intended>, Cut> {
        let (log, key) = (self.log.clone(), self.key.clone());
        self.blocking(move || {
            if run.has_intent() {
                return run.intended(None, now()).map_err(Cut::Start);
            }
            let receipt = intent_receipt(&log, &key, run.plan()).map_err(|e| Cut::Station(e.into()))?;
            run.intended(Some(receipt), now()).map_err(Cut::Start)
        })
        .await?
    }

    /// Signs and stores the evidence, logs the outcome, closes the journal: each step durable, each
    /// harmless to repeat.
    async fn store(&self, run: Run<Sealed>) -> Result<TargetResult, Cut> {
        let (station, log, key, out) = (self.station.clone(), self.log.clone(), self.key.clone(), self.out.clone());
        self.blocking(move || store(&station, &log, &key, out.as_deref(), run)).await?
    }

    async fn blocking<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Result<T, Cut> {
        self.bench.blocking.call(call).await.map_err(Cut::Helper)
    }
}

fn judge(waiting: &Mutex<Vec<Waiting>>, roots: &Roots, journals: &Path) {
    let waiting = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
    let (runs, answers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
    if runs.is_empty() {
        return;
    }
    for (run, answer) in Run::judge(roots, runs).into_iter().zip(answers) {
        // Nobody waits any more: then no journal shall say that it began.
        if !answer.is_closed()
            && let Err(Ok(run)) = answer.send(run.and_then(|run| run.claim(journals)))
        {
            run.discard();
        }
    }
}

fn intent_receipt(log: &Log, key: &StationKey, plan: &RunPlan) -> Result<IntentReceipt, LogError> {
    // A cut between log and journal: the intent is there already, and stays the only one.
    let earlier = log.find_run(&plan.run_id)?.into_iter().find(|logged| logged.entry.typ == INTENDED);
    if let Some(logged) = earlier {
        let size = logged.entry.index.0 + 1;
        let count = usize::try_from(size).unwrap_or(usize::MAX);
        let leaves = log.entries()?.take(count).map(|e| Ok(e?.leaf_hash)).collect::<Result<Vec<_>, LogError>>()?;
        return Ok(IntentReceipt {
            log_id: log.id().to_owned(),
            index: logged.entry.index,
            leaf_hash: logged.leaf_hash.to_string(),
            size: Bytes(size),
            root: custody::root(&leaves).to_string(),
        });
    }
    let receipt = log.append(intent_event(plan, subject(&plan.medium)), key)?;
    Ok(IntentReceipt {
        log_id: receipt.log_id,
        index: receipt.index,
        leaf_hash: receipt.leaf_hash.to_string(),
        size: receipt.size,
        root: receipt.root.to_string(),
    })
}

fn intent_event(plan: &RunPlan, subject: String) -> NewEvent {
    let data = json!({
        "run_id": plan.run_id,
        "medium": plan.medium.identity,
        "class": plan.medium.class,
        "path": plan.medium.path,
        "requested": plan.requested,
        "scheme": plan.scheme.name,
        "verification": plan.verification,
        "operator": plan.operator.as_ref().map(|o| &o.name),
        "asset_tag": plan.asset_tag,
    });
    NewEvent { typ: INTENDED.to_owned(), subject, data }
}

fn store(
    station: &Station,
    log: &Log,
    key: &StationKey,
    out: Option<&Path>,
    run: Run<Sealed>,
) -> Result<TargetResult, Cut> {
    let plan = run.plan().clone();
    let config = station.config();
    let context = IssueContext {
        organization: config.organization.clone(),
        station: config.station.clone(),
        form: certificate::GivenForm::default(),
    };
    let mut message = String::new();
    let (issued, folder, event, failure) = match run.verdict() {
        Verdict::Passed(record) => {
            message.push_str(words_of(record.facts()));
            (certificate::issue(&record, &context, key, run.signed_at()), station.certificates(), PASSED, None)
        }
        Verdict::Failed(record) => {
            let failure = record.failure().clone();
            message.push_str(&failure.message);
            let issued = certificate::issue_failure(&record, &context, key, run.signed_at());
            (issued, station.failures(), FAILED, Some(failure))
        }
    };
    let issued = issued.map_err(|e| Cut::Station(StationError::Config { path: folder.clone(), why: e.to_string() }))?;
    let file = put(&folder, &issued).map_err(Cut::Station)?;
    log_outcome(log, key, &plan, event, &issued.id).map_err(|e| Cut::Station(e.into()))?;
    if let Some(out) = out {
        put(out, &issued).map_err(Cut::Station)?;
        copy_trust(station, out).map_err(Cut::Station)?;
    }
    run.close().map_err(|e| Cut::Start(e.into()))?;
    let passed = failure.is_none();
    Ok(TargetResult {
        outcome: if passed { Outcome::Pass } else { Outcome::Fail },
        certificate: passed.then(|| file.clone()),
        failure_report: (!passed).then_some(file),
        message,
        advice: failure.map(|f| f.advice),
        ..blank(&plan)
    })
}

fn words_of(facts: &RunFacts) -> &'static str {
    match facts.proven {
        Proven::FullReadback => "wiped; every byte was read back and matched",
        Proven::SampledReadback => "wiped; every sample that was read back matched",
        Proven::CompletionOnly => "complete, not proven: nothing was read back",
        Proven::Nothing => "nothing is proven",
    }
}

/// Writes `<id>.json` once; finding the same bytes there already is fine.
fn put(folder: &Path, issued: &Issued) -> Result<PathBuf, StationError> {
    let path = folder.join(format!("{}.json", issued.id));
    let io = |doing| super::folder::io_error(&path, doing);
    // A cut in the middle of this leaves a draft, which reads like a second certificate.
    remove_drafts(&path);
    if std::fs::read(&path).is_ok_and(|there| there == issued.bytes) {
        return Ok(path);
    }
    std::fs::create_dir_all(folder).map_err(io("creating its folder"))?;
    atomic_write(&path, &issued.bytes)?;
    Ok(path)
}

/// The trust store goes along, named after the station, so that the evidence can be checked there.
fn copy_trust(station: &Station, out: &Path) -> Result<(), StationError> {
    let source = station.trust_path();
    let target = out.join("trust.jwks.json");
    let bytes = std::fs::read(&source).map_err(super::folder::io_error(&source, "reading it"))?;
    if std::fs::read(&target).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    Ok(atomic_write(&target, &bytes)?)
}

/// Exactly one outcome for every intent, however often this is repeated.
fn log_outcome(log: &Log, key: &StationKey, plan: &RunPlan, event: &str, document: &str) -> Result<(), LogError> {
    let config = AuditConfig::default();
    if log.outcome(&plan.run_id, &config)?.is_some() {
        return Ok(());
    }
    let data = json!({ "run_id": plan.run_id, "document": document, "asset_tag": plan.asset_tag });
    let event = NewEvent { typ: event.to_owned(), subject: subject(&plan.medium), data };
    log.append_outcome(event, key, &config).map(|_| ())
}

/// Name, version and digest of the running program.
pub(super) fn tool_facts() -> ToolFacts {
    use sha2::{Digest, Sha256};
    static DIGEST: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let digest = || {
        let mut program = std::fs::File::open("/proc/self/exe")?;
        let (mut hash, mut piece) = (Sha256::new(), vec![0; 256 << 10]);
        loop {
            match std::io::Read::read(&mut program, &mut piece)? {
                0 => return Ok(super::prepare::hex(&hash.finalize())),
                n => hash.update(&piece[..n]),
            }
        }
    };
    let digest = DIGEST.get_or_init(|| digest().unwrap_or_else(|_: std::io::Error| String::new()));
    ToolFacts {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build_digest: digest.clone(),
    }
}

fn blank(plan: &RunPlan) -> TargetResult {
    TargetResult {
        outcome: Outcome::Error,
        target: plan.medium.path.clone(),
        run_id: Some(plan.run_id.clone()),
        medium: Some(Box::new(plan.medium.clone())),
        asset_tag: plan.asset_tag.clone(),
        certificate: None,
        failure_report: None,
        message: String::new(),
        advice: None,
    }
}

fn result_of_start(plan: &RunPlan, error: StartError) -> TargetResult {
    let (outcome, advice) = match &error {
        StartError::Claim(_) => (Outcome::Refused, None),
        _ => (Outcome::Error, Some("nothing was written to the medium".to_owned())),
    };
    TargetResult { outcome, message: error.to_string(), advice, ..blank(plan) }
}

fn cut_result(plan: &RunPlan, cut: Cut) -> TargetResult {
    let resume = format!("go on with: lastwrite resume {}", plan.run_id);
    let (outcome, message, advice) = match cut {
        Cut::Stopped(Stopped::Asked) => (Outcome::Interrupted, "stopped as asked".to_owned(), resume),
        Cut::Stopped(Stopped::MediumGone { error }) => (
            Outcome::Interrupted,
            format!("the medium went away ({error})"),
            format!("connect it again, then {resume}"),
        ),
        Cut::Stopped(Stopped::Journal(error)) => (Outcome::Error, error.to_string(), resume),
        Cut::Stopped(Stopped::Helper(error)) | Cut::Helper(error) => (Outcome::Error, error.to_string(), resume),
        Cut::Start(error) => (Outcome::Error, error.to_string(), resume),
        Cut::Station(error) => (Outcome::Error, error.to_string(), resume),
    };
    TargetResult { outcome, message, advice: Some(advice), ..blank(plan) }
}

/// Turns the first SIGINT, SIGTERM or SIGHUP into an orderly stop; the second ends the program.
fn listen(stop: watch::Sender<bool>) -> std::io::Result<impl Future<Output = std::convert::Infallible>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            if *stop.borrow() {
                // The journal is durable at every moment: leaving now loses a few seconds of work.
                std::process::exit(6);
            }
            stop.send_replace(true);
        }
    })
}

impl From<clock::Quality> for ClockQuality {
    fn from(quality: clock::Quality) -> ClockQuality {
        match quality {
            clock::Quality::Synchronized => ClockQuality::Synchronized,
            clock::Quality::Unsynchronized => ClockQuality::Unsynchronized,
            clock::Quality::Unknown => ClockQuality::Unknown,
        }
    }
}
