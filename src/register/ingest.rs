//! Evidence comes in: verified at the border, matched to a medium, kept as it was signed. What is
//! refused is kept too, with the reason.

use serde::Serialize;

use super::act::Act;
use super::error::RegisterError;
use super::event::sha256;
use super::evidence::{Evidence, examine};
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
    /// Takes files in. Doing it twice changes nothing.
    pub async fn ingest(
        &mut self,
        key: &StationKey,
        files: &[Received],
        trust: &TrustStore,
    ) -> Result<Vec<Ingested>, RegisterError> {
        let mut done = Vec::with_capacity(files.len());
        for chunk in files.chunks(CHUNK) {
            let examined: Vec<_> = chunk.iter().map(|f| (f, examine(&f.bytes, Some(&f.name), trust))).collect();
            let took = self
                .run(key, async |work: &mut Work<'_>| {
                    let mut took = Vec::with_capacity(examined.len());
                    for (file, evidence) in &examined {
                        let digest = sha256(&file.bytes);
                        let result = match evidence {
                            Ok(evidence) => work.take(file, evidence).await?,
                            Err(refused) => blank(file, Verdict::Refused, Some(refused.to_string())),
                        };
                        work.keep(file, &digest, &result).await?;
                        took.push(result);
                    }
                    Ok(took)
                })
                .await?;
            done.extend(took);
        }
        Ok(done)
    }
}

impl Work<'_> {
    async fn take(&mut self, file: &Received, evidence: &Evidence) -> Result<Ingested, RegisterError> {
        let found = self.find_media(&evidence.identity).await?;
        let document = Some(evidence.document.clone());
        let (stream, medium) = match found.as_slice() {
            [one] => one.clone(),
            [] => {
                let reason = format!("no medium of the register is {}", evidence.identity.label());
                return Ok(Ingested { document, ..blank(file, Verdict::Unmatched, Some(reason)) });
            }
            several => {
                let reason = format!("{} media of the register could be {}", several.len(), evidence.identity.label());
                return Ok(Ingested { document, ..blank(file, Verdict::Unmatched, Some(reason)) });
            }
        };
        let mut result = Ingested { document, ..blank(file, Verdict::Known, None) };
        if medium.held(&evidence.document).is_none() {
            match self.append(&stream, Act::EvidenceAccepted { evidence: evidence.clone() }).await {
                Ok(()) => result.verdict = Verdict::Accepted,
                Err(RegisterError::Refused(refused)) => {
                    (result.verdict, result.reason) = (Verdict::Refused, Some(refused.to_string()));
                    return Ok(result);
                }
                Err(error) => return Err(error),
            }
        }
        let Some(asset) = medium.asset else { return Ok(result) };
        if let Some(Placed { state: State::Asset(asset), .. }) = self.placed(&asset).await? {
            result.asset = Some(asset.tag.clone());
            if asset.stage == super::Stage::Disposition {
                result.blockers = self.blockers(&asset.tag).await?;
                if result.blockers.is_empty() {
                    match self.close(&asset.tag).await {
                        Ok(_) => result.closed = true,
                        Err(RegisterError::Refused(refused)) => result.blockers.push(refused.to_string()),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(result)
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

fn blank(file: &Received, verdict: Verdict, reason: Option<String>) -> Ingested {
    let name = file.name.clone();
    Ingested { name, document: None, verdict, reason, asset: None, closed: false, blockers: Vec::new() }
}
