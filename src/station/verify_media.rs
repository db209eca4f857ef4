//! Reading a medium back from a certificate alone: on any machine, by anybody.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::certificate::CertificatePayload;
use crate::device::{self, Claim, ClaimError, ClaimMode, ResolveError, Roots, TargetRule};
use crate::media::{Difference, Identity, Medium, may_be_one};
use crate::overwrite::{
    Disk, Engine, EngineConfig, EngineError, Extents, FaultLimits, Ledger, PassEnd, PassJob, PassOp, PassOutcome,
    Progress, sample_extents,
};
use crate::policy::VerificationLevel;
use crate::units::{Bytes, SectorSize, hex, now};

/// What the medium says.
#[derive(Debug)]
pub struct MediaCheck {
    /// The medium that was read.
    pub medium: Medium,
    /// How its identity differs from the certificate's, where that may be (image files and loop
    /// devices are other files on other machines).
    pub identity_notes: Vec<Difference>,
    /// Nothing tells the medium from others of its size, and what the last pass wrote is what any blank one holds.
    pub indistinct: bool,
    /// Bytes that were read back and are what the last pass wrote.
    pub matched: Bytes,
    /// Bytes that had to be.
    pub wanted: Bytes,
    /// Exact ranges that differ or could not be read.
    pub ledger: Ledger,
    /// Why the reading did not come to its end.
    pub cut: Option<ReadingCut>,
    /// Reads came from the medium, not from the host's cache.
    pub direct: bool,
    /// How much was read.
    pub level: VerificationLevel,
    /// Hex seed of the sample positions.
    pub seed: Option<String>,
    /// When the reading began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// How long reading and comparing took, from the first request to the last answer, by a clock that nobody sets:
    /// without opening the medium, dropping the host's cache of it, and starting the workers.
    pub took: Duration,
    /// Bytes that were read and compared in that time, equal or not.
    pub compared: Bytes,
}

/// Why a reading did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadingCut {
    /// A person stopped it.
    #[error("stopped as asked")]
    Asked,
    /// The medium is not there any more.
    #[error("the medium went away ({why})")]
    Gone {
        /// What the kernel said.
        why: String,
    },
    /// The medium is silent.
    #[error("the medium did not answer for {for_secs} s")]
    Stalled {
        /// Seconds without an answer.
        for_secs: u64,
    },
    /// The program could not go on.
    #[error("{error}")]
    Failed {
        /// Why.
        error: io::Error,
    },
}

/// What a reading says of the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadingOutcome {
    /// Every byte that was to be read is what the certificate says.
    Match,
    /// Something differs, or the reading came to its end and not everything could be read.
    Mismatch,
    /// It did not come to its end, and nothing differs so far: nothing is said, for the medium or against it.
    Incomplete,
}

impl ReadingOutcome {
    /// A difference that was seen stays one, however the reading ended. What could not be read counts only where the
    /// reading came to its end: a medium that is pulled answers with errors.
    fn of(cut: bool, ledger: &Ledger, matched: Bytes, wanted: Bytes) -> ReadingOutcome {
        match (cut, ledger.is_clean() && matched == wanted && wanted.0 > 0) {
            (true, _) if ledger.mismatched.is_empty() => ReadingOutcome::Incomplete,
            (false, true) => ReadingOutcome::Match,
            _ => ReadingOutcome::Mismatch,
        }
    }
}

impl MediaCheck {
    /// What the reading says.
    pub fn outcome(&self) -> ReadingOutcome {
        ReadingOutcome::of(self.cut.is_some(), &self.ledger, self.matched, self.wanted)
    }

    /// Bytes that were read and compared in a second; `None` where no time passed.
    pub fn bytes_per_second(&self) -> Option<u64> {
        let seconds = self.took.as_secs_f64();
        (seconds > 0.0).then(|| (self.compared.0 as f64 / seconds) as u64)
    }
}

/// The medium could not be compared at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyMediaError {
    /// The target is nothing that can be read.
    #[error(transparent)]
    Target(#[from] ResolveError),
    /// It could not be opened.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// It is another medium.
    #[error("{path} is not the medium of the certificate: {what}", path = path.display(), what = words(differences))]
    OtherMedium {
        /// The medium.
        path: PathBuf,
        /// How it differs.
        differences: Vec<Difference>,
    },
    /// The certificate has no last pass to compare with.
    #[error("the certificate names no overwrite pass to compare the medium with")]
    NoPass,
    /// Its block size cannot be addressed.
    #[error("{path} has logical blocks of {bytes} bytes, which cannot be addressed", path = path.display())]
    BlockSize {
        /// Where.
        path: PathBuf,
        /// Bytes.
        bytes: u32,
    },
    /// The host's cache would answer in place of the medium.
    #[error("the host's cache of {path} could not be dropped: {source}; root may do that", path = path.display())]
    Cache {
        /// The medium.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The I/O workers.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The task runtime.
    #[error("the program could not start its tasks: {0}")]
    Runtime(#[from] io::Error),
}

/// Reads `target`, all of it or fresh representative samples, and compares it with what the
/// certificate's last pass wrote.
pub fn verify_media(
    target: &Path,
    rule: TargetRule,
    certificate: &CertificatePayload,
    level: VerificationLevel,
    config: EngineConfig,
    watch: &dyn Fn(&Progress),
) -> Result<MediaCheck, VerifyMediaError> {
    let roots = Roots::live();
    let medium = device::resolve(&roots, target, rule)?;
    let facts = &certificate.facts;
    let differences = facts.medium.identity.differences(&medium.identity);
    let one = may_be_one(&differences, [facts.medium.class, medium.class]);
    if !one || facts.medium.geometry.size != medium.geometry.size {
        return Err(VerifyMediaError::OtherMedium { path: medium.path, differences });
    }
    let bytes = medium.geometry.logical_block;
    let block =
        SectorSize::new(bytes).ok_or_else(|| VerifyMediaError::BlockSize { path: medium.path.clone(), bytes })?;
    let pattern = facts.passes.last().map(|p| p.pattern.clone()).ok_or(VerifyMediaError::NoPass)?;
    let indistinct = pattern.compile().is_constant().is_some()
        && is_indistinct(&roots, &facts.medium.identity, &medium, &differences);
    let claim = Arc::new(device::claim(&roots, &medium, ClaimMode::Read)?);
    claim.drop_caches().map_err(|source| VerifyMediaError::Cache { path: medium.path.clone(), source })?;
    let size = medium.geometry.size;
    let started = now();
    let faults = FaultLimits::default();
    let patience = faults.stall_timeout;
    let (extents, seed, wanted) = match level {
        VerificationLevel::Full => (Extents::All { from: Bytes(0) }, None, size),
        _ => {
            let seed: [u8; 32] = rand::random();
            let ranges = sample_extents(size, block, seed);
            let wanted = ranges.iter().map(|range| range.end - range.start).sum();
            (Extents::Sample(ranges), Some(hex(&seed)), Bytes(wanted))
        }
    };
    let job =
        PassJob { disk: Arc::new(ReadDisk(claim.clone())), size, block, op: PassOp::Verify, pattern, extents, faults };
    let engine = Engine::start(config.made_ready_for(wanted))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (outcome, took) = runtime.block_on(async {
        let began = Instant::now();
        let pass = engine.submit(job);
        let handle = pass.watch();
        let mut ended = std::pin::pin!(pass.wait());
        let mut tick = tokio::time::interval(Duration::from_millis(500));
        let mut interrupt = Box::pin(tokio::signal::ctrl_c());
        let mut asked = false;
        loop {
            tokio::select! {
                outcome = &mut ended => return (outcome, began.elapsed()),
                _ = tick.tick() => watch(&handle.progress()),
                _ = &mut interrupt, if !asked => { asked = true; handle.cancel(); }
            }
        }
    });
    runtime.shutdown_background();
    let compared = compared(&outcome, block, size);
    // A kernel lets requests to a drive that was pulled fail with all sorts of errors, so it is asked.
    let gone = if outcome.ledger.is_clean() { None } else { claim.gone() };
    let cut = cut(outcome.end, gone, patience);
    Ok(MediaCheck {
        compared,
        took,
        identity_notes: differences,
        indistinct,
        matched: outcome.done,
        wanted,
        ledger: outcome.ledger,
        cut,
        direct: claim.direct(),
        level: if seed.is_some() { VerificationLevel::Sample } else { VerificationLevel::Full },
        seed,
        started,
        ended: now(),
        medium,
    })
}

/// Whether another medium of the size may as well be the one of the certificate: neither a name nor a file of its own
/// tells, or others here have the same name.
fn is_indistinct(roots: &Roots, certified: &Identity, medium: &Medium, differences: &[Difference]) -> bool {
    let is_named = |identity: &Identity| Identity { backing: None, ..identity.clone() }.is_distinctive();
    let same_file = differences.is_empty() && medium.identity.backing.is_some();
    let named = is_named(certified) && is_named(&medium.identity);
    let twins = || device::find_by_identity(roots, &medium.identity).is_ok_and(|found| found.len() > 1);
    !same_file && (!named || twins())
}

/// Why a pass that ended so did not come to its end. `gone`: what the kernel says of a medium that is not there any more.
fn cut(end: PassEnd, gone: Option<String>, patience: Duration) -> Option<ReadingCut> {
    match end {
        PassEnd::Cancelled => Some(ReadingCut::Asked),
        // A stop waits some seconds only for the answers that are out.
        PassEnd::Stalled { for_secs } if for_secs < patience.as_secs() => Some(ReadingCut::Asked),
        PassEnd::DeviceGone { error } => Some(ReadingCut::Gone { why: error.to_string() }),
        PassEnd::Complete => gone.map(|why| ReadingCut::Gone { why }),
        PassEnd::Stalled { for_secs } => Some(ReadingCut::Stalled { for_secs }),
        PassEnd::Failed { error } => Some(match gone {
            Some(why) => ReadingCut::Gone { why },
            None => ReadingCut::Failed { error },
        }),
    }
}

/// What was equal, and what was not. The last block of an image may be a short one.
fn compared(outcome: &PassOutcome, block: SectorSize, size: Bytes) -> Bytes {
    let offset = |lba: u64| lba.saturating_mul(block.bytes()).min(size.0);
    let differ = outcome.ledger.mismatched.iter().map(|range| {
        let end = range.first.0.saturating_add(range.count.0);
        offset(end) - offset(range.first.0)
    });
    Bytes(differ.fold(outcome.done.0, u64::saturating_add))
}

fn words(differences: &[Difference]) -> String {
    let one = |d: &Difference| format!("{} is {:?}, the certificate says {:?}", d.field, d.now, d.before);
    differences.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A descriptor that is only read.
struct ReadDisk(Arc<Claim>);

impl Disk for ReadDisk {
    fn raw_fd(&self) -> Option<RawFd> {
        Some(self.0.file().as_raw_fd())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.file().read_at(buf, offset)
    }

    fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::PermissionDenied))
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Lba, LbaRange, Sectors};

    fn ranges(first: u64, count: u64) -> Vec<LbaRange> {
        vec![LbaRange { first: Lba(first), count: Sectors(count) }]
    }

    #[test]
    fn a_cut_says_nothing_but_a_difference_that_was_seen_stays_one() {
        use ReadingOutcome::{Incomplete, Match, Mismatch};
        let clean = Ledger::default();
        let differs = Ledger { mismatched: ranges(7, 1), ..Ledger::default() };
        let unread = Ledger { unread: ranges(7, 1), ..Ledger::default() };
        let unreached = Ledger { unreached: ranges(8, 8), ..Ledger::default() };
        let pulled = Ledger { unread: ranges(7, 1), unreached: ranges(8, 8), ..Ledger::default() };
        let both = Ledger { mismatched: ranges(3, 1), ..pulled.clone() };
        let (part, all) = (Bytes(4096), Bytes(8192));
        for (cut, ledger, matched, outcome) in [
            (false, &clean, all, Match),
            (false, &clean, part, Mismatch),
            (false, &differs, part, Mismatch),
            (false, &unread, part, Mismatch),
            (false, &unreached, part, Mismatch),
            (true, &clean, part, Incomplete),
            (true, &clean, all, Incomplete),
            (true, &unread, part, Incomplete),
            (true, &unreached, part, Incomplete),
            (true, &pulled, part, Incomplete),
            (true, &differs, part, Mismatch),
            (true, &both, part, Mismatch),
        ] {
            assert_eq!(ReadingOutcome::of(cut, ledger, matched, all), outcome, "cut {cut}, {ledger:?}");
        }
        assert_eq!(ReadingOutcome::of(false, &clean, Bytes(0), Bytes(0)), Mismatch, "nothing was compared");
    }

    #[test]
    fn what_cut_a_reading_is_known_by_how_its_pass_ended() {
        let error = || io::Error::other("x");
        let gone = || Some("its size is zero now".to_owned());
        let judged = |end, gone| cut(end, gone, Duration::from_secs(300));
        assert!(judged(PassEnd::Complete, None).is_none());
        for (end, gone) in [
            (PassEnd::Complete, gone()),
            (PassEnd::Failed { error: error() }, gone()),
            (PassEnd::DeviceGone { error: error() }, None),
        ] {
            assert!(matches!(judged(end, gone), Some(ReadingCut::Gone { .. })));
        }
        // A stop that the medium did not answer in time is a stop.
        for end in [PassEnd::Cancelled, PassEnd::Stalled { for_secs: 5 }] {
            assert!(matches!(judged(end, gone()), Some(ReadingCut::Asked)));
        }
        let stalled = judged(PassEnd::Stalled { for_secs: 300 }, None);
        assert_eq!(stalled.map(|cut| cut.to_string()), Some("the medium did not answer for 300 s".to_owned()));
        assert!(matches!(judged(PassEnd::Failed { error: error() }, None), Some(ReadingCut::Failed { .. })));
    }

    #[test]
    fn a_medium_without_a_name_or_a_file_of_its_own_may_be_any_other() {
        let image = tempfile::NamedTempFile::new().unwrap();
        let roots = Roots::live();
        let file = device::resolve(&roots, image.path(), TargetRule::WholeDiskOnly).unwrap();
        let (own, nameless) = (file.identity.clone(), Identity { backing: None, ..file.identity.clone() });
        let named = Identity { serial: Some("S1".to_owned()), ..nameless.clone() };
        for (certified, now, indistinct) in [
            (&own, &own, false),
            // As on another machine: the image lies in another file.
            (&nameless, &own, true),
            (&nameless, &nameless, true),
            (&named, &named, false),
            (&named, &nameless, true),
            (&nameless, &named, true),
        ] {
            let medium = Medium { identity: now.clone(), ..file.clone() };
            let differences = certified.differences(now);
            assert_eq!(is_indistinct(&roots, certified, &medium, &differences), indistinct, "{certified:?} {now:?}");
        }
    }

    #[test]
    fn what_differs_was_compared_as_well() {
        let outcome = |mismatched| PassOutcome {
            end: PassEnd::Complete,
            watermark: Bytes(0),
            done: Bytes(1024),
            ledger: Ledger { mismatched, ..Ledger::default() },
            first_error: None,
        };
        let block = SectorSize::new(512).unwrap();
        assert_eq!(compared(&outcome(ranges(1, 2)), block, Bytes(4096)), Bytes(2048));
        assert_eq!(compared(&outcome(ranges(2, 1)), block, Bytes(1025)), Bytes(1025), "the last block is short");
    }
}
