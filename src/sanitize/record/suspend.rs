//! A suspend to RAM that was to unfreeze the drive, as it is told.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::media::Exchange;

/// What a drive refuses until its power was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frozen {
    /// The commands of the Security feature set (IDENTIFY DEVICE word 128 bit 3; ACS-5 4.18).
    Security,
    /// SANITIZE DEVICE (bit 13 of what SANITIZE STATUS EXT returns in COUNT; ACS-5 4.17).
    Sanitize,
}

/// The machine was to be suspended to RAM before anything was erased, to cut the drive's power.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspension {
    /// What was frozen before.
    pub frozen: Vec<Frozen>,
    /// When it was noted that the machine is about to be suspended.
    pub noted: DateTime<Utc>,
    /// When the machine was seen to run again; absent: the kernel did not suspend it, or the run was cut
    /// before it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub woke: Option<DateTime<Utc>>,
    /// Seconds it slept, by the kernel's clocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slept_seconds: Option<u32>,
    /// Why the kernel did not suspend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// What was frozen when the drive was asked again; absent: that was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<Frozen>>,
    /// What was sent to find that out, and what came back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<Exchange>,
}

impl Frozen {
    /// For a sentence: `its security commands`.
    pub fn words(self) -> &'static str {
        match self {
            Frozen::Security => "its security commands",
            Frozen::Sanitize => "its sanitize commands",
        }
    }

    /// Several of them.
    pub fn list(all: &[Frozen]) -> String {
        all.iter().map(|frozen| frozen.words()).collect::<Vec<_>>().join(" and ")
    }
}

impl Suspension {
    /// One sentence without its full stop.
    pub fn words(&self) -> String {
        let time = |at: &DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        let frozen = Frozen::list(&self.frozen);
        let began = time(&self.noted);
        let did = match (&self.failed, &self.woke) {
            (Some(why), _) => format!("the machine was to be suspended to RAM at {began}, and was not: {why}"),
            (None, Some(woke)) => {
                let slept = self.slept_seconds.map(|s| format!(", {s} s asleep")).unwrap_or_default();
                format!("the machine was suspended to RAM from {began} to {}{slept}", time(woke))
            }
            (None, None) => format!(
                "the machine was about to be suspended to RAM at {began}, and the run was cut before it was known \
                 whether it was"
            ),
        };
        let then = match self.after.as_deref() {
            None => "whether the drive is still frozen is not known".to_owned(),
            Some([]) => "the drive was not frozen any more after it".to_owned(),
            Some(still) => format!("the drive was still frozen after it ({})", Frozen::list(still)),
        };
        format!("{did}, because the drive was frozen ({frozen}); {then}")
    }
}
