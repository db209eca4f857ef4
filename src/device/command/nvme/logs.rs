//! Get Log Page: Sanitize Status (81h) and SMART / Health Information (02h), NVM Express base 2.1
//! 5.1.12.

use std::time::Duration;

use super::{ALL_NAMESPACES, AdminCommand};
use crate::device::command::{le16, le32, le128};
use crate::media::Health;

/// Get Log Page of `log`, from its start, `bytes` (a multiple of 4) of it.
fn get_log_page(name: &'static str, log: u8, bytes: u32) -> AdminCommand {
    let dwords = (bytes / 4).saturating_sub(1);
    AdminCommand {
        name,
        opcode: 0x02,
        nsid: ALL_NAMESPACES,
        cdw10: (dwords & 0xFFFF) << 16 | u32::from(log),
        cdw11: dwords >> 16,
        ..AdminCommand::default()
    }
}

/// Sanitize Status (81h): 512 bytes.
pub fn sanitize_status_log() -> AdminCommand {
    get_log_page("Get Log Page (Sanitize Status)", 0x81, 512)
}

/// SMART / Health Information (02h): 512 bytes.
pub fn health_log() -> AdminCommand {
    get_log_page("Get Log Page (SMART / Health Information)", 0x02, 512)
}

/// The Sanitize Status log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SanitizeStatus {
    /// SPROG, in 65,536ths.
    pub progress: u16,
    /// SSTAT as it came.
    pub status: u16,
    /// SSTAT bits 2:0.
    pub outcome: SanitizeOutcome,
    /// SSTAT bits 7:3: overwrite passes that are done.
    pub passes_done: u8,
    /// SSTAT bit 8: nothing was written since it was made or last sanitized.
    pub global_data_erased: bool,
    /// SSTAT bit 9: media verification was cancelled.
    pub verification_cancelled: bool,
    /// SSTAT bit 11: what was done is a purge.
    pub purged: bool,
    /// SCDW10: CDW10 of the last Sanitize.
    pub command: u32,
    /// ETO, ETBE, ETCE: how long overwrite, block erase and crypto erase take.
    pub estimates: Estimates,
    /// ETOND, ETBEND, ETCEND: the same with No-Deallocate After Sanitize.
    pub estimates_no_deallocate: Estimates,
    /// ETPVDS: deallocation after media verification.
    pub estimate_deallocation: Option<Duration>,
    /// SSI bits 3:0.
    pub state: u8,
    /// SSI bits 7:4: the state in which it failed.
    pub failed_state: u8,
}

/// SSTAT bits 2:0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanitizeOutcome {
    /// 0.
    Never,
    /// 1.
    Succeeded,
    /// 2.
    InProgress,
    /// 3.
    Failed,
    /// 4: succeeded, and deallocated although No-Deallocate was asked for. A success like 1.
    SucceededDeallocated,
    /// Reserved.
    Reserved(u8),
}

/// Times; `None` where the controller gives none (all ones). Zero: it is done when the command has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimates {
    /// Overwrite, one pass: a sixteenth of what the log says, which is for 16.
    pub overwrite: Option<Duration>,
    /// Block erase.
    pub block_erase: Option<Duration>,
    /// Cryptographic erase.
    pub crypto_erase: Option<Duration>,
}

impl SanitizeStatus {
    /// Reads at least 37 bytes.
    pub fn parse(data: &[u8]) -> Option<SanitizeStatus> {
        let status = le16(data, 2)?;
        let seconds = |at: usize| le32(data, at).filter(|seconds| *seconds != u32::MAX);
        let time = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let times = |at: usize| Estimates {
            overwrite: seconds(at).map(|all| time(all.div_ceil(16))),
            block_erase: seconds(at + 4).map(time),
            crypto_erase: seconds(at + 8).map(time),
        };
        let information = *data.get(36)?;
        let [low, _] = status.to_le_bytes();
        Some(SanitizeStatus {
            progress: le16(data, 0)?,
            status,
            outcome: match low & 7 {
                0 => SanitizeOutcome::Never,
                1 => SanitizeOutcome::Succeeded,
                2 => SanitizeOutcome::InProgress,
                3 => SanitizeOutcome::Failed,
                4 => SanitizeOutcome::SucceededDeallocated,
                other => SanitizeOutcome::Reserved(other),
            },
            passes_done: low >> 3,
            global_data_erased: status >> 8 & 1 != 0,
            verification_cancelled: status >> 9 & 1 != 0,
            purged: status >> 11 & 1 != 0,
            command: le32(data, 4)?,
            estimates: times(8),
            estimates_no_deallocate: times(20),
            estimate_deallocation: seconds(32).map(time),
            state: information & 0xF,
            failed_state: information >> 4,
        })
    }
}

/// The SMART / Health Information log; `None` when it is short or was not filled in (a composite
/// temperature of 0 K and no hours).
pub fn health(data: &[u8]) -> Option<Health> {
    let data: &[u8; 512] = data.first_chunk()?;
    let kelvin = le16(data, 1)?;
    let counter = |at: usize| le128(data, at).map(|value| u64::try_from(value).unwrap_or(u64::MAX));
    if data.iter().all(|byte| *byte == data[0]) {
        return None;
    }
    let celsius = i16::try_from(kelvin).ok().filter(|kelvin| *kelvin > 0).map(|kelvin| kelvin - 273);
    Some(Health {
        // Bits 2 and 3: reliability degraded, read-only. Bit 0: spare below its threshold.
        failing: Some(data[0] & 0b1101 != 0),
        media_errors: counter(160),
        wear: Some(data[5]),
        temperature: celsius,
        hours: counter(128),
        ..Health::default()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut data = vec![0; 512];
        for (at, bytes) in fields {
            data[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        data
    }

    #[test]
    fn commands() {
        let of = |command: AdminCommand| (command.opcode, command.nsid, command.cdw10, command.cdw11);
        assert_eq!(of(sanitize_status_log()), (2, ALL_NAMESPACES, 0x007F_0081, 0));
        assert_eq!(of(health_log()), (2, ALL_NAMESPACES, 0x007F_0002, 0));
        assert_eq!(of(get_log_page("X", 1, 1 << 20)), (2, ALL_NAMESPACES, 0xFFFF_0001, 3));
    }

    #[test]
    fn sanitize_status_bit_by_bit() {
        let status = |sstat: u16| SanitizeStatus::parse(&with(&[(2, &sstat.to_le_bytes())])).unwrap();
        for (value, outcome) in [
            (0, SanitizeOutcome::Never),
            (1, SanitizeOutcome::Succeeded),
            (2, SanitizeOutcome::InProgress),
            (3, SanitizeOutcome::Failed),
            (4, SanitizeOutcome::SucceededDeallocated),
            (5, SanitizeOutcome::Reserved(5)),
            (7, SanitizeOutcome::Reserved(7)),
        ] {
            assert_eq!(status(value).outcome, outcome);
        }
        assert_eq!((status(31 << 3).passes_done, status(31 << 3).status), (31, 31 << 3));
        assert!(status(1 << 8).global_data_erased && !status(!(1 << 8)).global_data_erased);
        assert!(status(1 << 9).verification_cancelled && !status(!(1 << 9)).verification_cancelled);
        assert!(status(1 << 11).purged && !status(!(1 << 11)).purged);
    }

    #[test]
    fn sanitize_status_field_by_field() {
        let seconds = |n: u32| Some(Duration::from_secs(u64::from(n)));
        let data = with(&[
            (0, &[0x8F, 0x02]),
            (4, &[4, 3, 2, 1]),
            (8, &[33]),
            (12, &[2]),
            (16, &[3]),
            (20, &[64]),
            (24, &[0xFF; 4]),
            (28, &[6]),
            (32, &[7]),
            (36, &[0x53]),
        ]);
        let found = SanitizeStatus::parse(&data).unwrap();
        assert_eq!((found.progress, found.status, found.command), (655, 0, 0x0102_0304));
        let expected = Estimates { overwrite: seconds(3), block_erase: seconds(2), crypto_erase: seconds(3) };
        assert_eq!(found.estimates, expected);
        let expected = Estimates { overwrite: seconds(4), block_erase: None, crypto_erase: seconds(6) };
        assert_eq!(found.estimates_no_deallocate, expected);
        // Zero is a time, and all ones are none.
        let zero = Estimates { overwrite: seconds(0), block_erase: seconds(0), crypto_erase: seconds(0) };
        assert_eq!(SanitizeStatus::parse(&with(&[])).unwrap().estimates, zero);
        let silent = SanitizeStatus::parse(&with(&[(8, &[0xFF; 24])])).unwrap();
        assert_eq!((silent.estimates, silent.estimates_no_deallocate), (Estimates::default(), Estimates::default()));
        assert_eq!(SanitizeStatus::parse(&with(&[(8, &[1])])).unwrap().estimates.overwrite, seconds(1));
        assert_eq!((found.estimate_deallocation, found.state, found.failed_state), (seconds(7), 3, 5));
        assert_eq!(SanitizeStatus::parse(&data[..36]), None);
    }

    #[test]
    fn health_field_by_field() {
        let data = with(&[(1, &[0x2C, 0x01]), (5, &[17]), (128, &[0x39, 0x30]), (160, &[2])]);
        let expected = Health {
            failing: Some(false),
            media_errors: Some(2),
            wear: Some(17),
            temperature: Some(27),
            hours: Some(12_345),
            ..Health::default()
        };
        assert_eq!(health(&data), Some(expected));
        for (bit, failing) in [(0, true), (1, false), (2, true), (3, true), (4, false)] {
            let warned = with(&[(0, &[1 << bit]), (1, &[1])]);
            assert_eq!(health(&warned).unwrap().failing, Some(failing), "bit {bit}");
        }
        assert_eq!(health(&with(&[(128, &[0xFF; 16])])).unwrap().hours, Some(u64::MAX));
        assert_eq!(health(&[0; 512]), None);
        assert_eq!(health(&[1; 511]), None);
    }

    proptest! {
        #[test]
        fn hostile_logs_never_panic(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = (SanitizeStatus::parse(&data), health(&data));
        }
    }
}
