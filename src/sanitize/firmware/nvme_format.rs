//! Format NVM with secure erase (NVM Express base specification 2.1, Format NVM).

use std::cell::RefCell;
use std::time::Duration;

use super::nvme::{controller, planned, said, started};
use super::procedure::{Look, Procedure, Started, State};
use crate::device::command::Data;
use crate::device::command::nvme::{
    AdminCommand, FormatTarget, Namespace, SecureErase, format_nvm, identify_namespace, status,
};
use crate::device::transport::Transport;
use crate::media::Reach;
use crate::policy::Technique;

const PATIENCE: Duration = Duration::from_secs(60);
/// The command answers when it is done: so long it may take.
const LONGEST: Duration = Duration::from_secs(8 * 3600);

/// Format NVM of one namespace, in its present LBA format.
#[derive(Clone, Debug)]
pub struct NvmeFormat {
    erase: SecureErase,
    /// It is named also where the drive applies the command to all: the broadcast id may be refused.
    target: FormatTarget,
    namespace: u32,
    /// The error that the drive answered with when it was at work, or may have been. It says so once.
    failed: RefCell<Option<String>>,
}

impl NvmeFormat {
    /// With cryptographic erase (SES 2), or with user data erase (SES 1). SES 0 erases nothing and is
    /// not to be had here.
    pub fn new(crypto: bool, namespace: u32) -> NvmeFormat {
        let erase = if crypto { SecureErase::Crypto } else { SecureErase::UserData };
        NvmeFormat { erase, target: FormatTarget::Namespace(namespace), namespace, failed: RefCell::new(None) }
    }

    /// Format NVM of a namespace that is like this now.
    pub fn command(&self, keep: &Namespace) -> AdminCommand {
        format_nvm(self.target, keep, self.erase)
    }

    fn namespace(&self, path: &mut dyn Transport) -> Result<Namespace, Refused> {
        let mut data = [0; 4096];
        let command = identify_namespace(self.namespace);
        match path.nvme_admin(&command, Data::In(&mut data), PATIENCE) {
            Ok(done) if done.is_success() => Namespace::parse(&data).ok_or_else(|| Refused {
                code: 0,
                words: format!("{}: what came back is no namespace that is in use", command.name),
            }),
            Ok(done) => Err(Refused { code: done.code(), words: format!("{}: {}", command.name, done.meaning()) }),
            Err(error) => Err(Refused { code: 0, words: error.to_string() }),
        }
    }
}

struct Refused {
    code: u16,
    words: String,
}

impl Procedure for NvmeFormat {
    fn technique(&self) -> Technique {
        match self.erase {
            SecureErase::Crypto => Technique::NvmeFormatCrypto,
            SecureErase::UserData => Technique::NvmeFormatUser,
        }
    }

    fn look(&self, path: &mut dyn Transport) -> Result<Look, String> {
        let found = controller(path)?;
        let supported = found.has_format && (self.erase != SecureErase::Crypto || found.format.crypto_erase);
        let namespace = self.namespace(path).map_err(|refused| refused.words)?;
        let reach = match self.target.reach(found.format) {
            Some(FormatTarget::Namespace(_)) => Reach::Unit,
            Some(FormatTarget::All) | None => Reach::Subsystem,
        };
        Ok(Look {
            serial: found.serial,
            supported,
            reach,
            commands: vec![planned(&self.command(&namespace))],
            ..Look::default()
        })
    }

    fn start(&self, path: &mut dyn Transport) -> Started {
        let namespace = match self.namespace(path) {
            Ok(namespace) => namespace,
            Err(refused) => return Started::Rejected(refused.words),
        };
        let command = self.command(&namespace);
        let answer = path.nvme_admin(&command, Data::None, LONGEST);
        if let Ok(done) = answer
            && !done.is_success()
            && !done.says_not_begun(command.opcode)
            && !done.is_of_the_path()
            && done.code() != status::FORMAT_IN_PROGRESS
        {
            *self.failed.borrow_mut() = Some(format!("{} ended with {}", command.name, said(done)));
        }
        started(&command, answer)
    }

    fn status(&self, path: &mut dyn Transport) -> State {
        match self.namespace(path) {
            Ok(Namespace { format_left: Some(left), .. }) if left > 0 => {
                let done = 100u32.saturating_sub(u32::from(left));
                State::Running(u16::try_from(done * 65_535 / 100).ok())
            }
            Ok(_) => self.failed.borrow().clone().map_or(State::Ready, State::Failed),
            Err(refused) => match refused.code {
                status::FORMAT_IN_PROGRESS | status::NAMESPACE_NOT_READY | status::SANITIZE_IN_PROGRESS => {
                    State::Running(None)
                }
                _ => State::Unknown(refused.words),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::command::nvme::{Completion, identify_controller};
    use crate::device::transport::Scripted;
    use crate::media::CommandSet;

    /// Namespace 7 of a controller with Format NVM and this FNA; `change` is made to Identify Namespace.
    fn path(fna: u8, change: impl FnOnce(&mut [u8])) -> Scripted {
        let (path, script) = Scripted::new(&[CommandSet::Nvme]);
        let (mut data, mut namespace) = (vec![0; 4096], vec![0; 4096]);
        (data[256], data[524]) = (1 << 1, fna);
        (namespace[0], namespace[130]) = (1, 9);
        change(&mut namespace);
        script.always_nvme_in(&identify_controller(), &data, Ok(Completion::default()));
        script.always_nvme_in(&identify_namespace(7), &namespace, Ok(Completion::default()));
        path
    }

    #[test]
    fn either_bit_of_fna_makes_it_a_format_of_all_namespaces() {
        for (fna, reach) in [
            (0, Reach::Unit),
            (1, Reach::Subsystem),
            (2, Reach::Subsystem),
            (3, Reach::Subsystem),
            // Cryptographic erase, and no broadcast id: neither says what it reaches.
            (0b1100, Reach::Unit),
            (0b1101, Reach::Subsystem),
        ] {
            for crypto in [false, true] {
                let look = NvmeFormat::new(crypto, 7).look(&mut path(fna, |_| {})).unwrap();
                assert_eq!(look.reach, reach, "FNA {fna:04b}");
                assert_eq!(look.supported, !crypto || fna & 4 != 0, "FNA {fna:04b}");
                assert!(look.commands[0].command.starts_with("8000000007"), "{:?}", look.commands);
            }
        }
    }

    #[test]
    fn what_is_no_namespace_is_neither_ready_nor_formatted() {
        let format = NvmeFormat::new(false, 7);
        assert_eq!(format.status(&mut path(0, |_| {})), State::Ready);
        assert_eq!(format.status(&mut path(0, |data| data[32] = 0x80 | 75)), State::Running(Some(16_383)));
        assert_eq!(format.status(&mut path(0, |data| data[32] = 75)), State::Ready, "the bit says that it counts");
        assert!(matches!(format.status(&mut path(0, |data| data.fill(0))), State::Unknown(_)));
        assert!(matches!(format.start(&mut path(0, |data| data.fill(0))), Started::Rejected(_)));
        assert!(format.look(&mut path(0, |data| data.fill(0))).is_err());
    }
}
