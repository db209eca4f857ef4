//! Certificates as PDF: the signed documents inside, and pages that are theirs.
#![cfg(all(feature = "erase", feature = "pdf"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[allow(dead_code)] // also for other tests
#[path = "documents/samples.rs"]
mod samples;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use common::station::{Station, both, text};
use common::tool;
use lastwrite::certificate::document::*;
use lastwrite::certificate::pdf::{Brand, Look, Paper, Words, pdf};
use lastwrite::sanitize::record::RunFacts;
use lastwrite::signed::Role;
use serde_json::json;

fn wiped(station: &Station, name: &str) -> PathBuf {
    let image = station.image(name, 64 << 10);
    let result = &station.json(0, &["wipe", text(&image), "--yes", "--asset", name, "--operator", "Zoë Müller"])[0];
    result["certificate"].as_str().unwrap().into()
}

fn made(station: &Station, name: &str, args: &[&str]) -> PathBuf {
    let out = station.path(name);
    let mut all = vec!["certificate", "pdf", "--out", text(&out)];
    all.extend(args);
    station.ok(&all);
    out
}

fn verify(station: &Station, code: i32, pdf: &Path) -> String {
    let trust = station.state().join("trust.jwks.json");
    both(&station.expect(code, &["certificate", "verify", text(pdf), "--trust", text(&trust)]))
}

#[test]
fn what_is_inside_is_the_certificate_and_the_pages_are_its_own() {
    let station = Station::new();
    let certificate = wiped(&station, "A-1");
    std::fs::write(
        station.state().join("brand.toml"),
        "address = [\"1 Example Street\", \"Example Town\"]\nfooter = \"Example Org\"\nverify_address = \"https://example.org/v\"\n",
    )
    .unwrap();
    for (name, language, title) in
        [("en.pdf", "en", "Certificate of Sanitization"), ("de.pdf", "de", "Löschzertifikat")]
    {
        let pdf = made(&station, name, &[text(&certificate), "--language", language]);
        let told = verify(&station, 0, &pdf);
        assert!(
            told.split_whitespace().collect::<Vec<_>>().join(" ").contains("pages are exactly those of the"),
            "{told}"
        );
        let Some(shown) = tool("pdftotext", &[pdf.as_os_str(), OsStr::new("-")]) else { return };
        // Where a line ends is the layout's affair.
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("letterhead"), "{told}");
        for word in [title, "A-1", "Zoë Müller", "1 Example Street"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        tool("qpdf", &[OsStr::new("--check"), pdf.as_os_str()]);
        let out = station.path(&format!("{name}.json"));
        tool("pdfdetach", &[OsStr::new("-save"), OsStr::new("1"), OsStr::new("-o"), out.as_os_str(), pdf.as_os_str()]);
        assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&certificate).unwrap(), "as it was signed");
        if let Some(folder) = std::env::var_os("LASTWRITE_PICTURES") {
            std::fs::copy(&pdf, Path::new(&folder).join(name)).unwrap();
        }
    }
    // Never over another file.
    let out = station.path("en.pdf");
    station.expect(1, &["certificate", "pdf", text(&certificate), "--out", text(&out)]);
    let letter = made(&station, "letter.pdf", &[text(&certificate), "--paper", "letter"]);
    verify(&station, 0, &letter);
}

#[test]
fn a_pdf_that_was_changed_is_no_proof() {
    let station = Station::new();
    let certificate = wiped(&station, "A-2");
    let pdf = made(&station, "a.pdf", &[text(&certificate)]);
    let bytes = std::fs::read(&pdf).unwrap();
    // One more byte after the end: readers show the same pages, but they are not ours any more.
    let changed = station.path("changed.pdf");
    std::fs::write(&changed, [bytes.as_slice(), b"\n"].concat()).unwrap();
    assert!(verify(&station, 5, &changed).contains("NOT those"));
    let cut = station.path("cut.pdf");
    std::fs::write(&cut, &bytes[..bytes.len() / 3]).unwrap();
    verify(&station, 5, &cut);
    let empty = station.path("empty.pdf");
    std::fs::write(&empty, b"%PDF-1.7\n%%EOF\n").unwrap();
    verify(&station, 5, &empty);
    let tampered = station.path("tampered.json");
    let document = std::fs::read_to_string(&certificate).unwrap();
    std::fs::write(&tampered, document.replacen("\"payload\":\"eyJ", "\"payload\":\"eyK", 1)).unwrap();
    station.expect(5, &["certificate", "pdf", text(&tampered), "--out", text(&station.path("t.pdf"))]);
    assert!(!station.path("t.pdf").exists());
}

/// What `certificate verify` at the same station calls invalid gets no green pages.
#[test]
fn what_the_station_knows_against_a_document_keeps_it_from_having_pages() {
    let station = Station::new();
    let (certificate, other) = (wiped(&station, "A-4"), wiped(&station, "A-5"));
    let key = station.path("vera.pem");
    station.ok(&["key", "generate", "--name", "vera", "--unprotected", "--out", text(&key)]);
    station.ok(&["key", "trust", text(&station.path("vera.pub.json")), "--role", "validator"]);
    let said = |args: &[&str]| -> String {
        let all = [&["certificate"][..], args, &["--key", text(&key), "--reason", "too narrow"]].concat();
        station.json(0, &all)[0]["files"][0].as_str().unwrap().to_owned()
    };
    let out = station.path("no.pdf");
    let refused = |why: &str| {
        let args = ["certificate", "pdf", text(&other), text(&certificate), "--out", text(&out)];
        let told = both(&station.expect(5, &args));
        assert!(told.contains(why) && told.contains("nothing was written") && !out.exists(), "{told}");
    };
    let rejected = said(&["validate", text(&certificate), "--reject"]);
    refused("REJECTED by vera");
    made(&station, "rejected.pdf", &[&rejected]);
    let id = Path::new(&rejected).file_stem().unwrap().to_str().unwrap();
    said(&["validate", text(&certificate), "--accept", "--replaces", id]);
    verify(&station, 0, &made(&station, "both.pdf", &[text(&other), text(&certificate)]));
    said(&["revoke", text(&certificate), "--cause", "error"]);
    refused("revoked by vera");
}

/// Whoever chooses the words chooses what the pages say: a good document inside does not make them its own.
#[test]
fn pages_in_words_of_their_makers_own_do_not_pass_for_those_of_the_document() {
    let station = Station::new();
    let certificate = wiped(&station, "A-3");
    let words = station.path("xx.toml");
    let english = include_str!("../src/certificate/pdf/words/en.toml");
    let grade = english.lines().find(|line| line.starts_with("grade_c = ")).unwrap();
    let promised = "A: attained as requested, proven by reading everything";
    let promising = english.replacen(grade, &format!("grade_c = \"{promised}\""), 1);
    // The program's own words under another name are somebody's own as well.
    for (name, text_of) in [("own.pdf", promising.as_str()), ("copied.pdf", english)] {
        std::fs::write(&words, text_of).unwrap();
        let pdf = made(&station, name, &[text(&certificate), "--language", text(&words)]);
        let said = &station.json(5, &["certificate", "verify", text(&pdf)])[0]["verification"];
        assert_eq!(said["verdict"], "consistent_signer_unknown", "{said:#}");
        let pages = said["checks"].as_array().unwrap().iter().find(|check| check["name"] == "pages").unwrap();
        assert_eq!(pages["outcome"], "unknown", "{pages}");
        assert!(pages["detail"].as_str().unwrap().contains("words of its maker's own"), "{pages}");
    }
    // The document itself is good.
    verify(&station, 0, &certificate);
    // What says that the program's words were used and holds others is not what they make.
    let view = |own: &str| json!(own).to_string();
    let pdf = std::fs::read(station.path("own.pdf")).unwrap();
    let document = lopdf::Document::load_mem(&pdf).unwrap();
    let hidden = document.objects.iter().find_map(|(id, object)| {
        let stream = object.as_stream().ok()?;
        let content = stream.decompressed_content().unwrap_or_else(|_| stream.content.clone());
        let said = String::from_utf8(content).ok().filter(|said| said.contains(&view(&promising)))?;
        Some((*id, said.replace(&view(&promising), "null").replace("\"language\":\"xx\"", "\"language\":\"en\"")))
    });
    let (id, said) = hidden.expect("view.json holds the words");
    let mut document = document;
    let lopdf::Object::Stream(stream) = document.objects.get_mut(&id).unwrap() else { panic!("no stream") };
    stream.dict.remove(b"Filter");
    stream.set_plain_content(said.into_bytes());
    let forged = station.path("forged.pdf");
    document.save(&forged).unwrap();
    assert!(verify(&station, 5, &forged).contains("NOT those"));
}

#[test]
fn many_certificates_are_a_table_with_all_of_them_inside() {
    let station = Station::new();
    let certificates: Vec<_> = (0..12).map(|i| wiped(&station, &format!("B-{i}"))).collect();
    let names: Vec<&str> = certificates.iter().map(|c| text(c)).collect();
    let pdf = made(&station, "lot.pdf", &names);
    let told = verify(&station, 0, &pdf);
    assert_eq!(told.matches("VALID").count(), 12, "{told}");
    if let Some(folder) = std::env::var_os("LASTWRITE_PICTURES") {
        std::fs::copy(&pdf, Path::new(&folder).join("lot.pdf")).unwrap();
    }
}

/// Every sort of document that has pages, and runs that tell of more than the plain one does.
fn sorts() -> Vec<(String, Vec<u8>)> {
    use samples::*;
    let mut found: Vec<_> = all()
        .into_iter()
        .filter(|(kind, ..)| !matches!(kind, DocumentType::Transfer | DocumentType::Discrepancy))
        .map(|(kind, payload, signers)| (kind.name().replace(' ', "-"), signed(&payload, kind.typ(), &signers)))
        .collect();
    let facts_with = |change: &dyn Fn(&mut serde_json::Value)| -> RunFacts {
        let mut facts = serde_json::to_value(facts()).unwrap();
        change(&mut facts);
        serde_json::from_value(facts).unwrap()
    };
    let areas = ["host_protected_area", "device_configuration_overlay", "accessible_max_address"];
    let area =
        |(kind, outcome): (&&str, &str)| json!({"kind": kind, "size": "524288", "note": "n", "outcome": outcome});
    let areas: Vec<_> = areas.iter().zip(["given_back", "excluded", "unknown"]).map(area).collect();
    let hidden = json!({"state": "examined", "by": "READ NATIVE MAX ADDRESS EXT", "areas": areas});
    let unseen = json!({"state": "not_examined", "why": "the overwrite reaches the capacity the host can address"});
    let operator = json!({"name": "Zo\u{eb} M\u{fc}ller", "standing": "claimed"});
    found.push(("certificate".into(), certificate_of(&facts_with(&|f| f["operator"] = operator.clone()))));
    found.push(("hidden".into(), certificate_of(&facts_with(&|f| f["hidden_areas"] = hidden.clone()))));
    found.push(("unseen".into(), certificate_of(&facts_with(&|f| f["hidden_areas"] = unseen.clone()))));
    found.push(("before-destruction".into(), certificate_of(&before_destruction())));
    found.push(("failure-report".into(), failure_report()));
    let accepted = serde_json::to_vec(&validation(Decision::Accepted)).unwrap();
    found.push(("accepted".into(), signed(&accepted, DocumentType::Validation.typ(), &[(VALIDATOR, Role::Validator)])));
    let degaussed = Destruction {
        technique: DestructionTechnique::Degauss { field_oersted: 20_000, coercivity_oersted: Some(5_000) },
        material: Material::HardDisk,
        attained: lastwrite::policy::Method::Purge,
        standard: Some("DIN 66399-3, 5.2".into()),
        notes: Some("The platters were removed before.".into()),
        ..destruction()
    };
    let degaussed = serde_json::to_vec(&degaussed).unwrap();
    let signers = [(OPERATOR, Role::Operator), (WITNESS, Role::Witness)];
    found.push(("degaussed".into(), signed(&degaussed, DocumentType::Destruction.typ(), &signers)));
    found
}

/// Nothing stands on a page by the key of its word, and in German nothing in English but what was signed so.
#[test]
fn every_sort_of_document_is_one_page_in_every_language() {
    let folder = tempfile::tempdir().unwrap();
    let look = |code| Look {
        brand: Brand::plain("Example GmbH"),
        words: Words::of(code).unwrap(),
        paper: Paper::A4,
        template: None,
    };
    let (english, german) = (Words::of("en").unwrap(), Words::of("de").unwrap());
    for (name, document) in sorts() {
        for code in ["en", "de"] {
            let made = pdf(std::slice::from_ref(&document), &look(code)).unwrap();
            let path = folder.path().join(format!("{name}.{code}.pdf"));
            std::fs::write(&path, &made.bytes).unwrap();
            if let Some(pictures) = std::env::var_os("LASTWRITE_PICTURES") {
                std::fs::copy(&path, Path::new(&pictures).join(format!("{name}.{code}.pdf"))).unwrap();
            }
            assert_eq!(lopdf::Document::load_mem(&made.bytes).unwrap().get_pages().len(), 1, "{name} {code}");
            let Some(shown) = tool("pdftotext", &[path.as_os_str(), OsStr::new("-")]) else { return };
            // Only thumbprints of keys may.
            let keys =
                shown.split_whitespace().filter(|word| word.contains('_') && word.trim_end_matches(',').len() != 43);
            assert_eq!(keys.collect::<Vec<_>>(), [""; 0], "{name} {code}: {shown}");
            let run =
                ["certificate", "hidden", "unseen", "before-destruction", "failure-report"].contains(&name.as_str());
            if code == "en" || run {
                continue;
            }
            for (key, word) in english.all().iter().filter(|(key, word)| !word.is_empty() && german.get(key) != *word) {
                assert!(!shown.lines().any(|line| line.trim() == word), "{name}: {key} = {word}: {shown}");
            }
        }
    }
}

/// It is a good certificate, and releases nothing: alone, and beside others in a table.
#[test]
fn pages_of_a_run_before_destruction_say_that_it_releases_nothing() {
    use samples::*;
    let folder = tempfile::tempdir().unwrap();
    let other = RunFacts { run_id: "ab".repeat(16), ..before_destruction() };
    let (one, two) = (certificate_of(&before_destruction()), certificate_of(&other));
    for (code, releases_nothing, passed) in
        [("en", "releases nothing", "Passed"), ("de", "gibt nichts frei", "Bestanden")]
    {
        let look = Look {
            brand: Brand::plain("Example GmbH"),
            words: Words::of(code).unwrap(),
            paper: Paper::A4,
            template: None,
        };
        // In a table each has its line, and so has what they come to.
        for (name, documents, least) in [
            ("one", vec![one.clone()], 2),
            ("two", vec![one.clone(), two.clone()], 3),
            ("proven", vec![one.clone(), certificate()], 2),
            ("good", vec![certificate()], 0),
        ] {
            let path = folder.path().join(format!("{name}.{code}.pdf"));
            std::fs::write(&path, pdf(&documents, &look).unwrap().bytes).unwrap();
            let Some(shown) = tool("pdftotext", &[path.as_os_str(), OsStr::new("-")]) else { return };
            let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(shown.matches(releases_nothing).count(), least, "{name}, {code}: {shown}");
            assert!(!shown.contains(passed), "{name}, {code}: {shown}");
        }
    }
}
