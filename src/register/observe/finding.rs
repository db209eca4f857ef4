//! A finding: the record and what was seen do not agree, until a person says what it was.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::register::act::{Act, Condition};
use crate::register::error::{Refusal, RegisterError};
use crate::register::state::State;
use crate::register::work::Work;

/// What does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// On the books and not seen.
    GhostOnBooks,
    /// Seen, and in no record.
    UnknownDevice,
    /// Seen at another place.
    LocationMismatch,
    /// Seen with another person.
    CustodianMismatch,
    /// Closed, and seen again.
    SeenAfterClose,
    /// Two records with one serial number.
    DuplicateSerial,
}

/// What it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It is there.
    Found,
    /// It is gone. Its condition becomes `missing`; it still closes on evidence alone.
    WrittenOff,
    /// It has a record now.
    Registered,
    /// The record was corrected.
    Corrected,
    /// There was nothing wrong.
    FalsePositive,
}

/// The state of a finding; also what its first event says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What does not agree.
    pub kind: FindingKind,
    /// What it is about: of the same kind and name only one is open.
    pub name: String,
    /// Stream of the asset, where there is one.
    pub asset: Option<String>,
    /// Its tag, or the tag that was seen.
    pub tag: Option<String>,
    /// The place that decides who may resolve it.
    pub place: Option<String>,
    /// In plain words.
    pub detail: String,
    /// Since when, by the clock of who opened it.
    pub opened: DateTime<Utc>,
    /// What it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
}

/// How a finding ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolved {
    /// What it was.
    pub resolution: Resolution,
    /// Why that is known.
    pub reason: String,
}

impl FindingKind {
    /// All of them.
    pub const ALL: [FindingKind; 6] = [
        FindingKind::GhostOnBooks,
        FindingKind::UnknownDevice,
        FindingKind::LocationMismatch,
        FindingKind::CustodianMismatch,
        FindingKind::SeenAfterClose,
        FindingKind::DuplicateSerial,
    ];

    /// As in events, tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            FindingKind::GhostOnBooks => "ghost_on_books",
            FindingKind::UnknownDevice => "unknown_device",
            FindingKind::LocationMismatch => "location_mismatch",
            FindingKind::CustodianMismatch => "custodian_mismatch",
            FindingKind::SeenAfterClose => "seen_after_close",
            FindingKind::DuplicateSerial => "duplicate_serial",
        }
    }

    /// The one of that name.
    pub fn of_name(name: &str) -> Option<FindingKind> {
        FindingKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// In the words of a report.
    pub fn words(self) -> &'static str {
        match self {
            FindingKind::GhostOnBooks => "on the books, not seen",
            FindingKind::UnknownDevice => "seen, not in the register",
            FindingKind::LocationMismatch => "at another place",
            FindingKind::CustodianMismatch => "with another person",
            FindingKind::SeenAfterClose => "closed, and seen again",
            FindingKind::DuplicateSerial => "one serial number twice",
        }
    }
}

impl Resolution {
    /// All of them.
    pub const ALL: [Resolution; 5] = [
        Resolution::Found,
        Resolution::WrittenOff,
        Resolution::Registered,
        Resolution::Corrected,
        Resolution::FalsePositive,
    ];

    /// As in events, tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Resolution::Found => "found",
            Resolution::WrittenOff => "written_off",
            Resolution::Registered => "registered",
            Resolution::Corrected => "corrected",
            Resolution::FalsePositive => "false_positive",
        }
    }

    /// The one of that name.
    pub fn of_name(name: &str) -> Option<Resolution> {
        Resolution::ALL.into_iter().find(|resolution| resolution.name() == name)
    }

    fn fits(self, kind: FindingKind) -> bool {
        match self {
            Resolution::Found | Resolution::WrittenOff => kind == FindingKind::GhostOnBooks,
            Resolution::Registered => kind == FindingKind::UnknownDevice,
            Resolution::Corrected | Resolution::FalsePositive => true,
        }
    }
}

impl Finding {
    /// The state after the first event.
    pub(in crate::register) fn begin(act: &Act) -> Result<Finding, Refusal> {
        match act {
            Act::FindingOpened(finding) if finding.resolved.is_none() => Ok(finding.clone()),
            _ => Err(Refusal::rule("a finding begins with finding_opened")),
        }
    }

    /// Whether the act may happen.
    pub(in crate::register) fn check(&self, act: &Act) -> Result<(), Refusal> {
        let Act::FindingResolved(Resolved { resolution, reason }) = act else {
            return Err(Refusal::rule("that is no change of a finding"));
        };
        if let Some(before) = &self.resolved {
            let name = before.resolution.name();
            return Err(Refusal::rule(format!("the finding is resolved already: {name}")));
        }
        if !resolution.fits(self.kind) {
            let fitting = Resolution::ALL.iter().filter(|r| r.fits(self.kind)).map(|r| r.name());
            return Err(Refusal::rule(format!("{} is not how {} ends", resolution.name(), self.kind.name()))
                .hint(format!("it ends with {}", fitting.collect::<Vec<_>>().join(", "))));
        }
        match reason.trim().is_empty() {
            true => Err(Refusal::rule("a finding is resolved with a reason")),
            false => Ok(()),
        }
    }

    /// The state after a checked act.
    pub(in crate::register) fn apply(&mut self, act: &Act) {
        if let Act::FindingResolved(resolved) = act {
            self.resolved = Some(resolved.clone());
        }
    }
}

impl Work<'_> {
    /// Says what a finding was. What is written off becomes missing; that closes nothing.
    pub async fn resolve(
        &mut self,
        stream: &str,
        resolution: Resolution,
        reason: String,
    ) -> Result<Finding, RegisterError> {
        let missing = || RegisterError::NotFound { what: "finding", name: stream.to_owned() };
        let placed = self.placed(stream).await?.ok_or_else(missing)?;
        let State::Finding(finding) = placed.state else { return Err(missing()) };
        self.append(stream, Act::FindingResolved(Resolved { resolution, reason: reason.clone() })).await?;
        if let (Resolution::WrittenOff, Some(asset)) = (resolution, &finding.asset) {
            let act = Act::ConditionSet { condition: Condition::Missing, note: Some(reason) };
            self.append(asset, act).await?;
        }
        Ok(finding)
    }
}
