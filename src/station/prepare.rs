//! From what a person asked for to planned runs. Reads, decides, touches nothing.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use rand::RngExt as _;

use super::asking::{Asked, ask_all};
use super::conflicts::{OpenRuns, check, refuse_what_others_erase};
use super::earlier::earlier_attempts;
use super::folder::{Station, StationError};
use super::hidden::Hidden;
use super::offers::Answers;
use super::{unfreeze, warnings};
use crate::device::{self, InventoryError, ResolveError, Roots, TargetRule};
use crate::media::{Medium, MediumClass, Protection, Reach};
use crate::policy::{
    self, Decision, HiddenAreaState, InForce, Offer, OperatorStanding, PolicyRequest, Refusal, Route, Scope, StepDown,
    Storage, VerificationLevel, Wanted,
};
use crate::sanitize::firmware::{BootPartitions, Psids, RestorePlan};
use crate::sanitize::record::{EarlierAttempt, Operator, Otherwise, SchemeFacts};
use crate::sanitize::rung::Rung;
use crate::sanitize::state::RunPlan;
use crate::sanitize::{Planned, Run};
use crate::scheme::Scheme;
use crate::units::{SectorSize, hex};

/// One medium to be wiped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Block device or image file.
    pub target: PathBuf,
    /// Asset tag.
    pub asset_tag: Option<String>,
    /// Confidentiality category.
    pub category: Option<String>,
}

/// How all media of a call are to be wiped.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The rules.
    pub policy: InForce,
    /// Asked-for method or technique.
    pub wanted: Wanted,
    /// Where the media go.
    pub route: Option<Route>,
    /// How far a run may step down.
    pub step_down: StepDown,
    /// The media are destroyed afterwards.
    pub before_destruction: bool,
    /// Scheme.
    pub scheme: &'static Scheme,
    /// Read-back of the last pass.
    pub verification: VerificationLevel,
    /// Who does it.
    pub operator: Option<Operator>,
    /// Whether a partition may be named.
    pub targets: TargetRule,
    /// PSIDs of drives that are to be reverted.
    pub psids: Psids,
    /// What drives hide is to be given back before anything is erased.
    pub restore_hidden: Option<Otherwise>,
    /// This machine may be suspended to RAM where that unfreezes a drive.
    pub unfreeze: bool,
    /// What becomes of the boot partitions of an eMMC whose command reaches them.
    pub boot_partitions: BootPartitions,
    /// Namespaces of an NVM subsystem, in order, that no device here shows and that may be erased along.
    pub also_unattached: Vec<u32>,
}

/// A planned run with the reasons behind it.
#[derive(Debug)]
pub struct Preparation {
    /// The run.
    pub run: Run<Planned>,
    /// What policy decided, and why.
    pub decision: Decision,
}

/// Why a medium will not be wiped. Nothing was touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The target is nothing that can be wiped.
    #[error(transparent)]
    Target(#[from] ResolveError),
    /// Its path cannot be written into a journal or a certificate.
    #[error("{}: the path is no UTF-8 text, so no evidence can name it", path.display())]
    NotText {
        /// Where.
        path: PathBuf,
    },
    /// It is the station's own: a key, the log, a journal, evidence.
    #[error("{path} lies in the state folder {folder} of this station, which is never wiped",
        path = path.display(), folder = folder.display())]
    OwnFile {
        /// Where.
        path: PathBuf,
        /// The state folder.
        folder: PathBuf,
    },
    /// Something stands against wiping it.
    #[error("{path} must not be wiped: {reasons}", path = medium.path.display(), reasons = Protection::joined(&medium.protections))]
    Protected {
        /// The medium with its protections.
        medium: Box<Medium>,
    },
    /// Its logical block size cannot be addressed.
    #[error("{path} has logical blocks of {bytes} bytes, which cannot be addressed", path = path.display())]
    BlockSize {
        /// Where.
        path: PathBuf,
        /// Bytes.
        bytes: u32,
    },
    /// Policy says no.
    #[error("{path}: {refusal}", path = path.display())]
    Policy {
        /// Where.
        path: PathBuf,
        /// Which rule, and what would satisfy it.
        refusal: Refusal,
    },
    /// What it hides is to be given back, and cannot be.
    #[error("{path}: what the drive hides cannot be given back: {why}", path = path.display())]
    Hidden {
        /// Where.
        path: PathBuf,
        /// Which part of it, and why.
        why: String,
    },
    /// It is frozen, and the machine cannot be suspended for it.
    #[error("{path}: the drive is frozen, and cannot be unfrozen: {why}", path = path.display())]
    Frozen {
        /// Where.
        path: PathBuf,
        /// What stands in the way.
        why: String,
    },
    /// The command for another target erases this one as well.
    #[error("{path} is erased along with {other}: one command reaches both", path = path.display(), other = other.display())]
    ErasedAlong {
        /// This one.
        path: PathBuf,
        /// The target whose command reaches it.
        other: PathBuf,
    },
    /// The same medium was named twice.
    #[error("{path} is the same medium as {other}", path = path.display(), other = other.display())]
    Twice {
        /// The second name.
        path: PathBuf,
        /// The first name.
        other: PathBuf,
    },
    /// An earlier run on it is not finished.
    #[error("{path}: run {run_id} on {what} {how} {percent:.0} % and is not finished",
        path = path.display(), what = on_which(twins), how = if *busy { "is at" } else { "was interrupted at" })]
    Unfinished {
        /// Where.
        path: PathBuf,
        /// Which run.
        run_id: String,
        /// How far it came.
        percent: f64,
        /// Another process is at it now.
        busy: bool,
        /// Other media of the same identity: the run may be on one of them.
        twins: Vec<PathBuf>,
    },
}

/// Every drive of this machine.
pub fn inventory() -> Result<Vec<Medium>, InventoryError> {
    device::inventory(&Roots::live())
}

/// That the medium is not known from which this machine's system was copied into memory.
pub fn lost_boot_medium() -> Option<String> {
    device::lost_boot_medium(&Roots::live())
}

/// Where this machine's kernel shows its devices.
pub fn live() -> Roots {
    Roots::live()
}

/// The medium at a path, as it names itself. Touches nothing.
pub fn look_at(roots: &Roots, target: &std::path::Path) -> Result<Medium, ResolveError> {
    device::resolve(roots, target, TargetRule::WholeDiskOnly)
}

/// Plans one run a medium. `station` is absent for a mere look.
pub fn prepare(
    roots: &Roots,
    station: Option<&Station>,
    orders: &[Order],
    wish: &Wish,
    now: DateTime<Utc>,
) -> Result<Vec<Result<Preparation, Refused>>, StationError> {
    // A log that cannot be read cannot take the intent either: nothing may begin.
    let log = station.map(Station::log).transpose()?;
    let open_runs = station.zip(log.as_ref()).map(|(station, log)| OpenRuns::of(station, log, &[]));
    let open_runs = open_runs.unwrap_or_default();
    let targets: Vec<&PathBuf> = orders.iter().map(|order| &order.target).collect();
    // One look at the host for all of them: it reads every drive there is.
    let media = device::resolve_all(roots, &targets, wish.targets)
        .unwrap_or_else(|_| targets.iter().map(|target| device::resolve(roots, target, wish.targets)).collect());
    let media = ask_all(roots, check(roots, station, media, &open_runs), wish);
    let mut prepare_one = |(order, medium): (&Order, _)| -> Result<Result<Preparation, Refused>, StationError> {
        let (medium, Asked { hidden, answers }): (Medium, _) = match medium {
            Ok(asked) => asked,
            Err(refused) => return Ok(Err(refused)),
        };
        let restore = match hidden.restore(&medium, wish.restore_hidden) {
            Ok(restore) => restore,
            Err(why) => return Ok(Err(Refused::Hidden { path: medium.path, why })),
        };
        let media = with_sizes(&medium, restore.as_ref());
        let earlier = log.as_ref().map(|log| earlier_attempts(log, &media, &[])).transpose()?.unwrap_or_default();
        Ok(plan_one((roots, station), medium, (hidden, restore, answers), earlier, order, wish, now))
    };
    let mut prepared: Vec<_> = orders.iter().zip(media).map(&mut prepare_one).collect::<Result<_, _>>()?;
    refuse_what_others_erase(roots, &mut prepared, &open_runs);
    if let Some(words) = device::lost_boot_medium(roots) {
        for Preparation { run, decision } in prepared.iter_mut().flatten() {
            decision.warnings.extend(warnings::of_boot_medium(&words, &run.plan().medium));
        }
    }
    Ok(prepared)
}

fn plan_one(
    (roots, station): (&Roots, Option<&Station>),
    medium: Medium,
    (hidden, restore, answers): (Hidden, Option<RestorePlan>, Answers),
    earlier_attempts: Vec<EarlierAttempt>,
    order: &Order,
    wish: &Wish,
    now: DateTime<Utc>,
) -> Result<Preparation, Refused> {
    let bytes = medium.geometry.logical_block;
    let block = SectorSize::new(bytes).ok_or_else(|| Refused::BlockSize { path: medium.path.clone(), bytes })?;
    let hidden_state = hidden.state_with(&medium, restore.as_ref());
    let mut decision = decide(&medium, &answers.offers(wish.unfreeze, &hidden), hidden_state, order, wish)
        .map_err(|refusal| Refused::Policy { path: medium.path.clone(), refusal })?;
    let rungs: Vec<Rung> = decision.ladder.iter().map(|step| rung(step, &answers)).collect();
    let journals = station.map(Station::journals);
    let unfreeze = unfreeze::plan(roots, journals.as_deref(), &medium, &rungs, &answers)
        .map_err(|why| Refused::Frozen { path: medium.path.clone(), why })?;
    let also = also(&rungs, &answers);
    // Where it differs from what is there, the rung had an obstacle.
    let by_all = rungs.iter().any(|rung| rung.reach == Reach::Subsystem);
    let unattached = if by_all { wish.also_unattached.clone() } else { Vec::new() };
    decision.warnings.extend(unfreeze.as_ref().map(unfreeze::warning));
    decision.warnings.extend(warnings::of_force_ro(roots, &medium, &also));
    decision.warnings.extend(warnings::of_drive(&rungs, &also));
    decision.warnings.extend(warnings::of_unattached(&rungs, &wish.also_unattached));
    decision.warnings.extend(warnings::of_hidden(&hidden, restore.as_ref(), &rungs));
    let by_host = rungs.iter().any(Rung::is_by_host);
    let mut rng = rand::rng();
    let passes = if by_host { wish.scheme.instantiate(&mut rng) } else { Vec::new() };
    let scheme = SchemeFacts {
        name: wish.scheme.name.to_owned(),
        title: wish.scheme.title.to_owned(),
        definition: wish.scheme.definition.to_owned(),
        source: wish.scheme.source.to_owned(),
    };
    let scheme = if by_host { scheme } else { rungs.first().map_or(scheme, Rung::scheme) };
    // Drawn whatever level is asked for: a scheme may demand a sampled read-back of its own.
    let seed: [u8; 32] = rng.random();
    let plan = RunPlan {
        run_id: hex(&rng.random::<[u8; 16]>()),
        block,
        requested: decision.requested,
        attainable: decision.attainable,
        policy: Some(decision.applied.clone()),
        ladder: rungs,
        also,
        unattached,
        scheme,
        passes,
        verification: decision.verification,
        sample_seed: Some(hex(&seed)),
        operator: wish.operator.clone(),
        asset_tag: order.asset_tag.clone(),
        category: order.category.clone(),
        hidden: hidden.told(&medium, restore.as_ref()),
        restore,
        unfreeze,
        earlier_attempts,
        planned: now,
        boot: roots.boot(),
        file_born: device::file_born(&medium.identity),
        medium,
    };
    Ok(Preparation { run: Run::new(plan), decision })
}

/// What the policy says to this medium, to which `offers` can be done.
fn decide(
    medium: &Medium,
    offers: &[Offer],
    hidden_areas: HiddenAreaState,
    order: &Order,
    wish: &Wish,
) -> Result<Decision, Refusal> {
    let category = order.category.as_deref().map(|word| wish.policy.policy.category(word)).transpose()?;
    policy::plan(&PolicyRequest {
        policy: &wish.policy,
        category,
        route: wish.route,
        wanted: wish.wanted,
        scheme: wish.scheme,
        verification: wish.verification,
        kind: medium.kind,
        class: medium.class,
        storage: Storage::of(medium.kind, medium.class, medium.rotational),
        scope: if medium.partition.is_some() { Scope::Partition } else { Scope::WholeMedium },
        offers,
        hidden_areas,
        step_down: wish.step_down,
        operator: match &wish.operator {
            Some(operator) if operator.kid.is_some() => OperatorStanding::OwnKey,
            Some(_) => OperatorStanding::Claimed,
            None => OperatorStanding::Nobody,
        },
        before_destruction: wish.before_destruction,
    })
}

fn rung(step: &policy::Rung, answers: &Answers) -> Rung {
    let Some(look) = answers.look(step.technique) else {
        return Rung { technique: step.technique, attains: step.method, ..Rung::overwrite() };
    };
    Rung {
        technique: step.technique,
        attains: step.method,
        reach: look.reach,
        commands: look.commands.clone(),
        estimate_seconds: look.estimate.map(|time| time.as_secs()),
        notes: look.notes.clone(),
    }
}

/// What the commands erase along, whichever of them it comes to.
fn also(rungs: &[Rung], answers: &Answers) -> Vec<Medium> {
    let mut also: Vec<Medium> = Vec::new();
    for other in rungs.iter().flat_map(|rung| answers.also(rung.reach)) {
        if !also.iter().any(|known| known.path == other.path) {
            also.push(other);
        }
    }
    also
}

/// A medium as it is now, and as it will be when hidden areas were given back.
pub(super) fn with_sizes(medium: &Medium, restore: Option<&RestorePlan>) -> Vec<Medium> {
    let mut all = vec![medium.clone()];
    for step in restore.into_iter().flat_map(|plan| &plan.steps) {
        let mut larger = medium.clone();
        (larger.identity.size, larger.geometry.size) = (step.size, step.size);
        all.push(larger);
    }
    all
}

/// The name of a medium in the custody log.
pub(super) fn subject(medium: &Medium) -> String {
    let class = match medium.class {
        MediumClass::Physical => "medium",
        MediumClass::Virtual => "virtual-medium",
        MediumClass::Image => "image",
    };
    format!("{class}:{}", medium.identity.digest())
}

fn on_which(twins: &[PathBuf]) -> String {
    match twins {
        [] => "this medium".to_owned(),
        _ => {
            let twins: Vec<String> = twins.iter().map(|path| path.display().to_string()).collect();
            format!("a medium of the same identity (this one or {})", twins.join(" or "))
        }
    }
}
