//! Each rule of a document's content, broken alone.

use lastwrite::certificate::Verdict;
use lastwrite::certificate::document::*;
use lastwrite::policy::{Method, VerificationLevel};
use lastwrite::signed::{Outcome, Role};
use lastwrite::units::{Bytes, Lba, LbaRange, Sectors};

use crate::samples::*;

fn failed<P: Payload>(mut payload: P, change: impl FnOnce(&mut P)) -> Vec<&'static str> {
    change(&mut payload);
    payload.check().into_iter().filter(|c| c.outcome == Outcome::Failed).map(|c| c.name).collect()
}

#[test]
fn a_validation_says_who_what_and_what_next() {
    let of = |change: fn(&mut Validation)| failed(validation(Decision::Rejected), change);
    assert_eq!(of(|_| {}), [""; 0]);
    assert_eq!(of(|v| v.next_step = None), ["decision"]);
    assert_eq!(of(|v| v.reason = " ".into()), ["decision"]);
    assert_eq!(of(|v| v.reason = "a\u{7}".into()), ["decision"]);
    assert_eq!(of(|v| v.replaces = Some("x".into())), ["decision"]);
    assert_eq!(of(|v| v.document.id = "AB".repeat(32)), ["judged document"]);
    assert_eq!(of(|v| v.document.kind = DocumentType::Validation), ["judged document"]);
    assert_eq!(of(|v| v.medium = Some(MediumName::default())), ["judged document"]);
    assert_eq!(of(|v| v.by.name = String::new()), ["validator"]);
    assert_eq!(of(|v| v.by.kid = "x".into()), ["validator"]);
    assert_eq!(of(|v| v.version = 2), ["schema"]);
    let accepted = |v: &mut Validation| {
        v.decision = Decision::Accepted;
        v.next_step = None;
    };
    assert_eq!(of(accepted), [""; 0]);
}

#[test]
fn a_revocation_is_final_and_names_its_reason() {
    let of = |change: fn(&mut Revocation)| failed(revocation(), change);
    assert_eq!(of(|_| {}), [""; 0]);
    assert_eq!(of(|r| r.document.kind = DocumentType::Revocation), ["revoked document"]);
    assert_eq!(of(|r| r.cause = RevocationCause::Superseded), ["revoked document"]);
    assert_eq!(of(|r| r.replaced_by = Some(r.document.clone())), ["revoked document"]);
    assert_eq!(of(|r| r.reason.clear()), ["reason"]);
}

#[test]
fn a_second_reading_claims_what_its_numbers_say() {
    let of = |change: fn(&mut MediaVerification)| failed(media_verification(), change);
    let range = |first, count| vec![LbaRange { first: Lba(first), count: Sectors(count) }];
    assert_eq!(of(|_| {}), [""; 0]);
    assert_eq!(of(|v| v.matched.0 -= 1), ["coverage"]);
    assert_eq!(of(|v| v.cut = Some("pulled".into())), ["coverage"]);
    assert_eq!(of(|v| v.direct = false), ["coverage"]);
    assert_eq!(of(|v| v.level = VerificationLevel::None), ["coverage"]);
    assert_eq!(of(|v| v.level = VerificationLevel::Sample), ["coverage"], "a sample has a seed");
    assert_eq!(of(|v| v.medium.identity_digest = "00".repeat(32)), ["identity"]);
    assert_eq!(of(|v| v.certificate.kind = DocumentType::Destruction), ["certificate"]);
    assert_eq!(of(|v| v.started = at(15)), ["reading time"]);
    let differs = |v: &mut MediaVerification| {
        v.ledger.mismatched = vec![LbaRange { first: Lba(5), count: Sectors(1) }];
        v.matched.0 -= 512;
        v.result = VerificationResult::Mismatched;
    };
    assert_eq!(of(differs), [""; 0]);
    let sampled = |share: u64| {
        move |v: &mut MediaVerification| {
            v.level = VerificationLevel::Sample;
            v.seed = Some("ab".repeat(32));
            v.wanted = Bytes(v.medium.identity.size.0 / share);
            v.matched = v.wanted;
        }
    };
    assert_eq!(failed(media_verification(), sampled(10)), [""; 0]);
    assert_eq!(failed(media_verification(), sampled(11)), ["coverage"]);
    let outside = |v: &mut MediaVerification| {
        v.ledger.unread = range(u64::MAX, 2);
        v.result = VerificationResult::Mismatched;
    };
    assert_eq!(failed(media_verification(), outside), ["coverage"]);
    assert!(media_verification().shares_no_key());
    let mut own = media_verification();
    own.certificate_signers.push(own.station_kid.clone());
    assert!(!own.shares_no_key());
}

#[test]
fn what_a_technique_attains_on_each_material() {
    use Material::*;
    let degauss = DestructionTechnique::Degauss { field_oersted: 20_000, coercivity_oersted: Some(5000) };
    let particle = Particle { class: "H-5".parse().unwrap(), largest_mm2: Milli(1000) };
    let shred = DestructionTechnique::Shred { particle };
    let disintegrate = DestructionTechnique::Disintegrate { particle };
    let burn = DestructionTechnique::Incinerate { celsius: 900 };
    let melt = DestructionTechnique::Melt { celsius: 900 };
    for material in [HardDisk, HybridDisk, Flash, MagneticTape, Optical, Unknown] {
        let attains = |technique: &DestructionTechnique, category, standard| {
            attainable(technique, material, category, standard).ok()
        };
        let magnetic = matches!(material, HardDisk | MagneticTape);
        assert_eq!(attains(&degauss, None, true), magnetic.then_some(Method::Purge), "{material:?}");
        for technique in [&disintegrate, &burn, &melt] {
            assert_eq!(attains(technique, Some(Confidentiality::High), false), Some(Method::Destroy));
        }
        for (category, standard, enough) in [
            (Some(Confidentiality::Low), false, true),
            (Some(Confidentiality::Moderate), false, false),
            (Some(Confidentiality::High), false, false),
            (None, false, false),
            (Some(Confidentiality::High), true, true),
        ] {
            assert_eq!(attains(&shred, category, standard), enough.then_some(Method::Destroy), "{category:?}");
        }
    }
    // What leaves data on the pieces is no technique at all.
    for word in ["bend", "cut", "drill", "crush", "punch", "hammer"] {
        assert!(serde_json::from_value::<DestructionTechnique>(serde_json::json!({"name": word})).is_err());
    }
}

#[test]
fn a_record_of_destruction_is_counterfeit_in_no_field_unseen() {
    let of = |change: fn(&mut Destruction)| failed(destruction(), change);
    let particle =
        |class: &str, area: &str| Particle { class: class.parse().unwrap(), largest_mm2: area.parse().unwrap() };
    assert_eq!(of(|_| {}), [""; 0]);
    assert_eq!(of(|d| d.attained = Method::Purge), ["method"]);
    assert_eq!(of(|d| d.medium = MediumName::default()), ["identity"]);
    for (class, area, good) in [
        ("E-4", "30", true),
        ("E-4", "30.001", false),
        ("E-5", "10", true),
        ("E-5", "11", false),
        ("H-5", "1", false),
        ("E-4", "0", false),
    ] {
        let technique = DestructionTechnique::Disintegrate { particle: particle(class, area) };
        let found = failed(destruction(), |d| d.technique = technique);
        assert_eq!(found, if good { vec![] } else { vec!["particles"] }, "{class} {area}");
    }
    assert_eq!(of(|d| d.equipment.calibration_ends = Some(at(14))), ["equipment"]);
    assert_eq!(of(|d| d.equipment.calibrated = Some(at(16))), ["equipment"]);
    assert_eq!(of(|d| d.equipment.calibrated = None), ["equipment"]);
    assert_eq!(of(|d| d.equipment.model.clear()), ["equipment"]);
    let degauss = |field, coercivity| {
        move |d: &mut Destruction| {
            d.material = Material::HardDisk;
            d.technique = DestructionTechnique::Degauss { field_oersted: field, coercivity_oersted: coercivity };
            d.attained = Method::Purge;
        }
    };
    assert_eq!(failed(destruction(), degauss(20_000, Some(5000))), [""; 0]);
    assert_eq!(failed(destruction(), degauss(4000, Some(5000))), ["equipment"]);
    assert_eq!(failed(destruction(), degauss(0, None)), ["equipment"]);
    let untested = |d: &mut Destruction| {
        degauss(20_000, None)(d);
        (d.equipment.calibrated, d.equipment.calibration_ends) = (None, None);
    };
    assert_eq!(failed(destruction(), untested), ["equipment"], "a degausser that nobody tested");
    assert_eq!(of(|d| d.technique = DestructionTechnique::Melt { celsius: 20 }), ["facts"]);
    assert_eq!(of(|d| d.attachments[0].sha256 = "x".into()), ["facts"]);
    assert_eq!(of(|d| d.attachments.push(d.attachments[0].clone())), ["facts"]);
    assert_eq!(of(|d| d.weight_kg = Some(Milli(0))), ["facts"]);
    assert_eq!(of(|d| d.witness.as_mut().unwrap().name = "otto ort".into()), ["people"]);
}

/// Clocks differ by minutes or by a time zone, and not by years.
#[test]
fn what_is_not_destroyed_yet_is_no_proof() {
    let day = chrono::TimeDelta::days(1);
    for (when, verdict, outcome) in [
        (at(19), Verdict::Valid, Outcome::Passed),
        (at(20) + day, Verdict::Valid, Outcome::Unknown),
        (at(20) + day + chrono::TimeDelta::seconds(1), Verdict::Invalid, Outcome::Failed),
        ("2031-01-01T00:00:00Z".parse().unwrap(), Verdict::Invalid, Outcome::Failed),
    ] {
        let verified = verify_any(&destroyed(when), None, Some(&trust()));
        let found = verified.checks.iter().find(|check| check.name == "signing time").unwrap();
        assert_eq!((verified.verdict, found.outcome), (verdict, outcome), "{when}: {}", found.detail);
    }
}

#[test]
fn a_named_witness_has_to_sign_and_is_somebody_else() {
    let verdict = |d: &Destruction, signers: &[(u8, Role)]| {
        let bytes = signed(&serde_json::to_vec(d).unwrap(), DocumentType::Destruction.typ(), signers);
        let verified = verify_any(&bytes, None, Some(&trust()));
        let text = show_verified(&verified);
        (verified.verdict, text.contains("NOT COMPLETE"))
    };
    let (operator, witness) = ((OPERATOR, Role::Operator), (WITNESS, Role::Witness));
    assert_eq!(verdict(&destruction(), &[operator, witness]), (Verdict::Valid, false));
    assert_eq!(verdict(&destruction(), &[operator]), (Verdict::ConsistentSignerUnknown, true));
    assert_eq!(verdict(&destruction(), &[witness]).0, Verdict::Invalid);
    let mut alone = destruction();
    alone.witness = None;
    assert_eq!(verdict(&alone, &[operator]).0, Verdict::Valid);
    let mut one = destruction();
    one.witness.as_mut().unwrap().kid = one.operator.kid.clone();
    assert_eq!(verdict(&one, &[operator]).0, Verdict::Invalid, "one key for two persons");
}

#[test]
fn a_gathering_hides_no_medium_without_proof() {
    let of = |change: fn(&mut Gathering)| failed(lot(), change);
    let count = |g: &mut Gathering| {
        g.counts = GatheredCounts::of(&g.media);
        g.complete = Gathering::judge(&g.media, g.expected);
    };
    assert_eq!(of(|_| {}), [""; 0]);
    assert_eq!(of(|g| g.expected = Some(2)), ["counts"]);
    assert_eq!(of(|g| g.counts.without_proof = 1), ["counts"]);
    assert_eq!(of(|g| g.media.clear()), ["media", "counts"]);
    assert_eq!(of(|g| g.media.push(g.media[0].clone())), ["media", "counts"]);
    let unproven = |g: &mut Gathering| {
        let entry = &mut g.media[0];
        (entry.standing, entry.document, entry.attained) = (Standing::WithoutProof, None, None);
        (entry.verification, entry.ended) = (None, None);
    };
    assert_eq!(failed(lot(), |g| unproven(g)), ["counts"]);
    let told = |g: &mut Gathering| {
        unproven(g);
        count(g);
        assert!(!g.complete);
    };
    assert_eq!(failed(lot(), told), [""; 0]);
    assert_eq!(of(|g| g.media[0].standing = Standing::Destroyed), ["media", "counts"]);
    assert_eq!(of(|g| g.media[0].attained = None), ["media"]);
    assert_eq!(of(|g| g.media[0].ended = None), ["media"]);
    let rejected = |g: &mut Gathering| {
        g.media[0].standing = Standing::Rejected;
        g.media[0].against = Some(DocumentRef { id: "ab".repeat(32), kind: DocumentType::Validation });
        count(g);
    };
    assert_eq!(failed(lot(), rejected), [""; 0]);
    // A computer's payload under the type of a lot.
    let bytes = signed(
        &serde_json::to_vec(&computer()).unwrap(),
        DocumentType::LotCertificate.typ(),
        &[(STATION, Role::Station)],
    );
    assert_eq!(verify_any(&bytes, None, Some(&trust())).verdict, Verdict::Invalid);
}

#[test]
fn an_arrival_is_compared_medium_by_medium_and_seal_by_seal() {
    let transfer = transfer();
    let pair = |c: &str, s: &str| (c.to_owned(), s.to_owned());
    let media: Vec<_> = transfer.media.iter().map(|m| m.medium.clone()).collect();
    let whole = Arrival { seals: vec![pair("BOX-1", "4711"), pair("BOX-1", "4712")], broken: vec![], media };
    assert!(transfer.compare(&whole).is_empty());
    assert_eq!(transfer.compare(&whole).received, 2);
    let changed = |change: &dyn Fn(&mut Arrival)| {
        let mut arrival = whole.clone();
        change(&mut arrival);
        let found = transfer.compare(&arrival);
        let seals: Vec<_> = found.seals.iter().map(|s| s.state).collect();
        (seals, found.missing.len(), found.extra.len())
    };
    assert_eq!(changed(&|a| a.seals.clear()), (vec![SealState::Missing, SealState::Missing], 0, 0));
    let broken = |a: &mut Arrival| {
        let seal = a.seals.remove(0);
        a.broken.push(seal);
    };
    assert_eq!(changed(&broken), (vec![SealState::Broken], 0, 0));
    assert_eq!(changed(&|a| a.broken.push(a.seals[0].clone())).0, [SealState::Broken], "broken outweighs whole");
    assert_eq!(changed(&|a| a.seals.push(pair("BOX-1", "9"))), (vec![SealState::Foreign], 0, 0));
    assert_eq!(changed(&|a| a.media.truncate(1)), (vec![], 1, 0));
    assert_eq!(changed(&|a| a.media.push(a.media[0].clone())), (vec![], 0, 1));
    assert_eq!(changed(&|a| a.media[1].serial = Some("S3".into())), (vec![], 1, 1));
}

#[test]
fn a_transfer_lists_each_thing_once_and_is_received_by_the_one_it_names() {
    let of = |change: fn(&mut Transfer)| failed(transfer(), change);
    assert_eq!(of(|_| {}), [""; 0]);
    assert_eq!(of(|t| t.media.clear()), ["list"]);
    assert_eq!(of(|t| t.media.push(t.media[0].clone())), ["list"]);
    assert_eq!(of(|t| t.media[0].container = Some("BOX-2".into())), ["list"]);
    assert_eq!(of(|t| t.containers.push(t.containers[0].clone())), ["list"]);
    assert_eq!(of(|t| t.containers[0].seals.push("4711".into())), ["list"]);
    assert_eq!(of(|t| t.transfer_id = "x".into()), ["facts"]);
    assert_eq!(of(|t| t.to.name.clear()), ["parties"]);
    let verdict = |transfer: &Transfer, signers: &[(u8, Role)]| {
        let bytes = signed(&serde_json::to_vec(transfer).unwrap(), DocumentType::Transfer.typ(), signers);
        verify_any(&bytes, None, Some(&trust())).verdict
    };
    let (sender, receiver) = ((SENDER, Role::Transferor), (RECEIVER, Role::Receiver));
    assert_eq!(verdict(&transfer(), &[sender, receiver]), Verdict::Valid);
    assert_eq!(verdict(&transfer(), &[sender]), Verdict::ConsistentSignerUnknown);
    assert_eq!(verdict(&transfer(), &[receiver]), Verdict::Invalid);
    let mut anybody = transfer();
    anybody.to.kid = None;
    assert_eq!(verdict(&anybody, &[sender, receiver]), Verdict::Valid);
    assert_eq!(verdict(&anybody, &[sender]), Verdict::ConsistentSignerUnknown);
    let mut other = transfer();
    other.to.kid = Some(key(99).kid().to_owned());
    assert_eq!(verdict(&other, &[sender, receiver]), Verdict::ConsistentSignerUnknown, "another one received it");
}

#[test]
fn a_discrepancy_report_names_one() {
    let of = |change: fn(&mut Discrepancy)| failed(discrepancy(), change);
    assert_eq!(of(|_| {}), [""; 0]);
    let nothing = |d: &mut Discrepancy| {
        d.seals.clear();
        d.missing.clear();
    };
    assert_eq!(of(nothing), ["discrepancies"]);
    assert_eq!(of(|d| d.transfer.kind = DocumentType::Certificate), ["transfer"]);
}
