//! `lastwrite custody prove | growth | cosign`: what others can say about a log they do not hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::certificate::{TrustArgs, read_file};
use super::key::KeyArgs;
use super::{Common, output, station_failure};
use crate::certificate;
use crate::custody::{
    self, Checkpoint, Growth, Hash, Inclusion, LogError, Note, NoteKey, SignatureKind, verify_consistency,
};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{Jws, Role, TrustStore, atomic_write, format_time, parse_json_exact};
use crate::station::{Sidecar, Station, StationError};
use crate::units::{Bytes, now};

#[derive(Debug, Args)]
pub struct ProveArgs {
    /// Certificates or failure reports of this station
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Checkpoint that witnesses have cosigned
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
}

#[derive(Debug, Args)]
pub struct GrowthArgs {
    /// How many entries the witness has seen
    #[arg(long, value_name = "SIZE")]
    from: u64,
    /// Checkpoint that the proof leads to
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Write it to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CosignArgs {
    /// Checkpoint of somebody's log; the cosignature is added to it
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// Your name as a witness: no spaces, no plus sign, as witness.example/1
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What you saw of each log last; made when it is not there. Keep it
    #[arg(long, value_name = "FILE")]
    seen: PathBuf,
    /// Proof that the log grew from what you saw, as `custody growth` makes it
    #[arg(long, value_name = "FILE")]
    growth: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// The last state of each log that a witness cosigned, by origin.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    logs: BTreeMap<String, SeenLog>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenLog {
    size: Bytes,
    root: Hash,
}

/// Stores beside each document the proof that the log of the checkpoint names it.
pub fn prove(common: &Common, station: &Station, args: &ProveArgs) -> Result<Exit, Failure> {
    let note = text(&args.checkpoint)?;
    let checkpoint = checkpoint(&note, &args.checkpoint)?;
    let log = station.log().map_err(|e| station_failure(&e))?;
    if checkpoint.log_id() != Some(log.id()) {
        return Err(Failure::words(Exit::Evidence, format!("{} is of another log", args.checkpoint.display())));
    }
    let mut exit = Exit::Done;
    for file in &args.files {
        let bytes = read_file(file)?;
        let jws = Jws::parse(&bytes).map_err(|e| Failure::words(Exit::Evidence, format!("{}: {e}", file.display())))?;
        let id = certificate::id_of(jws.payload());
        let index = entry_of(station, &id)?.filter(|index| *index < checkpoint.size);
        let Some(index) = index else {
            exit = exit.worst(Exit::Evidence);
            let size = checkpoint.size;
            output::line_err(&format!("{}: not among the first {size} entries of the log", file.display()));
            continue;
        };
        let (line, root, proof) = log.prove_inclusion_at(index, checkpoint.size).map_err(log_failure)?;
        if root != checkpoint.root {
            return Err(Failure::words(Exit::Evidence, "the log is not what the checkpoint says: it was changed")
                .hint(format!("lastwrite custody audit --against {}", args.checkpoint.display())));
        }
        let inclusion = Inclusion::new(line, index, proof, note.clone());
        let text = inclusion.to_bytes().map_err(|e| Failure::new(Exit::Evidence, &e))?;
        let path = Sidecar::Inclusion.store(file, &text).map_err(|e| station_failure(&e))?;
        match common.json {
            true => output::json(&json!({
                "file": file.to_string_lossy(), "id": id, "index": Bytes(index), "evidence": path.to_string_lossy(),
            })),
            false => output::line(&path.display().to_string()),
        }
    }
    Ok(exit)
}

/// A consistency proof for a witness.
pub fn growth(common: &Common, station: &Station, args: &GrowthArgs) -> Result<Exit, Failure> {
    let checkpoint = checkpoint(&text(&args.checkpoint)?, &args.checkpoint)?;
    let log = station.log().map_err(|e| station_failure(&e))?;
    let (root, proof) = log.prove_consistency_at(args.from, checkpoint.size).map_err(log_failure)?;
    if root != checkpoint.root {
        return Err(Failure::words(Exit::Evidence, "the log is not what the checkpoint says: it was changed"));
    }
    let growth = Growth { from: Bytes(args.from), size: Bytes(checkpoint.size), proof };
    let text = serde_json::to_string(&growth).map_err(|e| Failure::new(Exit::Other, &e))?;
    match &args.out {
        Some(path) => {
            crate::signed::write_new(path, format!("{text}\n").as_bytes(), 0o644)
                .map_err(|e| Failure::new(Exit::Other, &e))?;
            output::line_err(&format!("growth: {}", path.display()));
        }
        None => output::raw(&text),
    }
    let _ = common;
    Ok(Exit::Done)
}

/// As a witness: the log has only grown since I saw it last, and this is how it is now.
pub fn cosign(common: &Common, args: &CosignArgs) -> Result<Exit, Failure> {
    let trust = args.trust.load(common)?.ok_or_else(|| {
        Failure::words(Exit::Usage, "no trust store: a witness must know the log's key")
            .hint("name it with --trust FILE")
    })?;
    let key = args.key.load(common)?;
    let note = text(&args.checkpoint)?;
    let checkpoint = signed_by_station(&note, &trust, &args.checkpoint)?;
    let folder = args.seen.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |e: std::io::Error| Failure::words(Exit::Other, format!("{}: {e}", args.seen.display()));
    // Two checkpoints at once could both be compared with the same old state.
    let lock = std::fs::File::open(folder).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut seen: Seen = match std::fs::read(&args.seen) {
        Ok(bytes) => parse_json_exact(&bytes)
            .map_err(|e| Failure::words(Exit::Evidence, format!("{}: {e}", args.seen.display())))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Seen::default(),
        Err(e) => return Err(failed(e)),
    };
    let before = seen.logs.get(&checkpoint.origin);
    if let Some(before) = before {
        grew(before, &checkpoint, args)?;
    }
    let first = before.is_none();
    let at = now();
    let cosigned =
        custody::cosign(note.as_bytes(), &args.name, &key, at).map_err(|e| Failure::new(Exit::Evidence, &e))?;
    // What was seen is on record before the cosignature is out.
    seen.logs.insert(checkpoint.origin.clone(), SeenLog { size: Bytes(checkpoint.size), root: checkpoint.root });
    let record = serde_json::to_vec_pretty(&seen).map_err(|e| Failure::new(Exit::Other, &e))?;
    atomic_write(&args.seen, &record).map_err(|e| Failure::new(Exit::Other, &e))?;
    atomic_write(&args.checkpoint, cosigned.as_bytes()).map_err(|e| Failure::new(Exit::Other, &e))?;
    let verifier = NoteKey::new(&args.name, SignatureKind::Cosignature, key.public().clone())
        .map_err(|e| Failure::new(Exit::Usage, &e))?;
    if common.json {
        output::json(&json!({
            "checkpoint": args.checkpoint.to_string_lossy(), "origin": checkpoint.origin,
            "size": Bytes(checkpoint.size), "at": format_time(at), "first": first, "verifier_key": verifier.to_string(),
        }));
    } else {
        let size = checkpoint.size;
        output::line(&format!("{}: cosigned with {size} entries on {}", checkpoint.origin, format_time(at)));
        output::line(&format!("Verifier key   {verifier}"));
    }
    if first {
        output::line_err("NOTE: this log was not seen before, so nothing could be compared.");
    }
    Ok(Exit::Done)
}

fn grew(before: &SeenLog, now: &Checkpoint, args: &CosignArgs) -> Result<(), Failure> {
    let forked = |why: String| {
        Failure::words(Exit::Evidence, why).hint("nothing was cosigned; keep both checkpoints: they are the evidence")
    };
    if (now.size, now.root) == (before.size.0, before.root) {
        return Ok(());
    }
    if now.size <= before.size.0 {
        return Err(forked(format!(
            "you saw {} entries of {} with root {}, and now it is said to have {} with root {}: it was cut or forked",
            before.size, now.origin, before.root, now.size, now.root
        )));
    }
    let needed = format!("lastwrite custody growth --from {} --checkpoint FILE", before.size);
    let path = args.growth.as_ref().ok_or_else(|| {
        Failure::words(
            Exit::Refused,
            format!("you saw {} entries of this log; that it grew from them needs a proof", before.size),
        )
        .hint(format!("ask the station for it: {needed}; then name it with --growth FILE"))
    })?;
    let bytes = read_file(path)?;
    let growth: Growth = parse_json_exact(bytes.strip_suffix(b"\n").unwrap_or(&bytes))
        .map_err(|e| Failure::words(Exit::Evidence, format!("{}: {e}", path.display())))?;
    if (growth.from, growth.size.0) != (before.size, now.size) {
        let (from, size) = (growth.from, growth.size);
        return Err(
            Failure::words(Exit::Evidence, format!("the proof leads from {from} to {size} entries")).hint(needed)
        );
    }
    verify_consistency(before.size.0, now.size, &growth.proof, before.root, now.root)
        .map_err(|e| forked(format!("the log did not grow from what you saw: {e}. It was forked or edited")))
}

/// The checkpoint must be signed, under its origin as name, by a station that is trusted.
fn signed_by_station(note: &str, trust: &TrustStore, path: &Path) -> Result<Checkpoint, Failure> {
    let parsed = checkpoint(note, path)?;
    let keys: Vec<NoteKey> = trust
        .all_keys()
        .filter(|k| k.may(Role::Station) && trust.revocation(k).is_none())
        .filter_map(|k| NoteKey::new(&parsed.origin, SignatureKind::Ed25519, k.key.clone()).ok())
        .collect();
    custody::read_checkpoint(note.as_bytes(), &keys)
        .map(|(checkpoint, _)| checkpoint)
        .map_err(|e| Failure::new(Exit::Evidence, &e).hint(format!("{} was not cosigned", path.display())))
}

fn checkpoint(note: &str, path: &Path) -> Result<Checkpoint, Failure> {
    Note::parse(note.as_bytes())
        .and_then(|note| Checkpoint::parse(note.text()))
        .map_err(|e| Failure::words(Exit::Evidence, format!("{}: {e}", path.display())))
}

fn entry_of(station: &Station, id: &str) -> Result<Option<u64>, Failure> {
    for logged in custody::Entries::open(&station.custody_folder()).map_err(log_failure)? {
        let entry = logged.map_err(log_failure)?.entry;
        if entry.data.get("document").and_then(|d| d.as_str()) == Some(id) {
            return Ok(Some(entry.index.0));
        }
    }
    Ok(None)
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read_file(path)?)
        .map_err(|_| Failure::words(Exit::Evidence, format!("{} is no checkpoint: it is not text", path.display())))
}

fn log_failure(error: LogError) -> Failure {
    station_failure(&StationError::Custody(error))
}
