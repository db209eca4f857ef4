//! From what somebody typed to the medium that is meant.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Roots;
use super::blocks::{DevNum, Node, attr_number};
use super::image;
use super::inventory::{
    Drive, InventoryError, ask_whether_free, confirm_tokens, drives, partition_token, read_world, skip_reason,
};
use super::protection::World;
use super::roots::Nodes;
use crate::media::{Geometry, Medium, Partition};
use crate::units::Bytes;

/// Whether a partition may be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetRule {
    /// Only whole disks and image files.
    WholeDiskOnly,
    /// A partition too (`--partition`).
    PartitionAllowed,
}

/// A target that is no medium. Nothing was opened for writing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Nothing is there.
    #[error("{}: there is no such device or file; `lastwrite drives` lists what there is", target.display())]
    NoSuchDevice {
        /// As typed.
        target: PathBuf,
    },
    /// A symbolic link to nothing.
    #[error("{}: this link leads to {}, which is not there; is the drive connected?", target.display(), to.display())]
    DanglingLink {
        /// As typed.
        target: PathBuf,
        /// Where it leads.
        to: PathBuf,
    },
    /// A folder.
    #[error(
        "{}: this is a directory; name the drive it is on (`findmnt -T {}`) or one image file", 
        target.display(), target.display()
    )]
    Directory {
        /// As typed.
        target: PathBuf,
    },
    /// A character device.
    #[error("{}: this is a character device, not a drive{hint}", target.display())]
    CharacterDevice {
        /// As typed.
        target: PathBuf,
        /// What was probably meant, with its separator.
        hint: String,
    },
    /// A pipe or socket.
    #[error("{}: this is neither a block device nor a file", target.display())]
    Special {
        /// As typed.
        target: PathBuf,
    },
    /// A partition where only whole disks are allowed.
    #[error(
        "{}: this is partition {number} of {}; wiping it would leave the rest of the drive. \
         Name {} or, if only the partition is meant, add --partition",
        target.display(), disk.display(), disk.display()
    )]
    IsPartition {
        /// As typed.
        target: PathBuf,
        /// Partition number.
        number: u32,
        /// Its disk.
        disk: PathBuf,
    },
    /// A block device that is no drive.
    #[error("{}: this is {what}", target.display())]
    NotADrive {
        /// As typed.
        target: PathBuf,
        /// What it is, and what to do.
        what: String,
    },
    /// The node has no block device in sysfs.
    #[error("{}: the kernel knows no block device {number} behind this node; is the drive still connected?", target.display())]
    UnknownBlockDevice {
        /// As typed.
        target: PathBuf,
        /// `8:0`.
        number: String,
    },
    /// It could not be looked at.
    #[error("{}: it could not be looked at: {source}", target.display())]
    Unreadable {
        /// As typed.
        target: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The host's block devices could not be listed.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

/// The medium a target names: a block device node, a link to one, or an image file. Its
/// protections are filled in; a protected medium is no error here.
pub fn resolve(roots: &Roots, target: &Path, allow: TargetRule) -> Result<Medium, ResolveError> {
    let one = resolve_all(roots, &[target], allow)?.pop();
    one.unwrap_or_else(|| Err(ResolveError::NoSuchDevice { target: target.to_owned() }))
}

/// [`resolve`] for many targets with one look at the host; results in the order of the targets.
pub fn resolve_all<P: AsRef<Path>>(
    roots: &Roots,
    targets: &[P],
    allow: TargetRule,
) -> Result<Vec<Result<Medium, ResolveError>>, InventoryError> {
    let world = read_world(roots)?;
    let drives = drives(&world);
    let tokens = confirm_tokens(&drives);
    let view = View { world: &world, drives: &drives, tokens: &tokens, allow };
    let mut results: Vec<_> = targets.iter().map(|target| view.resolve(target.as_ref())).collect();
    let mut media: Vec<Medium> = results.iter().filter_map(|result| result.as_ref().ok().cloned()).collect();
    ask_whether_free(roots, &mut media);
    for (result, medium) in results.iter_mut().filter(|result| result.is_ok()).zip(media) {
        *result = Ok(medium);
    }
    Ok(results)
}

/// The host at one moment.
struct View<'a> {
    world: &'a World<'a>,
    drives: &'a [Drive<'a>],
    tokens: &'a [String],
    allow: TargetRule,
}

impl View<'_> {
    fn resolve(&self, target: &Path) -> Result<Medium, ResolveError> {
        let named = || target.to_owned();
        if self.world.roots.nodes == Nodes::Recorded {
            let node = self.world.blocks.by_path(self.world.roots, target);
            return self.block(node.ok_or_else(|| ResolveError::NoSuchDevice { target: named() })?, target);
        }
        let meta = fs::metadata(target).map_err(|source| match (source.kind(), fs::read_link(target)) {
            (io::ErrorKind::NotFound, Ok(to)) => ResolveError::DanglingLink { target: named(), to },
            (io::ErrorKind::NotFound, Err(_)) => ResolveError::NoSuchDevice { target: named() },
            _ => ResolveError::Unreadable { target: named(), source },
        })?;
        let kind = meta.file_type();
        if kind.is_dir() {
            Err(ResolveError::Directory { target: named() })
        } else if kind.is_char_device() {
            Err(ResolveError::CharacterDevice { target: named(), hint: character_hint(target) })
        } else if kind.is_block_device() {
            let number = DevNum::from_raw(meta.rdev());
            let unknown = || ResolveError::UnknownBlockDevice { target: named(), number: number.to_string() };
            self.block(self.world.blocks.by_number(number).ok_or_else(unknown)?, target)
        } else if kind.is_file() {
            image::medium(self.world, target).map_err(|source| ResolveError::Unreadable { target: named(), source })
        } else {
            Err(ResolveError::Special { target: named() })
        }
    }

    fn block(&self, node: &Node, target: &Path) -> Result<Medium, ResolveError> {
        let named = || target.to_owned();
        let gone = || ResolveError::UnknownBlockDevice { target: named(), number: node.number.to_string() };
        let not_a_drive = |what: &str| ResolveError::NotADrive { target: named(), what: what.to_owned() };
        let disk = self.world.blocks.disk_of(node).ok_or_else(gone)?;
        if let Some(what) = skip_reason(disk) {
            return Err(not_a_drive(what));
        }
        let (drive, token) = self
            .drives
            .iter()
            .zip(self.tokens)
            .find(|(drive, _)| drive.nodes().any(|node| node.name == disk.name))
            .ok_or_else(|| not_a_drive("a device that nothing is attached to"))?;
        match &node.partition {
            None => Ok(drive.medium(self.world, self.drives, token.clone())),
            Some(_) if self.allow == TargetRule::PartitionAllowed => {
                partition_of(self.world, self.drives, drive, node).ok_or_else(gone)
            }
            Some(facts) => {
                let disk = disk.path.clone();
                Err(ResolveError::IsPartition { target: named(), number: facts.number, disk })
            }
        }
    }
}

/// A partition as a medium: its disk's names, its own place, size and use. `None` when `node` is
/// no partition.
pub(super) fn partition_of(world: &World, drives: &[Drive], drive: &Drive, node: &Node) -> Option<Medium> {
    let place = node.partition.as_ref()?;
    let disk = world.blocks.get(&place.disk)?;
    let mut facts = drive.facts.clone();
    let size = match attr_number(&node.dir, "size").and_then(|units| units.checked_mul(512)) {
        Some(size) => Bytes(size),
        None => {
            facts.unreadable.push(format!("the size of {} could not be read", node.path.display()));
            Bytes(0)
        }
    };
    facts.identity.size = size;
    facts.identity.unit = Some(partition_unit(place.number, place.start));
    facts.geometry = Geometry { size, ..facts.geometry };
    match attr_number(&node.dir, "ro") {
        Some(read_only) => facts.read_only |= read_only != 0,
        None => facts.unreadable.push(format!("ro of {} could not be read", node.path.display())),
    }
    let nodes: Vec<&Node> = std::iter::once(node).chain(world.blocks.overlapping(node)).collect();
    let signatures = world.signatures(&nodes);
    let protections = drive.against(world, drives, node, &facts, &signatures);
    Some(Medium {
        path: node.path.clone(),
        other_paths: drive.other_paths(world, node).paths(),
        confirm_token: partition_token(world, drives, drive, &facts.identity),
        identity: facts.identity,
        transport: facts.transport,
        kind: facts.kind,
        class: facts.class,
        geometry: facts.geometry,
        rotational: facts.rotational,
        zoned: facts.zoned,
        removable: facts.removable,
        // That of the path it was named by: another one has a number of its own.
        diskseq: attr_number(&disk.dir, "diskseq").map(Bytes),
        partition: Some(Partition { number: place.number, disk: disk.path.clone(), start: Bytes(place.start) }),
        signatures,
        protections,
    })
}

/// How an identity names a partition: a moved partition is another one.
pub(super) fn partition_unit(number: u32, start: u64) -> String {
    format!("partition {number} at {start}")
}

fn character_hint(target: &Path) -> String {
    let name = target.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let rest = name.strip_prefix("nvme").unwrap_or_default();
    if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) {
        return format!("; it is the controller, its first namespace is {}n1", target.display());
    }
    match name {
        _ if name.starts_with("sg") || name.starts_with("bsg") => "; name the disk (/dev/sd...) instead".to_owned(),
        _ if name.starts_with("st") || name.starts_with("nst") => "; tapes are not supported".to_owned(),
        _ => String::new(),
    }
}
