//! Evidence of time that lies beside a document: who besides the signer says when it was signed.
//!
//! ```text
//! ID.tsr               time-stamp response (RFC 3161) over a signature of ID.json
//! ID.countersignature  a register's countersignature
//! ID.proof             inclusion in a custody log whose checkpoint witnesses have cosigned
//! ```
//!
//! Further ones of a kind are `ID.2.tsr`, `ID.3.tsr` ...

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::folder::{StationError, io_error};
use crate::custody::Inclusion;
use crate::signed::{COUNTERSIGNATURE_TYP, Jws, MAX_DOCUMENT, TimeEvidence, TrustStore, read_countersignature};

/// How many of a kind are looked for.
const MOST: u32 = 16;
/// From this many documents of a folder on, one look into it takes less than looking for each file.
const MANY: u32 = 64;

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

/// What is known of the folders that documents lie in, so that not each file is looked for that is not there. Evidence
/// that is put there after the look into a folder is not seen.
#[derive(Debug, Default)]
pub struct Folders {
    asked: HashMap<PathBuf, Folder>,
}

#[derive(Debug)]
enum Folder {
    /// For so many documents.
    Asked(u32),
    /// The names with an extension of evidence, in small letters: there are file systems that take both for one.
    Seen(HashSet<String>),
}

impl Folders {
    /// What cannot lie beside a document. `false` where it can, or nobody knows.
    fn lacks(&mut self, document: &Path) -> impl Fn(&Path) -> bool {
        let seen = self.seen(document);
        move |path: &Path| match (seen, path.file_name().and_then(OsStr::to_str)) {
            (Some(seen), Some(name)) if is_plain(name) => !seen.contains(&name.to_ascii_lowercase()),
            _ => false,
        }
    }

    fn seen(&mut self, document: &Path) -> Option<&HashSet<String>> {
        let parent = document.parent()?;
        if !self.asked.contains_key(parent) {
            self.asked.insert(parent.to_owned(), Folder::Asked(0));
        }
        let folder = self.asked.get_mut(parent)?;
        if let Folder::Asked(times) = folder {
            *times = times.saturating_add(1);
            if *times == MANY
                && let Ok(names) = evidence_in(parent)
            {
                *folder = Folder::Seen(names);
            }
        }
        match folder {
            Folder::Seen(names) => Some(names),
            Folder::Asked(_) => None,
        }
    }
}

fn evidence_in(folder: &Path) -> std::io::Result<HashSet<String>> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut names = HashSet::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().to_ascii_lowercase();
        let extension = Path::new(&name).extension();
        if Sidecar::ALL.iter().any(|kind| extension == Some(OsStr::new(kind.extension()))) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// A name that no file system knows by another one, but for large and small letters.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Reads what lies beside a document and in `more` files, and verifies it against `trust`. What does
/// not hold is no evidence, and is told.
pub fn time_evidence(
    document: &Path,
    more: &[PathBuf],
    trust: &TrustStore,
    folders: &mut Folders,
) -> Result<Gathered, StationError> {
    let mut gathered = Gathered::default();
    let lacks = folders.lacks(document);
    for kind in Sidecar::ALL {
        for number in 1..=MOST {
            let path = kind.beside(document, number);
            if lacks(&path) {
                break;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Many documents of a folder: what is there is found, whatever its name is like, before and after the look.
    #[test]
    fn evidence_is_found_whether_the_folder_was_looked_into_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a", "b-1", "odd name", "\u{e9}", "c.d"];
        for name in names {
            std::fs::write(folder.path().join(format!("{name}.tsr")), b"no token").unwrap();
        }
        std::fs::write(folder.path().join("a.2.tsr"), b"no token").unwrap();
        std::fs::write(folder.path().join("a.3.proof"), b"not looked for, as there is no first one").unwrap();
        let trust = TrustStore::default();
        let mut folders = Folders::default();
        let refused = |name: &str, folders: &mut Folders| {
            let document = folder.path().join(format!("{name}.json"));
            time_evidence(&document, &[], &trust, folders).unwrap().refused.len()
        };
        for round in 0..MANY {
            for name in names {
                assert_eq!(refused(name, &mut folders), if name == "a" { 2 } else { 1 }, "{name}, {round}");
            }
            assert_eq!(refused("none", &mut folders), 0);
        }
        assert!(matches!(folders.asked[folder.path()], Folder::Seen(_)));
        // Nothing lies beside a document without a name, and a folder that cannot be looked into says nothing.
        assert_eq!(time_evidence(Path::new(""), &[], &trust, &mut folders).unwrap().refused.len(), 0);
        let nowhere = folder.path().join("nowhere/x.json");
        for _ in 0..MANY * 2 {
            assert!(time_evidence(&nowhere, &[], &trust, &mut folders).unwrap().refused.is_empty());
        }
        assert!(matches!(folders.asked[nowhere.parent().unwrap()], Folder::Asked(_)));
    }
}
