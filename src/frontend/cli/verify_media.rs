//! `lastwrite verify-media`

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::certificate::{TrustArgs, read_certificate};
use super::document::{own_name, own_role};
use super::key::KeyArgs;
use super::{Common, fit, output, station_failure};
use crate::certificate::{CertificatePayload, Issued, Verdict, show_verification};
use crate::frontend::exit::{Exit, Failure};
use crate::policy::VerificationLevel;
use crate::signed::{Jws, Role, StationKey, same_name};
use crate::station::{
    self, EngineConfig, MediaCheck, Reader, ReadingCut, ReadingOutcome, Station, TargetRule, VerifyMediaError,
};
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
    /// Read fresh representative samples (SP 800-88r1 4.7), not everything
    #[arg(long)]
    sample: bool,
    /// Sign what was found, as a second person on another station; never overwritten
    #[arg(long, value_name = "FILE.json")]
    record: Option<PathBuf>,
    /// Who reads; signs as verifier with the key of --key
    #[arg(long, value_name = "NAME", requires = "record")]
    verifier: Option<String>,
    #[command(flatten)]
    key: KeyArgs,
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
    let recorder = args.recorder(common)?;
    let rule = if args.partition { TargetRule::PartitionAllowed } else { TargetRule::WholeDiskOnly };
    let last = std::cell::Cell::new(None::<std::time::Instant>);
    let check =
        station::verify_media(&args.target, rule, payload, args.level(), EngineConfig::default(), &|progress| {
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
    if !common.json {
        print(&check);
    }
    let recorded = match (&recorder, &args.record) {
        (Some(recorder), Some(record)) => Some(recorder.write(&args.certificate, payload, &check, record)),
        _ => None,
    };
    // What was read is told, whatever becomes of its record.
    let mut exit = exit_of(&check);
    if let Some(failure) = recorded.iter().find_map(Recorded::failure) {
        exit = exit.worst(failure.exit);
        output::line_err(&failure.to_string());
    }
    match common.json {
        true => output::json(&as_json(&check, &args.certificate, recorded.as_ref())),
        false => recorded.iter().for_each(Recorded::print),
    }
    Ok(exit)
}

/// The exit code of a reading.
fn exit_of(check: &MediaCheck) -> Exit {
    use ReadingCut::{Asked, Gone, Stalled};
    match (check.outcome(), &check.cut) {
        (ReadingOutcome::Match, _) => Exit::Done,
        (ReadingOutcome::Mismatch, _) => Exit::Evidence,
        // It can be repeated.
        (ReadingOutcome::Incomplete, Some(Asked | Gone { .. } | Stalled { .. })) => Exit::Interrupted,
        (ReadingOutcome::Incomplete, _) => Exit::Other,
    }
}

/// Everything that signing needs, unlocked before hours of reading.
struct Recorder {
    station: Station,
    key: StationKey,
    person: Option<(String, StationKey)>,
}

impl VerifyMediaArgs {
    fn level(&self) -> VerificationLevel {
        if self.sample { VerificationLevel::Sample } else { VerificationLevel::Full }
    }

    fn recorder(&self, common: &Common) -> Result<Option<Recorder>, Failure> {
        let Some(record) = &self.record else { return Ok(None) };
        if record.exists() {
            let message = format!("{} exists already and is not overwritten", record.display());
            return Err(Failure::words(Exit::Usage, message).hint("nothing was read; name another file with --record"));
        }
        let station = common.station()?;
        let key = common.signing_key(&station, "nothing was read")?;
        let person = match &self.verifier {
            Some(name) => {
                let own = self.key.load(common)?;
                let trust = station.trust().map_err(|e| station_failure(&e))?;
                own_role(Some(&trust), own.kid(), Role::Verifier, "read")?;
                own_name(Some(&trust), own.kid(), name, "read")?;
                Some((name.clone(), own))
            }
            None => None,
        };
        Ok(Some(Recorder { station, key, person }))
    }
}

/// What became of the record of a reading.
enum Recorded {
    /// It is signed, and in its file.
    Signed { record: PathBuf, id: String, kept: Result<u64, Failure> },
    /// There is none.
    Failed(Failure),
}

impl Recorded {
    fn failure(&self) -> Option<&Failure> {
        match self {
            Recorded::Signed { kept: Err(failure), .. } | Recorded::Failed(failure) => Some(failure),
            Recorded::Signed { .. } => None,
        }
    }

    fn print(&self) {
        if let Recorded::Signed { record, kept, .. } = self {
            output::line(&format!("{:<12} record       {}", "", record.display()));
            if let Ok(entry) = kept {
                output::line(&format!("{:<12} entry {entry} of the custody log", ""));
            }
        }
    }
}

impl Recorder {
    /// Signs the record and keeps it.
    fn write(&self, certificate: &Path, payload: &CertificatePayload, check: &MediaCheck, record: &Path) -> Recorded {
        let issued = match self.sign(certificate, payload, check) {
            Ok(issued) => issued,
            Err(failure) => return Recorded::Failed(failure),
        };
        if let Err(error) = crate::signed::write_new(record, &issued.bytes, 0o644) {
            return Recorded::Failed(Failure::new(Exit::Other, &error));
        }
        let kept = station::keep_document(&self.station, &self.key, &issued.bytes).map_err(|e| {
            let hint = format!("the record is signed; take it in with: lastwrite certificate add {}", record.display());
            Failure::new(Exit::Other, &e).hint(hint)
        });
        Recorded::Signed { record: record.to_owned(), id: issued.id, kept: kept.map(|kept| kept.entry) }
    }

    fn sign(&self, certificate: &Path, payload: &CertificatePayload, check: &MediaCheck) -> Result<Issued, Failure> {
        // Hours have gone by.
        let unsigned = "what was read is told, and not signed";
        // The exit code is that of the reading: a record that cannot be made is another matter.
        let stands = |kid: &str, role| {
            fit(&self.station, kid, role, unsigned).map_err(|unfit| Failure { exit: Exit::Other, ..unfit })
        };
        stands(self.key.kid(), Role::Station)?;
        if let Some((_, key)) = &self.person {
            stands(key.kid(), Role::Verifier)?;
        }
        let broken = |e: String| Failure::words(Exit::Other, format!("{}: {e}", certificate.display()));
        let bytes = std::fs::read(certificate).map_err(|e| broken(e.to_string()))?;
        let jws = Jws::parse(&bytes).map_err(|e| broken(e.to_string()))?;
        let person = self.person.as_ref().map(|(name, key)| (name.as_str(), key));
        let reader = Reader { station: &self.station, key: &self.key, person };
        if check.indistinct {
            output::line_err(&format!("NOTE: {INDISTINCT}."));
        }
        let issued =
            station::record_reading(check, &jws, payload, reader).map_err(|e| Failure::new(Exit::Other, &e))?;
        let same = |kid: &str| jws.signatures().iter().any(|s| s.header().kid.as_deref() == Some(kid));
        let operator = payload.facts.operator.as_ref();
        if same(self.key.kid()) || self.person.as_ref().is_some_and(|(_, key)| same(key.kid())) {
            output::line_err("NOTE: the certificate is signed with the same key, so this reading is not independent.");
        } else if self.person.as_ref().is_some_and(|(name, _)| operator.is_some_and(|o| same_name(&o.name, name))) {
            output::line_err("NOTE: who reads is the operator of the certificate, so this reading is not independent.");
        }
        Ok(issued)
    }
}

/// One object a target, with its record where one was asked for.
fn as_json(check: &MediaCheck, certificate: &Path, recorded: Option<&Recorded>) -> Value {
    let ledger = &check.ledger;
    let (record, id, entry) = match recorded {
        Some(Recorded::Signed { record, id, kept }) => (Some(record.to_string_lossy()), Some(id), kept.as_ref().ok()),
        Some(Recorded::Failed(_)) | None => (None, None, None),
    };
    let failure = recorded.and_then(Recorded::failure);
    json!({
        "outcome": check.outcome(),
        "medium": check.medium,
        "certificate": certificate.to_string_lossy(),
        "matched": check.matched,
        "wanted": check.wanted,
        "level": check.level,
        "seed": check.seed,
        "mismatched": ledger.mismatched,
        "unread": ledger.unread,
        "unreached": ledger.unreached,
        "cut": check.cut.as_ref().map(ToString::to_string),
        "direct": check.direct,
        "identity_notes": check.identity_notes,
        "indistinct": check.indistinct,
        "started": check.started,
        "ended": check.ended,
        "seconds": check.took.as_millis() as f64 / 1000.0,
        "bytes": check.compared,
        "bytes_per_second": check.bytes_per_second(),
        "record": record,
        "id": id,
        "custody_entry": entry,
        "error": failure.map(|failure| &failure.message),
        "hint": failure.and_then(|failure| failure.hint.as_ref()),
    })
}

/// What a match is worth where the medium is not told from others.
const INDISTINCT: &str = "nothing tells this medium from others of its size, and the certificate's last pass wrote the \
                          same byte everywhere: any blank medium of the size matches";

/// The reading for a person.
fn print(check: &MediaCheck) {
    let ledger = &check.ledger;
    let name = check.medium.path.display();
    output::line(&match check.outcome() {
        ReadingOutcome::Match => format!(
            "MATCH        {name}: every one of the {} bytes ({}) that were read is what the certificate says",
            check.wanted,
            human_bytes(check.wanted.0)
        ),
        ReadingOutcome::Mismatch => {
            format!("MISMATCH     {name}: {} of {} bytes are what the certificate says", check.matched, check.wanted)
        }
        ReadingOutcome::Incomplete => format!(
            "NOT FINISHED {name}: {} of {} bytes were read and are what the certificate says; of the rest nothing is \
             known",
            check.matched, check.wanted
        ),
    });
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
        output::line(&format!("{:<12} the reading did not come to its end: {cut}; repeat it, it begins anew", ""));
    }
    let rate = check.bytes_per_second().map(|rate| format!(", {}/s", human_bytes(rate))).unwrap_or_default();
    output::line(&format!(
        "{:<12} {} compared in {:.1} s{rate}",
        "",
        human_bytes(check.compared.0),
        check.took.as_secs_f64()
    ));
    for note in &check.identity_notes {
        output::line(&format!("{:<12} note: {} is {}, the certificate says {}", "", note.field, note.now, note.before));
    }
    if check.indistinct {
        output::line(&format!("{:<12} note: {INDISTINCT}", ""));
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
        VerifyMediaError::NoPass => failure(Exit::Refused).hint(
            "nothing was read: the drive erased itself, so no bytes are known that should stand on it; what its own \
             station read after the erase stands in the certificate",
        ),
        VerifyMediaError::Claim(error) => Failure { hint: error.advice(), ..failure(Exit::Refused) },
        VerifyMediaError::BlockSize { .. } => failure(Exit::Refused),
        _ => failure(Exit::Other),
    }
}
