//! What the helper thread does: it may block as long as the drive likes.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::super::firmware::{
    AreaBlocks, Blocks, Bond, BootPartitions, Canaries, Clock, Diary, DiaryError, End, Note, NvmeNamespaces, Past,
    Psids, Refusal, Session, State, carry_out, check_alone, procedure_for,
};
use super::super::journal::JournalError;
use super::super::record::Failure;
use super::super::run::SharedJournal;
use super::super::rung::RungEnd;
use super::super::state::{JournalEntry, RunPlan};
use super::Pulse;
use crate::device::command::{Data, ata, block, mmc, nvme, opal, scsi};
use crate::device::transport::{ExchangeLog, Linux, Recorder, Transport, TransportError};
use crate::device::{self, Claim, Roots};
use crate::media::{CommandSet, Exchange, Medium, Reach, namespace_words};
use crate::overwrite::read_marked;
use crate::scheme::StreamKey;
use crate::sys::{Arena, Run as Memory};
use crate::units::{Bytes, SectorSize, now};

/// Bytes moved at once.
const PIECE: usize = 1 << 20;
/// Between two looks at the flag that asks to stop.
const NAP: Duration = Duration::from_millis(100);

/// Everything the thread needs of its own.
pub(super) struct Work {
    pub plan: RunPlan,
    pub at: usize,
    pub past: Past,
    pub claim: Arc<Claim>,
    /// What the command erases along.
    pub also: Vec<Arc<Claim>>,
    pub journal: SharedJournal,
    pub roots: Arc<Roots>,
    pub pulse: Arc<Pulse>,
    pub patience: Duration,
    pub stall: Duration,
    pub psids: Arc<Psids>,
    /// What was done to the machine before, to unfreeze the drive.
    pub tried: Vec<String>,
    /// An erasing command of an earlier rung was about to be sent.
    pub sent_before: bool,
}

/// How the thread left.
pub(super) enum Left {
    Erased,
    Failed(Failure),
    Interrupted,
    /// What the drive does is not known, or something of ours is still on it: the run stays open.
    Unclear(String),
    Journal(JournalError),
}

impl Work {
    pub(super) fn carry_out(self) -> Left {
        let rung = &self.plan.ladder[self.at];
        let (technique, boot) = (rung.technique, BootPartitions::of(rung.reach));
        let (Some(procedure), Some(seed)) =
            (procedure_for(technique, &self.plan.medium, &self.psids, boot), self.plan.seed())
        else {
            return self.close(Vec::new(), Err(failed("unsupported", format!("{technique} cannot be sent to it"))));
        };
        let areas = self.areas(rung.reach);
        let over = Linux::over(&self.roots, self.claim.file(), &self.plan.medium);
        let linux = areas.iter().fold(over, |path, (area, claim)| path?.with_area(*area, claim.file()));
        let linux = match linux {
            Ok(linux) => linux,
            Err(error) => return self.close(Vec::new(), Err(failed("no_path", error.to_string()))),
        };
        let mut recorder = Recorder::new(Watched { path: linux, pulse: self.pulse.clone(), patience: self.patience });
        let log = recorder.log();
        let main = ClaimBlocks::new(&self, &self.claim, self.plan.block);
        let others = areas.iter().map(|(_, claim)| ClaimBlocks::new(&self, claim, block_of(claim)));
        let (mut blocks, mut others) = match main.and_then(|main| Ok((main, others.collect::<io::Result<Vec<_>>>()?))) {
            Ok(all) => all,
            Err(error) => return self.close(Vec::new(), Err(failed("memory", error.to_string()))),
        };
        let bond = Bond::of(technique, self.claim.medium(), || device::own_serial(&self.roots, self.claim.medium()));
        let broken = Arc::new(Mutex::new(None));
        let mut diary = JournalDiary { work: &self, log: log.clone(), broken: broken.clone() };
        let mut clock = PulseClock(self.pulse.clone());
        let mut identity = || {
            let mut claims = std::iter::once(&self.claim).chain(areas.iter().map(|(_, claim)| claim));
            claims.try_for_each(|claim| claim.check_identity().map_err(|changed| changed.to_string()))
        };
        let along: Vec<Medium> = self.also.iter().map(|claim| claim.medium().clone()).collect();
        let mut reached = |path: &mut dyn Transport| {
            if rung.reach != Reach::Unit {
                self.also.iter().try_for_each(|claim| claim.check_identity().map_err(|changed| changed.to_string()))?;
            }
            check_alone(technique, &self.roots, self.claim.medium())?;
            device::check_reached(&self.roots, self.claim.medium(), rung.reach, &along)
                .map_err(|changed| changed.to_string())?;
            if rung.reach != Reach::Subsystem {
                return Ok(());
            }
            let there = NvmeNamespaces::ask(path)?.beside(along.iter().chain([self.claim.medium()]));
            unseen_is(&there, &self.plan.unattached)
        };
        let areas_with_blocks =
            areas.iter().zip(&mut others).map(|((area, _), blocks)| AreaBlocks { area: *area, blocks });
        let mut session = Session {
            procedure: &*procedure,
            path: &mut recorder,
            blocks: &mut blocks,
            areas: areas_with_blocks.collect(),
            diary: &mut diary,
            clock: &mut clock,
            identity: &mut identity,
            reached: &mut reached,
            bond: &bond,
            verification: self.plan.verification,
            seed,
            stall: self.stall,
        };
        let (size, block) = (self.plan.medium.geometry.size, self.plan.block);
        let fresh = Canaries::draw(size, block, seed, self.canary_key(&seed));
        let end = carry_out(&mut session, &self.past, fresh);
        // The kernel may still hold what was there before.
        let _ = self.claim.drop_caches();
        areas.iter().for_each(|(_, claim)| drop(claim.drop_caches()));
        if let Some(error) = broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Left::Journal(error);
        }
        let exchanges = log.take();
        match end {
            Ok(End::Erased(erasure)) => self.close(exchanges, Ok(RungEnd::Erased { erasure })),
            Ok(End::Interrupted) => Left::Interrupted,
            Ok(End::Unclear(why)) => Left::Unclear(why),
            // The next start knows whose it is, and takes it off.
            Err(Refusal::CleanUp(why)) => Left::Unclear(why),
            Ok(End::Failed(failure)) => {
                let failure = Failure {
                    code: failure.code.to_owned(),
                    message: failure.message,
                    advice: failure.advice.to_owned(),
                };
                self.close(exchanges, Err(failure))
            }
            Err(refusal) => self.close(exchanges, Err(self.refused(&refusal))),
        }
    }

    /// The boot partitions of a card that the command reaches, by their held nodes.
    fn areas(&self, reach: Reach) -> Vec<(mmc::Area, Arc<Claim>)> {
        let of = |area: mmc::Area| {
            let unit = |claim: &&Arc<Claim>| claim.medium().identity.unit.as_deref() == Some(area.name());
            Some((area, self.also.iter().find(unit)?.clone()))
        };
        if reach == Reach::Card { mmc::Area::BOOT.into_iter().filter_map(of).collect() } else { Vec::new() }
    }

    /// Each start has canaries of its own: those of an earlier one may be gone for other reasons.
    fn canary_key(&self, seed: &[u8; 32]) -> StreamKey {
        let mut hash = Sha256::new();
        hash.update(seed);
        hash.update(b"lastwrite canaries");
        hash.update(self.plan.run_id.as_bytes());
        hash.update(self.at.to_be_bytes());
        hash.update(now().timestamp_millis().to_be_bytes());
        let digest = hash.finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        StreamKey(key)
    }

    fn refused(&self, refusal: &Refusal) -> Failure {
        let message = match refusal {
            Refusal::Obstacle(_) if !self.tried.is_empty() => {
                format!("{refusal}. Tried: {}", self.tried.join("; "))
            }
            _ => refusal.to_string(),
        };
        let mut failure = failed(code(refusal), message);
        if self.sent_before {
            let advice = "an earlier technique of the run was sent and failed; a drive may take nothing but a sanitize \
                          after one that failed: wipe it again with one, or destroy it";
            advice.clone_into(&mut failure.advice);
        }
        failure
    }

    /// Journals the end. A drive that is gone has not ended: the run can go on when it is back.
    fn close(&self, exchanges: Vec<Exchange>, end: Result<RungEnd, Failure>) -> Left {
        if let Err(failure) = &end
            && self.claim.gone().is_some()
        {
            return Left::Failed(failure.clone());
        }
        let failure = end.as_ref().err().cloned();
        let end = end.unwrap_or_else(|failure| RungEnd::Failed { failure });
        let rung = u32::try_from(self.at).unwrap_or(u32::MAX);
        let entry = JournalEntry::DriveEnded { rung, end, exchanges, at: now() };
        if let Err(error) = self.journal.append(&entry) {
            return Left::Journal(error);
        }
        self.pulse.journalled(entry);
        failure.map_or(Left::Erased, Left::Failed)
    }
}

/// What no device here shows is still what a person named.
fn unseen_is(there: &[u32], named: &[u32]) -> Result<(), String> {
    if there == named {
        return Ok(());
    }
    let (there, named) = (namespace_words(there), namespace_words(named));
    Err(format!("of what no device here shows it would erase {there}, and {named} was confirmed"))
}

fn failed(code: &str, message: String) -> Failure {
    let advice = "nothing was sent that erases; use another technique, or destroy the medium".to_owned();
    Failure { code: code.to_owned(), message, advice }
}

fn code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Identity(_) => "identity_changed",
        Refusal::Reached(_) => "reach_changed",
        Refusal::Busy => "busy",
        Refusal::Unsupported(_) => "unsupported",
        Refusal::Obstacle(_) => "obstacle",
        Refusal::NoStatus(_) => "no_status",
        Refusal::Canaries(_) => "canaries",
        Refusal::CleanUp(_) => "clean_up",
        Refusal::Diary(_) => "journal",
    }
}

/// Notes go to the run's journal, each with the commands sent since the last one.
struct JournalDiary<'a> {
    work: &'a Work,
    log: ExchangeLog,
    broken: Arc<Mutex<Option<JournalError>>>,
}

impl Diary for JournalDiary<'_> {
    fn note(&mut self, note: Note) -> Result<(), DiaryError> {
        let rung = u32::try_from(self.work.at).unwrap_or(u32::MAX);
        let entry = JournalEntry::DriveNoted { rung, note, exchanges: self.log.take(), at: now() };
        match self.work.journal.append(&entry) {
            Ok(()) => {
                self.work.pulse.journalled(entry);
                Ok(())
            }
            Err(error) => {
                let words = error.to_string();
                *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(DiaryError(words))
            }
        }
    }
}

struct PulseClock(Arc<Pulse>);

impl Clock for PulseClock {
    fn wait(&mut self, time: Duration) -> bool {
        let until = std::time::Instant::now() + time;
        while !self.0.stops() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return true;
            }
            self.0.expect(NAP * 10);
            std::thread::sleep(left.min(NAP));
        }
        false
    }

    fn saw(&mut self, state: &State) {
        match state {
            State::Running(progress) => self.0.show("erase", progress.map(|p| f64::from(p) / 65_536.0)),
            _ => self.0.show("erase", None),
        }
    }

    fn go_on(&mut self, read: u64, of: u64) -> bool {
        self.0.show("check", Some(read as f64 / of.max(1) as f64));
        !self.0.stops()
    }
}

fn block_of(claim: &Claim) -> SectorSize {
    SectorSize::new(claim.medium().geometry.logical_block).unwrap_or(SectorSize::B512)
}

/// The held medium's blocks, through memory that direct I/O can use.
struct ClaimBlocks {
    claim: Arc<Claim>,
    size: Bytes,
    block: SectorSize,
    memory: Memory,
    pulse: Arc<Pulse>,
    patience: Duration,
}

impl ClaimBlocks {
    fn new(work: &Work, claim: &Arc<Claim>, block: SectorSize) -> io::Result<ClaimBlocks> {
        let arena = Arena::new(PIECE)?;
        let memory = arena.take(PIECE).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(ClaimBlocks {
            claim: claim.clone(),
            size: claim.medium().geometry.size,
            block,
            memory,
            pulse: work.pulse.clone(),
            patience: work.patience,
        })
    }
}

impl Blocks for ClaimBlocks {
    fn geometry(&self) -> (Bytes, SectorSize) {
        (self.size, self.block)
    }

    fn read(&mut self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        let ClaimBlocks { claim, block, memory, pulse, patience, .. } = self;
        read_pieces(*block, offset.0, buf, memory.bytes_mut(), |memory, at| {
            pulse.expect(*patience);
            claim.file().read_exact_at(memory, at)
        })
    }

    fn write(&mut self, offset: Bytes, buf: &[u8]) -> io::Result<()> {
        let mut at = offset.0;
        for piece in buf.chunks(PIECE) {
            self.pulse.expect(self.patience);
            let memory = &mut self.memory.bytes_mut()[..piece.len()];
            memory.copy_from_slice(piece);
            self.claim.file().write_all_at(memory, at)?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pulse.expect(self.patience);
        self.claim.file().sync_data()
    }
}

/// Reads through `memory`, a piece at a time. It still holds what an earlier read returned, perhaps from before the
/// erase or after it: a drive that reports a read it did not do must not be judged by that.
fn read_pieces(
    block: SectorSize,
    offset: u64,
    buf: &mut [u8],
    memory: &mut [u8],
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut at = offset;
    for piece in buf.chunks_mut(PIECE) {
        let memory = &mut memory[..piece.len()];
        read_marked(block, at, memory, |memory| read(memory, at))?;
        piece.copy_from_slice(memory);
        at += piece.len() as u64;
    }
    Ok(())
}

/// Tells the watching task how long each command may take.
struct Watched<T> {
    path: T,
    pulse: Arc<Pulse>,
    patience: Duration,
}

impl<T> Watched<T> {
    fn expect(&self, timeout: Duration) {
        // The kernel's own error handling comes after the timeout.
        self.pulse.expect(timeout + self.patience);
    }
}

impl<T: Transport> Transport for Watched<T> {
    fn offers(&self) -> Vec<CommandSet> {
        self.path.offers()
    }

    fn ata(
        &mut self,
        command: &ata::Command,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<ata::Outcome, TransportError> {
        self.expect(timeout);
        self.path.ata(command, data, timeout)
    }

    fn scsi(
        &mut self,
        command: &scsi::Command,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<scsi::Outcome, TransportError> {
        self.expect(timeout);
        self.path.scsi(command, data, timeout)
    }

    fn nvme_admin(
        &mut self,
        command: &nvme::AdminCommand,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<nvme::Completion, TransportError> {
        self.expect(timeout);
        self.path.nvme_admin(command, data, timeout)
    }

    fn mmc(
        &mut self,
        commands: &[mmc::Command],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<mmc::Outcome, TransportError> {
        self.expect(timeout);
        self.path.mmc(commands, data, timeout)
    }

    fn mmc_in(
        &mut self,
        area: mmc::Area,
        commands: &[mmc::Command],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<mmc::Outcome, TransportError> {
        self.expect(timeout);
        self.path.mmc_in(area, commands, data, timeout)
    }

    fn opal(&mut self, request: &opal::Request<'_>, timeout: Duration) -> Result<opal::Outcome, TransportError> {
        self.expect(timeout);
        self.path.opal(request, timeout)
    }

    fn block(&mut self, request: &block::Request, timeout: Duration) -> Result<block::Outcome, TransportError> {
        self.expect(timeout);
        self.path.block(request, timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_device_shows_is_what_was_named_when_the_command_is_about_to_be_sent() {
        assert_eq!((unseen_is(&[], &[]), unseen_is(&[2], &[2])), (Ok(()), Ok(())));
        // Made, taken away, another one.
        for (there, named) in [(&[2][..], &[][..]), (&[2, 3], &[2]), (&[], &[2]), (&[3], &[2])] {
            let why = unseen_is(there, named).unwrap_err();
            assert!(why.contains(&namespace_words(there)) && why.contains(&namespace_words(named)), "{why}");
        }
    }

    /// Before its erase the drive gave these very bytes, or zeros: what is not read now is none of either.
    #[test]
    fn a_read_that_the_drive_only_reports_is_an_error_and_not_what_the_memory_held() {
        let (block, mut memory) = (SectorSize::B512, vec![0; PIECE]);
        let mut buf = vec![0; PIECE + 1024];
        let mut places = Vec::new();
        let fill = |memory: &mut [u8], at: u64| {
            memory.fill(0x5A);
            places.push((at, memory.len()));
            Ok(())
        };
        read_pieces(block, 4096, &mut buf, &mut memory, fill).unwrap();
        assert_eq!(places, [(4096, PIECE), (4096 + PIECE as u64, 1024)]);
        assert!(buf.iter().all(|byte| *byte == 0x5A));
        let reports_only = read_pieces(block, 4096, &mut buf, &mut memory, |_, _| Ok(())).unwrap_err();
        assert_eq!(reports_only.kind(), io::ErrorKind::UnexpectedEof);
        // The last block of all is left out.
        let but_one = read_pieces(block, 4096, &mut buf, &mut memory, |memory, _| {
            let end = if memory.len() == PIECE { PIECE } else { memory.len() - 512 };
            memory[..end].fill(0);
            Ok(())
        });
        assert!(but_one.unwrap_err().to_string().contains(&format!("byte {} ", 4096 + PIECE + 512)));
        assert_eq!(buf[PIECE], 0x5A, "nothing of a piece that failed");
    }
}
