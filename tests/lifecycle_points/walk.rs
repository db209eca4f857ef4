//! The page docs/lifecycle.md walks one laptop through its life. What stands there is what the
//! program says: this test plays it and compares. `LASTWRITE_WRITE_DOCS=1` writes it anew.

use std::path::Path;

use crate::common::station::{both, text};
use crate::org::Org;

const BEGIN: &str = "<!-- the walk begins: written by tests/lifecycle_points/walk.rs -->";
const END: &str = "<!-- the walk ends -->";

/// A heading, words, and who runs what with which exit code.
type Chapter = (&'static str, &'static str, &'static [(&'static str, i32, &'static str)]);

const WALK: &[Chapter] = &[
    (
        "Procurement",
        "Mia is the asset manager. Tom, a technician, says what is needed and why; Fin, of finance, grants it; the order stays \
         within what was granted. The full cost is asked for, not only the price.",
        &[
            (
                "mia",
                0,
                "model set Lenovo T14 --category laptop --standard --life 48 --price '1200 EUR' --salvage 10% --end-of-support 2031-06-30 --weight 1.4kg",
            ),
            ("mia", 0, "vendor set 'Kaufhaus IT' --kind supplier"),
            (
                "tom",
                0,
                "procure request R-7 --kind need --need 'A new colleague reads X-rays' --what 'Lenovo T14' --price '1200 EUR' --delivery '20 EUR' --setup '80 EUR' --support '150 EUR'",
            ),
            ("tom", 3, "procure approve R-7"),
            ("fin", 0, "procure approve R-7"),
            (
                "mia",
                0,
                "procure order R-7 --vendor 'Kaufhaus IT' --order PO-77 --on 2026-02-01 --price '1150 EUR' --delivery '20 EUR' --setup '80 EUR' --support '150 EUR' --warranty 36",
            ),
            ("mia", 0, "asset add L-0042 --request R-7 --class virtual --data-class none --serial SN-0042"),
            ("fin", 0, "cost list L-0042"),
        ],
    ),
    (
        "Deployment",
        "It arrives, is set up, and is handed to Anna, who says so with her own key; she needs no role for that.",
        &[
            ("mia", 0, "asset move L-0042 deployment"),
            ("tom", 0, "media add L-0042 --drive disk.img"),
            (
                "tom",
                0,
                "asset configure L-0042 --software 'PACS viewer' --security 'disk encryption' --hostname l-0042 --mac 00:1b:44:11:3a:b7 --network 'VLAN 12'",
            ),
            ("tom", 0, "asset check L-0042 tagged user_trained"),
            ("mia", 0, "licence set 'PACS viewer' --seats 2 --key-ref vault:pacs/2026 --expires 2031-12-31"),
            ("tom", 0, "licence assign 'PACS viewer' L-0042"),
            ("tom", 0, "asset assign L-0042 --to Anna --location Berlin/2"),
            ("anna", 0, "asset acknowledge L-0042"),
            ("mia", 0, "asset move L-0042 utilization"),
        ],
    ),
    (
        "Utilization and maintenance",
        "Maintenance comes back by plan, and stands in a calendar; what breaks is a work order, with the time it was out of \
         service and what it cost.",
        &[
            ("tom", 0, "asset schedule L-0042 dust --kind cleaning --every 180 --first 2031-01-10"),
            ("tom", 0, "work open L-0042 helpdesk 'The screen flickers' --number WO-1 --reporter Anna"),
            ("tom", 0, "work done WO-1 'new cable' --cost '15 EUR' --outage 2026-03-02T10:00:00Z/2026-03-02T12:00:00Z"),
            ("mia", 0, "asset show L-0042"),
        ],
    ),
    (
        "Upgrade or refresh",
        "After some years, is it cheaper to keep it or to replace it? The figures are part of the decision, and a second person \
         approves it. It does not go before its replacement is in use.",
        &[
            ("mia", 0, "asset move L-0042 upgrade --reason 'it is slow'"),
            (
                "mia",
                0,
                "asset decide L-0042 refresh --rationale 'dearer to keep than to replace' --keep '300 EUR' --growth 50% --running '100 EUR'",
            ),
            ("mia", 3, "asset approve L-0042"),
            ("fin", 0, "asset approve L-0042"),
            ("mia", 3, "asset move L-0042 decommissioning"),
            ("mia", 0, "asset add L-0043 --stage utilization --category laptop"),
            ("tom", 0, "asset assign L-0043 --to Anna --location Berlin/2"),
            ("mia", 0, "asset replaced L-0042 --by L-0043"),
        ],
    ),
    (
        "Decommissioning",
        "Data, licences, credentials, network.",
        &[
            ("mia", 0, "asset move L-0042 decommissioning"),
            (
                "tom",
                0,
                "asset check L-0042 data_backup licence_removal network_disconnect credential_revoke mdm_release asset_label_removed",
            ),
            ("mia", 3, "asset move L-0042 disposition"),
            ("tom", 0, "licence release 'PACS viewer' L-0042"),
            ("tom", 0, "asset count L-0042 1"),
        ],
    ),
    (
        "Disposition",
        "The recycler must be certified on the day it takes the lot. What left, and when, stays as it was written down.",
        &[
            ("mia", 0, "vendor set GreenCo --kind recycler"),
            ("ida", 3, "dispose open LOT-1 recycling --vendor GreenCo"),
            ("cora", 0, "vendor certify GreenCo R2v3 --number C-9 --from 2026-01-01 --until 2031-12-31"),
            ("ida", 0, "dispose open LOT-1 recycling --vendor GreenCo"),
            ("ida", 0, "dispose add LOT-1 L-0042"),
            ("ida", 0, "asset move L-0042 disposition"),
            ("ida", 0, "dispose dispatch LOT-1 --seal S-17"),
            ("ida", 0, "dispose receive LOT-1 --count 1 --by 'R. Cycler' --reference GC-88"),
            ("ida", 0, "dispose weigh LOT-1 --recycled 1.3kg --landfill 0.1kg"),
            ("ida", 0, "dispose document LOT-1 final.pdf"),
            ("mia", 3, "dispose close LOT-1"),
        ],
    ),
    (
        "The end",
        "Everything is ticked, handed over, recycled and documented, and it does not close: nobody has proven that its drive is \
         empty. The certificate of the wipe closes it, and nothing else does. Whose certificates count, Cora of compliance and \
         Ada, the administrator, have fixed; Ida, who brings them in, cannot.",
        &[
            ("ida", 3, "register trust propose state/trust.jwks.json"),
            ("cora", 0, "register trust propose state/trust.jwks.json"),
            ("ada", 0, "register trust approve 1"),
            ("otto", 0, "wipe disk.img --yes --operator Otto"),
            ("ida", 0, "register ingest state"),
            ("mia", 0, "dispose close LOT-1"),
            ("mia", 0, "asset show L-0042"),
            ("mia", 0, "register audit"),
        ],
    ),
];

#[test]
fn the_page_says_what_the_program_says() {
    let org = Org::new();
    org.station.image("disk.img", 1 << 16);
    org.file("final.pdf", "recycled");
    let mut page = String::new();
    for (heading, prose, commands) in WALK {
        page.push_str(&format!("### {heading}\n\n{prose}\n\n```console\n"));
        for (who, code, command) in *commands {
            page.push_str(&format!("{who}$ lastwrite {command}\n"));
            page.push_str(&play(&org, who, *code, command));
        }
        page.push_str("```\n\n");
    }
    org.sound();
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lifecycle.md"));
    let stands = std::fs::read_to_string(file).unwrap();
    let (before, rest) = stands.split_once(BEGIN).unwrap();
    let (walk, after) = rest.split_once(END).unwrap();
    if std::env::var_os("LASTWRITE_WRITE_DOCS").is_some() {
        std::fs::write(file, format!("{before}{BEGIN}\n\n{page}{END}{after}")).unwrap();
        return;
    }
    let difference = walk.trim().lines().zip(page.trim().lines()).find(|(a, b)| a != b);
    assert_eq!(difference, None, "on the page / from the program");
    assert_eq!(walk.trim().lines().count(), page.trim().lines().count());
}

/// What the program prints, with what differs each time replaced.
fn play(org: &Org, who: &str, code: i32, command: &str) -> String {
    let mut args = words(command);
    if who != "otto" {
        args.extend(["--key".to_owned(), text(&org.key(who)).to_owned()]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = org.station.command(&args).current_dir(org.station.dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{command}: {}", both(&output));
    if who == "otto" {
        return "(the wipe, the read-back, the signed certificate)\n".to_owned();
    }
    let today = chrono::Utc::now().date_naive().to_string();
    let told = both(&output).replace(&today, "TODAY");
    let line = |line: &str| {
        let mut at_day = false;
        let day_ahead = line.starts_with("Crossing");
        let one = |word: &str| {
            let core = word.trim_end_matches([',', ';', ':', ')']);
            let random =
                (core.len() == 43 || core.len() >= 12 && core.bytes().all(|b| b.is_ascii_hexdigit())).then_some("...");
            let time = (at_day && core.len() >= 5 && core.as_bytes()[2] == b':').then_some("TIME");
            at_day = core == "TODAY";
            let day = (day_ahead && core.parse::<chrono::NaiveDate>().is_ok()).then_some("DAY");
            match random.or(time).or(day) {
                Some(put) => word.replacen(core, put, 1),
                None => word.to_owned(),
            }
        };
        line.split(' ').map(one).collect::<Vec<_>>().join(" ").trim_end().to_owned() + "\n"
    };
    told.lines().map(line).collect()
}

/// Words of a command line; single quotes keep blanks.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in command.split('\'').enumerate() {
        match i % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}
