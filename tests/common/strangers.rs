//! Programs that are not ours, on documents as they stand.

use std::path::Path;
use std::process::Command;

use super::station::both;

/// A program takes `good.json` by `trust.jwks.json`, telling `words` of it, and says of `changed.json` what is wrong.
#[track_caller]
pub fn say_what_is_good(folder: &Path, program: &[&str], words: &[&str], wrong: &str) {
    let run = |file: &str| {
        let mut command = Command::new(program[0]);
        command.current_dir(folder).args(&program[1..]).args([file, "trust.jwks.json"]).output().unwrap()
    };
    let good = run("good.json");
    let said = both(&good);
    assert!(good.status.success() && words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    let changed = run("changed.json");
    assert!(!changed.status.success() && both(&changed).contains(wrong), "{}", both(&changed));
}
