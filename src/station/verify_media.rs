//! Reading a medium back from a certificate alone: on any machine, by anybody.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::certificate::CertificatePayload;
use crate::device::{self, Claim, ClaimError, ClaimMode, ResolveError, Roots, TargetRule};
use crate::media::{Difference, Medium, may_be_one};
use crate::overwrite::{
    Disk, Engine, EngineConfig, EngineError, Extents, FaultLimits, Ledger, PassEnd, PassJob, PassOp, Progress,
    sample_extents,
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
    /// Bytes that were read back and are what the last pass wrote.
    pub matched: Bytes,
    /// Bytes that had to be.
    pub wanted: Bytes,
    /// Exact ranges that differ or could not be read.
    pub ledger: Ledger,
    /// Why the reading did not come to its end.
    pub cut: Option<String>,
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
}

impl MediaCheck {
    /// Every byte that was to be read is what the certificate says.
    pub fn matches(&self) -> bool {
        self.cut.is_none() && self.ledger.is_clean() && self.matched == self.wanted
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
    let claim = Arc::new(device::claim(&roots, &medium, ClaimMode::Read)?);
    claim.drop_caches().map_err(|source| VerifyMediaError::Cache { path: medium.path.clone(), source })?;
    let size = medium.geometry.size;
    let started = now();
    let (extents, seed, wanted) = match level {
        VerificationLevel::Full => (Extents::All { from: Bytes(0) }, None, size),
        _ => {
            let seed: [u8; 32] = rand::random();
            let ranges = sample_extents(size, block, seed);
            let wanted = ranges.iter().map(|range| range.end - range.start).sum();
            (Extents::Sample(ranges), Some(hex(&seed)), Bytes(wanted))
        }
    };
    let job = PassJob {
        disk: Arc::new(ReadDisk(claim.clone())),
        size,
        block,
        op: PassOp::Verify,
        pattern,
        extents,
        faults: FaultLimits::default(),
    };
    let engine = Engine::start(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let pass = engine.submit(job);
        let handle = pass.watch();
        let mut ended = std::pin::pin!(pass.wait());
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(500));
        let mut interrupt = Box::pin(tokio::signal::ctrl_c());
        let mut asked = false;
        loop {
            tokio::select! {
                outcome = &mut ended => return outcome,
                _ = tick.tick() => watch(&handle.progress()),
                _ = &mut interrupt, if !asked => { asked = true; handle.cancel(); }
            }
        }
    });
    runtime.shutdown_background();
    let cut = match outcome.end {
        PassEnd::Complete => None,
        PassEnd::Cancelled => Some("stopped as asked".to_owned()),
        PassEnd::DeviceGone { error } => Some(format!("the medium went away ({error})")),
        PassEnd::Stalled { for_secs } => Some(format!("the medium did not answer for {for_secs} s")),
        PassEnd::Failed { error } => Some(error.to_string()),
    };
    Ok(MediaCheck {
        identity_notes: differences,
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
