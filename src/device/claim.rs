//! Holding a medium: opened exclusively, locked, and known to be the one that was meant.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg, PosixFadviseAdvice, posix_fadvise};
use nix::libc;

use super::Roots;
use super::blocks::{DevNum, Node, attr_number};
use super::claim_error::{ClaimError, IdentityChanged};
use super::facts::DiskFacts;
use super::force_ro;
use super::image;
use super::inventory::{Drive, drives, read_world};
use super::lock::{PAUSE, TRIES, lock, lock_range};
use super::loops;
use super::neighbours::{Writers, alike, ask_ranges, hold_around, nodes_of};
use super::paths::drive_of;
use super::protection::{World, openers};
use super::resolve::partition_unit;
use crate::media::{Backing, Difference, Identity, Medium, MediumClass, Protection};
use crate::sys::ioctl;
use crate::units::Bytes;

/// What the medium is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimMode {
    /// To overwrite it.
    Write,
    /// To read it back (`verify-media`); a write-protected medium is allowed.
    Read,
}

/// A medium that is held until this is dropped. Block devices: `O_EXCL`, `O_DIRECT`, and an
/// exclusive `flock` on the whole disk, on every path to it, and on partitions that overlap it. Image
/// files: `flock` and an open file description lock over the whole file.
#[derive(Debug)]
pub struct Claim {
    file: Flock<File>,
    direct: bool,
    /// The partition's disk, partitions that overlap it, the medium's other paths. Held, and flushed with the medium.
    guards: Vec<Arc<Flock<File>>>,
    roots: Roots,
    medium: Medium,
    /// It is read-only by the kernel's switch alone, and was when it was claimed.
    forced_read_only: bool,
}

/// Opens and locks a medium, and checks through the open descriptor that it is the one `medium`
/// describes, and with the lock held that nothing stands against it: a loop device may have been
/// attached since it was resolved. Blocks as long as the driver does.
pub fn claim(roots: &Roots, medium: &Medium, mode: ClaimMode) -> Result<Claim, ClaimError> {
    let held = hold(roots, medium, mode)?;
    judge_one(roots, held)
}

/// Holds a drive that shows no capacity because a password of ours locks it, so that this can be taken
/// off. That it has no capacity is all that may stand against it.
pub fn claim_locked(roots: &Roots, medium: &Medium) -> Result<Claim, ClaimError> {
    let claim = hold_device(roots, medium, ClaimMode::Write)?;
    let world = read_world(roots)?;
    let mut reasons = device_protections(&world, &drives(&world), &claim.file, &claim.medium)?;
    reasons.retain(|reason| !reason.is_lack_of_capacity());
    refuse_protected(medium, reasons, ClaimMode::Write)?;
    Ok(claim)
}

/// The first half of [`claim`]: all but the question whether something stands against it.
pub fn hold(roots: &Roots, medium: &Medium, mode: ClaimMode) -> Result<Held, ClaimError> {
    let claim = match medium.class {
        MediumClass::Image => hold_image(roots, medium, mode),
        MediumClass::Physical | MediumClass::Virtual => hold_device(roots, medium, mode),
    }?;
    Ok(Held { claim, mode })
}

/// The second half, for any number of media with one look at the host and one at its processes. It comes
/// after all of them are held, so what it finds is as they are now.
pub fn judge(roots: &Roots, held: Vec<Held>) -> Vec<Result<Claim, ClaimError>> {
    let Ok(world) = read_world(roots) else {
        return held.into_iter().map(|held| judge_one(roots, held)).collect();
    };
    let drives = drives(&world);
    let nodes: Vec<&Node> = held.iter().flat_map(|held| held.looked_at(&world, &drives)).collect();
    let writers = Writers::find(roots, &nodes);
    held.into_iter().map(|held| held.judge(&world, &drives, &writers)).collect()
}

fn judge_one(roots: &Roots, held: Held) -> Result<Claim, ClaimError> {
    let world = read_world(roots)?;
    let drives = drives(&world);
    let writers = Writers::find(roots, &held.looked_at(&world, &drives));
    held.judge(&world, &drives, &writers)
}

/// A medium that is open, locked and the one that was meant, but perhaps protected. Nothing but
/// [`judge`] gives access to it.
#[derive(Debug)]
pub struct Held {
    claim: Claim,
    mode: ClaimMode,
}

impl Held {
    /// [`Claim::check_caches`].
    pub fn check_caches(&self) -> Result<(), ClaimError> {
        self.claim.check_caches()
    }

    /// What reaches the medium's bytes; nothing for an image.
    fn nodes<'a>(&self, world: &'a World) -> Vec<&'a Node> {
        match (self.claim.medium.class, rdev(&self.claim.file)) {
            (MediumClass::Image, _) | (_, Err(_)) => Vec::new(),
            (_, Ok(number)) => nodes_of(world, number, &self.claim.medium),
        }
    }

    fn alike<'a>(&self, world: &'a World, drives: &[Drive]) -> Vec<(Vec<&'a Node>, Protection)> {
        rdev(&self.claim.file).map_or_else(|_| Vec::new(), |number| alike(world, drives, number))
    }

    /// Of which it is asked who writes to them.
    fn looked_at<'a>(&self, world: &'a World, drives: &[Drive]) -> Vec<&'a Node> {
        let alike = self.alike(world, drives).into_iter().flat_map(|(nodes, _)| nodes);
        self.nodes(world).into_iter().chain(alike).collect()
    }

    fn judge(self, world: &World, drives: &[Drive], writers: &Writers) -> Result<Claim, ClaimError> {
        let (nodes, alike) = (self.nodes(world), self.alike(world, drives));
        let Held { claim, mode } = self;
        let medium = &claim.medium;
        let reasons = match medium.class {
            MediumClass::Image => {
                let meta = claim.file.metadata().map_err(|source| io_error(&medium.path, "looked at", source))?;
                image::protections(world, &medium.path, &meta)
            }
            MediumClass::Physical | MediumClass::Virtual => {
                let mut reasons = device_protections(world, drives, &claim.file, medium)?;
                reasons.extend(writers.of(&nodes));
                let used = alike.into_iter().filter(|(nodes, _)| !writers.of(nodes).is_empty());
                reasons.extend(used.map(|(_, perhaps)| perhaps));
                reasons
            }
        };
        refuse_protected(medium, reasons, mode)?;
        if let Ok(own) = rdev(&claim.file) {
            ask_ranges(&claim.roots, &nodes, own, mode)?;
        }
        Ok(claim)
    }
}

impl Claim {
    /// The open descriptor. All I/O goes through it, never through the path.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether the descriptor is `O_DIRECT`.
    pub fn direct(&self) -> bool {
        self.direct
    }

    /// The medium as it was when it was claimed.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// A boot partition of an eMMC that the kernel made read-only, and nobody else: [`Claim::set_force_ro`]
    /// clears that. Until then nothing can be written to it.
    pub fn is_forced_read_only(&self) -> bool {
        self.forced_read_only
    }

    /// Sets or clears the kernel's switch; `Err` also where the node did not follow.
    pub fn set_force_ro(&self, on: bool) -> io::Result<()> {
        let number = rdev(&self.file).map_err(io::Error::other)?;
        force_ro::set(&self.roots, number, on)
    }

    /// Reads the identity again, through the open descriptor. What cannot be read any more differs.
    pub fn check_identity(&self) -> Result<(), IdentityChanged> {
        let differences = match self.medium.class {
            MediumClass::Image => image_differences(&self.file, &self.medium),
            MediumClass::Physical | MediumClass::Virtual => device_differences(&self.roots, &self.file, &self.medium),
        };
        match differences.is_empty() {
            true => Ok(()),
            false => Err(IdentityChanged { path: self.medium.path.clone(), differences }),
        }
    }

    /// Why the device is no longer attached, in words; `None` while it is. A kernel lets requests to a
    /// device that was pulled fail with all sorts of errors, so it is asked.
    pub fn gone(&self) -> Option<String> {
        if self.medium.class == MediumClass::Image {
            return None;
        }
        let attached = rdev(&self.file).and_then(|number| sysfs_nodes(&self.roots, number));
        match (attached, ioctl::size(self.file.as_ref_file())) {
            (Err(why), _) => Some(why),
            (Ok(_), Ok(0)) => Some("its size is zero now".to_owned()),
            (Ok(_), _) => None,
        }
    }

    /// Writes back and drops what the kernel has cached of the medium, so that the next read comes
    /// from it. Device nodes need `CAP_SYS_ADMIN` for that.
    pub fn drop_caches(&self) -> io::Result<()> {
        if self.medium.class == MediumClass::Image {
            return drop_file_cache(&self.file);
        }
        self.file_with_cache()?.map_or(Ok(()), |file| drop_file_cache(&file))
    }

    /// Refuses a medium of which [`Claim::drop_caches`] would fail, before anything is written to it.
    pub fn check_caches(&self) -> Result<(), ClaimError> {
        let asked = if self.medium.class == MediumClass::Image { Ok(None) } else { self.file_with_cache() };
        asked.map(drop).map_err(|source| ClaimError::Cache { path: self.medium.path.clone(), source })
    }

    /// The file through whose cache a loop device reads; the cache of the device itself is dropped.
    fn file_with_cache(&self) -> io::Result<Option<File>> {
        ioctl::flush_buffers(self.file.as_ref_file())?;
        for guard in &self.guards {
            ioctl::flush_buffers(guard.as_ref_file())?;
        }
        // A loop device without direct I/O reads through the cache of its backing file.
        let Some(backing) = &self.medium.identity.backing else { return Ok(None) };
        match File::open(&backing.path) {
            Ok(file) if file.metadata().is_ok_and(|m| m.ino() == backing.inode.0 && m.dev() == backing.device.0) => {
                Ok(Some(file))
            }
            _ if self.loop_is_direct() => Ok(None),
            _ => Err(io::Error::other(format!(
                "the file behind the loop device, {}, is not there any more, and the device reads through its cache",
                backing.path.display()
            ))),
        }
    }

    /// The kernel says that the loop device passes its backing file's cache by.
    fn loop_is_direct(&self) -> bool {
        let disk = rdev(&self.file).and_then(|number| sysfs_dir(&self.roots, number)).map(|dir| match dir.parent() {
            Some(disk) if attr_number(&dir, "partition").is_some() => disk.to_owned(),
            _ => dir,
        });
        disk.is_ok_and(|disk| attr_number(&disk, "loop/dio") == Some(1))
    }
}

/// `Flock` derefs to the file; this only names it where inference needs help.
trait AsRefFile {
    fn as_ref_file(&self) -> &File;
}

impl AsRefFile for Flock<File> {
    fn as_ref_file(&self) -> &File {
        self
    }
}

fn hold_device(roots: &Roots, medium: &Medium, mode: ClaimMode) -> Result<Claim, ClaimError> {
    let path = roots.on_host(&medium.path);
    let flags = libc::O_EXCL | libc::O_DIRECT | libc::O_CLOEXEC;
    let file = open(&path, flags, mode)?;
    let meta = file.metadata().map_err(|source| io_error(&path, "looked at", source))?;
    if !meta.file_type().is_block_device() {
        return Err(changed(medium, vec![difference("node", "block device", "something else")]).into());
    }
    let file = lock(file, &path, FlockArg::LockExclusiveNonblock)?;
    lock_range(&file, &path, mode)?;
    let around = |file: &File| -> Result<Vec<Arc<Flock<File>>>, ClaimError> {
        let nodes = rdev(file).and_then(|number| sysfs_nodes(roots, number));
        let (node, disk) = nodes.map_err(|why| changed(medium, vec![difference("device", "present", &why)]))?;
        if node.partition.is_some() { hold_around(roots, &node, &disk) } else { Ok(Vec::new()) }
    };
    let mut guards = around(&file)?;
    for other in &medium.other_paths {
        let other = roots.on_host(other);
        let file = open(&other, libc::O_EXCL | libc::O_CLOEXEC, ClaimMode::Read)?;
        let file = lock(file, &other, FlockArg::LockExclusiveNonblock)?;
        guards.extend(around(&file)?);
        guards.push(Arc::new(file));
    }
    let differences = device_differences(roots, &file, medium);
    if !differences.is_empty() {
        return Err(changed(medium, differences).into());
    }
    let is_read_only =
        ioctl::is_read_only(file.as_ref_file()).map_err(|source| io_error(&path, "looked at", source))?;
    let forced_read_only = is_read_only
        && rdev(&file)
            .and_then(|number| sysfs_nodes(roots, number))
            .is_ok_and(|(node, _)| force_ro::is_all(&node.dir, &node.name));
    if mode == ClaimMode::Write && is_read_only && !forced_read_only {
        return Err(ClaimError::ReadOnly { path });
    }
    let (roots, medium) = (roots.clone(), medium.clone());
    Ok(Claim { file, direct: true, guards, roots, medium, forced_read_only })
}

fn hold_image(roots: &Roots, medium: &Medium, mode: ClaimMode) -> Result<Claim, ClaimError> {
    let path = &medium.path;
    let unit = u64::from(medium.geometry.logical_block);
    let aligned = medium.identity.size.0.is_multiple_of(512) && unit > 0 && medium.identity.size.0.is_multiple_of(unit);
    let (file, direct) = match aligned.then(|| open_raw(path, libc::O_DIRECT | libc::O_CLOEXEC, mode)) {
        Some(Ok(file)) => {
            let needed = ioctl::direct_alignment(&file).ok().flatten();
            // 0 says that the filesystem takes the flag and buffers all the same.
            let fits = needed.is_none_or(|needed| needed != 0 && u64::from(needed) <= unit);
            if fits { (file, true) } else { (open(path, libc::O_CLOEXEC, mode)?, false) }
        }
        _ => (open(path, libc::O_CLOEXEC, mode)?, false),
    };
    let meta = file.metadata().map_err(|source| io_error(path, "looked at", source))?;
    if !meta.is_file() {
        return Err(changed(medium, vec![difference("file", "regular file", "something else")]).into());
    }
    let how = match mode {
        ClaimMode::Write => FlockArg::LockExclusiveNonblock,
        ClaimMode::Read => FlockArg::LockSharedNonblock,
    };
    let file = lock(file, path, how)?;
    lock_range(&file, path, mode)?;
    let differences = image_differences(&file, medium);
    if !differences.is_empty() {
        return Err(changed(medium, differences).into());
    }
    let (roots, medium, forced_read_only) = (roots.clone(), medium.clone(), false);
    Ok(Claim { file, direct, guards: Vec::new(), roots, medium, forced_read_only })
}

/// Everything that is different about the device behind the descriptor.
fn device_differences(roots: &Roots, file: &File, medium: &Medium) -> Vec<Difference> {
    let now = match device_identity(roots, file, medium) {
        Ok(now) => now,
        Err(why) => return vec![difference("device", "present", &why)],
    };
    let mut differences = medium.identity.differences(&now);
    let diskseq = ioctl::disk_sequence(file).ok().map(Bytes);
    // A kernel that does not know the number did not know it before either.
    if medium.diskseq.is_some() && medium.diskseq != diskseq {
        let text = |seq: Option<Bytes>| seq.map_or_else(|| "unreadable".to_owned(), |seq| seq.to_string());
        differences.push(difference("disk sequence number", &text(medium.diskseq), &text(diskseq)));
    }
    differences
}

fn device_identity(roots: &Roots, file: &File, medium: &Medium) -> Result<Identity, String> {
    let number = rdev(file)?;
    let size = ioctl::size(file).map_err(|error| format!("its size is unreadable: {error}"))?;
    let (node, disk) = sysfs_nodes(roots, number)?;
    let facts = DiskFacts::read(roots, &disk);
    let mut identity = facts.identity;
    identity.size = Bytes(size);
    if let Some(place) = &node.partition {
        identity.unit = Some(partition_unit(place.number, place.start));
    }
    if medium.partition.is_some() {
        // Only the loop device itself can be asked, and the disk sequence number covers it.
        identity.backing = medium.identity.backing.clone();
    } else if medium.identity.backing.is_some() {
        let status = ioctl::loop_status(file).map_err(|error| format!("its backing file is unknown: {error}"))?;
        identity.backing = Some(Backing {
            device: Bytes(status.device),
            inode: Bytes(status.inode),
            offset: Bytes(status.offset),
            path: loops::backing_path(&disk).unwrap_or_default(),
        });
    }
    Ok(identity)
}

/// The protections as they are now that the device is held.
fn device_protections(
    world: &World,
    drives: &[Drive],
    file: &File,
    medium: &Medium,
) -> Result<Vec<Protection>, ClaimError> {
    let gone = || changed(medium, vec![difference("device", "present", "gone")]);
    let node = rdev(file).ok().and_then(|number| world.blocks.by_number(number)).ok_or_else(gone)?;
    let (disk, drive) = world.blocks.disk_of(node).zip(drive_of(world, drives, node)).ok_or_else(gone)?;
    // What is held is what was reached then: by another name now it is another drive, and the path is held by nobody.
    if let Some(difference) = drive.other_paths(world, node).difference(&medium.other_paths) {
        return Err(changed(medium, vec![difference]).into());
    }
    let mut facts = DiskFacts::read(world.roots, disk);
    facts.geometry.size = medium.geometry.size;
    facts.identity.backing = medium.identity.backing.clone();
    Ok(drive.against(world, drives, node, &facts, &medium.signatures))
}

/// The open file is what is overwritten; what stands under its name by now is what people mean.
fn image_differences(file: &File, medium: &Medium) -> Vec<Difference> {
    let difference_of = |meta: io::Result<fs::Metadata>| match meta {
        Ok(meta) => medium.identity.differences(&image::identity(&meta, &medium.path)),
        Err(error) => vec![difference("file", "readable", &error.to_string())],
    };
    let open = difference_of(file.metadata());
    if open.is_empty() { difference_of(fs::metadata(&medium.path)) } else { open }
}

/// The node behind a device number, and its whole disk.
fn sysfs_nodes(roots: &Roots, number: DevNum) -> Result<(Node, Node), String> {
    let dir = sysfs_dir(roots, number)?;
    let name = |dir: &Path| dir.file_name().and_then(|name| name.to_str()).map(str::to_owned).unwrap_or_default();
    let read = |dir: &Path, disk: Option<&str>| {
        Node::read(dir, &name(dir), disk)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| "gone from sysfs".to_owned())
    };
    if attr_number(&dir, "partition").is_none() {
        let disk = read(&dir, None)?;
        return Ok((disk.clone(), disk));
    }
    let above = dir.parent().ok_or_else(|| "gone from sysfs".to_owned())?;
    let disk = read(above, None)?;
    Ok((read(&dir, Some(&disk.name))?, disk))
}

fn sysfs_dir(roots: &Roots, number: DevNum) -> Result<PathBuf, String> {
    let link = roots.sys.join("dev/block").join(number.to_string());
    fs::canonicalize(&link).map_err(|error| format!("gone from sysfs: {error}"))
}

fn rdev(file: &File) -> Result<DevNum, String> {
    file.metadata().map(|meta| DevNum::from_raw(meta.rdev())).map_err(|error| error.to_string())
}

fn refuse_protected(medium: &Medium, mut reasons: Vec<Protection>, mode: ClaimMode) -> Result<(), ClaimError> {
    if mode == ClaimMode::Read {
        reasons.retain(|reason| *reason != Protection::ReadOnly);
    }
    match reasons.is_empty() {
        true => Ok(()),
        false => Err(ClaimError::Protected { path: medium.path.clone(), reasons }),
    }
}

fn open_raw(path: &Path, flags: i32, mode: ClaimMode) -> io::Result<File> {
    OpenOptions::new().read(true).write(mode == ClaimMode::Write).custom_flags(flags).open(path)
}

pub(super) fn open(path: &Path, flags: i32, mode: ClaimMode) -> Result<File, ClaimError> {
    let mut tries = 0;
    loop {
        let error = match open_raw(path, flags, mode) {
            Ok(file) => return Ok(file),
            Err(error) => error,
        };
        tries += 1;
        match error.raw_os_error() {
            Some(libc::EBUSY) if tries < TRIES => std::thread::sleep(PAUSE),
            Some(libc::EINTR) => {}
            _ => return Err(open_error(path, error)),
        }
    }
}

fn open_error(path: &Path, source: io::Error) -> ClaimError {
    let path = path.to_owned();
    match source.raw_os_error() {
        Some(libc::EBUSY | libc::ETXTBSY) => ClaimError::Busy { by: openers(&path), path },
        Some(libc::EACCES | libc::EPERM) => ClaimError::Permission { path, source },
        Some(libc::EROFS) => ClaimError::ReadOnly { path },
        Some(libc::ENOMEDIUM) => ClaimError::NoMedium { path },
        Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => ClaimError::Gone { path, source },
        _ => ClaimError::Io { path, doing: "opened", source },
    }
}

fn drop_file_cache(file: &File) -> io::Result<()> {
    // Only clean pages are dropped.
    file.sync_data()?;
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}

pub(super) fn io_error(path: &Path, doing: &'static str, source: io::Error) -> ClaimError {
    ClaimError::Io { path: path.to_owned(), doing, source }
}

fn changed(medium: &Medium, differences: Vec<Difference>) -> IdentityChanged {
    IdentityChanged { path: medium.path.clone(), differences }
}

fn difference(field: &str, before: &str, now: &str) -> Difference {
    Difference { field: field.to_owned(), before: before.to_owned(), now: now.to_owned() }
}
