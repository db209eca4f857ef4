//! What judges a certificate, on the page and in the program: who may lift what, and of which document.

use lastwrite::certificate::document::*;
use lastwrite::media::Identity;
use lastwrite::sanitize::record::RunFacts;

use super::bundles::{Case, World, compare};
use super::runs::{governed, sampled};
use super::*;

fn revoked_of(of: &[u8], change: impl FnOnce(&mut Revocation)) -> Vec<u8> {
    revoked(|revocation| {
        revocation.document = reference(of);
        change(revocation);
    })
}

/// By the program: of the first of the files, with what all of them say of it.
fn by_program(files: &[Vec<u8>], trust: &TrustStore) -> &'static str {
    let mut verified = verify_any_with(&files[0], None, Some(trust), &[]);
    let related = Related::new(files.iter().map(Vec::as_slice), Some(trust));
    verified.add(related.checks(&verified));
    word(verified.verdict)
}

#[test]
fn who_lifts_what_is_judged_as_the_program_judges_it() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let (page, mut trust) = (super::super::page(&station), trusted());
    for seed in [OPERATOR, OTTO] {
        trust.find_mut(key(seed).kid()).unwrap().roles.push(Role::Witness);
    }
    let certificate = certificate();
    let cosigned = |seed, role| {
        let mut jws = Jws::parse(&certificate).unwrap();
        jws.add_signature(&key(seed), role, at(21)).unwrap();
        jws.to_bytes()
    };
    let rejected = validated(|v| v.decision = Decision::Rejected);
    let lifting = |v: &mut Validation| v.replaces = Some(id(&rejected));
    let lifted = validated(lifting);
    let other = validated(|v| {
        lifting(v);
        v.document = reference(&failure_report());
    });
    let own = |v: &mut Validation| v.by = person(ADA, "ADA LOVELACE");
    let own_lifted = validated(|v| {
        lifting(v);
        own(v);
    });
    let revocation = revoked_of(&certificate, |_| {});
    let own_revoked = |of: &[u8]| revoked_of(of, |r| r.by = person(ADA, "ADA LOVELACE"));
    let mismatched = read_again(|v| {
        v.matched.0 -= 512;
        v.result = VerificationResult::Mismatched;
    });
    let of_both = read_again(|v| v.certificate_signers.push(key(WITNESS).kid().to_owned()));
    let before = certificate_of(&before_destruction());
    let read_virtual = |change: fn(&mut Identity)| virtual_read_again(change).to_vec();
    // By an operator with a key: who else is who, and who accepts it.
    let witness = [(WITNESS, Role::Witness)];
    let by_otto = |name: &str| certificate_by(OPERATOR, name, &witness);
    let signed_for = by_otto("Otto Ort");
    let accepted_by =
        |of: &[u8], seed: u8, name: &str| validated(|v| (v.document, v.by) = (reference(of), person(seed, name)));
    let own_accepted = accepted_by(&signed_for, OTTO, "Otto Ort");
    let instead = validated(|v| (v.document, v.replaces) = (reference(&signed_for), Some(id(&own_accepted))));
    let own_witness = |seed, role| certificate_by(OPERATOR, "Otto Ort", &[(seed, role)]);
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("valid", vec![certificate.clone(), lifted.clone()]),
        ("invalid", vec![certificate.clone(), rejected.clone()]),
        ("valid", vec![certificate.clone(), rejected.clone(), lifted.clone()]),
        ("invalid", vec![certificate.clone(), rejected.clone(), lifted.clone(), revoked_of(&lifted, |_| {})]),
        ("invalid", vec![certificate.clone(), rejected.clone(), other]),
        ("invalid", vec![certificate.clone(), rejected.clone(), own_lifted]),
        ("invalid", vec![certificate.clone(), rejected.clone(), own_revoked(&rejected)]),
        ("invalid", vec![certificate.clone(), rejected.clone(), lifted.clone(), own_revoked(&lifted)]),
        ("valid", vec![certificate.clone(), rejected.clone(), revoked_of(&rejected, |_| {})]),
        ("invalid", vec![certificate.clone(), revocation.clone(), validated(|v| v.replaces = Some(id(&revocation)))]),
        (
            "invalid",
            vec![
                certificate.clone(),
                revocation.clone(),
                revoked_of(&revocation, |r| r.document.kind = DocumentType::Validation),
            ],
        ),
        ("invalid", vec![certificate.clone(), mismatched.clone()]),
        ("invalid", vec![certificate.clone(), mismatched.clone(), validated(|v| v.replaces = Some(id(&mismatched)))]),
        ("valid", vec![certificate.clone(), mismatched.clone(), revoked_of(&mismatched, |_| {})]),
        ("invalid", vec![certificate.clone(), mismatched.clone(), own_revoked(&mismatched)]),
        ("valid", vec![cosigned(WITNESS, Role::Witness), read_again(|_| {})]),
        ("valid", vec![cosigned(WITNESS, Role::Witness), of_both.clone()]),
        ("invalid", vec![certificate.clone(), of_both]),
        ("invalid", vec![certificate.clone(), read_again(|v| v.certificate_signers.clear())]),
        ("valid", vec![before]),
        ("valid", read_virtual(elsewhere)),
        ("valid", read_virtual(|identity| identity.serial = None)),
        ("invalid", read_virtual(|identity| identity.serial = Some("OTHER".into()))),
        ("invalid", read_virtual(|identity| identity.wwn = Some("0x5".into()))),
        ("valid", vec![by_otto("\u{2003}otto ORT\u{85}")]),
        ("invalid", vec![by_otto("\u{feff}Otto Ort")]),
        ("invalid", vec![by_otto("Ada Lovelace")]),
        ("invalid", vec![own_witness(OPERATOR, Role::Witness)]),
        ("invalid", vec![own_witness(OTTO, Role::Witness)]),
        ("valid", vec![signed_for.clone(), accepted_by(&signed_for, VALIDATOR, "Vera Vogt")]),
        ("valid", vec![signed_for.clone(), accepted_by(&signed_for, VALIDATOR, "Somebody Else")]),
        ("invalid", vec![signed_for.clone(), own_accepted.clone()]),
        ("valid", vec![signed_for.clone(), own_accepted, instead]),
        ("invalid", vec![accepted_by(&signed_for, VALIDATOR, "Somebody Else")]),
        // What is yet to come is no proof.
        ("valid", vec![destroyed(at(20) + chrono::TimeDelta::days(1))]),
        ("invalid", vec![destroyed(at(21) + chrono::TimeDelta::days(1))]),
    ];
    for (i, (expected, files)) in cases.iter().enumerate() {
        assert_eq!(by_program(files, &trust), *expected, "case {i}");
        open(&browser, &page, &trust);
        let named: Vec<_> = files.iter().enumerate().map(|(n, bytes)| (format!("{n}.json"), bytes.clone())).collect();
        assert_eq!(on_the_page(&browser, &named)["0.json"], *expected, "case {i}: {}", super::super::results(&browser));
    }
}

/// The card says valid, so what it is not good for stands beside that.
#[test]
fn the_card_of_a_run_before_destruction_says_that_it_releases_nothing() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    for (facts, said) in [(before_destruction(), true), (facts(), false)] {
        open(&browser, &page, &trusted());
        let told = on_the_page(&browser, &[("a.json".to_owned(), certificate_of(&facts))]);
        assert_eq!(told["a.json"], "valid");
        let text = super::super::results(&browser);
        assert_eq!(text.contains("It releases nothing"), said, "{text}");
    }
}

/// Good in itself, and no proof of its medium: alone, beside a proof of another one, and before the destruction.
#[test]
fn a_bundle_with_a_run_before_destruction_proves_as_much_as_the_program_says() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let page = super::super::page(&station);
    let policy = before_destruction().policy;
    let world = |number| World::of(number, &|facts| facts.policy = policy.clone());
    let bundle = |number, inside: &[usize]| world(number).bundle(|i| inside.contains(&i), |i| inside.contains(&i));
    let cases: Vec<_> = [(2001, vec![0]), (2002, vec![0, 4]), (2003, vec![0, 5]), (2004, vec![4])]
        .into_iter()
        .map(|(number, inside)| Case::new(format!("{inside:?}"), bundle(number, &inside), Vec::new()))
        .collect();
    let trust = trusted();
    for (case, expected) in cases.iter().zip(["invalid", "valid", "invalid", "valid"]) {
        let verdict = case.by_program(&trust).map(|verified| word(verified.verdict));
        assert_eq!(verdict.as_deref(), Ok(expected), "{}", case.name);
    }
    let (differ, _) = compare(&browser, &page, &trust, &cases);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Rules that a certificate says it was under, against the text of the policy that it names.
#[test]
fn what_a_ready_made_policy_says_is_known_to_the_page() {
    let Some(browser) = Browser::start() else { return };
    let station = super::super::Station::new();
    let (page, trust) = (super::super::page(&station), trusted());
    let by = |facts: RunFacts, change: &dyn Fn(&mut Value)| {
        let mut facts = serde_json::to_value(facts).unwrap();
        change(&mut facts);
        certificate_of(&serde_json::from_value(facts).unwrap())
    };
    let digest = |id: &str| json!(lastwrite::policy::Ready::find(id).unwrap().digest());
    let named = |facts: &mut Value, id: &str| {
        facts["policy"]["id"] = json!(id);
        facts["policy"]["digest"] = digest(id);
    };
    let undecided = |facts: &mut Value, members: &[&str]| {
        members.iter().for_each(|member| facts["policy"][*member] = json!(null));
        facts["policy"]["minimum"] = json!(null);
        facts["policy"]["least_verification"] = json!("none");
    };
    let rung = |technique: &str, method: &str| json!({"technique": technique, "method": method});
    let cases = [
        ("valid", by(sampled(), &|_| {})),
        ("valid", by(governed(), &|_| {})),
        ("valid", by(sampled(), &|f| undecided(f, &["category", "route"]))),
        ("valid", by(sampled(), &|f| undecided(f, &["route"]))),
        // Nobody assumed anything; the read-back is not for the certificate to choose.
        ("invalid", by(sampled(), &|f| f["policy"]["assumed"] = json!(["route"]))),
        ("invalid", by(sampled(), &|f| f["policy"]["least_verification"] = json!("quick"))),
        ("invalid", by(sampled(), &|f| f["policy"]["least_verification"] = json!("full"))),
        ("invalid", by(governed(), &|f| f["policy"]["least_verification"] = json!("none"))),
        // Policies that assume a category and do nothing without a route.
        ("invalid", by(governed(), &|f| undecided(f, &["category"]))),
        ("invalid", by(governed(), &|f| undecided(f, &["route"]))),
        ("invalid", by(governed(), &|f| f["policy"]["assumed"] = json!(["category", "category"]))),
        ("invalid", by(governed(), &|f| f["policy"]["assumed"] = json!(["route"]))),
        ("invalid", by(governed(), &|f| f["policy"]["category"] = json!("low"))),
        (
            "invalid",
            by(governed(), &|f| {
                named(f, "r2v3");
                undecided(f, &["category", "route"]);
                (f["policy"]["assumed"], f["policy"]["second_person_percent"]) = (json!([]), json!(5));
                f["policy"]["retention_years"] = json!(3);
            }),
        ),
        // What counts for what, on which medium.
        ("invalid", by(sampled(), &|f| f["policy"]["ladder"][0] = rung("nvme-format-user", "purge"))),
        ("valid", by(sampled(), &|f| f["policy"]["ladder"][0] = rung("nvme-format-user", "clear"))),
        ("invalid", by(sampled(), &|f| f["policy"]["ladder"][0] = rung("ata-sanitize-block", "clear"))),
        ("invalid", by(sampled(), &|f| f["policy"]["ladder"][0] = rung("degauss", "purge"))),
        ("invalid", by(sampled(), &|f| f["policy"]["ladder"][0] = rung("ata-security-erase-enhanced", "purge"))),
        (
            "valid",
            by(sampled(), &|f| {
                f["policy"]["ladder"][0] = rung("ata-security-erase-enhanced", "purge");
                f["medium"]["kind"] = json!("hdd");
            }),
        ),
        (
            "invalid",
            by(sampled(), &|f| {
                f["policy"]["ladder"][0] = rung("ata-security-erase-enhanced", "purge");
                f["medium"]["kind"] = json!("usb");
            }),
        ),
        ("invalid", by(sampled(), &|f| f["medium"]["class"] = json!("virtual"))),
    ];
    open(&browser, &page, &trust);
    let files: Vec<_> = cases.iter().enumerate().map(|(i, (_, bytes))| (format!("{i}.json"), bytes.clone())).collect();
    let said = on_the_page(&browser, &files);
    for ((name, bytes), (expected, _)) in files.iter().zip(&cases) {
        let verified = verify_any_with(bytes, None, Some(&trust), &[]);
        let failed: Vec<_> = verified.failed().collect();
        assert_eq!((word(verified.verdict), said[name].as_str()), (*expected, *expected), "{name}: {failed:?}");
        assert!(failed.iter().all(|check| check.name == "policy"), "{name}: {failed:?}");
    }
}
