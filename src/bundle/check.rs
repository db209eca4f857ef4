//! Verifying a bundle, offline: every document, every entry, every proof, and whether it is all.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::{Bundle, BundleError, BundledLog, Scope, document_of};
use crate::certificate::Verdict;
use crate::certificate::document::{
    Decision, Document, DocumentRef, DocumentType, GatheredMedium, Gathering, MediumName, Related, Relation, Standing,
    VerificationResult, Verified, gather_from, gather_listed, verify_any_with,
};
use crate::custody::{
    Checkpoint, ENTRY_TYP, Entry, ExtractedLine, Hash, Note, NoteKey, SignatureKind, leaf_hash, read_checkpoint,
    verify_inclusion,
};
use crate::signed::{Check, Outcome, Role, TimeEvidence, TrustStore, decode_base64url, verify};

/// What a bundle comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BundleVerification {
    /// Valid: every document is, every entry stands in its log, nothing is missing that is known
    /// of, and every medium has a proof that nothing speaks against.
    pub verdict: Verdict,
    /// Checks of the bundle as a whole.
    pub checks: Vec<Check>,
    /// The logs, as their checkpoints tell.
    pub logs: Vec<LogState>,
    /// How each medium stands by what is in the bundle.
    pub media: Vec<MediumState>,
    /// Each document with all its checks, those by other documents of the bundle included.
    pub documents: Vec<Verified>,
}

/// A log as its checkpoint tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogState {
    /// Its id.
    pub log_id: String,
    /// Its origin.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// A medium and its proof.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MediumState {
    /// For a person.
    pub medium: String,
    /// How it stands, and by which document.
    #[serde(flatten)]
    pub state: GatheredMedium,
}

/// Verifies a bundle. `others` are documents from elsewhere, `log` the lines of the log at hand that
/// are in the bundle's scope ([`Bundle::scope`]): what they know and the bundle lacks makes it
/// incomplete. `evidence` of time counts for documents in it and elsewhere: each piece is signed by
/// somebody else over what it speaks of, so it proves the same wherever it lies.
pub fn verify_bundle(
    bundle: &Bundle,
    trust: Option<&TrustStore>,
    others: &[Vec<u8>],
    evidence: &[TimeEvidence],
    log: Option<(&str, &[ExtractedLine])>,
) -> Result<BundleVerification, BundleError> {
    let files = bundle.files()?;
    let alone = |bytes: &Vec<u8>| verify_any_with(bytes, None, trust, evidence);
    let mut documents: Vec<Verified> = files.iter().map(|(_, bytes)| alone(bytes)).collect();
    let mut checks = Vec::new();
    let mut logs = Vec::new();
    let mut entries = Entries::default();
    for log in &bundle.logs {
        let (state, found) = check_log(log, trust, &mut checks)?;
        logs.push(state);
        found.into_iter().for_each(|(entry, leaf)| entries.add(&log.log_id, entry, leaf));
    }
    for verified in &mut documents {
        let check = check_entries(verified, &entries);
        verified.add(vec![check]);
    }
    let own = documents.clone();
    let related = Related::of(own.into_iter().chain(others.iter().map(alone)));
    for verified in &mut documents {
        verified.add(related.checks(verified));
    }
    checks.push(check_complete(&documents, &related, &entries, log));
    checks.extend(documents.iter().filter_map(|v| check_gathering(v, &related)));
    // By the documents of the bundle alone, each judged by all that is known.
    let ids: HashSet<&str> = documents.iter().filter_map(|v| v.id.as_deref()).collect();
    let inside = |id: &str| ids.contains(id);
    let media: Vec<MediumState> = gather_from(&related, &inside)
        .into_iter()
        .map(|state| MediumState { medium: state.medium.label(), state })
        .collect();
    checks.push(check_media(&media, &documents));
    let verdict = judge(&checks, &documents, &related, &inside);
    Ok(BundleVerification { verdict, checks, logs, media, documents })
}

impl Bundle {
    /// Which entries of a log belong to this bundle.
    pub fn scope(&self) -> Result<Scope, BundleError> {
        let mut documents = Vec::new();
        for (id, bytes) in self.files()? {
            let read = Document::read(&bytes);
            let (_, _, document) = read.map_err(|e| BundleError::Part(format!("document {id}: {e}")))?;
            documents.push((id, document));
        }
        Ok(Scope::of(documents.iter().map(|(id, d)| (id.as_str(), d))))
    }
}

/// A run or a destruction that another document speaks against is told by how its medium stands, not
/// here: a lot rightly holds a rejected certificate beside the record of destruction that followed. Of
/// a list or a hand-over no medium tells that. Where it is not established who speaks, it is not known
/// how the medium stands.
fn judge(checks: &[Check], documents: &[Verified], related: &Related, inside: &dyn Fn(&str) -> bool) -> Verdict {
    let by_others = ["validation", "document revocation", "second reading", "later run", "discrepancy"];
    let own = documents.iter().flat_map(|v| {
        let counts = is_opposed(v, related, inside);
        v.checks.iter().filter(move |c| counts || c.outcome == Outcome::Unknown || !by_others.contains(&c.name))
    });
    let all: Vec<Check> = checks.iter().chain(own).cloned().collect();
    crate::certificate::judge(&all)
}

/// Whether somebody speaks against a list or a hand-over, and nothing in the bundle has taken its place.
fn is_opposed(verified: &Verified, related: &Related, inside: &dyn Fn(&str) -> bool) -> bool {
    let of_several = matches!(verified.document, Some(Document::Gathering(_) | Document::Transfer(_)));
    let said = related.about(verified);
    let mut against = said.iter().filter(|said| said.speaks_for == Some(false));
    let is_replaced = |said: &Relation| related.is_replaced(&said.document, verified, inside);
    of_several && against.clone().next().is_some() && !against.any(is_replaced)
}

fn check_log(
    log: &BundledLog,
    trust: Option<&TrustStore>,
    checks: &mut Vec<Check>,
) -> Result<(LogState, Vec<(Entry, Hash)>), BundleError> {
    let wrong = |why: String| BundleError::Part(format!("log {}: {why}", log.log_id));
    let note = Note::parse(log.checkpoint.as_bytes()).map_err(|e| wrong(e.to_string()))?;
    let state = Checkpoint::parse(note.text()).map_err(|e| wrong(e.to_string()))?;
    if state.log_id() != Some(log.log_id.as_str()) {
        return Err(wrong("the checkpoint is of another log".to_owned()));
    }
    checks.push(check_checkpoint(log, &state, trust));
    let mut entries = Vec::with_capacity(log.entries.len());
    let mut outcome = (Outcome::Passed, None);
    for bundled in &log.entries {
        let index = bundled.index.0;
        let line = decode_base64url(&bundled.line).map_err(|e| wrong(format!("entry {index}: {e}")))?;
        let (jws, entry) = Entry::read(&line).map_err(|e| wrong(format!("entry {index}: {e}")))?;
        entry.check_place(&log.log_id, index, entry.previous).map_err(|e| wrong(format!("entry {index}: {e}")))?;
        let leaf = leaf_hash(&line);
        if let Err(e) = verify_inclusion(index, state.size, leaf, &bundled.proof, state.root) {
            outcome = (Outcome::Failed, Some(format!("entry {index} does not stand in the log: {e}")));
        }
        for check in verify(&jws, ENTRY_TYP, trust).into_iter().filter(|c| c.outcome != Outcome::Passed) {
            if outcome.0 != Outcome::Failed {
                outcome = (check.outcome, Some(format!("entry {index}: {}: {}", check.name, check.detail)));
            }
        }
        entries.push((entry, leaf));
    }
    let detail = outcome.1.unwrap_or_else(|| {
        format!("{} entries stand in the log {} of {} entries", entries.len(), log.log_id, state.size)
    });
    checks.push(Check::new("custody entries", outcome.0, detail));
    let state = LogState { log_id: log.log_id.clone(), origin: state.origin, size: state.size, root: state.root };
    Ok((state, entries))
}

fn check_checkpoint(log: &BundledLog, state: &Checkpoint, trust: Option<&TrustStore>) -> Check {
    let name = "checkpoint";
    let Some(trust) = trust else {
        return Check::new(name, Outcome::Unknown, "who signed it cannot be told without a trust store");
    };
    let stations = trust.all_keys().filter(|k| k.may(Role::Station));
    let key = |k: &crate::signed::TrustedKey| NoteKey::new(&state.origin, SignatureKind::Ed25519, k.key.clone()).ok();
    let (revoked, good): (Vec<_>, Vec<_>) = stations.partition(|k| trust.revocation(k).is_some());
    let signed = |keys: Vec<NoteKey>| read_checkpoint(log.checkpoint.as_bytes(), &keys);
    match signed(good.into_iter().filter_map(key).collect()) {
        Ok(_) => Check::new(name, Outcome::Passed, format!("{} entries of {}, signed", state.size, state.origin)),
        // A checkpoint has no date of its own: one by a revoked key may be from after the revocation.
        Err(_) if signed(revoked.into_iter().filter_map(key).collect()).is_ok() => {
            Check::new(name, Outcome::Unknown, "it was signed with a key that is revoked; when, cannot be told")
        }
        Err(e) => Check::new(name, Outcome::Failed, format!("the checkpoint is not signed by a known station: {e}")),
    }
}

/// The entries of all logs of a bundle.
#[derive(Default)]
struct Entries {
    all: Vec<(String, Entry, Hash)>,
    /// By the document that they name.
    naming: HashMap<String, Vec<usize>>,
    /// By log and index.
    places: HashMap<(String, u64), usize>,
}

impl Entries {
    fn add(&mut self, log: &str, entry: Entry, leaf: Hash) {
        let at = self.all.len();
        if let Some(id) = document_of(&entry) {
            self.naming.entry(id.to_owned()).or_default().push(at);
        }
        self.places.entry((log.to_owned(), entry.index.0)).or_insert(at);
        self.all.push((log.to_owned(), entry, leaf));
    }

    fn naming(&self, id: &str) -> impl Iterator<Item = &Entry> {
        self.naming.get(id).into_iter().flatten().filter_map(|at| Some(&self.all.get(*at)?.1))
    }

    fn at(&self, log: &str, index: u64) -> Option<(&Entry, &Hash)> {
        let at = self.places.get(&(log.to_owned(), index))?;
        self.all.get(*at).map(|(_, entry, leaf)| (entry, leaf))
    }
}

/// Whether the log knows the document.
fn check_entries(verified: &Verified, entries: &Entries) -> Check {
    let name = "custody inclusion";
    let id = verified.id.as_deref().unwrap_or_default();
    let naming = entries.naming(id).find(|entry| verified.kind.is_some_and(|kind| kind.is_named_by(&entry.typ)));
    let unknown = || Check::new(name, Outcome::Unknown, "no entry of a custody log in the bundle names it");
    let Some(Document::Run(run)) = &verified.document else {
        return naming.map_or_else(unknown, |entry| {
            Check::new(name, Outcome::Passed, format!("it is named by entry {} ({})", entry.index, entry.typ))
        });
    };
    let receipt = &run.facts.intent;
    let intent = entries.at(&receipt.log_id, receipt.index.0);
    match (intent, naming) {
        (Some((entry, leaf)), _) if leaf.to_string() != receipt.leaf_hash || entry.typ != "run.intended" => {
            Check::new(name, Outcome::Failed, format!("entry {} is not the intent that it names", entry.index))
        }
        (_, Some(entry)) if entry.run_id() != Some(run.facts.run_id.as_str()) => {
            Check::new(name, Outcome::Failed, format!("entry {} names it as the outcome of another run", entry.index))
        }
        (Some((intent, _)), Some(entry)) => {
            let detail = format!("intent in entry {}, outcome in entry {}", intent.index, entry.index);
            Check::new(name, Outcome::Passed, detail)
        }
        _ => unknown(),
    }
}

fn check_complete(
    documents: &[Verified],
    related: &Related,
    entries: &Entries,
    log: Option<(&str, &[ExtractedLine])>,
) -> Check {
    let name = "complete";
    let ids: HashSet<&str> = documents.iter().filter_map(|v| v.id.as_deref()).collect();
    let inside = |id: &str| ids.contains(id);
    let mut missing: BTreeMap<String, String> = BTreeMap::new();
    for (log, entry, _) in &entries.all {
        if let Some(id) = document_of(entry).filter(|id| !inside(id)) {
            missing.insert(id.to_owned(), format!("{} (entry {} of log {log})", entry.typ, entry.index));
        }
    }
    let mut unproven = Vec::new();
    if let Some((log_id, lines)) = log {
        for line in lines {
            if let Some(id) = document_of(&line.entry).filter(|id| !inside(id)) {
                let what = format!("{} (entry {} of log {log_id})", line.entry.typ, line.index);
                missing.insert(id.to_owned(), what);
            }
            if entries.at(log_id, line.index).is_none() {
                unproven.push(line.index);
            }
        }
    }
    for verified in documents {
        for relation in related.about(verified) {
            if relation.speaks_for == Some(false) && !inside(&relation.document) {
                missing.insert(relation.document, format!("{}: {}", relation.kind, relation.detail));
            }
        }
        if let Some(Document::Gathering(gathering)) = &verified.document {
            let named = gathering.media.iter().flat_map(|m| m.document.iter().chain(&m.against));
            for reference in named.filter(|r| !inside(&r.id)) {
                missing
                    .insert(reference.id.clone(), format!("{} named by the {}", reference.kind, gathering.of.label()));
            }
        }
    }
    let told = |log: &str| match log.is_empty() {
        true => "nothing that is known of is missing; what was logged after the checkpoint is not seen".to_owned(),
        false => format!("nothing that log {log} knows is missing"),
    };
    match (missing.first_key_value(), unproven.first()) {
        (None, None) => Check::new(name, Outcome::Passed, told(log.map_or("", |l| l.0))),
        (Some((id, what)), _) => Check::new(
            name,
            Outcome::Failed,
            format!("{} documents are missing that are known of, the first: {id}, {what}", missing.len()),
        ),
        (None, Some(index)) => Check::new(
            name,
            Outcome::Failed,
            format!("{} entries of the log about these media are missing, the first: entry {index}", unproven.len()),
        ),
    }
}

/// A gathering against the documents that it names.
fn check_gathering(verified: &Verified, related: &Related) -> Option<Check> {
    let Some(Document::Gathering(gathering)) = &verified.document else { return None };
    let name = "gathered media";
    let label = gathering.of.label();
    let listed = gathering.media.len();
    let counted = gathering.expected.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let (outcome, why) = match (contradiction(gathering, related), counted) {
        (Some(why), _) => (Outcome::Failed, why),
        // Media that nobody lists may be anywhere.
        (None, Some(counted)) if counted != listed => {
            (Outcome::Failed, format!("{counted} media were counted, {listed} are listed"))
        }
        (None, None) => {
            (Outcome::Unknown, "nobody counted its media, so it is not known whether all are listed".into())
        }
        (None, Some(_)) => (Outcome::Passed, "each medium stands as its document says".to_owned()),
    };
    Some(Check::new(name, outcome, format!("{label}: {why}")))
}

fn contradiction(gathering: &Gathering, related: &Related) -> Option<String> {
    let expected: Vec<_> = gathering.media.iter().map(|m| m.medium.clone()).collect();
    let now = gather_listed(related, &expected);
    if now.len() != expected.len() {
        return Some(format!("{} media are listed, and they are {}: one is listed twice", expected.len(), now.len()));
    }
    gathering.media.iter().zip(&now).find_map(|(told, found)| {
        let label = told.medium.label();
        if told.document.as_ref().is_some_and(|d| related.find(&d.id).is_none()) {
            return None; // missing, which another check tells
        }
        // What became of it later may be better or worse than was told; both are said.
        if told.standing.is_proof() && !found.standing.is_proof() {
            return Some(format!("{label} is told {}, and now is {}", told.standing.words(), found.standing.words()));
        }
        let same = told.document == found.document;
        let agrees =
            told.attained == found.attained && told.ended == found.ended && told.verification == found.verification;
        (same && !agrees).then(|| format!("{label}: what is told of its document is not what that says"))
    })
}

fn check_media(media: &[MediumState], documents: &[Verified]) -> Check {
    let name = "media";
    let open = media.iter().filter(|m| !m.state.standing.is_proof());
    let mut open: Vec<String> = open.map(|m| format!("{} {}", m.medium, m.state.standing.words())).collect();
    let mut named = Vec::new();
    let ids: HashSet<&str> = documents.iter().filter_map(|v| v.id.as_deref()).collect();
    for (medium, standing) in documents.iter().flat_map(|v| spoken_of(v, &|id| ids.contains(id))) {
        let is_told = media.iter().any(|now| now.state.medium.same_medium(&medium));
        match standing {
            _ if is_told => {}
            Some(standing) => open.push(format!("{} {}", medium.label(), standing.words())),
            None => named.push(medium.label()),
        }
    }
    if let Some(first) = open.first() {
        return Check::new(name, Outcome::Failed, format!("{} media are not proven, the first: {first}", open.len()));
    }
    match (named.first(), media.is_empty()) {
        (_, true) => Check::new(name, Outcome::Unknown, "no document in it proves anything about a medium"),
        (Some(first), _) => {
            let detail = format!("of {} media that it speaks of it holds no proof, the first: {first}", named.len());
            Check::new(name, Outcome::Unknown, detail)
        }
        (None, false) => Check::new(name, Outcome::Passed, format!("{} media, each with proof", media.len())),
    }
}

/// Media of which a document speaks that is no proof itself, and about none that is `inside`; how they stand by it,
/// where it speaks against them.
fn spoken_of(verified: &Verified, inside: &dyn Fn(&str) -> bool) -> Vec<(MediumName, Option<Standing>)> {
    let Some(document) = &verified.document else { return Vec::new() };
    let judged = |about: &DocumentRef, standing: Option<Standing>| {
        use DocumentType as T;
        let of_one = matches!(about.kind, T::Certificate | T::FailureReport | T::Destruction);
        // It has a medium, also where the judgement does not name it.
        let medium = document.medium().or_else(|| of_one.then(MediumName::default)).filter(|_| !inside(&about.id));
        medium.map(|medium| (medium, standing.filter(|_| of_one))).into_iter().collect()
    };
    match document {
        Document::Validation(v) => {
            judged(&v.document, (v.decision == Decision::Rejected).then_some(Standing::Rejected))
        }
        Document::MediaVerification(v) => {
            let differs = v.result == VerificationResult::Mismatched;
            judged(&v.certificate, differs.then_some(Standing::Rejected))
        }
        Document::Revocation(r) => judged(&r.document, Some(Standing::Revoked)),
        Document::Gathering(g) => {
            let without = g.media.iter().filter(|m| m.standing == Standing::WithoutProof);
            without.map(|m| (m.medium.clone(), Some(m.standing))).collect()
        }
        // A hand-over may well come before the proof.
        Document::Transfer(t) => {
            let without = t.media.iter().filter(|m| m.document.as_ref().is_none_or(|d| !inside(&d.id)));
            without.map(|m| (m.medium.clone(), None)).collect()
        }
        Document::Discrepancy(d) => d.missing.iter().chain(&d.extra).map(|m| (m.clone(), None)).collect(),
        Document::Run(_) | Document::Destruction(_) => Vec::new(),
    }
}
