//! Whose key it is: the name that a document gives its owner, against the one in the trust store.

use super::check::{Check, Outcome};
use super::trust::TrustStore;

/// Whether two names are one: spaces around them and the case of ASCII letters make no difference.
pub fn same_name(a: &str, b: &str) -> bool {
    a.trim().eq_ignore_ascii_case(b.trim())
}

/// Whether a document calls the owner of a key what the trust store calls them. Anybody can write another's name beside
/// their own key. `what` they are to the document, for a sentence.
pub fn check_person(what: &str, kid: &str, name: &str, trust: Option<&TrustStore>) -> Check {
    let (outcome, detail) = match (trust, trust.and_then(|store| store.find(kid))) {
        (None, _) => (
            Outcome::Unknown,
            format!("no trust store was given to tell whether key {kid} is that of the {what} {name:?}"),
        ),
        (Some(_), None) => (
            Outcome::Unknown,
            format!("key {kid} is not in the trust store, so whether it is that of the {what} {name:?} is not known"),
        ),
        (_, Some(key)) if same_name(&key.name, name) => {
            (Outcome::Passed, format!("the {what} {name:?} is known by that name to the trust store"))
        }
        (_, Some(key)) => (
            Outcome::Failed,
            format!("the document calls the {what} {name:?}, but the trust store knows key {kid} as {:?}", key.name),
        ),
    };
    Check::new("person", outcome, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::{Role, StationKey, TrustedKey};

    #[test]
    fn a_key_has_the_name_that_the_trust_store_gives_it() {
        let key = StationKey::from_seed(&[7; 32]);
        let mut trust = TrustStore::default();
        let outcome = |name: &str, trust: Option<&TrustStore>| check_person("operator", key.kid(), name, trust).outcome;
        assert_eq!(outcome("Kim Lee", None), Outcome::Unknown);
        assert_eq!(outcome("Kim Lee", Some(&trust)), Outcome::Unknown);
        trust.add(TrustedKey::new(key.public().clone(), "Kim Lee ", Role::Operator, None)).unwrap();
        for name in ["Kim Lee", " kim LEE\u{2003}"] {
            assert_eq!(outcome(name, Some(&trust)), Outcome::Passed, "{name}");
        }
        for name in ["Ada Byron", "Kim  Lee", "Kim", ""] {
            let check = check_person("operator", key.kid(), name, Some(&trust));
            assert_eq!(check.outcome, Outcome::Failed, "{name}");
            assert!(
                check.detail.contains("Kim Lee") && check.detail.contains(&format!("{name:?}")),
                "{}",
                check.detail
            );
        }
    }
}
