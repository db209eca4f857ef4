//! A certificate as pages for people: PDF/A-3 with the signed documents inside.
//!
//! The pages are a view. Verification reads the documents inside and makes the pages again from them;
//! see [`fn@appearance`].

mod appearance;
mod brand;
mod content;
mod destroyed;
mod judged;
mod qr;
mod table;
mod words;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::document::{Document, DocumentError, DocumentType};
use super::payload::id_of;
use crate::signed::Jws;
use crate::typeset::{self, Attached, Relationship, TypesetError};

pub use appearance::{Appearance, ExtractError, appearance, documents_in};
pub use brand::{Brand, BrandError, Logo, Paper};
pub use words::{Words, WordsError};

/// The most documents on the pages of one PDF.
pub const MAX_DOCUMENTS: usize = 2_000;
const TEMPLATE: &str = include_str!("template.typ");
/// How the pages were made, for whoever makes them again.
const VIEW: &str = "view.json";
/// Media type of a signed document (RFC 7515 section 9.2.2).
const JOSE_JSON: &str = "application/jose+json";

/// How the pages look.
#[derive(Clone, Debug)]
pub struct Look {
    /// Letterhead.
    pub brand: Brand,
    /// Language.
    pub words: Words,
    /// Sheet.
    pub paper: Paper,
    /// A Typst template of one's own instead of the program's; it gets the same `/data.json`.
    pub template: Option<String>,
}

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// One file is no document.
    #[error("document {number}: {source}")]
    Document {
        /// Which, from 1.
        number: usize,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// A sort of document without pages.
    #[error("document {number} is a {kind}, which has no pages of its own; `lastwrite certificate show` prints it")]
    NoPages {
        /// Which, from 1.
        number: usize,
        /// What it is.
        kind: DocumentType,
    },
    /// Only documents about one medium each can stand in one table.
    #[error("a {kind} stands in no table: make a PDF of it alone")]
    Alone {
        /// What it is.
        kind: DocumentType,
    },
    /// None, or more than fit.
    #[error("{0} documents; 1 to {MAX_DOCUMENTS} can be shown in one PDF")]
    Count(usize),
    /// Typesetting failed.
    #[error(transparent)]
    Typeset(#[from] TypesetError),
    /// The QR code cannot hold what it should.
    #[error("the QR code cannot be made: {0}")]
    Qr(String),
}

/// One document that is shown.
pub(super) struct Shown {
    pub id: String,
    pub kind: DocumentType,
    pub jws: Jws,
    pub document: Document,
    pub bytes: Vec<u8>,
}

/// Typesets documents (the bytes of their files): one on a page, several as a table. The same
/// documents and look give the same bytes.
pub fn pdf(files: &[Vec<u8>], look: &Look) -> Result<typeset::Pdf, PdfError> {
    let shown = read(files)?;
    let data = content::data(&shown, look);
    let ident = data["id"].as_str().unwrap_or_default().to_owned();
    let qr = qr::svg(&qr_text(&shown, &ident, &look.brand.verify_address))?;
    let view = look.view().to_string();
    let title = data["title"].as_str().unwrap_or_default().to_owned();
    let mut files: Vec<(&str, &[u8])> = vec![("qr.svg", qr.as_bytes())];
    if let Some(logo) = &look.brand.logo {
        files.push((&logo.name, &logo.bytes));
    }
    let names: Vec<String> = shown.iter().map(|s| format!("{}.json", s.id)).collect();
    let mut attached: Vec<Attached<'_>> = shown
        .iter()
        .zip(&names)
        .map(|(s, name)| Attached {
            name,
            media_type: JOSE_JSON,
            description: s.kind.name(),
            relationship: Relationship::Source,
            bytes: &s.bytes,
        })
        .collect();
    attached.push(Attached {
        name: VIEW,
        media_type: "application/json",
        description: "how these pages were made",
        relationship: Relationship::Supplement,
        bytes: view.as_bytes(),
    });
    let at = shown.iter().map(|s| content::dated(&s.document)).max().unwrap_or_default();
    let document = typeset::Document {
        title: &title,
        author: &look.brand.organization,
        language: &look.words.code,
        at,
        ident: &ident,
        template: look.template.as_deref().unwrap_or(TEMPLATE),
        data: &data,
        files: &files,
        attached: &attached,
    };
    Ok(document.pdf()?)
}

fn read(files: &[Vec<u8>]) -> Result<Vec<Shown>, PdfError> {
    if files.is_empty() || files.len() > MAX_DOCUMENTS {
        return Err(PdfError::Count(files.len()));
    }
    let mut shown: Vec<Shown> = Vec::with_capacity(files.len());
    for (bytes, number) in files.iter().zip(1..) {
        let (jws, kind, document) = Document::read(bytes).map_err(|source| PdfError::Document { number, source })?;
        let id = id_of(jws.payload());
        match &document {
            Document::Run(_) | Document::Destruction(_) => {}
            Document::Transfer(_) | Document::Discrepancy(_) => return Err(PdfError::NoPages { number, kind }),
            _ if files.len() == 1 => {}
            _ => return Err(PdfError::Alone { kind }),
        }
        // The same document twice would be two files of one name.
        if !shown.iter().any(|s| s.id == id) {
            shown.push(Shown { id, kind, jws, document, bytes: bytes.clone() });
        }
    }
    Ok(shown)
}

/// One document: its id, the digest of its file, and where to check it. Several: a digest over their ids.
fn qr_text(shown: &[Shown], ident: &str, address: &str) -> String {
    let mut lines = match shown {
        [one] => vec![format!("lastwrite:{ident}"), format!("sha256:{}", hex(&Sha256::digest(&one.bytes)))],
        many => vec![format!("lastwrite-set:{ident}"), format!("documents:{}", many.len())],
    };
    if !address.is_empty() {
        lines.push(address.to_owned());
    }
    lines.join("\n")
}

/// Names what is shown: the id of one document, the SHA-256 over the ids of several, a line each.
fn ident(shown: &[Shown]) -> String {
    match shown {
        [one] => one.id.clone(),
        many => {
            let mut hash = Sha256::new();
            many.iter().for_each(|s| hash.update(format!("{}\n", s.id)));
            hex(&hash.finalize())
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Look {
    fn view(&self) -> Value {
        serde_json::json!({
            "program": env!("CARGO_PKG_VERSION"),
            "template": if self.template.is_some() { "own" } else { "lastwrite" },
            "paper": self.paper.typst(),
            "language": self.words.code,
            "words": self.words.own,
            "brand": self.brand.to_value(),
        })
    }
}
