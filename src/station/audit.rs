//! The audit of a station's log against the station's own evidence: every document names the log as
//! it was at its run, and must stand in the log as the outcome of that run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::documents::RECEIVED;
use super::folder::{Station, StationError};
use crate::certificate;
use crate::custody::{self, AuditConfig, AuditReport, Entry, Finding, KnownState, Severity};
use crate::signed::{Jws, TrustStore};

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
    // What the log says of documents is gathered on the audit's own way through it.
    let mut logged = Logged::default();
    let mut report =
        custody::audit_with(&folder, trust, &known, &AuditConfig::default(), &mut |entry| logged.take(entry))?;
    for document in documents {
        if logged.outcomes.get(&document.id) == Some(&document.run_id) {
            continue;
        }
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
    report.findings.extend(kept_documents(station, &logged));
    report.findings.extend(logged.open());
    report.findings.sort_by_key(|f| f.index.unwrap_or(u64::MAX));
    Ok(report)
}

/// The documents in the station's folders against those that the log names.
fn kept_documents(station: &Station, logged: &Logged) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut here = HashSet::new();
    for folder in [station.certificates(), station.failures(), station.documents()] {
        for path in std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let Some(jws) = std::fs::read(&path).ok().and_then(|bytes| Jws::parse(&bytes).ok()) else { continue };
            let id = certificate::id_of(jws.payload());
            if folder == station.documents() && !logged.named.contains_key(&id) {
                findings.push(Finding {
                    severity: Severity::Bad,
                    code: "document_not_logged",
                    index: None,
                    detail: format!(
                        "{} is named nowhere in the log: the log was cut, or the document was put there past it \
                         (`lastwrite certificate add` names it)",
                        path.display()
                    ),
                });
            }
            here.insert(id);
        }
    }
    let mut gone: Vec<_> = logged.named.iter().filter(|(id, _)| !here.contains(*id)).collect();
    gone.sort_by_key(|(_, (index, _))| *index);
    findings.extend(gone.into_iter().map(|(id, (index, typ))| Finding {
        severity: Severity::Attention,
        code: "document_missing",
        index: Some(*index),
        detail: format!("{typ} names document {id}, which is not in the state folder: it was moved or removed"),
    }));
    findings
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

/// What the log says of documents. An audit that stops at a bad entry gathers up to there.
#[derive(Default)]
struct Logged {
    /// Document to run.
    outcomes: HashMap<String, String>,
    /// Document to the entry that names it first, and its type.
    named: HashMap<String, (u64, String)>,
    /// Transfers that nobody has received yet.
    transfers: BTreeMap<String, u64>,
    /// Discrepancies that nobody has settled yet.
    discrepancies: BTreeMap<String, u64>,
}

impl Logged {
    fn take(&mut self, entry: &Entry) {
        let text = |member: &str| entry.data.get(member).and_then(|v| v.as_str()).map(str::to_owned);
        let Some(document) = text("document") else { return };
        let index = entry.index.0;
        if let Some(run) = entry.run_id() {
            self.outcomes.insert(document.clone(), run.to_owned());
        }
        self.named.entry(document.clone()).or_insert((index, entry.typ.clone()));
        match entry.typ.as_str() {
            "custody.transferred" => {
                self.transfers.insert(document, index);
            }
            RECEIVED => {
                self.transfers.remove(&document);
            }
            "custody.discrepancy" => {
                self.discrepancies.insert(document, index);
            }
            "document.validated" if text("decision").as_deref() == Some("accepted") => {
                self.discrepancies.remove(&text("about").unwrap_or_default());
            }
            _ => {}
        }
    }

    fn open(&self) -> Vec<Finding> {
        let finding = |code, index: u64, detail: String| Finding {
            severity: Severity::Attention,
            code,
            index: Some(index),
            detail,
        };
        let transfers = self.transfers.iter().map(|(id, index)| {
            finding("open_transfer", *index, format!("transfer {id}: nobody has signed that it was received"))
        });
        let discrepancies = self
            .discrepancies
            .iter()
            .map(|(id, index)| finding("open_discrepancy", *index, format!("discrepancy {id} is not settled")));
        transfers.chain(discrepancies).collect()
    }
}
