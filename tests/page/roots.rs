//! What roots say of keys, and of each other, on the page and in the program: in whatever order the lines come, both
//! believe the same.

use lastwrite::signed::{Delegation, Reason, Revocation as Disowned, RevocationList};

use super::*;

const ROOT: u8 = 40;
const SUB: u8 = 41;
const NEXT: u8 = 42;

/// What a root says of a key at an hour, valid until an hour.
fn until(root: u8, about: u8, role: Role, hour: u32, valid_until: Option<u32>) -> String {
    let delegation = Delegation {
        organization: "Example Org".into(),
        key: key(about).public().clone(),
        name: format!("key {about}"),
        roles: vec![role],
        valid_from: at(1),
        valid_until: valid_until.map(at),
        replaces: None,
    };
    String::from_utf8(delegation.sign(&key(root), at(hour)).unwrap().to_bytes()).unwrap()
}

fn says(root: u8, about: u8, role: Role, hour: u32) -> String {
    until(root, about, role, hour, None)
}

fn revokes(root: u8, about: u8) -> String {
    let disowned = Disowned { kid: key(about).kid().to_owned(), revoked_at: at(2), reason: Reason::Compromised };
    let list = RevocationList::after(None, "Example Org", disowned, at(9), None);
    String::from_utf8(list.sign(&key(root)).unwrap().to_bytes()).unwrap()
}

fn rooted() -> TrustStore {
    let mut store = TrustStore::default();
    store.add(TrustedKey::new(key(ROOT).public().clone(), "Root", Role::Root, None)).unwrap();
    store
}

/// Every order of the lines.
fn orders(lines: &[String]) -> Vec<Vec<String>> {
    if lines.len() < 2 {
        return vec![lines.to_vec()];
    }
    let mut found = Vec::new();
    for first in 0..lines.len() {
        let mut rest = lines.to_vec();
        let line = rest.remove(first);
        found.extend(orders(&rest).into_iter().map(|order| [vec![line.clone()], order].concat()));
    }
    found
}

#[test]
fn whom_roots_vouch_for_the_page_believes_as_the_program_does() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let certificate = certificate_of(&facts());
    let made = || says(ROOT, SUB, Role::Root, 2);
    let by_sub = || says(SUB, STATION, Role::Station, 3);
    let demoted = || says(ROOT, SUB, Role::Witness, 4);
    let changed = {
        let good = by_sub();
        let letter = good.find("\"signature\":\"").unwrap() + 30;
        let other = if good.as_bytes()[letter] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &good[..letter], &good[letter + 1..])
    };
    let cases: Vec<(&str, Vec<String>, &str)> = vec![
        ("a root of a root", vec![made(), by_sub()], "valid"),
        ("demoted since", vec![made(), by_sub(), demoted()], "invalid"),
        ("demoted in the same second", vec![says(ROOT, SUB, Role::Root, 4), by_sub(), demoted()], "invalid"),
        ("holds itself", vec![made(), by_sub(), demoted(), says(SUB, SUB, Role::Root, 9)], "invalid"),
        (
            "held by its own",
            vec![made(), says(SUB, NEXT, Role::Root, 3), says(NEXT, SUB, Role::Root, 9), demoted(), by_sub()],
            "invalid",
        ),
        (
            "ended by its own",
            vec![made(), says(SUB, NEXT, Role::Root, 3), says(NEXT, SUB, Role::Witness, 9), by_sub()],
            "valid",
        ),
        ("signed after its time", vec![until(ROOT, SUB, Role::Root, 2, Some(2)), by_sub()], "invalid"),
        (
            "its time was made longer",
            vec![until(ROOT, SUB, Role::Root, 2, Some(2)), by_sub(), until(ROOT, SUB, Role::Root, 5, Some(9))],
            "valid",
        ),
        (
            "disowned, and the other says so too",
            vec![made(), by_sub(), revokes(ROOT, SUB), says(ROOT, STATION, Role::Station, 2)],
            "valid",
        ),
        ("disowned", vec![made(), by_sub(), revokes(ROOT, SUB)], "invalid"),
        (
            "a demoted root's revocation",
            vec![made(), demoted(), revokes(SUB, STATION), says(ROOT, STATION, Role::Station, 2)],
            "invalid",
        ),
        ("changed", vec![made(), changed.clone(), says(ROOT, STATION, Role::Station, 2)], "refused"),
        ("a stranger's, changed", vec![changed, says(ROOT, STATION, Role::Station, 2)], "valid"),
    ];
    let (mut compared, mut differ) = (0, Vec::new());
    for (name, lines, expected) in cases {
        for (number, order) in orders(&lines).into_iter().enumerate() {
            let mut store = rooted();
            let taken = store.take_bundle(order.join("\n").as_bytes());
            let program = verify_any_with(&certificate, None, Some(&store), &[]);
            let program = if taken.is_err() { "refused" } else { word(program.verdict) };
            assert_eq!(program, expected, "{name}: {taken:?}");
            // Of a hundred orders the page sees some.
            if lines.len() > 4 && number % 7 != 0 {
                continue;
            }
            // The statements before the root, or after it.
            let mut files = vec![
                ("trust.jwks.json".to_owned(), rooted().to_bytes()),
                ("trust.bundle.jsonl".to_owned(), order.join("\n").into_bytes()),
            ];
            if compared % 2 == 1 {
                files.reverse();
            }
            files.push(("a.json".to_owned(), certificate.clone()));
            browser.open(&page);
            let said = on_the_page(&browser, &files);
            let refused = said.values().any(|verdict| verdict == "refused");
            // What is refused leaves nobody who is trusted, or the root alone.
            let same =
                if expected == "refused" { refused && said["a.json"] != "valid" } else { said["a.json"] == expected };
            if !same || (refused && expected != "refused") {
                differ.push(format!("{name}: {expected}, but on the page {said:?}"));
            }
            compared += 1;
        }
    }
    assert!(differ.is_empty(), "{} of {compared} differ: {}", differ.len(), differ.join("\n"));
}

/// What one trust file says against a key no other one takes back, whichever comes first.
#[test]
fn no_trust_file_takes_back_what_another_says_against_a_key() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let certificate = certificate_of(&facts());
    let with = |change: &dyn Fn(&mut TrustedKey)| {
        let mut trust = trusted();
        change(trust.find_mut(key(STATION).kid()).unwrap());
        trust.to_bytes()
    };
    let cases: [(&str, Vec<u8>, &[&str]); 7] = [
        ("the same", with(&|_| {}), &["valid"]),
        ("revoked", with(&|key| key.revoked_at = Some(at(1))), &["invalid"]),
        ("ended", with(&|key| key.valid_until = Some(at(2))), &["invalid"]),
        ("not begun", with(&|key| key.valid_from = Some(at(22))), &["invalid"]),
        ("within its time", with(&|key| (key.valid_from, key.valid_until) = (Some(at(1)), Some(at(22)))), &["valid"]),
        // It stands in one of them for nothing that it does in the other, so the second one is refused.
        ("another role", with(&|key| key.roles = vec![Role::Witness]), &["invalid", "valid"]),
        ("another name", with(&|key| key.name = "Bench 9".into()), &["valid", "valid"]),
    ];
    for (name, other, expected) in cases {
        let plain = with(&|_| {});
        for (turn, files) in [[&other, &plain], [&plain, &other]].into_iter().enumerate() {
            browser.open(&page);
            for (file, bytes) in ["first.jwks.json", "second.jwks.json"].into_iter().zip(files) {
                on_the_page(&browser, &[(file.to_owned(), bytes.clone())]);
            }
            let said = on_the_page(&browser, &[("a.json".to_owned(), certificate.clone())]);
            let refused = said.get("second.jwks.json").is_some_and(|verdict| verdict == "refused");
            assert_eq!(said["a.json"], expected[turn.min(expected.len() - 1)], "{name}, {turn}: {said:?}");
            assert_eq!(refused, expected.len() > 1, "{name}, {turn}: {said:?}");
        }
    }
}

#[test]
fn a_trust_file_that_the_program_refuses_the_page_refuses() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let changed = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut set: Value = serde_json::from_slice(&trusted().to_bytes()).unwrap();
        change(set["keys"].as_array_mut().unwrap());
        set.to_string().into_bytes()
    };
    let cases: [(&str, Vec<u8>, bool); 6] = [
        ("good", changed(&|_| {}), true),
        // Revoked the first time, and not the second.
        (
            "twice",
            changed(&|keys| {
                let again = keys[0].clone();
                keys[0]["revoked_at"] = json!("2026-01-01T00:00:00Z");
                keys.push(again);
            }),
            false,
        ),
        ("to encrypt", changed(&|keys| keys[0]["use"] = json!("enc")), false),
        ("by its name", changed(&|keys| keys[0]["alg"] = json!("Ed25519")), true),
        ("by its family", changed(&|keys| keys[0]["alg"] = json!("EdDSA")), true),
        ("by another", changed(&|keys| keys[0]["alg"] = json!("ES256")), false),
    ];
    for (name, bytes, good) in cases {
        assert_eq!(TrustStore::parse(&bytes).is_ok(), good, "{name}");
        browser.open(&page);
        let said = on_the_page(&browser, &[("trust.jwks.json".to_owned(), bytes)]);
        assert_eq!(said.is_empty(), good, "{name}: {said:?}");
    }
}

/// Nobody knows what happened since such a list, so it is said.
#[test]
fn a_stale_revocation_list_is_told_on_the_page() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let list = |before: Option<&RevocationList>, next: Option<&str>| {
        let disowned = Disowned { kid: key(SUB).kid().to_owned(), revoked_at: at(2), reason: Reason::Lost };
        RevocationList::after(before, "Example Org", disowned, at(9), next.map(|at| at.parse().unwrap()))
    };
    let signed = |list: &RevocationList| String::from_utf8(list.sign(&key(ROOT)).unwrap().to_bytes()).unwrap();
    let stale = list(None, Some("2020-01-01T00:00:00Z"));
    let next = list(Some(&stale), Some("2999-01-01T00:00:00Z"));
    for (lines, told) in [
        (vec![signed(&stale)], true),
        (vec![signed(&stale), signed(&next)], false),
        (vec![signed(&next), signed(&stale)], false),
        (vec![signed(&list(None, None))], false),
    ] {
        let mut store = rooted();
        store.take_bundle(lines.join("\n").as_bytes()).unwrap();
        assert_eq!(store.stale_list(lastwrite::units::now()).is_some(), told);
        browser.open(&page);
        let files = [
            ("trust.jwks.json".to_owned(), rooted().to_bytes()),
            ("trust.bundle.jsonl".to_owned(), lines.join("\n").into_bytes()),
        ];
        on_the_page(&browser, &files);
        let text = browser.script("return document.getElementById('trust').textContent", json!([]));
        assert_eq!(text.as_str().unwrap().contains("should have been followed by another"), told, "{text}");
    }
}
