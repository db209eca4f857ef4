//! How long the evidence of a closed asset must be kept.

use chrono::{Months, NaiveDate};

use super::cell::{Cell, Tail, columns};
use super::{Ask, Sink};
use crate::register::Register;
use crate::register::error::RegisterError;
use crate::register::store::Value;

/// A rule of retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// Six years (45 CFR 164.316(b)(2)(i)).
    Hipaa,
    /// Seven years (17 CFR 210.2-06).
    Sox,
    /// As the organization says.
    Years(u32),
}

impl Regime {
    /// `hipaa`, `sox`, or a number of years.
    pub fn parse(text: &str) -> Option<Regime> {
        match text {
            "hipaa" => Some(Regime::Hipaa),
            "sox" => Some(Regime::Sox),
            years => years.parse().ok().filter(|years| (1..=100).contains(years)).map(Regime::Years),
        }
    }

    /// Years after the closure.
    pub fn years(self) -> u32 {
        match self {
            Regime::Hipaa => 6,
            Regime::Sox => 7,
            Regime::Years(years) => years,
        }
    }

    /// For people.
    pub fn name(self) -> String {
        match self {
            Regime::Hipaa => "HIPAA".to_owned(),
            Regime::Sox => "SOX".to_owned(),
            Regime::Years(years) => format!("{years} years"),
        }
    }

    /// The last day on which it must be kept.
    pub fn until(self, closed: NaiveDate) -> Option<NaiveDate> {
        closed.checked_add_months(Months::new(self.years() * 12))
    }
}

impl Register {
    /// Every closed asset with the day until which its evidence is to be kept by the longest of the
    /// regimes.
    pub async fn retention(&mut self, ask: &Ask, regimes: &[Regime], sink: &mut dyn Sink) -> Result<(), RegisterError> {
        let ask = &self.seen(ask);
        let head = ask.head(
            "retention",
            "Retention of evidence",
            columns(&[
                ("asset", "ASSET"),
                ("closed", "CLOSED"),
                ("data_class", "DATA"),
                ("media", "MEDIA"),
                ("keep_until", "KEEP UNTIL"),
                ("regime", "BECAUSE OF"),
                ("status", "STATUS"),
            ]),
        );
        sink.head(&head)?;
        let (filter, more) = ask.filter(2);
        let mut values = vec![Value::Text(Some(ask.from.to_string())), Value::Text(Some(ask.to.to_string()))];
        values.extend(more);
        let sql = format!(
            "SELECT a.tag, a.closed_day, a.data_class, \
             CAST((SELECT COUNT(*) FROM medium m WHERE m.asset=a.stream) AS TEXT) \
             FROM asset a WHERE a.closed_day>=$1 AND a.closed_day<=$2 AND {filter} ORDER BY a.stream"
        );
        let today = ask.at.date_naive();
        let (mut kept, mut free) = (0_u64, 0_u64);
        self.store
            .each(sql, &values, 4, |row| {
                let Ok([Some(tag), Some(day), Some(data), media]) = <[Option<String>; 4]>::try_from(row) else {
                    return Ok(());
                };
                let closed: Option<NaiveDate> = day.parse().ok();
                let longest = regimes.iter().max_by_key(|regime| regime.years());
                let until = longest.zip(closed).and_then(|(regime, day)| regime.until(day));
                let over = until.is_some_and(|until| until < today);
                *(if over { &mut free } else { &mut kept }) += 1;
                sink.row(vec![
                    Cell::Text(tag),
                    Cell::Text(day),
                    Cell::Text(data),
                    media.and_then(|m| m.parse().ok()).map_or(Cell::Missing, Cell::Count),
                    until.map_or(Cell::Missing, |until| Cell::Text(until.to_string())),
                    longest.map_or(Cell::Missing, |regime| Cell::Text(regime.name())),
                    Cell::Text(if over { "term is over" } else { "keep" }.to_owned()),
                ])
            })
            .await?;
        let notes = vec![
            format!("{kept} to keep, {free} whose term is over. The register itself deletes nothing."),
            "Terms: HIPAA 6 years (45 CFR 164.316), SOX 7 years (17 CFR 210.2-06). The GDPR names no term: keep no longer than needed, and say why.".to_owned(),
        ];
        sink.tail(&Tail { notes, ..Tail::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_run_by_the_calendar() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(Regime::Hipaa.until(day("2026-03-01")), Some(day("2032-03-01")));
        assert_eq!(Regime::Sox.until(day("2024-02-29")), Some(day("2031-02-28")));
        assert_eq!(Regime::parse("10").map(Regime::years), Some(10));
        assert_eq!([Regime::parse("0"), Regime::parse("gdpr"), Regime::parse("-1")], [None, None, None]);
    }
}
