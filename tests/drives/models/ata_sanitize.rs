//! SANITIZE DEVICE of the ATA model (ACS-5 7.36).

use std::time::Instant;

use super::ata::{ABORTED, Ata, Reply, Task, progress};
use crate::rig::Erase;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Running(Instant),
    Failed,
}

/// Sanitize feature set.
#[derive(Debug, Default)]
pub struct Sanitize {
    state: State,
    /// Until power goes.
    pub frozen: bool,
    /// Comes up frozen.
    pub frozen_at_start: bool,
    /// COUNT bit 15: the last one came to a good end.
    completed: bool,
    /// SANITIZE STATUS EXT says that nothing ever was, whatever was.
    pub forgets: bool,
}

const FAILURE: u8 = 1;
const UNSUPPORTED: u8 = 2;
const FROZEN: u8 = 3;

impl Sanitize {
    pub fn running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// While it sanitizes, and after a failure, little else is answered.
    pub fn allows(&self, command: u8) -> bool {
        self.state == State::Idle || matches!(command, 0xb4 | 0xec | 0xe5 | 0x2f | 0x47 | 0xe7 | 0xea | 0xb0)
    }
}

impl Ata {
    pub fn tick_sanitize(&mut self) {
        if let State::Running(since) = self.sanitize.state
            && since.elapsed() >= self.erase_time
            && self.erase != Erase::Stalls
        {
            let erase = if std::mem::take(&mut self.fails_first) { Erase::Fails } else { self.erase };
            let good = self.medium.erase(erase);
            self.sanitize.completed = good;
            self.sanitize.state = if good { State::Idle } else { State::Failed };
        }
    }

    pub fn sanitize_device(&mut self, task: &Task) -> Reply {
        if self.word59 & 0x1000 == 0 {
            return Reply::abort();
        }
        let refuse = |why: u8| Reply::error(ABORTED, u64::from(why));
        let offered = match (task.features, task.lba) {
            (0x0000, _) => return self.sanitize_status(task.count & 1 == 1),
            (0x0020, 0x4672_4c6b) => {
                self.sanitize.frozen = true;
                return self.sanitize_status(false);
            }
            (0x0011, 0x4372_7970) => 0x2000,
            (0x0012, 0x426b_4572) => 0x8000,
            (0x0014, lba) if lba >> 32 == 0x4f57 => 0x4000,
            _ => return refuse(UNSUPPORTED),
        };
        if self.word59 & offered == 0 {
            return refuse(UNSUPPORTED);
        }
        // A locked drive aborts too (ACS-5 4.17.2).
        if self.sanitize.frozen || self.security.locked {
            return refuse(FROZEN);
        }
        if self.sanitize.running() {
            return Reply::abort();
        }
        self.sanitize.completed = false;
        self.sanitize.state = State::Running(Instant::now());
        Reply { count: 0x4000, ..Reply::good() }
    }

    fn sanitize_status(&mut self, leave_failure: bool) -> Reply {
        let frozen = u16::from(self.sanitize.frozen) << 13;
        if self.sanitize.forgets {
            return Reply { lba: 0xffff, ..Reply::good() };
        }
        match self.sanitize.state {
            State::Failed if leave_failure => {
                self.sanitize.state = State::Idle;
                Reply { count: frozen, lba: 0xffff, ..Reply::good() }
            }
            State::Failed => Reply { count: frozen, ..Reply::error(ABORTED, u64::from(FAILURE)) },
            State::Running(_) if self.erase == Erase::Stalls => Reply { count: 0x4000, lba: 655, ..Reply::good() },
            State::Running(since) => {
                Reply { count: 0x4000 | frozen, lba: progress(since, self.erase_time).into(), ..Reply::good() }
            }
            State::Idle => {
                Reply { count: u16::from(self.sanitize.completed) << 15 | frozen, lba: 0xffff, ..Reply::good() }
            }
        }
    }
}
