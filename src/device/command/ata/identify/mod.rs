//! IDENTIFY DEVICE (ACS-5 7.13): what an ATA drive says of itself.

mod words;

use std::time::Duration;

pub use words::{
    AccessibleMax, EraseTime, HostProtectedArea, IdentifyError, Rotation, SanitizeSupport, SataFeatures, SecurityLevel,
    SecurityState, Text,
};
use words::{Words, erase_time, text};

use super::{Command, Protocol};
use crate::units::Bytes;

/// IDENTIFY DEVICE (ECh): 512 bytes.
pub fn identify_device() -> Command {
    Command { protocol: Protocol::PioIn, count: 1, device: 0, ..Command::non_data("IDENTIFY DEVICE", 0xEC) }
}

/// The words that decide something here. Where a word has a validity mark, what is not marked valid
/// counts as not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identify {
    /// Words 10-19.
    pub serial: Text,
    /// Words 23-26.
    pub firmware: Text,
    /// Words 27-46.
    pub model: Text,
    /// Words 108-111, when word 87 bit 8 says that they are there.
    pub wwn: Option<u64>,
    /// Word 255 holds a checksum, and it is right. Without one the data are only as good as the path.
    pub has_checksum: bool,
    /// Word 49 bit 9: LBA is supported (every drive of the last 25 years).
    pub has_lba: bool,
    /// Addressable sectors: words 100-103 for 48-bit drives, 60-61 otherwise.
    pub sectors: u64,
    /// Words 117-118, 512 when word 106 does not say otherwise.
    pub logical_sector: u32,
    /// Logical sector size times 2 to the power of word 106 bits 3:0.
    pub physical_sector: u32,
    /// Word 209: logical sectors before the first aligned one.
    pub alignment: u16,
    /// Word 83 bit 10 with word 86 bit 10: 48-bit addresses are supported and enabled.
    pub has_48_bit: bool,
    /// Word 217.
    pub rotation: Rotation,
    /// Word 59.
    pub sanitize: SanitizeSupport,
    /// Words 82, 85, 89, 90, 92, 128; `None` without the Security feature set.
    pub security: Option<SecurityState>,
    /// Words 82 and 85 bit 10, word 83 bit 8; `None` without the Host Protected Area feature set.
    pub hpa: Option<HostProtectedArea>,
    /// Words 119 and 120 bit 8; `None` without Accessible Max Address Configuration.
    pub amac: Option<AccessibleMax>,
    /// Word 83 bit 11: Device Configuration Overlay.
    pub has_dco: bool,
    /// Word 84 bit 5 (or its mirror 87): General Purpose Logging.
    pub has_logs: bool,
    /// Words 82 and 85 bit 0: SMART is supported and enabled.
    pub smart_enabled: bool,
    /// Word 69 bit 4: all user data are encrypted on the medium.
    pub encrypts_all: bool,
    /// Word 69 bit 14 and bit 5: trimmed sectors read the same every time, and read zeros.
    pub trim_reads_zeros: bool,
    /// Words 76, 78, 79.
    pub sata: SataFeatures,
    /// Word 206 bit 0: SCT command transport.
    pub has_sct: bool,
    /// Word 206 bit 2: SCT Write Same.
    pub has_sct_write_same: bool,
}

impl Identify {
    /// Reads the 512 bytes.
    ///
    /// # Errors
    /// [`IdentifyError`]: too short, a wrong checksum, not filled in, or no ATA device.
    pub fn parse(data: &[u8]) -> Result<Identify, IdentifyError> {
        let words = Words::new(data)?;
        let checksum = words.checksum()?;
        let word = |at| words.word(at);
        let bit = |at, bit| words.bit(at, bit);
        if word(0) & 0x8000 != 0 {
            return Err(IdentifyError::NotAnAtaDevice { word_0: word(0) });
        }
        // Words 82-84 and 85-87 are valid only with 01b on top of words 83, 84 and 87.
        let supported = word(83) >> 14 == 0b01;
        let more_supported = supported && word(84) >> 14 == 0b01;
        let enabled = word(87) >> 14 == 0b01;
        let further = enabled && bit(86, 15) && word(119) >> 14 == 0b01;
        let further_enabled = further && word(120) >> 14 == 0b01;
        let has_48_bit = supported && bit(83, 10) && (!enabled || bit(86, 10));
        let sizes = word(106) >> 14 == 0b01;
        let logical_sector = match words.long(117).checked_mul(2) {
            Some(size) if sizes && bit(106, 12) && size >= 512 => size,
            _ => 512,
        };
        let ratio = if sizes && bit(106, 13) { u32::from(word(106) & 0xF) } else { 0 };
        Ok(Identify {
            serial: text(words.bytes(10, 10)),
            firmware: text(words.bytes(23, 4)),
            model: text(words.bytes(27, 20)),
            wwn: (enabled && bit(87, 8)).then(|| words.wwn()).filter(|wwn| *wwn != 0),
            has_checksum: checksum,
            has_lba: bit(49, 9),
            sectors: if has_48_bit { words.quad(100) } else { u64::from(words.long(60)) },
            logical_sector,
            physical_sector: logical_sector.saturating_mul(1 << ratio),
            alignment: if word(209) >> 14 == 0b01 { word(209) & 0x3FFF } else { 0 },
            has_48_bit,
            rotation: Rotation::of(word(217)),
            sanitize: SanitizeSupport::of(word(59)),
            security: (supported && bit(82, 1)).then(|| SecurityState {
                enabled: bit(128, 1) || enabled && bit(85, 1),
                locked: bit(128, 2),
                frozen: bit(128, 3),
                count_expired: bit(128, 4),
                enhanced_erase: bit(128, 5),
                level: if bit(128, 8) { SecurityLevel::Maximum } else { SecurityLevel::High },
                erase_time: erase_time(word(89)),
                enhanced_erase_time: erase_time(word(90)),
                master_password_id: Some(word(92)).filter(|id| !matches!(id, 0 | 0xFFFF)),
            }),
            hpa: (supported && bit(82, 10))
                .then(|| HostProtectedArea { enabled: enabled && bit(85, 10), has_security: bit(83, 8) }),
            amac: (further && bit(119, 8)).then(|| AccessibleMax { enabled: further_enabled && bit(120, 8) }),
            has_dco: supported && bit(83, 11),
            has_logs: more_supported && bit(84, 5) || enabled && bit(87, 5),
            smart_enabled: supported && bit(82, 0) && (!enabled || bit(85, 0)),
            encrypts_all: bit(69, 4),
            trim_reads_zeros: bit(69, 14) && bit(69, 5) && bit(169, 0),
            sata: SataFeatures::of(word(76), word(78), word(79)),
            has_sct: bit(206, 0),
            has_sct_write_same: bit(206, 0) && bit(206, 2),
        })
    }

    /// Addressable bytes.
    pub fn size(&self) -> Option<Bytes> {
        self.sectors.checked_mul(u64::from(self.logical_sector)).map(Bytes)
    }

    /// The drive's own estimate for SECURITY ERASE UNIT.
    pub fn security_erase_time(&self, enhanced: bool) -> Option<Duration> {
        let security = self.security?;
        if enhanced { security.enhanced_erase_time } else { security.erase_time }.map(EraseTime::duration)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
