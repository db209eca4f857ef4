//! What the commands about documents share: who signs, what is read, where the result goes.

mod bundle;
mod destroy;
mod gather;
mod judge;
mod verify;

use std::cell::RefCell;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::certificate::TrustArgs;
use super::key::KeyArgs;
use super::{Common, output, station_failure};
use crate::bundle::{Bundle, MAX_BUNDLE};
use crate::certificate::document::{
    Attachment, AttachmentKind, Document, DocumentRef, DocumentType, MediumName, Related, SealError, Signatory,
    Verified, verify_any_with, verify_parsed,
};
use crate::certificate::{Issued, Verdict};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{
    Jws, JwsError, MAX_DOCUMENT, Role, StationKey, TimeEvidence, TrustStore, is_trust_store, same_name,
};
use crate::station::{self, Folders, KeepError, Library, keep_document, put_document};
use crate::units::{Bytes, now};

pub use bundle::{BundleArgs, bundle};
pub use destroy::{DestroyArgs, record_destruction};
pub use gather::{GatherArgs, gather, media_list};
pub use judge::{RevokeArgs, ValidateArgs, revoke, validate};
pub use verify::{AddArgs, ShowArgs, VerifyArgs, add, show, verify};

/// Who signs, and what is said of them.
#[derive(Clone, Debug, Args)]
pub struct PersonArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// Your name [default: as the trust store knows your key]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Your title or position
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Your organization [default: the station's, where there is one]
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Where you work
    #[arg(long, value_name = "TEXT")]
    pub location: Option<String>,
    /// Phone or other contact
    #[arg(long, value_name = "TEXT")]
    pub contact: Option<String>,
}

/// Where the signed document goes.
#[derive(Clone, Debug, Args)]
pub struct OutArgs {
    /// Folder for the signed file, besides the station's own; needed where there is no station
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl PersonArgs {
    /// Unlocks the key and says whose it is. Where a trust store is at hand, the key must stand in it
    /// for that role: what everybody would refuse is not signed.
    pub fn signatory(
        &self,
        common: &Common,
        trust: Option<&TrustStore>,
        role: Role,
    ) -> Result<(StationKey, Signatory), Failure> {
        let key = self.key.load(common)?;
        own_role(trust, key.kid(), role, "signed")?;
        let known = trust.and_then(|t| t.find(key.kid())).map(|k| k.name.clone());
        if let Some(name) = &self.name {
            own_name(trust, key.kid(), name, "signed")?;
        }
        let name = self.name.clone().or(known).ok_or_else(|| {
            Failure::words(Exit::Usage, format!("whose key is {}? No trust store knows it", key.kid()))
                .hint("give your name with --name, or a trust store that knows your key with --trust")
        })?;
        let station = common.station_if_any()?.map(|s| s.config().organization.clone());
        let signatory = Signatory {
            kid: key.kid().to_owned(),
            name,
            title: self.title.clone(),
            organization: self.organization.clone().or(station),
            location: self.location.clone(),
            contact: self.contact.clone(),
        };
        Ok((key, signatory))
    }
}

/// What a key signs in a role that it does not have, or outside of its time, is invalid for everybody: it is not begun.
pub fn own_role(trust: Option<&TrustStore>, kid: &str, role: Role, not_done: &str) -> Result<(), Failure> {
    let Some(trust) = trust else { return Ok(()) };
    let why = match trust.find(kid) {
        None => format!("key {kid} is not in the trust store"),
        Some(entry) if entry.may(role) => {
            return station::may_sign(trust, kid, role, now()).map_err(|unfit| {
                Failure::words(Exit::Refused, format!("{unfit}; nothing was {not_done}")).hint(unfit.advice())
            });
        }
        Some(entry) => format!("the key of {} is trusted as {}, not as {role}", entry.name, entry.roles_text()),
    };
    Err(Failure::words(Exit::Refused, format!("{why}; nothing was {not_done}"))
        .hint(format!("lastwrite key trust PUBLIC --role {role}, by whoever decides that")))
}

/// A key has one owner: what every verifier with this trust store would refuse is not begun.
pub fn own_name(trust: Option<&TrustStore>, kid: &str, name: &str, not_done: &str) -> Result<(), Failure> {
    match trust.and_then(|trust| trust.find(kid)) {
        Some(known) if !same_name(&known.name, name) => {
            let why = format!("key {kid} is that of {:?} in the trust store, and not of {name:?}", known.name);
            Err(Failure::words(Exit::Refused, format!("{why}; nothing was {not_done}")).hint(format!(
                "say {:?}, or use the key of {name:?}; where the trust store has the wrong name, whoever answers for it \
                 gives the key the right one",
                known.name
            )))
        }
        _ => Ok(()),
    }
}

/// The organization that a document speaks for.
fn organization(person: &Signatory) -> Result<String, Failure> {
    person.organization.clone().ok_or_else(|| {
        Failure::words(Exit::Usage, "for which organization? There is no station here that says so")
            .hint("give --organization NAME")
    })
}

/// Stores a signed document: in the station's folder and log where there is a station, and in the
/// folder that was named. Tells where it is.
pub fn hand_out(common: &Common, out: &OutArgs, kind: DocumentType, issued: &Issued) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let station = common.station_if_any()?;
    if station.is_none() && out.out.is_none() {
        return Err(Failure::words(Exit::Usage, format!("there is no station here to keep the {kind}"))
            .hint("name a folder for it with --out DIR"));
    }
    let key = station.as_ref().map(|station| common.signing_key(station, "nothing was kept")).transpose()?;
    if let Some(folder) = &out.out {
        std::fs::create_dir_all(folder)
            .map_err(|e| Failure::words(Exit::Other, format!("{}: {e}", folder.display())))?;
        let jws = Jws::parse(&issued.bytes).map_err(|e| Failure::new(Exit::Other, &e))?;
        files.push(put_document(folder, &issued.id, &jws, &issued.bytes).map_err(|e| keep_failure(&e))?);
    }
    let mut entry = None;
    if let (Some(station), Some(key)) = (station, key) {
        let kept = keep_document(&station, &key, &issued.bytes).map_err(|e| keep_failure(&e))?;
        entry = Some(kept.entry);
        files.push(kept.path);
    }
    if common.json {
        let paths: Vec<_> = files.iter().map(|f| f.to_string_lossy()).collect();
        output::json(&json!({ "kind": kind, "id": issued.id, "files": paths, "custody_entry": entry }));
    } else {
        output::line(&format!("{kind} {}", issued.id));
        files.iter().for_each(|f| output::line(&format!("  {}", f.display())));
        match entry {
            Some(entry) => output::line(&format!("  entry {entry} of the custody log")),
            None => output::line_err(
                "NOTE: there is no station here, so no custody log names it yet; the station takes it in with \
                 `lastwrite certificate add FILE`.",
            ),
        }
    }
    Ok(files)
}

pub fn keep_failure(error: &KeepError) -> Failure {
    match error {
        KeepError::Station(error) => station_failure(error),
        KeepError::Document(_) => Failure::new(Exit::Evidence, error),
        _ => Failure::new(Exit::Refused, error),
    }
}

pub fn seal_failure(error: &SealError) -> Failure {
    match error {
        SealError::Contradiction(_) => Failure::new(Exit::Refused, error),
        _ => Failure::new(Exit::Other, error),
    }
}

/// Reads at most as much as a document may have, so that a device or an endless pipe does no harm.
pub fn read_file(file: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let failed = |e: std::io::Error| Failure::words(Exit::Other, format!("{}: {e}", file.display()));
    // Room for most documents, so that one read gets them.
    let mut bytes = Vec::with_capacity(16 << 10);
    std::fs::File::open(file).and_then(|f| f.take(limit as u64 + 1).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

/// What others say of the time of its signatures, as it lies beside the file. What is no evidence is
/// told and left out.
pub fn evidence_beside(file: &Path, trust: Option<&TrustStore>) -> Result<Vec<TimeEvidence>, Failure> {
    evidence_in(&mut Folders::default(), file, &[], trust)
}

fn evidence_in(
    folders: &mut Folders,
    file: &Path,
    more: &[PathBuf],
    trust: Option<&TrustStore>,
) -> Result<Vec<TimeEvidence>, Failure> {
    let Some(trust) = trust else { return Ok(Vec::new()) };
    let gathered = station::time_evidence(file, more, trust, folders).map_err(|e| station_failure(&e))?;
    for (path, why) in &gathered.refused {
        output::line_err(&format!("NOTE: {} is no evidence: {why}", path.display()));
    }
    Ok(gathered.evidence)
}

/// Verifies a document of any sort with the evidence of time beside its file.
pub fn verified_beside(bytes: &[u8], file: &Path, trust: Option<&TrustStore>) -> Result<Verified, Failure> {
    let name = file.file_name().map(|name| name.to_string_lossy());
    Ok(verify_any_with(bytes, name.as_deref(), trust, &evidence_beside(file, trust)?))
}

/// A document that a command is about: verified, with what the station and the named files say of it.
pub struct Subject {
    pub verified: Verified,
    pub reference: DocumentRef,
    pub medium: Option<MediumName>,
}

/// Verifies documents by a trust store, what the station has about them, and the files named.
pub struct Judge<'a> {
    pub trust: Option<&'a TrustStore>,
    library: Library,
    with: Vec<Vec<u8>>,
    /// Where those are.
    with_files: Vec<PathBuf>,
    /// What was named, and what lies beside `with`.
    evidence: Vec<TimeEvidence>,
    folders: RefCell<Folders>,
}

impl Judge<'_> {
    /// By `with`, other documents or folders of them, and files of evidence of time.
    pub fn new<'a>(
        common: &Common,
        trust: Option<&'a TrustStore>,
        with: &[PathBuf],
        evidence: &[PathBuf],
    ) -> Result<Judge<'a>, Failure> {
        let library = match common.station_if_any()? {
            Some(station) => Library::load(&station, false).map_err(|e| station_failure(&e))?,
            None => Library::default(),
        };
        let mut folders = Folders::default();
        // Beside no file, so that only what was named is read.
        let mut evidence = evidence_in(&mut folders, Path::new(""), evidence, trust)?;
        let (mut files, mut with_files) = (Vec::new(), Vec::new());
        for path in files_of(with)? {
            evidence.extend(evidence_in(&mut folders, &path, &[], trust)?);
            let inside = documents_in(&path)?;
            with_files.extend(std::iter::repeat_n(path, inside.len()));
            files.extend(inside);
        }
        Ok(Judge { trust, library, with: files, with_files, evidence, folders: RefCell::new(folders) })
    }

    /// Of the files to judge by, those that are invalid and so say nothing.
    pub fn unbelieved(&self) -> impl Iterator<Item = (&Path, Verified)> {
        let verified = move |bytes: &Vec<u8>| verify_any_with(bytes, None, self.trust, &self.evidence);
        let all = self.with_files.iter().zip(&self.with).map(move |(path, bytes)| (path.as_path(), verified(bytes)));
        all.filter(|(_, verified)| verified.verdict == Verdict::Invalid)
    }

    /// With the evidence of time that lies beside the file.
    pub fn verified(&self, bytes: &[u8], file: &Path) -> Result<Verified, Failure> {
        self.verified_read(Jws::parse(bytes), file)
    }

    /// As [`Judge::verified`], of a document as it was read.
    pub fn verified_read(&self, document: Result<Jws, JwsError>, file: &Path) -> Result<Verified, Failure> {
        let mut evidence = evidence_in(&mut self.folders.borrow_mut(), file, &[], self.trust)?;
        evidence.extend_from_slice(&self.evidence);
        let name = file.file_name().map(|name| name.to_string_lossy());
        Ok(self.judged(document, name.as_deref(), &evidence))
    }

    fn judged(&self, document: Result<Jws, JwsError>, name: Option<&str>, evidence: &[TimeEvidence]) -> Verified {
        let mut verified = verify_parsed(document, name, self.trust, evidence);
        let checks = self.related(&verified).checks(&verified);
        if !checks.is_empty() {
            verified.add(checks);
        }
        verified
    }

    /// What the station has about a document, and the files named.
    pub fn related(&self, verified: &Verified) -> Related {
        if self.library.is_empty() && self.with.is_empty() {
            return Related::default();
        }
        let Some(id) = verified.id.as_deref() else { return Related::default() };
        let digest = verified.document.as_ref().and_then(Document::medium).and_then(|m| m.digest);
        let known = self.library.about(id, digest.as_deref()).into_iter();
        let others = known.chain(self.with.iter().map(Vec::as_slice));
        Related::of(others.map(|bytes| verify_any_with(bytes, None, self.trust, &self.evidence)))
    }

    /// Evidence of time for documents inside another file: it bears their ids, and lies beside that
    /// file as it would beside their own.
    fn evidence_inside<'b>(
        &self,
        file: &Path,
        ids: impl Iterator<Item = &'b str>,
    ) -> Result<Vec<TimeEvidence>, Failure> {
        let mut evidence = self.evidence.clone();
        // Nobody has checked the ids yet, and one that is none could lead anywhere.
        for id in ids.filter(|id| id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())) {
            let document = file.with_file_name(format!("{id}.json"));
            evidence.extend(evidence_in(&mut self.folders.borrow_mut(), &document, &[], self.trust)?);
        }
        Ok(evidence)
    }

    /// A file that is no document, or was changed beyond reading, is refused.
    pub fn subject(&self, file: &Path) -> Result<Subject, Failure> {
        let verified = self.verified(&read_file(file, MAX_DOCUMENT)?, file)?;
        let (Some(id), Some(kind), Some(document)) = (&verified.id, verified.kind, &verified.document) else {
            let why = verified.failed().map(|c| c.detail.clone()).collect::<Vec<_>>().join("; ");
            return Err(Failure::words(Exit::Evidence, format!("{} is no document of ours: {why}", file.display())));
        };
        let reference = DocumentRef { id: id.clone(), kind };
        let medium = document.medium();
        Ok(Subject { reference, medium, verified })
    }
}

/// The files, and of folders the `*.json` in them, in order; the trust store beside them is none.
pub fn files_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let failed = |e: std::io::Error| Failure::words(Exit::Other, format!("{}: {e}", path.display()));
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if !is_trust_store(&file) && file.extension().is_some_and(|e| e == "json") {
                found.push(file);
            }
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

/// The document, or those of a bundle, each by itself.
fn documents_in(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let bytes = read_file(path, MAX_BUNDLE)?;
    if Bundle::begins(&bytes) {
        let files = Bundle::parse(&bytes).and_then(|bundle| bundle.files());
        let files = files.map_err(|e| Failure::words(Exit::Evidence, format!("{}: {e}", path.display())))?;
        return Ok(files.into_iter().map(|(_, bytes)| bytes).collect());
    }
    // It says so of one that is too large.
    let bytes = if bytes.len() > MAX_DOCUMENT { read_file(path, MAX_DOCUMENT)? } else { bytes };
    Ok(vec![bytes])
}

/// Whether a file of `--with` is there to be heard: what is no document may merely lie in a folder.
pub fn was_meant(named: &[PathBuf], file: &Path, verified: &Verified) -> bool {
    verified.kind.is_some() || named.iter().any(|path| path == file)
}

/// Why a document is invalid, for a sentence.
pub fn reasons(verified: &Verified) -> String {
    verified.failed().map(|c| format!("{}: {}", c.name, c.detail)).collect::<Vec<_>>().join("; ")
}

/// Hashes the files that belong to a document.
pub fn attachments(paths: &[PathBuf]) -> Result<Vec<Attachment>, Failure> {
    paths.iter().map(|path| attachment(path)).collect()
}

fn attachment(path: &Path) -> Result<Attachment, Failure> {
    let failed = |e: std::io::Error| Failure::words(Exit::Other, format!("{}: {e}", path.display()));
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let (mut hash, mut piece, mut size) = (Sha256::new(), vec![0; 256 << 10], 0u64);
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => break,
            n => {
                hash.update(&piece[..n]);
                size += n as u64;
            }
        }
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let kind = match extension.as_str() {
        "jpg" | "jpeg" | "png" | "heic" | "webp" | "tif" | "tiff" => AttachmentKind::Photo,
        "mp4" | "mov" | "mkv" | "avi" | "webm" | "m4v" => AttachmentKind::Video,
        _ => AttachmentKind::Document,
    };
    Ok(Attachment {
        kind,
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        size: Bytes(size),
        sha256: hash.finalize().iter().map(|b| format!("{b:02x}")).collect(),
    })
}

/// The trust store, or an error that says that the command needs one.
fn need_trust(common: &Common, trust: &TrustArgs) -> Result<TrustStore, Failure> {
    trust.load(common)?.ok_or_else(|| {
        Failure::words(Exit::Usage, "whose signatures are to be believed? There is no trust store")
            .hint("name one with --trust FILE")
    })
}
