//! The SCSI model is held to the standard.

use std::time::Duration;

use super::scsi::{Answer, GivesBack, LATER, Scsi};
use crate::rig::Erase;

fn drive(erase: Erase) -> Scsi {
    let mut drive = Scsi::new("MODEL-1", 1);
    drive.erase = erase;
    drive.erase_time = Duration::from_millis(20);
    drive
}

fn send(drive: &mut Scsi, cdb: &[u8], sent: &[u8]) -> Answer {
    let mut full = cdb.to_vec();
    full.resize(32, 0);
    drive.command(&full, sent)
}

fn key(sense: &[u8]) -> (u8, u8, u8) {
    (sense[2], sense[12], sense[13])
}

fn request_sense(drive: &mut Scsi) -> Vec<u8> {
    send(drive, &[3, 0, 0, 0, 252], &[]).data
}

const BLOCK_ERASE: [u8; 10] = [0x48, 0x82, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn each_way_to_sanitize_does_to_the_cells_what_it_is_named_after() {
    for (erase, left, end) in [
        (Erase::Whole, 0, (0, 0, 0)),
        (Erase::Nothing, 2048, (0, 0, 0)),
        (Erase::Half, 1024, (0, 0, 0)),
        (Erase::Fails, 2048, (3, 0x31, 3)),
        (Erase::Stalls, 2048, (2, 4, 0x1b)),
    ] {
        let mut drive = drive(erase);
        assert_eq!(send(&mut drive, &BLOCK_ERASE, &[]).status, 0);
        assert_eq!(key(&request_sense(&mut drive)), (2, 4, 0x1b));
        assert_eq!(send(&mut drive, &[0], &[]).status, 2, "not ready meanwhile");
        assert_eq!(send(&mut drive, &[0x12, 0, 0, 0, 96], &[]).status, 0, "INQUIRY is answered");
        std::thread::sleep(drive.erase_time);
        let sense = request_sense(&mut drive);
        assert_eq!((drive.medium.left(), key(&sense)), (left, end), "{erase:?}");
        if erase == Erase::Stalls {
            assert_eq!((sense[15], u16::from_be_bytes([sense[16], sense[17]])), (0x80, 655));
        }
    }
}

#[test]
fn a_disk_that_idles_says_so_when_it_is_at_nothing() {
    let mut drive = drive(Erase::Whole);
    drive.idles = true;
    let says = |drive: &mut Scsi| (key(&request_sense(drive)), send(drive, &[0], &[]).status);
    assert_eq!(says(&mut drive), ((0, 0x5e, 1), 0));
    send(&mut drive, &BLOCK_ERASE, &[]);
    assert_eq!(says(&mut drive), ((2, 4, 0x1b), 2));
    std::thread::sleep(drive.erase_time);
    assert_eq!(says(&mut drive), ((0, 0x5e, 1), 0));
}

#[test]
fn a_failed_sanitize_shuts_the_unit_until_it_is_left() {
    let mut drive = drive(Erase::Fails);
    send(&mut drive, &BLOCK_ERASE, &[]);
    std::thread::sleep(drive.erase_time);
    let read = [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    assert_eq!(key(&send(&mut drive, &read, &[]).sense), (3, 0x31, 3));
    assert_eq!(send(&mut drive, &[0x48, 0x1f], &[]).status, 0);
    assert_eq!(send(&mut drive, &read, &[]).status, 0);
}

#[test]
fn commands_are_refused_as_the_standard_says() {
    let mut drive = drive(Erase::Whole);
    let overwrite = [0x48, 0x81, 0, 0, 0, 0, 0, 0, 8, 0];
    assert_eq!(key(&send(&mut drive, &overwrite, &[0; 8]).sense), (5, 0x26, 0), "no pass");
    assert_eq!(send(&mut drive, &overwrite, &[1, 0, 0, 4, 0, 0, 0, 0]).status, 0);
    std::thread::sleep(drive.erase_time);
    assert_eq!(key(&request_sense(&mut drive)), (0, 0, 0));
    drive.sanitizes = 0b0010;
    assert_eq!(key(&send(&mut drive, &BLOCK_ERASE, &[]).sense), (5, 0x24, 0));
    let report = |action: u8| [0xa3, 0x0c, 2, 0x48, 0, action, 0, 0, 0, 64, 0, 0];
    assert_eq!(send(&mut drive, &report(1), &[]).data[1] & 7, 3);
    assert_eq!(send(&mut drive, &report(2), &[]).data[1] & 7, 1);
    drive.sanitizes = 0;
    assert_eq!(key(&send(&mut drive, &BLOCK_ERASE, &[]).sense), (5, 0x20, 0));
    drive.write_protected = true;
    let write = [0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    assert_eq!(key(&send(&mut drive, &write, &[0; 512]).sense), (7, 0x27, 0));
    let mode = send(&mut drive, &[0x1a, 0, 0x3f, 0, 255], &[]).data;
    assert_eq!((usize::from(mode[0]) + 1, mode[2] & 0x80), (mode.len(), 0x80));
}

#[test]
fn a_format_erases_and_one_that_lost_power_leaves_a_broken_format() {
    let mut drive = drive(Erase::Whole);
    assert_eq!(send(&mut drive, &[4, 0x10], &[0, 2, 0, 0]).status, 0);
    assert_eq!(key(&request_sense(&mut drive)), (2, 4, 4));
    std::thread::sleep(drive.erase_time);
    assert_eq!(key(&request_sense(&mut drive)), (0, 0, 0));
    assert_eq!(drive.medium.left(), 0);
    drive.erase_time = Duration::from_secs(60);
    send(&mut drive, &[4, 0x10], &[0, 2, 0, 0]);
    drive.power_off();
    assert_eq!(key(&request_sense(&mut drive)), (3, 0x31, 1));
    assert_eq!(send(&mut drive, &[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0], &[]).status, 2);
    drive.erase_time = Duration::ZERO;
    assert_eq!(send(&mut drive, &[4, 0], &[]).status, LATER);
    assert_eq!(drive.ended(), Some(Answer::good()), "a new format mends it");
    assert_eq!(send(&mut drive, &[0], &[]).status, 0);
}

#[test]
fn log_pages_are_those_that_the_list_has() {
    let mut drive = drive(Erase::Whole);
    let log = |drive: &mut Scsi, page: u8| send(drive, &[0x4d, 0, 0x40 | page, 0, 0, 0, 0, 0, 252, 0], &[]);
    let list = log(&mut drive, 0).data;
    assert_eq!(list, [0, 0, 0, 7, 0, 2, 3, 0x0d, 0x11, 0x15, 0x2f]);
    for page in &list[5..] {
        let data = log(&mut drive, *page).data;
        assert_eq!((data[0], usize::from(data[3]) + 4), (*page, data.len()));
    }
    assert_eq!(key(&log(&mut drive, 5).sense), (5, 0x24, 0));
}

#[test]
fn a_reduced_capacity_is_told_and_given_back_by_the_block_descriptor() {
    let mut drive = drive(Erase::Whole);
    drive.reduced = 48;
    assert_eq!(send(&mut drive, &[0x25], &[]).data[..4], 1999u32.to_be_bytes());
    let mode = send(&mut drive, &[0x1a, 0, 0, 0, 255], &[]).data;
    assert_eq!(mode[4..8], 2000u32.to_be_bytes());
    let default = |drive: &mut Scsi| send(drive, &[0x5a, 0x10, 0xbf, 0, 0, 0, 0, 0, 192, 0], &[]).data[8..12].to_vec();
    assert_eq!(default(&mut drive), 2048u32.to_be_bytes());
    drive.tells_reduced = false;
    assert_eq!(default(&mut drive), 2000u32.to_be_bytes());
    let list = [0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0];
    for (gives_back, status, accessible) in
        [(GivesBack::Never, 2, 2000), (GivesBack::ByItsWord, 0, 2000), (GivesBack::Honestly, 0, 2048)]
    {
        drive.gives_back = gives_back;
        assert_eq!(send(&mut drive, &[0x15, 0x10, 0, 0, 12], &list).status, status);
        assert_eq!(drive.accessible(), accessible);
    }
}
