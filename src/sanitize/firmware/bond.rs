//! Whether the drive that answers commands is the one whose blocks are read and written.

use crate::media::{Medium, Transport};
use crate::policy::{Technique, Way};

/// What the host holds against the serial number that a drive says by its own command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bond {
    /// Commands and blocks take one way: the serial number of the medium, where it has one.
    OneWay(Option<String>),
    /// A bridge or an adapter hands the commands on. A dock may hand them to another bay than it reads and writes,
    /// so the serial number has to stand on the way itself.
    HandedOn {
        /// That of the medium.
        known: Option<String>,
        /// The one that the way names without any command for the disk ([`crate::device::own_serial`]).
        own: Option<String>,
    },
}

impl Bond {
    /// For a technique on a medium.
    pub fn of(technique: Technique, medium: &Medium, own: impl FnOnce() -> Option<String>) -> Bond {
        let known = medium.identity.serial.as_deref().map(|serial| serial.trim().to_owned());
        match technique.way() == Way::Ata && medium.transport != Transport::Ata {
            true => Bond::HandedOn { known, own: own() },
            false => Bond::OneWay(known),
        }
    }

    /// Whether who answers with this serial number is the drive that is meant. `Err`: why nothing is sent.
    pub fn check(&self, said: Option<&str>) -> Result<(), String> {
        let drive = said.unwrap_or("nothing");
        let (Bond::OneWay(known) | Bond::HandedOn { known, .. }) = self;
        if let Some(kernel) = known.as_deref().filter(|kernel| said != Some(*kernel)) {
            return Err(format!("the kernel says serial {kernel:?}, and on this path the drive itself says {drive:?}"));
        }
        match self {
            Bond::HandedOn { own: Some(own), .. } if said != Some(own.as_str()) => {
                Err(format!("what hands its commands on names serial {own:?}, and the drive itself says {drive:?}"))
            }
            Bond::HandedOn { own: None, .. } => Err(format!(
                "what hands its commands on names no serial number, so that nothing shows whether the drive that answers \
                 ({drive:?}) is the one that is read and written"
            )),
            Bond::HandedOn { .. } | Bond::OneWay(_) => Ok(()),
        }
    }

    /// Whether a bridge or an adapter hands the commands on.
    pub fn is_handed_on(&self) -> bool {
        matches!(self, Bond::HandedOn { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::VerificationLevel;

    fn bond(technique: Technique, transport: Transport, serial: Option<&str>, own: Option<&str>) -> Bond {
        let mut medium = crate::sanitize::samples::plan(&[], VerificationLevel::None).medium;
        medium.transport = transport;
        medium.identity.serial = serial.map(str::to_owned);
        Bond::of(technique, &medium, || own.map(str::to_owned))
    }

    #[test]
    fn where_commands_are_handed_on_the_way_itself_has_to_name_the_drive() {
        use Technique::{AtaSanitizeBlock, AtaSecurityErase};
        for technique in [AtaSanitizeBlock, AtaSecurityErase] {
            for transport in [Transport::Usb, Transport::Sas] {
                let check = |serial, own, said| bond(technique, transport, serial, own).check(said);
                assert_eq!(check(Some("S1"), Some("S1"), Some("S1")), Ok(()));
                // Only udev knows it, by the same commands that are in doubt; or nobody.
                assert!(check(Some("S1"), None, Some("S1")).unwrap_err().contains("no serial number"));
                assert!(check(None, None, Some("S1")).unwrap_err().contains("no serial number"));
                assert!(check(None, None, None).is_err());
                assert!(check(Some("S1"), Some("B7"), Some("S1")).unwrap_err().contains("B7"));
                for said in [Some("S2"), Some(""), None] {
                    assert!(check(Some("S1"), Some("S1"), said).is_err(), "{said:?}");
                }
            }
        }
    }

    #[test]
    fn where_there_is_one_way_the_serial_number_of_the_medium_is_enough() {
        let ways = [
            (Technique::AtaSanitizeBlock, Transport::Ata),
            (Technique::ScsiSanitizeBlock, Transport::Usb),
            (Technique::NvmeSanitizeBlock, Transport::NvmePcie),
        ];
        for (technique, transport) in ways {
            assert_eq!(bond(technique, transport, Some(" S1 "), None).check(Some("S1")), Ok(()));
            assert!(bond(technique, transport, Some("S1"), None).check(None).is_err());
            // Drives whose number is junk have none for the host.
            assert_eq!(bond(technique, transport, None, None).check(Some("0000")), Ok(()));
        }
    }
}
