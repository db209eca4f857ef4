//! Money, and 64-bit numbers as decimal strings in JSON.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A signed 64-bit number; a decimal string in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Whole(pub i64);

/// An amount in minor units (cents) of an ISO 4217 currency.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units.
    pub minor: Whole,
    /// Three capital letters.
    pub currency: String,
}

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no amount of money; write 1234.50 EUR (at most two decimals, a currency of three letters)")]
pub struct NotMoney {
    /// What stood there.
    pub text: String,
}

impl Money {
    /// Reads `1234.50 EUR`, `1234.5` or `1,234.50` (then `currency` applies). Two decimals at most.
    pub fn parse(text: &str, currency: &str) -> Result<Money, NotMoney> {
        let wrong = || NotMoney { text: text.to_owned() };
        let trimmed = text.trim();
        let (number, currency) = match trimmed.rsplit_once(' ') {
            Some((number, code)) if code.chars().all(|c| c.is_ascii_alphabetic()) => (number, code),
            _ => (trimmed, currency),
        };
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(wrong());
        }
        let (sign, digits) = match number.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, number),
        };
        let (whole, cents) = digits.split_once('.').unwrap_or((digits, ""));
        let whole = without_thousands(whole).ok_or_else(wrong)?;
        let digits_only = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits_only(&whole) || !digits_only(cents) || cents.len() > 2 {
            return Err(wrong());
        }
        let whole: i64 = whole.parse().map_err(|_| wrong())?;
        let cents: i64 = format!("{cents:0<2}").parse().map_err(|_| wrong())?;
        let minor = whole.checked_mul(100).and_then(|m| m.checked_add(cents)).ok_or_else(wrong)?;
        Ok(Money { minor: Whole(sign * minor), currency: currency.to_ascii_uppercase() })
    }

    /// `1234.50`, without the currency.
    pub fn amount(&self) -> String {
        let sign = if self.minor.0 < 0 { "-" } else { "" };
        let minor = self.minor.0.unsigned_abs();
        format!("{sign}{}.{:02}", minor / 100, minor % 100)
    }
}

/// `1,234,567` only where the commas stand every three digits.
fn without_thousands(text: &str) -> Option<String> {
    let mut groups = text.split(',');
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let fine = rest.is_empty() || ((1..=3).contains(&first.len()) && rest.iter().all(|g| g.len() == 3));
    fine.then(|| format!("{first}{}", rest.concat()))
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        match i64::from_str(&text) {
            Ok(value) if value.to_string() == text => Ok(Whole(value)),
            _ => Err(de::Error::custom(format!("{text:?} is not a decimal number of 64 bits"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_or_not_at_all() {
        let minor = |text| Money::parse(text, "EUR").map(|m| (m.minor.0, m.currency));
        assert_eq!(minor("1234.50"), Ok((123_450, "EUR".into())));
        assert_eq!(minor("1,234.5 usd"), Ok((123_450, "USD".into())));
        assert_eq!(minor("-0.05"), Ok((-5, "EUR".into())));
        assert_eq!(minor("7"), Ok((700, "EUR".into())));
        for bad in
            ["", "1.234", "1,23", "12,34.00", "1e3", "=1+1", "1.2.3", ".5", "9e99", "99999999999999999999", "- 5"]
        {
            assert!(Money::parse(bad, "EUR").is_err(), "{bad}");
        }
        assert!(Money::parse("1", "EURO").is_err());
        assert_eq!(Money::parse("-1234.05", "EUR").unwrap().to_string(), "-1234.05 EUR");
    }
}
