//! SMART (B0h, ATA8-ACS): the older way to ask for health, with attributes that only custom defines.

use super::{Command, Outcome, Protocol};
use crate::device::command::le16;
use crate::media::Health;

/// LBA 23:8 of every SMART command.
const SIGNATURE: u64 = 0x00C2_4F00;

/// SMART READ DATA (D0h): 512 bytes.
pub fn read_data() -> Command {
    Command { protocol: Protocol::PioIn, count: 1, ..smart("SMART READ DATA", 0xD0) }
}

/// SMART RETURN STATUS (DAh).
pub fn return_status() -> Command {
    smart("SMART RETURN STATUS", 0xDA)
}

fn smart(name: &'static str, features: u16) -> Command {
    Command { features, lba: SIGNATURE, device: 0, ..Command::non_data(name, 0xB0) }
}

/// What SMART RETURN STATUS says: whether the drive expects to fail. `None`: it did not say.
pub fn is_failing(outcome: &Outcome) -> Option<bool> {
    let registers = outcome.registers.filter(super::Registers::is_success)?;
    match registers.lba >> 8 & 0xFFFF {
        0xC24F => Some(false),
        0x2CF4 => Some(true),
        _ => None,
    }
}

/// Attributes of SMART READ DATA that all vendors use in the same way. Wear is not among them.
/// `None`: no such data, or a wrong checksum.
pub fn attributes(data: &[u8]) -> Option<Health> {
    let data: &[u8; 512] = data.first_chunk()?;
    let sum = data.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if sum != 0 || le16(data, 0) == Some(0) {
        return None;
    }
    let mut health = Health::default();
    for entry in data[2..362].chunks_exact(12) {
        // Identifier, flags (2), value, worst, raw (6), reserved.
        let low = u64::from(u32::from_le_bytes([entry[5], entry[6], entry[7], entry[8]]));
        let temperature = i16::from(entry[5].cast_signed());
        match entry[0] {
            5 => health.reallocated = Some(low),
            // The upper bytes hold minutes or nothing, depending on the vendor.
            9 => health.hours = Some(low),
            187 => health.media_errors = Some(low),
            190 => health.temperature = health.temperature.or(Some(temperature)),
            194 => health.temperature = Some(temperature),
            197 => health.pending = Some(low),
            198 => health.media_errors = health.media_errors.or(Some(low)),
            _ => {}
        }
    }
    Some(health)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Registers;
    use super::*;

    fn data(entries: &[(u8, [u8; 6])]) -> Vec<u8> {
        let mut data = vec![0; 512];
        data[0] = 0x10;
        for (entry, (id, raw)) in data[2..362].chunks_exact_mut(12).zip(entries) {
            entry[0] = *id;
            entry[5..11].copy_from_slice(raw);
        }
        let sum = data.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        data[511] = sum.wrapping_neg();
        data
    }

    #[test]
    fn task_files() {
        let hex = |command: Command| crate::device::command::hex(&command.task_file());
        assert_eq!(hex(read_data()), "00d00001000000c24f0000b0");
        assert_eq!(hex(return_status()), "00da0000000000c24f0000b0");
    }

    #[test]
    fn the_verdict_is_in_the_registers_or_nowhere() {
        let of = |lba: u64, status: u8| {
            let registers =
                Registers { error: 0, count: 0, lba, device: 0, status, count_high: false, lba_high: false };
            is_failing(&Outcome { registers: Some(registers), ..Outcome::default() })
        };
        assert_eq!(of(0xC2_4F00, 0x50), Some(false));
        assert_eq!(of(0x2C_F400, 0x50), Some(true));
        assert_eq!(of(0, 0x50), None);
        assert_eq!(of(0xC2_4F00, 0x51), None);
        assert_eq!(is_failing(&Outcome::default()), None);
    }

    #[test]
    fn attributes_that_everybody_uses_alike() {
        let health = attributes(&data(&[
            (5, [8, 1, 0, 0, 0, 0]),
            (9, [0x39, 0x30, 0, 0, 0xFF, 0xFF]),
            (187, [2, 0, 0, 0, 0, 0]),
            (190, [99, 0, 0, 0, 0, 0]),
            (194, [38, 0, 20, 0, 50, 0]),
            (197, [1, 0, 0, 0, 0, 0]),
            (198, [7, 0, 0, 0, 0, 0]),
        ]))
        .unwrap();
        let expected = Health {
            reallocated: Some(264),
            hours: Some(12_345),
            media_errors: Some(2),
            temperature: Some(38),
            pending: Some(1),
            ..Health::default()
        };
        assert_eq!(health, expected);
        assert_eq!(attributes(&data(&[(198, [7, 0, 0, 0, 0, 0])])).unwrap().media_errors, Some(7));
        let mut wrong = data(&[]);
        wrong[9] ^= 1;
        assert_eq!(attributes(&wrong), None);
        assert_eq!(attributes(&[0; 512]), None);
        assert_eq!(attributes(&[0; 100]), None);
    }

    proptest! {
        #[test]
        fn hostile_data_never_panic(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = attributes(&data);
        }
    }
}
