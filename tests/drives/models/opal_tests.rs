//! The TPer is held to the standard, with the bytes that the kernel sends.

use std::time::Duration;

use super::opal::{Answer, COM_ID, Reply, TRIES, Told, Tper};

const PSID: &[u8; 32] = b"ABCDEFGH12345678IJKLMNOP90123456";
const WRONG: &[u8; 32] = b"ZBCDEFGH12345678IJKLMNOP90123456";
const END: [u8; 7] = [0xF1, 0xF9, 0xF0, 0, 0, 0, 0xF1];

fn tper() -> Tper {
    Tper::new(std::str::from_utf8(PSID).unwrap())
}

/// A buffer of the kernel's: ComPacket, packet, data subpacket, and zeros up to 2048.
fn message(tper: u32, host: u32, stream: &[u8]) -> Vec<u8> {
    let padded = stream.len().div_ceil(4) * 4;
    let mut data = vec![0, 0, 0, 0, 0x07, 0xFE, 0, 0];
    for word in [0, 0, 36 + padded, tper as usize, host as usize, 0, 0, 0, 12 + padded, 0, 0, stream.len()] {
        data.extend((word as u32).to_be_bytes());
    }
    data.extend(stream);
    data.resize(2048, 0);
    data
}

fn start_session(psid: &[u8; 32]) -> Vec<u8> {
    let mut stream = vec![0xF8, 0xA8, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xA8, 0, 0, 0, 0, 0, 0, 0xFF, 2, 0xF0];
    stream.extend([0x81, 0x41, 0xA8, 0, 0, 2, 5, 0, 0, 0, 1, 1, 0xF2, 0, 0xD0, 0x20]);
    stream.extend(psid);
    stream.extend([0xF3, 0xF2, 3, 0xA8, 0, 0, 0, 9, 0, 1, 0xFF, 1, 0xF3]);
    stream.extend(END);
    message(0, 0, &stream)
}

fn revert(session: u32) -> Vec<u8> {
    let mut stream = vec![0xF8, 0xA8, 0, 0, 2, 5, 0, 0, 0, 1, 0xA8, 0, 0, 0, 6, 0, 0, 2, 2, 0xF0];
    stream.extend(END);
    message(session, 0x41, &stream)
}

/// The stream of the answer, and how much is outstanding.
fn answer(tper: &mut Tper) -> (Vec<u8>, u8) {
    let Reply::Data(data) = tper.receive(1, COM_ID, 2048) else { panic!("no data") };
    assert_eq!((data.len(), &data[4..8]), (2048, &[0x07, 0xFE, 0, 0][..]));
    let length = usize::from(data[55]);
    (data[56..56 + length].to_vec(), data[11])
}

#[test]
fn a_session_opens_and_ends_and_a_revert_takes_its_time() {
    let mut tper = tper();
    assert!(tper.send(1, COM_ID, &start_session(PSID)));
    let (sync, _) = answer(&mut tper);
    assert_eq!(sync[19..], [&[0xF0, 0x84, 0, 0, 0, 0x41, 0x84, 0, 0, 0x10, 1][..], &END].concat());
    assert!(!tper.send(1, COM_ID, &revert(0x1002)), "of another session");
    assert!(tper.send(1, COM_ID, &message(0x1001, 0x41, &[&[0xFA][..], &END].concat())));
    assert_eq!(answer(&mut tper).0, [0xFA]);
    assert!(!tper.send(1, COM_ID, &revert(0x1001)), "it has ended");

    assert!(tper.send(1, COM_ID, &start_session(PSID)));
    answer(&mut tper);
    assert!(tper.send(1, COM_ID, &revert(0x1002)));
    assert_eq!((tper.reverting(), answer(&mut tper)), (true, (Vec::new(), 1)));
    assert!(!tper.is_due(Duration::from_secs(60)) && tper.is_due(Duration::ZERO));
    tper.reverted(true);
    assert_eq!(answer(&mut tper), ([&[0xF0][..], &END].concat(), 0));
    assert_eq!((tper.locking_enabled, tper.reverting()), (false, false));
    assert!(!tper.send(1, COM_ID, &revert(0x1002)), "the session ended with it");
    assert_eq!(tper.told.iter().filter(|told| **told == Told::Revert).count(), 1);
}

#[test]
fn a_psid_has_five_tries_and_they_count_until_power_goes() {
    let mut tper = tper();
    let send = |tper: &mut Tper, psid| {
        assert!(tper.send(1, COM_ID, &start_session(psid)));
        let (sync, _) = answer(tper);
        assert_eq!(sync[19..21], [0xF0, 0xF1], "no session");
        sync[23]
    };
    for _ in 0..TRIES {
        assert_eq!(send(&mut tper, WRONG), 0x01);
    }
    assert_eq!(send(&mut tper, PSID), 0x12);
    assert_eq!(send(&mut tper, WRONG), 0x12);
    tper.power_off();
    assert!(tper.send(1, COM_ID, &start_session(PSID)));
    assert_eq!(tper.told.last(), Some(&Told::StartSession(0)));
}

#[test]
fn a_wrong_byte_anywhere_opens_no_session_and_begins_no_revert() {
    let message = start_session(PSID);
    for at in 0..message.len() {
        let mut message = message.clone();
        message[at] ^= 0x10;
        let mut tper = tper();
        tper.send(1, COM_ID, &message);
        // The host may call its session what it likes.
        let opened = tper.told == [Told::StartSession(0)];
        assert_eq!(opened, at == 56 + 21, "byte {at}: {:?}", tper.told);
    }
    for at in 0..2048 {
        let mut tper = tper();
        tper.send(1, COM_ID, &start_session(PSID));
        answer(&mut tper);
        let mut message = revert(0x1001);
        message[at] ^= 0x10;
        assert!(!tper.send(1, COM_ID, &message) && !tper.reverting(), "byte {at}");
    }
    assert!(!tper().send(1, COM_ID + 1, &message) && !tper().send(2, COM_ID, &message));
    assert!(!tper().send(1, COM_ID, &message[..60]));
}

#[test]
fn discovery_says_what_is_enabled_and_answers_may_stay_away() {
    let mut tper = tper();
    (tper.locked, tper.ssc) = (true, 0x0303);
    let Reply::Data(page) = tper.receive(1, 1, 512) else { panic!("no data") };
    let found = lastwrite::device::command::opal::Discovery::parse(&page).unwrap();
    assert_eq!((page[3], found.com_id), (96, Some(COM_ID)));
    let locking = found.locking.unwrap();
    assert!(locking.supported && locking.enabled && locking.locked && !locking.media_encryption);
    assert_eq!(tper.receive(1, 3, 512), Reply::Invalid);
    for (given, reply) in [(Answer::Aborted, Reply::Aborted), (Answer::Never, Reply::Never)] {
        let mut tper = self::tper();
        tper.answer = given;
        tper.send(1, COM_ID, &start_session(PSID));
        answer(&mut tper);
        tper.send(1, COM_ID, &revert(0x1001));
        tper.reverted(false);
        assert_eq!(tper.receive(1, COM_ID, 2048), reply);
        assert!(tper.locking_enabled);
    }
}
