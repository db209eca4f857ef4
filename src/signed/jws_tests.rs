use serde_json::{Value, json};

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn document() -> (StationKey, Jws) {
    let key = StationKey::from_seed(&[7; 32]);
    let jws = sign(br#"{"a":1}"#, "test+json", &key, Role::Station, at(1_800_000_000)).unwrap();
    (key, jws)
}

fn with_header(header: &str) -> Vec<u8> {
    let (key, jws) = document();
    let protected = base64url::encode(header.as_bytes());
    let signature = key.sign_bytes(&signing_input(&protected, &jws.payload_text)).unwrap();
    json!({"payload": jws.payload_text, "signatures": [{"protected": protected, "signature": base64url::encode(&signature)}]})
        .to_string()
        .into_bytes()
}

#[test]
fn what_was_signed_comes_back_and_verifies() {
    let (key, jws) = document();
    let read = Jws::parse(&jws.to_bytes()).unwrap();
    assert_eq!(read, jws);
    assert_eq!(read.payload(), br#"{"a":1}"#);
    assert_eq!(read.typ(), Some("test+json"));
    assert!(read.verifies(0, key.public()));
    assert!(!read.verifies(1, key.public()));
    assert!(!read.verifies(0, StationKey::from_seed(&[8; 32]).public()));
    assert_eq!(document().1.to_bytes(), jws.to_bytes(), "signing is deterministic");
}

#[test]
fn an_added_signature_leaves_the_rest_alone() {
    let (key, mut jws) = document();
    let before: Value = serde_json::from_slice(&jws.to_bytes()).unwrap();
    let witness = StationKey::from_seed(&[9; 32]);
    jws.add_signature(&witness, Role::Witness, at(1_800_000_001)).unwrap();
    assert!(matches!(jws.add_signature(&witness, Role::Witness, at(2)), Err(SignError::Twice { .. })));
    let after: Value = serde_json::from_slice(&jws.to_bytes()).unwrap();
    assert_eq!(after["payload"], before["payload"]);
    assert_eq!(after["signatures"][0], before["signatures"][0]);
    let read = Jws::parse(&jws.to_bytes()).unwrap();
    assert!(read.verifies(0, key.public()) && read.verifies(1, witness.public()));
    for i in 0..14 {
        jws.add_signature(&StationKey::from_seed(&[100 + i; 32]), Role::Witness, at(3)).unwrap();
    }
    assert!(matches!(jws.add_signature(&StationKey::from_seed(&[99; 32]), Role::Witness, at(3)), Err(SignError::Full)));
}

#[test]
fn one_final_newline_is_all_that_may_follow() {
    let (_, jws) = document();
    let bytes = jws.to_bytes();
    assert!(Jws::parse(&[bytes.as_slice(), b"\n"].concat()).is_ok());
    for tail in ["\n\n", " ", "x", "\0", "{}", "\r\n", "}"] {
        assert!(Jws::parse(&[bytes.as_slice(), tail.as_bytes()].concat()).is_err(), "{tail:?}");
    }
    assert!(matches!(Jws::parse(&[b" ", bytes.as_slice()].concat()), Err(JwsError::Surroundings)));
    for cut in 0..bytes.len() {
        assert!(Jws::parse(&bytes[..cut]).is_err());
    }
}

#[test]
fn headers_that_demand_or_bring_something_are_refused() {
    for (header, part) in [
        (r#"{"alg":"Ed25519","crit":["exp"],"exp":1}"#, "extension"),
        (r#"{"alg":"Ed25519","crit":[]}"#, "extension"),
        (r#"{"alg":"Ed25519","jwk":{"kty":"OKP"}}"#, "own key (jwk)"),
        (r#"{"alg":"Ed25519","x5c":[]}"#, "own key (x5c)"),
        (r#"{"alg":"Ed25519","jku":"https://a"}"#, "own key (jku)"),
        (r#"{"alg":"Ed25519","x5u":"https://a"}"#, "own key (x5u)"),
        (r#"{"alg":"none"}"#, "not accepted"),
        (r#"{"alg":"HS256"}"#, "not accepted"),
        (r#"{"alg":"ed25519"}"#, "not accepted"),
        (r#"{"kid":"x"}"#, "not accepted"),
        (r#"{"alg":"Ed25519","alg":"Ed25519"}"#, "stands twice"),
        (r#"{"alg":"Ed25519","b64":false}"#, "unknown member"),
        (r#"{"alg":"Ed25519","iat":1.5}"#, "iat"),
        (r#"{"alg":"Ed25519","iat":-1}"#, "iat"),
        (r#"{"alg":"Ed25519","role":"king"}"#, "role"),
        (r#"{"alg":"Ed25519","typ":""}"#, "typ"),
        (r#"{"alg":"Ed25519"} "#, ""),
        (r#"[]"#, "not acceptable JSON"),
    ] {
        let result = Jws::parse(&with_header(header));
        if part.is_empty() {
            assert!(result.is_ok(), "{header}");
            continue;
        }
        let error = result.unwrap_err().to_string();
        assert!(error.contains(part), "{header}: {error}");
    }
    let old_name = Jws::parse(&with_header(r#"{"alg":"EdDSA"}"#)).unwrap();
    assert_eq!(old_name.signatures()[0].header().alg, crate::signed::Algorithm::EdDsa);
    assert!(old_name.verifies(0, document().0.public()));
}

#[test]
fn envelopes_that_are_not_the_general_serialization_are_refused() {
    let (_, jws) = document();
    let good: Value = serde_json::from_slice(&jws.to_bytes()).unwrap();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        assert!(Jws::parse(changed.to_string().as_bytes()).is_err(), "{changed}");
    };
    refused(&|v| v["signatures"][0]["header"] = json!({"kid": "x"}));
    refused(&|v| v["extra"] = json!(1));
    refused(&|v| v["signatures"] = json!([]));
    refused(&|v| v["signatures"] = Value::Array(vec![good["signatures"][0].clone(); 17]));
    refused(&|v| v["signatures"][0] = json!([v["signatures"][0]["protected"], v["signatures"][0]["signature"]]));
    refused(&|v| v["payload"] = json!(1));
    refused(&|v| v["payload"] = json!(format!("{}=", good["payload"].as_str().unwrap())));
    refused(&|v| v["signatures"][0]["signature"] = json!("AAAA"));
    refused(
        &|v| *v = json!({"payload": good["payload"], "protected": good["signatures"][0]["protected"], "signature": good["signatures"][0]["signature"]}),
    );
    // The 86th character of 64 bytes carries four unused bits; `B` sets one.
    refused(&|v| {
        let text = v["signatures"][0]["signature"].as_str().unwrap().to_owned();
        let last = text.as_bytes()[85];
        let other = if last == b'A' { 'B' } else { (last + 1) as char };
        v["signatures"][0]["signature"] = json!(format!("{}{other}", &text[..85]));
    });
    let twice = String::from_utf8(jws.to_bytes()).unwrap().replacen("{\"payload\"", "{\"payload\":\"\",\"payload\"", 1);
    assert!(Jws::parse(twice.as_bytes()).unwrap_err().to_string().contains("stands twice"));
    assert!(matches!(Jws::parse(&vec![b'{'; MAX_DOCUMENT + 1]), Err(JwsError::TooLarge { .. })));
}

/// What the short way takes, the long way takes for the same.
#[test]
fn the_short_way_judges_as_the_long_one_does() {
    let (_, mut jws) = document();
    jws.add_signature(&StationKey::from_seed(&[9; 32]), Role::Witness, at(1_800_000_001)).unwrap();
    let text = jws.to_bytes();
    assert!(Jws::parse_own(&text).is_some());
    let mut taken = 0;
    for place in 0..text.len() {
        for byte in b"\"\\,:{}[] =A_-\n\0\x7f\xff" {
            let mut changed = text.clone();
            changed[place] = *byte;
            let mut longer = text.clone();
            longer.insert(place, *byte);
            for variant in [changed, longer] {
                if let Some(read) = Jws::parse_own(&variant) {
                    taken += 1;
                    assert_eq!(Jws::parse_any(&variant).unwrap(), read, "{}", String::from_utf8_lossy(&variant));
                }
            }
        }
        assert!(Jws::parse_own(&text[..place]).is_none());
    }
    assert!(taken > 0);
    let spaced = String::from_utf8(text).unwrap().replace(':', ": ");
    assert!(Jws::parse_own(spaced.as_bytes()).is_none());
    assert_eq!(Jws::parse(spaced.as_bytes()).unwrap(), jws);
}

/// RFC 8037 appendix A.4, in general serialization.
#[test]
fn verifies_the_example_of_rfc_8037() {
    let key = PublicKey::from_x("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let document = br#"{"payload":"RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc","signatures":[{"protected":"eyJhbGciOiJFZERTQSJ9","signature":"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"}]}"#;
    let jws = Jws::parse(document).unwrap();
    assert_eq!(jws.payload(), b"Example of Ed25519 signing");
    assert!(jws.verifies(0, &key));
    assert_eq!(jws.to_bytes(), document);
}
