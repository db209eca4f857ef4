//! Format NVM with secure erase (NVM Express base specification 2.1, Format NVM).

use std::time::Duration;

use super::nvme::{controller, planned, serial};
use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::Data;
use crate::device::command::nvme::{AdminCommand, status};
use crate::device::transport::Transport;
use crate::media::Reach;
use crate::policy::Technique;

const PATIENCE: Duration = Duration::from_secs(60);
/// The command answers when it is done: so long it may take.
const LONGEST: Duration = Duration::from_secs(8 * 3600);

/// Format NVM of one namespace, in its present LBA format.
#[derive(Clone, Copy, Debug)]
pub struct NvmeFormat {
    crypto: bool,
    namespace: u32,
}

impl NvmeFormat {
    /// With cryptographic erase (SES 2), or with user data erase (SES 1). SES 0 erases nothing and is
    /// not to be had here.
    pub fn new(crypto: bool, namespace: u32) -> NvmeFormat {
        NvmeFormat { crypto, namespace }
    }

    /// Identify Namespace (CNS 00h).
    pub fn identify_namespace(namespace: u32) -> AdminCommand {
        AdminCommand { name: "Identify Namespace", opcode: 0x06, nsid: namespace, ..AdminCommand::default() }
    }

    /// Format NVM. The namespace is named also where the drive applies it to all (FNA bits 0 and 1):
    /// the broadcast id may be refused (FNA bit 3). `format` are FLBAS and DPS of Identify Namespace.
    pub fn command(&self, (flbas, dps): (u8, u8)) -> AdminCommand {
        let ses = if self.crypto { 2 } else { 1 };
        let (index, upper) = (u32::from(flbas & 0xF), u32::from(flbas >> 5 & 3));
        let metadata = u32::from(flbas >> 4 & 1);
        let (kind, location) = (u32::from(dps & 7), u32::from(dps >> 3 & 1));
        let cdw10 = upper << 12 | ses << 9 | location << 8 | kind << 5 | metadata << 4 | index;
        AdminCommand { name: "Format NVM", opcode: 0x80, nsid: self.namespace, cdw10, ..AdminCommand::default() }
    }

    fn namespace(&self, path: &mut dyn Transport) -> Result<[u8; 4096], Refused> {
        let mut data = [0; 4096];
        let command = NvmeFormat::identify_namespace(self.namespace);
        match path.nvme_admin(&command, Data::In(&mut data), PATIENCE) {
            Ok(done) if done.is_success() => Ok(data),
            Ok(done) => Err(Refused { code: done.code(), words: format!("{}: {}", command.name, done.meaning()) }),
            Err(error) => Err(Refused { code: 0, words: error.to_string() }),
        }
    }
}

struct Refused {
    code: u16,
    words: String,
}

/// FLBAS and DPS.
fn format_of(namespace: &[u8; 4096]) -> (u8, u8) {
    (namespace[26], namespace[29])
}

impl Procedure for NvmeFormat {
    fn technique(&self) -> Technique {
        if self.crypto { Technique::NvmeFormatCrypto } else { Technique::NvmeFormatUser }
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let data = controller(path)?;
        let (optional, fna) = (u16::from_le_bytes([data[256], data[257]]), data[524]);
        let supported = optional & 1 << 1 != 0 && (!self.crypto || fna & 1 << 2 != 0);
        let namespace = self.namespace(path).map_err(|refused| refused.words)?;
        // Bit 0: a format applies to all namespaces; bit 1: a secure erase does.
        let reach = if fna & 0b11 != 0 { Reach::Subsystem } else { Reach::Unit };
        Ok(Look {
            serial: serial(&data),
            supported,
            reach,
            commands: vec![planned(&self.command(format_of(&namespace)))],
            ..Look::default()
        })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        let namespace = match self.namespace(path) {
            Ok(namespace) => namespace,
            Err(refused) => return Started::Rejected(refused.words),
        };
        match path.nvme_admin(&self.command(format_of(&namespace)), Data::None, LONGEST) {
            Ok(done) if done.is_success() => Started::Accepted,
            Ok(done) if done.code() == status::FORMAT_IN_PROGRESS => Started::Unknown(done.meaning().to_owned()),
            Ok(done) => Started::Rejected(format!("{} (status {:x}h)", done.meaning(), done.code())),
            Err(error) if error.was_not_sent() => Started::Rejected(error.to_string()),
            Err(error) => Started::Unknown(error.to_string()),
        }
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        match self.namespace(path) {
            // FPI: bit 7 supported, the rest is the per cent that remain.
            Ok(data) if data[32] & 0x80 != 0 && data[32] & 0x7F != 0 => {
                let done = 100u32.saturating_sub(u32::from(data[32] & 0x7F));
                State::Running(u16::try_from(done * 65_535 / 100).ok())
            }
            Ok(_) => State::Ready,
            Err(refused) => match refused.code {
                status::FORMAT_IN_PROGRESS | status::NAMESPACE_NOT_READY | status::SANITIZE_IN_PROGRESS => {
                    State::Running(None)
                }
                _ => State::Unknown(refused.words),
            },
        }
    }
}
