//! Keep, upgrade, refresh or retire: the decision, the figures it rests on, and the moment at which
//! keeping costs more than replacing.

use chrono::{DateTime, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::policy::Approval;
use super::{check_day, check_words};
use crate::register::error::Refusal;
use crate::register::number::Money;
use crate::register::words::words;

/// How far ahead the crossing is looked for.
const MAX_MONTHS: u32 = 600;

words!(
    /// What is decided.
    Choice {
        /// Goes on as it is.
        Keep = "keep",
        /// Gets better parts, then goes on.
        Upgrade = "upgrade",
        /// Is replaced.
        Refresh = "refresh",
        /// Goes, and nothing comes for it.
        Retire = "retire",
    }
);
words!(
    /// What comes first.
    CrossingReason {
        /// Keeping costs more than replacing.
        Cost = "cost",
        /// The maker's support ends, and with it the security fixes.
        EndOfSupport = "end_of_support",
    }
);

/// The figures of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionInputs {
    /// The day they are of.
    pub as_of: String,
    /// What keeping it costs a year now: maintenance, operation, downtime.
    pub keep_per_year: Money,
    /// By how much that grows a year, in hundredths of a percent.
    pub keep_growth_bp: u32,
    /// Full cost of its replacement.
    pub replace_cost: Money,
    /// Months the replacement is used.
    pub replace_life_months: u32,
    /// What running the replacement costs a year.
    pub replace_per_year: Money,
    /// How well it still does its work.
    pub performance: Option<String>,
    /// What is known of its security.
    pub security: Option<String>,
    /// The maker supports it until that day.
    pub end_of_support: Option<String>,
}

/// When keeping is no longer right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crossing {
    /// Whole months from the day of the figures.
    pub months: u32,
    /// That day.
    pub on: String,
    /// What comes first.
    pub reason: CrossingReason,
}

/// What is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionFacts {
    /// What.
    pub choice: Choice,
    /// Why.
    pub rationale: String,
    /// By which figures.
    pub inputs: DecisionInputs,
    /// As [`crossing`] computes it from the figures.
    pub crossing: Option<Crossing>,
}

/// A decision and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What is proposed.
    pub facts: DecisionFacts,
    /// Whose key proposed it.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who approved it.
    pub approved: Option<Approval>,
    /// Why not.
    pub refused: Option<String>,
}

/// The first month in which keeping costs at least as much as replacing, or in which support has
/// ended; `None` within 50 years. Costs of keeping grow from year to year, evenly within one; the
/// replacement costs its price spread over its life, and its running costs.
pub fn crossing(inputs: &DecisionInputs) -> Result<Option<Crossing>, Refusal> {
    let as_of = inputs.check()?;
    let minor = |money: &Money| i128::from(money.minor.0);
    // Compared per year, in minor units times the life in months, so that nothing is rounded off.
    let life = i128::from(inputs.replace_life_months);
    let replace = minor(&inputs.replace_cost) * 12 + minor(&inputs.replace_per_year) * life;
    let grown = |keep: i128| keep + keep * i128::from(inputs.keep_growth_bp) / 10_000;
    let mut keep = minor(&inputs.keep_per_year);
    let mut by_cost = None;
    for month in 0..=MAX_MONTHS {
        let within = i128::from(month % 12);
        if month > 0 && within == 0 {
            keep = grown(keep);
        }
        if (keep * 12 + (grown(keep) - keep) * within) * life >= replace * 12 {
            by_cost = Some(month);
            break;
        }
    }
    let by_support = match &inputs.end_of_support {
        None => None,
        Some(day) => {
            let end = check_day("end of support", day)?;
            (0..=MAX_MONTHS).find(|m| as_of.checked_add_months(Months::new(*m)).is_some_and(|d| d >= end))
        }
    };
    let (months, reason) = match (by_cost, by_support) {
        (None, None) => return Ok(None),
        (Some(cost), Some(support)) if support < cost => (support, CrossingReason::EndOfSupport),
        (Some(cost), _) => (cost, CrossingReason::Cost),
        (None, Some(support)) => (support, CrossingReason::EndOfSupport),
    };
    let on = as_of.checked_add_months(Months::new(months)).map(|d| d.to_string());
    Ok(on.map(|on| Crossing { months, on, reason }))
}

impl DecisionInputs {
    fn check(&self) -> Result<NaiveDate, Refusal> {
        let moneys = [&self.keep_per_year, &self.replace_cost, &self.replace_per_year];
        if moneys.iter().any(|m| m.currency != self.replace_cost.currency || m.minor.0 < 0) {
            return Err(Refusal::rule("the figures of a decision have one currency, and none is negative"));
        }
        if self.replace_life_months == 0 || self.replace_life_months > 1200 || self.keep_growth_bp > 100_000 {
            return Err(Refusal::rule("a life has 1 to 1200 months, a growth at most 1000 % a year"));
        }
        check_day("day of the figures", &self.as_of)
    }
}

impl DecisionFacts {
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        check_words("the rationale", &self.rationale)?;
        match crossing(&self.inputs)? == self.crossing {
            true => Ok(()),
            false => Err(Refusal::rule("the crossing is not what the figures give")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(keep: &str, growth_bp: u32, replace: &str, running: &str, support: Option<&str>) -> DecisionInputs {
        let money = |text| Money::parse(text, "EUR").unwrap();
        DecisionInputs {
            as_of: "2026-01-31".into(),
            keep_per_year: money(keep),
            keep_growth_bp: growth_bp,
            replace_cost: money(replace),
            replace_life_months: 48,
            replace_per_year: money(running),
            performance: None,
            security: None,
            end_of_support: support.map(str::to_owned),
        }
    }

    /// 1200 over 48 months is 300 a year, with 100 of running costs 400.
    #[test]
    fn the_moment_when_replacing_is_cheaper() {
        let at = |keep, growth, support| {
            let found = crossing(&inputs(keep, growth, "1200", "100", support)).unwrap();
            found.map(|c| (c.months, c.on, c.reason))
        };
        let cost = |months, on: &str| Some((months, on.to_owned(), CrossingReason::Cost));
        assert_eq!(at("400", 0, None), cost(0, "2026-01-31"));
        assert_eq!(at("399.99", 0, None), None);
        // 200, 300 after a year, 450 after two: 400 is reached 8 months into the third... of the second.
        assert_eq!(at("200", 5000, None), cost(20, "2027-09-30"));
        assert_eq!(at("200", 10_000, None), cost(12, "2027-01-31"));
        let support = Some((5, "2026-06-30".to_owned(), CrossingReason::EndOfSupport));
        assert_eq!(at("200", 5000, Some("2026-06-30")), support);
        assert_eq!(at("400", 0, Some("2026-06-30")), cost(0, "2026-01-31"));
        assert_eq!(at("200", 5000, Some("2025-01-01")).unwrap().0, 0);
        let mut mixed = inputs("1", 0, "1", "1", None);
        mixed.replace_cost.currency = "USD".into();
        assert!(crossing(&mixed).is_err());
    }
}
