use super::*;
use crate::register::role::{Grant, Role};
use crate::signed::{Delegation, Role as Signer, TrustedKey};

fn key(seed: u8) -> StationKey {
    StationKey::from_seed(&[seed; 32])
}

fn now() -> DateTime<Utc> {
    "2026-11-29T10:00:00Z".parse().unwrap()
}

/// Mia made the register; the others are enrolled.
fn people(others: &[(u8, &str, Role)]) -> People {
    let mia = key(1);
    let made = Act::RegisterCreated { organization: "O".into(), name: "Mia".into(), x: mia.public().x() };
    let mut people = People::begin(&made, mia.kid()).unwrap();
    for (seed, name, role) in others {
        let key = key(*seed);
        let (kid, x) = (key.kid().to_owned(), key.public().x());
        for act in [
            Act::PersonEnrolled { kid: kid.clone(), x, name: (*name).into() },
            Act::RoleGranted { kid, grant: Grant { role: *role, location: None } },
        ] {
            act_of(&mut people, 1, &act).unwrap();
        }
    }
    people
}

fn act_of(people: &mut People, seed: u8, act: &Act) -> Result<(), Refusal> {
    let actor = key(seed);
    people.permit(actor.kid(), act, &[None])?;
    people.allow(actor.kid(), act, None, now())?;
    people.check(act)?;
    people.apply(act, actor.kid(), now());
    Ok(())
}

fn store(seed: u8, role: Signer) -> TrustStore {
    let mut store = TrustStore::default();
    store.add(TrustedKey::new(key(seed).public().clone(), format!("key {seed}"), role, None)).unwrap();
    store
}

fn propose(people: &People, store: &TrustStore) -> Act {
    Act::TrustProposed(TrustText::of(people.trust.versions + 1, store))
}

fn said(root: u8, station: u8) -> String {
    let delegation = Delegation {
        organization: "O".into(),
        key: key(station).public().clone(),
        name: "Bench".into(),
        roles: vec![Signer::Station],
        valid_from: now(),
        valid_until: None,
        replaces: None,
    };
    String::from_utf8(delegation.sign(&key(root), now()).unwrap().to_bytes()).unwrap() + "\n"
}

#[test]
fn two_persons_with_the_right_fix_it_and_one_alone_only_where_nobody_else_ever_was() {
    let mut all =
        people(&[(2, "Ida", Role::ItadOperator), (3, "Cora", Role::Compliance), (4, "mia", Role::Compliance)]);
    let proposed = propose(&all, &store(9, Signer::Station));
    let told = act_of(&mut all, 2, &proposed).unwrap_err().to_string();
    assert!(told.contains("may not set the register's trust"), "{told}");
    act_of(&mut all, 1, &proposed).unwrap();
    let approved = Act::TrustApproved { version: 1 };
    for seed in [1, 4] {
        assert!(act_of(&mut all, seed, &approved).unwrap_err().to_string().contains("four eyes"), "{seed}");
    }
    assert!(act_of(&mut all, 3, &Act::TrustApproved { version: 2 }).is_err() && all.trust.in_force.is_none());
    act_of(&mut all, 3, &approved).unwrap();
    assert!(all.trust.in_force.is_some() && act_of(&mut all, 3, &approved).is_err());

    let mut alone = people(&[]);
    let proposed = propose(&alone, &store(9, Signer::Station));
    act_of(&mut alone, 1, &proposed).unwrap();
    act_of(&mut alone, 1, &approved).unwrap();
    assert!(alone.trust.in_force.as_ref().unwrap().told(&alone).contains("one person only"));
    // To bar everybody else makes nobody alone.
    let mut barred = people(&[(3, "Cora", Role::Compliance)]);
    act_of(&mut barred, 1, &Act::PersonBarred { kid: key(3).kid().to_owned(), reason: "left".into() }).unwrap();
    let proposed = propose(&barred, &store(9, Signer::Station));
    act_of(&mut barred, 1, &proposed).unwrap();
    assert!(act_of(&mut barred, 1, &approved).is_err());
}

#[test]
fn only_a_root_of_the_trust_extends_it_and_what_it_said_outlives_the_version() {
    let mut people = people(&[]);
    let line = said(9, 8);
    let extended = Act::TrustExtended { bundle: line.clone() };
    assert!(act_of(&mut people, 1, &extended).is_err(), "there is no trust yet");
    for version in 1..=2 {
        let proposed = propose(&people, &store(9, Signer::Root));
        act_of(&mut people, 1, &proposed).unwrap();
        act_of(&mut people, 1, &Act::TrustApproved { version }).unwrap();
        if version == 1 {
            assert!(act_of(&mut people, 1, &Act::TrustExtended { bundle: said(7, 8) }).is_err(), "another root");
            act_of(&mut people, 1, &extended).unwrap();
        }
        assert!(act_of(&mut people, 1, &extended).is_err(), "it is known");
    }
    let text = &people.trust.in_force.as_ref().unwrap().trust;
    assert_eq!((text.version, &*text.bundle), (2, line.as_str()));
    assert!(text.store().unwrap().find(key(8).kid()).is_some());
    // Another root takes over: what the old one said goes with it.
    let proposed = propose(&people, &store(7, Signer::Root));
    act_of(&mut people, 1, &proposed).unwrap();
    act_of(&mut people, 1, &Act::TrustApproved { version: 3 }).unwrap();
    assert_eq!(&*people.trust.in_force.as_ref().unwrap().trust.bundle, "");
}

#[test]
fn evidence_names_the_trust_that_is_in_force() {
    let mut people = people(&[]);
    let judged = serde_json::json!({
        "type": "evidence_judged",
        "judgement": {
            "document": "d", "about": "a", "says": "accepted", "reason": "r", "replaces": null, "by": "b",
            "at": "2026-11-29T10:00:00Z", "signers": [], "identity": null
        }
    });
    let evidence: Act = serde_json::from_value(judged).unwrap();
    for any in [None, Some("x")] {
        assert!(people.believes(&evidence, any).is_ok(), "nothing is fixed yet; old events name nothing");
    }
    assert!(people.believes(&Act::LotClosed, Some("x")).is_err());
    // An untouched trust stands in no state, so that states are what they were.
    let untouched = serde_json::to_string(&people).unwrap();
    assert!(!untouched.contains("trust"));
    assert_eq!(serde_json::from_str::<People>(&untouched).unwrap(), people, "and old ones are read");
    let proposed = propose(&people, &store(9, Signer::Station));
    act_of(&mut people, 1, &proposed).unwrap();
    assert!(people.believes(&evidence, None).is_ok(), "it waits");
    act_of(&mut people, 1, &Act::TrustApproved { version: 1 }).unwrap();
    let digest = people.trust.in_force.as_ref().unwrap().trust.digest();
    assert!(people.believes(&evidence, Some(&digest)).is_ok());
    for other in [None, Some("x")] {
        assert!(people.believes(&evidence, other).is_err(), "{other:?}");
    }
    let read: People = serde_json::from_str(&serde_json::to_string(&people).unwrap()).unwrap();
    assert_eq!(read, people);
}

#[test]
fn a_trust_of_nobody_and_a_bundle_of_strangers_are_refused() {
    let mut people = people(&[]);
    let text = |store: &TrustStore| TrustText::of(1, store);
    let good = text(&store(9, Signer::Root));
    for bad in [
        text(&TrustStore::default()),
        TrustText { version: 2, ..good.clone() },
        TrustText { store: good.store.trim().into(), ..good.clone() },
        TrustText { bundle: said(7, 8).into(), ..good.clone() },
        TrustText { store: "{}".into(), ..good.clone() },
    ] {
        assert!(act_of(&mut people, 1, &Act::TrustProposed(bad.clone())).is_err(), "{bad:?}");
    }
    act_of(&mut people, 1, &Act::TrustProposed(TrustText { bundle: said(9, 8).into(), ..good })).unwrap();
}
