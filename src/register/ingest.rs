//! Evidence comes in: verified at the border, matched to a medium, kept as it was signed. What is
//! refused is kept too, with the reason.

use serde::Serialize;

use super::act::{Act, MediumIdentity};
use super::error::RegisterError;
use super::event::sha256;
use super::evidence::{Evidence, EvidenceRefused};
use super::judgement::{Arrived, Judgement, examine_any};
use super::state::State;
use super::store::Value;
use super::work::Work;
use super::{Placed, Register};
use crate::signed::{StationKey, TrustStore, format_time};

/// Documents of one transaction.
const CHUNK: usize = 200;

/// Columns of the table `document`.
pub(super) const COLUMNS: [&str; 8] = ["sha256", "id", "kind", "verdict", "reason", "name", "received_at", "bytes"];

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
    /// Takes files in. Doing it twice changes nothing. Runs that made a medium larger come first, and what
    /// judges other documents after them; the answers are in the order of the files.
    pub async fn ingest(
        &mut self,
        key: &StationKey,
        files: &[Received],
        trust: &TrustStore,
    ) -> Result<Vec<Ingested>, RegisterError> {
        let mut all: Vec<(usize, &Received, _)> = Vec::with_capacity(files.len());
        for (place, file) in files.iter().enumerate() {
            all.push((place, file, examine_any(&file.bytes, Some(&file.name), trust)));
        }
        let after = |arrived: &Result<Arrived, _>| match arrived {
            Ok(Arrived::Judgement(judgement)) => (2, Some(judgement.at)),
            // It says at which other size its medium is known.
            Ok(Arrived::Evidence(evidence)) if evidence.identity.size_before.is_some() => (0, Some(evidence.ended)),
            _ => (1, None),
        };
        all.sort_by_key(|(_, _, arrived)| after(arrived));
        let mut done: Vec<(usize, Ingested, Option<String>)> = Vec::with_capacity(files.len());
        for examined in all.chunks(CHUNK) {
            let took = self
                .run(key, async |work: &mut Work<'_>| {
                    work.gather_media(examined.iter().filter_map(|(_, _, arrived)| about(arrived))).await?;
                    let mut took = Vec::with_capacity(examined.len());
                    for (_, file, arrived) in examined {
                        let digest = sha256(&file.bytes);
                        let (result, asset) = match arrived {
                            Ok(Arrived::Evidence(evidence)) => work.take(file, evidence).await?,
                            Ok(Arrived::Judgement(judgement)) => work.take_judgement(file, judgement).await?,
                            Err(refused) => (blank(file, Verdict::Refused, Some(refused.to_string())), None),
                        };
                        work.keep(file, &digest, &result).await?;
                        took.push((result, asset));
                    }
                    Ok(took)
                })
                .await?;
            let places = examined.iter().map(|(place, _, _)| *place);
            done.extend(places.zip(took).map(|(place, (result, asset))| (place, result, asset)));
        }
        done.sort_by_key(|(place, _, _)| *place);
        self.close_what_is_ready(key, &mut done).await?;
        Ok(done.into_iter().map(|(_, result, _)| result).collect())
    }

    /// After everything is in: a certificate must not close an asset before the rejection that came
    /// with it is read.
    async fn close_what_is_ready(
        &mut self,
        key: &StationKey,
        done: &mut [(usize, Ingested, Option<String>)],
    ) -> Result<(), RegisterError> {
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
type Taken = (Ingested, Option<String>);

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

    async fn take_judgement(&mut self, file: &Received, judgement: &Judgement) -> Result<Taken, RegisterError> {
        let document = Some(judgement.document.clone());
        let unmatched =
            |why: String| (Ingested { document: document.clone(), ..blank(file, Verdict::Unmatched, Some(why)) }, None);
        let Some(identity) = &judgement.identity else {
            return Ok(unmatched("it names no medium".to_owned()));
        };
        let mut found = self.find_media(identity).await?;
        // The document that is judged decides, where media look alike.
        let holds = |medium: &super::Medium| {
            medium.held(&judgement.about).is_some() || medium.judgements.iter().any(|j| j.document == judgement.about)
        };
        found.retain(|(_, medium)| holds(medium));
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

    async fn keep(&mut self, file: &Received, digest: &str, result: &Ingested) -> Result<(), RegisterError> {
        let text = |t: &str| Value::Text(Some(t.to_owned()));
        if result.verdict == Verdict::Known {
            return Ok(());
        }
        if result.verdict != Verdict::Accepted {
            // What was accepted once stays the evidence it was, whatever is thought of its key later.
            let sql = "SELECT verdict FROM document WHERE sha256=$1";
            let there = self.store.texts(sql, &[text(digest)], 1).await?;
            let accepted = |row: &Vec<Value>| row.get(3) == Some(&text("accepted"));
            let stays = there.into_iter().flatten().flatten().any(|verdict| verdict == "accepted");
            if stays || self.documents.get(digest).is_some_and(accepted) {
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
        ];
        self.documents.insert(digest.to_owned(), row);
        Ok(())
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
