//! Bundles that speak of media without proving them, on the page and in the program.

use lastwrite::certificate::document::*;
use lastwrite::sanitize::record::RunFacts;

use super::bundles::{Case, World, compare};
use super::*;

/// A case by its verdict: the program comes to it, and the page to the same.
fn agree(cases: Vec<(&str, Case)>) {
    let trust = trusted();
    for (expected, case) in &cases {
        let verified = case.by_program(&trust);
        let verdict = verified.as_ref().map_or("refused", |verified| word(verified.verdict));
        assert_eq!(verdict, *expected, "{}: {verified:#?}", case.name);
    }
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let cases: Vec<Case> = cases.into_iter().map(|(_, case)| case).collect();
    let (differ, _) = compare(&browser, &page, &trust, &cases);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

fn of_sort(kind: DocumentType, document: &impl serde::Serialize, signers: &[(u8, Role)]) -> Vec<u8> {
    signed(&serde_json::to_vec(document).unwrap(), kind.typ(), signers)
}

/// Handed over and received.
fn received(media: Vec<HandedOver>) -> Vec<u8> {
    let signers = [(SENDER, Role::Transferor), (RECEIVER, Role::Receiver)];
    of_sort(DocumentType::Transfer, &Transfer { media, ..transfer() }, &signers)
}

/// The certificate of one drive, and what is said of another one that it does not hold.
#[test]
fn what_a_bundle_speaks_of_it_proves_or_it_is_not_valid() {
    let (one, two) = (World::new(5001), World::new(5002));
    let certificate = &one.documents[0];
    let mismatched = {
        let Document::MediaVerification(mut read) = Document::read(&two.documents[3]).unwrap().2 else { panic!("none") };
        read.matched.0 -= 512;
        read.result = VerificationResult::Mismatched;
        let signers = [(OTHER_STATION, Role::Station), (VERIFIER, Role::Verifier)];
        of_sort(DocumentType::MediaVerification, &read, &signers)
    };
    let handed = |world: &World, proof: Option<&Vec<u8>>| HandedOver {
        medium: MediumName::of(&world.facts().medium.identity, None),
        container: None,
        document: proof.map(|bytes| reference(bytes)),
    };
    let own = received(vec![handed(&one, Some(certificate))]);
    let both = received(vec![handed(&one, Some(certificate)), handed(&two, None)]);
    let alone = received(vec![handed(&two, None)]);
    let [accepted, revoked, read, rejected] = [1, 2, 3, 7].map(|i: usize| &two.documents[i]);
    let cases: Vec<(&str, &str, Vec<&Vec<u8>>)> = vec![
        ("invalid", "a revocation", vec![revoked]),
        ("invalid", "a rejection", vec![rejected]),
        ("consistent", "an acceptance", vec![accepted]),
        ("consistent", "a hand-over", vec![&alone]),
        ("valid", "what it proves", vec![certificate, &own]),
        ("consistent", "and another is handed over", vec![certificate, &both]),
        ("invalid", "and another is rejected", vec![certificate, rejected]),
        ("invalid", "and another is revoked", vec![certificate, revoked]),
        ("invalid", "and another is not what it should be", vec![certificate, &mismatched]),
        ("consistent", "and another was read", vec![certificate, read]),
        ("valid", "and the other was destroyed since", vec![certificate, rejected, &two.documents[4]]),
    ];
    let empty = br#"{"schema":"lastwrite-bundle","version":1,"documents":[],"logs":[]}"#.to_vec();
    let mut all = vec![("refused", Case::new("an empty one", empty, Vec::new()))];
    for (expected, name, documents) in cases {
        all.push((expected, Case::new(name, one.bundle_of(&documents), Vec::new())));
    }
    agree(all);
}
