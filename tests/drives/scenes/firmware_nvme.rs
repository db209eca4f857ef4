//! Sanitize and Format NVM: what the drive says, and what it did.

use std::time::Duration;

use super::bench::{Bench, case};
use super::table::Truth::{BeyondAnyHost, Faulty, Honest};
use crate::models::nvme::{Log, Nvme};
use crate::models::nvme_bus::NvmeDrive;
use crate::models::stock;
use crate::rig::Erase;
use crate::rig::plug::Plug;

const KIND: &str = "NVMe SSD";

fn drive(serial: &str, change: impl FnOnce(&mut Nvme)) -> NvmeDrive {
    let mut model = Nvme::new(serial, 2);
    change(&mut model);
    NvmeDrive::new(model)
}

fn erasing(serial: &str, erase: Erase) -> NvmeDrive {
    drive(serial, |d| d.erase = erase)
}

#[test]
fn nvme_sanitize() {
    let honest = erasing("B-HONEST", Erase::Whole);
    let slow = drive("B-SLOW", |d| d.erase_time = Duration::from_secs(12));
    let fails = erasing("B-FAILS", Erase::Fails);
    let nothing = erasing("B-NOTHING", Erase::Nothing);
    let half = erasing("B-HALF", Erase::Half);
    let end = erasing("B-END", Erase::AllButTheEnd);
    let unmaps = erasing("B-UNMAPS", Erase::OnlyUnmaps);
    let zeroed = drive("B-ZEROED", |d| d.log = Log::ZeroedAfterwards);
    let empty = drive("B-EMPTY", |d| d.log = Log::Zeroed);
    let drops = drive("B-DROPS", |d| d.medium.drops_writes = true);
    let missing = drive("B-MISSING", |d| d.log = Log::Missing);
    let deallocates = drive("B-DEALLOCATES", |d| d.deallocates_anyway = true);
    let unsupported = drive("B-UNSUPPORTED", |d| d.sanicap = 0);
    let stalls = erasing("B-STALLS", Erase::Stalls);
    let (crypto, overwrite) = (erasing("X-HONEST", Erase::Whole), erasing("O-HONEST", Erase::Whole));
    let lying_crypto = erasing("X-NOTHING", Erase::Nothing);
    let (shut, shut_again) = (drive("D-SHUT", |d| d.fails_first = true), drive("D-AGAIN", |d| d.fails_first = true));
    let all = [
        &honest,
        &slow,
        &fails,
        &nothing,
        &half,
        &end,
        &unmaps,
        &zeroed,
        &empty,
        &drops,
        &missing,
        &deallocates,
        &unsupported,
        &stalls,
        &crypto,
        &overwrite,
        &lying_crypto,
        &shut,
        &shut_again,
    ];
    let plugs: Vec<_> = all.iter().map(|d| *d as &dyn Plug).collect();
    let Some(mut bench) = Bench::start("nvme-sanitize", &plugs) else { return };
    let cases = [
        case(&honest, "B-HONEST", KIND, Honest, "is honest"),
        case(&slow, "B-SLOW", KIND, Honest, "is honest, and takes its time"),
        case(&fails, "B-FAILS", KIND, Faulty, "reports failure"),
        case(&nothing, "B-NOTHING", KIND, Faulty, "reports success and erases nothing"),
        case(&half, "B-HALF", KIND, Faulty, "reports success and erases half"),
        case(&end, "B-END", KIND, Faulty, "reports success and leaves the last eighth"),
        case(
            &unmaps,
            "B-UNMAPS",
            KIND,
            BeyondAnyHost,
            "reports success, unmaps, reads zeros back, and keeps its cells",
        ),
        case(&zeroed, "B-ZEROED", KIND, Faulty, "erases, and its status log is all zeros afterwards"),
        case(&empty, "B-EMPTY", KIND, Faulty, "erases, and its status log is always all zeros"),
        case(&drops, "B-DROPS", KIND, Faulty, "acknowledges every write and drops it"),
        case(&missing, "B-MISSING", KIND, Faulty, "has no status log"),
        case(&deallocates, "B-DEALLOCATES", KIND, Honest, "is honest, and deallocates unasked (SSTAT 4)"),
        case(&unsupported, "B-UNSUPPORTED", KIND, Faulty, "does not know Sanitize"),
        case(&stalls, "B-STALLS", KIND, Faulty, "stands at SPROG 655 for ever"),
    ];
    bench.wipe(&cases, "`nvme-sanitize-block`", &["--technique", "nvme-sanitize-block", "--erase-stall", "8"]);
    let cases = [
        case(&crypto, "X-HONEST", KIND, Honest, "is honest"),
        case(&lying_crypto, "X-NOTHING", KIND, Faulty, "reports success and erases nothing"),
    ];
    bench.wipe(&cases, "`nvme-sanitize-crypto`", &["--technique", "nvme-sanitize-crypto"]);
    let cases = [case(&overwrite, "O-HONEST", KIND, Honest, "is honest")];
    bench.wipe(&cases, "`nvme-sanitize-overwrite`", &["--technique", "nvme-sanitize-overwrite"]);
    bench.steps_down_once(&shut, "D-SHUT", KIND, "nvme-sanitize-block");
    bench.begins_anew(&shut_again, "D-AGAIN", KIND, "nvme-sanitize-block");
    bench.end();
}

#[test]
fn nvme_format() {
    let honest = erasing("F-HONEST", Erase::Whole);
    let nothing = erasing("F-NOTHING", Erase::Nothing);
    let half = erasing("F-HALF", Erase::Half);
    let fails = erasing("F-FAILS", Erase::Fails);
    let no_broadcast = drive("F-NOBROADCAST", |d| d.fna = 12);
    let unsupported = drive("F-UNSUPPORTED", |d| d.oacs = 0);
    let (crypto, lying_crypto) = (erasing("Y-HONEST", Erase::Whole), erasing("Y-NOTHING", Erase::Nothing));
    let plain = stock::nvme("Q-NVME", 2);
    let all: [&dyn Plug; 9] =
        [&honest, &nothing, &half, &fails, &no_broadcast, &unsupported, &crypto, &lying_crypto, &plain];
    let Some(mut bench) = Bench::start("nvme-format", &all) else { return };
    let cases = [
        case(&honest, "F-HONEST", KIND, Honest, "is honest"),
        case(&nothing, "F-NOTHING", KIND, Faulty, "reports success and erases nothing"),
        case(&half, "F-HALF", KIND, Faulty, "reports success and erases half"),
        case(&fails, "F-FAILS", KIND, Faulty, "reports failure"),
        case(
            &no_broadcast,
            "F-NOBROADCAST",
            KIND,
            Honest,
            "is honest, and takes no format of all namespaces (FNA bit 3)",
        ),
        case(&unsupported, "F-UNSUPPORTED", KIND, Faulty, "does not know Format NVM"),
        case(&plain, "Q-NVME", "NVMe SSD of qemu", Honest, "is honest"),
    ];
    bench.wipe(&cases, "`nvme-format-user`", &["--technique", "nvme-format-user"]);
    let cases = [
        case(&crypto, "Y-HONEST", KIND, Honest, "is honest"),
        case(&lying_crypto, "Y-NOTHING", KIND, Faulty, "reports success and erases nothing"),
    ];
    bench.wipe(&cases, "`nvme-format-crypto`", &["--technique", "nvme-format-crypto"]);
    bench.end();
}
