//! The least that closes an asset, for its data class and route.
//!
//! The minimums themselves are `policy`'s; here stands only the mapping from the organization's
//! data classes, and how the word is kept in events.

use serde::{Deserialize, Serialize};

use super::act::{DataClass, Route};
use crate::policy::{Method, VerificationLevel};

/// What is demanded of each medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Minimum {
    /// The attained method must be at least this.
    pub method: Method,
    /// The verification must be at least this.
    pub verification: VerificationLevel,
    /// An accepted validation is demanded.
    pub validation: bool,
}

impl Minimum {
    /// The minimum for media of that data class that leave by that route.
    pub fn of(data_class: DataClass, route: Route) -> Minimum {
        let method = match (data_class, route) {
            (_, Route::Destruction) => Method::Destroy,
            (DataClass::Confidential | DataClass::Regulated, _) => Method::Purge,
            (DataClass::None | DataClass::Internal, _) => Method::Clear,
        };
        let verification = match method {
            Method::Destroy => VerificationLevel::None,
            _ => VerificationLevel::Sample,
        };
        Minimum { method, verification, validation: data_class == DataClass::Regulated }
    }
}
