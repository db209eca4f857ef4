//! An NVMe controller with one namespace: what it answers to admin and I/O commands (NVM Express base 2.1,
//! NVM command set 1.1).

use std::time::{Duration, Instant};

use super::opal::{Reply, Tper};
use crate::rig::medium::SECTOR;
use crate::rig::memory::{put, u32_at, u64_at};
use crate::rig::{Erase, Medium};

/// A status code with its type in bits 10:8.
pub type Status = u16;
pub const OK: Status = 0;
/// No status of the standard: the answer comes when the format has ended.
pub const LATER: Status = 0xffff;
/// Likewise: no answer ever comes.
pub const NEVER: Status = 0xfffe;
const INTERNAL_ERROR: Status = 0x0006;
const ABORT_REQUESTED: Status = 0x0007;
const FORMAT_IN_PROGRESS: Status = 0x0084;
const INVALID_OPCODE: Status = 0x4001;
const INVALID_FIELD: Status = 0x4002;
const INVALID_NAMESPACE: Status = 0x400b;
const SANITIZE_FAILED: Status = 0x001c;
const SANITIZE_IN_PROGRESS: Status = 0x001d;
const INVALID_LOG_PAGE: Status = 0x4109;
const INVALID_FORMAT: Status = 0x410a;
const WRITE_FAULT: Status = 0x0280;
const UNRECOVERED_READ: Status = 0x0281;
const LBA_RANGE: Status = 0x4080;
const READ_ONLY: Status = 0x4182;
const ACCESS_DENIED: Status = 0x0286;

/// What the Sanitize Status log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    Honest,
    /// The page is not supported.
    Missing,
    /// The page comes, and every byte of it is zero.
    Zeroed,
    /// It is zero once a sanitize was started.
    ZeroedAfterwards,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sanitize {
    Never,
    Running { since: Instant },
    Done,
    Failed,
}

pub struct Nvme {
    pub medium: Medium,
    pub serial: String,
    pub model: String,
    pub erase: Erase,
    pub erase_time: Duration,
    /// The first sanitize fails, whatever `erase` says.
    pub fails_first: bool,
    /// Identify Controller byte 328: which sanitize operations there are.
    pub sanicap: u32,
    /// Identify Controller byte 524.
    pub fna: u8,
    /// Optional admin commands: bit 0 is Security Send and Receive, bit 1 is Format NVM.
    pub oacs: u16,
    /// What answers Security Send and Receive.
    pub tper: Option<Tper>,
    /// Sectors at the end of the medium that belong to no namespace.
    pub unallocated: u64,
    pub log: Log,
    /// SSTAT 4: sanitized, and deallocated although asked not to.
    pub deallocates_anyway: bool,
    pub read_only: bool,
    /// Off the bus; set by the drive itself once so many sectors were written.
    pub gone: bool,
    pub gone_after: Option<u64>,
    /// How long 64 KiB take to be written.
    pub write_time: Duration,
    /// SPROG of an operation that never ends.
    pub stalled_at: u16,
    pub seen: Vec<Seen>,
    sanitize: Sanitize,
    formatting: Option<Instant>,
    dword10: u32,
}

/// An admin command that the drive got (identify, log and queue commands left out).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub opcode: u8,
    pub namespace: u32,
    pub dword10: u32,
    pub dword11: u32,
}

/// What an admin command gives: status, result dword 0, data for the host.
pub type Answer = (Status, u32, Option<Vec<u8>>);

impl Nvme {
    pub fn new(serial: &str, mebibytes: u64) -> Nvme {
        Nvme {
            medium: Medium::new(mebibytes),
            serial: serial.into(),
            model: "RIG NVME".into(),
            erase: Erase::Whole,
            erase_time: Duration::from_millis(1200),
            fails_first: false,
            sanicap: 7,
            fna: 4,
            oacs: 2,
            tper: None,
            unallocated: 0,
            log: Log::Honest,
            deallocates_anyway: false,
            read_only: false,
            gone: false,
            gone_after: None,
            write_time: Duration::ZERO,
            stalled_at: 655,
            seen: Vec::new(),
            sanitize: Sanitize::Never,
            formatting: None,
            dword10: 0,
        }
    }

    /// Time goes on: an operation comes to its end.
    pub fn tick(&mut self) {
        if let Sanitize::Running { since } = self.sanitize
            && since.elapsed() >= self.erase_time
            && self.erase != Erase::Stalls
        {
            let erase = if std::mem::take(&mut self.fails_first) { Erase::Fails } else { self.erase };
            self.sanitize = if self.medium.erase(erase) { Sanitize::Done } else { Sanitize::Failed };
        }
        if let Some(tper) = self.tper.as_mut().filter(|tper| tper.is_due(self.erase_time))
            && self.erase != Erase::Stalls
        {
            // Under another key, what the cells hold reads as noise.
            tper.reverted(match self.erase {
                Erase::Whole => self.medium.scramble(),
                other => self.medium.erase(other),
            });
        }
    }

    pub fn sanitizing(&self) -> bool {
        matches!(self.sanitize, Sanitize::Running { .. })
    }

    pub fn busy(&self) -> bool {
        self.sanitizing() || self.formatting.is_some() || self.tper.as_ref().is_some_and(Tper::reverting)
    }

    /// Power goes: a sanitize goes on by itself later, a format is left where it was.
    pub fn power_off(&mut self) {
        self.tick();
        if let Some(tper) = &mut self.tper {
            tper.power_off();
        }
        if self.formatting.take().is_some() {
            self.medium.fill(0, self.medium.sectors / 3, 0);
        }
    }

    /// The answer to a Format NVM that was taken up, once it has ended.
    pub fn format_ended(&mut self) -> Option<Status> {
        let since = self.formatting?;
        if since.elapsed() < self.erase_time || self.erase == Erase::Stalls {
            return None;
        }
        self.formatting = None;
        if self.erase == Erase::Whole {
            // The namespace, and nothing else.
            self.medium.fill(0, self.accessible(), 0);
            return Some(OK);
        }
        Some(if self.medium.erase(self.erase) { OK } else { INTERNAL_ERROR })
    }

    /// Sectors of the namespace.
    pub fn accessible(&self) -> u64 {
        self.medium.sectors - self.unallocated
    }

    /// An admin command; `sent` is what the host sent.
    pub fn admin(&mut self, sqe: &[u8], sent: &[u8]) -> Answer {
        self.tick();
        let (opcode, namespace) = (sqe[0], u32_at(sqe, 4));
        let (dword10, dword11) = (u32_at(sqe, 40), u32_at(sqe, 44));
        if !matches!(opcode, 0x06 | 0x02 | 0x09 | 0x0a | 0x0c | 0x82) {
            self.seen.push(Seen { opcode, namespace, dword10, dword11 });
        }
        match opcode {
            0x06 => self.identify(dword10 & 0xff, namespace),
            0x02 => {
                let length = (((dword11 & 0xffff) << 16 | dword10 >> 16) as usize + 1) * 4;
                match self.log_page(dword10 & 0xff, length) {
                    Some(page) => (OK, 0, Some(page)),
                    None => (INVALID_LOG_PAGE, 0, None),
                }
            }
            0x08 => (OK, 1, None),
            0x09 | 0x0a => (OK, 0, None),
            0x80 => (self.format(namespace, dword10), 0, None),
            0x81 => (self.security_send(dword10, sent), 0, None),
            0x82 => self.security_receive(dword10, dword11 as usize),
            0x84 => (self.start(namespace, dword10), 0, None),
            _ => (INVALID_OPCODE, 0, None),
        }
    }

    fn security_send(&mut self, dword10: u32, sent: &[u8]) -> Status {
        let Some(tper) = &mut self.tper else { return INVALID_OPCODE };
        if tper.send((dword10 >> 24) as u8, (dword10 >> 8) as u16, sent) { OK } else { INVALID_FIELD }
    }

    fn security_receive(&mut self, dword10: u32, length: usize) -> Answer {
        let Some(tper) = &mut self.tper else { return (INVALID_OPCODE, 0, None) };
        match tper.receive((dword10 >> 24) as u8, (dword10 >> 8) as u16, length) {
            Reply::Data(data) => (OK, 0, Some(data)),
            Reply::Aborted => (ABORT_REQUESTED, 0, None),
            Reply::Never => (NEVER, 0, None),
            Reply::Invalid => (INVALID_FIELD, 0, None),
        }
    }

    fn format(&mut self, namespace: u32, dword10: u32) -> Status {
        if self.oacs & 2 == 0 {
            return INVALID_OPCODE;
        }
        if self.sanitizing() {
            return SANITIZE_IN_PROGRESS;
        }
        if self.formatting.is_some() {
            return FORMAT_IN_PROGRESS;
        }
        // FNA bit 3 set: the broadcast namespace is not allowed.
        let known = namespace == 1 || (namespace == u32::MAX && self.fna & 8 == 0);
        if !known {
            return INVALID_NAMESPACE;
        }
        if dword10 & 0xf != 0 {
            return INVALID_FORMAT;
        }
        match dword10 >> 9 & 7 {
            0 => return OK, // erases nothing
            1 => {}
            2 if self.fna & 4 != 0 => {}
            _ => return INVALID_FIELD,
        }
        self.formatting = Some(Instant::now());
        LATER
    }

    fn start(&mut self, namespace: u32, dword10: u32) -> Status {
        let action = (dword10 & 7) as u8;
        let needed = match action {
            1 => {
                if self.sanitizing() {
                    return SANITIZE_IN_PROGRESS;
                }
                self.sanitize = Sanitize::Never;
                return OK;
            }
            2 => 2,
            3 => 4,
            4 => 1,
            _ => return INVALID_FIELD,
        };
        if self.sanitizing() {
            return SANITIZE_IN_PROGRESS;
        }
        if self.sanicap & 7 == 0 {
            return INVALID_OPCODE;
        }
        if self.sanicap & needed == 0 || namespace != 0 {
            return INVALID_FIELD;
        }
        self.dword10 = dword10;
        self.sanitize = Sanitize::Running { since: Instant::now() };
        OK
    }

    fn identify(&self, cns: u32, namespace: u32) -> Answer {
        let mut page = vec![0; 4096];
        match cns {
            1 => {
                let mut text = |at: usize, length: usize, value: &str| {
                    let mut bytes = value.as_bytes().to_vec();
                    bytes.resize(length, b' ');
                    put(&mut page, at, &bytes);
                };
                text(4, 20, &self.serial);
                text(24, 40, &self.model);
                text(64, 8, "FW01");
                put(&mut page, 0, &[0x36, 0x1b, 0xf4, 0x1a]);
                page[77] = 5;
                put(&mut page, 78, &1u16.to_le_bytes());
                put(&mut page, 80, &0x0001_0400u32.to_le_bytes());
                page[111] = 1;
                put(&mut page, 256, &self.oacs.to_le_bytes());
                page[259] = 3;
                page[261] = 2;
                put(&mut page, 280, &(self.medium.sectors * SECTOR).to_le_bytes());
                put(&mut page, 296, &(self.unallocated * SECTOR).to_le_bytes());
                put(&mut page, 328, &self.sanicap.to_le_bytes());
                page[512] = 0x66;
                page[513] = 0x44;
                put(&mut page, 516, &1u32.to_le_bytes());
                put(&mut page, 520, &0x000cu16.to_le_bytes());
                page[524] = self.fna;
                let nqn = format!("nqn.2014-08.org.nvmexpress:uuid:{:0>36}", self.serial);
                put(&mut page, 768, nqn.as_bytes());
            }
            0 | 3 if namespace != 1 => return (INVALID_NAMESPACE, 0, None),
            0 => {
                for at in [0, 8, 16] {
                    put(&mut page, at, &self.accessible().to_le_bytes());
                }
                put(&mut page, 48, &(self.accessible() * SECTOR).to_le_bytes());
                page[33] = 9;
                put(&mut page, 104, &self.guid());
                page[128 + 2] = 9;
            }
            2 => put(&mut page, 0, &u32::from(namespace < 1).to_le_bytes()),
            3 => {
                page[..2].copy_from_slice(&[2, 16]);
                put(&mut page, 4, &self.guid());
                put(&mut page, 20, &[4, 1, 0, 0, 0]);
            }
            _ => return (INVALID_FIELD, 0, None),
        }
        (OK, 0, Some(page))
    }

    /// NGUID made of the serial, so that two drives differ.
    fn guid(&self) -> [u8; 16] {
        let mut guid = [0x65; 16];
        for (to, from) in guid.iter_mut().zip(self.serial.bytes().rev()) {
            *to = from;
        }
        guid
    }

    fn log_page(&mut self, page: u32, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length.max(4096)];
        match page {
            1 | 3 | 4 => {}
            2 => {
                put(&mut bytes, 1, &310u16.to_le_bytes());
                bytes[3] = 100;
                bytes[4] = 10;
                bytes[5] = 3;
            }
            5 => {
                for command in [2usize, 6, 9, 10, 12] {
                    put(&mut bytes, 4 * command, &1u32.to_le_bytes());
                }
                put(&mut bytes, 4 * 0x80, &(3u32 | 1 << 16).to_le_bytes());
                for command in [0x81usize, 0x82].iter().filter(|_| self.tper.is_some()) {
                    put(&mut bytes, 4 * command, &1u32.to_le_bytes());
                }
                put(&mut bytes, 4 * 0x84, &(3u32 | 2 << 16).to_le_bytes());
                for command in [0usize, 1, 2, 8, 9] {
                    put(&mut bytes, 1024 + 4 * command, &1u32.to_le_bytes());
                }
            }
            0x81 => match self.log {
                Log::Missing => return None,
                Log::Zeroed => {}
                Log::ZeroedAfterwards if self.sanitize != Sanitize::Never => {}
                Log::Honest | Log::ZeroedAfterwards => self.sanitize_status(&mut bytes),
            },
            _ => return None,
        }
        bytes.truncate(length);
        Some(bytes)
    }

    fn sanitize_status(&self, bytes: &mut [u8]) {
        let (progress, status) = match self.sanitize {
            Sanitize::Never => (0xffff, 0u16),
            Sanitize::Running { .. } if self.erase == Erase::Stalls => (self.stalled_at, 2),
            Sanitize::Running { since } => {
                let part = since.elapsed().as_secs_f64() / self.erase_time.as_secs_f64();
                ((part * 65536.0).min(65534.0) as u16, 2)
            }
            Sanitize::Done if self.deallocates_anyway => (0xffff, 0x104),
            Sanitize::Done => (0xffff, 0x101),
            Sanitize::Failed => (0xffff, 3),
        };
        put(bytes, 0, &progress.to_le_bytes());
        put(bytes, 2, &status.to_le_bytes());
        put(bytes, 4, &self.dword10.to_le_bytes());
        for estimate in 0..6 {
            put(bytes, 8 + 4 * estimate, &2u32.to_le_bytes());
        }
    }

    /// An I/O command; `data` is what the host sent. Gives status and data for the host.
    pub fn io(&mut self, sqe: &[u8], data: &[u8]) -> (Status, Option<Vec<u8>>) {
        self.tick();
        let opcode = sqe[0];
        let (first, count) = (u64_at(sqe, 40), u64::from(u32_at(sqe, 48) & 0xffff) + 1);
        if opcode == 0 {
            return (OK, None);
        }
        match self.sanitize {
            Sanitize::Running { .. } => return (SANITIZE_IN_PROGRESS, None),
            Sanitize::Failed => return (SANITIZE_FAILED, None),
            _ if self.formatting.is_some() => return (FORMAT_IN_PROGRESS, None),
            _ => {}
        }
        if matches!(opcode, 1 | 2 | 8) && first + count > self.accessible() {
            return (LBA_RANGE, None);
        }
        if self.tper.as_ref().is_some_and(|tper| tper.locked) {
            return (ACCESS_DENIED, None);
        }
        if matches!(opcode, 1 | 8 | 9) && self.read_only {
            return (READ_ONLY, None);
        }
        match opcode {
            2 => match self.medium.read(first, count) {
                Ok(bytes) => (OK, Some(bytes)),
                Err(_) => (UNRECOVERED_READ, None),
            },
            1 => {
                std::thread::sleep(self.write_time * count.div_ceil(128) as u32);
                let status = self.medium.write(first, data).map_or(WRITE_FAULT, |()| OK);
                self.gone |= self.gone_after.is_some_and(|n| self.medium.writes >= n);
                (status, None)
            }
            8 => {
                let zeros = vec![0; (count * SECTOR) as usize];
                (self.medium.write(first, &zeros).map_or(WRITE_FAULT, |()| OK), None)
            }
            9 => {
                for range in data.chunks_exact(16) {
                    self.medium.fill(u64_at(range, 8), u64::from(u32_at(range, 4)), 0);
                }
                (OK, None)
            }
            _ => (INVALID_OPCODE, None),
        }
    }
}
