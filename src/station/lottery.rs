//! The draw of results for an independent check, over what the custody log held at a checkpoint.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::folder::{Station, StationError};
use crate::certificate::{Draw, Ticket};
use crate::custody::{Entries, Frontier, KnownState, LogError, NewEvent};
use crate::signed::StationKey;

/// Custody event: results were drawn for an independent check.
const DRAWN: &str = "sample.drawn";
/// Custody event: a run passed.
const PASSED: &str = "run.passed";

/// Which results take part, and how many are drawn.
#[derive(Clone, Debug)]
pub struct DrawRequest {
    /// The log as it stood when it was fixed.
    pub checkpoint: KnownState,
    /// A value that nobody knew then.
    pub value: String,
    /// Where it was published, for whoever repeats the draw.
    pub source: String,
    /// Of a hundred.
    pub percent: u8,
    /// Only results logged at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Only results logged before this time.
    pub to: Option<DateTime<Utc>>,
}

/// What was drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// What the seed is made of.
    pub draw: Draw,
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
    let mut population = Vec::new();
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
        let within = request.from.is_none_or(|from| entry.time >= from) && request.to.is_none_or(|to| entry.time < to);
        if let (PASSED, true, Some(document)) = (entry.typ.as_str(), within, text("document")) {
            population.push(document.to_owned());
        }
    }
    if tree.size() < state.size {
        return Err(other(format!("it covers {} entries, the log has {}", state.size, tree.size())));
    }
    if tree.root() != state.root {
        return Err(other("the entries it covers were changed since".to_owned()));
    }
    if population.is_empty() {
        return Err(DrawError::Nobody { size: state.size });
    }
    let draw = Draw { log_id: state.log_id.clone(), size: state.size, root, value: request.value.clone() };
    let picked = draw.pick(&population, request.percent);
    let entry = match key {
        None => None,
        Some(key) => {
            let data = json!({
                "size": state.size.to_string(), "root": draw.root, "value": draw.value, "source": request.source,
                "percent": request.percent, "from": request.from, "to": request.to,
                "population": population.len(), "picked": picked.iter().map(|ticket| &ticket.id).collect::<Vec<_>>(),
            });
            let event = NewEvent { typ: DRAWN.to_owned(), subject: format!("log:{}", state.log_id), data };
            Some(log.append(event, key).map_err(log_error)?.index.0)
        }
    };
    Ok(Drawn { draw, population, picked, earlier, entry })
}
