//! Hidden areas given back, between the intent and the first write: the drive's commands, the kernel that
//! has to look again, and the larger medium bound to the run.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::erase::{Stopped, apply};
use super::firmware::{
    self, DiaryError, HiddenError, Hides, Power, RestoreEnd, RestoreNote, RestorePlan, SHORT_CAPACITY,
};
use super::journal::JournalError;
use super::record::{Failure, HiddenAreas, Otherwise};
use super::restoration::outcomes;
use super::run::{Claimed, Erased, Intended, Run, Unclaimed};
use super::state::{JournalEntry, RunState};
use crate::device::transport::{Linux, Recorder};
use crate::device::{self, Claim, ClaimMode, Roots};
use crate::media::{AreaOutcome, Exchange, HiddenArea, Identity, Medium};
use crate::policy::HiddenAreaRule;
use crate::units::{Bytes, now};

/// How a run goes on after its drive was made whole, or was not.
#[derive(Debug)]
pub enum AfterRestore {
    /// To be erased, what was given back with the rest.
    Ready(Run<Intended>),
    /// It ends: something stays hidden that must not. Nothing was erased.
    Ended(Run<Erased>),
}

/// So long the kernel may take to show the drive at its new size.
const LOOK: Duration = Duration::from_secs(20);
/// And so long a drive that was forgotten may take to come back.
const COME_BACK: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);

impl Run<Intended> {
    /// Where there is something to be given back: on which node, and what an earlier start did to the drive.
    pub fn restores(&self) -> Option<(PathBuf, Vec<String>)> {
        let claimed = self.claimed();
        claimed.progress.restores()?;
        let path = claimed.claim.medium().path.clone();
        Some((path, claimed.progress.restoration.restoring.words()))
    }

    /// Gives hidden areas back where the plan says so, from wherever an earlier start of the run came.
    /// Blocks for as long as drive and kernel take: seconds, at most some minutes.
    pub fn restore(self, roots: &Roots) -> Result<AfterRestore, Stopped> {
        let (_, mut claimed) = self.into_parts();
        if let Some(plan) = claimed.progress.restores().cloned() {
            claimed = give_back(roots, claimed, &plan)?;
        }
        // Also of a run that was cut after it: it is judged by what the journal says.
        match judge(&claimed.progress) {
            None => Ok(AfterRestore::Ready(Run::of_parts(claimed))),
            Some(failure) => {
                let plan = claimed.plan_now();
                Ok(AfterRestore::Ended(Run::new_erased(plan, claimed, Some(failure))))
            }
        }
    }
}

fn give_back(roots: &Roots, mut claimed: Claimed, plan: &RestorePlan) -> Result<Claimed, Stopped> {
    let (said, kept, exchanges) = command(roots, &mut claimed, plan)?;
    let size = said.size().ok_or_else(|| unclear("the drive says an impossible size"))?;
    let mut claimed = seen_by_kernel(roots, claimed, size)?;
    let mut drive = look_again(roots, &claimed.claim, size)?;
    drive.settle(&claimed.progress.restoration.restoring.done);
    let areas = account(&claimed, &drive, size, kept.as_deref());
    let medium = Box::new(claimed.claim.medium().clone());
    let entry = JournalEntry::Rebound { medium, areas, exchanges, at: now() };
    claimed.journal.append(&entry)?;
    apply(&mut claimed, &entry)?;
    Ok(claimed)
}

type Commanded = (Hides, Option<String>, Vec<Exchange>);

/// The commands. Gives what the drive says afterwards, and why it keeps something back.
fn command(roots: &Roots, claimed: &mut Claimed, plan: &RestorePlan) -> Result<Commanded, Stopped> {
    let claim = claimed.claim.clone();
    let linux = Linux::over(roots, claim.file(), claim.medium()).map_err(unclear)?;
    let mut recorder = Recorder::new(linux);
    let log = recorder.log();
    let power = power(roots, claim.medium());
    let past = claimed.progress.restoration.restoring.clone();
    let serial = claim.medium().identity.serial.clone();
    let (mut broken, mut changed): (Option<JournalError>, Option<String>) = (None, None);
    let mut entries = Vec::new();
    let journal = claimed.journal.clone();
    let mut note = |note: RestoreNote| {
        // Before every command that changes the drive it is looked at once more.
        if matches!(note, RestoreNote::Sending { .. })
            && let Err(difference) = claim.check_identity()
        {
            changed = Some(difference.to_string());
            return Err(DiaryError("the drive is not the one that was meant".to_owned()));
        }
        let entry = JournalEntry::RestoreNoted { note, exchanges: log.take(), at: now() };
        if let Err(error) = journal.append(&entry) {
            let words = error.to_string();
            broken = Some(error);
            return Err(DiaryError(words));
        }
        entries.push(entry);
        Ok(())
    };
    let end =
        firmware::restore(&mut recorder, claim.medium().transport, serial.as_deref(), plan, &past, &power, &mut note);
    for entry in &entries {
        apply(claimed, entry)?;
    }
    if let Some(error) = broken {
        return Err(Stopped::Journal(error));
    }
    if let Some(error) = changed.or_else(|| end.as_ref().err().and_then(|_| claim.gone())) {
        return Err(Stopped::MediumGone { error });
    }
    match end {
        Ok(RestoreEnd::Whole(drive)) => Ok((drive, None, log.take())),
        Ok(RestoreEnd::Keeps { drive, why }) => Ok((drive, Some(why), log.take())),
        Ok(RestoreEnd::PowerNeeded { why }) => Err(Stopped::PowerNeeded { why }),
        Err(error @ (HiddenError::NotSaid(_) | HiddenError::Refused(_) | HiddenError::NotGrown { .. })) => {
            Err(unclear(error))
        }
        Err(HiddenError::Diary(error)) => Err(unclear(error)),
    }
}

/// Makes the kernel show the drive with the capacity that the drive itself says, and holds it again. It is
/// found by serial number, WWN and model, under whatever name it has by then.
fn seen_by_kernel(roots: &Roots, claimed: Claimed, size: Bytes) -> Result<Claimed, Stopped> {
    if claimed.claim.medium().geometry.size == size {
        return Ok(claimed);
    }
    let (claim, run) = claimed.let_go();
    let medium = claim.medium().clone();
    // Held exclusively until it is done: nobody uses the drive that the kernel may drop here.
    let told = Linux::over(roots, claim.file(), &medium).and_then(|linux| linux.scan_again());
    drop(claim);
    let wanted = Identity { size, ..medium.identity.clone() };
    if let Some(claim) = found(roots, &run, &wanted, LOOK)? {
        return Ok(run.hold(Arc::new(claim)));
    }
    if let Some(claim) = found(roots, &run, &medium.identity, Duration::ZERO)? {
        let forgotten = Linux::over(roots, claim.file(), claim.medium()).and_then(|linux| linux.forget_and_scan());
        drop(claim);
        forgotten.or(told).map_err(|error| {
            unclear(format!(
                "the kernel cannot be made to read the capacity of {} again: {error}",
                medium.path.display()
            ))
        })?;
        if let Some(claim) = found(roots, &run, &wanted, COME_BACK)? {
            return Ok(run.hold(Arc::new(claim)));
        }
    }
    Err(unclear(format!("the drive says that it has {size} bytes now, and the kernel shows no such drive")))
}

/// The drive of this identity, as soon as it is here, alone, and can be held.
fn found(roots: &Roots, run: &Unclaimed, wanted: &Identity, patience: Duration) -> Result<Option<Claim>, Stopped> {
    let until = Instant::now() + patience;
    loop {
        let mut media = device::find_by_identity(roots, wanted).map_err(unclear)?;
        media.retain(|medium| medium.kind == run.progress.plan.medium.kind && medium.partition.is_none());
        let over = Instant::now() >= until;
        match media.as_slice() {
            [medium] => match device::claim(roots, medium, ClaimMode::Write) {
                Ok(claim) => return Ok(Some(claim)),
                // udev looks at every drive that appears.
                Err(error) if over => return Err(unclear(error)),
                Err(_) => {}
            },
            [] if over => return Ok(None),
            [] => {}
            several => return Err(unclear(format!("{} attached drives have its identity", several.len()))),
        }
        thread::sleep(PAUSE);
    }
}

/// The drive that is held now, by its own word: the same, and as large as the kernel says.
fn look_again(roots: &Roots, claim: &Claim, size: Bytes) -> Result<Hides, Stopped> {
    let medium = claim.medium();
    let mut path = Linux::over(roots, claim.file(), medium).map_err(unclear)?;
    let drive = Hides::examine(&mut path, medium.transport).map_err(unclear)?;
    if drive.serial() != medium.identity.serial.as_deref().map(str::trim) {
        return Err(unclear(format!("{} names another serial number than the kernel", medium.path.display())));
    }
    let says = drive.size();
    if says != Some(size) || medium.geometry.size != size {
        let says = says.map_or("more".to_owned(), |says| says.to_string());
        return Err(unclear(format!(
            "the drive says that it has {says} bytes, and the kernel {}",
            medium.geometry.size
        )));
    }
    Ok(drive)
}

/// What became of each area. Where what was given back is not what the medium grew by, nothing is known.
fn account(claimed: &Claimed, drive: &Hides, size: Bytes, kept: Option<&str>) -> Vec<HiddenArea> {
    let plan = &claimed.progress.plan;
    let before = plan.hidden.as_ref().map_or(&[][..], HiddenAreas::areas);
    let note = kept.map_or("it is still hidden".to_owned(), |why| format!("could not be given back: {why}"));
    let grown = size.0.checked_sub(plan.medium.geometry.size.0).map(Bytes);
    let left = drive.report(&note);
    let before = &match grown {
        Some(grown) => told_by_growth(before, &left, grown),
        None => before.to_vec(),
    };
    // What a SCSI disk cannot speak of stays as unknown as it was.
    let open = |area: &&HiddenArea| {
        matches!(drive, Hides::Scsi(_)) && area.kind != SHORT_CAPACITY && area.outcome == Some(AreaOutcome::Unknown)
    };
    let of_others = before.iter().filter(open).cloned();
    let with_others = |areas: Vec<HiddenArea>| areas.into_iter().chain(of_others).collect();
    grown.and_then(|grown| outcomes(before, &left, grown)).map(with_others).unwrap_or_else(|| {
        let note = "what the drive gave back does not add up to what it grew by".to_owned();
        let unknown =
            |area: &HiddenArea| HiddenArea { note: note.clone(), outcome: Some(AreaOutcome::Unknown), ..area.clone() };
        before.iter().map(unknown).collect()
    })
}

/// A SCSI disk that hides nothing any more hid what it grew by, whatever it had told before.
fn told_by_growth(before: &[HiddenArea], left: &[HiddenArea], grown: Bytes) -> Vec<HiddenArea> {
    let is_whole = left.iter().all(|area| area.kind != SHORT_CAPACITY);
    let told = |area: &HiddenArea| match area.kind == SHORT_CAPACITY && is_whole && grown.0 > 0 {
        true => HiddenArea { size: Some(grown), outcome: None, ..area.clone() },
        false => area.clone(),
    };
    before.iter().map(told).collect()
}

/// Why the run must not go on: something stays hidden, and may not be excluded.
fn judge(progress: &RunState) -> Option<Failure> {
    let plan = &progress.plan;
    let otherwise = plan.restore.as_ref()?.otherwise;
    let areas = plan.hidden.as_ref().map_or(&[][..], HiddenAreas::areas);
    let left = areas.iter().find(|area| area.outcome != Some(AreaOutcome::GivenBack))?;
    let refused = plan.policy.as_ref().is_some_and(|policy| policy.hidden_areas == HiddenAreaRule::Refused);
    (refused || otherwise == Otherwise::Refuse).then(|| Failure {
        code: "hidden_area".to_owned(),
        message: format!("a part of the drive stays hidden ({}): {}", left.label(), left.note),
        advice: "nothing was erased. Cut the drive's power and wipe it with --restore-hidden again; or have the area \
                 recorded as excluded, with --restore-hidden=or-exclude; or destroy the drive"
            .to_owned(),
    })
}

fn power(roots: &Roots, medium: &Medium) -> Power {
    Power { boot: roots.boot(), diskseq: medium.diskseq }
}

fn unclear(why: impl ToString) -> Stopped {
    Stopped::Unclear { why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::firmware::{PlannedStep, Step};
    use super::super::samples;
    use super::super::state::RunPlan;
    use super::*;
    use crate::policy::{Applied, OperatorRule, StepDown, VerificationLevel};
    use crate::units::Lba;

    fn refusing() -> Applied {
        Applied {
            id: "p".to_owned(),
            version: "1".to_owned(),
            digest: String::new(),
            signed_by: None,
            category: None,
            route: None,
            assumed: Vec::new(),
            minimum: None,
            least_verification: VerificationLevel::None,
            validation: false,
            second_person_percent: 0,
            bad_blocks_allowed: 0,
            hidden_areas: HiddenAreaRule::Refused,
            operator: OperatorRule::Anybody,
            step_down: StepDown::Never,
            ladder: Vec::new(),
            before_destruction: false,
            retention_years: 1,
        }
    }

    /// A run that was bound to its medium again, with an area of which this became.
    fn state(otherwise: Otherwise, outcome: Option<AreaOutcome>) -> RunState {
        let plan = samples::plan(&[0], VerificationLevel::Full);
        let area = |outcome| HiddenArea {
            kind: "host_protected_area".to_owned(),
            size: Some(Bytes(512)),
            note: "n".to_owned(),
            outcome,
        };
        let (by, exchanges) = ("b".to_owned(), Vec::new());
        let hidden = Some(HiddenAreas::Examined { by, areas: vec![area(None)], exchanges, restored: None });
        let size = Bytes(plan.medium.geometry.size.0 + 512);
        let steps = vec![PlannedStep { step: Step::SetMax(Lba(size.0 / 512 - 1)), size, commands: Vec::new() }];
        let plan = RunPlan { hidden, restore: Some(RestorePlan { otherwise, steps }), ..plan };
        let mut medium = plan.medium.clone();
        if outcome == Some(AreaOutcome::GivenBack) {
            (medium.identity.size, medium.geometry.size) = (size, size);
        }
        let mut entries = samples::journal(&plan, |_| Default::default());
        entries.truncate(2);
        let (medium, areas) = (Box::new(medium), vec![area(outcome)]);
        entries.push(JournalEntry::Rebound { medium, areas, exchanges: Vec::new(), at: samples::at(3) });
        RunState::fold(&entries).unwrap().unwrap()
    }

    #[test]
    fn a_whole_scsi_disk_hid_what_it_grew_by() {
        let short = |size: Option<u64>, outcome| HiddenArea {
            kind: SHORT_CAPACITY.to_owned(),
            size: size.map(Bytes),
            note: "n".to_owned(),
            outcome,
        };
        let unknown = Some(AreaOutcome::Unknown);
        let told = |before: &[HiddenArea], left: &[HiddenArea], grown| {
            let areas = outcomes(&told_by_growth(before, left, Bytes(grown)), left, Bytes(grown)).unwrap();
            areas.into_iter().map(|area| (area.size, area.outcome)).collect::<Vec<_>>()
        };
        let back = |size| vec![(Some(Bytes(size)), Some(AreaOutcome::GivenBack))];
        // What it had told before, more than that, and nothing at all.
        assert_eq!(told(&[short(Some(512), None)], &[], 512), back(512));
        assert_eq!(told(&[short(Some(512), None)], &[], 1024), back(1024));
        assert_eq!(told(&[short(None, unknown)], &[], 1024), back(1024));
        assert_eq!(told(&[short(None, unknown)], &[], 0), []);
        // What it still hides, or does not speak of.
        assert_eq!(told(&[short(Some(512), None)], &[short(Some(512), None)], 0), [(Some(Bytes(512)), None)]);
        assert_eq!(told(&[short(None, unknown)], &[short(None, unknown)], 0), [(None, unknown)]);
    }

    #[test]
    fn what_stays_hidden_ends_the_run_unless_it_may_be_excluded_also_after_a_cut() {
        let (refuse, exclude) = (Otherwise::Refuse, Otherwise::Exclude);
        for (otherwise, outcome, ends) in [
            (refuse, Some(AreaOutcome::GivenBack), false),
            (refuse, None, true),
            (refuse, Some(AreaOutcome::Unknown), true),
            (exclude, None, false),
            (exclude, Some(AreaOutcome::Unknown), false),
        ] {
            let failure = judge(&state(otherwise, outcome));
            assert_eq!(failure.is_some(), ends, "{otherwise:?} {outcome:?}");
            assert!(failure.is_none_or(|failure| failure.code == "hidden_area"));
        }
        let mut governed = state(exclude, None);
        governed.plan.policy = Some(refusing());
        assert!(judge(&governed).is_some(), "the policy takes no medium that hides something");
        assert!(judge(&RunState::new(samples::plan(&[0], VerificationLevel::Full))).is_none());
    }
}
