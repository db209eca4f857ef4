//! The mount tables of every mount namespace that can be seen, and the swap table.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::device::Roots;
use crate::device::blocks::DevNum;

/// One line of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mount {
    pub number: DevNum,
    pub mount_point: PathBuf,
    pub fs_type: String,
    pub source: PathBuf,
    /// Options of the filesystem itself, where overlay names its layers.
    pub super_options: Vec<u8>,
}

/// The mounts of one namespace, in the kernel's order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Namespace {
    pub mounts: Vec<Mount>,
    /// Our own or that of process 1: its `/` is the system's.
    pub is_system: bool,
}

/// All namespaces that can be seen, our own first.
#[derive(Clone, Debug, Default)]
pub(crate) struct MountTables {
    pub namespaces: Vec<Namespace>,
}

impl MountTables {
    /// Our own table must be readable; others are read where we are let.
    pub fn read(roots: &Roots) -> Result<MountTables, String> {
        let own = roots.proc.join("self");
        let table = own.join("mountinfo");
        let bytes = fs::read(&table).map_err(|error| format!("the mount table could not be read: {error}"))?;
        let mut tables = MountTables { namespaces: vec![Namespace { is_system: true, ..Namespace::parse(&bytes)? }] };
        let mut seen = BTreeSet::from([namespace_id(&own)]);
        let mut processes: Vec<u64> = match fs::read_dir(&roots.proc) {
            Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect(),
            Err(error) => return Err(format!("the process list could not be read: {error}")),
        };
        processes.sort_unstable();
        for process in processes {
            let folder = roots.proc.join(process.to_string());
            // Without the right to read the link a namespace cannot be told apart: only process 1
            // is worth reading then, its table is open to everybody.
            let id = namespace_id(&folder);
            if (id.is_none() && process != 1) || !seen.insert(id) {
                continue;
            }
            // The process may be gone, or another user's.
            if let Ok(bytes) = fs::read(folder.join("mountinfo")) {
                tables.namespaces.push(Namespace { is_system: process == 1, ..Namespace::parse(&bytes)? });
            }
        }
        Ok(tables)
    }

    /// Every mount that is seen anywhere, each once.
    pub fn all(&self) -> impl Iterator<Item = &Mount> {
        let mut seen = std::collections::HashSet::new();
        self.namespaces
            .iter()
            .flat_map(|ns| &ns.mounts)
            .filter(move |mount| seen.insert((mount.number, mount.mount_point.as_path(), mount.source.as_path())))
    }
}

impl Namespace {
    /// A line that cannot be understood is an error: it could be the one that protects a disk.
    pub fn parse(table: &[u8]) -> Result<Namespace, String> {
        let lines = table.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let mounts = lines
            .map(|line| {
                parse_mount(line).ok_or_else(|| {
                    format!("a line of the mount table makes no sense: {}", String::from_utf8_lossy(line))
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Namespace { mounts, is_system: false })
    }

    /// The mount that a path lies on: the longest mount point, the last one mounted there.
    pub fn containing(&self, path: &Path) -> Option<&Mount> {
        self.mounts
            .iter()
            .enumerate()
            .filter(|(_, mount)| path.starts_with(&mount.mount_point))
            .max_by_key(|(order, mount)| (mount.mount_point.components().count(), *order))
            .map(|(_, mount)| mount)
    }

    /// What is mounted exactly there (the last one, if several).
    pub fn at(&self, path: &Path) -> Option<&Mount> {
        self.mounts.iter().rev().find(|mount| mount.mount_point == path)
    }
}

impl Mount {
    /// The values of an overlay option, split at `:` (`lowerdir=/a:/b`, also `lowerdir+=`).
    pub fn layers(&self) -> Vec<PathBuf> {
        let options = self.super_options.split(|b| *b == b',');
        let mut layers = Vec::new();
        for option in options {
            for key in ["lowerdir+=", "lowerdir=", "datadir+=", "upperdir=", "br:", "br=", "dirs="] {
                if let Some(value) = option.strip_prefix(key.as_bytes()) {
                    let paths = value.split(|b| *b == b':').filter(|path| !path.is_empty());
                    // aufs writes `path=ro` for a branch.
                    layers.extend(paths.map(|path| path.split(|b| *b == b'=').next().unwrap_or(path)).map(unescape));
                    break;
                }
            }
        }
        layers
    }
}

/// The swap table (`/proc/swaps`): paths of devices and files. Missing means a kernel without swap.
pub(crate) fn swaps(roots: &Roots) -> Result<Vec<PathBuf>, String> {
    let table = match fs::read(roots.proc.join("swaps")) {
        Ok(table) => table,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("the swap table could not be read: {error}")),
    };
    let lines = table.split(|b| *b == b'\n').skip(1).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let first = line.split(|b| matches!(b, b' ' | b'\t')).next().filter(|path| path.starts_with(b"/"));
            first.map(|path| strip_deleted(unescape(path))).ok_or_else(|| "the swap table makes no sense".to_owned())
        })
        .collect()
}

/// The kernel marks a file that has lost its name.
pub(crate) fn strip_deleted(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes() {
        bytes if bytes.ends_with(b" (deleted)") => PathBuf::from(OsStr::from_bytes(&bytes[..bytes.len() - 10])),
        bytes if bytes.ends_with(b"\\040(deleted)") => PathBuf::from(OsStr::from_bytes(&bytes[..bytes.len() - 13])),
        _ => path,
    }
}

fn parse_mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let number = DevNum::parse(std::str::from_utf8(fields.nth(2)?).ok()?)?;
    let mount_point = unescape(fields.nth(1)?);
    // Optional fields end with a single hyphen.
    fields.find(|field| *field == b"-")?;
    let fs_type = String::from_utf8(fields.next()?.to_owned()).ok()?;
    let source = unescape(fields.next()?);
    let super_options = fields.next().unwrap_or_default().to_owned();
    Some(Mount { number, mount_point, fs_type, source, super_options })
}

/// `\040` and the other octal escapes of the kernel's `mangle`.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|d| *first == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        match octal {
            Some(digits) => {
                bytes.push(digits.iter().fold(0_u8, |n, b| n.wrapping_mul(8).wrapping_add(b - b'0')));
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

fn namespace_id(process: &Path) -> Option<PathBuf> {
    fs::read_link(process.join("ns/mnt")).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hostile_tables_never_panic(table in "([0-9:/a-z,=\\\\ -]{0,40}\n?){0,6}") {
            if let Ok(ns) = Namespace::parse(table.as_bytes()) {
                ns.mounts.iter().for_each(|mount| drop(mount.layers()));
            }
        }
    }

    #[test]
    fn mountinfo_lines() {
        let table = b"36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n\
            40 1 0:45 / / rw - overlay overlay rw,lowerdir=/run/a:/run/b,upperdir=/cow/up,workdir=/cow/work\n";
        let ns = Namespace::parse(table).unwrap();
        assert_eq!(ns.mounts[0].mount_point, Path::new("/mnt/a b"));
        assert_eq!(ns.mounts[0].number, DevNum { major: 98, minor: 0 });
        assert_eq!(ns.mounts[1].layers(), [Path::new("/run/a"), Path::new("/run/b"), Path::new("/cow/up")]);
        assert_eq!(ns.containing(Path::new("/mnt/a b/c")).unwrap().fs_type, "ext3");
        assert_eq!(ns.containing(Path::new("/mnt/ax")).unwrap().fs_type, "overlay");
    }

    #[test]
    fn a_line_without_sense_is_an_error_not_an_unmounted_disk() {
        assert!(Namespace::parse(b"36 35 98:0 / /mnt rw\n").is_err());
    }
}
