//! One envelope for everything signed: JWS (RFC 7515) with Ed25519 (RFC 9864), keys, trust store.
//!
//! What was signed is never re-encoded: payload and protected headers are kept as the text they
//! were signed as. Reading is strict. A signature proves that its key said so, nothing more.

mod base64url;
mod check;
mod durable;
mod header;
mod json;
mod jws;
mod key;
mod printable;
mod public;
mod time;
mod trust;

pub use base64url::{decode as decode_base64url, encode as encode_base64url};
pub use check::{Check, Outcome, verify};
pub use durable::{DurableError, atomic_write, remove_drafts, sync_folder, write_new};
pub use header::{Algorithm, Header, HeaderError, Role};
pub use json::{JsonError, parse_exact as parse_json_exact, parse_strict as parse_json_strict};
pub use jws::{Jws, JwsError, MAX_DOCUMENT, MAX_SIGNATURES, SignError, Signature, sign};
pub use key::{KeyError, StationKey};
pub use printable::printable;
pub use public::{PublicKey, PublicKeyError};
pub use time::{format as format_time, parse as parse_time};
pub use trust::{Standing, TrustError, TrustStore, TrustedKey};

/// A passphrase; wiped from memory when dropped.
pub type Passphrase = zeroize::Zeroizing<String>;
