//! Zoned drives (host-managed SMR, ZNS): every zone is reset and written anew, in order, by the host.
//! A reset alone erases nothing: it only moves write pointers. Attains Clear, like any overwrite.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::ops::Range;
use std::time::Duration;

use super::canary::Blocks;
use super::procedure::{Look, Procedure, Started, State};
use super::run::Clock;
use crate::device::command::block::{Outcome, Request, Zone, ZoneCondition, ZoneKind};
use crate::device::command::hex;
use crate::device::transport::Transport;
use crate::media::{CommandSet, PlannedCommand};
use crate::policy::Technique;
use crate::units::Bytes;

const PATIENCE: Duration = Duration::from_secs(600);
/// Zones asked for at once. Fewer may come at any time, and are no sign of the end.
const MANY: u32 = 256;
/// Bytes written at once.
const PIECE: u64 = 1 << 20;
/// More zones than any drive has: a list that does not end is none.
const MOST_ZONES: usize = 1 << 20;

/// Reset and overwrite of every zone.
#[derive(Debug, Default)]
pub struct ZoneResetOverwrite {
    failed: RefCell<Option<String>>,
    /// Behind the capacity of each zone.
    gaps: RefCell<Vec<Range<u64>>>,
}

impl ZoneResetOverwrite {
    /// Nothing is done yet.
    pub fn new() -> ZoneResetOverwrite {
        ZoneResetOverwrite::default()
    }

    /// Every zone in order, up to the end of the medium; none where it has no zones. `Err`: the kernel did not
    /// say, the zones leave gaps, or end elsewhere than the medium.
    pub fn zones(path: &mut dyn Transport) -> Result<Vec<Zone>, String> {
        let size = size(path)?;
        let mut zones: Vec<Zone> = Vec::new();
        let mut end = 0;
        loop {
            let request = Request::ReportZones { from: Bytes(end), limit: MANY };
            let found = match path.block(&request, PATIENCE).map_err(|error| error.to_string())? {
                Outcome::Zones(found) => found,
                other => return Err(format!("{} returned {other:?}", request.name())),
            };
            if found.is_empty() && zones.is_empty() {
                return Ok(zones);
            }
            if found.is_empty() {
                return Err(format!("the zone report ends at byte {end} of {size}"));
            }
            for zone in &found {
                if zone.start.0 != end || zone.length.0 == 0 || zone.capacity > zone.length {
                    return Err(format!("the zone report has a gap or an overlap at byte {end}"));
                }
                end = end.saturating_add(zone.length.0);
            }
            zones.extend(found);
            match end.cmp(&size.0) {
                Ordering::Equal => return Ok(zones),
                Ordering::Greater => return Err(format!("the zones reach to byte {end}, the medium to {size}")),
                Ordering::Less if zones.len() > MOST_ZONES => return Err("the zone report does not end".to_owned()),
                Ordering::Less => {}
            }
        }
    }
}

impl Procedure for ZoneResetOverwrite {
    fn technique(&self) -> Technique {
        Technique::ZoneResetOverwrite
    }

    fn leaves(&self) -> Option<u8> {
        Some(0)
    }

    fn unwritable(&self) -> Vec<Range<u64>> {
        self.gaps.borrow().clone()
    }

    fn tells_serial(&self) -> bool {
        false
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let zones = ZoneResetOverwrite::zones(path)?;
        *self.gaps.borrow_mut() = zones.iter().filter_map(gap).collect();
        let sequential = zones.iter().filter(|zone| needs_order(zone)).count();
        let dead = zones.iter().filter(|zone| is_dead(zone)).count();
        let end = zones.last().map_or(0, |zone| zone.start.0.saturating_add(zone.length.0));
        let reset = Request::ResetZones { from: Bytes(0), length: Bytes(end) };
        Ok(Look {
            supported: sequential > 0,
            obstacle: (dead > 0).then(|| {
                format!("{dead} of its zones are read-only or offline and cannot be written any more; destroy it")
            }),
            without_canaries: Some("zones can only be written from their start: the host writes all of it".to_owned()),
            commands: vec![PlannedCommand {
                set: CommandSet::Block,
                name: reset.name().to_owned(),
                command: hex(&reset.bytes()),
                data_out: None,
            }],
            notes: vec![format!("{} zones, of which {sequential} are written in order", zones.len())],
            ..Look::default()
        })
    }

    fn start(&self, _: &mut dyn Transport) -> Started {
        Started::Rejected("the host has to write the zones, and was not given the blocks".to_owned())
    }

    fn start_with(&self, path: &mut dyn Transport, blocks: &mut dyn Blocks, clock: &mut dyn Clock) -> Started {
        let zones = match ZoneResetOverwrite::zones(path) {
            Ok(zones) if zones.is_empty() => return Started::Rejected("it reports no zones".to_owned()),
            Ok(zones) => zones,
            Err(why) => return Started::Rejected(why),
        };
        let total: u64 = zones.iter().map(|zone| zone.capacity.0).sum();
        let mut done = 0;
        for zone in &zones {
            if let Err(why) = renew(zone, path, blocks) {
                let why = format!("the zone at byte {}: {why}", zone.start);
                *self.failed.borrow_mut() = Some(why.clone());
                return Started::Unknown(why);
            }
            done += zone.capacity.0;
            if !clock.go_on(done, total) {
                return Started::Stopped;
            }
        }
        match blocks.flush() {
            Ok(()) => Started::Accepted,
            Err(error) => {
                let why = format!("what was written could not be flushed: {error}");
                *self.failed.borrow_mut() = Some(why.clone());
                Started::Unknown(why)
            }
        }
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        if let Some(why) = &*self.failed.borrow() {
            return State::Failed(why.clone());
        }
        match ZoneResetOverwrite::zones(path) {
            Ok(zones) if zones.is_empty() => State::Unknown("it reports no zones".to_owned()),
            Ok(zones) if zones.iter().all(|zone| !needs_order(zone) || is_full(zone)) => State::Ready,
            Ok(_) => State::Never,
            Err(why) => State::Unknown(why),
        }
    }
}

/// Reset, seen to be empty, written to its capacity in order, seen to be full.
fn renew(zone: &Zone, path: &mut dyn Transport, blocks: &mut dyn Blocks) -> Result<(), String> {
    if needs_order(zone) {
        let request = Request::ResetZones { from: zone.start, length: zone.length };
        path.block(&request, PATIENCE).map_err(|error| error.to_string())?;
        let now = one(zone, path)?;
        if now.condition != ZoneCondition::Empty && now.write_pointer != zone.start {
            return Err("after the reset its write pointer is not at its start".to_owned());
        }
    }
    let zeros = vec![0; usize::try_from(PIECE).unwrap_or(1 << 20)];
    let mut at = 0;
    while at < zone.capacity.0 {
        let length = usize::try_from((zone.capacity.0 - at).min(PIECE)).unwrap_or(zeros.len());
        blocks.write(Bytes(zone.start.0 + at), &zeros[..length]).map_err(|e| format!("at its byte {at}: {e}"))?;
        at += length as u64;
    }
    if needs_order(zone) && !is_full(&one(zone, path)?) {
        return Err("it was written to its end and is not full: writes were dropped".to_owned());
    }
    Ok(())
}

/// Where the medium ends.
fn size(path: &mut dyn Transport) -> Result<Bytes, String> {
    match path.block(&Request::Size, PATIENCE).map_err(|error| error.to_string())? {
        Outcome::Size(size) => Ok(size),
        other => Err(format!("{} returned {other:?}", Request::Size.name())),
    }
}

/// The same zone, asked for again.
fn one(zone: &Zone, path: &mut dyn Transport) -> Result<Zone, String> {
    let request = Request::ReportZones { from: zone.start, limit: 1 };
    match path.block(&request, PATIENCE).map_err(|error| error.to_string())? {
        Outcome::Zones(found) => {
            found.first().copied().filter(|now| now.start == zone.start).ok_or_else(|| "it is not reported".to_owned())
        }
        other => Err(format!("{} returned {other:?}", request.name())),
    }
}

fn needs_order(zone: &Zone) -> bool {
    zone.kind == ZoneKind::SequentialRequired || zone.kind == ZoneKind::SequentialPreferred
}

/// What no write reaches, and reads as the drive likes.
fn gap(zone: &Zone) -> Option<Range<u64>> {
    let range = zone.start.0.saturating_add(zone.capacity.0)..zone.start.0.saturating_add(zone.length.0);
    (!range.is_empty()).then_some(range)
}

fn is_full(zone: &Zone) -> bool {
    zone.condition == ZoneCondition::Full || zone.write_pointer.0 >= zone.start.0.saturating_add(zone.capacity.0)
}

fn is_dead(zone: &Zone) -> bool {
    matches!(zone.condition, ZoneCondition::ReadOnly | ZoneCondition::Offline)
}
