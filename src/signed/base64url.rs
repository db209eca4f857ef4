//! base64url without padding (RFC 7515 section 2), one spelling for each value.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The base64url text of `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes canonical base64url only: padding, white space, foreign characters and non-zero
/// trailing bits are errors, so that no two texts give the same bytes.
pub fn decode(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    URL_SAFE_NO_PAD.decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_decodes() {
        assert_eq!(decode("-_8").unwrap(), [0xfb, 0xff]);
        for bad in ["-_8=", "-_9", "+/8", "-_ 8", "-_8\n", " -_8", "-", "\u{e9}A"] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }
}
