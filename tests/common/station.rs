//! A station in a temporary folder, driven through the real binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Recognisable content: every 512-byte block holds this and its own number.
pub const MARK: &str = "PATIENT RECORD - DO NOT LEAK - ";

pub struct Station {
    pub dir: tempfile::TempDir,
}

impl Station {
    /// `lastwrite init` in a new folder.
    pub fn new() -> Station {
        let station = Station { dir: disk_folder() };
        station.ok(&["init", "--organization", "Example Org", "--station", "bench 1"]);
        station
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastwrite"));
        command.args(args).env("LASTWRITE_STATE", self.state()).stdin(Stdio::null());
        // What is set for real work is none of the tests'.
        for name in
            ["PASSPHRASE_FILE", "KEY_PASSPHRASE_FILE", "DATABASE", "OPERATOR_KEY", "OPERATOR_PASSPHRASE_FILE", "TSA"]
        {
            command.env_remove(format!("LASTWRITE_{name}"));
        }
        // The key of whoever acts in the register; without a passphrase, which would cost each command some
        // tenths of a second.
        command.env("LASTWRITE_KEY", self.path("person.pem")).env("LASTWRITE_UNPROTECTED_KEY", "1");
        command
    }

    /// The same, started by another program.
    pub fn command_by(&self, starter: &[&str], args: &[&str]) -> Command {
        let own = self.command(args);
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).arg(own.get_program()).args(own.get_args()).stdin(Stdio::null());
        command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs and expects this exit code.
    pub fn expect(&self, code: i32, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{}", both(&output));
        output
    }

    pub fn ok(&self, args: &[&str]) -> String {
        String::from_utf8(self.expect(0, args).stdout).unwrap()
    }

    /// The JSON lines on standard output of a run that ends with `code`.
    pub fn json(&self, code: i32, args: &[&str]) -> Vec<Value> {
        let mut all = vec!["--json"];
        all.extend(args);
        let output = self.expect(code, &all);
        json_lines(&output.stdout)
    }

    /// An image file of `size` bytes full of recognisable content.
    pub fn image(&self, name: &str, size: usize) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, marked(size)).unwrap();
        path
    }

    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(self.state().join(folder))
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.is_file())
            .collect();
        files.sort();
        files
    }
}

/// A new temporary folder that survives a reboot where one is to be had: from any other nothing is wiped.
pub fn disk_folder() -> tempfile::TempDir {
    use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, statfs};
    let forgets = |place: &Path| {
        let kind = statfs(place).map(|fs| fs.filesystem_type());
        kind.is_ok_and(|kind| [TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC].contains(&kind))
    };
    let usual = std::env::temp_dir();
    // Who names one means it.
    if std::env::var_os("TMPDIR").is_none() && forgets(&usual) {
        let places = ["/var/tmp", env!("CARGO_TARGET_TMPDIR")].map(Path::new);
        let made = |place: &Path| tempfile::tempdir_in(place).ok();
        if let Some(folder) = places.into_iter().filter(|place| !forgets(place)).find_map(made) {
            return folder;
        }
    }
    tempfile::tempdir_in(usual).unwrap()
}

pub fn json_lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

pub fn marked(size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 512);
    let mut block = 0u64;
    while bytes.len() < size {
        let mut text = format!("{MARK}{block:016} ").into_bytes();
        text.resize(512, b'.');
        bytes.extend_from_slice(&text);
        block += 1;
    }
    bytes.truncate(size);
    bytes
}

/// How often the mark stands in a file.
pub fn marks_in(path: &Path) -> usize {
    marks(&std::fs::read(path).unwrap())
}

pub fn marks(bytes: &[u8]) -> usize {
    bytes.windows(MARK.len()).filter(|w| *w == MARK.as_bytes()).count()
}

pub fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
