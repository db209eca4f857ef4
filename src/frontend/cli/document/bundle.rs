//! `lastwrite certificate bundle`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Common, files_of, output, read_file, station_failure};
use crate::bundle::{Bundle, BundleError, MAX_BUNDLE, MakeError, Scope, bundle as make};
use crate::certificate::document::{Document, DocumentError};
use crate::certificate::id_of;
use crate::custody::{self, Extract, extract};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{MAX_DOCUMENT, write_new};
use crate::station::{Library, Station, StationError};

#[derive(Debug, Args)]
pub struct BundleArgs {
    /// Documents, bundles, or folders of them. What the station has about them and their media comes along
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The bundle
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A checkpoint of the log, cosigned perhaps [default: a new one]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Only the named files: nothing that the station has about them, and nothing of its log
    #[arg(long, conflicts_with = "checkpoint")]
    bare: bool,
}

pub fn bundle(common: &Common, args: &BundleArgs) -> Result<Exit, Failure> {
    let (mut files, mut bundles) = (Vec::new(), Vec::new());
    for path in files_of(&args.files)? {
        let (name, bytes) = (path.display().to_string(), read_file(&path, MAX_BUNDLE)?);
        if !Bundle::begins(&bytes) {
            files.push((name, bytes));
            continue;
        }
        let broken = |e: BundleError| Failure::new(Exit::Evidence, &e).hint(format!("{name} is not to be relied on"));
        let bundle = Bundle::parse(&bytes).map_err(broken)?;
        files.extend(bundle.files().map_err(broken)?);
        bundles.push(bundle);
    }
    let station = if args.bare { None } else { Some(common.station()?) };
    if let Some(station) = &station {
        complete(station, &mut files)?;
    }
    let log = station.as_ref().map(|station| log_of(common, args, station, &files)).transpose()?;
    let log = log.as_ref().map(|(extract, note)| (extract, note.as_str()));
    let (bundle, left_out) = make(&files, log).map_err(|e| failure(&e))?;
    let bundle = bundles.into_iter().try_fold(bundle, Bundle::join).map_err(|e| failure(&e))?;
    let bytes = bundle.to_bytes();
    write_new(&args.out, &bytes, 0o644).map_err(|e| Failure::new(Exit::Refused, &e))?;
    let entries = bundle.entries();
    if common.json {
        output::json(&json!({
            "bundle": args.out.to_string_lossy(), "documents": bundle.ids().count(), "entries": entries, "bytes": bytes.len(),
            "entries_after_checkpoint": left_out,
        }));
    } else {
        output::line(&format!(
            "{}: {}, {entries} of the custody log's entries with proofs",
            args.out.display(),
            output::count(bundle.ids().count(), "document")
        ));
    }
    if left_out > 0 {
        output::line_err(&format!("NOTE: {left_out} entries are younger than the checkpoint and are not in it."));
    }
    Ok(Exit::Done)
}

/// Adds what the station has about the documents, their media, and what they gather: a bundle without
/// a known rejection is incomplete.
fn complete(station: &Station, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    let library = Library::load(station, true).map_err(|e| station_failure(&e))?;
    let mut known = std::collections::BTreeSet::new();
    let named = files.len();
    let mut at = 0;
    while let Some((name, bytes)) = files.get(at) {
        let (jws, _, document) = Document::read(bytes).map_err(|e| not_one(name, &e))?;
        let id = id_of(jws.payload());
        known.insert(id.clone());
        let mut found = library.about(&id, document.medium().and_then(|m| m.digest).as_deref());
        if let (Document::Gathering(gathering), true) = (&document, at < named) {
            let named = gathering.media.iter().flat_map(|m| m.document.iter().chain(&m.against));
            found.extend(named.filter_map(|reference| library.find(&reference.id)));
        }
        let mut more = Vec::new();
        for bytes in found {
            let (jws, kind, document) = Document::read(bytes).map_err(|e| not_one("a document of the station", &e))?;
            let id = id_of(jws.payload());
            // A lot or a transfer that holds this medium among others is no part of what is said of it.
            let wider = match &document {
                Document::Gathering(_) | Document::Transfer(_) => true,
                Document::Discrepancy(d) => !known.contains(&d.transfer.id),
                _ => false,
            };
            if !wider && known.insert(id.clone()) {
                more.push((format!("{kind} {id}"), bytes.to_vec()));
            }
        }
        files.extend(more);
        at += 1;
    }
    Ok(())
}

fn log_of(
    common: &Common,
    args: &BundleArgs,
    station: &Station,
    files: &[(String, Vec<u8>)],
) -> Result<(Extract, String), Failure> {
    let log_failure = |e| station_failure(&StationError::Custody(e));
    let mut documents = Vec::new();
    for (name, bytes) in files {
        let (jws, _, document) = Document::read(bytes).map_err(|e| not_one(name, &e))?;
        documents.push((id_of(jws.payload()), document));
    }
    let scope = Scope::of(documents.iter().map(|(id, document)| (id.as_str(), document)));
    let note = match &args.checkpoint {
        Some(path) => {
            let bytes = read_file(path, MAX_DOCUMENT)?;
            String::from_utf8(bytes)
                .map_err(|_| Failure::words(Exit::Evidence, format!("{} is no checkpoint", path.display())))?
        }
        None => {
            let key = common.signing_key(station, "nothing was signed")?;
            let log = station.log().map_err(|e| station_failure(&e))?;
            let config = station.config();
            let origin = custody::origin(&config.organization, &config.station, log.id());
            custody::checkpoint(&log, &origin, &key).map_err(log_failure)?
        }
    };
    let extract = extract(&station.custody_folder(), |entry| scope.concerns(entry)).map_err(log_failure)?;
    Ok((extract, note))
}

fn not_one(name: &str, error: &DocumentError) -> Failure {
    Failure::words(Exit::Evidence, format!("{name}: {error}"))
}

fn failure(error: &MakeError) -> Failure {
    match error {
        MakeError::Twice { .. } | MakeError::Empty | MakeError::TwoCheckpoints { .. } => {
            Failure::new(Exit::Refused, error)
        }
        _ => Failure::new(Exit::Evidence, error),
    }
}
