//! The model itself is held to the standard: a rig that lies by mistake proves nothing.

use std::time::Duration;

use super::nvme::{Answer, LATER, Log, Nvme, OK, Second, Seen};
use crate::rig::memory::{put, u16_at, u32_at};
use crate::rig::{Erase, Medium};

const SANITIZE: u8 = 0x84;
const FORMAT: u8 = 0x80;
const BLOCK_ERASE: u32 = 2;

fn drive(erase: Erase) -> Nvme {
    let mut drive = Nvme::new("MODEL-1", 1);
    drive.erase = erase;
    drive.erase_time = Duration::from_millis(20);
    drive
}

fn send(drive: &mut Nvme, opcode: u8, namespace: u32, dword10: u32) -> Answer {
    let mut sqe = [0; 64];
    sqe[0] = opcode;
    put(&mut sqe, 4, &namespace.to_le_bytes());
    put(&mut sqe, 40, &dword10.to_le_bytes());
    drive.admin(&sqe, &[])
}

/// An I/O command of one block.
fn io(opcode: u8, namespace: u32) -> [u8; 64] {
    let mut sqe = [0; 64];
    sqe[0] = opcode;
    put(&mut sqe, 4, &namespace.to_le_bytes());
    sqe
}

/// SPROG and SSTAT of the Sanitize Status log, and the status of asking for it.
fn status(drive: &mut Nvme) -> (u16, u16, u16) {
    let (status, _, page) = send(drive, 0x02, u32::MAX, 0x81 | 127 << 16);
    page.map_or((status, 0, 0), |p| (status, u16_at(&p, 0), u16_at(&p, 2)))
}

fn sanitized(erase: Erase) -> (Nvme, (u16, u16, u16)) {
    let mut drive = drive(erase);
    assert_eq!(send(&mut drive, SANITIZE, 0, BLOCK_ERASE).0, OK);
    assert_eq!(status(&mut drive).2, 2, "in progress");
    std::thread::sleep(drive.erase_time);
    let end = status(&mut drive);
    (drive, end)
}

#[test]
fn each_way_to_erase_does_to_the_cells_what_it_is_named_after() {
    for (erase, left, sstat) in [
        (Erase::Whole, 0, 0x101),
        (Erase::Nothing, 2048, 0x101),
        (Erase::Half, 1024, 0x101),
        (Erase::AllButTheEnd, 256, 0x101),
        (Erase::OnlyUnmaps, 2048, 0x101),
        (Erase::Fails, 2048, 3),
        (Erase::Stalls, 2048, 2),
    ] {
        let (drive, end) = sanitized(erase);
        assert_eq!((drive.medium.left(), end.2), (left, sstat), "{erase:?}");
        assert_eq!(end.1, if erase == Erase::Stalls { 655 } else { 0xffff }, "{erase:?}");
    }
}

#[test]
fn a_failed_sanitize_shuts_the_medium_until_the_failure_is_left() {
    let (mut drive, _) = sanitized(Erase::Fails);
    let read = io(2, 1);
    assert_eq!(drive.io(&read, &[]).0, 0x1c);
    assert_eq!(send(&mut drive, SANITIZE, 0, 1).0, OK);
    assert_eq!(drive.io(&read, &[]).0, OK);
}

#[test]
fn commands_are_refused_as_the_standard_says() {
    let mut drive = drive(Erase::Whole);
    assert_eq!(send(&mut drive, SANITIZE, 1, BLOCK_ERASE).0, 0x4002, "a namespace named");
    drive.sanicap = 1;
    assert_eq!(send(&mut drive, SANITIZE, 0, BLOCK_ERASE).0, 0x4002, "not supported");
    drive.sanicap = 0;
    assert_eq!(send(&mut drive, SANITIZE, 0, BLOCK_ERASE).0, 0x4001);
    // FNA bit 3 is inverted: set, the broadcast namespace is not allowed.
    drive.fna = 8;
    assert_eq!(send(&mut drive, FORMAT, u32::MAX, 1 << 9).0, 0x400b);
    assert_eq!(send(&mut drive, FORMAT, 1, 2 << 9).0, 0x4002, "cryptographic erase is not offered");
    assert_eq!(drive.medium.left(), 2048);
    assert_eq!(send(&mut drive, FORMAT, 1, 0).0, OK);
    assert_eq!(drive.medium.left(), 2048, "SES 0 erases nothing");
    assert_eq!(send(&mut drive, FORMAT, 1, 1 << 9).0, LATER);
    assert_eq!(drive.format_ended(), None);
    assert_eq!(drive.io(&[2; 64], &[]).0, 0x84, "no I/O meanwhile");
    std::thread::sleep(drive.erase_time);
    assert_eq!(drive.format_ended(), Some(OK));
    assert_eq!(drive.medium.left(), 0);
    let last = drive.seen.last().unwrap();
    assert_eq!(*last, Seen { opcode: FORMAT, namespace: 1, dword10: 1 << 9, dword11: 0 });
    drive.oacs = 0;
    assert_eq!(send(&mut drive, FORMAT, 1, 1 << 9).0, 0x4001);
}

#[test]
fn the_log_page_can_be_missing_zeroed_or_say_that_it_deallocated() {
    let (mut drive, _) = sanitized(Erase::Whole);
    drive.log = Log::Missing;
    assert_eq!(status(&mut drive).0, 0x4109);
    drive.log = Log::Zeroed;
    assert_eq!(status(&mut drive), (OK, 0, 0));
    drive.log = Log::Honest;
    drive.deallocates_anyway = true;
    assert_eq!(status(&mut drive).2, 0x104);
    let (_, _, page) = send(&mut drive, 0x06, 0, 1);
    assert_eq!(u32_at(&page.unwrap(), 328), 7);
}

#[test]
fn capacity_of_no_namespace_is_told_and_only_a_sanitize_reaches_it() {
    let mut drive = drive(Erase::Whole);
    drive.unallocated = 48;
    let controller = send(&mut drive, 0x06, 0, 1).2.unwrap();
    assert_eq!((u32_at(&controller, 280), u32_at(&controller, 296)), (2048 * 512, 48 * 512));
    let namespace = send(&mut drive, 0x06, 1, 0).2.unwrap();
    assert_eq!((u32_at(&namespace, 0), u32_at(&namespace, 48)), (2000, 2000 * 512));
    let mut read = io(2, 1);
    put(&mut read, 40, &2000u64.to_le_bytes());
    assert_eq!(drive.io(&read, &[]).0, 0x4080);
    assert_eq!(send(&mut drive, FORMAT, 1, 1 << 9).0, LATER);
    std::thread::sleep(drive.erase_time);
    assert_eq!((drive.format_ended(), drive.medium.left()), (Some(OK), 48));
    assert_eq!(send(&mut drive, SANITIZE, 0, BLOCK_ERASE).0, OK);
    std::thread::sleep(drive.erase_time);
    assert_eq!((status(&mut drive).2, drive.medium.left()), (0x101, 0));
}

#[test]
fn a_read_only_drive_takes_no_writes() {
    let mut drive = drive(Erase::Whole);
    drive.read_only = true;
    assert_eq!(drive.io(&io(1, 1), &[0; 512]).0, 0x4182);
    assert_eq!(drive.medium.left(), 2048);
}

#[test]
fn a_second_namespace_has_cells_of_its_own() {
    let two = |attached: bool, fna: u8| {
        let mut drive = drive(Erase::Whole);
        drive.second = Some(Second { medium: Medium::new(2), attached });
        (drive.fna, drive.oacs) = (fna, 0b1010);
        drive
    };
    let left = |drive: &Nvme| (drive.medium.left(), drive.second.as_ref().unwrap().medium.left());
    let list = |drive: &mut Nvme, cns: u32| {
        let page = send(drive, 0x06, 0, cns).2.unwrap();
        [u32_at(&page, 0), u32_at(&page, 4), u32_at(&page, 8)]
    };
    let mut shared = two(true, 4);
    assert_eq!((list(&mut shared, 2), list(&mut shared, 0x10)), ([1, 2, 0], [1, 2, 0]));
    let sizes = [1, 2].map(|nsid| u32_at(&send(&mut shared, 0x06, nsid, 0).2.unwrap(), 0));
    assert_eq!(sizes, [2048, 4096]);
    assert_eq!((shared.io(&io(1, 2), &[0; 512]).0, left(&shared)), (OK, (2048, 4095)));
    assert_eq!(shared.io(&io(1, 3), &[0; 512]).0, 0x400b);

    // One that another host's controller is attached to is told of, and neither read nor written here.
    let mut foreign = two(false, 4);
    assert_eq!((list(&mut foreign, 2), list(&mut foreign, 0x10)), ([1, 0, 0], [1, 2, 0]));
    assert_eq!(send(&mut foreign, 0x06, 2, 0).0, 0x400b);
    assert_eq!(u32_at(&send(&mut foreign, 0x06, 2, 0x11).2.unwrap(), 0), 4096);
    assert_eq!(u32_at(&send(&mut foreign, 0x06, 0, 1).2.unwrap(), 280), 6144 * 512);
    assert_eq!(foreign.io(&io(2, 2), &[]).0, 0x400b);
    assert_eq!(send(&mut foreign, FORMAT, 2, 1 << 9).0, 0x400b);
    foreign.oacs = 2;
    assert_eq!(send(&mut foreign, 0x06, 0, 0x10).0, 0x4002, "without Namespace Management");

    for (attached, fna, expected) in [(true, 4, (0, 4096)), (true, 5, (0, 0)), (true, 6, (0, 0)), (false, 6, (0, 0))] {
        let mut drive = two(attached, fna);
        assert_eq!(send(&mut drive, FORMAT, 1, 1 << 9).0, LATER);
        std::thread::sleep(drive.erase_time);
        assert_eq!((drive.format_ended(), left(&drive)), (Some(OK), expected), "FNA {fna}");
    }
    let mut second = two(true, 4);
    assert_eq!(send(&mut second, FORMAT, 2, 1 << 9).0, LATER);
    std::thread::sleep(second.erase_time);
    assert_eq!((second.format_ended(), left(&second)), (Some(OK), (2048, 0)));
    for attached in [true, false] {
        let mut drive = two(attached, 4);
        assert_eq!(send(&mut drive, SANITIZE, 0, BLOCK_ERASE).0, OK);
        std::thread::sleep(drive.erase_time);
        assert_eq!((status(&mut drive).2, left(&drive)), (0x101, (0, 0)));
    }
}
