//! An NVMe controller with one namespace or two: what it answers to admin and I/O commands (NVM Express base 2.1,
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
pub(super) const INVALID_FIELD: Status = 0x4002;
pub(super) const INVALID_NAMESPACE: Status = 0x400b;
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

/// A second namespace, with cells of its own.
pub struct Second {
    pub medium: Medium,
    /// This controller is attached to it. Otherwise only another host's may be.
    pub attached: bool,
}

pub struct Nvme {
    /// Of namespace 1.
    pub medium: Medium,
    /// Namespace 2.
    pub second: Option<Second>,
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
    /// Optional admin commands: bit 0 is Security Send and Receive, bit 1 is Format NVM, bit 3 is Namespace Management.
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
    /// Since when, and which namespace; all ones: all of them.
    formatting: Option<(Instant, u32)>,
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
            second: None,
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
            // Whoever is attached to it.
            if let Some(second) = &mut self.second {
                second.medium.erase(erase);
            }
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
        let (since, target) = self.formatting?;
        if since.elapsed() < self.erase_time || self.erase == Erase::Stalls {
            return None;
        }
        self.formatting = None;
        if self.erase == Erase::Whole {
            // The namespace, and nothing else.
            if matches!(target, 1 | u32::MAX) {
                self.medium.fill(0, self.accessible(), 0);
            }
            if let Some(Second { medium, .. }) = self.second.as_mut().filter(|_| matches!(target, 2 | u32::MAX)) {
                medium.fill(0, medium.sectors, 0);
            }
            return Some(OK);
        }
        Some(if self.medium.erase(self.erase) { OK } else { INTERNAL_ERROR })
    }

    /// Sectors of namespace 1.
    pub fn accessible(&self) -> u64 {
        self.medium.sectors - self.unallocated
    }

    /// Namespaces by number and size, those that this controller is attached to or all.
    pub(super) fn namespaces(&self, all: bool) -> Vec<(u32, u64)> {
        let second = self.second.as_ref().filter(|second| all || second.attached);
        [(1, self.accessible())].into_iter().chain(second.map(|second| (2, second.medium.sectors))).collect()
    }

    fn is_attached(&self, namespace: u32) -> bool {
        self.namespaces(false).iter().any(|(nsid, _)| *nsid == namespace)
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
        let known = self.is_attached(namespace) || (namespace == u32::MAX && self.fna & 8 == 0);
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
        // FNA bit 0: a format is one of all; bit 1: an erase is.
        let target = if self.fna & 3 != 0 { u32::MAX } else { namespace };
        self.formatting = Some((Instant::now(), target));
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
        let namespace = u32_at(sqe, 4);
        let Some((_, sectors)) = self.namespaces(false).into_iter().find(|(nsid, _)| *nsid == namespace) else {
            return (INVALID_NAMESPACE, None);
        };
        if matches!(opcode, 1 | 2 | 8) && first + count > sectors {
            return (LBA_RANGE, None);
        }
        if self.tper.as_ref().is_some_and(|tper| tper.locked) {
            return (ACCESS_DENIED, None);
        }
        if matches!(opcode, 1 | 8 | 9) && self.read_only {
            return (READ_ONLY, None);
        }
        let medium = match &mut self.second {
            Some(second) if namespace == 2 => &mut second.medium,
            _ => &mut self.medium,
        };
        match opcode {
            2 => match medium.read(first, count) {
                Ok(bytes) => (OK, Some(bytes)),
                Err(_) => (UNRECOVERED_READ, None),
            },
            1 => {
                std::thread::sleep(self.write_time * count.div_ceil(128) as u32);
                let status = medium.write(first, data).map_or(WRITE_FAULT, |()| OK);
                self.gone |= self.gone_after.is_some_and(|n| medium.writes >= n);
                (status, None)
            }
            8 => {
                let zeros = vec![0; (count * SECTOR) as usize];
                (medium.write(first, &zeros).map_or(WRITE_FAULT, |()| OK), None)
            }
            9 => {
                for range in data.chunks_exact(16) {
                    medium.fill(u64_at(range, 8), u64::from(u32_at(range, 4)), 0);
                }
                (OK, None)
            }
            _ => (INVALID_OPCODE, None),
        }
    }
}
