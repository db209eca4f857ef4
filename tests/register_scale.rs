//! Certificates that close assets, on SQLite and on a real PostgreSQL. `scripts/bench-register` closes some thousand
//! in the same way and says how fast that is.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/closing.rs"]
mod closing;
mod common;

use closing::Waiting;
use common::postgres::Postgres;
use lastwrite::register::{Database, Verdict};

async fn story(at: Database) {
    let mut waiting = Waiting::new(&at, 60).await.unwrap();
    waiting.close().await.unwrap();
    let Waiting { register, key, trust, files } = &mut waiting;
    let again = register.ingest(key, &files[..50], trust).await.unwrap();
    assert!(again.iter().all(|result| result.verdict == Verdict::Known && !result.closed), "twice changes nothing");
    assert_eq!(register.audit(Some(trust)).await.unwrap().findings, []);
}

#[test]
fn certificates_close_their_assets_on_both_databases() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    runtime.block_on(story(Database::File(dir.path().join("register.db"))));
    if let Some(postgres) = Postgres::start() {
        runtime.block_on(story(Database::Server(postgres.database("scale"))));
    }
}
