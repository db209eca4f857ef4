//! Which policy a station works under: the one in its state folder, one that is named, or the default.
//!
//! An organization's policy is its TOML text inside a JWS; the text is never re-encoded, and a policy
//! approver must have signed it. In the state folder it lies as `policy.json`; a ready-made one is signed
//! by the station when it is taken, so that a changed file is found.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::folder::Station;
use crate::policy::{InForce, Policy, PolicyError, Ready};
use crate::signed::{
    DurableError, Jws, JwsError, KeyError, MAX_DOCUMENT, Outcome, Role, StationKey, TrustStore, atomic_write, sign,
    verify, write_new,
};

/// `typ` of a signed policy. Its payload is TOML, not JSON: people read and write it.
pub const POLICY_TYP: &str = "vnd.lastwrite.policy+toml";

/// No policy can be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFileError {
    /// Neither a ready-made policy nor a file.
    #[error("{0:?} is neither a ready-made policy nor a file")]
    Unknown(String),
    /// The file could not be read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its rules cannot be used.
    #[error("{name}: {source}")]
    Policy {
        /// Which.
        name: String,
        /// Why.
        source: PolicyError,
    },
    /// It is not signed.
    #[error("{path} is not signed, and only a signed policy is followed", path = .0.display())]
    Unsigned(PathBuf),
    /// Its envelope is broken.
    #[error("{path} is no signed policy: {source}", path = path.display())]
    Envelope {
        /// Where.
        path: PathBuf,
        /// Why.
        source: JwsError,
    },
    /// What was signed, or what became of it, is no policy.
    #[error("{path}: the signed text is no policy: {source}", path = path.display())]
    Content {
        /// Where.
        path: PathBuf,
        /// Why.
        source: PolicyError,
    },
    /// A check of its signature did not pass.
    #[error("{path}: {why}", path = path.display())]
    Signature {
        /// Where.
        path: PathBuf,
        /// Which check, and what it found.
        why: String,
    },
    /// The station works under another one.
    #[error("this station works under the policy {station}; {named} cannot be taken for one run")]
    Other {
        /// Label of the station's.
        station: String,
        /// The one that was named.
        named: String,
    },
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] DurableError),
}

/// A policy as it was found, before anybody decides whether to follow it.
#[derive(Debug, Clone)]
pub struct Found {
    /// The rules.
    pub in_force: InForce,
    /// The TOML text.
    pub toml: Vec<u8>,
    /// The envelope, if it has one.
    pub jws: Option<Jws>,
}

/// The policy for a run: the station's own, or the one that is named, or the built-in default. Only a
/// ready-made or a signed policy is followed, and its signature must hold against the trust store.
pub fn policy_in_force(station: Option<&Station>, named: Option<&str>) -> Result<InForce, PolicyFileError> {
    let own = station.map(station_policy).transpose()?.flatten();
    let Some(name) = named else {
        return match own {
            Some(own) => Ok(own),
            None => builtin(),
        };
    };
    let trust = station.and_then(|station| station.trust().ok());
    let wanted = follow(&find_policy(name)?, Path::new(name), trust.as_ref())?;
    match own {
        Some(own) if own.digest != wanted.digest => {
            Err(PolicyFileError::Other { station: own.policy.label(), named: wanted.policy.label() })
        }
        Some(own) => Ok(own),
        None => Ok(wanted),
    }
}

/// The TOML text of the policy in force.
pub fn policy_text(station: Option<&Station>, in_force: &InForce) -> Result<Vec<u8>, PolicyFileError> {
    if let Some(ready) = Ready::find(&in_force.policy.id).filter(|ready| ready.digest() == in_force.digest) {
        return Ok(ready.toml.as_bytes().to_vec());
    }
    match station {
        Some(station) => Ok(find_file(&policy_path(station))?.toml),
        None => Err(PolicyFileError::Unknown(in_force.policy.id.clone())),
    }
}

/// The policy in the state folder, if there is one.
pub fn station_policy(station: &Station) -> Result<Option<InForce>, PolicyFileError> {
    let path = policy_path(station);
    let trust = station.trust().ok();
    match find_file(&path) {
        Err(PolicyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(found) => follow(&found, &path, trust.as_ref()).map(Some),
    }
}

/// A ready-made policy by its id, or a file: TOML, or TOML inside a JWS. Verifies nothing.
pub fn find_policy(name: &str) -> Result<Found, PolicyFileError> {
    if let Some(ready) = Ready::find(name) {
        let policy = ready.policy().map_err(|source| PolicyFileError::Policy { name: name.to_owned(), source })?;
        let in_force = InForce { policy, digest: ready.digest(), signed_by: None };
        return Ok(Found { in_force, toml: ready.toml.as_bytes().to_vec(), jws: None });
    }
    match find_file(Path::new(name)) {
        Err(PolicyFileError::Io { source, .. })
            if source.kind() == io::ErrorKind::NotFound && !name.contains(['/', '.']) =>
        {
            Err(PolicyFileError::Unknown(name.to_owned()))
        }
        found => found,
    }
}

/// Signs the TOML text of a policy. The text must be one that can be used.
pub fn sign_policy(toml: &[u8], key: &StationKey, role: Role, at: DateTime<Utc>) -> Result<Vec<u8>, PolicyFileError> {
    let name = "the policy".to_owned();
    InForce::read(toml, None).map_err(|source| PolicyFileError::Policy { name, source })?;
    let mut bytes = sign(toml, POLICY_TYP, key, role, at)?.to_bytes();
    bytes.push(b'\n');
    Ok(bytes)
}

/// Writes a signed policy to a file that must not exist yet.
pub fn write_policy(path: &Path, signed: &[u8]) -> Result<(), PolicyFileError> {
    Ok(write_new(path, signed, 0o644)?)
}

/// Makes a policy the station's own. One that nobody has signed is signed by the station. Gives the
/// policy, and the one that was in force before.
pub fn adopt_policy(
    station: &Station,
    name: &str,
    key: &StationKey,
    at: DateTime<Utc>,
) -> Result<(InForce, Option<Policy>), PolicyFileError> {
    let found = find_policy(name)?;
    let trust = station.trust().ok();
    let before = match find_file(&policy_path(station)) {
        Ok(before) => Some(before.in_force.policy),
        Err(_) => None,
    };
    let bytes = match (&found.jws, Ready::find(name)) {
        (Some(jws), _) => {
            follow(&found, Path::new(name), trust.as_ref())?;
            let mut bytes = jws.to_bytes();
            bytes.push(b'\n');
            bytes
        }
        (None, Some(_)) => sign_policy(&found.toml, key, Role::Station, at)?,
        (None, None) => return Err(PolicyFileError::Unsigned(name.into())),
    };
    let path = policy_path(station);
    atomic_write(&path, &bytes)?;
    let found = find_file(&path)?;
    Ok((follow(&found, &path, trust.as_ref())?, before))
}

/// Where the station's policy lies.
pub fn policy_path(station: &Station) -> PathBuf {
    station.folder().join("policy.json")
}

fn builtin() -> Result<InForce, PolicyFileError> {
    InForce::builtin().map_err(|source| PolicyFileError::Policy { name: crate::policy::DEFAULT.to_owned(), source })
}

fn find_file(path: &Path) -> Result<Found, PolicyFileError> {
    use io::Read as _;
    let io = |source| PolicyFileError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let limit = MAX_DOCUMENT as u64 + 1;
    std::fs::File::open(path).and_then(|f| f.take(limit).read_to_end(&mut bytes)).map_err(io)?;
    let policy = |source| PolicyFileError::Policy { name: path.display().to_string(), source };
    // A TOML text cannot begin with a brace, a JWS cannot begin with anything else.
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Ok(Found { in_force: InForce::read(&bytes, None).map_err(policy)?, toml: bytes, jws: None });
    }
    let jws = Jws::parse(&bytes).map_err(|source| PolicyFileError::Envelope { path: path.to_owned(), source })?;
    if jws.typ() != Some(POLICY_TYP) {
        let typ = jws.typ().unwrap_or("document without a single type");
        let why = format!("it is a {typ}, not a policy");
        return Err(PolicyFileError::Signature { path: path.to_owned(), why });
    }
    let signer = jws.signatures().first().and_then(|s| s.header().kid.clone());
    let toml = jws.payload().to_vec();
    let in_force =
        InForce::read(&toml, signer).map_err(|source| PolicyFileError::Content { path: path.to_owned(), source })?;
    Ok(Found { in_force, toml, jws: Some(jws) })
}

/// Lets a policy through only when its signatures hold and a policy approver is among the signers, or
/// when it came with the program.
fn follow(found: &Found, path: &Path, trust: Option<&TrustStore>) -> Result<InForce, PolicyFileError> {
    let ready = Ready::find(&found.in_force.policy.id).is_some_and(|r| r.digest() == found.in_force.digest);
    let Some(jws) = &found.jws else {
        return match ready {
            true => Ok(found.in_force.clone()),
            false => Err(PolicyFileError::Unsigned(path.to_owned())),
        };
    };
    let refused = |why: String| PolicyFileError::Signature { path: path.to_owned(), why };
    let bad = verify(jws, POLICY_TYP, trust).into_iter().find(|check| check.outcome != Outcome::Passed);
    if let Some(check) = bad {
        return Err(refused(format!("{}: {}", check.name, check.detail)));
    }
    let approved = jws.signatures().iter().any(|s| s.header().role == Some(Role::PolicyApprover));
    match approved || ready {
        true => Ok(found.in_force.clone()),
        false => Err(refused("no policy approver has signed it".to_owned())),
    }
}
