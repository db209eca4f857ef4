//! Quotients that are kept exactly.

use std::fmt;

/// A quotient of whole numbers; its denominator is above zero.
#[derive(Clone, Copy, Debug, Eq)]
pub struct Ratio {
    num: i128,
    den: i128,
}

impl Ratio {
    /// `num / den`; `None` where the denominator is zero: not available.
    pub fn of(num: i128, den: i128) -> Option<Ratio> {
        match den {
            0 => None,
            den if den < 0 => Some(Ratio { num: num.checked_neg()?, den: den.checked_neg()? }),
            den => Some(Ratio { num, den }),
        }
    }

    /// The quotient times `by`, rounded half away from zero to a whole number.
    pub fn times(self, by: i128) -> Option<i128> {
        self.num.checked_mul(by).map(|n| rounded(n, self.den))
    }

    /// In hundredths of a percent (basis points).
    pub fn basis_points(self) -> Option<i128> {
        self.times(10_000)
    }

    /// `98.04`: a percentage of two decimals, without the sign.
    pub fn percent(self) -> String {
        self.basis_points().map_or_else(|| "out of range".to_owned(), decimals)
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Ratio) -> bool {
        match (self.num.checked_mul(other.den), other.num.checked_mul(self.den)) {
            (Some(a), Some(b)) => a == b,
            _ => (self.num, self.den) == (other.num, other.den),
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.percent())
    }
}

/// `n / d`, half away from zero. `d` is above zero.
pub fn rounded(n: i128, d: i128) -> i128 {
    let (whole, rest) = (n / d, n % d);
    match rest.unsigned_abs() >= d.unsigned_abs() - rest.unsigned_abs() {
        true => whole + n.signum(),
        false => whole,
    }
}

fn decimals(hundredths: i128) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_below_is_not_available_and_rounding_is_half_away_from_zero() {
        assert_eq!(Ratio::of(1, 0), None);
        assert_eq!(Ratio::of(0, 0), None);
        let percent = |n, d| Ratio::of(n, d).unwrap().percent();
        assert_eq!(percent(1, 3), "33.33");
        assert_eq!(percent(2, 3), "66.67");
        assert_eq!(percent(-1, 3), "-33.33");
        assert_eq!(percent(1, -2), "-50.00");
        assert_eq!(percent(0, 5), "0.00");
        assert_eq!(percent(1, 20_000), "0.01");
        assert_eq!(percent(-1, 20_000), "-0.01");
        assert_eq!([rounded(5, 2), rounded(-5, 2), rounded(4, 3), rounded(5, 3), rounded(0, 1)], [3, -3, 1, 2, 0]);
        assert_eq!(Ratio::of(i128::MAX, 1).unwrap().percent(), "out of range");
        assert_eq!(Ratio::of(2, 4), Ratio::of(1, 2));
    }
}
