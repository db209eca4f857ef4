//! What one run did, as plain data. The only file of this room that `certificate` may import.
//!
//! A [`SanitizationRecord`] cannot be made outside `sanitize`; what is read back from a file is
//! [`RunFacts`], which proves nothing.

mod force_ro;
mod hidden;
mod reached;
mod suspend;

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::media::{CommandSet, Exchange, Geometry, Identity, Kind, MediumClass, Partition, Reach, Transport, Zoned};
use crate::policy::{Applied, Method, VerificationLevel};
use crate::scheme::Pattern;
use crate::units::{Bytes, LbaRange, Sectors};
pub use force_ro::ForceRo;
pub use hidden::{HiddenAreas, Otherwise, Restored};
pub use reached::{ReachedFacts, ReachedReading};
pub use suspend::{Frozen, Suspension};

/// Proof that a run passed. Only `sanitize` makes one, at the end of the typestate chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SanitizationRecord(RunFacts);

/// A run that did not pass. Can be signed as a failure report, never becomes a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureRecord {
    facts: RunFacts,
    failure: Failure,
}

impl SanitizationRecord {
    #[cfg(feature = "erase")]
    pub(in crate::sanitize) fn new(facts: RunFacts) -> SanitizationRecord {
        SanitizationRecord(facts)
    }

    /// What the run did.
    pub fn facts(&self) -> &RunFacts {
        &self.0
    }
}

impl FailureRecord {
    #[cfg(feature = "erase")]
    pub(in crate::sanitize) fn new(facts: RunFacts, failure: Failure) -> FailureRecord {
        FailureRecord { facts, failure }
    }

    /// What the run did before it failed.
    pub fn facts(&self) -> &RunFacts {
        &self.facts
    }

    /// Why it failed.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }
}

/// Everything a run can say of itself. Member of both the certificate and the failure report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFacts {
    /// Random, 32 hex digits; names the run in journal, log and certificate.
    pub run_id: String,
    /// What was wiped.
    pub medium: MediumFacts,
    /// What was asked.
    pub requested: Method,
    /// What the technique is rated for on this medium and path, `None` when it did not complete.
    pub attained: Option<Method>,
    /// How the result was verified, never inferred from the other two.
    pub proven: Proven,
    /// SP 800-88 technique by its command-line name: `overwrite`, `nvme-sanitize-block`.
    pub technique: String,
    /// Which scheme, by which definition.
    pub scheme: SchemeFacts,
    /// The passes in order; none for a technique of the drive's own.
    pub passes: Vec<PassFacts>,
    /// What was sent to the drive, what came back, and what shows that it erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<FirmwareFacts>,
    /// Techniques that were meant and failed before the one that this is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps_down: Vec<StepTaken>,
    /// The verification that decided.
    pub verification: VerificationFacts,
    /// Blocks that could not be written, read back, or did not match.
    pub ledger: LedgerFacts,
    /// HPA, DCO, AMAC, NVMe unallocated capacity: what was found, and what became of it.
    pub hidden_areas: HiddenAreas,
    /// Suspends to RAM that were to unfreeze the drive before anything was erased.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspensions: Vec<Suspension>,
    /// Nodes that the kernel, and nobody else, had made read-only, and that were made writable for the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub force_ro: Vec<ForceRo>,
    /// How the bytes travelled.
    pub io: IoFacts,
    /// Each time the run was taken up again after an interruption.
    pub resumed: Vec<ResumeFacts>,
    /// When the run's intent was recorded.
    pub started: DateTime<Utc>,
    /// When its result was known.
    pub ended: DateTime<Utc>,
    /// Whether the clock can be believed.
    pub clock: ClockQuality,
    /// Who said they did it.
    pub operator: Option<Operator>,
    /// The asset the medium belongs to.
    pub asset_tag: Option<String>,
    /// Confidentiality category before sanitization, as given.
    pub category: Option<String>,
    /// The rules that governed the run; absent in documents of versions without policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Applied>,
    /// The run's entry in the custody log, made durable before the first write.
    pub intent: IntentReceipt,
    /// Earlier runs on the same medium that the log knows of.
    pub earlier_attempts: Vec<EarlierAttempt>,
    /// The program that did it.
    pub tool: ToolFacts,
}

/// The medium as it stood when the run was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumFacts {
    /// Stable identity.
    pub identity: Identity,
    /// SHA-256 of the identity, as the custody log names the medium.
    pub identity_digest: String,
    /// Sort of medium.
    pub kind: Kind,
    /// Physical, virtual, image: a virtual medium never closes a physical one.
    pub class: MediumClass,
    /// Bus.
    pub transport: Transport,
    /// Size and block sizes.
    pub geometry: Geometry,
    /// Spinning disk.
    pub rotational: Option<bool>,
    /// Zone model.
    pub zoned: Zoned,
    /// Removable.
    pub removable: bool,
    /// Kernel node at the time.
    pub path: PathBuf,
    /// Set when only a partition was wiped.
    pub partition: Option<Partition>,
}

/// Whether positive evidence of the result exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proven {
    /// Every addressable byte was read back from the medium and matched.
    FullReadback,
    /// Representative samples were read back and matched.
    SampledReadback,
    /// A few hundred places were read back and matched: no representative sampling.
    QuickReadback,
    /// What was read back matched, but for blocks that the ledger lists and the policy allows.
    ReadbackWithExceptions,
    /// A technique of the drive's own: its status says success, known content that was written and
    /// sampled before is gone, and every addressable byte was read afterwards.
    ErasedFullRead,
    /// The same, with representative samples read afterwards.
    ErasedSampled,
    /// The same, with nothing read but the places of the known content.
    ErasedKnownContent,
    /// Completion only: the writes were acknowledged and flushed, nothing was read.
    CompletionOnly,
    /// Nothing is proven.
    Nothing,
}

impl Proven {
    /// By a technique of the drive's own.
    pub fn is_erased(self) -> bool {
        matches!(self, Proven::ErasedFullRead | Proven::ErasedSampled | Proven::ErasedKnownContent)
    }
}

/// The scheme by name and definition; legacy definitions conflict, so which one is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemeFacts {
    /// Command-line name (`dod-e`).
    pub name: String,
    /// Full title.
    pub title: String,
    /// Which reading of the standard the bytes follow.
    pub definition: String,
    /// Where the definition comes from.
    pub source: String,
}

/// One pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassFacts {
    /// From 1.
    pub number: u32,
    /// The exact bytes.
    pub pattern: Pattern,
    /// When the first byte was written.
    pub started: DateTime<Utc>,
    /// When the flush was acknowledged.
    pub ended: Option<DateTime<Utc>>,
    /// Bytes the medium acknowledged.
    pub written: Bytes,
    /// The flush at the end succeeded.
    pub flushed: bool,
    /// The read-back of this pass, when there was one.
    pub verified: Option<VerificationFacts>,
}

/// One read-back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerificationFacts {
    /// How much was asked for.
    pub level: VerificationLevel,
    /// Hex seed of the sample positions.
    pub seed: Option<String>,
    /// Bytes read back from the medium and compared equal; after a technique of the drive's own, which leaves
    /// nothing to compare with, bytes that could be read (what they held is in [`FoundFacts`]).
    pub matched: Bytes,
    /// Bytes that had to be compared for the level.
    pub wanted: Bytes,
    /// When it began.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
}

/// Exact block ranges that went wrong, merged and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerFacts {
    /// Could not be written in at least one pass.
    pub unwritten: Vec<LbaRange>,
    /// Could not be read back.
    pub unread: Vec<LbaRange>,
    /// Read back and differ from what was written.
    pub mismatched: Vec<LbaRange>,
    /// Never reached: the retry budget ran out, or the medium went away.
    pub unreached: Vec<LbaRange>,
}

impl RunFacts {
    /// The policy let it run on a medium that is destroyed afterwards: it releases nothing.
    pub fn precedes_destruction(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.before_destruction)
    }
}

impl LedgerFacts {
    /// Blocks that could not be written or read back, each counted once; `None` when others went wrong
    /// too: blocks that read back as something else although they were written, or were not reached. The lists are
    /// those of all passes: in which one a block could not be written, the verdict has seen.
    pub fn exceptions(&self) -> Option<u64> {
        let covered = |range: &LbaRange| self.unwritten.iter().any(|unwritten| unwritten.covers(*range));
        if !self.unreached.is_empty() || !self.mismatched.iter().all(covered) {
            return None;
        }
        let mut ranges: Vec<(u64, u64)> = self
            .unwritten
            .iter()
            .chain(&self.unread)
            .map(|r| (r.first.0, r.first.0.saturating_add(r.count.0)))
            .collect();
        ranges.sort_unstable();
        let (mut blocks, mut reached) = (0u64, 0u64);
        for (start, end) in ranges {
            let start = start.max(reached);
            blocks = blocks.saturating_add(end.saturating_sub(start));
            reached = reached.max(end);
        }
        Some(blocks)
    }

    /// Nothing went wrong anywhere.
    pub fn is_clean(&self) -> bool {
        self.unwritten.is_empty() && self.unread.is_empty() && self.mismatched.is_empty() && self.unreached.is_empty()
    }
}

/// A technique of the drive's own, as it was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmwareFacts {
    /// The path to the drive, tested before anything was believed that came over it.
    pub path: PathFacts,
    /// What the command reaches by the standard.
    pub reach: Reach,
    /// Other media that it erased along with this one.
    pub also: Vec<ReachedFacts>,
    /// And namespaces that no device of the host showed, as a person named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unattached: Vec<u32>,
    /// Every command that was sent, and what came back; of polling the first and the last.
    pub exchanges: Vec<Exchange>,
    /// When the erasing command was first sent.
    pub sent: Option<DateTime<Utc>>,
    /// When all of it had come to its end.
    pub ended: Option<DateTime<Utc>>,
    /// The drive's own estimate of the time.
    pub estimate_seconds: Option<u64>,
    /// The drive's last word on it; absent when it gave none.
    pub status: Option<String>,
    /// Blocks of known content, written and read back before the command.
    pub canaries: KnownContent,
    /// Blocks of the earlier content, by digest.
    pub samples: KnownContent,
    /// Blocks that were looked at before and held nothing to be known again.
    pub blank_samples: u32,
    /// What stands in the blocks that were read afterwards.
    pub found: Option<FoundFacts>,
    /// What the technique had put on the drive and was taken off it again.
    pub cleaned_up: Option<String>,
}

/// What is known of the path to a drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathFacts {
    /// The command set that was used.
    pub set: CommandSet,
    /// The serial number that the drive gives by its own command is the one that the kernel shows;
    /// `None`: the kernel shows none.
    pub identity_agrees: Option<bool>,
    /// The drive's status was returned on this path before the erasing command was sent.
    pub returns_status: bool,
    /// What else was remarked.
    pub notes: Vec<String>,
}

/// Blocks whose content was known before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownContent {
    /// How many were known.
    pub known: u32,
    /// How many hold something else now.
    pub gone: u32,
}

/// What stands in the blocks that were read after the erase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundFacts {
    /// Blocks of 00.
    pub zeros: Sectors,
    /// Blocks of FF.
    pub ones: Sectors,
    /// Blocks of anything else.
    pub other: Sectors,
}

/// A technique failed, and the next one that had been allowed took its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepTaken {
    /// The technique that failed.
    pub from: String,
    /// The one that took its place.
    pub to: String,
    /// Why it failed.
    pub failure: Failure,
    /// When.
    pub at: DateTime<Utc>,
    /// What was sent for it, and came back.
    pub exchanges: Vec<Exchange>,
}

/// How the bytes travelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IoFacts {
    /// `io_uring` or `pread/pwrite`.
    pub engine: String,
    /// O_DIRECT was in force: reads came from the medium, not from the host's cache.
    pub direct: bool,
}

/// One resumption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeFacts {
    /// When.
    pub at: DateTime<Utc>,
    /// Kernel node at that time.
    pub path: PathBuf,
    /// Pass number it went on in; 0 for a technique of the drive's own.
    pub pass: u32,
    /// `write` or `verify`, or the technique of the drive's own.
    pub stage: String,
    /// Byte offset it went on from.
    pub offset: Bytes,
}

/// Whether the clock was synchronized while the run went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockQuality {
    /// The kernel reports a synchronized clock.
    Synchronized,
    /// The kernel reports an unsynchronized clock.
    Unsynchronized,
    /// It could not be asked.
    Unknown,
}

/// The person, as claimed unless signed by a key of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Name as given.
    pub name: String,
    /// `claimed`, or `signed`: the document is complete only with the signature of that key.
    pub standing: String,
    /// RFC 7638 thumbprint of the operator's key, where they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

impl Operator {
    /// Somebody who gave a name and nothing else.
    pub fn claimed(name: impl Into<String>) -> Operator {
        Operator { name: name.into(), standing: "claimed".to_owned(), kid: None }
    }

    /// Somebody whose own key signs the document.
    pub fn signed(name: impl Into<String>, kid: impl Into<String>) -> Operator {
        Operator { name: name.into(), standing: "signed".to_owned(), kid: Some(kid.into()) }
    }
}

/// Where the run's intent stands in the custody log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentReceipt {
    /// The log's random id.
    pub log_id: String,
    /// Index of the entry, from 0.
    pub index: Bytes,
    /// RFC 6962 leaf hash of the entry, hex.
    pub leaf_hash: String,
    /// Entries in the log once the intent was in it.
    pub size: Bytes,
    /// RFC 6962 root over those entries, hex.
    pub root: String,
}

/// An earlier run on the same medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierAttempt {
    /// Run id.
    pub run_id: String,
    /// When it was intended.
    pub intended: DateTime<Utc>,
    /// `pass`, `fail`, or `none` when the log has no outcome for it. Earlier versions wrote `passed` and `failed`.
    pub outcome: String,
}

/// The program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolFacts {
    /// `lastwrite`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the running executable, hex; empty when it could not be read.
    pub build_digest: String,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Stable word for programs: `write_errors`, `mismatch`, `identity_changed`, `flush_failed` ...
    pub code: String,
    /// What happened, at which place, how much was done.
    pub message: String,
    /// What to do next.
    pub advice: String,
}
