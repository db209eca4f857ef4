//! What stands against a target besides the medium itself: another target of the same call, a run that is
//! open, that it is the station's own.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use chrono::{DateTime, Utc};

use super::earlier::identity_in;
use super::evidence::{FAILED, INTENDED, PASSED};
use super::folder::Station;
use super::prepare::{Preparation, Refused};
use crate::custody::{Log, Logged};
use crate::device::{self, ResolveError, Roots};
use crate::media::{Identity, Medium};
use crate::sanitize::journal::{self, Journal, JournalError};
use crate::sanitize::state::{Incoherent, RunState};

/// Unfinished runs with their media, also those whose journals are damaged: what is begun on a medium before they are
/// given up would end before they do, and be told as undone by them.
#[derive(Default)]
pub(super) struct OpenRuns(Vec<OpenRun>);

struct OpenRun {
    identities: Vec<Identity>,
    file_born: Option<DateTime<Utc>>,
    run_id: String,
    percent: f64,
    busy: bool,
}

impl OpenRuns {
    /// Those of a station, but for `own` ones.
    pub fn of(station: &Station, log: &Log, own: &[String]) -> OpenRuns {
        let journals = journal::unfinished(&station.journals()).unwrap_or_default();
        let open = journals.iter().filter_map(|path| OpenRun::of(path, log));
        OpenRuns(open.filter(|run| !own.contains(&run.run_id)).collect())
    }

    /// Why nothing may begin on a medium. A run is known by its medium's identity, which twins share.
    pub fn against(&self, roots: &Roots, medium: &Medium) -> Option<Refused> {
        let (now, born) = (&medium.identity, device::file_born(&medium.identity));
        // Another file system at the same place may well have a file of the same inode number and size.
        let another = |run: &OpenRun| matches!((run.file_born, born), (Some(then), Some(born)) if then != born);
        let is_it = |run: &OpenRun, known: &Identity| {
            known.differences(now).is_empty() || (known.is_same_file(now) && !another(run))
        };
        let is_of = |run: &&OpenRun| run.identities.iter().any(|known| is_it(run, known));
        let OpenRun { run_id, percent, busy, .. } = self.0.iter().rfind(is_of)?;
        let alike = match &medium.identity.backing {
            Some(_) => Vec::new(),
            None => device::find_by_identity(roots, &medium.identity).unwrap_or_default(),
        };
        let path = medium.path.clone();
        let twins = alike.into_iter().map(|other| other.path).filter(|other| *other != path).collect();
        Some(Refused::Unfinished { path, run_id: run_id.clone(), percent: *percent, busy: *busy, twins })
    }
}

impl OpenRun {
    /// `None`: it has ended since it was listed, or had not begun.
    fn of(path: &Path, log: &Log) -> Option<OpenRun> {
        match sound_state(path) {
            // A damaged one does not say that it had ended; the log does.
            Ok(Some(state)) if !is_whole(path) && has_ended(log, &state.plan.run_id) => None,
            Ok(Some(state)) => {
                let (percent, busy) = (state.fraction() * 100.0, Journal::is_busy(path));
                let (identities, run_id, file_born) = (state.identities(), state.plan.run_id, state.plan.file_born);
                Some(OpenRun { identities, file_born, run_id, percent, busy })
            }
            Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
            Ok(None) | Err(_) => OpenRun::logged(path, log),
        }
    }

    /// Of a run whose journal says nothing any more, by its intent in the custody log.
    fn logged(path: &Path, log: &Log) -> Option<OpenRun> {
        let run_id = path.file_stem()?.to_str()?.to_owned();
        let logged = log.find_run(&run_id).ok()?;
        let intent = logged.iter().find(|logged| logged.entry.typ == INTENDED)?;
        if logged.iter().any(is_outcome) {
            return None;
        }
        let identities = vec![identity_in(&intent.entry)?];
        Some(OpenRun { identities, file_born: None, run_id, percent: 0.0, busy: Journal::is_busy(path) })
    }
}

fn is_whole(path: &Path) -> bool {
    Journal::peek(path).is_ok_and(|entries| RunState::fold(&entries).is_ok())
}

fn has_ended(log: &Log, run_id: &str) -> bool {
    log.find_run(run_id).is_ok_and(|logged| logged.iter().any(is_outcome))
}

fn is_outcome(logged: &Logged) -> bool {
    [PASSED, FAILED].contains(&logged.entry.typ.as_str())
}

/// What a journal says before its damage, where it has any; its first line holds the plan.
fn sound_state(path: &Path) -> Result<Option<RunState>, JournalError> {
    let mut entries = Journal::peek_sound(path)?;
    loop {
        match RunState::fold(&entries) {
            Ok(state) => return Ok(state),
            Err(Incoherent { number, .. }) => entries.truncate(number.saturating_sub(1)),
        }
    }
}

/// Each medium against which nothing stands. Of one that was named twice the first name counts.
pub(super) fn check(
    roots: &Roots,
    station: Option<&Station>,
    media: Vec<Result<Medium, ResolveError>>,
    open_runs: &OpenRuns,
) -> Vec<Result<Medium, Refused>> {
    let mut named: HashMap<String, PathBuf> = HashMap::new();
    let state = station.and_then(StateFolder::of);
    let mut check_one = |medium: Result<Medium, ResolveError>| -> Result<Medium, Refused> {
        let medium = medium?;
        if medium.path.to_str().is_none() {
            return Err(Refused::NotText { path: medium.path });
        }
        if let Some(state) = state.as_ref().filter(|state| state.holds(&medium)) {
            return Err(Refused::OwnFile { path: medium.path, folder: state.path.clone() });
        }
        if let Some(other) = named.insert(place(&medium), medium.path.clone()) {
            return Err(Refused::Twice { path: medium.path, other });
        }
        if !medium.may_be_wiped() {
            return Err(Refused::Protected { medium: Box::new(medium) });
        }
        match open_runs.against(roots, &medium) {
            Some(refused) => Err(refused),
            None => Ok(medium),
        }
    };
    media.into_iter().map(&mut check_one).collect()
}

/// The state folder of a station, by what it is and not by its name: a container has it, or a part of it, elsewhere.
struct StateFolder {
    path: PathBuf,
    /// Device and inode of the folder, of what lies in it, and of keys and log.
    own: HashSet<(u64, u64)>,
}

impl StateFolder {
    fn of(station: &Station) -> Option<StateFolder> {
        let path = fs::canonicalize(station.folder()).ok()?;
        let mut own: HashSet<_> = inode(&path).into_iter().collect();
        let keys = station.key_path().parent().map(Path::to_owned);
        for folder in [path.clone(), station.custody_folder()].into_iter().chain(keys) {
            own.extend(fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| inode(&entry.path())));
        }
        Some(StateFolder { path, own })
    }

    /// Whether it holds the file that an image or a loop device is.
    fn holds(&self, medium: &Medium) -> bool {
        let Some(file) = &medium.identity.backing else { return false };
        file.path.starts_with(&self.path)
            || self.own.contains(&(file.device.0, file.inode.0))
            || file.path.ancestors().any(|above| inode(above).is_some_and(|inode| self.own.contains(&inode)))
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Of two targets that one command erases only the first can be meant, and an unfinished run on a
/// medium stands against erasing it along with another.
pub(super) fn refuse_what_others_erase(
    roots: &Roots,
    prepared: &mut [Result<Preparation, Refused>],
    open_runs: &OpenRuns,
) {
    let mut reached: HashMap<String, PathBuf> = HashMap::new();
    for one in prepared {
        let Ok(preparation) = &*one else { continue };
        let plan = preparation.run.plan();
        let path = plan.medium.path.clone();
        if let Some(other) = reached.get(&place(&plan.medium)) {
            *one = Err(Refused::ErasedAlong { path, other: other.clone() });
            continue;
        }
        if let Some(refused) = plan.also.iter().find_map(|medium| open_runs.against(roots, medium)) {
            *one = Err(refused);
            continue;
        }
        reached.extend(plan.also.iter().map(|medium| (place(medium), path.clone())));
        // Also the other way round: a first target that the second one's command would reach.
        reached.insert(place(&plan.medium), path);
    }
}

/// What makes a target the same as another one here and now. An identity does not: sticks of one batch share their
/// serial number, and only one of two would be wiped. The first of its paths does, whichever it was named by; behind a
/// file nodes differ, and the file with the place in it tells.
fn place(medium: &Medium) -> String {
    match (&medium.identity.backing, &medium.partition) {
        (None, _) => {
            let first = medium.other_paths.iter().chain([&medium.path]).min();
            first.unwrap_or(&medium.path).display().to_string()
        }
        (Some(_), partition) => {
            format!("{} {:?}", medium.identity.digest(), partition.as_ref().map(|place| (place.number, place.start)))
        }
    }
}
