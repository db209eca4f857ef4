//! Certificates as PDF: the signed documents inside, and pages that are theirs.
#![cfg(all(feature = "erase", feature = "pdf"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use common::station::{Station, both, text};
use common::tool;

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
