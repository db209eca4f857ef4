//! `lastwrite certificate show | verify | sign | page`

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Common, output, station_failure};
use crate::certificate::{self, DocumentKind, Verdict, Verification};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{MAX_DOCUMENT, TrustStore};

#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// Show what a certificate or failure report says; verifies nothing
    Show(ShowArgs),
    /// Check certificates, offline
    Verify(VerifyArgs),
    /// Agree with a document as operator or witness: adds your signature to it
    Sign(super::cosign::SignArgs),
    /// Print a web page that verifies certificates in a browser, offline
    Page,
    /// Make a PDF for people, with the signed documents inside
    #[cfg(feature = "pdf")]
    Pdf(super::certificate_pdf::PdfArgs),
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Certificate or failure report
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Certificates
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The files are failure reports, not certificates
    #[arg(long)]
    failure_report: bool,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Whom to believe.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// Trust store (JWK Set) [default: the station's own, where there is one]
    #[arg(long, value_name = "FILE")]
    pub(super) trust: Option<PathBuf>,
}

pub fn run(common: &Common, command: CertificateCommand) -> Result<Exit, Failure> {
    match command {
        CertificateCommand::Show(args) => show(common, &args),
        CertificateCommand::Verify(args) => verify(common, &args),
        CertificateCommand::Sign(args) => super::cosign::run(common, &args),
        CertificateCommand::Page => page(common),
        #[cfg(feature = "pdf")]
        CertificateCommand::Pdf(args) => super::certificate_pdf::run(common, &args),
    }
}

fn show(common: &Common, args: &ShowArgs) -> Result<Exit, Failure> {
    let bytes = read_file(&args.file)?;
    let unreadable = |e: certificate::ReadError| {
        Failure::new(Exit::Evidence, &e).hint(format!("{} cannot be shown", args.file.display()))
    };
    if common.json {
        let (jws, payload) = certificate::read(&bytes).map_err(unreadable)?;
        output::json(&json!({ "id": certificate::id_of(jws.payload()), "document": payload }));
    } else {
        output::line(certificate::show(&bytes).map_err(unreadable)?.trim_end());
    }
    Ok(Exit::Done)
}

fn verify(common: &Common, args: &VerifyArgs) -> Result<Exit, Failure> {
    let trust = args.trust.load(common)?;
    let kind = if args.failure_report { DocumentKind::FailureReport } else { DocumentKind::Certificate };
    let mut exit = Exit::Done;
    for file in &args.files {
        let checked = read_file(file).map(|bytes| check(&bytes, kind, file, trust.as_ref()));
        let verification = match checked {
            Ok(verification) => verification,
            Err(failure) if args.files.len() > 1 => {
                exit = exit.worst(failure.exit);
                output::line_err(&failure.to_string());
                continue;
            }
            Err(failure) => return Err(failure),
        };
        if common.json {
            output::json(&json!({ "file": file.to_string_lossy(), "verification": verification }));
        } else {
            output::line(&format!(
                "{}\n{}\n",
                file.display(),
                certificate::show_verification(&verification).trim_end()
            ));
        }
        if verification.verdict != Verdict::Valid {
            exit = exit.worst(Exit::Evidence);
        }
    }
    Ok(exit)
}

fn check(bytes: &[u8], kind: DocumentKind, file: &Path, trust: Option<&TrustStore>) -> Verification {
    let name = file.file_name().map(|name| name.to_string_lossy());
    certificate::verify_document(bytes, kind, name.as_deref(), trust)
}

fn page(common: &Common) -> Result<Exit, Failure> {
    if common.json {
        output::json(&json!({ "page": certificate::page() }));
    } else {
        output::line(certificate::page().trim_end());
    }
    Ok(Exit::Done)
}

/// Reads and verifies one certificate.
#[cfg(feature = "erase")]
pub fn read_certificate(common: &Common, file: &Path, trust: &TrustArgs) -> Result<Verification, Failure> {
    let trust = trust.load(common)?;
    Ok(check(&read_file(file)?, DocumentKind::Certificate, file, trust.as_ref()))
}

impl TrustArgs {
    /// The named trust store, or the station's own, or none.
    pub fn load(&self, common: &Common) -> Result<Option<TrustStore>, Failure> {
        match &self.trust {
            Some(path) => TrustStore::load(path).map(Some).map_err(|e| Failure::new(Exit::Evidence, &e)),
            None => match common.station_if_any()? {
                Some(station) => station.trust().map(Some).map_err(|e| station_failure(&e)),
                None => Ok(None),
            },
        }
    }
}

/// Reads at most as much as a document may have, so that a device or an endless pipe does no harm.
fn read_file(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |e: std::io::Error| Failure::words(Exit::Other, format!("{}: {e}", file.display()));
    let mut bytes = Vec::new();
    let limit = MAX_DOCUMENT as u64 + 1;
    std::fs::File::open(file).and_then(|f| f.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}
