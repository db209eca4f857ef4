//! All that a drive hides given back, over as many starts of a run as it takes: what is noted, when the
//! power has to be cut, and what counts as "cannot be given back".

use lastwrite::media::Transport as Bus;
use lastwrite::sanitize::firmware::{
    DiaryError, HiddenError, Hides, Power, RestoreEnd, RestoreNote, RestorePlan, Restoring, Step, restore,
};
use lastwrite::sanitize::record::Otherwise;
use lastwrite::units::{Bytes, Lba};

use super::ata_drive::AtaDrive;
use super::bench::{Medium, SERIAL};

/// A drive, what a person agreed to, and a journal.
struct Station {
    drive: AtaDrive,
    plan: RestorePlan,
    past: Restoring,
    power: Power,
    /// Notes that can still be written.
    room: u32,
}

impl Station {
    fn new(accessible: u64, native: u64, factory: u64, change: impl FnOnce(&mut AtaDrive)) -> Station {
        let mut drive = AtaDrive::new(&Medium::full());
        (drive.max.accessible, drive.max.native, drive.max.factory) = (accessible, native, factory);
        change(&mut drive);
        let areas = Hides::examine(&mut drive, Bus::Ata).unwrap();
        let plan = RestorePlan::of(&areas, Otherwise::Refuse).unwrap();
        let power = Power { boot: Some("boot".to_owned()), diskseq: Some(Bytes(1)) };
        drive.sent.clear();
        Station { drive, plan, past: Restoring::default(), power, room: u32::MAX }
    }

    fn start(&mut self) -> Result<RestoreEnd, HiddenError> {
        let Station { drive, plan, past, power, room } = self;
        let mut notes = Vec::new();
        let mut note = |note: RestoreNote| {
            *room = room.checked_sub(1).ok_or_else(|| DiaryError("no space left on device".to_owned()))?;
            notes.push(note);
            Ok(())
        };
        let end = restore(drive, Bus::Ata, Some(SERIAL), plan, past, power, &mut note);
        // As it would be read back.
        let text = serde_json::to_string(&notes).unwrap();
        let notes: Vec<RestoreNote> = serde_json::from_str(&text).unwrap();
        notes.iter().for_each(|note| past.apply(note));
        end
    }

    fn cut_power(&mut self) {
        self.drive.power_cycle();
        self.power.diskseq = self.power.diskseq.map(|seq| Bytes(seq.0 + 1));
    }

    fn changes(&self) -> Vec<&'static str> {
        let names = self.drive.names().into_iter();
        names.filter(|name| name.starts_with("SET ") || name.ends_with("RESTORE")).collect()
    }

    fn ends_whole(&mut self, last: u64) {
        match self.start() {
            Ok(RestoreEnd::Whole(areas)) => assert_eq!(areas.accessible(), Lba(last)),
            other => panic!("{other:?}"),
        }
    }

    fn needs_power(&mut self) -> String {
        match self.start() {
            Ok(RestoreEnd::PowerNeeded { why }) => why,
            other => panic!("{other:?}"),
        }
    }

    fn keeps(&mut self) -> String {
        match self.start() {
            Ok(RestoreEnd::Keeps { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_hidden_area_of_each_kind_is_given_back_in_one_start() {
    let amac = |drive: &mut AtaDrive| {
        (drive.max.has_hpa, drive.max.has_dco, drive.max.has_amac) = (false, false, true);
    };
    for (mut station, command) in [
        (Station::new(800, 900, 900, |_| {}), "SET MAX ADDRESS EXT"),
        (Station::new(800, 900, 900, amac), "SET ACCESSIBLE MAX ADDRESS EXT"),
        (Station::new(800, 800, 900, |_| {}), "DEVICE CONFIGURATION RESTORE"),
    ] {
        station.ends_whole(899);
        assert_eq!(station.changes(), [command]);
        assert_eq!((station.past.sent.len(), station.past.done.len()), (1, 1));
        assert_eq!(station.plan.steps[0].size, Bytes(900 * 512));
        // A later start finds nothing to do.
        station.ends_whole(899);
        assert_eq!(station.changes(), [command]);
    }
}

#[test]
fn two_areas_need_the_power_cut_in_between_and_nothing_is_sent_before_it_was() {
    let mut station = Station::new(800, 900, 1000, |_| {});
    assert_eq!(station.plan.steps.iter().map(|s| s.size.0 / 512).collect::<Vec<_>>(), [900, 1000]);
    assert!(station.needs_power().contains("DEVICE CONFIGURATION RESTORE"));
    assert_eq!(station.changes(), ["SET MAX ADDRESS EXT", "DEVICE CONFIGURATION RESTORE"]);
    let words = station.past.words();
    assert!(words[0].contains("SET MAX ADDRESS EXT (last address 899): the drive did it"), "{words:?}");
    assert!(words[1].contains("not known") && words[2].contains("power to be cut"), "{words:?}");

    let sent = station.changes().len();
    assert!(station.needs_power().contains("does not look as if the drive's power was cut"));
    assert_eq!(station.changes().len(), sent, "nothing is tried again without fresh power");
    station.cut_power();
    station.ends_whole(999);
    assert_eq!(station.changes().len(), sent + 1);
}

#[test]
fn a_drive_that_shows_its_new_size_only_with_fresh_power_is_believed_then() {
    let mut station = Station::new(800, 900, 900, |drive| drive.max.shows_late = true);
    assert!(station.needs_power().contains("799 instead of 899"));
    station.cut_power();
    station.ends_whole(899);
    assert_eq!(station.changes(), ["SET MAX ADDRESS EXT"]);
}

#[test]
fn a_drive_that_claims_to_have_given_back_and_did_not_keeps_it() {
    let mut station = Station::new(800, 900, 900, |drive| drive.max.honest = false);
    station.needs_power();
    station.cut_power();
    assert!(station.keeps().contains("without growing"));
    assert_eq!(station.changes().len(), 2);
    assert!(station.past.done.is_empty());
}

#[test]
fn a_drive_that_refuses_with_fresh_power_keeps_it() {
    let mut station = Station::new(800, 800, 900, |drive| drive.max.dco_frozen = true);
    assert!(station.keeps().contains("could not be given back"));
    assert!(station.past.waits.is_none() && station.past.done.is_empty());
}

#[test]
fn a_start_that_was_cut_right_after_the_command_is_taken_up() {
    // The command was noted and sent, and then the machine died.
    let mut station = Station::new(800, 900, 900, |_| {});
    station.room = 1;
    assert!(matches!(station.start(), Err(HiddenError::Diary(_))), "what it did cannot be noted");
    assert_eq!(station.changes(), ["SET MAX ADDRESS EXT"]);
    assert_eq!((station.past.sent.len(), station.past.done.len()), (1, 0));
    assert!(station.past.words()[0].contains("not known"));
    station.room = u32::MAX;
    station.ends_whole(899);
    assert_eq!(station.changes(), ["SET MAX ADDRESS EXT"], "it is not sent twice");

    // And one that was cut between the note and the command.
    let mut station = Station::new(800, 900, 900, |_| {});
    let (step, power) = (Step::SetMax(Lba(899)), station.power.clone());
    station.past.apply(&RestoreNote::Sending { step, power });
    station.ends_whole(899);
}

#[test]
fn nothing_changes_a_drive_that_was_not_agreed_on_or_noted() {
    let mut station = Station::new(800, 900, 900, |_| {});
    station.room = 0;
    assert!(matches!(station.start(), Err(HiddenError::Diary(_))));
    assert_eq!(station.changes(), [""; 0]);

    station.room = u32::MAX;
    station.drive.max.native = 950;
    assert!(station.keeps().contains("the plan does not know"));
    station.drive.serial = b"ANOTHER".to_vec();
    assert!(matches!(station.start(), Err(HiddenError::NotSaid(why)) if why.contains("another serial number")));
    assert_eq!(station.changes(), [""; 0]);
}
