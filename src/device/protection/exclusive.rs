//! Asking the kernel whether a device is free, by opening it exclusively for a moment (read-only,
//! harmless). A drive that does not answer in time is unknown, and holds up nobody else.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;

use crate::device::patience::each_in_time;

/// Opening does not wake a drive; one that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Another inventory may be asking the same at this moment.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Free,
    Busy { by: Option<String> },
    Unknown(String),
}

/// Asks for several devices in turn.
pub(crate) fn ask_all(paths: Vec<PathBuf>) -> Vec<Answer> {
    let answers = each_in_time(paths.clone(), PATIENCE, |path| {
        let mut answer = open_exclusively(path);
        for _ in 1..TRIES {
            if !matches!(answer, Answer::Busy { .. }) {
                break;
            }
            std::thread::sleep(PAUSE);
            answer = open_exclusively(path);
        }
        answer
    });
    let late =
        |path: &PathBuf| Answer::Unknown(format!("{} did not answer within {} s", path.display(), PATIENCE.as_secs()));
    answers.into_iter().zip(&paths).map(|(answer, path)| answer.unwrap_or_else(|| late(path))).collect()
}

fn open_exclusively(path: &Path) -> Answer {
    // Without O_NONBLOCK a drive without a medium would try to load one.
    let opened = File::options().read(true).custom_flags(libc::O_EXCL | libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    match opened {
        Ok(_) => Answer::Free,
        Err(error) => match error.raw_os_error() {
            Some(libc::EBUSY) => Answer::Busy { by: openers(path) },
            Some(libc::ENOMEDIUM) => Answer::Free,
            Some(libc::EACCES | libc::EPERM) => {
                Answer::Unknown(format!("{} may not be opened: {error}; run as root to judge it", path.display()))
            }
            _ => Answer::Unknown(format!("{} could not be opened: {error}", path.display())),
        },
    }
}

/// Programs that have the device open, as far as we may see: `badblocks (process 123)`.
pub(crate) fn openers(path: &Path) -> Option<String> {
    let number = fs::metadata(path).ok()?.rdev();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if has_open(&entry.path(), number).unwrap_or(false) {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push(format!("{} (process {process})", name.trim()));
        }
    }
    (!found.is_empty()).then(|| found.join(", "))
}

fn has_open(process: &Path, number: u64) -> io::Result<bool> {
    for descriptor in fs::read_dir(process.join("fd"))? {
        let link = descriptor?.path();
        // Only what looks like a node is asked, so that no network filesystem is.
        let looks_like_node = fs::read_link(&link).is_ok_and(|target| target.starts_with("/dev"));
        if looks_like_node && fs::metadata(&link).is_ok_and(|meta| meta.rdev() == number) {
            return Ok(true);
        }
    }
    Ok(false)
}
