//! What is told of the custody log where a crash had cut off a write to it.

use std::path::{Path, PathBuf};

use super::{output, station_failure};
use crate::custody;
use crate::frontend::exit::Failure;
use crate::station::{Station, StationError};

/// The ends that had been set aside before a command opened the log. Those that were set aside since are told when it
/// is over, however it ends.
pub struct TornEnds {
    folder: PathBuf,
    known: Vec<PathBuf>,
}

impl TornEnds {
    /// As it is now.
    pub fn of(station: &Station) -> Result<TornEnds, Failure> {
        let folder = station.custody_folder();
        let known = list(&folder)?.into_iter().map(|(path, _)| path).collect();
        Ok(TornEnds { folder, known })
    }
}

impl Drop for TornEnds {
    /// Hides nothing of what became of the media.
    fn drop(&mut self) {
        let now = list(&self.folder).unwrap_or_else(|failure| {
            output::line_err(&failure.to_string());
            Vec::new()
        });
        for (path, length) in now.into_iter().filter(|(path, _)| !self.known.contains(path)) {
            output::line_err(&format!(
                "NOTE: a crash had cut off a write to the custody log: its {length} bytes, which were never acknowledged, \
                 are set aside in {}",
                path.display()
            ));
        }
    }
}

fn list(folder: &Path) -> Result<Vec<(PathBuf, u64)>, Failure> {
    custody::torn_ends(folder).map_err(|error| station_failure(&StationError::Custody(error)))
}
