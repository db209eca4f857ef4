//! An eMMC card (JESD84-B51) of up to 2 GiB, which counts bytes: a main area and two boot partitions.

use std::time::{Duration, Instant};

use crate::rig::medium::SECTOR;
use crate::rig::{Erase, Medium};

/// EXT_CSD bytes that a host may write, by index.
const SANITIZE_START: usize = 165;
const PARTITION_CONFIG: usize = 179;
/// R1: ready for data, state tran; and state prg.
const TRAN: u32 = 0x900;
const PRG: u32 = 0xE00;
const WP_ERASE_SKIP: u32 = 1 << 15;
/// ERROR: something went wrong that has no bit of its own.
pub const ERROR: u32 = 1 << 19;
const WP_VIOLATION: u32 = 1 << 26;
const ERASE_SEQ_ERROR: u32 = 1 << 28;

/// What came back of a command.
pub struct Reply {
    /// R1, R3, or the 15 bytes of R2 before its CRC, most significant first.
    pub response: Vec<u8>,
    pub data: Vec<u8>,
}

pub struct Card {
    pub serial: u32,
    pub main: Medium,
    pub boot: [Medium; 2],
    /// SEC_FEATURE_SUPPORT.
    pub features: u8,
    /// BOOT_WP_STATUS: the card protects its boot partitions.
    pub boot_wp: u8,
    /// What erases of the main area and of boot partitions do, and SANITIZE_START.
    pub erase: Erase,
    pub boot_erase: Erase,
    pub sanitize: Erase,
    /// Every CMD38 and SANITIZE_START: its argument, and the area it went to.
    pub seen: Vec<(u32, usize)>,
    /// One of them, by its place among those since power came, takes so long.
    pub slow: Option<(usize, Duration)>,
    /// One of them, by the same place, goes wrong while the card is busy: bits of the first R1 after that, and of
    /// no other.
    pub regrets: Option<(usize, u32)>,
    regret: u32,
    since_power: usize,
    /// What is going on until then.
    pending: Option<(Instant, Work)>,
    modes: [u8; 192],
    range: (Option<u64>, Option<u64>),
    marked: Vec<(usize, u64, u64)>,
}

/// What ERASE and SANITIZE_START do to the cells.
#[derive(Clone)]
enum Work {
    Unmap(usize),
    Remove(Vec<(usize, u64, u64)>),
    Sanitize,
}

impl Card {
    pub fn new(serial: u32, mebibytes: u64, boot: u64) -> Card {
        Card {
            serial,
            main: Medium::new(mebibytes),
            boot: [Medium::new(boot), Medium::new(boot)],
            features: 0x51,
            boot_wp: 0,
            erase: Erase::Whole,
            boot_erase: Erase::Whole,
            sanitize: Erase::Whole,
            seen: Vec::new(),
            slow: None,
            regrets: None,
            regret: 0,
            since_power: 0,
            pending: None,
            modes: [0; 192],
            range: (None, None),
            marked: Vec::new(),
        }
    }

    pub fn busy(&self) -> bool {
        self.pending.is_some()
    }

    /// Time goes on: what was going on comes to its end.
    pub fn tick(&mut self) {
        if let Some((_, work)) = self.pending.take_if(|(due, _)| Instant::now() >= *due) {
            self.carry_out(work);
        }
    }

    /// Power goes in the middle of what goes on: a part of it is done.
    pub fn power_off(&mut self) {
        if let Some((_, Work::Remove(ranges))) = self.pending.take() {
            for (area, first, last) in ranges {
                self.remove(area, first, first + (last - first) / 3);
            }
        }
        self.since_power = 0;
    }

    /// Power, or GO_IDLE_STATE.
    pub fn reset(&mut self) {
        self.modes = [0; 192];
        self.range = (None, None);
        self.marked.clear();
        self.regret = 0;
    }

    /// Carries out one command; `sent` is what the host sent, `wanted` how many bytes it wants. `None`: no answer.
    pub fn command(&mut self, opcode: u8, argument: u32, sent: &[u8], wanted: usize) -> Option<Reply> {
        self.tick();
        if self.busy() && opcode == 13 {
            return Some(Reply { response: PRG.to_be_bytes().to_vec(), data: Vec::new() });
        }
        let told = if matches!(opcode, 0 | 1 | 2 | 9 | 10) { 0 } else { std::mem::take(&mut self.regret) };
        let r1 = |bits: u32| Some(Reply { response: (TRAN | told | bits).to_be_bytes().to_vec(), data: Vec::new() });
        let r2 = |bytes: [u8; 15]| Some(Reply { response: bytes.to_vec(), data: Vec::new() });
        match opcode {
            0 => {
                self.reset();
                Some(Reply { response: Vec::new(), data: Vec::new() })
            }
            // OCR: not busy, 2.7 to 3.6 V and 1.8 V, byte addresses.
            1 => Some(Reply { response: 0x80FF_8080u32.to_be_bytes().to_vec(), data: Vec::new() }),
            2 | 10 => r2(self.cid()),
            9 => r2(self.csd()),
            3 | 7 | 12 | 13 | 16 | 23 => r1(0),
            // For an SD card it would be SEND_IF_COND, without data.
            8 if wanted == 512 => Some(Reply { data: self.ext_csd(), ..r1(0)? }),
            6 => {
                let (index, value) = ((argument >> 16 & 0xFF) as usize, (argument >> 8) as u8);
                if index == SANITIZE_START {
                    self.begin(argument, 0, Work::Sanitize);
                } else if index < self.modes.len() {
                    self.modes[index] = value;
                }
                r1(0)
            }
            17 | 18 => {
                let (first, count) = (u64::from(argument) / SECTOR, wanted as u64 / SECTOR);
                let data = self.medium(self.area()).read(first, count).ok()?;
                Some(Reply { data, ..r1(0)? })
            }
            24 | 25 if self.is_protected() => r1(WP_VIOLATION),
            24 | 25 => {
                let area = self.area();
                self.medium(area).write(u64::from(argument) / SECTOR, sent).ok()?;
                r1(0)
            }
            35 => {
                self.range.0 = Some(u64::from(argument) / SECTOR);
                r1(0)
            }
            36 => {
                self.range.1 = Some(u64::from(argument) / SECTOR);
                r1(0)
            }
            38 => r1(self.erase(argument)),
            _ => None,
        }
    }

    /// PARTITION_ACCESS: 0 main, 1 and 2 boot.
    fn area(&self) -> usize {
        usize::from(self.modes[PARTITION_CONFIG] & 7).min(2)
    }

    fn is_protected(&self) -> bool {
        match self.area() {
            0 => false,
            boot => self.boot_wp >> (2 * (boot - 1)) & 3 != 0,
        }
    }

    fn medium(&mut self, area: usize) -> &mut Medium {
        match area {
            0 => &mut self.main,
            boot => &mut self.boot[boot - 1],
        }
    }

    /// ERASE by its argument; the bits of its R1.
    fn erase(&mut self, argument: u32) -> u32 {
        let area = self.area();
        let (Some(first), Some(last)) = std::mem::take(&mut self.range) else { return ERASE_SEQ_ERROR };
        if self.is_protected() {
            return WP_ERASE_SKIP;
        }
        let work = match argument {
            1 => Work::Unmap(area),
            0x8000_0000 => Work::Remove(vec![(area, first, last)]),
            0x8000_0001 => {
                self.marked.push((area, first, last));
                Work::Remove(Vec::new())
            }
            0x8000_8000 => Work::Remove(std::mem::take(&mut self.marked)),
            _ => return ERASE_SEQ_ERROR,
        };
        self.begin(argument, area, work);
        0
    }

    fn begin(&mut self, argument: u32, area: usize, work: Work) {
        self.seen.push((argument, area));
        let place = self.since_power;
        self.since_power += 1;
        self.regret = self.regrets.filter(|(wrong, _)| *wrong == place).map_or(0, |(_, bits)| bits);
        match self.slow {
            Some((slow, time)) if slow == place => self.pending = Some((Instant::now() + time, work)),
            _ => self.carry_out(work),
        }
    }

    fn carry_out(&mut self, work: Work) {
        match work {
            // Not mapped any more; the cells keep what they hold until they are sanitized.
            Work::Unmap(area) => {
                let honest = self.how(area) == Erase::Whole;
                self.medium(area).unmapped = honest;
            }
            Work::Remove(ranges) => {
                for (area, first, last) in ranges {
                    self.remove(area, first, last);
                }
            }
            Work::Sanitize => self.sanitize_start(),
        }
    }

    fn how(&self, area: usize) -> Erase {
        if area == 0 { self.erase } else { self.boot_erase }
    }

    fn remove(&mut self, area: usize, first: u64, last: u64) {
        match self.how(area) {
            Erase::Whole => self.medium(area).fill(first, last + 1 - first, 0),
            other => {
                self.medium(area).erase(other);
            }
        }
    }

    /// What is not mapped is erased.
    fn sanitize_start(&mut self) {
        for area in 0..3 {
            let how = self.sanitize;
            let medium = self.medium(area);
            if medium.unmapped && how == Erase::Whole {
                medium.erase(how);
                medium.unmapped = false;
            }
        }
    }

    fn cid(&self) -> [u8; 15] {
        let mut cid = *b"\x01\x01\x4eRIGMMC\x10\0\0\0\0\x1b";
        cid[10..14].copy_from_slice(&self.serial.to_be_bytes());
        cid
    }

    /// Version 1.2, spec 4; blocks of 512 bytes, C_SIZE_MULT 7: 256 KiB a unit of C_SIZE.
    fn csd(&self) -> [u8; 15] {
        let mut csd = 0u128;
        let mut put = |low: u32, value: u128| csd |= value << low;
        let units = u128::from(self.main.sectors / 512);
        put(126, 2); // CSD_STRUCTURE
        put(122, 4); // SPEC_VERS
        put(112, 0x0E); // TAAC
        put(96, 0x32); // TRAN_SPEED
        put(84, 0x35); // CCC: basic, read, write, erase
        put(80, 9); // READ_BL_LEN
        put(62, units - 1); // C_SIZE
        put(47, 7); // C_SIZE_MULT
        put(42, 31); // ERASE_GRP_SIZE
        put(37, 31); // ERASE_GRP_MULT
        put(26, 2); // R2W_FACTOR
        put(22, 9); // WRITE_BL_LEN
        csd.to_be_bytes()[..15].try_into().unwrap()
    }

    fn ext_csd(&self) -> Vec<u8> {
        let mut data = vec![0; 512];
        data[..192].copy_from_slice(&self.modes);
        data[174] = self.boot_wp;
        (data[160], data[168], data[192], data[194], data[196]) = (1, 1, 7, 2, 1);
        data[212..216].copy_from_slice(&(self.main.sectors as u32).to_le_bytes());
        (data[217], data[221], data[223], data[224]) = (1, 1, 1, 1);
        data[226] = (self.boot[0].sectors / 256) as u8;
        (data[229], data[230], data[231], data[232]) = (1, 1, self.features, 1);
        data
    }
}
