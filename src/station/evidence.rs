//! The evidence of a run: its intent in the custody log, the signed document, its outcome.
//!
//! Each step is durable before the next begins and harmless to repeat.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::json;

use super::folder::{Station, StationError};
use super::hidden::area_words;
use super::prepare::{subject, with_sizes};
use super::result::{Outcome, TargetResult, blank};
use super::run::Cut;
use super::signed_before::signed_before;
use super::trust_copy::copy_trust;
use crate::certificate::{self, IssueContext, Issued};
use crate::custody::{self, AuditConfig, Log, LogError, Logged, NewEvent};
use crate::media::AreaOutcome;
use crate::sanitize::record::{ClockQuality, Frozen, IntentReceipt, Proven, RunFacts};
use crate::sanitize::state::RunPlan;
use crate::sanitize::{Run, Sealed, Verdict};
use crate::signed::{Jws, Role, StationKey, atomic_write, make_folder, remove_drafts, sync_folder};
use crate::sys::clock;
use crate::units::Bytes;

/// Custody event: a run is about to happen.
pub(super) const INTENDED: &str = "run.intended";
/// Custody event: a run is about to make its medium larger, which is its subject as it will be then.
pub(super) const RESIZES: &str = "run.resizes";
/// Custody event: the machine is about to be suspended to RAM, to unfreeze a run's medium.
pub(super) const SUSPENDS: &str = "run.suspends";
/// Custody event: a run passed.
pub(super) const PASSED: &str = "run.passed";
/// Custody event: a run failed.
pub(super) const FAILED: &str = "run.failed";

/// Appends the intent to the custody log, once for each run however often it is taken up.
pub(super) fn intent_receipt(log: &Log, key: &StationKey, plan: &RunPlan) -> Result<IntentReceipt, LogError> {
    // A cut between log and journal: the intent is there already, and stays the only one.
    let earlier = log.find_run(&plan.run_id)?.into_iter().find(|logged| logged.entry.typ == INTENDED);
    if let Some(logged) = earlier {
        let size = logged.entry.index.0 + 1;
        let count = usize::try_from(size).unwrap_or(usize::MAX);
        let leaves = log.entries()?.take(count).map(|e| Ok(e?.leaf_hash)).collect::<Result<Vec<_>, LogError>>()?;
        return Ok(IntentReceipt {
            log_id: log.id().to_owned(),
            index: logged.entry.index,
            leaf_hash: logged.leaf_hash.to_string(),
            size: Bytes(size),
            root: custody::root(&leaves).to_string(),
        });
    }
    let receipt = log.append(intent_event(plan, subject(&plan.medium)), key)?;
    Ok(IntentReceipt {
        log_id: receipt.log_id,
        index: receipt.index,
        leaf_hash: receipt.leaf_hash.to_string(),
        size: receipt.size,
        root: receipt.root.to_string(),
    })
}

/// Where hidden areas are given back, the log gets to know the medium by the sizes that it may have then,
/// once each, before anything is sent: who looks for the larger medium finds the run.
pub(super) fn announce_sizes(log: &Log, key: &StationKey, plan: &RunPlan) -> Result<(), LogError> {
    let Some(restore) = &plan.restore else { return Ok(()) };
    let known: Vec<String> = log
        .find_run(&plan.run_id)?
        .into_iter()
        .filter(|logged| logged.entry.typ == RESIZES)
        .map(|logged| logged.entry.subject)
        .collect();
    for larger in with_sizes(&plan.medium, Some(restore)).iter().skip(1) {
        let subject = subject(larger);
        if !known.contains(&subject) {
            let data = json!({
                "run_id": plan.run_id,
                "before": plan.medium.identity,
                "size": larger.identity.size,
                "otherwise": restore.otherwise,
                "operator": plan.operator.as_ref().map(|o| &o.name),
            });
            log.append(NewEvent { typ: RESIZES.to_owned(), subject, data }, key)?;
        }
    }
    Ok(())
}

/// The log gets to know that the machine is about to be suspended, each time it is.
pub(super) fn announce_suspend(log: &Log, key: &StationKey, plan: &RunPlan, frozen: &[Frozen]) -> Result<(), LogError> {
    let data = json!({
        "run_id": plan.run_id,
        "frozen": frozen,
        "operator": plan.operator.as_ref().map(|o| &o.name),
    });
    log.append(NewEvent { typ: SUSPENDS.to_owned(), subject: subject(&plan.medium), data }, key).map(|_| ())
}

fn intent_event(plan: &RunPlan, subject: String) -> NewEvent {
    let data = json!({
        "run_id": plan.run_id,
        "medium": plan.medium.identity,
        "class": plan.medium.class,
        "path": plan.medium.path,
        "requested": plan.requested,
        "techniques": plan.ladder.iter().map(|rung| rung.technique).collect::<Vec<_>>(),
        "also": plan.also.iter().map(|other| other.identity.digest()).collect::<Vec<_>>(),
        "scheme": plan.scheme.name,
        "verification": plan.verification,
        "operator": plan.operator.as_ref().map(|o| &o.name),
        "asset_tag": plan.asset_tag,
    });
    NewEvent { typ: INTENDED.to_owned(), subject, data }
}

/// Whether a run was sealed before, so that some of what is done about it may have been done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    Again,
}

/// Signs and stores the document, logs the outcome, closes the journal.
pub(super) fn store(
    station: &Station,
    log: &Log,
    key: &StationKey,
    operator: Option<&StationKey>,
    out: Option<&Path>,
    (run, attempt): (Run<Sealed>, Attempt),
) -> Result<TargetResult, Cut> {
    let plan = run.plan().clone();
    let config = station.config();
    let context = IssueContext {
        organization: config.organization.clone(),
        station: config.station.clone(),
        form: certificate::GivenForm::default(),
    };
    let mut message = String::new();
    let verdict = run.verdict();
    let facts = match &verdict {
        Verdict::Passed(record) => record.facts(),
        Verdict::Failed(record) => record.facts(),
    };
    let told = TargetResult {
        requested: Some(facts.requested),
        attained: facts.attained,
        proven: Some(facts.proven),
        technique: Some(facts.technique.clone()),
        ..blank(&plan)
    };
    let (issued, folder, event, failure) = match verdict {
        Verdict::Passed(record) => {
            message.push_str(&words_of(record.facts()));
            (certificate::issue(&record, &context, key, run.signed_at()), station.certificates(), PASSED, None)
        }
        Verdict::Failed(record) => {
            let failure = record.failure().clone();
            message.push_str(&failure.message);
            let issued = certificate::issue_failure(&record, &context, key, run.signed_at());
            (issued, station.failures(), FAILED, Some(failure))
        }
    };
    let not_signed = |why: String| Cut::Station(StationError::Signing { why });
    let issued = issued.map_err(|e| not_signed(e.to_string()))?;
    let issued = match attempt {
        Attempt::First => issued,
        Attempt::Again => {
            let logged = log.outcome(&plan.run_id, &AuditConfig::default()).map_err(|e| Cut::Station(e.into()))?;
            signed_before(&folder, key, logged.as_ref(), &issued).unwrap_or(issued)
        }
    };
    let named = plan.operator.as_ref().and_then(|o| o.kid.as_deref());
    let issued = match operator.filter(|key| named == Some(key.kid()) && !is_signed_by(&issued, key.kid())) {
        Some(operator) => agreed(issued, operator, run.signed_at()).map_err(not_signed)?,
        None => issued,
    };
    if named.is_some_and(|kid| !is_signed_by(&issued, kid)) {
        message.push_str("; the operator's signature is still missing");
    }
    // Before it is stored: what contradicts the log must not lie among the evidence.
    let is_logged = is_logged(log, &plan.run_id, event, &issued.id).map_err(Cut::Station)?;
    let file = put(&folder, &issued).map_err(Cut::Station)?;
    let mut trust_store = None;
    if !is_logged {
        log_outcome(log, key, &plan, event, &issued.id).map_err(|e| Cut::Station(e.into()))?;
    }
    if let Some(out) = out {
        put(out, &issued).map_err(Cut::Station)?;
        let copied = copy_trust(station, key.kid(), out).map_err(Cut::Station)?;
        let plain = out.join("trust.jwks.json");
        if copied != plain {
            let (plain, copied) = (plain.display(), copied.display());
            message.push_str(&format!("; {plain} is another trust store and stays, this station's is {copied}"));
        }
        trust_store = Some(copied);
    }
    run.close().map_err(|e| Cut::Start(e.into()))?;
    let passed = failure.is_none();
    Ok(TargetResult {
        outcome: if passed { Outcome::Pass } else { Outcome::Fail },
        certificate: passed.then(|| file.clone()),
        failure_report: (!passed).then_some(file),
        trust_store,
        message,
        advice: failure.map(|f| f.advice),
        ..told
    })
}

/// Adds the operator's signature. Ed25519 is deterministic and the time is the run's, so that doing it
/// again gives the same bytes.
fn agreed(issued: Issued, operator: &StationKey, at: DateTime<Utc>) -> Result<Issued, String> {
    let mut jws = Jws::parse(&issued.bytes).map_err(|e| e.to_string())?;
    jws.add_signature(operator, Role::Operator, at).map_err(|e| e.to_string())?;
    let mut bytes = jws.to_bytes();
    bytes.push(b'\n');
    Ok(Issued { bytes, ..issued })
}

fn is_signed_by(issued: &Issued, kid: &str) -> bool {
    let jws = Jws::parse(&issued.bytes);
    jws.is_ok_and(|jws| jws.signatures().iter().any(|signature| signature.header().kid.as_deref() == Some(kid)))
}

fn words_of(facts: &RunFacts) -> String {
    let words = match facts.proven {
        Proven::FullReadback => "wiped; every byte was read back and matched",
        Proven::SampledReadback => "wiped; every sample that was read back matched",
        Proven::QuickReadback => "wiped; the few places that were read back matched",
        Proven::ReadbackWithExceptions => "wiped, with exceptions that the policy allows: see the certificate",
        Proven::ErasedFullRead => "erased by the drive; known content is gone, and every byte was read",
        Proven::ErasedSampled => "erased by the drive; known content is gone, and samples were read",
        Proven::ErasedKnownContent => "erased by the drive; known content is gone, nothing else was read",
        Proven::CompletionOnly => "complete, not proven: nothing was read back",
        Proven::Nothing => "nothing is proven",
    };
    let mut words = words.to_owned();
    for area in facts.hidden_areas.with(AreaOutcome::Excluded) {
        words.push_str(&format!("; NOT REACHED and excluded: {}", area_words(area)));
    }
    for area in facts.hidden_areas.with(AreaOutcome::GivenBack) {
        words.push_str(&format!("; given back before: {}", area_words(area)));
    }
    match facts.steps_down.last() {
        None => words,
        Some(step) => format!("{words}; by {}, after {} failed: {}", step.to, step.from, step.failure.message),
    }
}

/// Writes `<id>.json` once; finding the same bytes there already is fine.
fn put(folder: &Path, issued: &Issued) -> Result<PathBuf, StationError> {
    let path = folder.join(format!("{}.json", issued.id));
    // A cut in the middle of this leaves a draft, which reads like a second certificate.
    remove_drafts(&path);
    if std::fs::read(&path).is_ok_and(|there| holds(&there, &issued.bytes)) {
        // Whoever put it there may have died before its name was on the disk.
        sync_folder(folder)?;
        return Ok(path);
    }
    make_folder(folder)?;
    atomic_write(&path, &issued.bytes)?;
    Ok(path)
}

/// Whether a file is what was issued, perhaps with signatures that were added since.
fn holds(there: &[u8], issued: &[u8]) -> bool {
    let (Ok(there), Ok(issued)) = (Jws::parse(there), Jws::parse(issued)) else { return false };
    there.payload() == issued.payload() && issued.signatures().iter().all(|s| there.signatures().contains(s))
}

/// Whether just this outcome stands in the log already. Another one is an error: one of the two is wrong.
fn is_logged(log: &Log, run_id: &str, typ: &str, document: &str) -> Result<bool, StationError> {
    let Some(Logged { entry, .. }) = log.outcome(run_id, &AuditConfig::default())? else { return Ok(false) };
    let named = entry.data.get("document").and_then(|document| document.as_str());
    if entry.typ == typ && named == Some(document) {
        return Ok(true);
    }
    let logged = match named {
        Some(named) => format!("{} with document {named}", entry.typ),
        None => format!("{} without a document", entry.typ),
    };
    Err(StationError::OtherOutcome {
        run_id: run_id.to_owned(),
        logged,
        index: entry.index.0,
        typ: typ.to_owned(),
        document: document.to_owned(),
    })
}

/// Exactly one outcome for every intent.
fn log_outcome(log: &Log, key: &StationKey, plan: &RunPlan, event: &str, document: &str) -> Result<(), LogError> {
    let config = AuditConfig::default();
    let data = json!({ "run_id": plan.run_id, "document": document, "asset_tag": plan.asset_tag });
    let event = NewEvent { typ: event.to_owned(), subject: subject(&plan.medium), data };
    log.append_outcome(event, key, &config).map(|_| ())
}

/// Whether the log has the intent of a run.
pub(super) fn is_intended(log: &Log, run_id: &str) -> Result<bool, LogError> {
    Ok(log.find_run(run_id)?.iter().any(|logged| logged.entry.typ == INTENDED))
}

/// The outcome of a run of which nothing can be reported. `false`: the log knows no intent of it, or
/// its outcome already.
pub(super) fn log_failure_without_report(
    log: &Log,
    key: &StationKey,
    run_id: &str,
    reason: &str,
) -> Result<bool, LogError> {
    let config = AuditConfig::default();
    let intent = log.find_run(run_id)?.into_iter().find(|logged| logged.entry.typ == INTENDED);
    let Some(intent) = intent else { return Ok(false) };
    if log.outcome(run_id, &config)?.is_some() {
        return Ok(false);
    }
    let data = json!({ "run_id": run_id, "document": null, "reason": reason });
    let event = NewEvent { typ: FAILED.to_owned(), subject: intent.entry.subject, data };
    log.append_outcome(event, key, &config).map(|_| true)
}

impl From<clock::Quality> for ClockQuality {
    fn from(quality: clock::Quality) -> ClockQuality {
        match quality {
            clock::Quality::Synchronized => ClockQuality::Synchronized,
            clock::Quality::Unsynchronized => ClockQuality::Unsynchronized,
            clock::Quality::Unknown => ClockQuality::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step is repeated after a cut, and then says the same. What says something else is another run's, or forged.
    #[test]
    fn an_outcome_that_says_something_else_is_not_taken_for_the_runs_own() {
        let folder = tempfile::tempdir().unwrap();
        Log::create(folder.path()).unwrap();
        let log = Log::open(folder.path()).unwrap();
        let key = StationKey::from_seed(&[1; 32]);
        let append = |typ: &str, run: &str, document: Option<&str>| {
            let data = json!({ "run_id": run, "document": document });
            log.append(NewEvent { typ: typ.into(), subject: "medium".into(), data }, &key).unwrap();
        };
        for run in ["a", "b", "c"] {
            append(INTENDED, run, None);
        }
        append(PASSED, "a", Some("d1"));
        append(FAILED, "b", None);
        assert!(is_logged(&log, "a", PASSED, "d1").unwrap());
        assert!(!is_logged(&log, "c", PASSED, "d1").unwrap());
        for (run, typ, document, logged) in [
            ("a", FAILED, "d1", "run.passed with document d1 in entry 3"),
            ("a", PASSED, "d2", "run.passed with document d1 in entry 3"),
            ("b", PASSED, "d1", "run.failed without a document in entry 4"),
            ("b", FAILED, "d1", "run.failed without a document in entry 4"),
        ] {
            let told = is_logged(&log, run, typ, document).unwrap_err().to_string();
            assert!(told.contains(logged) && told.contains(&format!("{typ} with document {document}")), "{told}");
        }
    }
}
