//! Where a medium goes after a run that failed.

use super::document::NextStep;
use crate::sanitize::record::{Failure, RunFacts};

/// What the failure means for the medium. Blocks that hold data and cannot be overwritten or shown to
/// be are destroyed; what may succeed another time is tried once more and then destroyed; whatever
/// is not understood is kept under lock.
pub(super) fn next_step(failure: &Failure, facts: &RunFacts) -> NextStep {
    // A run without an outcome is not known to have failed. Plans of earlier versions say "failed".
    let failed_before = facts.earlier_attempts.iter().any(|run| matches!(run.outcome.as_str(), "fail" | "failed"));
    match failure.code.as_str() {
        "write_errors" | "mismatch" | "read_errors" | "unreached" | "drive_failed" => NextStep::Destroy,
        "flush_failed" | "stalled" | "io_failed" | "incomplete" | "cache" | "abandoned" | "rejected" | "not_begun"
        | "status_lost" => match failed_before {
            true => NextStep::Destroy,
            false => NextStep::SanitizeAgain,
        },
        _ => NextStep::Quarantine,
    }
}

#[cfg(test)]
mod tests {
    use super::super::semantics::tests::facts;
    use super::*;
    use crate::sanitize::record::EarlierAttempt;

    #[test]
    fn bad_blocks_go_to_destruction_and_the_rest_on_the_second_failure() {
        let mut facts = facts();
        let step = |code: &str, facts: &RunFacts| {
            next_step(&Failure { code: code.into(), message: "m".into(), advice: "a".into() }, facts)
        };
        assert_eq!(step("write_errors", &facts), NextStep::Destroy);
        assert_eq!(step("flush_failed", &facts), NextStep::SanitizeAgain);
        assert_eq!(step("identity_changed", &facts), NextStep::Quarantine);
        assert_eq!(step("something new", &facts), NextStep::Quarantine);
        let earlier = |outcome: &str| EarlierAttempt {
            run_id: "ab".repeat(16),
            intended: facts.started,
            outcome: outcome.into(),
        };
        for (outcome, next) in [
            ("pass", NextStep::SanitizeAgain),
            ("passed", NextStep::SanitizeAgain),
            ("none", NextStep::SanitizeAgain),
            ("fail", NextStep::Destroy),
            ("failed", NextStep::Destroy),
        ] {
            facts.earlier_attempts = vec![earlier("pass"), earlier(outcome)];
            assert_eq!(step("flush_failed", &facts), next, "{outcome}");
        }
    }
}
