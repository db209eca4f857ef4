//! `lastwrite certificate record-destruction`

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, ValueEnum};

use super::super::key::time;
use super::{
    Common, Judge, OutArgs, PersonArgs, TrustArgs, attachments, need_trust, organization, own_name, seal_failure,
};
use crate::certificate::document::{
    Confidentiality, DESTRUCTION_SCHEMA, Destruction, DestructionTechnique, DocumentType, Equipment, Material,
    MediumName, Milli, Particle, ParticleClass, Signatory, attainable, seal,
};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{Role, TrustStore, format_time};
use crate::units::{Bytes, now};

#[derive(Debug, Args)]
pub struct DestroyArgs {
    /// The failure report, rejection or certificate that sent the medium here; names the medium too
    #[arg(long, value_name = "FILE")]
    because: Option<PathBuf>,
    /// Serial number of the medium, as on its label
    #[arg(long, value_name = "SERIAL", required_unless_present = "because", allow_hyphen_values = true)]
    serial: Option<String>,
    /// Manufacturer of the medium
    #[arg(long, value_name = "NAME")]
    vendor: Option<String>,
    /// Model of the medium
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// World Wide Name of the medium
    #[arg(long, value_name = "WWN")]
    wwn: Option<String>,
    /// Capacity of the medium in bytes
    #[arg(long, value_name = "BYTES")]
    size: Option<u64>,
    /// Asset tag
    #[arg(long, value_name = "TAG")]
    asset: Option<String>,
    /// What the medium stores in
    #[arg(long, value_enum)]
    material: Stuff,
    /// Confidentiality category of its data (FIPS 199)
    #[arg(long, value_enum)]
    category: Option<Category>,
    /// degauss, shred, disintegrate, incinerate or melt
    #[arg(long, value_name = "TECHNIQUE")]
    technique: String,
    /// Class of ISO/IEC 21964 (H-5, E-4 ...), for shred and disintegrate
    #[arg(long, value_name = "CLASS")]
    class: Option<ParticleClass>,
    /// Area of the largest particle in mm2, for shred and disintegrate
    #[arg(long, value_name = "MM2")]
    particle: Option<Milli>,
    /// Temperature in degrees Celsius, for incinerate and melt
    #[arg(long, value_name = "CELSIUS")]
    celsius: Option<u32>,
    /// Peak field of the degausser in oersted
    #[arg(long, value_name = "OE")]
    field: Option<u32>,
    /// Coercivity of the medium in oersted
    #[arg(long, value_name = "OE")]
    coercivity: Option<u32>,
    /// The approved standard that is followed, by name and clause
    #[arg(long, value_name = "TEXT")]
    standard: Option<String>,
    /// Where it was done
    #[arg(long, value_name = "TEXT")]
    place: String,
    /// Manufacturer of the machine
    #[arg(long, value_name = "NAME")]
    equipment_maker: String,
    /// Model of the machine
    #[arg(long, value_name = "MODEL")]
    equipment_model: String,
    /// Serial number of the machine
    #[arg(long, value_name = "SERIAL", allow_hyphen_values = true)]
    equipment_serial: Option<String>,
    /// Evaluated products list that the machine stands on
    #[arg(long, value_name = "TEXT")]
    listed: Option<String>,
    /// Last calibration of the machine (date or RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    calibrated: Option<DateTime<Utc>>,
    /// Until when the calibration holds
    #[arg(long, value_name = "TIME", value_parser = time)]
    calibration_ends: Option<DateTime<Utc>>,
    /// Batch
    #[arg(long, value_name = "TEXT")]
    batch: Option<String>,
    /// Weight of the medium in kilograms
    #[arg(long, value_name = "KG")]
    weight: Option<Milli>,
    /// Photos, videos, papers; their hashes go into the record
    #[arg(long, value_name = "FILE", num_args = 1..)]
    attach: Vec<PathBuf>,
    /// When it was done, not in the future; a date alone is the end of that day [default: now]
    #[arg(long, value_name = "TIME", value_parser = told)]
    destroyed: Option<Told>,
    /// Key of a witness who is here, as PKCS#8 PEM
    #[arg(long, value_name = "FILE", conflicts_with = "witness")]
    witness_key: Option<PathBuf>,
    /// Key (thumbprint) of a witness who signs later: lastwrite certificate sign FILE --role witness
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    witness: Option<String>,
    /// Name of the witness [default: as the trust store knows the key]
    #[arg(long, value_name = "NAME")]
    witness_name: Option<String>,
    /// Anything else
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    #[command(flatten)]
    person: PersonArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stuff {
    /// Hard disk with magnetic platters, no flash
    HardDisk,
    /// Hard disk with flash (SSHD)
    HybridDisk,
    /// SSD, NVMe, USB stick, card, phone
    Flash,
    /// Tape, floppy, magnetic card
    MagneticTape,
    /// CD, DVD, Blu-ray
    Optical,
    /// Cannot be told
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Category {
    /// Low
    Low,
    /// Moderate
    Moderate,
    /// High
    High,
}

/// A time as a person tells it.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: DateTime<Utc>,
    /// The day alone; `at` is its beginning.
    day: bool,
}

impl Told {
    /// Of a day its end, so that nothing of the same day counts as later; of this day now.
    fn at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let end = self.at + TimeDelta::days(1) - TimeDelta::seconds(1);
        match self.day {
            true if self.at <= now => end.min(now),
            _ => self.at,
        }
    }
}

fn told(text: &str) -> Result<Told, String> {
    Ok(Told { at: time(text)?, day: !text.contains(['T', 't', ' ']) })
}

pub fn record_destruction(common: &Common, args: &DestroyArgs) -> Result<Exit, Failure> {
    let trust = need_trust(common, &args.trust)?;
    let (technique, now) = (technique(args)?, now());
    let destroyed = args.destroyed.map_or(now, |told| told.at(now));
    if destroyed > now {
        let why = format!("{} has not come yet; nothing was recorded", format_time(destroyed));
        return Err(Failure::words(Exit::Usage, why)
            .hint("record the destruction when it is done; if it is, this machine's clock is wrong"));
    }
    let material = args.material.material();
    let category = args.category.map(Category::category);
    let attained = attainable(&technique, material, category, args.standard.is_some()).map_err(|why| {
        Failure::words(Exit::Refused, format!("no record of destruction: {why}"))
            .hint("disintegrate, incinerate or melt it; nothing was recorded")
    })?;
    let because =
        args.because.as_ref().map(|file| Judge::new(common, Some(&trust), &[], &[])?.subject(file)).transpose()?;
    let medium = medium(args, because.as_ref().and_then(|b| b.medium.clone()))?;
    let (key, operator) = args.person.signatory(common, Some(&trust), Role::Operator)?;
    let (witness_key, witness) = witness(common, args, &trust)?;
    let record = Destruction {
        schema: DESTRUCTION_SCHEMA.to_owned(),
        version: 1,
        organization: organization(&operator)?,
        place: args.place.clone(),
        medium,
        material,
        category,
        technique,
        standard: args.standard.clone(),
        attained,
        equipment: Equipment {
            maker: args.equipment_maker.clone(),
            model: args.equipment_model.clone(),
            serial: args.equipment_serial.clone(),
            listed: args.listed.clone(),
            calibrated: args.calibrated,
            calibration_ends: args.calibration_ends,
        },
        because: because.map(|b| b.reference),
        batch: args.batch.clone(),
        weight_kg: args.weight,
        attachments: attachments(&args.attach)?,
        destroyed,
        operator,
        witness,
        notes: args.notes.clone(),
    };
    let mut signers = vec![(&key, Role::Operator)];
    signers.extend(witness_key.as_ref().map(|key| (key, Role::Witness)));
    let issued = seal(&record, &signers, now).map_err(|e| seal_failure(&e))?;
    super::hand_out(common, &args.out, DocumentType::Destruction, &issued)?;
    if witness_key.is_none() && record.witness.is_some() {
        super::output::line_err(
            "NOTE: it is complete when the witness has signed it: lastwrite certificate sign FILE --role witness",
        );
    }
    Ok(Exit::Done)
}

fn technique(args: &DestroyArgs) -> Result<DestructionTechnique, Failure> {
    let missing = |what: &str| Failure::words(Exit::Usage, format!("{} needs {what}", args.technique));
    let particle = || {
        let (Some(class), Some(largest_mm2)) = (args.class, args.particle) else {
            return Err(missing("--class and --particle"));
        };
        Ok(Particle { class, largest_mm2 })
    };
    let celsius = || args.celsius.ok_or_else(|| missing("--celsius"));
    match args.technique.as_str() {
        "degauss" => Ok(DestructionTechnique::Degauss {
            field_oersted: args.field.ok_or_else(|| missing("--field"))?,
            coercivity_oersted: args.coercivity,
        }),
        "shred" => Ok(DestructionTechnique::Shred { particle: particle()? }),
        "disintegrate" => Ok(DestructionTechnique::Disintegrate { particle: particle()? }),
        "incinerate" => Ok(DestructionTechnique::Incinerate { celsius: celsius()? }),
        "melt" => Ok(DestructionTechnique::Melt { celsius: celsius()? }),
        "bend" | "cut" | "drill" | "crush" | "punch" | "hammer" | "break" | "pulverize" => Err(Failure::words(
            Exit::Refused,
            format!(
                "no record of destruction: after {} data can be read from what is left (SP 800-88r2)",
                args.technique
            ),
        )
        .hint("disintegrate, incinerate or melt it")),
        other => Err(Failure::words(Exit::Usage, format!("{other} is no technique of destruction"))
            .hint("degauss, shred, disintegrate, incinerate or melt")),
    }
}

/// What the label says must not contradict what the drive said before.
fn medium(args: &DestroyArgs, known: Option<MediumName>) -> Result<MediumName, Failure> {
    let label = MediumName {
        vendor: args.vendor.clone(),
        model: args.model.clone(),
        serial: args.serial.clone(),
        wwn: args.wwn.clone(),
        size: args.size.map(Bytes),
        digest: None,
        asset_tag: args.asset.clone(),
    };
    let Some(known) = known else { return Ok(label) };
    let wrong = known.contradictions(&label);
    if !wrong.is_empty() {
        let why = format!("the label is that of another medium: {} differs from the document", wrong.join(", "));
        return Err(Failure::words(Exit::Refused, why).hint("take the medium that the document names"));
    }
    Ok(MediumName {
        vendor: known.vendor.or(label.vendor),
        model: known.model.or(label.model),
        serial: known.serial.or(label.serial),
        wwn: known.wwn.or(label.wwn),
        size: known.size.or(label.size),
        digest: known.digest,
        asset_tag: label.asset_tag.or(known.asset_tag),
    })
}

fn witness(
    common: &Common,
    args: &DestroyArgs,
    trust: &TrustStore,
) -> Result<(Option<crate::signed::StationKey>, Option<Signatory>), Failure> {
    let key = args
        .witness_key
        .as_ref()
        .map(|path| {
            // The passphrase of the operator is not that of the witness: theirs is asked for.
            let mut other = args.person.key.clone();
            other.key = Some(path.to_string_lossy().into_owned());
            other.load(common)
        })
        .transpose()?;
    let kid = key.as_ref().map(|k| k.kid().to_owned()).or(args.witness.clone());
    let Some(kid) = kid else { return Ok((None, None)) };
    let known = trust.find(&kid).map(|k| k.name.clone());
    if let Some(name) = &args.witness_name {
        own_name(Some(trust), &kid, name, "recorded")?;
    }
    let name = args.witness_name.clone().or(known).ok_or_else(|| {
        Failure::words(Exit::Usage, format!("whose key is {kid}? The trust store does not know it"))
            .hint("give the name with --witness-name")
    })?;
    let witness = Signatory { kid, name, title: None, organization: None, location: None, contact: None };
    Ok((key, Some(witness)))
}

impl Stuff {
    fn material(self) -> Material {
        match self {
            Stuff::HardDisk => Material::HardDisk,
            Stuff::HybridDisk => Material::HybridDisk,
            Stuff::Flash => Material::Flash,
            Stuff::MagneticTape => Material::MagneticTape,
            Stuff::Optical => Material::Optical,
            Stuff::Unknown => Material::Unknown,
        }
    }
}

impl Category {
    fn category(self) -> Confidentiality {
        match self {
            Category::Low => Confidentiality::Low,
            Category::Moderate => Confidentiality::Moderate,
            Category::High => Confidentiality::High,
        }
    }
}
