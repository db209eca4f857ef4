//! base64url without padding (RFC 7515 section 2), one spelling for each value.

use std::sync::LazyLock;

use base64::Engine as _;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::Simd;
use base64::engine::general_purpose::NO_PAD;

/// The widest instructions that the processor has; one set of rules for all of them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static URL_SAFE_NO_PAD: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static URL_SAFE_NO_PAD: LazyLock<base64::engine::GeneralPurpose> =
    LazyLock::new(|| base64::engine::GeneralPurpose::new(&base64::alphabet::URL_SAFE, NO_PAD));

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
    use base64::engine::general_purpose;

    use super::*;

    /// Long texts go through wide instructions, their ends and short ones do not: each foreign byte at each
    /// place is refused as the plain engine refuses it.
    #[test]
    fn wide_instructions_judge_as_plain_ones_do() {
        for length in [0, 1, 2, 3, 31, 32, 33, 95, 96, 97, 190] {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 151 + 7) as u8).collect();
            let text = encode(&bytes);
            assert_eq!(text, general_purpose::URL_SAFE_NO_PAD.encode(&bytes));
            assert_eq!(decode(&text).unwrap(), bytes);
            for place in 0..text.len() {
                for byte in 0..128 {
                    let mut changed = text.clone().into_bytes();
                    changed[place] = byte;
                    let changed = String::from_utf8(changed).unwrap();
                    let plain = general_purpose::URL_SAFE_NO_PAD.decode(&changed);
                    assert_eq!(decode(&changed).ok(), plain.ok(), "{changed:?}");
                }
                let wide = format!("{}\u{e9}{}", &text[..place], &text[place..]);
                assert!(
                    decode(&wide).is_err() && decode(&text[..place]).ok().is_none_or(|b| encode(&b) == text[..place])
                );
            }
        }
    }

    #[test]
    fn only_the_canonical_spelling_decodes() {
        assert_eq!(decode("-_8").unwrap(), [0xfb, 0xff]);
        for bad in ["-_8=", "-_9", "+/8", "-_ 8", "-_8\n", " -_8", "-", "\u{e9}A"] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }
}
