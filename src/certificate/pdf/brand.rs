//! An organization's letterhead, and the sheet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

const MAX_LOGO: usize = 2 << 20;

/// The letterhead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brand {
    /// Name at the top, where there is no logo.
    pub organization: String,
    /// Lines at the top right.
    pub address: Vec<String>,
    /// A line at the foot of each page.
    pub footer: String,
    /// `#rrggbb`.
    pub colour: String,
    /// Where a stranger can check certificates; stands in the QR code.
    pub verify_address: String,
    /// Picture at the top.
    pub logo: Option<Logo>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// `logo.svg`, `logo.png` or `logo.jpg`.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// ISO 216 A4.
    A4,
    /// US Letter.
    Letter,
}

/// A letterhead that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrandError {
    /// No TOML of the documented form.
    #[error("not of the documented form: {0}")]
    Toml(String),
    /// A colour that is none.
    #[error("the colour {0:?} is not written as #rrggbb")]
    Colour(String),
    /// A picture that is none.
    #[error("the logo {0:?} must be an SVG, PNG or JPEG file of at most {MAX_LOGO} bytes")]
    Logo(String),
}

/// `brand.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BrandFile {
    organization: Option<String>,
    address: Vec<String>,
    footer: String,
    colour: String,
    verify_address: String,
    logo: Option<String>,
}

impl Default for BrandFile {
    fn default() -> BrandFile {
        BrandFile {
            organization: None,
            address: Vec::new(),
            footer: String::new(),
            colour: "#0b3d66".to_owned(),
            verify_address: String::new(),
            logo: None,
        }
    }
}

impl Brand {
    /// A plain letterhead with a name.
    pub fn plain(organization: &str) -> Brand {
        Brand {
            organization: organization.to_owned(),
            address: Vec::new(),
            footer: String::new(),
            colour: BrandFile::default().colour,
            verify_address: String::new(),
            logo: None,
        }
    }

    /// Reads `brand.toml`. `organization` is the name where the file gives none; `open` reads the logo
    /// that the file names.
    pub fn from_toml(
        text: &str,
        organization: &str,
        open: impl FnOnce(&str) -> Result<Vec<u8>, std::io::Error>,
    ) -> Result<Brand, BrandError> {
        let file: BrandFile = toml::from_str(text).map_err(|e| BrandError::Toml(e.message().to_owned()))?;
        check_colour(&file.colour)?;
        let logo = match file.logo {
            None => None,
            Some(name) => {
                let bytes = open(&name).map_err(|e| BrandError::Logo(format!("{name}: {e}")))?;
                Some(Logo::new(&name, bytes)?)
            }
        };
        Ok(Brand {
            organization: file.organization.unwrap_or_else(|| organization.to_owned()),
            address: file.address,
            footer: file.footer,
            colour: file.colour,
            verify_address: file.verify_address,
            logo,
        })
    }

    pub(super) fn to_value(&self) -> Value {
        let logo = self.logo.as_ref().map(|l| json!({ "name": l.name, "content": STANDARD.encode(&l.bytes) }));
        json!({
            "organization": self.organization, "address": self.address, "footer": self.footer,
            "colour": self.colour, "verify_address": self.verify_address, "logo": logo,
        })
    }

    pub(super) fn from_value(value: &Value) -> Option<Brand> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let colour = text("colour")?;
        check_colour(&colour).ok()?;
        let logo = match &value["logo"] {
            Value::Null => None,
            logo => Some(Logo::new(logo["name"].as_str()?, STANDARD.decode(logo["content"].as_str()?).ok()?).ok()?),
        };
        let address = value["address"].as_array()?.iter().map(|line| line.as_str().map(str::to_owned));
        Some(Brand {
            organization: text("organization")?,
            address: address.collect::<Option<_>>()?,
            footer: text("footer")?,
            colour,
            verify_address: text("verify_address")?,
            logo,
        })
    }
}

impl Logo {
    /// A picture by its file's name and content.
    pub fn new(name: &str, bytes: Vec<u8>) -> Result<Logo, BrandError> {
        let kind = match name.rsplit('.').next().map(str::to_ascii_lowercase).as_deref() {
            Some("svg") => "svg",
            Some("png") if bytes.starts_with(b"\x89PNG") => "png",
            Some("jpg" | "jpeg") if bytes.starts_with(b"\xff\xd8") => "jpg",
            _ => return Err(BrandError::Logo(name.to_owned())),
        };
        if bytes.len() > MAX_LOGO {
            return Err(BrandError::Logo(name.to_owned()));
        }
        Ok(Logo { name: format!("logo.{kind}"), bytes })
    }
}

impl Paper {
    pub(super) fn typst(self) -> &'static str {
        match self {
            Paper::A4 => "a4",
            Paper::Letter => "us-letter",
        }
    }

    pub(super) fn of_typst(word: &str) -> Option<Paper> {
        [Paper::A4, Paper::Letter].into_iter().find(|paper| paper.typst() == word)
    }
}

fn check_colour(colour: &str) -> Result<(), BrandError> {
    let digits = colour.strip_prefix('#').unwrap_or_default();
    match digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err(BrandError::Colour(colour.to_owned())),
    }
}
