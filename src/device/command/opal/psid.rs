//! The PSID: the secret printed on the drive that reverts it to the factory state.

use std::fmt;

use zeroize::Zeroizing;

/// 32 characters as printed on the label. Never shown, not even in `Debug`; leaves memory when
/// dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Psid(Zeroizing<[u8; 32]>);

/// What was typed or scanned is no PSID. Says nothing of what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PsidError {
    /// Wrong number of characters.
    #[error(
        "a PSID has 32 letters and digits, and {0} were given; it stands on the drive's label, often as a barcode beside `PSID`"
    )]
    Length(usize),
    /// Something else than a letter or a digit.
    #[error("a PSID has only letters and digits; character {0} is neither")]
    Character(usize),
}

impl Psid {
    /// Reads what somebody typed or scanned: blanks and dashes between groups do not count, and
    /// letters are made upper case, as they are printed.
    pub fn parse(text: &str) -> Result<Psid, PsidError> {
        let mut psid = Zeroizing::new([0; 32]);
        let mut length = 0;
        for (at, c) in text.chars().enumerate() {
            if c.is_whitespace() || c == '-' {
                continue;
            }
            let byte = u8::try_from(c).ok().filter(u8::is_ascii_alphanumeric).ok_or(PsidError::Character(at + 1))?;
            if let Some(place) = psid.get_mut(length) {
                *place = byte.to_ascii_uppercase();
            }
            length += 1;
        }
        if length == 32 { Ok(Psid(psid)) } else { Err(PsidError::Length(length)) }
    }

    /// For the transport alone.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Psid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Psid(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = "ABCDEFGH12345678IJKLMNOP90123456";

    #[test]
    fn as_typed_or_scanned() {
        let psid = Psid::parse(LABEL).unwrap();
        assert_eq!(psid.bytes(), LABEL.as_bytes());
        let typed = "abcd-efgh 12345678 ijklmnop-90123456\n";
        assert_eq!(Psid::parse(typed).unwrap(), psid);
        assert_eq!(Psid::parse("ABC").unwrap_err(), PsidError::Length(3));
        assert_eq!(Psid::parse(&format!("{LABEL}X")).unwrap_err(), PsidError::Length(33));
        assert_eq!(Psid::parse("ABC?").unwrap_err(), PsidError::Character(4));
        assert_eq!(Psid::parse("ÄBC").unwrap_err(), PsidError::Character(1));
    }

    #[test]
    fn it_is_never_shown() {
        let shown = format!("{:?}", Psid::parse(LABEL).unwrap());
        assert_eq!(shown, "Psid(redacted)");
        let wrong = Psid::parse(&LABEL[1..]).unwrap_err();
        assert!(!wrong.to_string().contains("BCDEF") && !format!("{wrong:?}").contains("BCDEF"));
    }
}
