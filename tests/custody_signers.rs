//! Who may write into the custody log: the station and nobody else, whatever other keys are trusted for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/custody.rs"]
mod custody;

use std::fs;

use chrono::Utc;
use custody::{edit, key, log_with, trust};
use lastwrite::custody::{AuditConfig, ENTRY_TYP, Entry, LOG_FILE, Log, audit, leaf_hash};
use lastwrite::signed::{Jws, Role, StationKey, TrustStore, TrustedKey, sign};

/// A trust store that knows an operator besides the station, and that operator's key.
fn with_operator() -> (TrustStore, StationKey) {
    let (mut trust, operator) = (trust(), StationKey::from_seed(&[3; 32]));
    trust.add(TrustedKey::new(operator.public().clone(), "Otto", Role::Operator, None)).unwrap();
    (trust, operator)
}

/// The line of an entry that says who signs it, or what else is its source.
fn line_by(mut entry: Entry, source: &str, signer: &StationKey, role: Role) -> String {
    entry.source = Entry::source_of(source);
    let jws = sign(&serde_json::to_vec(&entry).unwrap(), ENTRY_TYP, signer, role, entry.time).unwrap();
    String::from_utf8(jws.to_bytes()).unwrap()
}

/// The log is the station's alone, however well another key is known.
#[test]
fn what_anybody_but_the_station_signed_is_no_entry() {
    let (trust, operator) = with_operator();
    let cases: [(&str, &StationKey, Role, &StationKey, bool); 5] = [
        ("as it should be", &key(), Role::Station, &key(), true),
        ("by the operator", &operator, Role::Operator, &operator, false),
        ("by the operator, as the station's word", &operator, Role::Operator, &key(), false),
        ("by the operator, as a station", &operator, Role::Station, &operator, false),
        ("by the station, as somebody else's word", &key(), Role::Station, &operator, false),
    ];
    for (what, signer, role, source, good) in cases {
        for appended in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            drop(log_with(dir.path(), 6));
            edit(dir.path(), |lines| {
                let last = lines.last().unwrap().clone();
                let (_, mut entry) = Entry::read(last.as_bytes()).unwrap();
                if appended {
                    entry.previous = Some(leaf_hash(last.as_bytes()));
                    (entry.index.0, entry.typ) = (6, "drive.noted".to_owned());
                } else {
                    lines.pop();
                }
                lines.push(line_by(entry, source.kid(), signer, role));
            });
            let report = audit(dir.path(), Some(&trust), &[], &AuditConfig::default()).unwrap();
            let index = if appended { 6 } else { 5 };
            assert_eq!(report.first_bad(), (!good).then_some(index), "{what}, appended {appended}: {report:?}");
            // Nor is anything written after it, but where the claim itself is right and the key is not.
            fs::remove_file(dir.path().join("frontier.json")).unwrap();
            let (opens, claims) =
                (Log::open(dir.path()).is_ok(), role == Role::Station && source.kid() == signer.kid());
            assert_eq!(opens, claims, "{what}");
        }
    }
    // Whoever agrees with an entry of the station does so elsewhere.
    let dir = tempfile::tempdir().unwrap();
    log_with(dir.path(), 2);
    edit(dir.path(), |lines| {
        let mut jws = Jws::parse(lines[1].as_bytes()).unwrap();
        jws.add_signature(&operator, Role::Operator, Utc::now()).unwrap();
        lines[1] = String::from_utf8(jws.to_bytes()).unwrap();
    });
    let report = audit(dir.path(), Some(&trust), &[], &AuditConfig::default()).unwrap();
    assert_eq!(report.first_bad(), Some(1), "{report:?}");
    assert!(report.findings.iter().any(|f| f.detail.contains("it has 2")), "{report:?}");
}

/// A reader written without us, out of docs/verify-without-lastwrite.md, finds the same root.
#[test]
fn the_python_script_of_the_page_follows_the_log_to_the_same_root() {
    let Some(python) = common::python_with_joserfc() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = log_with(dir.path(), 37);
    let path = |name: &str| dir.path().join(name);
    fs::write(path("verify-log.py"), common::block_of_page("# verify-log.py")).unwrap();
    fs::write(path("trust.jwks.json"), trust().to_bytes()).unwrap();
    let run = || {
        let arguments = [path("verify-log.py"), path(LOG_FILE), path("trust.jwks.json")];
        std::process::Command::new(&python).args(arguments).output().unwrap()
    };
    let found = run();
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(said.contains(&format!("37 entries, root {}", log.head().unwrap().1)), "{found:?}");
    let whole = fs::read(path(LOG_FILE)).unwrap();
    fs::write(path(LOG_FILE), "").unwrap();
    assert!(String::from_utf8_lossy(&run().stderr).starts_with("the log has no entry"));
    fs::write(path(LOG_FILE), &whole).unwrap();
    edit(dir.path(), |lines| lines.swap(3, 4));
    assert!(!run().status.success());
    // Another role has no say in it.
    let (trust, operator) = with_operator();
    fs::write(path("trust.jwks.json"), trust.to_bytes()).unwrap();
    fs::write(path(LOG_FILE), &whole).unwrap();
    assert!(run().status.success());
    for role in [Role::Operator, Role::Station] {
        fs::write(path(LOG_FILE), &whole).unwrap();
        edit(dir.path(), |lines| {
            let (_, entry) = Entry::read(lines.pop().unwrap().as_bytes()).unwrap();
            lines.push(line_by(entry, operator.kid(), &operator, role));
        });
        assert!(!run().status.success(), "{role}");
    }
    // It is the trust store that says who is a station, and until when.
    let stands = |change: &dyn Fn(&mut TrustedKey)| {
        let mut trust = trust.clone();
        change(trust.find_mut(operator.kid()).unwrap());
        fs::write(path("trust.jwks.json"), trust.to_bytes()).unwrap();
        run().status.success()
    };
    assert!(stands(&|key| key.roles = vec![Role::Station]));
    assert!(!stands(&|key| (key.roles, key.revoked_at) = (vec![Role::Station], Some(Utc::now()))));
}
