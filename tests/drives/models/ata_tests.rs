//! The ATA model is held to the standard.

use std::time::Duration;

use super::ata::{Ata, GivesBack, Reply, Task};
use crate::rig::Erase;
use crate::rig::memory::u16_at;

const BLOCK: (u16, u64) = (0x0012, 0x426b_4572);

fn drive(erase: Erase) -> Ata {
    let mut drive = Ata::new("MODEL-1", 1);
    drive.erase = erase;
    drive.erase_time = Duration::from_millis(20);
    drive
}

fn send(drive: &mut Ata, command: u8, features: u16, count: u16, lba: u64) -> Reply {
    drive.command(&Task { command, features, count, lba, device: 0x40 }, &[])
}

fn status(drive: &mut Ata) -> Reply {
    send(drive, 0xb4, 0, 0, 0)
}

fn password(command: u8, enhanced: bool, word: &str) -> (Task, Vec<u8>) {
    let mut block = vec![0; 512];
    block[0] = u8::from(enhanced) << 1;
    block[2..2 + word.len()].copy_from_slice(word.as_bytes());
    (Task { command, device: 0x40, ..Task::default() }, block)
}

fn secure(drive: &mut Ata, command: u8, enhanced: bool, word: &str) -> bool {
    let (task, block) = password(command, enhanced, word);
    drive.command(&task, &block).is_good()
}

#[test]
fn each_way_to_sanitize_does_to_the_cells_what_it_is_named_after() {
    for (erase, left, good) in [
        (Erase::Whole, 0, true),
        (Erase::Nothing, 2048, true),
        (Erase::Half, 1024, true),
        (Erase::OnlyUnmaps, 2048, true),
        (Erase::Fails, 2048, false),
    ] {
        let mut drive = drive(erase);
        assert_eq!(send(&mut drive, 0xb4, BLOCK.0, 0, BLOCK.1).count, 0x4000);
        assert_eq!(status(&mut drive).count, 0x4000, "in progress");
        assert!(!send(&mut drive, 0x25, 0, 1, 0).is_good(), "no reads meanwhile");
        assert!(send(&mut drive, 0xec, 0, 0, 0).is_good(), "IDENTIFY is answered");
        std::thread::sleep(drive.erase_time);
        let end = status(&mut drive);
        assert_eq!((drive.medium.left(), end.is_good()), (left, good), "{erase:?}");
        if good {
            assert_eq!((end.count, end.lba), (0x8000, 0xffff), "{erase:?}");
        } else {
            assert_eq!((end.error, end.lba & 0xff), (4, 1), "{erase:?}");
            assert!(!send(&mut drive, 0x25, 0, 1, 0).is_good(), "shut until the failure is left");
            assert!(send(&mut drive, 0xb4, 0, 1, 0).is_good());
            assert!(send(&mut drive, 0x25, 0, 1, 0).is_good());
        }
    }
    let mut drive = drive(Erase::Stalls);
    send(&mut drive, 0xb4, BLOCK.0, 0, BLOCK.1);
    std::thread::sleep(drive.erase_time * 2);
    assert_eq!((status(&mut drive).count, status(&mut drive).lba), (0x4000, 655));
}

#[test]
fn sanitize_is_refused_as_the_standard_says() {
    let mut drive = drive(Erase::Whole);
    assert_eq!(send(&mut drive, 0xb4, BLOCK.0, 0, 1).lba, 2, "a wrong signature");
    drive.word59 = 0x1000;
    assert_eq!(send(&mut drive, 0xb4, BLOCK.0, 0, BLOCK.1).lba, 2, "not offered");
    drive.word59 = 0;
    assert!(!status(&mut drive).is_good(), "no feature set");
    drive.word59 = 0xf000;
    assert!(send(&mut drive, 0xb4, 0x20, 0, 0x4672_4c6b).count & 0x2000 != 0);
    assert_eq!(send(&mut drive, 0xb4, BLOCK.0, 0, BLOCK.1).lba, 3, "frozen");
    drive.power_on();
    assert!(send(&mut drive, 0xb4, BLOCK.0, 0, BLOCK.1).is_good());
}

#[test]
fn secure_erase_needs_password_and_prepare_and_takes_the_password_away() {
    let mut drive = drive(Erase::Whole);
    assert!(secure(&mut drive, 0xf1, false, "ours"));
    assert!(!secure(&mut drive, 0xf4, false, "ours"), "not prepared");
    assert!(send(&mut drive, 0xf3, 0, 0, 0).is_good());
    assert!(send(&mut drive, 0xec, 0, 0, 0).is_good());
    assert!(!secure(&mut drive, 0xf4, false, "ours"), "something came between");
    assert!(send(&mut drive, 0xf3, 0, 0, 0).is_good());
    assert!(secure(&mut drive, 0xf4, true, "ours"));
    assert_eq!(drive.medium.left(), 2048, "still erasing");
    std::thread::sleep(drive.erase_time);
    drive.tick();
    assert_eq!((drive.medium.left(), drive.security.enabled), (0, false));
}

#[test]
fn passwords_lock_count_down_and_freeze() {
    let mut drive = drive(Erase::Whole);
    drive.security.set("theirs");
    assert_eq!(drive.security.word128() & 6, 6);
    assert!(!send(&mut drive, 0x25, 0, 1, 0).is_good(), "locked");
    for _ in 0..5 {
        assert!(!secure(&mut drive, 0xf2, false, "wrong"));
    }
    assert_eq!(drive.security.word128() & 0x10, 0x10);
    assert!(!secure(&mut drive, 0xf2, false, "theirs"), "count expired");
    drive.power_on();
    assert!(secure(&mut drive, 0xf2, false, "theirs"));
    assert!(send(&mut drive, 0x25, 0, 1, 0).is_good());
    assert!(send(&mut drive, 0xf5, 0, 0, 0).is_good());
    assert!(!secure(&mut drive, 0xf6, false, "theirs"), "frozen");
    drive.power_on();
    assert!(secure(&mut drive, 0xf2, false, "theirs") && secure(&mut drive, 0xf6, false, "theirs"));
    assert!(!drive.security.enabled);
}

#[test]
fn power_that_goes_while_it_erases_leaves_the_drive_locked() {
    let mut drive = drive(Erase::Whole);
    drive.erase_time = Duration::from_secs(60);
    secure(&mut drive, 0xf1, false, "ours");
    send(&mut drive, 0xf3, 0, 0, 0);
    assert!(secure(&mut drive, 0xf4, false, "ours"));
    drive.power_off();
    drive.power_on();
    assert!(drive.security.locked);
    assert!(0 < drive.medium.left() && drive.medium.left() < drive.medium.all());
}

#[test]
fn hidden_areas_need_their_order() {
    let mut drive = drive(Erase::Whole);
    (drive.hpa, drive.dco) = (100, 200);
    assert_eq!(drive.accessible(), 2048 - 300);
    assert!(!send(&mut drive, 0x37, 0, 0, 1847).is_good(), "not after READ NATIVE MAX");
    assert_eq!(send(&mut drive, 0x27, 0, 0, 0).lba, 1847);
    assert!(!send(&mut drive, 0xb1, 0xc0, 0, 0).is_good(), "an HPA is set");
    assert_eq!(send(&mut drive, 0x27, 0, 0, 0).lba, 1847);
    assert!(send(&mut drive, 0x37, 0, 1, 1847).is_good());
    assert!(send(&mut drive, 0xb1, 0xc0, 0, 0).is_good());
    assert_eq!(drive.accessible(), 2048);
}

#[test]
fn an_accessible_maximum_is_set_once_and_not_when_frozen() {
    let mut drive = drive(Erase::Whole);
    (drive.hpa, drive.amac) = (100, true);
    let set = |drive: &mut Ata, last| send(drive, 0x78, 1, 0, last).is_good();
    assert_eq!(u16_at(&drive.identify(), 238), 0x4100);
    for older in [0x27, 0x37, 0xb1] {
        assert!(!send(&mut drive, older, 0xc2, 0, 0).is_good(), "it has neither HPA nor DCO");
    }
    assert_eq!(send(&mut drive, 0x78, 0, 0, 0).lba, 2047);
    assert!(!set(&mut drive, 2048), "beyond the native maximum");
    assert!(set(&mut drive, 1999) && !set(&mut drive, 2047), "one between two power cycles");
    drive.power_on();
    assert!(send(&mut drive, 0x78, 2, 0, 0).is_good() && !set(&mut drive, 2047), "frozen");
    drive.power_on();
    assert!(set(&mut drive, 2047));
    assert_eq!(drive.accessible(), 2048);
}

#[test]
fn a_drive_gives_back_what_it_hides_in_its_own_way() {
    for (way, first, second) in [
        (GivesBack::Honestly, 1848, 2048),
        (GivesBack::OneByOne, 1848, 1848),
        (GivesBack::ByItsWord, 1748, 1748),
        (GivesBack::Never, 1748, 1748),
    ] {
        let mut drive = drive(Erase::Whole);
        (drive.hpa, drive.dco, drive.gives_back) = (100, 200, way);
        send(&mut drive, 0x27, 0, 0, 0);
        assert_eq!(send(&mut drive, 0x37, 0, 1, 1847).is_good(), way != GivesBack::Never);
        assert_eq!(drive.accessible(), first, "{way:?}");
        send(&mut drive, 0xb1, 0xc0, 0, 0);
        assert_eq!(drive.accessible(), second, "{way:?}");
        drive.power_on();
        send(&mut drive, 0xb1, 0xc0, 0, 0);
        assert_eq!(drive.accessible(), if second > 1748 { 2048 } else { 1748 }, "{way:?}");
    }
}

#[test]
fn identity_adds_up_and_can_be_made_not_to() {
    let mut drive = drive(Erase::Whole);
    let sum = |page: &[u8]| page.iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
    let page = drive.identify();
    assert_eq!((sum(&page), page[510]), (0, 0xa5));
    assert_eq!(&page[20..28], b"OMED-L 1", "words are swapped");
    assert_eq!(u16_at(&page, 200), 2048);
    drive.bad_checksum = true;
    assert_ne!(sum(&drive.identify()), 0);
}
