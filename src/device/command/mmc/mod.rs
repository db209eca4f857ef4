//! eMMC commands (JESD84-B51) and what the card says of itself.

mod erase;
mod ext_csd;

pub use erase::{Addressing, Area, EraseArgument, erase, sanitize};
pub use ext_csd::{
    ExtCsd, PreEndOfLife, SecureRemoval, UserProtection, WriteProtection, has_error, is_idle, is_programming,
    send_ext_csd, send_status, switch,
};

/// What the card answers with (JESD84-B51 6.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// R1: card status.
    R1,
    /// R1b: card status, busy until done.
    R1b,
}

/// One command of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// The standard's name for it.
    pub name: &'static str,
    /// Command index (`38` for CMD38).
    pub opcode: u32,
    /// Argument.
    pub argument: u32,
    /// Answer.
    pub response: Response,
    /// The data phase of the sequence belongs to this command.
    pub has_data: bool,
}

impl Command {
    /// As the record shows it: index, then the argument, most significant byte first.
    pub fn bytes(&self) -> [u8; 5] {
        let [a, b, c, d] = self.argument.to_be_bytes();
        [u8::try_from(self.opcode).unwrap_or(u8::MAX), a, b, c, d]
    }
}

/// The answers to a sequence, one for each command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Four words each as the host driver fills them; R1 is the first.
    pub responses: Vec<[u32; 4]>,
}

/// R1 bits that mean that the command did not do what it should: out of range, address, block
/// length, erase sequence and parameter, write protection, lock, CRC, illegal command, ECC, card
/// controller, general error, overrun, CSD overwrite, erase skip and reset, switch error.
const R1_ERRORS: u32 = 0xFDFF_A080;

impl Outcome {
    /// Every one of `commands` answered, and no answer holds an error bit.
    pub fn is_success(&self, commands: &[Command]) -> bool {
        self.responses.len() == commands.len() && !self.responses.iter().any(|r| has_error(r[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_bit_or_a_missing_answer_is_no_success() {
        let command =
            Command { name: "SWITCH", opcode: 6, argument: 0x03A5_0100, response: Response::R1b, has_data: false };
        // Ready for data, state tran.
        let good = Outcome { responses: vec![[0x900, 0, 0, 0]] };
        assert!(good.is_success(&[command]));
        assert!(!good.is_success(&[command, command]));
        // SWITCH_ERROR is bit 7, ERASE_SKIP bit 15, LOCK_UNLOCK_FAILED bit 24.
        for bit in [7, 13, 15, 19, 20, 21, 22, 23, 24, 26, 27, 28, 29, 30, 31] {
            let bad = Outcome { responses: vec![[0x900 | 1 << bit, 0, 0, 0]] };
            assert!(!bad.is_success(&[command]), "bit {bit}");
        }
        // CARD_IS_LOCKED alone is a state, not an error.
        assert!(Outcome { responses: vec![[0x0200_0900, 0, 0, 0]] }.is_success(&[command]));
    }
}
