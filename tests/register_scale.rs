//! Certificates that close assets by the thousand, on SQLite and on a real PostgreSQL. By default few;
//! `LASTWRITE_SCALE=10000 cargo test --release --test register_scale -- --nocapture` measures.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::Instant;

use common::postgres::Postgres;
use lastwrite::certificate::{CertificatePayload, DocumentKind, GivenForm, IssueContext};
use lastwrite::media::MediumClass;
use lastwrite::register::{
    Act, AssetClass, CostCategory, DataClass, Database, Details, Item, LineOutcome, MediumIdentity, Money, Received,
    Register, RegisterError, Role, Route, Stage, Verdict, Work,
};
use lastwrite::sanitize::record::RunFacts;
use lastwrite::signed::{Role as SignerRole, StationKey, TrustStore, TrustedKey, sign};

fn count() -> usize {
    std::env::var("LASTWRITE_SCALE").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

/// All but the evidence.
async fn prepare(work: &mut Work<'_>, number: usize) -> Result<(), RegisterError> {
    let tag = format!("T-{number:07}");
    let added = Act::AssetAdded {
        tag: tag.clone(),
        class: AssetClass::Physical,
        data_class: DataClass::None,
        stage: Stage::Decommissioning,
        location: None,
        custodian: None,
        details: Details::default(),
    };
    let stream = work.add_asset(added).await?;
    let identity =
        MediumIdentity { serial: Some(serial(number)), model: Some("Model".into()), ..MediumIdentity::default() };
    work.install(&tag, identity, MediumClass::Physical).await?;
    work.act(&stream, Act::MediaCounted { count: 1 }).await?;
    for item in Item::DECOMMISSIONING {
        work.act(&stream, Act::ChecklistDone { item: *item, note: None }).await?;
    }
    work.act(&stream, Act::RouteChosen { route: Route::Resale, order: "LOT".into(), vendor: None }).await?;
    work.move_stage(&tag, Stage::Disposition, None).await?;
    let money = Money::parse("10.00 EUR", "EUR").unwrap();
    let on = "2026-01-01T00:00:00Z".parse().unwrap();
    work.act(&stream, Act::CostBooked { category: CostCategory::Recovery, money, on, reference: None }).await?;
    work.set_outcome(&tag, LineOutcome::Sold, None).await
}

fn serial(number: usize) -> String {
    format!("SER{number:09}")
}

/// A certificate as the station would sign it, for the drive of that number.
fn certificate(number: usize, station: &StationKey) -> Received {
    let mut facts: RunFacts = serde_json::from_str(include_str!("data/facts.json")).unwrap();
    facts.run_id = format!("{number:032x}");
    facts.medium.identity.serial = Some(serial(number));
    facts.medium.identity.model = Some("Model".into());
    facts.medium.identity.wwn = None;
    facts.medium.identity_digest = facts.medium.identity.digest();
    // The run ended after the record began.
    let now = lastwrite::units::now();
    (facts.started, facts.ended) = (now, now);
    let context =
        IssueContext { organization: "Example Org".into(), station: "Bench 1".into(), form: GivenForm::default() };
    let payload = serde_json::to_vec(&CertificatePayload::from_facts(&facts, None, &context)).unwrap();
    let signed = sign(&payload, DocumentKind::Certificate.typ(), station, SignerRole::Station, now).unwrap();
    Received { name: format!("{number}.json"), bytes: signed.to_bytes() }
}

async fn story(at: Database, name: &str) {
    let (key, station) = (StationKey::from_seed(&[1; 32]), StationKey::from_seed(&[2; 32]));
    let mut register =
        Register::init(&at, "Example Org", "Mia", &[Role::AssetManager, Role::Finance], &key).await.unwrap();
    let total = count();
    for chunk in (0..total).collect::<Vec<_>>().chunks(100) {
        let made = register.run(&key, async |work| {
            for number in chunk {
                prepare(work, *number).await?;
            }
            Ok(())
        });
        made.await.unwrap();
    }
    let files: Vec<Received> = (0..total).map(|number| certificate(number, &station)).collect();
    let mut trust = TrustStore::default();
    let since = lastwrite::units::now() - chrono::TimeDelta::days(1);
    trust.add(TrustedKey::new(station.public().clone(), "Bench 1", SignerRole::Station, Some(since))).unwrap();
    let begin = Instant::now();
    let done = register.ingest(&key, &files, &trust).await.unwrap();
    let took = begin.elapsed().as_secs_f64();
    for result in &done {
        assert!(result.verdict == Verdict::Accepted && result.closed, "{result:?}");
    }
    println!("{name}: {total} certificates verified, applied, assets closed: {:.0}/s", total as f64 / took);
    let again = register.ingest(&key, &files[..total.min(50)], &trust).await.unwrap();
    assert!(again.iter().all(|result| result.verdict == Verdict::Known && !result.closed), "twice changes nothing");
    if total <= 200 {
        assert_eq!(register.audit(Some(&trust)).await.unwrap().findings, []);
    }
}

#[test]
fn certificates_close_assets_by_the_thousand() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    runtime.block_on(story(Database::File(dir.path().join("register.db")), "sqlite"));
    if let Some(postgres) = Postgres::start() {
        runtime.block_on(story(Database::Server(postgres.database("scale")), "postgresql"));
    }
}
