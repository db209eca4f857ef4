//! An ATA disk (ACS-5): what it answers to task files. Sanitize and Security live in rooms of their own.

use std::time::{Duration, Instant};

use super::ata_sanitize::Sanitize;
use super::ata_security::Security;
use crate::rig::medium::SECTOR;
use crate::rig::memory::u64_at;
use crate::rig::{Erase, Medium};

/// One command as its registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Task {
    pub command: u8,
    pub features: u16,
    pub count: u16,
    pub lba: u64,
    pub device: u8,
}

/// The registers that come back, and the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub status: u8,
    pub error: u8,
    pub count: u16,
    pub lba: u64,
    pub data: Option<Vec<u8>>,
    /// BSY for so long before it comes.
    pub after: Duration,
}

pub const READY: u8 = 0x50;
const FAILED: u8 = 0x51;
pub const ABORTED: u8 = 4;
const NOT_FOUND: u8 = 0x10;
const UNCORRECTABLE: u8 = 0x40;

impl Reply {
    pub fn good() -> Reply {
        Reply { status: READY, ..Reply::default() }
    }

    pub fn data(bytes: Vec<u8>) -> Reply {
        Reply { data: Some(bytes), ..Reply::good() }
    }

    pub fn error(bits: u8, lba: u64) -> Reply {
        Reply { status: FAILED, error: bits, lba, ..Reply::default() }
    }

    pub fn abort() -> Reply {
        Reply::error(ABORTED, 0)
    }

    pub fn is_good(&self) -> bool {
        self.status & 1 == 0
    }
}

/// What a drive does that is told to give back what it hides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GivesBack {
    #[default]
    Honestly,
    /// One change between two power cycles; a second one is refused.
    OneByOne,
    /// Says so, and stays as it is.
    ByItsWord,
    Never,
}

pub struct Ata {
    pub medium: Medium,
    /// As bytes: a drive may say anything.
    pub serial: Vec<u8>,
    pub model: String,
    pub wwn: u64,
    /// 1: no seek (flash); otherwise turns a minute.
    pub rotation: u16,
    pub erase: Erase,
    pub erase_time: Duration,
    /// The first sanitize fails, whatever `erase` says.
    pub fails_first: bool,
    /// IDENTIFY word 59 bits 15:12: block erase, overwrite, crypto scramble, the feature set.
    pub word59: u16,
    /// The sum over IDENTIFY is wrong.
    pub bad_checksum: bool,
    pub read_only: bool,
    /// Sectors above the host's maximum (HPA), and above the native one (DCO).
    pub hpa: u64,
    pub dco: u64,
    /// What `hpa` hides is hidden by Accessible Max Address Configuration, as drives since ACS-4 do, which have
    /// neither HPA nor DCO.
    pub amac: bool,
    amac_frozen: bool,
    pub gives_back: GivesBack,
    /// BSY for so long after it gave something back.
    pub gives_back_time: Duration,
    /// How long 64 KiB take to be written.
    pub write_time: Duration,
    /// The cable is out; set by the drive itself once so many sectors were written.
    pub gone: bool,
    pub gone_after: Option<u64>,
    /// After so many written sectors the drive says that it is this many sectors smaller. (Not as by an
    /// HPA: libata would take that away.)
    pub shrinks_after: Option<(u64, u64)>,
    pub sanitize: Sanitize,
    pub security: Security,
    pub seen: Vec<Task>,
    native_max_was_read: bool,
    gave_back: bool,
}

impl Ata {
    pub fn new(serial: &str, mebibytes: u64) -> Ata {
        let wwn =
            serial.bytes().fold(0x5000_c500_0000_0000, |wwn: u64, b| wwn ^ (u64::from(b) << (wwn.count_ones() % 28)));
        Ata {
            medium: Medium::new(mebibytes),
            serial: serial.into(),
            model: "RIG SATA SSD".into(),
            wwn,
            rotation: 1,
            erase: Erase::Whole,
            erase_time: Duration::from_millis(1200),
            fails_first: false,
            word59: 0xf000,
            bad_checksum: false,
            read_only: false,
            hpa: 0,
            dco: 0,
            amac: false,
            amac_frozen: false,
            gives_back: GivesBack::default(),
            gives_back_time: Duration::ZERO,
            write_time: Duration::ZERO,
            gone: false,
            gone_after: None,
            shrinks_after: None,
            sanitize: Sanitize::default(),
            security: Security::default(),
            seen: Vec::new(),
            native_max_was_read: false,
            gave_back: false,
        }
    }

    /// What a host can reach.
    pub fn accessible(&self) -> u64 {
        self.native().saturating_sub(self.hpa)
    }

    pub fn native(&self) -> u64 {
        self.medium.sectors - self.dco
    }

    pub fn busy(&self) -> bool {
        self.sanitize.running() || self.security.erasing.is_some()
    }

    /// Power comes (back): a password that is set locks, nothing is frozen any more.
    pub fn power_on(&mut self) {
        self.security.power_on();
        self.sanitize.frozen = false;
        self.amac_frozen = false;
        self.gave_back = false;
    }

    /// Power goes in the middle of what goes on.
    pub fn power_off(&mut self) {
        self.tick();
        if self.security.erasing.take().is_some() {
            self.medium.fill(0, self.medium.sectors / 3, 0);
        }
    }

    /// Time goes on: an operation comes to its end.
    pub fn tick(&mut self) {
        self.tick_sanitize();
        self.tick_security();
    }

    /// Carries out one command; `sent` is what the host sent.
    pub fn command(&mut self, task: &Task, sent: &[u8]) -> Reply {
        self.tick();
        if !matches!(task.command, 0x20 | 0x24 | 0x25 | 0x30 | 0x34 | 0x35 | 0xc8 | 0xca | 0xea | 0xe7) {
            self.seen.push(*task);
        }
        let set_max_is_next = std::mem::take(&mut self.native_max_was_read);
        let prepared = self.security.take_prepared();
        if !self.sanitize.allows(task.command) {
            return Reply::abort();
        }
        match task.command {
            0xec => Reply::data(self.identify()),
            // Power mode: active. The rest has nothing to do here.
            0xe5 => Reply { count: 0xff, ..Reply::good() },
            0xef | 0xe0 | 0xe1 | 0xe3 | 0xe7 | 0xea | 0x40 | 0x42 | 0x10 | 0x91 => Reply::good(),
            0x20 | 0x24 | 0x25 | 0xc8 => self.read(task),
            0x30 | 0x34 | 0x35 | 0xca => self.write(task, sent),
            0x06 => self.trim(sent),
            0x78 if self.amac => self.accessible_max(task),
            0x27 if !self.amac => {
                self.native_max_was_read = true;
                Reply { lba: self.native() - 1, ..Reply::good() }
            }
            0x37 if !self.amac => self.set_max(task, set_max_is_next),
            0xb1 if !self.amac => self.configuration(task),
            0x2f | 0x47 => log_page(task),
            0xb0 => smart(task),
            0xb4 => self.sanitize_device(task),
            0xf1..=0xf6 => self.security_command(task, sent, prepared),
            _ => Reply::abort(),
        }
    }

    fn extent(&self, task: &Task) -> Result<(u64, u64), Reply> {
        let extended = matches!(task.command, 0x24 | 0x25 | 0x34 | 0x35);
        let (first, count) = match (extended, task.count) {
            (true, 0) => (task.lba, 65536),
            (true, n) => (task.lba, u64::from(n)),
            (false, n) => {
                let n = if n & 0xff == 0 { 256 } else { u64::from(n & 0xff) };
                (task.lba & 0xff_ffff | u64::from(task.device & 15) << 24, n)
            }
        };
        if self.security.locked {
            return Err(Reply::abort());
        }
        if first + count > self.accessible() { Err(Reply::error(NOT_FOUND, first)) } else { Ok((first, count)) }
    }

    fn read(&mut self, task: &Task) -> Reply {
        match self.extent(task) {
            Err(refused) => refused,
            Ok((first, count)) => match self.medium.read(first, count) {
                Ok(bytes) => Reply::data(bytes),
                Err((before, bad)) => Reply { data: Some(before), ..Reply::error(UNCORRECTABLE, bad) },
            },
        }
    }

    fn write(&mut self, task: &Task, sent: &[u8]) -> Reply {
        let (first, count) = match self.extent(task) {
            Err(refused) => return refused,
            Ok(extent) => extent,
        };
        if self.read_only {
            return Reply::error(ABORTED, first);
        }
        std::thread::sleep(self.write_time * count.div_ceil(128) as u32);
        let mut sent = &sent[..(count * SECTOR) as usize];
        if let Some(n) = self.gone_after.filter(|n| self.medium.writes + count >= *n) {
            self.gone = true;
            sent = &sent[..((n - self.medium.writes) * SECTOR) as usize];
        }
        let done = self.medium.write(first, sent);
        if let Some((_, less)) = self.shrinks_after.take_if(|(n, _)| self.medium.writes >= *n) {
            self.dco += less;
        }
        match done {
            Ok(()) => Reply::good(),
            Err(bad) => Reply::error(NOT_FOUND, bad),
        }
    }

    /// DATA SET MANAGEMENT with TRIM: the mapping goes, whatever is in the cells.
    fn trim(&mut self, sent: &[u8]) -> Reply {
        for range in sent.chunks_exact(8).map(|c| u64_at(c, 0)) {
            let (first, count) = (range & 0xffff_ffff_ffff, range >> 48);
            if first + count <= self.accessible() {
                self.medium.fill(first, count, 0);
            }
        }
        Reply::good()
    }

    /// SET MAX ADDRESS EXT: only right after READ NATIVE MAX ADDRESS EXT.
    fn set_max(&mut self, task: &Task, allowed: bool) -> Reply {
        let sectors = task.lba + 1;
        if !allowed || sectors > self.native() {
            return Reply::abort();
        }
        let hpa = self.native() - sectors;
        self.give_back(|drive| drive.hpa = hpa)
    }

    /// ACCESSIBLE MAX ADDRESS CONFIGURATION (ACS-5 7.1): one SET between two power cycles, none once frozen.
    fn accessible_max(&mut self, task: &Task) -> Reply {
        let sectors = task.lba + 1;
        match task.features {
            0 => Reply { lba: self.native() - 1, ..Reply::good() },
            1 if !self.gave_back && !self.amac_frozen && sectors <= self.native() => {
                let hidden = self.native() - sectors;
                self.give_back(|drive| drive.hpa = hidden)
            }
            2 => {
                self.amac_frozen = true;
                Reply::good()
            }
            _ => Reply::abort(),
        }
    }

    fn give_back(&mut self, change: impl FnOnce(&mut Ata)) -> Reply {
        match self.gives_back {
            GivesBack::Never => return Reply::abort(),
            GivesBack::OneByOne if self.gave_back => return Reply::abort(),
            GivesBack::ByItsWord => {}
            GivesBack::Honestly | GivesBack::OneByOne => change(self),
        }
        self.gave_back = true;
        Reply { after: self.gives_back_time, ..Reply::good() }
    }

    /// DEVICE CONFIGURATION OVERLAY (ACS-2 and before).
    fn configuration(&mut self, task: &Task) -> Reply {
        match task.features & 0xff {
            0xc0 if self.hpa == 0 && self.dco > 0 => self.give_back(|drive| drive.dco = 0),
            0xc2 => {
                let mut page = vec![0; 512];
                page[0] = 2;
                page[6..14].copy_from_slice(&(self.medium.sectors - 1).to_le_bytes());
                page[14] = 0x88; // Security, HPA
                page[15] = 1; // 48-bit
                checksum(&mut page);
                Reply::data(page)
            }
            _ => Reply::abort(),
        }
    }
}

/// READ LOG EXT: a directory that lists nothing.
fn log_page(task: &Task) -> Reply {
    let mut page = vec![0; 512 * usize::from(task.count.max(1))];
    if task.lba & 0xff == 0 {
        page[0] = 1;
        return Reply::data(page);
    }
    Reply::abort()
}

fn smart(task: &Task) -> Reply {
    match task.features & 0xff {
        // RETURN STATUS: nothing is wrong.
        0xda => Reply { lba: 0xc2_4f00, ..Reply::good() },
        0xd0 | 0xd1 => {
            let mut page = vec![0; 512];
            page[0] = 16;
            checksum(&mut page);
            Reply::data(page)
        }
        0xd8 | 0xd9 => Reply::good(),
        _ => Reply::abort(),
    }
}

/// A5h and the two's complement of the sum in the last word.
pub fn checksum(page: &mut [u8]) {
    page[510] = 0xa5;
    page[511] = 0;
    page[511] = page.iter().fold(0u8, |sum, b| sum.wrapping_add(*b)).wrapping_neg();
}

/// How far something is that takes so long, in 65,536ths.
pub fn progress(since: Instant, whole: Duration) -> u16 {
    (since.elapsed().as_secs_f64() / whole.as_secs_f64() * 65536.0).min(65534.0) as u16
}
