//! A drive with zones: two conventional ones, the others written in order.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lastwrite::device::command::block::{Outcome, Request, Zone, ZoneCondition, ZoneKind};
use lastwrite::device::transport::{Transport, TransportError};
use lastwrite::media::CommandSet;
use lastwrite::sanitize::firmware::{Blocks, Bond, Canaries, Clock, Diary, DiaryError, End, Note, Past};
use lastwrite::sanitize::firmware::{Refusal, STALL, Session, ZoneResetOverwrite, carry_out};
use lastwrite::scheme::StreamKey;
use lastwrite::units::{Bytes, SectorSize};

use super::bench::{Medium, SERIAL, SIZE, erased, failed, obstacle};

const ZONE: u64 = 128 * 1024;
const ZONES: usize = SIZE / ZONE as usize;
/// The kernel answers with fewer zones than it is asked for.
const AT_ONCE: usize = 5;

#[derive(Clone)]
struct Drive(Arc<Mutex<State>>);

struct State {
    medium: Medium,
    pointers: Vec<u64>,
    conditions: Vec<ZoneCondition>,
    ignores_resets: bool,
    drops_writes: bool,
    gap: bool,
    /// Bytes of a zone that can be written.
    capacity: u64,
    /// What it stores instead of what it is sent.
    spoils: Option<u8>,
    /// Zones that it tells of.
    ends: usize,
    goes_on: u32,
    resets: u32,
}

fn drive(change: impl FnOnce(&mut State)) -> Drive {
    let mut state = State {
        medium: Medium::full(),
        pointers: vec![ZONE; ZONES],
        conditions: vec![ZoneCondition::Full; ZONES],
        ignores_resets: false,
        drops_writes: false,
        gap: false,
        capacity: ZONE,
        spoils: None,
        ends: usize::MAX,
        goes_on: u32::MAX,
        resets: 0,
    };
    change(&mut state);
    Drive(Arc::new(Mutex::new(state)))
}

impl Drive {
    fn run(&self, past: &Past) -> (Result<End, Refusal>, Vec<Note>) {
        let notes = Notes::default();
        let mut session = Session {
            procedure: &ZoneResetOverwrite::new(),
            path: &mut self.clone(),
            blocks: &mut self.clone(),
            areas: Vec::new(),
            diary: &mut notes.clone(),
            clock: &mut self.clone(),
            identity: &mut || Ok(()),
            reached: &mut |_| Ok(()),
            bond: &Bond::OneWay(Some(SERIAL.to_owned())),
            verification: lastwrite::policy::VerificationLevel::Full,
            seed: [7; 32],
            stall: STALL,
        };
        let fresh = Canaries::draw(Bytes(SIZE as u64), SectorSize::B512, [7; 32], StreamKey([9; 16]));
        let end = carry_out(&mut session, past, fresh);
        let notes = notes.0.lock().unwrap().clone();
        (end, notes)
    }
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

impl Diary for Notes {
    fn note(&mut self, note: Note) -> Result<(), DiaryError> {
        self.0.lock().unwrap().push(note);
        Ok(())
    }
}

impl State {
    fn zone(&self, number: usize) -> Zone {
        let start = number as u64 * ZONE + u64::from(self.gap && number > 4) * 512;
        let conventional = number < 2;
        Zone {
            start: Bytes(start),
            length: Bytes(ZONE),
            capacity: Bytes(if conventional { ZONE } else { self.capacity }),
            write_pointer: Bytes(start + self.pointers[number]),
            kind: if conventional { ZoneKind::Conventional } else { ZoneKind::SequentialRequired },
            condition: if conventional { ZoneCondition::NotWritePointer } else { self.conditions[number] },
        }
    }
}

impl Transport for Drive {
    fn offers(&self) -> Vec<CommandSet> {
        vec![CommandSet::Block]
    }

    fn block(&mut self, request: &Request, _: Duration) -> Result<Outcome, TransportError> {
        let mut state = self.0.lock().unwrap();
        match *request {
            Request::ReportZones { from, limit } => {
                let first = (from.0 / ZONE) as usize;
                let many = AT_ONCE.min(limit as usize);
                let end = state.ends.min(ZONES);
                Ok(Outcome::Zones((first..end).take(many).map(|number| state.zone(number)).collect()))
            }
            Request::Size => Ok(Outcome::Size(Bytes(SIZE as u64))),
            Request::ResetZones { from, length } => {
                assert_eq!((from.0 % ZONE, length.0), (0, ZONE));
                state.resets += 1;
                if !state.ignores_resets {
                    let number = (from.0 / ZONE) as usize;
                    (state.pointers[number], state.conditions[number]) = (0, ZoneCondition::Empty);
                }
                Ok(Outcome::Done)
            }
            ref other => panic!("{}", other.name()),
        }
    }
}

impl Blocks for Drive {
    fn geometry(&self) -> (Bytes, SectorSize) {
        (Bytes(SIZE as u64), SectorSize::B512)
    }
    fn read(&mut self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        buf.copy_from_slice(&self.0.lock().unwrap().medium.bytes()[offset.0 as usize..][..buf.len()]);
        Ok(())
    }
    fn write(&mut self, offset: Bytes, buf: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let number = (offset.0 / ZONE) as usize;
        if number >= 2 {
            if offset.0 % ZONE != state.pointers[number] {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            if state.drops_writes {
                return Ok(());
            }
            state.pointers[number] += buf.len() as u64;
            assert!(state.pointers[number] <= state.capacity);
            if state.pointers[number] == state.capacity {
                state.conditions[number] = ZoneCondition::Full;
            }
        }
        let mut bytes = state.medium.bytes();
        let stored = &mut bytes[offset.0 as usize..][..buf.len()];
        stored.copy_from_slice(buf);
        if let Some(byte) = state.spoils {
            stored.fill(byte);
        }
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Clock for Drive {
    fn wait(&mut self, _: Duration) -> bool {
        true
    }
    fn go_on(&mut self, _: u64, _: u64) -> bool {
        let mut state = self.0.lock().unwrap();
        state.goes_on = state.goes_on.saturating_sub(1);
        state.goes_on > 0
    }
}

#[test]
fn every_zone_is_reset_written_in_order_and_read_back() {
    let drive = drive(|_| ());
    let (end, _) = drive.run(&Past::default());
    let erasure = erased(end);
    let state = drive.0.lock().unwrap();
    assert!(state.medium.is_blank() && erasure.survey.is_clean());
    assert_eq!(erasure.survey.zeros.0, SIZE as u64 / 512);
    assert_eq!(state.resets as usize, ZONES - 2);
    // No canaries: zones can only be written from their start.
    assert_eq!(erasure.canaries, 0);
}

#[test]
fn resets_that_do_nothing_and_writes_that_are_dropped_are_found() {
    let deaf = drive(|drive| drive.ignores_resets = true);
    let (code, message) = failed(deaf.run(&Past::default()).0);
    assert_eq!((code, message.contains("not at its start")), ("drive_failed", true), "{message}");
    let drops = drive(|drive| drive.drops_writes = true);
    let (code, message) = failed(drops.run(&Past::default()).0);
    assert_eq!((code, message.contains("writes were dropped")), ("drive_failed", true), "{message}");
}

#[test]
fn what_lies_behind_the_capacity_of_a_zone_is_not_held_to_zeros() {
    const GAP: u64 = 8192;
    let holey = |spoils| {
        drive(|drive| {
            (drive.capacity, drive.spoils) = (ZONE - GAP, spoils);
            for end in (3..=ZONES).map(|number| number * ZONE as usize) {
                drive.medium.bytes()[end - GAP as usize..end].fill(0xFF);
            }
        })
    };
    let survey = erased(holey(None).run(&Past::default()).0).survey;
    let gaps = (ZONES as u64 - 2) * GAP / 512;
    assert_eq!((survey.ones.0, survey.zeros.0), (gaps, SIZE as u64 / 512 - gaps));
    // What can be written has to hold what was written, also beside a gap.
    let (code, message) = failed(holey(Some(0xFF)).run(&Past::default()).0);
    let written = SIZE as u64 / 512 - gaps;
    assert_eq!((code, message.contains(&format!("{written} blocks"))), ("mismatch", true), "{message}");
}

#[test]
fn dead_zones_gaps_and_drives_without_zones_are_refused() {
    for condition in [ZoneCondition::ReadOnly, ZoneCondition::Offline] {
        let drive = drive(|drive| drive.conditions[5] = condition);
        assert!(obstacle(drive.run(&Past::default()).0).contains("1 of its zones"));
        assert_eq!(drive.0.lock().unwrap().resets, 0);
    }
    let gap = drive(|drive| drive.gap = true);
    assert!(matches!(gap.run(&Past::default()).0, Err(Refusal::NoStatus(why)) if why.contains("gap")));
    let short = drive(|drive| drive.ends = ZONES - 1);
    let (end, resets) = (short.run(&Past::default()).0, short.0.lock().unwrap().resets);
    assert!(matches!(end, Err(Refusal::NoStatus(why)) if why.contains("the zone report ends at byte")));
    assert_eq!(resets, 0);
}

#[test]
fn stopped_it_is_taken_up_and_begins_again() {
    let drive = drive(|drive| drive.goes_on = 4);
    let (end, notes) = drive.run(&Past::default());
    assert_eq!(end, Ok(End::Interrupted));
    drive.0.lock().unwrap().goes_on = u32::MAX;
    erased(drive.run(&Past::fold(&notes)).0);
    assert!(drive.0.lock().unwrap().medium.is_blank());
}
