//! A USB bridge (mass storage, bulk-only transport) with an ATA disk behind it: SCSI in, ATA inside
//! (SAT-5), or nothing but reads and writes.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::ata::{Ata, Reply, Task};
use super::scsi::{be, cut};
use crate::rig::medium::SECTOR;
use crate::rig::plug::{Drive, Plug, Powered, Socket, Supply};
use crate::rig::usbredir::{self, Identity, Storage};

/// What the bridge does with ATA PASS-THROUGH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sat {
    /// Carries it, and returns the registers.
    Whole,
    /// Carries it, and never returns registers: everything ends in GOOD.
    LosesRegisters,
    /// Answers GOOD and carries nothing; data are zeros.
    Pretends,
    /// Knows no such command.
    None,
}

#[derive(Clone)]
pub struct UsbDrive {
    bridge: Arc<Mutex<Bridge>>,
    supply: Arc<Supply>,
    identity: Identity,
}

pub struct Bridge {
    pub disk: Ata,
    pub sat: Sat,
    /// ATA PASS-THROUGH goes to this disk in another bay, and not to the one that is read and written.
    pub across: Option<Ata>,
    sense: Vec<u8>,
    /// How long the last command takes.
    after: Duration,
}

impl UsbDrive {
    /// `serial` is the bridge's own, which is all that the host sees without SAT.
    pub fn new(disk: Ata, sat: Sat, serial: &str) -> UsbDrive {
        let identity = Identity { vendor: 0x152d, product: 0x0578, serial: serial.into() };
        let bridge = Bridge { disk, sat, across: None, sense: sense(0, 0, 0), after: Duration::ZERO };
        UsbDrive { bridge: Arc::new(Mutex::new(bridge)), supply: Arc::new(Supply::default()), identity }
    }

    /// The disk behind the bridge.
    pub fn lock(&self) -> MutexGuard<'_, Bridge> {
        self.bridge.lock().unwrap()
    }
}

impl Plug for UsbDrive {
    fn plug(&self, sockets: &mut Socket) -> Vec<String> {
        let (path, id) = (sockets.path(), sockets.id());
        usbredir::serve(&path, self.identity.clone(), self.clone());
        usbredir::arguments(&path, &id)
    }
}

impl Powered for UsbDrive {
    fn power(&self, on: bool) {
        self.supply.set(on);
        let disk = &mut self.lock().disk;
        if on { disk.power_on() } else { disk.power_off() }
    }

    fn cut_after(&self, sectors: u64) {
        self.lock().disk.medium.cut_after = Some(sectors);
    }

    fn is_off(&self) -> bool {
        self.supply.is_off()
    }

    fn busy(&self) -> bool {
        self.lock().disk.busy()
    }

    fn pace(&self, erase: Duration, write: Duration) {
        let bridge = &mut self.lock();
        (bridge.disk.erase_time, bridge.disk.write_time) = (erase, write);
    }
}

impl Drive for UsbDrive {
    fn left(&self) -> (usize, usize) {
        let bridge = self.lock();
        (bridge.disk.medium.left(), bridge.disk.medium.all())
    }
}

impl Storage for UsbDrive {
    fn command(&self, cdb: &[u8], sent: &[u8]) -> Option<(bool, Vec<u8>)> {
        if self.supply.is_off() {
            return None;
        }
        let (answer, after) = {
            let mut bridge = self.lock();
            let answer = bridge.command(cdb, sent);
            if std::mem::take(&mut bridge.disk.medium.cut) {
                self.supply.set(false);
                return None;
            }
            (answer, std::mem::take(&mut bridge.after))
        };
        let due = Instant::now() + after;
        while Instant::now() < due {
            std::thread::sleep(Duration::from_millis(5).min(after));
            if self.supply.is_off() {
                return None;
            }
        }
        Some(answer)
    }

    fn is_gone(&self) -> bool {
        self.lock().disk.gone
    }
}

impl Bridge {
    /// True: GOOD.
    fn command(&mut self, cdb: &[u8], sent: &[u8]) -> (bool, Vec<u8>) {
        if cdb[0] == 0x03 {
            return (true, cut(std::mem::replace(&mut self.sense, sense(0, 0, 0)), cdb[4].into()));
        }
        self.sense = sense(0, 0, 0);
        let sectors = self.disk.accessible();
        match cdb[0] {
            0x00 | 0x1b | 0x1e | 0x2f | 0x35 => (true, Vec::new()),
            0x12 if cdb[1] & 1 == 1 => self.check(5, 0x24),
            0x12 => {
                let mut data = vec![0, 0, 6, 2, 31, 0, 0, 0];
                data.extend(b"RIG     SAT BRIDGE      0100");
                (true, cut(data, cdb[4].into()))
            }
            0x25 => {
                let mut data = ((sectors - 1).min(u32::MAX.into()) as u32).to_be_bytes().to_vec();
                data.extend((SECTOR as u32).to_be_bytes());
                (true, data)
            }
            0x9e if cdb[1] & 31 == 0x10 => {
                let mut data = (sectors - 1).to_be_bytes().to_vec();
                data.extend((SECTOR as u32).to_be_bytes());
                data.resize(32, 0);
                (true, data)
            }
            0x1a => (true, cut(vec![3, 0, 0, 0], cdb[4].into())),
            0x28 | 0x2a => {
                let command = if cdb[0] == 0x28 { 0x25 } else { 0x35 };
                let (lba, count) = (be(&cdb[2..6]), be(&cdb[7..9]) as u16);
                let reply = self.disk.command(&Task { command, lba, count, device: 0x40, ..Task::default() }, sent);
                match (reply.is_good(), command) {
                    (true, _) => (true, reply.data.unwrap_or_default()),
                    (false, 0x25) => (self.check(3, 0x11).0, reply.data.unwrap_or_default()),
                    (false, _) => self.check(3, 0x0c),
                }
            }
            0x85 | 0xa1 => self.pass_through(cdb, sent),
            _ => self.check(5, 0x20),
        }
    }

    fn pass_through(&mut self, cdb: &[u8], sent: &[u8]) -> (bool, Vec<u8>) {
        let task = task(cdb);
        match self.sat {
            Sat::None => return self.check(5, 0x20),
            Sat::Pretends => return (true, vec![0; if cdb[2] & 8 != 0 { 512 } else { 0 }]),
            Sat::Whole | Sat::LosesRegisters => {}
        }
        let reply = self.across.as_mut().unwrap_or(&mut self.disk).command(&task, sent);
        self.after = reply.after;
        let data = reply.data.clone().unwrap_or_default();
        if self.sat == Sat::LosesRegisters {
            return (true, data);
        }
        let wanted = cdb[2] & 0x20 != 0;
        if reply.is_good() && !wanted {
            return (true, data);
        }
        self.sense = ata_return(&reply, &task, cdb[0] == 0x85 && cdb[1] & 1 == 1);
        (false, data)
    }

    fn check(&mut self, key: u8, asc: u8) -> (bool, Vec<u8>) {
        self.sense = sense(key, asc, 0);
        (false, Vec::new())
    }
}

/// The task file of ATA PASS-THROUGH (16) or (12).
fn task(cdb: &[u8]) -> Task {
    if cdb[0] == 0xa1 {
        let lba = u64::from_le_bytes([cdb[5], cdb[6], cdb[7], 0, 0, 0, 0, 0]);
        return Task { command: cdb[9], features: cdb[3].into(), count: cdb[4].into(), lba, device: cdb[8] };
    }
    let extended = cdb[1] & 1 == 1;
    let word = |at: usize| if extended { be(&cdb[at..at + 2]) as u16 } else { cdb[at + 1].into() };
    let high = |at: usize| if extended { cdb[at] } else { 0 };
    let lba = u64::from_le_bytes([cdb[8], cdb[10], cdb[12], high(7), high(9), high(11), 0, 0]);
    Task { command: cdb[14], features: word(3), count: word(5), lba, device: cdb[13] }
}

/// Descriptor sense with the ATA Status Return descriptor (SAT-5 12.2.6).
fn ata_return(reply: &Reply, task: &Task, extended: bool) -> Vec<u8> {
    let l = reply.lba.to_le_bytes();
    let [count_high, count_low] = reply.count.to_be_bytes();
    let (key, asc, ascq) = if reply.is_good() { (1, 0, 0x1d) } else { (0xb, 0, 0) };
    let mut bytes = vec![0x72, key, asc, ascq, 0, 0, 0, 14, 9, 12, u8::from(extended), reply.error];
    bytes.extend([count_high, count_low, l[3], l[0], l[4], l[1], l[5], l[2], task.device, reply.status]);
    bytes
}

fn sense(key: u8, asc: u8, ascq: u8) -> Vec<u8> {
    let mut bytes = vec![0; 18];
    (bytes[0], bytes[2], bytes[7], bytes[12], bytes[13]) = (0x70, key, 10, asc, ascq);
    bytes
}
