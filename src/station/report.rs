//! What each drive says of itself when it is asked by its own commands: what it can do, what stands in
//! the way, how it is. Changes nothing. What was not answered is said to be unknown.

use std::time::Duration;

use serde::Serialize;

use super::asking::side_by_side;
use super::hidden::{UNREACHED, area_words};
use super::offers::Answers;
use crate::device::Roots;
use crate::device::command::ata::identify::{Identify, identify_device};
use crate::device::command::ata::smart;
use crate::device::command::scsi::{
    self, LOG_DATA, LogPage, endurance_used, expects_to_fail, log_sense, power_on_minutes, supported_logs, temperature,
    uncorrected_errors,
};
use crate::device::command::{Data, nvme};
use crate::device::transport::{Linux, Transport};
use crate::media::{CommandSet, Health, HiddenArea, Medium};
use crate::policy::Technique;
use crate::sanitize::firmware::{
    AtaHiddenAreas, BootPartitions, Maximum, NvmeCapacity, Psids, ScsiCapacity, candidates,
};

/// So long a drive may take to answer everything; one that is asleep spins up first.
const PATIENCE: Duration = Duration::from_secs(20);
const ONE: Duration = Duration::from_secs(10);

/// The answers of one drive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DriveReport {
    /// Techniques of its own that are worth asking for on its bus.
    pub techniques: Vec<TechniqueReport>,
    /// ATA Security; absent where it does not have it or did not say.
    pub security: Option<SecurityReport>,
    /// Areas that the host cannot address; absent: not known.
    pub hidden_areas: Option<Vec<HiddenArea>>,
    /// Its health by its own account; absent: not known.
    pub health: Option<Health>,
    /// What could not be asked, and why.
    pub unknown: Vec<String>,
}

/// One technique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TechniqueReport {
    /// Which.
    pub technique: Technique,
    /// Absent: it did not say.
    pub supported: Option<bool>,
    /// Why it would be refused now.
    pub obstacle: Option<String>,
    /// The drive's own estimate.
    pub estimate_seconds: Option<u64>,
}

/// ATA Security (IDENTIFY DEVICE word 128).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SecurityReport {
    /// A user password is set.
    pub enabled: bool,
    /// Reads and writes are refused until it is given.
    pub locked: bool,
    /// Security commands are refused until the next power cycle.
    pub frozen: bool,
    /// Too many wrong passwords were tried.
    pub count_expired: bool,
}

/// Asks all drives side by side. `None` for what has no commands of its own; a drive that does not
/// answer in time holds up nobody.
pub fn reports(roots: &Roots, media: &[Medium]) -> Vec<Option<DriveReport>> {
    let mut reports: Vec<Option<DriveReport>> = media.iter().map(|_| None).collect();
    let asked: Vec<usize> = (0..media.len()).filter(|at| !candidates(&media[*at]).is_empty()).collect();
    let jobs = asked.iter().map(|at| {
        let (roots, medium) = (roots.clone(), media[*at].clone());
        move || ask(&roots, &medium)
    });
    for (at, report) in asked.iter().zip(side_by_side(jobs, PATIENCE)) {
        reports[*at] = Some(report.unwrap_or_else(unknown));
    }
    reports
}

fn unknown(why: String) -> DriveReport {
    DriveReport { unknown: vec![why], ..DriveReport::default() }
}

fn ask(roots: &Roots, medium: &Medium) -> DriveReport {
    let answers = Answers::ask(roots, medium, &candidates(medium), &Psids::default(), BootPartitions::Erase, &[]);
    let mut report = DriveReport::default();
    let mut unanswered: Vec<String> = Vec::new();
    for (technique, look) in &answers.looks {
        let (supported, obstacle, estimate) = match look {
            Ok(look) => (Some(look.supported), look.obstacle.clone(), look.estimate),
            Err(why) => {
                if !unanswered.contains(why) {
                    unanswered.push(why.clone());
                }
                (None, None, None)
            }
        };
        let estimate_seconds = estimate.map(|time| time.as_secs());
        report.techniques.push(TechniqueReport { technique: *technique, supported, obstacle, estimate_seconds });
    }
    report.unknown = unanswered;
    let Ok(mut path) = Linux::to_ask(roots, medium) else { return report };
    let offers = path.offers();
    if offers.contains(&CommandSet::Nvme) {
        ask_nvme(&mut path, &mut report);
    } else {
        let is_ata = offers.contains(&CommandSet::Ata) && ask_ata(&mut path, &mut report);
        if !is_ata && offers.contains(&CommandSet::Scsi) {
            ask_scsi(&mut path, &mut report);
        }
    }
    report
}

fn ask_nvme(path: &mut Linux, report: &mut DriveReport) {
    if let Ok(found) = NvmeCapacity::examine(path) {
        // That nothing is shown says that there is nothing only where all of it is told.
        report.hidden_areas = Some(found.areas()).filter(|areas| !areas.is_empty() || found.not_known().is_none());
    }
    let mut log = [0; 512];
    if path.nvme_admin(&nvme::health_log(), Data::In(&mut log), ONE).is_ok_and(|done| done.is_success()) {
        report.health = nvme::health(&log).filter(|health| !health.is_empty());
    }
}

/// A disk that need not say whether it hides anything leaves it unknown.
fn ask_scsi(path: &mut dyn Transport, report: &mut DriveReport) {
    if let Ok(disk) = ScsiCapacity::examine(path)
        && matches!(disk.maximum, Maximum::Shown(_))
    {
        report.hidden_areas = Some(disk.report(UNREACHED));
    }
    report.health = scsi_health(path);
}

/// By those of its log pages that it lists.
fn scsi_health(path: &mut dyn Transport) -> Option<Health> {
    let mut read = |page: LogPage| -> Option<Vec<u8>> {
        let mut data = vec![0; LOG_DATA];
        let answer = path.scsi(&log_sense(page), Data::In(&mut data), ONE).ok().filter(scsi::Outcome::is_good)?;
        data.truncate(answer.transferred);
        Some(data)
    };
    let listed = read(LogPage::Supported)?;
    let listed = supported_logs(&listed)?.to_vec();
    let mut log = |page: LogPage| if listed.contains(&page.code()) { read(page) } else { None };
    let exceptions = log(LogPage::InformationalExceptions);
    let mut errors: Option<u64> = None;
    for page in [LogPage::WriteErrors, LogPage::ReadErrors, LogPage::VerifyErrors] {
        let found = log(page).and_then(|data| uncorrected_errors(page, &data));
        errors = found.map_or(errors, |found| Some(errors.unwrap_or(0).saturating_add(found)));
    }
    let health = Health {
        failing: exceptions.and_then(|data| expects_to_fail(&data)),
        media_errors: errors,
        wear: log(LogPage::SolidStateMedia).and_then(|data| endurance_used(&data)),
        temperature: log(LogPage::Temperature).and_then(|data| temperature(&data)),
        hours: log(LogPage::BackgroundScan).and_then(|data| power_on_minutes(&data)).map(|m| u64::from(m / 60)),
        ..Health::default()
    };
    Some(health).filter(|health| !health.is_empty())
}

/// Whether it is an ATA drive.
fn ask_ata(path: &mut Linux, report: &mut DriveReport) -> bool {
    let mut data = [0; 512];
    let identified = path.ata(&identify_device(), Data::In(&mut data), ONE);
    let Some(drive) = identified.ok().filter(|o| o.is_success()).and_then(|_| Identify::parse(&data).ok()) else {
        return false;
    };
    report.security = drive.security.map(|security| SecurityReport {
        enabled: security.enabled,
        locked: security.locked,
        frozen: security.frozen,
        count_expired: security.count_expired,
    });
    // Without a word of the drive it stays unknown.
    report.hidden_areas = AtaHiddenAreas::examine(path).ok().map(|areas| areas.report(UNREACHED));
    let mut health = Health::default();
    if let Ok(outcome) = path.ata(&smart::return_status(), Data::None, ONE) {
        health.failing = smart::is_failing(&outcome);
    }
    let mut values = [0; 512];
    let read = path.ata(&smart::read_data(), Data::In(&mut values), ONE);
    if read.is_ok_and(|outcome| outcome.is_success())
        && let Some(more) = smart::attributes(&values)
    {
        health = health.or(more);
    }
    report.health = Some(health).filter(|health| !health.is_empty());
    true
}

impl DriveReport {
    /// A few lines for a person: what it can do, and how it is.
    pub fn lines(&self) -> Vec<String> {
        let names: Vec<String> = self.techniques.iter().filter(|t| t.supported == Some(true)).map(words).collect();
        let can = (!names.is_empty()).then(|| format!("can: {}", names.join(", ")));
        can.into_iter().chain(self.state()).collect()
    }

    /// How it is: security, hidden areas, health, and what could not be asked.
    pub fn state(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(security) = &self.security {
            let states = [
                (security.enabled, "password set"),
                (security.locked, "LOCKED"),
                (security.frozen, "frozen"),
                (security.count_expired, "too many wrong passwords"),
            ];
            let words: Vec<&str> = states.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
            let words = if words.is_empty() { "no password, not frozen".to_owned() } else { words.join(", ") };
            lines.push(format!("ATA security: {words}"));
        }
        for area in self.hidden_areas.iter().flatten() {
            lines.push(format!("hidden: {}", area_words(area)));
        }
        let health = self.health.as_ref().map_or("not known".to_owned(), health_words);
        lines.push(format!("health: {health}"));
        lines.extend(self.unknown.iter().map(|why| format!("unknown: {why}")));
        lines
    }
}

fn words(technique: &TechniqueReport) -> String {
    let name = technique.technique.name();
    match (&technique.obstacle, technique.estimate_seconds) {
        (Some(obstacle), _) => format!("{name} (not now: {obstacle})"),
        (None, Some(seconds)) => format!("{name} ({seconds} s)"),
        (None, None) => name.to_owned(),
    }
}

fn health_words(health: &Health) -> String {
    let mut words = Vec::new();
    match health.failing {
        Some(true) => words.push("EXPECTS TO FAIL".to_owned()),
        Some(false) => words.push("good by its own account".to_owned()),
        None => {}
    }
    let counts =
        [("reallocated", health.reallocated), ("pending", health.pending), ("media errors", health.media_errors)];
    words.extend(counts.iter().filter_map(|(what, n)| Some(format!("{} {what}", (*n)?))));
    words.extend(health.wear.map(|wear| format!("{wear} % worn")));
    words.extend(health.temperature.map(|degrees| format!("{degrees} °C")));
    words.extend(health.hours.map(|hours| format!("{hours} hours")));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::transport::{Scripted, TransportError};

    /// A disk whose log pages are these.
    fn disk(pages: &[(LogPage, &[u8])]) -> (Scripted, crate::device::transport::Script) {
        let (path, script) = Scripted::new(&[CommandSet::Scsi]);
        for (page, body) in pages {
            let data = [&[page.code(), 0, 0, body.len() as u8][..], *body].concat();
            let good = scsi::Outcome { transferred: data.len(), ..scsi::Outcome::default() };
            script.always_scsi_in(&log_sense(*page), &data, Ok(good));
        }
        (path, script)
    }

    #[test]
    fn a_scsi_disk_tells_its_health_by_the_log_pages_that_it_lists() {
        let scan = [0, 0, 3, 12, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let pages: [(LogPage, &[u8]); 7] = [
            (LogPage::Supported, &[0x00, 0x02, 0x03, 0x0D, 0x11, 0x15, 0x2F]),
            (LogPage::WriteErrors, &[0, 6, 2, 4, 0, 0, 0, 2]),
            (LogPage::ReadErrors, &[0, 6, 2, 8, 0, 0, 0, 0, 0, 0, 1, 0]),
            (LogPage::Temperature, &[0, 0, 1, 2, 0, 34]),
            (LogPage::SolidStateMedia, &[0, 1, 3, 4, 0, 0, 0, 7]),
            (LogPage::BackgroundScan, &scan),
            (LogPage::InformationalExceptions, &[0, 0, 3, 4, 0, 0, 34, 0]),
        ];
        let (mut path, script) = disk(&pages);
        let expected = Health {
            failing: Some(false),
            media_errors: Some(258),
            wear: Some(7),
            temperature: Some(34),
            hours: Some(65_536 / 60),
            ..Health::default()
        };
        assert_eq!(scsi_health(&mut path), Some(expected));
        // The list, and the pages in it: nothing else is asked for.
        assert_eq!(script.sent(), 7);
        script.finish();
    }

    #[test]
    fn what_a_scsi_disk_does_not_say_is_not_known() {
        let (mut path, script) =
            disk(&[(LogPage::Supported, &[0x00, 0x0D]), (LogPage::Temperature, &[0, 0, 1, 2, 0, 0xFF])]);
        assert_eq!(scsi_health(&mut path), None);
        script.finish();
        // A list that was promised and does not come, or ends in an error.
        let (mut path, script) = Scripted::new(&[CommandSet::Scsi]);
        script.scsi_in(&log_sense(LogPage::Supported), &[], Err(TransportError::not_supported("LOG SENSE")));
        assert_eq!(scsi_health(&mut path), None);
        let (mut path, script) = Scripted::new(&[CommandSet::Scsi]);
        let failed = scsi::Outcome { status: scsi::CHECK_CONDITION, transferred: 8, ..scsi::Outcome::default() };
        script.scsi_in(&log_sense(LogPage::Supported), &[0, 0, 0, 2, 0, 0x0D, 0, 0], Ok(failed));
        assert_eq!(scsi_health(&mut path), None);
        // Bytes beyond what was transferred are none of the disk's.
        let (mut path, script) = disk(&[(LogPage::Supported, &[0x00, 0x11])]);
        let cut = scsi::Outcome { transferred: 9, ..scsi::Outcome::default() };
        let page = [0x11, 0, 0, 8, 0, 1, 3, 4, 0, 0, 0, 7];
        script.always_scsi_in(&log_sense(LogPage::SolidStateMedia), &page, Ok(cut));
        assert_eq!(scsi_health(&mut path), None);
    }

    #[test]
    fn unknown_is_said_to_be_unknown() {
        let technique = |technique, supported, obstacle: Option<&str>| TechniqueReport {
            technique,
            supported,
            obstacle: obstacle.map(str::to_owned),
            estimate_seconds: Some(120),
        };
        let report = DriveReport {
            techniques: vec![
                technique(Technique::AtaSanitizeBlock, Some(true), None),
                technique(Technique::AtaSanitizeCrypto, Some(false), None),
                technique(Technique::AtaSecurityErase, Some(true), Some("it is frozen")),
                technique(Technique::AtaSecurityEraseEnhanced, None, None),
            ],
            security: Some(SecurityReport { enabled: false, locked: false, frozen: true, count_expired: false }),
            unknown: vec!["no registers".to_owned()],
            ..DriveReport::default()
        };
        assert_eq!(
            report.lines(),
            [
                "can: ata-sanitize-block (120 s), ata-security-erase (not now: it is frozen)",
                "ATA security: frozen",
                "health: not known",
                "unknown: no registers"
            ]
        );
        assert!(serde_json::to_value(&report).unwrap()["health"].is_null());
    }
}
