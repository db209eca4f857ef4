//! Documents besides those of a run: kept under their id, named in the custody log once, and found
//! again by what they are about.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::folder::{Station, StationError, io_error};
use crate::certificate::document::{Document, DocumentError, DocumentType, RECEIVED};
use crate::certificate::id_of;
use crate::custody::{LogError, NewEvent};
use crate::signed::{Jws, MAX_DOCUMENT, StationKey, atomic_write, make_folder, sync_folder, write_new};

/// A document that was not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// It is no document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The same document lies there with signatures that this one lacks, and lacks some of this one.
    #[error("{} is the same document with other signatures; give the file that has them all", path.display())]
    OtherSignatures {
        /// The file that is there.
        path: PathBuf,
    },
    /// A certificate or failure report comes from its own run.
    #[error("a {0} is kept and logged by the station whose run it is about")]
    OfARun(DocumentType),
    /// State folder or log.
    #[error(transparent)]
    Station(#[from] StationError),
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where it lies.
    pub path: PathBuf,
    /// The entry of the custody log that names it.
    pub entry: u64,
    /// It was not known before.
    pub new: bool,
}

/// Keeps a document in the station's folder and names it in its log. Each step is durable before the
/// next; doing it again changes nothing. A file with more signatures takes the place of one with
/// fewer.
pub fn keep_document(station: &Station, key: &StationKey, bytes: &[u8]) -> Result<Kept, KeepError> {
    let (jws, kind, document) = Document::read(bytes)?;
    if matches!(document, Document::Run(_)) {
        return Err(KeepError::OfARun(kind));
    }
    let id = id_of(jws.payload());
    let folder = station.documents();
    make_folder(&folder).map_err(StationError::from)?;
    let path = put_document(&folder, &id, &jws, bytes)?;
    let event = event(&id, kind, &document, &jws);
    let log = station.log()?;
    let earlier = log.find_subject(&event.subject).map_err(StationError::from)?;
    let named = |data: &Value| data.get("document").and_then(Value::as_str) == Some(id.as_str());
    if let Some(there) = earlier.iter().find(|l| l.entry.typ == event.typ && named(&l.entry.data)) {
        return Ok(Kept { path, entry: there.entry.index.0, new: false });
    }
    let receipt = log.append(event, key).map_err(StationError::from)?;
    Ok(Kept { path, entry: receipt.index.0, new: true })
}

/// Writes `<id>.json` to a folder; a file with all these signatures and more stays as it is.
pub fn put_document(folder: &Path, id: &str, jws: &Jws, bytes: &[u8]) -> Result<PathBuf, KeepError> {
    let path = folder.join(format!("{id}.json"));
    let there = match std::fs::read(&path) {
        Ok(there) => there,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            write_new(&path, bytes, 0o644).map_err(StationError::from)?;
            return Ok(path);
        }
        Err(e) => return Err(io_error(&path, "reading it")(e).into()),
    };
    let (known, _, _) = Document::read(&there)?;
    let within = |few: &Jws, many: &Jws| few.signatures().iter().all(|s| many.signatures().contains(s));
    match (within(jws, &known), within(&known, jws)) {
        // Whoever put it there may have died before its name was on the disk.
        (true, _) => {
            sync_folder(folder).map_err(StationError::from)?;
            Ok(path)
        }
        (false, true) => {
            atomic_write(&path, bytes).map_err(StationError::from)?;
            Ok(path)
        }
        (false, false) => Err(KeepError::OtherSignatures { path }),
    }
}

fn event(id: &str, kind: DocumentType, document: &Document, jws: &Jws) -> NewEvent {
    let medium = document.medium();
    let subject = medium.as_ref().and_then(|m| m.digest.clone()).unwrap_or_else(|| id.to_owned());
    let mut data = json!({ "document": id, "kind": kind });
    let mut add = |name: &str, value: Value| {
        if let Some(members) = data.as_object_mut().filter(|_| !value.is_null()) {
            members.insert(name.to_owned(), value);
        }
    };
    add("asset_tag", json!(medium.as_ref().and_then(|m| m.asset_tag.clone())));
    add("serial", json!(medium.as_ref().and_then(|m| m.serial.clone())));
    let digests = |media: &mut dyn Iterator<Item = &crate::certificate::document::MediumName>| {
        json!(media.filter_map(|m| m.digest.clone()).collect::<Vec<_>>())
    };
    let mut typ = kind.event();
    match document {
        Document::Run(_) => {}
        Document::Validation(d) => {
            add("about", json!(d.document.id));
            add("decision", json!(d.decision));
            add("next_step", json!(d.next_step));
        }
        Document::Revocation(d) => {
            add("about", json!(d.document.id));
            add("next_step", json!(d.next_step));
        }
        Document::MediaVerification(d) => {
            add("about", json!(d.certificate.id));
            add("result", json!(d.result));
        }
        Document::Destruction(d) => {
            add("about", json!(d.because.as_ref().map(|b| &b.id)));
            add("technique", json!(d.technique.words()));
        }
        Document::Gathering(d) => {
            add("unit", json!(d.of.label()));
            add("complete", json!(d.complete));
            add("media", digests(&mut d.media.iter().map(|m| &m.medium)));
        }
        Document::Transfer(d) => {
            if d.receiver(jws).is_some() {
                typ = RECEIVED;
            }
            add("from", json!(d.from.name));
            add("to", json!(d.to.name));
            add("media", digests(&mut d.media.iter().map(|m| &m.medium)));
        }
        Document::Discrepancy(d) => {
            add("about", json!(d.transfer.id));
            add("media", digests(&mut d.missing.iter().chain(&d.extra)));
        }
    }
    NewEvent { typ: typ.to_owned(), subject, data }
}

/// The station's documents by what they speak of: read once, asked often. Nothing is verified.
#[derive(Debug, Default)]
pub struct Library {
    documents: Vec<(String, Vec<u8>)>,
    by_hash: HashMap<String, Vec<usize>>,
}

impl Library {
    /// Reads the documents and failure reports of a station; with `certificates` those too.
    pub fn load(station: &Station, certificates: bool) -> Result<Library, StationError> {
        let mut library = Library::default();
        library.read(&station.documents())?;
        library.read(&station.failures())?;
        if certificates {
            library.read(&station.certificates())?;
        }
        Ok(library)
    }

    /// Nothing is there.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// All of them, as they lie in the folders.
    pub fn documents(&self) -> impl Iterator<Item = &[u8]> {
        self.documents.iter().map(|(_, bytes)| bytes.as_slice())
    }

    /// The document with that id.
    pub fn find(&self, id: &str) -> Option<&[u8]> {
        self.documents.iter().find(|(known, _)| known == id).map(|(_, bytes)| bytes.as_slice())
    }

    /// What speaks of a document, of its medium, or of what speaks of them.
    pub fn about(&self, id: &str, medium: Option<&str>) -> Vec<&[u8]> {
        let mut open: Vec<&str> = [Some(id), medium].into_iter().flatten().collect();
        let mut found = BTreeSet::new();
        // A revocation of a validation names only the validation: what is found is looked for in turn.
        while let Some(hash) = open.pop() {
            for at in self.by_hash.get(hash).into_iter().flatten() {
                if found.insert(*at) {
                    open.extend(self.documents.get(*at).map(|(id, _)| id.as_str()));
                }
            }
        }
        found.into_iter().filter_map(|at| self.documents.get(at)).map(|(_, bytes)| bytes.as_slice()).collect()
    }

    /// What is no document is left out.
    fn read(&mut self, folder: &Path) -> Result<(), StationError> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(io_error(folder, "looking into it")(e)),
        };
        for entry in entries {
            let path = entry.map_err(io_error(folder, "looking into it"))?.path();
            let small = std::fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= MAX_DOCUMENT as u64);
            if !small || path.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let bytes = std::fs::read(&path).map_err(io_error(&path, "reading it"))?;
            let Ok(jws) = Jws::parse(&bytes) else { continue };
            let at = self.documents.len();
            for hash in hashes(jws.payload()) {
                self.by_hash.entry(hash.to_owned()).or_default().push(at);
            }
            self.documents.push((id_of(jws.payload()), bytes));
        }
        Ok(())
    }
}

/// Every SHA-256 in hex that stands in a payload, once.
fn hashes(payload: &[u8]) -> BTreeSet<&str> {
    let text = std::str::from_utf8(payload).unwrap_or_default();
    let words = text.split(|c: char| !c.is_ascii_hexdigit());
    words.filter(|word| word.len() == 64).collect()
}

impl From<LogError> for KeepError {
    fn from(error: LogError) -> KeepError {
        KeepError::Station(error.into())
    }
}
