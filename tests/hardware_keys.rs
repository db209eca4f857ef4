//! Keys that never leave a token, on SoftHSM.
#![cfg(feature = "pkcs11")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::station::{both, json_lines, marked};
use serde_json::Value;

/// Where distributions put it.
const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib/pkcs11/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
];

struct Bench {
    dir: tempfile::TempDir,
    module: &'static str,
}

impl Bench {
    /// A token `bench` with PIN 1234, empty. `None`, said loudly, where there is no SoftHSM.
    fn new() -> Option<Bench> {
        let module = MODULES.into_iter().find(|path| Path::new(path).exists());
        let Some(module) = module.filter(|_| common::has("softhsm2-util")) else {
            common::skip("needs SoftHSM (package softhsm2)");
            return None;
        };
        let bench = Bench { dir: common::station::disk_folder(), module };
        std::fs::create_dir(bench.path("tokens")).unwrap();
        let config = format!("directories.tokendir = {}\nobjectstore.backend = file\n", bench.path("tokens").display());
        std::fs::write(bench.path("softhsm2.conf"), config).unwrap();
        std::fs::write(bench.path("pin"), "1234\n").unwrap();
        let init = ["--init-token", "--free", "--label", "bench", "--pin", "1234", "--so-pin", "12345678"];
        let made = Command::new("softhsm2-util").args(init).env("SOFTHSM2_CONF", bench.path("softhsm2.conf")).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", both(&made));
        Some(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn uri(&self, object: &str) -> String {
        format!("pkcs11:token=bench;object={object}?module-path={}", self.module)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastwrite"));
        command.args(args).stdin(Stdio::null()).current_dir(self.dir.path());
        for name in ["LASTWRITE_KEY", "LASTWRITE_PASSPHRASE_FILE", "LASTWRITE_KEY_PASSPHRASE_FILE"] {
            command.env_remove(name);
        }
        command.env("SOFTHSM2_CONF", self.path("softhsm2.conf")).env("LASTWRITE_STATE", self.path("state"));
        command.env("XDG_CONFIG_HOME", self.path("config")).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env_remove("LASTWRITE_DATABASE");
        command.output().unwrap()
    }

    fn expect(&self, code: i32, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{}", both(&output));
        output
    }

    fn json(&self, code: i32, args: &[&str]) -> Value {
        json_lines(&self.expect(code, &[&["--json"], args].concat()).stdout).remove(0)
    }
}

#[test]
fn a_station_signs_with_a_key_that_stays_on_its_token() {
    let Some(bench) = Bench::new() else { return };
    let uri = bench.uri("station");
    let init = ["init", "--organization", "Example Org", "--station", "bench 1", "--key-token", &uri];
    // No PIN: nothing is made.
    let told = both(&bench.expect(1, &init));
    assert!(told.contains("PIN"), "{told}");
    assert!(!bench.path("state").exists());
    let made = bench.json(0, &[&init[..], &["--passphrase-file", "pin"]].concat());
    assert!(!bench.path("state/keys/station.pem").exists());
    bench.expect(3, &[&init[..], &["--passphrase-file", "pin"]].concat());

    std::fs::write(bench.path("drive.img"), marked(1 << 20)).unwrap();
    let wipe = ["wipe", "drive.img", "--yes", "--asset", "A-1"];
    let told = both(&bench.expect(1, &wipe));
    assert!(told.contains("PIN"), "{told}");
    assert!(common::station::marks_in(&bench.path("drive.img")) > 0, "nothing was written without the key");
    std::fs::write(bench.path("wrong"), "4321\n").unwrap();
    let told = both(&bench.expect(1, &[&wipe[..], &["--passphrase-file", "wrong"]].concat()));
    assert!(told.contains("PIN is wrong"), "{told}");
    let result = bench.json(0, &[&wipe[..], &["--passphrase-file", "pin"]].concat());
    let certificate = result["certificate"].as_str().unwrap();
    let verified = bench.json(0, &["certificate", "verify", certificate]);
    assert_eq!(verified["verification"]["verdict"], "valid");
    let signed = lastwrite::signed::Jws::parse(&std::fs::read(certificate).unwrap()).unwrap();
    assert_eq!(signed.signatures()[0].header().kid.as_deref(), made["kid"].as_str());
    bench.expect(0, &["custody", "audit"]);
    // Signing needs the token; verifying does not.
    std::fs::remove_dir_all(bench.path("tokens")).unwrap();
    bench.expect(0, &["certificate", "verify", certificate]);
    let checkpoint = ["custody", "checkpoint", "--passphrase-file", "pin"];
    bench.expect(1, &checkpoint);
}

/// One command line of three parts.
fn with<'a>(key: &[&'a str], args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, key, more].concat()
}

#[test]
fn the_pin_is_typed_once_for_a_working_day() {
    let Some(bench) = Bench::new() else { return };
    std::fs::create_dir(bench.path("run")).unwrap();
    std::fs::set_permissions(bench.path("run"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let uri = bench.uri("kim");
    let pin = ["--key-passphrase-file", "pin"];
    let mine = ["--key", uri.as_str()];
    let generate = ["key", "generate", "--name", "Kim", "--token", &uri, "--out", "kim.pub.json"];
    let made = bench.json(0, &[&generate[..], &pin].concat());
    let init = ["register", "init", "--organization", "O", "--name", "Kim", "--role", "asset_manager"];
    bench.expect(0, &with(&mine, &init, &pin));
    let add = |code, tag: &str| both(&bench.expect(code, &with(&mine, &["asset", "add", tag], &[])));
    let start = ["key", "session", "start", "--for", "10m"];

    assert!(add(1, "NONE").contains("PIN"));
    assert!(both(&bench.expect(1, &with(&mine, &start, &[]))).contains("PIN"));
    std::fs::write(bench.path("wrong"), "4321\n").unwrap();
    let told = both(&bench.expect(1, &with(&mine, &start, &["--key-passphrase-file", "wrong"])));
    assert!(told.contains("PIN is wrong"), "{told}");
    assert!(add(1, "NONE").contains("PIN"), "a wrong PIN opens no session");

    let open = bench.json(0, &with(&mine, &start, &pin));
    assert_eq!((&open["kid"], open["key"].as_str()), (&made["kid"], Some(uri.as_str())));
    for tag in ["T-1", "T-2", "T-3"] {
        add(0, tag);
    }
    let shown = bench.json(0, &["key", "session", "status"]);
    assert_eq!((&shown["sessions"][0]["events"], &shown["sessions"][0]["kid"]), (&"3".into(), &made["kid"]));
    assert!(both(&bench.expect(3, &with(&mine, &start, &pin))).contains("open already"));
    assert_eq!(bench.json(0, &with(&mine, &["register", "audit"], &[]))["good"], true);
    // Another URI of the same key is another name: it asks.
    let other = format!("{uri}&pin-source={}", bench.path("nowhere").display());
    assert!(both(&bench.expect(1, &["asset", "add", "NONE", "--key", &other])).contains("nowhere"));

    assert_eq!(bench.json(0, &with(&mine, &["key", "session", "stop"], &[]))["ended"], 1);
    assert!(add(1, "NONE").contains("PIN"));
}

#[test]
fn a_person_signs_with_a_key_on_a_token() {
    let Some(bench) = Bench::new() else { return };
    bench.expect(0, &["init", "--organization", "Example Org", "--station", "bench 1"]);
    let uri = bench.uri("kim");
    let generate = ["key", "generate", "--name", "Kim", "--token", &uri, "--key-passphrase-file", "pin"];
    bench.expect(2, &generate);
    let made = bench.json(0, &[&generate[..], &["--out", "kim.pub.json"]].concat());
    let told = both(&bench.expect(1, &[&generate[..], &["--out", "again.pub.json"]].concat()));
    assert!(told.contains("already"), "{told}");
    assert!(!bench.path("again.pub.json").exists());
    bench.expect(0, &["key", "trust", "kim.pub.json", "--role", "operator", "--role", "witness"]);
    let shown = bench.json(0, &["key", "show", "--key", &uri, "--key-passphrase-file", "pin"]);
    assert_eq!(shown["kid"], made["kid"]);

    std::fs::write(bench.path("drive.img"), marked(1 << 20)).unwrap();
    let wipe = ["wipe", "drive.img", "--yes", "--operator", "Kim", "--operator-key", &uri];
    let result = bench.json(0, &[&wipe[..], &["--operator-passphrase-file", "pin"]].concat());
    let certificate = result["certificate"].as_str().unwrap();
    let verified = bench.json(0, &["certificate", "verify", certificate]);
    let operator = verified["verification"]["checks"].as_array().unwrap().iter().find(|c| c["name"] == "operator");
    assert_eq!(operator.unwrap()["outcome"], "passed");
    // A register begins with a key on a token as with any other.
    let init =
        ["register", "init", "--organization", "O", "--name", "Kim", "--key", &uri, "--key-passphrase-file", "pin"];
    assert_eq!(bench.json(0, &init)["kid"], made["kid"]);
    let (other, nothing) = (bench.uri("nobody"), "pkcs11:token=elsewhere;object=x".to_owned());
    for (uri, why) in [(&other, "no Ed25519 key of that name"), (&nothing, "which module")] {
        let args =
            ["certificate", "sign", certificate, "--role", "witness", "--key", uri, "--key-passphrase-file", "pin"];
        let told = both(&bench.expect(1, &args));
        assert!(told.contains(why), "{told}");
    }
}
