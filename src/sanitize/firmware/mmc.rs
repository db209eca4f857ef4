//! eMMC secure erase, secure trim and sanitize (JESD84-B51 6.6.9 to 6.6.13).
//!
//! The two boot partitions belong to the card. They are erased with it when that was asked for: a
//! device whose eMMC is soldered in does not start any more without them. The replay-protected area
//! (RPMB) can be erased by nobody, and general purpose partitions are left to a run of their own;
//! both are told.

use std::cell::RefCell;
use std::time::Duration;

use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::mmc::{
    Command, EraseArgument, ExtCsd, Partition, WriteProtection, erase, erase_in, is_idle, read_block_in, sanitize,
    send_ext_csd, send_status,
};
use crate::device::command::{Data, hex};
use crate::device::transport::Transport;
use crate::media::{CommandSet, PlannedCommand, Reach};
use crate::policy::Technique;
use crate::units::{Bytes, Lba};

const PATIENCE: Duration = Duration::from_secs(60);
/// The card answers when it is done: so long a sequence may take, and not less than the other.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const SHORTEST: Duration = Duration::from_secs(600);
/// The kernel gives every eMMC this relative address.
const ADDRESS: u16 = 1;
const SECTOR: u64 = 512;

/// How the card erases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MmcErase {
    /// CMD38 80000000h.
    SecureErase,
    /// CMD38 80000001h, then 80008000h.
    SecureTrim,
    /// All is trimmed, then SANITIZE_START erases what is not mapped any more.
    Sanitize,
}

/// What becomes of the boot partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootPartitions {
    /// Erased like the rest. A device with a soldered card does not start any more.
    Erase,
    /// Not touched; told as not reached.
    LeaveAlone,
}

/// Erase of an eMMC card.
#[derive(Debug)]
pub struct MmcCard {
    how: MmcErase,
    boot: BootPartitions,
    erased_byte: RefCell<Option<u8>>,
    failed: RefCell<Option<String>>,
}

impl MmcCard {
    /// By this erase.
    pub fn new(how: MmcErase, boot: BootPartitions) -> MmcCard {
        MmcCard { how, boot, erased_byte: RefCell::new(None), failed: RefCell::new(None) }
    }

    /// Every sequence of commands in order, each with the time it may take.
    pub fn sequences(&self, card: &ExtCsd) -> Option<Vec<(Vec<Command>, Duration)>> {
        let last = card.last()?;
        let boot_last = Lba((card.boot_size.0 / SECTOR).saturating_sub(1));
        let steps = match self.how {
            MmcErase::SecureErase => vec![EraseArgument::SecureErase],
            MmcErase::SecureTrim => vec![EraseArgument::SecureTrimStep1, EraseArgument::SecureTrimStep2],
            MmcErase::Sanitize => vec![EraseArgument::Trim],
        };
        let mut sequences = Vec::new();
        for step in &steps {
            sequences.push((erase(Lba(0), last, *step)?, self.limit(card, card.size())));
        }
        for partition in self.boot_partitions(card) {
            for step in &steps {
                let sequence = erase_in(partition, Lba(0), boot_last, *step, card)?;
                sequences.push((sequence, self.limit(card, card.boot_size)));
            }
        }
        if self.how == MmcErase::Sanitize {
            sequences.push((vec![sanitize()], LONGEST));
        }
        Some(sequences)
    }

    /// Those that are erased.
    fn boot_partitions(&self, card: &ExtCsd) -> Vec<Partition> {
        match self.boot {
            BootPartitions::Erase if card.boot_size.0 > 0 => vec![Partition::Boot1, Partition::Boot2],
            BootPartitions::Erase | BootPartitions::LeaveAlone => Vec::new(),
        }
    }

    /// The card's own limit for so many erase groups, within bounds of ours.
    fn limit(&self, card: &ExtCsd, size: Bytes) -> Duration {
        let (erase, trim) = card.secure_multiples;
        let multiple = match self.how {
            MmcErase::SecureErase => erase,
            MmcErase::SecureTrim => trim,
            MmcErase::Sanitize => 1,
        };
        let groups = card.erase_group.map_or(1, |group| size.0.div_ceil(group.0.max(1)));
        let one = card.erase_timeout.unwrap_or(Duration::from_millis(300)) * u32::from(multiple.max(1));
        let all = one.checked_mul(u32::try_from(groups).unwrap_or(u32::MAX)).unwrap_or(LONGEST);
        all.clamp(SHORTEST, LONGEST)
    }

    fn try_to_start(&self, path: &mut dyn Transport) -> Result<Started, String> {
        let card = ext_csd(path)?;
        let sequences = self.sequences(&card).ok_or("the card's capacity does not fit into its own commands")?;
        for (number, (sequence, limit)) in sequences.iter().enumerate() {
            let name = sequence.iter().map(|c| c.name).find(|n| *n != "PARTITION_ACCESS").unwrap_or("erase");
            let words = match path.mmc(sequence, Data::None, *limit) {
                // The kernel carries SANITIZE_START out by itself and returns no R1.
                Ok(outcome) if outcome.is_success(sequence) => continue,
                Ok(outcome) => format!("{name}: R1 {}", r1(&outcome.responses)),
                Err(error) if error.was_not_sent() && number == 0 => return Err(error.to_string()),
                Err(error) => error.to_string(),
            };
            *self.failed.borrow_mut() = Some(words.clone());
            return Ok(Started::Unknown(words));
        }
        for partition in self.boot_partitions(&card) {
            if let Err(words) = read_back(path, &card, partition) {
                *self.failed.borrow_mut() = Some(words.clone());
                return Ok(Started::Unknown(words));
            }
        }
        Ok(Started::Accepted)
    }
}

impl Procedure for MmcCard {
    fn technique(&self) -> Technique {
        match self.how {
            MmcErase::SecureErase => Technique::MmcSecureErase,
            MmcErase::SecureTrim => Technique::MmcSecureTrim,
            MmcErase::Sanitize => Technique::MmcSanitize,
        }
    }

    fn leaves(&self) -> Option<u8> {
        *self.erased_byte.borrow()
    }

    fn tells_serial(&self) -> bool {
        // The CID holds it, and cannot be asked for while the card is selected.
        false
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let card = ext_csd(path)?;
        *self.erased_byte.borrow_mut() = Some(card.erased_byte);
        let supported = match self.how {
            MmcErase::SecureErase => card.secure_erase,
            MmcErase::SecureTrim => card.secure_trim,
            // Sanitize erases what is not mapped: everything has to be trimmed before.
            MmcErase::Sanitize => card.sanitize && card.secure_trim,
        };
        let whole = self.boot == BootPartitions::Erase;
        let protected = card.boot_protection.iter().any(|state| *state != WriteProtection::None);
        let obstacle = (whole && protected && card.boot_size.0 > 0).then(|| {
            "its boot partitions are write-protected until its power is cut, or for good; leave them out, or destroy it"
                .to_owned()
        });
        let mut notes = vec!["the replay-protected area (RPMB) is not reached by any command".to_owned()];
        if whole && card.boot_size.0 > 0 {
            notes.push(
                "the two boot partitions are erased too: a device with this card soldered in does not start any more"
                    .to_owned(),
            );
        }
        if !whole && card.boot_size.0 > 0 {
            notes.push(format!("the two boot partitions of {} bytes each are left as they are", card.boot_size));
        }
        let general = card.general_purpose.iter().filter(|size| **size > 0).count();
        if general > 0 {
            notes.push(format!("{general} general purpose partitions are not reached by this run"));
        }
        if self.how == MmcErase::Sanitize {
            notes.push(format!("removal by {}", card.removal.meaning()));
        }
        let sequences = self.sequences(&card).unwrap_or_default();
        Ok(Look {
            supported: supported && !sequences.is_empty(),
            obstacle,
            reach: if whole { Reach::Card } else { Reach::Unit },
            commands: sequences.iter().map(|(sequence, _)| planned(sequence)).collect(),
            notes,
            ..Look::default()
        })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        self.try_to_start(path).unwrap_or_else(Started::Rejected)
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        if let Some(words) = &*self.failed.borrow() {
            return State::Failed(words.clone());
        }
        let command = [send_status(ADDRESS)];
        match path.mmc(&command, Data::None, PATIENCE) {
            Ok(outcome) => match outcome.responses.first() {
                Some([r1, ..]) if is_idle(*r1) => State::Ready,
                // Programming: it goes on by itself.
                Some([r1, ..]) if r1 & 0x1E00 == 7 << 9 => State::Running(None),
                _ => State::Unknown(format!("SEND_STATUS: R1 {}", r1(&outcome.responses))),
            },
            Err(error) => State::Unknown(error.to_string()),
        }
    }
}

fn ext_csd(path: &mut dyn Transport) -> Result<ExtCsd, String> {
    let command = [send_ext_csd()];
    let mut data = [0; 512];
    let outcome = path.mmc(&command, Data::In(&mut data), PATIENCE).map_err(|error| error.to_string())?;
    if !outcome.is_success(&command) {
        return Err(format!("SEND_EXT_CSD: R1 {}", r1(&outcome.responses)));
    }
    ExtCsd::parse(&data).ok_or_else(|| "SEND_EXT_CSD came back unfilled".to_owned())
}

/// First, middle and last block of a boot partition must be what the card says that erased blocks are.
fn read_back(path: &mut dyn Transport, card: &ExtCsd, partition: Partition) -> Result<(), String> {
    let sectors = card.boot_size.0 / SECTOR;
    for sector in [0, sectors / 2, sectors.saturating_sub(1)] {
        let mut data = [!card.erased_byte; 512];
        let at = || format!("{partition:?}, sector {sector}");
        let sequence = read_block_in(partition, Lba(sector), card).ok_or_else(at)?;
        let outcome = path.mmc(&sequence, Data::In(&mut data), PATIENCE).map_err(|error| error.to_string())?;
        if !outcome.is_success(&sequence) {
            return Err(format!("{} could not be read back: R1 {}", at(), r1(&outcome.responses)));
        }
        if data.iter().any(|byte| *byte != card.erased_byte) {
            return Err(format!("{} is not erased: it does not read {:02x}h throughout", at(), card.erased_byte));
        }
    }
    Ok(())
}

fn planned(sequence: &[Command]) -> PlannedCommand {
    PlannedCommand {
        set: CommandSet::Mmc,
        name: sequence.iter().map(|command| command.name).collect::<Vec<_>>().join(", "),
        command: sequence.iter().map(|command| hex(&command.bytes())).collect(),
        data_out: None,
    }
}

fn r1(responses: &[[u32; 4]]) -> String {
    responses.iter().map(|r| format!("{:08x}h", r[0])).collect::<Vec<_>>().join(" ")
}
