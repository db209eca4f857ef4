//! Which techniques are worth asking a medium for, and who carries each out.

use super::{
    AtaSanitize, AtaSecurityErase, BootPartitions, Erase, MmcCard, MmcErase, NvmeFormat, NvmeSanitize, OpalPsidRevert,
    Procedure, Psids, ScsiFormat, ScsiSanitize, ZoneResetOverwrite,
};
use crate::device::command::ata::security::EraseMode;
use crate::device::{self, Roots};
use crate::media::{Kind, Medium, MediumClass, Transport, Zoned};
use crate::policy::{Technique, Way};

/// SANITIZE and FORMAT UNIT of a SCSI disk.
const SCSI: [Technique; 4] = [
    Technique::ScsiSanitizeBlock,
    Technique::ScsiSanitizeCrypto,
    Technique::ScsiSanitizeOverwrite,
    Technique::ScsiFormat,
];
/// SANITIZE DEVICE and SECURITY ERASE UNIT of an ATA disk.
const ATA: [Technique; 5] = [
    Technique::AtaSanitizeBlock,
    Technique::AtaSanitizeCrypto,
    Technique::AtaSanitizeOverwrite,
    Technique::AtaSecurityEraseEnhanced,
    Technique::AtaSecurityErase,
];

/// The firmware techniques of a medium's bus, preferred ones first: what needs no trust in a key
/// before what does, what the standard defines for all of the medium before what it leaves open.
pub fn candidates(medium: &Medium) -> Vec<Technique> {
    use Technique as T;
    let mut techniques = by_bus(medium);
    if !techniques.is_empty() && medium.zoned != Zoned::None {
        techniques.push(T::ZoneResetOverwrite);
    }
    techniques
}

fn by_bus(medium: &Medium) -> Vec<Technique> {
    use Technique as T;
    if medium.class == MediumClass::Image || medium.partition.is_some() {
        return Vec::new();
    }
    match medium.transport {
        Transport::NvmePcie | Transport::NvmeFabrics => vec![
            T::NvmeSanitizeBlock,
            T::NvmeSanitizeCrypto,
            T::NvmeSanitizeOverwrite,
            T::NvmeFormatCrypto,
            T::NvmeFormatUser,
            T::OpalPsidRevert,
        ],
        // An ATA disk may hang behind a SAS adapter or a USB bridge, reached by translation.
        Transport::Sas | Transport::Usb => [&SCSI[..], &ATA, &[T::OpalPsidRevert]].concat(),
        Transport::Scsi | Transport::Network | Transport::Ufs => [&SCSI[..], &[T::OpalPsidRevert]].concat(),
        Transport::Ata => [&ATA[..], &[T::OpalPsidRevert]].concat(),
        // The hardware areas of a card (boot partitions) are erased with it, never by themselves; an SD card
        // has none of these commands.
        Transport::Mmc if medium.kind == Kind::Emmc && medium.identity.unit.is_none() => {
            vec![T::MmcSecureErase, T::MmcSecureTrim, T::MmcSanitize]
        }
        Transport::Mmc
        | Transport::Virtio
        | Transport::Loop
        | Transport::File
        | Transport::Memory
        | Transport::Unknown => Vec::new(),
    }
}

/// Who carries a technique out on a medium, with the drive's PSID where one was given, and the boot partitions of
/// a card as was asked for; `None` where it is none of the drive's own, or cannot be sent to this medium.
pub fn procedure_for(
    technique: Technique,
    medium: &Medium,
    psids: &Psids,
    boot: BootPartitions,
) -> Option<Box<dyn Procedure>> {
    use Technique as T;
    let format = |crypto| -> Option<Box<dyn Procedure>> { Some(Box::new(NvmeFormat::new(crypto, namespace(medium)?))) };
    let sanitize = |erase| -> Option<Box<dyn Procedure>> {
        Some(Box::new(NvmeSanitize::new(erase).read_back_of(namespace(medium))))
    };
    let card = |how| -> Option<Box<dyn Procedure>> { Some(Box::new(MmcCard::new(how, boot))) };
    match technique {
        T::NvmeSanitizeBlock => sanitize(Erase::Block),
        T::NvmeSanitizeCrypto => sanitize(Erase::Crypto),
        T::NvmeSanitizeOverwrite => sanitize(Erase::Overwrite),
        T::NvmeFormatUser => format(false),
        T::NvmeFormatCrypto => format(true),
        T::ScsiSanitizeBlock => Some(Box::new(ScsiSanitize::new(Erase::Block))),
        T::ScsiSanitizeCrypto => Some(Box::new(ScsiSanitize::new(Erase::Crypto))),
        T::ScsiSanitizeOverwrite => Some(Box::new(ScsiSanitize::new(Erase::Overwrite))),
        T::ScsiFormat => Some(Box::new(ScsiFormat)),
        T::AtaSanitizeBlock => Some(Box::new(AtaSanitize::new(Erase::Block))),
        T::AtaSanitizeCrypto => Some(Box::new(AtaSanitize::new(Erase::Crypto))),
        T::AtaSanitizeOverwrite => Some(Box::new(AtaSanitize::new(Erase::Overwrite))),
        T::AtaSecurityErase => Some(Box::new(AtaSecurityErase::new(EraseMode::Normal))),
        T::AtaSecurityEraseEnhanced => Some(Box::new(AtaSecurityErase::new(EraseMode::Enhanced))),
        T::MmcSecureErase => card(MmcErase::SecureErase),
        T::MmcSecureTrim => card(MmcErase::SecureTrim),
        T::MmcSanitize => card(MmcErase::Sanitize),
        T::OpalPsidRevert => Some(Box::new(OpalPsidRevert::new(psids.of(medium).cloned()))),
        T::ZoneResetOverwrite => Some(Box::new(ZoneResetOverwrite::new())),
        T::Overwrite | T::Degauss | T::Shred | T::Pulverize | T::Disintegrate | T::Incinerate | T::Melt => None,
    }
}

/// Whether what the technique's command may reach beyond `medium` can be told: a command to a SCSI unit, or to the
/// drive's security subsystem, may be one to all units of the drive. `Err`: it has others, and they are named.
pub fn check_alone(technique: Technique, roots: &Roots, medium: &Medium) -> Result<(), String> {
    match technique.way() {
        Way::Scsi | Way::Tcg => device::check_alone(roots, medium).map_err(|error| error.to_string()),
        Way::Nvme | Way::Ata | Way::Mmc | Way::Host | Way::Physical => Ok(()),
    }
}

/// The namespace id that the identity names (`nsid 1`).
pub(super) fn namespace(medium: &Medium) -> Option<u32> {
    medium.identity.unit.as_deref()?.strip_prefix("nsid ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::VerificationLevel;

    fn medium(transport: Transport, kind: Kind) -> Medium {
        let medium = crate::sanitize::samples::plan(&[], VerificationLevel::None).medium;
        Medium { transport, kind, ..medium }
    }

    #[test]
    fn what_is_worth_asking_for_can_be_carried_out() {
        let mut nvme = medium(Transport::NvmePcie, Kind::Nvme);
        nvme.identity.unit = Some("nsid 1".to_owned());
        for (medium, first, count) in [
            (nvme, Technique::NvmeSanitizeBlock, 6),
            (medium(Transport::Ata, Kind::SataSsd), Technique::AtaSanitizeBlock, 6),
            (medium(Transport::Sas, Kind::SasSsd), Technique::ScsiSanitizeBlock, 10),
            (medium(Transport::Usb, Kind::Usb), Technique::ScsiSanitizeBlock, 10),
            (medium(Transport::Mmc, Kind::Emmc), Technique::MmcSecureErase, 3),
        ] {
            let techniques = candidates(&medium);
            assert_eq!((techniques[0], techniques.len()), (first, count));
            for technique in techniques {
                let procedure = procedure_for(technique, &medium, &Psids::default(), BootPartitions::Erase).unwrap();
                assert_eq!(procedure.technique(), technique);
            }
        }
        let zoned = Medium { zoned: Zoned::HostManaged, ..medium(Transport::Ata, Kind::Hdd) };
        assert!(candidates(&zoned).contains(&Technique::ZoneResetOverwrite));
    }

    #[test]
    fn parts_of_a_medium_and_what_has_no_commands_are_not_asked() {
        let mut boot = medium(Transport::Mmc, Kind::Emmc);
        boot.identity.unit = Some("boot0".to_owned());
        let image = Medium { class: MediumClass::Image, ..medium(Transport::Ata, Kind::Image) };
        for medium in [boot, image, medium(Transport::Mmc, Kind::Sd), medium(Transport::Virtio, Kind::Virtual)] {
            assert_eq!(candidates(&medium), []);
        }
    }
}
