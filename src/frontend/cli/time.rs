//! `lastwrite certificate timestamp | countersign`: others say when a document was signed.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::certificate::{TrustArgs, check, kind_of, read_file};
use super::key::KeyArgs;
use super::{Common, output, station_failure};
use crate::certificate::{self, Verdict};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{
    CountersignError, Jws, Role, TimestampError, TimestampQuery, TrustStore, countersign, format_time, sha256,
};
use crate::station::Sidecar;
use crate::units::now;

#[derive(Debug, Args)]
pub struct TimestampArgs {
    /// Certificate or failure report
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Ask this time-stamping authority (RFC 3161), http://...
    #[arg(long, value_name = "URL", env = "LASTWRITE_TSA")]
    authority: Option<String>,
    /// Write the question to a file instead, to be carried to an authority
    #[arg(long, value_name = "FILE.tsq", conflicts_with_all = ["authority", "import"])]
    query: Option<PathBuf>,
    /// Take in the authority's answer
    #[arg(long, value_name = "FILE.tsr", conflicts_with = "authority")]
    import: Option<PathBuf>,
    /// Which signature, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    signature: usize,
    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Debug, Args)]
pub struct CountersignArgs {
    /// Certificates or failure reports
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Gets a time-stamp over a signature and stores it beside the document.
pub fn timestamp(common: &Common, args: &TimestampArgs) -> Result<Exit, Failure> {
    let trust = args.trust.load(common)?.unwrap_or_default();
    let jws = document(&args.file)?;
    let index = args.signature.checked_sub(1).filter(|i| *i < jws.signatures().len());
    let signature = index.and_then(|i| jws.signatures().get(i)).ok_or_else(|| {
        let count = output::count(jws.signatures().len(), "signature");
        Failure::words(
            Exit::Usage,
            format!("{} has {count}; there is no number {}", args.file.display(), args.signature),
        )
    })?;
    let question = TimestampQuery::about(signature.value()).map_err(|e| refused(&e))?;
    if let Some(path) = &args.query {
        crate::signed::write_new(path, question.to_der(), 0o644).map_err(|e| Failure::new(Exit::Other, &e))?;
        output::line_err(&format!("question: {}; send it as application/timestamp-query", path.display()));
        return Ok(Exit::Done);
    }
    let answer = match (&args.import, &args.authority) {
        (Some(path), _) => read_file(path)?,
        (None, Some(url)) => {
            let answer = question.ask(url).map_err(|e| refused(&e))?;
            question.check_answer(&answer).map_err(|e| refused(&e))?;
            answer
        }
        (None, None) => {
            return Err(Failure::words(Exit::Usage, "which authority?")
                .hint("name it with --authority URL, or carry the question there: --query FILE, then --import FILE"));
        }
    };
    let hash = crate::signed::time_stamped(&answer).map_err(|e| refused(&e))?;
    if hash != sha256(signature.value()) {
        return Err(Failure::words(Exit::Evidence, "the answer is about something else than this signature"));
    }
    // Without an authority that is believed the token is kept, and counts for nothing until there is one.
    let verified = match trust.authorities().is_empty() {
        true => None,
        false => Some(trust.authorities().verify(&answer).map_err(|e| refused(&e))?),
    };
    let path = Sidecar::Timestamp.store(&args.file, &answer).map_err(|e| station_failure(&e))?;
    if common.json {
        output::json(&json!({
            "file": args.file.to_string_lossy(), "evidence": path.to_string_lossy(),
            "at": verified.as_ref().map(|e| format_time(e.at)), "by": verified.as_ref().map(|e| &e.by),
        }));
    } else if let Some(evidence) = &verified {
        let at = format_time(evidence.at);
        output::line(&format!("{}: signed on {at} at the latest, says {}", path.display(), evidence.by));
    } else {
        output::line(&format!("{}: stored", path.display()));
        output::line_err(
            "NOTE: no authority is trusted here, so the token was not verified and counts for nothing yet.",
        );
    }
    Ok(Exit::Done)
}

/// As a register: these documents, valid as they are, are here now.
pub fn countersigned(common: &Common, args: &CountersignArgs) -> Result<Exit, Failure> {
    let trust = args.trust.load(common)?.ok_or_else(|| {
        Failure::words(Exit::Usage, "no trust store: nothing can be countersigned that was not verified")
            .hint("name it with --trust FILE")
    })?;
    let key = args.key.load(common)?;
    if !trust.find(key.kid()).is_some_and(|known| known.may(Role::Register)) {
        return Err(Failure::words(Exit::Refused, format!("key {} is not trusted as register here", key.kid()))
            .hint("lastwrite key trust PUBLIC --role register"));
    }
    let mut exit = Exit::Done;
    for file in &args.files {
        match one(file, &trust, &key) {
            Ok(path) if common.json => {
                output::json(&json!({ "file": file.to_string_lossy(), "evidence": path.to_string_lossy() }));
            }
            Ok(path) => output::line(&path.display().to_string()),
            Err(failure) => {
                exit = exit.worst(failure.exit);
                output::line_err(&failure.to_string());
            }
        }
    }
    Ok(exit)
}

fn one(file: &Path, trust: &TrustStore, key: &crate::signed::StationKey) -> Result<PathBuf, Failure> {
    let bytes = read_file(file)?;
    let verification = check(&bytes, kind_of(&bytes), file, Some(trust))?;
    if verification.verdict != Verdict::Valid {
        return Err(Failure::words(
            Exit::Evidence,
            format!("{} is not valid and was not countersigned", file.display()),
        )
        .hint("lastwrite certificate verify says more"));
    }
    let signed = countersign(&document(file)?, key, now()).map_err(|e| match e {
        CountersignError::Key(_) => Failure::new(Exit::Other, &e),
        _ => Failure::new(Exit::Evidence, &e),
    })?;
    let text = [signed.to_bytes(), b"\n".to_vec()].concat();
    Sidecar::Countersignature.store(file, &text).map_err(|e| station_failure(&e))
}

fn document(file: &Path) -> Result<Jws, Failure> {
    let (jws, _) = certificate::read(&read_file(file)?)
        .map_err(|e| Failure::words(Exit::Evidence, format!("{}: {e}", file.display())))?;
    Ok(jws)
}

fn refused(error: &TimestampError) -> Failure {
    match error {
        TimestampError::Network { .. } => Failure::new(Exit::Other, error),
        TimestampError::Unknown(_) => Failure::new(Exit::Evidence, error).hint(
            "put the authority's root certificate (PEM) beside the trust store as trust.tsa.pem, or name it with --tsa",
        ),
        _ => Failure::new(Exit::Evidence, error),
    }
}
