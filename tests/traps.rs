//! Traps of the drives' own sanitize commands, on a scripted path. Each names what must not become
//! a success.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use lastwrite::device::command::nvme::{self, AdminCommand, Completion, identify_controller, sanitize_status_log};
use lastwrite::device::command::scsi;
use lastwrite::device::transport::{Script, Scripted, TransportError};
use lastwrite::media::CommandSet;
use lastwrite::policy::VerificationLevel;
use lastwrite::sanitize::firmware::{
    Blocks, Bond, Canaries, Clock, Diary, DiaryError, End, Erase, Note, NvmeFormat, NvmeSanitize, Past, Procedure,
    Refusal, STALL, ScsiSanitize, Session, carry_out,
};
use lastwrite::scheme::StreamKey;
use lastwrite::units::{Bytes, SectorSize};

const SIZE: usize = 4 << 20;
const DONE: Completion = Completion { status: 0, result: 0 };

/// What the drive really does with its blocks when the command comes.
#[derive(Clone, Copy)]
enum Truth {
    Erases,
    ErasesHalf,
    Nothing,
}

/// Blocks, diary and clock of one drive.
#[derive(Clone)]
struct Bench {
    medium: Rc<RefCell<Vec<u8>>>,
    notes: Rc<RefCell<Vec<Note>>>,
    truth: Truth,
    drops_writes: bool,
    polls: u32,
}

impl Blocks for Bench {
    fn geometry(&self) -> (Bytes, SectorSize) {
        (Bytes(SIZE as u64), SectorSize::B512)
    }
    fn read(&mut self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        buf.copy_from_slice(&self.medium.borrow()[offset.0 as usize..][..buf.len()]);
        Ok(())
    }
    fn write(&mut self, offset: Bytes, buf: &[u8]) -> io::Result<()> {
        if !self.drops_writes {
            self.medium.borrow_mut()[offset.0 as usize..][..buf.len()].copy_from_slice(buf);
        }
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Diary for Bench {
    fn note(&mut self, note: Note) -> Result<(), DiaryError> {
        if matches!(note, Note::Sending { .. }) {
            match self.truth {
                Truth::Erases => self.medium.borrow_mut().fill(0),
                Truth::ErasesHalf => self.medium.borrow_mut()[..SIZE / 2].fill(0),
                Truth::Nothing => {}
            }
        }
        self.notes.borrow_mut().push(note);
        Ok(())
    }
}

impl Clock for Bench {
    fn wait(&mut self, _: Duration) -> bool {
        self.polls = self.polls.saturating_sub(1);
        self.polls > 0
    }
}

fn bench(truth: Truth) -> Bench {
    let medium = Rc::new(RefCell::new(vec![0x33; SIZE]));
    Bench { medium, notes: Rc::default(), truth, drops_writes: false, polls: 100_000 }
}

fn fresh() -> Canaries {
    Canaries::draw(Bytes(SIZE as u64), SectorSize::B512, [7; 32], StreamKey([9; 16]))
}

fn go(bench: &Bench, procedure: &dyn Procedure, mut path: Scripted, past: &Past) -> Result<End, Refusal> {
    let (mut blocks, mut diary, mut clock) = (bench.clone(), bench.clone(), bench.clone());
    let mut session = Session {
        procedure,
        path: &mut path,
        blocks: &mut blocks,
        areas: Vec::new(),
        diary: &mut diary,
        clock: &mut clock,
        identity: &mut || Ok(()),
        reached: &mut |_| Ok(()),
        bond: &Bond::OneWay(Some("SERIAL-1".to_owned())),
        verification: VerificationLevel::Full,
        seed: [7; 32],
        stall: STALL,
    };
    carry_out(&mut session, past, fresh())
}

fn code(end: Result<End, Refusal>) -> &'static str {
    match end {
        Ok(End::Failed(failure)) => failure.code,
        other => panic!("no failure: {other:?}"),
    }
}

fn identify(capabilities: u32) -> Vec<u8> {
    let mut data = vec![0; 4096];
    data[4..24].copy_from_slice(b"SERIAL-1            ");
    data[328..332].copy_from_slice(&capabilities.to_le_bytes());
    data
}

fn log(sstat: u16, progress: u16, scdw10: u32) -> Vec<u8> {
    let mut log = vec![0; 512];
    log[..2].copy_from_slice(&progress.to_le_bytes());
    log[2..4].copy_from_slice(&sstat.to_le_bytes());
    log[4..8].copy_from_slice(&scdw10.to_le_bytes());
    log[16..20].copy_from_slice(&60u32.to_le_bytes());
    log
}

/// A drive that takes a block erase; its log says `before` until the command, and `after` next.
fn nvme(before: &[u8], answer: Result<Completion, TransportError>, after: &[&[u8]]) -> (Scripted, Script) {
    let (path, script) = Scripted::new(&[CommandSet::Nvme]);
    let status = sanitize_status_log();
    script.always_nvme_in(&identify_controller(), &identify(0b111), Ok(DONE));
    // Once at the start, and with each look for the drive's estimate.
    for _ in 0..3 {
        script.nvme_in(&status, before, Ok(DONE));
    }
    script.nvme(&block().command(), answer);
    after.iter().for_each(|log| {
        script.nvme_in(&status, log, Ok(DONE));
    });
    if let Some(last) = after.last() {
        script.always_nvme_in(&status, last, Ok(DONE));
    }
    (path, script)
}

fn block() -> NvmeSanitize {
    NvmeSanitize::new(Erase::Block)
}

fn sense(key: u8, asc: u8, ascq: u8) -> Vec<u8> {
    vec![0x72, key, asc, ascq, 0, 0, 0, 0]
}

fn scsi_drive(serial: &[u8], support: u8) -> (Scripted, Script) {
    let (path, script) = Scripted::new(&[CommandSet::Scsi]);
    let page = [&[0, 0x80, 0, serial.len() as u8][..], serial].concat();
    script.always_scsi_in(&ScsiSanitize::serial_page(), &page, Ok(scsi::Outcome::default()));
    script.always_scsi_in(&ScsiSanitize::new(Erase::Block).support(), &[0, support], Ok(scsi::Outcome::default()));
    script.always_scsi_in(&characteristics(), &[], Ok(scsi::Outcome { status: 2, ..scsi::Outcome::default() }));
    (path, script)
}

fn characteristics() -> scsi::Command {
    scsi::vital_product_data(scsi::VpdPage::BlockDeviceCharacteristics, 64)
}

fn sensed(script: &Script, bytes: &[u8]) {
    let outcome = scsi::Outcome { transferred: bytes.len(), ..scsi::Outcome::default() };
    script.scsi_in(&scsi::request_sense(true), bytes, Ok(outcome));
}

#[test]
fn an_honest_drive_passes_and_the_notes_come_before_what_they_announce() {
    let bench = bench(Truth::Erases);
    let (path, script) = nvme(&log(0, 0, 0), Ok(DONE), &[&log(2, 100, 2), &log(2, 900, 2), &log(1, 0xFFFF, 2)]);
    let end = go(&bench, &block(), path, &Past::default()).unwrap();
    assert!(matches!(&end, End::Erased(erasure) if erasure.canaries as usize == fresh().lbas.len()), "{end:?}");
    let notes = bench.notes.borrow();
    assert!(
        matches!(
            &notes[..],
            [
                Note::SamplesTaken { .. },
                Note::CanariesPlanned { .. },
                Note::CanariesStored { .. },
                Note::Sending { .. },
                Note::Answered { .. },
                Note::Completed { .. }
            ]
        ),
        "{notes:?}"
    );
    let json = serde_json::to_string(&*notes).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Note>>(&json).unwrap(), *notes);
    script.finish();
}

#[test]
fn trap_2_nvme_sanitize_goes_to_namespace_0() {
    for erase in [Erase::Block, Erase::Crypto, Erase::Overwrite] {
        let command: AdminCommand = NvmeSanitize::new(erase).command();
        assert_eq!((command.opcode, command.nsid), (0x84, 0));
    }
}

#[test]
fn trap_4_sstat_4_is_a_success_too() {
    let (path, _script) = nvme(&log(0, 0, 0), Ok(DONE), &[&log(4, 0xFFFF, 2)]);
    let end = go(&bench(Truth::Erases), &block(), path, &Past::default());
    assert!(matches!(end, Ok(End::Erased(_))), "{end:?}");
}

#[test]
fn trap_5_an_overwrite_is_one_pass_never_a_count_of_zero() {
    assert_eq!(NvmeSanitize::new(Erase::Overwrite).command().cdw10 >> 4 & 0xF, 1);
    let (command, list) = ScsiSanitize::new(Erase::Overwrite).command();
    assert_eq!((command.cdb[1], command.cdb[8], list.unwrap()[0] & 0x1F), (0x81, 8, 1));
}

#[test]
fn trap_8_success_without_erasure_is_found_by_the_canaries() {
    for truth in [Truth::Nothing, Truth::ErasesHalf] {
        // Also the success of an earlier sanitize, still in the log of a drive that dropped this one.
        for before in [log(0, 0, 0), log(1, 0xFFFF, 2)] {
            let (path, _script) = nvme(&before, Ok(DONE), &[&log(1, 0xFFFF, 2)]);
            assert_eq!(code(go(&bench(truth), &block(), path, &Past::default())), "not_erased");
        }
    }
    // And a drive that drops writes could not be found out: nothing is sent to it.
    let (path, script) = Scripted::new(&[CommandSet::Nvme]);
    script.always_nvme_in(&identify_controller(), &identify(0b111), Ok(DONE));
    script.always_nvme_in(&sanitize_status_log(), &log(0, 0, 0), Ok(DONE));
    let deaf = Bench { drops_writes: true, ..bench(Truth::Erases) };
    assert!(matches!(go(&deaf, &block(), path, &Past::default()), Err(Refusal::Canaries(_))));
}

#[test]
fn trap_12_a_status_that_is_lost_or_zeroed_is_no_success() {
    let (path, _script) = nvme(&log(0, 0, 0), Ok(DONE), &[&log(0, 0, 0)]);
    assert_eq!(code(go(&bench(Truth::Erases), &block(), path, &Past::default())), "not_begun");

    let (path, script) = nvme(&log(0, 0, 0), Ok(DONE), &[]);
    let gone = Completion { status: nvme::status::INVALID_LOG_PAGE, result: 0 };
    script.always_nvme_in(&sanitize_status_log(), &[], Ok(gone));
    assert_eq!(code(go(&bench(Truth::Erases), &block(), path, &Past::default())), "status_lost");

    // A path that cannot say it before is not sent the command at all.
    let (path, script) = Scripted::new(&[CommandSet::Nvme]);
    script.always_nvme_in(&sanitize_status_log(), &[], Ok(gone));
    assert!(matches!(go(&bench(Truth::Erases), &block(), path, &Past::default()), Err(Refusal::NoStatus(_))));

    // No answer to the command, and the drive knows of none.
    let silent = TransportError::TimedOut { what: "Sanitize".into(), after: Duration::from_secs(60) };
    let (path, _script) = nvme(&log(0, 0, 0), Err(silent), &[&log(0, 0, 0)]);
    assert_eq!(code(go(&bench(Truth::Erases), &block(), path, &Past::default())), "not_begun");
}

#[test]
fn trap_13_a_sanitize_that_outlived_a_power_cut_is_taken_up_and_not_sent_again() {
    let first = bench(Truth::Erases);
    let stopped = Bench { polls: 1, ..first.clone() };
    let (path, _script) = nvme(&log(0, 0, 0), Ok(DONE), &[&log(2, 100, 2)]);
    assert_eq!(go(&stopped, &block(), path, &Past::default()).unwrap(), End::Interrupted);
    let past = Past::fold(&*first.notes.borrow());
    assert_eq!(past.sending, Some(block().technique()));

    for states in [vec![log(2, 200, 2), log(1, 0xFFFF, 2)], vec![log(1, 0xFFFF, 2)]] {
        let (path, script) = Scripted::new(&[CommandSet::Nvme]);
        script.always_nvme_in(&identify_controller(), &identify(0b111), Ok(DONE));
        states[..states.len() - 1].iter().for_each(|state| {
            script.nvme_in(&sanitize_status_log(), state, Ok(DONE));
        });
        script.always_nvme_in(&sanitize_status_log(), states.last().unwrap(), Ok(DONE));
        let end = go(&first, &block(), path, &past);
        assert!(matches!(end, Ok(End::Erased(_))), "{end:?}");
    }

    // It failed while nobody looked.
    let (path, script) = Scripted::new(&[CommandSet::Nvme]);
    script.nvme_in(&sanitize_status_log(), &log(3, 0xFFFF, 2), Ok(DONE));
    assert_eq!(code(go(&first, &block(), path, &past)), "drive_failed");

    // One that is running and not ours is left alone.
    let (path, script) = Scripted::new(&[CommandSet::Nvme]);
    script.nvme_in(&sanitize_status_log(), &log(2, 5, 4), Ok(DONE));
    assert_eq!(go(&first, &block(), path, &Past::default()), Err(Refusal::Busy));
}

#[test]
fn a_cut_before_the_command_left_sends_it_again() {
    let bench = bench(Truth::Erases);
    let canaries = fresh();
    let stored = canaries.store(&mut bench.clone()).unwrap();
    let technique = block().technique();
    let at = lastwrite::units::now();
    let notes = [Note::CanariesPlanned { canaries }, Note::CanariesStored { stored }, Note::Sending { technique, at }];
    // The success in the log is an older one: the canaries are all there.
    let (path, script) = nvme(&log(1, 0xFFFF, 2), Ok(DONE), &[&log(1, 0xFFFF, 2)]);
    let end = go(&bench, &block(), path, &Past::fold(&notes));
    assert!(matches!(end, Ok(End::Erased(_))), "{end:?}");
    script.finish();
}

#[test]
fn an_older_end_is_not_that_of_a_command_that_never_left() {
    let technique = block().technique();
    let at = lastwrite::units::now();
    let start = |bench: &Bench| {
        let canaries = fresh();
        let stored = canaries.store(&mut bench.clone()).unwrap();
        vec![Note::CanariesPlanned { canaries }, Note::CanariesStored { stored }, Note::Sending { technique, at }]
    };
    // The success of a cryptographic erase, its failure, and that of an older block erase.
    for older in [log(1, 0xFFFF, 4), log(3, 0xFFFF, 4), log(3, 0xFFFF, 2)] {
        let new = bench(Truth::Erases);
        let notes = start(&new);
        let (path, script) = nvme(&older, Ok(DONE), &[&log(1, 0xFFFF, 2)]);
        let end = go(&new, &block(), path, &Past::fold(&notes));
        assert!(matches!(end, Ok(End::Erased(_))), "{end:?}");
        script.finish();

        // One block that is gone: something erased. An answer: the command was there. Neither is sent again.
        let answered = Note::Answered { technique, answer: "accepted".to_owned() };
        for (gone, answer) in [(SIZE, None), (512, None), (0, Some(answered))] {
            let bench = bench(Truth::Nothing);
            let mut notes = start(&bench);
            notes.extend(answer);
            bench.medium.borrow_mut()[..gone].fill(0);
            let (path, script) = Scripted::new(&[CommandSet::Nvme]);
            script.nvme_in(&sanitize_status_log(), &older, Ok(DONE));
            assert_eq!(code(go(&bench, &block(), path, &Past::fold(&notes))), "drive_failed", "{gone}");
            script.finish();
        }
    }
}

#[test]
fn a_drive_that_stalls_for_ever_fails() {
    let (path, _script) = nvme(&log(0, 0, 0), Ok(DONE), &[&log(2, 655, 2)]);
    assert_eq!(code(go(&bench(Truth::Erases), &block(), path, &Past::default())), "stalled");
}

#[test]
fn what_the_drive_refuses_or_cannot_do_is_told() {
    let denied = Completion { status: nvme::status::SANITIZE_PROHIBITED_PMR, result: 0 };
    let (path, _script) = nvme(&log(0, 0, 0), Ok(denied), &[]);
    let bench = bench(Truth::Nothing);
    assert_eq!(code(go(&bench, &block(), path, &Past::default())), "rejected");
    assert_eq!(Past::fold(&*bench.notes.borrow()).sending, None);

    let (path, script) = Scripted::new(&[CommandSet::Nvme]);
    script.always_nvme_in(&identify_controller(), &identify(0b101), Ok(DONE));
    script.always_nvme_in(&sanitize_status_log(), &log(0, 0, 0), Ok(DONE));
    assert!(matches!(go(&bench, &block(), path, &Past::default()), Err(Refusal::Unsupported(_))));
}

#[test]
fn what_the_host_answers_for_the_drive_is_no_word_of_the_drive() {
    // Linux ends with it what it waited for in vain, and what a path that went away was at.
    for status in [nvme::status::HOST_ABORTED, nvme::status::HOST_PATHING_ERROR] {
        let host: Result<_, TransportError> = Ok(Completion { status, result: 0 });
        let (path, _script) = nvme(&log(0, 0, 0), host.clone(), &[&log(2, 9, 2), &log(1, 0xFFFF, 2)]);
        let end = go(&bench(Truth::Erases), &block(), path, &Past::default());
        assert!(matches!(end, Ok(End::Erased(_))), "{end:?}");
        let (path, _script) = nvme(&log(0, 0, 0), host, &[&log(0, 0, 0)]);
        assert_eq!(code(go(&bench(Truth::Nothing), &block(), path, &Past::default())), "not_begun");
    }
}

#[test]
fn a_format_that_ended_with_an_error_was_begun() {
    let (mut controller, mut namespace) = (identify(0), vec![0; 4096]);
    controller[256] = 1 << 1;
    (namespace[0], namespace[130]) = (1, 9);
    let keep = nvme::Namespace::parse(&namespace).unwrap();
    for (truth, status, expected) in [
        (Truth::ErasesHalf, nvme::status::INTERNAL_ERROR, "drive_failed"),
        (Truth::ErasesHalf, nvme::status::POWER_LOSS, "drive_failed"),
        // Write Fault.
        (Truth::ErasesHalf, 0x280, "drive_failed"),
        (Truth::Nothing, nvme::status::HOST_ABORTED, "not_begun"),
        (Truth::Nothing, nvme::status::INVALID_FORMAT, "rejected"),
    ] {
        let format = NvmeFormat::new(false, 1);
        let (path, script) = Scripted::new(&[CommandSet::Nvme]);
        script.always_nvme_in(&identify_controller(), &controller, Ok(DONE));
        script.always_nvme_in(&nvme::identify_namespace(1), &namespace, Ok(DONE));
        script.nvme(&format.command(&keep), Ok(Completion { status, result: 0 }));
        let bench = bench(truth);
        assert_eq!(code(go(&bench, &format, path, &Past::default())), expected, "{status:03x}h");
        assert_eq!(Past::fold(&*bench.notes.borrow()).sending.is_none(), expected == "rejected", "{status:03x}h");
    }
}

#[test]
fn scsi_success_needs_an_accepted_command_and_a_ready_drive() {
    let block = ScsiSanitize::new(Erase::Block);
    let good = || Ok(scsi::Outcome::default());
    let ready = |script: &Script| {
        sensed(script, &sense(0, 0, 0));
        script.scsi(&scsi::test_unit_ready(), good());
    };
    for (truth, after, expected) in [
        (Truth::Erases, None, "pass"),
        (Truth::Nothing, None, "not_erased"),
        (Truth::Erases, Some(sense(3, 0x31, 3)), "drive_failed"),
    ] {
        let (path, script) = scsi_drive(b"SERIAL-1", 3);
        ready(&script);
        script.scsi(&block.command().0, good());
        sensed(&script, &sense(2, 4, 0x1B));
        match &after {
            Some(sense) => sensed(&script, sense),
            None => ready(&script),
        }
        let end = go(&bench(truth), &block, path, &Past::default());
        match expected {
            "pass" => assert!(matches!(end, Ok(End::Erased(_))), "{end:?}"),
            failure => assert_eq!(code(end), failure),
        }
        script.finish();
    }
    // The answer is lost, and perhaps the command: a ready drive is no sign that it was ever there. Where nothing is
    // left that is told, and no success.
    for (truth, gone) in [(Truth::Erases, true), (Truth::ErasesHalf, false), (Truth::Nothing, false)] {
        let (path, script) = scsi_drive(b"SERIAL-1", 3);
        ready(&script);
        script.scsi(&block.command().0, Err(TransportError::Io { what: "SANITIZE".into(), why: "reset".into() }));
        ready(&script);
        match go(&bench(truth), &block, path, &Past::default()) {
            Ok(End::Failed(failure)) if failure.code == "not_begun" => {
                assert_eq!(failure.message.contains("nothing of the known content"), gone, "{}", failure.message);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_drive_that_forbids_reads_after_its_erase_is_not_believed() {
    for (byte, erase, forbids) in [
        (0b1000_0000, Erase::Block, true),
        (0b0010_0000, Erase::Block, false),
        (0b0010_0000, Erase::Crypto, true),
        (0b0101_0000, Erase::Crypto, false),
    ] {
        let (mut path, script) = Scripted::new(&[CommandSet::Scsi]);
        let technique = ScsiSanitize::new(erase);
        let mut page = vec![0, 0xB1, 0, 60];
        page.resize(64, 0);
        page[7] = byte;
        let whole = scsi::Outcome { transferred: 64, ..scsi::Outcome::default() };
        script.always_scsi_in(&ScsiSanitize::serial_page(), b"\0\x80\0\x08SERIAL-1", Ok(scsi::Outcome::default()));
        script.always_scsi_in(&technique.support(), &[0, 3], Ok(scsi::Outcome::default()));
        script.always_scsi_in(&characteristics(), &page, Ok(whole));
        let obstacle = technique.look(&mut path).unwrap().obstacle;
        assert_eq!(obstacle.is_some_and(|why| why.contains("until it is written")), forbids, "{byte:08b} {erase:?}");
    }
}

#[test]
fn another_drive_on_the_path_is_not_touched() {
    for serial in [&b"SERIAL-2"[..], b"", b"\xFF\xFE"] {
        let (path, script) = scsi_drive(serial, 3);
        sensed(&script, &sense(0, 0, 0));
        script.scsi(&scsi::test_unit_ready(), Ok(scsi::Outcome::default()));
        let end = go(&bench(Truth::Erases), &ScsiSanitize::new(Erase::Block), path, &Past::default());
        assert!(matches!(end, Err(Refusal::Identity(_))), "{end:?}");
    }
}
