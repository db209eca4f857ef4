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
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::custody::{Log, LogError};
use crate::signed::{
    DurableError, KeyError, Passphrase, Role, StationKey, TrustError, TrustStore, TrustedKey, sync_folder, write_new,
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
    /// The station key.
    #[error(transparent)]
    Key(#[from] KeyError),
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

/// Whether what is written to a folder is still there after a reboot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// It lies on a medium.
    Survives,
    /// It lies in memory; says in which filesystem.
    LostAtReboot(String),
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
        fs::create_dir_all(parent).map_err(io_error(parent, "creating it"))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let draft = parent.join(format!(".{name}.init-{:08x}", rand::random::<u32>()));
        let made = build(&draft, organization, station, passphrase, now).and_then(|config| {
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

    /// Unlocks the station key.
    pub fn key(&self, passphrase: Option<&Passphrase>) -> Result<StationKey, StationError> {
        Ok(StationKey::load(&self.key_path(), passphrase)?)
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
/// when nothing can be written there.
pub fn second_place(folder: &Path) -> Result<Durability, StationError> {
    fs::create_dir_all(folder).map_err(io_error(folder, "creating it"))?;
    let tried = folder.join(format!(".lastwrite-{:08x}", rand::random::<u32>()));
    fs::File::create_new(&tried).and_then(|_| fs::remove_file(&tried)).map_err(io_error(folder, "writing to it"))?;
    durability(folder)
}

fn build(
    draft: &Path,
    organization: &str,
    station: &str,
    passphrase: Option<&Passphrase>,
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
    let key = StationKey::generate()?;
    key.save_new(&draft.join("keys").join("station.pem"), passphrase)?;
    let mut trust = TrustStore::default();
    trust.add(TrustedKey::new(
        key.public().clone(),
        format!("{organization} / {station}"),
        Role::Station,
        Some(now),
    ))?;
    trust.save_new(&draft.join("trust.jwks.json"))?;
    Log::create(&draft.join("custody"))?;
    let config =
        StationConfig { format: 1, organization: organization.to_owned(), station: station.to_owned(), created: now };
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

/// Finds the mount a folder lies on and asks whether its filesystem, or what an overlay writes to,
/// lives in memory.
fn durability(folder: &Path) -> Result<Durability, StationError> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(io_error(Path::new("/proc/self/mountinfo"), "reading it"))?;
    let device = fs::metadata(folder).map_err(io_error(folder, "looking at it"))?.dev();
    Ok(judge_durability(&mounts, device, &|path| fs::metadata(path).ok().map(|m| m.dev())))
}

fn judge_durability(mounts: &str, device: u64, device_of: &dyn Fn(&Path) -> Option<u64>) -> Durability {
    let wanted = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let mut seen = vec![wanted];
    let mut current = wanted;
    loop {
        let Some((kind, options)) = mount_of(mounts, current) else { return Durability::Survives };
        match kind.as_str() {
            "tmpfs" | "ramfs" | "rootfs" | "devtmpfs" => return Durability::LostAtReboot(kind),
            "overlay" => {
                let upper = options.split(',').find_map(|o| o.strip_prefix("upperdir=")).map(PathBuf::from);
                let Some(upper) = upper else { return Durability::LostAtReboot("read-only overlay".into()) };
                let Some(next) = device_of(&upper) else {
                    // The upper folder of a live system is often out of sight: not known to survive.
                    return Durability::LostAtReboot(format!("overlay over {}", upper.display()));
                };
                current = (nix::sys::stat::major(next), nix::sys::stat::minor(next));
                if seen.contains(&current) {
                    return Durability::LostAtReboot("overlay".into());
                }
                seen.push(current);
            }
            _ => return Durability::Survives,
        }
    }
}

/// Filesystem type and super options of the mount with this device number.
fn mount_of(mounts: &str, (major, minor): (u64, u64)) -> Option<(String, String)> {
    let wanted = format!("{major}:{minor}");
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        if left.split(' ').nth(2)? != wanted {
            return None;
        }
        let mut right = right.split(' ');
        Some((right.next()?.to_owned(), right.nth(1).unwrap_or_default().to_owned()))
    })
}

pub(super) fn io_error<'a>(path: &'a Path, doing: &'static str) -> impl Fn(io::Error) -> StationError + 'a {
    move |source| StationError::Io { path: path.to_owned(), doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = "\
22 1 0:21 / / rw,relatime - overlay overlay rw,lowerdir=/ro,upperdir=/cow/upper,workdir=/cow/work
23 22 0:30 / /cow rw - tmpfs tmpfs rw
24 22 8:1 / /media/stick rw - ext4 /dev/sda1 rw
25 22 0:31 / /over rw - overlay overlay rw,lowerdir=/a,upperdir=/media/stick/up,workdir=/w";

    fn device(major: u64, minor: u64) -> u64 {
        nix::sys::stat::makedev(major, minor)
    }

    fn of(path: &Path) -> Option<u64> {
        if path.starts_with("/cow") { Some(device(0, 30)) } else { Some(device(8, 1)) }
    }

    #[test]
    fn a_live_system_forgets_its_root_but_not_a_stick() {
        let judge = |d| judge_durability(LIVE, d, &of);
        assert_eq!(judge(device(0, 21)), Durability::LostAtReboot("tmpfs".into()));
        assert_eq!(judge(device(8, 1)), Durability::Survives);
        assert_eq!(judge(device(0, 31)), Durability::Survives);
        let blind = judge_durability(LIVE, device(0, 21), &|_| None);
        assert_eq!(blind, Durability::LostAtReboot("overlay over /cow/upper".into()));
    }
}
