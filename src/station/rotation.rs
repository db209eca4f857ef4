//! A new key in the place of the station's own. A cut between any two steps leaves what the next call finishes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::json;

use super::folder::{Station, StationError, io_error};
use crate::custody::NewEvent;
use crate::signed::{KeyError, Passphrase, Role, StationKey, TrustStore, TrustedKey, sync_folder};

/// Custody event: the station has another key.
const ROTATED: &str = "station.key_rotated";

impl Station {
    /// Gives the station a new key in place of `old`, which ends now. No run may be open: what it will
    /// sign was begun under the old key. The old key is removed from the folder. Where an earlier call was cut off
    /// after the trust store had named the next key, that one is put in place.
    pub fn rotate(
        &self,
        old: &StationKey,
        passphrase: Option<&Passphrase>,
        now: DateTime<Utc>,
    ) -> Result<StationKey, StationError> {
        if self.config().key.is_some() {
            return Err(StationError::Rotation("its key lies on a token; make another there and initialise anew"));
        }
        let (trust_path, next) = (self.trust_path(), self.next_key_path());
        let _held = TrustStore::hold(&trust_path)?;
        if let Some((key, at)) = self.cut_off(old, passphrase)? {
            self.put_in_place(old, &key, at)?;
            return Ok(key);
        }
        let open = |path: &Path| path.extension().is_some_and(|e| e == "jsonl");
        let journals = self.journals();
        let mut entries = fs::read_dir(&journals).map_err(io_error(&journals, "looking into it"))?;
        if entries.any(|entry| entry.is_ok_and(|e| open(&e.path()))) {
            return Err(StationError::Rotation("runs are under way or interrupted; end them first (lastwrite resume)"));
        }
        let mut trust = TrustStore::load_alone(&trust_path)?;
        // Also by what roots say of it.
        TrustStore::load(&trust_path)?.check_rotates(old.kid(), now)?;
        // Left by an attempt that was cut off before anybody was told of it.
        remove(&next)?;
        let key = StationKey::generate()?;
        trust.rotate(old.kid(), key.public(), now)?;
        key.save_new(&next, passphrase)?;
        // From here on both keys are believed for their own time, wherever it is cut off.
        trust.save(&trust_path)?;
        self.put_in_place(old, &key, now)?;
        Ok(key)
    }

    /// Whether a rotation of this key was cut off, so that the key file is not the one that is believed now.
    pub fn rotation_was_cut_off(&self, kid: &str) -> Result<bool, StationError> {
        let trust = TrustStore::load_alone(&self.trust_path())?;
        Ok(self.next_key_path().exists() && ended(&trust, kid).is_some_and(|old| next_of(&trust, old).next().is_some()))
    }

    fn next_key_path(&self) -> PathBuf {
        self.folder().join("keys").join("station.next.pem")
    }

    /// The key that the trust store names as the one after `old` and that is not in its place yet, and when `old` ended.
    fn cut_off(
        &self,
        old: &StationKey,
        passphrase: Option<&Passphrase>,
    ) -> Result<Option<(StationKey, DateTime<Utc>)>, StationError> {
        let next = self.next_key_path();
        let trust = TrustStore::load_alone(&self.trust_path())?;
        let Some(ended) = ended(&trust, old.kid()).filter(|_| next.exists()) else { return Ok(None) };
        // A leftover that nobody was told of need not be opened.
        let (Some(at), Some(_)) = (ended.valid_until, next_of(&trust, ended).next()) else { return Ok(None) };
        let key = match StationKey::load(&next, None) {
            Err(KeyError::PassphraseNeeded { .. }) => StationKey::load(&next, passphrase),
            Ok(key) => {
                // It was to have none then and is to have one now.
                if let Some(passphrase) = passphrase {
                    let protected = next.with_file_name("station.again.pem");
                    remove(&protected)?;
                    key.save_new(&protected, Some(passphrase))?;
                    fs::rename(&protected, &next).map_err(io_error(&protected, "moving it into place"))?;
                }
                Ok(key)
            }
            other => other,
        };
        let key = key.map_err(|error| match error {
            KeyError::PassphraseNeeded { .. } | KeyError::WrongPassphrase { .. } => StationError::Rotation(
                "an earlier rotation was cut off: keys/station.next.pem is the key that is believed now, under the \
                 passphrase that it was to have; give that one as the new one (--new-passphrase-file)",
            ),
            other => other.into(),
        })?;
        let named = next_of(&trust, ended).any(|known| known.kid == key.kid());
        Ok(named.then_some((key, at)))
    }

    /// From the log to the key file, once the trust store knows the next key. Does again only what was not done.
    fn put_in_place(&self, old: &StationKey, key: &StationKey, at: DateTime<Utc>) -> Result<(), StationError> {
        let (log, station) = (self.log()?, &self.config().station);
        let is_it = |data: &serde_json::Value| data.get("new").and_then(|new| new.as_str()) == Some(key.kid());
        let logged = log.find_subject(station)?;
        if !logged.iter().any(|logged| logged.entry.typ == ROTATED && is_it(&logged.entry.data)) {
            let data = json!({ "old": old.kid(), "new": key.kid(), "public_key": key.public().x() });
            let event = NewEvent { typ: ROTATED.to_owned(), subject: station.clone(), data };
            // Dated within the old key's time, which ended there.
            log.append_at(event, old, at)?;
        }
        let next = self.next_key_path();
        fs::rename(&next, self.key_path()).map_err(io_error(&next, "moving it into place"))?;
        Ok(sync_folder(&self.folder().join("keys"))?)
    }
}

/// The entry of a station key that has an end.
fn ended<'a>(trust: &'a TrustStore, kid: &str) -> Option<&'a TrustedKey> {
    trust.keys().iter().find(|key| key.kid == kid && key.valid_until.is_some())
}

/// What [`TrustStore::rotate`] puts in the place of a key: another of the same name that begins as that one ends.
fn next_of<'a>(trust: &'a TrustStore, old: &'a TrustedKey) -> impl Iterator<Item = &'a TrustedKey> {
    let second = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp());
    trust.keys().iter().filter(move |key| {
        key.kid != old.kid
            && key.may(Role::Station)
            && key.name == old.name
            && second(key.valid_from) == second(old.valid_until)
    })
}

fn remove(path: &Path) -> Result<(), StationError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(path, "removing it")(e)),
        _ => Ok(()),
    }
}
