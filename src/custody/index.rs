//! Which lines speak of which subject and which run. Built when first asked, kept up afterwards.

use std::collections::HashMap;

use super::store::Line;

/// Where a line lies: start and length without newline.
pub(super) type Place = (u64, usize);

#[derive(Debug, Default)]
pub(super) struct Index {
    subjects: HashMap<String, Vec<Place>>,
    runs: HashMap<String, Vec<Place>>,
}

impl Index {
    pub fn add(&mut self, line: &Line) {
        let place = (line.start, line.bytes.len());
        self.subjects.entry(line.entry.subject.clone()).or_default().push(place);
        if let Some(run) = line.entry.run_id() {
            self.runs.entry(run.to_owned()).or_default().push(place);
        }
    }

    pub fn subject(&self, subject: &str) -> &[Place] {
        self.subjects.get(subject).map_or(&[], Vec::as_slice)
    }

    pub fn run(&self, run_id: &str) -> &[Place] {
        self.runs.get(run_id).map_or(&[], Vec::as_slice)
    }
}
