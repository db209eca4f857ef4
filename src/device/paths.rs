//! The ways to one medium: nodes that reach it, and nodes of which that is not known.

use std::path::PathBuf;

use super::blocks::Node;
use super::facts::DiskFacts;
use super::inventory::Drive;
use super::protection::{Scope, World};
use crate::media::{Difference, Protection, Signature, Transport};

/// The other nodes that reach what one node is, and why not all of them are known.
pub(super) struct OtherPaths<'a> {
    pub nodes: Vec<&'a Node>,
    unknown: Vec<Protection>,
}

impl OtherPaths<'_> {
    /// As a medium has them.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.nodes.iter().map(|node| node.path.clone()).collect()
    }

    /// How they differ from those that are known.
    pub fn difference(&self, known: &[PathBuf]) -> Option<Difference> {
        let sorted = |mut paths: Vec<PathBuf>| {
            paths.sort();
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        let (before, now) = (sorted(known.to_vec()), sorted(self.paths()));
        (before != now).then(|| Difference { field: "other paths".to_owned(), before, now })
    }
}

impl<'a> Drive<'a> {
    /// The nodes of the whole drive.
    pub fn nodes(&self) -> impl Iterator<Item = &'a Node> {
        std::iter::once(self.node).chain(self.others.iter().copied())
    }

    /// The other ways to a node of it: of a partition the same one on each of the drive's nodes. The kernel takes
    /// these for partitions of different disks, and lets one be opened exclusively while another is mounted.
    pub fn other_paths<'w>(&self, world: &'w World, node: &Node) -> OtherPaths<'w> {
        let own = world.blocks.disk_of(node).map_or(&node.name, |disk| &disk.name);
        let mut found = OtherPaths { nodes: Vec::new(), unknown: Vec::new() };
        for disk in self.nodes().filter(|disk| disk.name != *own).filter_map(|disk| world.blocks.get(&disk.name)) {
            let Some(place) = &node.partition else {
                found.nodes.push(disk);
                continue;
            };
            let mut partitions = disk.partitions.iter().filter_map(|name| world.blocks.get(name));
            match partitions.find(|other| other.partition.as_ref().is_some_and(|other| other.is_same_place(place))) {
                Some(same) => found.nodes.push(same),
                None => found.unknown.push(Protection::CannotTell {
                    what: format!(
                        "{} is another path to its disk, and shows no partition {} of the same place and size there \
                         (blockdev --rereadpt has the kernel read the tables again)",
                        disk.path.display(),
                        place.number
                    ),
                }),
            }
        }
        found
    }

    /// What stands against a node of it, disk or partition, by whatever path.
    pub fn against(
        &self,
        world: &World,
        drives: &[Drive],
        node: &Node,
        facts: &DiskFacts,
        signatures: &[Signature],
    ) -> Vec<Protection> {
        let scope = if node.partition.is_some() { Scope::Partition } else { Scope::WholeDisk };
        let others = self.other_paths(world, node);
        let nodes = std::iter::once(node).chain(others.nodes.iter().copied());
        let mut reasons: Vec<Protection> = Vec::new();
        let of_nodes = nodes.flat_map(|node| world.protections(node, scope, facts, signatures));
        let in_use = self.alike(drives).filter(|other| other.is_in_use(world)).map(|other| self.perhaps(other));
        for reason in of_nodes.chain(others.unknown).chain(in_use) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons
    }

    /// Drives that bear the same WWN and serial number and are not put together as paths, as on a bus where nothing
    /// hangs on twice: a SATA disk can, behind two SAS adapters. USB bridges and sticks repeat both.
    pub fn alike<'d, 'n>(&self, drives: &'d [Drive<'n>]) -> impl Iterator<Item = &'d Drive<'n>> {
        let own = &self.facts.identity;
        let names = own.wwn.is_some() && own.serial.is_some() && self.facts.transport != Transport::Usb;
        drives.iter().filter(move |other| {
            let identity = &other.facts.identity;
            names
                && other.node.name != self.node.name
                && other.facts.transport != Transport::Usb
                && (&identity.wwn, &identity.serial) == (&own.wwn, &own.serial)
                && (identity.size, &identity.unit) == (own.size, &own.unit)
        })
    }

    /// That a drive of the same names is in use.
    pub fn perhaps(&self, other: &Drive) -> Protection {
        Protection::CannotTell {
            what: format!(
                "{} has the same WWN and serial number and is in use: is it a second path to the same drive?",
                other.node.path.display()
            ),
        }
    }

    fn is_in_use(&self, world: &World) -> bool {
        let nodes: Vec<&Node> = self.nodes().collect();
        let signatures = world.signatures(&nodes);
        let mut reasons =
            nodes.iter().flat_map(|node| world.protections(node, Scope::WholeDisk, &self.facts, &signatures));
        reasons.any(|reason| reason.is_use() || matches!(reason, Protection::SystemMedium { .. }))
    }
}

/// The drive that a node belongs to.
pub(super) fn drive_of<'d, 'a>(world: &World, drives: &'d [Drive<'a>], node: &Node) -> Option<&'d Drive<'a>> {
    let disk = world.blocks.disk_of(node)?;
    drives.iter().find(|drive| drive.nodes().any(|node| node.name == disk.name))
}
