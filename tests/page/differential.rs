//! The program and the page judge the same: good documents of every sort, and thousands that differ from one in a
//! single place, rightly signed. What the program calls invalid, the page never calls valid. In one thing the page is
//! stricter: bytes that were sent to a drive, or came back, must be in lower-case hex.

mod beside;
mod bundles;
mod judged;
mod roots;
mod runs;
mod spoken;
mod tokens;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lastwrite::certificate::Verdict;
use lastwrite::certificate::document::{DocumentType, Related, verify_any_with};
use lastwrite::custody::{ENTRY_TYP, Entry, Inclusion, Note, leaf_hash};
use lastwrite::signed::{Jws, Role, TimeEvidence, TrustStore, TrustedKey, countersign, read_countersignature, sign};
use lastwrite::units::Bytes;
use serde_json::{Value, json};

use self::runs::*;
use super::common::places::places;
use super::common::webdriver::Browser;
use super::samples::*;

const REGISTER: u8 = 20;

/// The samples' trust store with a register and a witness of the log.
fn trusted() -> TrustStore {
    let mut trust = trust();
    trust.add(TrustedKey::new(key(REGISTER).public().clone(), "Register", Role::Register, None)).unwrap();
    trust
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::ConsistentSignerUnknown => "consistent",
        Verdict::Invalid => "invalid",
    }
}

/// What the page makes of files that fall on it together: verdicts by file name.
fn on_the_page(browser: &Browser, files: &[(String, Vec<u8>)]) -> BTreeMap<String, String> {
    let before = browser.script("return Number(document.body.dataset.done)", json!([])).as_u64().unwrap();
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name, STANDARD.encode(bytes))).collect();
    let drop = "const all = new DataTransfer();
        const bytes = (content) => Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
        for (const [name, content] of arguments[0]) all.items.add(new File([bytes(content)], name));
        document.dispatchEvent(new DragEvent('drop', { dataTransfer: all, bubbles: true, cancelable: true }));";
    browser.script(drop, json!([files]));
    browser.wait_for(&format!("Number(document.body.dataset.done) > {before}"));
    let read = "return [...document.querySelectorAll('#results article')].map((card) =>
        [card.querySelector('.file').textContent, card.dataset.verdict])";
    serde_json::from_value::<Vec<(String, String)>>(browser.script(read, json!([]))).unwrap().into_iter().collect()
}

fn open(browser: &Browser, page: &std::path::Path, trust: &TrustStore) {
    browser.open(page);
    on_the_page(browser, &[("trust.jwks.json".to_owned(), trust.to_bytes())]);
}

fn samples() -> Vec<(DocumentType, Value, Signers)> {
    let mut found: Vec<_> = all()
        .into_iter()
        .map(|(kind, payload, signers)| (kind, serde_json::from_slice(&payload).unwrap(), signers))
        .collect();
    let payload = |bytes: Vec<u8>| serde_json::from_slice(Jws::parse(&bytes).unwrap().payload()).unwrap();
    let station = vec![(STATION, Role::Station)];
    found.push((DocumentType::FailureReport, payload(failure_report()), station.clone()));
    for facts in [facts(), sampled(), governed(), erased(), reverted(), given_back(), lengthened(), suspended()] {
        found.push((DocumentType::Certificate, payload(certificate_of(&facts)), station.clone()));
    }
    let signers = vec![(STATION, Role::Station), (OPERATOR, Role::Operator), (WITNESS, Role::Witness)];
    found.push((DocumentType::Certificate, payload(certificate_by(OPERATOR, "Otto Ort", &[])), signers));
    found
}

const WORDS: &[&[&str]] = &[
    &["clear", "purge", "destroy"],
    &["none", "quick", "sample", "full"],
    &[
        "full_readback",
        "sampled_readback",
        "quick_readback",
        "readback_with_exceptions",
        "erased_full_read",
        "erased_sampled",
        "erased_known_content",
        "completion_only",
        "nothing",
    ],
    &[
        "overwrite",
        "zone-reset-overwrite",
        "ata-security-erase",
        "ata-sanitize-block",
        "nvme-sanitize-block",
        "nvme-sanitize-crypto",
        "nvme-format-user",
        "opal-psid-revert",
        "shred",
    ],
    &["physical", "virtual", "image"],
    &["sata_ssd", "hdd", "virtual", "image"],
    &["certificate", "failure_report", "validation", "revocation", "destruction", "transfer", "media_verification"],
    &["sanitized", "destroyed", "failed", "rejected", "revoked", "without_proof"],
    &["accepted", "rejected"],
    &["matched", "mismatched", "incomplete"],
    &["hard_disk", "flash", "magnetic_tape", "unknown"],
    &["shred", "disintegrate", "degauss", "melt"],
    &["low", "moderate", "high"],
    &["never", "same-method", "lower-method"],
    &["excluded", "given_back", "reached", "unknown"],
    &["impossible", "reached_by_command", "examined", "not_examined"],
    &["claimed", "signed"],
    &["security", "sanitize"],
    &["synchronized", "unsynchronized", "unknown"],
    &["A", "B", "C", "D", "F"],
    &["P", "O", "T", "H", "E"],
];

/// Other values for a place.
fn instead(value: &Value) -> Vec<Value> {
    let mut found = vec![json!(null), json!(true), json!("x"), json!(7), json!([]), json!({})];
    match value {
        Value::Bool(flag) => found.push(json!(!flag)),
        Value::Number(n) => {
            let n = n.as_u64().unwrap();
            found.extend([json!(n + 1), json!(0), json!(-1), json!(n as f64), json!(1u64 << 32), json!(256)]);
            found.push(json!(n.to_string()));
        }
        Value::Array(items) => {
            found.extend(items.first().map(|first| json!([std::slice::from_ref(first), items.as_slice()].concat())));
        }
        Value::String(text) => {
            found.extend(["", "A", "0", "01", "1", "18446744073709551615", "18446744073709551616"].map(|t| json!(t)));
            found.extend(
                [format!("{text} "), format!("{text}0"), text.to_uppercase(), text.to_lowercase()].map(Value::from),
            );
            found.push(json!(text.chars().rev().collect::<String>()));
            if let Ok(n) = text.parse::<u64>() {
                found.extend([json!((n + 1).to_string()), json!(n.saturating_sub(1).to_string()), json!(n)]);
            }
            if text.ends_with('Z') && text.contains('T') {
                let (date, _) = text.split_once('T').unwrap();
                found.extend(
                    ["T00:00:00Z", "T23:59:59.999Z", "T12:00:00.000Z", "T12:00:00+00:00", "T24:00:00Z", "T12:00:00.5Z"]
                        .map(|time| json!(format!("{date}{time}"))),
                );
                found.push(json!("2026-02-30T12:00:00Z"));
                found.push(json!("2020-01-01T12:00:00.123456789Z"));
            }
            let groups = WORDS.iter().filter(|words| words.contains(&text.as_str()));
            found.extend(groups.flat_map(|words| words.iter().map(|word| json!(word))));
        }
        Value::Null | Value::Object(_) => {}
    }
    found.retain(|other| other != value);
    found
}

/// Each change by its name, as the text of the payload.
fn changed(good: &Value) -> Vec<(String, String)> {
    let mut found = vec![("good".to_owned(), good.to_string())];
    let mut all = Vec::new();
    places(good, "", &mut all);
    for place in &all {
        for (i, other) in instead(good.pointer(place).unwrap()).into_iter().enumerate() {
            let mut changed = good.clone();
            *changed.pointer_mut(place).unwrap() = other.clone();
            found.push((format!("{place} {i} {other}").chars().take(90).collect(), changed.to_string()));
        }
        let (parent, name) = place.rsplit_once('/').unwrap();
        let mut less = good.clone();
        if let Value::Object(members) = less.pointer_mut(parent).unwrap() {
            let value = members.shift_remove(name).unwrap();
            let without = less.to_string();
            found.push((format!("without {place}"), without));
            less.pointer_mut(parent).unwrap()["renamed"] = value;
            found.push((format!("renamed {place}"), less.to_string()));
        }
    }
    let text = good.to_string();
    let (name, value) = good.as_object().unwrap().iter().next().unwrap();
    found.push(("twice".into(), format!("{{\"{name}\":{value},{}", &text[1..])));
    found.push(("spaced".into(), text.replace(':', ": ")));
    found.push(("escaped".into(), text.replacen("\"schema\"", "\"\\u0073chema\"", 1)));
    found.push(("cut".into(), text[..text.len() - 1].to_owned()));
    found
}

#[test]
fn what_the_program_refuses_the_page_never_takes() {
    let Some(browser) = Browser::start() else { return };
    let station = super::Station::new();
    let (page, trust) = (super::page(&station), trusted());
    let (mut compared, mut counts, mut differ) = (0, BTreeMap::new(), Vec::new());
    for (kind, good, signers) in samples() {
        let cases: Vec<_> = changed(&good)
            .into_iter()
            .map(|(name, payload)| (name, signed(payload.as_bytes(), kind.typ(), &signers)))
            .collect();
        // One of five is enough to find a member that is judged otherwise; the first one is good.
        let cases: Vec<_> = cases.into_iter().step_by(5).collect();
        for cases in cases.chunks(600) {
            let files: Vec<_> =
                cases.iter().enumerate().map(|(i, (_, bytes))| (format!("{i}.json"), bytes.clone())).collect();
            open(&browser, &page, &trust);
            let said = on_the_page(&browser, &files);
            for ((change, bytes), (file, _)) in cases.iter().zip(&files) {
                let verdict = word(verify_any_with(bytes, Some(file), Some(&trust), &[]).verdict);
                let page = said.get(file).unwrap_or_else(|| panic!("{kind}, {change}: not judged"));
                compared += 1;
                *counts.entry((verdict, page.clone())).or_insert(0) += 1;
                let stricter = page == "invalid" && change.contains("/exchanges/");
                if verdict != page && !stricter {
                    differ.push(format!("{kind}, {change}: the program says {verdict}, the page {page}"));
                }
                assert!(change != "good" || verdict == "valid", "{kind}");
            }
        }
    }
    assert!(differ.is_empty(), "{} of {compared} differ: {:#?}", differ.len(), &differ[..differ.len().min(60)]);
    let of = |verdict: &str| counts.iter().filter(|((program, _), _)| *program == verdict).map(|(_, n)| n).sum::<u32>();
    assert!(of("valid") > 300 && of("invalid") > 2000, "{counts:?}");
    eprintln!("{compared} documents compared: {counts:?}");
}

/// The later failure of a run that made the medium larger first speaks against the certificate of the smaller one.
#[test]
fn a_drive_that_grew_is_the_same_for_the_page() {
    let Some(browser) = Browser::start() else { return };
    let station = super::Station::new();
    let (page, trust) = (super::page(&station), trusted());
    let certificate = |bytes: u64| {
        let mut facts = facts();
        (facts.medium.identity.size, facts.medium.geometry.size) = (Bytes(bytes), Bytes(bytes));
        facts.medium.identity_digest = facts.medium.identity.digest();
        (facts.passes[0].written, facts.verification.matched, facts.verification.wanted) =
            (Bytes(bytes), Bytes(bytes), Bytes(bytes));
        certificate_of(&facts)
    };
    let now = facts().medium.identity.size.0;
    let mut grown = given_back();
    grown.ended += chrono::TimeDelta::hours(1);
    let failed = failure_report_of(grown);
    for (size, expected) in [(now - 4096, "invalid"), (now - 8192, "valid"), (now, "invalid")] {
        let files = [("c.json".to_owned(), certificate(size)), ("f.json".to_owned(), failed.clone())];
        let related = Related::new(files.iter().map(|(_, bytes)| bytes.as_slice()), Some(&trust));
        let document = &related.documents()[0];
        assert_eq!(document.verdict, Verdict::Valid, "{size}: {:?}", document.checks);
        let against = related.about(document).iter().any(|relation| relation.speaks_for == Some(false));
        assert_eq!(against, expected == "invalid", "{size}");
        open(&browser, &page, &trust);
        assert_eq!(on_the_page(&browser, &files)["c.json"], expected, "{size}: {}", super::results(&browser));
    }
}

/// What was still frozen erased nothing, and what did not sleep did not wake.
#[test]
fn suspends_to_ram_are_judged_as_the_program_judges_them() {
    let Some(browser) = Browser::start() else { return };
    let station = super::Station::new();
    let (page, trust) = (super::page(&station), trusted());
    let good: Value = serde_json::from_slice(Jws::parse(&certificate_of(&suspended())).unwrap().payload()).unwrap();
    let last = "/facts/suspensions/1";
    let cases = [
        ("valid", "", json!(null)),
        ("invalid", "after", json!(["sanitize"])),
        ("invalid", "after", json!(["security", "sanitize"])),
        ("valid", "after", json!([])),
        ("invalid", "after", json!(null)),
        ("invalid", "failed", json!("EBUSY")),
        ("invalid", "frozen", json!([])),
        ("invalid", "frozen", json!(["power"])),
        ("invalid", "exchanges", json!([])),
        ("valid", "noted", json!("2020-01-01T12:00:00Z")),
    ];
    let mut files: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(i, (_, member, value))| {
            let mut payload = good.clone();
            if !member.is_empty() {
                payload.pointer_mut(last).unwrap()[member] = value.clone();
            }
            (format!("{i}.json"), payload)
        })
        .collect();
    let mut without = good.clone();
    without.pointer_mut(last).unwrap().as_object_mut().unwrap().shift_remove("after");
    files.push(("without.json".to_owned(), without));
    let signed = |payload: &Value| {
        signed(payload.to_string().as_bytes(), DocumentType::Certificate.typ(), &[(STATION, Role::Station)])
    };
    let files: Vec<_> = files.iter().map(|(name, payload)| (name.clone(), signed(payload))).collect();
    open(&browser, &page, &trust);
    let said = on_the_page(&browser, &files);
    let expected = cases.iter().map(|(expected, ..)| *expected).chain(["invalid"]);
    for ((name, bytes), expected) in files.iter().zip(expected) {
        let verdict = word(verify_any_with(bytes, Some(name), Some(&trust), &[]).verdict);
        assert_eq!((verdict, said[name].as_str()), (expected, expected), "{name}");
    }
}

/// A certificate with who says when it was signed, as the program and the page weigh it.
#[test]
fn evidence_of_time_is_weighed_as_the_program_weighs_it() {
    let Some(browser) = Browser::start() else { return };
    let station = super::Station::new();
    let page = super::page(&station);
    let certificate = certificate_of(&facts());
    let jws = Jws::parse(&certificate).unwrap();
    // The samples are signed at 20 hours.
    let seen = |hour| countersign(&jws, &key(REGISTER), at(hour)).unwrap().to_bytes();
    let flipped = |bytes: &[u8], word: &str| {
        let mut bytes = bytes.to_vec();
        let place = bytes.windows(word.len()).position(|w| w == word.as_bytes()).unwrap() + word.len() + 20;
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        bytes
    };
    let other = Jws::parse(&failure_report()).unwrap();
    let evidence: Vec<(&str, Option<Vec<u8>>)> = vec![
        ("nothing", None),
        ("countersigned", Some(seen(21))),
        ("countersigned late", Some(seen(23))),
        ("countersigned before it was signed", Some(seen(2))),
        ("countersignature changed", Some(flipped(&seen(21), "\"payload\":\""))),
        ("countersignature not the register's", Some(flipped(&seen(21), "\"signature\":\""))),
        ("countersignature of another", Some(countersign(&other, &key(REGISTER), at(21)).unwrap().to_bytes())),
        ("countersigned by a stranger", Some(countersign(&jws, &key(99), at(21)).unwrap().to_bytes())),
        ("countersigned by a witness", Some(countersign(&jws, &key(WITNESS), at(21)).unwrap().to_bytes())),
        ("cosigned", Some(inclusion(&jws, STATION, &[(WITNESS, 21)], false))),
        ("cosigned late", Some(inclusion(&jws, STATION, &[(WITNESS, 23)], false))),
        ("cosigned before", Some(inclusion(&jws, STATION, &[(WITNESS, 2)], false))),
        ("cosigned by a stranger", Some(inclusion(&jws, STATION, &[(99, 21)], false))),
        ("cosigned by both", Some(inclusion(&jws, STATION, &[(99, 21), (WITNESS, 21)], false))),
        ("logged by another station", Some(inclusion(&jws, OTHER_STATION, &[(WITNESS, 21)], false))),
        ("logged by a stranger", Some(inclusion(&jws, 98, &[(WITNESS, 21)], false))),
        ("checkpoint changed", Some(inclusion(&jws, STATION, &[(WITNESS, 21)], true))),
        ("not cosigned", Some(inclusion(&jws, STATION, &[], false))),
        ("another document logged", Some(inclusion(&other, STATION, &[(WITNESS, 21)], false))),
    ];
    let change = |seed: u8, change: &dyn Fn(&mut TrustedKey)| {
        let mut trust = trusted();
        change(trust.find_mut(key(seed).kid()).unwrap());
        trust
    };
    let stores = [
        ("good", trusted()),
        ("station revoked at 22", change(STATION, &|k| k.revoked_at = Some(at(22)))),
        ("station revoked at 19", change(STATION, &|k| k.revoked_at = Some(at(19)))),
        ("station expired at 19", change(STATION, &|k| k.valid_until = Some(at(19)))),
        ("station from 10 on", change(STATION, &|k| k.valid_from = Some(at(10)))),
        ("register revoked", {
            let mut trust = change(STATION, &|k| k.revoked_at = Some(at(22)));
            trust.find_mut(key(REGISTER).kid()).unwrap().revoked_at = Some(at(23));
            trust
        }),
        ("register and witness expired", {
            let mut trust = change(STATION, &|k| k.revoked_at = Some(at(22)));
            trust.find_mut(key(REGISTER).kid()).unwrap().valid_until = Some(at(20));
            trust.find_mut(key(WITNESS).kid()).unwrap().valid_until = Some(at(20));
            trust
        }),
    ];
    let mut seen = BTreeMap::new();
    for (store, trust) in &stores {
        for (name, bytes) in &evidence {
            let taken = bytes.as_deref().map(|bytes| read(bytes, trust)).unwrap_or_default();
            let verdict = word(verify_any_with(&certificate, Some("c.json"), Some(trust), &taken).verdict);
            open(&browser, &page, trust);
            let mut files = vec![("c.json".to_owned(), certificate.clone())];
            files.extend(bytes.clone().map(|bytes| ("c.evidence".to_owned(), bytes)));
            let said = on_the_page(&browser, &files);
            assert_eq!(said["c.json"], verdict, "{store}, {name}: {}", super::results(&browser));
            seen.insert((*store, *name), verdict);
        }
    }
    assert_eq!(seen[&("station revoked at 22", "nothing")], "consistent");
    assert_eq!(seen[&("station revoked at 22", "countersigned")], "valid");
    assert_eq!(seen[&("station revoked at 22", "cosigned")], "valid");
    assert_eq!(seen[&("station revoked at 22", "cosigned late")], "consistent");
    assert_eq!(seen[&("station from 10 on", "cosigned before")], "invalid");
    assert_eq!(seen[&("register revoked", "countersigned")], "consistent");
}

fn read(bytes: &[u8], trust: &TrustStore) -> Vec<TimeEvidence> {
    if !bytes.starts_with(b"{") {
        return trust.authorities().verify(bytes).into_iter().collect();
    }
    match Jws::parse(bytes) {
        Ok(_) => read_countersignature(bytes, trust).unwrap_or_default(),
        Err(_) => Inclusion::parse(bytes.strip_suffix(b"\n").unwrap_or(bytes))
            .and_then(|i| i.witnessed(trust))
            .unwrap_or_default(),
    }
}

/// A log of one entry that names the document, under a checkpoint with these cosignatures.
fn inclusion(document: &Jws, station: u8, witnesses: &[(u8, u32)], change: bool) -> Vec<u8> {
    let entry = Entry {
        specversion: "1.0".into(),
        id: "1".into(),
        source: Entry::source_of(key(station).kid()),
        typ: "run.passed".into(),
        subject: "s".into(),
        time: at(20),
        logid: "ab".repeat(16),
        index: Bytes(0),
        previous: None,
        data: json!({"document": lastwrite::certificate::id_of(document.payload()), "run_id": "1"}),
    };
    let line = sign(&serde_json::to_vec(&entry).unwrap(), ENTRY_TYP, &key(station), Role::Station, at(20)).unwrap();
    let line = String::from_utf8(line.to_bytes()).unwrap();
    let root = STANDARD.encode(leaf_hash(line.as_bytes()).0);
    let text = format!("example/bench/{}\n1\n{root}\n", "ab".repeat(16));
    let mut note = Note::new(text).unwrap();
    note.sign("example/bench", &key(station)).unwrap();
    for (seed, hour) in witnesses {
        note.cosign(&format!("witness-{seed}"), &key(*seed), at(*hour)).unwrap();
    }
    let note = note.to_string();
    let note = if change { note.replacen("example/", "Example/", 1) } else { note };
    Inclusion::new(line, 0, Vec::new(), note).to_bytes().unwrap()
}
