//! Which lines speak of which subject and which run. Built when first asked, kept up afterwards.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::store::Line;
use crate::signed::decode_base64url;

/// Where a line lies: start and length without newline.
pub(super) type Place = (u64, usize);

#[derive(Deserialize)]
struct BriefEnvelope<'a> {
    payload: &'a str,
}

#[derive(Deserialize)]
struct BriefEntry {
    subject: String,
    data: Value,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    subjects: HashMap<String, Vec<Place>>,
    runs: HashMap<String, Vec<Place>>,
}

impl Index {
    pub fn add(&mut self, line: &Line) {
        self.put((line.start, line.bytes.len()), &line.entry.subject, line.entry.run_id());
    }

    /// Takes in a line that was checked when it was first seen, reading no more than is needed.
    /// `None`: it cannot be read at all.
    pub fn add_known(&mut self, start: u64, line: &[u8]) -> Option<()> {
        let envelope: BriefEnvelope = serde_json::from_slice(line).ok()?;
        let payload = decode_base64url(envelope.payload).ok()?;
        let brief: BriefEntry = serde_json::from_slice(&payload).ok()?;
        let run = brief.data.get("run_id").and_then(Value::as_str);
        self.put((start, line.len()), &brief.subject, run);
        Some(())
    }

    fn put(&mut self, place: Place, subject: &str, run: Option<&str>) {
        self.subjects.entry(subject.to_owned()).or_default().push(place);
        if let Some(run) = run {
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
