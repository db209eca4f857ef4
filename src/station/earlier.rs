//! Earlier runs on a medium, as the custody log tells of them.

use super::evidence::{FAILED, INTENDED, PASSED};
use super::prepare::subject;
use crate::custody::{Entry, Log, LogError};
use crate::media::{Identity, Medium};
use crate::sanitize::record::EarlierAttempt;

/// Earlier runs on a medium, under any of the sizes that it had or is to have, but for runs of this very call: those
/// are on twins.
pub(super) fn earlier_attempts(log: &Log, media: &[Medium], own: &[String]) -> Result<Vec<EarlierAttempt>, LogError> {
    let mut attempts: Vec<(u64, EarlierAttempt)> = Vec::new();
    let mut runs: Vec<String> = Vec::new();
    for medium in media.iter().filter(|medium| medium.identity.is_distinctive()) {
        for run in runs_on(log, medium)? {
            if !runs.contains(&run) && !own.contains(&run) {
                runs.push(run);
            }
        }
    }
    for run_id in runs {
        // A run that gave hidden areas back speaks of the medium by more than one size.
        for entry in log.find_run(&run_id)?.into_iter().map(|logged| logged.entry) {
            if entry.typ == INTENDED {
                let (run_id, intended) = (run_id.clone(), entry.time);
                attempts.push((entry.index.0, EarlierAttempt { run_id, intended, outcome: "none".to_owned() }));
            } else if let Some((_, attempt)) = attempts.iter_mut().find(|(_, a)| a.run_id == run_id) {
                match entry.typ.as_str() {
                    PASSED => attempt.outcome = "pass".to_owned(),
                    FAILED => attempt.outcome = "fail".to_owned(),
                    _ => {}
                }
            }
        }
    }
    attempts.sort_by_key(|(index, _)| *index);
    Ok(attempts.into_iter().map(|(_, attempt)| attempt).collect())
}

/// By the medium's name in the log, and of a file by the file: in its name is the number of its file system, which
/// may be another one after a reboot.
fn runs_on(log: &Log, medium: &Medium) -> Result<Vec<String>, LogError> {
    let name = subject(medium);
    let mut found: Vec<Entry> = log.find_subject(&name)?.into_iter().map(|logged| logged.entry).collect();
    if let Some(path) = medium.identity.backing.as_ref().and_then(|backing| backing.path.to_str()) {
        let class = |name: &str| name.split(':').next().map(str::to_owned);
        for entry in log.find_file(path)?.into_iter().map(|logged| logged.entry) {
            let is_intent = entry.typ == INTENDED && class(&entry.subject) == class(&name);
            if is_intent && identity_in(&entry).is_some_and(|identity| identity.is_same_file(&medium.identity)) {
                found.push(entry);
            }
        }
    }
    Ok(found.iter().filter_map(|entry| entry.run_id().map(str::to_owned)).collect())
}

pub(super) fn identity_in(entry: &Entry) -> Option<Identity> {
    serde_json::from_value(entry.data.get("medium")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::NewEvent;
    use crate::media::{Backing, Geometry, Kind, MediumClass, Transport, Zoned};
    use crate::signed::StationKey;
    use crate::units::Bytes;
    use serde_json::json;

    fn image(device: u64, path: &str) -> Medium {
        let backing = Backing { device: Bytes(device), inode: Bytes(7), offset: Bytes(0), path: path.into() };
        Medium {
            path: path.into(),
            other_paths: Vec::new(),
            identity: Identity { size: Bytes(4096), backing: Some(backing), ..Identity::default() },
            transport: Transport::File,
            kind: Kind::Image,
            class: MediumClass::Image,
            geometry: Geometry { size: Bytes(4096), logical_block: 512, physical_block: 4096 },
            rotational: None,
            zoned: Zoned::None,
            removable: false,
            diskseq: None,
            partition: None,
            signatures: Vec::new(),
            protections: Vec::new(),
            confirm_token: "T".into(),
        }
    }

    #[test]
    fn an_image_has_its_history_on_a_file_system_with_another_number() {
        let folder = tempfile::tempdir().unwrap();
        Log::create(folder.path()).unwrap();
        let (log, key) = (Log::open(folder.path()).unwrap(), StationKey::from_seed(&[1; 32]));
        let note = |typ: &str, run: &str, medium: &Medium| {
            let data = json!({ "run_id": run, "medium": medium.identity });
            log.append(NewEvent { typ: typ.to_owned(), subject: subject(medium), data }, &key).unwrap();
        };
        let (before, other) = (image(1, "/a.img"), image(1, "/b.img"));
        let (first, second, third) = ("aa".repeat(16), "bb".repeat(16), "cc".repeat(16));
        note(INTENDED, &first, &before);
        note(FAILED, &first, &before);
        note(INTENDED, &second, &image(2, "/a.img"));
        note(PASSED, &second, &image(2, "/a.img"));
        note(INTENDED, &third, &other);
        let known = |medium: Medium, own: &[String]| {
            let found = earlier_attempts(&log, &[medium], own).unwrap();
            found.into_iter().map(|run| (run.run_id, run.outcome)).collect::<Vec<_>>()
        };
        let (failed, passed) = ((first.clone(), "fail".to_owned()), (second, "pass".to_owned()));
        assert_eq!(known(image(9, "/a.img"), &[]), [failed, passed.clone()]);
        assert_eq!(known(image(9, "/a.img"), &[first]), [passed]);
        assert_eq!(known(image(9, "/b.img"), &[]), [(third, "none".to_owned())]);
    }
}
