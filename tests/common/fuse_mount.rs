//! A FUSE file system served by the test itself, unmounted however the test ends.

use std::fs;
use std::path::{Path, PathBuf};

use fuser::{BackgroundSession, Config, Filesystem, MountOption};
use nix::mount::{MntFlags, umount2};
use tempfile::TempDir;

use super::loopdev;

const SOURCE_PREFIX: &str = "lastwrite-rig-";

/// A mounted file system; dropping it unmounts.
pub struct FuseMount {
    // Order matters: the session ends before the folder it was mounted on is removed.
    session: Option<BackgroundSession>,
    folder: TempDir,
}

impl FuseMount {
    /// Mounts `filesystem` on a new folder; `None`, with a word about it, where that cannot be.
    pub fn new(filesystem: impl Filesystem) -> Option<FuseMount> {
        if !super::is_root() {
            return None;
        }
        if !Path::new("/dev/fuse").exists() {
            super::skip("needs /dev/fuse");
            return None;
        }
        remove_orphans();
        let folder = TempDir::with_prefix("lastwrite-rig-").unwrap();
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName(format!("{SOURCE_PREFIX}{}", std::process::id())),
            MountOption::DefaultPermissions,
            MountOption::NoSuid,
            MountOption::NoDev,
        ];
        match fuser::spawn_mount(filesystem, folder.path(), &config) {
            Ok(session) => Some(FuseMount { session: Some(session), folder }),
            Err(error) => {
                super::skip(&format!("no FUSE mount: {error}"));
                None
            }
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for FuseMount {
    fn drop(&mut self) {
        // Detached, so that a file still open somewhere cannot keep the mount; the server thread
        // goes on until that file is closed, and is not waited for.
        let _ = umount2(self.folder.path(), MntFlags::MNT_DETACH);
        drop(self.session.take());
    }
}

/// Removes the mounts and loop devices of rigs whose process was killed before it could.
fn remove_orphans() {
    let Ok(mounts) = fs::read_to_string("/proc/self/mountinfo") else { return };
    for folder in mounts.lines().filter_map(orphan) {
        for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
            let backing = fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default();
            if Path::new(backing.trim_end()).starts_with(&folder) {
                loopdev::detach(&Path::new("/dev").join(entry.file_name()));
            }
        }
        let _ = umount2(&folder, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&folder);
    }
}

/// The mount point, when the line is a rig's whose process is gone.
fn orphan(mountinfo: &str) -> Option<PathBuf> {
    let (place, kind) = mountinfo.split_once(" - ")?;
    let pid: u32 = kind.split(' ').nth(1)?.strip_prefix(SOURCE_PREFIX)?.parse().ok()?;
    let gone = !Path::new("/proc").join(pid.to_string()).exists();
    gone.then(|| place.split(' ').nth(4).map(PathBuf::from))?
}
