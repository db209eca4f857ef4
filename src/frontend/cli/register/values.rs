//! Values on the command line: words, amounts, days, times, masses, percentages.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use crate::register::{Downtime, Money};

/// One of the register's words.
pub fn word<T>(of_name: fn(&str) -> Option<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: Clone + Send + Sync + 'static,
{
    move |text: &str| of_name(text).ok_or_else(|| format!("{text:?} is not known here"))
}

/// `1200.50 EUR`; without a currency EUR.
pub fn money(text: &str) -> Result<Money, String> {
    Money::parse(text, "EUR").map_err(|e| e.to_string())
}

/// `2026-03-01`.
pub fn day(text: &str) -> Result<String, String> {
    let day: NaiveDate = text.parse().map_err(|_| format!("{text:?} is no day; write 2026-03-01"))?;
    Ok(day.to_string())
}

/// `2026-03-01T10:00:00Z`, or a day, which means its last second in UTC.
pub fn time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    let day: Option<NaiveDate> = text.parse().ok();
    let last = NaiveTime::from_hms_opt(23, 59, 59);
    match (day, last) {
        (Some(day), Some(last)) => Ok(day.and_time(last).and_utc()),
        _ => Err(format!("{text:?} is no time; write 2026-03-01T10:00:00Z or 2026-03-01")),
    }
}

/// `2026-03-01T10:00:00Z/2026-03-01T12:00:00Z`.
pub fn span(text: &str) -> Result<(DateTime<Utc>, DateTime<Utc>), String> {
    let (from, to) = text.split_once('/').ok_or("write two times with a slash between them")?;
    let (from, to) = (time(from)?, time(to)?);
    if from < to { Ok((from, to)) } else { Err("it ends before it begins".to_owned()) }
}

/// The downtimes of a work order: planned ones, then outages.
pub fn downtime(
    planned: &[(DateTime<Utc>, DateTime<Utc>)],
    outages: &[(DateTime<Utc>, DateTime<Utc>)],
) -> Vec<Downtime> {
    let one = |planned| move |(from, to): &(DateTime<Utc>, DateTime<Utc>)| Downtime { from: *from, to: *to, planned };
    planned.iter().map(one(true)).chain(outages.iter().map(one(false))).collect()
}

/// `2.1kg`, `350g`, `1.5t`, in grams.
pub fn grams(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is no mass; write 2.1kg or 350g");
    let trimmed = text.trim().to_lowercase();
    let (number, unit) = match trimmed.strip_suffix("kg") {
        Some(number) => (number, 1000),
        None => match (trimmed.strip_suffix('g'), trimmed.strip_suffix('t')) {
            (Some(number), _) => (number, 1),
            (None, Some(number)) => (number, 1_000_000),
            (None, None) => return Err(wrong()),
        },
    };
    let (whole, part) = number.trim().split_once('.').unwrap_or((number.trim(), ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 6 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part: u64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
    let grams = whole.checked_mul(unit).and_then(|w| w.checked_add(part * unit / 1_000_000)).ok_or_else(wrong)?;
    u32::try_from(grams).map_err(|_| wrong())
}

/// `25`, `12.5%`, in hundredths of a percent.
pub fn basis_points(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is no percentage; write 12.5%");
    let number = text.trim().trim_end_matches('%').trim();
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || !whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()) || part.len() > 2 {
        return Err(wrong());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let part: u32 = format!("{part:0<2}").parse().map_err(|_| wrong())?;
    whole.checked_mul(100).and_then(|w| w.checked_add(part)).ok_or_else(wrong)
}

/// A file that belongs to an event.
pub fn read(path: Option<&std::path::Path>) -> Result<Option<Vec<u8>>, crate::frontend::exit::Failure> {
    use crate::frontend::exit::{Exit, Failure};
    let failed = |p: &std::path::Path, e| Failure::words(Exit::Other, format!("{}: {e}", p.display()));
    path.map(|p| std::fs::read(p).map_err(|e| failed(p, e))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masses_and_percentages_are_read_exactly_or_not_at_all() {
        for (text, value) in [("2.1kg", 2100), ("350 g", 350), ("1.5t", 1_500_000), ("0.0005kg", 0)] {
            assert_eq!(grams(text), Ok(value), "{text}");
        }
        for text in ["", "2", "kg", "-1kg", "1,5kg", "9999999t", "1e3g"] {
            assert!(grams(text).is_err(), "{text}");
        }
        for (text, value) in [("25", 2500), ("12.5%", 1250), ("0.05 %", 5)] {
            assert_eq!(basis_points(text), Ok(value), "{text}");
        }
        for text in ["", "%", "-1", "1.234", "a"] {
            assert!(basis_points(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_means_its_end() {
        assert_eq!(time("2026-03-01").unwrap().to_rfc3339(), "2026-03-01T23:59:59+00:00");
        assert!(span("2026-03-02/2026-03-01").is_err() && span("2026-03-01").is_err() && time("soon").is_err());
    }
}
