//! Before a resumed stage goes on: does the medium still hold what the run wrote below the place
//! where it was cut? An identity can be shared by clones, and another program may have written.

use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::erase::{Bench, Stopped};
use super::record::Failure;
use super::state::{RunPlan, Stage};
use crate::overwrite::{Disk, Extents, Ledger, PassEnd, PassJob, PassOp};
use crate::units::Bytes;

/// How many blocks are compared, the first one among them.
const SPOTS: u64 = 17;

/// Compares some blocks below `from` with the pass of this stage. A difference ends the run before
/// anything more is written.
pub(super) async fn recheck(
    plan: &RunPlan,
    stage: Stage,
    from: Bytes,
    known_bad: &Ledger,
    disk: Arc<dyn Disk>,
    bench: &Bench,
) -> Result<Option<Failure>, Stopped> {
    let spots = spots(plan, from, known_bad);
    let Some(pass) = plan.passes.get(stage.pass as usize - 1).filter(|_| !spots.is_empty()) else { return Ok(None) };
    let job = PassJob {
        disk,
        size: plan.medium.geometry.size,
        block: plan.block,
        op: PassOp::Verify,
        pattern: pass.pattern.clone(),
        extents: Extents::Sample(spots),
        faults: bench.faults,
    };
    let outcome = bench.engine.submit(job).wait().await;
    if let PassEnd::DeviceGone { error } = outcome.end {
        return Err(Stopped::MediumGone { error: error.to_string() });
    }
    let different = outcome.ledger.mismatched.first().map(|range| Failure {
        code: "other_content".to_owned(),
        message: format!(
            "resumed at byte {from} of pass {}: {range} does not hold what this run had written there; it is another \
             medium of the same identity, or it was written to since. Nothing more was written",
            stage.pass
        ),
        advice: "check that it is the right medium, then wipe it anew".to_owned(),
    });
    Ok(different)
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
    use super::super::samples::{SIZE, bad, plan};
    use super::*;
    use crate::policy::VerificationLevel;

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
