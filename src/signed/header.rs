//! The protected header of a signature: `alg`, `kid`, `typ`, `role`, `iat`, and nothing else.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::base64url;
use super::json::{JsonError, parse_strict};

/// In which capacity a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The machine that did the work and issued the document.
    Station,
    /// The person who did it.
    Operator,
    /// Somebody who agrees with the document.
    Witness,
    /// Judges that a sanitization was done as it should be (SP 800-88r2 section 4.5.2).
    Validator,
    /// Read the medium again, on another machine.
    Verifier,
    /// Hands media over.
    Transferor,
    /// Takes media over.
    Receiver,
    /// Puts an organisation's policy into force.
    PolicyApprover,
    /// Saw a document arrive, at that time.
    Register,
    /// The organisation's own key: says whose the others are, and revokes them. Signs nothing else.
    Root,
}

/// Two names of one algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 9864; what we write.
    Ed25519,
    /// RFC 8037; accepted on reading.
    EdDsa,
}

/// What one signature says of itself. All of it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Algorithm.
    pub alg: Algorithm,
    /// RFC 7638 thumbprint of the key. A name, not a proof: whose key it is, a trust store says.
    pub kid: Option<String>,
    /// What the document is.
    pub typ: Option<String>,
    /// Capacity of the signer.
    pub role: Option<Role>,
    /// When it was signed, by the signer's clock, in whole seconds.
    pub iat: Option<DateTime<Utc>>,
}

/// A protected header that is refused.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// Not base64url of strict JSON.
    #[error("not canonical base64url")]
    Encoding(#[source] base64::DecodeError),
    /// Not a JSON object, or a member twice.
    #[error("not acceptable JSON: {0}")]
    Json(#[from] JsonError),
    /// `alg` is missing or something else.
    #[error("algorithm {0} is not accepted; only Ed25519 is (RFC 9864; EdDSA of RFC 8037 on reading)")]
    Algorithm(String),
    /// `crit` names an extension; none is known here.
    #[error("it demands an extension that is not known (crit: {0})")]
    Critical(String),
    /// A key, or a place to get one, inside the evidence is never trust.
    #[error("it brings its own key ({0}), which is never trusted")]
    EmbeddedKey(String),
    /// A member that our documents do not have.
    #[error("unknown member {0:?}")]
    Unknown(String),
    /// A member of the wrong shape.
    #[error("member {name} is not {expected}")]
    Shape {
        /// The member.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl Header {
    /// The base64url text of a header as we write it.
    pub(super) fn encode(kid: &str, typ: &str, role: Role, iat: DateTime<Utc>) -> String {
        let header = json!({"alg": "Ed25519", "kid": kid, "typ": typ, "role": role.as_str(), "iat": iat.timestamp()});
        base64url::encode(header.to_string().as_bytes())
    }

    /// Reads a header strictly.
    pub(super) fn decode(protected: &str) -> Result<Header, HeaderError> {
        let bytes = base64url::decode(protected).map_err(HeaderError::Encoding)?;
        let members: Map<String, Value> = parse_strict(&bytes)?;
        if let Some(crit) = members.get("crit") {
            return Err(HeaderError::Critical(crit.to_string()));
        }
        let mut header = Header { alg: Algorithm::Ed25519, kid: None, typ: None, role: None, iat: None };
        let mut alg = None;
        for (name, value) in &members {
            match name.as_str() {
                "alg" => alg = Some(algorithm(value)?),
                "kid" => header.kid = Some(text("kid", value)?),
                "typ" => header.typ = Some(text("typ", value)?),
                "role" => header.role = Some(role(value)?),
                "iat" => header.iat = Some(time(value)?),
                "jwk" | "jku" | "x5c" | "x5u" | "x5t" | "x5t#S256" => {
                    return Err(HeaderError::EmbeddedKey(name.clone()));
                }
                _ => return Err(HeaderError::Unknown(name.clone())),
            }
        }
        header.alg = alg.ok_or_else(|| HeaderError::Algorithm("(none given)".to_owned()))?;
        Ok(header)
    }
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 10] = [
        Role::Station,
        Role::Operator,
        Role::Witness,
        Role::Validator,
        Role::Verifier,
        Role::Transferor,
        Role::Receiver,
        Role::PolicyApprover,
        Role::Register,
        Role::Root,
    ];

    /// As written in headers, trust stores and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Station => "station",
            Role::Operator => "operator",
            Role::Witness => "witness",
            Role::Validator => "validator",
            Role::Verifier => "verifier",
            Role::Transferor => "transferor",
            Role::Receiver => "receiver",
            Role::PolicyApprover => "policy_approver",
            Role::Register => "register",
            Role::Root => "root",
        }
    }

    /// The role of that name.
    pub fn of_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn algorithm(value: &Value) -> Result<Algorithm, HeaderError> {
    match value.as_str() {
        Some("Ed25519") => Ok(Algorithm::Ed25519),
        Some("EdDSA") => Ok(Algorithm::EdDsa),
        _ => Err(HeaderError::Algorithm(value.to_string())),
    }
}

fn text(name: &'static str, value: &Value) -> Result<String, HeaderError> {
    match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(HeaderError::Shape { name, expected: "a text" }),
    }
}

fn role(value: &Value) -> Result<Role, HeaderError> {
    Role::deserialize(value).map_err(|_| HeaderError::Shape { name: "role", expected: "a role that is known here" })
}

fn time(value: &Value) -> Result<DateTime<Utc>, HeaderError> {
    value
        .as_i64()
        .filter(|seconds| *seconds >= 0)
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .ok_or(HeaderError::Shape { name: "iat", expected: "a time in whole seconds since 1970" })
}
