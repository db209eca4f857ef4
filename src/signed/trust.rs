//! Which keys are known, as whose, for what and when: a JWK Set (RFC 7517) on disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::bundle::{BundleError, Delegated, bundle_beside};
use super::durable::{DurableError, atomic_write, write_new};
use super::header::Role;
use super::json::{JsonError, parse_strict};
use super::public::{PublicKey, PublicKeyError};
use super::time;

const MAX_FILE: u64 = 16 * 1024 * 1024;

/// The keys somebody trusts. Who may write this file decides what is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustStore {
    keys: Vec<TrustedKey>,
    /// What its roots have said; never written to its file.
    pub(super) delegated: Delegated,
}

/// A known key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// Its RFC 7638 thumbprint.
    pub kid: String,
    /// Whose it is, for a person.
    pub name: String,
    /// The only capacities it may sign in; a station's or root key has that one alone.
    pub roles: Vec<Role>,
    /// Signatures dated before are not its own. `None`: since ever.
    pub valid_from: Option<DateTime<Utc>>,
    /// Signatures dated after are not accepted. `None`: no end.
    pub valid_until: Option<DateTime<Utc>>,
    /// From when on its owner disowns it. What a root's list says comes on top of it:
    /// [`TrustStore::revocation`].
    pub revoked_at: Option<DateTime<Utc>>,
    /// The root that vouches for it. `None`: it stands in the trust store itself.
    pub delegated_by: Option<String>,
}

/// How a key stands at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Within its window and never revoked.
    Valid,
    /// Before its window.
    NotYetValid(DateTime<Utc>),
    /// After its window.
    Expired(DateTime<Utc>),
    /// At or after its revocation.
    Revoked(DateTime<Utc>),
    /// Revoked later than that time. The time is the signer's own word, so whoever stole the key
    /// can have backdated it.
    RevokedLater(DateTime<Utc>),
}

/// A trust store that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file could not be read.
    #[error("trust store {} could not be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could not be stored; what was there is unchanged.
    #[error("the trust store was not stored: {0}")]
    Store(#[from] DurableError),
    /// Not strict JSON of a JWK Set with our members.
    #[error("not a trust store (JWK Set): {0}")]
    Json(#[from] JsonError),
    /// Larger than any trust store.
    #[error("not a trust store: larger than {MAX_FILE} bytes")]
    TooLarge,
    /// A private key lies in it.
    #[error(
        "key {number} of the trust store is a private key (member d); remove it, and treat that key as known to all"
    )]
    PrivateKey {
        /// Which entry, from 1.
        number: usize,
    },
    /// An entry cannot be used.
    #[error("key {number} of the trust store: {detail}")]
    Entry {
        /// Which entry, from 1.
        number: usize,
        /// What is wrong.
        detail: String,
    },
    /// The bundle beside it.
    #[error(transparent)]
    Bundle(BundleError),
    /// A key stands twice.
    #[error("key {kid} stands in the trust store already")]
    Twice {
        /// Its thumbprint.
        kid: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    kid: String,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    /// Never accepted; named here only so that the refusal is clear.
    #[serde(default, skip_serializing)]
    d: Option<String>,
    name: String,
    /// One of the two: `role` for one, `roles` for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<Role>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
}

impl TrustStore {
    /// Reads a trust store file, and the bundle of what its roots signed that lies beside it
    /// (`trust.bundle.jsonl` for `trust.jwks.json`), where there is one.
    pub fn load(path: &Path) -> Result<TrustStore, TrustError> {
        let mut store = TrustStore::load_alone(path)?;
        match store.take_bundle_file(&bundle_beside(path)) {
            Err(BundleError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(store),
            result => result.map(|()| store).map_err(TrustError::Bundle),
        }
    }

    /// Reads a trust store file and nothing beside it.
    pub fn load_alone(path: &Path) -> Result<TrustStore, TrustError> {
        let read = |source| TrustError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).and_then(|f| f.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(read)?;
        TrustStore::parse(&bytes)
    }

    /// Reads a trust store strictly: unknown or duplicated members, wrong thumbprints, private and
    /// low-order keys are refused.
    pub fn parse(bytes: &[u8]) -> Result<TrustStore, TrustError> {
        if bytes.len() as u64 > MAX_FILE {
            return Err(TrustError::TooLarge);
        }
        let set: JwkSet = parse_strict(bytes)?;
        let mut store = TrustStore::default();
        for (jwk, number) in set.keys.into_iter().zip(1..) {
            store.add(jwk.into_key(number)?)?;
        }
        Ok(store)
    }

    /// Replaces the file atomically.
    pub fn save(&self, path: &Path) -> Result<(), TrustError> {
        Ok(atomic_write(path, &self.to_bytes())?)
    }

    /// Creates the file; refuses when it exists.
    pub fn save_new(&self, path: &Path) -> Result<(), TrustError> {
        Ok(write_new(path, &self.to_bytes(), 0o644)?)
    }

    /// The JWK Set, indented.
    pub fn to_bytes(&self) -> Vec<u8> {
        let set = JwkSet { keys: self.keys.iter().map(Jwk::from_key).collect() };
        let mut bytes = serde_json::to_vec_pretty(&set).unwrap_or_default(); // strings only: cannot fail
        bytes.push(b'\n');
        bytes
    }

    /// Adds a key that is not there yet.
    pub fn add(&mut self, key: TrustedKey) -> Result<(), TrustError> {
        match self.keys.iter().any(|k| k.kid == key.kid) {
            true => Err(TrustError::Twice { kid: key.kid }),
            false => {
                self.keys.push(key);
                Ok(())
            }
        }
    }

    /// The key with that thumbprint: its own entry, or else what a root says of it.
    pub fn find(&self, kid: &str) -> Option<&TrustedKey> {
        let own = self.keys.iter().find(|key| key.kid == kid);
        own.or_else(|| self.delegated.keys.get(kid).map(|(_, key)| key))
    }

    /// An entry of its own, to change its window or revoke it.
    pub fn find_mut(&mut self, kid: &str) -> Option<&mut TrustedKey> {
        self.keys.iter_mut().find(|key| key.kid == kid)
    }

    /// Its own keys in order of the file.
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// Its own keys and those that its roots vouch for.
    pub fn all_keys(&self) -> impl Iterator<Item = &TrustedKey> {
        let more = self.delegated_keys().filter(|key| !self.keys.iter().any(|own| own.kid == key.kid));
        self.keys.iter().chain(more)
    }

    /// How a key stands for a signature dated `at`, with every revocation that is known.
    pub fn standing(&self, key: &TrustedKey, at: DateTime<Utc>) -> Standing {
        TrustedKey { revoked_at: self.revocation(key), ..key.clone() }.standing(at)
    }
}

impl TrustedKey {
    /// A key without an end to its validity.
    pub fn new(key: PublicKey, name: impl Into<String>, role: Role, valid_from: Option<DateTime<Utc>>) -> TrustedKey {
        let kid = key.kid();
        TrustedKey {
            key,
            kid,
            name: name.into(),
            roles: vec![role],
            valid_from,
            valid_until: None,
            revoked_at: None,
            delegated_by: None,
        }
    }

    /// The same key with these roles.
    pub fn with_roles(self, roles: &[Role]) -> TrustedKey {
        TrustedKey { roles: roles.to_vec(), ..self }
    }

    /// Whether it may sign in that capacity.
    pub fn may(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Its roles, for a sentence.
    pub fn roles_text(&self) -> String {
        self.roles.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// How it stands for a signature dated `at`. Compared in whole seconds, as `iat` has them.
    pub fn standing(&self, at: DateTime<Utc>) -> Standing {
        let at = at.timestamp();
        match (self.valid_from, self.valid_until, self.revoked_at) {
            (_, _, Some(revoked)) if at >= revoked.timestamp() => Standing::Revoked(revoked),
            (Some(from), _, _) if at < from.timestamp() => Standing::NotYetValid(from),
            (_, Some(until), _) if at > until.timestamp() => Standing::Expired(until),
            (_, _, Some(revoked)) => Standing::RevokedLater(revoked),
            _ => Standing::Valid,
        }
    }
}

impl Jwk {
    fn from_key(key: &TrustedKey) -> Jwk {
        Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: key.key.x(),
            kid: key.kid.clone(),
            usage: Some("sig".to_owned()),
            alg: None,
            d: None,
            name: key.name.clone(),
            role: if let [one] = key.roles.as_slice() { Some(*one) } else { None },
            roles: (key.roles.len() != 1).then(|| key.roles.clone()),
            valid_from: key.valid_from.map(time::format),
            valid_until: key.valid_until.map(time::format),
            revoked_at: key.revoked_at.map(time::format),
        }
    }

    fn into_key(self, number: usize) -> Result<TrustedKey, TrustError> {
        let entry = |detail: String| TrustError::Entry { number, detail };
        if self.d.is_some() {
            return Err(TrustError::PrivateKey { number });
        }
        if self.kty != "OKP" || self.crv != "Ed25519" {
            return Err(entry(format!("{} {} is not an Ed25519 key (kty OKP, crv Ed25519)", self.kty, self.crv)));
        }
        if self.usage.as_deref().is_some_and(|u| u != "sig") {
            return Err(entry("its use is not sig".to_owned()));
        }
        if self.alg.as_deref().is_some_and(|a| a != "Ed25519" && a != "EdDSA") {
            return Err(entry("its alg is not Ed25519".to_owned()));
        }
        let key = PublicKey::from_x(&self.x).map_err(|e: PublicKeyError| entry(e.to_string()))?;
        let kid = key.kid();
        if kid != self.kid {
            return Err(entry(format!("its kid is {} but the key's thumbprint (RFC 7638) is {kid}", self.kid)));
        }
        let roles = match (self.role, self.roles) {
            (Some(role), None) => vec![role],
            (None, Some(roles)) => roles,
            _ => return Err(entry("it must have either a role or roles".to_owned())),
        };
        check_roles(&roles).map_err(|detail| entry(detail.to_owned()))?;
        let at = |name: &str, text: Option<String>| match text {
            None => Ok(None),
            Some(text) => match time::parse(&text) {
                Some(at) => Ok(Some(at)),
                None => Err(entry(format!("{name} {text:?} is not an RFC 3339 time"))),
            },
        };
        Ok(TrustedKey {
            key,
            kid,
            name: self.name,
            roles,
            valid_from: at("valid_from", self.valid_from)?,
            valid_until: at("valid_until", self.valid_until)?,
            revoked_at: at("revoked_at", self.revoked_at)?,
            delegated_by: None,
        })
    }
}

/// Roles that one key may hold: a machine, a register and a root stand alone, persons hold several.
pub fn check_roles(roles: &[Role]) -> Result<(), &'static str> {
    let alone = |role: &Role| matches!(role, Role::Station | Role::Register | Role::Root);
    let twice = roles.iter().enumerate().any(|(i, role)| roles[..i].contains(role));
    match roles {
        [] => Err("it has no role"),
        _ if twice => Err("a role stands twice"),
        [_, _, ..] if roles.iter().any(alone) => {
            Err("the roles station, register and root cannot be held together with another")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::signed::StationKey;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn store() -> TrustStore {
        let mut store = TrustStore::default();
        let public = StationKey::from_seed(&[1; 32]).public().clone();
        store.add(TrustedKey::new(public, "Bench 1", Role::Station, Some(at(1000)))).unwrap();
        store
    }

    #[test]
    fn stores_come_back_from_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trust.jwks.json");
        store().save_new(&path).unwrap();
        assert!(store().save_new(&path).is_err());
        let mut read = TrustStore::load(&path).unwrap();
        assert_eq!(read, store());
        let kid = read.keys()[0].kid.clone();
        read.find_mut(&kid).unwrap().revoked_at = Some(at(2000));
        read.save(&path).unwrap();
        assert_eq!(TrustStore::load(&path).unwrap(), read);
    }

    #[test]
    fn a_person_holds_several_roles() {
        let mut store = store();
        let kim = StationKey::from_seed(&[2; 32]).public().clone();
        let kim = TrustedKey::new(kim, "Kim", Role::Operator, None).with_roles(&[Role::Operator, Role::Witness]);
        store.add(kim.clone()).unwrap();
        let read = TrustStore::parse(&store.to_bytes()).unwrap();
        assert_eq!(read, store);
        assert!(read.find(&kim.kid).unwrap().may(Role::Witness) && !read.find(&kim.kid).unwrap().may(Role::Station));
        let text: Value = serde_json::from_slice(&store.to_bytes()).unwrap();
        assert_eq!(text["keys"][0]["role"], "station");
        assert_eq!(text["keys"][1]["roles"], json!(["operator", "witness"]));
    }

    #[test]
    fn windows_and_revocation_decide_by_the_second() {
        let mut key = store().keys()[0].clone();
        key.valid_until = Some(at(3000));
        assert_eq!(key.standing(at(999)), Standing::NotYetValid(at(1000)));
        assert_eq!(key.standing(at(1000)), Standing::Valid);
        assert_eq!(key.standing(at(3000)), Standing::Valid);
        assert_eq!(key.standing(at(3001)), Standing::Expired(at(3000)));
        key.revoked_at = Some(at(2000));
        assert_eq!(key.standing(at(1999)), Standing::RevokedLater(at(2000)));
        assert_eq!(key.standing(at(2000)), Standing::Revoked(at(2000)));
    }

    #[test]
    fn doubtful_stores_are_refused() {
        let good: Value = serde_json::from_slice(&store().to_bytes()).unwrap();
        let refusal = |change: &dyn Fn(&mut Value)| {
            let mut changed = good.clone();
            change(&mut changed["keys"][0]);
            TrustStore::parse(changed.to_string().as_bytes()).unwrap_err().to_string()
        };
        assert!(refusal(&|k| k["d"] = json!("AAAA")).contains("private key"));
        assert!(refusal(&|k| k["kid"] = json!("AAAA")).contains("thumbprint"));
        assert!(refusal(&|k| k["kty"] = json!("EC")).contains("not an Ed25519 key"));
        assert!(refusal(&|k| k["x"] = json!("AAAA")).contains("32 bytes"));
        assert!(refusal(&|k| k["x"] = json!("A".repeat(43))).contains("low order"));
        assert!(refusal(&|k| k["use"] = json!("enc")).contains("use"));
        assert!(refusal(&|k| k["valid_from"] = json!("yesterday")).contains("RFC 3339"));
        assert!(refusal(&|k| k["trusted"] = json!(true)).contains("unknown field"));
        assert!(refusal(&|k| k["role"] = json!("king")).contains("king"));
        assert!(refusal(&|k| k["roles"] = json!(["operator"])).contains("either"));
        let roles = |roles: Value| {
            refusal(&|k| {
                k["roles"] = roles.clone();
                k.as_object_mut().unwrap().remove("role");
            })
        };
        assert!(roles(json!([])).contains("no role"));
        assert!(roles(json!(["witness", "witness"])).contains("twice"));
        assert!(roles(json!(["root", "witness"])).contains("together"));
        assert!(roles(json!(["station", "operator"])).contains("together"));
        let twice = json!({"keys": [good["keys"][0], good["keys"][0]]});
        assert!(matches!(TrustStore::parse(twice.to_string().as_bytes()), Err(TrustError::Twice { .. })));
        for bad in ["", "[]", "{}", r#"{"keys":[],"keys":[]}"#, r#"{"keys":[]}x"#] {
            assert!(TrustStore::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
