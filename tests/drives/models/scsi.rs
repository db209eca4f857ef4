//! A SCSI disk (SPC-6, SBC-5): what it answers to CDBs. What it says of itself is in `scsi_pages`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::ata::progress;
use crate::rig::medium::SECTOR;
use crate::rig::{Erase, Medium};

/// Status, data for the host, sense data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u8,
    pub data: Vec<u8>,
    pub sense: Vec<u8>,
}

/// No status of the standard: the answer comes when the work has ended.
pub const LATER: u8 = 0xff;

impl Answer {
    pub fn good() -> Answer {
        Answer::default()
    }

    pub fn data(data: Vec<u8>) -> Answer {
        Answer { data, ..Answer::default() }
    }

    /// CHECK CONDITION with fixed-format sense data.
    pub fn check(key: u8, asc: u8, ascq: u8) -> Answer {
        Answer { status: 2, data: Vec::new(), sense: sense(key, asc, ascq) }
    }
}

/// What it does, or did last, that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    None,
    Sanitize(Instant),
    Format(Instant),
    SanitizeFailed,
    FormatFailed,
}

/// What it does with a block descriptor of all ones, which has it take its whole capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivesBack {
    Honestly,
    /// Says so, and stays as it is.
    ByItsWord,
    /// Refuses.
    Never,
}

pub struct Scsi {
    pub medium: Medium,
    pub serial: String,
    pub product: String,
    pub naa: u64,
    /// 1: flash; otherwise turns a minute.
    pub rotation: u16,
    pub erase: Erase,
    pub erase_time: Duration,
    /// The first sanitize fails, whatever `erase` says.
    pub fails_first: bool,
    /// SANITIZE service actions that there are: bits 1 overwrite, 2 block erase, 3 cryptographic.
    pub sanitizes: u8,
    pub formats: bool,
    /// REPORT SUPPORTED OPERATION CODES is answered.
    pub reports_opcodes: bool,
    /// REQUEST SENSE says NO SENSE whatever goes on, and commands are taken.
    pub hides_work: bool,
    /// Its idle timer runs out at once: REQUEST SENSE tells of a low power condition where it is at nothing.
    pub idles: bool,
    pub write_protected: bool,
    /// After a sanitize no sector can be read until it is written (11h/15h).
    pub forbids_reads: bool,
    /// WABEREQ says so.
    pub announces_it: bool,
    unwritten: BTreeSet<u64>,
    /// Log pages by code: their parameters.
    pub logs: Vec<(u8, Vec<u8>)>,
    /// Sectors that the block descriptor took away from the host.
    pub reduced: u64,
    /// Default values show what the block descriptor took away; SPC-6 lets them repeat the current ones.
    pub tells_reduced: bool,
    pub gives_back: GivesBack,
    /// How long the answer to MODE SELECT takes after the capacity has changed.
    pub gives_back_time: Duration,
    /// How long 64 KiB take to be written.
    pub write_time: Duration,
    pub gone: bool,
    pub gone_after: Option<u64>,
    pub seen: Vec<Vec<u8>>,
    work: Work,
}

impl Scsi {
    pub fn new(serial: &str, mebibytes: u64) -> Scsi {
        let tail = serial.bytes().fold(0u64, |sum, b| (sum << 5 ^ u64::from(b)) & 0xff_ffff_ffff);
        Scsi {
            medium: Medium::new(mebibytes),
            serial: serial.into(),
            product: "RIG SAS DISK".into(),
            naa: 0x5000_c50a_0000_0000 ^ tail & 0xffff_ffff,
            rotation: 1,
            erase: Erase::Whole,
            erase_time: Duration::from_millis(1200),
            fails_first: false,
            sanitizes: 0b1110,
            formats: true,
            reports_opcodes: true,
            hides_work: false,
            idles: false,
            write_protected: false,
            forbids_reads: false,
            announces_it: false,
            unwritten: BTreeSet::new(),
            logs: vec![
                (0x02, vec![0, 6, 2, 4, 0, 0, 0, 1]),
                (0x03, vec![0, 6, 2, 4, 0, 0, 0, 2]),
                (0x0d, vec![0, 0, 1, 2, 0, 34, 0, 1, 1, 2, 0, 70]),
                (0x11, vec![0, 1, 3, 4, 0, 0, 0, 7]),
                // 60,000 minutes.
                (0x15, vec![0, 0, 3, 12, 0, 0, 0xea, 0x60, 0, 0, 0, 0, 0, 0, 0, 0]),
                (0x2f, vec![0, 0, 3, 4, 0, 0, 34, 0]),
            ],
            reduced: 0,
            tells_reduced: true,
            gives_back: GivesBack::Honestly,
            gives_back_time: Duration::ZERO,
            write_time: Duration::ZERO,
            gone: false,
            gone_after: None,
            seen: Vec::new(),
            work: Work::None,
        }
    }

    pub fn accessible(&self) -> u64 {
        self.medium.sectors - self.reduced
    }

    /// Power goes in the middle of what goes on: a format is broken, a sanitize goes on by itself.
    pub fn power_off(&mut self) {
        self.tick();
        if matches!(self.work, Work::Format(_)) {
            self.medium.fill(0, self.medium.sectors / 3, 0);
            self.work = Work::FormatFailed;
        }
    }

    pub fn tick(&mut self) {
        let (since, failed) = match self.work {
            Work::Sanitize(since) => (since, Work::SanitizeFailed),
            Work::Format(since) => (since, Work::FormatFailed),
            _ => return,
        };
        if since.elapsed() >= self.erase_time && self.erase != Erase::Stalls {
            let erase = if std::mem::take(&mut self.fails_first) { Erase::Fails } else { self.erase };
            self.work = if self.medium.erase(erase) { Work::None } else { failed };
            if self.forbids_reads {
                self.unwritten = (0..self.medium.sectors).collect();
            }
        }
    }

    pub fn busy(&self) -> bool {
        matches!(self.work, Work::Sanitize(_) | Work::Format(_))
    }

    /// Carries out one command; `sent` is what the host sent.
    pub fn command(&mut self, cdb: &[u8], sent: &[u8]) -> Answer {
        self.tick();
        let opcode = cdb[0];
        if !matches!(opcode, 0x08 | 0x0a | 0x28 | 0x2a | 0x88 | 0x8a | 0x00 | 0x35 | 0x91) {
            self.seen.push(cdb[..16].to_vec());
        }
        match opcode {
            0x12 => return self.inquiry(cdb),
            0x03 => return Answer::data(cut(self.sense_of_work(), cdb[4].into())),
            0xa0 => {
                let mut list = vec![0; 16];
                list[3] = 8;
                return Answer::data(list);
            }
            0xa3 if cdb[1] & 31 == 0x0c => return self.supported_opcodes(cdb),
            0x48 => return self.sanitize(cdb, sent),
            _ => {}
        }
        if self.work != Work::None && !self.hides_work {
            // After a broken format: a new one, and what says how large the disk is.
            let still_answered = matches!(opcode, 0x04 | 0x1a | 0x25 | 0x5a | 0x9e);
            if !(self.work == Work::FormatFailed && still_answered) {
                return Answer { status: 2, data: Vec::new(), sense: self.sense_of_work() };
            }
        }
        match opcode {
            0x00 | 0x1b | 0x1e | 0x35 | 0x91 | 0x2f | 0x8f => Answer::good(),
            0x25 => self.capacity10(),
            0x9e if cdb[1] & 31 == 0x10 => self.capacity16(),
            0x1a | 0x5a => self.mode_sense(cdb),
            0x15 | 0x55 => self.mode_select(cdb, sent),
            0x4d => self.log_sense(cdb),
            0x04 => self.format(cdb, sent),
            0x28 | 0x88 => self.read(cdb),
            0x2a | 0x8a => self.write(cdb, sent),
            _ => Answer::check(5, 0x20, 0),
        }
    }

    fn extent(&self, cdb: &[u8]) -> Result<(u64, u64), Answer> {
        let (first, count) =
            if cdb[0] < 0x80 { (be(&cdb[2..6]), be(&cdb[7..9])) } else { (be(&cdb[2..10]), be(&cdb[10..14])) };
        if first + count > self.accessible() { Err(Answer::check(5, 0x21, 0)) } else { Ok((first, count)) }
    }

    fn read(&self, cdb: &[u8]) -> Answer {
        match self.extent(cdb) {
            Err(refused) => refused,
            Ok((first, count)) if self.unwritten.range(first..first + count).next().is_some() => {
                with_information(Answer::check(3, 0x11, 0x15), first)
            }
            Ok((first, count)) => match self.medium.read(first, count) {
                Ok(bytes) => Answer::data(bytes),
                Err((before, bad)) => with_information(Answer { data: before, ..Answer::check(3, 0x11, 0) }, bad),
            },
        }
    }

    fn write(&mut self, cdb: &[u8], sent: &[u8]) -> Answer {
        let (first, count) = match self.extent(cdb) {
            Err(refused) => return refused,
            Ok(extent) => extent,
        };
        if self.write_protected {
            return Answer::check(7, 0x27, 0);
        }
        std::thread::sleep(self.write_time * count.div_ceil(128) as u32);
        let mut sent = &sent[..(count * SECTOR) as usize];
        if let Some(n) = self.gone_after.filter(|n| self.medium.writes + count >= *n) {
            self.gone = true;
            sent = &sent[..((n - self.medium.writes) * SECTOR) as usize];
        }
        (first..first + count).for_each(|sector| {
            self.unwritten.remove(&sector);
        });
        let done = self.medium.write(first, sent);
        match done {
            Ok(()) => Answer::good(),
            Err(bad) => with_information(Answer::check(3, 0x0c, 0), bad),
        }
    }

    fn sanitize(&mut self, cdb: &[u8], sent: &[u8]) -> Answer {
        let action = cdb[1] & 31;
        if self.busy() {
            return Answer { status: 2, data: Vec::new(), sense: self.sense_of_work() };
        }
        match action {
            0x1f => {
                if self.work == Work::SanitizeFailed {
                    self.work = Work::None;
                }
                return Answer::good();
            }
            1..=3 if self.sanitizes >> action & 1 == 1 => {}
            1..=3 if self.sanitizes == 0 => return Answer::check(5, 0x20, 0),
            _ => return Answer::check(5, 0x24, 0),
        }
        // An overwrite needs its pattern: 1 to 31 passes, at least one byte.
        let list = &sent[..sent.len().min(be(&cdb[7..9]) as usize)];
        if action == 1 && (list.len() < 5 || list[0] & 31 == 0) {
            return Answer::check(5, 0x26, 0);
        }
        if self.write_protected {
            return Answer::check(7, 0x27, 0);
        }
        self.begin(Work::Sanitize(Instant::now()), cdb[1] & 0x80 != 0)
    }

    fn format(&mut self, cdb: &[u8], sent: &[u8]) -> Answer {
        if !self.formats {
            return Answer::check(5, 0x20, 0);
        }
        let at_once = cdb[1] & 0x10 != 0 && sent.len() >= 4 && sent[1] & 2 != 0;
        self.begin(Work::Format(Instant::now()), at_once)
    }

    fn begin(&mut self, work: Work, at_once: bool) -> Answer {
        self.work = work;
        if at_once {
            return Answer::good();
        }
        Answer { status: LATER, ..Answer::default() }
    }

    /// The answer to a command that was sent without IMMED, once it has ended.
    pub fn ended(&mut self) -> Option<Answer> {
        self.tick();
        match self.work {
            Work::None => Some(Answer::good()),
            _ if self.busy() => None,
            _ => Some(Answer { status: 2, data: Vec::new(), sense: self.sense_of_work() }),
        }
    }

    fn sense_of_work(&self) -> Vec<u8> {
        let going = |ascq: u8, since: Instant| {
            let mut bytes = sense(2, 4, ascq);
            let done = if self.erase == Erase::Stalls { 655 } else { progress(since, self.erase_time) };
            bytes[15] = 0x80;
            bytes[16..18].copy_from_slice(&done.to_be_bytes());
            bytes
        };
        match self.work {
            _ if self.hides_work => sense(0, 0, 0),
            // IDLE CONDITION ACTIVATED BY TIMER.
            Work::None if self.idles => sense(0, 0x5e, 1),
            Work::None => sense(0, 0, 0),
            Work::Sanitize(since) => going(0x1b, since),
            Work::Format(since) => going(0x04, since),
            Work::SanitizeFailed => sense(3, 0x31, 3),
            Work::FormatFailed => sense(3, 0x31, 1),
        }
    }
}

fn sense(key: u8, asc: u8, ascq: u8) -> Vec<u8> {
    let mut bytes = vec![0; 18];
    (bytes[0], bytes[2], bytes[7], bytes[12], bytes[13]) = (0x70, key, 10, asc, ascq);
    bytes
}

fn with_information(mut answer: Answer, lba: u64) -> Answer {
    answer.sense[0] |= 0x80;
    answer.sense[3..7].copy_from_slice(&(lba as u32).to_be_bytes());
    answer
}

/// A big-endian number.
pub fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

pub fn cut(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.truncate(length);
    bytes
}
