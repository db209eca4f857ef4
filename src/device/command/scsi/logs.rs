//! LOG SENSE (SPC-6 6.8) and the log pages that tell how a disk is (SPC-6 7.3, SBC-5 6.4).

use super::Command;
use crate::device::command::{be16, be32};

/// Bytes that [`log_sense`] asks for. The parameters that are read here come first in their pages.
pub const LOG_DATA: usize = 252;

/// Log pages that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPage {
    /// 00h.
    Supported,
    /// 02h.
    WriteErrors,
    /// 03h.
    ReadErrors,
    /// 05h.
    VerifyErrors,
    /// 0Dh.
    Temperature,
    /// 11h, SBC-5.
    SolidStateMedia,
    /// 15h, SBC-5.
    BackgroundScan,
    /// 2Fh.
    InformationalExceptions,
}

impl LogPage {
    /// Page code.
    pub fn code(self) -> u8 {
        match self {
            LogPage::Supported => 0x00,
            LogPage::WriteErrors => 0x02,
            LogPage::ReadErrors => 0x03,
            LogPage::VerifyErrors => 0x05,
            LogPage::Temperature => 0x0D,
            LogPage::SolidStateMedia => 0x11,
            LogPage::BackgroundScan => 0x15,
            LogPage::InformationalExceptions => 0x2F,
        }
    }

    /// The page without its header, as long as its length field says and the data go; `None` when it is
    /// another page, or a subpage.
    fn body(self, data: &[u8]) -> Option<&[u8]> {
        let head: &[u8; 4] = data.first_chunk()?;
        let length = usize::from(be16(head, 2)?);
        let rest = &data[4..];
        let is_it = head[0] & 0x3F == self.code() && head[0] & 0x40 == 0 && head[1] == 0;
        is_it.then(|| &rest[..length.min(rest.len())])
    }

    /// The value of the parameter with this code; `None` when it is not there as a whole.
    fn parameter(self, data: &[u8], code: u16) -> Option<&[u8]> {
        let mut rest = self.body(data)?;
        loop {
            let head: &[u8; 4] = rest.first_chunk()?;
            let value = rest.get(4..4 + usize::from(head[3]))?;
            if be16(head, 0)? == code {
                return Some(value);
            }
            rest = &rest[4 + value.len()..];
        }
    }
}

/// LOG SENSE (10) of cumulative values: 252 bytes.
pub fn log_sense(page: LogPage) -> Command {
    Command { name: "LOG SENSE", cdb: vec![0x4D, 0, 0x40 | page.code(), 0, 0, 0, 0, 0, LOG_DATA as u8, 0] }
}

/// Which log pages there are (00h).
pub fn supported_logs(data: &[u8]) -> Option<&[u8]> {
    LogPage::Supported.body(data)
}

/// Errors that could not be corrected, by one of the error counter pages (parameter 0006h).
pub fn uncorrected_errors(page: LogPage, data: &[u8]) -> Option<u64> {
    let value = match page {
        LogPage::WriteErrors | LogPage::ReadErrors | LogPage::VerifyErrors => page.parameter(data, 0x0006)?,
        _ => return None,
    };
    // A counter is as wide as the disk likes.
    let fits = (1..=8).contains(&value.len());
    fits.then(|| value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// Degrees Celsius, by the temperature page; FFh is no reading.
pub fn temperature(data: &[u8]) -> Option<i16> {
    let value = LogPage::Temperature.parameter(data, 0x0000)?;
    value.get(1).filter(|degrees| **degrees != 0xFF).map(|degrees| i16::from(*degrees))
}

/// Percentage used endurance indicator, by the solid state media page; may pass 100.
pub fn endurance_used(data: &[u8]) -> Option<u8> {
    LogPage::SolidStateMedia.parameter(data, 0x0001)?.get(3).copied()
}

/// Accumulated power on minutes, by the background scan page.
pub fn power_on_minutes(data: &[u8]) -> Option<u32> {
    be32(LogPage::BackgroundScan.parameter(data, 0x0000)?, 0)
}

/// Whether the disk expects to fail, by the informational exceptions page: 5Dh is a failure prediction, 0 none.
/// `None` also where it warns of something else, or only tests its warnings (5Dh/FFh).
pub fn expects_to_fail(data: &[u8]) -> Option<bool> {
    match LogPage::InformationalExceptions.parameter(data, 0x0000)? {
        [0x00, 0x00, ..] => Some(false),
        [0x5D, 0xFF, ..] => None,
        [0x5D, ..] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(code: u8, parameters: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (parameter, value) in parameters {
            body.extend(parameter.to_be_bytes());
            body.extend([0x03, value.len() as u8]);
            body.extend(*value);
        }
        let mut page = vec![code, 0];
        page.extend((body.len() as u16).to_be_bytes());
        page.extend(body);
        page
    }

    #[test]
    fn cdbs() {
        assert_eq!(log_sense(LogPage::Supported).cdb, [0x4D, 0, 0x40, 0, 0, 0, 0, 0, 252, 0]);
        let codes = [
            (LogPage::WriteErrors, 0x42),
            (LogPage::ReadErrors, 0x43),
            (LogPage::VerifyErrors, 0x45),
            (LogPage::Temperature, 0x4D),
            (LogPage::SolidStateMedia, 0x51),
            (LogPage::BackgroundScan, 0x55),
            (LogPage::InformationalExceptions, 0x6F),
        ];
        for (page, byte) in codes {
            assert_eq!(log_sense(page).cdb[2], byte);
        }
    }

    #[test]
    fn each_value_stands_where_the_standard_has_it() {
        assert_eq!(supported_logs(&[0, 0, 0, 3, 0, 0x0D, 0x2F, 9]), Some(&[0, 0x0D, 0x2F][..]));
        let errors = |value: &[u8]| page(0x03, &[(0x0003, &[1, 2]), (0x0006, value), (0x8000, &[7])]);
        let read = |data: &[u8]| uncorrected_errors(LogPage::ReadErrors, data);
        assert_eq!(read(&errors(&[0, 0, 1, 2])), Some(0x102));
        assert_eq!(read(&errors(&[0xFF; 8])), Some(u64::MAX));
        assert_eq!((read(&errors(&[])), read(&errors(&[0; 9]))), (None, None));
        assert_eq!(uncorrected_errors(LogPage::WriteErrors, &errors(&[1])), None, "another page");
        assert_eq!(uncorrected_errors(LogPage::Temperature, &page(0x0D, &[(6, &[1])])), None, "no error counters");

        let degrees = |byte: u8| temperature(&page(0x0D, &[(0, &[0xEE, byte]), (1, &[0, 70])]));
        assert_eq!((degrees(34), degrees(0), degrees(0xFE), degrees(0xFF)), (Some(34), Some(0), Some(254), None));
        assert_eq!(temperature(&page(0x0D, &[(1, &[0, 70])])), None, "a reference temperature is no reading");
        let worn = page(0x11, &[(1, &[9, 9, 9, 105])]);
        assert_eq!(endurance_used(&worn), Some(105));
        let scan = page(0x15, &[(0, &[0, 1, 0, 2, 9, 9, 9, 9, 9, 9, 9, 9]), (1, &[1; 20])]);
        assert_eq!(power_on_minutes(&scan), Some(0x1_0002));
    }

    #[test]
    fn only_a_prediction_is_one() {
        let of = |asc: u8, ascq: u8| expects_to_fail(&page(0x2F, &[(0, &[asc, ascq, 30, 0])]));
        assert_eq!((of(0, 0), of(0x5D, 0x10), of(0x5D, 0)), (Some(false), Some(true), Some(true)));
        assert_eq!((of(0x5D, 0xFF), of(0x0B, 0x01), of(0, 1)), (None, None, None));
        assert_eq!(expects_to_fail(&page(0x2F, &[])), None);
    }

    #[test]
    fn what_is_cut_or_another_page_gives_nothing() {
        let whole = page(0x11, &[(9, &[0; 4]), (1, &[0, 0, 0, 5])]);
        for length in 0..whole.len() {
            assert_eq!(endurance_used(&whole[..length]), None, "{length}");
        }
        // The page's own length ends it, whatever follows.
        let mut short = whole.clone();
        short[3] = 8;
        assert_eq!(endurance_used(&short), None);
        for (at, value) in [(0, 0x12), (0, 0x51), (1, 1)] {
            let mut other = whole.clone();
            other[at] = value;
            assert_eq!(endurance_used(&other), None);
        }
        let mut saved = whole;
        saved[0] |= 0x80; // DS
        assert_eq!(endurance_used(&saved), Some(5));
    }

    proptest! {
        #[test]
        fn hostile_data_never_panic(data in proptest::collection::vec(any::<u8>(), 0..80), code in 0u8..64) {
            let mut data = data;
            if let Some(first) = data.first_mut() {
                *first = code;
            }
            for page in [LogPage::WriteErrors, LogPage::ReadErrors, LogPage::VerifyErrors] {
                let _ = uncorrected_errors(page, &data);
            }
            let _ = (supported_logs(&data), temperature(&data), endurance_used(&data), power_on_minutes(&data));
            let _ = expects_to_fail(&data);
        }
    }
}
