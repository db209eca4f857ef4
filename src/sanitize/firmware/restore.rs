//! All hidden areas of a drive given back, step by step, as a plan says and notes remember.
//!
//! A drive takes one lasting SET MAX between two power cycles, and some refuse the next step, or show
//! the new size, only after one. Then the run waits for a person. What a drive refuses with fresh
//! power, or takes twice without growing, it does not give back.

use serde::{Deserialize, Serialize};

use super::hidden::{HiddenError, Step};
use super::hides::Hides;
use super::note::DiaryError;
use crate::device::transport::Transport;
use crate::media::{PlannedCommand, Transport as Bus};
use crate::sanitize::record::Otherwise;
use crate::units::Bytes;

/// What a person agreed to before the drive is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestorePlan {
    /// What becomes of the run where an area cannot be given back.
    pub otherwise: Otherwise,
    /// What is to be sent, in order. Nothing else changes the drive before the run.
    pub steps: Vec<PlannedStep>,
}

/// One step, with what it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// What is to be done.
    pub step: Step,
    /// The capacity after it; of a SCSI disk the least that it can be.
    pub size: Bytes,
    /// The commands, byte for byte.
    pub commands: Vec<PlannedCommand>,
}

/// By what a power cycle is noticed. A machine that only restarts, and a drive that only changes its
/// name, look the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// The kernel's random name of this boot.
    pub boot: Option<String>,
    /// Sequence number of the disk: another one each time it is attached.
    pub diskseq: Option<Bytes>,
}

/// A durable note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum RestoreNote {
    /// The command is about to be sent. From here on the drive may be another size.
    Sending {
        /// Which.
        step: Step,
        /// When the drive last had its power cut, as far as can be told.
        power: Power,
    },
    /// IDENTIFY DEVICE, or READ CAPACITY, shows what it should, or more: the step has what it shows.
    GaveBack {
        /// After which step.
        step: Step,
    },
    /// It does not go on before the drive's power is cut.
    PowerNeeded {
        /// What the drive said.
        why: String,
        /// As for `Sending`.
        power: Power,
    },
}

/// What the notes come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restoring {
    /// What was sent, or was about to be.
    pub sent: Vec<(Step, Power)>,
    /// What the drive showed to have done.
    pub done: Vec<Step>,
    /// It waits for the power to be cut, and why.
    pub waits: Option<(String, Power)>,
}

/// How far it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreEnd {
    /// The drive hides nothing any more.
    Whole(Hides),
    /// It keeps something back, or hides something that was not agreed on.
    Keeps {
        /// What it says now.
        drive: Hides,
        /// Why.
        why: String,
    },
    /// Its power has to be cut first.
    PowerNeeded {
        /// Why.
        why: String,
    },
}

impl RestorePlan {
    /// The steps for a drive; none where it hides nothing that it tells the size of.
    pub fn of(drive: &Hides, otherwise: Otherwise) -> Option<RestorePlan> {
        let planned = |step: Step| {
            let size = drive.size_of(step.last()?)?;
            Some(PlannedStep { size, commands: drive.commands(&step), step })
        };
        let steps: Option<Vec<_>> = drive.steps().into_iter().map(planned).collect();
        Some(RestorePlan { otherwise, steps: steps? }).filter(|plan| !plan.steps.is_empty())
    }

    /// Whether a person agreed to this step.
    fn allows(&self, step: &Step) -> bool {
        self.steps.iter().any(|planned| planned.step.is_done_by(step))
    }
}

impl Power {
    /// Whether the power was cut between `earlier` and now. Where nothing tells, a person was told to.
    pub fn was_cut_since(&self, earlier: &Power) -> bool {
        match (self.diskseq, earlier.diskseq) {
            (Some(now), Some(then)) => now != then || self.boot != earlier.boot,
            _ => true,
        }
    }
}

impl Restoring {
    /// Takes one note into account.
    pub fn apply(&mut self, note: &RestoreNote) {
        match note {
            RestoreNote::Sending { step, power } => {
                self.waits = None;
                self.sent.push((step.clone(), power.clone()));
            }
            RestoreNote::GaveBack { step } => self.done.push(step.clone()),
            RestoreNote::PowerNeeded { why, power } => self.waits = Some((why.clone(), power.clone())),
        }
    }

    /// What was done to the drive, a sentence each.
    pub fn words(&self) -> Vec<String> {
        let sent = self.sent.iter().map(|(step, _)| {
            let last = step.last().map_or(String::new(), |last| format!(" (last address {last})"));
            match self.done.iter().any(|done| step.is_done_by(done)) {
                true => format!("{}{last}: the drive did it", step.name()),
                false => format!("{}{last}: sent, or about to be; whether the drive did it is not known", step.name()),
            }
        });
        let mut words: Vec<String> = Vec::new();
        for sentence in sent {
            if !words.contains(&sentence) {
                words.push(sentence);
            }
        }
        words.extend(self.waits.as_ref().map(|(why, _)| format!("it waits for the drive's power to be cut: {why}")));
        words
    }
}

/// Goes on towards the whole drive from what `past` says. `note` makes a note durable, which is done
/// before what it announces; `serial` is the drive's, as the kernel knows it.
pub fn restore(
    path: &mut dyn Transport,
    bus: Bus,
    serial: Option<&str>,
    plan: &RestorePlan,
    past: &Restoring,
    power: &Power,
    note: &mut dyn FnMut(RestoreNote) -> Result<(), DiaryError>,
) -> Result<RestoreEnd, HiddenError> {
    let mut drive = Hides::examine(path, bus)?;
    if drive.serial() != serial.map(str::trim) {
        let says = drive.serial().unwrap_or("nothing");
        return Err(HiddenError::NotSaid(format!("the drive itself says another serial number ({says:?})")));
    }
    drive.settle(&past.done);
    // One lasting SET MAX a power cycle: what was sent since the last one stands against the next.
    let mut since_power = past.sent.iter().any(|(_, then)| !power.was_cut_since(then));
    loop {
        let step = drive.next();
        if step == Step::Nothing {
            return Ok(RestoreEnd::Whole(drive));
        }
        if let Some((why, then)) = &past.waits
            && !power.was_cut_since(then)
        {
            let why = format!("it does not look as if the drive's power was cut since the run stopped ({why})");
            return Ok(RestoreEnd::PowerNeeded { why });
        }
        if !plan.allows(&step) {
            let last = step.last().unwrap_or(drive.accessible());
            let why = format!("the drive says now that its last address could be {last}, which the plan does not know");
            return Ok(RestoreEnd::Keeps { drive, why });
        }
        let tried = past.sent.iter().any(|(earlier, then)| *earlier == step && power.was_cut_since(then));
        let sending = RestoreNote::Sending { step: step.clone(), power: power.clone() };
        let why = match drive.give_back(path, &step, &mut |_| note(sending.clone())) {
            Ok(now) => {
                let step = match step {
                    Step::RestoreCapacity(_) => Step::RestoreCapacity(now.accessible()),
                    as_planned => as_planned,
                };
                note(RestoreNote::GaveBack { step })?;
                (drive, since_power) = (now, true);
                continue;
            }
            Err(error @ HiddenError::Refused(_)) if !since_power => Err(error.to_string()),
            Err(error @ HiddenError::NotGrown { .. }) if tried => {
                Err(format!("{error}; that was done, and it takes the command again without growing"))
            }
            Err(error @ (HiddenError::Refused(_) | HiddenError::NotGrown { .. })) => Ok(error.to_string()),
            Err(other) => return Err(other),
        };
        return match why {
            Ok(why) => {
                note(RestoreNote::PowerNeeded { why: why.clone(), power: power.clone() })?;
                Ok(RestoreEnd::PowerNeeded { why })
            }
            Err(why) => Ok(RestoreEnd::Keeps { drive: Hides::examine(path, bus)?, why }),
        };
    }
}
