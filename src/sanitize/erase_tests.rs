//! What the end of a pass means for its run. How runs go is in tests/wipe_loop.rs and tests/faulty_media.rs.

use std::io;

use super::*;
use crate::sanitize::samples::{SIZE, bad, plan};
use crate::sanitize::state::RunState;

fn of(end: PassEnd, done: u64, ledger: Ledger, patience: u64) -> StageEnd {
    let stage = RunState::new(plan(&[0], VerificationLevel::Full)).stages[0].stage;
    let outcome = PassOutcome { end, watermark: Bytes(4096), done: Bytes(done), ledger, first_error: None };
    StageEnd::of(&outcome, stage, SIZE, Bytes(SIZE), patience)
}

fn failure(end: StageEnd) -> Failure {
    match end {
        StageEnd::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_a_pass_that_brought_all_of_it_through_is_through() {
    let clean = Ledger::default;
    assert!(matches!(of(PassEnd::Complete, SIZE, clean(), 0), StageEnd::Through));
    // What is missing stands in the ledger, which fails the run by itself.
    assert!(matches!(of(PassEnd::Complete, SIZE - 512, bad(3, 1), 0), StageEnd::Through));
    for done in [0, SIZE - 512, SIZE + 512] {
        let failure = failure(of(PassEnd::Complete, done, clean(), 0));
        assert_eq!(failure.code, "io_failed");
        assert!(failure.message.contains("error of the program"), "{failure:?}");
    }
    let failed = failure(of(PassEnd::Failed { error: io::Error::other("x") }, SIZE, clean(), 0));
    assert_eq!(failed.code, "io_failed");
    assert!(matches!(of(PassEnd::Cancelled, SIZE, clean(), 0), StageEnd::Cancelled));
    let gone = of(PassEnd::DeviceGone { error: io::Error::other("x") }, SIZE, clean(), 0);
    assert!(matches!(gone, StageEnd::Stopped(Stopped::MediumGone { .. })), "{gone:?}");
}

#[test]
fn a_short_stall_is_no_verdict_where_a_stop_was_asked_for() {
    let stalled = |for_secs, patience| of(PassEnd::Stalled { for_secs }, 0, Ledger::default(), patience);
    assert!(matches!(stalled(5, 300), StageEnd::Stopped(Stopped::Asked)));
    for (for_secs, patience) in [(300, 300), (300, 0), (5, 0)] {
        let failure = failure(stalled(for_secs, patience));
        assert_eq!(failure.code, "stalled");
        assert!(failure.message.contains(&format!("{for_secs} s; 4096 of {SIZE} bytes")), "{failure:?}");
    }
}

/// A pass that contradicts its own count has settled nothing: taken up at the end of it, it would pass.
#[test]
fn a_failed_stage_is_taken_up_where_all_before_it_is_settled() {
    let stages = RunState::new(plan(&[0], VerificationLevel::Full)).stages;
    let (write, verify) = (stages[0].stage, stages[1].stage);
    let (from, flushed) = (Bytes(512), Bytes(2048));
    let at = |end, stage| {
        let ledger = Ledger::default();
        let outcome = PassOutcome { end, watermark: Bytes(SIZE), done: Bytes(0), ledger, first_error: None };
        goes_on_at(&outcome, stage, from, flushed)
    };
    let stalled = || PassEnd::Stalled { for_secs: 300 };
    assert_eq!((at(PassEnd::Complete, write), at(PassEnd::Complete, verify)), (from, from));
    assert_eq!((at(stalled(), write), at(stalled(), verify)), (flushed, Bytes(SIZE)));
}
