//! The way through a log from its first entry to its last: what an audit remembers, and what it finds.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::audit::{AuditConfig, AuditReport, Finding, KnownState, Severity};
use super::entry::Entry;
use super::keys::{Key, Names, Place};
use super::look::Looked;
use super::merkle::{Frontier, Hash};
use crate::signed::{Outcome, format_time};

/// Seconds by which an entry may be dated before the one before it: writers wait for each other.
const CLOCK_SLACK: i64 = 300;

pub(super) struct Walk<'a> {
    log_id: &'a str,
    config: &'a AuditConfig,
    trusted: bool,
    pending: BTreeMap<u64, Vec<&'a KnownState>>,
    frontier: Frontier,
    previous: Option<Hash>,
    dated: Option<DateTime<Utc>>,
    /// A million runs and media must fit into memory, so what is rare is kept apart.
    names: Names,
    runs: HashMap<Key, Run>,
    more: BTreeMap<String, More>,
    /// The first run on each medium.
    media: HashMap<Key, Key>,
    /// All runs on the media that were tried again.
    again: BTreeMap<String, Again>,
    confirmed: Vec<String>,
    findings: Vec<Finding>,
    pub(super) unfinished: bool,
}

/// What the log says of a run: usually one intent and one outcome.
#[derive(Default)]
struct Run {
    intent: Place,
    outcome: Place,
    /// Which of the configured types the outcome is.
    of: u8,
}

/// What a run should not have.
#[derive(Default)]
struct More {
    intents: Vec<u64>,
    outcomes: Vec<(u64, u8)>,
}

/// The runs on a medium, in the order of the log, each once.
#[derive(Default)]
struct Again {
    runs: Vec<Key>,
    known: HashSet<Key>,
}

impl Again {
    fn add(&mut self, run: Key) {
        if self.known.insert(run) {
            self.runs.push(run);
        }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(log_id: &'a str, trusted: bool, known: &'a [KnownState], config: &'a AuditConfig) -> Walk<'a> {
        let mut walk = Walk {
            log_id,
            config,
            trusted,
            pending: BTreeMap::new(),
            frontier: Frontier::default(),
            previous: None,
            dated: None,
            names: Names::default(),
            runs: HashMap::new(),
            more: BTreeMap::new(),
            media: HashMap::new(),
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

    /// The next line.
    pub(super) fn take(&mut self, looked: Looked) {
        let index = self.frontier.size();
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
        self.frontier.push(looked.leaf);
        self.previous = Some(looked.leaf);
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
        let outcome = outcome.map(|at| u8::try_from(at).unwrap_or(u8::MAX));
        if !intent && outcome.is_none() {
            return;
        }
        let Some(run_id) = entry.run_id() else {
            self.bad("entry", Some(index), format!("{} without data.run_id: it belongs to no run", entry.typ));
            return;
        };
        let name = self.names.of_run(run_id);
        if intent {
            self.note_attempt(&entry.subject, name);
        }
        let run = self.runs.entry(name).or_default();
        match outcome {
            None if run.intent.get().is_none() => run.intent = Place::of(index),
            Some(of) if run.outcome.get().is_none() => (run.outcome, run.of) = (Place::of(index), of),
            None => self.more.entry(run_id.to_owned()).or_default().intents.push(index),
            Some(of) => self.more.entry(run_id.to_owned()).or_default().outcomes.push((index, of)),
        }
    }

    fn note_attempt(&mut self, medium: &str, run: Key) {
        match self.media.entry(self.names.of_medium(medium)) {
            Slot::Vacant(place) => drop(place.insert(run)),
            Slot::Occupied(first) if *first.get() != run => {
                let again = self.again.entry(medium.to_owned()).or_default();
                again.add(*first.get());
                again.add(run);
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

    /// What was found on the way.
    pub(super) fn report(mut self) -> AuditReport {
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
        drop(std::mem::take(&mut self.media));
        for (name, run) in std::mem::take(&mut self.runs) {
            self.judge_run(name, run);
        }
        for (medium, again) in std::mem::take(&mut self.again) {
            let runs: Vec<String> = again.runs.iter().map(|run| self.names.run(run)).collect();
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

    fn judge_run(&mut self, name: Key, run: Run) {
        let (intent, outcome) = (run.intent.get(), run.outcome.get().map(|index| (index, run.of)));
        let in_order = matches!((intent, outcome), (Some(intent), Some((outcome, _))) if intent < outcome);
        if in_order && self.more.is_empty() {
            return;
        }
        let run_id = self.names.run(&name);
        let config = self.config;
        let typ = |at: u8| config.outcomes.get(usize::from(at)).map_or("", String::as_str);
        let more = self.more.remove(&run_id).unwrap_or_default();
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
