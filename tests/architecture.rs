//! The rooms and who may import whom, and other rules that no compiler checks. Uses the standard library
//! only, so that `.ci/run` can build and run it alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Which rooms a room may import. `a::b` allows that leaf of `a` and nothing else of it.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("media", &["units"]),
    ("scheme", &["units", "sys::aes_ctr"]),
    ("policy", &["units", "media", "scheme"]),
    ("sys", &["units"]),
    ("device", &["sys", "media", "units"]),
    ("overwrite", &["sys", "scheme", "units"]),
    ("sanitize", &["device", "overwrite", "policy", "scheme", "media", "sys", "units"]),
    ("signed", &["units"]),
    ("typeset", &[]),
    ("certificate", &["signed", "typeset", "media", "policy", "scheme", "units", "sanitize::record"]),
    ("custody", &["signed", "units"]),
    ("bundle", &["certificate", "custody", "signed", "units"]),
    ("register", &["typeset", "certificate", "custody", "policy", "signed", "media", "units", "sanitize::record"]),
    (
        "station",
        &[
            "register",
            "bundle",
            "sanitize",
            "certificate",
            "custody",
            "signed",
            "device",
            "overwrite",
            "policy",
            "scheme",
            "media",
            "sys",
            "units",
        ],
    ),
    (
        "frontend",
        &[
            "typeset",
            "station",
            "register",
            "bundle",
            "certificate",
            "custody",
            "signed",
            "policy",
            "scheme",
            "media",
            "units",
            "sanitize::record",
            "sanitize::event",
        ],
    ),
];

/// `sanitize::record` is plain data: it may not pull in the rest of its own room or the drive code.
const LEAVES: &[(&str, &[&str])] = &[
    ("sanitize/record.rs", &["policy", "scheme", "media", "units"]),
    ("sanitize/record/hidden.rs", &["policy", "scheme", "media", "units"]),
    ("sanitize/record/suspend.rs", &["policy", "scheme", "media", "units"]),
];

const MAX_LINES: usize = 500;

#[test]
fn the_house_keeps_its_plan() {
    let broken = check(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    let broken = check_tests(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")));
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// What stands against an attack is shown by a test, or it is a word.
#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(house.join("docs/threat-model.md")).unwrap();
    let (named, missing) = named_tests(&table, house);
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
    assert!(named > 60, "{named} tests are named");
    for (text, word) in [
        ("`tests/architecture.rs` (`no_such_test`)", "no test no_such_test"),
        ("`tests/architecture.rs` (`named_tests`)", "no test named_tests"),
        ("`tests/no_such_file.rs` (`a`)", "is not there"),
        ("see `tests/architecture.rs`.", "names no test"),
    ] {
        let (_, missing) = named_tests(text, house);
        assert!(missing.len() == 1 && missing[0].contains(word), "{text}: {missing:?}");
    }
}

/// How many tests a text names, and what is wrong with what it names: each file is followed by its tests, as
/// `file.rs` (`test`, `test`).
fn named_tests(text: &str, house: &Path) -> (usize, Vec<String>) {
    let (mut named, mut missing) = (0, Vec::new());
    let mut pieces = text.split('`').skip(1).step_by(2).zip(text.split('`').skip(2).step_by(2));
    while let Some((file, mut between)) = pieces.next() {
        if !(file.ends_with(".rs") && file.contains('/')) {
            continue;
        }
        let Ok(code) = fs::read_to_string(house.join(file)) else {
            missing.push(format!("{file} is not there"));
            continue;
        };
        let tests: Vec<&str> = code.split("#[test]").skip(1).collect();
        let mut any = false;
        while matches!((any, between), (false, " (") | (true, ", ")) {
            let Some((test, after)) = pieces.next() else { break };
            (between, any, named) = (after, true, named + 1);
            let begins =
                |rest: &&str| rest.split_once("fn ").is_some_and(|(_, rest)| rest.starts_with(&format!("{test}(")));
            if !tests.iter().any(begins) {
                missing.push(format!("{file} has no test {test}"));
            }
        }
        if !any {
            missing.push(format!("{file} names no test"));
        }
    }
    (named, missing)
}

/// Every broken rule under a `src` folder, each with its place.
fn check(src: &Path) -> Vec<String> {
    let mut broken = Vec::new();
    for path in rust_files(src) {
        let text = fs::read_to_string(&path).unwrap();
        let inside = path.strip_prefix(src).unwrap();
        let place = inside.display().to_string();
        common_rules(&place, &text, &mut broken);
        let code = without_comments_and_strings(&text);
        if !inside.starts_with("sys") && words(&code).any(|w| w == "unsafe") {
            broken.push(format!("{place}: `unsafe` outside src/sys"));
        }
        let room = room_of(inside);
        if matches!(room.as_str(), "main" | "lib") {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(r, _)| *r == room) else {
            broken.push(format!("{place}: the room `{room}` is not in the import table"));
            continue;
        };
        let leaf = LEAVES.iter().find(|(file, _)| *file == place).map(|(_, allowed)| *allowed);
        for import in crate_paths(&code, inside) {
            let target = import.split("::").next().unwrap_or_default();
            let fine = match leaf {
                Some(allowed) => import == format!("{room}::record") || allowed.contains(&target),
                None => target == room || allowed.iter().any(|a| permits(a, &import)),
            };
            if !fine {
                broken.push(format!("{place}: imports `crate::{import}`, which `{room}` may not"));
            }
        }
    }
    broken
}

fn check_tests(tests: &Path) -> Vec<String> {
    let mut broken = Vec::new();
    for path in rust_files(tests) {
        let text = fs::read_to_string(&path).unwrap();
        common_rules(&format!("tests/{}", path.strip_prefix(tests).unwrap().display()), &text, &mut broken);
    }
    broken
}

fn common_rules(place: &str, text: &str, broken: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > MAX_LINES {
        broken.push(format!("{place}: {lines} lines, at most {MAX_LINES}"));
    }
    if without_comments_and_strings(text).contains("#[ignore") {
        broken.push(format!("{place}: a test is ignored"));
    }
}

/// `sanitize::record` permits `sanitize::record` and what lies in it, `sanitize` all of it.
fn permits(allowed: &str, import: &str) -> bool {
    import == allowed || import.strip_prefix(allowed).is_some_and(|rest| rest.starts_with("::"))
}

fn room_of(inside: &Path) -> String {
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Every path that starts at `crate::` (without it), also out of groups such as
/// `use crate::{media::{A, B}, units}`, and every `super::` that climbs out of the room.
fn crate_paths(code: &str, inside: &Path) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    // Modules from the crate's root to this file: src/a/b.rs is a::b, src/a/mod.rs is a.
    let mut module: Vec<String> =
        inside.with_extension("").components().map(|c| c.as_os_str().to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|m| m == "mod") {
        module.pop();
    }
    // As many `super` as the file is deep lead to the crate's root, and one more inside `mod tests`, which stands last.
    let (before, tests) = code.split_at(code.find("mod tests {").unwrap_or(code.len()));
    climb(&tokens(before), module.len(), &mut paths);
    climb(&tokens(tests), module.len() + 1, &mut paths);
    paths
}

/// The paths of tokens that lie `depth` modules below the crate's root.
fn climb(tokens: &[&str], depth: usize, paths: &mut BTreeSet<String>) {
    let mut i = 0;
    while i < tokens.len() {
        if tokens[i] == "crate"
            && tokens.get(i + 1) == Some(&"::")
            && i.checked_sub(1).is_none_or(|p| tokens[p] != "in")
        {
            expand(tokens, i + 2, String::new(), paths);
        }
        if tokens[i] == "super" && i.checked_sub(1).is_none_or(|p| tokens[p] != "::") {
            let mut up = 0;
            let mut j = i;
            while tokens.get(j) == Some(&"super") && tokens.get(j + 1) == Some(&"::") {
                up += 1;
                j += 2;
            }
            if up >= depth && up > 0 {
                expand(tokens, j, String::new(), paths);
            }
        }
        i += 1;
    }
}

/// Reads a path or a group of paths from token `at`; returns the token after it.
fn expand(tokens: &[&str], mut at: usize, prefix: String, paths: &mut BTreeSet<String>) -> usize {
    let join = |word: &str| if prefix.is_empty() { word.to_owned() } else { format!("{prefix}::{word}") };
    match tokens.get(at) {
        Some(&"{") => {
            at += 1;
            while at < tokens.len() && tokens[at] != "}" {
                at = if tokens[at] == "," { at + 1 } else { expand(tokens, at, prefix.clone(), paths) };
            }
            at + 1
        }
        Some(word) => {
            let path = join(word);
            if tokens.get(at + 1) == Some(&"::") {
                return expand(tokens, at + 2, path, paths);
            }
            paths.insert(path);
            at += 1;
            if tokens.get(at) == Some(&"as") {
                at += 2;
            }
            at
        }
        None => at,
    }
}

fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let len = if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            tokens.push(&rest[..len]);
        }
        rest = &rest[len..];
    }
    tokens
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    tokens(code).into_iter()
}

/// Blanks out comments, strings and character literals, so that only code is judged.
fn without_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < bytes.len() {
        let rest = &text[i..];
        let raw = rest.strip_prefix('r').map(|r| r.len() - r.trim_start_matches('#').len());
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |n| n + 2)
        } else if let Some(hashes) =
            raw.filter(|n| rest[1 + n..].starts_with('"') && !out.ends_with(char::is_alphanumeric))
        {
            let end = format!("\"{}", "#".repeat(hashes));
            rest[hashes + 2..].find(&end).map_or(rest.len(), |n| hashes + 2 + n + end.len())
        } else if rest.starts_with('"') {
            quoted(rest, '"')
        } else if rest.starts_with('\'') && is_char_literal(rest) {
            quoted(rest, '\'')
        } else {
            0
        };
        if skip > 0 {
            out.push(' ');
            i += skip;
            continue;
        }
        let c = rest.chars().next().unwrap();
        out.push(c);
        i += c.len_utf8();
    }
    out
}

fn is_char_literal(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

mod of_the_test {
    use super::*;

    fn broken(files: &[(&str, &str)]) -> Vec<String> {
        static TREES: AtomicUsize = AtomicUsize::new(0);
        let number = TREES.fetch_add(1, Ordering::Relaxed);
        let tree = Tree(std::env::temp_dir().join(format!("lastwrite-house-{}-{number}", std::process::id())));
        for (path, text) in files {
            let path = tree.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        check(&tree.0)
    }

    struct Tree(PathBuf);

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn is_reported(path: &str, text: &str) {
        let found = broken(&[(path, text)]);
        assert_eq!(found.len(), 1, "{path}: {text:?} -> {found:?}");
        assert!(found[0].starts_with(path), "{found:?}");
    }

    fn is_fine(path: &str, text: &str) {
        assert_eq!(broken(&[(path, text)]), Vec::<String>::new(), "{path}: {text:?}");
    }

    #[test]
    fn a_forbidden_import_is_reported_in_every_spelling() {
        is_reported("units.rs", "use crate::media::Medium;");
        is_reported("device/mod.rs", "use crate::overwrite::Engine;");
        is_reported("overwrite/pass.rs", "use crate::{units::Bytes, device::Claim};");
        is_reported("custody/log.rs", "fn f() { crate::certificate::issue() }");
        is_reported("certificate/mod.rs", "use crate::sanitize::run::Run;");
        is_reported("certificate/mod.rs", "use crate::sanitize::{record::RunFacts, run::Run};");
        is_reported("certificate/mod.rs", "use crate::sanitize;");
        is_reported("frontend/cli/wipe.rs", "use crate::device::claim;");
        is_reported("frontend/cli/wipe.rs", "use crate::sanitize::Journal;");
        is_reported("media/mod.rs", "use super::sys::ioctl;");
        is_reported("device/scan.rs", "use super::super::overwrite::Engine;");
        is_reported("device/scan.rs", "use super::super::overwrite::Engine;\nmod tests { use super::*; }");
        is_reported("scheme/a.rs", "mod tests { use super::super::super::device::Claim; }");
        is_reported("policy/mod.rs", "use\n    crate::\n    station as s;");
        is_reported("sanitize/record.rs", "use crate::device::Claim;");
        is_reported("sanitize/record.rs", "use crate::sanitize::journal::Journal;");
        is_reported("attic/mod.rs", "");
    }

    #[test]
    fn an_allowed_import_is_not() {
        is_fine("device/mod.rs", "use crate::{media::{Medium, Identity as I}, sys::ioctl, units::Bytes};");
        is_fine("certificate/mod.rs", "use crate::sanitize::record::{RunFacts, Failure};");
        is_fine("frontend/cli/wipe.rs", "use crate::sanitize::event::Event; use crate::station::run;");
        is_fine("overwrite/pass.rs", "use super::ledger::Ledger; use crate::overwrite::Disk;");
        is_fine("scheme/a.rs", "use crate::sys::aes_ctr::AesCtr;");
        is_reported("scheme/a.rs", "use crate::sys::ioctl;");
        is_fine("scheme/a.rs", "mod tests { use super::super::Pattern; }");
        is_fine("sanitize/run.rs", "pub(in crate::sanitize) fn new() {}");
        is_fine("units.rs", "// use crate::media;\n/* crate::sys */ const A: &str = \"crate::device::Claim\";");
        is_fine("main.rs", "use lastwrite::frontend;");
    }

    #[test]
    fn unsafe_long_files_and_ignored_tests_are_reported() {
        is_reported("media/mod.rs", "fn f() { unsafe { g() } }");
        is_fine("sys/mod.rs", "fn f() { unsafe { g() } }");
        is_fine("media/mod.rs", "// unsafe\nconst A: &str = \"unsafe\"; const B: char = '\"'; fn unsafe_code() {}");
        is_reported("media/mod.rs", &"\n".repeat(MAX_LINES + 1));
        is_fine("media/mod.rs", &"\n".repeat(MAX_LINES));
        is_reported("media/mod.rs", "#[test]\n#[ignore = \"slow\"]\nfn t() {}");
    }
}
