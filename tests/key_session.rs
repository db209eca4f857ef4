//! A key that is unlocked once for many commands: what its session signs, what it refuses, and what happens when it
//! ends, through the real binary and its socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::station::{both, json_lines, text};
use lastwrite::register::{Act, Event};
use lastwrite::signed::{PublicKey, decode_base64url, encode_base64url};
use lastwrite::units::{Bytes, now};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const EVENT: &str = "vnd.lastwrite.register-event+json";

/// A desk with a protected key and a register; nobody sits at its terminal.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { dir: tempfile::tempdir().unwrap() };
        fs::write(desk.path("passphrase"), "correct horse\n").unwrap();
        fs::create_dir(desk.path("run")).unwrap();
        fs::set_permissions(desk.path("run"), fs::Permissions::from_mode(0o700)).unwrap();
        let with = ["--key-passphrase-file", "passphrase"];
        desk.expect(0, &[&["key", "generate", "--name", "Kim"], &with[..]].concat());
        let init = ["register", "init", "--organization", "O", "--name", "Kim", "--role", "asset_manager"];
        desk.expect(0, &[&init[..], &with[..]].concat());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastwrite"));
        command.current_dir(self.dir.path()).args(args).stdin(Stdio::null());
        for name in
            ["LASTWRITE_KEY", "LASTWRITE_PASSPHRASE_FILE", "LASTWRITE_KEY_PASSPHRASE_FILE", "LASTWRITE_DATABASE"]
        {
            command.env_remove(name);
        }
        command.env("XDG_CONFIG_HOME", self.path("config")).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("LASTWRITE_STATE", self.path("state"));
        command
    }

    /// As [`Desk::expect`] with the passphrase on standard input, which can be read once.
    fn piped(&self, code: i32, args: &[&str]) -> Output {
        let with = ["--key-passphrase-file", "/dev/stdin"];
        let mut command = self.command(&[args, &with].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{}", both(&output));
        output
    }

    fn expect(&self, code: i32, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{}", both(&output));
        output
    }

    fn json(&self, code: i32, args: &[&str]) -> Value {
        json_lines(&self.expect(code, &[&["--json"], args].concat()).stdout).remove(0)
    }

    fn start(&self, lasts: &str) -> Value {
        self.json(0, &["key", "session", "start", "--for", lasts, "--key-passphrase-file", "passphrase"])
    }

    /// A command of the register that needs the key and has no passphrase.
    fn add(&self, code: i32, tag: &str) -> String {
        both(&self.expect(code, &["asset", "add", tag]))
    }

    fn socket(&self) -> PathBuf {
        let found = fs::read_dir(self.path("run/lastwrite")).unwrap().map(|entry| entry.unwrap().path());
        found.into_iter().find(|path| path.extension().is_some_and(|end| end == "sock")).expect("a session listens")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::set_permissions(self.path("run/lastwrite"), fs::Permissions::from_mode(0o700));
        self.run(&["key", "session", "stop", "--all"]);
    }
}

/// The socket as somebody speaks to it who is not this program.
struct Line(BufReader<UnixStream>);

impl Line {
    fn to(socket: &Path) -> Line {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Line(BufReader::new(stream))
    }

    fn say(&mut self, line: &str) -> Value {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    fn sign(&mut self, header: &Value, payload: &[u8]) -> Value {
        let message = format!("{}.{}", encode_base64url(header.to_string().as_bytes()), encode_base64url(payload));
        self.say(&json!({ "sign": encode_base64url(message.as_bytes()) }).to_string())
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn process(shown: &Value) -> Pid {
    Pid::from_raw(shown["process"].as_i64().unwrap().try_into().unwrap())
}

#[test]
fn a_key_is_unlocked_once_for_many_commands() {
    let desk = Desk::new();
    let told = desk.add(1, "NONE");
    assert!(told.contains("--key-passphrase-file"), "{told}");
    assert_eq!(desk.json(0, &["key", "session", "status"])["sessions"], json!([]));

    let open = desk.start("10m");
    assert_eq!(mode(&desk.path("run/lastwrite")), 0o700);
    assert_eq!(mode(&desk.socket()), 0o600);
    let status = fs::read_to_string(format!("/proc/{}/status", process(&open))).unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    assert!(!locked.trim().starts_with("0 "), "no memory is locked: {locked}");

    for number in 0..20 {
        desk.add(0, &format!("T-{number}"));
    }
    assert!(both(&desk.expect(0, &["asset", "show", "T-7"])).contains("T-7"));
    let open_now = desk.json(0, &["key", "session", "status"])["sessions"].clone();
    assert_eq!((&open_now[0]["kid"], &open_now[0]["events"]), (&open["kid"], &json!("20")), "{open_now}");
    assert_eq!(desk.json(0, &["register", "audit"])["good"], true);

    // A second one of the same key is refused.
    let again = ["key", "session", "start", "--key-passphrase-file", "passphrase"];
    assert!(both(&desk.expect(3, &again)).contains("open already"));
    // What is no event of the register asks as ever: here the key itself, because its public half is gone.
    fs::remove_file(desk.path("config/lastwrite/person.pub.json")).unwrap();
    assert!(both(&desk.expect(1, &["key", "show"])).contains("passphrase"));

    let socket = desk.socket();
    assert_eq!(desk.json(0, &["key", "session", "stop"])["ended"], 1);
    assert!(!socket.exists());
    let told = desk.add(1, "NONE");
    assert!(told.contains("passphrase") && told.contains("--key-passphrase-file"), "{told}");
    assert_eq!(desk.json(0, &["key", "session", "stop"])["ended"], 0);
}

/// It opens the register three times: for the figures, for the event, and to show what came of it.
#[test]
fn a_command_without_a_session_unlocks_the_key_once() {
    let desk = Desk::new();
    desk.piped(0, &["asset", "add", "L-1", "--stage", "deployment", "--category", "laptop"]);
    desk.piped(0, &["asset", "check", "L-1", "tagged"]);
    desk.piped(0, &["asset", "assign", "L-1", "--to", "Anna"]);
    desk.piped(0, &["asset", "move", "L-1", "utilization"]);
    desk.piped(0, &["asset", "move", "L-1", "upgrade", "--reason", "it is slow"]);
    let figures = ["--rationale", "dear", "--keep", "300 EUR", "--replace", "1200 EUR", "--life", "48"];
    let told = both(&desk.piped(0, &[&["asset", "decide", "L-1", "refresh"], &figures[..]].concat()));
    assert!(told.contains("refresh proposed") && told.contains("Crossing"), "{told}");
    let wrong = ["asset", "decide", "L-1", "refresh", "--key-passphrase-file", "wrong"];
    fs::write(desk.path("wrong"), "wrong\n").unwrap();
    assert!(both(&desk.expect(1, &[&wrong[..], &figures].concat())).contains("does not open"));
}

#[test]
fn nothing_but_an_event_of_this_key_is_signed() {
    let desk = Desk::new();
    desk.start("10m");
    let mut line = Line::to(&desk.socket());
    let holds = line.say(r#""who""#)["holds"].clone();
    let (kid, x) = (holds["kid"].as_str().unwrap(), holds["x"].as_str().unwrap());
    let event = |actor: &str, at| Event {
        register: "r".into(),
        stream: "asset/a".into(),
        revision: Bytes(2),
        previous: Some("0".repeat(64)),
        under: Bytes(1),
        at,
        actor: actor.into(),
        trust: None,
        act: Act::Noted { text: "a word".into() },
    };
    let at = now();
    let good = serde_json::to_vec(&event(kid, at)).unwrap();
    let header = json!({"alg": "Ed25519", "kid": kid, "typ": EVENT, "role": "operator", "iat": at.timestamp()});
    let with = |name: &str, value: Value| {
        let mut changed = header.clone();
        changed[name] = value;
        changed
    };
    let old = at - chrono::TimeDelta::hours(1);
    let certificate = "vnd.lastwrite.sanitization-certificate+json";
    for (header, payload, part) in [
        (with("typ", json!(certificate)), good.clone(), "not an event"),
        (with("typ", json!("vnd.lastwrite.validation+json")), good.clone(), "not an event"),
        (with("role", json!("witness")), good.clone(), "this key"),
        (with("role", json!("validator")), good.clone(), "this key"),
        (with("kid", json!("another")), good.clone(), "this key"),
        (with("alg", json!("EdDSA")), good.clone(), "this key"),
        (with("iat", json!(1)), good.clone(), "one time"),
        (with("crit", json!(["typ"])), good.clone(), "extension"),
        (header.clone(), serde_json::to_vec(&event("another", at)).unwrap(), "this key"),
        (header.clone(), br#"{"certificate":1}"#.to_vec(), "no event"),
        (with("iat", json!(old.timestamp())), serde_json::to_vec(&event(kid, old)).unwrap(), "outside of the session"),
    ] {
        let answer = line.sign(&header, &payload);
        let why = answer["refused"].as_str().unwrap_or_else(|| panic!("{part}: {answer}"));
        assert!(why.contains(part), "{part}: {why}");
    }
    for message in ["", "no dot", "a.b.c"] {
        let answer = line.say(&json!({ "sign": encode_base64url(message.as_bytes()) }).to_string());
        assert!(answer["refused"].is_string(), "{answer}");
    }
    assert_eq!(line.say(r#""who""#)["holds"]["signed"], 0);
    // And what is one: signed, over exactly what was asked.
    let signature = line.sign(&header, &good)["signature"].as_str().unwrap().to_owned();
    let message = format!("{}.{}", encode_base64url(header.to_string().as_bytes()), encode_base64url(&good));
    let signature: [u8; 64] = decode_base64url(&signature).unwrap().try_into().unwrap();
    assert!(PublicKey::from_x(x).unwrap().verifies(message.as_bytes(), &signature));

    // Garbage is answered and ends the conversation; half a request holds nobody up.
    let mut noise = Line::to(&desk.socket());
    assert!(noise.say("hello")["refused"].is_string());
    let mut rest = String::new();
    assert_eq!(noise.0.read_line(&mut rest).unwrap(), 0, "{rest}");
    let mut half = Line::to(&desk.socket());
    half.0.get_mut().write_all(b"{\"sign\":").unwrap();
    desk.add(0, "A");
}

#[test]
fn a_session_that_is_gone_or_of_no_use_is_not_waited_for() {
    let desk = Desk::new();
    // Killed: its socket stays, and nobody listens.
    let open = desk.start("10m");
    kill(process(&open), Signal::SIGKILL).unwrap();
    let gone = Instant::now();
    while UnixStream::connect(desk.socket()).is_ok() && gone.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(desk.add(1, "NONE").contains("--key-passphrase-file"));
    // The next one takes its place. Stopped, it is told and not waited for.
    let open = desk.start("10m");
    desk.add(0, "A");
    kill(process(&open), Signal::SIGSTOP).unwrap();
    let (begun, told) = (Instant::now(), desk.add(1, "NONE"));
    assert!(told.contains("no session is used") && told.contains("--key-passphrase-file"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let told = both(&desk.expect(1, &["key", "session", "stop"]));
    assert!(told.contains(&format!("kill -9 {}", process(&open))), "{told}");
    desk.expect(0, &["asset", "add", "B", "--key-passphrase-file", "passphrase"]);
    kill(process(&open), Signal::SIGCONT).unwrap();
    desk.add(0, "C");
    // Others can reach its folder: not used.
    fs::set_permissions(desk.path("run/lastwrite"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(desk.add(1, "NONE").contains("chmod 700"));
    fs::set_permissions(desk.path("run/lastwrite"), fs::Permissions::from_mode(0o700)).unwrap();
    // Another key under the same name: not used.
    let key = desk.path("config/lastwrite/person.pem");
    fs::rename(&key, desk.path("old.pem")).unwrap();
    let other = ["key", "generate", "--name", "Ana", "--key-passphrase-file", "passphrase", "--out", "ana.pem"];
    desk.expect(0, &other);
    fs::rename(desk.path("ana.pem"), &key).unwrap();
    assert!(desk.add(1, "NONE").contains("--key-passphrase-file"));
    fs::rename(desk.path("old.pem"), &key).unwrap();
    desk.add(0, "D");
    desk.expect(0, &["key", "session", "stop", "--all"]);
    // It ends by itself.
    let socket = {
        desk.start("2s");
        desk.socket()
    };
    let begun = Instant::now();
    while socket.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(desk.add(1, "NONE").contains("--key-passphrase-file"));
    assert_eq!(desk.json(0, &["register", "audit"])["good"], true);
}

#[test]
fn a_session_is_not_started_in_vain() {
    let desk = Desk::new();
    fs::write(desk.path("wrong"), "wrong\n").unwrap();
    let told = both(&desk.expect(1, &["key", "session", "start", "--key-passphrase-file", "wrong"]));
    assert!(told.contains("does not open"), "{told}");
    let told = both(&desk.expect(1, &["key", "session", "start"]));
    assert!(told.contains("--key-passphrase-file"), "{told}");
    desk.expect(1, &["key", "session", "start", "--key", "nowhere.pem"]);
    desk.expect(2, &["key", "session", "start", "--for", "25h"]);
    desk.expect(0, &["key", "generate", "--name", "Robot", "--unprotected", "--out", "robot.pem"]);
    let told = both(&desk.expect(3, &["key", "session", "start", "--key", "robot.pem"]));
    assert!(told.contains("no passphrase"), "{told}");
    assert_eq!(desk.json(0, &["key", "session", "status"])["sessions"], json!([]));
}

/// Needs root, to be somebody else.
#[test]
fn another_user_is_turned_away() {
    if !common::is_root() {
        return;
    }
    if !common::has("setpriv") || !common::has("python3") {
        return common::skip("needs setpriv and python3");
    }
    let desk = Desk::new();
    desk.start("10m");
    let socket = desk.socket();
    // As if the permissions of folder and socket kept nobody out.
    for path in [desk.dir.path(), &desk.path("run"), &desk.path("run/lastwrite")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let script = "import socket, sys\n\
                  s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect(sys.argv[1])\n\
                  try: s.sendall(b'\"who\"\\n'); print(s.recv(4096))\n\
                  except (BrokenPipeError, ConnectionResetError): print(b'')";
    let ask = |user: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--clear-groups", "python3", "-c", script, text(&socket)]);
        both(&command.output().unwrap())
    };
    assert_eq!(ask("65534").trim(), "b''");
    assert!(ask("0").contains("holds"));
}
