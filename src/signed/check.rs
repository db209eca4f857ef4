//! Checks of a signed document, each reported on its own.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::delegation::Reason;
use super::evidence::TimeEvidence;
use super::header::Header;
use super::jws::Jws;
use super::time;
use super::trust::{TrustStore, TrustedKey};

/// Name of the check that tells of evidence for the time of a signature.
pub const TIME_EVIDENCE: &str = "time evidence";

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
    verify_with(jws, typ, trust, &[])
}

/// As [`verify`], with evidence for the time of the signatures. What is not about this document is
/// left alone.
pub fn verify_with(jws: &Jws, typ: &str, trust: Option<&TrustStore>, evidence: &[TimeEvidence]) -> Vec<Check> {
    let mut checks = vec![check_typ(jws, typ)];
    for (index, signature) in jws.signatures().iter().enumerate() {
        let numbered = |check: Check| Check { signature: Some(index + 1), ..check };
        let about = TimeEvidence::about(evidence, jws, index);
        checks.extend(check_signature(jws, index, signature.header(), trust, &about).into_iter().map(numbered));
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

fn check_signature(
    jws: &Jws,
    index: usize,
    header: &Header,
    trust: Option<&TrustStore>,
    evidence: &[&TimeEvidence],
) -> Vec<Check> {
    let kid = header.kid.as_deref();
    let known = match (trust, kid) {
        (_, None) => Err((Outcome::Failed, "the signature names no key (kid)".to_owned())),
        (None, Some(kid)) => Err((Outcome::Unknown, format!("no trust store was given to look up key {kid} in"))),
        (Some(store), Some(kid)) => {
            let key = store.find(kid).map(|key| (store, key));
            key.ok_or_else(|| (Outcome::Failed, format!("key {kid} is not in the trust store")))
        }
    };
    let (store, key) = match known {
        Ok(known) => known,
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
    let through = key.delegated_by.as_deref().and_then(|root| store.find(root));
    let through = through.map(|root| format!(", vouched for by the root {:?}", root.name)).unwrap_or_default();
    let known = format!("key {} is known as {:?} ({}){through}", key.kid, key.name, key.roles_text());
    let mut checks = vec![
        Check::new("key known", Outcome::Passed, known),
        genuine,
        check_role(header, key),
        check_validity(header, key, evidence),
        check_revocation(header, store.revocation(key), store.revocation_reason(&key.kid), evidence),
    ];
    checks.extend(evidence.iter().map(|e| {
        let detail = format!("it existed on {} at the latest: {} by {}", time::format(e.at), e.kind, e.by);
        Check::new(TIME_EVIDENCE, Outcome::Passed, detail)
    }));
    checks
}

fn check_role(header: &Header, key: &TrustedKey) -> Check {
    let (outcome, detail) = match header.role {
        Some(role) if key.may(role) => (Outcome::Passed, format!("signed as {role}, which the key may")),
        Some(role) => {
            (Outcome::Failed, format!("signed as {role}, but the key is trusted as {} only", key.roles_text()))
        }
        None => (Outcome::Failed, "the signature does not say in which role it was made".to_owned()),
    };
    Check::new("key role", outcome, detail)
}

fn check_validity(header: &Header, key: &TrustedKey, evidence: &[&TimeEvidence]) -> Check {
    let name = "key validity";
    let Some(iat) = header.iat else {
        return Check::new(name, Outcome::Failed, "the signature does not say when it was made (iat)");
    };
    let signed = time::format(iat);
    let earliest = evidence.iter().min_by_key(|e| e.at);
    if let (Some(e), Some(from)) = (earliest, key.valid_from)
        && e.at.timestamp() < from.timestamp()
    {
        let (at, from) = (time::format(e.at), time::format(from));
        let detail = format!("it existed on {at} ({} by {}), before the key became valid on {from}", e.kind, e.by);
        return Check::new(name, Outcome::Failed, detail);
    }
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
            let told = earliest.map_or_else(
                || "; nobody else says when".to_owned(),
                |e| format!(", and not after {} by others", time::format(e.at)),
            );
            let detail = format!("signed {signed} by the signer's clock, within the key's window{told}");
            Check::new(name, Outcome::Passed, detail)
        }
    }
}

fn check_revocation(
    header: &Header,
    revoked: Option<DateTime<Utc>>,
    reason: Option<Reason>,
    evidence: &[&TimeEvidence],
) -> Check {
    let name = "revocation";
    let Some(revoked) = revoked else { return Check::new(name, Outcome::Passed, "the key is not revoked") };
    let why = reason.map(|r| format!(" ({})", r.as_str())).unwrap_or_default();
    let at = time::format(revoked);
    // Whoever holds a key can backdate what it signs, so only others can say that it was earlier.
    if let Some(e) = evidence.iter().filter(|e| e.at.timestamp() < revoked.timestamp()).min_by_key(|e| e.at) {
        let detail = format!(
            "the key was revoked on {at}{why}, after this was signed: it existed on {} ({} by {})",
            time::format(e.at),
            e.kind,
            e.by
        );
        return Check::new(name, Outcome::Passed, detail);
    }
    let Some(iat) = header.iat else {
        return Check::new(name, Outcome::Failed, format!("the key was revoked on {at}{why}"));
    };
    let signed = time::format(iat);
    if iat.timestamp() >= revoked.timestamp() {
        return Check::new(name, Outcome::Failed, format!("signed {signed}, but the key was revoked on {at}{why}"));
    }
    let others = match evidence.iter().min_by_key(|e| e.at) {
        Some(e) => format!("the oldest evidence by others is of {}, which is not before that", time::format(e.at)),
        None => {
            "look for a time-stamp, a countersignature or a cosigned checkpoint older than the revocation".to_owned()
        }
    };
    Check::new(
        name,
        Outcome::Unknown,
        format!(
            "the key was revoked on {at}{why}; the signature says {signed}, but whoever holds a key can backdate: {others}"
        ),
    )
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
        let good = sign(b"{}", "t+json", &key, Role::Station, at(2000)).unwrap();
        assert!(outcomes(&good, Some(&store)).iter().all(|c| c.1 == Outcome::Passed));

        assert_eq!(failed(&sign(b"{}", "u+json", &key, Role::Station, at(2000)).unwrap(), &store), ["typ"]);
        assert_eq!(failed(&sign(b"{}", "t+json", &key, Role::Witness, at(2000)).unwrap(), &store), ["key role"]);
        assert_eq!(failed(&sign(b"{}", "t+json", &key, Role::Station, at(999)).unwrap(), &store), ["key validity"]);
        let stranger = StationKey::from_seed(&[2; 32]);
        assert_eq!(failed(&sign(b"{}", "t+json", &stranger, Role::Station, at(2000)).unwrap(), &store), ["key known"]);
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
        let jws = sign(b"{}", "t+json", &key, Role::Station, at(2000)).unwrap();
        let outcomes = outcomes(&jws, None);
        assert_eq!(outcomes[0], ("typ", Outcome::Passed));
        assert!(outcomes[1..].iter().all(|c| c.1 == Outcome::Unknown));
    }
}
