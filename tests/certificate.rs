//! Certificates as strangers meet them: good, bad, mutated, with another type, by another key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use lastwrite::certificate::{
    BackedUp, CertificatePayload, Destination, DestinationKind, DocumentKind, GivenForm, IssueContext, Person, Verdict,
    Verification, id_of, read, show, show_verification, verify_document, verify_file,
};
use lastwrite::sanitize::record::RunFacts;
use lastwrite::signed::{Jws, Outcome, Role, StationKey, TrustStore, TrustedKey, encode_base64url, sign};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

fn key() -> StationKey {
    StationKey::from_seed(&[1; 32])
}

fn iat() -> DateTime<Utc> {
    "2026-11-24T10:20:02Z".parse().unwrap()
}

fn facts() -> RunFacts {
    let mut facts: RunFacts = serde_json::from_str(include_str!("data/facts.json")).unwrap();
    facts.medium.identity_digest = facts.medium.identity.digest();
    facts
}

fn context() -> IssueContext {
    IssueContext {
        organization: "Example GmbH".into(),
        station: "Bench 1".into(),
        form: GivenForm {
            performed_by: Person {
                title: Some("Technician".into()),
                location: Some("Cologne".into()),
                ..Person::default()
            },
            data_backed_up: Some(BackedUp::Yes),
            notes: Some("Drive taken from a laptop that goes back to the lessor after the end of the contract.".into()),
            destination: Some(Destination { kind: DestinationKind::ExternalReuse, details: Some("lessor".into()) }),
            ..GivenForm::default()
        },
    }
}

/// The only way to a certificate in production is a record of a run; here its payload is signed by hand.
fn payload() -> Vec<u8> {
    serde_json::to_vec(&CertificatePayload::from_facts(&facts(), None, &context())).unwrap()
}

fn certificate() -> Vec<u8> {
    sign(&payload(), DocumentKind::Certificate.typ(), &key(), Role::Station, iat()).unwrap().to_bytes()
}

fn trust() -> TrustStore {
    let mut trust = TrustStore::default();
    trust
        .add(TrustedKey::new(key().public().clone(), "Bench 1", Role::Station, Some(iat() - TimeDelta::days(1))))
        .unwrap();
    trust
}

fn failed(verification: &Verification) -> Vec<&'static str> {
    verification.failed().map(|c| c.name).collect()
}

#[test]
fn a_good_certificate_is_valid_by_every_check() {
    let verification = verify_file(&certificate(), Some(&format!("{}.json", id_of(&payload()))), Some(&trust()));
    assert_eq!(verification.verdict, Verdict::Valid, "{verification:#?}");
    assert!(verification.checks.iter().all(|c| c.outcome == Outcome::Passed));
    assert_eq!(verification.document.unwrap().facts, facts());
    insta::assert_snapshot!("certificate", show(&certificate()).unwrap());
}

#[test]
fn the_page_of_the_format_names_every_member() {
    let page =
        include_str!("../docs/certificate-format.md").split("\n## ").find(|part| part.starts_with("Payload")).unwrap();
    let payload: Value = serde_json::from_slice(&payload()).unwrap();
    for member in [&payload, &payload["facts"]].iter().flat_map(|object| object.as_object().unwrap().keys()) {
        let names =
            |row: &str| row.starts_with("| `") && row.split(" | ").next().unwrap().contains(&format!("`{member}`"));
        assert!(page.lines().any(names), "{member}");
    }
}

#[test]
fn a_failure_report_reads_as_one() {
    let mut facts = facts();
    facts.attained = None;
    facts.proven = serde_json::from_value(json!("nothing")).unwrap();
    facts.passes[0].flushed = false;
    facts.passes[0].ended = None;
    facts.ledger = serde_json::from_value(json!({
        "unwritten": [{"first": "2048", "count": "8"}, {"first": "4096", "count": "1"}],
        "unread": [], "mismatched": [], "unreached": [{"first": "5000", "count": "100000"}]
    }))
    .unwrap();
    facts.clock = serde_json::from_value(json!("unknown")).unwrap();
    let failure = serde_json::from_value(json!({
        "code": "write_errors",
        "message": "9 blocks could not be written and 100000 were not reached within the retry budget",
        "advice": "Keep the drive under control and have it destroyed, or try again."
    }))
    .unwrap();
    let payload = serde_json::to_vec(&CertificatePayload::from_facts(&facts, Some(&failure), &context())).unwrap();
    let report = sign(&payload, DocumentKind::FailureReport.typ(), &key(), Role::Station, iat()).unwrap().to_bytes();
    let verification = verify_document(&report, DocumentKind::FailureReport, None, Some(&trust()));
    assert_eq!(verification.verdict, Verdict::Valid, "{verification:#?}");
    insta::assert_snapshot!("failure_report", show(&report).unwrap());
    let as_certificate = verify_file(&report, None, Some(&trust()));
    assert_eq!(as_certificate.verdict, Verdict::Invalid);
    insta::assert_snapshot!("failure_report_verified_as_certificate", show_verification(&as_certificate));
}

#[test]
fn each_bad_certificate_fails_where_it_is_bad() {
    let typ = DocumentKind::Certificate.typ();
    let check = |bytes: &[u8], trust: &TrustStore| failed(&verify_file(bytes, None, Some(trust)));
    let good = certificate();
    let text = String::from_utf8(good.clone()).unwrap();
    // Not a document at all.
    for bad in [b"".as_slice(), b"PDF", b"[]", b"{}", b"null", b"\xff\xfe", &good[..good.len() - 1], &good[1..]] {
        assert_eq!(check(bad, &trust()), ["structure"]);
    }
    assert_eq!(check(format!("{text} trailing").as_bytes(), &trust()), ["structure"]);
    assert_eq!(check(text.replacen('{', "{\"payload\":\"e30\",", 1).as_bytes(), &trust()), ["structure"]);
    // Another typ, as any other document of the house has.
    for other in ["vnd.lastwrite.custody-entry+json", "JWT", "vnd.lastwrite.certificate"] {
        assert_eq!(
            check(&sign(&payload(), other, &key(), Role::Station, iat()).unwrap().to_bytes(), &trust()),
            ["typ"]
        );
    }
    // Keys.
    let stranger = StationKey::from_seed(&[2; 32]);
    assert_eq!(
        check(&sign(&payload(), typ, &stranger, Role::Station, iat()).unwrap().to_bytes(), &trust()),
        ["key known"]
    );
    let mut expired = trust();
    expired.find_mut(key().kid()).unwrap().valid_until = Some(iat() - TimeDelta::seconds(1));
    assert_eq!(check(&good, &expired), ["key validity"]);
    let mut revoked = trust();
    revoked.find_mut(key().kid()).unwrap().revoked_at = Some(iat());
    assert_eq!(check(&good, &revoked), ["revocation"]);
    revoked.find_mut(key().kid()).unwrap().revoked_at = Some(iat() + TimeDelta::days(9));
    assert_eq!(verify_file(&good, None, Some(&revoked)).verdict, Verdict::ConsistentSignerUnknown);
    assert_eq!(
        check(&sign(&payload(), typ, &key(), Role::Witness, iat()).unwrap().to_bytes(), &trust()),
        ["key role", "issuer"]
    );
    // A payload with a member twice, one too many, one missing, a number that is no string.
    let payload_text = String::from_utf8(payload()).unwrap();
    for changed in [
        payload_text.replacen("\"version\":1", "\"version\":1,\"version\":1", 1),
        payload_text.replacen("\"version\":1", "\"version\":1,\"approved\":true", 1),
        payload_text.replacen("\"flushed\":true", "\"flushed\":true,\"note\":null", 1),
        payload_text.replacen("\"state\":\"not_examined\"", "\"state\":\"not_examined\",\"more\":1", 1),
        payload_text.replacen("\"failure\":null,", "", 1),
        payload_text.replacen("\"index\":\"7\"", "\"index\":7", 1),
        payload_text.replacen("\"index\":\"7\"", "\"index\":\"07\"", 1),
        payload_text.replacen("2026-11-24T08:00:00Z", "2026-11-24T09:00:00+01:00", 1),
        format!("{payload_text} x"),
        "not JSON".to_owned(),
    ] {
        assert_ne!(changed, payload_text);
        let bytes = sign(changed.as_bytes(), typ, &key(), Role::Station, iat()).unwrap().to_bytes();
        assert_eq!(check(&bytes, &trust()), ["content"], "{changed}");
    }
    // A payload changed after signing.
    let mut envelope: Value = serde_json::from_slice(&good).unwrap();
    envelope["payload"] = json!(encode_base64url(payload_text.replace("S5Y2NJ0R123456", "S5Y2NJ0R123457").as_bytes()));
    assert_eq!(check(envelope.to_string().as_bytes(), &trust()), ["signature", "identity"]);
    // A signature before the run ended: the clock, not the document, is in doubt.
    let early = sign(&payload(), typ, &key(), Role::Station, iat() - TimeDelta::hours(3)).unwrap().to_bytes();
    let early = verify_file(&early, None, Some(&trust()));
    assert_eq!(early.verdict, Verdict::Valid);
    assert!(early.checks.iter().any(|c| c.name == "signing time" && c.outcome == Outcome::Unknown));
}

#[test]
fn cosignatures_agree_and_are_checked_alike() {
    let mut trust = trust();
    let witness = StationKey::from_seed(&[3; 32]);
    let mut jws = Jws::parse(&certificate()).unwrap();
    jws.add_signature(&witness, Role::Witness, iat() + TimeDelta::days(3)).unwrap();
    let bytes = jws.to_bytes();
    assert_eq!(read(&bytes).unwrap().0.payload(), payload(), "the id stays");
    let unknown = verify_file(&bytes, None, Some(&trust));
    assert_eq!(failed(&unknown), ["key known"]);
    assert_eq!(unknown.failed().next().unwrap().signature, Some(2));
    trust.add(TrustedKey::new(witness.public().clone(), "Wanda", Role::Witness, None)).unwrap();
    assert_eq!(verify_file(&bytes, None, Some(&trust)).verdict, Verdict::Valid);
}

#[test]
fn text_from_a_document_cannot_steer_the_terminal() {
    let mut facts = facts();
    facts.medium.identity.model = Some("A\u{1b}[2J\nOutcome passed\u{202e}B".into());
    facts.medium.identity_digest = facts.medium.identity.digest();
    let payload = serde_json::to_vec(&CertificatePayload::from_facts(&facts, None, &context())).unwrap();
    let text = show(&sign(&payload, DocumentKind::Certificate.typ(), &key(), Role::Station, iat()).unwrap().to_bytes())
        .unwrap();
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains("\nOutcome"));
}

/// One change to a file.
#[derive(Clone, Debug)]
enum Mutation {
    Flip { at: usize, bit: u8 },
    Set { at: usize, to: u8 },
    Insert { at: usize, byte: u8 },
    Delete { at: usize, count: usize },
    Repeat { at: usize, count: usize },
    Cut { at: usize },
    Exchange { a: usize, b: usize },
}

fn mutation(len: usize) -> impl Strategy<Value = Mutation> {
    let at = 0..len;
    // Bytes that JSON and base64url care about come up more often than chance would have it.
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b" \n\t\"{}[],:\\=-_+/A0\0".to_vec())];
    prop_oneof![
        (at.clone(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        (at.clone(), byte.clone()).prop_map(|(at, to)| Mutation::Set { at, to }),
        (0..=len, byte).prop_map(|(at, byte)| Mutation::Insert { at, byte }),
        (at.clone(), 1..20usize).prop_map(|(at, count)| Mutation::Delete { at, count }),
        (at.clone(), 1..20usize).prop_map(|(at, count)| Mutation::Repeat { at, count }),
        at.clone().prop_map(|at| Mutation::Cut { at }),
        (at.clone(), at).prop_map(|(a, b)| Mutation::Exchange { a, b }),
    ]
}

fn apply(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let len = bytes.len();
    match *mutation {
        Mutation::Flip { at, bit } if at < len => bytes[at] ^= 1 << bit,
        Mutation::Set { at, to } if at < len => bytes[at] = to,
        Mutation::Insert { at, byte } if at <= len => bytes.insert(at, byte),
        Mutation::Delete { at, count } if at < len => drop(bytes.drain(at..(at + count).min(len))),
        Mutation::Repeat { at, count } if at < len => {
            let again = bytes[at..(at + count).min(len)].to_vec();
            bytes.splice(at..at, again);
        }
        Mutation::Cut { at } => bytes.truncate(at),
        Mutation::Exchange { a, b } if a < len && b < len => bytes.swap(a, b),
        _ => {}
    }
}

#[test]
fn ten_thousand_mutations_are_refused_or_the_same_document() {
    let good = certificate();
    let original = Jws::parse(&good).unwrap();
    let trust = trust();
    let (same, refused) = (std::cell::Cell::new(0u32), std::cell::Cell::new(0u32));
    let config = Config { cases: 10_000, failure_persistence: None, ..Config::default() };
    let mutations = prop::collection::vec(mutation(good.len()), 1..4);
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        .run(&mutations, |mutations| {
            let mut bytes = good.clone();
            mutations.iter().for_each(|m| apply(&mut bytes, m));
            let verification = verify_file(&bytes, None, Some(&trust));
            if verification.verdict == Verdict::Valid {
                let read = Jws::parse(&bytes).unwrap();
                prop_assert_eq!(&read, &original, "another document was accepted");
                same.set(same.get() + 1);
            } else {
                prop_assert_eq!(verification.verdict, Verdict::Invalid);
                refused.set(refused.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    eprintln!("{} refused, {} the same document (white space, escapes)", refused.get(), same.get());
    assert_eq!(refused.get() + same.get(), 10_000);
    assert!(refused.get() > 9_000);
}

#[test]
fn joserfc_verifies_a_certificate_against_the_trust_store_and_refuses_a_changed_one() {
    let Some(python) = common::python_with_joserfc() else { return };
    let dir = good_and_changed();
    std::fs::write(dir.path().join("verify.py"), common::block_of_page("# verify.py")).unwrap();
    says_what_is_good(&dir, &[&python, "verify.py"], "BadSignature");
}

#[test]
fn jose_verifies_a_certificate_against_the_trust_store_and_refuses_a_changed_one() {
    let Some(modules) = common::node_modules_with_jose() else { return };
    let dir = good_and_changed();
    std::fs::write(dir.path().join("verify.mjs"), common::block_of_page("// verify.mjs")).unwrap();
    std::os::unix::fs::symlink(modules, dir.path().join("node_modules")).unwrap();
    // Debian 12 has Node 18, where the page's own Node 20 has this by itself.
    let version = Command::new("node").arg("--version").output().unwrap().stdout;
    let flags: &[&str] = if version.starts_with(b"v18.") { &["--experimental-global-webcrypto"] } else { &[] };
    says_what_is_good(&dir, &[&["node"], flags, &["verify.mjs"]].concat(), "JWSSignatureVerificationFailed");
}

/// A folder with `good.json`, `changed.json` and the trust store.
fn good_and_changed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("good.json"), certificate()).unwrap();
    let mut changed: Value = serde_json::from_slice(&certificate()).unwrap();
    changed["payload"] = json!(encode_base64url(b"{}"));
    std::fs::write(path("changed.json"), changed.to_string()).unwrap();
    std::fs::write(path("trust.jwks.json"), trust().to_bytes()).unwrap();
    dir
}

/// A program that is not ours takes the good one, and says of the other what is wrong.
fn says_what_is_good(dir: &tempfile::TempDir, program: &[&str], wrong: &str) {
    let id = id_of(&payload());
    common::strangers::say_what_is_good(dir.path(), program, &["S5Y2NJ0R123456", id.as_str()], wrong);
}

/// Our own program, also where it is built without `erase` (`.ci/run`), at a station that knows nothing of it.
#[test]
fn the_program_verifies_a_good_certificate_and_refuses_a_changed_one() {
    let dir = good_and_changed();
    let ours = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastwrite"));
        command.current_dir(dir.path()).env_remove("LASTWRITE_STATE").args(["--state", "state"]);
        command.args(args).output().unwrap()
    };
    let init = ours(&["init", "--organization", "Stranger", "--station", "desk"]);
    assert_eq!(init.status.code(), Some(0), "{}", common::station::both(&init));
    let verify = |file: &str| ours(&["certificate", "verify", file, "--trust", "trust.jwks.json"]);
    std::fs::copy(dir.path().join("good.json"), dir.path().join(format!("{}.json", id_of(&payload())))).unwrap();
    let good = verify(&format!("{}.json", id_of(&payload())));
    assert_eq!(good.status.code(), Some(0), "{}", common::station::both(&good));
    let changed = verify("changed.json");
    assert_eq!(changed.status.code(), Some(5), "{}", common::station::both(&changed));
}

#[test]
fn openssl_verifies_the_signing_input_and_reads_the_keys() {
    if !common::has("openssl") {
        return common::skip("openssl is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.current_dir(dir.path()).args(arguments).output().unwrap()
    };
    let jws = Jws::parse(&certificate()).unwrap();
    std::fs::write(path("input"), jws.signing_input(0).unwrap()).unwrap();
    std::fs::write(path("signature"), jws.signatures()[0].value()).unwrap();
    let passphrase = lastwrite::signed::Passphrase::from("a b".to_owned());
    key().save_new(&path("key.pem"), None).unwrap();
    key().save_new(&path("locked.pem"), Some(&passphrase)).unwrap();
    for arguments in [
        ["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"].as_slice(),
        &["pkey", "-in", "locked.pem", "-passin", "pass:a b", "-pubout", "-out", "public.pem"],
    ] {
        let read = openssl(arguments);
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    }
    // RFC 8410: twelve fixed bytes before the key make a SubjectPublicKeyInfo.
    let spki = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(), &key().public().to_bytes()].concat();
    std::fs::write(path("public.der"), spki).unwrap();
    let verify = || {
        openssl(&[
            "pkeyutl",
            "-verify",
            "-pubin",
            "-keyform",
            "DER",
            "-inkey",
            "public.der",
            "-rawin",
            "-in",
            "input",
            "-sigfile",
            "signature",
        ])
    };
    assert!(verify().status.success(), "{:?}", verify());
    std::fs::write(path("input"), "something else").unwrap();
    assert!(!verify().status.success());
    // And a key that openssl made is read by us.
    let made = openssl(&["genpkey", "-algorithm", "ed25519", "-out", "theirs.pem"]);
    assert!(made.status.success());
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path("theirs.pem"), std::fs::Permissions::from_mode(0o600)).unwrap();
    StationKey::load(&path("theirs.pem"), None).unwrap();
}

/// The page's own script, from certificate and trust store alone.
#[test]
fn the_shell_script_of_the_page_verifies_and_refuses() {
    if !common::has("openssl") {
        return common::skip("openssl is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    // The signer's key is not the only one in the store.
    let mut trust = trust();
    let other = StationKey::from_seed(&[5; 32]);
    trust.add(TrustedKey::new(other.public().clone(), "Bench 2", Role::Station, None)).unwrap();
    write("trust.jwks.json", &trust.to_bytes());
    write("verify.sh", common::block_of_page("# verify.sh").as_bytes());
    write("good.json", &[certificate().as_slice(), b"\n"].concat());
    let mut changed: Value = serde_json::from_slice(&certificate()).unwrap();
    changed["payload"] = json!(encode_base64url(b"{}"));
    write("changed.json", changed.to_string().as_bytes());
    let run = |file: &str| {
        Command::new("sh").current_dir(dir.path()).args(["verify.sh", file, "trust.jwks.json"]).output().unwrap()
    };
    let good = run("good.json");
    let said = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(good.status.success() && said.contains("Signature Verified Successfully"), "{good:?}");
    assert!(said.contains(&id_of(&payload())), "{said}");
    assert!(!run("changed.json").status.success());
}
