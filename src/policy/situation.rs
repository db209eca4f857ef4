//! What a medium held and where it goes: the drivers of the decision (SP 800-88r2 section 4.3).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Confidentiality category of what was on the medium (FIPS 199), and one below for media that held
/// nothing confidential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Nothing confidential: public or practice data.
    None,
    /// Limited adverse effect.
    Low,
    /// Serious adverse effect.
    Moderate,
    /// Severe or catastrophic adverse effect.
    High,
}

/// How a medium leaves its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// Used again in the organization.
    InternalReuse,
    /// Sold.
    Resale,
    /// Given away.
    Donation,
    /// Back to its lessor or vendor.
    LeaseReturn,
    /// Recycled.
    Recycling,
    /// Destroyed.
    Destruction,
}

/// What decides between the columns of the table of minimums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Reused, stays under the organization's control.
    ReusedInside,
    /// Reused, leaves the organization's control.
    ReusedOutside,
    /// Not reused.
    Discarded,
    /// Destroyed.
    Destroyed,
}

/// A word that means nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no {what}; known are {known}")]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// What it should have been.
    pub what: &'static str,
    /// What there is.
    pub known: String,
}

impl Category {
    /// From the least confidential to the most.
    pub const ALL: [Category; 4] = [Category::None, Category::Low, Category::Moderate, Category::High];

    /// `none`, `low`, `moderate`, `high`.
    pub fn name(self) -> &'static str {
        match self {
            Category::None => "none",
            Category::Low => "low",
            Category::Moderate => "moderate",
            Category::High => "high",
        }
    }
}

impl Route {
    /// Every route.
    pub const ALL: [Route; 6] = [
        Route::InternalReuse,
        Route::Resale,
        Route::Donation,
        Route::LeaseReturn,
        Route::Recycling,
        Route::Destruction,
    ];

    /// The word of the command line: `internal-reuse`, `lease-return`.
    pub fn name(self) -> &'static str {
        match self {
            Route::InternalReuse => "internal-reuse",
            Route::Resale => "resale",
            Route::Donation => "donation",
            Route::LeaseReturn => "lease-return",
            Route::Recycling => "recycling",
            Route::Destruction => "destruction",
        }
    }

    /// The medium is used again.
    pub fn reuses(self) -> bool {
        !matches!(self, Route::Recycling | Route::Destruction)
    }

    /// The medium leaves the organization's control.
    pub fn leaves_control(self) -> bool {
        self != Route::InternalReuse
    }

    /// The column of the table of minimums.
    pub fn destination(self) -> Destination {
        match (self, self.reuses(), self.leaves_control()) {
            (Route::Destruction, _, _) => Destination::Destroyed,
            (_, false, _) => Destination::Discarded,
            (_, true, true) => Destination::ReusedOutside,
            (_, true, false) => Destination::ReusedInside,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Route {
    type Err = UnknownWord;

    /// Hyphen and underscore are the same.
    fn from_str(word: &str) -> Result<Route, UnknownWord> {
        let meant = word.trim().to_ascii_lowercase().replace('_', "-");
        Route::ALL.into_iter().find(|route| route.name() == meant).ok_or_else(|| UnknownWord {
            word: word.to_owned(),
            what: "disposition route",
            known: Route::ALL.map(Route::name).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_told_apart_by_reuse_and_control() {
        let seen: Vec<_> = Route::ALL.iter().map(|r| (r.reuses(), r.leaves_control(), r.destination())).collect();
        use Destination::{Destroyed, Discarded, ReusedInside, ReusedOutside};
        assert_eq!(
            seen,
            [
                (true, false, ReusedInside),
                (true, true, ReusedOutside),
                (true, true, ReusedOutside),
                (true, true, ReusedOutside),
                (false, true, Discarded),
                (false, true, Destroyed),
            ]
        );
        assert_eq!("lease_return".parse(), Ok(Route::LeaseReturn));
        assert_eq!("Internal-Reuse".parse(), Ok(Route::InternalReuse));
        assert_eq!(
            "sale".parse::<Route>().unwrap_err().to_string(),
            "\"sale\" is no disposition route; known are internal-reuse, resale, donation, lease-return, recycling, \
             destruction"
        );
    }
}
