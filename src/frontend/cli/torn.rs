//! What is told of the custody log where a crash had cut off a write to it.

use std::path::PathBuf;

use super::{output, station_failure};
use crate::custody;
use crate::frontend::exit::Failure;
use crate::station::{Station, StationError};

/// The ends that had been set aside before a command opened the log.
pub struct TornEnds(Vec<PathBuf>);

impl TornEnds {
    /// As it is now.
    pub fn of(station: &Station) -> Result<TornEnds, Failure> {
        Ok(TornEnds(list(station)?.into_iter().map(|(path, _)| path).collect()))
    }

    /// Tells those that were set aside since. Hides nothing of what became of the media.
    pub fn tell(&self, station: &Station) {
        let now = list(station).unwrap_or_else(|failure| {
            output::line_err(&failure.to_string());
            Vec::new()
        });
        for (path, length) in now.into_iter().filter(|(path, _)| !self.0.contains(path)) {
            output::line_err(&format!(
                "NOTE: a crash had cut off a write to the custody log: its {length} bytes, which were never acknowledged, \
                 are set aside in {}",
                path.display()
            ));
        }
    }
}

fn list(station: &Station) -> Result<Vec<(PathBuf, u64)>, Failure> {
    custody::torn_ends(&station.custody_folder()).map_err(|error| station_failure(&StationError::Custody(error)))
}
