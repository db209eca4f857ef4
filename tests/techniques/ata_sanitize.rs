use lastwrite::sanitize::firmware::{AtaSanitize, Bond, End, Erase, Note, Past, Procedure, Refusal};

use super::ata_drive::{AtaDrive, Habit};
use super::bench::{Bench, Medium, SERIAL, Truth, code, erased, failed, obstacle};

const BLOCK: AtaSanitize = AtaSanitize::new(Erase::Block);

fn drive(change: impl FnOnce(&mut AtaDrive)) -> (Bench, AtaDrive) {
    let medium = Medium::full();
    let mut drive = AtaDrive::new(&medium);
    change(&mut drive);
    (Bench::new(&medium), drive)
}

#[test]
fn an_honest_drive_is_erased_by_each_of_the_three() {
    for erase in [Erase::Block, Erase::Crypto, Erase::Overwrite] {
        let (bench, mut drive) = drive(|_| ());
        let erasure = erased(bench.run(&AtaSanitize::new(erase), &mut drive));
        assert!(bench.medium.is_blank());
        assert!(erasure.canaries > 10 && erasure.samples > 0 && erasure.survey.is_clean());
        assert!(erasure.status.contains("completed without error"), "{}", erasure.status);
        // What stands in the plan is what is sent.
        let planned = AtaSanitize::new(erase).look(&mut drive).unwrap().commands;
        assert!(drive.names().contains(&planned[0].name.as_str()));
        assert!(planned[0].command.ends_with("40b4"));
        let notes = bench.notes.lock().unwrap();
        assert!(matches!(notes[..], [.., Note::Sending { .. }, Note::Answered { .. }, Note::Completed { .. }]));
    }
}

#[test]
fn success_without_erasure_is_a_failure() {
    for truth in [Truth::Nothing, Truth::ErasesHalf] {
        let (bench, mut drive) = drive(|drive| drive.truth = truth);
        assert_eq!(code(bench.run(&BLOCK, &mut drive)), "not_erased");
    }
    // Also the success of an earlier sanitize, of a drive that drops this one.
    let (bench, mut drive) = drive(|drive| {
        drive.sanitize.completed = true;
        drive.sanitize.habit = Habit::DropsTheCommand;
    });
    assert_eq!(code(bench.run(&BLOCK, &mut drive)), "not_erased");
}

#[test]
fn failing_stalling_and_never_beginning() {
    for (habit, expected) in [
        (Habit::Fails, "drive_failed"),
        (Habit::StallsAt655, "stalled"),
        (Habit::DropsTheCommand, "not_begun"),
        (Habit::Refuses, "rejected"),
    ] {
        let (bench, mut drive) = drive(|drive| drive.sanitize.habit = habit);
        assert_eq!(code(bench.run(&BLOCK, &mut drive)), expected);
    }
}

#[test]
fn without_registers_nothing_is_sent_and_lost_ones_are_no_success() {
    let (bench, mut without) = drive(|drive| drive.registers = false);
    let refused = bench.run(&BLOCK, &mut without);
    assert!(matches!(&refused, Err(Refusal::NoStatus(why)) if why.contains("registers")), "{refused:?}");
    assert!(without.names().iter().all(|name| *name == "SANITIZE STATUS EXT"), "{:?}", without.names());

    let (bench, mut loses) = drive(|drive| drive.loses_registers = true);
    assert_eq!(code(bench.run(&BLOCK, &mut loses)), "status_lost");
}

#[test]
fn what_stands_in_the_way_is_named_and_nothing_else_is_done_instead() {
    let (bench, mut frozen) = drive(|drive| drive.sanitize.frozen = true);
    let why = obstacle(bench.run(&BLOCK, &mut frozen));
    assert!(why.contains("frozen") && why.contains("suspend"), "{why}");
    assert!(!frozen.names().contains(&"BLOCK ERASE EXT"));
    assert!(!bench.medium.is_blank());
    // After the power was cut it goes.
    frozen.power_cycle();
    erased(bench.run(&BLOCK, &mut frozen));

    let locked = |overrides| {
        drive(move |drive| {
            drive.security.password = Some([3; 32]);
            drive.security.locked = true;
            drive.security.sanitize_overrides = overrides;
        })
    };
    let (bench, mut drive) = locked(false);
    assert!(obstacle(bench.run(&BLOCK, &mut drive)).contains("not known here"));
    // Its log says that a sanitize is taken although it is locked; the canaries are another matter.
    let (bench, mut drive) = locked(true);
    erased(bench.run(&BLOCK, &mut drive));
}

#[test]
fn each_erase_needs_its_own_bit() {
    for (bit, erase) in [(15, Erase::Block), (14, Erase::Overwrite), (13, Erase::Crypto)] {
        let (bench, mut lacks) = drive(|drive| drive.sanitize.support = 0xF000 & !(1 << bit));
        let refused = bench.run(&AtaSanitize::new(erase), &mut lacks);
        assert!(matches!(refused, Err(Refusal::Unsupported(_))), "{refused:?}");
    }
}

#[test]
fn an_identity_that_is_not_the_kernels_is_refused() {
    for serial in [&b"SERIAL-2"[..], b"", b"SERIAL-1\xFF", b"        "] {
        let (bench, mut drive) = drive(|drive| drive.serial = serial.to_vec());
        let refused = bench.run(&BLOCK, &mut drive);
        assert!(matches!(refused, Err(Refusal::Identity(_))), "{refused:?}");
    }
    let (bench, mut garbled) = drive(|drive| drive.bad_checksum = true);
    let refused = bench.run(&BLOCK, &mut garbled);
    assert!(matches!(&refused, Err(Refusal::NoStatus(why)) if why.contains("checksum")), "{refused:?}");
    assert!(!garbled.names().contains(&"BLOCK ERASE EXT"));
}

#[test]
fn a_power_cut_is_survived_by_the_sanitize_and_by_the_run() {
    let (bench, mut drive) = drive(|_| ());
    let stopped = Bench { polls: 1, ..bench.clone() };
    assert_eq!(stopped.run(&BLOCK, &mut drive), Ok(End::Interrupted));
    drive.power_cycle();
    drive.sent.clear();
    erased(bench.resume(&BLOCK, &mut drive));
    assert!(bench.medium.is_blank());
    // The status came first, and the command was not sent again.
    assert_eq!(drive.names()[0], "SANITIZE STATUS EXT");
    assert!(!drive.names().contains(&"BLOCK ERASE EXT"));

    // It failed while nobody looked.
    let (bench, mut drive) = self::drive(|drive| drive.sanitize.habit = Habit::Fails);
    let stopped = Bench { polls: 1, ..bench.clone() };
    assert_eq!(stopped.run(&BLOCK, &mut drive), Ok(End::Interrupted));
    drive.sanitize.running = Some(0);
    let (code, message) = failed(bench.resume(&BLOCK, &mut drive));
    assert_eq!((code, message.contains("failed")), ("drive_failed", true));

    // One that is running and not ours is left alone.
    let (bench, mut busy) = self::drive(|drive| drive.sanitize.running = Some(5));
    assert_eq!(bench.run(&BLOCK, &mut busy), Err(Refusal::Busy));
}

#[test]
fn another_drive_behind_a_bridge_gets_nothing() {
    let own = |own: Option<&str>| Bond::HandedOn { known: Some(SERIAL.to_owned()), own: own.map(str::to_owned) };
    let medium = Medium::full();
    let mut drive = AtaDrive::new(&medium);
    let before = medium.bytes().clone();
    let bench = Bench::new(&medium);
    for bond in [own(None), own(Some("DOCK-1")), Bond::HandedOn { known: None, own: None }] {
        let refused = bench.run_bound(&bond, &BLOCK, &mut drive, &Past::default());
        assert!(matches!(refused, Err(Refusal::Identity(_))), "{refused:?}");
    }
    assert!(!drive.names().contains(&"BLOCK ERASE EXT") && *medium.bytes() == before);
    erased(bench.run_bound(&own(Some(SERIAL)), &BLOCK, &mut drive, &Past::default()));
}
