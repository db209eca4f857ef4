//! Erase sequences (JESD84-B51 6.6.9 to 6.6.12) and sanitize (6.6.13).

use super::{Command, ExtCsd, Response, switch};
use crate::units::Lba;

/// Index of PARTITION_CONFIG.
const PARTITION_CONFIG: u8 = 179;
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

/// Which part of the card commands go to: PARTITION_ACCESS of PARTITION_CONFIG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// 0.
    UserData,
    /// 1.
    Boot1,
    /// 2.
    Boot2,
}

impl Partition {
    fn code(self) -> u8 {
        match self {
            Partition::UserData => 0,
            Partition::Boot1 => 1,
            Partition::Boot2 => 2,
        }
    }
}

/// ERASE_GROUP_START (CMD35), ERASE_GROUP_END (CMD36) and ERASE (CMD38) of the sectors `first` to
/// `last`. `None`: an address that does not fit into 32 bits.
pub fn erase(first: Lba, last: Lba, how: EraseArgument) -> Option<Vec<Command>> {
    let address = |lba: Lba| u32::try_from(lba.0).ok();
    Some(vec![
        plain("ERASE_GROUP_START", 35, address(first)?, Response::R1),
        plain("ERASE_GROUP_END", 36, address(last)?, Response::R1),
        plain("ERASE", 38, how.code(), Response::R1b),
    ])
}

/// The same in another part of the card, and back to the user data area: nothing may come between.
pub fn erase_in(
    partition: Partition,
    first: Lba,
    last: Lba,
    how: EraseArgument,
    card: &ExtCsd,
) -> Option<Vec<Command>> {
    within(partition, card, erase(first, last, how)?)
}

/// READ_SINGLE_BLOCK (CMD17) in another part of the card: 512 bytes.
pub fn read_block_in(partition: Partition, sector: Lba, card: &ExtCsd) -> Option<Vec<Command>> {
    let argument = u32::try_from(sector.0).ok()?;
    let read = Command { name: "READ_SINGLE_BLOCK", opcode: 17, argument, response: Response::R1, has_data: true };
    within(partition, card, vec![read])
}

/// SANITIZE_START: every block that is not mapped is erased. Blocks until it has ended.
pub fn sanitize() -> Command {
    switch("SANITIZE_START", SANITIZE_START, 1)
}

/// Only the lowest three bits of PARTITION_CONFIG change: the others say what the card boots from.
fn within(partition: Partition, card: &ExtCsd, commands: Vec<Command>) -> Option<Vec<Command>> {
    let boots_from = card.partition_config & !0b111;
    let to = |partition: Partition| switch("PARTITION_ACCESS", PARTITION_CONFIG, boots_from | partition.code());
    let mut sequence = vec![to(partition)];
    sequence.extend(commands);
    sequence.push(to(Partition::UserData));
    Some(sequence)
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

    fn card(partition_config: u8) -> ExtCsd {
        let mut data = [0; 512];
        (data[192], data[179]) = (8, partition_config);
        ExtCsd::parse(&data).unwrap()
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
            assert_eq!(bytes(&erase(Lba(256), Lba(0x0102_0304), how).unwrap()), expected);
        }
        assert_eq!(erase(Lba(0), Lba(1 << 32), EraseArgument::SecureErase), None);
        assert_eq!(sanitize().bytes(), [6, 3, 165, 1, 0]);
        assert_eq!(sanitize().response, Response::R1b);
    }

    #[test]
    fn another_part_is_left_again_and_what_it_boots_from_stays() {
        // Acknowledge, boot from boot partition 1, access to the user area.
        let card = card(0b0100_1000);
        let sequence = erase_in(Partition::Boot2, Lba(0), Lba(8191), EraseArgument::SecureErase, &card).unwrap();
        assert_eq!(
            bytes(&sequence),
            [
                [6, 3, 179, 0b0100_1010, 0],
                [35, 0, 0, 0, 0],
                [36, 0, 0, 0x1F, 0xFF],
                [38, 0x80, 0, 0, 0],
                [6, 3, 179, 0b0100_1000, 0],
            ]
        );
        let read = read_block_in(Partition::Boot1, Lba(7), &card).unwrap();
        assert_eq!(bytes(&read), [[6, 3, 179, 0b0100_1001, 0], [17, 0, 0, 0, 7], [6, 3, 179, 0b0100_1000, 0]]);
        assert_eq!(read.iter().filter(|command| command.has_data).count(), 1);
    }
}
