//! Tables of partitions that lie in a partition: overwriting it loses partitions beside it at the next boot.

use crate::device::blocks::{Blocks, Node};

/// An extended partition is one of the first four of a disk, and what is in it is numbered from here.
const FIRST_LOGICAL: u32 = 5;

/// What the kernel shows of an extended partition: room for a boot loader, two sectors or one logical block.
const SHOWN_OF_EXTENDED: u64 = 1024;

/// The siblings whose table lies in this partition, and that it does not reach itself: those inside an extended
/// partition, and slices beside the one that their disk or partition begins with, whose first sectors hold the label.
/// Nothing holds such a partition, and it can be opened exclusively whatever becomes of them.
pub(crate) fn carried<'a>(blocks: &'a Blocks, base: &'a Node, logical_block: u32) -> Vec<&'a Node> {
    let Some(place) = &base.partition else { return Vec::new() };
    let shown = SHOWN_OF_EXTENDED.max(u64::from(logical_block));
    let is_extended = place.number < FIRST_LOGICAL && place.size.is_some_and(|size| size <= shown);
    let begins_here: Vec<&Node> = blocks
        .overlapping(base)
        .filter(|around| around.partition.as_ref().is_some_and(|around| place.holds(around.start)))
        .collect();
    let beside = blocks.siblings(base).filter(|other| !base.overlaps(other));
    beside
        .filter(|other| {
            let is_logical = other.partition.as_ref().is_some_and(|other| other.number >= FIRST_LOGICAL);
            (is_extended && is_logical) || place.holds(0) || begins_here.iter().any(|around| around.overlaps(other))
        })
        .collect()
}
