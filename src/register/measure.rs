//! What was measured on an asset: samples, and for how long it was used or down.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::Refusal;
use super::metrics::IntervalKind;

/// The most samples and intervals of one event.
pub const MOST_AT_ONCE: usize = 1000;

/// Samples and intervals from one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Who or what measured: a monitoring system, a person.
    pub source: String,
    /// Values at an instant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
    /// What it did for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<Lasted>,
}

/// A value at an instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// What was measured, with its unit: `uptime_h`, `cpu_percent`, `network_lag_ms`.
    pub name: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The value.
    pub value: Milli,
}

/// What it did, from when until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lasted {
    /// What.
    pub kind: IntervalKind,
    /// First instant.
    pub from: DateTime<Utc>,
    /// First instant after.
    pub to: DateTime<Utc>,
}

/// A number with at most three decimals, kept in thousandths; a decimal string in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Milli(pub i64);

impl Measured {
    /// Whether it can be taken.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let count = self.samples.len() + self.intervals.len();
        if count == 0 || count > MOST_AT_ONCE {
            return Err(Refusal::rule(format!("{count} measurements at once: 1 to {MOST_AT_ONCE} are taken")));
        }
        let word = |text: &str| !text.is_empty() && text.len() <= 200 && !text.chars().any(char::is_control);
        if !word(&self.source) || !self.samples.iter().all(|sample| word(&sample.name)) {
            return Err(Refusal::rule("a source and the name of a sample have 1 to 200 characters on one line"));
        }
        if !self.samples.is_empty() && !self.intervals.is_empty() {
            return Err(Refusal::rule("samples and intervals are recorded apart"));
        }
        match self.intervals.iter().find(|lasted| lasted.to.timestamp() <= lasted.from.timestamp()) {
            Some(lasted) => Err(Refusal::rule(format!("{} ends before it begins ({})", lasted.from, lasted.to))),
            None => Ok(()),
        }
    }
}

impl FromStr for Milli {
    type Err = String;

    fn from_str(text: &str) -> Result<Milli, String> {
        let wrong = || format!("{text:?} is no number; write 12.5 (at most three decimals)");
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let fine = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if !fine(whole) || !fine(part) || part.len() > 3 {
            return Err(wrong());
        }
        let (whole, part): (i64, i64) =
            (whole.parse().map_err(|_| wrong())?, format!("{part:0<3}").parse().map_err(|_| wrong())?);
        whole.checked_mul(1000).and_then(|w| w.checked_add(part)).map(|v| Milli(sign * v)).ok_or_else(wrong)
    }
}

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        let text = format!("{}{whole}.{part:03}", if self.0 < 0 { "-" } else { "" });
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for Milli {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Milli {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let value: Milli = text.parse().map_err(de::Error::custom)?;
        match value.to_string() == text {
            true => Ok(value),
            false => Err(de::Error::custom(format!("{text:?} is not written in its shortest form"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_exactly_or_not_at_all() {
        for (text, value) in [("0", 0), ("12.5", 12_500), ("-0.001", -1), ("7", 7000), ("99.999", 99_999)] {
            assert_eq!(text.parse(), Ok(Milli(value)), "{text}");
            assert_eq!(Milli(value).to_string(), text);
        }
        for bad in ["", "-", "1e3", "1.2345", ".5", "5.", "NaN", "+1", " 1", "9999999999999999999"] {
            assert!(bad.parse::<Milli>().is_err(), "{bad}");
        }
        assert_eq!(Milli(1100).to_string(), "1.1");
        assert!(serde_json::from_str::<Milli>("\"1.10\"").is_err());
    }
}
