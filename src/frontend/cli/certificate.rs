//! `lastwrite certificate show | verify | sign`

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Common, output, station_failure};
use crate::certificate::{self, DocumentKind, Verdict, Verification};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{Jws, MAX_DOCUMENT, TrustStore};
use crate::station;
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// Show what a certificate or failure report says; verifies nothing
    Show(ShowArgs),
    /// Check certificates, offline
    Verify(VerifyArgs),
    /// Agree with a document as operator or witness: adds your signature to it
    Sign(super::cosign::SignArgs),
    /// Have a time-stamping authority (RFC 3161) say that a signature exists now
    Timestamp(super::time::TimestampArgs),
    /// As a register: say that valid documents are here now
    Countersign(super::time::CountersignArgs),
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
    /// Evidence for the time of the signatures, besides what lies beside each file
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
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
        CertificateCommand::Show(args) => show(common, &args),
        CertificateCommand::Verify(args) => verify(common, &args),
        CertificateCommand::Sign(args) => super::cosign::run(common, &args),
        CertificateCommand::Timestamp(args) => super::time::timestamp(common, &args),
        CertificateCommand::Countersign(args) => super::time::countersigned(common, &args),
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
        let checked = read_file(file).and_then(|bytes| check_with(&bytes, kind, file, trust.as_ref(), &args.evidence));
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

/// Verifies a document with the evidence of time that lies beside its file.
pub(super) fn check(
    bytes: &[u8],
    kind: DocumentKind,
    file: &Path,
    trust: Option<&TrustStore>,
) -> Result<Verification, Failure> {
    check_with(bytes, kind, file, trust, &[])
}

/// As [`check`], with more evidence.
fn check_with(
    bytes: &[u8],
    kind: DocumentKind,
    file: &Path,
    trust: Option<&TrustStore>,
    more: &[PathBuf],
) -> Result<Verification, Failure> {
    let name = file.file_name().map(|name| name.to_string_lossy());
    let Some(trust) = trust else { return Ok(certificate::verify_document(bytes, kind, name.as_deref(), None)) };
    let gathered = station::time_evidence(file, more, trust).map_err(|e| station_failure(&e))?;
    for (path, why) in &gathered.refused {
        output::line_err(&format!("NOTE: {} is no evidence: {why}", path.display()));
    }
    Ok(certificate::verify_document_with(bytes, kind, name.as_deref(), Some(trust), &gathered.evidence))
}

/// What the file says it is; certificate where that cannot be told.
pub(super) fn kind_of(bytes: &[u8]) -> DocumentKind {
    let typ = Jws::parse(bytes).ok().and_then(|jws| jws.typ().map(str::to_owned));
    match typ.as_deref() == Some(DocumentKind::FailureReport.typ()) {
        true => DocumentKind::FailureReport,
        false => DocumentKind::Certificate,
    }
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

/// Reads at most as much as a document may have, so that a device or an endless pipe does no harm.
pub(super) fn read_file(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |e: std::io::Error| Failure::words(Exit::Other, format!("{}: {e}", file.display()));
    let mut bytes = Vec::new();
    let limit = MAX_DOCUMENT as u64 + 1;
    std::fs::File::open(file).and_then(|f| f.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}
