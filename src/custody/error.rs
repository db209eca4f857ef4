//! Why a custody log could not be used.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{EntryError, MAX_LINE};
use super::merkle::ProofError;
use super::note::NoteError;
use crate::signed::{DurableError, KeyError};

/// Why the log could not be used. Cloned to every thread whose event was in a failed write.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// A step failed.
    #[error("{step} {} failed: {source}", path.display())]
    Io {
        /// What was being done.
        step: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// Creating a part of the log failed; also when it exists already.
    #[error("the custody log was not created: {0}")]
    Create(#[source] Arc<DurableError>),
    /// The torn end of the log could not be set aside; nothing was cut off.
    #[error("the torn end of the custody log could not be set aside: {0}")]
    SetAside(#[source] Arc<DurableError>),
    /// No log here.
    #[error("there is no custody log in {}; `lastwrite init` makes one", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// The id file is not what was written.
    #[error("{} does not hold a log id of 32 hex digits", path.display())]
    Id {
        /// The file.
        path: PathBuf,
    },
    /// A complete line is wrong.
    #[error(
        "entry {index} of the custody log is damaged: {source}. Nothing is appended to a damaged log; audit it, keep the file, and restore the log from a copy"
    )]
    Damaged {
        /// Which entry, from 0.
        index: u64,
        /// What is wrong.
        #[source]
        source: Arc<EntryError>,
    },
    /// Acknowledged entries are gone.
    #[error(
        "the custody log has {found} bytes, but {acknowledged} were acknowledged: entries are missing. Keep the file and restore the log from a copy; if it was restored on purpose, remove frontier.json"
    )]
    Shortened {
        /// Bytes that were acknowledged.
        acknowledged: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// Another file lies under the log's name than when it was opened.
    #[error("the custody log was replaced by another file while it was open; nothing was appended")]
    Replaced,
    /// An earlier write failed in a way that leaves the file's state unknown.
    #[error("an earlier write to the custody log failed ({why}); open it again")]
    Unusable {
        /// The earlier failure.
        why: String,
    },
    /// The event does not fit an entry.
    #[error("the event has {size} bytes, more than the {MAX_LINE} an entry may have")]
    TooLarge {
        /// Size of the line.
        size: usize,
    },
    /// The event's JSON could not be written.
    #[error("the event could not be written as JSON: {0}")]
    Json(String),
    /// The key could not sign; nothing was appended.
    #[error("nothing was appended to the custody log: {0}")]
    Key(#[source] Arc<KeyError>),
    /// The run has its one outcome already.
    #[error("run {run_id} has an outcome already: {typ} in entry {index}")]
    OutcomeExists {
        /// The run.
        run_id: String,
        /// The outcome's type.
        typ: String,
        /// Where it stands.
        index: u64,
    },
    /// The system's random generator failed.
    #[error("the system gives no random numbers")]
    Random,
    /// A proof that cannot exist.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The checkpoint could not be made.
    #[error("no checkpoint was made: {0}")]
    Note(#[source] NoteError),
}

pub(super) fn io_error(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |source| LogError::Io { step, path, source: Arc::new(source) }
}
