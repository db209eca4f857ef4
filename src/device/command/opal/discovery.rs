//! Level 0 discovery (TCG Storage core 2.01 3.3.6): what security a drive has, without a session.

use crate::device::command::{be16, be32};

/// The answer to TRUSTED RECEIVE or SECURITY RECEIVE of protocol 01h, ComID 0001h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Feature 0002h.
    pub locking: Option<Locking>,
    /// Feature 0003h: ranges are aligned.
    pub has_geometry: bool,
    /// What the drive is.
    pub ssc: Option<Ssc>,
    /// ComID to talk to it.
    pub com_id: Option<u16>,
    /// Initial SID PIN indicator: 00h means that it is the PIN that was printed (MSID).
    pub initial_pin: Option<u8>,
    /// What becomes of the SID PIN at a revert: 00h, it is the initial one again.
    pub pin_after_revert: Option<u8>,
    /// Feature 0402h: Block SID authentication; `Some(true)` when SID is blocked until power is cut.
    pub sid_blocked: Option<bool>,
    /// Feature 0404h: how data are removed.
    pub removal: Option<DataRemoval>,
}

/// Feature 0002h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Locking {
    /// Bit 0.
    pub supported: bool,
    /// Bit 1: somebody took ownership.
    pub enabled: bool,
    /// Bit 2: at least one range is locked.
    pub locked: bool,
    /// Bit 3: media are encrypted. Without it a revert is no cryptographic erase.
    pub media_encryption: bool,
    /// Bit 4.
    pub mbr_enabled: bool,
    /// Bit 5.
    pub mbr_done: bool,
}

/// Security subsystem classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ssc {
    /// 0100h.
    Enterprise,
    /// 0200h.
    OpalV1,
    /// 0203h.
    OpalV2,
    /// 0301h.
    Opalite,
    /// 0302h: no encryption; the drive only refuses access.
    PyriteV1,
    /// 0303h.
    PyriteV2,
    /// 0304h.
    Ruby,
}

/// Feature 0404h: bits of the mechanisms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataRemoval {
    /// Bit 0 of byte 4: an operation goes on.
    pub in_progress: bool,
    /// Bit 0: overwrite data erase.
    pub overwrite: bool,
    /// Bit 1: block erase.
    pub block_erase: bool,
    /// Bit 2: cryptographic erase.
    pub crypto_erase: bool,
}

impl Discovery {
    /// Reads the header and every feature that lies whole within its length; `None` when there is
    /// no whole header, or not one feature.
    pub fn parse(data: &[u8]) -> Option<Discovery> {
        const HEADER: usize = 48;
        let length = usize::try_from(be32(data, 0)?).ok()?.checked_add(4)?;
        let mut rest = data.get(HEADER..length.min(data.len()))?;
        let mut found = Discovery::default();
        let mut features = 0;
        while let Some(code) = be16(rest, 0) {
            let Some(&size) = rest.get(3) else { break };
            let Some(body) = rest.get(4..4 + usize::from(size)) else { break };
            // What is padding after the last feature has neither code nor length.
            if code == 0 && size == 0 {
                break;
            }
            features += 1;
            found.feature(code, body);
            rest = rest.get(4 + usize::from(size)..).unwrap_or_default();
        }
        (features > 0).then_some(found)
    }

    fn feature(&mut self, code: u16, body: &[u8]) {
        let byte = |at: usize| body.get(at).copied();
        match code {
            0x0002 => self.locking = byte(0).map(Locking::of),
            0x0003 => self.has_geometry = true,
            0x0402 => self.sid_blocked = byte(0).map(|flags| flags >> 1 & 1 != 0),
            0x0404 => {
                self.removal = byte(0).zip(byte(1)).map(|(state, mechanisms)| DataRemoval {
                    in_progress: state & 1 != 0,
                    overwrite: mechanisms & 1 != 0,
                    block_erase: mechanisms >> 1 & 1 != 0,
                    crypto_erase: mechanisms >> 2 & 1 != 0,
                });
            }
            _ => {
                let Some(ssc) = Ssc::of(code) else { return };
                // A drive may list several: the newest stands for it.
                self.ssc = self.ssc.max(Some(ssc));
                self.com_id = be16(body, 0);
                // Opal 2 and its relatives: after ComIDs, range crossing and numbers of users.
                if !matches!(ssc, Ssc::Enterprise | Ssc::OpalV1) {
                    (self.initial_pin, self.pin_after_revert) = (byte(9), byte(10));
                }
            }
        }
    }
}

impl Locking {
    fn of(flags: u8) -> Locking {
        let bit = |at: u8| flags >> at & 1 != 0;
        Locking {
            supported: bit(0),
            enabled: bit(1),
            locked: bit(2),
            media_encryption: bit(3),
            mbr_enabled: bit(4),
            mbr_done: bit(5),
        }
    }
}

impl Ssc {
    fn of(code: u16) -> Option<Ssc> {
        Some(match code {
            0x0100 => Ssc::Enterprise,
            0x0200 => Ssc::OpalV1,
            0x0203 => Ssc::OpalV2,
            0x0301 => Ssc::Opalite,
            0x0302 => Ssc::PyriteV1,
            0x0303 => Ssc::PyriteV2,
            0x0304 => Ssc::Ruby,
            _ => return None,
        })
    }

    /// It encrypts what it stores: a revert changes the key. Pyrite does not.
    pub fn encrypts(self) -> bool {
        !matches!(self, Ssc::PyriteV1 | Ssc::PyriteV2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn discovery(features: &[(u16, &[u8])]) -> Vec<u8> {
        let mut data = vec![0; 48];
        for (code, body) in features {
            data.extend(code.to_be_bytes());
            data.extend([0x10, u8::try_from(body.len()).unwrap()]);
            data.extend(*body);
        }
        let length = u32::try_from(data.len() - 4).unwrap();
        data[..4].copy_from_slice(&length.to_be_bytes());
        data.resize(512, 0);
        data
    }

    #[test]
    fn an_opal_2_drive() {
        let opal: &[u8] = &[0x07, 0xFE, 0, 1, 0, 0, 4, 0, 9, 0x00, 0xFF, 0];
        let found = Discovery::parse(&discovery(&[
            (0x0001, &[0x11; 12]),
            (0x0002, &[0b0000_1011]),
            (0x0003, &[0; 28]),
            (0x0203, opal),
            (0x0402, &[0b10]),
            (0x0404, &[1, 0b101]),
        ]))
        .unwrap();
        assert_eq!((found.ssc, found.com_id), (Some(Ssc::OpalV2), Some(0x07FE)));
        assert_eq!((found.initial_pin, found.pin_after_revert, found.sid_blocked), (Some(0), Some(0xFF), Some(true)));
        assert!(found.has_geometry);
        let locking = found.locking.unwrap();
        assert!(locking.supported && locking.enabled && !locking.locked && locking.media_encryption);
        let removal = found.removal.unwrap();
        assert!(removal.in_progress && removal.overwrite && !removal.block_erase && removal.crypto_erase);
    }

    #[test]
    fn locking_bits_one_by_one() {
        let none = Locking::default();
        for (bit, expected) in [
            (0, Locking { supported: true, ..none }),
            (1, Locking { enabled: true, ..none }),
            (2, Locking { locked: true, ..none }),
            (3, Locking { media_encryption: true, ..none }),
            (4, Locking { mbr_enabled: true, ..none }),
            (5, Locking { mbr_done: true, ..none }),
            (6, none),
        ] {
            assert_eq!(Locking::of(1 << bit), expected, "bit {bit}");
        }
    }

    #[test]
    fn each_class_by_its_code() {
        for (code, ssc, encrypts) in [
            (0x0100, Ssc::Enterprise, true),
            (0x0200, Ssc::OpalV1, true),
            (0x0203, Ssc::OpalV2, true),
            (0x0301, Ssc::Opalite, true),
            (0x0302, Ssc::PyriteV1, false),
            (0x0303, Ssc::PyriteV2, false),
            (0x0304, Ssc::Ruby, true),
        ] {
            let found = Discovery::parse(&discovery(&[(code, &[0x10, 0x00])])).unwrap();
            assert_eq!((found.ssc, ssc.encrypts(), found.com_id), (Some(ssc), encrypts, Some(0x1000)));
        }
        assert_eq!(Discovery::parse(&discovery(&[(0xC001, &[0; 4])])).unwrap().ssc, None);
    }

    #[test]
    fn features_beyond_the_length_do_not_count() {
        let mut data = discovery(&[(0x0002, &[1]), (0x0203, &[0; 12])]);
        data[3] -= 4;
        let found = Discovery::parse(&data).unwrap();
        assert!(found.locking.is_some() && found.ssc.is_none());
        assert_eq!(Discovery::parse(&discovery(&[])), None);
        assert_eq!(Discovery::parse(&[0; 512]), None);
        assert_eq!(Discovery::parse(&[0xFF; 20]), None);
        assert_eq!(Discovery::parse(&[]), None);
    }

    proptest! {
        #[test]
        fn hostile_data_never_panic(mut data in proptest::collection::vec(any::<u8>(), 0..600), length in 0_u32..700) {
            let _ = Discovery::parse(&data);
            if data.len() >= 4 {
                data[..4].copy_from_slice(&length.to_be_bytes());
                let _ = Discovery::parse(&data);
            }
        }
    }
}
