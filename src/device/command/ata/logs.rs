//! General purpose logs (ACS-5 9): IDENTIFY DEVICE data.

use super::{Command, Protocol};
use crate::device::command::le64;

/// READ LOG EXT (2Fh): one page of a log, 512 bytes.
pub fn read_log(name: &'static str, log: u8, page: u16) -> Command {
    let [page_high, page_low] = page.to_be_bytes();
    // LBA 7:0 is the log, 15:8 the page, 39:32 the page's upper byte.
    let lba = u64::from(log) | u64::from(page_low) << 8 | u64::from(page_high) << 32;
    Command { protocol: Protocol::PioIn, extended: true, count: 1, lba, ..Command::non_data(name, 0x2F) }
}

/// Log 30h page 06h: IDENTIFY DEVICE data, Security.
pub fn read_security_page() -> Command {
    read_log("READ LOG EXT (Identify Device data, Security)", 0x30, 0x06)
}

/// Log 30h page 06h, bytes 48-55.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityPage {
    /// Bit 7: sanitize commands are taken while a security password locks the drive.
    pub sanitize_overrides_security: bool,
}

impl SecurityPage {
    /// Reads the page; `None` when it is another one, or bit 63 says that the word is not valid.
    pub fn parse(data: &[u8]) -> Option<SecurityPage> {
        let header = le64(data, 0)?;
        let capabilities = le64(data, 48)?;
        // Bit 63 marks the header and the word; bits 23:16 of the header are the page.
        let valid = header >> 63 == 1 && header >> 16 & 0xFF == 0x06 && capabilities >> 63 == 1;
        valid.then_some(SecurityPage { sanitize_overrides_security: capabilities >> 7 & 1 != 0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(number: u8, entries: &[(usize, u64)]) -> Vec<u8> {
        let mut data = vec![0; 512];
        data[0] = 1;
        data[2] = number;
        for (at, value) in entries {
            data[*at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        data
    }

    #[test]
    fn task_files() {
        let command = read_log("X", 0x30, 0x0206);
        assert_eq!(crate::device::command::hex(&command.task_file()), "00000001000200000630402f");
        assert_eq!(read_security_page().lba, 0x0630);
    }

    #[test]
    fn the_security_page_bit_by_bit() {
        const VALID: u64 = 1 << 63;
        let of = |header: u64, word: u64| SecurityPage::parse(&page(0, &[(0, header), (48, word)]));
        let header = VALID | 0x06_0001;
        let overrides = |is: bool| Some(SecurityPage { sanitize_overrides_security: is });
        assert_eq!(of(header, VALID), overrides(false));
        assert_eq!(of(header, VALID | 1), overrides(false));
        assert_eq!(of(header, VALID | 1 << 7), overrides(true));
        assert_eq!(of(header, 1), None);
        assert_eq!(of(VALID | 0x05_0001, VALID | 1), None);
        assert_eq!(of(0x06_0001, VALID | 1), None);
    }

    proptest! {
        #[test]
        fn hostile_pages_never_panic(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = SecurityPage::parse(&data);
        }
    }
}
