//! What a root says of a key a second time: renewal, other roles, demotion. Through the real binary, on certificates
//! of image files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::station::{Station, both, text};
use serde_json::Value;

struct Bench {
    station: Station,
    certificate: PathBuf,
    trust: String,
}

impl Bench {
    /// A certificate, and a trust store that holds a root and nothing else.
    fn new() -> Bench {
        let station = Station::new();
        let image = station.image("a.img", 1 << 20);
        let result = station.json(0, &["wipe", text(&image), "--yes"]).remove(0);
        let certificate = PathBuf::from(result["certificate"].as_str().unwrap());
        let trust = text(&station.path("organization.jwks.json")).to_owned();
        let bench = Bench { station, certificate, trust };
        bench.key("root");
        bench.station.ok(&["key", "trust", &bench.file("root.pub.json"), "--role", "root", "--trust", &bench.trust]);
        let key = bench.file("state/keys/station.pem");
        bench.station.ok(&["key", "show", "--key", &key, "--name", "bench 1", "--out", &bench.file("bench.pub.json")]);
        bench
    }

    fn file(&self, name: &str) -> String {
        text(&self.station.path(name)).to_owned()
    }

    fn key(&self, name: &str) {
        self.station.ok(&[
            "key",
            "generate",
            "--name",
            name,
            "--unprotected",
            "--out",
            &self.file(&format!("{name}.pem")),
        ]);
    }

    fn arguments<'a>(&'a self, files: &'a [String; 2], more: &[&'a str]) -> Vec<&'a str> {
        let [public, root] = files;
        [&["key", "delegate", public, "--key", root, "--trust", &self.trust], more].concat()
    }

    fn files(&self, about: &str, root: &str) -> [String; 2] {
        [self.file(&format!("{about}.pub.json")), self.file(&format!("{root}.pem"))]
    }

    fn delegate(&self, about: &str, more: &[&str]) -> Value {
        self.station.json(0, &self.arguments(&self.files(about, "root"), more)).remove(0)
    }

    /// What is told of it.
    fn told(&self, about: &str, more: &[&str]) -> String {
        both(&self.station.expect(0, &self.arguments(&self.files(about, "root"), more)))
    }

    fn verify(&self, code: i32, more: &[&str]) -> String {
        let args = ["certificate", "verify", text(&self.certificate), "--trust", &self.trust];
        both(&self.station.expect(code, &[&args[..], more].concat()))
    }

    fn listed(&self, name: &str) -> Option<Value> {
        let mut list = self.station.json(0, &["key", "list", "--trust", &self.trust]).remove(0);
        list["keys"].as_array_mut().unwrap().iter_mut().find(|key| key["name"] == name).map(Value::take)
    }
}

const BEGINNING: &str = "2020-01-01T00:00:00Z";

/// As docs/verify-without-lastwrite.md tells: keys out of a root's bundle, and by them a certificate and the station's
/// own signature on a checkpoint that a witness has signed as well.
#[test]
fn the_page_takes_keys_out_of_a_bundle_and_checks_a_cosigned_checkpoint_by_them() {
    let Some(python) = common::python_with_joserfc() else { return };
    if !common::has("openssl") {
        return common::skip("openssl is not installed");
    }
    let bench = Bench::new();
    bench.delegate("bench", &["--role", "station", "--valid-from", "2020-01-01"]);
    let run = |program: &str, script: &str, args: &[&str]| {
        let file = bench.file(script);
        std::fs::write(&file, common::block_of_page(&format!("# {script}"))).unwrap();
        Command::new(program).arg(file).args(args).output().unwrap()
    };
    let (certificate, trust) = (text(&bench.certificate), bench.file("taken.jwks.json"));
    let take = || {
        let taken = run(&python, "trusted.py", &[&bench.trust, &bench.file("organization.bundle.jsonl")]);
        assert!(taken.status.success(), "{}", both(&taken));
        std::fs::write(&trust, &taken.stdout).unwrap();
        serde_json::from_slice::<Value>(&taken.stdout).unwrap()
    };
    let kid = take()["keys"][0]["kid"].as_str().unwrap().to_owned();
    for (program, script) in [(python.as_str(), "verify.py"), ("sh", "verify.sh")] {
        let told = run(program, script, &[certificate, &trust]);
        assert!(told.status.success(), "{script}: {}", both(&told));
    }

    let (point, own) = (bench.file("point"), ["custody", "checkpoint", "--out"]);
    bench.station.ok(&[&own[..], &[&point]].concat());
    bench.key("wanda");
    let seen = bench.file("seen.json");
    let witness = ["custody", "cosign", &point, "--name", "witness.example/1", "--seen", &seen, "--key"];
    bench.station.ok(&[&witness[..], &[&bench.file("wanda.pem")]].concat());
    let signed = std::fs::read_to_string(&point).unwrap();
    assert_eq!(signed.lines().count(), 6, "{signed}");
    let check = |file: &str| run("sh", "checkpoint.sh", &[file, &trust, &kid]);
    assert!(both(&check(&point)).contains("Signature Verified Successfully"), "{}", both(&check(&point)));
    let changed = bench.file("changed");
    std::fs::write(&changed, signed.replacen('\n', "\n1", 1)).unwrap();
    assert!(!check(&changed).status.success());

    let lists = ["key", "revoke", &kid, "--root-key", &bench.file("root.pem"), "--trust", &bench.trust];
    bench.station.ok(&[&lists[..], &["--reason", "compromised"]].concat());
    assert!(take()["keys"][0]["revoked_at"].is_string());
}

#[test]
fn a_renewal_begins_where_the_delegation_before_it_did() {
    let bench = Bench::new();
    let station = ["--role", "station"];
    bench.delegate("bench", &[&station[..], &["--valid-from", "2020-01-01", "--valid-until", "2098-01-01"]].concat());
    bench.verify(0, &[]);
    // No second has gone by, and it counts all the same.
    let renewed = bench.delegate("bench", &[&station[..], &["--valid-until", "2099-01-01"]].concat());
    assert_eq!((&renewed["valid_from"], &renewed["renews"]), (&BEGINNING.into(), &true.into()));
    bench.verify(0, &[]);
    let listed = bench.listed("bench 1").unwrap();
    assert_eq!((&listed["valid_from"], &listed["valid_until"]), (&BEGINNING.into(), &"2099-01-01T00:00:00Z".into()));
    let told = bench.told("bench", &station);
    assert!(told.contains(&format!("Valid from {BEGINNING}, as before")) && !told.contains("NOTE"), "{told}");
    // Into a bundle that does not lie beside the trust store: what is there already counts.
    let other = bench.file("other.jsonl");
    bench.delegate("bench", &[&station[..], &["--to", &other]].concat());
    std::fs::remove_file(bench.station.path("organization.bundle.jsonl")).unwrap();
    let renewed = bench.delegate("bench", &[&station[..], &["--to", &other]].concat());
    assert_eq!(renewed["valid_from"], BEGINNING);
    bench.verify(0, &["--bundle", &other]);
    // Whoever says when is heard, and told what that means.
    let told = bench.told("bench", &[&station[..], &["--to", &other, "--valid-from", "2097-01-01"]].concat());
    assert!(told.contains("NOTE") && told.contains(&format!("--valid-from {BEGINNING}")), "{told}");
    bench.verify(5, &["--bundle", &other]);
}

#[test]
fn a_renewal_gives_no_role_for_the_past_and_lifts_no_revocation() {
    let bench = Bench::new();
    bench.key("kim");
    bench.delegate("kim", &["--role", "operator", "--valid-from", "2020-01-01"]);
    let told = bench.told("kim", &["--role", "operator", "--role", "witness"]);
    assert!(told.contains("NOTE") && told.contains(&format!("--valid-from {BEGINNING}")), "{told}");
    assert_ne!(bench.listed("kim").unwrap()["valid_from"], BEGINNING);
    let both_roles = ["--role", "operator", "--role", "witness"];
    bench.delegate("kim", &[&both_roles[..], &["--valid-from", "2020-01-01"]].concat());
    assert_eq!(bench.delegate("kim", &["--role", "witness"])["valid_from"], BEGINNING);
    assert_eq!(bench.delegate("kim", &both_roles)["renews"], false, "it was a witness only, before this");

    bench.delegate("bench", &["--role", "station", "--valid-from", "2020-01-01"]);
    bench.verify(0, &[]);
    let kid = bench.listed("bench 1").unwrap()["kid"].as_str().unwrap().to_owned();
    let list = ["--root-key", &bench.file("root.pem"), "--reason", "compromised", "--at", "2020-01-02"];
    bench.station.ok(&[&["key", "revoke", &kid, "--trust", &bench.trust], &list[..]].concat());
    bench.verify(5, &[]);
    let again = bench.delegate("bench", &["--role", "station"]);
    assert_eq!(again["renews"], false, "{again}");
    assert_ne!(again["valid_from"], BEGINNING);
    bench.verify(5, &[]);
}

#[test]
fn a_demoted_root_takes_with_it_whom_it_vouched_for() {
    let bench = Bench::new();
    bench.key("sub");
    bench.delegate("sub", &["--role", "root", "--valid-from", "2020-01-01"]);
    let by_sub = |code: i32, about: &str, role: &str| {
        let files = bench.files(about, "sub");
        both(&bench.station.expect(code, &bench.arguments(&files, &["--role", role, "--valid-from", "2020-01-01"])))
    };
    by_sub(0, "bench", "station");
    bench.verify(0, &[]);
    // What would count for nothing is not signed.
    assert!(by_sub(3, "sub", "root").contains("says nothing of itself"));
    bench.delegate("sub", &["--role", "witness"]);
    assert_eq!(bench.listed("sub").unwrap()["roles"], serde_json::json!(["witness"]));
    assert_eq!(bench.listed("bench 1"), None);
    bench.verify(5, &[]);
    assert!(by_sub(3, "bench", "station").contains("not trusted as a root"));
    // In whatever order.
    let bundle = bench.station.path("organization.bundle.jsonl");
    let lines: Vec<String> = std::fs::read_to_string(&bundle).unwrap().lines().map(str::to_owned).collect();
    let [made, evil, demoted] = [0, 1, 2].map(|i: usize| lines[i].as_str());
    for order in [[evil, made, demoted], [made, demoted, evil], [demoted, evil, made]] {
        std::fs::write(&bundle, order.join("\n")).unwrap();
        assert_eq!(bench.listed("bench 1"), None);
        assert!(bench.verify(5, &[]).contains("not in the trust store"));
    }
    std::fs::write(&bundle, [evil, made].join("\n")).unwrap();
    bench.verify(0, &[]);
}

#[test]
fn a_key_that_ended_or_was_revoked_is_not_rotated() {
    let bench = Bench::new();
    let (station, keys) = (&bench.station, bench.file("state/trust.jwks.json"));
    for (name, until) in [("kim", Some("2021-01-01")), ("lou", None), ("max", None)] {
        bench.key(name);
        let public = bench.file(&format!("{name}.pub.json"));
        let args = ["key", "trust", &public, "--role", "operator", "--valid-from", "2020-01-01"];
        let until: Vec<&str> = until.iter().flat_map(|until| ["--valid-until", *until]).collect();
        station.ok(&[&args[..], &until].concat());
    }
    let kid = station.json(0, &["key", "show", "--key", &bench.file("lou.pem")]).remove(0)["kid"].clone();
    station.ok(&["key", "revoke", kid.as_str().unwrap()]);
    let rotate = |code: i32, name: &str| {
        let (old, new) = (bench.file(&format!("{name}.pem")), bench.file(&format!("{name}2.pem")));
        let told = both(&station.expect(code, &["key", "rotate", "--key", &old, "--out", &new, "--unprotected"]));
        assert_eq!(std::path::Path::new(&new).exists(), code == 0, "{told}");
        told
    };
    let before = std::fs::read(&keys).unwrap();
    assert!(rotate(3, "kim").contains("expired on 2021-01-01"));
    assert!(rotate(3, "lou").contains("is revoked from"));
    assert_eq!(std::fs::read(&keys).unwrap(), before);
    rotate(0, "max");
    // The station's own: nothing is changed, neither key nor log.
    let mut set: Value = serde_json::from_slice(&std::fs::read(&keys).unwrap()).unwrap();
    let kid = set["keys"][0]["kid"].as_str().unwrap().to_owned();
    station.ok(&["key", "revoke", &kid]);
    let log = std::fs::read(station.state().join("custody/log.jsonl")).unwrap();
    let told = both(&station.expect(3, &["key", "rotate", "--station", "--unprotected"]));
    assert!(told.contains("is revoked from") && told.contains("rotated first"), "{told}");
    assert_eq!(std::fs::read(station.state().join("custody/log.jsonl")).unwrap(), log);
    set["keys"][0]["valid_until"] = "2099-01-01T00:00:00Z".into();
    std::fs::write(&keys, set.to_string()).unwrap();
    let rotated = station.json(0, &["key", "rotate", "--station", "--unprotected"]).remove(0);
    let list = station.json(0, &["key", "list"]).remove(0);
    let next = list["keys"].as_array().unwrap().iter().find(|key| key["kid"] == rotated["kid"]).unwrap();
    assert_eq!(next["valid_until"], "2099-01-01T00:00:00Z");
}
