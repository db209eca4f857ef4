use super::*;
use crate::overwrite::Ledger;
use crate::policy::VerificationLevel;
use crate::sanitize::firmware::Note;
use crate::sanitize::record::Failure;
use crate::sanitize::rung::RungEnd;
use crate::sanitize::samples::*;
use crate::sanitize::state::RunState;
use crate::sanitize::verdict::judge;

fn written() -> (tempfile::TempDir, PathBuf, Vec<JournalEntry>) {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&[0], VerificationLevel::Full);
    let entries = journal(&plan, |_| Ledger::default());
    let mut journal = Journal::create(folder.path(), &plan.run_id).unwrap();
    entries.iter().for_each(|entry| journal.append(entry).unwrap());
    let path = journal.path().to_owned();
    (folder, path, entries)
}

#[test]
fn what_was_appended_is_read_back() {
    let (_folder, path, entries) = written();
    assert_eq!(Journal::open(&path).unwrap().1, entries);
}

#[test]
fn a_cut_at_every_byte_loses_only_what_was_not_acknowledged() {
    let (_folder, path, entries) = written();
    let text = fs::read(&path).unwrap();
    for cut in (0..text.len()).step_by(11) {
        fs::write(&path, &text[..cut]).unwrap();
        let whole_lines = text[..cut].iter().filter(|b| **b == b'\n').count();
        let (mut journal, read) = Journal::open(&path).unwrap();
        assert_eq!(read, entries[..whole_lines], "cut at {cut}");
        // Going on after the cut gives a sound journal again.
        if let Some(next) = entries.get(whole_lines) {
            journal.append(next).unwrap();
        }
        drop(journal);
        assert_eq!(Journal::peek(&path).unwrap().len(), (whole_lines + 1).min(entries.len()));
    }
}

#[test]
fn a_flipped_byte_before_the_end_is_corruption() {
    let (_folder, path, _) = written();
    let text = fs::read(&path).unwrap();
    let last_line = text[..text.len() - 1].iter().rposition(|b| *b == b'\n').unwrap();
    for place in (0..last_line).step_by(7) {
        let mut bad = text.clone();
        bad[place] ^= 0x01;
        fs::write(&path, &bad).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::Corrupt { .. })), "flip at {place}");
    }
}

#[test]
fn a_last_line_that_rots_is_no_torn_end() {
    let (_folder, path, entries) = written();
    let text = fs::read(&path).unwrap();
    let last = text[..text.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    let mut bad = text.clone();
    bad[last + 20] ^= 0x01;
    fs::write(&path, &bad).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Corrupt { line, .. }) if line == entries.len()));
    assert_eq!(fs::read(&path).unwrap(), bad, "nothing is cut off");
    let mut joined = text.clone();
    *joined.last_mut().unwrap() ^= 0x01;
    fs::write(&path, &joined).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Corrupt { line, .. }) if line == entries.len()));
    // Zeros are what a page reads as that never reached the disk.
    bad[last + 20] = 0;
    fs::write(&path, &bad).unwrap();
    assert_eq!(Journal::open(&path).unwrap().1, entries[..entries.len() - 1]);
}

/// What is left of a damaged journal says less than was done: nobody goes on from there.
#[test]
fn what_is_left_of_a_damaged_journal_is_damaged_until_its_run_was_given_up() {
    let (folder, path, entries) = written();
    let mut text = fs::read(&path).unwrap();
    let second = text.iter().position(|b| *b == b'\n').unwrap() + 1;
    text[second + 20] ^= 0x01;
    fs::write(&path, &text).unwrap();
    for _ in 0..2 {
        let (journal, left) = Journal::salvage(&path, |_| true).unwrap();
        assert_eq!(left, entries[..1]);
        drop(journal);
        assert!(matches!(Journal::open(&path), Err(JournalError::Corrupt { .. })));
        assert!(matches!(Journal::peek(&path), Err(JournalError::Corrupt { .. })));
        assert_eq!(Journal::peek_sound(&path).unwrap(), left);
    }
    let aside = folder.path().join("corrupt");
    assert_eq!(fs::read_dir(&aside).unwrap().count(), 1);
    assert_eq!(fs::read(aside.join(path.file_name().unwrap())).unwrap(), text);
    let (mut journal, _) = Journal::salvage(&path, |_| true).unwrap();
    let state = RunState::fold(&entries).unwrap().unwrap();
    let (facts, failure) = judge(&state, None, tool(), clock(), at(9)).unwrap();
    journal.append(&JournalEntry::Sealed { facts: Box::new(facts), failure, signed_at: at(9) }).unwrap();
    drop(journal);
    assert_eq!(Journal::open(&path).unwrap().1.len(), 2);
}

#[test]
fn a_whole_last_line_that_cannot_be_understood_is_not_thrown_away() {
    let (_folder, path, _) = written();
    let (journal, _) = Journal::open(&path).unwrap();
    let json = br#"{"entry":"of a newer version"}"#;
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(format!("{} ", mark(&link(&journal.chain, json))).as_bytes());
    text.extend_from_slice(json);
    text.push(b'\n');
    drop(journal);
    fs::write(&path, &text).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Corrupt { .. })));
    assert_eq!(fs::read(&path).unwrap(), text);
}

/// The task gave a silent drive up; its thread wakes after that. Two ends could not be folded.
#[test]
fn what_a_thread_notes_after_its_technique_has_ended_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&[0], VerificationLevel::Full);
    let mut journal = Journal::create(folder.path(), &plan.run_id).unwrap();
    let path = journal.path().to_owned();
    let note = |rung| {
        let note = Note::CleanedUp { what: "x".into() };
        JournalEntry::DriveNoted { rung, note, exchanges: Vec::new(), at: at(2) }
    };
    let ended = |rung| {
        let failure = Failure { code: "stalled".into(), message: "m".into(), advice: "a".into() };
        JournalEntry::DriveEnded { rung, end: RungEnd::Failed { failure }, exchanges: Vec::new(), at: at(3) }
    };
    for entry in [opened(&plan), intended(), note(0), ended(0)] {
        journal.append(&entry).unwrap();
    }
    for _ in 0..2 {
        for late in [note(0), ended(0)] {
            assert!(matches!(journal.append(&late), Err(JournalError::Over { .. })), "{late:?}");
        }
        drop(journal);
        let (again, entries) = Journal::open(&path).unwrap();
        assert!(entries.len() == 4 && RunState::fold(&entries).is_ok());
        journal = again;
    }
    // The next technique has notes of its own.
    journal.append(&note(1)).unwrap();
}

/// What half a line and an undo that fails leave behind is not known: an entry behind it would be lost with it.
#[test]
fn nothing_follows_an_append_that_could_not_be_undone() {
    let (_folder, path, entries) = written();
    let before = fs::read(&path).unwrap();
    let (mut journal, _) = Journal::open(&path).unwrap();
    // Can neither be written nor cut.
    let writable = std::mem::replace(&mut *journal.file, File::open(&path).unwrap());
    let next = entries.last().unwrap();
    assert!(matches!(journal.append(next), Err(JournalError::Io { doing: "appending to it", .. })));
    *journal.file = writable;
    assert!(matches!(journal.append(next), Err(JournalError::Unusable { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    drop(journal);
    // Opened anew, it is known again what stands in it.
    Journal::open(&path).unwrap().0.append(next).unwrap();
}

#[test]
fn a_removed_journal_is_gone_and_only_once() {
    let (folder, path, _) = written();
    let (journal, _) = Journal::open(&path).unwrap();
    journal.remove().unwrap();
    assert!(unfinished(folder.path()).unwrap().is_empty());
    assert!(matches!(journal.remove(), Err(JournalError::Io { doing: "removing it", .. })));
}

#[test]
fn two_cannot_work_on_one_run() {
    let (_folder, path, _) = written();
    let (held, _) = Journal::open(&path).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Busy { .. })));
    assert!(Journal::is_busy(&path));
    drop(held);
    assert!(!Journal::is_busy(&path));
}

#[test]
fn closed_journals_are_out_of_the_way() {
    let (folder, path, _) = written();
    Journal::open(&path).unwrap().0.close().unwrap();
    assert!(unfinished(folder.path()).unwrap().is_empty());
    assert!(folder.path().join("closed").join(path.file_name().unwrap()).exists());
}

/// Two processes at one run: the second had it open before the first one moved it, and comes to lock and close it then.
#[test]
fn a_closed_journal_is_neither_taken_up_nor_lost() {
    let (folder, path, entries) = written();
    let (mut late, _) = Journal::open(&path).unwrap();
    let closed = folder.path().join("closed").join(path.file_name().unwrap());
    fs::create_dir(closed.parent().unwrap()).unwrap();
    fs::rename(&path, &closed).unwrap();
    late.close().unwrap();
    assert_eq!(Journal::peek(&closed).unwrap(), entries);
    drop(late);
    // Another file than the one that is open came to lie there.
    fs::copy(&closed, &path).unwrap();
    Journal::open(&path).unwrap().0.close().unwrap();
    assert!(!path.exists() && Journal::exists(folder.path(), path.file_stem().unwrap().to_str().unwrap()));
    // A cut can leave both names.
    fs::hard_link(&closed, &path).unwrap();
    Journal::open(&path).unwrap().0.close().unwrap();
    assert!(!path.exists());
    assert_eq!(Journal::peek(&closed).unwrap(), entries);
    // Nothing is there to be closed any more.
    fs::hard_link(&closed, &path).unwrap();
    let (mut journal, _) = Journal::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::remove_file(&closed).unwrap();
    assert!(matches!(journal.close(), Err(JournalError::Io { doing: "closing it", .. })));
}

#[test]
fn a_journal_that_is_moved_before_it_is_locked_is_not_taken_up() {
    let (folder, path, _) = written();
    let open = || File::open(&path).unwrap();
    assert!(lock_in_place(&path, open()).is_ok());
    let file = open();
    fs::rename(&path, folder.path().join("aside")).unwrap();
    let error = lock_in_place(&path, file).unwrap_err();
    assert!(error.to_string().contains("has closed this run meanwhile"), "{error}");
}

#[test]
fn each_corrupt_copy_of_a_journal_is_kept() {
    let (folder, path, _) = written();
    let name = path.file_stem().unwrap().to_str().unwrap();
    let sound = fs::read(&path).unwrap();
    let kept = |name: String| fs::read(folder.path().join("corrupt").join(name)).ok();
    let rotten = |place: usize| {
        let mut bytes = sound.clone();
        bytes[place] ^= 1;
        fs::write(&path, &bytes).unwrap();
        Journal::salvage(&path, |_| true).unwrap();
        bytes
    };
    // The same copy once more is none of its own.
    let (first, again, second) = (rotten(20), rotten(20), rotten(21));
    assert_eq!(first, again);
    assert_eq!(kept(format!("{name}.jsonl")), Some(first));
    assert_eq!((kept(format!("{name}.2.jsonl")), kept(format!("{name}.3.jsonl"))), (Some(second), None));
}
