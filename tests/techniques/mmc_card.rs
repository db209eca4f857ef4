//! An eMMC card: user data area and two boot partitions, each behind a node of its own.

use std::time::Duration;

use lastwrite::device::command::Data;
use lastwrite::device::command::mmc::{Area, Command, Outcome};
use lastwrite::device::transport::{Transport, TransportError};
use lastwrite::media::{CommandSet, Reach};
use lastwrite::sanitize::firmware::{
    BOOT_PARTITIONS, BootPartitions, End, GENERAL_PURPOSE_PARTITIONS, MmcAreas, MmcCard, MmcErase, Note, Past,
    Procedure, Refusal,
};
use lastwrite::units::{Bytes, Sectors};

use super::bench::{Bench, Medium, SIZE, Truth, code, erased, failed, obstacle};

const BOOT: usize = 128 * 1024;
const HOW: [MmcErase; 3] = [MmcErase::SecureErase, MmcErase::SecureTrim, MmcErase::Sanitize];

struct Card {
    medium: Medium,
    truth: Truth,
    boot: [Medium; 2],
    /// It erases its boot partitions when it is told to.
    boot_honest: bool,
    /// And what they read as then.
    boot_leaves: u8,
    /// BOOT_WP and BOOT_WP_STATUS.
    protected: (u8, u8),
    features: u8,
    range: Option<(u32, u32)>,
    marked: bool,
    /// R1 of CMD38.
    error: u32,
    /// What the first status says beside, after CMD38 or CMD6 have ended: once.
    regrets: Option<(u32, u32)>,
    regret: u32,
    /// So many erases go well before.
    well: u32,
    /// USER_WP.
    user_wp: u8,
    fails_at: Option<u32>,
    /// It erases, and the host does not wait for its answer.
    late: bool,
    /// And then it answers nothing more.
    deaf: bool,
    /// Looks at the status until it is idle again, after an erase.
    slow: u32,
    busy: u32,
    sent: Vec<(Area, Vec<u32>)>,
}

fn card(change: impl FnOnce(&mut Card)) -> (Bench, Card) {
    let medium = Medium::full();
    let mut card = Card {
        medium: medium.clone(),
        truth: Truth::Erases,
        boot: [Medium::of(BOOT), Medium::of(BOOT)],
        boot_honest: true,
        boot_leaves: 0,
        protected: (0, 0),
        features: 0x51,
        range: None,
        marked: false,
        error: 0,
        regrets: None,
        regret: 0,
        well: 0,
        user_wp: 0,
        fails_at: None,
        late: false,
        deaf: false,
        slow: 0,
        busy: 0,
        sent: Vec::new(),
    };
    change(&mut card);
    let areas = Area::BOOT.into_iter().zip(card.boot.clone()).collect();
    (Bench { areas, ..Bench::new(&medium) }, card)
}

impl Card {
    fn ext_csd(&self) -> Vec<u8> {
        let mut data = vec![0; 512];
        (data[192], data[231], data[226], data[179], data[168]) = (8, self.features, 1, 0x48, 2);
        (data[173], data[174]) = self.protected;
        data[171] = self.user_wp;
        data[212..216].copy_from_slice(&((SIZE / 512) as u32).to_le_bytes());
        (data[223], data[224], data[229], data[230]) = (2, 1, 17, 18);
        data
    }

    fn erase(&mut self, area: Area, argument: u32) {
        let (first, last) = self.range.take().expect("CMD35 and CMD36 come before CMD38");
        let trims = match argument {
            0x8000_0001 => return self.marked = true,
            0x8000_8000 => {
                assert!(self.marked, "step 1 comes before step 2");
                true
            }
            0x8000_0000 | 0x0000_0001 => true,
            other => panic!("CMD38 {other:08x} is no secure removal"),
        };
        // A small card counts bytes.
        let whole = |bytes: usize| trims && (first, last) == (0, (bytes - 512) as u32);
        match area {
            Area::UserData => {
                assert!(whole(SIZE));
                self.truth.carry_out(&self.medium);
            }
            Area::Boot0 | Area::Boot1 => {
                assert!(whole(BOOT));
                if self.boot_honest {
                    self.boot[usize::from(area == Area::Boot1)].bytes().fill(self.boot_leaves);
                }
            }
        }
    }
}

impl Card {
    fn regret_of(&mut self, opcode: u32) {
        match self.regrets {
            Some((at, _)) if at == opcode && self.well > 0 => self.well -= 1,
            Some((at, bits)) if at == opcode => (self.regret, self.regrets) = (bits, None),
            _ => {}
        }
    }
}

impl Transport for Card {
    fn offers(&self) -> Vec<CommandSet> {
        vec![CommandSet::Mmc]
    }

    fn mmc(&mut self, commands: &[Command], data: Data<'_>, limit: Duration) -> Result<Outcome, TransportError> {
        self.mmc_in(Area::UserData, commands, data, limit)
    }

    fn mmc_in(
        &mut self,
        area: Area,
        commands: &[Command],
        data: Data<'_>,
        limit: Duration,
    ) -> Result<Outcome, TransportError> {
        assert!(limit >= Duration::from_secs(60));
        self.sent.push((area, commands.iter().map(|command| command.opcode).collect()));
        let mut outcome = Outcome::default();
        let mut buffer = match data {
            Data::In(buffer) => Some(buffer),
            _ => None,
        };
        for command in commands {
            if self.fails_at == Some(command.opcode) {
                return Err(TransportError::Io { what: command.name.to_owned(), why: "CRC".to_owned() });
            }
            let mut r1 = 0x900;
            match command.opcode {
                // Which area commands go to is the kernel's: a PARTITION_ACCESS of ours would be undone.
                6 => {
                    assert_eq!((area, command.argument), (Area::UserData, 0x03A5_0100));
                    self.regret_of(6);
                }
                8 => buffer.take().unwrap().copy_from_slice(&self.ext_csd()),
                13 if self.busy > 0 => (self.busy, r1) = (self.busy - 1, 0xE00),
                // An ERROR or WP_ERASE_SKIP is told when it is not busy any more, and cleared by that.
                13 => r1 |= std::mem::take(&mut self.regret),
                35 => self.range = Some((command.argument, 0)),
                36 => self.range = self.range.map(|(first, _)| (first, command.argument)),
                38 => {
                    r1 |= self.error;
                    if self.error == 0 {
                        self.busy = self.slow;
                        self.erase(area, command.argument);
                        self.regret_of(38);
                    }
                    if self.late {
                        self.fails_at = self.deaf.then_some(13);
                        return Err(TransportError::TimedOut { what: command.name.to_owned(), after: limit });
                    }
                }
                other => panic!("CMD{other}"),
            }
            outcome.responses.push([r1, 0, 0, 0]);
        }
        Ok(outcome)
    }
}

fn whole(how: MmcErase) -> MmcCard {
    MmcCard::new(how, BootPartitions::Erase)
}

fn without_boot(how: MmcErase) -> MmcCard {
    MmcCard::new(how, BootPartitions::LeaveAlone)
}

#[test]
fn an_honest_card_is_erased_with_its_boot_partitions_by_each_of_the_three() {
    for how in HOW {
        let (bench, mut card) = card(|card| card.slow = 3);
        let erasure = erased(bench.run(&whole(how), &mut card));
        assert!(bench.medium.is_blank() && erasure.survey.is_clean() && erasure.canaries > 10);
        assert!(card.boot.iter().all(Medium::is_blank));
        // Each of them was known before, and all of it was read afterwards.
        let names: Vec<&str> = erasure.areas.iter().map(|area| area.area.as_str()).collect();
        assert_eq!(names, ["boot0", "boot1"]);
        for area in &erasure.areas {
            assert!(area.canaries >= 64 && area.samples >= 60, "{area:?}");
            assert_eq!(area.survey.zeros, Sectors(BOOT as u64 / 512));
        }
        let keys: Vec<_> = Past::fold(&*bench.notes.lock().unwrap()).areas.iter().map(|a| a.canaries.key).collect();
        assert_ne!(keys[0], keys[1], "content of one partition is not that of the other");
        // Sanitize is the last command, after everything was trimmed.
        let erases: Vec<_> = card.sent.iter().filter(|(_, s)| s.contains(&38) || s.contains(&6)).collect();
        assert_eq!(erases.last().unwrap().1.contains(&38), how != MmcErase::Sanitize);
        let in_boot = erases.iter().filter(|(area, _)| *area != Area::UserData).count();
        assert_eq!(in_boot, if how == MmcErase::SecureTrim { 4 } else { 2 });
    }
}

#[test]
fn boot_partitions_can_be_left_alone_and_that_is_told() {
    let (bench, mut card) = card(|_| ());
    let before = card.boot[0].bytes().clone();
    let without = without_boot(MmcErase::SecureErase);
    let look = without.look(&mut card).unwrap();
    assert_eq!((look.reach, look.commands.len(), look.areas.len()), (Reach::Unit, 1, 0));
    assert!(look.notes.iter().any(|note| note.contains("boot partitions") && note.contains("131072")));
    assert!(look.notes.iter().any(|note| note.contains("RPMB")));
    let bench = Bench { areas: Vec::new(), ..bench };
    let erasure = erased(bench.run(&without, &mut card));
    assert_eq!((erasure.areas.len(), *card.boot[0].bytes() == before), (0, true));
    let look = whole(MmcErase::SecureTrim).look(&mut card).unwrap();
    assert_eq!((look.reach, look.commands.len(), look.areas), (Reach::Card, 6, Area::BOOT.to_vec()));
    assert!(look.commands[5].name.starts_with("boot1: ERASE_GROUP_START"), "{:?}", look.commands[5]);

    let areas = MmcAreas::examine(&mut card).unwrap();
    assert_eq!((areas.boot, areas.general_purpose, areas.rpmb), (Bytes(2 * BOOT as u64), Bytes(0), Bytes(256 * 1024)));
    let told: Vec<_> = areas.report().into_iter().map(|area| (area.kind, area.size)).collect();
    assert_eq!(told, [(BOOT_PARTITIONS.to_owned(), Some(areas.boot))]);
    assert!(areas.asked_by().contains("RPMB, 262144 bytes"));
    let more = MmcAreas { general_purpose: Bytes(512), ..areas };
    assert_eq!(more.report()[1].kind, GENERAL_PURPOSE_PARTITIONS);
}

#[test]
fn a_kernel_that_shows_no_boot_partitions_is_an_obstacle() {
    for shown in [0, 1] {
        let (mut bench, mut card) = card(|_| ());
        bench.areas.truncate(shown);
        let why = obstacle(bench.run(&whole(MmcErase::SecureErase), &mut card));
        assert!(why.contains(&format!("boot{shown}")) && why.contains("--leave-boot-partitions"), "{why}");
        assert!(card.sent.iter().all(|(_, sequence)| !sequence.contains(&38)));
    }
}

#[test]
fn lies_errors_and_silence_are_failures() {
    for truth in [Truth::Nothing, Truth::ErasesHalf] {
        let (bench, mut card) = card(|card| card.truth = truth);
        assert_eq!(code(bench.run(&whole(MmcErase::SecureErase), &mut card)), "not_erased");
    }
    for how in HOW {
        let (bench, mut lies) = card(|card| card.boot_honest = false);
        let (code, message) = failed(bench.run(&whole(how), &mut lies));
        assert_eq!((code, message.contains("its area boot0 still hold")), ("not_erased", true), "{message}");
    }
    // It erases them to something else than it says of its erased blocks.
    let (bench, mut other) = card(|card| card.boot_leaves = 0xFF);
    let (code, message) = failed(bench.run(&whole(MmcErase::SecureErase), &mut other));
    assert_eq!((code, message.contains("its area boot0 holds something else")), ("mismatch", true), "{message}");
    // ERASE_SEQ_ERROR, ERASE_PARAM, WP_ERASE_SKIP, ERROR.
    for bit in [28, 27, 15, 19] {
        let (bench, mut card) = card(|card| card.error = 1 << bit);
        assert_eq!(super::bench::code(bench.run(&whole(MmcErase::SecureTrim), &mut card)), "drive_failed");
    }
    let (bench, mut silent) = card(|card| card.fails_at = Some(38));
    assert_eq!(super::bench::code(bench.run(&whole(MmcErase::Sanitize), &mut silent)), "drive_failed");
}

/// The card says once what went wrong while it was busy. What reads as erased after a trim shows nothing.
#[test]
fn an_error_that_only_the_first_status_after_an_erase_tells_is_not_forgotten() {
    const ERROR: u32 = 1 << 19;
    const WP_ERASE_SKIP: u32 = 1 << 15;
    for bits in [ERROR, WP_ERASE_SKIP] {
        // Erases before the last one, which is of a boot partition where it is not SANITIZE_START.
        for (how, (at, last)) in HOW.into_iter().zip([(38, 2), (38, 5), (6, 0)]) {
            // It waits for the card in the sequence, or the card is still at it when it is asked there.
            for (well, slow) in [(0, 0), (last, 0), (last, 3)] {
                let (bench, mut card) =
                    card(|card| (card.regrets, card.well, card.slow) = (Some((at, bits)), well, slow));
                let (code, message) = failed(bench.run(&whole(how), &mut card));
                let r1 = format!("{:08x}h", 0x900 | bits);
                assert_eq!((code, message.contains(&r1)), ("drive_failed", true), "{how:?} {well} {slow}: {message}");
                assert_eq!((card.regret, card.regrets), (0, None), "it was told, and once");
            }
        }
    }
    // What the card has to say of earlier commands is no word on this run.
    let (bench, mut before) = card(|card| card.regret = ERROR);
    erased(bench.run(&whole(MmcErase::SecureErase), &mut before));
}

#[test]
fn group_protection_that_is_switched_on_is_told_and_its_own_word_decides() {
    let notes = |user_wp: u8| {
        let (_, mut card) = card(|card| card.user_wp = user_wp);
        let look = whole(MmcErase::SecureErase).look(&mut card).unwrap();
        assert_eq!(look.obstacle, None, "no bit of USER_WP protects anything by itself");
        look.notes.join("\n")
    };
    assert!(notes(0b0001).contains("until the card's power is cut (USER_WP 01h)"));
    assert!(notes(0b0101).contains("for good (USER_WP 05h)"));
    // Only what is forbidden for ever: power-on and permanent protection, and passwords.
    for harmless in [0, 0b1101_1000] {
        assert!(!notes(harmless).contains("USER_WP"));
        assert!(notes(harmless).contains("where the kernel asks first"));
    }
}

/// A host that steps down meanwhile would write to a card that is still erasing.
#[test]
fn a_card_that_did_not_answer_in_time_has_failed_only_when_it_is_idle() {
    let (bench, mut late) = card(|card| (card.late, card.slow) = (true, 3));
    let (code, message) = failed(bench.run(&whole(MmcErase::SecureErase), &mut late));
    assert_eq!((code, message.contains("had no answer within")), ("drive_failed", true), "{message}");
    let looks = late.sent.iter().rev().take_while(|(_, sequence)| **sequence == [13]).count();
    assert_eq!(looks, 4, "three while it erased, and one when it was idle");

    let (bench, mut deaf) = card(|card| (card.late, card.deaf) = (true, true));
    assert_eq!(super::bench::code(bench.run(&whole(MmcErase::SecureErase), &mut deaf)), "status_lost");
}

#[test]
fn a_start_that_was_cut_between_two_commands_is_begun_again_once_the_card_is_idle() {
    // Everything is trimmed, and SANITIZE_START was never sent: what reads as erased is not.
    let (bench, mut card) = card(|card| card.fails_at = Some(6));
    assert_eq!(code(bench.run(&whole(MmcErase::Sanitize), &mut card)), "drive_failed");
    assert!(bench.medium.is_blank());
    let known = Past::fold(&*bench.notes.lock().unwrap()).areas;
    (card.fails_at, card.busy) = (None, 3);
    card.sent.clear();
    let erasure = erased(bench.resume(&whole(MmcErase::Sanitize), &mut card));
    assert_eq!(card.sent.iter().filter(|(_, s)| **s == [13]).count(), 4 + 1, "waited for, and asked at the end");
    assert_eq!(card.sent.iter().filter(|(_, s)| s.contains(&38)).count(), 3);
    assert_eq!(card.sent.iter().filter(|(_, s)| **s == [6, 13]).count(), 1);
    // The samples are those of the first start.
    assert_eq!(erasure.areas[0].samples as usize, known[0].samples.blocks.len());
    assert!(erasure.areas[0].samples > 0);
    let planned = bench.notes.lock().unwrap().iter().filter(|n| matches!(n, Note::AreaPlanned { .. })).count();
    assert_eq!(planned, 4, "two areas in each start");

    let (bench, mut card) = self::card(|card| card.fails_at = Some(6));
    code(bench.run(&whole(MmcErase::Sanitize), &mut card));
    (card.fails_at, card.busy) = (None, u32::MAX);
    let stopped = Bench { polls: 2, ..bench };
    assert!(matches!(stopped.resume(&whole(MmcErase::Sanitize), &mut card), Ok(End::Interrupted)));
}

#[test]
fn each_needs_its_own_bit() {
    for (how, lacks) in HOW.into_iter().zip([0x50, 0x41, 0x11]) {
        let (bench, mut card) = card(|card| card.features = lacks);
        let refused = bench.run(&whole(how), &mut card);
        assert!(matches!(refused, Err(Refusal::Unsupported(_))), "{how:?}: {refused:?}");
        assert!(card.sent.iter().all(|(_, sequence)| !sequence.contains(&38)));
    }
}

#[test]
fn what_the_card_itself_protects_is_named_or_left_out() {
    for (protected, words) in [
        ((0, 0b0001), "boot0 (BOOT_WP) until its power is cut"),
        ((0, 0b1000), "boot1 (BOOT_WP) for good"),
        ((0, 0b0011), "boot0 (BOOT_WP) in a way"),
        // Cards without BOOT_WP_STATUS.
        ((0b0000_0001, 0), "boot0 (BOOT_WP) until its power is cut"),
        ((0b1000_1100, 0), "boot1 (BOOT_WP) for good"),
    ] {
        let (bench, mut card) = card(|card| card.protected = protected);
        let why = obstacle(bench.run(&whole(MmcErase::Sanitize), &mut card));
        assert!(why.contains(words) && why.contains("--leave-boot-partitions"), "{why}");
        assert!(card.sent.iter().all(|(_, sequence)| !sequence.contains(&38)));
        let bench = Bench { areas: Vec::new(), ..bench };
        erased(bench.run(&without_boot(MmcErase::Sanitize), &mut card));
    }
}
