//! What REQUEST SENSE says of a disk that is at nothing, and TEST UNIT READY beside it.

use std::time::Duration;

use lastwrite::device::command::Data;
use lastwrite::device::command::scsi::{CHECK_CONDITION, Command, GOOD, Outcome};
use lastwrite::device::transport::{Transport, TransportError};
use lastwrite::media::CommandSet;
use lastwrite::sanitize::firmware::{End, Erase, Procedure, Refusal, ScsiFormat, ScsiSanitize, State};

use super::bench::{Bench, Medium, SERIAL, Truth, code, erased};

/// Key, ASC and ASCQ.
type Says = (u8, u8, u8);
const NOTHING: Says = (0, 0, 0);

struct Disk {
    medium: Medium,
    /// What it says of itself when it is at nothing, and what before that, each once.
    rest: Says,
    once: Vec<Says>,
    /// TEST UNIT READY.
    ready: u8,
    /// It says so to TEST UNIT READY, and NO SENSE to REQUEST SENSE.
    aside: bool,
    /// It fails.
    fails: bool,
    /// Looks at the status until it has ended.
    left: u32,
    format: bool,
    asked: u32,
}

fn disk(medium: &Medium, rest: Says) -> Disk {
    let medium = medium.clone();
    Disk { medium, rest, once: Vec::new(), ready: GOOD, aside: false, fails: false, left: 0, format: false, asked: 0 }
}

impl Disk {
    fn says(&mut self) -> Says {
        self.asked += 1;
        if self.left == 0 {
            return if self.once.is_empty() { self.rest } else { self.once.remove(0) };
        }
        self.left -= 1;
        if self.left == 0 {
            if self.fails {
                self.rest = (3, 0x31, 3);
            } else {
                Truth::Erases.carry_out(&self.medium);
            }
        }
        (2, 4, if self.format { 0x04 } else { 0x1B })
    }
}

impl Transport for Disk {
    fn offers(&self) -> Vec<CommandSet> {
        vec![CommandSet::Scsi]
    }

    fn scsi(&mut self, command: &Command, data: Data<'_>, _: Duration) -> Result<Outcome, TransportError> {
        let cdb = &command.cdb;
        let answer = match (cdb[0], cdb[2]) {
            (0x00, _) if self.aside => match self.says() {
                NOTHING => return Ok(Outcome::default()),
                (key, asc, ascq) => {
                    let sense = vec![0x72, key, asc, ascq, 0, 0, 0, 0];
                    return Ok(Outcome { status: CHECK_CONDITION, sense, ..Outcome::default() });
                }
            },
            (0x03, _) if self.aside => vec![0x72, 0, 0, 0, 0, 0, 0, 0],
            (0x03, _) => {
                let (key, asc, ascq) = self.says();
                vec![0x72, key, asc, ascq, 0, 0, 0, 0]
            }
            (0x00, _) => return Ok(Outcome { status: self.ready, ..Outcome::default() }),
            (0x12, 0x80) => [&[0, 0x80, 0, SERIAL.len() as u8][..], SERIAL.as_bytes()].concat(),
            // A hundred blocks of 512 bytes, without protection information.
            (0x9E, _) => [&[0, 0, 0, 0, 0, 0, 0, 99, 0, 0, 2, 0][..], &[0; 20]].concat(),
            (0xA3, _) => vec![0, 3, 0, 10],
            (0x48 | 0x04, _) => {
                (self.left, self.format) = (3, cdb[0] == 0x04);
                Vec::new()
            }
            _ => return Ok(Outcome { status: CHECK_CONDITION, ..Outcome::default() }),
        };
        if let Data::In(buffer) = data {
            buffer[..answer.len()].copy_from_slice(&answer);
        }
        Ok(Outcome { transferred: answer.len(), ..Outcome::default() })
    }
}

fn run(mut change: impl FnMut(&mut Disk)) -> (Result<End, Refusal>, Disk) {
    let medium = Medium::full();
    let mut disk = disk(&medium, NOTHING);
    change(&mut disk);
    let end = Bench::new(&medium).run(&ScsiSanitize::new(Erase::Block), &mut disk);
    (end, disk)
}

/// Idle and standby by their timers, a predicted failure, a warning: whatever the disk is at, none of them says.
const ASIDE: [(u8, u8); 4] = [(0x5E, 0x01), (0x5E, 0x02), (0x5D, 0x10), (0x0B, 0x01)];

#[test]
fn a_disk_that_idles_before_and_after_its_erase_is_taken() {
    for (asc, ascq) in ASIDE {
        let (end, disk) = run(|disk| disk.rest = (0, asc, ascq));
        erased(end);
        assert!(disk.medium.is_blank());
        let medium = Medium::full();
        let mut disk = self::disk(&medium, (0, asc, ascq));
        erased(Bench::new(&medium).run(&ScsiFormat, &mut disk));
        let (failed, _) = run(|disk| (disk.rest, disk.fails) = ((0, asc, ascq), true));
        assert_eq!(code(failed), "drive_failed");
    }
}

#[test]
fn test_unit_ready_stays_the_judge() {
    for (asc, ascq) in ASIDE {
        // Not ready all the same; the same codes with other keys; and another code with NO SENSE.
        let changes: [(Says, u8); 4] = [
            ((0, asc, ascq), CHECK_CONDITION),
            ((2, asc, ascq), GOOD),
            ((6, asc, ascq), GOOD),
            ((0, 0x04, 0x01), GOOD),
        ];
        for (rest, ready) in changes {
            let (end, disk) = run(|disk| (disk.rest, disk.ready) = (rest, ready));
            assert!(matches!(end, Err(Refusal::NoStatus(_))), "{rest:x?}: {end:?}");
            assert!(!disk.medium.is_blank());
        }
    }
}

#[test]
fn what_a_disk_says_once_at_the_start_is_no_refusal() {
    // Power on, and mode parameters changed.
    let (end, _) = run(|disk| disk.once = vec![(6, 0x29, 0), (6, 0x2A, 1)]);
    erased(end);
    // One that goes on and on is; and a path that returns no status is not asked for a minute.
    let (end, disk) = run(|disk| disk.rest = (6, 0x29, 0));
    assert!(matches!(end, Err(Refusal::NoStatus(_))), "{end:?}");
    assert!((2..10).contains(&disk.asked), "{}", disk.asked);
}

/// Some disks and bridges say NO SENSE to REQUEST SENSE whatever they are at.
#[test]
fn what_test_unit_ready_says_is_heard() {
    let (end, disk) = run(|disk| disk.aside = true);
    erased(end);
    assert!(disk.medium.is_blank());
    let medium = Medium::full();
    let mut disk = Disk { aside: true, ..self::disk(&medium, NOTHING) };
    erased(Bench::new(&medium).run(&ScsiFormat, &mut disk));
    let (failed, _) = run(|disk| (disk.aside, disk.fails) = (true, true));
    assert_eq!(code(failed), "drive_failed");
    // Only a success opens what a failure has shut: it has to be seen to be shut.
    let at = |says: Says, procedure: &dyn Procedure| {
        procedure.status(&mut Disk { aside: true, ..self::disk(&medium, says) })
    };
    let sanitize = ScsiSanitize::new(Erase::Block);
    assert!(matches!(at((3, 0x31, 0x03), &sanitize), State::Failed(words) if words.contains("31h/03h")));
    assert!(matches!(at((3, 0x31, 0x00), &ScsiFormat), State::Failed(words) if words.contains("31h/00h")));
    assert!(matches!(at((3, 0x31, 0x01), &ScsiFormat), State::Failed(words) if words.contains("31h/01h")));
    assert_eq!(at((2, 0x04, 0x1B), &sanitize), State::Running(None));
    assert_eq!(at((2, 0x04, 0x04), &ScsiFormat), State::Running(None));
    // What is none of these is still no answer, by its name.
    let unknown = at((2, 0x3A, 0x00), &sanitize);
    assert!(matches!(&unknown, State::Unknown(why) if why.contains("NotReady 3ah/00h")), "{unknown:?}");
    for (ready, name) in [(0x08, "BUSY"), (0x28, "TASK SET FULL"), (0x18, "RESERVATION CONFLICT"), (0x22, "22h")] {
        let state = sanitize.status(&mut Disk { ready, ..self::disk(&medium, NOTHING) });
        assert!(matches!(&state, State::Unknown(why) if why.contains(name)), "{state:?}");
    }
}
