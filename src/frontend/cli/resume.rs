//! `lastwrite resume`

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::results::{exit_of, report};
use super::torn::TornEnds;
use super::wipe::{ExecutionArgs, execute, warn_if_forgetful};
use super::{Common, fit, output, psid};
use crate::frontend::exit::{Exit, Failure};
use crate::media::Protection;
use crate::signed::{Role, StationKey};
use crate::station::{
    self, Execution, Interrupted, InterruptedState, JournalError, Outcome, Ready, ResumeError, RunState, StartError,
    TargetResult,
};
use crate::units::now;

#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Which runs: run id (or its beginning), serial or confirm token of the medium; none lists them
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// Go on with every interrupted run whose medium is attached
    #[arg(long, conflicts_with = "abandon")]
    yes: bool,
    /// Confirm token of a medium that may be another with the same serial number; naming its run by it does too
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    confirm: Vec<String>,
    /// Give the named runs up: each ends as a failure with a signed report
    #[arg(long, requires = "runs", requires = "reason")]
    abandon: bool,
    /// Why a run is given up
    // Clap waives the requirement beside what `--abandon` conflicts with.
    #[arg(long, value_name = "TEXT", requires = "abandon", conflicts_with = "yes")]
    reason: Option<String>,
    /// File with PSIDs, where runs that revert a drive by its PSID go on [default: asked for]
    #[arg(long, value_name = "FILE")]
    psid_file: Option<PathBuf>,
    #[command(flatten)]
    execution: ExecutionArgs,
}

const UNTOUCHED: &str = "nothing was touched, and every run stays as it is";

pub fn run(common: &Common, args: ResumeArgs) -> Result<Exit, Failure> {
    let station = common.station()?;
    let _torn = TornEnds::of(&station)?;
    let roots = station::live();
    let open = station::interrupted(&station, &roots).map_err(|e| failure("RUN", &e))?;
    if args.runs.is_empty() && !args.yes {
        list(common, &open);
        return Ok(Exit::Done);
    }
    let (mut going, mut exit) = (Vec::new(), Exit::Done);
    // One run may have been named by its id and by its serial.
    let mut seen = HashSet::new();
    for run in choose(&args, &open)?.into_iter().filter(|run| seen.insert(&run.journal)) {
        match left_out(run).filter(|_| args.yes) {
            Some(why) => exit = exit.worst(tell(common, run, why)),
            None => going.push(run),
        }
    }
    if going.is_empty() {
        output::line_err("No interrupted run can go on now.");
        return Ok(exit);
    }
    warn_if_forgetful(&station, args.execution.out.as_deref())?;
    let key = common.signing_key(&station, UNTOUCHED)?;
    let operator = args.execution.operator(common)?;
    if let Some(kid) = operator.as_ref().map(StationKey::kid).filter(|kid| going.iter().any(|run| names(run, kid))) {
        fit(&station, kid, Role::Operator, UNTOUCHED)?;
    }
    let needed = !args.abandon && going.iter().any(|run| needs_psid(run));
    let psids = psid::psids(common, args.psid_file.as_deref(), needed, going.len())?;
    let confirmed = [&args.confirm[..], &args.runs[..]].concat();
    let mut ready: Vec<Ready> = Vec::new();
    for run in going {
        let taken = match (&args.reason, args.abandon) {
            (Some(reason), true) => station::abandon(&station, &key, &run.journal, reason, now()),
            _ => station::resume(&station, &roots, &run.journal, &psids, &confirmed),
        };
        match taken {
            Ok(run) => ready.push(run),
            // Given up, as was asked.
            Err(
                error @ (ResumeError::NothingHappened { .. }
                | ResumeError::ClosedUnreported { .. }
                | ResumeError::PutAside { .. }),
            ) if args.abandon => {
                report(common, &TargetResult::of_interrupted(run, Outcome::Abandoned, error.to_string()));
            }
            Err(error) => exit = exit.worst(tell(common, run, failure(&run.run_id(), &error))),
        }
    }
    let how = Execution { operator, psids, ..args.execution.execution() };
    Ok(execute(common, &station, key, ready, &how)?.iter().fold(exit, |exit, result| exit.worst(exit_of(result))))
}

/// Whether the run's documents are to be signed with this key as its operator's.
fn names(run: &Interrupted, kid: &str) -> bool {
    match &run.state {
        InterruptedState::Open(state) => state.plan.operator.as_ref().is_some_and(|o| o.kid.as_deref() == Some(kid)),
        InterruptedState::Busy(_) | InterruptedState::Empty | InterruptedState::Corrupt(_) => false,
    }
}

/// Why a run cannot go on now, where that is known without a key and without opening anything.
fn left_out(run: &Interrupted) -> Option<Failure> {
    let run_id = run.run_id();
    match &run.state {
        InterruptedState::Busy(state) => {
            let message = format!("run {run_id} ({}) is being worked on now", state.plan.medium.identity.label());
            Some(Failure::words(Exit::Interrupted, message).hint(BUSY))
        }
        InterruptedState::Corrupt(why) => {
            let message = format!("the journal of run {run_id} cannot be believed: {why}");
            Some(Failure::words(Exit::Evidence, message).hint(corrupt_hint(&run_id)))
        }
        InterruptedState::Open(state) if state.sealed.is_none() && run.media.is_empty() => {
            let medium = state.plan.medium.identity.label();
            Some(failure(&run_id, &ResumeError::Absent { run_id: run_id.clone(), medium }))
        }
        InterruptedState::Open(_) | InterruptedState::Empty => None,
    }
}

/// Tells why a run does not go on, as what a wipe refuses is told; its exit code.
fn tell(common: &Common, run: &Interrupted, why: Failure) -> Exit {
    let outcome = match why.exit {
        Exit::Refused => Outcome::Refused,
        Exit::Interrupted => Outcome::Interrupted,
        _ => Outcome::Error,
    };
    let result = TargetResult::of_interrupted(run, outcome, why.message);
    report(common, &TargetResult { advice: why.hint, ..result });
    why.exit
}

fn needs_psid(run: &Interrupted) -> bool {
    match &run.state {
        InterruptedState::Open(state) => state.needs_psid(),
        InterruptedState::Busy(_) | InterruptedState::Empty | InterruptedState::Corrupt(_) => false,
    }
}

fn choose<'a>(args: &ResumeArgs, open: &'a [Interrupted]) -> Result<Vec<&'a Interrupted>, Failure> {
    if args.runs.is_empty() {
        return Ok(open.iter().collect());
    }
    args.runs
        .iter()
        .map(|name| {
            let found: Vec<_> = open.iter().filter(|run| is_named(run, name)).collect();
            match found.as_slice() {
                [one] => Ok(*one),
                [] => Err(Failure::words(Exit::Refused, format!("no interrupted run is named {name:?}"))
                    .hint("lastwrite resume lists them")),
                many => Err(Failure::words(Exit::Refused, format!("{name:?} names {} interrupted runs", many.len()))
                    .hint("use the run id")),
            }
        })
        .collect()
}

fn is_named(run: &Interrupted, name: &str) -> bool {
    let id = run.run_id();
    let by_id = name.len() >= 4 && id.starts_with(name);
    match &run.state {
        InterruptedState::Open(state) | InterruptedState::Busy(state) => {
            let medium = &state.plan.medium;
            by_id
                || medium.identity.serial.as_deref() == Some(name)
                || medium.confirm_token == name
                // The name that it had when the run began may be another drive's now.
                || match run.media.as_slice() {
                    [] => medium.path.as_os_str() == name,
                    media => media.iter().any(|medium| medium.path.as_os_str() == name),
                }
        }
        InterruptedState::Empty | InterruptedState::Corrupt(_) => by_id,
    }
}

fn list(common: &Common, open: &[Interrupted]) {
    if common.json {
        for run in open {
            output::json(&as_json(run));
        }
        return;
    }
    if open.is_empty() {
        output::line("No interrupted runs.");
        return;
    }
    let header = ["RUN", "MEDIUM", "BEGUN", "DONE", "STAGE", "NOW AT"];
    let rows: Vec<Vec<String>> = open.iter().map(row).collect();
    output::line(&output::table(&header, &rows));
    for run in open {
        if let InterruptedState::Open(state) | InterruptedState::Busy(state) = &run.state {
            for done in done_before(state) {
                output::line(&format!("{}: {done}", state.plan.medium.identity.label()));
            }
        }
    }
    output::line("");
    output::line("Go on with: lastwrite resume RUN (or --yes for all that are attached).");
    output::line("Give up with: lastwrite resume --abandon RUN --reason TEXT.");
}

fn row(run: &Interrupted) -> Vec<String> {
    let id = run.run_id();
    match &run.state {
        InterruptedState::Open(state) | InterruptedState::Busy(state) => {
            let place = match (&run.state, run.media.as_slice()) {
                (InterruptedState::Busy(_), _) => "being worked on now".to_owned(),
                (_, []) if state.sealed.is_some() => "not needed: only the evidence is missing".to_owned(),
                (_, []) => "not attached".to_owned(),
                (_, media) => media.iter().map(|m| m.path.display().to_string()).collect::<Vec<_>>().join(", "),
            };
            vec![
                id,
                state.plan.medium.identity.label(),
                state.plan.planned.format("%Y-%m-%d %H:%M UTC").to_string(),
                format!("{:.0} %", state.fraction() * 100.0),
                stage_words(state),
                place,
            ]
        }
        InterruptedState::Empty => {
            vec![id, "-".into(), "-".into(), "0 %".into(), "nothing was written".into(), "-".into()]
        }
        InterruptedState::Corrupt(why) => {
            vec![id, "-".into(), "-".into(), "-".into(), format!("journal cannot be believed: {why}"), "-".into()]
        }
    }
}

/// What was done to machine and drive before anything was erased.
fn done_before(state: &RunState) -> Vec<String> {
    [state.unfreezing.words(), state.restoration.restoring.words()].concat()
}

fn stage_words(state: &RunState) -> String {
    match state.next_stage() {
        _ if state.sealed.is_some() => "result known, evidence not stored yet".to_owned(),
        _ if state.unfreezes().is_some() => "the machine is suspended to RAM to unfreeze it".to_owned(),
        _ if state.restores().is_some() => match state.restoration.restoring.waits {
            Some(_) => "hidden areas: waits for the drive's power to be cut".to_owned(),
            None => "hidden areas are given back".to_owned(),
        },
        None if !state.rung().is_by_host() && state.rung_state().ended.is_none() => {
            format!("{} by the drive", state.rung().technique)
        }
        Some(next) => format!("pass {}/{} {}", next.stage.pass, state.plan.passes.len(), next.stage.work.word()),
        None => "all stages done, not judged yet".to_owned(),
    }
}

fn as_json(run: &Interrupted) -> Value {
    let id = run.run_id();
    let (word, state) = match &run.state {
        InterruptedState::Open(state) => ("interrupted", Some(state)),
        InterruptedState::Busy(state) => ("running", Some(state)),
        InterruptedState::Empty => ("empty", None),
        InterruptedState::Corrupt(_) => ("corrupt", None),
    };
    let why = match &run.state {
        InterruptedState::Corrupt(why) => Some(why),
        _ => None,
    };
    json!({
        "run_id": id,
        "state": word,
        "why": why,
        "medium": state.map(|s| &s.plan.medium),
        "planned": state.map(|s| s.plan.planned),
        "fraction": state.map(|s| s.fraction()),
        "stage": state.map(|s| stage_words(s)),
        "done_to_drive": state.map(|s| done_before(s)),
        "attached": run.media.iter().map(|m| &m.path).collect::<Vec<_>>(),
    })
}

/// What a person does about a run that another process holds.
const BUSY: &str = "wait until it ends, or stop it first";

fn corrupt_hint(run_id: &str) -> String {
    format!(
        "give the run up with: lastwrite resume --abandon {run_id} --reason TEXT; what the journal says before the \
         damage is reported if the run had not ended, and the journal is kept in journal/corrupt"
    )
}

fn failure(run_id: &str, error: &ResumeError) -> Failure {
    let failure = |exit| Failure::new(exit, error);
    match error {
        ResumeError::Absent { .. } => failure(Exit::Interrupted).hint("attach it and try again, or give the run up"),
        ResumeError::Indistinct { .. } => failure(Exit::Refused).hint(format!(
            "give it up with: lastwrite resume --abandon {run_id} --reason TEXT, then wipe the medium anew"
        )),
        ResumeError::MayBeAnother { wanted, .. } => failure(Exit::Refused)
            .hint(format!("look that it is the very one, then: lastwrite resume {run_id} --confirm {wanted}")),
        ResumeError::OtherBlocks { .. } => failure(Exit::Refused)
            .hint("attach it as it was attached before, or give the run up and wipe the medium anew"),
        ResumeError::Ambiguous { .. } => failure(Exit::Refused).hint("detach the others and try again"),
        ResumeError::Locked(_) => failure(Exit::Interrupted)
            .hint("the run is open: cut the drive's power, or wake the machine from sleep, then take it up again"),
        ResumeError::PsidNeeded { .. } => {
            failure(Exit::Refused).hint("nothing was sent; it stands on the drive's label: --psid-file FILE")
        }
        ResumeError::Protected { reasons, .. } => {
            let undo = Protection::advice_on(reasons).unwrap_or_default();
            failure(Exit::Refused).hint(format!("the run stays as it is; {undo}: lastwrite resume {run_id}"))
        }
        ResumeError::Start(error @ StartError::Claim(_)) => Failure { hint: error.advice(), ..failure(Exit::Refused) },
        ResumeError::Journal(JournalError::Corrupt { .. })
        | ResumeError::Incoherent(_)
        | ResumeError::Start(StartError::Incoherent(_)) => failure(Exit::Evidence).hint(corrupt_hint(run_id)),
        ResumeError::HadEnded { .. } => failure(Exit::Evidence).hint(format!(
            "nothing was written on the medium now; put the journal aside with: lastwrite resume --abandon {run_id} \
             --reason TEXT"
        )),
        ResumeError::Journal(JournalError::Busy { .. }) => failure(Exit::Interrupted).hint(BUSY),
        // Not given up but gone on with: the medium still holds all it held.
        ResumeError::NothingHappened { .. } => failure(Exit::Refused).hint("wipe the medium anew"),
        _ => failure(Exit::Other),
    }
}
