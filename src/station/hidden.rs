//! Areas of a drive that the host cannot address: what the drive says of them. Asks, and changes nothing.

use std::time::Duration;

use crate::device::Roots;
use crate::device::command::Data;
use crate::device::command::nvme::{self, Controller};
use crate::device::transport::{Linux, Transport};
use crate::media::{AreaOutcome, HiddenArea, Medium, MediumClass, Transport as Bus};
use crate::policy::HiddenAreaState;
use crate::sanitize::firmware::AtaHiddenAreas;
use crate::sanitize::record::HiddenAreas;
use crate::units::{Bytes, human_bytes};

const PATIENCE: Duration = Duration::from_secs(10);
pub(super) const UNREACHED: &str = "no host write reaches it";

/// What is known of a medium's hidden areas before a run.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// For plan, journal and certificate. `None`: there is nothing that could be asked.
    pub found: Option<HiddenAreas>,
}

impl Hidden {
    /// Asks the drive.
    pub fn ask(roots: &Roots, medium: &Medium) -> Hidden {
        if medium.class != MediumClass::Physical || medium.partition.is_some() {
            return Hidden::default();
        }
        match medium.transport {
            Bus::Ata => {
                let asked = Linux::to_ask(roots, medium)
                    .map_err(|error| format!("the drive could not be asked: {error}"))
                    .and_then(|mut path| AtaHiddenAreas::examine(&mut path).map_err(|error| error.to_string()));
                Hidden::of(medium, asked)
            }
            Bus::NvmePcie | Bus::NvmeFabrics => {
                // That nothing is unallocated does not say that nothing is hidden.
                let areas: Vec<_> = ask_nvme(roots, medium).into_iter().collect();
                let by = nvme::identify_controller().name.to_owned();
                let found = HiddenAreas::Examined { by, areas, exchanges: Vec::new() };
                Hidden { found: (!found.areas().is_empty()).then_some(found) }
            }
            _ => Hidden::default(),
        }
    }

    /// From what an ATA drive answered.
    fn of(medium: &Medium, asked: Result<AtaHiddenAreas, String>) -> Hidden {
        let found = match asked.and_then(|drive| same_drive(medium, drive)) {
            Ok(drive) => {
                let areas = drive.report(UNREACHED);
                HiddenAreas::Examined { by: drive.asked_by(), areas, exchanges: Vec::new() }
            }
            Err(why) => HiddenAreas::NotExamined { why },
        };
        Hidden { found: Some(found) }
    }

    /// What the drive hides now.
    pub fn areas(&self) -> impl Iterator<Item = &HiddenArea> {
        let areas = self.found.as_ref().map_or(&[][..], HiddenAreas::areas);
        areas.iter().filter(|area| area.outcome.is_none())
    }

    /// As policy wants to know it.
    pub fn state(&self, medium: &Medium) -> HiddenAreaState {
        match (medium.class, medium.transport) {
            (MediumClass::Image, _) | (_, Bus::Loop | Bus::Memory) => return HiddenAreaState::Open,
            (MediumClass::Virtual, _) => {
                let why = "what the host keeps behind a virtual disk is out of reach";
                return HiddenAreaState::NotExamined(why.to_owned());
            }
            (MediumClass::Physical, _) => {}
        }
        let closed: Vec<String> = self.areas().map(area_words).collect();
        match &self.found {
            _ if !closed.is_empty() => HiddenAreaState::Closed(closed.join("; ")),
            Some(found @ HiddenAreas::Examined { .. }) if medium.transport == Bus::Ata => {
                match found.with(AreaOutcome::Unknown).next() {
                    None => HiddenAreaState::Open,
                    Some(area) => HiddenAreaState::NotExamined(format!(
                        "whether the drive has a {} is {}",
                        area.kind.replace('_', " "),
                        area.note
                    )),
                }
            }
            Some(HiddenAreas::NotExamined { why }) => {
                HiddenAreaState::NotExamined(format!("HPA and DCO were not examined: {why}"))
            }
            _ => HiddenAreaState::NotExamined("HPA, DCO and over-provisioned areas were not examined".to_owned()),
        }
    }
}

/// Whose answer it was, and whether the kernel sees all that the drive offers.
fn same_drive(medium: &Medium, drive: AtaHiddenAreas) -> Result<AtaHiddenAreas, String> {
    let kernel = medium.identity.serial.as_deref().map(str::trim);
    if drive.serial.as_deref() != kernel {
        let (kernel, drive) = (kernel.unwrap_or("nothing"), drive.serial.as_deref().unwrap_or("nothing"));
        return Err(format!("the kernel says serial {kernel:?}, and on this path the drive itself says {drive:?}"));
    }
    let size = size_of(&drive, drive.accessible);
    if size != Some(medium.geometry.size) {
        let says = size.map_or("more".to_owned(), |size| size.to_string());
        return Err(format!("the drive says that it has {says} bytes, and the kernel {}", medium.geometry.size));
    }
    Ok(drive)
}

fn size_of(drive: &AtaHiddenAreas, last: crate::units::Lba) -> Option<Bytes> {
    last.0.checked_add(1)?.checked_mul(u64::from(drive.sector)).map(Bytes)
}

/// Capacity of the NVM subsystem that belongs to no namespace.
fn ask_nvme(roots: &Roots, medium: &Medium) -> Option<HiddenArea> {
    let mut path = Linux::to_ask(roots, medium).ok()?;
    let mut data = [0; 4096];
    let done = path.nvme_admin(&nvme::identify_controller(), Data::In(&mut data), PATIENCE).ok()?;
    unallocated(&Controller::parse(&data).filter(|_| done.is_success())?)
}

pub(super) fn unallocated(controller: &Controller) -> Option<HiddenArea> {
    let size = u64::try_from(controller.unallocated_capacity).ok().filter(|bytes| *bytes > 0)?;
    Some(HiddenArea {
        kind: "unallocated_capacity".to_owned(),
        size: Some(Bytes(size)),
        note: "belongs to no namespace: no host write reaches it, Sanitize does".to_owned(),
        outcome: None,
    })
}

/// `host protected area, 524 kB`.
pub(super) fn area_words(area: &HiddenArea) -> String {
    let size = area.size.map_or("size unknown".to_owned(), |size| human_bytes(size.0));
    format!("{}, {size}", area.kind.replace('_', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Geometry, Identity, Kind, Zoned};
    use crate::sanitize::firmware::Found;
    use crate::units::Lba;

    fn medium(sectors: u64) -> Medium {
        let identity = Identity { serial: Some("S1".into()), size: Bytes(sectors * 512), ..Identity::default() };
        Medium {
            path: "/dev/sdz".into(),
            other_paths: Vec::new(),
            identity,
            transport: Bus::Ata,
            kind: Kind::Hdd,
            class: MediumClass::Physical,
            geometry: Geometry { size: Bytes(sectors * 512), logical_block: 512, physical_block: 512 },
            rotational: Some(true),
            zoned: Zoned::None,
            removable: false,
            diskseq: None,
            partition: None,
            protections: Vec::new(),
            signatures: Vec::new(),
            confirm_token: "S1".into(),
        }
    }

    fn drive(accessible: u64, native: u64, factory: u64) -> AtaHiddenAreas {
        AtaHiddenAreas {
            serial: Some("S1".to_owned()),
            accessible: Lba(accessible - 1),
            sector: 512,
            has_48_bit: true,
            native: Found::Last(Lba(native - 1)),
            accessible_max: Found::NoFeature,
            factory: Found::Last(Lba(factory - 1)),
        }
    }

    #[test]
    fn a_drive_that_hides_nothing_is_open_and_one_that_hides_is_closed() {
        let whole = Hidden::of(&medium(900), Ok(drive(900, 900, 900)));
        assert_eq!(whole.state(&medium(900)), HiddenAreaState::Open);
        assert!(whole.found.as_ref().is_some_and(|f| f.areas().is_empty()));
        let hides = Hidden::of(&medium(800), Ok(drive(800, 900, 1000)));
        let HiddenAreaState::Closed(what) = hides.state(&medium(800)) else { panic!("not closed") };
        assert!(what.contains("host protected area") && what.contains("device configuration overlay"), "{what}");
    }

    #[test]
    fn what_is_not_known_is_not_open() {
        let mut silent = drive(900, 900, 900);
        silent.factory = Found::NotSaid("it is frozen".to_owned());
        let silent = Hidden::of(&medium(900), Ok(silent));
        assert!(matches!(silent.state(&medium(900)), HiddenAreaState::NotExamined(why) if why.contains("frozen")));
        for (asked, words) in [
            (Err("no registers".to_owned()), "no registers"),
            (Ok(AtaHiddenAreas { serial: Some("S2".to_owned()), ..drive(800, 900, 900) }), "serial"),
            (Ok(drive(850, 900, 900)), "the kernel 409600"),
        ] {
            let hidden = Hidden::of(&medium(800), asked);
            let state = hidden.state(&medium(800));
            assert!(matches!(&state, HiddenAreaState::NotExamined(why) if why.contains(words)), "{state:?}");
        }
    }
}
