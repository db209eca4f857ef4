//! The trust store beside the second copy of the evidence.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::folder::{Station, StationError, io_error};
use crate::signed::{DurableError, atomic_write, bundle_beside, write_new};

/// A trust store and what its roots signed, where they did.
struct Files {
    store: Vec<u8>,
    bundle: Option<Vec<u8>>,
}

/// Copies the trust store and says where to, so that the evidence can be checked there. What stands there already and
/// is not an older copy belongs to another station or to an auditor, and stays: then ours has its key in its name.
pub(super) fn copy_trust(station: &Station, kid: &str, out: &Path) -> Result<PathBuf, StationError> {
    // Runs that end together, on a stick where a new file is seen before it is whole.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let source = station.trust_path();
    let read = |path: &Path| std::fs::read(path).map_err(io_error(path, "reading it"));
    let bundle = bundle_beside(&source);
    let ours = Files { store: read(&source)?, bundle: bundle.exists().then(|| read(&bundle)).transpose()? };
    let plain = out.join("trust.jwks.json");
    let place = if ours.takes(&plain)? { plain } else { out.join(format!("trust-{kid}.jwks.json")) };
    if let Some(bytes) = &ours.bundle {
        replace(&bundle_beside(&place), bytes)?;
    }
    replace(&place, &ours.store)?;
    Ok(place)
}

impl Files {
    /// Whether it may stand at that place: nothing is there, or nothing that it does not say itself.
    fn takes(&self, place: &Path) -> Result<bool, StationError> {
        let bundle = there(&bundle_beside(place));
        let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines.map(<[u8]>::to_vec).collect()
        };
        let said = lines(self.bundle.as_deref().unwrap_or_default());
        if !bundle.is_none_or(|bytes| bytes.is_ok_and(|bytes| lines(&bytes).iter().all(|line| said.contains(line)))) {
            return Ok(false);
        }
        match write_new(place, &self.store, 0o644) {
            Ok(()) => Ok(true),
            Err(DurableError::Exists { .. }) => {
                Ok(there(place).is_some_and(|bytes| bytes.is_ok_and(|bytes| says_all(&self.store, &bytes))))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What stands there, where anything does.
fn there(path: &Path) -> Option<io::Result<Vec<u8>>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        read => Some(read),
    }
}

/// Whether each key of `theirs` stands in `ours`, with all that is said of it there: a revocation above all.
fn says_all(ours: &[u8], theirs: &[u8]) -> bool {
    let keys = |bytes: &[u8]| -> Option<Vec<Value>> {
        let mut store: Value = serde_json::from_slice(bytes).ok()?;
        serde_json::from_value(store.get_mut("keys")?.take()).ok()
    };
    let (Some(ours), Some(theirs)) = (keys(ours), keys(theirs)) else { return false };
    theirs.iter().all(|key| {
        let Some(said) = key.as_object() else { return false };
        ours.iter().any(|own| said.iter().all(|(member, value)| own.get(member) == Some(value)))
    })
}

fn replace(target: &Path, bytes: &[u8]) -> Result<(), StationError> {
    if std::fs::read(target).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    Ok(atomic_write(target, bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_copy_is_replaced_and_what_says_anything_else_is_not() {
        let ours = br#"{"keys":[{"kid":"a","name":"A","revoked_at":"2026"},{"kid":"b","name":"B"}]}"#;
        for (theirs, same) in [
            (&br#"{"keys":[{"kid":"a","name":"A"}]}"#[..], true),
            (ours, true),
            (br#"{"keys":[{"kid":"b","name":"B","revoked_at":"2026"}]}"#, false),
            (br#"{"keys":[{"kid":"a","name":"A","revoked_at":"2025"}]}"#, false),
            (br#"{"keys":[{"kid":"b","name":"B"},{"kid":"c","name":"C"}]}"#, false),
            (br#"{"keys":["a"]}"#, false),
            (b"", false),
        ] {
            assert_eq!(says_all(ours, theirs), same, "{}", String::from_utf8_lossy(theirs));
        }
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("trust.jwks.json");
        let (older, newer) = (b"a\nb\n".to_vec(), b"a\nb\nc\n".to_vec());
        std::fs::write(bundle_beside(&place), &older).unwrap();
        let takes = |bundle| Files { store: ours.to_vec(), bundle }.takes(&place).unwrap();
        assert!(!takes(None) && !takes(Some(b"a\n".to_vec())) && !place.exists(), "it says less");
        assert!(takes(Some(newer)) && place.exists());
    }
}
