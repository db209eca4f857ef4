//! What is known of areas that the host cannot address.

use serde::{Deserialize, Serialize};

use crate::media::{AreaOutcome, Exchange, HiddenArea};

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
    },
    /// Not examined; says why. They may exist and were not reached.
    NotExamined {
        /// Reason.
        why: String,
    },
}

impl HiddenAreas {
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
