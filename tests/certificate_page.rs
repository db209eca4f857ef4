//! The page that verifies certificates, in a real browser, on files as a person drops them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "page/differential.rs"]
mod differential;
#[allow(dead_code)] // also for other tests
#[path = "documents/samples.rs"]
mod samples;

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use common::station::{Station, text};
use common::webdriver::Browser;
use serde_json::{Value, json};

/// Counts of the summary: valid, not established, invalid.
fn counts(browser: &Browser) -> [u64; 3] {
    ["valid", "consistent", "invalid"].map(|verdict| {
        let script = "return Number(document.querySelector(`.count[data-verdict=${arguments[0]}]`).dataset.count)";
        browser.script(script, json!([verdict])).as_u64().unwrap()
    })
}

/// Chooses files and waits until they are judged.
fn choose(browser: &Browser, files: &[&Path]) {
    let before = browser.script("return Number(document.body.dataset.done)", json!([])).as_u64().unwrap();
    browser.choose("files", files);
    browser.wait_for(&format!("Number(document.body.dataset.done) > {before}"));
}

fn results(browser: &Browser) -> String {
    browser.script("return document.getElementById('results').textContent", json!([])).as_str().unwrap().to_owned()
}

fn page(station: &Station) -> PathBuf {
    let page = station.path("verify.html");
    std::fs::write(&page, station.ok(&["certificate", "page"])).unwrap();
    page
}

fn wiped(station: &Station, name: &str) -> PathBuf {
    let image = station.image(name, 64 << 10);
    let result = &station.json(0, &["wipe", text(&image), "--yes", "--asset", name])[0];
    result["certificate"].as_str().unwrap().into()
}

/// The trust store with every key changed by `change`.
fn trust_with(station: &Station, name: &str, change: impl Fn(&mut Value)) -> PathBuf {
    let mut set: Value =
        serde_json::from_slice(&std::fs::read(station.state().join("trust.jwks.json")).unwrap()).unwrap();
    set["keys"].as_array_mut().unwrap().iter_mut().for_each(change);
    let path = station.path(name);
    std::fs::write(&path, set.to_string()).unwrap();
    path
}

#[test]
fn good_tampered_expired_revoked_and_foreign_certificates_in_a_browser() {
    let Some(browser) = Browser::start() else { return };
    let station = Station::new();
    let page = page(&station);
    let good = wiped(&station, "A-1");
    let trust = station.state().join("trust.jwks.json");

    browser.open(&page);
    choose(&browser, &[&good]);
    assert_eq!(counts(&browser), [0, 1, 0], "nothing is valid without a trust file");
    choose(&browser, &[&trust]);
    assert_eq!(counts(&browser), [1, 0, 0], "{}", results(&browser));
    assert!(results(&browser).contains("bench 1") && results(&browser).contains("A-1"), "{}", results(&browser));

    let document = std::fs::read_to_string(&good).unwrap();
    let at = document.find("\"payload\":\"").unwrap() + 200;
    let tampered = station.path("tampered.json");
    let other = if document.as_bytes()[at] == b'A' { "B" } else { "A" };
    std::fs::write(&tampered, format!("{}{other}{}", &document[..at], &document[at + 1..])).unwrap();
    let twice = station.path("twice.json");
    std::fs::write(&twice, document.replacen("{\"payload\"", "{\"payload\":\"\",\"payload\"", 1)).unwrap();
    let trailing = station.path("trailing.json");
    std::fs::write(&trailing, format!("{document} x")).unwrap();
    let garbage = station.path("garbage.json");
    std::fs::write(&garbage, b"\xff\xfe\0{}").unwrap();
    choose(&browser, &[&tampered, &twice, &trailing, &garbage]);
    assert_eq!(counts(&browser), [1, 0, 4], "{}", results(&browser));
    assert!(results(&browser).contains("stands twice"), "{}", results(&browser));

    let stranger = Station::new();
    for (name, change, expected, word) in [
        ("expired.jwks.json", json!({"valid_until": "2020-01-01T00:00:00Z"}), [0, 0, 1], "expired"),
        ("revoked.jwks.json", json!({"revoked_at": "2020-01-01T00:00:00Z"}), [0, 0, 1], "revoked"),
        ("later.jwks.json", json!({"revoked_at": "2999-01-01T00:00:00Z"}), [0, 1, 0], "backdate"),
        ("role.jwks.json", json!({"role": "witness"}), [0, 0, 1], "witness only"),
    ] {
        let trust = trust_with(&station, name, |key| {
            change.as_object().unwrap().iter().for_each(|(member, value)| key[member] = value.clone());
            if name.starts_with("expired") {
                key["valid_from"] = json!("2019-01-01T00:00:00Z");
            }
        });
        browser.open(&page);
        choose(&browser, &[&trust, &good]);
        assert_eq!(counts(&browser), expected, "{name}: {}", results(&browser));
        assert!(results(&browser).contains(word), "{name}: {}", results(&browser));
    }
    browser.open(&page);
    choose(&browser, &[&stranger.state().join("trust.jwks.json"), &good]);
    assert_eq!(counts(&browser), [0, 0, 1], "{}", results(&browser));
    assert!(results(&browser).contains("not in the trust store"), "{}", results(&browser));
    let errors: Vec<_> = browser.console().into_iter().filter(|line| !line.contains("favicon")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// What travels to a customer: the pages, and a bundle with the custody log's word.
#[cfg(feature = "pdf")]
#[test]
fn a_pdf_and_a_bundle_in_a_browser() {
    let Some(browser) = Browser::start() else { return };
    let station = Station::new();
    let page = page(&station);
    let certificate = wiped(&station, "A-7");
    let trust = station.state().join("trust.jwks.json");
    let (pdf, bundle) = (station.path("lot.pdf"), station.path("lot.bundle.json"));
    station.ok(&["certificate", "pdf", text(&certificate), "--out", text(&pdf)]);
    station.ok(&["certificate", "bundle", text(&certificate), "--out", text(&bundle)]);

    browser.open(&page);
    choose(&browser, &[&trust, &pdf]);
    assert_eq!(counts(&browser), [1, 0, 0], "{}", results(&browser));
    assert!(results(&browser).contains("A-7"), "{}", results(&browser));
    browser.open(&page);
    choose(&browser, &[&trust, &bundle]);
    assert_eq!(counts(&browser), [1, 0, 0], "{}", results(&browser));
    assert!(results(&browser).contains("Custody log"), "{}", results(&browser));

    // One letter of the log's line, and the proof no longer leads to the checkpoint.
    let told = std::fs::read_to_string(&bundle).unwrap();
    let at = told.find("\"line\":\"").unwrap() + 200;
    let other = if told.as_bytes()[at] == b'A' { "B" } else { "A" };
    let changed = station.path("changed.bundle.json");
    std::fs::write(&changed, format!("{}{other}{}", &told[..at], &told[at + 1..])).unwrap();
    let cut = station.path("cut.pdf");
    let whole = std::fs::read(&pdf).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    browser.open(&page);
    choose(&browser, &[&trust, &changed, &cut]);
    assert_eq!(counts(&browser)[0], 0, "{}", results(&browser));
}

#[test]
fn five_hundred_in_one_drop_and_no_request_at_all() {
    let Some(browser) = Browser::start() else { return };
    let station = Station::new();
    let page = page(&station);
    let images: Vec<_> = (0..500).map(|i| station.image(&format!("{i}.img"), 4096)).collect();
    let mut args: Vec<&str> = vec!["wipe", "--yes"];
    args.extend(images.iter().map(|image| text(image)));
    station.ok(&args);
    let mut files = station.files("certificates");
    assert_eq!(files.len(), 500);
    files.push(station.state().join("trust.jwks.json"));

    browser.open(&page);
    browser.requests();
    choose(&browser, &files.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    assert_eq!(counts(&browser), [500, 0, 0], "{}", &results(&browser)[..2000]);

    // As they fall on the page with the mouse.
    let (certificate, trust) =
        (std::fs::read_to_string(&files[0]).unwrap(), std::fs::read_to_string(&files[500]).unwrap());
    browser.open(&page);
    let drop = "const all = new DataTransfer();
        for (const [name, content] of arguments[0]) all.items.add(new File([content], name));
        document.dispatchEvent(new DragEvent('drop', { dataTransfer: all, bubbles: true, cancelable: true }));";
    browser.script(drop, json!([[["a.json", certificate], ["trust.jwks.json", trust]]]));
    browser.wait_for("Number(document.body.dataset.done) > 1");
    assert_eq!(counts(&browser), [1, 0, 0], "{}", results(&browser));

    let asked: Vec<_> = browser.requests().into_iter().filter(|url| !url.starts_with("file://")).collect();
    assert!(asked.is_empty(), "{asked:?}");
    // The policy of the page forbids it, whatever its scripts try.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let tried = browser.promise(&format!(
        "try {{ await fetch('http://{address}/', {{ mode: 'no-cors' }}); return 'sent'; }} catch {{ return 'refused'; }}"
    ));
    assert_eq!(tried, json!("refused"));
    assert!(listener.accept().is_err(), "something was sent");

    if let Some(folder) = std::env::var_os("LASTWRITE_PICTURES") {
        std::fs::write(Path::new(&folder).join("verify-page.png"), browser.screenshot()).unwrap();
    }
}
