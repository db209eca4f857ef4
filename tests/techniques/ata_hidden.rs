use lastwrite::sanitize::firmware::{AtaHiddenAreas, DiaryError, Found, HiddenError, Step, give_back};
use lastwrite::units::{Bytes, Lba};

use super::ata_drive::AtaDrive;
use super::bench::Medium;

fn drive(accessible: u64, native: u64, factory: u64) -> AtaDrive {
    let mut drive = AtaDrive::new(&Medium::full());
    (drive.max.accessible, drive.max.native, drive.max.factory) = (accessible, native, factory);
    drive
}

fn step(drive: &mut AtaDrive) -> Result<(Step, AtaHiddenAreas), HiddenError> {
    let step = AtaHiddenAreas::examine(drive)?.next();
    let mut noted = None;
    let areas = give_back(drive, &step, &mut |step| {
        noted = Some(step.clone());
        Ok(())
    })?;
    assert_eq!(noted.unwrap_or(Step::Nothing), step);
    Ok((step, areas))
}

#[test]
fn hpa_and_overlay_are_found_and_given_back_in_the_standards_order() {
    let mut drive = drive(800, 900, 1000);
    let areas = AtaHiddenAreas::examine(&mut drive).unwrap();
    let found: Vec<_> = areas.report("x").into_iter().map(|area| (area.kind, area.size)).collect();
    let expected = [
        ("host_protected_area".to_owned(), Some(Bytes(100 * 512))),
        ("device_configuration_overlay".to_owned(), Some(Bytes(100 * 512))),
    ];
    assert_eq!(found, expected);

    let (first, areas) = step(&mut drive).unwrap();
    assert_eq!((first, areas.accessible), (Step::SetMax(Lba(899)), Lba(899)));
    // READ NATIVE MAX immediately before SET MAX.
    let names = drive.names();
    let at = names.iter().position(|name| *name == "SET MAX ADDRESS EXT").unwrap();
    assert_eq!(names[at - 1], "READ NATIVE MAX ADDRESS EXT");

    // The overlay needs a power cycle in between: without one the drive refuses, and says what helps.
    let refused = step(&mut drive).unwrap_err();
    assert!(matches!(&refused, HiddenError::Refused(why) if why.contains("pull the drive's power")), "{refused}");
    drive.power_cycle();
    let (second, areas) = step(&mut drive).unwrap();
    assert_eq!((second, areas.accessible), (Step::RestoreConfiguration(Lba(999)), Lba(999)));
    drive.power_cycle();
    assert_eq!(step(&mut drive).unwrap().0, Step::Nothing);
    assert!(AtaHiddenAreas::examine(&mut drive).unwrap().report("x").is_empty());
}

#[test]
fn an_accessible_maximum_is_given_back() {
    let mut drive = drive(800, 900, 900);
    (drive.max.has_hpa, drive.max.has_dco, drive.max.has_amac) = (false, false, true);
    assert_eq!(AtaHiddenAreas::examine(&mut drive).unwrap().report("x")[0].kind, "accessible_max_address");
    let (step, areas) = step(&mut drive).unwrap();
    assert_eq!((step, areas.accessible, areas.native), (Step::SetAccessibleMax(Lba(899)), Lba(899), Found::NoFeature));
}

#[test]
fn a_drive_that_takes_the_command_and_does_not_grow_is_found_out() {
    for (accessible, native, factory) in [(800, 900, 900), (900, 900, 1000)] {
        let mut drive = drive(accessible, native, factory);
        drive.max.honest = false;
        let refused = step(&mut drive).unwrap_err();
        assert!(matches!(refused, HiddenError::NotGrown { .. }), "{refused}");
        assert!(refused.to_string().contains("cut its power"));
    }
}

#[test]
fn what_the_drive_does_not_say_is_not_nothing() {
    let mut drive = drive(900, 900, 1000);
    drive.registers = false;
    let areas = AtaHiddenAreas::examine(&mut drive).unwrap();
    assert!(matches!(areas.native, Found::NotSaid(_)));
    let report = areas.report("x");
    assert_eq!((report[0].kind.as_str(), report[0].size), ("host_protected_area", None));
    assert!(report[0].note.starts_with("not known"));
    // The overlay came as data with a checksum: that is enough.
    assert_eq!(areas.factory, Found::Last(Lba(999)));
    // A frozen overlay cannot be restored.
    drive.registers = true;
    drive.max.dco_frozen = true;
    assert!(matches!(step(&mut drive), Err(HiddenError::Refused(_))));
}

#[test]
fn nothing_is_sent_that_is_not_noted_before() {
    let mut drive = drive(800, 900, 900);
    let step = AtaHiddenAreas::examine(&mut drive).unwrap().next();
    drive.sent.clear();
    let refused = give_back(&mut drive, &step, &mut |_| Err(DiaryError("no space left on device".to_owned())));
    assert!(matches!(refused, Err(HiddenError::Diary(_))));
    assert_eq!(drive.names(), ["IDENTIFY DEVICE"]);
    // Another native maximum than the one that was consented to.
    drive.max.native = 950;
    let refused = give_back(&mut drive, &step, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(&refused, HiddenError::Refused(why) if why.contains("949 now, and was 899")), "{refused}");
    assert_eq!(drive.max.accessible, 800);
}
