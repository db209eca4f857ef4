//! `lastwrite certificate pdf`

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::certificate::TrustArgs;
use super::document::{Judge, reasons};
use super::{Common, output};
use crate::certificate::Verdict;
use crate::certificate::pdf::{
    Appearance, Brand, ExtractError, Look, Paper, PdfError, Words, appearance, documents_in, pdf,
};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{MAX_DOCUMENT, write_new};

/// The largest file that is read for the look of the pages.
const MAX_LOOK: u64 = 4 << 20;

#[derive(Debug, Args)]
pub struct PdfArgs {
    /// Certificates, failure reports, records of destruction; or one computer or lot certificate, validation, revocation
    /// or verification record
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The PDF; must not exist yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// en, de, or a file of words of your own (CODE.toml)
    #[arg(long, default_value = "en", value_name = "LANGUAGE")]
    language: String,
    /// Sheet
    #[arg(long, value_enum, default_value = "a4")]
    paper: Sheet,
    /// Letterhead (TOML) [default: brand.toml in the state folder, where there is one]
    #[arg(long, value_name = "FILE")]
    brand: Option<PathBuf>,
    /// A Typst template of your own
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sheet {
    A4,
    Letter,
}

pub fn run(common: &Common, args: &PdfArgs) -> Result<Exit, Failure> {
    let trust = args.trust.load(common)?;
    // Pages outlive what is known today, so they are made by all that the station knows now.
    let judge = Judge::new(common, trust.as_ref(), &[], &[])?;
    let mut files = Vec::with_capacity(args.files.len());
    for path in &args.files {
        let bytes = read(path, MAX_DOCUMENT as u64 + 1)?;
        let verified = judge.verified(&bytes, path)?;
        if verified.verdict == Verdict::Invalid {
            let message = format!("{} is not valid: {}", path.display(), reasons(&verified));
            return Err(Failure::words(Exit::Evidence, message).hint(
                "nothing was written; what speaks against it can have pages of its own, and \
                 `lastwrite certificate verify --any` tells everything",
            ));
        }
        files.push(bytes);
    }
    let look = look(common, args)?;
    let made = pdf(&files, &look).map_err(|error| pdf_failure(&error))?;
    write_new(&args.out, &made.bytes, 0o644).map_err(|e| {
        Failure::words(Exit::Other, format!("{} was not written: {e}", args.out.display()))
            .hint("name a file that does not exist yet, in a folder that you may write to")
    })?;
    if common.json {
        output::json(&json!({
            "pdf": args.out.to_string_lossy(), "documents": files.len(), "bytes": made.bytes.len(),
            "conformance": made.conformance,
        }));
    } else {
        let inside = output::count(files.len(), "document");
        output::line(&format!("{}  {}  {inside} inside", args.out.display(), made.conformance));
    }
    Ok(Exit::Done)
}

/// The documents inside a PDF, and what is to be said of its pages.
pub type Opened = Result<(Vec<Vec<u8>>, Appearance), ExtractError>;

/// `None`: it is no PDF.
pub fn open_pdf(bytes: &[u8]) -> Option<Opened> {
    bytes.starts_with(b"%PDF-").then(|| Ok((documents_in(bytes)?, appearance(bytes)?)))
}

fn look(common: &Common, args: &PdfArgs) -> Result<Look, Failure> {
    let usage = |path: &Path, why: String| Failure::words(Exit::Usage, format!("{}: {why}", path.display()));
    let paper = match args.paper {
        Sheet::A4 => Paper::A4,
        Sheet::Letter => Paper::Letter,
    };
    let station = common.station_if_any()?;
    let organization = station.as_ref().map_or("", |s| s.config().organization.as_str()).to_owned();
    let own = station.as_ref().map(|s| s.folder().join("brand.toml")).filter(|path| path.is_file());
    let brand = match args.brand.clone().or(own) {
        None => Brand::plain(&organization),
        Some(path) => {
            let open = |name: &str| {
                let folder = path.parent().unwrap_or(Path::new("."));
                let mut bytes = Vec::new();
                std::fs::File::open(folder.join(name))?.take(MAX_LOOK).read_to_end(&mut bytes)?;
                Ok(bytes)
            };
            Brand::from_toml(&text(&path)?, &organization, open).map_err(|e| usage(&path, e.to_string()))?
        }
    };
    let words = match args.language.ends_with(".toml") {
        false => Words::of(&args.language).map_err(|e| Failure::new(Exit::Usage, &e))?,
        true => {
            let path = Path::new(&args.language);
            let code = path.file_stem().unwrap_or_default().to_string_lossy();
            Words::from_file(&code, &text(path)?).map_err(|e| usage(path, e.to_string()))?
        }
    };
    let template = args.template.as_deref().map(text).transpose()?;
    Ok(Look { brand, words, paper, template })
}

fn pdf_failure(error: &PdfError) -> Failure {
    match error {
        PdfError::Count(_) | PdfError::NoPages { .. } | PdfError::Alone { .. } => Failure::new(Exit::Usage, error),
        PdfError::Document { .. } => Failure::new(Exit::Evidence, error),
        PdfError::Typeset(_) | PdfError::Qr(_) => Failure::new(Exit::Other, error),
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path, MAX_LOOK)?)
        .map_err(|_| Failure::words(Exit::Usage, format!("{} is not UTF-8", path.display())))
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let failed = |e: std::io::Error| Failure::words(Exit::Other, format!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|f| f.take(most).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}
