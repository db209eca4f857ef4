//! Every parser of evidence on hostile bytes: an error or the truth, never a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use lastwrite::custody::{Checkpoint, Entry, Note, NoteKey};
use lastwrite::signed::{Jws, Role, StationKey, TrustStore, TrustedKey, parse_json_strict, sign};
use proptest::prelude::*;
use serde_json::Value;

fn key() -> StationKey {
    StationKey::from_seed(&[1; 32])
}

fn read_as_everything(bytes: &[u8]) {
    let _ = Jws::parse(bytes);
    let _ = TrustStore::parse(bytes);
    let _ = Entry::read(bytes);
    let _ = Note::parse(bytes);
    let _ = parse_json_strict::<Value>(bytes);
    let _ = lastwrite::certificate::show(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (Checkpoint::parse(text), NoteKey::parse(text));
    }
}

/// JSON-like text is more likely to get past the first check than random bytes are.
fn json_like() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"payload\"",
        "\"signatures\"",
        "\"protected\"",
        "\"signature\"",
        "\"keys\"",
        "\"e30\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "null",
        "-0",
        "1e400",
        "18446744073709551616",
        " ",
        "\n",
        "\u{2014} ",
    ]);
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn random_json(bytes in json_like()) {
        read_as_everything(&bytes);
    }

    /// A payload of any bytes, rightly signed, is carried unchanged and read without panic.
    #[test]
    fn any_payload_is_carried(payload in prop::collection::vec(any::<u8>(), 0..300), typ in "[a-z\"\\\\+.]{1,20}") {
        let jws = sign(&payload, &typ, &key(), Role::Station, chrono::DateTime::UNIX_EPOCH).unwrap();
        let bytes = jws.to_bytes();
        let read = Jws::parse(&bytes).unwrap();
        prop_assert_eq!(read.payload(), payload.as_slice());
        prop_assert_eq!(read.typ(), Some(typ.as_str()));
        prop_assert!(read.verifies(0, key().public()));
        read_as_everything(&bytes);
    }

    /// A trust store changed in one byte is refused, or trusts the same keys: a key cannot be slipped in.
    #[test]
    fn changed_trust_stores(at in 0usize..400, to in any::<u8>()) {
        let mut store = TrustStore::default();
        store.add(TrustedKey::new(key().public().clone(), "Bench", Role::Station, None)).unwrap();
        let mut bytes = store.to_bytes();
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(read) = TrustStore::parse(&bytes) {
            prop_assert!(read.keys().len() == 1 && read.keys()[0].kid == key().kid());
        }
    }
}
