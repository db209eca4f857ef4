//! Whom the register believes: fixed by two persons, on SQLite and on a real PostgreSQL. Whoever brings evidence in
//! cannot choose it.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)]
#[path = "common/closing.rs"]
mod closing;
mod common;

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use closing::Waiting;
use common::postgres::Postgres;
use common::station::{Station, both, text};
use lastwrite::certificate::DocumentKind;
use lastwrite::register::{
    Act, AuditReport, Database, Event, Grant, Ingested, REGISTER_STREAM, Received, Register, RegisterError, Role,
    Stage, TrustText, Verdict,
};
use lastwrite::signed::{
    Delegation, Jws, Reason, Revocation, RevocationList, Role as Signer, StationKey, TrustStore, TrustedKey, sign,
};
use lastwrite::units::now;

const CORA: u8 = 11;
const IDA: u8 = 12;
const ROOT: u8 = 20;

fn on_both(story: impl AsyncFn(Database)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    runtime.block_on(story(Database::File(dir.path().join("register.db"))));
    if let Some(postgres) = Postgres::start() {
        runtime.block_on(story(Database::Server(postgres.database("trust"))));
    }
}

fn key(seed: u8) -> StationKey {
    StationKey::from_seed(&[seed; 32])
}

fn yesterday() -> DateTime<Utc> {
    now() - TimeDelta::days(1)
}

/// A register of Mia (administrator, asset manager), Cora (compliance) and Ida (ITAD operator), with assets that wait
/// for their certificates.
async fn waiting(at: &Database, total: usize) -> Waiting {
    let mut waiting = Waiting::new(at, total).await.unwrap();
    let enrolled = waiting.register.run(&waiting.key, async |work| {
        for (seed, name, role) in [(CORA, "Cora", Role::Compliance), (IDA, "Ida", Role::ItadOperator)] {
            let (kid, x) = (key(seed).kid().to_owned(), key(seed).public().x());
            work.act(REGISTER_STREAM, Act::PersonEnrolled { kid: kid.clone(), x, name: name.into() }).await?;
            work.act(REGISTER_STREAM, Act::RoleGranted { kid, grant: Grant { role, location: None } }).await?;
        }
        Ok(())
    });
    enrolled.await.unwrap();
    waiting
}

async fn act(register: &mut Register, seed: u8, act: Act) -> Result<(), RegisterError> {
    register.run(&key(seed), async |work| work.act(REGISTER_STREAM, act.clone()).await).await
}

/// Proposed by Cora, approved by Mia.
async fn fix(register: &mut Register, store: &TrustStore) {
    let version = register.people().await.unwrap().trust.versions + 1;
    act(register, CORA, Act::TrustProposed(TrustText::of(version, store))).await.unwrap();
    act(register, 1, Act::TrustApproved { version }).await.unwrap();
}

/// The same statement, signed by somebody else as a station.
fn forged(file: &Received, by: &StationKey) -> Received {
    let payload = Jws::parse(&file.bytes).unwrap().payload().to_vec();
    let signed = sign(&payload, DocumentKind::Certificate.typ(), by, Signer::Station, now()).unwrap();
    Received { name: "forged.json".into(), bytes: signed.to_bytes() }
}

fn trusting(key: &StationKey, role: Signer) -> TrustStore {
    let mut store = TrustStore::default();
    store.add(TrustedKey::new(key.public().clone(), "Somebody", role, Some(yesterday()))).unwrap();
    store
}

/// What the root says of a station.
fn delegation(station: u8) -> Jws {
    let delegation = Delegation {
        organization: "Example Org".into(),
        key: key(station).public().clone(),
        name: format!("bench {station}"),
        roles: vec![Signer::Station],
        valid_from: yesterday(),
        valid_until: None,
        replaces: None,
    };
    delegation.sign(&key(ROOT), yesterday()).unwrap()
}

/// A trust store with the root alone, and what it said.
fn rooted(said: &[&Jws]) -> TrustStore {
    let mut store = TrustStore::default();
    store.add(TrustedKey::new(key(ROOT).public().clone(), "Root", Signer::Root, None)).unwrap();
    for jws in said {
        store.take_bundle(&jws.to_bytes()).unwrap();
    }
    store
}

async fn closed(register: &mut Register, number: usize) -> bool {
    register.asset(&format!("T-{number:07}")).await.unwrap().2.stage == Stage::Closed
}

/// The audit, which a rebuild changes nothing of.
async fn audited(register: &mut Register, trust: Option<&TrustStore>) -> AuditReport {
    let before = register.audit(trust).await.unwrap();
    let people = register.people().await.unwrap();
    assert_eq!(register.rebuild().await.unwrap(), before.events);
    assert_eq!(register.people().await.unwrap(), people);
    assert_eq!(register.audit(trust).await.unwrap(), before);
    before
}

/// The events that took evidence in.
async fn taken_in(register: &mut Register, number: usize) -> Vec<Event> {
    let (_, _, asset) = register.asset(&format!("T-{number:07}")).await.unwrap();
    let history = register.history(&asset.media[0]).await.unwrap();
    history.into_iter().filter(|event| matches!(event.act, Act::EvidenceAccepted { .. })).collect()
}

fn one(results: Result<Vec<Ingested>, RegisterError>) -> Ingested {
    results.unwrap().remove(0)
}

#[test]
fn whoever_brings_evidence_in_does_not_choose_whom_the_register_believes() {
    on_both(async |at| {
        let mut waiting = waiting(&at, 2).await;
        let trust = waiting.trust.clone();
        let (register, files) = (&mut waiting.register, &waiting.files);
        // Ida may ingest and dispose; her own trust she may neither propose nor approve.
        let mallory = key(66);
        let theirs = trusting(&mallory, Signer::Station);
        let told = act(register, IDA, Act::TrustProposed(TrustText::of(1, &theirs))).await.unwrap_err().to_string();
        assert!(told.contains("may not set the register's trust"), "{told}");
        act(register, CORA, Act::TrustProposed(TrustText::of(1, &trust))).await.unwrap();
        for (seed, why) in [(CORA, "four eyes"), (IDA, "may not set")] {
            let told = act(register, seed, Act::TrustApproved { version: 1 }).await.unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
        act(register, 1, Act::TrustApproved { version: 1 }).await.unwrap();

        let forged = forged(&files[0], &mallory);
        let refused = register.ingest(&key(IDA), std::slice::from_ref(&forged), &theirs).await;
        let Err(RegisterError::Refused(refused)) = refused else { panic!("{refused:?}") };
        for part in [mallory.kid(), "version 1", "proposed by Cora", "approved by Mia"] {
            assert!(refused.message.contains(part), "{part}: {refused:?}");
        }
        assert!(refused.hint.unwrap().contains("register trust propose"));
        // Nor with a trust store that names both, or a root of their own that vouches for them.
        let mut more = theirs.clone();
        more.add(trust.keys()[0].clone()).unwrap();
        assert!(register.ingest(&key(IDA), std::slice::from_ref(&forged), &more).await.is_err());
        let result = one(register.ingest(&key(IDA), std::slice::from_ref(&forged), &trust).await);
        assert_eq!(result.verdict, Verdict::Refused, "{result:?}");
        assert!(!closed(register, 0).await);

        let results = register.ingest(&key(IDA), files, &trust).await.unwrap();
        assert!(results.iter().all(|result| result.closed), "{results:?}");
        let digest = TrustText::of(1, &trust).digest();
        for event in taken_in(register, 0).await {
            assert_eq!(event.trust.as_deref(), Some(digest.as_str()));
        }
        let report = audited(register, None).await;
        assert_eq!((report.findings.as_slice(), report.closed, report.unchecked), (&[][..], 2, 0));
        // An auditor's own trust store is asked besides.
        assert_eq!(audited(register, Some(&theirs)).await.findings.len(), 2);
    });
}

/// What was believed before the trust was fixed, the audit asks of it as well.
#[test]
fn an_asset_that_a_stranger_closed_is_found_once_the_trust_is_fixed() {
    on_both(async |at| {
        let mut waiting = waiting(&at, 2).await;
        let trust = waiting.trust.clone();
        let (register, files) = (&mut waiting.register, &waiting.files);
        let mallory = key(66);
        let theirs = trusting(&mallory, Signer::Station);
        let forged = forged(&files[0], &mallory);
        assert!(one(register.ingest(&key(IDA), &[forged], &theirs).await).closed, "nothing is fixed");
        assert!(one(register.ingest(&key(IDA), &files[1..], &trust).await).closed);
        // The event says whom it was believed from, and the audit that nobody checked that.
        let event = taken_in(register, 0).await.remove(0);
        assert_eq!(event.trust, Some(TrustText::of(1, &theirs).digest()));
        let report = audited(register, None).await;
        assert_eq!((report.findings.as_slice(), report.unchecked), (&[][..], 2));
        fix(register, &trust).await;
        let report = audited(register, None).await;
        let found: Vec<_> = report.findings.iter().map(|f| (f.code, f.detail.contains(mallory.kid()))).collect();
        assert_eq!((found, report.unchecked), (vec![("document_refused", true)], 0));
    });
}

#[test]
fn stations_come_and_go_under_the_same_root() {
    on_both(async |at| {
        let mut waiting = waiting(&at, 5).await;
        let (register, files) = (&mut waiting.register, &waiting.files);
        fix(register, &rooted(&[])).await;
        let ida = key(IDA);
        // The root has said nothing of the station yet.
        assert_eq!(one(register.ingest(&ida, &files[..1], &rooted(&[])).await).verdict, Verdict::Refused);
        let (first, second) = (delegation(2), delegation(3));
        assert!(one(register.ingest(&ida, &files[..1], &rooted(&[&first])).await).closed);
        // Another key under the same root: no new version, and the bundle need not come twice.
        let by_second = |number: usize| forged(&files[number], &key(3));
        assert!(one(register.ingest(&ida, &[by_second(1)], &rooted(&[&second])).await).closed);
        assert!(one(register.ingest(&ida, &[by_second(2)], &rooted(&[])).await).closed);
        let station = trusting(&key(2), Signer::Station);
        assert!(one(register.ingest(&ida, &files[3..4], &station).await).closed, "a station's own trust store");
        // A root of somebody's own says nothing here.
        let mut other = trusting(&key(66), Signer::Root);
        let own = Delegation { key: key(67).public().clone(), ..Delegation::read(&first).unwrap() };
        other.take_bundle(&own.sign(&key(66), now()).unwrap().to_bytes()).unwrap();
        assert!(register.ingest(&ida, &[forged(&files[4], &key(67))], &other).await.is_err());

        // The second key is disowned. The register has heard of it once, so leaving it out helps nobody.
        let revocation =
            Revocation { kid: key(3).kid().to_owned(), revoked_at: yesterday(), reason: Reason::Compromised };
        let list = RevocationList::after(None, "Example Org", revocation, now(), None).sign(&key(ROOT)).unwrap();
        register.ingest(&ida, &[], &rooted(&[&list])).await.unwrap();
        let refused = one(register.ingest(&ida, &[by_second(4)], &rooted(&[&second])).await);
        assert_eq!(refused.verdict, Verdict::Refused);
        assert!(refused.reason.unwrap().contains("compromised"));
        // Nor a new version that comes with an older bundle.
        fix(register, &rooted(&[&first, &second])).await;
        let refused = one(register.ingest(&ida, &[by_second(4)], &rooted(&[])).await);
        assert!(refused.reason.unwrap().contains("compromised"));
        // What it signed before is told, because nobody else saw it before its key was lost.
        let report = audited(register, None).await;
        let found: Vec<_> = report.findings.iter().map(|f| f.code).collect();
        assert_eq!((found, report.closed), (vec!["document_refused"; 2], 4));
        assert!(one(register.ingest(&ida, &files[4..], &rooted(&[])).await).closed);
    });
}

/// A station that goes is not asked for again, and what it signed while it was trusted stays good.
#[test]
fn a_change_of_trust_takes_two_persons_and_leaves_what_was_believed_before() {
    on_both(async |at| {
        let mut waiting = waiting(&at, 2).await;
        let trust = waiting.trust.clone();
        let (register, files) = (&mut waiting.register, &waiting.files);
        fix(register, &trust).await;
        assert!(one(register.ingest(&key(IDA), &files[..1], &trust).await).closed);
        let next = trusting(&key(3), Signer::Station);
        act(register, 1, Act::TrustProposed(TrustText::of(2, &next))).await.unwrap();
        assert!(act(register, 1, Act::TrustApproved { version: 2 }).await.is_err());
        assert!(register.ingest(&key(IDA), &[forged(&files[1], &key(3))], &next).await.is_err(), "it waits");
        act(register, CORA, Act::TrustApproved { version: 2 }).await.unwrap();
        assert!(register.ingest(&key(IDA), &files[1..], &trust).await.is_err(), "version 1 is over");
        assert!(one(register.ingest(&key(IDA), &[forged(&files[1], &key(3))], &next).await).closed);
        assert_eq!(audited(register, None).await.findings, []);
    });
}

const STEPS: [&str; 6] =
    ["data_backup", "licence_removal", "network_disconnect", "credential_revoke", "mdm_release", "asset_label_removed"];

/// A practice asset that waits for the certificate of this image.
fn on_its_way_out(station: &Station, tag: &str, image: &Path) {
    station.ok(&["asset", "add", tag, "--class", "virtual", "--data-class", "none", "--stage", "decommissioning"]);
    station.ok(&["media", "add", tag, "--drive", text(image)]);
    station.ok(&["asset", "count", tag, "1"]);
    station.ok(&[&["asset", "check", tag][..], &STEPS].concat());
    station.ok(&["asset", "route", tag, "donation", "--order", "LOT-1"]);
    station.ok(&["asset", "move", tag, "disposition"]);
    station.ok(&["asset", "outcome", tag, "donated", "--certificate", text(image)]);
}

/// One person with one station: it goes on working, says what is open, and is fixed by two commands.
#[test]
fn the_command_line_says_what_is_not_fixed_and_fixes_it() {
    let station = Station::new();
    station.ok(&["register", "init", "--organization", "O", "--name", "Mia", "--role", "asset_manager"]);
    let images = ["a", "b"].map(|name| station.image(&format!("{name}.img"), 1 << 16));
    for (tag, image) in ["A", "B"].iter().zip(&images) {
        on_its_way_out(&station, tag, image);
    }
    let wiped = |image: &Path| {
        let told = station.json(0, &["wipe", text(image), "--yes", "--operator", "Otto"]).remove(0);
        told["certificate"].as_str().unwrap().to_owned()
    };
    assert!(station.ok(&["register", "trust", "show"]).contains("nothing"));
    let told = both(&station.expect(0, &["register", "ingest", &wiped(&images[0])]));
    assert!(told.contains("closed by it") && told.contains("NOTE: whom this register trusts is not fixed"), "{told}");
    // Elsewhere, without a trust store: not good, and not bad evidence either.
    let elsewhere = station.path("elsewhere");
    let database = station.state().join("register/register.db");
    let audit = |code: i32, more: &[&str]| {
        let base = ["--state", text(&elsewhere), "register", "audit", "--database", text(&database)];
        let args = [&base[..], more].concat();
        (both(&station.expect(code, &args)), station.json(code, &args).remove(0))
    };
    let (told, report) = audit(1, &[]);
    assert!(told.contains("WAS NOT CHECKED"), "{told}");
    assert_eq!((&report["good"], &report["report"]["unchecked"]), (&false.into(), &1.into()), "{report}");
    let trust = station.state().join("trust.jwks.json");
    assert_eq!(audit(0, &["--trust", text(&trust)]).1["good"], true);
    assert_eq!(station.json(0, &["register", "audit"])[0]["good"], true, "by the station's own trust store");

    station.ok(&["register", "trust", "propose"]);
    let told = station.ok(&["register", "trust", "approve", "1"]);
    assert!(told.contains("one person only") && told.contains("bench 1"), "{told}");
    let shown = station.json(0, &["register", "trust", "show"]).remove(0);
    assert_eq!((&shown["in_force"]["version"], &shown["proposed"]), (&1.into(), &serde_json::Value::Null), "{shown}");
    let (told, report) = audit(0, &[]);
    assert!(told.contains("verified by the register's trust: version 1"), "{told}");
    assert_eq!((&report["good"], &report["trust"]["version"]), (&true.into(), &1.into()), "{report}");

    // Another station's trust store, named or its own folder's: nothing of it is believed.
    let other = Station::new();
    let stranger = other.state().join("trust.jwks.json");
    let image = station.image("c.img", 1 << 16);
    let foreign = other.json(0, &["wipe", text(&image), "--yes"]).remove(0);
    let foreign = foreign["certificate"].as_str().unwrap();
    let told = both(&station.expect(3, &["register", "ingest", foreign, "--trust", text(&stranger)]));
    assert!(told.contains("is not known to it") && told.contains("register trust propose FILE"), "{told}");
    let there = ["--state", text(&other.state()), "register", "ingest", foreign, "--database", text(&database)]
        .map(str::to_owned);
    let told = both(&station.expect(5, &there.iter().map(String::as_str).collect::<Vec<_>>()));
    assert!(told.contains("REFUSED") && told.contains("its own trust and nobody else (version 1"), "{told}");
    let told = both(&station.expect(0, &["register", "ingest", &wiped(&images[1]), "--trust", text(&trust)]));
    assert!(told.contains("closed by it") && !told.contains("NOTE"), "{told}");

    // What the station's own trust store knows against a key counts, though the register's does not know it.
    let kid = shown["in_force"]["keys"][0]["kid"].as_str().unwrap().to_owned();
    let late = wiped(&image);
    station.ok(&["key", "revoke", &kid, "--at", "2020-01-01"]);
    let told = both(&station.expect(5, &["register", "ingest", &late]));
    assert!(told.contains("revoked"), "{told}");
}
