//! Evidence of time beside a bundle, on the page and in the program: whatever it is about and says, both come to the same.

use super::bundles::{Case, World, compare};
use super::*;

/// By whom and when a document was seen; each document of a case has another.
fn seen(document: &[u8], sort: usize) -> Option<Vec<u8>> {
    let jws = Jws::parse(document).unwrap();
    let by = |register: u8, hour: u32| Some(countersign(&jws, &key(register), at(hour)).unwrap().to_bytes());
    match sort % 7 {
        0 => None,
        1 => by(REGISTER, 21),
        2 => by(REGISTER, 23),
        3 => by(REGISTER, 2),
        4 => by(99, 21),
        5 => Some(inclusion(&jws, STATION, &[(WITNESS, 21)], false)),
        _ => Some(inclusion(&jws, STATION, &[(WITNESS, 23)], false)),
    }
}

fn change(seeds: &[u8], change: impl Fn(&mut TrustedKey)) -> TrustStore {
    let mut trust = trusted();
    seeds.iter().for_each(|seed| change(trust.find_mut(key(*seed).kid()).unwrap()));
    trust
}

#[test]
fn evidence_beside_a_bundle_counts_on_the_page_as_it_does_for_the_program() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let mut cases = Vec::new();
    for choice in (1usize..256).step_by(2) {
        let world = World::new(choice);
        let inside = |i: usize| choice >> i & 1 == 1;
        let beside = |i: usize| choice % 3 == 0 && !inside(i);
        let others = world.documents.iter().enumerate().filter(|(i, _)| beside(*i));
        let others = others.map(|(_, document)| document.clone()).collect();
        let mut case = Case::new(format!("{choice:08b}"), world.bundle(inside, inside), others);
        // Also of what is not here.
        case.evidence = world.documents.iter().enumerate().filter_map(|(i, d)| seen(d, choice / 2 + 3 * i)).collect();
        cases.push(case);
    }
    let revoked = |key: &mut TrustedKey| key.revoked_at = Some(at(22));
    for (store, trust, least) in [
        ("validator revoked", change(&[VALIDATOR], revoked), 10),
        ("station revoked", change(&[STATION], revoked), 0),
        ("everybody else revoked", change(&[VALIDATOR, OPERATOR, VERIFIER, OTHER_STATION], revoked), 10),
        ("validator later", change(&[VALIDATOR], |key| key.valid_from = Some(at(10))), 10),
    ] {
        let (differ, counts) = compare(&browser, &page, &trust, &cases);
        assert!(differ.is_empty(), "{store}: {} differ: {}", differ.len(), differ[..differ.len().min(4)].join("\n"));
        let bare = |case: &Case| Case { evidence: Vec::new(), ..case.clone() };
        let verdict = |case: &Case| case.by_program(&trust).unwrap().verdict;
        let weighs = cases.iter().filter(|case| verdict(case) != verdict(&bare(case))).count();
        assert!(weighs >= least, "{store}: it weighs in {weighs} bundles only");
        eprintln!("{store}: {} bundles compared, evidence weighs in {weighs}: {counts:?}", cases.len());
    }
}

/// A name, what is in the bundle, what lies beside it, what somebody else has seen, and what it comes to.
type Numbered = (&'static str, &'static [usize], &'static [usize], &'static [usize], Verdict);

/// Who judged it may have lost the key since. The documents: 0 the certificate, 1 its acceptance in place of 7, the
/// rejection, 4 the medium's destruction.
#[test]
fn evidence_establishes_who_spoke_for_and_against_what_is_in_a_bundle() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let trust = change(&[VALIDATOR], |key| key.revoked_at = Some(at(22)));
    let cases: [Numbered; 9] = [
        ("accepted after a rejection", &[0, 1, 7], &[], &[1, 7], Verdict::Valid),
        ("nobody saw that", &[0, 1, 7], &[], &[], Verdict::ConsistentSignerUnknown),
        ("nobody saw the rejection", &[0, 1, 7], &[], &[1], Verdict::ConsistentSignerUnknown),
        ("nobody saw the acceptance", &[0, 1, 7], &[], &[7], Verdict::Invalid),
        ("rejected in here, destroyed elsewhere", &[0, 7], &[4], &[4, 7], Verdict::Invalid),
        ("rejected in here, and seen by nobody", &[0, 7], &[4], &[4], Verdict::ConsistentSignerUnknown),
        ("rejected elsewhere", &[0], &[7], &[7], Verdict::Invalid),
        ("rejected elsewhere, and seen by nobody", &[0], &[7], &[], Verdict::ConsistentSignerUnknown),
        ("seen, and rejected nowhere", &[0], &[], &[7], Verdict::Valid),
    ];
    let mut all = Vec::new();
    for (number, (name, inside, beside, evidence, expected)) in cases.into_iter().enumerate() {
        let world = World::new(3000 + number);
        let of = |chosen: &[usize]| chosen.iter().map(|i| world.documents[*i].clone()).collect::<Vec<_>>();
        let is_inside = |i: usize| inside.contains(&i);
        let mut case = Case::new(name, world.bundle(is_inside, is_inside), of(beside));
        case.evidence = of(evidence).iter().filter_map(|document| seen(document, 1)).collect();
        assert_eq!(case.by_program(&trust).unwrap().verdict, expected, "{name}");
        all.push(case);
    }
    let (differ, counts) = compare(&browser, &page, &trust, &all);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert_eq!(counts["valid"], 2, "{counts:?}");
}

/// An acceptance that was revoked by somebody who has lost the key since: whether they did, others say.
#[test]
fn evidence_establishes_who_undid_an_acceptance() {
    const LOST: u8 = 21;
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let mut trust = trusted();
    let mut lost = TrustedKey::new(key(LOST).public().clone(), "Vito Verlust", Role::Validator, None);
    lost.revoked_at = Some(at(22));
    trust.add(lost).unwrap();
    let mut all = Vec::new();
    for (number, name, sort, expected) in [
        (3101, "seen by nobody", 0, Verdict::ConsistentSignerUnknown),
        (3102, "seen before", 1, Verdict::Invalid),
        (3103, "seen after", 2, Verdict::ConsistentSignerUnknown),
        (3104, "seen by a stranger", 4, Verdict::ConsistentSignerUnknown),
    ] {
        let world = World::new(number);
        let inside = |i: usize| [0, 1, 7].contains(&i);
        let mut undone = revocation();
        (undone.document, undone.by) = (reference(&world.documents[1]), person(LOST, "Vito Verlust"));
        let undone = serde_json::to_vec(&undone).unwrap();
        let undone = signed(&undone, DocumentType::Revocation.typ(), &[(LOST, Role::Validator)]);
        let mut case = Case::new(name, world.bundle(inside, inside), vec![undone.clone()]);
        case.evidence = seen(&undone, sort).into_iter().collect();
        assert_eq!(case.by_program(&trust).unwrap().verdict, expected, "{name}");
        let bare = Case::new(name, case.bundle.clone(), Vec::new());
        assert_eq!(bare.by_program(&trust).unwrap().verdict, Verdict::Valid, "{name}");
        all.push(case);
    }
    let (differ, _) = compare(&browser, &page, &trust, &all);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
