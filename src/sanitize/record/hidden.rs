//! What is known of areas that the host cannot address.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::media::{AreaOutcome, Exchange, HiddenArea, Identity};

/// What is known of areas the host cannot address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum HiddenAreas {
    /// There are none by the nature of the medium (image file, loop device).
    Impossible,
    /// By the standard the drive's command reaches them too. No host can read them and see.
    ReachedByCommand {
        /// Which rule.
        why: String,
        /// Those that were found.
        areas: Vec<HiddenArea>,
        /// What was sent to give areas back before the run, and what came back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exchanges: Vec<Exchange>,
        /// Whose areas were given back, where a run began with that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restored: Option<Box<Restored>>,
    },
    /// The drive was asked before the run.
    Examined {
        /// By which of its own commands.
        by: String,
        /// What it hides or hid, and what became of it. Empty: it says that it hides nothing.
        areas: Vec<HiddenArea>,
        /// What was sent to give areas back before the run, and what came back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exchanges: Vec<Exchange>,
        /// Whose areas were given back, where a run began with that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restored: Option<Box<Restored>>,
    },
    /// Not examined; says why. They may exist and were not reached.
    NotExamined {
        /// Reason.
        why: String,
    },
}

/// The medium as it was before hidden areas were given back, and who wanted that. What it is since
/// stands where every document has its medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// Its identity then, with the capacity that the host could address.
    pub before: Identity,
    /// What was asked for where an area cannot be given back.
    pub otherwise: Otherwise,
    /// When the larger medium was bound to the run.
    pub at: DateTime<Utc>,
}

/// A person wants hidden areas given back. What becomes of the run where one cannot be?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// It ends, and nothing is erased.
    #[default]
    Refuse,
    /// It goes on, and the area is recorded as excluded.
    Exclude,
}

impl HiddenAreas {
    /// What was sent to give areas back, and what came back.
    pub fn exchanges(&self) -> &[Exchange] {
        match self {
            HiddenAreas::ReachedByCommand { exchanges, .. } | HiddenAreas::Examined { exchanges, .. } => exchanges,
            HiddenAreas::Impossible | HiddenAreas::NotExamined { .. } => &[],
        }
    }

    /// The medium before its areas were given back.
    pub fn restored(&self) -> Option<&Restored> {
        match self {
            HiddenAreas::ReachedByCommand { restored, .. } | HiddenAreas::Examined { restored, .. } => {
                restored.as_deref()
            }
            HiddenAreas::Impossible | HiddenAreas::NotExamined { .. } => None,
        }
    }

    /// Those that are known of.
    pub fn areas(&self) -> &[HiddenArea] {
        match self {
            HiddenAreas::ReachedByCommand { areas, .. } | HiddenAreas::Examined { areas, .. } => areas,
            HiddenAreas::Impossible | HiddenAreas::NotExamined { .. } => &[],
        }
    }

    /// Those of which this became.
    pub fn with(&self, outcome: AreaOutcome) -> impl Iterator<Item = &HiddenArea> {
        self.areas().iter().filter(move |area| area.outcome == Some(outcome))
    }
}
