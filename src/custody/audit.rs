//! The whole log, looked through by somebody who trusts nobody.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::LOG_FILE;
use super::entries::read_id;
use super::entry::{Entry, EntryError};
use super::error::LogError;
use super::keys::{Index, MediumKeys, RunId};
use super::merkle::{Frontier, Hash, leaf_hash};
use super::store::{LineRead, read_line};
use crate::signed::{Check, Outcome, TrustStore, format_time, verify};

/// Lines, and about how many bytes of them, that are checked in parallel at a time.
const CHUNK: usize = 2048;
const CHUNK_BYTES: usize = 8 << 20;
/// Seconds by which an entry may be dated before the one before it: writers wait for each other.
const CLOCK_SLACK: i64 = 300;

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
    /// `clock_went_back`.
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
    let mut walk = Walk::new(&log_id, trust, known, config);
    let mut finished = false;
    while !finished {
        let mut lines = Vec::with_capacity(CHUNK);
        let mut room = CHUNK_BYTES;
        while lines.len() < CHUNK && room > 0 {
            match read_line(&mut reader).map_err(|e| failed("reading", e))? {
                LineRead::Line(bytes) => {
                    room = room.saturating_sub(bytes.len());
                    lines.push(bytes);
                }
                LineRead::End => finished = true,
                LineRead::Unfinished => {
                    walk.unfinished = true;
                    finished = true;
                }
            }
            if finished {
                break;
            }
        }
        for (line, looked) in lines.iter().zip(look_at_all(&lines, trust)) {
            if let Ok(entry) = &looked.entry {
                each(entry);
            }
            walk.take(line, looked);
        }
    }
    Ok(walk.report())
}

/// One line by itself: its entry, and the signature checks that did not pass.
struct Looked {
    entry: Result<Entry, EntryError>,
    doubts: Vec<Check>,
}

fn look_at(line: &[u8], trust: Option<&TrustStore>) -> Looked {
    match Entry::read(line) {
        Ok((jws, entry)) => {
            let checks = verify(&jws, super::ENTRY_TYP, trust);
            Looked { entry: Ok(entry), doubts: checks.into_iter().filter(|c| c.outcome != Outcome::Passed).collect() }
        }
        Err(e) => Looked { entry: Err(e), doubts: Vec::new() },
    }
}

/// Signatures are what takes the time, so lines are looked at on all cores.
fn look_at_all(lines: &[Vec<u8>], trust: Option<&TrustStore>) -> Vec<Looked> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = lines.len().div_ceil(cores).max(64);
    let look = |part: &[Vec<u8>]| part.iter().map(|line| look_at(line, trust)).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let workers: Vec<_> = lines.chunks(share).map(|part| (part, scope.spawn(move || look(part)))).collect();
        workers.into_iter().flat_map(|(part, worker)| worker.join().unwrap_or_else(|_| look(part))).collect()
    })
}

struct Walk<'a> {
    log_id: &'a str,
    config: &'a AuditConfig,
    trusted: bool,
    pending: BTreeMap<u64, Vec<&'a KnownState>>,
    frontier: Frontier,
    previous: Option<Hash>,
    dated: Option<DateTime<Utc>>,
    /// A million runs and media must fit into memory, so what is rare is kept apart.
    runs: HashMap<RunId, Run>,
    more: BTreeMap<String, More>,
    /// The first run on each medium.
    media: HashMap<[u64; 2], RunId>,
    medium_keys: MediumKeys,
    /// All runs on the media that were tried again.
    again: BTreeMap<String, Vec<String>>,
    confirmed: Vec<String>,
    findings: Vec<Finding>,
    unfinished: bool,
}

/// What the log says of a run: usually one intent and one outcome.
#[derive(Default)]
struct Run {
    intent: Option<Index>,
    outcome: Option<Index>,
    /// Which of the configured types the outcome is.
    of: u16,
}

/// What a run should not have.
#[derive(Default)]
struct More {
    intents: Vec<u64>,
    outcomes: Vec<(u64, u16)>,
}

impl<'a> Walk<'a> {
    fn new(log_id: &'a str, trust: Option<&TrustStore>, known: &'a [KnownState], config: &'a AuditConfig) -> Walk<'a> {
        let mut walk = Walk {
            log_id,
            config,
            trusted: trust.is_some(),
            pending: BTreeMap::new(),
            frontier: Frontier::default(),
            previous: None,
            dated: None,
            runs: HashMap::new(),
            more: BTreeMap::new(),
            media: HashMap::new(),
            medium_keys: MediumKeys::default(),
            again: BTreeMap::new(),
            confirmed: Vec::new(),
            findings: Vec::new(),
            unfinished: false,
        };
        for state in known {
            match state.log_id == log_id {
                true => walk.pending.entry(state.size).or_default().push(state),
                false => walk.bad("known_state", None, format!(
                    "{} speaks of log {}, but this is log {log_id}: the log was exchanged, or the wrong one is audited",
                    state.from, state.log_id
                )),
            }
        }
        walk.compare();
        walk
    }

    fn take(&mut self, line: &[u8], looked: Looked) {
        let index = self.frontier.size();
        let leaf = leaf_hash(line);
        match looked.entry {
            Err(e) => self.bad("entry", Some(index), e.to_string()),
            Ok(entry) => {
                if let Err(e) = entry.check_place(self.log_id, index, self.previous) {
                    self.bad("entry", Some(index), e.to_string());
                }
                self.note_time(index, entry.time);
                self.note_run(index, &entry);
            }
        }
        for doubt in looked.doubts {
            match doubt.outcome {
                Outcome::Failed => self.bad("signature", Some(index), format!("{}: {}", doubt.name, doubt.detail)),
                // Without a trust store this is said once, not for each entry.
                _ if self.trusted && doubt.name == "revocation" => {
                    self.attention("signature", Some(index), doubt.detail);
                }
                _ => {}
            }
        }
        self.frontier.push(leaf);
        self.previous = Some(leaf);
        self.compare();
    }

    /// Compares the tree with what is known of it at this size.
    fn compare(&mut self) {
        let size = self.frontier.size();
        for state in self.pending.remove(&size).unwrap_or_default() {
            let root = self.frontier.root();
            match state.root == root {
                true => self.confirmed.push(state.from.clone()),
                false => self.bad(
                    "known_state",
                    size.checked_sub(1),
                    format!(
                        "{} knows the first {size} entries by root {}, but they have root {root}: one of them was \
                     changed, or the log was forked at or before entry {}",
                        state.from,
                        state.root,
                        size.saturating_sub(1)
                    ),
                ),
            }
        }
    }

    fn note_run(&mut self, index: u64, entry: &Entry) {
        let intent = self.config.intents.contains(&entry.typ);
        let outcome = self.config.outcomes.iter().position(|typ| *typ == entry.typ);
        let outcome = outcome.map(|at| u16::try_from(at).unwrap_or(u16::MAX));
        if !intent && outcome.is_none() {
            return;
        }
        let Some(run_id) = entry.run_id() else {
            self.bad("entry", Some(index), format!("{} without data.run_id: it belongs to no run", entry.typ));
            return;
        };
        let name = RunId::of(run_id);
        if intent {
            self.note_attempt(&entry.subject, run_id, &name);
        }
        let run = self.runs.entry(name).or_default();
        match outcome {
            None if run.intent.is_none() => run.intent = Some(Index::new(index)),
            Some(of) if run.outcome.is_none() => (run.outcome, run.of) = (Some(Index::new(index)), of),
            None => self.more.entry(run_id.to_owned()).or_default().intents.push(index),
            Some(of) => self.more.entry(run_id.to_owned()).or_default().outcomes.push((index, of)),
        }
    }

    fn note_attempt(&mut self, medium: &str, run_id: &str, run: &RunId) {
        match self.media.entry(self.medium_keys.of(medium)) {
            Slot::Vacant(place) => drop(place.insert(run.clone())),
            Slot::Occupied(first) if first.get() != run => {
                let runs = self.again.entry(medium.to_owned()).or_insert_with(|| vec![first.get().to_string()]);
                if !runs.iter().any(|r| r == run_id) {
                    runs.push(run_id.to_owned());
                }
            }
            Slot::Occupied(_) => {}
        }
    }

    /// The order of the log is the order of events, so a date before the last one's is a clock that
    /// was set back, or is.
    fn note_time(&mut self, index: u64, time: DateTime<Utc>) {
        match self.dated {
            Some(before) if (before - time).num_seconds() > CLOCK_SLACK => self.attention(
                "clock_went_back",
                Some(index),
                format!(
                    "it is dated {}, but an entry before it {}: the station's clock was set back, or one of the dates \
                     is made up",
                    format_time(time),
                    format_time(before)
                ),
            ),
            _ => {}
        }
        // Told once for each step back, not for every entry after it.
        self.dated = Some(time);
    }

    fn report(mut self) -> AuditReport {
        let size = self.frontier.size();
        for state in std::mem::take(&mut self.pending).into_values().flatten() {
            self.bad(
                "known_state",
                Some(size),
                format!(
                    "{} knows of {} entries, but the log ends after {size}: entries were cut off",
                    state.from, state.size
                ),
            );
        }
        if self.unfinished {
            self.attention(
                "unfinished",
                Some(size),
                "the last line is unfinished: a write goes on, or a crash cut it off".into(),
            );
        }
        for (run_id, run) in std::mem::take(&mut self.runs) {
            self.judge_run(&run_id.to_string(), &run);
        }
        for (medium, runs) in std::mem::take(&mut self.again) {
            let detail = format!("medium {medium} was tried {} times: runs {}", runs.len(), runs.join(", "));
            self.attention("several_attempts", None, detail);
        }
        if !self.trusted && size > 0 {
            let detail = "no trust store was given, so no signature was checked; the chain and the tree were";
            self.attention("signers_not_checked", None, detail.to_owned());
        }
        self.findings.sort_by_key(|f| f.index.unwrap_or(u64::MAX));
        AuditReport {
            log_id: self.log_id.to_owned(),
            size,
            root: self.frontier.root(),
            confirmed: self.confirmed,
            findings: self.findings,
        }
    }

    fn judge_run(&mut self, run_id: &str, run: &Run) {
        let config = self.config;
        let typ = |at: u16| config.outcomes.get(usize::from(at)).map_or("", String::as_str);
        let more = self.more.remove(run_id).unwrap_or_default();
        let intent = run.intent.map(Index::get);
        let outcome = run.outcome.map(|index| (index.get(), run.of));
        match (intent, outcome, more.outcomes.first()) {
            (Some(intent), None, _) => {
                self.attention("no_outcome", Some(intent), format!("run {run_id} was intended and has no outcome"));
            }
            (Some(_), Some((first, of)), Some(second)) => {
                let all = std::iter::once((first, of)).chain(more.outcomes.iter().copied());
                let all: Vec<_> = all.map(|(index, at)| format!("{} ({index})", typ(at))).collect();
                let detail = format!("run {run_id} has {} outcomes: {}", all.len(), all.join(", "));
                self.bad("several_outcomes", Some(second.0), detail);
            }
            (Some(intent), Some((outcome, of)), None) if outcome < intent => {
                let detail = format!("{} of run {run_id} stands before its intent", typ(of));
                self.bad("outcome_without_intent", Some(outcome), detail);
            }
            (None, Some((outcome, of)), _) => {
                let detail = format!("{} of run {run_id} has no intent", typ(of));
                self.bad("outcome_without_intent", Some(outcome), detail);
            }
            (Some(_), Some(_), None) | (None, None, _) => {}
        }
        if let Some(again) = more.intents.first() {
            self.bad("entry", Some(*again), format!("run {run_id} was intended twice; a run id is used once"));
        }
    }

    fn bad(&mut self, code: &'static str, index: Option<u64>, detail: String) {
        self.findings.push(Finding { severity: Severity::Bad, code, index, detail });
    }

    fn attention(&mut self, code: &'static str, index: Option<u64>, detail: String) {
        self.findings.push(Finding { severity: Severity::Attention, code, index, detail });
    }
}
