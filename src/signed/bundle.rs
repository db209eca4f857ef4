//! A bundle: what a root signed, one document a line, beside a trust store that holds the root.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::delegation::{DELEGATION_TYP, Delegation, REVOCATION_LIST_TYP, Reason, RevocationList, StatementError};
use super::durable::{DurableError, atomic_write};
use super::header::Role;
use super::jws::{Jws, JwsError};
use super::time;
use super::trust::{TrustStore, TrustedKey};

const MAX_FILE: u64 = 64 * 1024 * 1024;

/// What was taken from bundles: keys that roots of the store vouch for, and revocations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delegated {
    /// By thumbprint; of several delegations of one key the newest counts.
    pub keys: BTreeMap<String, (DateTime<Utc>, TrustedKey)>,
    /// By thumbprint, the earliest time that any list names.
    pub revoked: BTreeMap<String, (DateTime<Utc>, Reason)>,
    /// The newest list of each root.
    pub lists: BTreeMap<String, RevocationList>,
    /// Lines that no root of the store has signed.
    pub foreign: usize,
    /// All other lines as they came, so that they can be handed on.
    pub lines: Vec<Arc<str>>,
}

/// A bundle that is refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file could not be read.
    #[error("trust bundle {} could not be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It could not be stored; what was there is unchanged.
    #[error("the trust bundle was not stored: {0}")]
    Store(#[from] DurableError),
    /// Larger than any bundle.
    #[error("not a trust bundle: larger than {MAX_FILE} bytes")]
    TooLarge,
    /// A line is no signed document.
    #[error("line {line} of the trust bundle: {source}")]
    Document {
        /// From 1.
        line: usize,
        /// Why.
        #[source]
        source: JwsError,
    },
    /// A line does not say what it must.
    #[error("line {line} of the trust bundle: {source}")]
    Statement {
        /// From 1.
        line: usize,
        /// Why.
        #[source]
        source: StatementError,
    },
    /// A line names a root of the store and is not its own.
    #[error("line {line} of the trust bundle {why}")]
    Signature {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

enum Statement {
    Delegation(Box<Delegation>),
    Revocations(RevocationList),
}

struct Line {
    number: usize,
    text: Arc<str>,
    jws: Jws,
    root: String,
    at: DateTime<Utc>,
    statement: Statement,
}

impl TrustStore {
    /// Takes in what roots of this store have signed: keys that they delegate to, keys that they
    /// disown. What other roots signed is counted and otherwise left alone; a line that names a root
    /// of the store and was not signed by it refuses the whole bundle. Roots may delegate to roots.
    pub fn take_bundle(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        if bytes.len() as u64 > MAX_FILE {
            return Err(BundleError::TooLarge);
        }
        let lines = bytes.split(|b| *b == b'\n').zip(1..).filter(|(line, _)| !line.is_empty());
        let mut open = lines.map(|(line, number)| read_line(line, number)).collect::<Result<Vec<_>, _>>()?;
        // What revokes a root must be known before anything is believed because of it.
        open.sort_by_key(|line| matches!(line.statement, Statement::Delegation(_)));
        loop {
            let before = open.len();
            let mut left = Vec::new();
            for line in open {
                match self.root_of(&line)? {
                    true => self.accept(line),
                    false => left.push(line),
                }
            }
            open = left;
            if open.is_empty() || open.len() == before {
                break;
            }
        }
        self.delegated.foreign += open.len();
        self.drop_what_revoked_roots_said();
        Ok(())
    }

    /// Reads a bundle file and takes it in.
    pub fn take_bundle_file(&mut self, path: &Path) -> Result<(), BundleError> {
        self.take_bundle(&read_file(path)?)
    }

    /// Keys that roots of this store vouch for.
    pub fn delegated_keys(&self) -> impl Iterator<Item = &TrustedKey> {
        self.delegated.keys.values().map(|(_, key)| key)
    }

    /// The newest revocation list of a root.
    pub fn revocation_list(&self, root: &str) -> Option<&RevocationList> {
        self.delegated.lists.get(root)
    }

    /// All newest lists.
    pub fn revocation_lists(&self) -> impl Iterator<Item = &RevocationList> {
        self.delegated.lists.values()
    }

    /// Lines of bundles that no root of this store has signed.
    pub fn foreign_statements(&self) -> usize {
        self.delegated.foreign
    }

    /// What roots of this store signed, one document a line, as it was taken in.
    pub fn statements(&self) -> &[Arc<str>] {
        &self.delegated.lines
    }

    /// Whether a known root signed it. An error when it names a known root and that is not so.
    fn root_of(&self, line: &Line) -> Result<bool, BundleError> {
        let Some(root) = self.find(&line.root) else { return Ok(false) };
        let wrong = |why: String| Err(BundleError::Signature { line: line.number, why });
        if !root.may(Role::Root) {
            return wrong(format!("is signed by {}, who is trusted as {}, not as root", root.name, root.roles_text()));
        }
        if !line.jws.verifies(0, &root.key) {
            return wrong(format!("was not signed by the root {} that it names: it was changed", root.kid));
        }
        let at = line.at.timestamp();
        if root.valid_from.is_some_and(|from| at < from.timestamp()) {
            return wrong(format!("was signed before the root {} became valid", root.kid));
        }
        if root.valid_until.is_some_and(|until| at > until.timestamp()) {
            return wrong(format!("was signed after the root {} expired", root.kid));
        }
        Ok(true)
    }

    fn accept(&mut self, line: Line) {
        self.delegated.lines.push(line.text);
        match line.statement {
            Statement::Delegation(delegation) => {
                let key = delegation.trusted(&line.root);
                let newer = self.delegated.keys.get(&key.kid).is_none_or(|(at, _)| line.at >= *at);
                if newer {
                    self.delegated.keys.insert(key.kid.clone(), (line.at, key));
                }
            }
            Statement::Revocations(list) => {
                for revocation in &list.revoked {
                    let entry = self.delegated.revoked.entry(revocation.kid.clone());
                    let there = entry.or_insert((revocation.revoked_at, revocation.reason));
                    if revocation.revoked_at < there.0 {
                        *there = (revocation.revoked_at, revocation.reason);
                    }
                }
                let newest = self.delegated.lists.get(&line.root).is_none_or(|l| l.number <= list.number);
                if newest {
                    self.delegated.lists.insert(line.root, list);
                }
            }
        }
    }

    /// Whoever has a revoked root can make delegations of any date, so none of its own counts any
    /// more. Its revocations do: they can only take trust away.
    pub(super) fn drop_what_revoked_roots_said(&mut self) {
        loop {
            let gone: Vec<String> = self
                .delegated
                .keys
                .values()
                .filter(|(_, key)| {
                    let root = key.delegated_by.as_deref().and_then(|root| self.find(root));
                    root.is_none_or(|root| self.revocation(root).is_some())
                })
                .map(|(_, key)| key.kid.clone())
                .collect();
            if gone.is_empty() {
                return;
            }
            self.delegated.foreign += gone.len();
            gone.iter().for_each(|kid| drop(self.delegated.keys.remove(kid)));
        }
    }
}

/// The bundle that belongs to a trust store: `trust.jwks.json`, `trust.bundle.jsonl`.
pub fn bundle_beside(trust: &Path) -> PathBuf {
    beside(trust, "bundle.jsonl")
}

/// The time-stamping authorities that belong to a trust store: `trust.jwks.json`, `trust.tsa.pem`.
pub fn authorities_beside(trust: &Path) -> PathBuf {
    beside(trust, "tsa.pem")
}

fn beside(trust: &Path, what: &str) -> PathBuf {
    let name = trust.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.strip_suffix(".jwks.json").or_else(|| name.strip_suffix(".json")).unwrap_or(&name);
    trust.with_file_name(format!("{stem}.{what}"))
}

/// Adds a signed statement to a bundle file, which is made when it is not there. Two that do so at
/// the same time both end up in it.
pub fn append_to_bundle(path: &Path, statement: &Jws) -> Result<(), BundleError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |source| BundleError::Read { path: folder.to_owned(), source };
    let lock = File::open(folder).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut bytes = match read_file(path) {
        Ok(bytes) => bytes,
        Err(BundleError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e),
    };
    if bytes.last().is_some_and(|b| *b != b'\n') {
        bytes.push(b'\n');
    }
    bytes.extend(statement.to_bytes());
    bytes.push(b'\n');
    Ok(atomic_write(path, &bytes)?)
}

fn read_file(path: &Path) -> Result<Vec<u8>, BundleError> {
    let read = |source| BundleError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|f| f.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(read)?;
    if bytes.len() as u64 > MAX_FILE { Err(BundleError::TooLarge) } else { Ok(bytes) }
}

fn read_line(line: &[u8], number: usize) -> Result<Line, BundleError> {
    let jws = Jws::parse(line).map_err(|source| BundleError::Document { line: number, source })?;
    let wrong = |why: String| BundleError::Signature { line: number, why };
    let statement = |source| BundleError::Statement { line: number, source };
    let text = std::str::from_utf8(line).map_err(|_| wrong("is not UTF-8".to_owned()))?.into();
    let [signature] = jws.signatures() else {
        return Err(wrong("must have exactly one signature, the root's".to_owned()));
    };
    let header = signature.header();
    let (Some(kid), Some(Role::Root), Some(at)) = (header.kid.clone(), header.role, header.iat) else {
        return Err(wrong("is not signed as root, with its key's name and a date".to_owned()));
    };
    let read = match jws.typ() {
        Some(DELEGATION_TYP) => Statement::Delegation(Box::new(Delegation::read(&jws).map_err(statement)?)),
        Some(REVOCATION_LIST_TYP) => Statement::Revocations(RevocationList::read(&jws).map_err(statement)?),
        other => return Err(wrong(format!("is a {}, which does not belong there", other.unwrap_or("document")))),
    };
    Ok(Line { number, text, root: kid, at, statement: read, jws })
}

impl TrustStore {
    /// When a key was disowned, by its entry in the store or by a root's list; the earlier of both.
    pub fn revocation(&self, key: &TrustedKey) -> Option<DateTime<Utc>> {
        let listed = self.delegated.revoked.get(&key.kid).map(|(at, _)| *at);
        key.revoked_at.into_iter().chain(listed).min()
    }

    /// Why a root's list disowns a key.
    pub fn revocation_reason(&self, kid: &str) -> Option<Reason> {
        self.delegated.revoked.get(kid).map(|(_, reason)| *reason)
    }

    /// What is wrong with the revocation lists at a time: one that should have been followed by
    /// another says nothing about what happened since.
    pub fn stale_list(&self, now: DateTime<Utc>) -> Option<String> {
        let stale = |list: &&RevocationList| list.next_update.is_some_and(|next| next < now);
        let list = self.revocation_lists().find(stale)?;
        let next = list.next_update.map(time::format).unwrap_or_default();
        Some(format!(
            "revocation list {} of {} should have been followed by another on {next}; get the newest",
            list.number, list.organization
        ))
    }
}
