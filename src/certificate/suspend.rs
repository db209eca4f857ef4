//! Suspends to RAM that a document tells of: whether that can be true.

use super::payload::DocumentKind;
use crate::policy::{Technique, Way};
use crate::sanitize::record::{Frozen, RunFacts};

/// No technique worked that was frozen, and nothing woke that did not sleep.
pub(super) fn check(kind: DocumentKind, facts: &RunFacts) -> Result<String, String> {
    for suspension in &facts.suspensions {
        if suspension.frozen.is_empty() {
            return Err("the machine was suspended for a drive that was not frozen".to_owned());
        }
        if suspension.woke.is_some() && suspension.failed.is_some() {
            return Err("the machine woke that was not suspended".to_owned());
        }
    }
    let after = facts.suspensions.last().map(|last| last.after.as_deref());
    match (kind, after) {
        (DocumentKind::Certificate, Some(None)) => {
            Err("whether the drive was still frozen is not said, and it was erased".to_owned())
        }
        (DocumentKind::Certificate, Some(Some(still))) if still.iter().any(|what| stops(*what, facts)) => {
            Err(format!("{} were still frozen, and erased the drive", Frozen::list(still)))
        }
        _ => Ok(format!("{} told of", facts.suspensions.len())),
    }
}

/// Whether what is frozen is what the run's technique sends.
fn stops(what: Frozen, facts: &RunFacts) -> bool {
    use Technique as T;
    let Ok(technique) = facts.technique.parse::<T>() else { return false };
    let by_security = matches!(technique, T::AtaSecurityErase | T::AtaSecurityEraseEnhanced);
    match what {
        Frozen::Security => by_security,
        Frozen::Sanitize => technique.way() == Way::Ata && !by_security,
    }
}

#[cfg(test)]
mod tests {
    use super::super::drive::tests::erased;
    use super::super::semantics;
    use super::super::statement::statement;
    use super::*;
    use crate::sanitize::record::Suspension;
    use crate::signed::Outcome;

    #[test]
    fn no_technique_worked_that_was_frozen() {
        let mut facts = erased();
        facts.technique = "ata-sanitize-block".to_owned();
        let good = Suspension {
            frozen: vec![Frozen::Sanitize],
            noted: facts.started,
            woke: Some(facts.started),
            slept_seconds: Some(20),
            failed: None,
            after: Some(Vec::new()),
            exchanges: Vec::new(),
        };
        let with = |suspension: Suspension| {
            let facts = RunFacts { suspensions: vec![suspension], ..facts.clone() };
            let said = statement(DocumentKind::Certificate, &facts).join(" ");
            (check(DocumentKind::Certificate, &facts), said)
        };
        let (checked, said) = with(good.clone());
        assert_eq!(checked.as_deref(), Ok("1 told of"));
        assert!(said.contains("the machine was suspended to RAM from") && said.contains("20 s asleep"), "{said}");
        let other = |after| Suspension { after, ..good.clone() };
        assert!(with(other(Some(vec![Frozen::Security]))).0.is_ok(), "it was not the technique's");
        let cases = [
            (other(Some(vec![Frozen::Sanitize])), "still frozen"),
            (other(None), "not said"),
            (Suspension { failed: Some("EBUSY".to_owned()), ..good.clone() }, "was not suspended"),
            (Suspension { frozen: Vec::new(), ..good.clone() }, "not frozen"),
        ];
        for (suspension, why) in cases {
            let found = with(suspension).0.unwrap_err();
            assert!(found.contains(why), "{found}");
        }
        // The clock may have been set meanwhile: that is told, and no more.
        let backward =
            RunFacts { suspensions: vec![Suspension { noted: facts.ended, ..good.clone() }], ..facts.clone() };
        assert!(check(DocumentKind::Certificate, &backward).is_ok());
        assert_eq!(semantics::check_times(&backward).outcome, Outcome::Unknown);
        // A report of a run that failed says so without claiming anything.
        let report = RunFacts { suspensions: vec![other(None)], ..facts.clone() };
        assert!(check(DocumentKind::FailureReport, &report).is_ok());
    }
}
