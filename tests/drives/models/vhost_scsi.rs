//! The back end of a vhost-user SCSI adapter with one disk, before the model of `scsi`
//! (qemu's docs/interop/vhost-user, Virtio 1.2 section 5.6).

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::scsi::{LATER, Scsi};
use crate::rig::plug::{Drive, Plug, Powered, Socket, Supply};
use crate::rig::vhost::{Handler, serve};

/// A drive that can be plugged; clones share the drive.
#[derive(Clone)]
pub struct SasDrive {
    drive: Arc<Mutex<Scsi>>,
    supply: Arc<Supply>,
}

impl SasDrive {
    pub fn new(drive: Scsi) -> SasDrive {
        SasDrive { drive: Arc::new(Mutex::new(drive)), supply: Arc::new(Supply::default()) }
    }

    /// The drive itself, for a test to look into or change while it is in use.
    pub fn lock(&self) -> MutexGuard<'_, Scsi> {
        self.drive.lock().unwrap()
    }

    /// Write commands taken up so far.
    pub fn writes(&self) -> u64 {
        self.supply.writes()
    }
}

impl Plug for SasDrive {
    fn plug(&self, sockets: &mut Socket) -> Vec<String> {
        let (path, id) = (sockets.path(), sockets.id());
        serve(&path, self.clone());
        let chardev = format!("socket,id={id},path={}", path.display());
        let device = format!("vhost-user-scsi-pci,chardev={id},num_queues=1");
        ["-chardev", &chardev, "-device", &device].map(str::to_owned).into()
    }
}

impl Powered for SasDrive {
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

impl Drive for SasDrive {
    fn left(&self) -> (usize, usize) {
        let drive = self.lock();
        (drive.medium.left(), drive.medium.all())
    }
}

const RESPONSE: usize = 108;
const BAD_TARGET: u8 = 3;

impl Handler for SasDrive {
    /// A request of the command queues: header, then data. Gives the response, then data.
    fn request(&self, out: &[u8], room: usize) -> Option<Vec<u8>> {
        let (lun, cdb, sent) = (&out[..8], &out[19..51], &out[51..]);
        let mut response = vec![0; RESPONSE];
        // Target 0, logical unit 0.
        if lun[1] != 0 || lun[2] & 0x3f != 0 || lun[3] != 0 {
            response[11] = BAD_TARGET;
            return Some(response);
        }
        if self.supply.is_off() {
            return None;
        }
        if matches!(cdb[0], 0x2a | 0x8a) {
            self.supply.count_write();
        }
        let mut drive = self.lock();
        if drive.gone {
            response[11] = BAD_TARGET;
            return Some(response);
        }
        let mut answer = drive.command(cdb, sent);
        if std::mem::take(&mut drive.medium.cut) {
            self.supply.set(false);
            return None;
        }
        while answer.status == LATER {
            drop(drive);
            std::thread::sleep(Duration::from_millis(5));
            if self.supply.is_off() {
                return None;
            }
            drive = self.lock();
            if let Some(end) = drive.ended() {
                answer = end;
            }
        }
        if drive.gone {
            response[11] = BAD_TARGET;
            return Some(response);
        }
        let space = room.saturating_sub(RESPONSE);
        answer.data.truncate(space);
        response[..4].copy_from_slice(&(answer.sense.len() as u32).to_le_bytes());
        let residual = space - answer.data.len();
        response[4..8].copy_from_slice(&(residual as u32).to_le_bytes());
        response[10] = answer.status;
        response[12..12 + answer.sense.len()].copy_from_slice(&answer.sense);
        response.extend(answer.data);
        Some(response)
    }
}
