//! Lots: who is counted, and what the station knows against a medium.

use lastwrite::certificate::document::Document;
use lastwrite::certificate::{CertificatePayload, DocumentKind, IssueContext, id_of};
use lastwrite::sanitize::record::RunFacts;
use lastwrite::signed::{Jws, Role, StationKey, sign};

use super::*;

/// The lot that is made of these, and how its media stand, sorted: it lists them in the order of their documents' ids.
fn gathered(bench: &Bench, code: i32, args: &[&str]) -> (String, Vec<String>) {
    let line = bench.station.json(code, &[&["certificate", "gather"][..], args].concat()).remove(0);
    let file = line["files"][0].as_str().unwrap().to_owned();
    let (_, _, document) = Document::read(&std::fs::read(&file).unwrap()).unwrap();
    let Document::Gathering(gathering) = document else { panic!("{file} is no lot") };
    let mut standing: Vec<_> = gathering.media.iter().map(|medium| medium.standing.words().to_owned()).collect();
    standing.sort_unstable();
    (file, standing)
}

#[test]
fn a_lot_that_is_not_whole_is_not_whole_in_a_bundle() {
    let bench = Bench::new();
    let station = &bench.station;
    let (a, b) = (bench.wiped("a.img"), bench.wiped("b.img"));
    for (name, counted, why) in [
        ("three", &["--counted", "3"][..], "3 media were counted, 2 are listed"),
        ("nobody", &[][..], "nobody counted its media"),
    ] {
        let (lot, standing) = gathered(&bench, 5, &[&["--lot", name, &a, &b][..], counted].concat());
        assert_eq!(standing, ["sanitized", "sanitized"]);
        let bundle = station.path(&format!("{name}.bundle.json"));
        station.ok(&["certificate", "bundle", &lot, "--out", text(&bundle)]);
        let told = bench.stranger(&["certificate", "verify", text(&bundle), "--trust", &bench.trust()]);
        assert_eq!(code(&told), Some(5), "{}", both(&told));
        assert!(both(&told).contains(why), "{}", both(&told));
    }
}

/// As the guide tells: with a folder for each lot. That of another customer has been here before.
#[test]
fn a_lot_holds_what_was_wiped_into_its_folder_and_nothing_of_another_customer() {
    let guide = include_str!("../../docs/guide.md");
    for said in ["wipe --manifest lot.csv --operator \"Kim Lee\" --out L-5/\n", "--media taken-in.csv L-5/\n"] {
        assert!(guide.contains(said), "{said}");
    }
    let bench = Bench::new();
    let station = &bench.station;
    bench.wiped("theirs.img");
    let (manifest, folder) = (station.path("lot.csv"), station.path("L-5"));
    let row = |name: &str| format!(",{name},low,,{}\n", text(&station.image(&format!("{name}.img"), 64 << 10)));
    let rows = ["A-1", "A-2"].map(row).concat();
    std::fs::write(&manifest, format!("serial,asset_tag,category,confirm_token,target\n{rows}")).unwrap();
    station.ok(&["wipe", "--yes", "--manifest", text(&manifest), "--out", text(&folder)]);
    let (lot, standing) = gathered(&bench, 0, &["--lot", "L-5", "--counted", "2", text(&folder)]);
    assert_eq!(standing, ["sanitized", "sanitized"]);
    station.ok(&["certificate", "verify", &lot]);
}

#[test]
fn a_lot_is_made_by_what_the_station_knows_against_its_media() {
    let bench = Bench::new();
    let station = &bench.station;
    let (a, b) = (bench.wiped("a.img"), bench.wiped("b.img"));
    bench.validated(&a, "--reject", &[]);
    let (lot, standing) = gathered(&bench, 5, &["--lot", "L-1", "--counted", "2", &a, &b]);
    assert_eq!(standing, ["REJECTED", "sanitized"]);
    station.expect(5, &["certificate", "verify", &lot]);
    // Whether she said so before her key was revoked is not established, and neither is the certificate.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    station.ok(&["key", "revoke", &bench.kid("vera")]);
    assert!(both(&station.expect(5, &["certificate", "verify", &a])).contains("NOT ESTABLISHED"));
    let (_, standing) = gathered(&bench, 5, &["--lot", "L-2", "--counted", "2", &a, &b]);
    assert_eq!(standing, ["WITHOUT PROOF", "sanitized"]);
}

/// Signed by the bench itself.
fn of_run(bench: &Bench, facts: &RunFacts, failed: bool) -> Vec<u8> {
    let failure = lastwrite::sanitize::record::Failure {
        code: "write_errors".into(),
        message: "2 blocks could not be written".into(),
        advice: "destroy it".into(),
    };
    let context =
        IssueContext { organization: "Example Org".into(), station: "bench 1".into(), ..IssueContext::default() };
    let payload = CertificatePayload::from_facts(facts, failed.then_some(&failure), &context);
    let kind = if failed { DocumentKind::FailureReport } else { DocumentKind::Certificate };
    let key = StationKey::load(&bench.station.state().join("keys/station.pem"), None).unwrap();
    let payload = serde_json::to_vec(&payload).unwrap();
    sign(&payload, kind.typ(), &key, Role::Station, lastwrite::units::now()).unwrap().to_bytes()
}

/// Nobody has to name the failure, and another dock may have shown the drive by another vendor's name.
#[test]
fn a_failure_after_the_certificate_is_found_among_those_of_the_station() {
    let bench = Bench::new();
    let mut facts: RunFacts = serde_json::from_str(include_str!("../data/facts.json")).unwrap();
    facts.medium.identity_digest = facts.medium.identity.digest();
    let certificate = bench.station.path("certificate.json");
    std::fs::write(&certificate, of_run(&bench, &facts, false)).unwrap();
    let standing = || {
        let made =
            bench.station.run(&["--json", "certificate", "gather", "--lot", "L", "--counted", "1", text(&certificate)]);
        let file = json_lines(&made.stdout).remove(0)["files"][0].as_str().unwrap().to_owned();
        let (_, _, document) = Document::read(&std::fs::read(&file).unwrap()).unwrap();
        let Document::Gathering(gathering) = document else { panic!("{file} is no lot") };
        (code(&made), gathering.media.iter().map(|medium| medium.standing.words()).collect::<Vec<_>>())
    };
    assert_eq!(standing(), (Some(0), vec!["sanitized"]));
    let folder = bench.station.state().join("failures");
    std::fs::create_dir_all(&folder).unwrap();
    let fails = |vendor: Option<&str>, hours: i64| {
        let mut facts = facts.clone();
        facts.run_id = "ab".repeat(16);
        facts.ended += chrono::TimeDelta::hours(hours);
        facts.medium.identity.vendor = vendor.map(str::to_owned);
        facts.medium.identity_digest = facts.medium.identity.digest();
        (facts.attained, facts.proven) = (None, lastwrite::sanitize::record::Proven::Nothing);
        facts.passes[0].written = lastwrite::units::Bytes(512);
        let report = of_run(&bench, &facts, true);
        let id = id_of(Jws::parse(&report).unwrap().payload());
        let file = folder.join(format!("{id}.json"));
        std::fs::write(&file, report).unwrap();
        file
    };
    // What failed before it passed is over.
    for (vendor, hours, expected) in [
        (Some("Other dock"), -1, (Some(0), vec!["sanitized"])),
        (Some("Other dock"), 1, (Some(5), vec!["FAILED"])),
        (None, 1, (Some(5), vec!["FAILED"])),
    ] {
        let file = fails(vendor, hours);
        assert_eq!(standing(), expected, "{vendor:?}, {hours}");
        std::fs::remove_file(file).unwrap();
    }
}

/// A drive that was wiped here, and one that was wiped there, in one file; each log under the checkpoint of its station.
#[test]
fn bundles_of_two_stations_are_joined_into_one() {
    let (here, there) = (Bench::new(), Bench::new());
    let card = there.station.path("station.pub.json");
    let key = there.station.state().join("keys/station.pem");
    there.station.ok(&["key", "show", "--key", text(&key), "--name", "bench 2", "--out", text(&card)]);
    here.station.ok(&["key", "trust", text(&card), "--role", "station"]);
    let bundled = |bench: &Bench, name: &str, files: &[&str]| -> String {
        let out = text(&bench.station.path(name)).to_owned();
        bench.station.ok(&[&["certificate", "bundle"], files, &["--out", &out]].concat());
        out
    };
    let (a, b) = (here.wiped("a.img"), there.wiped("b.img"));
    let theirs = bundled(&there, "theirs.bundle.json", &[&b]);
    let own = bundled(&here, "own.bundle.json", &[&a]);
    for (name, files) in [("both.bundle.json", [a.as_str(), &theirs]), ("joined.bundle.json", [own.as_str(), &theirs])]
    {
        let both_of = bundled(&here, name, &files);
        let told = here.stranger(&["--json", "certificate", "verify", &both_of, "--trust", &here.trust()]);
        assert_eq!(code(&told), Some(0), "{name}: {}", both(&told));
        let found = &json_lines(&told.stdout)[0]["bundle"];
        let count = |member: &str| found[member].as_array().unwrap().len();
        assert_eq!((count("documents"), count("media"), count("logs")), (2, 2, 2), "{name}");
    }
    // The log has grown since, and its entries cannot be proven to two checkpoints.
    here.wiped("c.img");
    let out = here.station.path("refused.bundle.json");
    let args = ["certificate", "bundle", &a, &own, "--out", text(&out)];
    let told = both(&here.station.expect(3, &args));
    assert!(told.contains("different checkpoints") && !out.exists(), "{told}");
    // An empty folder makes no bundle.
    let empty = here.station.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let told = both(&here.station.expect(3, &["certificate", "bundle", text(&empty), "--out", text(&out)]));
    assert!(told.contains("no document to bundle") && !out.exists(), "{told}");
}

#[test]
fn what_is_of_other_media_takes_no_place_of_a_revoked_document() {
    let bench = Bench::new();
    let station = &bench.station;
    let (a, b) = (bench.wiped("a.img"), bench.wiped("b.img"));
    let (lot, _) = gathered(&bench, 0, &["--lot", "L-1", "--counted", "2", &a, &b]);
    let vera = bench.key("vera");
    let revoke = |file: &str, instead: &str| {
        let args = ["certificate", "revoke", file, "--cause", "superseded", "--reason", "r", "--key", &vera];
        station.run(&[&args[..], &["--replaced-by", instead]].concat())
    };
    for (file, instead) in [(&a, &b), (&lot, &a), (&a, &lot)] {
        let told = revoke(file, instead);
        assert_eq!(code(&told), Some(3), "{}", both(&told));
        assert!(both(&told).contains("cannot take the place of"), "{}", both(&told));
    }
    let (anew, _) = gathered(&bench, 0, &["--lot", "L-2", "--counted", "2", &a, &b]);
    let told = revoke(&lot, &anew);
    assert_eq!(code(&told), Some(0), "{}", both(&told));
}

/// What a bundle holds is heard as if each document had been named.
#[test]
fn a_bundle_beside_a_certificate_is_heard() {
    let bench = Bench::new();
    let station = &bench.station;
    let a = bench.wiped("a.img");
    let out = station.path("a.bundle.json");
    station.ok(&["certificate", "bundle", &a, "--out", text(&out)]);
    let verify = ["certificate", "verify", &a, "--with", text(&out), "--trust", &bench.trust()];
    assert_eq!(code(&bench.stranger(&verify)), Some(0));
    bench.validated(&a, "--reject", &[]);
    let rejected = station.path("rejected.bundle.json");
    station.ok(&["certificate", "bundle", &a, "--out", text(&rejected)]);
    let verify = ["certificate", "verify", &a, "--with", text(&rejected), "--trust", &bench.trust()];
    let told = bench.stranger(&verify);
    assert_eq!(code(&told), Some(5), "{}", both(&told));
    assert!(both(&told).contains("REJECTED by vera"), "{}", both(&told));
}
