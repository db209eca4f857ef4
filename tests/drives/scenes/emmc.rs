//! eMMC cards behind the booted kernel, with their boot partitions: nodes of their own, which the kernel keeps
//! read-only by its switch `force_ro`. qemu's card knows no secure erase: what is refused, what an overwrite
//! reaches, and what it says of the rest. Those of the rig know it, and lie.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::bench::{Bench, case, run_of};
use super::hidden::document_of;
use super::table::Truth::{BeyondAnyHost, Excluded, Faulty, Honest};
use crate::models::emmc::{Card, ERROR};
use crate::models::sdhci::MmcDrive;
use crate::models::stock;
use crate::rig::Erase;
use crate::rig::plug::{Drive, Plug};

const SERIAL: &str = "0xdeadbeef";

#[test]
fn a_card_and_its_boot_partitions() {
    let card = stock::emmc(4, 1);
    let Some(mut bench) = Bench::start("emmc", &[&card]) else { return };
    let (main, boot) = nodes(&bench.guest.drives(), SERIAL);
    for node in boot.iter() {
        assert_eq!(node["protections"].as_array().map(Vec::len), Some(0), "{node:#}");
        assert_eq!(force_ro(&mut bench, node), "1", "as the kernel makes it");
    }
    let path = |drive: &Value| drive["path"].as_str().unwrap().to_owned();

    // What the card does not have is refused, and nothing is cleared for it.
    for technique in ["mmc-secure-erase", "mmc-secure-trim", "mmc-sanitize"] {
        let ran = bench.guest.lastwrite(&["plan", &path(&main), "--technique", technique]).expect(3);
        assert!(ran.stderr.contains(technique), "{}", ran.stderr);
    }
    for (node, words) in [
        (&main, "areas of its own beside the main one (boot partitions"),
        (&boot[0], "force_ro): cleared for the run, and set back after it"),
    ] {
        let plan = bench.guest.lastwrite(&["--json", "plan", &path(node), "--method", "clear"]).expect(0);
        assert!(plan.json()[0]["warnings"].to_string().contains(words), "{}", plan.stdout);
    }
    assert_eq!(force_ro(&mut bench, &boot[0]), "1", "looking changes nothing");

    // An overwrite of the card leaves its boot partitions, and says so.
    let result = wipe(&mut bench, &[&main]).remove(0);
    assert_eq!(card.parts(), [2048, 2048, 0], "{result:#}");
    let says = document_of(&bench, "certificates", &result);
    let area = &says["facts"]["hidden_areas"]["areas"][0];
    assert_eq!((&area["kind"], &area["size"]), (&"boot_partitions".into(), &(2 << 20).to_string().into()), "{says:#}");
    assert_eq!((&area["outcome"], &says["grade"]["mark"]), (&"excluded".into(), &"C".into()), "{says:#}");
    let behaviour = "is honest, and has two boot partitions";
    bench.put_down(
        &case(&card, SERIAL, "eMMC of qemu", Excluded, behaviour),
        "overwrite",
        "pass, certificate: the boot partitions are excluded, grade C",
    );

    // The program is killed in the middle of a boot partition, and its switch with it.
    killed_and_resumed(&mut bench, &boot[1]);
    assert_eq!(card.parts(), [2048, 0, 0]);

    // A run that is given up leaves the switch as it was, too.
    let run = killed(&mut bench, &boot[0]);
    bench.guest.lastwrite(&["--json", "resume", "--abandon", &run, "--reason", "a test"]);
    assert_eq!(force_ro(&mut bench, &boot[0]), "1", "given up");
    let report = bench.documents("failures").into_iter().find(|d| d["facts"]["run_id"] == *run).unwrap();
    assert!(report["facts"]["force_ro"][0]["set_back"].is_string(), "{report:#}");

    // By their own nodes they are overwritten too.
    let result = wipe(&mut bench, &[&boot[0]]).remove(0);
    let says = document_of(&bench, "certificates", &result);
    let switch = &says["facts"]["force_ro"][0];
    assert_eq!((&switch["node"], switch["set_back"].is_string()), (&boot[0]["path"], true), "{says:#}");
    assert!(says["statement"].to_string().contains("force_ro) was cleared for the run, and set back after it"));
    for node in boot.iter() {
        assert_eq!(force_ro(&mut bench, node), "1", "set back");
    }
    assert_eq!(card.parts(), [0, 0, 0]);
    bench.judge(
        &case(&card, SERIAL, "eMMC of qemu", Honest, "is honest; its two boot partitions are wiped by their own nodes"),
        "overwrite",
        &result,
    );
    bench.guest.run("lastwrite certificate verify /share/state/certificates/*.json").expect(0);
    bench.guest.lastwrite(&["custody", "audit"]).expect(0);
    bench.end();
}

#[test]
fn cards_erase_themselves_with_their_boot_partitions() {
    let card = |number: u32, change: fn(&mut Card)| {
        let mut card = Card::new(0x5eed_0000 + number, 2, 1);
        change(&mut card);
        MmcDrive::new(card)
    };
    let erase = card(1, |_| ());
    let trim = card(2, |_| ());
    let sanitize = card(3, |_| ());
    let nothing = card(4, |c| c.erase = Erase::Nothing);
    let without_boot = card(5, |c| c.boot_erase = Erase::Nothing);
    let unmaps = card(6, |c| c.sanitize = Erase::Nothing);
    let protected = card(7, |c| c.boot_wp = 0b0100);
    // What goes wrong while they are busy they say once, in the first status after that.
    let mut says_so = Card::new(0x5eed_0008, 2, 1);
    (says_so.erase, says_so.regrets) = (Erase::OnlyUnmaps, Some((0, ERROR)));
    let told = MmcDrive::behind_one_that_waits(says_so);
    let not_told = card(9, |c| (c.sanitize, c.regrets) = (Erase::Nothing, Some((3, ERROR))));
    let all = [&erase, &trim, &sanitize, &nothing, &without_boot, &unmaps, &protected, &told, &not_told];
    let plugs: Vec<_> = all.iter().map(|d| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("emmc-firmware", &plugs) else { return };
    let runs = [
        (&erase, "mmc-secure-erase", Honest, "is honest"),
        (&trim, "mmc-secure-trim", Honest, "is honest"),
        (&sanitize, "mmc-sanitize", Honest, "is honest"),
        (&nothing, "mmc-secure-erase", Faulty, "reports success and erases nothing but its boot partitions"),
        (&without_boot, "mmc-secure-trim", Faulty, "reports success and erases all but its boot partitions"),
        (&unmaps, "mmc-sanitize", BeyondAnyHost, "reports success, unmaps, reads zeros back, and keeps its cells"),
        (&protected, "mmc-secure-erase", Faulty, "protects one of its boot partitions until its power is cut"),
        (
            &told,
            "mmc-secure-erase",
            Faulty,
            "reads zeros back, keeps its cells, and says once that it failed (ERROR), behind a host controller that waits for it",
        ),
        (
            &not_told,
            "mmc-sanitize",
            BeyondAnyHost,
            "unmaps, reads zeros back, keeps its cells, and says once that it failed (ERROR): to the kernel, which drops it",
        ),
    ];
    let drives = bench.guest.drives();
    for (drive, technique, truth, behaviour) in runs {
        let serial = drive.serial();
        let (main, boot) = nodes(&drives, &serial);
        let result = erase_card(&mut bench, &main, &boot, &["--technique", technique]);
        let case = case(drive, &serial, "eMMC", truth, behaviour);
        bench.judge(&case, &format!("`{technique}`"), &result);
        if result["outcome"] == "pass" {
            reached_and_read(&bench, &result);
        }
        let switches = boot.each_ref().map(|node| force_ro(&mut bench, node));
        assert_eq!(switches, ["1", "1"], "set back: {result:#}");
    }
    // Each command went to the area that it was meant for, as the kernel turned the card to it.
    assert_eq!(erase.lock().seen, [(0x8000_0000, 0), (0x8000_0000, 1), (0x8000_0000, 2)]);
    let steps = [0, 1, 2].map(|area| [(0x8000_0001, area), (0x8000_8000, area)]);
    assert_eq!(trim.lock().seen, steps.concat());
    // The kernel sends SANITIZE_START by itself, and names the command set.
    assert_eq!(sanitize.lock().seen, [(1, 0), (1, 1), (1, 2), (0x03A5_0101, 0)]);
    assert_eq!(protected.lock().seen, [], "refused");

    // What the card itself protects is left out where that is wanted, and excluded.
    let serial = protected.serial();
    let words = ["--technique", "mmc-secure-erase", "--leave-boot-partitions"];
    let result = erase_card(&mut bench, &nodes(&drives, &serial).0, &[], &words);
    assert_eq!((&result["outcome"], protected.parts()), (&"pass".into(), [0, 2048, 2048]), "{result:#}");
    let says = document_of(&bench, "certificates", &result);
    let area = &says["facts"]["hidden_areas"]["areas"][0];
    assert_eq!((&area["kind"], &area["outcome"]), (&"boot_partitions".into(), &"excluded".into()), "{says:#}");
    assert_eq!((&says["grade"]["mark"], says["facts"]["force_ro"].is_null()), (&"C".into(), true), "{says:#}");
    bench.put_down(
        &case(&protected, &serial, "eMMC", Excluded, "protects one of its boot partitions until its power is cut"),
        "`mmc-secure-erase`, `--leave-boot-partitions`",
        "pass, certificate: the boot partitions are excluded, grade C",
    );
    bench.guest.run("lastwrite certificate verify /share/state/certificates/*.json").expect(0);
    bench.end();
}

/// The machine loses power when the first erase is going on, when a boot partition is erased, and when the card
/// sanitizes: boot again, `resume`.
#[test]
fn power_cut_emmc() {
    let techniques = [("mmc-secure-erase", 0), ("mmc-secure-trim", 3), ("mmc-sanitize", 3)];
    let card = |(at, (_, slow)): (usize, &(&str, usize))| {
        let mut card = Card::new(0x5eed_0010 + at as u32, 2, 1);
        card.slow = Some((*slow, Duration::from_secs(600)));
        MmcDrive::new(card)
    };
    let cards: Vec<MmcDrive> = techniques.iter().enumerate().map(card).collect();
    let plugs: Vec<_> = cards.iter().map(|d| d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("power-emmc", &plugs) else { return };
    let drives = bench.guest.drives();
    for (card, (technique, _)) in cards.iter().zip(techniques) {
        let (main, boot) = nodes(&drives, &card.serial());
        let words = wipe_words(&main, &boot, &["--technique", technique]).join("' '");
        bench.guest.run(&format!("lastwrite '{words}' </dev/null >>/share/begun 2>&1 &")).expect(0);
    }
    let start = Instant::now();
    while !cards.iter().all(|card| card.lock().busy()) {
        let begun = std::fs::read_to_string(bench.share.path().join("begun")).unwrap_or_default();
        assert!(start.elapsed() < Duration::from_secs(180), "{begun}\n{}", bench.guest.console());
        std::thread::sleep(Duration::from_millis(50));
    }
    cards.iter().for_each(|card| card.lock().power_off());
    bench.guest.cut();
    assert_eq!(bench.documents("certificates").len() + bench.documents("failures").len(), 0);
    for card in &cards {
        assert!(card.left().0 > 0, "something is left");
        let mut card = card.lock();
        card.slow = None;
        card.seen.clear();
    }
    bench.boot_again(&plugs);
    let listed = bench.guest.lastwrite(&["--json", "resume"]).json();
    let drives = bench.guest.drives();
    for (card, (technique, _)) in cards.iter().zip(techniques) {
        let serial = card.serial();
        let run = run_of(&listed, &serial).unwrap_or_else(|| panic!("no run of {serial}: {listed:#?}"));
        let (ran, result) = bench.resume(&run, &[]);
        assert!(result["outcome"].is_string(), "{technique}: {}\n{}", ran.stdout, ran.stderr);
        let behaviour = "is honest, and loses power with the machine in the middle of its erase";
        bench.judge(&case(card, &serial, "eMMC", Honest, behaviour), &format!("`{technique}`, then `resume`"), &result);
        reached_and_read(&bench, &result);
        for node in nodes(&drives, &serial).1 {
            assert_eq!(force_ro(&mut bench, &node), "1", "{technique}");
        }
    }
    // What was cut is begun again, with everything that belongs to it.
    assert_eq!(cards[2].lock().seen.len(), 4);
    bench.end();
}

/// Wipes a card; what its command erases along is confirmed as well.
fn erase_card(bench: &mut Bench, main: &Value, boot: &[Value], words: &[&str]) -> Value {
    let all = wipe_words(main, boot, words);
    let ran = bench.guest.lastwrite(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let result = ran.json().into_iter().rfind(|line| line["outcome"].is_string());
    result.unwrap_or_else(|| panic!("{}\n{}\n{}", ran.stdout, ran.stderr, bench.guest.console()))
}

fn wipe_words(main: &Value, boot: &[Value], words: &[&str]) -> Vec<String> {
    let word = |node: &Value, name: &str| node[name].as_str().unwrap().to_owned();
    let mut all = vec!["--json".to_owned(), "wipe".to_owned(), word(main, "path")];
    for node in std::iter::once(main).chain(boot) {
        all.extend(["--confirm".to_owned(), word(node, "confirm_token")]);
    }
    all.extend(words.iter().map(|w| (*w).to_owned()));
    all
}

/// The certificate has what was read of each boot partition, and says that nothing else was left.
fn reached_and_read(bench: &Bench, result: &Value) {
    let says = document_of(bench, "certificates", result);
    let facts = &says["facts"];
    let also = facts["firmware"]["also"].as_array().unwrap();
    assert_eq!(also.len(), 2, "{facts:#}");
    for other in also {
        let read = &other["read"];
        assert!(read["canaries"]["known"].as_u64().unwrap() >= 64, "{other:#}");
        assert!(read["samples"]["gone"].as_u64().unwrap() > 0, "{other:#}");
        assert_eq!(read["found"]["zeros"], "2048", "{other:#}");
    }
    let switches = facts["force_ro"].as_array().unwrap();
    assert!(switches.len() == 2 && switches.iter().all(|one| one["set_back"].is_string()), "{facts:#}");
    assert_eq!(facts["hidden_areas"]["areas"], Value::Array(Vec::new()), "{facts:#}");
    assert!(says.to_string().contains("RPMB"), "{says:#}");
}

fn nodes(drives: &[Value], serial: &str) -> (Value, [Value; 2]) {
    let unit = |unit: Value| {
        let found = drives.iter().find(|d| d["identity"]["serial"] == serial && d["identity"]["unit"] == unit);
        found.unwrap_or_else(|| panic!("no {serial} {unit}: {drives:#?}")).clone()
    };
    (unit(Value::Null), [unit("boot0".into()), unit("boot1".into())])
}

fn force_ro(bench: &mut Bench, node: &Value) -> String {
    let name = node["path"].as_str().unwrap().trim_start_matches("/dev/").to_owned();
    bench.guest.run(&format!("cat /sys/block/{name}/force_ro")).expect(0).stdout.trim().to_owned()
}

fn command(nodes: &[&Value], scheme: &str) -> Vec<String> {
    let targets = nodes.iter().flat_map(|node| ["path", "confirm_token"].map(|name| node[name].as_str().unwrap()));
    let mut all = vec!["--json".to_owned(), "wipe".to_owned()];
    for pair in targets.collect::<Vec<_>>().chunks(2) {
        all.extend([pair[0].to_owned(), "--confirm".to_owned(), pair[1].to_owned()]);
    }
    all.extend(["--method", "clear", "--scheme", scheme].map(str::to_owned));
    all
}

fn wipe(bench: &mut Bench, nodes: &[&Value]) -> Vec<Value> {
    let all = command(nodes, "zero");
    let ran = bench.guest.lastwrite(&all.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    ran.json().into_iter().filter(|line| line["outcome"].is_string()).collect()
}

/// Killed when the switch is cleared and the run is at work; `resume` ends it and sets the switch back.
fn killed_and_resumed(bench: &mut Bench, node: &Value) {
    let run = killed(bench, node);
    let (ran, result) = bench.resume(&run, &[]);
    assert_eq!((ran.code, &result["outcome"]), (0, &"pass".into()), "{result:#} {}", ran.stderr);
    let says = document_of(bench, "certificates", &result);
    let switches = says["facts"]["force_ro"].as_array().unwrap();
    assert_eq!((switches.len(), switches[0]["set_back"].is_string()), (1, true), "{says:#}");
    assert_eq!(force_ro(bench, node), "1");
}

/// Gives the run that was cut.
fn killed(bench: &mut Bench, node: &Value) -> String {
    let words = command(&[node], "dod-ece").iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let name = node["path"].as_str().unwrap().trim_start_matches("/dev/").to_owned();
    let kill = format!(
        "lastwrite {words} </dev/null >/share/begun 2>&1 & \
         while read -r on </sys/block/{name}/force_ro && [ $on = 1 ] && kill -0 $! 2>/dev/null; do :; done; \
         kill -9 $!; wait $!; true"
    );
    bench.guest.run(&kill).expect(0);
    let begun = || std::fs::read_to_string(bench.share.path().join("begun")).unwrap_or_default();
    let listed = bench.guest.lastwrite(&["--json", "resume"]).json();
    let run = listed.first().and_then(|run| run["run_id"].as_str()).unwrap_or_else(|| panic!("{}", begun())).to_owned();
    assert_eq!(force_ro(bench, node), "0", "nobody was there to set it back");
    run
}
