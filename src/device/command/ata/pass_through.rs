//! ATA commands inside SCSI commands: ATA PASS-THROUGH (SAT-5 12.2) and what it returns.

use super::{Command, LBA_DEVICE, Outcome, Protocol, Registers};
use crate::device::command::scsi::{self, Sense, SenseKey, descriptor_of};
use crate::device::command::{Data, be16};

/// Blocks of 512 bytes are what COUNT counts.
const BLOCK: usize = 512;
/// CK_COND: the registers are to be returned also when all went well.
const CK_COND: u8 = 0x20;
/// T_DIR: from the drive.
const FROM_DRIVE: u8 = 0x08;
/// BYT_BLOK 1 and T_LENGTH 2: the length stands in COUNT, in blocks.
const LENGTH_IN_COUNT: u8 = 0x06;
/// ATA Status Return descriptor (SAT-5 12.2.7).
const STATUS_RETURN: u8 = 0x09;

/// ATA PASS-THROUGH (16) of `command`, with the registers asked for.
///
/// # Errors
/// [`NotEncodable`]: the data do not fit the command.
pub fn pass_through_16(command: &Command, data: &Data<'_>) -> Result<scsi::Command, NotEncodable> {
    let flags = flags(command, data)?;
    let [feature_high, feature] = command.features.to_be_bytes();
    let [count_high, count] = command.count.to_be_bytes();
    let [_, _, l47, l39, l31, l23, l15, l7] = command.lba.to_be_bytes();
    let extended = command.extended;
    let high = |byte: u8| if extended { byte } else { 0 };
    let cdb = vec![
        0x85,
        protocol(command.protocol) << 1 | u8::from(extended),
        flags,
        high(feature_high),
        feature,
        high(count_high),
        count,
        high(l31),
        l7,
        high(l39),
        l15,
        high(l47),
        l23,
        device(command),
        command.command,
        0,
    ];
    Ok(scsi::Command { name: command.name, cdb })
}

/// The command cannot be said in this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotEncodable {
    /// COUNT and the data differ, or the direction does.
    #[error("{name} moves {count} blocks, and was given {length} bytes of data in the wrong amount or direction")]
    Data {
        /// The command.
        name: &'static str,
        /// Its COUNT.
        count: u16,
        /// What was given.
        length: usize,
    },
    /// Features, count or LBA do not fit into the fields of a 28-bit command.
    #[error("{name} is a 28-bit command, and one of its fields is longer")]
    Field {
        /// The command.
        name: &'static str,
    },
}

/// What the path says of an ATA command that was sent by ATA PASS-THROUGH: the registers when they
/// came back, otherwise the sense data.
pub fn outcome(answer: &scsi::Outcome) -> Outcome {
    let registers = registers(&answer.sense);
    let sense = if registers.is_some() { None } else { answer.parsed_sense() };
    Outcome { registers, sense, transferred: Some(answer.transferred) }
}

/// The drive's registers out of sense data, in either format. `None`: they are not there. A
/// status register of 00h is none, either: bridges fill in a descriptor that they know nothing of.
pub fn registers(sense: &[u8]) -> Option<Registers> {
    let found = match descriptor_of(sense, STATUS_RETURN) {
        Some(descriptor) => from_descriptor(descriptor)?,
        None => from_fixed(sense)?,
    };
    (found.status != 0).then_some(found)
}

fn from_descriptor(d: &[u8]) -> Option<Registers> {
    let d: &[u8; 14] = d.get(..14)?.try_into().ok()?;
    let extended = d[2] & 1 != 0;
    Some(Registers {
        error: d[3],
        count: be16(d, 4)?,
        lba: u64::from_be_bytes([0, 0, d[10], d[8], d[6], d[11], d[9], d[7]]),
        device: d[12],
        status: d[13],
        count_high: extended,
        lba_high: extended,
    })
}

/// Fixed format (SAT-5 12.2.6): INFORMATION is error, status, device, count 7:0; COMMAND-SPECIFIC
/// INFORMATION is flags and LBA 23:0. Of the upper bytes only whether they are zero is returned.
fn from_fixed(bytes: &[u8]) -> Option<Registers> {
    let sense = Sense::parse(bytes)?;
    let s: &[u8; 12] = bytes.get(..12)?.try_into().ok()?;
    let [error, status, device] = [s[3], s[4], s[5]];
    let announced = sense.asc == 0x00 && sense.ascq == 0x1D;
    // The kernel's translation tells an error by the sense key alone, with the same fields filled.
    // Nothing is ever taken for a success here.
    let aborted = sense.key == SenseKey::AbortedCommand && s[0] & 0x80 != 0 && status & 0x41 == 0x41;
    if s[0] & 0x7E != 0x70 || !(announced || aborted) {
        return None;
    }
    let extended = s[8] & 0x80 != 0;
    Some(Registers {
        error,
        count: u16::from(s[6]),
        lba: u64::from_be_bytes([0, 0, 0, 0, 0, s[11], s[10], s[9]]),
        device,
        status,
        // Zero when they are not flagged as something else; otherwise their value is lost.
        count_high: extended && s[8] & 0x40 == 0,
        lba_high: extended && s[8] & 0x20 == 0,
    })
}

fn flags(command: &Command, data: &Data<'_>) -> Result<u8, NotEncodable> {
    let fits = usize::from(command.count) * BLOCK == data.len() && command.count != 0;
    let moves = match (command.protocol, data) {
        (Protocol::NonData, Data::None) => Some(CK_COND),
        (Protocol::PioIn | Protocol::Dma, Data::In(_)) if fits => Some(CK_COND | FROM_DRIVE | LENGTH_IN_COUNT),
        (Protocol::PioOut | Protocol::Dma, Data::Out(_) | Data::Secret(_)) if fits => Some(CK_COND | LENGTH_IN_COUNT),
        _ => None,
    };
    let short = command.features <= 0xFF && command.count <= 0xFF && command.lba < 1 << 28;
    match moves {
        None => Err(NotEncodable::Data { name: command.name, count: command.count, length: data.len() }),
        Some(_) if !command.extended && !short => Err(NotEncodable::Field { name: command.name }),
        Some(flags) => Ok(flags),
    }
}

fn protocol(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::NonData => 3,
        Protocol::PioIn => 4,
        Protocol::PioOut => 5,
        Protocol::Dma => 6,
    }
}

/// A 28-bit command has bits 27:24 of its LBA in DEVICE.
fn device(command: &Command) -> u8 {
    match u8::try_from(command.lba >> 24 & 0xF) {
        Ok(bits) if !command.extended => command.device | LBA_DEVICE | bits,
        _ => command.device,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: Command = Command {
        name: "X",
        protocol: Protocol::NonData,
        extended: true,
        features: 0x0102,
        count: 0x0304,
        lba: 0x0A0B_0C0D_0E0F,
        device: 0x40,
        command: 0xB4,
    };

    /// A descriptor with a Status Return, after one of another sort.
    fn returned(descriptor: [u8; 14]) -> Vec<u8> {
        let other = [0, 0x0A, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        [&[0x72, 1, 0, 0x1D, 0, 0, 0, 26][..], &other, &descriptor].concat()
    }

    #[test]
    fn every_field_has_its_byte() {
        let cdb = pass_through_16(&ANY, &Data::None).unwrap().cdb;
        assert_eq!(cdb, [0x85, 7, 0x20, 1, 2, 3, 4, 0x0C, 0x0F, 0x0B, 0x0E, 0x0A, 0x0D, 0x40, 0xB4, 0]);
    }

    #[test]
    fn each_bit_of_the_task_file_moves_one_bit_of_the_cdb() {
        let zero = Command { features: 0, count: 0, lba: 0, ..ANY };
        let cdb = |command: &Command| {
            let bytes: [u8; 16] = pass_through_16(command, &Data::None).unwrap().cdb.try_into().unwrap();
            u128::from_be_bytes(bytes)
        };
        let base = cdb(&zero);
        let mut seen = 0;
        for bit in 0..16 {
            seen |= cdb(&Command { features: 1 << bit, ..zero }) ^ base;
            seen |= cdb(&Command { count: 1 << bit, ..zero }) ^ base;
        }
        for bit in 0..48 {
            let moved = cdb(&Command { lba: 1 << bit, ..zero }) ^ base;
            assert_eq!((moved.count_ones(), seen & moved), (1, 0), "bit {bit}");
            seen |= moved;
        }
        assert_eq!(seen, 0x0000_00FF_FFFF_FFFF_FFFF_FFFF_FF00_0000);
    }

    #[test]
    fn data_tell_protocol_direction_and_length() {
        let read = Command { protocol: Protocol::PioIn, extended: false, features: 0, count: 1, lba: 0, ..ANY };
        let cdb = pass_through_16(&read, &Data::In(&mut [0; 512])).unwrap().cdb;
        assert_eq!(cdb[..7], [0x85, 8, 0x2E, 0, 0, 0, 1]);
        let write = Command { protocol: Protocol::PioOut, ..read };
        assert_eq!(pass_through_16(&write, &Data::Secret(&[0; 512])).unwrap().cdb[1..3], [10, 0x26]);
        let dma = Command { protocol: Protocol::Dma, extended: true, ..read };
        assert_eq!(pass_through_16(&dma, &Data::In(&mut [0; 512])).unwrap().cdb[1..3], [13, 0x2E]);
        for (command, data) in [
            (read, Data::None),
            (read, Data::Out(&[0; 512])),
            (read, Data::In(&mut [0; 511])),
            (write, Data::In(&mut [0; 512])),
            (Command { count: 0, ..write }, Data::Out(&[])),
            (Command { count: 2, ..write }, Data::Out(&[0; 512])),
            (ANY, Data::Out(&[0; 512])),
        ] {
            let refused = pass_through_16(&command, &data).unwrap_err();
            assert!(matches!(refused, NotEncodable::Data { .. }), "{command:?}");
        }
    }

    #[test]
    fn a_short_command_has_the_top_of_its_lba_in_device() {
        let short = Command { extended: false, features: 0x02, count: 4, lba: 0x0A0B_0C0D, device: 0, ..ANY };
        let cdb = pass_through_16(&short, &Data::None).unwrap().cdb;
        assert_eq!(cdb, [0x85, 6, 0x20, 0, 2, 0, 4, 0, 0x0D, 0, 0x0C, 0, 0x0B, 0x4A, 0xB4, 0]);
        for long in
            [Command { features: 0x100, ..short }, Command { count: 0x100, ..short }, Command { lba: 1 << 28, ..short }]
        {
            assert_eq!(pass_through_16(&long, &Data::None).unwrap_err(), NotEncodable::Field { name: "X" });
        }
    }

    #[test]
    fn descriptor_format_has_every_register() {
        let sense = returned([9, 12, 1, 4, 0x80, 2, 0x0C, 0x0F, 0x0B, 0x0E, 0x0A, 0x0D, 0x40, 0x51]);
        let found = registers(&sense).unwrap();
        assert_eq!(
            found,
            Registers {
                error: 4,
                count: 0x8002,
                lba: 0x0A0B_0C0D_0E0F,
                device: 0x40,
                status: 0x51,
                count_high: true,
                lba_high: true
            }
        );
        assert!(found.is_aborted());
        let short = registers(&returned([9, 12, 0, 0, 0, 2, 0, 0x0F, 0, 0x0E, 0, 0x0D, 0x4A, 0x50])).unwrap();
        assert!(short.is_success() && !short.count_high && !short.lba_high);
    }

    #[test]
    fn fixed_format_has_the_low_bytes_and_whether_the_rest_is_zero() {
        let mut sense = vec![0xF0, 0, 1, 0, 0x50, 0x40, 2, 10, 0x80, 0x0F, 0x0E, 0x0D, 0, 0x1D, 0, 0, 0, 0];
        let found = registers(&sense).unwrap();
        assert!(found.is_success() && found.count_high && found.lba_high);
        assert_eq!((found.count, found.lba, found.device), (2, 0x0D_0E0F, 0x40));
        // Flags: the upper bytes are something else than zero, and nobody knows what.
        for (flags, count_high, lba_high) in
            [(0xE0, false, false), (0xC0, false, true), (0xA0, true, false), (0, false, false)]
        {
            sense[8] = flags;
            let found = registers(&sense).unwrap();
            assert_eq!((found.count_high, found.lba_high), (count_high, lba_high), "{flags:02x}");
        }
    }

    #[test]
    fn an_abort_in_fixed_format_is_a_failure_and_anything_else_is_nothing() {
        let abort = [0xF0, 0, 0x0B, 4, 0x51, 0x40, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(registers(&abort).unwrap().is_aborted());
        // INFORMATION that is not valid, or holds no error status, or belongs to another sense key.
        for (at, value) in [(0, 0x70), (4, 0x50), (4, 0x01), (2, 0x05), (2, 0x03), (0, 0xF2)] {
            let mut other = abort;
            other[at] = value;
            assert_eq!(registers(&other), None, "byte {at}");
        }
    }

    #[test]
    fn a_descriptor_that_is_zero_or_short_or_missing_is_no_answer() {
        let zeros = returned([9, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let other_only = returned([0, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x50]);
        for sense in [&[][..], &zeros, &other_only, &returned([9, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x50])[..33]]
        {
            let answer = scsi::Outcome { status: 2, sense: sense.to_vec(), transferred: 0 };
            let outcome = outcome(&answer);
            assert_eq!(outcome.registers, None);
            assert!(!outcome.is_success());
        }
    }

    proptest! {
        #[test]
        fn what_is_put_into_a_descriptor_comes_out(error: u8, count: u16, lba in 0_u64..1 << 48, device: u8, status in 1_u8..) {
            let [_, _, l47, l39, l31, l23, l15, l7] = lba.to_be_bytes();
            let [c1, c0] = count.to_be_bytes();
            let sense = returned([9, 12, 1, error, c1, c0, l31, l7, l39, l15, l47, l23, device, status]);
            let expected = Registers { error, count, lba, device, status, count_high: true, lba_high: true };
            prop_assert_eq!(registers(&sense), Some(expected));
        }

        #[test]
        fn hostile_sense_never_panics_and_never_succeeds_unannounced(mut sense in proptest::collection::vec(any::<u8>(), 0..64), code in 0x70_u8..0x74) {
            if let Some(first) = sense.first_mut() {
                *first = *first & 0x80 | code;
            }
            if let Some(found) = registers(&sense) {
                let announced = descriptor_of(&sense, 9).is_some() || sense.get(12..14) == Some(&[0, 0x1D]);
                prop_assert!(announced || !found.is_success());
            }
        }
    }
}
