//! Where sessions listen, and which key one belongs to.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use super::{SessionError, failed};
use crate::signed::{KeyPlace, sha256};

/// Folder and names of a key's session.
pub(super) struct Place {
    /// The key: its file without links, or the URI as it was written.
    pub key: KeyPlace,
    /// Where it listens.
    pub socket: PathBuf,
    /// Held by whoever listens: of a process that died the kernel lets go.
    pub lock: PathBuf,
}

/// A key file as it was when it was read: another file under its name is another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    device: u64,
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Place {
    /// The place of a key. A key file must be there.
    pub fn of(key: &KeyPlace) -> io::Result<Place> {
        let (key, digest) = match key {
            KeyPlace::File(path) => {
                let path = fs::canonicalize(path)?;
                let digest = sha256(path.as_os_str().as_bytes());
                (KeyPlace::File(path), digest)
            }
            KeyPlace::Token(uri) => (key.clone(), sha256(uri.to_string().as_bytes())),
        };
        let name: String = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
        let at = |end: &str| folder().join(format!("session-{name}.{end}"));
        Ok(Place { socket: at("sock"), lock: at("lock"), key })
    }
}

impl KeyFile {
    /// Of a key; none of one that is on a token.
    pub(super) fn of_key(key: &KeyPlace) -> Result<Option<KeyFile>, SessionError> {
        match key {
            KeyPlace::File(path) => KeyFile::of(path).map(Some).map_err(failed("examining", path)),
            KeyPlace::Token(_) => Ok(None),
        }
    }

    /// As it is now.
    pub fn of(key: &Path) -> io::Result<KeyFile> {
        let meta = fs::metadata(key)?;
        Ok(KeyFile {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            seconds: meta.mtime(),
            nanoseconds: meta.mtime_nsec(),
        })
    }
}

/// All sockets that are there.
pub(super) fn sockets() -> Result<Vec<PathBuf>, SessionError> {
    if !is_there()? {
        return Ok(Vec::new());
    }
    let listed = fs::read_dir(folder()).map_err(failed("reading", folder()))?;
    let mut sockets: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    sockets.retain(|path| path.extension().is_some_and(|end| end == "sock"));
    sockets.sort();
    Ok(sockets)
}

/// Makes the folder where it is missing.
pub(super) fn make_folder() -> Result<(), SessionError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder());
    made.map_err(failed("making", folder()))?;
    is_there().map(|_| ())
}

/// Whether there is a folder of sessions; an error where others can reach into it.
pub(super) fn is_there() -> Result<bool, SessionError> {
    let path = folder();
    let meta = match fs::symlink_metadata(&path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(failed("examining", path)(e)),
    };
    let user = geteuid().as_raw();
    let why = if !meta.is_dir() {
        "it is no folder".to_owned()
    } else if meta.uid() != user {
        format!("it belongs to user {}, not to user {user}", meta.uid())
    } else if meta.mode() & 0o077 != 0 {
        format!("others can reach into it (mode {:04o}); run: chmod 700 {}", meta.mode() & 0o7777, path.display())
    } else {
        return Ok(true);
    };
    Err(SessionError::Folder { path, why })
}

/// In the user's runtime folder, which is memory and goes with their last login; without one beside their
/// configuration.
fn folder() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let own = |path: &PathBuf| fs::metadata(path).is_ok_and(|m| m.is_dir() && m.uid() == geteuid().as_raw());
    if let Some(runtime) = absolute("XDG_RUNTIME_DIR").filter(own) {
        return runtime.join("lastwrite");
    }
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .unwrap_or_else(|| PathBuf::from("."))
        .join("lastwrite")
        .join("session")
}
