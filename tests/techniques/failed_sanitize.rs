//! A drive whose sanitize failed takes neither reads nor writes until another one succeeds. So another one has to be
//! possible, and what it is believed by is what was known before.

use lastwrite::policy::Technique;
use lastwrite::sanitize::firmware::{AtaSanitize, Earlier, End, Erase, Note, Past, Refusal};

use super::ata_drive::{AtaDrive, Habit};
use super::bench::{Bench, Medium, Truth, code, erased};

const BLOCK: AtaSanitize = AtaSanitize::new(Erase::Block);
const CRYPTO: AtaSanitize = AtaSanitize::new(Erase::Crypto);

/// A block erase has failed, and the drive is what it should be from now on; with what the run knows then.
fn after_a_failure(change: impl FnOnce(&mut AtaDrive)) -> (Bench, AtaDrive, Past) {
    let medium = Medium::full();
    let mut drive = AtaDrive::new(&medium);
    (drive.sanitize.habit, drive.truth) = (Habit::Fails, Truth::Nothing);
    let bench = Bench::new(&medium);
    assert_eq!(code(bench.run(&BLOCK, &mut drive)), "drive_failed");
    let past = Past::fold(&*bench.notes.lock().unwrap());
    let (canaries, stored) = past.canaries.unwrap();
    let technique = Technique::AtaSanitizeBlock;
    let earlier = Earlier { technique, canaries, stored: stored.unwrap(), samples: past.samples.unwrap() };
    (drive.sanitize.habit, drive.truth) = (Habit::Honest, Truth::Erases);
    change(&mut drive);
    (Bench { notes: Default::default(), ..bench }, drive, Past { earlier: Some(earlier), ..Past::default() })
}

#[test]
fn the_next_technique_is_believed_by_what_was_known_before() {
    let (bench, mut drive, past) = after_a_failure(|_| ());
    let erasure = erased(bench.run_after(&CRYPTO, &mut drive, &past));
    let earlier = past.earlier.unwrap();
    assert!(bench.medium.is_blank() && earlier.stored > 10);
    assert_eq!((erasure.canaries, erasure.samples), (earlier.stored, earlier.samples.blocks.len() as u32));
    let notes = bench.notes.lock().unwrap();
    assert!(
        matches!(&notes[0], Note::KnownFromBefore { why, .. } if why.contains("an erase of its own failed")),
        "{notes:?}"
    );
    let past = Past::fold(&*notes);
    assert_eq!(past.canaries, Some((earlier.canaries, Some(earlier.stored))));
    assert_eq!(past.known_from.unwrap().0, Technique::AtaSanitizeBlock);
}

#[test]
fn a_lie_about_it_is_found_out() {
    for truth in [Truth::Nothing, Truth::ErasesHalf] {
        let (bench, mut drive, past) = after_a_failure(|drive| drive.truth = truth);
        assert_eq!(code(bench.run_after(&CRYPTO, &mut drive, &past)), "not_erased");
    }
    let (bench, mut drive, past) = after_a_failure(|drive| drive.sanitize.habit = Habit::Fails);
    assert_eq!(code(bench.run_after(&CRYPTO, &mut drive, &past)), "drive_failed");
}

#[test]
fn a_run_that_is_cut_keeps_what_was_known_before() {
    let (bench, mut drive, past) = after_a_failure(|_| ());
    let stopped = Bench { polls: 1, ..bench.clone() };
    assert_eq!(stopped.run_after(&CRYPTO, &mut drive, &past), Ok(End::Interrupted));
    assert_eq!(erased(bench.resume(&CRYPTO, &mut drive)).canaries, past.earlier.unwrap().stored);
    assert_eq!(drive.names().iter().filter(|name| **name == "CRYPTO SCRAMBLE EXT").count(), 1);
}

#[test]
fn without_anything_known_the_drives_word_is_all() {
    let (bench, mut drive, _) = after_a_failure(|_| ());
    let erasure = erased(bench.run(&BLOCK, &mut drive));
    assert!(bench.medium.is_blank());
    // No canary, no sample: no more is proven than that it came to its end.
    assert_eq!((erasure.canaries, erasure.samples), (0, 0));
    let notes = bench.notes.lock().unwrap();
    assert!(matches!(&notes[0], Note::WithoutCanaries { why } if why.contains("once more")), "{notes:?}");
    drop(notes);
    // The next run proves it.
    let again = Bench { notes: Default::default(), ..bench };
    assert!(erased(again.run(&BLOCK, &mut drive)).canaries > 10);
}

#[test]
fn what_began_to_be_stored_since_is_not_taken_for_an_erase() {
    let (bench, mut drive, mut past) = after_a_failure(|_| ());
    past.canaries = past.earlier.clone().map(|earlier| (earlier.canaries, None));
    assert_eq!(erased(bench.run_after(&CRYPTO, &mut drive, &past)).canaries, 0);
}

#[test]
fn both_the_drives_word_and_its_refusal_are_needed() {
    // It says that one failed, and takes reads and writes: known content is stored as ever.
    let (bench, mut open, past) = after_a_failure(|drive| drive.medium.shut(false));
    erased(bench.run_after(&CRYPTO, &mut open, &past));
    assert!(bench.notes.lock().unwrap().iter().any(|note| matches!(note, Note::CanariesStored { .. })));
    // It refuses both, and says nothing of a failure.
    let (bench, mut mute, past) = after_a_failure(|drive| drive.sanitize.failed = false);
    let refused = bench.run_after(&CRYPTO, &mut mute, &past);
    assert!(matches!(refused, Err(Refusal::Canaries(_))), "{refused:?}");
    assert!(!mute.names().contains(&"CRYPTO SCRAMBLE EXT"));
}
