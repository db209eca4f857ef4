//! Files that are wholly there or not at all, also after a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rand::TryRng as _;

/// A durable write that did not happen. Nothing half-written is left under the final name.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// [`write_new`] found something under that name; it was left alone.
    #[error("{} exists already and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A step failed.
    #[error("{step} {} failed", path.display())]
    Io {
        /// What was being done (`writing`, `syncing` ...).
        step: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Replaces `path` by `bytes`: temporary file in the same folder, fsync, rename, fsync of the
/// folder. A reader sees the old file or the new one. An existing file's permissions are kept,
/// a new one gets 0644 less the umask.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), DurableError> {
    let mode = match fs::metadata(path) {
        Ok(meta) => Some(meta.permissions()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(failed("examining", path)(e)),
    };
    let temporary = Temporary::write(path, bytes, 0o644)?;
    if let Some(mode) = mode {
        fs::set_permissions(&temporary.path, mode).map_err(failed("setting the permissions of", &temporary.path))?;
    }
    fs::rename(&temporary.path, path).map_err(failed("renaming a new file to", path))?;
    temporary.keep();
    sync_folder(&folder_of(path))
}

/// A file that is written part by part and takes its name when it is whole, as [`atomic_write`].
/// Dropped before that, it is gone.
pub struct Part {
    path: PathBuf,
    file: File,
    temporary: Temporary,
}

impl Part {
    /// Begins a file that shall stand at `path`.
    pub fn new(path: &Path) -> Result<Part, DurableError> {
        let temporary = Temporary::write(path, &[], 0o644)?;
        let opened = OpenOptions::new().append(true).open(&temporary.path);
        let file = opened.map_err(failed("opening", &temporary.path))?;
        Ok(Part { path: path.to_owned(), file, temporary })
    }

    /// Gives it its name, durably.
    pub fn settle(self) -> Result<(), DurableError> {
        self.file.sync_all().map_err(failed("syncing", &self.temporary.path))?;
        if let Ok(meta) = fs::metadata(&self.path) {
            fs::set_permissions(&self.temporary.path, meta.permissions())
                .map_err(failed("setting the permissions of", &self.temporary.path))?;
        }
        fs::rename(&self.temporary.path, &self.path).map_err(failed("renaming a new file to", &self.path))?;
        self.temporary.keep();
        sync_folder(&folder_of(&self.path))
    }

    /// Where its parts are written.
    pub fn writer(&self) -> Result<File, DurableError> {
        self.file.try_clone().map_err(failed("opening", &self.temporary.path))
    }
}

/// Creates `path` with `bytes` and permissions `mode`, durably; refuses when anything stands under
/// that name. The file appears under its name only when it is complete.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
    let temporary = Temporary::write(path, bytes, mode)?;
    // A hard link fails when the name is taken; a rename would replace it.
    match fs::hard_link(&temporary.path, path) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            return Err(DurableError::Exists { path: path.to_owned() });
        }
        // FAT and some network file systems know no hard links.
        Err(e) if no_hard_links(&e) => create_in_place(path, bytes, mode)?,
        Err(e) => return Err(failed("creating", path)(e)),
    }
    drop(temporary);
    sync_folder(&folder_of(path))
}

/// Removes the hidden drafts of `path` that writers left which were killed. Only for who knows that
/// nobody else is writing it.
pub fn remove_drafts(path: &Path) {
    let start = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
    for entry in fs::read_dir(folder_of(path)).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&start) && name.ends_with(".new")) {
            let _ = fs::remove_file(entry.path()); // best effort: a left-over hidden file harms nothing
        }
    }
}

/// Makes a folder and what is missing above it, durably.
pub fn make_folder(folder: &Path) -> Result<(), DurableError> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    fs::create_dir_all(folder).map_err(failed("creating folder", folder))?;
    missing.into_iter().try_for_each(|made| sync_folder(&folder_of(made)))
}

/// Makes the names in a folder durable.
pub fn sync_folder(folder: &Path) -> Result<(), DurableError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(failed("syncing folder", folder))
}

/// Keeps whoever else does so from changing files beside `path` until it is dropped.
pub fn hold_folder(path: &Path) -> Result<File, DurableError> {
    let folder = folder_of(path);
    let held = File::open(&folder).map_err(failed("opening folder", &folder))?;
    held.lock().map_err(failed("locking folder", &folder))?;
    Ok(held)
}

fn no_hard_links(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EPERM | libc::EOPNOTSUPP | libc::ENOSYS | libc::EMLINK))
}

fn create_in_place(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            return Err(DurableError::Exists { path: path.to_owned() });
        }
        Err(e) => return Err(failed("creating", path)(e)),
    };
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|e| {
        let _ = fs::remove_file(path); // the first error is the one to tell
        failed("writing", path)(e)
    })
}

/// A file that goes away unless it is kept.
struct Temporary {
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    fn write(target: &Path, bytes: &[u8], mode: u32) -> Result<Temporary, DurableError> {
        let mut tag = [0u8; 8];
        rand::rngs::SysRng
            .try_fill_bytes(&mut tag)
            .map_err(|e| failed("drawing a random name for", target)(io::Error::other(e)))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = folder_of(target).join(format!(".{name}.{:016x}.new", u64::from_ne_bytes(tag)));
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        let mut file = opened.map_err(failed("creating", &path))?;
        let temporary = Temporary { path, kept: false };
        file.write_all(bytes).map_err(failed("writing", &temporary.path))?;
        file.sync_all().map_err(failed("syncing", &temporary.path))?;
        Ok(temporary)
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path); // best effort: a left-over hidden file harms nothing
        }
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DurableError {
    let path = path.to_owned();
    move |source| DurableError::Io { step, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn new_never_overwrites_and_leaves_no_litter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_new(&path, b"one", 0o600).unwrap();
        assert!(matches!(write_new(&path, b"two", 0o600), Err(DurableError::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        atomic_write(&path, b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn drafts_of_killed_writers_go_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        for name in [".a.json.0123456789abcdef.new", ".b.json.0123456789abcdef.new", "a.json", ".a.json"] {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        remove_drafts(&path);
        assert!(!dir.path().join(".a.json.0123456789abcdef.new").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("no/such/folder/a.json");
        assert!(matches!(atomic_write(&missing, b"x"), Err(DurableError::Io { .. })));
        let taken = dir.path().join("folder");
        fs::create_dir(&taken).unwrap();
        assert!(atomic_write(&taken, b"x").is_err());
        assert!(taken.is_dir());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
