//! Hidden areas behind the last addressable sector: Host Protected Area (READ NATIVE MAX and SET MAX
//! ADDRESS, ACS-3) and Accessible Max Address Configuration (ACS-5 7.1).

use super::{Command, Outcome, Registers};
use crate::units::Lba;

/// READ NATIVE MAX ADDRESS (F8h), or EXT (27h) for 48-bit drives. Must come immediately before SET
/// MAX ADDRESS.
pub fn read_native_max(has_48_bit: bool) -> Command {
    match has_48_bit {
        true => Command { extended: true, ..Command::non_data("READ NATIVE MAX ADDRESS EXT", 0x27) },
        false => Command::non_data("READ NATIVE MAX ADDRESS", 0xF8),
    }
}

/// How long a new last address holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Until the next power cycle or hardware reset (COUNT bit 0 = 0).
    Volatile,
    /// For good (COUNT bit 0 = 1). The drive takes only one between two power cycles.
    NonVolatile,
}

/// SET MAX ADDRESS (F9h, features 00h), or EXT (37h): the last address that is to be accessible.
pub fn set_max(has_48_bit: bool, last: Lba, persistence: Persistence) -> Command {
    let count = u16::from(persistence == Persistence::NonVolatile);
    let command = match has_48_bit {
        true => Command { extended: true, ..Command::non_data("SET MAX ADDRESS EXT", 0x37) },
        false => Command::non_data("SET MAX ADDRESS", 0xF9),
    };
    Command { count, lba: last.0, ..command }
}

/// GET NATIVE MAX ADDRESS EXT (78h, features 0000h).
pub fn get_native_max() -> Command {
    accessible_max("GET NATIVE MAX ADDRESS EXT", 0x0000, 0)
}

/// SET ACCESSIBLE MAX ADDRESS EXT (78h, features 0001h): always non-volatile, once a power cycle.
pub fn set_accessible_max(last: Lba) -> Command {
    accessible_max("SET ACCESSIBLE MAX ADDRESS EXT", 0x0001, last.0)
}

/// The address that READ NATIVE MAX ADDRESS (EXT), GET NATIVE MAX ADDRESS EXT or one of the SET
/// commands returned. `None`: the command failed, or some of the registers did not come back.
pub fn max_address(command: &Command, outcome: &Outcome) -> Option<Lba> {
    let registers = outcome.registers.filter(Registers::is_success)?;
    match command.extended {
        true => registers.lba_high.then_some(Lba(registers.lba & 0xFFFF_FFFF_FFFF)),
        // Bits 27:24 came in DEVICE 3:0.
        false => Some(Lba(registers.lba & 0xFF_FFFF | u64::from(registers.device & 0xF) << 24)),
    }
}

fn accessible_max(name: &'static str, features: u16, lba: u64) -> Command {
    Command { extended: true, features, lba, ..Command::non_data(name, 0x78) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task_file(command: Command) -> String {
        crate::device::command::hex(&command.task_file())
    }

    #[test]
    fn task_files_byte_by_byte() {
        // features, count, LBA, device, command
        for (command, expected) in [
            (read_native_max(true), "0000 0000 000000000000 40 27"),
            (read_native_max(false), "0000 0000 000000000000 40 f8"),
            (set_max(true, Lba(0x0102_0304_0506), Persistence::NonVolatile), "0000 0001 010203040506 40 37"),
            (set_max(true, Lba(1), Persistence::Volatile), "0000 0000 000000000001 40 37"),
            (set_max(false, Lba(0x0FFF_FFFE), Persistence::NonVolatile), "0000 0001 00000ffffffe 40 f9"),
            (get_native_max(), "0000 0000 000000000000 40 78"),
            (set_accessible_max(Lba(0x0102_0304_0506)), "0001 0000 010203040506 40 78"),
        ] {
            assert_eq!(task_file(command), expected.replace(' ', ""), "{}", command.name);
        }
        assert!(read_native_max(true).extended && get_native_max().extended);
        assert!(!read_native_max(false).extended && !set_max(false, Lba(0), Persistence::Volatile).extended);
    }

    #[test]
    fn addresses_come_out_whole_or_not_at_all() {
        let registers = Registers {
            error: 0,
            count: 0,
            lba: 0xAABB_CCDD_EEFF,
            device: 0x4A,
            status: 0x50,
            count_high: true,
            lba_high: true,
        };
        let of = |extended, registers| {
            max_address(&read_native_max(extended), &Outcome { registers: Some(registers), ..Outcome::default() })
        };
        assert_eq!(of(true, registers), Some(Lba(0xAABB_CCDD_EEFF)));
        assert_eq!(of(false, registers), Some(Lba(0x0ADD_EEFF)));
        assert_eq!(of(true, Registers { lba_high: false, ..registers }), None);
        assert_eq!(of(false, Registers { lba_high: false, ..registers }), Some(Lba(0x0ADD_EEFF)));
        assert_eq!(of(true, Registers { status: 0x51, error: 4, ..registers }), None);
        assert_eq!(max_address(&read_native_max(true), &Outcome::default()), None);
    }
}
