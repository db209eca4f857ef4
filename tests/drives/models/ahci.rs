//! An AHCI host bus adapter with one port (AHCI 1.3.1), before the model of `ata`. No NCQ.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::ata::{Ata, READY, Reply, Task};
use crate::rig::memory::{Memory, u16_at, u32_at, u64_at};
use crate::rig::plug::{Drive, Plug, Powered, Socket, Supply, vfio_user};
use crate::rig::vfio::{Device, Host, serve};

/// A drive that can be plugged; clones share the drive.
#[derive(Clone)]
pub struct SataDrive {
    bus: Arc<Mutex<Ahci>>,
    supply: Arc<Supply>,
}

impl SataDrive {
    pub fn new(drive: Ata) -> SataDrive {
        let supply = Arc::new(Supply::default());
        SataDrive { bus: Arc::new(Mutex::new(Ahci::new(drive, supply.clone()))), supply }
    }

    /// The drive itself, for a test to look into or change while it is in use.
    pub fn lock(&self) -> DriveGuard<'_> {
        DriveGuard(self.bus.lock().unwrap())
    }

    /// Write commands taken up so far.
    pub fn writes(&self) -> u64 {
        self.supply.writes()
    }

    /// Another drive hangs on the cable from now on; gives the one that did.
    pub fn swap(&self, other: Ata) -> Ata {
        std::mem::replace(&mut self.bus.lock().unwrap().drive, other)
    }
}

pub struct DriveGuard<'a>(MutexGuard<'a, Ahci>);

impl std::ops::Deref for DriveGuard<'_> {
    type Target = Ata;
    fn deref(&self) -> &Ata {
        &self.0.drive
    }
}

impl std::ops::DerefMut for DriveGuard<'_> {
    fn deref_mut(&mut self) -> &mut Ata {
        &mut self.0.drive
    }
}

impl Plug for SataDrive {
    fn plug(&self, sockets: &mut Socket) -> Vec<String> {
        {
            let mut bus = self.bus.lock().unwrap();
            bus.resets = 0;
            bus.drive.power_on();
            bus.drive.security.frozen = bus.drive.security.frozen_at_start;
            bus.drive.sanitize.frozen = bus.drive.sanitize.frozen_at_start;
        }
        let path = sockets.path();
        serve(&path, self.bus.clone());
        vfio_user(&path)
    }
}

impl Powered for SataDrive {
    fn power(&self, on: bool) {
        self.supply.set(on);
        let mut drive = self.lock();
        if on { drive.power_on() } else { drive.power_off() }
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

impl Drive for SataDrive {
    fn left(&self) -> (usize, usize) {
        let drive = self.lock();
        (drive.medium.left(), drive.medium.all())
    }
}

/// Port registers, by their names in the standard.
#[derive(Default)]
struct Port {
    clb: u64,
    fb: u64,
    is: u32,
    ie: u32,
    cmd: u32,
    tfd: u32,
    sig: u32,
    ssts: u32,
    sctl: u32,
    serr: u32,
    ci: u32,
}

/// What a command in its slot needs to be ended.
struct Slot {
    number: u32,
    flags: u32,
    table: u64,
    task: Task,
    reply: Reply,
    due: Instant,
}

pub struct Ahci {
    drive: Ata,
    port: Port,
    interrupts: bool,
    pending_ports: u32,
    waiting: Option<Slot>,
    resets: u32,
    supply: Arc<Supply>,
}

const LINK: u32 = 0x133;
const NO_DRIVE: u32 = 0x7f;
const ATA_SIGNATURE: u32 = 0x101;
const BUSY: u32 = 0x80;
/// Interrupt bits of a port: register FIS, PIO setup FIS, connect, PhyRdy, task file error.
const DHRS: u32 = 1;
const PSS: u32 = 2;
const PCS: u32 = 1 << 6;
const PRCS: u32 = 1 << 22;
const TFES: u32 = 1 << 30;

impl Ahci {
    fn new(drive: Ata, supply: Arc<Supply>) -> Ahci {
        let mut bus = Ahci {
            drive,
            port: Port::default(),
            interrupts: false,
            pending_ports: 0,
            waiting: None,
            resets: 0,
            supply,
        };
        bus.port_reset();
        bus
    }

    fn port_reset(&mut self) {
        let ssts = if self.drive.gone { 0 } else { LINK };
        self.port = Port { cmd: 6, tfd: NO_DRIVE, sig: u32::MAX, ssts, ..Port::default() };
        self.waiting = None;
    }

    fn interrupt(&mut self, host: &Host) {
        if self.port.is & self.port.ie != 0 {
            self.pending_ports |= 1;
            if self.interrupts {
                host.interrupt(0);
            }
        }
    }

    /// The drive's registers travel to the host (register FIS).
    fn register_fis(&mut self, reply: &Reply, device: u8, host: &Host) {
        let mut fis = [0; 20];
        fis[0] = 0x34;
        fis[1] = 0x40;
        put_registers(&mut fis, reply, device);
        self.port.tfd = u32::from(reply.status) | u32::from(reply.error) << 8;
        if self.port.cmd & 0x10 != 0 {
            host.memory.write(self.port.fb + 0x40, &fis);
        }
        self.port.is |= DHRS;
    }

    fn signature(&mut self, host: &Host) {
        self.port.sig = ATA_SIGNATURE;
        let reply = Reply { status: READY, error: 1, count: 1, lba: 1, ..Reply::default() };
        self.register_fis(&reply, 0, host);
    }

    fn link_up(&mut self, host: &Host) {
        self.port.ssts = LINK;
        self.port.serr |= 1 << 26;
        self.signature(host);
        self.port.is |= PCS;
        self.interrupt(host);
    }

    fn link_down(&mut self, host: &Host) {
        self.port.ssts = 0;
        self.port.tfd = NO_DRIVE;
        self.port.serr |= 1 << 16;
        self.port.is |= PRCS;
        self.waiting = None;
        self.interrupt(host);
    }

    /// Takes up the commands that were issued.
    fn run(&mut self, host: &Host) {
        if self.port.cmd & 1 == 0 || self.port.tfd & 0x88 != 0 || self.waiting.is_some() {
            return;
        }
        for number in 0..32 {
            if self.port.ci >> number & 1 == 0 || self.drive.gone || self.supply.is_off() {
                continue;
            }
            let header = host.memory.read(self.port.clb + u64::from(number) * 32, 16);
            let (flags, table) = (u32_at(&header, 0), u64_at(&header, 8));
            let fis = host.memory.read(table, 20);
            if fis[1] & 0x80 == 0 {
                // A control FIS: software reset ends with the drive's signature.
                self.port.ci &= !(1 << number);
                if fis[15] & 4 == 0 {
                    self.signature(host);
                }
                self.interrupt(host);
                continue;
            }
            let task = task(&fis);
            let sent = if flags & 0x40 != 0 { gather(&host.memory, table, flags) } else { Vec::new() };
            if matches!(task.command, 0x35 | 0xca | 0x30 | 0x34) {
                self.supply.count_write();
            }
            let reply = self.drive.command(&task, &sent);
            if std::mem::take(&mut self.drive.medium.cut) {
                self.supply.set(false);
            }
            if self.drive.gone || self.supply.is_off() {
                return;
            }
            let due = Instant::now() + reply.after;
            let waits = !reply.after.is_zero();
            let slot = Slot { number, flags, table, task, reply, due };
            if waits {
                self.port.tfd = 0xd0;
                self.waiting = Some(slot);
                return;
            }
            if !self.finish(slot, host) {
                return;
            }
        }
    }

    /// True: no error stops the queue.
    fn finish(&mut self, slot: Slot, host: &Host) -> bool {
        let Slot { number, flags, table, task, reply, .. } = slot;
        let data = reply.data.as_deref().unwrap_or_default();
        let moved = scatter(&host.memory, table, flags, data);
        host.memory.write(self.port.clb + u64::from(number) * 32 + 4, &(moved as u32).to_le_bytes());
        let device = task.device & 0xf0;
        let programmed = matches!(task.command, 0xec | 0x2f | 0x20 | 0x24 | 0xb0 | 0xb1) && reply.data.is_some();
        if programmed && reply.is_good() {
            let mut fis = [0; 20];
            fis[0] = 0x5f;
            fis[1] = 0x60;
            put_registers(&mut fis, &Reply { status: 0x58, ..reply.clone() }, device);
            fis[15] = reply.status;
            fis[16..18].copy_from_slice(&(data.len() as u16).to_le_bytes());
            host.memory.write(self.port.fb + 0x20, &fis);
            self.port.tfd = u32::from(reply.status);
            self.port.is |= PSS;
        } else {
            self.register_fis(&reply, device, host);
        }
        if reply.is_good() {
            self.port.ci &= !(1 << number);
        } else {
            self.port.is |= TFES;
        }
        self.interrupt(host);
        reply.is_good()
    }
}

impl Device for Ahci {
    const BAR: u32 = 5;
    const VECTORS: u32 = 1;
    const IDS: (u16, u16, u32) = (0x1b4b, 0x9215, 0x01_06_01);

    fn read(&mut self, at: u64, length: usize) -> Vec<u8> {
        let p = &self.port;
        let value = match at {
            // CAP: 64 bits, AHCI only, Gen3, 32 slots, one port, staggered nothing, no NCQ.
            0x00 => 0x8004_0000 | 3 << 20 | 31 << 8,
            0x04 => 0x8000_0000 | u32::from(self.interrupts) << 1,
            0x08 => self.pending_ports,
            0x0c => 1,
            0x10 => 0x0001_0301,
            0x100 => p.clb as u32,
            0x104 => (p.clb >> 32) as u32,
            0x108 => p.fb as u32,
            0x10c => (p.fb >> 32) as u32,
            0x110 => p.is,
            0x114 => p.ie,
            0x118 => p.cmd,
            0x120 => p.tfd,
            0x124 => p.sig,
            0x128 => p.ssts,
            0x12c => p.sctl,
            0x130 => p.serr,
            0x138 => p.ci,
            _ => 0,
        };
        value.to_le_bytes()[..length.min(4)].to_vec()
    }

    fn write(&mut self, at: u64, bytes: &[u8], host: &Host) {
        let value = u32::from_le_bytes(std::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0)));
        let low = |old: u64| old & !0xffff_ffff | u64::from(value);
        let high = |old: u64| old & 0xffff_ffff | u64::from(value) << 32;
        let p = &mut self.port;
        match at {
            0x04 => {
                self.interrupts = value & 2 != 0;
                if value & 1 != 0 {
                    self.interrupts = false;
                    self.pending_ports = 0;
                    self.port_reset();
                } else {
                    self.interrupt(host);
                }
            }
            0x08 => self.pending_ports &= !value,
            0x100 => p.clb = low(p.clb),
            0x104 => p.clb = high(p.clb),
            0x108 => p.fb = low(p.fb),
            0x10c => p.fb = high(p.fb),
            0x110 => p.is &= !value,
            0x114 => {
                p.ie = value;
                self.interrupt(host);
            }
            0x118 => self.port_command(value, host),
            0x12c => self.link_control(value, host),
            0x130 => p.serr &= !value,
            0x138 => {
                p.ci |= value;
                self.run(host);
            }
            _ => {}
        }
    }

    fn tick(&mut self, host: &Host) {
        if !self.supply.is_off() {
            self.drive.tick();
        }
        if self.drive.gone && self.port.ssts == LINK {
            self.link_down(host);
        } else if !self.drive.gone && self.port.ssts == 0 && self.port.sctl & 15 == 0 {
            self.link_up(host);
        }
        if self.waiting.as_ref().is_some_and(|slot| Instant::now() >= slot.due)
            && let Some(slot) = self.waiting.take()
        {
            self.port.tfd &= !BUSY;
            if self.finish(slot, host) {
                self.run(host);
            }
        }
    }

    fn reset(&mut self) {
        self.resets += 1;
        self.interrupts = false;
        self.pending_ports = 0;
        // The first is the machine's start; a later one is a wake from sleep, where power was off.
        if self.resets > 1 {
            self.drive.power_on();
        }
        self.port_reset();
    }
}

impl Ahci {
    fn port_command(&mut self, value: u32, host: &Host) {
        let p = &mut self.port;
        let was = p.cmd;
        if value & 8 != 0 {
            p.tfd &= !0x88; // command list override
        }
        p.cmd = value & !0xc008 | (value & 0x10) << 10 | (value & 1) << 15;
        if was & 1 != 0 && value & 1 == 0 {
            p.ci = 0;
            self.waiting = None;
        }
        let received = value & 0x10 != 0 && was & 0x10 == 0;
        if received && p.ssts == LINK && p.tfd == NO_DRIVE {
            self.signature(host);
        }
        self.run(host);
    }

    fn link_control(&mut self, value: u32, host: &Host) {
        let was = std::mem::replace(&mut self.port.sctl, value);
        if value & 15 == 1 {
            self.port.ssts = 0;
            self.port.tfd = BUSY;
            self.waiting = None;
        } else if was & 15 == 1 && value & 15 == 0 && !self.drive.gone {
            self.link_up(host);
        }
    }
}

fn task(fis: &[u8]) -> Task {
    let lba = [fis[4], fis[5], fis[6], fis[8], fis[9], fis[10], 0, 0];
    Task {
        command: fis[2],
        features: u16::from(fis[3]) | u16::from(fis[11]) << 8,
        count: u16_at(fis, 12),
        lba: u64::from_le_bytes(lba),
        device: fis[7],
    }
}

fn put_registers(fis: &mut [u8; 20], reply: &Reply, device: u8) {
    let lba = reply.lba.to_le_bytes();
    (fis[2], fis[3], fis[7]) = (reply.status, reply.error, device);
    fis[4..7].copy_from_slice(&lba[..3]);
    fis[8..11].copy_from_slice(&lba[3..6]);
    fis[12..14].copy_from_slice(&reply.count.to_le_bytes());
}

/// The pieces of guest memory in a command table.
fn pieces(memory: &Memory, table: u64, flags: u32) -> Vec<(u64, usize)> {
    let count = (flags >> 16) as usize;
    let list = memory.read(table + 0x80, count * 16);
    list.chunks_exact(16).map(|e| (u64_at(e, 0), (u32_at(e, 12) & 0x3f_ffff) as usize + 1)).collect()
}

fn gather(memory: &Memory, table: u64, flags: u32) -> Vec<u8> {
    pieces(memory, table, flags).into_iter().flat_map(|(at, n)| memory.read(at, n)).collect()
}

fn scatter(memory: &Memory, table: u64, flags: u32, data: &[u8]) -> usize {
    let mut done = 0;
    for (at, n) in pieces(memory, table, flags) {
        let n = n.min(data.len() - done);
        if n == 0 {
            break;
        }
        memory.write(at, &data[done..done + n]);
        done += n;
    }
    done
}
