//! What an HPA or a DCO hides: named and excluded where nobody asked to have it back, and given back where
//! somebody did, by drives that do it, want fresh power first, only say so, or refuse.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::bench::{Bench, case, run_of};
use super::identity::{model, wait_for};
use super::table::Truth::{Excluded, Faulty, Honest};
use crate::models::ahci::SataDrive;
use crate::models::ata::{Ata, GivesBack};
use crate::rig::plug::Drive;

const ZEROS: [&str; 4] = ["--method", "clear", "--scheme", "zero"];
const BACK: [&str; 5] = ["--method", "clear", "--scheme", "zero", "--restore-hidden"];

#[test]
fn hidden_areas_are_named_and_given_back() {
    let sata = |serial: &str, change: fn(&mut Ata)| SataDrive::new(model(serial, 4, change));
    let hpa = sata("H-HPA", |d| d.hpa = 1024);
    let dco = sata("H-DCO", |d| d.dco = 1024);
    let amac = sata("H-AMAC", |d| (d.hpa, d.amac) = (1024, true));
    let power = sata("H-POWER", |d| (d.hpa, d.dco, d.gives_back) = (1024, 2048, GivesBack::OneByOne));
    let word = sata("H-WORD", |d| (d.hpa, d.gives_back) = (1024, GivesBack::ByItsWord));
    let never = sata("H-NEVER", |d| (d.dco, d.gives_back) = (1024, GivesBack::Never));
    let killed = sata("H-KILLED", |d| (d.hpa, d.gives_back_time) = (1024, Duration::from_secs(3)));
    let Some(mut bench) = Bench::start("hidden", &[&hpa, &dco, &amac, &power, &word, &never, &killed]) else { return };

    for (drive, serial, behaviour) in [
        (&hpa, "H-HPA", "is honest, and hides 1,024 sectors behind an HPA"),
        (&dco, "H-DCO", "is honest, and hides 1,024 sectors behind a DCO"),
        (&amac, "H-AMAC", "is honest, and hides 1,024 sectors behind an accessible maximum (AMAC)"),
    ] {
        excluded(&mut bench, drive, serial, behaviour);
    }
    killed_in_the_middle(&mut bench, &killed);

    // The others in one call, next to each other.
    let cases = [
        case(&hpa, "H-HPA", "SATA SSD", Honest, "is honest, and gives back what its HPA hid"),
        case(&dco, "H-DCO", "SATA SSD", Honest, "is honest, and gives back what its DCO hid"),
        case(&amac, "H-AMAC", "SATA SSD", Honest, "is honest, and gives back what its accessible maximum (AMAC) hid"),
        case(&never, "H-NEVER", "SATA SSD", Faulty, "hides 1,024 sectors behind a DCO, and does not give them back"),
    ];
    let waiting = [
        (&power, "H-POWER", "is honest, and gives back what its HPA and DCO hid, one with each power cycle"),
        (&word, "H-WORD", "says that it gives back what its HPA hides, and does not"),
    ];
    let results = wipe_together(&mut bench, &["H-HPA", "H-DCO", "H-AMAC", "H-NEVER", "H-POWER", "H-WORD"]);
    for (case, result) in cases.iter().zip(&results) {
        bench.judge(case, "overwrite, `--restore-hidden`", result);
    }
    for result in &results[..3] {
        given_back(&bench, result);
        // The run by which the area was excluded was about the same drive at another size.
        let says = document_of(&bench, "certificates", result);
        let earlier = says["facts"]["earlier_attempts"].as_array().unwrap();
        assert_eq!((earlier.len(), &earlier[0]["outcome"]), (1, &"pass".into()), "{earlier:#?}");
    }
    assert_eq!(never.left().0, never.left().1, "nothing was erased: {:#}", results[3]);
    let listed = bench.guest.lastwrite(&["--json", "resume"]).json();
    for ((drive, serial, _), result) in waiting.iter().zip(&results[4..]) {
        assert_eq!(result["outcome"], "interrupted", "{result:#}");
        assert!(result["advice"].to_string().contains("Cut the drive's power"), "{result:#}");
        assert_eq!(drive.left().0, drive.left().1, "nothing was erased");
        let run = run_of(&listed, serial).unwrap();
        // Without fresh power nothing is tried again.
        let before = drive.lock().seen.len();
        let (ran, again) = bench.resume(&run, &[]);
        assert_eq!((ran.code, &again["outcome"]), (6, &"interrupted".into()), "{again:#}");
        let changes = |seen: &[crate::models::ata::Task]| {
            seen.iter()
                .filter(|task| matches!((task.command, task.features), (0x37, _) | (0xb1, 0xc0) | (0x78, 1)))
                .count()
        };
        assert_eq!(changes(&drive.lock().seen[before..]), 0, "{serial}");
        cut_power(&mut bench, drive, serial);
    }
    for (drive, serial, behaviour) in &waiting {
        let run = run_of(&listed, serial).unwrap();
        let (ran, result) = bench.resume(&run, &[]);
        let truth = if *serial == "H-WORD" { Faulty } else { Honest };
        assert!(result["outcome"].is_string(), "{serial}: {} {}", ran.stdout, ran.stderr);
        let case = case(*drive, serial, "SATA SSD", truth, behaviour);
        bench.judge(&case, "overwrite, `--restore-hidden`, power cycle, `resume`", &result);
        if truth == Honest {
            given_back(&bench, &result);
        } else {
            assert_eq!(drive.left().0, drive.left().1, "nothing was erased: {result:#}");
        }
    }

    // What is refused goes on only where that was asked for.
    let asked = ["--method", "clear", "--scheme", "zero", "--restore-hidden=or-exclude"];
    let (ran, result) = bench.guest.wipe("H-NEVER", &asked);
    assert_eq!((ran.code, never.left().0), (0, 1024), "{result:#} {}", ran.stderr);
    let says = document_of(&bench, "certificates", &result);
    let area = &says["facts"]["hidden_areas"]["areas"][0];
    assert_eq!((&area["outcome"], &says["grade"]["mark"]), (&"excluded".into(), &"C".into()), "{says:#}");
    assert!(area["note"].to_string().contains("could not be given back"), "{says:#}");
    let behaviour = "hides 1,024 sectors behind a DCO, and does not give them back";
    let case = case(&never, "H-NEVER", "SATA SSD", Excluded, behaviour);
    let earlier = &says["facts"]["earlier_attempts"];
    assert_eq!(earlier[0]["outcome"], "fail", "{earlier:#}");
    bench.put_down(
        &case,
        "overwrite, `--restore-hidden=or-exclude`",
        "pass, certificate: the area is excluded, grade C",
    );
    // The program's own verification holds what was given back against what the drive grew by.
    let verified = bench.guest.run("lastwrite certificate verify /share/state/certificates/*.json").expect(0);
    assert!(verified.stdout.contains("told of: host protected area"), "{}", verified.stdout);
    bench.guest.lastwrite(&["custody", "audit"]).expect(0);
    bench.end();
}

/// Without the person's word the area is named in plan and certificate, and stays as it is.
fn excluded(bench: &mut Bench, drive: &SataDrive, serial: &str, behaviour: &str) {
    let (path, _) = bench.guest.drive(serial);
    let plan = bench.guest.lastwrite(&["plan", &path, "--method", "clear"]).expect(0);
    assert!(
        plan.stdout.contains("the drive hides a part of itself (") && plan.stdout.contains("524"),
        "{}",
        plan.stdout
    );
    let (ran, result) = bench.guest.wipe(serial, &ZEROS);
    assert_eq!(drive.left().0, 1024, "{result:#} {}", ran.stderr);
    let says = document_of(bench, "certificates", &result);
    let areas = &says["facts"]["hidden_areas"]["areas"];
    assert_eq!((&areas[0]["size"], &areas[0]["outcome"]), (&"524288".into(), &"excluded".into()), "{says:#}");
    assert_eq!((&says["grade"]["mark"], areas[1].is_null()), (&"C".into(), true), "{says:#}");
    assert!(says["statement"].to_string().contains("THE RUN DID NOT REACH A PART OF THE DRIVE"), "{says:#}");
    let case = case(drive, serial, "SATA SSD", Excluded, behaviour);
    bench.put_down(&case, "overwrite", "pass, certificate: the area is excluded, grade C");
}

/// The program is killed when the drive has grown and the kernel does not know it yet.
fn killed_in_the_middle(bench: &mut Bench, drive: &SataDrive) {
    bench.guest.begin_wipe(&["H-KILLED"], &BACK);
    let start = Instant::now();
    while drive.lock().hpa > 0 {
        let begun = std::fs::read_to_string(bench.share.path().join("begun")).unwrap_or_default();
        assert!(start.elapsed() < Duration::from_secs(120), "{begun}\n{}", bench.guest.console());
        std::thread::sleep(Duration::from_millis(20));
    }
    bench.guest.run("kill -9 $(pidof lastwrite); while pidof lastwrite; do sleep 0.1; done").expect(0);
    assert_eq!(bench.documents("certificates").len(), 3, "those of the drives before");
    let listed = bench.guest.lastwrite(&["--json", "resume"]).json();
    let open = listed.iter().find(|run| run.to_string().contains("H-KILLED")).unwrap();
    assert!(open["done_to_drive"].to_string().contains("SET MAX ADDRESS EXT"), "{open:#}");
    assert!(open["done_to_drive"].to_string().contains("is not known"), "{open:#}");
    assert_eq!(drive.left().0, drive.left().1, "nothing is erased yet");
    let (ran, result) = bench.resume(&run_of(&listed, "H-KILLED").unwrap(), &[]);
    assert!(result["outcome"].is_string(), "{} {}", ran.stdout, ran.stderr);
    let behaviour = "is honest; the program is killed when the drive has grown and the kernel does not know it yet";
    let case = case(drive, "H-KILLED", "SATA SSD", Honest, behaviour);
    bench.judge(&case, "overwrite, `--restore-hidden`, then `resume`", &result);
    given_back(bench, &result);
}

fn wipe_together(bench: &mut Bench, serials: &[&str]) -> Vec<Value> {
    let mut all = vec!["--json".to_owned(), "wipe".to_owned()];
    let mut paths = Vec::new();
    for serial in serials {
        let (path, token) = bench.guest.drive(serial);
        all.extend([path.clone(), "--confirm".to_owned(), token]);
        paths.push(path);
    }
    all.extend(BACK.map(str::to_owned));
    let ran = bench.guest.lastwrite(&all.iter().map(String::as_str).collect::<Vec<_>>());
    // The worst of them: a drive that refused.
    assert_eq!(ran.code, 4, "{}\n{}", ran.stdout, ran.stderr);
    let lines = ran.json();
    let result = |path: &String| lines.iter().rfind(|l| l["target"] == **path && l["outcome"].is_string()).cloned();
    paths.iter().map(|path| result(path).unwrap_or_else(|| panic!("{path}: {}", ran.stdout))).collect()
}

/// The cable is pulled and plugged again, and with it the power.
fn cut_power(bench: &mut Bench, drive: &SataDrive, serial: &str) {
    drive.lock().gone = true;
    wait_for(bench, serial, false);
    {
        let mut drive = drive.lock();
        drive.power_on();
        drive.gone = false;
    }
    wait_for(bench, serial, true);
}

pub(super) fn document_of(bench: &Bench, folder: &str, result: &Value) -> Value {
    let found = bench.documents(folder).into_iter().find(|d| d["facts"]["run_id"] == result["run_id"]);
    found.unwrap_or_else(|| panic!("no document of {result:#}"))
}

/// The certificate shows the drive before and after, what was sent, and that nothing is hidden any more.
#[track_caller]
pub(super) fn given_back(bench: &Bench, result: &Value) {
    let says = document_of(bench, "certificates", result);
    let (facts, hidden) = (&says["facts"], &says["facts"]["hidden_areas"]);
    let areas = hidden["areas"].as_array().unwrap();
    assert!(!areas.is_empty() && areas.iter().all(|area| area["outcome"] == "given_back"), "{hidden:#}");
    assert_eq!(facts["medium"]["identity"]["size"], (4 << 20).to_string(), "{hidden:#}");
    let before: u64 = hidden["restored"]["before"]["size"].as_str().unwrap().parse().unwrap();
    assert!(before < 4 << 20 && hidden["restored"]["before"]["serial"] == facts["medium"]["identity"]["serial"]);
    assert!(hidden["exchanges"].to_string().contains("IDENTIFY DEVICE"), "{hidden:#}");
    assert_eq!(says["grade"]["mark"], "A", "{:#}", says["grade"]);
}
