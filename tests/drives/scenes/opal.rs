//! TCG Opal behind the kernel's own driver: a revert by the PSID of the label, what the drive says of it, and what
//! it did. The PSID is found nowhere afterwards.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::bench::{Bench, case, run_of};
use super::hidden::document_of;
use super::table::Truth::{BeyondAnyHost, Faulty, Honest};
use crate::models::nvme::Nvme;
use crate::models::nvme_bus::NvmeDrive;
use crate::models::opal::{Answer, Told, Tper};
use crate::rig::Erase;
use crate::rig::plug::{Drive, Plug, Powered};

const KIND: &str = "NVMe SSD with TCG Opal";
const ASKED: &str = "`opal-psid-revert`";
const REVERT: &str = "IOC_OPAL_PSID_REVERT_TPR";
const FILE: &str = "/tmp/psids";
const WORDS: [&str; 4] = ["--technique", "opal-psid-revert", "--psid-file", FILE];

fn drive(serial: &str, change: impl FnOnce(&mut Nvme, &mut Tper)) -> NvmeDrive {
    let mut model = Nvme::new(serial, 2);
    model.oacs = 3;
    let mut tper = Tper::new(&psid(serial));
    change(&mut model, &mut tper);
    model.tper = Some(tper);
    NvmeDrive::new(model)
}

fn erasing(serial: &str, erase: Erase) -> NvmeDrive {
    drive(serial, |d, _| d.erase = erase)
}

/// What stands on the label: 32 letters and digits.
fn psid(serial: &str) -> String {
    let mut state = serial.bytes().fold(7u32, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[(state >> 16) as usize % 36])
    };
    (0..32).map(|_| letter()).collect()
}

fn told(drive: &NvmeDrive) -> Vec<Told> {
    drive.lock().tper.as_ref().unwrap().told.clone()
}

/// Puts a file of them into the guest, where only its memory has it.
fn give(bench: &mut Bench, psids: &[(&str, String)]) {
    let lines: String = psids.iter().map(|(serial, psid)| format!("{serial} {psid}\\n")).collect();
    bench.guest.run(&format!("umask 077; printf '{lines}' >{FILE}")).expect(0);
}

#[test]
fn opal_psid_revert() {
    let honest = erasing("T-HONEST", Erase::Whole);
    let slow = drive("T-SLOW", |d, _| d.erase_time = Duration::from_secs(8));
    let locked = drive("T-LOCKED", |_, t| t.locked = true);
    let lies = drive("T-LIES", |d, t| (d.erase, t.locked) = (Erase::Nothing, true));
    let first = drive("T-OPAL1", |_, t| t.ssc = 0x0200);
    let unmaps = erasing("T-UNMAPS", Erase::OnlyUnmaps);
    let wrong = erasing("T-WRONG", Erase::Whole);
    let out = drive("T-OUT", |_, t| t.tries = 4);
    let nothing = erasing("T-NOTHING", Erase::Nothing);
    let half = erasing("T-HALF", Erase::Half);
    let fails = erasing("T-FAILS", Erase::Fails);
    let stays = drive("T-STAYS", |d, t| (d.erase, t.keeps_locking) = (Erase::Nothing, true));
    let aborts = drive("T-ABORTS", |d, t| (d.erase, t.answer) = (Erase::Nothing, Answer::Aborted));
    let tacit = drive("T-TACIT", |_, t| t.answer = Answer::Aborted);
    let silent = drive("T-SILENT", |_, t| t.answer = Answer::Never);
    let missing = drive("T-MISSING", |d, _| d.oacs = 2);
    let pyrite = drive("T-PYRITE", |_, t| t.ssc = 0x0303);
    let all = [
        &honest, &slow, &locked, &lies, &first, &unmaps, &wrong, &out, &nothing, &half, &fails, &stays, &aborts,
        &tacit, &silent, &missing, &pyrite,
    ];
    let plugs: Vec<_> = all.iter().map(|d| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("opal", &plugs) else { return };
    // What answers nothing is given up by the kernel after this, and not after a minute.
    bench.guest.run("echo 15 >/sys/module/nvme_core/parameters/admin_timeout").expect(0);

    let cases = [
        case(&honest, "T-HONEST", KIND, Honest, "is honest"),
        case(&slow, "T-SLOW", KIND, Honest, "is honest, and takes its time"),
        case(&locked, "T-LOCKED", KIND, Honest, "is honest, and locked by a password that nobody knows"),
        case(&first, "T-OPAL1", KIND, Honest, "is honest, and of Opal 1"),
        case(
            &unmaps,
            "T-UNMAPS",
            KIND,
            BeyondAnyHost,
            "reports success, unmaps, reads zeros back, and keeps its cells",
        ),
        case(
            &lies,
            "T-LIES",
            KIND,
            BeyondAnyHost,
            "is locked by a password that nobody knows, reports success, and erases nothing",
        ),
        case(&wrong, "T-WRONG", KIND, Faulty, "has another PSID than the one that was given"),
        case(&nothing, "T-NOTHING", KIND, Faulty, "reports success and erases nothing"),
        case(&half, "T-HALF", KIND, Faulty, "reports success and erases half"),
        case(&fails, "T-FAILS", KIND, Faulty, "reports failure"),
        case(&stays, "T-STAYS", KIND, Faulty, "reports success, erases nothing, and locking stays enabled"),
        case(&aborts, "T-ABORTS", KIND, Faulty, "erases nothing, and aborts the command that asks for its answer"),
        case(&tacit, "T-TACIT", KIND, Faulty, "erases, and aborts the command that asks for its answer"),
        case(&silent, "T-SILENT", KIND, Faulty, "erases, and never answers"),
        case(&missing, "T-MISSING", KIND, Faulty, "has no Security Send and Receive (OACS)"),
        case(
            &pyrite,
            "T-PYRITE",
            "NVMe SSD with TCG Pyrite",
            Faulty,
            "is of Pyrite, which the kernel's driver does not know",
        ),
    ];
    let mut psids: Vec<(&str, String)> = cases.iter().map(|c| (c.serial, psid(c.serial))).collect();
    for other in ["T-WRONG", "T-OUT"] {
        psids.retain(|(serial, _)| *serial != other);
        psids.push((other, psid("another")));
    }
    give(&mut bench, &psids);

    let (path, _) = bench.guest.drive("T-HONEST");
    let needed = bench.guest.lastwrite(&["plan", &path, "--technique", "opal-psid-revert"]).expect(3);
    assert!(needed.stderr.contains("its PSID is needed"), "{}", needed.stderr);
    let plan = bench.guest.lastwrite(&[&["plan", &path][..], &WORDS].concat()).expect(0);
    assert!(plan.stdout.contains(REVERT), "{}", plan.stdout);
    assert_eq!(told(&honest), [], "looking opens no session");

    let results = bench.wipe(&cases, ASKED, &WORDS);
    let reverted = [Told::StartSession(0), Told::Revert];
    for drive in [&honest, &slow, &locked, &first] {
        assert_eq!(told(drive), reverted);
        let tper = drive.lock();
        assert!(!tper.tper.as_ref().unwrap().locking_enabled);
    }
    assert_eq!(told(&wrong), [Told::StartSession(1)], "one try, and no second one");
    assert_eq!(told(&fails), [&reverted[..], &[Told::EndOfSession]].concat());
    assert_eq!((told(&missing), told(&pyrite)), (Vec::new(), Vec::new()));
    for untouched in [&missing, &pyrite] {
        assert_eq!(untouched.left().0, untouched.left().1, "nothing is written to it");
    }
    // Blocks of known content were.
    assert!(wrong.left().0 > 4000);

    let says = document_of(&bench, "certificates", &results[0]);
    let sent = says["facts"]["firmware"]["exchanges"].as_array().unwrap();
    let recorded: Vec<_> =
        sent.iter().filter(|e| e["set"] == "opal").map(|e| [&e["name"], &e["data_out"], &e["reply"]["code"]]).collect();
    let at = recorded.iter().position(|[name, ..]| *name == REVERT).unwrap_or_else(|| panic!("{sent:#?}"));
    assert_eq!(recorded[at][1..], ["redacted", "0"]);
    // The kernel's flags: supported, locking supported, and until the revert enabled.
    assert!(recorded[..at].iter().all(|[.., flags]| *flags == "7") && at > 0, "{recorded:?}");
    assert!(recorded[at + 1..].iter().all(|[.., flags]| *flags == "3") && recorded.len() > at + 1, "{recorded:?}");
    let of = |serial: &str| &results[cases.iter().position(|case| case.serial == serial).unwrap()];
    // Nothing could be written to them before.
    for serial in ["T-LOCKED", "T-LIES"] {
        assert_eq!(of(serial)["proven"], "completion_only");
        let says = document_of(&bench, "certificates", of(serial));
        assert!(says["statement"].to_string().contains("the drive's word is all there is"), "{says:#}");
        assert_eq!(says["grade"]["mark"], "D", "{:#}", says["grade"]);
    }
    // What the driver gives back may be a command's status instead of the method's.
    for serial in ["T-ABORTS", "T-TACIT"] {
        assert!(of(serial)["message"].to_string().contains("or the NVMe status of a command that failed (07h)"));
    }

    // The fifth wrong one in a row, and then the right one.
    let locked_out = case(&out, "T-OUT", KIND, Faulty, "has been given five wrong PSIDs, and locks out the right one");
    let (_, result) = bench.guest.wipe("T-OUT", &WORDS);
    assert_eq!(result["outcome"], "fail", "{result:#}");
    psids.push(("T-OUT", psid("T-OUT")));
    psids.retain(|(serial, given)| *serial != "T-OUT" || *given == psid("T-OUT"));
    give(&mut bench, &psids);
    bench.wipe(&[locked_out], ASKED, &WORDS);
    assert_eq!(told(&out), [Told::StartSession(0x01), Told::StartSession(0x12)]);

    bench.guest.run("lastwrite certificate verify /share/state/certificates/*.json").expect(0);
    bench.guest.lastwrite(&["custody", "audit"]).expect(0);
    psids.push(("", psid("another")));
    psids.push(("", psid("T-WRONG")));
    nowhere(&mut bench, &psids);
    bench.end();
}

/// The machine loses power when the drive has not reverted yet, and when it has and nobody was told.
#[test]
fn power_cut_opal() {
    let before = drive("P-BEFORE", |d, _| d.erase_time = Duration::from_secs(600));
    let after = drive("P-AFTER", |_, t| t.answer = Answer::Never);
    let drives = [(&before, "P-BEFORE"), (&after, "P-AFTER")];
    let plugs: Vec<_> = drives.iter().map(|(d, _)| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("power-opal", &plugs) else { return };
    let psids = drives.map(|(_, serial)| (serial, psid(serial)));
    give(&mut bench, &psids);
    bench.guest.begin_wipe(&drives.map(|(_, serial)| serial), &WORDS);
    let start = Instant::now();
    while !(before.busy() && after.left().0 == 0) {
        let begun = std::fs::read_to_string(bench.share.path().join("begun")).unwrap_or_default();
        assert!(start.elapsed() < Duration::from_secs(120), "{begun}\n{}", bench.guest.console());
        std::thread::sleep(Duration::from_millis(50));
    }
    drives.iter().for_each(|(drive, _)| drive.power(false));
    bench.guest.cut();
    assert_eq!(bench.documents("certificates").len() + bench.documents("failures").len(), 0);
    assert!(before.left().0 > 4000, "nothing is erased yet, and blocks of known content are written");
    for (drive, _) in drives {
        drive.power(true);
        drive.pace(Duration::from_secs(1), Duration::ZERO);
        let mut drive = drive.lock();
        let tper = drive.tper.as_mut().unwrap();
        tper.answer = Answer::Given;
        tper.told.clear();
    }
    bench.boot_again(&plugs);
    let listed = bench.guest.lastwrite(&["--json", "resume"]).json();
    give(&mut bench, &psids);
    let behaviours = [
        "is honest, and loses power with the machine in the middle of its revert",
        "is honest, and loses power with the machine when it has reverted and nobody was told",
    ];
    for ((drive, serial), behaviour) in drives.into_iter().zip(behaviours) {
        let run = run_of(&listed, serial).unwrap_or_else(|| panic!("no run of {serial}: {listed:#?}"));
        let (ran, result) = bench.resume(&run, &[]);
        assert!(ran.stdout.contains("--psid-file"), "{serial}: {}\n{}\n{result:#}", ran.stdout, ran.stderr);
        assert_eq!(told(drive), [], "nothing is sent without it");
        let (ran, result) = bench.resume(&run, &WORDS[2..]);
        assert!(result["outcome"].is_string(), "{serial}: {}\n{}", ran.stdout, ran.stderr);
        bench.judge(&case(drive, serial, KIND, Honest, behaviour), &format!("{ASKED}, then `resume`"), &result);
        assert_eq!(told(drive), [Told::StartSession(0), Told::Revert]);
    }
    nowhere(&mut bench, &psids);
    bench.end();
}

/// No PSID is in any file of the station, in what was said, or on the guest's console.
fn nowhere(bench: &mut Bench, psids: &[(&str, String)]) {
    let forms: Vec<Vec<u8>> = psids.iter().flat_map(|(_, psid)| forms(psid)).collect();
    let mut read = 0;
    let mut look = |what: &str, bytes: &[u8]| {
        read += bytes.len();
        let found = forms.iter().find(|form| bytes.windows(form.len()).any(|w| w == &form[..]));
        assert!(found.is_none(), "{what} holds {}", String::from_utf8_lossy(found.unwrap()));
    };
    let messages = bench.guest.run("dmesg").expect(0).stdout;
    for (what, text) in [("output", &bench.said), ("console", &bench.guest.console()), ("messages", &messages)] {
        look(what, text.as_bytes());
    }
    each_file(&bench.share.path().join("state"), &mut look);
    assert!(read > 50_000, "{read} bytes were looked at");
    // It would be seen.
    let payload = URL_SAFE_NO_PAD.encode(format!("{{\"x\":\"{}\"}}", psids[0].1));
    let told = format!("{:?}", psids[0].1.as_bytes());
    assert!([payload, told].iter().all(|text| forms.iter().any(|f| text.as_bytes().windows(f.len()).any(|w| w == f))));
}

fn each_file(folder: &Path, look: &mut impl FnMut(&str, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => each_file(&path, look),
            false => look(&path.display().to_string(), &std::fs::read(&path).unwrap()),
        }
    }
}

/// Each half of it as text, as numbers, in hex, and in base64 wherever it begins there.
fn forms(psid: &str) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for half in [&psid[..16], &psid[16..]] {
        let hex: String = half.bytes().map(|byte| format!("{byte:02x}")).collect();
        let numbers = |between: &str| half.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(between);
        forms.extend([half.to_owned(), half.to_lowercase(), hex.to_uppercase(), hex, numbers(","), numbers(", ")]);
        for shift in 0..3 {
            let bytes = [&vec![0; shift], half.as_bytes()].concat();
            let inner = (shift * 8).div_ceil(6)..bytes.len() * 8 / 6;
            forms.push(STANDARD_NO_PAD.encode(&bytes)[inner.clone()].to_owned());
            forms.push(URL_SAFE_NO_PAD.encode(&bytes)[inner].to_owned());
        }
    }
    forms.into_iter().map(String::into_bytes).collect()
}
