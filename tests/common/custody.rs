//! A custody log by one station, and a hand that edits it.

use std::fs;
use std::path::Path;

use lastwrite::custody::{LOG_FILE, Log, NewEvent, Receipt};
use lastwrite::signed::{Role, StationKey, TrustStore, TrustedKey};
use serde_json::json;

pub fn key() -> StationKey {
    StationKey::from_seed(&[1; 32])
}

pub fn trust() -> TrustStore {
    let mut trust = TrustStore::default();
    trust.add(TrustedKey::new(key().public().clone(), "Bench 1", Role::Station, None)).unwrap();
    trust
}

pub fn event(typ: &str, medium: &str, run: &str) -> NewEvent {
    NewEvent { typ: typ.into(), subject: medium.into(), data: json!({"run_id": run, "size": "512"}) }
}

/// A log of so many entries, two a run.
pub fn log_with(folder: &Path, entries: usize) -> (Log, Vec<Receipt>) {
    Log::create(folder).unwrap();
    let log = Log::open(folder).unwrap();
    let receipts = (0..entries)
        .map(|i| {
            let typ = if i % 2 == 0 { "run.intended" } else { "run.passed" };
            log.append(event(typ, &format!("medium {}", i / 2), &format!("run {}", i / 2)), &key()).unwrap()
        })
        .collect();
    (log, receipts)
}

/// Changes the lines of a log.
pub fn edit(folder: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let path = folder.join(LOG_FILE);
    let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(&path, lines.iter().map(|l| format!("{l}\n")).collect::<String>()).unwrap();
}
