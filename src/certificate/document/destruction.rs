//! Physical destruction, and degaussing: what was done to a medium, with what, by whom, before whom.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Payload;
use super::found::{
    Found, attachments, in_order, medium, named, optional_text, person, reference, require, schema, text,
};
use super::kind::DocumentType;
use super::part::{Attachment, DocumentRef, MediumName, Milli, Signatory};
use super::particle::{MaterialCategory, ParticleClass};
use super::signers::Demand;
use crate::policy::Method;
use crate::signed::{Check, Outcome, Role, format_time, same_name};

/// `schema` of a record of destruction.
pub const DESTRUCTION_SCHEMA: &str = "lastwrite-destruction";

/// A medium was destroyed, or degaussed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destruction {
    /// `lastwrite-destruction`.
    pub schema: String,
    /// 1.
    pub version: u32,
    /// Who answers for it.
    pub organization: String,
    /// Where it was done.
    pub place: String,
    /// The medium, as read from its label or reported by it before.
    pub medium: MediumName,
    /// What it is made of; decides what a technique attains.
    pub material: Material,
    /// Confidentiality category of its data (FIPS 199), where known.
    pub category: Option<Confidentiality>,
    /// What was done.
    pub technique: DestructionTechnique,
    /// The organization's approved standard that it follows, by name and clause.
    pub standard: Option<String>,
    /// What that attains: `purge` or `destroy`.
    pub attained: Method,
    /// With what.
    pub equipment: Equipment,
    /// What sent the medium here: a failure report, a rejection.
    pub because: Option<DocumentRef>,
    /// The batch it was destroyed in.
    pub batch: Option<String>,
    /// Weight of the medium in kilograms.
    pub weight_kg: Option<Milli>,
    /// Photos, videos and papers, by hash.
    pub attachments: Vec<Attachment>,
    /// When, by the operator's clock.
    pub destroyed: DateTime<Utc>,
    /// Who did it; signs as operator.
    pub operator: Signatory,
    /// Who saw it; signs as witness, also later and elsewhere.
    pub witness: Option<Signatory>,
    /// Anything else.
    pub notes: Option<String>,
}

/// What the medium stores in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Material {
    /// Hard disk with magnetic platters and no flash for user data.
    HardDisk,
    /// Hard disk with flash (SSHD).
    HybridDisk,
    /// Flash: SSD, NVMe, USB stick, card, eMMC, phone.
    Flash,
    /// Tape, floppy, magnetic card.
    MagneticTape,
    /// CD, DVD, Blu-ray.
    Optical,
    /// Nobody can tell.
    Unknown,
}

/// Confidentiality impact (FIPS 199).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidentiality {
    /// Low.
    Low,
    /// Moderate.
    Moderate,
    /// High.
    High,
}

/// What was done. Bending, cutting, drilling, crushing and punching are not here, because data stays
/// readable on the pieces (SP 800-88r2; FAQ of 16 Jul 2026, questions 10 and 11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum DestructionTechnique {
    /// Exposed to a strong magnetic field.
    Degauss {
        /// Peak field of the degausser in oersted.
        field_oersted: u32,
        /// Coercivity of the medium in oersted, where known.
        coercivity_oersted: Option<u32>,
    },
    /// Cut into particles.
    Shred {
        /// How small.
        particle: Particle,
    },
    /// Cut until everything passes a screen.
    Disintegrate {
        /// How small.
        particle: Particle,
    },
    /// Burnt to ash.
    Incinerate {
        /// Temperature in degrees Celsius.
        celsius: u32,
    },
    /// Molten.
    Melt {
        /// Temperature in degrees Celsius.
        celsius: u32,
    },
}

/// The size of what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Particle {
    /// Class of ISO/IEC 21964.
    pub class: ParticleClass,
    /// Area of the largest particle in square millimetres, measured or by the screen.
    pub largest_mm2: Milli,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equipment {
    /// Manufacturer.
    pub maker: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: Option<String>,
    /// Evaluated products list it stands on, if any.
    pub listed: Option<String>,
    /// Its last calibration or test.
    pub calibrated: Option<DateTime<Utc>>,
    /// Until when that holds.
    pub calibration_ends: Option<DateTime<Utc>>,
}

impl DestructionTechnique {
    /// For a sentence.
    pub fn words(&self) -> &'static str {
        match self {
            DestructionTechnique::Degauss { .. } => "degauss",
            DestructionTechnique::Shred { .. } => "shred",
            DestructionTechnique::Disintegrate { .. } => "disintegrate",
            DestructionTechnique::Incinerate { .. } => "incinerate",
            DestructionTechnique::Melt { .. } => "melt",
        }
    }

    /// What is left, where that has a size.
    pub fn particle(&self) -> Option<Particle> {
        match self {
            DestructionTechnique::Shred { particle } | DestructionTechnique::Disintegrate { particle } => {
                Some(*particle)
            }
            _ => None,
        }
    }
}

impl Material {
    /// For a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Material::HardDisk => "magnetic hard disk",
            Material::HybridDisk => "hard disk with flash",
            Material::Flash => "flash",
            Material::MagneticTape => "magnetic tape",
            Material::Optical => "optical disc",
            Material::Unknown => "material unknown",
        }
    }

    /// The category of ISO/IEC 21964 that speaks of it. Where flash may be inside, that of flash.
    fn category(self) -> MaterialCategory {
        match self {
            Material::HardDisk => MaterialCategory::H,
            Material::HybridDisk | Material::Flash | Material::Unknown => MaterialCategory::E,
            Material::MagneticTape => MaterialCategory::T,
            Material::Optical => MaterialCategory::O,
        }
    }
}

/// What a technique attains on a material (SP 800-88r2 sections 3.1.1 to 3.1.3; FAQ questions 10
/// and 11; SP 800-88r1 appendix A). `standard`: the organization names an approved standard.
pub fn attainable(
    technique: &DestructionTechnique,
    material: Material,
    category: Option<Confidentiality>,
    standard: bool,
) -> Result<Method, String> {
    match technique {
        DestructionTechnique::Degauss { .. } => match material {
            Material::HardDisk | Material::MagneticTape => Ok(Method::Purge),
            Material::Unknown => Err("degaussing attains nothing on a medium of unknown material".to_owned()),
            other => Err(format!("degaussing leaves data on {}: it attains nothing there", other.words())),
        },
        DestructionTechnique::Shred { .. } if category == Some(Confidentiality::Low) || standard => Ok(Method::Destroy),
        DestructionTechnique::Shred { .. } => {
            Err("shredding destroys media of the low confidentiality category only; for others the organization must \
             name the approved standard it follows, or disintegrate, incinerate or melt"
                .to_owned())
        }
        DestructionTechnique::Disintegrate { .. }
        | DestructionTechnique::Incinerate { .. }
        | DestructionTechnique::Melt { .. } => Ok(Method::Destroy),
    }
}

impl Destruction {
    fn check_attained(&self) -> Found {
        optional_text("the approved standard", self.standard.as_deref())?;
        let attained = attainable(&self.technique, self.material, self.category, self.standard.is_some())?;
        require(self.attained == attained, || {
            format!("{} of {} attains {}", self.technique.words(), self.material.words(), attained.name())
        })?;
        Ok(format!("{} of {} attains {}", self.technique.words(), self.material.words(), attained.name()))
    }

    fn check_particles(&self) -> Found {
        let Some(Particle { class, largest_mm2 }) = self.technique.particle() else {
            return Ok("the technique leaves no particles to measure".to_owned());
        };
        let limit = class.limit().ok_or_else(|| format!("{class} is no class of ISO/IEC 21964 from 4 to 7"))?;
        let category = self.material.category();
        require(class.category == category, || {
            format!("{class} is not about {}: category {category:?} is", self.material.words())
        })?;
        require(largest_mm2.0 > 0, || "the largest particle has no area".to_owned())?;
        require(largest_mm2 <= limit, || {
            format!("{class} allows {limit} mm2, the largest particle has {largest_mm2} mm2")
        })?;
        Ok(format!("largest particle {largest_mm2} mm2, within {class} ({limit} mm2)"))
    }

    fn check_equipment(&self) -> Found {
        let machine = &self.equipment;
        text("the maker of the equipment", &machine.maker)?;
        text("the model of the equipment", &machine.model)?;
        optional_text("the serial number of the equipment", machine.serial.as_deref())?;
        optional_text("the products list", machine.listed.as_deref())?;
        if let DestructionTechnique::Degauss { field_oersted, coercivity_oersted } = self.technique {
            require(field_oersted > 0, || "the degausser's field is not told".to_owned())?;
            require(coercivity_oersted.is_none_or(|c| c > 0 && c <= field_oersted), || {
                format!("a field of {field_oersted} Oe does not erase a medium of higher or no coercivity")
            })?;
            require(machine.calibrated.is_some(), || {
                "a degausser shows nothing on the medium, so its last calibration must be told".to_owned()
            })?;
        }
        match (machine.calibrated, machine.calibration_ends) {
            (None, Some(_)) => Err("a calibration ends that never was".to_owned()),
            (None, None) => Ok("calibration not told".to_owned()),
            (Some(at), ends) => {
                in_order(("the calibration", at), ("the destruction", self.destroyed))?;
                if let Some(ends) = ends {
                    in_order(("the destruction", self.destroyed), ("the end of the calibration", ends))?;
                }
                Ok(format!("calibrated {}", format_time(at)))
            }
        }
    }

    fn check_facts(&self) -> Found {
        text("the organization", &self.organization)?;
        text("the place", &self.place)?;
        optional_text("the batch", self.batch.as_deref())?;
        optional_text("the notes", self.notes.as_deref())?;
        require(self.weight_kg.is_none_or(|w| w.0 > 0), || "the medium weighs nothing".to_owned())?;
        if let DestructionTechnique::Incinerate { celsius } | DestructionTechnique::Melt { celsius } = self.technique {
            require((200..=5000).contains(&celsius), || format!("nothing burns or melts at {celsius} °C"))?;
        }
        if let Some(because) = &self.because {
            reference("the document that sent it here", because)?;
        }
        attachments(&self.attachments)
    }
}

impl Payload for Destruction {
    fn kind(&self) -> DocumentType {
        DocumentType::Destruction
    }

    fn check(&self) -> Vec<Check> {
        let people = person("the operator", &self.operator)
            .and_then(|()| self.witness.as_ref().map_or(Ok(()), |w| person("the witness", w)))
            .and_then(|()| {
                let same = self.witness.as_ref().is_some_and(|w| same_name(&w.name, &self.operator.name));
                require(!same, || "operator and witness have one name".to_owned())
            });
        vec![
            named("schema", schema((&self.schema, self.version), DESTRUCTION_SCHEMA)),
            named("identity", medium(&self.medium).map(|()| self.medium.label())),
            named("method", self.check_attained()),
            named("particles", self.check_particles()),
            named("equipment", self.check_equipment()),
            named("facts", self.check_facts()),
            named("people", people.map(|()| self.operator.name.clone())),
            match &self.witness {
                Some(witness) => Check::new("witness", Outcome::Passed, format!("{} is named", witness.name)),
                None => Check::new("witness", Outcome::Passed, "no witness is named; the operator alone speaks"),
            },
        ]
    }

    fn demands(&self) -> Vec<Demand<'_>> {
        let mut demands = vec![Demand::must("operator", &self.operator.kid, &[Role::Operator]).of(&self.operator.name)];
        if let Some(witness) = &self.witness {
            demands.push(Demand::may_follow("witness", &witness.kid, &[Role::Witness]).of(&witness.name));
        }
        demands
    }

    fn dated(&self) -> DateTime<Utc> {
        self.destroyed
    }
}
