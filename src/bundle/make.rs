//! Making a bundle.

use super::{Bundle, BundledDocument, BundledEntry, BundledLog, encoded};
use crate::certificate::document::{Document, DocumentError};
use crate::certificate::id_of;
use crate::custody::{Checkpoint, Extract, NoteError, ProofError};
use crate::custody::{Note, leaf_hash};
use crate::signed::{Jws, encode_base64url};
use crate::units::Bytes;

/// No bundle was made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// A file is no document.
    #[error("{name}: {source}")]
    Document {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// No file at all.
    #[error("there is no document to bundle; name a document, or a folder that holds one")]
    Empty,
    /// Two files are one document, and each has a signature that the other lacks.
    #[error(
        "{name} is the same document as another one, and each has a signature that the other lacks; have one of \
         them signed by whom it lacks (lastwrite certificate sign)"
    )]
    Twice {
        /// The file.
        name: String,
    },
    /// Two bundles have different states of one log.
    #[error(
        "two of them prove their entries to different checkpoints of log {log_id}; name the documents of one of them"
    )]
    TwoCheckpoints {
        /// The log.
        log_id: String,
    },
    /// The checkpoint cannot be used.
    #[error("the checkpoint cannot be used: {0}")]
    Checkpoint(#[from] NoteError),
    /// The checkpoint is of another log, or of another state of it.
    #[error("the checkpoint is not one of log {log_id} as it is: {why}")]
    OtherLog {
        /// The log.
        log_id: String,
        /// What does not fit.
        why: String,
    },
    /// A proof that cannot exist.
    #[error("an entry cannot be proven: {0}")]
    Proof(#[from] ProofError),
}

/// Puts documents (name and bytes) and, where there is a log, its entries about them with proofs to
/// the checkpoint into one bundle. Entries younger than the checkpoint are left out, and their
/// number is given back.
pub fn bundle(files: &[(String, Vec<u8>)], log: Option<(&Extract, &str)>) -> Result<(Bundle, usize), MakeError> {
    let mut documents: Vec<BundledDocument> = Vec::with_capacity(files.len());
    for (name, bytes) in files {
        let read = Document::read(bytes);
        let (jws, kind, _) = read.map_err(|source| MakeError::Document { name: name.clone(), source })?;
        let document = encoded(id_of(jws.payload()), kind, bytes);
        match documents.iter_mut().find(|d| d.id == document.id) {
            None => documents.push(document),
            Some(there) => there.join(document, name)?,
        }
    }
    if documents.is_empty() {
        return Err(MakeError::Empty);
    }
    documents.sort_by(|a, b| a.id.cmp(&b.id));
    let (logs, left_out) = match log {
        None => (Vec::new(), 0),
        Some((extract, checkpoint)) => {
            let (log, left_out) = bundle_log(extract, checkpoint)?;
            (vec![log], left_out)
        }
    };
    Ok((Bundle { schema: "lastwrite-bundle".to_owned(), version: 1, documents, logs }, left_out))
}

impl Bundle {
    /// One bundle with the documents and the logs of both: media that two stations have to do with.
    pub fn join(mut self, other: Bundle) -> Result<Bundle, MakeError> {
        for document in other.documents {
            match self.documents.binary_search_by(|there| there.id.cmp(&document.id)) {
                Err(at) => self.documents.insert(at, document),
                Ok(at) => {
                    let name = format!("document {}", document.id);
                    self.documents.get_mut(at).map_or(Ok(()), |there| there.join(document, &name))?;
                }
            }
        }
        for log in other.logs {
            match self.logs.binary_search_by(|there| there.log_id.cmp(&log.log_id)) {
                Err(at) => self.logs.insert(at, log),
                Ok(at) => self.logs.get_mut(at).map_or(Ok(()), |there| there.join(log))?,
            }
        }
        Ok(self)
    }
}

impl BundledDocument {
    /// Keeps the copy that has the signatures of both: one may have been signed by more persons since.
    fn join(&mut self, other: BundledDocument, name: &str) -> Result<(), MakeError> {
        if *self == other {
            return Ok(());
        }
        let of = |document: &BundledDocument| document.open().ok().and_then(|(_, bytes)| Jws::parse(&bytes).ok());
        let within = |few: &Jws, many: &Jws| few.signatures().iter().all(|s| many.signatures().contains(s));
        match (of(self), of(&other)) {
            (Some(own), Some(others)) if within(&others, &own) => Ok(()),
            (Some(own), Some(others)) if within(&own, &others) => {
                *self = other;
                Ok(())
            }
            _ => Err(MakeError::Twice { name: name.to_owned() }),
        }
    }
}

impl BundledLog {
    fn join(&mut self, other: BundledLog) -> Result<(), MakeError> {
        if self.checkpoint != other.checkpoint {
            return Err(MakeError::TwoCheckpoints { log_id: other.log_id });
        }
        for entry in other.entries {
            match self.entries.binary_search_by_key(&entry.index, |there| there.index) {
                Err(at) => self.entries.insert(at, entry),
                Ok(at) if self.entries.get(at) == Some(&entry) => {}
                // One of them stands in no such log.
                Ok(_) => return Err(MakeError::TwoCheckpoints { log_id: other.log_id }),
            }
        }
        Ok(())
    }
}

fn bundle_log(extract: &Extract, checkpoint: &str) -> Result<(BundledLog, usize), MakeError> {
    let note = Note::parse(checkpoint.as_bytes())?;
    let state = Checkpoint::parse(note.text())?;
    let other = |why: &str| MakeError::OtherLog { log_id: extract.log_id.clone(), why: why.to_owned() };
    if state.log_id() != Some(extract.log_id.as_str()) {
        return Err(other("it names another log"));
    }
    let root = extract.tree.root(state.size).ok_or_else(|| other("it knows of more entries"))?;
    if root != state.root {
        return Err(other("its root is another"));
    }
    let known = |line: &&crate::custody::ExtractedLine| line.index < state.size;
    let entries = extract.lines.iter().filter(known).map(|line| {
        debug_assert_eq!(extract.tree.leaf(line.index), Some(leaf_hash(&line.bytes)));
        Ok(BundledEntry {
            index: Bytes(line.index),
            line: encode_base64url(&line.bytes),
            proof: extract.tree.inclusion_proof(line.index, state.size)?,
        })
    });
    let entries = entries.collect::<Result<Vec<_>, MakeError>>()?;
    let left_out = extract.lines.len() - entries.len();
    Ok((BundledLog { log_id: extract.log_id.clone(), checkpoint: checkpoint.to_owned(), entries }, left_out))
}
