//! `lastwrite certificate`

#[cfg(feature = "erase")]
use std::path::Path;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Common, document, station_failure};
#[cfg(feature = "erase")]
use crate::certificate::{self, DocumentKind, Verification};
use crate::frontend::exit::{Exit, Failure};
#[cfg(feature = "erase")]
use crate::signed::MAX_DOCUMENT;
use crate::signed::TrustStore;

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
        CertificateCommand::Show(args) => document::show(common, &args),
        CertificateCommand::Verify(args) => document::verify(common, &args),
        CertificateCommand::Sign(args) => super::cosign::run(common, &args),
        CertificateCommand::Validate(args) => document::validate(common, &args),
        CertificateCommand::Revoke(args) => document::revoke(common, &args),
        CertificateCommand::RecordDestruction(args) => document::record_destruction(common, &args),
        CertificateCommand::Gather(args) => document::gather(common, &args),
        CertificateCommand::Bundle(args) => document::bundle(common, &args),
        CertificateCommand::Add(args) => document::add(common, &args),
    }
}

/// Reads and verifies one certificate.
#[cfg(feature = "erase")]
pub fn read_certificate(common: &Common, file: &Path, trust: &TrustArgs) -> Result<Verification, Failure> {
    let trust = trust.load(common)?;
    let bytes = document::read_file(file, MAX_DOCUMENT)?;
    let name = file.file_name().map(|name| name.to_string_lossy());
    Ok(certificate::verify_document(&bytes, DocumentKind::Certificate, name.as_deref(), trust.as_ref()))
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
