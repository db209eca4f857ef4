//! What an event says about assets and media, beside what has a rule of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::number::Money;
use crate::units::Bytes;

/// The evidence that closed an asset, medium by medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedOn {
    /// Stream of the medium.
    pub medium: String,
    /// Its revision when it was judged.
    pub revision: Bytes,
    /// SHA-256 of the payload of the certificate.
    pub document: String,
}

/// Everything of an asset that has no rule of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Details {
    /// Name for people.
    pub name: Option<String>,
    /// `laptop`, `server`.
    pub category: Option<String>,
    /// Maker.
    pub manufacturer: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// The maker's number of the model.
    pub model_number: Option<String>,
    /// Serial number of the device.
    pub serial: Option<String>,
    /// Company or department it belongs to.
    pub company: Option<String>,
    /// Who sold it.
    pub supplier: Option<String>,
    /// Order.
    pub order_number: Option<String>,
    /// `2026-03-01`.
    pub purchase_date: Option<String>,
    /// Price.
    pub purchase_cost: Option<Money>,
    /// Length of the warranty.
    pub warranty_months: Option<u32>,
    /// End of life, `2030-03-01`.
    pub eol_date: Option<String>,
    /// Business need and approval, for procurement.
    pub need: Option<String>,
    /// Free words.
    pub notes: Option<String>,
    /// Columns of the organization's own.
    pub custom: BTreeMap<String, String>,
}

/// What names a medium. At least one of serial, WWN and digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumIdentity {
    /// Serial number as the drive reports it.
    pub serial: Option<String>,
    /// Model number.
    pub model: Option<String>,
    /// WWN, EUI-64 or NGUID, lower-case hex with `0x`.
    pub wwn: Option<String>,
    /// Capacity in bytes.
    pub size: Option<Bytes>,
    /// Capacity before it gave back what it hid from the host: what was written down of it then speaks of
    /// the same medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_before: Option<Bytes>,
    /// SHA-256 of the whole identity, where the drive itself was read.
    pub digest: Option<String>,
}
