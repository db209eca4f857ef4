//! Adding a signature to a document that lies in a file, while others may do the same.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::durable::{DurableError, atomic_write};
use super::jws::{Jws, JwsError, MAX_DOCUMENT, SignError};
use super::{Role, StationKey};

/// How often a file is looked at again that somebody else replaced meanwhile.
const TRIES: u32 = 100;

/// A signature that was not added. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CosignError {
    /// The file could not be read or locked.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no signed document.
    #[error("{} is no signed document: {source}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: JwsError,
    },
    /// The signature could not be made.
    #[error("{} was not signed: {source}", path.display())]
    Sign {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SignError,
    },
    /// The new file could not be stored.
    #[error("the signature was not stored: {0}")]
    Store(#[from] DurableError),
    /// Others replaced the file again and again.
    #[error("{} is being changed by others all the time; nothing was signed", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The caller's check of the document.
    #[error("{} was not signed: {why}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Adds a signature that agrees with the document in `path`. The file is replaced as a whole and its
/// payload and other signatures stay as they are; two that sign at the same time both end up in it.
/// `judge` sees the very bytes that will be signed, and may refuse.
pub fn cosign_file(
    path: &Path,
    key: &StationKey,
    role: Role,
    iat: DateTime<Utc>,
    judge: impl Fn(&[u8], &Jws) -> Result<(), String>,
) -> Result<Jws, CosignError> {
    let read = |source| CosignError::Read { path: path.to_owned(), source };
    // A link is followed, so that what it names is replaced and not the link.
    let path = &fs::canonicalize(path).map_err(read)?;
    for _ in 0..TRIES {
        let mut file = File::open(path).map_err(read)?;
        file.lock().map_err(read)?;
        let (locked, named) = (file.metadata().map_err(read)?, fs::metadata(path).map_err(read)?);
        // Whoever held the lock before has replaced the file: the lock is on the old one.
        if (locked.dev(), locked.ino()) != (named.dev(), named.ino()) {
            continue;
        }
        let mut bytes = Vec::new();
        (&mut file).take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut bytes).map_err(read)?;
        let document = |source| CosignError::Document { path: path.to_owned(), source };
        let mut jws = Jws::parse(&bytes).map_err(document)?;
        judge(&bytes, &jws).map_err(|why| CosignError::Refused { path: path.to_owned(), why })?;
        let sign = |source| CosignError::Sign { path: path.to_owned(), source };
        jws.add_signature(key, role, iat).map_err(sign)?;
        let mut text = jws.to_bytes();
        text.push(b'\n');
        atomic_write(path, &text)?;
        return Ok(jws);
    }
    Err(CosignError::Busy { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::sign;
    use super::*;

    #[test]
    fn sixteen_people_sign_at_once_and_none_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("document.json");
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let station = StationKey::from_seed(&[1; 32]);
        let first = sign(b"{}", "t+json", &station, Role::Station, at).unwrap();
        fs::write(&path, first.to_bytes()).unwrap();
        std::thread::scope(|scope| {
            for n in 2..=16u8 {
                let path = &path;
                let key = StationKey::from_seed(&[n; 32]);
                scope.spawn(move || cosign_file(path, &key, Role::Witness, at, |_, _| Ok(())).unwrap());
            }
        });
        let read = Jws::parse(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(read.signatures().len(), 16);
        assert_eq!(read.payload(), first.payload());
        assert_eq!(read.signatures()[0], first.signatures()[0]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn what_is_refused_leaves_the_file_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("document.json");
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let key = StationKey::from_seed(&[1; 32]);
        let bytes = sign(b"{}", "t+json", &key, Role::Witness, at).unwrap().to_bytes();
        fs::write(&path, &bytes).unwrap();
        let twice = cosign_file(&path, &key, Role::Witness, at, |_, _| Ok(())).unwrap_err();
        assert!(matches!(twice, CosignError::Sign { source: SignError::Twice { .. }, .. }), "{twice}");
        let refused = cosign_file(&path, &key, Role::Operator, at, |_, _| Err("no".into())).unwrap_err();
        assert!(matches!(refused, CosignError::Refused { .. }));
        assert_eq!(fs::read(&path).unwrap(), bytes);
        fs::write(&path, b"something").unwrap();
        assert!(matches!(
            cosign_file(&path, &key, Role::Operator, at, |_, _| Ok(())),
            Err(CosignError::Document { .. })
        ));
    }
}
