//! NVMe Sanitize and Format NVM by the real program behind the real driver: what is reported, and what
//! is on the medium.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::models::nvme::Nvme;
use crate::models::nvme_bus::NvmeDrive;
use crate::rig::plug::Drive as _;
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
fn certificates_say_what_was_sent_and_where_it_was_stepped_down() {
    let cases = [
        ("BLOCK-1", "nvme-sanitize-block", "purge", "84", 0x0000_0002),
        ("CRYPTO-1", "nvme-sanitize-crypto", "purge", "84", 0x0000_0004),
        ("OVER-1", "nvme-sanitize-overwrite", "purge", "84", 0x0000_0013),
        ("FORMAT-1", "nvme-format-user", "clear", "80", 0x0000_0200),
        ("FORMAT-2", "nvme-format-crypto", "clear", "80", 0x0000_0400),
    ];
    let drives: Vec<NvmeDrive> = cases.iter().map(|(serial, ..)| drive(serial, |_| {})).collect();
    let stays = drive("STAYS-1", |d| d.sanicap = 1);
    let steps = drive("STEPS-1", |d| d.erase = Erase::Nothing);
    let plugs: Vec<_> = drives.iter().chain([&stays, &steps]).map(|d| d as &dyn crate::rig::plug::Plug).collect();
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
    only_what_was_allowed(&mut guest, share.path(), &steps);
    assert_eq!(documents(share.path(), "certificates").len(), cases.len() + 2);
}

/// A drive that fails is stepped down from only when that was allowed.
fn only_what_was_allowed(guest: &mut Guest, share: &Path, steps: &NvmeDrive) {
    // Crypto erase is all it has: it is chosen at once, and that is no step down.
    let (ran, result) = guest.wipe("STAYS-1", &["--method", "purge"]);
    ran.expect(0);
    assert_eq!(result["technique"], "nvme-sanitize-crypto", "{result:#}");
    // It lies in every technique of its own: in the end the host overwrites, and the certificate tells.
    let (ran, result) = guest.wipe("STEPS-1", &["--method", "auto", "--step-down", "lower-method", "--scheme", "zero"]);
    ran.expect(0);
    assert_eq!((&result["technique"], &result["attained"]), (&"overwrite".into(), &"clear".into()), "{result:#}");
    assert_eq!(steps.left().0, 0);
    let facts = facts(share, &result["certificate"]);
    let steps_down = facts["steps_down"].as_array().unwrap();
    assert_eq!(steps_down[0]["from"], "nvme-sanitize-block");
    assert_eq!(steps_down.last().unwrap()["to"], "overwrite");
    assert!(steps_down.iter().all(|step| step["failure"]["code"] == "not_erased"), "{steps_down:#?}");
}
