//! Every member of every document removed, duplicated, renamed, exchanged: refused, or the same.

use std::sync::OnceLock;

use lastwrite::certificate::Verdict;
use lastwrite::certificate::document::*;
use lastwrite::signed::{Role, TrustStore};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::places::places;
use crate::samples::*;

fn parent_of<'a>(root: &'a mut Value, place: &str) -> (&'a mut Value, String) {
    let (parent, name) = place.rsplit_once('/').unwrap();
    (root.pointer_mut(parent).unwrap(), name.to_owned())
}

fn verdict(kind: DocumentType, payload: &[u8]) -> Verdict {
    static KNOWN: OnceLock<(Vec<(DocumentType, Signers)>, TrustStore)> = OnceLock::new();
    let (signers, trust) = KNOWN.get_or_init(|| (all().into_iter().map(|(k, _, s)| (k, s)).collect(), trust()));
    let signers = &signers.iter().find(|(k, _)| *k == kind).unwrap().1;
    verify_any(&signed(payload, kind.typ(), signers), None, Some(trust)).verdict
}

#[test]
fn a_member_less_or_more_is_refused_although_it_is_rightly_signed() {
    for (kind, payload, _) in all() {
        let good: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(verdict(kind, &payload), Verdict::Valid, "{kind}");
        let mut found = Vec::new();
        places(&good, "", &mut found);
        assert!(found.len() > 15, "{kind}");
        for place in &found {
            let mut less = good.clone();
            let (parent, name) = parent_of(&mut less, place);
            let Value::Object(members) = parent else { continue };
            members.shift_remove(&name);
            assert_eq!(verdict(kind, less.to_string().as_bytes()), Verdict::Invalid, "{kind} without {place}");
            let mut renamed = good.clone();
            let (parent, name) = parent_of(&mut renamed, place);
            let members = parent.as_object_mut().unwrap();
            let value = members.shift_remove(&name).unwrap();
            members.insert(format!("{name}_"), value);
            assert_eq!(verdict(kind, renamed.to_string().as_bytes()), Verdict::Invalid, "{kind}: {place}_");
        }
        let objects = found.iter().map(String::as_str).chain([""]);
        for place in objects.filter(|place| good.pointer(place).is_some_and(Value::is_object)) {
            let mut more = good.clone();
            more.pointer_mut(place).unwrap().as_object_mut().unwrap().insert("more".into(), json!(1));
            assert_eq!(verdict(kind, more.to_string().as_bytes()), Verdict::Invalid, "{kind}: more in {place}");
        }
    }
}

#[test]
fn a_member_twice_is_refused_and_another_order_means_the_same() {
    for (kind, payload, _) in all() {
        let good: Value = serde_json::from_slice(&payload).unwrap();
        for (name, value) in good.as_object().unwrap() {
            let text = good.to_string();
            let twice = format!("{{{}:{value},{}", json!(name), &text[1..]);
            assert_eq!(verdict(kind, twice.as_bytes()), Verdict::Invalid, "{kind}: {name} twice");
        }
        fn turned(value: &Value) -> Value {
            match value {
                Value::Object(m) => {
                    Value::Object(m.iter().rev().map(|(k, v)| (k.clone(), turned(v))).collect::<Map<_, _>>())
                }
                other => other.clone(),
            }
        }
        let turned = turned(&good).to_string();
        assert_ne!(turned.as_bytes(), payload);
        assert_eq!(verdict(kind, turned.as_bytes()), Verdict::Valid, "{kind}");
        let read = |bytes: &[u8]| Document::of_payload(kind, bytes).unwrap();
        assert_eq!(read(turned.as_bytes()), read(&payload));
    }
}

#[test]
fn a_value_of_another_sort_is_refused() {
    for (kind, payload, _) in all() {
        let good: Value = serde_json::from_slice(&payload).unwrap();
        let mut found = Vec::new();
        places(&good, "", &mut found);
        for place in &found {
            for other in
                [json!(null), json!(true), json!(-1), json!(1.5), json!("\u{202e}"), json!([]), json!({}), json!("")]
            {
                let mut changed = good.clone();
                let there = changed.pointer_mut(place).unwrap();
                if *there == other {
                    continue;
                }
                *there = other.clone();
                let text = changed.to_string();
                if verdict(kind, text.as_bytes()) != Verdict::Valid {
                    continue;
                }
                // Accepted: then it was read as exactly what stands there.
                let read = serde_json::to_value(
                    match Document::of_payload(kind, text.as_bytes()).unwrap() {
                        Document::Validation(d) => serde_json::to_value(d),
                        Document::MediaVerification(d) => serde_json::to_value(d),
                        Document::Revocation(d) => serde_json::to_value(d),
                        Document::Destruction(d) => serde_json::to_value(d),
                        Document::Gathering(d) => serde_json::to_value(d),
                        Document::Transfer(d) => serde_json::to_value(d),
                        Document::Discrepancy(d) => serde_json::to_value(d),
                        Document::Run(_) => unreachable!(),
                    }
                    .unwrap(),
                );
                assert_eq!(read.unwrap(), changed, "{kind}: {place} = {other}");
            }
        }
    }
}

#[test]
fn a_document_is_of_its_own_sort_only() {
    for (kind, payload, signers) in all() {
        for other in DocumentType::ALL {
            let verified = verify_any(&signed(&payload, other.typ(), &signers), None, Some(&trust()));
            assert_eq!(verified.verdict == Verdict::Valid, kind == other, "{kind} as {other}");
        }
    }
}

#[test]
fn a_changed_byte_breaks_the_signature() {
    let mut random = 7u64;
    for (kind, payload, signers) in all() {
        let bytes = signed(&payload, kind.typ(), &signers);
        for _ in 0..150 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 33) as usize % bytes.len();
            let mut changed = bytes.clone();
            changed[at] = changed[at].wrapping_add(1 + (random >> 20) as u8 % 250);
            if changed == bytes {
                continue;
            }
            let verified = verify_any(&changed, None, Some(&trust()));
            assert_ne!(verified.verdict, Verdict::Valid, "{kind}: byte {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_any_payload(payload in prop::collection::vec(any::<u8>(), 0..200), which in 0usize..10) {
        let kind = DocumentType::ALL[which];
        let _ = Document::of_payload(kind, &payload);
        let bytes = signed(&payload, kind.typ(), &[(STATION, Role::Station)]);
        prop_assert_eq!(verify_any(&bytes, None, Some(&trust())).verdict, Verdict::Invalid);
        let _ = show_document(&bytes);
    }
}
