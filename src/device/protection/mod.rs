//! Why a disk may not be wiped. Evidence of use protects; a signature alone is information; a
//! deciding fact that cannot be read protects too.

mod exclusive;
mod exports;
mod holders;
pub(crate) mod mounts;
mod signature;
mod system;
mod tables;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::Roots;
use super::blocks::{Blocks, Node, attr_number, list};
use super::facts::DiskFacts;
use super::force_ro;
use super::loops;
use super::patience::each_in_time;
use super::roots::Nodes;
use super::udev::Properties;
use crate::media::{Protection, Signature, Transport};
use crate::units::SectorSize;

pub(crate) use exclusive::{Answer, ask_all, openers, writers};
use exports::Exports;
pub(crate) use holders::is_multipath;
use mounts::MountTables;
use signature::Found;
use system::{BtrfsFilesystem, SystemMedia};

/// At most so many mount points are listed for one node; a container host has hundreds.
const MOUNT_POINTS_SHOWN: usize = 8;

/// A sleeping or failing drive would take longer to give away what is written on it.
const PATIENCE_TO_READ: std::time::Duration = std::time::Duration::from_secs(1);

/// Everything that shows which disks are in use, read once.
pub(crate) struct World<'a> {
    pub roots: &'a Roots,
    pub blocks: Blocks,
    mounts: Result<MountTables, String>,
    swaps: Result<Vec<PathBuf>, String>,
    btrfs: Vec<BtrfsFilesystem>,
    /// Imported ZFS pools (`/proc/spl/kstat/zfs/POOL`).
    pools: Result<Vec<String>, String>,
    /// What the kernel hands on to virtual machines and other hosts.
    pub exports: Exports,
    system: SystemMedia,
}

/// How much of a disk is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    WholeDisk,
    /// Only what the one partition carries, and what shares its bytes.
    Partition,
}

impl<'a> World<'a> {
    pub fn read(roots: &'a Roots) -> io::Result<World<'a>> {
        let blocks = Blocks::read(roots)?;
        let mut world = World {
            roots,
            exports: Exports::read(roots, &blocks),
            blocks,
            mounts: MountTables::read(roots),
            swaps: mounts::swaps(roots),
            btrfs: system::btrfs(&roots.sys),
            pools: imported_pools(roots),
            system: SystemMedia::default(),
        };
        world.system = SystemMedia::find(&world);
        Ok(world)
    }

    pub fn mounts(&self) -> Result<&MountTables, &String> {
        self.mounts.as_ref()
    }

    pub fn swaps(&self) -> Result<&[PathBuf], &String> {
        self.swaps.as_deref()
    }

    /// What is written on a node, by udev or by its superblocks.
    fn signature(&self, node: &Node) -> Option<Signature> {
        self.signatures_of(&[node]).pop()
    }

    /// Signatures of disks and their partitions; information, so a drive that cannot be read in
    /// time just has none.
    pub fn signatures(&self, bases: &[&Node]) -> Vec<Signature> {
        let parts = |base: &Node| base.partitions.iter().filter_map(|name| self.blocks.get(name)).collect::<Vec<_>>();
        let nodes: Vec<&Node> = bases.iter().flat_map(|base| std::iter::once(*base).chain(parts(base))).collect();
        self.signatures_of(&nodes)
    }

    fn signatures_of(&self, nodes: &[&Node]) -> Vec<Signature> {
        let in_database = nodes.iter().filter_map(|node| {
            let udev = Properties::of(self.roots, node);
            let of = udev.get("ID_FS_TYPE")?.to_owned();
            let label = udev.decoded("ID_FS_LABEL_ENC").or_else(|| udev.get("ID_FS_LABEL").map(str::to_owned));
            Some(Signature { node: node.path.clone(), of, label })
        });
        let read = self.superblocks(nodes).into_iter().map(|(node, found)| {
            let Found { of, label, .. } = found;
            Signature { node, of: of.to_owned(), label }
        });
        in_database.chain(read).collect()
    }

    /// The superblocks of the nodes that udev has not looked at, read here.
    fn superblocks(&self, nodes: &[&Node]) -> Vec<(PathBuf, Found)> {
        let unread = nodes.iter().filter(|node| !Properties::of(self.roots, node).probed());
        let places: Vec<(PathBuf, PathBuf, u64)> = unread
            .filter_map(|node| {
                let here = self.roots.on_host(&node.path);
                let size = match self.roots.nodes {
                    Nodes::Live => attr_number(&node.dir, "size")?.checked_mul(512)?,
                    Nodes::Recorded => fs::metadata(&here).ok()?.len(),
                };
                (size > 0).then(|| (node.path.clone(), here, size))
            })
            .collect();
        let read = each_in_time(places.clone(), PATIENCE_TO_READ, |(_, here, size)| {
            signature::probe_path(here, *size).ok().flatten()
        });
        read.into_iter().zip(places).filter_map(|(found, (node, _, _))| Some((node, found??))).collect()
    }

    /// What can be told without opening the device exclusively.
    pub fn protections(
        &self,
        base: &Node,
        scope: Scope,
        facts: &DiskFacts,
        signatures: &[Signature],
    ) -> Vec<Protection> {
        let mut reasons = hardware(facts);
        let (mut nodes, mut held) = holders::stack(&self.blocks, base);
        for other in self.loops_on_the_same_file(base, facts).into_iter().chain(self.loops_on_its_disk(base)) {
            reasons.push(Protection::BacksLoop { loop_device: other.path.clone() });
            let (more_nodes, more_held) = holders::stack(&self.blocks, other);
            nodes.extend(more_nodes);
            held.extend(more_held);
        }
        let (of_disk, on_disk) = holders::around(&self.blocks, base);
        nodes.extend(of_disk);
        held.extend(on_disk);
        let carried = tables::carried(&self.blocks, base, facts.geometry.logical_block);
        if !carried.is_empty() {
            let partitions = carried.into_iter().map(|node| node.path.clone()).collect();
            reasons.push(Protection::CarriesTable { partitions });
        }
        if let Some(chain) = self.system_chain(base, scope).or_else(|| self.system_card(base)) {
            reasons.push(Protection::SystemMedium { chain });
        }
        self.mounted(&nodes, &mut reasons);
        self.swapping(&nodes, &mut reasons);
        for held in held {
            let node = held.node.path.clone();
            reasons.push(match self.blocks.get(&held.holder).filter(|holder| loops::is_attached(holder)) {
                Some(holder) => Protection::BacksLoop { loop_device: holder.path.clone() },
                None => Protection::Held { node, holder: held.holder, by: held.by },
            });
        }
        for export in &self.exports.nodes {
            for node in nodes.iter().filter(|node| node.name == export.what) {
                let (node, holder) = (node.path.clone(), export.holder.clone());
                reasons.push(Protection::Held { node, holder, by: export.by.to_owned() });
            }
        }
        self.members(&nodes, signatures, &mut reasons);
        let unreadable = nodes.iter().filter_map(|node| node.unreadable.as_ref());
        let unknown = unreadable.chain(self.blocks.unknown()).chain(&self.exports.unknown);
        reasons
            .extend(facts.unreadable.iter().chain(unknown).map(|what| Protection::CannotTell { what: what.clone() }));
        let mut seen = BTreeSet::new();
        reasons.retain(|reason| seen.insert(format!("{reason:?}")));
        reasons
    }

    /// What is written to one of them is written to all.
    fn loops_on_the_same_file(&self, base: &Node, facts: &DiskFacts) -> Vec<&Node> {
        let Some(own) = &facts.identity.backing else { return Vec::new() };
        let disk = self.blocks.disk_of(base).map_or(&base.name, |disk| &disk.name);
        loops::attached(&self.blocks)
            .filter(|other| other.name != *disk)
            .filter(|other| {
                let backing = self.blocks.backing(&other.name);
                backing.is_some_and(|backing| backing.is_ok_and(|backing| loops::share_a_file(own, backing)))
            })
            .collect()
    }

    /// A loop device on a partition's disk reaches the partition as well. The kernel does not claim the disk for it,
    /// so the partition can still be opened exclusively.
    fn loops_on_its_disk(&self, base: &Node) -> Vec<&Node> {
        let disk = base.partition.as_ref().and_then(|facts| self.blocks.get(&facts.disk));
        let holders = disk.into_iter().flat_map(|disk| &disk.holders).filter_map(|name| self.blocks.get(name));
        holders.filter(|holder| loops::is_attached(holder)).collect()
    }

    fn system_chain(&self, base: &Node, scope: Scope) -> Option<String> {
        let overlapping = self.blocks.overlapping(base).map(|node| &node.name);
        let names = std::iter::once(&base.name).chain(base.partitions.iter()).chain(overlapping);
        let own = names.filter_map(|name| self.system.chain(name)).next().map(str::to_owned);
        match (scope, &base.partition) {
            // A system on the bare disk lies under every partition of it.
            (Scope::Partition, Some(facts)) => own.or_else(|| {
                let disk = self.blocks.get(&facts.disk)?;
                let by_partition = disk.partitions.iter().any(|name| self.system.chain(name).is_some());
                self.system.chain(&disk.name).filter(|_| !by_partition).map(str::to_owned)
            }),
            _ => own,
        }
    }

    /// A machine whose system lies in the main area of a card starts from the card's boot partitions.
    fn system_card(&self, area: &Node) -> Option<String> {
        force_ro::unit(&area.name).filter(|_| area.partition.is_none())?;
        let main = area.dir.parent()?.file_name()?.to_str()?;
        let chain = self.system_chain(self.blocks.get(main)?, Scope::WholeDisk)?;
        Some(format!("{chain}, the same card as {}", area.name))
    }

    fn mounted(&self, nodes: &[&Node], reasons: &mut Vec<Protection>) {
        let tables = match &self.mounts {
            Ok(tables) => tables,
            Err(what) => return reasons.push(Protection::CannotTell { what: what.clone() }),
        };
        for node in nodes {
            let mut points = BTreeSet::new();
            for mount in tables.all() {
                let here = mount.number == node.number
                    || (mount.number.major == 0
                        && self.nodes_of_source(mount).iter().any(|other| other.name == node.name));
                if here && points.len() < MOUNT_POINTS_SHOWN && points.insert(mount.mount_point.clone()) {
                    let mount_point = mount.mount_point.clone();
                    reasons.push(Protection::Mounted { node: node.path.clone(), mount_point });
                }
            }
        }
    }

    fn swapping(&self, nodes: &[&Node], reasons: &mut Vec<Protection>) {
        let swaps = match &self.swaps {
            Ok(swaps) => swaps,
            Err(what) => return reasons.push(Protection::CannotTell { what: what.clone() }),
        };
        for path in swaps {
            // A swap file counts through the filesystem it lies on.
            let Some(swapping) = self.blocks.by_path(self.roots, path) else { continue };
            if nodes.iter().any(|node| node.name == swapping.name) {
                reasons.push(Protection::Swap { node: swapping.path.clone() });
            }
        }
    }

    /// Multi-device filesystems in use: btrfs says so in sysfs, ZFS by its imported pools.
    fn members(&self, nodes: &[&Node], signatures: &[Signature], reasons: &mut Vec<Protection>) {
        for fs in &self.btrfs {
            for node in nodes.iter().filter(|node| fs.devices.contains(&node.name)) {
                let detail = format!("filesystem {} is mounted", fs.uuid);
                reasons.push(Protection::Member { node: node.path.clone(), of: "btrfs".to_owned(), detail });
            }
        }
        for signature in signatures.iter().filter(|signature| signature.of == "zfs_member") {
            let node = signature.node.clone();
            let of = signature.of.clone();
            match (&self.pools, &signature.label) {
                (Err(what), _) => reasons.push(Protection::CannotTell { what: what.clone() }),
                (Ok(pools), Some(pool)) if pools.contains(pool) => {
                    let detail = format!("pool {pool} is imported (`zpool export {pool}` releases it)");
                    reasons.push(Protection::Member { node, of, detail });
                }
                // Spares and cache devices do not name their pool.
                (Ok(pools), None) if !pools.is_empty() => {
                    let detail = format!("it does not say of which pool, and imported are: {}", pools.join(", "));
                    reasons.push(Protection::Member { node, of, detail });
                }
                _ => {}
            }
        }
    }
}

/// That the running system was copied into memory, and that nothing tells from which medium: it is listed like any
/// other.
pub fn lost_boot_medium(roots: &Roots) -> Option<String> {
    // On most machines a look at the command line is enough.
    system::copied_by(&system::command_line(roots))?;
    let word = World::read(roots).ok()?.system.copied_by?;
    Some(format!(
        "this system was copied into memory ({word} on the kernel's command line), and nothing tells from which medium: \
         the stick that it came from is listed like any other. Pull it out, or make sure that it is not meant"
    ))
}

/// Whether something else than an exclusive opener already explains why a device is busy.
pub(crate) fn explains_busy(reason: &Protection) -> bool {
    matches!(
        reason,
        Protection::Mounted { .. }
            | Protection::Swap { .. }
            | Protection::Held { .. }
            | Protection::Member { .. }
            | Protection::BacksLoop { .. }
            | Protection::SizeZero
    )
}

/// Adds what an attempt to open the device exclusively told.
pub(crate) fn add_answer(answer: Answer, signatures: &[Signature], reasons: &mut Vec<Protection>) {
    match answer {
        Answer::Free => {}
        Answer::Unknown(what) => reasons.push(Protection::CannotTell { what }),
        Answer::Busy { by } => {
            // The kernel holds the vdevs of an imported pool without leaving holders.
            let zfs = signatures.iter().find(|signature| signature.of == "zfs_member");
            reasons.push(match zfs {
                Some(signature) => Protection::Member {
                    node: signature.node.clone(),
                    of: signature.of.clone(),
                    detail: "it is opened exclusively, as an imported pool does".to_owned(),
                },
                None => Protection::OpenedExclusively { by },
            });
        }
    }
}

fn hardware(facts: &DiskFacts) -> Vec<Protection> {
    let mut reasons = Vec::new();
    let block = facts.geometry.logical_block;
    let cannot_read_block = facts.unreadable.iter().any(|what| what.starts_with("queue/logical_block_size"));
    if facts.geometry.size.0 == 0 && !facts.unreadable.iter().any(|what| what.starts_with("size")) {
        reasons.push(Protection::SizeZero);
        // The kernel offers no capacity for block formats it cannot address, and calls them 512.
        let what = match facts.transport {
            Transport::Ata if !facts.removable => Some(
                "the kernel offers no capacity for this drive, most often because it is locked by an ATA password: \
                 `lastwrite drives` says whether it is; revert it with its PSID, or destroy it",
            ),
            Transport::Sas | Transport::Scsi if !facts.removable => Some(
                "the kernel offers no capacity for this fixed drive, most often because its logical blocks have 520 \
                 or 528 bytes; see `sg_readcap --long`, reformat with `sg_format --format --size=512`",
            ),
            Transport::NvmePcie | Transport::NvmeFabrics => Some(
                "the kernel offers no capacity for this namespace, most often because its LBA format carries \
                 metadata; see `nvme id-ns -H`, reformat with `nvme format --lbaf`",
            ),
            _ => None,
        };
        reasons.extend(what.map(|what| Protection::CannotTell { what: what.to_owned() }));
    }
    if facts.read_only {
        reasons.push(Protection::ReadOnly);
    }
    if SectorSize::new(block).is_none() && !cannot_read_block {
        reasons.push(Protection::UnsupportedBlockSize { logical_block: block });
    }
    reasons
}

fn imported_pools(roots: &Roots) -> Result<Vec<String>, String> {
    let folder = roots.proc.join("spl/kstat/zfs");
    match list(&folder) {
        // Files there are statistics of the module, folders are pools.
        Ok(names) => Ok(names.into_iter().filter(|name| folder.join(name).is_dir()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("the list of imported ZFS pools could not be read: {error}")),
    }
}
