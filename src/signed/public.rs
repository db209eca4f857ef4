//! Ed25519 public keys, their JWK (RFC 8037) and thumbprint (RFC 7638).

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use super::base64url;
use super::multiples::{Multiples, are_r};

/// After how many verifications a key gets its multiples.
const WORTHWHILE: u32 = 40;

/// An Ed25519 public key that is on the curve and not of low order. Clones share what makes it faster.
#[derive(Clone)]
pub struct PublicKey {
    key: VerifyingKey,
    often: Arc<Often>,
}

/// What is made of a key that is used often.
#[derive(Default)]
struct Often {
    verified: AtomicU32,
    multiples: OnceLock<Option<Box<Multiples>>>,
}

/// Bytes that are no usable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Not 32 bytes of canonical base64url.
    #[error("a public key has 32 bytes in base64url without padding")]
    Encoding,
    /// Not a point on the curve.
    #[error("the bytes are not a point of Ed25519")]
    NotAPoint,
    /// A key of low order: everybody can sign with it.
    #[error("the key has low order; everybody could sign with it")]
    LowOrder,
}

impl PublicKey {
    /// From the 32 bytes of RFC 8032.
    pub fn from_bytes(bytes: &[u8]) -> Result<PublicKey, PublicKeyError> {
        let bytes: &[u8; 32] = bytes.try_into().map_err(|_| PublicKeyError::Encoding)?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| PublicKeyError::NotAPoint)?;
        match key.is_weak() {
            true => Err(PublicKeyError::LowOrder),
            false => Ok(PublicKey::from(key)),
        }
    }

    /// From a JWK's `x`.
    pub fn from_x(x: &str) -> Result<PublicKey, PublicKeyError> {
        PublicKey::from_bytes(&base64url::decode(x).map_err(|_| PublicKeyError::Encoding)?)
    }

    /// The 32 bytes of RFC 8032.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// A JWK's `x`.
    pub fn x(&self) -> String {
        base64url::encode(self.key.as_bytes())
    }

    /// RFC 7638 thumbprint (SHA-256, base64url): the key's name everywhere.
    pub fn kid(&self) -> String {
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, self.x());
        base64url::encode(&Sha256::digest(canonical))
    }

    /// Strict Ed25519 verification: canonical `S` and `R`, no low-order `R` or key.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.verifies_pieces(&[message], signature)
    }

    /// As [`PublicKey::verifies`], of a message in pieces.
    pub(super) fn verifies_pieces(&self, message: &[&[u8]], signature: &[u8; 64]) -> bool {
        match self.multiples_if_often() {
            Some(multiples) => multiples.verify(message, signature),
            None => self.verifies_once(message, signature),
        }
    }

    fn verifies_once(&self, message: &[&[u8]], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(&message.concat(), &Signature::from_bytes(signature)).is_ok()
    }

    fn multiples_if_often(&self) -> Option<&Multiples> {
        match self.often.multiples.get() {
            Some(multiples) => multiples.as_deref(),
            None if self.often.verified.fetch_add(1, Ordering::Relaxed) < WORTHWHILE => None,
            None => self.multiples(),
        }
    }

    /// Gets ready for many verifications (about a millisecond, 640 KiB); happens by itself with those that follow
    /// each other.
    pub fn prepare(&self) {
        self.multiples();
    }

    fn multiples(&self) -> Option<&Multiples> {
        self.often.multiples.get_or_init(|| Multiples::of(&self.key).map(Box::new)).as_deref()
    }
}

/// A signature that a key may have made.
pub(super) struct Claim<'a> {
    pub(super) key: &'a PublicKey,
    /// The message, in pieces.
    pub(super) message: [&'a [u8]; 3],
    pub(super) signature: &'a [u8; 64],
}

/// As [`PublicKey::verifies`] for many signatures, of one key or several. Each is judged by itself; they only share
/// what is computed for the encodings.
pub(super) fn verify_together(claims: &[Claim<'_>]) -> Vec<bool> {
    let mut found = vec![false; claims.len()];
    let (mut places, mut points) = (Vec::new(), Vec::new());
    for (place, Claim { key, message, signature }) in claims.iter().enumerate() {
        match key.multiples_if_often() {
            None => found[place] = key.verifies_once(message, signature),
            Some(multiples) => {
                if let Some(point) = multiples.point(message, signature) {
                    places.push(place);
                    points.push((point, *signature));
                }
            }
        }
    }
    places.into_iter().zip(are_r(&points)).for_each(|(place, good)| found[place] = good);
    found
}

impl From<VerifyingKey> for PublicKey {
    /// The key of a signing key; those are never of low order.
    fn from(key: VerifyingKey) -> PublicKey {
        PublicKey { key, often: Arc::default() }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &PublicKey) -> bool {
        self.key == other.key
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.x())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.3.
    #[test]
    fn thumbprint_of_rfc_8037() {
        let key = PublicKey::from_x("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    /// Two keys, one of them often used, and every fourth signature by somebody else.
    #[test]
    fn signatures_together_are_judged_as_each_by_itself() {
        let secrets = [1, 2, 3].map(|n| ed25519_dalek::SigningKey::from_bytes(&[n; 32]));
        let keys = [0, 1].map(|i: usize| PublicKey::from(secrets[i].verifying_key()));
        keys[0].prepare();
        let sign =
            |n: usize| ed25519_dalek::Signer::sign(&secrets[if n.is_multiple_of(4) { 2 } else { n % 2 }], b"a.b");
        let signatures: Vec<[u8; 64]> = (0..101).map(|n| sign(n).to_bytes()).collect();
        let claim = |(n, signature)| Claim { key: &keys[n % 2], message: [b"a", b".", b"b"], signature };
        let claims: Vec<_> = signatures.iter().enumerate().map(claim).collect();
        let expected: Vec<bool> = (0..101usize).map(|n| !n.is_multiple_of(4)).collect();
        assert_eq!(verify_together(&claims), expected);
        // The second key has become one that is used often on the way.
        assert_eq!(verify_together(&claims), expected);
        assert!(claims.iter().zip(&expected).all(|(c, good)| c.key.verifies_pieces(&c.message, c.signature) == *good));
    }

    #[test]
    fn low_order_and_off_curve_keys_are_refused() {
        assert_eq!(PublicKey::from_bytes(&[0; 32]), Err(PublicKeyError::LowOrder));
        let mut identity = [0u8; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(&identity), Err(PublicKeyError::LowOrder));
        assert_eq!(PublicKey::from_bytes(&[2; 31]), Err(PublicKeyError::Encoding));
        let mut off_curve = [0u8; 32];
        off_curve[0] = 2;
        assert_eq!(PublicKey::from_bytes(&off_curve), Err(PublicKeyError::NotAPoint));
    }
}
