//! The machine suspended to RAM, and woken by its own clock: the one way in which software cuts the power
//! of a drive.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{AccessFlags, access};

use super::Roots;

/// Can suspend this machine to RAM and have it wake by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sleep {
    /// `/sys/power`.
    power: PathBuf,
    /// `/sys/class/rtc/rtc0`.
    clock: PathBuf,
}

/// The machine was suspended, and runs again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slept {
    /// For how long, by the difference of the kernel's clocks.
    pub time: Duration,
    /// What could not be put back as it was.
    pub remark: Option<String>,
}

/// The machine cannot be suspended to RAM, or was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSleep(String);

impl NoSleep {
    /// For another reason than the machine's own.
    pub fn because(why: impl Into<String>) -> NoSleep {
        NoSleep(why.into())
    }
}

impl Sleep {
    /// Whether the machine can do it. Changes nothing.
    pub fn of(roots: &Roots) -> Result<Sleep, NoSleep> {
        let sleep = Sleep { power: roots.sys.join("power"), clock: roots.sys.join("class/rtc/rtc0") };
        let state = sleep.power.join("state");
        let states = read(&state)?;
        if !states.split_whitespace().any(|word| word == "mem") {
            return Err(NoSleep(format!("the kernel offers no suspend to RAM (it offers: {})", or_none(&states))));
        }
        // Kernels before 4.10 have no such file; there `mem` is suspend to RAM.
        if let Some(kinds) = sleep.kinds()?
            && !kinds.split_whitespace().any(|word| bare(word) == "deep")
        {
            return Err(NoSleep(format!(
                "this machine's suspend does not cut the power of drives (it offers: {}, and no deep)",
                or_none(&kinds)
            )));
        }
        let alarm = sleep.clock.join("wakealarm");
        sleep.alarm_is_free()?;
        if read(&sleep.clock.join("device/power/wakeup")).is_ok_and(|word| word.trim() == "disabled") {
            return Err(NoSleep("the machine's clock may not wake it (rtc0 device/power/wakeup is disabled)".into()));
        }
        for file in [&state, &alarm] {
            access(file.as_path(), AccessFlags::W_OK).map_err(|error| {
                NoSleep(format!("{} cannot be written to ({error}): run it as root", file.display()))
            })?;
        }
        Ok(sleep)
    }

    /// Suspends the machine. It is woken by the alarm of its clock after `wake_after` (whole seconds), which
    /// counts from now and not from when it sleeps. Blocks until it runs again.
    pub fn suspend(&self, wake_after: Duration) -> Result<Slept, NoSleep> {
        self.alarm_is_free()?;
        let before = self.choose_deep()?;
        let slept = self.set_alarm(wake_after).and_then(|()| self.sleep());
        let mut left = Vec::new();
        if let Err(error) = write(&self.clock.join("wakealarm"), "0") {
            left.push(error.0);
        }
        if let Some(before) = before
            && let Err(error) = write(&self.power.join("mem_sleep"), &before)
        {
            left.push(error.0);
        }
        let remark = (!left.is_empty()).then(|| format!("not put back as it was: {}", left.join("; ")));
        match (slept, remark) {
            (Ok(time), remark) => Ok(Slept { time, remark }),
            (Err(NoSleep(why)), Some(remark)) => Err(NoSleep(format!("{why}; {remark}"))),
            (Err(error), None) => Err(error),
        }
    }

    fn sleep(&self) -> Result<Duration, NoSleep> {
        let before = slept_so_far();
        write(&self.power.join("state"), "mem")?;
        Ok(slept_so_far().saturating_sub(before))
    }

    fn kinds(&self) -> Result<Option<String>, NoSleep> {
        let path = self.power.join("mem_sleep");
        match fs::read_to_string(&path) {
            Ok(kinds) => Ok(Some(kinds)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(NoSleep(format!("{} cannot be read: {error}", path.display()))),
        }
    }

    /// The kind that was chosen before, where another one had to be.
    fn choose_deep(&self) -> Result<Option<String>, NoSleep> {
        let Some(kinds) = self.kinds()? else { return Ok(None) };
        let chosen = kinds.split_whitespace().find(|word| word.starts_with('[')).map(bare);
        if chosen == Some("deep") {
            return Ok(None);
        }
        write(&self.power.join("mem_sleep"), "deep")?;
        Ok(chosen.map(str::to_owned))
    }

    /// Nobody else waits for the alarm. The kernel shows seconds since 1970, or nothing.
    fn alarm_is_free(&self) -> Result<(), NoSleep> {
        let set = read(&self.clock.join("wakealarm"))
            .map_err(|NoSleep(why)| NoSleep(format!("the machine's clock has no alarm that could wake it: {why}")))?;
        let Ok(at) = set.trim().parse::<u64>() else { return Ok(()) };
        let now = read(&self.clock.join("since_epoch")).ok().and_then(|now| now.trim().parse::<u64>().ok());
        match now {
            // It went off, and stays to be seen.
            Some(now) if at <= now => Ok(()),
            _ => Err(NoSleep(format!("the alarm of the machine's clock is in use (set to {at} s since 1970)"))),
        }
    }

    fn set_alarm(&self, wake_after: Duration) -> Result<(), NoSleep> {
        let alarm = self.clock.join("wakealarm");
        // One that went off stands in the way of the next on some kernels.
        write(&alarm, "0")?;
        write(&alarm, &format!("+{}", wake_after.as_secs().max(1)))?;
        match read(&alarm)?.trim() {
            "" | "0" => Err(NoSleep("the machine's clock took no alarm".to_owned())),
            _ => Ok(()),
        }
    }
}

/// CLOCK_BOOTTIME goes on while the machine sleeps, CLOCK_MONOTONIC does not.
fn slept_so_far() -> Duration {
    let of = |clock| clock_gettime(clock).map(Duration::from).unwrap_or_default();
    of(ClockId::CLOCK_BOOTTIME).saturating_sub(of(ClockId::CLOCK_MONOTONIC))
}

fn bare(word: &str) -> &str {
    word.trim_start_matches('[').trim_end_matches(']')
}

fn or_none(words: &str) -> &str {
    let words = words.trim();
    if words.is_empty() { "nothing" } else { words }
}

fn read(path: &Path) -> Result<String, NoSleep> {
    fs::read_to_string(path).map_err(|error| NoSleep(format!("{} cannot be read: {error}", path.display())))
}

/// In one call, as attributes want it; nothing is created.
fn write(path: &Path, word: &str) -> Result<(), NoSleep> {
    let written =
        OpenOptions::new().write(true).truncate(true).open(path).and_then(|mut f| f.write_all(word.as_bytes()));
    written.map_err(|error| NoSleep(format!("writing {word:?} to {} failed: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine's power folder and clock.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Machine {
            let machine = Machine(tempfile::tempdir().unwrap());
            fs::create_dir_all(machine.path("power")).unwrap();
            fs::create_dir_all(machine.path("class/rtc/rtc0/device/power")).unwrap();
            for (name, text) in [
                ("power/state", "freeze mem disk\n"),
                ("power/mem_sleep", "[s2idle] deep\n"),
                ("class/rtc/rtc0/wakealarm", ""),
                ("class/rtc/rtc0/since_epoch", "1000\n"),
                ("class/rtc/rtc0/device/power/wakeup", "enabled\n"),
            ] {
                machine.says(name, text);
            }
            machine
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join("sys").join(name)
        }

        fn says(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn heard(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).unwrap()
        }

        fn sleep(&self) -> Result<Sleep, NoSleep> {
            Sleep::of(&Roots::recorded(self.0.path()))
        }
    }

    #[test]
    fn a_machine_is_suspended_deeply_and_left_as_it_was() {
        let machine = Machine::new();
        let sleep = machine.sleep().unwrap();
        assert_eq!(machine.heard("power/mem_sleep"), "[s2idle] deep\n", "a look changes nothing");
        let slept = sleep.suspend(Duration::from_secs(30)).unwrap();
        assert_eq!(slept.remark, None);
        assert_eq!(machine.heard("power/state"), "mem");
        assert_eq!(machine.heard("power/mem_sleep"), "s2idle", "put back");
        assert_eq!(machine.heard("class/rtc/rtc0/wakealarm"), "0", "and the alarm is off");
        machine.says("power/state", "mem");
        machine.says("power/mem_sleep", "s2idle [deep]\n");
        machine.says("class/rtc/rtc0/wakealarm", "900\n");
        machine.sleep().unwrap().suspend(Duration::from_secs(1)).unwrap();
        assert_eq!(machine.heard("power/mem_sleep"), "s2idle [deep]\n", "nothing had to be chosen");
        fs::remove_file(machine.path("power/mem_sleep")).unwrap();
        machine.says("class/rtc/rtc0/wakealarm", "");
        assert!(machine.sleep().is_ok(), "an old kernel");
    }

    #[test]
    fn a_machine_that_cannot_says_why() {
        for (name, text, why) in [
            ("power/state", "freeze disk\n", "no suspend to RAM (it offers: freeze disk)"),
            ("power/state", "\n", "it offers: nothing"),
            ("power/mem_sleep", "[s2idle]\n", "does not cut the power of drives"),
            ("class/rtc/rtc0/wakealarm", "2000\n", "in use"),
            ("class/rtc/rtc0/device/power/wakeup", "disabled\n", "may not wake it"),
        ] {
            let machine = Machine::new();
            machine.says(name, text);
            let refused = machine.sleep().unwrap_err().to_string();
            assert!(refused.contains(why), "{name}: {refused}");
        }
        for (name, why) in [("power/state", "cannot be read"), ("class/rtc/rtc0/wakealarm", "has no alarm")] {
            let machine = Machine::new();
            fs::remove_file(machine.path(name)).unwrap();
            let refused = machine.sleep().unwrap_err().to_string();
            assert!(refused.contains(why), "{name}: {refused}");
        }
    }

    #[test]
    fn a_write_that_fails_leaves_alarm_and_kind_as_they_were() {
        let machine = Machine::new();
        let sleep = machine.sleep().unwrap();
        fs::remove_file(machine.path("power/state")).unwrap();
        let why = sleep.suspend(Duration::from_secs(30)).unwrap_err().to_string();
        assert!(why.contains("\"mem\"") && why.contains("power/state"), "{why}");
        assert_eq!(machine.heard("power/mem_sleep"), "s2idle");
        assert_eq!(machine.heard("class/rtc/rtc0/wakealarm"), "0");
        assert!(!machine.path("power/state").exists(), "nothing is created in its place");

        // Somebody set the alarm since: it is theirs, and nothing is touched.
        let machine = Machine::new();
        let sleep = machine.sleep().unwrap();
        machine.says("class/rtc/rtc0/wakealarm", "1500\n");
        assert!(sleep.suspend(Duration::from_secs(30)).unwrap_err().to_string().contains("in use"));
        assert_eq!(machine.heard("class/rtc/rtc0/wakealarm"), "1500\n");
        assert_eq!(machine.heard("power/state"), "freeze mem disk\n");
    }
}
