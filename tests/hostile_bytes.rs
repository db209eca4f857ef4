//! Bytes that no honest drive would send, to every parser; and the kept inputs of the fuzzer again.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use lastwrite::device::{command, vpd};
use proptest::prelude::*;

#[path = "fuzz/src/parsers.rs"]
mod parsers;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_parser_panics_on_noise(bytes in proptest::collection::vec(any::<u8>(), 0..4200)) {
        for (_, parse) in parsers::ALL {
            parse(&bytes);
        }
    }

    /// Noise seldom gets past a header: kept inputs that are nearly right, changed and cut.
    #[test]
    fn nor_on_nearly_right_structures(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let kept = kept();
        let (_, mut bytes) = kept[which.index(kept.len())].clone();
        for (at, value) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        let length = cut.index(bytes.len() + 1);
        for (_, parse) in parsers::ALL {
            parse(&bytes);
            parse(&bytes[..length]);
        }
    }
}

#[test]
fn what_the_fuzzer_kept_is_still_parsed() {
    let kept = kept();
    for (family, parse) in parsers::ALL {
        let of_family: Vec<_> = kept.iter().filter(|(name, _)| name == family).collect();
        assert!(of_family.len() >= 3, "the corpus of {family} is not there");
        of_family.iter().for_each(|(_, bytes)| parse(bytes));
    }
}

/// Family and content of every kept input.
fn kept() -> Vec<(String, Vec<u8>)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut kept = Vec::new();
    for (family, _) in parsers::ALL {
        for entry in fs::read_dir(corpus.join(family)).unwrap() {
            kept.push((family.to_owned(), fs::read(entry.unwrap().path()).unwrap()));
        }
    }
    kept.sort();
    kept
}
