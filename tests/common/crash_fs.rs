//! A file system that loses its power: what a test's process wrote there, and what of it would have
//! been on the disk.
//!
//! Stricter than any one real file system, so that what survives here survives on all: a file's
//! bytes are durable after `fsync`/`fdatasync` of that file (or a write through `O_DSYNC`), its mode
//! and owner after `fsync`; a folder's names (create, link, rename, unlink, mkdir) after `fsync` of
//! that folder. `sync` and `syncfs` do not reach a FUSE file system and make nothing durable.
//! Locks (`flock`, `fcntl`) are the kernel's own. There are no symbolic links, no extended
//! attributes, no `O_TMPFILE`, no shared writable `mmap`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fuser::Errno;
use tempfile::TempDir;

use super::fuse_mount::FuseMount;
use model::Model;
use server::Server;

mod model;
mod server;

/// What of the un-synced reached the disk before the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    pub names: Names,
    pub data: Data,
}

/// Which names of a folder are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Those at the last `fsync` of the folder.
    Synced,
    /// Those the process had made.
    All,
}

/// Which bytes of a file are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Those at the last sync of the file; none when there was no sync.
    Synced,
    /// And of what was appended since, the first so many thousandths.
    TornTails { permille: u16 },
    /// And zeroes for what was appended since: the length reached the disk, the bytes did not.
    ZeroTails,
    /// Those the process had written.
    All,
}

impl Crash {
    pub const SYNCED_ONLY: Crash = Crash { names: Names::Synced, data: Data::Synced };
    pub const TORN_TAILS: Crash = Crash { names: Names::Synced, data: Data::TornTails { permille: 500 } };
    pub const ZERO_TAILS: Crash = Crash { names: Names::Synced, data: Data::ZeroTails };
    /// Renames and creations arrived, un-synced bytes did not: files are empty or old.
    pub const NAMES_AHEAD: Crash = Crash { names: Names::All, data: Data::Synced };
    pub const NAMES_AHEAD_TORN: Crash = Crash { names: Names::All, data: Data::TornTails { permille: 500 } };
    /// Bytes arrived under names that did not.
    pub const DATA_AHEAD: Crash = Crash { names: Names::Synced, data: Data::All };
    /// The process died, the power stayed.
    pub const EVERYTHING: Crash = Crash { names: Names::All, data: Data::All };

    /// Each of them: what a test has to survive.
    pub const ALL: [Crash; 7] = [
        Crash::SYNCED_ONLY,
        Crash::TORN_TAILS,
        Crash::ZERO_TAILS,
        Crash::NAMES_AHEAD,
        Crash::NAMES_AHEAD_TORN,
        Crash::DATA_AHEAD,
        Crash::EVERYTHING,
    ];
}

/// A change or a sync that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `create`, `write`, `fsync`, `fsyncdir`, ...
    pub op: &'static str,
    /// On what, from the mount point on.
    pub path: PathBuf,
}

/// The mounted file system.
pub struct CrashFs {
    disk: Arc<Disk>,
    mount: FuseMount,
}

impl CrashFs {
    /// An empty one; `None`, with a word about it, where there can be none.
    pub fn new() -> Option<CrashFs> {
        CrashFs::mounted(Model::new())
    }

    /// An empty one that is as FAT is, mounted with this umask: it keeps no modes, and knows no hard links.
    pub fn without_permissions(umask: u32) -> Option<CrashFs> {
        CrashFs::mounted(Model::without_permissions(umask))
    }

    /// With a copy of everything below `folder`, all of it durable.
    pub fn from_dir(folder: &Path) -> Option<CrashFs> {
        CrashFs::mounted(Model::load(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())))
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        self.mount.path()
    }

    /// Number of changes and syncs done so far.
    pub fn steps(&self) -> usize {
        self.disk.lock().trace.len()
    }

    /// Those changes and syncs; `trace()[n]` is step `n`.
    pub fn trace(&self) -> Vec<Step> {
        self.disk.lock().trace.clone()
    }

    /// The power goes instead of step `step` (counted from 0): it and everything after it, reading
    /// too, fails with `EIO`.
    pub fn cut_at(&self, step: usize) {
        self.disk.lock().cut_at = Some(step);
    }

    /// It was the process that died and not the power: what was not synced is not lost, and is not synced either.
    pub fn go_on(&self) {
        let mut state = self.disk.lock();
        (state.cut, state.cut_at) = (false, None);
    }

    /// Whether the power went.
    pub fn is_cut(&self) -> bool {
        self.disk.lock().cut
    }

    /// Waits for the power to go (to kill the process then); false when it did not in time.
    pub fn wait_for_cut(&self, at_most: Duration) -> bool {
        let deadline = Instant::now() + at_most;
        let mut state = self.disk.lock();
        while !state.cut {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.disk.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Step `step` fails with that error number and changes nothing; the next try is the same step.
    pub fn fail_once(&self, step: usize, errno: i32) {
        self.disk.lock().fail_once = Some((step, Errno::from_i32(errno)));
    }

    /// What the disk holds after a crash now (or, after a cut, at the cut), as a plain folder.
    pub fn after_crash(&self, crash: Crash) -> TempDir {
        materialise(&self.disk.lock().model, crash)
    }

    /// Keeps what every step from now on found, for [`CrashFs::after_crash_at`].
    pub fn keep_history(&self) {
        let mut state = self.disk.lock();
        state.history = Some((state.trace.len(), Vec::new()));
    }

    /// What the disk holds when the power goes instead of step `step`, without running everything
    /// again; needs [`CrashFs::keep_history`] before that step.
    pub fn after_crash_at(&self, step: usize, crash: Crash) -> TempDir {
        let state = self.disk.lock();
        if step == state.trace.len() {
            return materialise(&state.model, crash);
        }
        let (first, models) = state.history.as_ref().expect("no history was kept");
        materialise(&models[step - first], crash)
    }

    fn mounted(model: Model) -> Option<CrashFs> {
        let state = State { model, trace: Vec::new(), cut_at: None, cut: false, fail_once: None, history: None };
        let disk = Arc::new(Disk { state: Mutex::new(state), changed: Condvar::new() });
        let mount = FuseMount::new(Server::new(disk.clone()))?;
        Some(CrashFs { disk, mount })
    }
}

fn materialise(model: &Model, crash: Crash) -> TempDir {
    let folder = TempDir::with_prefix("lastwrite-crash-").unwrap();
    model.materialise(crash, folder.path()).unwrap();
    folder
}

/// What the file system and the test share.
struct Disk {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    model: Model,
    trace: Vec<Step>,
    cut_at: Option<usize>,
    cut: bool,
    fail_once: Option<(usize, Errno)>,
    /// The number of the first step kept, and what it and each one after it found.
    history: Option<(usize, Vec<Model>)>,
}

impl Disk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the volatile state.
    fn look<T>(&self, operation: impl FnOnce(&Model) -> Result<T, Errno>) -> Result<T, Errno> {
        let state = self.lock();
        if state.cut { Err(Errno::EIO) } else { operation(&state.model) }
    }

    /// Does a change or a sync; only one that succeeds is a step.
    fn step<T>(
        &self,
        op: &'static str,
        path: impl FnOnce(&Model) -> PathBuf,
        operation: impl FnOnce(&mut Model) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let mut state = self.lock();
        let number = state.trace.len();
        if state.cut_at.is_some_and(|step| number >= step) {
            state.cut = true;
            self.changed.notify_all();
        }
        if state.cut {
            return Err(Errno::EIO);
        }
        if let Some((_, errno)) = state.fail_once.take_if(|(step, _)| *step == number) {
            return Err(errno);
        }
        let path = path(&state.model);
        let before = state.history.is_some().then(|| state.model.clone());
        let done = operation(&mut state.model)?;
        state.trace.push(Step { op, path });
        if let (Some((_, models)), Some(before)) = (&mut state.history, before) {
            models.push(before);
        }
        Ok(done)
    }
}
