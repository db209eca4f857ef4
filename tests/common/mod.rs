//! What the integration tests share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod direct;
pub mod fuse_disk;
pub mod fuse_mount;
pub mod loopdev;
pub mod station;
pub mod sysfs_tree;

/// Says loudly that a test did not run. With `LASTWRITE_NO_SKIP=1` (CI) it fails instead, so that
/// nothing is left out unseen. Use as `return common::skip("why")`.
#[track_caller]
pub fn skip(why: &str) {
    if std::env::var_os("LASTWRITE_NO_SKIP").is_some_and(|v| v == "1") {
        panic!("LASTWRITE_NO_SKIP=1 is set, but this test cannot run: {why}");
    }
    eprintln!("skipped: {why} ({})", std::panic::Location::caller());
}

/// Whether a program can be started.
pub fn has(program: &str) -> bool {
    use std::process::{Command, Stdio};
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Whether a test that needs root can run; says so when it cannot.
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip("needs root");
    }
    root
}

/// Runs a tool to its end; `None` (and a word about it) where it is not installed. Panics when it
/// fails.
pub fn tool(program: &str, arguments: &[&std::ffi::OsStr]) -> Option<String> {
    match std::process::Command::new(program).args(arguments).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{program} {arguments:?}: {text}{errors}");
            Some(text)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip(&format!("needs {program}"));
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}
