//! Evidence comes in: verified at the border, matched to a medium, kept as it was signed. What is
//! refused is kept too, with the reason. What judges a document that is not here waits for it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::act::{Act, MediumIdentity};
use super::error::RegisterError;
use super::event::sha256;
use super::evidence::{Evidence, EvidenceRefused};
use super::judgement::{Arrived, Judgement, examine_any, judged_by, named};
use super::state::State;
use super::store::Value;
use super::work::Work;
use super::{Medium, Placed, Register};
use crate::certificate::document::Document;
use crate::signed::{StationKey, TrustStore, format_time};

/// Documents of one transaction.
pub(super) const CHUNK: usize = 200;

/// Columns of the table `document`.
pub(super) const COLUMNS: [&str; 9] =
    ["sha256", "id", "kind", "verdict", "reason", "name", "received_at", "bytes", "about"];

/// What was accepted once stays the evidence it was, whatever is thought of its key later, and by whom.
pub(super) const REPLACEABLE: &str = "document.verdict<>'accepted'";

/// A file that came in.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its name, for the report; a name that is a document's id must be the id of this one.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ingested {
    /// The file's name.
    pub name: String,
    /// SHA-256 of the payload, where it could be read.
    pub document: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, where it was not accepted.
    pub reason: Option<String>,
    /// Tag of the asset that its medium is in.
    pub asset: Option<String>,
    /// The asset was closed by it.
    pub closed: bool,
    /// What still keeps the asset from being closed.
    pub blockers: Vec<String>,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stands with its medium now.
    Accepted,
    /// It was here already; nothing changed.
    Known,
    /// It does not verify, or rights or rules refuse it. Kept, and never counted.
    Refused,
    /// It is good, but no medium of the register, or more than one, fits it. Kept; try again later.
    Unmatched,
}

impl Register {
    /// Takes files in. Doing it twice changes nothing. Runs that made a medium larger come first, then all runs by
    /// their dates, then what judges other documents; the answers are in the order of the files. Where the register
    /// has a trust of its own, documents are verified by that one, and `trust` may only name what it knows.
    pub async fn ingest(
        &mut self,
        key: &StationKey,
        files: &[Received],
        trust: &TrustStore,
    ) -> Result<Vec<Ingested>, RegisterError> {
        let (trust, digest) = &self.believed(key, trust).await?;
        let mut all: Vec<(usize, &Received, _)> = Vec::with_capacity(files.len());
        for (place, file) in files.iter().enumerate() {
            all.push((place, file, examine_any(&file.bytes, Some(&file.name), trust)));
        }
        let after = |arrived: &Result<Arrived, _>| match arrived {
            Ok(Arrived::Judgement(judgement)) => (2, Some(judgement.at)),
            // It says at which other size its medium is known.
            Ok(Arrived::Evidence(evidence)) if evidence.identity.size_before.is_some() => (0, Some(evidence.ended)),
            // What failed and was tried again comes in that way round.
            Ok(Arrived::Evidence(evidence)) => (1, Some(evidence.ended)),
            Err(_) => (1, None),
        };
        all.sort_by_key(|(_, _, arrived)| after(arrived));
        let mut done: Vec<Done> = Vec::with_capacity(files.len());
        let (mut waited, mut asked) = (Vec::new(), Vec::new());
        for examined in all.chunks(CHUNK) {
            let (took, more) = self
                .run(key, async |work: &mut Work<'_>| {
                    work.trust = Some(digest.clone());
                    work.gather_media(examined.iter().filter_map(|(_, _, arrived)| about(arrived))).await?;
                    let mut took = Vec::with_capacity(examined.len());
                    for (_, file, arrived) in examined {
                        let digest = sha256(&file.bytes);
                        let (result, asset) = match arrived {
                            Ok(Arrived::Evidence(evidence)) => work.take(file, evidence).await?,
                            Ok(Arrived::Judgement(judgement)) => work.take_judgement(file, judgement).await?,
                            Err(refused) => (blank(file, Verdict::Refused, Some(refused.to_string())), None),
                        };
                        work.keep(file, &digest, &result, judged(arrived)).await?;
                        took.push((result, asset));
                    }
                    let held = took.iter().filter_map(|(result, _)| result.held().cloned()).collect();
                    let more = work.take_waiting(held, trust).await?;
                    Ok((took, more))
                })
                .await?;
            waited.extend(more);
            for ((_, _, arrived), (result, _)) in examined.iter().zip(&took) {
                let about = judged(arrived).filter(|_| result.verdict == Verdict::Unmatched).map(str::to_owned);
                asked.extend(about.or_else(|| result.held().cloned()));
            }
            let places = examined.iter().map(|(place, _, _)| *place);
            done.extend(places.zip(took).map(|(place, (result, asset))| (place, result, asset)));
        }
        done.sort_by_key(|(place, _, _)| *place);
        // Once more after it is stored: of two who bring in a document and its judgement at one time, neither saw
        // the other's, and the second of them sees it now.
        for ids in asked.chunks(CHUNK) {
            let more = self.run(key, async |work: &mut Work<'_>| {
                work.trust = Some(digest.clone());
                work.take_waiting(ids.to_vec(), trust).await
            });
            waited.extend(more.await?);
        }
        tell(&mut done, waited);
        self.close_what_is_ready(key, &mut done).await?;
        Ok(done.into_iter().map(|(_, result, _)| result).collect())
    }

    /// After everything is in: a certificate must not close an asset before the rejection that came
    /// with it is read.
    async fn close_what_is_ready(&mut self, key: &StationKey, done: &mut [Done]) -> Result<(), RegisterError> {
        let mut streams: Vec<String> = done.iter().filter_map(|(_, _, asset)| asset.clone()).collect();
        streams.sort();
        streams.dedup();
        for chunk in streams.chunks(CHUNK) {
            let settled = self
                .run(key, async |work: &mut Work<'_>| {
                    work.gather_assets(chunk).await?;
                    let mut settled = Vec::with_capacity(chunk.len());
                    for stream in chunk {
                        settled.push(work.close_if_ready(stream).await?);
                    }
                    Ok(settled)
                })
                .await?;
            for (stream, (tag, closed, blockers)) in chunk.iter().zip(settled) {
                let mut about = done.iter_mut().rev().filter(|(_, _, asset)| asset.as_ref() == Some(stream));
                let mut closes = closed;
                about.by_ref().for_each(|(_, result, _)| {
                    result.asset.clone_from(&tag);
                    result.closed = std::mem::take(&mut closes);
                    result.blockers.clone_from(&blockers);
                });
            }
        }
        Ok(())
    }
}

/// What became of a file, and the stream of the asset that its medium is in.
pub(super) type Taken = (Ingested, Option<String>);

/// The same with the file's place in the delivery.
type Done = (usize, Ingested, Option<String>);

impl Work<'_> {
    async fn take(&mut self, file: &Received, evidence: &Evidence) -> Result<Taken, RegisterError> {
        let found = self.find_media(&evidence.identity).await?;
        let document = Some(evidence.document.clone());
        let (stream, medium) = match found.as_slice() {
            [one] => one.clone(),
            [] => {
                let reason = format!("no medium of the register is {}", evidence.identity.label());
                return Ok((Ingested { document, ..blank(file, Verdict::Unmatched, Some(reason)) }, None));
            }
            several => {
                let reason = format!("{} media of the register could be {}", several.len(), evidence.identity.label());
                return Ok((Ingested { document, ..blank(file, Verdict::Unmatched, Some(reason)) }, None));
            }
        };
        let mut result = Ingested { document, ..blank(file, Verdict::Known, None) };
        if medium.held(&evidence.document).is_none() {
            match self.append(&stream, Act::EvidenceAccepted { evidence: evidence.clone() }).await {
                Ok(()) => result.verdict = Verdict::Accepted,
                Err(RegisterError::Refused(refused)) => {
                    (result.verdict, result.reason) = (Verdict::Refused, Some(refused.to_string()));
                    return Ok((result, None));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((result, medium.asset))
    }

    pub(super) async fn take_judgement(
        &mut self,
        file: &Received,
        judgement: &Judgement,
    ) -> Result<Taken, RegisterError> {
        let document = Some(judgement.document.clone());
        let unmatched =
            |why: String| (Ingested { document: document.clone(), ..blank(file, Verdict::Unmatched, Some(why)) }, None);
        let mut found = match &judgement.identity {
            Some(identity) => self.find_media(identity).await?,
            None => Vec::new(),
        };
        // The document that is judged decides, where media look alike.
        found.retain(|(_, medium)| medium.knows(&judgement.about));
        if found.is_empty() {
            found = self.media_knowing(&judgement.about).await?;
        }
        let [(stream, medium)] = found.as_slice() else {
            let about = judgement.about.get(..12).unwrap_or(&judgement.about);
            return Ok(unmatched(format!("document {about}, which it judges, is not held here; bring it in first")));
        };
        let mut result = Ingested { document: document.clone(), ..blank(file, Verdict::Known, None) };
        if !medium.judgements.iter().any(|j| j.document == judgement.document) {
            match self.append(stream, Act::EvidenceJudged { judgement: judgement.clone() }).await {
                Ok(()) => result.verdict = Verdict::Accepted,
                Err(RegisterError::Refused(refused)) => {
                    (result.verdict, result.reason) = (Verdict::Refused, Some(refused.to_string()));
                    return Ok((result, None));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((result, medium.asset.clone()))
    }

    /// The media that hold a document, by what it says itself of its medium: who judges it may call that otherwise, or
    /// not name it.
    async fn media_knowing(&mut self, about: &str) -> Result<Vec<(String, Medium)>, RegisterError> {
        let mut id = about.to_owned();
        // A revocation of a validation of a certificate, and one more.
        for _ in 0..4 {
            let Some(bytes) = self.kept(&id).await? else { break };
            let Ok((_, _, document)) = Document::read(bytes.as_bytes()) else { break };
            if let Some(name) = document.medium() {
                let mut found = self.find_media(&named(&name)).await?;
                found.retain(|(_, medium)| medium.knows(about));
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            let Some(judged) = judged_by(&document) else { break };
            id = judged.to_owned();
        }
        Ok(Vec::new())
    }

    /// The bytes of an accepted document.
    async fn kept(&mut self, id: &str) -> Result<Option<String>, RegisterError> {
        let here = self.documents.values().find(|row| cell(row, 1) == Some(id) && cell(row, 3) == Some("accepted"));
        if let Some(bytes) = here.and_then(|row| cell(row, 7)) {
            return Ok(Some(bytes.to_owned()));
        }
        let sql = "SELECT bytes FROM document WHERE id=$1 AND verdict='accepted'";
        let rows = self.store.texts(sql, &[Value::Text(Some(id.to_owned()))], 1).await?;
        Ok(rows.into_iter().flatten().flatten().next())
    }

    /// Closes the asset when nothing is in the way any more, and else tells what is: its tag, whether
    /// it was closed now, and what stands against it.
    async fn close_if_ready(&mut self, asset: &str) -> Result<(Option<String>, bool, Vec<String>), RegisterError> {
        let Some(Placed { state: State::Asset(asset), .. }) = self.placed(asset).await? else {
            return Ok((None, false, Vec::new()));
        };
        let tag = asset.tag.clone();
        if asset.stage != super::Stage::Disposition {
            return Ok((Some(tag), false, Vec::new()));
        }
        let mut blockers = self.blockers(&tag).await?;
        let mut closed = false;
        if blockers.is_empty() {
            match self.close(&tag).await {
                Ok(_) => closed = true,
                Err(RegisterError::Refused(refused)) => blockers.push(refused.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok((Some(tag), closed, blockers))
    }

    /// Sets the outcome of a disposal; the final certificate's bytes are kept with it.
    pub async fn set_outcome(
        &mut self,
        tag: &str,
        outcome: super::LineOutcome,
        certificate: Option<&[u8]>,
    ) -> Result<(), RegisterError> {
        let (stream, _) = self.asset(tag).await?;
        let final_document = match certificate {
            Some(bytes) => Some(self.attach("final", bytes).await?),
            None => None,
        };
        self.act(&stream, Act::OutcomeSet { outcome, final_document }).await
    }

    /// `about`: the document that it judges.
    pub(super) async fn keep(
        &mut self,
        file: &Received,
        digest: &str,
        result: &Ingested,
        about: Option<&str>,
    ) -> Result<(), RegisterError> {
        let text = |t: &str| Value::Text(Some(t.to_owned()));
        if result.verdict == Verdict::Known {
            return Ok(());
        }
        if result.verdict != Verdict::Accepted {
            // What the table has accepted is not replaced; what is accepted here is not there yet.
            if self.documents.get(digest).is_some_and(|row| cell(row, 3) == Some("accepted")) {
                return Ok(());
            }
        }
        let verdict = match result.verdict {
            Verdict::Accepted | Verdict::Known => "accepted",
            Verdict::Refused => "refused",
            Verdict::Unmatched => "unmatched",
        };
        // Any rubbish can come in; PostgreSQL holds no zero bytes in a text.
        let (kind, bytes) = match std::str::from_utf8(&file.bytes) {
            Ok(plain) if !plain.contains('\0') => ("evidence", plain.to_owned()),
            _ => ("evidence, base64url", crate::signed::encode_base64url(&file.bytes)),
        };
        let row = vec![
            text(digest),
            Value::Text(result.document.clone()),
            text(kind),
            text(verdict),
            Value::Text(result.reason.clone()),
            text(&file.name.replace('\0', "")),
            text(&format_time(self.now)),
            text(&bytes),
            Value::Text(about.map(str::to_owned)),
        ];
        self.documents.insert(digest.to_owned(), row);
        Ok(())
    }
}

impl Ingested {
    /// The document, where the register holds it.
    fn held(&self) -> Option<&String> {
        self.document.as_ref().filter(|_| matches!(self.verdict, Verdict::Accepted | Verdict::Known))
    }
}

/// A file of this very delivery that waited for another one is told as what it is now.
fn tell(done: &mut [Done], waited: Vec<Taken>) {
    let waited: BTreeMap<Option<String>, Option<String>> =
        waited.into_iter().map(|(result, asset)| (result.document, asset)).collect();
    for (_, result, asset) in done.iter_mut().filter(|(_, result, _)| result.verdict == Verdict::Unmatched) {
        if let Some(of) = waited.get(&result.document) {
            (result.verdict, result.reason) = (Verdict::Accepted, None);
            asset.clone_from(of);
        }
    }
}

/// A text of a row of the table `document`, by its place in [`COLUMNS`].
pub(super) fn cell(row: &[Value], at: usize) -> Option<&str> {
    match row.get(at) {
        Some(Value::Text(text)) => text.as_deref(),
        _ => None,
    }
}

/// The document that a judgement is about.
fn judged(arrived: &Result<Arrived, EvidenceRefused>) -> Option<&str> {
    match arrived {
        Ok(Arrived::Judgement(judgement)) => Some(&judgement.about),
        _ => None,
    }
}

/// The medium that a document is about, where it names one.
fn about(arrived: &Result<Arrived, EvidenceRefused>) -> Option<&MediumIdentity> {
    match arrived {
        Ok(Arrived::Evidence(evidence)) => Some(&evidence.identity),
        Ok(Arrived::Judgement(judgement)) => judgement.identity.as_ref(),
        Err(_) => None,
    }
}

fn blank(file: &Received, verdict: Verdict, reason: Option<String>) -> Ingested {
    let name = file.name.clone();
    Ingested { name, document: None, verdict, reason, asset: None, closed: false, blockers: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::{Database, Role};

    /// Of two who bring in one document, the one who trusts fewer keys may be the later one.
    #[tokio::test]
    async fn what_somebody_else_has_accepted_meanwhile_stays_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let key = StationKey::from_seed(&[7; 32]);
        let at = Database::File(dir.path().join("register.db"));
        let mut register = Register::init(&at, "Example Org", "Mia", &[Role::Compliance], &key).await.unwrap();
        let bytes = b"{}";
        let file = Received { name: "d.json".into(), bytes: bytes.to_vec() };
        let digest = sha256(bytes);
        let kept = async |work: &mut Work<'_>| {
            let refused = blank(&file, Verdict::Refused, Some("its key is not known".into()));
            work.keep(&file, &digest, &refused, None).await?;
            work.attach("final", b"receipt").await?;
            for (sha256, kind) in [(digest.clone(), "evidence"), (sha256(b"receipt"), "evidence")] {
                let row = [sha256.as_str(), kind, "accepted", "2026-01-01T00:00:00Z", "{}"]
                    .map(|t| Value::Text(Some(t.to_owned())));
                let sql = "INSERT INTO document(sha256, kind, verdict, received_at, bytes) VALUES ($1, $2, $3, $4, $5)";
                work.store.execute(sql, &row, "being faster").await?;
            }
            Ok(())
        };
        register.run(&key, kept).await.unwrap();
        let rows = register.store.texts("SELECT verdict FROM document", &[], 1).await.unwrap();
        assert_eq!(rows, vec![vec![Some("accepted".to_owned())]; 2]);
        // What is not accepted yet can be.
        let other = Received { name: "e.json".into(), bytes: b"[]".to_vec() };
        for (verdict, stays) in
            [(Verdict::Refused, "refused"), (Verdict::Accepted, "accepted"), (Verdict::Refused, "accepted")]
        {
            let digest = sha256(&other.bytes);
            let again =
                async |work: &mut Work<'_>| work.keep(&other, &digest, &blank(&other, verdict, None), None).await;
            register.run(&key, again).await.unwrap();
            let sql = "SELECT verdict FROM document WHERE sha256=$1";
            let rows = register.store.texts(sql, &[Value::Text(Some(digest))], 1).await.unwrap();
            assert_eq!(rows, vec![vec![Some(stays.to_owned())]]);
        }
    }
}
