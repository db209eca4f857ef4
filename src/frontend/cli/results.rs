//! What became of the targets, for a person and for a program.

use super::{Common, output};
use crate::frontend::exit::Exit;
use crate::station::{Outcome, TargetResult};

/// The exit code of one result; the worst of several decides.
pub fn exit_of(result: &TargetResult) -> Exit {
    match result.outcome {
        Outcome::Pass | Outcome::Abandoned => Exit::Done,
        Outcome::Fail => Exit::Failed,
        Outcome::Refused => Exit::Refused,
        Outcome::Interrupted => Exit::Interrupted,
        Outcome::Error => Exit::Other,
    }
}

/// Tells one result, for a program or for a person.
pub fn report(common: &Common, result: &TargetResult) {
    if common.json {
        output::json(result);
    } else {
        print(result);
    }
}

fn print(result: &TargetResult) {
    let name = match &result.medium {
        Some(medium) => format!("{} ({})", result.target.display(), medium.identity.label()),
        None => result.target.display().to_string(),
    };
    let word = match result.outcome {
        Outcome::Pass => "PASS",
        Outcome::Fail => "FAIL",
        Outcome::Refused => "REFUSED",
        Outcome::Interrupted => "INTERRUPTED",
        Outcome::Error => "ERROR",
        Outcome::Abandoned => "ABANDONED",
    };
    let message = &result.message;
    // Many errors name their target already.
    let named = message.starts_with(&*result.target.to_string_lossy());
    output::line(&if named { format!("{word:<12} {message}") } else { format!("{word:<12} {name}: {message}") });
    if let Some(path) = &result.certificate {
        output::line(&format!("{:<12} certificate    {}", "", path.display()));
    }
    if let Some(path) = &result.failure_report {
        output::line(&format!("{:<12} failure report {}", "", path.display()));
    }
    if let Some(advice) = &result.advice {
        output::line(&format!("{:<12} {advice}", ""));
    }
}
