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
        let Document::MediaVerification(mut read) = Document::read(&two.documents[3]).unwrap().2 else {
            panic!("none")
        };
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
    let nameless = revoked(|r| (r.document, r.medium) = (reference(&two.documents[0]), None));
    let undone = revoked(|r| {
        let medium = MediumName::of(&one.facts().medium.identity, None);
        (r.document, r.medium) = (reference(&one.documents[7]), Some(medium));
    });
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
        ("invalid", "and another is revoked that is not named", vec![certificate, &nameless]),
        ("valid", "and it is about a validation of the same", vec![certificate, &undone]),
        ("valid", "and the other was destroyed since", vec![certificate, rejected, &two.documents[4]]),
    ];
    let empty = br#"{"schema":"lastwrite-bundle","version":1,"documents":[],"logs":[]}"#.to_vec();
    let mut all = vec![("refused", Case::new("an empty one", empty, Vec::new()))];
    for (expected, name, documents) in cases {
        all.push((expected, Case::new(name, one.bundle_of(&documents), Vec::new())));
    }
    agree(all);
}

/// A decision about a document of several media.
fn decided(of: &[u8], decision: Decision, replaces: Option<&Vec<u8>>) -> Vec<u8> {
    validated(|v| {
        (v.document, v.medium, v.decision) = (reference(of), None, decision);
        v.replaces = replaces.map(|bytes| id(bytes));
    })
}

/// No medium tells what somebody says of a list or of a hand-over.
#[test]
fn a_list_or_a_hand_over_that_somebody_speaks_against_spoils_its_bundle() {
    let mut all = Vec::new();
    let mut case = |expected, name: &str, world: &World, documents: &[&Vec<u8>]| {
        all.push((expected, Case::new(name, world.bundle_of(documents), Vec::new())));
    };
    let named = [
        "a lot",
        "rejected",
        "rejected and then accepted",
        "revoked",
        "made anew",
        "by one not here",
        "by what is no list",
        "rejected and made anew",
        "by a bad one",
    ];
    for (number, name) in named.into_iter().enumerate() {
        let world = World::new(5100 + number);
        let [certificate, lot] = [0, 5].map(|i: usize| &world.documents[i]);
        let rejected = decided(lot, Decision::Rejected, None);
        let accepted = decided(lot, Decision::Accepted, Some(&rejected));
        let Document::Gathering(mut again) = Document::read(lot).unwrap().2 else { panic!("no lot") };
        again.of = GatheredUnit::Lot { number: format!("again {number}"), customer: None };
        let again = of_sort(DocumentType::LotCertificate, &again, &[(STATION, Role::Station)]);
        let revoked_by =
            |replaced_by| revoked(|r| (r.document, r.medium, r.replaced_by) = (reference(lot), None, replaced_by));
        let (revoked, superseded) = (revoked_by(None), revoked_by(Some(reference(&again))));
        let worse = decided(&again, Decision::Rejected, None);
        let by_another = revoked_by(Some(reference(certificate)));
        let (expected, more): (_, Vec<&Vec<u8>>) = match number {
            0 => ("valid", vec![]),
            1 => ("invalid", vec![&rejected]),
            2 => ("valid", vec![&rejected, &accepted]),
            3 => ("invalid", vec![&revoked]),
            4 => ("valid", vec![&superseded, &again]),
            5 => ("invalid", vec![&superseded]),
            6 => ("invalid", vec![&by_another]),
            7 => ("valid", vec![&rejected, &superseded, &again]),
            _ => ("invalid", vec![&superseded, &again, &worse]),
        };
        case(expected, name, &world, &[&[certificate, lot][..], &more].concat());
    }
    for (number, name) in ["received", "and it differs", "and that is settled"].into_iter().enumerate() {
        let world = World::new(5200 + number);
        let certificate = &world.documents[0];
        let medium = MediumName::of(&world.facts().medium.identity, None);
        let handed = HandedOver { medium, container: None, document: Some(reference(certificate)) };
        let handed = received(vec![handed]);
        let differs = Discrepancy { transfer: reference(&handed), missing: Vec::new(), ..discrepancy() };
        let differs = of_sort(DocumentType::Discrepancy, &differs, &[(RECEIVER, Role::Receiver)]);
        let settled = decided(&differs, Decision::Accepted, None);
        let documents = [certificate, &handed, &differs, &settled];
        let (expected, count) = [("valid", 2), ("invalid", 3), ("valid", 4)][number];
        case(expected, name, &world, &documents[..count]);
    }
    agree(all);
}

/// The drive was wiped, used, and wiped again: what is said against the second run the first does not make good.
#[test]
fn an_older_certificate_covers_nothing_up_in_a_bundle() {
    let mut all = Vec::new();
    let named = [
        "both",
        "rejected",
        "accepted since",
        "revoked",
        "replaced",
        "read otherwise",
        "read again",
        "failed after it was destroyed",
    ];
    for (number, name) in named.into_iter().enumerate() {
        let mut world = World::new(5300 + number);
        let again = |hours: i64, facts: RunFacts| RunFacts {
            run_id: format!("{hours:02x}{:030x}", 5300 + number),
            ended: facts.ended + chrono::TimeDelta::hours(hours),
            ..facts
        };
        let later = again(2, world.facts());
        let newer = certificate_of(&world.intended(later.clone()));
        let last = certificate_of(&world.intended(again(9, world.facts())));
        let old = world.documents[0].clone();
        let rejected = validated(|v| (v.document, v.decision) = (reference(&newer), Decision::Rejected));
        let accepted = validated(|v| (v.document, v.replaces) = (reference(&newer), Some(id(&rejected))));
        let revoked_by = |replaced_by| revoked(|r| (r.document, r.replaced_by) = (reference(&newer), replaced_by));
        let (gone, replaced) = (revoked_by(None), revoked_by(Some(reference(&old))));
        let differs = read_again(|v| {
            (v.certificate, v.run_id) = (reference(&newer), later.run_id.clone());
            v.medium.identity = later.medium.identity.clone();
            v.medium.identity_digest = later.medium.identity_digest.clone();
            v.matched.0 -= 512;
            v.result = VerificationResult::Mismatched;
        });
        let (destroyed, failed) = (world.documents[4].clone(), {
            let facts = again(27, world.facts());
            let facts = RunFacts { ended: world.facts().ended, ..facts };
            failure_report_of(world.intended(super::super::samples::later(facts, 32)))
        });
        let (expected, documents): (_, Vec<&Vec<u8>>) = match number {
            0 => ("valid", vec![&old, &newer]),
            1 => ("invalid", vec![&old, &newer, &rejected]),
            2 => ("valid", vec![&old, &newer, &rejected, &accepted]),
            3 => ("invalid", vec![&old, &newer, &gone]),
            4 => ("valid", vec![&old, &newer, &replaced]),
            5 => ("invalid", vec![&old, &newer, &differs]),
            // Another run before the reading.
            6 => ("invalid", vec![&old, &newer, &differs, &last]),
            _ => ("invalid", vec![&destroyed, &failed]),
        };
        all.push((expected, Case::new(name, world.bundle_of(&documents), Vec::new())));
    }
    agree(all);
}
