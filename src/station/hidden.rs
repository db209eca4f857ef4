//! Areas of a drive that the host cannot address: what the drive says of them. Asks, and changes nothing.

use crate::device::Roots;
use crate::device::transport::Linux;
use crate::media::{AreaOutcome, HiddenArea, Kind, Medium, MediumClass, Transport as Bus};
use crate::policy::HiddenAreaState;
use crate::sanitize::firmware::{
    BOOT_PARTITIONS, GENERAL_PURPOSE_PARTITIONS, Hides, Maximum, MmcAreas, NvmeCapacity, RestorePlan, SHORT_CAPACITY,
    ScsiCapacity, UNALLOCATED_CAPACITY, UNATTACHED_NAMESPACES,
};
use crate::sanitize::record::{HiddenAreas, Otherwise};
use crate::units::human_bytes;

pub(super) const UNREACHED: &str = "no host write reaches it";

/// What is known of a medium's hidden areas before a run.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// What was found. `None`: there is nothing that could be asked.
    found: Option<HiddenAreas>,
    /// What the drive said; by this its areas can be given back.
    drive: Option<Hides>,
}

/// Why it is not known what is behind a USB bridge.
const BRIDGE: &str = "what is behind a USB bridge cannot be told: an ATA disk may hide an HPA or a DCO there";

impl Hidden {
    /// Whether there is anything that could be asked.
    pub fn is_asked(medium: &Medium) -> bool {
        let on_bus = match medium.transport {
            Bus::Ata | Bus::Sas | Bus::Scsi | Bus::Usb | Bus::NvmePcie | Bus::NvmeFabrics => true,
            Bus::Mmc => medium.kind == Kind::Emmc && medium.identity.unit.is_none(),
            _ => false,
        };
        on_bus && medium.class == MediumClass::Physical && medium.partition.is_none()
    }

    /// Of a drive that was not asked, or gave no answer.
    pub fn unasked(medium: &Medium, why: &str) -> Hidden {
        let found = Hidden::is_asked(medium).then(|| HiddenAreas::NotExamined { why: why.to_owned() });
        Hidden { found, drive: None }
    }

    /// Asks the drive.
    pub fn ask(roots: &Roots, medium: &Medium) -> Hidden {
        if !Hidden::is_asked(medium) {
            return Hidden::default();
        }
        match medium.transport {
            Bus::Ata | Bus::Sas | Bus::Scsi | Bus::Usb => {
                let asked = Linux::to_ask(roots, medium)
                    .map_err(|error| format!("the drive could not be asked: {error}"))
                    .and_then(|mut path| Hides::examine(&mut path, medium.transport).map_err(|e| e.to_string()));
                Hidden::of(medium, asked)
            }
            Bus::NvmePcie | Bus::NvmeFabrics => {
                let asked = Linux::to_ask(roots, medium)
                    .map_err(|error| format!("the drive could not be asked: {error}"))
                    .and_then(|mut path| NvmeCapacity::examine(&mut path));
                Hidden { found: Some(of_subsystem(medium, asked)), drive: None }
            }
            Bus::Mmc => {
                let asked = Linux::to_ask(roots, medium)
                    .map_err(|error| format!("the card could not be asked: {error}"))
                    .and_then(|mut path| MmcAreas::examine(&mut path));
                Hidden { found: Some(of_card(asked)), drive: None }
            }
            _ => Hidden::default(),
        }
    }

    /// From what the drive answered.
    fn of(medium: &Medium, asked: Result<Hides, String>) -> Hidden {
        match asked.and_then(|drive| same_drive(medium, drive)) {
            Ok(drive) => {
                let found = match &drive {
                    Hides::Scsi(disk) if !matches!(disk.maximum, Maximum::Shown(_)) => not_told(medium, disk),
                    Hides::Ata(_) | Hides::Scsi(_) => examined(medium, &drive),
                };
                Hidden { found: Some(found), drive: Some(drive) }
            }
            Err(why) => Hidden { found: Some(HiddenAreas::NotExamined { why }), drive: None },
        }
    }

    /// For plan, journal and certificate, where what was found is to be given back by this plan, or is not.
    pub fn told(&self, medium: &Medium, restore: Option<&RestorePlan>) -> Option<HiddenAreas> {
        match (&self.drive, restore) {
            // It will be told to give back whatever there is, and that is what becomes known of it.
            (Some(drive @ Hides::Scsi(_)), Some(_)) => Some(examined(medium, drive)),
            _ => self.found.clone(),
        }
    }

    /// What the drive hides now.
    pub fn areas(&self) -> impl Iterator<Item = &HiddenArea> {
        let areas = self.found.as_ref().map_or(&[][..], HiddenAreas::areas);
        areas.iter().filter(|area| area.outcome.is_none())
    }

    /// What has to be done before anything is erased so that nothing stays hidden, where a person wants
    /// that; or why it cannot be done.
    pub fn restore(&self, medium: &Medium, wanted: Option<Otherwise>) -> Result<Option<RestorePlan>, String> {
        let Some(otherwise) = wanted else { return Ok(None) };
        // What answers behind a USB bridge is told to change only where it says that there is something; and one
        // path of several is not made to show another capacity than the others.
        let may = |drive: &&Hides| {
            let says = matches!(drive, Hides::Scsi(ScsiCapacity { maximum: Maximum::Shown(_), .. }));
            medium.other_paths.is_empty() && (medium.transport != Bus::Usb || says)
        };
        let plan = self.drive.as_ref().filter(may).and_then(|drive| RestorePlan::of(drive, otherwise));
        if otherwise == Otherwise::Exclude {
            return Ok(plan);
        }
        if medium.partition.is_some() || !medium.other_paths.is_empty() {
            return Err("only a whole drive on one path can be given back what it hides".to_owned());
        }
        if let (Some(Hides::Scsi(disk)), Bus::Sas | Bus::Scsi) = (&self.drive, medium.transport) {
            // What it does not tell before it shows by being told to give it back.
            return plan.map(Some).ok_or_else(|| disk.not_known());
        }
        if matches!(self.drive, Some(Hides::Scsi(_))) {
            return Err(BRIDGE.to_owned());
        }
        let unknown = self.found.as_ref().and_then(|found| found.with(AreaOutcome::Unknown).next());
        if let Some(area) = unknown {
            return Err(format!("whether the drive has a {} is {}", area.kind.replace('_', " "), area.note));
        }
        if let Some(area) = self.areas().find(|area| !is_area_of_card(area)).filter(|_| plan.is_none()) {
            return Err(format!("no command of the drive gives it back: {}; {}", area_words(area), area.note));
        }
        match &self.found {
            Some(HiddenAreas::NotExamined { why }) if !is_nvme(medium) && medium.transport != Bus::Mmc => {
                Err(format!("what the drive hides could not be asked: {why}"))
            }
            None if can_hide_unseen(medium) => {
                let why = "what the drive hides cannot be asked on this path: it is no SCSI disk, and no ATA disk on an \
                           ATA port";
                Err(why.to_owned())
            }
            _ => Ok(plan),
        }
    }

    /// As policy wants to know it, where what was found is to be given back by this plan.
    pub fn state_with(&self, medium: &Medium, restore: Option<&RestorePlan>) -> HiddenAreaState {
        // A SCSI disk need not say before what MODE SELECT has it give back.
        let is_open = |area: &HiddenArea| area.kind != SHORT_CAPACITY;
        let known = |found: HiddenAreas| !found.with(AreaOutcome::Unknown).any(is_open);
        match restore.is_some() && self.told(medium, restore).is_some_and(known) {
            true => HiddenAreaState::GivenBackFirst,
            false => self.state(medium),
        }
    }

    /// As policy wants to know it, with nothing given back.
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
            Some(found @ HiddenAreas::Examined { .. })
                if matches!(medium.transport, Bus::Ata | Bus::Mmc) || is_nvme(medium) =>
            {
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
                HiddenAreaState::NotExamined(format!("hidden areas were not examined: {why}"))
            }
            _ => HiddenAreaState::NotExamined("HPA, DCO and over-provisioned areas were not examined".to_owned()),
        }
    }
}

fn examined(medium: &Medium, drive: &Hides) -> HiddenAreas {
    let mut areas = drive.report(UNREACHED);
    if matches!(drive, Hides::Scsi(_)) && medium.transport == Bus::Usb {
        areas.push(behind_bridge());
    }
    HiddenAreas::Examined { by: drive.asked_by(), areas, exchanges: Vec::new(), restored: None }
}

/// There may be more behind a USB bridge than what answers there.
fn behind_bridge() -> HiddenArea {
    HiddenArea {
        kind: "host_protected_area".to_owned(),
        size: None,
        note: format!("not known: {BRIDGE}"),
        outcome: Some(AreaOutcome::Unknown),
    }
}

fn not_told(medium: &Medium, disk: &ScsiCapacity) -> HiddenAreas {
    let why = if medium.transport == Bus::Usb { BRIDGE.to_owned() } else { disk.not_known() };
    HiddenAreas::NotExamined { why }
}

/// Whether the drive may have a host protected area, or the like, of which nothing here can tell.
fn can_hide_unseen(medium: &Medium) -> bool {
    let without = matches!(medium.transport, Bus::Mmc | Bus::Loop | Bus::Memory);
    medium.class == MediumClass::Physical && !without && !is_nvme(medium)
}

/// Whose answer it was, and whether the kernel sees all that the drive offers.
fn same_drive(medium: &Medium, drive: Hides) -> Result<Hides, String> {
    let kernel = medium.identity.serial.as_deref().map(str::trim);
    if drive.serial() != kernel {
        let (kernel, drive) = (kernel.unwrap_or("nothing"), drive.serial().unwrap_or("nothing"));
        return Err(format!("the kernel says serial {kernel:?}, and on this path the drive itself says {drive:?}"));
    }
    let size = drive.size();
    if size != Some(medium.geometry.size) {
        let says = size.map_or("more".to_owned(), |size| size.to_string());
        return Err(format!("the drive says that it has {says} bytes, and the kernel {}", medium.geometry.size));
    }
    Ok(drive)
}

fn is_nvme(medium: &Medium) -> bool {
    matches!(medium.transport, Bus::NvmePcie | Bus::NvmeFabrics)
}

/// From what an NVMe controller answered.
fn of_subsystem(medium: &Medium, asked: Result<NvmeCapacity, String>) -> HiddenAreas {
    let found = match asked {
        Ok(found) => found,
        Err(why) => return HiddenAreas::NotExamined { why },
    };
    let kernel = medium.identity.serial.as_deref().map(str::trim);
    if kernel.is_some() && found.serial.as_deref() != kernel {
        let (kernel, drive) = (kernel.unwrap_or("nothing"), found.serial.as_deref().unwrap_or("nothing"));
        let why = format!("the kernel says serial {kernel:?}, and the controller itself says {drive:?}");
        return HiddenAreas::NotExamined { why };
    }
    let (areas, by) = (found.areas(), NvmeCapacity::asked_by());
    match found.not_known() {
        Some(why) if areas.is_empty() => HiddenAreas::NotExamined { why: why.to_owned() },
        _ => HiddenAreas::Examined { by, areas, exchanges: Vec::new(), restored: None },
    }
}

/// From what an eMMC card answered.
fn of_card(asked: Result<MmcAreas, String>) -> HiddenAreas {
    match asked {
        Ok(card) => {
            HiddenAreas::Examined { by: card.asked_by(), areas: card.report(), exchanges: Vec::new(), restored: None }
        }
        Err(why) => HiddenAreas::NotExamined { why },
    }
}

/// It is not hidden: it has a node of its own beside that of the card.
pub(super) fn is_area_of_card(area: &HiddenArea) -> bool {
    [BOOT_PARTITIONS, GENERAL_PURPOSE_PARTITIONS].contains(&area.kind.as_str())
}

/// No command gives it back; Sanitize reaches it.
pub(super) fn only_sanitize_reaches(area: &HiddenArea) -> bool {
    [UNALLOCATED_CAPACITY, UNATTACHED_NAMESPACES].contains(&area.kind.as_str())
}

/// `host protected area, 524 kB`.
pub(super) fn area_words(area: &HiddenArea) -> String {
    let size = area.size.map_or("size unknown".to_owned(), |size| human_bytes(size.0));
    format!("{}, {size}", area.kind.replace('_', " "))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::media::{Geometry, Identity, Kind, Zoned};
    use crate::sanitize::firmware::{AtaHiddenAreas, Found, Unattached};
    use crate::units::{Bytes, Lba};

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

    fn ata(accessible: u64, native: u64, factory: u64) -> AtaHiddenAreas {
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

    fn drive(accessible: u64, native: u64, factory: u64) -> Hides {
        Hides::Ata(ata(accessible, native, factory))
    }

    fn disk(accessible: u64, maximum: Maximum) -> Hides {
        let serial = Some("S1".to_owned());
        Hides::Scsi(ScsiCapacity { serial, accessible: Lba(accessible - 1), sector: 512, long: true, maximum })
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
    fn what_is_to_be_given_back_is_planned_step_by_step_or_refused() {
        let refuse = Some(Otherwise::Refuse);
        let hides = Hidden::of(&medium(800), Ok(drive(800, 900, 1000)));
        assert_eq!(hides.restore(&medium(800), None), Ok(None));
        let plan = hides.restore(&medium(800), refuse).unwrap().unwrap();
        let sizes: Vec<_> = plan.steps.iter().map(|step| (step.step.name(), step.size.0 / 512)).collect();
        assert_eq!(sizes, [("SET MAX ADDRESS EXT", 900), ("DEVICE CONFIGURATION RESTORE", 1000)]);
        assert_eq!(hides.state_with(&medium(800), Some(&plan)), HiddenAreaState::GivenBackFirst);
        assert!(matches!(hides.state_with(&medium(800), None), HiddenAreaState::Closed(_)));
        let whole = Hidden::of(&medium(900), Ok(drive(900, 900, 900)));
        assert_eq!(whole.restore(&medium(900), refuse), Ok(None));

        let frozen = AtaHiddenAreas { factory: Found::NotSaid("it is frozen".to_owned()), ..ata(800, 900, 1000) };
        let frozen = Hidden::of(&medium(800), Ok(Hides::Ata(frozen)));
        assert!(frozen.restore(&medium(800), refuse).unwrap_err().contains("frozen"));
        let part = frozen.restore(&medium(800), Some(Otherwise::Exclude)).unwrap().unwrap();
        assert!(matches!(frozen.state_with(&medium(800), Some(&part)), HiddenAreaState::Closed(_)));
        let silent = Hidden::of(&medium(800), Err("no registers".to_owned()));
        assert!(silent.restore(&medium(800), refuse).unwrap_err().contains("no registers"));
        let usb = Medium { transport: Bus::Usb, ..medium(800) };
        assert!(Hidden::default().restore(&usb, refuse).unwrap_err().contains("cannot be asked on this path"));
        let image = Medium { class: MediumClass::Image, transport: Bus::File, ..medium(800) };
        assert_eq!(Hidden::default().restore(&image, refuse), Ok(None));
    }

    #[test]
    fn a_scsi_disk_is_whole_only_once_it_was_told_to_be() {
        let (refuse, exclude) = (Some(Otherwise::Refuse), Some(Otherwise::Exclude));
        let sas = Medium { transport: Bus::Sas, ..medium(800) };
        let usb = Medium { transport: Bus::Usb, ..medium(800) };
        let shown = |medium: &Medium| Hidden::of(medium, Ok(disk(800, Maximum::Shown(Lba(899)))));
        let silent = |medium: &Medium| Hidden::of(medium, Ok(disk(800, Maximum::Repeated)));
        for medium in [&sas, &usb] {
            assert!(
                matches!(shown(medium).state(medium), HiddenAreaState::Closed(what) if what.contains("short capacity"))
            );
            assert!(matches!(silent(medium).state(medium), HiddenAreaState::NotExamined(_)));
            assert!(matches!(silent(medium).told(medium, None), Some(HiddenAreas::NotExamined { .. })));
            let plan = shown(medium).restore(medium, exclude).unwrap().unwrap();
            assert_eq!(plan.steps[0].size, Bytes(900 * 512));
        }
        for hidden in [shown(&sas), silent(&sas)] {
            let plan = hidden.restore(&sas, refuse).unwrap().unwrap();
            assert_eq!(hidden.state_with(&sas, Some(&plan)), HiddenAreaState::GivenBackFirst);
            assert_eq!(hidden.told(&sas, Some(&plan)).unwrap().areas()[0].kind, SHORT_CAPACITY);
        }
        let mute = Hidden::of(&sas, Ok(disk(800, Maximum::NotSaid("no descriptor".to_owned()))));
        assert!(mute.restore(&sas, refuse).unwrap_err().contains("no descriptor"));
        assert_eq!(mute.restore(&sas, exclude), Ok(None));

        let paths = Medium { other_paths: vec!["/dev/sdy".into()], ..sas.clone() };
        assert!(shown(&paths).restore(&paths, refuse).unwrap_err().contains("one path"));
        assert_eq!(shown(&paths).restore(&paths, exclude), Ok(None));

        // Behind a bridge there may be more than what answers.
        for hidden in [shown(&usb), silent(&usb)] {
            assert!(hidden.restore(&usb, refuse).unwrap_err().contains("USB bridge"));
        }
        assert_eq!(silent(&usb).restore(&usb, exclude), Ok(None), "nothing is sent to what says nothing");
        let plan = shown(&usb).restore(&usb, exclude).unwrap().unwrap();
        assert!(matches!(shown(&usb).state_with(&usb, Some(&plan)), HiddenAreaState::Closed(_)));
        let told = shown(&usb).told(&usb, Some(&plan)).unwrap();
        assert_eq!(told.with(AreaOutcome::Unknown).count(), 1);
    }

    fn foreign(bytes: Option<u128>) -> Unattached {
        Unattached { nsid: 2, bytes, size: 8 }
    }

    /// An NVMe drive whose controller is not attached to namespace 2.
    pub fn namespaces_beside() -> Hidden {
        let nvme = Medium { transport: Bus::NvmePcie, ..medium(800) };
        let capacity = NvmeCapacity {
            serial: Some("S1".to_owned()),
            total: Some(1000),
            unallocated: 0,
            attached: vec![Some(991)],
            unattached: vec![foreign(Some(9))],
        };
        Hidden { found: Some(of_subsystem(&nvme, Ok(capacity))), drive: None }
    }

    #[test]
    fn a_subsystem_is_open_only_where_its_namespaces_are_all_of_it() {
        let nvme = Medium { transport: Bus::NvmePcie, ..medium(800) };
        let all = NvmeCapacity {
            serial: Some("S1".to_owned()),
            total: Some(1000),
            unallocated: 0,
            attached: vec![Some(600), Some(400)],
            unattached: Vec::new(),
        };
        let of = |found: NvmeCapacity| Hidden { found: Some(of_subsystem(&nvme, Ok(found))), drive: None };
        assert_eq!(of(all.clone()).state(&nvme), HiddenAreaState::Open);
        for (found, kind, size) in [
            (NvmeCapacity { unallocated: 7, ..all.clone() }, "unallocated_capacity", 7),
            (NvmeCapacity { total: Some(1007), ..all.clone() }, "unallocated_capacity", 7),
            (NvmeCapacity { total: None, unallocated: 7, ..all.clone() }, "unallocated_capacity", 7),
            (
                NvmeCapacity { total: Some(1009), unattached: vec![foreign(Some(9))], ..all.clone() },
                UNATTACHED_NAMESPACES,
                9,
            ),
            (NvmeCapacity { total: None, unattached: vec![foreign(None)], ..all.clone() }, UNATTACHED_NAMESPACES, 8),
        ] {
            let hidden = of(found);
            let areas: Vec<_> = hidden.areas().map(|area| (area.kind.as_str(), area.size)).collect();
            assert_eq!(areas, [(kind, Some(Bytes(size)))]);
            assert!(matches!(hidden.state(&nvme), HiddenAreaState::Closed(_)));
            // No command gives it back.
            assert!(hidden.restore(&nvme, Some(Otherwise::Refuse)).unwrap_err().contains("Sanitize does"));
            assert_eq!(hidden.restore(&nvme, Some(Otherwise::Exclude)), Ok(None));
        }
        for (found, words) in [
            (NvmeCapacity { total: None, ..all.clone() }, "TNVMCAP"),
            (NvmeCapacity { attached: vec![Some(600), None], ..all.clone() }, "NVMCAP"),
            (NvmeCapacity { serial: Some("S2".to_owned()), ..all.clone() }, "S2"),
        ] {
            let hidden = of(found);
            assert!(matches!(hidden.state(&nvme), HiddenAreaState::NotExamined(why) if why.contains(words)), "{words}");
            assert_eq!(hidden.restore(&nvme, Some(Otherwise::Refuse)), Ok(None), "there is nothing to give back");
        }
        let silent = Hidden { found: Some(of_subsystem(&nvme, Err("Invalid Field".to_owned()))), drive: None };
        assert!(matches!(silent.state(&nvme), HiddenAreaState::NotExamined(_)));
    }

    #[test]
    fn what_is_not_known_is_not_open() {
        let silent = AtaHiddenAreas { factory: Found::NotSaid("it is frozen".to_owned()), ..ata(900, 900, 900) };
        let silent = Hidden::of(&medium(900), Ok(Hides::Ata(silent)));
        assert!(matches!(silent.state(&medium(900)), HiddenAreaState::NotExamined(why) if why.contains("frozen")));
        for (asked, words) in [
            (Err("no registers".to_owned()), "no registers"),
            (Ok(Hides::Ata(AtaHiddenAreas { serial: Some("S2".to_owned()), ..ata(800, 900, 900) })), "serial"),
            (Ok(drive(850, 900, 900)), "the kernel 409600"),
        ] {
            let hidden = Hidden::of(&medium(800), asked);
            let state = hidden.state(&medium(800));
            assert!(matches!(&state, HiddenAreaState::NotExamined(why) if why.contains(words)), "{state:?}");
        }
    }
}
