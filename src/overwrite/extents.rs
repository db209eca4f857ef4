//! Which bytes of a medium a pass covers.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::units::{Bytes, SectorSize};

/// The part of the medium that a pass covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extents {
    /// Everything from a byte on: 0, or where an interrupted pass goes on.
    All {
        /// The first byte; rounded down to a block.
        from: Bytes,
    },
    /// These byte ranges: sorted, disjoint, block-aligned but for the end of the medium.
    Sample(Vec<Range<u64>>),
}

impl Extents {
    /// The ranges on a medium of `size` bytes, or why they are none.
    pub(super) fn ranges(&self, size: Bytes, block: SectorSize) -> Result<Vec<Range<u64>>, String> {
        let (size, unit) = (size.0, block.bytes());
        match self {
            Extents::All { from } => {
                let start = from.0 - from.0 % unit;
                Ok(std::iter::once(start..size).filter(|range| !range.is_empty()).collect())
            }
            Extents::Sample(ranges) => {
                let mut reached = 0;
                for range in ranges {
                    let aligned = range.start % unit == 0 && (range.end % unit == 0 || range.end == size);
                    if range.start < reached || range.end <= range.start || range.end > size || !aligned {
                        return Err(format!(
                            "bytes {}-{} are no extent of a medium of {size} bytes in blocks of {unit}, after byte {reached}",
                            range.start, range.end
                        ));
                    }
                    reached = range.end;
                }
                Ok(ranges.clone())
            }
        }
    }
}

/// How many equal sections a medium is cut into (SP 800-88r1 section 4.7: at least 1,000).
const SECTIONS: u64 = 1000;
/// A sample covers at least this part of its section (SP 800-88r1 section 4.7: 5 per cent).
const SAMPLES_PER_SECTION: u64 = 20;

/// Representative sampling of SP 800-88r1 section 4.7: the medium in 1,000 sections of equal size (to
/// the block), in each two samples that do not overlap, each at least 5 % of the section, and the
/// first and the last block of the medium. A medium of fewer than 2,000 blocks is read whole.
///
/// The places follow from the seed alone. With `n` blocks, section `k` is blocks
/// `k*n/1000 .. (k+1)*n/1000`, `len` of them; a sample has `s = ceil(len/20)` blocks. Two numbers
/// `a <= b` are drawn from `0..=len-2s`: the first 16 bytes, big-endian, of
/// `SHA-256(seed || "lastwrite sample" || k || i)` modulo `len-2s+1`, where `k` is 8 bytes and `i`
/// (0 or 1) one byte, and then put in order. The samples begin at blocks `a` and `b+s` of the section.
/// Ranges that touch are joined.
pub fn sample_extents(size: Bytes, block: SectorSize, seed: [u8; 32]) -> Vec<Range<u64>> {
    let blocks = block.blocks_in(size).0;
    if blocks < 2 * SECTIONS {
        return if size.0 == 0 { Vec::new() } else { std::iter::once(0..size.0).collect() };
    }
    spread(size, block, SECTIONS, |k, Range { start, end }| {
        let sample = (end - start).div_ceil(SAMPLES_PER_SECTION);
        let room = end - start - 2 * sample;
        let (a, b) = (draw(&seed, k, 0, room), draw(&seed, k, 1, room));
        let (a, b) = (a.min(b), a.max(b));
        [start + a..start + a + sample, start + b + sample..start + b + 2 * sample]
    })
}

/// Sections of a quick check.
const QUICK_SECTIONS: u64 = 256;
/// Bytes that a quick check reads in each section.
const QUICK_SAMPLE: u64 = 64 << 10;

/// A quick check: in each of 256 equal sections 64 KiB at a place that follows from the seed, and the
/// first and the last block. At most 16 MiB and two blocks; a smaller medium is read whole. It notices
/// a drive that did nothing or half of it, and is no representative sampling.
///
/// With `n` blocks, section `k` is blocks `k*n/256 .. (k+1)*n/256`, and a sample has `s` blocks, as many
/// as 64 KiB hold. It begins at a number drawn as for [`sample_extents`] from `0..=len-s`, with `i` = 2.
pub fn quick_extents(size: Bytes, block: SectorSize, seed: [u8; 32]) -> Vec<Range<u64>> {
    let unit = block.bytes();
    let blocks = block.blocks_in(size).0;
    let sample = (QUICK_SAMPLE / unit).max(1);
    if blocks <= QUICK_SECTIONS * sample {
        return if size.0 == 0 { Vec::new() } else { std::iter::once(0..size.0).collect() };
    }
    spread(size, block, QUICK_SECTIONS, |k, Range { start, end }| {
        let at = start + draw(&seed, k, 2, (end - start).saturating_sub(sample));
        [at..(at + sample).min(end)]
    })
}

/// What `choose` takes of the blocks of each of so many equal sections, in order, and the first and the last block, in
/// bytes. Ranges that touch are joined.
fn spread<const N: usize>(
    size: Bytes,
    block: SectorSize,
    sections: u64,
    choose: impl Fn(u64, Range<u64>) -> [Range<u64>; N],
) -> Vec<Range<u64>> {
    let (blocks, unit) = (block.blocks_in(size).0, block.bytes());
    let boundary = |k: u64| (u128::from(k) * u128::from(blocks) / u128::from(sections)) as u64;
    let inside = (0..sections).flat_map(|k| choose(k, boundary(k)..boundary(k + 1)));
    let mut chosen: Vec<Range<u64>> = Vec::with_capacity(sections as usize * N + 2);
    for range in std::iter::once(0..1).chain(inside).chain(std::iter::once(blocks - 1..blocks)) {
        match chosen.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => chosen.push(range),
        }
    }
    chosen.into_iter().map(|r| r.start * unit..r.end.saturating_mul(unit).min(size.0)).collect()
}

/// A number from `0..=most`.
fn draw(seed: &[u8; 32], section: u64, which: u8, most: u64) -> u64 {
    let digest = Sha256::new()
        .chain_update(seed)
        .chain_update(b"lastwrite sample")
        .chain_update(section.to_be_bytes())
        .chain_update([which])
        .finalize();
    let number = digest.iter().take(16).fold(0u128, |n, byte| n << 8 | u128::from(*byte));
    (number % (u128::from(most) + 1)) as u64
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn samples_are_representative(
            size in prop_oneof![1u64..(1 << 22), 1u64..=(1 << 63)], shift in 0u32..4, seed in any::<[u8; 32]>(),
        ) {
            let block = SectorSize::new(512 << shift).unwrap();
            let unit = block.bytes();
            let ranges = sample_extents(Bytes(size), block, seed);
            prop_assert!(Extents::Sample(ranges.clone()).ranges(Bytes(size), block).is_ok());
            prop_assert_eq!(ranges[0].start, 0);
            prop_assert_eq!(ranges.last().unwrap().end, size);
            let blocks = size.div_ceil(unit);
            let total: u128 = ranges.iter().map(|r| u128::from(r.end.div_ceil(unit) - r.start / unit)).sum();
            prop_assert!(total * 10 >= u128::from(blocks), "a tenth of the medium");
            if blocks >= 2000 {
                for k in 0..1000u128 {
                    let (start, end) =
                        ((k * u128::from(blocks) / 1000) as u64, ((k + 1) * u128::from(blocks) / 1000) as u64);
                    let inside: u64 = ranges.iter()
                        .map(|r| (r.end.div_ceil(unit).min(end)).saturating_sub((r.start / unit).max(start))).sum();
                    prop_assert!(inside * 10 >= end - start, "a tenth of section {}", k);
                }
            }
            prop_assert_eq!(sample_extents(Bytes(size), block, seed), ranges);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn a_quick_check_reads_little_everywhere(
            size in prop_oneof![1u64..(1 << 26), 1u64..=(1 << 63)], shift in 0u32..4, seed in any::<[u8; 32]>(),
        ) {
            let block = SectorSize::new(512 << shift).unwrap();
            let ranges = quick_extents(Bytes(size), block, seed);
            prop_assert!(Extents::Sample(ranges.clone()).ranges(Bytes(size), block).is_ok());
            prop_assert_eq!((ranges[0].start, ranges.last().unwrap().end), (0, size));
            let total: u64 = ranges.iter().map(|r| r.end - r.start).sum();
            prop_assert!(total <= (16 << 20) + 2 * block.bytes());
            prop_assert!(total == size || total >= (16 << 20) - block.bytes());
        }
    }

    #[test]
    fn another_seed_is_another_sample() {
        let of = |seed| sample_extents(Bytes(1 << 30), SectorSize::B512, [seed; 32]);
        assert_ne!(of(1), of(2));
        assert!(of(1).len() > 1500);
    }

    /// Computed with the definition alone: `hashlib.sha256(seed + b"lastwrite sample" + ...)`.
    #[test]
    fn the_places_follow_from_the_definition() {
        let ranges = sample_extents(Bytes(1 << 30), SectorSize::B512, [7; 32]);
        assert_eq!(ranges[1], EXPECTED_FIRST);
        assert_eq!(ranges[ranges.len() - 2], EXPECTED_LAST);
    }

    const EXPECTED_FIRST: Range<u64> = 56832..110592;
    const EXPECTED_LAST: Range<u64> = 1073027584..1073081344;

    #[test]
    fn small_media_are_read_whole() {
        assert_eq!(sample_extents(Bytes(1000), SectorSize::B512, [0; 32]), [0..1000]);
        assert_eq!(sample_extents(Bytes(1999 * 512), SectorSize::B512, [0; 32]), [0..1999 * 512]);
        assert!(sample_extents(Bytes(0), SectorSize::B512, [0; 32]).is_empty());
    }

    #[test]
    fn extents_outside_the_medium_are_refused() {
        let refused =
            |ranges: &[Range<u64>]| Extents::Sample(ranges.to_vec()).ranges(Bytes(5000), SectorSize::B512).is_err();
        assert!(!refused(&[0..512, 4608..5000]));
        for bad in [&[0..5001][..], &[100..512], &[0..100], &[512..512], &[512..1024, 0..512], &[0..1024, 512..1536]] {
            assert!(refused(bad), "{bad:?}");
        }
        let all = |from| Extents::All { from: Bytes(from) }.ranges(Bytes(5000), SectorSize::B512).unwrap();
        assert_eq!(
            (all(0), all(600), all(5000), all(5120)),
            (vec![0..5000], vec![512..5000], vec![4608..5000], vec![])
        );
    }
}
