//! What judges a document that is not here yet: it waits, and counts when that comes.

use std::collections::{BTreeMap, BTreeSet};

use super::error::RegisterError;
use super::ingest::{CHUNK, Received, Taken, Verdict, cell};
use super::judgement::{Arrived, examine_any, judged_by};
use super::store::{Store, Value};
use super::work::Work;
use crate::certificate::document::Document;
use crate::signed::TrustStore;

impl Work<'_> {
    /// Takes in what waited for these documents, and for what comes in by that: a rejection may arrive before what
    /// it rejects.
    pub(super) async fn take_waiting(
        &mut self,
        ids: Vec<String>,
        trust: &TrustStore,
    ) -> Result<Vec<Taken>, RegisterError> {
        let (mut ids, mut taken) = (ids, Vec::new());
        while !ids.is_empty() {
            let mut next = Vec::new();
            for (digest, file) in self.waiting(&ids).await? {
                // It is judged as if it came today; what does not hold today goes on waiting.
                let Ok(Arrived::Judgement(judgement)) = examine_any(&file.bytes, Some(&file.name), trust) else {
                    continue;
                };
                let (result, asset) = self.take_judgement(&file, &judgement).await?;
                if result.verdict == Verdict::Accepted {
                    self.keep(&file, &digest, &result, Some(&judgement.about)).await?;
                    next.push(judgement.document);
                    taken.push((result, asset));
                }
            }
            ids = next;
        }
        Ok(taken)
    }

    /// The documents that wait for one of these, by the SHA-256 of their bytes.
    async fn waiting(&mut self, ids: &[String]) -> Result<BTreeMap<String, Received>, RegisterError> {
        let mut rows = Vec::new();
        for ids in ids.chunks(CHUNK) {
            rows.extend(self.store.waiting(ids).await?);
        }
        // What this work keeps is newer than the table.
        rows.retain(|row| row.first().is_some_and(|digest| !self.documents.contains_key(digest)));
        let asked: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let here = self.documents.values().filter(|row| cell(row, 3) == Some("unmatched"));
        let here = here.filter(|row| cell(row, 8).is_some_and(|about| asked.contains(about)));
        rows.extend(here.filter_map(|row| [0, 5, 7].map(|at| cell(row, at).map(str::to_owned)).into_iter().collect()));
        let received = |row: Vec<String>| {
            let [digest, name, bytes] = <[String; 3]>::try_from(row).ok()?;
            Some((digest, Received { name, bytes: bytes.into_bytes() }))
        };
        Ok(rows.into_iter().filter_map(received).collect())
    }
}

/// Says of documents that an earlier version kept waiting for what they wait.
pub(super) async fn learn_abouts(store: &mut Store) -> Result<(), RegisterError> {
    let text = |t: &str| Value::Text(Some(t.to_owned()));
    let mut after = String::new();
    loop {
        let sql = "SELECT sha256, bytes FROM document \
                   WHERE verdict='unmatched' AND about IS NULL AND sha256>$1 ORDER BY sha256 LIMIT 500";
        let rows = store.texts(sql, &[text(&after)], 2).await?;
        let Some(last) = rows.last().and_then(|row| row.first().cloned().flatten()) else { return Ok(()) };
        for row in rows {
            let [Some(digest), Some(bytes)] = row.as_slice() else { continue };
            let Ok((_, _, document)) = Document::read(bytes.as_bytes()) else { continue };
            let Some(about) = judged_by(&document) else { continue };
            let sql = "UPDATE document SET about=$1 WHERE sha256=$2";
            store.execute(sql, &[text(about), text(digest)], "filling the tables").await?;
        }
        after = last;
    }
}
