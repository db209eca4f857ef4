//! The list of drives. Left out are: what is built on other devices (dm, md, bcache, zvols), loop,
//! zram and nbd nodes that nothing is attached to, hidden NVMe path nodes, optical and floppy
//! drives, RAM disks and raw flash. Two paths to one medium are one entry.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::Roots;
use super::blocks::{Node, attr, attr_number};
use super::classify::not_a_drive;
use super::facts::DiskFacts;
use super::image;
use super::loops;
use super::protection::{Answer, World, add_answer, ask_all, explains_busy, is_multipath};
use super::resolve::{partition_of, partition_unit};
use super::roots::Nodes;
use crate::media::{Identity, Kind, Medium, Transport};
use crate::units::{Bytes, hex};

/// The host's block devices could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// sysfs did not answer.
    #[error("the block devices could not be listed from {}: {source}; is sysfs mounted?", path.display())]
    Sysfs {
        /// The folder that was read.
        path: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

/// Every drive of the host, protections and confirm tokens filled in. Opens devices for a moment
/// (read-only) where only that tells whether they are free.
pub fn inventory(roots: &Roots) -> Result<Vec<Medium>, InventoryError> {
    let world = read_world(roots)?;
    let drives = drives(&world);
    let tokens = confirm_tokens(&drives);
    let mut media: Vec<Medium> =
        drives.iter().zip(tokens).map(|(drive, token)| drive.medium(&world, &drives, token)).collect();
    ask_whether_free(roots, &mut media);
    Ok(media)
}

/// The media of this identity, whatever they are called now. An image file, or the file behind a
/// loop device, is looked for where it was. More than one means that the identity is ambiguous.
pub fn find_by_identity(roots: &Roots, identity: &Identity) -> Result<Vec<Medium>, InventoryError> {
    let world = read_world(roots)?;
    let drives = drives(&world);
    let tokens = confirm_tokens(&drives);
    let mut found = Vec::new();
    // The file system of the file behind a loop device may have another number than before a reboot.
    let is_it = |now: &Identity| identity.differences(now).is_empty() || identity.is_same_file(now);
    for (drive, token) in drives.iter().zip(tokens) {
        if is_it(&drive.facts.identity) {
            found.push(drive.medium(&world, &drives, token));
        }
        for name in &drive.node.partitions {
            let Some(partition) = world.blocks.get(name).and_then(|node| partition_of(&world, &drives, drive, node))
            else {
                continue;
            };
            if is_it(&partition.identity) {
                found.push(partition);
            }
        }
    }
    if let Some(backing) = &identity.backing
        && roots.nodes == Nodes::Live
        && let Some(image) = image::at_backing(&world, backing, identity.size)
    {
        found.push(image);
    }
    ask_whether_free(roots, &mut found);
    Ok(found)
}

/// One drive: its facts, and the other nodes that reach it.
pub(super) struct Drive<'a> {
    pub node: &'a Node,
    pub facts: DiskFacts,
    pub others: Vec<&'a Node>,
}

impl Drive<'_> {
    /// With every protection that can be told without opening the device exclusively.
    pub fn medium(&self, world: &World, drives: &[Drive], confirm_token: String) -> Medium {
        let nodes: Vec<&Node> = self.nodes().collect();
        let signatures = world.signatures(&nodes);
        let protections = self.against(world, drives, self.node, &self.facts, &signatures);
        let facts = &self.facts;
        Medium {
            path: self.node.path.clone(),
            other_paths: self.others.iter().map(|node| node.path.clone()).collect(),
            identity: facts.identity.clone(),
            transport: facts.transport,
            kind: facts.kind,
            class: facts.class,
            geometry: facts.geometry,
            rotational: facts.rotational,
            zoned: facts.zoned,
            removable: facts.removable,
            diskseq: facts.diskseq,
            partition: None,
            signatures,
            protections,
            confirm_token,
        }
    }
}

pub(super) fn read_world(roots: &Roots) -> Result<World<'_>, InventoryError> {
    World::read(roots).map_err(|source| InventoryError::Sysfs { path: roots.sys.join("block"), source })
}

/// All drives, two paths to one medium put together.
pub(super) fn drives<'a>(world: &'a World) -> Vec<Drive<'a>> {
    let mut drives: Vec<Drive> = Vec::new();
    for node in world.blocks.disks() {
        if skip_reason(node).is_some() {
            continue;
        }
        let mut facts = DiskFacts::read(world.roots, node);
        match world.blocks.backing(&node.name) {
            Some(Ok(backing)) => facts.identity.backing = Some(backing.clone()),
            Some(Err(why)) => facts.unreadable.push(why.clone()),
            None => {}
        }
        if facts.geometry.size.0 == 0 && (node.name.starts_with("zram") || node.name.starts_with("nbd")) {
            continue;
        }
        match drives.iter_mut().find(|drive| is_same_medium(world, drive, node, &facts)) {
            Some(drive) => drive.others.push(node),
            None => drives.push(Drive { node, facts, others: Vec::new() }),
        }
    }
    drives
}

/// Why a block device is not in the list, for the one who names it all the same.
pub(super) fn skip_reason(node: &Node) -> Option<&'static str> {
    if let Some(what) = not_a_drive(&node.name) {
        return Some(what);
    }
    if node.name.starts_with("loop") && !loops::is_attached(node) {
        return Some("a loop device without a backing file; attach one with `losetup`");
    }
    if attr(&node.dir, "hidden").as_deref() == Some("1") {
        return Some("a path of a multipath drive; name the drive itself");
    }
    if node.name.starts_with("loop") && !node.slaves.is_empty() {
        return Some("a loop device on a block device; name that device (`losetup -l` shows it)");
    }
    None
}

/// Serial where nothing else in the list has it, otherwise eight digits of the identity's digest,
/// otherwise (two drives that cannot be told apart) of the digest and where they are.
pub(super) fn confirm_tokens(drives: &[Drive]) -> Vec<String> {
    let serials: Vec<Option<String>> = drives
        .iter()
        .map(|drive| drive.facts.identity.serial.as_deref().filter(|_| !is_hardware_area(drive)).and_then(typeable))
        .collect();
    let occurs_once = |token: &str| serials.iter().flatten().filter(|s| s.eq_ignore_ascii_case(token)).count() == 1;
    let mut tokens: Vec<String> = drives
        .iter()
        .zip(&serials)
        .map(|(drive, serial)| match serial {
            Some(serial) if occurs_once(serial) => serial.clone(),
            _ => short_digest(&drive.facts.identity.digest()),
        })
        .collect();
    let again = tokens.clone();
    for (at, token) in tokens.iter_mut().enumerate() {
        if again.iter().enumerate().any(|(other, t)| other != at && t.eq_ignore_ascii_case(token)) {
            *token = token_here(&drives[at].facts.identity, &drives[at]);
        }
    }
    tokens
}

/// Eight digits of a partition's identity; where a drive of the same serial number has one just like it, of where
/// they are as well.
pub(super) fn partition_token(world: &World, drives: &[Drive], drive: &Drive, identity: &Identity) -> String {
    let is_alike = |other: &Drive, node: &Node| {
        let Some(place) = &node.partition else { return false };
        let unit = Some(partition_unit(place.number, place.start));
        let size = Bytes(attr_number(&node.dir, "size").unwrap_or(0).saturating_mul(512));
        identity.differences(&Identity { unit, size, ..other.facts.identity.clone() }).is_empty()
    };
    let mut others = drives.iter().filter(|other| other.node.name != drive.node.name);
    let has_twin = others.any(|other| {
        let mut partitions = other.node.partitions.iter().filter_map(|name| world.blocks.get(name));
        partitions.any(|node| is_alike(other, node))
    });
    if has_twin { token_here(identity, drive) } else { short_digest(&identity.digest()) }
}

/// Of what cannot be told apart by its identity: where it is as well.
fn token_here(identity: &Identity, drive: &Drive) -> String {
    let mut hash = Sha256::new();
    hash.update(identity.digest());
    hash.update(drive.node.name.as_bytes());
    hash.update(drive.facts.diskseq.unwrap_or_default().to_string());
    short_digest(&hex(&hash.finalize()))
}

/// `1F3A-09BC`.
pub(super) fn short_digest(hex: &str) -> String {
    let upper = hex.to_ascii_uppercase();
    format!("{}-{}", upper.get(..4).unwrap_or(""), upper.get(4..8).unwrap_or(""))
}

/// Opens every device exclusively for a moment whose state nothing else explains.
pub(super) fn ask_whether_free(roots: &Roots, media: &mut [Medium]) {
    if roots.nodes == Nodes::Recorded {
        return;
    }
    let open: Vec<(usize, PathBuf)> = media
        .iter()
        .enumerate()
        .filter(|(_, medium)| medium.kind != Kind::Image && !medium.protections.iter().any(explains_busy))
        .flat_map(|(at, medium)| {
            std::iter::once(&medium.path).chain(&medium.other_paths).map(move |path| (at, roots.on_host(path)))
        })
        .collect();
    let answers = ask_all(open.iter().map(|(_, path)| path.clone()).collect());
    for ((at, _), answer) in open.iter().zip(answers) {
        let medium = &mut media[*at];
        if answer != Answer::Free && !medium.protections.iter().any(explains_busy) {
            add_answer(answer, &medium.signatures, &mut medium.protections);
        }
    }
}

/// Two nodes of one medium: paths of one dm-multipath device, or the same names on a bus that
/// drives hang on twice. USB bridges and cheap sticks repeat serial numbers, so there equal names
/// mean two drives; taking them for one would leave one unwiped under the other's certificate.
fn is_same_medium(world: &World, drive: &Drive, node: &Node, facts: &DiskFacts) -> bool {
    let multipath = |node: &Node| -> BTreeSet<String> {
        let holders = node.holders.iter().filter(|name| world.blocks.get(name).is_some_and(is_multipath));
        holders.cloned().collect()
    };
    if !multipath(drive.node).is_disjoint(&multipath(node)) {
        return true;
    }
    let has_paths = |transport: Transport| {
        matches!(
            transport,
            Transport::Sas
                | Transport::Scsi
                | Transport::Network
                | Transport::NvmePcie
                | Transport::NvmeFabrics
                | Transport::Virtio
        )
    };
    let (a, b) = (&drive.facts.identity, &facts.identity);
    if !has_paths(drive.facts.transport) || !has_paths(facts.transport) || a.size != b.size || a.unit != b.unit {
        return false;
    }
    let names = [(&a.wwn, &b.wwn), (&a.eui64, &b.eui64), (&a.nguid, &b.nguid)];
    // Some models bear one EUI-64, NGUID or WWN on every drive; both paths to one drive tell one serial number.
    let told_apart = |x: &Option<String>, y: &Option<String>| x.is_some() && y.is_some() && x != y;
    if told_apart(&a.serial, &b.serial) || names.iter().any(|(x, y)| told_apart(x, y)) {
        return false;
    }
    let equal_name = names.iter().any(|(x, y)| x.is_some() && x == y);
    // Serial numbers of virtual disks are whatever somebody typed.
    let typed = drive.facts.transport == Transport::Virtio;
    equal_name || (!typed && a.serial.is_some() && a.serial == b.serial && a.model == b.model && a.vendor == b.vendor)
}

/// A boot or general purpose area of an eMMC: it shares the serial number of the main area, which
/// keeps it as its token.
fn is_hardware_area(drive: &Drive) -> bool {
    drive.facts.transport == Transport::Mmc && drive.facts.identity.unit.is_some()
}

/// A serial number as somebody can type it; `None` when nothing is left of it.
fn typeable(serial: &str) -> Option<String> {
    let words = serial.split_whitespace().map(|word| {
        word.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).collect::<String>()
    });
    let token = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    (!token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_can_be_typed() {
        assert_eq!(typeable("WD WX/11\"D").as_deref(), Some("WD-WX11D"));
        assert_eq!(typeable("///"), None);
        assert_eq!(short_digest("1f3a09bcff"), "1F3A-09BC");
    }
}
