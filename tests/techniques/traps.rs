//! The traps of this trade, one test each. Those of NVMe and SCSI sanitize (2, 4, 12, 13) are in
//! `tests/traps.rs`; where a trap has a side in both command sets, this is the ATA side.

use std::fs;
use std::path::Path;

use lastwrite::device::command::ata::max_address::{Persistence, set_max};
use lastwrite::device::command::ata::sanitize::{Overwrite, overwrite};
use lastwrite::device::command::ata::security::EraseMode;
use lastwrite::device::command::nvme::{
    ALL_NAMESPACES, Completion, Controller, FormatTarget, Namespace, identify_controller, identify_namespace,
    sanitize_status_log,
};
use lastwrite::device::transport::Scripted;
use lastwrite::media::{CommandSet, Reach};
use lastwrite::policy::{Method, Policy, READY, Storage, Switches, Technique, rate};
use lastwrite::sanitize::firmware::{
    AtaHiddenAreas, AtaSanitize, AtaSecurityErase, Erase, NvmeFormat, NvmeSanitize, Procedure, Refusal, State,
    give_back,
};
use lastwrite::scheme::{Pattern, Step, catalogue, find};
use lastwrite::units::Lba;

use super::ata_drive::{AtaDrive, EraseHabit, Habit};
use super::bench::{Bench, Medium, Truth, code, erased, obstacle};

#[test]
fn trap_01_a_format_that_erases_nothing_cannot_be_made() {
    for flbas in 0..=u8::MAX {
        let namespace = namespace(flbas);
        for (crypto, ses) in [(false, 1), (true, 2)] {
            assert_eq!(NvmeFormat::new(crypto, 1).command(&namespace).cdw10 >> 9 & 7, ses);
        }
    }
}

/// One of 64 formats is in use, and every bit of DPS is set.
fn namespace(flbas: u8) -> Namespace {
    let mut data = vec![0; 4096];
    (data[0], data[25], data[26], data[29]) = (1, 63, flbas, 0xFF);
    for format in 0..64 {
        data[128 + 4 * format + 2] = 9;
    }
    Namespace::parse(&data).unwrap()
}

#[test]
fn trap_02_no_sanitize_names_a_namespace() {
    for erase in [Erase::Block, Erase::Crypto, Erase::Overwrite] {
        assert_eq!(NvmeSanitize::new(erase).command().nsid, 0);
    }
}

#[test]
fn trap_03_the_bit_for_the_broadcast_id_says_the_opposite() {
    let fna = |byte: u8| {
        let mut data = vec![0; 4096];
        data[524] = byte;
        Controller::parse(&data).unwrap().format
    };
    assert_eq!(FormatTarget::All.reach(fna(1 << 3)), None);
    assert_eq!(FormatTarget::All.reach(fna(0)), Some(FormatTarget::All));
    // And one that names a namespace may reach all of them.
    assert_eq!(FormatTarget::Namespace(1).reach(fna(1 << 1)), Some(FormatTarget::All));
    for (byte, reach) in [(0, Reach::Unit), (1 << 3, Reach::Unit), (1 << 1, Reach::Subsystem)] {
        let (mut path, script) = Scripted::new(&[CommandSet::Nvme]);
        let (mut controller, mut seven) = (vec![0; 4096], vec![0; 4096]);
        controller[524] = byte;
        (seven[0], seven[130]) = (1, 9);
        script.always_nvme_in(&identify_controller(), &controller, Ok(Completion::default()));
        script.always_nvme_in(&identify_namespace(7), &seven, Ok(Completion::default()));
        assert_eq!(NvmeFormat::new(false, 7).look(&mut path).unwrap().reach, reach, "FNA {byte:04b}");
    }
    // What is really sent names the namespace, whatever the bit says.
    assert_ne!(NvmeFormat::new(true, 7).command(&namespace(0)).nsid, ALL_NAMESPACES);
}

#[test]
fn trap_04_status_4_is_a_success() {
    let procedure = NvmeSanitize::new(Erase::Block);
    let says = |sstat: u8| {
        let (mut path, script) = Scripted::new(&[CommandSet::Nvme]);
        let mut log = vec![0; 512];
        (log[2], log[4]) = (sstat, procedure.command().cdw10 as u8);
        script.always_nvme_in(&sanitize_status_log(), &log, Ok(Completion::default()));
        procedure.status(&mut path)
    };
    assert!(matches!(says(4), State::Completed(_)) && matches!(says(1), State::Completed(_)));
    assert!(matches!(says(3), State::Failed(_)) && matches!(says(5), State::Unknown(_)));
}

#[test]
fn trap_05_an_ata_overwrite_is_one_pass_and_a_count_of_zero_cannot_be_made() {
    assert_eq!(AtaSanitize::new(Erase::Overwrite).command().count & 0xF, 1);
    assert_eq!(Overwrite::once(0).passes(0), None);
    for passes in 1..16 {
        let how = Overwrite::once(0).passes(passes).unwrap();
        assert_eq!(overwrite(how).count & 0xF, u16::from(passes));
    }
}

#[test]
fn trap_06_a_lasting_set_max_has_its_bit_set() {
    for has_48_bit in [false, true] {
        assert_eq!(set_max(has_48_bit, Lba(9), Persistence::NonVolatile).count, 1);
        assert_eq!(set_max(has_48_bit, Lba(9), Persistence::Volatile).count, 0);
    }
}

#[test]
fn trap_07_native_max_directly_before_set_max_and_the_overlay_after_a_power_cycle() {
    let mut drive = AtaDrive::new(&Medium::full());
    (drive.max.accessible, drive.max.native, drive.max.factory) = (800, 900, 1000);
    let mut sizes = Vec::new();
    for _ in 0..2 {
        let step = AtaHiddenAreas::examine(&mut drive).unwrap().next();
        sizes.push(give_back(&mut drive, &step, &mut |_| Ok(())).unwrap().accessible);
        drive.power_cycle();
    }
    assert_eq!(sizes, [Lba(899), Lba(999)]);
    let changes: Vec<_> =
        drive.names().into_iter().filter(|name| name.contains("SET") || name.contains("RESTORE")).collect();
    assert_eq!(changes, ["SET MAX ADDRESS EXT", "DEVICE CONFIGURATION RESTORE"]);
    let at = drive.names().iter().position(|name| *name == "SET MAX ADDRESS EXT").unwrap();
    assert_eq!(drive.names()[at - 1], "READ NATIVE MAX ADDRESS EXT");
}

#[test]
fn trap_08_zeros_are_no_evidence_where_nothing_is_known_to_have_stood_there() {
    // A medium that is blank before, and a drive that does nothing: only the canaries tell.
    let medium = Medium::full();
    medium.bytes().fill(0);
    let mut drive = AtaDrive::new(&medium);
    drive.truth = Truth::Nothing;
    assert_eq!(code(Bench::new(&medium).run(&AtaSanitize::new(Erase::Crypto), &mut drive)), "not_erased");
}

#[test]
fn trap_09_enhanced_erase_on_flash_is_clear_unless_the_policy_says_purge() {
    let technique = Technique::AtaSecurityEraseEnhanced;
    let by_default = Switches::default();
    let rated = |storage, switches: &Switches| rate(technique, storage, switches).method;
    assert_eq!(rated(Storage::Flash, &by_default), Some(Method::Clear));
    assert_eq!(rated(Storage::Unknown, &by_default), Some(Method::Clear));
    assert_eq!(rated(Storage::Magnetic, &by_default), Some(Method::Purge));
    let trusting = Switches { enhanced_erase_on_flash: Method::Purge, ..by_default };
    assert_eq!(rated(Storage::Flash, &trusting), Some(Method::Purge));
    assert_eq!(rate(technique, Storage::Flash, &trusting).switch, Some("enhanced_erase_on_flash"));
    assert_eq!(rate(Technique::AtaSecurityErase, Storage::Flash, &trusting).method, Some(Method::Clear));
}

#[test]
fn trap_10_every_scheme_names_the_definition_and_source_it_follows() {
    for scheme in catalogue() {
        assert!(!scheme.definition.is_empty() && !scheme.source.is_empty(), "{}", scheme.name);
    }
    assert!(find("dod-e").unwrap().definition.contains("Feb 1995 reading"));
    assert!(find("bsi-tl-03423").is_err(), "sources contradict each other: not offered");
}

#[test]
fn trap_11_ff_is_ff_gutmann_is_whole_and_a_pattern_keeps_its_phase() {
    for scheme in ["is5-enhanced", "ops-ii", "vsitr", "schneier"] {
        let passes = find(scheme).unwrap().passes;
        assert!(passes.iter().any(|step| matches!(step, Step::Byte(0xFF))), "{scheme}");
        assert!(!passes.iter().any(|step| matches!(step, Step::Byte(0x01))), "{scheme}");
    }
    let gutmann = find("gutmann").unwrap().passes;
    for byte in (0..16).map(|n| n * 0x11) {
        assert!(gutmann.iter().any(|step| matches!(step, Step::Byte(b) if *b == byte)), "{byte:02x}");
    }
    // Three bytes do not divide a sector: what belongs at a place depends on the place alone.
    let pattern = Pattern::Bytes { bytes: vec![0x92, 0x49, 0x24] }.compile();
    let mut whole = [0; 1536];
    pattern.fill(0, &mut whole);
    for sector in 0..3 {
        let mut one = [0; 512];
        pattern.fill(sector * 512, &mut one);
        assert_eq!(one[..], whole[sector as usize * 512..][..512]);
    }
}

#[test]
fn trap_12_registers_that_do_not_come_back_are_no_success() {
    let medium = Medium::full();
    let mut without = AtaDrive::new(&medium);
    without.registers = false;
    let refused = Bench::new(&medium).run(&AtaSanitize::new(Erase::Block), &mut without);
    assert!(matches!(refused, Err(Refusal::NoStatus(_))), "{refused:?}");
    let mut loses = AtaDrive::new(&medium);
    loses.loses_registers = true;
    assert_eq!(code(Bench::new(&medium).run(&AtaSanitize::new(Erase::Block), &mut loses)), "status_lost");
}

#[test]
fn trap_13_the_status_is_read_before_anything_else_and_a_password_is_found_again() {
    let medium = Medium::full();
    let mut drive = AtaDrive::new(&medium);
    drive.sanitize.running = Some(5);
    let bench = Bench::new(&medium);
    assert_eq!(bench.run(&AtaSanitize::new(Erase::Block), &mut drive), Err(Refusal::Busy));
    assert_eq!(drive.names(), ["SANITIZE STATUS EXT"]);
    // The same for SECURITY ERASE UNIT, which does not go on: no password may stay.
    let mut drive = AtaDrive::new(&medium);
    drive.security.erase = EraseHabit::LosesPower;
    let erase = || AtaSecurityErase::new(EraseMode::Normal);
    assert_eq!(code(bench.run(&erase(), &mut drive)), "drive_failed");
    assert_eq!(drive.security.password, None);
    erased(bench.resume(&erase(), &mut drive));
}

#[test]
fn trap_14_five_per_cent_by_a_second_person_and_read_back_are_two_rules() {
    let policy = |id: &str| READY.iter().find(|ready| ready.id == id).unwrap().policy().unwrap();
    let (r2, nist) = (policy("r2v3"), policy("nist-800-88r2"));
    assert_eq!((r2.second_person.percent, nist.second_person.percent), (5, 0));
    // Read-back is a rule of its own: without the one the other stays.
    let text = READY.iter().find(|ready| ready.id == "r2v3").unwrap().toml;
    let without = text.replace("percent = 5", "percent = 0");
    let changed = Policy::parse(&without).unwrap();
    assert_eq!((changed.second_person.percent, changed.verification.clear), (0, r2.verification.clear));
}

#[test]
fn trap_15_no_clause_of_ieee_2883_is_cited() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    for folder in ["src", "docs"] {
        collect(&root.join(folder), &mut files);
    }
    assert!(files.len() > 100);
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            let Some((_, behind)) = line.split_once("2883") else { continue };
            let behind: String = behind.chars().take(40).collect::<String>().to_lowercase();
            let cites = ["clause", "section", "§", " 5.", " 6.", "table"]
                .iter()
                .any(|word| behind.find(word).is_some_and(|at| !behind[..at].contains([';', '.', '|', ',', ':', ')'])));
            assert!(!cites, "{}:{}: {line}", file.display(), number + 1);
        }
    }
}

#[test]
fn trap_16_frozen_is_the_reason_that_is_given_and_nothing_else_is_done_instead() {
    let medium = Medium::full();
    let mut drive = AtaDrive::new(&medium);
    (drive.sanitize.frozen, drive.sanitize.habit) = (true, Habit::Honest);
    let before = medium.bytes().clone();
    let why = obstacle(Bench::new(&medium).run(&AtaSanitize::new(Erase::Block), &mut drive));
    assert!(why.contains("frozen") && why.contains("suspend"), "{why}");
    assert!(drive.names().iter().all(|name| name.starts_with("IDENTIFY") || name.starts_with("SANITIZE STATUS")));
    // Not even the canaries: the medium is as it was.
    assert!(*medium.bytes() == before);
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs" || end == "md") {
            files.push(path);
        }
    }
}
