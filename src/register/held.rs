//! A document that is held about a medium, and what its dates are worth beside those of others.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, EvidenceKind};
use super::medium::Medium;
use crate::sanitize::record::ClockQuality;

/// A document and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// What it says.
    pub evidence: Evidence,
    /// Why it counts no longer.
    pub revoked: Option<String>,
    /// When it came in, by the register's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<DateTime<Utc>>,
}

impl Held {
    /// When its run was over. However far a station's clock is ahead, it was over when this came in.
    pub(super) fn ended(&self) -> DateTime<Utc> {
        self.accepted.map_or(self.evidence.ended, |accepted| self.evidence.ended.min(accepted))
    }

    /// It came in before it says it was made: that clock says nothing about when. A day, for those that show
    /// the local time.
    pub(super) fn is_misdated(&self) -> bool {
        self.accepted.is_some_and(|at| self.evidence.ended.signed_duration_since(at) > TimeDelta::days(1))
    }

    /// Nobody knows that its clock was right. What earlier versions took in is judged by its dates.
    fn is_unsure(&self) -> bool {
        self.evidence.clock.is_some_and(|clock| clock != ClockQuality::Synchronized)
    }
}

impl Medium {
    /// Whether a run failed after the one that passed. Where a clock may have been wrong, a failure that came
    /// in later is later.
    pub(super) fn failed_after(&self, passed: &Held) -> bool {
        let unsure =
            |failed: &Held| !Medium::is_destroyed_by(&passed.evidence) && (failed.is_unsure() || passed.is_unsure());
        self.evidence.iter().any(|held| {
            held.revoked.is_none()
                && held.evidence.kind == EvidenceKind::FailureReport
                && (held.ended() >= passed.ended() || (held.accepted > passed.accepted && unsure(held)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Method;
    use crate::register::medium::tests::{CLEAR, at, document, medium};
    use crate::register::{Act, Arrived, MediumState, Minimum};

    /// A document that came in at that hour of January 1, and a clock of which nobody knows.
    fn taken(kind: EvidenceKind, ended: DateTime<Utc>, clock: Option<ClockQuality>, hour: u32) -> (Act, u32) {
        let evidence = Evidence { document: format!("{kind:?} {ended}"), ended, clock, ..document(kind, 0) };
        (Act::EvidenceAccepted { evidence }, hour)
    }

    #[test]
    fn a_clock_that_is_ahead_proves_no_order() {
        use EvidenceKind::{Certificate, Destruction, FailureReport};
        let good = |acts: &[(Act, u32)]| medium(acts).satisfying(&CLEAR, true, None).is_ok();
        let used = |hour| (Act::MediumStateSet { state: MediumState::InUse, note: None }, hour);
        let (sure, later) = (Some(ClockQuality::Synchronized), |days| at(3) + TimeDelta::days(days));
        // A year ahead: it counts for nothing, before the next use and after it, whatever comes in besides.
        let ahead = || taken(Certificate, later(365), sure, 3);
        assert!(!good(&[ahead()]));
        let reused = medium(&[ahead(), used(5), taken(FailureReport, at(7), sure, 8)]);
        assert_eq!((reused.state, reused.satisfying(&CLEAR, true, None).is_ok()), (MediumState::Failed, false));
        assert!(reused.satisfying(&CLEAR, true, None).unwrap_err().contains("that clock is wrong"));
        let mut destroyed = document(Destruction, 0);
        (destroyed.attained, destroyed.ended) = (Some(Method::Destroy), later(2));
        assert_eq!(medium(&[(Act::EvidenceAccepted { evidence: destroyed }, 3)]).state, MediumState::InUse);
        // Some hours ahead: it was over when it came in, and that was before the next use.
        let hours = || taken(Certificate, at(9), sure, 3);
        assert!(good(&[hours()]) && !good(&[hours(), used(5)]));
        assert!(!good(&[hours(), taken(FailureReport, at(4), sure, 5)]), "it failed after that came in");
    }

    #[test]
    fn a_failure_by_a_clock_of_which_nobody_knows_is_later_than_what_was_there() {
        use EvidenceKind::{Certificate, Destruction, FailureReport};
        let sure = Some(ClockQuality::Synchronized);
        for clock in [ClockQuality::Unsynchronized, ClockQuality::Unknown].map(Some) {
            for (passed, failed, came, state) in [
                (sure, clock, 11, MediumState::Failed),
                (clock, sure, 11, MediumState::Failed),
                (sure, sure, 11, MediumState::Sanitized),
                (None, None, 11, MediumState::Sanitized),
                // In one delivery, as one clock tells it: what failed was tried again.
                (clock, clock, 10, MediumState::Sanitized),
            ] {
                let acts = [taken(Certificate, at(5), passed, 10), taken(FailureReport, at(4), failed, came)];
                let medium = medium(&acts);
                assert_eq!(medium.state, state, "{passed:?} {failed:?} {came}");
                assert_eq!(medium.satisfying(&CLEAR, true, None).is_ok(), state == MediumState::Sanitized);
            }
            // What is destroyed does not fail afterwards, and late words of its use change nothing.
            let mut destroyed = document(Destruction, 5);
            destroyed.attained = Some(Method::Destroy);
            let acts = [(Act::EvidenceAccepted { evidence: destroyed }, 6), taken(FailureReport, at(4), clock, 7)];
            let medium = medium(&acts);
            assert_eq!(medium.state, MediumState::Destroyed);
            let destroy = Minimum { method: Method::Destroy, ..CLEAR };
            assert!(medium.satisfying(&destroy, true, Some(at(9))).is_ok());
        }
    }

    #[test]
    fn an_event_of_an_earlier_version_tells_nothing_of_the_clock() {
        let found = document(EvidenceKind::Certificate, 5);
        let mut told = serde_json::to_value(&found).unwrap();
        told.as_object_mut().unwrap().remove("clock").unwrap();
        let told: Evidence = serde_json::from_value(told).unwrap();
        let [found, told] = [found, told].map(Arrived::Evidence);
        assert!(found.agrees_with(&told) && !told.agrees_with(&found));
    }
}
