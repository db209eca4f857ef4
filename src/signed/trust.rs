//! Which keys are known, as whose, for what and when: a JWK Set (RFC 7517) on disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::bundle::{BundleError, Delegated, authorities_beside, bundle_beside};
use super::durable::{DurableError, atomic_write, hold_folder, write_new};
use super::header::Role;
use super::json::{JsonError, parse_strict};
use super::public::{PublicKey, PublicKeyError};
use super::time;
use super::timestamp::{Authorities, TimestampError};

const MAX_FILE: u64 = 16 * 1024 * 1024;

/// The keys somebody trusts. Who may write this file decides what is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustStore {
    keys: Vec<TrustedKey>,
    /// What its roots have said; never written to its file.
    pub(super) delegated: Delegated,
    /// Who is believed about times; never written to its file.
    authorities: Authorities,
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
    /// The time-stamping authorities beside it.
    #[error(transparent)]
    Authorities(#[from] TimestampError),
    /// No such entry.
    #[error("key {kid} has no entry of its own in the trust store")]
    Missing {
        /// Its thumbprint.
        kid: String,
    },
    /// A key that does not stand is not rotated.
    #[error("key {kid} {how}, so it cannot be rotated; nothing was changed")]
    Over {
        /// Its thumbprint.
        kid: String,
        /// Why.
        how: String,
    },
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
    /// Reads a trust store file and what lies beside it: of `trust.jwks.json` the bundle of what its
    /// roots signed (`trust.bundle.jsonl`) and the time-stamping authorities (`trust.tsa.pem`).
    pub fn load(path: &Path) -> Result<TrustStore, TrustError> {
        let mut store = TrustStore::load_alone(path)?;
        match store.take_bundle_file(&bundle_beside(path)) {
            Err(BundleError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            result => result.map_err(TrustError::Bundle)?,
        }
        match store.add_authorities(&authorities_beside(path)) {
            Err(TrustError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
        Ok(store)
    }

    /// Believes the time-stamping authorities of a PEM file.
    pub fn add_authorities(&mut self, path: &Path) -> Result<(), TrustError> {
        let read = |source| TrustError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).and_then(|f| f.take(MAX_FILE).read_to_end(&mut bytes)).map_err(read)?;
        self.authorities.add(Authorities::parse(&bytes)?);
        Ok(())
    }

    /// Who is believed about times.
    pub fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    /// Ends an entry of its own now and lets another key go on under the same name and roles, until it would have ended.
    /// Refused where the key does not stand: whoever holds one that ended or was disowned passes nothing on.
    pub fn rotate(&mut self, old: &str, new: &PublicKey, now: DateTime<Utc>) -> Result<(), TrustError> {
        self.check_rotates(old, now)?;
        let ended = self.find_mut(old).ok_or_else(|| TrustError::Missing { kid: old.to_owned() })?;
        let before = std::mem::replace(ended, TrustedKey { valid_until: Some(now), ..ended.clone() });
        let next = TrustedKey {
            valid_until: before.valid_until,
            ..TrustedKey::new(new.clone(), before.name, Role::Witness, Some(now)).with_roles(&before.roles)
        };
        self.add(next)
    }

    /// Whether a key of its own stands, so that it can be rotated.
    pub fn check_rotates(&self, old: &str, now: DateTime<Utc>) -> Result<(), TrustError> {
        let missing = || TrustError::Missing { kid: old.to_owned() };
        let known = self.keys.iter().find(|key| key.kid == old).ok_or_else(missing)?;
        let over = |how: &str, at| TrustError::Over { kid: old.to_owned(), how: format!("{how} {}", time::format(at)) };
        match self.standing(known, now) {
            Standing::Valid => Ok(()),
            Standing::NotYetValid(at) => Err(over("is not valid before", at)),
            Standing::Expired(at) => Err(over("expired on", at)),
            Standing::Revoked(at) | Standing::RevokedLater(at) => Err(over("is revoked from", at)),
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

    /// Keeps others from changing a trust store between reading and saving it, until it is dropped: of two that do so
    /// at the same time the later one would undo what the earlier one changed.
    pub fn hold(path: &Path) -> Result<File, TrustError> {
        Ok(hold_folder(path)?)
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

    /// What another store knows against keys counts here too: revocations and earlier ends. That can only take
    /// trust away.
    pub fn heed(&mut self, other: &TrustStore) {
        let known = other.all_keys().map(|key| (&key.kid, other.revocation(key), key.valid_until));
        let listed = other.delegated.revoked.iter().map(|(kid, (at, _))| (kid, Some(*at), None));
        for (kid, revoked, until) in known.chain(listed) {
            if let Some(key) = self.keys.iter_mut().find(|key| key.kid == *kid) {
                key.revoked_at = key.revoked_at.into_iter().chain(revoked).min();
                key.valid_until = key.valid_until.into_iter().chain(until).min();
            }
            let against = self.delegated.against.entry(kid.clone()).or_default();
            against.revoked = against.revoked.into_iter().chain(revoked).min();
            against.until = against.until.into_iter().chain(until).min();
        }
        self.settle();
    }

    /// Whether every key that stands in another store is known here, for each of its roles. An error names the
    /// first that is not.
    pub fn covers(&self, other: &TrustStore) -> Result<(), String> {
        for key in &other.keys {
            let named = format!("key {} ({:?}, {})", key.kid, key.name, key.roles_text());
            match self.find(&key.kid) {
                None => return Err(format!("{named} is not known to it")),
                Some(known) if !key.roles.iter().all(|role| known.may(*role)) => {
                    return Err(format!("{named} is known to it as {} only", known.roles_text()));
                }
                Some(_) => {}
            }
        }
        Ok(())
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

    /// Whether its time has begun by `at`. Compared in whole seconds, as `iat` has them.
    pub(super) fn began(&self, at: DateTime<Utc>) -> bool {
        self.valid_from.is_none_or(|from| at.timestamp() >= from.timestamp())
    }

    /// Whether its time lasts until `at`.
    pub(super) fn lasts(&self, at: DateTime<Utc>) -> bool {
        self.valid_until.is_none_or(|until| at.timestamp() <= until.timestamp())
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
#[path = "trust_tests.rs"]
mod tests;
