//! Locks on what is held: `flock`, which udev and other wipes respect, and locks on ranges as virtual machines take
//! them.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::libc;

use super::claim::{ClaimMode, io_error};
use super::claim_error::ClaimError;

/// How often and how long a busy device is asked again: an inventory or udev may have it open for
/// a moment.
pub(super) const TRIES: u32 = 8;
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// What several claims of this process hold together, by device and inode of the nodes: the disks of partitions, and
/// partitions that others lie in.
static SHARED: Mutex<Vec<(Inode, Weak<Flock<File>>)>> = Mutex::new(Vec::new());
/// File system and number in it.
type Inode = (u64, u64);

pub(super) fn lock(file: File, path: &Path, how: FlockArg) -> Result<Flock<File>, ClaimError> {
    patiently(file, path, |file| Flock::lock(file, how))
}

/// A lock that claims of this process have in common, on the disk of a partition that is to be held, or on a partition
/// around it: it keeps out every other open file, also one of the same process.
pub(super) fn lock_shared(file: File, path: &Path) -> Result<Arc<Flock<File>>, ClaimError> {
    let meta = file.metadata().map_err(|source| io_error(path, "looked at", source))?;
    let inode = (meta.dev(), meta.ino());
    patiently(file, path, |file| {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|(_, lock)| lock.strong_count() > 0);
        if let Some(held) = shared.iter().find(|(known, _)| *known == inode).and_then(|(_, lock)| lock.upgrade()) {
            return Ok(held);
        }
        let locked = Arc::new(Flock::lock(file, FlockArg::LockExclusiveNonblock)?);
        shared.push((inode, Arc::downgrade(&locked)));
        Ok(locked)
    })
}

/// The lock of [`lock_shared`] that another claim of this process has on a node. Where it was opened exclusively, it
/// cannot be opened so again.
pub(super) fn shared_lock(path: &Path) -> Option<Arc<Flock<File>>> {
    let meta = std::fs::metadata(path).ok()?;
    let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.iter().find(|(known, _)| *known == (meta.dev(), meta.ino())).and_then(|(_, lock)| lock.upgrade())
}

fn patiently<T>(file: File, path: &Path, attempt: impl Fn(File) -> Result<T, (File, Errno)>) -> Result<T, ClaimError> {
    let mut file = file;
    for tries in 1.. {
        match attempt(file) {
            Ok(locked) => return Ok(locked),
            Err((_, Errno::EWOULDBLOCK)) if tries >= TRIES => break,
            Err((back, Errno::EWOULDBLOCK)) => {
                file = back;
                std::thread::sleep(PAUSE);
            }
            Err((back, Errno::EINTR)) => file = back,
            Err((_, error)) => return Err(io_error(path, "locked", error.into())),
        }
    }
    Err(ClaimError::Locked { path: path.to_owned() })
}

/// A virtual machine locks ranges of its image or disk (OFD locks), and opens it without `O_EXCL`.
pub(super) fn lock_range(file: &File, path: &Path, mode: ClaimMode) -> Result<(), ClaimError> {
    let range = whole_range(mode);
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
        // A filesystem without such locks cannot have anybody holding one.
        Ok(_) | Err(Errno::EINVAL | Errno::ENOLCK | Errno::EOPNOTSUPP) => Ok(()),
        Err(Errno::EAGAIN | Errno::EACCES) => Err(ClaimError::Locked { path: path.to_owned() }),
        Err(error) => Err(io_error(path, "locked", error.into())),
    }
}

/// Whether a virtual machine has locked any range of a node that is not held itself but reaches what is. Asking
/// takes nothing, and needs no descriptor for writing.
pub(super) fn ask_range(file: &File, path: &Path, mode: ClaimMode) -> Result<(), ClaimError> {
    let mut found = whole_range(mode);
    match fcntl(file, FcntlArg::F_OFD_GETLK(&mut found)) {
        Ok(_) if i32::from(found.l_type) != libc::F_UNLCK => Err(ClaimError::Locked { path: path.to_owned() }),
        Ok(_) | Err(Errno::EINVAL | Errno::ENOLCK | Errno::EOPNOTSUPP) => Ok(()),
        Err(error) => Err(io_error(path, "asked for locks", error.into())),
    }
}

fn whole_range(mode: ClaimMode) -> libc::flock {
    let kind = match mode {
        ClaimMode::Write => libc::F_WRLCK,
        ClaimMode::Read => libc::F_RDLCK,
    };
    libc::flock { l_type: i16::try_from(kind).unwrap_or_default(), l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 }
}
