//! Runs for the tests of this room.

use chrono::{DateTime, Utc};

use super::record::{ClockQuality, IntentReceipt, SchemeFacts, ToolFacts};
use super::rung::Rung;
use super::state::{JournalEntry, RunPlan, RunState};
use crate::media::{Geometry, Identity, Kind, Medium, MediumClass, Transport, Zoned};
use crate::overwrite::Ledger;
use crate::policy::{Method, VerificationLevel};
use crate::scheme::{PassVerify, Pattern, PlannedPass};
use crate::units::{Bytes, Lba, LbaRange, SectorSize, Sectors};

pub const SIZE: u64 = 1 << 20;

#[allow(clippy::unwrap_used)]
pub fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

pub fn plan(patterns: &[u8], verification: VerificationLevel) -> RunPlan {
    let identity = Identity { serial: Some("S1".into()), size: Bytes(SIZE), ..Identity::default() };
    let pass = |byte: &u8| PlannedPass { pattern: Pattern::Byte { byte: *byte }, verify: PassVerify::Unverified };
    RunPlan {
        run_id: "00112233445566778899aabbccddeeff".into(),
        medium: Medium {
            path: "/dev/sdz".into(),
            other_paths: Vec::new(),
            identity,
            transport: Transport::Ata,
            kind: Kind::Hdd,
            class: MediumClass::Physical,
            geometry: Geometry { size: Bytes(SIZE), logical_block: 512, physical_block: 4096 },
            rotational: Some(true),
            zoned: Zoned::None,
            removable: false,
            diskseq: None,
            partition: None,
            protections: Vec::new(),
            signatures: Vec::new(),
            confirm_token: "S1".into(),
        },
        block: SectorSize::B512,
        requested: Method::Clear,
        attainable: Method::Clear,
        ladder: vec![Rung::overwrite()],
        also: Vec::new(),
        unattached: Vec::new(),
        scheme: SchemeFacts { name: "t".into(), title: "t".into(), definition: "t".into(), source: "t".into() },
        passes: patterns.iter().map(pass).collect(),
        policy: None,
        verification,
        sample_seed: Some("11".repeat(32)),
        operator: None,
        asset_tag: None,
        category: None,
        hidden: None,
        restore: None,
        unfreeze: None,
        earlier_attempts: Vec::new(),
        planned: at(0),
        boot: None,
        file_born: None,
    }
}

pub fn tool() -> ToolFacts {
    ToolFacts { name: "lastwrite".into(), version: "0".into(), build_digest: String::new() }
}

pub fn clock() -> ClockQuality {
    ClockQuality::Unknown
}

pub fn bad(first: u64, count: u64) -> Ledger {
    Ledger { mismatched: vec![LbaRange { first: Lba(first), count: Sectors(count) }], ..Ledger::default() }
}

pub fn opened(plan: &RunPlan) -> JournalEntry {
    JournalEntry::Opened { version: 1, plan: Box::new(plan.clone()) }
}

pub fn intended() -> JournalEntry {
    let receipt = IntentReceipt {
        log_id: "log".into(),
        index: Bytes(0),
        leaf_hash: "00".into(),
        size: Bytes(1),
        root: "00".into(),
    };
    JournalEntry::Intended { receipt, at: at(1) }
}

/// The journal of a run in which every stage ends with the ledger that `ledger` gives it.
pub fn journal(plan: &RunPlan, ledger: impl Fn(usize) -> Ledger) -> Vec<JournalEntry> {
    let mut entries = vec![opened(plan), intended()];
    for (index, stage) in RunState::new(plan.clone()).stages.iter().map(|s| s.stage).enumerate() {
        entries.push(JournalEntry::StageStarted { stage, at: at(2) });
        entries.push(JournalEntry::StageEnded {
            stage,
            at: at(3),
            ledger: ledger(index),
            engine: "io_uring".into(),
            direct: true,
        });
    }
    entries
}
