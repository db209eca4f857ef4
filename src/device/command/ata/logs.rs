//! General purpose logs (ACS-5 9): IDENTIFY DEVICE data and device statistics.

use super::{Command, Protocol};
use crate::device::command::{le16, le64};
use crate::media::Health;

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

/// Log 04h: device statistics.
pub fn read_statistics(page: StatisticsPage) -> Command {
    match page {
        StatisticsPage::General => read_log("READ LOG EXT (Statistics, General)", 0x04, 0x01),
        StatisticsPage::GeneralErrors => read_log("READ LOG EXT (Statistics, General Errors)", 0x04, 0x04),
        StatisticsPage::RotatingMedia => read_log("READ LOG EXT (Statistics, Rotating Media)", 0x04, 0x03),
        StatisticsPage::Temperature => read_log("READ LOG EXT (Statistics, Temperature)", 0x04, 0x05),
        StatisticsPage::SolidState => read_log("READ LOG EXT (Statistics, Solid State)", 0x04, 0x07),
    }
}

/// Pages of log 04h that say something of the drive's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatisticsPage {
    /// 01h.
    General,
    /// 03h.
    RotatingMedia,
    /// 04h.
    GeneralErrors,
    /// 05h.
    Temperature,
    /// 07h.
    SolidState,
}

impl StatisticsPage {
    /// All of them.
    pub const ALL: [StatisticsPage; 5] = [
        StatisticsPage::General,
        StatisticsPage::RotatingMedia,
        StatisticsPage::GeneralErrors,
        StatisticsPage::Temperature,
        StatisticsPage::SolidState,
    ];

    fn number(self) -> u8 {
        match self {
            StatisticsPage::General => 1,
            StatisticsPage::RotatingMedia => 3,
            StatisticsPage::GeneralErrors => 4,
            StatisticsPage::Temperature => 5,
            StatisticsPage::SolidState => 7,
        }
    }
}

/// What one page says; empty when the bytes are another page or none.
pub fn statistics(page: StatisticsPage, data: &[u8]) -> Health {
    let mut health = Health::default();
    // Bytes 0-1 are the revision, byte 2 the page.
    if data.len() < 512 || data[2] != page.number() || le16(data, 0) != Some(1) {
        return health;
    }
    match page {
        StatisticsPage::General => health.hours = value(data, 16, 4),
        StatisticsPage::RotatingMedia => {
            health.reallocated = value(data, 32, 4);
            health.pending = value(data, 56, 4);
        }
        StatisticsPage::GeneralErrors => health.media_errors = value(data, 8, 4),
        StatisticsPage::Temperature => {
            let byte = value(data, 8, 1).and_then(|byte| u8::try_from(byte).ok());
            // 80h: not known.
            health.temperature = byte.map(u8::cast_signed).filter(|t| *t != i8::MIN).map(i16::from);
        }
        StatisticsPage::SolidState => health.wear = value(data, 8, 1).and_then(|byte| u8::try_from(byte).ok()),
    }
    health
}

/// The lowest bytes of a statistic, when bits 63 (supported) and 62 (valid) are set.
fn value(data: &[u8], at: usize, bytes: u32) -> Option<u64> {
    let statistic = le64(data, at)?;
    (statistic >> 62 == 0b11).then_some(statistic & ((1 << (8 * bytes)) - 1))
}

/// Log 30h page 06h, bytes 48-55.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityPage {
    /// Bit 0: all user data are encrypted on the medium.
    pub encrypts_all: bool,
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
        valid.then_some(SecurityPage {
            encrypts_all: capabilities & 1 != 0,
            sanitize_overrides_security: capabilities >> 7 & 1 != 0,
        })
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
        let pages: Vec<u64> = StatisticsPage::ALL.iter().map(|page| read_statistics(*page).lba >> 8).collect();
        assert_eq!(pages, [1, 3, 4, 5, 7]);
        for page in StatisticsPage::ALL {
            assert_eq!(read_statistics(page).lba >> 8, u64::from(page.number()));
        }
    }

    #[test]
    fn statistics_count_only_when_supported_and_valid() {
        const VALID: u64 = 0b11 << 62;
        let of = |which: StatisticsPage, entries: &[(usize, u64)]| statistics(which, &page(which.number(), entries));
        assert_eq!(of(StatisticsPage::General, &[(16, VALID | 0xAB_0000_3039)]).hours, Some(12_345));
        assert_eq!(of(StatisticsPage::General, &[(16, 1 << 63 | 5)]).hours, None);
        assert_eq!(of(StatisticsPage::General, &[(16, 1 << 62 | 5)]).hours, None);
        let rotating = of(StatisticsPage::RotatingMedia, &[(32, VALID | 7), (56, VALID)]);
        assert_eq!((rotating.reallocated, rotating.pending), (Some(7), Some(0)));
        assert_eq!(of(StatisticsPage::GeneralErrors, &[(8, VALID | 3)]).media_errors, Some(3));
        assert_eq!(of(StatisticsPage::Temperature, &[(8, VALID | 41)]).temperature, Some(41));
        assert_eq!(of(StatisticsPage::Temperature, &[(8, VALID | 0xFB)]).temperature, Some(-5));
        assert_eq!(of(StatisticsPage::Temperature, &[(8, VALID | 0x80)]).temperature, None);
        assert_eq!(of(StatisticsPage::SolidState, &[(8, VALID | 120)]).wear, Some(120));
        // Another page than was asked for.
        assert!(statistics(StatisticsPage::SolidState, &page(5, &[(8, VALID | 41)])).is_empty());
    }

    #[test]
    fn the_security_page_bit_by_bit() {
        const VALID: u64 = 1 << 63;
        let of = |header: u64, word: u64| SecurityPage::parse(&page(0, &[(0, header), (48, word)]));
        let header = VALID | 0x06_0001;
        let none = SecurityPage { encrypts_all: false, sanitize_overrides_security: false };
        assert_eq!(of(header, VALID), Some(none));
        assert_eq!(of(header, VALID | 1), Some(SecurityPage { encrypts_all: true, ..none }));
        assert_eq!(of(header, VALID | 1 << 7), Some(SecurityPage { sanitize_overrides_security: true, ..none }));
        assert_eq!(of(header, 1), None);
        assert_eq!(of(VALID | 0x05_0001, VALID | 1), None);
        assert_eq!(of(0x06_0001, VALID | 1), None);
    }

    proptest! {
        #[test]
        fn hostile_pages_never_panic(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = SecurityPage::parse(&data);
            for page in StatisticsPage::ALL {
                let _ = statistics(page, &data);
            }
        }
    }
}
