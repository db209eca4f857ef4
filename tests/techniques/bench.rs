//! What every technique works with beside the drive: its blocks, a diary, a clock.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lastwrite::device::command::mmc::Area;
use lastwrite::device::transport::Transport;
use lastwrite::policy::VerificationLevel;
use lastwrite::sanitize::firmware::{
    AreaBlocks, Blocks, Bond, Canaries, Clock, Diary, DiaryError, End, Erasure, Note, Past, Procedure, Refusal, STALL,
    Session, carry_out,
};
use lastwrite::scheme::StreamKey;
use lastwrite::units::{Bytes, SectorSize};

pub const SIZE: usize = 1 << 20;
pub const SERIAL: &str = "SERIAL-1";

/// The medium, shared by the drive that erases it and the kernel that reads it.
#[derive(Clone)]
pub struct Medium(Arc<Mutex<Vec<u8>>>, Arc<AtomicBool>);

impl Medium {
    /// Full of something that is neither blank nor short.
    pub fn full() -> Medium {
        Medium::of(SIZE)
    }
    pub fn of(size: usize) -> Medium {
        let content = (0..size as u32 / 4).flat_map(|n| n.wrapping_mul(0x9E37_79B9).to_le_bytes()).collect();
        Medium(Arc::new(Mutex::new(content)), Arc::default())
    }
    pub fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }
    /// The drive lets nothing of it be read or written.
    pub fn shut(&self, shut: bool) {
        self.1.store(shut, Ordering::Relaxed);
    }
    fn is_shut(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }
    pub fn is_blank(&self) -> bool {
        self.bytes().iter().all(|byte| *byte == 0)
    }
}

/// What a drive does with its medium when it is told to erase it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    Erases,
    ErasesHalf,
    Nothing,
}

impl Truth {
    pub fn carry_out(self, medium: &Medium) {
        match self {
            Truth::Erases => medium.bytes().fill(0),
            Truth::ErasesHalf => medium.bytes()[..SIZE / 2].fill(0),
            Truth::Nothing => {}
        }
    }
}

#[derive(Clone)]
pub struct Bench {
    pub medium: Medium,
    /// Areas of a card beside the main one.
    pub areas: Vec<(Area, Medium)>,
    pub notes: Arc<Mutex<Vec<Note>>>,
    /// So many looks at the status until the run is asked to stop.
    pub polls: u32,
    /// The host's part of a technique may go on.
    pub goes_on: bool,
    pub reads_fail: bool,
    pub drops_writes: bool,
    /// The journal's disk is full when the command is about to be sent.
    pub loses_the_sending_note: bool,
    /// What the command reaches is not what was confirmed any more.
    pub reach_changed: bool,
}

impl Bench {
    pub fn new(medium: &Medium) -> Bench {
        Bench {
            medium: medium.clone(),
            areas: Vec::new(),
            notes: Arc::default(),
            polls: 100_000,
            goes_on: true,
            reads_fail: false,
            drops_writes: false,
            loses_the_sending_note: false,
            reach_changed: false,
        }
    }

    pub fn run(&self, procedure: &dyn Procedure, path: &mut dyn Transport) -> Result<End, Refusal> {
        self.run_as(SERIAL, procedure, path)
    }

    /// The kernel says that the drive has this serial number.
    pub fn run_as(&self, serial: &str, procedure: &dyn Procedure, path: &mut dyn Transport) -> Result<End, Refusal> {
        self.run_bound(&Bond::OneWay(Some(serial.to_owned())), procedure, path, &Past::default())
    }

    /// Takes up what the notes so far say.
    pub fn resume(&self, procedure: &dyn Procedure, path: &mut dyn Transport) -> Result<End, Refusal> {
        let past = Past::fold(&*self.notes.lock().unwrap());
        self.run_after(procedure, path, &past)
    }

    pub fn run_after(&self, procedure: &dyn Procedure, path: &mut dyn Transport, past: &Past) -> Result<End, Refusal> {
        self.run_bound(&Bond::OneWay(Some(SERIAL.to_owned())), procedure, path, past)
    }

    /// The drive's own word on who it is has to agree with this.
    pub fn run_bound(
        &self,
        bond: &Bond,
        procedure: &dyn Procedure,
        path: &mut dyn Transport,
        past: &Past,
    ) -> Result<End, Refusal> {
        let (mut blocks, mut diary, mut clock) = (self.clone(), self.clone(), self.clone());
        let mut areas = self.areas.clone();
        let reach_changed = self.reach_changed;
        let areas = areas.iter_mut().map(|(area, blocks)| AreaBlocks { area: *area, blocks });
        let mut session = Session {
            procedure,
            path,
            blocks: &mut blocks,
            areas: areas.collect(),
            diary: &mut diary,
            clock: &mut clock,
            identity: &mut || Ok(()),
            reached: &mut |_| if reach_changed { Err("nvme0n2 was not".to_owned()) } else { Ok(()) },
            bond,
            verification: VerificationLevel::Full,
            seed: [7; 32],
            stall: STALL,
        };
        let fresh = Canaries::draw(Bytes(SIZE as u64), SectorSize::B512, [7; 32], StreamKey([9; 16]));
        carry_out(&mut session, past, fresh)
    }
}

impl Blocks for Bench {
    fn geometry(&self) -> (Bytes, SectorSize) {
        (Bytes(SIZE as u64), SectorSize::B512)
    }
    fn read(&mut self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        if self.reads_fail || self.medium.is_shut() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        buf.copy_from_slice(&self.medium.bytes()[offset.0 as usize..][..buf.len()]);
        Ok(())
    }
    fn write(&mut self, offset: Bytes, buf: &[u8]) -> io::Result<()> {
        if self.medium.is_shut() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if !self.drops_writes {
            self.medium.bytes()[offset.0 as usize..][..buf.len()].copy_from_slice(buf);
        }
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An area of a card.
impl Blocks for Medium {
    fn geometry(&self) -> (Bytes, SectorSize) {
        (Bytes(self.bytes().len() as u64), SectorSize::B512)
    }
    fn read(&mut self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        buf.copy_from_slice(&self.bytes()[offset.0 as usize..][..buf.len()]);
        Ok(())
    }
    fn write(&mut self, offset: Bytes, buf: &[u8]) -> io::Result<()> {
        self.bytes()[offset.0 as usize..][..buf.len()].copy_from_slice(buf);
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Diary for Bench {
    fn note(&mut self, note: Note) -> Result<(), DiaryError> {
        if self.loses_the_sending_note && matches!(note, Note::Sending { .. }) {
            return Err(DiaryError("no space left on device".to_owned()));
        }
        self.notes.lock().unwrap().push(note);
        Ok(())
    }
}

impl Clock for Bench {
    fn wait(&mut self, _: Duration) -> bool {
        self.polls = self.polls.saturating_sub(1);
        self.polls > 0
    }
    fn go_on(&mut self, _: u64, _: u64) -> bool {
        self.goes_on
    }
}

/// The evidence of a success; anything else fails the test.
pub fn erased(end: Result<End, Refusal>) -> Erasure {
    match end {
        Ok(End::Erased(erasure)) => *erasure,
        other => panic!("no success: {other:?}"),
    }
}

/// Code and message of a failure.
pub fn failed(end: Result<End, Refusal>) -> (&'static str, String) {
    match end {
        Ok(End::Failed(failure)) => (failure.code, failure.message),
        other => panic!("no failure: {other:?}"),
    }
}

pub fn code(end: Result<End, Refusal>) -> &'static str {
    failed(end).0
}

/// Why nothing was sent.
pub fn obstacle(end: Result<End, Refusal>) -> String {
    match end {
        Err(Refusal::Obstacle(why)) => why,
        other => panic!("no obstacle: {other:?}"),
    }
}
