//! Checks of a signed document, each reported on its own.

use serde::Serialize;

use super::header::Header;
use super::jws::Jws;
use super::time;
use super::trust::{Standing, TrustStore, TrustedKey};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Positive evidence.
    Passed,
    /// Evidence against.
    Failed,
    /// Cannot be told from what is here. Never counts as passed.
    Unknown,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name (`signature`, `key known` ...).
    pub name: &'static str,
    /// Which signature it is about, from 1; `None`: the document.
    pub signature: Option<usize>,
    /// How it came out.
    pub outcome: Outcome,
    /// For a person: what was found and what it means.
    pub detail: String,
}

impl Check {
    /// A check of the whole document.
    pub fn new(name: &'static str, outcome: Outcome, detail: impl Into<String>) -> Check {
        Check { name, signature: None, outcome, detail: detail.into() }
    }
}

/// Checks type, signatures and keys of a document. Without a trust store no signature can be
/// checked at all, because a key is never taken from the evidence; those checks are unknown.
pub fn verify(jws: &Jws, typ: &str, trust: Option<&TrustStore>) -> Vec<Check> {
    let mut checks = vec![check_typ(jws, typ)];
    for (index, signature) in jws.signatures().iter().enumerate() {
        let numbered = |check: Check| Check { signature: Some(index + 1), ..check };
        checks.extend(check_signature(jws, index, signature.header(), trust).into_iter().map(numbered));
    }
    checks
}

fn check_typ(jws: &Jws, typ: &str) -> Check {
    let (outcome, detail) = match jws.typ() {
        Some(found) if found == typ => (Outcome::Passed, format!("the document is a {typ}")),
        Some(found) => (Outcome::Failed, format!("the document is a {found}, not a {typ}")),
        None => (Outcome::Failed, format!("the signatures do not all say that the document is a {typ}")),
    };
    Check::new("typ", outcome, detail)
}

fn check_signature(jws: &Jws, index: usize, header: &Header, trust: Option<&TrustStore>) -> Vec<Check> {
    let kid = header.kid.as_deref();
    let known = match (trust, kid) {
        (_, None) => Err((Outcome::Failed, "the signature names no key (kid)".to_owned())),
        (None, Some(kid)) => Err((Outcome::Unknown, format!("no trust store was given to look up key {kid} in"))),
        (Some(store), Some(kid)) => {
            store.find(kid).ok_or_else(|| (Outcome::Failed, format!("key {kid} is not in the trust store")))
        }
    };
    let key = match known {
        Ok(key) => key,
        Err((outcome, detail)) => {
            let needs_key = |name| Check::new(name, Outcome::Unknown, "cannot be checked without the signer's key");
            return vec![
                Check::new("key known", outcome, detail),
                needs_key("signature"),
                needs_key("key role"),
                needs_key("key validity"),
                needs_key("revocation"),
            ];
        }
    };
    let genuine = match jws.verifies(index, &key.key) {
        true => Check::new("signature", Outcome::Passed, format!("made by key {} over exactly these bytes", key.kid)),
        false => Check::new(
            "signature",
            Outcome::Failed,
            format!("not made by key {}: the document or the signature was changed", key.kid),
        ),
    };
    vec![
        Check::new("key known", Outcome::Passed, format!("key {} is known as {:?} ({})", key.kid, key.name, key.role)),
        genuine,
        check_role(header, key),
        check_validity(header, key),
        check_revocation(header, key),
    ]
}

fn check_role(header: &Header, key: &TrustedKey) -> Check {
    let (outcome, detail) = match header.role {
        Some(role) if role == key.role => (Outcome::Passed, format!("signed as {role}, which the key may")),
        Some(role) => (Outcome::Failed, format!("signed as {role}, but the key is trusted as {} only", key.role)),
        None => (Outcome::Failed, "the signature does not say in which role it was made".to_owned()),
    };
    Check::new("key role", outcome, detail)
}

fn check_validity(header: &Header, key: &TrustedKey) -> Check {
    let name = "key validity";
    let Some(iat) = header.iat else {
        return Check::new(name, Outcome::Failed, "the signature does not say when it was made (iat)");
    };
    let signed = time::format(iat);
    match (key.valid_from, key.valid_until) {
        (Some(from), _) if iat.timestamp() < from.timestamp() => Check::new(
            name,
            Outcome::Failed,
            format!("signed {signed}, before the key became valid on {}", time::format(from)),
        ),
        (_, Some(until)) if iat.timestamp() > until.timestamp() => Check::new(
            name,
            Outcome::Failed,
            format!("signed {signed}, after the key expired on {}", time::format(until)),
        ),
        _ => {
            Check::new(name, Outcome::Passed, format!("signed {signed} by the signer's clock, within the key's window"))
        }
    }
}

fn check_revocation(header: &Header, key: &TrustedKey) -> Check {
    let name = "revocation";
    let Some(iat) = header.iat else {
        return match key.revoked_at {
            None => Check::new(name, Outcome::Passed, "the key is not revoked"),
            Some(at) => Check::new(name, Outcome::Failed, format!("the key was revoked on {}", time::format(at))),
        };
    };
    match key.standing(iat) {
        Standing::Revoked(at) => Check::new(
            name,
            Outcome::Failed,
            format!("signed {}, but the key was revoked on {}", time::format(iat), time::format(at)),
        ),
        Standing::RevokedLater(at) => Check::new(
            name,
            Outcome::Unknown,
            format!(
                "the key was revoked on {}; the signature says {}, but whoever holds a key can backdate. \
                 Look for the document in a custody checkpoint older than the revocation",
                time::format(at),
                time::format(iat)
            ),
        ),
        _ if key.revoked_at.is_some() => Check::new(name, Outcome::Unknown, "the key was revoked later"),
        _ => Check::new(name, Outcome::Passed, "the key is not revoked"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::signed::{Role, StationKey, sign};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn outcomes(jws: &Jws, trust: Option<&TrustStore>) -> Vec<(&'static str, Outcome)> {
        verify(jws, "t+json", trust).into_iter().map(|c| (c.name, c.outcome)).collect()
    }

    fn failed(jws: &Jws, trust: &TrustStore) -> Vec<&'static str> {
        outcomes(jws, Some(trust)).into_iter().filter(|c| c.1 == Outcome::Failed).map(|c| c.0).collect()
    }

    #[test]
    fn each_check_fails_alone() {
        let key = StationKey::from_seed(&[1; 32]);
        let mut store = TrustStore::default();
        store.add(TrustedKey::new(key.public().clone(), "Bench", Role::Station, Some(at(1000)))).unwrap();
        let good = sign(b"{}", "t+json", &key, Role::Station, at(2000));
        assert!(outcomes(&good, Some(&store)).iter().all(|c| c.1 == Outcome::Passed));

        assert_eq!(failed(&sign(b"{}", "u+json", &key, Role::Station, at(2000)), &store), ["typ"]);
        assert_eq!(failed(&sign(b"{}", "t+json", &key, Role::Witness, at(2000)), &store), ["key role"]);
        assert_eq!(failed(&sign(b"{}", "t+json", &key, Role::Station, at(999)), &store), ["key validity"]);
        let stranger = StationKey::from_seed(&[2; 32]);
        assert_eq!(failed(&sign(b"{}", "t+json", &stranger, Role::Station, at(2000)), &store), ["key known"]);
        store.find_mut(key.kid()).unwrap().valid_until = Some(at(1999));
        assert_eq!(failed(&good, &store), ["key validity"]);
        store.find_mut(key.kid()).unwrap().valid_until = None;
        store.find_mut(key.kid()).unwrap().revoked_at = Some(at(2000));
        assert_eq!(failed(&good, &store), ["revocation"]);
        store.find_mut(key.kid()).unwrap().revoked_at = Some(at(2001));
        assert!(failed(&good, &store).is_empty());
        assert!(outcomes(&good, Some(&store)).contains(&("revocation", Outcome::Unknown)));

        let text = String::from_utf8(good.to_bytes()).unwrap();
        let forged =
            Jws::parse(text.replace("e30", "e319".get(..3).unwrap()).replace("\"e31\"", "\"eyB9\"").as_bytes());
        let forged = forged.unwrap();
        assert_eq!(forged.payload(), b"{ }");
        store.find_mut(key.kid()).unwrap().revoked_at = None;
        assert_eq!(failed(&forged, &store), ["signature"]);
    }

    #[test]
    fn without_a_trust_store_nothing_about_the_signer_passes() {
        let key = StationKey::from_seed(&[1; 32]);
        let jws = sign(b"{}", "t+json", &key, Role::Station, at(2000));
        let outcomes = outcomes(&jws, None);
        assert_eq!(outcomes[0], ("typ", Outcome::Passed));
        assert!(outcomes[1..].iter().all(|c| c.1 == Outcome::Unknown));
    }
}
