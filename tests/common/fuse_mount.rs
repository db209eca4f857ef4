//! A FUSE file system served by the test itself, unmounted however the test ends.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fuser::{BackgroundSession, Config, Filesystem, MountOption};
use nix::mount::{MntFlags, umount2};
use tempfile::TempDir;

/// A test that is killed while one of its own threads waits for its own file system would never
/// end: that thread keeps the connection open, nobody answers it, and everybody who looks at the
/// mount or at a loop device on it waits too. A process outside of it aborts the connection then.
const WATCHDOG: &str = r#"
while IFS= read -r stat < "/proc/$1/stat"; do
    case "$stat" in *") Z "* | *") X "*) break ;; esac
    sleep 0.5
done 2>/dev/null
umount -f "$2"
for loop in /sys/block/loop*/loop; do
    case "$(cat "$loop/backing_file")" in "$2"/*) losetup --detach "/dev/$(basename "${loop%/loop}")" ;; esac
done
umount -l "$2"
rmdir "$2"
"#;

/// A mounted file system; dropping it unmounts.
pub struct FuseMount {
    session: Option<BackgroundSession>,
    watchdog: Child,
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
        let folder = TempDir::with_prefix("lastwrite-rig-").unwrap();
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("lastwrite-rig".to_owned()),
            MountOption::DefaultPermissions,
            MountOption::NoSuid,
            MountOption::NoDev,
        ];
        match fuser::spawn_mount(filesystem, folder.path(), &config) {
            Ok(session) => Some(FuseMount { session: Some(session), watchdog: watchdog(folder.path()), folder }),
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
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}

/// In a process group of its own: a test runner kills the test's group.
fn watchdog(folder: &Path) -> Child {
    Command::new("sh")
        .args(["-c", WATCHDOG, "sh", &std::process::id().to_string()])
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}
