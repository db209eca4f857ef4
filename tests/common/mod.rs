//! What the tests share.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

pub mod loopdev;
pub mod sysfs_tree;

/// Says that a test cannot run here. With `LASTWRITE_NO_SKIP=1` (CI) that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var_os("LASTWRITE_NO_SKIP").is_none_or(|v| v != "1"), "may not be skipped: {why}");
    eprintln!("skipped: {why}");
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
