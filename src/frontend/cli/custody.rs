//! `lastwrite custody log | checkpoint | audit | transfer | receive | prove | growth | cosign`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::certificate::TrustArgs;
use super::{Common, output, station_failure, witness};
use crate::custody::{self, AuditReport, KnownState, LogError, NoteKey, Severity, SignatureKind};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{Role, TrustStore};
use crate::station::{self, Station, StationError, known_state};

/// About how many bytes are written at a time.
const PIECE: usize = 1 << 16;

#[derive(Debug, Subcommand)]
pub enum CustodyCommand {
    /// Show the entries of the log
    Log(LogArgs),
    /// Sign the log's size and root, for others to keep and cosign
    Checkpoint(CheckpointArgs),
    /// Check every signature, the chain, the tree, and that every intent has one outcome
    Audit(AuditArgs),
    /// Hand media over: a list with seals, signed by you, for the receiver to sign as well
    Transfer(Box<super::handover::TransferArgs>),
    /// Compare what arrived with a transfer, and sign it or record the discrepancy
    Receive(Box<super::handover::ReceiveArgs>),
    /// Prove that documents stand in the log of a checkpoint, for whoever has no log
    Prove(witness::ProveArgs),
    /// Prove to a witness that the log has only grown
    Growth(witness::GrowthArgs),
    /// As a witness: add your cosignature to a checkpoint that grew from the last you saw
    Cosign(witness::CosignArgs),
}

#[derive(Debug, Args)]
pub struct LogArgs {
    /// Only the entries of this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

#[derive(Debug, Args)]
pub struct CheckpointArgs {
    /// Write it to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Checkpoints, certificates or failure reports that were kept elsewhere
    #[arg(long, value_name = "FILE", num_args = 1..)]
    against: Vec<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
}

pub fn run(common: &Common, command: CustodyCommand) -> Result<Exit, Failure> {
    match command {
        CustodyCommand::Log(args) => log(common, &common.station()?, &args),
        CustodyCommand::Checkpoint(args) => checkpoint(common, &common.station()?, &args),
        CustodyCommand::Audit(args) => audit(common, &common.station()?, &args),
        CustodyCommand::Transfer(args) => super::handover::transfer(common, &args),
        CustodyCommand::Receive(args) => super::handover::receive(common, &args),
        CustodyCommand::Prove(args) => witness::prove(common, &common.station()?, &args),
        CustodyCommand::Growth(args) => witness::growth(common, &common.station()?, &args),
        CustodyCommand::Cosign(args) => witness::cosign(common, &args),
    }
}

fn log(common: &Common, station: &Station, args: &LogArgs) -> Result<Exit, Failure> {
    let entries = custody::Entries::open(&station.custody_folder()).map_err(log_failure)?;
    let mut rows = Vec::new();
    for logged in entries {
        let logged = logged.map_err(log_failure)?;
        let entry = &logged.entry;
        if args.run.as_deref().is_some_and(|run| !entry.run_id().is_some_and(|id| id.starts_with(run))) {
            continue;
        }
        if common.json {
            output::json(&json!({ "leaf_hash": logged.leaf_hash, "entry": entry }));
            continue;
        }
        rows.push(vec![
            entry.index.to_string(),
            entry.time.format("%Y-%m-%d %H:%M:%S").to_string(),
            entry.typ.clone(),
            short(&entry.subject, 30),
            entry.data.get("asset_tag").and_then(|v| v.as_str()).unwrap_or("-").to_owned(),
            entry.run_id().unwrap_or("-").to_owned(),
        ]);
    }
    if !common.json {
        let header = ["ENTRY", "TIME (UTC)", "EVENT", "SUBJECT", "ASSET", "RUN"];
        output::line(&if rows.is_empty() { "The log is empty.".to_owned() } else { output::table(&header, &rows) });
    }
    Ok(Exit::Done)
}

fn checkpoint(common: &Common, station: &Station, args: &CheckpointArgs) -> Result<Exit, Failure> {
    let key = common.signing_key(station, "nothing was signed")?;
    let log = station.log().map_err(|e| station_failure(&e))?;
    let origin = origin(station, log.id());
    let note = custody::checkpoint(&log, &origin, &key).map_err(log_failure)?;
    match &args.out {
        None => output::raw(note.trim_end_matches('\n')),
        Some(path) => {
            crate::signed::write_new(path, note.as_bytes(), 0o644).map_err(|e| Failure::new(Exit::Other, &e))?;
            output::line_err(&format!("checkpoint: {}", path.display()));
        }
    }
    Ok(Exit::Done)
}

fn origin(station: &Station, log_id: &str) -> String {
    let config = station.config();
    custody::origin(&config.organization, &config.station, log_id)
}

fn audit(common: &Common, station: &Station, args: &AuditArgs) -> Result<Exit, Failure> {
    let trust = match args.trust.load(common)? {
        Some(trust) => Some(trust),
        None => Some(station.trust().map_err(|e| station_failure(&e))?),
    };
    let mut known = Vec::new();
    for path in &args.against {
        known.push(read_known(station, trust.as_ref(), path)?);
    }
    let report = station::audit(station, trust.as_ref(), known).map_err(|e| station_failure(&e))?;
    if common.json {
        output::json(&Audited { good: report.is_good(), report: &report });
    } else {
        show(&report);
    }
    Ok(if report.is_good() { Exit::Done } else { Exit::Evidence })
}

/// A checkpoint is a signed note, a certificate is JSON.
pub(super) fn read_known(station: &Station, trust: Option<&TrustStore>, path: &Path) -> Result<KnownState, Failure> {
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|e| Failure::words(Exit::Other, format!("{name}: {e}")))?;
    if bytes.starts_with(b"{") {
        return known_state(&bytes, path)
            .ok_or_else(|| Failure::words(Exit::Evidence, format!("{name} is no certificate and no failure report")));
    }
    // Looking needs no right to write.
    let entries = custody::Entries::open(&station.custody_folder()).map_err(log_failure)?;
    let origin = origin(station, entries.log_id());
    let keys: Vec<NoteKey> = trust
        .into_iter()
        .flat_map(|t| t.all_keys().filter(|k| k.may(Role::Station) && t.revocation(k).is_none()))
        .filter_map(|k| NoteKey::new(&origin, SignatureKind::Ed25519, k.key.clone()).ok())
        .collect();
    let (checkpoint, _) = custody::read_checkpoint(&bytes, &keys)
        .map_err(|e| Failure::new(Exit::Evidence, &e).hint(format!("{name} must be a checkpoint of this log")))?;
    checkpoint
        .known_state(&name.to_string())
        .ok_or_else(|| Failure::words(Exit::Evidence, format!("{name} does not name a log")))
}

#[derive(Serialize)]
struct Audited<'a> {
    good: bool,
    report: &'a AuditReport,
}

/// A report may have a line for each of a million entries, so it is written piece by piece.
fn show(report: &AuditReport) {
    let mut text = format!(
        "Log {}: {}\nRoot {}\nConfirmed by {}",
        report.log_id,
        output::count(usize::try_from(report.size).unwrap_or(0), "entry").replace("entrys", "entries"),
        report.root,
        output::count(report.confirmed.len(), "document")
    );
    for finding in &report.findings {
        let word = match finding.severity {
            Severity::Bad => "BAD",
            Severity::Attention => "LOOK",
        };
        let place = finding.index.map(|i| format!("entry {i}: ")).unwrap_or_default();
        if text.len() > PIECE {
            output::line(&std::mem::take(&mut text));
        } else {
            text.push('\n');
        }
        text.push_str(&format!("{word:<5} {place}{}", finding.detail));
    }
    output::line(&text);
    output::line(match (report.is_good(), report.findings.is_empty()) {
        (true, true) => "GOOD: nothing was changed, removed or left open.",
        (true, false) => "GOOD: nothing was changed or removed; see the lines marked LOOK.",
        (false, _) => "BAD: this log is not good evidence; see the lines marked BAD.",
    });
}

fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['~']).collect() }
}

fn log_failure(error: LogError) -> Failure {
    station_failure(&StationError::Custody(error))
}
