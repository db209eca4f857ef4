//! The Security feature set of the ATA model (ACS-5 4.18): passwords, freeze, SECURITY ERASE UNIT.

use std::time::{Duration, Instant};

use super::ata::{Ata, Reply, Task};
use crate::rig::Erase;

const ATTEMPTS: u8 = 5;

#[derive(Debug)]
pub struct Security {
    pub supported: bool,
    pub enhanced: bool,
    pub enabled: bool,
    pub locked: bool,
    pub frozen: bool,
    /// Comes up frozen, as firmware of PCs leaves it; gone after a wake from sleep.
    pub frozen_at_start: bool,
    /// And again after each loss of power, as firmware of some machines does when they wake.
    pub freezes_again: bool,
    /// Somebody guessed five times before.
    pub expires_at_start: bool,
    pub password: [u8; 32],
    pub attempts: u8,
    prepared: bool,
    /// SECURITY ERASE UNIT goes on since.
    pub erasing: Option<Instant>,
}

impl Default for Security {
    fn default() -> Security {
        Security {
            supported: true,
            enhanced: true,
            enabled: false,
            locked: false,
            frozen: false,
            frozen_at_start: false,
            freezes_again: false,
            expires_at_start: false,
            password: [0; 32],
            attempts: ATTEMPTS,
            prepared: false,
            erasing: None,
        }
    }
}

impl Security {
    /// A password that nobody here knows.
    pub fn set(&mut self, password: &str) {
        self.password = padded(password.as_bytes());
        self.enabled = true;
        self.locked = true;
    }

    pub fn word128(&self) -> u16 {
        let bit = |set: bool, n: u16| u16::from(set) << n;
        if !self.supported {
            return 0;
        }
        bit(true, 0)
            | bit(self.enabled, 1)
            | bit(self.locked, 2)
            | bit(self.frozen, 3)
            | bit(self.attempts == 0, 4)
            | bit(self.enhanced, 5)
    }

    pub fn power_on(&mut self) {
        self.frozen = self.freezes_again;
        self.locked = self.enabled;
        self.attempts = if self.expires_at_start { 0 } else { ATTEMPTS };
        self.prepared = false;
    }

    /// SECURITY ERASE PREPARE counts for the very next command only.
    pub fn take_prepared(&mut self) -> bool {
        std::mem::take(&mut self.prepared)
    }

    fn matches(&mut self, sent: &[u8]) -> bool {
        let same = self.enabled && sent[2..34] == self.password;
        if !same && self.enabled {
            self.attempts = self.attempts.saturating_sub(1);
        }
        same
    }
}

impl Ata {
    pub fn tick_security(&mut self) {
        if let Some(since) = self.security.erasing
            && since.elapsed() >= self.erase_time
            && self.erase != Erase::Stalls
        {
            self.security.erasing = None;
            if self.medium.erase(self.erase) {
                self.security.enabled = false;
                self.security.locked = false;
            }
        }
    }

    pub fn security_command(&mut self, task: &Task, sent: &[u8], prepared: bool) -> Reply {
        let s = &mut self.security;
        let needs_data = matches!(task.command, 0xf1 | 0xf2 | 0xf4 | 0xf6);
        if !s.supported || needs_data && sent.len() < 512 {
            return Reply::abort();
        }
        if s.frozen && task.command != 0xf5 {
            return Reply::abort();
        }
        match task.command {
            // SET PASSWORD; the master password is not kept here.
            0xf1 if s.locked => Reply::abort(),
            0xf1 => {
                if sent[0] & 1 == 0 {
                    s.password = padded(&sent[2..34]);
                    s.enabled = true;
                }
                Reply::good()
            }
            0xf2 | 0xf4 if s.attempts == 0 => Reply::abort(),
            0xf2 => {
                let same = s.matches(sent);
                s.locked &= !same;
                if same { Reply::good() } else { Reply::abort() }
            }
            0xf3 => {
                s.prepared = true;
                Reply::good()
            }
            0xf4 => {
                let enhanced = sent[0] & 2 != 0;
                if !prepared || enhanced && !s.enhanced || !s.matches(sent) {
                    return Reply::abort();
                }
                s.erasing = Some(Instant::now());
                match self.erase {
                    Erase::Fails => Reply { after: self.erase_time, ..Reply::abort() },
                    Erase::Stalls => Reply { after: Duration::from_secs(1 << 20), ..Reply::good() },
                    _ => Reply { after: self.erase_time, ..Reply::good() },
                }
            }
            0xf5 => {
                s.frozen = true;
                Reply::good()
            }
            _ if s.locked => Reply::abort(),
            _ => {
                let same = s.matches(sent);
                s.enabled &= !same;
                if same { Reply::good() } else { Reply::abort() }
            }
        }
    }
}

fn padded(password: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..password.len().min(32)].copy_from_slice(&password[..password.len().min(32)]);
    bytes
}
