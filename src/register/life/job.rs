//! Work orders: maintenance, repairs, help desk; the downtime that came of them; maintenance that
//! comes back.

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{check_day, check_name, check_words};
use crate::register::act::Act;
use crate::register::error::Refusal;
use crate::register::number::Money;
use crate::register::words::words;

words!(
    /// Kinds of work.
    WorkKind {
        /// Maintenance by plan.
        Scheduled = "scheduled",
        /// Something is broken.
        Repair = "repair",
        /// Better parts or software.
        Upgrade = "upgrade",
        /// Somebody asked for help.
        Helpdesk = "helpdesk",
        /// Software is brought up to date.
        Patch = "patch",
        /// Dust.
        Cleaning = "cleaning",
        /// Looked at: disks, memory, battery, logs.
        Diagnostics = "diagnostics",
    }
);

/// A time in which the asset was out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Downtime {
    /// Its begin.
    pub from: DateTime<Utc>,
    /// Its end.
    pub to: DateTime<Utc>,
    /// Announced before; an unplanned one is an outage.
    pub planned: bool,
}

/// A work order as it is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkFacts {
    /// Number, unique.
    pub number: String,
    /// Stream of the asset.
    pub asset: String,
    /// Its tag.
    pub tag: String,
    /// Kind.
    pub kind: WorkKind,
    /// What is to be done, or what is wrong.
    pub title: String,
    /// When it is to be done by.
    pub due: Option<DateTime<Utc>>,
    /// Name of the asset's schedule that it comes of.
    pub schedule: Option<String>,
    /// Who asked for it.
    pub reporter: Option<String>,
    /// Who does it.
    pub assignee: Option<String>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkResult {
    /// When it was done.
    pub at: DateTime<Utc>,
    /// What was done.
    pub result: String,
    /// What it cost; booked on the asset too.
    pub cost: Option<Money>,
}

/// The state of a work order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkOrder {
    /// As it was opened.
    pub facts: WorkFacts,
    /// When it was opened.
    pub opened: DateTime<Utc>,
    /// Words to it, with their times.
    pub notes: Vec<(DateTime<Utc>, String)>,
    /// When the asset was out of service for it.
    pub downtime: Vec<Downtime>,
    /// How it ended.
    pub done: Option<WorkResult>,
    /// Why it was not done.
    pub cancelled: Option<String>,
}

/// A work order that is open on an asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenWork {
    /// Its number.
    pub number: String,
    /// Its kind.
    pub kind: WorkKind,
}

/// Maintenance that comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Its name, unique on the asset.
    pub name: String,
    /// What kind of work.
    pub kind: WorkKind,
    /// Days between one and the next.
    pub every_days: u32,
    /// The day the next is due.
    pub next: String,
}

impl Schedule {
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        check_name("schedule", &self.name)?;
        check_day("first day", &self.next)?;
        match (1..=3660).contains(&self.every_days) {
            true => Ok(()),
            false => Err(Refusal::rule("maintenance comes back after 1 to 3660 days")),
        }
    }

    /// Counts on from the day it was done.
    pub(crate) fn advance(&mut self, done: NaiveDate) {
        if let Some(next) = done.checked_add_days(Days::new(u64::from(self.every_days))) {
            self.next = next.to_string();
        }
    }
}

impl Downtime {
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        match self.from < self.to {
            true => Ok(()),
            false => Err(Refusal::rule("a downtime ends after it begins")),
        }
    }
}

impl WorkOrder {
    /// `open`, `done`, `cancelled`.
    pub fn status(&self) -> &'static str {
        match (&self.done, &self.cancelled) {
            (Some(_), _) => "done",
            (None, Some(_)) => "cancelled",
            (None, None) => "open",
        }
    }

    /// Whether it was done by the time it was due; `None` where nothing was due or it is open.
    pub fn on_time(&self) -> Option<bool> {
        Some(self.done.as_ref()?.at <= self.facts.due?)
    }

    pub(crate) fn begin(act: &Act, at: DateTime<Utc>) -> Result<WorkOrder, Refusal> {
        let Act::WorkOpened(facts) = act else {
            return Err(Refusal::rule("a work order begins with work_opened"));
        };
        check_name("number", &facts.number)?;
        check_words("the title", &facts.title)?;
        Ok(WorkOrder {
            facts: facts.clone(),
            opened: at,
            notes: Vec::new(),
            downtime: Vec::new(),
            done: None,
            cancelled: None,
        })
    }

    pub(crate) fn check(&self, act: &Act) -> Result<(), Refusal> {
        if self.status() != "open" {
            return Err(Refusal::rule(format!("work order {} is {} already", self.facts.number, self.status())));
        }
        match act {
            Act::WorkNoted { text } => check_words("the note", text),
            Act::WorkDown(downtime) => downtime.check(),
            Act::WorkDone(result) => check_words("what was done", &result.result),
            Act::WorkCancelled { reason } => check_words("the reason", reason),
            _ => Err(Refusal::rule("that is no change of a work order")),
        }
    }

    pub(crate) fn apply(&mut self, act: &Act, at: DateTime<Utc>) {
        match act {
            Act::WorkNoted { text } => self.notes.push((at, text.clone())),
            Act::WorkDown(downtime) => self.downtime.push(downtime.clone()),
            Act::WorkDone(result) => self.done = Some(result.clone()),
            Act::WorkCancelled { reason } => self.cancelled = Some(reason.clone()),
            _ => {}
        }
    }
}
