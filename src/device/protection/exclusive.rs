//! Asking the kernel whether a device is free, by opening it exclusively for a moment (read-only,
//! harmless), and who has it open. A drive that does not answer in time is unknown, and holds up nobody else.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;

use crate::device::blocks::{DevNum, Node, attr};
use crate::device::patience::each_in_time;
use crate::units::printable;

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

/// Programs that have the device open, as far as we may see.
pub(crate) fn openers(path: &Path) -> Option<String> {
    let number = DevNum::from_raw(fs::metadata(path).ok()?.rdev());
    let processes = processes(Path::new("/proc")).ok()?.into_iter();
    let found: Vec<String> = processes
        .filter(|process| open_nodes(process).iter().any(|(open, _)| *open == number))
        .map(|process| program(&process))
        .collect();
    (!found.is_empty()).then(|| found.join(", "))
}

/// Programs other than this one that have a device open for writing, as far as we may see, by the device's number: a
/// virtual machine's manager gives it nodes of its own, so that no lock on ours is in its way. One walk for all
/// devices.
pub(crate) fn writers(proc: &Path, devices: &BTreeMap<DevNum, &Node>) -> io::Result<BTreeMap<DevNum, String>> {
    let own = fs::read_link(proc.join("self")).unwrap_or_else(|_| std::process::id().to_string().into());
    let mut found: BTreeMap<DevNum, Vec<String>> = BTreeMap::new();
    for process in processes(proc)?.iter().filter(|process| !process.ends_with(&own)) {
        for (number, descriptor) in open_nodes(process) {
            let is_asked_for = devices.get(&number).is_some_and(|device| !serves(process, device));
            if !is_asked_for || !is_for_writing(process, &descriptor) {
                continue;
            }
            let (all, by) = (found.entry(number).or_default(), program(process));
            if !all.contains(&by) {
                all.push(by);
            }
        }
    }
    Ok(found.into_iter().map(|(number, by)| (number, by.join(", "))).collect())
}

/// Folders of all processes.
fn processes(proc: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(proc)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The block devices that a process has open, with the number of each descriptor; none where we may not look.
fn open_nodes(process: &Path) -> Vec<(DevNum, OsString)> {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return Vec::new() };
    let node = |link: PathBuf| {
        // Only what looks like a node is asked, so that no network filesystem is. The path is that of the process.
        fs::read_link(&link).ok().filter(|target| target.starts_with("/dev"))?;
        let meta = fs::metadata(&link).ok()?;
        meta.file_type().is_block_device().then(|| DevNum::from_raw(meta.rdev()))
    };
    descriptors.flatten().filter_map(|fd| Some((node(fd.path())?, fd.file_name()))).collect()
}

/// Unless the descriptor was closed meanwhile, not knowing counts as writing.
fn is_for_writing(process: &Path, descriptor: &OsStr) -> bool {
    match fs::read_to_string(process.join("fdinfo").join(descriptor)) {
        Ok(text) => access(&text) != Some(libc::O_RDONLY),
        Err(error) => !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)),
    }
}

/// `O_RDONLY`, `O_WRONLY` or `O_RDWR`.
fn access(fdinfo: &str) -> Option<i32> {
    let flags = fdinfo.lines().find_map(|line| line.strip_prefix("flags:"))?;
    i32::from_str_radix(flags.trim(), 8).ok().map(|flags| flags & libc::O_ACCMODE)
}

/// The program behind a network block device keeps it open; what it writes goes elsewhere.
fn serves(process: &Path, device: &Node) -> bool {
    device.name.starts_with("nbd")
        && attr(&device.dir, "pid").is_some_and(|pid| process.join("task").join(pid).exists())
}

/// `badblocks (process 123)`.
fn program(process: &Path) -> String {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let id = process.file_name().unwrap_or_default().to_string_lossy();
    // A program names itself as it likes.
    format!("{} (process {id})", printable(name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_file_was_opened() {
        let text = |flags: &str| format!("pos:\t4096\nflags:\t{flags}\nmnt_id:\t29\nino:\t7\n");
        for (flags, expected) in [
            ("0100000", Some(libc::O_RDONLY)),
            ("02100001", Some(libc::O_WRONLY)),
            // As qemu does: O_DIRECT and O_CLOEXEC.
            ("02140002", Some(libc::O_RDWR)),
            ("9", None),
        ] {
            assert_eq!(access(&text(flags)), expected, "{flags}");
        }
        assert_eq!(access("pos:\t0\n"), None);
    }

    #[test]
    fn the_program_behind_a_network_block_device_does_not_count_as_writing_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, process) = (folder.path().join("nbd0"), folder.path().join("77"));
        fs::create_dir_all(&dir).unwrap();
        // The kernel names the thread that serves.
        fs::create_dir_all(process.join("task/78")).unwrap();
        for (name, text) in [("dev", "43:0\n"), ("pid", "78\n")] {
            fs::write(dir.join(name), text).unwrap();
        }
        let node = |name: &str| Node::read(&dir, name, None).unwrap().unwrap();
        assert!(serves(&process, &node("nbd0")));
        assert!(!serves(&folder.path().join("79"), &node("nbd0")));
        assert!(!serves(&process, &node("sdb")));
    }
}
