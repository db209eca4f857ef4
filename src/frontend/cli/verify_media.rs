//! `lastwrite verify-media`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::certificate::{TrustArgs, read_certificate};
use super::{Common, output};
use crate::certificate::{Verdict, show_verification};
use crate::frontend::exit::{Exit, Failure};
use crate::station::{self, EngineConfig, MediaCheck, TargetRule, VerifyMediaError};
use crate::units::{LbaRange, human_bytes};

#[derive(Debug, Args)]
pub struct VerifyMediaArgs {
    /// Block device or image file
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// The certificate of its sanitization
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    /// Allow a partition as target
    #[arg(long)]
    partition: bool,
}

pub fn run(common: &Common, args: VerifyMediaArgs) -> Result<Exit, Failure> {
    let verification = read_certificate(common, &args.certificate, &args.trust)?;
    let Some(payload) = verification.document.as_ref().filter(|_| verification.verdict != Verdict::Invalid) else {
        output::line_err(&show_verification(&verification));
        return Err(Failure::words(Exit::Evidence, format!("{} is no valid certificate", args.certificate.display()))
            .hint("a medium is only compared with a certificate that holds"));
    };
    if verification.verdict == Verdict::ConsistentSignerUnknown {
        output::line_err("note: the certificate is consistent, but its signer is not known to you (--trust FILE)");
    }
    let rule = if args.partition { TargetRule::PartitionAllowed } else { TargetRule::WholeDiskOnly };
    let last = std::cell::Cell::new(None::<std::time::Instant>);
    let check = station::verify_media(&args.target, rule, payload, EngineConfig::default(), &|progress| {
        if last.get().is_some_and(|at| at.elapsed() < std::time::Duration::from_secs(2)) {
            return;
        }
        last.set(Some(std::time::Instant::now()));
        let percent = progress.done.0 as f64 * 100.0 / progress.total.0.max(1) as f64;
        if common.json {
            let line =
                json!({ "event": "progress", "done": progress.done, "total": progress.total, "percent": percent });
            output::raw_err(&line.to_string());
        } else {
            output::line_err(&format!("{}: read back {percent:.1} %", args.target.display()));
        }
    })
    .map_err(|error| failure(&error))?;
    report(common, &check, &args.certificate);
    match (&check.cut, check.matches()) {
        (_, true) => Ok(Exit::Done),
        (Some(why), _) if why == "stopped as asked" => Ok(Exit::Interrupted),
        _ => Ok(Exit::Evidence),
    }
}

fn report(common: &Common, check: &MediaCheck, certificate: &std::path::Path) {
    let ledger = &check.ledger;
    if common.json {
        output::json(&json!({
            "outcome": if check.matches() { "match" } else { "mismatch" },
            "medium": check.medium,
            "certificate": certificate.to_string_lossy(),
            "matched": check.matched,
            "wanted": check.wanted,
            "mismatched": ledger.mismatched,
            "unread": ledger.unread,
            "unreached": ledger.unreached,
            "cut": check.cut,
            "direct": check.direct,
            "identity_notes": check.identity_notes,
        }));
        return;
    }
    let name = check.medium.path.display();
    if check.matches() {
        output::line(&format!(
            "MATCH        {name}: every one of the {} bytes ({}) is what the certificate says",
            check.wanted,
            human_bytes(check.wanted.0)
        ));
    } else {
        output::line(&format!(
            "MISMATCH     {name}: {} of {} bytes are what the certificate says",
            check.matched, check.wanted
        ));
    }
    for (what, ranges) in
        [("differs at", &ledger.mismatched), ("cannot be read at", &ledger.unread), ("not reached", &ledger.unreached)]
    {
        for range in ranges.iter().take(20) {
            output::line(&format!("{:<12} {what} {}", "", lba(range)));
        }
        if ranges.len() > 20 {
            output::line(&format!("{:<12} and {} more ranges (--json lists all)", "", ranges.len() - 20));
        }
    }
    if let Some(cut) = &check.cut {
        output::line(&format!("{:<12} the reading did not come to its end: {cut}", ""));
    }
    for note in &check.identity_notes {
        output::line(&format!("{:<12} note: {} is {}, the certificate says {}", "", note.field, note.now, note.before));
    }
    if !check.direct {
        output::line(&format!("{:<12} note: read through the host's cache, which was dropped before", ""));
    }
}

fn lba(range: &LbaRange) -> String {
    range.to_string()
}

fn failure(error: &VerifyMediaError) -> Failure {
    let failure = |exit| Failure::new(exit, error);
    match error {
        VerifyMediaError::Target(_) => failure(Exit::Refused),
        VerifyMediaError::OtherMedium { .. } => {
            failure(Exit::Evidence).hint("take the medium that the certificate names")
        }
        VerifyMediaError::NoPass => failure(Exit::Evidence),
        VerifyMediaError::BlockSize { .. } | VerifyMediaError::Claim(_) => failure(Exit::Refused),
        _ => failure(Exit::Other),
    }
}
