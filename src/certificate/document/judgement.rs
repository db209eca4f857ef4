//! What people decide about a document: validation (SP 800-88r2 section 4.5.2) and revocation.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Payload;
use super::found::{is_hex, medium, named, optional_text, person, reference, require, schema, text};
use super::kind::DocumentType;
use super::part::{DocumentRef, MediumName, NextStep, Signatory};
use super::signers::Demand;
use crate::signed::{Check, Role};

/// `schema` of a validation.
pub const VALIDATION_SCHEMA: &str = "lastwrite-validation";
/// `schema` of a revocation.
pub const REVOCATION_SCHEMA: &str = "lastwrite-revocation";

/// The organization accepts or rejects a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// `lastwrite-validation`.
    pub schema: String,
    /// 1.
    pub version: u32,
    /// Whose decision it is.
    pub organization: String,
    /// The document that is judged.
    pub document: DocumentRef,
    /// The medium it is about; `null` when it gathers several.
    pub medium: Option<MediumName>,
    /// The decision.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// What happens to the medium next; on a rejection always told.
    pub next_step: Option<NextStep>,
    /// The policy it was judged by, as named by the organization.
    pub policy: Option<String>,
    /// An earlier validation that this one takes the place of.
    pub replaces: Option<String>,
    /// Who decided; signs as validator.
    pub by: Signatory,
    /// When, by their clock.
    pub decided: DateTime<Utc>,
}

/// The two decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The result is accepted.
    Accepted,
    /// It is not.
    Rejected,
}

/// A document counts no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// `lastwrite-revocation`.
    pub schema: String,
    /// 1.
    pub version: u32,
    /// Whose decision it is.
    pub organization: String,
    /// The document that counts no longer.
    pub document: DocumentRef,
    /// The medium it is about; `null` when it gathers several.
    pub medium: Option<MediumName>,
    /// Sort of reason.
    pub cause: RevocationCause,
    /// Why.
    pub reason: String,
    /// The document that takes its place, if any.
    pub replaced_by: Option<DocumentRef>,
    /// What happens to the medium next.
    pub next_step: Option<NextStep>,
    /// Who revoked it; signs as validator.
    pub by: Signatory,
    /// When, by their clock.
    pub revoked: DateTime<Utc>,
}

/// Why a document is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationCause {
    /// It was issued in error.
    Error,
    /// The medium is not as the document says.
    MediumDiffers,
    /// A key that signed it is in foreign hands.
    KeyCompromised,
    /// Another document takes its place.
    Superseded,
    /// Anything else.
    Other,
}

impl Decision {
    /// For a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Decision::Accepted => "accepted",
            Decision::Rejected => "REJECTED",
        }
    }
}

impl RevocationCause {
    /// For a sentence.
    pub fn words(self) -> &'static str {
        match self {
            RevocationCause::Error => "issued in error",
            RevocationCause::MediumDiffers => "the medium is not as it says",
            RevocationCause::KeyCompromised => "a key is in foreign hands",
            RevocationCause::Superseded => "another document takes its place",
            RevocationCause::Other => "another reason",
        }
    }
}

/// What can be judged: everything that says something of a medium, but no judgement. A discrepancy
/// that is accepted is settled.
fn judgeable(kind: DocumentType) -> bool {
    use DocumentType as T;
    !matches!(kind, T::Validation | T::Revocation | T::Transfer)
}

impl Payload for Validation {
    fn kind(&self) -> DocumentType {
        DocumentType::Validation
    }

    fn check(&self) -> Vec<Check> {
        vec![
            named("schema", schema((&self.schema, self.version), VALIDATION_SCHEMA)),
            named(
                "judged document",
                reference("the judged document", &self.document).and_then(|()| {
                    require(judgeable(self.document.kind), || format!("a {} is not validated", self.document.kind))?;
                    self.medium.as_ref().map_or(Ok(()), medium)?;
                    Ok(format!("{} {}", self.document.kind, self.document.id))
                }),
            ),
            named(
                "decision",
                text("the organization", &self.organization)
                    .and_then(|()| text("the reason", &self.reason))
                    .and_then(|()| optional_text("the policy", self.policy.as_deref()))
                    .and_then(|()| {
                        let known = self.replaces.as_deref().is_none_or(|id| is_hex(id, 64));
                        require(known, || "the replaced validation is named by no SHA-256".to_owned())?;
                        let told = self.decision == Decision::Accepted || self.next_step.is_some();
                        require(told, || "a rejection must say what happens to the medium next".to_owned())?;
                        Ok(format!("{}: {}", self.decision.words(), self.reason))
                    }),
            ),
            named("validator", person("the validator", &self.by).map(|()| self.by.name.clone())),
        ]
    }

    fn demands(&self) -> Vec<Demand<'_>> {
        vec![Demand::must("validator", &self.by.kid, &[Role::Validator]).of(&self.by.name)]
    }

    fn dated(&self) -> DateTime<Utc> {
        self.decided
    }
}

impl Payload for Revocation {
    fn kind(&self) -> DocumentType {
        DocumentType::Revocation
    }

    fn check(&self) -> Vec<Check> {
        vec![
            named("schema", schema((&self.schema, self.version), REVOCATION_SCHEMA)),
            named(
                "revoked document",
                reference("the revoked document", &self.document).and_then(|()| {
                    let kind = self.document.kind;
                    require(kind != DocumentType::Revocation, || "a revocation is final".to_owned())?;
                    self.medium.as_ref().map_or(Ok(()), medium)?;
                    if let Some(other) = &self.replaced_by {
                        reference("the replacing document", other)?;
                        require(other.id != self.document.id, || "it is replaced by itself".to_owned())?;
                    }
                    let named = self.cause != RevocationCause::Superseded || self.replaced_by.is_some();
                    require(named, || "it is superseded, but by what is not said".to_owned())?;
                    Ok(format!("{kind} {}", self.document.id))
                }),
            ),
            named(
                "reason",
                text("the organization", &self.organization)
                    .and_then(|()| text("the reason", &self.reason))
                    .map(|()| format!("{}: {}", self.cause.words(), self.reason)),
            ),
            named("validator", person("the validator", &self.by).map(|()| self.by.name.clone())),
        ]
    }

    fn demands(&self) -> Vec<Demand<'_>> {
        vec![Demand::must("validator", &self.by.kid, &[Role::Validator]).of(&self.by.name)]
    }

    fn dated(&self) -> DateTime<Utc> {
        self.revoked
    }
}
