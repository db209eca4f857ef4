//! The custody log under several processes, kill -9 and a full disk. The children are this very
//! test program, told by their environment what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lastwrite::custody::{AuditConfig, Log, NewEvent, audit};
use lastwrite::signed::{Role, StationKey, TrustStore, TrustedKey};
use serde_json::json;

const FOLDER: &str = "LASTWRITE_TEST_LOG";
const COUNT: &str = "LASTWRITE_TEST_COUNT";

fn key() -> StationKey {
    StationKey::from_seed(&[1; 32])
}

/// Not a test of its own: appends and says each index on stdout once it is acknowledged.
#[test]
fn child_that_appends() {
    use std::io::Write as _;
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let count: u64 = std::env::var(COUNT).unwrap().parse().unwrap();
    let log = Log::open(Path::new(&folder)).unwrap();
    let mut out = std::io::stdout().lock();
    for i in 0..count {
        let run = format!("{}-{i}", std::process::id());
        let event = NewEvent { typ: "x".into(), subject: "medium".into(), data: json!({"run_id": run}) };
        match log.append(event, &key()) {
            Ok(receipt) => writeln!(out, "acknowledged {}", receipt.index).unwrap(),
            Err(e) => writeln!(out, "refused {e}").unwrap(),
        }
    }
}

fn child(folder: &Path, count: u64, shell_first: &str) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new("sh")
        .args([
            "-c",
            &format!("{shell_first} exec \"$0\" --exact child_that_appends --nocapture"),
            program.to_str().unwrap(),
        ])
        .env(FOLDER, folder)
        .env(COUNT, count.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn said(child: &mut Child) -> String {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    text
}

fn acknowledged(text: &str) -> Vec<u64> {
    // The harness may put its own words before ours on a line.
    let after = |line: &str| line.split("acknowledged ").nth(1).and_then(|n| n.trim().parse().ok());
    text.lines().filter_map(after).collect()
}

fn good_size(folder: &Path) -> u64 {
    let mut trust = TrustStore::default();
    trust.add(TrustedKey::new(key().public().clone(), "Bench", Role::Station, None)).unwrap();
    let report = audit(folder, Some(&trust), &[], &AuditConfig::default()).unwrap();
    assert!(report.is_good(), "{report:?}");
    report.size
}

#[test]
fn four_processes_append_to_one_log() {
    let dir = tempfile::tempdir().unwrap();
    Log::create(dir.path()).unwrap();
    let mut children: Vec<_> = (0..4).map(|_| child(dir.path(), 60, "")).collect();
    let mut indexes: Vec<u64> = children.iter_mut().flat_map(|c| acknowledged(&said(c))).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..240).collect::<Vec<_>>());
    assert_eq!(good_size(dir.path()), 240);
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    Log::create(dir.path()).unwrap();
    let mut all = Vec::new();
    for round in 0..20u64 {
        let mut child = child(dir.path(), 1_000_000, "");
        std::thread::sleep(Duration::from_millis(30 + round * 7));
        child.kill().unwrap();
        all.extend(acknowledged(&said(&mut child)));
        Log::open(dir.path()).unwrap();
        let size = good_size(dir.path());
        assert!(all.iter().all(|index| *index < size), "an acknowledged entry is gone");
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "an index was acknowledged twice");
    }
    assert!(!all.is_empty(), "the children were killed before they appended anything");
}

/// A write that stops in the middle, as on a full disk: the entry is refused and leaves no trace.
#[test]
fn a_write_cut_short_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    Log::create(dir.path()).unwrap();
    // No file may grow beyond 8 blocks of 512 bytes (1 KiB in some shells); ignoring the signal
    // turns that into an error.
    let text = said(&mut child(dir.path(), 20, "trap '' XFSZ; ulimit -f 8;"));
    let good = acknowledged(&text);
    assert!(!good.is_empty() && text.contains("refused "), "{text}");
    assert_eq!(good, (0..good.len() as u64).collect::<Vec<_>>());
    assert_eq!(good_size(dir.path()), good.len() as u64);
    assert!(fs::read(dir.path().join("log.jsonl")).unwrap().ends_with(b"\n"));
    let log = Log::open(dir.path()).unwrap();
    assert!(log.recovered().is_empty());
    let event = NewEvent { typ: "x".into(), subject: "medium".into(), data: json!({}) };
    assert_eq!(log.append(event, &key()).unwrap().index.0, good.len() as u64);
}
