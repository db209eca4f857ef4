//! Published vectors through our own verify path. They stay outside the project: `scripts/fetch-vectors` fetches them,
//! or `LASTWRITE_VECTORS` points to them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lastwrite::custody::{Hash, leaf_hash, verify_consistency, verify_inclusion};
use lastwrite::signed::{Jws, PublicKey};
use serde_json::{Value, json};

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn hex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// As a document of ours would be checked: a key that is refused signs nothing.
fn verifies(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = <&[u8; 64]>::try_from(signature) else { return false };
    PublicKey::from_bytes(key).is_ok_and(|key| {
        let once = key.verifies(message, signature);
        key.prepare();
        assert_eq!(key.verifies(message, signature), once, "a key that is used often judges otherwise");
        once
    })
}

#[test]
fn wycheproof_ed25519() {
    let Some(folder) = common::vectors() else { return };
    let suite = read(&folder.join("wycheproof/ed25519_test.json"));
    let (mut valid, mut invalid) = (0, 0);
    for group in suite["testGroups"].as_array().unwrap() {
        let key = hex(&group["publicKey"]["pk"]);
        for test in group["tests"].as_array().unwrap() {
            let expected = test["result"] == "valid";
            let found = verifies(&key, &hex(&test["msg"]), &hex(&test["sig"]));
            assert_eq!(found, expected, "{test}");
            if expected { valid += 1 } else { invalid += 1 }
        }
    }
    assert_eq!(valid + invalid, 151);
    assert!(invalid > 50);
}

/// Every case of this suite has something that implementations disagree on. A strict verifier accepts none with a
/// low-order key or R, nor with an encoding that is not canonical, nor what holds only times the cofactor, and every
/// other case: what each one's flags say, no more and no less.
#[test]
fn cctv_ed25519() {
    let Some(folder) = common::vectors() else { return };
    let suite = read(&folder.join("cctv/ed25519vectors.json"));
    let cases = suite.as_array().unwrap();
    assert_eq!(cases.len(), 914);
    let mut accepted = 0;
    for case in cases {
        let flags: Vec<&str> =
            case["flags"].as_array().map_or(Vec::new(), |f| f.iter().map(|f| f.as_str().unwrap()).collect());
        let message = case["msg"].as_str().unwrap().as_bytes();
        let never = ["low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"];
        let expected = !flags.iter().any(|flag| never.contains(flag));
        assert_eq!(verifies(&hex(&case["key"]), message, &hex(&case["sig"])), expected, "{case}");
        accepted += usize::from(expected);
    }
    // A point with a part of low order beside a good one is none of low order.
    assert_eq!(accepted, 43);
}

/// Nothing else than these kinds can be left out of a run that says it skips nothing.
#[test]
fn what_may_be_left_out_is_a_browser_virtual_drives_and_vectors() {
    for (list, browser, drives) in
        [("", false, false), ("browser", true, false), ("drives", false, true), ("browser,drives", true, true)]
    {
        assert_eq!((common::leaves_out(list, "browser"), common::leaves_out(list, "drives")), (browser, drives));
    }
    for list in ["all", "openssl", "browser drives", "drives,openssl"] {
        assert!(std::panic::catch_unwind(|| common::leaves_out(list, "browser")).is_err(), "{list}");
    }
}

#[test]
fn rfc_8037_example_and_rfc_7520_refusal() {
    let Some(folder) = common::vectors() else { return };
    let example = read(&folder.join("jose/rfc8037_jws.json"));
    let key = PublicKey::from_x(example["input"]["key"]["x"].as_str().unwrap()).unwrap();
    let jws = Jws::parse(example["output"]["json"].to_string().as_bytes()).unwrap();
    assert!(jws.verifies(0, &key));
    assert_eq!(jws.payload(), b"Example of Ed25519 signing");
    assert_eq!(jws.signing_input(0).unwrap(), example["signing"]["sig-input"].as_str().unwrap().as_bytes());
    // Flattened and compact serializations are not read.
    assert!(Jws::parse(example["output"]["json_flat"].to_string().as_bytes()).is_err());
    assert!(Jws::parse(example["output"]["compact"].as_str().unwrap().as_bytes()).is_err());
    // Several signatures with RSA, EC and HMAC, and unprotected headers.
    let several = read(&folder.join("jose/multiple_signatures.json"));
    assert!(Jws::parse(several["output"]["json"].to_string().as_bytes()).is_err());
}

/// No case of this suite is Ed25519, so every one is bad input: as it is, and put into an envelope.
#[test]
fn wycheproof_jws_is_all_refused() {
    let Some(folder) = common::vectors() else { return };
    let suite = read(&folder.join("wycheproof/json_web_signature_test.json"));
    let mut cases = 0;
    for group in suite["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            cases += 1;
            let text = match &test["jws"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert!(Jws::parse(text.as_bytes()).is_err(), "{test}");
            let parts: Vec<&str> = text.splitn(3, '.').collect();
            if let [protected, payload, signature] = parts[..] {
                let envelope =
                    json!({"payload": payload, "signatures": [{"protected": protected, "signature": signature}]});
                assert!(Jws::parse(envelope.to_string().as_bytes()).is_err(), "{test}");
            }
        }
    }
    assert_eq!(cases, 401);
}

fn hash(value: &Value) -> Option<Hash> {
    STANDARD.decode(value.as_str()?).ok()?.try_into().ok().map(Hash)
}

/// Some cases have a text as root, which our types refuse to hold; a hash of it stands in.
fn root(value: &Value) -> Option<Hash> {
    hash(value).or_else(|| Some(leaf_hash(&STANDARD.decode(value.as_str()?).ok()?)))
}

/// `None`: a value that is no SHA-256 hash, which our types refuse to hold.
fn proof(value: &Value) -> Option<Vec<Hash>> {
    value.as_array().map_or(Some(Vec::new()), |hashes| hashes.iter().map(hash).collect())
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(json_files(&path)),
            false => files.push(path),
        }
    }
    files
}

#[test]
fn rfc_6962_inclusion() {
    let Some(folder) = common::vectors() else { return };
    let files = json_files(&folder.join("merkle/inclusion"));
    assert_eq!(files.len(), 98);
    for file in files {
        let case = read(&file);
        let found = (|| {
            let (index, size) = (case["leafIdx"].as_u64()?, case["treeSize"].as_u64()?);
            let (leaf, root, proof) = (hash(&case["leafHash"])?, hash(&case["root"])?, proof(&case["proof"])?);
            verify_inclusion(index, size, leaf, &proof, root).ok()
        })();
        assert_eq!(found.is_none(), case["wantErr"].as_bool().unwrap(), "{}", file.display());
    }
}

#[test]
fn rfc_6962_consistency() {
    let Some(folder) = common::vectors() else { return };
    let files = json_files(&folder.join("merkle/consistency"));
    assert_eq!(files.len(), 98);
    for file in files {
        let case = read(&file);
        let (size1, size2) = (case["size1"].as_u64().unwrap(), case["size2"].as_u64().unwrap());
        let found = (|| {
            let (root1, root2, proof) = (root(&case["root1"])?, root(&case["root2"])?, proof(&case["proof"])?);
            verify_consistency(size1, size2, &proof, root1, root2).ok()
        })();
        assert_eq!(found.is_none(), case["wantErr"].as_bool().unwrap(), "{}", file.display());
    }
}
