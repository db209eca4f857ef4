//! DEVICE CONFIGURATION (B1h, ACS-3): an overlay that hides sectors and features, also from READ
//! NATIVE MAX ADDRESS.

use super::{Command, Protocol};
use crate::device::command::le16;
use crate::units::Lba;

/// DEVICE CONFIGURATION IDENTIFY (C2h): 512 bytes.
pub fn dco_identify() -> Command {
    Command { protocol: Protocol::PioIn, count: 1, ..dco("DEVICE CONFIGURATION IDENTIFY", 0xC2) }
}

/// DEVICE CONFIGURATION RESTORE (C0h): back to what the drive was made as. Refused while frozen or
/// while a host protected area is set.
pub fn dco_restore() -> Command {
    dco("DEVICE CONFIGURATION RESTORE", 0xC0)
}

fn dco(name: &'static str, features: u16) -> Command {
    Command { features, device: 0, ..Command::non_data(name, 0xB1) }
}

/// What the drive could be at most, without any overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dco {
    /// Word 0: revision of the structure.
    pub revision: u16,
    /// Words 3-5: the last address.
    pub last: Lba,
    /// Word 7: features that can be reported.
    pub features: DcoFeatures,
}

/// Word 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DcoFeatures {
    /// Bit 3.
    pub security: bool,
    /// Bit 7.
    pub host_protected_area: bool,
    /// Bit 8.
    pub addresses_48_bit: bool,
}

/// No DCO data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DcoError {
    /// Fewer than 512 bytes.
    #[error("DEVICE CONFIGURATION IDENTIFY gave {0} bytes instead of 512")]
    Short(usize),
    /// Byte 510 is not A5h.
    #[error("DEVICE CONFIGURATION IDENTIFY carries no checksum (byte 510 is {0:02x}h, not a5h)")]
    NoChecksum(u8),
    /// The bytes do not sum up to zero.
    #[error("the checksum of DEVICE CONFIGURATION IDENTIFY is wrong (the bytes sum up to {0:02x}h, not 00h)")]
    Checksum(u8),
}

impl Dco {
    /// Reads the 512 bytes; all of them sum up to zero, modulo 256.
    ///
    /// # Errors
    /// [`DcoError`]: too short, or without a right checksum.
    pub fn parse(data: &[u8]) -> Result<Dco, DcoError> {
        let data: &[u8; 512] = data.first_chunk().ok_or(DcoError::Short(data.len()))?;
        if data[510] != 0xA5 {
            return Err(DcoError::NoChecksum(data[510]));
        }
        match data.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) {
            0 => {}
            sum => return Err(DcoError::Checksum(sum)),
        }
        let word = |at: usize| le16(data, at * 2).unwrap_or(0);
        let features = word(7);
        Ok(Dco {
            revision: word(0),
            last: Lba([5, 4, 3].into_iter().fold(0, |lba, at| lba << 16 | u64::from(word(at)))),
            features: DcoFeatures {
                security: features >> 3 & 1 != 0,
                host_protected_area: features >> 7 & 1 != 0,
                addresses_48_bit: features >> 8 & 1 != 0,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut data = vec![0; 512];
        data[0] = 2;
        data[6..12].copy_from_slice(&[6, 5, 4, 3, 2, 1]);
        data[510] = 0xA5;
        change(&mut data);
        let sum = data[..511].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        data[511] = sum.wrapping_neg();
        data
    }

    #[test]
    fn task_files() {
        for (command, features, protocol) in
            [(dco_restore(), 0xC0, Protocol::NonData), (dco_identify(), 0xC2, Protocol::PioIn)]
        {
            assert_eq!((command.command, command.features, command.protocol), (0xB1, features, protocol));
            assert_eq!((command.extended, command.lba), (false, 0));
        }
        assert_eq!(dco_identify().count, 1);
    }

    #[test]
    fn the_last_address_and_the_features() {
        let found = Dco::parse(&data(|_| ())).unwrap();
        assert_eq!((found.revision, found.last), (2, Lba(0x0102_0304_0506)));
        let features =
            |bit: u8| Dco::parse(&data(|d| d[14..16].copy_from_slice(&(1_u16 << bit).to_le_bytes()))).unwrap().features;
        let none = features(0);
        assert_eq!(features(3), DcoFeatures { security: true, ..none });
        assert_eq!(features(7), DcoFeatures { host_protected_area: true, ..none });
        assert_eq!(features(8), DcoFeatures { addresses_48_bit: true, ..none });
    }

    #[test]
    fn without_a_right_checksum_it_says_nothing() {
        let mut wrong = data(|_| ());
        wrong[6] ^= 0x40;
        assert_eq!(Dco::parse(&wrong), Err(DcoError::Checksum(0x40)));
        assert_eq!(Dco::parse(&data(|d| d[510] = 0)), Err(DcoError::NoChecksum(0)));
        assert_eq!(Dco::parse(&wrong[..511]), Err(DcoError::Short(511)));
    }

    proptest! {
        #[test]
        fn hostile_data_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Dco::parse(&bytes);
            if bytes.len() >= 512 {
                let made = data(|d| d[..510].copy_from_slice(&bytes[..510]));
                prop_assert!(Dco::parse(&made).is_ok());
            }
        }
    }
}
