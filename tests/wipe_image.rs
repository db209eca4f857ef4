//! The real binary on image files.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::station::{MARK, Station, both, json_lines, marks_in, text};

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
    for (code, words) in [(0, &["plan"][..]), (3, &["wipe"]), (0, &["wipe", "--yes"])] {
        let result = &station.json(code, &[words, &[text(&link)]].concat())[0];
        let names = (&result["target"], &result["medium"]["path"]);
        assert_eq!(names, (&text(&link).into(), &text(&image).into()), "{result}");
    }
    let lot = station.path("lot.csv");
    std::fs::write(&lot, format!("target\n{}\n", text(&link))).unwrap();
    station.ok(&["wipe", "--yes", "--manifest", text(&lot)]);
    let table = std::fs::read_to_string(station.path("lot.results.csv")).unwrap();
    let row = table.lines().nth(1).unwrap();
    assert!(row.starts_with(&format!(",,,{},pass,", text(&link))) && row.ends_with(text(&image)), "{table}");
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
