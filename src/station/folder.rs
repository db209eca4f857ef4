//! The state folder of a station: who it is, its key, whom it trusts, its log and its evidence.
//!
//! ```text
//! station.json          organization, station, when it was made
//! keys/station.pem      Ed25519 private key, PKCS#8, mode 0600
//! trust.jwks.json       JWK Set of keys that are believed
//! custody/log.jsonl     append-only custody log
//! certificates/ID.json  ID = SHA-256 of the signed payload
//! failures/ID.json      signed failure reports
//! documents/ID.json     validations, revocations and other documents about media
//! journal/RUN.jsonl     runs that are under way or interrupted; closed/ holds the finished ones
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::durability::{Durability, durability};
use super::signing::UnfitKey;
use crate::custody::{Log, LogError};
use crate::signed::{
    DurableError, KeyError, Passphrase, Role, StationKey, TokenUri, TokenUriError, TrustError, TrustStore, TrustedKey,
    make_folder, sync_folder, write_new,
};

/// An opened state folder.
#[derive(Debug, Clone)]
pub struct Station {
    folder: PathBuf,
    config: StationConfig,
}

/// `station.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StationConfig {
    /// Format of the state folder, 1.
    pub format: u32,
    /// Who runs the station.
    pub organization: String,
    /// Its name.
    pub station: String,
    /// When the folder was made.
    pub created: DateTime<Utc>,
    /// The station's key, where it lies on a token: a `pkcs11:` URI. `None`: `keys/station.pem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Something is wrong with the state folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StationError {
    /// There is no state folder.
    #[error("{path} is no lastwrite state folder", path = .0.display())]
    NotInitialised(PathBuf),
    /// `init` never overwrites.
    #[error("{path} already holds something; init never overwrites", path = .0.display())]
    AlreadyThere(PathBuf),
    /// A second copy of the evidence would go into a station's own folder.
    #[error("{path} is the state folder of a station, and no place for copies of evidence", path = .0.display())]
    StateFolder(PathBuf),
    /// A name is empty or holds control characters.
    #[error("{what} must be a name of 1 to 200 characters without line breaks")]
    BadName {
        /// Which.
        what: &'static str,
    },
    /// A file could not be read or written.
    #[error("{path}: {doing} failed: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// `station.json` cannot be understood.
    #[error("{path} cannot be understood: {why}", path = path.display())]
    Config {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The result of a run is known, and its document could not be signed.
    #[error("the result could not be signed: {why}")]
    Signing {
        /// Why not.
        why: String,
    },
    /// The custody log says something else of a run than its journal does.
    #[error(
        "run {run_id}: the custody log has {logged} in entry {index} for it, and its journal gives {typ} with document \
         {document}. No document was stored and nothing was logged"
    )]
    OtherOutcome {
        /// Which run.
        run_id: String,
        /// Type and document in the log.
        logged: String,
        /// Where in the log.
        index: u64,
        /// Type of the outcome by the journal.
        typ: String,
        /// Its document.
        document: String,
    },
    /// The station key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// FAT and exFAT give every file the same mode.
    #[error(
        "the file system of the state folder keeps no permissions: the station key would have mode {mode:04o} there, so \
         that others could use it; nothing was made"
    )]
    NoPermissions {
        /// The mode that the key file had.
        mode: u32,
    },
    /// Everybody who checks would refuse what the key signs.
    #[error(transparent)]
    Unfit(#[from] UnfitKey),
    /// The key cannot be changed now.
    #[error("the station key was not changed: {0}")]
    Rotation(&'static str),
    /// The trust store.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The custody log.
    #[error(transparent)]
    Custody(#[from] LogError),
    /// A file could not be stored durably.
    #[error(transparent)]
    Durable(#[from] DurableError),
}

/// The key of a new station.
#[derive(Debug)]
pub enum NewKey<'a> {
    /// Made and kept in `keys/station.pem`, with a passphrase or without.
    File(Option<&'a Passphrase>),
    /// Made on a token before.
    Token(&'a StationKey, &'a TokenUri),
}

impl Station {
    /// Makes a state folder. Never overwrites: either all of it appears, or nothing.
    pub fn init(
        folder: &Path,
        organization: &str,
        station: &str,
        passphrase: Option<&Passphrase>,
        now: DateTime<Utc>,
    ) -> Result<Station, StationError> {
        Station::init_with(folder, organization, station, &NewKey::File(passphrase), now)
    }

    /// As [`Station::init`], with the key in a file or on a token.
    pub fn init_with(
        folder: &Path,
        organization: &str,
        station: &str,
        key: &NewKey<'_>,
        now: DateTime<Utc>,
    ) -> Result<Station, StationError> {
        check_name("the organization", organization)?;
        check_name("the station", station)?;
        let taken = match fs::read_dir(folder) {
            Ok(mut entries) => entries.next().is_some(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(io_error(folder, "looking into it")(e)),
        };
        if taken {
            return Err(StationError::AlreadyThere(folder.to_owned()));
        }
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        make_folder(parent)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let draft = parent.join(format!(".{name}.init-{:08x}", rand::random::<u32>()));
        let made = build(&draft, organization, station, key, now).and_then(|config| {
            fs::rename(&draft, folder).map_err(io_error(folder, "moving the new state folder into place"))?;
            sync_folder(parent)?;
            Ok(config)
        });
        match made {
            Ok(config) => Ok(Station { folder: folder.to_owned(), config }),
            Err(error) => {
                let _ = fs::remove_dir_all(&draft);
                Err(error)
            }
        }
    }

    /// Opens a state folder.
    pub fn open(folder: &Path) -> Result<Station, StationError> {
        let path = folder.join("station.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(StationError::NotInitialised(folder.to_owned()));
            }
            Err(e) => return Err(io_error(&path, "reading it")(e)),
        };
        let config: StationConfig = serde_json::from_slice(&text)
            .map_err(|e| StationError::Config { path: path.clone(), why: e.to_string() })?;
        if config.format != 1 {
            let why = format!("format {} is newer than this program", config.format);
            return Err(StationError::Config { path, why });
        }
        Ok(Station { folder: folder.to_owned(), config })
    }

    /// Who this station is.
    pub fn config(&self) -> &StationConfig {
        &self.config
    }

    /// Where it keeps its state.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The station's private key file.
    pub fn key_path(&self) -> PathBuf {
        self.folder.join("keys").join("station.pem")
    }

    /// The trust store.
    pub fn trust_path(&self) -> PathBuf {
        self.folder.join("trust.jwks.json")
    }

    /// The custody log's folder.
    pub fn custody_folder(&self) -> PathBuf {
        self.folder.join("custody")
    }

    /// Certificates by id.
    pub fn certificates(&self) -> PathBuf {
        self.folder.join("certificates")
    }

    /// Failure reports by id.
    pub fn failures(&self) -> PathBuf {
        self.folder.join("failures")
    }

    /// Documents besides those of runs, by id. Made when the first one comes.
    pub fn documents(&self) -> PathBuf {
        self.folder.join("documents")
    }

    /// Journals of runs.
    pub fn journals(&self) -> PathBuf {
        self.folder.join("journal")
    }

    /// Unlocks the station key, by its passphrase or the PIN of its token.
    pub fn key(&self, passphrase: Option<&Passphrase>) -> Result<StationKey, StationError> {
        let Some(uri) = self.token()? else { return Ok(StationKey::load(&self.key_path(), passphrase)?) };
        let pin = passphrase.ok_or_else(|| KeyError::PinNeeded { place: uri.to_string() })?;
        Ok(StationKey::on_token(&uri, pin)?)
    }

    /// Where the station key is, when it lies on a token.
    pub fn token(&self) -> Result<Option<TokenUri>, StationError> {
        let bad =
            |e: TokenUriError| StationError::Config { path: self.folder.join("station.json"), why: e.to_string() };
        self.config.key.as_deref().map(TokenUri::parse).transpose().map_err(bad)
    }

    /// Whom the station trusts.
    pub fn trust(&self) -> Result<TrustStore, StationError> {
        Ok(TrustStore::load(&self.trust_path())?)
    }

    /// The custody log.
    pub fn log(&self) -> Result<Log, StationError> {
        Ok(Log::open(&self.custody_folder())?)
    }

    /// Whether the state folder survives a reboot.
    pub fn durability(&self) -> Result<Durability, StationError> {
        durability(&self.folder)
    }
}

/// The state folder when none is named: `/var/lib/lastwrite` for root, else the XDG data folder.
pub fn default_folder() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/lastwrite");
    }
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .unwrap_or_else(|| PathBuf::from("."))
        .join("lastwrite")
}

/// Makes the folder for a second copy of the evidence, and says whether it survives a reboot. An error
/// when nothing can be written there, or it is a state folder, whose trust store the copy would replace.
pub fn second_place(folder: &Path) -> Result<Durability, StationError> {
    if folder.join("station.json").exists() {
        return Err(StationError::StateFolder(folder.to_owned()));
    }
    make_folder(folder)?;
    let tried = folder.join(format!(".lastwrite-{:08x}", rand::random::<u32>()));
    fs::File::create_new(&tried).and_then(|_| fs::remove_file(&tried)).map_err(io_error(folder, "writing to it"))?;
    durability(folder)
}

fn build(
    draft: &Path,
    organization: &str,
    station: &str,
    new_key: &NewKey<'_>,
    now: DateTime<Utc>,
) -> Result<StationConfig, StationError> {
    for name in ["", "keys", "custody", "certificates", "failures", "journal", "journal/closed"] {
        let folder = if name.is_empty() { draft.to_owned() } else { draft.join(name) };
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(io_error(&folder, "creating it"))?;
    }
    // What others are to read may be read; the key may not.
    for name in ["", "certificates", "failures", "custody"] {
        let folder = if name.is_empty() { draft.to_owned() } else { draft.join(name) };
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(io_error(&folder, "opening it"))?;
    }
    let (key, on_token) = match new_key {
        NewKey::File(passphrase) => {
            let path = draft.join("keys").join("station.pem");
            StationKey::generate()?.save_new(&path, *passphrase)?;
            // Read as every later command will read it: what cannot be used is not left behind.
            let key = StationKey::load(&path, *passphrase).map_err(|error| match error {
                KeyError::Mode { mode, .. } => StationError::NoPermissions { mode },
                other => other.into(),
            })?;
            (key, None)
        }
        NewKey::Token(key, uri) => ((*key).clone(), Some(uri.to_string())),
    };
    let mut trust = TrustStore::default();
    trust.add(TrustedKey::new(
        key.public().clone(),
        format!("{organization} / {station}"),
        Role::Station,
        Some(now),
    ))?;
    trust.save_new(&draft.join("trust.jwks.json"))?;
    Log::create(&draft.join("custody"))?;
    let config = StationConfig {
        format: 1,
        organization: organization.to_owned(),
        station: station.to_owned(),
        created: now,
        key: on_token,
    };
    let path = draft.join("station.json");
    let mut text = serde_json::to_vec_pretty(&config)
        .map_err(|e| StationError::Config { path: path.clone(), why: e.to_string() })?;
    text.push(b'\n');
    write_new(&path, &text, 0o644)?;
    for name in ["keys", "custody", "certificates", "failures", "journal"] {
        sync_folder(&draft.join(name))?;
    }
    sync_folder(draft)?;
    Ok(config)
}

fn check_name(what: &'static str, name: &str) -> Result<(), StationError> {
    let good = !name.trim().is_empty() && name.chars().count() <= 200 && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(StationError::BadName { what }) }
}

pub(super) fn io_error<'a>(path: &'a Path, doing: &'static str) -> impl Fn(io::Error) -> StationError + 'a {
    move |source| StationError::Io { path: path.to_owned(), doing, source }
}
