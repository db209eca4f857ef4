//! What an NVMe controller says of itself and of its namespaces (Identify).

use super::nvme::{Answer, INVALID_FIELD, INVALID_NAMESPACE, Nvme, OK};
use crate::rig::medium::SECTOR;
use crate::rig::memory::put;

impl Nvme {
    pub(super) fn identify(&self, cns: u32, namespace: u32) -> Answer {
        let manages = self.oacs & 8 != 0;
        let of = |all: bool| self.namespaces(all).into_iter().find(|(nsid, _)| *nsid == namespace);
        let page = match cns {
            0 => of(false).map(|(nsid, sectors)| self.namespace(nsid, sectors)),
            1 => Some(self.controller()),
            2 => Some(list(self.namespaces(false), namespace)),
            3 => of(false).map(|(nsid, _)| {
                let mut page = vec![0; 4096];
                page[..2].copy_from_slice(&[2, 16]);
                put(&mut page, 4, &self.guid(nsid));
                put(&mut page, 20, &[4, 1, 0, 0, 0]);
                page
            }),
            0x10 if manages => Some(list(self.namespaces(true), namespace)),
            0x11 if manages => of(true).map(|(nsid, sectors)| self.namespace(nsid, sectors)),
            _ => return (INVALID_FIELD, 0, None),
        };
        match page {
            Some(page) => (OK, 0, Some(page)),
            None => (INVALID_NAMESPACE, 0, None),
        }
    }

    fn controller(&self) -> Vec<u8> {
        let mut page = vec![0; 4096];
        let mut text = |at: usize, length: usize, value: &str| {
            let mut bytes = value.as_bytes().to_vec();
            bytes.resize(length, b' ');
            put(&mut page, at, &bytes);
        };
        text(4, 20, &self.serial);
        text(24, 40, &self.model);
        text(64, 8, "FW01");
        put(&mut page, 0, &[0x36, 0x1b, 0xf4, 0x1a]);
        page[77] = 5;
        put(&mut page, 78, &1u16.to_le_bytes());
        put(&mut page, 80, &0x0001_0400u32.to_le_bytes());
        page[111] = 1;
        put(&mut page, 256, &self.oacs.to_le_bytes());
        page[259] = 3;
        page[261] = 2;
        let second = self.second.as_ref().map_or(0, |second| second.medium.sectors);
        put(&mut page, 280, &((self.medium.sectors + second) * SECTOR).to_le_bytes());
        put(&mut page, 296, &(self.unallocated * SECTOR).to_le_bytes());
        put(&mut page, 328, &self.sanicap.to_le_bytes());
        page[512] = 0x66;
        page[513] = 0x44;
        let highest = self.namespaces(true).len() as u32;
        put(&mut page, 516, &highest.to_le_bytes());
        put(&mut page, 520, &0x000cu16.to_le_bytes());
        page[524] = self.fna;
        let nqn = format!("nqn.2014-08.org.nvmexpress:uuid:{:0>36}", self.serial);
        put(&mut page, 768, nqn.as_bytes());
        page
    }

    fn namespace(&self, nsid: u32, sectors: u64) -> Vec<u8> {
        let mut page = vec![0; 4096];
        for at in [0, 8, 16] {
            put(&mut page, at, &sectors.to_le_bytes());
        }
        put(&mut page, 48, &(sectors * SECTOR).to_le_bytes());
        page[33] = 9;
        put(&mut page, 104, &self.guid(nsid));
        page[128 + 2] = 9;
        page
    }

    /// NGUID made of the serial and the number, so that two drives differ, and two namespaces.
    fn guid(&self, nsid: u32) -> [u8; 16] {
        let mut guid = [0x65; 16];
        for (to, from) in guid.iter_mut().zip(self.serial.bytes().rev()) {
            *to = from;
        }
        guid[15] ^= (nsid - 1) as u8;
        guid
    }
}

/// Those above `after`.
fn list(namespaces: Vec<(u32, u64)>, after: u32) -> Vec<u8> {
    let mut page = vec![0; 4096];
    for (at, (nsid, _)) in namespaces.iter().filter(|(nsid, _)| *nsid > after).enumerate() {
        put(&mut page, 4 * at, &nsid.to_le_bytes());
    }
    page
}
