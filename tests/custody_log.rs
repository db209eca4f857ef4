//! The custody log as other rooms and strangers use it: appended to from everywhere at once,
//! crashed, truncated, edited, forked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/custody.rs"]
mod custody;

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use chrono::{DateTime, Utc};
use custody::{edit, event, key, log_with, trust};
use lastwrite::custody::{
    AuditConfig, AuditReport, Entries, KnownState, LOG_FILE, Log, LogError, NewEvent, NoteKey, Receipt, SignatureKind,
    audit, checkpoint, cosign, leaf_hash, origin, read_checkpoint, verify_consistency, verify_inclusion,
};
use lastwrite::signed::StationKey;
use serde_json::json;

fn look(folder: &Path, known: &[KnownState]) -> AuditReport {
    audit(folder, Some(&trust()), known, &AuditConfig::default()).unwrap()
}

fn known(receipt: &Receipt) -> KnownState {
    KnownState {
        log_id: receipt.log_id.clone(),
        size: receipt.size.0,
        root: receipt.root,
        from: format!("receipt {}", receipt.index),
    }
}

#[test]
fn receipts_prove_themselves_and_the_audit_confirms_them() {
    let dir = tempfile::tempdir().unwrap();
    let (log, receipts) = log_with(&dir.path().join("custody"), 21);
    let folder = dir.path().join("custody");
    for receipt in &receipts {
        let (size, root, proof) = log.prove_inclusion(receipt.index.0).unwrap();
        verify_inclusion(receipt.index.0, size, receipt.leaf_hash, &proof, root).unwrap();
        let (size, root, proof) = log.prove_consistency(receipt.size.0).unwrap();
        verify_consistency(receipt.size.0, size, &proof, receipt.root, root).unwrap();
    }
    let states: Vec<_> = receipts.iter().map(known).collect();
    let report = look(&folder, &states);
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.confirmed.len(), 21);
    assert_eq!(report.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["no_outcome"]);
    // The leaf is the line as it stands in the file.
    let text = fs::read(folder.join(LOG_FILE)).unwrap();
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    assert_eq!(leaf_hash(lines[3]), receipts[3].leaf_hash);
    assert_eq!(Entries::open(&folder).unwrap().count(), 21);
}

#[test]
fn a_log_is_created_once() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("custody");
    assert!(matches!(Log::open(&folder), Err(LogError::Missing { .. })));
    let id = Log::create(&folder).unwrap();
    assert!(matches!(Log::create(&folder), Err(LogError::Create(_))));
    assert_eq!(Log::open(&folder).unwrap().id(), id);
    // A creation cut off between its two files is completed.
    fs::remove_file(folder.join("log-id")).unwrap();
    assert!(matches!(Log::open(&folder), Err(LogError::Missing { .. })));
    Log::create(&folder).unwrap();
    Log::open(&folder).unwrap();
    fs::write(folder.join("log-id"), "xyz").unwrap();
    assert!(matches!(Log::open(&folder), Err(LogError::Id { .. })));
}

#[test]
fn hundreds_of_appends_at_once_from_many_threads_and_handles() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = log_with(dir.path(), 0);
    let others: Vec<_> = (0..3).map(|_| Log::open(dir.path()).unwrap()).collect();
    let logs: Vec<&Log> = std::iter::once(&first).chain(&others).collect();
    let receipts: Vec<Receipt> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|drive| {
                let log = logs[drive % logs.len()];
                scope.spawn(move || {
                    let (medium, run) = (format!("medium {drive}"), format!("run {drive}"));
                    ["run.intended", "drive.noted", "drive.noted", "run.passed"]
                        .map(|typ| log.append(event(typ, &medium, &run), &key()).unwrap())
                })
            })
            .collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    let indexes: HashSet<u64> = receipts.iter().map(|r| r.index.0).collect();
    assert_eq!(indexes, (0..256).collect());
    let report = look(dir.path(), &receipts.iter().map(known).collect::<Vec<_>>());
    assert_eq!((report.size, report.confirmed.len()), (256, 256));
    assert!(report.findings.is_empty(), "{report:?}");
    // Every handle sees what the others wrote.
    for log in logs {
        assert_eq!(log.find_subject("medium 7").unwrap().len(), 4);
        assert_eq!(log.find_run("run 8").unwrap().len(), 4);
        assert!(log.outcome("run 9", &AuditConfig::default()).unwrap().is_some());
        assert_eq!(log.head().unwrap(), (256, report.root));
    }
}

#[test]
fn one_outcome_for_one_run_whoever_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = log_with(dir.path(), 1);
    let other = Log::open(dir.path()).unwrap();
    let config = AuditConfig::default();
    let wins: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|i| {
                let log = if i % 2 == 0 { &log } else { &other };
                let config = &config;
                scope.spawn(move || {
                    match log.append_outcome(event("run.failed", "medium 0", "run 0"), &key(), config) {
                        Ok(_) => 1,
                        Err(LogError::OutcomeExists { index: 1, .. }) => 0,
                        Err(e) => panic!("{e}"),
                    }
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(wins, 1);
    assert_eq!(look(dir.path(), &[]).size, 2);
}

#[test]
fn a_torn_end_is_set_aside_and_told() {
    for tail in [b"{\"payload\":\"abc".as_slice(), b"\0\0\0\0\0\0", b"{\"payload\":\"\0\0\0\0\"}\n"] {
        let dir = tempfile::tempdir().unwrap();
        let (log, receipts) = log_with(dir.path(), 3);
        drop(log);
        let append = |bytes: &[u8]| {
            OpenOptions::new().append(true).open(dir.path().join(LOG_FILE)).unwrap().write_all(bytes).unwrap();
        };
        append(tail);
        if !tail.ends_with(b"\n") {
            let report = look(dir.path(), &[]);
            assert!(report.is_good() && report.findings.iter().any(|f| f.code == "unfinished"));
        }
        let log = Log::open(dir.path()).unwrap();
        let recovered = log.recovered();
        assert_eq!((recovered[0].bytes.0, recovered[0].index.0), (tail.len() as u64, 3));
        assert_eq!(fs::read(&recovered[0].file).unwrap(), tail);
        let receipt = log.append(event("run.passed", "medium 1", "run 1"), &key()).unwrap();
        assert_eq!(receipt.index.0, 3);
        // Also while the log is open, as when another process died.
        append(tail);
        log.append(event("run.intended", "medium 2", "run 2"), &key()).unwrap();
        assert_eq!(log.recovered().len(), 2);
        let report = look(dir.path(), &receipts.iter().map(known).collect::<Vec<_>>());
        assert!(report.is_good(), "{report:?}");
        assert_eq!(report.size, 5);
    }
}

/// A page that never reached the disk reads back as zeros, and so does one that rots later.
#[test]
fn an_acknowledged_last_entry_that_rots_is_no_torn_end() {
    for byte in [b'\0', b'\n', b'#'] {
        let dir = tempfile::tempdir().unwrap();
        drop(log_with(dir.path(), 3));
        let path = dir.path().join(LOG_FILE);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - 30;
        bytes[at] = byte;
        fs::write(&path, &bytes).unwrap();
        let error = Log::open(dir.path()).unwrap_err();
        assert!(matches!(error, LogError::Damaged { index: 2, .. }), "{byte}: {error}");
        assert!(fs::read(&path).unwrap() == bytes, "{byte}: the log was cut");
        assert!(fs::read_dir(dir.path()).unwrap().flatten().all(|e| !e.file_name().to_string_lossy().contains("torn")));
        // Nobody could tell without the cache, which is why it is not there for speed alone.
        fs::remove_file(dir.path().join("frontier.json")).unwrap();
        assert_eq!(Log::open(dir.path()).is_ok(), byte == b'\0', "{byte}");
    }
}

#[test]
fn a_log_cut_anywhere_keeps_its_whole_lines_and_every_byte_of_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (log, receipts) = log_with(dir.path(), 3);
    let id = log.id().to_owned();
    let whole = fs::read(dir.path().join(LOG_FILE)).unwrap();
    for cut in (0..whole.len()).step_by(41).chain([whole.len() - 1]) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("log-id"), format!("{id}\n")).unwrap();
        fs::write(dir.path().join(LOG_FILE), &whole[..cut]).unwrap();
        let log = Log::open(dir.path()).unwrap();
        let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
        let (size, root) = log.head().unwrap();
        assert_eq!(size, lines as u64);
        if lines > 0 {
            assert_eq!(root, receipts[lines - 1].root);
        }
        let kept = fs::read(dir.path().join(LOG_FILE)).unwrap();
        let aside = log.recovered().first().map(|r| fs::read(&r.file).unwrap()).unwrap_or_default();
        assert_eq!([kept, aside].concat(), whole[..cut]);
    }
}

#[test]
fn the_frontier_cache_is_only_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = log_with(dir.path(), 9);
    let head = log.head().unwrap();
    drop(log);
    let cache = dir.path().join("frontier.json");
    let good = fs::read_to_string(&cache).unwrap();
    // Another digit in the tree, which neither the file's length nor its last line would show.
    let at = good.find("\"subtrees\":[\"").unwrap() + 13;
    let digit = if &good[at..=at] == "0" { "1" } else { "0" };
    let flipped = format!("{}{digit}{}", &good[..at], &good[at + 1..]);
    for bad in ["", "{}", "\0\0", good.replace("\"9\"", "\"8\"").as_str(), flipped.as_str()] {
        fs::write(&cache, bad).unwrap();
        assert_eq!(Log::open(dir.path()).unwrap().head().unwrap(), head, "{bad}");
    }
    fs::remove_file(&cache).unwrap();
    assert_eq!(Log::open(dir.path()).unwrap().head().unwrap(), head);
    assert!(cache.exists());
    // An older cache is followed to the end.
    let older = tempfile::tempdir().unwrap();
    let (log, _) = log_with(older.path(), 4);
    let old = fs::read(older.path().join("frontier.json")).unwrap();
    log.append(event("x", "y", "z"), &key()).unwrap();
    let head = log.head().unwrap();
    fs::write(older.path().join("frontier.json"), old).unwrap();
    assert_eq!(Log::open(older.path()).unwrap().head().unwrap(), head);
}

#[test]
fn an_audit_names_the_first_bad_entry() {
    type Change<'a> = &'a dyn Fn(&mut Vec<String>);
    let cases: [(&str, Change, u64); 7] = [
        ("a letter of a payload", &|l| l[4] = l[4].replacen("\"payload\":\"e", "\"payload\":\"f", 1), 4),
        (
            "a letter of a signature",
            &|l| {
                let n = l[4].len() - 20;
                let c = if &l[4][n..n + 1] == "A" { "B" } else { "A" };
                l[4].replace_range(n..n + 1, c)
            },
            4,
        ),
        (
            "an entry removed",
            &|l| {
                l.remove(4);
            },
            4,
        ),
        (
            "an entry twice",
            &|l| {
                let x = l[4].clone();
                l.insert(5, x)
            },
            5,
        ),
        ("two entries exchanged", &|l| l.swap(4, 5), 4),
        ("an empty line", &|l| l.insert(4, String::new()), 4),
        ("white space around", &|l| l[4].push(' '), 4),
    ];
    for (what, change, first_bad) in cases {
        let dir = tempfile::tempdir().unwrap();
        let (log, receipts) = log_with(dir.path(), 10);
        let state = known(receipts.last().unwrap());
        drop(log);
        edit(dir.path(), |lines| change(lines));
        let report = look(dir.path(), &[state]);
        assert_eq!(report.first_bad(), Some(first_bad), "{what}: {report:?}");
        fs::remove_file(dir.path().join("frontier.json")).unwrap();
        match Log::open(dir.path()) {
            Err(LogError::Damaged { index, .. }) => assert!(index <= first_bad + 1, "{what}"),
            Ok(_) => assert_eq!(what, "a letter of a signature", "opening does not check the last signature"),
            Err(e) => panic!("{what}: {e}"),
        }
    }
}

#[test]
fn truncation_is_found_by_whoever_kept_a_receipt_and_by_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let (log, receipts) = log_with(dir.path(), 10);
    drop(log);
    edit(dir.path(), |lines| lines.truncate(6));
    assert!(look(dir.path(), &[]).is_good(), "nothing in the file itself shows it");
    let report = look(dir.path(), &[known(&receipts[3]), known(&receipts[8])]);
    assert!(!report.is_good());
    assert_eq!(report.confirmed, ["receipt 3"]);
    assert_eq!(report.first_bad(), Some(6));
    assert!(matches!(Log::open(dir.path()), Err(LogError::Shortened { .. })));
}

#[test]
fn a_fork_signed_by_the_station_itself_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (log, receipts) = log_with(dir.path(), 8);
    let note = checkpoint(&log, &origin("Org", "Bench", log.id()), &key()).unwrap();
    drop(log);
    // The holder of the key cuts the log and writes another end of the same length.
    edit(dir.path(), |lines| lines.truncate(5));
    fs::remove_file(dir.path().join("frontier.json")).unwrap();
    let forked = Log::open(dir.path()).unwrap();
    for _ in 5..9 {
        forked.append(event("drive.noted", "medium 9", "run 9"), &key()).unwrap();
    }
    assert!(look(dir.path(), &[known(&receipts[4])]).is_good());
    let log_key = NoteKey::new(&origin("Org", "Bench", forked.id()), SignatureKind::Ed25519, key().public().clone());
    let (kept, _) = read_checkpoint(note.as_bytes(), &[log_key.unwrap()]).unwrap();
    let report = look(dir.path(), &[kept.known_state("the register's checkpoint").unwrap()]);
    assert!(!report.is_good());
    assert!(report.findings.iter().any(|f| f.detail.contains("forked")), "{report:?}");
    let elsewhere = KnownState { log_id: "0".repeat(32), ..known(&receipts[2]) };
    assert!(!look(dir.path(), &[elsewhere]).is_good());
}

#[test]
fn runs_without_outcome_with_two_and_media_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = log_with(dir.path(), 0);
    for (typ, medium, run) in [
        ("run.intended", "m1", "r1"), // 0
        ("run.failed", "m1", "r1"),
        ("run.intended", "m1", "r2"),
        ("run.passed", "m1", "r2"),
        ("run.intended", "m2", "r3"), // 4: no outcome
        ("run.intended", "m3", "r4"),
        ("run.failed", "m3", "r4"),
        ("run.passed", "m3", "r4"), // 7: second outcome
        ("run.passed", "m4", "r5"), // 8: no intent
    ] {
        log.append(event(typ, medium, run), &key()).unwrap();
    }
    let report = look(dir.path(), &[]);
    let found: Vec<_> = report.findings.iter().map(|f| (f.code, f.index)).collect();
    assert_eq!(
        found,
        [
            ("no_outcome", Some(4)),
            ("several_outcomes", Some(7)),
            ("outcome_without_intent", Some(8)),
            ("several_attempts", None)
        ]
    );
    assert!(report.findings[3].detail.contains("m1") && report.findings[3].detail.contains("r1, r2"));
}

#[test]
fn signers_are_judged_by_the_trust_store() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = log_with(dir.path(), 2);
    log.append(event("drive.noted", "m", "r"), &StationKey::from_seed(&[2; 32])).unwrap();
    assert_eq!(look(dir.path(), &[]).first_bad(), Some(2));
    let untrusted = audit(dir.path(), None, &[], &AuditConfig::default()).unwrap();
    assert!(untrusted.is_good());
    assert!(untrusted.findings.iter().any(|f| f.code == "signers_not_checked"));
}

#[test]
fn what_cannot_be_an_entry_is_refused_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = log_with(dir.path(), 1);
    let before = fs::read(dir.path().join(LOG_FILE)).unwrap();
    let large = NewEvent { typ: "x".into(), subject: "y".into(), data: json!("z".repeat(5 << 20)) };
    assert!(matches!(log.append(large, &key()), Err(LogError::TooLarge { .. })));
    let mut deep = json!(1);
    for _ in 0..40 {
        deep = json!([deep]);
    }
    let deep = NewEvent { typ: "x".into(), subject: "y".into(), data: deep };
    assert!(matches!(log.append(deep, &key()), Err(LogError::Json(_))));
    assert_eq!(fs::read(dir.path().join(LOG_FILE)).unwrap(), before);
    // The log put away and another put in its place.
    fs::rename(dir.path().join(LOG_FILE), dir.path().join("away")).unwrap();
    fs::write(dir.path().join(LOG_FILE), &before).unwrap();
    assert!(matches!(log.append(event("x", "y", "z"), &key()), Err(LogError::Replaced)));
}

#[test]
fn checkpoints_are_cosigned_by_witnesses() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = log_with(dir.path(), 5);
    let name = origin("Example GmbH", "Bench 1", log.id());
    let at: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let witness = StationKey::from_seed(&[9; 32]);
    let note = checkpoint(&log, &name, &key()).unwrap();
    let note = cosign(note.as_bytes(), "witness.example/w1", &witness, at).unwrap();
    let log_key = NoteKey::new(&name, SignatureKind::Ed25519, key().public().clone()).unwrap();
    let witness_key = NoteKey::new("witness.example/w1", SignatureKind::Cosignature, witness.public().clone()).unwrap();
    let (read, signers) = read_checkpoint(note.as_bytes(), &[log_key.clone(), witness_key]).unwrap();
    assert_eq!((read.size, read.root), log.head().unwrap());
    assert_eq!(read.log_id(), Some(log.id()));
    assert_eq!(signers.iter().map(|s| s.1).collect::<Vec<_>>(), [None, Some(at)]);
    let changed = note.replace("\n5\n", "\n6\n");
    assert!(read_checkpoint(changed.as_bytes(), &[log_key]).is_err());
}
