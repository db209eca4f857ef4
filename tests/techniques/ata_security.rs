use std::time::Duration;

use lastwrite::device::command::ata::security::EraseMode;
use lastwrite::sanitize::firmware::{AtaSecurityErase, Note, Procedure, Refusal};

use super::ata_drive::{AtaDrive, EraseHabit};
use super::bench::{Bench, Medium, Truth, code, erased, failed, obstacle};

fn normal() -> AtaSecurityErase {
    AtaSecurityErase::new(EraseMode::Normal)
}

fn drive(change: impl FnOnce(&mut AtaDrive)) -> (Bench, AtaDrive) {
    let medium = Medium::full();
    let mut drive = AtaDrive::new(&medium);
    change(&mut drive);
    (Bench::new(&medium), drive)
}

#[test]
fn an_honest_drive_is_erased_and_has_no_password_afterwards() {
    for mode in [EraseMode::Normal, EraseMode::Enhanced] {
        let (bench, mut drive) = drive(|_| ());
        erased(bench.run(&AtaSecurityErase::new(mode), &mut drive));
        assert!(bench.medium.is_blank());
        assert_eq!(drive.security.password, None);
        // SECURITY ERASE PREPARE immediately before SECURITY ERASE UNIT.
        let names = drive.names();
        let at = names.iter().position(|name| *name == "SECURITY ERASE UNIT").unwrap();
        assert_eq!(names[at - 1], "SECURITY ERASE PREPARE");
        // An hour more than the drive says: words 89 and 90 are 100 and 200 minutes.
        let minutes = if mode == EraseMode::Normal { 100 } else { 200 };
        assert_eq!(drive.sent[at].1, Duration::from_secs((minutes + 60) * 60));
    }
}

#[test]
fn that_it_is_about_to_be_sent_is_durable_before_the_password_is_set() {
    let (bench, mut drive) = drive(|_| ());
    let full = Bench { loses_the_sending_note: true, ..bench };
    let refused = full.run(&normal(), &mut drive);
    assert!(matches!(refused, Err(Refusal::Diary(_))), "{refused:?}");
    assert!(!drive.names().contains(&"SECURITY SET PASSWORD"));
}

#[test]
fn success_without_erasure_is_a_failure() {
    for truth in [Truth::Nothing, Truth::ErasesHalf] {
        let (bench, mut drive) = drive(|drive| drive.truth = truth);
        assert_eq!(code(bench.run(&normal(), &mut drive)), "not_erased");
        assert_eq!(drive.security.password, None);
    }
}

#[test]
fn what_stands_in_the_way_is_named_and_the_password_is_never_tried() {
    type Change = fn(&mut AtaDrive);
    let cases: [(Change, &str); 4] = [
        (|drive| drive.security.frozen = true, "suspend"),
        (|drive| drive.security.expired = true, "cut its power"),
        (
            |drive| {
                drive.security.password = Some([3; 32]);
                drive.security.locked = true;
            },
            "locked by a user password that is not known here",
        ),
        (|drive| drive.security.password = Some([3; 32]), "has a user password that is not known here"),
    ];
    for (change, words) in cases {
        let (bench, mut drive) = drive(change);
        let why = obstacle(bench.run(&normal(), &mut drive));
        assert!(why.contains(words), "{why}");
        assert!(drive.names().iter().all(|name| *name == "IDENTIFY DEVICE"), "{:?}", drive.names());
        assert!(!bench.medium.is_blank());
    }
}

#[test]
fn enhanced_needs_its_own_bit_and_is_never_replaced_by_normal() {
    let (bench, mut drive) = drive(|drive| drive.security.enhanced = false);
    let refused = bench.run(&AtaSecurityErase::new(EraseMode::Enhanced), &mut drive);
    assert!(matches!(refused, Err(Refusal::Unsupported(_))), "{refused:?}");
    erased(bench.run(&normal(), &mut drive));
}

#[test]
fn an_erase_that_fails_leaves_no_password_behind() {
    let (bench, mut aborts) = drive(|drive| drive.security.erase = EraseHabit::Aborts);
    let (code, message) = failed(bench.run(&normal(), &mut aborts));
    assert_eq!(code, "drive_failed");
    assert!(message.contains("taken off"), "{message}");
    assert_eq!(aborts.security.password, None);

    // It says success and still has the password: no completed erase does that.
    let (bench, mut leaves) = drive(|drive| drive.security.erase = EraseHabit::LeavesPassword);
    // SECURITY ERASE UNIT was accepted, and IDENTIFY DEVICE weighs more.
    assert_eq!(super::bench::code(bench.run(&normal(), &mut leaves)), "drive_failed");
    assert_eq!(leaves.security.password, None);

    let (bench, mut deaf) = drive(|drive| drive.security.ignores_set_password = true);
    assert_eq!(super::bench::code(bench.run(&normal(), &mut deaf)), "rejected");
    assert!(!deaf.names().contains(&"SECURITY ERASE UNIT"));
}

#[test]
fn a_password_that_cannot_be_taken_off_is_reported_with_the_way_out() {
    let (bench, mut keeps) = drive(|drive| {
        drive.security.erase = EraseHabit::Aborts;
        drive.security.keeps_password = true;
    });
    match bench.run(&normal(), &mut keeps) {
        Err(Refusal::CleanUp(why)) => {
            assert!(why.contains("`lastwrite` is still set") && why.contains("hdparm"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn lost_registers_are_made_up_for_by_what_identify_says() {
    // The path returns none at all: the password that was seen to be set is gone, as only a completed
    // erase leaves it, and the blocks are empty.
    let (bench, mut drive) = drive(|drive| drive.registers = false);
    let erasure = erased(bench.run(&normal(), &mut drive));
    assert!(erasure.status.contains("password that was set is gone"), "{}", erasure.status);
    assert!(bench.medium.is_blank());
    // The same, and the drive lies.
    let (bench, mut lies) = self::drive(|drive| {
        drive.loses_registers = true;
        drive.truth = Truth::Nothing;
    });
    assert_eq!(code(bench.run(&normal(), &mut lies)), "not_erased");
}

#[test]
fn a_power_cut_leaves_it_locked_and_the_next_start_opens_and_erases_it() {
    let (bench, mut drive) = drive(|drive| drive.security.erase = EraseHabit::LosesPower);
    // In the first start the drive is seen to be locked by our password, and is opened at once.
    let (code, message) = failed(bench.run(&normal(), &mut drive));
    assert_eq!(code, "drive_failed");
    assert!(message.contains("taken off"), "{message}");
    assert_eq!(drive.security.password, None);

    // The whole machine lost power: the password is still there when the run is taken up.
    let (bench, mut drive) = self::drive(|drive| drive.security.erase = EraseHabit::LosesPower);
    let procedure = normal();
    let notes = bench.notes.clone();
    let _ = bench.run(&procedure, &mut drive);
    notes.lock().unwrap().retain(|note| !matches!(note, Note::Completed { .. }));
    let mut ours = [0; 32];
    ours[..9].copy_from_slice(b"lastwrite");
    (drive.security.password, drive.security.locked) = (Some(ours), true);
    drive.sent.clear();
    erased(bench.resume(&normal(), &mut drive));
    assert!(bench.medium.is_blank());
    assert_eq!(drive.security.password, None);
    let names = drive.names();
    let unlock = names.iter().position(|name| *name == "SECURITY UNLOCK").unwrap();
    assert_eq!(names[unlock + 1], "SECURITY DISABLE PASSWORD");

    // It comes back frozen by the firmware of the machine: said, with what helps.
    (drive.security.password, drive.security.locked, drive.security.frozen) = (Some(ours), true, true);
    match bench.resume(&normal(), &mut drive) {
        Err(Refusal::CleanUp(why)) => assert!(why.contains("suspend") && why.contains("hdparm"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_plan_shows_the_blocks_that_are_sent() {
    let (_, mut drive) = drive(|_| ());
    let look = AtaSecurityErase::new(EraseMode::Enhanced).look(&mut drive).unwrap();
    let blocks: Vec<_> = look.commands.iter().map(|command| command.data_out.as_deref().unwrap_or("")).collect();
    let password = format!("{}{}", "6c6173747772697465", "00".repeat(23));
    assert_eq!(blocks, [format!("0000{password}"), String::new(), format!("0200{password}")]);
    assert_eq!(look.estimate, Some(Duration::from_secs(200 * 60)));
}
