//! Evidence of time that lies beside a document: who besides the signer says when it was signed.
//!
//! ```text
//! ID.tsr               time-stamp response (RFC 3161) over a signature of ID.json
//! ID.countersignature  a register's countersignature
//! ID.proof             inclusion in a custody log whose checkpoint witnesses have cosigned
//! ```
//!
//! Further ones of a kind are `ID.2.tsr`, `ID.3.tsr` ...

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::folder::{StationError, io_error};
use crate::custody::Inclusion;
use crate::signed::{COUNTERSIGNATURE_TYP, Jws, MAX_DOCUMENT, TimeEvidence, TrustStore, read_countersignature};

/// How many of a kind are looked for.
const MOST: u32 = 16;

/// What was found, and what of it does not hold.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Verified against the trust store.
    pub evidence: Vec<TimeEvidence>,
    /// Files that count for nothing, and why.
    pub refused: Vec<(PathBuf, String)>,
}

/// The kinds of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sidecar {
    /// RFC 3161.
    Timestamp,
    /// Of a register.
    Countersignature,
    /// Of a log with a cosigned checkpoint.
    Inclusion,
}

impl Sidecar {
    const ALL: [Sidecar; 3] = [Sidecar::Timestamp, Sidecar::Countersignature, Sidecar::Inclusion];

    fn extension(self) -> &'static str {
        match self {
            Sidecar::Timestamp => "tsr",
            Sidecar::Countersignature => "countersignature",
            Sidecar::Inclusion => "proof",
        }
    }

    /// The `number`th file of this kind beside a document, from 1.
    fn beside(self, document: &Path, number: u32) -> PathBuf {
        match number {
            1 => document.with_extension(self.extension()),
            n => document.with_extension(format!("{n}.{}", self.extension())),
        }
    }

    /// Stores evidence under the first free name beside a document. The same bytes are stored once.
    pub fn store(self, document: &Path, bytes: &[u8]) -> Result<PathBuf, StationError> {
        for number in 1..=MOST {
            let path = self.beside(document, number);
            if std::fs::read(&path).is_ok_and(|there| there == bytes) {
                return Ok(path);
            }
            match crate::signed::write_new(&path, bytes, 0o644) {
                Err(crate::signed::DurableError::Exists { .. }) => {}
                stored => return Ok(stored.map(|()| path)?),
            }
        }
        let why = format!("there are {MOST} files of this kind beside it already");
        Err(StationError::Config { path: document.to_owned(), why })
    }
}

/// Reads what lies beside a document and in `more` files, and verifies it against `trust`. What does
/// not hold is no evidence, and is told.
pub fn time_evidence(document: &Path, more: &[PathBuf], trust: &TrustStore) -> Result<Gathered, StationError> {
    let mut gathered = Gathered::default();
    for kind in Sidecar::ALL {
        for number in 1..=MOST {
            let path = kind.beside(document, number);
            match read(&path)? {
                Some(bytes) => gathered.take(path, &bytes, trust),
                None => break,
            }
        }
    }
    for path in more {
        let missing = || io_error(path, "reading it")(std::io::Error::from(ErrorKind::NotFound));
        let bytes = read(path)?.ok_or_else(missing)?;
        gathered.take(path.clone(), &bytes, trust);
    }
    Ok(gathered)
}

impl Gathered {
    fn take(&mut self, path: PathBuf, bytes: &[u8], trust: &TrustStore) {
        match evidence(bytes, trust) {
            Ok(found) => self.evidence.extend(found),
            Err(why) => self.refused.push((path, why)),
        }
    }
}

fn evidence(bytes: &[u8], trust: &TrustStore) -> Result<Vec<TimeEvidence>, String> {
    if bytes.first() != Some(&b'{') {
        return trust.authorities().verify(bytes).map(|evidence| vec![evidence]).map_err(|e| e.to_string());
    }
    match Jws::parse(bytes) {
        Ok(jws) if jws.typ() == Some(COUNTERSIGNATURE_TYP) => {
            read_countersignature(bytes, trust).map_err(|e| e.to_string())
        }
        _ => Inclusion::parse(bytes.strip_suffix(b"\n").unwrap_or(bytes))
            .and_then(|inclusion| inclusion.witnessed(trust))
            .map_err(|e| e.to_string()),
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StationError> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_error(path, "opening it")(e)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut bytes).map_err(io_error(path, "reading it"))?;
    Ok(Some(bytes))
}
