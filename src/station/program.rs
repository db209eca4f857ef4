//! Which program this is: every certificate names the SHA-256 of the file that runs.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::folder::Station;
use crate::sanitize::record::ToolFacts;
use crate::signed::atomic_write;
use crate::units::hex;

/// Name, version and digest of the running program.
pub(super) fn tool_facts(station: &Station) -> ToolFacts {
    static DIGEST: OnceLock<String> = OnceLock::new();
    // An empty digest: it could not be read, and nothing is claimed.
    let digest = DIGEST.get_or_init(|| kept_digest(Path::new("/proc/self/exe"), &kept(station)).unwrap_or_default());
    ToolFacts {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build_digest: digest.clone(),
    }
}

/// Where the digest is kept from run to run.
fn kept(station: &Station) -> PathBuf {
    station.folder().join("program.json")
}

/// The digest of one file as it was: any change to a file sets its `ctime`, which no call can set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    sha256: String,
    version: String,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Kept {
    fn new(sha256: String, meta: &fs::Metadata) -> Kept {
        Kept {
            sha256,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// Reading the whole program takes longer than wiping a small drive, so it is read once and not once a
/// run. What is kept is a hint: unreadable, or of another file, and the program is read.
fn kept_digest(program: &Path, kept: &Path) -> io::Result<String> {
    let program = File::open(program)?;
    let meta = program.metadata()?;
    let known = fs::read(kept).ok().and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    if let Some(known) = known
        && known == Kept::new(known.sha256.clone(), &meta)
    {
        return Ok(known.sha256);
    }
    let sha256 = digest(program)?;
    if let Ok(bytes) = serde_json::to_vec(&Kept::new(sha256.clone(), &meta)) {
        // Without it the next run reads the program again.
        let _ = atomic_write(kept, &bytes);
    }
    Ok(sha256)
}

fn digest(mut program: File) -> io::Result<String> {
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 256 << 10]);
    loop {
        match program.read(&mut piece)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&piece[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_read_once_and_again_when_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let (program, kept) = (folder.path().join("program"), folder.path().join("program.json"));
        fs::write(&program, "one").unwrap();
        let first = kept_digest(&program, &kept).unwrap();
        assert_eq!(first, hex(&Sha256::digest("one")));

        let mut note: Kept = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
        note.sha256 = "kept".into();
        fs::write(&kept, serde_json::to_vec(&note).unwrap()).unwrap();
        assert_eq!(kept_digest(&program, &kept).unwrap(), "kept", "it is not read a second time");

        // The same length, and the time of the last change set back to what it was.
        std::thread::sleep(std::time::Duration::from_millis(30)); // longer than a file system's tick
        let modified = fs::metadata(&program).unwrap().modified().unwrap();
        fs::write(&program, "two").unwrap();
        File::options().write(true).open(&program).unwrap().set_modified(modified).unwrap();
        assert_eq!(kept_digest(&program, &kept).unwrap(), hex(&Sha256::digest("two")));

        fs::write(&kept, "{").unwrap();
        assert_eq!(kept_digest(&program, &kept).unwrap(), hex(&Sha256::digest("two")));
    }

    #[test]
    fn a_place_that_cannot_be_written_costs_time_only() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "one").unwrap();
        assert_eq!(kept_digest(&program, &folder.path().join("none/at/all")).unwrap(), hex(&Sha256::digest("one")));
        assert!(kept_digest(&folder.path().join("no program"), &folder.path().join("kept")).is_err());
    }
}
