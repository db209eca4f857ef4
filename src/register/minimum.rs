//! The least that closes an asset, for its data class and route.
//!
//! The minimums themselves are `policy`'s alone: those of the organization's policy of sanitization
//! where the policy of disposition in force has one, of the built-in one otherwise. Here stands only
//! the mapping from the organization's data classes, and how the word is kept in events.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::act::{DataClass, Route};
use super::life::PolicyRules;
use crate::policy::{self, Category, DEFAULT, Method, Policy, Ready, VerificationLevel};

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
    /// Category of the data, for records of destruction. `None` in events of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
}

/// The one mapping from the organization's data classes to the confidentiality categories.
fn category(data_class: DataClass) -> Category {
    match data_class {
        DataClass::None => Category::None,
        DataClass::Internal => Category::Low,
        DataClass::Confidential => Category::Moderate,
        DataClass::Regulated => Category::High,
    }
}

/// The register's routes as the policy knows them.
fn way_out(route: Route) -> policy::Route {
    match route {
        Route::Resale => policy::Route::Resale,
        Route::Recycling => policy::Route::Recycling,
        Route::Destruction => policy::Route::Destruction,
        Route::Donation => policy::Route::Donation,
        Route::LeaseReturn => policy::Route::LeaseReturn,
    }
}

impl Minimum {
    /// The minimum of the built-in policy for media of that data class that leave by that route.
    pub fn of(data_class: DataClass, route: Route) -> Minimum {
        Minimum::built_in(data_class, way_out(route))
    }

    /// The minimum under the rules of disposition that are in force.
    pub fn in_force(rules: &PolicyRules, data_class: DataClass, route: Route) -> Minimum {
        Minimum::ruled(rules, data_class, way_out(route))
    }

    /// What those rules demand before somebody else in the organization uses the media.
    pub fn for_reuse(rules: &PolicyRules, data_class: DataClass) -> Minimum {
        Minimum::ruled(rules, data_class, policy::Route::InternalReuse)
    }

    fn built_in(data_class: DataClass, route: policy::Route) -> Minimum {
        static BUILT_IN: OnceLock<Option<Policy>> = OnceLock::new();
        match BUILT_IN.get_or_init(|| Ready::find(DEFAULT).and_then(|ready| ready.policy().ok())) {
            Some(policy) => Minimum::under(policy, data_class, route),
            None => Minimum::strictest(data_class),
        }
    }

    fn ruled(rules: &PolicyRules, data_class: DataClass, route: policy::Route) -> Minimum {
        match rules.sanitization.as_ref().map(super::life::SanitizationText::policy) {
            None => Minimum::built_in(data_class, route),
            Some(Ok(policy)) => Minimum::under(&policy, data_class, route),
            Some(Err(_)) => Minimum::strictest(data_class),
        }
    }

    /// Unknown is never success: nothing satisfies this but destruction that somebody accepted.
    fn strictest(data_class: DataClass) -> Minimum {
        let category = Some(category(data_class));
        Minimum { method: Method::Destroy, verification: VerificationLevel::Full, validation: true, category }
    }

    /// Whether an event tells of this minimum. One of an earlier version does not say the category.
    pub(super) fn is_told_as(self, told: &Minimum) -> bool {
        let category = told.category.and(self.category);
        Minimum { category, ..self } == *told
    }

    /// The minimum of a policy.
    fn under(policy: &Policy, data_class: DataClass, route: policy::Route) -> Minimum {
        let category = category(data_class);
        let method = policy.minimum(category, route);
        let (verification, validation) = (policy.verification(method), policy.wants_validation(category));
        Minimum { method, verification, validation, category: Some(category) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimums_are_the_policys() {
        use DataClass::{Confidential, Internal, None, Regulated};
        use Method::{Clear, Destroy, Purge};
        for (data_class, reused, recycled, validation) in [
            (None, Clear, Clear, false),
            (Internal, Purge, Purge, false),
            (Confidential, Purge, Destroy, false),
            (Regulated, Destroy, Destroy, true),
        ] {
            for (route, method) in [
                (Route::Resale, reused),
                (Route::Donation, reused),
                (Route::LeaseReturn, reused),
                (Route::Recycling, recycled),
                (Route::Destruction, Destroy),
            ] {
                let verification = match method {
                    Destroy => VerificationLevel::None,
                    _ => VerificationLevel::Sample,
                };
                let least = Minimum::of(data_class, route);
                let category = Some(category(data_class));
                assert_eq!(least, Minimum { method, verification, validation, category }, "{data_class:?} {route:?}");
                let earlier = Minimum { category: Option::None, ..least };
                assert!(least.is_told_as(&least) && least.is_told_as(&earlier) && !earlier.is_told_as(&least));
            }
        }
        for (data_class, method) in [(None, Clear), (Internal, Clear), (Confidential, Clear), (Regulated, Purge)] {
            let least = Minimum::for_reuse(&PolicyRules::default(), data_class);
            assert_eq!((least.method, least.verification), (method, VerificationLevel::Sample), "{data_class:?}");
        }
    }
}
