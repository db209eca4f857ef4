use super::*;
use crate::policy::Technique;
use crate::sanitize::samples::*;
use crate::scheme::PassVerify;

#[test]
fn entries_that_do_not_follow_are_refused() {
    let plan = plan(&[0, 255], VerificationLevel::Full);
    let whole = journal(&plan, |_| Ledger::default());
    assert!(RunState::fold(&whole).is_ok());
    let without = |i: usize| {
        let mut entries = whole.clone();
        entries.remove(i);
        RunState::fold(&entries).map(|_| ())
    };
    assert!(without(0).is_err(), "without its opening");
    assert!(without(1).is_err(), "without its intent");
    assert!(without(3).is_err(), "a stage after one that did not end");
    let mut twice = whole.clone();
    twice.push(opened(&plan));
    assert!(RunState::fold(&twice).is_err());
}

#[test]
fn a_checkpoint_moves_the_next_stage_on() {
    let plan = plan(&[0], VerificationLevel::Full);
    let mut entries = journal(&plan, |_| Ledger::default())[..3].to_vec();
    let stage = RunState::new(plan).stages[0].stage;
    entries.push(JournalEntry::Checkpoint { stage, watermark: Bytes(SIZE / 2), ledger: bad(1, 1) });
    let state = RunState::fold(&entries).unwrap().unwrap();
    let next = state.next_stage().unwrap();
    assert_eq!((next.stage, next.watermark, &next.ledger), (stage, Bytes(SIZE / 2), &bad(1, 1)));
    assert!((state.fraction() - 0.25).abs() < 1e-9);
}

/// An attempt that failed leaves its whole ledger in the journal. Who takes the run up writes all of it above the
/// watermark again, and what is journalled then must not bring back what was cut.
#[test]
fn what_a_failed_attempt_could_not_write_is_not_believed_after_it_was_written() {
    let plan = plan(&[0], VerificationLevel::Full);
    let mut entries = journal(&plan, |_| Ledger::default())[..3].to_vec();
    let stage = RunState::new(plan).stages[0].stage;
    let checkpoint = |blocks: u64, ledger| JournalEntry::Checkpoint { stage, watermark: Bytes(blocks * 512), ledger };
    let facts = ResumeFacts { at: at(5), path: "/dev/sdz".into(), pass: 1, stage: "write".into(), offset: Bytes(5120) };
    let mut failed = Ledger { unwritten: bad(12, 1).mismatched, unreached: bad(50, 50).mismatched, ..bad(3, 1) };
    failed.unwritten.splice(..0, bad(9, 2).mismatched);
    entries.push(checkpoint(10, bad(3, 1)));
    entries.push(checkpoint(10, failed.clone()));
    let open = |entries: &[JournalEntry]| RunState::fold(entries).unwrap().unwrap().stages[0].clone();
    assert_eq!(open(&entries).ledger, failed, "it is reported");
    entries.push(JournalEntry::Resumed { facts: facts.clone() });
    entries.push(checkpoint(30, bad(20, 1)));
    let mut settled = Ledger { unwritten: bad(9, 1).mismatched, ..bad(3, 1) };
    settled.merge(&bad(20, 1));
    assert_eq!((open(&entries).watermark, open(&entries).ledger), (Bytes(30 * 512), settled));
}

/// A flush that failed says nothing against what else is known to have gone wrong.
#[test]
fn after_a_failed_flush_the_ledger_still_grows() {
    let plan = plan(&[0], VerificationLevel::Full);
    let mut entries = journal(&plan, |_| Ledger::default())[..3].to_vec();
    let stage = RunState::new(plan).stages[0].stage;
    let checkpoint = |blocks: u64, ledger| JournalEntry::Checkpoint { stage, watermark: Bytes(blocks * 512), ledger };
    entries.push(checkpoint(10, Ledger::default()));
    entries.push(JournalEntry::FlushFailed { stage, error: "EIO".into() });
    entries.push(checkpoint(30, bad(50, 1)));
    let state = RunState::fold(&entries).unwrap().unwrap();
    assert_eq!((state.stages[0].watermark, &state.stages[0].ledger), (Bytes(10 * 512), &bad(50, 1)));
}

#[test]
fn what_a_hung_flush_says_late_is_neither_lost_nor_a_contradiction() {
    let plan = plan(&[0], VerificationLevel::Full);
    let mut entries = journal(&plan, |_| Ledger::default());
    let stage = RunState::new(plan).stages[0].stage;
    // The write has ended, its read-back has not.
    entries.insert(4, JournalEntry::Checkpoint { stage, watermark: Bytes(512), ledger: Ledger::default() });
    entries.insert(5, JournalEntry::FlushFailed { stage, error: "EIO".into() });
    let state = RunState::fold(&entries[..6]).unwrap().unwrap();
    assert_eq!((state.stages[0].watermark, state.stages[0].flush_error.as_deref()), (Bytes(SIZE), Some("EIO")));
    assert!(RunState::fold(&entries).is_ok());
}

#[test]
fn a_scheme_reads_back_what_it_must() {
    let mut plan = plan(&[0, 255], VerificationLevel::Full);
    plan.passes[0].verify = PassVerify::Mandatory;
    let words: Vec<_> = RunState::new(plan).stages.iter().map(|s| (s.stage.pass, s.stage.work)).collect();
    let verify = |level| StageWork::Verify { level };
    assert_eq!(
        words,
        [
            (1, StageWork::Write),
            (1, verify(VerificationLevel::Full)),
            (2, StageWork::Write),
            (2, verify(VerificationLevel::Full))
        ]
    );
}

/// Two sticks of one batch: only attachment tells them apart, as long as it lasts.
#[test]
fn a_stick_that_was_attached_anew_may_be_another_one() {
    use crate::media::Transport;
    let mut plan = plan(&[0], VerificationLevel::Full);
    (plan.medium.transport, plan.medium.diskseq, plan.boot) = (Transport::Usb, Some(Bytes(7)), Some("A".into()));
    let now = plan.medium.clone();
    let may_be =
        |plan: &RunPlan, boot: Option<&str>, now: &Medium| RunState::new(plan.clone()).may_be_another(boot, now, None);
    assert!(!may_be(&plan, Some("A"), &now), "it stayed attached");
    assert!(may_be(&plan, Some("B"), &now) && may_be(&plan, None, &now), "another boot counts anew");
    let anew = Medium { diskseq: Some(Bytes(8)), ..now.clone() };
    assert!(may_be(&plan, Some("A"), &anew));
    let unknown = RunPlan { boot: None, ..plan.clone() };
    assert!(may_be(&unknown, None, &now), "what is not known is not taken for the same");
    let mut named = anew.clone();
    named.identity.wwn = Some("0x5000c500a1b2c3d4".into());
    assert!(!may_be(&plan, Some("A"), &named));
}

/// Two drives with one serial number, another file with the inode of the image: before the first checkpoint nothing on
/// the medium tells which it is.
#[test]
fn a_medium_of_which_nothing_is_known_to_be_written_may_be_another_one() {
    let mut plan = plan(&[0], VerificationLevel::Full);
    (plan.boot, plan.file_born) = (Some("A".into()), Some(at(0)));
    let now = plan.medium.clone();
    let begun = journal(&plan, |_| Ledger::default())[..3].to_vec();
    let stage = RunState::new(plan).stages[0].stage;
    let may_be = |watermark: Option<u64>, now: &Medium, born| {
        let checkpoint = |w| JournalEntry::Checkpoint { stage, watermark: Bytes(w), ledger: Ledger::default() };
        let entries: Vec<_> = begun.iter().cloned().chain(watermark.map(checkpoint)).collect();
        RunState::fold(&entries).unwrap().unwrap().may_be_another(Some("A"), now, born)
    };
    assert!(may_be(None, &now, None) && may_be(Some(511), &now, None));
    assert!(!may_be(Some(512), &now, None), "what was written is compared");
    assert!(!may_be(None, &now, Some(at(0))), "it is the very file");
    assert!(may_be(None, &now, Some(at(1))), "another file was made in its place");
    let mut named = now.clone();
    named.identity.nguid = Some("11".repeat(16));
    assert!(!may_be(None, &named, None));
}

/// The drive erases itself at once when its command comes.
#[test]
fn a_drive_to_which_nothing_was_sent_may_be_another_one() {
    let mut plan = plan(&[0], VerificationLevel::Full);
    plan.ladder[0].technique = Technique::NvmeSanitizeBlock;
    let now = plan.medium.clone();
    let begun = journal(&plan, |_| Ledger::default())[..2].to_vec();
    let sending = Note::Sending { technique: Technique::NvmeSanitizeBlock, at: at(0) };
    let sent = JournalEntry::DriveNoted { rung: 0, note: sending, exchanges: Vec::new(), at: at(0) };
    let may_be =
        |entries: Vec<JournalEntry>| RunState::fold(&entries).unwrap().unwrap().may_be_another(Some("A"), &now, None);
    assert!(may_be(begun.clone()));
    assert!(!may_be([begun, vec![sent]].concat()));
}
