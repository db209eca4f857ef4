//! One event: what happened, signed by who did it, chained to the one before in its stream.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::act::Act;
use super::error::RegisterError;
use crate::signed::{Algorithm, Jws, PublicKey, Role, StationKey, parse_json_exact, read_signing_input, sign};
use crate::units::Bytes;

/// `typ` of an event: media type `application/vnd.lastwrite.register-event+json`.
pub const EVENT_TYP: &str = "vnd.lastwrite.register-event+json";

/// The signed content of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The register's random id.
    pub register: String,
    /// What it happened to: `register`, `asset/ID`, `medium/ID`.
    pub stream: String,
    /// From 1, without gaps.
    pub revision: Bytes,
    /// SHA-256 of the event before in the stream, as it is stored; `None` on the first.
    pub previous: Option<String>,
    /// Revision of the stream `register` whose roles it was judged by.
    pub under: Bytes,
    /// When, by the actor's clock.
    pub at: DateTime<Utc>,
    /// Thumbprint of the actor's key.
    pub actor: String,
    /// SHA-256 of the trust store by which the document was believed that this event takes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<String>,
    /// What happened.
    pub act: Act,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// What it says.
    pub event: Event,
    /// The signed document.
    pub jws: String,
    /// SHA-256 of the document, hex.
    pub hash: String,
    /// What kind of act it is, as `asset_added`.
    pub kind: String,
}

/// What is read back of a payload that was just written.
#[derive(Deserialize)]
struct Written {
    act: Kind,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

impl Event {
    /// Signs it.
    pub(super) fn seal(self, key: &StationKey) -> Result<Stored, RegisterError> {
        let payload = serde_json::to_vec(&self).map_err(|e| RegisterError::Event(e.to_string()))?;
        let written: Written = serde_json::from_slice(&payload).map_err(|e| RegisterError::Event(e.to_string()))?;
        let jws = sign(&payload, EVENT_TYP, key, Role::Operator, self.at)?.to_bytes();
        let jws = String::from_utf8(jws).map_err(|e| RegisterError::Event(e.to_string()))?;
        Ok(Stored { hash: sha256(jws.as_bytes()), jws, event: self, kind: written.act.kind })
    }

    /// Reads a stored event strictly. Says nothing about its signature.
    pub fn read(jws: &str) -> Result<(Jws, Event), String> {
        let document = Jws::parse(jws.as_bytes()).map_err(|e| e.to_string())?;
        if document.typ() != Some(EVENT_TYP) {
            return Err(format!("it is a {}, not an event", document.typ().unwrap_or("document of no type")));
        }
        let event: Event = parse_json_exact(document.payload()).map_err(|e| e.to_string())?;
        Ok((document, event))
    }

    /// Reads what the key `kid` is asked to sign, where it is an event of its owner and cannot be taken for
    /// anything else: what a document is, its protected header says. Anything else is refused, with the reason.
    pub fn to_be_signed(message: &[u8], kid: &str) -> Result<Event, String> {
        let (header, payload) = read_signing_input(message).map_err(|e| e.to_string())?;
        if header.typ.as_deref() != Some(EVENT_TYP) {
            let typ = header.typ.as_deref().unwrap_or("document of no type");
            return Err(format!("it is a {typ}, not an event of a register"));
        }
        let event: Event = parse_json_exact(&payload).map_err(|e| format!("it is no event: {e}"))?;
        let own = header.alg == Algorithm::Ed25519
            && header.kid.as_deref() == Some(kid)
            && header.role == Some(Role::Operator)
            && header.iat.map(|at| at.timestamp()) == Some(event.at.timestamp())
            && event.actor == kid;
        match own {
            true => Ok(event),
            false => Err("its header and the event do not both name this key, as a person's, at one time".to_owned()),
        }
    }
}

/// Whether the one signature is the actor's, made as a person's.
pub(super) fn signed_by(document: &Jws, event: &Event, x: &str) -> bool {
    let [signature] = document.signatures() else { return false };
    let header = signature.header();
    header.kid.as_deref() == Some(event.actor.as_str())
        && header.role == Some(Role::Operator)
        && PublicKey::from_x(x).is_ok_and(|key| key.kid() == event.actor && document.verifies(0, &key))
}

/// SHA-256, lower-case hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half & 15)]);
    Sha256::digest(bytes).iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}
