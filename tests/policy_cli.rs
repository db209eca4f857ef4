//! Policies through the real binary: shown, checked, signed, followed, refused; the second reading and
//! the draw of what is read again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::station::{Station, both, text};
use lastwrite::policy::Ready;
use lastwrite::signed::{Jws, Role, StationKey, sign};
use serde_json::{Value, json};

/// A person with a key of their own, whom the station trusts in that role.
fn person(station: &Station, name: &str, role: &str) -> (String, Value) {
    let key = station.path(&format!("{name}.pem"));
    let made = station.json(0, &["key", "generate", "--name", name, "--unprotected", "--out", text(&key)]);
    let card = station.path(&format!("{name}.pub.json"));
    station.ok(&["key", "trust", text(&card), "--role", role]);
    (text(&key).to_owned(), made[0].clone())
}

fn own_policy(station: &Station, change: impl Fn(String) -> String) -> std::path::PathBuf {
    let toml = station.ok(&["policy", "show", "hipaa", "--toml"]);
    let path = station.path("mine.toml");
    std::fs::write(&path, change(toml.replace("id = \"hipaa\"", "id = \"clinic\""))).unwrap();
    path
}

#[test]
fn ready_made_policies_are_listed_shown_and_taken() {
    let station = Station::new();
    let listed = station.json(0, &["policy", "list"]);
    let ids: Vec<_> = listed.iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["nist-800-88r2", "r2v3", "hipaa", "gdpr", "pci-dss", "government-high"]);
    let in_force = |station: &Station| {
        let listed = station.json(0, &["policy", "list"]);
        listed.iter().find(|p| p["in_force"] == true).unwrap()["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(in_force(&station), "nist-800-88r2");
    let shown = station.ok(&["policy", "show", "r2v3"]);
    assert!(shown.contains("5 % of results are checked again") && shown.contains("Source: R2v3"), "{shown}");
    for id in ids {
        station.ok(&["policy", "show", id]);
        assert!(station.ok(&["policy", "check", id]).starts_with("good: "));
    }
    station.ok(&["policy", "use", "gdpr"]);
    assert_eq!(in_force(&station), "gdpr");
    // The station's policy is not replaced for one run.
    let image = station.image("a.img", 1 << 20);
    let told = both(&station.expect(3, &["wipe", text(&image), "--yes", "--policy", "nist-800-88r2"]));
    assert!(told.contains("works under the policy gdpr version 1"), "{told}");
    // Somebody changes a word of the file: nothing is decided any more.
    let path = station.state().join("policy.json");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] = if bytes[40] == b'A' { b'B' } else { b'A' };
    std::fs::write(&path, bytes).unwrap();
    station.expect(5, &["wipe", text(&image), "--yes", "--operator", "Kim"]);
    assert!(station.files("journal").is_empty());
}

#[test]
fn a_policy_of_ones_own_needs_an_approver() {
    let station = Station::new();
    let mine = own_policy(&station, |toml| toml.replace("years = 6", "years = 10"));
    let checked = station.ok(&["policy", "check", text(&mine)]);
    assert!(checked.starts_with("good: clinic version 1") && checked.contains("not signed yet"), "{checked}");
    let told = both(&station.expect(3, &["policy", "use", text(&mine)]));
    assert!(told.contains("only a signed policy is followed"), "{told}");
    let (key, made) = person(&station, "Ada", "policy_approver");
    station.ok(&["policy", "sign", text(&mine), "--key", &key]);
    let signed = station.path("mine.json");
    // Its payload is the TOML text, byte for byte.
    let jws: Value = serde_json::from_slice(&std::fs::read(&signed).unwrap()).unwrap();
    let payload = lastwrite::signed::decode_base64url(jws["payload"].as_str().unwrap()).unwrap();
    assert_eq!(payload, std::fs::read(&mine).unwrap());
    station.expect(1, &["policy", "sign", text(&mine), "--key", &key]);
    station.ok(&["policy", "use", text(&signed)]);

    let image = station.image("a.img", 1 << 20);
    let told = both(&station.expect(3, &["wipe", text(&image), "--yes", "--route", "internal-reuse"]));
    assert!(told.contains("clinic version 1 wants to know who does it"), "{told}");
    let args = ["wipe", text(&image), "--yes", "--operator", "Kim", "--route", "internal-reuse", "--category", "phi"];
    let certificate = station.json(0, &args)[0]["certificate"].as_str().unwrap().to_owned();
    station.ok(&["certificate", "verify", &certificate]);
    let facts = &station.json(0, &["certificate", "show", &certificate])[0]["document"]["facts"];
    let policy = &facts["policy"];
    assert_eq!((&policy["id"], &policy["retention_years"]), (&json!("clinic"), &json!(10)));
    assert_eq!((&policy["category"], &policy["route"]), (&json!("moderate"), &json!("internal_reuse")));
    assert_eq!((&policy["minimum"], &policy["signed_by"]), (&json!("clear"), &made["kid"]));
    assert_eq!(policy["ladder"], json!([{ "technique": "overwrite", "method": "clear" }]));

    // A key that may not approve, and a policy that cannot be.
    let (other, _) = person(&station, "Bob", "witness");
    let out = station.path("other.json");
    station.ok(&["policy", "sign", text(&mine), "--key", &other, "--out", text(&out)]);
    station.expect(5, &["policy", "use", text(&out)]);
    let lax = own_policy(&station, |toml| {
        toml.replace(
            "\"clear\", reused_outside = \"purge\",   discarded = \"purge\"",
            "\"destroy\", reused_outside = \"clear\", discarded = \"purge\"",
        )
    });
    let told = both(&station.expect(2, &["policy", "check", text(&lax)]));
    assert!(told.contains("must never ask for less"), "{told}");
    for (from, to) in [("format = 1", "format = 2"), ("years = 6", "years = 0"), ("[operator]", "[operators]")] {
        let broken = own_policy(&station, |toml| toml.replace(from, to));
        station.expect(2, &["policy", "check", text(&broken)]);
    }
}

#[test]
fn the_situation_decides_and_the_refusal_says_what_would_help() {
    let station = Station::new();
    let image = station.image("a.img", 1 << 20);
    let wipe =
        |code: i32, more: &[&str]| both(&station.expect(code, &[&["wipe", text(&image), "--yes"], more].concat()));
    let told = wipe(3, &["--category", "low", "--route", "resale"]);
    assert!(told.contains("Purge is demanded by the policy nist-800-88r2"), "{told}");
    let told = wipe(3, &["--category", "moderate", "--route", "recycling"]);
    assert!(told.contains("--before-destruction") && told.contains("Purge on the route resale"), "{told}");
    let told = wipe(3, &["--category", "secret"]);
    assert!(told.contains("no confidentiality category"), "{told}");
    let told = wipe(3, &["--category", "none", "--route", "resale", "--verify", "quick"]);
    assert!(told.contains("at least `--verify sample`"), "{told}");
    wipe(3, &["--technique", "ata-sanitize-block"]);
    wipe(3, &["--technique", "shred"]);
    wipe(2, &["--technique", "discard"]);
    wipe(2, &["--route", "moon"]);
    wipe(3, &["--policy", "r2v3", "--operator", "Kim"]);
    assert_eq!(common::station::marks_in(&image), 2048, "nothing was touched");

    let planned = station.json(0, &["plan", text(&image), "--category", "none", "--route", "resale"]);
    assert_eq!(planned[0]["policy"]["minimum"], "clear");
    let shown = station.ok(&["plan", text(&image), "--category", "high"]);
    assert!(shown.contains("decides no minimum"), "{shown}");
    wipe(0, &["--category", "moderate", "--route", "recycling", "--before-destruction"]);
    let certificate = station.files("certificates").remove(0);
    let page = station.ok(&["certificate", "show", text(&certificate)]);
    assert!(page.contains("A: attained as requested") && page.contains("precedes destruction"), "{page}");
    // It is what it says, and no proof that the medium may go.
    station.ok(&["certificate", "verify", "--any", text(&certificate)]);
    station.expect(5, &["certificate", "verify", text(&certificate)]);
}

/// Leaving the route out does not leave the policy out.
#[test]
fn a_policy_with_rules_of_its_own_does_nothing_without_a_route() {
    let station = Station::new();
    let image = station.image("a.img", 1 << 20);
    let (key, _) = person(&station, "Kim", "operator");
    for id in ["r2v3", "hipaa", "gdpr", "pci-dss", "government-high"] {
        station.ok(&["policy", "use", id]);
        let base = ["wipe", text(&image), "--yes", "--verify", "none", "--operator-key", &key];
        for more in [&[][..], &["--category", "high"], &["--category", "high", "--before-destruction"]] {
            let told = both(&station.expect(3, &[&base[..], more].concat()));
            let needed = "--route (internal-reuse, resale, donation, lease-return, recycling, destruction)";
            assert!(
                told.contains(&format!("{id} version 1 decides nothing without")) && told.contains(needed),
                "{told}"
            );
        }
    }
    assert_eq!(common::station::marks_in(&image), 2048, "nothing was touched");
    // With the route the category that the policy assumes counts.
    station.ok(&["policy", "use", "pci-dss"]);
    let routed = ["wipe", text(&image), "--yes", "--operator-key", &key, "--route", "internal-reuse"];
    assert!(both(&station.expect(3, &routed)).contains("Purge is demanded by the policy pci-dss"));
    station.ok(&["policy", "use", "hipaa"]);
    let certificate = station.json(0, &routed)[0]["certificate"].as_str().unwrap().to_owned();
    let facts = &station.json(0, &["certificate", "show", &certificate])[0]["document"]["facts"];
    assert_eq!((&facts["policy"]["category"], &facts["policy"]["assumed"]), (&json!("moderate"), &json!(["category"])));
    // A policy of one's own can still be laxer, and is told so.
    let lax = own_policy(&station, |toml| toml.replace("nothing = true\n", ""));
    assert!(station.ok(&["policy", "check", text(&lax)]).contains("where nobody says the route"));
    let strict = own_policy(&station, |toml| toml);
    assert!(!station.ok(&["policy", "check", text(&strict)]).contains("where nobody says the route"));
}

/// The rules of a ready-made policy as a certificate says them, of a medium of low category that stays inside.
fn said_of(id: &str) -> Value {
    let ready = Ready::find(id).unwrap();
    let policy = ready.policy().unwrap();
    json!({
        "id": id, "version": policy.version, "digest": ready.digest(), "signed_by": null, "category": "low",
        "route": "internal_reuse", "assumed": [], "minimum": "clear", "least_verification": policy.verification.clear,
        "validation": false, "second_person_percent": policy.second_person.percent, "bad_blocks_allowed": 0,
        "hidden_areas": policy.hidden_areas.rule, "operator": policy.operator.rule, "step_down": "never",
        "ladder": [{ "technique": "overwrite", "method": "clear" }], "before_destruction": false,
        "retention_years": policy.retention.years,
    })
}

/// A station that signs what no honest program would: the rules that it names are not those of the policy it names.
#[test]
fn a_certificate_does_not_make_up_the_rules_of_a_ready_made_policy() {
    let station = Station::new();
    let image = station.image("a.img", 1 << 20);
    let wipe = ["wipe", text(&image), "--yes", "--operator", "Kim", "--verify", "full"];
    let certificate = station.json(0, &wipe)[0]["certificate"].as_str().unwrap().to_owned();
    let jws = Jws::parse(&std::fs::read(&certificate).unwrap()).unwrap();
    let good: Value = serde_json::from_slice(jws.payload()).unwrap();
    let key = StationKey::load(&station.state().join("keys/station.pem"), None).unwrap();
    let verified = |code: i32, id: &str, change: &dyn Fn(&mut Value)| {
        let mut payload = good.clone();
        payload["facts"]["policy"] = said_of(id);
        change(&mut payload["facts"]["policy"]);
        let at = lastwrite::units::now();
        let signed = sign(payload.to_string().as_bytes(), jws.typ().unwrap(), &key, Role::Station, at).unwrap();
        let file = station.path("forged.json");
        std::fs::write(&file, signed.to_bytes()).unwrap();
        let told = station.json(code, &["certificate", "verify", text(&file)]).remove(0);
        let checks = told["verification"]["checks"].as_array().unwrap().clone();
        let failed: Vec<_> = checks.iter().filter(|c| c["outcome"] == "failed").map(|c| c["name"].clone()).collect();
        assert_eq!(failed, if code == 0 { vec![] } else { vec![json!("policy")] }, "{id}: {told:#}");
    };
    for id in ["nist-800-88r2", "r2v3", "hipaa", "gdpr", "pci-dss"] {
        verified(0, id, &|_| {});
        verified(5, id, &|policy| policy["least_verification"] = json!("none"));
        verified(5, id, &|policy| policy["assumed"] = json!(["route"]));
        let undecided = |members: &'static [&str]| {
            move |policy: &mut Value| {
                members.iter().for_each(|member| policy[*member] = json!(null));
                (policy["minimum"], policy["least_verification"]) = (json!(null), json!("none"));
            }
        };
        let code = if id == "nist-800-88r2" { 0 } else { 5 };
        verified(code, id, &undecided(&["category", "route"]));
        verified(code, id, &undecided(&["category"]));
        verified(code, id, &undecided(&["route"]));
        // Nothing is counted for more than the policy counts it for on this medium, also where it was not used.
        for technique in ["nvme-format-user", "nvme-sanitize-block"] {
            let more = json!({ "technique": technique, "method": "purge" });
            verified(5, id, &|policy| policy["ladder"].as_array_mut().unwrap().push(more.clone()));
        }
    }
    verified(0, "hipaa", &|policy| {
        (policy["category"], policy["assumed"]) = (json!("moderate"), json!(["category"]));
    });
}

#[test]
fn each_level_of_read_back_earns_its_grade() {
    let station = Station::new();
    for (level, mark, proven) in [
        ("full", "A", "full_readback"),
        ("sample", "B", "sampled_readback"),
        ("quick", "C", "quick_readback"),
        ("none", "D", "completion_only"),
    ] {
        let image = station.image(&format!("{level}.img"), 18 << 20);
        let certificate =
            station.json(0, &["wipe", text(&image), "--yes", "--verify", level])[0]["certificate"].clone();
        let certificate = certificate.as_str().unwrap();
        station.ok(&["certificate", "verify", certificate]);
        let document = &station.json(0, &["certificate", "show", certificate])[0]["document"];
        assert_eq!((&document["grade"]["mark"], &document["facts"]["proven"]), (&json!(mark), &json!(proven)));
        assert!(!document["grade"]["reasons"].as_array().unwrap().is_empty());
    }
}

#[test]
fn a_second_person_signs_what_they_read() {
    let bench = Station::new();
    let image = bench.image("a.img", 4 << 20);
    let certificate = bench.json(0, &["wipe", text(&image), "--yes"])[0]["certificate"].as_str().unwrap().to_owned();
    let desk = Station::new();
    let (key, made) = person(&desk, "Ada", "verifier");
    let trust = bench.state().join("trust.jwks.json");
    let read = |code: i32, record: &str, more: &[&str]| {
        let record = desk.path(record);
        let args = ["verify-media", text(&image), "--certificate", &certificate, "--trust", text(&trust)];
        let by = ["--record", text(&record), "--verifier", "Ada", "--key", &key];
        desk.json(code, &[&args[..], &by, more].concat());
        serde_json::from_slice::<Value>(&std::fs::read(record).unwrap()).unwrap()
    };
    let payload = |jws: &Value| -> Value {
        let bytes = lastwrite::signed::decode_base64url(jws["payload"].as_str().unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let good = read(0, "good.json", &[]);
    assert_eq!(good["signatures"].as_array().unwrap().len(), 2);
    let said = payload(&good);
    assert_eq!(
        (&said["result"], &said["level"], &said["by"]["kid"]),
        (&json!("matched"), &json!("full"), &made["kid"])
    );
    let sampled = payload(&read(0, "sampled.json", &["--sample"]));
    assert_eq!((&sampled["result"], &sampled["level"]), (&json!("matched"), &json!("sample")));
    assert_eq!(sampled["seed"].as_str().unwrap().len(), 64);
    // One byte is changed: that is signed too.
    let mut bytes = std::fs::read(&image).unwrap();
    bytes[3_000_000] ^= 1;
    std::fs::write(&image, bytes).unwrap();
    let bad = payload(&read(5, "bad.json", &[]));
    assert_eq!(bad["result"], "mismatched");
    assert_eq!(bad["ledger"]["mismatched"], json!([{ "first": (3_000_000 / 512).to_string(), "count": "1" }]));
    // Each stands in the reader's own log, and in its folder.
    let log = desk.json(0, &["custody", "log"]);
    let readings: Vec<_> = log.iter().map(|line| &line["entry"]).filter(|e| e["type"] == "medium.verified").collect();
    let results: Vec<_> = readings.iter().map(|e| e["data"]["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["matched", "matched", "mismatched"]);
    for reading in readings {
        let id = reading["data"]["document"].as_str().unwrap();
        assert!(desk.state().join("documents").join(format!("{id}.json")).exists());
    }

    // Whose key is no verifier's would sign what nobody believes, so nothing is read.
    let (otto, _) = person(&desk, "Otto", "operator");
    let nora = desk.path("Nora.pem");
    desk.ok(&["key", "generate", "--name", "Nora", "--unprotected", "--out", text(&nora)]);
    let record = desk.path("nobody.json");
    for (name, key, why) in [
        ("Otto", otto.as_str(), "the key of Otto is trusted as operator, not as verifier; nothing was read"),
        ("Nora", text(&nora), "is not in the trust store; nothing was read"),
    ] {
        let args = ["verify-media", text(&image), "--certificate", &certificate, "--trust", text(&trust)];
        let by = ["--record", text(&record), "--verifier", name, "--key", key];
        let told = both(&desk.expect(3, &[&args[..], &by].concat()));
        assert!(told.contains(why) && !record.exists(), "{told}");
    }
    // Nor is it passed over in silence where the reader is known in another role only.
    let (public, station_key) = (desk.path("desk.pub.json"), desk.state().join("keys/station.pem"));
    desk.ok(&["key", "show", "--key", text(&station_key), "--name", "desk", "--out", text(&public)]);
    bench.ok(&["key", "trust", text(&public), "--role", "station"]);
    bench.ok(&["key", "trust", text(&desk.path("Ada.pub.json")), "--role", "operator"]);
    let bad = desk.path("bad.json");
    let told = both(&bench.expect(5, &["certificate", "verify", &certificate, "--with", text(&bad)]));
    assert!(told.contains("bad.json (--with) is invalid, so it says nothing") && told.contains("key role"), "{told}");
    let (vera, _) = person(&bench, "Vera", "validator");
    let accept = ["certificate", "validate", &certificate, "--accept", "--reason", "r", "--key", &vera, "--with"];
    assert!(both(&bench.expect(3, &[&accept[..], &[text(&bad)]].concat())).contains("bad.json (--with) is invalid"));
    // What is no document and merely lies in a folder does no harm.
    let folder = desk.path("brought");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("notes.json"), "{}").unwrap();
    let told = both(&bench.expect(0, &["certificate", "verify", &certificate, "--with", text(&folder)]));
    assert!(told.contains("notes.json (--with) is invalid"), "{told}");
}

#[test]
fn nobody_steers_the_draw() {
    let station = Station::new();
    for i in 0..7 {
        let image = station.image(&format!("{i}.img"), 1 << 16);
        station.ok(&["wipe", text(&image), "--yes", "--verify", "none"]);
    }
    let checkpoint = station.path("week.checkpoint");
    station.ok(&["custody", "checkpoint", "--out", text(&checkpoint)]);
    let late = station.image("late.img", 1 << 16);
    station.ok(&["wipe", text(&late), "--yes", "--verify", "none"]);
    let draw = |code: i32, value: &str, more: &[&str]| {
        let args = ["certificate", "sample", "--checkpoint", text(&checkpoint), "--value", value, "--source", "dice"];
        station.json(code, &[&args[..], more].concat()).remove(0)
    };
    // The default policy asks for no second person.
    draw(2, "4711", &[]);
    let first = draw(0, "4711", &["--rate", "5"]);
    assert_eq!(first["population"].as_array().unwrap().len(), 7, "what came later takes no part");
    assert_eq!(first["picked"].as_array().unwrap().len(), 1);
    assert_eq!(first["earlier_draws"], json!([]));
    let again = draw(0, "4711", &["--rate", "5", "--look"]);
    assert_eq!(again["picked"], first["picked"]);
    assert_eq!((&again["entry"], &again["earlier_draws"]), (&Value::Null, &json!([first["entry"]])));
    // Trying until it suits leaves its traces.
    let steered = draw(0, "4712", &["--rate", "50"]);
    assert_eq!(steered["picked"].as_array().unwrap().len(), 4);
    assert_eq!(steered["earlier_draws"].as_array().unwrap().len(), 1);
    station.ok(&["custody", "audit", "--against", text(&checkpoint)]);
    // By the definition alone.
    let (log, size, root) = (&first["log_id"], &first["size"], &first["root"]);
    let text_of = |v: &Value| v.as_str().unwrap().to_owned();
    let seed =
        sha(format!("lastwrite second-person sample 1\n{}\n{}\n{}\n4711", text_of(log), text_of(size), text_of(root))
            .as_bytes());
    let mut ranks: Vec<_> = first["population"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| (sha(&[&seed[..], text_of(id).as_bytes()].concat()), text_of(id)))
        .collect();
    ranks.sort();
    assert_eq!(first["picked"][0]["id"], ranks[0].1);
    let other = station.path("other");
    std::fs::write(&other, "no checkpoint").unwrap();
    let args = ["certificate", "sample", "--rate", "5", "--checkpoint", text(&other), "--value", "1", "--source", "x"];
    station.expect(5, &args);
}

/// Who takes part and how many are drawn is on record before anybody knows the value.
#[test]
fn the_window_of_a_draw_is_announced_before_the_checkpoint() {
    let station = Station::new();
    let wiped = |i: usize| {
        let image = station.image(&format!("{i}.img"), 1 << 16);
        station.ok(&["wipe", text(&image), "--yes", "--verify", "none"]);
    };
    (0..3).for_each(wiped);
    let entries = station.json(0, &["custody", "log"]);
    let passed: Vec<_> = entries.iter().map(|l| &l["entry"]).filter(|e| e["type"] == "run.passed").collect();
    let second = passed[1]["time"].as_str().unwrap();
    let checkpoint = |name: &str| {
        let file = station.path(name);
        station.ok(&["custody", "checkpoint", "--out", text(&file)]);
        file
    };
    fn args(file: &std::path::Path) -> [&str; 8] {
        ["certificate", "sample", "--checkpoint", text(file), "--value", "4711", "--source", "dice"]
    }
    // Whoever knows the value does not choose the window.
    let bare = checkpoint("bare.checkpoint");
    for window in [["--from", second], ["--to", second]] {
        let told = both(&station.expect(3, &[&args(&bare)[..], &["--rate", "50"], &window].concat()));
        assert!(told.contains(&format!("no announcement of {}", window[0])), "{told}");
    }
    let announce = ["certificate", "sample", "--announce"];
    station.expect(2, &announce);
    let early = station.json(0, &[&announce[..], &["--rate", "100"]].concat()).remove(0);
    let announced = station.json(0, &[&announce[..], &["--rate", "50", "--from", second]].concat()).remove(0);
    assert_ne!(announced["entry"], early["entry"], "the later one counts");
    let fixed = checkpoint("fixed.checkpoint");
    // Nor does what is announced after the checkpoint count.
    station.ok(&[&announce[..], &["--rate", "1"]].concat());
    for other in [["--rate", "1"], ["--from", "2020-01-01"], ["--to", second]] {
        let told = both(&station.expect(3, &[&args(&fixed)[..], &other].concat()));
        assert!(told.contains(&format!("entry {} announced another", announced["entry"])), "{told}");
    }
    let drawn = station.json(0, &args(&fixed)).remove(0);
    assert_eq!((&drawn["percent"], &drawn["announced"]), (&json!(50), &announced["entry"]));
    let of = |entry: &&Value| entry["data"]["document"].clone();
    assert_eq!(drawn["population"], Value::Array(passed[1..].iter().map(of).collect()));
    assert_eq!(drawn["picked"].as_array().unwrap().len(), 1);
    let same = station.json(0, &[&args(&fixed)[..], &["--rate", "50", "--from", second, "--look"]].concat()).remove(0);
    assert_eq!((&same["picked"], &same["earlier_draws"]), (&drawn["picked"], &json!([drawn["entry"]])));
}

fn sha(bytes: &[u8]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).into()
}
