//! A public key with its owner's name: what a person hands to whoever is to trust them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::durable::{DurableError, write_new};
use super::json::{JsonError, parse_strict};
use super::public::{PublicKey, PublicKeyError};
use super::trust::TrustedKey;
use super::{Role, StationKey};

/// The content of a public key file: one JWK (RFC 7517) with a `name`. It says who somebody claims to
/// be; whether that is so, whoever takes it into a trust store has to find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicCard {
    /// The key.
    pub key: PublicKey,
    /// Whose it is.
    pub name: String,
}

/// Bytes that are no public key file.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// Not strict JSON with the members of a public Ed25519 JWK and a name.
    #[error("not a public key file (a JWK with a name): {0}")]
    Json(#[from] JsonError),
    /// A private key.
    #[error("it holds a private key (member d); treat that key as known to all and make another")]
    Private,
    /// The key cannot be used.
    #[error("{0}")]
    Key(#[from] PublicKeyError),
    /// Another kind of key, or a wrong thumbprint.
    #[error("{0}")]
    Member(String),
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
    #[serde(default, skip_serializing)]
    d: Option<String>,
    name: String,
}

impl PublicCard {
    /// The public half of a key, under a name.
    pub fn of(key: &StationKey, name: impl Into<String>) -> PublicCard {
        PublicCard { key: key.public().clone(), name: name.into() }
    }

    /// Reads a public key file strictly.
    pub fn parse(bytes: &[u8]) -> Result<PublicCard, CardError> {
        let jwk: Jwk = parse_strict(bytes)?;
        if jwk.d.is_some() {
            return Err(CardError::Private);
        }
        if jwk.kty != "OKP" || jwk.crv != "Ed25519" {
            return Err(CardError::Member(format!("{} {} is not an Ed25519 key", jwk.kty, jwk.crv)));
        }
        let key = PublicKey::from_x(&jwk.x)?;
        if key.kid() != jwk.kid {
            return Err(CardError::Member(format!("its kid is {} but the key's thumbprint is {}", jwk.kid, key.kid())));
        }
        check_person_name(&jwk.name).map_err(CardError::Member)?;
        Ok(PublicCard { key, name: jwk.name })
    }

    /// The JWK, indented.
    pub fn to_bytes(&self) -> Vec<u8> {
        let jwk = Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: self.key.x(),
            kid: self.key.kid(),
            usage: Some("sig".to_owned()),
            alg: None,
            d: None,
            name: self.name.clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&jwk).unwrap_or_default(); // strings only: cannot fail
        bytes.push(b'\n');
        bytes
    }

    /// Stores it; refuses when the file exists.
    pub fn save_new(&self, path: &Path) -> Result<(), DurableError> {
        write_new(path, &self.to_bytes(), 0o644)
    }

    /// As an entry of a trust store, without an end to its validity.
    pub fn trusted(&self, roles: &[Role]) -> TrustedKey {
        TrustedKey::new(self.key.clone(), self.name.clone(), Role::Witness, None).with_roles(roles)
    }
}

/// A name that a certificate can carry: 1 to 200 characters, no control characters.
pub fn check_person_name(name: &str) -> Result<(), String> {
    let good = !name.trim().is_empty() && name.chars().count() <= 200 && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err("a name has 1 to 200 characters and no line breaks".to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn cards_come_back_and_doubtful_ones_are_refused() {
        let card = PublicCard::of(&StationKey::from_seed(&[1; 32]), "Kim Lee");
        assert_eq!(PublicCard::parse(&card.to_bytes()).unwrap(), card);
        let good: Value = serde_json::from_slice(&card.to_bytes()).unwrap();
        let refused = |member: &str, value: Value| {
            let mut changed = good.clone();
            changed[member] = value;
            PublicCard::parse(changed.to_string().as_bytes()).unwrap_err().to_string()
        };
        assert!(refused("d", json!("AAAA")).contains("private"));
        assert!(refused("kid", json!("AAAA")).contains("thumbprint"));
        assert!(refused("kty", json!("EC")).contains("Ed25519"));
        assert!(refused("name", json!("a\nb")).contains("line breaks"));
        assert!(refused("role", json!("root")).contains("unknown field"));
        assert!(refused("x", json!("A".repeat(43))).contains("low order"));
    }
}
