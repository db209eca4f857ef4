//! What an organisation's root key signs: whose the other keys are, and which it disowns.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::header::Role;
use super::json::{JsonError, parse_exact};
use super::jws::{Jws, sign};
use super::public::PublicKey;
use super::time;
use super::trust::{TrustedKey, check_roles};
use super::{KeyError, StationKey, check_person_name};

/// `typ` of a delegation.
pub const DELEGATION_TYP: &str = "vnd.lastwrite.delegation+json";
/// `typ` of a revocation list.
pub const REVOCATION_LIST_TYP: &str = "vnd.lastwrite.revocation-list+json";

const DELEGATION: &str = "lastwrite-delegation";
const REVOCATION_LIST: &str = "lastwrite-revocation-list";
const VERSION: u32 = 1;

/// The root says: this key is that person's or station's, may sign as this, from then to then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Whose organisation.
    pub organization: String,
    /// The key.
    pub key: PublicKey,
    /// Whose it is.
    pub name: String,
    /// What it may sign as.
    pub roles: Vec<Role>,
    /// Signatures dated before are not accepted.
    pub valid_from: DateTime<Utc>,
    /// Signatures dated after are not accepted. `None`: no end.
    pub valid_until: Option<DateTime<Utc>>,
    /// Thumbprint of the key that this one takes the place of.
    pub replaces: Option<String>,
}

/// The root says: these keys are not to be believed from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationList {
    /// `lastwrite-revocation-list`.
    schema: String,
    /// 1.
    version: u32,
    /// Whose organisation.
    pub organization: String,
    /// Grows with each list; each list repeats what the one before said.
    pub number: u32,
    /// When it was made, by the root's clock.
    pub issued: DateTime<Utc>,
    /// By when there will be another. Afterwards this one says nothing about what happened since.
    pub next_update: Option<DateTime<Utc>>,
    /// In order of revocation.
    pub revoked: Vec<Revocation>,
}

/// One disowned key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Thumbprint.
    pub kid: String,
    /// From when on it is not believed.
    pub revoked_at: DateTime<Utc>,
    /// Why.
    pub reason: Reason,
}

/// Why a key was disowned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Somebody else has or may have it.
    Compromised,
    /// Its owner cannot use it any more, and nobody else is known to.
    Lost,
    /// Another key has taken its place.
    Superseded,
    /// Its owner left or the station was taken down.
    Retired,
}

/// A signed statement of a root that is refused.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Not of the documented form.
    #[error("its payload is not of the documented form: {0}")]
    Json(#[from] JsonError),
    /// A member that cannot be.
    #[error("{0}")]
    Member(String),
    /// It could not be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DelegationPayload {
    schema: String,
    version: u32,
    organization: String,
    key: Jwk,
    name: String,
    roles: Vec<Role>,
    valid_from: String,
    valid_until: Option<String>,
    replaces: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    kid: String,
}

impl Delegation {
    /// Signs it with the root key.
    pub fn sign(&self, root: &StationKey, at: DateTime<Utc>) -> Result<Jws, StatementError> {
        self.check().map_err(StatementError::Member)?;
        let payload = DelegationPayload {
            schema: DELEGATION.to_owned(),
            version: VERSION,
            organization: self.organization.clone(),
            key: Jwk { kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x: self.key.x(), kid: self.key.kid() },
            name: self.name.clone(),
            roles: self.roles.clone(),
            valid_from: time::format(self.valid_from),
            valid_until: self.valid_until.map(time::format),
            replaces: self.replaces.clone(),
        };
        let text = serde_json::to_vec(&payload).map_err(JsonError::from)?;
        Ok(sign(&text, DELEGATION_TYP, root, Role::Root, at)?)
    }

    /// Reads the payload. Says nothing about the signature.
    pub fn read(jws: &Jws) -> Result<Delegation, StatementError> {
        let payload: DelegationPayload = parse_exact(jws.payload())?;
        let wrong = |what: String| StatementError::Member(what);
        if payload.schema != DELEGATION || payload.version != VERSION {
            return Err(wrong(format!("{} version {} is not known here", payload.schema, payload.version)));
        }
        if payload.key.kty != "OKP" || payload.key.crv != "Ed25519" {
            return Err(wrong(format!("{} {} is not an Ed25519 key", payload.key.kty, payload.key.crv)));
        }
        let key = PublicKey::from_x(&payload.key.x).map_err(|e| wrong(e.to_string()))?;
        if key.kid() != payload.key.kid {
            return Err(wrong(format!("its kid is {} but the thumbprint is {}", payload.key.kid, key.kid())));
        }
        let at = |text: &str| match time::parse(text) {
            Some(at) if time::format(at) == text => Ok(at),
            _ => Err(wrong(format!("{text:?} is not a time in UTC as 2026-11-25T08:00:00Z"))),
        };
        let delegation = Delegation {
            organization: payload.organization,
            key,
            name: payload.name,
            roles: payload.roles,
            valid_from: at(&payload.valid_from)?,
            valid_until: payload.valid_until.as_deref().map(at).transpose()?,
            replaces: payload.replaces,
        };
        delegation.check().map_err(wrong)?;
        Ok(delegation)
    }

    /// As the trust store has it.
    pub fn trusted(&self, root: &str) -> TrustedKey {
        TrustedKey {
            valid_until: self.valid_until,
            delegated_by: Some(root.to_owned()),
            ..TrustedKey::new(self.key.clone(), self.name.clone(), Role::Witness, Some(self.valid_from))
        }
        .with_roles(&self.roles)
    }

    fn check(&self) -> Result<(), String> {
        check_roles(&self.roles).map_err(str::to_owned)?;
        check_person_name(&self.name)?;
        match self.valid_until.is_some_and(|until| until < self.valid_from) {
            true => Err("it ends before it begins".to_owned()),
            false => Ok(()),
        }
    }
}

impl RevocationList {
    /// A list that follows `before` (which must be the newest there is) and adds `revocation`.
    pub fn after(
        before: Option<&RevocationList>,
        organization: &str,
        revocation: Revocation,
        issued: DateTime<Utc>,
        next_update: Option<DateTime<Utc>>,
    ) -> RevocationList {
        let mut revoked = before.map(|b| b.revoked.clone()).unwrap_or_default();
        match revoked.iter_mut().find(|r| r.kid == revocation.kid) {
            // A revocation is moved to an earlier time, never to a later one.
            Some(there) => {
                there.revoked_at = there.revoked_at.min(revocation.revoked_at);
                there.reason = revocation.reason;
            }
            None => revoked.push(revocation),
        }
        RevocationList {
            schema: REVOCATION_LIST.to_owned(),
            version: VERSION,
            organization: organization.to_owned(),
            number: before.map_or(1, |b| b.number.saturating_add(1)),
            issued,
            next_update,
            revoked,
        }
    }

    /// Signs it with the root key.
    pub fn sign(&self, root: &StationKey) -> Result<Jws, StatementError> {
        let text = serde_json::to_vec(self).map_err(JsonError::from)?;
        Ok(sign(&text, REVOCATION_LIST_TYP, root, Role::Root, self.issued)?)
    }

    /// Reads the payload. Says nothing about the signature.
    pub fn read(jws: &Jws) -> Result<RevocationList, StatementError> {
        let list: RevocationList = parse_exact(jws.payload())?;
        if list.schema != REVOCATION_LIST || list.version != VERSION {
            return Err(StatementError::Member(format!("{} version {} is not known", list.schema, list.version)));
        }
        Ok(list)
    }
}

impl Reason {
    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Compromised => "compromised",
            Reason::Lost => "lost",
            Reason::Superseded => "superseded",
            Reason::Retired => "retired",
        }
    }
}
