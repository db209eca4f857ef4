//! A booted guest that obeys: a command line in, exit code and output back.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::line::{Line, OBEY};
use super::plug::{Plug, Socket};
use super::qemu::Rig;
use crate::common::station::json_lines;

/// Under emulation, on a loaded machine.
const BOOT: Duration = Duration::from_secs(400);
const COMMAND: Duration = Duration::from_secs(400);
/// The kernel gives a drive's first command 20 seconds, and tries it again.
const DRIVES: Duration = Duration::from_secs(90);

/// What a command line gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The JSON lines on standard output.
    pub fn json(&self) -> Vec<Value> {
        json_lines(self.stdout.as_bytes())
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

pub struct Guest {
    qemu: Child,
    agent: BufReader<UnixStream>,
    /// The first line, where another one was taken: the guest switches itself off when it is closed.
    first: Option<BufReader<UnixStream>>,
    place: tempfile::TempDir,
    next: u32,
}

impl Guest {
    /// Boots a kernel with these drives and a station of `lastwrite` in `share`; `None` where there is
    /// no rig.
    pub fn boot(share: &Path, drives: &[&dyn Plug]) -> Option<Guest> {
        let rig = Rig::find()?;
        let place = tempfile::tempdir().unwrap();
        let mut sockets = Socket::new(place.path());
        let devices: Vec<String> = drives.iter().flat_map(|d| d.plug(&mut sockets)).collect();
        let qemu = rig.start(place.path(), share, &devices);
        let agent = connect(place.path(), &place.path().join("agent"));
        let mut guest = Guest { agent, first: None, qemu, place, next: 0 };
        guest.await_ready();
        if !share.join("state").exists() {
            guest.lastwrite(&["init", "--organization", "Example Org", "--station", "bench 1"]).expect(0);
        }
        Some(guest)
    }

    fn await_ready(&mut self) {
        let start = Instant::now();
        let line = self.line(BOOT);
        took(start, &line);
        assert!(line.starts_with("ready "), "{line}\n{}", self.console());
    }

    /// From here on the guest is commanded over this line. Whoever obeys on the first one is given something to
    /// wait for: a suspend ends what it reads from, and the guest would switch itself off.
    pub fn take_line(&mut self, line: &Line) {
        let agent = connect(self.place.path(), &line.socket());
        self.run(OBEY).expect(0);
        self.send("sleep 1000000");
        self.first = Some(std::mem::replace(&mut self.agent, agent));
        let said = self.line(COMMAND);
        assert_eq!(said, "ready on the line", "{}", self.console());
    }

    /// `sh -c` in the guest.
    pub fn run(&mut self, command: &str) -> Ran {
        let start = Instant::now();
        self.send(command);
        let line = self.line(COMMAND);
        took(start, command);
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!((words.len(), words[0]), (4, self.next.to_string().as_str()), "{line}");
        let text =
            |word: &str| String::from_utf8_lossy(&STANDARD.decode(word.trim_start_matches('.')).unwrap()).into_owned();
        Ran { code: words[1].parse().unwrap(), stdout: text(words[2]), stderr: text(words[3]) }
    }

    fn send(&mut self, command: &str) {
        self.next += 1;
        let request =
            format!("{} {}\n", self.next, STANDARD.encode(format!("export LASTWRITE_STATE=/share/state\n{command}")));
        self.agent.get_mut().write_all(request.as_bytes()).unwrap();
    }

    /// `lastwrite` with these words; none of them may hold a quote.
    pub fn lastwrite(&mut self, words: &[&str]) -> Ran {
        let quoted: Vec<String> = words.iter().map(|w| format!("'{w}'")).collect();
        self.run(&format!("lastwrite {}", quoted.join(" ")))
    }

    /// What `lastwrite drives --json` says.
    pub fn drives(&mut self) -> Vec<Value> {
        let ran = self.lastwrite(&["--json", "drives"]).expect(0);
        let value: Value = serde_json::from_str(&ran.stdout).unwrap();
        value["drives"].as_array().unwrap().clone()
    }

    /// The same, asked again until what is looked for is there: a busy host's guest finds its drives late.
    /// At the end of its patience it gives what there is.
    pub fn drives_with(&mut self, complete: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let drives = self.drives();
            if complete(&drives) || start.elapsed() > DRIVES {
                return drives;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Path and confirm token of the drive with this serial.
    pub fn drive(&mut self, serial: &str) -> (String, String) {
        let drives = self.drives_with(|all| all.iter().any(|d| d["identity"]["serial"] == serial));
        let mut found = drives.iter().filter(|d| d["identity"]["serial"] == serial);
        let drive = found.next().unwrap_or_else(|| panic!("no drive {serial}: {drives:#?}\n{}", self.console()));
        let word = |name: &str| drive[name].as_str().unwrap().to_owned();
        (word("path"), word("confirm_token"))
    }

    /// Wipes the drive with this serial; the last JSON line is its result.
    pub fn wipe(&mut self, serial: &str, words: &[&str]) -> (Ran, Value) {
        let (path, token) = self.drive(serial);
        let mut all = vec!["--json", "wipe", &path, "--confirm", &token];
        all.extend(words);
        let ran = self.lastwrite(&all);
        let last = ran.json().pop().unwrap_or(Value::Null);
        (ran, last)
    }

    /// Starts to wipe the drives with these serials, and does not wait for it.
    pub fn begin_wipe(&mut self, serials: &[&str], words: &[&str]) {
        let mut all = String::new();
        for serial in serials {
            let (path, token) = self.drive(serial);
            all += &format!(" {path} --confirm '{token}'");
        }
        let words = words.join(" ");
        self.run(&format!("lastwrite wipe{all} {words} </dev/null >>/share/begun 2>&1 &")).expect(0);
    }

    /// The power goes: nothing is flushed, nothing said.
    pub fn cut(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }

    /// What stood on the guest's screen, for a failing test's message.
    pub fn console(&self) -> String {
        let read = |name: &str| fs::read(self.place.path().join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&read("console")).into_owned();
        let tail: Vec<&str> = text.lines().rev().take(60).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        format!("{}\n{}", tail.join("\n"), String::from_utf8_lossy(&read("qemu.err")))
    }

    fn line(&mut self, patience: Duration) -> String {
        self.agent.get_ref().set_read_timeout(Some(patience)).unwrap();
        let mut line = String::new();
        if let Err(error) = self.agent.read_line(&mut line) {
            panic!("the guest does not answer ({error}):\n{}", self.console());
        }
        assert!(!line.is_empty(), "the guest is gone:\n{}", self.console());
        line.trim_end().to_owned()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// For whoever reads a failed test, or wants to know where a scene's time goes (`--no-capture`).
fn took(start: Instant, what: &str) {
    eprintln!("{:7.2} s  {what}", start.elapsed().as_secs_f64());
}

fn connect(place: &Path, socket: &Path) -> BufReader<UnixStream> {
    let start = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return BufReader::new(stream),
            Err(_) if start.elapsed() < Duration::from_secs(30) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => {
                let why = fs::read_to_string(place.join("qemu.err")).unwrap_or_default();
                panic!("qemu did not start ({error}): {why}");
            }
        }
    }
}
