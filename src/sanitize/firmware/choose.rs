//! Which techniques are worth asking a medium for, and who carries each out.

use super::{Erase, NvmeFormat, NvmeSanitize, Procedure, ScsiFormat, ScsiSanitize};
use crate::media::{Medium, MediumClass, Transport};
use crate::policy::Technique;

/// The firmware techniques of a medium's bus, preferred ones first: what needs no trust in a key
/// before what does, what the standard defines for all of the medium before what it leaves open.
pub fn candidates(medium: &Medium) -> Vec<Technique> {
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
        ],
        Transport::Sas | Transport::Scsi | Transport::Network | Transport::Ufs | Transport::Usb => {
            vec![T::ScsiSanitizeBlock, T::ScsiSanitizeCrypto, T::ScsiSanitizeOverwrite, T::ScsiFormat]
        }
        Transport::Ata
        | Transport::Mmc
        | Transport::Virtio
        | Transport::Loop
        | Transport::File
        | Transport::Memory
        | Transport::Unknown => Vec::new(),
    }
}

/// Who carries a technique out on a medium; `None` where it is none of the drive's own, or cannot be
/// sent to this medium.
pub fn procedure_for(technique: Technique, medium: &Medium) -> Option<Box<dyn Procedure>> {
    use Technique as T;
    let format = |crypto| -> Option<Box<dyn Procedure>> { Some(Box::new(NvmeFormat::new(crypto, namespace(medium)?))) };
    match technique {
        T::NvmeSanitizeBlock => Some(Box::new(NvmeSanitize::new(Erase::Block))),
        T::NvmeSanitizeCrypto => Some(Box::new(NvmeSanitize::new(Erase::Crypto))),
        T::NvmeSanitizeOverwrite => Some(Box::new(NvmeSanitize::new(Erase::Overwrite))),
        T::NvmeFormatUser => format(false),
        T::NvmeFormatCrypto => format(true),
        T::ScsiSanitizeBlock => Some(Box::new(ScsiSanitize::new(Erase::Block))),
        T::ScsiSanitizeCrypto => Some(Box::new(ScsiSanitize::new(Erase::Crypto))),
        T::ScsiSanitizeOverwrite => Some(Box::new(ScsiSanitize::new(Erase::Overwrite))),
        T::ScsiFormat => Some(Box::new(ScsiFormat)),
        _ => None,
    }
}

/// The namespace id that the identity names (`nsid 1`).
fn namespace(medium: &Medium) -> Option<u32> {
    medium.identity.unit.as_deref()?.strip_prefix("nsid ")?.parse().ok()
}
