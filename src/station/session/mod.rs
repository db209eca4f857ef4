//! A work session: a process of the user's own holds their unlocked key, or stays logged in at the token that
//! has it, so that passphrase or PIN is asked for once and not by every command.
//!
//! It listens on a socket that only this user reaches, and signs events of a register: no certificate, no
//! agreement, no hand-over. It ends by itself, and the key is wiped.

mod client;
mod holder;
mod place;
mod wire;

pub use client::{Session, session, sessions};
pub use holder::{hold, shut_off};
pub use place::KeyFile;
pub use wire::Holds;

use std::io;
use std::path::PathBuf;

use crate::signed::{KeyError, KeyPlace};

/// Why a session is not there, or not to be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The folder of the sockets is not this user's alone.
    #[error("{}, the folder of sessions, is not used: {why}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// One is open already.
    #[error("a session for {key} is open already")]
    Open {
        /// The key.
        key: KeyPlace,
    },
    /// Somebody else's process listens there.
    #[error("at {} listens a process of user {user}, so it is not used", socket.display())]
    Foreign {
        /// The socket.
        socket: PathBuf,
        /// Whose it is.
        user: u32,
    },
    /// It listens and does not answer.
    #[error("the session at {} (process {process}) does not answer as one does: {why}", socket.display())]
    Silent {
        /// The socket.
        socket: PathBuf,
        /// Its process.
        process: i32,
        /// What came instead.
        why: String,
    },
    /// The key could not be unlocked.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key would not stay in memory.
    #[error("the memory of the key cannot be locked (mlock), so it could reach a swap device")]
    Memory(#[source] io::Error),
    /// A step failed.
    #[error("{doing} {} failed", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn failed(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> SessionError {
    let path = path.into();
    move |source| SessionError::Io { doing, path, source }
}
