//! The protected header of a signature: `alg`, `kid`, `typ`, `role`, `iat`, and nothing else.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
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
        match Header::read_own(&bytes) {
            Some(header) => Ok(header),
            None => Header::read(&bytes),
        }
    }

    /// The short way for a header as we write it: members that are all known, each once, of the right shape. `None`
    /// says nothing.
    fn read_own(bytes: &[u8]) -> Option<Header> {
        // serde takes an array for a structure as well.
        let own: Own = serde_json::from_slice(bytes.starts_with(b"{").then_some(bytes)?).ok()?;
        let text = |text: Option<&str>| match text {
            Some("") => None,
            text => Some(text.map(str::to_owned)),
        };
        Some(Header {
            alg: Algorithm::of_name(own.alg)?,
            kid: text(own.kid)?,
            typ: text(own.typ)?,
            role: own.role.map(|name| Role::of_name(name).ok_or(())).transpose().ok()?,
            iat: own.iat.map(|iat| at(i64::try_from(iat).ok()).ok_or(())).transpose().ok()?,
        })
    }

    fn read(bytes: &[u8]) -> Result<Header, HeaderError> {
        let members: Map<String, Value> = parse_strict(bytes)?;
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

/// The members of a header, none of them `null`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own<'a> {
    alg: &'a str,
    #[serde(borrow, default, deserialize_with = "present")]
    kid: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "present")]
    typ: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "present")]
    role: Option<&'a str>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<u64>,
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

impl Algorithm {
    fn of_name(name: &str) -> Option<Algorithm> {
        match name {
            "Ed25519" => Some(Algorithm::Ed25519),
            "EdDSA" => Some(Algorithm::EdDsa),
            _ => None,
        }
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
    value.as_str().and_then(Algorithm::of_name).ok_or_else(|| HeaderError::Algorithm(value.to_string()))
}

fn text(name: &'static str, value: &Value) -> Result<String, HeaderError> {
    match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(HeaderError::Shape { name, expected: "a text" }),
    }
}

fn role(value: &Value) -> Result<Role, HeaderError> {
    let role = value.as_str().and_then(Role::of_name);
    role.ok_or(HeaderError::Shape { name: "role", expected: "a role that is known here" })
}

fn time(value: &Value) -> Result<DateTime<Utc>, HeaderError> {
    at(value.as_i64()).ok_or(HeaderError::Shape { name: "iat", expected: "a time in whole seconds since 1970" })
}

fn at(seconds: Option<i64>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds.filter(|seconds| *seconds >= 0)?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the short way takes, the long way takes for the same.
    #[test]
    fn the_short_way_judges_as_the_long_one_does() {
        let own = String::from_utf8(
            base64url::decode(&Header::encode("k", "t+json", Role::Station, at(Some(1_800_000_000)).unwrap())).unwrap(),
        )
        .unwrap();
        assert!(Header::read_own(own.as_bytes()).is_some());
        let mut taken = 0;
        let mut agree = |text: &[u8]| {
            if let Some(header) = Header::read_own(text) {
                taken += 1;
                assert_eq!(Header::read(text).unwrap(), header, "{}", String::from_utf8_lossy(text));
            }
        };
        for place in 0..own.len() {
            for byte in 0..=255 {
                let mut changed = own.clone().into_bytes();
                changed[place] = byte;
                agree(&changed);
                changed.insert(place, own.as_bytes()[place]);
                agree(&changed);
            }
            agree(&own.as_bytes()[..place]);
        }
        assert!(taken > 1000, "the short way is taken at all");
        for refused in [
            r#"["Ed25519","k","t","station",1]"#,
            r#"{"alg":"Ed25519","kid":null}"#,
            r#"{"alg":"Ed25519","typ":null}"#,
            r#"{"alg":"Ed25519","role":null}"#,
            r#"{"alg":"Ed25519","iat":null}"#,
            r#"{"alg":"Ed25519","role":{"station":null}}"#,
            r#"{"alg":"Ed25519","kid":""}"#,
            r#"{"alg":"Ed25519","alg":"Ed25519"}"#,
            r#"{"alg":"Ed25519","\u0061lg":"Ed25519"}"#,
            r#"{"alg":"Ed25519","iat":-0}"#,
            r#"{"alg":"Ed25519","iat":1.0}"#,
            r#"{"alg":"Ed25519","iat":18446744073709551615}"#,
            r#"{"alg":"Ed25519","iat":9223372036854775807}"#,
            r#"{"alg":"Ed25519"}{"#,
        ] {
            assert!(
                Header::read_own(refused.as_bytes()).is_none() && Header::read(refused.as_bytes()).is_err(),
                "{refused}"
            );
        }
        let other_spelling = br#" {"alg":"\u0045d25519"}"#;
        assert!(Header::read_own(other_spelling).is_none() && Header::read(other_spelling).is_ok());
    }
}
