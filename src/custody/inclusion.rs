//! Proof, for somebody without the log, that an entry stands in it: the entry, the path to a
//! checkpoint's root, and the checkpoint with whoever cosigned it.

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::entry::{Entry, EntryError};
use super::merkle::{Hash, ProofError, leaf_hash, verify_inclusion};
use super::note::{Note, NoteError, NoteKey, SignatureKind};
use crate::signed::{
    EvidenceKind, Existed, JsonError, Jws, Role, Standing, TimeEvidence, TrustStore, parse_json_exact,
};
use crate::units::Bytes;

const SCHEMA: &str = "lastwrite-inclusion";
const VERSION: u32 = 1;

/// An entry and its way to a checkpoint. Nothing in it is secret, and nothing of it needs the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    schema: String,
    version: u32,
    /// The entry's line as it stands in the log.
    pub entry: String,
    /// Its position, from 0.
    pub index: Bytes,
    /// RFC 6962 audit path, from the leaf up.
    pub proof: Vec<Hash>,
    /// The checkpoint (C2SP signed note), with its cosignatures.
    pub checkpoint: String,
}

/// A proof of inclusion that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum InclusionError {
    /// Not of the documented form.
    #[error("it is no proof of inclusion: {0}")]
    Json(#[from] JsonError),
    /// Another version.
    #[error("{0} version {1} is not known here")]
    Version(String, u32),
    /// The entry is none.
    #[error("its entry cannot be read: {0}")]
    Entry(#[from] EntryError),
    /// The checkpoint is none.
    #[error("its checkpoint cannot be read: {0}")]
    Note(#[from] NoteError),
    /// The path does not lead to the checkpoint's root.
    #[error("its entry does not stand in the log of its checkpoint: {0}")]
    Proof(#[from] ProofError),
    /// Entry and checkpoint are of different logs.
    #[error("its entry is of another log than its checkpoint")]
    OtherLog,
    /// Nobody that is trusted says when.
    #[error("{0}")]
    NoWitness(String),
}

/// A proof that held: what the entry says, and the log as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Included {
    /// The signed entry.
    pub jws: Jws,
    /// What it says.
    pub entry: Entry,
    /// Log, size and root.
    pub checkpoint: Checkpoint,
}

impl Inclusion {
    /// From its parts; `note` is a checkpoint of the log.
    pub fn new(entry: String, index: u64, proof: Vec<Hash>, note: String) -> Inclusion {
        Inclusion { schema: SCHEMA.to_owned(), version: VERSION, entry, index: Bytes(index), proof, checkpoint: note }
    }

    /// Reads one strictly. Says nothing yet.
    pub fn parse(bytes: &[u8]) -> Result<Inclusion, InclusionError> {
        let inclusion: Inclusion = parse_json_exact(bytes)?;
        match inclusion.schema == SCHEMA && inclusion.version == VERSION {
            true => Ok(inclusion),
            false => Err(InclusionError::Version(inclusion.schema, inclusion.version)),
        }
    }

    /// One JSON object on one line.
    pub fn to_bytes(&self) -> Result<Vec<u8>, InclusionError> {
        let mut bytes = serde_json::to_vec(self).map_err(JsonError::from)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Checks that the entry stands in the log of the checkpoint. Whose signatures are on the two is
    /// another question.
    pub fn verify(&self) -> Result<Included, InclusionError> {
        let (jws, entry) = Entry::read(self.entry.as_bytes())?;
        let note = Note::parse(self.checkpoint.as_bytes())?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.log_id() != Some(entry.logid.as_str()) || entry.index != self.index {
            return Err(InclusionError::OtherLog);
        }
        let leaf = leaf_hash(self.entry.as_bytes());
        verify_inclusion(self.index.0, checkpoint.size, leaf, &self.proof, checkpoint.root)?;
        Ok(Included { jws, entry, checkpoint })
    }

    /// When witnesses that are trusted saw the log with this entry in it. The entry must be signed
    /// by a trusted station and name a document (`data.document`, SHA-256 of the payload).
    pub fn witnessed(&self, trust: &TrustStore) -> Result<Vec<TimeEvidence>, InclusionError> {
        let included = self.verify()?;
        let no = |why: &str| InclusionError::NoWitness(why.to_owned());
        let document = included.entry.data.get("document").and_then(|d| d.as_str());
        let document =
            document.and_then(|d| d.parse::<Hash>().ok()).ok_or_else(|| no("its entry names no document"))?;
        let station = included.jws.signatures()[0].header().kid.clone().unwrap_or_default();
        let signed = trust.find(&station).is_some_and(|key| {
            key.may(Role::Station) && included.jws.signatures().len() == 1 && included.jws.verifies(0, &key.key)
        });
        if !signed {
            return Err(no("its entry was not signed by a station that is trusted here"));
        }
        let note = Note::parse(self.checkpoint.as_bytes())?;
        let mut seen = Vec::new();
        for witness in trust.all_keys().filter(|key| key.may(Role::Witness)) {
            // A witness's key name is its own choice, so it is taken from the line; the key is not.
            let names = note.signatures().iter().map(|line| line.name.as_str());
            for name in names.collect::<std::collections::BTreeSet<_>>() {
                let key = NoteKey::new(name, SignatureKind::Cosignature, witness.key.clone())?;
                let signers = match note.verify(&[key]) {
                    Err(NoteError::Unsigned) => continue,
                    signers => signers?,
                };
                let at = signers.first().and_then(|(_, at)| *at);
                seen.extend(at.filter(|at| trust.standing(witness, *at) == Standing::Valid).map(|at| TimeEvidence {
                    kind: EvidenceKind::Cosignature,
                    existed: Existed::Document { hash: document.0, station: station.clone() },
                    at,
                    by: witness.name.clone(),
                }));
            }
        }
        match seen.is_empty() {
            true => Err(no("no witness that is trusted here has cosigned its checkpoint")),
            false => Ok(seen),
        }
    }
}

/// A witness's memory of one log, and what makes it safe to cosign the next checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Entries before.
    pub from: Bytes,
    /// Entries now.
    pub size: Bytes,
    /// RFC 6962 consistency proof.
    pub proof: Vec<Hash>,
}
