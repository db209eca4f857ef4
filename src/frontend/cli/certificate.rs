//! `lastwrite certificate`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Common, document, output, station_failure};
use crate::certificate::{self, DocumentKind, Verification};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{Jws, MAX_DOCUMENT, TrustStore};
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// Show what a document says; verifies nothing
    Show(document::ShowArgs),
    /// Check certificates, other documents and bundles, offline
    Verify(document::VerifyArgs),
    /// Agree with a document as operator or witness: adds your signature to it
    Sign(super::cosign::SignArgs),
    /// Accept or reject a result as a validator (SP 800-88r2 4.5.2)
    Validate(Box<document::ValidateArgs>),
    /// Say as a validator that a document counts no longer
    Revoke(Box<document::RevokeArgs>),
    /// Record that a medium was destroyed or degaussed
    RecordDestruction(Box<document::DestroyArgs>),
    /// Sign a certificate of all media of a computer or a lot, those without proof included
    Gather(Box<document::GatherArgs>),
    /// Put documents, their log entries, proofs and a checkpoint into one file
    Bundle(document::BundleArgs),
    /// Take documents that were signed elsewhere into this station's folder and log
    Add(document::AddArgs),
    /// Have a time-stamping authority (RFC 3161) say that a signature exists now
    Timestamp(super::time::TimestampArgs),
    /// As a register: say that valid documents are here now
    Countersign(super::time::CountersignArgs),
    /// Draw the results that somebody else checks again
    Sample(super::lottery::SampleArgs),
    /// Print a web page that verifies certificates in a browser, offline
    Page,
    /// Make a PDF for people, with the signed documents inside
    #[cfg(feature = "pdf")]
    Pdf(super::certificate_pdf::PdfArgs),
}

/// Whom to believe.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// Trust store (JWK Set) [default: the station's own, where there is one]
    #[arg(long, value_name = "FILE")]
    pub(super) trust: Option<PathBuf>,
    /// What its roots signed: delegations and revocation lists [default: FILE.bundle.jsonl beside it]
    #[arg(long, value_name = "FILE")]
    pub(super) bundle: Vec<PathBuf>,
    /// Root certificates of time-stamping authorities, PEM [default: FILE.tsa.pem beside it]
    #[arg(long, value_name = "FILE")]
    pub(super) tsa: Vec<PathBuf>,
}

pub fn run(common: &Common, command: CertificateCommand) -> Result<Exit, Failure> {
    match command {
        CertificateCommand::Show(args) => document::show(common, &args),
        CertificateCommand::Verify(args) => document::verify(common, &args),
        CertificateCommand::Sign(args) => super::cosign::run(common, &args),
        CertificateCommand::Validate(args) => document::validate(common, &args),
        CertificateCommand::Revoke(args) => document::revoke(common, &args),
        CertificateCommand::RecordDestruction(args) => document::record_destruction(common, &args),
        CertificateCommand::Gather(args) => document::gather(common, &args),
        CertificateCommand::Bundle(args) => document::bundle(common, &args),
        CertificateCommand::Add(args) => document::add(common, &args),
        CertificateCommand::Timestamp(args) => super::time::timestamp(common, &args),
        CertificateCommand::Countersign(args) => super::time::countersigned(common, &args),
        CertificateCommand::Page => page(common),
        #[cfg(feature = "pdf")]
        CertificateCommand::Pdf(args) => super::certificate_pdf::run(common, &args),
        CertificateCommand::Sample(args) => super::lottery::run(common, &args),
    }
}

/// Verifies a run's document with the evidence of time that lies beside its file.
pub(super) fn check(
    bytes: &[u8],
    kind: DocumentKind,
    file: &Path,
    trust: Option<&TrustStore>,
) -> Result<Verification, Failure> {
    let name = file.file_name().map(|name| name.to_string_lossy());
    let evidence = document::evidence_beside(file, trust)?;
    Ok(certificate::verify_document_with(bytes, kind, name.as_deref(), trust, &evidence))
}

/// What the file says it is; certificate where that cannot be told.
pub(super) fn kind_of(bytes: &[u8]) -> DocumentKind {
    let typ = Jws::parse(bytes).ok().and_then(|jws| jws.typ().map(str::to_owned));
    match typ.as_deref() == Some(DocumentKind::FailureReport.typ()) {
        true => DocumentKind::FailureReport,
        false => DocumentKind::Certificate,
    }
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
    check(&read_file(file)?, DocumentKind::Certificate, file, trust.as_ref())
}

impl TrustArgs {
    /// The named trust store, or the station's own, or none.
    pub fn load(&self, common: &Common) -> Result<Option<TrustStore>, Failure> {
        let evidence = |e: &(dyn std::error::Error + 'static)| Failure::new(Exit::Evidence, e);
        let mut store = match &self.trust {
            Some(path) => TrustStore::load(path).map_err(|e| evidence(&e))?,
            None => match common.station_if_any()? {
                Some(station) => station.trust().map_err(|e| station_failure(&e))?,
                None => return Ok(None),
            },
        };
        for path in &self.bundle {
            store.take_bundle_file(path).map_err(|e| evidence(&e))?;
        }
        for path in &self.tsa {
            store.add_authorities(path).map_err(|e| evidence(&e))?;
        }
        if let Some(stale) = store.stale_list(now()) {
            output::line_err(&format!("NOTE: {stale}"));
        }
        Ok(Some(store))
    }

    /// The file of the named trust store, or the station's own.
    pub fn path(&self, common: &Common) -> Result<PathBuf, Failure> {
        match &self.trust {
            Some(path) => Ok(path.clone()),
            None => Ok(common.station()?.trust_path()),
        }
    }

    /// That file and what is in it alone, to be changed.
    pub fn store_file(&self, common: &Common) -> Result<(PathBuf, TrustStore), Failure> {
        let path = self.path(common)?;
        let store = TrustStore::load_alone(&path).map_err(|e| Failure::new(Exit::Evidence, &e))?;
        Ok((path, store))
    }
}

/// Reads at most as much as a document may have.
pub(super) fn read_file(file: &Path) -> Result<Vec<u8>, Failure> {
    document::read_file(file, MAX_DOCUMENT)
}
