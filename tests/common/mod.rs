//! What the integration tests share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::{Command, Stdio};

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
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Whether the test runs as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
