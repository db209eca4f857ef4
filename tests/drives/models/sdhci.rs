//! An SD host controller (SD Host Controller Simplified Specification 2.00) with ADMA2, before the model of
//! `emmc`: what carries an eMMC card into the booted kernel.

use std::sync::{Arc, Mutex, MutexGuard};

use super::emmc::Card;
use crate::rig::memory::{Memory, put, u16_at, u32_at};
use crate::rig::plug::{Drive, Plug, Socket, vfio_user};
use crate::rig::vfio::{Device, Host, serve};

/// A card in a controller of its own; clones share it.
#[derive(Clone)]
pub struct MmcDrive(Arc<Mutex<Sdhci>>);

impl MmcDrive {
    pub fn new(card: Card) -> MmcDrive {
        let registers = [0; 256];
        let sdhci = Sdhci { card, registers, status: 0, raised: false, waits: false, waits_by_itself: false };
        MmcDrive(Arc::new(Mutex::new(sdhci)))
    }

    /// Behind a controller of which the kernel knows that it waits for the card, however long that takes: it does
    /// not ask the card itself whether an erase has ended.
    pub fn behind_one_that_waits(card: Card) -> MmcDrive {
        let drive = MmcDrive::new(card);
        drive.0.lock().unwrap().waits_by_itself = true;
        drive
    }

    pub fn lock(&self) -> CardGuard<'_> {
        CardGuard(self.0.lock().unwrap())
    }

    /// As the kernel writes it.
    pub fn serial(&self) -> String {
        format!("0x{:08x}", self.lock().serial)
    }

    /// Sectors of the old content that are left in the main area and each boot partition.
    pub fn parts(&self) -> [usize; 3] {
        let card = self.lock();
        [card.main.left(), card.boot[0].left(), card.boot[1].left()]
    }
}

pub struct CardGuard<'a>(MutexGuard<'a, Sdhci>);

impl std::ops::Deref for CardGuard<'_> {
    type Target = Card;
    fn deref(&self) -> &Card {
        &self.0.card
    }
}

impl std::ops::DerefMut for CardGuard<'_> {
    fn deref_mut(&mut self) -> &mut Card {
        &mut self.0.card
    }
}

impl Plug for MmcDrive {
    fn plug(&self, sockets: &mut Socket) -> Vec<String> {
        let path = sockets.path();
        serve(&path, self.0.clone());
        vfio_user(&path)
    }
}

/// All of the card.
impl Drive for MmcDrive {
    fn left(&self) -> (usize, usize) {
        let left = self.parts().iter().sum();
        let card = self.lock();
        (left, card.main.all() + card.boot[0].all() + card.boot[1].all())
    }
}

pub struct Sdhci {
    card: Card,
    registers: [u8; 256],
    /// Normal and error interrupt status.
    status: u32,
    /// The pin was pulled, and is masked since.
    raised: bool,
    /// A command that ends when the card is not busy any more.
    waits: bool,
    /// Intel's of Apollo Lake by its ids, with the slowest clock for timeouts that there is.
    waits_by_itself: bool,
}

const BLOCK_SIZE: usize = 0x04;
const BLOCK_COUNT: usize = 0x06;
const ARGUMENT: usize = 0x08;
const TRANSFER_MODE: usize = 0x0C;
const COMMAND: u64 = 0x0E;
const RESPONSE: usize = 0x10;
const PRESENT_STATE: usize = 0x24;
const CLOCK: usize = 0x2C;
const RESET: u64 = 0x2F;
const STATUS: usize = 0x30;
const ENABLE: usize = 0x34;
const SIGNAL: usize = 0x38;
const CAPABILITIES: usize = 0x40;
const ADMA: usize = 0x58;
const VERSION: usize = 0xFE;

/// Command complete, transfer complete; command timeout, in the upper half.
const COMPLETE: u32 = 1;
const TRANSFERRED: u32 = 2;
const TIMEOUT: u32 = 1 << 16;

impl Device for Sdhci {
    const BAR: u32 = 0;
    const VECTORS: u32 = 1;
    const IDS: (u16, u16, u32) = (0x1b36, 0x0fe0, 0x08_05_01);
    const BY_PIN: bool = true;

    fn ids(&self) -> (u16, u16, u32) {
        if self.waits_by_itself { (0x8086, 0x5acc, 0x08_05_01) } else { Self::IDS }
    }

    fn read(&mut self, at: u64, length: usize) -> Vec<u8> {
        let mut all = self.registers;
        // A card is in, nothing is going on; the clock is stable; ADMA2, 3.3 V, 50 MHz.
        // DAT0 is low while it is busy.
        let state: u32 = if self.card.busy() { 0x01EF_0000 } else { 0x01FF_0000 };
        put(&mut all, PRESENT_STATE, &state.to_le_bytes());
        all[CLOCK] |= (all[CLOCK] & 1) << 1;
        let error = if self.status >> 16 != 0 { 0x8000 } else { 0 };
        put(&mut all, STATUS, &(self.status | error).to_le_bytes());
        // 48 MHz or 1 kHz.
        let timeouts: u32 = if self.waits_by_itself { 0x01 } else { 0xB0 };
        put(&mut all, CAPABILITIES, &(0x0108_3200 | timeouts).to_le_bytes());
        put(&mut all, VERSION, &1u16.to_le_bytes());
        let at = at as usize;
        if at + length <= all.len() { all[at..at + length].to_vec() } else { vec![0; length] }
    }

    fn write(&mut self, at: u64, bytes: &[u8], host: &Host) {
        let start = at as usize;
        if start + bytes.len() > self.registers.len() {
            return;
        }
        if (STATUS..STATUS + 4).contains(&start) {
            let mut clear = [0; 4];
            put(&mut clear, start - STATUS, bytes);
            self.status &= !u32::from_le_bytes(clear);
            return;
        }
        put(&mut self.registers, start, bytes);
        match at {
            COMMAND => self.command(host),
            RESET => {
                if bytes[0] & 1 != 0 {
                    self.registers = [0; 256];
                }
                self.registers[RESET as usize] = 0;
                self.status = 0;
            }
            _ => self.event(0, host),
        }
    }

    fn tick(&mut self, host: &Host) {
        self.card.tick();
        if self.waits && !self.card.busy() {
            self.waits = false;
            self.event(TRANSFERRED, host);
        }
    }

    fn unmask(&mut self, host: &Host) {
        self.raised = false;
        self.event(0, host);
    }

    fn reset(&mut self) {
        (self.registers, self.status, self.raised, self.waits) = ([0; 256], 0, false, false);
        self.card.reset();
    }
}

impl Sdhci {
    fn event(&mut self, bits: u32, host: &Host) {
        self.status |= bits & u32_at(&self.registers, ENABLE);
        if self.status & u32_at(&self.registers, SIGNAL) != 0 && !self.raised {
            self.raised = true;
            host.interrupt(0);
        }
    }

    fn command(&mut self, host: &Host) {
        let command = u16_at(&self.registers, COMMAND as usize);
        let (opcode, kind, with_data) = ((command >> 8 & 0x3F) as u8, command & 3, command & 0x20 != 0);
        let mode = u16_at(&self.registers, TRANSFER_MODE);
        let blocks = if mode & 0x20 != 0 { u16_at(&self.registers, BLOCK_COUNT) } else { 1 };
        let length = match with_data {
            true => usize::from(u16_at(&self.registers, BLOCK_SIZE) & 0xFFF) * usize::from(blocks),
            false => 0,
        };
        let reads = mode & 0x10 != 0;
        let places = if with_data { descriptors(&host.memory, u32_at(&self.registers, ADMA)) } else { Vec::new() };
        let sent: Vec<u8> = match reads {
            true => Vec::new(),
            false => places.iter().flat_map(|(at, n)| host.memory.read(*at, *n)).take(length).collect(),
        };
        let argument = u32_at(&self.registers, ARGUMENT);
        let Some(reply) = self.card.command(opcode, argument, &sent, if reads { length } else { 0 }) else {
            return self.event(TIMEOUT, host);
        };
        let mut response = [0; 16];
        for (place, byte) in response.iter_mut().zip(reply.response.iter().rev()) {
            *place = *byte;
        }
        put(&mut self.registers, RESPONSE, &response);
        let mut data = &reply.data[..];
        for (at, n) in places.iter().filter(|_| reads) {
            let (piece, rest) = data.split_at((*n).min(data.len()));
            host.memory.write(*at, piece);
            data = rest;
        }
        // A response with busy ends like a transfer.
        self.waits = kind == 3 && self.card.busy();
        let transferred = if with_data || kind == 3 && !self.waits { TRANSFERRED } else { 0 };
        self.event(COMPLETE | transferred, host);
    }
}

/// The pieces of guest memory that a table of 32-bit descriptors names.
fn descriptors(memory: &Memory, table: u32) -> Vec<(u64, usize)> {
    let (mut at, mut pieces) = (u64::from(table), Vec::new());
    for _ in 0..1024 {
        let entry = memory.read(at, 8);
        let (attributes, length, address) = (entry[0], u16_at(&entry, 2), u64::from(u32_at(&entry, 4)));
        at += 8;
        match (attributes & 1, attributes & 0x30) {
            (0, _) => break,
            (_, 0x30) => at = address,
            (_, 0x20) => pieces.push((address, if length == 0 { 0x1_0000 } else { usize::from(length) })),
            _ => {}
        }
        if attributes & 2 != 0 {
            break;
        }
    }
    pieces
}
