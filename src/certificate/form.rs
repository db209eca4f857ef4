//! The union of the SP 800-88 sample forms: r1 section 4.8 and appendix G, r2 section 4.6.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::drive;
use crate::media::{Kind, MediumClass};
use crate::policy::VerificationLevel;
use crate::sanitize::record::RunFacts;
use crate::units::{human_bytes, reads};

/// The form, filled: what a person gave, and what follows from the run's facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// Person performing sanitization.
    pub performed_by: Person,
    /// Media information.
    pub media: MediaForm,
    /// Sanitization details.
    pub sanitization: SanitizationForm,
    /// Media destination.
    pub destination: Option<Destination>,
}

/// A person, as claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Name.
    pub name: Option<String>,
    /// Title or position.
    pub title: Option<String>,
    /// Organization.
    pub organization: Option<String>,
    /// Location.
    pub location: Option<String>,
    /// Phone or other contact.
    pub phone: Option<String>,
}

/// Media information.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaForm {
    /// Make or vendor.
    pub vendor: Option<String>,
    /// Model number.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Media property number (asset tag).
    pub property_number: Option<String>,
    /// Media type.
    pub media_type: String,
    /// Source: user name or PC property number.
    pub source: Option<String>,
    /// Classification: confidentiality category before sanitization.
    pub classification: Option<String>,
    /// Data backed up.
    pub data_backed_up: Option<BackedUp>,
    /// Backup location.
    pub backup_location: Option<String>,
}

/// Whether the data was backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackedUp {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Nobody knows.
    Unknown,
}

/// Sanitization details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SanitizationForm {
    /// Method type attained: `Clear`, `Purge`, `Destroy`; `None` when none was.
    pub method: Option<String>,
    /// Technique (r1: method used).
    pub technique: String,
    /// Method details: scheme, definition, passes.
    pub details: String,
    /// Tool and version.
    pub tool: String,
    /// Verification method and what it showed.
    pub verification: String,
    /// Classification after sanitization.
    pub post_category: Option<String>,
    /// Notes.
    pub notes: Option<String>,
}

/// Media destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// Where to.
    pub kind: DestinationKind,
    /// Details.
    pub details: Option<String>,
}

/// The destinations of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationKind {
    /// Reuse inside the organization.
    InternalReuse,
    /// Reuse outside.
    ExternalReuse,
    /// Recycling facility.
    RecyclingFacility,
    /// Back to the manufacturer.
    Manufacturer,
    /// Somewhere else.
    Other,
}

/// The fields that only a person can give. All optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenForm {
    /// Person performing sanitization; the name defaults to the run's operator.
    pub performed_by: Person,
    /// Media property number; defaults to the run's asset tag.
    pub property_number: Option<String>,
    /// Source.
    pub source: Option<String>,
    /// Classification; defaults to the run's category.
    pub classification: Option<String>,
    /// Data backed up.
    pub data_backed_up: Option<BackedUp>,
    /// Backup location.
    pub backup_location: Option<String>,
    /// Classification after sanitization.
    pub post_category: Option<String>,
    /// Notes.
    pub notes: Option<String>,
    /// Media destination.
    pub destination: Option<Destination>,
}

impl Form {
    /// Fills the form.
    pub fn fill(facts: &RunFacts, given: &GivenForm) -> Form {
        let given = given.clone();
        let identity = &facts.medium.identity;
        let operator = facts.operator.as_ref().map(|o| o.name.clone());
        Form {
            performed_by: Person { name: given.performed_by.name.or(operator), ..given.performed_by },
            media: MediaForm {
                vendor: identity.vendor.clone(),
                model: identity.model.clone(),
                serial: identity.serial.clone(),
                property_number: given.property_number.or(facts.asset_tag.clone()),
                media_type: media_type(facts),
                source: given.source,
                classification: given.classification.or(facts.category.clone()),
                data_backed_up: given.data_backed_up,
                backup_location: given.backup_location,
            },
            sanitization: SanitizationForm {
                method: facts.attained.map(|m| format!("{m:?}")),
                technique: facts.technique.clone(),
                details: details(facts),
                tool: format!("{} {}", facts.tool.name, facts.tool.version),
                verification: verification(facts),
                post_category: given.post_category,
                notes: given.notes,
            },
            destination: given.destination,
        }
    }

    /// Names the first field that should follow from the facts and does not.
    pub(super) fn contradiction(&self, facts: &RunFacts) -> Option<&'static str> {
        let (media, done, identity) = (&self.media, &self.sanitization, &facts.medium.identity);
        let method = match (&done.method, facts.attained) {
            (Some(said), Some(attained)) => reads(said, format_args!("{attained:?}")),
            (said, attained) => said.is_none() && attained.is_none(),
        };
        [
            ("vendor", media.vendor == identity.vendor),
            ("model", media.model == identity.model),
            ("serial", media.serial == identity.serial),
            ("media type", with_media_type(facts, |expected| reads(&media.media_type, expected))),
            ("method", method),
            ("technique", done.technique == facts.technique),
            ("method details", with_details(facts, |expected| reads(&done.details, expected))),
            ("tool", reads(&done.tool, format_args!("{} {}", facts.tool.name, facts.tool.version))),
            ("verification", with_verification(facts, |expected| reads(&done.verification, expected))),
        ]
        .into_iter()
        .find(|(_, agrees)| !agrees)
        .map(|(field, _)| field)
    }
}

/// The medium's sort for a person.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Hdd => "magnetic hard disk",
        Kind::SataSsd => "solid-state drive (SATA)",
        Kind::SasSsd => "solid-state drive (SAS)",
        Kind::Nvme => "solid-state drive (NVMe)",
        Kind::Usb => "USB storage device",
        Kind::Emmc => "embedded flash (eMMC)",
        Kind::Sd => "SD card",
        Kind::Ufs => "embedded flash (UFS)",
        Kind::Virtual => "virtual block device",
        Kind::Image => "disk image file",
        Kind::Unknown => "storage device of unknown kind",
    }
}

fn media_type(facts: &RunFacts) -> String {
    with_media_type(facts, fmt::format)
}

fn details(facts: &RunFacts) -> String {
    with_details(facts, fmt::format)
}

fn verification(facts: &RunFacts) -> String {
    with_verification(facts, fmt::format)
}

fn with_media_type<T>(facts: &RunFacts, take: impl FnOnce(fmt::Arguments<'_>) -> T) -> T {
    let size = human_bytes(facts.medium.geometry.size.0);
    let kind = kind_name(facts.medium.kind);
    match (facts.medium.class, &facts.medium.partition) {
        (MediumClass::Physical, None) => take(format_args!("{kind}, {size}")),
        (MediumClass::Physical, Some(p)) => take(format_args!("partition {} of a {kind}, {size}", p.number)),
        (_, None) => take(format_args!("{kind}, {size}, not a physical medium")),
        (_, Some(p)) => take(format_args!("partition {} of a {kind}, {size}, not a physical medium", p.number)),
    }
}

fn with_details<T>(facts: &RunFacts, take: impl FnOnce(fmt::Arguments<'_>) -> T) -> T {
    let (title, definition) = (&facts.scheme.title, &facts.scheme.definition);
    if facts.firmware.is_some() {
        return take(format_args!("{title}: {definition}"));
    }
    let passes = facts.passes.len();
    let plural = if passes == 1 { "pass" } else { "passes" };
    take(format_args!("{title}: {definition}; {passes} {plural}"))
}

fn with_verification<T>(facts: &RunFacts, take: impl FnOnce(fmt::Arguments<'_>) -> T) -> T {
    let asked = match facts.verification.level {
        VerificationLevel::Full => "Full",
        VerificationLevel::Sample => "Representative sampling",
        VerificationLevel::Quick => "Quick check",
        VerificationLevel::None => "None",
    };
    take(format_args!("{asked}: {}", drive::proven_briefly(facts.proven)))
}
