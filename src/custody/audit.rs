//! The whole log, looked through by somebody who trusts nobody.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::LOG_FILE;
use super::entries::read_id;
use super::entry::Entry;
use super::error::LogError;
use super::look::look_at_all;
use super::merkle::Hash;
use super::walk::Walk;
use crate::signed::TrustStore;

/// Which entry types open a run and which close it. Both carry the run in `data.run_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditConfig {
    /// Types that say that something will be done.
    pub intents: Vec<String>,
    /// Types that say how it came out; exactly one for each intent.
    pub outcomes: Vec<String>,
}

impl Default for AuditConfig {
    /// `run.intended`; `run.passed`, `run.failed`.
    fn default() -> AuditConfig {
        let texts = |t: &[&str]| t.iter().map(|t| (*t).to_owned()).collect();
        AuditConfig { intents: texts(&["run.intended"]), outcomes: texts(&["run.passed", "run.failed"]) }
    }
}

/// What the log was at some time, kept elsewhere: from a checkpoint, a receipt or a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownState {
    /// Which log.
    pub log_id: String,
    /// Entries at that time.
    pub size: u64,
    /// Root at that time.
    pub root: Hash,
    /// Where this is known from, for the report.
    pub from: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look; the log is still good evidence.
    Attention,
    /// The log is not good evidence.
    Bad,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Stable word: `entry`, `signature`, `known_state`, `unfinished`, `no_outcome`,
    /// `several_outcomes`, `outcome_without_intent`, `several_attempts`, `signers_not_checked`,
    /// `clock_went_back`, `torn_end`.
    pub code: &'static str,
    /// The entry it is about, from 0.
    pub index: Option<u64>,
    /// For a person.
    pub detail: String,
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// The log's id.
    pub log_id: String,
    /// Complete lines.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Hash,
    /// Known states that the log confirms, as `from` named them.
    pub confirmed: Vec<String>,
    /// In order of the log; what concerns it as a whole comes last.
    pub findings: Vec<Finding>,
}

impl AuditReport {
    /// Nothing bad was found. Things worth a look may have been.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|f| f.severity != Severity::Bad)
    }

    /// The first bad entry.
    pub fn first_bad(&self) -> Option<u64> {
        self.findings.iter().filter(|f| f.severity == Severity::Bad).find_map(|f| f.index)
    }
}

/// Looks through the log in `folder`: shape, place, chain and signatures of every entry, the tree
/// against `known` states, and every run's intent and outcome. Never writes.
pub fn audit(
    folder: &Path,
    trust: Option<&TrustStore>,
    known: &[KnownState],
    config: &AuditConfig,
) -> Result<AuditReport, LogError> {
    audit_with(folder, trust, known, config, &mut |_| {})
}

/// As [`audit`]; `each` is shown every entry that can be read, in order.
pub fn audit_with(
    folder: &Path,
    trust: Option<&TrustStore>,
    known: &[KnownState],
    config: &AuditConfig,
    each: &mut dyn FnMut(&Entry),
) -> Result<AuditReport, LogError> {
    let log_id = read_id(folder)?;
    let path = folder.join(LOG_FILE);
    let failed = |step, source| LogError::Io { step, path: path.clone(), source: Arc::new(source) };
    let file = File::open(&path).map_err(|e| failed("opening", e))?;
    let length = file.metadata().map_err(|e| failed("examining", e))?.len();
    let mut reader = BufReader::with_capacity(1 << 20, file).take(length);
    let mut walk = Walk::new(&log_id, trust.is_some(), known, config);
    let unfinished = look_at_all(&mut reader, trust, |looked| {
        if let Ok(entry) = &looked.entry {
            each(entry);
        }
        walk.take(looked);
    });
    walk.unfinished = unfinished.map_err(|e| failed("reading", e))?;
    Ok(walk.report())
}
