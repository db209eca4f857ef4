//! The index that is left beside the custody log is a hint: whatever is wrong with it, what is found
//! is what the log says. And the audit's eye on clocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use lastwrite::custody::{AuditConfig, Log, LogError, NewEvent, Severity, audit};
use lastwrite::signed::{Role, StationKey, TrustStore, TrustedKey};
use serde_json::json;

const RUNS: usize = 20;

fn key() -> StationKey {
    StationKey::from_seed(&[1; 32])
}

fn event(typ: &str, run: usize) -> NewEvent {
    NewEvent { typ: typ.into(), subject: format!("medium {}", run % 7), data: json!({"run_id": format!("{run:032x}")}) }
}

fn fill(folder: &Path, runs: usize) -> Log {
    Log::create(folder).unwrap();
    let log = Log::open(folder).unwrap();
    for run in 0..runs {
        log.append(event("run.intended", run), &key()).unwrap();
        log.append(event("run.passed", run), &key()).unwrap();
    }
    log
}

/// Everything that can be asked, from a log that is opened anew.
fn answers(folder: &Path) -> Vec<Vec<u64>> {
    let log = Log::open(folder).unwrap();
    let index = |found: Vec<lastwrite::custody::Logged>| found.iter().map(|l| l.entry.index.0).collect::<Vec<_>>();
    let media = (0..8).map(|m| index(log.find_subject(&format!("medium {m}")).unwrap()));
    let runs = (0..RUNS + 2).map(|run| index(log.find_run(&format!("{run:032x}")).unwrap()));
    media.chain(runs).collect()
}

#[test]
fn whatever_is_wrong_with_the_index_the_log_decides() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, other) = (dir.path().join("custody"), dir.path().join("other"));
    fill(&folder, RUNS);
    let truth = answers(&folder);
    assert_eq!(truth[3], [6, 7, 20, 21, 34, 35]);
    let file = folder.join("index.bin");
    let good = fs::read(&file).unwrap();
    assert_eq!(good.len() % (2 * RUNS), 0, "a record for each entry");
    assert_eq!(answers(&folder), truth);
    assert_eq!(fs::read(&file).unwrap(), good, "nothing to be made again");

    let record = good.len() / (2 * RUNS);
    for at in [0, 3, record - 1, record * 7 + 5, record * 20 + 13, good.len() - record, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs::write(&file, &bad).unwrap();
        assert_eq!(answers(&folder), truth, "byte {at}");
        assert_eq!(fs::read(&file).unwrap(), good, "byte {at}: it is made again");
    }
    for length in [0, 1, record, record * 11 + 3, good.len() - 1] {
        fs::write(&file, &good[..length]).unwrap();
        assert_eq!(answers(&folder), truth, "cut to {length}");
    }
    // Two records exchanged, a page of zeros, more than there is, and that of another log.
    let exchanged = [&good[record..2 * record], &good[..record], &good[2 * record..]].concat();
    let zeros = [&good[..record * 5], &vec![0; good.len() - record * 5]].concat();
    let longer = [&good[..], &good[..record]].concat();
    fill(&other, RUNS);
    answers(&other);
    let foreign = fs::read(other.join("index.bin")).unwrap();
    assert_eq!(foreign.len(), good.len());
    let shorter = foreign[..record * 9].to_vec();
    for (name, bad) in
        [("exchanged", exchanged), ("zeros", zeros), ("longer", longer), ("foreign", foreign), ("shorter", shorter)]
    {
        fs::write(&file, bad).unwrap();
        assert_eq!(answers(&folder), truth, "{name}");
    }
}

#[test]
fn the_index_keeps_up_with_two_writers_and_still_allows_one_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let first = fill(dir.path(), 3);
    let second = Log::open(dir.path()).unwrap();
    let config = AuditConfig::default();
    for run in 3..9 {
        let (a, b) = if run % 2 == 0 { (&first, &second) } else { (&second, &first) };
        a.append(event("run.intended", run), &key()).unwrap();
        assert_eq!(b.find_run(&format!("{run:032x}")).unwrap().len(), 1);
        b.append_outcome(event("run.passed", run), &key(), &config).unwrap();
        let again = a.append_outcome(event("run.failed", run), &key(), &config);
        assert!(matches!(again, Err(LogError::OutcomeExists { .. })), "{again:?}");
    }
    // What one who has no index appends is found by the next who needs one.
    Log::open(dir.path()).unwrap().append(event("run.intended", 30), &key()).unwrap();
    let third = Log::open(dir.path()).unwrap();
    assert_eq!(third.find_run(&format!("{:032x}", 30)).unwrap().len(), 1);
    assert_eq!(first.find_subject("medium 2").unwrap().len(), 3);
}

/// The back-dated clock.
#[test]
fn a_clock_that_was_set_back_is_told_and_is_no_forgery() {
    let dir = tempfile::tempdir().unwrap();
    Log::create(dir.path()).unwrap();
    let log = Log::open(dir.path()).unwrap();
    let start: DateTime<Utc> = "2026-11-24T08:00:00Z".parse().unwrap();
    // Seconds from the start; writers wait for each other, so a little disorder is nothing.
    for (run, at) in [0, 60, 30, 120, -86_400, -86_000, 3600].into_iter().enumerate() {
        log.append_at(event("run.intended", run), &key(), start + TimeDelta::seconds(at)).unwrap();
        log.append_at(event("run.passed", run), &key(), start + TimeDelta::seconds(at + 1)).unwrap();
    }
    let mut trust = TrustStore::default();
    trust.add(TrustedKey::new(key().public().clone(), "Bench 1", Role::Station, None)).unwrap();
    let report = audit(dir.path(), Some(&trust), &[], &AuditConfig::default()).unwrap();
    assert!(report.is_good(), "{report:?}");
    let back: Vec<_> = report.findings.iter().filter(|f| f.code == "clock_went_back").collect();
    assert_eq!(back.len(), 1, "{report:?}");
    assert_eq!((back[0].index, back[0].severity), (Some(8), Severity::Attention));
}
