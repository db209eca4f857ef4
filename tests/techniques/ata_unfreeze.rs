//! A frozen drive, a machine that can be suspended or not, and what the drive says after it. The machine is a
//! folder of files as the kernel shows them; the drive's power is cut by the test where the kernel would.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use lastwrite::device::command::ata::security::EraseMode;
use lastwrite::device::{NoSleep, Roots, Sleep, Slept};
use lastwrite::sanitize::firmware::{
    AtaSanitize, AtaSecurityErase, End, Erase, FrozenError, Procedure, Refusal, still_frozen,
};
use lastwrite::sanitize::record::Frozen;

use super::ata_drive::AtaDrive;
use super::bench::{Bench, Medium, SERIAL};

const BOTH: [Frozen; 2] = [Frozen::Security, Frozen::Sanitize];

struct Machine(tempfile::TempDir);

impl Machine {
    fn new(states: &str) -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap());
        fs::create_dir_all(machine.file("power")).unwrap();
        fs::create_dir_all(machine.file("class/rtc/rtc0")).unwrap();
        fs::write(machine.file("power/state"), states).unwrap();
        fs::write(machine.file("power/mem_sleep"), "s2idle [deep]\n").unwrap();
        fs::write(machine.file("class/rtc/rtc0/wakealarm"), "").unwrap();
        machine
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("sys").join(name)
    }

    fn sleep(&self) -> Result<Sleep, NoSleep> {
        Sleep::of(&Roots::recorded(self.0.path()))
    }

    /// Suspended, with what happens to the drive meanwhile.
    fn suspend(&self, meanwhile: impl FnOnce()) -> Result<Slept, NoSleep> {
        let slept = self.sleep()?.suspend(Duration::from_secs(1))?;
        assert_eq!(fs::read_to_string(self.file("power/state")).unwrap(), "mem");
        meanwhile();
        Ok(slept)
    }
}

fn frozen_drive() -> (Bench, AtaDrive) {
    let medium = Medium::full();
    let mut drive = AtaDrive::new(&medium);
    (drive.security.frozen, drive.sanitize.frozen) = (true, true);
    (Bench::new(&medium), drive)
}

fn techniques() -> Vec<(Box<dyn Procedure>, Frozen)> {
    vec![
        (Box::new(AtaSanitize::new(Erase::Block)), Frozen::Sanitize),
        (Box::new(AtaSecurityErase::new(EraseMode::Normal)), Frozen::Security),
        (Box::new(AtaSecurityErase::new(EraseMode::Enhanced)), Frozen::Security),
    ]
}

#[test]
fn a_drive_that_lost_its_power_is_not_frozen_any_more_and_is_erased() {
    for (technique, what) in techniques() {
        let (bench, mut drive) = frozen_drive();
        let look = technique.look(&mut drive).unwrap();
        assert_eq!(look.frozen, Some(what));
        assert!(look.obstacle.is_some_and(|why| why.contains("--unfreeze")));
        assert_eq!(still_frozen(&mut drive, SERIAL, &BOTH), Ok(BOTH.to_vec()));
        Machine::new("freeze mem\n").suspend(|| drive.power_cycle()).unwrap();
        assert_eq!(still_frozen(&mut drive, SERIAL, &BOTH), Ok(Vec::new()));
        assert_eq!(technique.look(&mut drive).unwrap().frozen, None);
        assert!(matches!(bench.run(&*technique, &mut drive), Ok(End::Erased(_))));
        assert!(bench.medium.is_blank());
    }
}

#[test]
fn a_drive_that_is_still_frozen_is_refused_whatever_the_machine_did() {
    for (technique, what) in techniques() {
        let (bench, mut drive) = frozen_drive();
        // The firmware froze it again, or the machine kept its power.
        Machine::new("freeze mem\n").suspend(|| {}).unwrap();
        assert_eq!(still_frozen(&mut drive, SERIAL, &[what]), Ok(vec![what]));
        let refused = bench.run(&*technique, &mut drive);
        assert!(matches!(&refused, Err(Refusal::Obstacle(why)) if why.contains("frozen")), "{refused:?}");
        assert!(!bench.medium.is_blank());
    }
}

#[test]
fn another_drive_or_one_that_does_not_say_is_not_taken_for_an_unfrozen_one() {
    let (_, mut other) = frozen_drive();
    other.power_cycle();
    other.serial = b"SERIAL-2".to_vec();
    let found = still_frozen(&mut other, SERIAL, &BOTH).unwrap_err();
    assert!(matches!(&found, FrozenError::Another { drive, .. } if drive == "SERIAL-2"), "{found}");
    other.serial = b" ".to_vec();
    assert!(matches!(still_frozen(&mut other, "", &BOTH), Err(FrozenError::Another { .. })), "no name is no proof");

    let (_, mut mute) = frozen_drive();
    mute.power_cycle();
    mute.registers = false;
    assert!(still_frozen(&mut mute, SERIAL, &[Frozen::Security]).is_ok(), "a checksum vouches for IDENTIFY");
    let said = still_frozen(&mut mute, SERIAL, &BOTH);
    assert!(matches!(said, Err(FrozenError::NotSaid(_))), "{said:?}");
    mute.bad_checksum = true;
    assert!(matches!(still_frozen(&mut mute, SERIAL, &[Frozen::Security]), Err(FrozenError::NotSaid(_))));
    // What the drive said of a sanitize that failed says nothing of the frozen state.
    let (_, mut failed) = frozen_drive();
    failed.power_cycle();
    failed.sanitize.failed = true;
    assert!(matches!(still_frozen(&mut failed, SERIAL, &BOTH), Err(FrozenError::NotSaid(_))));
}

#[test]
fn what_stays_when_the_drive_thaws_is_no_reason_to_suspend_the_machine() {
    for (technique, what) in techniques() {
        let (_, mut drive) = frozen_drive();
        (drive.security.password, drive.security.locked) = (Some([3; 32]), true);
        let look = technique.look(&mut drive).unwrap();
        assert!(look.obstacle.is_some(), "{what:?}");
        assert_eq!(look.frozen, None, "it stays locked by somebody's password");
    }
}

#[test]
fn a_machine_that_cannot_or_does_not_leaves_the_drive_as_it_is() {
    let machine = Machine::new("freeze standby\n");
    let why = machine.suspend(|| panic!("it was suspended")).unwrap_err().to_string();
    assert!(why.contains("no suspend to RAM"), "{why}");

    let machine = Machine::new("freeze mem\n");
    let sleep = machine.sleep().unwrap();
    // The kernel refuses the write: here, because there is nothing to write to any more.
    fs::remove_file(machine.file("power/state")).unwrap();
    let why = sleep.suspend(Duration::from_secs(1)).unwrap_err().to_string();
    assert!(why.contains("\"mem\""), "{why}");
    let (bench, mut drive) = frozen_drive();
    let refused = bench.run(&AtaSanitize::new(Erase::Block), &mut drive);
    assert!(matches!(refused, Err(Refusal::Obstacle(_))), "{refused:?}");
}
