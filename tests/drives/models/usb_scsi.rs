//! The SCSI disk of `scsi` behind a USB port (bulk-only transport): every CDB reaches it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::scsi::{LATER, Scsi, cut};
use crate::rig::plug::{Drive, Plug, Powered, Socket, Supply};
use crate::rig::usbredir::{self, Identity, Storage};

#[derive(Clone)]
pub struct UsbScsi {
    drive: Arc<Mutex<Scsi>>,
    /// Sense data of the last command, until they are fetched.
    sense: Arc<Mutex<Vec<u8>>>,
    supply: Arc<Supply>,
}

impl UsbScsi {
    /// Port and disk have one serial number.
    pub fn new(drive: Scsi) -> UsbScsi {
        UsbScsi { drive: Arc::new(Mutex::new(drive)), sense: Arc::default(), supply: Arc::new(Supply::default()) }
    }

    pub fn lock(&self) -> MutexGuard<'_, Scsi> {
        self.drive.lock().unwrap()
    }
}

impl Plug for UsbScsi {
    fn plug(&self, sockets: &mut Socket) -> Vec<String> {
        let (path, id) = (sockets.path(), sockets.id());
        let identity = Identity { vendor: 0x0bc2, product: 0xab80, serial: self.lock().serial.clone() };
        usbredir::serve(&path, identity, self.clone());
        usbredir::arguments(&path, &id)
    }
}

impl Drive for UsbScsi {
    fn left(&self) -> (usize, usize) {
        let drive = self.lock();
        (drive.medium.left(), drive.medium.all())
    }
}

impl Powered for UsbScsi {
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

impl Storage for UsbScsi {
    fn command(&self, cdb: &[u8], sent: &[u8]) -> Option<(bool, Vec<u8>)> {
        if self.supply.is_off() {
            return None;
        }
        let fetched = std::mem::take(&mut *self.sense.lock().unwrap());
        if cdb[0] == 0x03 && !fetched.is_empty() {
            return Some((true, cut(fetched, cdb[4].into())));
        }
        let mut full = cdb.to_vec();
        full.resize(32, 0);
        let mut answer = self.lock().command(&full, sent);
        if cdb[0] == 0x55 {
            let time = self.lock().gives_back_time;
            std::thread::sleep(time);
        }
        while answer.status == LATER {
            std::thread::sleep(Duration::from_millis(5));
            if self.supply.is_off() {
                return None;
            }
            if let Some(end) = self.lock().ended() {
                answer = end;
            }
        }
        if std::mem::take(&mut self.lock().medium.cut) {
            self.supply.set(false);
            return None;
        }
        *self.sense.lock().unwrap() = answer.sense;
        Some((answer.status == 0, answer.data))
    }

    fn is_gone(&self) -> bool {
        self.lock().gone
    }
}
