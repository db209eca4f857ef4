//! What settles a discrepancy, and what does not.

use super::*;

struct Gate {
    bench: Bench,
}

impl Gate {
    fn new() -> Gate {
        Gate { bench: Bench::new() }
    }

    /// A transfer of S1 in a box with two seals, as it is carried to the receiver.
    fn handed(&self, name: &str) -> PathBuf {
        let sam = self.bench.key("sam");
        let args =
            ["custody", "transfer", "--to", "rita", "--place", "Gate 2", "--reason", "destruction", "--key", &sam];
        let more = ["--seal", "BOX=1", "--seal", "BOX=2", "--serial", "S1"];
        let file = self.bench.document(&[&args[..], &more].concat());
        let carried = self.bench.station.path(name);
        std::fs::copy(file, &carried).unwrap();
        carried
    }

    fn receive(&self, code: i32, file: &Path, more: &[&str]) -> String {
        let rita = self.bench.key("rita");
        let args = ["custody", "receive", text(file), "--place", "Yard", "--key", &rita, "--serial", "S1"];
        both(&self.bench.station.expect(code, &[&args[..], more].concat()))
    }

    fn reports(&self) -> Vec<PathBuf> {
        self.bench.station.files("documents").into_iter().filter(|file| is_discrepancy(file)).collect()
    }

    /// Receives, which is refused and recorded; the report.
    fn refused(&self, file: &Path, more: &[&str]) -> String {
        let before = self.reports();
        let told = self.receive(3, file, more);
        assert!(told.contains("the discrepancy is recorded"), "{told}");
        let report = self.reports().into_iter().find(|report| !before.contains(report)).unwrap();
        assert!(!std::fs::read_to_string(file).unwrap().contains("\"},{\""), "it has the sender's signature alone");
        text(&report).to_owned()
    }
}

const WHOLE: [&str; 4] = ["--seal", "BOX=1", "--seal", "BOX=2"];
const FIRST_BROKEN: [&str; 4] = ["--broken-seal", "BOX=1", "--seal", "BOX=2"];
const BOTH_BROKEN: [&str; 4] = ["--broken-seal", "BOX=1", "--broken-seal", "BOX=2"];

#[test]
fn only_what_a_validator_accepted_of_this_transfer_is_settled() {
    let gate = Gate::new();
    let bench = &gate.bench;
    // A decision about something else, and a discrepancy of another transfer that is settled.
    let unrelated = bench.validated(&bench.wiped("a.img"), "--reject", &[]);
    let elsewhere = gate.refused(&gate.handed("elsewhere.json"), &FIRST_BROKEN);
    let accepted_elsewhere = bench.validated(&elsewhere, "--accept", &[]);

    let transfer = gate.handed("transfer.json");
    for settled in [&[unrelated.as_str()][..], &[elsewhere.as_str(), accepted_elsewhere.as_str()][..]] {
        let told = gate.receive(3, &transfer, &[&WHOLE[..], &["--settled"], settled].concat());
        assert!(told.contains("no discrepancy report of this transfer"), "{told}");
        assert!(gate.reports().len() == 1, "nothing differed, so nothing is recorded");
    }
    let first = gate.refused(&transfer, &[&FIRST_BROKEN[..], &["--settled", &unrelated]].concat());
    // The report alone, or one that was rejected, settles nothing.
    let told = gate.receive(3, &transfer, &[&WHOLE[..], &["--settled", &first]].concat());
    assert!(told.contains("NOT RECEIVED"), "{told}");
    let rejected = bench.validated(&first, "--reject", &[]);
    let told = gate.receive(3, &transfer, &[&WHOLE[..], &["--settled", &first, &rejected]].concat());
    assert!(told.contains("NOT RECEIVED"), "{told}");
    let accepted = bench.validated(&first, "--accept", &["--replaces", &id_of(&rejected)]);
    let settled = ["--settled", &first, &rejected, &accepted];
    // The second seal broke since, or something else is not as it should be: other discrepancies.
    let second = gate.refused(&transfer, &[&BOTH_BROKEN[..], &settled].concat());
    let wet = gate.refused(&transfer, &[&FIRST_BROKEN[..], &["--remarks", "the box is wet"], &settled].concat());
    let told = gate.receive(3, &transfer, &[&FIRST_BROKEN[..], &settled].concat());
    assert!(told.contains("NOT RECEIVED"), "two are open: {told}");
    bench.validated(&second, "--accept", &[]);
    bench.validated(&wet, "--accept", &[]);
    let told = gate.receive(0, &transfer, &[&BOTH_BROKEN[..], &settled].concat());
    assert!(told.contains("RECEIVED") && told.contains("what differed is settled"), "{told}");
    bench.station.ok(&["certificate", "verify", "--any", text(&transfer)]);
}

/// The audit says of a discrepancy what `custody receive` makes of it.
#[test]
fn a_discrepancy_is_open_again_when_what_settled_it_is_undone() {
    let gate = Gate::new();
    let bench = &gate.bench;
    let report = gate.refused(&gate.handed("transfer.json"), &FIRST_BROKEN);
    let other = gate.refused(&gate.handed("other.json"), &FIRST_BROKEN);
    let open = || -> Vec<bool> {
        let told = bench.station.ok(&["custody", "audit"]);
        [&report, &other].map(|file| told.contains(&format!("discrepancy {} is not settled", id_of(file)))).to_vec()
    };
    let vera = bench.key("vera");
    let revoked = |file: &str| {
        bench.document(&["certificate", "revoke", file, "--cause", "error", "--reason", "r", "--key", &vera]);
    };
    assert_eq!(open(), [true, true]);
    let accepted = bench.validated(&report, "--accept", &[]);
    bench.validated(&other, "--accept", &[]);
    assert_eq!(open(), [false, false]);
    revoked(&accepted);
    assert_eq!(open(), [true, false]);
    bench.validated(&report, "--accept", &[]);
    assert_eq!(open(), [false, false]);
    let rejected = bench.validated(&report, "--reject", &[]);
    assert_eq!(open(), [true, false]);
    revoked(&rejected);
    assert_eq!(open(), [false, false]);
}

/// The file is a pipe, so that it holds one transfer when it is looked at and another when it is signed.
#[test]
fn what_was_looked_at_is_what_is_signed() {
    let gate = Gate::new();
    let (first, second) = (gate.handed("first.json"), gate.handed("second.json"));
    let pipe = gate.bench.station.path("pipe.json");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let writer = {
        let pipe = pipe.clone();
        let [first, second] = [first, second].map(|file| std::fs::read(file).unwrap());
        std::thread::spawn(move || {
            std::fs::write(&pipe, first).unwrap();
            // The first reader sees the end before there is more to read.
            std::thread::sleep(std::time::Duration::from_secs(1));
            std::fs::write(&pipe, second).unwrap();
        })
    };
    let told = gate.receive(3, &pipe, &WHOLE);
    assert!(told.contains("was not signed") && told.contains("another document"), "{told}");
    writer.join().unwrap();
    use std::os::unix::fs::FileTypeExt as _;
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo(), "nothing was written");
    assert!(!gate.bench.station.ok(&["custody", "log"]).contains("custody.received"));
}
