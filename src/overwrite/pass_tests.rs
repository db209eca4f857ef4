//! What a pass remembers of a medium that fails everywhere is bounded. How a pass goes is in tests/overwrite_pass.rs.

use super::*;

const ZERO: Pattern = Pattern::Byte { byte: 0 };

/// Places that the pass has to come back to.
fn places(pass: &Pass) -> usize {
    pass.trouble.len() + pass.deferred.len() + pass.sweep.len() + pass.again.len()
}

/// Carries a write pass out, four requests at a time, each of `took`; the most places it had to come back to.
fn carry_out(pass: &mut Pass, most: usize, took: Duration, mut answer: impl FnMut(&Request) -> bool) -> usize {
    let (mut now, mut worst) = (Duration::ZERO, 0);
    let mut out = VecDeque::new();
    loop {
        while out.len() < 4 && matches!(pass.poll(), Poll::Ready(_)) {
            out.push_back(pass.take(most, now).unwrap());
        }
        let Some(request) = out.pop_front() else { return worst };
        now += took;
        let moved = if answer(&request) { Ok(request.len()) } else { Err(io::Error::from_raw_os_error(libc::EIO)) };
        pass.complete(request, moved, &[], now);
        worst = worst.max(places(pass));
    }
}

fn pass(size: u64, limits: FaultLimits) -> Pass {
    Pass::new(PassOp::Write, &ZERO, Bytes(size), SectorSize::B512, std::iter::once(0..size).collect(), limits)
}

/// A drive that rejects every write in 20 µs: as many failures as its size in requests, and more within the budget.
#[test]
fn a_drive_that_refuses_everything_at_once_takes_no_memory() {
    const REQUEST: u64 = 64 << 10;
    let size = 100_000 * REQUEST;
    let limits = FaultLimits { retry_budget: Duration::from_secs(9), ..FaultLimits::default() };
    let mut pass = pass(size, limits);
    let mut requests = 0u32;
    let worst = carry_out(&mut pass, REQUEST as usize, Duration::from_micros(20), |_| {
        requests += 1;
        false
    });
    assert!(requests > 100_000, "all of it was tried: {requests}");
    assert!(worst < 10_000, "{worst} places");
    assert_eq!((pass.settled(), pass.watermark()), (size, size));
    let outcome = pass.outcome();
    assert_eq!((outcome.done, outcome.ledger.blocks()), (Bytes(0), size / 512));
    assert!(matches!(outcome.end, PassEnd::Complete) && !outcome.ledger.unreached.is_empty());
}

/// More bad places than are remembered, none beside another: the rest is written all the same, and it is no success.
#[test]
fn more_bad_places_than_are_remembered_do_not_keep_the_rest_from_being_written() {
    let count = MOST_RANGES as u64 + 5000;
    let size = 2 * count * 1024;
    let limits = FaultLimits { retries: 0, ..FaultLimits::default() };
    let mut pass = pass(size, limits);
    let mut written = vec![false; 2 * count as usize];
    // Every second request has a bad block.
    let worst = carry_out(&mut pass, 1024, Duration::from_micros(1), |request| {
        let at = (request.offset() / 1024) as usize;
        let good = at.is_multiple_of(2) || request.offset() % 1024 != 0;
        written[at] |= good && request.len() == 1024;
        good
    });
    assert!(worst <= 2 * MOST_RANGES, "{worst} places");
    assert!(written.iter().step_by(2).all(|written| *written), "all that could be written at once");
    let outcome = pass.outcome();
    assert!(matches!(outcome.end, PassEnd::Failed { .. }) && !outcome.ledger.unreached.is_empty(), "{:?}", outcome.end);
}
