//! The figures of an asset's life. Pure: amounts and times in, figures out.
//!
//! Money is whole minor units, times are whole seconds, quotients are kept as such and rounded only
//! when they are shown. A denominator of zero is "not available" (`None`), never 0 or infinity.
//! Formulas and their sources: `docs/reports.md`.

mod depreciation;
mod money;
mod ratio;
mod uptime;

pub use depreciation::{BadRule, Convention, Depreciation, Method, book_value, gain_or_loss};
pub use money::{Costs, return_on_assets};
pub use ratio::{Ratio, rounded};
pub use uptime::{Interval, IntervalKind, Reliability, Span, merged, reliability};

/// Work done on time / work scheduled.
pub fn maintenance_compliance(on_time: u64, scheduled: u64) -> Option<Ratio> {
    Ratio::of(i128::from(on_time), i128::from(scheduled))
}
