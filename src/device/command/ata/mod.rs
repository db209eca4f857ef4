//! ATA commands (ACS-5) as task files, and the registers that come back.

pub mod dco;
pub mod identify;
pub mod logs;
pub mod max_address;
mod pass_through;
pub mod sanitize;
pub mod security;
pub mod smart;

pub use pass_through::{NotEncodable, outcome, pass_through_16, registers};

/// How the data of a command travel (SAT-5 12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// No data phase.
    NonData,
    /// Data from the drive, programmed I/O.
    PioIn,
    /// Data to the drive, programmed I/O.
    PioOut,
    /// DMA, in either direction.
    Dma,
}

/// One ATA command as its task file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// The standard's name for it.
    pub name: &'static str,
    /// Data phase.
    pub protocol: Protocol,
    /// A 48-bit command: the high bytes of features, count and LBA count.
    pub extended: bool,
    /// FEATURE.
    pub features: u16,
    /// COUNT.
    pub count: u16,
    /// LBA, 48 bits (28 when not extended, of which bits 27:24 travel in DEVICE).
    pub lba: u64,
    /// DEVICE.
    pub device: u8,
    /// COMMAND.
    pub command: u8,
}

/// Bit 6 of DEVICE: the LBA field holds an LBA.
pub(crate) const LBA_DEVICE: u8 = 0x40;
/// STATUS bit 0.
const ERR: u8 = 0x01;
/// STATUS bit 3: data wait to be fetched.
const DRQ: u8 = 0x08;
/// STATUS bit 5.
const DEVICE_FAULT: u8 = 0x20;
/// STATUS bit 6.
const DRDY: u8 = 0x40;
/// STATUS bit 7.
const BUSY: u8 = 0x80;
/// ERROR bit 2.
const ABRT: u8 = 0x04;

impl Command {
    pub(crate) const fn non_data(name: &'static str, command: u8) -> Command {
        Command {
            name,
            protocol: Protocol::NonData,
            extended: false,
            features: 0,
            count: 0,
            lba: 0,
            device: LBA_DEVICE,
            command,
        }
    }

    /// The task file as the record shows it: features, count, LBA, device, command, each most
    /// significant byte first.
    pub fn task_file(&self) -> [u8; 12] {
        let [f1, f0] = self.features.to_be_bytes();
        let [c1, c0] = self.count.to_be_bytes();
        let [_, _, l5, l4, l3, l2, l1, l0] = self.lba.to_be_bytes();
        [f1, f0, c1, c0, l5, l4, l3, l2, l1, l0, self.device, self.command]
    }
}

/// TRUSTED RECEIVE (5Ch): 512 bytes of a security protocol. LBA 7:0 is the upper byte of the length,
/// LBA 23:8 is what the protocol defines (a ComID).
pub fn trusted_receive(protocol: u8, specific: u16) -> Command {
    Command {
        protocol: Protocol::PioIn,
        features: u16::from(protocol),
        count: 1,
        lba: u64::from(specific) << 8,
        ..Command::non_data("TRUSTED RECEIVE", 0x5C)
    }
}

/// The registers after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// ERROR.
    pub error: u8,
    /// COUNT; bits 15:8 mean nothing unless `count_high`.
    pub count: u16,
    /// LBA; bits 47:24 mean nothing unless `lba_high`.
    pub lba: u64,
    /// DEVICE.
    pub device: u8,
    /// STATUS.
    pub status: u8,
    /// Bits 15:8 of the count were returned.
    pub count_high: bool,
    /// Bits 47:24 of the LBA were returned.
    pub lba_high: bool,
}

impl Registers {
    /// The command completed without error.
    pub fn is_success(&self) -> bool {
        self.status & (BUSY | DRDY | DEVICE_FAULT | DRQ | ERR) == DRDY
    }

    /// The drive aborted the command: not supported, not allowed in this state, or failed.
    pub fn is_aborted(&self) -> bool {
        self.status & ERR != 0 && self.error & ABRT != 0
    }

    /// As the record shows them: error, count, LBA, device, status, most significant byte first.
    pub fn bytes(&self) -> [u8; 11] {
        let [c1, c0] = self.count.to_be_bytes();
        let [_, _, l5, l4, l3, l2, l1, l0] = self.lba.to_be_bytes();
        [self.error, c1, c0, l5, l4, l3, l2, l1, l0, self.device, self.status]
    }
}

/// What a path says of one ATA command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The drive's registers. `None`: the path did not return them, and nothing is known of the
    /// result, whatever else the path says.
    pub registers: Option<Registers>,
    /// The path reported an error in its own words (SCSI sense without ATA registers).
    pub sense: Option<super::scsi::Sense>,
    /// Bytes of the data phase that were transferred, where the path says.
    pub transferred: Option<usize>,
}

impl Outcome {
    /// Positive evidence that the command completed without error.
    pub fn is_success(&self) -> bool {
        self.registers.is_some_and(|registers| registers.is_success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_receive_byte_by_byte() {
        let command = trusted_receive(0x01, 0x0203);
        assert_eq!(super::super::hex(&command.task_file()), "00010001000000020300405c");
        assert_eq!((command.protocol, command.extended), (Protocol::PioIn, false));
    }
}
