//! What is written down of a firmware technique while it goes on, and what a later start reads from it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::area::AreaKnown;
use super::canary::Canaries;
use super::sample::Samples;
use crate::policy::Technique;

/// One durable note. The journal keeps them in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// What stood on the medium before anything was written.
    SamplesTaken {
        /// Blocks by digest.
        samples: Samples,
    },
    /// No known content can be written or read before.
    WithoutCanaries {
        /// Why.
        why: String,
    },
    /// The drive takes neither reads nor writes since an erase failed: what was known of the medium before that
    /// technique is what is known now.
    KnownFromBefore {
        /// Why nothing can be written or read.
        why: String,
        /// What is known.
        earlier: Earlier,
    },
    /// These blocks are about to be overwritten with known content.
    CanariesPlanned {
        /// Where, and with what.
        canaries: Canaries,
    },
    /// They hold it: they were read back from the medium.
    CanariesStored {
        /// How many.
        stored: u32,
    },
    /// This area of the card is about to be marked with known content, like the main one.
    AreaPlanned {
        /// Which, what stands in it, and what is written.
        known: AreaKnown,
    },
    /// The erasing command is about to be sent. From here on the drive may be erasing.
    Sending {
        /// Which.
        technique: Technique,
        /// When.
        at: DateTime<Utc>,
    },
    /// What came back of it.
    Answered {
        /// Which.
        technique: Technique,
        /// In words.
        answer: String,
    },
    /// The drive said positively that it did not begin.
    Rejected {
        /// Which.
        technique: Technique,
        /// The drive's words.
        why: String,
    },
    /// What an earlier start had left on the drive was taken off it.
    CleanedUp {
        /// What was done.
        what: String,
    },
    /// The drive said that it came to a good end.
    Completed {
        /// Which.
        technique: Technique,
        /// The drive's words.
        status: String,
        /// When.
        at: DateTime<Utc>,
    },
}

/// Known content that an earlier technique of the run had stored, and seen on the medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// Which technique.
    pub technique: Technique,
    /// Its canaries.
    pub canaries: Canaries,
    /// How many the medium gave back.
    pub stored: u32,
    /// What it had read of the content before.
    pub samples: Samples,
}

/// Where notes are made durable.
pub trait Diary {
    /// Returns only when `note` would survive a power cut.
    fn note(&mut self, note: Note) -> Result<(), DiaryError>;
}

/// A note could not be made durable: nothing more may happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal could not be written: {0}")]
pub struct DiaryError(pub String);

/// What the notes of an earlier start say, folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Blocks of known content, and whether they were seen to hold it.
    pub canaries: Option<(Canaries, Option<u32>)>,
    /// The command that may have been sent and whose end is not known.
    pub sending: Option<Technique>,
    /// Something came back of it, be it that nothing did in time: it was sent.
    pub answered: bool,
    /// The command that came to a good end by the drive's word, and its status.
    pub completed: Option<(Technique, String)>,
    /// What stood on the medium before.
    pub samples: Option<Samples>,
    /// Why there are no canaries.
    pub without_canaries: Option<String>,
    /// Areas of the card beside the main one.
    pub areas: Vec<AreaKnown>,
    /// When the command was first about to be sent.
    pub first_sent: Option<DateTime<Utc>>,
    /// What an earlier technique of the run left as known content. In no note: whoever starts this one says it.
    pub earlier: Option<Earlier>,
    /// The technique before which the known content was stored, where it was not this one, and why.
    pub known_from: Option<(Technique, String)>,
}

impl Past {
    /// Reads the notes in order.
    pub fn fold<'a>(notes: impl IntoIterator<Item = &'a Note>) -> Past {
        let mut past = Past::default();
        notes.into_iter().for_each(|note| past.apply(note));
        past
    }

    /// Takes one note into account.
    pub fn apply(&mut self, note: &Note) {
        match note {
            Note::WithoutCanaries { why } => self.without_canaries = Some(why.clone()),
            Note::KnownFromBefore { why, earlier } => {
                self.canaries = Some((earlier.canaries.clone(), Some(earlier.stored)));
                self.samples = Some(earlier.samples.clone());
                self.known_from = Some((earlier.technique, why.clone()));
            }
            // Whatever was the matter at an earlier start, known content can be stored now.
            Note::CanariesPlanned { canaries } => {
                self.canaries = Some((canaries.clone(), None));
                (self.without_canaries, self.known_from) = (None, None);
            }
            Note::CanariesStored { stored } => {
                if let Some((_, seen)) = &mut self.canaries {
                    *seen = Some(*stored);
                }
            }
            // Those of the first start: what a later one reads may be erased already.
            Note::SamplesTaken { samples } => {
                self.samples.get_or_insert_with(|| samples.clone());
            }
            Note::AreaPlanned { known } => {
                self.areas.retain(|area| area.area != known.area);
                self.areas.push(known.clone());
            }
            Note::Sending { technique, at } => {
                self.sending = Some(*technique);
                self.answered = false;
                self.completed = None;
                self.first_sent.get_or_insert(*at);
            }
            Note::Answered { .. } => self.answered = true,
            Note::CleanedUp { .. } => {}
            Note::Rejected { .. } => self.sending = None,
            Note::Completed { technique, status, .. } => {
                self.sending = None;
                self.completed = Some((*technique, status.clone()));
            }
        }
    }
}
