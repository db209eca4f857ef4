//! Typesetting: a Typst template, data and files become a PDF/A-3 document or pictures of its pages.
//!
//! Knows nothing of what is typeset. No clock, no network, no file is read: the same input gives the
//! same bytes on every machine (but for scripts that the embedded fonts lack, see [`Document`]).

mod text;
mod world;

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use serde_json::{Value, json};
use typst::diag::SourceDiagnostic;
use typst::foundations::{Datetime, Smart};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

use world::{Files, OneDocument};

/// What is to be typeset.
///
/// The template reads its data with `json("/data.json")` and its files by their names, such as
/// `image("/logo.svg")`. It may use the fonts *Libertinus Serif*, *New Computer Modern* and *DejaVu
/// Sans Mono*, which are part of the program. Characters of the data that none of them has are taken
/// from the machine's fonts; those that no font has are written as `<U+4E2D>`.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    /// Title in the document's properties. Must not be empty.
    pub title: &'a str,
    /// Author in the document's properties.
    pub author: &'a str,
    /// Language of the text (ISO 639), such as `en`.
    pub language: &'a str,
    /// The time the document bears.
    pub at: DateTime<Utc>,
    /// What identifies the document stably, such as the id of what it shows.
    pub ident: &'a str,
    /// Typst source.
    pub template: &'a str,
    /// `/data.json`.
    pub data: &'a Value,
    /// Pictures and other files of the template: name and content.
    pub files: &'a [(&'a str, &'a [u8])],
    /// Files that the PDF carries inside.
    pub attached: &'a [Attached<'a>],
}

/// A file inside the PDF (an associated file of PDF/A-3, ISO 19005-3).
#[derive(Clone, Debug)]
pub struct Attached<'a> {
    /// File name, without folders.
    pub name: &'a str,
    /// Media type, such as `application/jose+json`.
    pub media_type: &'a str,
    /// One line for people. Must not be empty.
    pub description: &'a str,
    /// What it is to the document.
    pub relationship: Relationship,
    /// The bytes, carried as they are.
    pub bytes: &'a [u8],
}

/// What an attached file is to the document (ISO 32000-2, 7.11.3: `AFRelationship`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relationship {
    /// The document was made from it.
    Source,
    /// The data that the document shows.
    Data,
    /// The same in another form.
    Alternative,
    /// More than the document shows.
    Supplement,
}

/// A PDF and what it conforms to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdf {
    /// The file.
    pub bytes: Vec<u8>,
    /// `PDF/A-3a`, or `PDF/A-3b` where text in a complex script cannot be mapped back to characters.
    pub conformance: &'static str,
}

/// Why nothing could be typeset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypesetError {
    /// The template, or the data it reads, is wrong.
    #[error("the template cannot be typeset: {}", .0.join("; "))]
    Template(Vec<String>),
    /// The document is fine, but no PDF/A-3.
    #[error("the document cannot be written as PDF/A-3: {}", .0.join("; "))]
    Export(Vec<String>),
    /// A date that PDF has no room for, or a name of a file that is none.
    #[error("the document cannot be typeset: {0}")]
    Input(String),
}

impl Document<'_> {
    /// As PDF/A-3.
    pub fn pdf(&self) -> Result<Pdf, TypesetError> {
        let world = self.world()?;
        let document = compile(&world)?;
        let mut options = PdfOptions {
            ident: Smart::Custom(self.ident.to_owned()),
            creator: Smart::Custom(Some(format!("lastwrite {}", env!("CARGO_PKG_VERSION")))),
            timestamp: Some(Timestamp::new_utc(self.time()?)),
            ..PdfOptions::default()
        };
        let mut first = None;
        for (standard, conformance) in [(PdfStandard::A_3a, "PDF/A-3a"), (PdfStandard::A_3b, "PDF/A-3b")] {
            options.standards =
                PdfStandards::new(&[standard]).map_err(|e| TypesetError::Export(vec![e.message().to_string()]))?;
            match typst_pdf::pdf(&document, &options) {
                Ok(bytes) => return Ok(Pdf { bytes, conformance }),
                Err(errors) => first = first.or(Some(errors)),
            }
        }
        Err(TypesetError::Export(told(&first.unwrap_or_default(), &world)))
    }

    /// Every page as an SVG picture.
    pub fn pages(&self) -> Result<Vec<String>, TypesetError> {
        let document = compile(&self.world()?)?;
        let options = typst_svg::SvgOptions::default();
        Ok(document.pages().iter().map(|page| typst_svg::svg(page, &options)).collect())
    }

    fn time(&self) -> Result<Datetime, TypesetError> {
        let part = |n: u32| u8::try_from(n).unwrap_or(0);
        let at = self.at;
        let (hour, minute, second) = (part(at.hour()), part(at.minute()), part(at.second()));
        Datetime::from_ymd_hms(at.year(), part(at.month()), part(at.day()), hour, minute, second)
            .filter(|_| (0..=9999).contains(&at.year()))
            .ok_or_else(|| TypesetError::Input(format!("a PDF cannot bear the time {at}")))
    }

    fn world(&self) -> Result<OneDocument, TypesetError> {
        let mut files = Files::default();
        let attached: Vec<Value> = self
            .attached
            .iter()
            .map(|file| {
                json!({
                    "name": file.name, "media_type": file.media_type, "description": file.description,
                    "relationship": file.relationship.name(),
                })
            })
            .collect();
        let frame = json!({
            "title": text::plain(self.title), "author": text::plain(self.author), "language": self.language,
            "attached": attached,
        });
        let (data, needed) = text::writable(self.data);
        files.add("frame.json", frame.to_string().into_bytes())?;
        files.add("data.json", data.to_string().into_bytes())?;
        for (name, bytes) in self.files {
            files.add(name, bytes.to_vec())?;
        }
        for file in self.attached {
            files.add(&format!("attached/{}", file.name), file.bytes.to_vec())?;
        }
        // The first line is ours, so the template's lines are told less one. What is attached stands
        // at the end: before the template it would stand on a page of its own.
        let main = format!("{}\n{}\n{}", world::BEFORE, self.template, world::AFTER);
        OneDocument::new(main, files, &needed, self.time()?)
    }
}

impl Relationship {
    fn name(self) -> &'static str {
        match self {
            Relationship::Source => "source",
            Relationship::Data => "data",
            Relationship::Alternative => "alternative",
            Relationship::Supplement => "supplement",
        }
    }
}

fn compile(world: &OneDocument) -> Result<PagedDocument, TypesetError> {
    let compiled = typst::compile::<PagedDocument>(world).output;
    // What Typst remembers between two runs is of no use to us.
    typst::comemo::evict(0);
    compiled.map_err(|errors| TypesetError::Template(told(&errors, world)))
}

fn told(errors: &[SourceDiagnostic], world: &OneDocument) -> Vec<String> {
    let tell = |error: &SourceDiagnostic| {
        let line = world.line_of(error.span).map(|line| format!("line {line}: ")).unwrap_or_default();
        let hints: String = error.hints.iter().map(|hint| format!(" ({})", hint.v)).collect();
        format!("{line}{}{hints}", error.message)
    };
    errors.iter().map(tell).collect()
}
