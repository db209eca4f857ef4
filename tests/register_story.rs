//! One story on SQLite and on a real PostgreSQL: certificates close assets; what is tampered with
//! is found; two writers lose nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
#[path = "register_story/life.rs"]
mod life;

use common::postgres::Postgres;
use lastwrite::media::MediumClass;
use lastwrite::register::{
    Act, AssetClass, CostCategory, DataClass, Database, Details, EVENT_TYP, Event, Item, LineOutcome, MediumIdentity,
    MediumState, Minimum, Money, REGISTER_STREAM, Register, RegisterError, Role, Route, Stage, Work,
};
use lastwrite::signed::{Role as SignerRole, StationKey, sign};
use lastwrite::units::Bytes;
use sha2::{Digest as _, Sha256};
use sqlx::Connection as _;

/// Runs a story on both databases.
fn on_both(story: impl AsyncFn(Database, String)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("register.db");
    runtime.block_on(story(Database::File(file.clone()), format!("sqlite://{}", file.display())));
    if let Some(postgres) = Postgres::start() {
        let url = postgres.database("story");
        runtime.block_on(story(Database::Server(url.clone()), url));
    }
}

async fn new_register(at: &Database, key: &StationKey) -> Register {
    let roles = [Role::AssetManager, Role::Finance, Role::Compliance];
    Register::init(at, "Example Org", "Mia", &roles, key).await.unwrap()
}

fn added(tag: &str) -> Act {
    Act::AssetAdded {
        tag: tag.to_owned(),
        class: AssetClass::Physical,
        data_class: DataClass::None,
        stage: Stage::Decommissioning,
        location: None,
        custodian: None,
        details: Details::default(),
    }
}

fn drive(serial: &str) -> MediumIdentity {
    MediumIdentity { serial: Some(serial.to_owned()), model: Some("M".into()), ..MediumIdentity::default() }
}

/// All but the evidence.
async fn prepare(work: &mut Work<'_>, tag: &str) -> Result<(), RegisterError> {
    let stream = work.add_asset(added(tag)).await?;
    work.install(tag, drive(&format!("SER-{tag}")), MediumClass::Physical).await?;
    work.act(&stream, Act::MediaCounted { count: 1 }).await?;
    for item in Item::DECOMMISSIONING {
        work.act(&stream, Act::ChecklistDone { item: *item, note: None }).await?;
    }
    work.act(&stream, Act::RouteChosen { route: Route::Resale, order: "LOT".into(), vendor: None }).await?;
    work.move_stage(tag, Stage::Disposition, None).await?;
    let money = Money::parse("10.00 EUR", "EUR").unwrap();
    let cost = Act::CostBooked {
        category: CostCategory::Recovery,
        money,
        on: "2026-01-01T00:00:00Z".parse().unwrap(),
        reference: None,
    };
    work.act(&stream, cost).await?;
    work.set_outcome(tag, LineOutcome::Sold, None).await
}

fn words<T: std::fmt::Debug>(result: Result<T, RegisterError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn nothing_closes_without_evidence_and_the_tables_are_what_the_events_make() {
    on_both(async |at, _| {
        let key = StationKey::from_seed(&[1; 32]);
        let mut register = new_register(&at, &key).await;
        for tag in ["A", "B"] {
            register.run(&key, async |work| prepare(work, tag).await).await.unwrap();
        }
        let told = words(register.run(&key, async |work| work.close("A").await).await);
        assert!(told.contains("no certificate"), "{told}");
        let made = words(
            register
                .run(&key, async |work| {
                    let (stream, _) = work.asset("A").await?;
                    let minimum = lastwrite::register::Minimum::of(DataClass::None, Route::Resale);
                    work.act(&stream, Act::AssetClosed { media: Vec::new(), minimum }).await
                })
                .await,
        );
        assert!(made.contains("close rule alone"), "{made}");
        // A drive moves: it is missed where it was, and the count is void on both sides.
        register.run(&key, async |work| work.install("B", drive("SER-A"), MediumClass::Physical).await).await.unwrap();
        let (_, _, a) = register.asset("A").await.unwrap();
        let (_, _, b) = register.asset("B").await.unwrap();
        assert_eq!((a.media.len(), a.counted, b.media.len(), b.counted), (0, None, 2, None));
        // A tag twice, and half a command: nothing of it is stored.
        let twice = words(
            register
                .run(&key, async |work| {
                    work.add_asset(added("C")).await?;
                    work.add_asset(added("A")).await
                })
                .await,
        );
        assert!(twice.contains("stands in the register already"), "{twice}");
        assert!(matches!(register.asset("C").await, Err(RegisterError::NotFound { .. })));
        // One goes nowhere, by decision of compliance and with a reason, and is listed from then on.
        let gone = b.media[1].clone();
        let remove = async |register: &mut Register, reason: Option<String>| {
            register.run(&key, async |work| work.remove(&gone, reason.clone()).await).await
        };
        assert!(words(remove(&mut register, None).await).contains("needs a reason"));
        remove(&mut register, Some("eaten by a mill".into())).await.unwrap();
        let loose = register.loose_media("", 10).await.unwrap();
        assert_eq!(loose.iter().map(|m| m.stream.as_str()).collect::<Vec<_>>(), [gone.as_str()]);
        assert!(register.loose_media(&gone, 10).await.unwrap().is_empty());
        let report = register.audit(None).await.unwrap();
        assert_eq!(report.findings, []);
        let before = (register.asset("A").await.unwrap(), register.asset("B").await.unwrap());
        assert_eq!(register.rebuild().await.unwrap(), report.events);
        assert_eq!(before, (register.asset("A").await.unwrap(), register.asset("B").await.unwrap()));
        assert_eq!(register.audit(None).await.unwrap().findings, []);
        assert!(matches!(Register::init(&at, "X", "Y", &[], &key).await, Err(RegisterError::AlreadyThere(_))));
    });
}

#[test]
fn what_is_tampered_with_is_found() {
    on_both(async |at, url| {
        let key = StationKey::from_seed(&[1; 32]);
        let mut register = new_register(&at, &key).await;
        register.run(&key, async |work| prepare(work, "A").await).await.unwrap();
        let mut hands = sqlx::AnyConnection::connect(&url).await.unwrap();
        let changes = [
            ("UPDATE asset SET stage='closed'", "UPDATE asset SET stage='disposition'", "table"),
            (
                "UPDATE state SET revision=revision+1 WHERE stream LIKE 'medium/%'",
                "UPDATE state SET revision=revision-1 WHERE stream LIKE 'medium/%'",
                "state",
            ),
            (
                "UPDATE event SET jws=replace(jws,'\"payload\":\"eyJ','\"payload\":\"eyX') WHERE revision=2 AND stream LIKE 'asset/%'",
                "UPDATE event SET jws=replace(jws,'\"payload\":\"eyX','\"payload\":\"eyJ') WHERE revision=2 AND stream LIKE 'asset/%'",
                "hash",
            ),
            (
                "UPDATE event SET revision=99 WHERE revision=3 AND stream LIKE 'asset/%'",
                "UPDATE event SET revision=3 WHERE revision=99 AND stream LIKE 'asset/%'",
                "chain",
            ),
            ("UPDATE cost SET minor=minor+1", "UPDATE cost SET minor=minor-1", "table"),
            (
                "INSERT INTO sample(stream, revision, n, name, at, value, source) VALUES ('asset/x', 1, 0, 'cpu', 0, 0, 'x')",
                "DELETE FROM sample",
                "table",
            ),
            (
                "INSERT INTO valuation(stream, revision, basis, minor, currency, day, source) VALUES ('asset/x', 1, 'market', 1, 'EUR', '2026-01-01', 'x')",
                "DELETE FROM valuation",
                "table",
            ),
            ("UPDATE asset SET cost_minor=1", "UPDATE asset SET cost_minor=NULL", "table"),
            ("UPDATE info SET value='another' WHERE key='register'", "", "register"),
        ];
        for (change, back, code) in changes {
            let mut found = Register::open(&at).await.unwrap();
            assert_eq!(found.audit(None).await.unwrap().findings, []);
            sqlx::query(change).execute(&mut hands).await.unwrap();
            let mut found = Register::open(&at).await.unwrap();
            let findings = found.audit(None).await.unwrap().findings;
            assert!(findings.iter().any(|f| f.code == code), "{change}: {findings:?}");
            if !back.is_empty() {
                sqlx::query(back).execute(&mut hands).await.unwrap();
            }
        }
    });
}

#[test]
fn two_writers_at_once_lose_nothing() {
    on_both(async |at, _| {
        let key = StationKey::from_seed(&[1; 32]);
        let mut register = new_register(&at, &key).await;
        register.run(&key, async |work| work.add_asset(added("A")).await).await.unwrap();
        let writer = |name: &'static str| {
            let (at, key) = (at.clone(), key.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut register = Register::open(&at).await.unwrap();
                    let mut done = 0;
                    while done < 20 {
                        let noted = register.run(&key, async |work| {
                            let (stream, _) = work.asset("A").await?;
                            work.act(&stream, Act::Noted { text: format!("{name} {done}") }).await
                        });
                        match noted.await {
                            Ok(()) => done += 1,
                            // Said clearly after some tries; whoever is told so tries again.
                            Err(RegisterError::Conflict { .. }) => {}
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                });
            })
        };
        let writers = [writer("first"), writer("second")];
        for writer in writers {
            writer.join().unwrap();
        }
        let (stream, revision, _) = register.asset("A").await.unwrap();
        assert_eq!(revision, 41);
        assert_eq!(register.history(&stream).await.unwrap().len(), 41);
        assert_eq!(register.audit(None).await.unwrap().findings, []);
    });
}

/// Whoever can write to the database can append an event; the audit asks for its signer's rights
/// and for the evidence behind it.
#[test]
fn an_event_that_was_slipped_in_is_found() {
    on_both(async |at, url| {
        let key = StationKey::from_seed(&[1; 32]);
        let auditor = StationKey::from_seed(&[2; 32]);
        let mut register = new_register(&at, &key).await;
        register
            .run(&key, async |work| {
                let (kid, x) = (auditor.kid().to_owned(), auditor.public().x());
                work.act(REGISTER_STREAM, Act::PersonEnrolled { kid, x, name: "Ada".into() }).await?;
                prepare(work, "A").await
            })
            .await
            .unwrap();
        let (stream, revision, asset) = register.asset("A").await.unwrap();
        let medium = register.media_of(&asset).await.unwrap().remove(0);
        let mut hands = sqlx::AnyConnection::connect(&url).await.unwrap();
        let minimum = Minimum::of(DataClass::None, Route::Resale);
        let absent = Act::MediumStateSet { state: MediumState::Absent, note: Some("gone".into()) };
        let closed = Act::AssetClosed { media: Vec::new(), minimum };
        for (signer, stream, revision, act, code) in [
            (&auditor, &medium.stream, medium.revision, absent, "rights"),
            (&key, &stream, revision, closed, "closure"),
        ] {
            let sql = "SELECT hash FROM event WHERE stream=$1 AND revision=$2";
            let last = i64::try_from(revision).unwrap();
            let previous: String =
                sqlx::query_scalar(sql).bind(stream.clone()).bind(last).fetch_one(&mut hands).await.unwrap();
            let event = Event {
                register: register.id().to_owned(),
                stream: stream.clone(),
                revision: Bytes(revision + 1),
                previous: Some(previous),
                under: Bytes(5), // created, three roles, enrolled
                at: "2026-01-01T00:00:00Z".parse().unwrap(),
                actor: signer.kid().to_owned(),
                trust: None,
                act,
            };
            let payload = serde_json::to_vec(&event).unwrap();
            let jws = sign(&payload, EVENT_TYP, signer, SignerRole::Operator, event.at).unwrap().to_bytes();
            let hash: String = Sha256::digest(&jws).iter().map(|b| format!("{b:02x}")).collect();
            let sql = "INSERT INTO event(stream, revision, hash, at, actor, type, jws) VALUES ($1,$2,$3,'','','',$4)";
            let insert = sqlx::query(sql).bind(stream.clone()).bind(last + 1).bind(hash);
            insert.bind(String::from_utf8(jws).unwrap()).execute(&mut hands).await.unwrap();
            register.rebuild().await.unwrap();
            let findings = register.audit(None).await.unwrap().findings;
            assert!(findings.iter().any(|f| f.code == code), "{code}: {findings:?}");
        }
        assert_eq!(register.asset("A").await.unwrap().2.stage, Stage::Closed, "slipped in, and told");
    });
}

/// Every kind of event of the rest of the life, on both databases: the register stays provable, and
/// the tables are what the events make.
#[test]
fn a_whole_life_is_told_by_its_events() {
    on_both(async |at, _| {
        let (mia, fin) = (StationKey::from_seed(&[1; 32]), StationKey::from_seed(&[2; 32]));
        let mut register = new_register(&at, &mia).await;
        register
            .run(&mia, async |work| {
                let (kid, x) = (fin.kid().to_owned(), fin.public().x());
                work.act(REGISTER_STREAM, Act::PersonEnrolled { kid: kid.clone(), x, name: "Fin".into() }).await?;
                for role in [Role::Finance, Role::Compliance] {
                    let grant = lastwrite::register::Grant { role, location: None };
                    work.act(REGISTER_STREAM, Act::RoleGranted { kid: kid.clone(), grant }).await?;
                }
                for stage in &Stage::ALL[..6] {
                    work.act(REGISTER_STREAM, Act::PolicyProposed(life::policy(*stage))).await?;
                }
                life::bought(work).await
            })
            .await
            .unwrap();
        let approved = async |work: &mut Work<'_>| {
            for stage in &Stage::ALL[..6] {
                work.act(REGISTER_STREAM, Act::PolicyApproved { stage: *stage, version: 1 }).await?;
            }
            let (stream, _) = work.request("R-1").await?;
            work.act(&stream, Act::RequestApproved { note: None }).await
        };
        let own = words(register.run(&mia, approved).await);
        assert!(own.contains("four eyes"), "{own}");
        register.run(&fin, approved).await.unwrap();
        register.run(&mia, async |work| life::used(work).await).await.unwrap();
        let approve = async |work: &mut Work<'_>| {
            let (stream, _) = work.asset("L-1").await?;
            work.act(&stream, Act::DecisionApproved { note: None }).await
        };
        assert!(words(register.run(&mia, approve).await).contains("four eyes"));
        register.run(&fin, approve).await.unwrap();
        register.run(&mia, async |work| life::out(work).await).await.unwrap();
        let open = register.run(&mia, async |work| work.close_lot("LOT-1").await).await.unwrap();
        assert_eq!(open.len(), 1, "no evidence came in");
        assert!(open[0].1[0].contains("awaiting"), "{open:?}");
        // A name twice, whoever writes it how.
        let twice = words(register.run(&mia, async |work| work.open_lot(life::lot("lot-1")).await).await);
        assert!(twice.contains("stands in the register already"), "{twice}");
        let report = register.audit(None).await.unwrap();
        assert_eq!(report.findings, []);
        let kinds = ["model", "vendor", "request", "work", "licence", "lot"];
        let mut before = Vec::new();
        for kind in kinds {
            before.push(register.records(kind, None, "", 10).await.unwrap());
        }
        assert!(before.iter().all(|found| found.len() == 1), "{before:?}");
        assert_eq!(register.rebuild().await.unwrap(), report.events);
        for (kind, before) in kinds.into_iter().zip(before) {
            assert_eq!(register.records(kind, None, "", 10).await.unwrap(), before);
        }
        assert_eq!(register.audit(None).await.unwrap().findings, []);
        let feed = register.calendar("2026-01-01".parse().unwrap()).await.unwrap();
        assert!(feed.contains("L-1: warranty ends"), "{feed}");
    });
}

/// A register that an earlier version made gets the tables it lacks, filled from its events.
#[test]
fn an_older_register_is_brought_up_to_date_when_it_is_opened() {
    on_both(async |at, url| {
        let key = StationKey::from_seed(&[1; 32]);
        let mut register = new_register(&at, &key).await;
        register.run(&key, async |work| prepare(work, "A").await).await.unwrap();
        let before = register.asset("A").await.unwrap();
        drop(register);
        let mut hands = sqlx::AnyConnection::connect(&url).await.unwrap();
        for sql in [
            "DROP TABLE record",
            "DROP INDEX asset_origin",
            "DROP INDEX asset_warranty",
            "DROP INDEX asset_maintenance",
            "ALTER TABLE asset DROP COLUMN origin",
            "ALTER TABLE asset DROP COLUMN warranty_until",
            "ALTER TABLE asset DROP COLUMN maintenance_due",
            "DELETE FROM _sqlx_migrations WHERE version=2 OR version=30",
        ] {
            sqlx::query(sql).execute(&mut hands).await.unwrap();
        }
        drop(hands);
        let mut register = Register::open(&at).await.unwrap();
        assert_eq!(register.asset("A").await.unwrap(), before);
        assert_eq!(register.shadow("", 10).await.unwrap().len(), 1);
        assert_eq!(register.records("lot", None, "", 10).await.unwrap().len(), 0);
        assert_eq!(register.audit(None).await.unwrap().findings, []);
    });
}
