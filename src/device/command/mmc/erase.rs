//! Erase sequences (JESD84-B51 6.6.9 to 6.6.12) and sanitize (6.6.13).

use super::{Command, Response, switch};
use crate::units::Lba;

/// Index of SANITIZE_START.
const SANITIZE_START: u8 = 165;

/// The argument of CMD38. Plain erase and discard are not here: neither is sanitization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraseArgument {
    /// 00000001h: blocks are not mapped any more. Erases nothing by itself; comes before SANITIZE.
    Trim,
    /// 80000000h: erase groups, and every copy of what is in them, at once.
    SecureErase,
    /// 80000001h: blocks are marked.
    SecureTrimStep1,
    /// 80008000h: all that was marked is erased.
    SecureTrimStep2,
}

impl EraseArgument {
    fn code(self) -> u32 {
        match self {
            EraseArgument::Trim => 0x0000_0001,
            EraseArgument::SecureErase => 0x8000_0000,
            EraseArgument::SecureTrimStep1 => 0x8000_0001,
            EraseArgument::SecureTrimStep2 => 0x8000_8000,
        }
    }
}

/// An area of the card that commands go to. Which one it is, is PARTITION_ACCESS of PARTITION_CONFIG, and that
/// the kernel sets: before each command, also of a sequence, it turns the card to the area of the node that the
/// command came through. A SWITCH of ours would be undone before the next command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The user data area (`mmcblk0`).
    UserData,
    /// Boot partition 1 (`mmcblk0boot0`).
    Boot0,
    /// Boot partition 2 (`mmcblk0boot1`).
    Boot1,
}

impl Area {
    /// Both boot partitions.
    pub const BOOT: [Area; 2] = [Area::Boot0, Area::Boot1];

    /// As the kernel calls its node behind the card's name.
    pub fn name(self) -> &'static str {
        match self {
            Area::UserData => "user data area",
            Area::Boot0 => "boot0",
            Area::Boot1 => "boot1",
        }
    }

    /// A sequence in this area, by the names in the standard.
    pub fn names(self, commands: &[Command]) -> String {
        let names = commands.iter().map(|command| command.name).collect::<Vec<_>>().join(", ");
        match self {
            Area::UserData => names,
            boot => format!("{}: {names}", boot.name()),
        }
    }
}

/// What an address counts (JESD84-B51 7.1, OCR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// Cards of up to 2 GiB.
    Bytes,
    /// All others: sectors of 512 bytes.
    Sectors,
}

/// ERASE_GROUP_START (CMD35), ERASE_GROUP_END (CMD36) and ERASE (CMD38) of the sectors `first` to
/// `last`. `None`: an address that does not fit into 32 bits.
pub fn erase(first: Lba, last: Lba, how: EraseArgument, addressing: Addressing) -> Option<Vec<Command>> {
    let unit = if addressing == Addressing::Bytes { 512 } else { 1 };
    let address = |lba: Lba| u32::try_from(lba.0.checked_mul(unit)?).ok();
    Some(vec![
        plain("ERASE_GROUP_START", 35, address(first)?, Response::R1),
        plain("ERASE_GROUP_END", 36, address(last)?, Response::R1),
        plain("ERASE", 38, how.code(), Response::R1b),
    ])
}

/// SANITIZE_START: every block that is not mapped is erased. Blocks until it has ended.
pub fn sanitize() -> Command {
    switch("SANITIZE_START", SANITIZE_START, 1)
}

fn plain(name: &'static str, opcode: u32, argument: u32, response: Response) -> Command {
    Command { name, opcode, argument, response, has_data: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(commands: &[Command]) -> Vec<[u8; 5]> {
        commands.iter().map(Command::bytes).collect()
    }

    #[test]
    fn sequences_byte_by_byte() {
        for (how, argument) in [
            (EraseArgument::Trim, [0, 0, 0, 1]),
            (EraseArgument::SecureErase, [0x80, 0, 0, 0]),
            (EraseArgument::SecureTrimStep1, [0x80, 0, 0, 1]),
            (EraseArgument::SecureTrimStep2, [0x80, 0, 0x80, 0]),
        ] {
            let [a, b, c, d] = argument;
            let expected = [[35, 0, 0, 1, 0], [36, 0x01, 0x02, 0x03, 0x04], [38, a, b, c, d]];
            let sectors = erase(Lba(256), Lba(0x0102_0304), how, Addressing::Sectors).unwrap();
            assert_eq!(bytes(&sectors), expected);
            let small = erase(Lba(1), Lba(0x003F_FFFF), how, Addressing::Bytes).unwrap();
            assert_eq!(bytes(&small)[..2], [[35, 0, 0, 2, 0], [36, 0x7F, 0xFF, 0xFE, 0x00]]);
        }
        assert_eq!(erase(Lba(0), Lba(1 << 32), EraseArgument::SecureErase, Addressing::Sectors), None);
        assert_eq!(erase(Lba(0), Lba(1 << 23), EraseArgument::SecureErase, Addressing::Bytes), None);
        assert_eq!(sanitize().bytes(), [6, 3, 165, 1, 0]);
        assert_eq!(sanitize().response, Response::R1b);
    }

    #[test]
    fn a_sequence_says_which_area_it_was_for() {
        let erase = erase(Lba(0), Lba(7), EraseArgument::SecureErase, Addressing::Sectors).unwrap();
        assert_eq!(Area::UserData.names(&erase), "ERASE_GROUP_START, ERASE_GROUP_END, ERASE");
        assert_eq!(Area::Boot1.names(&erase), "boot1: ERASE_GROUP_START, ERASE_GROUP_END, ERASE");
    }
}
