//! The registers and queues of an NVMe controller on PCI Express, before the model of `nvme`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::nvme::{LATER, NEVER, Nvme};
use crate::rig::medium::SECTOR;
use crate::rig::memory::{Memory, u16_at, u32_at, u64_at};
use crate::rig::plug::{Drive, Plug, Powered, Socket, Supply, vfio_user};
use crate::rig::vfio::{Device, Host, serve};

/// A drive that can be plugged; clones share the drive.
#[derive(Clone)]
pub struct NvmeDrive {
    bus: Arc<Mutex<Bus>>,
    supply: Arc<Supply>,
}

impl NvmeDrive {
    pub fn new(drive: Nvme) -> NvmeDrive {
        let supply = Arc::new(Supply::default());
        let bus = Bus {
            drive,
            regs: Registers::default(),
            sqs: HashMap::new(),
            cqs: HashMap::new(),
            format_command: None,
            supply: supply.clone(),
        };
        NvmeDrive { bus: Arc::new(Mutex::new(bus)), supply }
    }

    /// Write commands taken up so far.
    pub fn writes(&self) -> u64 {
        self.supply.writes()
    }

    /// The drive itself, for a test to look into or change while it is in use.
    pub fn lock(&self) -> DriveGuard<'_> {
        DriveGuard(self.bus.lock().unwrap())
    }
}

pub struct DriveGuard<'a>(MutexGuard<'a, Bus>);

impl std::ops::Deref for DriveGuard<'_> {
    type Target = Nvme;
    fn deref(&self) -> &Nvme {
        &self.0.drive
    }
}

impl std::ops::DerefMut for DriveGuard<'_> {
    fn deref_mut(&mut self) -> &mut Nvme {
        &mut self.0.drive
    }
}

impl Plug for NvmeDrive {
    fn plug(&self, sockets: &mut Socket) -> Vec<String> {
        let path = sockets.path();
        serve(&path, self.bus.clone());
        vfio_user(&path)
    }
}

impl Powered for NvmeDrive {
    fn power(&self, on: bool) {
        self.supply.set(on);
        if !on {
            self.lock().power_off();
        }
    }

    fn cut_after(&self, sectors: u64) {
        self.lock().medium.cut_after = Some(sectors);
    }

    fn is_off(&self) -> bool {
        self.supply.is_off()
    }

    fn busy(&self) -> bool {
        self.lock().busy()
    }

    fn pace(&self, erase: Duration, write: Duration) {
        let drive = &mut self.lock();
        (drive.erase_time, drive.write_time) = (erase, write);
    }
}

impl Drive for NvmeDrive {
    fn left(&self) -> (usize, usize) {
        let drive = self.lock();
        (drive.medium.left(), drive.medium.all())
    }
}

#[derive(Default)]
struct Registers {
    configuration: u32,
    status: u32,
    admin_sizes: u32,
    submission: u64,
    completion: u64,
}

struct Submission {
    base: u64,
    entries: u32,
    head: u32,
    completion: u16,
}

struct Completion {
    base: u64,
    entries: u32,
    tail: u32,
    phase: u16,
    vector: usize,
    interrupts: bool,
}

pub struct Bus {
    drive: Nvme,
    regs: Registers,
    sqs: HashMap<u16, Submission>,
    cqs: HashMap<u16, Completion>,
    /// Waits for its end.
    format_command: Option<u16>,
    supply: Arc<Supply>,
}

impl Device for Bus {
    const BAR: u32 = 0;
    const VECTORS: u32 = 4;
    // Not 1b36:0010, for which the kernel ignores the namespace's identifiers.
    const IDS: (u16, u16, u32) = (0x1b36, 0x1010, 0x01_08_02);

    fn read(&mut self, at: u64, length: usize) -> Vec<u8> {
        if self.drive.gone {
            return vec![0xff; length];
        }
        // CAP: 1024 entries, contiguous queues, 20 s, the NVM command set. VS: 1.4.
        let capabilities: u64 = 1023 | 1 << 16 | 40 << 24 | 1 << 37;
        let word = |v: u64| v.to_le_bytes()[..length.min(8)].to_vec();
        match at {
            0x00 => word(capabilities),
            0x04 => word(capabilities >> 32),
            0x08 => word(0x0001_0400),
            0x14 => word(self.regs.configuration.into()),
            0x1c => word(self.regs.status.into()),
            0x24 => word(self.regs.admin_sizes.into()),
            0x28 => word(self.regs.submission),
            0x2c => word(self.regs.submission >> 32),
            0x30 => word(self.regs.completion),
            0x34 => word(self.regs.completion >> 32),
            _ => vec![0; length],
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8], host: &Host) {
        if self.drive.gone {
            return;
        }
        let low = u32::from_le_bytes(std::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0)));
        let base = |old: u64, high: bool| match (high, bytes.len()) {
            (false, 8) => u64_at(bytes, 0),
            (false, _) => old & !0xffff_ffff | u64::from(low),
            (true, _) => old & 0xffff_ffff | u64::from(low) << 32,
        };
        match at {
            0x14 => self.configure(low),
            0x24 => self.regs.admin_sizes = low,
            0x28 => self.regs.submission = base(self.regs.submission, false),
            0x2c => self.regs.submission = base(self.regs.submission, true),
            0x30 => self.regs.completion = base(self.regs.completion, false),
            0x34 => self.regs.completion = base(self.regs.completion, true),
            0x1000.. => {
                let (queue, of_completion) = ((at - 0x1000) / 8, (at - 0x1000) / 4 % 2 == 1);
                if !of_completion {
                    self.submit(queue as u16, low & 0xffff, host);
                }
            }
            _ => {}
        }
    }

    fn tick(&mut self, host: &Host) {
        if self.supply.is_off() {
            return;
        }
        self.drive.tick();
        if let Some(command) = self.format_command
            && let Some(status) = self.drive.format_ended()
        {
            self.format_command = None;
            self.complete(0, command, status, 0, host);
        }
    }

    fn reset(&mut self) {
        self.regs = Registers::default();
        self.sqs.clear();
        self.cqs.clear();
        self.format_command = None;
    }
}

impl Bus {
    fn configure(&mut self, value: u32) {
        let was = self.regs.configuration;
        if value & 1 == 1 && was & 1 == 0 {
            self.sqs.clear();
            self.cqs.clear();
            let entries = (self.regs.admin_sizes & 0xfff) + 1;
            let answers = (self.regs.admin_sizes >> 16 & 0xfff) + 1;
            self.sqs.insert(0, Submission { base: self.regs.submission, entries, head: 0, completion: 0 });
            self.cqs.insert(0, Completion::new(self.regs.completion, answers, 0, true));
            self.regs.status = 1;
        }
        if value & 1 == 0 {
            self.regs.status = 0;
        }
        if value & 0xc000 != 0 {
            self.regs.status |= 8; // shutdown complete
        }
        self.regs.configuration = value;
    }

    fn submit(&mut self, queue: u16, tail: u32, host: &Host) {
        loop {
            let Some(q) = self.sqs.get_mut(&queue) else { return };
            if q.head == tail || self.drive.gone || self.supply.is_off() {
                return;
            }
            let sqe = host.memory.read(q.base + u64::from(q.head) * 64, 64);
            q.head = (q.head + 1) % q.entries;
            let answer =
                if queue == 0 { self.admin(&sqe, &host.memory) } else { Some((self.io(&sqe, &host.memory), 0)) };
            if std::mem::take(&mut self.drive.medium.cut) {
                self.supply.set(false);
                return;
            }
            if let Some((status, result)) = answer {
                self.complete(queue, u16_at(&sqe, 2), status, result, host);
            }
        }
    }

    /// `None`: no answer yet, or ever.
    fn admin(&mut self, sqe: &[u8], memory: &Memory) -> Option<(u16, u32)> {
        let (dword10, dword11, base) = (u32_at(sqe, 40), u32_at(sqe, 44), u64_at(sqe, 24));
        let (queue, entries) = (dword10 as u16, (dword10 >> 16) + 1);
        match sqe[0] {
            0x05 => {
                let vector = (dword11 >> 16) as usize;
                self.cqs.insert(queue, Completion::new(base, entries, vector, dword11 & 2 != 0));
            }
            0x01 => {
                let completion = (dword11 >> 16) as u16;
                self.sqs.insert(queue, Submission { base, entries, head: 0, completion });
            }
            0x00 => {
                self.sqs.remove(&queue);
            }
            0x04 => {
                self.cqs.remove(&queue);
            }
            // An asynchronous event request waits for ever.
            0x0c => return None,
            _ => {
                let sent = if sqe[0] == 0x81 { gather(memory, sqe, dword11 as usize) } else { Vec::new() };
                let (status, result, data) = self.drive.admin(sqe, &sent);
                if let Some(data) = data {
                    scatter(memory, sqe, &data);
                }
                if status == NEVER {
                    return None;
                }
                if status == LATER {
                    self.format_command = Some(u16_at(sqe, 2));
                    return None;
                }
                return Some((status, result));
            }
        }
        Some((0, 0))
    }

    fn io(&mut self, sqe: &[u8], memory: &Memory) -> u16 {
        if sqe[0] == 1 {
            self.supply.count_write();
        }
        let count = u64::from(u32_at(sqe, 48) & 0xffff) + 1;
        let sent = match sqe[0] {
            1 => gather(memory, sqe, (count * SECTOR) as usize),
            9 => gather(memory, sqe, (sqe[40] as usize + 1) * 16),
            _ => Vec::new(),
        };
        let (status, data) = self.drive.io(sqe, &sent);
        if let Some(data) = data {
            scatter(memory, sqe, &data);
        }
        status
    }

    fn complete(&mut self, queue: u16, command: u16, status: u16, result: u32, host: &Host) {
        let Some(q) = self.sqs.get(&queue) else { return };
        let (head, to) = (q.head as u16, q.completion);
        let Some(c) = self.cqs.get_mut(&to) else { return };
        let mut entry = Vec::with_capacity(16);
        entry.extend(result.to_le_bytes());
        entry.extend([0; 4]);
        for word in [head, queue, command, status << 1 | c.phase] {
            entry.extend(word.to_le_bytes());
        }
        host.memory.write(c.base + u64::from(c.tail) * 16, &entry);
        c.tail += 1;
        if c.tail == c.entries {
            c.tail = 0;
            c.phase ^= 1;
        }
        if c.interrupts {
            host.interrupt(c.vector);
        }
    }
}

impl Completion {
    fn new(base: u64, entries: u32, vector: usize, interrupts: bool) -> Completion {
        Completion { base, entries, tail: 0, phase: 1, vector, interrupts }
    }
}

/// The pieces of guest memory that a command's PRPs name.
fn pieces(memory: &Memory, sqe: &[u8], length: usize) -> Vec<(u64, usize)> {
    const PAGE: usize = 4096;
    let (first, mut second) = (u64_at(sqe, 24), u64_at(sqe, 32));
    let n = length.min(PAGE - (first as usize & (PAGE - 1)));
    let (mut pieces, mut left) = (vec![(first, n)], length - n);
    if left == 0 {
        return pieces;
    }
    if left <= PAGE {
        pieces.push((second, left));
        return pieces;
    }
    while left > 0 {
        let entries = (PAGE - (second as usize & (PAGE - 1))) / 8;
        let list = memory.read(second, entries * 8);
        for i in 0..entries {
            let entry = u64_at(&list, i * 8);
            if i == entries - 1 && left > PAGE {
                second = entry;
                break;
            }
            let n = left.min(PAGE);
            pieces.push((entry, n));
            left -= n;
            if left == 0 {
                break;
            }
        }
    }
    pieces
}

fn scatter(memory: &Memory, sqe: &[u8], data: &[u8]) {
    let mut done = 0;
    for (at, n) in pieces(memory, sqe, data.len()) {
        memory.write(at, &data[done..done + n]);
        done += n;
    }
}

fn gather(memory: &Memory, sqe: &[u8], length: usize) -> Vec<u8> {
    pieces(memory, sqe, length).into_iter().flat_map(|(at, n)| memory.read(at, n)).collect()
}
