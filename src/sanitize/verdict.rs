//! The judgement over a run. Pure: what the journal says goes in, facts and perhaps a failure come out.
//! A pass needs every stage complete, every flush acknowledged and a clean ledger; nothing else is one.

mod drive;
mod hidden;

use chrono::{DateTime, Utc};

use super::record::{
    ClockQuality, Failure, IoFacts, LedgerFacts, MediumFacts, PassFacts, Proven, RunFacts, ToolFacts, VerificationFacts,
};
use super::stages::settled;
use super::state::{RunPlan, RunState, Stage, StageState, StageWork};
use crate::overwrite::{Ledger, quick_extents, sample_extents};
use crate::policy::VerificationLevel;
use crate::units::{Bytes, LbaRange};

/// Facts and failure of a run; `None` when no intent was recorded, since then nothing was done.
pub fn judge(
    state: &RunState,
    broken: Option<Failure>,
    tool: ToolFacts,
    clock: ClockQuality,
    at: DateTime<Utc>,
) -> Option<(RunFacts, Option<Failure>)> {
    let (intent, started) = state.intent.clone()?;
    let plan = &state.plan;
    let ledger = total_ledger(state);
    let failure = broken.or_else(|| find_failure(state, &ledger));
    let by_host = state.rung().is_by_host();
    let exceptions = failure.is_none() && !ledger.is_clean();
    let verification = if by_host { final_verification(state) } else { drive::verification(state) };
    let proven = match (&failure, verification.level) {
        (Some(_), _) => Proven::Nothing,
        (None, level) if !by_host => drive::proven(state, level),
        (None, VerificationLevel::None) => Proven::CompletionOnly,
        (None, _) if exceptions => Proven::ReadbackWithExceptions,
        (None, VerificationLevel::Full) => Proven::FullReadback,
        (None, VerificationLevel::Sample) => Proven::SampledReadback,
        (None, VerificationLevel::Quick) => Proven::QuickReadback,
    };
    let facts = RunFacts {
        run_id: plan.run_id.clone(),
        medium: medium_facts(plan),
        requested: plan.requested,
        attained: failure.is_none().then_some(state.rung().attains),
        proven,
        technique: state.rung().technique.name().to_owned(),
        scheme: if by_host { plan.scheme.clone() } else { state.rung().scheme() },
        passes: if by_host { passes(state) } else { Vec::new() },
        firmware: if by_host { None } else { Some(drive::facts(state)) },
        steps_down: state.steps_down.clone(),
        verification,
        ledger,
        hidden_areas: hidden::hidden_areas(state, failure.is_none()),
        suspensions: state.unfreezing.suspensions.clone(),
        force_ro: state.force_ro.clone(),
        io: if by_host { io_facts(state) } else { drive::io_facts() },
        resumed: state.resumed.clone(),
        started,
        ended: at,
        clock,
        operator: plan.operator.clone(),
        asset_tag: plan.asset_tag.clone(),
        category: plan.category.clone(),
        policy: plan.policy.clone(),
        intent,
        earlier_attempts: plan.earlier_attempts.clone(),
        tool,
    };
    Some((facts, failure))
}

fn find_failure(state: &RunState, ledger: &LedgerFacts) -> Option<Failure> {
    if let Some((stage, error)) = state.stages.iter().find_map(|s| Some((s.stage, s.flush_error.as_ref()?))) {
        return Some(failure(
            "flush_failed",
            format!(
                "pass {}: the medium did not confirm a flush ({error}); acknowledged writes may be lost",
                stage.pass
            ),
            "do not trust the medium; wipe it again on another port, or destroy it",
        ));
    }
    if !state.rung().is_by_host() {
        return drive::find_failure(state);
    }
    if let Some(open) = state.next_stage() {
        return Some(failure(
            "incomplete",
            format!("pass {} ({}) is not complete", open.stage.pass, open.stage.work.word()),
            "resume the run, or wipe the medium again",
        ));
    }
    let allowed = state.plan.policy.as_ref().map_or(0, |policy| policy.bad_blocks_allowed);
    let lost = lost_what_was_written(state);
    if !lost && ledger.exceptions().is_some_and(|blocks| blocks <= u64::from(allowed)) {
        return None;
    }
    let destroy = "the medium still holds data at these places: wipe it again, or destroy it";
    let mut problems = [
        ("write_errors", "could not be written", &ledger.unwritten),
        ("mismatch", "read back other bytes than were written", &ledger.mismatched),
        ("read_errors", "could not be read back", &ledger.unread),
        ("unreached", "were not reached in the time allowed for errors", &ledger.unreached),
    ];
    if lost {
        problems.swap(0, 1);
    }
    let found: Vec<_> = problems.iter().filter(|(_, _, ranges)| !ranges.is_empty()).collect();
    let (code, _, _) = found.first()?;
    let message = found.iter().map(|(_, what, ranges)| format!("{} {what}", describe(ranges))).collect::<Vec<_>>();
    Some(failure(code, message.join("; "), destroy))
}

/// A block reads back as something else although its pass had written it. That it could not be written in another
/// pass, or was not reached there, excuses nothing.
fn lost_what_was_written(state: &RunState) -> bool {
    state.stages.iter().any(|read| {
        let written = stage_of(state, read.stage.pass, |work| work == StageWork::Write);
        let mut missing: Vec<LbaRange> = written
            .map(|stage| stage.ledger.unwritten.iter().chain(&stage.ledger.unreached).copied().collect())
            .unwrap_or_default();
        missing.sort_unstable_by_key(|range| range.first);
        read.ledger.mismatched.iter().any(|range| !range.is_within(&missing))
    })
}

/// `3 blocks (LBA 7, LBA 4096-4097)`, with the first few ranges only.
fn describe(ranges: &[LbaRange]) -> String {
    let blocks = ranges.iter().fold(0u64, |sum, r| sum.saturating_add(r.count.0));
    let shown: Vec<String> = ranges.iter().take(4).map(ToString::to_string).collect();
    let more = if ranges.len() > 4 { format!(", and {} more ranges", ranges.len() - 4) } else { String::new() };
    let noun = if blocks == 1 { "block" } else { "blocks" };
    format!("{blocks} {noun} ({}{more})", shown.join(", "))
}

pub(super) fn failure(code: &str, message: String, advice: &str) -> Failure {
    Failure { code: code.to_owned(), message, advice: advice.to_owned() }
}

fn medium_facts(plan: &RunPlan) -> MediumFacts {
    let medium = &plan.medium;
    MediumFacts {
        identity: medium.identity.clone(),
        identity_digest: medium.identity.digest(),
        kind: medium.kind,
        class: medium.class,
        transport: medium.transport,
        geometry: medium.geometry,
        rotational: medium.rotational,
        zoned: medium.zoned,
        removable: medium.removable,
        path: medium.path.clone(),
        partition: medium.partition.clone(),
    }
}

fn passes(state: &RunState) -> Vec<PassFacts> {
    (1u32..)
        .zip(&state.plan.passes)
        .filter_map(|(number, planned)| {
            let write = stage_of(state, number, |w| w == StageWork::Write)?;
            let started = write.started?;
            let verified = stage_of(state, number, |w| w != StageWork::Write);
            let size = state.plan.medium.geometry.size.0;
            let settled = if write.ended.is_some() { size } else { write.watermark.0 };
            Some(PassFacts {
                number,
                pattern: planned.pattern.clone(),
                started,
                ended: write.ended,
                written: Bytes(settled.saturating_sub(bad_bytes(&state.plan, write))),
                flushed: write.ended.is_some() && write.flush_error.is_none(),
                verified: verified.map(|stage| verification(&state.plan, stage)),
            })
        })
        .collect()
}

fn final_verification(state: &RunState) -> VerificationFacts {
    let last = state.plan.passes.len() as u32;
    match stage_of(state, last, |w| w != StageWork::Write) {
        Some(stage) => verification(&state.plan, stage),
        None => VerificationFacts {
            level: VerificationLevel::None,
            seed: None,
            matched: Bytes(0),
            wanted: Bytes(0),
            started: None,
            ended: None,
        },
    }
}

fn verification(plan: &RunPlan, stage: &StageState) -> VerificationFacts {
    let level = match stage.stage.work {
        StageWork::Verify { level } => level,
        StageWork::Write => VerificationLevel::None,
    };
    let size = plan.medium.geometry.size.0;
    // What lies below the watermark was read back; what of it went wrong stands in the ledger.
    let settled = if stage.ended.is_some() { size } else { stage.watermark.0 };
    let (wanted, reached) = match level {
        VerificationLevel::Sample | VerificationLevel::Quick => {
            let extents = plan.extents(level).unwrap_or_default();
            let below = |limit: u64| {
                extents.iter().map(|e| e.end.min(limit).saturating_sub(e.start)).fold(0u64, u64::saturating_add)
            };
            (below(size), below(settled))
        }
        VerificationLevel::Full => (size, settled),
        VerificationLevel::None => (0, 0),
    };
    VerificationFacts {
        level,
        seed: plan
            .sample_seed
            .clone()
            .filter(|_| matches!(level, VerificationLevel::Sample | VerificationLevel::Quick)),
        matched: Bytes(reached.saturating_sub(bad_bytes(plan, stage))),
        wanted: Bytes(wanted),
        started: stage.started,
        ended: stage.ended,
    }
}

fn stage_of(state: &RunState, pass: u32, work: impl Fn(StageWork) -> bool) -> Option<&StageState> {
    state.stages.iter().find(|s| matches!(s.stage, Stage { pass: p, work: w } if p == pass && work(w)))
}

/// Bytes of the blocks in a stage's ledger, of those that it has settled; a last partial block counts with what it
/// really has.
fn bad_bytes(plan: &RunPlan, stage: &StageState) -> u64 {
    // What was not reached lies above the watermark of a stage that did not end.
    let limit = if stage.ended.is_some() { plan.medium.geometry.size } else { stage.watermark };
    let ledger = settled(&stage.ledger, limit, plan.block);
    let block = plan.block.bytes();
    let size = plan.medium.geometry.size.0;
    [&ledger.unwritten, &ledger.unread, &ledger.mismatched, &ledger.unreached]
        .into_iter()
        .flatten()
        .map(|range| {
            let start = range.first.0.saturating_mul(block).min(size);
            let end = range.first.0.saturating_add(range.count.0).saturating_mul(block).min(size);
            end - start
        })
        .fold(0, u64::saturating_add)
}

fn total_ledger(state: &RunState) -> LedgerFacts {
    if !state.rung().is_by_host() {
        return drive::ledger(state);
    }
    let mut all = Ledger::default();
    for stage in &state.stages {
        all.merge(&stage.ledger);
    }
    LedgerFacts { unwritten: all.unwritten, unread: all.unread, mismatched: all.mismatched, unreached: all.unreached }
}

fn io_facts(state: &RunState) -> IoFacts {
    let done: Vec<_> = state.stages.iter().filter_map(|s| s.io.as_ref()).collect();
    IoFacts {
        engine: done.last().map(|(engine, _)| engine.clone()).unwrap_or_else(|| "none".to_owned()),
        direct: !done.is_empty() && done.iter().all(|(_, direct)| *direct),
    }
}

impl RunPlan {
    /// The seed that every place is drawn from. `None` without one.
    pub(super) fn seed(&self) -> Option<[u8; 32]> {
        parse_seed(self.sample_seed.as_deref()?)
    }

    /// The extents that a verification in part reads, from the journalled seed. `None` without one, and
    /// for a level that reads everything or nothing.
    pub fn extents(&self, level: VerificationLevel) -> Option<Vec<std::ops::Range<u64>>> {
        let seed = self.seed()?;
        match level {
            VerificationLevel::Sample => Some(sample_extents(self.medium.geometry.size, self.block, seed)),
            VerificationLevel::Quick => Some(quick_extents(self.medium.geometry.size, self.block, seed)),
            VerificationLevel::Full | VerificationLevel::None => None,
        }
    }
}

fn parse_seed(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut seed = [0; 32];
    for (byte, pair) in seed.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(seed)
}

#[cfg(test)]
mod tests {
    use super::super::record::{ResumeFacts, RunFacts};
    use super::super::samples::*;
    use super::super::state::JournalEntry;
    use super::*;
    use crate::policy::{Applied, Method};

    fn judged(entries: &[JournalEntry], broken: Option<Failure>) -> (RunFacts, Option<Failure>) {
        let state = RunState::fold(entries).unwrap().unwrap();
        judge(&state, broken, tool(), clock(), at(9)).unwrap()
    }

    #[test]
    fn a_clean_run_passes_with_what_was_read_back() {
        let cases = [
            (VerificationLevel::Full, Proven::FullReadback),
            (VerificationLevel::Sample, Proven::SampledReadback),
            (VerificationLevel::None, Proven::CompletionOnly),
        ];
        for (level, proven) in cases {
            let (facts, failure) = judged(&journal(&plan(&[0, 255], level), |_| Ledger::default()), None);
            assert!(failure.is_none(), "{failure:?}");
            assert_eq!((facts.proven, facts.attained), (proven, Some(Method::Clear)));
            assert_eq!(facts.verification.matched, facts.verification.wanted);
            assert_eq!(facts.passes.len(), 2);
            assert_eq!(facts.passes[1].written, Bytes(SIZE));
        }
    }

    #[test]
    fn any_bad_block_in_any_stage_fails_the_run() {
        let plan = plan(&[0, 255], VerificationLevel::Full);
        let stages = RunState::new(plan.clone()).stages.len();
        assert_eq!(stages, 3);
        for guilty in 0..stages {
            let ledger = |i| if i == guilty { bad(7, 2) } else { Ledger::default() };
            let (facts, failure) = judged(&journal(&plan, ledger), None);
            let failure = failure.unwrap();
            assert_eq!(failure.code, "mismatch");
            assert!(failure.message.contains("LBA 7-8"), "{}", failure.message);
            assert_eq!((facts.attained, facts.proven), (None, Proven::Nothing));
        }
    }

    fn policy_with_bad_blocks(allowed: u32) -> Applied {
        let policy = serde_json::json!({
            "id": "example", "version": "1", "digest": "ab", "signed_by": null, "category": null, "route": null,
            "assumed": [], "minimum": null, "least_verification": "none", "validation": false,
            "second_person_percent": 0, "bad_blocks_allowed": allowed, "hidden_areas": "recorded",
            "operator": "anybody", "step_down": "never", "ladder": [], "before_destruction": false,
            "retention_years": 3,
        });
        serde_json::from_value(policy).unwrap()
    }

    /// A bad block is excused by what its own pass could not write, and by no other one.
    #[test]
    fn a_block_that_was_written_and_reads_back_wrong_is_no_allowed_exception() {
        let mut plan = plan(&[0, 255], VerificationLevel::Full);
        plan.policy = Some(policy_with_bad_blocks(1));
        let unwritten = || Ledger { unwritten: bad(7, 1).mismatched, ..Ledger::default() };
        let judged = |ledgers: [Ledger; 3]| {
            let (facts, failure) = judged(&journal(&plan, |stage| ledgers[stage].clone()), None);
            failure.map_or(Ok(facts.proven), |failure| Err(failure.code))
        };
        let clean = Ledger::default;
        assert_eq!(judged([unwritten(), clean(), bad(7, 1)]), Err("mismatch".to_owned()));
        assert_eq!(judged([unwritten(), unwritten(), bad(7, 1)]), Ok(Proven::ReadbackWithExceptions));
        assert_eq!(judged([clean(), unwritten(), bad(7, 1)]), Ok(Proven::ReadbackWithExceptions));
        assert_eq!(judged([unwritten(), clean(), clean()]), Ok(Proven::ReadbackWithExceptions));
        assert_eq!(judged([clean(), unwritten(), bad(7, 2)]), Err("mismatch".to_owned()));
        // The drive took nothing at first, and was not tried to the end.
        let gave_up = || Ledger { unreached: bad(8, 1).mismatched, ..unwritten() };
        assert_eq!(judged([clean(), gave_up(), bad(7, 2)]), Err("write_errors".to_owned()));
        assert_eq!(judged([clean(), gave_up(), bad(7, 3)]), Err("mismatch".to_owned()));
    }

    /// Who takes a run up writes what a failed attempt could not: that excuses no block which is wrong then, and
    /// counts against nothing.
    #[test]
    fn what_an_earlier_attempt_could_not_write_excuses_nothing() {
        let mut plan = plan(&[0], VerificationLevel::Full);
        plan.policy = Some(policy_with_bad_blocks(1));
        let stage = RunState::new(plan.clone()).stages[0].stage;
        let checkpoint =
            |blocks: u64, ledger| JournalEntry::Checkpoint { stage, watermark: Bytes(blocks * 512), ledger };
        let place =
            ResumeFacts { at: at(2), path: "/dev/sdz".into(), pass: 1, stage: "write".into(), offset: Bytes(0) };
        let resumed = || JournalEntry::Resumed { facts: place.clone() };
        let (unwritten, unreached) = (bad(12, 1).mismatched, bad(50, 1000).mismatched);
        let failed = Ledger { unwritten, unreached, ..Ledger::default() };
        let judged = |mismatched: Option<Ledger>| {
            let mut whole = journal(&plan, |stage| mismatched.clone().filter(|_| stage == 1).unwrap_or_default());
            // The second attempt is stopped, and what its fold says below the cut goes into the third.
            whole.splice(
                3..3,
                [checkpoint(10, failed.clone()), resumed(), checkpoint(30, Ledger::default()), resumed()],
            );
            let open = RunState::fold(&whole[..7]).unwrap().unwrap().stages[0].clone();
            let JournalEntry::StageEnded { ledger, .. } = &mut whole[7] else { panic!("no end of the write") };
            *ledger = settled(&open.ledger, open.watermark, plan.block);
            let (facts, failure) = judged(&whole, None);
            failure.map_or(Ok(facts.proven), |failure| Err(failure.code))
        };
        assert_eq!(judged(None), Ok(Proven::FullReadback));
        assert_eq!(judged(Some(bad(12, 1))), Err("mismatch".to_owned()));
    }

    /// What was not reached is not taken off what was.
    #[test]
    fn a_pass_that_stalled_is_told_by_what_it_had_written() {
        let plan = plan(&[0], VerificationLevel::Full);
        let stages: Vec<_> = RunState::new(plan.clone()).stages.iter().map(|s| s.stage).collect();
        let stalled = || Failure { code: "stalled".into(), message: "m".into(), advice: "a".into() };
        let half = SIZE / 2;
        let ledger = || Ledger { unreached: bad(half / 512, half / 512).mismatched, ..bad(3, 1) };
        let checkpoint = |stage| JournalEntry::Checkpoint { stage, watermark: Bytes(half), ledger: ledger() };
        let whole = journal(&plan, |_| Ledger::default());
        let written = [&whole[..3], &[checkpoint(stages[0])]].concat();
        let (facts, _) = judged(&written, Some(stalled()));
        assert_eq!((facts.passes[0].written, facts.ledger.unreached.len()), (Bytes(half - 512), 1));
        let read = [&whole[..5], &[checkpoint(stages[1])]].concat();
        let (facts, _) = judged(&read, Some(stalled()));
        assert_eq!((facts.passes[0].written, facts.verification.matched), (Bytes(SIZE), Bytes(half - 512)));
    }

    #[test]
    fn a_missing_stage_or_a_failed_flush_is_no_success() {
        let plan = plan(&[0], VerificationLevel::Full);
        let whole = journal(&plan, |_| Ledger::default());
        for cut in 2..whole.len() {
            let (facts, failure) = judged(&whole[..cut], None);
            assert_eq!(failure.unwrap().code, "incomplete", "{cut}");
            assert_eq!(facts.attained, None);
        }
        let mut flushed = whole.clone();
        let stage = RunState::new(plan.clone()).stages[0].stage;
        flushed.insert(3, JournalEntry::FlushFailed { stage, error: "EIO".into() });
        let (facts, failure) = judged(&flushed, None);
        assert_eq!(failure.unwrap().code, "flush_failed");
        assert!(!facts.passes[0].flushed);
    }

    #[test]
    fn without_an_intent_there_is_nothing_to_say() {
        let plan = plan(&[0], VerificationLevel::Full);
        let state = RunState::fold(&[opened(&plan)]).unwrap().unwrap();
        assert!(judge(&state, None, tool(), clock(), at(9)).is_none());
    }
}
