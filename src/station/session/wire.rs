//! What is said over the socket: one JSON value on each line, a request and its answer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::place::KeyFile;
use crate::signed::MAX_DOCUMENT;

/// The longest line, in bytes: a document in base64 and a little.
pub(super) const LONGEST_LINE: u64 = (MAX_DOCUMENT as u64 / 3 + 1) * 4 + 1024;

/// A request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Ask {
    /// Which key is held?
    Who,
    /// Sign this: base64url of what a signature of a JWS is made over.
    Sign(String),
    /// Wipe the key and end.
    End,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Answer {
    /// The key that is held.
    Holds(Holds),
    /// The signature: base64url.
    Signature(String),
    /// Not signed, and why.
    Refused(String),
    /// It ends.
    Ends,
}

/// What a session holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holds {
    /// Thumbprint of the key.
    pub kid: String,
    /// The public key: JWK member `x`.
    pub x: String,
    /// The key file or the token's URI, for a person.
    pub key: String,
    /// The key file as it was; none of a key on a token, which is held by the login at that token.
    pub file: Option<KeyFile>,
    /// When the session began.
    pub since: DateTime<Utc>,
    /// When it ends by itself.
    pub until: DateTime<Utc>,
    /// Its process.
    pub process: u32,
    /// How many events it has signed.
    pub signed: u64,
}
