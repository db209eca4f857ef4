//! How worn a medium is, by its own account (SMART, device statistics, NVMe health log, EXT_CSD).

use serde::{Deserialize, Serialize};

/// What the drive says of its health. `None`: it does not say; never a zero that nobody read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// The drive's own verdict: it expects to fail.
    pub failing: Option<bool>,
    /// Sectors that were replaced by spare ones: what they hold is out of reach of any overwrite.
    pub reallocated: Option<u64>,
    /// Sectors that wait to be replaced.
    pub pending: Option<u64>,
    /// Errors that could not be corrected.
    pub media_errors: Option<u64>,
    /// Per cent of the rated endurance that is used; may pass 100.
    pub wear: Option<u8>,
    /// Degrees Celsius.
    pub temperature: Option<i16>,
    /// Hours under power.
    pub hours: Option<u64>,
}

impl Health {
    /// What `self` leaves open, from `other`.
    #[must_use]
    pub fn or(self, other: Health) -> Health {
        Health {
            failing: self.failing.or(other.failing),
            reallocated: self.reallocated.or(other.reallocated),
            pending: self.pending.or(other.pending),
            media_errors: self.media_errors.or(other.media_errors),
            wear: self.wear.or(other.wear),
            temperature: self.temperature.or(other.temperature),
            hours: self.hours.or(other.hours),
        }
    }

    /// It says nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Health::default()
    }
}
