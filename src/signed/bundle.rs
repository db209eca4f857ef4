//! A bundle: what a root signed, one document a line, beside a trust store that holds the root.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::delegation::{DELEGATION_TYP, Delegation, REVOCATION_LIST_TYP, Reason, RevocationList, StatementError};
use super::durable::{DurableError, atomic_write, hold_folder};
use super::header::Role;
use super::jws::{Jws, JwsError};
use super::public::PublicKey;
use super::time;
use super::trust::{TrustStore, TrustedKey};

const MAX_FILE: u64 = 64 * 1024 * 1024;

/// What was taken from bundles: keys that roots of the store vouch for, and revocations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delegated {
    /// By thumbprint, with the date of the delegation that counts.
    pub keys: BTreeMap<String, (DateTime<Utc>, TrustedKey)>,
    /// By thumbprint, the earliest time that any list names.
    pub revoked: BTreeMap<String, (DateTime<Utc>, Reason)>,
    /// The newest list of each root.
    pub lists: BTreeMap<String, RevocationList>,
    /// What other stores know against keys.
    pub against: BTreeMap<String, Against>,
    /// Lines that count for nothing.
    foreign: usize,
    /// Lines of whoever was ever made a root, as they came, so that they can be handed on.
    lines: Vec<Arc<str>>,
    /// The same, read.
    signed: Vec<Arc<Line>>,
    /// Lines of strangers; what comes later may make a root of one.
    strangers: Vec<Arc<Line>>,
}

/// What another store knows against a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Against {
    /// From when on it is not believed.
    pub revoked: Option<DateTime<Utc>>,
    /// Its end.
    pub until: Option<DateTime<Utc>>,
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

#[derive(Debug, PartialEq, Eq)]
enum Statement {
    /// Of the key with this thumbprint.
    Delegation(String, Box<Delegation>),
    Revocations(RevocationList),
}

#[derive(Debug, PartialEq, Eq)]
struct Line {
    number: usize,
    text: Arc<str>,
    jws: Jws,
    root: String,
    at: DateTime<Utc>,
    statement: Statement,
}

/// Lines of whoever was ever made a root, and those of strangers.
type Parted = (Vec<Arc<Line>>, Vec<Arc<Line>>);

impl Line {
    /// Whether it takes the place of another delegation of its key. In one second the one that makes no root does;
    /// else any, as long as it is the same whatever the order.
    fn supersedes(&self, other: &Line) -> bool {
        let rank = |line: &Line| (line.at, !line.makes_root());
        (rank(self), &self.text) > (rank(other), &other.text)
    }

    fn makes_root(&self) -> bool {
        matches!(&self.statement, Statement::Delegation(_, d) if d.roles.contains(&Role::Root))
    }
}

impl TrustStore {
    /// Takes in what roots of this store have signed: keys that they delegate to, keys that they disown. Roots may
    /// delegate to roots. What others signed is counted and otherwise left alone; a line that names a root and was not
    /// signed by it refuses the whole bundle. In which order lines come makes no difference.
    pub fn take_bundle(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        if bytes.len() as u64 > MAX_FILE {
            return Err(BundleError::TooLarge);
        }
        let lines = bytes.split(|b| *b == b'\n').zip(1..).filter(|(line, _)| !line.is_empty());
        let new = lines.map(|(line, number)| read_line(line, number).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        let open: Vec<_> = self.delegated.strangers.iter().cloned().chain(new).collect();
        let (signed, strangers) = self.part(open)?;
        self.delegated.lines.extend(signed.iter().map(|line| Arc::clone(&line.text)));
        self.delegated.signed.extend(signed);
        self.delegated.strangers = strangers;
        self.settle();
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

    /// The delegation of a key that counts, with its date.
    pub fn delegation(&self, kid: &str) -> Option<(DateTime<Utc>, &TrustedKey)> {
        self.delegated.keys.get(kid).map(|(at, key)| (*at, key))
    }

    /// The newest revocation list of a root.
    pub fn revocation_list(&self, root: &str) -> Option<&RevocationList> {
        self.delegated.lists.get(root)
    }

    /// All newest lists.
    pub fn revocation_lists(&self) -> impl Iterator<Item = &RevocationList> {
        self.delegated.lists.values()
    }

    /// Lines of bundles that count for nothing: of strangers, of roots that are none any more or were revoked, or from
    /// outside of a root's time.
    pub fn foreign_statements(&self) -> usize {
        self.delegated.foreign
    }

    /// What roots of this store signed, one document a line, as it was taken in.
    pub fn statements(&self) -> &[Arc<str>] {
        &self.delegated.lines
    }

    /// Tells the lines of roots from those of strangers. An error where one was not signed by whom it names.
    fn part(&self, lines: Vec<Arc<Line>>) -> Result<Parted, BundleError> {
        let mut of: HashMap<&str, Vec<usize>> = HashMap::new();
        lines.iter().enumerate().for_each(|(at, line)| of.entry(&line.root).or_default().push(at));
        let made = |line: &Arc<Line>| match &line.statement {
            Statement::Delegation(kid, d) if d.roles.contains(&Role::Root) => Some((kid.clone(), d.key.clone())),
            _ => None,
        };
        let own = self.keys().iter().map(|key| (key.kid.clone(), key.key.clone()));
        let mut roots: Vec<(String, PublicKey)> = self.delegated.signed.iter().filter_map(made).chain(own).collect();
        let mut is_signed = vec![false; lines.len()];
        while let Some((kid, key)) = roots.pop() {
            for at in of.remove(kid.as_str()).unwrap_or_default() {
                let Some(line) = lines.get(at) else { continue };
                self.check_line(line, &kid, &key)?;
                roots.extend(made(line));
                if let Some(signed) = is_signed.get_mut(at) {
                    *signed = true;
                }
            }
        }
        drop(of);
        let (signed, strangers): (Vec<_>, Vec<_>) = lines.into_iter().zip(is_signed).partition(|(_, signed)| *signed);
        let lines = |parted: Vec<(Arc<Line>, bool)>| parted.into_iter().map(|(line, _)| line).collect();
        Ok((lines(signed), lines(strangers)))
    }

    /// Refuses a line that names a root and is not its own. What the store itself says of a root is the same for all
    /// lines; what other lines say of one is weighed with them, in [`Self::settle`].
    fn check_line(&self, line: &Line, kid: &str, key: &PublicKey) -> Result<(), BundleError> {
        let wrong = |why: String| Err(BundleError::Signature { line: line.number, why });
        let own = self.keys().iter().find(|own| own.kid == kid);
        if let Some(own) = own.filter(|own| !own.may(Role::Root)) {
            return wrong(format!("is signed by {}, who is trusted as {}, not as root", own.name, own.roles_text()));
        }
        if !line.jws.verifies(0, key) {
            return wrong(format!("was not signed by the root {kid} that it names: it was changed"));
        }
        match own.map(|own| (own.began(line.at), own.lasts(line.at))) {
            Some((false, _)) => wrong(format!("was signed before the root {kid} became valid")),
            Some((_, false)) => wrong(format!("was signed after the root {kid} expired")),
            _ => Ok(()),
        }
    }

    /// Weighs all that was taken in, whatever its order. Of several delegations of a key the newest counts, of those
    /// that somebody signed who is a root by now and was within its time then: whoever is none any more could make
    /// delegations of any date. What is said of a root counts from the store's own roots, else from the roots that are
    /// fewest steps away from them; so no root can hold itself, or those that it depends on, against them. Revocations
    /// of whoever was ever made a root count: they can only take trust away.
    pub(super) fn settle(&mut self) {
        let signed = std::mem::take(&mut self.delegated.signed);
        (self.delegated.revoked, self.delegated.lists) = Default::default();
        let mut said: HashMap<&str, Vec<(&str, &Line)>> = HashMap::new();
        for line in &signed {
            match &line.statement {
                Statement::Delegation(kid, _) => said.entry(&line.root).or_default().push((kid, line)),
                Statement::Revocations(list) => self.note_list(&line.root, list),
            }
        }
        let mut nothing = said.values().map(Vec::len).sum::<usize>();
        let mut newest: BTreeMap<&str, &Line> = BTreeMap::new();
        let mut roots: BTreeSet<&str> = BTreeSet::new();
        let mut speak: Vec<TrustedKey> = self.keys().iter().filter(|key| key.may(Role::Root)).cloned().collect();
        while !speak.is_empty() {
            let mut told = BTreeSet::new();
            for root in std::mem::take(&mut speak) {
                if self.revocation(&root).is_some() {
                    continue;
                }
                for (kid, line) in said.remove(root.kid.as_str()).unwrap_or_default() {
                    if !root.began(line.at) || !root.lasts(line.at) || roots.contains(kid) {
                        continue;
                    }
                    nothing -= 1;
                    told.insert(kid);
                    let there = newest.entry(kid).or_insert(line);
                    if line.supersedes(there) {
                        *there = line;
                    }
                }
            }
            for kid in told {
                let Some(key) = newest.get(kid).and_then(|line| self.told_by(line)) else { continue };
                if key.may(Role::Root) && !self.keys().iter().any(|own| own.kid == kid) {
                    roots.insert(kid);
                    speak.push(key);
                }
            }
        }
        let keys = newest.into_iter().filter_map(|(kid, line)| Some((kid.to_owned(), (line.at, self.told_by(line)?))));
        self.delegated.keys = keys.collect();
        self.delegated.foreign = nothing + self.delegated.strangers.len();
        self.delegated.signed = signed;
    }

    /// The key of a delegation, with what other stores know against it.
    fn told_by(&self, line: &Line) -> Option<TrustedKey> {
        let Statement::Delegation(kid, delegation) = &line.statement else { return None };
        let key = delegation.trusted(&line.root);
        let against = self.delegated.against.get(kid).copied().unwrap_or_default();
        let valid_until = key.valid_until.into_iter().chain(against.until).min();
        Some(TrustedKey { valid_until, revoked_at: against.revoked, ..key })
    }

    fn note_list(&mut self, root: &str, list: &RevocationList) {
        for revocation in &list.revoked {
            let entry = self.delegated.revoked.entry(revocation.kid.clone());
            let there = entry.or_insert((revocation.revoked_at, revocation.reason));
            if revocation.revoked_at < there.0 {
                *there = (revocation.revoked_at, revocation.reason);
            }
        }
        if self.delegated.lists.get(root).is_none_or(|there| there.number <= list.number) {
            self.delegated.lists.insert(root.to_owned(), list.clone());
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

/// Whether a file is a trust store by its name, which lies beside evidence and is none: `trust.jwks.json`, or
/// `trust-KID.jwks.json` where there was another.
pub fn is_trust_store(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == "trust.jwks.json" || (name.starts_with("trust-") && name.ends_with(".jwks.json"))
}

fn beside(trust: &Path, what: &str) -> PathBuf {
    let name = trust.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.strip_suffix(".jwks.json").or_else(|| name.strip_suffix(".json")).unwrap_or(&name);
    trust.with_file_name(format!("{stem}.{what}"))
}

/// Adds a signed statement to a bundle file, which is made when it is not there. Two that do so at
/// the same time both end up in it.
pub fn append_to_bundle(path: &Path, statement: &Jws) -> Result<(), BundleError> {
    let _held = hold_folder(path)?;
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
        Some(DELEGATION_TYP) => {
            let delegation = Delegation::read(&jws).map_err(statement)?;
            Statement::Delegation(delegation.key.kid(), Box::new(delegation))
        }
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

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
