//! SANITIZE DEVICE (ACS-5 7.35): the drive erases everything it ever stored, also what cannot be
//! addressed, and goes on after a power cut.

use super::{Command, Outcome, Registers};

const SANITIZE_DEVICE: u8 = 0xB4;

/// COUNT bit 4: after a failure the drive can be used again without another sanitize. Never set
/// here: a failure must stay to be seen.
#[cfg(test)]
const FAILURE_MODE: u16 = 1 << 4;

/// How SANITIZE OVERWRITE EXT writes. A count of 0 would mean 16 passes and cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overwrite {
    passes: u8,
    /// Repeated over the medium.
    pub pattern: u32,
    /// Inverted from pass to pass.
    pub invert: bool,
    /// The drive must leave this very pattern (of the last pass) readable.
    pub definitive_ending_pattern: bool,
}

impl Overwrite {
    /// One pass of `pattern`.
    pub const fn once(pattern: u32) -> Overwrite {
        Overwrite { passes: 1, pattern, invert: false, definitive_ending_pattern: false }
    }

    /// So many passes; `None` unless 1 to 15.
    pub fn passes(self, passes: u8) -> Option<Overwrite> {
        (1..=15).contains(&passes).then_some(Overwrite { passes, ..self })
    }
}

/// SANITIZE STATUS EXT. It never clears a failure.
pub fn sanitize_status() -> Command {
    sanitize("SANITIZE STATUS EXT", 0x0000, 0, 0)
}

/// CRYPTO SCRAMBLE EXT: the media encryption key is changed.
pub fn crypto_scramble() -> Command {
    sanitize("CRYPTO SCRAMBLE EXT", 0x0011, 0, 0x4372_7970)
}

/// BLOCK ERASE EXT.
pub fn block_erase() -> Command {
    sanitize("BLOCK ERASE EXT", 0x0012, 0, 0x426B_4572)
}

/// OVERWRITE EXT.
pub fn overwrite(how: Overwrite) -> Command {
    let count = u16::from(how.passes) | u16::from(how.definitive_ending_pattern) << 6 | u16::from(how.invert) << 7;
    sanitize("OVERWRITE EXT", 0x0014, count, 0x4F57 << 32 | u64::from(how.pattern))
}

fn sanitize(name: &'static str, features: u16, count: u16, lba: u64) -> Command {
    Command { extended: true, features, count, lba, ..Command::non_data(name, SANITIZE_DEVICE) }
}

/// What the registers of a SANITIZE DEVICE command say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanitizeReply {
    /// The command was carried out; the state of the drive.
    Status(SanitizeStatus),
    /// The drive aborted it, for this reason.
    Refused(SanitizeReason),
    /// The registers, or the byte that matters, did not come back. Nothing is known.
    Lost,
}

/// COUNT 15:8 and LBA 15:0 of a normal return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SanitizeStatus {
    /// Bit 15: the last sanitize came to its end without error.
    pub completed_without_error: bool,
    /// Bit 14.
    pub in_progress: bool,
    /// Bit 13: sanitize commands are refused until the next power cycle.
    pub frozen: bool,
    /// Bit 12: it cannot be frozen until the next power cycle.
    pub antifreeze: bool,
    /// LBA 15:0, in 65,536ths; FFFFh when none is going on.
    pub progress: u16,
}

/// LBA 7:0 of an error return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanitizeReason {
    /// 00h: not told.
    NotTold,
    /// 01h: the last sanitize failed.
    LastFailed,
    /// 02h.
    Unsupported,
    /// 03h.
    Frozen,
    /// 04h: a freeze lock was asked for while it cannot be.
    Antifreeze,
    /// Not in the standard.
    Other(u8),
}

impl SanitizeReply {
    /// Reads the registers of any SANITIZE DEVICE command.
    pub fn of(outcome: &Outcome) -> SanitizeReply {
        outcome.registers.as_ref().map_or(SanitizeReply::Lost, SanitizeReply::of_registers)
    }

    fn of_registers(registers: &Registers) -> SanitizeReply {
        let [low, ..] = registers.lba.to_le_bytes();
        if registers.is_aborted() {
            return SanitizeReply::Refused(SanitizeReason::of(low));
        }
        if !registers.is_success() || !registers.count_high {
            return SanitizeReply::Lost;
        }
        let bit = |bit: u8| registers.count >> bit & 1 != 0;
        let [p0, p1, ..] = registers.lba.to_le_bytes();
        SanitizeReply::Status(SanitizeStatus {
            completed_without_error: bit(15),
            in_progress: bit(14),
            frozen: bit(13),
            antifreeze: bit(12),
            progress: u16::from_le_bytes([p0, p1]),
        })
    }
}

impl SanitizeReason {
    fn of(code: u8) -> SanitizeReason {
        match code {
            0 => SanitizeReason::NotTold,
            1 => SanitizeReason::LastFailed,
            2 => SanitizeReason::Unsupported,
            3 => SanitizeReason::Frozen,
            4 => SanitizeReason::Antifreeze,
            other => SanitizeReason::Other(other),
        }
    }

    /// In words.
    pub fn meaning(self) -> &'static str {
        match self {
            SanitizeReason::NotTold => "aborted, the drive gives no reason",
            SanitizeReason::LastFailed => "the last sanitize operation failed",
            SanitizeReason::Unsupported => "the drive does not support this sanitize operation",
            SanitizeReason::Frozen => "the drive is in the sanitize frozen state",
            SanitizeReason::Antifreeze => "the drive is in the sanitize antifreeze state",
            SanitizeReason::Other(_) => "aborted, for a reason that the standard does not name",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task_file(command: Command) -> String {
        crate::device::command::hex(&command.task_file())
    }

    fn reply(error: u8, count: u16, lba: u64, status: u8) -> SanitizeReply {
        let registers = Registers { error, count, lba, device: 0x40, status, count_high: true, lba_high: true };
        SanitizeReply::of(&Outcome { registers: Some(registers), ..Outcome::default() })
    }

    #[test]
    fn task_files_byte_by_byte() {
        // features, count, LBA, device, command
        assert_eq!(task_file(sanitize_status()), "0000 0000 000000000000 40 b4".replace(' ', ""));
        assert_eq!(task_file(crypto_scramble()), "0011 0000 000043727970 40 b4".replace(' ', ""));
        assert_eq!(task_file(block_erase()), "0012 0000 0000426b4572 40 b4".replace(' ', ""));
        assert_eq!(task_file(overwrite(Overwrite::once(0))), "0014 0001 4f5700000000 40 b4".replace(' ', ""));
        // The keys are what they spell.
        assert_eq!(u32::from_be_bytes(*b"Cryp"), 0x4372_7970);
        assert_eq!(u32::from_be_bytes(*b"BkEr"), 0x426B_4572);
        assert_eq!(u16::from_be_bytes(*b"OW"), 0x4F57);
        for command in [sanitize_status(), crypto_scramble(), block_erase(), overwrite(Overwrite::once(0))] {
            assert!(command.extended);
            assert_eq!(command.count & FAILURE_MODE, 0, "{}", command.name);
        }
    }

    #[test]
    fn overwrite_bits() {
        let once = Overwrite::once(0xDEAD_BEEF);
        assert_eq!(overwrite(once).lba, 0x4F57_DEAD_BEEF);
        assert_eq!(overwrite(Overwrite { invert: true, ..once }).count, 0x81);
        assert_eq!(overwrite(Overwrite { definitive_ending_pattern: true, ..once }).count, 0x41);
        assert_eq!(overwrite(once.passes(15).unwrap()).count, 15);
        assert_eq!((once.passes(0), once.passes(16)), (None, None));
    }

    #[test]
    fn status_bits_one_by_one() {
        let idle = SanitizeStatus {
            completed_without_error: false,
            in_progress: false,
            frozen: false,
            antifreeze: false,
            progress: 0xFFFF,
        };
        for (bit, expected) in [
            (15, SanitizeStatus { completed_without_error: true, ..idle }),
            (14, SanitizeStatus { in_progress: true, ..idle }),
            (13, SanitizeStatus { frozen: true, ..idle }),
            (12, SanitizeStatus { antifreeze: true, ..idle }),
            (11, idle),
            (0, idle),
        ] {
            assert_eq!(reply(0, 1 << bit, 0xFFFF, 0x50), SanitizeReply::Status(expected), "bit {bit}");
        }
        let at_655 = SanitizeStatus { in_progress: true, progress: 655, ..idle };
        assert_eq!(reply(0, 0x4000, 0xABCD_0000_028F, 0x50), SanitizeReply::Status(at_655));
    }

    #[test]
    fn an_abort_has_a_reason_and_anything_unclear_is_lost() {
        for (code, reason) in [
            (0, SanitizeReason::NotTold),
            (1, SanitizeReason::LastFailed),
            (2, SanitizeReason::Unsupported),
            (3, SanitizeReason::Frozen),
            (4, SanitizeReason::Antifreeze),
            (9, SanitizeReason::Other(9)),
        ] {
            assert_eq!(reply(4, 0x8000, 0xFF00 | code, 0x51), SanitizeReply::Refused(reason));
        }
        // Busy, data wanted, device fault, an error without ABRT, not ready.
        for (error, status) in [(0, 0xD0), (0, 0x58), (0, 0x70), (0x10, 0x51), (0, 0x00)] {
            assert_eq!(reply(error, 0x8000, 0xFFFF, status), SanitizeReply::Lost, "{error:02x} {status:02x}");
        }
        assert_eq!(SanitizeReply::of(&Outcome::default()), SanitizeReply::Lost);
        let low_only = Registers {
            error: 0,
            count: 0,
            lba: 0xFFFF,
            device: 0x40,
            status: 0x50,
            count_high: false,
            lba_high: false,
        };
        assert_eq!(
            SanitizeReply::of(&Outcome { registers: Some(low_only), ..Outcome::default() }),
            SanitizeReply::Lost
        );
    }
}
