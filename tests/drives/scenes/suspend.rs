//! The machine is suspended to RAM in the middle of a call, because drives are frozen, and wakes by its clock.

use serde_json::Value;

use super::bench::{Bench, case};
use super::hidden::document_of;
use super::table::Truth::{Faulty, Honest};
use crate::models::ahci::SataDrive;
use crate::models::ata::Ata;
use crate::models::stock;
use crate::rig::line::Line;
use crate::rig::plug::{Drive, Plug};

const KIND: &str = "SATA SSD";
const ASKED: &str = "`--method auto`, `--unfreeze`";

/// 9p does not survive the sleep: the station's folder comes to a disk that does, under the same name, and goes
/// back after it. (A folder in memory the program would refuse.)
const TO_DISK: &str = "mke2fs /dev/vda >/dev/null && mkdir /tmp/disk && mount -t ext4 /dev/vda /tmp/disk && \
                       cp -a /share/state /tmp/disk/ && umount /share && rmmod 9p && rmmod 9pnet_virtio && \
                       mount --move /tmp/disk /share";
const BACK: &str = "modprobe -a 9pnet_virtio 9p && mkdir -p /tmp/host && mount -t 9p -o \
                    trans=virtio,version=9p2000.L,msize=512000,cache=none share /tmp/host && \
                    cp -a /share/state/. /tmp/host/state/ && sync";

#[test]
fn frozen_drives_are_unfrozen_by_one_suspend_of_the_machine() {
    let drive = |serial: &str, change: fn(&mut Ata)| {
        let mut model = Ata::new(serial, 2);
        change(&mut model);
        SataDrive::new(model)
    };
    // One of the two is all that each of them has.
    let security = drive("S-SECURITY", |d| (d.word59, d.security.frozen_at_start) = (0, true));
    let sanitize = drive("S-SANITIZE", |d| (d.security.supported, d.sanitize.frozen_at_start) = (false, true));
    let again = drive("S-AGAIN", |d| {
        (d.word59, d.security.frozen_at_start, d.security.freezes_again) = (0, true, true);
    });
    let disk = stock::virtio_blk("S-STATION", 16);
    let line = Line::default();
    let plugs: [&dyn Plug; 5] = [&security, &sanitize, &again, &disk, &line];
    let Some(mut bench) = Bench::start("suspend", &plugs) else { return };
    let (path, _) = bench.guest.drive("S-SECURITY");
    let plan = bench.guest.lastwrite(&["--json", "plan", &path, "--method", "auto", "--unfreeze"]).expect(0);
    let warnings = plan.json()[0]["warnings"].to_string();
    assert!(warnings.contains("THIS MACHINE IS SUSPENDED TO RAM"), "{warnings}");

    bench.guest.take_line(&line);
    bench.guest.run(TO_DISK).expect(0);
    let results = sleep_and_wipe(&mut bench, &["S-SANITIZE", "S-SECURITY", "S-AGAIN"]);
    bench.guest.run(BACK).expect(0);

    let cases = [
        case(
            &sanitize,
            "S-SANITIZE",
            KIND,
            Honest,
            "is honest, and in the sanitize frozen state until its power is cut",
        ),
        case(&security, "S-SECURITY", KIND, Honest, "is honest, and frozen until its power is cut"),
        case(&again, "S-AGAIN", KIND, Faulty, "is frozen, and frozen again when the machine wakes"),
    ];
    for (case, result) in cases.iter().zip(&results) {
        bench.judge(case, ASKED, result);
    }
    let by: Vec<&str> = results.iter().filter_map(|result| result["technique"].as_str()).collect();
    assert_eq!(by, ["ata-sanitize-block", "ata-security-erase-enhanced", "ata-security-erase-enhanced"]);
    for (result, after) in results.iter().zip([0, 0, 1]) {
        let says = document_of(&bench, if after == 0 { "certificates" } else { "failures" }, result);
        let suspensions = says["facts"]["suspensions"].as_array().unwrap();
        let last = suspensions.last().unwrap();
        assert!(last["woke"].is_string() && last["failed"].is_null(), "{last:#}");
        assert!(last["slept_seconds"].as_u64().unwrap() >= 5, "{last:#}");
        assert_eq!(last["after"].as_array().unwrap().len(), after, "{last:#}");
    }
    assert_eq!(again.left().0, again.left().1, "nothing was erased: {:#}", results[2]);
    bench.guest.run("lastwrite certificate verify /share/state/certificates/*.json").expect(0);
    bench.guest.lastwrite(&["custody", "audit"]).expect(0);
    bench.end();
}

/// Wipes these in one call, for which the machine sleeps once.
fn sleep_and_wipe(bench: &mut Bench, serials: &[&str]) -> Vec<Value> {
    let woken = |bench: &mut Bench| {
        let count = bench.guest.run("cat /sys/power/suspend_stats/success").expect(0).stdout;
        count.trim().parse::<u32>().unwrap()
    };
    let before = woken(bench);
    let mut all = vec!["--json".to_owned(), "wipe".to_owned()];
    let mut paths = Vec::new();
    for serial in serials {
        let (path, token) = bench.guest.drive(serial);
        all.extend([path.clone(), "--confirm".to_owned(), token]);
        paths.push(path);
    }
    all.extend(["--method", "auto", "--unfreeze"].map(str::to_owned));
    let ran = bench.guest.lastwrite(&all.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(woken(bench), before + 1, "{}\n{}\n{}", ran.stdout, ran.stderr, bench.guest.console());
    let lines = ran.json();
    let result = |path: &String| lines.iter().rfind(|l| l["target"] == **path && l["outcome"].is_string()).cloned();
    paths.iter().map(|path| result(path).unwrap_or_else(|| panic!("{path}: {}\n{}", ran.stdout, ran.stderr))).collect()
}
