//! What failed in a pass and is still to be narrowed down to the blocks that are bad.

use std::collections::BTreeMap;

use crate::units::SectorSize;

/// Places that failed, by start. What the sweep brings is joined with its neighbours: a drive that refuses everything
/// is one place, however many requests it refused. Separate places are bounded by the caller.
#[derive(Debug, Default)]
pub(super) struct Trouble(BTreeMap<u64, Place>);

#[derive(Debug)]
struct Place {
    end: u64,
    /// How often it was tried at exactly this size, a single block.
    attempts: u32,
    /// Requests of more than this have failed here.
    piece: u64,
}

impl Trouble {
    /// How many separate places.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first byte of the first place.
    pub(super) fn start(&self) -> Option<u64> {
        self.0.keys().next().copied()
    }

    /// How long the next piece is.
    pub(super) fn next_len(&self) -> Option<u64> {
        self.0.first_key_value().map(|(start, place)| place.piece.min(place.end - start))
    }

    /// Takes the next piece, of at most `most` bytes, whole blocks: start, end and attempts. An empty one when `most`
    /// is nothing.
    pub(super) fn take(&mut self, most: u64) -> Option<(u64, u64, u32)> {
        let (&start, place) = self.0.first_key_value()?;
        let (to, attempts, piece) = (place.end, place.attempts, place.piece);
        let most = most.min(piece);
        let end = if to - start <= most { to } else { start + most };
        if end > start {
            self.0.remove(&start);
            (end < to).then(|| self.0.insert(end, Place { end: to, attempts: 0, piece }));
        }
        Some((start, end, attempts))
    }

    /// Adds what a request of more than one block had asked for, to be asked for in halves. `may_join`: it may become
    /// one with what it touches.
    pub(super) fn halve(&mut self, start: u64, end: u64, block: SectorSize, may_join: bool) {
        let unit = block.bytes();
        let piece = (end - start).div_ceil(unit).div_ceil(2) * unit;
        let mut place = Place { end, attempts: 0, piece };
        let mut from = start;
        if may_join {
            let before = self.0.range(..start).next_back();
            if let Some((&first, _)) = before.filter(|(_, p)| p.end == start && p.attempts == 0)
                && let Some(joined) = self.0.remove(&first)
            {
                from = first;
                place.piece = place.piece.max(joined.piece);
            }
            if self.0.get(&end).is_some_and(|p| p.attempts == 0)
                && let Some(joined) = self.0.remove(&end)
            {
                place.end = joined.end;
                place.piece = place.piece.max(joined.piece);
            }
        }
        self.0.insert(from, place);
    }

    /// Whether [`Trouble::halve`] would make one more place of it.
    pub(super) fn is_apart(&self, start: u64, end: u64) -> bool {
        let before = self.0.range(..start).next_back();
        let touches = before.is_some_and(|(_, p)| p.end == start && p.attempts == 0);
        !touches && self.0.get(&end).is_none_or(|p| p.attempts != 0)
    }

    /// Adds a single block that is to be tried once more.
    pub(super) fn retry(&mut self, start: u64, end: u64, attempts: u32) {
        self.0.insert(start, Place { end, attempts, piece: end - start });
    }

    /// Empties it: starts and ends.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u64, u64)> + use<> {
        std::mem::take(&mut self.0).into_iter().map(|(start, place)| (start, place.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halve(trouble: &mut Trouble, blocks: std::ops::Range<u64>) {
        trouble.halve(blocks.start * 512, blocks.end * 512, SectorSize::B512, true);
    }

    #[test]
    fn what_touches_is_one_place_and_is_asked_for_in_halves_of_what_failed() {
        let mut trouble = Trouble::default();
        halve(&mut trouble, 0..8);
        halve(&mut trouble, 16..24);
        assert_eq!(trouble.len(), 2);
        assert!(!trouble.is_apart(8 * 512, 16 * 512) && trouble.is_apart(9 * 512, 15 * 512));
        halve(&mut trouble, 8..16);
        assert_eq!((trouble.len(), trouble.start(), trouble.next_len()), (1, Some(0), Some(4 * 512)));
        let mut taken = Vec::new();
        while let Some((start, end, attempts)) = trouble.take(1 << 20) {
            taken.push((start / 512, end / 512, attempts));
        }
        assert_eq!(taken, (0..6).map(|i| (4 * i, 4 * i + 4, 0)).collect::<Vec<_>>());
    }

    #[test]
    fn a_block_that_is_tried_again_stays_one() {
        let mut trouble = Trouble::default();
        trouble.retry(8 * 512, 9 * 512, 2);
        halve(&mut trouble, 9..17);
        halve(&mut trouble, 0..8);
        assert_eq!(trouble.len(), 3);
        assert_eq!(trouble.take(1 << 20), Some((0, 4 * 512, 0)));
        assert_eq!(trouble.take(0), Some((4 * 512, 4 * 512, 0)), "nothing is lost where there is no memory");
        assert_eq!(trouble.take(1 << 20), Some((4 * 512, 8 * 512, 0)));
        assert_eq!(trouble.take(1 << 20), Some((8 * 512, 9 * 512, 2)));
    }

    #[test]
    fn a_partial_block_at_the_end_is_a_piece_of_its_own() {
        let mut trouble = Trouble::default();
        trouble.halve(0, 700, SectorSize::B512, false);
        assert_eq!((trouble.take(4096), trouble.take(4096)), (Some((0, 512, 0)), Some((512, 700, 0))));
        assert!(trouble.take(4096).is_none());
    }
}
