//! Keys of persons through the real binary: made, shown, trusted, revoked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::station::{both, json_lines, text};
use serde_json::Value;

/// A desk without a station: a folder, and a passphrase in a file.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { dir: tempfile::tempdir().unwrap() };
        std::fs::write(desk.path("passphrase"), "correct horse\n").unwrap();
        desk
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastwrite"));
        command.current_dir(self.dir.path()).args(args).stdin(Stdio::null());
        for name in ["LASTWRITE_STATE", "LASTWRITE_KEY", "LASTWRITE_PASSPHRASE_FILE", "LASTWRITE_KEY_PASSPHRASE_FILE"] {
            command.env_remove(name);
        }
        command.env("XDG_CONFIG_HOME", self.path("config")).env("XDG_DATA_HOME", self.path("data"));
        command.env("LASTWRITE_STATE", self.path("state")).output().unwrap()
    }

    fn expect(&self, code: i32, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{}", both(&output));
        output
    }

    fn json(&self, code: i32, args: &[&str]) -> Value {
        let output = self.expect(code, &[&["--json"], args].concat());
        json_lines(&output.stdout).remove(0)
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_person_makes_a_key_that_is_protected_and_never_overwritten() {
    let desk = Desk::new();
    // Nobody to ask and no passphrase file: no key.
    let told = both(&desk.expect(2, &["key", "generate", "--name", "Kim Lee"]));
    assert!(told.contains("--key-passphrase-file"), "{told}");
    assert!(!desk.path("config/lastwrite").exists());

    let made = desk.json(0, &["key", "generate", "--name", "Kim Lee", "--key-passphrase-file", "passphrase"]);
    let (key, card) = (desk.path("config/lastwrite/person.pem"), desk.path("config/lastwrite/person.pub.json"));
    assert_eq!(made["key"], text(&key));
    assert_eq!(made["protected"], true);
    assert_eq!(mode(&key), 0o600);
    assert_eq!(mode(key.parent().unwrap()), 0o700);
    assert!(std::fs::read_to_string(&key).unwrap().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let before = std::fs::read(&key).unwrap();
    let told = both(&desk.expect(3, &["key", "generate", "--name", "Kim", "--key-passphrase-file", "passphrase"]));
    assert!(told.contains("not overwritten"), "{told}");
    assert_eq!(std::fs::read(&key).unwrap(), before);

    // What is handed out holds no secret, and showing it needs no passphrase.
    let public: Value = serde_json::from_slice(&std::fs::read(&card).unwrap()).unwrap();
    assert_eq!(public["kid"], made["kid"]);
    assert_eq!(public["name"], "Kim Lee");
    assert!(public.get("d").is_none());
    let shown = desk.json(0, &["key", "show"]);
    assert_eq!((&shown["kid"], &shown["public_key"]), (&made["kid"], &public["x"]));
    // Without the public file the key itself is asked, and needs its passphrase.
    std::fs::remove_file(&card).unwrap();
    let told = both(&desk.expect(1, &["key", "show"]));
    assert!(told.contains("passphrase"), "{told}");
    std::fs::write(desk.path("wrong"), "wrong\n").unwrap();
    desk.expect(1, &["key", "show", "--key-passphrase-file", "wrong"]);
    let shown = desk.json(0, &["key", "show", "--key-passphrase-file", "passphrase"]);
    assert_eq!(shown["kid"], made["kid"]);
    let again = ["key", "show", "--key-passphrase-file", "passphrase", "--name", "Kim Lee", "--out", text(&card)];
    desk.expect(0, &again);
    assert_eq!(serde_json::from_slice::<Value>(&std::fs::read(&card).unwrap()).unwrap(), public);

    let open = desk.json(0, &["key", "generate", "--name", "Robot", "--unprotected", "--out", "robot.pem"]);
    assert_eq!(open["protected"], false);
    assert!(std::fs::read_to_string(desk.path("robot.pem")).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
}

#[test]
fn a_trust_store_says_who_may_sign_as_what() {
    let desk = Desk::new();
    let kim = desk.json(0, &["key", "generate", "--name", "Kim", "--unprotected", "--out", "kim.pem"]);
    let kid = kim["kid"].as_str().unwrap();
    let trust = ["--trust", "trust.jwks.json"];
    let with = |args: &[&'static str]| [args, &trust[..]].concat();

    // Whom to believe is never guessed.
    desk.expect(2, &["key", "trust", "kim.pub.json", "--trust", "trust.jwks.json"]);
    desk.expect(2, &with(&["key", "trust", "kim.pub.json", "--role", "king"]));
    let told = both(&desk.expect(2, &with(&["key", "trust", "kim.pub.json", "--role", "root", "--role", "witness"])));
    assert!(told.contains("together"), "{told}");
    desk.expect(5, &with(&["key", "trust", "kim.pem", "--role", "witness"]));
    assert!(!desk.path("trust.jwks.json").exists());

    let args =
        ["key", "trust", "kim.pub.json", "--role", "operator", "--role", "witness", "--valid-from", "2026-01-01"];
    desk.expect(0, &with(&args));
    desk.expect(3, &with(&args));
    let listed = desk.json(0, &with(&["key", "list"]));
    let key = &listed["keys"][0];
    assert_eq!(key["kid"], kid);
    assert_eq!(key["roles"], serde_json::json!(["operator", "witness"]));
    assert_eq!(key["standing"], "valid");
    let store: Value = serde_json::from_slice(&std::fs::read(desk.path("trust.jwks.json")).unwrap()).unwrap();
    assert_eq!(store["keys"][0]["valid_from"], "2026-01-01T00:00:00Z");

    desk.expect(2, &with(&["key", "revoke", "nobody"]));
    let revoke = |at| vec!["key", "revoke", &kid[..8], "--at", at, "--trust", "trust.jwks.json"];
    desk.expect(0, &revoke("2026-03-01"));
    // A revocation can be moved to an earlier time, never to a later one.
    desk.expect(0, &revoke("2026-05-01"));
    let listed = desk.json(0, &with(&["key", "list"]));
    assert_eq!(listed["keys"][0]["revoked_at"], "2026-03-01T00:00:00Z");
    desk.expect(0, &revoke("2026-02-01"));
    let listed = desk.json(0, &with(&["key", "list"]));
    assert_eq!(listed["keys"][0]["standing"], "revoked 2026-02-01T00:00:00Z");
}

#[test]
fn a_register_uses_the_same_key() {
    let desk = Desk::new();
    let init = ["register", "init", "--organization", "O", "--name", "Kim"];
    desk.expect(2, &init);
    let protected = [&init[..], &["--key-passphrase-file", "passphrase"]].concat();
    let made = desk.json(0, &["key", "generate", "--name", "Kim", "--key-passphrase-file", "passphrase"]);
    let register = desk.json(0, &protected);
    assert_eq!(register["kid"], made["kid"]);
    desk.expect(1, &["register", "person", "enrol", "Ana", "--public-key", made["public_key"].as_str().unwrap()]);
    let ana = desk.json(0, &["key", "generate", "--name", "Ana", "--unprotected", "--out", "ana.pem"]);
    let x = ana["public_key"].as_str().unwrap();
    let enrol = ["register", "person", "enrol", "Ana", "--key-passphrase-file", "passphrase", "--public-key", x];
    desk.expect(0, &enrol);
}
