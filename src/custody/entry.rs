//! One line of the log: a signed CloudEvents-shaped JSON that names the line before it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::LogError;
use super::merkle::Hash;
use crate::signed::{Jws, JwsError, Role, StationKey, parse_json_exact, sign};
use crate::units::Bytes;

/// `typ` of an entry: media type `application/vnd.lastwrite.custody-entry+json`.
pub const ENTRY_TYP: &str = "vnd.lastwrite.custody-entry+json";

/// What the `source` of an entry begins with; the thumbprint of the key follows.
const SOURCE: &str = "urn:lastwrite:station:";

/// Where the data of an entry say on which file its medium lies.
pub(super) const FILE: &str = "/medium/backing/path";

/// The largest line, in bytes.
pub(super) const MAX_LINE: usize = 4 * 1024 * 1024;

/// What somebody wants to be on record.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// What happened: `run.intended`, `run.passed` ...
    pub typ: String,
    /// What it happened to; the digest of a medium's identity, an asset tag.
    pub subject: String,
    /// Anything else, as JSON. A run's entries carry `run_id` here.
    pub data: Value,
}

/// The signed content of one line (CloudEvents 1.0 attributes and extensions).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// CloudEvents version, `1.0`.
    pub specversion: String,
    /// Random, 32 hex digits.
    pub id: String,
    /// Who says so: `urn:lastwrite:station:` and the key's thumbprint.
    pub source: String,
    /// What happened.
    #[serde(rename = "type")]
    pub typ: String,
    /// What it happened to.
    pub subject: String,
    /// When, by the station's clock.
    pub time: DateTime<Utc>,
    /// The log's random id.
    pub logid: String,
    /// Position in the log, from 0.
    pub index: Bytes,
    /// RFC 6962 leaf hash of the line before; `None` on the first.
    pub previous: Option<Hash>,
    /// The rest.
    pub data: Value,
}

/// A line that is no acceptable entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Longer than any entry.
    #[error("the line has {0} bytes, more than the {MAX_LINE} an entry may have")]
    TooLong(usize),
    /// Not an acceptable JWS.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// Another sort of document.
    #[error("its typ is {0:?}, not {ENTRY_TYP}")]
    Typ(Option<String>),
    /// Somebody else than a station, or several, signed it.
    #[error("it must have one signature, that of a station{0}")]
    Signer(String),
    /// The payload is not an entry.
    #[error("its payload is no custody entry: {0}")]
    Payload(#[from] crate::signed::JsonError),
    /// CloudEvents version.
    #[error("its specversion is {0:?}, not 1.0")]
    Version(String),
    /// It was acknowledged, and is not what was acknowledged.
    #[error("it is not the line that was written there; if the log was put back on purpose, remove frontier.json")]
    Changed,
    /// It does not stand where it says.
    #[error("it says {field} {found}, but {expected} belongs here")]
    Place {
        /// Which member.
        field: &'static str,
        /// What it says.
        found: String,
        /// What would be right.
        expected: String,
    },
}

impl Entry {
    /// Reads a line without its newline, strictly: it claims to be signed by a station, which is its source. Says
    /// nothing about whether that is so.
    pub fn read(line: &[u8]) -> Result<(Jws, Entry), EntryError> {
        if line.len() > MAX_LINE {
            return Err(EntryError::TooLong(line.len()));
        }
        let jws = Jws::parse(line)?;
        if jws.typ() != Some(ENTRY_TYP) {
            return Err(EntryError::Typ(jws.typ().map(str::to_owned)));
        }
        let entry: Entry = parse_json_exact(jws.payload())?;
        if entry.specversion != "1.0" {
            return Err(EntryError::Version(entry.specversion));
        }
        check_signer(&jws, &entry.source)?;
        Ok((jws, entry))
    }

    /// Whether it stands where it says: log, index, line before.
    pub fn check_place(&self, log_id: &str, index: u64, previous: Option<Hash>) -> Result<(), EntryError> {
        let wrong = |field, found: String, expected: String| Err(EntryError::Place { field, found, expected });
        let shown = |hash: Option<Hash>| hash.map_or_else(|| "none".to_owned(), |h| h.to_string());
        if self.logid != log_id {
            return wrong("logid", self.logid.clone(), log_id.to_owned());
        }
        if self.index.0 != index {
            return wrong("index", self.index.to_string(), index.to_string());
        }
        if self.previous != previous {
            return wrong("previous", shown(self.previous), shown(previous));
        }
        Ok(())
    }

    /// `data.run_id`, where there is one.
    pub fn run_id(&self) -> Option<&str> {
        self.data.get("run_id").and_then(Value::as_str)
    }

    /// `data.medium.backing.path`, where there is one.
    pub fn file(&self) -> Option<&str> {
        self.data.pointer(FILE).and_then(Value::as_str)
    }

    /// The `source` of what a station with this key says.
    pub fn source_of(kid: &str) -> String {
        format!("{SOURCE}{kid}")
    }

    /// The signed line, without newline.
    pub(super) fn line(&self, signer: &StationKey) -> Result<Vec<u8>, LogError> {
        let payload = serde_json::to_vec(self).map_err(|e| LogError::Json(e.to_string()))?;
        let jws = sign(&payload, ENTRY_TYP, signer, Role::Station, self.time);
        Ok(jws.map_err(|e| LogError::Key(Arc::new(e)))?.to_bytes())
    }
}

/// The log is the station's alone: a key that may sign something else may not sign here.
fn check_signer(jws: &Jws, source: &str) -> Result<(), EntryError> {
    let wrong = |why: String| Err(EntryError::Signer(why));
    let [signature] = jws.signatures() else {
        return wrong(format!("; it has {}", jws.signatures().len()));
    };
    let header = signature.header();
    match (header.role, header.kid.as_deref()) {
        (Some(Role::Station), Some(kid)) if source.strip_prefix(SOURCE) == Some(kid) => Ok(()),
        (Some(Role::Station), Some(kid)) => wrong(format!(", who is its source; {source:?} is not {SOURCE}{kid}")),
        (Some(Role::Station), None) => wrong("; no key is named".to_owned()),
        (Some(role), _) => wrong(format!("; it is signed as {role}")),
        (None, _) => wrong("; it is not said in which role it is signed".to_owned()),
    }
}
