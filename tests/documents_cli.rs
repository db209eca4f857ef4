//! Documents through the real binary: judged, revoked, destroyed, gathered, bundled, handed over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "documents_cli/handover.rs"]
mod handover;
#[path = "documents_cli/lots.rs"]
mod lots;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::station::{Station, both, json_lines, text};
use lastwrite::signed::{Jws, StationKey, countersign};
use serde_json::Value;

/// A station with people that it trusts, each in one role.
struct Bench {
    station: Station,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { station: Station::new() };
        for (name, role) in [
            ("vera", "validator"),
            ("otto", "operator"),
            ("wim", "witness"),
            ("sam", "transferor"),
            ("rita", "receiver"),
        ] {
            let key = bench.key(name);
            bench.station.ok(&["key", "generate", "--name", name, "--unprotected", "--out", &key]);
            bench.station.ok(&["key", "trust", &key.replace(".pem", ".pub.json"), "--role", role]);
        }
        bench
    }

    fn key(&self, name: &str) -> String {
        text(&self.station.path(&format!("{name}.pem"))).to_owned()
    }

    fn kid(&self, name: &str) -> String {
        let card = std::fs::read(self.station.path(&format!("{name}.pub.json"))).unwrap();
        serde_json::from_slice::<Value>(&card).unwrap()["kid"].as_str().unwrap().to_owned()
    }

    fn wiped(&self, name: &str) -> String {
        let image = self.station.image(name, 64 << 10);
        let result = &self.station.json(0, &["wipe", text(&image), "--yes", "--asset", name])[0];
        result["certificate"].as_str().unwrap().to_owned()
    }

    /// Runs a command that hands out a document; its file.
    fn document(&self, args: &[&str]) -> String {
        self.station.json(0, args)[0]["files"][0].as_str().unwrap().to_owned()
    }

    fn validated(&self, file: &str, decision: &str, more: &[&str]) -> String {
        let key = self.key("vera");
        let args = ["certificate", "validate", file, decision, "--reason", "looked at it", "--key", &key];
        self.document(&[&args, more].concat())
    }

    /// As a stranger sees it: another machine, no station, only the trust store.
    fn stranger(&self, args: &[&str]) -> Output {
        let desk = self.station.path("desk");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastwrite"));
        command.args(args).env_remove("LASTWRITE_STATE").env("XDG_DATA_HOME", &desk).env("HOME", &desk);
        command.env_remove("LASTWRITE_KEY").env_remove("LASTWRITE_PASSPHRASE_FILE").stdin(Stdio::null());
        if nix::unistd::geteuid().is_root() {
            command.env("LASTWRITE_STATE_UNUSED", "1");
        }
        command.output().unwrap()
    }

    fn trust(&self) -> String {
        text(&self.station.state().join("trust.jwks.json")).to_owned()
    }
}

fn id_of(file: &str) -> String {
    Path::new(file).file_stem().unwrap().to_str().unwrap().to_owned()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn a_rejection_is_known_everywhere_until_it_is_lifted_and_a_revocation_is_final() {
    let bench = Bench::new();
    let station = &bench.station;
    let certificate = bench.wiped("a.img");
    station.ok(&["certificate", "verify", &certificate]);
    // Only a validator validates.
    let otto = bench.key("otto");
    let refused = ["certificate", "validate", &certificate, "--accept", "--reason", "fine", "--key", &otto];
    assert!(both(&station.expect(3, &refused)).contains("not as validator"));

    let accepted = bench.validated(&certificate, "--accept", &[]);
    assert!(station.ok(&["certificate", "verify", &certificate]).contains("accepted by vera"));
    // A validation certifies nothing by itself.
    station.expect(5, &["certificate", "verify", &accepted]);
    station.ok(&["certificate", "verify", "--any", &accepted]);
    assert!(station.ok(&["certificate", "show", &accepted]).contains("VALIDATION"));

    let rejected = bench.validated(&certificate, "--reject", &[]);
    let told = both(&station.expect(5, &["certificate", "verify", &certificate]));
    assert!(told.contains("REJECTED by vera"), "{told}");
    // Without the station's folder the rejection has to be brought along.
    let trust = bench.trust();
    let alone = bench.stranger(&["certificate", "verify", &certificate, "--trust", &trust]);
    let with = bench.stranger(&["certificate", "verify", &certificate, "--trust", &trust, "--with", &rejected]);
    assert_eq!((code(&alone), code(&with)), (Some(0), Some(5)), "{}{}", both(&alone), both(&with));

    let vera = bench.key("vera");
    let again = ["certificate", "validate", &certificate, "--accept", "--reason", "read again", "--key", &vera];
    station.expect(3, &again);
    bench.validated(&certificate, "--accept", &["--replaces", &id_of(&rejected)]);
    station.ok(&["certificate", "verify", &certificate]);

    let revoke = ["certificate", "revoke", &certificate, "--cause", "error", "--reason", "wrong drive", "--key", &vera];
    bench.document(&revoke);
    assert!(both(&station.expect(5, &["certificate", "verify", &certificate])).contains("revoked by vera"));
    station.expect(3, &again);
    let log = station.ok(&["custody", "log"]);
    assert_eq!(log.matches("document.validated").count(), 3, "{log}");
    assert_eq!(log.matches("document.revoked").count(), 1);
    station.ok(&["custody", "audit"]);
}

#[test]
fn a_bundle_without_the_rejection_that_the_log_knows_is_incomplete() {
    let bench = Bench::new();
    let station = &bench.station;
    let certificate = bench.wiped("a.img");
    let trust = bench.trust();
    let good = station.path("good.bundle.json");
    station.ok(&["certificate", "bundle", &certificate, "--out", text(&good)]);
    let offline = bench.stranger(&["certificate", "verify", text(&good), "--trust", &trust]);
    assert_eq!(code(&offline), Some(0), "{}", both(&offline));
    station.ok(&["certificate", "verify", text(&good)]);
    let nobody = bench.stranger(&["certificate", "verify", text(&good)]);
    assert_eq!(code(&nobody), Some(5), "without a trust store nothing is established: {}", both(&nobody));

    let rejected = bench.validated(&certificate, "--reject", &[]);
    // The bundle from before does not know it; the log does.
    let told = both(&station.expect(5, &["certificate", "verify", text(&good)]));
    assert!(told.contains("documents are missing") && told.contains(&id_of(&rejected)), "{told}");
    let log = station.state().join("custody");
    let told = bench.stranger(&["certificate", "verify", text(&good), "--trust", &trust, "--log", text(&log)]);
    assert_eq!(code(&told), Some(5), "{}", both(&told));
    let with = bench.stranger(&["certificate", "verify", text(&good), "--trust", &trust, "--with", &rejected]);
    assert_eq!(code(&with), Some(5), "{}", both(&with));
    // A new one brings it along, and the medium is not proven.
    let whole = station.path("whole.bundle.json");
    station.ok(&["certificate", "bundle", &certificate, "--out", text(&whole)]);
    let told = bench.stranger(&["certificate", "verify", text(&whole), "--trust", &trust]);
    assert_eq!(code(&told), Some(5));
    assert!(both(&told).contains("not proven") && both(&told).contains("REJECTED"), "{}", both(&told));
    // Somebody takes the rejection out of the folder: the audit sees that it is gone.
    std::fs::remove_file(&rejected).unwrap();
    assert!(station.ok(&["custody", "audit"]).contains("was moved or removed"));
    // And a bundle made after that names an entry without its document.
    let sly = station.path("sly.bundle.json");
    station.ok(&["certificate", "bundle", &certificate, "--out", text(&sly)]);
    let told = bench.stranger(&["certificate", "verify", text(&sly), "--trust", &trust]);
    assert_eq!(code(&told), Some(5));
    assert!(both(&told).contains("missing"), "{}", both(&told));

    // Each byte of it counts.
    let bytes = std::fs::read(&good).unwrap();
    let changed = station.path("changed.bundle.json");
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut other = bytes.clone();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        if other == bytes {
            continue;
        }
        std::fs::write(&changed, other).unwrap();
        let told = bench.stranger(&["certificate", "verify", text(&changed), "--trust", &trust]);
        assert_eq!(code(&told), Some(5), "byte {at}: {}", both(&told));
    }
}

/// Whoever speaks of a document signed before their key was lost, if others say so; and nothing is valid while it is not
/// known whether they did.
#[test]
fn a_rejection_by_a_key_that_is_revoked_since_counts_by_what_others_saw_before() {
    let bench = Bench::new();
    let station = &bench.station;
    let key = bench.key("register");
    station.ok(&["key", "generate", "--name", "register", "--unprotected", "--out", &key]);
    station.ok(&["key", "trust", &key.replace(".pem", ".pub.json"), "--role", "register"]);
    let certificate = bench.wiped("a.img");
    let bundle = station.path("lot.bundle.json");
    station.ok(&["certificate", "bundle", &certificate, "--out", text(&bundle)]);
    let rejected = bench.validated(&certificate, "--reject", &[]);
    let register = StationKey::load(Path::new(&key), None).unwrap();
    let seen = Jws::parse(&std::fs::read(&rejected).unwrap()).unwrap();
    let seen = countersign(&seen, &register, lastwrite::units::now()).unwrap().to_bytes();
    let evidence = station.path("seen.countersignature");
    std::fs::write(&evidence, &seen).unwrap();
    let brought = station.path(&format!("{}.json", id_of(&rejected)));
    std::fs::copy(&rejected, &brought).unwrap();
    std::fs::write(brought.with_extension("countersignature"), &seen).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    station.ok(&["key", "revoke", &bench.kid("vera")]);

    let trust = bench.trust();
    let named = ["--evidence", text(&evidence)];
    for file in [&certificate, text(&bundle)] {
        for (with, more, verdict) in [
            (rejected.as_str(), &[][..], "consistent_signer_unknown"),
            (rejected.as_str(), &named[..], "invalid"),
            (text(&brought), &[][..], "invalid"),
        ] {
            let args = ["--json", "certificate", "verify", file, "--trust", &trust, "--with", with];
            let told = bench.stranger(&[&args[..], more].concat());
            let line = json_lines(&told.stdout).remove(0);
            let found = line.get("bundle").unwrap_or(&line["verification"]);
            assert_eq!((code(&told), &found["verdict"]), (Some(5), &verdict.into()), "{file}, {with}: {}", both(&told));
        }
    }
    // Another validator decides anew, and says in place of what.
    let vito = bench.key("vito");
    station.ok(&["key", "generate", "--name", "vito", "--unprotected", "--out", &vito]);
    station.ok(&["key", "trust", &vito.replace(".pem", ".pub.json"), "--role", "validator"]);
    let again = ["certificate", "validate", &certificate, "--accept", "--reason", "read again", "--key", &vito];
    assert!(both(&station.expect(3, &again)).contains("unknown is never success"));
    bench.document(&[&again[..], &["--replaces", &id_of(&rejected)]].concat());
    station.ok(&["certificate", "verify", &certificate]);
}

#[test]
fn destruction_is_recorded_where_it_destroys_and_needs_its_witness() {
    let bench = Bench::new();
    let station = &bench.station;
    let photo = station.path("drum.jpg");
    std::fs::write(&photo, b"a photo").unwrap();
    let otto = bench.key("otto");
    let base = [
        "certificate",
        "record-destruction",
        "--serial",
        "S-77",
        "--model",
        "SSD 9",
        "--place",
        "Hall 3",
        "--equipment-maker",
        "Mill",
        "--equipment-model",
        "HD-900",
        "--key",
        &otto,
        "--attach",
        text(&photo),
    ];
    let record = |code: i32, more: &[&str]| station.expect(code, &[&base[..], more].concat());
    for technique in ["drill", "bend", "cut", "crush"] {
        let told = both(&record(3, &["--technique", technique, "--material", "flash"]));
        assert!(told.contains("data can be read"), "{told}");
    }
    let told = both(&record(3, &["--technique", "degauss", "--field", "20000", "--material", "flash"]));
    assert!(told.contains("attains nothing"), "{told}");
    let shred = ["--technique", "shred", "--class", "E-4", "--particle", "25", "--material", "flash"];
    assert!(both(&record(3, &shred)).contains("low confidentiality category"));
    record(3, &["--technique", "disintegrate", "--class", "E-4", "--particle", "31", "--material", "flash"]);
    record(2, &["--technique", "disintegrate", "--class", "E-3", "--particle", "31", "--material", "flash"]);
    // It is recorded when it is done.
    let melt = ["--technique", "melt", "--celsius", "900", "--material", "flash"];
    let told = both(&record(2, &[&melt[..], &["--destroyed", "2131-01-01"]].concat()));
    assert!(told.contains("2131-01-01T00:00:00Z has not come yet"), "{told}");
    // Into the furnace goes another drive than the document is about.
    let sent = bench.wiped("sent.img");
    let told = both(&record(3, &[&["--because", &sent, "--size", "1000204886016"], &melt[..]].concat()));
    assert!(told.contains("label is that of another medium: size differs"), "{told}");
    assert!(!station.state().join("documents").exists(), "nothing was recorded");

    let wim = bench.kid("wim");
    let good = [
        "--technique",
        "disintegrate",
        "--class",
        "E-4",
        "--particle",
        "25",
        "--material",
        "flash",
        "--weight",
        "0.06",
    ];
    let witnessed = [&base[..], &good, &["--witness", &wim]].concat();
    let file = bench.document(&witnessed);
    let told = both(&station.expect(5, &["certificate", "verify", &file]));
    assert!(told.contains("NOT COMPLETE"), "{told}");
    // The one who did it is not the witness, and no other witness will do.
    station.expect(3, &["certificate", "sign", &file, "--role", "witness", "--key", &otto]);
    station.ok(&["certificate", "sign", &file, "--role", "witness", "--key", &bench.key("wim")]);
    station.ok(&["certificate", "verify", &file]);
    let shown = station.ok(&["certificate", "show", &file]);
    assert!(shown.contains("disintegrate") && shown.contains("drum.jpg") && shown.contains("0.06 kg"), "{shown}");
    station.ok(&["custody", "audit"]);
}

/// A key signs under its owner's name and under no other, and nobody accepts their own work.
#[test]
fn nobody_signs_under_the_name_of_somebody_else() {
    let bench = Bench::new();
    let station = &bench.station;
    let kim = bench.key("Kim");
    station.ok(&["key", "generate", "--name", "Kim", "--unprotected", "--out", &kim]);
    let roles = ["--role", "operator", "--role", "validator", "--role", "verifier", "--role", "transferor"];
    station.ok(&[&["key", "trust", &kim.replace(".pem", ".pub.json")], &roles[..]].concat());
    let refused = |args: &[&str]| {
        let told = both(&station.expect(3, args));
        assert!(told.contains("is that of \"Kim\" in the trust store, and not of \"Ada Byron\""), "{told}");
    };
    let ada = ["--key", &kim, "--name", "Ada Byron"];
    let image = station.image("a.img", 64 << 10);
    let wipe = ["wipe", text(&image), "--yes", "--operator-key", &kim, "--operator"];
    refused(&[&wipe[..], &["Ada Byron"]].concat());
    assert!(common::station::marks_in(&image) > 0, "nothing was touched");
    let certificate = station.json(0, &[&wipe[..], &[" kim"]].concat())[0]["certificate"].as_str().unwrap().to_owned();
    station.ok(&["certificate", "verify", &certificate]);

    let validate = ["certificate", "validate", &certificate, "--reason", "looked at it"];
    for decision in ["--accept", "--reject"] {
        refused(&[&validate[..], &[decision], &ada].concat());
    }
    let told = both(&station.expect(3, &[&validate[..], &["--accept", "--key", &kim]].concat()));
    assert!(told.contains("it is the work of Kim") && told.contains("somebody else"), "{told}");
    refused(&[&["certificate", "revoke", &certificate, "--cause", "error", "--reason", "r"], &ada[..]].concat());
    let transfer = ["custody", "transfer", "--place", "P", "--reason", "R", "--serial", "S", "--to"];
    refused(&[&transfer[..], &["Rita"], &ada].concat());
    refused(&[&transfer[..], &["Ada Byron", "--to-key", &bench.kid("Kim"), "--key", &kim]].concat());
    let record = station.path("reading.json");
    let reading = ["verify-media", text(&image), "--certificate", &certificate, "--record", text(&record)];
    refused(&[&reading[..], &["--verifier", "Ada Byron", "--key", &kim]].concat());
    assert!(!record.exists() && !station.state().join("documents").exists(), "nothing was signed");
    bench.validated(&certificate, "--accept", &["--name", "VERA"]);
    station.ok(&["certificate", "verify", &certificate]);

    // Who knows the key under another name does not believe the one on the certificate.
    let other = station.path("other.jwks.json");
    let store = std::fs::read_to_string(bench.trust()).unwrap().replace("\"Kim\"", "\"Ada Byron\"");
    std::fs::write(&other, store).unwrap();
    let told = bench.stranger(&["certificate", "verify", &certificate, "--trust", text(&other)]);
    assert_eq!(code(&told), Some(5));
    let words = "the document calls the operator \" kim\", but the trust store knows key";
    let told = both(&told).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(words) && told.contains("as \"Ada Byron\""), "{told}");
}

#[test]
fn a_lot_names_every_medium_and_says_which_has_no_proof() {
    let bench = Bench::new();
    let station = &bench.station;
    let (a, b) = (bench.wiped("a.img"), bench.wiped("b.img"));
    let list = station.path("lot.csv");
    std::fs::write(&list, "serial,model,asset_tag\nLOST-1,M,A-1\n").unwrap();
    let gather = ["certificate", "gather", "--lot", "L-5", &a, &b];
    let open = station.json(5, &[&gather[..], &["--media", text(&list)]].concat());
    let file = open[0]["files"][0].as_str().unwrap().to_owned();
    let shown = station.ok(&["certificate", "show", &file]);
    assert!(shown.contains("WITHOUT proof") && shown.contains("M LOST-1"), "{shown}");
    station.expect(5, &["certificate", "verify", &file]);
    station.ok(&["certificate", "verify", "--any", &file]);
    // Nobody counted, too few counted, rightly counted.
    station.expect(5, &gather);
    station.expect(5, &[&gather[..], &["--counted", "3"]].concat());
    let whole = bench.document(&[&gather[..], &["--counted", "2"]].concat());
    station.ok(&["certificate", "verify", &whole]);

    let bundle = station.path("lot.bundle.json");
    station.ok(&["certificate", "bundle", &whole, "--out", text(&bundle)]);
    let trust = bench.trust();
    let told = bench.stranger(&["--json", "certificate", "verify", text(&bundle), "--trust", &trust]);
    assert_eq!(code(&told), Some(0), "{}", both(&told));
    let found = &json_lines(&told.stdout)[0]["bundle"];
    assert_eq!(found["verdict"], "valid");
    assert_eq!(found["media"].as_array().unwrap().len(), 2);
    assert_eq!(found["documents"].as_array().unwrap().len(), 3);
    // The lot alone, without what it names, is not enough.
    let bare = station.path("bare.bundle.json");
    station.ok(&["certificate", "bundle", &whole, "--bare", "--out", text(&bare)]);
    assert_eq!(code(&bench.stranger(&["certificate", "verify", text(&bare), "--trust", &trust])), Some(5));
}

#[test]
fn media_change_hands_on_two_machines_and_a_discrepancy_blocks() {
    let bench = Bench::new();
    let sender = &bench.station;
    let receiver = Bench::new();
    for (name, role) in [("sam", "transferor"), ("vera", "validator")] {
        let card = bench.key(name).replace(".pem", ".pub.json");
        receiver.station.ok(&["key", "trust", &card, "--role", role]);
    }
    let card = receiver.key("rita").replace(".pem", ".pub.json");
    sender.ok(&["key", "trust", &card, "--role", "receiver"]);
    let (sam, rita) = (bench.key("sam"), receiver.key("rita"));
    let kid = receiver.kid("rita");
    let handed = |serials: &[&str]| -> PathBuf {
        let args = [
            "custody",
            "transfer",
            "--to",
            "rita",
            "--to-key",
            &kid,
            "--place",
            "Gate 2",
            "--reason",
            "destruction",
            "--seal",
            "BOX-1=4711",
            "--seal",
            "BOX-1=4712",
            "--key",
            &sam,
            "--serial",
        ];
        let file = bench.document(&[&args[..], serials].concat());
        let carried = receiver.station.path(&format!("{}.json", id_of(&file)));
        std::fs::copy(&file, &carried).unwrap();
        carried
    };
    let receive = |code: i32, file: &Path, more: &[&str]| {
        let args = ["custody", "receive", text(file), "--place", "Yard", "--key", &rita];
        receiver.station.expect(code, &[&args[..], more].concat())
    };
    let seals = ["--seal", "BOX-1=4711", "--seal", "BOX-1=4712"];

    let transfer = handed(&["S1", "S2"]);
    receiver.station.expect(5, &["certificate", "verify", "--any", text(&transfer)]);
    // Somebody else, or the sender himself, does not receive.
    let args = ["custody", "receive", text(&transfer), "--place", "Yard", "--serial", "S1", "S2", "--key"];
    receiver.station.expect(3, &[&args[..], &[&sam]].concat());
    receive(0, &transfer, &[&seals[..], &["--serial", "S2", "S1"]].concat());
    receiver.station.ok(&["certificate", "verify", "--any", text(&transfer)]);
    assert!(receiver.station.ok(&["custody", "log"]).contains("custody.received"));
    // The sender's log is open until the signed file is back.
    assert!(sender.ok(&["custody", "audit"]).contains("nobody has signed that it was received"));
    sender.ok(&["certificate", "add", text(&transfer)]);
    assert!(!sender.ok(&["custody", "audit"]).contains("nobody has signed"));
    sender.ok(&["certificate", "verify", "--any", text(&transfer)]);

    // A broken seal is recorded, blocks, and can be accepted by a validator.
    let broken = handed(&["S3"]);
    let told = both(&receive(3, &broken, &["--broken-seal", "BOX-1=4711", "--seal", "BOX-1=4712", "--serial", "S3"]));
    assert!(told.contains("NOT RECEIVED") && told.contains("4711 on BOX-1 is broken"), "{told}");
    assert!(receiver.station.ok(&["custody", "audit"]).contains("is not settled"));
    receive(3, &broken, &[&seals[..], &["--serial", "S3"]].concat());
    let report = receiver.station.files("documents").into_iter().find(|f| is_discrepancy(f)).unwrap();
    let vera = bench.key("vera");
    let accept =
        ["certificate", "validate", text(&report), "--accept", "--reason", "opened by customs", "--key", &vera];
    let settled = receiver.document(&accept);
    receive(
        0,
        &broken,
        &[
            "--broken-seal",
            "BOX-1=4711",
            "--seal",
            "BOX-1=4712",
            "--serial",
            "S3",
            "--settled",
            text(&report),
            &settled,
        ],
    );
    assert!(!receiver.station.ok(&["custody", "audit"]).contains("is not settled"));

    // A medium that is missing, and one too many: nobody signs a list that is not true.
    let missing = handed(&["S4", "S5"]);
    let told = both(&receive(3, &missing, &[&seals[..], &["--serial", "S4", "S9"]].concat()));
    assert!(told.contains("MISSING    S5") && told.contains("TOO MANY   S9"), "{told}");
    let told = both(&receive(3, &missing, &[&seals[..], &["--serial", "S4", "--settled", &settled]].concat()));
    assert!(told.contains("nobody signs it"), "{told}");
    // A changed list is no transfer of the sender's.
    let mut changed: Value = serde_json::from_slice(&std::fs::read(&missing).unwrap()).unwrap();
    let payload = changed["payload"].as_str().unwrap().to_owned();
    let bytes = lastwrite::signed::decode_base64url(&payload).unwrap();
    let less = String::from_utf8(bytes).unwrap().replace("S5", "S6");
    changed["payload"] = lastwrite::signed::encode_base64url(less.as_bytes()).into();
    let forged = receiver.station.path("forged.json");
    std::fs::write(&forged, changed.to_string()).unwrap();
    receive(5, &forged, &[&seals[..], &["--serial", "S4", "S6"]].concat());
}

fn is_discrepancy(file: &Path) -> bool {
    use lastwrite::certificate::document::{Document, DocumentType};
    Document::read(&std::fs::read(file).unwrap()).is_ok_and(|(_, kind, _)| kind == DocumentType::Discrepancy)
}
