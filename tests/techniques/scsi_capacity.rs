//! SCSI disks whose block descriptor made them smaller: found, given back over as many starts of a run as it
//! takes, and never taken for whole by their word alone.

use std::time::Duration;

use lastwrite::device::command::Data;
use lastwrite::device::command::scsi::{CHECK_CONDITION, Command, GOOD, Outcome};
use lastwrite::device::transport::{Transport, TransportError};
use lastwrite::media::{AreaOutcome, CommandSet, Transport as Bus};
use lastwrite::sanitize::firmware::{
    DiaryError, HiddenError, Hides, Maximum, Power, RestoreEnd, RestoreNote, RestorePlan, Restoring, ScsiCapacity,
    Step, restore,
};
use lastwrite::sanitize::record::Otherwise;
use lastwrite::units::{Bytes, Lba};

use super::bench::SERIAL;

/// What it does when it is told to take its whole capacity.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    Honest,
    /// Says so, and does nothing.
    ByItsWord,
    /// ILLEGAL REQUEST, Invalid Field in Parameter List.
    Refuses,
    /// Takes a part of it.
    Half,
    /// Its answer is lost; what it did it did.
    Silent,
    /// Its answer is lost, and so was the command.
    Deaf,
}

/// What MODE SENSE says for default values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tells {
    All,
    /// What the current values are.
    Repeats,
    /// A number of blocks of 0.
    Zero,
    /// No block descriptor at all.
    Nothing,
    /// Blocks of another length.
    OtherBlocks,
}

struct Disk {
    serial: &'static str,
    blocks: u64,
    whole: u64,
    long: bool,
    tells: Tells,
    habit: Habit,
    vendor: &'static [u8; 8],
    has_ata_page: bool,
    version: u8,
    selects: Vec<Vec<u8>>,
}

fn disk(blocks: u64, whole: u64) -> Disk {
    Disk {
        serial: SERIAL,
        blocks,
        whole,
        long: true,
        tells: Tells::All,
        habit: Habit::Honest,
        vendor: b"RIGSAS  ",
        has_ata_page: false,
        version: 5,
        selects: Vec::new(),
    }
}

impl Disk {
    fn mode_data(&self) -> Vec<u8> {
        let told = match self.tells {
            Tells::All | Tells::OtherBlocks => self.whole,
            Tells::Repeats => self.blocks,
            Tells::Zero => 0,
            Tells::Nothing => return vec![0, 6, 0, 0x10, 0, 0, 0, 0],
        };
        let block: u32 = if self.tells == Tells::OtherBlocks { 520 } else { 512 };
        let mut data = vec![0, 0, 0, 0x10, u8::from(self.long), 0, 0, if self.long { 16 } else { 8 }];
        if self.long {
            data.extend(told.to_be_bytes());
            data.extend([0; 4]);
            data.extend(block.to_be_bytes());
        } else {
            data.extend(u32::try_from(told).unwrap().to_be_bytes());
            data.extend(block.to_be_bytes());
        }
        data
    }

    fn select(&mut self, cdb: &[u8], list: &[u8]) -> Result<u8, TransportError> {
        self.selects.push([cdb, list].concat());
        let expected: &[u8] = match self.long {
            true => &[0, 0, 0, 0, 1, 0, 0, 16, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 2, 0],
            false => &[0, 0, 0, 0, 0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 2, 0],
        };
        assert_eq!((list, usize::from(cdb[8])), (expected, expected.len()));
        let lost = TransportError::TimedOut { what: "MODE SELECT (10)".into(), after: Duration::from_secs(60) };
        match self.habit {
            Habit::Refuses => return Ok(CHECK_CONDITION),
            Habit::Deaf => return Err(lost),
            Habit::ByItsWord => {}
            Habit::Half => self.blocks += (self.whole - self.blocks) / 2,
            Habit::Honest | Habit::Silent => self.blocks = self.whole,
        }
        if self.habit == Habit::Silent { Err(lost) } else { Ok(GOOD) }
    }
}

impl Transport for Disk {
    fn offers(&self) -> Vec<CommandSet> {
        vec![CommandSet::Scsi]
    }

    fn scsi(&mut self, command: &Command, data: Data<'_>, _: Duration) -> Result<Outcome, TransportError> {
        let cdb = &command.cdb;
        let answer = match (cdb[0], cdb[1], cdb[2]) {
            (0x12, 0, _) => [&[0, 0, self.version, 2, 91, 0, 0, 0][..], self.vendor, &[b' '; 20]].concat(),
            _ if self.version < 5 => panic!("{} to a stick that may hang on it", command.name),
            (0x12, 1, 0x00) if self.has_ata_page => vec![0, 0, 0, 3, 0, 0x80, 0x89],
            (0x12, 1, 0x00) => vec![0, 0, 0, 2, 0, 0x80],
            (0x12, 1, 0x80) => [&[0, 0x80, 0, self.serial.len() as u8][..], self.serial.as_bytes()].concat(),
            (0x9E, 0x10, _) => {
                let mut data = (self.blocks - 1).to_be_bytes().to_vec();
                data.extend(512u32.to_be_bytes());
                data.resize(32, 0);
                data
            }
            (0x5A, 0x10, 0xBF) => self.mode_data(),
            (0x55, 0x11, _) => {
                let Data::Out(list) = data else { panic!("MODE SELECT without its list") };
                let status = self.select(cdb, list)?;
                let mut sense = vec![];
                if status != GOOD {
                    sense.resize(18, 0);
                    (sense[0], sense[2], sense[7], sense[12]) = (0x70, 5, 10, 0x26);
                }
                return Ok(Outcome { status, sense, transferred: list.len() });
            }
            _ => panic!("{}: {cdb:x?}", command.name),
        };
        let Data::In(buffer) = data else { panic!("{} without room", command.name) };
        let transferred = answer.len().min(buffer.len());
        buffer[..transferred].copy_from_slice(&answer[..transferred]);
        Ok(Outcome { status: GOOD, sense: Vec::new(), transferred })
    }
}

/// A disk, what a person agreed to, and a journal.
struct Station {
    disk: Disk,
    plan: RestorePlan,
    past: Restoring,
    power: Power,
    /// Notes that can still be written.
    room: u32,
}

impl Station {
    fn new(mut disk: Disk) -> Station {
        let hides = Hides::examine(&mut disk, Bus::Sas).unwrap();
        let plan = RestorePlan::of(&hides, Otherwise::Refuse).unwrap();
        let power = Power { boot: Some("boot".to_owned()), diskseq: Some(Bytes(1)) };
        Station { disk, plan, past: Restoring::default(), power, room: u32::MAX }
    }

    fn start(&mut self) -> Result<RestoreEnd, HiddenError> {
        let Station { disk, plan, past, power, room } = self;
        let mut notes = Vec::new();
        let mut note = |note: RestoreNote| {
            *room = room.checked_sub(1).ok_or_else(|| DiaryError("no space left on device".to_owned()))?;
            notes.push(note);
            Ok(())
        };
        let end = restore(disk, Bus::Sas, Some(SERIAL), plan, past, power, &mut note);
        // As it would be read back.
        let text = serde_json::to_string(&notes).unwrap();
        let notes: Vec<RestoreNote> = serde_json::from_str(&text).unwrap();
        notes.iter().for_each(|note| past.apply(note));
        end
    }

    fn cut_power(&mut self) {
        self.power.diskseq = self.power.diskseq.map(|seq| Bytes(seq.0 + 1));
    }

    #[track_caller]
    fn ends_whole(&mut self, blocks: u64) {
        match self.start() {
            Ok(RestoreEnd::Whole(disk)) => {
                assert_eq!(disk.size(), Some(Bytes(blocks * 512)));
                assert!(disk.report("x").is_empty());
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn keeps(&mut self) -> String {
        match self.start() {
            Ok(RestoreEnd::Keeps { drive, why }) => {
                assert!(!drive.report("x").is_empty(), "it is whole");
                why
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_disk_that_tells_is_found_and_given_back_in_both_forms() {
    for long in [true, false] {
        let mut small = Disk { long, ..disk(800, 1000) };
        let found = ScsiCapacity::examine(&mut small).unwrap();
        assert_eq!(found.maximum, Maximum::Shown(Lba(999)));
        let area = &found.report("x")[0];
        assert_eq!((area.kind.as_str(), area.size, area.outcome), ("short_capacity", Some(Bytes(200 * 512)), None));
        let mut station = Station::new(small);
        assert_eq!((station.plan.steps.len(), station.plan.steps[0].size), (1, Bytes(1000 * 512)));
        let planned = &station.plan.steps[0].commands[0];
        let bytes = format!("{}{}", planned.command, planned.data_out.as_deref().unwrap());
        station.ends_whole(1000);
        // What was sent is what was planned.
        let sent: String = station.disk.selects[0].iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!((sent, station.disk.selects.len()), (bytes, 1));
        assert_eq!(station.past.done, [Step::RestoreCapacity(Lba(999))]);
        // A later start finds nothing to do.
        station.ends_whole(1000);
        assert_eq!(station.disk.selects.len(), 1);
    }
}

#[test]
fn a_disk_that_does_not_tell_is_not_known_to_be_whole_before_it_was_told_to_be() {
    for tells in [Tells::Repeats, Tells::Zero] {
        for whole in [800, 1000] {
            let mut shy = Disk { tells, ..disk(800, whole) };
            let found = ScsiCapacity::examine(&mut shy).unwrap();
            assert_eq!(found.maximum, Maximum::Repeated);
            assert_eq!(found.report("x")[0].outcome, Some(AreaOutcome::Unknown));
            let mut station = Station::new(shy);
            assert_eq!(station.plan.steps[0].size, Bytes(800 * 512), "no more is known before");
            station.ends_whole(whole);
            assert_eq!(
                station.past.done,
                [Step::RestoreCapacity(Lba(whole - 1))],
                "how large it is stands in the journal"
            );
            assert!(station.past.words()[0].contains("the drive did it"), "{:?}", station.past.words());
            station.ends_whole(whole);
            assert_eq!(station.disk.selects.len(), 1);
        }
    }
}

#[test]
fn what_cannot_be_told_to_grow_stays_unknown() {
    for tells in [Tells::Nothing, Tells::OtherBlocks] {
        let mut mute = Disk { tells, ..disk(800, 1000) };
        let found = ScsiCapacity::examine(&mut mute).unwrap();
        assert!(matches!(found.maximum, Maximum::NotSaid(_)));
        assert_eq!((found.next(), found.report("x")[0].outcome), (Step::Nothing, Some(AreaOutcome::Unknown)));
        assert_eq!(RestorePlan::of(&Hides::Scsi(found), Otherwise::Refuse), None);
    }
    let mut stick = Disk { version: 4, ..disk(8, 8) };
    assert!(ScsiCapacity::examine(&mut stick).unwrap_err().to_string().contains("older than SPC-3"));
    // A translation answers for itself, and not for the ATA disk behind it.
    for translated in [Disk { vendor: b"ATA     ", ..disk(8, 8) }, Disk { has_ata_page: true, ..disk(8, 8) }] {
        let mut translated = translated;
        let refused = ScsiCapacity::examine(&mut translated).unwrap_err();
        assert!(refused.to_string().contains("ATA disk"), "{refused}");
    }
}

#[test]
fn a_disk_that_says_it_grew_and_did_not_keeps_it() {
    for habit in [Habit::ByItsWord, Habit::Half] {
        let mut station = Station::new(Disk { habit, ..disk(800, 1000) });
        let waits = station.start().unwrap();
        assert!(matches!(&waits, RestoreEnd::PowerNeeded { why } if why.contains("instead of 999")), "{waits:?}");
        let sent = station.disk.selects.len();
        assert!(matches!(station.start().unwrap(), RestoreEnd::PowerNeeded { .. }));
        assert_eq!(station.disk.selects.len(), sent, "nothing is tried again without fresh power");
        station.cut_power();
        assert!(station.keeps().contains("without growing"));
        assert!(station.past.done.is_empty());
    }
}

#[test]
fn a_disk_that_refuses_keeps_it() {
    for tells in [Tells::All, Tells::Repeats] {
        let mut station = Station::new(Disk { tells, habit: Habit::Refuses, ..disk(800, 1000) });
        assert!(station.keeps().contains("26h/00h"));
        assert!(station.past.done.is_empty());
    }
}

#[test]
fn without_an_answer_only_growth_counts() {
    for tells in [Tells::All, Tells::Repeats] {
        let mut station = Station::new(Disk { tells, habit: Habit::Silent, ..disk(800, 1000) });
        station.ends_whole(1000);
    }
    let mut deaf = Station::new(Disk { tells: Tells::Repeats, habit: Habit::Deaf, ..disk(800, 1000) });
    deaf.keeps();
    // A disk that was whole before shows nothing by not growing.
    let mut whole = Station::new(Disk { tells: Tells::Repeats, habit: Habit::Silent, ..disk(1000, 1000) });
    whole.keeps();
}

#[test]
fn a_start_that_was_cut_right_after_the_command_is_taken_up() {
    for tells in [Tells::All, Tells::Repeats] {
        let mut station = Station::new(Disk { tells, ..disk(800, 1000) });
        station.room = 1;
        assert!(matches!(station.start(), Err(HiddenError::Diary(_))), "what it did cannot be noted");
        assert_eq!((station.past.sent.len(), station.past.done.len()), (1, 0));
        assert!(station.past.words()[0].contains("not known"));
        station.room = u32::MAX;
        // The command leaves a whole disk as it is, and so is sent again.
        station.ends_whole(1000);
        assert_eq!(station.past.done, [Step::RestoreCapacity(Lba(999))]);
    }
}

#[test]
fn nothing_changes_a_disk_that_was_not_agreed_on_or_noted() {
    let mut station = Station::new(disk(800, 1000));
    station.room = 0;
    assert!(matches!(station.start(), Err(HiddenError::Diary(_))));
    station.room = u32::MAX;
    station.disk.serial = "ANOTHER";
    assert!(matches!(station.start(), Err(HiddenError::NotSaid(why)) if why.contains("another serial number")));
    station.disk.serial = SERIAL;
    station.plan.steps.clear();
    assert!(station.keeps().contains("the plan does not know"));
    assert!(station.disk.selects.is_empty());
}
