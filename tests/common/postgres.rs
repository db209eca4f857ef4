//! A PostgreSQL server of the test's own: data in a temporary folder, a socket and no port.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs until dropped.
pub struct Postgres {
    server: Child,
    dir: tempfile::TempDir,
}

impl Postgres {
    /// Starts one; `None` (and a word about it) where it is not installed.
    pub fn start() -> Option<Postgres> {
        let Some(bin) = programs() else {
            super::skip("needs a PostgreSQL server (Debian package postgresql)");
            return None;
        };
        let dir = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        if nix::unistd::geteuid().is_root() {
            let user = nix::unistd::User::from_name("postgres").unwrap().expect("the package makes the user postgres");
            nix::unistd::chown(dir.path(), Some(user.uid), Some(user.gid)).unwrap();
        }
        let data = dir.path().join("data");
        let made = as_postgres(&bin.join("initdb"))
            .args(["-U", "lastwrite", "-A", "trust", "-E", "UTF8", "--no-locale", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let server = as_postgres(&bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(dir.path())
            .args(["-c", "listen_addresses="])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let postgres = Postgres { server, dir };
        let until = Instant::now() + Duration::from_secs(60);
        while !postgres.psql(&bin, "SELECT 1") {
            let log = std::fs::read_to_string(postgres.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "PostgreSQL did not start: {log}");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(postgres)
    }

    /// A new database in it.
    pub fn database(&self, name: &str) -> String {
        let bin = programs().unwrap();
        assert!(self.psql(&bin, &format!("CREATE DATABASE {name}")));
        let folder = self.dir.path().to_str().unwrap().replace('/', "%2F");
        format!("postgres://lastwrite@{folder}/{name}")
    }

    fn psql(&self, bin: &Path, sql: &str) -> bool {
        let mut command = Command::new(bin.join("psql"));
        command.arg("-h").arg(self.dir.path()).args(["-U", "lastwrite", "-d", "postgres", "-qc", sql]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Ours alone, by its id: a fast shutdown.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.server.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
        let _ = self.server.wait();
    }
}

fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    found.sort();
    found.pop()
}

/// The server refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(program);
    command.current_dir("/");
    if nix::unistd::geteuid().is_root() {
        let user = nix::unistd::User::from_name("postgres").unwrap().expect("the package makes the user postgres");
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}
