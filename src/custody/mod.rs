//! Append-only custody log: signed entries, Merkle tree (RFC 6962), checkpoints (C2SP), audit.
//!
//! An entry's data is JSON to this room; it knows neither certificates nor drives.

mod audit;
mod checkpoint;
mod entries;
mod entry;
mod error;
mod extract;
mod inclusion;
mod index;
mod keys;
mod log;
mod look;
mod merkle;
mod note;
mod store;
mod tree;
mod walk;

pub use audit::{AuditConfig, AuditReport, Finding, KnownState, Severity, audit, audit_with};
pub use checkpoint::{Checkpoint, checkpoint, cosign, origin, read_checkpoint};
pub use entries::{Entries, Logged, torn_ends};
pub use entry::{ENTRY_TYP, Entry, EntryError, NewEvent};
pub use error::LogError;
pub use extract::{Extract, Line as ExtractedLine, extract};
pub use inclusion::{Growth, Included, Inclusion, InclusionError};
pub use log::{LOCK_FILE, LOG_FILE, Log, Receipt, Recovered};
pub use merkle::{
    Frontier, Hash, HashError, ProofError, consistency_proof, inclusion_proof, leaf_hash, root, verify_consistency,
    verify_inclusion,
};
pub use note::{Note, NoteError, NoteKey, NoteSignature, SignatureKind, Signer};
pub use tree::Tree;
