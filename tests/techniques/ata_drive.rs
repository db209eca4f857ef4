//! An ATA drive with the state that its commands have by the standard, and bad habits.

use std::time::Duration;

use lastwrite::device::command::Data;
use lastwrite::device::command::ata::{Command, Outcome, Registers};
use lastwrite::device::transport::{Transport, TransportError};
use lastwrite::media::CommandSet;

use super::bench::{Medium, SERIAL, SIZE, Truth};

pub struct AtaDrive {
    pub medium: Medium,
    pub truth: Truth,
    pub serial: Vec<u8>,
    pub bad_checksum: bool,
    /// The path returns registers.
    pub registers: bool,
    /// And goes on to after the first erasing command.
    pub loses_registers: bool,
    pub sanitize: Sanitize,
    pub security: Security,
    pub max: Max,
    /// Every command: its name, and the time it was given.
    pub sent: Vec<(&'static str, Duration)>,
}

pub struct Sanitize {
    /// Word 59.
    pub support: u16,
    pub frozen: bool,
    pub completed: bool,
    pub failed: bool,
    /// Looks at the status until it has ended; `None` when none is running.
    pub running: Option<u32>,
    pub habit: Habit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    Honest,
    Fails,
    StallsAt655,
    DropsTheCommand,
    Refuses,
}

pub struct Security {
    pub password: Option<[u8; 32]>,
    pub locked: bool,
    pub frozen: bool,
    pub expired: bool,
    pub enhanced: bool,
    /// Words 89 and 90.
    pub times: (u16, u16),
    /// Log 30h page 06h bit 7.
    pub sanitize_overrides: bool,
    pub erase: EraseHabit,
    pub prepared: bool,
    pub ignores_set_password: bool,
    pub keeps_password: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EraseHabit {
    Completes,
    Aborts,
    /// Power is cut half way through: the drive comes back locked.
    LosesPower,
    /// Says success, and still has the password.
    LeavesPassword,
}

pub struct Max {
    /// Sectors that IDENTIFY DEVICE says, that HPA hides beyond, and that the factory made.
    pub accessible: u64,
    pub native: u64,
    pub factory: u64,
    pub has_hpa: bool,
    pub has_amac: bool,
    pub has_dco: bool,
    /// SET MAX and the restore take effect.
    pub honest: bool,
    pub dco_frozen: bool,
    pub native_was_read: bool,
    /// A lasting SET MAX since the last power cycle.
    pub set_once: bool,
    /// SET MAX shows only after a power cycle, and what it will show.
    pub shows_late: bool,
    pub late: Option<u64>,
}

impl AtaDrive {
    pub fn new(medium: &Medium) -> AtaDrive {
        let sectors = SIZE as u64 / 512;
        AtaDrive {
            medium: medium.clone(),
            truth: Truth::Erases,
            serial: SERIAL.as_bytes().to_vec(),
            bad_checksum: false,
            registers: true,
            loses_registers: false,
            sanitize: Sanitize {
                support: 0xF000,
                frozen: false,
                completed: false,
                failed: false,
                running: None,
                habit: Habit::Honest,
            },
            security: Security {
                password: None,
                locked: false,
                frozen: false,
                expired: false,
                enhanced: true,
                times: (50, 0x8064),
                sanitize_overrides: false,
                erase: EraseHabit::Completes,
                prepared: false,
                ignores_set_password: false,
                keeps_password: false,
            },
            max: Max {
                accessible: sectors,
                native: sectors,
                factory: sectors,
                has_hpa: true,
                has_amac: false,
                has_dco: true,
                honest: true,
                dco_frozen: false,
                native_was_read: false,
                set_once: false,
                shows_late: false,
                late: None,
            },
            sent: Vec::new(),
        }
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.sent.iter().map(|(name, _)| *name).collect()
    }

    /// Power off and on: what is frozen thaws, a password locks, a sanitize goes on.
    pub fn power_cycle(&mut self) {
        self.sanitize.frozen = false;
        self.security.frozen = false;
        self.security.expired = false;
        self.security.locked = self.security.password.is_some();
        self.max.set_once = false;
        if let Some(accessible) = self.max.late.take() {
            self.max.accessible = accessible;
        }
        self.max.dco_frozen = false;
    }

    pub fn identify(&self) -> Vec<u8> {
        let mut words = [0_u16; 256];
        for (word, pair) in words[10..20].iter_mut().zip(padded(&self.serial).chunks(2)) {
            *word = u16::from_be_bytes([pair[0], pair[1]]);
        }
        let s = &self.security;
        words[49] = 1 << 9;
        words[59] = self.sanitize.support;
        words[82] = 1 << 1 | u16::from(self.max.has_hpa) << 10;
        words[83] = 0x4000 | 1 << 10 | u16::from(self.max.has_dco) << 11;
        words[84] = 0x4000 | 1 << 5;
        words[85] = u16::from(s.password.is_some()) << 1;
        words[86] = 0x8000 | 1 << 10;
        words[87] = 0x4000 | 1 << 5;
        (words[89], words[90]) = s.times;
        for (word, at) in words[100..104].iter_mut().zip([0, 16, 32, 48]) {
            *word = (self.max.accessible >> at) as u16;
        }
        words[119] = 0x4000 | u16::from(self.max.has_amac) << 8;
        words[120] = words[119];
        words[128] = 1
            | u16::from(s.password.is_some()) << 1
            | u16::from(s.locked) << 2
            | u16::from(s.frozen) << 3
            | u16::from(s.expired) << 4
            | u16::from(s.enhanced) << 5;
        words[217] = 1;
        let mut data = checked(words.iter().flat_map(|word| word.to_le_bytes()).collect());
        data[511] = data[511].wrapping_add(u8::from(self.bad_checksum));
        data
    }

    fn overlay(&self) -> Vec<u8> {
        let mut data = vec![0; 512];
        data[0] = 2;
        data[6..12].copy_from_slice(&(self.max.factory - 1).to_le_bytes()[..6]);
        checked(data)
    }

    fn security_page(&self) -> Vec<u8> {
        let mut data = vec![0; 512];
        data[..8].copy_from_slice(&(1_u64 << 63 | 0x06_0001).to_le_bytes());
        let word = 1_u64 << 63 | u64::from(self.security.sanitize_overrides) << 7;
        data[48..56].copy_from_slice(&word.to_le_bytes());
        data
    }

    fn sanitize(&mut self, command: &Command) -> Reply {
        let s = &mut self.sanitize;
        if command.features == 0 {
            if s.failed {
                return Reply::Abort(1);
            }
            if let Some(left) = s.running {
                if s.habit == Habit::StallsAt655 {
                    return Reply::Good { count: 1 << 14, lba: 655 };
                }
                s.running = left.checked_sub(1);
                if s.running.is_none() {
                    self.truth.carry_out(&self.medium);
                    (s.completed, s.failed) = (s.habit != Habit::Fails, s.habit == Habit::Fails);
                    self.medium.shut(s.failed);
                }
                return Reply::Good { count: 1 << 14, lba: 0x1000 * u64::from(8 - left.min(8)) };
            }
            let count = u16::from(s.completed) << 15 | u16::from(s.frozen) << 13;
            return Reply::Good { count, lba: 0xFFFF };
        }
        let wanted = match (command.features, command.lba) {
            (0x11, 0x4372_7970) => 13,
            (0x12, 0x426B_4572) => 15,
            (0x14, 0x4F57_0000_0000) if command.count == 1 => 14,
            other => panic!("no sanitize command: {other:x?}"),
        };
        let locked = self.security.locked && !self.security.sanitize_overrides;
        if s.frozen || locked || s.habit == Habit::Refuses || s.support >> wanted & 1 == 0 {
            return Reply::Abort(if s.frozen { 3 } else { 2 });
        }
        self.registers &= !self.loses_registers;
        if s.habit != Habit::DropsTheCommand {
            (s.running, s.completed, s.failed) = (Some(3), false, false);
        }
        Reply::Good { count: 1 << 14, lba: 0 }
    }

    fn security(&mut self, command: &Command, block: &[u8]) -> Reply {
        let s = &mut self.security;
        let prepared = std::mem::take(&mut s.prepared);
        if s.frozen {
            return Reply::Abort(0);
        }
        let given: Option<[u8; 32]> = block.get(2..34).map(|bytes| bytes.try_into().unwrap());
        let right = given.is_some() && given == s.password;
        match command.command {
            0xF1 if !s.locked => {
                assert_eq!(block[..2], [0, 0], "user password, level High");
                if !s.ignores_set_password {
                    s.password = given;
                }
            }
            0xF2 if right => s.locked = false,
            0xF6 if right && !s.locked => {
                if !s.keeps_password {
                    s.password = None;
                }
            }
            0xF3 => s.prepared = true,
            0xF4 if right && prepared => {
                assert!(block[0] & !2 == 0 && block[1] == 0);
                assert!(block[0] & 2 == 0 || s.enhanced);
                self.registers &= !self.loses_registers;
                match s.erase {
                    EraseHabit::Aborts => return Reply::Abort(0),
                    EraseHabit::LosesPower => {
                        s.erase = EraseHabit::Completes;
                        Truth::ErasesHalf.carry_out(&self.medium);
                        self.power_cycle();
                        return Reply::Nothing;
                    }
                    EraseHabit::LeavesPassword => self.truth.carry_out(&self.medium),
                    EraseHabit::Completes => {
                        (s.password, s.locked) = (None, false);
                        self.truth.carry_out(&self.medium);
                    }
                }
            }
            _ => return Reply::Abort(0),
        }
        Reply::Good { count: 0, lba: 0 }
    }

    fn max_address(&mut self, command: &Command) -> Reply {
        let m = &mut self.max;
        let was_read = std::mem::take(&mut m.native_was_read);
        match (command.command, command.features) {
            (0x27, _) if m.has_hpa => {
                m.native_was_read = true;
                return Reply::Good { count: 0, lba: m.native - 1 };
            }
            (0x37, _) if was_read && !m.set_once && command.lba < m.native => {
                assert_eq!(command.count, 1, "non-volatile");
                m.set_once = true;
                if m.shows_late {
                    m.late = Some(command.lba + 1);
                } else if m.honest {
                    m.accessible = command.lba + 1;
                }
            }
            (0x78, 0) if m.has_amac => return Reply::Good { count: 0, lba: m.native - 1 },
            (0x78, 1) if m.has_amac && command.lba < m.native => {
                if m.honest {
                    m.accessible = command.lba + 1;
                }
            }
            (0xB1, 0xC0) if !m.dco_frozen && m.accessible == m.native && !m.set_once => {
                if m.honest {
                    (m.accessible, m.native) = (m.factory, m.factory);
                }
            }
            _ => return Reply::Abort(0),
        }
        Reply::Good { count: 0, lba: command.lba }
    }
}

enum Reply {
    Good {
        count: u16,
        lba: u64,
    },
    Abort(u8),
    /// The link went down.
    Nothing,
}

impl Transport for AtaDrive {
    fn offers(&self) -> Vec<CommandSet> {
        vec![CommandSet::Ata]
    }

    fn ata(&mut self, command: &Command, data: Data<'_>, timeout: Duration) -> Result<Outcome, TransportError> {
        self.sent.push((command.name, timeout));
        if !matches!(command.command, 0x27 | 0x37) {
            self.max.native_was_read = false;
        }
        if !matches!(command.command, 0xF3 | 0xF4) {
            self.security.prepared = false;
        }
        let had_registers = self.registers;
        let fill = |data: Data<'_>, bytes: Vec<u8>| {
            let Data::In(buffer) = data else { panic!("{} wants a buffer", command.name) };
            buffer.copy_from_slice(&bytes);
            Reply::Good { count: 0, lba: 0 }
        };
        let reply = match (command.command, command.features) {
            (0xEC, _) => fill(data, self.identify()),
            (0x2F, _) if command.lba == 0x0630 => fill(data, self.security_page()),
            (0xB1, 0xC2) if self.max.has_dco => fill(data, self.overlay()),
            (0xB4, _) => self.sanitize(command),
            (0xF1..=0xF6, _) => {
                let block = match data {
                    Data::Out(block) => block,
                    _ => &[],
                };
                self.security(command, block)
            }
            (0x27 | 0x37 | 0x78 | 0xB1, _) => self.max_address(command),
            _ => Reply::Abort(0),
        };
        let (error, count, lba, status) = match reply {
            Reply::Good { count, lba } => (0, count, lba, 0x50),
            Reply::Abort(reason) => (0x04, 0, u64::from(reason), 0x51),
            Reply::Nothing => return Err(TransportError::Gone { what: command.name.to_owned() }),
        };
        let registers = Registers { error, count, lba, device: 0x40, status, count_high: true, lba_high: true };
        let kept = had_registers && self.registers;
        Ok(Outcome { registers: kept.then_some(registers), sense: None, transferred: None })
    }
}

fn padded(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    text.resize(20, b' ');
    text
}

fn checked(mut data: Vec<u8>) -> Vec<u8> {
    data[510] = 0xA5;
    let sum = data[..511].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    data[511] = sum.wrapping_neg();
    data
}
