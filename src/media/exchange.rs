//! One command as it was sent to a drive, and what came back: the evidence of a firmware technique.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The command sets a path can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandSet {
    /// ATA (ACS-5), directly or through SCSI / ATA translation.
    Ata,
    /// SCSI (SPC-6, SBC-5).
    Scsi,
    /// NVMe admin commands (NVM Express base 2.1).
    Nvme,
    /// eMMC and SD commands (JESD84-B51).
    Mmc,
    /// TCG Storage through the kernel's Opal driver.
    Opal,
    /// Requests that the kernel's block layer translates (zones, secure discard, rescan).
    Block,
}

/// One command and its answer. Hex is lower case without separators; what is secret (a password, a
/// PSID) never gets here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Which command set the bytes belong to.
    pub set: CommandSet,
    /// The command's name in its standard (`SANITIZE DEVICE BLOCK ERASE EXT`).
    pub name: String,
    /// The exact bytes. ATA: features, count (2 bytes each), LBA (6), device, command, each most
    /// significant byte first. SCSI: the CDB. NVMe: opcode, then NSID and CDW10-15 (4 bytes each,
    /// most significant first). MMC: command index and argument of each step.
    pub command: String,
    /// What was sent along, up to 512 bytes; `redacted` where it holds a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_out: Option<String>,
    /// What came back.
    pub reply: Reply,
    /// The data that came back (a log page, IDENTIFY data), at most the first 512 bytes and without
    /// zeros at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_in: Option<String>,
    /// When it was sent.
    pub sent: DateTime<Utc>,
    /// When the answer was there.
    pub answered: DateTime<Utc>,
}

/// What came back of a command. `NoRegisters` and `Failed` say nothing of the drive: they are never
/// success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// ATA registers: error, count (2 bytes), LBA (6), device, status, most significant byte first.
    AtaRegisters {
        /// Hex.
        registers: String,
        /// Bits 15:8 of the count were returned.
        count_high: bool,
        /// Bits 47:24 of the LBA were returned.
        lba_high: bool,
    },
    /// The path carried the ATA command but did not return the drive's registers.
    NoRegisters,
    /// SCSI status and sense data.
    Scsi {
        /// Status byte (SAM-6), hex.
        status: String,
        /// Sense data as returned, hex; empty when there were none.
        sense: String,
    },
    /// NVMe completion.
    Nvme {
        /// Status field: code type and code (`0`, `1d`), hex.
        status: String,
        /// Dword 0, hex.
        result: String,
    },
    /// MMC responses, four words for each step, hex.
    Mmc {
        /// Hex.
        responses: String,
    },
    /// The Opal method's status code, or the status flags.
    Opal {
        /// Hex.
        code: String,
    },
    /// The kernel did what was asked.
    Done,
    /// No answer of the drive: the path refused, timed out, or the drive is gone.
    Failed {
        /// Why.
        error: String,
    },
}

impl Exchange {
    /// Whether it is the same command at another time: polling.
    pub fn repeats(&self, earlier: &Exchange) -> bool {
        // Requests to the kernel's Opal driver have no bytes of their own, only a name.
        (self.set, &self.name, &self.command, &self.data_out)
            == (earlier.set, &earlier.name, &earlier.command, &earlier.data_out)
    }
}
