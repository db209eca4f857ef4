//! A drive with TCG Opal or Pyrite behind the kernel's driver, which also answers NVMe Identify.

use std::time::Duration;

use lastwrite::device::command::Data;
use lastwrite::device::command::nvme::{AdminCommand, Completion};
use lastwrite::device::command::opal::{Outcome, Psid, Request, StatusFlags};
use lastwrite::device::transport::{Recorder, Transport, TransportError};
use lastwrite::media::{CommandSet, Reach};
use lastwrite::sanitize::firmware::{OpalPsidRevert, Procedure, Refusal};

use super::bench::{Bench, Medium, SERIAL, Truth, code, erased, failed, obstacle};

const LABEL: &str = "ABCDEFGH12345678IJKLMNOP90123456";

struct Drive {
    medium: Medium,
    truth: Truth,
    psid: Psid,
    ssc: u16,
    enabled: bool,
    locked: bool,
    discovery: bool,
    /// Status code of the revert, and whether it still takes place.
    answer: (u32, bool),
    dies: bool,
    reverts: u32,
}

fn drive(change: impl FnOnce(&mut Drive)) -> (Bench, Drive) {
    let medium = Medium::full();
    let mut drive = Drive {
        medium: medium.clone(),
        truth: Truth::Erases,
        psid: Psid::parse(LABEL).unwrap(),
        ssc: 0x0203,
        enabled: true,
        locked: false,
        discovery: true,
        answer: (0, true),
        dies: false,
        reverts: 0,
    };
    change(&mut drive);
    let bench = Bench { reads_fail: drive.locked, drops_writes: drive.locked, ..Bench::new(&medium) };
    (bench, drive)
}

impl Transport for Drive {
    fn offers(&self) -> Vec<CommandSet> {
        vec![CommandSet::Nvme, CommandSet::Opal]
    }

    fn nvme_admin(
        &mut self,
        command: &AdminCommand,
        data: Data<'_>,
        _: Duration,
    ) -> Result<Completion, TransportError> {
        let Data::In(buffer) = data else { panic!("{}", command.name) };
        match command.opcode {
            0x06 => buffer[4..24].copy_from_slice(format!("{SERIAL:<20}").as_bytes()),
            0x82 if self.discovery => {
                let flags = 1 | u8::from(self.enabled) << 1 | u8::from(self.locked) << 2 | 1 << 3;
                let mut page = vec![0; 48];
                page.extend([0, 2, 0x10, 1, flags]);
                page.extend(self.ssc.to_be_bytes());
                page.extend([0x10, 12, 7, 0xFE, 0, 1, 0, 0, 4, 0, 9, 0, 0, 0]);
                let length = (page.len() - 4) as u32;
                page[..4].copy_from_slice(&length.to_be_bytes());
                buffer[..page.len()].copy_from_slice(&page);
            }
            _ => return Ok(Completion { status: 1, result: 0 }),
        }
        Ok(Completion::default())
    }

    fn opal(&mut self, request: &Request<'_>, _: Duration) -> Result<Outcome, TransportError> {
        match request {
            Request::GetStatus => {
                let flags = 3 | u32::from(self.enabled) << 2 | u32::from(self.locked) << 3;
                Ok(Outcome { code: 0, flags: Some(StatusFlags(flags)) })
            }
            Request::PsidRevert(psid) => {
                self.reverts += 1;
                if **psid != self.psid {
                    return Ok(Outcome { code: 1, flags: None });
                }
                if self.answer.1 {
                    (self.enabled, self.locked) = (false, false);
                    self.truth.carry_out(&self.medium);
                }
                if self.dies {
                    return Err(TransportError::TimedOut {
                        what: request.name().into(),
                        after: Duration::from_secs(9),
                    });
                }
                Ok(Outcome { code: self.answer.0, flags: None })
            }
        }
    }
}

fn revert(label: &str) -> OpalPsidRevert {
    OpalPsidRevert::new(Some(Psid::parse(label).unwrap()))
}

#[test]
fn the_right_psid_empties_an_honest_drive() {
    let (bench, mut drive) = drive(|_| ());
    let erasure = erased(bench.run(&revert(LABEL), &mut drive));
    assert!(bench.medium.is_blank() && erasure.canaries > 10 && !drive.enabled);
    assert_eq!(revert(LABEL).look(&mut drive).unwrap().reach, Reach::Subsystem);
}

#[test]
fn a_wrong_psid_is_rejected_and_nothing_of_it_is_told_anywhere() {
    let (bench, drive) = drive(|_| ());
    let wrong = "ZZZZZZZZ12345678IJKLMNOP90123456";
    let mut path = Recorder::new(drive);
    let (code, message) = failed(bench.run(&revert(wrong), &mut path));
    assert_eq!((code, message.contains("NOT_AUTHORIZED")), ("rejected", true), "{message}");
    assert!(!bench.medium.is_blank());
    // Neither the wrong nor the right one is in records, notes, plans or errors.
    let mut told = format!("{:?} {:?} {message}", path.log().take(), bench.notes.lock().unwrap());
    erased(bench.run(&revert(LABEL), &mut path));
    let look = revert(LABEL).look(&mut path).unwrap();
    let exchanges = path.log().take();
    assert!(exchanges.iter().any(|exchange| exchange.name == "IOC_OPAL_PSID_REVERT_TPR"));
    told += &format!("{exchanges:?} {look:?} {:?} {:?}", revert(LABEL), bench.notes.lock().unwrap());
    told += &serde_json::to_string(&exchanges).unwrap();
    for secret in ["ZZZZ", "ABCDEFGH", "IJKLMNOP", "41424344", "65, 66, 67"] {
        assert!(!told.contains(secret), "{secret}");
    }
}

#[test]
fn lies_errors_and_silence() {
    for truth in [Truth::Nothing, Truth::ErasesHalf] {
        let (bench, mut drive) = drive(|drive| drive.truth = truth);
        assert_eq!(code(bench.run(&revert(LABEL), &mut drive)), "not_erased");
    }
    // SUCCESS, and locking is still enabled afterwards.
    let (bench, mut same) = drive(|drive| drive.answer = (0, false));
    assert_eq!(code(bench.run(&revert(LABEL), &mut same)), "drive_failed");
    for (status, expected) in [(0x3F, "drive_failed"), (0x0F, "drive_failed"), (0x12, "rejected")] {
        let (bench, mut drive) = drive(|drive| drive.answer = (status, false));
        assert_eq!(code(bench.run(&revert(LABEL), &mut drive)), expected, "{status:02x}");
    }
    // On NVMe the kernel gives a command's status (07h: it was aborted) as if it were the method's.
    for (status, nvme) in [(0x3F, false), (0x07, true), (0x4002, true)] {
        let (bench, mut drive) = drive(|drive| drive.answer = (status, false));
        let (_, message) = failed(bench.run(&revert(LABEL), &mut drive));
        assert_eq!(message.contains("or the NVMe status of a command that failed"), nvme, "{message}");
    }
    // No answer: that it is in its factory state now does not say when it got there.
    let (bench, mut dies) = drive(|drive| drive.dies = true);
    assert_eq!(code(bench.run(&revert(LABEL), &mut dies)), "not_begun");
}

#[test]
fn a_locked_drive_is_reverted_only_when_it_is_known_to_encrypt() {
    let (locked, mut drive) = drive(|drive| drive.locked = true);
    // Its blocks cannot be read before. Afterwards they can.
    let look = revert(LABEL).look(&mut drive).unwrap();
    assert!(look.without_canaries.unwrap().contains("locked"));
    let readable = Bench { reads_fail: false, ..locked };
    let erasure = erased(readable.run(&revert(LABEL), &mut drive));
    // Nothing was known before: the certificate cannot say more than that the drive says so.
    assert_eq!(erasure.canaries, 0);
    assert!(readable.medium.is_blank());

    for change in [(|drive: &mut Drive| drive.discovery = false) as fn(&mut Drive), |drive| drive.ssc = 0x0302] {
        let (bench, mut unsure) = self::drive(|drive| {
            drive.locked = true;
            change(drive);
        });
        assert!(obstacle(bench.run(&revert(LABEL), &mut unsure)).contains("not known to encrypt"));
        assert_eq!(unsure.reverts, 0);
    }
}

#[test]
fn another_drive_is_not_reverted() {
    let (bench, mut drive) = drive(|_| ());
    let refused = bench.run_as("SERIAL-2", &revert(LABEL), &mut drive);
    assert!(matches!(refused, Err(Refusal::Identity(_))), "{refused:?}");
    assert_eq!(drive.reverts, 0);
}
