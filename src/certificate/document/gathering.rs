//! Certificates that gather others: all media of a computer, all media of a lot.
//!
//! Every medium is named, also those without proof. What a gathering says of a medium is only as
//! good as the document it names; a bundle carries both.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Payload;
use super::found::{Found, medium, named, optional_text, reference, require, schema, text};
use super::kind::DocumentType;
use super::part::{DocumentRef, MediumName};
use super::signers::Demand;
use crate::policy::{Method, VerificationLevel};
use crate::signed::{Check, Role};

/// `schema` of a computer or lot certificate.
pub const GATHERING_SCHEMA: &str = "lastwrite-gathering";

/// All media of a computer or a lot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gathering {
    /// `lastwrite-gathering`.
    pub schema: String,
    /// 1.
    pub version: u32,
    /// Of what.
    pub of: GatheredUnit,
    /// Who answers for it.
    pub organization: String,
    /// The station that gathered.
    pub station: String,
    /// Thumbprint of its key.
    pub station_kid: String,
    /// How many media there should be, counted by somebody; `null`: nobody counted.
    pub expected: Option<u32>,
    /// Every medium, in the order of gathering.
    pub media: Vec<GatheredMedium>,
    /// How many of them stand how.
    pub counts: GatheredCounts,
    /// Every expected medium is here and none is without proof.
    pub complete: bool,
    /// When.
    pub gathered: DateTime<Utc>,
}

/// What the media belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "unit", rename_all = "snake_case", deny_unknown_fields)]
pub enum GatheredUnit {
    /// One computer, array or other asset.
    Computer {
        /// Asset tag.
        asset_tag: String,
        /// Manufacturer.
        maker: Option<String>,
        /// Model.
        model: Option<String>,
        /// Serial number.
        serial: Option<String>,
    },
    /// A lot.
    Lot {
        /// Its number.
        number: String,
        /// Whose media they were.
        customer: Option<String>,
    },
}

/// One medium and its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatheredMedium {
    /// The medium.
    pub medium: MediumName,
    /// How it stands.
    pub standing: Standing,
    /// The document that says so; `null` only without proof.
    pub document: Option<DocumentRef>,
    /// What it attained.
    pub attained: Option<Method>,
    /// How that was verified, where it was.
    pub verification: Option<VerificationLevel>,
    /// When.
    pub ended: Option<DateTime<Utc>>,
    /// A document that speaks against the proof: a rejection, a revocation.
    pub against: Option<DocumentRef>,
}

/// How a medium stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A certificate says that it was sanitized.
    Sanitized,
    /// A record says that it was destroyed or degaussed.
    Destroyed,
    /// Its last run failed.
    Failed,
    /// It has a document, and a validation rejects it or a second reading contradicts it.
    Rejected,
    /// It has a document, and it is revoked.
    Revoked,
    /// Nothing proves anything about it.
    WithoutProof,
}

/// Media by standing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatheredCounts {
    /// All.
    pub media: u32,
    /// Sanitized.
    pub sanitized: u32,
    /// Destroyed or degaussed.
    pub destroyed: u32,
    /// Failed, rejected, revoked or without proof.
    pub without_proof: u32,
}

impl Standing {
    /// Whether somebody proves that the medium is empty or gone.
    pub fn is_proof(self) -> bool {
        matches!(self, Standing::Sanitized | Standing::Destroyed)
    }

    /// For a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Standing::Sanitized => "sanitized",
            Standing::Destroyed => "destroyed",
            Standing::Failed => "FAILED",
            Standing::Rejected => "REJECTED",
            Standing::Revoked => "REVOKED",
            Standing::WithoutProof => "WITHOUT PROOF",
        }
    }
}

impl GatheredUnit {
    /// For a sentence.
    pub fn label(&self) -> String {
        match self {
            GatheredUnit::Computer { asset_tag, .. } => format!("computer {asset_tag}"),
            GatheredUnit::Lot { number, .. } => format!("lot {number}"),
        }
    }
}

impl GatheredCounts {
    /// Counts.
    pub fn of(media: &[GatheredMedium]) -> GatheredCounts {
        let count = |wanted: &dyn Fn(Standing) -> bool| {
            u32::try_from(media.iter().filter(|m| wanted(m.standing)).count()).unwrap_or(u32::MAX)
        };
        GatheredCounts {
            media: count(&|_| true),
            sanitized: count(&|s| s == Standing::Sanitized),
            destroyed: count(&|s| s == Standing::Destroyed),
            without_proof: count(&|s| !s.is_proof()),
        }
    }
}

impl Gathering {
    /// Every expected medium is there, and none is without proof.
    pub fn judge(media: &[GatheredMedium], expected: Option<u32>) -> bool {
        let counts = GatheredCounts::of(media);
        counts.media > 0 && counts.without_proof == 0 && expected == Some(counts.media)
    }

    fn check_unit(&self) -> Found {
        text("the organization", &self.organization)?;
        text("the station", &self.station)?;
        match &self.of {
            GatheredUnit::Computer { asset_tag, maker, model, serial } => {
                text("the asset tag", asset_tag)?;
                for (what, value) in [("maker", maker), ("model", model), ("serial number", serial)] {
                    optional_text(what, value.as_deref())?;
                }
            }
            GatheredUnit::Lot { number, customer } => {
                text("the lot's number", number)?;
                optional_text("the customer", customer.as_deref())?;
            }
        }
        Ok(self.of.label())
    }

    fn check_media(&self) -> Found {
        require(!self.media.is_empty(), || "it gathers nothing".to_owned())?;
        let mut documents = BTreeSet::new();
        let mut names = BTreeSet::new();
        for (entry, number) in self.media.iter().zip(1..) {
            let at = |why: String| format!("medium {number}: {why}");
            medium(&entry.medium).map_err(at)?;
            for part in [&entry.medium.wwn, &entry.medium.digest].into_iter().flatten() {
                require(names.insert(part.to_ascii_lowercase()), || at("it is listed twice".to_owned()))?;
            }
            let name = &entry.medium;
            if let Some(serial) = &name.serial
                && (name.wwn.is_none() && name.digest.is_none())
            {
                let key = format!("{}\n{}", serial.to_ascii_lowercase(), name.model.clone().unwrap_or_default());
                require(names.insert(key), || at("it is listed twice".to_owned()))?;
            }
            check_standing(entry).map_err(at)?;
            if let Some(document) = &entry.document {
                require(documents.insert(document.id.clone()), || at("its document speaks of two media".to_owned()))?;
            }
        }
        Ok(format!("{} media, each once", self.media.len()))
    }

    fn check_counts(&self) -> Found {
        let counts = GatheredCounts::of(&self.media);
        require(self.counts == counts, || "the counts do not follow from the list".to_owned())?;
        let complete = Gathering::judge(&self.media, self.expected);
        require(self.complete == complete, || "whether it is complete does not follow from the list".to_owned())?;
        let expected = self.expected.map_or("nobody counted them".to_owned(), |n| format!("{n} were counted"));
        Ok(match complete {
            true => format!("complete: {} media ({expected}), each with proof", counts.media),
            false => {
                format!("NOT complete: {} media ({expected}), {} without proof", counts.media, counts.without_proof)
            }
        })
    }
}

fn check_standing(entry: &GatheredMedium) -> Result<(), String> {
    use DocumentType as T;
    if let Some(document) = &entry.document {
        reference("its document", document)?;
    }
    if let Some(against) = &entry.against {
        reference("the document against it", against)?;
    }
    let kind = entry.document.as_ref().map(|d| d.kind);
    let against = entry.against.as_ref().map(|d| d.kind);
    let judged = matches!(kind, Some(T::Certificate | T::Destruction));
    let fits = match entry.standing {
        Standing::Sanitized => kind == Some(T::Certificate) && against.is_none(),
        Standing::Destroyed => kind == Some(T::Destruction) && against.is_none(),
        Standing::Failed => kind == Some(T::FailureReport) && against.is_none(),
        Standing::Rejected => judged && matches!(against, Some(T::Validation | T::MediaVerification)),
        Standing::Revoked => judged && against == Some(T::Revocation),
        Standing::WithoutProof => kind.is_none() && against.is_none(),
    };
    require(fits, || format!("no document of that sort makes it {}", entry.standing.words()))?;
    let dated = entry.ended.is_some() == entry.document.is_some();
    require(dated, || "it has a date without a document, or the other way round".to_owned())?;
    let attained = match entry.standing {
        Standing::Sanitized | Standing::Destroyed => entry.attained.is_some(),
        Standing::Failed | Standing::WithoutProof => entry.attained.is_none() && entry.verification.is_none(),
        Standing::Rejected | Standing::Revoked => true,
    };
    require(attained, || "what it attained does not follow from how it stands".to_owned())
}

impl Payload for Gathering {
    fn kind(&self) -> DocumentType {
        match self.of {
            GatheredUnit::Computer { .. } => DocumentType::ComputerCertificate,
            GatheredUnit::Lot { .. } => DocumentType::LotCertificate,
        }
    }

    fn check(&self) -> Vec<Check> {
        vec![
            named("schema", schema((&self.schema, self.version), GATHERING_SCHEMA)),
            named("unit", self.check_unit()),
            named("media", self.check_media()),
            named("counts", self.check_counts()),
        ]
    }

    fn demands(&self) -> Vec<Demand<'_>> {
        vec![Demand::must("station", &self.station_kid, &[Role::Station])]
    }

    fn dated(&self) -> DateTime<Utc> {
        self.gathered
    }
}
