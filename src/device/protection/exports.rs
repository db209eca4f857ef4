//! Users inside of the kernel that neither claim a device nor have a file descriptor for it: disks that Xen gives to
//! virtual machines, exports over NVMe-oF, backstores of LIO, and sticks that this machine is for another one.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::device::Roots;
use crate::device::blocks::{Blocks, DevNum, list, read_attr};
use crate::device::patience::each_in_time;
use crate::device::roots::Nodes;

/// A path may lie on a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the kernel hands on to others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exports {
    pub nodes: Vec<Export<String>>,
    /// What is no block device: images.
    pub files: Vec<Export<PathBuf>>,
    /// What could not be read.
    pub unknown: Vec<String>,
}

/// One user of a node (its name) or a file (its path).
#[derive(Clone, Debug)]
pub(crate) struct Export<T> {
    pub what: T,
    pub holder: String,
    pub by: &'static str,
}

impl Exports {
    pub fn read(roots: &Roots, blocks: &Blocks) -> Exports {
        let mut exports = Exports::default();
        exports.xen(&roots.sys.join("bus/xen-backend/devices"), blocks);
        let config = roots.sys.join("kernel/config");
        let mut users = Vec::new();
        for (names, file, by) in [
            (&["nvmet", "subsystems", "*", "namespaces", "*"][..], "device_path", "NVMe-oF export"),
            (&["target", "core", "*", "*"][..], "udev_path", "LIO backstore"),
            (&["usb_gadget", "*", "functions", "mass_storage.*", "lun.*"][..], "file", "USB gadget"),
        ] {
            for folder in exports.folders(&config, names) {
                // What is only prepared has nothing open.
                if exports.text(&folder, "enable").as_deref() == Some("0") {
                    continue;
                }
                let path = exports.text(&folder, file).map(PathBuf::from).filter(|path| path.is_absolute());
                users.extend(path.map(|what| Export { what, holder: holder(&folder, names), by }));
            }
        }
        exports.find(users, roots, blocks);
        exports
    }

    /// `physical_device` is in hex, and 0:0 before the device is open.
    fn xen(&mut self, devices: &Path, blocks: &Blocks) {
        for folder in self.folders(devices, &["vbd-*"]) {
            let Some(text) = self.text(&folder, "physical_device") else { continue };
            let hex = |text: &str| u64::from_str_radix(text, 16).ok();
            match text.split_once(':').and_then(|(major, minor)| hex(major).zip(hex(minor))) {
                Some((major, minor)) => {
                    // Whatever has no node any more is none of those that are there.
                    let node = blocks.by_number(DevNum { major, minor });
                    let (holder, by) = (holder(&folder, &["*"]), "Xen disk of a virtual machine");
                    self.nodes.extend(node.map(|node| Export { what: node.name.clone(), holder, by }));
                }
                None => self.unknown.push(format!("{}/physical_device reads {text:?}", folder.display())),
            }
        }
    }

    fn find(&mut self, users: Vec<Export<PathBuf>>, roots: &Roots, blocks: &Blocks) {
        let paths: Vec<PathBuf> = users.iter().map(|user| user.what.clone()).collect();
        let numbers: Vec<Option<io::Result<Option<DevNum>>>> = match roots.nodes {
            Nodes::Live => each_in_time(paths, PATIENCE, |path| {
                let number = |meta: fs::Metadata| DevNum::from_raw(meta.rdev());
                fs::metadata(path).map(|meta| meta.file_type().is_block_device().then(|| number(meta)))
            }),
            // A recording has no nodes.
            Nodes::Recorded => paths
                .iter()
                .map(|path| match (blocks.by_path(roots, path), path.starts_with("/dev")) {
                    (None, true) => Some(Err(io::Error::from(io::ErrorKind::NotFound))),
                    (node, _) => Some(Ok(node.map(|node| node.number))),
                })
                .collect(),
        };
        for (user, number) in users.into_iter().zip(numbers) {
            let Export { what: path, holder, by } = user;
            let why = match number {
                Some(Ok(Some(number))) => {
                    let node = blocks.by_number(number);
                    self.nodes.extend(node.map(|node| Export { what: node.name.clone(), holder, by }));
                    continue;
                }
                Some(Ok(None)) => {
                    self.files.push(Export { what: path, holder, by });
                    continue;
                }
                // A file that lost its name lies on a file system that is mounted.
                Some(Err(_)) if !path.starts_with("/dev") => continue,
                Some(Err(error)) => error.to_string(),
                None => "it does not answer".to_owned(),
            };
            self.unknown.push(format!("which drive {holder} ({by}) uses cannot be told: {}: {why}", path.display()));
        }
    }

    fn folders(&mut self, root: &Path, names: &[&str]) -> Vec<PathBuf> {
        matching(root.to_owned(), names).unwrap_or_else(|error| {
            self.unknown.push(format!("what {} hands on could not be read: {error}", root.display()));
            Vec::new()
        })
    }

    /// What a file says; nothing where it is not there or empty.
    fn text(&mut self, folder: &Path, name: &str) -> Option<String> {
        match read_attr(folder, name) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).trim().to_owned()).filter(|text| !text.is_empty()),
            Err(error) if is_absent(&error) => None,
            Err(error) => {
                self.unknown.push(format!("{}/{name} could not be read: {error}", folder.display()));
                None
            }
        }
    }
}

/// The folders below one whose names are these; `*` stands for any rest of one.
fn matching(folder: PathBuf, names: &[&str]) -> io::Result<Vec<PathBuf>> {
    let Some((first, rest)) = names.split_first() else { return Ok(vec![folder]) };
    let Some(start) = first.strip_suffix('*') else { return matching(folder.join(first), rest) };
    let entries = match list(&folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in entries.iter().filter(|name| name.starts_with(start)) {
        found.extend(matching(folder.join(name), rest)?);
    }
    Ok(found)
}

/// The names in a path that are somebody's own (`nqn.2026-01.org.example:a/1`).
fn holder(folder: &Path, names: &[&str]) -> String {
    let parts: Vec<_> = folder.components().rev().take(names.len()).collect();
    let own = parts.into_iter().rev().zip(names).filter(|(_, name)| name.ends_with('*'));
    own.map(|(part, _)| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Without the driver there is no such folder, and beside the folders there are files.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || matches!(error.raw_os_error(), Some(nix::libc::ENODEV | nix::libc::ENXIO))
}
