//! The log: create, open, append, look up, prove.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use rand::TryRng as _;
use serde::{Deserialize, Serialize};

use super::audit::AuditConfig;
use super::entries::{Entries, ID_FILE, Logged, read_id};
use super::entry::{Entry, EntryError, MAX_LINE, NewEvent};
use super::error::{LogError, io_error};
use super::index::{Index, Place, Unreadable};
use super::merkle::{self, Hash, ProofError, leaf_hash};
use super::store::{Damage, End, Line, Tip, scan, set_aside};
use crate::signed::{StationKey, sync_folder, write_new};
use crate::units::Bytes;

/// Name of the log in its folder.
pub const LOG_FILE: &str = "log.jsonl";
/// Name of the file that is locked while the log is read or written.
pub const LOCK_FILE: &str = "log.lock";

/// An open custody log. Safe for many threads, and for many processes on one folder.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    id: String,
    lock: File,
    inner: Mutex<Inner>,
    /// Events that wait for the thread that is writing; it takes them all and syncs once.
    waiting: Mutex<Vec<Waiting>>,
}

/// Proof that an entry is durable: where it stands and what the log was once it stood there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The log's random id.
    pub log_id: String,
    /// Position, from 0.
    pub index: Bytes,
    /// RFC 6962 leaf hash of the line.
    pub leaf_hash: Hash,
    /// Entries in the log once it was in it.
    pub size: Bytes,
    /// RFC 6962 root over those.
    pub root: Hash,
}

/// The end of a write that a crash cut off, found and set aside. It was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// Where the bytes lie now.
    pub file: PathBuf,
    /// How many.
    pub bytes: Bytes,
    /// The index that the lost entry would have had.
    pub index: Bytes,
}

#[derive(Debug)]
struct Inner {
    file: File,
    tip: Tip,
    index: Option<Index>,
    recovered: Vec<Recovered>,
    unusable: Option<String>,
}

#[derive(Debug)]
struct Waiting {
    event: NewEvent,
    signer: StationKey,
    at: DateTime<Utc>,
    /// Types of which the run must have none yet.
    only_without: Vec<String>,
    reply: Reply,
}

type Reply = Arc<Mutex<Option<Result<Receipt, LogError>>>>;

impl Log {
    /// Makes an empty log in `folder` with a random id, and gives the id. Refuses where one is.
    pub fn create(folder: &Path) -> Result<String, LogError> {
        let created = |e| LogError::Create(Arc::new(e));
        fs::create_dir_all(folder).map_err(io_error("creating", folder))?;
        if let Some(parent) = folder.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_folder(parent).map_err(created)?;
        }
        let log = folder.join(LOG_FILE);
        let id_file = folder.join(ID_FILE);
        // An empty log without an id is a creation that was cut off: it is completed.
        let cut_off = fs::metadata(&log).is_ok_and(|m| m.is_file() && m.len() == 0) && !id_file.exists();
        if !cut_off {
            write_new(&log, b"", 0o644).map_err(created)?;
        }
        let id = random_id()?;
        write_new(&id_file, format!("{id}\n").as_bytes(), 0o644).map_err(created)?;
        Ok(id)
    }

    /// Opens the log, follows it to its end, and sets aside what a crash left there.
    pub fn open(folder: &Path) -> Result<Log, LogError> {
        let id = read_id(folder)?;
        let path = folder.join(LOG_FILE);
        let file = OpenOptions::new().read(true).append(true).open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => LogError::Missing { folder: folder.to_owned() },
            _ => io_error("opening", &path)(e),
        })?;
        let lock_path = folder.join(LOCK_FILE);
        let lock = OpenOptions::new().read(true).append(true).create(true).open(&lock_path);
        let lock = lock.map_err(io_error("opening", &lock_path))?;
        let inner = Inner { file, tip: Tip::default(), index: None, recovered: Vec::new(), unusable: None };
        let log = Log { folder: folder.to_owned(), id, lock, inner: Mutex::new(inner), waiting: Mutex::default() };
        {
            let mut inner = log.inner();
            let _held = log.hold()?;
            if let Some(tip) = Tip::from_cache(&log.folder, &log.id, &inner.file).map_err(|d| log.damage(d))? {
                inner.tip = tip;
            }
            let cached = inner.tip.bytes;
            log.catch_up(&mut inner)?;
            if inner.tip.bytes != cached {
                let _ = inner.tip.to_cache(&log.folder, &log.id); // a hint only
            }
        }
        Ok(log)
    }

    /// The log's random id, 32 hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Torn ends that were set aside since the log was opened.
    pub fn recovered(&self) -> Vec<Recovered> {
        self.inner().recovered.clone()
    }

    /// Appends an event, dated now. When this returns, the entry is on disk.
    pub fn append(&self, event: NewEvent, signer: &StationKey) -> Result<Receipt, LogError> {
        self.append_at(event, signer, Utc::now())
    }

    /// As [`Log::append`], with the time given.
    pub fn append_at(&self, event: NewEvent, signer: &StationKey, at: DateTime<Utc>) -> Result<Receipt, LogError> {
        self.enqueue(event, signer, at, Vec::new())
    }

    /// Appends a run's outcome unless the run (`data.run_id`) has one already, as one step also
    /// against other processes.
    pub fn append_outcome(
        &self,
        event: NewEvent,
        signer: &StationKey,
        config: &AuditConfig,
    ) -> Result<Receipt, LogError> {
        self.enqueue(event, signer, Utc::now(), config.outcomes.clone())
    }

    /// Number of entries and the root over them, now.
    pub fn head(&self) -> Result<(u64, Hash), LogError> {
        let mut inner = self.inner();
        let _held = self.hold()?;
        self.catch_up(&mut inner)?;
        Ok((inner.tip.frontier.size(), inner.tip.frontier.root()))
    }

    /// All entries in order, as the log is now.
    pub fn entries(&self) -> Result<Entries, LogError> {
        Entries::open(&self.folder)
    }

    /// All entries about a subject, in order.
    pub fn find_subject(&self, subject: &str) -> Result<Vec<Logged>, LogError> {
        Ok(self.find(|index| index.subject(subject))?.into_iter().filter(|l| l.entry.subject == subject).collect())
    }

    /// All entries of a run (`data.run_id`), in order.
    pub fn find_run(&self, run_id: &str) -> Result<Vec<Logged>, LogError> {
        Ok(self.find(|index| index.run(run_id))?.into_iter().filter(|l| l.entry.run_id() == Some(run_id)).collect())
    }

    /// All entries whose data tell of a medium that is this file, or lies on it (`data.medium.backing.path`), in
    /// order.
    pub fn find_file(&self, path: &str) -> Result<Vec<Logged>, LogError> {
        let found = self.find(|index| index.file(path))?;
        Ok(found.into_iter().filter(|l| l.entry.file() == Some(path)).collect())
    }

    /// The run's outcome entry, if it has one.
    pub fn outcome(&self, run_id: &str, config: &AuditConfig) -> Result<Option<Logged>, LogError> {
        Ok(self.find_run(run_id)?.into_iter().find(|l| config.outcomes.contains(&l.entry.typ)))
    }

    /// Proof that entry `index` is in the log as it is now: size, root and the hashes.
    pub fn prove_inclusion(&self, index: u64) -> Result<(u64, Hash, Vec<Hash>), LogError> {
        let leaves = self.leaves()?;
        let proof = merkle::inclusion_proof(&leaves, usize::try_from(index).map_err(|_| ProofError::Sizes)?)?;
        Ok((leaves.len() as u64, merkle::root(&leaves), proof))
    }

    /// Proof that entry `index` is in the log as it was with `size` entries: its line, the root then
    /// and the hashes.
    pub fn prove_inclusion_at(&self, index: u64, size: u64) -> Result<(String, Hash, Vec<Hash>), LogError> {
        let path = self.folder.join(LOG_FILE);
        let (mut leaves, mut line) = (Vec::new(), None);
        {
            let mut inner = self.inner();
            let _held = self.hold()?;
            self.catch_up(&mut inner)?;
            scan(&inner.file, inner.tip.bytes, |_, text| {
                if leaves.len() as u64 == index {
                    line = Some(String::from_utf8_lossy(text).into_owned());
                }
                leaves.push(leaf_hash(text));
            })
            .map_err(io_error("reading", &path))?;
        }
        let count = usize::try_from(size).map_err(|_| ProofError::Sizes)?;
        let leaves = leaves.get(..count).ok_or(ProofError::Sizes)?;
        let proof = merkle::inclusion_proof(leaves, usize::try_from(index).map_err(|_| ProofError::Sizes)?)?;
        Ok((line.ok_or(ProofError::Sizes)?, merkle::root(leaves), proof))
    }

    /// Proof that the log as it is now grew from its first `size` entries.
    pub fn prove_consistency(&self, size: u64) -> Result<(u64, Hash, Vec<Hash>), LogError> {
        let leaves = self.leaves()?;
        let proof = merkle::consistency_proof(&leaves, usize::try_from(size).map_err(|_| ProofError::Sizes)?)?;
        Ok((leaves.len() as u64, merkle::root(&leaves), proof))
    }

    /// Proof that the log's first `size` entries grew from its first `from`: the root over them and
    /// the hashes.
    pub fn prove_consistency_at(&self, from: u64, size: u64) -> Result<(Hash, Vec<Hash>), LogError> {
        let leaves = self.leaves()?;
        let count = |n: u64| usize::try_from(n).map_err(|_| ProofError::Sizes);
        let leaves = leaves.get(..count(size)?).ok_or(ProofError::Sizes)?;
        Ok((merkle::root(leaves), merkle::consistency_proof(leaves, count(from)?)?))
    }

    fn leaves(&self) -> Result<Vec<Hash>, LogError> {
        let mut inner = self.inner();
        let _held = self.hold()?;
        self.catch_up(&mut inner)?;
        let mut leaves = Vec::with_capacity(usize::try_from(inner.tip.frontier.size()).unwrap_or(0));
        scan(&inner.file, inner.tip.bytes, |_, line| leaves.push(leaf_hash(line)))
            .map_err(io_error("reading", &self.folder.join(LOG_FILE)))?;
        Ok(leaves)
    }

    fn enqueue(
        &self,
        event: NewEvent,
        signer: &StationKey,
        at: DateTime<Utc>,
        only_without: Vec<String>,
    ) -> Result<Receipt, LogError> {
        let reply = Reply::default();
        lock(&self.waiting).push(Waiting { event, signer: signer.clone(), at, only_without, reply: reply.clone() });
        let mut inner = self.inner();
        // Whoever held the log until now may have written this event with its own.
        if let Some(done) = lock(&reply).take() {
            return done;
        }
        let batch = std::mem::take(&mut *lock(&self.waiting));
        let replies: Vec<Reply> = batch.iter().map(|w| w.reply.clone()).collect();
        let results = match self.write(&mut inner, batch) {
            Ok(results) => results,
            Err(e) => vec![Err(e); replies.len()],
        };
        for (reply, result) in replies.iter().zip(results) {
            *lock(reply) = Some(result);
        }
        lock(&reply).take().unwrap_or(Err(LogError::Unusable { why: "an event was lost".to_owned() }))
    }

    /// Writes a batch with one sync. The outer error is everybody's.
    fn write(&self, inner: &mut Inner, batch: Vec<Waiting>) -> Result<Vec<Result<Receipt, LogError>>, LogError> {
        let _held = self.hold()?;
        self.catch_up(inner)?;
        if batch.iter().any(|w| !w.only_without.is_empty()) {
            self.build_index(inner)?;
        }
        let mut tip = inner.tip.clone();
        let mut lines = Vec::new();
        let mut text = Vec::new();
        let mut results = Vec::with_capacity(batch.len());
        for waiting in batch {
            let result = self.refuse_second_outcome(inner, &lines, &waiting).and_then(|()| {
                let line = self.line(&tip, waiting)?;
                tip.push(&line.bytes);
                text.extend_from_slice(&line.bytes);
                text.push(b'\n');
                lines.push(line);
                Ok(self.receipt(&tip))
            });
            results.push(result);
        }
        if text.is_empty() {
            return Ok(results);
        }
        let path = self.folder.join(LOG_FILE);
        let mut file = &inner.file;
        if let Err(e) = file.write_all(&text).and_then(|()| inner.file.sync_data()) {
            // Nobody was told that it is there, so it must not be there.
            let undone = inner.file.set_len(inner.tip.bytes).and_then(|()| inner.file.sync_all());
            let error = io_error("appending to", &path)(e);
            if undone.is_err() {
                inner.unusable = Some(error.to_string());
            }
            return Err(error);
        }
        inner.tip = tip;
        if let Some(index) = &mut inner.index {
            lines.iter().for_each(|line| index.add(line));
            index.save();
        }
        let _ = inner.tip.to_cache(&self.folder, &self.id); // a hint only
        Ok(results)
    }

    fn line(&self, tip: &Tip, waiting: Waiting) -> Result<Line, LogError> {
        let entry = Entry {
            specversion: "1.0".to_owned(),
            id: random_id()?,
            source: Entry::source_of(waiting.signer.kid()),
            typ: waiting.event.typ,
            subject: waiting.event.subject,
            time: waiting.at,
            logid: self.id.clone(),
            index: Bytes(tip.frontier.size()),
            previous: tip.last,
            data: waiting.event.data,
        };
        let bytes = entry.line(&waiting.signer)?;
        if bytes.len() > MAX_LINE {
            return Err(LogError::TooLarge { size: bytes.len() });
        }
        // What cannot be read back must not be written: data nested too deep, say.
        Entry::read(&bytes).map_err(|e| LogError::Json(e.to_string()))?;
        Ok(Line { start: tip.bytes, bytes, entry })
    }

    fn receipt(&self, tip: &Tip) -> Receipt {
        let size = tip.frontier.size();
        Receipt {
            log_id: self.id.clone(),
            index: Bytes(size.saturating_sub(1)),
            leaf_hash: tip.last.unwrap_or(leaf_hash(b"")),
            size: Bytes(size),
            root: tip.frontier.root(),
        }
    }

    fn refuse_second_outcome(&self, inner: &Inner, batch: &[Line], waiting: &Waiting) -> Result<(), LogError> {
        let run = waiting.event.data.get("run_id").and_then(serde_json::Value::as_str);
        let (Some(run_id), Some(index)) = (run, &inner.index) else { return Ok(()) };
        let is_outcome = |e: &Entry| e.run_id() == Some(run_id) && waiting.only_without.contains(&e.typ);
        let in_batch = batch.iter().map(|l| &l.entry).find(|e| is_outcome(e)).cloned();
        let found = match in_batch {
            Some(entry) => Some(entry),
            None => self.read_places(inner, &index.run(run_id))?.into_iter().map(|l| l.entry).find(is_outcome),
        };
        match found {
            None => Ok(()),
            Some(e) => Err(LogError::OutcomeExists { run_id: run_id.to_owned(), typ: e.typ, index: e.index.0 }),
        }
    }

    fn find(&self, places: impl FnOnce(&Index) -> Vec<Place>) -> Result<Vec<Logged>, LogError> {
        let mut inner = self.inner();
        let _held = self.hold()?;
        self.catch_up(&mut inner)?;
        self.build_index(&mut inner)?;
        let places = inner.index.as_ref().map(places).unwrap_or_default();
        self.read_places(&inner, &places)
    }

    fn read_places(&self, inner: &Inner, places: &[Place]) -> Result<Vec<Logged>, LogError> {
        let path = self.folder.join(LOG_FILE);
        let read = |place: &Place| {
            let mut bytes = vec![0; place.length];
            inner.file.read_exact_at(&mut bytes, place.start).map_err(io_error("reading", &path))?;
            let (_, entry) =
                Entry::read(&bytes).map_err(|e| LogError::Damaged { index: place.number, source: Arc::new(e) })?;
            Ok(Logged { leaf_hash: leaf_hash(&bytes), entry })
        };
        places.iter().map(read).collect()
    }

    /// Takes in what other processes have appended.
    fn catch_up(&self, inner: &mut Inner) -> Result<(), LogError> {
        if let Some(why) = &inner.unusable {
            return Err(LogError::Unusable { why: why.clone() });
        }
        let path = self.folder.join(LOG_FILE);
        let open = inner.file.metadata().map_err(io_error("examining", &path))?;
        let named = fs::metadata(&path).map_err(io_error("examining", &path))?;
        if (open.dev(), open.ino()) != (named.dev(), named.ino()) {
            return Err(LogError::Replaced);
        }
        let Inner { file, tip, index, recovered, unusable } = inner;
        if open.len() < tip.bytes {
            return Err(LogError::Shortened { acknowledged: tip.bytes, found: open.len() });
        }
        if open.len() == tip.bytes {
            return Ok(());
        }
        let known = tip.bytes;
        let end = tip
            .advance(&self.id, file, |line| {
                if let Some(index) = index {
                    index.add(&line);
                }
            })
            .map_err(|d| self.damage(d))?;
        // Whoever appended it may have died before it was on the disk, and it counts as durable from here on.
        if tip.bytes != known
            && let Err(e) = file.sync_data()
        {
            let error = io_error("syncing", &path)(e);
            *unusable = Some(error.to_string());
            return Err(error);
        }
        if let End::Torn(from) = end {
            let set = set_aside(&self.folder, file, from).map_err(|e| LogError::SetAside(Arc::new(e)))?;
            recovered.push(Recovered { file: set.0, bytes: Bytes(set.1), index: Bytes(tip.frontier.size()) });
        }
        Ok(())
    }

    fn build_index(&self, inner: &mut Inner) -> Result<(), LogError> {
        if inner.index.is_some() {
            return Ok(());
        }
        let path = self.folder.join(LOG_FILE);
        match Index::load(&self.folder, &inner.file, &inner.tip).map_err(io_error("reading", &path))? {
            Ok(mut index) => {
                index.save();
                inner.index = Some(index);
                Ok(())
            }
            Err(Unreadable { number, line }) => {
                let source = Arc::new(Entry::read(&line).err().unwrap_or(EntryError::Typ(None)));
                Err(LogError::Damaged { index: number, source })
            }
        }
    }

    fn damage(&self, damage: Damage) -> LogError {
        match damage {
            Damage::Io(e) => io_error("reading", &self.folder.join(LOG_FILE))(e),
            Damage::Line { index, source } => LogError::Damaged { index, source: Arc::new(source) },
            Damage::Shortened { acknowledged, found } => LogError::Shortened { acknowledged, found },
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Holds the log against other processes until dropped.
    fn hold(&self) -> Result<Held<'_>, LogError> {
        self.lock.lock().map_err(io_error("locking", &self.folder.join(LOCK_FILE)))?;
        Ok(Held(&self.lock))
    }
}

struct Held<'a>(&'a File);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlock(); // closing the file unlocks it in any case
    }
}

fn random_id() -> Result<String, LogError> {
    let mut bytes = [0u8; 16];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(|_| LogError::Random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
