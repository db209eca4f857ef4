//! How likely a sampled read-back notices what was left unwiped: measured against the theory, and the
//! figures of `docs/verification.md` are those of this run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::ops::Range;

use lastwrite::overwrite::{quick_extents, sample_extents};
use lastwrite::units::{Bytes, SectorSize};
use sha2::{Digest, Sha256};

/// 1 GiB in blocks of 512 bytes.
const SIZE: u64 = 1 << 30;
const BLOCKS: u64 = SIZE / 512;
const SEEDS: u64 = 1500;

/// Numbers from a hash, so that every run gives the same figures.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn hit(ranges: &[Range<u64>], extent: &Range<u64>) -> bool {
    let at = ranges.partition_point(|range| range.end <= extent.start);
    ranges.get(at).is_some_and(|range| range.start < extent.end)
}

type Sampler = fn(Bytes, SectorSize, [u8; 32]) -> Vec<Range<u64>>;

/// Unwiped extents that are laid out at random, `draws` times for each seed.
struct Trial {
    extents: u64,
    blocks: u64,
    draws: u64,
    numbers: Numbers,
    found: u64,
    all: u64,
}

impl Trial {
    fn new((extents, blocks, draws): (u64, u64, u64)) -> Trial {
        Trial { extents, blocks, draws, numbers: Numbers(extents * 1_000_003 + blocks), found: 0, all: 0 }
    }

    fn run(&mut self, ranges: &[Range<u64>]) {
        for _ in 0..self.draws {
            let noticed = (0..self.extents).any(|_| {
                let first = self.numbers.next() % (BLOCKS - self.blocks + 1);
                hit(ranges, &(first * 512..(first + self.blocks) * 512))
            });
            self.found += u64::from(noticed);
            self.all += 1;
        }
    }

    /// In how many of all draws at least one extent was met.
    fn share(&self) -> f64 {
        self.found as f64 / self.all as f64
    }
}

fn measure(sampler: Sampler, trials: &[(u64, u64, u64)]) -> Vec<Trial> {
    let mut trials: Vec<_> = trials.iter().map(|trial| Trial::new(*trial)).collect();
    for seed in 0..SEEDS {
        let seed: [u8; 32] = Sha256::digest(seed.to_be_bytes()).into();
        let ranges = sampler(Bytes(SIZE), SectorSize::B512, seed);
        trials.iter_mut().for_each(|trial| trial.run(&ranges));
    }
    trials
}

/// The share of starting places from which an extent of `blocks` blocks meets a sample, exactly: averaged
/// over the places of two samples of `s` blocks drawn as `sample_extents` draws them, far from the edges of
/// the medium. For one block it is the share that is read, `2s/len`.
fn theory(blocks: u64) -> f64 {
    let len = BLOCKS as f64 / 1000.0;
    let s = (len / 20.0).ceil();
    let room = len - 2.0 * s;
    // Two ordered uniform numbers a <= b in 0..=room; gaps before, between and behind the samples.
    let grid = 400u32;
    let reach = blocks as f64 - 1.0;
    let mut sum = 0.0;
    let mut weight = 0.0;
    for i in 0..grid {
        for j in i..grid {
            let (a, b) = (f64::from(i) + 0.5, f64::from(j) + 0.5);
            let (a, b) = (a / f64::from(grid) * room, b / f64::from(grid) * room);
            let w = if i == j { 1.0 } else { 2.0 };
            // Starting places that meet the first sample, and the second beyond what the first has.
            let between = b - a;
            sum += w * (2.0 * s + reach + between.min(reach));
            weight += w;
        }
    }
    let independent = sum / weight / len;
    independent.min(1.0)
}

#[test]
fn detection_is_what_the_theory_says_and_what_the_documentation_tells() {
    let mut table = String::from("| Unwiped extents | of size | theory | measured | draws |\n|---|---|---|---|---|\n");
    let trials =
        [(1, 1, 40), (10, 1, 40), (1000, 1, 2), (1, 8, 40), (10, 8, 40), (1000, 8, 2), (1, 256, 40), (10, 256, 40)];
    for trial in measure(sample_extents, &trials) {
        let Trial { extents, blocks, all, .. } = trial;
        let expected = 1.0 - (1.0 - theory(blocks)).powi(i32::try_from(extents).unwrap());
        let measured = trial.share();
        let deviation = (expected * (1.0 - expected) / all as f64).sqrt();
        assert!(
            (measured - expected).abs() <= 4.5 * deviation + 0.002,
            "{extents} extents of {blocks} blocks: {measured} measured, {expected} expected"
        );
        let size = if blocks == 1 { "1 block".to_owned() } else { format!("{} KiB", blocks / 2) };
        writeln!(table, "| {extents} | {size} | {:.2} % | {:.2} % | {all} |", expected * 100.0, measured * 100.0)
            .unwrap();
    }
    let quick = 1.0 - (1.0 - (256.0 * 128.0) / BLOCKS as f64).powi(10);
    let trial = measure(quick_extents, &[(10, 1, 40)]).remove(0);
    let (measured, all) = (trial.share(), trial.all);
    assert!((measured - quick).abs() < 0.01, "{measured} {quick}");
    writeln!(table, "| 10, quick check | 1 block | {:.2} % | {:.2} % | {all} |", quick * 100.0, measured * 100.0)
        .unwrap();
    print!("{table}");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verification.md")).unwrap();
    assert!(page.contains(&table), "docs/verification.md should hold:\n{table}");
}

/// A medium of which half was never wiped is as good as certain to be noticed, also by a quick check.
#[test]
fn half_an_erase_is_always_noticed() {
    for sampler in [sample_extents as Sampler, quick_extents] {
        for seed in 0..200u64 {
            let seed: [u8; 32] = Sha256::digest(seed.to_be_bytes()).into();
            let ranges = sampler(Bytes(SIZE), SectorSize::B512, seed);
            assert!(hit(&ranges, &(SIZE / 2..SIZE)) && hit(&ranges, &(0..SIZE / 2)));
        }
    }
}
