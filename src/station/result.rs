//! What became of each target, for a person and for a program.

use std::path::PathBuf;

use serde::Serialize;

use super::folder::StationError;
use super::resume::{Interrupted, InterruptedState};
use super::run::Cut;
use crate::media::{Medium, text};
use crate::policy::Method;
use crate::sanitize::record::Proven;
use crate::sanitize::state::RunPlan;
use crate::sanitize::{StartError, Stopped};

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
    /// Given up as was asked; there was nothing to report.
    Abandoned,
}

/// What became of one target.
#[derive(Debug, Clone, Serialize)]
pub struct TargetResult {
    /// How it ended.
    pub outcome: Outcome,
    /// As it was named; of a run that was taken up, where its medium is now.
    #[serde(serialize_with = "text::path")]
    pub target: PathBuf,
    /// Run id, when a run existed.
    pub run_id: Option<String>,
    /// The medium, when it was found.
    pub medium: Option<Box<Medium>>,
    /// Asset tag.
    pub asset_tag: Option<String>,
    /// What was asked for.
    pub requested: Option<Method>,
    /// What was attained; nothing unless the run passed.
    pub attained: Option<Method>,
    /// How the result was verified; absent where there is no result.
    pub proven: Option<Proven>,
    /// The technique that it came to, by its command-line name.
    pub technique: Option<String>,
    /// Where the certificate lies.
    #[serde(serialize_with = "text::maybe_path")]
    pub certificate: Option<PathBuf>,
    /// Where the failure report lies.
    #[serde(serialize_with = "text::maybe_path")]
    pub failure_report: Option<PathBuf>,
    /// Where the copy of the trust store lies that goes with a second copy of the evidence.
    #[serde(serialize_with = "text::maybe_path")]
    pub trust_store: Option<PathBuf>,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub advice: Option<String>,
}

impl TargetResult {
    /// Of an interrupted run that does not go on. Where its medium is not here, or not alone, the run's id is its name:
    /// the one that the medium had may be another drive's now.
    pub fn of_interrupted(run: &Interrupted, outcome: Outcome, message: String) -> TargetResult {
        let plan = match &run.state {
            InterruptedState::Open(state) | InterruptedState::Busy(state) => Some(&state.plan),
            InterruptedState::Empty | InterruptedState::Corrupt(_) => None,
        };
        let here = match run.media.as_slice() {
            [medium] => Some(medium),
            _ => None,
        };
        TargetResult {
            outcome,
            target: here.map_or_else(|| run.run_id().into(), |medium| medium.path.clone()),
            run_id: Some(run.run_id()),
            medium: here.map(|medium| Box::new(medium.clone())),
            asset_tag: plan.and_then(|plan| plan.asset_tag.clone()),
            requested: plan.map(|plan| plan.requested),
            attained: None,
            proven: None,
            technique: plan.and_then(first_technique),
            certificate: None,
            failure_report: None,
            trust_store: None,
            message,
            advice: None,
        }
    }
}

/// A result of which only the run is known.
pub(super) fn blank(plan: &RunPlan) -> TargetResult {
    TargetResult {
        outcome: Outcome::Error,
        target: plan.medium.path.clone(),
        run_id: Some(plan.run_id.clone()),
        medium: Some(Box::new(plan.medium.clone())),
        asset_tag: plan.asset_tag.clone(),
        requested: Some(plan.requested),
        attained: None,
        proven: None,
        technique: first_technique(plan),
        certificate: None,
        failure_report: None,
        trust_store: None,
        message: String::new(),
        advice: None,
    }
}

fn first_technique(plan: &RunPlan) -> Option<String> {
    plan.ladder.first().map(|rung| rung.technique.name().to_owned())
}

/// The run could not be started.
pub(super) fn result_of_start(plan: &RunPlan, error: StartError) -> TargetResult {
    let (outcome, advice) = match &error {
        StartError::Claim(_) | StartError::Reach(_) => (Outcome::Refused, error.advice()),
        _ => (Outcome::Error, Some("nothing was written to the medium".to_owned())),
    };
    TargetResult { outcome, message: error.to_string(), advice, ..blank(plan) }
}

/// The run could not be taken up again. How much was written before is in its journal, which stays.
pub(super) fn result_of_resume(plan: &RunPlan, error: StartError) -> TargetResult {
    let outcome = match &error {
        StartError::Claim(_) | StartError::Reach(_) => Outcome::Interrupted,
        _ => Outcome::Error,
    };
    let mend = error.advice().map_or_else(String::new, |advice| format!("; {advice}"));
    let advice = format!(
        "nothing more was written, and the run is as it was{mend}; when that is mended, go on with: lastwrite resume {}",
        plan.run_id
    );
    TargetResult { outcome, message: error.to_string(), advice: Some(advice), ..blank(plan) }
}

fn advice_of(error: &StationError) -> String {
    match error {
        StationError::Unfit(unfit) => format!("; {}", unfit.advice()),
        _ => String::new(),
    }
}

/// The run was cut before its end.
pub(super) fn cut_result(plan: &RunPlan, cut: Cut) -> TargetResult {
    let resume = format!("go on with: lastwrite resume {}", plan.run_id);
    let (outcome, message, advice) = match cut {
        Cut::Stopped(Stopped::Asked) => (Outcome::Interrupted, "stopped as asked".to_owned(), resume),
        Cut::Stopped(Stopped::MediumGone { error }) => (
            Outcome::Interrupted,
            format!("the medium went away ({error})"),
            format!("connect it again, then {resume}"),
        ),
        Cut::Stopped(Stopped::Cached { why }) => (
            Outcome::Interrupted,
            format!("the medium cannot be read back: the host's cache of it could not be dropped: {why}"),
            format!("when that is mended, {resume}"),
        ),
        Cut::Stopped(Stopped::PowerNeeded { why }) => (
            Outcome::Interrupted,
            format!("the drive gives back what it hides only with fresh power: {why}"),
            format!(
                "nothing was erased. Cut the drive's power: unplug it and plug it in again, or switch the machine off \
                 and on (a restart is not enough, and needs a state folder that survives it); then {resume}"
            ),
        ),
        Cut::Stopped(Stopped::NotUnfrozen { why }) => (
            Outcome::Interrupted,
            format!("the drive is not known to be unfrozen: {why}"),
            format!("nothing was erased. When that is mended, {resume}"),
        ),
        Cut::Stopped(Stopped::Unclear { why }) => (
            Outcome::Interrupted,
            format!("while the drive gives back what it hides: {why}"),
            format!("nothing was erased. Unplug the drive and plug it in again, then {resume}"),
        ),
        Cut::Stopped(Stopped::EraseUnclear { why }) => (
            Outcome::Interrupted,
            format!("the drive's own erase did not come to an end that is known: {why}"),
            format!("it may be erasing still: leave it under power, or attach it elsewhere; then {resume}"),
        ),
        Cut::Stopped(Stopped::Journal(error)) => (Outcome::Error, error.to_string(), resume),
        Cut::Stopped(Stopped::Helper(error)) | Cut::Helper(error) => (Outcome::Error, error.to_string(), resume),
        Cut::Refused(refused) => {
            let advice = "nothing was written to the medium; lastwrite resume shows the run".to_owned();
            (Outcome::Refused, refused.to_string(), advice)
        }
        Cut::NotBegun(error) => {
            (Outcome::Refused, error.to_string(), format!("nothing was touched{}", advice_of(&error)))
        }
        Cut::Unsigned(error @ StationError::Unfit(_)) => (
            Outcome::Interrupted,
            format!(
                "what the run has to sign would be refused by everybody who checks: {error}. Whether the medium was \
                 erased is said when it is signed"
            ),
            format!(
                "nothing was signed, and the run waits: leave the medium attached, and take it for one that holds \
                 data{}; {resume}",
                advice_of(&error)
            ),
        ),
        Cut::Unsigned(error) => (Outcome::Error, error.to_string(), resume),
        Cut::Start(error) => (Outcome::Error, error.to_string(), resume),
        Cut::Station(error @ StationError::Signing { .. }) => {
            let advice = format!("nothing is lost, the result is in the journal: when that is mended, {resume}");
            (Outcome::Error, error.to_string(), advice)
        }
        Cut::Station(error @ StationError::OtherOutcome { .. }) => {
            let advice = "lastwrite custody audit says whether the log is whole. The document that it names counts; the \
                          journal of the run stays, and the medium is refused at this station, until somebody has \
                          looked and moved it to journal/closed";
            (Outcome::Error, error.to_string(), advice.to_owned())
        }
        Cut::Station(error) => (Outcome::Error, error.to_string(), resume),
    };
    TargetResult { outcome, message, advice: Some(advice), ..blank(plan) }
}
