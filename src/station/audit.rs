//! The audit of a station's log against the station's own evidence: every document names the log as
//! it was at its run, and must stand in the log as the outcome of that run.

use std::collections::HashMap;
use std::path::Path;

use super::folder::{Station, StationError};
use crate::certificate;
use crate::custody::{self, AuditConfig, AuditReport, Finding, KnownState, Severity};
use crate::signed::TrustStore;

/// Looks through the log. `known` are states of it that were kept elsewhere.
pub fn audit(
    station: &Station,
    trust: Option<&TrustStore>,
    mut known: Vec<KnownState>,
) -> Result<AuditReport, StationError> {
    let documents = documents(station);
    known.extend(documents.iter().filter_map(|d| d.state.clone()));
    known.sort_by_key(|state| state.size);
    let folder = station.custody_folder();
    // Which of the documents the log knows as the outcome of their run.
    let mut missing: HashMap<&str, &Document> = documents.iter().map(|d| (d.id.as_str(), d)).collect();
    let mut report = custody::audit_with(&folder, trust, &known, &AuditConfig::default(), &mut |entry| {
        let named = entry.data.get("document").and_then(|document| document.as_str());
        if let Some(id) = named
            && missing.get(id).is_some_and(|document| entry.run_id() == Some(document.run_id.as_str()))
        {
            missing.remove(id);
        }
    })?;
    for document in documents.iter().filter(|document| missing.contains_key(document.id.as_str())) {
        report.findings.push(Finding {
            severity: Severity::Bad,
            code: "document_not_logged",
            index: None,
            detail: format!(
                "{} (run {}) is not in the log as the outcome of its run: the log was cut after entry {}, or the \
                 run was interrupted before its outcome was logged (`lastwrite resume` shows that)",
                document.from,
                document.run_id,
                report.size.saturating_sub(1)
            ),
        });
    }
    Ok(report)
}

/// The state of the log that a document names. Nothing is verified: a wrong one can only raise an
/// alarm, never silence one.
pub fn known_state(bytes: &[u8], path: &Path) -> Option<KnownState> {
    document(bytes, path)?.state
}

struct Document {
    id: String,
    run_id: String,
    from: String,
    state: Option<KnownState>,
}

fn document(bytes: &[u8], path: &Path) -> Option<Document> {
    let (jws, payload) = certificate::read(bytes).ok()?;
    let from = path.display().to_string();
    let facts = payload.facts;
    let root = facts.intent.root.parse().ok();
    let state = |root| KnownState { log_id: facts.intent.log_id, size: facts.intent.size.0, root, from: from.clone() };
    Some(Document { id: certificate::id_of(jws.payload()), run_id: facts.run_id, state: root.map(state), from })
}

fn documents(station: &Station) -> Vec<Document> {
    let mut found = Vec::new();
    for folder in [station.certificates(), station.failures()] {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            found.extend(std::fs::read(&path).ok().and_then(|bytes| document(&bytes, &path)));
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}
