//! What stands on a node: holders of holders, and what each of them is.

use std::collections::BTreeSet;

use crate::device::blocks::{Blocks, Node, attr};

/// One step upwards. The holder's own node is missing when it went away meanwhile; the kernel's
/// word that it holds still counts.
#[derive(Clone, Debug)]
pub(crate) struct HeldBy<'a> {
    pub node: &'a Node,
    pub holder: String,
    pub by: String,
}

/// A node, its partitions where it is a disk, what overlaps it where it is a partition, and everything built on
/// them.
pub(crate) fn stack<'a>(blocks: &'a Blocks, base: &'a Node) -> (Vec<&'a Node>, Vec<HeldBy<'a>>) {
    let mut nodes = Vec::new();
    let mut held = Vec::new();
    let mut seen = BTreeSet::new();
    let mut queue: Vec<&Node> = blocks.overlapping(base).collect();
    queue.push(base);
    while let Some(node) = queue.pop() {
        if !seen.insert(&node.name) {
            continue;
        }
        nodes.push(node);
        for name in node.partitions.iter().rev() {
            queue.extend(blocks.get(name));
        }
        for name in &node.holders {
            let by = blocks.get(name).map_or_else(|| "another block device".to_owned(), describe);
            held.push(HeldBy { node, holder: name.clone(), by });
        }
        queue.extend(node.holders.iter().rev().filter_map(|name| blocks.get(name)));
        // A cache set claims its device without being a block device.
        if node.dir.join("bcache/set").exists() && node.holders.is_empty() {
            held.push(HeldBy { node, holder: "bcache".to_owned(), by: "bcache cache set".to_owned() });
        }
    }
    (nodes, held)
}

/// The disk of a partition, and what is built on all of it: that has the partition as well.
pub(crate) fn around<'a>(blocks: &'a Blocks, base: &Node) -> (Vec<&'a Node>, Vec<HeldBy<'a>>) {
    let Some(disk) = base.partition.as_ref().and_then(|facts| blocks.get(&facts.disk)) else {
        return (Vec::new(), Vec::new());
    };
    let (mut nodes, mut held) = (vec![disk], Vec::new());
    for name in &disk.holders {
        let holder = blocks.get(name);
        let by = holder.map_or_else(|| "another block device".to_owned(), describe);
        held.push(HeldBy { node: disk, holder: name.clone(), by });
        let (above, by_them) = holder.map(|holder| stack(blocks, holder)).unwrap_or_default();
        nodes.extend(above);
        held.extend(by_them);
    }
    (nodes, held)
}

/// `LVM`, `LUKS`, `multipath`, `md raid1`, `bcache`; with its own name where it has one.
pub(crate) fn describe(holder: &Node) -> String {
    let uuid = attr(&holder.dir, "dm/uuid").unwrap_or_default();
    let what = if uuid.starts_with("LVM-") {
        "LVM".to_owned()
    } else if uuid.starts_with("CRYPT-LUKS") {
        "LUKS".to_owned()
    } else if uuid.starts_with("CRYPT-") {
        "dm-crypt".to_owned()
    } else if uuid.starts_with("mpath-") {
        "multipath".to_owned()
    } else if uuid.starts_with("DMRAID-") {
        "dmraid".to_owned()
    } else if let Some((part, _)) = uuid.split_once("-mpath-") {
        format!("multipath {part}")
    } else if holder.name.starts_with("dm-") {
        "device-mapper".to_owned()
    } else if holder.name.starts_with("md") {
        match attr(&holder.dir, "md/level") {
            Some(level) => format!("md {level}"),
            None => "md".to_owned(),
        }
    } else if holder.name.starts_with("bcache") {
        "bcache".to_owned()
    } else if holder.name.starts_with("loop") {
        "loop device".to_owned()
    } else if holder.name.starts_with("drbd") {
        "DRBD".to_owned()
    } else {
        "another block device".to_owned()
    };
    match attr(&holder.dir, "dm/name") {
        Some(name) => format!("{what} {name}"),
        None => what,
    }
}

/// A multipath device: what its slaves have in common is one medium.
pub(crate) fn is_multipath(holder: &Node) -> bool {
    attr(&holder.dir, "dm/uuid").is_some_and(|uuid| uuid.starts_with("mpath-"))
}
