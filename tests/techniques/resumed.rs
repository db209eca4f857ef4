//! A run that is taken up while its drive is at the erase: such a drive answers little, and not always.
//! That is no failure of it, and nobody writes to it meanwhile.

use std::time::Duration;

use lastwrite::device::command::ata::security::EraseMode;
use lastwrite::device::command::nvme::{AdminCommand, Completion, status};
use lastwrite::device::command::{Data, ata, scsi};
use lastwrite::device::transport::{Transport, TransportError};
use lastwrite::media::CommandSet;
use lastwrite::sanitize::firmware::{AtaSecurityErase, End, Note, NvmeFormat, Procedure, Refusal, ScsiFormat};

use super::ata_drive::{AtaDrive, EraseHabit};
use super::bench::{Bench, Medium, SERIAL, Truth, erased};

/// A drive that formats itself, by either command set.
struct Formats {
    medium: Medium,
    /// Commands until it has ended; 0: it is not at it.
    left: u32,
    /// So many commands get no answer.
    lost: u32,
    /// Serial number by its own word.
    serial: &'static str,
    /// How often it was told to format itself.
    formats: u32,
}

impl Formats {
    fn new(medium: &Medium) -> Formats {
        Formats { medium: medium.clone(), left: 0, lost: 0, serial: SERIAL, formats: 0 }
    }

    fn answers(&mut self, what: &str) -> Result<(), TransportError> {
        if self.lost > 0 {
            self.lost -= 1;
            return Err(TransportError::TimedOut { what: what.to_owned(), after: Duration::from_secs(60) });
        }
        Ok(())
    }

    fn is_formatting(&mut self) -> bool {
        if self.left > 0 {
            self.left -= 1;
            if self.left == 0 {
                Truth::Erases.carry_out(&self.medium);
            }
            return true;
        }
        false
    }

    fn begin(&mut self) {
        (self.left, self.formats) = (u32::MAX, self.formats + 1);
    }
}

impl Transport for Formats {
    fn offers(&self) -> Vec<CommandSet> {
        vec![CommandSet::Nvme, CommandSet::Scsi]
    }

    fn nvme_admin(
        &mut self,
        command: &AdminCommand,
        data: Data<'_>,
        _: Duration,
    ) -> Result<Completion, TransportError> {
        self.answers(command.name)?;
        match (command.opcode, command.cdw10, data) {
            (0x06, 1, Data::In(buffer)) => {
                buffer[4..24].copy_from_slice(format!("{:<20}", self.serial).as_bytes());
                (buffer[256], buffer[524]) = (1 << 1, 1 << 2);
            }
            (0x06, 0, Data::In(_)) if self.is_formatting() => {
                return Ok(Completion { status: status::FORMAT_IN_PROGRESS, result: 0 });
            }
            // A hundred blocks of 512 bytes.
            (0x06, 0, Data::In(buffer)) => (buffer[0], buffer[130]) = (100, 9),
            // The process is gone before the drive has ended.
            (0x80, ..) => {
                self.begin();
                return Err(TransportError::Gone { what: command.name.to_owned() });
            }
            _ => panic!("{command:?}"),
        }
        Ok(Completion::default())
    }

    fn scsi(&mut self, command: &scsi::Command, data: Data<'_>, _: Duration) -> Result<scsi::Outcome, TransportError> {
        self.answers(command.name)?;
        let bytes = match command.cdb[0] {
            0x03 if self.is_formatting() => vec![0x72, 2, 4, 4, 0, 0, 0, 0],
            0x03 => vec![0x72, 0, 0, 0, 0, 0, 0, 0],
            0x04 => {
                self.begin();
                Vec::new()
            }
            0x12 => [&[0, 0x80, 0, self.serial.len() as u8][..], self.serial.as_bytes()].concat(),
            _ if self.is_formatting() => return Ok(scsi::Outcome { status: 2, ..scsi::Outcome::default() }),
            0x00 => Vec::new(),
            // A hundred blocks of 512 bytes, without protection information.
            0x9E => [&[0, 0, 0, 0, 0, 0, 0, 99, 0, 0, 2, 0][..], &[0; 20]].concat(),
            0xA3 => vec![0, 3],
            _ => return Ok(scsi::Outcome { status: 2, ..scsi::Outcome::default() }),
        };
        if let Data::In(buffer) = data {
            buffer[..bytes.len()].copy_from_slice(&bytes);
        }
        Ok(scsi::Outcome { transferred: bytes.len(), ..scsi::Outcome::default() })
    }
}

/// Both sorts of format, each cut while the drive is at it.
fn cut(go_on: impl Fn(Bench, &dyn Procedure, Formats)) {
    for procedure in [Box::new(NvmeFormat::new(false, 1)) as Box<dyn Procedure>, Box::new(ScsiFormat)] {
        let medium = Medium::full();
        let mut drive = Formats::new(&medium);
        let bench = Bench { polls: 1, ..Bench::new(&medium) };
        assert_eq!(bench.run(&*procedure, &mut drive), Ok(End::Interrupted));
        assert!(drive.formats == 1 && !medium.is_blank());
        go_on(Bench { polls: 100_000, ..bench }, &*procedure, drive);
    }
}

#[test]
fn a_format_that_is_running_is_waited_for_although_the_drive_does_not_say_who_it_is() {
    cut(|bench, procedure, mut drive| {
        drive.left = 9;
        erased(bench.resume(procedure, &mut drive));
        assert_eq!((drive.formats, bench.medium.is_blank()), (1, true));
    });
    // Who it is by its own word still counts when it has ended.
    cut(|bench, procedure, mut drive| {
        (drive.left, drive.serial) = (9, "SERIAL-2");
        let end = bench.resume(procedure, &mut drive);
        assert!(
            matches!(&end, Ok(End::Failed(failure)) if failure.code == "identity_changed")
                || matches!(&end, Err(Refusal::Identity(_))),
            "{end:?}"
        );
    });
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again() {
    for lost in [1, 5] {
        cut(|bench, procedure, mut drive| {
            (drive.left, drive.lost) = (9, lost);
            erased(bench.resume(procedure, &mut drive));
            assert_eq!(drive.formats, 1);
        });
    }
}

#[test]
fn a_drive_that_says_nothing_leaves_the_run_open() {
    cut(|bench, procedure, mut drive| {
        (drive.left, drive.lost) = (9, u32::MAX);
        let end = bench.resume(procedure, &mut drive);
        assert!(matches!(&end, Ok(End::Unclear(why)) if why.contains("no answer")), "{end:?}");
        // Attached elsewhere it answers again.
        drive.lost = 0;
        erased(bench.resume(procedure, &mut drive));
        assert_eq!(drive.formats, 1);
    });
}

#[test]
fn what_came_to_the_reach_of_the_command_is_not_erased() {
    let medium = Medium::full();
    let mut drive = Formats::new(&medium);
    let bench = Bench { reach_changed: true, ..Bench::new(&medium) };
    let refused = bench.run(&NvmeFormat::new(false, 1), &mut drive);
    assert!(matches!(&refused, Err(Refusal::Reached(why)) if why.contains("nvme0n2")), "{refused:?}");
    assert_eq!(drive.formats, 0);
    assert!(!bench.notes.lock().unwrap().iter().any(|note| matches!(note, Note::Sending { .. })));
}

/// A path that loses some answers.
struct Lossy {
    drive: AtaDrive,
    lost: u32,
}

impl Transport for Lossy {
    fn offers(&self) -> Vec<CommandSet> {
        self.drive.offers()
    }

    fn ata(&mut self, command: &ata::Command, data: Data<'_>, limit: Duration) -> Result<ata::Outcome, TransportError> {
        if self.lost > 0 {
            self.lost -= 1;
            return Err(TransportError::TimedOut { what: command.name.to_owned(), after: limit });
        }
        self.drive.ata(command, data, limit)
    }
}

#[test]
fn a_password_of_ours_is_not_left_behind_by_an_answer_that_is_lost() {
    let normal = || AtaSecurityErase::new(EraseMode::Normal);
    let cut = || {
        let medium = Medium::full();
        let (bench, mut drive) = (Bench::new(&medium), AtaDrive::new(&medium));
        drive.security.erase = EraseHabit::LosesPower;
        let _ = bench.run(&normal(), &mut drive);
        let mut ours = [0; 32];
        ours[..9].copy_from_slice(b"lastwrite");
        (drive.security.password, drive.security.locked) = (Some(ours), true);
        (bench, drive)
    };
    let (bench, drive) = cut();
    let mut path = Lossy { drive, lost: 1 };
    erased(bench.resume(&normal(), &mut path));
    assert!(bench.medium.is_blank() && path.drive.security.password.is_none());

    let (bench, drive) = cut();
    let mut path = Lossy { drive, lost: u32::MAX };
    match bench.resume(&normal(), &mut path) {
        Ok(End::Unclear(why)) => assert!(why.contains("`lastwrite` may be left") && why.contains("hdparm"), "{why}"),
        other => panic!("{other:?}"),
    }
    path.lost = 0;
    erased(bench.resume(&normal(), &mut path));
    assert_eq!(path.drive.security.password, None);
}

/// The status is lost when SECURITY ERASE UNIT was sent: a failure, which says what may be left.
#[test]
fn a_status_that_is_lost_for_good_names_the_password() {
    let medium = Medium::full();
    let bench = Bench::new(&medium);
    let mut path = Loses(AtaDrive::new(&medium), false);
    match bench.run(&AtaSecurityErase::new(EraseMode::Normal), &mut path) {
        Ok(End::Failed(failure)) => {
            assert_eq!(failure.code, "status_lost");
            assert!(failure.message.contains("hdparm"), "{}", failure.message);
        }
        other => panic!("{other:?}"),
    }
}

/// A path that dies with SECURITY ERASE UNIT.
struct Loses(AtaDrive, bool);

impl Transport for Loses {
    fn offers(&self) -> Vec<CommandSet> {
        self.0.offers()
    }

    fn ata(&mut self, command: &ata::Command, data: Data<'_>, limit: Duration) -> Result<ata::Outcome, TransportError> {
        self.1 |= command.name == "SECURITY ERASE UNIT";
        if self.1 {
            return Err(TransportError::TimedOut { what: command.name.to_owned(), after: limit });
        }
        self.0.ata(command, data, limit)
    }
}
