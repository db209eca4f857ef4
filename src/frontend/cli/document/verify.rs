//! `lastwrite certificate show | verify | add`

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{Common, Judge, TrustArgs, files_of, keep_failure, output, read_file, reasons, station_failure, was_meant};
use crate::bundle::{Bundle, BundleVerification, MAX_BUNDLE, verify_bundle};
use crate::certificate::document::{Document, DocumentError, DocumentType, Verified, show_document, show_verified};
#[cfg(feature = "pdf")]
use crate::certificate::pdf::Appearance;
use crate::certificate::{self, Verdict};
use crate::custody::{ExtractedLine, extract};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{Check, Jws, JwsError, MAX_DOCUMENT, Outcome, verify_signatures};
use crate::station::{StationError, keep_document};

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Any signed document
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Certificates, records of destruction, computer and lot certificates, bundles
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The files are failure reports, not certificates
    #[arg(long, conflicts_with = "any")]
    failure_report: bool,
    /// Accept every kind of document, also one that says that a medium is NOT sanitized
    #[arg(long)]
    any: bool,
    /// Other documents to judge them by (validations, revocations, second readings), or folders of them
    #[arg(long, value_name = "FILE", num_args = 1..)]
    with: Vec<PathBuf>,
    /// Custody log (folder) that a bundle is compared with [default: the station's own, where there is one]
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Evidence for the time of the signatures, besides what lies beside each file
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Documents that were signed elsewhere, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
}

/// What is said of a file.
#[derive(Serialize)]
struct Judged<'a> {
    file: Cow<'a, str>,
    verification: &'a Verified,
}

pub fn show(common: &Common, args: &ShowArgs) -> Result<Exit, Failure> {
    let bytes = read_file(&args.file, MAX_DOCUMENT)?;
    let unreadable =
        |e: DocumentError| Failure::new(Exit::Evidence, &e).hint(format!("{} cannot be shown", args.file.display()));
    if common.json {
        let (jws, kind, _) = Document::read(&bytes).map_err(unreadable)?;
        let document: serde_json::Value =
            crate::signed::parse_json_strict(jws.payload()).map_err(|e| Failure::new(Exit::Evidence, &e))?;
        output::json(&json!({ "id": certificate::id_of(jws.payload()), "kind": kind, "document": document }));
    } else {
        output::line(show_document(&bytes).map_err(unreadable)?.trim_end());
    }
    Ok(Exit::Done)
}

pub fn verify(common: &Common, args: &VerifyArgs) -> Result<Exit, Failure> {
    let trust = args.trust.load(common)?;
    let judge = Judge::new(common, trust.as_ref(), &args.with, &args.evidence)?;
    let mut exit = Exit::Done;
    let mut files = args.files.iter().map(|file| (file.as_path(), Content::of(file)));
    loop {
        let (mut group, mut weight) = (Vec::new(), 0);
        while weight < GROUP_WEIGHT
            && let Some((file, content)) = files.next()
        {
            weight += content.weight();
            group.push((file, content));
        }
        if group.is_empty() {
            return Ok(exit.worst(unbelieved(common, args, &judge)));
        }
        if let Some(trust) = judge.trust {
            verify_signatures(
                &mut group.iter_mut().filter_map(|(_, content)| content.jws()).collect::<Vec<_>>(),
                trust,
            );
        }
        let mut held = Some(output::hold());
        for (file, content) in group {
            if matches!(content, Content::Other(_)) {
                drop(held.take());
            }
            match verify_one(common, args, file, content, &judge) {
                Ok(Verdict::Valid) => {}
                Ok(_) => exit = exit.worst(Exit::Evidence),
                Err(failure) if args.files.len() > 1 => {
                    exit = exit.worst(failure.exit);
                    output::line_err(&failure.to_string());
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Tells of each file of `--with` that says nothing because it is invalid: somebody brought it to be heard.
fn unbelieved(common: &Common, args: &VerifyArgs, judge: &Judge<'_>) -> Exit {
    let mut exit = Exit::Done;
    for (file, verified) in judge.unbelieved() {
        let why = reasons(&verified);
        output::line_err(&format!("WARNING: {} (--with) is invalid, so it says nothing: {why}", file.display()));
        if common.json {
            output::json(&json!({ "with": file.to_string_lossy(), "verification": verified }));
        }
        if was_meant(&args.with, file, &verified) {
            exit = Exit::Evidence;
        }
    }
    exit
}

/// What is read before any of it is judged, in bytes: 32 documents, fewer where they are large.
const GROUP_WEIGHT: usize = 1 << 20;

const PDF: &[u8] = b"%PDF-";

/// What a file holds.
enum Content {
    Document(Result<Jws, JwsError>, usize),
    /// A bundle or a PDF.
    Other(Vec<u8>),
    Unreadable(Failure),
}

impl Content {
    fn of(file: &Path) -> Content {
        match read_file(file, MAX_BUNDLE) {
            Ok(bytes) if Bundle::begins(&bytes) || bytes.starts_with(PDF) => Content::Other(bytes),
            Ok(bytes) => Content::Document(Jws::parse(&bytes), bytes.len()),
            Err(failure) => Content::Unreadable(failure),
        }
    }

    /// A bundle or a PDF ends its group.
    fn weight(&self) -> usize {
        match self {
            Content::Document(_, bytes) => bytes + GROUP_WEIGHT / 32,
            Content::Other(_) => GROUP_WEIGHT,
            Content::Unreadable(_) => 0,
        }
    }

    fn jws(&mut self) -> Option<&mut Jws> {
        match self {
            Content::Document(Ok(jws), _) => Some(jws),
            _ => None,
        }
    }
}

fn verify_one(
    common: &Common,
    args: &VerifyArgs,
    file: &Path,
    content: Content,
    judge: &Judge<'_>,
) -> Result<Verdict, Failure> {
    let document = match content {
        Content::Document(document, _) => document,
        Content::Other(bytes) => return other(common, args, file, &bytes, judge),
        Content::Unreadable(failure) => return Err(failure),
    };
    let mut verified = judge.verified_read(document, file)?;
    verified.add(meant(args, &verified).into_iter().collect());
    if common.json {
        output::json(&Judged { file: file.to_string_lossy(), verification: &verified });
    } else {
        output::line(&format!("{}\n{}\n", file.display(), show_verified(&verified).trim_end()));
    }
    Ok(verified.verdict)
}

/// A bundle or a PDF.
fn other(common: &Common, args: &VerifyArgs, file: &Path, bytes: &[u8], judge: &Judge<'_>) -> Result<Verdict, Failure> {
    if Bundle::begins(bytes) {
        return bundle(common, args, file, bytes, judge);
    }
    #[cfg(feature = "pdf")]
    if let Some(opened) = crate::frontend::cli::certificate_pdf::open_pdf(bytes) {
        return pdf(common, args, file, judge, opened);
    }
    let message = format!("{}: this program was built without PDF", file.display());
    Err(Failure::words(Exit::Other, message).hint("take the document out of it (pdfdetach) and verify that"))
}

/// The documents inside a PDF are what counts; its pages are compared with them.
#[cfg(feature = "pdf")]
fn pdf(
    common: &Common,
    args: &VerifyArgs,
    file: &Path,
    judge: &Judge<'_>,
    opened: crate::frontend::cli::certificate_pdf::Opened,
) -> Result<Verdict, Failure> {
    let (documents, appearance) = opened.map_err(|e| {
        Failure::words(Exit::Evidence, format!("{}: {e}", file.display())).hint("ask for the signed document itself")
    })?;
    let (outcome, pages) = match &appearance {
        Appearance::Identical => {
            let own = "the letterhead (name, address, logo, colour, footer, address in the QR code) is what its maker put there";
            (Outcome::Passed, format!("the visible pages are exactly those of the documents inside; {own}"))
        }
        Appearance::Differs => {
            (Outcome::Failed, "the visible pages are NOT those that the documents inside make".to_owned())
        }
        Appearance::CannotBeReproduced(why) => {
            (Outcome::Unknown, format!("the visible pages cannot be compared with the documents inside: {why}"))
        }
    };
    let mut worst = Verdict::Valid;
    for bytes in &documents {
        let document = Jws::parse(bytes);
        let id = document.as_ref().ok().map(|jws| certificate::id_of(jws.payload()));
        let evidence = judge.evidence_inside(file, id.as_deref().into_iter())?;
        let mut verified = judge.judged(document, None, &evidence);
        verified.add(meant(args, &verified).into_iter().collect());
        verified.add(vec![Check::new("pages", outcome, pages.clone())]);
        if common.json {
            output::json(&Judged { file: file.to_string_lossy(), verification: &verified });
        } else {
            let id = verified.id.as_deref().unwrap_or("?");
            output::line(&format!("{}, {id}\n{}\n", file.display(), show_verified(&verified).trim_end()));
        }
        worst = match (worst, verified.verdict) {
            (Verdict::Invalid, _) | (_, Verdict::Invalid) => Verdict::Invalid,
            (Verdict::ConsistentSignerUnknown, _) | (_, Verdict::ConsistentSignerUnknown) => {
                Verdict::ConsistentSignerUnknown
            }
            _ => Verdict::Valid,
        };
    }
    Ok(worst)
}

/// A script that relies on exit code 0 must not take a valid rejection for a proof.
fn meant(args: &VerifyArgs, verified: &Verified) -> Option<Check> {
    let kind = verified.kind?;
    let wrong = |detail: String| Some(Check::new("asked for", Outcome::Failed, detail));
    match (args.failure_report, args.any) {
        (true, _) if kind != DocumentType::FailureReport => wrong(format!("this is a {kind}, not a failure report")),
        // Neither "the run failed" nor "releases nothing": nobody can read it.
        (false, false) if verified.document.is_none() => {
            let detail = format!("what this {kind} says could not be read, so nobody can tell what it releases");
            Some(Check::new("asked for", Outcome::Unknown, detail))
        }
        (false, false) if kind == DocumentType::FailureReport => wrong(
            "this is a failure report, not a certificate: the run failed (--failure-report verifies it as such)".into(),
        ),
        (false, false) if kind == DocumentType::Certificate && !verified.certifies() => wrong(
            "the run precedes destruction, so this certificate releases nothing (--any verifies it as what it is)"
                .into(),
        ),
        (false, false) if !verified.certifies() => wrong(format!(
            "this {kind} does not say that media are sanitized or destroyed (--any verifies it as what it is)"
        )),
        _ => None,
    }
}

fn bundle(
    common: &Common,
    args: &VerifyArgs,
    file: &Path,
    bytes: &[u8],
    judge: &Judge<'_>,
) -> Result<Verdict, Failure> {
    let broken = |e: crate::bundle::BundleError| {
        Failure::new(Exit::Evidence, &e).hint(format!("{} is not to be relied on", file.display()))
    };
    let bundle = Bundle::parse(bytes).map_err(broken)?;
    let evidence = judge.evidence_inside(file, bundle.ids())?;
    let log = known_lines(common, args, &bundle)?;
    let log = log.as_ref().map(|(id, lines)| (id.as_str(), lines.as_slice()));
    let found = verify_bundle(&bundle, judge.trust, &judge.with, &evidence, log).map_err(broken)?;
    if common.json {
        output::json(&json!({ "file": file.to_string_lossy(), "bundle": found }));
    } else {
        output::line(&format!("{}\n{}\n", file.display(), render(&found)));
    }
    Ok(found.verdict)
}

/// What a log at hand knows of the documents of the bundle.
fn known_lines(
    common: &Common,
    args: &VerifyArgs,
    bundle: &Bundle,
) -> Result<Option<(String, Vec<ExtractedLine>)>, Failure> {
    let folder = match &args.log {
        Some(folder) => Some(folder.clone()),
        None => common.station_if_any()?.map(|station| station.custody_folder()),
    };
    let Some(folder) = folder else { return Ok(None) };
    let scope = bundle.scope().map_err(|e| Failure::new(Exit::Evidence, &e))?;
    let found =
        extract(&folder, |entry| scope.concerns(entry)).map_err(|e| station_failure(&StationError::Custody(e)))?;
    Ok(Some((found.log_id, found.lines)))
}

fn render(found: &BundleVerification) -> String {
    let mut lines = Vec::new();
    let mark = |outcome| match outcome {
        Outcome::Passed => "passed ",
        Outcome::Failed => "FAILED ",
        Outcome::Unknown => "unknown",
    };
    for check in &found.checks {
        lines.push(format!("  {}  {:<18} {}", mark(check.outcome), check.name, check.detail));
    }
    lines.push(format!("\n  Documents ({})", found.documents.len()));
    for verified in &found.documents {
        let kind = verified.kind.map_or("file", DocumentType::name);
        let verdict = match verified.verdict {
            Verdict::Valid => "valid",
            Verdict::ConsistentSignerUnknown => "not established",
            Verdict::Invalid => "NOT TO BE RELIED ON",
        };
        let id = verified.id.as_deref().unwrap_or_default();
        lines.push(format!("    {kind} {}: {verdict}", id.get(..16).unwrap_or(id)));
        for check in verified.checks.iter().filter(|c| c.outcome != Outcome::Passed) {
            lines.push(format!("      {}  {}: {}", mark(check.outcome), check.name, check.detail));
        }
    }
    lines.push(format!("\n  Media ({})", found.media.len()));
    for medium in &found.media {
        lines.push(format!("    {}: {}", medium.medium, medium.state.standing.words()));
    }
    lines.push(match found.verdict {
        Verdict::Valid => {
            "\nVALID: every document was signed by keys you know, and every medium has a proof.".to_owned()
        }
        Verdict::ConsistentSignerUnknown => {
            "\nCONSISTENT; NOT ESTABLISHED: nothing speaks against it, but what is marked unknown cannot be told."
                .to_owned()
        }
        Verdict::Invalid => "\nINVALID: do not rely on this bundle.".to_owned(),
    });
    lines.join("\n")
}

/// Takes documents that were signed elsewhere into the station's folder and log.
pub fn add(common: &Common, args: &AddArgs) -> Result<Exit, Failure> {
    let trust = args.trust.load(common)?;
    let station = common.station()?;
    let key = common.signing_key(&station, "nothing was taken in")?;
    let mut exit = Exit::Done;
    for file in files_of(&args.files)? {
        let bytes = read_file(&file, MAX_DOCUMENT)?;
        let name = file.file_name().map(|name| name.to_string_lossy());
        let verified = crate::certificate::document::verify_any(&bytes, name.as_deref(), trust.as_ref());
        if verified.verdict == Verdict::Invalid {
            let why = reasons(&verified);
            output::line_err(&format!("{}: refused: {why}", file.display()));
            exit = exit.worst(Exit::Evidence);
            continue;
        }
        match keep_document(&station, &key, &bytes) {
            Ok(kept) if common.json => output::json(&json!({
                "file": file.to_string_lossy(), "id": verified.id, "kind": verified.kind,
                "kept": kept.path.to_string_lossy(), "custody_entry": kept.entry, "new": kept.new,
            })),
            Ok(kept) => {
                let known = if kept.new { "" } else { ", known already" };
                let kind = verified.kind.map_or("document", DocumentType::name);
                output::line(&format!("{}: {kind}, entry {} of the custody log{known}", file.display(), kept.entry));
            }
            Err(error) => {
                let failure = keep_failure(&error);
                output::line_err(&format!("{}: {failure}", file.display()));
                exit = exit.worst(failure.exit);
            }
        }
    }
    Ok(exit)
}
