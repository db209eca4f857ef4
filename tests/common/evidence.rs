//! Documents of a bench about any drive, ended at any time: what the register's tests bring in.

use chrono::{DateTime, Utc};
use lastwrite::certificate::{CertificatePayload, DocumentKind, IssueContext};
use lastwrite::register::Received;
use lastwrite::sanitize::record::{ClockQuality, Failure, Proven, RunFacts};
use lastwrite::signed::{Role, StationKey, TrustStore, TrustedKey, sign};
use lastwrite::units::Bytes;

fn station() -> StationKey {
    StationKey::from_seed(&[70; 32])
}

pub fn trust() -> TrustStore {
    let mut trust = TrustStore::default();
    trust.add(TrustedKey::new(station().public().clone(), "Bench 1", Role::Station, None)).unwrap();
    trust
}

/// A run on the drive of that serial number.
fn facts(serial: &str, ended: DateTime<Utc>, clock: ClockQuality) -> RunFacts {
    let mut facts: RunFacts = serde_json::from_str(include_str!("../data/facts.json")).unwrap();
    facts.run_id = uuid::Uuid::now_v7().simple().to_string();
    facts.medium.identity.serial = Some(serial.to_owned());
    facts.medium.identity.wwn = None;
    facts.medium.identity_digest = facts.medium.identity.digest();
    (facts.started, facts.ended, facts.clock) = (ended, ended, clock);
    facts
}

/// A certificate: Clear, read back in full.
pub fn certificate(serial: &str, ended: DateTime<Utc>, clock: ClockQuality) -> Received {
    document(&facts(serial, ended, clock), None)
}

/// The report of a run that failed.
pub fn failure(serial: &str, ended: DateTime<Utc>, clock: ClockQuality) -> Received {
    let mut facts = facts(serial, ended, clock);
    (facts.attained, facts.proven) = (None, Proven::Nothing);
    facts.passes[0].written = Bytes(512);
    let text = |t: &str| t.to_owned();
    let failure = Failure {
        code: text("write_errors"),
        message: text("2 blocks could not be written"),
        advice: text("destroy it"),
    };
    document(&facts, Some(&failure))
}

fn document(facts: &RunFacts, failure: Option<&Failure>) -> Received {
    let context =
        IssueContext { organization: "Example Org".into(), station: "Bench 1".into(), ..IssueContext::default() };
    let kind = if failure.is_some() { DocumentKind::FailureReport } else { DocumentKind::Certificate };
    let payload = serde_json::to_vec(&CertificatePayload::from_facts(facts, failure, &context)).unwrap();
    let signed = sign(&payload, kind.typ(), &station(), Role::Station, facts.ended).unwrap();
    Received { name: "run.json".to_owned(), bytes: signed.to_bytes() }
}
