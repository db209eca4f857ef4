//! The draw of results for an independent check, over what the custody log held at a checkpoint.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::folder::{Station, StationError};
use crate::certificate::{Draw, Ticket};
use crate::custody::{Entries, Frontier, KnownState, LogError, NewEvent};
use crate::signed::StationKey;

/// Custody event: results were drawn for an independent check.
const DRAWN: &str = "sample.drawn";
/// Custody event: what the draws over later checkpoints go by.
const ANNOUNCED: &str = "sample.announced";
/// Custody event: a run passed.
const PASSED: &str = "run.passed";

/// Which results take part, and how many are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Of a hundred.
    pub percent: u8,
    /// Only results logged at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Only results logged before this time.
    pub to: Option<DateTime<Utc>>,
}

/// What a draw is asked for.
#[derive(Clone, Debug)]
pub struct DrawRequest {
    /// The log as it stood when it was fixed.
    pub checkpoint: KnownState,
    /// A value that nobody knew then.
    pub value: String,
    /// Where it was published, for whoever repeats the draw.
    pub source: String,
    /// Of a hundred; where it was announced otherwise, nothing is drawn.
    pub percent: Option<u8>,
    /// Of a hundred, where nobody says and nothing was announced; 0: none.
    pub demanded: u8,
    /// As it was announced.
    pub from: Option<DateTime<Utc>>,
    /// As it was announced.
    pub to: Option<DateTime<Utc>>,
}

/// What was drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// What the seed is made of.
    pub draw: Draw,
    /// Who took part, and how many were drawn.
    pub terms: Terms,
    /// The entry under the checkpoint that had announced so.
    pub announced: Option<u64>,
    /// Every certificate that took part, as the log names them.
    pub population: Vec<String>,
    /// Those to be checked, lowest rank first.
    pub picked: Vec<Ticket>,
    /// Entries that tell of earlier draws over the same checkpoint: somebody may have tried until it
    /// suited them.
    pub earlier: Vec<u64>,
    /// The entry that records this draw.
    pub entry: Option<u64>,
}

/// Nothing was drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// The checkpoint is of another log, or the log was changed since.
    #[error("{from} is no state of this log: {why}")]
    Checkpoint {
        /// Which checkpoint.
        from: String,
        /// What does not fit.
        why: String,
    },
    /// Whoever knows the value could choose who takes part.
    #[error("the checkpoint covers no announcement of {what}, and now the value is known")]
    Unannounced {
        /// What was asked for.
        what: &'static str,
    },
    /// The same.
    #[error("entry {entry} announced another {what} before the checkpoint")]
    OtherTerms {
        /// The announcement.
        entry: u64,
        /// What was asked for.
        what: &'static str,
    },
    /// Nobody says how many.
    #[error("nobody says how many are drawn, neither the checkpoint nor the policy")]
    NoRate,
    /// Nothing took part.
    #[error("up to entry {size} the log names no certificate in that time")]
    Nobody {
        /// Entries of the checkpoint.
        size: u64,
    },
    /// The log or the state folder.
    #[error(transparent)]
    Station(#[from] StationError),
}

/// Puts on record what the draws over later checkpoints go by: once the value is known, a window or a rate could be
/// chosen to suit. The checkpoint's root covers it, and so does the seed. The entry.
pub fn announce(station: &Station, terms: &Terms, key: &StationKey) -> Result<u64, StationError> {
    let log = station.log()?;
    let data = json!({ "percent": terms.percent, "from": terms.from, "to": terms.to });
    let event = NewEvent { typ: ANNOUNCED.to_owned(), subject: format!("log:{}", log.id()), data };
    Ok(log.append(event, key).map_err(StationError::Custody)?.index.0)
}

impl DrawRequest {
    /// What was announced; without that every result takes part, and only how many are drawn is open.
    fn terms(&self, announced: Option<(u64, Terms)>) -> Result<Terms, DrawError> {
        let asked = [
            ("rate", self.percent.is_some(), announced.is_some_and(|(_, t)| self.percent != Some(t.percent))),
            ("--from", self.from.is_some(), announced.is_some_and(|(_, t)| self.from != t.from)),
            ("--to", self.to.is_some(), announced.is_some_and(|(_, t)| self.to != t.to)),
        ];
        match announced {
            Some((entry, terms)) => match asked.into_iter().find(|(_, asked, differs)| *asked && *differs) {
                Some((what, ..)) => Err(DrawError::OtherTerms { entry, what }),
                None => Ok(terms),
            },
            None => match asked.into_iter().find(|(what, asked, _)| *asked && *what != "rate") {
                Some((what, ..)) => Err(DrawError::Unannounced { what }),
                None if self.percent.unwrap_or(self.demanded) == 0 => Err(DrawError::NoRate),
                None => Ok(Terms { percent: self.percent.unwrap_or(self.demanded), from: None, to: None }),
            },
        }
    }
}

/// Draws. With a key the draw is put on record; without one it is only looked at.
pub fn draw(station: &Station, request: &DrawRequest, key: Option<&StationKey>) -> Result<Drawn, DrawError> {
    let state = &request.checkpoint;
    let log_error = |e: LogError| DrawError::Station(StationError::Custody(e));
    let other = |why: String| DrawError::Checkpoint { from: state.from.clone(), why };
    let log = station.log()?;
    if log.id() != state.log_id {
        return Err(other(format!("it is of log {}, this is {}", state.log_id, log.id())));
    }
    let mut tree = Frontier::default();
    let (mut passed, mut announced) = (Vec::new(), None);
    let mut earlier = Vec::new();
    let root = state.root.to_string();
    for logged in Entries::open(&station.custody_folder()).map_err(log_error)? {
        let logged = logged.map_err(log_error)?;
        let entry = &logged.entry;
        let text = |name: &str| entry.data.get(name).and_then(|v| v.as_str());
        if entry.typ == DRAWN && text("root") == Some(root.as_str()) {
            earlier.push(entry.index.0);
        }
        if tree.size() == state.size {
            continue;
        }
        tree.push(logged.leaf_hash);
        match (entry.typ.as_str(), text("document")) {
            (PASSED, Some(document)) => passed.push((entry.time, document.to_owned())),
            (ANNOUNCED, _) => {
                let terms = serde_json::from_value::<Terms>(entry.data.clone()).ok();
                announced = terms.map(|terms| (entry.index.0, terms)).or(announced);
            }
            _ => {}
        }
    }
    if tree.size() < state.size {
        return Err(other(format!("it covers {} entries, the log has {}", state.size, tree.size())));
    }
    if tree.root() != state.root {
        return Err(other("the entries it covers were changed since".to_owned()));
    }
    let terms = request.terms(announced)?;
    let within = |at: DateTime<Utc>| terms.from.is_none_or(|from| at >= from) && terms.to.is_none_or(|to| at < to);
    let population: Vec<String> = passed.into_iter().filter(|(at, _)| within(*at)).map(|(_, id)| id).collect();
    if population.is_empty() {
        return Err(DrawError::Nobody { size: state.size });
    }
    let draw = Draw { log_id: state.log_id.clone(), size: state.size, root, value: request.value.clone() };
    let picked = draw.pick(&population, terms.percent);
    let entry = match key {
        None => None,
        Some(key) => {
            let data = json!({
                "size": state.size.to_string(), "root": draw.root, "value": draw.value, "source": request.source,
                "percent": terms.percent, "from": terms.from, "to": terms.to,
                "announced": announced.map(|(entry, _)| entry.to_string()),
                "population": population.len(), "picked": picked.iter().map(|ticket| &ticket.id).collect::<Vec<_>>(),
            });
            let event = NewEvent { typ: DRAWN.to_owned(), subject: format!("log:{}", state.log_id), data };
            Some(log.append(event, key).map_err(log_error)?.index.0)
        }
    };
    let announced = announced.map(|(entry, _)| entry);
    Ok(Drawn { draw, terms, announced, population, picked, earlier, entry })
}
