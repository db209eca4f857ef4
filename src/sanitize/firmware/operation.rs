//! The erasing commands that are known here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a SANITIZE command erases (SBC-5 SANITIZE, NVM Express base 2.1 Sanitize).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Erase {
    /// Block erase: the medium's own low-level erase of every block.
    Block,
    /// The media encryption keys are changed.
    Crypto,
    /// A fixed pattern, written by the drive, once.
    Overwrite,
}

/// One erasing command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "command", content = "erase", rename_all = "snake_case")]
pub enum Operation {
    /// SANITIZE (SBC-5).
    ScsiSanitize(Erase),
    /// Sanitize (NVM Express base).
    NvmeSanitize(Erase),
}

impl Operation {
    /// Every command that is known here.
    pub const ALL: [Operation; 6] = [
        Operation::ScsiSanitize(Erase::Block),
        Operation::ScsiSanitize(Erase::Crypto),
        Operation::ScsiSanitize(Erase::Overwrite),
        Operation::NvmeSanitize(Erase::Block),
        Operation::NvmeSanitize(Erase::Crypto),
        Operation::NvmeSanitize(Erase::Overwrite),
    ];

    /// The technique's command-line name (`nvme-sanitize-block`).
    pub fn name(self) -> String {
        match self {
            Operation::ScsiSanitize(erase) => format!("scsi-sanitize-{}", erase.word()),
            Operation::NvmeSanitize(erase) => format!("nvme-sanitize-{}", erase.word()),
        }
    }

    /// The command with that name.
    pub fn of_name(name: &str) -> Option<Operation> {
        Operation::ALL.into_iter().find(|operation| operation.name() == name)
    }
}

impl Erase {
    fn word(self) -> &'static str {
        match self {
            Erase::Block => "block",
            Erase::Crypto => "crypto",
            Erase::Overwrite => "overwrite",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_operation() {
        for operation in Operation::ALL {
            assert_eq!(Operation::of_name(&operation.name()), Some(operation));
        }
        assert_eq!(Operation::of_name("discard"), None);
    }
}
