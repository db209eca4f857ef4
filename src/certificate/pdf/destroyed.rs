//! The page of a record of destruction.

use super::content::{Page, Rows, named, of_kind, person, short, time, verdict};
use super::words::Words;
use crate::certificate::document::{Attachment, Destruction, DestructionTechnique, Equipment, MediumName};
use crate::units::human_bytes;

pub fn page(d: &Destruction, words: &Words) -> Page {
    let verdict = verdict(words, d.attained.name(), "good", "passed");
    let mut medium = medium(&d.medium, words);
    medium.row("material", of_kind("material", &d.material, words));
    medium.optional("weight", d.weight_kg.map(|w| format!("{w} kg")).as_deref());
    let mut record = Rows::new(words);
    record.row("organization", &d.organization).row("operator", person(&d.operator));
    record.optional("witness", d.witness.as_ref().map(person).as_deref());
    record.optional("because", d.because.as_ref().map(|because| named(because, words)).as_deref());
    let file = |f: &Attachment| format!("{} (SHA-256\u{a0}{})", f.name, short(&f.sha256));
    let files: Vec<_> = d.attachments.iter().map(file).collect();
    record.optional("attachments", (!files.is_empty()).then(|| files.join("; ")).as_deref());
    record.optional("notes", d.notes.as_deref());
    let sections = vec![medium.section("medium"), done(d, words).section("destruction"), record.section("record")];
    Page::new("title_destruction", verdict, sections)
}

/// What names a medium.
pub fn medium<'a>(name: &MediumName, words: &'a Words) -> Rows<'a> {
    let mut rows = Rows::new(words);
    rows.optional("vendor", name.vendor.as_deref())
        .optional("model", name.model.as_deref())
        .optional("serial", name.serial.as_deref())
        .optional("wwn", name.wwn.as_deref())
        .optional("asset", name.asset_tag.as_deref())
        .optional("capacity", name.size.map(|size| human_bytes(size.0)).as_deref());
    rows
}

fn done<'a>(d: &Destruction, words: &'a Words) -> Rows<'a> {
    let mut rows = Rows::new(words);
    rows.row("technique", of_kind("technique", &d.technique.words(), words)).row("attained", d.attained.name());
    match &d.technique {
        DestructionTechnique::Degauss { field_oersted, coercivity_oersted } => {
            rows.row("field", format!("{field_oersted} Oe"));
            rows.optional("coercivity", coercivity_oersted.map(|c| format!("{c} Oe")).as_deref());
        }
        DestructionTechnique::Shred { particle } | DestructionTechnique::Disintegrate { particle } => {
            let most = words.get("at_most").replacen("{}", &particle.largest_mm2.to_string(), 1);
            rows.row("particle", format!("{} (ISO/IEC 21964), {most}", particle.class));
        }
        DestructionTechnique::Incinerate { celsius } | DestructionTechnique::Melt { celsius } => {
            rows.row("temperature", format!("{celsius} °C"));
        }
    }
    rows.optional("standard", d.standard.as_deref());
    equipment(&d.equipment, &mut rows);
    rows.row("place", &d.place).row("destroyed_on", time(d.destroyed)).optional("batch", d.batch.as_deref());
    rows
}

fn equipment(machine: &Equipment, rows: &mut Rows<'_>) {
    let date = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d").to_string();
    rows.row("equipment", format!("{} {}", machine.maker, machine.model))
        .optional("equipment_serial", machine.serial.as_deref())
        .optional("listed", machine.listed.as_deref())
        .optional("calibrated", machine.calibrated.map(date).as_deref())
        .optional("calibration_ends", machine.calibration_ends.map(date).as_deref());
}
