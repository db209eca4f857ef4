//! Runs that are killed in the middle of their work.

use std::process::{Child, Stdio};
use std::time::Duration;

use super::station::{Station, text};

pub fn confirm_token(station: &Station, path: &std::path::Path) -> String {
    station.json(0, &["plan", text(path)])[0]["confirm_token"].as_str().unwrap().to_owned()
}

pub fn newest(files: &[std::path::PathBuf]) -> std::path::PathBuf {
    files.iter().max_by_key(|f| std::fs::metadata(f).unwrap().modified().unwrap()).unwrap().clone()
}

pub fn spawn(station: &Station, args: &[&str]) -> Child {
    station.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A run of many passes that is killed in the middle of one.
pub fn wipe_and_kill(station: &Station, target: &std::path::Path, confirmed: &[&str]) {
    let wipe = ["wipe", text(target), "--scheme", "gutmann", "--checkpoint", "0.1"];
    let mut child = spawn(station, &[&wipe[..], confirmed].concat());
    wait_for_progress(station);
    child.kill().unwrap();
    child.wait().unwrap();
}

pub fn wait_for_progress(station: &Station) {
    for _ in 0..2000 {
        let run = station.json(0, &["resume"]);
        if run.first().is_some_and(|r| r["fraction"].as_f64().unwrap_or(0.0) > 0.0) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the run made no progress");
}
