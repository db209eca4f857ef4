//! Depreciation, book value, and what a disposal gained or lost.

use serde::{Deserialize, Serialize};

use super::ratio::rounded;

/// How the cost is spread over the life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The same every month.
    StraightLine,
    /// A share of what is left every year; the rest in the last year of its life.
    DecliningBalance,
    /// Not at all, as land is not.
    None,
}

/// When the first year begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convention {
    /// With the month in which it went into service.
    #[default]
    FullMonth,
    /// With the middle of the calendar year in which it went into service, whenever that was: half a
    /// year's share in the first year, and half in the one after the last.
    HalfYear,
}

/// A rule of depreciation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Depreciation {
    /// How.
    pub method: Method,
    /// Useful life in months, 1 to 1200.
    pub life_months: u32,
    /// What is left at the end, in hundredths of a percent of the cost.
    pub salvage_bp: u32,
    /// Declining balance: the share a year in hundredths of a percent, such as 5000 for half.
    pub rate_bp: u32,
    /// When the first year begins.
    pub convention: Convention,
}

/// A rule that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// Life.
    #[error("a useful life is 1 to 1200 months")]
    Life,
    /// Salvage.
    #[error("the salvage value is 0 to 100 percent of the cost")]
    Salvage,
    /// Rate.
    #[error("declining balance needs a rate above 0 and at most 100 percent a year")]
    Rate,
}

impl Method {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Method::StraightLine => "straight_line",
            Method::DecliningBalance => "declining_balance",
            Method::None => "none",
        }
    }

    /// The one of that name.
    pub fn of_name(name: &str) -> Option<Method> {
        [Method::StraightLine, Method::DecliningBalance, Method::None].into_iter().find(|m| m.name() == name)
    }
}

impl Default for Depreciation {
    /// Straight line over three years to nothing, by whole months.
    fn default() -> Self {
        Depreciation {
            method: Method::StraightLine,
            life_months: 36,
            salvage_bp: 0,
            rate_bp: 0,
            convention: Convention::FullMonth,
        }
    }
}

impl Depreciation {
    /// Whether it can be applied.
    pub fn check(&self) -> Result<(), BadRule> {
        match self {
            Depreciation { life_months: 0 | 1201.., .. } => Err(BadRule::Life),
            Depreciation { salvage_bp: 10_001.., .. } => Err(BadRule::Salvage),
            Depreciation { method: Method::DecliningBalance, rate_bp: 0 | 10_001.., .. } => Err(BadRule::Rate),
            _ => Ok(()),
        }
    }

    /// What is left at the end, in minor units.
    pub fn salvage(&self, cost: i64) -> i64 {
        minor(rounded(i128::from(cost) * i128::from(self.salvage_bp), 10_000))
    }

    /// Months of depreciation that are over. `service` and `at` are months since the year 0
    /// (12 x year + month - 1); the month of going into service is over when `at` is the one after.
    pub fn months(&self, service: i64, at: i64) -> u32 {
        let begin = match self.convention {
            Convention::FullMonth => service,
            Convention::HalfYear => service.div_euclid(12) * 12 + 6,
        };
        u32::try_from((at - begin).max(0)).unwrap_or(u32::MAX)
    }

    /// Book value after `months` of depreciation, in minor units. A cost of zero or less is not
    /// depreciated.
    pub fn value_after(&self, cost: i64, months: u32) -> i64 {
        if cost <= 0 || months == 0 {
            return cost;
        }
        let salvage = self.salvage(cost);
        match self.method {
            Method::None => cost,
            _ if months >= self.life_months => salvage,
            Method::StraightLine => {
                let spread = i128::from(cost) - i128::from(salvage);
                cost - minor(rounded(spread * i128::from(months), i128::from(self.life_months)))
            }
            Method::DecliningBalance => self.declined(cost, salvage, months),
        }
    }

    /// value x (1 - rate) a year, never below the salvage value; within a year evenly by months.
    fn declined(&self, cost: i64, salvage: i64, months: u32) -> i64 {
        let year = |value: i64| {
            let left = rounded(i128::from(value) * i128::from(10_000 - self.rate_bp.min(10_000)), 10_000);
            minor(left).max(salvage)
        };
        // Under the half-year convention the first share is half a year's: the years end in June's
        // place, which the months already say.
        let mut value = cost;
        for _ in 0..months / 12 {
            value = year(value);
        }
        let fall = i128::from(value) - i128::from(year(value));
        value - minor(rounded(fall * i128::from(months % 12), 12))
    }

    /// Depreciation of the months after `from` up to `to`.
    pub fn between(&self, cost: i64, from: u32, to: u32) -> i64 {
        self.value_after(cost, from) - self.value_after(cost, to.max(from))
    }
}

/// Cost less accumulated depreciation.
pub fn book_value(cost: i64, accumulated: i64) -> i64 {
    cost.saturating_sub(accumulated)
}

/// Proceeds - selling costs - book value: above zero a gain, below a loss.
pub fn gain_or_loss(proceeds: i64, selling: i64, book: i64) -> i64 {
    proceeds.saturating_sub(selling).saturating_sub(book)
}

fn minor(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn years(rule: Depreciation, cost: i64) -> Vec<i64> {
        (1..=5).map(|year| rule.value_after(cost, year * 12)).collect()
    }

    #[test]
    fn ten_thousand_over_five_years_in_a_straight_line() {
        let rule = Depreciation { life_months: 60, ..Depreciation::default() };
        assert_eq!(years(rule, 1_000_000), [800_000, 600_000, 400_000, 200_000, 0]);
        assert_eq!(rule.value_after(1_000_000, 0), 1_000_000);
        assert_eq!(rule.value_after(1_000_000, 1), 983_333);
        assert_eq!(rule.value_after(1_000_000, 999), 0);
        let salvage = Depreciation { salvage_bp: 1000, ..rule };
        assert_eq!(years(salvage, 1_000_000), [820_000, 640_000, 460_000, 280_000, 100_000]);
    }

    #[test]
    fn half_of_what_is_left_every_year_and_the_rest_in_the_last() {
        let rule = Depreciation {
            method: Method::DecliningBalance,
            life_months: 60,
            rate_bp: 5000,
            ..Depreciation::default()
        };
        assert_eq!(years(rule, 1_000_000), [500_000, 250_000, 125_000, 62_500, 0]);
        assert_eq!(rule.value_after(1_000_000, 6), 750_000);
        let floored = Depreciation { salvage_bp: 2000, ..rule };
        assert_eq!(years(floored, 1_000_000), [500_000, 250_000, 200_000, 200_000, 200_000]);
    }

    #[test]
    fn the_half_year_convention_gives_half_a_share_in_the_first_year_and_half_after_the_last() {
        let rule = Depreciation { life_months: 60, convention: Convention::HalfYear, ..Depreciation::default() };
        let month = |year: i64, month: i64| year * 12 + month - 1;
        let bought = month(2024, 11);
        // Value at the end of each year: whenever in the year it was bought.
        let ends: Vec<i64> =
            (2025..=2030).map(|y| rule.value_after(1_000_000, rule.months(bought, month(y, 1)))).collect();
        assert_eq!(ends, [900_000, 700_000, 500_000, 300_000, 100_000, 0]);
        assert_eq!(rule.months(month(2024, 1), month(2025, 1)), rule.months(month(2024, 12), month(2025, 1)));
        // By whole months instead: November and December are two of sixty.
        let months = Depreciation { convention: Convention::FullMonth, ..rule };
        assert_eq!(months.months(bought, month(2025, 1)), 2);
        assert_eq!(months.months(bought, month(2023, 1)), 0);
    }

    #[test]
    fn book_value_and_gain_or_loss() {
        // Cost 24 000, depreciated 17 600: book 6 400.
        assert_eq!(book_value(2_400_000, 1_760_000), 640_000);
        assert_eq!(gain_or_loss(700_000, 20_000, 640_000), 40_000);
        assert_eq!(gain_or_loss(100_000, 0, 640_000), -540_000);
        assert_eq!(gain_or_loss(0, 0, 0), 0);
    }

    #[test]
    fn the_parts_of_the_months_add_up_and_nothing_falls_below_salvage() {
        for method in [Method::StraightLine, Method::DecliningBalance, Method::None] {
            let rule = Depreciation {
                method,
                life_months: 37,
                salvage_bp: 777,
                rate_bp: 3333,
                convention: Convention::FullMonth,
            };
            let cost = 1_234_567;
            let sum: i64 = (0..50).map(|m| rule.between(cost, m, m + 1)).sum();
            assert_eq!(cost - sum, rule.value_after(cost, 50));
            assert!((0..50).all(|m| rule.between(cost, m, m + 1) >= 0));
            assert!((0..50).all(|m| rule.value_after(cost, m) >= rule.salvage(cost)));
        }
        assert_eq!(Depreciation::default().value_after(i64::MAX, 35).cmp(&0), std::cmp::Ordering::Greater);
        assert_eq!(Depreciation::default().value_after(-5, 35), -5);
        assert_eq!(Depreciation { life_months: 0, ..Depreciation::default() }.check(), Err(BadRule::Life));
    }
}
