//! The rest of an asset's life: what is bought and from whom, requests, deployment, work orders,
//! decisions, licences, disposal orders, and the policy of each stage.

mod allow;
mod calendar;
mod decision;
mod deploy;
mod job;
mod lot;
mod model;
mod on_asset;
mod policy;
mod pool;
mod request;
mod vendor;

mod do_decide;
mod do_dispose;
mod do_procure;
mod do_work;
mod due;
mod find;

pub use decision::{Choice, Crossing, CrossingReason, Decision, DecisionFacts, DecisionInputs, crossing};
pub use deploy::{Acknowledgement, Configuration, Valuation, ValuationBasis};
pub use do_work::Opening;
pub use due::Due;
pub(crate) use find::check_alone;
pub use job::{Downtime, OpenWork, Schedule, WorkFacts, WorkKind, WorkOrder, WorkResult};
pub use lot::{Dispatch, Lot, LotFacts, LotLine, LotState, Receipt, Weights};
pub use model::{Depreciation, Model, ModelFacts};
pub use on_asset::{AssetLife, Origin};
pub(crate) use policy::shared as shared_text;
pub use policy::{Approval, Limit, PolicyRules, PolicyText, PolicyVersion, SanitizationText};
pub use pool::{Pool, PoolFacts, Seat};
pub use request::{FullCost, NeedKind, Purchase, Request, RequestFacts, RequestState};
pub use vendor::{Certification, Vendor, VendorFacts, VendorKind};

use chrono::{DateTime, NaiveDate, Utc};

use super::error::Refusal;

/// Longest text of a policy, a need or a reason, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// Refuses a name that is empty, long, or not on one line.
fn check_name(what: &str, name: &str) -> Result<(), Refusal> {
    let fine =
        !name.is_empty() && name.chars().count() <= 200 && name.trim() == name && !name.chars().any(char::is_control);
    match fine {
        true => Ok(()),
        false => Err(Refusal::rule(format!("{name:?} is no {what}: 1 to 200 characters on one line"))),
    }
}

/// Refuses words that are missing or too long.
fn check_words(what: &str, words: &str) -> Result<(), Refusal> {
    match words.trim().is_empty() || words.len() > MAX_TEXT {
        true => Err(Refusal::rule(format!("{what} is missing, or longer than {MAX_TEXT} bytes"))),
        false => Ok(()),
    }
}

/// Refuses a text that is no day.
fn check_day(what: &str, day: &str) -> Result<NaiveDate, Refusal> {
    let read: Option<NaiveDate> = day.parse().ok();
    read.filter(|d| d.to_string() == day)
        .ok_or_else(|| Refusal::rule(format!("{what}: {day:?} is no day; write 2026-03-01")))
}

/// The day of an instant, in UTC, as events write it.
pub(super) fn day_of(at: DateTime<Utc>) -> String {
    at.date_naive().to_string()
}
