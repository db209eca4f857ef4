//! Bytes to every parser of a command set. None may panic or read beyond what it was given, and none
//! may turn what it does not understand into a success. Used by the fuzz targets and by
//! `tests/hostile_bytes.rs`.

use super::command::ata::identify::Identify;
use super::command::ata::{self, dco, logs, max_address, sanitize, smart};
use super::command::{mmc, nvme, opal, scsi};
use super::vpd;

/// All parsers of one family.
pub type Parse = fn(&[u8]);

/// Each family, by the name of its fuzz target.
pub const ALL: [(&str, Parse); 5] = [("ata", ata), ("scsi", scsi), ("nvme", nvme), ("mmc", mmc), ("tcg", tcg)];

/// IDENTIFY DEVICE, overlay, logs, SMART, registers in sense data and what they say.
pub fn ata(bytes: &[u8]) {
    if let Ok(drive) = Identify::parse(bytes) {
        assert!(drive.logical_sector >= 512 && drive.physical_sector >= drive.logical_sector);
        let _ = (drive.size(), drive.security_erase_time(true), drive.security_erase_time(false));
        assert!(drive.serial.as_str().is_none_or(|serial| serial.len() <= 20 && serial.is_ascii()));
    }
    let _ = (dco::Dco::parse(bytes), smart::attributes(bytes), logs::SecurityPage::parse(bytes));
    let answer = scsi::Outcome { status: 0, sense: bytes.to_vec(), transferred: 0 };
    let outcome = ata::outcome(&answer);
    if outcome.is_success() {
        // Only sense data that announce the registers can be a success.
        let code = bytes[0] & 0x7F;
        assert!(matches!(code, 0x70..=0x73));
        assert!(code >= 0x72 || bytes[12..14] == [0x00, 0x1D]);
    }
    if let sanitize::SanitizeReply::Status(_) = sanitize::SanitizeReply::of(&outcome) {
        assert!(outcome.is_success());
    }
    let _ = smart::is_failing(&outcome);
    for command in [max_address::read_native_max(true), max_address::read_native_max(false)] {
        let _ = max_address::max_address(&command, &outcome);
    }
}

/// Sense data, INQUIRY and its pages, capacity, block descriptor, log pages, support.
pub fn scsi(bytes: &[u8]) {
    let answer = scsi::Outcome { status: scsi::GOOD, sense: bytes.to_vec(), transferred: bytes.len() };
    let sense = answer.parsed_sense();
    assert!(!answer.is_good() || bytes.is_empty() || sense.is_some());
    let _ = (scsi::Inquiry::parse(bytes), scsi::supported_pages(bytes), scsi::Support::parse(bytes));
    let _ = scsi::BlockCharacteristics::parse(bytes);
    let _ = (scsi::Capacity::parse(bytes).map(|found| found.size()), scsi::BlockDescriptor::parse(bytes));
    let _ = (scsi::supported_logs(bytes), scsi::temperature(bytes), scsi::endurance_used(bytes));
    let _ = (scsi::power_on_minutes(bytes), scsi::expects_to_fail(bytes));
    for page in [scsi::LogPage::WriteErrors, scsi::LogPage::ReadErrors, scsi::LogPage::VerifyErrors] {
        let _ = scsi::uncorrected_errors(page, bytes);
    }
    let _ = (vpd::unit_serial(bytes), vpd::device_ids(bytes), vpd::ata_information(bytes));
    let _ = vpd::identify_device(bytes);
}

/// Identify data, namespace lists, logs. Short inputs are stretched: the structures are 4,096 bytes.
pub fn nvme(bytes: &[u8]) {
    let mut page = vec![0; 4096];
    for (to, from) in page.iter_mut().zip(bytes) {
        *to = *from;
    }
    for bytes in [bytes, &page] {
        if let Some(found) = nvme::Controller::parse(bytes) {
            assert!(found.serial.is_none_or(|serial| !serial.is_empty() && serial.is_ascii()));
        }
        if let Some(found) = nvme::Namespace::parse(bytes) {
            assert!(found.block >= 512 && found.blocks > 0);
            let _ = found.size();
            let command = nvme::format_nvm(nvme::FormatTarget::Namespace(1), &found, nvme::SecureErase::Crypto);
            // Whatever the namespace says, the erase stays an erase.
            assert_eq!(command.cdw10 >> 9 & 7, 2);
        }
        let ids = nvme::namespace_list(bytes);
        assert!(ids.len() <= 1024 && ids.is_sorted() && !ids.contains(&0));
        let _ = (nvme::SanitizeStatus::parse(bytes), nvme::health(bytes));
    }
}

/// EXT_CSD, and R1 of an answer.
pub fn mmc(bytes: &[u8]) {
    if let Some(found) = mmc::ExtCsd::parse(bytes) {
        let _ = (found.size(), found.last(), found.removal.meaning());
        assert!(matches!(found.erased_byte, 0x00 | 0xFF));
    }
    let responses: Vec<[u32; 4]> =
        bytes.chunks_exact(4).map(|r1| [u32::from_le_bytes([r1[0], r1[1], r1[2], r1[3]]), 0, 0, 0]).collect();
    let command = [mmc::send_status(1)];
    let outcome = mmc::Outcome { responses };
    if outcome.is_success(&command) {
        assert_eq!(outcome.responses.len(), 1);
    }
    for [r1, ..] in &outcome.responses {
        let alone = mmc::Outcome { responses: vec![[*r1, 0, 0, 0]] };
        assert_eq!(mmc::has_error(*r1), !alone.is_success(&command));
        assert!(!mmc::is_idle(*r1) || !mmc::is_programming(*r1));
    }
}

/// Level 0 discovery, status codes, and a PSID as somebody may scan it.
pub fn tcg(bytes: &[u8]) {
    let _ = opal::Discovery::parse(bytes);
    for code in bytes.iter().take(4) {
        let outcome = opal::Outcome { code: u32::from(*code), flags: Some(opal::StatusFlags(u32::from(*code))) };
        assert_eq!(outcome.is_success(), *code == 0);
        let _ = outcome.meaning();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let told = match opal::Psid::parse(text) {
            Ok(psid) => format!("{psid:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(text.len() < 32 || !told.contains(text));
    }
}
