//! What the integration tests share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub mod crash_fs;
pub mod direct;
pub mod fuse_disk;
pub mod fuse_mount;
pub mod holder;
pub mod interrupted;
pub mod loopdev;
pub mod places;
pub mod postgres;
pub mod station;
pub mod strangers;
#[cfg(feature = "erase")]
pub mod sysfs_tree;
pub mod system_disk;
pub mod tsa;
pub mod webdriver;
#[cfg(feature = "erase")]
pub mod wish;

/// Says loudly that a test did not run. With `LASTWRITE_NO_SKIP=1` (CI) it fails instead, so that
/// nothing is left out unseen. Use as `return common::skip("why")`.
#[track_caller]
pub fn skip(why: &str) {
    if std::env::var_os("LASTWRITE_NO_SKIP").is_some_and(|v| v == "1") {
        panic!("LASTWRITE_NO_SKIP=1 is set, but this test cannot run: {why}");
    }
    eprintln!("skipped: {why} ({})", std::panic::Location::caller());
}

/// Kinds of tests that need what not every machine can get. `scripts/test` names those that this machine
/// cannot run in `LASTWRITE_LEFT_OUT`, and says so; `.ci/run` leaves none out.
const MAY_BE_LEFT_OUT: [&str; 3] = ["browser", "drives", "vectors"];

/// Whether this run leaves that kind of tests out; says so where it does, also under `LASTWRITE_NO_SKIP=1`.
#[track_caller]
pub fn is_left_out(kind: &str) -> bool {
    let left_out = leaves_out(&std::env::var("LASTWRITE_LEFT_OUT").unwrap_or_default(), kind);
    if left_out {
        eprintln!("skipped: LASTWRITE_LEFT_OUT names {kind} ({})", std::panic::Location::caller());
    }
    left_out
}

/// Whether a list leaves a kind out. It can name no kind but those that may be missing.
pub fn leaves_out(list: &str, kind: &str) -> bool {
    let names = list.split(',').filter(|name| !name.is_empty());
    names.fold(false, |found, name| {
        assert!(MAY_BE_LEFT_OUT.contains(&name), "LASTWRITE_LEFT_OUT: no kind {name:?} may be left out");
        found || name == kind
    })
}

/// The published test vectors: `LASTWRITE_VECTORS`, or what `scripts/fetch-vectors` fetched; otherwise skips.
#[track_caller]
pub fn vectors() -> Option<PathBuf> {
    if is_left_out("vectors") {
        return None;
    }
    let fetched = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/vectors");
    let folder = std::env::var_os("LASTWRITE_VECTORS").map_or_else(fetched, PathBuf::from);
    if !folder.is_dir() {
        skip(&format!("no published vectors in {} (scripts/fetch-vectors fetches them)", folder.display()));
        return None;
    }
    Some(folder)
}

/// Whether a program can be started.
pub fn has(program: &str) -> bool {
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
    match Command::new(program).args(arguments).output() {
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

/// The Python to use: LASTWRITE_PYTHON, or python3, when it can import joserfc; otherwise skips.
#[track_caller]
pub fn python_with_joserfc() -> Option<String> {
    let python = std::env::var("LASTWRITE_PYTHON").unwrap_or_else(|_| "python3".into());
    let imports = Command::new(&python).args(["-c", "import joserfc"]).stderr(Stdio::null()).status();
    if imports.is_ok_and(|s| s.success()) {
        return Some(python);
    }
    skip(&format!("{python} cannot import joserfc (set LASTWRITE_PYTHON to one that can)"));
    None
}

/// A `node_modules` folder that holds jose (LASTWRITE_NODE_MODULES; `scripts/test` makes one).
#[track_caller]
pub fn node_modules_with_jose() -> Option<PathBuf> {
    let folder = std::env::var_os("LASTWRITE_NODE_MODULES").map(PathBuf::from);
    if let Some(folder) = folder.filter(|folder| folder.join("jose").is_dir())
        && has("node")
    {
        return Some(folder);
    }
    skip("needs node, and a node_modules folder with jose (LASTWRITE_NODE_MODULES)");
    None
}

/// The code block of docs/verify-without-lastwrite.md whose first line is `first_line`.
pub fn block_of_page(first_line: &str) -> String {
    let page = include_str!("../../docs/verify-without-lastwrite.md");
    let start = page.find(&format!("\n{first_line}\n")).expect("the page has such a block") + 1;
    let length = page[start..].find("\n```").expect("the block ends") + 1;
    page[start..start + length].to_owned()
}
