//! Before a resumed stage goes on: does the medium still hold what the run wrote below the place
//! where it was cut? An identity can be shared by clones, and another program may have written.

use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::erase::{Bench, Stopped, patience_with_a_stop};
use super::record::{Failure, ResumeFacts};
use super::state::{RunPlan, RunState, Stage, StageWork};
use crate::overwrite::{Disk, Extents, Ledger, PassEnd, PassJob, PassOp, PassOutcome};
use crate::scheme::Pattern;
use crate::units::Bytes;

/// How many blocks are compared, the first one among them.
const SPOTS: u64 = 17;

/// What a medium must still hold when a stage is taken up again.
pub(super) struct Known {
    /// Whole blocks, not known to be bad.
    spots: Vec<Range<u64>>,
    /// Each of them holds one of these. None: nothing is known yet.
    patterns: Vec<Pattern>,
    /// Where the stage goes on.
    from: Bytes,
}

impl Known {
    /// Below `from` stands the pass of this stage. A stage that was cut at its very beginning goes on over what the
    /// stages before it left everywhere, but for what it had written itself and not yet flushed.
    pub fn of(progress: &RunState, stage: Stage, from: Bytes, known_bad: &Ledger) -> Known {
        let plan = &progress.plan;
        let pattern = |pass: Option<u32>| Some(plan.passes.get(pass?.checked_sub(1)? as usize)?.pattern.clone());
        let own = pattern(Some(stage.pass));
        let below = spots(plan, from, known_bad);
        if from.0 >= plan.block.bytes() {
            return Known { spots: below, patterns: own.into_iter().collect(), from };
        }
        let (size, block) = (plan.medium.geometry.size, plan.block.bytes());
        let is_here = |facts: &ResumeFacts| facts.pass == stage.pass && facts.stage == stage.work.word();
        let before = match stage.work {
            StageWork::Write => pattern(stage.pass.checked_sub(1)),
            StageWork::Verify { .. } => own.clone(),
        };
        let taken_up = progress.resumed.last().is_some_and(is_here);
        let (true, Some(before)) = (taken_up && size.0 >= block, before) else {
            return Known { spots: Vec::new(), patterns: Vec::new(), from };
        };
        let mut bad = known_bad.clone();
        progress.stages.iter().filter(|earlier| earlier.ended.is_some()).for_each(|earlier| bad.merge(&earlier.ledger));
        let mut patterns = vec![before];
        patterns.extend(own.filter(|own| !patterns.contains(own)));
        Known { spots: spots(plan, size, &bad), patterns, from }
    }
}

/// Compares some blocks with what the run had written there. A difference ends the run before anything
/// more is written, and so does a medium that shows nothing of what the run wrote: it is not known to be the
/// same. That one is then wiped anew also where it is the same and all of these places went bad.
pub(super) async fn recheck(
    plan: &RunPlan,
    stage: Stage,
    known: Known,
    disk: Arc<dyn Disk>,
    bench: &Bench,
) -> Result<Option<Failure>, Stopped> {
    let Known { mut spots, patterns, from } = known;
    if patterns.is_empty() {
        return Ok(None);
    }
    let failed = |code: &str, what: String| Failure {
        code: code.to_owned(),
        message: format!("resumed at byte {from} of pass {}: {what}. Nothing more was written", stage.pass),
        advice: "check that it is the right medium, then wipe it anew".to_owned(),
    };
    if spots.is_empty() {
        let words = "every block that would have been compared is known to be bad, so that nothing shows that it is \
                     the same medium";
        return Ok(Some(failed("not_recognized", words.to_owned())));
    }
    let (count, block) = (spots.len(), plan.block.bytes());
    let mut found: Option<PassOutcome> = None;
    let last = patterns.len().saturating_sub(1);
    for (at, pattern) in patterns.into_iter().enumerate() {
        let job = PassJob {
            disk: disk.clone(),
            size: plan.medium.geometry.size,
            block: plan.block,
            op: PassOp::Verify,
            pattern,
            extents: Extents::Sample(spots),
            faults: bench.faults,
        };
        let mut outcome = end_of(job, bench).await;
        outcome.done.0 += found.map_or(0, |earlier| earlier.done.0);
        // What does not hold this pattern may hold the next one.
        let others = if at < last { std::mem::take(&mut outcome.ledger.mismatched) } else { Vec::new() };
        spots = others.iter().map(|r| r.first.0 * block..r.first.0.saturating_add(r.count.0) * block).collect();
        let goes_on = !spots.is_empty() && matches!(outcome.end, PassEnd::Complete);
        found = Some(outcome);
        if !goes_on {
            break;
        }
    }
    let Some(outcome) = found else { return Ok(None) };
    let Some((code, what)) = judge(&outcome, count, patience_with_a_stop(bench))? else { return Ok(None) };
    Ok(Some(failed(code, what)))
}

/// Carries a pass out, and passes a stop on to it.
async fn end_of(job: PassJob, bench: &Bench) -> PassOutcome {
    let pass = bench.engine.submit(job);
    let watch = pass.watch();
    let mut ended = std::pin::pin!(pass.wait());
    let mut stop = bench.stop.clone();
    let outcome = tokio::select! {
        outcome = &mut ended => Some(outcome),
        Ok(_) = stop.wait_for(|stop| *stop) => None,
    };
    match outcome {
        Some(outcome) => outcome,
        None => {
            watch.cancel();
            ended.await
        }
    }
}

/// Why the run must not go on: code and words. `None`: what could be read of the `count` blocks is what the run
/// had written, and that is not nothing. A stall of less than `patience` seconds is the stop that was asked for.
fn judge(outcome: &PassOutcome, count: usize, patience: u64) -> Result<Option<(&'static str, String)>, Stopped> {
    if let PassEnd::DeviceGone { error } = &outcome.end {
        return Err(Stopped::MediumGone { error: error.to_string() });
    }
    if let Some(range) = outcome.ledger.mismatched.first() {
        let words = format!(
            "{range} does not hold what this run had written there; it is another medium of the same identity, or it \
             was written to since"
        );
        return Ok(Some(("other_content", words)));
    }
    Ok(match &outcome.end {
        PassEnd::Cancelled => return Err(Stopped::Asked),
        PassEnd::Stalled { for_secs } if *for_secs < patience => return Err(Stopped::Asked),
        PassEnd::Stalled { for_secs } => Some(("stalled", format!("the medium did not answer for {for_secs} s"))),
        PassEnd::Failed { error } => Some(("io_failed", error.to_string())),
        PassEnd::Complete if outcome.done.0 == 0 => {
            let words = format!(
                "none of {count} blocks that this run had written could be read, so that nothing shows that it is the \
                 same medium"
            );
            Some(("not_recognized", words))
        }
        PassEnd::Complete | PassEnd::DeviceGone { .. } => None,
    })
}

/// The first block and others drawn from the run's id, whole blocks below `from` that are not known
/// to be bad.
fn spots(plan: &RunPlan, from: Bytes, known_bad: &Ledger) -> Vec<Range<u64>> {
    let block = plan.block.bytes();
    let below = from.0 / block;
    if below == 0 {
        return Vec::new();
    }
    let bad = |lba: u64| {
        let lists = [&known_bad.unwritten, &known_bad.unread, &known_bad.mismatched, &known_bad.unreached];
        lists.into_iter().flatten().any(|r| lba >= r.first.0 && lba - r.first.0 < r.count.0)
    };
    let drawn = (1..SPOTS).map(|i| {
        let hash = Sha256::new().chain_update(&plan.run_id).chain_update(i.to_be_bytes()).finalize();
        hash.iter().take(8).fold(0u64, |n, b| n << 8 | u64::from(*b)) % below
    });
    let mut lbas: Vec<u64> = std::iter::once(0).chain(drawn).filter(|lba| !bad(*lba)).collect();
    lbas.sort_unstable();
    lbas.dedup();
    lbas.into_iter().map(|lba| lba * block..(lba + 1) * block).collect()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::fd::RawFd;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use tokio::sync::watch;

    use super::super::firmware::{Psids, STALL};
    use super::super::samples::{SIZE, at, bad, journal, plan};
    use super::super::state::JournalEntry;
    use super::*;
    use crate::device::Roots;
    use crate::overwrite::{Engine, EngineConfig, FaultLimits, IoChoice};
    use crate::policy::VerificationLevel;
    use crate::sys::Blocking;
    use crate::units::{Lba, LbaRange, Sectors};

    fn judged(end: PassEnd, done: u64, ledger: Ledger, patience: u64) -> Result<Option<&'static str>, Stopped> {
        let (watermark, first_error) = (Bytes(0), None);
        let outcome = PassOutcome { end, watermark, done: Bytes(done), ledger, first_error };
        judge(&outcome, 17, patience).map(|failure| failure.map(|(code, _)| code))
    }

    #[test]
    fn what_could_not_be_compared_does_not_pass_for_the_same() {
        let unread = |count| {
            let range = LbaRange { first: Lba(0), count: Sectors(count) };
            Ledger { unread: vec![range], ..Ledger::default() }
        };
        let code = |end, done, ledger| judged(end, done, ledger, 0).unwrap();
        assert_eq!(code(PassEnd::Complete, 17 * 512, Ledger::default()), None);
        // Bad places are none of another medium's, as long as one is not.
        assert_eq!(code(PassEnd::Complete, 512, unread(16)), None);
        assert_eq!(code(PassEnd::Complete, 0, unread(17)), Some("not_recognized"));
        assert_eq!(code(PassEnd::Complete, 16 * 512, bad(0, 1)), Some("other_content"));
        assert_eq!(code(PassEnd::Stalled { for_secs: 60 }, 512, bad(0, 1)), Some("other_content"));
        assert_eq!(code(PassEnd::Stalled { for_secs: 60 }, 512, Ledger::default()), Some("stalled"));
        assert_eq!(code(PassEnd::Failed { error: io::Error::other("x") }, 0, Ledger::default()), Some("io_failed"));
        let stopped = judged(PassEnd::Stalled { for_secs: 5 }, 0, Ledger::default(), 60);
        assert!(matches!(stopped, Err(Stopped::Asked)), "{stopped:?}");
        let gone = judged(PassEnd::DeviceGone { error: io::Error::other("x") }, 0, Ledger::default(), 0);
        assert!(matches!(gone, Err(Stopped::MediumGone { .. })), "{gone:?}");
    }

    /// Holds zeros, and takes its time to say so.
    #[derive(Default)]
    struct SlowDisk {
        reads: AtomicU64,
    }

    impl Disk for SlowDisk {
        fn raw_fd(&self) -> Option<RawFd> {
            None
        }

        fn read_at(&self, buf: &mut [u8], _: u64) -> io::Result<usize> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(60));
            buf.fill(0);
            Ok(buf.len())
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
            Err(io::ErrorKind::PermissionDenied.into())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn bench(stop: watch::Receiver<bool>) -> Bench {
        let config = EngineConfig { buffer_bytes: 1 << 20, io: IoChoice::Plain, ..EngineConfig::default() };
        Bench {
            engine: Arc::new(Engine::start(config).unwrap()),
            blocking: Blocking::new(),
            roots: Arc::new(Roots::live()),
            stop,
            faults: FaultLimits::default(),
            checkpoint_every: Duration::from_secs(5),
            erase_stall: STALL,
            psids: Arc::new(Psids::default()),
        }
    }

    /// As where none of the blocks can be read now: the next write would go to a medium of which nothing is known.
    #[test]
    fn a_medium_of_which_only_bad_blocks_are_known_is_not_gone_on_with() {
        let plan = plan(&[0], VerificationLevel::Full);
        let (_ask, stop) = watch::channel(false);
        let bench = bench(stop);
        let entries = journal(&plan, |_| Ledger::default());
        let state = RunState::fold(&entries[..3]).unwrap().unwrap();
        let stage = state.stages[0].stage;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let code = |from: u64, bad: Ledger| {
            let disk = Arc::new(SlowDisk::default());
            let known = Known::of(&state, stage, Bytes(from), &bad);
            let answer = runtime.block_on(recheck(&plan, stage, known, disk.clone(), &bench)).unwrap();
            (answer.map(|failure| failure.code), disk.reads.load(Ordering::SeqCst) > 0)
        };
        let all = || bad(0, SIZE / 512);
        assert_eq!(code(SIZE, all()), (Some("not_recognized".to_owned()), false));
        assert_eq!(code(512, bad(0, 1)), (Some("not_recognized".to_owned()), false));
        assert_eq!(code(512, Ledger::default()), (None, true));
        assert_eq!(code(0, all()), (None, false), "nothing was written yet");
    }

    /// Whoever asks a resumed run to stop does not wait for a dying medium to show every block first.
    #[test]
    fn a_stop_ends_the_look_at_what_the_run_had_written() {
        let plan = plan(&[0], VerificationLevel::Full);
        let (ask, stop) = watch::channel(false);
        let bench = bench(stop);
        let stage = RunState::new(plan.clone()).stages[0].stage;
        let from = Bytes(SIZE);
        let known = || {
            let spots = spots(&plan, from, &Ledger::default());
            Known { spots, patterns: vec![Pattern::Byte { byte: 0 }], from }
        };
        let count = known().spots.len() as u64;
        assert!(count > 8, "{count}");
        let disk = Arc::new(SlowDisk::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answer = runtime.block_on(async {
            let stop_soon = async {
                while disk.reads.load(Ordering::SeqCst) == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                ask.send_replace(true);
            };
            futures_util::future::join(recheck(&plan, stage, known(), disk.clone(), &bench), stop_soon).await.0
        });
        assert!(matches!(answer, Err(Stopped::Asked)), "{answer:?}");
        let reads = disk.reads.load(Ordering::SeqCst);
        assert!((1..count).contains(&reads), "{reads} of {count} blocks");
        // And without one it sees them all.
        ask.send_replace(false);
        let answer = runtime.block_on(recheck(&plan, stage, known(), disk.clone(), &bench));
        assert!(matches!(answer, Ok(None)), "{answer:?}");
        assert!(disk.reads.load(Ordering::SeqCst) >= reads + count);
    }

    /// A stage that is taken up at its very beginning goes on over all that the one before it left.
    #[test]
    fn at_the_beginning_of_a_stage_the_one_before_it_is_known() {
        let plan = plan(&[0, 255], VerificationLevel::Full);
        let whole = journal(&plan, |stage| if stage == 0 { bad(0, 4) } else { Ledger::default() });
        let known = |ended: usize, resumed: Option<(u32, &str)>| {
            let mut entries = whole[..2 + 2 * ended].to_vec();
            entries.extend(resumed.map(|(pass, stage)| JournalEntry::Resumed {
                facts: ResumeFacts { at: at(5), path: "/dev/sdz".into(), pass, stage: stage.into(), offset: Bytes(0) },
            }));
            let state = RunState::fold(&entries).unwrap().unwrap();
            Known::of(&state, state.next_stage().unwrap().stage, Bytes(0), &Ledger::default())
        };
        let bytes = |known: &Known| -> Vec<u8> {
            let byte = |pattern: &Pattern| match pattern {
                Pattern::Byte { byte } => *byte,
                other => panic!("{other:?}"),
            };
            known.patterns.iter().map(byte).collect()
        };
        // Nothing was written before the first pass, and what this process itself has just ended needs no look.
        for (ended, resumed) in [(0, Some((1, "write"))), (1, None), (1, Some((1, "write"))), (2, Some((2, "write")))] {
            assert!(known(ended, resumed).spots.is_empty(), "{ended}, {resumed:?}");
        }
        for (ended, resumed, expected) in [(1, (2, "write"), vec![0, 255]), (2, (2, "verify"), vec![255])] {
            let known = known(ended, Some(resumed));
            assert_eq!(bytes(&known), expected, "{resumed:?}");
            assert!(known.spots.len() > 8 && known.spots.iter().all(|s| s.start >= 4 * 512 && s.end <= SIZE));
            assert!(known.spots.iter().any(|s| s.start > SIZE / 2));
        }
        let state = RunState::fold(&whole[..4]).unwrap().unwrap();
        let below = Known::of(&state, state.next_stage().unwrap().stage, Bytes(4096), &Ledger::default());
        assert_eq!(bytes(&below), [255]);
        assert!(below.spots.iter().all(|s| s.end <= 4096) && !below.spots.is_empty());
    }

    #[test]
    fn spots_lie_below_the_cut_and_never_on_a_known_bad_block() {
        let plan = plan(&[0], VerificationLevel::Full);
        assert!(spots(&plan, Bytes(511), &Ledger::default()).is_empty());
        for from in [512, 4096, SIZE / 2, SIZE] {
            let found = spots(&plan, Bytes(from), &Ledger::default());
            assert_eq!(found[0], 0..512);
            assert!(found.iter().all(|s| s.end <= from) && found.windows(2).all(|w| w[0].end <= w[1].start));
        }
        assert!(spots(&plan, Bytes(SIZE), &bad(0, SIZE / 512)).is_empty());
    }
}
