//! INQUIRY (SPC-6 6.6): standard data and vital product data.

use super::Command;
use crate::device::command::ata::identify::{Identify, IdentifyError};
use crate::device::command::{be16, be32, be64, text};

/// INQUIRY, standard data: 96 bytes.
pub fn inquiry() -> Command {
    Command { name: "INQUIRY", cdb: vec![0x12, 0, 0, 0, 96, 0] }
}

/// INQUIRY of one vital product data page: `length` bytes at most.
pub fn vital_product_data(page: VpdPage, length: u16) -> Command {
    let [high, low] = length.to_be_bytes();
    Command { name: page.name(), cdb: vec![0x12, 1, page.code(), high, low, 0] }
}

/// SECURITY PROTOCOL IN (SPC-6 6.44) of `protocol`, one block of 512 bytes (INC_512).
pub fn security_protocol_in(protocol: u8, specific: u16) -> Command {
    let [high, low] = specific.to_be_bytes();
    let cdb = vec![0xA2, protocol, high, low, 0x80, 0, 0, 0, 0, 1, 0, 0];
    Command { name: "SECURITY PROTOCOL IN", cdb }
}

/// Vital product data pages that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpdPage {
    /// 00h.
    Supported,
    /// 80h; `device::vpd::unit_serial` reads it.
    UnitSerialNumber,
    /// 83h; `device::vpd::device_ids` reads it.
    DeviceIdentification,
    /// 89h.
    AtaInformation,
    /// B0h.
    BlockLimits,
    /// B1h.
    BlockDeviceCharacteristics,
}

impl VpdPage {
    /// Page code.
    pub fn code(self) -> u8 {
        match self {
            VpdPage::Supported => 0x00,
            VpdPage::UnitSerialNumber => 0x80,
            VpdPage::DeviceIdentification => 0x83,
            VpdPage::AtaInformation => 0x89,
            VpdPage::BlockLimits => 0xB0,
            VpdPage::BlockDeviceCharacteristics => 0xB1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            VpdPage::Supported => "INQUIRY (Supported VPD Pages)",
            VpdPage::UnitSerialNumber => "INQUIRY (Unit Serial Number)",
            VpdPage::DeviceIdentification => "INQUIRY (Device Identification)",
            VpdPage::AtaInformation => "INQUIRY (ATA Information)",
            VpdPage::BlockLimits => "INQUIRY (Block Limits)",
            VpdPage::BlockDeviceCharacteristics => "INQUIRY (Block Device Characteristics)",
        }
    }

    /// The page without its header, as long as its length field says and the data go; `None` when
    /// it is another page.
    fn body(self, data: &[u8]) -> Option<&[u8]> {
        let length = usize::from(be16(data, 2)?);
        let rest = data.get(4..)?;
        (*data.get(1)? == self.code()).then(|| &rest[..length.min(rest.len())])
    }
}

/// Standard INQUIRY data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// Byte 0 bits 4:0: 00h is a disk, 14h a host-managed zoned disk, 1Fh nothing.
    pub device_type: u8,
    /// Byte 0 bits 7:5: 0 when a device is connected.
    pub qualifier: u8,
    /// Byte 1 bit 7.
    pub removable: bool,
    /// Byte 2.
    pub version: u8,
    /// Bytes 8-15; `None` when empty or not ASCII.
    pub vendor: Option<String>,
    /// Bytes 16-31.
    pub product: Option<String>,
    /// Bytes 32-35.
    pub revision: Option<String>,
}

impl Inquiry {
    /// Reads at least 36 bytes.
    pub fn parse(data: &[u8]) -> Option<Inquiry> {
        let data: &[u8; 36] = data.first_chunk()?;
        Some(Inquiry {
            device_type: data[0] & 0x1F,
            qualifier: data[0] >> 5,
            removable: data[1] & 0x80 != 0,
            version: data[2],
            vendor: text(&data[8..16]),
            product: text(&data[16..32]),
            revision: text(&data[32..36]),
        })
    }

    /// The drive answers for ATA devices: what comes back is a translation (SAT-5 10.3).
    pub fn is_translated_ata(&self) -> bool {
        self.vendor.as_deref() == Some("ATA")
    }
}

/// Which pages there are (00h).
pub fn supported_pages(data: &[u8]) -> Option<&[u8]> {
    VpdPage::Supported.body(data)
}

/// ATA Information (89h): who translates, and the drive's IDENTIFY data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtaInformation {
    /// Bytes 8-15: vendor of the translation (`linux`, a bridge's maker).
    pub sat_vendor: Option<String>,
    /// Bytes 16-31.
    pub sat_product: Option<String>,
    /// Bytes 32-35.
    pub sat_revision: Option<String>,
    /// Byte 56: the command that gave the IDENTIFY data (ECh for disks).
    pub command: u8,
    /// Bytes 60-571.
    pub identify: Result<Identify, IdentifyError>,
}

impl AtaInformation {
    /// Reads the page; `None` when it is another one or too short.
    pub fn parse(data: &[u8]) -> Option<AtaInformation> {
        VpdPage::AtaInformation.body(data).filter(|body| body.len() >= 568)?;
        Some(AtaInformation {
            sat_vendor: text(data.get(8..16)?),
            sat_product: text(data.get(16..32)?),
            sat_revision: text(data.get(32..36)?),
            command: *data.get(56)?,
            identify: Identify::parse(data.get(60..572)?),
        })
    }
}

/// Block Limits (B0h, SBC-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLimits {
    /// WSNZ: WRITE SAME with 0 blocks does not mean "to the end".
    pub write_same_non_zero: bool,
    /// Blocks a command; 0: no limit told.
    pub maximum_transfer: u32,
    /// LBAs an UNMAP; 0: no UNMAP.
    pub maximum_unmap: u32,
    /// Blocks a WRITE SAME; 0: no limit told.
    pub maximum_write_same: u64,
}

impl BlockLimits {
    /// Reads the page; what is beyond its end counts as 0.
    pub fn parse(data: &[u8]) -> Option<BlockLimits> {
        let body = VpdPage::BlockLimits.body(data)?;
        Some(BlockLimits {
            write_same_non_zero: body.first()? & 1 != 0,
            maximum_transfer: be32(body, 4).unwrap_or(0),
            maximum_unmap: be32(body, 16).unwrap_or(0),
            maximum_write_same: be64(body, 32).unwrap_or(0),
        })
    }
}

/// Block Device Characteristics (B1h, SBC-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockCharacteristics {
    /// Bytes 4-5: 0001h solid state, else turns a minute, 0 not reported.
    pub rotation: u16,
    /// WABEREQ, as it stands: whether blocks must be written before they can be read after a
    /// SANITIZE block erase.
    pub write_after_block_erase: u8,
    /// WACEREQ: the same after a cryptographic erase.
    pub write_after_crypto_erase: u8,
    /// Byte 8 bits 5:4: 1 host-aware, 2 device-managed zones.
    pub zoned: u8,
    /// Bytes 12-15: seconds a depopulation may take.
    pub depopulation_seconds: u32,
}

impl BlockCharacteristics {
    /// Reads the page; what is beyond its end counts as 0.
    pub fn parse(data: &[u8]) -> Option<BlockCharacteristics> {
        let body = VpdPage::BlockDeviceCharacteristics.body(data)?;
        let byte = |at: usize| body.get(at).copied().unwrap_or(0);
        Some(BlockCharacteristics {
            rotation: be16(body, 0)?,
            write_after_block_erase: byte(3) >> 6,
            write_after_crypto_erase: byte(3) >> 4 & 3,
            zoned: byte(4) >> 4 & 3,
            depopulation_seconds: be32(body, 8).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(code: u8, length: u16, fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut data = vec![0; 4 + usize::from(length)];
        data[1] = code;
        data[2..4].copy_from_slice(&length.to_be_bytes());
        for (at, bytes) in fields {
            data[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        data
    }

    #[test]
    fn cdbs() {
        assert_eq!(security_protocol_in(1, 0x0203).cdb, [0xA2, 1, 2, 3, 0x80, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(inquiry().cdb, [0x12, 0, 0, 0, 96, 0]);
        assert_eq!(vital_product_data(VpdPage::AtaInformation, 572).cdb, [0x12, 1, 0x89, 2, 0x3C, 0]);
        for (page, code) in [
            (VpdPage::Supported, 0),
            (VpdPage::UnitSerialNumber, 0x80),
            (VpdPage::DeviceIdentification, 0x83),
            (VpdPage::BlockLimits, 0xB0),
            (VpdPage::BlockDeviceCharacteristics, 0xB1),
        ] {
            assert_eq!(vital_product_data(page, 252).cdb, [0x12, 1, code, 0, 252, 0]);
        }
    }

    #[test]
    fn standard_data() {
        let mut data = vec![0; 36];
        data[..3].copy_from_slice(&[0x20 | 0x14, 0x80, 7]);
        data[8..36].copy_from_slice(b"ATA     Model 1         1.0 ");
        let found = Inquiry::parse(&data).unwrap();
        assert_eq!((found.qualifier, found.device_type, found.removable, found.version), (1, 0x14, true, 7));
        assert_eq!(found.product.as_deref(), Some("Model 1"));
        assert_eq!(found.revision.as_deref(), Some("1.0"));
        assert!(found.is_translated_ata());
        data[9] = 0xFF;
        assert_eq!(Inquiry::parse(&data).unwrap().vendor, None);
        assert_eq!(Inquiry::parse(&data[..35]), None);
    }

    #[test]
    fn ata_information_holds_identify_data() {
        let mut data = page(0x89, 568, &[(8, b"linux   "), (16, b"libata          "), (32, b"3.00"), (56, &[0xEC])]);
        let found = AtaInformation::parse(&data).unwrap();
        assert_eq!(found.sat_vendor.as_deref(), Some("linux"));
        assert_eq!((found.sat_product.as_deref(), found.sat_revision.as_deref()), (Some("libata"), Some("3.00")));
        assert_eq!((found.command, found.identify), (0xEC, Err(IdentifyError::Unfilled(0))));
        // Serial "SN-1" at word 10, bytes swapped.
        data[80..84].copy_from_slice(b"NS1-");
        data[84..100].fill(b' ');
        let identify = AtaInformation::parse(&data).unwrap().identify.unwrap();
        assert_eq!(identify.serial.as_str(), Some("SN-1"));
        assert_eq!(AtaInformation::parse(&data[..571]), None);
        data[1] = 0x80;
        assert_eq!(AtaInformation::parse(&data), None);
    }

    #[test]
    fn block_limits_and_characteristics() {
        let limits =
            page(0xB0, 60, &[(4, &[1]), (8, &[0, 0, 1, 0]), (20, &[0, 0, 2, 0]), (36, &[0, 0, 0, 0, 0, 0, 3, 0])]);
        let found = BlockLimits::parse(&limits).unwrap();
        assert_eq!((found.write_same_non_zero, found.maximum_transfer), (true, 256));
        assert_eq!((found.maximum_unmap, found.maximum_write_same), (512, 768));
        // A short page of an older drive: what is not there is 0.
        let short = page(0xB0, 12, &[(8, &[0, 0, 1, 0])]);
        assert_eq!(BlockLimits::parse(&short).unwrap().maximum_unmap, 0);

        let data = page(0xB1, 60, &[(4, &[0, 1]), (7, &[0b1001_0000]), (8, &[0x10]), (12, &[0, 0, 0x0E, 0x10])]);
        let expected = BlockCharacteristics {
            rotation: 1,
            write_after_block_erase: 2,
            write_after_crypto_erase: 1,
            zoned: 1,
            depopulation_seconds: 3600,
        };
        assert_eq!(BlockCharacteristics::parse(&data), Some(expected));
        assert_eq!(BlockCharacteristics::parse(&limits), None);
        assert_eq!(supported_pages(&page(0, 3, &[(4, &[0, 0x80, 0x83])])), Some(&[0, 0x80, 0x83][..]));
    }

    proptest! {
        #[test]
        fn hostile_pages_never_panic(mut data in proptest::collection::vec(any::<u8>(), 0..700)) {
            for code in [0, 0x80, 0x83, 0x89, 0xB0, 0xB1] {
                if let Some(byte) = data.get_mut(1) {
                    *byte = code;
                }
                let _ = (Inquiry::parse(&data), supported_pages(&data), AtaInformation::parse(&data));
                let _ = (BlockLimits::parse(&data), BlockCharacteristics::parse(&data));
            }
        }
    }
}
