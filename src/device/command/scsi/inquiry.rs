//! INQUIRY (SPC-6 6.6): standard data and vital product data.

use super::Command;
use crate::device::command::{be16, text};

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
    /// 89h; `device::vpd::ata_information` reads it.
    AtaInformation,
    /// B1h.
    BlockDeviceCharacteristics,
}

impl VpdPage {
    /// Page code.
    pub fn code(self) -> u8 {
        match self {
            VpdPage::Supported => 0x00,
            VpdPage::UnitSerialNumber => 0x80,
            VpdPage::AtaInformation => 0x89,
            VpdPage::BlockDeviceCharacteristics => 0xB1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            VpdPage::Supported => "INQUIRY (Supported VPD Pages)",
            VpdPage::UnitSerialNumber => "INQUIRY (Unit Serial Number)",
            VpdPage::AtaInformation => "INQUIRY (ATA Information)",
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
    /// Byte 2.
    pub version: u8,
    /// Bytes 8-15; `None` when empty or not ASCII.
    pub vendor: Option<String>,
}

impl Inquiry {
    /// Reads at least 36 bytes.
    pub fn parse(data: &[u8]) -> Option<Inquiry> {
        let data: &[u8; 36] = data.first_chunk()?;
        Some(Inquiry { version: data[2], vendor: text(&data[8..16]) })
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

/// Block Device Characteristics (B1h, SBC-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockCharacteristics {
    /// WABEREQ, as it stands: whether blocks must be written before they can be read after a
    /// SANITIZE block erase.
    pub write_after_block_erase: u8,
    /// WACEREQ: the same after a cryptographic erase.
    pub write_after_crypto_erase: u8,
}

impl BlockCharacteristics {
    /// Reads the page; what is beyond its end counts as 0.
    pub fn parse(data: &[u8]) -> Option<BlockCharacteristics> {
        let body = VpdPage::BlockDeviceCharacteristics.body(data)?;
        // The medium's rotation was there from the first.
        be16(body, 0)?;
        let byte = |at: usize| body.get(at).copied().unwrap_or(0);
        Some(BlockCharacteristics { write_after_block_erase: byte(3) >> 6, write_after_crypto_erase: byte(3) >> 4 & 3 })
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
        for (page, code) in
            [(VpdPage::Supported, 0), (VpdPage::UnitSerialNumber, 0x80), (VpdPage::BlockDeviceCharacteristics, 0xB1)]
        {
            assert_eq!(vital_product_data(page, 252).cdb, [0x12, 1, code, 0, 252, 0]);
        }
    }

    #[test]
    fn standard_data() {
        let mut data = vec![0; 36];
        data[..3].copy_from_slice(&[0x20 | 0x14, 0x80, 7]);
        data[8..36].copy_from_slice(b"ATA     Model 1         1.0 ");
        let found = Inquiry::parse(&data).unwrap();
        assert_eq!((found.version, found.vendor.as_deref()), (7, Some("ATA")));
        assert!(found.is_translated_ata());
        data[9] = 0xFF;
        assert_eq!(Inquiry::parse(&data).unwrap().vendor, None);
        assert_eq!(Inquiry::parse(&data[..35]), None);
    }

    #[test]
    fn block_characteristics() {
        let data = page(0xB1, 60, &[(4, &[0, 1]), (7, &[0b1001_0000]), (8, &[0x10])]);
        let expected = BlockCharacteristics { write_after_block_erase: 2, write_after_crypto_erase: 1 };
        assert_eq!(BlockCharacteristics::parse(&data), Some(expected));
        // A short page of an older drive: what is not there is 0.
        let none = BlockCharacteristics { write_after_block_erase: 0, write_after_crypto_erase: 0 };
        assert_eq!(BlockCharacteristics::parse(&page(0xB1, 2, &[])), Some(none));
        assert_eq!(BlockCharacteristics::parse(&page(0xB1, 1, &[])), None);
        assert_eq!(BlockCharacteristics::parse(&page(0xB0, 60, &[])), None);
        assert_eq!(supported_pages(&page(0, 3, &[(4, &[0, 0x80, 0x83])])), Some(&[0, 0x80, 0x83][..]));
    }

    proptest! {
        #[test]
        fn hostile_pages_never_panic(mut data in proptest::collection::vec(any::<u8>(), 0..700)) {
            for code in [0, 0x80, 0x89, 0xB1] {
                if let Some(byte) = data.get_mut(1) {
                    *byte = code;
                }
                let _ = (Inquiry::parse(&data), supported_pages(&data), BlockCharacteristics::parse(&data));
            }
        }
    }
}
