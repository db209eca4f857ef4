//! eMMC secure erase, secure trim and sanitize (JESD84-B51 6.6.9 to 6.6.13).
//!
//! The two boot partitions belong to the card. They are erased with it, each through its own node, unless they
//! were to be left out: a device whose eMMC is soldered in does not start any more without them. The
//! replay-protected area (RPMB) can be erased by nobody, and general purpose partitions are left to a run of
//! their own; both are told.
//!
//! What went wrong while the card was busy (ERROR, WP_ERASE_SKIP) it says once, in the first answer after that, and
//! forgets it. After a sanitize that follows a trim it is all that tells a failure: SEND_STATUS ends each sequence.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::mmc_areas::ext_csd;
use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::mmc::{
    Area, Command, EraseArgument, ExtCsd, Response, WriteProtection, erase, has_error, is_idle, is_programming,
    sanitize, send_status,
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
/// `mmc_poll_for_busy` and `mmc_switch_status` of Linux read the status, and keep none of these bits.
const ASKED_BY_THE_KERNEL: &str = "what goes wrong while the card erases it says once, in its first status after that; where the kernel asks first \
     (always after SANITIZE_START, and after an erase where the host controller does not wait for the card by itself) \
     that word is lost";

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootPartitions {
    /// Erased like the rest. A device with a soldered card does not start any more.
    #[default]
    Erase,
    /// Not touched; recorded as excluded.
    LeaveAlone,
}

impl BootPartitions {
    /// As a run that reaches so far was planned.
    pub fn of(reach: Reach) -> BootPartitions {
        if reach == Reach::Card { BootPartitions::Erase } else { BootPartitions::LeaveAlone }
    }
}

/// Erase of an eMMC card.
#[derive(Debug)]
pub struct MmcCard {
    how: MmcErase,
    boot: BootPartitions,
    erased_byte: RefCell<Option<u8>>,
    /// Something that erases was sent.
    sent: Cell<bool>,
    /// What the card said went wrong since then. It says so once.
    failed: RefCell<Option<String>>,
}

/// Commands for one area, with the time that they may take.
type Sequence = (Area, Vec<Command>, Duration);

impl MmcCard {
    /// By this erase.
    pub fn new(how: MmcErase, boot: BootPartitions) -> MmcCard {
        MmcCard { how, boot, erased_byte: RefCell::new(None), sent: Cell::new(false), failed: RefCell::new(None) }
    }

    /// Every sequence of commands in order.
    fn sequences(&self, card: &ExtCsd) -> Option<Vec<Sequence>> {
        let steps = match self.how {
            MmcErase::SecureErase => vec![EraseArgument::SecureErase],
            MmcErase::SecureTrim => vec![EraseArgument::SecureTrimStep1, EraseArgument::SecureTrimStep2],
            MmcErase::Sanitize => vec![EraseArgument::Trim],
        };
        let mut areas = vec![(Area::UserData, card.last()?, card.size())];
        let boot_last = Lba((card.boot_size.0 / SECTOR).saturating_sub(1));
        areas.extend(self.boot_partitions(card).iter().map(|area| (*area, boot_last, card.boot_size)));
        let mut sequences = Vec::new();
        for (area, last, size) in areas {
            for step in &steps {
                let mut sequence = erase(Lba(0), last, *step, card.addressing())?;
                sequence.push(send_status(ADDRESS));
                sequences.push((area, sequence, self.limit(card, size)));
            }
        }
        if self.how == MmcErase::Sanitize {
            sequences.push((Area::UserData, vec![sanitize(), send_status(ADDRESS)], LONGEST));
        }
        Some(sequences)
    }

    /// Those that are erased.
    fn boot_partitions(&self, card: &ExtCsd) -> &'static [Area] {
        match self.boot {
            BootPartitions::Erase if card.boot_size.0 > 0 => &Area::BOOT,
            BootPartitions::Erase | BootPartitions::LeaveAlone => &[],
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
        *self.failed.borrow_mut() = None;
        self.sent.set(false);
        let card = ext_csd(path)?;
        let sequences = self.sequences(&card).ok_or("the card's capacity does not fit into its own commands")?;
        for (number, (area, sequence, limit)) in sequences.iter().enumerate() {
            let erasing = sequence.iter().find(|command| command.response == Response::R1b);
            let name = area.names(erasing.map(std::slice::from_ref).unwrap_or_default());
            let answer = path.mmc_in(*area, sequence, Data::None, *limit);
            self.sent.set(true);
            let words = match answer {
                // The kernel carries SANITIZE_START out by itself and returns no R1.
                Ok(outcome) if outcome.is_success(sequence) => continue,
                Ok(outcome) => format!("{name}: R1 {}", r1(&outcome.responses)),
                Err(error) if error.was_not_sent() && number == 0 => return Err(error.to_string()),
                Err(error) => format!("{name}: {error}"),
            };
            *self.failed.borrow_mut() = Some(words.clone());
            return Ok(Started::Unknown(words));
        }
        Ok(Started::Accepted)
    }

    /// The card itself refuses to erase a boot partition.
    fn obstacle(&self, card: &ExtCsd) -> Option<String> {
        let protected = self.boot_partitions(card).iter().zip(card.boot_protection);
        let (area, state) = protected.clone().find(|(_, state)| *state != WriteProtection::None)?;
        let until = match state {
            WriteProtection::UntilPowerCycle => "until its power is cut: cut it",
            WriteProtection::Permanent => "for good: destroy it",
            WriteProtection::None | WriteProtection::Reserved => "in a way that the standard does not know: destroy it",
        };
        Some(format!(
            "the card itself write-protects its boot partition {} (BOOT_WP) {until}, or leave the boot partitions out \
             (--leave-boot-partitions), which the certificate then excludes",
            area.name()
        ))
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

    fn goes_on_by_itself(&self) -> bool {
        // It ends the command it is at. The others of the sequence have to be sent.
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
        let mut notes = vec![
            "the replay-protected area (RPMB) is not reached by any command".to_owned(),
            ASKED_BY_THE_KERNEL.to_owned(),
        ];
        notes.extend(group_protection(&card));
        if whole && card.boot_size.0 > 0 {
            notes.push(
                "the two boot partitions are erased too: a device with this card soldered in does not start any more"
                    .to_owned(),
            );
        }
        if !whole && card.boot_size.0 > 0 {
            notes.push(format!("the two boot partitions of {} bytes each are left as they are", card.boot_size));
        }
        let general = card.general_purpose.iter().filter(|size| size.0 > 0).count();
        if general > 0 {
            notes.push(format!("{general} general purpose partitions are not reached by this run"));
        }
        if self.how == MmcErase::Sanitize {
            notes.push(format!("removal by {}", card.removal.meaning()));
        }
        let sequences = self.sequences(&card).unwrap_or_default();
        Ok(Look {
            supported: supported && !sequences.is_empty(),
            obstacle: self.obstacle(&card),
            reach: if whole { Reach::Card } else { Reach::Unit },
            areas: self.boot_partitions(&card).to_vec(),
            commands: sequences.iter().map(|(area, sequence, _)| planned(*area, sequence)).collect(),
            notes,
            ..Look::default()
        })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        self.try_to_start(path).unwrap_or_else(Started::Rejected)
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        let command = [send_status(ADDRESS)];
        let state = match path.mmc(&command, Data::None, PATIENCE) {
            Ok(outcome) => {
                let words = format!("SEND_STATUS: R1 {}", r1(&outcome.responses));
                match outcome.responses.first() {
                    // An error of whatever was before. It is gone with this answer: asked again.
                    Some([r1, ..]) if has_error(*r1) && !self.sent.get() => State::Unknown(words),
                    Some([r1, ..]) => {
                        if has_error(*r1) {
                            self.failed.borrow_mut().get_or_insert_with(|| words.clone());
                        }
                        match () {
                            () if is_idle(*r1) => State::Ready,
                            // It goes on by itself.
                            () if is_programming(*r1) => State::Running(None),
                            () => State::Unknown(words),
                        }
                    }
                    None => State::Unknown(words),
                }
            }
            Err(error) => State::Unknown(error.to_string()),
        };
        match (state, &*self.failed.borrow()) {
            // Only a card that is idle has failed. One that did not answer in time may be erasing still.
            (State::Ready, Some(words)) => State::Failed(words.clone()),
            (state, _) => state,
        }
    }
}

/// USER_WP says how groups are protected, and not which: a card that skips one says so (WP_ERASE_SKIP).
fn group_protection(card: &ExtCsd) -> Option<String> {
    let how = match (card.user_protection.permanent(), card.user_protection.until_power_cycle()) {
        (false, false) => return None,
        (true, _) => "for good",
        (false, true) => "until the card's power is cut",
    };
    Some(format!(
        "the card is set to write-protect groups of its user data area {how} (USER_WP {:02x}h); whether any is \
         protected it does not say there, and an erase skips those that are",
        card.user_protection.0
    ))
}

fn planned(area: Area, sequence: &[Command]) -> PlannedCommand {
    PlannedCommand {
        set: CommandSet::Mmc,
        name: area.names(sequence),
        command: sequence.iter().map(|command| hex(&command.bytes())).collect(),
        data_out: None,
    }
}

pub(super) fn r1(responses: &[[u32; 4]]) -> String {
    responses.iter().map(|r| format!("{:08x}h", r[0])).collect::<Vec<_>>().join(" ")
}
