//! What documents say about each other.

use std::slice::from_ref;

use lastwrite::certificate::Verdict;
use lastwrite::certificate::document::*;
use lastwrite::media::Identity;
use lastwrite::sanitize::record::RunFacts;
use lastwrite::signed::{Jws, Outcome, Role, TrustedKey};

use crate::samples::*;

pub fn judged(of: &[u8], others: &[Vec<u8>]) -> (Verdict, Vec<&'static str>) {
    let trust = trust();
    let mut verified = verify_any(of, None, Some(&trust));
    let related = Related::new(others.iter().map(Vec::as_slice), Some(&trust));
    verified.add(related.checks(&verified));
    let failed = verified.failed().map(|c| c.name).collect();
    (verified.verdict, failed)
}

#[test]
fn an_acceptance_is_said_and_a_rejection_or_revocation_undoes_the_certificate() {
    let certificate = certificate();
    let accepted = validated(|_| {});
    let rejected = validated(|v| v.decision = Decision::Rejected);
    assert_eq!(judged(&certificate, &[]), (Verdict::Valid, vec![]));
    assert_eq!(judged(&certificate, from_ref(&accepted)), (Verdict::Valid, vec![]));
    assert_eq!(judged(&certificate, from_ref(&rejected)), (Verdict::Invalid, vec!["validation"]));
    assert_eq!(judged(&certificate, &[accepted.clone(), rejected.clone()]).0, Verdict::Invalid, "one no is enough");
    assert_eq!(judged(&certificate, &[revoked(|_| {})]), (Verdict::Invalid, vec!["document revocation"]));
    // About another document they say nothing.
    let other = revoked(|r| r.document.id = "ab".repeat(32));
    assert_eq!(judged(&certificate, &[other]), (Verdict::Valid, vec![]));
}

#[test]
fn a_later_decision_takes_the_place_of_the_one_it_names_and_gives_it_back_when_revoked() {
    let certificate = certificate();
    let rejected = validated(|v| v.decision = Decision::Rejected);
    let then = validated(|v| {
        v.replaces = Some(id(&rejected));
        v.reason = "read again by another station".into();
    });
    assert_eq!(judged(&certificate, &[rejected.clone(), then.clone()]).0, Verdict::Valid);
    let undone = revoked(|r| r.document = reference(&then));
    assert_eq!(judged(&certificate, &[rejected, then, undone]), (Verdict::Invalid, vec!["validation"]));
}

#[test]
fn a_validation_takes_the_place_of_one_of_the_same_document_and_of_nothing_else() {
    let certificate = certificate();
    let rejected = validated(|v| v.decision = Decision::Rejected);
    let other = validated(|v| {
        (v.replaces, v.document) = (Some(id(&rejected)), reference(&failure_report()));
    });
    assert_eq!(judged(&certificate, &[rejected, other]), (Verdict::Invalid, vec!["validation"]));
    let revocation = revoked(|_| {});
    let instead = validated(|v| v.replaces = Some(id(&revocation)));
    let undone = revoked(|r| r.document = DocumentRef { kind: DocumentType::Validation, ..reference(&revocation) });
    assert_eq!(judged(&certificate, &[revocation, instead, undone]), (Verdict::Invalid, vec!["document revocation"]));
    let differs = read_again(|v| {
        v.matched.0 -= 512;
        v.result = VerificationResult::Mismatched;
    });
    let instead = validated(|v| v.replaces = Some(id(&differs)));
    assert_eq!(judged(&certificate, &[differs.clone(), instead]), (Verdict::Invalid, vec!["second reading"]));
    let undone = revoked(|r| r.document = reference(&differs));
    assert_eq!(judged(&certificate, &[differs, undone]), (Verdict::Valid, vec![]));
}

#[test]
fn nobody_lifts_what_speaks_against_their_own_work() {
    let certificate = certificate();
    let rejected = validated(|v| v.decision = Decision::Rejected);
    let lifted = |change: &dyn Fn(&mut Validation)| {
        validated(|v| {
            v.replaces = Some(id(&rejected));
            change(v);
        })
    };
    // The operator of the run, by name; and who has signed the certificate, by key.
    let by_name = lifted(&|v| v.by = person(ADA, "ada lovelace"));
    let (good, invalid) = ((Verdict::Valid, vec![]), (Verdict::Invalid, vec!["validation"]));
    assert_eq!(judged(&certificate, &[rejected.clone(), by_name]), invalid);
    let mut twice = Jws::parse(&lifted(&|_| {})).unwrap();
    assert_eq!(judged(&certificate, &[rejected.clone(), twice.to_bytes()]), good);
    twice.add_signature(&key(STATION), Role::Station, at(20)).unwrap();
    assert_eq!(judged(&certificate, &[rejected.clone(), twice.to_bytes()]), invalid);
    let own = |of: &[u8]| {
        revoked(|r| {
            r.document = reference(of);
            r.by = person(ADA, "ada lovelace");
        })
    };
    assert_eq!(judged(&certificate, &[rejected.clone(), own(&rejected)]), invalid);
    // That it was accepted they can take back.
    let accepted = lifted(&|_| {});
    let undone = own(&accepted);
    assert_eq!(judged(&certificate, &[rejected, accepted, undone]), invalid);
}

/// Anybody can write another's name beside their own key.
#[test]
fn a_key_signs_under_the_name_that_the_trust_store_gives_its_owner() {
    let failed = |bytes: &[u8]| {
        let verified = verify_any(bytes, None, Some(&trust()));
        (verified.verdict, verified.failed().map(|check| check.name).collect::<Vec<_>>())
    };
    let mut persons = 0;
    for (kind, payload, signers) in all() {
        let good: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        for who in ["by", "operator", "witness", "from", "to"] {
            if good[who]["kid"].is_null() {
                continue;
            }
            persons += 1;
            let named = |name: &str| {
                let mut changed = good.clone();
                changed[who]["name"] = name.into();
                signed(changed.to_string().as_bytes(), kind.typ(), &signers)
            };
            let own = good[who]["name"].as_str().unwrap();
            assert_eq!(failed(&named(own)), (Verdict::Valid, vec![]), "{kind}, {who}");
            let cased = format!(" {} ", own.to_uppercase());
            assert_eq!(failed(&named(&cased)), (Verdict::Valid, vec![]), "{kind}, {who}");
            assert_eq!(failed(&named("Somebody Else")), (Verdict::Invalid, vec!["person"]), "{kind}, {who}");
            // Without a trust store nothing is compared.
            let told = verify_any(&named("Somebody Else"), None, None);
            let check = told.checks.iter().find(|check| check.name == "person").unwrap();
            assert_eq!((check.outcome, told.verdict), (Outcome::Unknown, Verdict::ConsistentSignerUnknown));
        }
    }
    assert_eq!(persons, 8);
    // The same of a run; a name without a key is a claim and compared with nothing.
    assert_eq!(failed(&certificate_by(OPERATOR, "otto ort", &[])), (Verdict::Valid, vec![]));
    assert_eq!(failed(&certificate_by(OPERATOR, "Ada Lovelace", &[])), (Verdict::Invalid, vec!["person"]));
    assert_eq!(failed(&certificate()), (Verdict::Valid, vec![]));
}

#[test]
fn who_did_it_neither_witnesses_nor_accepts_it() {
    let certificate = certificate_by(OPERATOR, "Otto Ort", &[]);
    let by = |seed, name| {
        validated(|v| {
            v.document = reference(&certificate);
            v.by = person(seed, name);
        })
    };
    let (good, invalid) = ((Verdict::Valid, vec![]), (Verdict::Invalid, vec!["validation"]));
    assert_eq!(judged(&certificate, &[by(VALIDATOR, "Vera Vogt")]), good);
    // With another key of their own; with the very key, where that may validate; under another's name.
    let own = by(OTTO, "Otto Ort");
    assert_eq!(judged(&certificate, from_ref(&own)), invalid);
    let mut both = trust();
    both.find_mut(key(OPERATOR).kid()).unwrap().roles = vec![Role::Operator, Role::Validator];
    let same_key = by(OPERATOR, "Otto Ort");
    let mut verified = verify_any(&certificate, None, Some(&both));
    verified.add(Related::new([same_key.as_slice()], Some(&both)).checks(&verified));
    assert_eq!(verified.verdict, Verdict::Invalid);
    let told = verified.failed().map(|check| check.detail.clone()).collect::<String>();
    assert!(told.contains("accepted by Otto Ort, who did it: nobody accepts their own work"), "{told}");
    let disguised = by(OTTO, "Somebody Else");
    assert_eq!(judged(&certificate, &[disguised]), good, "it is no validation of anybody's, and says nothing");
    // Somebody else puts it right. They reject their own work as they like.
    let instead = validated(|v| (v.document, v.replaces) = (reference(&certificate), Some(id(&own))));
    assert_eq!(judged(&certificate, &[own.clone(), instead]), good);
    assert_eq!(judged(&certificate, &[own.clone(), revoked(|r| r.document = reference(&own))]), good);
    let own_rejected = validated(|v| {
        (v.document, v.decision, v.by) = (reference(&certificate), Decision::Rejected, person(OTTO, "Otto Ort"));
    });
    assert_eq!(judged(&certificate, &[own_rejected]), invalid);

    let (kind, payload, signers) = all().into_iter().find(|(kind, ..)| *kind == DocumentType::Destruction).unwrap();
    let record = signed(&payload, kind.typ(), &signers);
    let about = |seed, name| validated(|v| (v.document, v.by) = (reference(&record), person(seed, name)));
    assert_eq!(judged(&record, &[about(VALIDATOR, "Vera Vogt")]), good);
    assert_eq!(judged(&record, &[about(OTTO, "Otto Ort")]), invalid);

    for (seed, expected) in [(WITNESS, vec![]), (OPERATOR, vec!["four eyes"]), (OTTO, vec!["four eyes"])] {
        let mut trust = trust();
        trust.find_mut(key(seed).kid()).unwrap().roles = vec![Role::Operator, Role::Witness];
        let seen = certificate_by(OPERATOR, "Otto Ort", &[(seed, Role::Witness)]);
        let verified = verify_any(&seen, None, Some(&trust));
        assert_eq!(verified.failed().map(|check| check.name).collect::<Vec<_>>(), expected);
    }
}

/// Unknown is never success: an acceptance that was revoked by a key that is itself revoked since lifts nothing for sure.
#[test]
fn while_it_is_not_established_who_undid_a_judgement_nothing_is_valid_by_it() {
    const LOST: u8 = 21;
    let mut trust = trust();
    let mut lost = TrustedKey::new(key(LOST).public().clone(), "Vito Verlust", Role::Validator, None);
    lost.revoked_at = Some(at(22));
    trust.add(lost).unwrap();
    let verdict = |of: &[u8], others: &[&Vec<u8>]| {
        let mut verified = verify_any(of, None, Some(&trust));
        verified.add(Related::new(others.iter().map(|file| file.as_slice()), Some(&trust)).checks(&verified));
        verified.verdict
    };
    let by_lost = |payload: serde_json::Result<Vec<u8>>, kind: DocumentType| {
        signed(&payload.unwrap(), kind.typ(), &[(LOST, Role::Validator)])
    };
    let revoked_by_lost = |of: &[u8]| {
        let mut revocation = revocation();
        (revocation.document, revocation.by) = (reference(of), person(LOST, "Vito Verlust"));
        by_lost(serde_json::to_vec(&revocation), DocumentType::Revocation)
    };
    let certificate = certificate();
    let rejected = validated(|v| v.decision = Decision::Rejected);
    let accepted = validated(|v| v.replaces = Some(id(&rejected)));
    let undone = revoked_by_lost(&accepted);
    assert_eq!(verdict(&certificate, &[&rejected, &accepted]), Verdict::Valid);
    assert_eq!(verdict(&certificate, &[&rejected, &accepted, &undone]), Verdict::ConsistentSignerUnknown);
    // Nobody undoes a rejection that way, and a second acceptance that nobody speaks against is enough.
    assert_eq!(verdict(&certificate, &[&rejected, &revoked_by_lost(&rejected)]), Verdict::Invalid);
    let again = validated(|v| (v.replaces, v.reason) = (Some(id(&rejected)), "read a third time".into()));
    assert_eq!(verdict(&certificate, &[&rejected, &accepted, &undone, &again]), Verdict::Valid);

    let (kind, payload, signers) = all().into_iter().find(|(kind, ..)| *kind == DocumentType::Transfer).unwrap();
    let transfer = signed(&payload, kind.typ(), &signers);
    let report = Discrepancy { transfer: reference(&transfer), ..discrepancy() };
    let report =
        signed(&serde_json::to_vec(&report).unwrap(), DocumentType::Discrepancy.typ(), &[(RECEIVER, Role::Receiver)]);
    let about = |v: &mut Validation| (v.document, v.medium) = (reference(&report), None);
    let settled = validated(about);
    let mut not_settled = Validation { decision: Decision::Rejected, ..validation(Decision::Accepted) };
    about(&mut not_settled);
    not_settled.by = person(LOST, "Vito Verlust");
    let not_settled = by_lost(serde_json::to_vec(&not_settled), DocumentType::Validation);
    let before = verdict(&transfer, &[]);
    assert_eq!(verdict(&transfer, &[&report]), Verdict::Invalid);
    assert_eq!(verdict(&transfer, &[&report, &settled]), before);
    for doubt in [revoked_by_lost(&settled), not_settled] {
        let mut verified = verify_any(&transfer, None, Some(&trust));
        let files = [&report, &settled, &doubt];
        verified.add(Related::new(files.iter().map(|file| file.as_slice()), Some(&trust)).checks(&verified));
        let check = verified.checks.iter().find(|check| check.name == "discrepancy").unwrap();
        assert_eq!(check.outcome, Outcome::Unknown, "{}", check.detail);
        assert_eq!(verified.verdict, Verdict::ConsistentSignerUnknown);
        assert_eq!(verdict(&transfer, &[&report, &doubt]), Verdict::Invalid, "it settles nothing either");
    }
}

#[test]
fn what_a_stranger_says_is_told_and_not_believed() {
    let certificate = certificate();
    let mut by_stranger = revocation();
    by_stranger.by = person(77, "Vera Vogt");
    let payload = serde_json::to_vec(&by_stranger).unwrap();
    let stranger = signed(&payload, DocumentType::Revocation.typ(), &[(77, Role::Validator)]);
    assert_eq!(judged(&certificate, &[stranger]), (Verdict::Valid, vec![]), "an unknown key revokes nothing");
    // A validator's word by a key that is trusted as operator only.
    let mut by_operator = revocation();
    by_operator.by = person(OPERATOR, "Otto Ort");
    let payload = serde_json::to_vec(&by_operator).unwrap();
    let operator = signed(&payload, DocumentType::Revocation.typ(), &[(OPERATOR, Role::Validator)]);
    assert_eq!(judged(&certificate, &[operator]), (Verdict::Valid, vec![]));
    // Without a trust store nobody is established, and unknown is not valid.
    let mut verified = verify_any(&certificate, None, None);
    let revoked = revoked(|_| {});
    verified.add(Related::new([revoked.as_slice()], None).checks(&verified));
    assert_eq!(verified.verdict, Verdict::ConsistentSignerUnknown);
    assert!(verified.checks.iter().any(|c| c.name == "document revocation"));
}

#[test]
fn a_second_reading_speaks_for_or_against_its_very_certificate() {
    let certificate = certificate();
    assert_eq!(judged(&certificate, &[read_again(|_| {})]).0, Verdict::Valid);
    let differs = read_again(|v| {
        v.matched.0 -= 512;
        v.result = VerificationResult::Mismatched;
    });
    assert_eq!(judged(&certificate, &[differs]), (Verdict::Invalid, vec!["second reading"]));
    // A swapped drive: the reading names the certificate and another medium.
    let swapped = read_again(|v| {
        v.medium.identity.serial = Some("other".into());
        v.medium.identity_digest = v.medium.identity.digest();
    });
    assert_eq!(judged(&certificate, &[swapped]), (Verdict::Invalid, vec!["second reading"]));
    let cut = read_again(|v| {
        v.cut = Some("pulled".into());
        v.result = VerificationResult::Incomplete;
    });
    assert_eq!(judged(&certificate, &[cut]), (Verdict::Valid, vec![]), "it says nothing");
}

/// Two disks of virtual machines, both zeroed: the one is no proof of the other.
#[test]
fn a_second_reading_of_another_virtual_disk_is_about_another_medium() {
    let read = |change: fn(&mut Identity)| {
        let [certificate, reading] = virtual_read_again(change);
        judged(&certificate, &[reading])
    };
    assert_eq!(read(|_| {}), (Verdict::Valid, vec![]));
    assert_eq!(read(elsewhere), (Verdict::Valid, vec![]));
    assert_eq!(read(|i| i.wwn = None), (Verdict::Valid, vec![]));
    assert_eq!(read(|i| i.serial = Some("OTHER".into())), (Verdict::Invalid, vec!["second reading"]));
    assert_eq!(read(|i| i.wwn = Some("0x5".into())), (Verdict::Invalid, vec!["second reading"]));
}

#[test]
fn a_certificate_that_gained_a_signature_is_the_one_that_was_read() {
    let cosigned = |seed, role| {
        let mut jws = Jws::parse(&certificate()).unwrap();
        jws.add_signature(&key(seed), role, at(21)).unwrap();
        jws.to_bytes()
    };
    let of_both = read_again(|v| v.certificate_signers.push(key(WITNESS).kid().to_owned()));
    let gained = cosigned(WITNESS, Role::Witness);
    assert_eq!(judged(&gained, &[read_again(|_| {})]), (Verdict::Valid, vec![]));
    assert_eq!(judged(&gained, from_ref(&of_both)), (Verdict::Valid, vec![]));
    // One that lost a signature is not; nor is a reading of nobody's certificate about it.
    assert_eq!(judged(&certificate(), &[of_both]), (Verdict::Invalid, vec!["second reading"]));
    let of_nobody = read_again(|v| v.certificate_signers.clear());
    assert_eq!(judged(&gained, &[of_nobody]), (Verdict::Invalid, vec!["second reading"]));
    // Who has signed since is not independent any more.
    let told = |of: &[u8]| {
        let trust = trust();
        let reading = read_again(|_| {});
        let related = Related::new([reading.as_slice()], Some(&trust));
        related.about(&verify_any(of, None, Some(&trust))).remove(0).detail
    };
    assert!(told(&gained).contains("(independent,"), "{}", told(&gained));
    let by_reader = told(&cosigned(OTHER_STATION, Role::Station));
    assert!(by_reader.contains("(NOT independent,"), "{by_reader}");
}

/// Four eyes are two persons, whatever keys they have.
#[test]
fn who_did_it_reads_it_again_with_another_key_and_is_not_independent() {
    let told = |of: &[u8], reader: &str| {
        let mut trust = trust();
        trust.find_mut(key(VERIFIER).kid()).unwrap().name = reader.to_owned();
        let reading = read_again(|v| {
            (v.certificate, v.by) = (reference(of), Some(person(VERIFIER, reader)));
        });
        let related = Related::new([reading.as_slice()], Some(&trust));
        let detail = related.about(&verify_any(of, None, Some(&trust))).remove(0).detail;
        detail.split_once('(').unwrap().1.split_once(',').unwrap().0.to_owned()
    };
    let by_otto = certificate_by(OPERATOR, "Otto Ort", &[(WITNESS, Role::Witness)]);
    let by_nobody = certificate_of(&RunFacts { operator: None, ..facts() });
    for (of, reader, expected) in [
        (&certificate(), "Eva Egal", "independent"),
        // Also who only claims to have done it.
        (&certificate(), "ADA lovelace", "NOT independent"),
        (&by_otto, "Eva Egal", "independent"),
        (&by_otto, "otto ort", "NOT independent"),
        (&by_otto, "Wim Weit", "NOT independent"),
        (&by_nobody, "Eva Egal", "no key in common"),
    ] {
        assert_eq!(told(of, reader), expected, "{reader}");
    }
}

#[test]
fn a_replayed_certificate_meets_the_later_failure() {
    assert_eq!(judged(&certificate(), &[failure_report()]), (Verdict::Invalid, vec!["later run"]));
    let mut later = facts();
    later.run_id = "ff".repeat(16);
    later.ended += chrono::TimeDelta::hours(2);
    assert_eq!(judged(&certificate_of(&later), &[failure_report()]), (Verdict::Valid, vec![]));
}

#[test]
fn an_open_discrepancy_blocks_a_transfer_until_somebody_settles_it() {
    let transfer = signed(
        &serde_json::to_vec(&transfer()).unwrap(),
        DocumentType::Transfer.typ(),
        &[(SENDER, Role::Transferor), (RECEIVER, Role::Receiver)],
    );
    let report = signed(
        &serde_json::to_vec(&discrepancy()).unwrap(),
        DocumentType::Discrepancy.typ(),
        &[(RECEIVER, Role::Receiver)],
    );
    assert_eq!(judged(&transfer, from_ref(&report)), (Verdict::Invalid, vec!["discrepancy"]));
    let settled = validated(|v| {
        v.document = reference(&report);
        v.medium = None;
    });
    assert_eq!(judged(&transfer, &[report.clone(), settled.clone()]).0, Verdict::Valid);
    let undone = revoked(|r| r.document = reference(&settled));
    assert_eq!(judged(&transfer, &[report, settled, undone]).0, Verdict::Invalid);
}
