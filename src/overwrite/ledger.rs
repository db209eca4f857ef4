//! Which blocks went wrong, exactly.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Lba, LbaRange, SectorSize, Sectors};

/// The logical blocks of one pass that are not as they should be. Each list is sorted, and its
/// ranges neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Could not be written, after every retry.
    pub unwritten: Vec<LbaRange>,
    /// Could not be read back, after every retry.
    pub unread: Vec<LbaRange>,
    /// Read back, and not what was written.
    pub mismatched: Vec<LbaRange>,
    /// Nothing is known: the retry budget ran out, or the medium went away.
    pub unreached: Vec<LbaRange>,
}

impl Ledger {
    /// Nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.ranges() == 0
    }

    /// How many separate ranges it holds.
    pub fn ranges(&self) -> usize {
        self.unwritten.len() + self.unread.len() + self.mismatched.len() + self.unreached.len()
    }

    /// How many blocks it holds; a block that is in two lists counts twice.
    pub fn blocks(&self) -> u64 {
        let lists = [&self.unwritten, &self.unread, &self.mismatched, &self.unreached];
        lists.into_iter().flatten().fold(0, |sum, range| sum.saturating_add(range.count.0))
    }

    /// Takes over everything `other` holds.
    pub fn merge(&mut self, other: &Ledger) {
        let lists = [
            (&mut self.unwritten, &other.unwritten),
            (&mut self.unread, &other.unread),
            (&mut self.mismatched, &other.mismatched),
            (&mut self.unreached, &other.unreached),
        ];
        for (mine, others) in lists {
            others.iter().for_each(|range| insert(mine, *range));
        }
    }

    /// The ranges that do not stand in `known` just so. Merged into `known` they give this ledger, when
    /// it holds all that `known` does.
    pub fn beyond(&self, known: &Ledger) -> Ledger {
        let new = |mine: &[LbaRange], known: &[LbaRange]| {
            let is_known =
                |r: &LbaRange| known.binary_search_by_key(&r.first, |k| k.first).is_ok_and(|i| known[i] == *r);
            mine.iter().filter(|range| !is_known(range)).copied().collect()
        };
        Ledger {
            unwritten: new(&self.unwritten, &known.unwritten),
            unread: new(&self.unread, &known.unread),
            mismatched: new(&self.mismatched, &known.mismatched),
            unreached: new(&self.unreached, &known.unreached),
        }
    }

    /// Only what lies below a block: what a checkpoint may say of the part that is settled.
    pub fn below(&self, end: Lba) -> Ledger {
        let cut = |list: &Vec<LbaRange>| {
            let part = |r: &LbaRange| {
                let count = r.count.0.min(end.0.saturating_sub(r.first.0));
                (count > 0).then_some(LbaRange { first: r.first, count: Sectors(count) })
            };
            list.iter().filter_map(part).collect()
        };
        Ledger {
            unwritten: cut(&self.unwritten),
            unread: cut(&self.unread),
            mismatched: cut(&self.mismatched),
            unreached: cut(&self.unreached),
        }
    }
}

/// The blocks that hold bytes `start..end`; a last partial block counts as one.
pub(super) fn blocks_of(start: u64, end: u64, block: SectorSize) -> LbaRange {
    let first = block.lba_of(Bytes(start));
    LbaRange { first, count: Sectors(block.blocks_in(Bytes(end)).0.saturating_sub(first.0)) }
}

/// Adds a range to a sorted list, joined with what it overlaps or touches.
pub(super) fn insert(list: &mut Vec<LbaRange>, range: LbaRange) {
    let end = |r: &LbaRange| r.first.0.saturating_add(r.count.0);
    if range.count.0 == 0 {
        return;
    }
    let from = list.partition_point(|r| end(r) < range.first.0);
    let to = list.partition_point(|r| r.first.0 <= end(&range));
    let mut joined = range;
    if let (Some(first), Some(last)) = (list.get(from), to.checked_sub(1).and_then(|i| list.get(i)))
        && from < to
    {
        let start = first.first.0.min(range.first.0);
        joined = LbaRange { first: Lba(start), count: Sectors(end(last).max(end(&range)) - start) };
    }
    list.splice(from..to, [joined]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(first: u64, count: u64) -> LbaRange {
        LbaRange { first: Lba(first), count: Sectors(count) }
    }

    proptest! {
        #[test]
        fn a_list_is_the_set_of_its_blocks(ranges in prop::collection::vec((0u64..200, 1u64..9), 0..40)) {
            let mut list = Vec::new();
            let mut set = std::collections::BTreeSet::new();
            for (first, count) in ranges {
                insert(&mut list, range(first, count));
                set.extend(first..first + count);
            }
            let blocks: Vec<u64> = list.iter().flat_map(|r| r.first.0..r.first.0 + r.count.0).collect();
            prop_assert_eq!(blocks, set.into_iter().collect::<Vec<_>>());
            prop_assert!(list.windows(2).all(|w| w[0].first.0 + w[0].count.0 < w[1].first.0), "{:?}", list);
        }
    }

    #[test]
    fn the_last_block_of_the_largest_medium() {
        let size = 1u64 << 63;
        assert_eq!(blocks_of(size - 512, size, SectorSize::B512), range((1 << 54) - 1, 1));
        assert_eq!(blocks_of(512, 1000, SectorSize::B512), range(1, 1), "a partial block is a block");
    }

    #[test]
    fn what_is_new_merged_into_what_is_known_gives_all() {
        let mut known = Ledger { unread: vec![range(3, 2), range(9, 1)], ..Ledger::default() };
        let all = Ledger { unread: vec![range(3, 2), range(9, 4)], unwritten: vec![range(1, 1)], ..Ledger::default() };
        let new = all.beyond(&known);
        assert_eq!((&new.unread[..], &new.unwritten[..]), (&[range(9, 4)][..], &[range(1, 1)][..]));
        known.merge(&new);
        assert_eq!(known, all);
        assert!(all.beyond(&all).is_clean());
    }

    #[test]
    fn merging_twice_changes_nothing() {
        let mut ledger = Ledger { unread: vec![range(3, 2)], ..Ledger::default() };
        let other = Ledger { unread: vec![range(5, 1)], unreached: vec![range(9, 1)], ..Ledger::default() };
        ledger.merge(&other);
        let once = ledger.clone();
        ledger.merge(&other);
        assert_eq!(ledger, once);
        assert_eq!((ledger.unread.clone(), ledger.blocks()), (vec![range(3, 3)], 4));
        let json = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&json).unwrap(), ledger);
    }
}
