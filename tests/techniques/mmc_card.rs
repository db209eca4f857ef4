//! An eMMC card: user data area and two boot partitions.

use std::time::Duration;

use lastwrite::device::command::Data;
use lastwrite::device::command::mmc::{Command, Outcome};
use lastwrite::device::transport::{Transport, TransportError};
use lastwrite::media::{CommandSet, Reach};
use lastwrite::sanitize::firmware::{BootPartitions, MmcCard, MmcErase, Procedure, Refusal};

use super::bench::{Bench, Medium, SIZE, Truth, code, erased, failed, obstacle};

const BOOT: usize = 128 * 1024;
const HOW: [MmcErase; 3] = [MmcErase::SecureErase, MmcErase::SecureTrim, MmcErase::Sanitize];

struct Card {
    medium: Medium,
    truth: Truth,
    boot: [Vec<u8>; 2],
    boot_honest: bool,
    protected: bool,
    features: u8,
    access: usize,
    range: Option<(u32, u32)>,
    marked: bool,
    /// R1 of CMD38.
    error: u32,
    fails_at: Option<u32>,
    /// Looks at the status until it is idle again, after an erase.
    slow: u32,
    busy: u32,
    sent: Vec<Vec<u32>>,
}

fn card(change: impl FnOnce(&mut Card)) -> (Bench, Card) {
    let medium = Medium::full();
    let mut card = Card {
        medium: medium.clone(),
        truth: Truth::Erases,
        boot: [vec![0xB1; BOOT], vec![0xB2; BOOT]],
        boot_honest: true,
        protected: false,
        features: 0x51,
        access: 0,
        range: None,
        marked: false,
        error: 0,
        fails_at: None,
        slow: 0,
        busy: 0,
        sent: Vec::new(),
    };
    change(&mut card);
    (Bench::new(&medium), card)
}

impl Card {
    fn ext_csd(&self) -> Vec<u8> {
        let mut data = vec![0; 512];
        (data[192], data[231], data[226], data[179]) = (8, self.features, 1, 0x48 | self.access as u8);
        data[174] = u8::from(self.protected);
        data[212..216].copy_from_slice(&((SIZE / 512) as u32).to_le_bytes());
        (data[223], data[224], data[229], data[230]) = (2, 1, 17, 18);
        data
    }

    fn erase(&mut self, argument: u32) {
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
        let whole = |bytes: usize| trims && (first, last) == (0, (bytes / 512 - 1) as u32);
        match self.access {
            0 => {
                assert!(whole(SIZE));
                self.truth.carry_out(&self.medium);
            }
            boot => {
                assert!(whole(BOOT));
                if self.boot_honest {
                    self.boot[boot - 1].fill(0);
                }
            }
        }
    }
}

impl Transport for Card {
    fn offers(&self) -> Vec<CommandSet> {
        vec![CommandSet::Mmc]
    }

    fn mmc(&mut self, commands: &[Command], data: Data<'_>, limit: Duration) -> Result<Outcome, TransportError> {
        assert!(limit >= Duration::from_secs(60));
        self.sent.push(commands.iter().map(|command| command.opcode).collect());
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
                6 if command.argument >> 16 & 0xFF == 179 => {
                    let value = command.argument >> 8 & 0xFF;
                    assert_eq!(value & !7, 0x48, "what it boots from stays");
                    self.access = (value & 7) as usize;
                }
                6 => assert_eq!(command.argument, 0x03A5_0100),
                8 => buffer.take().unwrap().copy_from_slice(&self.ext_csd()),
                13 if self.busy > 0 => (self.busy, r1) = (self.busy - 1, 0xE00),
                13 => {}
                17 => {
                    let at = command.argument as usize * 512;
                    buffer.take().unwrap().copy_from_slice(&self.boot[self.access - 1][at..at + 512]);
                }
                35 => self.range = Some((command.argument, 0)),
                36 => self.range = self.range.map(|(first, _)| (first, command.argument)),
                38 => {
                    r1 |= self.error;
                    if self.error == 0 {
                        self.busy = self.slow;
                        self.erase(command.argument);
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

#[test]
fn an_honest_card_is_erased_with_its_boot_partitions_by_each_of_the_three() {
    for how in HOW {
        let (bench, mut card) = card(|card| card.slow = 3);
        let erasure = erased(bench.run(&whole(how), &mut card));
        assert!(bench.medium.is_blank() && erasure.survey.is_clean() && erasure.canaries > 10);
        assert!(card.boot.iter().flatten().all(|byte| *byte == 0));
        assert_eq!(card.access, 0, "the user data area is what commands go to afterwards");
        // Sanitize is the last command, after everything was trimmed.
        let erases: Vec<_> = card.sent.iter().filter(|s| s.contains(&38) || **s == [6]).collect();
        assert_eq!(erases.last().unwrap().contains(&38), how != MmcErase::Sanitize);
    }
}

#[test]
fn boot_partitions_can_be_left_alone_and_that_is_told() {
    let (bench, mut card) = card(|_| ());
    let without = MmcCard::new(MmcErase::SecureErase, BootPartitions::LeaveAlone);
    let look = without.look(&mut card).unwrap();
    assert_eq!((look.reach, look.commands.len()), (Reach::Unit, 1));
    assert!(look.notes.iter().any(|note| note.contains("boot partitions") && note.contains("131072")));
    assert!(look.notes.iter().any(|note| note.contains("RPMB")));
    erased(bench.run(&without, &mut card));
    assert!(card.boot[0].iter().all(|byte| *byte == 0xB1));
    let look = whole(MmcErase::SecureTrim).look(&mut card).unwrap();
    assert_eq!((look.reach, look.commands.len()), (Reach::Card, 6));
}

#[test]
fn lies_errors_and_silence_are_failures() {
    for truth in [Truth::Nothing, Truth::ErasesHalf] {
        let (bench, mut card) = card(|card| card.truth = truth);
        assert_eq!(code(bench.run(&whole(MmcErase::SecureErase), &mut card)), "not_erased");
    }
    let (bench, mut lies) = card(|card| card.boot_honest = false);
    let (code, message) = failed(bench.run(&whole(MmcErase::SecureErase), &mut lies));
    assert_eq!((code, message.contains("Boot1, sector 0 is not erased")), ("drive_failed", true), "{message}");
    // ERASE_SEQ_ERROR, ERASE_PARAM, WP_ERASE_SKIP, ERROR.
    for bit in [28, 27, 15, 19] {
        let (bench, mut card) = card(|card| card.error = 1 << bit);
        assert_eq!(super::bench::code(bench.run(&whole(MmcErase::SecureTrim), &mut card)), "drive_failed");
    }
    let (bench, mut silent) = card(|card| card.fails_at = Some(38));
    assert_eq!(super::bench::code(bench.run(&whole(MmcErase::Sanitize), &mut silent)), "drive_failed");
}

#[test]
fn each_needs_its_own_bit_and_protected_boot_partitions_are_named() {
    for (how, lacks) in HOW.into_iter().zip([0x50, 0x41, 0x11]) {
        let (bench, mut card) = card(|card| card.features = lacks);
        let refused = bench.run(&whole(how), &mut card);
        assert!(matches!(refused, Err(Refusal::Unsupported(_))), "{how:?}: {refused:?}");
        assert!(card.sent.iter().all(|sequence| !sequence.contains(&38)));
    }
    let (bench, mut protected) = card(|card| card.protected = true);
    assert!(obstacle(bench.run(&whole(MmcErase::Sanitize), &mut protected)).contains("write-protected"));
    erased(bench.run(&MmcCard::new(MmcErase::Sanitize, BootPartitions::LeaveAlone), &mut protected));
}
