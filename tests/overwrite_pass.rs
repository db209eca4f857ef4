//! The state machine of a pass by itself: many requests out, answers in any order, no I/O.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::single_range_in_vec_init)]

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use lastwrite::overwrite::*;
use lastwrite::scheme::Pattern;
use lastwrite::units::{Bytes, SectorSize};
use proptest::prelude::*;

const ZERO: Pattern = Pattern::Byte { byte: 0 };

fn eio() -> io::Error {
    io::Error::from_raw_os_error(libc::EIO)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// A model of which blocks are written: what is below the watermark always is, or is in the ledger.
    #[test]
    fn the_watermark_is_true_at_every_moment(
        blocks in 1u64..400, tail in 0u64..512, from in 0u64..40, most in 1usize..40, depth in 1usize..6, retries in 0u32..3,
        bad in prop::collection::btree_set(0u64..400, 0..20),
        choices in prop::collection::vec((any::<prop::sample::Index>(), 0u8..12), 50),
    ) {
        let size = blocks * 512 - tail;
        let start = from.min(blocks - 1) * 512;
        let limits = FaultLimits { retries, ..FaultLimits::default() };
        let mut pass = Pass::new(PassOp::Write, &ZERO, Bytes(size), SectorSize::B512, vec![start..size], limits);
        let mut written = BTreeSet::new();
        let mut out = Vec::new();
        for step in 0..200_000 {
            let (which, what) = choices[step % choices.len()];
            while out.len() < depth && matches!(pass.poll(), Poll::Ready(_)) {
                out.push(pass.take(most * 512, Duration::from_millis(step as u64)).unwrap());
            }
            if pass.poll() == Poll::Finished {
                break;
            }
            let request: Request = out.swap_remove(which.index(out.len()));
            let (first, end) = (request.offset() / 512, (request.offset() + request.len() as u64).div_ceil(512));
            let len = request.len();
            let answer = match what {
                _ if bad.range(first..end).next().is_some() => Err(eio()),
                // Not always the same one of the choices, or nothing ever ends.
                0 if step % 7 != 0 => Err(io::Error::from_raw_os_error(libc::ECANCELED)),
                1 if step % 5 != 0 && len >= 1024 => Ok(len / 2),
                _ => Ok(len),
            };
            if let Ok(moved) = answer {
                let whole = if moved == len { end - first } else { moved as u64 / 512 };
                written.extend(first..first + whole);
            }
            pass.complete(request, answer, &[], Duration::from_millis(step as u64));
            let (ledger, _) = pass.ledger();
            let known: BTreeSet<u64> = ledger.unwritten.iter().flat_map(|r| r.first.0..r.first.0 + r.count.0).collect();
            let mark = pass.watermark();
            prop_assert!((start / 512..mark / 512).all(|b| written.contains(&b) || known.contains(&b)));
            prop_assert!(known.iter().all(|b| bad.contains(b)), "only what never works is recorded");
        }
        prop_assert_eq!(pass.poll(), Poll::Finished);
        prop_assert_eq!((pass.settled(), pass.total()), (size - start, size - start));
        let outcome = pass.outcome();
        let expected: BTreeSet<u64> = bad.into_iter().filter(|b| (start / 512..blocks).contains(b)).collect();
        let found: BTreeSet<u64> =
            outcome.ledger.unwritten.iter().flat_map(|r| r.first.0..r.first.0 + r.count.0).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(outcome.watermark, Bytes(size));
    }
}

#[test]
fn the_largest_medium_that_is_dead_is_given_up_in_few_requests() {
    let size = 1u64 << 63;
    let limits = FaultLimits { retry_budget: Duration::from_secs(60), ..FaultLimits::default() };
    let mut pass = Pass::new(PassOp::Verify, &ZERO, Bytes(size), SectorSize::B4096, vec![0..size], limits);
    let mut now = Duration::ZERO;
    let mut requests = 0;
    while let Poll::Ready(_) = pass.poll() {
        let request = pass.take(4 << 20, now).unwrap();
        now += Duration::from_secs(30);
        pass.complete(request, Err(eio()), &[], now);
        requests += 1;
    }
    assert!(requests < 100, "{requests}");
    let outcome = pass.outcome();
    assert!(matches!(outcome.end, PassEnd::Complete));
    assert_eq!((outcome.done, outcome.watermark, outcome.ledger.blocks()), (Bytes(0), Bytes(size), size / 4096));
}

#[test]
fn only_what_was_read_this_time_is_compared() {
    let mut pass =
        Pass::new(PassOp::Verify, &ZERO, Bytes(4096), SectorSize::B512, vec![0..4096], FaultLimits::default());
    let request = pass.take(4096, Duration::ZERO).unwrap();
    let mut data = vec![0xFF; 4096];
    pass.prepare(&request, &mut data);
    assert!(data.chunks(512).all(|block| block[..8] == [0xFF; 8]));
    data[..1500].fill(0);
    // 1,500 bytes: two whole blocks count, the rest is asked for again.
    pass.complete(request, Ok(1500), &data, Duration::ZERO);
    assert!(pass.ledger().0.is_clean());
    let rest = pass.take(4096, Duration::ZERO).unwrap();
    assert_eq!((rest.offset(), rest.len()), (1024, 3072));
    pass.complete(rest, Ok(0), &data, Duration::ZERO);
    assert_eq!(pass.settled(), 1024, "nothing read is an error, not a match");
}

/// The process was stopped for ten hours while one request was out. Longer than the patience with a silent
/// medium it cannot have been the medium that took the time.
#[test]
fn time_that_the_process_stood_still_is_not_lost_on_errors() {
    let limits = FaultLimits::default();
    let mut pass = Pass::new(PassOp::Write, &ZERO, Bytes(4096), SectorSize::B512, vec![0..4096], limits);
    let mut now = Duration::ZERO;
    let mut first_of_trouble = true;
    while let Poll::Ready(_) = pass.poll() {
        let request = pass.take(4096, now).unwrap();
        let bad = request.offset() <= 1024 && request.offset() + request.len() as u64 > 1024;
        let stopped = bad && request.len() < 4096 && std::mem::take(&mut first_of_trouble);
        now += if stopped { Duration::from_secs(10 * 3600) } else { Duration::from_secs(1) };
        let answer = if bad { Err(eio()) } else { Ok(request.len()) };
        pass.complete(request, answer, &[], now);
    }
    let outcome = pass.outcome();
    assert!(!first_of_trouble && outcome.ledger.unreached.is_empty(), "{outcome:?}");
    assert_eq!((outcome.ledger.blocks(), outcome.done), (1, Bytes(4096 - 512)));
}
