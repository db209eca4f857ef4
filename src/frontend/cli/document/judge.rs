//! `lastwrite certificate validate | revoke`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Common, Judge, OutArgs, PersonArgs, TrustArgs, need_trust, organization, seal_failure, was_meant};
use crate::certificate::Verdict;
use crate::certificate::document::{
    Decision, DocumentType, NextStep, REVOCATION_SCHEMA, Revocation, RevocationCause, VALIDATION_SCHEMA, Validation,
    may_replace, seal,
};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{Check, Outcome, Role};
use crate::units::now;

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The document that is judged: certificate, failure report, record of destruction, lot ...
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The result is accepted
    #[arg(long, conflicts_with = "reject", required_unless_present = "reject")]
    accept: bool,
    /// The result is not accepted
    #[arg(long)]
    reject: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// What happens to the medium next [default after --reject: destroy]
    #[arg(long, value_enum)]
    next_step: Option<Step>,
    /// The policy it was judged by
    #[arg(long, value_name = "TEXT")]
    policy: Option<String>,
    /// Id of an earlier validation that this one takes the place of
    #[arg(long, value_name = "ID")]
    replaces: Option<String>,
    /// Other documents to judge it by: second readings, earlier validations
    #[arg(long, value_name = "FILE", num_args = 1..)]
    with: Vec<PathBuf>,
    #[command(flatten)]
    person: PersonArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The document that counts no longer
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Sort of reason
    #[arg(long, value_enum)]
    cause: Cause,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The document that takes its place
    #[arg(long, value_name = "FILE")]
    replaced_by: Option<PathBuf>,
    /// What happens to the medium next
    #[arg(long, value_enum)]
    next_step: Option<Step>,
    #[command(flatten)]
    person: PersonArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Sanitize the medium once more
    SanitizeAgain,
    /// Destroy it
    Destroy,
    /// Keep it under lock
    Quarantine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cause {
    /// It was issued in error
    Error,
    /// The medium is not as it says
    MediumDiffers,
    /// A key that signed it is in foreign hands
    KeyCompromised,
    /// Another document takes its place (--replaced-by)
    Superseded,
    /// Anything else
    Other,
}

pub fn validate(common: &Common, args: &ValidateArgs) -> Result<Exit, Failure> {
    let trust = need_trust(common, &args.trust)?;
    let judge = Judge::new(common, Some(&trust), &args.with, &[])?;
    let subject = judge.subject(&args.file)?;
    let decision = if args.accept { Decision::Accepted } else { Decision::Rejected };
    if args.accept {
        may_accept(args, &subject, &judge)?;
    }
    let (key, by) = args.person.signatory(common, Some(&trust), Role::Validator)?;
    if args.accept && subject.verified.was_done_by(key.kid(), Some(&by.name)) {
        let why = format!("{} is not accepted: it is the work of {}", args.file.display(), by.name);
        return Err(Failure::words(Exit::Refused, why)
            .hint("nobody accepts their own work: somebody else with the role validator has to look at it"));
    }
    let validation = Validation {
        schema: VALIDATION_SCHEMA.to_owned(),
        version: 1,
        organization: organization(&by)?,
        document: subject.reference,
        medium: subject.medium,
        decision,
        reason: args.reason.clone(),
        next_step: args.next_step.map(Step::step).or(args.reject.then_some(NextStep::Destroy)),
        policy: args.policy.clone(),
        replaces: args.replaces.clone(),
        by,
        decided: now(),
    };
    let issued = seal(&validation, &[(&key, Role::Validator)], now()).map_err(|e| seal_failure(&e))?;
    super::hand_out(common, &args.out, DocumentType::Validation, &issued)?;
    Ok(Exit::Done)
}

/// Only what verifies is accepted. A rejection that stands is lifted by naming it.
fn may_accept(args: &ValidateArgs, subject: &super::Subject, judge: &Judge<'_>) -> Result<(), Failure> {
    let verified = &subject.verified;
    let refuse =
        |why: String| Err(Failure::words(Exit::Refused, format!("{} is not accepted: {why}", args.file.display())));
    if let Some((file, other)) = judge.unbelieved().find(|(file, other)| was_meant(&args.with, file, other)) {
        return refuse(format!(
            "{} (--with) is invalid, so it says nothing ({})",
            file.display(),
            super::reasons(&other)
        ));
    }
    if subject.reference.kind == DocumentType::FailureReport {
        return refuse("it says itself that the run failed".to_owned());
    }
    // The earlier decision may be the only thing against it: that is what --replaces is for.
    let lifted = |c: &&Check| {
        c.name == "validation"
            && args
                .replaces
                .as_deref()
                .is_some_and(|id| c.detail.ends_with(&format!("({})", id.get(..12).unwrap_or(id))))
    };
    let rest: Vec<_> = verified.checks.iter().filter(|c| !lifted(c)).cloned().collect();
    let told = |outcome| {
        let of = rest.iter().filter(|c| c.outcome == outcome);
        of.map(|c| format!("{}: {}", c.name, c.detail)).collect::<Vec<_>>().join("; ")
    };
    match crate::certificate::judge(&rest) {
        Verdict::Valid => Ok(()),
        Verdict::Invalid => refuse(told(Outcome::Failed)),
        Verdict::ConsistentSignerUnknown => refuse(format!("unknown is never success ({})", told(Outcome::Unknown))),
    }
}

pub fn revoke(common: &Common, args: &RevokeArgs) -> Result<Exit, Failure> {
    let trust = need_trust(common, &args.trust)?;
    let judge = Judge::new(common, Some(&trust), &[], &[])?;
    let revoked = judge.subject(&args.file)?;
    let other = args.replaced_by.as_ref().map(|file| judge.subject(file)).transpose()?;
    if let (Some(file), Some(other)) = (&args.replaced_by, &other)
        && !may_replace(&other.verified, &revoked.verified)
    {
        let (instead, revoked) = (file.display(), args.file.display());
        let why = format!("{instead} cannot take the place of {revoked}: it is of another sort, or of other media");
        return Err(Failure::words(Exit::Refused, format!("{why}; nothing was signed"))
            .hint("revoke it without --replaced-by, or name the document that does"));
    }
    let (key, by) = args.person.signatory(common, Some(&trust), Role::Validator)?;
    let revocation = Revocation {
        schema: REVOCATION_SCHEMA.to_owned(),
        version: 1,
        organization: organization(&by)?,
        document: revoked.reference,
        medium: revoked.medium,
        cause: args.cause.cause(),
        reason: args.reason.clone(),
        replaced_by: other.map(|o| o.reference),
        next_step: args.next_step.map(Step::step),
        by,
        revoked: now(),
    };
    let issued = seal(&revocation, &[(&key, Role::Validator)], now()).map_err(|e| seal_failure(&e))?;
    super::hand_out(common, &args.out, DocumentType::Revocation, &issued)?;
    Ok(Exit::Done)
}

impl Step {
    fn step(self) -> NextStep {
        match self {
            Step::SanitizeAgain => NextStep::SanitizeAgain,
            Step::Destroy => NextStep::Destroy,
            Step::Quarantine => NextStep::Quarantine,
        }
    }
}

impl Cause {
    fn cause(self) -> RevocationCause {
        match self {
            Cause::Error => RevocationCause::Error,
            Cause::MediumDiffers => RevocationCause::MediumDiffers,
            Cause::KeyCompromised => RevocationCause::KeyCompromised,
            Cause::Superseded => RevocationCause::Superseded,
            Cause::Other => RevocationCause::Other,
        }
    }
}
