use super::*;
use crate::signed::{Revocation, StationKey};

const ROOT: u8 = 1;
const SUB: u8 = 2;
const NEXT: u8 = 3;
const BENCH: u8 = 4;
const OTHER: u8 = 5;

fn key(seed: u8) -> StationKey {
    StationKey::from_seed(&[seed; 32])
}

fn at(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + hour * 3600, 0).unwrap()
}

/// What a root says of a key at a time, valid until then.
fn until(root: u8, about: u8, role: Role, hour: i64, valid_until: Option<i64>) -> Vec<u8> {
    let delegation = Delegation {
        organization: "Example Org".into(),
        key: key(about).public().clone(),
        name: format!("key {about}"),
        roles: vec![role],
        valid_from: at(0),
        valid_until: valid_until.map(at),
        replaces: None,
    };
    delegation.sign(&key(root), at(hour)).unwrap().to_bytes()
}

fn says(root: u8, about: u8, role: Role, hour: i64) -> Vec<u8> {
    until(root, about, role, hour, None)
}

fn revokes(root: u8, about: u8, hour: i64) -> Vec<u8> {
    let revocation = Revocation { kid: key(about).kid().to_owned(), revoked_at: at(hour), reason: Reason::Compromised };
    RevocationList::after(None, "Example Org", revocation, at(hour), None).sign(&key(root)).unwrap().to_bytes()
}

fn rooted() -> TrustStore {
    let mut store = TrustStore::default();
    store.add(TrustedKey::new(key(ROOT).public().clone(), "Root", Role::Root, None)).unwrap();
    store
}

/// Every order of the lines.
fn orders(lines: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
    if lines.len() < 2 {
        return vec![lines.to_vec()];
    }
    let rest = |first: usize| lines.iter().enumerate().filter(move |(i, _)| *i != first).map(|(_, line)| line.clone());
    let first = |i: usize| {
        let orders = orders(&rest(i).collect::<Vec<_>>());
        orders.into_iter().map(move |order| [vec![lines[i].clone()], order].concat())
    };
    (0..lines.len()).flat_map(first).collect()
}

/// What comes of the lines: the same in every order, at once or one bundle after the other.
fn settled(lines: &[Vec<u8>]) -> Result<TrustStore, String> {
    let comparable = |store: &TrustStore| {
        let kids = |seed: u8| store.find(key(seed).kid()).map(|key| (key.clone(), store.revocation(key)));
        (1..=OTHER).map(kids).collect::<Vec<_>>()
    };
    let mut found: Vec<Result<TrustStore, String>> = Vec::new();
    for order in orders(lines) {
        for several in [false, true] {
            let mut store = rooted();
            let bundles = if several { order.clone() } else { vec![order.join(&b'\n')] };
            let result = bundles.iter().try_for_each(|bundle| store.take_bundle(bundle));
            found.push(result.map(|()| store).map_err(|e| e.to_string()));
        }
    }
    let first = found[0].clone();
    for other in &found[1..] {
        match (&first, other) {
            (Ok(a), Ok(b)) => {
                assert_eq!(comparable(a), comparable(b));
                assert_eq!(a.foreign_statements(), b.foreign_statements());
                assert_eq!(a.statements().len(), b.statements().len());
            }
            (Err(_), Err(_)) => {}
            (a, b) => panic!("refused in one order only: {a:?}, {b:?}"),
        }
    }
    first
}

fn role(store: &TrustStore, seed: u8) -> Option<Role> {
    store.find(key(seed).kid()).map(|key| key.roles[0])
}

#[test]
fn what_a_demoted_root_vouched_for_counts_for_nothing_whatever_the_order() {
    let lines = [says(ROOT, SUB, Role::Root, 1), says(SUB, BENCH, Role::Station, 2), says(ROOT, SUB, Role::Witness, 3)];
    let store = settled(&lines[..2]).unwrap();
    assert_eq!((role(&store, SUB), role(&store, BENCH)), (Some(Role::Root), Some(Role::Station)));
    let store = settled(&lines).unwrap();
    assert_eq!((role(&store, SUB), role(&store, BENCH)), (Some(Role::Witness), None));
    assert_eq!(store.foreign_statements(), 1);
    // In the very second in which it was made one, it is none.
    let lines = [says(ROOT, SUB, Role::Root, 3), lines[1].clone(), lines[2].clone()];
    assert_eq!(role(&settled(&lines).unwrap(), SUB), Some(Role::Witness));
}

#[test]
fn no_root_holds_itself_or_whom_it_depends_on() {
    let made = says(ROOT, SUB, Role::Root, 1);
    let demoted = says(ROOT, SUB, Role::Witness, 3);
    // Dated as it likes, by itself or by one that it made a root.
    let own = says(SUB, SUB, Role::Root, 9);
    let store = settled(&[made.clone(), own, demoted.clone()]).unwrap();
    assert_eq!((role(&store, SUB), store.foreign_statements()), (Some(Role::Witness), 1));
    let around = [made.clone(), says(SUB, NEXT, Role::Root, 2), says(NEXT, SUB, Role::Root, 9), demoted];
    let store = settled(&around).unwrap();
    assert_eq!((role(&store, SUB), role(&store, NEXT)), (Some(Role::Witness), None));
    // Nor does it end one that is nearer to the trust store.
    let store = settled(&[made, says(SUB, NEXT, Role::Root, 2), says(NEXT, SUB, Role::Witness, 9)]).unwrap();
    assert_eq!((role(&store, SUB), role(&store, NEXT)), (Some(Role::Root), Some(Role::Root)));
}

#[test]
fn the_next_root_goes_on_where_the_last_one_ended() {
    let lines = [
        until(ROOT, BENCH, Role::Station, 1, Some(10)),
        says(ROOT, NEXT, Role::Root, 2),
        until(NEXT, BENCH, Role::Station, 3, Some(99)),
    ];
    let store = settled(&lines).unwrap();
    let bench = store.find(key(BENCH).kid()).unwrap();
    assert_eq!((bench.valid_until, bench.delegated_by.as_deref()), (Some(at(99)), Some(key(NEXT).kid())));
    // Once that root is disowned, what the other said counts, and not what is dated before.
    let revoked = [lines[0].clone(), lines[1].clone(), lines[2].clone(), revokes(ROOT, NEXT, 5)];
    let store = settled(&revoked).unwrap();
    assert_eq!(store.find(key(BENCH).kid()).unwrap().valid_until, Some(at(10)));
    assert_eq!(store.foreign_statements(), 1);
    // Another store may know it.
    let mut heeding = settled(&lines).unwrap();
    heeding.heed(&settled(&revoked).unwrap());
    let bench = heeding.find(key(BENCH).kid()).unwrap();
    assert_eq!((bench.valid_until, bench.delegated_by.as_deref()), (Some(at(10)), Some(key(ROOT).kid())));
}

#[test]
fn the_time_of_a_root_is_that_of_its_newest_delegation() {
    let (short, long) = (until(ROOT, SUB, Role::Root, 1, Some(5)), until(ROOT, SUB, Role::Root, 6, Some(99)));
    let late = says(SUB, BENCH, Role::Station, 7);
    let store = settled(&[short.clone(), late.clone()]).unwrap();
    assert_eq!((role(&store, BENCH), store.foreign_statements()), (None, 1));
    assert_eq!(role(&settled(&[short, late.clone(), long.clone()]).unwrap(), BENCH), Some(Role::Station));
    // A root that was given less time since.
    let less = until(ROOT, SUB, Role::Root, 8, Some(6));
    assert_eq!(role(&settled(&[long, late, less]).unwrap(), BENCH), None);
}

/// Revocations can only take trust away, so those of a root that is none any more stay.
#[test]
fn what_a_demoted_root_revoked_stays_revoked() {
    let lines = [
        says(ROOT, SUB, Role::Root, 1),
        says(ROOT, BENCH, Role::Station, 1),
        revokes(SUB, BENCH, 2),
        says(ROOT, SUB, Role::Witness, 3),
    ];
    let store = settled(&lines).unwrap();
    let bench = store.find(key(BENCH).kid()).unwrap();
    assert_eq!((store.revocation(bench), store.foreign_statements()), (Some(at(2)), 0));
}

#[test]
fn a_line_that_names_a_root_and_is_not_its_own_refuses_the_bundle_whatever_the_order() {
    let made = says(ROOT, SUB, Role::Root, 1);
    let forged = || {
        let good = String::from_utf8(says(SUB, BENCH, Role::Station, 2)).unwrap();
        let signature = good.find("\"signature\":\"").unwrap() + 30;
        let letter = if good.as_bytes()[signature] == b'A' { "B" } else { "A" };
        format!("{}{letter}{}", &good[..signature], &good[signature + 1..]).into_bytes()
    };
    let error = settled(&[made, forged(), says(ROOT, OTHER, Role::Station, 2)]).unwrap_err();
    assert!(error.contains("was changed"), "{error}");
    // Of a stranger nobody knows whether it is.
    assert_eq!(settled(&[forged()]).unwrap().foreign_statements(), 1);
    // A bundle that is refused leaves no trace.
    let mut store = rooted();
    store.take_bundle(&says(ROOT, SUB, Role::Root, 1)).unwrap();
    let before = store.clone();
    let with = [says(ROOT, OTHER, Role::Station, 2), forged()].join(&b'\n');
    store.take_bundle(&with).unwrap_err();
    assert_eq!(store, before);
    // An entry of its own that is no root, and a root of its own outside of its time.
    let mut store = rooted();
    store.add(TrustedKey::new(key(SUB).public().clone(), "Sub", Role::Witness, None)).unwrap();
    let told = store.take_bundle(&says(SUB, BENCH, Role::Station, 2)).unwrap_err().to_string();
    assert!(told.contains("not as root"), "{told}");
    let mut store = rooted();
    store.find_mut(key(ROOT).kid()).unwrap().valid_until = Some(at(1));
    let told = store.take_bundle(&says(ROOT, BENCH, Role::Station, 2)).unwrap_err().to_string();
    assert!(told.contains("expired"), "{told}");
}

/// A chain of roots in the worst order is read in one go.
#[test]
fn a_long_chain_of_roots_is_read_at_once() {
    let seed = |i: u16| {
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&i.to_be_bytes());
        StationKey::from_seed(&seed)
    };
    let length = 400;
    let link = |i: u16| {
        let root = if i == 0 { key(ROOT) } else { seed(i - 1) };
        let delegation = Delegation {
            organization: "Example Org".into(),
            key: seed(i).public().clone(),
            name: format!("root {i}"),
            roles: vec![Role::Root],
            valid_from: at(0),
            valid_until: None,
            replaces: None,
        };
        delegation.sign(&root, at(1)).unwrap().to_bytes()
    };
    let mut store = rooted();
    store.take_bundle(&(0..length).rev().map(link).collect::<Vec<_>>().join(&b'\n')).unwrap();
    assert_eq!((store.delegated_keys().count(), store.foreign_statements()), (usize::from(length), 0));
}
