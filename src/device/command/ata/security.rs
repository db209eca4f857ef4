//! The Security feature set (ACS-5 4.18): passwords, and SECURITY ERASE UNIT.

use super::{Command, Protocol};

/// The user password that is set for SECURITY ERASE UNIT, which does not work without one. Fixed and
/// written in the docs, so that a drive that was left with it after a power cut can always be opened
/// again, also without this program: `hdparm --user-master u --security-disable lastwrite /dev/sdX`.
pub const OUR_PASSWORD: Password = Password::of(b"lastwrite");

/// 32 bytes, zeros at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password([u8; 32]);

impl Password {
    const fn of(text: &[u8]) -> Password {
        let mut bytes = [0; 32];
        let mut at = 0;
        while at < text.len() && at < bytes.len() {
            bytes[at] = text[at];
            at += 1;
        }
        Password(bytes)
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

/// How SECURITY ERASE UNIT erases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraseMode {
    /// Zeros or ones over all that can be addressed.
    Normal,
    /// A pattern of the vendor's, also over reallocated sectors.
    Enhanced,
}

/// SECURITY SET PASSWORD (F1h); send [`set_password_data`] along.
pub fn set_password() -> Command {
    with_block("SECURITY SET PASSWORD", 0xF1)
}

/// A user password at level High: the master password still unlocks.
pub fn set_password_data(password: &Password) -> [u8; 512] {
    block(0x0000, password)
}

/// SECURITY UNLOCK (F2h); send [`user_password_data`] along.
pub fn unlock() -> Command {
    with_block("SECURITY UNLOCK", 0xF2)
}

/// SECURITY DISABLE PASSWORD (F6h); send [`user_password_data`] along.
pub fn disable_password() -> Command {
    with_block("SECURITY DISABLE PASSWORD", 0xF6)
}

/// The user password, for SECURITY UNLOCK and SECURITY DISABLE PASSWORD.
pub fn user_password_data(password: &Password) -> [u8; 512] {
    block(0x0000, password)
}

/// SECURITY ERASE PREPARE (F3h): must come immediately before SECURITY ERASE UNIT.
pub fn erase_prepare() -> Command {
    Command { device: 0, ..Command::non_data("SECURITY ERASE PREPARE", 0xF3) }
}

/// SECURITY ERASE UNIT (F4h); send [`erase_unit_data`] along. Does not return until it has ended.
pub fn erase_unit() -> Command {
    with_block("SECURITY ERASE UNIT", 0xF4)
}

/// The user password and the mode.
pub fn erase_unit_data(password: &Password, mode: EraseMode) -> [u8; 512] {
    block(if mode == EraseMode::Enhanced { 1 << 1 } else { 0 }, password)
}

/// Word 0 of the block, bit 0 of which would mean the master password, and the password from byte 2.
fn block(word_0: u16, password: &Password) -> [u8; 512] {
    let mut block = [0; 512];
    block[..2].copy_from_slice(&word_0.to_le_bytes());
    block[2..34].copy_from_slice(&password.0);
    block
}

fn with_block(name: &'static str, command: u8) -> Command {
    Command { protocol: Protocol::PioOut, count: 1, device: 0, ..Command::non_data(name, command) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_and_data_phases() {
        for (command, opcode, protocol) in [
            (set_password(), 0xF1, Protocol::PioOut),
            (unlock(), 0xF2, Protocol::PioOut),
            (erase_prepare(), 0xF3, Protocol::NonData),
            (erase_unit(), 0xF4, Protocol::PioOut),
            (disable_password(), 0xF6, Protocol::PioOut),
        ] {
            assert_eq!((command.command, command.protocol, command.extended), (opcode, protocol, false));
            assert_eq!(command.count, u16::from(protocol == Protocol::PioOut));
            assert_eq!((command.features, command.lba), (0, 0));
        }
    }

    #[test]
    fn blocks_byte_by_byte() {
        let expect = |data: [u8; 512], first: u8| {
            assert_eq!(data[..11], [first, 0, b'l', b'a', b's', b't', b'w', b'r', b'i', b't', b'e']);
            assert!(data[11..].iter().all(|b| *b == 0));
        };
        // User password, level High, normal erase: no bit at all. Enhanced: bit 1 of word 0.
        expect(set_password_data(&OUR_PASSWORD), 0);
        expect(user_password_data(&OUR_PASSWORD), 0);
        expect(erase_unit_data(&OUR_PASSWORD, EraseMode::Normal), 0);
        expect(erase_unit_data(&OUR_PASSWORD, EraseMode::Enhanced), 2);
    }

    #[test]
    fn a_password_is_32_bytes_at_most_and_never_shown() {
        assert_eq!(Password::of(&[7; 40]), Password([7; 32]));
        assert!(!format!("{OUR_PASSWORD:?}").contains("lastwrite"));
    }
}
