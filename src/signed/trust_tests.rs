use serde_json::{Value, json};

use super::*;
use crate::signed::StationKey;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn store() -> TrustStore {
    let mut store = TrustStore::default();
    let public = StationKey::from_seed(&[1; 32]).public().clone();
    store.add(TrustedKey::new(public, "Bench 1", Role::Station, Some(at(1000)))).unwrap();
    store
}

#[test]
fn stores_come_back_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trust.jwks.json");
    store().save_new(&path).unwrap();
    assert!(store().save_new(&path).is_err());
    let mut read = TrustStore::load(&path).unwrap();
    assert_eq!(read, store());
    let kid = read.keys()[0].kid.clone();
    read.find_mut(&kid).unwrap().revoked_at = Some(at(2000));
    read.save(&path).unwrap();
    assert_eq!(TrustStore::load(&path).unwrap(), read);
}

#[test]
fn a_person_holds_several_roles() {
    let mut store = store();
    let kim = StationKey::from_seed(&[2; 32]).public().clone();
    let kim = TrustedKey::new(kim, "Kim", Role::Operator, None).with_roles(&[Role::Operator, Role::Witness]);
    store.add(kim.clone()).unwrap();
    let read = TrustStore::parse(&store.to_bytes()).unwrap();
    assert_eq!(read, store);
    assert!(read.find(&kim.kid).unwrap().may(Role::Witness) && !read.find(&kim.kid).unwrap().may(Role::Station));
    let text: Value = serde_json::from_slice(&store.to_bytes()).unwrap();
    assert_eq!(text["keys"][0]["role"], "station");
    assert_eq!(text["keys"][1]["roles"], json!(["operator", "witness"]));
}

#[test]
fn windows_and_revocation_decide_by_the_second() {
    let mut key = store().keys()[0].clone();
    key.valid_until = Some(at(3000));
    assert_eq!(key.standing(at(999)), Standing::NotYetValid(at(1000)));
    assert_eq!(key.standing(at(1000)), Standing::Valid);
    assert_eq!(key.standing(at(3000)), Standing::Valid);
    assert_eq!(key.standing(at(3001)), Standing::Expired(at(3000)));
    key.revoked_at = Some(at(2000));
    assert_eq!(key.standing(at(1999)), Standing::RevokedLater(at(2000)));
    assert_eq!(key.standing(at(2000)), Standing::Revoked(at(2000)));
}

#[test]
fn doubtful_stores_are_refused() {
    let good: Value = serde_json::from_slice(&store().to_bytes()).unwrap();
    let refusal = |change: &dyn Fn(&mut Value)| {
        let mut changed = good.clone();
        change(&mut changed["keys"][0]);
        TrustStore::parse(changed.to_string().as_bytes()).unwrap_err().to_string()
    };
    assert!(refusal(&|k| k["d"] = json!("AAAA")).contains("private key"));
    assert!(refusal(&|k| k["kid"] = json!("AAAA")).contains("thumbprint"));
    assert!(refusal(&|k| k["kty"] = json!("EC")).contains("not an Ed25519 key"));
    assert!(refusal(&|k| k["x"] = json!("AAAA")).contains("32 bytes"));
    assert!(refusal(&|k| k["x"] = json!("A".repeat(43))).contains("low order"));
    assert!(refusal(&|k| k["use"] = json!("enc")).contains("use"));
    assert!(refusal(&|k| k["valid_from"] = json!("yesterday")).contains("RFC 3339"));
    assert!(refusal(&|k| k["trusted"] = json!(true)).contains("unknown field"));
    assert!(refusal(&|k| k["role"] = json!("king")).contains("king"));
    assert!(refusal(&|k| k["roles"] = json!(["operator"])).contains("either"));
    let roles = |roles: Value| {
        refusal(&|k| {
            k["roles"] = roles.clone();
            k.as_object_mut().unwrap().remove("role");
        })
    };
    assert!(roles(json!([])).contains("no role"));
    assert!(roles(json!(["witness", "witness"])).contains("twice"));
    assert!(roles(json!(["root", "witness"])).contains("together"));
    assert!(roles(json!(["station", "operator"])).contains("together"));
    let twice = json!({"keys": [good["keys"][0], good["keys"][0]]});
    assert!(matches!(TrustStore::parse(twice.to_string().as_bytes()), Err(TrustError::Twice { .. })));
    for bad in ["", "[]", "{}", r#"{"keys":[],"keys":[]}"#, r#"{"keys":[]}x"#] {
        assert!(TrustStore::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// Whoever holds a key that ended or was disowned names no heir.
#[test]
fn only_a_key_that_stands_is_rotated() {
    let next = StationKey::from_seed(&[2; 32]).public().clone();
    let now = at(2000);
    let rotated = |change: &dyn Fn(&mut TrustedKey)| {
        let mut store = store();
        let kid = store.keys()[0].kid.clone();
        change(store.find_mut(&kid).unwrap());
        let before = store.clone();
        match store.rotate(&kid, &next, now) {
            Ok(()) => Ok(store),
            Err(e) => {
                assert_eq!(store, before, "{e}");
                Err(e.to_string())
            }
        }
    };
    let of = |store: &TrustStore, i: usize| (store.keys()[i].valid_from, store.keys()[i].valid_until);
    let endless = rotated(&|_| {}).unwrap();
    assert_eq!((of(&endless, 0), of(&endless, 1)), ((Some(at(1000)), Some(now)), (Some(now), None)));
    let ending = rotated(&|key| key.valid_until = Some(at(3000))).unwrap();
    assert_eq!((of(&ending, 0), of(&ending, 1)), ((Some(at(1000)), Some(now)), (Some(now), Some(at(3000)))));
    assert!(rotated(&|key| key.valid_until = Some(at(1999))).unwrap_err().contains("expired"));
    assert!(rotated(&|key| key.valid_from = Some(at(2001))).unwrap_err().contains("is not valid before"));
    for revoked in [1500, 2000, 2500] {
        assert!(rotated(&|key| key.revoked_at = Some(at(revoked))).unwrap_err().contains("is revoked"));
    }
}
