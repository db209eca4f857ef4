//! Media change hands: what was handed over, and what of it arrived.
//!
//! The receiver who finds everything in order signs the very bytes that the sender signed. One who
//! does not, signs a discrepancy report instead, and never the transfer.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Payload;
use super::found::{
    Found, attachments, is_hex, medium, named, optional_text, person, reference, require, schema, text,
};
use super::kind::DocumentType;
use super::part::{Attachment, DocumentRef, MediumName, Signatory};
use super::signers::Demand;
use crate::signed::{Check, Jws, Outcome, Role};

/// `schema` of a transfer.
pub const TRANSFER_SCHEMA: &str = "lastwrite-transfer";
/// `schema` of a discrepancy report.
pub const DISCREPANCY_SCHEMA: &str = "lastwrite-discrepancy";

/// Media leave one person's custody for another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// `lastwrite-transfer`.
    pub schema: String,
    /// 1.
    pub version: u32,
    /// Random, 32 hex digits: two hand-overs of the same media are two documents.
    pub transfer_id: String,
    /// Who hands over; signs as transferor.
    pub from: Signatory,
    /// Who receives; signs the same bytes as receiver.
    pub to: Recipient,
    /// Where.
    pub place: String,
    /// Why.
    pub reason: String,
    /// Who carries it, vehicle, waybill.
    pub carrier: Option<String>,
    /// Boxes, cages, bags, with their seals.
    pub containers: Vec<Container>,
    /// Every medium.
    pub media: Vec<HandedOver>,
    /// Photos and papers, by hash.
    pub attachments: Vec<Attachment>,
    /// When it left, by the sender's clock.
    pub released: DateTime<Utc>,
    /// Anything else.
    pub notes: Option<String>,
}

/// Who is to receive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Name.
    pub name: String,
    /// Organization.
    pub organization: Option<String>,
    /// Thumbprint of their key, where the sender knows it; then nobody else can receive.
    pub kid: Option<String>,
}

/// A container and its seals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Number or name.
    pub id: String,
    /// Seal numbers; none: it is not sealed.
    pub seals: Vec<String>,
}

/// A medium that is handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandedOver {
    /// The medium.
    pub medium: MediumName,
    /// The container it lies in.
    pub container: Option<String>,
    /// The document that proves its state, if there is one.
    pub document: Option<DocumentRef>,
}

/// What arrived is not what was handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discrepancy {
    /// `lastwrite-discrepancy`.
    pub schema: String,
    /// 1.
    pub version: u32,
    /// The transfer.
    pub transfer: DocumentRef,
    /// Who looked; signs as receiver.
    pub by: Signatory,
    /// Where.
    pub place: String,
    /// Seals that are broken, missing or others.
    pub seals: Vec<SealDiscrepancy>,
    /// Media that were handed over and are not here.
    pub missing: Vec<MediumName>,
    /// Media that are here and were not handed over.
    pub extra: Vec<MediumName>,
    /// How many media that were handed over are here.
    pub received: u32,
    /// Anything else that is not as it should be.
    pub remarks: Option<String>,
    /// Photos and papers, by hash.
    pub attachments: Vec<Attachment>,
    /// When, by their clock.
    pub found: DateTime<Utc>,
}

/// A seal that is not as it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealDiscrepancy {
    /// The container.
    pub container: String,
    /// The seal's number as it left; `null`: it was not on the list.
    pub seal: Option<String>,
    /// What is wrong.
    pub state: SealState,
}

/// What is wrong with a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SealState {
    /// It is there and broken.
    Broken,
    /// It is not there.
    Missing,
    /// It is there and was not on the list.
    Foreign,
}

/// What the receiver found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Seals that were found whole: container and number.
    pub seals: Vec<(String, String)>,
    /// Seals that were found broken: container and number.
    pub broken: Vec<(String, String)>,
    /// Media that were found, by what names them.
    pub media: Vec<MediumName>,
}

/// How an arrival differs from the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Seals.
    pub seals: Vec<SealDiscrepancy>,
    /// Not here.
    pub missing: Vec<MediumName>,
    /// Not on the list.
    pub extra: Vec<MediumName>,
    /// Here as listed.
    pub received: u32,
}

impl Differences {
    /// Everything is as it left.
    pub fn is_empty(&self) -> bool {
        self.seals.is_empty() && self.missing.is_empty() && self.extra.is_empty()
    }
}

impl SealState {
    /// For a sentence.
    pub fn words(self) -> &'static str {
        match self {
            SealState::Broken => "broken",
            SealState::Missing => "missing",
            SealState::Foreign => "not on the list",
        }
    }
}

impl Transfer {
    /// Compares what was found with the list: each medium with one entry, each seal with one.
    pub fn compare(&self, arrival: &Arrival) -> Differences {
        let mut differences = Differences::default();
        let mut found: Vec<Option<&MediumName>> = arrival.media.iter().map(Some).collect();
        for listed in &self.media {
            let place = found.iter_mut().find(|f| f.is_some_and(|f| f.same_medium(&listed.medium)));
            match place {
                Some(place) => {
                    *place = None;
                    differences.received += 1;
                }
                None => differences.missing.push(listed.medium.clone()),
            }
        }
        differences.extra = found.into_iter().flatten().cloned().collect();
        let wrong = |container: &str, seal: &str, state| SealDiscrepancy {
            container: container.to_owned(),
            seal: Some(seal.to_owned()),
            state,
        };
        let pair = |c: &str, s: &str| (c.to_owned(), s.to_owned());
        for container in &self.containers {
            for seal in &container.seals {
                let pair = pair(&container.id, seal);
                if arrival.broken.contains(&pair) {
                    differences.seals.push(wrong(&container.id, seal, SealState::Broken));
                } else if !arrival.seals.contains(&pair) {
                    differences.seals.push(wrong(&container.id, seal, SealState::Missing));
                }
            }
        }
        for (container, seal) in arrival.seals.iter().chain(&arrival.broken) {
            let listed = self.containers.iter().any(|c| c.id == *container && c.seals.contains(seal));
            if !listed {
                differences.seals.push(wrong(container, seal, SealState::Foreign));
            }
        }
        differences
    }

    /// The receiver who has signed, where one has.
    pub fn receiver<'a>(&self, jws: &'a Jws) -> Option<&'a str> {
        jws.signatures().iter().map(crate::signed::Signature::header).find_map(|header| {
            let kid = header.kid.as_deref().filter(|kid| *kid != self.from.kid)?;
            let meant = self.to.kid.as_deref().is_none_or(|to| to == kid);
            (header.role == Some(Role::Receiver) && meant).then_some(kid)
        })
    }

    fn check_list(&self) -> Found {
        require(!self.media.is_empty(), || "nothing is handed over".to_owned())?;
        let mut ids = BTreeSet::new();
        let mut seals = BTreeSet::new();
        for container in &self.containers {
            text("a container", &container.id)?;
            require(ids.insert(&container.id), || format!("container {} is listed twice", container.id))?;
            for seal in &container.seals {
                text("a seal number", seal)?;
                require(seals.insert(seal), || format!("seal {seal} is listed twice"))?;
            }
        }
        let mut names = BTreeSet::new();
        for (entry, number) in self.media.iter().zip(1..) {
            medium(&entry.medium).map_err(|why| format!("medium {number}: {why}"))?;
            let known = entry.container.as_ref().is_none_or(|c| ids.contains(c));
            require(known, || format!("medium {number} lies in a container that is not listed"))?;
            if let Some(document) = &entry.document {
                reference("a medium's document", document)?;
            }
            let name = &entry.medium;
            let key = [&name.serial, &name.model, &name.wwn, &name.digest]
                .map(|part| part.clone().unwrap_or_default().to_ascii_lowercase());
            require(names.insert(key), || format!("medium {number} ({}) is listed twice", name.label()))?;
        }
        Ok(format!("{} media in {} containers with {} seals", self.media.len(), self.containers.len(), seals.len()))
    }
}

impl Payload for Transfer {
    fn kind(&self) -> DocumentType {
        DocumentType::Transfer
    }

    fn check(&self) -> Vec<Check> {
        let parties = person("the sender", &self.from)
            .and_then(|()| text("the receiver's name", &self.to.name))
            .and_then(|()| optional_text("the receiver's organization", self.to.organization.as_deref()))
            .and_then(|()| {
                let key = self.to.kid.as_deref().is_none_or(|kid| kid.len() == 43);
                require(key, || "the key of the receiver is no RFC 7638 thumbprint".to_owned())
            });
        let facts = text("the place", &self.place)
            .and_then(|()| text("the reason", &self.reason))
            .and_then(|()| optional_text("the carrier", self.carrier.as_deref()))
            .and_then(|()| optional_text("the notes", self.notes.as_deref()))
            .and_then(|()| require(is_hex(&self.transfer_id, 32), || "transfer_id is not 32 hex digits".to_owned()));
        vec![
            named("schema", schema((&self.schema, self.version), TRANSFER_SCHEMA)),
            named("parties", parties.map(|()| format!("from {} to {}", self.from.name, self.to.name))),
            named("facts", facts.and_then(|()| attachments(&self.attachments))),
            named("list", self.check_list()),
        ]
    }

    fn check_signatures(&self, jws: &Jws) -> Vec<Check> {
        vec![match self.receiver(jws) {
            Some(kid) => Check::new("received", Outcome::Passed, format!("received by key {kid}")),
            None => Check::new("received", Outcome::Unknown, "nobody has signed that it was received"),
        }]
    }

    fn demands(&self) -> Vec<Demand<'_>> {
        let mut demands = vec![Demand::must("sender", &self.from.kid, &[Role::Transferor]).of(&self.from.name)];
        if let Some(kid) = &self.to.kid {
            demands.push(Demand::may_follow("receiver", kid, &[Role::Receiver]).of(&self.to.name));
        }
        demands
    }

    fn dated(&self) -> DateTime<Utc> {
        self.released
    }
}

impl Payload for Discrepancy {
    fn kind(&self) -> DocumentType {
        DocumentType::Discrepancy
    }

    fn check(&self) -> Vec<Check> {
        let lists = || {
            for seal in &self.seals {
                text("a container", &seal.container)?;
                optional_text("a seal number", seal.seal.as_deref())?;
            }
            self.missing.iter().try_for_each(medium)?;
            self.extra.iter().try_for_each(medium)?;
            optional_text("the remarks", self.remarks.as_deref())?;
            let any =
                !self.seals.is_empty() || !self.missing.is_empty() || !self.extra.is_empty() || self.remarks.is_some();
            require(any, || "it names no discrepancy".to_owned())?;
            Ok(format!(
                "{} seals, {} media missing, {} media too many",
                self.seals.len(),
                self.missing.len(),
                self.extra.len()
            ))
        };
        let transfer = reference("the transfer", &self.transfer).and_then(|()| {
            require(self.transfer.kind == DocumentType::Transfer, || format!("a {} is no transfer", self.transfer.kind))
        });
        vec![
            named("schema", schema((&self.schema, self.version), DISCREPANCY_SCHEMA)),
            named("transfer", transfer.map(|()| self.transfer.id.clone())),
            named("discrepancies", lists()),
            named("facts", text("the place", &self.place).and_then(|()| attachments(&self.attachments))),
            named("receiver", person("the receiver", &self.by).map(|()| self.by.name.clone())),
        ]
    }

    fn demands(&self) -> Vec<Demand<'_>> {
        vec![Demand::must("receiver", &self.by.kid, &[Role::Receiver]).of(&self.by.name)]
    }

    fn dated(&self) -> DateTime<Utc> {
        self.found
    }
}
