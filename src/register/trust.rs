//! Whom the register believes: a trust store that two persons fixed, and what its roots have signed since. As long as
//! there is none, whoever brings evidence in chooses.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Register;
use super::act::Act;
use super::error::{Refusal, RegisterError};
use super::event::sha256;
use super::life::{Approval, shared_text};
use super::people::{People, REGISTER_STREAM};
use super::work::Work;
use crate::signed::{StationKey, TrustStore};

/// Largest trust with all that its roots signed, in bytes: it is read with every command.
const MOST: usize = 4 << 20;

/// Whom the register shall believe, as it is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustText {
    /// From 1, without gaps.
    pub version: u32,
    /// The trust store (JWK Set), as this program writes it.
    #[serde(with = "shared_text")]
    pub store: Arc<str>,
    /// What its roots signed, one document a line, as it came.
    #[serde(with = "shared_text")]
    pub bundle: Arc<str>,
}

/// A version of the register's trust and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustVersion {
    /// What it says; in force, with all that its roots have signed since.
    pub trust: TrustText,
    /// Whose key proposed it.
    pub by: String,
    /// Who approved it; until then it is not in force.
    pub approved: Option<Approval>,
}

/// The register's trust. What was in force earlier stands in the events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterTrust {
    /// How many versions were proposed.
    pub versions: u32,
    /// What waits for a second person; a later proposal takes its place.
    pub proposed: Option<TrustVersion>,
    /// What holds.
    pub in_force: Option<TrustVersion>,
}

impl RegisterTrust {
    /// Nothing was ever proposed.
    pub fn is_untouched(&self) -> bool {
        *self == RegisterTrust::default()
    }
}

impl TrustText {
    /// A trust store and what its roots signed.
    pub fn of(version: u32, store: &TrustStore) -> TrustText {
        let text = String::from_utf8_lossy(&store.to_bytes()).into_owned();
        TrustText { version, store: text.into(), bundle: joined(store.statements().iter().map(|line| &**line)).into() }
    }

    /// What it says.
    pub fn store(&self) -> Result<TrustStore, Refusal> {
        let unreadable =
            |why: String| Refusal::rule(format!("version {} of the register's trust: {why}", self.version));
        let mut store = TrustStore::parse(self.store.as_bytes()).map_err(|e| unreadable(e.to_string()))?;
        store.take_bundle(self.bundle.as_bytes()).map_err(|e| unreadable(e.to_string()))?;
        Ok(store)
    }

    /// SHA-256 of the trust store, lower-case hex.
    pub fn digest(&self) -> String {
        sha256(self.store.as_bytes())
    }

    fn check(&self) -> Result<(), Refusal> {
        let store = self.store()?;
        if store.keys().is_empty() {
            return Err(Refusal::rule("a trust store without keys trusts nobody, so no evidence could come in"));
        }
        if self.store.len().saturating_add(self.bundle.len()) > MOST {
            return Err(too_large());
        }
        match store.to_bytes() == self.store.as_bytes() && store.statements().len() == lines(&self.bundle).count() {
            true => Ok(()),
            false => {
                Err(Refusal::rule("the trust store is not written as this program does, or others signed its bundle"))
            }
        }
    }

    /// The same with what the roots of another version signed, as far as they are its own.
    fn and(&self, bundle: &str) -> Option<Arc<str>> {
        let mut store = self.store().ok()?;
        store.take_bundle(self.unknown(lines(bundle)).as_bytes()).ok()?;
        Some(joined(store.statements().iter().map(|line| &**line)).into())
    }

    /// Those of the lines that it does not have, each once.
    fn unknown<'a>(&self, all: impl Iterator<Item = &'a str>) -> String {
        let mut known: BTreeSet<&str> = lines(&self.bundle).collect();
        joined(all.filter(|line| known.insert(*line)))
    }
}

impl TrustVersion {
    /// For a sentence.
    pub fn told(&self, people: &People) -> String {
        let name = |kid: &str| people.persons.get(kid).map_or_else(|| kid.to_owned(), |p| p.name.clone());
        let digest = self.trust.digest();
        let approved = match &self.approved {
            None => "not approved".to_owned(),
            Some(approval) if approval.by == self.by => "approved by nobody else: there was one person only".to_owned(),
            Some(approval) => format!("approved by {}", name(&approval.by)),
        };
        let (version, short, by) = (self.trust.version, digest.get(..12).unwrap_or(&digest), name(&self.by));
        format!("version {version}, sha256 {short}, proposed by {by}, {approved}")
    }

    /// Refuses a trust store that names more than `known`, which is this version with what its roots signed.
    pub fn check_covers(&self, known: &TrustStore, given: &TrustStore, people: &People) -> Result<(), Refusal> {
        known.covers(given).map_err(|why| {
            Refusal::rule(format!("this register has a trust of its own ({}), and {why}", self.told(people))).hint(
                "leave --trust out; to change whom it trusts: lastwrite register trust propose FILE, and a second \
                 person approves",
            )
        })
    }
}

impl People {
    pub(super) fn check_trust(&self, act: &Act) -> Result<(), Refusal> {
        let no = |why: &str| Err(Refusal::rule(why));
        match (act, &self.trust.in_force) {
            (Act::TrustProposed(text), _) if text.version == self.trust.versions.saturating_add(1) => text.check(),
            (Act::TrustProposed(_), _) => no("the versions of the register's trust follow each other without a gap"),
            (Act::TrustApproved { version }, _) => match &self.trust.proposed {
                Some(proposed) if proposed.trust.version == *version => Ok(()),
                Some(proposed) => {
                    let waits = proposed.trust.version;
                    Err(Refusal::rule(format!(
                        "version {version} of the register's trust waits for nobody; {waits} does"
                    )))
                }
                None => no("no version of the register's trust waits for an approval"),
            },
            (Act::TrustExtended { .. }, None) => no("the register has no trust whose roots could say anything"),
            (Act::TrustExtended { bundle }, Some(now)) => {
                let text = &now.trust;
                match text.unknown(lines(bundle)) == *bundle && !bundle.is_empty() {
                    false => no("the register knows that already"),
                    true if text.store.len() + text.bundle.len() + bundle.len() > MOST => Err(too_large()),
                    true => Ok(()),
                }
            }
            _ => no("that is no change of the register's trust"),
        }
    }

    pub(super) fn apply_trust(&mut self, act: &Act, actor: &str, at: DateTime<Utc>) {
        let trust = &mut self.trust;
        match act {
            Act::TrustProposed(text) => {
                trust.versions = text.version;
                trust.proposed = Some(TrustVersion { trust: text.clone(), by: actor.to_owned(), approved: None });
            }
            Act::TrustApproved { .. } => {
                let Some(mut next) = trust.proposed.take() else { return };
                // What a root has revoked stays so, whatever bundle the proposal came with.
                let before = trust.in_force.as_ref().and_then(|before| next.trust.and(&before.trust.bundle));
                next.trust.bundle = before.unwrap_or(next.trust.bundle);
                next.approved = Some(Approval { by: actor.to_owned(), at, note: None });
                trust.in_force = Some(next);
            }
            Act::TrustExtended { bundle } => {
                if let Some(now) = &mut trust.in_force {
                    now.trust.bundle = joined(lines(&now.trust.bundle).chain(lines(bundle))).into();
                }
            }
            _ => {}
        }
    }

    /// What is left to the making of the event and to an audit: four eyes, and the signatures of roots.
    pub(super) fn allow_trust(&self, actor: &str, act: &Act) -> Result<(), Refusal> {
        match (act, &self.trust.proposed, &self.trust.in_force) {
            // Whoever was alone from the beginning has nobody to ask. Somebody who was barred still counts.
            (Act::TrustApproved { .. }, Some(proposed), _) if self.persons.len() > 1 => {
                self.second(actor, &proposed.by, "proposed whom the register trusts and may not approve it")
            }
            (Act::TrustExtended { bundle }, _, Some(now)) => {
                let mut store = now.trust.store()?;
                let before = store.statements().len();
                store.take_bundle(bundle.as_bytes()).map_err(|e| Refusal::rule(e.to_string()))?;
                match store.statements().len() - before == lines(bundle).count() {
                    true => Ok(()),
                    false => Err(Refusal::rule("not all of it is signed by a root that the register trusts")),
                }
            }
            _ => Ok(()), // told by the state
        }
    }

    /// Whether evidence was verified by whom the register trusts.
    pub(super) fn believes(&self, act: &Act, trust: Option<&str>) -> Result<(), Refusal> {
        match (&self.trust.in_force, trust) {
            (_, Some(_)) if !takes_in(act) => Err(Refusal::rule("only what takes evidence in names a trust")),
            (Some(now), trust) if takes_in(act) && trust != Some(now.trust.digest().as_str()) => {
                Err(Refusal::rule("it was not verified by the trust that this register has now")
                    .hint("bring it in again"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether the act says that a document was believed.
pub(super) fn takes_in(act: &Act) -> bool {
    matches!(act, Act::EvidenceAccepted { .. } | Act::EvidenceJudged { .. })
}

impl Register {
    /// What documents are verified by, and its digest: the register's own trust where there is one, with what the
    /// roots of `given` that it knows have signed, and without what `given` knows against keys. What roots have said
    /// is kept, so that nobody can leave it out later.
    pub(super) async fn believed(
        &mut self,
        key: &StationKey,
        given: &TrustStore,
    ) -> Result<(TrustStore, String), RegisterError> {
        let people = self.people().await?;
        let Some(now) = &people.trust.in_force else { return Ok((given.clone(), sha256(&given.to_bytes()))) };
        let mut store = now.trust.store()?;
        let known = store.statements().len();
        let new = now.trust.unknown(given.statements().iter().map(|line| &**line));
        store.take_bundle(new.as_bytes()).map_err(|e| Refusal::rule(e.to_string()))?;
        let said = joined(store.statements().iter().skip(known).map(|line| &**line));
        store.heed(given);
        now.check_covers(&store, given, &people)?;
        if !said.is_empty() {
            let learned = self.run(key, async |work: &mut Work<'_>| {
                let people = work.people().await?;
                let unknown = people.trust.in_force.map(|now| now.trust.unknown(lines(&said))).unwrap_or_default();
                match unknown.is_empty() {
                    true => Ok(()),
                    false => work.act(REGISTER_STREAM, Act::TrustExtended { bundle: unknown }).await,
                }
            });
            learned.await?;
        }
        Ok((store, now.trust.digest()))
    }
}

/// Every trust that was ever in force, for an audit.
#[derive(Default)]
pub(super) struct Trusts(Vec<(u64, TrustStore)>);

impl Trusts {
    /// From everybody's rights at every revision of the register, the first being 1.
    pub(super) fn of(people: &[People]) -> Result<Trusts, Refusal> {
        let mut versions: Vec<(u64, &TrustVersion)> = Vec::new();
        for (state, revision) in people.iter().zip(1..) {
            let Some(now) = &state.trust.in_force else { continue };
            match versions.last_mut() {
                // While it is in force its roots only say more.
                Some((_, last)) if last.trust.version == now.trust.version => *last = now,
                _ => versions.push((revision, now)),
            }
        }
        let read = versions.into_iter().map(|(first, version)| version.trust.store().map(|store| (first, store)));
        let mut stores = read.collect::<Result<Vec<_>, _>>()?;
        // What is known against a key by now counts for what it signed before.
        if let Some((_, newest)) = stores.last().cloned() {
            stores.iter_mut().for_each(|(_, store)| store.heed(&newest));
        }
        Ok(Trusts(stores))
    }

    /// Whether the register ever had a trust of its own.
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// By which of them a document had to be believed that came in under that revision of the register, the newest
    /// first: the one in force, or any where it came in before the first.
    pub(super) fn at(&self, under: u64) -> impl Iterator<Item = &TrustStore> {
        let before_all = self.0.first().is_none_or(|(first, _)| under < *first);
        let found = self.0.iter().rev().filter(move |(first, _)| before_all || *first <= under);
        found.take(if before_all { usize::MAX } else { 1 }).map(|(_, store)| store)
    }
}

fn lines(bundle: &str) -> impl Iterator<Item = &str> {
    bundle.split('\n').filter(|line| !line.is_empty())
}

fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn too_large() -> Refusal {
    Refusal::rule(format!("a trust with what its roots signed has at most {MOST} bytes"))
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
