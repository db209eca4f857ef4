//! NVMe Sanitize and Format NVM by the real program behind the real driver: what is reported, and what
//! is on the medium.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::station::json_lines;
use crate::models::nvme::{Log, Nvme};
use crate::models::nvme_bus::NvmeDrive;
use crate::rig::plug::{Drive as _, Powered as _};
use crate::rig::{Erase, Guest};

const MEBIBYTES: u64 = 16;

fn drive(serial: &str, change: impl FnOnce(&mut Nvme)) -> NvmeDrive {
    let mut model = Nvme::new(serial, MEBIBYTES);
    model.erase_time = Duration::from_millis(700);
    change(&mut model);
    NvmeDrive::new(model)
}

fn documents(share: &Path, folder: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(share.join("state").join(folder)).unwrap();
    entries.map(|e| e.unwrap().path()).filter(|path| path.extension().is_some_and(|x| x == "json")).collect()
}

/// The facts of a certificate as the host reads them: the payload of the JWS.
fn facts(share: &Path, certificate: &Value) -> Value {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let name = Path::new(certificate.as_str().unwrap()).file_name().unwrap();
    let text = std::fs::read(share.join("state/certificates").join(name)).unwrap();
    let jws: Value = serde_json::from_slice(&text).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(jws["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&payload).unwrap()["facts"].clone()
}

#[test]
fn each_technique_empties_an_honest_drive_and_its_certificate_says_what_was_sent() {
    let cases = [
        ("BLOCK-1", "nvme-sanitize-block", "purge", "84", 0x0000_0002),
        ("CRYPTO-1", "nvme-sanitize-crypto", "purge", "84", 0x0000_0004),
        ("OVER-1", "nvme-sanitize-overwrite", "purge", "84", 0x0000_0013),
        ("FORMAT-1", "nvme-format-user", "clear", "80", 0x0000_0200),
        ("FORMAT-2", "nvme-format-crypto", "clear", "80", 0x0000_0400),
    ];
    let drives: Vec<NvmeDrive> = cases.iter().map(|(serial, ..)| drive(serial, |_| {})).collect();
    let plugs: Vec<_> = drives.iter().map(|d| d as &dyn crate::rig::plug::Plug).collect();
    let share = tempfile::tempdir().unwrap();
    let Some(mut guest) = Guest::boot(share.path(), &plugs) else { return };

    let (path, _) = guest.drive("BLOCK-1");
    let plan = guest.lastwrite(&["plan", &path, "--method", "purge"]).expect(0);
    assert!(plan.stdout.contains("Sanitize: 8400000000"), "{}", plan.stdout);
    assert!(plan.stdout.contains("nvme-sanitize-block"), "{}", plan.stdout);
    assert_eq!(drives[0].lock().seen, [], "looking sends nothing that could erase");

    for ((serial, technique, attains, opcode, dword10), nvme) in cases.iter().zip(&drives) {
        let (ran, result) = guest.wipe(serial, &["--technique", technique]);
        ran.expect(0);
        assert_eq!((&result["outcome"], &result["technique"]), (&"pass".into(), &(*technique).into()), "{result:#}");
        assert_eq!((&result["attained"], &result["proven"]), (&(*attains).into(), &"erased_full_read".into()));
        assert_eq!(nvme.left().0, 0, "{serial}");
        let facts = facts(share.path(), &result["certificate"]);
        let sent = facts["firmware"]["exchanges"].as_array().unwrap();
        let command = sent.iter().find(|e| e["command"].as_str().unwrap().starts_with(opcode)).unwrap();
        assert_eq!(command["command"].as_str().unwrap()[10..18], format!("{dword10:08x}"));
        assert_eq!(command["reply"]["status"], "0");
        let seen = nvme.lock().seen.clone();
        assert_eq!(seen.len(), 1, "{serial}: once, and nothing else: {seen:?}");
        assert_eq!(seen[0].dword10, *dword10);
        assert_eq!(facts["firmware"]["canaries"]["known"], facts["firmware"]["canaries"]["gone"]);
        assert_eq!(facts["firmware"]["samples"]["known"], facts["firmware"]["samples"]["gone"]);
        assert!(facts["firmware"]["samples"]["known"].as_u64().unwrap() > 0, "there was something to be sampled");
    }
    assert_eq!(documents(share.path(), "certificates").len(), cases.len());
    for certificate in documents(share.path(), "certificates") {
        let name = certificate.file_name().unwrap().to_str().unwrap().to_owned();
        guest.run(&format!("lastwrite certificate verify /share/state/certificates/{name}")).expect(0);
    }
}

/// A serial number, and what is wrong with the drive.
type Case = (&'static str, fn(&mut Nvme));

/// None of these gets a certificate, each gets a failure report.
fn no_certificate(cases: &[Case]) {
    let drives: Vec<NvmeDrive> = cases.iter().map(|(serial, change)| drive(serial, change)).collect();
    let plugs: Vec<_> = drives.iter().map(|d| d as &dyn crate::rig::plug::Plug).collect();
    let share = tempfile::tempdir().unwrap();
    let Some(mut guest) = Guest::boot(share.path(), &plugs) else { return };
    for (serial, _) in cases {
        let (ran, result) = guest.wipe(serial, &["--technique", "nvme-sanitize-block", "--verify", "none"]);
        ran.expect(4);
        assert_eq!(result["outcome"], "fail", "{serial}: {result:#}");
        assert_eq!((&result["certificate"], &result["attained"]), (&Value::Null, &Value::Null));
        assert_eq!(result["proven"], "nothing");
        assert!(result["failure_report"].is_string(), "{serial}: {result:#}");
        assert!(result["message"].as_str().is_some_and(|m| !m.is_empty()), "{serial}");
    }
    assert_eq!(documents(share.path(), "certificates").len(), 0);
    assert_eq!(documents(share.path(), "failures").len(), cases.len());
}

#[test]
fn drives_that_lie_get_no_certificate() {
    no_certificate(&[
        ("LIES-1", |d| d.erase = Erase::Nothing),
        ("HALF-1", |d| d.erase = Erase::Half),
        ("END-1", |d| d.erase = Erase::AllButTheEnd),
    ]);
}

#[test]
fn drives_that_fail_or_say_nothing_get_no_certificate() {
    no_certificate(&[
        ("FAILS-1", |d| d.erase = Erase::Fails),
        ("ZEROED-1", |d| d.log = Log::Zeroed),
        ("DROPS-1", |d| d.medium.drops_writes = true),
    ]);
}

#[test]
fn a_drive_that_fails_is_stepped_down_from_only_when_that_was_allowed() {
    let stays = drive("STAYS-1", |d| d.sanicap = 1);
    let steps = drive("STEPS-1", |d| d.erase = Erase::Nothing);
    let share = tempfile::tempdir().unwrap();
    let Some(mut guest) = Guest::boot(share.path(), &[&stays, &steps]) else { return };
    // Crypto erase is all it has: it is chosen at once, and that is no step down.
    let (ran, result) = guest.wipe("STAYS-1", &["--method", "purge"]);
    ran.expect(0);
    assert_eq!(result["technique"], "nvme-sanitize-crypto", "{result:#}");
    // It lies in every technique of its own: in the end the host overwrites, and the certificate tells.
    let (ran, result) = guest.wipe("STEPS-1", &["--method", "auto", "--step-down", "lower-method", "--scheme", "zero"]);
    ran.expect(0);
    assert_eq!((&result["technique"], &result["attained"]), (&"overwrite".into(), &"clear".into()), "{result:#}");
    assert_eq!(steps.left().0, 0);
    let facts = facts(share.path(), &result["certificate"]);
    let steps_down = facts["steps_down"].as_array().unwrap();
    assert_eq!(steps_down[0]["from"], "nvme-sanitize-block");
    assert_eq!(steps_down.last().unwrap()["to"], "overwrite");
    assert!(steps_down.iter().all(|step| step["failure"]["code"] == "not_erased"), "{steps_down:#?}");
    assert_eq!(documents(share.path(), "certificates").len(), 2);
}

#[test]
fn a_power_cut_in_a_sanitize_is_taken_up_in_the_next_boot_with_one_certificate() {
    let nvme = drive("CUT-2", |d| d.erase_time = Duration::from_secs(40));
    let share = tempfile::tempdir().unwrap();
    let Some(mut guest) = Guest::boot(share.path(), &[&nvme]) else { return };
    guest.begin_wipe(&["CUT-2"], &["--technique", "nvme-sanitize-block"]);
    let start = Instant::now();
    while nvme.lock().seen.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", guest.console());
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(2));
    nvme.power(false);
    guest.cut();
    assert_eq!(documents(share.path(), "certificates").len(), 0);

    // The model's own clock goes on; a real drive goes on when it has power again.
    nvme.power(true);
    let mut guest = Guest::boot(share.path(), &[&nvme]).unwrap();
    let listed = guest.lastwrite(&["--json", "resume"]);
    let id = json_lines(listed.stdout.as_bytes())[0]["run_id"].as_str().unwrap().to_owned();
    let resumed = guest.lastwrite(&["--json", "resume", &id]).expect(0);
    let result = resumed.json().pop().unwrap();
    assert_eq!((&result["outcome"], &result["technique"]), (&"pass".into(), &"nvme-sanitize-block".into()));
    assert_eq!(nvme.left().0, 0);
    assert_eq!(documents(share.path(), "certificates").len(), 1);
    assert_eq!(nvme.lock().seen.len(), 1, "it is not sent a second time");
    let facts = facts(share.path(), &result["certificate"]);
    assert_eq!(facts["resumed"].as_array().unwrap().len(), 1);
}
