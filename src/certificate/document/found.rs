//! Small checks that every document is put through.

use chrono::{DateTime, Utc};

use super::part::{Attachment, DocumentRef, MediumName, Signatory};
use crate::signed::{Check, Outcome};

/// The longest text a person may give.
const MAX_TEXT: usize = 2000;

/// What was found, or what is wrong.
pub(super) type Found = Result<String, String>;

pub(super) fn named(name: &'static str, found: Found) -> Check {
    match found {
        Ok(detail) => Check::new(name, Outcome::Passed, detail),
        Err(detail) => Check::new(name, Outcome::Failed, detail),
    }
}

pub(super) fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

pub(super) fn text(what: &str, value: &str) -> Result<(), String> {
    require(!value.trim().is_empty(), || format!("{what} is empty"))?;
    require(value.chars().count() <= MAX_TEXT, || format!("{what} is longer than {MAX_TEXT} characters"))?;
    require(!value.chars().any(|c| c.is_control() && c != '\n'), || format!("{what} holds control characters"))
}

pub(super) fn optional_text(what: &str, value: Option<&str>) -> Result<(), String> {
    value.map_or(Ok(()), |value| text(what, value))
}

pub(super) fn schema(found: (&str, u32), known: &str) -> Found {
    require(found == (known, 1), || {
        format!("{} version {} is not known here; {known} version 1 is", found.0, found.1)
    })?;
    Ok(format!("{known} version 1"))
}

pub(super) fn reference(what: &str, document: &DocumentRef) -> Result<(), String> {
    require(is_hex(&document.id, 64), || format!("the id of {what} is no SHA-256 in lower-case hex"))
}

pub(super) fn person(what: &str, person: &Signatory) -> Result<(), String> {
    text(&format!("the name of {what}"), &person.name)?;
    for (field, value) in [
        ("title", &person.title),
        ("organization", &person.organization),
        ("location", &person.location),
        ("contact", &person.contact),
    ] {
        optional_text(&format!("the {field} of {what}"), value.as_deref())?;
    }
    require(person.kid.len() == 43, || format!("the key of {what} is no RFC 7638 thumbprint"))
}

pub(super) fn medium(name: &MediumName) -> Result<(), String> {
    require(name.is_distinctive(), || "neither serial number, WWN nor identity names the medium".to_owned())?;
    require(name.digest.as_deref().is_none_or(|d| is_hex(d, 64)), || "the identity's digest is no SHA-256".to_owned())?;
    for (field, value) in [
        ("vendor", &name.vendor),
        ("model", &name.model),
        ("serial number", &name.serial),
        ("WWN", &name.wwn),
        ("asset tag", &name.asset_tag),
    ] {
        optional_text(&format!("the medium's {field}"), value.as_deref())?;
    }
    Ok(())
}

pub(super) fn attachments(files: &[Attachment]) -> Found {
    for file in files {
        text("the name of an attachment", &file.name)?;
        require(is_hex(&file.sha256, 64), || format!("the SHA-256 of attachment {} is none", file.name))?;
        require(file.size.0 > 0, || format!("attachment {} is empty", file.name))?;
    }
    let mut hashes: Vec<_> = files.iter().map(|f| &f.sha256).collect();
    hashes.sort_unstable();
    hashes.dedup();
    require(hashes.len() == files.len(), || "an attachment is listed twice".to_owned())?;
    Ok(match files.len() {
        0 => "no files belong to it".to_owned(),
        1 => "1 file belongs to it; compare its SHA-256".to_owned(),
        n => format!("{n} files belong to it; compare their SHA-256"),
    })
}

pub(super) fn in_order(first: (&str, DateTime<Utc>), then: (&str, DateTime<Utc>)) -> Result<(), String> {
    require(first.1 <= then.1, || format!("{} is dated before {}", then.0, first.0))
}
