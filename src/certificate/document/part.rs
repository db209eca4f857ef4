//! What several documents say in the same words.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::kind::DocumentType;
use crate::media::Identity;
use crate::units::{Bytes, human_bytes};

/// A person and the key they sign with. The key is proven by the signature; the rest is as given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signatory {
    /// RFC 7638 thumbprint of their key.
    pub kid: String,
    /// Name.
    pub name: String,
    /// Title or position.
    pub title: Option<String>,
    /// Organization.
    pub organization: Option<String>,
    /// Location.
    pub location: Option<String>,
    /// Phone or other contact.
    pub contact: Option<String>,
}

/// Another document, by the SHA-256 of its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentRef {
    /// 64 hex digits.
    pub id: String,
    /// What it is.
    pub kind: DocumentType,
}

/// What names a medium: as a drive reported it, or as a person read it from the label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumName {
    /// Manufacturer.
    pub vendor: Option<String>,
    /// Model number.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// World Wide Name; where there is none, NGUID or EUI-64.
    pub wwn: Option<String>,
    /// Capacity in bytes.
    pub size: Option<Bytes>,
    /// SHA-256 of the identity, as the custody log names a medium; `null` when nobody read the drive.
    pub digest: Option<String>,
    /// Asset tag, as given.
    pub asset_tag: Option<String>,
}

/// A file that is kept beside the document and belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// What it shows.
    pub kind: AttachmentKind,
    /// Its file name then.
    pub name: String,
    /// Its size in bytes.
    pub size: Bytes,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
}

/// Sort of attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// A photo.
    Photo,
    /// A video.
    Video,
    /// Any other file: a calibration certificate, a weighing slip.
    Document,
}

/// What happens to the medium next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// Sanitize it once more.
    SanitizeAgain,
    /// Destroy it physically.
    Destroy,
    /// Keep it under lock until somebody finds out what happened.
    Quarantine,
}

/// A quantity with at most three decimals; in JSON a decimal string in its shortest spelling:
/// `"10"`, `"0.5"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Milli(pub u64);

/// Text that is no such quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no number like 10 or 0.5 (at most three decimals)")]
pub struct MilliError(String);

impl NextStep {
    /// For a sentence.
    pub fn words(self) -> &'static str {
        match self {
            NextStep::SanitizeAgain => "sanitize it again",
            NextStep::Destroy => "destroy it physically",
            NextStep::Quarantine => "keep it under lock until it is known what happened",
        }
    }
}

impl MediumName {
    /// As a drive reported itself.
    pub fn of(identity: &Identity, asset_tag: Option<&str>) -> MediumName {
        let wwn = identity.wwn.as_ref().or(identity.nguid.as_ref()).or(identity.eui64.as_ref());
        MediumName {
            vendor: identity.vendor.clone(),
            model: identity.model.clone(),
            serial: identity.serial.clone(),
            wwn: wwn.cloned(),
            size: Some(identity.size),
            digest: Some(identity.digest()),
            asset_tag: asset_tag.map(str::to_owned),
        }
    }

    /// Whether anything names this very medium.
    pub fn is_distinctive(&self) -> bool {
        [&self.serial, &self.wwn, &self.digest].into_iter().any(|part| part.as_deref().is_some_and(filled))
    }

    /// The facts that contradict each other. A fact that one side lacks contradicts nothing.
    pub fn contradictions(&self, other: &MediumName) -> Vec<&'static str> {
        let differ = |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if !same(a, b));
        let mut found = Vec::new();
        if differ(&self.serial, &other.serial) {
            found.push("serial number");
        }
        if differ(&self.wwn, &other.wwn) {
            found.push("WWN");
        }
        if differ(&self.model, &other.model) {
            found.push("model");
        }
        if matches!((self.size, other.size), (Some(a), Some(b)) if a != b) {
            found.push("size");
        }
        found
    }

    /// Whether both name the same medium: one distinctive fact in common, and none against it.
    pub fn same_medium(&self, other: &MediumName) -> bool {
        self.shares_name(other) && self.contradictions(other).is_empty()
    }

    /// The same, whatever size it had: it may have given hidden areas back in between.
    pub fn same_medium_of_any_size(&self, other: &MediumName) -> bool {
        self.shares_name(other) && self.contradictions(other).iter().all(|fact| *fact == "size")
    }

    fn shares_name(&self, other: &MediumName) -> bool {
        let common =
            |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if filled(a) && same(a, b));
        common(&self.serial, &other.serial) || common(&self.wwn, &other.wwn) || common(&self.digest, &other.digest)
    }

    /// For a person: vendor, model, serial.
    pub fn label(&self) -> String {
        let parts = [&self.vendor, &self.model, &self.serial].into_iter().flatten();
        let mut text = parts.filter(|p| filled(p)).cloned().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            let other = self.wwn.clone().or_else(|| self.digest.as_ref().map(|d| d.chars().take(12).collect()));
            text = other.unwrap_or_else(|| "a medium without a name".to_owned());
        }
        match self.size {
            Some(size) => format!("{text} ({})", human_bytes(size.0)),
            None => text,
        }
    }
}

fn filled(text: &str) -> bool {
    !text.trim().is_empty()
}

fn same(a: &str, b: &str) -> bool {
    a.trim().eq_ignore_ascii_case(b.trim())
}

impl std::str::FromStr for Milli {
    type Err = MilliError;

    fn from_str(text: &str) -> Result<Milli, MilliError> {
        let wrong = || MilliError(text.to_owned());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        let dot = text.contains('.');
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 3 || dot == fraction.is_empty() {
            return Err(wrong());
        }
        let thousands: u64 = whole.parse().map_err(|_| wrong())?;
        let rest: u64 = format!("{fraction:0<3}").parse().map_err(|_| wrong())?;
        thousands.checked_mul(1000).and_then(|t| t.checked_add(rest)).map(Milli).ok_or_else(wrong)
    }
}

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1000 {
            0 => write!(f, "{}", self.0 / 1000),
            rest => f.write_str(format!("{}.{rest:03}", self.0 / 1000).trim_end_matches('0')),
        }
    }
}

impl Serialize for Milli {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Milli {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Milli, D::Error> {
        // Another spelling of the same number is refused by the exact reading.
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_one_spelling() {
        for (text, value) in [("0", 0), ("10", 10_000), ("0.5", 500), ("2.25", 2250), ("0.001", 1)] {
            assert_eq!(text.parse::<Milli>(), Ok(Milli(value)));
            assert_eq!(Milli(value).to_string(), text);
        }
        for bad in ["", ".5", "1.", "1.0000", "-1", "1e3", "1,5", " 1", "99999999999999999999", "18446744073709552"] {
            assert!(bad.parse::<Milli>().is_err(), "{bad}");
        }
        // Read, but not as it would be written: the exact reading refuses it.
        assert!(crate::signed::parse_json_exact::<Milli>(b"\"1.50\"").is_err());
        assert!(crate::signed::parse_json_exact::<Milli>(b"\"01\"").is_err());
    }

    #[test]
    fn media_are_the_same_by_what_they_share_and_do_not_contradict() {
        let of = |serial: &str, size: Option<u64>| MediumName {
            serial: Some(serial.to_owned()),
            size: size.map(Bytes),
            ..MediumName::default()
        };
        assert!(of("S1", None).same_medium(&of("s1 ", Some(5))));
        assert!(!of("S1", Some(4)).same_medium(&of("S1", Some(5))));
        assert!(!of("S1", None).same_medium(&of("S2", None)));
        assert!(!of("", None).same_medium(&of("", None)));
        assert!(!of(" ", None).is_distinctive());
    }
}
