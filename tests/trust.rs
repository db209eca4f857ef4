//! Who is believed, for what and when: delegation by a root, rotation, revocation, evidence of time.
//! Through the real binary, on certificates of image files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::station::{Station, both, text};
use common::tsa::Authority;
use lastwrite::certificate::document::DocumentType;
use serde_json::Value;

/// A station that has wiped an image: the certificate's file.
fn wiped(station: &Station, name: &str, more: &[&str]) -> PathBuf {
    let image = station.image(name, 1 << 20);
    let args = [&["wipe", text(&image), "--yes", "--asset", name], more].concat();
    let result = station.json(0, &args).remove(0);
    PathBuf::from(result["certificate"].as_str().unwrap())
}

fn key(station: &Station, name: &str) -> String {
    let file = station.path(&format!("{name}.pem"));
    let made = station.json(0, &["key", "generate", "--name", name, "--unprotected", "--out", text(&file)]).remove(0);
    made["kid"].as_str().unwrap().to_owned()
}

/// The station's own public key file.
fn card(station: &Station) -> PathBuf {
    let file = station.path("station.pub.json");
    let key = station.state().join("keys/station.pem");
    station.ok(&["key", "show", "--key", text(&key), "--name", "bench 1", "--out", text(&file)]);
    file
}

/// A trust store that holds a root and nothing else, and the root's key.
fn root(station: &Station) -> (PathBuf, PathBuf) {
    key(station, "root");
    let trust = station.path("organization.jwks.json");
    let public = station.path("root.pub.json");
    station.ok(&["key", "trust", text(&public), "--role", "root", "--trust", text(&trust)]);
    (trust, station.path("root.pem"))
}

fn verify(station: &Station, code: i32, file: &Path, more: &[&str]) -> Value {
    let args = [&["certificate", "verify", text(file)], more].concat();
    station.json(code, &args).remove(0)["verification"].take()
}

fn check<'a>(verification: &'a Value, name: &str) -> &'a Value {
    let found = verification["checks"].as_array().unwrap().iter().find(|c| c["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name} in {verification:#}"))
}

fn station_kid(station: &Station) -> String {
    let store: Value =
        serde_json::from_slice(&std::fs::read(station.state().join("trust.jwks.json")).unwrap()).unwrap();
    store["keys"][0]["kid"].as_str().unwrap().to_owned()
}

#[test]
fn a_root_alone_in_the_trust_store_vouches_for_the_station() {
    let station = Station::new();
    let certificate = wiped(&station, "a.img", &[]);
    let (trust, root_key) = root(&station);
    let trusted = ["--trust", text(&trust)];
    // The root says nothing yet.
    assert_eq!(check(&verify(&station, 5, &certificate, &trusted), "key known")["outcome"], "failed");
    let card = card(&station);
    let delegate = |more: &[&str]| {
        let base = ["key", "delegate", text(&card), "--role", "station", "--key", text(&root_key)];
        [&base[..], &trusted, more].concat().iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()
    };
    let run = |code: i32, args: &[String]| station.expect(code, &args.iter().map(String::as_str).collect::<Vec<_>>());
    // A window in the past, then a later delegation that takes its place.
    run(0, &delegate(&["--valid-from", "2020-01-01", "--valid-until", "2021-01-01"]));
    assert_eq!(check(&verify(&station, 5, &certificate, &trusted), "key validity")["outcome"], "failed");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    run(0, &delegate(&["--valid-from", "2020-01-01"]));
    let verified = verify(&station, 0, &certificate, &trusted);
    let known = check(&verified, "key known")["detail"].as_str().unwrap();
    assert!(known.contains("vouched for by the root \"root\""), "{known}");

    // Whoever else signs a delegation is not the root.
    key(&station, "mallory");
    let mallory = station.path("mallory.pem");
    let told = both(&station.expect(
        3,
        &["key", "delegate", text(&card), "--role", "station", "--key", text(&mallory), "--trust", text(&trust)],
    ));
    assert!(told.contains("not trusted as a root"), "{told}");

    // A changed line refuses the bundle; a bundle of another root counts for nothing.
    let bundle = station.path("organization.bundle.jsonl");
    let good = std::fs::read_to_string(&bundle).unwrap();
    let mut lines: Vec<Value> = good.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let (a, b) = (lines[0]["payload"].clone(), lines[1]["payload"].clone());
    lines[0]["payload"] = b;
    lines[1]["payload"] = a;
    let swapped: String = lines.iter().map(|l| format!("{l}\n")).collect();
    std::fs::write(&bundle, swapped).unwrap();
    let told = both(&station.expect(5, &["certificate", "verify", text(&certificate), "--trust", text(&trust)]));
    assert!(told.contains("was not signed by the root"), "{told}");
    std::fs::write(&bundle, &good).unwrap();
    let other = station.path("other.jwks.json");
    let public = station.path("mallory.pub.json");
    station.ok(&["key", "trust", text(&public), "--role", "root", "--trust", text(&other)]);
    let args = ["--trust", text(&other), "--bundle", text(&bundle)];
    assert_eq!(check(&verify(&station, 5, &certificate, &args), "key known")["outcome"], "failed");

    // The root is disowned: what it vouched for is not believed any more.
    let root_kid = station.json(0, &["key", "list", "--trust", text(&trust)]).remove(0)["keys"][0]["kid"].clone();
    station.ok(&["key", "revoke", root_kid.as_str().unwrap(), "--trust", text(&trust)]);
    assert_eq!(check(&verify(&station, 5, &certificate, &trusted), "key known")["outcome"], "failed");
}

#[test]
fn a_root_hands_over_to_the_next_root() {
    let station = Station::new();
    let certificate = wiped(&station, "a.img", &[]);
    let (trust, root_key) = root(&station);
    key(&station, "next");
    let (next, next_key) = (station.path("next.pub.json"), station.path("next.pem"));
    let card = card(&station);
    let trusted = ["--trust", text(&trust)];
    let delegate = |public: &Path, role: &str, key: &Path| {
        let args = ["key", "delegate", text(public), "--role", role, "--key", text(key), "--valid-from", "2020-01-01"];
        station.ok(&[&args[..], &trusted].concat());
    };
    delegate(&next, "root", &root_key);
    delegate(&card, "station", &next_key);
    verify(&station, 0, &certificate, &trusted);
    // A revocation list by the new root, of the key that the new root vouches for.
    let kid = station_kid(&station);
    let base = ["key", "revoke", &kid, "--root-key", text(&next_key), "--reason", "retired", "--at", "2020-01-02"];
    station.ok(&[&base[..], &trusted].concat());
    let verified = verify(&station, 5, &certificate, &trusted);
    assert_eq!(check(&verified, "revocation")["outcome"], "failed");
    assert!(check(&verified, "revocation")["detail"].as_str().unwrap().contains("retired"));
}

/// The stolen station key: whoever has it can date what they sign as they like.
#[test]
fn what_a_stolen_key_backdates_is_not_established_and_what_others_saw_before_is() {
    if !common::has("openssl") {
        return common::skip("openssl is not installed");
    }
    let station = Station::new();
    let before = wiped(&station, "before.img", &[]);
    let (trust, root_key) = root(&station);
    let card = card(&station);
    let trusted = ["--trust", text(&trust)];
    let base =
        ["key", "delegate", text(&card), "--role", "station", "--key", text(&root_key), "--valid-from", "2020-01-01"];
    station.ok(&[&base[..], &trusted].concat());

    // A time-stamping authority sees the first certificate's signature.
    let authority = Authority::start(&station.path("tsa"), "tsa_ext");
    std::fs::copy(authority.root(), station.path("organization.tsa.pem")).unwrap();
    let stamped = station
        .json(0, &[&["certificate", "timestamp", text(&before), "--authority", &authority.url], &trusted[..]].concat());
    assert!(stamped[0]["by"].as_str().unwrap().contains("Test-TSA"), "{stamped:?}");
    std::thread::sleep(std::time::Duration::from_millis(2100)); // the token's accuracy is a second

    // The key is stolen: the thief signs another certificate and dates it as they please.
    let after = wiped(&station, "after.img", &[]);
    let kid = station_kid(&station);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let base = ["key", "revoke", &kid, "--root-key", text(&root_key), "--reason", "compromised"];
    station.ok(&[&base[..], &trusted].concat());

    let good = verify(&station, 0, &before, &trusted);
    assert_eq!(good["verdict"], "valid");
    let detail = check(&good, "revocation")["detail"].as_str().unwrap();
    assert!(detail.contains("compromised") && detail.contains("after this was signed"), "{detail}");
    assert_eq!(check(&good, "time evidence")["outcome"], "passed");
    let doubtful = verify(&station, 5, &after, &trusted);
    assert_eq!(doubtful["verdict"], "consistent_signer_unknown");
    assert_eq!(check(&doubtful, "revocation")["outcome"], "unknown");
    // Evidence of another document does not help it, and one that is younger than the revocation neither.
    let stolen = before.with_extension("tsr");
    let args = [&trusted[..], &["--evidence", text(&stolen)]].concat();
    assert_eq!(check(&verify(&station, 5, &after, &args), "revocation")["outcome"], "unknown");
    station.ok(&[&["certificate", "timestamp", text(&after), "--authority", &authority.url], &trusted[..]].concat());
    let late = verify(&station, 5, &after, &trusted);
    assert_eq!(check(&late, "revocation")["outcome"], "unknown");
    assert!(check(&late, "revocation")["detail"].as_str().unwrap().contains("is not before that"), "{late:#}");
    // Dated after the revocation it is simply wrong.
    let later = wiped(&station, "later.img", &[]);
    assert_eq!(check(&verify(&station, 5, &later, &trusted), "revocation")["outcome"], "failed");
    // A token that was tampered with is no evidence.
    let token = before.with_extension("tsr");
    let mut bytes = std::fs::read(&token).unwrap();
    let middle = bytes.len() - 10;
    bytes[middle] ^= 1;
    std::fs::write(&token, bytes).unwrap();
    let output = station.expect(5, &[&["certificate", "verify", text(&before)], &trusted[..]].concat());
    assert!(both(&output).contains("is no evidence"), "{}", both(&output));
}

#[test]
fn tokens_of_strangers_and_of_certificates_that_may_not_stamp_count_for_nothing() {
    if !common::has("openssl") {
        return common::skip("openssl is not installed");
    }
    let station = Station::new();
    let certificate = wiped(&station, "a.img", &[]);
    let ours = Authority::start(&station.path("tsa"), "tsa_ext");
    let stranger = Authority::start(&station.path("stranger"), "tsa_ext");
    let state = station.state();
    std::fs::copy(ours.root(), state.join("trust.tsa.pem")).unwrap();
    let told =
        both(&station.expect(5, &["certificate", "timestamp", text(&certificate), "--authority", &stranger.url]));
    assert!(told.contains("no authority that is trusted"), "{told}");
    assert!(!certificate.with_extension("tsr").exists());
    // openssl itself refuses to stamp with a certificate that may not; so the answer is an error.
    let told = both(
        &station.expect(1, &["certificate", "timestamp", text(&certificate), "--authority", "http://127.0.0.1:1/"]),
    );
    assert!(told.contains("could not be asked"), "{told}");
    station.expect(1, &["certificate", "timestamp", text(&certificate), "--authority", "https://example.org/"]);
    station.expect(2, &["certificate", "timestamp", text(&certificate)]);
    station.expect(2, &["certificate", "timestamp", text(&certificate), "--authority", &ours.url, "--signature", "2"]);
    // Offline: the question is carried there, the answer back.
    let (question, answer) = (station.path("q.tsq"), station.path("a.tsr"));
    station.ok(&["certificate", "timestamp", text(&certificate), "--query", text(&question)]);
    ours.reply(&question, &answer);
    station.ok(&["certificate", "timestamp", text(&certificate), "--import", text(&answer)]);
    let verified = verify(&station, 0, &certificate, &[]);
    assert!(check(&verified, "time evidence")["detail"].as_str().unwrap().contains("time-stamp token"));
    // openssl agrees with us on the token.
    let imprint = lastwrite::signed::Jws::parse(&std::fs::read(&certificate).unwrap()).unwrap();
    std::fs::write(station.path("signature"), imprint.signatures()[0].value()).unwrap();
    let args = ["ts", "-verify", "-data", "signature", "-in", "a.tsr", "-CAfile", "tsa/ca.pem"];
    let openssl = std::process::Command::new("openssl").current_dir(station.dir.path()).args(args).output().unwrap();
    assert!(openssl.status.success(), "{}", String::from_utf8_lossy(&openssl.stderr));
    // The answer to another question is refused.
    let other = wiped(&station, "b.img", &[]);
    let told = both(&station.expect(5, &["certificate", "timestamp", text(&other), "--import", text(&answer)]));
    assert!(told.contains("something else"), "{told}");
}

#[test]
fn a_register_and_a_witness_say_when_it_was_there() {
    let station = Station::new();
    let (countersigned, witnessed) = (wiped(&station, "a.img", &[]), wiped(&station, "b.img", &[]));
    let trust = station.state().join("trust.jwks.json");
    for (name, role) in [("register", "register"), ("wanda", "witness")] {
        key(&station, name);
        let public = station.path(&format!("{name}.pub.json"));
        station.ok(&["key", "trust", text(&public), "--role", role, "--trust", text(&trust)]);
    }
    let (register, wanda) = (station.path("register.pem"), station.path("wanda.pem"));
    // Only a register countersigns.
    station.expect(3, &["certificate", "countersign", text(&countersigned), "--key", text(&wanda)]);
    station.ok(&["certificate", "countersign", text(&countersigned), "--key", text(&register)]);
    // A witness cosigns the checkpoint, and the proof leads from it to the document.
    let (point, seen) = (station.path("1.checkpoint"), station.path("seen.json"));
    station.ok(&["custody", "checkpoint", "--out", text(&point)]);
    let cosign = |code: i32, point: &Path, more: &[&str]| {
        let base = ["custody", "cosign", text(point), "--name", "witness.example/1", "--key", text(&wanda)];
        station.expect(code, &[&base[..], &["--seen", text(&seen)], more].concat())
    };
    assert!(both(&cosign(0, &point, &[])).contains("was not seen before"));
    station.ok(&["custody", "prove", text(&witnessed), "--checkpoint", text(&point)]);
    for (file, word) in [(&countersigned, "countersignature"), (&witnessed, "cosigned checkpoint")] {
        let verified = verify(&station, 0, file, &[]);
        let detail = check(&verified, "time evidence")["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(word), "{detail}");
    }
    // Both hold after the station's key is revoked; nothing else does.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let kid = station_kid(&station);
    let alone = wiped(&station, "c.img", &[]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    station.ok(&["key", "revoke", &kid]);
    verify(&station, 0, &countersigned, &[]);
    verify(&station, 0, &witnessed, &[]);
    assert_eq!(check(&verify(&station, 5, &alone, &[]), "revocation")["outcome"], "unknown");
    // Somebody else's proof is none of this document's.
    let proof = witnessed.with_extension("proof");
    let args = ["--evidence", text(&proof)];
    assert_eq!(check(&verify(&station, 5, &alone, &args), "revocation")["outcome"], "unknown");
    // A witness that is disowned says nothing any more.
    let wanda_kid = station.json(0, &["key", "show", "--key", text(&wanda)]).remove(0)["kid"].clone();
    station.ok(&["key", "revoke", wanda_kid.as_str().unwrap()]);
    assert_eq!(check(&verify(&station, 5, &witnessed, &[]), "revocation")["outcome"], "unknown");
}

/// Evidence is signed by somebody else over what it is about, so it proves the same wherever the document lies.
#[test]
fn evidence_of_time_counts_for_what_lies_in_a_bundle_or_a_pdf_as_for_what_lies_alone() {
    let station = Station::new();
    let kim = key(&station, "Kim");
    key(&station, "register");
    for (name, role) in [("Kim", "operator"), ("register", "register")] {
        let public = station.path(&format!("{name}.pub.json"));
        station.ok(&["key", "trust", text(&public), "--role", role]);
    }
    let (operator, register) = (station.path("Kim.pem"), station.path("register.pem"));
    let [signed, other] = ["a.img", "b.img"].map(|name| wiped(&station, name, &["--operator-key", text(&operator)]));
    station.ok(&["certificate", "countersign", text(&signed), text(&other), "--key", text(&register)]);
    let evidence = signed.with_extension("countersignature");
    let customer = station.path("customer");
    std::fs::create_dir(&customer).unwrap();
    let bundle = customer.join("lot.bundle.json");
    station.ok(&["certificate", "bundle", text(&signed), "--out", text(&bundle)]);
    let mut files = vec![bundle.clone()];
    if cfg!(feature = "pdf") {
        files.push(customer.join("lot.pdf"));
        station.ok(&["certificate", "pdf", text(&signed), "--out", text(&files[1])]);
    }
    std::thread::sleep(std::time::Duration::from_millis(1100));
    station.ok(&["key", "revoke", &kim]);
    verify(&station, 0, &signed, &[]);

    let judged = |code: i32, file: &Path, evidence: &Path| {
        station.expect(code, &["certificate", "verify", text(file), "--evidence", text(evidence)])
    };
    let changed = station.path("changed.countersignature");
    let good = std::fs::read_to_string(&evidence).unwrap();
    let at = good.find("\"signature\":\"").unwrap() + 30;
    let word = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
    std::fs::write(&changed, format!("{}{word}{}", &good[..at], &good[at + 1..])).unwrap();
    for file in &files {
        let told = both(&station.expect(5, &["certificate", "verify", text(file)]));
        assert!(told.contains("whoever holds a key can backdate") && told.contains("NOT ESTABLISHED"), "{told}");
        judged(0, file, &evidence);
        // What is about another document, or was changed, helps nobody.
        judged(5, file, &other.with_extension("countersignature"));
        assert!(both(&judged(5, file, &changed)).contains("is no evidence"));
    }
    let told = station.json(0, &["certificate", "verify", text(&bundle), "--evidence", text(&evidence)]).remove(0);
    let told = &told["bundle"]["documents"][0];
    assert_eq!((&told["verdict"], &check(told, "time evidence")["outcome"]), (&"valid".into(), &"passed".into()));
    // It bears the document's id, and lies beside what holds the document.
    std::fs::copy(&evidence, customer.join(evidence.file_name().unwrap())).unwrap();
    for file in &files {
        station.ok(&["certificate", "verify", text(file)]);
    }
}

/// The forked log: a witness cosigns only what grew from what it saw.
#[test]
fn a_witness_refuses_a_log_that_did_not_grow_from_what_it_saw() {
    let station = Station::new();
    key(&station, "wanda");
    let (wanda, seen) = (station.path("wanda.pem"), station.path("seen.json"));
    let checkpoint = |name: &str| {
        let path = station.path(name);
        station.ok(&["custody", "checkpoint", "--out", text(&path)]);
        path
    };
    let cosign = |code: i32, point: &Path, more: &[&str]| {
        let base = ["custody", "cosign", text(point), "--name", "w", "--key", text(&wanda), "--seen", text(&seen)];
        both(&station.expect(code, &[&base[..], more].concat()))
    };
    wiped(&station, "a.img", &[]);
    cosign(0, &checkpoint("1.checkpoint"), &[]);
    let log = station.state().join("custody");
    let copy = station.path("fork");
    let copied = std::process::Command::new("cp").arg("-a").args([&log, &copy]).status().unwrap();
    assert!(copied.success());
    wiped(&station, "b.img", &[]);
    let second = checkpoint("2.checkpoint");
    assert!(cosign(3, &second, &[]).contains("needs a proof"));
    let growth = station.path("growth.json");
    station.ok(&["custody", "growth", "--from", "2", "--checkpoint", text(&second), "--out", text(&growth)]);
    cosign(0, &second, &["--growth", text(&growth)]);
    // The log is put back to what it was and goes another way.
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(&copy, &log).unwrap();
    wiped(&station, "c.img", &[]);
    assert!(cosign(5, &checkpoint("3.checkpoint"), &[]).contains("cut or forked"));
    wiped(&station, "d.img", &[]);
    let fourth = checkpoint("4.checkpoint");
    let growth = station.path("growth2.json");
    station.ok(&["custody", "growth", "--from", "4", "--checkpoint", text(&fourth), "--out", text(&growth)]);
    assert!(cosign(5, &fourth, &["--growth", text(&growth)]).contains("forked or edited"));
}

#[test]
fn a_station_key_is_rotated_and_both_are_believed_for_their_time() {
    let station = Station::new();
    let before = wiped(&station, "a.img", &[]);
    let old = station_kid(&station);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    station.expect(2, &["key", "rotate"]);
    let rotated = station.json(0, &["key", "rotate", "--station", "--unprotected"]).remove(0);
    assert_eq!(rotated["old"], old);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let after = wiped(&station, "b.img", &[]);
    for file in [&before, &after] {
        assert_eq!(verify(&station, 0, file, &[])["verdict"], "valid");
    }
    station.ok(&["custody", "audit"]);
    let log = station.ok(&["custody", "log"]);
    assert!(log.contains("station.key_rotated"), "{log}");
    // A run under way was begun under the old key.
    std::fs::write(station.state().join("journal/0123.jsonl"), "").unwrap();
    let told = both(&station.expect(3, &["key", "rotate", "--station", "--unprotected"]));
    assert!(told.contains("runs are under way"), "{told}");
}

/// The lying operator: a name is a claim until its own key has signed.
#[test]
fn an_operator_with_a_key_signs_and_a_witness_is_somebody_else() {
    let station = Station::new();
    let claimed = wiped(&station, "a.img", &["--operator", "Kim"]);
    let says = |file: &Path| -> Value {
        station.json(0, &["certificate", "show", text(file)]).remove(0)["document"]["facts"]["operator"].take()
    };
    assert_eq!(says(&claimed)["standing"], "claimed");
    let kid = key(&station, "Kim");
    key(&station, "Wanda");
    let (kim, wanda) = (station.path("Kim.pem"), station.path("Wanda.pem"));
    // A key that nobody trusts as operator would spoil the certificate, so nothing is wiped.
    let image = station.image("b.img", 1 << 20);
    station.expect(3, &["wipe", text(&image), "--yes", "--operator-key", text(&kim)]);
    assert!(common::station::marks_in(&image) > 0);
    let trust = |name: &str, roles: &[&str]| {
        let public = station.path(&format!("{name}.pub.json"));
        let mut args = vec!["key", "trust", text(&public)];
        roles.iter().for_each(|role| args.extend(["--role", role]));
        station.ok(&args);
    };
    trust("Kim", &["operator", "witness"]);
    let signed = wiped(&station, "c.img", &["--operator-key", text(&kim)]);
    assert_eq!((&says(&signed)["standing"], &says(&signed)["kid"]), (&"signed".into(), &kid.into()));
    let verified = verify(&station, 0, &signed, &[]);
    assert_eq!(check(&verified, "operator")["outcome"], "passed");
    // Without the operator's signature the same document is not complete.
    let mut document: Value = serde_json::from_slice(&std::fs::read(&signed).unwrap()).unwrap();
    assert_eq!(document["signatures"].as_array().unwrap().len(), 2);
    document["signatures"].as_array_mut().unwrap().pop();
    let cut = station.path("cut.json");
    std::fs::write(&cut, document.to_string()).unwrap();
    let verified = verify(&station, 5, &cut, &[]);
    assert_eq!(check(&verified, "operator")["outcome"], "unknown");
    // Nobody else can sign as that operator, and the operator is no witness of themselves.
    let sign = |code: i32, file: &Path, key: &Path, role: &str| {
        both(&station.expect(code, &["certificate", "sign", text(file), "--key", text(key), "--role", role]))
    };
    assert!(sign(3, &signed, &wanda, "witness").contains("not in the trust store"));
    trust("Wanda", &["witness"]);
    assert!(sign(3, &signed, &wanda, "operator").contains("names key"));
    assert!(sign(3, &signed, &kim, "witness").contains("two persons"));
    assert!(sign(3, &claimed, &kim, "witness").contains("two persons"));
    let id = station.json(0, &["certificate", "show", text(&signed)]).remove(0)["id"].clone();
    sign(0, &signed, &wanda, "witness");
    assert!(sign(3, &signed, &wanda, "witness").contains("already"));
    let verified = verify(&station, 0, &signed, &[]);
    assert_eq!(verified["id"], id, "the id stays");
    assert_eq!(verified["checks"].as_array().unwrap().iter().filter(|c| c["name"] == "signature").count(), 3);
    sign(0, &cut, &kim, "operator");
    verify(&station, 0, &cut, &[]);
}

/// What a certificate says that nobody can read is unknown; that it releases nothing would be said of it, too.
#[test]
fn of_a_certificate_that_cannot_be_read_nothing_is_claimed() {
    let station = Station::new();
    let file = wiped(&station, "disk.img", &[]);
    let mut document: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    // One character of the payload: no JSON any more, and still a certificate by its header.
    let payload = document["payload"].as_str().unwrap().to_owned();
    document["payload"] = format!("A{}", &payload[1..]).into();
    let bad = station.path("bad.json");
    std::fs::write(&bad, document.to_string()).unwrap();
    let found = verify(&station, 5, &bad, &[]);
    assert_eq!(check(&found, "signature")["outcome"], "failed", "{found}");
    let asked = check(&found, "asked for");
    assert_eq!(asked["outcome"], "unknown", "{found}");
    assert!(asked["detail"].as_str().unwrap().contains("could not be read"), "{found}");
    assert!(!found.to_string().contains("precedes destruction"), "{found}");
    // The same under the header of a failure report: nor is it known that a run failed.
    let header = serde_json::json!({ "alg": "Ed25519", "typ": DocumentType::FailureReport.typ(), "kid": "x" });
    document["signatures"][0]["protected"] = URL_SAFE_NO_PAD.encode(header.to_string()).into();
    std::fs::write(&bad, document.to_string()).unwrap();
    let found = verify(&station, 5, &bad, &[]);
    assert_eq!(check(&found, "asked for")["outcome"], "unknown", "{found}");
}
