//! The audit of a station's log against the station's own evidence: every document names the log as
//! it was at its run, and must stand in the log as the outcome of that run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::thread;

use super::folder::{Station, StationError};
use crate::certificate::{self, document::RECEIVED};
use crate::custody::{self, AuditConfig, AuditReport, Entry, Finding, Hash, KnownState, Severity};
#[cfg(feature = "erase")]
use crate::sanitize::journal::{self, Journal};
use crate::signed::{Jws, TrustStore, sha256};

/// Looks through the log. `known` are states of it that were kept elsewhere.
pub fn audit(
    station: &Station,
    trust: Option<&TrustStore>,
    mut known: Vec<KnownState>,
) -> Result<AuditReport, StationError> {
    let going = going(station);
    let (mut documents, mut logged) = (documents(station), Logged::default());
    known.extend(documents.iter_mut().filter_map(|d| d.run.as_mut()?.state.take()));
    known.sort_by_key(|state| state.size);
    logged.here.extend(documents.iter().map(|d| (d.id, Said::default())));
    for document in &documents {
        if let (Some(run), Some(said)) = (&document.run, logged.here.get_mut(&document.id)) {
            said.run = Some(run.id.as_str());
        }
    }
    // What the log says of documents is gathered on the audit's own way through it.
    let folder = station.custody_folder();
    let mut report =
        custody::audit_with(&folder, trust, &known, &AuditConfig::default(), &mut |entry| logged.take(entry))?;
    report.findings.extend(documents.iter().filter_map(|d| d.judge(logged.here.get(&d.id)?, report.size, &going)));
    for id in put_since(station, &documents) {
        logged.elsewhere.remove(&id);
    }
    let open = logged.open();
    report.findings.extend(logged.missing());
    report.findings.extend(open);
    report.findings.extend(custody::torn_ends(&folder)?.iter().map(|(path, length)| torn(path, *length)));
    report.findings.sort_by_key(|f| f.index.unwrap_or(u64::MAX));
    Ok(report)
}

/// It was never acknowledged, so the log lacks nothing.
fn torn(path: &Path, length: u64) -> Finding {
    let detail = format!(
        "a crash cut off a write to the log: its {length} bytes, which were never acknowledged, were set aside in {}",
        path.display()
    );
    Finding { severity: Severity::Attention, code: "torn_end", index: None, detail }
}

/// The state of the log that a document names. Nothing is verified: a wrong one can only raise an
/// alarm, never silence one.
pub fn known_state(bytes: &[u8], path: &Path) -> Option<KnownState> {
    run(bytes, path)?.1.state
}

/// SHA-256 of a payload.
type Id = [u8; 32];

/// A signed document in one of the station's folders.
struct Document {
    id: Id,
    path: PathBuf,
    /// What it says of its run, where it is a certificate or a failure report in their folders.
    run: Option<Run>,
    /// It lies where the documents are that every one must be named in the log.
    other: bool,
}

struct Run {
    id: String,
    state: Option<KnownState>,
}

/// What the log says of a document that is here.
#[derive(Default)]
struct Said<'a> {
    /// The run that the document is about.
    run: Option<&'a str>,
    /// The log named it last as the outcome of that run.
    as_outcome: bool,
    named: bool,
}

impl Document {
    /// What is wrong with a document that the log does not name as it should.
    fn judge(&self, said: &Said<'_>, size: u64, going: &HashSet<String>) -> Option<Finding> {
        let from = self.path.display();
        let mut severity = Severity::Bad;
        let detail = match &self.run {
            Some(run) if !said.as_outcome && going.contains(&run.id) => {
                severity = Severity::Attention;
                format!(
                    "{from} is of run {}, which was at work when this audit began: audit again when it is done",
                    run.id
                )
            }
            Some(run) if !said.as_outcome => format!(
                "{from} (run {}) is not in the log as the outcome of its run: the log was cut after entry {}, or the \
                 run was interrupted before its outcome was logged (`lastwrite resume` shows that)",
                run.id,
                size.saturating_sub(1)
            ),
            None if self.other && !said.named => format!(
                "{from} is named nowhere in the log: the log was cut, or the document was put there past it \
                 (`lastwrite certificate add` names it)"
            ),
            _ => return None,
        };
        Some(Finding { severity, code: "document_not_logged", index: None, detail })
    }
}

/// The files in a folder.
fn list(folder: PathBuf) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The runs that a process is at work on. Their documents are stored before the log has their outcomes.
#[cfg(feature = "erase")]
fn going(station: &Station) -> HashSet<String> {
    let mut journals = journal::unfinished(&station.journals()).unwrap_or_default();
    journals.retain(|path| Journal::is_busy(path));
    journals.iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

/// Without `erase` there are no runs.
#[cfg(not(feature = "erase"))]
fn going(_: &Station) -> HashSet<String> {
    HashSet::new()
}

/// Documents that came while the log was read: a station goes on with its work.
fn put_since(station: &Station, before: &[Document]) -> Vec<Id> {
    let before: HashSet<&Path> = before.iter().map(|document| document.path.as_path()).collect();
    let mut new = [list(station.certificates()), list(station.failures()), list(station.documents())].concat();
    new.retain(|path| !before.contains(path.as_path()));
    read_all(&new, |bytes, path| other(bytes, path, false)).iter().map(|document| document.id).collect()
}

/// The documents in the station's folders, in order: those of runs by their ids, then the others.
fn documents(station: &Station) -> Vec<Document> {
    let of_runs = [list(station.certificates()), list(station.failures())].concat();
    let mut found = read_all(&of_runs, |bytes, path| match run(bytes, path) {
        Some((id, run)) => Some(Document { id, path: path.to_owned(), run: Some(run), other: false }),
        None => other(bytes, path, false),
    });
    found.sort_by_key(|document| document.id);
    found.extend(read_all(&list(station.documents()), |bytes, path| other(bytes, path, true)));
    found
}

fn run(bytes: &[u8], path: &Path) -> Option<(Id, Run)> {
    let (jws, payload) = certificate::read(bytes).ok()?;
    let facts = payload.facts;
    let (log_id, size) = (facts.intent.log_id, facts.intent.size.0);
    let state = |root| KnownState { log_id, size, root, from: path.display().to_string() };
    Some((sha256(jws.payload()), Run { id: facts.run_id, state: facts.intent.root.parse().ok().map(state) }))
}

fn other(bytes: &[u8], path: &Path, other: bool) -> Option<Document> {
    let jws = Jws::parse(bytes).ok()?;
    Some(Document { id: sha256(jws.payload()), path: path.to_owned(), run: None, other })
}

/// What can be read, on all cores; in the order of the paths.
fn read_all(paths: &[PathBuf], read: impl Fn(&[u8], &Path) -> Option<Document> + Sync) -> Vec<Document> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = paths.len().div_ceil(cores).max(64);
    let read = |part: &[PathBuf]| -> Vec<Document> {
        part.iter().filter_map(|path| read(&std::fs::read(path).ok()?, path)).collect()
    };
    thread::scope(|scope| {
        let workers: Vec<_> = paths.chunks(share).map(|part| (part, scope.spawn(|| read(part)))).collect();
        workers.into_iter().flat_map(|(part, worker)| worker.join().unwrap_or_else(|_| read(part))).collect()
    })
}

/// What the log says of documents. An audit that stops at a bad entry gathers up to there. A log may name millions,
/// so ids are kept as bytes, and of a document that is here nothing but what is asked at the end.
#[derive(Default)]
struct Logged<'a> {
    here: HashMap<Id, Said<'a>>,
    /// Documents that are not here: the entry that names each first, and its type.
    elsewhere: HashMap<Id, (u64, u32)>,
    /// The same of names that are no SHA-256.
    odd: BTreeMap<String, (u64, u32)>,
    /// Types by their numbers.
    types: HashMap<String, u32>,
    /// Transfers that nobody has received yet.
    transfers: BTreeMap<String, u64>,
    /// Discrepancies, by their ids.
    discrepancies: BTreeMap<String, Reported>,
    /// Discrepancies by the validations of them.
    judged: HashMap<String, String>,
}

/// A discrepancy, and what validators said of it since.
#[derive(Default)]
struct Reported {
    index: u64,
    /// Validations that are not revoked, in the order of the log, and whether they accept it.
    judgements: Vec<(String, bool)>,
}

impl Reported {
    /// The last word of a validator that still holds accepts it.
    fn is_settled(&self) -> bool {
        self.judgements.last().is_some_and(|(_, accepts)| *accepts)
    }
}

impl Logged<'_> {
    fn take(&mut self, entry: &Entry) {
        let text = |member: &str| entry.data.get(member).and_then(|v| v.as_str());
        let Some(document) = text("document") else { return };
        let index = entry.index.0;
        let id = document.parse::<Hash>().ok().map(|hash| hash.0);
        match id.and_then(|id| self.here.get_mut(&id)) {
            Some(said) => {
                said.named = true;
                if let Some(run) = entry.run_id() {
                    said.as_outcome = said.run == Some(run);
                }
            }
            None => {
                let first = (index, self.number_of(&entry.typ));
                match id {
                    Some(id) => drop(self.elsewhere.entry(id).or_insert(first)),
                    None => drop(self.odd.entry(document.to_owned()).or_insert(first)),
                }
            }
        }
        match entry.typ.as_str() {
            "custody.transferred" => {
                self.transfers.insert(document.to_owned(), index);
            }
            RECEIVED => {
                self.transfers.remove(document);
            }
            "custody.discrepancy" => {
                self.discrepancies.insert(document.to_owned(), Reported { index, ..Reported::default() });
            }
            "document.validated" => {
                let about = text("about").unwrap_or_default();
                if let Some(reported) = self.discrepancies.get_mut(about) {
                    reported.judgements.push((document.to_owned(), text("decision") == Some("accepted")));
                    self.judged.insert(document.to_owned(), about.to_owned());
                }
            }
            // Without its acceptance a discrepancy is as open as it was before.
            "document.revoked" => {
                let about = text("about").unwrap_or_default();
                let reported = self.judged.get(about).and_then(|id| self.discrepancies.get_mut(id));
                if let Some(reported) = reported {
                    reported.judgements.retain(|(id, _)| id != about);
                }
            }
            _ => {}
        }
    }

    fn number_of(&mut self, typ: &str) -> u32 {
        match self.types.get(typ) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.types.len()).unwrap_or(u32::MAX);
                self.types.insert(typ.to_owned(), number);
                number
            }
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
        let discrepancies =
            self.discrepancies.iter().filter(|(_, reported)| !reported.is_settled()).map(|(id, reported)| {
                finding("open_discrepancy", reported.index, format!("discrepancy {id} is not settled"))
            });
        transfers.chain(discrepancies).collect()
    }

    /// Documents that the log names and that are not here.
    fn missing(self) -> impl Iterator<Item = Finding> {
        let mut types = vec![String::new(); self.types.len()];
        for (typ, number) in self.types {
            if let Some(place) = types.get_mut(number as usize) {
                *place = typ;
            }
        }
        let finding = move |document: &dyn std::fmt::Display, (index, typ): (u64, u32)| Finding {
            severity: Severity::Attention,
            code: "document_missing",
            index: Some(index),
            detail: format!(
                "{} names document {document}, which is not in the state folder: it was moved or removed",
                types.get(typ as usize).map_or("", String::as_str)
            ),
        };
        let odd: Vec<Finding> = self.odd.iter().map(|(name, first)| finding(name, *first)).collect();
        odd.into_iter().chain(self.elsewhere.into_iter().map(move |(id, first)| finding(&Hash(id), first)))
    }
}
