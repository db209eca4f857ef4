//! The real binary on image files.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use common::station::{MARK, Station, both, json_lines, marks_in, text};
use common::strangers::say_what_is_good;
use serde_json::Value;
use sha2::{Digest, Sha256};

#[test]
fn nothing_of_what_was_there_is_left_and_a_stranger_can_check_it() {
    let station = Station::new();
    let image = station.image("disk.img", 3 << 20);
    assert!(marks_in(&image) > 6000);
    for scheme in ["zero", "one", "random"] {
        std::fs::write(&image, common::station::marked(3 << 20)).unwrap();
        let results = station.json(0, &["wipe", text(&image), "--yes", "--scheme", scheme, "--asset", "A-1"]);
        let result = &results[0];
        assert_eq!((results.len(), &result["outcome"]), (1, &"pass".into()));
        assert_eq!(marks_in(&image), 0);
        let certificate = result["certificate"].as_str().unwrap();
        station.ok(&["certificate", "verify", certificate]);
        station.ok(&["verify-media", text(&image), "--certificate", certificate]);
        let shown = station.ok(&["certificate", "show", certificate]);
        assert!(shown.contains("A-1") && shown.contains("Example Org"), "{shown}");
    }
    station.ok(&["custody", "audit"]);
    assert_eq!(station.files("certificates").len(), 3);
    assert!(station.files("journal").is_empty());
}

#[test]
fn one_flipped_byte_is_found_at_its_block() {
    let station = Station::new();
    let image = station.image("disk.img", 1 << 20);
    let result = &station.json(0, &["wipe", text(&image), "--yes"])[0];
    let certificate = result["certificate"].as_str().unwrap().to_owned();
    let mut bytes = std::fs::read(&image).unwrap();
    bytes[777_777] ^= 0x10;
    std::fs::write(&image, bytes).unwrap();
    let check = &station.json(5, &["verify-media", text(&image), "--certificate", &certificate])[0];
    assert_eq!(check["mismatched"], serde_json::json!([{ "first": (777_777 / 512).to_string(), "count": "1" }]));
    let told = both(&station.expect(5, &["verify-media", text(&image), "--certificate", &certificate]));
    assert!(told.contains("LBA 1519"), "{told}");
}

/// Zeros are what any new disk of the size holds.
#[test]
fn a_match_of_what_any_blank_medium_holds_is_told_as_that() {
    let station = Station::new();
    let (image, other) = (station.image("disk.img", 1 << 20), station.path("other.img"));
    for (scheme, copied, indistinct) in [("zero", true, true), ("zero", false, false), ("random", true, false)] {
        let result = &station.json(0, &["wipe", text(&image), "--yes", "--scheme", scheme])[0];
        std::fs::copy(&image, &other).unwrap();
        let target = if copied { &other } else { &image };
        let read = ["verify-media", text(target), "--certificate", result["certificate"].as_str().unwrap()];
        assert_eq!(station.json(0, &read)[0]["indistinct"], indistinct, "{scheme}");
        let told = station.ok(&read);
        assert_eq!(told.contains("any blank medium of the size matches"), indistinct, "{told}");
    }
}

#[test]
fn any_size_from_one_byte_on() {
    let station = Station::new();
    for size in [1, 15, 511, 512, 513, 4095, 4097, 65_536, (1 << 20) + 1, (5 << 20) + 511] {
        let image = station.image("odd.img", size);
        let result = &station.json(0, &["wipe", text(&image), "--yes"])[0];
        let bytes = std::fs::read(&image).unwrap();
        assert_eq!(bytes.len(), size);
        assert!(!String::from_utf8_lossy(&bytes).contains(&MARK[..1.max(MARK.len().min(size))]) || size < 8);
        station.ok(&["verify-media", text(&image), "--certificate", result["certificate"].as_str().unwrap()]);
    }
}

/// Has the kernel refuse io_uring_setup by an error number, as in containers and of old, and becomes the program.
const WITHOUT_URING: &str = r#"
import ctypes, os, struct, sys
lines = [
    (0x20, 0, 0, 0),  # the number of the call
    (0x15, 0, 1, 425),  # is it io_uring_setup?
    (0x06, 0, 0, 0x00050000 | int(sys.argv[1])),
    (0x06, 0, 0, 0x7FFF0000),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
program = ctypes.create_string_buffer(struct.pack("HP", len(lines), ctypes.addressof(code)))
prctl, word = ctypes.CDLL(None, use_errno=True).prctl, ctypes.c_ulong
assert prctl(38, word(1), word(0), word(0), word(0)) == 0, ctypes.get_errno()
assert prctl(22, word(2), word(ctypes.addressof(program)), word(0), word(0)) == 0, ctypes.get_errno()
os.execv(sys.argv[2], sys.argv[2:])
"#;

#[test]
fn where_io_uring_is_refused_plain_calls_do_the_same_unless_it_was_demanded() {
    if !common::has("python3") {
        return common::skip("needs python3");
    }
    let station = Station::new();
    for errno in [libc::EPERM, libc::ENOSYS] {
        let image = station.image("disk.img", 3 << 20);
        let errno = errno.to_string();
        let wipe = |more: &[&str]| {
            let args = [&["--json", "wipe", text(&image), "--yes", "--scheme", "zero"], more].concat();
            station.command_by(&["python3", "-c", WITHOUT_URING, &errno], &args).output().unwrap()
        };
        let refused = wipe(&["--io", "uring"]);
        assert_eq!(refused.status.code(), Some(1), "{}", both(&refused));
        assert!(both(&refused).contains("io_uring is not available here"), "{}", both(&refused));
        assert!(marks_in(&image) > 6000 && station.files("journal").is_empty());
        let output = wipe(&[]);
        assert_eq!(output.status.code(), Some(0), "{}", both(&output));
        assert!(std::fs::read(&image).unwrap().iter().all(|byte| *byte == 0));
        let certificate = json_lines(&output.stdout)[0]["certificate"].as_str().unwrap().to_owned();
        let shown = &station.json(0, &["certificate", "show", &certificate])[0]["document"]["facts"];
        assert_eq!(shown["io"]["engine"], "pread/pwrite");
    }
}

#[test]
fn every_scheme_of_the_catalogue_ends_with_its_last_pass() {
    let station = Station::new();
    let list = &station.json(0, &["wipe", "--scheme", "list"])[0];
    let schemes: Vec<_> = list.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect();
    assert!(schemes.len() >= 25, "{schemes:?}");
    for scheme in schemes {
        let image = station.image("s.img", 70_000);
        let result = &station.json(0, &["wipe", text(&image), "--yes", "--scheme", &scheme])[0];
        assert_eq!(marks_in(&image), 0, "{scheme}");
        let certificate = result["certificate"].as_str().unwrap();
        station.ok(&["verify-media", text(&image), "--certificate", certificate]);
    }
    station.ok(&["custody", "audit"]);
}

#[test]
fn without_read_back_nothing_is_proven_and_it_says_so() {
    let station = Station::new();
    let image = station.image("disk.img", 1 << 20);
    let result = &station.json(0, &["wipe", text(&image), "--yes", "--verify", "none"])[0];
    let shown = station.ok(&["certificate", "show", result["certificate"].as_str().unwrap()]).to_lowercase();
    assert!(shown.contains("completion only"), "{shown}");
    let result = &station.json(0, &["wipe", text(&image), "--yes", "--verify", "sample"])[0];
    let shown = station.ok(&["certificate", "show", result["certificate"].as_str().unwrap()]).to_lowercase();
    assert!(shown.contains("sampl"), "{shown}");
    let told =
        both(&station.expect(3, &["wipe", text(&image), "--yes", "--scheme", "is5-enhanced", "--verify", "none"]));
    assert!(told.contains("hint:") || told.contains("verif"), "{told}");
}

#[test]
fn several_images_each_on_its_own() {
    let station = Station::new();
    let images: Vec<_> = (0..6).map(|i| station.image(&format!("d{i}.img"), (1 << 20) + i * 512)).collect();
    let missing = station.path("missing.img");
    let mut args = vec!["--json", "wipe", "--yes"];
    args.extend(images.iter().map(|i| text(i)));
    args.push(text(&missing));
    let output = station.expect(3, &args);
    let results = json_lines(&output.stdout);
    assert_eq!(results.len(), 7);
    let passed = results.iter().filter(|r| r["outcome"] == "pass").count();
    assert_eq!(passed, 6);
    // What is refused is told at once, the others as they end.
    assert_eq!((&results[0]["outcome"], &results[0]["target"]), (&"refused".into(), &text(&missing).into()));
    assert!(images.iter().all(|i| marks_in(i) == 0));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.lines().any(|line| line.starts_with("{\"event\":\"total\",\"drives\":")), "{told}");
    let twice = station.json(3, &["wipe", "--yes", text(&images[0]), text(&images[0])]);
    assert_eq!((&twice[0]["outcome"], &twice[1]["outcome"]), (&"refused".into(), &"pass".into()));
}

#[test]
fn the_evidence_goes_to_a_second_place() {
    let station = Station::new();
    let image = station.image("disk.img", 4096);
    let out = station.path("stick");
    let result = &station.json(0, &["wipe", text(&image), "--yes", "--out", text(&out)])[0];
    let id = std::path::Path::new(result["certificate"].as_str().unwrap()).file_name().unwrap().to_owned();
    let copy = out.join(id);
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(result["certificate"].as_str().unwrap()).unwrap());
    let trust = out.join("trust.jwks.json");
    station.ok(&["certificate", "verify", text(&copy), "--trust", text(&trust)]);
}

/// One stick for the bench: who checks what lies on it believes each station by its own trust store.
#[test]
fn a_second_place_keeps_the_trust_store_that_lies_there() {
    let (first, second) = (Station::new(), Station::new());
    let out = first.path("stick");
    let wipe = |station: &Station| {
        let image = station.image("disk.img", 4096);
        let result = station.json(0, &["wipe", text(&image), "--yes", "--out", text(&out)]).remove(0);
        let name = std::path::Path::new(result["certificate"].as_str().unwrap()).file_name().unwrap().to_owned();
        (out.join(name), std::path::PathBuf::from(result["trust_store"].as_str().unwrap()), result)
    };
    let (a, b, again) = (wipe(&first), wipe(&second), wipe(&first));
    assert_eq!((&a.1, &again.1), (&out.join("trust.jwks.json"), &a.1));
    assert_ne!(b.1, a.1);
    assert!(b.2["message"].as_str().unwrap().contains("is another trust store and stays"), "{}", b.2);
    for (certificate, trust, _) in [&a, &b] {
        first.ok(&["certificate", "verify", text(certificate), "--trust", text(trust)]);
    }
    // Neither of them is taken for a document.
    first.ok(&["certificate", "bundle", "--bare", text(&out), "--out", text(&first.path("all.bundle.json"))]);

    let (image, state) = (first.image("disk.img", 4096), second.state());
    let told = both(&first.expect(3, &["wipe", text(&image), "--yes", "--out", text(&state)]));
    assert!(told.contains("is the state folder of a station") && told.contains("nothing was touched"), "{told}");
    assert_eq!(marks_in(&image), 8);
}

#[test]
fn a_manifest_names_many_and_a_table_comes_back() {
    let station = Station::new();
    let a = station.image("a.img", 8192);
    let b = station.image("b.img", 8192);
    let manifest = station.path("lot.csv");
    let lines = format!(
        "serial,asset_tag,category,target\n,=A-1,high,{}\n,A-2,low,{}\nNO-SUCH-SERIAL,A-3,low,\n",
        text(&a),
        text(&b)
    );
    std::fs::write(&manifest, lines).unwrap();
    station.expect(3, &["wipe", "--yes", "--manifest", text(&manifest)]);
    let table = std::fs::read_to_string(station.path("lot.results.csv")).unwrap();
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 4, "{table}");
    assert!(rows[1].contains(",'=A-1,") && rows[1].contains("pass"), "{table}");
    assert!(rows[2].contains("A-2") && rows[2].contains("pass"), "{table}");
    assert!(rows[3].contains("refused") && rows[3].contains("no attached drive has serial"), "{table}");
    assert_eq!(marks_in(&a) + marks_in(&b), 0);
    std::fs::write(&a, common::station::marked(8192)).unwrap();
    for (bad, why) in [("serial,target\n,x\nS,\nS,\n", "twice"), ("serial,asset_tag\n", "it names no medium")] {
        std::fs::write(&manifest, bad).unwrap();
        let told = both(&station.expect(2, &["wipe", "--yes", "--manifest", text(&manifest)]));
        assert!(told.contains(why), "{told}");
    }
}

/// The folder of the results goes while the media are wiped.
#[test]
fn results_that_cannot_be_written_any_more_are_kept_in_the_state_folder() {
    let station = Station::new();
    let image = station.image("disk.img", 200 << 20);
    let (lot, place) = (station.path("lot.csv"), station.path("place"));
    std::fs::create_dir(&place).unwrap();
    std::fs::write(&lot, format!("target,asset_tag\n{},A-1\n", text(&image))).unwrap();
    let results = place.join("results.csv");
    let words = ["wipe", "--yes", "--manifest", text(&lot), "--results", text(&results), "--checkpoint", "0.1"];
    let words = [&words[..], &["--scheme", "gutmann"]].concat();
    let child = station
        .command(&words)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = || !station.files("journal").is_empty();
    (0..2000).take_while(|_| !begun()).for_each(|_| std::thread::sleep(std::time::Duration::from_millis(5)));
    assert!(begun(), "the run did not begin");
    std::fs::remove_dir(&place).unwrap();
    let told = std::process::Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status();
    assert!(told.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    let kept = station.files("results").remove(0);
    assert!(both(&output).contains(text(&kept)), "{}", both(&output));
    let table = std::fs::read_to_string(&kept).unwrap();
    assert!(table.contains(&format!("A-1,,{},interrupted", text(&image))), "{table}");
}

/// A script joins what it asked for with what it is told.
#[test]
fn a_target_is_told_as_it_was_named() {
    let station = Station::new();
    let image = std::fs::canonicalize(station.image("disk.img", 4096)).unwrap();
    let link = station.path("by-tag");
    std::os::unix::fs::symlink(&image, &link).unwrap();
    let token = station.json(0, &["plan", text(&link)])[0]["confirm_token"].as_str().unwrap().to_owned();
    for (code, words) in [(0, &["plan"][..]), (3, &["wipe"]), (0, &["wipe", "--confirm", &token])] {
        let result = &station.json(code, &[words, &[text(&link)]].concat())[0];
        let names = (&result["target"], &result["medium"]["path"]);
        assert_eq!(names, (&text(&link).into(), &text(&image).into()), "{result}");
    }
    let lot = station.path("lot.csv");
    std::fs::write(&lot, format!("target,confirm_token\n{},{token}\n", text(&link))).unwrap();
    station.ok(&["wipe", "--manifest", text(&lot)]);
    let table = std::fs::read_to_string(station.path("lot.results.csv")).unwrap();
    let row = table.lines().nth(1).unwrap();
    assert!(row.starts_with(&format!(",,,{},pass,", text(&link))) && row.ends_with(text(&image)), "{table}");
}

/// As docs/verify-without-lastwrite.md tells, with nothing of ours: a certificate that a run made, by the trust store
/// that the station made.
#[test]
fn openssl_and_joserfc_verify_what_a_wipe_signed_and_refuse_it_changed() {
    let station = Station::new();
    let image = station.image("disk.img", 1 << 20);
    let result = &station.json(0, &["wipe", text(&image), "--yes", "--asset", "A-1"])[0];
    let certificate = std::path::Path::new(result["certificate"].as_str().unwrap());
    let id = certificate.file_stem().unwrap().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    std::fs::copy(certificate, place("good.json")).unwrap();
    std::fs::copy(station.state().join("trust.jwks.json"), place("trust.jwks.json")).unwrap();
    let mut changed: serde_json::Value = serde_json::from_slice(&std::fs::read(certificate).unwrap()).unwrap();
    let mut payload = changed["payload"].as_str().unwrap().to_owned();
    let middle = payload.len() / 2;
    let other = if payload[middle..].starts_with('A') { "B" } else { "A" };
    payload.replace_range(middle..=middle, other);
    changed["payload"] = payload.into();
    std::fs::write(place("changed.json"), changed.to_string()).unwrap();
    for (name, first_line) in [("verify.sh", "# verify.sh"), ("verify.py", "# verify.py")] {
        std::fs::write(place(name), common::block_of_page(first_line)).unwrap();
    }
    if !common::has("openssl") {
        return common::skip("openssl is not installed");
    }
    // The raw signing input, through `openssl pkeyutl -verify -rawin`.
    let words = ["Signature Verified Successfully", id, "\"role\":\"station\""];
    say_what_is_good(folder.path(), &["sh", "verify.sh"], &words, "Signature Verification Failure");
    let Some(python) = common::python_with_joserfc() else { return };
    say_what_is_good(folder.path(), &[&python, "verify.py"], &[id, "'role': 'station'"], "BadSignature");
}

#[test]
fn openssl_makes_the_same_stream_from_the_key_in_the_certificate() {
    if !common::has("openssl") {
        return common::skip("openssl is not installed");
    }
    let station = Station::new();
    let image = station.image("disk.img", 1 << 20);
    let result = &station.json(0, &["wipe", text(&image), "--yes"])[0];
    let shown = &station.json(0, &["certificate", "show", result["certificate"].as_str().unwrap()])[0];
    let pattern = &shown["document"]["facts"]["passes"][0]["pattern"];
    assert_eq!(pattern["kind"], "random");
    // Block 1000 of 512 bytes: counter = byte offset / 16, zero nonce.
    let offset = 1000 * 512;
    let counter = format!("{:032x}", offset / 16);
    let mut openssl = std::process::Command::new("openssl")
        .args(["enc", "-aes-128-ctr", "-nopad", "-K", pattern["key"].as_str().unwrap(), "-iv", &counter])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut openssl.stdin.take().unwrap(), &[0; 512]).unwrap();
    let block = openssl.wait_with_output().unwrap().stdout;
    assert_eq!(block.len(), 512);
    assert_eq!(block, std::fs::read(&image).unwrap()[offset..offset + 512]);
}

/// As docs/verify-without-lastwrite.md says it: the key out of the certificate, and with it the bytes of the medium.
#[test]
fn the_page_finds_the_key_and_with_it_the_bytes() {
    for program in ["python3", "openssl"] {
        if !common::has(program) {
            return common::skip(&format!("needs {program}"));
        }
    }
    let station = Station::new();
    let image = station.image("disk.img", 2 << 20);
    let result = &station.json(0, &["wipe", text(&image), "--yes"])[0];
    let page = include_str!("../docs/verify-without-lastwrite.md");
    let line = |start: &str| page.lines().find(|line| line.starts_with(start)).unwrap();
    let shell = |script: &str| {
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{script}\n{}", both(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let key = shell(&line("python3 -c").replace("CERTIFICATE", result["certificate"].as_str().unwrap()));
    let known = line("KEY=").replace("000102030405060708090a0b0c0d0e0f", &key);
    let told = shell(&format!("{known}\n{}", line("head -c $COUNT")));
    let bytes = std::fs::read(&image).unwrap();
    let digest = lastwrite::units::hex(&Sha256::digest(&bytes[1 << 20..][..4096]));
    assert!(told.starts_with(&digest), "{key}: {told}");
}

/// What a section of the guide documents: the members that its table names, each with its row.
fn documented(section: &str) -> BTreeMap<String, String> {
    let guide = include_str!("../docs/guide.md");
    let (_, rest) = guide.split_once(&format!("\n### {section}\n")).unwrap_or_else(|| panic!("no section {section:?}"));
    let end = rest.find("\n#").unwrap_or(rest.len());
    let mut members = BTreeMap::new();
    for row in rest[..end].lines().filter(|line| line.starts_with("| `")) {
        let first = row.split('|').nth(1).unwrap();
        let names = first.split('`').skip(1).step_by(2);
        members.extend(names.map(|name| (name.to_owned(), row.to_owned())));
    }
    members
}

/// The names of all members below a value.
fn names_in(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                names.insert(name.clone());
                names_in(value, names);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| names_in(value, names)),
        _ => {}
    }
}

/// The members that were printed are those that the section documents; what is in them stands in their rows, but for
/// media, which are drives.
fn assert_documented(section: &str, printed: &Value) {
    let documented = documented(section);
    let printed = printed.as_object().unwrap();
    assert_eq!(printed.keys().collect::<BTreeSet<_>>(), documented.keys().collect::<BTreeSet<_>>(), "{section}");
    for (member, value) in printed.iter().filter(|(member, _)| !["medium", "also"].contains(&member.as_str())) {
        let mut inside = BTreeSet::new();
        names_in(value, &mut inside);
        for name in inside {
            assert!(documented[member].contains(&format!("`{name}`")), "{section}: {member}: {name} is not documented");
        }
    }
}

#[test]
fn the_guide_documents_every_member_that_is_printed() {
    let station = Station::new();
    let image = station.image("disk.img", 1 << 20);
    let wipe = ["wipe", text(&image), "--yes", "--asset", "A-1"];
    let first = station.json(0, &wipe)[0].clone();
    assert_documented("`wipe --json` and `resume --json`", &first);
    // The second run tells of the first.
    let plan = &station.json(0, &["plan", text(&image)])[0];
    assert!(!plan["earlier_attempts"].as_array().unwrap().is_empty(), "{plan}");
    assert_documented("`plan --json`", plan);
    let refused = &station.json(3, &["plan", text(&station.path("missing"))])[0];
    let outcome = &documented("`plan --json`")["outcome"];
    for member in refused.as_object().unwrap().keys() {
        assert!(outcome.contains(&format!("`{member}`")) || member == "outcome", "{member}");
    }
    let certificate = first["certificate"].as_str().unwrap();
    let record = station.path("reading.json");
    let read = ["verify-media", text(&image), "--certificate", certificate, "--record", text(&record)];
    let read = station.json(0, &read);
    assert_eq!(read.len(), 1, "{read:?}");
    assert_documented("`verify-media --json`", &read[0]);
    assert_eq!((&read[0]["bytes"], &read[0]["wanted"]), (&"1048576".into(), &"1048576".into()));
    let seconds = read[0]["seconds"].as_f64().unwrap();
    assert!((0.0..60.0).contains(&seconds) && read[0]["bytes_per_second"].as_u64() > Some(0), "{}", read[0]);

    // An open run, as a kill leaves it.
    let image = station.image("large.img", 64 << 20);
    let mut wipe = station.command(&["wipe", text(&image), "--yes", "--scheme", "gutmann"]);
    let mut child = wipe.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while station.files("journal").is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_documented("Open runs: `resume --json` without a run", &station.json(0, &["resume"])[0]);
}

/// What the drives of a machine and a drive's own account have in them.
#[cfg(feature = "erase")]
#[test]
fn the_guide_documents_every_member_of_a_drive() {
    use lastwrite::media::{Health, HiddenArea};
    use lastwrite::policy::Technique;
    use lastwrite::station::{DriveReport, SecurityReport, TechniqueReport};
    let report = DriveReport {
        techniques: vec![TechniqueReport {
            technique: Technique::Overwrite,
            supported: Some(true),
            obstacle: None,
            estimate_seconds: None,
        }],
        security: Some(SecurityReport { enabled: false, locked: false, frozen: true, count_expired: false }),
        hidden_areas: Some(vec![HiddenArea {
            kind: "host_protected_area".to_owned(),
            size: None,
            note: String::new(),
            outcome: None,
        }]),
        health: Some(Health::default()),
        unknown: Vec::new(),
    };
    for machine in ["laptop-nvme-luks-lvm", "zfs-pool", "server-md-raid1", "live-usb", "sas-520", "card-read-only"] {
        let tree = common::sysfs_tree::FixtureTree::machine(machine);
        let media = lastwrite::device::inventory(&tree.roots()).unwrap();
        let reports = media.iter().map(|_| Some(report.clone())).collect();
        let told = lastwrite::frontend::cli::drives_json(media, reports);
        for drive in told["drives"].as_array().unwrap() {
            assert_documented("`drives --json`", drive);
        }
    }
}
