//! Whether a run kept the rules that its certificate names.

use super::hidden;
use crate::policy::{HiddenAreaRule, Method, OperatorRule, StepDown, Storage, VerificationLevel};
use crate::sanitize::record::RunFacts;

/// Bytes that may be missing because the policy allows blocks that could not be written or read back.
pub(super) fn excused(facts: &RunFacts) -> u64 {
    let allowed = facts.policy.as_ref().map_or(0, |policy| policy.bad_blocks_allowed);
    let block = u64::from(facts.medium.geometry.logical_block);
    match facts.ledger.exceptions() {
        Some(blocks) if blocks <= u64::from(allowed) => blocks.saturating_mul(block),
        _ => 0,
    }
}

/// Whether the run was allowed to end in less than was asked for.
pub(super) fn may_attain_less(facts: &RunFacts, attained: Method) -> bool {
    facts.policy.as_ref().is_some_and(|policy| {
        let low_enough = policy.minimum.is_none_or(|minimum| policy.before_destruction || attained >= minimum);
        policy.step_down == StepDown::LowerMethod && low_enough
    })
}

/// The rules against what was done, on a certificate.
pub(super) fn check_policy(facts: &RunFacts) -> Result<String, String> {
    let Some(policy) = &facts.policy else {
        return Ok("no policy is named: nobody decided whether this is enough".to_owned());
    };
    let medium = &facts.medium;
    if let Some(why) = policy.contradiction(Storage::of(medium.kind, medium.class, medium.rotational)) {
        return Err(why);
    }
    let label = policy.label();
    let attained = facts.attained.ok_or("a certificate without an attained method")?;
    if let Some(minimum) = policy.minimum.filter(|_| !policy.before_destruction)
        && attained < minimum
    {
        return Err(format!("{label} demands {}, and {} was attained", minimum.name(), attained.name()));
    }
    let rung = policy.ladder.iter().find(|rung| rung.technique.name() == facts.technique);
    match rung {
        None => return Err(format!("the technique {} is not among those that were allowed", facts.technique)),
        Some(rung) if rung.method != attained => {
            return Err(format!(
                "{} counts for {} under {label}, and {} is claimed",
                facts.technique,
                rung.method.name(),
                attained.name()
            ));
        }
        Some(_) => {}
    }
    let level = facts.verification.level;
    if level < policy.least_verification {
        let least = policy.least_verification.name();
        return Err(format!("{label} demands a read-back of at least {least}, and {} was done", level.name()));
    }
    let own_key = facts.operator.as_ref().is_some_and(|o| o.kid.is_some());
    match policy.operator {
        OperatorRule::Anybody => {}
        OperatorRule::Named if facts.operator.is_some() => {}
        OperatorRule::Named => return Err(format!("{label} demands that the operator is named")),
        OperatorRule::OwnKey if own_key => {}
        OperatorRule::OwnKey => return Err(format!("{label} demands an operator with a key of their own")),
    }
    if policy.hidden_areas == HiddenAreaRule::Refused {
        hidden::none_left(&facts.hidden_areas).map_err(|why| format!("{label} takes no medium {why}"))?;
    }
    let known = if policy.is_known() { "" } else { "; its text is not known to this program" };
    Ok(match (policy.minimum, policy.before_destruction, level) {
        (_, true, _) => format!("{label}: the run precedes destruction and releases nothing{known}"),
        (Some(minimum), _, _) => format!("{label} demands {}, and the run kept its rules{known}", minimum.name()),
        (None, _, VerificationLevel::None) => {
            format!("{label}: without category and route no minimum was decided, and nothing was read back{known}")
        }
        (None, _, _) => format!("{label}: without category and route no minimum was decided{known}"),
    })
}
