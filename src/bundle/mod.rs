//! One file with everything a stranger needs: documents as they were signed, the entries of the
//! custody log that name them, proofs that the entries stand in the log, and a signed checkpoint.
//!
//! The bundle itself is not signed, because everything in it is. What was left out of one shows
//! against the log, or against any other document that is at hand.

mod check;
mod make;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::certificate::document::{Document, DocumentType};
use crate::certificate::id_of;
use crate::custody::{Entry, Hash};
use crate::signed::{JsonError, decode_base64url, encode_base64url, parse_json_exact};
use crate::units::Bytes;

pub use check::{BundleVerification, LogState, MediumState, verify_bundle};
pub use make::{MakeError, bundle};

/// The largest bundle that is read, in bytes.
pub const MAX_BUNDLE: usize = 256 * 1024 * 1024;
/// Every bundle begins with these bytes.
pub const MAGIC: &[u8] = br#"{"schema":"lastwrite-bundle","#;

/// A bundle. Member order of the file is that of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// `lastwrite-bundle`.
    schema: String,
    /// 1.
    version: u32,
    /// Each document once, in the order of their ids.
    documents: Vec<BundledDocument>,
    /// Each log once.
    logs: Vec<BundledLog>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BundledDocument {
    id: String,
    kind: DocumentType,
    /// The file's bytes as they were signed, base64url.
    file: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BundledLog {
    log_id: String,
    /// C2SP checkpoint: a signed note.
    checkpoint: String,
    entries: Vec<BundledEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BundledEntry {
    index: Bytes,
    /// The line's bytes without its newline, base64url.
    line: String,
    /// From the leaf up, to the checkpoint's root (RFC 9162 section 2.1.3).
    proof: Vec<Hash>,
}

/// Bytes that are no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Larger than any bundle.
    #[error("{0} bytes are more than the {MAX_BUNDLE} a bundle may have")]
    TooLarge(usize),
    /// It does not begin as one.
    #[error("it is no bundle: it does not begin with {}", String::from_utf8_lossy(MAGIC))]
    Magic,
    /// Not strict JSON of the documented form.
    #[error("not of the documented form: {0}")]
    Json(#[from] JsonError),
    /// A part of it is wrong in itself.
    #[error("{0}")]
    Part(String),
}

impl Bundle {
    /// Whether the bytes begin as a bundle does.
    pub fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Reads a bundle strictly: exact members, each document under its id, nothing twice. Verifies
    /// nothing; see [`verify_bundle`].
    pub fn parse(bytes: &[u8]) -> Result<Bundle, BundleError> {
        if bytes.len() > MAX_BUNDLE {
            return Err(BundleError::TooLarge(bytes.len()));
        }
        if !Bundle::begins(bytes) {
            return Err(BundleError::Magic);
        }
        let bundle: Bundle = parse_json_exact(bytes.strip_suffix(b"\n").unwrap_or(bytes))?;
        if bundle.version != 1 {
            return Err(BundleError::Part(format!("version {} is not known here", bundle.version)));
        }
        if bundle.documents.is_empty() {
            return Err(BundleError::Part("there is no document in the bundle, so it proves nothing".into()));
        }
        let ordered = bundle.documents.windows(2).all(|pair| pair[0].id < pair[1].id);
        if !ordered {
            return Err(BundleError::Part(
                "the documents are not in the order of their ids, or one stands twice".into(),
            ));
        }
        if !bundle.logs.windows(2).all(|pair| pair[0].log_id < pair[1].log_id) {
            return Err(BundleError::Part("the logs are not in the order of their ids, or one stands twice".into()));
        }
        for log in &bundle.logs {
            if !log.entries.windows(2).all(|pair| pair[0].index < pair[1].index) {
                return Err(BundleError::Part(format!("the entries of log {} are not in order", log.log_id)));
            }
        }
        Ok(bundle)
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default(); // strings and numbers only
        bytes.push(b'\n');
        bytes
    }

    /// The ids that it says its documents have; whether they do, [`Bundle::files`] tells.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.documents.iter().map(|document| document.id.as_str())
    }

    /// How many entries of logs are in it.
    pub fn entries(&self) -> usize {
        self.logs.iter().map(|log| log.entries.len()).sum()
    }

    /// The documents' files in the order of their ids. An error: one is not the file of its id.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>, BundleError> {
        self.documents.iter().map(BundledDocument::open).collect()
    }
}

impl BundledDocument {
    fn open(&self) -> Result<(String, Vec<u8>), BundleError> {
        let wrong = |why: String| BundleError::Part(format!("document {}: {why}", self.id));
        let bytes = decode_base64url(&self.file).map_err(|e| wrong(e.to_string()))?;
        let (jws, kind, _) = Document::read(&bytes).map_err(|e| wrong(e.to_string()))?;
        match (id_of(jws.payload()) == self.id, kind == self.kind) {
            (false, _) => Err(wrong("its payload has another SHA-256".to_owned())),
            (_, false) => Err(wrong(format!("it is a {kind}, not a {}", self.kind))),
            _ => Ok((self.id.clone(), bytes)),
        }
    }
}

/// What decides which entries of a log belong to some documents.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    documents: BTreeSet<String>,
    /// How the log names the media.
    subjects: BTreeSet<String>,
    runs: BTreeSet<String>,
}

impl Scope {
    /// Everything about these documents and their media.
    pub fn of<'a>(documents: impl IntoIterator<Item = (&'a str, &'a Document)>) -> Scope {
        let mut scope = Scope::default();
        for (id, document) in documents {
            scope.documents.insert(id.to_owned());
            scope.subjects.extend(document.medium().and_then(|m| m.digest));
            match document {
                Document::Run(run) => {
                    scope.runs.insert(run.facts.run_id.clone());
                }
                Document::Transfer(t) => scope.subjects.extend(t.media.iter().filter_map(|m| m.medium.digest.clone())),
                Document::Gathering(g) => scope.subjects.extend(g.media.iter().filter_map(|m| m.medium.digest.clone())),
                _ => {}
            }
        }
        scope
    }

    /// Whether an entry is about one of them.
    pub fn concerns(&self, entry: &Entry) -> bool {
        let named = |member: &str| entry.data.get(member).and_then(|v| v.as_str());
        let document = |member| named(member).is_some_and(|id| self.documents.contains(id));
        self.subjects.contains(&entry.subject)
            || document("document")
            || document("about")
            || entry.run_id().is_some_and(|run| self.runs.contains(run))
    }
}

/// The document that an entry names.
fn document_of(entry: &Entry) -> Option<&str> {
    entry.data.get("document")?.as_str()
}

fn encoded(id: String, kind: DocumentType, file: &[u8]) -> BundledDocument {
    BundledDocument { id, kind, file: encode_base64url(file) }
}
