//! Capacity of an NVM subsystem that belongs to no namespace: named, excluded by what does not reach it, and erased
//! by Sanitize.

use super::bench::{Bench, case};
use super::hidden::document_of;
use super::table::Truth::{Excluded, Honest};
use crate::models::nvme::Nvme;
use crate::models::nvme_bus::NvmeDrive;
use crate::rig::plug::Drive;

const KIND: &str = "NVMe SSD";
const POLICY: &str = r#"cd /tmp &&
lastwrite policy show nist-800-88r2 --toml | sed 's/^id = .*/id = "nothing-hidden"/' > p.toml &&
printf '\n[hidden_areas]\nrule = "refused"\n' >> p.toml &&
lastwrite key generate --name Ada --unprotected --out ada.pem &&
lastwrite key trust ada.pub.json --role policy_approver &&
lastwrite policy sign p.toml --key ada.pem --out /share/p.json"#;

fn drive(serial: &str) -> NvmeDrive {
    let mut model = Nvme::new(serial, 4);
    model.unallocated = 1024;
    NvmeDrive::new(model)
}

#[test]
fn unallocated_capacity_is_named_and_sanitized() {
    let (written, formatted) = (drive("U-WRITTEN"), drive("U-FORMATTED"));
    let Some(mut bench) = Bench::start("hidden-nvme", &[&written, &formatted]) else { return };
    let drives = bench.guest.lastwrite(&["drives"]).expect(0);
    assert!(drives.stdout.contains("hidden: unallocated capacity, 524"), "{}", drives.stdout);

    for (drive, serial, asked, words) in [
        (&written, "U-WRITTEN", "overwrite", &["--method", "clear", "--scheme", "zero"][..]),
        (&formatted, "U-FORMATTED", "`nvme-format-user`", &["--technique", "nvme-format-user"]),
    ] {
        let (path, _) = bench.guest.drive(serial);
        let plan = bench.guest.lastwrite(&[&["plan", &path], words].concat()).expect(0);
        assert!(plan.stdout.contains("the drive hides a part of itself (unallocated capacity"), "{}", plan.stdout);
        let (ran, result) = bench.guest.wipe(serial, words);
        assert_eq!((ran.code, drive.left().0), (0, 1024), "{result:#} {}", ran.stderr);
        let says = document_of(&bench, "certificates", &result);
        let area = &says["facts"]["hidden_areas"]["areas"][0];
        assert_eq!((&area["size"], &area["outcome"]), (&"524288".into(), &"excluded".into()), "{says:#}");
        assert_eq!(says["grade"]["mark"], "C", "{:#}", says["grade"]);
        assert!(says["statement"].to_string().contains("THE RUN DID NOT REACH A PART OF THE DRIVE"), "{says:#}");
        let behaviour = "is honest, and 1,024 sectors of it belong to no namespace";
        let reported = "pass, certificate: the area is excluded, grade C";
        bench.put_down(&case(drive, serial, KIND, Excluded, behaviour), asked, reported);
    }

    // A policy that takes nothing hidden takes Sanitize, which reaches it, and nothing else.
    bench.guest.run(POLICY).expect(0);
    let refused = bench.guest.wipe("U-FORMATTED", &["--policy", "/share/p.json", "--technique", "nvme-format-user"]).1;
    assert_eq!(refused["outcome"], "refused", "{refused:#}");
    assert!(refused.to_string().contains("Use nvme-sanitize-block"), "{refused:#}");
    let cases = [
        case(&written, "U-WRITTEN", KIND, Honest, "is honest, and 1,024 sectors of it belong to no namespace"),
        case(&formatted, "U-FORMATTED", KIND, Honest, "is honest, and 1,024 sectors of it belong to no namespace"),
    ];
    let block = ["--policy", "/share/p.json", "--technique", "nvme-sanitize-block"];
    let asked = "`nvme-sanitize-block`, a policy that takes nothing hidden";
    let mut results = bench.wipe(&cases[..1], asked, &block);
    results.extend(bench.wipe(&cases[1..], "`nvme-sanitize-crypto`", &["--technique", "nvme-sanitize-crypto"]));
    for result in &results {
        let says = document_of(&bench, "certificates", result);
        let hidden = &says["facts"]["hidden_areas"];
        let area = &hidden["areas"][0];
        assert_eq!(hidden["state"], "reached_by_command", "{hidden:#}");
        assert_eq!((&area["size"], &area["outcome"]), (&"524288".into(), &"reached".into()), "{hidden:#}");
    }
    bench.guest.run("lastwrite certificate verify /share/state/certificates/*.json").expect(0);
    bench.end();
}
