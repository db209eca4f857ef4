//! IDENTIFY DEVICE data of the model (ACS-5 7.13).

use super::ata::{Ata, checksum};

impl Ata {
    pub fn identify(&self) -> Vec<u8> {
        let mut w = [0u16; 256];
        let mut text = |at: usize, words: usize, value: &[u8]| {
            let mut bytes = value.to_vec();
            bytes.resize(words * 2, b' ');
            for (n, pair) in bytes.chunks_exact(2).enumerate() {
                w[at + n] = u16::from(pair[0]) << 8 | u16::from(pair[1]);
            }
        };
        text(10, 10, &self.serial);
        text(23, 4, b"FW01");
        text(27, 20, self.model.as_bytes());
        let sectors = self.accessible();
        let short = sectors.min(0x0fff_ffff);
        let security = &self.security;
        w[0] = 0x40;
        w[47] = 0x8001;
        w[49] = 0x2f00;
        w[50] = 0x4000;
        w[53] = 7;
        w[59] = self.word59;
        (w[60], w[61]) = (short as u16, (short >> 16) as u16);
        w[63] = 7;
        w[64] = 3;
        w[65..69].fill(120);
        w[76] = 0x000e;
        w[80] = 0x07f0;
        // Feature sets: SMART, Security, power management, write cache, look-ahead, HPA.
        let older = u16::from(!self.amac);
        let sets = 1 | u16::from(security.supported) << 1 | 1 << 3 | 1 << 5 | 1 << 6 | older << 10 | 1 << 14;
        w[82] = sets;
        // FLUSH CACHE and EXT, 48-bit, DCO where there was room for one.
        w[83] = 1 << 14 | 1 << 13 | 1 << 12 | older << 11 | 1 << 10;
        w[84] = 1 << 14 | u16::from(self.wwn != 0) << 8;
        w[85] = sets & !(1 << 1) | u16::from(security.enabled) << 1;
        w[86] = 1 << 15 | 1 << 13 | 1 << 12 | older << 11 | 1 << 10;
        w[87] = w[84];
        w[88] = 0x407f;
        (w[89], w[90]) = (1, 1);
        w[92] = 0xfffe;
        for n in 0..4 {
            w[100 + n] = (sectors >> (16 * n)) as u16;
            w[108 + n] = (self.wwn >> (48 - 16 * n)) as u16;
        }
        w[105] = 8;
        w[106] = 0x4000;
        // Accessible Max Address Configuration: supported, enabled.
        w[119] = 1 << 14 | u16::from(self.amac) << 8;
        w[120] = w[119];
        w[128] = security.word128();
        w[169] = 1;
        w[217] = self.rotation;
        w[222] = 0x10ff;
        let mut page: Vec<u8> = w.iter().flat_map(|word| word.to_le_bytes()).collect();
        checksum(&mut page);
        if self.bad_checksum {
            page[511] ^= 0x5a;
        }
        page
    }
}
