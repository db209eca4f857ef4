//! A regular file as a medium: a VM image, a practice drive.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use nix::unistd::{AccessFlags, access};

use super::inventory::short_digest;
use super::loops;
use super::protection::World;
use crate::media::{Backing, Geometry, Identity, Kind, Medium, MediumClass, Protection, Transport, Zoned};
use crate::sys::ioctl;
use crate::units::{Bytes, SectorSize};

/// The image at a path that was found to be a regular file.
pub(super) fn medium(world: &World, path: &Path) -> std::io::Result<Medium> {
    let path = fs::canonicalize(path)?;
    let meta = fs::metadata(&path)?;
    let identity = identity(&meta, &path);
    let size = identity.size;
    Ok(Medium {
        other_paths: Vec::new(),
        transport: Transport::File,
        kind: Kind::Image,
        class: MediumClass::Image,
        geometry: Geometry { size, logical_block: block(&path, size), physical_block: physical(&meta) },
        rotational: None,
        zoned: Zoned::None,
        removable: false,
        diskseq: None,
        partition: None,
        signatures: Vec::new(),
        protections: protections(world, &path, &meta),
        confirm_token: short_digest(&identity.digest()),
        identity,
        path,
    })
}

/// The image that a journal remembers, where it was. `st_dev` may change with a reboot, so path,
/// inode and size decide.
pub(super) fn at_backing(world: &World, backing: &Backing, size: Bytes) -> Option<Medium> {
    let meta = fs::metadata(&backing.path).ok()?;
    let same = meta.is_file() && meta.ino() == backing.inode.0 && meta.len() == size.0 && backing.offset.0 == 0;
    if same { medium(world, &backing.path).ok() } else { None }
}

/// The identity of an image: which file it is, and how long.
pub(super) fn identity(meta: &fs::Metadata, path: &Path) -> Identity {
    Identity {
        size: Bytes(meta.len()),
        backing: Some(Backing {
            device: Bytes(meta.dev()),
            inode: Bytes(meta.ino()),
            offset: Bytes(0),
            path: path.to_owned(),
        }),
        ..Identity::default()
    }
}

/// When the file was made that an image is, or on which a loop device stands. An inode number is used again, this is
/// not. `None` where the file system does not tell it, or the file is not found under its name.
pub fn file_born(identity: &Identity) -> Option<DateTime<Utc>> {
    let backing = identity.backing.as_ref()?;
    let meta = fs::metadata(&backing.path).ok()?;
    let is_it = meta.is_file() && meta.dev() == backing.device.0 && meta.ino() == backing.inode.0;
    is_it.then(|| meta.created().ok().map(DateTime::from)).flatten()
}

/// Why an image may not be overwritten. `O_EXCL` says nothing about regular files, so everything
/// that could use one is asked.
pub(super) fn protections(world: &World, path: &Path, meta: &fs::Metadata) -> Vec<Protection> {
    let mut reasons = Vec::new();
    if meta.len() == 0 {
        reasons.push(Protection::SizeZero);
    }
    // Root may write anything; a file that nobody may write was protected on purpose.
    if access(path, AccessFlags::W_OK).is_err() || meta.mode() & 0o222 == 0 {
        reasons.push(Protection::ReadOnly);
    }
    let is_this = |other: &Path| fs::metadata(other).is_ok_and(|m| m.dev() == meta.dev() && m.ino() == meta.ino());
    for node in loops::attached(&world.blocks) {
        match world.blocks.backing(&node.name) {
            Some(Ok(backing)) if backing.device.0 == meta.dev() && backing.inode.0 == meta.ino() => {
                reasons.push(Protection::BacksLoop { loop_device: node.path.clone() });
            }
            Some(Ok(_)) | None => {}
            // Neither the driver nor the path may be asked: at least the names are not the same.
            Some(Err(_)) if loops::backing_path(node).is_some_and(|other| other != path) => {}
            Some(Err(what)) => reasons.push(Protection::CannotTell { what: what.clone() }),
        }
    }
    match world.mounts() {
        // Some filesystems (erofs, fuse) mount a file without a loop device.
        Ok(tables) => {
            for mount in tables.all().filter(|mount| mount.source.is_absolute() && is_this(&mount.source)) {
                reasons.push(Protection::Mounted { node: path.to_owned(), mount_point: mount.mount_point.clone() });
            }
        }
        Err(what) => reasons.push(Protection::CannotTell { what: what.clone() }),
    }
    match world.swaps() {
        Ok(swaps) if swaps.iter().any(|swap| is_this(swap)) => {
            reasons.push(Protection::Swap { node: path.to_owned() });
        }
        Ok(_) => {}
        Err(what) => reasons.push(Protection::CannotTell { what: what.clone() }),
    }
    for export in world.exports.files.iter().filter(|export| is_this(&export.what)) {
        let (node, holder) = (path.to_owned(), export.holder.clone());
        reasons.push(Protection::Held { node, holder, by: export.by.to_owned() });
    }
    reasons
}

/// The unit that direct I/O needs here, 512 bytes where the filesystem does not say or the file
/// is not a multiple of it.
fn block(path: &PathBuf, size: Bytes) -> u32 {
    let needed = File::open(path).ok().and_then(|file| ioctl::direct_alignment(&file).ok()?);
    let usable = needed.and_then(SectorSize::new).filter(|block| size.0.is_multiple_of(block.bytes()));
    let block = usable.unwrap_or(SectorSize::B512).bytes();
    u32::try_from(block).unwrap_or(512)
}

fn physical(meta: &fs::Metadata) -> u32 {
    u32::try_from(meta.blksize()).unwrap_or(4096)
}
