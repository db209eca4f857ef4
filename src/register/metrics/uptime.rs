//! Time in use and time down.

use serde::{Deserialize, Serialize};

use super::ratio::Ratio;

/// From, to; seconds since 1970 in UTC. `to` is outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First second.
    pub from: i64,
    /// First second after.
    pub to: i64,
}

/// What an asset did for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalKind {
    /// It could be used.
    Available,
    /// It was used.
    Active,
    /// It was down as planned.
    PlannedDown,
    /// It was down, and nobody had planned it.
    UnplannedDown,
}

/// A kind of time and its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// What it did.
    pub kind: IntervalKind,
    /// When.
    pub span: Span,
}

/// The sums that the figures come from, in seconds. Sums of several assets are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reliability {
    /// Seconds in service within the period.
    pub operating: i64,
    /// Seconds down as planned, without those that were down anyway.
    pub planned: i64,
    /// Seconds down without a plan.
    pub unplanned: i64,
    /// How often it went down without a plan; overlapping outages are one.
    pub outages: u64,
    /// Seconds it could be used: as recorded, or operating less down where nothing was recorded.
    pub available: i64,
    /// Seconds it was used.
    pub active: i64,
}

impl IntervalKind {
    /// All of them.
    pub const ALL: [IntervalKind; 4] =
        [IntervalKind::Available, IntervalKind::Active, IntervalKind::PlannedDown, IntervalKind::UnplannedDown];

    /// As in events and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            IntervalKind::Available => "available",
            IntervalKind::Active => "active",
            IntervalKind::PlannedDown => "planned_down",
            IntervalKind::UnplannedDown => "unplanned_down",
        }
    }

    /// The one of that name.
    pub fn of_name(name: &str) -> Option<IntervalKind> {
        IntervalKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Span {
    /// The part of it within `other`.
    pub fn within(self, other: Span) -> Option<Span> {
        let part = Span { from: self.from.max(other.from), to: self.to.min(other.to) };
        (part.from < part.to).then_some(part)
    }

    fn seconds(self) -> i64 {
        self.to.saturating_sub(self.from).max(0)
    }
}

/// Spans that overlap or touch become one; in order.
pub fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.from < span.to);
    spans.sort_unstable();
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => out.push(span),
        }
    }
    out
}

/// The sums of one asset. `service`: when it was in service within the period. Intervals reach no
/// further than that. An outage that began before the period counts in it.
pub fn reliability(service: Option<Span>, intervals: &[Interval]) -> Reliability {
    let Some(service) = service.filter(|span| span.from < span.to) else { return Reliability::default() };
    let of = |kind: IntervalKind| {
        merged(intervals.iter().filter(|i| i.kind == kind).filter_map(|i| i.span.within(service)).collect())
    };
    let sum = |spans: &[Span]| spans.iter().map(|span| span.seconds()).sum::<i64>();
    let (planned, unplanned) = (of(IntervalKind::PlannedDown), of(IntervalKind::UnplannedDown));
    let (operating, down) = (service.seconds(), sum(&unplanned));
    // Down at the same time by plan and without: it was an outage, and counts once.
    let all_down = sum(&merged(planned.iter().chain(&unplanned).copied().collect()));
    let recorded = of(IntervalKind::Available);
    let active = of(IntervalKind::Active);
    // What is used is available.
    let available = match recorded.is_empty() {
        true => operating - all_down,
        false => sum(&merged(recorded.into_iter().chain(active.iter().copied()).collect())),
    };
    Reliability {
        operating,
        planned: all_down - down,
        unplanned: down,
        outages: unplanned.len() as u64,
        available,
        active: sum(&active),
    }
}

impl Reliability {
    /// Adds another asset's.
    pub fn add(&mut self, other: &Reliability) {
        self.operating = self.operating.saturating_add(other.operating);
        self.planned = self.planned.saturating_add(other.planned);
        self.unplanned = self.unplanned.saturating_add(other.unplanned);
        self.outages = self.outages.saturating_add(other.outages);
        self.available = self.available.saturating_add(other.available);
        self.active = self.active.saturating_add(other.active);
    }

    /// Active time / available time.
    pub fn utilization(&self) -> Option<Ratio> {
        Ratio::of(self.active.into(), self.available.into())
    }

    /// (operating - planned - unplanned) / (operating - planned).
    pub fn availability(&self) -> Option<Ratio> {
        let due = i128::from(self.operating) - i128::from(self.planned);
        Ratio::of(due - i128::from(self.unplanned), due)
    }

    /// Mean time between failures: (operating - planned - unplanned) / unplanned outages, in seconds.
    pub fn mtbf(&self) -> Option<Ratio> {
        let up = i128::from(self.operating) - i128::from(self.planned) - i128::from(self.unplanned);
        Ratio::of(up, self.outages.into())
    }

    /// Mean time to repair: unplanned downtime / unplanned outages, in seconds.
    pub fn mttr(&self) -> Option<Ratio> {
        Ratio::of(self.unplanned.into(), self.outages.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn interval(kind: IntervalKind, from: f64, to: f64) -> Interval {
        let seconds = |hours: f64| (hours * 3600.0) as i64;
        Interval { kind, span: Span { from: seconds(from), to: seconds(to) } }
    }

    fn hours(ratio: Option<Ratio>) -> Option<i128> {
        ratio.and_then(|r| r.times(10)).map(rounded_to)
    }

    /// Tenths of a second to tenths of an hour.
    fn rounded_to(tenths: i128) -> i128 {
        super::super::rounded(tenths, HOUR.into())
    }

    #[test]
    fn a_year_with_35_hours_down_in_two_outages_has_an_mtbf_of_4362_and_a_half_hours() {
        use IntervalKind::{PlannedDown, UnplannedDown};
        let year = Some(Span { from: 0, to: 8760 * HOUR });
        let down = [
            interval(PlannedDown, 100.0, 115.0),
            interval(UnplannedDown, 2000.0, 2012.0),
            interval(UnplannedDown, 5000.0, 5008.0),
        ];
        let found = reliability(year, &down);
        assert_eq!((found.planned, found.unplanned, found.outages), (15 * HOUR, 20 * HOUR, 2));
        assert_eq!(hours(found.mtbf()), Some(43_625));
        assert_eq!(hours(found.mttr()), Some(100));
        assert_eq!(found.availability(), Ratio::of(8725, 8745));
    }

    #[test]
    fn overlapping_outages_are_one() {
        use IntervalKind::UnplannedDown;
        let day = Some(Span { from: 0, to: 24 * HOUR });
        let found = reliability(day, &[interval(UnplannedDown, 11.5, 13.0), interval(UnplannedDown, 10.0, 12.0)]);
        assert_eq!((found.outages, found.unplanned), (1, 3 * HOUR));
        assert_eq!(hours(found.mttr()), Some(30));
    }

    #[test]
    fn nothing_recorded_is_not_available_and_never_zero() {
        let none = reliability(None, &[]);
        assert_eq!((none.utilization(), none.availability(), none.mtbf(), none.mttr()), (None, None, None, None));
        let day = Some(Span { from: 0, to: 24 * HOUR });
        let quiet = reliability(day, &[]);
        assert_eq!((quiet.mtbf(), quiet.mttr()), (None, None));
        assert_eq!(quiet.availability(), Ratio::of(1, 1));
    }

    #[test]
    fn an_outage_during_maintenance_counts_once_and_as_an_outage() {
        use IntervalKind::{Active, Available, PlannedDown, UnplannedDown};
        let day = Some(Span { from: 0, to: 24 * HOUR });
        let found = reliability(
            day,
            &[
                interval(PlannedDown, 1.0, 4.0),
                interval(UnplannedDown, 2.0, 6.0),
                interval(UnplannedDown, 23.0, 40.0),
                interval(Available, 8.0, 18.0),
                interval(Active, 9.0, 14.0),
            ],
        );
        assert_eq!((found.planned, found.unplanned, found.outages), (HOUR, 5 * HOUR, 2));
        assert_eq!(found.utilization(), Ratio::of(1, 2));
        assert_eq!(found.availability(), Ratio::of(18, 23));
    }
}
