//! Loop devices on temporary files, detached however the test ends.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::NamedTempFile;

/// A loop device and its backing file.
pub struct LoopDevice {
    path: PathBuf,
    /// Missing for a loop device on something else than a file of its own.
    file: Option<NamedTempFile>,
}

impl LoopDevice {
    /// A zero-filled device of `size` bytes; `None`, with a word about it, where there can be none.
    pub fn new(size: u64) -> Option<LoopDevice> {
        LoopDevice::with_options(size, &[])
    }

    /// With further `losetup` options (`--partscan`, `--read-only`, `--sector-size=4096`).
    pub fn with_options(size: u64, options: &[&str]) -> Option<LoopDevice> {
        if !super::is_root() {
            return None;
        }
        let file = NamedTempFile::new().unwrap();
        file.as_file().set_len(size).unwrap();
        let path = attach(file.path(), options)?;
        Some(LoopDevice { path, file: Some(file) })
    }

    /// A loop device on a file or device that belongs to somebody else.
    pub fn on(backing: &Path) -> Option<LoopDevice> {
        Some(LoopDevice { path: attach(backing, &[])?, file: None })
    }

    /// A disk with two partitions of 4 MiB, which the kernel knows and no table tells of.
    pub fn with_two_partitions() -> Option<(LoopDevice, [PathBuf; 2])> {
        let device = LoopDevice::with_options(32 << 20, &["--partscan"])?;
        for (number, start) in [("1", "2048"), ("2", "16384")] {
            super::tool("addpart", &[device.path.as_os_str(), number.as_ref(), start.as_ref(), "8192".as_ref()])?;
        }
        let parts = [1, 2].map(|number| device.path.with_file_name(format!("{}p{number}", device.name())));
        Some((device, parts))
    }

    /// A second loop device on the same file.
    pub fn second(&self) -> Option<LoopDevice> {
        LoopDevice::on(self.backing_file())
    }

    /// `/dev/loopN`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `loopN`.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(OsStr::to_str).unwrap()
    }

    /// The file behind it.
    pub fn backing_file(&self) -> &Path {
        self.file.as_ref().unwrap().path()
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        detach(&self.path);
    }
}

/// Attaches a file, with direct I/O where its filesystem takes it.
pub fn attach(file: &Path, options: &[&str]) -> Option<PathBuf> {
    let losetup = |direct: &str| {
        Command::new("losetup").args(["--find", "--show", direct]).args(options).arg("--").arg(file).output()
    };
    let mut output = match losetup("--direct-io=on") {
        Ok(output) => output,
        Err(error) => {
            super::skip(&format!("needs losetup: {error}"));
            return None;
        }
    };
    if !output.status.success() {
        output = losetup("--direct-io=off").unwrap();
    }
    if !output.status.success() {
        super::skip(&format!("no loop device: {}", String::from_utf8_lossy(&output.stderr)));
        return None;
    }
    Some(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()))
}

/// Detaches a loop device; quietly, because it also runs while a test unwinds. The kernel really lets
/// go when the last descriptor is closed, and those of a killed process's io_uring outlive it a little.
pub fn detach(device: &Path) {
    let _ = Command::new("losetup").arg("--detach").arg(device).output();
    let name = device.file_name().unwrap_or_default();
    let backing = Path::new("/sys/block").join(name).join("loop/backing_file");
    for _ in 0..200 {
        if !backing.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A mount that ends with the test.
pub struct Mounted(PathBuf);

impl Mounted {
    /// Mounts `device` at `folder`.
    pub fn new(device: &Path, folder: &Path, fs_type: &str) -> Mounted {
        nix::mount::mount(Some(device), folder, Some(fs_type), nix::mount::MsFlags::empty(), None::<&str>).unwrap();
        Mounted(folder.to_owned())
    }

    /// Shows a file or folder at another place as well.
    pub fn bound(from: &Path, to: &Path) -> Mounted {
        nix::mount::mount(Some(from), to, None::<&str>, nix::mount::MsFlags::MS_BIND, None::<&str>).unwrap();
        Mounted(to.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}
